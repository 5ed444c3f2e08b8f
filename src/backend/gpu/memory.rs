//! Buffers on the device: vectors, basis panels, matrix panels, state, ledger, parameters.

use super::Context;
use super::context::buffer_size;
use super::form::{Choice, Form, Panel, Sections};
use super::text::{GROUPS_MAX, HEADER, partials_at};
use crate::backend::Counters;
use crate::error::{Error, Result};
use crate::matrix::LinearOperator;
use crate::op::{Dtype, Operator, OperatorData, Space, Vector};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use wgpu::BufferUsages as Usage;

/// Part of a buffer, as bound.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Slice {
    pub(super) buffer: wgpu::Buffer,
    pub(super) offset: u64,
    pub(super) size: Option<std::num::NonZeroU64>,
}

impl Slice {
    pub(super) fn whole(buffer: &wgpu::Buffer) -> Self {
        Self { buffer: buffer.clone(), offset: 0, size: None }
    }

    /// Bytes bound.
    pub(super) fn bytes(&self) -> u64 {
        self.size.map_or(self.buffer.size() - self.offset, u64::from)
    }

    pub(super) fn resource(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            size: self.size,
        })
    }
}

/// Parameters of a kernel besides its buffers; `Params` of `shaders/prelude.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    pub(super) n: u32,
    pub(super) groups: u32,
    pub(super) pending: u32,
    pub(super) k: u32,
    pub(super) stride: u32,
    pub(super) first: u32,
    pub(super) array_at: u32,
    pub(super) slot: u32,
    pub(super) columns_at: u32,
    pub(super) base_at: u32,
    pub(super) codes_at: u32,
    pub(super) order_at: u32,
    /// Always 0; see `shaders/double_single.wgsl`.
    pub(super) zero: u32,
    pub(super) row: u32,
    pub(super) tall: u32,
    pub(super) kept: u32,
}

/// A panel of a matrix on the device.
#[derive(Clone)]
pub(super) struct RowPanel {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) pattern: wgpu::Buffer,
    pub(super) values: wgpu::Buffer,
    pub(super) at: Sections,
    pub(super) blocks: usize,
    pub(super) long_rows: usize,
    /// Sums of the pieces of long rows.
    pub(super) carries: Option<wgpu::Buffer>,
}

impl RowPanel {
    /// Parameters of a product's kernel for this panel.
    pub(super) fn params(&self) -> Params {
        Params {
            first: self.first as u32,
            columns_at: self.at.columns,
            base_at: self.at.base,
            codes_at: self.at.codes,
            order_at: self.at.order,
            ..Params::default()
        }
    }

    fn upload(&self, context: &Context, panel: &Panel) {
        context.queue.write_buffer(&self.pattern, 0, bytemuck::cast_slice(&panel.pattern));
        context.queue.write_buffer(&self.values, 0, &panel.values);
    }

    /// True if `panel` fits the existing buffers of this one.
    fn takes(&self, panel: &Panel) -> bool {
        let size = |bytes: usize| buffer_size(bytes as u64);
        self.at == panel.at
            && (self.first, self.rows) == (panel.first, panel.rows)
            && self.pattern.size() == size(4 * panel.pattern.len())
            && self.values.size() == size(panel.values.len())
    }
}

/// A matrix on the device.
pub(super) struct Matrix {
    pub(super) form: Form,
    pub(super) panels: Vec<RowPanel>,
    /// Form, reason and bytes, for people.
    pub(super) description: String,
}

impl Matrix {
    /// True if a product with it is a sweep of its own.
    pub(super) fn alone(&self) -> bool {
        self.panels.len() > 1 || self.form.alone()
    }
}

/// A basis in panels of columns, each small enough for one binding.
pub(super) struct BasisPanels {
    pub(super) buffers: Vec<wgpu::Buffer>,
    pub(super) columns_each: usize,
    /// Distance between columns in entries: bindings start at multiples of 256 bytes.
    pub(super) stride: usize,
    column_bytes: u64,
    pub(super) item: u64,
}

