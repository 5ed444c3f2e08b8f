//! Maximum-product matching: a row for every column, such that the product of the matched entries is as large as
//! possible, and powers of two that scale these entries to about 1 and no other beyond that (Duff and Koster 2001,
//! doi:10.1137/S0895479899358443).
//!
//! Moves large entries to the diagonal before the incomplete factorisation of matrices whose diagonal is weak or has
//! zeros: circuits, power grids, saddle points. Each column not matched at once gets a shortest augmenting path, with
//! costs log₂ max_i |a_ij| − log₂ |a_ij| and duals that keep reduced costs nonnegative. Cost: between a
//! few passes over the entries and, in the worst case, n such passes; a budget bounds it.

use crate::error::Result;
use crate::host::halt::Halt;
use crate::matrix::Csr;
use crate::matrix::equilibrate::Scales;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A matching of rows to columns, and the scales that go with it.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    /// The row moved to each position of the diagonal.
    pub(crate) rows: Vec<u32>,
    pub(crate) scales: Scales,
}

/// Entries that the search may visit, per entry of A, before it is given up.
const BUDGET: usize = 200;

const FREE: u32 = u32::MAX;

/// Costs and distances in fixed point, in units of 2^−20: with integers the order of the heap is exact and the result
/// the same for A·2^k.
type Cost = i64;
const ONE: f64 = (1 << 20) as f64;

/// log₂|v|, v not zero.
fn log2(v: f64) -> Cost {
    let e = crate::host::scale::exponent(v);
    (f64::from(e) * ONE) as Cost + (crate::host::scale::ldexp(v.abs(), -e).log2() * ONE).round() as Cost
}

/// A matching of square `a`, whose largest entry has the exponent `e`; `None` if A is structurally singular or
/// the budget is spent.
///
/// # Errors
/// Where `halt` calls.
pub(crate) fn matching(a: &Csr, e: i32, halt: &Halt) -> Result<Option<Matching>> {
    let mut ended = Ok(());
    let found = search(a, e, &mut |step| {
        ended = halt.check_at(step);
        ended.is_ok()
    });
    ended.map(|()| found)
}

