//! Matrices as the CPU streams them, and y = A x for the rows of one chunk.
//!
//! Three layouts, each of which stores every entry once and pads nothing:
//!
//! - *runs*: consecutive rows with the same pattern of offsets column − row, as stencils on grids have
//!   them. No columns are stored; where the rows of a run share their values too, no values either.
//! - *slices*: eight rows side by side, so that eight sums grow at once (SELL-8, its ragged end row by
//!   row). Rows are sorted by length within their chunk where lengths differ much.
//! - *rows*: the user's CSR arrays.
//!
//! Columns take two bytes where every chunk spans fewer than 2¹⁶, values the form that
//! [`Coding`] finds: eight bytes, four, or one that names a value in a table. A row's products are added in the order of its columns in every layout, so the
//! choice changes no bit of y.

use super::memory::Real;
use super::sweep::CHUNK;
use crate::matrix::Csr;
use crate::matrix::format::{Coding, Runs, count_runs, scaled, scatters};
use crate::op::Dtype;
use rayon::prelude::*;
use std::fmt::Write;
use std::sync::Arc;

/// Rows side by side.
const LANES: usize = 8;

/// Slices of a full chunk.
const SLICES: usize = CHUNK / LANES;

/// Rows a run must have on average to be worth its loop.
const RUN_ROWS: usize = 8;

/// Share of entries in ragged ends from which rows are sorted.
const RAGGED: f64 = 0.1;

/// Forms a matrix may take; all of them but in benches and tests.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Runs whose rows share their values.
    pub constant_runs: bool,
    /// Runs of one pattern.
    pub runs: bool,
    /// Slices.
    pub slices: bool,
    /// Short columns and values.
    pub compression: bool,
    /// Entries from which a table of the different values is worth its look-ups.
    pub dictionary_from: usize,
}

/// Values that stay in a cache cost less than a look-up.
const DICTIONARY_FROM: usize = 1 << 19;

impl Default for Allowed {
    fn default() -> Self {
        Self { constant_runs: true, runs: true, slices: true, compression: true, dictionary_from: DICTIONARY_FROM }
    }
}

impl Allowed {
    /// Only the user's own arrays.
    pub const PLAIN: Self =
        Self { constant_runs: false, runs: false, slices: false, compression: false, dictionary_from: usize::MAX };
}

/// A matrix ready for products.
pub(super) struct Sparse {
    matrix: Arc<Csr>,
    layout: Arc<Layout>,
    values: Values,
    bytes: u64,
}

enum Layout {
    /// For each chunk, rows + 1 offsets from its first entry: 32 bits do for any number of entries.
    Rows {
        offsets: Vec<u32>,
    },
    Slices(Sliced, Columns),
    Runs(Runs),
}

/// Eight rows: `common` entries of each side by side, then what is left of the longer rows.
#[derive(Clone, Copy)]
struct Slice {
    common: u32,
    /// Where the lengths of those rests stand; `NO_TAIL` where there are none and eight rows.
    tail: u32,
}

const NO_TAIL: u32 = u32::MAX;

enum Columns {
    Wide(Vec<u32>),
    /// Wide, and the processor can't foresee what row i + 1 gathers from what row i did.
    Scattered(Vec<Scattered>),
    /// Columns less the smallest one of their chunk.
    Narrow {
        columns: Vec<u16>,
        base: Vec<u32>,
    },
}

pub(super) enum Values {
    F64(Vec<f64>),
    F32(Vec<f32>),
    /// Places in a table of the different values.
    Dictionary(Vec<u8>, Patterns),
    /// They stand with the patterns of the runs.
    Constant(Patterns),
}

/// A few values in both number types: those of all patterns, or of a dictionary.
pub(super) struct Patterns {
    pub(super) f32: Vec<f32>,
    pub(super) f64: Vec<f64>,
}

impl Patterns {
    fn new(values: Vec<f64>) -> Self {
        Self { f32: values.iter().map(|&v| v as f32).collect(), f64: values }
    }
}

