//! Device memory of the CPU backend, and the one place where several threads write into one vector.

use super::sparse::{Patterns, Values};
use crate::host::scale::SHARE;
use crate::op::Dtype;
use rayon::prelude::*;

/// The numbers of a vector or basis.
pub(super) enum Buffer {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Buffer {
    /// Zeros. The system hands such pages out untouched, so the thread that first writes a chunk gets
    /// it near its own core.
    pub(super) fn zeros(len: usize, dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(vec![0.0; len]),
            Dtype::F64 | Dtype::DoubleSingle => Self::F64(vec![0.0; len]),
        }
    }

    pub(super) fn from_f64(values: &[f64], dtype: Dtype) -> Self {
        let mut out = Self::zeros(values.len(), dtype);
        out.write(0, values);
        out
    }

    pub(super) fn write(&mut self, at: usize, values: &[f64]) {
        match self {
            Self::F32(b) => {
                let entries = b[at..at + values.len()].par_iter_mut().with_min_len(SHARE);
                entries.zip(values).for_each(|(y, &x)| *y = x as f32);
            }
            Self::F64(b) => {
                let entries = b[at..at + values.len()].par_iter_mut().with_min_len(SHARE);
                entries.zip(values).for_each(|(y, &x)| *y = x);
            }
        }
    }

    pub(super) fn read(&self, at: usize, len: usize) -> Vec<f64> {
        match self {
            Self::F32(b) => b[at..at + len].par_iter().with_min_len(SHARE).map(|&x| f64::from(x)).collect(),
            Self::F64(b) => b[at..at + len].par_iter().with_min_len(SHARE).copied().collect(),
        }
    }
}

/// Entries from one column of a basis to the next. Long columns are set apart so that one chunk of each
/// column falls on other cache sets than the same chunk of its neighbours, whatever the length.
pub(super) fn stride(len: usize) -> usize {
    const LONG: usize = 1 << 18;
    // What one way of a second-level cache holds, in f64.
    const WAY: usize = 1 << 13;
    if len < LONG { len } else { len.div_ceil(WAY) * WAY + WAY / 8 + 8 }
}

/// A buffer seen by all threads of one sweep.
#[derive(Clone, Copy)]
pub(super) enum Shared {
    F32(*mut f32, usize),
    F64(*mut f64, usize),
}

// SAFETY: a sweep hands every thread chunks of its own; see `Shared::chunk_mut`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn of(buffer: &mut Buffer, at: usize, len: usize) -> Self {
        match buffer {
            Buffer::F32(b) => Self::F32(b[at..at + len].as_mut_ptr(), len),
            Buffer::F64(b) => Self::F64(b[at..at + len].as_mut_ptr(), len),
        }
    }

    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::F32(..) => Dtype::F32,
            Self::F64(..) => Dtype::F64,
        }
    }
}

/// Numbers the kernels are generic over.
pub(super) trait Real: Copy + Default + Send + Sync + 'static {
    /// Start and length of a shared buffer of this type.
    fn parts(shared: Shared) -> (*mut Self, usize);
    fn from_f64(x: f64) -> Self;
    fn from_f32(x: f32) -> Self;
    /// The values of a matrix's patterns in this type.
    fn patterns(values: &Patterns) -> &[Self];
    /// A matrix's values, where they are numbers of this type.
    fn plain(values: &Values) -> Option<&[Self]>;
    fn to_f64(self) -> f64;
    fn mul_add(a: Self, x: Self, y: Self) -> Self;
    /// y − a x.
    fn mul_sub(a: Self, x: Self, y: Self) -> Self;
    fn mul(a: Self, x: Self) -> Self;
}

macro_rules! real {
    ($t:ident, $variant:ident) => {
        impl Real for $t {
            #[inline(always)]
            fn parts(shared: Shared) -> (*mut Self, usize) {
                match shared {
                    Shared::$variant(p, n) => (p, n),
                    _ => unreachable!("a buffer of another number type"),
                }
            }
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn from_f32(x: f32) -> Self {
                x as $t
            }
            #[inline(always)]
            fn patterns(values: &Patterns) -> &[Self] {
                &values.$t
            }
            #[inline(always)]
            fn plain(values: &Values) -> Option<&[Self]> {
                if let Values::$variant(v) = values { Some(v) } else { None }
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn mul_add(a: Self, x: Self, y: Self) -> Self {
                a * x + y
            }
            #[inline(always)]
            fn mul_sub(a: Self, x: Self, y: Self) -> Self {
                y - a * x
            }
            #[inline(always)]
            fn mul(a: Self, x: Self) -> Self {
                a * x
            }
        }
    };
}
real!(f32, F32);
real!(f64, F64);

impl Shared {
    /// Entries `lo..hi`.
    ///
    /// # Safety
    /// No other thread writes them meanwhile, and no `chunk_mut` of them is alive.
    #[inline(always)]
    pub(super) unsafe fn chunk<'a, T: Real>(self, lo: usize, hi: usize) -> &'a [T] {
        let (p, n) = T::parts(self);
        debug_assert!(lo <= hi && hi <= n);
        // SAFETY: within the buffer; the caller keeps writers away.
        unsafe { std::slice::from_raw_parts(p.add(lo), hi - lo) }
    }

    /// Entries `lo..hi`, to be written.
    ///
    /// # Safety
    /// No other thread touches them meanwhile, and no other view of them is alive.
    #[inline(always)]
    pub(super) unsafe fn chunk_mut<'a, T: Real>(self, lo: usize, hi: usize) -> &'a mut [T] {
        let (p, n) = T::parts(self);
        debug_assert!(lo <= hi && hi <= n);
        // SAFETY: within the buffer; the caller keeps everyone else away.
        unsafe { std::slice::from_raw_parts_mut(p.add(lo), hi - lo) }
    }
}
