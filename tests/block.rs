//! Several right-hand sides at once: each answer is what the system would get alone, and the matrix is read once.

mod common;

use common::*;
use krylane::matrix::{Csr, Matrix, Stencil, gallery};
use krylane::method::METHODS;
use krylane::{Error, Knobs, Options, Report, Solver};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

/// Right-hand sides of different speeds: noise, an eigenvector's neighbourhood, a unit vector, zero.
fn right_hand_sides(a: &Csr, k: usize) -> Vec<Vec<f64>> {
    let n = a.rows();
    let smooth: Vec<f64> = (0..n).map(|i| (i as f64 / n as f64 * 3.0).sin()).collect();
    let all = [
        random_vector(n, 1),
        a.multiply(&smooth),
        unit(n, n / 2),
        vec![0.0; n],
        random_vector(n, 2).iter().map(|v| v * 1e12).collect(),
        vec![1.0; n],
        unit(n, 0).iter().map(|v| v * 1e-9).collect(),
        random_vector(n, 3),
    ];
    all[..k].to_vec()
}

fn many(a: &Csr, b: &[Vec<f64>], options: Options) -> Vec<Report> {
    Solver::new(a, options).unwrap().solve_many(b).unwrap()
}

/// What must be as in a solve of its own.
fn essence(r: &Report) -> (Vec<u64>, Vec<u64>, usize, usize, String) {
    (bits(&r.x), bits(&r.history), r.iterations, r.matvecs, r.reason.to_string())
}

fn system(method: &str, k: usize) -> Csr {
    let needs = METHODS.iter().find(|m| m.id == method).unwrap().needs;
    match needs {
        krylane::method::Needs::Square => gallery::convection_diffusion2d(k, [0.5, -0.2]),
        _ => gallery::poisson2d(k),
    }
}

#[test]
fn every_method_gives_each_system_its_own_answer_on_the_cpu() {
    for target in targets().iter().filter(|t| !t.gpu) {
        for method in METHODS.iter().filter(|m| !m.traits.program_only).map(|m| m.id) {
            let a = system(method, 9);
            let options = || Options { max_iterations: 400, method: restarted(method, 8), ..target.options(method) };
            let b = right_hand_sides(&a, 5);
            let together = many(&a, &b, options());
            for (k, (b, report)) in b.iter().zip(&together).enumerate() {
                let alone = solve(&a, b, options());
                assert!(
                    essence(report) == essence(&alone),
                    "{method} on {}, right-hand side {k}: {} after {}, alone {} after {}",
                    target.name,
                    report.reason,
                    report.iterations,
                    alone.reason,
                    alone.iterations
                );
            }
        }
    }
}

#[test]
fn any_number_of_systems_and_any_preconditioner() {
    let a = gallery::poisson2d(11);
    for k in [1, 2, 3, 5, 8] {
        for (method, preconditioner) in
            [("cg", "jacobi"), ("cg", "ic0"), ("cg", "amg:coarse=20"), ("gmres", "ilu0"), ("minres", "chebyshev:3")]
        {
            let options = || Options { preconditioner: preconditioner.parse().unwrap(), ..cpu().options(method) };
            let b = right_hand_sides(&a, k);
            let reports = many(&a, &b, options());
            assert_eq!(reports.len(), k);
            for (b, report) in b.iter().zip(&reports) {
                assert!(essence(report) == essence(&solve(&a, b, options())), "{method} + {preconditioner}, {k}");
            }
        }
    }
    assert!(many(&a, &[], cpu().options("cg")).is_empty());
}

#[test]
fn on_gpus_each_answer_is_certified() {
    let _guard = one_at_a_time();
    for target in gpus() {
        for method in ["cg", "gmres"] {
            let a = system(method, 9);
            let b = right_hand_sides(&a, 5);
            let options = || Options { method: restarted(method, 10), ..target.options(method) };
            for (k, (b, report)) in b.iter().zip(many(&a, &b, options())).enumerate() {
                let name = format!("{method} on {}, right-hand side {k}", target.name);
                if k == 3 {
                    assert_eq!(report.reason.to_string(), "Converged (ZeroRhs)", "{name}");
                    continue;
                }
                assert_solved(&name, &a, b, &report, 1e-8);
                let alone = solve(&a, b, options()).iterations;
                assert!(report.iterations.abs_diff(alone) <= 1 + alone / 10, "{name}: {} {alone}", report.iterations);
            }
        }
    }
}

