//! The front door: a solver that can be used again, and the one-line `solve`.

use super::builder::Builder;
use super::many::Block;
use super::race::Entry;
use crate::analyse::certify::{Certificate, Norms, Truth, certify};
use crate::analyse::facts::Facts;
use crate::analyse::range::Range;
use crate::backend::{Counters, Engine};
use crate::error::{Error, Result};
use crate::host::halt::Halt;
use crate::host::memory;
use crate::host::scale::ldexp;
use crate::matrix::{Csr, Matrix, ToMatrix};
use crate::method::registry::Method;
use crate::method::{MethodEntry, Needs};
use crate::op::{Plan, Space};
use crate::options::{Criterion, Options};
use crate::plan::transform::{Change, Transform};
use crate::plan::{self, Candidate, Chosen, DeviceChoice, Sizes};
use crate::report::{AdapterInfo, Passed, Reason, Report, Rung, Timings};
use crate::solve::drive::{Event, Session, Watcher};
use crate::solve::problem::{Problem, State};
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Hears of every iteration; `Break` ends the solve.
type Callback = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

/// A matrix with a plan for it. Solves any number of right-hand sides; what the first solve allocated,
/// compiled and uploaded serves the next ones.
pub struct Solver {
    /// A; with λI below it where the problem is damped.
    pub(super) a: Matrix,
    /// Rows of A as given.
    pub(super) rows: usize,
    /// Aᵀ, where a least-squares method needs it; A itself where the two are equal.
    pub(super) transpose: Option<Matrix>,
    /// The range of A, for least squares.
    pub(super) range: Arc<Range>,
    pub(super) options: Options,
    pub(super) facts: Facts,
    pub(super) candidates: Vec<Candidate>,
    /// The one that starts.
    pub(super) first: usize,
    /// The one that solved the last system, and its iterations.
    pub(super) winner: Option<(usize, usize)>,
    pub(super) sizes: Sizes,
    pub(super) sessions: Vec<Option<Session>>,
    /// A candidate for several right-hand sides at once.
    pub(super) block: Option<Block>,
    /// Those that the sessions work under.
    pub(super) transforms: Vec<Arc<Transform>>,
    /// The rows in the order of reverse Cuthill–McKee, where the plan reorders.
    pub(super) order: Option<Vec<u32>>,
    pub(super) plan: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) device: DeviceChoice,
    pub(super) setup: Duration,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) callback: Callback,
    pub(super) watcher: Option<Watcher>,
    /// Those of [`Solver::start_with`].
    pub(super) directions: Vec<Vec<f64>>,
    /// A call has begun and not come to its end: what the device holds is anybody's guess.
    pub(super) interrupted: bool,
}

/// x with A x = b, everything at its default. Check [`Report::reason`], or use [`Report::into_result`].
///
/// # Errors
/// Bad input, or a device that fails. Not converging is no error.
pub fn solve(a: &impl ToMatrix, b: &(impl AsRef<[f64]> + ?Sized)) -> Result<Report> {
    Solver::new(a, Options::default())?.solve(b)
}

impl Solver {
    /// Checks the matrix, finds what it is, and plans.
    ///
    /// # Errors
    /// A rectangular matrix for a method that needs a square one, options out of range, no such adapter; an
    /// operator that contradicts what is said of it, or lacks what is asked for: WGSL for a GPU, a transpose.
    pub fn new(a: &impl ToMatrix, options: Options) -> Result<Self> {
        let start = Instant::now();
        options.check()?;
        let mut a = a.to_matrix()?;
        let rows = a.rows();
        let damp = options.method.settings().damp;
        if damp > 0.0 {
            let stored =
                a.entries().ok_or_else(|| Error::input("damp needs the entries of A; an operator has none"))?;
            a = damped(stored, damp)?.into();
        }
        if !a.is_square() && !options.method.is_least_squares() {
            return Err(Error::input(format!(
                "the matrix is {} x {}, and the method {} needs a square one; for a least-squares solution use lsqr or lsmr",
                a.rows(),
                a.cols(),
                options.method.id()
            )));
        }
        if options.criterion == Criterion::Componentwise && a.entries().is_none() {
            return Err(Error::input("the criterion componentwise needs the entries of A; an operator has none"));
        }
        if let Method::Projection { subspace } = &options.method {
            let finite = |v: &Vec<f64>| v.len() == a.rows() && v.iter().all(|x| x.is_finite());
            if !subspace.iter().all(finite) || !subspace.iter().flatten().any(|&x| x != 0.0) {
                return Err(Error::input(format!(
                    "projection needs a subspace: finite vectors of {} entries, not all zero",
                    a.rows()
                )));
            }
        }
        let facts = Facts::find(&a)?;
        let mut notes = vec![];
        let choice = plan::choose_device(&a, &options, &mut notes)?;
        let least_squares = options.method.is_least_squares();
        let order = if least_squares { None } else { plan::choose_order(&a, &options, &mut notes)? };
        let Chosen { candidates, first, sizes, warnings } =
            plan::choose(&a, &facts, &options, &choice, order.is_some(), &mut notes)?;
        let transposed = candidates.iter().any(|c| c.method.needs == Needs::Any);
        let transpose = if transposed { Some(transpose(&a)?) } else { None };
        let range = Arc::new(Range::new(options.method.settings().damp));
        Ok(Self {
            block: None,
            transforms: vec![],
            order,
            sessions: candidates.iter().map(|_| None).collect(),
            a,
            rows,
            transpose,
            range,
            options,
            facts,
            candidates,
            first,
            winner: None,
            sizes,
            plan: notes,
            warnings,
            device: choice,
            setup: start.elapsed(),
            cancel: Arc::new(AtomicBool::new(false)),
            callback: Box::new(|_| ControlFlow::Continue(())),
            watcher: None,
            directions: vec![],
            interrupted: false,
        })
    }

