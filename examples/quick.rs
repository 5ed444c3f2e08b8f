use krylane::{matrix::gallery, Options, Solver, Backend};
fn main() {
    let a = gallery::poisson2d(64);
    let b: Vec<f64> = (0..a.rows()).map(|i| ((i as f64)*0.37).sin()).collect();
    for m in ["steepest_descent","cg","minres","bicgstab","gmres"] {
        for pc in ["none","jacobi"] { for prec in [krylane::Precision::F64, krylane::Precision::F32] {
        let mut s = Solver::new(&a, Options{method:m.into(), preconditioner: pc.into(), backend: Backend::Cpu, precision: prec, max_iterations: 20000, ..Default::default()}).unwrap();
        let t=std::time::Instant::now();
        let r = s.solve(&b).unwrap();
        println!("{m:18} {pc:7} {prec:?} {} it {} mv {} restarts {} rel {:.2e} be {:.1e} {:?} bytes/it/n {:.1} checks {:?}", r.reason, r.iterations, r.matvecs, r.restarts, r.certificate.relative, r.certificate.backward_error, t.elapsed(), r.bytes_moved as f64/r.iterations as f64/a.rows() as f64, r.checks.len());
        }}
    }
}
