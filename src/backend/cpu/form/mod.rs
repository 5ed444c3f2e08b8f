//! Storage forms of matrices on the CPU, and y = A x for the rows of one chunk.
//!
//! A form is one file of this folder and one line of the table below: its cost, its packing, its product. In every form
//! a row's products are added in the order of its columns, so the choice changes no bit of y. (A form may add zeros
//! times entries of x: these don't change a sum that began at +0 as long as x is finite.)
//!
//! The form with the least [`Cost`] is chosen: bytes and estimated instructions together, because a compact form
//! that is slow to decode loses to plain rows if caches hold the matrix.

mod values;

use super::cache;
use super::memory::Real;
use super::sweep::CHUNK;
use crate::matrix::Csr;
use crate::matrix::format::{Coding, Starts, Table, count_blocks, scaled};
use crate::op::Dtype;
use rayon::prelude::*;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;
use values::{Coded, Entries};
pub(super) use values::{Patterns, Values};

/// Interleaved rows.
const LANES: usize = 8;

/// A stored position that holds no entry of the matrix.
const GAP: usize = usize::MAX;

/// Instructions of looking up a value in a table: they cost less than the saved bytes would from memory, but more than
/// from a cache.
const LOOK_UP: f64 = 2.0;

macro_rules! forms {
    ($($module:ident: $form:ident),* $(,)?) => {
        $(mod $module;)*
        $(use $module::$form;)*

        /// The rows of a matrix in one of the forms.
        enum Layout {
            $($form($form)),*
        }

        impl Layout {
            /// The form with the least cost; among equals, the first in the table.
            fn of(look: &Look) -> Self {
                let mut best: (f64, Option<fn(&Look) -> Self>) = (f64::INFINITY, None);
                // A form that can't be the best is not searched for: a stencil is seldom read for more than its runs.
                $(if look.may_take::<$form>() && look.least_time(&$form::least(look)) < best.0
                    && let Some(cost) = $form::cost(look)
                    && look.time(&cost) < best.0
                {
                    best = (look.time(&cost), Some(|look| Self::$form($form::new(look))));
                })*
                best.1.expect("plain rows take every matrix")(look)
            }

            fn shared(&self) -> Option<&[f64]> {
                match self { $(Self::$form(form) => form.shared()),* }
            }

            fn bytes(&self, a: &Csr) -> u64 {
                match self { $(Self::$form(form) => form.bytes(a)),* }
            }

            fn describe(&self, a: &Csr) -> String {
                match self { $(Self::$form(form) => form.describe(a)),* }
            }

            fn places(&self, a: &Csr, c: usize) -> Range<usize> {
                match self { $(Self::$form(form) => form.places(a, c)),* }
            }

            fn visit(&self, a: &Csr, c: usize, each: impl FnMut(usize)) {
                match self { $(Self::$form(form) => form.visit(a, c, each)),* }
            }

            /// # Safety
            /// As [`Form::product`].
            #[inline(always)]
            unsafe fn product<T: Real, V: Entries<T>>(&self, a: &Csr, c: usize, y: &mut [T], x: &[T], values: V) {
                // SAFETY: handed on.
                match self { $(Self::$form(form) => unsafe { form.product(a, c, y, x, values) }),* }
            }

            /// # Safety
            /// As [`Form::shared_product`].
            #[inline(always)]
            unsafe fn shared_product<T: Real>(&self, c: usize, y: &mut [T], x: &[T], values: &[T]) {
                // SAFETY: handed on.
                match self { $(Self::$form(form) => unsafe { form.shared_product(c, y, x, values) }),* }
            }
        }
    };
}

forms! {
    constant_runs: ConstantRuns,
    runs: VaryingRuns,
    blocks: Blocks,
    slices: Slices,
    rows: Rows,
}

/// A storage form of a matrix: its layout, without the values.
trait Form: Sized {
    /// Its name in [`Allowed`].
    const ID: &'static str;

    /// Whether it uses the user's own arrays, or ones so small that it pays to store it in addition to those.
    const LIGHT: bool;

    /// The least cost of a product with a matrix of this size, whatever its entries.
    fn least(look: &Look) -> Cost;

