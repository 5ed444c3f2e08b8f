//! The race of the plan's candidates for one system: set-ups, slices, pauses. The rules are those of [`crate::plan::race`];
//! this is what they are played with.

use super::awaited::Pause;
use super::drive::Limits;
use super::problem::State;
use super::solver::Solver;
use super::system::{Call, System, another_may_help};
use crate::analyse::certify::certify;
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::host::halt::Halt;
use crate::method::Needs;
use crate::op::Triangle;
use crate::plan::race::{Entrant, Move, Race, Standing};
use crate::plan::{Candidate, LAUNCH};
use crate::precond;
use crate::precond::registry::Precond;
use crate::ranks::pace::Agreement;
use crate::report::{Reason, Rung};

/// Where the last winner takes so many times the iterations it took then, the race is open again.
pub(super) const WORSE: usize = 2;

/// Decimal digits of a relative residual.
fn digits(relative: f64) -> f64 {
    if relative > 0.0 { -relative.log10() } else { 300.0 }
}

impl System<'_> {
    /// The report's line of candidate `k`.
    fn line(&mut self, k: usize, solver: &Solver) -> &mut Rung {
        let place = match self.places.iter().find(|p| p.0 == k) {
            Some(&(_, place)) => place,
            None => {
                self.places.push((k, self.rungs.len()));
                self.rungs.push(solver.untried(k));
                self.rungs.len() - 1
            }
        };
        &mut self.rungs[place]
    }
}

impl Solver {
    /// Candidate `k`, untried.
    pub(super) fn untried(&self, k: usize) -> Rung {
        let candidate = &self.candidates[k];
        Rung {
            method: candidate.method.id.into(),
            preconditioner: candidate.preconditioner.clone(),
            variant: candidate.variant(),
            precision: candidate.precision,
            setup_s: 0.0,
            iterations: 0,
            turns: vec![],
            digits: 0.0,
            expected: None,
            reason: String::new(),
        }
    }

    /// The race; on another device where the one it runs on fails.
    pub(super) async fn race_on(&mut self, system: &mut System<'_>, call: &mut Call<'_>) -> Result<Reason> {
        loop {
            match self.race(system, call).await {
                Err(Error::Device(message)) => match self.lost(message).await? {
                    Some(reason) => return Ok(reason),
                    None => continue,
                },
                ended => return ended,
            }
        }
    }

    /// Lets the candidates race until one converges or all have failed. Where a least-squares solution will do, a method for
    /// those then has the last word: it finds the shortest, which no other does.
    pub(super) async fn race(&mut self, system: &mut System<'_>, call: &mut Call<'_>) -> Result<Reason> {
        system.places.clear();
        let last = self.minimising();
        let mut before = None;
        if !system.minimise {
            let reason = self.contest(system, call).await?;
            let reason = system.problem.diagnosed(reason, &system.state.best);
            let is_final = reason.is_converged() || reason.is_from_outside();
            if is_final || last.is_none() || system.state.iterations >= self.options.max_iterations {
                return Ok(reason);
            }
            before = Some((reason, system.state.best.clone()));
            // x may have grown along a null vector: the least-squares method starts from zero.
            let zero = vec![0.0; self.a.cols()];
            let problem = &system.problem;
            system.state.best = certify(&self.a, problem.norms, problem.b, zero).expect("zeros are finite");
        }
        let k = last.expect("asked for above, or by the entry");
        let mut race = Race::new(self.candidates.iter().map(|c| c.entrant), 0.0, 1.0);
        (0..self.candidates.len()).filter(|&j| j != k).for_each(|j| race.out(j));
        let reason = match self.open(k, system, &self.halt(call.deadline))? {
            Some(reason) => {
                system.line(k, self).reason = reason.to_string();
                reason
            }
            None => {
                race.ready(k);
                self.turn(k, usize::MAX, &mut race, system, call).await?
            }
        };
        match before {
            Some((earlier, best))
                if !reason.is_certified() && best.truth().distance() <= system.state.best.truth().distance() =>
            {
                system.state.best = best;
                Ok(if reason.is_from_outside() { reason } else { earlier })
            }
            _ => Ok(reason),
        }
    }

    /// Most iterations at the end of a turn of candidate `k`: a quarter is kept for the one that has the last word.
    fn most(&self, k: usize) -> usize {
        let all = self.options.max_iterations;
        if self.minimising().is_some_and(|last| last != k) { all - all / 4 } else { all }
    }