#[test]
fn one_that_breaks_down_keeps_no_other_from_its_answer() {
    let _guard = one_at_a_time();
    // Positive definite but for one direction.
    let a = gallery::diagonal(&(0..40).map(|i| if i == 7 { -1.0 } else { 1.0 + f64::from(i) }).collect::<Vec<_>>());
    let mut good = random_vector(40, 5);
    good[7] = 0.0;
    let later: Vec<f64> = good.iter().enumerate().map(|(i, v)| if i < 20 { *v } else { 0.0 }).collect();
    // d'Ad = -6 in the first step, which makes the residual grow.
    let bad: Vec<f64> =
        (0..40).map(|i| [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0].get(i).copied().unwrap_or(0.0)).collect();
    let b = [good.clone(), bad, later, random_vector(40, 6)];
    for target in targets() {
        let reports = many(&a, &b, target.options("cg"));
        let names: Vec<&str> = reports.iter().map(|r| r.reason.name()).collect();
        assert_eq!(names[..3], ["Converged", "IndefiniteOperator", "Converged"], "{}", target.name);
        assert_solved(target.name, &a, &b[0], &reports[0], 1e-8);
        assert_solved(target.name, &a, &b[2], &reports[2], 1e-8);
        assert!(reports[2].iterations < reports[0].iterations);
        assert_eq!(names[3], solve(&a, &b[3], target.options("cg")).reason.name(), "{}", target.name);
    }
}

#[test]
fn initial_guesses_and_limits_belong_to_each_system() {
    let a = gallery::poisson2d(12);
    let n = a.rows();
    let x: Vec<Vec<f64>> = (0..3).map(|s| random_vector(n, s)).collect();
    let b: Vec<Vec<f64>> = x.iter().map(|x| a.multiply(x)).collect();
    let mut solver = Solver::new(&a, cpu().options("cg")).unwrap();
    // The second is solved before it begins.
    let x0 = [vec![0.0; n], x[1].clone(), x[2].iter().map(|v| v * 1.001).collect()];
    let reports = solver.solve_many_from(&b, &x0).unwrap();
    assert_eq!(reports[1].reason.to_string(), "Converged (InitialGuess)");
    assert!(reports[1].iterations == 0 && 0 < reports[2].iterations && reports[2].iterations < reports[0].iterations);
    for (k, b) in b.iter().enumerate() {
        let alone = Solver::new(&a, cpu().options("cg")).unwrap().solve_from(b, &x0[k]).unwrap();
        assert!(essence(&reports[k]) == essence(&alone), "{k}");
    }
    // Again, with what the first call left, and with fewer systems.
    let again = solver.solve_many_from(&b[..2], &x0[..2]).unwrap();
    assert!(essence(&again[0]) == essence(&reports[0]));
    let limited = many(&a, &b, Options { max_iterations: 7, ..cpu().options("cg") });
    assert!(limited.iter().all(|r| (r.iterations, r.reason.name()) == (7, "MaxIterations")));

    let message = |e: Error| e.to_string();
    assert!(message(solver.solve_many_from(&b, &x0[..2]).unwrap_err()).contains("3 right-hand sides, 2"));
    assert!(message(solver.solve_many(&[vec![1.0; n], vec![1.0; 5]]).unwrap_err()).contains("right-hand side 1"));
}

#[test]
fn lag_batch_and_threads_change_no_bit() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in ["cg", "gmres"] {
            let a = system(method, 8);
            let b = right_hand_sides(&a, 3);
            let run = |lag, batch| {
                let options = Options {
                    knobs: Knobs { lag: Some(lag), batch: Some(batch), ..target.knobs() },
                    method: restarted(method, 9),
                    ..target.options(method)
                };
                many(&a, &b, options).iter().map(essence).collect::<Vec<_>>()
            };
            let first = run(0, 1);
            for (lag, batch) in [(1, 3), (5, 20)] {
                assert!(run(lag, batch) == first, "{method} on {}: lag {lag}, batch {batch}", target.name);
            }
        }
    }
    for method in ["cg", "gmres"] {
        let a = system(method, 140);
        let b = right_hand_sides(&a, 3);
        let run = |threads| {
            let options = Options { threads, max_iterations: 25, rtol: 1e-13, ..cpu().options(method) };
            many(&a, &b, options).iter().map(essence).collect::<Vec<_>>()
        };
        assert!(run(1) == run(2), "{method}");
    }
}

