//! The CPU backend: the same sweeps as on a GPU, chunk by chunk, so that every operand of a sweep stays
//! in cache between its uses. f64 and f32, in parallel.
//!
//! Chunks have a fixed size and their partial sums are added in a fixed order: the bits do not depend
//! on the number of threads.

mod cache;
mod device;
mod form;
mod free;
mod harness;
mod kernels;
mod memory;
mod part;
mod sweep;
#[cfg(test)]
mod tests;
mod triangle;

pub(crate) use device::BACKEND;
pub use harness::Harness;

use super::{Awaited, Counters, Engine, Progress};
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::matrix::{Csr, Matrix, Triangular};
use crate::op::Triangle as Handle;
use crate::op::schedule::{Compiled, Fusion, Projections};
use crate::op::{Array, Expr, Item, Length, Op, Operator, Scalar, Space, Stop, TriangleData, Vector, VectorInfo};
use crate::ranks::Ranks;
pub use form::Allowed;
use form::Sparse;
use free::Free;
use memory::{Buffer, Real};
use part::{Extent, Part};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use triangle::Triangle;

/// Instruction sets that sweeps are compiled for; the bits don't depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Simd {
    /// The baseline of the target.
    Portable,
    /// Only where [`Simd::best`] found it.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Simd {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self::Avx2;
        }
        Self::Portable
    }
}

/// The CPU as a device.
pub(crate) struct Cpu {
    space: Space,
    vectors: Vec<Buffer>,
    bases: Vec<Buffer>,
    scalars: Vec<f64>,
    arrays: Vec<Vec<f64>>,
    /// Distance between columns of each basis, in entries.
    strides: Vec<usize>,
    operators: Vec<Stored>,
    /// Forms that each operator may take.
    allowed: Vec<Allowed>,
    /// Partial sums of the sweep's reductions, kept for the next sweep.
    partials: Vec<f64>,
    simd: Simd,
    triangles: Vec<Triangle>,
    stop: Option<Stop>,
    pool: Option<rayon::ThreadPool>,
    fuse: bool,
    /// Where several ranks share the work.
    part: Option<Part>,
    /// True if some vector is long enough for several threads.
    parallel: bool,
    recording: Progress,
    done: VecDeque<Progress>,
    counters: Counters,
}

/// A matrix as stored for products.
enum Stored {
    Sparse(Box<Sparse>),
    Free(Free),
}

impl Stored {
    fn sparse(&self) -> Option<&Sparse> {
        if let Self::Sparse(a) = self { Some(a) } else { None }
    }

    /// Bytes that one product reads of it.
    fn bytes(&self) -> u64 {
        match self {
            Self::Sparse(a) => a.bytes(),
            Self::Free(a) => a.bytes(),
        }
    }

    /// Its values in the order of the entries, if stored that way in T.
    fn in_rows<T: Real>(&self) -> Option<&[T]> {
        self.sparse()?.in_rows()
    }

    /// Its form, for people.
    fn describe(&self) -> String {
        match self {
            Self::Sparse(a) => a.describe(),
            Self::Free(_) => "an operator: no entries are stored".into(),
        }
    }
}

/// Operator `k` in its storage form; its bytes are noted in the space. `made` may already hold the same matrix.
fn stored(space: &Space, k: usize, part: Option<&Part>, allowed: Allowed, made: &[Stored]) -> Result<Stored> {
    let data = &space.operators[k];
    let dtype = space.plan.dtype(data.role);
    let stored = match &data.matrix {
        Matrix::Stored(a) => {
            let a = part.and_then(|part| part.local(Operator(k as u16))).map_or(a, |local| &local.matrix);
            let alike = made.iter().find_map(|m| m.sparse().filter(|m| m.is_of(a)));
            Stored::Sparse(Box::new(Sparse::new(a, data.exponent, dtype, allowed, alike)))
        }
        Matrix::Parted(a) => {
            let a = &a.local.matrix;
            let alike = made.iter().find_map(|m| m.sparse().filter(|m| m.is_of(a)));
            Stored::Sparse(Box::new(Sparse::new(a, data.exponent, dtype, allowed, alike)))
        }
        Matrix::Free(a) => Stored::Free(Free::new(a, data.exponent, dtype)),
    };
    let bytes = part.map_or(Ok(stored.bytes()), |part| part.sum(Operator(k as u16), stored.bytes()))?;
    data.stored_bytes.store(bytes, Ordering::Relaxed);
    Ok(stored)
}

/// A triangle; it uses the values of its strict part from `operators` if these are stored in rows, and all of them.
fn triangle(space: &Space, data: &TriangleData, part: Option<&Part>, operators: &[Stored]) -> Triangle {
    let in_rows = |k: &usize| part.is_none() && operators[*k].sparse().is_some_and(Sparse::is_in_rows);
    let operator = space.strict_part(data).map(|a| a.0 as usize).filter(in_rows);
    Triangle::new(&data.matrix, data.exponent, space.plan.dtype(data.role), operator)
}

