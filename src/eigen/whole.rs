//! All pairs at once by dense algebra: for small orders, and where a search can't find what is wanted.

use super::dense;
use super::plan;
use super::solver::EigenSolver;
use super::stages::{Found, Problem, count};
use super::verify::Verified;
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::report::{Passed, Reason};

impl EigenSolver {
    /// True if dense algebra ends before the time limit does.
    pub(super) fn time_for_dense(&self) -> bool {
        self.options.time_for_dense(self.pencil.n() / self.pencil.parts(), self.pencil.symmetric())
    }

    /// All pairs by dense algebra, the wanted ones kept; true where they pass.
    pub(super) fn directly(&self, found: &mut Found) -> Result<bool> {
        let mut best: Vec<Verified> = vec![];
        for &way in dense::Way::of(&self.pencil) {
            if !self.time_for_dense() {
                break;
            }
            let start = Instant::now();
            let vectors = dense::vectors(&self.pencil, self.sigma(), way);
            found.timings.solve_s += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let verified = |(x, y)| self.pencil.verify(x, y);
            let all: Vec<Verified> = vectors.into_iter().flatten().flat_map(verified).collect();
            let (count, passed) = (count(&all), all.iter().all(|p| found.good(p)));
            found.pairs = self.select(all);
            found.timings.certify_s += start.elapsed().as_secs_f64();
            if found.passes(&self.options) {
                return Ok(true);
            }
            if self.pencil.singular && passed && (1..self.options.k).contains(&count) {
                return Err(Error::input(format!(
                    "k is {}; A x = lambda B x has no more than {count} finite eigenvalues",
                    self.options.k
                )));
            }
            if best.is_empty() || found.nearer(&best) {
                best.clone_from(&found.pairs);
            }
        }
        found.pairs = self.polish(best);
        Ok(found.passes(&self.options))
    }

    /// How the search ended; by dense algebra, where that is the only fault of a search that nobody limited.
    pub(super) fn instead(&self, reason: Reason, found: &mut Found) -> Result<Reason> {
        let short = matches!(
            reason,
            Reason::Stagnated
                | Reason::FalseConvergence { .. }
                | Reason::AttainableAccuracy { .. }
                | Reason::Breakdown(_)
                | Reason::NonFinite { .. }
        );
        if !short || !plan::whole_fits(&self.pencil, &self.options) || !self.time_for_dense() {
            return Ok(reason);
        }
        if !found.replaced(|found| self.directly(found))? {
            return Ok(reason);
        }
        found.notes.push(format!("then all pairs by dense algebra: the search ended with {reason}"));
        Ok(Reason::Converged(Passed::Rtol))
    }
}
