//! The loop over iterations of one correction: batches, lag, limits, ends of cycles, renewals on the device.

use crate::backend::{Progress, deliver};
use crate::error::Result;
use crate::host::scale::norm2_of;
use crate::method::{Method, Next, Outbox};
use crate::op::schedule::Compiled;
use crate::op::{Dtype, Op, Operator, Program, Stop};
use crate::report::TrueResidual;
use crate::solve::drive::{Ended, Event, GAIN, Limits, Session, Units};
use crate::solve::problem::State;
use std::collections::VecDeque;
use std::sync::Arc;

/// An iteration that was issued and whose record has not been read.
struct Issued {
    products: usize,
    applications: usize,
    bytes: u64,
}

/// Target duration of a batch, in seconds, on a device that has batches. In a browser it must exceed the wait for an
/// answer, some 0.03 s, or batches would never grow.
const BATCH_SECONDS: f64 = if cfg!(target_arch = "wasm32") { 0.15 } else { 0.03 };

impl Session {
    /// Runs iterations, ends of cycles and renewals until the device or the host half stops, or a limit is met.
    pub(super) async fn iterate(
        &mut self,
        state: &mut State,
        limits: &mut Limits<'_>,
        mut goal: f64,
        mut norm: f64,
        units: Units,
        mut resume: bool,
    ) -> Result<(Ended, f64)> {
        let unit = units.residual;
        let mut last = norm;
        let floor = goal;
        // ‖r‖ at the start and at the end of each cycle.
        let mut cycles = vec![norm];
        let mut poor = 0;
        loop {
            // Recompute the true residual before the one kept in f32 has drifted from it.
            let narrow = self.space.plan.working == Dtype::F32;
            let tolerance = if narrow { goal.max(norm * self.method.reduction()) } else { goal };
            self.watch_from(tolerance);
            let mut p = Program::new(&self.space);
            if resume {
                self.method.resume(&mut p);
            } else {
                self.method.start(&mut p);
            }
            let (ops, applications, inner) = (p.ops, p.preconditioned, p.inner_products);
            let compiled = self.compiler.compile(ops.clone(), &self.space);
            let products = self.products(&compiled) - inner;
            if state.matvecs + products > limits.max_matvecs {
                self.finish(state).await?;
                return Ok((Ended::MaxIterations, last));
            }
            self.issue_extra(state, ops, applications, inner)?;
            resume = false;
            let mut ended = self.pump(state, limits, tolerance, units, &mut last).await?;
            if self.method.restarts() {
                let mut outbox = Outbox::default();
                let mut p = Program::new(&self.space);
                self.method.end_cycle(&mut p, &mut outbox);
                deliver(outbox, &mut *self.engine)?;
                let (ops, applications, inner) = (p.ops, p.preconditioned, p.inner_products);
                self.issue_extra(state, ops, applications, inner)?;
                cycles.push(last);
                ended = ended.or(self.show(state, limits, units).await?);
            }
            let refines = self.renewal.is_some_and(|n| n.refines());
            if units.slope > 0.0 && ended.is_none() && !refines {
                // x is up to date only here.
                let x = self.engine.read_vector(self.x).await?;
                goal = goal.max(floor + units.slope * norm2_of(&x, self.transform.matrix.whole()));
                ended = (last <= goal).then_some(Ended::Estimate);
            }
            let estimated = matches!(ended, Some(Ended::Stop(Stop::Estimate) | Ended::Estimate));
            if let Some(ended) = ended
                && (!refines || !estimated || poor > 1 || state.matvecs >= limits.max_matvecs)
            {
                self.finish(state).await?;
                return Ok((ended, last));
            }
            // A cycle ended without convergence.
            if let [.., third, _, _, now] = cycles[..]
                && now > 0.99 * third
            {
                self.finish(state).await?;
                return Ok((Ended::Stop(Stop::Stagnated), last));
            }
            if !estimated && (limits.met(state) || state.matvecs >= limits.max_matvecs) {
                self.finish(state).await?;
                return Ok((Ended::MaxIterations, last));
            }
            if refines {
                let truth = self.renew_and_measure(state).await?;
                state.checks.push(TrueResidual { iteration: state.iterations, relative: truth * unit });
                resume = estimated && worth_keeping(norm, last, truth);
                // A NaN ends the loop too; the certificate reports it.
                let go_on = estimated && truth > goal && truth.is_finite() || ended.is_none();
                if !go_on {
                    return Ok((ended.unwrap_or(Ended::Estimate), truth));
                }
                if let Some(ended) = limits.called_off()? {
                    return Ok((ended, truth));
                }
                poor = if GAIN * truth > norm { poor + 1 } else { 0 };
                (norm, last) = (truth, truth);
                if let Some(end) = cycles.last_mut() {
                    *end = truth;
                }
            } else {
                let (x, r, renewal) = (self.x, self.r, self.renewal.expect("a method with cycles restarts"));
                self.segment(state, |_, p| renewal.renew(p, x, r))?;
            }
            state.restarts += usize::from(self.method.restarts());
        }
    }

