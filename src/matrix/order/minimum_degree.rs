//! A fill-reducing order of the rows: approximate minimum degree (Amestoy, Davis and Duff 1996,
//! doi:10.1137/S0895479894278952), by the library faer, on the pattern of A + Aᵀ.
//!
//! For factors that keep most of their fill. Cost: that of a few hundred products.

use crate::error::Result;
use crate::host::halt::Halt;
use crate::matrix::Csr;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::SymbolicSparseColMatRef;
use faer::sparse::linalg::amd;

/// The cost of a complete LU factorisation in an order, counted from the pattern of A + Aᵀ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) multiplications: f64,
    /// Entries of L and U together.
    pub(crate) entries: f64,
}

/// From so many entries on the order takes long enough to be left where there is no time for it.
const LONG: usize = 1 << 17;

/// The row of square `a` moved to each position, and the cost of a complete factorisation in that order.
///
/// # Errors
/// Where `halt` calls.
pub(crate) fn order(a: &Csr, halt: &Halt) -> Result<(Vec<u32>, Cost)> {
    let n = a.rows();
    // The rows of A serve as the columns of Aᵀ: A + Aᵀ is the same.
    let columns: Vec<usize> = a.columns().iter().map(|&j| j as usize).collect();
    if a.nnz() < LONG {
        return Ok(ordered(n, a.row_ptr(), &columns));
    }
    let starts = a.row_ptr().to_vec();
    halt.leaving(move || ordered(n, &starts, &columns))
}

fn ordered(n: usize, starts: &[usize], columns: &[usize]) -> (Vec<u32>, Cost) {
    let pattern = SymbolicSparseColMatRef::new_checked(n, n, starts, None, columns);
    let (mut order, mut place) = (vec![0usize; n], vec![0usize; n]);
    let mut memory = MemBuffer::new(amd::order_scratch::<usize>(n, columns.len()));
    let stack = MemStack::new(&mut memory);
    let found = amd::order(&mut order, &mut place, pattern, amd::Control::default(), stack);
    let cost = found.expect("its numbers are those of a pattern in memory");
    let cost = Cost { multiplications: cost.n_mult_subs_lu, entries: 2.0 * cost.n_div + n as f64 };
    (order.into_iter().map(|i| i as u32).collect(), cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    /// Entries below the diagonal of the complete factor of a symmetric pattern, by elimination.
    fn fill(a: &Csr) -> usize {
        let n = a.rows();
        let mut below: Vec<std::collections::BTreeSet<usize>> = vec![Default::default(); n];
        for i in 0..n {
            below[i].extend(a.row(i).0.iter().map(|&j| j as usize).filter(|&j| j > i));
        }
        for k in 0..n {
            let rows = below[k].clone();
            if let Some(&first) = rows.first() {
                below[first].extend(rows.into_iter().skip(1));
            }
        }
        below.iter().map(|rows| rows.len()).sum()
    }

    #[test]
    fn factors_fill_less() {
        for a in [gallery::poisson2d(24), gallery::arrow(60), gallery::graph_laplacian(400, 4, 1, true)] {
            let (order, cost) = order(&a, &Halt::default()).unwrap();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().enumerate().all(|(i, &j)| i == j as usize), "no permutation");
            let (before, after) = (fill(&a), fill(&a.permuted(&order, &order)));
            assert!(cost.multiplications >= after as f64 && cost.entries >= (2 * after) as f64);
            assert!(2 * after < before + a.nnz() / 2, "{before} {after}");
        }
    }

    #[test]
    fn the_order_of_a_large_matrix_is_left_where_time_is_over() {
        let a = gallery::poisson2d(700);
        let (begun, limit) = (std::time::Instant::now(), std::time::Duration::from_millis(20));
        let late = order(&a, &Halt::default().within(Some(limit)));
        assert!(late.is_err() && begun.elapsed().as_secs_f64() < 0.5, "{:?}", begun.elapsed());
    }

    #[test]
    fn nothing_loops_and_one_sided_entries() {
        assert_eq!(
            order(&gallery::diagonal(&[]), &Halt::default()).unwrap(),
            (vec![], Cost { multiplications: 0.0, entries: 0.0 })
        );
        assert_eq!(order(&gallery::diagonal(&[1.0, 2.0, 3.0]), &Halt::default()).unwrap().0.len(), 3);
        assert_eq!(order(&gallery::jordan(50, 2.0), &Halt::default()).unwrap().0.len(), 50);
    }
}
