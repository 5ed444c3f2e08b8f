//! Arrays of a matrix: owned, or lent by other code that keeps them unchanged.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;

/// Keeps lent memory alive.
pub type Keeper = Arc<dyn Any + Send + Sync>;

/// A slice with an owner. A clone shares it.
#[derive(Clone)]
pub(super) struct Array<T> {
    /// Valid and unchanged as long as the owner lives. It is kept beside the owner because kernels ask for it at every
    /// row: one load, whoever owns the entries.
    entries: NonNull<[T]>,
    owner: Owner<T>,
}

#[derive(Clone)]
enum Owner<T> {
    Vector(Arc<Vec<T>>),
    Lender { _keeper: Keeper },
}

// SAFETY: entries are only read, as through a shared slice; the owner is `Send` and `Sync` by itself.
unsafe impl<T: Send + Sync> Send for Array<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Array<T> {}

// Nothing is mutated through a shared array, whatever its keeper is.
impl<T> UnwindSafe for Array<T> {}
impl<T> RefUnwindSafe for Array<T> {}

impl<T: Clone> Array<T> {
    /// `len` entries from `first` on, without a copy.
    ///
    /// # Safety
    /// The entries stay valid and unchanged as long as `keeper` lives.
    pub(super) unsafe fn lent(first: *const T, len: usize, keeper: Keeper) -> Self {
        if len == 0 {
            return vec![].into();
        }
        // SAFETY: by the caller's contract.
        let entries = unsafe { std::slice::from_raw_parts(first, len) };
        Self { entries: entries.into(), owner: Owner::Lender { _keeper: keeper } }
    }

    /// The entries for writing, copied if lent or shared; leaves an empty array.
    pub(super) fn take(&mut self) -> Vec<T> {
        match std::mem::replace(self, vec![].into()) {
            Self { owner: Owner::Vector(own), .. } => Arc::unwrap_or_clone(own),
            lent => lent.to_vec(),
        }
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the owner lives as long as this value, and the lifetime is no longer.
        unsafe { self.entries.as_ref() }
    }
}

impl<T> From<Vec<T>> for Array<T> {
    fn from(own: Vec<T>) -> Self {
        let own = Arc::new(own);
        Self { entries: own.as_slice().into(), owner: Owner::Vector(own) }
    }
}

impl<T: PartialEq> PartialEq for Array<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
