//! `krylane compare`: methods with preconditioners on one matrix, a table, the fastest first.

use super::args::CompareArgs;
use super::exit::Exit;
use super::output::{Holds, Target, distinct, print};
use super::progress::{self, Voice};
use super::source::{Rhs, Source, one_pipe};
use super::summary::seconds;
use super::{allocator, job, signals, values};
use krylane::compare::{Attempt, compare};
use krylane::host::digits::apart;
use krylane::matrix::Csr;
use krylane::method::METHODS;
use krylane::precond::PRECONDITIONERS;
use krylane::{Options, Reason, Report, Solver};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Compare {
    source: Source,
    rhs: Rhs,
    methods: Vec<String>,
    preconds: Vec<String>,
    options: Options,
    runs: Option<u32>,
    export: Option<Target>,
    quiet: bool,
    voice: Voice,
}

/// Without a time limit, a solve that takes this many times as long as the fastest is stopped.
const SLOWER: u32 = 20;
/// But not before this time.
const LEAST: Duration = Duration::from_millis(50);

/// Runs of a pair end by themselves after so many, or after this time.
const RUNS: usize = 10;
const ENOUGH: Duration = Duration::from_secs(1);

/// A run below this time warms up for those that count.
const CHEAP: Duration = Duration::from_millis(100);

/// What is tried by default, by the kind of matrix.
const SYMMETRIC: [&str; 3] = ["cg", "minres", "bicgstab"];
const GENERAL: [&str; 4] = ["gmres", "bicgstab", "idrs", "tfqmr"];
const FOR_SYMMETRIC: [&str; 7] = ["none", "jacobi", "ic0", "fsai", "chebyshev", "ssor", "amg"];
const FOR_GENERAL: [&str; 6] = ["none", "jacobi", "ilu0", "ilut", "isai", "lu"];

/// A way that was tried.
struct Row<'a> {
    way: &'a Options,
    /// Of each run that counts, ascending.
    times: Vec<Duration>,
    outcome: Result<Report, String>,
    /// It was stopped because others are so much faster.
    cut: bool,
}

