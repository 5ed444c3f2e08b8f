//! One sweep over all chunks: every operation of its body on a chunk before the next chunk.

use super::memory::{Real, Shared, SparseRows};
use super::{Cpu, kernels};
use crate::op::schedule::length;
use crate::op::{Array, Dtype, Op, Scalar, Vector};
use rayon::prelude::*;

/// Entries a chunk: a few vectors of it fit the first-level cache, and a million rows make enough
/// chunks to balance.
pub(super) const CHUNK: usize = 2048;

/// Below this many chunks a second thread costs more than it brings.
const PARALLEL_FROM: usize = 8;

/// An operation with its coefficients evaluated and its operands found.
enum Step<'a> {
    Apply { rows: &'a SparseRows, x: Shared, y: Shared },
    Map { y: Shared, own: Option<f64>, terms: Vec<(f64, Shared, Option<Shared>)>, uniform: bool },
    Dot { x: Shared, y: Shared, out: usize },
    MultiDot { columns: Vec<Shared>, w: Shared, out: usize },
    MultiAxpy { columns: Vec<(f64, Shared)>, w: Shared },
}

/// Where a reduction's total goes.
enum Target {
    Scalar(Scalar),
    Array(Array, usize),
}

impl Cpu {
    fn shared(&mut self, v: Vector) -> Shared {
        let len = self.space.len(v);
        match v {
            Vector::Own(i) => Shared::of(&mut self.vectors[i as usize], 0, len),
            Vector::Column { basis, column } => Shared::of(&mut self.bases[basis as usize], column as usize * len, len),
        }
    }

    pub(super) fn run_sweep(&mut self, body: &[Op]) {
        let Some(first) = body.first() else { return };
        if let Op::TriangularSolve { t, x, y } = first {
            let (x, y) = (self.shared(*x), self.shared(*y));
            // SAFETY: the solve is alone in its sweep, so nobody else touches x and y.
            unsafe { self.triangles[t.0 as usize].solve(x, y) };
            return;
        }
        let n = length(first, &self.space);
        let operators = std::mem::take(&mut self.operators);
        let mut targets = Vec::new();
        let steps: Vec<Step> = body
            .iter()
            .map(|op| match op {
                Op::Apply { a, x, y } => {
                    Step::Apply { rows: &operators[a.0 as usize], x: self.shared(*x), y: self.shared(*y) }
                }
                Op::Map { y, terms } => {
                    let mut own = None;
                    let mut others = Vec::with_capacity(terms.len());
                    for t in terms {
                        let c = self.eval(&t.coefficient);
                        if t.x == *y && t.by.is_none() {
                            own = Some(own.unwrap_or(0.0) + c);
                        } else {
                            others.push((c, self.shared(t.x), t.by.map(|v| self.shared(v))));
                        }
                    }
                    let y = self.shared(*y);
                    let uniform =
                        others.iter().all(|t| t.1.dtype() == y.dtype() && t.2.is_none_or(|b| b.dtype() == y.dtype()));
                    Step::Map { y, own, terms: others, uniform }
                }
                Op::Dot { x, y, out } => {
                    targets.push(Target::Scalar(*out));
                    Step::Dot { x: self.shared(*x), y: self.shared(*y), out: targets.len() - 1 }
                }
                Op::MultiDot { v, k, w, out } => {
                    let at = targets.len();
                    targets.extend((0..*k).map(|j| Target::Array(*out, j)));
                    let columns = (0..*k).map(|j| self.shared(v.column(j))).collect();
                    Step::MultiDot { columns, w: self.shared(*w), out: at }
                }
                Op::MultiAxpy { v, k, coefficients, minus, w } => {
                    let sign = if *minus { -1.0 } else { 1.0 };
                    let c = self.arrays[coefficients.0 as usize][..*k].to_vec();
                    let columns = (0..*k).map(|j| (sign * c[j], self.shared(v.column(j)))).collect();
                    Step::MultiAxpy { columns, w: self.shared(*w) }
                }
                _ => unreachable!("a scalar operation in a sweep"),
            })
            .collect();

        let sums = targets.len();
        let chunks = n.div_ceil(CHUNK);
        let mut partials = vec![0.0; chunks * sums];
        let work = |c: usize, partials: &mut [f64]| {
            let (lo, hi) = (c * CHUNK, ((c + 1) * CHUNK).min(n));
            for step in &steps {
                // SAFETY: chunk c is this thread's alone, and the schedule keeps a vector that is gathered
                // from being written in the same sweep.
                unsafe { step.run(c, lo, hi, partials) };
            }
        };
        if chunks < PARALLEL_FROM {
            for c in 0..chunks {
                work(c, &mut partials[c * sums..(c + 1) * sums]);
            }
        } else if sums == 0 {
            (0..chunks).into_par_iter().with_min_len(4).for_each(|c| work(c, &mut []));
        } else {
            partials.par_chunks_mut(sums).with_min_len(4).enumerate().for_each(|(c, p)| work(c, p));
        }
        drop(steps);
        self.operators = operators;
        for (t, target) in targets.iter().enumerate() {
            let total = pairwise(chunks, &|c| partials[c * sums + t]);
            match target {
                Target::Scalar(s) => self.scalars[s.0 as usize] = total,
                Target::Array(a, j) => self.arrays[a.0 as usize][*j] = total,
            }
        }
    }
}