/// The matching; `None` where `goes_on`, asked at each step, says no.
fn search(a: &Csr, e: i32, goes_on: &mut dyn FnMut(usize) -> bool) -> Option<Matching> {
    // Columns search for rows: A by columns, without zeros.
    let t = a.transpose();
    let n = t.rows();
    let mut start = vec![0];
    let (mut rows, mut costs) = (vec![], vec![]);
    let mut tallest = vec![0; n];
    for j in 0..n {
        goes_on(j).then_some(())?;
        let (is, vs) = t.row(j);
        let entries = || is.iter().zip(vs).filter(|e| *e.1 != 0.0);
        tallest[j] = entries().map(|(_, &v)| log2(v)).max()?;
        for (&i, &v) in entries() {
            rows.push(i);
            costs.push(tallest[j] - log2(v));
        }
        start.push(rows.len());
    }
    let entries = |j: u32| start[j as usize]..start[j as usize + 1];

    // Duals u of rows and v of columns with cost − u − v ≥ 0, and = 0 on the matching.
    let mut u = vec![Cost::MAX; n];
    rows.iter().zip(&costs).for_each(|(&i, &c)| u[i as usize] = u[i as usize].min(c));
    if u.contains(&Cost::MAX) {
        return None;
    }
    let mut v = vec![0; n];
    let (mut column_of, mut row_of) = (vec![FREE; n], vec![FREE; n]);
    for j in 0..n as u32 {
        v[j as usize] = entries(j).map(|k| costs[k] - u[rows[k] as usize]).min()?;
    }
    let tight = |k: &usize, j: u32| costs[*k] - u[rows[*k] as usize] == v[j as usize];
    // How far the search for another row of a matched column has got: a matched row stays matched.
    let mut place: Vec<usize> = start[..n].to_vec();
    for j in 0..n as u32 {
        if let Some(k) = entries(j).find(|k| tight(k, j) && column_of[rows[*k] as usize] == FREE) {
            (column_of[rows[k] as usize], row_of[j as usize]) = (j, rows[k]);
            continue;
        }
        // A row whose column can change to a free one.
        'given_up: for k in entries(j).filter(|k| tight(k, j)) {
            let other = column_of[rows[k] as usize];
            while place[other as usize] < start[other as usize + 1] {
                let k2 = place[other as usize];
                place[other as usize] += 1;
                if tight(&k2, other) && column_of[rows[k2] as usize] == FREE {
                    (column_of[rows[k2] as usize], row_of[other as usize]) = (other, rows[k2]);
                    (column_of[rows[k] as usize], row_of[j as usize]) = (j, rows[k]);
                    break 'given_up;
                }
            }
        }
    }

    // Dijkstra over rows from each unmatched column; a matched row leads on to its column.
    let mut distance = vec![Cost::MAX; n];
    let mut from = vec![FREE; n];
    let mut done = vec![false; n];
    let mut budget = BUDGET.saturating_mul(rows.len());
    let mut steps = 0;
    for root in 0..n as u32 {
        if row_of[root as usize] != FREE {
            continue;
        }
        let mut heap: BinaryHeap<Reverse<(Cost, u32)>> = BinaryHeap::new();
        let mut touched: Vec<u32> = vec![];
        let (mut column, mut reached) = (root, 0);
        // The nearest free row so far: nothing farther matters.
        let (mut nearest, mut last) = (Cost::MAX, FREE);
        loop {
            budget = budget.checked_sub(entries(column).len())?;
            goes_on(steps).then_some(())?;
            steps += 1;
            for k in entries(column) {
                let i = rows[k] as usize;
                let d = reached + costs[k] - u[i] - v[column as usize];
                if done[i] || d >= nearest || d >= distance[i] {
                    continue;
                }
                if distance[i] == Cost::MAX {
                    touched.push(rows[k]);
                }
                (distance[i], from[i]) = (d, column);
                if column_of[i] == FREE {
                    (nearest, last) = (d, rows[k]);
                    if d == reached {
                        break;
                    }
                } else {
                    heap.push(Reverse((d, rows[k])));
                }
            }
            let fresh = |d: Cost, i: u32| !done[i as usize] && d == distance[i as usize];
            let row = loop {
                match heap.pop() {
                    Some(Reverse((d, _))) if d >= nearest => break None,
                    Some(Reverse((d, i))) if fresh(d, i) => break Some(i),
                    Some(_) => {}
                    None => break None,
                }
            };
            let Some(row) = row else { break };
            reached = distance[row as usize];
            done[row as usize] = true;
            column = column_of[row as usize];
        }
        // No free row is reachable from this column.
        if last == FREE {
            return None;
        }
        reached = nearest;
        // Duals first: they need the old partners.
        v[root as usize] += reached;
        for &i in touched.iter().filter(|&&i| done[i as usize]) {
            let gain = reached - distance[i as usize];
            u[i as usize] -= gain;
            v[column_of[i as usize] as usize] += gain;
        }
        // Along the path every row changes to the column it was reached from.
        let mut row = last;
        loop {
            let j = from[row as usize];
            column_of[row as usize] = j;
            let next = std::mem::replace(&mut row_of[j as usize], row);
            if j == root {
                break;
            }
            row = next;
        }
        for i in touched {
            (distance[i as usize], done[i as usize]) = (Cost::MAX, false);
        }
    }

    // |a_ij| 2^(u_i + v_j − tallest_j) ≤ 1, = 1 on the matching; the exponent e of A is split between both.
    let whole = |c: Cost| (c as f64 / ONE).round() as i32;
    let scales = Scales {
        rows: u.iter().map(|&u| whole(u)).collect(),
        columns: v.iter().zip(&tallest).map(|(&v, &t)| whole(v - t) + e).collect(),
    };
    Some(Matching { rows: row_of, scales })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scale::{exponent, ldexp};
    use crate::matrix::gallery;

    /// The largest product of a full permutation, by trying all of them.
    fn best(a: &Csr, j: usize, used: &mut Vec<bool>) -> f64 {
        if j == a.cols() {
            return 1.0;
        }
        let mut most = 0.0f64;
        for i in 0..a.rows() {
            if !used[i] && a.get(i, j) != 0.0 {
                used[i] = true;
                most = most.max(a.get(i, j).abs() * best(a, j + 1, used));
                used[i] = false;
            }
        }
        most
    }

    #[test]
    fn the_product_is_the_largest() {
        for seed in 0..40 {
            let a = gallery::random_general(7, 3, seed);
            let m = matching(&a, 0, &Halt::default()).unwrap().unwrap();
            let product: f64 = m.rows.iter().enumerate().map(|(j, &i)| a.get(i as usize, j).abs()).product();
            let best = best(&a, 0, &mut vec![false; 7]);
            assert!((product / best - 1.0).abs() < 1e-4, "seed {seed}: {product} {best}");
        }
    }

    #[test]
    fn scaled_entries_are_at_most_about_one() {
        for e in [0, 300] {
            let a = gallery::random_general(300, 4, 5);
            let all: Vec<u32> = (0..300).collect();
            let a = a.rebuilt(&all, &all, |i, j, v| ldexp(v, (i * 7 % 50) as i32 - (j * 3 % 40) as i32 + e));
            let e = exponent(crate::host::scale::largest(a.values()));
            let Matching { rows, scales } = matching(&a, e, &Halt::default()).unwrap().unwrap();
            let b = a.rebuilt(&rows, &all, |i, j, v| ldexp(v, scales.rows[i] + scales.columns[j] - e));
            // Both scales are rounded to powers of two.
            assert!(b.values().iter().all(|v| v.abs() <= 2.0));
            assert!(b.diagonal().iter().all(|v| (0.5..=2.0).contains(&v.abs())));
        }
    }

    #[test]
    fn a_shift_is_found_and_singular_patterns_refused() {
        let m = matching(&gallery::cyclic_shift(6), 0, &Halt::default()).unwrap().unwrap();
        let b = gallery::cyclic_shift(6).permuted(&m.rows, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(b.diagonal(), [1.0; 6]);
        assert!(matching(&gallery::jordan(5, 0.0), 0, &Halt::default()).unwrap().is_none());
    }
}
