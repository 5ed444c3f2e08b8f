//! Singular triplets.

use super::bidiagonal::Bidiagonal;
use super::drive::Session;
use super::options::{EigenOptions, Which, check_start};
use super::report::SvdReport;
use super::stages::{Callback, Found, Outside, Problem, search};
use super::verify::{Verified, distance, norm_of};
use super::{Eigenvalue, Wanted};
use crate::analyse::certify::Norms;
use crate::error::{Error, Result};
use crate::host::scale::norm2;
use crate::matrix::Csr;
use crate::matrix::ToCsr;
use crate::op::schedule::Compiler;
use crate::op::{Plan, Role};
use crate::plan::{DeviceChoice, choose_backend};
use crate::precond::registry::Precond;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Up to this many columns a full basis costs nothing worth saving.
const COMPLETE: usize = 100;

/// The tall one of A and Aᵀ, with the other.
struct Singular {
    a: Arc<Csr>,
    at: Arc<Csr>,
    norms: [Norms; 2],
    options: EigenOptions,
    subspace: usize,
}

/// The `k` largest (which LM, the default) or smallest (SM) singular values of A with their vectors. Of the options,
/// those of eigenproblems alone (sigma, mass, method, preconditioner) must be left as they are.
///
/// # Errors
/// Bad input, or a device that fails. Not converging is no error.
pub fn svds(a: &impl ToCsr, options: EigenOptions) -> Result<SvdReport> {
    svds_until(a, options, &AtomicBool::new(false))
}

/// [`svds`] that ends once `cancel` is set.
///
/// # Errors
/// As [`svds`].
pub fn svds_until(a: &impl ToCsr, options: EigenOptions, cancel: &AtomicBool) -> Result<SvdReport> {
    let start = Instant::now();
    options.check()?;
    let a = a.to_csr()?;
    let order = a.rows().min(a.cols());
    let plain = options.sigma.is_none() && options.mass.is_none();
    if !plain || options.method != "auto" || options.preconditioner != Precond::Auto {
        return Err(Error::input("singular values take no shift, mass matrix, method or preconditioner"));
    }
    if !matches!(options.which, Which::LM | Which::SM) {
        return Err(Error::input(format!("which is {}; singular values are wanted by LM or SM", options.which)));
    }
    if options.k > order {
        return Err(Error::input(format!(
            "k is {}; a {} x {} matrix has {order} singular values",
            options.k,
            a.rows(),
            a.cols()
        )));
    }
    check_start(options.start.as_deref(), order)?;
    let mut plan = vec![];
    let device = choose_backend(a.nnz(), &options.device(), &mut plan)?;
    let wide = a.cols() > a.rows();
    let transposed = Arc::new(a.transpose());
    let (a, at) = if wide { (transposed, a) } else { (a, transposed) };
    plan.push(format!("method golub_kahan{}", if wide { ", on the transpose: A is wide" } else { "" }));
    let subspace = match options.subspace {
        Some(m) => m.max(options.k + 2).min(order),
        None if order <= COMPLETE => order,
        None => (2 * options.k + 10).max(30).min(order),
    };
    plan.push(format!("two bases of {subspace} columns"));
    let problem = Singular { norms: [Norms::of(&a), Norms::of(&at)], a, at, options, subspace };
    let mut found = Found::new(&problem.options, device.adapter.clone(), start.elapsed().as_secs_f64());
    let mut callback: Callback = Box::new(|_| ControlFlow::Continue(()));
    let mut outside = Outside { cancel, callback: &mut callback };
    let reason = pollster::block_on(search(&problem, &problem.options, &device, &mut outside, &mut found))?;
    let pairs = std::mem::take(&mut found.pairs);
    plan.append(&mut found.notes);
    let outcome = found.outcome(reason, problem.norm(), ["golub_kahan", "none"], plan);
    let mut report = SvdReport { singular_values: vec![], residuals: vec![], left: vec![], right: vec![], outcome };
    for pair in pairs {
        report.singular_values.push(pair.value.re);
        report.residuals.push(pair.residual);
        let (v, u) = (pair.x, pair.y.unwrap_or_default());
        let (u, v) = if wide { (v, u) } else { (u, v) };
        report.left.push(u);
        report.right.push(v);
    }
    Ok(report)
}

impl Problem for Singular {
    fn session(
        &self,
        device: &DeviceChoice,
        precision: Plan,
        tolerance: f64,
        _notes: &mut Vec<String>,
    ) -> Result<Session> {
        let mut space = device.space(precision);
        let exponent = -self.norms[0].exponent;
        let a = space.operator("A", Arc::clone(&self.a), exponent, Role::Working);
        let at = space.operator("A'", Arc::clone(&self.at), exponent, Role::Working);
        let EigenOptions { k, which, seed, .. } = self.options;
        let wanted = Wanted { k, which, tolerance, norm: Some(self.norms[0].scaled_norm) };
        let shape = [self.a.rows(), self.a.cols()];
        let method = Box::new(Bidiagonal::new(&mut space, [a, at], shape, self.subspace, wanted, seed));
        let engine = device.engine(space.clone(), &self.options.device())?;
        Ok(Session { compiler: Compiler::new(engine.fusion()), engine, space, method, a, inner: None })
    }

    fn verify(&self, v: Vec<f64>, u: Option<Vec<f64>>) -> Option<Verified> {
        let unit = |x: Vec<f64>| {
            let size = norm2(&x);
            (size > 0.0 && size.is_finite()).then(|| x.into_iter().map(|x| x / size).collect::<Vec<f64>>())
        };
        let (v, u) = (unit(v)?, unit(u?)?);
        let av = self.a.multiply(&v);
        let sigma: f64 = av.iter().zip(&u).map(|(a, u)| a * u).sum();
        // The sign of σ goes into u.
        let u: Vec<f64> = if sigma < 0.0 { u.into_iter().map(|u| -u).collect() } else { u };
        let sigma = sigma.abs();
        let scaled = |x: &[f64]| x.iter().map(|x| sigma * x).collect::<Vec<f64>>();
        let first = distance(&self.a, &self.norms[0], &v, &scaled(&u));
        let second = distance(&self.at, &self.norms[1], &u, &scaled(&v));
        let value = Eigenvalue { re: sigma, im: 0.0 };
        sigma.is_finite().then_some(Verified { value, x: v, y: Some(u), residual: first.hypot(second), count: 1 })
    }

    fn norm(&self) -> f64 {
        norm_of(&self.norms[0])
    }

    fn entries(&self) -> usize {
        self.a.nnz()
    }

    fn starts(&self, pair: &Verified) -> Vec<Vec<f64>> {
        vec![pair.x.clone()]
    }
}
