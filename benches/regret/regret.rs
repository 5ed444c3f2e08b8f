//! How far the default is from the best choice: `bash benches/regret/run.sh DIR [OUT]`, see README.md beside.
//!
//! For each matrix of a folder: `auto`, then every pair of the table below, each bounded by what the best so far took.
//! The figure is the CPU time of the process from `Solver::new` to the answer, so that a busy machine blurs it little.
//! Each run is a line of JSON in OUT; regret is the time of `auto` over that of the best pair.

#[path = "../../examples/folder/system.rs"]
mod system;

use krylane::matrix::Csr;
use krylane::random::Random;
use krylane::{Backend, Options, Solver, io};
use serde_json::json;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Symmetric matrices take all, others those of the second list.
const SYMMETRIC: [(&str, &[&str]); 2] =
    [("cg", &["none", "jacobi", "ic0", "amg", "ssor", "fsai", "block_jacobi"]), ("minres", &["none", "jacobi"])];
const ANY: [(&str, &[&str]); 3] = [
    ("gmres", &["lu", "jacobi", "ilu0", "ilut", "amg"]),
    ("bicgstab", &["jacobi", "none", "ilu0", "gauss_seidel", "ilut", "lu", "amg"]),
    ("idrs", &["jacobi", "ilu0"]),
];

/// Below this a pair is not cut off, and each time is the least of three.
const SHORT: f64 = 0.02;

/// Iterations of a pair.
const ITERATIONS: usize = 50_000;

/// One solve.
struct Run {
    pair: String,
    converged: bool,
    cpu_s: f64,
}

fn main() -> Result<()> {
    let argument = |k: usize, default: &str| std::env::args().nth(k).unwrap_or_else(|| default.into());
    let folder = PathBuf::from(argument(1, "."));
    let mut out = std::fs::OpenOptions::new().create(true).append(true).open(argument(2, "regret.jsonl"))?;
    // "auto" leaves the pairs out: two programs can be compared with one table.
    let (pairs, only) = (argument(3, "all") == "all", argument(4, ""));
    let (mut regrets, mut total): (Vec<(f64, f64, String)>, f64) = (vec![], 0.0);
    for (name, file) in system::matrices(&folder)?.into_iter().filter(|f| f.0.contains(&only)) {
        let a = io::read_matrix(&file, &io::ReadOptions::default())?.matrix;
        if !a.is_square() {
            continue;
        }
        let given = system::right_hand_side(&folder, &name)?;
        let shipped = given.is_some();
        let mut b = given.unwrap_or_else(|| Random::new(7).vector(a.rows()));
        let mut keep = |run: serde_json::Value| writeln!(out, "{run}");
        let (mut auto, mut line) = solve(&name, &a, &b, ("auto", "auto"), f64::INFINITY)?;
        if !auto.converged && !shipped {
            // A singular system wants a b that has a solution.
            keep(line)?;
            b = a.multiply(&b);
            (auto, line) = solve(&name, &a, &b, ("auto", "auto"), f64::INFINITY)?;
            line["image"] = true.into();
        }
        keep(line)?;
        total += auto.cpu_s;
        let mut best: Option<Run> = None;
        let symmetric = a.first_asymmetry(1e-12).is_none();
        let table = SYMMETRIC.iter().filter(|_| symmetric).chain(&ANY).filter(|_| pairs);
        for pair in table.flat_map(|(m, ps)| ps.iter().map(move |p| (*m, *p))) {
            let bound = best.as_ref().map_or(if auto.converged { 2.0 * auto.cpu_s } else { 60.0 }, |b| b.cpu_s);
            let (run, line) = solve(&name, &a, &b, pair, bound.max(SHORT))?;
            keep(line)?;
            if run.converged && best.as_ref().is_none_or(|b| run.cpu_s < b.cpu_s) {
                best = Some(run);
            }
        }
        let word = if auto.converged { "" } else { " NOT CONVERGED" };
        match best {
            Some(best) => {
                let regret = auto.cpu_s / best.cpu_s;
                println!(
                    "{name:26} auto {:9.4} s {:30} best {:9.4} s {:22} regret {regret:6.2}{word}",
                    auto.cpu_s, auto.pair, best.cpu_s, best.pair
                );
                regrets.push((regret, best.cpu_s, name));
            }
            None => println!("{name:26} auto {:9.4} s {:30} best none{word}", auto.cpu_s, auto.pair),
        }
    }
    println!("{total:.2} s of auto in all");
    if regrets.is_empty() {
        return Ok(());
    }
    regrets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (count, worst) = (regrets.len(), &regrets[regrets.len() - 1]);
    let mean = (regrets.iter().map(|r| r.0.ln()).sum::<f64>() / count as f64).exp();
    let within = |bound: f64| regrets.iter().filter(|r| r.0 <= bound).count();
    let long: Vec<_> = regrets.iter().filter(|r| r.1 > SHORT).collect();
    println!(
        "{count} matrices: geometric mean {mean:.2}, median {:.2}, worst {:.2} ({}); {} at most 2, {} at most 4",
        regrets[count / 2].0,
        worst.0,
        worst.2,
        within(2.0),
        within(4.0)
    );
    println!(
        "where the best takes more than {} ms: {} of {} at most 2, worst {:.2}; elsewhere {} of {} within {} ms + 2 times",
        SHORT * 1e3,
        long.iter().filter(|r| r.0 <= 2.0).count(),
        long.len(),
        long.last().map_or(1.0, |r| r.0),
        regrets.iter().filter(|r| r.1 <= SHORT && r.0 * r.1 <= SHORT + 2.0 * r.1).count(),
        count - long.len(),
        SHORT * 1e3
    );
    Ok(())
}

