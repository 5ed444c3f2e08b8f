//! Pseudo-inverse of a small dense matrix.

use rayon::prelude::*;

/// A⁺ of an n × n matrix in row-major order, exact up to rounding if A is symmetric or nonsingular.
///
/// After r steps, Gauss–Jordan with complete pivoting leaves A₁₁⁻¹ and bases of both null spaces in
/// one tableau: B = [A₁₁⁻¹ 0; 0 0] is a generalised inverse, and A⁺ = Π_row B Π_col with the
/// orthogonal projectors that remove the null spaces (Ben-Israel and Greville 2003, doi:10.1007/b97366).
/// Pivots below `n ε` of the largest entry count as zero. Cost: n³ multiplications and as many comparisons.
///
/// `None` if A has an entry that is not finite, or the inverse exceeds f64's range.
pub(crate) fn pseudo_inverse(mut a: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    assert_eq!(a.len(), n * n);
    if !a.iter().all(|v| v.is_finite()) {
        return None;
    }
    let largest = crate::host::scale::largest(&a);
    let floor = largest * f64::EPSILON * n as f64 * 8.0;
    let (mut row_done, mut column_done) = (vec![false; n], vec![false; n]);
    // Pivot k is at (rows[k], columns[k]).
    let mut pivots: Vec<(usize, usize)> = Vec::with_capacity(n);
    while let Some((i, j)) = pivot(&a, n, &row_done, &column_done, floor) {
        (row_done[i], column_done[j]) = (true, true);
        pivots.push((i, j));
        exchange(&mut a, n, i, j);
    }

    // After the exchange of row i and column j, entry (i, j) of the tableau belongs to the inverse at (j, i).
    let mut inverse = vec![0.0; n * n];
    for &(i, to) in &pivots {
        for &(from, j) in &pivots {
            inverse[to * n + from] = a[i * n + j];
        }
    }
    if pivots.len() < n {
        let free_columns: Vec<usize> = (0..n).filter(|&j| !column_done[j]).collect();
        let free_rows: Vec<usize> = (0..n).filter(|&i| !row_done[i]).collect();
        // A (e_j − Σ_k a_kj e_c(k)) = 0 and (e_i + Σ_k a_ik e_r(k))ᵀ A = 0 up to the pivot threshold.
        let right: Vec<Vec<f64>> = free_columns
            .iter()
            .map(|&j| {
                let mut v = vec![0.0; n];
                v[j] = 1.0;
                pivots.iter().for_each(|&(r, c)| v[c] = -a[r * n + j]);
                v
            })
            .collect();
        let left: Vec<Vec<f64>> = free_rows
            .iter()
            .map(|&i| {
                let mut v = vec![0.0; n];
                v[i] = 1.0;
                pivots.iter().for_each(|&(r, c)| v[r] = a[i * n + c]);
                v
            })
            .collect();
        for u in orthonormal(right) {
            project_rows(&mut inverse, n, &u);
        }
        for u in orthonormal(left) {
            project_columns(&mut inverse, n, &u);
        }
    }
    inverse.iter().all(|v| v.is_finite()).then_some(inverse)
}

/// The largest remaining entry, preferably on the diagonal.
fn pivot(a: &[f64], n: usize, row_done: &[bool], column_done: &[bool], floor: f64) -> Option<(usize, usize)> {
    let mut best = (floor, None);
    for i in (0..n).filter(|&i| !row_done[i] && !column_done[i]) {
        let size = a[i * n + i].abs();
        if size > best.0 {
            best = (size, Some((i, i)));
        }
    }
    let open: Vec<f64> = column_done.iter().map(|&done| if done { 0.0 } else { 1.0 }).collect();
    for i in (0..n).filter(|&i| !row_done[i]) {
        let row = &a[i * n..(i + 1) * n];
        // Off the diagonal only for a clear gain: symmetric elimination keeps symmetry.
        if largest(row, &open) > 4.0 * best.0 {
            for (j, (v, open)) in row.iter().zip(&open).enumerate() {
                if v.abs() * open > 4.0 * best.0 {
                    best = (v.abs(), Some((i, j)));
                }
            }
        }
    }
    best.1
}

/// The largest |v| of the open columns, eight at a time: most rows are searched in vain.
fn largest(row: &[f64], open: &[f64]) -> f64 {
    let mut most = [0.0f64; 8];
    let (rows, opens) = (row.chunks_exact(8), open.chunks_exact(8));
    let rest = rows.remainder().iter().zip(opens.remainder()).fold(0.0f64, |m, (v, o)| m.max(v.abs() * o));
    for (v, o) in rows.zip(opens) {
        for l in 0..8 {
            let size = v[l].abs() * o[l];
            most[l] = if size > most[l] { size } else { most[l] };
        }
    }
    most.into_iter().fold(rest, f64::max)
}

