//! Verdicts on what the library says, by arithmetic of our own (`exact`): never by its certificates.

use crate::exact::{self, Twofold, exponent, least_residual, norm, shift};
use crate::problems::{Case, Task};
use krylane::matrix::Csr;
use krylane::{Criterion, EigenOptions, EigenReport, Error, Method, Options, Reason, Report, Solver, SvdReport, Which};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// What is wrong, in the words that are counted, and its numbers.
pub(crate) struct Fault {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

fn fault(kind: &'static str, text: impl Into<String>) -> Option<Fault> {
    Some(Fault { kind, text: text.into() })
}

/// How a case ended, for the count, and what is wrong with it.
pub(crate) struct Verdict {
    pub(crate) outcome: String,
    pub(crate) fault: Option<Fault>,
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Where the last panic was, on whatever thread.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// What a caller's own panic says.
pub(crate) const OWN: &str = "the caller's own";

/// Keeps panics that are counted quiet, on whatever thread of the library; those of the campaign itself are told.
pub(crate) fn quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = panic.location().map(ToString::to_string);
        let ours = panic.location().is_some_and(|place| place.file().contains("campaign"));
        if ours && !GUARDED.get() {
            usual(panic);
        }
    }));
}

/// What `work` returns, or that it panicked.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    let before = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let text = text.unwrap_or_default();
        Fault { kind: "panic", text: if text == OWN { text } else { format!("{text} at {place}") } }
    })
}

/// Runs the case and judges it.
pub(crate) fn verdict(case: &Case) -> Verdict {
    let Ok(a) = case.matrix() else { return Verdict { outcome: "refused".into(), fault: None } };
    let outcome = guarded(|| match &case.task {
        Task::Linear(options) => linear(case, &a, options),
        Task::Eigen(options) => eigen(&a, options),
        Task::Singular(options) => singular(&a, options),
    });
    match outcome {
        Ok(Ok((outcome, fault))) => Verdict { outcome, fault },
        Ok(Err(Error::Input(_) | Error::Preconditioner { .. })) => Verdict { outcome: "refused".into(), fault: None },
        Ok(Err(e)) => Verdict { outcome: "error".into(), fault: fault("error", e.to_string()) },
        Err(panic) => Verdict { outcome: "panic".into(), fault: Some(panic) },
    }
}

type Judged = krylane::Result<(String, Option<Fault>)>;

/// λ of a damped least-squares problem.
fn damp(options: &Options) -> f64 {
    match options.method {
        Method::Lsqr { damp } | Method::Lsmr { damp } => damp,
        _ => 0.0,
    }
}

fn linear(case: &Case, a: &Csr, options: &Options) -> Judged {
    let solve = |a: &Csr, b: &[f64]| {
        let mut solver = Solver::new(a, options.clone())?;
        match &case.x0 {
            Some(x0) => solver.solve_from(b, x0),
            None => solver.solve(b),
        }
    };
    let report = solve(a, &case.b)?;
    let mut found = report_fault(case, a, options, &report);
    // The same system in other units, where nothing but units can differ.
    let scalable = case.x0.is_none() && damp(options) == 0.0 && options.atol == 0.0 && case.seed.is_multiple_of(4);
    // By component, a zero of b asks for products that cancel or are zero: underflow brings them, and it knows units.
    let scalable = scalable && (options.criterion != Criterion::Componentwise || case.b.iter().all(|b| *b != 0.0));
    if found.is_none() && scalable && options.criterion != Criterion::Absolute {
        found = scale_fault(case, a, &report, solve);
    }
    Ok((report.reason.name().into(), found))
}

