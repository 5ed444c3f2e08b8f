//! The GPU backend on wgpu. Scalars, STOP and records live on the device; a batch of iterations is one
//! submission and the host reads what it published afterwards.
//!
//! - State: two buffers in turn, [STOP, cursor, scalars …, partial sums]. A kernel that changes scalars
//!   reads one and writes the other, so no workgroup reads what another one writes.
//! - Ledger: records of the batch from the start, arrays (projection coefficients) behind them.
//! - A sweep is one kernel, generated into `shaders/sweep.wgsl`. It first adds up the partial sums that the
//!   sweep before it left, evaluates the scalars, then runs. So a dot product costs no kernel of its own.

mod context;
mod format;
mod memory;
mod self_test;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use context::Context;
pub use context::{AdapterDetails, adapters};

use super::{Counters, Engine, Local, Progress};
use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix as Given, Triangular};
use crate::op::schedule::{Compiled, Fusion, Projections, length};
use crate::op::{Array, Basis, Dtype, Op, Operator, Scalar, Space, Stop, Term, Triangle, Vector, forming};
use crate::solver::Options;
use format::{Choice, Form, Layout};
use memory::{Columns, Matrix, Memory, Params, Slice};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use text::{
    AXPY, CURSOR, DOT, FINISH, GROUPS_MAX, HEADER, MULTI_AXPY, MULTI_AXPY_DOT, MULTI_AXPY_NORM, MULTI_DOT, ROTATE,
    ROTATED, SPMV_PIECES, Shader, Sweep, Types, WORKGROUP,
};

/// Iterations of one batch at most.
const BATCH_LIMIT: usize = 256;

/// Most memory that a rotation of a basis takes beside it.
const ROTATED_BYTES: u64 = 32 << 20;
/// Workgroups of a dispatch at most, by the portable limit.
const DISPATCH_MAX: usize = 65535;

/// What one kernel holds: eight storage bindings, two of them the state. A second product with the same matrix
/// fills the other six.
const FUSION: Fusion =
    Fusion { enabled: true, max_vectors: 6, projections: Projections::Paired, products: true, shared_products: 2 };

/// One kernel to start, with what it binds under either parity of the state buffers.
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    groups: [wgpu::BindGroup; 2],
    params: u32,
    workgroups: u32,
    /// True where it writes the scalars to the other state buffer.
    flips: bool,
}

/// What one segment hands to the next within a batch: partial sums not yet added, scalars not evaluated.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Carry {
    pending: Vec<u16>,
    pending_groups: u32,
    scalars: Vec<Op>,
    deferred: Option<Deferred>,
}

/// The last sweep of a segment, put off so that the next one may form what it gathers on the way.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Deferred {
    /// The updates, in the names of the program.
    maps: Vec<Op>,
    /// The vector formed.
    d: Vector,
    /// Where d is: itself or its twin.
    now: Vector,
    /// Scalar operations after the sweep.
    after: Vec<Op>,
}

impl Carry {
    fn scalars(&mut self) -> &mut Vec<Op> {
        match &mut self.deferred {
            Some(deferred) => &mut deferred.after,
            None => &mut self.scalars,
        }
    }
}

/// Kernels of a segment behind a given carry, and the carry it leaves.
struct Lowered {
    dispatches: Vec<Dispatch>,
    out: usize,
}

/// A batch on its way.
struct Flight {
    staging: wgpu::Buffer,
    mapped: Arc<AtomicBool>,
    submission: wgpu::SubmissionIndex,
    sent: Instant,
    /// Length of each record that may have been published.
    records: Vec<usize>,
}

/// How the form of a matrix is found: from the matrix, its exponent, the arithmetic's type.
type Choose = for<'a> fn(&'a Csr, i32, Dtype) -> Choice<'a>;

/// A kernel's bindings beside the parameters: buffer slice and whether it is written.
type Binding = (Slice, bool);

/// What tells bind groups apart: the parameters' buffer, whether the state flips, the bindings.
type GroupKey = (wgpu::Buffer, bool, Vec<Binding>);

