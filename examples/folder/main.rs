//! Solves every matrix of a folder and prints how each ended: `cargo run --release --example folder -- DIR`.
//!
//! A right-hand side is taken from NAME_b.mtx(.gz) beside NAME.mtx(.gz), else it is A·sin(1..n). Further
//! arguments, in order: the largest n (100000), the precision (auto), rtol (1e-8), the methods (auto), the
//! preconditioners (auto), the seconds a solve may take (60) and its iterations (10000), and a Markdown file to write.
//! Several methods or preconditioners, apart by `+`, or `all`, make a table of each with each, solved side by side:
//! `cg+minres jacobi+ic0+amg`.

mod system;

use krylane::compare::compare;
use krylane::method::METHODS;
use krylane::precond::PRECONDITIONERS;
use krylane::{Backend, Halt, Options, Report, Result, io};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    krylane::quiet_mesa();
    let argument = |k: usize, default: &str| std::env::args().nth(k).unwrap_or_else(|| default.into());
    let folder = PathBuf::from(argument(1, "."));
    let largest: usize = argument(2, "100000").parse()?;
    // Some need more than a name: a subspace, a matrix.
    let methods = list(&argument(5, "auto"), METHODS.iter().map(|m| m.id).filter(|id| *id != "projection"));
    let preconditioners = list(&argument(6, "auto"), PRECONDITIONERS.iter().filter(|p| !p.program_only).map(|p| p.id));
    let rtol: f64 = argument(4, "1e-8").parse()?;
    let cores = std::thread::available_parallelism()?.get();
    let workers = cores.min(methods.len() * preconditioners.len());
    let options = Options {
        precision: argument(3, "auto").parse()?,
        rtol,
        backend: Backend::Cpu,
        threads: cores / workers,
        time_limit: Some(Duration::from_secs_f64(argument(7, "60").parse()?)),
        max_iterations: argument(8, "10000").parse()?,
        ..Options::default()
    };
    let cells: Vec<Options> = methods
        .iter()
        .flat_map(|m| preconditioners.iter().map(move |p| (m.clone(), p.clone())))
        .map(|(method, preconditioner)| {
            Ok(Options { method: method.parse()?, preconditioner: preconditioner.parse()?, ..options.clone() })
        })
        .collect::<Result<_>>()?;

    let (mut solves, mut solved, mut nan, mut untrue) = (0, 0, 0, 0);
    let mut page = format!("# Iterations to {rtol:e}, or how the solve ended\n");
    for (name, file) in system::matrices(&folder)? {
        let a = io::read_matrix(&file, &io::ReadOptions::default())?.matrix;
        if !a.is_square() || a.rows() > largest {
            continue;
        }
        let b = system::right_hand_side(&folder, &name)?
            .unwrap_or_else(|| a.multiply(&(1..=a.rows()).map(|i| (i as f64).sin()).collect::<Vec<_>>()));
        write!(page, "\n## {name}: n = {}, {} entries\n\n| method |", a.rows(), a.nnz())?;
        preconditioners.iter().for_each(|p| page += &format!(" {p} |"));
        page += &format!("\n|---|{}", "---|".repeat(preconditioners.len()));
        for (cell, (outcome, time)) in cells.iter().zip(compare(&a, &b, &cells, workers, &Halt::default(), |_, _| ())) {
            if cell.preconditioner.to_string() == preconditioners[0] {
                write!(page, "\n| {} |", cell.method)?;
            }
            print!("{name:24} n {:7} {:10} {:12} ", a.rows(), cell.method, cell.preconditioner);
            // A pair that makes no sense says so; the table goes on.
            let text = match outcome {
                Ok(report) => {
                    solves += 1;
                    nan += usize::from(!report.x.iter().all(|v| v.is_finite()));
                    println!("{}", line(&report, time));
                    if report.reason.is_converged() {
                        solved += 1;
                        untrue += usize::from(system::relative_residual(&a, &b, &report.x) > rtol * (1.0 + 1e-9));
                        report.iterations.to_string()
                    } else {
                        report.reason.name().into()
                    }
                }
                Err(e) => {
                    println!("refused: {e}");
                    "refused".into()
                }
            };
            page += &format!(" {text} |");
        }
        page.push('\n');
    }
    let sum =
        format!("{solves} solves, {solved} converged, {untrue} of these falsely; {nan} with a NaN or an infinity in x");
    println!("{sum}");
    if let Some(path) = std::env::args().nth(9) {
        std::fs::write(path, format!("{page}\n{sum}\n"))?;
    }
    Ok(())
}

/// The names in `text`, or all that there are.
fn list<'a>(text: &str, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    if text == "all" { all.map(Into::into).collect() } else { text.split('+').map(Into::into).collect() }
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