    /// The options one by one: `Solver::builder(&a).method(Method::Cg).rtol(1e-10).build()?`.
    pub fn builder<A: ToMatrix>(a: &A) -> Builder<'_, A> {
        Builder::new(a)
    }

    /// Calls `f` after each iteration.
    #[must_use]
    pub fn on_iteration(mut self, f: impl FnMut(Event) -> ControlFlow<()> + Send + 'static) -> Self {
        self.callback = Box::new(f);
        self
    }

    /// Shows x to `f` after each iteration, with the number of iterations; methods that restart have an x at the end of
    /// each cycle only. Iterations go one by one then, and x is read from the device each time. Iterations in f32 under a
    /// wider residual have no x to show, so choose [`Precision::F64`](crate::Precision::F64). Not for several
    /// right-hand sides at once.
    #[must_use]
    pub fn on_iterate(mut self, f: impl FnMut(usize, &[f64]) -> ControlFlow<()> + Send + 'static) -> Self {
        self.watcher = Some(Box::new(f));
        self
    }

    /// Directions that gcrotmk and lgmres start each solve with, as those of an earlier solve with a like matrix
    /// ([`Solver::directions`]); a product each. What a method can't keep of them it leaves out.
    ///
    /// # Errors
    /// A vector of the wrong length or not finite; a method that keeps no directions.
    pub fn start_with(mut self, directions: Vec<Vec<f64>>) -> Result<Self> {
        let keeps = matches!(self.options.method, Method::Gcrotmk { .. } | Method::Lgmres { .. });
        if !keeps {
            let id = self.options.method.id();
            return Err(Error::input(format!("{id} keeps no directions; gcrotmk and lgmres do")));
        }
        let n = self.a.cols();
        if let Some(v) = directions.iter().find(|v| v.len() != n || v.iter().any(|x| !x.is_finite())) {
            let fault = format!("a direction has {} entries; it needs {n} finite ones", v.len());
            return Err(Error::input(fault));
        }
        self.directions = directions;
        self.forget_sessions();
        Ok(self)
    }

    /// The directions that the method kept of the last solve, for systems to come: some at most, none from other methods
    /// than gcrotmk and lgmres.
    ///
    /// # Errors
    /// A device that fails.
    pub fn directions(&mut self) -> Result<Vec<Vec<f64>>> {
        let zero = vec![0.0; self.a.cols()];
        let Some(session) = self.sessions.iter_mut().flatten().next() else { return Ok(vec![]) };
        let mut kept = vec![];
        for v in session.method.directions() {
            let d = pollster::block_on(session.engine.read_vector(v))?;
            kept.push(session.transform.corrected(&zero, &d, 0));
        }
        Ok(kept)
    }

    /// A flag that ends a running solve once it is set; the best x so far is reported.
    #[must_use]
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancel)
    }

    /// What was chosen and why.
    #[must_use]
    pub fn plan(&self) -> &[String] {
        &self.plan
    }

    /// True where a_ij = a_ji up to rounding, or where an operator is said to be symmetric.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.facts.symmetric()
    }

    /// The device.
    #[must_use]
    pub fn adapter(&self) -> &AdapterInfo {
        &self.device.adapter
    }

    /// Solves A x = b from x₀ = 0.
    ///
    /// # Errors
    /// b of the wrong length or not finite; a device that fails.
    pub fn solve(&mut self, b: &(impl AsRef<[f64]> + ?Sized)) -> Result<Report> {
        pollster::block_on(self.solve_polled(b.as_ref(), None))
    }

    /// Solves A x = b from x₀.
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub fn solve_from(
        &mut self,
        b: &(impl AsRef<[f64]> + ?Sized),
        x0: &(impl AsRef<[f64]> + ?Sized),
    ) -> Result<Report> {
        pollster::block_on(self.solve_polled(b.as_ref(), Some(x0.as_ref())))
    }

    /// [`Solver::solve_from`] for callers that are futures already. It waits for the device all the same.
    pub(crate) async fn solve_polled(&mut self, b: &[f64], x0: Option<&[f64]>) -> Result<Report> {
        self.check_vectors(b, x0)?;
        self.enter();
        let deadline = self.deadline();
        let mut timings = self.first_timings();
        let (held, b) = (self.held(), self.stacked(b));
        let Begun { problem, mut state, reason, minimise } = self.begin(&held, &b, x0);
        let counters_before = self.counters();

        let mut rungs: Vec<Rung> = vec![];
        let reason = match reason {
            Some(reason) => reason,
            None => {
                let entry = Entry { failed: None, minimise };
                self.race(entry, deadline, &problem, &mut state, &mut rungs, &mut timings).await?
            }
        };
        let counters = self.counters().since(&counters_before);
        self.interrupted = false;
        Ok(self.report(reason, state, rungs, timings, counters))
    }

    pub(super) fn check_vectors(&self, b: &[f64], x0: Option<&[f64]>) -> Result<()> {
        let (rows, cols) = (self.rows, self.a.cols());
        for (name, v, n, what) in [("b", Some(b), rows, "rows"), ("x0", x0, cols, "columns")] {
            let Some(v) = v else { continue };
            if v.len() != n {
                return Err(Error::input(format!("{name} has {} entries; the matrix has {n} {what}", v.len())));
            }
            if let Some(i) = v.iter().position(|x| !x.is_finite()) {
                return Err(Error::input(format!("{name}[{i}] is {}", v[i])));
            }
        }
        Ok(())
    }

    /// b, with zeros for the rows that damping adds.
    pub(super) fn stacked<'a>(&self, b: &'a [f64]) -> Cow<'a, [f64]> {
        match self.a.rows() - self.rows {
            0 => Cow::Borrowed(b),
            below => Cow::Owned(b.iter().copied().chain(std::iter::repeat_n(0.0, below)).collect()),
        }
    }

    /// The timings of a solve so far: of the set-up, for the first one.
    pub(super) fn first_timings(&mut self) -> Timings {
        let setup = std::mem::take(&mut self.setup);
        Timings { setup_s: setup.as_secs_f64(), ..Timings::default() }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        // What the set-up took counts. A limit beyond what the clock can count is none.
        let left = self.options.time_limit.map(|t| t.saturating_sub(self.setup));
        left.and_then(|t| Instant::now().checked_add(t))
    }

    /// What calls a rung's set-up off.
    pub(super) fn halt(&self, deadline: Option<Instant>) -> Halt {
        Halt::new(Arc::clone(&self.cancel)).until(deadline)
    }

    /// Begins a call: after one that panicked or failed, devices start afresh.
    pub(super) fn enter(&mut self) {
        if std::mem::replace(&mut self.interrupted, true) {
            self.forget_sessions();
        }
        self.cancel.store(false, Ordering::Relaxed);
    }

    fn forget_sessions(&mut self) {
        self.sessions.iter_mut().for_each(|s| *s = None);
        self.block = None;
    }

    pub(super) fn held(&self) -> Held {
        // MINRES may end at a least-squares solution, and its A is its own transpose.
        let own = || {
            (self.facts.symmetric() && self.candidates.iter().any(|r| r.method.traits.least_squares)).then_some(&self.a)
        };
        let asked = &self.candidates[self.first].method;
        // A method asked for by name may minimise where nothing solves; a race says so before it starts.
        let may_minimise = asked.traits.least_squares && self.options.method != Method::Auto;
        let null = may_minimise && asked.needs != Needs::Any && self.facts.null_components.1 > 0;
        Held {
            a: self.a.clone(),
            transpose: self.transpose.as_ref().or_else(own).cloned(),
            range: Arc::clone(&self.range),
            norms: self.facts.norms.clone(),
            null: null.then(|| self.facts.clone()),
            may_minimise,
        }
    }

    /// The system, what is known of x₀, and the reason where there is nothing to iterate for.
    pub(super) fn begin<'a>(&self, held: &'a Held, b: &'a [f64], x0: Option<&[f64]>) -> Begun<'a> {
        let mut x = x0.map_or_else(|| vec![0.0; self.a.cols()], <[f64]>::to_vec);
        let zero_rhs = b.iter().all(|&v| v == 0.0);
        if zero_rhs {
            x.fill(0.0);
        }
        let certify_start = Instant::now();
        let best = certify(&held.a, &held.norms, b, x).expect("x0 was found finite");
        let inconsistent = self.null_component(best.truth());
        let minimise = held.may_minimise && inconsistent.is_some();
        let problem = Problem {
            matrix: &held.a,
            transpose: held.transpose.as_ref(),
            least_squares: minimise || self.candidates[self.first].method.needs == Needs::Any,
            null: held.null.as_ref().filter(|_| minimise),
            norms: &held.norms,
            b,
            rtol: self.options.rtol,
            atol: self.options.atol,
            criterion: self.options.criterion,
            initial: best.truth().certificate.relative,
            start: (best.truth().norm, best.truth().exponent),
            range: &held.range,
        };
        let state = State {
            system: 0,
            best,
            aside: None,
            iterations: 0,
            matvecs: 0,
            applications: 0,
            restarts: 0,
            bytes: 0,
            history: vec![],
            checks: vec![],
            certify_time: certify_start.elapsed(),
        };
        let reason = if zero_rhs {
            Some(Reason::Converged(Passed::ZeroRhs))
        } else if problem.passed(state.best.truth()).is_some() {
            Some(Reason::Converged(Passed::InitialGuess))
        } else {
            self.refusal(inconsistent.filter(|_| !minimise && self.minimising().is_none()))
        };
        let minimise = inconsistent.is_some() && self.minimising().is_some();
        Begun { problem, state, reason, minimise }
    }

    pub(super) fn report(
        &self,
        reason: Reason,
        state: State,
        rungs: Vec<Rung>,
        timings: Timings,
        counters: Counters,
    ) -> Report {
        // Who had the last turn: one that was paused may have come back.
        let last = rungs.iter().max_by_key(|r| r.turns.last().map_or(0, |turn| turn.1));
        let first = &self.candidates[self.first];
        let (x, certificate) = state.best.into_answer();
        let mut warnings = self.warnings.clone();
        warnings.extend(unseen_rows(&reason, &certificate, &self.options));
        Report {
            reason,
            method: last.map_or_else(|| first.method.id.to_string(), |r| r.method.clone()),
            preconditioner: last.map_or_else(|| first.preconditioner.clone(), |r| r.preconditioner.clone()),
            precision: last.map_or(first.precision, |r| r.precision),
            iterations: state.iterations,
            matvecs: state.matvecs,
            preconditioner_applications: state.applications,
            restarts: state.restarts,
            history: state.history,
            checks: state.checks,
            certificate,
            timings: Timings { certify_s: state.certify_time.as_secs_f64(), ..timings },
            counters,
            bytes_moved: state.bytes,
            adapter: self.device.adapter.clone(),
            rungs,
            plan: self.plan.clone(),
            warnings,
            x,
        }
    }

    /// Reasons not to iterate at all; `inconsistent` is what of b nothing can solve.
    fn refusal(&self, inconsistent: Option<f64>) -> Option<Reason> {
        let first = &self.candidates[self.first];
        if first.method.needs.symmetry()
            && let Some((i, j)) = self.facts.asymmetry
        {
            return Some(Reason::NotSymmetric { i, j });
        }
        inconsistent.map(|null_component| Reason::InconsistentSystem { null_component })
    }

    /// The candidate that has the last word where a solution in the sense of least squares will do.
    pub(super) fn minimising(&self) -> Option<usize> {
        self.candidates.iter().position(|r| self.options.method == Method::Auto && r.method.needs == Needs::Any)
    }

    /// ‖part of r in known null vectors of a symmetric A‖ / ‖b‖, where that is more than the tolerance.
    fn null_component(&self, truth: &Truth) -> Option<f64> {
        if self.facts.null_components.1 == 0 {
            return None;
        }
        let (null, _) = self.facts.split_null(&truth.residual);
        let rhs = ldexp(truth.certificate.rhs_norm, -truth.exponent);
        let target = self.options.rtol * rhs + ldexp(self.options.atol, -truth.exponent);
        (null > target.max(64.0 * f64::EPSILON * rhs)).then_some(null / rhs)
    }

    pub(super) fn counters(&self) -> Counters {
        let alone = self.sessions.iter().flatten().map(|s| s.engine.counters());
        let block = self.block.iter().map(Block::counters);
        alone.chain(block).fold(Default::default(), |sum, c| sum.plus(&c))
    }

    /// The transform for `change`, made once.
    pub(super) fn transform(&mut self, change: Change) -> Result<Arc<Transform>> {
        if let Some(known) = self.transforms.iter().find(|t| t.change == change) {
            return Ok(Arc::clone(known));
        }
        if change != Change::default() {
            let needed = self.a.plain_bytes(8) + 8 * self.a.rows() as u64;
            let what = || "a copy of the matrix, reordered or scaled,".into();
            memory::check(what, needed, self.options.memory_limit)?;
        }
        let made = Arc::new(match &self.a {
            Matrix::Stored(a) => Transform::new(a, &self.facts, change, self.order.as_deref()),
            Matrix::Free(_) => Transform::scaled(self.a.clone(), &self.facts),
        });
        self.plan.extend(made.describe());
        self.transforms.push(Arc::clone(&made));
        Ok(made)
    }

    /// The method of the candidate that starts.
    #[must_use]
    pub fn method(&self) -> &MethodEntry {
        &self.candidates[self.first].method
    }

    /// The number types of the candidate that starts.
    #[must_use]
    pub fn precision(&self) -> Plan {
        self.candidates[self.first].precision
    }
}

