//! Blocks: CSR in blocks of at most 1024 entries, whole rows or a piece of one (Greathouse and Daga 2014,
//! doi:10.1109/SC.2014.68), for rows of any lengths. A sweep of its own.

use super::panel::Panel;
use super::{Choice, Columns, Form, Look, Rows, SLICE, Suits, slices};
use crate::backend::gpu::text::{Shader, WORKGROUP, block_sums, fill, shader};
use crate::matrix::Csr;

const SPMV_BLOCKS: Shader = shader!("spmv_blocks.wgsl");

/// The kernel that adds up the pieces of long rows.
pub(in crate::backend::gpu) const SPMV_PIECES: Shader = shader!("spmv_pieces.wgsl" sums 1);

/// Most entries of a block.
const BLOCK: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend::gpu) struct Blocks;

impl Blocks {
    pub(super) fn suits(look: &Look) -> Option<Suits> {
        let (padding, _) = look.padding();
        if padding <= slices::PADDING {
            return None;
        }
        let reason = format!("slices of {SLICE} rows would be padded by {:.0} % even when sorted", 100.0 * padding);
        Some(Suits { layout: Self.into(), reason, runs: None })
    }
}

impl Rows for Blocks {
    fn describe(&self) -> String {
        format!("rows (CSR) in blocks of {BLOCK} entries")
    }

    fn text(&self, _: Form, _: usize) -> String {
        String::new()
    }

    #[cfg(test)]
    fn shaders(&self) -> Vec<&'static Shader> {
        vec![&SPMV_BLOCKS, &SPMV_PIECES]
    }

    fn kernel(&self, access: &str) -> Option<String> {
        Some(block_sums(1) + &fill(SPMV_BLOCKS.text, &[("access", access)]))
    }

    fn group(&self) -> Option<usize> {
        None
    }

    fn unit(&self, _: Columns) -> usize {
        // A single long row may fill a binding.
        1
    }

    fn size(&self, of: &Choice, first: usize, end: usize) -> (usize, u64) {
        let (rows, entries) = ((end - first) as u64, of.a.row_ptr()[end] - of.a.row_ptr()[first]);
        // Two neighbouring blocks have more than 1024 entries, or rows, together.
        (entries, rows + (entries as u64).div_ceil(64) + rows.div_ceil(64))
    }

    fn ends(&self, _: &Panel, cells: usize) -> Vec<usize> {
        vec![cells]
    }

    fn finish(&self, of: &Choice, panel: &mut Panel) {
        let blocks = blocks(of.a, panel.first, panel.first + panel.rows);
        panel.blocks = blocks.len();
        if blocks.is_empty() {
            return;
        }
        let mut words = vec![];
        let mut long: Vec<[u32; 2]> = vec![];
        for b in &blocks {
            let last = if b.rows > 0 {
                lanes(b.rows)
            } else {
                if long.last().is_none_or(|l| l[0] != b.row) {
                    long.push([b.row, panel.pieces as u32]);
                }
                panel.pieces += 1;
                panel.pieces as u32 - 1
            };
            words.extend([b.row, b.rows, b.first, last]);
        }
        let entries = blocks.last().map_or(0, |b| b.end);
        words.extend([0, 0, entries, 0]);
        panel.long_rows = long.len();
        long.push([0, panel.pieces as u32]);
        panel.at.order = panel.add(words.into_iter());
        panel.at.long = panel.add(long.into_iter().flatten());
    }
}

/// Lanes per row in a block of `rows` rows.
fn lanes(rows: u32) -> u32 {
    let most = (WORKGROUP as u32 / rows).max(1);
    // The greatest power of two; beyond 32, adding the lanes' sums one by one would cost more than it saves.
    (1 << most.ilog2()).min(32)
}

/// Whole rows, or a piece of one.
struct Block {
    /// Relative to the panel's first row.
    row: u32,
    /// 0 for a piece.
    rows: u32,
    first: u32,
    end: u32,
}

/// Blocks of the rows `first .. end`: as many whole rows as fit; longer rows are split into pieces.
fn blocks(a: &Csr, first: usize, end: usize) -> Vec<Block> {
    let ptr = a.row_ptr();
    let at = |i: usize| (ptr[i] - ptr[first]) as u32;
    let mut out = vec![];
    let mut row = first;
    while row < end {
        let mut last = row;
        while last < end && ptr[last + 1] - ptr[row] <= BLOCK && last - row < BLOCK {
            last += 1;
        }
        let here = (row - first) as u32;
        if last > row {
            out.push(Block { row: here, rows: (last - row) as u32, first: at(row), end: at(last) });
            row = last;
        } else {
            let pieces = (at(row)..at(row + 1)).step_by(BLOCK);
            out.extend(pieces.map(|e| Block { row: here, rows: 0, first: e, end: at(row + 1).min(e + BLOCK as u32) }));
            row += 1;
        }
    }
    out
}
