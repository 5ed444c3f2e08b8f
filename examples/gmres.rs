//! Step 4: GMRES. Arnoldi builds V with A V = V H; the residual is minimised over the space by a least-squares problem
//! with H, which Givens rotations solve column by column. Restarts bound the memory and may cost iterations.
//!
//! cargo run --release --example gmres

use krylane::matrix::gallery;
use krylane::{Method, Precond, Solver};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a = gallery::convection_diffusion2d(40, [0.6, 0.3]);
    let b = vec![1.0; a.rows()];
    println!("convection-diffusion, {} unknowns, not symmetric\n", a.rows());
    println!(
        "{:>12} {:>8} {:>12} {:>10} {:>12} {:>14}",
        "", "restart", "iterations", "products", "|r|/|b|", "vectors kept"
    );
    let runs = [("gmres", 5), ("gmres", 10), ("gmres", 30), ("gmres", 150), ("bicgstab", 0), ("idrs", 0)];
    for (method, restart) in runs {
        let method = method.parse::<Method>()?.with_restart(restart);
        let mut solver = Solver::builder(&a).method(method.clone()).preconditioner(Precond::None).build()?;

        let report = solver.solve(&b)?;
        let (vectors, _) = solver.footprint()?;
        println!(
            "{:>12} {:>8} {:>12} {:>10} {:>12.2e} {vectors:>14}   {}",
            method.id(),
            if restart > 0 { restart.to_string() } else { "-".into() },
            report.iterations,
            report.matvecs,
            report.certificate.relative,
            report.reason
        );
    }
    println!(
        "\nA restart throws the basis away, and with it what GMRES knew of the slow directions: each cycle learns them anew."
    );
    println!(
        "So a short cycle needs more iterations, or fewer by luck, for its polynomials happen to fit; only the full one"
    );
    println!(
        "is sure to be the best of all methods in iterations. A longer cycle costs memory, and dot products that grow with it."
    );
    println!("\nA lucky breakdown: b in an invariant space of dimension 3, so the third column ends it");
    let a = gallery::diagonal(&(1..=50).map(f64::from).collect::<Vec<_>>());
    let b: Vec<f64> = (0..50).map(|i| f64::from(u8::from(i % 20 == 0))).collect();
    let mut solver = Solver::builder(&a).method("gmres".parse()?).preconditioner(Precond::None).build()?;
    let report = solver.solve(&b)?;
    println!("  {} iterations, {}", report.iterations, report.reason);
    Ok(())
}
