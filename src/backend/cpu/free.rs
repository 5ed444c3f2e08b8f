//! Operators on the CPU: the user's product, chunk by chunk inside a sweep, in f64. If the sweep works in f32, x is
//! widened once per sweep and the rows computed are rounded. A product that can't be split is computed before the
//! sweep, which then reads its rows.

use super::memory::Shared;
use super::sweep::CHUNK;
use crate::host::scale::ldexp;
use crate::matrix::LinearOperator;
use crate::op::Dtype;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The prepared operand of a product.
pub(super) enum Prepared {
    /// x as it is in memory.
    InPlace,
    /// x in f64.
    Widened(Vec<f64>),
    /// A x, computed in one call.
    Product(Vec<f64>),
}

/// A·2^`exponent`.
pub(super) struct Free {
    a: Arc<dyn LinearOperator>,
    exponent: i32,
    dtype: Dtype,
}

impl Free {
    pub(super) fn new(a: &Arc<dyn LinearOperator>, exponent: i32, dtype: Dtype) -> Self {
        Self { a: Arc::clone(a), exponent, dtype }
    }

    /// Bytes that a product reads besides x: the operator's own, and x widened and read again.
    pub(super) fn bytes(&self) -> u64 {
        let widened = if self.dtype == Dtype::F32 { 16 * self.a.cols() as u64 } else { 0 };
        self.a.bytes() + widened
    }

    /// Widens x to f64 if needed, or computes the product if it can't be split.
    pub(super) fn prepare(&self, x: Shared) -> Prepared {
        let len = self.a.cols();
        // SAFETY: nothing writes x before the sweep begins.
        let narrow = (x.dtype() == Dtype::F32).then(|| unsafe { x.chunk::<f32>(0, len) });
        let widened = narrow.map(|x| x.par_iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
        if self.a.is_whole() {
            // SAFETY: as above.
            let x = widened.as_deref().unwrap_or_else(|| unsafe { x.chunk(0, len) });
            let mut y = vec![0.0; self.a.rows()];
            self.scaled(0..self.a.rows(), x, &mut y);
            return Prepared::Product(y);
        }
        widened.map_or(Prepared::InPlace, Prepared::Widened)
    }

    /// y = A x for rows `lo..hi` of one chunk, counted from row `first`.
    ///
    /// # Safety
    /// As for every step of a sweep: the chunk is this thread's, and x is not written.
    #[inline(always)]
    pub(super) unsafe fn rows(&self, first: usize, lo: usize, hi: usize, y: Shared, x: Shared, prepared: &Prepared) {
        let all = first + lo..first + hi;
        // SAFETY: by the caller's word; y is another vector than x.
        unsafe {
            let write = |rows: &mut [f64]| match prepared {
                Prepared::InPlace => self.scaled(all, x.chunk(0, self.a.cols()), rows),
                Prepared::Widened(x) => self.scaled(all, x, rows),
                Prepared::Product(product) => rows.copy_from_slice(&product[all]),
            };
            match y.dtype() {
                // A double-single vector is one of f64 here.
                Dtype::F64 | Dtype::DoubleSingle => write(y.chunk_mut(lo, hi)),
                Dtype::F32 => {
                    let mut rows = [0.0; CHUNK];
                    write(&mut rows[..hi - lo]);
                    y.chunk_mut::<f32>(lo, hi).iter_mut().zip(rows).for_each(|(y, v)| *y = v as f32);
                }
            }
        }
    }

    fn scaled(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        self.a.product(rows, x, y);
        if self.exponent.abs() <= 1000 {
            let factor = ldexp(1.0, self.exponent);
            y.iter_mut().for_each(|y| *y *= factor);
        } else {
            y.iter_mut().for_each(|y| *y = ldexp(*y, self.exponent));
        }
    }
}