/// Stored values for arithmetic in T.
trait Entries<T>: Copy {
    fn len(self) -> usize;
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
            fn len(self) -> usize {
                self.len()
            }
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

/// Values by their place in a table.
#[derive(Clone, Copy)]
struct Coded<'a, T> {
    codes: &'a [u8],
    /// Every code lies within.
    table: &'a [T],
}

impl<T: Real> Entries<T> for Coded<'_, T> {
    #[inline(always)]
    fn len(self) -> usize {
        self.codes.len()
    }
    #[inline(always)]
    fn split(self, n: usize) -> (Self, Self) {
        let (codes, rest) = self.codes.split_at(n);
        (Self { codes, ..self }, Self { codes: rest, ..self })
    }
    #[inline(always)]
    unsafe fn get(self, k: usize) -> T {
        // SAFETY: k by the caller's word, its code by the set-up.
        unsafe { *self.table.get_unchecked(*self.codes.get_unchecked(k) as usize) }
    }
}

/// A stored column.
trait Column: Copy + Send + Sync + Default {
    /// How many entries ahead x is asked for; 0 for not at all.
    const AHEAD: usize;
    fn get(self) -> usize;
}
impl Column for u32 {
    const AHEAD: usize = 0;
    #[inline(always)]
    fn get(self) -> usize {
        self as usize
    }
}

/// A column whose entry of x is asked for ahead of time.
#[derive(Clone, Copy, Default)]
struct Scattered(u32);

impl Column for Scattered {
    const AHEAD: usize = 64;
    #[inline(always)]
    fn get(self) -> usize {
        self.0 as usize
    }
}
impl Column for u16 {
    const AHEAD: usize = 0;
    #[inline(always)]
    fn get(self) -> usize {
        self as usize
    }
}

// Set-up.

impl Sparse {
    /// Stores `matrix`·2^`exponent` for arithmetic in `dtype`, in the form its rows and values suggest; `alike` is the
    /// same matrix in another number type or on another scale, whose layout then serves for both.
    pub(super) fn new(matrix: &Arc<Csr>, exponent: i32, dtype: Dtype, allowed: Allowed, alike: Option<&Self>) -> Self {
        let a = &**matrix;
        let layout = alike.map_or_else(|| Arc::new(Layout::of(a, allowed)), |same| Arc::clone(&same.layout));
        let (values, bytes) = match &*layout {
            Layout::Runs(runs) if !runs.values.is_empty() => {
                let scaled: Vec<f64> = runs.values.iter().copied().map(scaled(exponent, dtype)).collect();
                (Values::Constant(Patterns::new(scaled)), (runs.values.len() * dtype.size()) as u64)
            }
            layout => {
                let coding = Coding::of(a.values(), exponent, dtype, allowed.compression, allowed.dictionary_from);
                let bytes = coding.bytes(a.nnz(), dtype);
                (encode(a, exponent, dtype, coding, layout), bytes)
            }
        };
        let bytes = bytes + layout.bytes(a.nnz());
        Self { matrix: Arc::clone(matrix), layout, values, bytes }
    }

    /// True where the two are made of one matrix.
    pub(super) fn is_of(&self, matrix: &Arc<Csr>) -> bool {
        Arc::ptr_eq(&self.matrix, matrix)
    }

