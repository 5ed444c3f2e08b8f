//! `krylane solve`.

use super::args::SolveArgs;
use super::exit::Exit;
use super::output::{Target, distinct};
use super::progress::Convergence;
use super::signals::Signals;
use super::source::{Matrix, Rhs, Source};
use super::{job, json, plot, summary};
use anyhow::Context;
use krylane::{Criterion, Options, Reason, Report, Solver};
use serde::Serialize;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub(crate) struct Solve {
    source: Source,
    rhs: Rhs,
    x0: Option<PathBuf>,
    options: Options,
    quiet: bool,
    json: Option<Target>,
    output: Option<Target>,
    plot: Option<Target>,
}

/// The report of the library with what only the program knows.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    version: &'static str,
    command: Vec<String>,
    pub(super) matrix: MatrixFacts<'a>,
    #[serde(flatten)]
    pub(super) report: &'a Report,
    /// Wall time of everything: reading, set-up, solve.
    total_s: f64,
}

#[derive(Serialize)]
pub(super) struct MatrixFacts<'a> {
    pub(super) name: &'a str,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) nnz: usize,
    /// Rows, columns and entries are those of the real form then.
    pub(super) complex: bool,
    pub(super) symmetry: &'static str,
    pub(super) file: Option<&'a krylane::io::Notes>,
}

impl Solve {
    pub(super) fn new(args: SolveArgs) -> anyhow::Result<Self> {
        let [json, output, plot] = [args.json, args.output, args.plot];
        let target = |path: Option<PathBuf>| path.map(Target::new).transpose();
        let job = Self {
            source: Source::new(args.matrix)?,
            rhs: Rhs::new(&args.rhs)?,
            x0: args.x0,
            options: job::options(args.solver)?,
            quiet: args.quiet,
            json: target(json)?,
            output: target(output)?,
            plot: target(plot)?,
        };
        distinct(&[&job.json, &job.output, &job.plot])?;
        Ok(job)
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let start = Instant::now();
        let matrix = self.source.load(self.quiet)?;
        let solver = Solver::new(&matrix.csr, self.options.clone()).with_context(|| matrix.name.clone())?;
        let (rows, cols) = (matrix.csr.rows(), matrix.csr.cols());
        let b = self.rhs.make(rows, &self.source, matrix.complex)?;
        let x0 = self.x0.as_ref().map(|path| self.source.vector("x0", path, cols, "columns")).transpose()?;

        let cancel = solver.cancel_flag();
        let signals = Signals::catch(&cancel).context("can't watch for signals")?;
        let mut progress = Convergence::new(self.goal(&b), self.quiet);
        let watched = signals.clone();
        let mut solver = solver.on_iteration(move |event| {
            // The solver clears its flag at the start; a signal from before that counts too.
            if watched.code().is_some() {
                cancel.store(true, Ordering::Relaxed);
            }
            progress.show(event);
            ControlFlow::Continue(())
        });
        let report = match &x0 {
            Some(x0) => solver.solve_from(&b, x0)?,
            None => solver.solve(&b)?,
        };
        let facts = MatrixFacts {
            name: &matrix.name,
            rows,
            cols,
            nnz: matrix.csr.nnz(),
            complex: matrix.complex,
            symmetry: if solver.is_symmetric() { "symmetric" } else { "general" },
            file: matrix.notes.as_ref(),
        };
        // The callback holds the progress bar: it goes before anything is printed.
        drop(solver);

        let document = Document {
            version: env!("CARGO_PKG_VERSION"),
            command: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
            matrix: facts,
            report: &report,
            total_s: start.elapsed().as_secs_f64(),
        };
        self.write(&document, &matrix, &b)?;
        Ok(match (&report.reason, signals.code()) {
            _ if report.is_answer() => Exit::Success,
            (Reason::Cancelled, Some(code)) => Exit::Signal(code),
            _ => Exit::NotConverged,
        })
    }

    /// Everything asked for, whatever the outcome; a target that fails does not keep the others from being written.
    fn write(&self, document: &Document<'_>, matrix: &Matrix, b: &[f64]) -> anyhow::Result<()> {
        let report = document.report;
        let mut results = vec![];
        if let Some(target) = &self.output {
            let write = if matrix.complex { krylane::io::write_complex_vector } else { krylane::io::write_vector };
            results.push(target.wrote(write(target.path(), &report.x)));
        }
        if let Some(target) = &self.json {
            results.push(json::text(document).and_then(|text| target.write(&text)));
        }
        if let Some(target) = &self.plot {
            let figure = plot::Figure {
                title: matrix.name.clone(),
                subtitle: format!(
                    "{} + {} on {}: {}",
                    report.method, report.preconditioner, report.adapter.name, report.reason
                ),
                history: &report.history,
                checks: &report.checks,
                tolerance: self.relative_goal(b),
            };
            results.push(target.write(figure.svg().as_bytes()));
        }
        if !self.quiet {
            let taken = [&self.json, &self.output, &self.plot].into_iter().flatten().any(Target::is_stdout);
            results.push(if taken {
                let _ = std::io::stderr().write_all(summary::text(document, &self.options, false).as_bytes());
                Ok(())
            } else {
                super::output::print(summary::text(document, &self.options, true).as_bytes()).map(drop)
            });
        }
        results.into_iter().collect()
    }

    /// What the tolerance means for ‖r‖/‖b‖, where that is known beforehand.
    fn relative_goal(&self, b: &[f64]) -> Option<f64> {
        let Options { rtol, atol, criterion, .. } = self.options;
        let largest = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            return None;
        }
        let norm = b.iter().map(|v| (v / largest).powi(2)).sum::<f64>().sqrt() * largest;
        let goal = match criterion {
            Criterion::RhsNorm => rtol.max(atol / norm),
            Criterion::InitialResidual if self.x0.is_none() => rtol.max(atol / norm),
            Criterion::Absolute => atol / norm,
            _ => return None,
        };
        (goal > 0.0).then_some(goal)
    }

    /// Where the progress bar ends.
    fn goal(&self, b: &[f64]) -> f64 {
        self.relative_goal(b).unwrap_or(self.options.rtol)
    }
}
