//! lsqr and lsmr: rectangular, singular and square systems on every backend; what they report is recomputed here.
//!
//! Iterations of SciPy on the same systems: see `FIGURES`, and the table of `family.rs`.

mod common;

use common::*;
use krylane::matrix::{Csr, Triplets, gallery};
use krylane::random::Random;
use krylane::{Method, Options, Reason, Report, Solver};

const METHODS: [&str; 2] = ["lsqr", "lsmr"];

/// A random rows × cols matrix with `k` entries a row and a diagonal that keeps its rank full.
fn random(rows: usize, cols: usize, k: usize, seed: u64) -> Csr {
    let mut random = Random::new(seed);
    let mut t = Triplets::new(rows, cols).unwrap();
    for i in 0..rows {
        t.push(i, i % cols, 3.0).unwrap();
        for _ in 0..k {
            let j = (random.uniform(0.0, 1.0) * cols as f64) as usize;
            t.push(i, j, random.uniform(-1.0, 1.0)).unwrap();
        }
    }
    t.to_csr().unwrap()
}

/// ‖Aᵀ(b − A x)‖ / (‖A‖_F ‖b − A x‖), from the definition. The Frobenius norm is no less than ‖A‖₂.
fn optimality(a: &Csr, b: &[f64], x: &[f64]) -> f64 {
    let r: Vec<f64> = b.iter().zip(a.multiply(x)).map(|(b, ax)| b - ax).collect();
    norm(&a.transpose().multiply(&r)) / (norm(a.values()) * norm(&r))
}

fn assert_least_squares(what: &str, a: &Csr, b: &[f64], r: &Report) {
    assert_eq!(r.reason, Reason::LeastSquares, "{what}: {} after {} iterations", r.reason, r.iterations);
    assert!(r.is_answer() && r.clone().into_result().is_ok(), "{what}");
    assert!(r.certificate.optimality.unwrap() <= 1e-8, "{what}");
    // Plain sums see their own rounding of r below this.
    let truth = optimality(a, b, &r.x);
    assert!(truth <= 2e-8, "{what}: {truth:e}");
    assert_eq!(r.history.len(), r.iterations, "{what}");
}

#[test]
fn overdetermined_systems_end_at_least_squares() {
    let _guard = one_at_a_time();
    let a = random(300, 120, 4, 1);
    let b = random_vector(300, 2);
    let reference = solve(&a, &b, cpu().options("lsqr"));
    for target in targets() {
        for method in METHODS {
            for preconditioner in ["none", "jacobi"] {
                let what = format!("{method} with {preconditioner} on {}", target.name);
                let options = Options { preconditioner: preconditioner.parse().unwrap(), ..target.options(method) };
                let r = solve(&a, &b, options);
                assert_least_squares(&what, &a, &b, &r);
                let gap: Vec<f64> = r.x.iter().zip(&reference.x).map(|(x, y)| x - y).collect();
                assert!(norm(&gap) <= 1e-7 * norm(&reference.x), "{what}: {:e}", norm(&gap));
            }
        }
    }
}

#[test]
fn underdetermined_systems_are_solved_by_the_shortest_x() {
    let _guard = one_at_a_time();
    let a = random(80, 200, 5, 3);
    let b = random_vector(80, 4);
    for target in targets() {
        for method in METHODS {
            let what = format!("{method} on {}", target.name);
            let r = solve(&a, &b, target.options(method));
            assert_solved(&what, &a, &b, &r, 1e-8);
            // The shortest x is in the range of A': x = A'y. Another solver finds y.
            let y = solve(&a.transpose(), &r.x, Options { rtol: 1e-6, ..target.options("lsqr") });
            assert!(y.reason.is_converged(), "{what}: x has a part outside the range of A': {}", y.reason);
        }
    }
}

#[test]
fn singular_and_square_systems() {
    let _guard = one_at_a_time();
    // Rank 2 of 3, b outside the range: x = (A'A)^+ A'b by hand. A = [[1,0,1],[0,1,1],[0,0,0]], b = (1, 2, 3).
    let a = from_entries(3, &[(0, 0, 1.0), (0, 2, 1.0), (1, 1, 1.0), (1, 2, 1.0)]);
    let convection = gallery::convection_diffusion2d(8, [0.4, 0.2]);
    for target in targets() {
        for method in METHODS {
            let what = format!("{method} on {}", target.name);
            let r = solve(&a, &[1.0, 2.0, 3.0], target.options(method));
            assert_least_squares(&what, &a, &[1.0, 2.0, 3.0], &r);
            for (x, y) in r.x.iter().zip([0.0, 1.0, 1.0]) {
                assert!((x - y).abs() < 1e-7, "{what}: {:?}", r.x);
            }
            assert!((r.certificate.absolute - 3.0).abs() < 1e-12, "{what}");
            let r = solve(&Csr::new(4, 2, vec![0; 5], vec![], vec![]).unwrap(), &[1.0; 4], target.options(method));
            assert_eq!((r.reason, r.iterations, r.x), (Reason::LeastSquares, 0, vec![0.0; 2]), "{what}: A = 0");
            let b = random_vector(64, 9);
            assert_solved(&what, &convection, &b, &solve(&convection, &b, target.options(method)), 1e-8);
            // The sign of b carries through, and a start at the answer is the answer.
            let mut solver = Solver::new(&a, target.options(method)).unwrap();
            let r = solver.solve_from(&[1.0, 2.0, 3.0], &[0.0, 1.0, 1.0]).unwrap();
            assert_eq!((r.reason, r.iterations), (Reason::LeastSquares, 0), "{what}");
        }
    }
}

