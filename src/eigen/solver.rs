//! The entry point for eigenproblems.

use super::drive::Session;
use super::filter::{Filter, interval};
use super::options::{EigenOptions, Which};
use super::pencil::{Mass, Pencil};
use super::plan::{self, Acts, Choice};
use super::polish::polished;
use super::registry;
use super::report::EigenReport;
use super::shift::{Inner, Shift, show};
use super::stages::{Callback, Found, Outside, Problem, search};
use super::verify::{Verified, dot};
use super::{Action, EigenSystem, Wanted};
use crate::error::{Called, Error, Result};
use crate::host::clock::Instant;
use crate::host::halt::Halt;
use crate::host::machine::quiet_mesa;
use crate::host::scale::{exponent, ldexp};
use crate::matrix::ToMatrix;
use crate::op::schedule::Compiler;
use crate::op::{Precisions, Role};
use crate::plan::{DeviceChoice, choose_device};
use crate::precond;
use crate::precond::registry::Precond;
use crate::ranks::Ranks;
use crate::report::{Passed, Reason};
use crate::solve::drive::Event;
use faer::c64;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// 1/z, even if |z|² would leave f64's range.
fn scaled_inverse(z: c64) -> c64 {
    let e = exponent(z.re.abs().max(z.im.abs()));
    let inverse = c64::new(ldexp(z.re, -e), ldexp(z.im, -e)).inv();
    c64::new(ldexp(inverse.re, -e), ldexp(inverse.im, -e))
}

/// Maximum number of runs, each with a shift moved by what the one before found.
const RUNS: usize = 3;

/// An eigenproblem with a plan for it.
pub struct EigenSolver {
    pub(super) pencil: Pencil,
    pub(super) options: EigenOptions,
    /// The end that is meant.
    which: Which,
    /// `None` for a dense method.
    choice: Option<Choice>,
    device: DeviceChoice,
    plan: Vec<String>,
    warnings: Vec<String>,
    setup: f64,
    /// There was a search before.
    searched: bool,
    cancel: Arc<AtomicBool>,
    /// What cancels the current work.
    halt: Halt,
    callback: Callback,
}

/// The wanted eigenpairs of a matrix. Check [`Outcome::reason`](super::Outcome::reason), or use
/// [`EigenReport::into_result`].
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
pub fn eigs(a: &impl ToMatrix, options: EigenOptions) -> Result<EigenReport> {
    EigenSolver::new(a, options)?.solve()
}

impl EigenSolver {
    /// Checks the problem and plans. A has stored entries, or is an operator: then a shift needs iterative solves
    /// unless its inverse is given.
    ///
    /// # Errors
    /// A rectangular A, a B of another size, options out of range, k beyond the order, no such adapter.
    pub fn new(a: &impl ToMatrix, mut options: EigenOptions) -> Result<Self> {
        quiet_mesa();
        let ranks = options.ranks.clone();
        options.knobs.memory_share = ranks.as_ref().map(Ranks::memory_share).transpose()?;
        // Ranks can't agree on an end in the middle of a set-up; they do when they iterate.
        let limit = options.time_limit.filter(|_| ranks.is_none());
        options.knobs.deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Ranks::agreed(ranks.as_ref(), Self::planned(a, options))
    }

    fn planned(a: &impl ToMatrix, options: EigenOptions) -> Result<Self> {
        let start = Instant::now();
        options.check()?;
        let a = a.to_matrix()?;
        a.of_one_process("a search for eigenvalues")?;
        if let Some(inverse) = &options.inverse {
            inverse.of_one_process("an inverse")?;
        }
        if !a.is_square() {
            return Err(Error::input(format!(
                "the matrix is {} x {}; eigenvalues need a square one. A rectangular one has singular values: svds",
                a.rows(),
                a.cols()
            )));
        }
        options.check_order(a.rows())?;
        let (mut notes, mut warnings) = (vec![], vec![]);
        let pencil = Pencil::new(a, &options, &mut notes, &mut warnings)?;
        let device = pollster::block_on(choose_device(&pencil.a, &options.device(), &[], &mut notes))?;
        let which = plan::meant(&pencil, &options, &mut warnings)?;
        let on_host = device.is_host();
        let choice = if plan::small(&pencil, &options, on_host) {
            None
        } else {
            plan::choose(&pencil, &options, which, &mut notes)?
        };
        if choice.is_none() {
            plan::check_dense(&pencil)?;
            notes.push(format!("method dense: order {}, all pairs at once on the host", pencil.n() / pencil.parts()));
        }
        Ok(Self {
            pencil,
            which,
            choice,
            device,
            plan: notes,
            warnings,
            setup: start.elapsed().as_secs_f64(),
            searched: false,
            cancel: Arc::new(AtomicBool::new(false)),
            halt: Halt::default(),
            callback: Box::new(|_| ControlFlow::Continue(())),
            options,
        })
    }

