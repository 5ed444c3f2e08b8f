//! Sparse products and the coarse operator PᵀAP.

use crate::error::Result;
use crate::host::halt::Halt;
use crate::matrix::Csr;
use rayon::prelude::*;

/// Row lengths, columns and values of consecutive rows.
type Block = (Vec<usize>, Vec<u32>, Vec<f64>);

/// Joins blocks of rows, columns ascending, into one matrix.
fn join(rows: usize, cols: usize, blocks: Vec<Block>) -> Csr {
    let nnz = blocks.iter().map(|b| b.1.len()).sum();
    let mut ptr = Vec::with_capacity(rows + 1);
    ptr.push(0);
    let (mut columns, mut values) = (vec![0u32; nnz], vec![0.0f64; nnz]);
    let (mut c, mut v) = (columns.as_mut_slice(), values.as_mut_slice());
    let mut places = Vec::with_capacity(blocks.len());
    let mut end = 0;
    for block in &blocks {
        ptr.extend(block.0.iter().map(|l| {
            end += l;
            end
        }));
        let (head_c, tail_c) = c.split_at_mut(block.1.len());
        let (head_v, tail_v) = v.split_at_mut(block.1.len());
        places.push((head_c, head_v));
        (c, v) = (tail_c, tail_v);
    }
    places.into_par_iter().zip(&blocks).for_each(|((c, v), block)| {
        c.copy_from_slice(&block.1);
        v.copy_from_slice(&block.2);
    });
    Csr::trusted(rows, cols, ptr, columns, values)
}

/// A row that grows entry by entry: a sparse set (Briggs and Torczon 1993, doi:10.1145/176454.176484), which is cleared
/// in constant time and keeps its sums contiguous however wide the row is.
struct Row {
    /// The index of a column in `columns`, if it is there; otherwise arbitrary.
    place: Vec<u32>,
    columns: Vec<u32>,
    sums: Vec<f64>,
    count: usize,
}

impl Row {
    fn new(cols: usize) -> Self {
        // Memory pages that are never touched cost nothing.
        Self { place: vec![0; cols], columns: vec![0; cols], sums: vec![0.0; cols], count: 0 }
    }

    /// Entry j += v.
    #[inline(always)]
    fn add(&mut self, j: u32, v: f64) {
        let place = &mut self.place[j as usize];
        let at = *place as usize;
        if at < self.count && self.columns[at] == j {
            self.sums[at] += v;
        } else {
            *place = self.count as u32;
            self.columns[self.count] = j;
            self.sums[self.count] = v;
            self.count += 1;
        }
    }

    /// Adds Σ_k c_k b_k over the terms (k, c_k), b_k row k of B.
    #[inline(always)]
    fn combine(&mut self, terms: impl Iterator<Item = (usize, f64)>, b: &Csr) {
        for (k, c) in terms {
            let (columns, values) = b.row(k);
            columns.iter().zip(values).for_each(|(&j, v)| self.add(j, c * v));
        }
    }

    /// The entries in order of insertion.
    fn entries(&self) -> impl Iterator<Item = (usize, f64)> {
        self.columns[..self.count].iter().zip(&self.sums).map(|(&j, &v)| (j as usize, v))
    }

    /// Moves the entries to the end of `block`, columns ascending.
    fn drain(&mut self, block: &mut Block) {
        let start = block.1.len();
        block.0.push(self.count);
        block.1.extend_from_slice(&self.columns[..self.count]);
        block.1[start..].sort_unstable();
        block.2.extend(block.1[start..].iter().map(|&j| self.sums[self.place[j as usize] as usize]));
        self.count = 0;
    }
}

/// A matrix of `rows` rows; `fill` appends a range of them to a block. Ranges in parallel.
///
/// # Errors
/// The first of `fill`.
pub(super) fn by_blocks(
    rows: usize,
    cols: usize,
    fill: impl Fn(std::ops::Range<usize>, &mut Block) -> Result<()> + Sync,
) -> Result<Csr> {
    let each = rows.div_ceil(4 * rayon::current_num_threads()).max(512);
    let blocks = (0..rows.div_ceil(each)).into_par_iter().map(|block| {
        let mut out = Block::default();
        fill(block * each..((block + 1) * each).min(rows), &mut out)?;
        Ok(out)
    });
    Ok(join(rows, cols, blocks.collect::<Result<_>>()?))
}

/// The matrix whose row i is Σ_k c_k b_k over the `terms` (k, c_k) of the row, b_k row k of B: with the entries of A as
/// terms, the product A B (Gustavson 1978, doi:10.1145/355791.355796). Entries that cancel are kept, so the pattern
/// depends on patterns only. Cost: one multiplication for each pair (c_k, b_kj), and a sort of each row.
///
/// # Errors
/// Where `halt` calls.
pub(super) fn combine<I: Iterator<Item = (usize, f64)>>(
    rows: usize,
    terms: impl Fn(usize) -> I + Sync,
    b: &Csr,
    halt: &Halt,
) -> Result<Csr> {
    by_blocks(rows, b.cols(), |range, block| {
        let mut row = Row::new(b.cols());
        for i in range {
            halt.check_at(i)?;
            row.combine(terms(i), b);
            row.drain(block);
        }
        Ok(())
    })
}

/// R A P, one row of R A at a time, so that R A is never stored: fewer multiplications than R (A P) if P has more
/// entries in a column than in a row.
///
/// # Errors
/// Where `halt` calls.
pub(super) fn triple(r: &Csr, a: &Csr, p: &Csr, halt: &Halt) -> Result<Csr> {
    assert!(r.cols() == a.rows() && a.cols() == p.rows());
    by_blocks(r.rows(), p.cols(), |range, block| {
        let (mut ra, mut row) = (Row::new(a.cols()), Row::new(p.cols()));
        for i in range {
            halt.check_at(i)?;
            let (columns, values) = r.row(i);
            ra.combine(columns.iter().zip(values).map(|(&k, &v)| (k as usize, v)), a);
            row.combine(ra.entries(), p);
            ra.count = 0;
            row.drain(block);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn product_of_sprs_is_the_same() {
        let (r, a, p) = (gallery::grcar(30, 2), gallery::random_general(30, 5, 1), gallery::random_spd(30, 3, 2));
        let expected = &(&r.to_sprs() * &a.to_sprs()) * &p.to_sprs();
        let found = triple(&r, &a, &p, &Halt::default()).unwrap();
        for i in 0..30 {
            for j in 0..30 {
                let e = expected.get(i, j).copied().unwrap_or(0.0);
                assert!((found.get(i, j) - e).abs() < 1e-12);
            }
        }
    }
}
