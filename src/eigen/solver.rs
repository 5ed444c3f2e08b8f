//! The front door for eigenproblems.

use super::drive::{Inner, Session};
use super::filter::Filter;
use super::options::EigenOptions;
use super::plan::{self, Choice};
use super::report::EigenReport;
use super::stages::{Callback, Found, Outside, Problem, search};
use super::verify::{Verified, norm_of, verify};
use super::{Action, EigenSystem, Wanted};
use crate::analyse::certify::Norms;
use crate::analyse::facts::Facts;
use crate::error::{Error, Result};
use crate::host::scale::ldexp;
use crate::matrix::ToCsr;
use crate::matrix::{Csr, Triplets};
use crate::op::schedule::Compiler;
use crate::op::{Plan, Role};
use crate::options::Options;
use crate::plan::{DeviceChoice, choose_backend};
use crate::precond;
use crate::precond::registry::Precond;
use crate::report::Reason;
use crate::solve::Solver;
use crate::solve::drive::Event;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// An eigenproblem with a plan for it.
pub struct EigenSolver {
    a: Arc<Csr>,
    options: EigenOptions,
    facts: Facts,
    mass_norms: Option<Norms>,
    choice: Choice,
    device: DeviceChoice,
    plan: Vec<String>,
    setup: f64,
    cancel: Arc<AtomicBool>,
    callback: Callback,
}

/// The wanted eigenpairs of a matrix. Check [`Outcome::reason`](super::Outcome::reason), or use [`EigenReport::into_result`].
///
/// ```
/// use krylane::{EigenOptions, Which, eigs, matrix::gallery};
///
/// let a = gallery::poisson1d(100);
/// let report = eigs(&a, EigenOptions { k: 3, which: Which::SA, ..EigenOptions::default() })?.into_result()?;
/// let smallest = 4.0 * (std::f64::consts::PI / 202.0).sin().powi(2);
/// assert!((report.eigenvalues[0].re - smallest).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Bad input, or a device that fails. Not converging is no error.
pub fn eigs(a: &impl ToCsr, options: EigenOptions) -> Result<EigenReport> {
    EigenSolver::new(a, options)?.solve()
}

/// A − σB.
fn shifted(a: &Csr, sigma: f64, b: Option<&Csr>) -> Result<Csr> {
    let mut t = Triplets::new(a.rows(), a.cols())?;
    let mut add = |m: &Csr, factor: f64| -> Result<()> {
        for i in 0..m.rows() {
            let (columns, values) = m.row(i);
            for (&j, v) in columns.iter().zip(values) {
                t.push(i, j as usize, factor * v)?;
            }
        }
        Ok(())
    };
    add(a, 1.0)?;
    match b {
        Some(b) => add(b, -sigma)?,
        None => add(&Csr::identity(a.rows())?, -sigma)?,
    }
    t.to_csr()
}

/// An interval that holds all eigenvalues of the symmetric A·2^e, by Gershgorin's circles.
fn interval(a: &Csr, e: i32) -> [f64; 2] {
    let circles = (0..a.rows()).map(|i| {
        let (columns, values) = a.row(i);
        let entries = columns.iter().zip(values).map(|(&j, &v)| (j as usize == i, ldexp(v, e)));
        entries.fold((0.0, 0.0), |(d, r), (own, v)| if own { (d + v, r) } else { (d, r + v.abs()) })
    });
    circles.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], (d, r)| [low.min(d - r), high.max(d + r)])
}

impl EigenSolver {
    /// Checks the problem and plans.
    ///
    /// # Errors
    /// A rectangular A, a B that can't be a mass matrix, options out of range, k beyond the order, no such adapter.
    pub fn new(a: &impl ToCsr, options: EigenOptions) -> Result<Self> {
        let start = Instant::now();
        options.check()?;
        let a = a.to_csr()?;
        if !a.is_square() {
            return Err(Error::input(format!(
                "the matrix is {} x {}; eigenvalues need a square one. A rectangular one has singular values: svds",
                a.rows(),
                a.cols()
            )));
        }
        options.check_order(a.rows())?;
        if let Some(b) = &options.mass {
            let facts = Facts::of(b);
            if let Some((i, j)) = facts.asymmetry {
                return Err(Error::input(format!("B is not symmetric: entries ({i}, {j}) and ({j}, {i}) differ")));
            }
            if facts.diagonal.1 + facts.diagonal.2 > 0 {
                return Err(Error::input("B is not positive definite: its diagonal is not positive"));
            }
        }
        let facts = Facts::of(&a);
        let mut notes = vec![];
        let device = choose_backend(a.nnz(), &options.device(), &mut notes)?;
        let choice = plan::choose(&a, &facts, &options, &mut notes)?;
        Ok(Self {
            mass_norms: options.mass.as_ref().map(|b| Norms::of(b)),
            a,
            facts,
            choice,
            device,
            plan: notes,
            setup: start.elapsed().as_secs_f64(),
            cancel: Arc::new(AtomicBool::new(false)),
            callback: Box::new(|_| ControlFlow::Continue(())),
            options,
        })
    }

    /// Calls `f` at each exchange, with the largest estimated residual of a wanted pair over its bound.
    #[must_use]
    pub fn on_exchange(mut self, f: impl FnMut(Event) -> ControlFlow<()> + Send + 'static) -> Self {
        self.callback = Box::new(f);
        self
    }

