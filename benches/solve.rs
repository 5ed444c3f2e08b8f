//! Criterion benches of whole solves on the CPU: `cargo bench --bench solve`. For bandwidth see `krylane bench`.

use criterion::{Criterion, criterion_group, criterion_main};
use krylane::{Backend, Options, Solver, matrix::gallery, random::Random};

fn solves(c: &mut Criterion) {
    let poisson = gallery::poisson2d(200);
    let flow = gallery::convection_diffusion2d(200, [0.3, 0.2]);
    for (name, a, method, preconditioner) in [
        ("cg, 2D Poisson 200²", &poisson, "cg", "none"),
        ("cg with amg, 2D Poisson 200²", &poisson, "cg", "amg"),
        ("gmres(30), convection-diffusion 200²", &flow, "gmres", "none"),
        ("bicgstab with ilu0, convection-diffusion 200²", &flow, "bicgstab", "ilu0"),
    ] {
        let options = Options {
            method: method.parse().unwrap(),
            preconditioner: preconditioner.parse().unwrap(),
            backend: Backend::Cpu,
            ..Options::default()
        };
        let mut solver = Solver::new(a, options).expect("a square matrix");
        let b = Random::new(1).vector(a.rows());
        c.bench_function(name, |bench| bench.iter(|| solver.solve(&b).expect("a finite right-hand side").iterations));
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = solves }
criterion_main!(benches);
