//! Several right-hand sides: the first system's race names a candidate, whose copies run side by side and read the
//! matrix once for all.

use super::awaited::Heard;
use super::race::WORSE;
use super::solver::Solver;
use super::system::{Call, System, another_may_help};
use crate::backend::shared::Shared;
use crate::backend::{Awaited, Counters};
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::ranks::pace::Agreement;
use crate::report::{Reason, Report, Rung};
use crate::solve::drive::{Event, Limits, Session};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// Right-hand sides that run side by side; more come in groups of so many.
const SIDE_BY_SIDE: usize = 8;

/// Copies of a candidate on one engine.
pub(super) struct Block {
    pub(super) candidate: usize,
    pub(super) sessions: Vec<Session>,
    pub(super) shared: Shared,
}

impl Block {
    pub(super) fn counters(&self) -> Counters {
        self.shared.counters()
    }
}

impl System<'_> {
    /// For the race, or for its winner.
    fn waits(&self) -> bool {
        self.reason.is_none() && !self.minimise && self.failed.is_none()
    }
}

impl Solver {
    /// Solves A x = b for each b, from x₀ = 0: up to eight at a time run side by side, and one pass over the matrix
    /// serves them all. Each system does what [`Solver::solve`] would do, one after the other, has its own certificate and
    /// its own report; on the CPU to the same bits. Candidates race for the first system only; what the winner does not
    /// solve goes on alone.
    ///
    /// In a report, `bytes_moved` is the system's share; `timings` and `counters` are those of its whole group. Limits
    /// on iterations and products hold for each system, the limit on time for all of them together.
    ///
    /// # Errors
    /// As [`Solver::solve`], for the first b at fault.
    pub fn solve_many<B: AsRef<[f64]>>(&mut self, b: &[B]) -> Result<Vec<Report>> {
        self.hearing(|solver, callback| pollster::block_on(solver.many(b, None::<&[B]>, callback)))
    }

    /// [`Solver::solve_many`] from an x₀ for each b.
    ///
    /// # Errors
    /// As [`Solver::solve_many`]; another count of x₀ than of b.
    pub fn solve_many_from<B: AsRef<[f64]>, X: AsRef<[f64]>>(&mut self, b: &[B], x0: &[X]) -> Result<Vec<Report>> {
        self.hearing(|solver, callback| pollster::block_on(solver.many(b, Some(x0), callback)))
    }

    async fn many<B: AsRef<[f64]>, X: AsRef<[f64]>>(
        &mut self,
        b: &[B],
        x0: Option<&[X]>,
        callback: Heard<'_>,
    ) -> Result<Vec<Report>> {
        if let Some(x0) = x0
            && x0.len() != b.len()
        {
            return Err(Error::input(format!("{} right-hand sides, {} initial guesses", b.len(), x0.len())));
        }
        let start = |k: usize| x0.map(|x0| x0[k].as_ref());
        let check = |k: usize| {
            let checked = self.check_vectors(b[k].as_ref(), start(k));
            checked.map_err(|e| Error::input(format!("right-hand side {k}: {e}")))
        };
        self.agreed((0..b.len()).try_for_each(check))?;
        self.enter().await?;
        let mut call = Call { deadline: self.deadline(), callback, pause: None, broken: false };
        let held = self.held();
        let stacked: Vec<_> = b.iter().map(|b| self.stacked(b.as_ref())).collect();
        let mut reports = vec![];
        for first in (0..b.len()).step_by(SIDE_BY_SIDE) {
            let mut systems = vec![];
            for k in first..b.len().min(first + SIDE_BY_SIDE) {
                let timings = self.first_timings();
                let mut system = self.begin(&held, &stacked[k], start(k), timings);
                system.state.system = k;
                systems.push(system);
            }
            let before = self.counters();
            // The first system tells which candidate solves the others side by side.
            if self.leader().is_none()
                && let Some(system) = systems.iter_mut().find(|s| s.waits())
            {
                self.alone(system, &mut call).await?;
            }
            match self.side_by_side(&mut systems, b.len(), &mut call).await {
                Err(Error::Device(message)) => {
                    let reason = self.lost(message).await?;
                    systems.iter_mut().filter(|s| s.reason.is_none()).for_each(|s| s.reason.clone_from(&reason));
                }
                ended => ended?,
            }
            for system in systems.iter_mut().filter(|s| s.reason.is_none()) {
                self.alone(system, &mut call).await?;
            }
            let counters = self.counters().since(&before);
            for System { state, rungs, timings, reason, .. } in systems {
                let reason = reason.expect("every system has come to an end");
                reports.push(self.report(reason, state, rungs, timings, counters));
            }
        }
        self.leave();
        Ok(reports)
    }

    /// The candidate that runs side by side: the only one, or the last winner.
    fn leader(&self) -> Option<usize> {
        if self.candidates.len() == 1 { Some(0) } else { self.winner.map(|w| w.0) }
    }

