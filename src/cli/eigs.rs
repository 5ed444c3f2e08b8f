//! `krylane eigs` and `krylane svds`.

use super::args::{EigsArgs, SpectrumArgs, SvdsArgs};
use super::document::{Document, MatrixFacts};
use super::exit::{Exit, flags};
use super::output::{Holds, Target, distinct, print};
use super::progress::{Cycles, Voice};
use super::signals::Signals;
use super::source::{Matrix, Source, one_pipe, optional, shown};
use super::summary::{Paint, count, seconds};
use super::{job, json, progress, ranks};
use anyhow::Context;
use krylane::eigen::{Outcome, svds_until};
use krylane::host::digits::apart;
use krylane::io::{write_columns, write_complex_columns};
use krylane::picture::{About, eigen_page, svd_page};
use krylane::{EigenOptions, EigenSolver, Knobs, Reason};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The arguments of both commands.
struct Common {
    source: Source,
    start: Option<PathBuf>,
    /// The file that `--options` names.
    file: Option<PathBuf>,
    options: EigenOptions,
    quiet: bool,
    monitor: Option<u64>,
    json: Option<Target>,
    page: Option<Target>,
}

pub(crate) struct Eigs {
    common: Common,
    mass: Option<PathBuf>,
    output: Option<Target>,
}

pub(crate) struct Svds {
    common: Common,
    right: Option<Target>,
    left: Option<Target>,
}

/// A computed value as printed.
struct Line {
    value: String,
    /// Its residual over its bound.
    residual: f64,
    verified: bool,
}

fn lines(values: Vec<String>, residuals: &[f64], bounds: &[f64]) -> Vec<Line> {
    let line = |(value, (&residual, &bound)): (String, (&f64, &f64))| {
        let part = if bound > 0.0 { residual / bound } else { residual };
        Line { value, residual: part, verified: residual <= bound }
    };
    values.into_iter().zip(residuals.iter().zip(bounds)).map(line).collect()
}

/// Vectors, how many entries each has, and where they go, if anywhere.
type Columns<'a> = (&'a Option<Target>, usize, &'a [Vec<f64>]);

impl Common {
    fn new(args: SpectrumArgs, which: &str) -> anyhow::Result<Self> {
        let options = EigenOptions {
            k: args.k,
            which: which.parse()?,
            tol: args.tol,
            subspace: args.subspace,
            seed: args.seed,
            max_iterations: args.max_iterations,
            time_limit: args.time_limit,
            backend: args.backend.parse().unwrap_or_else(|never| match never {}),
            precision: args.precision.parse()?,
            // The global pool has as many.
            threads: 0,
            ranks: ranks::current(),
            knobs: Knobs { fuse: !args.no_fuse, withhold: args.withhold, ..Knobs::default() },
            ..EigenOptions::default()
        };
        job::set_threads(args.threads);
        super::allocator::limit(args.memory_limit);
        let json = args.json.map(|p| Target::holding(Holds::Report, p)).transpose()?;
        let page = args.report.map(|p| Target::holding(Holds::Page, p)).transpose()?;
        Ok(Self {
            source: Source::new(args.matrix)?,
            start: optional(args.start),
            file: args.options,
            options,
            quiet: args.quiet,
            monitor: args.monitor,
            json,
            page,
        })
    }

    fn voice(&self) -> Voice {
        Voice::new(self.quiet, self.monitor.is_some())
    }

    /// The files that are read, with `mass` where there is one.
    fn check_inputs(&self, mass: Option<&PathBuf>) -> krylane::Result<()> {
        let named = self.start.iter().chain(mass).map(PathBuf::as_path);
        one_pipe(&named.chain(self.source.path()).collect::<Vec<_>>())
    }

    /// The files that both commands read.
    fn inputs(&self) -> impl Iterator<Item = Option<&Path>> {
        [self.source.path(), self.start.as_deref(), self.file.as_deref()].into_iter()
    }

    /// The start vector of `n` entries, if there is one.
    fn start(&self, n: usize) -> krylane::Result<Vec<Vec<f64>>> {
        self.start.iter().map(|path| self.source.vector("start", path, n, "rows")).collect()
    }

