//! Methods × preconditioners × backends on systems they are made for: solved, and in the iterations that
//! the method needs, not more.

mod common;

use common::*;
use krylane::matrix::{Csr, gallery};
use krylane::precond::Side;
use krylane::{Method, Options, Precond, Solver};

struct Case {
    name: &'static str,
    a: Csr,
    b: Vec<f64>,
    /// Method, preconditioner, iterations in f64 on the CPU.
    expected: &'static [(&'static str, &'static str, usize)],
}

fn cases() -> Vec<Case> {
    let case = |name, a: Csr, seed, expected| Case { name, b: random_vector(a.rows(), seed), a, expected };
    vec![
        case(
            "poisson2d 30",
            gallery::poisson2d(30),
            1,
            &[
                ("cg", "none", 93),
                ("cg", "jacobi", 93),
                ("minres", "none", 92),
                ("bicgstab", "none", 71),
                ("gmres", "none", 120),
            ],
        ),
        case(
            "convection-diffusion 20",
            gallery::convection_diffusion2d(20, [0.6, -0.3]),
            2,
            &[("bicgstab", "none", 35), ("bicgstab", "jacobi", 35), ("gmres", "none", 51), ("gmres", "jacobi", 51)],
        ),
        case("anisotropic 20", gallery::anisotropic2d(20, 0.02), 3, &[("cg", "none", 115), ("minres", "jacobi", 111)]),
        case(
            "random spd 500",
            gallery::random_spd(500, 8, 7),
            4,
            &[
                ("steepest_descent", "none", 88),
                ("steepest_descent", "jacobi", 31),
                ("cg", "none", 27),
                ("cg", "jacobi", 17),
                ("minres", "none", 27),
                ("minres", "jacobi", 17),
                ("bicgstab", "jacobi", 11),
                ("gmres", "jacobi", 17),
            ],
        ),
        case(
            "shifted poisson 16",
            shifted(&gallery::poisson2d(16), 0.3),
            5,
            &[("minres", "none", 70), ("minres", "jacobi", 70), ("gmres", "none", 74)],
        ),
    ]
}

#[test]
fn methods_solve_what_they_are_made_for() {
    let _guard = one_at_a_time();
    let targets = targets();
    let mut wrong = vec![];
    for Case { name, a, b, expected } in cases() {
        for &(method, preconditioner, pinned) in expected {
            let mut reference = 0;
            for target in &targets {
                let what = format!("{name}, {method} with {preconditioner} on {}", target.name);
                let mut options = target.options(method);
                options.preconditioner = preconditioner.parse().unwrap();
                options.method = restarted(method, 60);
                let report = solve(&a, &b, options);
                assert_solved(&what, &a, &b, &report, 1e-8);
                if reference == 0 {
                    reference = report.iterations;
                    if reference.abs_diff(pinned) > 1 + pinned / 50 {
                        wrong.push(format!("{what}: {reference} iterations, {pinned} expected"));
                    }
                }
                // f32 starts its space anew once or twice on the way to 1e-8.
                let share = match method {
                    _ if target.single && name.starts_with("shifted") => 0.7,
                    _ if target.single => 0.5,
                    "bicgstab" => 0.3,
                    _ => 0.05,
                };
                let most = reference + 1 + (reference as f64 * share) as usize;
                if report.iterations > most {
                    wrong.push(format!("{what}: {} iterations, {reference} on the CPU in f64", report.iterations));
                }
                let least = reference as f64 * (1.0 - share) - 1.0;
                if (report.iterations as f64) < least {
                    wrong.push(format!("{what}: only {} iterations, {reference} on the CPU", report.iterations));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_second_solve_from_the_first_answer_takes_nothing() {
    let _guard = one_at_a_time();
    let a = gallery::poisson2d(12);
    let b = random_vector(144, 9);
    for target in targets() {
        let mut solver = krylane::Solver::new(&a, target.options("cg")).unwrap();
        let first = solver.solve(&b).unwrap();
        assert_solved(target.name, &a, &b, &first, 1e-8);
        let again = solver.solve_from(&b, &first.x).unwrap();
        assert_eq!(again.iterations, 0, "{}", target.name);
        assert_eq!(again.reason, krylane::Reason::Converged(krylane::Passed::InitialGuess));
        assert_eq!(bits(&again.x), bits(&first.x));
    }
}

/// Lockstep panics at the first operation after which the GPU differs from the CPU.
#[test]
fn lockstep_finds_no_difference() {
    let _guard = one_at_a_time();
    let spd = gallery::poisson2d(9);
    let general = gallery::convection_diffusion2d(9, [0.4, 0.2]);
    for target in gpus() {
        for method in METHODS {
            let a = if ["bicgstab", "gmres"].contains(&method) { &general } else { &spd };
            for preconditioner in ["none", "jacobi"] {
                let mut options = target.options(method);
                options.backend = krylane::Backend::Lockstep;
                options.preconditioner = preconditioner.parse().unwrap();
                options.max_iterations = 7;
                options.method = restarted(method, 4);
                let report = solve(a, &random_vector(81, 2), options);
                assert_eq!(report.reason, krylane::Reason::MaxIterations, "{method} on {}", target.name);
                assert_eq!(report.iterations, 7);
                assert!(report.certificate.relative < 1.0, "{method}: {}", report.certificate.relative);
            }
        }
    }
}

#[test]
fn sides_of_the_preconditioner() {
    let _guard = one_at_a_time();
    // Rows of very different size: M r is far from r.
    let a = map(&gallery::random_general(300, 6, 3), |i, _, v| v * 10f64.powi((i % 5) as i32 - 2));
    let b = random_vector(300, 4);
    for target in targets() {
        let run = |side| {
            let options = Options {
                method: Method::Gmres { restart: 30, side },
                preconditioner: Precond::Jacobi,
                ..target.options("gmres")
            };
            solve(&a, &b, options)
        };
        let (left, right) = (run(Side::Left), run(Side::Right));
        for (side, r) in [("left", &left), ("right", &right)] {
            assert_solved(&format!("gmres, M on the {side}, {}", target.name), &a, &b, r, 1e-8);
        }
        assert_eq!(run(Side::Auto).history, right.history, "{}", target.name);
        // The same spectrum, another norm.
        assert_ne!(left.history, right.history, "{}", target.name);
        assert!(left.iterations <= 2 * right.iterations + 5, "{} and {}", left.iterations, right.iterations);
    }
    // Without M there are no sides.
    let plain = |side| {
        let method = Method::Gmres { restart: 30, side };
        solve(&a, &b, Options { method, max_iterations: 40, ..cpu().options("gmres") })
    };
    assert_eq!(plain(Side::Left).history, plain(Side::Right).history);
    let split = Method::Gmres { restart: 30, side: Side::Split };
    let e = Solver::new(&gallery::poisson1d(4), Options { method: split, ..cpu().options("gmres") }).err().unwrap();
    assert!(e.is_bad_input() && e.to_string().contains("right, left"), "{e}");
}
