//! A wave through a double slit: an implicit finite-difference time-domain (FDTD) scheme with a million unknowns,
//! from assembly to a picture.
//!
//! u_tt = c² Δu on a square, u = 0 on walls, by Newmark's scheme with β = 1/4, stable for every time step:
//! (I − s Δ) uⁿ⁺¹ = 2 (I + s Δ) uⁿ − (I − s Δ) uⁿ⁻¹ with s = (c τ)²/4. One symmetric positive definite matrix for all
//! steps, so one `Solver`: kernels and memory are made once, and each step starts from an extrapolation.
//!
//! cargo run --release --example wave -- [cells a side, 1000] [steps, 160] [file, wave.png]

mod picture;

use krylane::matrix::{Csr, Triplets};
use krylane::{Method, Solver};
use std::path::PathBuf;
use std::time::Instant;

/// Courant number c τ / h: explicit schemes stop at 1/√2.
const COURANT: f64 = 3.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    krylane::quiet_mesa();
    let mut args = std::env::args().skip(1);
    let k: usize = args.next().map_or(Ok(1000), |a| a.parse())?;
    let steps: usize = args.next().map_or(Ok(160), |a| a.parse())?;
    let path = PathBuf::from(args.next().unwrap_or_else(|| "wave.png".into()));

    // A screen across the middle with two slits.
    let wall = |i: usize| {
        let (x, y) = (i % k, i / k);
        let in_slit = [0.40, 0.60].iter().any(|&c| (y as f64 / k as f64 - c).abs() < 0.025);
        x.abs_diff(2 * k / 5) < (k / 100).max(1) && !in_slit
    };
    let start = Instant::now();
    let minus = assemble(k, wall, -COURANT * COURANT / 4.0)?; // I − s Δ
    let plus = assemble(k, wall, COURANT * COURANT / 4.0)?; //   I + s Δ
    println!("{} unknowns, {} entries, assembled in {:.2} s", minus.rows(), minus.nnz(), start.elapsed().as_secs_f64());

    let mut solver = Solver::builder(&minus).method(Method::Cg).rtol(1e-8).build()?;
    solver.plan().iter().for_each(|line| println!("plan: {line}"));

    // A plane pulse that travels to the right.
    let pulse = |x: f64| {
        let s = (x - 0.2) * 40.0;
        (-s * s).exp() * (6.0 * s).cos()
    };
    let field = |shift: f64| -> Vec<f64> {
        (0..k * k).map(|i| if wall(i) { 0.0 } else { pulse(((i % k) as f64 - shift) / k as f64) }).collect()
    };
    let (mut old, mut now) = (field(-COURANT), field(0.0));
    let start = Instant::now();
    let mut iterations = 0;
    for _ in 0..steps {
        let (a, b) = (plus.multiply(&now), minus.multiply(&old));
        let rhs: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 2.0 * a - b).collect();
        let guess: Vec<f64> = now.iter().zip(&old).map(|(u, v)| 2.0 * u - v).collect();
        let report = solver.solve_from(&rhs, &guess)?.into_result()?;
        iterations += report.iterations;
        old = std::mem::replace(&mut now, report.x);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{steps} steps in {seconds:.1} s: {:.0} ms and {:.1} iterations a step, each step certified to 1e-8",
        1e3 * seconds / steps as f64,
        iterations as f64 / steps as f64
    );
    let largest = now.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    picture::write(&path, k, &now, 0.6 * largest, wall)?;
    println!("the field: {}", path.display());
    Ok(())
}

/// I + s Δ with the 5-point Laplacian (times h²), walls and the border held at zero.
fn assemble(k: usize, wall: impl Fn(usize) -> bool, s: f64) -> krylane::Result<Csr> {
    let mut entries = Triplets::new(k * k, k * k)?;
    for i in 0..k * k {
        if wall(i) {
            entries.push(i, i, 1.0)?;
            continue;
        }
        let (x, y) = (i % k, i / k);
        entries.push(i, i, 1.0 - 4.0 * s)?;
        let neighbours =
            [(x > 0, i.wrapping_sub(1)), (x + 1 < k, i + 1), (y > 0, i.wrapping_sub(k)), (y + 1 < k, i + k)];
        for (_, j) in neighbours.into_iter().filter(|&(inside, j)| inside && !wall(j)) {
            entries.push(i, j, s)?;
        }
    }
    entries.to_csr()
}