    /// Writes every requested output, whatever the outcome; `lines` are the values.
    fn write<R: Serialize>(
        &self,
        matrix: &Matrix,
        is_symmetric: bool,
        report: (&R, &Outcome),
        lines: &[Line],
        columns: &[Columns<'_>],
        complex: bool,
        begun: Instant,
        page: impl FnOnce(&R, &About) -> String,
    ) -> anyhow::Result<()> {
        let (report, outcome) = report;
        let document = Document::new(matrix, is_symmetric, report, begun);
        let mut results = vec![];
        let writing = |target: &Target| target.writing(self.voice());
        for (target, rows, vectors) in columns {
            if let Some(target) = target {
                let _writing = writing(target);
                results.push(target.wrote(if complex {
                    write_complex_columns(target.path(), rows / 2, vectors)
                } else {
                    write_columns(target.path(), *rows, vectors)
                }));
            }
        }
        if let Some(target) = &self.json {
            let _writing = writing(target);
            results.push(json::text(&document).and_then(|text| target.write(&text)));
        }
        if let Some(target) = &self.page {
            let _writing = writing(target);
            let about = About {
                name: &matrix.name,
                matrix: Some(&matrix.csr),
                command: Some(&document.command_line()),
                read_s: Some(matrix.seconds),
                ..About::default()
            };
            results.push(target.write(page(report, &about).as_bytes()));
        }
        if !self.quiet {
            let taken =
                columns.iter().filter_map(|c| c.0.as_ref()).chain(&self.json).chain(&self.page).any(Target::is_stdout);
            let times = [document.read_s, document.total_s];
            let text = self.summary(&document.matrix, outcome, lines, times, !taken);
            results.push(if taken {
                let _ = std::io::stderr().write_all(text.as_bytes());
                Ok(())
            } else {
                print(text.as_bytes()).map(drop)
            });
        }
        results.into_iter().collect()
    }

    fn summary(&self, m: &MatrixFacts<'_>, r: &Outcome, lines: &[Line], times: [f64; 2], stdout: bool) -> String {
        let paint = Paint::new(stdout);
        let mut out = String::new();
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(out, "{} {value}", paint.with("2", &format!("{label:<12}")));
        };
        line("matrix", &format!("{}: {} x {}, {} entries, {}", m.name, m.rows, m.cols, m.nnz, m.symmetry));
        if let Some(notes) = m.file {
            line("file", &notes.to_string());
        }
        let shown = r.plan.iter().filter(|line| !line.starts_with("amg level "));
        for (k, choice) in shown.enumerate() {
            line(if k == 0 { "plan" } else { "" }, choice);
        }
        line("adapter", &format!("{} ({}, {})", r.adapter.name, r.adapter.backend, r.adapter.driver));
        let colour = if r.reason.is_converged() { "1;32" } else { "1;31" };
        line("outcome", &paint.with(colour, &r.reason.to_string()));
        line("", &flags(&r.advice));
        let measure = if r.mass_norm.is_some() { "residual/(|A| + |lambda||B|)" } else { "residual/|A|" };
        let wide = lines.iter().map(|l| l.value.chars().count()).max().unwrap_or(0).max(5);
        line("values", &format!("{:wide$}  {measure} (asked for {:.1e})", "value", r.tolerance));
        for Line { value, residual, verified } in lines {
            let residual = apart(residual * r.tolerance, r.tolerance, 2);
            let verdict = if *verified { "" } else { "  not verified" };
            line("", &format!("{value:wide$}  {residual}{verdict}"));
        }
        let mass = r.mass_norm.map_or(String::new(), |b| format!(", |B| = {b:.3e}"));
        line("norms", &format!("|A| = {:.3e}{mass}", r.matrix_norm));
        let mut work = count(r.iterations, "iteration");
        for (n, what) in [(r.matvecs, "product"), (r.restarts, "restart")] {
            if n > 0 {
                let _ = write!(work, ", {}", count(n, what));
            }
        }
        if r.inner_solves > 0 {
            let _ = write!(
                work,
                "; {} in {}",
                count(r.inner_solves, "inner solve"),
                count(r.inner_iterations, "iteration")
            );
        }
        line("work", &work);
        let t = &r.timings;
        line(
            "time",
            &format!(
                "read {}, set-up {}, {} {}, solve {}, verify {}; {} in all",
                seconds(times[0]),
                seconds(t.setup_s),
                if r.adapter.backend == "cpu" { "layout" } else { "upload" },
                seconds(t.upload_s),
                seconds(t.solve_s),
                seconds(t.certify_s),
                seconds(times[1])
            ),
        );
        for warning in &r.warnings {
            line(&paint.with("33", "warning"), &flags(warning));
        }
        out
    }
}

fn exit(reason: &Reason, signals: &Signals) -> Exit {
    match (reason, signals.code()) {
        (reason, _) if reason.is_converged() => Exit::Success,
        (Reason::Cancelled, Some(code)) => Exit::Signal(code),
        _ => Exit::NotConverged,
    }
}

impl Eigs {
    /// Where the report goes.
    pub(super) fn json(&self) -> Option<Target> {
        self.common.json.clone()
    }