/// Powers of two on A and on b: the same iterations, x times their quotient, where no number leaves the normal range.
fn scale_fault(
    case: &Case,
    a: &Csr,
    report: &Report,
    solve: impl Fn(&Csr, &[f64]) -> krylane::Result<Report>,
) -> Option<Fault> {
    let (p, q) = ([1, 37, -60, 200][case.seed as usize / 4 % 4], [-1, 0, 93, -40][case.seed as usize / 16 % 4]);
    let inside = |v: f64| v == 0.0 || (1e-200..1e200).contains(&v.abs());
    let all = a.values().iter().chain(&case.b).chain(&report.x);
    let outside = |r: &Report| matches!(r.reason, Reason::OutOfRange { .. });
    if !all.copied().all(inside) || outside(report) {
        return None;
    }
    let mut scaled = a.clone();
    scaled.set_values(a.values().iter().map(|v| shift(*v, p)).collect()).ok()?;
    let b: Vec<f64> = case.b.iter().map(|v| shift(*v, q)).collect();
    let other = solve(&scaled, &b).ok()?;
    let same = report.x.iter().zip(&other.x).all(|(x, y)| shift(*x, q - p) == *y);
    let same = same && other.iterations == report.iterations && other.reason.name() == report.reason.name();
    if same || outside(&other) {
        return None;
    }
    let (one, two) = (report, other);
    fault(
        "scale",
        format!("2^{p} A, 2^{q} b: {} in {} becomes {} in {}", one.reason, one.iterations, two.reason, two.iterations),
    )
}

/// A and b with powers of two taken out, so that their largest entries are near 1, and x to match.
struct Scaled {
    rows: Vec<Vec<(usize, Twofold)>>,
    b: Vec<Twofold>,
    /// Exponents of A and b.
    exponents: (i32, i32),
}

impl Scaled {
    /// `damp` adds λI below, as the library does; products with each of `xs` stay in range.
    fn new(a: &Csr, b: &[f64], damp: f64, xs: &[&[f64]]) -> Self {
        let ea = exponent(a.values().iter().copied().chain([damp]));
        let reach = exponent(xs.iter().flat_map(|x| x.iter().copied()));
        let eb = exponent(b.iter().copied()).max(ea + reach - 900);
        let row = |i: usize| {
            let (columns, values) = a.row(i);
            columns.iter().zip(values).map(|(&j, &v)| (j as usize, Twofold::from(shift(v, -ea)))).collect()
        };
        let mut rows: Vec<Vec<_>> = (0..a.rows()).map(row).collect();
        let mut b: Vec<Twofold> = b.iter().map(|&v| shift(v, -eb).into()).collect();
        if damp > 0.0 {
            rows.extend((0..a.cols()).map(|j| vec![(j, shift(damp, -ea).into())]));
            b.resize(rows.len(), Twofold::default());
        }
        Self { rows, b, exponents: (ea, eb) }
    }

    /// x in the units of b/A.
    fn solution(&self, x: &[f64]) -> Vec<Twofold> {
        let (ea, eb) = self.exponents;
        x.iter().map(|&v| shift(v, ea - eb).into()).collect()
    }

    fn residual(&self, x: &[f64]) -> Vec<Twofold> {
        let x = self.solution(x);
        self.rows.iter().zip(&self.b).map(|(row, &b)| row.iter().fold(b, |r, &(j, v)| r - v * x[j])).collect()
    }

    /// max_i |r|_i / (|A||x| + |b|)_i.
    fn componentwise(&self, x: &[f64]) -> f64 {
        let (r, x) = (self.residual(x), self.solution(x));
        let mut worst = 0.0;
        for (i, row) in self.rows.iter().enumerate() {
            let whole = row.iter().fold(self.b[i].0.abs(), |sum, &(j, v)| sum + (v.0 * x[j].0).abs());
            let part = if r[i].0 == 0.0 { 0.0 } else { r[i].0.abs() / whole };
            worst = if part <= worst { worst } else { part };
        }
        worst
    }

    /// √(‖A‖₁‖A‖∞).
    fn norm(&self, cols: usize) -> f64 {
        let (mut widest, mut columns) = (0.0f64, vec![0.0; cols]);
        for row in &self.rows {
            widest = widest.max(row.iter().map(|e| e.1.0.abs()).sum());
            row.iter().for_each(|e| columns[e.0] += e.1.0.abs());
        }
        (widest * columns.into_iter().fold(0.0, f64::max)).sqrt()
    }

    fn columns(&self, cols: usize) -> Vec<Vec<Twofold>> {
        let mut out = vec![vec![Twofold::default(); self.rows.len()]; cols];
        for (i, row) in self.rows.iter().enumerate() {
            row.iter().for_each(|&(j, v)| out[j][i] = v);
        }
        out
    }
}

/// Room for the rounding of bounds.
const SLACK: f64 = 1.0 + 1e-9;