/// Bytes and dispatches of one iteration of CG for all systems.
fn each(target: &Target, solver: impl Fn(Options) -> Solver, b: &[Vec<f64>]) -> (f64, f64) {
    let counted = |max_iterations| {
        let options = Options {
            max_iterations,
            rtol: 0.0,
            knobs: Knobs { lag: Some(0), batch: Some(64), ..target.knobs() },
            ..target.options("cg")
        };
        let reports = solver(options).solve_many(b).unwrap();
        assert!(reports.iter().all(|r| r.iterations == max_iterations));
        (reports.iter().map(|r| r.bytes_moved).sum::<u64>(), reports[0].counters.dispatches)
    };
    let (few, many) = (counted(4), counted(14));
    ((many.0 - few.0) as f64 / 10.0, (many.1 - few.1) as f64 / 10.0)
}

#[test]
fn the_matrix_is_read_once_for_all() {
    let _guard = one_at_a_time();
    let a = gallery::random_spd(300, 9, 1);
    let n = a.rows();
    let b: Vec<Vec<f64>> = (0..4).map(|s| random_vector(n, s)).collect();
    for target in targets() {
        let number = if target.single { 4 } else { 8 };
        let vectors = (10 * n * number) as f64;
        let solver = |options: Options| Solver::new(&a, options).unwrap();
        let (one, _) = each(&target, solver, &b[..1]);
        let (two, dispatches) = each(&target, solver, &b[..2]);
        if target.single {
            // Renewals of the residual move bytes of their own.
            assert!(two < 1.95 * one, "{}: {two}, {one}", target.name);
            continue;
        }
        assert!(dispatches <= if target.gpu { 6.0 } else { 3.0 }, "{}: {dispatches} dispatches", target.name);
        // Alone, CG on a GPU forms its direction while it gathers it: nine passes over vectors.
        let matrix = one - if target.gpu { 0.9 * vectors } else { vectors };
        assert!(matrix > 0.0 && (two - matrix - 2.0 * vectors).abs() <= 4.0, "{}: {two}, {one}", target.name);
        let (four, _) = each(&target, solver, &b);
        // A kernel of a GPU has room for two.
        let passes = if target.gpu { 2.0 } else { 1.0 };
        assert!((four - passes * matrix - 4.0 * vectors).abs() <= 8.0, "{}: {four}, {one}", target.name);
    }
}

#[test]
fn operators_serve_several_systems_too() {
    let _guard = one_at_a_time();
    let stencil = Stencil::new2d(12, (0..144).map(|i| 1.0 + f64::from(i % 7)).collect()).unwrap();
    let stored = stencil.to_csr().unwrap();
    let free = Matrix::free(stencil);
    let b = right_hand_sides(&stored, 3);
    for target in targets() {
        let reports = Solver::new(&free, target.options("cg")).unwrap().solve_many(&b).unwrap();
        for (b, report) in b.iter().zip(&reports) {
            assert_solved(target.name, &stored, b, report, 1e-8);
        }
        let solver = |options: Options| Solver::new(&free, options).unwrap();
        let (one, _) = each(&target, solver, &b[..1]);
        let (two, _) = each(&target, solver, &b[..2]);
        assert!(two < 2.0 * one, "{}: {two} {one}", target.name);
    }
}

#[test]
fn callbacks_say_which_system_and_may_stop_it() {
    let a = gallery::poisson2d(10);
    let b = right_hand_sides(&a, 3);
    let heard = Arc::new(Mutex::new(vec![0; 3]));
    let counts = Arc::clone(&heard);
    let mut solver = Solver::new(&a, cpu().options("cg")).unwrap().on_iteration(move |event| {
        counts.lock().unwrap()[event.system] += 1;
        if event.system == 1 && event.iteration == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let reports = solver.solve_many(&b).unwrap();
    let iterations: Vec<usize> = reports.iter().map(|r| r.iterations).collect();
    assert_eq!(*heard.lock().unwrap(), iterations);
    assert_eq!((iterations[1], reports[1].reason.name()), (4, "StoppedByCallback"));
    assert!(reports[0].reason.is_converged() && reports[2].reason.is_converged());
    // One that runs alone, beside others that need no iteration, keeps its number.
    let (zero, first) = (vec![0.0; a.rows()], &b[0]);
    *heard.lock().unwrap() = vec![0; 3];
    let reports = solver.solve_many(&[&zero, &zero, first]).unwrap();
    assert_eq!(*heard.lock().unwrap(), [0, 0, reports[2].iterations]);
    assert!(reports[2].iterations > 0);
}
