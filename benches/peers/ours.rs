//! krylane beside its peers, through its own public interface; called like the other drivers (see common.hpp):
//!
//! `peers SYSTEM TASK PRECONDITIONER THREADS RTOL ITERATIONS ANSWER [BACKEND [PRECISION]]`
//!
//! SYSTEM is a folder of raw arrays. `peers export NAME:SIZE SYSTEM` writes one of the gallery with a random
//! right-hand side. BACKEND and PRECISION are those of the command line; the default is the CPU with f64 or what
//! "auto" takes. Stops when ‖b − A x‖, recomputed in f64 with compensated sums, is at most rtol ‖b‖. For eigenvalues
//! PRECONDITIONER is a method's name, or "invert" for the inverse of A by inner solves; ‖A v − λ v‖ ≤ rtol ‖A‖.

use krylane::matrix::{Csr, gallery};
use krylane::op::{Dtype, Precisions, Role, Space};
use krylane::precond::NearNull;
use krylane::random::Random;
use krylane::{Allowed, Backend, EigenOptions, EigenSolver, Harness, Method, Options, Precond, Solver, Which};
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One raw array of a system.
fn read<const N: usize, T>(system: &Path, name: &str, of: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let raw = fs::read(system.join(name)).map_err(|e| format!("{name} of {}: {e}", system.display()))?;
    Ok(raw.chunks_exact(N).map(|c| of(c.try_into().expect("chunks of N bytes"))).collect())
}

fn write<const N: usize, T>(file: &Path, values: impl IntoIterator<Item = T>, of: fn(T) -> [u8; N]) -> Result<()> {
    Ok(fs::write(file, values.into_iter().flat_map(of).collect::<Vec<u8>>())?)
}

/// Sum of twelve uniform numbers: nearly normal, and the same everywhere.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| random.uniform(-0.5, 0.5)).sum()
}

fn export(spec: &str, system: &Path) -> Result<()> {
    let (name, size) = spec.split_once(':').ok_or("the form is NAME:SIZE, as in poisson2d:500")?;
    let a = gallery::by_name(name, size.parse()?, &[])?;
    let mut random = Random::new(5);
    fs::create_dir_all(system)?;
    write(&system.join("columns.bin"), a.columns().iter().copied(), u32::to_le_bytes)?;
    write(&system.join("values.bin"), a.values().iter().copied(), f64::to_le_bytes)?;
    write(&system.join("rhs.bin"), (0..a.rows()).map(|_| normal(&mut random)), f64::to_le_bytes)?;
    let starts = a.row_ptr().iter().map(|&p| u32::try_from(p)).collect::<std::result::Result<Vec<_>, _>>()?;
    write(&system.join("rows.bin"), starts, u32::to_le_bytes)
}

/// What a driver prints and writes.
struct Outcome {
    answer: Vec<f64>,
    setup_s: f64,
    solve_s: f64,
    iterations: usize,
    /// How the solve ended, which number types, and what else the table may say.
    note: String,
}