fn report_fault(case: &Case, a: &Csr, options: &Options, report: &Report) -> Option<Fault> {
    let c = &report.certificate;
    let numbers = [c.absolute, c.relative, c.backward_error, c.rhs_norm, c.solution_norm];
    let optional = [c.normal_residual, c.optimality, c.componentwise, c.rowwise];
    if numbers.into_iter().chain(optional.into_iter().flatten()).any(f64::is_nan) {
        return fault("NaN in a certificate", format!("{c:?}"));
    }
    if let Some(j) = report.x.iter().position(|v| !v.is_finite()) {
        return fault("x not finite", format!("{}: x[{j}] = {}", report.reason, report.x[j]));
    }
    if report.iterations > options.max_iterations || report.matvecs > options.max_matvecs {
        return fault("limit exceeded", format!("{} iterations, {} products", report.iterations, report.matvecs));
    }
    let system = Scaled::new(a, &case.b, damp(options), &[&report.x, case.x0.as_deref().unwrap_or_default()]);
    let r = norm(&system.residual(&report.x)).0;
    let rhs = norm(&system.b).0;
    let (ea, eb) = system.exponents;
    match &report.reason {
        Reason::Converged(_) => {
            let bound = match options.criterion {
                Criterion::RhsNorm => options.rtol * rhs,
                Criterion::InitialResidual => {
                    let start = case.x0.clone().unwrap_or_else(|| vec![0.0; a.cols()]);
                    options.rtol * norm(&system.residual(&start)).0
                }
                Criterion::BackwardError => {
                    options.rtol * (system.norm(a.cols()) * norm(&system.solution(&report.x)).0 + rhs)
                }
                _ => 0.0,
            };
            let atol = if options.criterion == Criterion::BackwardError { 0.0 } else { shift(options.atol, -eb) };
            if options.criterion == Criterion::Componentwise {
                let error = system.componentwise(&report.x);
                let text = || format!("by component {error:e}");
                return if error <= options.rtol * SLACK { None } else { fault("false Converged", text()) };
            }
            let bound = bound.max(atol);
            if r.is_nan() || r > bound * SLACK {
                return fault(
                    "false Converged",
                    format!("|r| = {r:e}, allowed {bound:e} in units of 2^{eb} (A 2^{ea})"),
                );
            }
        }
        Reason::LeastSquares => {
            let least = least_residual(system.columns(a.cols()), system.b.clone()).0;
            let bound = least * (1.0 + (10.0 * options.rtol).max(1e-6)) + options.rtol * rhs;
            if r.is_nan() || r > bound {
                return fault("wrong LeastSquares", format!("|r| = {r:e}, the least is {least:e} (|b| = {rhs:e})"));
            }
        }
        _ => {}
    }
    // What is told of an x is true of this x, whatever the reason.
    let relative = r / rhs;
    let near = (c.relative - relative).abs()
        <= 1e-6 * relative + 1e-15 * (1.0 + c.relative / c.backward_error.max(1e-300) * 1e-15);
    if rhs > 0.0 && relative.is_finite() && c.relative < 1e200 && !near {
        return fault(
            "certificate",
            format!("{} {}: told {:e}, true {relative:e}", report.method, report.reason, c.relative),
        );
    }
    None
}

fn dense(a: &Csr) -> Vec<Vec<f64>> {
    let mut out = vec![vec![0.0; a.cols()]; a.rows()];
    for (i, line) in out.iter_mut().enumerate() {
        a.row(i).0.iter().zip(a.row(i).1).for_each(|(&j, &v)| line[j as usize] = v);
    }
    out
}

/// A·2^−e near 1, and e.
fn unit(a: &Csr) -> krylane::Result<(Csr, i32)> {
    let e = exponent(a.values().iter().copied());
    let mut scaled = a.clone();
    scaled.set_values(a.values().iter().map(|v| shift(*v, -e)).collect())?;
    Ok((scaled, e))
}

fn eigen(a: &Csr, options: &EigenOptions) -> Judged {
    let report = krylane::eigs(a, options.clone())?;
    Ok((report.outcome.reason.name().to_string(), pairs_fault(a, options, &report)?))
}

