//! Step 3: from projections to conjugate gradients. Each method minimises over a subspace: steepest descent over the
//! line along the residual, a projection over a given span, CG over the whole Krylov space by a recurrence of three
//! terms. The number of iterations goes with κ for the first and with √κ for the last.
//!
//! cargo run --release --example descent

use krylane::matrix::gallery;
use krylane::{Method, Precond, Report, Solver};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a = gallery::poisson2d(30);
    let n = a.rows();
    let b = krylane::random::Random::new(1).vector(n);
    let solve = |method: Method| -> krylane::Result<Report> {
        Solver::builder(&a).method(method).preconditioner(Precond::None).max_iterations(20_000).build()?.solve(&b)
    };
    let (descent, cg) = (solve(Method::SteepestDescent)?, solve(Method::Cg)?);
    println!("|r|/|b| on the 30 x 30 grid Laplacian\n\n{:>10} {:>18} {:>18}", "iteration", "steepest descent", "cg");
    let at = |report: &Report, k: usize| report.history.get(k - 1).map_or("-".into(), |r| format!("{r:.2e}"));
    for k in [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] {
        println!("{k:>10} {:>18} {:>18}", at(&descent, k), at(&cg, k));
    }
    println!("{:>10} {:>18} {:>18}", "total", descent.iterations, cg.iterations);

    println!(
        "\nProjection onto the span of the first m vectors of the Krylov space (here orthogonalised by the solver):"
    );
    let mut space = vec![b.clone()];
    for m in 1..=12 {
        if m % 3 == 0 {
            let report = solve(Method::Projection { subspace: space.clone() })?;
            println!("  m = {m:>2}: |r|/|b| = {:.3e}   {}", report.certificate.relative, report.reason);
        }
        space.push(a.multiply(space.last().expect("not empty")));
    }
    Ok(())
}
