//! Reverse Cuthill–McKee: an order of the rows in which entries lie near the diagonal (Cuthill and McKee 1969,
//! doi:10.1145/800195.805928; reversed by George), from a pseudo-peripheral row (George and Liu 1979,
//! doi:10.1145/355841.355845).
//!
//! For products with scattered gathers, and for incomplete factors. Works on the pattern of A + Aᵀ, component by
//! component. Cost: a few breadth-first searches, that of 30 to 50 products.

use crate::error::Result;
use crate::host::halt::Halt;
use crate::matrix::Csr;
use rayon::prelude::*;
use std::borrow::Cow;

/// The adjacency graph: the pattern of A + Aᵀ.
pub(super) struct Graph<'a> {
    start: Cow<'a, [usize]>,
    neighbours: Cow<'a, [u32]>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(a: &'a Csr) -> Self {
        if a.mirrored(|_, _, _| false) {
            return Self { start: a.row_ptr().into(), neighbours: a.columns().into() };
        }
        let t = a.transpose();
        let (mut start, mut neighbours) = (vec![0], Vec::with_capacity(a.nnz() + a.nnz() / 2));
        for i in 0..a.rows() {
            let first = neighbours.len();
            neighbours.extend_from_slice(a.row(i).0);
            neighbours.extend_from_slice(t.row(i).0);
            neighbours[first..].sort_unstable();
            let mut kept = first;
            for k in first..neighbours.len() {
                if kept == first || neighbours[kept - 1] != neighbours[k] {
                    neighbours[kept] = neighbours[k];
                    kept += 1;
                }
            }
            neighbours.truncate(kept);
            start.push(kept);
        }
        Self { start: start.into(), neighbours: neighbours.into() }
    }

    fn degree(&self, i: u32) -> usize {
        self.start[i as usize + 1] - self.start[i as usize]
    }

    pub(super) fn neighbours(&self, i: u32) -> &[u32] {
        &self.neighbours[self.start[i as usize]..self.start[i as usize + 1]]
    }

    /// Rows in the order of a breadth-first search from `root`; returns the start of the last level and the number of
    /// levels. `seen` holds the number of the last search that reached each row.
    fn levels(
        &self,
        root: u32,
        seen: &mut [u32],
        search: u32,
        rows: &mut Vec<u32>,
        halt: &Halt,
    ) -> Result<(usize, usize)> {
        rows.clear();
        rows.push(root);
        seen[root as usize] = search;
        let (mut level, mut count) = (0, 0);
        loop {
            let end = rows.len();
            for k in level..end {
                halt.check_at(k)?;
                for &j in self.neighbours(rows[k]) {
                    if seen[j as usize] != search {
                        seen[j as usize] = search;
                        rows.push(j);
                    }
                }
            }
            count += 1;
            if rows.len() == end {
                return Ok((level, count));
            }
            level = end;
        }
    }
}

/// The row of square `a` moved to each position.
///
/// # Errors
/// Where `halt` calls.
pub(crate) fn order(a: &Csr, halt: &Halt) -> Result<Vec<u32>> {
    let n = a.rows();
    let graph = Graph::of(a);
    let mut starts: Vec<u32> = (0..n as u32).collect();
    starts.sort_by_key(|&i| graph.degree(i));
    let mut seen = vec![0u32; n];
    let mut search = 0;
    let mut placed = vec![false; n];
    let mut order: Vec<u32> = Vec::with_capacity(n);
    let mut rows = vec![];
    for start in starts {
        if placed[start as usize] {
            continue;
        }
        // Pseudo-peripheral row: move to the least connected row of the last level while the number of levels grows.
        let (mut root, mut depth) = (start, 0);
        loop {
            search += 1;
            let (last, count) = graph.levels(root, &mut seen, search, &mut rows, halt)?;
            if count <= depth {
                break;
            }
            depth = count;
            let far = rows[last..].iter().min_by_key(|&&i| (graph.degree(i), i));
            root = far.copied().unwrap_or(root);
        }
        let mut next = order.len();
        order.push(root);
        placed[root as usize] = true;
        while next < order.len() {
            halt.check_at(next)?;
            let from = order.len();
            for &j in graph.neighbours(order[next]) {
                if !std::mem::replace(&mut placed[j as usize], true) {
                    order.push(j);
                }
            }
            order[from..].sort_by_key(|&j| graph.degree(j));
            next += 1;
        }
    }
    order.reverse();
    Ok(order)
}

/// Mean |i − j| over the entries of square `a`, its rows and columns in `order`.
pub(crate) fn mean_distance(a: &Csr, order: Option<&[u32]>) -> f64 {
    let place = order.map(crate::matrix::inverse_order);
    let at = |i: u32| place.as_ref().map_or(i, |p| p[i as usize]);
    let row = |i: usize| a.row(i).0.iter().map(|&j| u64::from(at(i as u32).abs_diff(at(j)))).sum::<u64>();
    (0..a.rows()).into_par_iter().with_min_len(1024).map(row).sum::<u64>() as f64 / a.nnz().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;
    use crate::matrix::gallery;

    fn shuffled(n: usize, seed: u64) -> Vec<u32> {
        let keys = Random::new(seed).vector(n);
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by(|&i, &j| keys[i as usize].total_cmp(&keys[j as usize]));
        order
    }

    #[test]
    fn a_shuffled_grid_is_narrow_again() {
        let a = gallery::poisson2d(40);
        let mixed = a.permuted(&shuffled(a.rows(), 1), &shuffled(a.rows(), 1));
        let order = order(&mixed, &Halt::default()).unwrap();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &j)| i == j as usize), "no permutation");
        // The anti-diagonals of the grid have up to 40 rows.
        assert!(mean_distance(&mixed, Some(&order)) < 40.0 && mean_distance(&mixed, None) > 300.0);
        let narrow = mixed.permuted(&order, &order);
        assert_eq!(mean_distance(&narrow, None), mean_distance(&mixed, Some(&order)));
    }

    #[test]
    fn components_loops_and_one_sided_entries() {
        assert!(order(&gallery::diagonal(&[]), &Halt::default()).unwrap().is_empty());
        assert_eq!(order(&gallery::diagonal(&[1.0, 2.0, 3.0]), &Halt::default()).unwrap().len(), 3);
        // A path stored on one side only, its rows shuffled: neighbours stay neighbours.
        let path = gallery::jordan(50, 2.0);
        let mix = shuffled(50, 3);
        let path = path.permuted(&mix, &mix);
        let order = order(&path, &Halt::default()).unwrap();
        assert!(mean_distance(&path, Some(&order)) < 1.0);
    }
}