/// What is wrong with eigenpairs.
pub(crate) fn pairs_fault(a: &Csr, options: &EigenOptions, report: &EigenReport) -> krylane::Result<Option<Fault>> {
    let (a, e) = unit(a)?;
    let size = Scaled::new(&a, &vec![0.0; a.rows()], 0.0, &[]).norm(a.cols());
    let finite = |v: &Vec<f64>| v.iter().all(|x| x.is_finite());
    let values: Vec<f64> = report.eigenvalues.iter().map(|v| shift(v.re, -e)).collect();
    if !report.vectors.iter().all(finite) || !finite(&values) {
        return Ok(fault("x not finite", "a vector or a value of eigs"));
    }
    if !report.outcome.reason.is_converged() {
        return Ok(None);
    }
    if report.eigenvalues.len() < options.k {
        return Ok(fault("pairs missing", format!("{} of {}", report.eigenvalues.len(), options.k)));
    }
    for ((value, v), &lambda) in report.eigenvalues.iter().zip(&report.vectors).zip(&values) {
        if value.im != 0.0 {
            continue;
        }
        let system = Scaled::new(&a, &v.iter().map(|x| lambda * x).collect::<Vec<_>>(), 0.0, &[v]);
        let r = shift(norm(&system.residual(v)).0, system.exponents.1);
        // The product λ v was rounded.
        let bound = options.tol * size * SLACK + 1e-14 * size;
        if r.is_nan() || r > bound {
            return Ok(fault("false eigenpair", format!("lambda {lambda:e}: residual {r:e}, allowed {bound:e}")));
        }
    }
    // A search that a limit ended before its last pass says that copies may be missing.
    let open = report.outcome.warnings.iter().any(|w| w.contains("were not looked for"));
    if open || a.first_asymmetry(0.0).is_some() || report.eigenvalues.iter().any(|v| v.im != 0.0) {
        return Ok(None);
    }
    // All eigenvalues by rotations: those wanted, no other, in order.
    let sigma = options.sigma.map(|s| shift(s, -e));
    let key = |v: f64| match (sigma, options.which) {
        (Some(s), _) => (v - s).abs(),
        (None, Which::LM) => -v.abs(),
        (None, Which::SM) => v.abs(),
        (None, Which::LA | Which::LR) => -v,
        (None, Which::SA | Which::SR) => v,
        (None, _) => 0.0,
    };
    let mut wanted: Vec<f64> = exact::eigenvalues(dense(&a)).into_iter().map(key).collect();
    wanted.sort_by(f64::total_cmp);
    let near = size * (1e-7f64).max(10.0 * options.tol);
    for (k, (&found, &want)) in values.iter().zip(&wanted).enumerate() {
        if (key(found) - want).abs() > near {
            return Ok(fault("wrong eigenvalue", format!("number {k} is {found:e}, its key should be {want:e}")));
        }
    }
    Ok(None)
}

fn singular(a: &Csr, options: &EigenOptions) -> Judged {
    let report = krylane::svds(a, options.clone())?;
    Ok((report.outcome.reason.name().to_string(), triplets_fault(a, options, &report)?))
}

/// What is wrong with singular triplets.
pub(crate) fn triplets_fault(a: &Csr, options: &EigenOptions, report: &SvdReport) -> krylane::Result<Option<Fault>> {
    let (a, e) = unit(a)?;
    let values: Vec<f64> = report.singular_values.iter().map(|v| shift(*v, -e)).collect();
    let finite = |v: &Vec<f64>| v.iter().all(|x| x.is_finite());
    if !report.left.iter().chain(&report.right).all(finite) || !finite(&values) {
        return Ok(fault("x not finite", "a vector or a value of svds"));
    }
    if !report.outcome.reason.is_converged() {
        return Ok(None);
    }
    let (tall, rows) = (a.transpose(), dense(&a));
    let mut wanted = exact::singular_values(if a.rows() < a.cols() { rows } else { dense(&tall) });
    if options.which == Which::SM {
        wanted.reverse();
    }
    let near = wanted.iter().fold(0.0f64, |m, v| m.max(*v)) * (1e-7f64).max(10.0 * options.tol);
    if values.len() < options.k {
        return Ok(fault("pairs missing", format!("{} of {}", values.len(), options.k)));
    }
    for (k, (&found, &want)) in values.iter().zip(&wanted).enumerate() {
        if (found - want).abs() > near {
            return Ok(fault("wrong singular value", format!("number {k} is {found:e}, should be {want:e}")));
        }
    }
    Ok(None)
}
