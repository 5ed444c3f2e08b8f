//! Triangular matrices as solves see them.

use crate::matrix::Csr;
use std::sync::Arc;

/// T = D + N, the diagonal D kept by its inverse. N is strictly lower or strictly upper, or it would be with its rows in
/// another order: row i has entries only in the columns of rows that are solved before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Triangular {
    strict: Arc<Csr>,
    inverse: Vec<f64>,
    order: RowOrder,
}

/// In which order rows can be solved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RowOrder {
    /// The first row first: N is strictly lower.
    Down,
    /// The last row first: N is strictly upper.
    Up,
    /// As listed.
    Listed(Vec<u32>),
}

impl RowOrder {
    /// The rows of a triangle of order `n`.
    fn each(&self, n: usize, f: &mut dyn FnMut(usize)) {
        match self {
            Self::Down => (0..n).for_each(f),
            Self::Up => (0..n).rev().for_each(f),
            Self::Listed(rows) => rows.iter().for_each(|&i| f(i as usize)),
        }
    }
}

/// The entries of `a` beside its diagonal in columns j that are solved before row i, `before(j, i)`, and the others.
pub(crate) fn split(a: &Csr, before: impl Fn(usize, usize) -> bool) -> (Csr, Csr) {
    let half = |first: bool| {
        let (mut row_ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
        for i in 0..a.rows() {
            let (cs, vs) = a.row(i);
            let beside = cs.iter().zip(vs).filter(|e| *e.0 as usize != i && before(*e.0 as usize, i) == first);
            beside.for_each(|(&j, &v)| {
                columns.push(j);
                values.push(v);
            });
            row_ptr.push(columns.len());
        }
        Csr::trusted(a.rows(), a.cols(), row_ptr, columns, values)
    };
    (half(true), half(false))
}

/// Places in the order of their classes, and where each class starts.
fn by_class(class: &[u32]) -> (Vec<u32>, Vec<usize>) {
    let count = class.iter().max().map_or(0, |&l| l as usize + 1);
    let mut start = vec![0usize; count + 1];
    class.iter().for_each(|&l| start[l as usize + 1] += 1);
    for l in 0..count {
        start[l + 1] += start[l];
    }
    let mut next = start.clone();
    let mut order = vec![0u32; class.len()];
    for (i, &l) in class.iter().enumerate() {
        order[next[l as usize]] = i as u32;
        next[l as usize] += 1;
    }
    (order, start)
}

impl Triangular {
    /// The triangle of these parts.
    ///
    /// # Panics
    /// An entry on the wrong side of the diagonal, or a diagonal of another length.
    #[must_use]
    pub fn new(strict: Csr, inverse: Vec<f64>, upper: bool) -> Self {
        Self::with(Arc::new(strict), inverse, if upper { RowOrder::Up } else { RowOrder::Down })
    }

    /// A triangle under an order of its rows: those of class 0 first, then those of class 1, and so on. `class` names the
    /// class of each row.
    ///
    /// # Panics
    /// An entry in the column of a row that is solved later; a diagonal or classes of another length.
    #[must_use]
    pub fn by_classes(strict: Arc<Csr>, inverse: Vec<f64>, class: &[u32]) -> Self {
        assert_eq!(class.len(), inverse.len(), "a class for each row");
        Self::with(strict, inverse, RowOrder::Listed(by_class(class).0))
    }

    fn with(strict: Arc<Csr>, inverse: Vec<f64>, order: RowOrder) -> Self {
        let n = strict.rows();
        assert!(strict.is_square() && n == inverse.len(), "a triangle is square");
        let mut solved = vec![false; n];
        order.each(n, &mut |i| {
            assert!(strict.row(i).0.iter().all(|&j| solved[j as usize]), "an entry on the wrong side of the diagonal");
            solved[i] = true;
        });
        Self { strict, inverse, order }
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

    /// Where ranges of rows start that need no rows of other ranges, and the end: `[0, n]` where all hang together or the
    /// order is another than up or down. Cost: one look at each row.
    #[must_use]
    pub fn parts(&self) -> Vec<usize> {
        let n = self.rows();
        let mut starts = vec![];
        match self.order {
            // Rows before i need none from i on.
            RowOrder::Up => {
                let mut reach = 0;
                for i in 0..n {
                    if reach <= i {
                        starts.push(i);
                    }
                    reach = reach.max(self.strict.row(i).0.last().map_or(0, |&j| j as usize + 1));
                }
            }
            // Rows from i on need none before i.
            RowOrder::Down => {
                let mut reach = n;
                for i in (0..n).rev() {
                    reach = reach.min(self.strict.row(i).0.first().map_or(n, |&j| j as usize));
                    if reach >= i {
                        starts.push(i);
                    }
                }
                starts.reverse();
            }
            RowOrder::Listed(_) => starts.extend((n > 0).then_some(0)),
        }
        starts.push(n);
        starts
    }

    /// The inverse of D.
    #[must_use]
    pub fn inverse_diagonal(&self) -> &[f64] {
        &self.inverse
    }

    /// In which order rows can be solved.
    #[must_use]
    pub(crate) fn order(&self) -> &RowOrder {
        &self.order
    }

    /// True where N is strictly upper.
    #[must_use]
    pub fn is_upper(&self) -> bool {
        self.order == RowOrder::Up
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
        let mut level = vec![0u32; self.rows()];
        self.order.each(self.rows(), &mut |i| {
            let deepest = self.strict.row(i).0.iter().map(|&j| level[j as usize] + 1).max();
            level[i] = deepest.unwrap_or(0);
        });
        by_class(&level)
    }

    /// T⁻¹ x in f64.
    #[must_use]
    pub fn solve(&self, x: &[f64]) -> Vec<f64> {
        let mut y = x.to_vec();
        self.order.each(x.len(), &mut |i| {
            let (columns, values) = self.strict.row(i);
            let sum: f64 = columns.iter().zip(values).map(|(&j, v)| v * y[j as usize]).sum();
            y[i] = (y[i] - sum) * self.inverse[i];
        });
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

    #[test]
    fn triangular_by_classes() {
        // Even rows first: the odd ones need both neighbours.
        let a = gallery::tridiagonal(5, -1.0, 4.0, -2.0);
        let class = [0, 1, 0, 1, 0];
        let (first, second) = split(&a, |j, i| class[j] < class[i]);
        assert_eq!((first.row(1).0, first.row(2).0), (&[0, 2][..], &[][..]));
        let t = Triangular::by_classes(Arc::new(first), vec![0.25; 5], &class);
        assert_eq!(t.levels(), (vec![0, 2, 4, 1, 3], vec![0, 3, 5]));
        assert_eq!(t.parts(), [0, 5]);
        assert_eq!(t.solve(&[4.0, 1.0, 8.0, 2.0, 4.0]), [1.0, 1.5, 2.0, 1.5, 1.0]);
        let back = std::panic::catch_unwind(|| Triangular::by_classes(Arc::new(second), vec![0.25; 5], &class));
        assert!(back.is_err(), "the other half goes the other way");
    }
}