    /// True where the layout is the user's own.
    pub(super) fn is_in_rows(&self) -> bool {
        matches!(*self.layout, Layout::Rows { .. })
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

    /// Format, reason and bytes a product, for people.
    pub(super) fn describe(&self) -> String {
        let (n, nnz) = (self.matrix.rows(), self.matrix.nnz());
        let mut text = String::new();
        let columns = match &*self.layout {
            Layout::Rows { .. } => "rows (CSR), 32-bit columns".into(),
            Layout::Slices(cut, columns) => {
                let sorted = if cut.order.is_empty() { "" } else { ", sorted by length within 1024 rows" };
                let columns = match columns {
                    Columns::Wide(_) => "32-bit columns",
                    Columns::Scattered(_) => "32-bit columns, fetched ahead because they scatter",
                    Columns::Narrow { .. } => "16-bit columns (each 1024 rows span fewer than 65536)",
                };
                format!("slices of {LANES} rows{sorted}, {columns}")
            }
            Layout::Runs(runs) => format!(
                "runs of rows with equal offsets ({} runs of {:.0} rows on average, {} patterns), no columns",
                runs.runs.len(),
                n as f64 / runs.runs.len().max(1) as f64,
                runs.patterns()
            ),
        };
        let values = match &self.values {
            Values::F64(_) => "f64 values",
            Values::F32(_) => "f32 values",
            Values::Dictionary(_, table) => &format!("8-bit values out of {} different ones", table.f64.len()),
            Values::Constant(_) => "values shared by the rows of a run",
        };
        let plain = 12 * nnz as u64 + 4 * (n as u64 + 1);
        let _ = write!(
            text,
            "{columns}, {values}; {} bytes a product, {:.2} an entry (f64 CSR: {plain})",
            self.bytes,
            self.bytes as f64 / nnz.max(1) as f64
        );
        text
    }
}

impl Layout {
    fn of(a: &Csr, allowed: Allowed) -> Self {
        let (n, nnz) = (a.rows(), a.nnz());
        let (by_columns, by_values) = if allowed.runs { count_runs(a, CHUNK) } else { (n, n) };
        let long = |runs: usize| nnz > 0 && runs * RUN_ROWS <= n;
        if allowed.constant_runs && long(by_values) {
            Self::Runs(Runs::new(a, CHUNK, true))
        } else if allowed.runs && long(by_columns) {
            Self::Runs(Runs::new(a, CHUNK, false))
        } else if allowed.slices {
            let cut = Sliced::new(a);
            let columns = cut.columns(a, allowed.compression);
            Self::Slices(cut, columns)
        } else {
            Self::Rows { offsets: row_offsets(a) }
        }
    }

