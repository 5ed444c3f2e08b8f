//! Systems that the device sees in other variables: x, certificate and history are the user's.

mod common;

use common::{assert_solved, bits, cpu, from_entries, map, one_at_a_time, power, random_vector, solve, targets};
use krylane::matrix::{Csr, gallery};
use krylane::random::Random;
use krylane::{Error, Method, Options, Solver, When};

fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let keys = Random::new(seed).vector(n);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]));
    order
}

/// A with row and column i at `place[i]`.
fn moved(a: &Csr, place: &[usize]) -> Csr {
    let mut t = krylane::matrix::Triplets::new(a.rows(), a.cols()).unwrap();
    for i in 0..a.rows() {
        let (columns, values) = a.row(i);
        columns.iter().zip(values).for_each(|(&j, &v)| t.push(place[i], place[j as usize], v).unwrap());
    }
    t.to_csr().unwrap()
}

/// The Laplacian, 1 added to its diagonal, of points in a square whose distance is below a radius that gives
/// six neighbours on average; the points come in no order.
fn geometric(n: usize, seed: u64) -> Csr {
    let mut random = Random::new(seed);
    let points: Vec<(f64, f64)> = (0..n).map(|_| (random.uniform(0.0, 1.0), random.uniform(0.0, 1.0))).collect();
    let radius = (6.0 / (std::f64::consts::PI * n as f64)).sqrt();
    let cells = (1.0 / radius) as usize;
    let cell = |v: f64| ((v * cells as f64) as usize).min(cells - 1);
    let mut members = vec![vec![]; cells * cells];
    points.iter().enumerate().for_each(|(i, p)| members[cell(p.0) * cells + cell(p.1)].push(i));
    let mut t = krylane::matrix::Triplets::new(n, n).unwrap();
    for (i, p) in points.iter().enumerate() {
        t.push(i, i, 1.0).unwrap();
        let (cx, cy) = (cell(p.0), cell(p.1));
        for x in cx.saturating_sub(1)..(cx + 2).min(cells) {
            for y in cy.saturating_sub(1)..(cy + 2).min(cells) {
                for &j in members[x * cells + y].iter().filter(|&&j| j != i) {
                    if (p.0 - points[j].0).hypot(p.1 - points[j].1) < radius {
                        t.push(i, j, -1.0).unwrap();
                        t.push(i, i, 1.0).unwrap();
                    }
                }
            }
        }
    }
    t.to_csr().unwrap()
}

#[test]
fn reordering_pays_where_a_narrow_order_was_lost() {
    let grid = gallery::poisson2d(400);
    let mixed = moved(&grid, &shuffled(grid.rows(), 1));
    for (name, a) in [("grid", mixed), ("geometric graph", geometric(150_000, 2))] {
        let options = Options { rtol: 1e-6, preconditioner: "jacobi".parse().unwrap(), ..cpu().options("cg") };
        let mut solver = Solver::new(&a, options.clone()).unwrap();
        assert!(
            solver.plan().iter().any(|p| p.starts_with("order reverse Cuthill-McKee")),
            "{name}: {:?}",
            solver.plan()
        );
        let form = solver.stored_forms().unwrap().remove(0);
        // The levels of the grid are diagonals again: runs. Those of the graph are near each other.
        let text = form.form.unwrap();
        assert!(text.contains(if name == "grid" { "no columns" } else { "16-bit columns" }), "{name}: {text}");
        let given = Options { reorder: When::Never, ..options.clone() };
        let wide = Solver::new(&a, given).unwrap().stored_forms().unwrap().remove(0);
        let text = wide.form.unwrap();
        assert!(text.contains("32-bit columns"), "{name}: {text}");
        assert!(form.bytes_a_product < wide.bytes_a_product);
    }
    // An order that is good already is left alone.
    assert!(Solver::new(&grid, cpu().options("cg")).unwrap().plan().iter().all(|p| !p.starts_with("order")));
}

#[test]
fn x_is_in_the_order_and_units_of_the_user() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in ["cg", "minres", "gmres", "bicgstab"] {
            let a = match method {
                "cg" | "minres" => gallery::random_spd(300, 7, 3),
                _ => gallery::convection_diffusion2d(17, [1.0, 0.4]),
            };
            let b = random_vector(a.rows(), 4);
            for preconditioner in ["none", "jacobi", "block_jacobi:4"] {
                for (reorder, equilibrate) in [(When::Always, When::Never), (When::Always, When::Always)] {
                    let options = Options {
                        preconditioner: preconditioner.parse().unwrap(),
                        reorder,
                        equilibrate,
                        ..target.options(method)
                    };
                    let report = solve(&a, &b, options);
                    assert_solved(&format!("{method} with {preconditioner} on {}", target.name), &a, &b, &report, 1e-8);
                    assert!(report.history.last().unwrap() <= &1e-7, "{method} on {}", target.name);
                }
            }
        }
    }
}

