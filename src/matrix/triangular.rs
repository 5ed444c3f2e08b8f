//! Triangular matrices for triangular solves.

use crate::matrix::{Csr, inverse_order};
use std::ops::Range;
use std::sync::Arc;

/// T = D + N, where the diagonal D is stored as its inverse. N is strictly lower or strictly upper, possibly after a
/// permutation: row i has entries only in the columns of rows that are solved before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Triangular {
    strict: Arc<Csr>,
    inverse: Vec<f64>,
    order: RowOrder,
}

/// The order in which rows can be solved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RowOrder {
    /// The first row first: N is strictly lower.
    Down,
    /// The last row first: N is strictly upper.
    Up,
    /// Block after block as listed, each from its last row up if `up`, else down.
    Blocks { list: Vec<Range<u32>>, up: bool },
}

impl RowOrder {
    /// The rows of a triangle of order `n`.
    fn each(&self, n: usize, f: &mut dyn FnMut(usize)) {
        match self {
            Self::Down => (0..n).for_each(f),
            Self::Up => (0..n).rev().for_each(f),
            Self::Blocks { list, up: false } => list.iter().for_each(|b| rows(b).for_each(&mut *f)),
            Self::Blocks { list, up: true } => list.iter().for_each(|b| rows(b).rev().for_each(&mut *f)),
        }
    }
}

fn rows(block: &Range<u32>) -> Range<usize> {
    block.start as usize..block.end as usize
}