/// Σ_c f(c) by halves: the order is fixed and the error grows with log n.
fn pairwise(n: usize, f: &impl Fn(usize) -> f64) -> f64 {
    fn range(lo: usize, hi: usize, f: &impl Fn(usize) -> f64) -> f64 {
        if hi - lo <= 8 {
            (lo..hi).map(f).sum()
        } else {
            let mid = lo + (hi - lo) / 2;
            range(lo, mid, f) + range(mid, hi, f)
        }
    }
    range(0, n, f)
}

macro_rules! by_type {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            Dtype::F32 => {
                type $t = f32;
                $body
            }
            Dtype::F64 => {
                type $t = f64;
                $body
            }
        }
    };
}

impl Step<'_> {
    /// Runs the step on entries `lo..hi` of chunk `c`.
    ///
    /// # Safety
    /// No other thread works on this chunk, and gathered vectors are not written in this sweep.
    unsafe fn run(&self, c: usize, lo: usize, hi: usize, partials: &mut [f64]) {
        // SAFETY (each block below): by the caller's word chunks are disjoint between threads; within one
        // step a mutable view never coexists with another view of the same vector.
        match self {
            Self::Apply { rows, x, y } => by_type!(y.dtype(), T => {
                // The offsets of chunk c stand behind c chunks of CHUNK + 1 numbers.
                let offsets = &rows.offsets[c * (CHUNK + 1)..c * (CHUNK + 1) + (hi - lo) + 1];
                let start = rows.chunk_start[c];
                let end = start + offsets[hi - lo] as usize;
                let columns = &rows.matrix.columns()[start..end];
                let values = &T::values(rows)[start..end];
                unsafe {
                    let x: &[T] = x.chunk(0, rows.matrix.cols());
                    kernels::sparse_rows(y.chunk_mut::<T>(lo, hi), offsets, columns, values, x);
                }
            }),
            Self::Map { y, own, terms, uniform: true } => by_type!(y.dtype(), T => unsafe {
                map::<T>(*y, *own, terms, lo, hi);
            }),
            Self::Map { y, own, terms, uniform: false } => unsafe { map_mixed(*y, *own, terms, lo, hi) },
            Self::Dot { x, y, out } => {
                partials[*out] = by_type!(x.dtype(), T => by_type!(y.dtype(), U => unsafe {
                    kernels::dot::<T, U>(x.chunk(lo, hi), y.chunk(lo, hi))
                }));
            }
            Self::MultiDot { columns, w, out } => by_type!(w.dtype(), T => {
                for (p, v) in partials[*out..].iter_mut().zip(columns) {
                    *p = unsafe { kernels::dot::<T, T>(v.chunk(lo, hi), w.chunk(lo, hi)) };
                }
            }),
            Self::MultiAxpy { columns, w } => by_type!(w.dtype(), T => unsafe {
                let terms: Vec<(T, &[T])> = columns.iter().map(|(c, v)| (T::from_f64(*c), v.chunk::<T>(lo, hi))).collect();
                kernels::combine(w.chunk_mut::<T>(lo, hi), Some(T::from_f64(1.0)), &terms);
            }),
        }
    }
}