    /// Bytes read beside the values.
    fn bytes(&self, nnz: usize) -> u64 {
        let bytes = match self {
            Self::Rows { offsets } => 4 * (nnz + offsets.len()),
            Self::Slices(Sliced { slices, tails, order }, columns) => {
                let columns = match columns {
                    Columns::Wide(c) => 4 * c.len(),
                    Columns::Scattered(c) => 4 * c.len(),
                    Columns::Narrow { columns, base } => 2 * columns.len() + 4 * base.len(),
                };
                columns + size_of_val(&slices[..]) + size_of_val(&tails[..]) + 2 * order.len()
            }
            Self::Runs(runs) => {
                let tables = runs.chunk_start.len() + runs.offsets.len() + runs.pattern_start.len();
                size_of_val(&runs.runs[..]) + 8 * tables
            }
        };
        bytes as u64
    }
}

/// Rows of chunk `c`.
fn chunk_rows(a: &Csr, c: usize) -> std::ops::Range<usize> {
    c * CHUNK..((c + 1) * CHUNK).min(a.rows())
}

/// Entries of chunk `c` in the order of the rows.
fn chunk_entries(a: &Csr, c: usize) -> std::ops::Range<usize> {
    let rows = chunk_rows(a, c);
    a.row_ptr()[rows.start]..a.row_ptr()[rows.end]
}

fn row_offsets(a: &Csr) -> Vec<u32> {
    let chunks = a.rows().div_ceil(CHUNK);
    let mut offsets = Vec::with_capacity(a.rows() + chunks);
    for c in 0..chunks {
        let rows = chunk_rows(a, c);
        let start = a.row_ptr()[rows.start];
        offsets.extend(a.row_ptr()[rows.start..=rows.end].iter().map(|&p| (p - start) as u32));
    }
    offsets
}

/// In which order a layout keeps the entries of a chunk.
trait Order: Sync {
    /// Calls `each` with their places in the CSR arrays.
    fn visit(&self, a: &Csr, c: usize, each: impl FnMut(usize));
}

impl Order for Layout {
    #[inline(always)]
    fn visit(&self, a: &Csr, c: usize, each: impl FnMut(usize)) {
        match self {
            Self::Rows { .. } => chunk_entries(a, c).for_each(each),
            Self::Slices(cut, _) => cut.visit(a, c, each),
            Self::Runs(runs) => runs.visit(a, c, each),
        }
    }
}

/// For every entry in the order of the layout, `f` of its chunk and its place in the CSR arrays; chunks in parallel.
fn rearrange<V: Copy + Default + Send + Sync>(
    a: &Csr,
    order: &impl Order,
    f: impl Fn(usize, usize) -> V + Sync,
) -> Vec<V> {
    let mut out = vec![V::default(); a.nnz()];
    let mut parts = Vec::new();
    let mut rest = &mut out[..];
    for c in 0..a.rows().div_ceil(CHUNK) {
        let (part, tail) = rest.split_at_mut(chunk_entries(a, c).len());
        parts.push(part);
        rest = tail;
    }
    parts.into_par_iter().enumerate().for_each(|(c, part)| {
        let mut places = part.iter_mut();
        order.visit(a, c, |k| *places.next().expect("a layout keeps every entry once") = f(c, k));
        assert!(places.next().is_none(), "a layout keeps every entry of a chunk");
    });
    out
}

fn encode(a: &Csr, exponent: i32, dtype: Dtype, coding: Coding, order: &impl Order) -> Values {
    let scale = scaled(exponent, dtype);
    let value = |k: usize| scale(a.values()[k]);
    match coding {
        Coding::F64 => Values::F64(rearrange(a, order, |_, k| value(k))),
        Coding::F32 => Values::F32(rearrange(a, order, |_, k| value(k) as f32)),
        Coding::Dictionary(table) => {
            let codes = rearrange(a, order, |_, k| table.place(value(k)));
            Values::Dictionary(codes, Patterns::new(table.values().to_vec()))
        }
    }
}

/// Blocks of eight rows offset by offset, the rest of a run row by row.
impl Order for Runs {
    #[inline(always)]
    fn visit(&self, a: &Csr, c: usize, mut each: impl FnMut(usize)) {
        let ptr = a.row_ptr();
        for run in &self.runs[self.chunk_start[c]..self.chunk_start[c + 1]] {
            let first = c * CHUNK + run.first as usize;
            let whole = run.rows as usize / LANES * LANES;
            let width = ptr[first + 1] - ptr[first];
            for block in (first..first + whole).step_by(LANES) {
                for k in 0..width {
                    ptr[block..block + LANES].iter().for_each(|start| each(start + k));
                }
            }
            (ptr[first + whole]..ptr[first + run.rows as usize]).for_each(&mut each);
        }
    }
}

/// A matrix being cut into slices.
struct Sliced {
    slices: Vec<Slice>,
    tails: Vec<[u32; LANES]>,
    /// Rows of each chunk in the order of the slices; empty for their own order.
    order: Vec<u16>,
}

impl Sliced {
    fn new(a: &Csr) -> Self {
        let natural = Self::cut(a, vec![]);
        let ragged: u64 = natural.tails.iter().flatten().map(|&t| u64::from(t)).sum();
        if (ragged as f64) < RAGGED * a.nnz() as f64 {
            return natural;
        }
        let ptr = a.row_ptr();
        let sort = |c: usize| {
            let rows = chunk_rows(a, c);
            let length = |&i: &u16| ptr[rows.start + i as usize + 1] - ptr[rows.start + i as usize];
            let mut order: Vec<u16> = (0..rows.len() as u16).collect();
            order.sort_by_key(|i| std::cmp::Reverse(length(i)));
            order
        };
        let orders: Vec<Vec<u16>> = (0..a.rows().div_ceil(CHUNK)).into_par_iter().map(sort).collect();
        Self::cut(a, orders.concat())
    }

