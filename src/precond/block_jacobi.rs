//! Block Jacobi: M = diag(A_11, A_22, …)⁻¹, one product with a block diagonal matrix.
//!
//! `block_jacobi:3` takes blocks of three rows, which suits systems with three unknowns per node, ordered node by node;
//! `block_jacobi` finds the blocks: consecutive rows with entries in the same columns (supervariables), such as the
//! unknowns of a node. Set-up: n b² operations; one application: n b multiplications.

use super::{Preconditioner, Updates};
use crate::error::{Error, Result};
use crate::host::dense::inverse::pseudo_inverse;
use crate::matrix::Csr;
use crate::op::{Operator, Program, Role, Space, Vector};
use rayon::prelude::*;
use std::sync::Arc;

/// The inverses of the diagonal blocks.
pub struct BlockJacobi {
    /// Where each block starts, and the end.
    starts: Vec<usize>,
    definite: bool,
    inverse: Arc<Csr>,
    handle: Option<Operator>,
}

impl BlockJacobi {
    /// Inverts the blocks of `size` rows of `a`; the last may be smaller.
    ///
    /// # Errors
    /// A size outside 1 to 128; [`Error::Preconditioner`] with a row of the first block that is singular, or not
    /// positive definite if M must be.
    pub fn new(a: &Csr, size: usize, definite: bool) -> Result<Self> {
        if !(1..=LARGEST).contains(&size) {
            return Err(Error::input(format!("the block size is {size}; it must be a number from 1 to {LARGEST}")));
        }
        let n = a.rows();
        Self::with_blocks(a, (0..n).step_by(size).chain([n]).collect(), definite)
    }

    /// Inverts the blocks of rows that share a pattern.
    ///
    /// # Errors
    /// As [`BlockJacobi::new`].
    pub fn found(a: &Csr, definite: bool) -> Result<Self> {
        Self::with_blocks(a, supervariables(a), definite)
    }

    fn with_blocks(a: &Csr, starts: Vec<usize>, definite: bool) -> Result<Self> {
        let inverse = Arc::new(inverse(a, &starts, definite)?);
        Ok(Self { starts, definite, inverse, handle: None })
    }
}

/// Maximum number of rows in a block.
const LARGEST: usize = 128;

/// Where each run of consecutive rows of one pattern starts, and the end. A row joins a run only if the pattern
/// contains its own column, and while the run has fewer than [`LARGEST`] rows.
fn supervariables(a: &Csr) -> Vec<usize> {
    let n = a.rows();
    let mut starts = vec![];
    for i in 0..n {
        let joins = starts.last().is_some_and(|&first: &usize| {
            i - first < LARGEST && a.row(i).0 == a.row(first).0 && a.row(i).0.binary_search(&(i as u32)).is_ok()
        });
        if !joins {
            starts.push(i);
        }
    }
    starts.push(n);
    starts
}

fn inverse(a: &Csr, starts: &[usize], definite: bool) -> Result<Csr> {
    let n = a.rows();
    let blocks: Vec<Vec<f64>> = starts
        .par_windows(2)
        .with_min_len(64)
        .map(|w| {
            let (first, end) = (w[0], w[1]);
            let m = end - first;
            let mut dense = vec![0.0; m * m];
            for i in first..end {
                let (columns, values) = a.row(i);
                let from = columns.partition_point(|&j| (j as usize) < first);
                for (&j, &v) in columns[from..].iter().zip(&values[from..]).take_while(|e| (*e.0 as usize) < end) {
                    dense[(i - first) * m + j as usize - first] = v;
                }
            }
            invert(&dense, m, definite).map_err(|(row, what)| Error::Preconditioner {
                row: first + row,
                message: format!("its diagonal block of {m} rows is {what}"),
            })
        })
        .collect::<Result<_>>()?;
    let mut row_ptr = vec![0];
    let (mut columns, mut values) = (vec![], vec![]);
    for (w, block) in starts.windows(2).zip(&blocks) {
        let (first, m) = (w[0], w[1] - w[0]);
        for row in block.chunks(m) {
            columns.extend((first..first + m).map(|j| j as u32));
            values.extend_from_slice(row);
            row_ptr.push(columns.len());
        }
    }
    Ok(Csr::trusted(n, n, row_ptr, columns, values))
}

/// The inverse of a block, symmetric where `definite`.
fn invert(a: &[f64], m: usize, definite: bool) -> std::result::Result<Vec<f64>, (usize, &'static str)> {
    let mut b = pseudo_inverse(a.to_vec(), m).ok_or((0, "beyond f64's range"))?;
    for i in 0..m {
        let row: f64 = (0..m).map(|k| a[i * m + k] * b[k * m + i]).sum();
        // For a singular block, A times its pseudo-inverse is a projector, with less than 1 on the diagonal.
        if (row - 1.0).abs() > 1e-6 {
            return Err((i, "singular"));
        }
    }
    if definite {
        for i in 0..m {
            for j in 0..i {
                let mean = 0.5 * (b[i * m + j] + b[j * m + i]);
                (b[i * m + j], b[j * m + i]) = (mean, mean);
            }
        }
        // Elimination on the inverse, only to check the signs of its pivots.
        let mut c = b.clone();
        for k in 0..m {
            let d = c[k * m + k];
            if d.is_nan() || d <= 0.0 {
                return Err((k, "not positive definite"));
            }
            for i in k + 1..m {
                let f = c[i * m + k] / d;
                for j in k..m {
                    c[i * m + j] -= f * c[k * m + j];
                }
            }
        }
    }
    Ok(b)
}

impl Preconditioner for BlockJacobi {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.handle = Some(space.operator("block_inverse", Arc::clone(&self.inverse), -exponent, Role::Working));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        p.apply(self.handle.expect("installed before use"), r, z);
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        self.inverse = Arc::new(inverse(a, &self.starts, self.definite)?);
        let operators = self.handle.map(|h| (h, Arc::clone(&self.inverse), -exponent)).into_iter().collect();
        Ok(Updates { operators, ..Updates::default() })
    }

    fn describe(&self) -> Vec<String> {
        let largest = self.starts.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        vec![format!("block_jacobi: {} blocks, the largest of {largest} rows", self.starts.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Triplets, gallery};

    #[test]
    fn blocks_are_found() {
        // Two unknowns a point, each coupled to both of every neighbour.
        let grid = gallery::poisson2d(5);
        let mut t = Triplets::new(50, 50).unwrap();
        for i in 0..50 {
            for (&j, &v) in grid.row(i / 2).0.iter().zip(grid.row(i / 2).1) {
                (0..2).for_each(|c| t.push(i, 2 * j as usize + c, if c == i % 2 { v } else { 0.3 * v }).unwrap());
            }
        }
        assert_eq!(supervariables(&t.to_csr().unwrap()), (0..=50).step_by(2).collect::<Vec<_>>());
        // A scalar stencil has none but the rows themselves, a full matrix is one.
        assert_eq!(supervariables(&gallery::poisson2d(4)).len(), 17);
        assert_eq!(supervariables(&gallery::hilbert(6)), [0, 6]);
        assert_eq!(supervariables(&gallery::diagonal(&[])), [0]);
    }
}
