//! Iterations and times of preconditioners: `precond [-v] [-t THREADS] [-g] SYSTEM METHOD PRECONDITIONER...`, where
//! SYSTEM is p2:1000, p3:100, p27:80, an:1000 (anisotropic 1:1000), neu:256, cd3:80, graph:20000, spd:20000 or a file.
use krylane::matrix::{Csr, gallery};
use krylane::{Backend, Options, Precision, Solver, io};
use std::path::Path;
use std::sync::Arc;

struct Stderr;
impl log::Log for Stderr {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }
    fn log(&self, record: &log::Record) {
        if record.target().starts_with("krylane") {
            eprintln!("{}", record.args());
        }
    }
    fn flush(&self) {}
}

fn system(spec: &str) -> Csr {
    let (kind, size) = spec.split_once(':').unwrap_or((spec, ""));
    let k: usize = size.parse().unwrap_or(0);
    match kind {
        "p2" => gallery::poisson2d(k),
        "p3" => gallery::poisson3d(k),
        "p27" => gallery::poisson27(k),
        "an" => gallery::anisotropic2d(k, 1e-3),
        "neu" => gallery::neumann2d(k),
        "cd3" => gallery::convection_diffusion3d(k, [0.5, 0.3, 0.2]),
        "graph" => gallery::graph_laplacian(k, 8, 3, true),
        "spd" => gallery::random_spd(k, 9, 3),
        _ => io::read_matrix(Path::new(spec), &io::ReadOptions::default()).expect(spec).matrix,
    }
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| arguments.iter().position(|a| a == name).map(|k| arguments.remove(k)).is_some();
    let (verbose, gpu, single) = (flag("-v"), flag("-g"), flag("-f"));
    let mut threads = 0;
    if let Some(k) = arguments.iter().position(|a| a == "-t") {
        threads = arguments[k + 1].parse().expect("threads");
        arguments.drain(k..k + 2);
    }
    if verbose {
        log::set_logger(&Stderr).expect("one logger");
        log::set_max_level(log::LevelFilter::Debug);
    }
    let a = Arc::new(system(&arguments[0]));
    let mut random = krylane::random::Random::new(42);
    let sine: Vec<f64> = (1..=a.rows()).map(|i| (i as f64).sin()).collect();
    let smooth = arguments[0].starts_with("neu") || arguments[0].contains('/');
    let b = if smooth { a.multiply(&sine) } else { random.vector(a.rows()) };
    for preconditioner in &arguments[2..] {
        let options = Options {
            method: arguments[1].clone(),
            preconditioner: preconditioner.clone(),
            backend: if gpu { Backend::Gpu } else { Backend::Cpu },
            precision: if single { Precision::F32 } else { Precision::Auto },
            threads,
            time_limit: Some(std::time::Duration::from_secs(60)),
            ..Default::default()
        };
        let mut solver = Solver::new(&a, options).expect("options");
        let r = solver.solve(&b).expect("a solve");
        if verbose {
            r.plan.iter().for_each(|line| println!("    {line}"));
        }
        println!(
            "{} n {} {} {preconditioner}: {} {} it, relative {:.1e}, plan {:.3} s, setup {:.3} s, solve {:.3} s",
            arguments[0],
            a.rows(),
            arguments[1],
            r.reason,
            r.iterations,
            r.certificate.relative,
            r.timings.setup_s,
            r.timings.upload_s,
            r.timings.solve_s
        );
    }
}