    fn cut(a: &Csr, order: Vec<u16>) -> Self {
        let mut this = Self { slices: vec![], tails: vec![], order };
        let cut = |c: usize| {
            let rows = chunk_rows(a, c);
            let mut lengths = [0u32; LANES];
            let slice = |first: usize| {
                let live = LANES.min(rows.len() - first);
                for (l, length) in lengths.iter_mut().enumerate() {
                    let i = c * CHUNK + this.row(c, (first + l).min(rows.len() - 1));
                    *length = if l < live { (a.row_ptr()[i + 1] - a.row_ptr()[i]) as u32 } else { 0 };
                }
                let common = lengths.into_iter().min().unwrap_or(0);
                (common, lengths.map(|l| l - common), live == LANES)
            };
            (0..rows.len()).step_by(LANES).map(slice).collect()
        };
        let cuts: Vec<Vec<(u32, [u32; LANES], bool)>> =
            (0..a.rows().div_ceil(CHUNK)).into_par_iter().map(cut).collect();
        for (common, rests, whole) in cuts.into_iter().flatten() {
            let tail = if rests == [0; LANES] && whole {
                NO_TAIL
            } else {
                this.tails.push(rests);
                this.tails.len() as u32 - 1
            };
            this.slices.push(Slice { common, tail });
        }
        this
    }

    /// Which row of chunk `c` stands at `place`.
    fn row(&self, c: usize, place: usize) -> usize {
        self.order.get(c * CHUNK + place).map_or(place, |&i| i as usize)
    }

    fn columns(&self, a: &Csr, compress: bool) -> Columns {
        let chunks = 0..a.rows().div_ceil(CHUNK);
        let span = |c: usize| {
            let columns = &a.columns()[chunk_entries(a, c)];
            let (least, most) = columns.iter().fold((u32::MAX, 0), |(l, m), &j| (j.min(l), j.max(m)));
            (least.min(most), most)
        };
        let spans: Vec<(u32, u32)> = chunks.into_par_iter().map(span).collect();
        if compress && spans.iter().all(|(least, most)| most - least <= u32::from(u16::MAX)) {
            let columns = rearrange(a, self, |c, k| (a.columns()[k] - spans[c].0) as u16);
            Columns::Narrow { columns, base: spans.into_iter().map(|s| s.0).collect() }
        } else if compress && scatters(a) {
            Columns::Scattered(rearrange(a, self, |_, k| Scattered(a.columns()[k])))
        } else {
            Columns::Wide(rearrange(a, self, |_, k| a.columns()[k]))
        }
    }
}

impl Order for Sliced {
    #[inline(always)]
    fn visit(&self, a: &Csr, c: usize, mut each: impl FnMut(usize)) {
        let rows = chunk_rows(a, c);
        let ptr = a.row_ptr();
        for first in (0..rows.len()).step_by(LANES) {
            let slice = self.slices[c * SLICES + first / LANES];
            let common = slice.common as usize;
            let start = |l: usize| ptr[rows.start + self.row(c, first + l)];
            if common > 0 {
                let starts: [usize; LANES] = std::array::from_fn(start);
                for k in 0..common {
                    starts.iter().for_each(|start| each(start + k));
                }
            }
            if slice.tail != NO_TAIL {
                for (l, &rest) in self.tails[slice.tail as usize].iter().enumerate().filter(|t| *t.1 > 0) {
                    (start(l) + common..).take(rest as usize).for_each(&mut each);
                }
            }
        }
    }
}

// Products.

impl Sparse {
    /// y = A x for the rows of chunk `c`.
    ///
    /// # Safety
    /// y has the rows of the chunk, x as many entries as the matrix has columns: the columns were checked
    /// against that when the matrix was made, and are not checked again.
    #[inline(always)]
    pub(super) unsafe fn rows_of_chunk<T: Real>(&self, c: usize, y: &mut [T], x: &[T]) {
        debug_assert!(x.len() == self.matrix.cols() && y.len() == chunk_rows(&self.matrix, c).len());
        let entries = chunk_entries(&self.matrix, c);
        // SAFETY: by the caller's word.
        unsafe {
            match &self.values {
                Values::F64(values) => self.with_values(c, y, x, &values[entries]),
                Values::F32(values) => self.with_values(c, y, x, &values[entries]),
                Values::Dictionary(codes, table) => {
                    self.with_values(c, y, x, Coded { codes: &codes[entries], table: T::patterns(table) });
                }
                Values::Constant(values) => self.constant_runs(c, y, x, T::patterns(values)),
            }
        }
    }