/// A device with the memory of one space.
pub(crate) struct Gpu {
    context: Arc<Context>,
    space: Space,
    real: Dtype,
    fuse: bool,
    choose: Choose,
    memory: Memory,
    /// Scalars of the space and one of our own, for the plain axpy's coefficient.
    scalar_count: usize,
    /// Second places of vectors that are formed while they are gathered.
    twins: HashMap<Vector, Vector>,
    parity: usize,
    layouts: HashMap<Vec<bool>, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
    pipelines: HashMap<String, wgpu::ComputePipeline>,
    bind_groups: HashMap<GroupKey, [wgpu::BindGroup; 2]>,
    carries: Vec<Carry>,
    lowered: HashMap<(usize, usize), Arc<Lowered>>,
    /// The batch being recorded: segments, the carry after the last, lengths of records.
    batch: Vec<Arc<Lowered>>,
    carry: usize,
    records: Vec<usize>,
    flights: VecDeque<Flight>,
    idle_staging: Vec<wgpu::Buffer>,
    last_done: Option<Instant>,
    counters: Counters,
}

impl Gpu {
    /// Allocates and uploads what `space` lists.
    pub(crate) fn new(context: Arc<Context>, space: Space, options: &Options) -> Result<Self> {
        // What runs unfused is there to be read, and to compare with.
        Self::with_forms(context, space, options, if options.fuse { format::choose } else { format::plain })
    }

    /// `choose` finds the form of each matrix.
    fn with_forms(context: Arc<Context>, space: Space, options: &Options, choose: Choose) -> Result<Self> {
        if let Some(t) = space.triangles.first() {
            return Err(Error::input(format!(
                "{} is a triangle to solve with, one row after the other; on a GPU use isai or fsai in place of ilu0 and ic0, or amg",
                t.name
            )));
        }
        let plan = space.plan;
        let real = if plan.working == Dtype::F64 || plan.accumulate == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
        context.check_type(real)?;
        context.check_type(plan.accumulate)?;
        let scalar_count = space.scalars.len() + 1;
        let mut counters = Counters::default();
        let mut memory = Memory::new(&context, &space, real, scalar_count, &mut counters)?;
        for data in &space.operators {
            let dtype = plan.dtype(data.role);
            memory.operators.push(match &data.matrix {
                Given::Stored(a) => {
                    let choice = choose(a, data.exponent, dtype);
                    Memory::matrix(&context, data, &choice, real, &mut counters)?
                }
                // A stored matrix is scaled before it is narrowed; an operator's text computes in its own units.
                Given::Free(_) if dtype == Dtype::F32 && data.exponent.abs() > 100 => {
                    return Err(Error::input(format!(
                        "the operator's size is about 2^{}, which its WGSL can't handle in f32; scale it, or use the backend cpu",
                        -data.exponent
                    )));
                }
                Given::Free(a) => Memory::free(&context, &data.name, &**a, dtype, &mut counters)?,
            });
        }
        Ok(Self {
            context,
            real,
            fuse: options.fuse,
            choose,
            memory,
            scalar_count,
            twins: HashMap::new(),
            parity: 0,
            layouts: HashMap::new(),
            pipelines: HashMap::new(),
            bind_groups: HashMap::new(),
            carries: vec![Carry::default()],
            lowered: HashMap::new(),
            batch: vec![],
            carry: 0,
            records: vec![],
            flights: VecDeque::new(),
            idle_staging: vec![],
            last_done: None,
            counters,
            space,
        })
    }

    fn types(&self, item: Dtype) -> Types {
        Types { real: self.real, item }
    }

    /// The scalar of our own.
    fn coefficient(&self) -> Scalar {
        Scalar((self.scalar_count - 1) as u16)
    }

