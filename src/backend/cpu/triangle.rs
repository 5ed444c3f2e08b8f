//! Triangular solves: row by row; in parallel by blocks if the triangle splits into blocks or has stages of blocks, or
//! by levels if these are wide enough for threads.

use super::Stored;
use super::memory::{Real, Shared};
use crate::host::scale::{SHARE, power};
use crate::matrix::{RowOrder, Triangular};
use crate::op::Dtype;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

enum Values {
    F32 { strict: Strict<f32>, inverse: Vec<f32> },
    F64 { strict: Strict<f64>, inverse: Vec<f64> },
}

/// Values of a strict part in the order of its entries.
enum Strict<T> {
    Own(Vec<T>),
    /// Those of this operator, which stores them in rows.
    Operator(usize),
}

/// A triangle in the plan's number type.
pub(super) struct Triangle {
    matrix: Arc<Triangular>,
    values: Values,
    order: Order,
}

/// The order in which rows are solved; it changes no bit.
enum Order {
    /// One after the other.
    Serial,
    /// Blocks by stage, those of a stage in parallel.
    Stages(Vec<Range<u32>>, Vec<usize>),
    /// Rows by level, those of a level in parallel.
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
        // Small adjacent blocks are merged.
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

/// Mean rows per level from which threads are worth a barrier after each level.
const WIDE: usize = 4096;

/// Rows that a thread takes at a time.
const ROWS: usize = 1024;

/// The strict part's values, unless an operator has them, and the inverse of the diagonal.
fn stored<T: Real>(matrix: &Triangular, exponent: i32, operator: Option<usize>) -> (Strict<T>, Vec<T>) {
    let scaled = |values: &[f64], e: i32| {
        let scale = power(e);
        values.par_iter().with_min_len(SHARE).map(|&v| T::from_f64(scale(v))).collect()
    };
    let own = || Strict::Own(scaled(matrix.strict().values(), exponent));
    (operator.map_or_else(own, Strict::Operator), scaled(matrix.inverse_diagonal(), -exponent))
}

impl<T: Real> Strict<T> {
    fn values<'a>(&'a self, operators: &'a [Stored]) -> &'a [T] {
        match self {
            Self::Own(values) => values,
            Self::Operator(k) => operators[*k].in_rows().expect("stored in rows for the triangle"),
        }
    }
}

impl Triangle {
    /// `operator` is one that stores the strict part in rows, for products.
    pub(super) fn new(matrix: &Arc<Triangular>, exponent: i32, dtype: Dtype, operator: Option<usize>) -> Self {
        let values = match dtype {
            Dtype::F32 => {
                let (strict, inverse) = stored(matrix, exponent, operator);
                Values::F32 { strict, inverse }
            }
            Dtype::F64 | Dtype::DoubleSingle => {
                let (strict, inverse) = stored(matrix, exponent, operator);
                Values::F64 { strict, inverse }
            }
        };
        Self { matrix: Arc::clone(matrix), values, order: Order::of(matrix) }
    }

    /// y = T⁻¹ x; x and y may be one vector.
    ///
    /// # Safety
    /// Nothing else accesses x or y meanwhile.
    pub(super) unsafe fn solve(&self, operators: &[Stored], x: Shared, y: Shared) {
        match &self.values {
            // SAFETY: handed on.
            Values::F32 { strict, inverse } => unsafe { self.run(strict.values(operators), inverse, x, y) },
            // SAFETY: handed on.
            Values::F64 { strict, inverse } => unsafe { self.run(strict.values(operators), inverse, x, y) },
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

#[cfg(test)]
mod tests {
    use super::super::Cpu;
    use super::*;
    use crate::backend::Engine;
    use crate::host::random::Random;
    use crate::matrix::{gallery, halves, split};
    use crate::op::schedule::Compiler;
    use crate::op::{Precisions, Program, Role, Space};

    #[test]
    fn a_triangle_reads_the_values_that_products_use() {
        // A matrix without runs, which would be stored as well.
        let a = gallery::random_spd(300, 7, 1);
        let of = |a: &_| halves(split(a, None), [vec![0.5; 300], vec![0.5; 300]], None)[0].clone();
        let t = of(&a);
        let x = Random::new(2).vector(300);
        let mut space = Space::new(Precisions::uniform(Dtype::F64));
        let (r, z) = (space.vector("r", 300), space.vector("z", 300));
        let n = space.operator("N", t.strict_shared(), -1, Role::Working);
        let handle = space.triangle("T", Arc::clone(&t), -1, Role::Working);
        let mut p = Program::new(&space);
        p.solve(handle, r, z);
        let ops = p.ops;
        let mut cpu = Cpu::new(space.clone(), 1, true).unwrap();
        let solved = |cpu: &mut Cpu| {
            assert!(matches!(cpu.triangles[0].values, Values::F64 { strict: Strict::Operator(0), .. }));
            cpu.write_vector(r, &x).unwrap();
            let compiled = Compiler::new(cpu.fusion()).compile(ops.clone(), &space);
            cpu.enqueue(&compiled).unwrap();
            pollster::block_on(cpu.read_vector(z)).unwrap()
        };
        // T/2 in place of T.
        let near = |y: Vec<f64>, t: &Triangular| {
            y.iter().zip(t.solve(&x)).all(|(y, e)| (y - 2.0 * e).abs() <= 1e-13 * e.abs().max(1.0))
        };
        assert!(near(solved(&mut cpu), &t));
        let mut other = a.clone();
        other.set_values(a.values().iter().map(|v| 0.7 * v).collect()).unwrap();
        let other = of(&other);
        cpu.update_operator(n, &other.strict_shared(), -1).unwrap();
        cpu.update_triangle(handle, &other, -1).unwrap();
        assert!(near(solved(&mut cpu), &other));
    }
}