/// The strict triangles of `a`, with its rows in natural order or in that of the listed blocks: entries in columns of
/// rows that come earlier, and in those of rows that come later.
pub(crate) fn split(a: &Csr, blocks: Option<&[Range<u32>]>) -> [Csr; 2] {
    let rank = blocks.map(|list| inverse_order(&list.iter().flat_map(|b| b.clone()).collect::<Vec<u32>>()));
    let earlier = |j: usize, i: usize| rank.as_ref().map_or(j < i, |rank| rank[j] < rank[i]);
    [true, false].map(|first| {
        let (mut row_ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
        for i in 0..a.rows() {
            let beside = |j: usize| j != i && earlier(j, i) == first;
            for (&j, &v) in a.row(i).0.iter().zip(a.row(i).1).filter(|e| beside(*e.0 as usize)) {
                columns.push(j);
                values.push(v);
            }
            row_ptr.push(columns.len());
        }
        Csr::trusted(a.rows(), a.cols(), row_ptr, columns, values)
    })
}

/// The triangles with the strict parts that [`split`] gave for these blocks: the first is solved in that order, the
/// second in reverse.
pub(crate) fn halves(
    strict: [Csr; 2],
    inverse: [Vec<f64>; 2],
    blocks: Option<Vec<Range<u32>>>,
) -> [Arc<Triangular>; 2] {
    let orders = match blocks {
        None => [RowOrder::Down, RowOrder::Up],
        Some(list) => {
            let against = list.iter().rev().cloned().collect();
            [RowOrder::Blocks { list, up: false }, RowOrder::Blocks { list: against, up: true }]
        }
    };
    let ([l, u], [d, e], [down, up]) = (strict, inverse, orders);
    [Triangular::with(l, d, down), Triangular::with(u, e, up)].map(Arc::new)
}

/// Indices in the order of their classes, and where each class starts.
pub(super) fn by_class(class: &[u32]) -> (Vec<u32>, Vec<usize>) {
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
    /// The triangle with these parts.
    ///
    /// # Panics
    /// An entry on the wrong side of the diagonal, or a diagonal of another length.
    #[must_use]
    pub fn new(strict: Csr, inverse: Vec<f64>, upper: bool) -> Self {
        Self::with(strict, inverse, if upper { RowOrder::Up } else { RowOrder::Down })
    }

    fn with(strict: Csr, inverse: Vec<f64>, order: RowOrder) -> Self {
        let n = strict.rows();
        assert!(strict.is_square() && n == inverse.len(), "a triangle is square");
        let mut solved = vec![false; n];
        order.each(n, &mut |i| {
            assert!(strict.row(i).0.iter().all(|&j| solved[j as usize]), "an entry on the wrong side of the diagonal");
            assert!(!std::mem::replace(&mut solved[i], true), "row {i} is listed twice");
        });
        assert!(solved.iter().all(|&s| s), "a row is not listed");
        Self { strict: Arc::new(strict), inverse, order }
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

    /// Blocks of rows, each to be solved from one end to the other, and where each stage starts in their list: a block
    /// depends only on its own rows and on earlier stages. For `Down` and `Up` there is one stage, of the independent
    /// blocks of the triangle. Cost: one pass over the entries.
    #[must_use]
    pub(crate) fn stages(&self) -> (Vec<Range<u32>>, Vec<usize>) {
        let RowOrder::Blocks { list, .. } = &self.order else {
            let blocks: Vec<_> = self.parts().windows(2).map(|w| w[0] as u32..w[1] as u32).collect();
            let end = blocks.len();
            return (blocks, vec![0, end]);
        };
        let mut solved = vec![u32::MAX; self.rows()];
        let mut starts = vec![0];
        for (k, block) in list.iter().enumerate() {
            let stage = starts.len() as u32;
            let mut others = rows(block).flat_map(|i| self.strict.row(i).0).filter(|j| !block.contains(j));
            if others.any(|&j| solved[j as usize] == stage) {
                starts.push(k);
            }
            solved[rows(block)].fill(starts.len() as u32);
        }
        starts.push(list.len());
        (list.clone(), starts)
    }

    /// Starts of the ranges of rows that are independent of each other, and the end: `[0, n]` if there is only one.
    fn parts(&self) -> Vec<usize> {
        let n = self.rows();
        let mut starts = vec![];
        if self.is_upper() {
            // Rows before i do not depend on rows from i on.
            let mut reach = 0;
            for i in 0..n {
                if reach <= i {
                    starts.push(i);
                }
                reach = reach.max(self.strict.row(i).0.last().map_or(0, |&j| j as usize + 1));
            }
        } else {
            // Rows from i on do not depend on rows before i.
            let mut reach = n;
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

    /// The order in which rows can be solved.
    #[must_use]
    pub(crate) fn order(&self) -> &RowOrder {
        &self.order
    }

    /// True if N is strictly upper.
    #[must_use]
    pub fn is_upper(&self) -> bool {
        self.order == RowOrder::Up
    }

    /// Order of T.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.strict.rows()
    }

    /// Rows by level, and where each level starts: a row depends on earlier levels only (Anderson and
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
        let all = 0..4;
        assert_eq!(t.stages(), (vec![all], vec![0, 1]));
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
    fn triangular_under_an_order() {
        // Even rows first: the odd ones need both neighbours.
        let a = gallery::tridiagonal(5, -1.0, 4.0, -2.0);
        let order: Vec<Range<u32>> = [0, 2, 4, 1, 3].map(|i| i..i + 1).into();
        let [first, second] = split(&a, Some(&order));
        assert_eq!((first.row(1).0, first.row(2).0), (&[0, 2][..], &[][..]));
        let quarter = || [vec![0.25; 5], vec![0.25; 5]];
        let [t, u] = halves([first.clone(), second.clone()], quarter(), Some(order.clone()));
        assert_eq!(t.levels(), (vec![0, 2, 4, 1, 3], vec![0, 3, 5]));
        assert_eq!(u.levels(), (vec![1, 3, 0, 2, 4], vec![0, 2, 5]));
        assert_eq!(t.stages(), (order.clone(), vec![0, 3, 5]));
        assert_eq!(t.solve(&[4.0, 1.0, 8.0, 2.0, 4.0]), [1.0, 1.5, 2.0, 1.5, 1.0]);
        // The reverse order, a row twice, a row left out.
        for list in [order.iter().rev().cloned().collect(), [&order[..4], &order[3..4]].concat(), order[..4].to_vec()] {
            let parts = [first.clone(), second.clone()];
            assert!(std::panic::catch_unwind(|| halves(parts, quarter(), Some(list))).is_err());
        }
        // Two rows per block: the first and the last block are solved in parallel.
        let blocks: Vec<Range<u32>> = vec![0..2, 4..5, 2..4];
        let [t, u] = halves(split(&a, Some(&blocks)), quarter(), Some(blocks.clone()));
        assert_eq!(t.stages(), (blocks, vec![0, 2, 3]));
        assert_eq!(u.stages(), (vec![2..4, 4..5, 0..2], vec![0, 1, 3]));
        assert_eq!(u.levels().0, [3, 2, 4, 1, 0]);
    }
}
