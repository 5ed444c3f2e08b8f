//! Colours for the rows, so that no two rows of one colour meet in an entry: rows of a colour can be solved side by side.
//!
//! Greedy, in the order of the rows: each gets the smallest colour that no neighbour has (Welsh and Powell 1967,
//! doi:10.1093/comjnl/10.1.85). At most one colour more than the largest degree; on the usual stencils as few as there
//! can be: 2 for 5 and 7 points, 4 for 9, 8 for 27. Works on the pattern of A + Aᵀ. Cost: one pass, one thread.

use super::Csr;
use super::rcm::Graph;

/// A colour for each row, counted from 0.
pub(crate) fn colours(a: &Csr) -> Vec<u32> {
    let graph = Graph::of(a);
    let mut colour = vec![u32::MAX; a.rows()];
    // The row that last saw a colour beside it.
    let mut seen: Vec<u32> = vec![];
    for i in 0..a.rows() as u32 {
        for &j in graph.neighbours(i) {
            if let Some(seen) = seen.get_mut(colour[j as usize] as usize) {
                *seen = i;
            }
        }
        let free = seen.iter().position(|&s| s != i).unwrap_or(seen.len());
        if free == seen.len() {
            seen.push(u32::MAX);
        }
        colour[i as usize] = free as u32;
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
            let colour = colours(&a);
            for i in 0..a.rows() {
                assert!(a.row(i).0.iter().all(|&j| j as usize == i || colour[j as usize] != colour[i]), "row {i}");
            }
            assert_eq!(colour.iter().max().map_or(0, |c| c + 1), most, "{} rows", a.rows());
        }
        // Red and black.
        let colour = colours(&gallery::poisson2d(6));
        assert!((0..36).all(|i| colour[i] as usize == (i % 6 + i / 6) % 2));
    }
}
