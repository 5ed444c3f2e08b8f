//! Sparse products and the coarse operator PᵀAP.

use crate::matrix::Csr;
use rayon::prelude::*;

/// Row lengths, columns and values of consecutive rows.
pub(super) type Block = (Vec<usize>, Vec<u32>, Vec<f64>);

/// Rows end to end: where each starts, columns, values.
struct Rows {
    ptr: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

/// One matrix of blocks of rows, columns ascending.
pub(super) fn join(rows: usize, cols: usize, blocks: Vec<Block>) -> Csr {
    let Rows { ptr, columns, values } = concatenate(rows, &blocks);
    Csr::trusted(rows, cols, ptr, columns, values)
}

fn concatenate(rows: usize, blocks: &[Block]) -> Rows {
    let nnz = blocks.iter().map(|b| b.1.len()).sum();
    let mut ptr = Vec::with_capacity(rows + 1);
    ptr.push(0);
    let (mut columns, mut values) = (vec![0u32; nnz], vec![0.0f64; nnz]);
    let (mut c, mut v) = (columns.as_mut_slice(), values.as_mut_slice());
    let mut places = Vec::with_capacity(blocks.len());
    let mut end = 0;
    for block in blocks {
        ptr.extend(block.0.iter().map(|l| {
            end += l;
            end
        }));
        let (head_c, tail_c) = c.split_at_mut(block.1.len());
        let (head_v, tail_v) = v.split_at_mut(block.1.len());
        places.push((head_c, head_v));
        (c, v) = (tail_c, tail_v);
    }
    places.into_par_iter().zip(blocks).for_each(|((c, v), block)| {
        c.copy_from_slice(&block.1);
        v.copy_from_slice(&block.2);
    });
    Rows { ptr, columns, values }
}

/// C = A B, row by row with a dense accumulator (Gustavson 1978, doi:10.1145/355791.355796), rows in parallel.
/// Entries that cancel are kept: the pattern depends on the patterns only.
///
/// Cost: one multiplication for each pair (a_ik, b_kj), one sort of each row's columns.
fn multiply(a: &Csr, b: (&[usize], &[u32], &[f64]), cols: usize, sorted: bool) -> Rows {
    let (ptr, js, ws) = b;
    assert_eq!(a.cols() + 1, ptr.len());
    let blocks = (4 * rayon::current_num_threads()).min(a.rows().div_ceil(512)).max(1);
    let each = a.rows().div_ceil(blocks).max(1);
    let parts: Vec<Block> = (0..blocks)
        .into_par_iter()
        .map(|block| {
            let rows = (block * each).min(a.rows())..((block + 1) * each).min(a.rows());
            // The row in which a column was last seen, counted from 1.
            let mut seen = vec![0u32; cols];
            let mut sums = vec![0.0f64; cols];
            let mut lengths = Vec::with_capacity(rows.len());
            let (mut columns, mut values): (Vec<u32>, Vec<f64>) = (vec![], vec![]);
            for (stamp, i) in rows.enumerate() {
                let stamp = stamp as u32 + 1;
                let start = columns.len();
                let (ks, vs) = a.row(i);
                for (&k, &v) in ks.iter().zip(vs) {
                    let row = ptr[k as usize]..ptr[k as usize + 1];
                    for (&j, &w) in js[row.clone()].iter().zip(&ws[row]) {
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
                if sorted {
                    row.sort_unstable();
                }
                values.extend(row.iter().map(|&j| sums[j as usize]));
                lengths.push(columns.len() - start);
            }
            (lengths, columns, values)
        })
        .collect();
    concatenate(a.rows(), &parts)
}

/// R A P. The rows of A P are left in the order in which they arise: nobody searches them.
pub(super) fn triple(r: &Csr, a: &Csr, p: &Csr) -> Csr {
    let ap = multiply(a, (p.row_ptr(), p.columns(), p.values()), p.cols(), false);
    let Rows { ptr, columns, values } = multiply(r, (&ap.ptr, &ap.columns, &ap.values), p.cols(), true);
    Csr::trusted(r.rows(), p.cols(), ptr, columns, values)
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
