//! Where programs run. A backend allocates what a space lists, carries out compiled segments in
//! order, and returns records later; it knows nothing of methods.

pub(crate) mod cpu;
mod device;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod kernel;
#[cfg(feature = "gpu")]
pub(crate) mod lockstep;
pub(crate) mod shared;
#[cfg(test)]
mod tests;

pub use device::{AdapterInfo, DeviceKind};
pub(crate) use device::{BackendEntry, Device, Opened, Settings, Wanted};
pub use kernel::{Kernel, KernelBinding};

/// Every backend, in order of preference. The first suitable one is chosen; the CPU is always suitable and comes last.
pub(crate) const BACKENDS: &[BackendEntry] = &[
    #[cfg(feature = "gpu")]
    gpu::BACKEND,
    cpu::BACKEND,
];

use crate::error::Result;
use crate::matrix::{Csr, Triangular};
use crate::op::schedule::{Compiled, Fusion};
use crate::op::{Array, Operator, Outbox, Scalar, Stop, Triangle, Vector};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A boxed future. It may go from thread to thread, but in a browser, whose promises stay on theirs.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Awaited<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
#[cfg(target_arch = "wasm32")]
pub(crate) type Awaited<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The results of one batch.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Records in the order of publication; none from operations after a stop.
    pub(crate) records: Vec<Vec<f64>>,
    /// The sticky stop code at the end of the batch.
    pub(crate) stop: Option<Stop>,
    /// Time from submission to completion, if known.
    pub(crate) elapsed: Duration,
}

/// Counts of what a backend did so far, for reports and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Command buffers handed to the device.
    pub submits: u64,
    /// Kernels started.
    pub dispatches: u64,
    /// Waits of the host for the device.
    pub syncs: u64,
    /// Shader modules and pipelines created.
    pub pipelines: u64,
    /// Bind groups created.
    pub bind_groups: u64,
    /// Buffers created.
    pub buffers: u64,
    /// Messages to single ranks.
    pub messages: u64,
    /// Exchanges of sums and vectors among all ranks.
    pub reductions: u64,
    /// Bytes that this rank sent.
    pub bytes_sent: u64,
    /// Microseconds in which this rank sent to others or waited for them.
    pub waited_us: u64,
}

/// What one kernel of a GPU took in a solve, by the device's own clock.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct KernelTime {
    /// Its name, and a digest of its text.
    pub kernel: String,
    /// How often it ran.
    pub runs: u64,
    /// Of all its runs.
    pub milliseconds: f64,
}

impl Counters {
    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            submits: f(self.submits, other.submits),
            dispatches: f(self.dispatches, other.dispatches),
            syncs: f(self.syncs, other.syncs),
            pipelines: f(self.pipelines, other.pipelines),
            bind_groups: f(self.bind_groups, other.bind_groups),
            buffers: f(self.buffers, other.buffers),
            messages: f(self.messages, other.messages),
            reductions: f(self.reductions, other.reductions),
            bytes_sent: f(self.bytes_sent, other.bytes_sent),
            waited_us: f(self.waited_us, other.waited_us),
        }
    }
    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    pub(crate) fn since(&self, before: &Self) -> Self {
        self.zip(before, |a, b| a - b)
    }
}

/// Writes what the host sends between segments.
pub(crate) fn deliver(outbox: Outbox, engine: &mut dyn Engine) -> Result<()> {
    for (array, values) in outbox.arrays {
        engine.write_array(array, &values);
    }
    for (scalar, value) in outbox.scalars {
        engine.write_scalar(scalar, value);
    }
    outbox.vectors.into_iter().try_for_each(|(vector, values)| engine.write_vector(vector, &values))
}

/// A device with its memory for one space.
pub(crate) trait Engine: Send {
    /// What this engine can put in one sweep.
    fn fusion(&self) -> Fusion;
    /// Adds a segment to the batch being recorded; returns the bytes it moves by the model, less what fusing it with
    /// the previous one saves.
    fn enqueue(&mut self, segment: &Arc<Compiled>) -> Result<u64>;
    /// Submits the recorded batch without waiting.
    fn flush(&mut self) -> Result<()>;
    /// Batches submitted and not yet collected.
    fn in_flight(&self) -> usize;
    /// Waits for the oldest batch.
    fn collect(&mut self) -> Awaited<'_, Result<Progress>>;
    /// Clears the sticky stop code; only with nothing in flight.
    fn clear_stop(&mut self);
    /// Host to device; takes effect before segments enqueued later.
    fn write_vector(&mut self, v: Vector, values: &[f64]) -> Result<()>;
    /// Device to host; waits for everything in flight.
    fn read_vector(&mut self, v: Vector) -> Awaited<'_, Result<Vec<f64>>>;
    /// Host to device.
    fn write_scalar(&mut self, s: Scalar, value: f64);
    /// Host to device.
    fn write_array(&mut self, a: Array, values: &[f64]);
    /// New values on the pattern of `a`, scaled by 2^exponent.
    fn update_operator(&mut self, a: Operator, matrix: &Arc<Csr>, exponent: i32) -> Result<()>;
    /// New values on the pattern of `t`, scaled by 2^exponent.
    fn update_triangle(&mut self, t: Triangle, matrix: &Arc<Triangular>, exponent: i32) -> Result<()>;
    /// The form in which `a` is stored, why, and bytes per product, for people; `None` from a backend with one form.
    fn describe(&self, _a: Operator) -> Option<String> {
        None
    }
    /// The kernels made so far, where the settings ask for a list; none from a backend without any.
    fn kernels(&self) -> &[Kernel] {
        &[]
    }
    /// Counts of what was done so far.
    fn counters(&self) -> Counters;
    /// How many segments suit one batch: one if a batch costs nothing.
    fn batch_limit(&self) -> usize;
}
