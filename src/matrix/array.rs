//! Arrays of a matrix: owned, or lent by other code that keeps them unchanged.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// Keeps lent memory alive.
pub type Keeper = Arc<dyn Any + Send + Sync>;

/// A slice with an owner. A clone shares it.
#[derive(Clone)]
pub(super) enum Array<T: 'static> {
    Own(Arc<Vec<T>>),
    /// Valid as long as the keeper lives; the lifetime is this value's.
    Lent {
        slice: &'static [T],
        _keeper: Keeper,
    },
}

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
        // SAFETY: by the caller's contract; the slice never leaves this value with a longer lifetime than its own.
        Self::Lent { slice: unsafe { std::slice::from_raw_parts(first, len) }, _keeper: keeper }
    }

    /// The entries for writing; copies them first if lent or shared.
    pub(super) fn to_mut(&mut self) -> &mut Vec<T> {
        if let Self::Lent { slice, .. } = self {
            *self = slice.to_vec().into();
        }
        match self {
            Self::Own(own) => Arc::make_mut(own),
            Self::Lent { .. } => unreachable!("copied just above"),
        }
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Own(own) => own,
            Self::Lent { slice, .. } => slice,
        }
    }
}

impl<T> From<Vec<T>> for Array<T> {
    fn from(own: Vec<T>) -> Self {
        Self::Own(Arc::new(own))
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
