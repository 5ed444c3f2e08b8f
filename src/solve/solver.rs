//! The front door: a solver that can be used again, and the one-line `solve`.

use super::awaited::{Heard, Here, Pause};
use super::builder::Builder;
use super::derived::{damped, transpose};
use super::many::Block;
use super::system::Call;
use crate::analyse::facts::Facts;
use crate::analyse::range::Range;
use crate::backend::{AdapterInfo, Counters, Engine};
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::host::halt::Halt;
use crate::host::machine::quiet_mesa;
use crate::matrix::{Matrix, ToMatrix};
use crate::method::registry::Method;
use crate::method::{MethodEntry, Needs};
use crate::op::{Precisions, Space};
use crate::options::{Criterion, Options};
use crate::plan::transform::{Change, Transform};
use crate::plan::{self, Candidate, Chosen, DeviceChoice, Sizes};
use crate::ranks::Ranks;
use crate::report::{Report, Timings};
use crate::solve::drive::{Event, Session, Watcher};
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Called after every iteration; `Break` ends the solve.
type Callback = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

/// A matrix with a plan for solving with it. Solves any number of right-hand sides; what the first solve allocated,
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
    /// What else cancels set-ups.
    pub(super) heeded: Halt,
    pub(super) callback: Callback,
    pub(super) watcher: Option<Watcher>,
    /// Those of [`Solver::start_with`].
    pub(super) directions: Vec<Vec<f64>>,
    /// The device failed in the call before.
    pub(super) device_failed: bool,
    /// A call has begun and has not ended normally: the state on the device is not known.
    pub(super) interrupted: bool,
    /// What devices counted whose sessions are dropped.
    pub(super) retired: Counters,
}

/// x with A x = b, everything at its default. Check [`Report::reason`], or use [`Report::into_result`].
///
/// # Errors
/// Bad input, or a device that fails. Not converging is no error.
pub fn solve(a: &impl ToMatrix, b: &(impl AsRef<[f64]> + ?Sized)) -> Result<Report> {
    Solver::new(a, Options::default())?.solve(b)
}

impl Solver {
    /// Checks the matrix, finds what it is, and plans. [`Method::Auto`] takes lsqr for a rectangular matrix.
    ///
    /// # Errors
    /// A rectangular matrix for a method that needs a square one, options out of range, no such adapter; an
    /// operator that contradicts what is said of it, or lacks what is asked for: WGSL for a GPU, a transpose.
    pub fn new(a: &impl ToMatrix, options: Options) -> Result<Self> {
        pollster::block_on(Self::new_async(a, options))
    }

    /// [`Solver::new`] for callers that must not block, as in a browser, where a GPU has to be waited for.
    ///
    /// # Errors
    /// As [`Solver::new`].
    pub async fn new_async(a: &impl ToMatrix, mut options: Options) -> Result<Self> {
        quiet_mesa();
        let matrix = a.to_matrix();
        if let Ok(Matrix::Parted(parted)) = &matrix {
            options.ranks = Some(parted.ranks.clone());
        }
        let ranks = options.ranks.clone();
        options.knobs.memory_share = ranks.as_ref().map(Ranks::memory_share).transpose()?;
        let planned = match matrix {
            Ok(a) => Self::planned(a, options).await,
            Err(e) => Err(e),
        };
        Ranks::agreed(ranks.as_ref(), planned)
    }

