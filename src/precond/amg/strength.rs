//! Which entries couple strongly: the graph that is aggregated.

use super::galerkin;
use crate::error::Result;
use crate::host::halt::Halt;
use crate::matrix::Csr;
use rayon::prelude::*;

/// Two flags per entry of A.
pub(super) struct Strength {
    flags: Vec<Flags>,
}

/// How an entry couples.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    /// Strongly for both rows: they may share an aggregate.
    pub(super) both: bool,
    /// Strongly for its own row: the row depends on the other unknown, though perhaps not vice versa.
    pub(super) row: bool,
}

/// A row whose off-diagonal entries sum to at most this fraction of the diagonal is left to the smoother.
const DOMINANT: f64 = 0.1;

impl Strength {
    /// Entry (i, j) is strong where |a_ij| ≥ θ √(m_i m_j) with m_i the largest off-diagonal |a_ik| of row i.
    ///
    /// Vaněk, Mandel and Brezina (1996, doi:10.1007/BF02238511) compare with √(a_ii a_jj). On stencils with
    /// many equal neighbours (27 points: 1/26 of the diagonal each) that calls all of them weak; compared with the
    /// strongest neighbour they are all strong, and the weak direction of an anisotropic operator stays weak.
    /// Symmetric for symmetric A. Where coefficients jump, a row on the soft side depends on its stiff neighbour, but
    /// not vice versa: such an entry is strong for its row, |a_ij| ≥ θ m_i, and for interpolation, but not for both
    /// rows. Cost: two passes over A.
    pub(super) fn new(a: &Csr, theta: f64) -> Self {
        let largest: Vec<f64> = (0..a.rows()).into_par_iter().with_min_len(1024).map(|i| strongest(a, i, i)).collect();
        let mut all = vec![Flags::default(); a.nnz()];
        let mut rows: Vec<&mut [Flags]> = Vec::with_capacity(a.rows().div_ceil(BLOCK));
        let mut rest = all.as_mut_slice();
        for block in 0..a.rows().div_ceil(BLOCK) {
            let (first, end) = (block * BLOCK, ((block + 1) * BLOCK).min(a.rows()));
            let (head, tail) = rest.split_at_mut(a.row_ptr()[end] - a.row_ptr()[first]);
            rows.push(head);
            rest = tail;
        }
        rows.into_par_iter().enumerate().for_each(|(block, flags)| {
            let (first, end) = (block * BLOCK, ((block + 1) * BLOCK).min(a.rows()));
            let start = a.row_ptr()[first];
            for i in first..end {
                let (here, root) = (theta * largest[i], theta * largest[i].sqrt());
                for k in a.row_ptr()[i]..a.row_ptr()[i + 1] {
                    let (j, v) = (a.columns()[k] as usize, a.values()[k].abs());
                    let other = j != i && v > 0.0;
                    flags[k - start] = Flags { both: other && v >= root * largest[j].sqrt(), row: other && v >= here };
                }
            }
        });
        Self { flags: all }
    }

    /// What is strong for its own row, among a rank's rows; the diagonal of the first one is in column `first`.
    pub(super) fn of_rows(a: &Csr, first: usize, theta: f64) -> Self {
        let row = |i: usize| {
            let here = theta * strongest(a, i, first + i);
            let (columns, values) = a.row(i);
            let flags = move |(&j, v): (&u32, &f64)| {
                let row = j as usize != first + i && v.abs() > 0.0 && v.abs() >= here;
                Flags { both: false, row }
            };
            columns.iter().zip(values).map(flags)
        };
        Self { flags: (0..a.rows()).flat_map(row).collect() }
    }

    /// The strong columns of row i.
    pub(super) fn row<'a>(&'a self, a: &'a Csr, i: usize) -> impl Iterator<Item = usize> + Clone + 'a {
        let range = a.row_ptr()[i]..a.row_ptr()[i + 1];
        self.flags[range.clone()].iter().zip(&a.columns()[range]).filter(|e| e.0.both).map(|e| *e.1 as usize)
    }

    /// The flags of row i, in the order of its entries.
    pub(super) fn flags(&self, a: &Csr, i: usize) -> &[Flags] {
        &self.flags[a.row_ptr()[i]..a.row_ptr()[i + 1]]
    }
}

/// The largest |a_ij| of row i but that in column `own`; infinite where the row is dominant.
fn strongest(a: &Csr, i: usize, own: usize) -> f64 {
    let (columns, values) = a.row(i);
    let (mut most, mut sum, mut diagonal) = (0.0f64, 0.0, 0.0);
    for (&j, v) in columns.iter().zip(values) {
        if j as usize == own {
            diagonal = v.abs();
        } else {
            most = most.max(v.abs());
            sum += v.abs();
        }
    }
    // Nothing is strong for a row that the smoother alone can solve.
    if sum <= DOMINANT * diagonal { f64::INFINITY } else { most }
}

const BLOCK: usize = 4096;

/// The matrix of Frobenius norms of the b × b blocks, one row per node; `None` for b = 1. Cost: one pass over A.
///
/// # Errors
/// Where `halt` calls.
pub(super) fn by_node(a: &Csr, b: usize, halt: &Halt) -> Result<Option<Csr>> {
    if b == 1 {
        return Ok(None);
    }
    let n = a.rows() / b;
    let norms = galerkin::by_blocks(n, n, |nodes, (lengths, columns, values)| {
        for node in nodes {
            halt.check_at(node)?;
            let start = columns.len();
            for i in node * b..(node + 1) * b {
                // The rows of a node usually share one pattern, so this merge seldom inserts an entry.
                let mut at = start;
                for (&j, v) in a.row(i).0.iter().zip(a.row(i).1) {
                    let j = j / b as u32;
                    while columns.get(at).is_some_and(|&c| c < j) {
                        at += 1;
                    }
                    if columns.get(at) != Some(&j) {
                        columns.insert(at, j);
                        values.insert(at, 0.0);
                    }
                    values[at] += v * v;
                }
            }
            values[start..].iter_mut().for_each(|v| *v = v.sqrt());
            lengths.push(columns.len() - start);
        }
        Ok(())
    })?;
    Ok(Some(norms))
}
