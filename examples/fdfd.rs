//! A source in a box of air: the frequency-domain wave equation (FDFD), a complex system in its real form, from
//! assembly to a picture of the field.
//!
//! −Δu − (1 + iσ) w² u = f with an absorbing layer around; complex symmetric and indefinite, so conjugate gradients do
//! not apply, and neither does multigrid: nearly complete factors and a few steps of GMRES do the work. `auto` ends there,
//! too, after it has tried what costs less.
//!
//! cargo run --release --example fdfd -- [cells a side, 160] [cells a wavelength, 18] [file, fdfd.png]

mod picture;

use krylane::matrix::{complex, gallery};
use krylane::{Options, Solver};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    krylane::quiet_mesa();
    let mut args = std::env::args().skip(1);
    let k: usize = args.next().map_or(Ok(160), |a| a.parse())?;
    let wavelength: f64 = args.next().map_or(Ok(18.0), |a| a.parse())?;
    let path = PathBuf::from(args.next().unwrap_or_else(|| "fdfd.png".into()));

    let layer = (1.5 * wavelength) as usize;
    let a = gallery::helmholtz2d(k, 2.0 * std::f64::consts::PI / wavelength, layer, 2.0);
    // Two point sources in phase.
    let mut f = vec![0.0; k * k];
    for x in [0.42, 0.58] {
        f[(k / 2) * k + (x * k as f64) as usize] = 1.0;
    }
    let b = complex::join(&f, &vec![0.0; k * k]);
    let options = Options { method: "gmres".parse()?, preconditioner: "lu".parse()?, rtol: 1e-6, ..Options::default() };
    let mut solver = Solver::new(&a, options)?;
    let report = solver.solve(&b)?;
    report.plan.iter().for_each(|line| println!("plan: {line}"));
    println!(
        "{} complex unknowns: {} iterations of {} with {}, {:.2} s, |r|/|b| = {:.1e}, {}",
        k * k,
        report.iterations,
        report.method,
        report.preconditioner,
        report.timings.solve_s,
        report.certificate.relative,
        report.reason
    );
    let report = report.into_result()?;
    let (u, _) = complex::split(&report.x);
    let typical = (u.iter().map(|v| v * v).sum::<f64>() / u.len() as f64).sqrt();
    picture::write(&path, k, &u, 3.0 * typical, |_| false)?;
    println!("the real part of the field: {}", path.display());
    Ok(())
}
