//! Colours for blocks of rows, so that no entry couples two blocks of one colour: these can be solved in parallel.
//!
//! Greedy, in the order of the rows: each block gets the smallest colour that no neighbour has (Welsh and Powell 1967,
//! doi:10.1093/comjnl/10.1.85). At most one colour more than the largest degree; the minimum for the rows of the usual
//! stencils: 2 for 5 and 7 points, 4 for 9, 8 for 27. Works on the pattern of A + Aᵀ. Cost: one pass, one
//! thread.

use super::rcm::Graph;
use crate::matrix::Csr;
use crate::matrix::triangular::by_class;
use std::ops::Range;

/// Blocks of `rows` neighbouring rows, colour by colour.
pub(crate) fn blocks(a: &Csr, rows: u32) -> Vec<Range<u32>> {
    let colour = colours(a, rows);
    let (order, _) = by_class(&colour);
    order.into_iter().map(|b| b * rows..((b + 1) * rows).min(a.rows() as u32)).collect()
}

/// A colour for each block, counted from 0.
fn colours(a: &Csr, rows: u32) -> Vec<u32> {
    let graph = Graph::of(a);
    let n = a.rows() as u32;
    let mut colour = vec![u32::MAX; n.div_ceil(rows) as usize];
    // For each colour, the last block that has a neighbour of this colour.
    let mut seen: Vec<u32> = vec![];
    for block in 0..n.div_ceil(rows) {
        for i in block * rows..((block + 1) * rows).min(n) {
            for &j in graph.neighbours(i) {
                if let Some(seen) = seen.get_mut(colour[(j / rows) as usize] as usize) {
                    *seen = block;
                }
            }
        }
        let free = seen.iter().position(|&s| s != block).unwrap_or(seen.len());
        if free == seen.len() {
            seen.push(u32::MAX);
        }
        colour[block as usize] = free as u32;
    }
    colour
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn neighbours_differ_and_stencils_need_few() {
        for (a, most) in [
            (gallery::poisson1d(9), 2),
            (gallery::poisson2d(7), 2),
            (gallery::poisson3d(5), 2),
            (gallery::poisson27(5), 8),
            (gallery::arrow(20), 2),
            (gallery::diagonal(&[1.0; 4]), 1),
            (gallery::hilbert(5), 5),
            (gallery::cyclic_shift(7), 3),
            (gallery::random_general(300, 5, 1), 6),
            (gallery::diagonal(&[]), 0),
        ] {
            let colour = colours(&a, 1);
            for i in 0..a.rows() {
                assert!(a.row(i).0.iter().all(|&j| j as usize == i || colour[j as usize] != colour[i]), "row {i}");
            }
            assert_eq!(colour.iter().max().map_or(0, |c| c + 1), most, "{} rows", a.rows());
        }
        // Red and black.
        let colour = colours(&gallery::poisson2d(6), 1);
        assert!((0..36).all(|i| colour[i] as usize == (i % 6 + i / 6) % 2));
        assert_eq!(blocks(&gallery::poisson1d(5), 1), [0..1, 2..3, 4..5, 1..2, 3..4]);
        // A chain of blocks, whose last one is short; lines of a grid two by two.
        assert_eq!(blocks(&gallery::poisson1d(7), 3), [0..3, 6..7, 3..6]);
        assert_eq!(colours(&gallery::poisson2d(6), 12), [0, 1, 0]);
    }
}
