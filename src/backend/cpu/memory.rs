//! Device memory of the CPU backend, and the only place where several threads write into one vector.

use super::form::{Patterns, Values};
use crate::host::scale::SHARE;
use crate::op::Dtype;
use rayon::prelude::*;
use std::ptr::NonNull;

/// The numbers of a vector or basis.
///
/// The memory is held by one raw pointer, taken at allocation, and every view of a sweep is derived from it. A
/// sweep such as {r −= α q, ⟨r, r⟩} holds several pointers to r; if each came from a `&mut` of its own, the next
/// `&mut` would invalidate the earlier ones (under both Stacked and Tree Borrows).
pub(super) enum Buffer {
    F32(Owned<f32>),
    F64(Owned<f64>),
}

/// An array that is accessed only through its raw pointer.
pub(super) struct Owned<T> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: it owns its memory as a `Box<[T]>` does.
unsafe impl<T: Send> Send for Owned<T> {}
// SAFETY: as above; a shared reference exposes only the pointer, whose uses are justified where they occur.
unsafe impl<T: Sync> Sync for Owned<T> {}

impl<T> Owned<T> {
    fn new(values: Vec<T>) -> Self {
        let len = values.len();
        let start = Box::into_raw(values.into_boxed_slice()).cast::<T>();
        Self { start: NonNull::new(start).expect("a box is nowhere null"), len }
    }

    /// Entries `at .. at + len` by pointer.
    fn pointer(&self, at: usize, len: usize) -> *mut T {
        assert!(at <= self.len && len <= self.len - at, "a view beyond the end of a buffer");
        // SAFETY: within the allocation, by the line above.
        unsafe { self.start.as_ptr().add(at) }
    }

    fn entries(&self, at: usize, len: usize) -> &[T] {
        // SAFETY: initialised, within the allocation, and no sweep runs: sweeps hold the engine by `&mut`.
        unsafe { std::slice::from_raw_parts(self.pointer(at, len), len) }
    }

    fn entries_mut(&mut self, at: usize, len: usize) -> &mut [T] {
        // SAFETY: as above, and the buffer is this borrow's alone.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(at, len), len) }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` in `new`, of this length, and dropped once.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len)) });
    }
}

/// Runs the expression with `T` as the type in which the CPU stores numbers of this kind.
macro_rules! by_type {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            Dtype::F32 => {
                type $t = f32;
                $body
            }
            Dtype::F64 | Dtype::DoubleSingle => {
                type $t = f64;
                $body
            }
        }
    };
}
pub(super) use by_type;

impl Buffer {
    /// Zeros. The system provides such pages on first use, so the thread that first writes a chunk gets
    /// it near its own core.
    pub(super) fn zeros(len: usize, dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(Owned::new(vec![0.0; len])),
            Dtype::F64 | Dtype::DoubleSingle => Self::F64(Owned::new(vec![0.0; len])),
        }
    }

    pub(super) fn write(&mut self, at: usize, values: &[f64]) {
        match self {
            Self::F32(b) => {
                let entries = b.entries_mut(at, values.len()).par_iter_mut().with_min_len(SHARE);
                entries.zip(values).for_each(|(y, &x)| *y = x as f32);
            }
            Self::F64(b) => {
                let entries = b.entries_mut(at, values.len()).par_iter_mut().with_min_len(SHARE);
                entries.zip(values).for_each(|(y, &x)| *y = x);
            }
        }
    }

    pub(super) fn read(&self, at: usize, len: usize) -> Vec<f64> {
        match self {
            Self::F32(b) => b.entries(at, len).par_iter().with_min_len(SHARE).map(|&x| f64::from(x)).collect(),
            Self::F64(b) => b.entries(at, len).par_iter().with_min_len(SHARE).copied().collect(),
        }
    }
}

/// Distance between columns of a basis, in entries. Long columns are padded so that one chunk of each
/// column maps to other cache sets than the same chunk of its neighbours, whatever the length.
pub(super) fn stride(len: usize) -> usize {
    const LONG: usize = 1 << 18;
    // Capacity of one way of a second-level cache, in f64.
    const WAY: usize = 1 << 13;
    if len < LONG { len } else { len.div_ceil(WAY) * WAY + WAY / 8 + 8 }
}

/// A buffer seen by all threads of one sweep.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Shared {
    F32(*mut f32, usize),
    F64(*mut f64, usize),
}

// SAFETY: a sweep hands every thread chunks of its own; see `Shared::chunk_mut`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Entries `at .. at + len` of a buffer. It lasts no longer than the sweep it is made for, during which nothing else
    /// reads or writes the buffer.
    pub(super) fn of(buffer: &Buffer, at: usize, len: usize) -> Self {
        match buffer {
            Buffer::F32(b) => Self::F32(b.pointer(at, len), len),
            Buffer::F64(b) => Self::F64(b.pointer(at, len), len),
        }
    }

    /// The range of bytes, for overlap checks.
    #[cfg(debug_assertions)]
    pub(super) fn bytes(self) -> std::ops::Range<usize> {
        match self {
            Self::F32(p, n) => p.addr()..p.addr() + 4 * n,
            Self::F64(p, n) => p.addr()..p.addr() + 8 * n,
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
pub(super) trait Real: Copy + Default + Send + Sync + bytemuck::Pod {
    /// A buffer of these numbers.
    fn buffer(values: Vec<Self>) -> Buffer;
    /// Start and length of a shared buffer of this type.
    fn parts(shared: Shared) -> (*mut Self, usize);
    fn from_f64(x: f64) -> Self;
    fn from_f32(x: f32) -> Self;
    /// The values of a matrix's patterns in this type.
    fn patterns(values: &Patterns) -> &[Self];
    /// A matrix's values, if they are stored in this type.
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
            fn buffer(values: Vec<Self>) -> Buffer {
                Buffer::$variant(Owned::new(values))
            }
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
        // SAFETY: within the buffer; the caller excludes writers.
        unsafe { std::slice::from_raw_parts(p.add(lo), hi - lo) }
    }

    /// Entries `lo..hi`, to be written.
    ///
    /// # Safety
    /// No other thread accesses them meanwhile, and no other view of them is alive.
    #[inline(always)]
    pub(super) unsafe fn chunk_mut<'a, T: Real>(self, lo: usize, hi: usize) -> &'a mut [T] {
        let (p, n) = T::parts(self);
        debug_assert!(lo <= hi && hi <= n);
        // SAFETY: within the buffer; the caller excludes all other access.
        unsafe { std::slice::from_raw_parts_mut(p.add(lo), hi - lo) }
    }
}