    /// Calls `f` at the end of each cycle, with the largest estimated residual of a wanted pair over its bound.
    #[must_use]
    pub fn on_cycle(mut self, f: impl FnMut(Event) -> ControlFlow<()> + Send + 'static) -> Self {
        self.callback = Box::new(f);
        self
    }

    /// A flag that, once set, ends the running search, or otherwise the next one; what was found so far is reported.
    /// The search that it ends clears it.
    #[must_use]
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancel)
    }

    /// True if a_ij = a_ji up to rounding; for complex matrices, if A is Hermitian.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.pencil.facts.symmetric()
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
        // What was planned within the limit counts; another search has all of it anew.
        let mut found = Found::new(&self.options, self.device.adapter.clone(), self.setup);
        if let (true, Some(limit)) = (std::mem::take(&mut self.searched), self.options.time_limit) {
            let again = self.options.knobs.deadline.is_some();
            self.options.knobs.deadline = Instant::now().checked_add(limit).filter(|_| again);
        }
        self.searched = true;
        let alone = self.options.ranks.is_none();
        let halt = Halt::new(Arc::clone(&self.cancel)).until(self.options.knobs.deadline);
        self.halt = if alone { halt } else { Halt::default() };
        let called_off = self.halt.called().map(|called| match called {
            Called::Cancelled => Reason::Cancelled,
            Called::TimeLimit => Reason::TimeLimit,
        });
        let reason = match called_off.or_else(|| self.facts_against()) {
            Some(reason) => reason,
            // `run` borrows the whole solver, so the callback is taken out of it first.
            None => {
                let mut callback = std::mem::replace(&mut self.callback, Box::new(|_| ControlFlow::Continue(())));
                let reason = self.run(&mut callback, &mut found).await;
                self.callback = callback;
                match reason {
                    Err(Error::Preconditioner { row, message }) => Reason::PreconditionerFailed { row, message },
                    reason => reason?,
                }
            }
        };
        self.cancel.store(false, Ordering::Relaxed);
        Ok(self.report(reason, found))
    }

    /// The reason to stop if the method needs symmetry and the matrix lacks it.
    fn facts_against(&self) -> Option<Reason> {
        let (i, j) = self.pencil.facts.asymmetry?;
        self.choice.as_ref().is_some_and(|c| c.method.symmetric).then_some(Reason::NotSymmetric { i, j })
    }

    /// A dense method if the problem is small; otherwise a search, repeated with a moved shift if that was at fault.
    async fn run(&mut self, callback: &mut Callback, found: &mut Found) -> Result<Reason> {
        if self.choice.is_none() {
            if self.directly(found)? {
                return Ok(Reason::Converged(Passed::Rtol));
            }
            if !self.time_for_dense() {
                found.notes.push("the dense method would take longer than the time limit allows".into());
                return Ok(Reason::TimeLimit);
            }
            found.notes.push("the dense method left residuals too large".into());
            if registry::by_name(&self.options.method).is_ok_and(|method| method.build.is_none()) {
                return Ok(found.false_convergence());
            }
            self.choice = plan::choose(&self.pencil, &self.options, self.which, &mut found.notes)?;
            if self.choice.is_none() {
                return Ok(found.false_convergence());
            }
        }
        let mut reason = Reason::Stagnated;
        for run in 0..RUNS {
            let cancel = Arc::clone(&self.cancel);
            let mut outside = Outside { cancel: &cancel, callback };
            reason = search(&*self, &self.options, &self.device, &mut outside, found).await?;
            let called_off = reason.is_from_outside();
            if reason.is_converged() || called_off || run + 1 == RUNS || !self.moved(found)? {
                break;
            }
        }
        self.instead(reason, found)
    }

    /// Plans anew after a run that found too little: away from a shift that lies so much nearer to one eigenvalue than
    /// to another wanted one that rounding of the first swamps the second, or without an automatically chosen shift.
    fn moved(&mut self, found: &mut Found) -> Result<bool> {
        let Some(choice) = &mut self.choice else { return Ok(false) };
        let Some(shift) = choice.shift() else { return Ok(false) };
        let far = found.pairs.iter().map(|p| (p.number() - shift.sigma).norm());
        let (near, far) = far.fold((f64::INFINITY, 0.0f64), |(a, b), d| (a.min(d), b.max(d)));
        if far > 0.0 && near < 1e-5 * far && self.options.inverse.is_none() {
            // Those beyond the null space all lie above.
            let away = if self.options.skip_null { 0.5 * near } else { -1e-3 * far };
            let sigma = c64::new(shift.sigma.re + away, shift.sigma.im);
            found.notes.push(format!(
                "shift moved from {} to {}: it lay too near to one eigenvalue for the others",
                show(shift.sigma),
                show(sigma)
            ));
            let solves = 3 * choice.k + 20;
            choice.acts = Acts::Shift(Shift::at(&self.pencil, sigma, solves, &self.options, &mut found.notes)?);
            choice.k = (choice.k + 2 * self.pencil.parts()).min(self.pencil.finite);
            choice.subspace = (choice.subspace + 4).min(self.pencil.finite).max(choice.k.min(self.pencil.finite));
            found.pairs.clear();
            return Ok(true);
        }
        if choice.own_shift && found.inner_failed && self.pencil.mass != Mass::Semidefinite && !self.options.skip_null {
            found.notes.push("on without a shift: inner systems were not solved".into());
            choice.acts = match self.pencil.b {
                Some(_) => Acts::Mass(Shift::mass(&self.pencil, 3 * choice.k + 20, &self.options, &mut found.notes)?),
                None => Acts::Product,
            };
            (choice.which, choice.own_shift) = (self.which, false);
            choice.subspace = choice.subspace.max(2 * choice.k + 20).min(self.pencil.finite);
            return Ok(true);
        }
        Ok(false)
    }

    /// The shift that was asked for.
    pub(super) fn sigma(&self) -> Option<c64> {
        self.options.sigma.map(|re| c64::new(re, self.options.sigma_im))
    }

    /// The number by which a value is ranked: 1/(λ − σ) with a shift, otherwise the value itself.
    fn transformed(&self, value: c64) -> c64 {
        match self.sigma() {
            Some(sigma) => {
                let d = value - sigma;
                // λ = σ is the nearest of all.
                if d.norm() == 0.0 { c64::new(f64::MAX, 0.0) } else { scaled_inverse(d) }
            }
            // Imaginary parts of complex problems count with their signs.
            None if self.pencil.complex && matches!(self.which, Which::LI | Which::SI) => c64::new(value.im, value.re),
            None => value,
        }
    }

    fn report(&self, reason: Reason, mut found: Found) -> EigenReport {
        let pairs = std::mem::take(&mut found.pairs);
        let plan = self.plan.iter().cloned().chain(found.notes.drain(..)).collect();
        let preconditioner = self.choice.as_ref().map_or(Precond::None, |c| c.preconditioner.clone()).to_string();
        found.warnings.extend(self.warnings.iter().cloned());
        let names = self.choice.as_ref().map_or([registry::DENSE, &preconditioner], |c| [c.method.id, &preconditioner]);
        let bound = self.options.bound();
        // On the device A and B are scaled by powers of two.
        let exponent = self.pencil.facts.norms.exponent;
        let mass = self.pencil.b_norms.as_ref().map_or(0, |norms| norms.exponent);
        let estimates = std::mem::take(&mut found.tally.estimates);
        let user = |[value, residual]: [f64; 2]| {
            [ldexp(value, exponent - mass), ldexp(residual, exponent) * (-0.5 * f64::from(mass)).exp2()]
        };
        let estimates = estimates.into_iter().map(|pairs| pairs.into_iter().map(user).collect()).collect();
        let mut report = EigenReport {
            estimates,
            eigenvalues: vec![],
            residuals: vec![],
            bounds: vec![],
            vectors: vec![],
            complex: self.pencil.complex,
            outcome: found.outcome(reason, self.pencil.norms(), names, plan),
        };
        for pair in pairs {
            let most = pair.bound(bound);
            let Verified { value, mut x, y, residual, .. } = pair;
            let inner_product = y.is_none() && self.pencil.mass != Mass::General;
            if let Some(b) = self.pencil.b.as_ref().filter(|_| inner_product) {
                let length = dot(&b.multiply(&x), &x).sqrt();
                x.iter_mut().for_each(|x| *x /= length);
            }
            let mut push = |value, vector| {
                report.eigenvalues.push(value);
                report.residuals.push(residual);
                report.bounds.push(most);
                report.vectors.push(vector);
            };
            push(value, x);
            if let Some(y) = y {
                push(super::Eigenvalue { im: -value.im, ..value }, y);
            }
        }
        report
    }
}

