//! How devices keep what a solver works with: the form of the matrix, the room for vectors.

use super::drive::Session;
use super::solver::Solver;
use crate::backend::Kernel;
use crate::error::Result;
use crate::host::halt::Halt;
use crate::op::{Dtype, Role, Space};
use crate::plan::{self, Candidate, DeviceChoice};

/// The form in which a device keeps the matrix.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct StoredForm {
    /// The device.
    pub device: String,
    /// Number type of the values' arithmetic.
    pub precision: Dtype,
    /// The form and why, where the device has several.
    pub form: Option<String>,
    /// Bytes that a product reads of the matrix.
    pub bytes_a_product: u64,
}

impl Solver {
    /// How the CPU, and the device chosen where that is another, keep the matrix of the candidate that starts.
    ///
    /// # Errors
    /// A device that fails.
    pub fn stored_forms(&mut self) -> Result<Vec<StoredForm>> {
        let (plan, change) = (self.candidates[self.first].precision, self.candidates[self.first].change);
        let transform = self.transform(change, &Halt::default())?;
        let form = |device: &DeviceChoice| {
            let mut space = Space::new(plan);
            let a = space.operator("A", transform.matrix.clone(), transform.remaining, Role::Working);
            let engine = device.engine(space.clone())?;
            Ok(StoredForm {
                device: device.adapter.name.clone(),
                precision: plan.working,
                form: engine.describe(a),
                bytes_a_product: space.operator_bytes(a),
            })
        };
        let cpu = plan::cpu(&self.options);
        let other = (!self.device.is_host()).then_some(&self.device);
        std::iter::once(&cpu).chain(other).map(form).collect()
    }

    /// Names of the methods with preconditioners that may race, as [`Rung::name`](crate::Rung::name) has them.
    #[must_use]
    pub fn candidates(&self) -> Vec<String> {
        self.candidates.iter().map(Candidate::name).collect()
    }

    /// The kernels that a GPU ran for the systems solved so far, by candidate, if the knob `list_kernels` is set.
    #[doc(hidden)]
    #[must_use]
    pub fn kernels(&self) -> Vec<(String, Vec<Kernel>)> {
        let sessions = self.candidates.iter().zip(&self.sessions);
        let list = |(c, s): (&Candidate, &Option<Session>)| Some((c.name(), s.as_ref()?.engine.kernels().to_vec()));
        sessions.filter_map(list).collect()
    }

    /// Bytes of vectors that the candidate that starts keeps on the device, and how many vectors of length n.
    #[doc(hidden)]
    pub fn footprint(&mut self) -> Result<(usize, u64)> {
        let (session, _) = self.session(0, &Halt::default())?;
        Ok((session.space.vector_count(), session.space.vector_bytes()))
    }
}