/// Where this rank's entries of a vector are in its buffer.
fn extent(part: Option<&Part>, length: Length) -> Extent {
    part.map_or(Extent { own: length.entries, ..Extent::default() }, |part| part.extent(length))
}

/// A pool of so many threads; none for 0, which takes rayon's global one.
fn pool(threads: usize) -> Result<Option<rayon::ThreadPool>> {
    if threads == 0 {
        return Ok(None);
    }
    let made = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    made.map(Some).map_err(|e| Error::input(format!("{threads} threads: {e}")))
}

impl Cpu {
    /// Allocates what `space` lists. `threads` = 0 takes rayon's global pool.
    pub(crate) fn new(space: Space, threads: usize, fuse: bool) -> Result<Self> {
        Self::with_formats(space, threads, fuse, Allowed::default())
    }

    /// This rank's part of what `space` lists. All ranks call this together.
    pub(crate) fn shared_by(ranks: &Ranks, space: Space, threads: usize, fuse: bool) -> Result<Self> {
        // What may fail on one rank comes before the first message.
        let pool = ranks.agree(pool(threads))?;
        let part = Part::new(ranks, &space)?;
        Self::build(space, pool, fuse, Allowed::default(), Some(part))
    }

    /// As `new`, with a choice of the forms that matrices may take.
    fn with_formats(space: Space, threads: usize, fuse: bool, allowed: Allowed) -> Result<Self> {
        Self::build(space, pool(threads)?, fuse, allowed, None)
    }

    fn build(
        space: Space,
        pool: Option<rayon::ThreadPool>,
        fuse: bool,
        allowed: Allowed,
        part: Option<Part>,
    ) -> Result<Self> {
        let extent = |length| extent(part.as_ref(), length);
        let vector = |v: &VectorInfo| {
            let (dtype, length) = (space.plan.dtype(v.role), Length { entries: v.len, layout: v.layout });
            let mut buffer = Buffer::zeros(extent(length).all(), dtype);
            if let Some(values) = &v.initial {
                buffer.write(extent(length).below, part.as_ref().map_or(values, |part| part.of(values, length)));
            }
            buffer
        };
        let vectors = space.vectors.iter().map(vector).collect();
        let strides: Vec<usize> = space.base_lengths().map(|length| memory::stride(extent(length).all())).collect();
        let bases =
            space.bases.iter().zip(&strides).map(|(b, s)| Buffer::zeros(s * b.columns, space.plan.working)).collect();
        // A matrix that a triangle uses too is stored once, in rows for it, except in forms lighter than a copy.
        let strict = |k: u16| space.triangles.iter().any(|t| space.strict_part(t) == Some(Operator(k)));
        let form = |k| if strict(k) { Allowed { light: true, compression: false, ..allowed } } else { allowed };
        let allowed: Vec<Allowed> = (0..space.operators.len() as u16).map(form).collect();
        let store = || -> Result<_> {
            let mut operators = Vec::with_capacity(space.operators.len());
            for (k, &allowed) in allowed.iter().enumerate() {
                space.halt.check()?;
                operators.push(stored(&space, k, part.as_ref(), allowed, &operators)?);
            }
            let triangles = space.triangles.iter().map(|t| triangle(&space, t, part.as_ref(), &operators)).collect();
            Ok((operators, triangles))
        };
        // One step into the pool of threads for all of them, as in `enqueue`; but no thread of the pool may wait for
        // another rank.
        let (operators, triangles) = if part.is_some() { store()? } else { rayon::scope(|_| store())? };
        let parallel = space.lengths().map(|len| extent(len).own).any(sweep::is_parallel);
        Ok(Self {
            vectors,
            bases,
            scalars: vec![0.0; space.scalars.len()],
            arrays: space.arrays.iter().map(|a| vec![0.0; a.1]).collect(),
            strides,
            operators,
            allowed,
            partials: vec![],
            simd: Simd::best(),
            triangles,
            stop: None,
            pool,
            fuse,
            part,
            parallel,
            recording: Progress::default(),
            done: VecDeque::new(),
            counters: Counters::default(),
            space,
        })
    }

    fn extent(&self, length: Length) -> Extent {
        extent(self.part.as_ref(), length)
    }

    fn run(&mut self, segment: &Compiled) -> Result<()> {
        if self.stop.is_some() {
            return Ok(());
        }
        for stage in &segment.stages {
            self.run_scalars(&stage.scalars);
            self.run_sweep(&stage.body)?;
            self.counters.dispatches += 1;
        }
        self.run_scalars(&segment.epilogue);
        Ok(())
    }

    fn eval(&self, e: &Expr) -> f64 {
        e.eval(&|s: Scalar| self.scalars[s.0 as usize])
    }

