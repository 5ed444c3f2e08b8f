//! Measurements against the machine's own bandwidth, for `krylane bench`.
//!
//! Every row gives the bytes that the model says an operation moves, the time it took, and the bandwidth as a
//! fraction of what a triad a = b + s·c of long vectors reaches on the same device in the same run.

use crate::backend::Engine;
use crate::error::Result;
use crate::host::clock::Instant;
use crate::matrix::Csr;
use crate::op::schedule::Compiler;
use crate::op::{Combination, Dtype, Operator, Precisions, Program, Role, Space, Vector};
use crate::options::{Backend, Options, Precision};
use crate::precond::registry::Precond;
use crate::solve::{Solver, open_engine};
use rayon::prelude::*;
use serde::Serialize;
use std::sync::Arc;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The device's name.
    pub device: String,
    /// "f32" or "f64".
    pub precision: String,
    /// The matrix, or "vectors".
    pub problem: String,
    /// What was timed: "triad", "copy" of a vector on a GPU, "spmv", "dot", "axpy", "cg", "gmres(30)".
    pub operation: String,
    /// Rows.
    pub n: usize,
    /// Entries.
    pub nnz: usize,
    /// Median time of one operation or iteration.
    pub milliseconds: f64,
    /// Bytes of one, by the model.
    pub bytes: u64,
    /// 10⁹ bytes a second.
    pub gb_per_s: f64,
    /// Of the triad's bandwidth on the same device in this run.
    pub fraction: f64,
    /// The form in which the matrix is stored, for a product.
    pub form: String,
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub backend: Backend,
    /// In which number type.
    pub precision: Precision,
    /// What to time beside the triad; everything if empty.
    pub operations: Vec<String>,
    /// Timings of which the median is taken.
    pub repeat: usize,
    /// Entries of the triad's vectors.
    pub triad: usize,
    /// CPU threads; 0 is all.
    pub threads: usize,
}

/// 10⁹ bytes a second that this machine's memory gives to all threads at once: a triad of vectors that no cache holds, in a
/// few hundredths of a second.
#[must_use]
pub fn bandwidth() -> f64 {
    const N: usize = 1 << 23;
    24.0 * N as f64 / host_triad(N, 3) / 1e9
}

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

/// Measures triad, products, sweeps and whole iterations on each problem; `hear` gets each row at once.
///
/// # Errors
/// No such adapter, no f64 there, not enough memory.
pub fn run(settings: &Settings, problems: &[(String, Arc<Csr>)], hear: &mut dyn FnMut(&Row)) -> Result<Vec<Row>> {
    let options = Options {
        backend: settings.backend.clone(),
        precision: settings.precision,
        threads: settings.threads,
        preconditioner: Precond::None,
        rtol: 0.0,
        ..Options::default()
    };
    let probe = Solver::new(&Csr::identity(1)?, options.clone())?;
    let device = probe.adapter().name.clone();
    let dtype = probe.precision().working;
    let mut rows: Vec<Row> = vec![];
    let mut roof = 0.0;
    let wanted = |operation: &str| settings.operations.is_empty() || settings.operations.iter().any(|o| o == operation);
    let mut add = |problem: &str, operation: &str, n, nnz, Timed { seconds, bytes, form }: Timed, roof: &mut f64| {
        let gb_per_s = bytes as f64 / seconds / 1e9;
        if operation == "triad" {
            *roof = gb_per_s;
        }
        let row = Row {
            device: device.clone(),
            precision: if dtype == Dtype::F64 { "f64" } else { "f32" }.into(),
            problem: problem.into(),
            operation: operation.into(),
            n,
            nnz,
            milliseconds: seconds * 1e3,
            bytes,
            gb_per_s,
            fraction: gb_per_s / *roof,
            form,
        };
        hear(&row);
        rows.push(row);
    };

    let n = settings.triad;
    let vectors = |write: &dyn Fn(&mut Program, [Vector; 3])| {
        let mut space = Space::new(Precisions::uniform(dtype));
        let vectors = ["a", "b", "c"].map(|name| space.vector(name, n));
        segment(&options, space, settings.repeat, |p| write(p, vectors))
    };
    let triad = match probe.is_on_host() {
        // In f64 whatever is computed in: bandwidth does not care.
        true => Timed::new(host_triad(n, settings.repeat), 24 * n as u64),
        false => vectors(&|p, [a, b, c]| p.assign(a, Combination::default().plus(1.0, b).plus(0.5, c)))?,
    };
    add("vectors", "triad", n, 0, triad, &mut roof);
    if wanted("copy") && !probe.is_on_host() {
        add("vectors", "copy", n, 0, vectors(&|p, [a, b, _]| p.copy(b, a))?, &mut roof);
    }

    for (name, a) in problems {
        let n = a.rows();
        if wanted("spmv") {
            let mut space = Space::new(Precisions::uniform(dtype));
            let operator = space.operator("A", Arc::clone(a), 0, Role::Working);
            let [x, y] = ["x", "y"].map(|name| space.vector(name, n));
            let timed = segment(&options, space, settings.repeat, |p| p.apply(operator, x, y))?;
            add(name, "spmv", n, a.nnz(), timed, &mut roof);
        }
        let mut space = Space::new(Precisions::uniform(dtype));
        let [x, y] = ["x", "y"].map(|name| space.vector(name, n));
        let s = space.scalar("s");
        if wanted("dot") {
            let timed = segment(&options, space.clone(), settings.repeat, |p| p.dot(x, y, s))?;
            add(name, "dot", n, 0, timed, &mut roof);
        }
        if wanted("axpy") {
            add(name, "axpy", n, 0, segment(&options, space, settings.repeat, |p| p.axpy(0.5, x, y))?, &mut roof);
        }

        let iterations = [("cg", "cg", 20, 60), ("gmres", "gmres(30)", 30, 90)];
        for (method, label, short, long) in iterations.into_iter().filter(|m| wanted(m.1)) {
            if method != "cg" || a.first_asymmetry(1e-12).is_none() {
                let timed = iteration(&options, a, method, short, long, settings.repeat)?;
                add(name, label, n, a.nnz(), timed, &mut roof);
            }
        }
    }
    Ok(rows)
}