    /// # Safety
    /// As [`Self::rows_of_chunk`]; `values` are those of the chunk.
    #[inline(always)]
    unsafe fn with_values<T: Real, V: Entries<T>>(&self, c: usize, y: &mut [T], x: &[T], values: V) {
        let entries = chunk_entries(&self.matrix, c);
        // SAFETY: by the caller's word; the set-up put the entries of chunk c there, each with a column of the
        // checked matrix, less the base where columns are narrow.
        unsafe {
            match &*self.layout {
                Layout::Rows { offsets } => {
                    let start = c * (CHUNK + 1);
                    let offsets = &offsets[start..=start + y.len()];
                    rows(y, offsets, &self.matrix.columns()[entries], values, x);
                }
                Layout::Slices(Sliced { slices, tails, order }, columns) => {
                    let first = c * SLICES;
                    let slices = &slices[first..first + y.len().div_ceil(LANES)];
                    let order = if order.is_empty() { &[][..] } else { &order[c * CHUNK..c * CHUNK + y.len()] };
                    match columns {
                        Columns::Wide(columns) => {
                            self::slices(y, slices, tails, order, &columns[entries], values, x);
                        }
                        Columns::Scattered(columns) => {
                            self::slices(y, slices, tails, order, &columns[entries], values, x);
                        }
                        Columns::Narrow { columns, base } => {
                            let x = &x[base[c] as usize..];
                            self::slices(y, slices, tails, order, &columns[entries], values, x);
                        }
                    }
                }
                Layout::Runs(runs) => self.runs(runs, c, y, x, values),
            }
        }
    }

