//! min_y ‖β e₁ − H y‖ for a Hessenberg matrix that grows by columns: QR by Givens rotations.

/// The triangular factor, the rotations and the rotated right-hand side.
pub(crate) struct HessenbergLeastSquares {
    m: usize,
    /// Columns of R, one after the other: column j has j + 1 entries.
    r: Vec<f64>,
    rotations: Vec<(f64, f64)>,
    /// Rotated right-hand side; its last entry is the residual, signed.
    g: Vec<f64>,
}

impl HessenbergLeastSquares {
    /// Room for m columns.
    pub(crate) fn new(m: usize) -> Self {
        Self {
            m,
            r: Vec::with_capacity(m * (m + 1) / 2),
            rotations: Vec::with_capacity(m),
            g: Vec::with_capacity(m + 1),
        }
    }

    /// How many columns fit.
    pub(crate) fn capacity(&self) -> usize {
        self.m
    }

    /// How many columns have been added.
    pub(crate) fn len(&self) -> usize {
        self.rotations.len()
    }

    /// Removes all columns.
    pub(crate) fn clear(&mut self) {
        self.r.clear();
        self.rotations.clear();
        self.g.clear();
    }

    /// Sets the right-hand side β e₁.
    pub(crate) fn start(&mut self, beta: f64) {
        self.g.clear();
        self.g.push(beta);
    }

    /// Adds column (h_0 … h_j, below) and returns the residual's norm.
    pub(crate) fn push(&mut self, h: &[f64], below: f64) -> f64 {
        let j = self.len();
        let mut column = h.to_vec();
        for (i, &(c, s)) in self.rotations.iter().enumerate() {
            let (a, b) = (column[i], column[i + 1]);
            column[i] = c * a + s * b;
            column[i + 1] = c * b - s * a;
        }
        let (a, length) = (column[j], column[j].hypot(below));
        let (c, s) = if length == 0.0 { (1.0, 0.0) } else { (a / length, below / length) };
        column[j] = length;
        self.r.extend_from_slice(&column);
        self.rotations.push((c, s));
        let g = self.g[j];
        self.g[j] = c * g;
        self.g.push(-s * g);
        self.g[j + 1].abs()
    }

    /// Puts (h_0 … h_j, below) in the place of the last column and returns the residual's norm.
    pub(crate) fn replace(&mut self, h: &[f64], below: f64) -> f64 {
        let (c, s) = self.rotations.pop().expect("a column to replace");
        let j = self.len();
        self.r.truncate(j * (j + 1) / 2);
        let rotated = self.g.pop().expect("an entry a column, and one more");
        self.g[j] = c * self.g[j] - s * rotated;
        self.push(h, below)
    }

    /// y by back substitution. A pivot negligible against its column (singular A) is skipped.
    pub(crate) fn solve(&self) -> Vec<f64> {
        let k = self.len();
        let at = |i: usize, j: usize| self.r[j * (j + 1) / 2 + i];
        let mut y = self.g[..k].to_vec();
        for j in (0..k).rev() {
            let largest = (0..=j).map(|i| at(i, j).abs()).fold(0.0, f64::max);
            y[j] = if at(j, j).abs() <= f64::EPSILON * largest { 0.0 } else { y[j] / at(j, j) };
            for i in 0..j {
                y[i] -= at(i, j) * y[j];
            }
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_a_hessenberg_least_squares_problem() {
        // H = [1 2; 3 4; 0 5], beta = 2: normal equations H'H y = H' (2, 0, 0).
        let mut ls = HessenbergLeastSquares::new(2);
        ls.start(2.0);
        ls.push(&[1.0], 3.0);
        let residual = ls.push(&[2.0, 4.0], 5.0);
        let y = ls.solve();
        let r = [2.0 - y[0] - 2.0 * y[1], -3.0 * y[0] - 4.0 * y[1], -5.0 * y[1]];
        assert!((r[0] + 3.0 * r[1]).abs() < 1e-14, "first column not orthogonal to the residual");
        assert!((2.0 * r[0] + 4.0 * r[1] + 5.0 * r[2]).abs() < 1e-14, "second column not orthogonal");
        assert!((residual - (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]).sqrt()).abs() < 1e-14);
    }

    #[test]
    fn a_replaced_column_leaves_no_trace() {
        let [mut once, mut twice] = [2, 2].map(HessenbergLeastSquares::new);
        for ls in [&mut once, &mut twice] {
            ls.start(2.0);
            ls.push(&[1.0], 3.0);
        }
        twice.push(&[-1.0, 0.5], 7.0);
        let residuals = [once.push(&[2.0, 4.0], 5.0), twice.replace(&[2.0, 4.0], 5.0)];
        assert!((residuals[0] - residuals[1]).abs() < 1e-15);
        assert!(once.solve().iter().zip(twice.solve()).all(|(a, b)| (a - b).abs() < 1e-15));
    }

    #[test]
    fn a_zero_column_leaves_y_finite() {
        let mut ls = HessenbergLeastSquares::new(1);
        ls.start(1.0);
        assert_eq!(ls.push(&[0.0], 0.0), 0.0_f64.max(ls.g[1].abs()));
        assert_eq!(ls.solve(), vec![0.0]);
    }
}