/// y_i = Σ a_ij x_j solved for x_j and put into the other rows.
fn exchange(a: &mut [f64], n: usize, i: usize, j: usize) {
    let p = a[i * n + j];
    let mut row: Vec<f64> = a[i * n..(i + 1) * n].iter().map(|v| v / p).collect();
    row[j] = 1.0 / p;
    // A thread is woken for at least some 30 000 multiplications.
    a.par_chunks_mut(n).with_min_len((1 << 15) / n + 1).enumerate().for_each(|(k, other)| {
        if k == i {
            return;
        }
        let f = other[j];
        if f == 0.0 {
            return;
        }
        other[j] = 0.0;
        for (o, r) in other.iter_mut().zip(&row) {
            *o -= f * r;
        }
    });
    a[i * n..(i + 1) * n].copy_from_slice(&row);
}

fn orthonormal(mut vectors: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for k in 0..vectors.len() {
        let (done, rest) = vectors.split_at_mut(k);
        let v = &mut rest[0];
        for _ in 0..2 {
            for u in done.iter() {
                let c: f64 = u.iter().zip(v.iter()).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= c * u);
            }
        }
        let norm = crate::host::scale::norm2(v);
        v.iter_mut().for_each(|v| *v /= norm);
    }
    vectors
}

/// B −= u (uᵀB).
fn project_rows(b: &mut [f64], n: usize, u: &[f64]) {
    let mut s = vec![0.0; n];
    for (row, &u) in b.chunks(n).zip(u) {
        s.iter_mut().zip(row).for_each(|(s, b)| *s += u * b);
    }
    for (row, &u) in b.chunks_mut(n).zip(u) {
        row.iter_mut().zip(&s).for_each(|(b, s)| *b -= u * s);
    }
}

/// B −= (B u) uᵀ.
fn project_columns(b: &mut [f64], n: usize, u: &[f64]) {
    for row in b.chunks_mut(n) {
        let s: f64 = row.iter().zip(u).map(|(b, u)| b * u).sum();
        row.iter_mut().zip(u).for_each(|(b, u)| *b -= s * u);
    }
}

#[cfg(test)]
mod tests {
    use super::pseudo_inverse;

    fn multiply(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
        (0..n * n).map(|t| (0..n).map(|k| a[t / n * n + k] * b[k * n + t % n]).sum()).collect()
    }

    /// The four equations of Penrose.
    fn check(a: &[f64], n: usize) {
        let b = pseudo_inverse(a.to_vec(), n).expect("finite");
        let (ab, ba) = (multiply(a, &b, n), multiply(&b, a, n));
        let close = |x: &[f64], y: &[f64]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-10);
        let transposed = |x: &[f64]| (0..n * n).map(|t| x[t % n * n + t / n]).collect::<Vec<_>>();
        assert!(close(&multiply(&ab, a, n), a), "ABA = A");
        assert!(close(&multiply(&ba, &b, n), &b), "BAB = B");
        assert!(close(&ab, &transposed(&ab)) && close(&ba, &transposed(&ba)), "AB and BA symmetric");
    }

    #[test]
    fn penrose_equations() {
        check(&[2.0], 1);
        check(&[0.0], 1);
        check(&[0.0, 1.0, 1.0, 0.0], 2);
        check(&[0.0, 0.0, 3.0, 0.0], 2);
        check(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 3);
        let mut random = crate::host::random::Random::new(3);
        for n in [5, 17, 40] {
            check(&random.vector(n * n), n);
            // Rank n − 3, not symmetric.
            let (u, v) = (random.vector(n * n), random.vector(n * n));
            let cut: Vec<f64> = (0..n * n).map(|t| if t % n < n - 3 { u[t] } else { 0.0 }).collect();
            check(&multiply(&cut, &v, n), n);
            // Two chains without a fixed end: null space of dimension two.
            let mut chain = vec![0.0; n * n];
            for i in (0..n - 1).filter(|i| *i != n / 2) {
                chain[i * n + i] += 1.0;
                chain[(i + 1) * n + i + 1] += 1.0;
                chain[i * n + i + 1] -= 1.0;
                chain[(i + 1) * n + i] -= 1.0;
            }
            check(&chain, n);
        }
        assert!(pseudo_inverse(vec![f64::NAN], 1).is_none());
    }
}