    /// # Safety
    /// As [`Self::rows_of_chunk`].
    #[inline(always)]
    unsafe fn constant_runs<T: Real>(&self, c: usize, y: &mut [T], x: &[T], values: &[T]) {
        let Layout::Runs(runs) = &*self.layout else { unreachable!("only runs share values") };
        for run in &runs.runs[runs.chunk_start[c]..runs.chunk_start[c + 1]] {
            let pattern = runs.pattern_start[run.pattern as usize]..runs.pattern_start[run.pattern as usize + 1];
            let (offsets, values) = (&runs.offsets[pattern.clone()], &values[pattern]);
            let first = run.first as usize;
            let y = &mut y[first..first + run.rows as usize];
            let row = (c * CHUNK + first) as i64;
            // SAFETY: row + offset is a column of the matrix for every row of the run.
            unsafe {
                let mut i = 0;
                while i + 2 * LANES <= y.len() {
                    constant_block::<T, { 2 * LANES }>(&mut y[i..], row + i as i64, offsets, values, x);
                    i += 2 * LANES;
                }
                if y.len() >= LANES {
                    // The last rows may be computed twice: to the same bits.
                    while i < y.len() {
                        i = i.min(y.len() - LANES);
                        constant_block::<T, LANES>(&mut y[i..], row + i as i64, offsets, values, x);
                        i += LANES;
                    }
                }
                while i < y.len() {
                    constant_block::<T, 1>(&mut y[i..], row + i as i64, offsets, values, x);
                    i += 1;
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::rows_of_chunk`]; `values` are those of the chunk.
    #[inline(always)]
    unsafe fn runs<T: Real, V: Entries<T>>(&self, runs: &Runs, c: usize, y: &mut [T], x: &[T], values: V) {
        let mut values = values;
        for run in &runs.runs[runs.chunk_start[c]..runs.chunk_start[c + 1]] {
            let pattern = run.pattern as usize;
            let offsets = &runs.offsets[runs.pattern_start[pattern]..runs.pattern_start[pattern + 1]];
            let first = run.first as usize;
            let y = &mut y[first..first + run.rows as usize];
            let row = (c * CHUNK + first) as i64;
            let mine;
            (mine, values) = values.split(offsets.len() * y.len());
            // SAFETY: row + offset is a column of the matrix for every row of the run, and `mine` holds its
            // entries block by block.
            unsafe {
                let mut k = 0;
                let mut i = 0;
                while i + LANES <= y.len() {
                    let mut sums = [T::default(); LANES];
                    for &offset in offsets {
                        let at = x.as_ptr().offset((row + i as i64 + offset) as isize);
                        for l in 0..LANES {
                            sums[l] = T::mul_add(mine.get(k + l), *at.add(l), sums[l]);
                        }
                        k += LANES;
                    }
                    y[i..i + LANES].copy_from_slice(&sums);
                    i += LANES;
                }
                while i < y.len() {
                    let mut sum = T::default();
                    for &offset in offsets {
                        let at = x.as_ptr().offset((row + i as i64 + offset) as isize);
                        sum = T::mul_add(mine.get(k), *at, sum);
                        k += 1;
                    }
                    y[i] = sum;
                    i += 1;
                }
            }
        }
    }
}

/// B rows of a run at once.
///
/// # Safety
/// row + l + offset lies within x for every l < B and offset.
#[inline(always)]
unsafe fn constant_block<T: Real, const B: usize>(y: &mut [T], row: i64, offsets: &[i64], values: &[T], x: &[T]) {
    let mut sums = [T::default(); B];
    for (&offset, &v) in offsets.iter().zip(values) {
        // SAFETY: by the caller's word.
        unsafe {
            let at = x.as_ptr().offset((row + offset) as isize);
            for l in 0..B {
                sums[l] = T::mul_add(v, *at.add(l), sums[l]);
            }
        }
    }
    y[..B].copy_from_slice(&sums);
}

/// Row after row; `offsets` count from the start of `values`.
///
/// # Safety
/// Every column is below `x.len()`; offsets ascend and end within `values` and `columns`.
#[inline(always)]
unsafe fn rows<T: Real, V: Entries<T>>(y: &mut [T], offsets: &[u32], columns: &[u32], values: V, x: &[T]) {
    let mut start = offsets[0] as usize;
    for (y, &end) in y.iter_mut().zip(&offsets[1..]) {
        let end = end as usize;
        let mut sum = T::default();
        for k in start..end {
            // SAFETY: by the caller's word.
            unsafe {
                let c = *columns.get_unchecked(k) as usize;
                sum = T::mul_add(values.get(k), *x.get_unchecked(c), sum);
            }
        }
        *y = sum;
        start = end;
    }
}

/// Asks for x_c to be brought near.
#[inline(always)]
fn prefetch<T>(x: &[T], c: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults nowhere; every x86-64 has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(c).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, c);
}

/// Eight rows after eight rows.
///
/// # Safety
/// Every column is below `x.len()`; the lengths of slices and tails add up to those of `values` and
/// `columns`.
#[inline(always)]
unsafe fn slices<T: Real, V: Entries<T>, C: Column>(
    y: &mut [T],
    slices: &[Slice],
    tails: &[[u32; LANES]],
    order: &[u16],
    columns: &[C],
    values: V,
    x: &[T],
) {
    // SAFETY: by the caller's word.
    let product =
        |k: usize, sum: T| unsafe { T::mul_add(values.get(k), *x.get_unchecked(columns.get_unchecked(k).get()), sum) };
    let mut k = 0;
    for (s, slice) in slices.iter().enumerate() {
        let mut sums = [T::default(); LANES];
        for _ in 0..slice.common {
            if let Some(next) = columns.get(k + C::AHEAD..k + C::AHEAD + LANES)
                && C::AHEAD > 0
            {
                next.iter().for_each(|&c| prefetch(x, c.get()));
            }
            for l in 0..LANES {
                sums[l] = product(k + l, sums[l]);
            }
            k += LANES;
        }
        let first = s * LANES;
        if slice.tail == NO_TAIL && order.is_empty() {
            // Only whole slices have no tail.
            y[first..first + LANES].copy_from_slice(&sums);
            continue;
        }
        if slice.tail != NO_TAIL {
            for (sum, &rest) in sums.iter_mut().zip(&tails[slice.tail as usize]) {
                for _ in 0..rest {
                    *sum = product(k, *sum);
                    k += 1;
                }
            }
        }
        for (l, &sum) in sums.iter().enumerate().take(y.len() - first) {
            y[order.get(first + l).map_or(first + l, |&i| i as usize)] = sum;
        }
    }
    debug_assert_eq!(k, values.len());
}
