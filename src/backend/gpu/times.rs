//! Time by kernel, for those who ask what to mend next: every dispatch is a pass of its own between two timestamps of the
//! device. That costs what joins dispatches, so times of whole solves are taken without.

use super::Context;
use super::wait::Arrival;
use crate::backend::KernelTime;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::BufferUsages as Usage;

/// What kernels took on a device since somebody asked: runs and seconds, by their labels.
#[derive(Default)]
pub(super) struct Times(Mutex<HashMap<Arc<str>, (u64, f64)>>);

impl Times {
    /// The longest first; begins anew.
    pub(super) fn take(&self) -> Vec<KernelTime> {
        let found = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut list: Vec<_> = found
            .into_iter()
            .map(|(kernel, (runs, seconds))| KernelTime {
                kernel: kernel.to_string(),
                runs,
                milliseconds: 1e3 * seconds,
            })
            .collect();
        list.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds).then_with(|| a.kernel.cmp(&b.kernel)));
        list
    }
}

/// A kernel's name with a digest of its text: sweeps have no other names.
pub(super) fn label(name: &str, text: &str) -> Arc<str> {
    // FNV-1a: the same on every machine.
    let digest = text.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    format!("{name} {digest:08x}").into()
}

/// The timestamps of one batch after another.
pub(super) struct Stopwatch {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

/// Timestamps on their way to the host, two for each kernel.
pub(super) struct Laps {
    staging: wgpu::Buffer,
    arrival: Arrival,
    labels: Vec<Arc<str>>,
}

impl Stopwatch {
    /// Kernels of a batch that are timed; those after them are not.
    const MOST: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

    /// `None` where times are not wanted, or the device tells none.
    pub(super) fn new(context: &Context) -> Result<Option<Self>> {
        if cfg!(target_arch = "wasm32") || !context.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let bytes = 8 * u64::from(wgpu::QUERY_SET_MAX_QUERIES);
        let resolved = context.buffer("timestamps", bytes, Usage::QUERY_RESOLVE | Usage::COPY_SRC)?;
        let set = context.scoped("timestamps", bytes, || {
            context.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: wgpu::QUERY_SET_MAX_QUERIES,
            })
        })?;
        Ok(Some(Self { set, resolved }))
    }

    /// Where the `k`-th kernel of a batch notes when it began and ended.
    pub(super) fn around(&self, k: usize) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        (k < Self::MOST).then(|| wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(2 * k as u32),
            end_of_pass_write_index: Some(2 * k as u32 + 1),
        })
    }

    /// Has the timestamps of a batch copied, at its end; they can be fetched once it is submitted.
    pub(super) fn resolve(
        &self,
        context: &Context,
        encoder: &mut wgpu::CommandEncoder,
        kernels: usize,
    ) -> Result<wgpu::Buffer> {
        let count = 2 * kernels.min(Self::MOST) as u32;
        let bytes = 8 * u64::from(count);
        let staging = context.buffer("read-back of timestamps", bytes, Usage::COPY_DST | Usage::MAP_READ)?;
        encoder.resolve_query_set(&self.set, 0..count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &staging, 0, bytes);
        Ok(staging)
    }
}

impl Laps {
    /// Those of `labels`, which a batch that is submitted leaves in `staging`.
    pub(super) fn fetch(context: &Context, staging: wgpu::Buffer, mut labels: Vec<Arc<str>>) -> Self {
        labels.truncate(Stopwatch::MOST);
        let arrival = context.fetch(&staging, 16 * labels.len() as u64);
        Self { staging, arrival, labels }
    }

    /// Adds them to the device's sums, once they are there.
    pub(super) async fn add(self, context: &Context, submission: wgpu::SubmissionIndex) -> Result<()> {
        context.wait(submission, &self.arrival).await?;
        let bytes = 16 * self.labels.len() as u64;
        let view = self.staging.slice(0..bytes).get_mapped_range().map_err(|e| Error::Device(e.to_string()))?;
        let ticks: Vec<[u64; 2]> = bytemuck::pod_collect_to_vec(&view);
        let tick = 1e-9 * f64::from(context.queue.get_timestamp_period());
        let mut sums = context.times.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (label, [begin, end]) in self.labels.into_iter().zip(ticks) {
            let sum = sums.entry(label).or_default();
            *sum = (sum.0 + 1, sum.1 + tick * end.saturating_sub(begin) as f64);
        }
        Ok(())
    }
}
