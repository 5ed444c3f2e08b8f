//! `krylane solve`.

use super::args::SolveArgs;
use super::document::{Document, Reports};
use super::exit::Exit;
use super::output::{Holds, Target, distinct};
use super::progress::{self, Convergence, Voice};
use super::signals::Signals;
use super::source::{Matrix, Rhs, Source, one_pipe, optional};
use super::{job, json, ranks, signals, summary};
use anyhow::Context;
use krylane::io::{write_columns, write_complex_columns};
use krylane::picture::{About, Band, Curve, History, solve_page};
use krylane::precond::NearNull;
use krylane::{Criterion, Error, Method, Options, Precond, Reason, Report, Solver};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub(crate) struct Solve {
    source: Source,
    rhs: Rhs,
    x0: Option<PathBuf>,
    coordinates: Option<PathBuf>,
    near_null: Option<PathBuf>,
    options: Options,
    quiet: bool,
    monitor: Option<u64>,
    verbose: bool,
    json: Option<Target>,
    output: Option<Target>,
    plot: Option<Target>,
    page: Option<Target>,
}

impl Solve {
    pub(super) fn new(args: SolveArgs) -> anyhow::Result<Self> {
        let target = |holds, path: Option<PathBuf>| path.map(|p| Target::holding(holds, p)).transpose();
        let json = target(Holds::Report, args.json)?;
        let output = target(Holds::Vectors, args.output)?;
        let plot = target(Holds::Figure, args.plot)?;
        let page = target(Holds::Page, args.report)?;
        let options = args.options.clone();
        let job = Self {
            source: Source::new(args.matrix)?,
            rhs: Rhs::new(&args.rhs, args.nrhs)?,
            x0: optional(args.x0),
            coordinates: optional(args.coordinates),
            near_null: optional(args.near_null),
            options: Options { ranks: ranks::current(), ..job::options(args.solver)? },
            quiet: args.quiet,
            monitor: args.monitor,
            verbose: args.verbose,
            json,
            output,
            plot,
            page,
        };
        let targets = [&job.json, &job.output, &job.plot, &job.page];
        let files = [&job.x0, &job.coordinates, &job.near_null].map(Option::as_deref);
        let inputs = files.into_iter().chain([job.source.path(), job.rhs.path()]);
        one_pipe(&inputs.clone().flatten().collect::<Vec<_>>())?;
        distinct(inputs.chain([options.as_deref()]), &targets)?;
        Ok(job)
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let start = Instant::now();
        let voice = self.voice();
        let matrix = ranks::together(self.source.load(voice))?;
        let looking = progress::spinner("looking at the matrix", voice);
        let options = Options { near_null: ranks::together(self.near_null())?, ..self.options.clone() };
        let solver = Solver::new(&matrix.csr, options).with_context(|| matrix.name.clone())?;
        let (rows, cols) = (matrix.csr.rows(), matrix.csr.cols());
        drop(looking);
        let b = ranks::together(self.rhs.make(rows, &self.source, matrix.complex))?;
        let x0 = self.x0.as_ref().map(|path| self.initial_guesses(path, cols, b.len())).transpose();
        let x0 = ranks::together(x0)?;

        let cancel = solver.cancel_flag();
        let signals = Signals::catch(&cancel).context("can't watch for signals")?;
        let goals = b.iter().map(|b| self.goal(b));
        let mut progress = Convergence::new(goals, solver.candidates(), voice, self.monitor);
        let watched = signals.clone();
        let mut solver = solver.on_iteration(move |event| {
            // The solver clears its flag at the start; a signal from before that counts too.
            if watched.code().is_some() {
                cancel.store(true, Ordering::Relaxed);
            }
            progress.show(event);
            ControlFlow::Continue(())
        });
        let reports = match &x0 {
            Some(x0) => solver.solve_many_from(&b, x0)?,
            None => solver.solve_many(&b)?,
        };
        signals::under_way();
        // A damped system is not square, whatever the matrix is.
        let damped = matches!(self.options.method, Method::Lsqr { damp } | Method::Lsmr { damp } if damp > 0.0);
        let is_symmetric = solver.is_symmetric() || damped && matrix.is_symmetric();
        // The callback holds the progress bar: dropped before anything is printed.
        drop(solver);

        let document = Document::new(&matrix, is_symmetric, Reports::new(&reports), start);
        self.write(&document, &matrix, &b)?;
        let cancelled = reports.iter().any(|r| r.reason == Reason::Cancelled);
        Ok(match signals.code() {
            _ if reports.iter().all(Report::is_answer) => Exit::Success,
            Some(code) if cancelled => Exit::Signal(code),
            _ => Exit::NotConverged,
        })
    }

    fn voice(&self) -> Voice {
        Voice::new(self.quiet, self.monitor.is_some())
    }

