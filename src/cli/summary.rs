//! The outcome of a solve, for people.

use super::document::{Document, Reports};
use super::exit::flags;
use krylane::host::digits::apart;
use krylane::picture::{Band, Curve, History, Ink};
use krylane::{Options, Reason, Report, Rung};
use std::fmt::Write;
use std::io::IsTerminal;

/// Most systems in a table; the report has all.
const ROWS: usize = 12;

/// Terminal colours, or none.
pub(super) struct Paint {
    colours: bool,
    /// The output is a terminal.
    terminal: bool,
}

impl Paint {
    pub(super) fn new(stdout: bool) -> Self {
        let terminal = if stdout { std::io::stdout().is_terminal() } else { std::io::stderr().is_terminal() };
        // A launcher gives a pseudo-terminal, wherever its own output goes.
        let terminal = terminal && super::ranks::current().is_none();
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { colours: terminal && !plain && !dumb, terminal: terminal && !dumb }
    }

    pub(super) fn with(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// Labels and values, a line each.
struct Lines {
    out: String,
    paint: Paint,
}

impl Lines {
    fn line(&mut self, label: &str, value: &str) {
        let _ = writeln!(self.out, "{} {value}", self.paint.with("2", &format!("{label:<12}")));
    }

    /// The outcome, with advice.
    fn outcome(&mut self, solved: bool, outcome: &str, advice: &str) {
        let outcome = self.paint.with(if solved { "1;32" } else { "1;31" }, outcome);
        self.line("outcome", &outcome);
        self.line("", advice);
    }

    fn work(&mut self, [iterations, products, restarts]: [usize; 3]) {
        let restarts = if restarts > 0 { format!(", {}", count(restarts, "restart")) } else { String::new() };
        self.line("work", &format!("{}, {}{restarts}", count(iterations, "iteration"), count(products, "product")));
    }
}

/// Beginnings of plan lines that are shown only in verbose mode.
const DETAILS: [&str; 5] = ["candidate ", "amg level ", "matching: ", "precision under ", "restart at most "];

/// The summary, with the whole plan if `verbose`; `stdout` says where it goes, and `goal` is the bound on ‖r‖/‖b‖ that
/// the tolerance implies, if known.
pub(super) fn text(
    document: &Document<'_, Reports<'_>>,
    options: &Options,
    verbose: bool,
    stdout: bool,
    goal: Option<f64>,
) -> String {
    let m = &document.matrix;
    let mut lines = Lines { out: String::new(), paint: Paint::new(stdout) };
    let form = if m.complex { ", real form of a complex matrix" } else { "" };
    lines.line("matrix", &format!("{}: {} x {}, {} entries, {}{form}", m.name, m.rows, m.cols, m.nnz, m.symmetry));
    if let Some(notes) = m.file {
        lines.line("file", &notes.to_string());
    }
    // Plan and warnings grow from one group of systems to the next: the last ones are complete.
    let reports = document.report.all();
    let last = &reports[reports.len() - 1];
    let mut shown: Vec<&String> = vec![];
    for line in last.plan.iter().filter(|line| verbose || !DETAILS.iter().any(|d| line.starts_with(d))) {
        // Several candidates may have the same line.
        if !shown.contains(&line) {
            shown.push(line);
        }
    }
    for (k, choice) in shown.into_iter().enumerate() {
        lines.line(if k == 0 { "plan" } else { "" }, choice);
    }
    match reports {
        [report] => one(&mut lines, report, options, (document.read_s, document.total_s)),
        systems => several(&mut lines, systems, options, (document.read_s, document.total_s)),
    }
    for warning in &last.warnings {
        let label = lines.paint.with("33", "warning");
        lines.line(&label, warning);
    }
    if lines.paint.terminal {
        let plot = plot(&lines.paint, reports, goal);
        lines.out += &plot;
    }
    lines.out
}

/// A small plot of the residuals; empty if there is no history to show.
fn plot(paint: &Paint, reports: &[Report], goal: Option<f64>) -> String {
    if reports.iter().all(|r| r.history.len() < 2) {
        return String::new();
    }
    let history = History {
        title: String::new(),
        subtitle: String::new(),
        curves: reports.iter().map(|r| Curve { history: &r.history, checks: &r.checks }).collect(),
        bands: if let [report] = reports { Band::of(report) } else { vec![] },
        tolerance: goal,
    };
    let code = |ink| match ink {
        Ink::Line => "34",
        Ink::Truth => "32",
        Ink::Goal => "33",
        Ink::Pale => "2",
    };
    format!("\n{}", history.text(60, 8, |ink, text| paint.with(code(ink), text)))
}

fn one(lines: &mut Lines, r: &Report, options: &Options, (read_s, total_s): (f64, f64)) {
    if r.rungs.len() > 1 {
        race(lines, r);
    }
    lines.line("adapter", &adapter(r));
    let early = r.iterations == 0 && matches!(r.reason, Reason::Cancelled | Reason::TimeLimit);
    let advice = if early { "No iteration was done: x is the initial guess.".into() } else { flags(&r.advice()) };
    lines.outcome(r.is_answer(), &r.reason.to_string(), &advice);
    if let Some(by) = r.ended_by() {
        lines.line(if r.is_answer() { "solved by" } else { "ended by" }, &by);
    }
    let c = &r.certificate;
    lines.line(
        "certificate",
        &format!(
            "|b - A x|/|b| = {}, {}; backward error {:.3e}",
            apart(c.relative, options.rtol, 3),
            asked(options),
            c.backward_error
        ),
    );
    if let (Some(by_component), Some(by_row)) = (c.componentwise, c.rowwise) {
        lines.line("", &format!("backward error by component {by_component:.3e}, by row {by_row:.3e}"));
    }
    if let (Some(normal), Some(optimality)) = (c.normal_residual, c.optimality) {
        lines.line("", &format!("|A'r| = {normal:.3e}, |A'r|/(|A||r|) = {optimality:.3e}"));
    }
    lines.line("", &format!("computed on {}", c.computed_on));
    lines.work([r.iterations, r.matvecs, r.restarts]);
    let t = &r.timings;
    lines.line(
        "time",
        &format!(
            "read {}, set-up {}, {} {}, solve {}, certify {}; {} in all",
            seconds(read_s),
            seconds(t.setup_s),
            if r.adapter.backend == "cpu" { "layout" } else { "upload" },
            seconds(t.upload_s),
            seconds(t.solve_s),
            seconds(t.certify_s),
            seconds(total_s)
        ),
    );
    if r.bytes_moved > 0 && t.solve_s > 0.0 {
        let bytes = r.bytes_moved as f64;
        let moved = if bytes >= 1e9 { format!("{:.2} GB", bytes / 1e9) } else { format!("{:.1} MB", bytes / 1e6) };
        lines.line("traffic", &format!("{moved} by the model, {:.1} GB/s", bytes / t.solve_s / 1e9));
    }
    let k = &r.counters;
    if k.reductions > 0 {
        let (sent, waited) = (k.bytes_sent as f64 / 1e6, k.waited_us as f64 / 1e6);
        let text = format!(
            "rank 0 sent {sent:.2} MB: {}, {} of all ranks; it waited {}",
            count(k.messages as usize, "message"),
            count(k.reductions as usize, "exchange"),
            seconds(waited)
        );
        lines.line("ranks", &text);
    }
    if r.adapter.kind != krylane::DeviceKind::Cpu {
        lines.line("device", &format!("{} submits, {} dispatches, {} waits", k.submits, k.dispatches, k.syncs));
    }
}

/// A table of the candidates that were tried.
fn race(lines: &mut Lines, r: &Report) {
    let name = |k: usize, r: &Rung| format!("{} {}", k + 1, r.name());
    let wide = r.rungs.iter().enumerate().map(|(k, r)| name(k, r).chars().count()).max().unwrap_or(0).max(9);
    let head = format!(
        "{:wide$}  {:>8}  {:>10}  {:>6}  {:>8}  verdict",
        "candidate", "set-up", "iterations", "digits", "expected"
    );
    lines.line("race", &head);
    for (k, rung) in r.rungs.iter().enumerate() {
        let setup = seconds(rung.setup_s);
        let expected = rung.expected.map_or_else(|| "-".into(), |e| e.to_string());
        let Rung { iterations, reason, .. } = rung;
        // The estimate may have dropped to zero.
        let digits = rung.digits.min(16.0);
        let row =
            format!("{:wide$}  {setup:>8}  {iterations:>10}  {digits:>6.1}  {expected:>8}  {reason}", name(k, rung));
        lines.line("", &row);
    }
}

/// A table of systems, worst first.
fn several(lines: &mut Lines, systems: &[Report], options: &Options, (read_s, total_s): (f64, f64)) {
    let mut order: Vec<usize> = (0..systems.len()).collect();
    // Systems without an answer first, then by descending residual.
    let rank = |k: usize| (systems[k].is_answer(), systems[k].certificate.relative);
    order.sort_by(|&j, &k| rank(j).0.cmp(&rank(k).0).then(rank(k).1.total_cmp(&rank(j).1)));
    let worst = &systems[order[0]];
    lines.line("adapter", &adapter(worst));
    lines.outcome(worst.is_answer(), &solved(systems), &flags(&worst.advice()));
    lines.line("systems", &format!("number  iterations  |b - A x|/|b|  outcome (worst first; {})", asked(options)));
    for &k in order.iter().take(ROWS) {
        let Report { iterations, certificate, reason, .. } = &systems[k];
        let relative = apart(certificate.relative, options.rtol, 3);
        lines.line("", &format!("{k:>6}  {iterations:>10}  {relative:>13}  {reason}"));
    }
    if systems.len() > ROWS {
        lines.line("", &format!("and {} more", systems.len() - ROWS));
    }
    let sum = |part: fn(&Report) -> usize| systems.iter().map(part).sum();
    lines.work([sum(|r| r.iterations), sum(|r| r.matvecs), sum(|r| r.restarts)]);
    let certify_s: f64 = systems.iter().map(|r| r.timings.certify_s).sum();
    let [read, certify, total] = [read_s, certify_s, total_s].map(seconds);
    lines.line("time", &format!("read {read}, certify {certify}; {total} in all"));
}

/// How several systems ended.
pub(super) fn solved(systems: &[Report]) -> String {
    format!("{} of {} systems solved", systems.iter().filter(|r| r.is_answer()).count(), systems.len())
}

fn adapter(r: &Report) -> String {
    format!("{} ({}, {})", r.adapter.name, r.adapter.backend, r.adapter.driver)
}

fn asked(options: &Options) -> String {
    let atol = if options.atol > 0.0 { format!(", atol {:e}", options.atol) } else { String::new() };
    format!("asked for rtol {:e}{atol}", options.rtol)
}

pub(super) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

pub(super) fn seconds(s: f64) -> String {
    match s {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} us", s * 1e6),
    }
}
