//! Heat through a layered cube without a stored matrix: `cargo run --release --example matrix_free -- [SIDE]`.
//!
//! First an operator in one line, then the shipped stencil with a coefficient that jumps by three decades from layer to
//! layer, beside the same matrix with its entries stored.

use krylane::matrix::{Matrix, RowFunction, Stencil};
use krylane::{Method, Options, Precond, Solver};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // −u″ = 1 on 50 points, by a closure.
    let n = 50;
    let at = |x: &[f64], i: usize| x.get(i).copied().unwrap_or(0.0);
    let line = RowFunction::new(n, n, move |i, x| 2.0 * x[i] - at(x, i.wrapping_sub(1)) - at(x, i + 1)).definite();
    let report = krylane::solve(&Matrix::free(line), &vec![1.0; n])?.into_result()?;
    println!("-u'' = 1: the middle is {:.3}, {} iterations\n", report.x[n / 2], report.iterations);

    let side: usize = std::env::args().nth(1).map_or(Ok(40), |s| s.parse())?;
    let layers: Vec<f64> = (0..side.pow(3)).map(|i| if i / (side * side) % 4 < 2 { 1.0 } else { 1e-3 }).collect();
    let stencil = Stencil::new3d(side, layers)?;
    let stored = stencil.to_csr()?;
    let b = vec![1.0 / (side * side) as f64; side.pow(3)];
    let options = Options { method: Method::Cg, preconditioner: Precond::Jacobi, ..Options::default() };
    let kept = (12 * stored.nnz() + 8 * (b.len() + 1)) as f64 / 1e6;
    let coefficients = 8.0 * b.len() as f64 / 1e6;
    println!("matrix kept in memory: {kept:.1} MB with its entries stored, {coefficients:.1} MB without them");
    println!(
        "(the coefficients alone). A stencil's row is computed anew in each product: on a CPU, whose caches hold a small"
    );
    println!(
        "matrix, that costs more time than reading it. It pays where the matrix would not fit, or where bytes are dear.\n"
    );
    println!("{:<14} {:>10} {:>12} {:>14} {:>9}", "matrix", "iterations", "|b-Ax|/|b|", "bytes a row", "seconds");
    for (name, mut solver) in [
        ("stored", Solver::new(&stored, options.clone())?),
        ("matrix-free", Solver::new(&Matrix::free(stencil), options)?),
    ] {
        let report = solver.solve(&b)?.into_result()?;
        println!(
            "{name:<14} {:>10} {:>12.2e} {:>14.1} {:>9.3}",
            report.iterations,
            report.certificate.relative,
            report.bytes_moved as f64 / (report.iterations * b.len()) as f64,
            report.timings.solve_s
        );
    }
    Ok(())
}
