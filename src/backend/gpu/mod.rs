//! The GPU backend on wgpu. Scalars, STOP and records live on the device; a batch of iterations is one
//! submission and the host reads what it published afterwards.
//!
//! - State: two alternating buffers, [STOP, cursor, scalars …, partial sums]. A kernel that changes scalars
//!   reads one and writes the other, so no workgroup reads what another one writes.
//! - Ledger: records of the batch at the start, then arrays (projection coefficients).
//! - A sweep is one kernel, generated into `shaders/sweep.wgsl`. It first adds up the partial sums left by the
//!   previous sweep, evaluates the scalars, then runs its body. So a dot product needs no kernel of its own.

mod adapters;
mod cache;
mod context;
mod device;
mod form;
mod launch;
mod listing;
mod lower;
mod memory;
mod pipelines;
mod project;
mod self_test;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod wait;

pub use adapters::{AdapterDetails, adapters};
pub(crate) use context::Context;
pub(crate) use device::BACKEND;

use super::{Awaited, Counters, Engine, Kernel, Progress};
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::matrix::{Csr, Matrix, Triangular};
use crate::op::schedule::{Compiled, Fusion, Projections};
use crate::op::{Array, Dtype, Operator, Scalar, Space, Stop, Triangle, Vector};
use form::Choice;
use lower::{Carry, Lowered};
use memory::{Memory, Params, Slice};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use text::{CURSOR, HEADER, Shader, Types};
use times::{Laps, Stopwatch};
use wait::Arrival;

/// Most iterations in one batch.
const BATCH_LIMIT: usize = 256;

/// What one sweep may hold on a device with the fewest storage bindings, eight, of which two are the state; others have
/// room for more vectors.
const FUSION: Fusion =
    Fusion { enabled: true, max_vectors: 6, projections: Projections::Paired, products: true, shared_products: 2 };

/// One kernel launch, with its bind groups for either parity of the state buffers.
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    /// Its name in a list of times, where there is to be one.
    label: Option<Arc<str>>,
    groups: [wgpu::BindGroup; 2],
    params: u32,
    workgroups: u32,
    /// True if it writes the scalars to the other state buffer.
    flips: bool,
}

impl Dispatch {
    fn run(&self, pass: &mut wgpu::ComputePass<'_>, parity: &mut usize) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.groups[*parity], &[self.params]);
        pass.dispatch_workgroups(self.workgroups, 1, 1);
        if self.flips {
            *parity = 1 - *parity;
        }
    }
}

/// A batch in flight.
struct Flight {
    staging: wgpu::Buffer,
    arrival: Arrival,
    submission: wgpu::SubmissionIndex,
    sent: Instant,
    /// Length of each record that may have been published.
    records: Vec<usize>,
    /// When its kernels began and ended.
    laps: Option<Laps>,
}

/// A function that chooses the form of a matrix, from the matrix, its exponent and the arithmetic's type.
type Choose = for<'a> fn(&'a Csr, i32, Dtype) -> Choice<'a>;

/// A kernel's binding besides the parameters: buffer slice and whether it is written.
type Binding = (Slice, bool);

/// Key of a bind group: the parameters' buffer, whether the state flips, the bindings.
type GroupKey = (wgpu::Buffer, bool, Vec<Binding>);

/// A device with the memory of one space.
pub(crate) struct Gpu {
    context: Arc<Context>,
    space: Space,
    real: Dtype,
    fuse: bool,
    choose: Choose,
    memory: Memory,
    /// Number of scalars: those of the space and an internal one for the plain axpy's coefficient.
    scalar_count: usize,
    /// Second buffers of vectors that are formed while they are gathered.
    twins: HashMap<Vector, Vector>,
    parity: usize,
    bind_groups: HashMap<GroupKey, [wgpu::BindGroup; 2]>,
    carries: Vec<Carry>,
    lowered: HashMap<(usize, usize), Arc<Lowered>>,
    /// The batch being recorded: segments, the carry after the last, lengths of records.
    batch: Vec<Arc<Lowered>>,
    carry: usize,
    records: Vec<usize>,
    flights: VecDeque<Flight>,
    idle_staging: Vec<wgpu::Buffer>,
    stopwatch: Option<Stopwatch>,
    last_done: Option<Instant>,
    /// The operations that the next kernel is made for, and the kernels made so far: kept where they are to be listed.
    making: Vec<String>,
    kernels: Vec<Kernel>,
    counters: Counters,
}

