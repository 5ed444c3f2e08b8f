//! Singular triplets.

use super::bidiagonal::Bidiagonal;
use super::dense::real as dense;
use super::drive::Session;
use super::options::{EigenOptions, Which, check_start};
use super::registry;
use super::report::SvdReport;
use super::smallest::Inverse;
use super::stages::{Callback, Found, Outside, Problem, search};
use super::verify::{Verified, complex_dot, distance, dot, norm_of, times, unit};
use super::{Eigenvalue, Size, Wanted};
use crate::analyse::certify::Norms;
use crate::analyse::probe;
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::host::dense::eigen::singular;
use crate::host::random::Random;
use crate::host::scale::norm2;
use crate::matrix::operator::all_rows_needed;
use crate::matrix::{Matrix, ToMatrix};
use crate::op::schedule::Compiler;
use crate::op::{Precisions, Role};
use crate::plan::{DeviceChoice, choose_device};
use crate::precond::registry::Precond;
use crate::ranks::Ranks;
use crate::report::{Passed, Reason};
use crate::solve::drive::Event;
use faer::{Mat, c64};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Up to this many columns a full basis, or a dense method, is cheap enough.
const COMPLETE: usize = 200;

/// Who needs all of a matrix, for messages.
const SEARCH: &str = "a search for singular values";

/// Maximum number of entries of a dense matrix.
const DENSE: usize = 4_000_000;

/// Bounds on the residuals of triplets of A⁻¹, relative to its norm: at the least and at the most.
const OF_INVERSE: (f64, f64) = (1e-11, 1e-7);

/// Steps of the search for a singular value that was missed.
const PROBES: usize = 12;

/// The taller of A and Aᵀ, with its transpose.
struct Singular {
    a: Matrix,
    at: Matrix,
    norms: [Norms; 2],
    options: EigenOptions,
    /// Real vectors per wanted triplet: two in the real form of a complex matrix.
    parts: usize,
    subspace: usize,
}

/// The `k` largest (which LM, the default) or smallest (SM) singular values of A with their vectors. Of the options,
/// those of eigenproblems alone (sigma, mass, method, preconditioner) must keep their defaults. An operator needs its
/// transpose; with `complex` A is a real form, and vectors are those of that form.
///
/// # Errors
/// Bad input, or a device that fails. Not converging is no error.
pub fn svds(a: &impl ToMatrix, options: EigenOptions) -> Result<SvdReport> {
    svds_until(a, options, &AtomicBool::new(false), |_| {})
}

fn norms(a: &Matrix) -> Result<Norms> {
    match a {
        Matrix::Stored(a) => Ok(Norms::of(a)),
        Matrix::Free(a) => probe::norms(&**a),
        Matrix::Parted(_) => Err(all_rows_needed(SEARCH)),
    }
}

