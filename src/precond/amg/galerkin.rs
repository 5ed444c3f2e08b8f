//! Sparse products and the coarse operator PᵀAP.

use crate::matrix::Csr;
use rayon::prelude::*;

/// Row lengths, columns and values of consecutive rows.
pub(super) type Block = (Vec<usize>, Vec<u32>, Vec<f64>);

/// One matrix of blocks of rows, columns ascending.
pub(super) fn join(rows: usize, cols: usize, blocks: Vec<Block>) -> Csr {
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

/// A product as its blocks of `1 << shift` rows, columns in the order in which they arose unless sorted.
struct Product {
    shift: u32,
    blocks: Vec<Block>,
    /// Where each row of each block ends.
    ends: Vec<Vec<usize>>,
}

impl Product {
    fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let (b, at) = (i >> self.shift, i & ((1 << self.shift) - 1));
        let ends = &self.ends[b];
        let range = if at == 0 { 0 } else { ends[at - 1] }..ends[at];
        (&self.blocks[b].1[range.clone()], &self.blocks[b].2[range])
    }
}

/// A B, row by row with a dense accumulator (Gustavson 1978, doi:10.1145/355791.355796), rows in parallel; B is
/// known by its rows and has `cols` columns. Entries that cancel are kept: the pattern depends on the patterns only.
///
/// Cost: one multiplication for each pair (a_ik, b_kj), and a sort of each row's columns where asked for.
fn multiply<'b>(
    a: &Csr,
    b: impl Fn(usize) -> (&'b [u32], &'b [f64]) + Sync + Send,
    cols: usize,
    sorted: bool,
) -> Product {
    let each = a.rows().div_ceil(4 * rayon::current_num_threads()).max(512).next_power_of_two();
    let blocks: Vec<Block> = (0..a.rows().div_ceil(each))
        .into_par_iter()
        .map(|block| {
            let rows = block * each..((block + 1) * each).min(a.rows());
            // Each column's sum and the row that it is of, counted from 1, side by side for the cache.
            let mut slots = vec![(0.0f64, 0u32); cols];
            let mut lengths = Vec::with_capacity(rows.len());
            let (mut columns, mut values): (Vec<u32>, Vec<f64>) = (vec![], vec![]);
            for (stamp, i) in rows.enumerate() {
                let stamp = stamp as u32 + 1;
                let start = columns.len();
                let (ks, vs) = a.row(i);
                for (&k, &v) in ks.iter().zip(vs) {
                    let (js, ws) = b(k as usize);
                    for (&j, &w) in js.iter().zip(ws) {
                        let slot = &mut slots[j as usize];
                        if slot.1 == stamp {
                            slot.0 += v * w;
                        } else {
                            *slot = (v * w, stamp);
                            columns.push(j);
                        }
                    }
                }
                let row = &mut columns[start..];
                if sorted {
                    row.sort_unstable();
                }
                values.extend(row.iter().map(|&j| slots[j as usize].0));
                lengths.push(columns.len() - start);
            }
            (lengths, columns, values)
        })
        .collect();
    let ends = blocks
        .iter()
        .map(|block| {
            let lengths = block.0.iter();
            lengths
                .scan(0, |end, l| {
                    *end += l;
                    Some(*end)
                })
                .collect()
        })
        .collect();
    Product { shift: each.trailing_zeros(), blocks, ends }
}

/// R A P. A P is never put into one piece, its rows are left as they arise: nobody searches them.
pub(super) fn triple(r: &Csr, a: &Csr, p: &Csr) -> Csr {
    assert!(r.cols() == a.rows() && a.cols() == p.rows());
    let ap = multiply(a, |k| p.row(k), p.cols(), false);
    let coarse = multiply(r, |k| ap.row(k), p.cols(), true);
    join(r.rows(), p.cols(), coarse.blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn product_of_sprs_is_the_same() {
        let (r, a, p) = (gallery::grcar(30, 2), gallery::random_general(30, 5, 1), gallery::random_spd(30, 3, 2));
        let expected = &(&r.to_sprs() * &a.to_sprs()) * &p.to_sprs();
        let found = triple(&r, &a, &p);
        for i in 0..30 {
            for j in 0..30 {
                let e = expected.get(i, j).copied().unwrap_or(0.0);
                assert!((found.get(i, j) - e).abs() < 1e-12);
            }
        }
    }
}