impl Row<'_> {
    /// The median.
    fn seconds(&self) -> f64 {
        self.times[self.times.len() / 2].as_secs_f64()
    }

    /// The shortest time and the longest.
    fn range(&self) -> [f64; 2] {
        [self.times[0], self.times[self.times.len() - 1]].map(|t| t.as_secs_f64())
    }

    /// Answers come first, then solves that ended without one, then refused combinations.
    fn rank(&self) -> u8 {
        match &self.outcome {
            Ok(report) if report.is_answer() => 0,
            Ok(_) => 1,
            Err(_) => 2,
        }
    }

    fn end(&self) -> String {
        match &self.outcome {
            Ok(_) if self.cut => format!("stopped: over {SLOWER} times the fastest"),
            Ok(report) => report.reason.to_string(),
            Err(e) => format!("refused: {e}"),
        }
    }
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
            Options { method: values::method(name)?, ..options.clone() }.check()?;
        }
        for name in preconds.iter().filter(|p| *p != "all") {
            Options { preconditioner: name.parse()?, ..options.clone() }.check()?;
        }
        let export = args.export.map(|p| Target::holding(Holds::Table, p)).transpose()?;
        let (source, rhs) = (Source::new(args.matrix)?, Rhs::new(&args.rhs, None)?);
        let inputs: Vec<&Path> = source.path().into_iter().chain(rhs.path()).collect();
        one_pipe(&inputs)?;
        distinct(inputs.into_iter().map(Some), &[&export])?;
        let voice = Voice::new(args.quiet, args.monitor);
        Ok(Self { source, rhs, methods, preconds, options, runs: args.runs, export, quiet: args.quiet, voice })
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let matrix = self.source.load(self.voice)?;
        let b = self.rhs.make(matrix.csr.rows(), &self.source, matrix.complex)?.swap_remove(0);
        let looking = progress::spinner("looking at the matrix", self.voice);
        let symmetric = Solver::new(&matrix.csr, self.options.clone()).is_ok_and(|s| s.is_symmetric());
        drop(looking);
        let ways = self.ways(symmetric, matrix.csr.rows() == matrix.csr.cols())?;
        signals::under_way();
        let mut rows = self.attempts(&matrix.csr, &b, &ways);
        rows.sort_by(|r, s| r.rank().cmp(&s.rank()).then(r.seconds().total_cmp(&s.seconds())));
        let solved = rows.iter().any(|r| r.rank() == 0);
        let name = match rows.len() {
            some if some < ways.len() => {
                format!("{} (cut short: {some} of {} pairs were tried)", matrix.name, ways.len())
            }
            _ => matrix.name,
        };
        if let Some(target) = &self.export {
            target.write(table(&name, &rows, kind(target.path()))?.as_bytes())?;
        }
        if !self.quiet {
            print(table(&name, &rows, Kind::Screen)?.as_bytes())?;
        }
        Ok(match signals::code() {
            Some(code) => Exit::Signal(code),
            None if solved => Exit::Success,
            None => Exit::NotConverged,
        })
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

    /// Runs each in turn, on the whole machine, until a signal comes: what it interrupts is left out.
    fn attempts<'a>(&self, a: &Arc<Csr>, b: &[f64], ways: &'a [Options]) -> Vec<Row<'a>> {
        let mut fastest: Option<Duration> = None;
        let mut rows: Vec<Row<'a>> = vec![];
        for (k, way) in ways.iter().enumerate() {
            let bound = fastest.map(|t| (t * SLOWER).max(LEAST));
            let limited = Options { time_limit: self.options.time_limit.or(bound), ..way.clone() };
            let words = format!("{} of {}: {} with {}", k + 1, ways.len(), way.method, way.preconditioner);
            let spinner = progress::working(&words, self.voice);
            let run = || compare(a, b, std::slice::from_ref(&limited), 1, &signals::halt(), |_, _| ()).swap_remove(0);
            let (outcome, times) = self.timed(run);
            drop(spinner);
            if signals::code().is_some() {
                break;
            }
            let late = outcome.as_ref().is_ok_and(|r| r.reason == Reason::TimeLimit);
            let cut = late && self.options.time_limit.is_none();
            let row = Row { way, times, outcome: outcome.map_err(|e| e.to_string()), cut };
            if self.voice == Voice::Lines {
                progress::tell(&format!("{words}: {}, {}", seconds(row.seconds()), row.end()));
            }
            if row.rank() == 0 {
                let time = row.times[row.times.len() / 2];
                fastest = Some(fastest.map_or(time, |t| t.min(time)));
            }
            rows.push(row);
        }
        rows
    }

    /// The outcome of the first run, and the times of those that count. Where one is cheap, the first warms up.
    fn timed(&self, run: impl Fn() -> Attempt) -> (krylane::Result<Report>, Vec<Duration>) {
        let (outcome, first) = run();
        let repeats = outcome.as_ref().is_ok_and(Report::is_answer);
        let mut times = if repeats && first < CHEAP { vec![] } else { vec![first] };
        let mut spent = first;
        while repeats && signals::code().is_none() {
            let wanted = match self.runs {
                Some(n) => times.len() < n as usize,
                None => times.is_empty() || times.len() < RUNS && spent + first < ENOUGH,
            };
            if !wanted {
                break;
            }
            let time = run().1;
            spent += time;
            times.push(time);
        }
        if times.is_empty() {
            times.push(first);
        }
        times.sort();
        (outcome, times)
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
        return Ok(serde_json::to_string_pretty(
            &json!({ "matrix": name, "rows": rows.iter().map(object).collect::<Vec<_>>() }),
        )? + "\n");
    }
    let best = rows.first().filter(|r| r.rank() == 0).map(Row::seconds);
    let head = [
        "method",
        "preconditioner",
        "median",
        "min",
        "max",
        "runs",
        "times best",
        "iterations",
        "|b - A x|/|b|",
        "outcome",
    ];
    let mut cells = vec![head.map(String::from)];
    cells.extend(rows.iter().map(|r| line(r, best, kind)));
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
                    writeln!(out, "|{}", "---|".repeat(row.len()))?;
                }
            }
        }
        _ => {
            let width = |c: usize| cells.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
            let widths: Vec<usize> = (0..head.len() - 1).map(width).collect();
            writeln!(
                out,
                "{name}: set-up and solve together, the median of all runs, the fastest first; every answer is certified\n"
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

/// A row as JSON.
fn object(r: &Row<'_>) -> Value {
    let [least, most] = r.range();
    let mut object = json!({
        "method": r.way.method.to_string(), "preconditioner": r.way.preconditioner.to_string(),
        "seconds": r.seconds(), "min_seconds": least, "max_seconds": most, "runs": r.times.len(),
    });
    let more = match &r.outcome {
        Ok(report) => json!({
            "used": report.ended_by(), "iterations": report.iterations, "reason": report.reason.name(), "stopped": r.cut,
            "relative": report.certificate.relative, "backward_error": report.certificate.backward_error,
        }),
        Err(e) => json!({ "refused": e }),
    };
    if let (Value::Object(all), Value::Object(more)) = (&mut object, more) {
        all.extend(more);
    }
    object
}

/// A row's cells.
fn line(r: &Row<'_>, best: Option<f64>, kind: Kind) -> [String; 10] {
    let none = || "-".to_string();
    let (method, precond) = (r.way.method.to_string(), r.way.preconditioner.to_string());
    let Ok(report) = &r.outcome else {
        let [a, b, c, d, e, f, g] = std::array::from_fn(|_| none());
        return [method, precond, a, b, c, d, e, f, g, r.end()];
    };
    let time = |t: f64| if kind == Kind::Csv { format!("{t:.6}") } else { seconds(t) };
    let [least, most] = r.range().map(time);
    let ratio = best.filter(|_| r.rank() == 0).map_or_else(none, |best| format!("{:.2}", r.seconds() / best));
    let used = report.ended_by().filter(|_| method == "auto").map_or(String::new(), |by| format!(": {by}"));
    let relative = apart(report.certificate.relative, r.way.rtol, 2);
    let (runs, iterations) = (r.times.len().to_string(), report.iterations.to_string());
    [method, precond, time(r.seconds()), least, most, runs, ratio, iterations, relative, format!("{}{used}", r.end())]
}
