//! The outcome of a solve, for people.

use super::solve::Document;
use krylane::Options;
use std::fmt::Write;
use std::io::IsTerminal;

/// Terminal colours, or none.
pub(super) struct Paint(bool);

impl Paint {
    pub(super) fn new(stdout: bool) -> Self {
        let terminal = if stdout { std::io::stdout().is_terminal() } else { std::io::stderr().is_terminal() };
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self(terminal && !plain)
    }

    pub(super) fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// The summary; `stdout` says where it goes.
pub(super) fn text(document: &Document<'_>, options: &Options, stdout: bool) -> String {
    let (r, m, paint) = (document.report, &document.matrix, Paint::new(stdout));
    let mut out = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(out, "{} {value}", paint.with("2", &format!("{label:<12}")));
    };
    let form = if m.complex { ", real form of a complex matrix" } else { "" };
    line("matrix", &format!("{}: {} x {}, {} entries, {}{form}", m.name, m.rows, m.cols, m.nnz, m.symmetry));
    if let Some(notes) = m.file {
        line("file", &notes.to_string());
    }
    for (k, choice) in r.plan.iter().enumerate() {
        line(if k == 0 { "plan" } else { "" }, choice);
    }
    if r.rungs.len() > 1 {
        for (k, rung) in r.rungs.iter().enumerate() {
            let label = if k == 0 { "tried" } else { "" };
            let name = format!("{} with {}", rung.method, rung.preconditioner);
            line(label, &format!("{name}: {} after {} iterations", rung.reason, rung.iterations));
        }
    }
    line("adapter", &format!("{} ({}, {})", r.adapter.name, r.adapter.backend, r.adapter.driver));
    let colour = if r.is_answer() { "1;32" } else { "1;31" };
    line("outcome", &paint.with(colour, &r.reason.to_string()));
    line("", r.reason.advice());
    let c = &r.certificate;
    line(
        "certificate",
        &format!(
            "|b - A x|/|b| = {:.3e}, asked for rtol {:e}{}; backward error {:.3e}",
            c.relative,
            options.rtol,
            if options.atol > 0.0 { format!(", atol {:e}", options.atol) } else { String::new() },
            c.backward_error
        ),
    );
    if let (Some(normal), Some(optimality)) = (c.normal_residual, c.optimality) {
        line("", &format!("|A'r| = {normal:.3e}, |A'r|/(|A||r|) = {optimality:.3e}"));
    }
    line("", &format!("computed on {}", c.computed_on));
    line(
        "work",
        &format!(
            "{}, {}, {}",
            count(r.iterations, "iteration"),
            count(r.matvecs, "product"),
            count(r.restarts, "restart")
        ),
    );
    let t = &r.timings;
    line(
        "time",
        &format!(
            "set-up {}, upload {}, solve {}, certify {}",
            seconds(t.setup_s),
            seconds(t.upload_s),
            seconds(t.solve_s),
            seconds(t.certify_s)
        ),
    );
    if r.bytes_moved > 0 && t.solve_s > 0.0 {
        let bytes = r.bytes_moved as f64;
        line("traffic", &format!("{:.3} GB by the model, {:.1} GB/s", bytes / 1e9, bytes / t.solve_s / 1e9));
    }
    if r.adapter.backend != "cpu" {
        let k = &r.counters;
        line("device", &format!("{} submits, {} dispatches, {} waits", k.submits, k.dispatches, k.syncs));
    }
    for warning in &r.warnings {
        line(&paint.with("33", "warning"), warning);
    }
    out
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
