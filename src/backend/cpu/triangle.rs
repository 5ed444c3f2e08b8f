//! Triangular solves: row by row; side by side where the triangle falls into blocks or is one of blocks in stages, or by
//! levels where levels are wide enough for threads.

use super::memory::{Real, Shared};
use crate::matrix::{RowOrder, Triangular};
use crate::op::Dtype;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

enum Values {
    F32 { strict: Vec<f32>, inverse: Vec<f32> },
    F64 { strict: Vec<f64>, inverse: Vec<f64> },
}

/// A triangle in the plan's number type.
pub(super) struct Triangle {
    matrix: Arc<Triangular>,
    values: Values,
    order: Order,
}

/// In which order rows are solved; it changes no bit.
enum Order {
    /// One after the other.
    Serial,
    /// Blocks by stage, those of a stage side by side.
    Stages(Vec<Range<u32>>, Vec<usize>),
    /// Rows by level, those of a level side by side.
    Levels(Vec<u32>, Vec<usize>),
}

impl Order {
    fn of(matrix: &Triangular) -> Self {
        if let RowOrder::Blocks { list, .. } = matrix.order() {
            if list.len() < matrix.rows() {
                let (blocks, starts) = matrix.stages();
                return Self::Stages(blocks, starts);
            }
            let (order, start) = matrix.levels();
            return Self::Levels(order, start);
        }
        let (mut blocks, _) = matrix.stages();
        // Small ones are taken together.
        blocks.dedup_by(|next, kept| {
            let small = kept.len() < ROWS;
            if small {
                kept.end = next.end;
            }
            small
        });
        if blocks.len() > 1 {
            let end = blocks.len();
            return Self::Stages(blocks, vec![0, end]);
        }
        let (order, start) = matrix.levels();
        if order.len() >= WIDE * start.len() { Self::Levels(order, start) } else { Self::Serial }
    }
}

/// Mean rows a level from which threads pay for meeting after each level.
const WIDE: usize = 4096;

/// Rows a thread takes at a time.
const ROWS: usize = 1024;

impl Triangle {
    pub(super) fn new(matrix: &Arc<Triangular>, exponent: i32, dtype: Dtype) -> Self {
        let strict = matrix.strict().values().par_iter().map(|&v| crate::scale::ldexp(v, exponent));
        let inverse = matrix.inverse_diagonal().par_iter().map(|&v| crate::scale::ldexp(v, -exponent));
        let values = match dtype {
            Dtype::F32 => {
                Values::F32 { strict: strict.map(|v| v as f32).collect(), inverse: inverse.map(|v| v as f32).collect() }
            }
            Dtype::F64 | Dtype::DoubleSingle => Values::F64 { strict: strict.collect(), inverse: inverse.collect() },
        };
        Self { matrix: Arc::clone(matrix), values, order: Order::of(matrix) }
    }

    /// y = T⁻¹ x; x and y may be one vector.
    ///
    /// # Safety
    /// Nobody else touches x or y meanwhile.
    pub(super) unsafe fn solve(&self, x: Shared, y: Shared) {
        match &self.values {
            // SAFETY: handed on.
            Values::F32 { strict, inverse } => unsafe { self.run::<f32>(strict, inverse, x, y) },
            // SAFETY: handed on.
            Values::F64 { strict, inverse } => unsafe { self.run::<f64>(strict, inverse, x, y) },
        }
    }

    /// # Safety
    /// As [`Triangle::solve`].
    unsafe fn run<T: Real>(&self, strict: &[T], inverse: &[T], x: Shared, y: Shared) {
        let n = self.matrix.rows();
        let (columns, ptr) = (self.matrix.strict().columns(), self.matrix.strict().row_ptr());
        let row = |i: usize| {
            // SAFETY: single entries below n (a triangle's columns are), by raw pointers, so that x and y may be
            // one vector; rows read were finished before: earlier in the order or on an earlier level.
            unsafe {
                let (x, y) = (T::parts(x).0, T::parts(y).0);
                let mut sum = *x.add(i);
                for k in ptr[i]..ptr[i + 1] {
                    let v = *strict.get_unchecked(k);
                    sum = T::mul_sub(v, *y.add(*columns.get_unchecked(k) as usize), sum);
                }
                *y.add(i) = T::mul(sum, inverse[i]);
            }
        };
        assert!(T::parts(x).1 == n && T::parts(y).1 == n && inverse.len() == n && strict.len() == columns.len());
        let up = matches!(self.matrix.order(), RowOrder::Up | RowOrder::Blocks { up: true, .. });
        let range = |rows: Range<usize>| if up { rows.rev().for_each(row) } else { rows.for_each(row) };
        let alone = rayon::current_num_threads() == 1 && !matches!(self.matrix.order(), RowOrder::Blocks { .. });
        match &self.order {
            Order::Stages(blocks, starts) if !alone => {
                for stage in starts.windows(2) {
                    let blocks = &blocks[stage[0]..stage[1]];
                    blocks.par_iter().for_each(|b| range(b.start as usize..b.end as usize));
                }
            }
            Order::Levels(order, start) if !alone => {
                for level in start.windows(2) {
                    let rows = &order[level[0]..level[1]];
                    if rows.len() < 2 * ROWS {
                        rows.iter().for_each(|&i| row(i as usize));
                    } else {
                        rows.par_chunks(ROWS).for_each(|rows| rows.iter().for_each(|&i| row(i as usize)));
                    }
                }
            }
            _ => range(0..n),
        }
    }
}
