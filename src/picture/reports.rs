//! The page of a report: outcome and advice first, then how it came about, then what reproduces it.

use super::bars::{levels, parts, row_lengths, rows};
use super::history::{Band, Curve, History};
use super::page::{Page, at_two_widths, bytes, captioned, facts, rate, seconds, table};
use super::spectrum::{Point, spectrum};
use super::spy::spy;
use super::svg::escape;
use crate::analyse::certify::Certificate;
use crate::backend::AdapterInfo;
use crate::bench;
use crate::eigen::{EigenOptions, EigenReport, Eigenvalue, Outcome, SvdReport, Which, eigs};
use crate::host::digits::apart;
use crate::host::halt::Halt;
use crate::matrix::order::rcm;
use crate::matrix::{Csr, Stats};
use crate::options::Backend;
use crate::precond::LevelLine;
use crate::report::{Report, Timings};
use std::fmt::Write;
use std::time::Duration;

/// What a page shows beyond the report's own content.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    /// The system's name.
    pub name: &'a str,
    /// The matrix: its pattern, its rows and an estimate of its spectrum are drawn.
    pub matrix: Option<&'a Csr>,
    /// ‖r‖/‖b‖ that was asked for.
    pub tolerance: Option<f64>,
    /// What reproduces the run, as a command line.
    pub command: Option<&'a str>,
    /// Seconds spent on reading or generating the matrix.
    pub read_s: Option<f64>,
    /// Total seconds, from the first byte read.
    pub total_s: Option<f64>,
    /// The machine's memory bandwidth in 10⁹ bytes per second, as [`bench::bandwidth`] measures it.
    pub bandwidth: Option<f64>,
}

/// Most systems in a table.
const SYSTEMS: usize = 40;

impl Report {
    /// The report as one self-contained HTML page. [`solve_page`] can show more: the matrix, the command, other
    /// right-hand sides.
    #[must_use]
    pub fn to_html(&self) -> String {
        solve_page(std::slice::from_ref(self), &About::default())
    }
}

impl EigenReport {
    /// As [`Report::to_html`]; [`eigen_page`] can show more.
    #[must_use]
    pub fn to_html(&self) -> String {
        eigen_page(self, &About::default())
    }
}

impl SvdReport {
    /// As [`Report::to_html`]; [`svd_page`] can show more.
    #[must_use]
    pub fn to_html(&self) -> String {
        svd_page(self, &About::default())
    }
}

/// The page of a linear solve, of one right-hand side or several with one matrix.
///
/// # Panics
/// Where there are no reports.
#[must_use]
pub fn solve_page(reports: &[Report], about: &About) -> String {
    // The worst system stands for all: a failed one first, then the largest residual.
    let rank = |r: &Report| (r.is_answer(), r.certificate.relative);
    let mut order: Vec<usize> = (0..reports.len()).collect();
    order.sort_by(|&j, &k| {
        let (p, q) = (rank(&reports[j]), rank(&reports[k]));
        p.0.cmp(&q.0).then(q.1.total_cmp(&p.1))
    });
    let report = &reports[order[0]];
    let c = &report.certificate;
    let solved = reports.iter().filter(|r| r.is_answer()).count();
    let outcome = match reports {
        [_] => report.reason.to_string(),
        _ => format!("{solved} of {} systems solved", reports.len()),
    };
    let mut page = Page::new(about.name, Some(solved == reports.len()), &outcome, &report.advice());
    let worst = if reports.len() > 1 { "largest " } else { "" };
    page.figure(&format!("{worst}‖b − Ax‖ / ‖b‖"), &relative(c, about));
    page.figure(&format!("{worst}backward error"), &format!("{:.2e}", c.backward_error));
    if let ([_], Some(by)) = (reports, report.ended_by()) {
        page.figure(if report.is_answer() { "solved by" } else { "ended by" }, &by);
    }
    page.figure("iterations", &reports.iter().map(|r| r.iterations).sum::<usize>().to_string());
    match about.total_s {
        _ if reports.len() == 1 => page.figure("set-up and solve", &seconds(total(&report.timings))),
        Some(s) => page.figure("in all", &seconds(s)),
        None => {}
    }
    page.list("Warnings", &report.warnings);
    let history = History {
        title: String::new(),
        subtitle: String::new(),
        curves: reports.iter().map(|r| Curve { history: &r.history, checks: &r.checks }).collect(),
        bands: if reports.len() == 1 { Band::of(report) } else { vec![] },
        tolerance: about.tolerance,
    };
    if reports.iter().any(|r| !r.history.is_empty()) {
        let (wide, narrow) = (history.drawing(880.0, 340.0, false), history.drawing(420.0, 300.0, false));
        page.section("Residual history", &at_two_widths(&wide, &narrow));
    }
    if reports.len() > 1 {
        let rows = order.iter().take(SYSTEMS).map(|&k| {
            let r = &reports[k];
            let relative = format!("{:.2e}", r.certificate.relative);
            [k.to_string(), r.iterations.to_string(), relative, r.ended_by().unwrap_or_default(), r.reason.to_string()]
        });
        let mut html = table(&["system", "iterations", "‖b − Ax‖ / ‖b‖", "by", "outcome"], rows);
        if reports.len() > SYSTEMS {
            let _ = write!(html, "<p class=\"note\">And {} more, with smaller residuals.</p>", reports.len() - SYSTEMS);
        }
        page.section("Systems, the worst first", &html);
    }
    if report.rungs.len() > 1 {
        page.section("The race", &race(report));
    }
    page.section(if reports.len() > 1 { "Certificate of the worst" } else { "Certificate" }, &certificate(c, about));
    if let Some(a) = about.matrix {
        matrix(&mut page, a, report.plan.iter().any(|line| line.starts_with("order reverse")));
        estimate(&mut page, a);
    }
    multigrid(&mut page, &report.plan);
    if reports.len() == 1 {
        time(&mut page, &report.timings, report.bytes_moved, &report.adapter, about);
    }
    end(page, &report.plan, &report.adapter, about)
}

