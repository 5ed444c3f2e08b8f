use krylane::{Backend, Options, Solver, io};
use std::path::Path;
fn main() {
    let dir = Path::new("../shared/matrices");
    let max: usize = std::env::args().nth(1).map_or(100000, |s| s.parse().unwrap());
    let only = std::env::args().nth(2);
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| {
            let s = p.to_string_lossy().to_string();
            s.contains(".mtx") && !s.contains("_b.mtx")
        })
        .collect();
    names.sort();
    for p in names {
        let name = p.file_name().unwrap().to_string_lossy().split('.').next().unwrap().to_string();
        if only.as_ref().is_some_and(|o| !name.contains(o.as_str())) {
            continue;
        }
        let a = match io::read_matrix(&p, &Default::default()) {
            Ok(a) => a.matrix,
            Err(e) => {
                println!("{name}: {e}");
                continue;
            }
        };
        if a.rows() > max || !a.is_square() {
            continue;
        }
        let mut b = None;
        for ext in ["mtx", "mtx.gz"] {
            let q = dir.join(format!("{name}_b.{ext}"));
            if q.exists() {
                b = Some(io::read_vector(&q, &Default::default()).unwrap());
            }
        }
        let b = b.unwrap_or_else(|| a.multiply(&(1..=a.rows()).map(|i| (i as f64).sin()).collect::<Vec<_>>()));
        let t = std::time::Instant::now();
        let mut s = match Solver::new(
            &a,
            Options {
                backend: Backend::Cpu,
                time_limit: Some(std::time::Duration::from_secs(60)),
                ..Default::default()
            },
        ) {
            Ok(s) => s,
            Err(e) => {
                println!("{name}: {e}");
                continue;
            }
        };
        let r = s.solve(&b).unwrap();
        println!(
            "{name:24} n {:7} {:30} it {:6} rel {:.1e} be {:.1e} {:?} | {}",
            a.rows(),
            r.reason.to_string(),
            r.iterations,
            r.certificate.relative,
            r.certificate.backward_error,
            t.elapsed(),
            r.rungs
                .iter()
                .map(|g| format!("{}+{} {} {}", g.method, g.preconditioner, g.iterations, g.reason))
                .collect::<Vec<_>>()
                .join("; ")
        );
    }
}