impl Problem for EigenSolver {
    fn entries(&self) -> usize {
        self.pencil.a.work()
    }

    fn verify(&self, x: Vec<f64>, y: Option<Vec<f64>>) -> Vec<Verified> {
        self.pencil.verify(x, y)
    }

    fn polish(&self, pairs: Vec<Verified>) -> Vec<Verified> {
        self.select(pairs.into_iter().map(|pair| polished(&self.pencil, pair, &self.options)).collect())
    }

    /// The wanted pairs in their order, without copies and without null vectors that are to be left out.
    fn select(&self, mut pairs: Vec<Verified>) -> Vec<Verified> {
        if self.options.skip_null {
            let null = self.pencil.null_bound(self.options.bound());
            pairs.retain(|p| p.number().norm() > null);
        }
        let which = match self.which {
            Which::LI if self.pencil.complex && self.options.sigma.is_none() => Which::LR,
            Which::SI if self.pencil.complex && self.options.sigma.is_none() => Which::SR,
            which => which,
        };
        let sorted = |pairs: Vec<Verified>| {
            let values: Vec<c64> = pairs.iter().map(|p| self.transformed(p.number())).collect();
            let mut pairs: Vec<Option<Verified>> = pairs.into_iter().map(Some).collect();
            which.order(&values).into_iter().filter_map(|i| pairs[i].take()).collect::<Vec<_>>()
        };
        let mut count = 0;
        // Sorted again, because without the copies BE takes from both ends anew.
        let distinct = sorted(self.pencil.distinct(sorted(pairs)));
        let wanted = distinct.into_iter().take_while(|p| {
            let open = count < self.options.k;
            count += p.count;
            open
        });
        wanted.collect()
    }

