//! ILUT, incomplete factors by threshold (Saad 1994, doi:10.1002/nla.1680010405; Iterative Methods, 2nd ed., algorithm
//! 10.6): keeps fill that is large, whatever the pattern of A.
//!
//! An entry below `drop` times the row's mean size is dropped; a row then keeps the largest entries of its L and of its
//! U, `fill` times as many as A has there and ten more. For matrices far from diagonally dominant, where ILU(0)
//! is too coarse. Set-up: one thread, about n times the square of the entries kept per row.

use super::diagonal::unit;
use super::ilu::{Factored, Fault, Fill, Limits, Pivots, finished, go_on};
use crate::host::scale::largest;
use crate::matrix::Csr;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Entries that a row of L and of U may have in addition, whatever the growth.
const EXTRA: usize = 10;

/// Part of the rows after which the rest is expected to take as much a row: later ones rarely take less.
const TELLING: usize = 16;

/// Nanoseconds for a multiplication, and for an entry of A or of the factors, as measured (`plan/candidates.rs`).
pub(crate) const PACE: (u64, u64) = (4, 60);

/// One triangle growing row by row.
#[derive(Default)]
struct Part {
    row_ptr: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Part {
    fn push(&mut self, mut row: Vec<(u32, f64)>, room: usize) {
        if row.len() > room {
            // Ties are broken by column, so that the choice depends on the entries alone.
            row.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
            row.truncate(room);
        }
        row.sort_unstable_by_key(|e| e.0);
        self.columns.extend(row.iter().map(|e| e.0));
        self.values.extend(row.iter().map(|e| e.1));
        self.row_ptr.push(self.columns.len());
    }
}

/// L and U of A + shift·diag(σ) within the limits. The diagonal of `a` is stored.
pub(super) fn factor(a: &Csr, shift: f64, fill: Fill, pivots: Pivots, limits: &Limits) -> Factored {
    let n = a.rows();
    let (mut operations, mut spent) = (0, 0);
    let unit = unit(a);
    let start = || Part { row_ptr: vec![0], ..Part::default() };
    let (mut lower, mut upper) = (start(), start());
    let mut inverse = vec![0.0; n];
    let mut value = vec![0.0f64; n];
    let mut present = vec![false; n];
    let mut below = BinaryHeap::new();
    for i in 0..n {
        go_on(&limits.halt, i)?;
        let (columns, values) = a.row(i);
        let largest = largest(values);
        let mean = values.iter().map(|v| v.abs()).sum::<f64>() / values.len().max(1) as f64;
        let small = fill.drop * mean;
        let (mut l, mut above) = (vec![], vec![]);
        let mut own = [0usize; 2];
        let before = operations;
        for (&j, &v) in columns.iter().zip(values) {
            let at = j as usize;
            (value[at], present[at]) = (v, true);
            own[usize::from(at > i)] += usize::from(at != i);
            if at < i {
                below.push(Reverse(j))
            } else if at > i {
                above.push(j)
            }
        }
        value[i] += shift * largest * if value[i] < 0.0 { -1.0 } else { 1.0 };
        // Fill may arise below the diagonal, so columns come from a heap, ascending.
        while let Some(Reverse(j)) = below.pop() {
            let at = j as usize;
            let factor = value[at] * inverse[at];
            (value[at], present[at]) = (0.0, false);
            // Compared in units of A, as U's entries are.
            if (factor / inverse[at]).abs() <= small {
                continue;
            }
            l.push((j, factor));
            let row = upper.row_ptr[at]..upper.row_ptr[at + 1];
            operations += row.len() as u64;
            for k in row {
                let c = upper.columns[k];
                let to = c as usize;
                if !present[to] {
                    present[to] = true;
                    if to < i {
                        below.push(Reverse(c))
                    } else if to > i {
                        above.push(c)
                    }
                }
                value[to] -= factor * upper.values[k];
            }
        }
        let pivot = value[i];
        let u: Vec<_> = above.iter().map(|&j| (j, value[j as usize])).filter(|e| e.1.abs() > small).collect();
        above.iter().map(|&j| j as usize).chain([i]).for_each(|j| (value[j], present[j]) = (0.0, false));
        inverse[i] = pivots.inverse(i, pivot, largest, unit)?;
        let l_and_u = l.len() + u.len();
        let room = |own: usize| ((fill.growth * own.max(1) as f64) as usize).saturating_add(EXTRA);
        lower.push(l, room(own[0]));
        upper.push(u, room(own[1]));
        let ns = PACE.0 * (operations - before) + PACE.1 * (columns.len() + l_and_u) as u64;
        spent += ns;
        let expected = if TELLING * i < n { 0 } else { spent / (i + 1) as u64 * n as u64 };
        let entries = lower.columns.len() + upper.columns.len();
        if entries > limits.entries || operations > limits.operations || !limits.halt.spend(ns, expected) {
            return Err(Fault::Limit(i));
        }
    }
    let csr = |p: Part| Csr::trusted(n, n, p.row_ptr, p.columns, p.values);
    finished(csr(lower), csr(upper), inverse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::halt::Halt;
    use crate::host::random::Random;
    use crate::matrix::{Triangular, gallery};

    fn plain(a: &Csr, fill: Fill) -> Factored {
        factor(a, 0.0, fill, Pivots::Kept, &Limits::default())
    }

    fn error(a: &Csr, (l, u): &(Triangular, Triangular)) -> f64 {
        let x = Random::new(1).vector(a.rows());
        let y = u.solve(&l.solve(&a.multiply(&x)));
        crate::host::scale::norm2(&x.iter().zip(&y).map(|(x, y)| x - y).collect::<Vec<_>>())
            / crate::host::scale::norm2(&x)
    }

    #[test]
    fn the_more_is_kept_the_closer() {
        for a in [gallery::convection_diffusion2d(12, [1.5, 0.3]), gallery::random_general(150, 6, 4)] {
            let errors: Vec<f64> = [(1e-1, 1.0), (1e-3, 3.0), (0.0, 1000.0)]
                .map(|(drop, growth)| error(&a, &plain(&a, Fill { drop, growth }).unwrap()))
                .to_vec();
            assert!(errors[0] > 3.0 * errors[1] && errors[1] > 1e3 * errors[2], "{errors:?}");
            assert!(errors[2] < 1e-12, "all of it is a direct solve: {errors:?}");
        }
    }

    #[test]
    fn work_is_counted_and_ends_with_its_budget() {
        let a = gallery::random_general(300, 8, 4);
        let within = |ns: Option<f64>| {
            let halt = Halt::default().with_budget(ns);
            let limits = Limits { halt: halt.clone(), ..Limits::default() };
            (factor(&a, 0.0, Fill { drop: 1e-3, growth: 3.0 }, Pivots::Kept, &limits), halt.overdrawn())
        };
        assert!(matches!(within(None), (Ok(_), None)) && matches!(within(Some(1e9)), (Ok(_), None)));
        // A budget for the entries of A alone.
        let (Err(Fault::Limit(row)), Some((spent, needed))) = within(Some(60.0 * a.nnz() as f64)) else {
            panic!("no end")
        };
        assert!((10..290).contains(&row) && spent > 0.0 && needed >= 60.0 * a.nnz() as f64, "{row} {spent} {needed}");
    }

    #[test]
    fn rows_keep_what_they_may_and_bad_pivots_have_a_row() {
        let a = gallery::poisson2d(20);
        let (l, u) = plain(&a, Fill { drop: 0.0, growth: 0.0 }).unwrap();
        for t in [l, u] {
            assert!((0..a.rows()).all(|i| t.strict().row(i).0.len() <= EXTRA));
        }
        assert_eq!(plain(&gallery::diagonal(&[1.0, 0.0, 2.0]), Fill::default()).err(), None);
        let swap = gallery::tridiagonal(2, 1.0, 0.0, 1.0);
        let swap = super::super::ilu::with_diagonal(&swap);
        assert_eq!(plain(&swap, Fill::default()).err(), Some(Fault::Pivot(0, 0.0)));
    }
}