impl Gpu {
    /// Allocates and uploads what `space` lists.
    pub(crate) fn new(context: Arc<Context>, space: Space, fuse: bool) -> Result<Self> {
        // Unfused runs are for reading and comparison.
        Self::with_forms(context, space, fuse, if fuse { form::choose } else { form::plain })
    }

    /// `choose` finds the form of each matrix.
    fn with_forms(context: Arc<Context>, space: Space, fuse: bool, choose: Choose) -> Result<Self> {
        if let Some(t) = space.triangles.first() {
            return Err(Error::input(format!(
                "{} is a triangle to solve with, one row after the other, which this backend doesn't do; make its space without triangles",
                t.name
            )));
        }
        context.check_type(space.plan.working)?;
        context.check_type(space.plan.accumulate)?;
        Self::made(context, space, fuse, choose)
    }

    /// An engine for arithmetic that has yet to be tested.
    fn on_trial(context: Arc<Context>, space: Space) -> Result<Self> {
        Self::made(context, space, true, form::choose)
    }

    fn made(context: Arc<Context>, space: Space, fuse: bool, choose: Choose) -> Result<Self> {
        let plan = space.plan;
        let real = if plan.working == Dtype::F64 || plan.accumulate == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
        let scalar_count = space.scalars.len() + 1;
        let mut counters = Counters::default();
        let mut memory = Memory::new(&context, &space, real, scalar_count, &mut counters)?;
        for data in &space.operators {
            space.halt.check()?;
            let dtype = plan.dtype(data.role);
            memory.operators.push(match &data.matrix {
                Matrix::Stored(a) => {
                    let choice = choose(a, data.exponent, dtype);
                    Memory::matrix(&context, data, &choice, real, &mut counters)?
                }
                // A stored matrix is scaled before it is narrowed; an operator's text computes unscaled values.
                Matrix::Free(_) if dtype == Dtype::F32 && data.exponent.abs() > 100 => {
                    return Err(Error::input(format!(
                        "the operator's size is about 2^{}, which its WGSL can't handle in f32; scale it, or use the backend cpu",
                        -data.exponent
                    )));
                }
                Matrix::Free(a) => Memory::free(&context, &data.name, &**a, dtype, &mut counters)?,
                Matrix::Parted(_) => {
                    return Err(Error::input("rows that several ranks share are for CPUs; use the backend cpu"));
                }
            });
        }
        let stopwatch = Stopwatch::new(&context)?;
        Ok(Self {
            context,
            real,
            fuse,
            choose,
            memory,
            scalar_count,
            twins: HashMap::new(),
            parity: 0,
            bind_groups: HashMap::new(),
            carries: vec![Carry::default()],
            lowered: HashMap::new(),
            batch: vec![],
            carry: 0,
            records: vec![],
            flights: VecDeque::new(),
            idle_staging: vec![],
            stopwatch,
            last_done: None,
            making: vec![],
            kernels: vec![],
            counters,
            space,
        })
    }

    fn types(&self, item: Dtype) -> Types {
        Types { real: self.real, item }
    }

    /// The internal scalar.
    fn coefficient(&self) -> Scalar {
        Scalar((self.scalar_count - 1) as u16)
    }