    async fn planned(mut a: Matrix, mut options: Options) -> Result<Self> {
        let start = Instant::now();
        options.check()?;
        let rows = a.rows();
        let mut notes = vec![];
        if options.method == Method::Auto && !a.is_square() {
            notes.push(format!("least squares: A is {rows} x {}; of several solutions the shortest", a.cols()));
            options.method = Method::Lsqr { damp: 0.0 };
        }
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
        if options.criterion == Criterion::Componentwise && matches!(a, Matrix::Free(_)) {
            return Err(Error::input("the criterion componentwise needs the entries of A; an operator has none"));
        }
        if a.parted().is_some() && options.method.entry().is_some_and(|m| m.traits.whole_vectors) {
            let id = options.method.id();
            return Err(Error::input(format!(
                "{id} needs vectors of all rows, and each rank has its own; use another method"
            )));
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
        let choice = plan::choose_device(&a, &options, &[], &mut notes).await?;
        let least_squares = options.method.is_least_squares();
        let order = if least_squares { None } else { plan::choose_order(&a, &options, &mut notes)? };
        let Chosen { candidates, first, sizes, mut warnings } =
            plan::choose(&a, &facts, &options, &choice, order.is_some(), &mut notes)?;
        warnings.extend(options.without_effect());
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
            heeded: Halt::default(),
            callback: Box::new(|_| ControlFlow::Continue(())),
            watcher: None,
            device_failed: false,
            directions: vec![],
            interrupted: false,
            retired: Counters::default(),
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
        if self.a.parted().is_some() {
            return Err(Error::input("directions belong to all rows, and each rank has its own"));
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

    /// A flag that ends the solve that runs, or else the next one, once it is set; the best x so far is reported. Every
    /// solve clears it at its end.
    #[must_use]
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancel)
    }

    /// Set-ups of this solver end where `halt` is cancelled, too.
    pub(crate) fn heeding(mut self, halt: &Halt) -> Self {
        self.heeded = halt.clone();
        self
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

    /// True where the CPU backend solves.
    pub(crate) fn is_on_host(&self) -> bool {
        self.device.is_host()
    }

    /// Solves A x = b from x₀ = 0.
    ///
    /// # Errors
    /// b of the wrong length or not finite; a device that fails.
    pub fn solve(&mut self, b: &(impl AsRef<[f64]> + ?Sized)) -> Result<Report> {
        self.hearing(|solver, callback| pollster::block_on(solver.solve_heard(b.as_ref(), None, callback, None)))
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
        self.hearing(|solver, callback| {
            pollster::block_on(solver.solve_heard(b.as_ref(), Some(x0.as_ref()), callback, None))
        })
    }

    /// Solves A x = b from x₀, and calls `f` after each iteration in place of what [`Solver::on_iteration`] was given.
    /// `f` may borrow from the caller.
    ///
    /// ```
    /// use krylane::{Solver, matrix::gallery};
    /// use std::ops::ControlFlow;
    /// let a = gallery::poisson2d(20);
    /// let mut residuals = vec![];
    /// let mut solver = Solver::builder(&a).build()?;
    /// let report = solver.solve_watched(&vec![1.0; a.rows()], None, |event| {
    ///     residuals.push(event.residual);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(residuals.len(), report.iterations);
    /// # Ok::<(), krylane::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub fn solve_watched(
        &mut self,
        b: &(impl AsRef<[f64]> + ?Sized),
        x0: Option<&[f64]>,
        f: impl FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Report> {
        let mut f = Here::new(f);
        pollster::block_on(self.solve_heard(b.as_ref(), x0, &mut |event| f.hear(event), None))
    }

    /// Runs `f` with the callback that the solver holds.
    pub(super) fn hearing<T>(&mut self, f: impl FnOnce(&mut Self, Heard<'_>) -> T) -> T {
        let mut callback = std::mem::replace(&mut self.callback, Box::new(|_| ControlFlow::Continue(())));
        let answer = catch_unwind(AssertUnwindSafe(|| f(self, &mut callback)));
        self.callback = callback;
        // One that panics is kept for the next call all the same.
        answer.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// [`Solver::solve`] for callers that are futures already, without a callback. It waits for the device all the same.
    pub(crate) async fn solve_polled(&mut self, b: &[f64]) -> Result<Report> {
        self.solve_heard(b, None, &mut |_| ControlFlow::Continue(()), None).await
    }

    pub(super) async fn solve_heard(
        &mut self,
        b: &[f64],
        x0: Option<&[f64]>,
        callback: Heard<'_>,
        pause: Option<Pause<'_>>,
    ) -> Result<Report> {
        self.agreed(self.check_vectors(b, x0))?;
        self.enter().await?;
        let pause = pause.map(|pause| &mut *pause as Pause<'_>);
        let mut call = Call { deadline: self.deadline(), callback: &mut *callback, pause, broken: false };
        let timings = self.first_timings();
        let (held, b) = (self.held(), self.stacked(b));
        let mut system = self.begin(&held, &b, x0, timings);
        let before = self.counters();
        let reason = match system.reason.take() {
            Some(reason) => reason,
            None => self.race_on(&mut system, &mut call).await?,
        };
        let counters = self.counters().since(&before);
        self.leave();
        Ok(self.report(reason, system.state, system.rungs, system.timings, counters))
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

    /// What cancels the set-up of a candidate. Ranks can't agree on that in the middle of one; they do after it.
    pub(super) fn halt(&self, deadline: Option<Instant>) -> Halt {
        if self.options.ranks.is_some() {
            return Halt::default();
        }
        Halt::new(Arc::clone(&self.cancel)).or(&self.heeded).until(deadline)
    }

    /// Begins a call: after one that panicked or failed, devices start afresh.
    pub(super) async fn enter(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.interrupted, true) {
            self.forget_sessions();
        }
        self.revive().await
    }

    pub(super) fn forget_sessions(&mut self) {
        self.drop_sessions(|_| true);
        self.drop_block();
    }

    /// Drops the sessions of these candidates; what their devices counted is kept.
    pub(super) fn drop_sessions(&mut self, which: impl Fn(usize) -> bool) {
        for session in self.sessions.iter_mut().enumerate().filter(|(j, _)| which(*j)).filter_map(|(_, s)| s.take()) {
            self.retired = self.retired.plus(&session.engine.counters());
        }
    }

    pub(super) fn drop_block(&mut self) {
        if let Some(block) = self.block.take() {
            self.retired = self.retired.plus(&block.counters());
        }
    }

    /// A call is over: a flag that was set while it ran does not end the next one, whatever this one ended by.
    pub(super) fn leave(&mut self) {
        self.interrupted = false;
        self.cancel.store(false, Ordering::Relaxed);
    }

    pub(super) fn counters(&self) -> Counters {
        let alone = self.sessions.iter().flatten().map(|s| s.engine.counters());
        let block = self.block.iter().map(Block::counters);
        alone.chain(block).fold(self.retired, |sum, c| sum.plus(&c))
    }

    /// The transform for `change`, made once.
    pub(super) fn transform(&mut self, change: Change, halt: &Halt) -> Result<Arc<Transform>> {
        if let Some(known) = self.transforms.iter().find(|t| t.change == change) {
            return Ok(Arc::clone(known));
        }
        if change != Change::default() && self.a.parted().is_none() {
            let needed = self.a.plain_bytes(8) + 8 * self.a.rows() as u64;
            let what = || "a copy of the matrix, reordered or scaled,".into();
            self.options.check_memory(what, needed)?;
        }
        let made = Arc::new(match &self.a {
            Matrix::Stored(a) => Transform::new(a, &self.facts, change, self.order.as_deref(), halt)?,
            _ => Transform::scaled(self.a.clone(), &self.facts),
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
    pub fn precision(&self) -> Precisions {
        self.candidates[self.first].precision
    }
}

/// An engine on the device that `options` name, over `space`.
pub(crate) fn open_engine(options: &Options, space: Space) -> Result<Box<dyn Engine>> {
    pollster::block_on(plan::choose_backend(usize::MAX, options, &[], &mut vec![]))?.engine(space)
}