/// A map whose operands have one number type.
///
/// # Safety
/// As [`Step::run`].
unsafe fn map<T: Real>(y: Shared, own: Option<f64>, terms: &[(f64, Shared, Option<Shared>)], lo: usize, hi: usize) {
    let is_y = |v: Shared| std::ptr::eq(T::parts(v).0, T::parts(y).0);
    // A product with y itself is formed before y changes; the others are added as they are read.
    let needs_own = |x: Shared, by: Shared| is_y(x) || is_y(by);
    // SAFETY: products with y are formed before y is viewed mutably, and all other operands are other vectors than y.
    unsafe {
        let formed: Vec<Option<Vec<T>>> = terms
            .iter()
            .map(|(_, x, by)| {
                by.filter(|&by| needs_own(*x, by)).map(|by| {
                    let mut t = vec![T::default(); hi - lo];
                    kernels::product(&mut t, x.chunk::<T>(lo, hi), by.chunk::<T>(lo, hi));
                    t
                })
            })
            .collect();
        let plain: Vec<(T, &[T])> = terms
            .iter()
            .zip(&formed)
            .filter(|((_, _, by), p)| by.is_none() || p.is_some())
            .map(|((c, x, _), p)| (T::from_f64(*c), p.as_deref().unwrap_or_else(|| x.chunk::<T>(lo, hi))))
            .collect();
        let mut own = own.map(T::from_f64);
        let y = y.chunk_mut::<T>(lo, hi);
        let products = terms.iter().zip(&formed).filter(|((_, _, by), p)| by.is_some() && p.is_none());
        if !plain.is_empty() || products.clone().next().is_none() {
            kernels::combine(y, own, &plain);
            own = Some(T::from_f64(1.0));
        }
        for ((c, x, by), _) in products {
            let by = by.expect("a product");
            kernels::add_product(y, own, T::from_f64(*c), x.chunk::<T>(lo, hi), by.chunk::<T>(lo, hi));
            own = Some(T::from_f64(1.0));
        }
    }
}

/// A map between number types: computed in f64, rounded once.
///
/// # Safety
/// As [`Step::run`].
unsafe fn map_mixed(y: Shared, own: Option<f64>, terms: &[(f64, Shared, Option<Shared>)], lo: usize, hi: usize) {
    // SAFETY: one read-only view at a time, then one mutable view of y.
    unsafe {
        let widened = |v: Shared| -> Vec<f64> {
            by_type!(v.dtype(), T => v.chunk::<T>(lo, hi).iter().map(|x| x.to_f64()).collect())
        };
        let mut sum = match own {
            Some(c) => widened(y).iter().map(|y| c * y).collect(),
            None => vec![0.0; hi - lo],
        };
        for (c, x, by) in terms {
            let mut x = widened(*x);
            if let Some(by) = by {
                x.iter_mut().zip(widened(*by)).for_each(|(x, b)| *x *= b);
            }
            kernels::combine(&mut sum, Some(1.0), &[(*c, &x)]);
        }
        by_type!(y.dtype(), T => {
            y.chunk_mut::<T>(lo, hi).iter_mut().zip(&sum).for_each(|(y, &s)| *y = T::from_f64(s));
        });
    }
}
