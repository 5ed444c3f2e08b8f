//! The real Schur form H = Q T Qᵀ of a small matrix, and its blocks in any order.
//!
//! T is upper triangular except for 2 × 2 blocks, one for each pair of complex eigenvalues. The leading columns of Q
//! are an orthonormal basis of an invariant subspace, even if the eigenvectors are nearly dependent: that is why a
//! restart keeps Schur vectors and works for defective matrices. Householder reduction and Francis' double
//! shift as in EISPACK (Martin, Peters and Wilkinson 1970, doi:10.1007/BF02163234); blocks are swapped as in
//! LAPACK's dlaexc (Bai and Demmel 1993, doi:10.1016/0024-3795(93)90286-W).

use super::elimination;
use faer::{Mat, c64};

/// T and Q.
pub(crate) struct Schur {
    pub(crate) t: Mat<f64>,
    pub(crate) q: Mat<f64>,
}

/// Rotates columns (or rows) p and p + 1: (x, y) ← (c x + s y, c y − s x).
fn rotate(x: &mut f64, y: &mut f64, c: f64, s: f64) {
    (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
}

impl Schur {
    /// `None` if an entry is not finite or the iteration does not converge.
    pub(crate) fn of(h: &Mat<f64>) -> Option<Self> {
        if !super::eigen::finite(h) {
            return None;
        }
        let mut schur = Self { t: h.clone(), q: Mat::identity(h.nrows(), h.nrows()) };
        schur.reduce();
        schur.iterate()?;
        Some(schur)
    }

    fn n(&self) -> usize {
        self.t.nrows()
    }

    /// Applies I − 2 u uᵀ/uᵀu, with u starting at row `first`, to both sides of T and to Q.
    fn reflect(&mut self, u: &[f64], first: usize) {
        let length: f64 = u.iter().map(|u| u * u).sum();
        if length == 0.0 {
            return;
        }
        let (n, factor) = (self.n(), 2.0 / length);
        for j in 0..n {
            let s: f64 = u.iter().enumerate().map(|(i, u)| u * self.t[(first + i, j)]).sum::<f64>() * factor;
            u.iter().enumerate().for_each(|(i, u)| self.t[(first + i, j)] -= s * u);
        }
        for a in [&mut self.t, &mut self.q] {
            for r in 0..n {
                let s: f64 = u.iter().enumerate().map(|(i, u)| u * a[(r, first + i)]).sum::<f64>() * factor;
                u.iter().enumerate().for_each(|(i, u)| a[(r, first + i)] -= s * u);
            }
        }
    }

    /// The reflection that maps `x` to a multiple of the first unit vector.
    fn reflector(x: &[f64]) -> Vec<f64> {
        let norm = crate::host::scale::norm2(x);
        let mut u = x.to_vec();
        if norm > 0.0 && x[1..].iter().any(|&v| v != 0.0) {
            u.iter_mut().for_each(|u| *u /= norm);
            u[0] += if u[0] < 0.0 { -1.0 } else { 1.0 };
            u
        } else {
            vec![0.0; x.len()]
        }
    }

    fn reduce(&mut self) {
        for k in 1..self.n().saturating_sub(1) {
            let x: Vec<f64> = (k..self.n()).map(|i| self.t[(i, k - 1)]).collect();
            self.reflect(&Self::reflector(&x), k);
            (k + 1..self.n()).for_each(|i| self.t[(i, k - 1)] = 0.0);
        }
    }

    /// Francis' double-shift steps until every subdiagonal entry belongs to the block of a complex pair.
    fn iterate(&mut self) -> Option<()> {
        let n = self.n();
        let norm = self.t.norm_l2();
        let mut end = n;
        let mut steps = 0;
        while end > 0 {
            let hi = end - 1;
            let mut lo = hi;
            while lo > 0 {
                let around = self.t[(lo, lo)].abs() + self.t[(lo - 1, lo - 1)].abs();
                let around = if around == 0.0 { norm } else { around };
                if self.t[(lo, lo - 1)].abs() <= f64::EPSILON * around {
                    self.t[(lo, lo - 1)] = 0.0;
                    break;
                }
                lo -= 1;
            }
            if lo == hi {
                end -= 1;
                steps = 0;
            } else if lo + 1 == hi {
                self.standardise(lo);
                end -= 2;
                steps = 0;
            } else {
                steps += 1;
                if steps > 60 {
                    return None;
                }
                self.francis(lo, hi, steps % 11 == 10);
            }
        }
        Some(())
    }

    /// One double-shift step on rows `lo..=hi`.
    fn francis(&mut self, lo: usize, hi: usize, exceptional: bool) {
        let t = &self.t;
        // The shifts are the eigenvalues of [x w; 1 y].
        let (mut x, mut y, mut w) = (t[(hi, hi)], t[(hi - 1, hi - 1)], t[(hi, hi - 1)] * t[(hi - 1, hi)]);
        if exceptional {
            let s = t[(hi, hi - 1)].abs() + t[(hi - 1, hi - 2)].abs();
            (x, y, w) = (t[(hi, hi)] + 0.75 * s, t[(hi, hi)] + 0.75 * s, -0.4375 * s * s);
        }
        let (a, b, c) = (t[(lo, lo)], t[(lo, lo + 1)], t[(lo + 1, lo)]);
        // The first column of T² − (x + y) T + x y − w, over c; by differences, as shifts may be nearly equal to a.
        let (x, y) = (x - a, y - a);
        let mut x = vec![(x * y - w) / c + b, t[(lo + 1, lo + 1)] - a - x - y, t[(lo + 2, lo + 1)]];
        for k in lo..hi {
            let u = Self::reflector(&x);
            self.reflect(&u, k);
            if k > lo {
                (k + 1..(k + x.len()).min(hi + 1)).for_each(|i| self.t[(i, k - 1)] = 0.0);
            }
            x = (k + 1..=(k + 3).min(hi)).map(|i| self.t[(i, k)]).collect();
        }
    }

    /// Splits the 2 × 2 block at `k` if its eigenvalues are real.
    fn standardise(&mut self, k: usize) {
        let t = &self.t;
        let (a, b, c, d) = (t[(k, k)], t[(k, k + 1)], t[(k + 1, k)], t[(k + 1, k + 1)]);
        let p = 0.5 * (a - d);
        let discriminant = p * p + b * c;
        if c == 0.0 || discriminant < 0.0 {
            return;
        }
        let z = p + if p < 0.0 { -1.0 } else { 1.0 } * discriminant.sqrt();
        // (z, c) is the eigenvector of d + z.
        let r = z.hypot(c);
        self.givens(k, z / r, c / r);
        self.t[(k + 1, k)] = 0.0;
    }

    /// Applies the rotation of the plane k, k + 1 to both sides.
    fn givens(&mut self, k: usize, c: f64, s: f64) {
        for j in 0..self.n() {
            let (mut x, mut y) = (self.t[(k, j)], self.t[(k + 1, j)]);
            rotate(&mut x, &mut y, c, s);
            (self.t[(k, j)], self.t[(k + 1, j)]) = (x, y);
        }
        for a in [&mut self.t, &mut self.q] {
            for i in 0..a.nrows() {
                let (mut x, mut y) = (a[(i, k)], a[(i, k + 1)]);
                rotate(&mut x, &mut y, c, s);
                (a[(i, k)], a[(i, k + 1)]) = (x, y);
            }
        }
    }

    /// Where each block starts, and its size.
    fn blocks(&self) -> Vec<(usize, usize)> {
        let mut out = vec![];
        let mut k = 0;
        while k < self.n() {
            let size = if k + 1 < self.n() && self.t[(k + 1, k)] != 0.0 { 2 } else { 1 };
            out.push((k, size));
            k += size;
        }
        out
    }

    fn block_value(&self, (k, size): (usize, usize)) -> c64 {
        let t = &self.t;
        if size == 1 {
            return c64::new(t[(k, k)], 0.0);
        }
        let (a, d) = (t[(k, k)], t[(k + 1, k + 1)]);
        let p = 0.5 * (a - d);
        let discriminant = p * p + t[(k, k + 1)] * t[(k + 1, k)];
        c64::new(0.5 * (a + d), (-discriminant).max(0.0).sqrt())
    }

    /// Eigenvalues in the order of the blocks; in a pair, the one with positive imaginary part comes first.
    pub(crate) fn values(&self) -> Vec<c64> {
        let each = |b: (usize, usize)| {
            let value = self.block_value(b);
            if b.1 == 1 { vec![value] } else { vec![value, value.conj()] }
        };
        self.blocks().into_iter().flat_map(each).collect()
    }

    /// Brings blocks with small keys to the front.
    pub(crate) fn order(&mut self, key: impl Fn(c64) -> f64) {
        let count = self.blocks().len();
        for pass in 0..count {
            for b in (pass..count - 1).rev() {
                let blocks = self.blocks();
                // A block that split into real eigenvalues changes the count; later passes account for it.
                let (Some(&first), Some(&second)) = (blocks.get(b), blocks.get(b + 1)) else { continue };
                if key(self.block_value(second)) < key(self.block_value(first)) {
                    self.swap(first, second);
                }
            }
        }
    }

    /// Swaps adjacent blocks by an orthogonal similarity; leaves them if that would change T by more than
    /// rounding.
    fn swap(&mut self, (k, p): (usize, usize), (_, q): (usize, usize)) {
        let m = p + q;
        let at = |i: usize, j: usize| self.t[(k + i, k + j)];
        // T11 X − X T22 = T12, one column per unknown.
        let columns: Vec<Vec<f64>> = (0..p * q)
            .map(|u| {
                let (r, c) = (u % p, u / p);
                (0..p * q)
                    .map(|e| {
                        let (i, j) = (e % p, e / p);
                        let left = if j == c { at(i, r) } else { 0.0 };
                        let right = if i == r { at(p + c, p + j) } else { 0.0 };
                        left - right
                    })
                    .collect()
            })
            .collect();
        let b: Vec<f64> = (0..p * q).map(|e| at(e % p, p + e / p)).collect();
        let x = elimination::solve(&columns, &b);
        // [−X; I] spans the invariant subspace of T22: Householder reflections move it to the front.
        let mut w = Mat::from_fn(m, q, |i, j| if i < p { -x[i + j * p] } else { f64::from(u8::from(i - p == j)) });
        let (t, basis) = (self.t.clone(), self.q.clone());
        let norm = (0..m).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| at(i, j).abs()).fold(0.0, f64::max);
        for j in 0..q {
            let column: Vec<f64> = (j..m).map(|i| w[(i, j)]).collect();
            let u = Self::reflector(&column);
            let length: f64 = u.iter().map(|u| u * u).sum();
            if length > 0.0 {
                for c in j..q {
                    let s: f64 = (j..m).map(|i| u[i - j] * w[(i, c)]).sum::<f64>() * 2.0 / length;
                    (j..m).for_each(|i| w[(i, c)] -= s * u[i - j]);
                }
            }
            self.reflect(&u, k + j);
        }
        let below = (q..m).flat_map(|i| (0..q).map(move |j| (i, j)));
        let error = below.clone().map(|(i, j)| self.t[(k + i, k + j)].abs()).fold(0.0, f64::max);
        if error.is_nan() || error > 100.0 * f64::EPSILON * norm {
            (self.t, self.q) = (t, basis);
            return;
        }
        below.for_each(|(i, j)| self.t[(k + i, k + j)] = 0.0);
        for (start, size) in [(k, q), (k + q, p)] {
            if size == 2 {
                self.standardise(start);
            }
        }
    }

    /// The eigenvector of T, of norm 1, for the eigenvalue at index `i` of [`Schur::values`].
    pub(crate) fn eigenvector(&self, i: usize) -> Vec<c64> {
        let (n, t) = (self.n(), &self.t);
        let blocks = self.blocks();
        let b = blocks.iter().position(|&(k, size)| i < k + size).expect("an eigenvalue of T");
        let (k, size) = blocks[b];
        let lambda = self.values()[i];
        let zero = c64::new(0.0, 0.0);
        let mut y = vec![zero; n];
        if size == 1 {
            y[k] = c64::new(1.0, 0.0);
        } else {
            y[k] = c64::new(t[(k, k + 1)], 0.0);
            y[k + 1] = lambda - t[(k, k)];
        }
        let floor = f64::EPSILON * t.norm_max().max(f64::MIN_POSITIVE);
        let guard = |v: c64| if v.norm() < floor { c64::new(floor, 0.0) } else { v };
        for &(r, size) in blocks[..b].iter().rev() {
            let rhs = |row: usize, y: &[c64]| -(r + size..n).map(|j| y[j] * t[(row, j)]).sum::<c64>();
            let first = rhs(r, &y);
            if size == 1 {
                y[r] = first / guard(c64::new(t[(r, r)], 0.0) - lambda);
            } else {
                let second = rhs(r + 1, &y);
                let (a, d) = (c64::new(t[(r, r)], 0.0) - lambda, c64::new(t[(r + 1, r + 1)], 0.0) - lambda);
                let (b, c) = (t[(r, r + 1)], t[(r + 1, r)]);
                let det = a * d - b * c;
                let det = if det.norm() < floor * floor { c64::new(floor * floor, 0.0) } else { det };
                (y[r], y[r + 1]) = ((first * d - second * b) / det, (second * a - first * c) / det);
            }
            // Nearly equal eigenvalues make large entries; only the direction counts.
            let largest = y.iter().map(|v| v.norm()).fold(0.0, f64::max);
            if largest > 1e100 {
                y.iter_mut().for_each(|v| *v /= largest);
            }
        }
        let norm = y.iter().map(|v| v.norm_sqr()).sum::<f64>().sqrt();
        y.into_iter().map(|v| v / norm).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;

    fn check(h: &Mat<f64>, s: &Schur, what: &str) {
        let n = h.nrows();
        let scale = h.norm_max().max(1.0) * (n as f64 + 1.0);
        let back = &s.q * &s.t * s.q.transpose();
        assert!((&back - h).norm_max() <= 1e-14 * scale, "{what}: Q T Q' is not H");
        let unit = s.q.transpose() * &s.q;
        assert!((&unit - Mat::<f64>::identity(n, n)).norm_max() <= 1e-14 * (n as f64 + 1.0), "{what}: Q");
        for i in 0..n {
            for j in 0..i.saturating_sub(1) {
                assert_eq!(s.t[(i, j)], 0.0, "{what}");
            }
        }
    }

    #[test]
    fn equal_eigenvalues_beside_one_much_larger() {
        // For the equal ones, the subdiagonal is only rounding, and the shifts equal the diagonal entries.
        for (seed, n) in [(1, 30), (2, 60), (3, 90)] {
            let mut random = Random::new(seed);
            let u: Vec<Vec<f64>> = (0..n).map(|_| (0..n).map(|_| random.uniform(-1.0, 1.0)).collect()).collect();
            let q = crate::host::dense::orthonormal::orthonormal(u);
            let d = |k: usize| if k == 0 { 1e4 } else { [5.0, 1.0, -2.0][k % 3] };
            let h = Mat::from_fn(n, n, |i, j| (0..n).map(|k| q[k][i] * d(k) * q[k][j]).sum::<f64>());
            let mut s = Schur::of(&h).unwrap_or_else(|| panic!("seed {seed}"));
            check(&h, &s, "equal");
            s.order(|v| -v.norm());
            check(&h, &s, "equal, ordered");
            let largest = s.values()[0];
            assert!((largest.re - 1e4).abs() < 1e-8, "{largest}");
        }
    }

    #[test]
    fn schur_forms_multiply_back_in_any_order() {
        let mut random = Random::new(9);
        let grcar = |i: usize, j: usize| {
            if i == j + 1 {
                -1.0
            } else if j >= i && j <= i + 3 {
                1.0
            } else {
                0.0
            }
        };
        let mut cases = vec![
            ("jordan", Mat::from_fn(20, 20, |i, j| f64::from(u8::from(i == j || j == i + 1)))),
            ("grcar", Mat::from_fn(40, 40, grcar)),
            ("shift", Mat::from_fn(12, 12, |i, j| f64::from(u8::from((i + 1) % 12 == j)))),
            ("zero", Mat::zeros(5, 5)),
            ("identity", Mat::identity(6, 6)),
        ];
        for n in [1, 2, 3, 5, 17, 40] {
            cases.push(("random", Mat::from_fn(n, n, |_, _| random.uniform(-1.0, 1.0))));
        }
        for (what, h) in cases {
            let mut s = Schur::of(&h).unwrap_or_else(|| panic!("{what}"));
            check(&h, &s, what);
            let trace: f64 = (0..h.nrows()).map(|i| h[(i, i)]).sum();
            let sum: c64 = s.values().into_iter().sum();
            assert!((sum - c64::new(trace, 0.0)).norm() < 1e-11, "{what}");
            s.order(|v| -v.norm());
            check(&h, &s, what);
            if what == "random" {
                let values = s.values();
                assert!(values.windows(2).all(|w| w[0].norm() >= w[1].norm() * (1.0 - 1e-12)), "{what}: {values:?}");
                for (i, lambda) in values.iter().enumerate() {
                    let y = s.eigenvector(i);
                    let worst = (0..h.nrows())
                        .map(|r| ((0..h.nrows()).map(|c| y[c] * s.t[(r, c)]).sum::<c64>() - y[r] * lambda).norm())
                        .fold(0.0, f64::max);
                    assert!(worst < 1e-11, "{what}: eigenvector {i} misses by {worst:e}");
                }
            }
        }
    }
}