    /// A dispatch of `text`. `bindings` follow the state buffers: `state_in`, then `state_out` if it flips.
    fn dispatch(
        &mut self,
        name: &str,
        text: String,
        foreign: bool,
        flips: bool,
        bindings: &[Binding],
        params: Params,
        workgroups: usize,
    ) -> Result<Dispatch> {
        let mut writes = vec![false];
        if flips {
            writes.push(true);
        }
        writes.extend(bindings.iter().map(|b| b.1));
        // A page has nowhere to write the list.
        if self.context.list_kernels && !cfg!(target_arch = "wasm32") {
            self.list(name, &text, flips, bindings, workgroups);
        }
        let label = self.stopwatch.as_ref().map(|_| times::label(name, &text));
        let (pipeline, layout) = self.context.pipeline(name, text, &writes, foreign, &mut self.counters)?;
        let (uniform, offset) = self.memory.params(&self.context, params, &mut self.counters)?;
        let dispatch =
            |groups| Dispatch { pipeline, label, groups, params: offset, workgroups: workgroups as u32, flips };
        // Segments that differ in parameters only, such as the ends of cycles of different lengths, share them.
        let key = (uniform.clone(), flips, bindings.to_vec());
        if let Some(groups) = self.bind_groups.get(&key) {
            return Ok(dispatch(groups.clone()));
        }
        let context = Arc::clone(&self.context);
        let groups = context.scoped(name, 0, || {
            [0, 1].map(|parity| {
                let mut slices = vec![Slice::whole(&self.memory.state[parity])];
                if flips {
                    slices.push(Slice::whole(&self.memory.state[1 - parity]));
                }
                slices.extend(bindings.iter().map(|b| b.0.clone()));
                let uniform = wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &uniform,
                        offset: 0,
                        size: std::num::NonZeroU64::new(size_of::<Params>() as u64),
                    }),
                };
                let storage = slices
                    .iter()
                    .enumerate()
                    .map(|(k, s)| wgpu::BindGroupEntry { binding: k as u32 + 1, resource: s.resource() });
                let entries: Vec<_> = std::iter::once(uniform).chain(storage).collect();
                context.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(name),
                    layout: &layout,
                    entries: &entries,
                })
            })
        })?;
        self.counters.bind_groups += 2;
        self.bind_groups.insert(key, groups.clone());
        Ok(dispatch(groups))
    }

    fn plain(
        &mut self,
        shader: &Shader,
        item: Dtype,
        minus: bool,
        flips: bool,
        bindings: &[Binding],
        params: Params,
        workgroups: usize,
    ) -> Result<Dispatch> {
        let text = text::plain(shader, self.types(item), minus, params.k as usize);
        self.dispatch(shader.name, text, false, flips, bindings, params, workgroups)
    }

    /// Bytes per number in the state and the ledger.
    fn real_size(&self) -> u64 {
        self.real.size() as u64
    }

    fn read_reals(&self, bytes: &[u8]) -> Vec<f64> {
        memory::to_f64(bytes, self.real)
    }
}

impl Engine for Gpu {
    fn fusion(&self) -> Fusion {
        let fewest = self.memory.operators.iter().map(|m| m.form.layout.rows().shared_products()).min();
        let shared_products = fewest.map_or(FUSION.shared_products, |k| k.min(FUSION.shared_products));
        // Two bindings are the state. Of systems side by side, the updates of some would keep products of others out of the
        // sweep that reads the matrix, had they more room.
        let max_vectors = if self.space.systems > 1 { FUSION.max_vectors } else { self.context.max_storage - 2 };
        if self.fuse { Fusion { shared_products, max_vectors, ..FUSION } } else { Fusion::NONE }
    }

