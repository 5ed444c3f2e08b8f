//! Promises of the engine and the driver, each as a number that could be wrong.

#[path = "../common/mod.rs"]
mod common;
mod outcomes;

use common::*;
use krylane::matrix::{Csr, gallery};
use krylane::{Backend, Counters, Error, Knobs, Method, Options, Passed, Precond, Reason, Report, Solver};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn system(method: &str, k: usize) -> (Csr, Vec<f64>) {
    let a = match method {
        "bicgstab" | "gmres" => gallery::convection_diffusion2d(k, [0.5, -0.2]),
        "steepest_descent" => gallery::random_spd(k * k, 6, 3),
        _ => gallery::poisson2d(k),
    };
    let b = random_vector(a.rows(), 17);
    (a, b)
}

/// What must not depend on how a solve is cut into batches.
fn essence(r: &Report) -> (Vec<u64>, Vec<u64>, usize, usize, String) {
    (bits(&r.x), bits(&r.history), r.iterations, r.matvecs, r.reason.to_string())
}

#[test]
fn lag_and_batch_change_no_bit() {
    let _guard = one_at_a_time();
    let all: Vec<(usize, usize)> = [0, 1, 7, 32].iter().flat_map(|&l| [1, 3, 64].map(|b| (l, b))).collect();
    for target in targets() {
        for method in METHODS {
            let (a, b) = system(method, 11);
            // A solver on a GPU is some kernels to build: there a cross-section has to do.
            let few = [(0, 1), (1, 3), (7, 64), (32, 1)];
            let pairs = if target.gpu { &few[..if target.single { 3 } else { 4 }] } else { &all[..] };
            let mut first = None;
            for &(lag, batch) in pairs {
                let options = Options {
                    knobs: Knobs { lag: Some(lag), batch: Some(batch), ..target.knobs() },
                    method: restarted(method, 12),
                    ..target.options(method)
                };
                let report = solve(&a, &b, options);
                assert_solved(&format!("{method} on {}", target.name), &a, &b, &report, 1e-8);
                let now = essence(&report);
                let before = first.get_or_insert_with(|| now.clone());
                assert!(*before == now, "{method} on {}: lag {lag}, batch {batch} differs", target.name);
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for method in METHODS {
        // Enough chunks that two threads share them.
        let (a, b) = system(method, 150);
        let run = |threads| {
            let options = Options { threads, max_iterations: 25, rtol: 1e-12, ..cpu().options(method) };
            essence(&solve(&a, &b, options))
        };
        assert!(run(1) == run(2), "{method}");
        assert!(run(1) == run(3), "{method}");
    }
}

#[test]
fn fusion_off_counts_the_same() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in METHODS {
            let (a, b) = system(method, 11);
            let run =
                |fuse| solve(&a, &b, Options { knobs: Knobs { fuse, ..target.knobs() }, ..target.options(method) });
            let (on, off) = (run(true), run(false));
            assert_eq!(on.reason.name(), off.reason.name(), "{method} on {}", target.name);
            assert_solved(method, &a, &b, &off, 1e-8);
            let allowed = (1 + on.iterations / 100).max(if method == "bicgstab" { 3 * on.iterations / 10 } else { 0 });
            assert!(
                on.iterations.abs_diff(off.iterations) <= allowed,
                "{method} on {}: {} iterations fused, {} not",
                target.name,
                on.iterations,
                off.iterations
            );
        }
    }
}

/// A solve of exactly so many iterations, in one batch.
fn counted(target: &Target, method: &str, max_iterations: usize, change: impl Fn(&mut Options)) -> Report {
    let (a, b) = system(method, 14);
    let mut options = Options {
        max_iterations,
        rtol: 0.0,
        knobs: Knobs { lag: Some(0), batch: Some(64), ..target.knobs() },
        ..target.options(method)
    };
    change(&mut options);
    let report = solve(&a, &b, options);
    assert_eq!(
        (report.iterations, report.reason.name()),
        (max_iterations, "MaxIterations"),
        "{method} on {}",
        target.name
    );
    report
}

#[test]
fn dispatches_bytes_and_submissions_of_an_iteration() {
    let _guard = one_at_a_time();
    for target in targets() {
        // CG on a GPU forms its direction while it gathers it. GMRES there: a product, a projection and its sum, an
        // update with the second one and its sum, an update with the norm, the scaling.
        let (cg, gmres) = if target.gpu { (2, 7) } else { (3, 5) };
        for (method, most) in [("cg", cg), ("steepest_descent", 2), ("minres", 4), ("bicgstab", 6), ("gmres", gmres)] {
            let run = |iterations| counted(&target, method, iterations, |o| o.method = restarted(method, 20));
            let (few, many) = (run(4), run(14));
            let each = (many.counters.dispatches - few.counters.dispatches) as f64 / 10.0;
            // In f32 the residual is renewed now and then.
            let most = if target.single { most + 2 } else { most };
            assert!(each <= f64::from(most), "{method} on {}: {each} dispatches an iteration", target.name);
            assert!(each >= 2.0, "{method} on {}: {each} dispatches an iteration", target.name);
            if method == "cg" {
                let (a, _) = system("cg", 14);
                let (n, nnz, value) = (a.rows() as u64, a.nnz() as u64, if target.single { 4 } else { 8 });
                let matrix = nnz * (value + 4) + 4 * (n + 1);
                // A backend may keep the matrix in fewer bytes than CSR takes; vectors are vectors.
                let vectors = if target.gpu { 9 } else { 10 } * n * value;
                let bytes = (many.bytes_moved - few.bytes_moved) / 10;
                // Renewals in a wider type come on top in f32.
                let limit = if target.single { 8 * (matrix + vectors) / 5 } else { matrix + vectors };
                assert!(bytes <= limit && bytes >= vectors, "{}: {bytes} bytes", target.name);
            }
        }
    }
}

#[test]
fn the_host_waits_once_a_batch() {
    let _guard = one_at_a_time();
    for target in gpus() {
        for (method, batch) in [("cg", 1), ("cg", 5), ("minres", 8), ("bicgstab", 4), ("gmres", 3), ("gmres", 64)] {
            let report = counted(&target, method, 30, |o| {
                o.method = restarted(method, 6);
                o.knobs.batch = Some(batch);
            });
            if method == "gmres" {
                assert_eq!(report.restarts, 4);
            }
            // In f32 the norm of a renewed residual is waited for.
            let renewals = if target.single { report.checks.len() as u64 } else { 0 };
            let most = 30u64.div_ceil(batch as u64) + report.restarts as u64 + renewals + 3;
            let syncs = report.counters.syncs;
            assert!(syncs <= most, "{method}, batch {batch} on {}: {syncs} waits, {most} allowed", target.name);
            let submits = report.counters.submits;
            assert!(submits <= most + renewals + 1, "{method}: {submits} submissions");
        }
    }
}

fn made(c: &Counters) -> (u64, u64, u64) {
    (c.pipelines, c.bind_groups, c.buffers)
}

#[test]
fn nothing_is_made_after_the_first_iterations() {
    let _guard = one_at_a_time();
    for target in gpus() {
        for (method, settled) in [("steepest_descent", 2), ("cg", 2), ("minres", 3), ("bicgstab", 2), ("gmres", 8)] {
            for lag in [0, 2] {
                let run = |iterations| {
                    counted(&target, method, iterations, |o| {
                        o.method = restarted(method, 4);
                        o.knobs.lag = Some(lag);
                        if target.single {
                            // Renewals end batches; short ones fill the lag all the same.
                            o.knobs.batch = Some(2);
                        }
                    })
                };
                let mut few = run(settled);
                let mut end = 40;
                // In f32 a method goes on after a renewal by segments of its own: they are made at the first ones.
                while target.single && few.checks.len() < 3 {
                    (few, end) = (run(end), 2 * end);
                    assert!(end < 1000, "{method} on {}: no renewals", target.name);
                }
                let (few, many) = (made(&few.counters), made(&run(end).counters));
                assert!(few.0 >= 3, "{method} on {}: {few:?}", target.name);
                assert_eq!(few, many, "{method} on {}: pipelines, bind groups, buffers", target.name);
            }
        }
        // A second solve makes nothing at all.
        for method in METHODS {
            let (a, b) = system(method, 11);
            // Batches of a fixed size: those that follow the clock may end at a column where none ended before.
            let options = Options {
                method: restarted(method, 7),
                knobs: Knobs { batch: Some(4), ..target.knobs() },
                ..target.options(method)
            };
            let mut solver = Solver::new(&a, options).unwrap();
            let first = solver.solve(&b).unwrap();
            assert!(first.counters.pipelines > 0, "{method} on {}: {:?}", target.name, first.counters);
            let again = solver.solve(&random_vector(121, 5)).unwrap();
            assert!(again.reason.is_converged());
            assert_eq!(made(&again.counters), (0, 0, 0), "{method} on {}", target.name);
        }
    }
}

#[test]
fn methods_keep_the_vectors_they_promise() {
    let (a, _) = system("cg", 5);
    for (method, preconditioner, vectors) in [
        ("steepest_descent", "none", 3),
        ("cg", "none", 4),
        ("cg", "jacobi", 6),
        ("minres", "none", 7),
        ("minres", "jacobi", 9),
        ("bicgstab", "none", 7),
        ("bicgstab", "jacobi", 10),
        // x, r, w, b, A x and m + 1 columns.
        ("gmres", "none", 5 + 11),
        ("gmres", "jacobi", 7 + 11),
        ("lsqr", "none", 6),
        ("lsqr", "jacobi", 8),
        ("lsmr", "none", 7),
        ("lsmr", "jacobi", 9),
    ] {
        for target in [cpu(), targets().remove(1)] {
            let options = Options {
                preconditioner: preconditioner.parse().unwrap(),
                method: restarted(method, 10),
                ..target.options(method)
            };
            let (count, bytes) = Solver::new(&a, options).unwrap().footprint().unwrap();
            // Where f32 iterates, the right-hand side, A x and the sum of the corrections are f64's; least squares are
            // corrected by the host.
            let wide = if target.single && !method.starts_with("ls") { 3 } else { 0 };
            let own = if wide > 0 && method == "gmres" { vectors - 2 } else { vectors };
            assert_eq!(count, own + wide, "{method} with {preconditioner}");
            let number = if target.single { 4 } else { 8 };
            assert_eq!(bytes, (25 * (own * number + wide * 8)) as u64, "{method} with {preconditioner}");
        }
    }
}

#[test]
fn new_values_on_the_pattern_give_what_a_new_solver_gives() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in ["cg", "gmres"] {
            let (a, b) = system(method, 9);
            let options = Options { preconditioner: "jacobi".parse().unwrap(), ..target.options(method) };
            // Other values, another scale, another diagonal.
            let other = map(&a, |i, j, v| if i == j { 1000.0 * v + i as f64 } else { 700.0 * v });
            let mut solver = Solver::new(&a, options.clone()).unwrap();
            let _ = solver.solve(&b).unwrap();
            solver.update(&other).unwrap();
            let updated = solver.solve(&b).unwrap();
            assert_solved(&format!("{method} on {}", target.name), &other, &b, &updated, 1e-8);
            let fresh = solve(&other, &b, options);
            assert!(essence(&updated) == essence(&fresh), "{method} on {}", target.name);
            let message = |e: Error| e.to_string();
            assert!(message(solver.update(&gallery::poisson2d(4)).unwrap_err()).contains("16 x 16"));
            let elsewhere = map(&a, |_, _, v| v).transpose();
            let holes = from_entries(a.rows(), &[(0, 0, 1.0)]);
            assert!(solver.update(&elsewhere).is_ok() == (elsewhere.columns() == a.columns()));
            solver.update(&other).unwrap();
            assert!(message(solver.update(&holes).unwrap_err()).contains("row 0"));
            let mut bad = other.to_sprs();
            bad.data_mut()[3] = f64::NAN;
            assert!(solver.update(&bad).is_err());
        }
    }
}

