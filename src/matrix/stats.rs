//! Statistics of a matrix.

use crate::matrix::Csr;
use std::collections::HashSet;
use std::fmt;

/// Distinct values are counted up to this: one more than a byte can number.
const MAX_DISTINCT: usize = 257;

/// Statistics of a matrix, for people and for the choice of forms and methods.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Stored entries.
    pub nnz: usize,
    /// Mean entries per row.
    pub row_mean: f64,
    /// Fewest entries in a row.
    pub row_min: usize,
    /// Most entries in a row.
    pub row_max: usize,
    /// Standard deviation of the entries per row.
    pub row_std: f64,
    /// Rows without entries.
    pub empty_rows: usize,
    /// Largest |i − j| of an entry.
    pub bandwidth: usize,
    /// Positions of the main diagonal where nothing is stored.
    pub diagonal_missing: usize,
    /// Zeros stored on the main diagonal.
    pub diagonal_zero: usize,
    /// Negative entries of the main diagonal.
    pub diagonal_negative: usize,
    /// (j, i) is stored wherever (i, j) is.
    pub structurally_symmetric: bool,
    /// a_ij = a_ji exactly.
    pub numerically_symmetric: bool,
    /// a_ij = a_ji up to 10⁻¹² √|a_ii a_jj|.
    pub nearly_symmetric: bool,
    /// Rows with |a_ii| ≥ Σ_{j≠i} |a_ij|.
    pub dominant_rows: usize,
    /// Values that f32 represents exactly.
    pub exact_in_f32: usize,
    /// Distinct values, counted up to 257.
    pub distinct_values: usize,
    /// Largest |a_ij|; 0 without entries.
    pub largest: f64,
    /// Smallest nonzero |a_ij|; 0 if there is none.
    pub smallest: f64,
}

impl Stats {
    /// Looks at every entry a few times; one transposed copy is made for the symmetry of a square
    /// matrix.
    #[must_use]
    pub fn of(a: &Csr) -> Self {
        let (rows, cols, nnz) = (a.rows(), a.cols(), a.nnz());
        let row_mean = if rows > 0 { nnz as f64 / rows as f64 } else { 0.0 };
        let lengths = || a.row_ptr().windows(2).map(|w| w[1] - w[0]);
        let variance = lengths().map(|l| (l as f64 - row_mean).powi(2)).sum::<f64>() / rows.max(1) as f64;
        let [mut missing, mut zero, mut negative, mut dominant, mut bandwidth] = [0; 5];
        for i in 0..rows {
            let (columns, values) = a.row(i);
            if let (Some(&first), Some(&last)) = (columns.first(), columns.last()) {
                bandwidth = bandwidth.max(i.abs_diff(first as usize)).max(i.abs_diff(last as usize));
            }
            let place = columns.binary_search(&(i as u32)).ok();
            let d = place.map_or(0.0, |k| values[k]);
            if i < cols {
                missing += usize::from(place.is_none());
                zero += usize::from(place.is_some() && d == 0.0);
                negative += usize::from(d < 0.0);
            }
            // Summed without the diagonal: subtracting it from the whole sum would round.
            let rest: f64 = columns.iter().zip(values).filter(|e| *e.0 as usize != i).map(|e| e.1.abs()).sum();
            dominant += usize::from(d.abs() >= rest);
        }
        let transposed = a.is_square().then(|| a.transpose());
        let structurally_symmetric =
            transposed.as_ref().is_some_and(|t| t.row_ptr() == a.row_ptr() && t.columns() == a.columns());
        let numerically_symmetric =
            structurally_symmetric && transposed.as_ref().is_some_and(|t| t.values() == a.values());
        drop(transposed);
        let mut distinct = HashSet::new();
        for v in a.values() {
            if distinct.len() == MAX_DISTINCT {
                break;
            }
            distinct.insert((v + 0.0).to_bits());
        }
        let sizes = || a.values().iter().map(|v| v.abs());
        let smallest = sizes().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
        Self {
            rows,
            cols,
            nnz,
            row_mean,
            row_min: lengths().min().unwrap_or(0),
            row_max: lengths().max().unwrap_or(0),
            row_std: variance.sqrt(),
            empty_rows: lengths().filter(|l| *l == 0).count(),
            bandwidth,
            diagonal_missing: missing,
            diagonal_zero: zero,
            diagonal_negative: negative,
            structurally_symmetric,
            numerically_symmetric,
            nearly_symmetric: numerically_symmetric || a.first_asymmetry(1e-12).is_none(),
            dominant_rows: dominant,
            exact_in_f32: a.values().iter().filter(|v| f64::from(**v as f32) == **v).count(),
            distinct_values: distinct.len(),
            largest: sizes().fold(0.0, f64::max),
            smallest: if smallest.is_finite() { smallest } else { 0.0 },
        }
    }
}

impl Stats {
    /// Labels and values, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        let per_cent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        let symmetry = match (self.numerically_symmetric, self.nearly_symmetric, self.structurally_symmetric) {
            (true, ..) => "exact",
            (_, true, _) => "up to rounding",
            (_, _, true) => "pattern only",
            _ if self.rows != self.cols => "none, rectangular",
            _ => "none",
        };
        let distinct = match self.distinct_values {
            MAX_DISTINCT => "more than 256".to_string(),
            n => n.to_string(),
        };
        [
            ("size", format!("{} x {}", self.rows, self.cols)),
            ("entries", self.nnz.to_string()),
            (
                "entries per row",
                format!(
                    "mean {:.2}, min {}, max {}, std {:.2}",
                    self.row_mean, self.row_min, self.row_max, self.row_std
                ),
            ),
            ("empty rows", self.empty_rows.to_string()),
            ("bandwidth", self.bandwidth.to_string()),
            (
                "diagonal",
                format!(
                    "{} missing, {} zero, {} negative",
                    self.diagonal_missing, self.diagonal_zero, self.diagonal_negative
                ),
            ),
            ("symmetry", symmetry.to_string()),
            ("dominant rows", format!("{} ({:.1} %)", self.dominant_rows, per_cent(self.dominant_rows, self.rows))),
            ("|a| range", format!("{:.3e} to {:.3e}", self.smallest, self.largest)),
            ("exact in f32", format!("{} ({:.1} %)", self.exact_in_f32, per_cent(self.exact_in_f32, self.nnz))),
            ("distinct values", distinct),
        ]
        .map(|(label, value)| (label.to_string(), value))
        .into()
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (k, (label, value)) in self.lines().iter().enumerate() {
            let end = if k == 0 { "" } else { "\n" };
            write!(f, "{end}{label:<16} {value}")?;
        }
        Ok(())
    }
}