    /// A flag that ends a running solve once it is set; what was found so far is reported.
    #[must_use]
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancel)
    }

    /// True where a_ij = a_ji up to rounding.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.facts.symmetric()
    }

    /// What was chosen and why.
    #[must_use]
    pub fn plan(&self) -> &[String] {
        &self.plan
    }

    /// Finds the pairs.
    ///
    /// # Errors
    /// A device that fails.
    pub fn solve(&mut self) -> Result<EigenReport> {
        pollster::block_on(self.solve_polled())
    }

    /// [`EigenSolver::solve`] without blocking the thread on the device.
    ///
    /// # Errors
    /// As [`EigenSolver::solve`].
    async fn solve_polled(&mut self) -> Result<EigenReport> {
        self.cancel.store(false, Ordering::Relaxed);
        let mut found = Found::new(&self.options, self.device.adapter.clone(), self.setup);
        let reason = match self.facts.asymmetry {
            Some((i, j)) if self.choice.method.symmetric => Reason::NotSymmetric { i, j },
            _ => {
                // The problem is borrowed as a whole, and the callback from within it.
                let mut callback = std::mem::replace(&mut self.callback, Box::new(|_| ControlFlow::Continue(())));
                let mut outside = Outside { cancel: &self.cancel, callback: &mut callback };
                let reason = search(&*self, &self.options, &self.device, &mut outside, &mut found).await;
                self.callback = callback;
                match reason {
                    Err(Error::Preconditioner { row, message }) => Reason::PreconditionerFailed { row, message },
                    reason => reason?,
                }
            }
        };
        Ok(self.report(reason, found))
    }

    fn report(&self, reason: Reason, mut found: Found) -> EigenReport {
        let pairs = std::mem::take(&mut found.pairs);
        let plan = self.plan.iter().cloned().chain(found.notes.drain(..)).collect();
        let preconditioner = self.choice.preconditioner.to_string();
        let names = [self.choice.method.id, &preconditioner];
        let mut report = EigenReport {
            eigenvalues: vec![],
            residuals: vec![],
            vectors: vec![],
            outcome: found.outcome(reason, self.norm(), names, plan),
        };
        for Verified { value, mut x, y, residual, .. } in pairs {
            if let Some(b) = self.options.mass.as_ref().filter(|_| y.is_none()) {
                let length = b.multiply(&x).iter().zip(&x).map(|(b, x)| b * x).sum::<f64>().sqrt();
                x.iter_mut().for_each(|x| *x /= length);
            }
            report.eigenvalues.push(value);
            report.residuals.push(residual);
            report.vectors.push(x);
            if let Some(y) = y {
                report.eigenvalues.push(super::Eigenvalue { im: -value.im, ..value });
                report.residuals.push(residual);
                report.vectors.push(y);
            }
        }
        report
    }
}

impl Problem for EigenSolver {
    fn norm(&self) -> f64 {
        norm_of(&self.facts.norms)
    }

    fn entries(&self) -> usize {
        self.a.nnz()
    }

    fn verify(&self, x: Vec<f64>, y: Option<Vec<f64>>) -> Option<Verified> {
        verify(&self.a, &self.facts.norms, self.options.mass.as_deref(), x, y)
    }

    fn session(
        &self,
        device: &DeviceChoice,
        precision: Plan,
        tolerance: f64,
        notes: &mut Vec<String>,
    ) -> Result<Session> {
        let n = self.a.rows();
        let norms = &self.facts.norms;
        let mut space = device.space(precision);
        let a = space.operator("A", Arc::clone(&self.a), -norms.exponent, Role::Working);
        let b = self.options.mass.as_ref().zip(self.mass_norms.as_ref());
        let mass = b.map(|(b, norms)| space.operator("B", Arc::clone(b), -norms.exponent, Role::Working));
        let inverse = |system: Csr, exponent: i32| -> Result<Inner> {
            let rtol = (self.options.tol * 1e-2).clamp(1e-13, 1e-8);
            let options = Options { rtol, time_limit: None, ..self.options.device() };
            Ok(Inner { solver: Solver::new(&system, options)?, exponent })
        };
        let lobpcg = self.choice.method.id == "lobpcg";
        let (action, inner) = match (self.choice.sigma, mass) {
            (Some(sigma), _) => {
                let before = mass.map(|b| (b, space.vector("cv", n)));
                let system = shifted(&self.a, sigma, self.options.mass.as_deref())?;
                (Action::Solve(before), Some(inverse(system, norms.exponent)?))
            }
            (None, Some(_)) if !lobpcg => {
                let (b, norms) = b.expect("a mass matrix has norms");
                (Action::Solve(Some((a, space.vector("cv", n)))), Some(inverse((**b).clone(), norms.exponent)?))
            }
            _ => (Action::Product(a), None),
        };
        if let Some(inner) = &inner {
            notes.extend(inner.solver.plan().iter().map(|note| format!("inner {note}")));
        }
        let none = Precond::None;
        let chosen = if lobpcg { &self.choice.preconditioner } else { &none };
        let request = precond::Request { definite: true, symmetric: true, ..precond::Request::default() };
        let mut m = chosen.build(&(&self.a).into(), &request)?;
        m.install(&mut space, -norms.exponent);
        notes.extend(m.describe());
        let wanted = Wanted {
            k: self.options.k,
            which: self.choice.which,
            tolerance,
            norm: inner.is_none().then_some(norms.scaled_norm),
        };
        let filter = self.choice.filter.then(|| (Filter::new(&mut space, a, n), interval(&self.a, -norms.exponent)));
        let system = EigenSystem {
            filter,
            a,
            mass,
            n,
            action,
            m,
            wanted,
            subspace: self.choice.subspace,
            seed: self.options.seed,
        };
        let method = (self.choice.method.build)(&mut space, system);
        let engine = device.engine(space.clone(), &self.options.device())?;
        Ok(Session { compiler: Compiler::new(engine.fusion()), engine, space, method, a, inner })
    }
}