/// A part of its own size that a row may be left with before a user hears of it.
const UNSEEN: f64 = 1e-5;

/// Rows that the norm of a residual which passed does not see, because they are small beside others.
fn unseen_rows(reason: &Reason, c: &Certificate, options: &Options) -> Option<String> {
    let left = c.rowwise.filter(|&left| reason.is_converged() && left > UNSEEN.max(100.0 * options.rtol))?;
    // Of rows of one size, a residual within its bound leaves no more than this.
    (left > 1e3 * c.backward_error).then(|| {
        format!(
            "small rows are hardly solved: |r|_i/(|a_i||x| + |b_i|) is up to {left:.1e}, by component {:.1e}; x may be wrong \
             there. Scale the rows, or ask for the criterion componentwise",
            c.componentwise.unwrap_or(left)
        )
    })
}

/// [A; λI].
pub(super) fn damped(a: &Csr, lambda: f64) -> Result<Csr> {
    let n = a.cols();
    let row_ptr = a.row_ptr().iter().copied().chain(a.nnz() + 1..=a.nnz() + n).collect();
    let columns = a.columns().iter().copied().chain(0..n as u32).collect();
    let values = a.values().iter().copied().chain(std::iter::repeat_n(lambda, n)).collect();
    Csr::new(a.rows() + n, n, row_ptr, columns, values)
}

