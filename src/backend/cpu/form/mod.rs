//! Matrices as the CPU streams them, and y = A x for the rows of one chunk.
//!
//! A form is one file of this folder and one line of the table below: what it costs, how it is packed, its product. A
//! row's products are added in the order of its columns in every form, so the choice changes no bit of y. (A form may
//! add zeros times entries of x: to a sum that began at +0 they change nothing while x is finite.)
//!
//! The form with the least [`Cost`] is taken: bytes and counted instructions together, because a form with few bytes
//! that is slow to decode loses to plain rows where caches hold the matrix.

mod values;

use super::cache;
use super::memory::Real;
use super::sweep::CHUNK;
use crate::matrix::Csr;
use crate::matrix::format::{Coding, Table, count_blocks, count_runs, scaled};
use crate::op::Dtype;
use rayon::prelude::*;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;
use values::{Coded, Entries};
pub(super) use values::{Patterns, Values};

/// Rows side by side.
const LANES: usize = 8;

/// A place of a form that holds no entry of the matrix.
const GAP: usize = usize::MAX;

/// Instructions that it takes to look a value up in a table: less than the bytes it saves cost from memory, more than
/// they cost from a cache.
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
            /// The form that costs least; of equal ones the first of the table.
            fn of(look: &Look) -> Self {
                let mut best: Option<(f64, fn(&Look) -> Self)> = None;
                $(if let Some(cost) = look.may_take::<$form>().then(|| $form::cost(look)).flatten() {
                    let time = cost.time(look.streams());
                    if best.as_ref().is_none_or(|b| time < b.0) {
                        best = Some((time, |look| Self::$form($form::new(look))));
                    }
                })*
                best.expect("plain rows take every matrix").1(look)
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

/// How the rows of a matrix lie, without their values.
trait Form: Sized {
    /// What tells it apart in [`Allowed`].
    const ID: &'static str;

    /// Whether its arrays are the user's own, or so few that it pays to keep it beside those.
    const LIGHT: bool;

    /// What a product costs; `None` where the form does not suit the matrix.
    fn cost(look: &Look) -> Option<Cost>;

    /// The matrix in this form; `cost` was `Some`.
    fn new(look: &Look) -> Self;

    /// Bytes that a product reads beside the values.
    fn bytes(&self, a: &Csr) -> u64;

    /// The form in words.
    fn describe(&self, a: &Csr) -> String;

    /// The values, where the form keeps them with its patterns and none an entry.
    fn shared(&self) -> Option<&[f64]> {
        None
    }

    /// Where the values of chunk `c` stand.
    fn places(&self, a: &Csr, c: usize) -> Range<usize> {
        chunk_entries(a, c)
    }

    /// Calls `each` with the entries of chunk `c` by their places in the CSR arrays, or [`GAP`], in the order of the form.
    fn visit(&self, a: &Csr, c: usize, each: impl FnMut(usize));

    /// y = A x for the rows of chunk `c`.
    ///
    /// # Safety
    /// `a` is the matrix that this was made of and chunk `c` one of its chunks; y has the chunk's rows, x as many entries
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

/// What a product reads and does.
struct Cost {
    bytes: f64,
    instructions: f64,
}

impl Cost {
    /// A figure to compare forms by. A core takes in about a byte from memory in the time of an instruction (7 to 13 GB/s
    /// and three instructions a cycle), and four bytes from its caches.
    fn time(&self, streams: bool) -> f64 {
        self.bytes * if streams { 1.0 } else { 0.25 } + self.instructions
    }
}

/// Forms a matrix may take; all of them but in benches and tests.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Ids of forms: these only; all where there are none.
    pub only: &'static [&'static str],
    /// Only what is light enough to be kept beside the user's arrays.
    pub light: bool,
    /// Short columns and values.
    pub compression: bool,
    /// Entries from which products read the matrix from memory, and a table of the different values is worth its
    /// look-ups.
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

/// A matrix and what forms ask about it, found when it is first asked for.
struct Look<'a> {
    a: &'a Csr,
    exponent: i32,
    dtype: Dtype,
    allowed: Allowed,
    coding: OnceCell<Coding>,
    runs: [OnceCell<(usize, usize)>; MOST_TURNS],
}

/// Rows that take turns in runs, at most.
const MOST_TURNS: usize = 3;

impl<'a> Look<'a> {
    fn new(a: &'a Csr, exponent: i32, dtype: Dtype, allowed: Allowed) -> Self {
        Self { a, exponent, dtype, allowed, coding: OnceCell::new(), runs: Default::default() }
    }

    fn may_take<F: Form>(&self) -> bool {
        (self.allowed.only.is_empty() || self.allowed.only.contains(&F::ID)) && (F::LIGHT || !self.allowed.light)
    }

    /// Whether products read the matrix from memory: as plain rows no cache would hold it.
    fn streams(&self) -> bool {
        self.a.nnz() >= self.allowed.streams_from
    }

    /// Runs of rows that take turns by `period`: by columns, and by columns and values.
    fn count_runs(&self, period: usize) -> (usize, usize) {
        *self.runs[period - 1].get_or_init(|| count_runs(self.a, CHUNK, period))
    }

    /// Blocks of `size` rows and columns; see [`count_blocks`].
    fn count_blocks(&self, size: usize, gaps: f64) -> Option<usize> {
        count_blocks(self.a, size, gaps)
    }

    /// How values are kept, unless with patterns.
    fn coding(&self) -> &Coding {
        let Allowed { compression, streams_from, .. } = self.allowed;
        self.coding.get_or_init(|| Coding::of(self.a.values(), self.exponent, self.dtype, compression, streams_from))
    }

    /// What `places` values cost.
    fn values_cost(&self, places: usize) -> Cost {
        let coding = self.coding();
        let look_up = if matches!(coding, Coding::Dictionary(_)) { LOOK_UP } else { 0.0 };
        Cost { bytes: coding.bytes(places, self.dtype) as f64, instructions: look_up * places as f64 }
    }

    /// The cost of `places` values and of what the form adds.
    fn cost(&self, places: usize, bytes: f64, instructions: f64) -> Cost {
        let values = self.values_cost(places);
        Cost { bytes: values.bytes + bytes, instructions: values.instructions + instructions }
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
    /// Stores `matrix`·2^`exponent` for arithmetic in `dtype`, in the form its rows and values suggest; `alike` is the
    /// same matrix in another number type or on another scale, whose layout then serves for both.
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

    /// True where the two are made of one matrix.
    pub(super) fn is_of(&self, matrix: &Arc<Csr>) -> bool {
        Arc::ptr_eq(&self.matrix, matrix)
    }

    /// True where the layout is the user's own.
    pub(super) fn is_in_rows(&self) -> bool {
        matches!(*self.layout, Layout::Rows(_))
    }

    /// The values in the order of the entries, where the layout is the user's own and they are kept as numbers of T.
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

    /// Form and bytes a product, for people.
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
            // Gaps need their zero in the table.
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

/// Where the places of a form are, and what stands there.
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

/// For every place in the order of the form, `f` of its chunk and of the entry's place in the CSR arrays, or [`GAP`];
/// chunks in parallel.
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
