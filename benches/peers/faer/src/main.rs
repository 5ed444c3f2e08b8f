//! faer: its matrix-free CG and BiCGSTAB on its own row-major sparse matrix; the product runs on one thread. Stops at
//! ‖r‖ ≤ rtol ‖b‖ of the residual that it updates. Called as common.hpp says.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::matrix_free::bicgstab::{BicgParams, bicgstab, bicgstab_scratch};
use faer::matrix_free::conjugate_gradient::{CgParams, conjugate_gradient, conjugate_gradient_scratch};
use faer::matrix_free::{IdentityPrecond, LinOp, Precond};
use faer::sparse::{SparseRowMat, SymbolicSparseRowMat};
use faer::{Col, Mat, Par};
use std::error::Error;
use std::fs;
use std::time::Instant;

const VERSION: &str = "0.24.4";

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Matrix = SparseRowMat<u32, f64>;

/// One raw array of the system.
fn bytes<const N: usize, T>(folder: &str, name: &str, of: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let raw = fs::read(format!("{folder}/{name}.bin"))?;
    Ok(raw.chunks_exact(N).map(|c| of(c.try_into().expect("N bytes"))).collect())
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// Median of at least 20 products over at least 0.3 s, after three that don't count.
fn median_time(mut product: impl FnMut()) -> f64 {
    (0..3).for_each(|_| product());
    let start = Instant::now();
    let mut times = vec![];
    while times.len() < 20 || (start.elapsed().as_secs_f64() < 0.3 && times.len() < 500) {
        times.push(timed(&mut product).0);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// x, and the number of iterations; running out of them is no error.
fn solve<M: Precond<f64>>(
    task: &str,
    a: &Matrix,
    m: &M,
    b: &Mat<f64>,
    rtol: f64,
    limit: usize,
    par: Par,
) -> (Mat<f64>, usize) {
    let mut x = Mat::zeros(b.nrows(), 1);
    let mut count = 0;
    let identity = IdentityPrecond { dim: b.nrows() };
    // InitialGuessStatus::Zero gives NaN in this version; the default takes one product more.
    if task == "cg" {
        let mut memory = MemBuffer::new(conjugate_gradient_scratch(m, a.as_ref(), 1, par));
        let mut params = CgParams::default();
        (params.rel_tolerance, params.max_iters) = (rtol, limit);
        let stack = MemStack::new(&mut memory);
        let _ = conjugate_gradient(x.as_mut(), m, a.as_ref(), b.as_ref(), params, |_| count += 1, par, stack);
    } else {
        let mut memory = MemBuffer::new(bicgstab_scratch(m, identity, a.as_ref(), 1, par));
        let mut params = BicgParams::default();
        (params.rel_tolerance, params.max_iters) = (rtol, limit);
        let stack = MemStack::new(&mut memory);
        let _ = bicgstab(x.as_mut(), m, identity, a.as_ref(), b.as_ref(), params, |_| count += 1, par, stack);
    }
    (x, count)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [system, task, preconditioner, threads, rtol, limit, answer] = &arguments[..] else {
        return Err("DRIVER SYSTEM TASK PRECONDITIONER THREADS RTOL ITERATIONS ANSWER".into());
    };
    let (threads, rtol, limit): (usize, f64, usize) = (threads.parse()?, rtol.parse()?, limit.parse()?);
    let par = if threads > 1 { Par::rayon(threads) } else { Par::Seq };
    let rows = bytes(system, "rows", u32::from_le_bytes)?;
    let columns = bytes(system, "columns", u32::from_le_bytes)?;
    let values = bytes(system, "values", f64::from_le_bytes)?;
    let rhs = bytes(system, "rhs", f64::from_le_bytes)?;
    let n = rhs.len();
    let (mut setup, a) = timed(|| Matrix::new(SymbolicSparseRowMat::new_checked(n, n, rows, None, columns), values));
    let b = Mat::from_fn(n, 1, |i, _| rhs[i]);
    let (x, seconds, iterations) = match (task.as_str(), preconditioner.as_str()) {
        ("spmv", _) => {
            let mut y = Mat::zeros(n, 1);
            let mut memory = MemBuffer::new(a.as_ref().apply_scratch(1, par));
            let seconds = median_time(|| a.as_ref().apply(y.as_mut(), b.as_ref(), par, MemStack::new(&mut memory)));
            (y, seconds, 1)
        }
        ("cg" | "bicgstab", "none" | "jacobi") => {
            let (more, diagonal) =
                timed(|| Col::from_fn(n, |i| 1.0 / a.as_ref().get(i, i).copied().unwrap_or(1.0)).into_diagonal());
            let identity = IdentityPrecond { dim: n };
            let run = |limit| match preconditioner.as_str() {
                "none" => solve(task, &a, &identity, &b, rtol, limit, par),
                _ => solve(task, &a, &diagonal, &b, rtol, limit, par),
            };
            if preconditioner == "jacobi" {
                setup += more;
            }
            run(3);
            let (seconds, (x, iterations)) = timed(|| run(limit));
            (x, seconds, iterations)
        }
        _ => return Err(format!("can't do {task}/{preconditioner}").into()),
    };
    fs::write(answer, x.col_as_slice(0).iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    println!(
        "{{\"version\": \"{VERSION}\", \"setup_s\": {setup}, \"solve_s\": {seconds}, \"iterations\": {iterations}}}"
    );
    Ok(())
}
