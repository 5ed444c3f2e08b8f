//! Sparsity pattern of a matrix: one cell per entry of a small one, densities for a large one.

use crate::matrix::Csr;
use std::fmt::Write;

/// Most cells along the longer side.
const CELLS: usize = 120;

/// Length of the longer side on the page.
const SIDE: f64 = 360.0;

/// Number of shades.
const SHADES: usize = 5;

/// The pattern of `a` as SVG; permuted if there is an `order` (the row and column that comes to each place).
pub(super) fn spy(a: &Csr, order: Option<&[u32]>) -> String {
    let places = order.map(|order| {
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &i)| places[i as usize] = at);
        places
    });
    let moved = |i: usize| places.as_ref().map_or(i, |places| places[i]);
    let longer = a.rows().max(a.cols()).max(1);
    let cells = longer.min(CELLS);
    let place = |i: usize| i * cells / longer;
    let (high, wide) = (place(a.rows().max(1) - 1) + 1, place(a.cols().max(1) - 1) + 1);
    let mut counts = vec![0usize; high * wide];
    for i in 0..a.rows() {
        for &j in a.row(i).0 {
            counts[place(moved(i)) * wide + place(moved(j as usize))] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let unit = SIDE / cells as f64;
    let (width, height) = (unit * wide as f64, unit * high as f64);
    let mut s = String::new();
    let _ = write!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-1 -1 {:.0} {:.0}\" class=\"spy\" role=\"img\">\
         <rect width=\"{width:.1}\" height=\"{height:.1}\" class=\"frame\"/>",
        width + 2.0,
        height + 2.0
    );
    for shade in 0..SHADES {
        // Logarithmic, so that a row of one entry is visible beside a dense block.
        let of = |count: usize| ((1.0 + count as f64).ln() / (1.0 + most).ln() * SHADES as f64).ceil() as usize;
        let mut path = String::new();
        for (k, &count) in counts.iter().enumerate() {
            if count > 0 && of(count).clamp(1, SHADES) == shade + 1 {
                let (x, y) = ((k % wide) as f64 * unit, (k / wide) as f64 * unit);
                let _ = write!(path, "M{x:.1} {y:.1}h{unit:.2}v{unit:.2}h-{unit:.2}z");
            }
        }
        if !path.is_empty() {
            let opacity = 0.25 + 0.75 * (shade + 1) as f64 / SHADES as f64;
            let _ = write!(s, "<path d=\"{path}\" class=\"dot\" opacity=\"{opacity:.2}\"/>");
        }
    }
    s + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn a_small_pattern_has_a_cell_for_each_entry() {
        let a = gallery::tridiagonal(8, -1.0, 2.0, -1.0);
        assert_eq!(spy(&a, None).matches('M').count(), a.nnz());
    }

    #[test]
    fn an_order_moves_rows_and_columns_alike() {
        let a = gallery::tridiagonal(8, -1.0, 2.0, -1.0);
        let backwards: Vec<u32> = (0..8).rev().collect();
        assert_eq!(spy(&a, Some(&backwards)), spy(&a, None));
        let stirred = [0, 4, 1, 5, 2, 6, 3, 7];
        assert_ne!(spy(&a, Some(&stirred)), spy(&a, None));
    }

    #[test]
    fn a_large_pattern_stays_small() {
        let text = spy(&gallery::random_general(20_000, 10, 1), None);
        assert!(text.len() < 600_000, "{} bytes", text.len());
        assert!(!text.contains("NaN") && !text.contains("inf"));
        // Entries everywhere, and never more cells than the grid has.
        assert!((1000..=CELLS * CELLS).contains(&text.matches('M').count()));
    }
}