/// Some columns of a basis within one panel.
pub(super) struct Columns {
    pub(super) slice: Slice,
    pub(super) first: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl BasisPanels {
    /// The panels that hold the first `k` columns.
    pub(super) fn panels(&self, k: usize) -> Vec<Columns> {
        (0..k.div_ceil(self.columns_each))
            .map(|p| {
                let first = p * self.columns_each;
                let columns = (k - first).min(self.columns_each);
                Columns { slice: Slice::whole(&self.buffers[p]), first, columns, stride: self.stride }
            })
            .collect()
    }

    fn column(&self, j: usize) -> Slice {
        let offset = (j % self.columns_each * self.stride) as u64 * self.item;
        let size = std::num::NonZeroU64::new(self.column_bytes.max(self.item).next_multiple_of(4));
        Slice { buffer: self.buffers[j / self.columns_each].clone(), offset, size }
    }
}

/// Parameter blocks per uniform buffer, 256 bytes apart.
const PARAMS_EACH: usize = 256;

pub(super) struct Memory {
    pub(super) vectors: Vec<wgpu::Buffer>,
    pub(super) bases: Vec<BasisPanels>,
    pub(super) operators: Vec<Matrix>,
    pub(super) state: [wgpu::Buffer; 2],
    pub(super) ledger: wgpu::Buffer,
    /// How many numbers of records fit the ledger in one batch.
    pub(super) record_words: usize,
    /// Where each array starts in the ledger.
    pub(super) array_at: Vec<usize>,
    /// Partial sums of projections, of two vectors at once.
    pub(super) projections: wgpu::Buffer,
    /// Temporary rows of a rotated basis.
    rotated: Option<wgpu::Buffer>,
    uniforms: Vec<wgpu::Buffer>,
    known_params: HashMap<Params, usize>,
    staging: Option<wgpu::Buffer>,
}

const STORAGE: Usage = Usage::STORAGE.union(Usage::COPY_SRC).union(Usage::COPY_DST);

impl Memory {
    pub(super) fn new(
        context: &Context,
        space: &Space,
        real: Dtype,
        scalar_count: usize,
        counters: &mut Counters,
    ) -> Result<Self> {
        let mut make = |what: &str, bytes: u64, usage| {
            counters.buffers += 1;
            context.buffer(what, bytes, usage)
        };
        let bound = |name: &str, bytes: u64| {
            if bytes > context.max_binding {
                return Err(Error::OutOfMemory {
                    what: format!("vector {name} in one binding"),
                    needed: bytes,
                    available: context.max_binding,
                    budget: false,
                });
            }
            Ok(())
        };
        let mut vectors = vec![];
        for v in &space.vectors {
            let dtype = space.plan.dtype(v.role);
            let bytes = v.len as u64 * dtype.size() as u64;
            bound(&v.name, bytes)?;
            let buffer = make(&v.name, bytes, STORAGE)?;
            if let Some(values) = &v.initial {
                context.queue.write_buffer(&buffer, 0, &from_f64(values, dtype));
            }
            vectors.push(buffer);
        }
        let item = space.plan.working.size();
        let mut bases = vec![];
        for b in &space.bases {
            let stride = (b.len.max(1) * item).next_multiple_of(256) / item;
            let column = (stride * item) as u64;
            bound(&b.name, column)?;
            let limit = context.max_binding.min(context.max_buffer);
            let columns_each = ((limit / column) as usize).clamp(1, b.columns.max(1));
            let buffers = (0..b.columns.div_ceil(columns_each))
                .map(|p| make(&b.name, column * (b.columns - p * columns_each).min(columns_each) as u64, STORAGE))
                .collect::<Result<Vec<_>>>()?;
            bases.push(BasisPanels {
                buffers,
                columns_each,
                stride,
                column_bytes: (b.len * item) as u64,
                item: item as u64,
            });
        }
        let size = real.size() as u64;
        // A sweep leaves at most 16 dot products.
        let state_words = partials_at(scalar_count) + 16 * GROUPS_MAX;
        let state =
            [make("state", state_words as u64 * size, STORAGE)?, make("state", state_words as u64 * size, STORAGE)?];
        let columns = space.bases.iter().map(|b| b.columns).max().unwrap_or(0);
        // Records of a batch: at least those of a GMRES cycle, with two projections and four numbers per column.
        let record_words = (16 * 1024).max((columns + 1) * (columns + 4));
        let mut at = record_words;
        let array_at = space
            .arrays
            .iter()
            .map(|a| {
                at += a.1;
                at - a.1
            })
            .collect();
        Ok(Self {
            vectors,
            bases,
            operators: vec![],
            state,
            ledger: make("ledger", at as u64 * size, STORAGE)?,
            record_words,
            array_at,
            projections: make("projections", (2 * columns * GROUPS_MAX) as u64 * size, STORAGE)?,
            rotated: None,
            uniforms: vec![],
            known_params: HashMap::new(),
            staging: None,
        })
    }

