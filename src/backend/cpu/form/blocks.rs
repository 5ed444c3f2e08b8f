//! Block rows (BSR): if two or three unknowns per mesh point couple with all unknowns of its neighbours, the matrix
//! consists of dense blocks of 2 × 2 or 3 × 3. One column is stored per block, and x is gathered once for all its rows.
//! Eight block rows are interleaved, like rows in slices.
//!
//! Chunks need not begin with a block row: rows before the first whole one and after the last are stored by entries.

use super::super::memory::Real;
use super::super::sweep::CHUNK;
use super::values::Entries;
use super::{Cost, Form, GAP, LANES, Look, chunk_rows};
use crate::matrix::Csr;
use crate::matrix::format::block_columns;
use rayon::prelude::*;
use std::ops::Range;

/// Block sizes that are tried.
const SIZES: [usize; 2] = [3, 2];

/// Most zeros per entry that blocks may hold.
const GAPS: f64 = 0.3;

/// Instructions per stored value: its product and sum.
const A_PLACE: f64 = 0.75;

/// Instructions per block: one column, and its entries of x one by one.
const A_BLOCK: f64 = 4.0;

/// Instructions per block row.
const A_BLOCK_ROW: f64 = 16.0;

pub(super) struct Blocks {
    /// Rows and columns of a block.
    size: usize,
    chunks: Vec<Chunk>,
    /// For each chunk, its whole block rows by descending length, counted from the first.
    order: Vec<u16>,
    /// Number of blocks of each block row, in that order.
    lengths: Vec<u32>,
    columns: Columns,
}

/// Where the parts of a chunk begin.
#[derive(Clone, Copy, Default)]
struct Chunk {
    place: usize,
    block_row: usize,
    block: usize,
}

/// Columns of blocks in the order of the blocks.
enum Columns {
    Wide(Vec<u32>),
    /// Relative to the smallest one of their chunk.
    Narrow { columns: Vec<u16>, base: Vec<u32> },
}

/// Whole block rows of chunk `c`.
fn whole(a: &Csr, c: usize, size: usize) -> Range<usize> {
    let rows = chunk_rows(a, c);
    let first = rows.start.div_ceil(size);
    first..(rows.end / size).max(first)
}

/// Rows of chunk `c` before its whole block rows, and after them.
fn loose(a: &Csr, c: usize, size: usize) -> [Range<usize>; 2] {
    let (rows, whole) = (chunk_rows(a, c), whole(a, c, size));
    let first = (whole.start * size).min(rows.end);
    [rows.start..first, (whole.end * size).max(first)..rows.end]
}

impl Columns {
    /// The column of a block of chunk `c`.
    fn of(&self, c: usize, block: usize) -> u32 {
        match self {
            Self::Wide(columns) => columns[block],
            Self::Narrow { columns, base } => base[c] + u32::from(columns[block]),
        }
    }
}

/// The cost of a product with this many blocks.
fn cost(look: &Look, size: usize, blocks: usize) -> Cost {
    let (values, rows) = (blocks * size * size, (look.a.rows() / size) as f64);
    let each = A_BLOCK * size as f64 * blocks as f64;
    let instructions = A_PLACE * values as f64 + each + A_BLOCK_ROW * rows;
    Cost { values, bytes: 4.0 * blocks as f64 + 6.0 * rows, instructions }
}

impl Form for Blocks {
    const ID: &'static str = "blocks";
    const LIGHT: bool = false;

    fn least(look: &Look) -> Cost {
        // The largest blocks, without gaps.
        let size = SIZES[0];
        cost(look, size, look.a.nnz() / (size * size))
    }

    fn cost(look: &Look) -> Option<Cost> {
        found(look).map(|(size, blocks)| cost(look, size, blocks))
    }