fn race(report: &Report) -> String {
    let rows = report.rungs.iter().enumerate().map(|(k, r)| {
        let left = r.expected.map_or(String::new(), |left| format!(", {left} more expected"));
        [
            (k + 1).to_string(),
            r.name(),
            if r.precision.working == r.precision.accumulate {
                r.precision.working.to_string()
            } else {
                format!("{}, residual in {}", r.precision.working, r.precision.accumulate)
            },
            seconds(r.setup_s),
            r.iterations.to_string(),
            format!("{:.1}", r.digits.clamp(-99.0, 16.0)),
            format!("{}{left}", r.reason),
        ]
    });
    table(&["no.", "candidate", "iterates in", "set-up", "iterations", "digits", "verdict"], rows)
}

/// ‖b − Ax‖/‖b‖, in digits that tell it from what was asked for.
fn relative(c: &Certificate, about: &About) -> String {
    apart(c.relative, about.tolerance.unwrap_or(0.0), 2)
}

fn certificate(c: &Certificate, about: &About) -> String {
    let part = |v: Option<f64>| v.map_or("unknown for an operator".to_string(), |v| format!("{v:.2e}"));
    let asked = about.tolerance.map_or(String::new(), |t| format!(" (asked for: {t:.1e})"));
    let mut lines = vec![
        ("‖b − Ax‖ / ‖b‖", relative(c, about) + &asked),
        ("‖b − Ax‖ / (‖A‖‖x‖ + ‖b‖), backward error by norm", format!("{:.2e}", c.backward_error)),
        ("max |r|ᵢ / (‖aᵢ‖‖x‖ + |bᵢ|), by row", part(c.rowwise)),
        ("max |r|ᵢ / (|A||x| + |b|)ᵢ, by component", part(c.componentwise)),
        ("‖b − Ax‖, ‖b‖, ‖x‖", format!("{:.2e}, {:.2e}, {:.2e}", c.absolute, c.rhs_norm, c.solution_norm)),
    ];
    if let (Some(normal), Some(optimality)) = (c.normal_residual, c.optimality) {
        lines.push(("‖Aᵀr‖, ‖Aᵀr‖ / (‖A‖‖r‖)", format!("{normal:.2e}, {optimality:.2e}")));
    }
    lines.push(("recomputed on", c.computed_on.to_string()));
    let lines: Vec<(String, String)> = lines.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    facts(&lines)
}