/// A singular symmetric matrix with a dense null vector that no row sum gives away: Q diag(0, 1, …, n−1) Q.
fn singular(n: usize) -> (Csr, Vec<f64>) {
    let v = random_vector(n, 8);
    let vv: f64 = v.iter().map(|x| x * x).sum();
    let q = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / vv;
    let mut entries = vec![];
    for i in 0..n {
        for j in 0..=i {
            let s: f64 = (0..n).map(|k| q(i, k) * k as f64 * q(j, k)).sum();
            entries.push((i, j, s));
            if i != j {
                entries.push((j, i, s));
            }
        }
    }
    (from_entries(n, &entries), (0..n).map(|i| q(i, 0)).collect())
}

#[test]
fn minres_ends_at_least_squares_and_never_runs_away() {
    let _guard = one_at_a_time();
    let (a, null) = singular(40);
    let neumann = gallery::neumann2d(12);
    let empty = gallery::diagonal(&(0..30).map(f64::from).collect::<Vec<_>>());
    for target in targets() {
        let what = format!("minres on {}", target.name);
        // Known null space: the constants.
        let b: Vec<f64> = neumann.multiply(&random_vector(144, 3)).iter().map(|v| v + 0.1).collect();
        let r = solve(&neumann, &b, target.options("minres"));
        assert_eq!(r.reason, Reason::LeastSquares, "{what}: {}", r.reason);
        assert!((r.certificate.absolute - 1.2).abs() < 1e-6, "{what}: {:e}", r.certificate.absolute);
        assert!(norm(&r.x) < 1e3, "{what}: {:e}", norm(&r.x));
        assert!(!r.is_answer(), "{what}: nobody asked minres for it");
        // An empty row.
        let r = solve(&empty, &[1.0; 30], target.options("minres"));
        assert_eq!(r.reason, Reason::LeastSquares, "{what}: {}", r.reason);
        // A null vector that nothing gives away.
        let b: Vec<f64> = a.multiply(&random_vector(40, 5)).iter().zip(&null).map(|(b, v)| b + v).collect();
        let r = solve(&a, &b, target.options("minres"));
        if target.single {
            // The residual in f32 has no digits left for the solvable part beside the other.
            assert!(!r.reason.is_converged(), "{what}");
        } else {
            assert_eq!(r.reason, Reason::LeastSquares, "{what}: {}, {:?}", r.reason, r.certificate);
        }
        assert!(norm(&r.x) < 1e3, "{what}: {:e}", norm(&r.x));
        println!("{what}: {} after {}, {:?}", r.reason, r.iterations, r.certificate);
        // lsqr does it everywhere.
        let r = solve(&a, &b, target.options("lsqr"));
        assert_eq!(r.reason, Reason::LeastSquares, "lsqr on {}: {}", target.name, r.reason);
    }
}

/// SciPy 1.17.1 on `random(rows, cols, 4, 7)` with b from seed 8: the first `iter_lim` of `lsqr(A, b, atol=0, btol=0,
/// conlim=0)` (`maxiter` of `lsmr`) whose x passes one of the tests of this crate.
const FIGURES: &[(usize, usize, &str, usize)] =
    &[(400, 150, "lsqr", 17), (400, 150, "lsmr", 17), (150, 400, "lsqr", 17), (150, 400, "lsmr", 17)];

#[test]
fn iterations_are_those_of_scipy() {
    for &(rows, cols, method, expected) in FIGURES {
        let a = random(rows, cols, 4, 7);
        let r = solve(&a, &random_vector(rows, 8), cpu().options(method));
        assert!(r.is_answer(), "{method}: {}", r.reason);
        let slack = expected.div_ceil(10);
        assert!(r.iterations.abs_diff(expected) <= slack, "{rows} x {cols}, {method}: {}", r.iterations);
    }
}

