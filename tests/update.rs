//! New values on the pattern of a solver.

mod common;

use common::*;
use krylane::matrix::{Csr, gallery};
use krylane::{Error, Options, Reason, Solver};

/// A matrix with other values at the same places, another scale and no symmetry.
fn pair() -> (Csr, Csr) {
    let a = gallery::convection_diffusion2d(12, [0.7, 0.2]);
    let other = map(&a, |i, j, v| v * 300.0 + 0.01 * (i as f64 + 3.0 * j as f64).sin());
    (a, other)
}

#[test]
fn the_order_in_which_values_come_does_not_matter() {
    let (a, other) = pair();
    let b = random_vector(a.rows(), 2);
    let fresh = solve(&other, &b, cpu().options("gmres"));
    let mut solver = Solver::new(&a, cpu().options("gmres")).unwrap();
    // By columns, and with the entries of each row in reverse.
    let by_columns = other.to_sprs().to_csc();
    let mut reversed = (other.columns().to_vec(), other.values().to_vec());
    for w in other.row_ptr().windows(2) {
        reversed.0[w[0]..w[1]].reverse();
        reversed.1[w[0]..w[1]].reverse();
    }
    let reversed = Csr::new(other.rows(), other.cols(), other.row_ptr().to_vec(), reversed.0, reversed.1).unwrap();
    for k in 0..3 {
        solver.update(&a).unwrap();
        assert_ne!(bits(&solver.solve(&b).unwrap().x), bits(&fresh.x));
        match k {
            0 => solver.update(&by_columns),
            1 => solver.update(&reversed),
            _ => solver.update(&other),
        }
        .unwrap();
        assert_eq!(bits(&solver.solve(&b).unwrap().x), bits(&fresh.x), "{k}");
    }
}

#[test]
fn after_a_refusal_the_solver_is_what_it_was() {
    let (a, _) = pair();
    let b = random_vector(a.rows(), 2);
    for (method, preconditioner) in [("gmres", "ilu0"), ("auto", "auto"), ("lsqr", "jacobi")] {
        let options = || Options { preconditioner: preconditioner.parse().unwrap(), ..cpu().options(method) };
        let mut solver = Solver::new(&a, options()).unwrap();
        let before = solver.solve(&b).unwrap();
        let fewer = map(&a, |_, _, v| v);
        let fewer = Csr::from_triplets(
            a.rows(),
            a.cols(),
            (0..a.rows()).flat_map(|i| fewer.row(i).0.iter().map(move |&j| (i, j as usize, 1.0))).skip(1),
        );
        let e = solver.update(&fewer.unwrap()).unwrap_err();
        assert!(matches!(e, Error::Input(_)) && e.to_string().contains("row 0"), "{e}");
        assert_eq!(bits(&solver.solve(&b).unwrap().x), bits(&before.x), "{method} with {preconditioner}");
    }
}

#[test]
fn a_preconditioner_that_does_not_follow_is_an_outcome() {
    let a = gallery::poisson2d(12);
    let b = random_vector(a.rows(), 3);
    let options = || Options { preconditioner: "ic0".parse().unwrap(), ..cpu().options("cg") };
    let mut solver = Solver::new(&a, options()).unwrap();
    let before = solver.solve(&b).unwrap();
    // A zero diagonal has no incomplete Cholesky factors.
    let hopeless = map(&a, |i, j, v| if i == j { 0.0 } else { v });
    solver.update(&hopeless).unwrap();
    let report = solver.solve(&b).unwrap();
    assert_eq!(report.reason, solve(&hopeless, &b, options()).reason);
    assert!(matches!(report.reason, Reason::PreconditionerFailed { .. }), "{}", report.reason);
    solver.update(&a).unwrap();
    assert_eq!(bits(&solver.solve(&b).unwrap().x), bits(&before.x));
}
