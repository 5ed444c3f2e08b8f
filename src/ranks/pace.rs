//! When ranks agree on whether to end: a clock or a flag tells each rank something else, and asking costs a message.

use super::Ranks;
use crate::error::Result;
use crate::host::clock::Instant;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long ranks go on without asking each other, in seconds.
const PAUSE: f64 = 0.03;

/// What ends a run from outside, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Callback = 1,
    TimeLimit,
    Cancelled,
}

/// How a run ends from outside: at once where there is one rank; else all ranks end together, when they next ask each
/// other.
#[derive(Default)]
pub(crate) struct Agreement {
    pace: Option<Pace>,
    broken: bool,
}

struct Pace {
    ranks: Ranks,
    /// Calls until the next question, this one included.
    left: u64,
    /// Calls since the last question, and when it was asked.
    since: (u64, Instant),
}

impl Agreement {
    /// `broken` where a callback wanted the end of the run before this one.
    pub(crate) fn of(ranks: Option<&Ranks>, broken: bool) -> Self {
        let pace = |ranks: &Ranks| Pace { ranks: ranks.clone(), left: 1, since: (0, Instant::now()) };
        Self { pace: ranks.map(pace), broken }
    }

    /// Notes that a callback of this rank wants the end; true where the run ends at once.
    pub(crate) fn end_by_callback(&mut self) -> bool {
        self.broken = true;
        self.pace.is_none()
    }

    /// Whether a callback wanted the end.
    pub(crate) fn broken(&self) -> bool {
        self.broken
    }

    /// What ends the run: what this rank is told, or the strongest that any rank is told. All ranks call this together.
    pub(crate) fn end(&mut self, cancel: &AtomicBool, deadline: Option<Instant>) -> Result<Option<End>> {
        let own = if cancel.load(Ordering::Relaxed) {
            Some(End::Cancelled)
        } else if deadline.is_some_and(|d| Instant::now() >= d) {
            Some(End::TimeLimit)
        } else {
            self.broken.then_some(End::Callback)
        };
        let Some(pace) = &mut self.pace else { return Ok(own) };
        let code = pace.largest(own.map_or(0, |end| end as u64))?;
        Ok([End::Callback, End::TimeLimit, End::Cancelled].into_iter().find(|end| *end as u64 == code))
    }
}

impl Pace {
    /// The largest code of all ranks, where this call asks; else 0, which is no end.
    fn largest(&mut self, own: u64) -> Result<u64> {
        self.left -= 1;
        self.since.0 += 1;
        if self.left > 0 {
            return Ok(0);
        }
        let each = self.since.1.elapsed().as_secs_f64() / self.since.0 as f64;
        let wish = (PAUSE / each.max(1e-9)).clamp(1.0, 1e6) as u64;
        let all = self.ranks.gather_counted(&[own, wish], &vec![2; self.ranks.size()])?;
        self.since = (0, Instant::now());
        self.left = all.chunks(2).map(|r| r[1]).min().unwrap_or(1);
        Ok(all.chunks(2).map(|r| r[0]).max().unwrap_or(0))
    }
}
