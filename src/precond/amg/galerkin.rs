//! Sparse products and the coarse operator PᵀAP.

use crate::matrix::Csr;
use rayon::prelude::*;

/// Row lengths, columns and values of consecutive rows.
pub(super) type Block = (Vec<usize>, Vec<u32>, Vec<f64>);

/// One matrix of blocks of rows.
pub(super) fn join(rows: usize, cols: usize, blocks: Vec<Block>) -> Csr {
    let nnz = blocks.iter().map(|b| b.1.len()).sum();
    let mut row_ptr = Vec::with_capacity(rows + 1);
    row_ptr.push(0);
    let (mut columns, mut values) = (vec![0u32; nnz], vec![0.0f64; nnz]);
    let (mut c, mut v) = (columns.as_mut_slice(), values.as_mut_slice());
    let mut places = Vec::with_capacity(blocks.len());
    let mut end = 0;
    for block in &blocks {
        row_ptr.extend(block.0.iter().map(|l| {
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
    Csr::trusted(rows, cols, row_ptr, columns, values)
}

/// C = A B, row by row with a dense accumulator (Gustavson 1978, doi:10.1145/355791.355796), rows in parallel.
/// Entries that cancel are kept: the pattern depends on the patterns only.
///
/// Cost: one multiplication for each pair (a_ik, b_kj), one sort of each row's columns.
pub(super) fn multiply(a: &Csr, b: &Csr) -> Csr {
    assert_eq!(a.cols(), b.rows());
    let blocks = (4 * rayon::current_num_threads()).min(a.rows().div_ceil(512)).max(1);
    let each = a.rows().div_ceil(blocks).max(1);
    let parts: Vec<Block> = (0..blocks)
        .into_par_iter()
        .map(|block| {
            let rows = (block * each).min(a.rows())..((block + 1) * each).min(a.rows());
            // The row in which a column was last seen, counted from 1.
            let mut seen = vec![0u32; b.cols()];
            let mut sums = vec![0.0f64; b.cols()];
            let mut lengths = Vec::with_capacity(rows.len());
            let (mut columns, mut values): (Vec<u32>, Vec<f64>) = (vec![], vec![]);
            for (stamp, i) in rows.enumerate() {
                let stamp = stamp as u32 + 1;
                let start = columns.len();
                let (ks, vs) = a.row(i);
                for (&k, &v) in ks.iter().zip(vs) {
                    let (js, ws) = b.row(k as usize);
                    for (&j, &w) in js.iter().zip(ws) {
                        let j_at = j as usize;
                        if seen[j_at] == stamp {
                            sums[j_at] += v * w;
                        } else {
                            seen[j_at] = stamp;
                            sums[j_at] = v * w;
                            columns.push(j);
                        }
                    }
                }
                let row = &mut columns[start..];
                row.sort_unstable();
                values.extend(row.iter().map(|&j| sums[j as usize]));
                lengths.push(columns.len() - start);
            }
            (lengths, columns, values)
        })
        .collect();
    join(a.rows(), b.cols(), parts)
}

/// R A P.
pub(super) fn triple(r: &Csr, a: &Csr, p: &Csr) -> Csr {
    multiply(r, &multiply(a, p))
}