/// The page of an eigenproblem.
#[must_use]
pub fn eigen_page(report: &EigenReport, about: &About) -> String {
    pairs(
        &report.outcome,
        &report.eigenvalues,
        &report.texts(),
        (&report.residuals, &report.bounds),
        "eigenvalue",
        about,
    )
}

/// The page of a search for singular triplets.
#[must_use]
pub fn svd_page(report: &SvdReport, about: &About) -> String {
    let values: Vec<_> = report.singular_values.iter().map(|&re| Eigenvalue { re, im: 0.0 }).collect();
    pairs(&report.outcome, &values, &report.texts(), (&report.residuals, &report.bounds), "singular value", about)
}

fn pairs(
    outcome: &Outcome,
    values: &[Eigenvalue],
    texts: &[String],
    (residuals, bounds): (&[f64], &[f64]),
    what: &str,
    about: &About,
) -> String {
    let good = outcome.reason.is_converged();
    let mut page = Page::new(about.name, Some(good), &outcome.reason.to_string(), &outcome.advice);
    // Residuals relative to the scale of their bounds.
    let part = |k: usize| if bounds[k] > 0.0 { residuals[k] / bounds[k] * outcome.tolerance } else { residuals[k] };
    let parts: Vec<f64> = (0..values.len()).map(part).collect();
    let verified = (0..values.len()).filter(|&k| residuals[k] <= bounds[k]).count();
    page.figure(&format!("{what}s verified"), &format!("{verified} of {}", values.len()));
    let worst = parts.iter().fold(0.0f64, |m, r| if *r > m || r.is_nan() { *r } else { m });
    page.figure("largest residual / ‖A‖", &format!("{worst:.2e}"));
    match outcome.inner_solves {
        0 => page.figure("products", &outcome.matvecs.to_string()),
        solves => page.figure("inner solves", &solves.to_string()),
    }
    page.figure("set-up and solve", &seconds(total(&outcome.timings)));
    page.list("Warnings", &outcome.warnings);
    let points: Vec<Point> = (0..values.len())
        .map(|k| Point {
            value: values[k],
            text: texts[k].clone(),
            residual: parts[k],
            verified: residuals[k] <= bounds[k],
        })
        .collect();
    let draw = |wide| spectrum(&points, Some(outcome.tolerance), what, wide);
    let real = values.iter().all(|v| v.im == 0.0);
    let goal = if real { "The dashed line is the residual that was asked for. " } else { "" };
    let rings = if verified < values.len() { "Rings are values that are not verified." } else { "" };
    let note = format!("<p class=\"note\">{goal}{rings}</p>");
    page.section("Spectrum", &(at_two_widths(&draw(880.0), &draw(420.0)) + &note));
    let rows = (0..values.len()).map(|k| {
        let verdict = if residuals[k] <= bounds[k] { "yes" } else { "no" };
        [
            (k + 1).to_string(),
            texts[k].clone(),
            format!("{:.2e}", residuals[k]),
            format!("{:.2e}", parts[k]),
            verdict.into(),
        ]
    });
    let measure = if outcome.mass_norm.is_some() { "residual / (‖A‖ + |λ|‖B‖)" } else { "residual / ‖A‖" };
    page.section("Values", &table(&["no.", what, "residual", measure, "verified"], rows));
    if let Some(a) = about.matrix {
        matrix(&mut page, a, false);
    }
    multigrid(&mut page, &outcome.plan);
    time(&mut page, &outcome.timings, 0, &outcome.adapter, about);
    end(page, &outcome.plan, &outcome.adapter, about)
}

/// The page of measurements.
#[must_use]
pub fn bench_page(rows: &[bench::Row], about: &About) -> String {
    let outcome = format!("{} measurements", rows.len());
    let mut page = Page::new(
        about.name,
        None,
        &outcome,
        "Bytes by the model over the time measured, beside a triad a = b + s c of long vectors.",
    );
    for group in rows.chunk_by(|a, b| (&a.device, &a.precision) == (&b.device, &b.precision)) {
        let named = |r: &bench::Row| {
            if r.operation == "triad" { "triad".into() } else { format!("{}, {}", r.operation, r.problem) }
        };
        let bars: Vec<_> = group.iter().map(|r| (named(r), r.gb_per_s, rate(r.gb_per_s))).collect();
        let lines = group.iter().map(|r| {
            let per_row = format!("{:.1}", r.bytes as f64 / r.n.max(1) as f64);
            [
                named(r),
                r.n.to_string(),
                format!("{:.4}", r.milliseconds),
                per_row,
                format!("{:.0} %", 100.0 * r.fraction),
            ]
        });
        let class = |k: usize| if k == 0 { "key4" } else { "key0" };
        let html =
            self::rows(&bars, class) + &table(&["operation", "rows", "ms", "bytes a row", "of the triad"], lines);
        page.section(&format!("{}, {}", group[0].device, group[0].precision), &html);
    }
    reproduce(&mut page, &format!("krylane {}.", env!("CARGO_PKG_VERSION")), about);
    page.end()
}

