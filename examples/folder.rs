//! Solves every matrix of a folder and prints how each ended: `cargo run --release --example folder -- DIR`.
//!
//! A right-hand side is taken from NAME_b.mtx(.gz) beside NAME.mtx(.gz), else it is A·sin(1..n). Further
//! arguments, in order: the largest n (100000), the precision (auto), rtol (1e-8), the methods (auto), the
//! preconditioners (auto), and the seconds a solve may take (60). Several methods or preconditioners, apart by `+`, make a
//! table of each with each: `cg+minres jacobi+ic0+amg`.

use krylane::{Backend, Options, Report, Solver, io};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |k: usize, default: &str| std::env::args().nth(k).unwrap_or_else(|| default.into());
    let folder = PathBuf::from(argument(1, "."));
    let largest: usize = argument(2, "100000").parse()?;
    let list = |k: usize| argument(k, "auto").split('+').map(str::to_string).collect::<Vec<_>>();
    let (methods, preconditioners) = (list(5), list(6));
    let options = Options {
        precision: argument(3, "auto").parse()?,
        rtol: argument(4, "1e-8").parse()?,
        backend: Backend::Cpu,
        time_limit: Some(Duration::from_secs_f64(argument(7, "60").parse()?)),
        ..Options::default()
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|p| stem(p).is_some_and(|s| !s.ends_with("_b")));
    files.sort();
    let (mut solved, mut nan) = (0, 0);
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
        for method in &methods {
            for preconditioner in &preconditioners {
                let options =
                    Options { method: method.clone(), preconditioner: preconditioner.clone(), ..options.clone() };
                let start = Instant::now();
                print!("{name:24} n {:7} {method:10} {preconditioner:12} ", a.rows());
                // A pair that makes no sense says so; the table goes on.
                match Solver::new(&a, options).and_then(|mut s| s.solve(&b)) {
                    Ok(report) => {
                        solved += usize::from(report.reason.is_converged());
                        nan += usize::from(!report.x.iter().all(|v| v.is_finite()));
                        println!("{}", line(&report, start.elapsed()));
                    }
                    Err(e) => println!("refused: {e}"),
                }
            }
        }
    }
    println!("{solved} converged, {nan} with a NaN or an infinity in x");
    Ok(())
}

fn line(report: &Report, time: Duration) -> String {
    let rungs: Vec<String> = report
        .rungs
        .iter()
        .map(|r| format!("{}+{} {} {}", r.method, r.preconditioner, r.iterations, r.reason))
        .collect();
    format!(
        "{:30} it {:6} rel {:.1e} be {:.1e} {:8.3} s | {}",
        report.reason.to_string(),
        report.iterations,
        report.certificate.relative,
        report.certificate.backward_error,
        time.as_secs_f64(),
        rungs.join("; ")
    )
}

/// The name before .mtx or .mtx.gz.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".mtx").or_else(|| name.strip_suffix(".mtx.gz")).map(Into::into)
}