    /// The race itself.
    async fn contest(&mut self, system: &mut System<'_>, call: &mut Call<'_>) -> Result<Reason> {
        let failed = system.failed;
        let truth = system.state.best.truth();
        let relative = truth.certificate.relative;
        let goal = digits(system.problem.relative_target(truth)).clamp(0.5, 16.0);
        let mut race = Race::new(self.candidates.iter().map(|c| c.entrant), digits(relative), goal);
        self.sessions.iter_mut().flatten().for_each(|s| s.paused = None);
        for k in failed.into_iter().chain(self.minimising()) {
            race.out(k);
        }
        for k in 0..self.candidates.len() {
            self.recount(k, &mut race, 0.0);
        }
        // The last winner starts, and gets a share of the time.
        let mut favourite = self.winner.filter(|&(k, _)| Some(k) != failed);
        let mut current = None;
        let mut last = Reason::MaxIterations;
        loop {
            let next = match favourite {
                Some((k, _)) if race.standing(k) == Standing::Waits => Move::SetUp(k),
                Some((k, iterations)) => {
                    favourite = None;
                    Move::Run(k, WORSE * iterations + 10)
                }
                None => race.next(current),
            };
            let (k, slice) = match next {
                Move::Over => return Ok(last),
                Move::Run(k, slice) => (k, slice),
                Move::SetUp(k) => {
                    let start = Instant::now();
                    let counted = self.count(k, &mut race, &self.halt(call.deadline));
                    system.timings.setup_s += start.elapsed().as_secs_f64();
                    match counted {
                        Ok(true) => continue,
                        Ok(false) => {}
                        Err(Error::Halted(called)) => {
                            let reason = Reason::from(called);
                            system.line(k, self).reason = reason.to_string();
                            return Ok(reason);
                        }
                        Err(e) => return Err(e),
                    }
                    let guessed = favourite.is_none_or(|f| f.0 != k);
                    let halt = self.budget(k, guessed, &race, call.deadline);
                    match (self.open(k, system, &halt)?, halt.overdrawn()) {
                        (Some(Reason::PreconditionerFailed { .. }), Some(overdrawn)) => {
                            system.line(k, self).reason = "set-up stopped: more work than expected".into();
                            self.learn(k, overdrawn, &mut race);
                        }
                        (None, _) => {
                            race.ready(k);
                            race.starts(k, digits(system.state.best.truth().certificate.relative));
                            current = Some(k);
                        }
                        (Some(reason @ (Reason::Cancelled | Reason::TimeLimit)), _) => {
                            system.line(k, self).reason = reason.to_string();
                            return Ok(reason);
                        }
                        (Some(reason), _) => {
                            system.line(k, self).reason = reason.to_string();
                            race.out(k);
                            if self.candidates.get(k + 1).is_some_and(|c| c.again) {
                                race.out(k + 1);
                            }
                            favourite = favourite.filter(|f| f.0 != k);
                            last = reason;
                        }
                    }
                    continue;
                }
            };
            if let Some(reason) = self.open(k, system, &self.halt(call.deadline))? {
                // Its memory was given to another meanwhile and is not available again.
                race.out(k);
                last = reason;
                continue;
            }
            let left = self.most(k).saturating_sub(system.state.iterations);
            if left == 0 {
                return Ok(Reason::MaxIterations);
            }
            current = Some(k);
            let before = system.state.iterations;
            let reason = self.turn(k, slice, &mut race, system, call).await?;
            let made = system.state.iterations - before;
            if reason == Reason::MaxIterations && system.state.iterations < self.most(k) && made > 0 {
                continue;
            }
            if another_may_help(&reason) && race.contested(k) {
                race.out(k);
                // A narrow preconditioner may be to blame where the estimates were wrong or numbers left its range.
                let narrow = matches!(
                    reason,
                    Reason::FalseConvergence { .. } | Reason::IndefinitePreconditioner | Reason::NonFinite { .. }
                );
                if !narrow && self.candidates.get(k + 1).is_some_and(|c| c.again) {
                    race.out(k + 1);
                }
                if reason == Reason::IndefiniteOperator {
                    // The same holds for all candidates that need a definite A.
                    let definite = |c: &Candidate| c.method.needs == Needs::Definite;
                    (0..self.candidates.len()).filter(|&j| definite(&self.candidates[j])).for_each(|j| race.out(j));
                }
                self.drop_sessions(|j| race.standing(j) == Standing::Out);
                last = reason;
                continue;
            }
            // The other candidates give up their memory.
            self.drop_sessions(|j| j != k);
            return Ok(reason);
        }
    }