#[test]
fn new_values_reach_the_transpose() {
    let a = random(60, 30, 3, 5);
    let b = random_vector(60, 6);
    let scaled: Vec<f64> = a.values().iter().enumerate().map(|(k, v)| v * (1.0 + 0.1 * (k % 3) as f64)).collect();
    let mut other = a.clone();
    other.set_values(scaled.clone()).unwrap();
    for preconditioner in ["none", "jacobi"] {
        let options = Options { preconditioner: preconditioner.parse().unwrap(), ..cpu().options("lsqr") };
        let mut solver = Solver::new(&a, options.clone()).unwrap();
        let _ = solver.solve(&b).unwrap();
        solver.update(&other).unwrap();
        let (old, new) = (solver.solve(&b).unwrap(), solve(&other, &b, options));
        assert_eq!((old.x, old.iterations), (new.x, new.iterations), "{preconditioner}");
    }
}

#[test]
fn nothing_is_least_where_zero_leaves_less() {
    // A first guess whose A x is 1e40, across a column of 1e40 and 1e10 in which the normal equations see the former.
    let mut t = Triplets::new(4, 4).unwrap();
    for (i, j, v) in [(0, 0, 1e7), (0, 1, -1e40), (1, 1, 1e10), (1, 2, -1e7), (2, 3, 1e40)] {
        t.push(i, j, v).unwrap();
    }
    let (a, b) = (t.to_csr().unwrap(), [1e-3, 2.0, 1e-5, 1e-4]);
    for method in METHODS {
        for preconditioner in ["none", "jacobi"] {
            let options = Options {
                method: method.parse().unwrap(),
                preconditioner: preconditioner.parse().unwrap(),
                rtol: 1e-13,
                ..Options::default()
            };
            let r = Solver::new(&a, options).unwrap().solve_from(&b, &[0.0, 1.0, 1.0, 1.0]).unwrap();
            assert!(
                r.reason != Reason::LeastSquares || r.certificate.relative <= 1.0,
                "{method} {preconditioner}: {r}"
            );
        }
    }
}

#[test]
fn what_least_squares_methods_refuse() {
    let a = random(20, 10, 2, 1);
    let refusal = |options: Options, b: &[f64]| {
        let e = Solver::new(&a, options).and_then(|mut s| s.solve(b)).unwrap_err();
        assert!(e.is_bad_input(), "{e}");
        e.to_string()
    };
    for method in ["cg", "gmres"] {
        assert!(refusal(cpu().options(method), &[1.0; 20]).contains("lsqr"));
    }
    let options = Options { preconditioner: "ilu0".parse().unwrap(), ..cpu().options("lsqr") };
    assert!(refusal(options, &[1.0; 20]).contains("jacobi"));
    assert!(refusal(cpu().options("lsqr"), &[1.0; 10]).contains("20 rows"));
    let mut solver = Solver::new(&a, cpu().options("lsqr")).unwrap();
    assert!(solver.solve_from(&[1.0; 20], &[0.0; 20]).unwrap_err().to_string().contains("10 columns"));
}

fn damped(method: &str, lambda: f64) -> Method {
    format!("{method}:damp={lambda}").parse().unwrap()
}

#[test]
fn damping_minimises_both_norms() {
    let _guard = one_at_a_time();
    let a = random(60, 25, 3, 5);
    let b = random_vector(60, 6);
    let lambda = 0.7;
    for target in targets() {
        for method in METHODS {
            let what = format!("{method} on {}", target.name);
            let mut solver =
                Solver::new(&a, Options { method: damped(method, lambda), ..target.options(method) }).unwrap();
            let r = solver.solve(&b).unwrap();
            assert_eq!(r.reason, Reason::LeastSquares, "{what}");
            // (A'A + λ² I) x = A'b
            let left = a.transpose().multiply(&a.multiply(&r.x));
            let right = a.transpose().multiply(&b);
            let gap: Vec<f64> = (0..25).map(|j| left[j] + lambda * lambda * r.x[j] - right[j]).collect();
            assert!(norm(&gap) <= 1e-6 * norm(&right), "{what}: {:e}", norm(&gap) / norm(&right));
            solver.update(&a).unwrap();
            assert_eq!(solver.solve(&b).unwrap().x, r.x, "{what}");
        }
    }
    assert!("cg:damp=0.1".parse::<Method>().is_err());
}

/// Block-diagonal, and too large for a basis of its range to be at hand.
fn blocks(count: usize, block: [[f64; 2]; 2]) -> Csr {
    let mut t = Triplets::new(2 * count, 2 * count).unwrap();
    for k in 0..count {
        for (i, row) in block.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, v)| t.push(2 * k + i, 2 * k + j, *v).unwrap());
        }
    }
    t.to_csr().unwrap()
}

