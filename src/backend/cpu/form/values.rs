//! Storage of values: each form preserves every bit.

use super::super::memory::Real;
use crate::op::Dtype;

/// The values of a matrix.
pub(in super::super) enum Values {
    F64(Vec<f64>),
    F32(Vec<f32>),
    /// Indices in a table of the distinct values.
    Coded(Vec<u8>, Patterns),
    /// Stored with the patterns of the form.
    Shared(Patterns),
}

impl Values {
    /// Bytes that a product in `dtype` reads.
    pub(super) fn bytes(&self, dtype: Dtype) -> u64 {
        let bytes = match self {
            Self::F64(values) => 8 * values.len(),
            Self::F32(values) => 4 * values.len(),
            Self::Coded(codes, table) => codes.len() + table.f64.len() * dtype.size(),
            Self::Shared(values) => values.f64.len() * dtype.size(),
        };
        bytes as u64
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::F64(_) => "f64 values".into(),
            Self::F32(_) => "f32 values".into(),
            Self::Coded(_, table) => format!("8-bit values out of {} different ones", table.f64.len()),
            Self::Shared(_) => "values shared by the rows of a run".into(),
        }
    }
}

/// A few values in both number types: those of all patterns, or of a dictionary.
pub(in super::super) struct Patterns {
    pub(in super::super) f32: Vec<f32>,
    pub(in super::super) f64: Vec<f64>,
}

impl Patterns {
    pub(super) fn new(values: Vec<f64>) -> Self {
        Self { f32: values.iter().map(|&v| v as f32).collect(), f64: values }
    }
}

/// Stored values for arithmetic in T.
pub(super) trait Entries<T>: Copy {
    /// The first `n`, and the others.
    fn split(self, n: usize) -> (Self, Self);
    /// Value `k`.
    ///
    /// # Safety
    /// k is below the length.
    unsafe fn get(self, k: usize) -> T;
}

macro_rules! stored_as {
    ($stored:ty, $convert:ident) => {
        impl<T: Real> Entries<T> for &[$stored] {
            #[inline(always)]
            fn split(self, n: usize) -> (Self, Self) {
                self.split_at(n)
            }
            #[inline(always)]
            unsafe fn get(self, k: usize) -> T {
                // SAFETY: by the caller's word.
                T::$convert(unsafe { *self.get_unchecked(k) })
            }
        }
    };
}
stored_as!(f64, from_f64);
stored_as!(f32, from_f32);

/// Values by their index in a table.
#[derive(Clone, Copy)]
pub(super) struct Coded<'a, T> {
    pub(super) codes: &'a [u8],
    /// Every code is a valid index.
    pub(super) table: &'a [T],
}

impl<T: Real> Entries<T> for Coded<'_, T> {
    #[inline(always)]
    fn split(self, n: usize) -> (Self, Self) {
        let (codes, rest) = self.codes.split_at(n);
        (Self { codes, ..self }, Self { codes: rest, ..self })
    }
    #[inline(always)]
    unsafe fn get(self, k: usize) -> T {
        // SAFETY: k is valid by the caller's contract, its code by the set-up.
        unsafe { *self.table.get_unchecked(*self.codes.get_unchecked(k) as usize) }
    }
}
