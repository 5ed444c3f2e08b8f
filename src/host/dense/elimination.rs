//! Small dense systems by Gaussian elimination with full pivoting.

/// x with A x = b, A given by its columns. Once the rest of A is negligible against its largest entry, the
/// remaining unknowns are zero.
pub(crate) fn solve(columns: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut rows: Vec<Vec<f64>> = (0..n).map(|i| columns.iter().map(|c| c[i]).chain([b[i]]).collect()).collect();
    let mut order: Vec<usize> = (0..n).collect();
    let mut rank = n;
    let mut largest = 0.0;
    for k in 0..n {
        let places = (k..n).flat_map(|i| (k..n).map(move |j| (i, j)));
        let (i, j) = places.max_by(|&(i, j), &(p, q)| rows[i][j].abs().total_cmp(&rows[p][q].abs())).expect("k < n");
        let pivot = rows[i][j].abs();
        largest = f64::max(largest, pivot);
        if pivot.is_nan() || pivot <= largest * n as f64 * f64::EPSILON {
            rank = k;
            break;
        }
        rows.swap(i, k);
        rows.iter_mut().for_each(|r| r.swap(j, k));
        order.swap(j, k);
        let (top, rest) = rows.split_at_mut(k + 1);
        for row in rest {
            let factor = row[k] / top[k][k];
            (k..=n).for_each(|c| row[c] -= factor * top[k][c]);
        }
    }
    let mut x = vec![0.0; n];
    for k in (0..rank).rev() {
        let sum: f64 = (k + 1..rank).map(|c| rows[k][c] * x[order[c]]).sum();
        x[order[k]] = (rows[k][n] - sum) / rows[k][k];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::solve;

    #[test]
    fn regular_and_singular() {
        // [[0, 2], [3, 1]] x = (2, 7)
        assert_eq!(solve(&[vec![0.0, 3.0], vec![2.0, 1.0]], &[2.0, 7.0]), [2.0, 1.0]);
        assert_eq!(solve(&[vec![4.0, 0.0], vec![0.0, 0.0]], &[2.0, 7.0]), [0.5, 0.0]);
    }
}