#[test]
fn rows_beyond_each_others_digits() {
    let _guard = one_at_a_time();
    for target in targets() {
        let plain = gallery::convection_diffusion2d(12, [1.0, 0.5]);
        let n = plain.rows();
        let wild = |i: usize| if i.is_multiple_of(2) { 1e30 } else { 1e-30 };
        let rows = map(&plain, |i, _, v| v * wild(i));
        let both = map(&gallery::poisson2d(12), |i, j, v| v * wild(i) * wild(j));
        let b: Vec<f64> = plain.multiply(&vec![1.0; n]).iter().enumerate().map(|(i, v)| v * wild(i)).collect();
        let options = |method: &str| Options { preconditioner: "none".parse().unwrap(), ..target.options(method) };
        for method in ["gmres", "bicgstab"] {
            let report = solve(&rows, &b, options(method));
            assert_solved(&format!("rows 1e±30, {method} on {}", target.name), &rows, &b, &report, 1e-8);
            assert!(report.plan.iter().any(|p| p.starts_with("equilibration")), "{:?}", report.plan);
        }
        // D A D with the right-hand side D A 1.
        let b: Vec<f64> =
            gallery::poisson2d(12).multiply(&vec![1.0; n]).iter().enumerate().map(|(i, v)| v * wild(i)).collect();
        let report = solve(&both, &b, options("cg"));
        assert_solved(&format!("D A D on {}", target.name), &both, &b, &report, 1e-8);
        // One entry 1e20; entries 1e-310.
        for (what, value) in [("1e20", 1e20), ("1e-310", 1e-310)] {
            let a = map(&gallery::tridiagonal(40, -1.0, 2.5, -1.0), |i, j, v| if (i, j) == (7, 7) { value } else { v });
            let b = a.multiply(&vec![1.0; 40]);
            let report = solve(&a, &b, options("gmres"));
            assert_solved(&format!("an entry {what} on {}", target.name), &a, &b, &report, 1e-8);
        }
    }
}

#[test]
fn powers_of_two_change_no_bit_under_a_transform() {
    let _guard = one_at_a_time();
    for target in targets() {
        let plain = gallery::convection_diffusion2d(9, [1.0, 0.5]);
        let a = map(&plain, |i, j, v| power(v, (i % 5) as i32 * 9 - (j % 3) as i32 * 11));
        let b = a.multiply(&random_vector(a.rows(), 2));
        let options = Options {
            preconditioner: "jacobi".parse().unwrap(),
            reorder: When::Always,
            equilibrate: When::Always,
            ..target.options("gmres")
        };
        let reference = solve(&a, &b, options.clone());
        assert_solved(target.name, &a, &b, &reference, 1e-8);
        for (p, q) in [(1, 0), (400, -400), (-399, 397), (0, 400)] {
            let report = solve(
                &map(&a, |_, _, v| power(v, p)),
                &b.iter().map(|&v| power(v, q)).collect::<Vec<_>>(),
                options.clone(),
            );
            assert_eq!(report.reason, reference.reason, "2^{p}, 2^{q} on {}", target.name);
            assert!(bits(&report.history) == bits(&reference.history), "2^{p}, 2^{q} on {}", target.name);
            let x: Vec<f64> = reference.x.iter().map(|&v| power(v, q - p)).collect();
            assert!(bits(&report.x) == bits(&x), "2^{p}, 2^{q} on {}", target.name);
        }
    }
}

#[test]
fn new_values_under_a_transform() {
    let _guard = one_at_a_time();
    for target in targets() {
        for precond in ["none", "jacobi"] {
            let a = gallery::convection_diffusion2d(9, [1.0, 0.5]);
            let b = random_vector(a.rows(), 2);
            let other = map(&a, |i, j, v| power(v, (i % 4) as i32 * 10 - (j % 3) as i32 * 7));
            let options = Options {
                preconditioner: precond.parse().unwrap(),
                reorder: When::Always,
                equilibrate: When::Always,
                ..target.options("gmres")
            };
            let mut solver = Solver::new(&a, options.clone()).unwrap();
            let _ = solver.solve(&b).unwrap();
            solver.update(&other).unwrap();
            // Of the size that the new rows have: ‖D r‖ and ‖r‖ fall together then.
            let b = other.multiply(&random_vector(a.rows(), 2));
            let (updated, fresh) = (solver.solve(&b).unwrap(), solve(&other, &b, options));
            assert_solved(target.name, &other, &b, &updated, 1e-8);
            assert!(bits(&updated.x) == bits(&fresh.x) && bits(&updated.history) == bits(&fresh.history));
        }
    }
}