#[test]
fn new_values_must_keep_the_symmetry_that_the_plan_rests_on() {
    let a = gallery::poisson2d(5);
    let mut values = a.values().to_vec();
    // Entry (0, 1).
    values[1] += 0.5;
    for (method, refused) in [("cg", true), ("auto", true), ("gmres", false)] {
        let mut solver = Solver::new(&a, Options { ..cpu().options(method) }).unwrap();
        match solver.update(&with_values(&a, values.clone())) {
            Err(e) => {
                assert!(refused && e.is_bad_input() && e.to_string().contains("(0, 1)"), "{method}: {e}");
                // The old values stand.
                let report = solver.solve(&[1.0; 25]).unwrap();
                assert_solved(method, &a, &[1.0; 25], &report, 1e-8);
            }
            Ok(()) => assert!(!refused, "{method}"),
        }
    }
}

#[test]
fn a_solver_is_as_new_after_any_outcome() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in METHODS {
            let (a, b) = system(method, 9);
            let options = Options { method: restarted(method, 8), ..target.options(method) };
            let fresh = solve(&a, &b, options.clone());
            let stop = Arc::new(AtomicBool::new(true));
            let asked = Arc::clone(&stop);
            let mut solver = Solver::new(&a, options).unwrap().on_iteration(move |e| {
                if e.iteration >= 5 && asked.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            let failed = solver.solve(&random_vector(81, 99)).unwrap();
            assert_eq!(failed.reason, Reason::StoppedByCallback, "{method} on {}", target.name);
            assert!(solver.solve(&[f64::NAN; 81]).is_err());
            assert!(solver.solve(&[1.0; 80]).is_err());
            stop.store(false, Ordering::Relaxed);
            let again = solver.solve(&b).unwrap();
            assert!(essence(&again) == essence(&fresh), "{method} on {}: {}", target.name, again.reason);
        }
    }
}