    /// Adds a vector after those of the space.
    pub(super) fn add_vector(
        &mut self,
        context: &Context,
        name: &str,
        len: usize,
        dtype: Dtype,
        counters: &mut Counters,
    ) -> Result<()> {
        counters.buffers += 1;
        self.vectors.push(context.buffer(name, (len * dtype.size()) as u64, STORAGE)?);
        Ok(())
    }

    pub(super) fn vector(&self, v: Vector) -> Slice {
        match v {
            Vector::Own(i) => Slice::whole(&self.vectors[i as usize]),
            Vector::Column { basis, column } => self.bases[basis as usize].column(column as usize),
        }
    }

    /// Space for `words` numbers of rotated rows; allocated at the first rotation of this size.
    pub(super) fn rotated(
        &mut self,
        context: &Context,
        words: usize,
        real: Dtype,
        counters: &mut Counters,
    ) -> Result<Slice> {
        let bytes = (words * real.size()) as u64;
        if self.rotated.as_ref().is_none_or(|b| b.size() < bytes) {
            counters.buffers += 1;
            self.rotated = Some(context.buffer("rotated rows", bytes, STORAGE)?);
        }
        Ok(Slice::whole(self.rotated.as_ref().expect("made above")))
    }

    /// The uniform buffer that holds `params`, and the offset.
    pub(super) fn params(
        &mut self,
        context: &Context,
        params: Params,
        counters: &mut Counters,
    ) -> Result<(wgpu::Buffer, u32)> {
        let next = self.known_params.len();
        let slot = *self.known_params.entry(params).or_insert(next);
        if slot / PARAMS_EACH == self.uniforms.len() {
            counters.buffers += 1;
            self.uniforms.push(context.buffer(
                "parameters",
                PARAMS_EACH as u64 * 256,
                Usage::UNIFORM | Usage::COPY_DST,
            )?);
        }
        let (buffer, offset) = (&self.uniforms[slot / PARAMS_EACH], (slot % PARAMS_EACH * 256) as u32);
        if slot == next {
            context.queue.write_buffer(buffer, u64::from(offset), bytemuck::bytes_of(&params));
        }
        Ok((buffer.clone(), offset))
    }

    pub(super) fn write_real(&self, context: &Context, parity: usize, at: usize, value: f64, real: Dtype) {
        let offset = (at * real.size()) as u64;
        context.queue.write_buffer(&self.state[parity], offset, &from_f64(&[value], real));
    }

    pub(super) fn write_array(&self, context: &Context, at: usize, values: &[f64], real: Dtype) {
        if !values.is_empty() {
            context.queue.write_buffer(&self.ledger, (at * real.size()) as u64, &from_f64(values, real));
        }
    }

    pub(super) fn write_vector(&self, context: &Context, space: &Space, v: Vector, values: &[f64]) {
        if !values.is_empty() {
            let slice = self.vector(v);
            context.queue.write_buffer(&slice.buffer, slice.offset, &from_f64(values, space.dtype(v)));
        }
    }

    /// Uploads a matrix in the form chosen for it.
    pub(super) fn matrix(
        context: &Context,
        data: &OperatorData,
        choice: &Choice,
        real: Dtype,
        counters: &mut Counters,
    ) -> Result<Matrix> {
        let built = choice.panels(context.max_binding.min(context.max_buffer))?;
        let bytes = built.iter().map(|p| (4 * p.pattern.len() + p.values.len()) as u64).sum();
        data.stored_bytes.store(bytes, Ordering::Relaxed);
        let mut panels = vec![];
        for panel in &built {
            counters.buffers += 2;
            let carries = (panel.pieces > 0).then(|| {
                counters.buffers += 1;
                context.buffer(&data.name, (panel.pieces * real.size()) as u64, STORAGE)
            });
            let made = RowPanel {
                first: panel.first,
                rows: panel.rows,
                pattern: context.buffer(&data.name, 4 * panel.pattern.len() as u64, STORAGE)?,
                values: context.buffer(&data.name, panel.values.len() as u64, STORAGE)?,
                at: panel.at,
                blocks: panel.blocks,
                long_rows: panel.long_rows,
                carries: carries.transpose()?,
            };
            made.upload(context, panel);
            panels.push(made);
        }
        let matrix = Matrix { form: choice.form, panels, description: choice.describe() };
        data.alone.store(matrix.alone(), Ordering::Relaxed);
        Ok(matrix)
    }