    /// Where the report goes.
    pub(super) fn json(&self) -> Option<Target> {
        self.json.clone()
    }

    /// An initial guess for each right-hand side.
    fn initial_guesses(&self, path: &Path, cols: usize, count: usize) -> krylane::Result<Vec<Vec<f64>>> {
        let x0 = self.source.columns("x0", path, cols, "columns")?;
        if x0.len() == count {
            return Ok(x0);
        }
        let (path, found) = (path.display(), summary::count(x0.len(), "column"));
        let wanted = summary::count(count, "right-hand side");
        Err(Error::input(format!("{path}: x0 has {found} for {wanted}; it needs one for each")))
    }

    /// Near-null vectors from files, if given.
    fn near_null(&self) -> anyhow::Result<Option<Arc<NearNull>>> {
        let found = match (&self.coordinates, &self.near_null) {
            (Some(path), _) => NearNull::from_coordinates(&self.source.coordinates(path)?),
            (None, Some(path)) => {
                let block = match &self.options.preconditioner {
                    Precond::Amg(settings) => settings.block,
                    _ => 1,
                };
                NearNull::from_columns(block, &self.source.beside(path)?)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Arc::new(found?)))
    }

    /// Writes every requested output, whatever the outcome; if one target fails the others are still written.
    fn write(&self, document: &Document<'_, Reports<'_>>, matrix: &Matrix, b: &[Vec<f64>]) -> anyhow::Result<()> {
        let reports = document.report.all();
        let mut results = vec![];
        let writing = |target: &Target| target.writing(self.voice());
        if let Some(target) = &self.output {
            let _writing = writing(target);
            let x: Vec<&[f64]> = reports.iter().map(|r| &r.x[..]).collect();
            let cols = matrix.csr.cols();
            results.push(target.wrote(match matrix.complex {
                true => write_complex_columns(target.path(), cols / 2, &x),
                false => write_columns(target.path(), cols, &x),
            }));
        }
        if let Some(target) = &self.json {
            let _writing = writing(target);
            results.push(json::text(document).and_then(|text| target.write(&text)));
        }
        if let Some(target) = &self.plot {
            let _writing = writing(target);
            results.push(target.write(self.figure(matrix, reports, b).svg().as_bytes()));
        }
        if let Some(target) = &self.page {
            let _writing = writing(target);
            let on_cpu = reports[0].adapter.backend == "cpu";
            let about = About {
                name: &matrix.name,
                matrix: Some(&matrix.csr),
                tolerance: self.common_goal(b),
                command: Some(&document.command_line()),
                read_s: Some(matrix.seconds),
                total_s: Some(document.total_s),
                bandwidth: on_cpu.then(krylane::bench::bandwidth),
            };
            results.push(target.write(solve_page(reports, &about).as_bytes()));
        }
        if !self.quiet {
            let goal = self.common_goal(b);
            let taken = [&self.json, &self.output, &self.plot, &self.page].into_iter().flatten().any(Target::is_stdout);
            results.push(if taken {
                let text = summary::text(document, &self.options, self.verbose, false, goal);
                let _ = std::io::stderr().write_all(text.as_bytes());
                Ok(())
            } else {
                let text = summary::text(document, &self.options, self.verbose, true, goal);
                super::output::print(text.as_bytes()).map(drop)
            });
        }
        results.into_iter().collect()
    }

    fn figure<'a>(&self, matrix: &Matrix, reports: &'a [Report], b: &[Vec<f64>]) -> History<'a> {
        let mut methods: Vec<_> = reports.iter().filter_map(Report::ended_by).collect();
        methods.sort();
        methods.dedup();
        let outcome = match reports {
            [report] => report.reason.to_string(),
            systems => summary::solved(systems),
        };
        History {
            title: matrix.name.clone(),
            subtitle: [methods.join(", "), format!("on {}: {outcome}", reports[0].adapter.name)]
                .join(" ")
                .trim()
                .into(),
            curves: reports.iter().map(|r| Curve { history: &r.history, checks: &r.checks }).collect(),
            bands: if let [report] = reports { Band::of(report) } else { vec![] },
            tolerance: self.common_goal(b),
        }
    }

    /// The bound on ‖r‖/‖b‖ that the tolerance implies, if it is the same for all systems.
    fn common_goal(&self, b: &[Vec<f64>]) -> Option<f64> {
        let mut goals = b.iter().filter_map(|b| self.relative_goal(b));
        let first = goals.next();
        first.filter(|&goal| goals.all(|other| other == goal))
    }

    /// The bound on ‖r‖/‖b‖ that the tolerance implies, if known beforehand.
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

    /// The relative residual at which the progress bar ends.
    fn goal(&self, b: &[f64]) -> f64 {
        self.relative_goal(b).unwrap_or(self.options.rtol)
    }
}