/// Median of at least 20 products over at least 0.3 s, after three that don't count.
fn product(a: Csr, b: &[f64], threads: usize) -> Result<Outcome> {
    let start = Instant::now();
    let a = Arc::new(a);
    let mut space = Space::new(Precisions::uniform(Dtype::F64));
    let operator = space.operator("A", Arc::clone(&a), 0, Role::Working);
    let [x, y] = ["x", "y"].map(|name| space.vector(name, a.rows()));
    let mut harness = Harness::new(space, threads, Allowed::default())?;
    let setup_s = start.elapsed().as_secs_f64();
    harness.write(x, b)?;
    let mut times = vec![];
    let mut spent = 0.0;
    for k in 0.. {
        let start = Instant::now();
        harness.run(|p| p.apply(operator, x, y))?;
        let seconds = start.elapsed().as_secs_f64();
        if k >= 3 {
            times.push(seconds);
            spent += seconds;
        }
        if times.len() >= 20 && (spent >= 0.3 || times.len() >= 500) {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    let note = harness.describe(operator);
    Ok(Outcome { answer: harness.read(y)?, setup_s, solve_s: times[times.len() / 2], iterations: 1, note })
}

/// Set-up, a solve stopped after three iterations, a timed solve on what the first one has made.
fn solve(a: Csr, b: &[f64], options: Options) -> Result<Outcome> {
    let start = Instant::now();
    // An `Arc` is taken as it is; a matrix would be copied.
    let bound = Arc::new(AtomicUsize::new(3));
    let heard = Arc::clone(&bound);
    let mut solver = Solver::new(&Arc::new(a), options)?.on_iteration(move |event| {
        if event.iteration >= heard.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let made = start.elapsed().as_secs_f64();
    let warm = solver.solve(b)?;
    // The first solve also sets up the preconditioner and the device's memory.
    let timings = &warm.timings;
    let setup_s = made + (timings.setup_s - made).max(0.0) + timings.upload_s;
    bound.store(usize::MAX, Ordering::Relaxed);
    let start = Instant::now();
    let report = solver.solve(b)?;
    let solve_s = start.elapsed().as_secs_f64();
    let precision = report.precision;
    let note =
        format!("{}; {:?}/{:?}; {}", report.reason, precision.working, precision.accumulate, report.adapter.name);
    Ok(Outcome { setup_s, solve_s, iterations: report.iterations, note, answer: report.x })
}

/// Ten eigenvalues of one end, and their vectors after them.
fn eigenpairs(a: Csr, task: &str, way: &str, options: Options) -> Result<Outcome> {
    let invert = way == "invert";
    let which = match task {
        "largest" => Which::LA,
        _ if invert => Which::LM,
        _ => Which::SA,
    };
    let options = EigenOptions {
        k: 10,
        which,
        sigma: invert.then_some(0.0),
        method: if invert { "auto" } else { way }.into(),
        tol: options.rtol,
        backend: options.backend,
        precision: options.precision,
        threads: options.threads,
        ..EigenOptions::default()
    };
    let start = Instant::now();
    let mut solver = EigenSolver::new(&Arc::new(a), options)?;
    let setup_s = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let report = solver.solve()?;
    let solve_s = start.elapsed().as_secs_f64();
    let values = report.eigenvalues.iter().map(|v| v.re);
    let answer = values.chain(report.vectors.iter().flatten().copied()).collect();
    let note = format!("{}; {}", report.reason, report.method);
    Ok(Outcome { answer, setup_s, solve_s, iterations: report.iterations, note })
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, spec, system] = &arguments[..]
        && command == "export"
    {
        return export(spec, system.as_ref());
    }
    let [system, task, preconditioner, threads, rtol, iterations, answer, rest @ ..] = &arguments[..] else {
        return Err("peers SYSTEM TASK PRECONDITIONER THREADS RTOL ITERATIONS ANSWER [BACKEND [PRECISION]]".into());
    };
    let system: &Path = system.as_ref();
    let starts = read(system, "rows.bin", u32::from_le_bytes)?.into_iter().map(|p| p as usize).collect::<Vec<_>>();
    let b = read(system, "rhs.bin", f64::from_le_bytes)?;
    let columns = read(system, "columns.bin", u32::from_le_bytes)?;
    let values = read(system, "values.bin", f64::from_le_bytes)?;
    let a = Csr::new(b.len(), b.len(), starts, columns, values)?;
    let method = if task == "gmres30" { "gmres" } else { task.as_str() };
    // Elasticity: two displacements a node.
    let modes = if system.join("modes.bin").exists() { read(system, "modes.bin", f64::from_le_bytes)? } else { vec![] };
    let near_null = match modes.chunks_exact(b.len()).map(<[f64]>::to_vec).collect::<Vec<_>>() {
        vectors if vectors.is_empty() => None,
        vectors => Some(Arc::new(NearNull::new(2, vectors)?)),
    };
    // A product and eigenpairs have methods of their own.
    let eigen = ["spmv", "smallest", "largest"].contains(&task.as_str());
    let options = Options {
        near_null,
        method: if eigen { Method::Auto } else { method.parse()? },
        preconditioner: if eigen { Precond::Auto } else { preconditioner.parse()? },
        threads: threads.parse()?,
        rtol: rtol.parse()?,
        max_iterations: iterations.parse()?,
        backend: rest.first().map_or(Ok(Backend::Cpu), |name| name.parse())?,
        precision: rest.get(1).map_or(Ok(Default::default()), |name| name.parse())?,
        ..Options::default()
    };
    let outcome = match task.as_str() {
        "spmv" if options.backend != Backend::Cpu => {
            return Err("a product alone is timed on the CPU; on a GPU `krylane bench` does it".into());
        }
        "spmv" => product(a, &b, options.threads)?,
        "smallest" | "largest" => eigenpairs(a, task, preconditioner, options)?,
        _ => solve(a, &b, options)?,
    };
    write(answer.as_ref(), outcome.answer, f64::to_le_bytes)?;
    let Outcome { setup_s, solve_s, iterations, note, .. } = outcome;
    let version = env!("CARGO_PKG_VERSION");
    println!(
        "{{\"version\": \"{version}\", \"setup_s\": {setup_s:.9}, \"solve_s\": {solve_s:.9}, \
         \"iterations\": {iterations}, \"note\": {note:?}}}"
    );
    Ok(())
}