    /// The cost of a product; `None` if the form does not suit the matrix.
    fn cost(look: &Look) -> Option<Cost> {
        Some(Self::least(look))
    }

    /// The matrix in this form; requires that `cost` returned `Some`.
    fn new(look: &Look) -> Self;

    /// Bytes that a product reads in addition to the values.
    fn bytes(&self, a: &Csr) -> u64;

    /// Description of the form.
    fn describe(&self, a: &Csr) -> String;

    /// The values, if the form stores them with its patterns instead of one per entry.
    fn shared(&self) -> Option<&[f64]> {
        None
    }

    /// The range of the values of chunk `c`.
    fn places(&self, a: &Csr, c: usize) -> Range<usize> {
        chunk_entries(a, c)
    }

    /// Calls `each` with the index in the CSR arrays, or [`GAP`], of each entry of chunk `c`, in the order of the form.
    fn visit(&self, a: &Csr, c: usize, each: impl FnMut(usize));

    /// y = A x for the rows of chunk `c`.
    ///
    /// # Safety
    /// `a` is the matrix that this was made from and `c` one of its chunks; y has the chunk's rows, x as many entries
    /// as `a` has columns; `values` are those of [`Self::places`].
    unsafe fn product<T: Real, V: Entries<T>>(&self, a: &Csr, c: usize, y: &mut [T], x: &[T], values: V);

    /// The same with the values of [`Self::shared`].
    ///
    /// # Safety
    /// As [`Self::product`], with all of those values.
    unsafe fn shared_product<T: Real>(&self, _c: usize, _y: &mut [T], _x: &[T], _values: &[T]) {
        unreachable!("no values are shared")
    }
}

/// Cost of a product: values read, other bytes read and instructions executed.
struct Cost {
    values: usize,
    bytes: f64,
    instructions: f64,
}

/// Forms a matrix may take; all of them except in benches and tests.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Ids of the only forms allowed; all if empty.
    pub only: &'static [&'static str],
    /// Only forms light enough to be stored in addition to the user's arrays.
    pub light: bool,
    /// Narrow columns and compressed values.
    pub compression: bool,
    /// Number of entries from which products read the matrix from memory, and a table of the distinct values is worth
    /// its look-ups.
    pub streams_from: usize,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { only: &[], light: false, compression: true, streams_from: cache::largest() / PLAIN_ENTRY }
    }
}

/// Bytes of a value and a column.
const PLAIN_ENTRY: usize = 12;

impl Allowed {
    /// Only the user's own arrays.
    pub const PLAIN: Self = Self { only: &["rows"], light: true, compression: false, streams_from: usize::MAX };
}

/// A matrix and facts that forms need about it, computed on first use.
struct Look<'a> {
    a: &'a Csr,
    exponent: i32,
    dtype: Dtype,
    allowed: Allowed,
    coding: OnceCell<Coding>,
    /// Runs of any values, then those of equal values by their period.
    runs: [OnceCell<Option<Starts>>; 1 + MOST_TURNS],
}

/// Largest period of the patterns in runs.
const MOST_TURNS: usize = 3;

impl<'a> Look<'a> {
    fn new(a: &'a Csr, exponent: i32, dtype: Dtype, allowed: Allowed) -> Self {
        Self { a, exponent, dtype, allowed, coding: OnceCell::new(), runs: Default::default() }
    }

    fn may_take<F: Form>(&self) -> bool {
        (self.allowed.only.is_empty() || self.allowed.only.contains(&F::ID)) && (F::LIGHT || !self.allowed.light)
    }

    /// Whether products read the matrix from memory: as plain rows it would not fit a cache.
    fn streams(&self) -> bool {
        self.a.nnz() >= self.allowed.streams_from
    }

    /// Where runs begin; `None` if they are too short to be worth their loops, or the matrix is empty.
    fn runs(&self, period: usize, constant: bool) -> Option<&Starts> {
        let find = || Starts::find(self.a, CHUNK, period, constant, self.a.rows() / runs::RUN_ROWS);
        let found = self.runs[if constant { period } else { 0 }].get_or_init(find);
        found.as_ref().filter(|_| self.a.nnz() > 0)
    }

