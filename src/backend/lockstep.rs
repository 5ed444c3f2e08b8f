//! Compares two backends op by op, for tests: reports the first operation after which they differ.

use super::{AdapterInfo, Awaited, Counters, Device, Engine, Progress};
use crate::error::Result;
use crate::matrix::{Csr, Triangular};
use crate::op::schedule::{Compiled, Compiler, Fusion};
use crate::op::{Array, Dtype, Operator, Scalar, Space, Triangle, Vector};
use std::collections::VecDeque;
use std::sync::Arc;

/// Two devices as one.
pub(crate) struct Pair {
    pub(crate) reference: Arc<dyn Device>,
    pub(crate) tested: Arc<dyn Device>,
}

impl Device for Pair {
    fn info(&self) -> &AdapterInfo {
        self.tested.info()
    }

    fn widest(&self) -> Dtype {
        self.tested.widest()
    }

    fn engine(self: Arc<Self>, space: Space) -> Result<Box<dyn Engine>> {
        let engine = |device: &Arc<dyn Device>| Arc::clone(device).engine(space.clone());
        let (reference, tested) = (engine(&self.reference)?, engine(&self.tested)?);
        Ok(Box::new(Lockstep::new(space, reference, tested)))
    }
}

/// A reference and the backend under test. Every operation runs on both, unfused, and its results are
/// compared.
pub(crate) struct Lockstep {
    space: Space,
    reference: Box<dyn Engine>,
    tested: Box<dyn Engine>,
    compiler: Compiler,
    done: VecDeque<Progress>,
}

/// Everything an engine has published, as one batch: the two engines may form different batches. `None` if no batch
/// ran, so that nothing is known of a stop.
fn drain(engine: &mut dyn Engine) -> Result<Option<Progress>> {
    engine.flush()?;
    let mut all = None;
    while engine.in_flight() > 0 {
        let batch = pollster::block_on(engine.collect())?;
        let all = all.get_or_insert_with(Progress::default);
        all.records.extend(batch.records);
        all.stop = batch.stop;
    }
    Ok(all)
}

impl Lockstep {
    fn new(space: Space, reference: Box<dyn Engine>, tested: Box<dyn Engine>) -> Self {
        Self { space, reference, tested, compiler: Compiler::new(Fusion::NONE), done: VecDeque::new() }
    }

    fn step(&mut self, op: &crate::op::Op) -> Result<()> {
        let compiled = self.compiler.compile(vec![op.clone()], &self.space);
        for engine in [&mut self.reference, &mut self.tested] {
            engine.enqueue(&compiled)?;
        }
        let columns = match op {
            crate::op::Op::Rotate { v, l, .. } => (0..*l).map(|j| v.column(j)).collect(),
            op => Vec::from_iter(op.writes()),
        };
        columns.into_iter().try_for_each(|v| self.compare(op, v))
    }

    fn compare(&mut self, op: &crate::op::Op, v: Vector) -> Result<()> {
        let expected = pollster::block_on(self.reference.read_vector(v))?;
        let found = pollster::block_on(self.tested.read_vector(v))?;
        let size = crate::host::scale::norm2(&expected);
        let difference: Vec<f64> = expected.iter().zip(&found).map(|(a, b)| a - b).collect();
        let error = crate::host::scale::norm2(&difference);
        let tolerance = if self.space.dtype(v).size() == 4 { 1e-3 } else { 1e-9 };
        assert!(
            error <= tolerance * size.max(f64::MIN_POSITIVE),
            "backends differ by {error:e} of {size:e} after: {}",
            crate::op::named(&self.space, op)
        );
        // Both continue from the same numbers, so that a later difference is due to a later operation.
        self.tested.write_vector(v, &expected)
    }
}

impl Engine for Lockstep {
    fn fusion(&self) -> Fusion {
        Fusion::NONE
    }
    fn enqueue(&mut self, segment: &Arc<Compiled>) -> Result<u64> {
        for stage in &segment.stages {
            for op in stage.scalars.iter().chain(&stage.body) {
                self.step(op)?;
            }
        }
        segment.epilogue.iter().try_for_each(|op| self.step(op))?;
        Ok(segment.bytes)
    }
    fn flush(&mut self) -> Result<()> {
        let expected = drain(&mut *self.reference)?.unwrap_or_default();
        if let Some(found) = drain(&mut *self.tested)? {
            assert_eq!(expected.records.len(), found.records.len(), "backends published different counts of records");
            assert_eq!(expected.stop, found.stop, "backends stopped for different reasons");
        } else {
            assert!(expected.records.is_empty(), "only the reference published records");
        }
        self.done.push_back(expected);
        Ok(())
    }
    fn in_flight(&self) -> usize {
        self.done.len()
    }
    fn collect(&mut self) -> Awaited<'_, Result<Progress>> {
        Box::pin(async { Ok(self.done.pop_front().unwrap_or_default()) })
    }
    fn clear_stop(&mut self) {
        self.reference.clear_stop();
        self.tested.clear_stop();
    }
    fn write_vector(&mut self, v: Vector, values: &[f64]) -> Result<()> {
        self.reference.write_vector(v, values)?;
        self.tested.write_vector(v, values)
    }
    fn read_vector(&mut self, v: Vector) -> Awaited<'_, Result<Vec<f64>>> {
        self.reference.read_vector(v)
    }
    fn write_scalar(&mut self, s: Scalar, value: f64) {
        self.reference.write_scalar(s, value);
        self.tested.write_scalar(s, value);
    }
    fn write_array(&mut self, a: Array, values: &[f64]) {
        self.reference.write_array(a, values);
        self.tested.write_array(a, values);
    }
    fn update_operator(&mut self, a: Operator, matrix: &Arc<Csr>, exponent: i32) -> Result<()> {
        self.reference.update_operator(a, matrix, exponent)?;
        self.tested.update_operator(a, matrix, exponent)
    }
    fn update_triangle(&mut self, t: Triangle, matrix: &Arc<Triangular>, exponent: i32) -> Result<()> {
        self.reference.update_triangle(t, matrix, exponent)?;
        self.tested.update_triangle(t, matrix, exponent)
    }
    fn counters(&self) -> Counters {
        self.tested.counters()
    }
    fn batch_limit(&self) -> usize {
        1
    }
}
