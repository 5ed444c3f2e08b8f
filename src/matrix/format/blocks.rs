//! Small dense blocks: several unknowns per mesh point couple with all unknowns of a neighbour.

use crate::matrix::Csr;
use rayon::prelude::*;

/// One in so many block rows is examined first.
const SAMPLE: usize = 16;

/// Rows of the largest block size.
const LARGEST: usize = 4;

/// Block columns, of `size` columns each, in which the rows of block row `block` have entries; ascending.
pub(crate) fn block_columns(a: &Csr, size: usize, block: usize) -> impl Iterator<Item = u32> + '_ {
    let mut rest: [&[u32]; LARGEST] = [&[]; LARGEST];
    rest.iter_mut().zip(size * block..size * (block + 1)).for_each(|(r, i)| *r = a.row(i).0);
    std::iter::from_fn(move || {
        let next = rest.iter().filter_map(|r| r.first()).min().map(|c| c / size as u32)?;
        let end = (next + 1) * size as u32;
        for r in &mut rest {
            let within = r.iter().take_while(|c| **c < end).count();
            *r = &r[within..];
        }
        Some(next)
    })
}

/// How many blocks of `size` rows and columns have entries; `None` if the matrix's size is not a multiple of `size`, or
/// the blocks would hold more than `gaps` zeros per entry. Examines a sample of the block rows first.
pub(crate) fn count_blocks(a: &Csr, size: usize, gaps: f64) -> Option<usize> {
    if a.nnz() == 0 || !a.rows().is_multiple_of(size) || !a.cols().is_multiple_of(size) {
        return None;
    }
    let count = |step: usize| -> Option<usize> {
        let list = (0..a.rows() / size).into_par_iter().step_by(step);
        let entries = |b: usize| a.row_ptr()[size * (b + 1)] - a.row_ptr()[size * b];
        let sum = |p: (usize, usize), q: (usize, usize)| (p.0 + q.0, p.1 + q.1);
        let (blocks, entries) = list.map(|b| (block_columns(a, size, b).count(), entries(b))).reduce(|| (0, 0), sum);
        ((blocks * size * size) as f64 <= (1.0 + gaps) * entries as f64).then_some(blocks)
    };
    count(SAMPLE)?;
    count(1)
}