    /// Blocks of `size` rows and columns; see [`count_blocks`].
    fn count_blocks(&self, size: usize, gaps: f64) -> Option<usize> {
        count_blocks(self.a, size, gaps)
    }

    /// How values are stored, unless with patterns.
    fn coding(&self) -> &Coding {
        let Allowed { compression, streams_from, .. } = self.allowed;
        self.coding.get_or_init(|| Coding::of(self.a.values(), self.exponent, self.dtype, compression, streams_from))
    }

    /// A figure to compare forms by. In the time of an instruction a core reads about one byte from memory (7 to 13
    /// GB/s and three instructions per cycle), or four bytes from its caches.
    fn time(&self, cost: &Cost) -> f64 {
        let (coding, values) = (self.coding(), cost.values);
        let look_up = if matches!(coding, Coding::Dictionary(_)) { LOOK_UP } else { 0.0 };
        let bytes = coding.bytes(values, self.dtype) as f64 + cost.bytes;
        self.byte() * bytes + look_up * values as f64 + cost.instructions
    }

    /// No more than [`Self::time`], found without reading the values: they take four bytes each, or one and a look-up.
    fn least_time(&self, cost: &Cost) -> f64 {
        let value = (4.0 * self.byte()).min(self.byte() + LOOK_UP);
        self.byte() * cost.bytes + value * cost.values as f64 + cost.instructions
    }

    /// The time of reading a byte.
    fn byte(&self) -> f64 {
        if self.streams() { 1.0 } else { 0.25 }
    }
}

/// A matrix ready for products.
pub(super) struct Sparse {
    matrix: Arc<Csr>,
    layout: Arc<Layout>,
    values: Values,
    bytes: u64,
}

impl Sparse {
    /// Stores `matrix`·2^`exponent` for arithmetic in `dtype`, in the form with the least cost; `alike` is the
    /// same matrix in another number type or at another scale, whose layout is then shared.
    pub(super) fn new(matrix: &Arc<Csr>, exponent: i32, dtype: Dtype, allowed: Allowed, alike: Option<&Self>) -> Self {
        let a = &**matrix;
        let look = Look::new(a, exponent, dtype, allowed);
        let layout = alike.map_or_else(|| Arc::new(Layout::of(&look)), |same| Arc::clone(&same.layout));
        let values = match layout.shared() {
            Some(shared) => {
                Values::Shared(Patterns::new(shared.iter().copied().map(scaled(exponent, dtype)).collect()))
            }
            None => look.encode(&layout),
        };
        let bytes = values.bytes(dtype) + layout.bytes(a);
        Self { matrix: Arc::clone(matrix), layout, values, bytes }
    }

    /// True if this was made from `matrix`.
    pub(super) fn is_of(&self, matrix: &Arc<Csr>) -> bool {
        Arc::ptr_eq(&self.matrix, matrix)
    }

    /// True if the layout is that of the user's arrays.
    pub(super) fn is_in_rows(&self) -> bool {
        matches!(*self.layout, Layout::Rows(_))
    }

    /// The values in the order of the entries, if the layout is the user's and they are stored as numbers of T.
    pub(super) fn in_rows<T: Real>(&self) -> Option<&[T]> {
        T::plain(&self.values).filter(|_| self.is_in_rows())
    }

    /// How many columns.
    pub(super) fn columns(&self) -> usize {
        self.matrix.cols()
    }

    /// Bytes that one product reads of the matrix.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Form and bytes per product, for people.
    pub(super) fn describe(&self) -> String {
        let (n, nnz) = (self.matrix.rows(), self.matrix.nnz());
        let plain = 12 * nnz as u64 + 4 * (n as u64 + 1);
        format!(
            "{}, {}; {} bytes a product, {:.2} an entry (f64 CSR: {plain})",
            self.layout.describe(&self.matrix),
            self.values.describe(),
            self.bytes,
            self.bytes as f64 / nnz.max(1) as f64
        )
    }