    fn enqueue(&mut self, segment: &Arc<Compiled>) -> Result<u64> {
        let words: usize = self.records.iter().chain(&segment.records).sum();
        if words > self.memory.record_words {
            self.flush()?;
        }
        let lowered = self.lower(self.carry, segment)?;
        if self.carries[lowered.out].deferred.is_some() {
            self.lower_ahead(lowered.out, segment)?;
        }
        self.carry = lowered.out;
        let bytes = segment.bytes - lowered.saved;
        self.batch.push(lowered);
        self.records.extend(&segment.records);
        Ok(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let tail = self.lower_tail(self.carry)?;
        // The batch's records start at the ledger's beginning.
        self.memory.write_real(&self.context, self.parity, CURSOR, 0.0, self.real);
        let mut encoder = self.context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let dispatches: Vec<&Dispatch> = self.batch.iter().chain(&tail).flat_map(|l| &l.dispatches).collect();
        self.counters.dispatches += dispatches.len() as u64;
        let mut laps = None;
        if let Some(watch) = &self.stopwatch {
            for (k, d) in dispatches.iter().enumerate() {
                let timestamp_writes = watch.around(k);
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
                d.run(&mut pass, &mut self.parity);
            }
            let labels: Vec<_> = dispatches.iter().filter_map(|d| d.label.clone()).collect();
            laps = Some((watch.resolve(&self.context, &mut encoder, labels.len())?, labels));
        } else {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            dispatches.iter().for_each(|d| d.run(&mut pass, &mut self.parity));
        }
        let words = self.records.iter().sum::<usize>() as u64;
        let head = HEADER as u64 * self.real_size();
        let staging = match self.idle_staging.pop() {
            Some(s) => s,
            None => {
                self.counters.buffers += 1;
                let size = head + self.memory.record_words as u64 * self.real_size();
                self.context.buffer("read-back", size, wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ)?
            }
        };
        encoder.copy_buffer_to_buffer(&self.memory.state[self.parity], 0, &staging, 0, head);
        if words > 0 {
            encoder.copy_buffer_to_buffer(&self.memory.ledger, 0, &staging, head, words * self.real_size());
        }
        let submission = self.context.submit(encoder)?;
        self.counters.submits += 1;
        let arrival = self.context.fetch(&staging, head + words * self.real_size());
        self.flights.push_back(Flight {
            staging,
            arrival,
            submission,
            sent: Instant::now(),
            records: std::mem::take(&mut self.records),
            laps: laps.map(|(staging, labels)| Laps::fetch(&self.context, staging, labels)),
        });
        self.batch.clear();
        self.carry = 0;
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn collect(&mut self) -> Awaited<'_, Result<Progress>> {
        Box::pin(async {
            let Some(flight) = self.flights.pop_front() else { return Ok(Progress::default()) };
            self.counters.syncs += 1;
            self.context.wait(flight.submission.clone(), &flight.arrival).await?;
            if let Some(laps) = flight.laps {
                laps.add(&self.context, flight.submission).await?;
            }
            let words: usize = flight.records.iter().sum();
            let size = (HEADER + words) as u64 * self.real_size();
            let numbers = {
                let view =
                    flight.staging.slice(0..size).get_mapped_range().map_err(|e| Error::Device(e.to_string()))?;
                self.read_reals(&view)
            };
            flight.staging.unmap();
            self.idle_staging.push(flight.staging);
            let (code, cursor) = (numbers[0], numbers[1] as usize);
            let mut records = vec![];
            let mut at = 0;
            for len in flight.records {
                if at + len > cursor {
                    break;
                }
                records.push(numbers[HEADER + at..HEADER + at + len].to_vec());
                at += len;
            }
            let done = Instant::now();
            let start = self.last_done.map_or(flight.sent, |t| t.max(flight.sent));
            self.last_done = Some(done);
            Ok(Progress { records, stop: Stop::from_code(code as u8), elapsed: done - start })
        })
    }

    fn clear_stop(&mut self) {
        self.memory.write_real(&self.context, self.parity, 0, 0.0, self.real);
    }

    fn write_vector(&mut self, v: Vector, values: &[f64]) -> Result<()> {
        self.flush()?;
        self.memory.write_vector(&self.context, &self.space, v, values);
        self.context.check()
    }

    fn read_vector(&mut self, v: Vector) -> Awaited<'_, Result<Vec<f64>>> {
        Box::pin(async move {
            self.flush()?;
            self.counters.syncs += 1;
            self.memory.read_vector(&self.context, &self.space, v, &mut self.counters).await
        })
    }

    fn write_scalar(&mut self, s: Scalar, value: f64) {
        self.memory.write_real(&self.context, self.parity, HEADER + s.0 as usize, value, self.real);
    }

    fn write_array(&mut self, a: Array, values: &[f64]) {
        let at = self.memory.array_at[a.0 as usize];
        self.memory.write_array(&self.context, at, values, self.real);
    }

    fn update_operator(&mut self, a: Operator, matrix: &Arc<Csr>, exponent: i32) -> Result<()> {
        self.flush()?;
        let data = &self.space.operators[a.0 as usize];
        let choice = (self.choose)(matrix, exponent, self.space.plan.dtype(data.role));
        if !self.memory.update_operator(&self.context, a, &choice)? {
            let alone = self.memory.operators[a.0 as usize].alone();
            let made = Memory::matrix(&self.context, data, &choice, self.real, &mut self.counters)?;
            if made.alone() && !alone {
                return Err(Error::input(
                    "with the new values the matrix no longer fits one binding; make a new solver for them",
                ));
            }
            self.memory.operators[a.0 as usize] = made;
            // Drops the kernels and bind groups of the previous form.
            self.lowered.clear();
            self.bind_groups.clear();
        }
        self.context.check()
    }

    fn update_triangle(&mut self, _: Triangle, _: &Arc<Triangular>, _: i32) -> Result<()> {
        unreachable!("a space with triangles is refused")
    }

    fn describe(&self, a: Operator) -> Option<String> {
        Some(self.memory.operators[a.0 as usize].description.clone())
    }

    fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn batch_limit(&self) -> usize {
        BATCH_LIMIT
    }
}