    fn new(look: &Look) -> Self {
        let (a, (size, _)) = (look.a, found(look).expect("cost was asked for"));
        let pack = |c: usize| {
            let whole = whole(a, c, size);
            let lists: Vec<Vec<u32>> = whole.map(|b| block_columns(a, size, b).collect()).collect();
            let mut order: Vec<u16> = (0..lists.len() as u16).collect();
            order.sort_by_key(|&b| std::cmp::Reverse(lists[b as usize].len()));
            let lengths: Vec<u32> = order.iter().map(|&b| lists[b as usize].len() as u32).collect();
            let mut columns = vec![];
            let list = |place: usize| &lists[order[place] as usize];
            each_block(&lengths, |place, k, _| columns.push(list(place)[k]));
            (order, lengths, columns)
        };
        let packed: Vec<_> = (0..a.rows().div_ceil(CHUNK)).into_par_iter().map(pack).collect();
        let mut this = Self { size, chunks: vec![Chunk::default()], order: vec![], lengths: vec![], columns: Columns::Wide(vec![]) };
        let span = |columns: &Vec<u32>| {
            let (least, most) = columns.iter().fold((u32::MAX, 0), |(l, m), &j| (j.min(l), j.max(m)));
            (least.min(most), most)
        };
        let spans: Vec<(u32, u32)> = packed.iter().map(|p| span(&p.2)).collect();
        let narrow = look.allowed.compression && spans.iter().all(|(l, m)| m - l <= u32::from(u16::MAX));
        let (mut wide, mut short) = (vec![], vec![]);
        for (c, (order, lengths, columns)) in packed.into_iter().enumerate() {
            let before = this.chunks[c];
            let entries: usize = loose(a, c, size).into_iter().map(|r| a.row_ptr()[r.end] - a.row_ptr()[r.start]).sum();
            this.chunks.push(Chunk {
                place: before.place + entries + columns.len() * size * size,
                block_row: before.block_row + order.len(),
                block: before.block + columns.len(),
            });
            this.order.extend(order);
            this.lengths.extend(lengths);
            if narrow { short.extend(columns.iter().map(|j| (j - spans[c].0) as u16)) } else { wide.extend(columns) }
        }
        this.columns = if narrow {
            Columns::Narrow { columns: short, base: spans.into_iter().map(|s| s.0).collect() }
        } else {
            Columns::Wide(wide)
        };
        this
    }

    fn bytes(&self, a: &Csr) -> u64 {
        let columns = match &self.columns {
            Columns::Wide(columns) => 4 * columns.len(),
            Columns::Narrow { columns, base } => 2 * columns.len() + 4 * base.len(),
        };
        let loose: usize = (0..self.chunks.len() - 1)
            .flat_map(|c| loose(a, c, self.size))
            .map(|r| 4 * (a.row_ptr()[r.end] - a.row_ptr()[r.start]) + 8 * r.len())
            .sum();
        (columns + loose + size_of_val(&self.chunks[..]) + 2 * self.order.len() + 4 * self.lengths.len()) as u64
    }

    fn describe(&self, a: &Csr) -> String {
        let (size, blocks) = (self.size, self.chunks.last().map_or(0, |c| c.block));
        let bits = if let Columns::Wide(_) = self.columns { 32 } else { 16 };
        let places = self.chunks.last().map_or(0, |c| c.place);
        format!(
            "block rows of {size} x {size} (BSR), {blocks} blocks with {:.1} % zeros added, one {bits}-bit column a block",
            100.0 * (places - a.nnz()) as f64 / a.nnz().max(1) as f64
        )
    }

    fn places(&self, _: &Csr, c: usize) -> Range<usize> {
        self.chunks.get(c).map_or(0, |s| s.place)..self.chunks.get(c + 1).map_or(0, |s| s.place)
    }

    fn visit(&self, a: &Csr, c: usize, mut each: impl FnMut(usize)) {
        let size = self.size;
        let [before, behind] = loose(a, c, size);
        (a.row_ptr()[before.start]..a.row_ptr()[before.end]).for_each(&mut each);
        let rows = self.chunks[c].block_row..self.chunks[c + 1].block_row;
        let (order, lengths) = (&self.order[rows.clone()], &self.lengths[rows]);
        let first = whole(a, c, size).start;
        // The entries that follow in each row, by the place of its block row: blocks of a row come in ascending order.
        let row = |&b: &u16| (0..size).map(move |r| size * (first + b as usize) + r);
        let mut rest: Vec<Range<usize>> =
            order.iter().flat_map(row).map(|i| a.row_ptr()[i]..a.row_ptr()[i + 1]).collect();
        let mut block = self.chunks[c].block;
        // Eight interleaved blocks alternate entry by entry.
        let mut group: Vec<(usize, u32)> = Vec::with_capacity(LANES);
        each_block(lengths, |place, _, side_by_side| {
            group.push((place, self.columns.of(c, block)));
            block += 1;
            if group.len() < if side_by_side { LANES } else { 1 } {
                return;
            }
            for column in 0..size {
                for r in 0..size {
                    for &(place, block) in &group {
                        let rest = &mut rest[place * size + r];
                        let is_here = |k: &usize| a.columns()[*k] as usize == block as usize * size + column;
                        let found = rest.clone().next().filter(is_here);
                        rest.start += usize::from(found.is_some());
                        each(found.unwrap_or(GAP));
                    }
                }
            }
            group.clear();
        });
        (a.row_ptr()[behind.start]..a.row_ptr()[behind.end]).for_each(&mut each);
    }

    #[inline(always)]
    unsafe fn product<T: Real, V: Entries<T>>(&self, a: &Csr, c: usize, y: &mut [T], x: &[T], values: V) {
        // SAFETY: handed on.
        unsafe {
            match (self.size, &self.columns) {
                (2, Columns::Wide(columns)) => self.multiply::<T, V, u32, 2>(a, c, y, x, values, columns, 0),
                (2, Columns::Narrow { columns, base }) => {
                    self.multiply::<T, V, u16, 2>(a, c, y, x, values, columns, base[c]);
                }
                (_, Columns::Wide(columns)) => self.multiply::<T, V, u32, 3>(a, c, y, x, values, columns, 0),
                (_, Columns::Narrow { columns, base }) => {
                    self.multiply::<T, V, u16, 3>(a, c, y, x, values, columns, base[c]);
                }
            }
        }
    }
}

