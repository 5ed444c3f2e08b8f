//! Every preconditioner × method on systems of every kind, in one table: how each solve ended, by name, in how many
//! iterations; no NaN anywhere, no `Converged` that is not true. `--nocapture` prints it.

mod common;

use common::*;
use krylane::matrix::{Csr, gallery};
use krylane::method::{METHODS, Needs};
use krylane::precond::PRECONDITIONERS;
use krylane::{Backend, Error, Options, Precision, Reason, Solver};
use std::fmt::Write;

/// What must come out, whatever the method and the preconditioner.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Symmetric positive definite.
    Definite,
    /// Not symmetric, close to dominant.
    Unsymmetric,
    /// Symmetric with this diagonal entry zero or missing.
    ZeroDiagonal(usize),
    /// Symmetric semidefinite, b in the range.
    Consistent,
    /// The same with another b.
    Inconsistent,
}

fn systems() -> Vec<(&'static str, Kind, Csr, Vec<f64>)> {
    let random = |a: Csr| {
        let b = random_vector(a.rows(), 42);
        (a, b)
    };
    let make = |name, kind, (a, b)| (name, kind, a, b);
    let grid = gallery::poisson2d(4);
    let mut apart = vec![];
    for i in 0..16 {
        let (columns, values) = grid.row(i);
        for (&j, &v) in columns.iter().zip(values) {
            apart.extend([(i, j as usize, v), (i + 17, j as usize + 17, 100.0 * v)]);
        }
    }
    apart.push((16, 16, 7.0));
    let hole = from_entries(4, &[(0, 0, 2.0), (1, 1, 3.0), (2, 3, 1.0), (3, 2, 1.0), (3, 3, 2.0)]);
    let neumann = gallery::neumann2d(5);
    let inside = neumann.multiply(&random_vector(25, 3));
    vec![
        make("poisson2d 8", Kind::Definite, random(gallery::poisson2d(8))),
        make("elasticity2d 4", Kind::Definite, random(gallery::elasticity2d([4, 3], 0.3, true).0)),
        make("1 x 1", Kind::Definite, random(gallery::diagonal(&[3.0]))),
        make("diagonal", Kind::Definite, random(gallery::diagonal(&[1e-3, 1.0, 2.0, 50.0]))),
        make("disconnected", Kind::Definite, random(from_entries(33, &apart))),
        make("convection 8", Kind::Unsymmetric, random(gallery::convection_diffusion2d(8, [0.6, 0.2]))),
        make("upwind3d 4", Kind::Unsymmetric, random(gallery::upwind3d(4, [1.0, 0.5, 0.25]))),
        make("no diagonal", Kind::ZeroDiagonal(2), random(hole)),
        make(
            "zero pivot",
            Kind::ZeroDiagonal(0),
            random(from_entries(2, &[(0, 0, 0.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 1.0)])),
        ),
        make("neumann 5", Kind::Consistent, (neumann.clone(), inside)),
        make("neumann 5, bad b", Kind::Inconsistent, random(neumann)),
    ]
}

/// Preconditioners that divide by the diagonal and have no way round a zero there.
const BY_DIAGONAL: [&str; 6] = ["amg", "chebyshev", "neumann", "ssor", "gauss_seidel", "fsai"];

#[test]
fn every_preconditioner_and_method() {
    let preconditioners: Vec<&str> = PRECONDITIONERS.iter().filter(|p| !p.program_only).map(|p| p.id).collect();
    let mut table = String::new();
    let mut solves = 0;
    for (name, kind, a, b) in systems() {
        let _ = writeln!(
            table,
            "\n{name}\n{:<18}{}",
            "",
            preconditioners.iter().map(|p| format!("{p:>13}")).collect::<String>()
        );
        for method in METHODS.iter().filter(|m| !m.traits.program_only && m.needs != Needs::Any) {
            let _ = write!(table, "{:<18}", method.id);
            for &preconditioner in &preconditioners {
                let options = Options {
                    method: method.id.parse().unwrap(),
                    preconditioner: preconditioner.parse().unwrap(),
                    backend: Backend::Cpu,
                    precision: Precision::F64,
                    max_iterations: 300,
                    ..Options::default()
                };
                let what = format!("{name}, {} with {preconditioner}", method.id);
                let symmetric = kind != Kind::Unsymmetric;
                let ended = Solver::new(&a, options).unwrap().solve(&b);
                solves += 1;
                let report = match ended {
                    Ok(report) => report,
                    Err(e) => {
                        // Pairs that make no sense are refused in words.
                        let m = PRECONDITIONERS.iter().find(|p| p.id == preconditioner).unwrap();
                        let one_sided = !m.symmetric && method.needs.symmetry();
                        assert!(matches!(e, Error::Input(_)), "{what}: {e}");
                        let untransposed = e.to_string().contains("transpose of its preconditioner");
                        assert!(one_sided || untransposed || preconditioner == "fsai" && !symmetric, "{what}: {e}");
                        let _ = write!(table, "{:>13}", "refused");
                        continue;
                    }
                };
                let text = format!("{:?}", report.reason);
                let word = text.split(['(', ' ', '{']).next().unwrap_or_default();
                let cell = if report.reason.is_converged() {
                    report.iterations.to_string()
                } else {
                    word.chars().take(12).collect()
                };
                let _ = write!(table, "{cell:>13}");
                assert!(report.x.iter().chain(&report.history).all(|v| v.is_finite()), "{what}: {}", report.reason);
                if report.reason.is_converged() {
                    assert_solved(&what, &a, &b, &report, 1e-8);
                }
                let must_converge = !SLOW.contains(&method.id);
                match kind {
                    _ if kind == Kind::Inconsistent && (symmetric || !method.needs.symmetry()) => {
                        // MINRES goes on to the least-squares solution.
                        let minres = method.id == "minres" && report.reason == Reason::LeastSquares;
                        let named = minres || matches!(report.reason, Reason::InconsistentSystem { .. });
                        assert!(named, "{what}: {}", report.reason);
                    }
                    Kind::Unsymmetric if method.needs.symmetry() => {
                        assert!(matches!(report.reason, Reason::NotSymmetric { .. }), "{what}: {}", report.reason);
                    }
                    Kind::ZeroDiagonal(row) if BY_DIAGONAL.contains(&preconditioner) => {
                        let named =
                            matches!(report.reason, Reason::PreconditionerFailed { row: found, .. } if found == row);
                        assert!(named, "{what}: {}", report.reason);
                    }
                    // Positive definite with or without a diagonal.
                    Kind::ZeroDiagonal(_) if preconditioner == "scaling" && method.id == "minres" => {
                        assert!(report.reason.is_converged(), "{what}: {}", report.reason);
                    }
                    Kind::Definite if must_converge => {
                        assert!(report.reason.is_converged(), "{what}: {}", report.reason)
                    }
                    // An indefinite M has no place beside a definite A, and a singular A is not every method's.
                    Kind::Unsymmetric if must_converge => {
                        assert!(report.reason.is_converged(), "{what}: {}", report.reason);
                    }
                    Kind::Consistent if ["cg", "minres"].contains(&method.id) => {
                        assert!(report.reason.is_converged(), "{what}: {}", report.reason);
                    }
                    _ => {}
                }
            }
            table.push('\n');
        }
    }
    println!("{table}");
    assert!(solves > 1500, "{solves} solves");
}
