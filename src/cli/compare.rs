//! `krylane compare`: methods with preconditioners on one matrix, a table, the fastest first.

use super::args::CompareArgs;
use super::exit::Exit;
use super::output::{Holds, Target, distinct, print};
use super::source::{Rhs, Source};
use super::summary::seconds;
use super::{allocator, job, progress, signals};
use krylane::compare::{Attempt, compare};
use krylane::method::METHODS;
use krylane::precond::PRECONDITIONERS;
use krylane::{Options, Report, Solver};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

pub(crate) struct Compare {
    source: Source,
    rhs: Rhs,
    methods: Vec<String>,
    preconds: Vec<String>,
    options: Options,
    export: Option<Target>,
    quiet: bool,
}

/// Without a time limit, a solve that takes this many times as long as the fastest is stopped.
const SLOWER: u32 = 10;
/// But not before this time.
const LEAST: Duration = Duration::from_secs(2);

/// Most runs per combination, whose median counts, and the total time after which no further run starts.
const RUNS: usize = 5;
const ENOUGH: Duration = Duration::from_secs(1);

/// What is tried by default, by the kind of matrix.
const SYMMETRIC: [&str; 3] = ["cg", "minres", "bicgstab"];
const GENERAL: [&str; 4] = ["gmres", "bicgstab", "idrs", "tfqmr"];
const FOR_SYMMETRIC: [&str; 7] = ["none", "jacobi", "ic0", "fsai", "chebyshev", "ssor", "amg"];
const FOR_GENERAL: [&str; 6] = ["none", "jacobi", "ilu0", "ilut", "isai", "lu"];

/// One line of the table.
struct Row<'a> {
    way: &'a Options,
    seconds: f64,
    outcome: Result<&'a Report, String>,
}