/// Aᵀ for a method that multiplies by it.
pub(super) fn transpose(a: &Matrix) -> Result<Matrix> {
    a.transposed().ok_or_else(|| Error::input("the method needs the operator's transpose; it gives none"))
}

/// What the problems of one call refer to while the solver is at work on them.
pub(super) struct Held {
    pub(super) a: Matrix,
    pub(super) transpose: Option<Matrix>,
    pub(super) range: Arc<Range>,
    pub(super) norms: Norms,
    pub(super) null: Option<Facts>,
    pub(super) may_minimise: bool,
}

/// A system before the candidate that starts; the reason where there is nothing to climb for.
pub(super) struct Begun<'a> {
    pub(super) problem: Problem<'a>,
    pub(super) state: State,
    pub(super) reason: Option<Reason>,
    /// b is known to be outside the range of A, and a least-squares solution will do.
    pub(super) minimise: bool,
}

/// Whether another candidate may end better than by `reason`.
pub(super) fn another_may_help(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Stagnated
            | Reason::FalseConvergence { .. }
            | Reason::Diverged { .. }
            | Reason::Breakdown(_)
            | Reason::IndefiniteOperator
            | Reason::IndefinitePreconditioner
            | Reason::IllConditioned { .. }
            | Reason::NonFinite { .. }
    )
}

/// An engine on the device that `options` name, over `space`.
pub(crate) fn open_engine(options: &Options, space: Space) -> Result<Box<dyn Engine>> {
    plan::choose_backend(usize::MAX, options, &mut vec![])?.engine(space, options)
}
