//! Several ranks that share a solve: the bits of one process, and one ending for all. The ranks are threads here; the
//! MPI job of `tests/mpi` runs the same cases with processes.

mod common;

use common::random_vector;
use krylane::matrix::{Csr, Matrix, RowFunction, Triplets, gallery};
use krylane::method::{METHODS, Needs};
use krylane::precond::PRECONDITIONERS;
use krylane::ranks::Ranks;
use krylane::{EigenOptions, Error, Options, Reason, Report, Solver, Which};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Runs `body` on so many ranks; what each returns.
fn on<T: Send>(size: usize, body: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> = Ranks::threads(size).into_iter().map(|r| scope.spawn(move || body(r))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn options(method: &str, precond: &str, precision: &str) -> Options {
    Options {
        method: method.parse().unwrap(),
        preconditioner: precond.parse().unwrap(),
        precision: precision.parse().unwrap(),
        max_iterations: 40,
        threads: 1,
        ..Options::default()
    }
}

/// What must be the same to the last bit.
fn bits(r: &Report) -> (Vec<u64>, Vec<u64>, [usize; 3], String) {
    let of = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect();
    let reason = format!("{:?} {:?}", r.reason, r.certificate);
    (of(&r.x), of(&r.history), [r.iterations, r.matvecs, r.restarts], reason)
}

/// Solves alone, then on ranks; panics where they differ.
fn same(what: &str, a: &Csr, b: &[f64], sizes: &[usize], options: impl Fn() -> Options + Sync) {
    let solve = |ranks: Option<Ranks>| Solver::new(a, Options { ranks, ..options() }).unwrap().solve(b).unwrap();
    let alone = bits(&solve(None));
    for &size in sizes {
        for (rank, shared) in on(size, |ranks| bits(&solve(Some(ranks)))).iter().enumerate() {
            assert!(*shared == alone, "{what}: rank {rank} of {size} differs: {:?}, alone {:?}", shared.2, alone.2);
        }
    }
}

/// Nonsymmetric, definite, with neighbours near and far: 5184 rows make six chunks.
fn convection() -> Csr {
    gallery::convection_diffusion2d(72, [0.6, 0.2])
}

/// More rows than columns, full rank.
fn tall(rows: usize, cols: usize) -> Csr {
    let entries = |i: usize| [(i % cols, 4.0), ((7 * i + 3) % cols, 1.0), ((13 * i * i + 5) % cols, -1.5)];
    let mut t = Triplets::new(rows, cols).unwrap();
    (0..rows).for_each(|i| entries(i).iter().for_each(|&(j, v)| t.push(i, j, v).unwrap()));
    t.to_csr().unwrap()
}

#[test]
fn every_method_has_the_bits_of_one_process() {
    let definite = gallery::poisson2d(72);
    let general = convection();
    let tall = tall(5000, 2200);
    for method in METHODS.iter().filter(|m| !m.traits.program_only) {
        let a = match method.needs {
            Needs::Any => &tall,
            needs if needs.symmetry() => &definite,
            _ => &general,
        };
        let b = random_vector(a.rows(), 5);
        // Seven ranks for six chunks: one has no rows.
        same(method.id, a, &b, &[1, 2, 3, 4, 7], || options(method.id, "none", "f64"));
        same(method.id, a, &b, &[3], || options(method.id, "none", "mixed"));
    }
}

#[test]
fn every_preconditioner_has_the_bits_of_one_process() {
    let a = gallery::elasticity2d([40, 40], 0.3, true).0;
    let b = random_vector(a.rows(), 6);
    for p in PRECONDITIONERS.iter().filter(|p| !p.program_only) {
        let method = if p.symmetric { "cg" } else { "gmres" };
        same(p.id, &a, &b, &[2, 5], || options(method, p.id, "f64"));
    }
}

#[test]
fn threads_within_ranks_change_nothing() {
    let a = gallery::poisson3d(40);
    let b = random_vector(a.rows(), 1);
    same("cg, amg, 2 x 2", &a, &b, &[2], || Options { threads: 2, ..options("cg", "amg", "auto") });
    // As many threads as the machine has, and more ranks.
    same("cg, amg, 5 x any", &a, &b, &[5], || Options { threads: 0, ..options("cg", "amg", "auto") });
}

#[test]
fn several_right_hand_sides_null_spaces_and_products_that_are_functions() {
    let a = gallery::neumann2d(60);
    let inside = a.multiply(&random_vector(a.rows(), 3));
    same("neumann", &a, &inside, &[3], || options("cg", "jacobi", "auto"));
    let b = [random_vector(a.rows(), 8), inside];
    let many = |ranks: Option<Ranks>| {
        let mut solver = Solver::new(&a, Options { ranks, ..options("minres", "jacobi", "f64") }).unwrap();
        solver.solve_many(&b).unwrap().iter().map(bits).collect::<Vec<_>>()
    };
    let alone = many(None);
    assert!(on(3, |ranks| many(Some(ranks))).iter().all(|shared| *shared == alone));

    let n = 4000;
    let row = move |i: usize, x: &[f64]| {
        let left = if i > 0 { x[i - 1] } else { 0.0 };
        2.5 * x[i] - left - if i + 1 < n { x[i + 1] } else { 0.0 }
    };
    let function = Matrix::free(RowFunction::new(n, n, row));
    let b = random_vector(n, 2);
    let solve = |ranks: Option<Ranks>, precision| {
        let options = Options { ranks, ..options("bicgstab", "none", precision) };
        bits(&Solver::new(&function, options).unwrap().solve(&b).unwrap())
    };
    for precision in ["f64", "mixed"] {
        let alone = solve(None, precision);
        assert!(on(3, |ranks| solve(Some(ranks), precision)).iter().all(|shared| *shared == alone), "{precision}");
    }
}

#[test]
fn a_solver_goes_on_with_other_values_and_other_right_hand_sides() {
    let a = convection();
    let mut other = a.clone();
    other.set_values(a.values().iter().map(|v| 1.5 * v + 0.01).collect()).unwrap();
    let b = [random_vector(a.rows(), 1), random_vector(a.rows(), 2)];
    let sequence = |ranks: Option<Ranks>| {
        let mut solver = Solver::new(&a, Options { ranks, ..options("bicgstab", "ilu0", "f64") }).unwrap();
        let first = bits(&solver.solve(&b[0]).unwrap());
        solver.update(&other).unwrap();
        [first, bits(&solver.solve(&b[1]).unwrap())]
    };
    let alone = sequence(None);
    assert!(on(4, |ranks| sequence(Some(ranks))).iter().all(|shared| *shared == alone));
}

#[test]
fn the_race_converges_on_all_ranks_alike() {
    for a in [convection(), gallery::poisson2d(72)] {
        let b = random_vector(a.rows(), 4);
        let reports = on(3, |ranks| {
            let options = Options { ranks: Some(ranks), threads: 1, ..Options::default() };
            Solver::new(&a, options).unwrap().solve(&b).unwrap()
        });
        assert!(reports.iter().all(|r| r.reason.is_converged() && r.certificate.relative <= 1e-8));
        assert!(reports.iter().all(|r| bits(r) == bits(&reports[0])));
    }
}

#[test]
fn eigenvalues_and_singular_values_too() {
    let a = gallery::poisson2d(50);
    let eigen = |ranks: Option<Ranks>, which| {
        let options = EigenOptions { k: 3, which, threads: 1, ranks, ..EigenOptions::default() };
        krylane::eigs(&a, options).unwrap().eigenvalues.iter().map(|v| v.re.to_bits()).collect::<Vec<_>>()
    };
    for which in [Which::LA, Which::SA] {
        let alone = eigen(None, which);
        assert!(alone.len() == 3 && on(2, |ranks| eigen(Some(ranks), which)).iter().all(|shared| *shared == alone));
    }
    let tall = tall(3000, 1500);
    let singular = |ranks: Option<Ranks>| {
        let options = EigenOptions { k: 2, threads: 1, ranks, ..EigenOptions::default() };
        krylane::svds(&tall, options).unwrap().singular_values
    };
    let alone = singular(None);
    assert!(alone.len() == 2 && on(3, |ranks| singular(Some(ranks))).iter().all(|shared| *shared == alone));
}

#[test]
fn a_matrix_is_put_together_from_the_rows_of_ranks() {
    let a = convection();
    let b = random_vector(a.rows(), 9);
    let cuts = [0, 100, 100, 3000, a.rows()];
    on(4, |ranks| {
        let rows = cuts[ranks.rank()]..cuts[ranks.rank() + 1];
        let entries = a.row_ptr()[rows.start]..a.row_ptr()[rows.end];
        let row_ptr = a.row_ptr()[rows.start..=rows.end].iter().map(|p| p - entries.start).collect();
        let (columns, values) = (a.columns()[entries.clone()].to_vec(), a.values()[entries].to_vec());
        let local = Csr::new(rows.len(), a.cols(), row_ptr, columns, values).unwrap();
        assert_eq!(ranks.gather_rows(&local).unwrap(), a);
        assert_eq!(ranks.gather_vector(&b[rows]).unwrap(), b);
    });
}

#[test]
fn what_one_rank_is_told_ends_all_of_them() {
    let a = gallery::poisson2d(120);
    let b = random_vector(a.rows(), 1);
    let endless = |ranks: Ranks| Options {
        rtol: 0.0,
        max_iterations: usize::MAX,
        ranks: Some(ranks),
        ..options("richardson", "none", "f64")
    };
    let start = Instant::now();
    let reasons = on(3, |ranks| {
        let last = ranks.rank() == 2;
        let mut solver = Solver::new(&a, endless(ranks)).unwrap();
        let cancel = solver.cancel_flag();
        let mut heard = |event: krylane::Event| {
            if last && event.iteration == 50 {
                cancel.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        };
        solver.solve_watched(&b, None, &mut heard).unwrap().reason
    });
    assert_eq!(reasons, vec![Reason::Cancelled; 3]);
    let reasons = on(3, |ranks| {
        let first = ranks.rank() == 0;
        let mut solver = Solver::new(&a, endless(ranks)).unwrap();
        // Once: ranks hear of it when they next ask each other.
        let heard = |event: krylane::Event| match first && event.iteration == 37 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        solver.solve_watched(&b, None, heard).unwrap().reason
    });
    assert_eq!(reasons, vec![Reason::StoppedByCallback; 3]);
    let reasons = on(3, |ranks| {
        let time_limit = (ranks.rank() == 1).then_some(Duration::from_millis(100));
        Solver::new(&a, Options { time_limit, ..endless(ranks) }).unwrap().solve(&b).unwrap().reason
    });
    assert_eq!(reasons, vec![Reason::TimeLimit; 3]);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_error_of_one_rank_is_an_error_of_all() {
    let a = gallery::poisson2d(40);
    let b = vec![1.0; a.rows()];
    let errors = on(3, |ranks| {
        let rtol = if ranks.rank() == 1 { f64::NAN } else { 1e-8 };
        Solver::new(&a, Options { rtol, ..Options { ranks: Some(ranks), ..Options::default() } })
            .err()
            .unwrap()
            .to_string()
    });
    assert!(errors.iter().all(|e| e.contains("rank 1: rtol is NaN")), "{errors:?}");
    // Memory for the vectors on two ranks only.
    let errors = on(3, |ranks| {
        let memory_limit = (ranks.rank() == 2).then_some(1000);
        let options = Options { memory_limit, ranks: Some(ranks), ..options("cg", "jacobi", "f64") };
        Solver::new(&a, options).unwrap().solve(&b).err().unwrap().to_string()
    });
    assert!(errors.iter().all(|e| e.contains("rank 2: out of memory")), "{errors:?}");
    // One leaves before the others have begun.
    let errors = on(3, |ranks| {
        (ranks.rank() > 0).then(|| Solver::new(&a, Options { ranks: Some(ranks), ..Options::default() }).err().unwrap())
    });
    assert!(errors.iter().flatten().all(|e| matches!(e, Error::Ranks(why) if why == "rank 0 has left")), "{errors:?}");
}

#[test]
fn traffic_is_counted_and_a_gpu_is_refused() {
    let a = gallery::poisson2d(72);
    let b = random_vector(a.rows(), 4);
    let counters = on(2, |ranks| {
        let report = Solver::new(&a, Options { ranks: Some(ranks), ..options("cg", "none", "f64") }).unwrap().solve(&b);
        let report = report.unwrap();
        (report.counters, report.iterations as u64, report.adapter.name)
    });
    for (counters, iterations, name) in &counters {
        // A message to the one neighbour and two sums an iteration; the rest is set-up, x, and questions by the clock.
        assert!((*iterations..iterations + 9).contains(&counters.messages), "{counters:?} {iterations}");
        assert!(counters.reductions >= 2 * iterations, "{counters:?} {iterations}");
        // 72 entries of 8 bytes to the neighbour, a few sums, x at the end.
        let least = iterations * 72 * 8;
        assert!(
            (least..least + iterations * 200 + 8 * 5184).contains(&counters.bytes_sent),
            "{counters:?} {iterations}"
        );
        assert!(name.starts_with("CPU, 2 ranks"), "{name}");
    }
    let refused = on(2, |ranks| {
        let options = Options { ranks: Some(ranks), backend: krylane::Backend::Gpu, ..Options::default() };
        Solver::new(&a, options).err().unwrap().to_string()
    });
    assert!(refused[0].contains("on CPUs only"), "{refused:?}");
}
