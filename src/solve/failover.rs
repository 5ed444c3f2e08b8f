//! A device that is lost in the middle of a solve: on to another GPU or the CPU with the last certified x, where the choice
//! was ours.

use super::solver::Solver;
use crate::error::Result;
use crate::options::Backend;
use crate::plan::{self, Chosen};
use crate::report::Reason;

impl Solver {
    /// The device failed with `message`. `None` where another has taken its place; else how the solve ends. What the
    /// device held is gone either way, and the next call opens it again.
    pub(super) async fn lost(&mut self, message: String) -> Result<Option<Reason>> {
        self.forget_sessions();
        if self.options.backend != Backend::Auto {
            self.device_failed = true;
            return Ok(Some(Reason::DeviceFailed { message }));
        }
        let (from, lost) = (self.device.adapter.name.clone(), self.device.lost());
        // What can't be planned on another GPU, as f64 where it has none, can be on the CPU.
        if self.move_to(Backend::Auto, &lost).await.is_err() {
            self.move_to(Backend::Cpu, &lost).await?;
        }
        self.warnings.push(format!(
            "the device {from} failed ({message}); the solve went on on {} from its last certified x",
            self.device.place()
        ));
        Ok(None)
    }

    /// Opens the device again where it failed in the call before.
    pub(super) async fn revive(&mut self) -> Result<()> {
        if self.device_failed {
            self.move_to(self.options.backend.clone(), &[]).await?;
            self.device_failed = false;
        }
        Ok(())
    }

    /// Plans anew for `backend`, without devices that were `lost`.
    async fn move_to(&mut self, backend: Backend, lost: &[String]) -> Result<()> {
        let options = crate::Options { backend, ..self.options.clone() };
        let mut notes = vec![];
        self.device = plan::choose_device(&self.a, &options, lost, &mut notes).await?;
        let Chosen { candidates, first, sizes, warnings } =
            plan::choose(&self.a, &self.facts, &options, &self.device, self.order.is_some(), &mut notes)?;
        self.sessions = candidates.iter().map(|_| None).collect();
        (self.candidates, self.first, self.sizes, self.winner) = (candidates, first, sizes, None);
        self.warnings.extend(warnings.into_iter().filter(|w| !self.warnings.contains(w)).collect::<Vec<_>>());
        self.plan.extend(notes);
        Ok(())
    }
}
