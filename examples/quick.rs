use krylane::{Backend, Options, Precision, Solver, matrix::gallery};
fn main() {
    let k: usize = std::env::args().nth(1).map_or(32, |s| s.parse().unwrap());
    let a = gallery::poisson2d(k);
    let b: Vec<f64> = (0..a.rows()).map(|i| ((i as f64) * 0.37).sin()).collect();
    for m in ["bicgstab", "gmres"] {
        for pc in ["none", "jacobi"] {
            for (be, prec, fuse) in [
                (Backend::Cpu, Precision::F64, true),
                (Backend::Gpu, Precision::F64, true),
                (Backend::Gpu, Precision::F64, false),
                (Backend::Lockstep, Precision::F64, false),
                (Backend::Gpu, Precision::F32, true),
                (Backend::Lockstep, Precision::F32, true),
            ] {
                let max = if be == Backend::Lockstep { 10 } else { 20000 };
                let mut s = Solver::new(
                    &a,
                    Options {
                        method: m.into(),
                        preconditioner: pc.into(),
                        backend: be.clone(),
                        precision: prec,
                        fuse,
                        max_iterations: max,
                        ..Default::default()
                    },
                )
                .unwrap();
                let t = std::time::Instant::now();
                let r = s.solve(&b).unwrap();
                println!(
                    "{m:18} {pc:7} {be:?} {prec:?} fuse {fuse} {} it {} mv {} rel {:.2e} {:?} bytes/it/n {:.1} checks {:?} {:?}",
                    r.reason,
                    r.iterations,
                    r.matvecs,
                    r.certificate.relative,
                    t.elapsed(),
                    r.bytes_moved as f64 / r.iterations as f64 / a.rows() as f64,
                    r.checks.len(),
                    r.counters
                );
            }
        }
    }
}