    /// A slice of candidate `k`, and what the report says of it.
    async fn turn(
        &mut self,
        k: usize,
        slice: usize,
        race: &mut Race,
        system: &mut System<'_>,
        call: &mut Call<'_>,
    ) -> Result<Reason> {
        let (before, certified) = (system.state.iterations, system.state.certify_time);
        let start = Instant::now();
        let reason = self.slice(k, slice, race, system, call).await?;
        let (end, certify_time) = (system.state.iterations, system.state.certify_time);
        system.timings.solve_s += (start.elapsed() - (certify_time - certified)).as_secs_f64();
        let (iterations, gained) = race.gained(k);
        let paused = reason == Reason::MaxIterations && end < self.most(k) && end > before;
        let to_go = race.expected(k) / race.entrant(k).each;
        let line = system.line(k, self);
        line.iterations = iterations;
        match line.turns.last_mut() {
            Some(turn) if turn.1 == before => turn.1 = end,
            _ => line.turns.push((before, end)),
        }
        line.digits = gained;
        line.expected = paused.then_some(to_go as usize);
        line.reason = if paused { "paused for another".into() } else { reason.to_string() };
        if reason.is_converged() {
            self.winner = Some((k, iterations));
        }
        Ok(reason)
    }

    /// Runs candidate `k` for `slice` iterations, and on as long as the race lets it.
    async fn slice(
        &mut self,
        k: usize,
        slice: usize,
        race: &mut Race,
        system: &mut System<'_>,
        call: &mut Call<'_>,
    ) -> Result<Reason> {
        let System { problem, state, .. } = system;
        state.candidate = k;
        let most = self.most(k);
        // While others may do better, they keep half of the remaining iterations.
        let part = |iterations: usize, more: usize| iterations + more.min((most - iterations).div_ceil(2));
        let contested = race.contested(k);
        let session = self.sessions[k].as_mut().expect("set up before it runs");
        let triangles = (0..session.space.triangles.len()).map(|t| session.space.triangle_bytes(Triangle(t as u16)));
        let triangles = triangles.sum::<u64>() as f64;
        let made = race.gained(k).0;
        let (before, bytes, applied) = (state.iterations, state.bytes, state.applications);
        let start = session.starts_at(state);
        let known = race.entrant(k).each;
        race.starts(k, digits(start));
        let whole = problem.matrix.whole();
        let look = move |race: &mut Race, state: &State| {
            let more = state.iterations - before;
            // A triangle is solved at a third of the pace of a product.
            let work = (state.bytes - bytes) as f64 + 2.0 * triangles * (state.applications - applied) as f64;
            let work = whole.sum(&[work]);
            let each = if more > 0 && work > 0.0 { work / more as f64 + LAUNCH } else { known };
            let held = state.history[state.history.len() - more..].iter().fold(start, |m: f64, &r| m.min(r));
            race.look(k, made + more, each, digits(held));
        };
        let mut judge = |state: &State| {
            look(race, state);
            match race.next(Some(k)) {
                _ if !race.contested(k) => most,
                Move::Run(j, more) if j == k => part(state.iterations, more),
                _ => state.iterations,
            }
        };
        let mut limits = Limits {
            max_iterations: if contested { part(state.iterations, slice) } else { most },
            max_matvecs: self.options.max_matvecs,
            deadline: call.deadline,
            cancel: &self.cancel,
            callback: &mut *call.callback,
            watcher: self.watcher.as_mut(),
            window: self.candidates[k].window,
            lag: self.options.knobs.lag,
            batch: self.options.knobs.batch,
            more: contested.then_some(&mut judge),
            pause: call.pause.as_mut().map(|pause| &mut **pause as Pause<'_>),
            agreement: Agreement::of(self.options.ranks.as_ref(), call.broken),
        };
        let reason = session.run(problem, state, &mut limits).await?;
        call.broken = limits.agreement.broken();
        look(race, state);
        Ok(reason)
    }

    /// Finds the order of candidate `k` where its set-up is to be counted and has not been; true where it was.
    fn count(&mut self, k: usize, race: &mut Race, halt: &Halt) -> Result<bool> {
        let candidate = &self.candidates[k];
        let change = candidate.change;
        if !candidate.needs_order() || self.transforms.iter().any(|t| t.change == change) {
            return Ok(false);
        }
        match self.transform(change, halt) {
            Ok(_) => {}
            // Told by the set-up.
            Err(Error::OutOfMemory { .. }) => return Ok(false),
            Err(e) => return Err(e),
        }
        let mut spent = self.sizes.order(change.matched);
        for j in 0..self.candidates.len() {
            if self.recount(j, race, spent) {
                spent = 0.0;
            }
        }
        Ok(true)
    }

    /// Tells the race what complete factors take, where the order of candidate `k` is known.
    fn recount(&self, k: usize, race: &mut Race, spent: f64) -> bool {
        let candidate = &self.candidates[k];
        let known = self.transforms.iter().find(|t| t.change == candidate.change).and_then(|t| t.cost);
        let (Some(dropped), Some(cost), Some(a)) = (candidate.counted, known, self.a.entries()) else { return false };
        let entrant = self.sizes.counted(&race.entrant(k), dropped, cost, precond::most_multiplications(a.nnz()));
        race.revise(k, entrant, spent);
        true
    }

    /// What may end the set-up of candidate `k`: where its work is guessed and others may go on, also that it takes more
    /// than twice that.
    fn budget(&self, k: usize, guessed: bool, race: &Race, deadline: Option<Instant>) -> Halt {
        // The table says nothing of a preconditioner that was asked for.
        let guessed = guessed && self.options.preconditioner == Precond::Auto && self.candidates[k].counted.is_none();
        let guessed = guessed && race.has_rival(k);
        self.halt(deadline).with_budget(guessed.then(|| 2.0 * self.sizes.ns(race.entrant(k).setup)))
    }

    /// Raises the guess for candidate `k`, whose set-up ended by its budget, and for those with the same preconditioner:
    /// other pivots fill about as much.
    fn learn(&self, k: usize, (spent, needed): (f64, f64), race: &mut Race) {
        let (spent, needed) = (self.sizes.work(spent), self.sizes.work(needed));
        let known = race.entrant(k).setup + spent;
        let alike = |j: &usize| self.candidates[*j].preconditioner == self.candidates[k].preconditioner;
        for j in (0..self.candidates.len()).filter(alike) {
            let entrant = race.entrant(j);
            let (own, spent) = if j == k { (known, spent) } else { (entrant.setup, 0.0) };
            race.revise(j, Entrant { setup: own.max(needed), ..entrant }, spent);
        }
    }

    /// Sets candidate `k` up; the reason where that fails.
    fn open(&mut self, k: usize, system: &mut System<'_>, halt: &Halt) -> Result<Option<Reason>> {
        if self.sessions[k].is_some() {
            return Ok(None);
        }
        let upload = Instant::now();
        let mut made = self.session(k, halt);
        if matches!(made, Err(Error::OutOfMemory { .. })) && self.sessions.iter().any(Option::is_some) {
            // Paused candidates start anew when their turn comes.
            self.drop_sessions(|_| true);
            made = self.session(k, halt);
        }
        match made {
            Ok((mut session, setup)) => {
                system.timings.setup_s += setup.as_secs_f64();
                system.timings.upload_s += (upload.elapsed() - setup).as_secs_f64();
                system.line(k, self).setup_s += setup.as_secs_f64();
                self.plan.extend(session.method.system().m.describe());
                self.sessions[k] = Some(session);
                Ok(None)
            }
            Err(Error::Preconditioner { row, message }) => {
                let spent = upload.elapsed().as_secs_f64();
                system.timings.setup_s += spent;
                system.line(k, self).setup_s += spent;
                Ok(Some(Reason::PreconditionerFailed { row, message }))
            }
            // Another may need less.
            Err(e @ Error::OutOfMemory { .. }) if self.candidates.len() > 1 => {
                Ok(Some(Reason::PreconditionerFailed { row: 0, message: e.to_string() }))
            }
            Err(Error::Halted(called)) => Ok(Some(called.into())),
            Err(e) => Err(e),
        }
    }
}