    async fn alone(&mut self, system: &mut System<'_>, call: &mut Call<'_>) -> Result<()> {
        system.reason = Some(self.race_on(system, call).await?);
        Ok(())
    }

    /// Says how `total` right-hand sides are solved: of the first group one may have raced.
    fn tell(&mut self, total: usize, raced: bool) {
        let whole = format!("{total} right-hand sides");
        if self.plan.iter().any(|line| line.starts_with(&whole)) {
            return;
        }
        let first = if raced { ": the first by itself, for the race, the others" } else { "" };
        let groups = if total > SIDE_BY_SIDE { format!(", {SIDE_BY_SIDE} at a time") } else { String::new() };
        self.plan.push(format!("{whole}{first} side by side{groups}"));
    }

    /// Runs the leading candidate for all systems of a group that want it, of `total` systems.
    async fn side_by_side(&mut self, systems: &mut [System<'_>], total: usize, call: &mut Call<'_>) -> Result<()> {
        let deadline = call.deadline;
        let open = systems.iter().filter(|s| s.waits()).count();
        // One alone needs no company.
        let Some(leader) = self.leader().filter(|_| open > 1) else { return Ok(()) };
        let upload = Instant::now();
        let (mut upload_s, mut setup_s) = (0.0, 0.0);
        if self.block.as_ref().is_some_and(|b| b.candidate != leader || b.sessions.len() < open) {
            self.drop_block();
        }
        let mut block = match self.block.take() {
            Some(block) => block,
            None => match self.block_of(leader, open, &self.halt(deadline)) {
                Ok((mut block, setup)) => {
                    setup_s = setup.as_secs_f64();
                    upload_s = (upload.elapsed() - setup).as_secs_f64();
                    self.plan.extend(block.sessions[0].method.system().m.describe());
                    self.tell(total, systems.iter().any(|s| !s.rungs.is_empty()));
                    block
                }
                // One at a time may fit; what else can't be set up is told there.
                Err(Error::OutOfMemory { .. } | Error::Preconditioner { .. } | Error::Halted(_)) => return Ok(()),
                Err(e) => return Err(e),
            },
        };
        let (window, last) = (self.candidates[leader].window, self.candidates.len() == 1);
        let line = self.untried(leader);
        // With others to go on, no more than what a race grants to its last winner.
        let all = self.options.max_iterations;
        let share = self.winner.filter(|_| !last).map_or(all, |w| (WORSE * w.1 + 10).min(all));
        // They take turns: nobody waits for the lock.
        let callback = Mutex::new(&mut *call.callback);
        let start = Instant::now();
        let mut runs: Vec<Awaited<'_, Result<Reason>>> = vec![];
        let mut taken = vec![];
        let mut sessions = block.sessions.iter_mut();
        for (k, system) in systems.iter_mut().enumerate().filter(|(_, s)| s.waits()) {
            let session = sessions.next().expect("as many sessions as open systems");
            let System { problem, state, .. } = system;
            state.candidate = leader;
            taken.push(k);
            let (callback, cancel, options) = (&callback, &self.cancel, &self.options);
            runs.push(Box::pin(async move {
                let mut heard = |event: Event| -> ControlFlow<()> {
                    callback.lock().unwrap_or_else(PoisonError::into_inner)(event)
                };
                let mut limits = Limits {
                    max_iterations: share,
                    max_matvecs: options.max_matvecs,
                    deadline,
                    cancel,
                    callback: &mut heard,
                    watcher: None,
                    window,
                    lag: options.knobs.lag,
                    batch: options.knobs.batch,
                    more: None,
                    pause: None,
                    agreement: Agreement::of(options.ranks.as_ref(), false),
                };
                session.run(problem, state, &mut limits).await
            }));
        }
        let outcomes = block.shared.run(runs).await?;
        let solve_s = start.elapsed().as_secs_f64();
        for (k, (reason, bytes)) in taken.into_iter().zip(outcomes) {
            let system = &mut systems[k];
            system.state.bytes = bytes;
            system.timings.setup_s += setup_s;
            system.timings.upload_s += upload_s;
            system.timings.solve_s += solve_s;
            let iterations = system.state.iterations;
            let turns = vec![(0, iterations)];
            system.rungs.push(Rung { iterations, turns, reason: reason.to_string(), ..line.clone() });
            // One whose share is used up may go on in a race.
            let turn_over = reason == Reason::MaxIterations && share < all && system.state.iterations >= share;
            if last || !(turn_over || another_may_help(&reason)) {
                let reason = system.problem.diagnosed(reason, &system.state.best);
                system.reason = Some(reason);
            } else {
                system.failed = (!turn_over).then_some(leader);
            }
        }
        self.block = Some(block);
        Ok(())
    }
}
