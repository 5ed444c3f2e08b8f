//! A report as one self-contained HTML file: no network, light and dark, fit to be attached to a ticket.

use super::bars::{parts, row_lengths};
use super::history::{Band, Curve, History};
use super::spectrum::spectrum;
use super::spy::spy;
use super::svg::escape;
use crate::analyse::certify::Certificate;
use crate::backend::AdapterInfo;
use crate::eigen::{EigenReport, Eigenvalue, Outcome, SvdReport};
use crate::matrix::{Csr, Stats};
use crate::report::{Report, Timings};
use std::fmt::Write;

/// What a page says beside the report's own content.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    /// The system's name.
    pub name: &'a str,
    /// The matrix: its pattern and its rows are drawn.
    pub matrix: Option<&'a Csr>,
    /// ‖r‖/‖b‖ that was asked for.
    pub tolerance: Option<f64>,
    /// What reproduces the run, as a command line.
    pub command: Option<&'a str>,
}

/// The page of a linear solve.
#[must_use]
pub fn solve_page(report: &Report, about: &About) -> String {
    let c = &report.certificate;
    let mut page = Page::new(about.name, report.is_answer(), &report.reason.to_string(), &report.advice());
    page.figure("‖b − Ax‖ / ‖b‖", &format!("{:.2e}", c.relative));
    page.figure("backward error", &format!("{:.2e}", c.backward_error));
    page.figure("iterations", &report.iterations.to_string());
    page.figure("time", &seconds(total(&report.timings)));
    let curve = Curve { history: &report.history, checks: &report.checks };
    let subtitle = format!("{} with {}, {}", report.method, report.preconditioner, report.adapter.name);
    let bands = Band::of(report);
    let history =
        History { title: "Residual".into(), subtitle, curves: vec![curve], bands, tolerance: about.tolerance };
    page.section("Residual history", &format!("<div class=\"scroll\">{}</div>", history.svg()));
    if !report.rungs.is_empty() {
        let rows = report.rungs.iter().map(|r| {
            let left = r.expected.map_or(String::new(), |left| format!(", {left} more expected"));
            [
                format!("{} + {}", r.method, r.preconditioner),
                number_type(&r.precision),
                seconds(r.setup_s),
                r.iterations.to_string(),
                format!("{:.1}", r.digits),
                format!("{}{left}", r.reason),
            ]
        });
        page.table("The race", &["candidate", "iterates in", "set-up", "iterations", "digits", "verdict"], rows);
    }
    page.certificate(c);
    page.matrix(about.matrix);
    page.time(&report.timings, report.bytes_moved);
    page.end(&report.plan, &report.warnings, &report.adapter, about)
}

/// The page of an eigenproblem.
#[must_use]
pub fn eigen_page(report: &EigenReport, about: &About) -> String {
    pairs(&report.outcome, &report.eigenvalues, &report.residuals, "eigenvalue", about)
}

/// The page of a search for singular triplets.
#[must_use]
pub fn svd_page(report: &SvdReport, about: &About) -> String {
    let values: Vec<_> = report.singular_values.iter().map(|&re| Eigenvalue { re, im: 0.0 }).collect();
    pairs(&report.outcome, &values, &report.residuals, "singular value", about)
}

fn pairs(outcome: &Outcome, values: &[Eigenvalue], residuals: &[f64], what: &str, about: &About) -> String {
    let mut page = Page::new(about.name, outcome.reason.is_converged(), &outcome.reason.to_string(), &outcome.advice);
    page.figure(&format!("{what}s"), &values.len().to_string());
    page.figure("products", &outcome.matvecs.to_string());
    let worst = residuals.iter().fold(0.0f64, |m, r| if *r > m || r.is_nan() { *r } else { m });
    page.figure("largest residual", &format!("{worst:.2e}"));
    page.figure("time", &seconds(total(&outcome.timings)));
    page.section("Spectrum", &format!("<div class=\"scroll\">{}</div>", spectrum(values, residuals)));
    let rows = values
        .iter()
        .zip(residuals)
        .map(|(v, r)| [v.to_string(), format!("{r:.2e}"), format!("{:.2e}", r / outcome.matrix_norm)]);
    page.table("Values", &[what, "residual", "residual / ‖A‖"], rows);
    page.matrix(about.matrix);
    page.time(&outcome.timings, 0);
    page.end(&outcome.plan, &outcome.warnings, &outcome.adapter, about)
}