    /// Renews the residual in the wider type and waits for its norm.
    async fn renew_and_measure(&mut self, state: &mut State) -> Result<f64> {
        let (x, r, renewal) = (self.x, self.r, self.renewal.expect("a session that refines renews"));
        self.engine.clear_stop();
        self.segment(state, |_, p| {
            renewal.renew(p, x, r);
            renewal.measure(p, r);
        })?;
        let published = self.drain().await?;
        Ok(published.first().and_then(|r| r.first()).copied().unwrap_or(f64::NAN))
    }

    /// Brings the solution of the correction up to date.
    async fn finish(&mut self, state: &mut State) -> Result<()> {
        if let Some(renewal) = self.renewal
            && renewal.refines()
        {
            self.drain().await?;
            self.engine.clear_stop();
            let x = self.x;
            self.segment(state, |_, p| renewal.collect(p, x))?;
        }
        self.drain().await?;
        Ok(())
    }

    /// The largest number of the iteration's type.
    pub(super) fn largest(&self) -> f64 {
        if self.space.plan.working == Dtype::F32 { f64::from(f32::MAX) } else { f64::MAX }
    }

    /// Sets the stopping conditions of the next iterations.
    fn watch_from(&mut self, tolerance: f64) {
        let largest = self.largest();
        for (scalar, value) in
            [(self.watch.tolerance, tolerance), (self.watch.best, largest), (self.watch.since_best, 0.0)]
        {
            self.engine.write_scalar(scalar, value);
        }
        if let Some(growing) = self.growing {
            self.engine.write_scalar(growing.floor, tolerance);
        }
    }

