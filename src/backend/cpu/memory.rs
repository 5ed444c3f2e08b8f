//! Device memory of the CPU backend, and the one place where several threads write into one vector.

use super::sweep::CHUNK;
use crate::matrix::Csr;
use crate::op::Dtype;
use rayon::prelude::*;
use std::sync::Arc;

/// The numbers of a vector or basis.
pub(super) enum Buffer {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Buffer {
    pub(super) fn zeros(len: usize, dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(vec![0.0; len]),
            Dtype::F64 => Self::F64(vec![0.0; len]),
        }
    }

    pub(super) fn from_f64(values: &[f64], dtype: Dtype) -> Self {
        let mut out = Self::zeros(values.len(), dtype);
        out.write(0, values);
        out
    }

    pub(super) fn write(&mut self, at: usize, values: &[f64]) {
        match self {
            Self::F32(b) => b[at..at + values.len()].par_iter_mut().zip(values).for_each(|(y, &x)| *y = x as f32),
            Self::F64(b) => b[at..at + values.len()].copy_from_slice(values),
        }
    }

    pub(super) fn read(&self, at: usize, len: usize) -> Vec<f64> {
        match self {
            Self::F32(b) => b[at..at + len].par_iter().map(|&x| f64::from(x)).collect(),
            Self::F64(b) => b[at..at + len].to_vec(),
        }
    }
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
    fn to_f64(self) -> f64;
    fn mul_add(a: Self, x: Self, y: Self) -> Self;
    /// y − a x.
    fn mul_sub(a: Self, x: Self, y: Self) -> Self;
    fn mul(a: Self, x: Self) -> Self;
    /// The values of a matrix in this type.
    fn values(rows: &SparseRows) -> &[Self];
}

macro_rules! real {
    ($t:ty, $variant:ident) => {
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
            fn values(rows: &SparseRows) -> &[Self] {
                match &rows.values {
                    Values::$variant(v) => v,
                    _ => unreachable!("a matrix of another number type"),
                }
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

/// Values of a matrix in the plan's number type.
pub(super) enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// A matrix by rows: the user's columns, scaled values, and row starts in 32 bits counted from the
/// start of the row's chunk, so that any number of entries fits.
pub(super) struct SparseRows {
    pub(super) matrix: Arc<Csr>,
    values: Values,
    /// First entry of each chunk of rows.
    pub(super) chunk_start: Vec<usize>,
    /// For each chunk, `rows + 1` offsets from its start.
    pub(super) offsets: Vec<u32>,
}

impl SparseRows {
    pub(super) fn new(matrix: &Arc<Csr>, exponent: i32, dtype: Dtype) -> Self {
        let scaled = |v: f64| crate::scale::ldexp(v, exponent);
        let values = match dtype {
            Dtype::F32 => Values::F32(matrix.values().par_iter().map(|&v| scaled(v) as f32).collect()),
            Dtype::F64 => Values::F64(matrix.values().par_iter().map(|&v| scaled(v)).collect()),
        };
        let ptr = matrix.row_ptr();
        let chunks = matrix.rows().div_ceil(CHUNK);
        let chunk_start: Vec<usize> = (0..chunks).map(|c| ptr[c * CHUNK]).collect();
        let mut offsets = Vec::with_capacity(matrix.rows() + chunks);
        for (c, &start) in chunk_start.iter().enumerate() {
            let rows = &ptr[c * CHUNK..=((c + 1) * CHUNK).min(matrix.rows())];
            offsets.extend(rows.iter().map(|&p| (p - start) as u32));
        }
        Self { matrix: Arc::clone(matrix), values, chunk_start, offsets }
    }
}