#[test]
fn panels_give_the_same_answers() {
    let _guard = one_at_a_time();
    // Rows and values of a grid would fit a small binding whatever its size.
    let a = gallery::random_spd(40_000, 6, 3);
    let b = random_vector(a.rows(), 1);
    for target in gpus() {
        // f64: the values take more than 2 MB, a basis 3.5 MB; f32 has half of that.
        let limit = if target.single { 1 << 19 } else { 1 << 20 };
        for (method, fuse) in [("cg", true), ("gmres", true), ("gmres", false)] {
            let run = |binding_limit| {
                let options = Options {
                    knobs: Knobs { fuse, binding_limit, ..target.knobs() },
                    max_iterations: 12,
                    method: restarted(method, 10),
                    rtol: 1e-14,
                    ..target.options(method)
                };
                solve(&a, &b, options)
            };
            let (whole, panels) = (run(None), run(Some(limit)));
            assert_eq!(panels.iterations, 12);
            let difference: Vec<f64> = whole.x.iter().zip(&panels.x).map(|(x, y)| x - y).collect();
            let error = norm(&difference) / norm(&whole.x);
            assert!(error <= if target.single { 1e-4 } else { 1e-12 }, "{method} on {}: {error:e}", target.name);
            assert!(panels.counters.dispatches > whole.counters.dispatches, "no panels were made");
        }
        let options =
            Options { knobs: Knobs { binding_limit: Some(1 << 16), ..target.knobs() }, ..target.options("cg") };
        match Solver::new(&a, options).unwrap().solve(&b) {
            Err(Error::OutOfMemory { what, needed, available, budget: false }) => {
                assert!(what.contains("vector x"), "{what}");
                assert_eq!((needed, available), (if target.single { 160_000 } else { 320_000 }, 1 << 16));
            }
            other => panic!("{}: {other:?}", target.name),
        }
    }
}