/// [`svds`] that ends once `cancel` is set, and calls `heard` at the end of each cycle with the largest estimated
/// residual of a wanted triplet over its bound.
///
/// # Errors
/// As [`svds`].
pub fn svds_until(
    a: &impl ToMatrix,
    mut options: EigenOptions,
    cancel: &AtomicBool,
    mut heard: impl FnMut(Event) + Send + 'static,
) -> Result<SvdReport> {
    let start = Instant::now();
    options.knobs.memory_share = options.ranks.as_ref().map(Ranks::memory_share).transpose()?;
    Ranks::agreed(options.ranks.as_ref(), options.check())?;
    // Of a search within another one it is the other's.
    let limit = options.time_limit.filter(|_| options.ranks.is_none() && options.knobs.deadline.is_none());
    options.knobs.deadline = options.knobs.deadline.or(limit.and_then(|limit| start.checked_add(limit)));
    let a = a.to_matrix()?;
    a.of_one_process(SEARCH)?;
    let parts = if options.complex { 2 } else { 1 };
    if options.complex && !(a.rows().is_multiple_of(2) && a.cols().is_multiple_of(2)) {
        return Err(Error::input(format!("{} x {} is no real form: its sides are even", a.rows(), a.cols())));
    }
    let order = a.rows().min(a.cols());
    let plain = options.sigma.is_none() && options.mass.is_none() && !options.skip_null;
    if !plain || options.method != "auto" || options.preconditioner != Precond::Auto {
        return Err(Error::input("singular values take no shift, mass matrix, method or preconditioner"));
    }
    if !matches!(options.which, Which::LM | Which::SM) {
        return Err(Error::input(format!("which is {}; singular values are wanted by LM or SM", options.which)));
    }
    if options.k * parts > order {
        return Err(Error::input(format!(
            "k is {}; a {} x {} matrix has {} singular values",
            options.k,
            a.rows() / parts,
            a.cols() / parts,
            order / parts
        )));
    }
    check_start(&options.start, order)?;
    let mut plan = vec![];
    let device = pollster::block_on(choose_device(&a, &options.device(), &[], &mut plan))?;
    let wide = a.cols() > a.rows();
    let none = || Error::input("singular values need the operator's transpose; it gives none");
    let transposed = a.transposed().ok_or_else(none)?;
    let (a, at) = if wide { (transposed, a) } else { (a, transposed) };
    let small = order <= COMPLETE && a.rows().saturating_mul(order) <= DENSE;
    let k = options.k * parts;
    let subspace = match options.subspace {
        Some(m) => m.max(k + 2).min(order),
        None if order <= COMPLETE => order,
        None => (2 * k + 10).max(30).min(order),
    };
    let problem = Singular { norms: [norms(&a)?, norms(&at)?], a, at, options, parts, subspace };
    let mut found = Found::new(&problem.options, device.adapter.clone(), start.elapsed().as_secs_f64());
    // If a GPU was asked for by name, the bidiagonalisation runs there.
    let direct = small && device.is_host() && problem.options.subspace.is_none();
    let directly = direct && problem.directly(&mut found);
    let name = if directly { registry::DENSE } else { "golub_kahan" };
    plan.push(format!("method {name}{}", if wide { ", on the transpose: A is wide" } else { "" }));
    let reason = if directly {
        Reason::Converged(Passed::Rtol)
    } else if problem.options.ranks.is_none() && cancel.load(Ordering::Relaxed) {
        Reason::Cancelled
    } else if let Some(inverse) = problem.inverse(&device) {
        plan.push(format!("the largest of A's inverse, applied by {} factors", inverse.name()));
        let operator = inverse.operator(order);
        // A residual r of a triplet of A⁻¹ leaves one of σ² r in A, σ being one of the smallest; and the larger the
        // condition, the less can be asked.
        let condition = norm_of(&problem.norms[0]) * norm_of(&norms(&operator)?);
        let tol = (0.1 * problem.options.bound() * condition).clamp(OF_INVERSE.0, OF_INVERSE.1);
        let options = EigenOptions { which: Which::LM, tol, ..problem.options.clone() };
        let report = svds_until(&operator, options, cancel, heard)?;
        problem.invert(&inverse, report, &mut found)
    } else {
        plan.push(format!("two bases of {subspace} columns"));
        let mut callback: Callback = Box::new(move |event| {
            heard(event);
            ControlFlow::Continue(())
        });
        let mut outside = Outside { cancel, callback: &mut callback };
        let reason = pollster::block_on(search(&problem, &problem.options, &device, &mut outside, &mut found))?;
        problem.otherwise(reason, &mut found)?
    };
    let pairs = std::mem::take(&mut found.pairs);
    plan.append(&mut found.notes);
    let norm = norm_of(&problem.norms[0]);
    let bound = problem.options.bound() * norm;
    let outcome = found.outcome(reason, (norm, None), [name, "none"], plan);
    let mut report =
        SvdReport { singular_values: vec![], residuals: vec![], bounds: vec![], left: vec![], right: vec![], outcome };
    for pair in pairs {
        report.singular_values.push(pair.value.re);
        report.residuals.push(pair.residual);
        report.bounds.push(bound);
        let (v, u) = (pair.x, pair.y.unwrap_or_default());
        let (u, v) = if wide { (v, u) } else { (u, v) };
        report.left.push(u);
        report.right.push(v);
    }
    Ok(report)
}

