//! Operators on the CPU: the user's product, chunk by chunk inside a sweep, in f64. Where the sweep works in f32, x is
//! widened once a sweep and rows are rounded as they come.

use super::memory::Shared;
use super::sweep::CHUNK;
use crate::host::scale::ldexp;
use crate::matrix::LinearOperator;
use crate::op::Dtype;
use rayon::prelude::*;
use std::sync::Arc;

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

    /// Bytes that a product reads beside x: the operator's own, and x widened and read again.
    pub(super) fn bytes(&self) -> u64 {
        let widened = if self.dtype == Dtype::F32 { 16 * self.a.cols() as u64 } else { 0 };
        self.a.bytes() + widened
    }

    /// x in f64, where it is not already.
    pub(super) fn widened(x: Shared, len: usize) -> Option<Vec<f64>> {
        if x.dtype() == Dtype::F64 {
            return None;
        }
        // SAFETY: nobody writes x before the sweep begins.
        let x: &[f32] = unsafe { x.chunk(0, len) };
        Some(x.par_iter().map(|&x| f64::from(x)).collect())
    }

    /// y = A x for rows `lo..hi` of one chunk.
    ///
    /// # Safety
    /// As for every step of a sweep: the chunk is this thread's, and x is not written.
    #[inline(always)]
    pub(super) unsafe fn rows(&self, lo: usize, hi: usize, y: Shared, x: Shared, wide: Option<&[f64]>) {
        // SAFETY: by the caller's word; y is another vector than x.
        unsafe {
            let x = wide.unwrap_or_else(|| x.chunk(0, self.a.cols()));
            match y.dtype() {
                // A vector of pairs is one of f64 here.
                Dtype::F64 | Dtype::DoubleSingle => self.scaled(lo, hi, x, y.chunk_mut(lo, hi)),
                Dtype::F32 => {
                    let mut rows = [0.0; CHUNK];
                    self.scaled(lo, hi, x, &mut rows[..hi - lo]);
                    y.chunk_mut::<f32>(lo, hi).iter_mut().zip(rows).for_each(|(y, v)| *y = v as f32);
                }
            }
        }
    }

    fn scaled(&self, lo: usize, hi: usize, x: &[f64], y: &mut [f64]) {
        self.a.product(lo..hi, x, y);
        if self.exponent.abs() <= 1000 {
            let factor = ldexp(1.0, self.exponent);
            y.iter_mut().for_each(|y| *y *= factor);
        } else {
            y.iter_mut().for_each(|y| *y = ldexp(*y, self.exponent));
        }
    }
}