impl Compare {
    pub(super) fn new(args: CompareArgs) -> anyhow::Result<Self> {
        allocator::limit(args.memory_limit);
        job::set_threads(args.threads);
        let options = Options {
            rtol: args.rtol,
            backend: job::backend(&args.backend),
            precision: args.precision.parse()?,
            max_iterations: args.max_iterations,
            time_limit: args.time_limit,
            memory_limit: args.memory_limit,
            ..Options::default()
        };
        options.check()?;
        let (methods, preconds) = (args.methods, args.preconds);
        for name in methods.iter().filter(|m| *m != "all") {
            Options { method: name.parse()?, ..options.clone() }.check()?;
        }
        for name in preconds.iter().filter(|p| *p != "all") {
            Options { preconditioner: name.parse()?, ..options.clone() }.check()?;
        }
        let export = args.export.map(|p| Target::holding(Holds::Table, p)).transpose()?;
        let (source, rhs) = (Source::new(args.matrix)?, Rhs::new(&args.rhs, None)?);
        distinct([source.path(), rhs.path()], &[&export])?;
        Ok(Self { source, rhs, methods, preconds, options, export, quiet: args.quiet })
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let matrix = self.source.load(self.quiet)?;
        let b = self.rhs.make(matrix.csr.rows(), &self.source, matrix.complex)?.swap_remove(0);
        let looking = progress::spinner("looking at the matrix", self.quiet);
        let symmetric = Solver::new(&matrix.csr, self.options.clone()).is_ok_and(|s| s.is_symmetric());
        drop(looking);
        let ways = self.ways(symmetric, matrix.csr.rows() == matrix.csr.cols())?;
        signals::under_way();
        let attempts = self.attempts(&matrix.csr, &b, &ways);
        signals::halt().check()?;
        let mut rows: Vec<Row<'_>> = ways
            .iter()
            .zip(&attempts)
            .map(|(way, (outcome, time))| Row {
                way,
                seconds: time.as_secs_f64(),
                outcome: outcome.as_ref().map_err(ToString::to_string),
            })
            .collect();
        // Answers first, then solves that ended without one, then refused combinations; each by time.
        let rank = |r: &Row<'_>| match &r.outcome {
            Ok(report) if report.is_answer() => 0,
            Ok(_) => 1,
            Err(_) => 2,
        };
        rows.sort_by(|r, s| rank(r).cmp(&rank(s)).then(r.seconds.total_cmp(&s.seconds)));
        let solved = rows.iter().filter(|r| rank(r) == 0).count();
        if let Some(target) = &self.export {
            target.write(table(&matrix.name, &rows, kind(target.path()))?.as_bytes())?;
        }
        if !self.quiet {
            print(table(&matrix.name, &rows, Kind::Screen)?.as_bytes())?;
        }
        Ok(if solved > 0 { Exit::Success } else { Exit::NotConverged })
    }

    /// The combinations to try: the plan's own choice first.
    fn ways(&self, symmetric: bool, square: bool) -> krylane::Result<Vec<Options>> {
        let all = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let pick = |typed: &[String], every: Vec<&str>, usual: &[&str]| match typed {
            [] => all(usual),
            [one] if one == "all" => all(&every),
            some => some.to_vec(),
        };
        let usual: &[&str] = match (symmetric, square) {
            (_, false) => &["lsqr", "lsmr"],
            (true, _) => &SYMMETRIC,
            _ => &GENERAL,
        };
        let every = METHODS.iter().filter(|m| !m.traits.program_only).map(|m| m.id).collect();
        let methods = pick(&self.methods, every, usual);
        let usual: &[&str] = match (symmetric, square) {
            (_, false) => &["none", "jacobi"],
            (true, _) => &FOR_SYMMETRIC,
            _ => &FOR_GENERAL,
        };
        let every = PRECONDITIONERS.iter().filter(|p| !p.program_only).map(|p| p.id).collect();
        let preconds = pick(&self.preconds, every, usual);
        let way = |method: &str, preconditioner: &str| -> krylane::Result<Options> {
            Ok(Options { method: method.parse()?, preconditioner: preconditioner.parse()?, ..self.options.clone() })
        };
        let mut ways = vec![];
        if square && self.methods.is_empty() && self.preconds.is_empty() {
            ways.push(way("auto", "auto")?);
        }
        for method in &methods {
            for preconditioner in &preconds {
                ways.push(way(method, preconditioner)?);
            }
        }
        if square && symmetric && self.methods.is_empty() && self.preconds.is_empty() {
            // The one of these methods that accepts nonsymmetric factors.
            ways.push(way("bicgstab", "lu")?);
        }
        Ok(ways)
    }

    /// Runs each in turn, on the whole machine.
    fn attempts(&self, a: &std::sync::Arc<krylane::matrix::Csr>, b: &[f64], ways: &[Options]) -> Vec<Attempt> {
        let mut fastest: Option<Duration> = None;
        let mut done = vec![];
        for (k, way) in ways.iter().enumerate() {
            let limit = self.options.time_limit.or_else(|| fastest.map(|t| (t * SLOWER).max(LEAST)));
            let way = Options { time_limit: limit, ..way.clone() };
            let words = format!("{} of {}: {} with {}", k + 1, ways.len(), way.method, way.preconditioner);
            let _spinner = progress::spinner(&words, self.quiet);
            signals::under_way();
            let run = || compare(a, b, std::slice::from_ref(&way), 1, &signals::halt(), |_, _| ()).swap_remove(0);
            let (outcome, time) = run();
            let mut times = vec![time];
            let answered = outcome.as_ref().is_ok_and(Report::is_answer);
            // The first run has cold caches, and a single run of milliseconds is noisy.
            while answered && times.len() < RUNS && times.iter().sum::<Duration>() < ENOUGH && signals::code().is_none()
            {
                times.push(run().1);
            }
            times.sort();
            let time = times[times.len() / 2];
            if answered {
                fastest = Some(fastest.map_or(time, |t| t.min(time)));
            }
            done.push((outcome, time));
        }
        done
    }
}

/// How the table is written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Screen,
    Markdown,
    Csv,
    Json,
}

