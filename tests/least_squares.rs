//! lsqr and lsmr: rectangular, singular and square systems on every backend; what they report is recomputed here.
//!
//! Iterations to compare with, SciPy 1.17.1, `lsqr(A, b, atol=1e-10, btol=1e-10)` and `lsmr(...)` on the same
//! systems: see `FIGURES`.

mod common;

use common::*;
use krylane::matrix::{Csr, Triplets, gallery};
use krylane::random::Random;
use krylane::{Options, Reason, Report, Solver};

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
                let options = Options { preconditioner: preconditioner.into(), ..target.options(method) };
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
