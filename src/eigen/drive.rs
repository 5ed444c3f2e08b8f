//! The loop over iterations of an eigenvalue method: batches, inner solves, ends of cycles, limits.

use super::shift::Inner;
use super::verify::unit;
use super::{EigenMethod, Harvest, InnerSolve, Outlook};
use crate::backend::{Engine, deliver};
use crate::error::Result;
use crate::host::clock::Instant;
use crate::matrix::Csr;
use crate::method::{Next, Outbox};
use crate::op::schedule::Compiler;
use crate::op::{Op, Operator, Program, Space};
use crate::ranks::pace::{Agreement, End};
use crate::report::Reason;
use crate::solve::drive::Event;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Iterations issued before the host reads again.
const BATCH: usize = 16;

/// Restarts without progress before a run is called stagnant.
const PATIENCE: usize = 100;

/// A method on a device.
pub(super) struct Session {
    pub(super) engine: Box<dyn Engine>,
    pub(super) compiler: Compiler,
    pub(super) space: Space,
    pub(super) method: Box<dyn EigenMethod>,
    pub(super) a: Operator,
    pub(super) inner: Option<Inner>,
    /// The inner systems are those of (A − σB)⁻¹B.
    pub(super) shifted: bool,
    /// B.
    pub(super) mass: Option<Arc<Csr>>,
    /// B is semidefinite: start and random vectors go through (A − σB)⁻¹B, to rid them of infinite eigenvalues.
    pub(super) purify: bool,
}

/// Bounds on a run and the ways to end it from outside.
pub(super) struct Limits<'a> {
    pub(super) max_iterations: usize,
    pub(super) deadline: Option<Instant>,
    pub(super) cancel: &'a AtomicBool,
    pub(super) callback: &'a mut dyn FnMut(Event) -> ControlFlow<()>,
    pub(super) agreement: Agreement,
}

impl Limits<'_> {
    /// Why the run must end from outside, if it must.
    fn called(&mut self) -> Result<Option<Reason>> {
        Ok(self.agreement.end(self.cancel, self.deadline)?.map(|end| match end {
            End::Callback => Reason::StoppedByCallback,
            End::TimeLimit => Reason::TimeLimit,
            End::Cancelled => Reason::Cancelled,
        }))
    }
}

/// The work done so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) iterations: usize,
    pub(super) matvecs: usize,
    pub(super) restarts: usize,
    pub(super) inner_solves: usize,
    pub(super) inner_iterations: usize,
    pub(super) history: Vec<f64>,
    /// [`EigenMethod::estimates`] of each cycle.
    pub(super) estimates: Vec<Vec<[f64; 2]>>,
}

/// How a run ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    /// By the method's estimates all wanted pairs are found.
    Done,
    Limit(Reason),
    Stagnated,
    /// An inner system could not be solved.
    Inner(String),
}

impl Session {
    /// Iterates from the span of `from` until the method has what is wanted or can't go on.
    pub(super) async fn run(&mut self, from: &[Vec<f64>], tally: &mut Tally, limits: &mut Limits<'_>) -> Result<Ended> {
        if let Err(why) = self.segment(tally, |method, p, host| method.start(p, host, from)).await? {
            return Ok(Ended::Inner(why));
        }
        let (mut best, mut since) = (f64::INFINITY, 0);
        loop {
            let before = tally.iterations;
            let ended = match self.cycle(tally, limits).await? {
                // Without an iteration there is no cycle to end.
                Some(ended) if tally.iterations == before => return Ok(ended),
                ended => ended,
            };
            tally.estimates.extend(Some(self.method.estimates()).filter(|e| !e.is_empty()));
            let outlook = match self.segment(tally, |method, p, host| method.end_cycle(p, host)).await? {
                Ok(outlook) => outlook,
                Err(why) => return Ok(Ended::Inner(why)),
            };
            let worst = match outlook {
                Outlook::Done => return Ok(Ended::Done),
                Outlook::NonFinite => {
                    return Ok(Ended::Limit(Reason::NonFinite { iteration: tally.iterations }));
                }
                Outlook::Going(worst) => worst,
            };
            tally.restarts += 1;
            tally.history.push(worst);
            let event =
                Event { iteration: tally.iterations, residual: worst, system: 0, candidate: 0, condition: None };
            if let Some(ended) = ended {
                return Ok(ended);
            }
            if (limits.callback)(event).is_break() && limits.agreement.end_by_callback() {
                return Ok(Ended::Limit(Reason::StoppedByCallback));
            }
            // `worst` is infinite until there are as many pairs as are wanted.
            since = if worst < 0.9 * best || worst <= 1.0 || worst.is_infinite() { 0 } else { since + 1 };
            best = best.min(worst);
            if since > PATIENCE {
                return Ok(Ended::Stagnated);
            }
        }
    }