    fn session(
        &self,
        device: &DeviceChoice,
        precision: Precisions,
        tolerance: f64,
        notes: &mut Vec<String>,
    ) -> Result<Session> {
        let choice = self.choice.as_ref().expect("a dense method has no session");
        let (p, n) = (&self.pencil, self.pencil.n());
        let norms = &p.facts.norms;
        let mut space = device.space(precision);
        let matrix = match choice.acts {
            Acts::Turned => p.turned()?.into(),
            _ => p.a.clone(),
        };
        let a = space.operator("A", matrix, -norms.exponent, Role::Working);
        let b = p.b.as_ref().zip(p.b_norms.as_ref());
        let mass = b.map(|(b, norms)| space.operator("B", Arc::clone(b), -norms.exponent, Role::Working));
        let preconditioned = choice.method.preconditioned;
        let (action, inner) = match (&choice.acts, b) {
            (Acts::Shift(shift), _) => {
                let before = mass.map(|b| (b, space.vector("cv", n)));
                (Action::Solve(before), Some(Inner::new(&shift.solves, norms.exponent, &self.options, &self.halt)?))
            }
            (Acts::Mass(solves), Some((_, norms))) => {
                let before = (a, space.vector("cv", n));
                (Action::Solve(Some(before)), Some(Inner::new(solves, norms.exponent, &self.options, &self.halt)?))
            }
            _ => (Action::Product(a), None),
        };
        if let Some(inner) = &inner {
            notes.extend(inner.plan().iter().map(|note| format!("inner {note}")));
        }
        let none = Precond::None;
        let chosen = if preconditioned { &choice.preconditioner } else { &none };
        let request = precond::Request { definite: true, symmetric: true, ..precond::Request::default() };
        let mut m = chosen.build(&p.a, &request)?;
        m.install(&mut space, -norms.exponent);
        notes.extend(m.describe());
        let wanted = Wanted {
            k: choice.k,
            which: choice.which,
            tolerance,
            norm: match choice.acts {
                Acts::Product | Acts::Turned => super::Size::Known(p.device_norm()),
                Acts::Shift(_) => super::Size::Own,
                Acts::Mass(_) => super::Size::Largest,
            },
            noise: choice.shift().map_or(0.0, |shift| p.device_noise(shift.sigma)),
        };
        let filter = match p.a.entries() {
            Some(stored) if choice.filter => Some((Filter::new(&mut space, a, n), interval(stored, -norms.exponent))),
            _ => None,
        };
        let semidefinite = p.mass == Mass::Semidefinite && choice.shift().is_some();
        let system = EigenSystem {
            filter,
            a,
            mass: mass.filter(|_| p.mass != Mass::General),
            n,
            rank: p.finite,
            symmetric: p.symmetric() && self.options.sigma_im == 0.0,
            action,
            m,
            wanted,
            subspace: choice.subspace,
            seed: self.options.seed,
        };
        let method = (choice.method.build.expect("dense has no session"))(&mut space, system);
        let engine = device.engine(space.clone())?;
        let (compiler, shifted) = (Compiler::new(engine.fusion()), choice.shift().is_some());
        Ok(Session { compiler, engine, space, method, a, inner, shifted, mass: p.b.clone(), purify: semidefinite })
    }
}