impl Singular {
    /// All triplets by dense algebra, the wanted ones kept; true where they pass.
    fn directly(&self, found: &mut Found) -> bool {
        let Some(a) = self.a.entries().filter(|_| self.options.time_for_dense(self.a.cols(), false)) else {
            return false;
        };
        let Some((u, _, v)) = singular(&dense(a, self.norms[0].exponent)) else { return false };
        let column = |m: &Mat<f64>, j: usize| (0..m.nrows()).map(|i| m[(i, j)]).collect::<Vec<f64>>();
        let all = (0..v.ncols().min(u.ncols())).flat_map(|j| self.verify(column(&v, j), Some(column(&u, j))));
        found.pairs = self.select(all.collect());
        found.passes(&self.options)
    }

    /// How the search ended; by dense algebra, where a basis finds too little: zero singular values are hidden from it.
    fn otherwise(&self, reason: Reason, found: &mut Found) -> Result<Reason> {
        let short = matches!(reason, Reason::Stagnated | Reason::FalseConvergence { .. });
        let [rows, columns] = [self.a.rows(), self.a.cols()];
        if short
            && rows.saturating_mul(columns) <= DENSE
            && self.a.entries().is_some()
            && found.replaced(|found| Ok(self.directly(found)))?
        {
            found.notes.push(format!("then all by dense algebra: the bases ended with {reason}"));
            return Ok(Reason::Converged(Passed::Rtol));
        }
        if reason.is_converged() && self.options.which == Which::SM && found.pairs.len() * self.parts < columns {
            found.warnings.push(
                "every triplet is verified, but that no smaller singular value is missing was not checked".into(),
            );
        }
        Ok(reason)
    }

    /// A⁻¹, where it serves the smallest: on the host, for a basis of a size that nobody asked for.
    fn inverse(&self, device: &DeviceChoice) -> Option<Inverse> {
        let wanted = self.options.which == Which::SM && device.is_host() && self.options.subspace.is_none();
        wanted.then(|| Inverse::of(&self.a, &self.at, 4 * self.subspace, &self.options)).flatten()
    }

    /// Takes the triplets of A from those of its inverse, and says how the search ended.
    fn invert(&self, inverse: &Inverse, report: SvdReport, found: &mut Found) -> Reason {
        // The smallest first: rounding in a solve lies along its vectors.
        let mut pairs: Vec<Verified> = vec![];
        for [u, v] in report.left.iter().filter_map(|v| inverse.purified(v)) {
            let right: Vec<_> = pairs.iter().map(|p| &p.x).collect();
            let left: Vec<_> = pairs.iter().filter_map(|p| p.y.as_ref()).collect();
            let (v, u) = (self.outside(v, &right), self.outside(u, &left));
            pairs.extend(self.verify(v, Some(u)));
        }
        found.pairs = self.select(pairs);
        found.tally.iterations = report.iterations;
        found.tally.restarts = report.restarts;
        found.tally.inner_solves = report.matvecs;
        found.tally.history.clone_from(&report.history);
        match found.passes(&self.options) && self.is_complete(&found.pairs) {
            true if report.reason.is_converged() => Reason::Converged(Passed::Rtol),
            _ if report.reason.is_converged() => found.false_convergence(),
            _ => report.outcome.reason,
        }
    }

    /// x without its parts along `vectors`, each of length 1, and in the real form along their products with i.
    fn outside(&self, mut x: Vec<f64>, vectors: &[&Vec<f64>]) -> Vec<f64> {
        for _ in 0..2 {
            for v in vectors {
                let h = if self.parts == 2 { complex_dot(v, &x) } else { c64::new(dot(v, &x), 0.0) };
                let part = if self.parts == 2 { times(h, v) } else { v.iter().map(|v| h.re * v).collect() };
                x.iter_mut().zip(part).for_each(|(x, p)| *x -= p);
            }
        }
        x
    }
}

impl Problem for Singular {
    fn session(
        &self,
        device: &DeviceChoice,
        precision: Precisions,
        tolerance: f64,
        _notes: &mut Vec<String>,
    ) -> Result<Session> {
        let mut space = device.space(precision);
        let exponent = -self.norms[0].exponent;
        let a = space.operator("A", self.a.clone(), exponent, Role::Working);
        let at = space.operator("A'", self.at.clone(), exponent, Role::Working);
        let EigenOptions { k, which, seed, .. } = self.options;
        let norm = Size::Known(self.norms[0].scaled_norm);
        let wanted = Wanted { k: k * self.parts, which, tolerance, norm, noise: 0.0 };
        let shape = [self.a.rows(), self.a.cols()];
        let method = Box::new(Bidiagonal::new(&mut space, [a, at], shape, self.subspace, wanted, seed));
        let engine = device.engine(space.clone())?;
        let compiler = Compiler::new(engine.fusion());
        Ok(Session { compiler, engine, space, method, a, inner: None, shifted: false, mass: None, purify: false })
    }