fn options(method: &str, preconditioner: &str) -> krylane::Result<Options> {
    Ok(Options {
        method: method.parse()?,
        preconditioner: preconditioner.parse()?,
        backend: Backend::Cpu,
        threads: 1,
        max_iterations: if method == "auto" { Options::default().max_iterations } else { ITERATIONS },
        ..Options::default()
    })
}

/// The least time of one run, or of three short ones; a run that takes longer than `bound` is called off.
fn solve(
    name: &str,
    a: &Csr,
    b: &[f64],
    (method, preconditioner): (&str, &str),
    bound: f64,
) -> Result<(Run, serde_json::Value)> {
    let mut least: Option<(Run, serde_json::Value)> = None;
    for _ in 0..3 {
        let start = cpu_seconds();
        let outcome = options(method, preconditioner).and_then(|options| Solver::new(a, options)).and_then(|solver| {
            let mut solver = solver.on_iteration(move |_| {
                if cpu_seconds() - start > bound { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            solver.solve(b)
        });
        let cpu_s = cpu_seconds() - start;
        let asked = format!("{method}+{preconditioner}");
        let head = json!({"matrix": name, "n": a.rows(), "nnz": a.nnz(), "asked": asked, "cpu_s": cpu_s});
        let (run, line) = match outcome {
            Ok(r) => {
                let truth = system::relative_residual(a, b, &r.x);
                let converged = r.reason.is_converged();
                assert!(!converged || truth <= 1e-8 * (1.0 + 1e-9), "{name}, {asked}: converged at {truth:e}");
                let mut line = head;
                line["reason"] = r.reason.name().into();
                line["iterations"] = r.iterations.into();
                line["relative"] = truth.into();
                line["timings"] = serde_json::to_value(r.timings)?;
                line["bytes_moved"] = r.bytes_moved.into();
                line["rungs"] = serde_json::to_value(&r.rungs)?;
                (Run { pair: format!("{}+{}", r.method, r.preconditioner), converged, cpu_s }, line)
            }
            Err(e) => {
                let mut line = head;
                line["reason"] = format!("refused: {e}").into();
                (Run { pair: asked, converged: false, cpu_s }, line)
            }
        };
        if least.as_ref().is_none_or(|l| run.cpu_s < l.0.cpu_s) {
            least = Some((run, line));
        }
        if cpu_s > SHORT {
            break;
        }
    }
    Ok(least.expect("one run at least"))
}

/// User and system time of this process, of ended threads as well.
fn cpu_seconds() -> f64 {
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    const PROCESS: i32 = 2;
    let mut time = [0i64; 2];
    // SAFETY: the C library fills the two numbers of a timespec, 64 bits each on the systems this runs on.
    let failed = unsafe { clock_gettime(PROCESS, &raw mut time) };
    assert_eq!(failed, 0, "no clock for the time of a process");
    time[0] as f64 + 1e-9 * time[1] as f64
}