#[test]
fn a_subspace_and_a_spectrum_under_a_transform() {
    let a = gallery::poisson2d(10);
    let x = random_vector(100, 5);
    let b = a.multiply(&x);
    for equilibrate in [When::Never, When::Always] {
        let subspace = vec![random_vector(100, 6), x.iter().map(|v| 3.0 * v).collect()];
        let options = Options {
            method: Method::Projection { subspace },
            reorder: When::Always,
            equilibrate,
            ..cpu().options("projection")
        };
        assert_solved("projection", &a, &b, &solve(&a, &b, options), 1e-8);
    }
    let options = Options {
        method: Method::Chebyshev { spectrum: Some((0.1, 8.0)) },
        reorder: When::Always,
        ..cpu().options("chebyshev")
    };
    assert_solved("chebyshev", &a, &b, &solve(&a, &b, options.clone()), 1e-8);
    let refused = Options { equilibrate: When::Always, ..options };
    assert!(matches!(Solver::new(&a, refused), Err(Error::Input(_))));
}

#[test]
fn large_entries_come_to_the_diagonal() {
    // A strong matrix with its rows shifted: the diagonal is empty, no factors on it exist.
    let strong = gallery::convection_diffusion2d(20, [1.0, 0.5]);
    let n = strong.rows();
    let mut entries = vec![];
    for i in 0..n {
        let (columns, values) = strong.row(i);
        entries.extend(columns.iter().zip(values).map(|(&j, &v)| ((i + n / 3) % n, j as usize, v)));
    }
    let a = from_entries(n, &entries);
    let b = random_vector(n, 1);
    let options = Options { preconditioner: "auto".parse().unwrap(), ..cpu().options("auto") };
    let report = solve(&a, &b, options);
    assert_solved("shifted rows", &a, &b, &report, 1e-8);
    // Nothing works before the rows are matched.
    let last = report.rungs.last().expect("one was tried");
    assert!(
        ["ilu0", "ilut", "lu"].contains(&last.preconditioner.as_str()) && last.iterations < 40,
        "{:?}",
        report.rungs
    );
    assert!(report.plan.iter().any(|p| p.starts_with("matching")), "{:?}", report.plan);
}

#[test]
fn candidates_share_the_iterations() {
    // Indefinite behind a positive diagonal and dominant enough to look harmless: cg meets it soon.
    let a = gallery::tridiagonal(3000, -1.0, 1.2, -1.0);
    let b = random_vector(3000, 1);
    let options = Options { preconditioner: "jacobi".parse().unwrap(), max_iterations: 2500, ..cpu().options("auto") };
    let report = solve(&a, &b, options);
    assert!(report.iterations <= 2500);
    let cg = &report.rungs[0];
    assert!(cg.method == "cg" && cg.reason.starts_with("IndefiniteOperator") && cg.iterations < 100, "{cg:?}");
    assert_eq!(report.rungs.iter().map(|r| r.iterations).sum::<usize>(), report.iterations);
    if !report.reason.is_converged() {
        assert!(report.rungs.len() > 1 && report.rungs[0].iterations < 2500, "{:?}", report.rungs);
    }
}

#[test]
fn memory_is_asked_before_it_is_taken() {
    let _guard = one_at_a_time();
    let a = gallery::poisson2d(50);
    let b = vec![1.0; 2500];
    for target in targets() {
        let options = Options { memory_limit: Some(100_000), ..target.options("cg") };
        match Solver::new(&a, options).unwrap().solve(&b) {
            Err(Error::OutOfMemory { what, needed, available: 100_000, budget: true }) => {
                assert!(what.contains("cg with none") && what.contains("vectors"), "{what}");
                assert!(needed > 100_000 && needed < 1_000_000, "{needed}");
            }
            other => panic!("{}: {other:?}", target.name),
        }
        // A basis of 2500 columns is refused, not tried; a short one fits.
        let options = Options { memory_limit: Some(4 << 20), ..target.options("gmres") };
        let long = Options {
            method: Method::Gmres { restart: 10_000, side: krylane::precond::Side::Auto },
            ..options.clone()
        };
        assert!(matches!(Solver::new(&a, long).unwrap().solve(&b), Err(Error::OutOfMemory { .. })), "{}", target.name);
        assert_solved(target.name, &a, &b, &solve(&a, &b, options), 1e-8);
    }
}