    /// y = A x for the rows of chunk `c`.
    ///
    /// # Safety
    /// y has the rows of the chunk, x as many entries as the matrix has columns: the columns were checked
    /// against that when the matrix was made, and are not checked again.
    #[inline(always)]
    pub(super) unsafe fn rows_of_chunk<T: Real>(&self, c: usize, y: &mut [T], x: &[T]) {
        let a = &*self.matrix;
        debug_assert!(x.len() == a.cols() && y.len() == chunk_rows(a, c).len());
        // SAFETY: by the caller's word; the set-up put the values of chunk c where the layout says.
        unsafe {
            match &self.values {
                Values::F64(values) => self.layout.product(a, c, y, x, &values[self.layout.places(a, c)]),
                Values::F32(values) => self.layout.product(a, c, y, x, &values[self.layout.places(a, c)]),
                Values::Coded(codes, table) => {
                    let codes = &codes[self.layout.places(a, c)];
                    self.layout.product(a, c, y, x, Coded { codes, table: T::patterns(table) });
                }
                Values::Shared(values) => self.layout.shared_product(c, y, x, T::patterns(values)),
            }
        }
    }
}

impl Look<'_> {
    /// The values in the order of a layout.
    fn encode(&self, layout: &Layout) -> Values {
        let (a, scale) = (self.a, scaled(self.exponent, self.dtype));
        let value = |k: usize| if k == GAP { 0.0 } else { scale(a.values()[k]) };
        let places = layout.places(a, a.rows().div_ceil(CHUNK).saturating_sub(1)).end;
        let coding = match self.coding() {
            // Gaps need a zero in the table.
            Coding::Dictionary(table) if places != a.nnz() => {
                Table::new(table.values().iter().copied().chain(std::iter::once(0.0))).map_or_else(
                    || Coding::of(a.values(), self.exponent, self.dtype, self.allowed.compression, usize::MAX),
                    Coding::Dictionary,
                )
            }
            coding => coding.clone(),
        };
        match coding {
            Coding::F64 => Values::F64(rearrange(a, layout, |_, k| value(k))),
            Coding::F32 => Values::F32(rearrange(a, layout, |_, k| value(k) as f32)),
            Coding::Dictionary(table) => {
                let codes = rearrange(a, layout, |_, k| table.place(value(k)));
                Values::Coded(codes, Patterns::new(table.values().to_vec()))
            }
        }
    }
}

/// Rows of chunk `c`.
fn chunk_rows(a: &Csr, c: usize) -> Range<usize> {
    c * CHUNK..((c + 1) * CHUNK).min(a.rows())
}

/// Entries of chunk `c` in the order of the rows.
fn chunk_entries(a: &Csr, c: usize) -> Range<usize> {
    let rows = chunk_rows(a, c);
    a.row_ptr()[rows.start]..a.row_ptr()[rows.end]
}

/// The positions of a form in each chunk, and the entries stored there.
trait Places: Sync {
    fn of(&self, a: &Csr, c: usize) -> Range<usize>;
    fn each(&self, a: &Csr, c: usize, each: impl FnMut(usize));
}

impl Places for Layout {
    fn of(&self, a: &Csr, c: usize) -> Range<usize> {
        self.places(a, c)
    }
    #[inline(always)]
    fn each(&self, a: &Csr, c: usize, each: impl FnMut(usize)) {
        self.visit(a, c, each);
    }
}

/// For every position in the order of the form, `f` of its chunk and of the entry's index in the CSR arrays, or
/// [`GAP`]; chunks in parallel.
fn rearrange<V: Copy + Default + Send + Sync>(
    a: &Csr,
    places: &impl Places,
    f: impl Fn(usize, usize) -> V + Sync,
) -> Vec<V> {
    let chunks = a.rows().div_ceil(CHUNK);
    let mut out = vec![V::default(); chunks.checked_sub(1).map_or(0, |c| places.of(a, c).end)];
    let mut parts = Vec::new();
    let mut rest = &mut out[..];
    for c in 0..chunks {
        let (part, tail) = rest.split_at_mut(places.of(a, c).len());
        parts.push(part);
        rest = tail;
    }
    parts.into_par_iter().enumerate().for_each(|(c, part)| {
        let mut part = part.iter_mut();
        places.each(a, c, |k| *part.next().expect("a form has a place for every entry") = f(c, k));
        assert!(part.next().is_none(), "a form fills all its places");
    });
    out
}
