//! Slices: eight interleaved rows, so that eight sums are accumulated at once (SELL-8, Kreutzer et al. 2014,
//! doi:10.1137/130930352, with its ragged end stored row by row). Rows are sorted by length within their chunk if
//! lengths differ much. Columns take two bytes if every chunk spans fewer than 2¹⁶.

use super::super::memory::Real;
use super::super::sweep::CHUNK;
use super::values::Entries;
use super::{Cost, Form, LANES, Look, Places, chunk_entries, chunk_rows, rearrange};
use crate::matrix::Csr;
use crate::matrix::format::scatters;
use rayon::prelude::*;
use std::ops::Range;

/// Slices of a full chunk.
const SLICES: usize = CHUNK / LANES;

/// Share of entries in ragged ends above which rows are sorted.
const RAGGED: f64 = 0.1;

/// Instructions per entry: eight gathers one by one, then whole vectors.
const AN_ENTRY: f64 = 3.3;

/// Instructions per row.
const A_ROW: f64 = 6.0;

/// Bytes per row for slices, ragged ends and order.
const ROW_BYTES: f64 = 5.0;

pub(super) struct Slices {
    cut: Cut,
    columns: Columns,
}

/// Eight rows: `common` entries of each, interleaved, then the rest of the longer rows.
#[derive(Clone, Copy)]
struct Slice {
    common: u32,
    /// Where the lengths of those rests are stored; `NO_TAIL` if there are none and the slice has eight rows.
    tail: u32,
}

const NO_TAIL: u32 = u32::MAX;

enum Columns {
    Wide(Vec<u32>),
    /// Wide, and the processor can't predict the gathers of row i + 1 from those of row i.
    Scattered(Vec<Scattered>),
    /// Columns relative to the smallest one of their chunk.
    Narrow {
        columns: Vec<u16>,
        base: Vec<u32>,
    },
}

/// A stored column.
trait Column: Copy + Send + Sync + Default {
    /// How many entries ahead x is prefetched; 0 for not at all.
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

impl Column for u16 {
    const AHEAD: usize = 0;
    #[inline(always)]
    fn get(self) -> usize {
        self as usize
    }
}

/// A column whose entry of x is prefetched.
#[derive(Clone, Copy, Default)]
struct Scattered(u32);

impl Column for Scattered {
    const AHEAD: usize = 64;
    #[inline(always)]
    fn get(self) -> usize {
        self.0 as usize
    }
}

/// The smallest and the largest column of each chunk.
pub(super) fn spans(a: &Csr) -> Vec<(u32, u32)> {
    let span = |c: usize| {
        let columns = &a.columns()[chunk_entries(a, c)];
        let (least, most) = columns.iter().fold((u32::MAX, 0), |(l, m), &j| (j.min(l), j.max(m)));
        (least.min(most), most)
    };
    (0..a.rows().div_ceil(CHUNK)).into_par_iter().map(span).collect()
}

impl Form for Slices {
    const ID: &'static str = "slices";
    const LIGHT: bool = false;

    fn least(look: &Look) -> Cost {
        let (n, nnz) = (look.a.rows() as f64, look.a.nnz() as f64);
        // Assumes wide columns: whether they are narrow is found when they are packed.
        Cost { values: look.a.nnz(), bytes: 4.0 * nnz + ROW_BYTES * n, instructions: AN_ENTRY * nnz + A_ROW * n }
    }

    fn new(look: &Look) -> Self {
        let (a, compress) = (look.a, look.allowed.compression);
        let cut = Cut::new(a);
        let spans = spans(a);
        let columns = if compress && spans.iter().all(|(least, most)| most - least <= u32::from(u16::MAX)) {
            let columns = rearrange(a, &cut, |c, k| (a.columns()[k] - spans[c].0) as u16);
            Columns::Narrow { columns, base: spans.into_iter().map(|s| s.0).collect() }
        } else if compress && scatters(a) {
            Columns::Scattered(rearrange(a, &cut, |_, k| Scattered(a.columns()[k])))
        } else {
            Columns::Wide(rearrange(a, &cut, |_, k| a.columns()[k]))
        };
        Self { cut, columns }
    }

    fn bytes(&self, _: &Csr) -> u64 {
        let Cut { slices, tails, order } = &self.cut;
        let columns = match &self.columns {
            Columns::Wide(c) => 4 * c.len(),
            Columns::Scattered(c) => 4 * c.len(),
            Columns::Narrow { columns, base } => 2 * columns.len() + 4 * base.len(),
        };
        (columns + size_of_val(&slices[..]) + size_of_val(&tails[..]) + 2 * order.len()) as u64
    }

    fn describe(&self, _: &Csr) -> String {
        let sorted = if self.cut.order.is_empty() { "" } else { ", sorted by length within 1024 rows" };
        let columns = match &self.columns {
            Columns::Wide(_) => "32-bit columns",
            Columns::Scattered(_) => "32-bit columns, fetched ahead because they scatter",
            Columns::Narrow { .. } => "16-bit columns (each 1024 rows span fewer than 65536)",
        };
        format!("slices of {LANES} rows{sorted}, {columns}")
    }

    #[inline(always)]
    fn visit(&self, a: &Csr, c: usize, each: impl FnMut(usize)) {
        self.cut.each(a, c, each);
    }

    #[inline(always)]
    unsafe fn product<T: Real, V: Entries<T>>(&self, a: &Csr, c: usize, y: &mut [T], x: &[T], values: V) {
        let Cut { slices, tails, order } = &self.cut;
        let (entries, first) = (chunk_entries(a, c), c * SLICES);
        let slices = &slices[first..first + y.len().div_ceil(LANES)];
        let order = if order.is_empty() { &[][..] } else { &order[c * CHUNK..c * CHUNK + y.len()] };
        // SAFETY: the set-up put the entries of chunk c there, each with a column of the checked matrix, less the base
        // where columns are narrow.
        unsafe {
            match &self.columns {
                Columns::Wide(columns) => multiply(y, slices, tails, order, &columns[entries], values, x),
                Columns::Scattered(columns) => multiply(y, slices, tails, order, &columns[entries], values, x),
                Columns::Narrow { columns, base } => {
                    multiply(y, slices, tails, order, &columns[entries], values, &x[base[c] as usize..]);
                }
            }
        }
    }
}

/// A matrix cut into slices.
struct Cut {
    slices: Vec<Slice>,
    tails: Vec<[u32; LANES]>,
    /// Rows of each chunk in the order of the slices; empty for their own order.
    order: Vec<u16>,
}

impl Cut {
    fn new(a: &Csr) -> Self {
        let natural = Self::of(a, vec![]);
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
        Self::of(a, orders.concat())
    }

    fn of(a: &Csr, order: Vec<u16>) -> Self {
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

    /// Which row of chunk `c` is at `place`.
    fn row(&self, c: usize, place: usize) -> usize {
        self.order.get(c * CHUNK + place).map_or(place, |&i| i as usize)
    }
}

impl Places for Cut {
    fn of(&self, a: &Csr, c: usize) -> Range<usize> {
        chunk_entries(a, c)
    }

    #[inline(always)]
    fn each(&self, a: &Csr, c: usize, mut each: impl FnMut(usize)) {
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

/// Prefetches x_c.
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

/// Multiplies eight rows at a time.
///
/// # Safety
/// Every column is below `x.len()`; the lengths of slices and tails add up to those of `values` and
/// `columns`.
#[inline(always)]
unsafe fn multiply<T: Real, V: Entries<T>, C: Column>(
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
    debug_assert_eq!(k, columns.len());
}