/// The size of the blocks that suit the matrix, and how many there are.
fn found(look: &Look) -> Option<(usize, usize)> {
    SIZES.into_iter().find_map(|size| look.count_blocks(size, GAPS).map(|blocks| (size, blocks)))
}

/// Calls `each` with block rows and their blocks in packing order: slices of eight up to the length of the shortest
/// of the eight (`true`), then the rest row by row (`false`).
fn each_block(lengths: &[u32], mut each: impl FnMut(usize, usize, bool)) {
    for (s, slice) in lengths.chunks(LANES).enumerate() {
        let common = common(slice);
        for k in 0..common {
            (0..LANES).for_each(|l| each(s * LANES + l, k, true));
        }
        for (l, &length) in slice.iter().enumerate() {
            (common..length as usize).for_each(|k| each(s * LANES + l, k, false));
        }
    }
}

/// Interleaved blocks per row of a slice: none in one of fewer than eight block rows.
#[inline(always)]
fn common(slice: &[u32]) -> usize {
    // Lengths descend.
    if slice.len() == LANES { slice[LANES - 1] as usize } else { 0 }
}

impl Blocks {
    /// # Safety
    /// As [`Form::product`]; `columns` are those of all chunks, less `base`, and N is the size.
    #[inline(always)]
    unsafe fn multiply<T: Real, V: Entries<T>, C: Copy + Into<u32>, const N: usize>(
        &self,
        a: &Csr,
        c: usize,
        y: &mut [T],
        x: &[T],
        values: V,
        columns: &[C],
        base: u32,
    ) {
        let [before, behind] = loose(a, c, N);
        let first_row = before.start;
        let chunk = self.chunks[c];
        let rows = chunk.block_row..self.chunks[c + 1].block_row;
        let (order, lengths) = (&self.order[rows.clone()], &self.lengths[rows]);
        let y_blocks = before.len();
        // SAFETY: the set-up put the entries of chunk c there, N² a block, in the order of this walk; columns of blocks
        // are those of the checked matrix, whose columns divide into blocks.
        unsafe {
            let mut k = loose_rows(a, before, first_row, y, x, values, 0);
            let mut block = chunk.block;
            // Where a block's entries of x begin.
            let at = |block: usize| N * (base + (*columns.get_unchecked(block)).into()) as usize;
            for (lengths, order) in lengths.chunks(LANES).zip(order.chunks(LANES)) {
                let mut sums = [[T::default(); LANES]; N];
                let common = common(lengths);
                for _ in 0..common {
                    let starts: [usize; LANES] = std::array::from_fn(|l| at(block + l));
                    for j in 0..N {
                        let x: [T; LANES] = std::array::from_fn(|l| *x.get_unchecked(starts[l] + j));
                        for (r, sums) in sums.iter_mut().enumerate() {
                            for l in 0..LANES {
                                sums[l] = T::mul_add(values.get(k + (j * N + r) * LANES + l), x[l], sums[l]);
                            }
                        }
                    }
                    k += N * N * LANES;
                    block += LANES;
                }
                for (l, &length) in lengths.iter().enumerate() {
                    let mut own: [T; N] = std::array::from_fn(|r| sums[r][l]);
                    for _ in common..length as usize {
                        let start = at(block);
                        for j in 0..N {
                            let x = *x.get_unchecked(start + j);
                            for (r, sum) in own.iter_mut().enumerate() {
                                *sum = T::mul_add(values.get(k + j * N + r), x, *sum);
                            }
                        }
                        k += N * N;
                        block += 1;
                    }
                    let row = y_blocks + N * order[l] as usize;
                    y[row..row + N].copy_from_slice(&own);
                }
            }
            loose_rows(a, behind, first_row, y, x, values, k);
        }
    }
}

/// Rows whose entries are contiguous from position `k` on; returns where they end.
///
/// # Safety
/// `values` has them; x has as many entries as `a` has columns.
#[inline(always)]
unsafe fn loose_rows<T: Real, V: Entries<T>>(
    a: &Csr,
    rows: Range<usize>,
    first_row: usize,
    y: &mut [T],
    x: &[T],
    values: V,
    mut k: usize,
) -> usize {
    for i in rows {
        let mut sum = T::default();
        for &j in a.row(i).0 {
            // SAFETY: by the caller's word, and columns were checked when the matrix was made.
            sum = unsafe { T::mul_add(values.get(k), *x.get_unchecked(j as usize), sum) };
            k += 1;
        }
        y[i - first_row] = sum;
    }
    k
}