/// ‖Aᵀr‖ small beside ‖A‖‖r‖ is no proof: along a small singular value it always is.
#[test]
fn a_small_gradient_of_an_ill_conditioned_matrix_proves_nothing() {
    let _guard = one_at_a_time();
    let (count, b) = (350, (1..=700).map(|i| f64::from(i % 7) - 3.0).collect::<Vec<_>>());
    for gap in [1e-9, 1e-10, 1e-11, 1e-12] {
        let a = blocks(count, [[1.0, 1.0], [1.0, 1.0 + gap]]);
        for method in METHODS {
            let r = solve(&a, &b, cpu().options(method));
            let left: Vec<f64> = b.iter().zip(a.multiply(&r.x)).map(|(b, ax)| b - ax).collect();
            // Every system of two equations has a solution.
            assert!(
                !r.is_answer() || norm(&left) <= 1e-6 * norm(&b),
                "{method}, {gap}: {} at {:e}",
                r.reason,
                norm(&left) / norm(&b)
            );
        }
    }
    // Singular but for rounding: there the last digits of A decide, and the answer is the one of minimum norm.
    let a = blocks(count, [[1.0, 1.0], [1.0, 1.0]]);
    for method in METHODS {
        let r = solve(&a, &b, cpu().options(method));
        assert_least_squares(method, &a, &b, &r);
        let shortest = b.chunks(2).flat_map(|p| [(p[0] + p[1]) / 4.0; 2]);
        assert!(r.x.iter().zip(shortest).all(|(x, s)| (x - s).abs() <= 1e-7), "{method}");
    }
    // A well-conditioned problem of this size needs no more than twice the iterations to its last digit.
    let a = random(3000, 900, 9, 5);
    let b = random_vector(3000, 6);
    for method in METHODS {
        let r = solve(&a, &b, cpu().options(method));
        assert_least_squares(method, &a, &b, &r);
        assert!(r.iterations <= 90, "{method}: {} iterations", r.iterations);
    }
}

/// Skew-symmetric of odd order: singular.
fn skew() -> Csr {
    let mut t = Triplets::new(201, 201).unwrap();
    for i in 0..200 {
        let v = 1.0 + i as f64 / 200.0;
        t.push(i, i + 1, v).unwrap();
        t.push(i + 1, i, -v).unwrap();
    }
    t.to_csr().unwrap()
}

/// With everything at auto, what others leave unsolved ends at the shortest least-squares solution.
#[test]
fn auto_ends_at_the_shortest_least_squares_solution_where_that_will_do() {
    let _guard = one_at_a_time();
    // Skew of odd order, and a Laplacian between two diagonal scalings: singular, and b outside the range.
    let skew = skew();
    let mut scaled = gallery::neumann2d(14);
    let d: Vec<f64> = random_vector(scaled.rows(), 8).iter().map(|v| 1.0 + 0.5 * v.tanh()).collect();
    let values = (0..scaled.rows())
        .flat_map(|i| {
            let (columns, values) = scaled.row(i);
            columns.iter().zip(values).map(|(&j, v)| d[i] * v * d[j as usize]).collect::<Vec<_>>()
        })
        .collect();
    scaled.set_values(values).unwrap();
    for (name, a) in [("skew", skew), ("scaled Laplacian", scaled)] {
        let b = random_vector(a.rows(), 9);
        let options = Options { least_squares: true, backend: krylane::Backend::Cpu, ..Options::default() };
        let r = solve(&a, &b, options);
        assert_least_squares(name, &a, &b, &r);
        let shortest = solve(&a, &b, cpu().options("lsqr"));
        let gap: Vec<f64> = r.x.iter().zip(&shortest.x).map(|(x, y)| x - y).collect();
        assert!(norm(&gap) <= 1e-5 * norm(&shortest.x), "{name}: {:e}", norm(&gap) / norm(&shortest.x));
        assert!(r.advice().contains("minimum-norm"), "{name}: {}", r.advice());
    }
}

/// Ended while the last one is at work, a solve says so and keeps the best x of all.
#[test]
fn an_end_from_outside_is_told_of_the_last_word_too() {
    let _guard = one_at_a_time();
    let a = skew();
    let b = random_vector(a.rows(), 9);
    let options = Options { least_squares: true, backend: krylane::Backend::Cpu, ..Options::default() };
    let solver = Solver::new(&a, options).unwrap();
    let lsqr = solver.candidates().iter().position(|name| name.starts_with("lsqr")).expect("the last one");
    let mut solver = solver.on_iteration(move |event| {
        if event.candidate == lsqr { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    });
    let r = solver.solve(&b).unwrap();
    assert_eq!(r.reason, Reason::StoppedByCallback, "{:?}", r.rungs.iter().map(|r| &r.reason).collect::<Vec<_>>());
    assert!(r.certificate.relative <= 1.0 && r.x.iter().all(|v| v.is_finite()));
}