fn kind(path: &Path) -> Kind {
    match path.extension().and_then(|e| e.to_str()) {
        Some(e) if e.eq_ignore_ascii_case("csv") => Kind::Csv,
        Some(e) if e.eq_ignore_ascii_case("json") => Kind::Json,
        _ => Kind::Markdown,
    }
}

fn table(name: &str, rows: &[Row<'_>], kind: Kind) -> anyhow::Result<String> {
    if kind == Kind::Json {
        let rows: Vec<_> = rows
            .iter()
            .map(|r| match &r.outcome {
                Ok(report) => json!({
                    "method": r.way.method.to_string(), "preconditioner": r.way.preconditioner.to_string(), "seconds": r.seconds,
                    "used": format!("{} with {}", report.method, report.preconditioner),
                    "iterations": report.iterations, "reason": report.reason.name(),
                    "relative": report.certificate.relative, "backward_error": report.certificate.backward_error,
                }),
                Err(e) => json!({
                    "method": r.way.method.to_string(), "preconditioner": r.way.preconditioner.to_string(), "seconds": r.seconds, "refused": e,
                }),
            })
            .collect();
        return Ok(serde_json::to_string_pretty(&json!({ "matrix": name, "rows": rows }))? + "\n");
    }
    let best = rows.first().filter(|r| r.outcome.as_ref().is_ok_and(|r| r.is_answer())).map(|r| r.seconds);
    let mut cells = vec![
        ["method", "preconditioner", "time", "times best", "iterations", "|b - A x|/|b|", "outcome"].map(String::from),
    ];
    for r in rows {
        let ratio = match (best, &r.outcome) {
            (Some(best), Ok(report)) if report.is_answer() => format!("{:.2}", r.seconds / best),
            _ => "-".into(),
        };
        let time = if kind == Kind::Csv { format!("{:.6}", r.seconds) } else { seconds(r.seconds) };
        let (method, precond) = (r.way.method.to_string(), r.way.preconditioner.to_string());
        cells.push(match &r.outcome {
            Ok(report) => {
                let used = if method == "auto" && report.method != "auto" {
                    format!(": {} with {}", report.method, report.preconditioner)
                } else {
                    String::new()
                };
                let outcome = format!("{}{used}", report.reason);
                let relative = format!("{:.2e}", report.certificate.relative);
                [method, precond, time, ratio, report.iterations.to_string(), relative, outcome]
            }
            Err(e) => [method, precond, "-".into(), "-".into(), "-".into(), "-".into(), format!("refused: {e}")],
        });
    }
    let mut out = String::new();
    match kind {
        Kind::Csv => {
            for row in &cells {
                let quoted = row.iter().map(|c| {
                    if c.contains([',', '"', '\n']) { format!("\"{}\"", c.replace('"', "\"\"")) } else { c.clone() }
                });
                writeln!(out, "{}", quoted.collect::<Vec<_>>().join(","))?;
            }
        }
        Kind::Markdown => {
            writeln!(out, "# {name}\n")?;
            for (k, row) in cells.iter().enumerate() {
                writeln!(out, "| {} |", row.join(" | ").replace("|b - A x|/|b|", "relative residual"))?;
                if k == 0 {
                    writeln!(out, "|---|---|---|---|---|---|---|")?;
                }
            }
        }
        _ => {
            let width = |c: usize| cells.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
            let widths: Vec<usize> = (0..6).map(width).collect();
            writeln!(
                out,
                "{name}: set-up and solve together, the median of up to {RUNS} runs, the fastest first; every answer is certified\n"
            )?;
            for row in &cells {
                let [method, precond, numbers @ .., outcome] = row;
                write!(out, "{method:<0$}  {precond:<1$}", widths[0], widths[1])?;
                for (cell, width) in numbers.iter().zip(widths[2..].iter().copied()) {
                    write!(out, "  {cell:>width$}")?;
                }
                writeln!(out, "  {outcome}")?;
            }
        }
    }
    Ok(out)
}