    /// Finds or makes the pipeline for a text; `writes` lists the bindings behind the parameters. A `foreign` text
    /// holds lines of the user's.
    fn pipeline(&mut self, name: &str, text: String, writes: &[bool], foreign: bool) -> Result<wgpu::ComputePipeline> {
        if let Some(done) = self.pipelines.get(&text) {
            return Ok(done.clone());
        }
        let (_, layout) = self.layout(writes);
        let context = Arc::clone(&self.context);
        let made = context.scoped(if foreign { "the operator's WGSL" } else { name }, 0, || {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: wgpu::ShaderSource::Wgsl(text.as_str().into()),
            };
            let module = if cfg!(debug_assertions) || foreign {
                context.device.create_shader_module(descriptor)
            } else {
                // SAFETY: our own kernels. Every index is below the length of its binding: sweeps stop at P.n,
                // columns were checked when the matrix was made, and every loop has a fixed end.
                unsafe {
                    context.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
                }
            };
            context.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every kernel writes its workgroup memory before reading it.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        });
        let made = match made {
            Err(Error::Device(message)) if foreign => return Err(Error::input(message)),
            made => made?,
        };
        self.counters.pipelines += 1;
        self.pipelines.insert(text, made.clone());
        Ok(made)
    }

    fn layout(&mut self, writes: &[bool]) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
        if let Some(done) = self.layouts.get(writes) {
            return done.clone();
        }
        let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let entries: Vec<_> = std::iter::once(entry(0, wgpu::BufferBindingType::Uniform, true))
            .chain(
                writes
                    .iter()
                    .enumerate()
                    .map(|(k, &written)| entry(k + 1, wgpu::BufferBindingType::Storage { read_only: !written }, false)),
            )
            .collect();
        let device = &self.context.device;
        let group =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        });
        self.layouts.insert(writes.to_vec(), (group.clone(), pipeline.clone()));
        (group, pipeline)
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
        let pipeline = self.pipeline(name, text, &writes, foreign)?;
        let (layout, _) = self.layout(&writes);
        let (uniform, offset) = self.memory.params(&self.context, params, &mut self.counters)?;
        let dispatch = |groups| Dispatch { pipeline, groups, params: offset, workgroups: workgroups as u32, flips };
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
        let text = text::plain(shader, self.types(item), minus);
        self.dispatch(shader.name, text, false, flips, bindings, params, workgroups)
    }

    /// The kernels of `segment` behind `carry`.
    fn lower(&mut self, carry: usize, segment: &Compiled) -> Result<Arc<Lowered>> {
        if let Some(done) = self.lowered.get(&(carry, segment.id)) {
            return Ok(Arc::clone(done));
        }
        let mut dispatches = vec![];
        let mut now = self.carries[carry].clone();
        let formed = if self.fuse { forming::deferrable(segment, &self.space) } else { None };
        // Where the segment's vectors are: d may be in its twin.
        let mut place: Option<(Vector, Vector)> = None;
        for (k, stage) in segment.stages.iter().enumerate() {
            now.scalars().extend(stage.scalars.iter().cloned());
            match formed {
                Some(d) if k + 1 == segment.stages.len() && self.forms_well(&segment.stages[0].body) => {
                    let now_at = place.map_or(d, |p| p.1);
                    now.deferred = Some(Deferred { maps: stage.body.clone(), d, now: now_at, after: vec![] });
                    place = None;
                    continue;
                }
                _ => {}
            }
            let body: Vec<Op> = match place {
                Some((d, at)) => stage.body.iter().map(|op| op.renamed(d, at)).collect(),
                None => stage.body.clone(),
            };
            if let Some(deferred) = now.deferred.take() {
                place = self.lower_deferred(deferred, &body, &mut now, &mut dispatches)?;
                if place.is_some() {
                    continue;
                }
            }
            self.lower_stage(&body, &mut now, &mut dispatches)?;
        }
        if let Some((d, at)) = place.filter(|p| p.0 != p.1) {
            // Back to where the host and other segments look for it.
            let copy = Op::Map { y: d, terms: vec![Term { coefficient: 1.0.into(), x: at, by: None }] };
            self.lower_sweep(&[copy], None, self.space.len(d), &mut now, &mut dispatches)?;
        }
        now.scalars().extend(segment.epilogue.iter().cloned());
        let done = Arc::new(Lowered { dispatches, out: self.intern(now) });
        self.lowered.insert((carry, segment.id), Arc::clone(&done));
        Ok(done)
    }

    /// Whether a product of this sweep may gather two vectors in place of one: its rows reach places that lie
    /// together, and there is room for d's twin among the bindings.
    fn forms_well(&self, body: &[Op]) -> bool {
        if body.iter().filter(|op| matches!(op, Op::Apply { .. })).count() > 1 {
            return false;
        }
        let local = |op: &Op| match op {
            Op::Apply { a, .. } => {
                let matrix = &self.memory.operators[a.0 as usize];
                !matrix.alone() && matrix.form.columns != format::Columns::Wide
            }
            _ => true,
        };
        body.iter().all(local)
    }

    /// The twin of d, made when it is first asked for.
    fn twin(&mut self, d: Vector) -> Result<Vector> {
        if let Some(known) = self.twins.get(&d) {
            return Ok(*known);
        }
        let Vector::Own(of) = d else { unreachable!("columns of a basis have no twins") };
        let (len, dtype) = (self.space.len(d), self.space.dtype(d));
        self.memory.add_vector(&self.context, &self.space.name(d), len, dtype, &mut self.counters)?;
        let mut info = self.space.vectors[of as usize].clone();
        info.initial = None;
        self.space.vectors.push(info);
        let twin = Vector::Own((self.space.vectors.len() - 1) as u16);
        self.twins.insert(d, twin);
        Ok(twin)
    }

    /// Carries out what was put off: together with `body`, where that is a sweep which gathers d, and then says where
    /// d is; else by itself, leaving d in its own place.
    fn lower_deferred(
        &mut self,
        deferred: Deferred,
        body: &[Op],
        now: &mut Carry,
        out: &mut Vec<Dispatch>,
    ) -> Result<Option<(Vector, Vector)>> {
        let Deferred { maps, d, now: at, after } = deferred;
        let n = self.space.len(d);
        let mut coefficients = vec![];
        maps.iter().for_each(|op| op.coefficients(&mut |s| coefficients.push(s)));
        let kept = after.iter().all(|op| !matches!(op, Op::Set { out, .. } if coefficients.contains(out)));
        let gathers = body.iter().any(|op| op.gathers() == Some(d)) && self.forms_well(body);
        if gathers && kept && body.iter().all(|op| length(op, &self.space) == n) {
            let next = if at == d { self.twin(d)? } else { d };
            let count = maps.len();
            let joined = forming::joined(forming::redirected(&maps, d, at, next), body, d, next);
            if let Some(joined) = joined.filter(|all| self.storage(all) <= self.context.max_storage) {
                now.scalars.extend(after);
                self.lower_sweep(&joined, Some((count, at)), n, now, out)?;
                return Ok(Some((d, next)));
            }
        }
        self.lower_sweep(&forming::redirected(&maps, d, at, d), None, n, now, out)?;
        now.scalars.extend(after);
        Ok(None)
    }

    /// Storage bindings of a sweep with records.
    fn storage(&self, body: &[Op]) -> usize {
        let vectors = body.iter().flat_map(|op| op.reads().into_iter().chain(op.writes()).chain(op.gathers()));
        let matrix = body.iter().any(|op| matches!(op, Op::Apply { .. }));
        3 + vectors.collect::<BTreeSet<_>>().len() + 2 * usize::from(matrix)
    }

    /// Kernels that carry out all that `carry` holds: the end of a batch. A segment of its own, so that they are made
    /// once.
    fn lower_tail(&mut self, carry: usize) -> Result<Option<Arc<Lowered>>> {
        let mut now = self.carries[carry].clone();
        if now == Carry::default() {
            return Ok(None);
        }
        let key = (carry, usize::MAX);
        if !self.lowered.contains_key(&key) {
            let mut dispatches = vec![];
            if let Some(deferred) = now.deferred.take() {
                self.lower_deferred(deferred, &[], &mut now, &mut dispatches)?;
            }
            self.lower_scalars(&mut now, &mut dispatches)?;
            self.lowered.insert(key, Arc::new(Lowered { dispatches, out: 0 }));
        }
        Ok(self.lowered.get(&key).cloned())
    }

    /// Makes what the segment needs behind itself, wherever d is and however the batch ends, so that no later
    /// iteration makes anything.
    fn lower_ahead(&mut self, mut carry: usize, segment: &Compiled) -> Result<()> {
        while !self.lowered.contains_key(&(carry, segment.id)) {
            self.lower_tail(carry)?;
            carry = self.lower(carry, segment)?.out;
        }
        Ok(())
    }

    fn intern(&mut self, carry: Carry) -> usize {
        self.carries.iter().position(|c| *c == carry).unwrap_or_else(|| {
            self.carries.push(carry);
            self.carries.len() - 1
        })
    }

    fn lower_stage(&mut self, body: &[Op], now: &mut Carry, out: &mut Vec<Dispatch>) -> Result<()> {
        let Some(first) = body.first() else { return Ok(()) };
        let n = length(first, &self.space);
        match first {
            Op::MultiDot { v, k, w, out: array } => {
                self.lower_scalars(now, out)?;
                for panel in self.memory.bases[v.0 as usize].panels(*k) {
                    let params = panel_params(&panel, n, 0);
                    let bindings = [
                        (panel.slice, false),
                        (self.memory.vector(*w), false),
                        (Slice::whole(&self.memory.projections), true),
                    ];
                    let item = self.space.dtype(*w);
                    out.push(self.plain(&MULTI_DOT, item, false, false, &bindings, params, workgroups(n))?);
                }
                self.lower_finish(*array, *k, n, out)
            }
            Op::MultiAxpy { v, k, coefficients, minus, w } => {
                self.lower_scalars(now, out)?;
                let mut panels = self.memory.bases[v.0 as usize].panels(*k);
                // Only the last panel leaves w as what follows wants it; a projection wants all columns.
                let last = match body.get(1) {
                    Some(Op::Dot { .. }) => panels.pop(),
                    Some(Op::MultiDot { .. }) if panels.len() == 1 => panels.pop(),
                    _ => None,
                };
                let array_at = self.memory.array_at[coefficients.0 as usize];
                let (item, groups) = (self.space.dtype(*w), workgroups(n));
                let ledger = (Slice::whole(&self.memory.ledger), false);
                let w = (self.memory.vector(*w), true);
                for panel in panels {
                    let params = panel_params(&panel, n, array_at);
                    let bindings = [ledger.clone(), (panel.slice, false), w.clone()];
                    out.push(self.plain(&MULTI_AXPY, item, *minus, false, &bindings, params, groups)?);
                }
                match (last, body.get(1)) {
                    (Some(panel), Some(Op::MultiDot { out: array, .. })) => {
                        let params = panel_params(&panel, n, array_at);
                        let partials = (Slice::whole(&self.memory.projections), true);
                        let bindings = [ledger, (panel.slice, false), w, partials];
                        out.push(self.plain(&MULTI_AXPY_DOT, item, *minus, false, &bindings, params, groups)?);
                        self.lower_finish(*array, *k, n, out)
                    }
                    (Some(panel), Some(Op::Dot { out: scalar, .. })) => {
                        let slot = text::partials_at(self.scalar_count) as u32;
                        let params = Params { slot, ..panel_params(&panel, n, array_at) };
                        let bindings = [ledger, (panel.slice, false), w];
                        out.push(self.plain(&MULTI_AXPY_NORM, item, *minus, true, &bindings, params, groups)?);
                        (now.pending, now.pending_groups) = (vec![scalar.0], groups as u32);
                        Ok(())
                    }
                    _ => self.lower_stage(&body[1..], now, out),
                }
            }
            Op::Rotate { v, k, l, s } => {
                self.lower_scalars(now, out)?;
                self.lower_rotation(*v, [*k, *l], *s, out)
            }
            Op::Apply { a, x, y }
                if body.len() == 1
                    && self.memory.operators[a.0 as usize].form.layout != Layout::Free
                    && (!self.fuse || self.memory.operators[a.0 as usize].alone()) =>
            {
                self.lower_scalars(now, out)?;
                self.lower_product(*a, *x, *y, out)
            }
            Op::Dot { x, y, out: scalar } if !self.fuse && self.space.dtype(*x) == self.space.dtype(*y) => {
                self.lower_scalars(now, out)?;
                let at = text::partials_at(self.scalar_count);
                let params = Params { n: n as u32, groups: workgroups(n) as u32, slot: at as u32, ..Params::default() };
                let bindings = [(self.memory.vector(*x), false), (self.memory.vector(*y), false)];
                out.push(self.plain(&DOT, self.space.dtype(*x), false, true, &bindings, params, workgroups(n))?);
                now.pending = vec![scalar.0];
                now.pending_groups = workgroups(n) as u32;
                Ok(())
            }
            Op::Map { y, terms } if !self.fuse && is_axpy(*y, terms, &self.space) => {
                let Term { coefficient, x, .. } = &terms[1];
                let out_scalar = self.coefficient();
                now.scalars.push(Op::Set { out: out_scalar, value: coefficient.clone() });
                self.lower_scalars(now, out)?;
                let slot = (HEADER + out_scalar.0 as usize) as u32;
                let params = Params { n: n as u32, groups: workgroups(n) as u32, slot, ..Params::default() };
                let bindings = [(self.memory.vector(*x), false), (self.memory.vector(*y), true)];
                out.push(self.plain(&AXPY, self.space.dtype(*y), false, false, &bindings, params, workgroups(n))?);
                Ok(())
            }
            _ => self.lower_sweep(body, None, n, now, out),
        }
    }

    /// Block of rows by block of rows: the new columns are formed beside the basis, panel by panel, and put back.
    fn lower_rotation(&mut self, v: Basis, [k, l]: [usize; 2], s: Array, out: &mut Vec<Dispatch>) -> Result<()> {
        let (n, item) = (self.space.len(v.column(0)), self.space.plan.working);
        let limit = self.context.max_binding.min(ROTATED_BYTES) / self.real_size();
        let rows = (limit as usize / l).clamp(1, n.max(1));
        let rotated = self.memory.rotated(&self.context, rows * l, self.real, &mut self.counters)?;
        for row in (0..n).step_by(rows) {
            let rows = rows.min(n - row);
            let params = |first: usize, columns: usize, stride: usize, array_at: usize| Params {
                n: rows as u32,
                groups: workgroups(rows) as u32,
                k: columns as u32,
                stride: stride as u32,
                first: first as u32,
                array_at: array_at as u32,
                row: row as u32,
                tall: k as u32,
                kept: l as u32,
                ..Params::default()
            };
            let array_at = self.memory.array_at[s.0 as usize];
            for panel in self.memory.bases[v.0 as usize].panels(k) {
                let params = params(panel.first, panel.columns, panel.stride, array_at);
                let bindings =
                    [(Slice::whole(&self.memory.ledger), false), (panel.slice, false), (rotated.clone(), true)];
                out.push(self.plain(&ROTATE, item, false, false, &bindings, params, workgroups(rows))?);
            }
            for panel in self.memory.bases[v.0 as usize].panels(l) {
                let params = params(panel.first, panel.columns, panel.stride, 0);
                let bindings = [(rotated.clone(), false), (panel.slice, true)];
                out.push(self.plain(&ROTATED, item, false, false, &bindings, params, workgroups(rows))?);
            }
        }
        Ok(())
    }

    /// Adds the partial sums of projections onto k columns.
    fn lower_finish(&mut self, array: Array, k: usize, n: usize, out: &mut Vec<Dispatch>) -> Result<()> {
        let params = Params {
            pending: workgroups(n) as u32,
            array_at: self.memory.array_at[array.0 as usize] as u32,
            ..Params::default()
        };
        let bindings = [(Slice::whole(&self.memory.projections), false), (Slice::whole(&self.memory.ledger), true)];
        let item = self.space.plan.working;
        out.push(self.plain(&FINISH, item, false, false, &bindings, params, k)?);
        Ok(())
    }

    /// y = A x by itself, panel by panel.
    fn lower_product(&mut self, a: Operator, x: Vector, y: Vector, out: &mut Vec<Dispatch>) -> Result<()> {
        let Matrix { form, panels, .. } = &self.memory.operators[a.0 as usize];
        let (form, panels) = (*form, panels.clone());
        let item = self.space.dtype(y);
        for panel in panels {
            let (count, groups) = match form.layout {
                Layout::Blocks => (panel.blocks, panel.blocks.clamp(1, DISPATCH_MAX)),
                _ => (0, workgroups(panel.rows)),
            };
            let params = Params { n: panel.rows as u32, k: count as u32, groups: groups as u32, ..panel.params() };
            let pattern = (Slice::whole(&panel.pattern), false);
            let mut bindings = vec![
                pattern.clone(),
                (Slice::whole(&panel.values), false),
                (self.memory.vector(x), one_buffer(x, y)),
                (self.memory.vector(y), true),
            ];
            if form.layout == Layout::Blocks {
                // A panel without pieces binds what it never writes.
                let carries = panel.carries.as_ref().unwrap_or(&self.memory.projections);
                bindings.push((Slice::whole(carries), true));
            }
            let text = text::product(form, self.types(item), one_buffer(x, y));
            out.push(self.dispatch("product", text, false, false, &bindings, params, groups)?);
            if let Some(carries) = &panel.carries {
                let groups = panel.long_rows.min(DISPATCH_MAX);
                let (k, order_at) = (panel.long_rows as u32, panel.at.long);
                let params = Params { k, groups: groups as u32, order_at, ..panel.params() };
                let bindings = [pattern, (Slice::whole(carries), false), (self.memory.vector(y), true)];
                out.push(self.plain(&SPMV_PIECES, item, false, false, &bindings, params, groups)?);
            }
        }
        Ok(())
    }

    /// A kernel that only finishes partial sums and evaluates scalars, where there are any.
    fn lower_scalars(&mut self, now: &mut Carry, out: &mut Vec<Dispatch>) -> Result<()> {
        if *now == Carry::default() { Ok(()) } else { self.lower_sweep(&[], None, 0, now, out) }
    }

    /// One kernel for `body`, whose first operations may be updates put off and what they form been elsewhere so far.
    fn lower_sweep(
        &mut self,
        body: &[Op],
        formed: Option<(usize, Vector)>,
        n: usize,
        now: &mut Carry,
        out: &mut Vec<Dispatch>,
    ) -> Result<()> {
        // Records need the ledger's place among the bindings; where the sweep has none left, they go first.
        if now.scalars.iter().any(|op| matches!(op, Op::Publish(_))) && self.storage(body) > self.context.max_storage {
            self.lower_sweep(&[], None, 0, now, out)?;
        }
        let forms: Vec<Form> = self.memory.operators.iter().map(|m| m.form).collect();
        let generated = Sweep {
            forms: &forms,
            deferred: formed.map_or(0, |f| f.0),
            twin: formed.map(|f| f.1),
            space: &self.space,
            real: self.real,
            pending: &now.pending,
            scalars: &now.scalars,
            body,
            scalar_count: self.scalar_count,
            array_at: &self.memory.array_at,
        }
        .generate();
        let mut bindings: Vec<Binding> = vec![];
        if generated.ledger {
            bindings.push((Slice::whole(&self.memory.ledger), true));
        }
        let k = text::array_length(&now.scalars) as u32;
        let mut params = Params { n: n as u32, pending: now.pending_groups, k, ..Params::default() };
        if generated.matrix {
            let a = body.iter().find_map(|op| if let Op::Apply { a, .. } = op { Some(*a) } else { None });
            let panel = &self.memory.operators[a.expect("a product in the sweep").0 as usize].panels[0];
            bindings.push((Slice::whole(&panel.pattern), false));
            bindings.push((Slice::whole(&panel.values), false));
            params = Params { n: params.n, pending: params.pending, k, ..panel.params() };
        }
        bindings.extend(generated.vectors.iter().map(|&(v, written)| (self.memory.vector(v), written)));
        let groups = if body.is_empty() { 1 } else { workgroups(n) };
        params.groups = groups as u32;
        out.push(self.dispatch("sweep", generated.text, generated.foreign, true, &bindings, params, groups)?);
        *now = Carry {
            pending_groups: if generated.leaves.is_empty() { 0 } else { groups as u32 },
            pending: generated.leaves,
            ..Carry::default()
        };
        Ok(())
    }

    /// Bytes of a number of the state and the ledger.
    fn real_size(&self) -> u64 {
        self.real.size() as u64
    }

    fn read_reals(&self, bytes: &[u8]) -> Vec<f64> {
        memory::to_f64(bytes, self.real)
    }
}

