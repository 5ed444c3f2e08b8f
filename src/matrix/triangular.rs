//! Triangular matrices as solves see them.

use crate::matrix::Csr;
use std::sync::Arc;

/// T = D + N: N strictly lower or strictly upper, the diagonal D kept by its inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct Triangular {
    strict: Arc<Csr>,
    inverse: Vec<f64>,
    upper: bool,
}

impl Triangular {
    /// The triangle of these parts.
    ///
    /// # Panics
    /// An entry on the wrong side of the diagonal, or a diagonal of another length.
    #[must_use]
    pub fn new(strict: Csr, inverse: Vec<f64>, upper: bool) -> Self {
        assert!(strict.is_square() && strict.rows() == inverse.len(), "a triangle is square");
        let inside = |i: usize| {
            let columns = strict.row(i).0;
            if upper {
                columns.first().is_none_or(|&j| j as usize > i)
            } else {
                columns.last().is_none_or(|&j| (j as usize) < i)
            }
        };
        assert!((0..strict.rows()).all(inside), "an entry on the wrong side of the diagonal");
        Self { strict: Arc::new(strict), inverse, upper }
    }

    /// N.
    #[must_use]
    pub fn strict(&self) -> &Csr {
        &self.strict
    }

    /// N, shared.
    #[must_use]
    pub fn strict_shared(&self) -> Arc<Csr> {
        Arc::clone(&self.strict)
    }

    /// Where ranges of rows start that need no rows of other ranges, and the end: `[0, n]` where all hang together.
    /// Cost: one look at each row.
    #[must_use]
    pub fn parts(&self) -> Vec<usize> {
        let n = self.rows();
        let mut starts = vec![];
        // Rows from i on need none before i (lower), rows before i none from i on (upper).
        let mut reach = if self.upper { 0 } else { n };
        if self.upper {
            for i in 0..n {
                if reach <= i {
                    starts.push(i);
                }
                reach = reach.max(self.strict.row(i).0.last().map_or(0, |&j| j as usize + 1));
            }
        } else {
            for i in (0..n).rev() {
                reach = reach.min(self.strict.row(i).0.first().map_or(n, |&j| j as usize));
                if reach >= i {
                    starts.push(i);
                }
            }
            starts.reverse();
        }
        starts.push(n);
        starts
    }

    /// The inverse of D.
    #[must_use]
    pub fn inverse_diagonal(&self) -> &[f64] {
        &self.inverse
    }

    /// True where N is strictly upper.
    #[must_use]
    pub fn is_upper(&self) -> bool {
        self.upper
    }

    /// Order of T.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.strict.rows()
    }

    /// Rows by level, and where each level starts: a row needs rows of earlier levels only (Anderson and
    /// Saad 1989, doi:10.1142/S0129053389000056). Cost: one pass over N.
    #[must_use]
    pub fn levels(&self) -> (Vec<u32>, Vec<usize>) {
        let n = self.rows();
        let mut level = vec![0u32; n];
        let mut visit = |i: usize| {
            let deepest = self.strict.row(i).0.iter().map(|&j| level[j as usize] + 1).max();
            level[i] = deepest.unwrap_or(0);
        };
        if self.upper {
            (0..n).rev().for_each(&mut visit)
        } else {
            (0..n).for_each(&mut visit)
        }
        let count = level.iter().max().map_or(0, |&l| l as usize + 1);
        let mut start = vec![0usize; count + 1];
        level.iter().for_each(|&l| start[l as usize + 1] += 1);
        for l in 0..count {
            start[l + 1] += start[l];
        }
        let mut next = start.clone();
        let mut order = vec![0u32; n];
        for (i, &l) in level.iter().enumerate() {
            order[next[l as usize]] = i as u32;
            next[l as usize] += 1;
        }
        (order, start)
    }

    /// T⁻¹ x in f64.
    #[must_use]
    pub fn solve(&self, x: &[f64]) -> Vec<f64> {
        let mut y = x.to_vec();
        let mut row = |i: usize| {
            let (columns, values) = self.strict.row(i);
            let sum: f64 = columns.iter().zip(values).map(|(&j, v)| v * y[j as usize]).sum();
            y[i] = (y[i] - sum) * self.inverse[i];
        };
        if self.upper {
            (0..x.len()).rev().for_each(&mut row)
        } else {
            (0..x.len()).for_each(&mut row)
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn solves_and_levels() {
        // 2 on the diagonal, -1 below: y_i = (x_i + y_{i-1}) / 2.
        let strict = gallery::tridiagonal(4, -1.0, 0.0, 0.0);
        let t = Triangular::new(strict.clone(), vec![0.5; 4], false);
        assert_eq!(t.solve(&[2.0, 1.0, 1.0, 3.0]), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(t.levels(), (vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4]));
        let u = Triangular::new(strict.transpose(), vec![0.5; 4], true);
        assert_eq!(u.solve(&[3.0, 1.0, 1.0, 2.0]), [2.0, 1.0, 1.0, 1.0]);
        assert_eq!(u.levels(), (vec![3, 2, 1, 0], vec![0, 1, 2, 3, 4]));
        assert_eq!((t.parts(), u.parts()), (vec![0, 4], vec![0, 4]));
        // Blocks {0, 1}, {2} and {3, 4}.
        let blocks = gallery::tridiagonal(5, -1.0, 0.0, 0.0);
        let values: Vec<f64> = [1.0, 0.0, 0.0, 1.0].into();
        let kept = (0..4).filter(|&k| values[k] != 0.0);
        let (columns, row_ptr) = (kept.map(|k| blocks.columns()[k]).collect(), vec![0, 0, 1, 1, 1, 2]);
        let cut = Csr::new(5, 5, row_ptr, columns, vec![1.0; 2]).unwrap();
        assert_eq!(Triangular::new(cut.clone(), vec![1.0; 5], false).parts(), [0, 2, 3, 5]);
        assert_eq!(Triangular::new(cut.transpose(), vec![1.0; 5], true).parts(), [0, 2, 3, 5]);
        let empty = Triangular::new(gallery::diagonal(&[]), vec![], false);
        assert_eq!(empty.levels(), (vec![], vec![0]));
    }
}