    /// Uploads what an operator's text reads.
    pub(super) fn free(
        context: &Context,
        name: &str,
        operator: &dyn LinearOperator,
        dtype: Dtype,
        counters: &mut Counters,
    ) -> Result<Matrix> {
        let data = operator.shader().map(|s| s.data).unwrap_or_default();
        let values = from_f64(&data, dtype);
        if values.len() as u64 > context.max_binding {
            return Err(Error::OutOfMemory {
                what: "the operator's data in one binding".into(),
                needed: values.len() as u64,
                available: context.max_binding,
                budget: false,
            });
        }
        counters.buffers += 2;
        let panel = RowPanel {
            first: 0,
            rows: operator.rows(),
            pattern: context.buffer(name, 0, STORAGE)?,
            values: context.buffer(name, values.len() as u64, STORAGE)?,
            at: Sections::default(),
            blocks: 0,
            long_rows: 0,
            carries: None,
        };
        context.queue.write_buffer(&panel.values, 0, &values);
        let form = Form::free(dtype);
        Ok(Matrix { form, panels: vec![panel], description: form.layout.rows().describe() })
    }

    /// Writes new values if they have the existing form; false if they need another.
    pub(super) fn update_operator(&self, context: &Context, a: Operator, choice: &Choice) -> Result<bool> {
        let matrix = &self.operators[a.0 as usize];
        if matrix.form != choice.form {
            return Ok(false);
        }
        let built = choice.panels(context.max_binding.min(context.max_buffer))?;
        let same = built.len() == matrix.panels.len() && matrix.panels.iter().zip(&built).all(|(m, p)| m.takes(p));
        if same {
            matrix.panels.iter().zip(&built).for_each(|(m, p)| m.upload(context, p));
        }
        Ok(same)
    }

    pub(super) async fn read_vector(
        &mut self,
        context: &Context,
        space: &Space,
        v: Vector,
        counters: &mut Counters,
    ) -> Result<Vec<f64>> {
        let dtype = space.dtype(v);
        let bytes = (space.len(v) * dtype.size()) as u64;
        if bytes == 0 {
            return Ok(vec![]);
        }
        let slice = self.vector(v);
        let staging = match &self.staging {
            Some(s) if s.size() >= bytes => s.clone(),
            _ => {
                counters.buffers += 1;
                let made = context.buffer("read-back of a vector", bytes, Usage::COPY_DST | Usage::MAP_READ)?;
                self.staging.insert(made).clone()
            }
        };
        let mut encoder = context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&slice.buffer, slice.offset, &staging, 0, bytes);
        let submission = context.submit(encoder)?;
        counters.submits += 1;
        let arrival = context.fetch(&staging, bytes);
        context.wait(submission, &arrival).await?;
        let out = {
            let view = staging.slice(0..bytes).get_mapped_range().map_err(|e| Error::Device(e.to_string()))?;
            to_f64(&view, dtype)
        };
        staging.unmap();
        Ok(out)
    }
}

pub(super) fn from_f64(values: &[f64], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F64 => bytemuck::cast_slice(values).to_vec(),
        Dtype::F32 => values.iter().flat_map(|&v| (v as f32).to_ne_bytes()).collect(),
        Dtype::DoubleSingle => values.iter().flat_map(|&v| pair(v)).flat_map(f32::to_ne_bytes).collect(),
    }
}

/// The numbers of a read-back.
pub(super) fn to_f64(bytes: &[u8], dtype: Dtype) -> Vec<f64> {
    match dtype {
        Dtype::F64 => bytemuck::pod_collect_to_vec(bytes),
        Dtype::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(bytes).into_iter().map(f64::from).collect(),
        Dtype::DoubleSingle => bytemuck::pod_collect_to_vec::<u8, [f32; 2]>(bytes)
            .into_iter()
            .map(|[high, low]| f64::from(high) + f64::from(low))
            .collect(),
    }
}

/// The nearest sum of two f32 to v: exact if v has at most 49 bits and none below f32's range.
fn pair(v: f64) -> [f32; 2] {
    let high = v as f32;
    [high, (v - f64::from(high)) as f32]
}

const _: () = assert!(HEADER == 2, "the read-back expects STOP and the cursor in front");