/// What a projection's kernel is told of a panel of columns of length `n`, and where their coefficients are.
fn panel_params(panel: &Columns, n: usize, array_at: usize) -> Params {
    Params {
        n: n as u32,
        groups: workgroups(n) as u32,
        k: panel.columns as u32,
        stride: panel.stride as u32,
        first: panel.first as u32,
        array_at: array_at as u32,
        ..Params::default()
    }
}

fn is_axpy(y: Vector, terms: &[Term], space: &Space) -> bool {
    let [own, other] = terms else { return false };
    own.x == y
        && !one_buffer(other.x, y)
        && own.by.is_none()
        && own.coefficient.is_one()
        && other.by.is_none()
        && other.x != y
        && space.dtype(y) == space.dtype(other.x)
        && space.dtype(y) != Dtype::DoubleSingle
}

/// True for columns of one basis: the plain kernels bind what they read as read-only, which a buffer that
/// is written can't be.
fn one_buffer(x: Vector, y: Vector) -> bool {
    text::basis(x).is_some() && text::basis(x) == text::basis(y)
}

/// Workgroups for a sweep of `n` entries: a grid-stride loop covers the rest.
fn workgroups(n: usize) -> usize {
    n.div_ceil(WORKGROUP).clamp(1, GROUPS_MAX)
}

