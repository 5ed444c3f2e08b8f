//! Matrices of which each rank holds its rows: the bits of one process where the preconditioner is the same, certified
//! answers where it is of each rank's block, one error for all. The ranks are threads here.

mod common;

use common::random_vector;
use krylane::matrix::{CHUNK, Csr, Matrix, Triplets, gallery};
use krylane::method::{METHODS, Needs};
use krylane::precond::{Given, NearNull, PRECONDITIONERS};
use krylane::ranks::Ranks;
use krylane::{EigenOptions, Error, Method, Options, Precond, Reason, Report, Solver};
use std::ops::Range;
use std::sync::Arc;

/// Runs `body` on so many ranks; what each returns.
fn on<T: Send>(size: usize, body: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> = Ranks::threads(size).into_iter().map(|r| scope.spawn(move || body(r))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// Rows `range` of `a`.
fn rows(a: &Csr, range: &Range<usize>) -> Csr {
    let starts = &a.row_ptr()[range.start..=range.end];
    let entries = starts[0]..starts[range.len()];
    let row_ptr = starts.iter().map(|s| s - starts[0]).collect();
    Csr::new(range.len(), a.cols(), row_ptr, a.columns()[entries.clone()].to_vec(), a.values()[entries].to_vec())
        .unwrap()
}

/// Rank `p`'s rows of n: cuts at multiples of `step`, the second of several ranks without rows.
fn part(n: usize, p: usize, size: usize, step: usize) -> Range<usize> {
    let cut = |p: usize| if p == size { n } else { n * p.saturating_sub(usize::from(p > 1)) / size / step * step };
    cut(p)..cut(p + 1)
}

fn options(method: &str, precond: &str, precision: &str) -> Options {
    Options {
        method: method.parse().unwrap(),
        preconditioner: precond.parse().unwrap(),
        precision: precision.parse().unwrap(),
        threads: 1,
        ..Options::default()
    }
}

/// What each rank reports.
fn solved(
    a: &Csr,
    b: &[f64],
    size: usize,
    step: usize,
    options: impl Fn() -> Options + Sync,
) -> Vec<krylane::Result<Report>> {
    on(size, |ranks| {
        let own = part(a.rows(), ranks.rank(), size, step);
        let matrix = Matrix::from_local_rows(&ranks, &rows(a, &own))?;
        Solver::new(&matrix, options())?.solve(&b[own])
    })
}

fn all(what: &str, reports: Vec<krylane::Result<Report>>) -> Vec<Report> {
    let errors: Vec<String> = reports.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{what} on {}: {errors:#?}", reports.len());
    reports.into_iter().map(Result::unwrap).collect()
}

/// The parts of x as one.
fn whole(reports: &[Report]) -> Vec<f64> {
    reports.iter().flat_map(|r| r.x.iter().copied()).collect()
}

/// ‖b − A x‖/‖b‖.
fn left_of(a: &Csr, x: &[f64], b: &[f64]) -> f64 {
    let r: f64 = a.multiply(x).iter().zip(b).map(|(p, b)| (b - p).powi(2)).sum();
    r.sqrt() / b.iter().map(|b| b * b).sum::<f64>().sqrt()
}

fn bits(v: &[f64]) -> Vec<u64> {
    v.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn methods_have_the_bits_of_one_process() {
    let definite = gallery::poisson2d(72);
    let general = gallery::convection_diffusion2d(72, [0.6, 0.2]);
    for method in METHODS.iter().filter(|m| m.needs != Needs::Any && !m.traits.whole_vectors) {
        if method.traits.two_sided {
            continue;
        }
        let a = if method.needs.symmetry() { &definite } else { &general };
        let b = random_vector(a.rows(), 5);
        for (precond, precision) in [("none", "f64"), ("jacobi", "f64"), ("jacobi", "mixed")] {
            let options = || Options { max_iterations: 40, ..options(method.id, precond, precision) };
            let alone = Solver::new(a, options()).unwrap().solve(&b).unwrap();
            for size in [1, 2, 4] {
                let reports = solved(a, &b, size, CHUNK, options);
                let reports = all(&format!("{} with {precond}", method.id), reports);
                let what = format!("{} with {precond} in {precision} on {size}", method.id);
                for report in &reports {
                    assert_eq!(bits(&report.history), bits(&alone.history), "{what}");
                    assert_eq!(report.certificate, alone.certificate, "{what}");
                    assert_eq!(report.reason, alone.reason, "{what}");
                }
                assert_eq!(bits(&whole(&reports)), bits(&alone.x), "{what}");
            }
        }
    }
}

#[test]
fn every_preconditioner_solves() {
    let a = gallery::elasticity2d([40, 40], 0.3, true).0;
    let b = random_vector(a.rows(), 6);
    for p in PRECONDITIONERS.iter().filter(|p| !p.program_only) {
        let method = if p.symmetric { "cg" } else { "gmres" };
        for (size, step) in [(1, 1), (3, 1), (4, 2)] {
            let id = if p.id == "block_jacobi" { "block_jacobi:2" } else { p.id };
            let reports = solved(&a, &b, size, step, || options(method, id, "f64"));
            let reports = all(p.id, reports);
            let what = format!("{} on {size}: {}", p.id, reports[0].reason);
            assert!(reports.iter().all(|r| r.reason == reports[0].reason), "{what}");
            assert!(reports[0].reason.is_converged(), "{what}");
            let left = left_of(&a, &whole(&reports), &b);
            assert!(left <= 1.01e-8 && (left / reports[0].certificate.relative - 1.0).abs() < 1e-3, "{what}: {left:e}");
        }
    }
}

/// Iterations of multigrid may grow with the number of ranks, but hardly.
#[test]
fn multigrid_is_shared() {
    for (name, a, most) in [
        ("poisson3d", gallery::poisson3d(32), 1.25),
        ("poisson2d", gallery::poisson2d(180), 1.25),
        ("jumps", gallery::chessboard2d(120, 8, 1e4), 1.25),
    ] {
        let b = random_vector(a.rows(), 6);
        for precision in ["f64", "auto"] {
            let alone = Solver::new(&a, options("cg", "amg", precision)).unwrap().solve(&b).unwrap();
            for size in [1, 3, 8] {
                let reports = all(name, solved(&a, &b, size, 1, || options("cg", "amg", precision)));
                let first = &reports[0];
                assert!(first.reason.is_converged(), "{name} on {size}: {}", first.reason);
                let left = left_of(&a, &whole(&reports), &b);
                assert!(left <= 1.01e-8, "{name} on {size}: {left:e}");
                let grown = first.iterations as f64 / alone.iterations as f64;
                assert!(grown <= most, "{name} on {size}: {} iterations, {} alone", first.iterations, alone.iterations);
                let levels = first.plan.iter().filter(|l| l.starts_with("amg level")).count();
                assert!(levels >= 2, "{:?}", first.plan);
            }
        }
    }
}

#[test]
fn multigrid_of_elasticity_has_its_rigid_body_modes() {
    let (a, points) = gallery::elasticity2d([60, 40], 0.3, true);
    let b = random_vector(a.rows(), 2);
    let modes = NearNull::rigid_body_modes(&points).unwrap();
    let of = |range: Range<usize>| {
        let vectors = modes.vectors().iter().map(|v| v[range.clone()].to_vec()).collect();
        Some(Arc::new(NearNull::new(modes.block(), vectors).unwrap()))
    };
    let with = |near_null| Options { near_null, ..options("cg", "amg", "f64") };
    let alone = Solver::new(&a, with(of(0..a.rows()))).unwrap().solve(&b).unwrap();
    for size in [2, 5] {
        let reports = on(size, |ranks| {
            // Nodes of two unknowns stay together.
            let own = part(a.rows(), ranks.rank(), size, 2);
            let matrix = Matrix::from_local_rows(&ranks, &rows(&a, &own))?;
            Solver::new(&matrix, with(of(own.clone())))?.solve(&b[own])
        });
        let reports = all("elasticity", reports);
        let left = left_of(&a, &whole(&reports), &b);
        assert!(reports[0].reason.is_converged() && left <= 1.01e-8, "{}: {left:e}", reports[0].reason);
        let most = alone.iterations * 3 / 2;
        assert!(reports[0].iterations <= most, "{size}: {} and {} alone", reports[0].iterations, alone.iterations);
    }
}

/// With everything left to the plan: symmetric and not, definite and not, singular, and of a few rows.
#[test]
fn the_default_solves() {
    let shifted = {
        let mut a = gallery::poisson2d(24);
        let diagonal: Vec<usize> =
            (0..a.rows()).map(|i| a.row_ptr()[i] + a.row(i).0.binary_search(&(i as u32)).unwrap()).collect();
        let mut values = a.values().to_vec();
        diagonal.into_iter().for_each(|k| values[k] -= 0.5);
        a.set_values(values).unwrap();
        a
    };
    let mut systems = vec![
        ("poisson", gallery::poisson2d(50)),
        ("convection", gallery::convection_diffusion2d(40, [0.3, 0.1])),
        ("indefinite", shifted),
        ("seven rows", gallery::poisson1d(7)),
        ("one row", gallery::diagonal(&[3.0])),
    ];
    systems.push(("neumann", gallery::neumann2d(40)));
    for (name, a) in systems {
        let b = a.multiply(&random_vector(a.rows(), 9));
        for size in [1, 3] {
            let reports = all(name, solved(&a, &b, size, 1, Options::default));
            let left = left_of(&a, &whole(&reports), &b);
            let told = &reports[0];
            assert!(told.reason.is_converged() && left <= 1.01e-8, "{name} on {size}: {} {left:e}", told.reason);
            assert!(reports.iter().all(|r| r.method == told.method && r.iterations == told.iterations), "{name}");
        }
    }
}

/// Facts that the plan rests on, whatever rank sees them.
#[test]
fn facts_are_those_of_one_process() {
    let mut far = gallery::poisson2d(30);
    let mut values = far.values().to_vec();
    // The last entry of row 10 is a_10,40.
    let k = far.row_ptr()[11] - 1;
    values[k] *= 1.5;
    far.set_values(values).unwrap();
    let b = vec![1.0; far.rows()];
    for size in [1, 2, 5] {
        let reports = all("asymmetric", solved(&far, &b, size, 1, || options("cg", "none", "f64")));
        for r in &reports {
            assert_eq!(r.reason, Reason::NotSymmetric { i: 10, j: 40 }, "{size} ranks");
        }
    }
    let neumann = gallery::neumann2d(30);
    for r in all("neumann", solved(&neumann, &b, 3, 1, || options("cg", "jacobi", "f64"))) {
        assert!(
            matches!(r.reason, Reason::InconsistentSystem { null_component } if null_component > 0.99),
            "{}",
            r.reason
        );
    }
}

/// Least-squares endings of minres are decided by norms over all rows: here one rank's part of the gradient is zero.
#[test]
fn a_least_squares_ending_is_everyones() {
    let a = gallery::neumann2d(12);
    for b in [0, 143].map(|i| {
        let mut b = vec![0.0; 144];
        b[i] = 1.0;
        b
    }) {
        let alone = Solver::new(&a, options("minres", "none", "f64")).unwrap().solve(&b).unwrap();
        assert_eq!(alone.reason, Reason::LeastSquares);
        for size in [1, 2, 5] {
            let reports = all("minres", solved(&a, &b, size, 1, || options("minres", "none", "f64")));
            for r in &reports {
                assert_eq!(r.reason, Reason::LeastSquares, "{size} ranks");
                assert!(r.iterations.abs_diff(alone.iterations) <= 2);
            }
            // What is left of b is its mean.
            let left = left_of(&a, &whole(&reports), &b);
            assert!((left - 1.0 / 12.0).abs() < 1e-8, "{left}");
        }
    }
}

/// A limit binds each rank's part, not the whole.
#[test]
fn memory_is_counted_by_rank() {
    let a = gallery::poisson2d(200);
    let b = random_vector(a.rows(), 3);
    // All of A takes 2.4 MB, eight vectors 2.6 MB.
    let limited =
        |size| solved(&a, &b, size, 1, || Options { memory_limit: Some(3_000_000), ..options("cg", "jacobi", "f64") });
    assert!(matches!(limited(1)[0], Err(Error::OutOfMemory { .. })), "{:?}", limited(1)[0].as_ref().err());
    assert!(all("limited", limited(6)).iter().all(|r| r.reason.is_converged()));
}

/// What can't be is refused on every rank with one sentence.
#[test]
fn refusals_and_faults_are_everyones() {
    let a = gallery::poisson2d(20);
    let b = vec![1.0; 400];
    let told = |options: &(dyn Fn() -> Options + Sync)| -> Vec<String> {
        let tell = |r: krylane::Result<Report>| r.err().map_or_else(String::new, |e| e.to_string());
        solved(&a, &b, 3, 1, options).into_iter().map(tell).collect()
    };
    for (method, precond, word) in
        [("idrs", "none", "another method"), ("bicg", "none", "transpose"), ("lsqr", "none", "transpose")]
    {
        let told = told(&|| options(method, precond, "f64"));
        assert!(told.iter().all(|t| t.contains(word)), "{method}: {told:?}");
    }
    let smoother = told(&|| options("cg", "amg:smoother=gauss_seidel", "f64"));
    assert!(smoother.iter().all(|t| t.contains("chebyshev")), "{smoother:?}");
    // A zero pivot that one rank has.
    let mut zero = Triplets::new(400, 400).unwrap();
    (0..400).for_each(|i| zero.push(i, if i == 399 { 0 } else { i }, 2.0).unwrap());
    let zero = zero.to_csr().unwrap();
    let told: Vec<String> = solved(&zero, &b, 3, 1, || options("gmres", "chebyshev", "f64"))
        .into_iter()
        .map(|r| r.unwrap().reason.to_string())
        .collect();
    assert!(told.iter().all(|t| t.contains("row 399: the diagonal entry is zero")), "{told:?}");
    // A b that is no number on one rank, and one of another length.
    for (spoil, word) in [(0, "NaN"), (1, "entries")] {
        let told = on(3, |ranks| {
            let own = part(400, ranks.rank(), 3, 1);
            let matrix = Matrix::from_local_rows(&ranks, &rows(&a, &own)).unwrap();
            let mut b = b[own].to_vec();
            if ranks.rank() == 2 {
                if spoil == 0 { b[3] = f64::NAN } else { b.push(1.0) }
            }
            Solver::new(&matrix, options("cg", "none", "f64")).unwrap().solve(&b).unwrap_err().to_string()
        });
        assert!(told.iter().all(|t| t.contains(word)), "{told:?}");
    }
    // Rigid-body modes of a rank's own points, where one has a single node.
    let (elastic, points) = gallery::elasticity2d([6, 6], 0.3, true);
    let told = on(2, |ranks| {
        let own = if ranks.rank() == 0 { 0..2 } else { 2..elastic.rows() };
        let matrix = Matrix::from_local_rows(&ranks, &rows(&elastic, &own)).unwrap();
        let modes = NearNull::rigid_body_modes(&points[own.start / 2..own.end / 2]).unwrap();
        let options = Options { near_null: Some(Arc::new(modes)), ..options("cg", "amg", "f64") };
        Solver::new(&matrix, options).unwrap().solve(&vec![1.0; own.len()]).unwrap_err().to_string()
    });
    assert!(told.iter().all(|t| t.contains("parts of the same")), "{told:?}");
    // Rows that ranks share, as another's preconditioner.
    let told = on(2, |ranks| {
        let m = Matrix::from_local_rows(&ranks, &rows(&gallery::poisson1d(4), &part(4, ranks.rank(), 2, 1))).unwrap();
        let preconditioner = Precond::Given(Given::matrix(m));
        let options = Options { preconditioner, ..options("gmres", "none", "f64") };
        Solver::new(&gallery::poisson1d(2), options).unwrap().solve(&[1.0, 2.0]).unwrap_err().to_string()
    });
    assert!(told.iter().all(|t| t.contains("gather_rows")), "{told:?}");
    // Columns that are not the rows of all.
    let told = on(3, |ranks| {
        let local = Csr::identity(5 + ranks.rank()).unwrap();
        Matrix::from_local_rows(&ranks, &local).unwrap_err().to_string()
    });
    assert!(told.iter().all(|t| t.contains("18 rows in all")), "{told:?}");
    let told = on(2, |ranks| {
        let matrix = Matrix::from_local_rows(&ranks, &rows(&a, &part(400, ranks.rank(), 2, 1))).unwrap();
        let searched = krylane::eigs(&matrix, EigenOptions::default()).unwrap_err();
        let mut solver = Solver::builder(&matrix).method(Method::Cg).build().unwrap();
        [searched, solver.update(&matrix).unwrap_err()].map(|e: Error| e.to_string())
    });
    assert!(
        told.iter().all(|[eigen, update]| eigen.contains("gather_rows") && update.contains("new solver")),
        "{told:?}"
    );
}

/// Columns of 64 bits, and several right-hand sides.
#[test]
fn wide_columns_and_several_systems() {
    let a = gallery::convection_diffusion2d(40, [0.6, 0.2]);
    let b = [random_vector(a.rows(), 1), random_vector(a.rows(), 2)];
    let reports = on(3, |ranks| {
        let own = part(a.rows(), ranks.rank(), 3, 1);
        let local = rows(&a, &own);
        let columns: Vec<u64> = local.columns().iter().map(|&j| u64::from(j)).collect();
        let matrix = Matrix::from_local_entries(&ranks, local.row_ptr(), &columns, local.values())?;
        let b = b.each_ref().map(|b| b[own.clone()].to_vec());
        Solver::new(&matrix, options("bicgstab", "ilu0", "f64"))?.solve_many(&b)
    });
    let reports: Vec<Vec<Report>> = reports.into_iter().map(Result::unwrap).collect();
    for (k, b) in b.iter().enumerate() {
        let x: Vec<f64> = reports.iter().flat_map(|r| r[k].x.iter().copied()).collect();
        assert!(reports[0][k].reason.is_converged() && left_of(&a, &x, b) <= 1.01e-8, "{}", reports[0][k].reason);
    }
    let told = on(2, |ranks| {
        let columns = if ranks.rank() == 1 { [1, 0] } else { [0, 1] };
        Matrix::from_local_entries(&ranks, &[0, 2], &columns, &[1.0, 1.0]).unwrap_err().to_string()
    });
    assert!(told.iter().all(|t| t.contains("ascend")), "{told:?}");
}