#[test]
fn powers_of_two_change_no_bit() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in METHODS {
            let (a, b) = system(method, 8);
            let options = Options {
                preconditioner: "jacobi".parse().unwrap(),
                method: restarted(method, 10),
                ..target.options(method)
            };
            let plain = solve(&a, &b, options.clone());
            assert_solved(method, &a, &b, &plain, 1e-8);
            let exponents: &[(i32, i32)] = if target.gpu {
                &[(400, -400), (-399, 397)]
            } else {
                &[(1, 0), (0, 400), (-400, 0), (400, -400), (-399, 397)]
            };
            for &(p, q) in exponents {
                let scaled_a = map(&a, |_, _, v| power(v, p));
                let scaled_b: Vec<f64> = b.iter().map(|&v| power(v, q)).collect();
                let scaled = solve(&scaled_a, &scaled_b, options.clone());
                let what = format!("{method} on {}, 2^{p} A, 2^{q} b", target.name);
                assert_eq!(scaled.reason, plain.reason, "{what}");
                assert_eq!(scaled.iterations, plain.iterations, "{what}");
                assert!(bits(&scaled.history) == bits(&plain.history), "{what}: another history");
                let expected: Vec<f64> = plain.x.iter().map(|&v| power(v, q - p)).collect();
                assert!(bits(&scaled.x) == bits(&expected), "{what}: another x");
            }
        }
    }
}

/// The device's own clock says what each kernel takes; the sum is about what the host sees.
#[test]
fn kernels_are_timed_on_request() {
    let _guard = one_at_a_time();
    for target in gpus() {
        let (a, b) = system("cg", 40);
        let run = |kernel_times| {
            solve(&a, &b, Options { knobs: Knobs { kernel_times, ..target.knobs() }, ..target.options("cg") })
        };
        let (plain, timed) = (run(false), run(true));
        assert!(plain.kernel_times.is_empty());
        assert!(essence(&plain) == essence(&timed), "{}: times change the answer", target.name);
        let runs: u64 = timed.kernel_times.iter().map(|k| k.runs).sum();
        assert_eq!(runs, timed.counters.dispatches, "{}: {:?}", target.name, timed.kernel_times);
        let ms: Vec<f64> = timed.kernel_times.iter().map(|k| k.milliseconds).collect();
        let total = ms.iter().sum::<f64>();
        assert!(ms.is_sorted_by(|a, b| a >= b) && total > 0.0, "{ms:?}");
        assert!(total <= 1e3 * (timed.timings.solve_s + timed.timings.upload_s), "{total} ms in {:?}", timed.timings);
        // The sweeps of an iteration are most of it.
        let most = &timed.kernel_times[..3];
        assert!(most.iter().all(|k| k.kernel.starts_with("sweep")), "{most:?}");
        assert!(ms[..3].iter().sum::<f64>() > 0.5 * total, "{:?}", timed.kernel_times);
    }
}
