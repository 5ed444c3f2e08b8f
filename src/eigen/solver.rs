//! The front door for eigenproblems.

use super::drive::{Ended, Inner, Limits, Session, Tally};
use super::options::EigenOptions;
use super::plan::{self, Choice};
use super::report::EigenReport;
use super::verify::{Verified, norm_of, verify};
use super::{Action, EigenSystem, Wanted};
use crate::backend::Counters;
use crate::certify::Norms;
use crate::drive::Event;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::matrix::{Csr, Triplets};
use crate::op::schedule::Compiler;
use crate::op::{Dtype, Plan, Role, Space};
use crate::plan::{DeviceChoice, choose_backend};
use crate::precond;
use crate::report::{AdapterInfo, Passed, Reason, Timings};
use crate::solver::{Backend, Options, Precision, Solver, ToCsr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What a basis in f32 can be asked for, as a part of ‖A‖.
pub(super) const SINGLE: f64 = 4e-6;

/// Runs on a device in f64 before a residual that stays too large is taken for an answer.
const ATTEMPTS: usize = 3;

/// An eigenproblem with a plan for it.
pub struct EigenSolver {
    a: Arc<Csr>,
    options: EigenOptions,
    facts: Facts,
    mass_norms: Option<Norms>,
    choice: Choice,
    device: DeviceChoice,
    plan: Vec<String>,
    warnings: Vec<String>,
    setup: f64,
    cancel: Arc<AtomicBool>,
    callback: Box<dyn FnMut(Event) -> ControlFlow<()> + Send>,
}

/// The wanted eigenpairs of a matrix. Check [`EigenReport::reason`], or use [`EigenReport::into_result`].
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
            warnings: vec![],
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
        pollster::block_on(self.solve_async())
    }

    /// [`EigenSolver::solve`] without blocking the thread on the device.
    ///
    /// # Errors
    /// As [`EigenSolver::solve`].
    pub async fn solve_async(&mut self) -> Result<EigenReport> {
        self.cancel.store(false, Ordering::Relaxed);
        let mut found = Found::new(&self.options, self.setup);
        let reason = match self.facts.asymmetry {
            Some((i, j)) if self.choice.method.symmetric => Reason::NotSymmetric { i, j },
            _ => match self.stages(&mut found).await {
                Err(Error::Preconditioner { row, message }) => Reason::PreconditionerFailed { row, message },
                reason => reason?,
            },
        };
        Ok(self.report(reason, found))
    }

    /// A basis in f64; where the device has none, one in f32 first, and what it found improved on the CPU.
    async fn stages(&mut self, found: &mut Found) -> Result<Reason> {
        let single = match self.options.precision {
            Precision::F64 if !self.device.has_f64 => {
                return Err(Error::input(format!(
                    "{} has no f64 in shaders; use --precision auto (pairs are verified in f64 all the same)",
                    self.device.adapter.name
                )));
            }
            Precision::F64 => false,
            Precision::Auto => !self.device.has_f64,
            Precision::F32 | Precision::Mixed => true,
        };
        if single {
            let (ended, _) = self.stage(found, Dtype::F32).await?;
            if found.passes(&self.options, self.matrix_norm()) {
                return Ok(Reason::Converged(Passed::Rtol));
            }
            if let Ended::Limit(reason) = ended
                && !matches!(reason, Reason::NonFinite { .. })
            {
                return Ok(reason);
            }
            self.plan.push(format!(
                "basis in f32 on {} up to {SINGLE:.0e} of the norm of A, then in f64 on the CPU from what it found",
                self.device.adapter.name
            ));
            let cpu = Options { backend: Backend::Cpu, ..self.options.device() };
            self.device = choose_backend(self.a.nnz(), &cpu, &mut vec![])?;
        }
        let (ended, passed) = self.stage(found, Dtype::F64).await?;
        Ok(match ended {
            _ if passed => Reason::Converged(Passed::Rtol),
            Ended::Done => found.false_convergence(self.matrix_norm()),
            Ended::Limit(reason) => reason,
            Ended::Stagnated => Reason::Stagnated,
            Ended::Inner(reason) => {
                self.warnings.push(format!("an inner system was not solved: {reason}. {}", reason.advice()));
                reason
            }
        })
    }

    /// Runs in one number type; true where the method said done and the pairs pass.
    async fn stage(&mut self, found: &mut Found, dtype: Dtype) -> Result<(Ended, bool)> {
        let upload = Instant::now();
        let mut session = self.session(Plan::uniform(dtype))?;
        found.precision = Plan::uniform(dtype);
        found.timings.upload_s += upload.elapsed().as_secs_f64();
        let mut limits = Limits {
            max_iterations: self.options.max_iterations,
            deadline: self.options.time_limit.map(|t| found.start + t),
            cancel: &self.cancel,
            callback: &mut self.callback,
        };
        let norm = norm_of(&self.facts.norms);
        for attempt in 1.. {
            let start = Instant::now();
            let from = found.from();
            let ended = session.run(&from, &mut found.tally, &mut limits).await?;
            let vectors = session.read().await?;
            found.timings.solve_s += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let mass = self.options.mass.as_deref();
            let pairs = vectors.into_iter().map(|(x, y)| verify(&self.a, &self.facts.norms, mass, x, y));
            found.pairs = pairs.flatten().collect();
            found.timings.certify_s += start.elapsed().as_secs_f64();
            let passed = ended == Ended::Done && found.passes(&self.options, norm);
            if passed || dtype == Dtype::F32 || ended != Ended::Done || attempt == ATTEMPTS || found.pairs.is_empty() {
                found.counters = found.counters.plus(&session.engine.counters());
                return Ok((ended, passed));
            }
            // The estimates were too hopeful: again, from what was found, for as much more as was missing.
            let missed = found.worst() / (self.options.tol * norm).max(f64::MIN_POSITIVE);
            session.method.tighten((0.1 / missed).clamp(1e-4, 0.1));
        }
        unreachable!("attempts end")
    }

    fn session(&mut self, precision: Plan) -> Result<Session> {
        let n = self.a.rows();
        let norms = &self.facts.norms;
        let mut space = Space::new(precision);
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
            self.plan.extend(inner.solver.plan().iter().map(|note| format!("inner {note}")));
        }
        let (entry, argument) = precond::by_name(if lobpcg { &self.choice.preconditioner } else { "none" })?;
        let request = precond::Request { definite: true, symmetric: true, argument };
        let mut m = (entry.build)(&self.a, &request)?;
        m.install(&mut space, -norms.exponent);
        self.plan.extend(m.describe());
        let tolerance = 0.5 * self.options.tol.max(if precision.working == Dtype::F32 { SINGLE } else { 0.0 });
        let wanted = Wanted {
            k: self.options.k,
            which: self.choice.which,
            tolerance,
            norm: inner.is_none().then_some(norms.scaled_norm),
        };
        let system = EigenSystem {
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
        let engine = self.device.engine(space.clone(), &self.options.device())?;
        Ok(Session { compiler: Compiler::new(engine.fusion()), engine, space, method, a, inner })
    }

    fn matrix_norm(&self) -> f64 {
        norm_of(&self.facts.norms)
    }

    fn report(&self, reason: Reason, found: Found) -> EigenReport {
        let mut report = EigenReport {
            schema: 1,
            reason_detail: reason.detail(),
            advice: match &reason {
                Reason::Converged(_) => "Every pair is verified: its residual was recomputed in f64.".into(),
                Reason::MaxIterations => "Raise --max-iterations or --subspace, or use a shift near what is wanted.".into(),
                Reason::Stagnated => "Raise --subspace, loosen --tol, or use a shift near what is wanted.".into(),
                Reason::NotSymmetric { .. } => "The matrix is not symmetric: use arnoldi.".into(),
                Reason::AttainableAccuracy { .. } => "The data allow no smaller residual in f64: loosen --tol.".into(),
                Reason::InconsistentSystem { .. } | Reason::Breakdown(_) => {
                    "The shifted matrix is singular: move --sigma a little.".into()
                }
                other => other.advice().into(),
            },
            reason,
            eigenvalues: vec![],
            residuals: vec![],
            vectors: vec![],
            matrix_norm: self.matrix_norm(),
            method: self.choice.method.id.into(),
            preconditioner: self.choice.preconditioner.clone(),
            iterations: found.tally.iterations,
            matvecs: found.tally.matvecs,
            inner_solves: found.tally.inner_solves,
            inner_iterations: found.tally.inner_iterations,
            restarts: found.tally.restarts,
            history: found.tally.history,
            timings: found.timings,
            gpu: found.counters,
            adapter: found.adapter.unwrap_or_else(|| self.device.adapter.clone()),
            precision: found.precision,
            plan: self.plan.clone(),
            warnings: self.warnings.clone(),
        };
        for Verified { value, mut x, y, residual } in found.pairs {
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

/// What the stages have so far.
struct Found {
    pairs: Vec<Verified>,
    given: Option<Vec<f64>>,
    k: usize,
    tally: Tally,
    timings: Timings,
    counters: Counters,
    adapter: Option<AdapterInfo>,
    precision: Plan,
    start: Instant,
}

impl Found {
    fn new(options: &EigenOptions, setup: f64) -> Self {
        Self {
            pairs: vec![],
            given: options.start.clone(),
            k: options.k,
            tally: Tally::default(),
            timings: Timings { setup_s: setup, ..Timings::default() },
            counters: Counters::default(),
            adapter: None,
            precision: Plan::uniform(Dtype::F64),
            start: Instant::now(),
        }
    }

    /// What the next run starts from.
    fn from(&self) -> Vec<Vec<f64>> {
        let parts = self.pairs.iter().flat_map(|p| std::iter::once(p.x.clone()).chain(p.y.clone()));
        let found: Vec<Vec<f64>> = parts.collect();
        if found.is_empty() { self.given.iter().cloned().collect() } else { found }
    }

    fn count(&self) -> usize {
        self.pairs.iter().map(|p| 1 + usize::from(p.y.is_some())).sum()
    }

    fn worst(&self) -> f64 {
        self.pairs.iter().map(|p| p.residual).fold(0.0, f64::max)
    }

    fn passes(&self, options: &EigenOptions, norm: f64) -> bool {
        // A NaN is not small.
        self.count() >= self.k && self.pairs.iter().all(|p| p.residual <= options.tol * norm)
    }

    fn false_convergence(&self, norm: f64) -> Reason {
        let truth = self.worst() / norm;
        if self.count() >= self.k && truth <= 64.0 * f64::EPSILON {
            Reason::AttainableAccuracy { floor: truth }
        } else {
            Reason::FalseConvergence { estimate: self.tally.history.last().copied().unwrap_or(0.0), truth }
        }
    }
}