/// A page that grows from top to bottom.
struct Page {
    title: String,
    banner: String,
    figures: String,
    sections: String,
}

impl Page {
    fn new(name: &str, good: bool, outcome: &str, advice: &str) -> Self {
        let title = if name.is_empty() { "krylane".to_string() } else { format!("{} · krylane", escape(name, 80)) };
        let banner = format!(
            "<header class=\"{}\"><p class=\"name\">{}</p><h1>{}</h1><p>{}</p></header>",
            if good { "good" } else { "bad" },
            escape(name, 120),
            escape(outcome, 160),
            escape(advice, 600)
        );
        Self { title, banner, figures: String::new(), sections: String::new() }
    }

    fn figure(&mut self, label: &str, value: &str) {
        let _ = write!(self.figures, "<div><b>{}</b><span>{}</span></div>", escape(value, 40), escape(label, 40));
    }

    fn section(&mut self, heading: &str, html: &str) {
        let _ = write!(self.sections, "<section><h2>{}</h2>{html}</section>", escape(heading, 80));
    }

    fn table<const N: usize>(&mut self, heading: &str, head: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
        let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
        for cell in head {
            let _ = write!(html, "<th>{}</th>", escape(cell, 60));
        }
        html += "</tr></thead><tbody>";
        for row in rows {
            html += "<tr>";
            for cell in row {
                let _ = write!(html, "<td>{}</td>", escape(&cell, 400));
            }
            html += "</tr>";
        }
        self.section(heading, &(html + "</tbody></table></div>"));
    }

    fn certificate(&mut self, c: &Certificate) {
        let part = |v: Option<f64>| v.map_or("unknown for an operator".to_string(), |v| format!("{v:.6e}"));
        let mut rows = vec![
            ["‖b − Ax‖".to_string(), format!("{:.6e}", c.absolute)],
            ["‖b − Ax‖ / ‖b‖".into(), format!("{:.6e}", c.relative)],
            ["‖b − Ax‖ / (‖A‖‖x‖ + ‖b‖)".into(), format!("{:.6e}", c.backward_error)],
            ["max |r|ᵢ / (‖aᵢ‖‖x‖ + |bᵢ|), row by row".into(), part(c.rowwise)],
            ["max |r|ᵢ / (|A||x| + |b|)ᵢ, by component".into(), part(c.componentwise)],
            ["‖b‖".into(), format!("{:.6e}", c.rhs_norm)],
            ["‖x‖".into(), format!("{:.6e}", c.solution_norm)],
        ];
        if let (Some(normal), Some(optimality)) = (c.normal_residual, c.optimality) {
            rows.push(["‖Aᵀr‖".into(), format!("{normal:.6e}")]);
            rows.push(["‖Aᵀr‖ / (‖A‖‖r‖)".into(), format!("{optimality:.6e}")]);
        }
        rows.push(["computed on".into(), c.computed_on.to_string()]);
        self.table("Certificate", &["quantity", "recomputed in f64"], rows.into_iter());
    }

    fn matrix(&mut self, a: Option<&Csr>) {
        let Some(a) = a else { return };
        let facts = escape(&Stats::of(a).to_string(), 4000);
        let html = format!(
            "<div class=\"pair\"><figure>{}<figcaption>pattern, {} × {}, {} entries</figcaption></figure>\
             <figure>{}<figcaption>rows by length</figcaption></figure></div><pre>{facts}</pre>",
            spy(a),
            a.rows(),
            a.cols(),
            a.nnz(),
            row_lengths(a)
        );
        self.section("Matrix", &html);
    }