    /// Issues and reads iterations until a stop, a limit (`Some`) or the end of a cycle (`None`).
    async fn pump(
        &mut self,
        state: &mut State,
        limits: &mut Limits<'_>,
        tolerance: f64,
        units: Units,
        last: &mut f64,
    ) -> Result<Option<Ended>> {
        let unit = units.residual;
        let mut pending: VecDeque<Issued> = VecDeque::new();
        let mut closing = false;
        let mut limit_met = false;
        let mut ended: Option<Ended> = None;
        let (lag, batch) = limits.pace(self.engine.batch_limit() > 1);
        let first = state.history.len();
        loop {
            while !closing && self.engine.in_flight() <= lag {
                let room = limits.max_iterations.saturating_sub(state.iterations + pending.len());
                // Iterations behind the last one cost their launches, though they do nothing.
                let useful = to_go(&state.history[first..], tolerance * unit).saturating_sub(pending.len()).max(1);
                if batch.is_none() && useful == 1 && self.engine.in_flight() > 0 {
                    break;
                }
                let size = batch.unwrap_or(self.batch.min(useful));
                let size = size.min(self.engine.batch_limit().max(batch.unwrap_or(1)));
                let mut issued = 0;
                while issued < size.min(room) && !closing {
                    let ahead: usize = pending.iter().map(|i| i.products).sum();
                    let mut p = Program::new(&self.space);
                    if let Some(growing) = self.growing {
                        growing.renew(&mut p, self.x, self.watch.tolerance);
                    }
                    let next = self.method.step(&mut p);
                    let (applications, inner) = (p.preconditioned, p.inner_products);
                    let compiled = self.compiler.compile(p.ops, &self.space);
                    let products = self.products(&compiled) - inner;
                    let needed = ahead + products + self.method.closing_products();
                    if state.matvecs + needed > limits.max_matvecs {
                        closing = true;
                        limit_met = true;
                        break;
                    }
                    let bytes = self.engine.enqueue(&compiled)?;
                    pending.push_back(Issued { products, applications, bytes });
                    issued += 1;
                    closing |= next == Next::EndCycle;
                }
                if size > room && !closing {
                    closing = true;
                    limit_met = true;
                }
                self.engine.flush()?;
            }
            if self.engine.in_flight() == 0 {
                // Every record is read.
                let at_limit = limit_met && ended.is_none() && state.iterations >= limits.max_iterations;
                if at_limit && !limits.met(state) {
                    (closing, limit_met) = (false, false);
                    continue;
                }
                break;
            }
            let progress = self.engine.collect().await?;
            self.adapt_batch(&progress);
            if let Some(pause) = limits.pause.as_mut().and_then(|pause| pause()) {
                pause.await;
            }
            for record in progress.records {
                if ended.is_some() && self.method.restarts() {
                    break;
                }
                let issued = pending.pop_front().expect("a record for every iteration issued");
                state.iterations += 1;
                state.matvecs += issued.products;
                state.applications += issued.applications;
                state.bytes += issued.bytes;
                let seen = self.method.observe(&record);
                *last = seen.residual;
                state.history.push(seen.residual * unit);
                let (residual, condition) = (seen.residual * unit, self.method.condition());
                let event = Event {
                    iteration: state.iterations,
                    residual,
                    system: state.system,
                    candidate: state.candidate,
                    condition,
                };
                if (limits.callback)(event).is_break() {
                    ended = ended.or(limits.broken());
                }
                if self.method.restarts() {
                    if !seen.residual.is_finite() {
                        ended = ended.or(Some(Ended::Stop(Stop::NonFinite)));
                    } else if seen.residual <= tolerance {
                        ended = ended.or(Some(Ended::Estimate));
                    } else if seen.done {
                        ended = ended.or(Some(Ended::Invariant));
                    }
                }
            }
            if let Some(stop) = progress.stop {
                ended = ended.or(Some(Ended::Stop(stop)));
            }
            if !self.method.restarts() {
                ended = ended.or(self.show(state, limits, units).await?);
            }
            // Asked in any case: all ranks ask together.
            let called_off = limits.called_off()?;
            ended = ended.or(called_off);
            closing |= ended.is_some();
        }
        Ok(ended.or(limit_met.then_some(Ended::MaxIterations)))
    }

    /// Shows x to the watcher. Where iterations run in f32, x is whole only when it is renewed; nothing is shown then.
    async fn show(&mut self, state: &State, limits: &mut Limits<'_>, units: Units) -> Result<Option<Ended>> {
        let Some(watcher) = limits.watcher.as_mut() else { return Ok(None) };
        if self.renewal.is_some_and(|n| n.refines()) {
            return Ok(None);
        }
        let d = self.engine.read_vector(self.renewal.map_or(self.x, |n| n.solution(self.x))).await?;
        let x = self.transform.corrected(state.best.x(), &d, units.correction);
        Ok(if watcher(state.iterations, &x).is_break() { limits.broken() } else { None })
    }

    /// Products with A and Aᵀ in a segment, those inside preconditioners among them.
    fn products(&self, compiled: &Compiled) -> usize {
        let others = [self.renewal.map(|n| n.a), self.normal.map(|n| n.transpose), self.transpose];
        let ours = |&&a: &&Operator| a == self.a || others.contains(&Some(a));
        compiled.products.iter().filter(ours).count()
    }

