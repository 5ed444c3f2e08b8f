//! Arithmetic of the judge: numbers of twice f64's digits, and the few dense problems that a verdict needs.
//!
//! Nothing here comes from the library. Sums and products are those of Dekker (1971, doi:10.1007/BF01397083); powers of
//! two taken out before bring every number near 1, so that no product leaves the range.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// high + low, low below half a unit in the last place of high.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Twofold(pub(crate) f64, pub(crate) f64);

fn two_sum(a: f64, b: f64) -> Twofold {
    let sum = a + b;
    let part = sum - a;
    Twofold(sum, (a - (sum - part)) + (b - part))
}

impl Twofold {
    pub(crate) fn sqrt(self) -> Self {
        if self.0 <= 0.0 {
            return Self::default();
        }
        let root = Self::from(self.0.sqrt());
        root + (self - root * root) / Self::from(2.0 * root.0)
    }
}

impl From<f64> for Twofold {
    fn from(v: f64) -> Self {
        Self(v, 0.0)
    }
}

impl Add for Twofold {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let s = two_sum(self.0, other.0);
        two_sum(s.0, s.1 + self.1 + other.1)
    }
}

impl Neg for Twofold {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl Sub for Twofold {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Twofold {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let error = self.0.mul_add(other.0, -product);
        two_sum(product, error + (self.0 * other.1 + self.1 * other.0))
    }
}

impl Div for Twofold {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = self.0 / other.0;
        let rest = self - other * Self::from(first);
        let second = rest.0 / other.0;
        let rest = rest - other * Self::from(second);
        two_sum(first, second) + Self::from(rest.0 / other.0)
    }
}

pub(crate) fn dot(x: &[Twofold], y: &[Twofold]) -> Twofold {
    x.iter().zip(y).fold(Twofold::default(), |sum, (&a, &b)| sum + a * b)
}

/// ‖x‖, in a scale in which no square leaves the range.
pub(crate) fn norm(x: &[Twofold]) -> Twofold {
    let e = exponent(x.iter().map(|v| v.0));
    let small: Vec<Twofold> = x.iter().map(|v| Twofold(shift(v.0, -e), shift(v.1, -e))).collect();
    let root = dot(&small, &small).sqrt();
    Twofold(shift(root.0, e), shift(root.1, e))
}

/// v·2^e in steps that stay in range.
pub(crate) fn shift(v: f64, e: i32) -> f64 {
    let (mut v, mut e) = (v, e);
    while e != 0 {
        let step = e.clamp(-900, 900);
        v *= 2f64.powi(step);
        e -= step;
    }
    v
}

/// The e with 2^e ≤ max|v_i| < 2^(e+1); 0 where there is none.
pub(crate) fn exponent(v: impl Iterator<Item = f64>) -> i32 {
    let most = v.fold(0.0, |m: f64, x| if x.is_nan() { m } else { m.max(x.abs()) });
    if most == 0.0 || !most.is_finite() {
        return 0;
    }
    let e = if most < f64::MIN_POSITIVE { shift(most, 200).log2() - 200.0 } else { most.log2() };
    e.floor() as i32
}

/// ‖b − A x‖ least over x: Householder's QR with column pivoting, in `columns` scaled to norm 1. A direction whose pivot is
/// below 10⁻¹² of the first belongs to no column: no f64 solver can use it.
pub(crate) fn least_residual(mut columns: Vec<Vec<Twofold>>, mut b: Vec<Twofold>) -> Twofold {
    for c in &mut columns {
        let size = norm(c);
        if size.0 > 0.0 {
            c.iter_mut().for_each(|v| *v = *v / size);
        }
    }
    let mut k = 0;
    while k < b.len() && !columns.is_empty() {
        let sizes: Vec<f64> = columns.iter().map(|c| norm(&c[k..]).0).collect();
        let (best, size) = sizes.iter().enumerate().fold((0, 0.0), |m, (j, &s)| if s > m.1 { (j, s) } else { m });
        if size <= 1e-12 {
            break;
        }
        let mut v = columns.swap_remove(best).split_off(k);
        let whole = norm(&v);
        v[0] = if v[0].0 < 0.0 { v[0] - whole } else { v[0] + whole };
        let square = dot(&v, &v);
        for c in columns.iter_mut().chain([&mut b]) {
            let factor = (dot(&v, &c[k..]) + dot(&v, &c[k..])) / square;
            c[k..].iter_mut().zip(&v).for_each(|(c, v)| *c = *c - factor * *v);
        }
        k += 1;
    }
    norm(&b[k..])
}

/// Eigenvalues of a symmetric matrix by Jacobi's rotations, ascending.
pub(crate) fn eigenvalues(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let n = a.len();
    for _ in 0..60 {
        let mut off = 0.0;
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                off += a[p][q] * a[p][q];
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                for k in 0..n {
                    (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
                }
            }
        }
        if off < 1e-300 {
            break;
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Singular values by one-sided Jacobi rotations of `columns`, descending: small ones to nearly full relative accuracy.
pub(crate) fn singular_values(mut columns: Vec<Vec<f64>>) -> Vec<f64> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
    let n = columns.len();
    for _ in 0..60 {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let (x, y, z) =
                    (dot(&columns[p], &columns[p]), dot(&columns[q], &columns[q]), dot(&columns[p], &columns[q]));
                if z == 0.0 || z.abs() <= 1e-15 * (x * y).sqrt() {
                    continue;
                }
                turned = true;
                let theta = (y - x) / (2.0 * z);
                let t = if theta == 0.0 { 1.0 } else { theta.signum() / (theta.abs() + theta.hypot(1.0)) };
                let c = 1.0 / t.hypot(1.0);
                let (left, right) = columns.split_at_mut(q);
                for (u, v) in left[p].iter_mut().zip(&mut right[0]) {
                    (*u, *v) = (c * *u - t * c * *v, t * c * *u + c * *v);
                }
            }
        }
        if !turned {
            break;
        }
    }
    let mut values: Vec<f64> = columns.iter().map(|c| dot(c, c).sqrt()).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}