/// Median seconds of a = b + s c over three f64 vectors on the host, every thread at work.
fn host_triad(n: usize, repeat: usize) -> f64 {
    let (mut a, b, c) = (vec![0.0f64; n], vec![1.0f64; n], vec![2.0f64; n]);
    let mut once = |s: f64| {
        let start = Instant::now();
        const PART: usize = 1 << 15;
        a.par_chunks_mut(PART).zip(b.par_chunks(PART)).zip(c.par_chunks(PART)).for_each(|((a, b), c)| {
            a.iter_mut().zip(b).zip(c).for_each(|((a, b), c)| *a = b + s * c);
        });
        start.elapsed().as_secs_f64()
    };
    once(0.5);
    median((0..repeat.max(3)).map(|k| once(k as f64)).collect())
}

/// What one operation takes.
struct Timed {
    seconds: f64,
    bytes: u64,
    form: String,
}

impl Timed {
    fn new(seconds: f64, bytes: u64) -> Self {
        Self { seconds, bytes, form: String::new() }
    }
}

/// Median seconds and modelled bytes of one segment, run in batches.
fn segment(options: &Options, space: Space, repeat: usize, write: impl FnOnce(&mut Program)) -> Result<Timed> {
    const BATCH: usize = 10;
    let mut engine = open_engine(options, space.clone())?;
    let mut p = Program::new(&space);
    write(&mut p);
    let compiled = Compiler::new(engine.fusion()).compile(p.ops, &space);
    let batch = |engine: &mut dyn Engine| -> Result<f64> {
        for _ in 0..BATCH {
            engine.enqueue(&compiled)?;
        }
        engine.flush()?;
        Ok(pollster::block_on(engine.collect())?.elapsed.as_secs_f64() / BATCH as f64)
    };
    batch(&mut *engine)?;
    let times = (0..repeat).map(|_| batch(&mut *engine)).collect::<Result<Vec<_>>>()?;
    let form = (!space.operators.is_empty()).then(|| engine.describe(Operator(0))).flatten();
    Ok(Timed { form: form.unwrap_or_default(), ..Timed::new(median(times), compiled.bytes) })
}

/// Median seconds and modelled bytes of one iteration: the difference of a long and a short run.
fn iteration(options: &Options, a: &Arc<Csr>, method: &str, short: usize, long: usize, repeat: usize) -> Result<Timed> {
    let b = crate::host::random::Random::new(1).vector(a.rows());
    let mut solvers = vec![];
    for max_iterations in [short, long] {
        let mut solver = Solver::new(a, Options { method: method.parse()?, max_iterations, ..options.clone() })?;
        solver.solve(&b)?.x.clear();
        solvers.push(solver);
    }
    let mut times = vec![];
    let mut bytes = 0;
    for _ in 0..repeat {
        let reports = solvers.iter_mut().map(|s| s.solve(&b)).collect::<Result<Vec<_>>>()?;
        let steps = (reports[1].iterations - reports[0].iterations).max(1);
        times.push((reports[1].timings.solve_s - reports[0].timings.solve_s).max(1e-9) / steps as f64);
        bytes = (reports[1].bytes_moved - reports[0].bytes_moved) / steps as u64;
    }
    Ok(Timed::new(median(times), bytes))
}