    /// Issues a segment that is no iteration; it is sent with the next batch.
    pub(super) fn segment(
        &mut self,
        state: &mut State,
        write: impl FnOnce(&mut dyn Method, &mut Program),
    ) -> Result<()> {
        let mut p = Program::new(&self.space);
        write(&mut *self.method, &mut p);
        let (ops, applications, inner) = (p.ops, p.preconditioned, p.inner_products);
        self.issue_extra(state, ops, applications, inner)
    }

    fn issue_extra(&mut self, state: &mut State, ops: Vec<Op>, applications: usize, inner: usize) -> Result<()> {
        let compiled: Arc<Compiled> = self.compiler.compile(ops, &self.space);
        state.matvecs += self.products(&compiled) - inner;
        state.applications += applications;
        state.bytes += self.engine.enqueue(&compiled)?;
        Ok(())
    }

    /// Waits for everything sent off; returns the records not read yet.
    async fn drain(&mut self) -> Result<Vec<Vec<f64>>> {
        self.engine.flush()?;
        let mut records = vec![];
        while self.engine.in_flight() > 0 {
            records.extend(self.engine.collect().await?.records);
        }
        Ok(records)
    }

    /// Sizes batches by time: long enough to hide the wait, short enough for a watchdog and for Ctrl-C.
    fn adapt_batch(&mut self, progress: &Progress) {
        let done = progress.records.len();
        if done == 0 || progress.elapsed.is_zero() {
            return;
        }
        let each = progress.elapsed.as_secs_f64() / done as f64;
        let wanted = (BATCH_SECONDS / each).floor().max(1.0) as usize;
        // At most double, so that one short measurement can't make a batch that runs for seconds.
        self.batch = wanted.min(2 * self.batch).clamp(1, self.engine.batch_limit());
    }
}

/// Iterations until ‖r‖ is `tolerance`, with a margin, at the pace of the second half of those `seen`; as many as one likes
/// where that can't be told.
fn to_go(seen: &[f64], tolerance: f64) -> usize {
    let half = seen.len() / 2;
    let (Some(now), Some(before)) = (seen.last(), seen.get(half)) else { return usize::MAX };
    let each = (before.ln() - now.ln()) / (seen.len() - 1 - half) as f64;
    let needed = 1.2 * (now.ln() - tolerance.ln()) / each + 2.0;
    // Not for a NaN, as after no step at all.
    if each > 0.0 && needed >= 0.0 { needed as usize } else { usize::MAX }
}

/// Directions that led from ‖r‖ = `start` to an estimate far from the truth, or down to the rounding of f32, are
/// not worth keeping.
pub(super) fn worth_keeping(start: f64, estimate: f64, truth: f64) -> bool {
    truth <= 2.0 * estimate && estimate >= 1e-6 * start
}

#[cfg(test)]
mod tests {
    use super::to_go;

    #[test]
    fn iterations_to_go_follow_the_slope() {
        let mut seen = vec![];
        assert_eq!(to_go(&seen, 1e-8), usize::MAX);
        seen.push(1.0);
        assert_eq!(to_go(&seen, 1e-8), usize::MAX);
        // A digit in two iterations, after a plateau that no longer counts.
        seen.extend([1.0; 6]);
        assert_eq!(to_go(&seen, 1e-8), usize::MAX);
        seen.extend((1..=8).map(|k| 10f64.powf(-0.5 * f64::from(k))));
        assert_eq!(to_go(&seen, 1e-8), 11);
        // None where it grows, or is no number; a few where it is there.
        seen.push(1e-9);
        assert!(to_go(&seen, 1e-8) <= 2);
        seen.extend([1e3; 20]);
        assert_eq!(to_go(&seen, 1e-8), usize::MAX);
        seen.push(f64::NAN);
        assert_eq!(to_go(&seen, 1e-8), usize::MAX);
    }
}