/// Pictures of the matrix, as stored and reordered, and facts about it; `reordered` if the solve used that order.
fn matrix(page: &mut Page, a: &Csr, reordered: bool) {
    let size = format!("as stored: {} × {}, {} entries", a.rows(), a.cols(), a.nnz());
    let mut pictures = captioned(&spy(a, None), &size);
    if a.rows() == a.cols() && a.nnz() <= REORDERED {
        let order = rcm::order(a, &Halt::default()).expect("nothing halts it");
        let (before, after) = (rcm::mean_distance(a, None), rcm::mean_distance(a, Some(&order)));
        let used = if reordered { "as it was solved" } else { "not needed here" };
        let caption =
            format!("in the order of reverse Cuthill–McKee ({used}): mean |i − j| from {before:.0} to {after:.0}");
        pictures += &captioned(&spy(a, Some(&order)), &caption);
    }
    let lengths = captioned(&row_lengths(a), "rows by their number of entries");
    let html = format!(
        "<div class=\"pair\">{pictures}</div><div class=\"pair\">{lengths}{}</div>",
        facts(&Stats::of(a).lines())
    );
    page.section("Matrix", &html);
}

/// Most entries of a matrix that is reordered for a picture.
const REORDERED: usize = 20_000_000;

/// Products that an estimate of the spectrum takes, and most rows of a matrix that gets one.
const PRODUCTS: usize = 60;
const ESTIMATED: usize = 500_000;

/// Outer eigenvalues of A, estimated by a few dozen products.
fn estimate(page: &mut Page, a: &Csr) {
    if a.rows() != a.cols() || !(2..=ESTIMATED).contains(&a.rows()) {
        return;
    }
    let symmetric = a.first_asymmetry(1e-12).is_none();
    let options = EigenOptions {
        k: 24.min(a.rows() / 3).max(1),
        which: if symmetric { Which::BE } else { Which::LM },
        method: if symmetric { "lanczos" } else { "arnoldi" }.into(),
        tol: 1e-6,
        subspace: Some(PRODUCTS.min(a.rows())),
        max_iterations: PRODUCTS,
        backend: Backend::Cpu,
        time_limit: Some(Duration::from_secs(10)),
        ..EigenOptions::default()
    };
    let Ok(found) = eigs(a, options) else { return };
    let points: Vec<Point> = (0..found.eigenvalues.len())
        .map(|k| Point {
            value: found.eigenvalues[k],
            text: found.texts()[k].clone(),
            residual: found.residuals[k] / found.matrix_norm,
            verified: found.residuals[k] <= found.bounds[k],
        })
        .collect();
    if points.is_empty() {
        return;
    }
    let draw = |wide| spectrum(&points, None, "eigenvalue", wide);
    let by = if symmetric { "Lanczos" } else { "Arnoldi" };
    let mut note = format!(
        "Outer Ritz values of A after {} products by {by}: dots are verified to 1e-6, rings are estimates.",
        found.matvecs
    );
    let real = || found.eigenvalues.iter().map(|v| v.re);
    let (low, high) = (real().fold(f64::INFINITY, f64::min), real().fold(f64::NEG_INFINITY, f64::max));
    if symmetric && low > 0.0 {
        // Ritz values lie inside the spectrum.
        let _ = write!(note, " The condition number is {:.1e} or more.", high / low);
    } else if symmetric && low < 0.0 && high > 0.0 {
        note += " There are eigenvalues of both signs: A is indefinite.";
    }
    let html = at_two_widths(&draw(880.0), &draw(420.0)) + &format!("<p class=\"note\">{}</p>", escape(&note, 400));
    page.section("Spectrum, estimated", &html);
}