impl Engine for Gpu {
    fn fusion(&self) -> Fusion {
        // Lanes of one row compute its product before the sweep's loop, for one vector.
        let lanes = self.memory.operators.iter().any(|m| matches!(m.form.layout, Layout::Lanes(_)));
        let shared_products = if lanes { 1 } else { FUSION.shared_products };
        if self.fuse { Fusion { shared_products, ..FUSION } } else { Fusion::NONE }
    }

    fn enqueue(&mut self, segment: &Arc<Compiled>) -> Result<()> {
        let words: usize = self.records.iter().chain(&segment.records).sum();
        if words > self.memory.record_words {
            self.flush()?;
        }
        let lowered = self.lower(self.carry, segment)?;
        if self.carries[lowered.out].deferred.is_some() {
            self.lower_ahead(lowered.out, segment)?;
        }
        self.carry = lowered.out;
        self.batch.push(lowered);
        self.records.extend(&segment.records);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let tail = self.lower_tail(self.carry)?;
        // The batch's records start at the ledger's beginning.
        self.memory.write_real(&self.context, self.parity, CURSOR, 0.0, self.real);
        let mut encoder = self.context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for d in self.batch.iter().chain(&tail).flat_map(|l| &l.dispatches) {
                pass.set_pipeline(&d.pipeline);
                pass.set_bind_group(0, &d.groups[self.parity], &[d.params]);
                pass.dispatch_workgroups(d.workgroups, 1, 1);
                self.counters.dispatches += 1;
                if d.flips {
                    self.parity = 1 - self.parity;
                }
            }
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
        let submission = self.context.queue.submit([encoder.finish()]);
        self.context.check()?;
        self.counters.submits += 1;
        let mapped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&mapped);
        staging.map_async(wgpu::MapMode::Read, 0..head + words * self.real_size(), move |result| {
            // A failure is found by the wait, which checks the device.
            seen.store(result.is_ok(), Ordering::Release);
        });
        self.flights.push_back(Flight {
            staging,
            mapped,
            submission,
            sent: Instant::now(),
            records: std::mem::take(&mut self.records),
        });
        self.batch.clear();
        self.carry = 0;
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn collect(&mut self) -> Local<'_, Result<Progress>> {
        Box::pin(async {
            let Some(flight) = self.flights.pop_front() else { return Ok(Progress::default()) };
            self.counters.syncs += 1;
            self.context.wait(Some(flight.submission), || flight.mapped.load(Ordering::Acquire))?;
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

    fn read_vector(&mut self, v: Vector) -> Local<'_, Result<Vec<f64>>> {
        Box::pin(async move {
            self.flush()?;
            self.counters.syncs += 1;
            self.memory.read_vector(&self.context, &self.space, v, &mut self.counters)
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
            // Kernels and bind groups of the form before.
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

    fn counters(&self) -> Counters {
        self.counters
    }

    fn batch_limit(&self) -> usize {
        BATCH_LIMIT
    }
}