    fn verify(&self, v: Vec<f64>, u: Option<Vec<f64>>) -> Vec<Verified> {
        let (Some(v), Some(u)) = (unit(v), u.and_then(unit)) else { return vec![] };
        let av = self.a.multiply(&v);
        let sigma: f64 = dot(&av, &u);
        // The sign of σ goes into u.
        let u: Vec<f64> = if sigma < 0.0 { u.into_iter().map(|u| -u).collect() } else { u };
        let sigma = sigma.abs();
        let scaled = |x: &[f64]| x.iter().map(|x| sigma * x).collect::<Vec<f64>>();
        let first = distance(&self.a, &self.norms[0], &v, &scaled(&u));
        let second = distance(&self.at, &self.norms[1], &u, &scaled(&v));
        if !sigma.is_finite() {
            return vec![];
        }
        vec![Verified {
            value: Eigenvalue { re: sigma, im: 0.0 },
            x: v,
            y: Some(u),
            residual: first.hypot(second),
            scale: norm_of(&self.norms[0]),
            rows: 0.0,
            count: 1,
        }]
    }

    /// In their order; one of the two copies that the real form has of each triplet.
    fn select(&self, mut pairs: Vec<Verified>) -> Vec<Verified> {
        let key = |p: &Verified| self.options.which.key(p.number());
        pairs.sort_by(|p, q| key(p).total_cmp(&key(q)));
        if self.parts == 2 {
            let mut kept: Vec<Verified> = vec![];
            for pair in pairs {
                let rest = self.outside(pair.x.clone(), &kept.iter().map(|k| &k.x).collect::<Vec<_>>());
                let left = self.outside(
                    pair.y.clone().unwrap_or_default(),
                    &kept.iter().filter_map(|k| k.y.as_ref()).collect::<Vec<_>>(),
                );
                if norm2(&rest) > 0.5 {
                    kept.extend(self.verify(rest, Some(left)));
                }
            }
            pairs = kept;
        }
        pairs.truncate(self.options.k);
        pairs
    }

    /// True if the vectors are orthonormal, and a few power iterations outside them find no larger singular value.
    fn is_complete(&self, pairs: &[Verified]) -> bool {
        let slack = self.options.bound().max(1e-8) * norm_of(&self.norms[0]);
        let right: Vec<&Vec<f64>> = pairs.iter().map(|p| &p.x).collect();
        let left: Vec<&Vec<f64>> = pairs.iter().filter_map(|p| p.y.as_ref()).collect();
        let orthonormal = |v: &[&Vec<f64>]| (0..v.len()).all(|i| (0..i).all(|j| dot(v[i], v[j]).abs() <= 1e-8));
        // Left vectors of values that are zero up to rounding are arbitrary, and need not be orthogonal.
        if !orthonormal(&right) || !orthonormal(&left) {
            return false;
        }
        if self.options.which != Which::LM || pairs.len() * self.parts >= self.at.rows() {
            return true;
        }
        let least = pairs.iter().map(|p| p.value.re).fold(f64::INFINITY, f64::min);
        let mut v = self.outside(Random::new(self.options.seed ^ 0x5d).vector(self.a.cols()), &right);
        let mut largest = 0.0f64;
        for _ in 0..PROBES {
            let size = norm2(&v);
            if size.is_nan() || size <= 0.0 {
                break;
            }
            v.iter_mut().for_each(|v| *v /= size);
            let w = self.a.multiply(&v);
            largest = largest.max(norm2(&w));
            v = self.outside(self.at.multiply(&w), &right);
        }
        largest <= least + slack
    }

    fn entries(&self) -> usize {
        self.a.work()
    }

    fn starts(&self, pair: &Verified) -> Vec<Vec<f64>> {
        vec![pair.x.clone()]
    }
}