    fn time(&mut self, t: &Timings, bytes: u64) {
        let stages =
            [("set-up", t.setup_s), ("upload", t.upload_s), ("iterations", t.solve_s), ("certificates", t.certify_s)];
        let mut html = parts(&stages, seconds);
        if bytes > 0 && t.solve_s > 0.0 {
            let (gigabytes, rate) = (bytes as f64 / 1e9, bytes as f64 / 1e9 / t.solve_s);
            let _ = write!(html, "<p>{gigabytes:.3} GB moved by the iterations (by the model): {rate:.1} GB/s.</p>");
        }
        self.section("Time", &html);
    }

    fn end(mut self, plan: &[String], warnings: &[String], adapter: &AdapterInfo, about: &About) -> String {
        let list = |lines: &[String]| {
            let items: String = lines.iter().map(|l| format!("<li>{}</li>", escape(l, 1000))).collect();
            format!("<ul>{items}</ul>")
        };
        if !warnings.is_empty() {
            self.section("Warnings", &list(warnings));
        }
        if !plan.is_empty() {
            self.section("What was chosen, and why", &list(plan));
        }
        let command = about.command.map_or(String::new(), |c| format!("<pre>{}</pre>", escape(c, 4000)));
        let text = format!(
            "{command}<p>krylane {} on {} ({}, {}).</p>",
            env!("CARGO_PKG_VERSION"),
            escape(&adapter.name, 120),
            escape(&adapter.backend, 40),
            escape(&adapter.driver, 120)
        );
        self.section("How to reproduce it", &text);
        let Self { title, banner, figures, sections } = self;
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title><style>{PAGE}</style></head><body><main>{banner}<div class=\"figures\">{figures}</div>{sections}</main></body></html>\n"
        )
    }
}

fn total(t: &Timings) -> f64 {
    t.setup_s + t.upload_s + t.solve_s + t.certify_s
}

fn seconds(s: f64) -> String {
    match s {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

fn number_type(plan: &crate::op::Precisions) -> String {
    if plan.working == plan.accumulate {
        plan.working.to_string()
    } else {
        format!("{}, residual in {}", plan.working, plan.accumulate)
    }
}

const PAGE: &str = ":root{color-scheme:light dark;--ink:#1f2328;--pale:#59636e;--paper:#fff;--card:#f6f8fa;--line:#d1d9e0;--good:#1a7f37;--bad:#cf222e}\
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--pale:#9198a1;--paper:#0d1117;--card:#151b23;--line:#3d444d;--good:#3fb950;--bad:#f85149}}\
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,Helvetica,Arial,sans-serif}\
main{max-width:960px;margin:0 auto;padding:24px 20px 60px}header{border-left:6px solid;padding:4px 18px;margin-bottom:24px}\
header.good{border-color:var(--good)}header.bad{border-color:var(--bad)}header.good h1{color:var(--good)}header.bad h1{color:var(--bad)}\
h1{font-size:1.7rem;margin:2px 0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:36px 0 10px;border-bottom:1px solid var(--line);padding-bottom:5px}\
.name{color:var(--pale);margin:0;overflow-wrap:anywhere}header p{margin:2px 0}\
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}\
.figures div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}\
.figures b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.figures span{color:var(--pale);font-size:.88rem}\
svg.figure{width:100%;min-width:560px;height:auto;display:block}.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}\
th{color:var(--pale);font-weight:600;font-size:.88rem}.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:24px;align-items:end}\
figure{margin:0}figure svg{width:100%;height:auto;max-height:420px}figcaption{color:var(--pale);font-size:.88rem;text-align:center}\
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;overflow-x:auto;font-size:.85rem}\
.stack{width:100%;height:26px;display:block;border-radius:5px}.legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 22px;padding:0;margin:10px 0}\
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:7px}.key0{background:#0969da}.key1{background:#8250df}.key2{background:#1a7f37}.key3{background:#bf8700}\
li{margin:3px 0;overflow-wrap:anywhere}";
