//! Step 1: the Krylov space span(v, A v, A² v, …) and the simplest use of it, its last vector alone.
//!
//! Power iteration turns any start vector towards the eigenvector of the largest |λ|, by the factor |λ₂/λ₁| a
//! product. On a grid Laplacian that factor is close to 1, so it crawls; Lanczos, which uses the whole space and not
//! only its last vector, needs a small part of the products for the same pair.
//!
//! cargo run --release --example power_iteration

use krylane::matrix::gallery;
use krylane::{EigenOptions, Which, eigs};
use std::f64::consts::PI;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("largest eigenvalue of the k x k grid Laplacian, to 1e-8\n");
    println!("{:>4} {:>14} {:>14} {:>12} {:>12} {:>12}", "k", "exact", "found", "|l2/l1|", "power", "lanczos");
    for k in [8, 16, 32] {
        let a = gallery::poisson2d(k);
        // λ_ij = 4 sin²(iπ/2(k+1)) + 4 sin²(jπ/2(k+1)).
        let part = |i: usize| 4.0 * (i as f64 * PI / (2 * (k + 1)) as f64).sin().powi(2);
        let (first, second) = (2.0 * part(k), part(k) + part(k - 1));
        let run = |method: &str| {
            let options =
                EigenOptions { k: 1, which: Which::LM, method: method.into(), tol: 1e-8, ..EigenOptions::default() };
            eigs(&a, options)
        };
        let (power, lanczos) = (run("power")?.into_result()?, run("lanczos")?.into_result()?);
        println!(
            "{k:>4} {first:>14.10} {:>14.10} {:>12.4} {:>12} {:>12}",
            power.eigenvalues[0].re,
            second / first,
            format!("{} Av", power.matvecs),
            format!("{} Av", lanczos.matvecs)
        );
    }
    println!(
        "\nThe error of power iteration falls by |l2/l1| a product: by 1e-8 within ln(1e-8) / ln|l2/l1| of them, fewer where"
    );
    println!("the start vector is near. Lanczos takes the best vector of the whole space, by a Chebyshev polynomial's");
    println!("sqrt(1 - |l2/l1|) in place of 1 - |l2/l1|: the wider the gap of the two columns, the finer the grid.");
    Ok(())
}