/// The levels that the plan lists, of the last hierarchy where there are several.
fn multigrid(page: &mut Page, plan: &[String]) {
    let mut found: Vec<(usize, usize, String)> = vec![];
    for level in plan.iter().filter_map(|line| LevelLine::parse(line)) {
        if level.number == 0 {
            found.clear();
        }
        found.push((level.rows, level.entries, level.solve));
    }
    if found.len() > 1 {
        page.section("Levels of multigrid", &levels(&found));
    }
}

fn time(page: &mut Page, t: &Timings, moved: u64, adapter: &AdapterInfo, about: &About) {
    let cpu = adapter.backend == "cpu";
    let mut stages = vec![
        ("set-up", t.setup_s),
        (if cpu { "layout in memory" } else { "upload" }, t.upload_s),
        ("iterations", t.solve_s),
        ("certificates", t.certify_s),
    ];
    if let Some(s) = about.read_s {
        stages.push(("reading", s));
    }
    let mut html = parts(&stages, seconds);
    if moved > 0 && t.solve_s > 0.0 {
        let reached = moved as f64 / 1e9 / t.solve_s;
        let moved = bytes(moved as f64);
        match about.bandwidth.filter(|_| cpu) {
            Some(roof) => {
                let bars = [
                    ("iterations".to_string(), reached, rate(reached)),
                    ("the machine's memory (triad)".into(), roof, rate(roof)),
                ];
                let note = if reached > roof { "; caches held a part of it" } else { "" };
                html += &rows(&bars, |k| ["key2", "key4"][k]);
                let _ = write!(html, "<p class=\"note\">{moved} were moved by the iterations, by the model{note}.</p>");
            }
            None => {
                let _ = write!(
                    html,
                    "<p class=\"note\">{moved} were moved by the iterations, by the model: {}.</p>",
                    rate(reached)
                );
            }
        }
    }
    page.section("Time", &html);
}

fn end(mut page: Page, plan: &[String], adapter: &AdapterInfo, about: &About) -> String {
    let plan: Vec<String> = plan.iter().filter(|line| LevelLine::parse(line).is_none()).cloned().collect();
    page.list("What was chosen, and why", &plan);
    let AdapterInfo { name, backend, driver, .. } = adapter;
    let version = env!("CARGO_PKG_VERSION");
    let on = if backend == "cpu" { name.clone() } else { format!("{name} ({backend}, {driver})") };
    reproduce(&mut page, &format!("krylane {version} on {on}."), about);
    page.end()
}

fn reproduce(page: &mut Page, version: &str, about: &About) {
    let command = about.command.map_or(String::new(), |c| format!("<pre>{}</pre>", escape(c, 4000)));
    page.section("How to reproduce it", &format!("{command}<p>{}</p>", escape(version, 300)));
}

fn total(t: &Timings) -> f64 {
    t.setup_s + t.upload_s + t.solve_s + t.certify_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Solver;
    use crate::matrix::gallery;

    /// Every element is closed, and nothing is fetched.
    fn whole(html: &str) {
        for tag in ["svg", "table", "section", "figure", "main", "ul", "div", "g"] {
            let opened = html.matches(&format!("<{tag} ")).count() + html.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(!html.contains("NaN") && !html.contains("<script") && !html.contains("src="));
    }

    #[test]
    fn pages_are_whole() {
        let a = gallery::poisson2d(30);
        let b = vec![vec![1.0; a.rows()], vec![0.0; a.rows()]];
        let mut solver =
            Solver::new(&a, crate::Options { backend: Backend::Cpu, ..crate::Options::default() }).unwrap();
        let reports = solver.solve_many(&b).unwrap();
        let about =
            About { name: "a<b", matrix: Some(&a), tolerance: Some(1e-8), bandwidth: Some(10.0), ..About::default() };
        for html in [reports[0].to_html(), solve_page(&reports, &about), solve_page(&reports[..1], &about)] {
            whole(&html);
        }
        let found = eigs(&a, EigenOptions { k: 3, backend: Backend::Cpu, ..EigenOptions::default() }).unwrap();
        whole(&found.to_html());
        whole(&eigen_page(&found, &about));
        let found = crate::svds(&a, EigenOptions { k: 2, backend: Backend::Cpu, ..EigenOptions::default() }).unwrap();
        whole(&found.to_html());
    }
}