    pub(super) fn new(args: EigsArgs) -> anyhow::Result<Self> {
        let mut common = Common::new(args.spectrum, &args.which)?;
        common.options.sigma = args.sigma.map(|s| s.0);
        common.options.sigma_im = args.sigma.map_or(0.0, |s| s.1);
        common.options.skip_null = args.skip_null;
        common.options.method = args.method;
        common.options.preconditioner = args.precond.parse()?;
        common.options.check()?;
        let output = args.output.map(|p| Target::holding(Holds::Vectors, p)).transpose()?;
        let mass = optional(args.mass);
        common.check_inputs(mass.as_ref())?;
        distinct(common.inputs().chain([mass.as_deref()]), &[&common.json, &common.page, &output])?;
        Ok(Self { common, mass, output })
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let begun = Instant::now();
        let matrix = ranks::together(self.common.source.load(self.common.voice()))?;
        let n = matrix.csr.rows();
        let mut options = EigenOptions { complex: matrix.complex, ..self.common.options.clone() };
        options.start = ranks::together(self.common.start(n))?;
        if let Some(path) = &self.mass {
            let _reading = progress::spinner(&format!("reading {}", shown(path)), self.common.voice());
            options.mass = Some(Arc::new(ranks::together(self.common.source.another(path))?));
        }
        let looking = progress::spinner("looking at the matrix", self.common.voice());
        let solver = EigenSolver::new(&matrix.csr, options).map_err(|error| {
            // An error about B names the file of B.
            let place = self.mass.as_ref().filter(|_| error.to_string().starts_with("B "));
            let place = place.map_or_else(|| matrix.name.clone(), |path| shown(path));
            anyhow::Error::new(error).context(place)
        })?;
        drop(looking);
        let cancel = solver.cancel_flag();
        let signals = Signals::catch(&cancel).context("can't watch for signals")?;
        let watched = signals.clone();
        let mut progress = Cycles::new(self.common.voice(), self.common.monitor);
        let mut solver = solver.on_cycle(move |event| {
            progress.show(event);
            // The solver clears its flag at the start; a signal from before that counts too.
            if watched.code().is_some() {
                cancel.store(true, Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        });
        let report = solver.solve()?;
        super::signals::under_way();
        let is_symmetric = solver.is_symmetric();
        // The callback holds the spinner: dropped before anything is printed.
        drop(solver);
        let lines = lines(report.texts(), &report.residuals, &report.bounds);
        let rows = report.vectors.first().map_or(n, Vec::len);
        let columns = [(&self.output, rows, &report.vectors[..])];
        let outcome = (&report, &report.outcome);
        self.common.write(&matrix, is_symmetric, outcome, &lines, &columns, report.complex, begun, eigen_page)?;
        Ok(exit(&report.reason, &signals))
    }
}

impl Svds {
    /// Where the report goes.
    pub(super) fn json(&self) -> Option<Target> {
        self.common.json.clone()
    }

    pub(super) fn new(args: SvdsArgs) -> anyhow::Result<Self> {
        let common = Common::new(args.spectrum, &args.which)?;
        common.options.check()?;
        let [right, left] = [args.output, args.left];
        let target = |path: Option<PathBuf>| path.map(|p| Target::holding(Holds::Vectors, p)).transpose();
        let (right, left) = (target(right)?, target(left)?);
        common.check_inputs(None)?;
        distinct(common.inputs(), &[&common.json, &common.page, &right, &left])?;
        Ok(Self { common, right, left })
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let begun = Instant::now();
        let matrix = ranks::together(self.common.source.load(self.common.voice()))?;
        let (rows, cols) = (matrix.csr.rows(), matrix.csr.cols());
        let mut options = EigenOptions { complex: matrix.complex, ..self.common.options.clone() };
        options.start = ranks::together(self.common.start(rows.min(cols)))?;
        let cancel = Arc::new(AtomicBool::new(false));
        let signals = Signals::catch(&cancel).context("can't watch for signals")?;
        let mut progress = Cycles::new(self.common.voice(), self.common.monitor);
        let report = svds_until(&matrix.csr, options, &cancel, move |event| progress.show(event))
            .with_context(|| matrix.name.clone())?;
        super::signals::under_way();
        let lines = lines(report.texts(), &report.residuals, &report.bounds);
        let columns = [(&self.right, cols, &report.right[..]), (&self.left, rows, &report.left[..])];
        let outcome = (&report, &report.outcome);
        self.common.write(
            &matrix,
            matrix.is_symmetric(),
            outcome,
            &lines,
            &columns,
            matrix.complex,
            begun,
            svd_page,
        )?;
        Ok(exit(&report.reason, &signals))
    }
}
