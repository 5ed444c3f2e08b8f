//! Solves every matrix of a folder and prints how each ended: `cargo run --release --example folder -- DIR`.
//!
//! A right-hand side is taken from NAME_b.mtx(.gz) beside NAME.mtx(.gz), else it is A·sin(1..n). Further
//! arguments, in order: the largest n (100000), the precision (auto), rtol (1e-8), the method (auto), the
//! preconditioner (auto).

use krylane::{Backend, Options, Solver, io};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |k: usize, default: &str| std::env::args().nth(k).unwrap_or_else(|| default.into());
    let folder = PathBuf::from(argument(1, "."));
    let largest: usize = argument(2, "100000").parse()?;
    let options = Options {
        precision: argument(3, "auto").parse()?,
        rtol: argument(4, "1e-8").parse()?,
        method: argument(5, "auto"),
        preconditioner: argument(6, "auto"),
        backend: Backend::Cpu,
        time_limit: Some(Duration::from_secs(60)),
        ..Options::default()
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|p| stem(p).is_some_and(|s| !s.ends_with("_b")));
    files.sort();
    for file in files {
        let name = stem(&file).unwrap_or_default();
        let a = io::read_matrix(&file, &io::ReadOptions::default())?.matrix;
        if !a.is_square() || a.rows() > largest {
            continue;
        }
        let b = match ["mtx", "mtx.gz"].map(|e| folder.join(format!("{name}_b.{e}"))).into_iter().find(|p| p.exists()) {
            Some(path) => io::read_vector(&path, &io::ReadOptions::default())?,
            None => a.multiply(&(1..=a.rows()).map(|i| (i as f64).sin()).collect::<Vec<_>>()),
        };
        let start = Instant::now();
        let report = Solver::new(&a, options.clone())?.solve(&b)?;
        let rungs: Vec<String> = report
            .rungs
            .iter()
            .map(|r| format!("{}+{} {} {}", r.method, r.preconditioner, r.iterations, r.reason))
            .collect();
        println!(
            "{name:24} n {:7} {:30} it {:6} rel {:.1e} be {:.1e} {:8.3} s | {}",
            a.rows(),
            report.reason.to_string(),
            report.iterations,
            report.certificate.relative,
            report.certificate.backward_error,
            start.elapsed().as_secs_f64(),
            rungs.join("; ")
        );
    }
    Ok(())
}

/// The name before .mtx or .mtx.gz.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".mtx").or_else(|| name.strip_suffix(".mtx.gz")).map(Into::into)
}