    fn run_scalars(&mut self, ops: &[Op]) {
        for op in ops {
            if self.stop.is_some() {
                return;
            }
            match op {
                Op::ArrayDot { x, y, k, out } => {
                    let [x, y] = [x, y].map(|a| &self.arrays[a.0 as usize][..*k]);
                    self.scalars[out.0 as usize] = x.iter().zip(y).map(|(a, b)| a * b).sum();
                }
                Op::Set { out, value } => self.scalars[out.0 as usize] = self.eval(value),
                Op::Publish(items) => {
                    let mut record = Vec::new();
                    for item in items {
                        match item {
                            Item::Value(e) => record.push(self.eval(e)),
                            Item::Array(a, k) => record.extend_from_slice(&self.arrays[a.0 as usize][..*k]),
                        }
                    }
                    self.recording.records.push(record);
                }
                Op::StopIf(condition, code) => {
                    if condition.eval(&|s: Scalar| self.scalars[s.0 as usize]) {
                        self.stop = Some(*code);
                    }
                }
                _ => unreachable!("a vector operation among scalar ones"),
            }
        }
    }
}

impl Engine for Cpu {
    fn fusion(&self) -> Fusion {
        if self.fuse {
            Fusion {
                enabled: true,
                max_vectors: usize::MAX,
                projections: Projections::Free,
                products: true,
                shared_products: usize::MAX,
            }
        } else {
            Fusion::NONE
        }
    }

    fn enqueue(&mut self, segment: &Arc<Compiled>) -> Result<u64> {
        let start = Instant::now();
        // One step into the pool for the whole segment; a sweep started outside would wait for a thread to
        // wake up each time.
        if !self.parallel {
            self.run(segment)?;
        } else if let Some(pool) = self.pool.take() {
            let done = pool.install(|| self.run(segment));
            self.pool = Some(pool);
            done?;
        } else {
            rayon::scope(|_| self.run(segment))?;
        }
        self.recording.elapsed += start.elapsed();
        Ok(segment.bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.recording.stop = self.stop;
        self.done.push_back(std::mem::take(&mut self.recording));
        self.counters.submits += 1;
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.done.len()
    }

    fn collect(&mut self) -> Awaited<'_, Result<Progress>> {
        Box::pin(async { Ok(self.done.pop_front().unwrap_or_default()) })
    }

    fn clear_stop(&mut self) {
        self.stop = None;
    }

    fn write_vector(&mut self, v: Vector, values: &[f64]) -> Result<()> {
        let length = self.space.length(v);
        assert_eq!(values.len(), length.entries, "{}", self.space.name(v));
        let below = self.extent(length).below;
        let values = self.part.as_ref().map_or(values, |part| part.of(values, length));
        match v {
            Vector::Own(i) => self.vectors[i as usize].write(below, values),
            Vector::Column { basis, column } => {
                let at = column as usize * self.strides[basis as usize] + below;
                self.bases[basis as usize].write(at, values);
            }
        }
        Ok(())
    }

    fn read_vector(&mut self, v: Vector) -> Awaited<'_, Result<Vec<f64>>> {
        let length = self.space.length(v);
        let Extent { below, own, .. } = self.extent(length);
        let out = match v {
            Vector::Own(i) => self.vectors[i as usize].read(below, own),
            Vector::Column { basis, column } => {
                self.bases[basis as usize].read(column as usize * self.strides[basis as usize] + below, own)
            }
        };
        let all = match &self.part {
            Some(part) => part.whole(out, length),
            None => Ok(out),
        };
        Box::pin(async { all })
    }

    fn write_scalar(&mut self, s: Scalar, value: f64) {
        self.scalars[s.0 as usize] = value;
    }

    fn write_array(&mut self, a: Array, values: &[f64]) {
        self.arrays[a.0 as usize][..values.len()].copy_from_slice(values);
    }

    fn update_operator(&mut self, a: Operator, matrix: &Arc<Csr>, exponent: i32) -> Result<()> {
        let k = a.0 as usize;
        let data = &mut self.space.operators[k];
        (data.matrix, data.exponent) = (matrix.into(), exponent);
        if let Some(part) = &mut self.part {
            part.update(a, matrix)?;
        }
        self.operators[k] = stored(&self.space, k, self.part.as_ref(), self.allowed[k], &self.operators)?;
        Ok(())
    }

    fn update_triangle(&mut self, t: Handle, matrix: &Arc<Triangular>, exponent: i32) -> Result<()> {
        let data = &mut self.space.triangles[t.0 as usize];
        (data.matrix, data.exponent) = (Arc::clone(matrix), exponent);
        self.triangles[t.0 as usize] =
            triangle(&self.space, &self.space.triangles[t.0 as usize], self.part.as_ref(), &self.operators);
        Ok(())
    }

    fn describe(&self, a: Operator) -> Option<String> {
        Some(self.operators[a.0 as usize].describe())
    }

    fn counters(&self) -> Counters {
        self.counters.plus(&self.part.as_ref().map_or_else(Counters::default, Part::counters))
    }

    fn batch_limit(&self) -> usize {
        1
    }
}
