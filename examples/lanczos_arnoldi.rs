//! Step 2: orthonormal bases of Krylov spaces. Lanczos for symmetric A (a three-term recurrence, T = Vᵀ A V tridiagonal),
//! Arnoldi with Gram–Schmidt for any A (H = Vᵀ A V Hessenberg); their eigenvalues, the Ritz values, find the outer
//! eigenvalues of A first.
//!
//! cargo run --release --example lanczos_arnoldi

use krylane::matrix::gallery;
use krylane::{EigenOptions, EigenReport, Which, eigs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("Lanczos with thick restart: both ends of the spectrum of a 40 x 40 grid Laplacian");
    let a = gallery::poisson2d(40);
    for which in [Which::LA, Which::SA] {
        let report = eigs(&a, EigenOptions { k: 4, which, method: "lanczos".into(), ..EigenOptions::default() })?;
        show(which, &report.into_result()?);
    }
    println!("\nArnoldi as Krylov-Schur: the rightmost eigenvalues of the Grcar matrix of order 200 are complex pairs");
    let a = gallery::grcar(200, 3);
    let report =
        eigs(&a, EigenOptions { k: 4, which: Which::LR, method: "arnoldi".into(), ..EigenOptions::default() })?;
    show(Which::LR, &report.into_result()?);

    println!("\nWhere eigenvalues lie inside, a shift turns them outwards: the four nearest to 1, by inner solves");
    let a = gallery::poisson2d(40);
    let report = eigs(&a, EigenOptions { k: 4, sigma: Some(1.0), ..EigenOptions::default() })?;
    show(Which::LM, &report.into_result()?);
    Ok(())
}

fn show(which: Which, report: &EigenReport) {
    // Under a shift a step is a solve with A − σI in place of a product with A.
    let steps = match report.inner_solves {
        0 => format!("{} products", report.matvecs),
        solves => format!("{solves} inner solves of {} iterations together", report.inner_iterations),
    };
    println!("  {which}: {steps}, {} restarts, {}", report.restarts, report.method);
    for (value, residual) in report.texts().iter().zip(&report.residuals) {
        println!("    {value:<44} |A v - l v| = {residual:.1e}");
    }
}