    /// Iterations up to the end of a cycle (`None`), or a limit.
    async fn cycle(&mut self, tally: &mut Tally, limits: &mut Limits<'_>) -> Result<Option<Ended>> {
        let (mut closing, mut over, mut limit, mut pending) = (false, false, false, 0);
        loop {
            for _ in 0..if self.inner.is_some() { 1 } else { BATCH } {
                if closing || over || limit {
                    break;
                }
                if tally.iterations + pending >= limits.max_iterations {
                    limit = true;
                    break;
                }
                let mut p = Program::new(&self.space);
                let mut ops = vec![];
                if let Some(solve) = self.method.apply(&mut p) {
                    ops = std::mem::take(&mut p.ops);
                    let next = self.method.step(&mut p);
                    let rest = p.ops;
                    self.issue(tally, ops)?;
                    if let Err(why) = self.solve(solve, tally).await? {
                        return Ok(Some(limits.called()?.map_or(Ended::Inner(why), Ended::Limit)));
                    }
                    self.issue(tally, rest)?;
                    closing |= next == Next::EndCycle;
                } else {
                    closing |= self.method.step(&mut p) == Next::EndCycle;
                    ops.append(&mut p.ops);
                    self.issue(tally, ops)?;
                }
                pending += 1;
            }
            self.engine.flush()?;
            // One batch stays in flight while the host reads the one before.
            let lag = usize::from(!closing && !over && !limit && self.inner.is_none());
            while self.engine.in_flight() > lag {
                for record in self.engine.collect().await?.records {
                    pending -= 1;
                    if !over {
                        tally.iterations += 1;
                        over = self.method.observe(&record);
                    }
                }
            }
            if let Some(reason) = limits.called()? {
                self.drain().await?;
                return Ok(Some(Ended::Limit(reason)));
            }
            if (closing || over || limit) && self.engine.in_flight() == 0 {
                limit |= tally.iterations >= limits.max_iterations;
                return Ok(limit.then_some(Ended::Limit(Reason::MaxIterations)));
            }
        }
    }

    /// The solution of an inner system on the device, or why there is none.
    async fn solve(&mut self, system: InnerSolve, tally: &mut Tally) -> Result<std::result::Result<(), String>> {
        let rhs = self.engine.read_vector(system.rhs).await?;
        Ok(match self.solution(&rhs, tally).await? {
            Ok(x) => {
                self.engine.write_vector(system.solution, &x)?;
                Ok(())
            }
            Err(why) => Err(why),
        })
    }

    /// The solution of an inner system on the host, or why there is none.
    async fn solution(&mut self, rhs: &[f64], tally: &mut Tally) -> Result<std::result::Result<Vec<f64>, String>> {
        let inner = self.inner.as_mut().expect("an inverse comes with a solver");
        tally.inner_solves += 1;
        Ok(inner.solve(rhs).await?.map(|(x, iterations)| {
            tally.inner_iterations += iterations;
            x
        }))
    }

    /// (A − σB)⁻¹ B v.
    async fn inverted(&mut self, v: &[f64], tally: &mut Tally) -> Result<std::result::Result<Vec<f64>, String>> {
        let bv = self.mass.as_ref().map(|b| b.multiply(v));
        self.solution(bv.as_deref().unwrap_or(v), tally).await
    }

    /// (A − σB)⁻¹ B v of length 1; v itself without a shift, or if that is zero or not found.
    pub(super) async fn purified(&mut self, v: Vec<f64>, tally: &mut Tally) -> Result<Vec<f64>> {
        if !self.shifted {
            return Ok(v);
        }
        Ok(self.inverted(&v, tally).await?.ok().and_then(unit).unwrap_or(v))
    }

    /// Reads the wanted pairs: (x, y) as in [`super::Pair`].
    pub(super) async fn read(&mut self) -> Result<Vec<(Vec<f64>, Option<Vec<f64>>)>> {
        self.drain().await?;
        let Harvest { columns, pairs } = self.method.harvest();
        let mut stored = vec![];
        for column in columns {
            stored.push(self.engine.read_vector(column).await?);
        }
        let combine = |c: &Vec<f64>| {
            let mut sum = vec![0.0; stored.first().map_or(0, Vec::len)];
            for (c, v) in c.iter().zip(&stored).filter(|(c, _)| **c != 0.0) {
                sum.resize(v.len(), 0.0);
                sum.iter_mut().zip(v).for_each(|(s, v)| *s += c * v);
            }
            sum
        };
        Ok(pairs.iter().map(|pair| (combine(&pair.x), pair.y.as_ref().map(combine))).collect())
    }

    /// Writes a segment, sends the host's data for it, and issues it.
    async fn segment<T>(
        &mut self,
        tally: &mut Tally,
        write: impl FnOnce(&mut dyn EigenMethod, &mut Program, &mut Outbox) -> T,
    ) -> Result<std::result::Result<T, String>> {
        let (mut p, mut host) = (Program::new(&self.space), Outbox::default());
        let out = write(&mut *self.method, &mut p, &mut host);
        let ops = p.ops;
        if self.purify {
            let fresh = self.method.fresh();
            for (_, v) in host.vectors.iter_mut().filter(|(vector, _)| Some(*vector) == fresh) {
                *v = match self.inverted(v, tally).await? {
                    Ok(x) => x,
                    Err(why) => return Ok(Err(why)),
                };
            }
        }
        deliver(host, &mut *self.engine)?;
        self.issue(tally, ops)?;
        Ok(Ok(out))
    }

    fn issue(&mut self, tally: &mut Tally, ops: Vec<Op>) -> Result<()> {
        let compiled = self.compiler.compile(ops, &self.space);
        tally.matvecs += compiled.products.iter().filter(|&&a| a == self.a).count();
        self.engine.enqueue(&compiled)?;
        Ok(())
    }

    async fn drain(&mut self) -> Result<()> {
        self.engine.flush()?;
        while self.engine.in_flight() > 0 {
            self.engine.collect().await?;
        }
        Ok(())
    }
}
