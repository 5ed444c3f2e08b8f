//! The certificate: ‖b − A x‖ recomputed on the host from the user's own numbers.
//!
//! Row sums run in twofold arithmetic (Ogita, Rump and Oishi 2005, doi:10.1137/030601818): products and
//! sums carry their rounding errors along, so the result is as good as one computed in twice the
//! precision and then rounded. Power-of-two scaling keeps 1e±300 in range and changes no bit otherwise.

use crate::host::scale::{SHARE, exponent, ldexp, norm2, power};
use crate::matrix::{Csr, Matrix, operator};
use rayon::prelude::*;
use serde::Serialize;

/// What is known about a matrix, once a set-up.
#[derive(Clone, Debug)]
pub(crate) struct Norms {
    /// The e with 2^e ≤ max|a_ij| < 2^(e+1).
    pub(crate) exponent: i32,
    /// √(‖A‖₁ ‖A‖∞)·2^−exponent, an upper bound of ‖A‖₂; for an operator an estimate from below.
    pub(crate) scaled_norm: f64,
}

impl Norms {
    pub(crate) fn of(a: &Csr) -> Self {
        let (exponent, widest) = Self::widest(a);
        let mut columns = vec![0.0; a.cols()];
        for (&c, &v) in a.columns().iter().zip(a.values()) {
            columns[c as usize] += ldexp(v, -exponent).abs();
        }
        let tallest = columns.into_iter().fold(0.0, f64::max);
        Self { exponent, scaled_norm: (widest * tallest).sqrt() }
    }

    /// The same of a symmetric matrix, whose columns are its rows.
    pub(crate) fn of_symmetric(a: &Csr) -> Self {
        let (exponent, scaled_norm) = Self::widest(a);
        Self { exponent, scaled_norm }
    }

    /// The exponent, and ‖A‖∞·2^−exponent.
    fn widest(a: &Csr) -> (i32, f64) {
        let e = exponent(a.values().par_iter().with_min_len(1 << 14).map(|v| v.abs()).reduce(|| 0.0, f64::max));
        let small = power(-e);
        let sum = |i: usize| a.row(i).1.iter().map(|&v| small(v).abs()).sum::<f64>();
        (e, (0..a.rows()).into_par_iter().with_min_len(1024).map(sum).reduce(|| 0.0, f64::max))
    }
}

/// The true residual of one x.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    /// (b − A x)·2^−exponent.
    pub(crate) residual: Vec<f64>,
    /// Its norm.
    pub(crate) norm: f64,
    /// The common scale.
    pub(crate) exponent: i32,
    /// Aᵀr in the scales of A and r, where a least-squares solution is looked for.
    pub(crate) normal: Option<Vec<f64>>,
    pub(crate) certificate: Certificate,
}

impl Truth {
    /// Adds Aᵀr; `transpose` is Aᵀ.
    pub(crate) fn add_normal(&mut self, transpose: &Matrix, norms: &Norms) {
        let (mut gradient, _) = transpose.residual(-norms.exponent, &vec![0.0; transpose.rows()], &self.residual);
        gradient.par_iter_mut().for_each(|v| *v = -*v);
        let norm = norm2(&gradient);
        let whole = norms.scaled_norm * self.norm;
        self.certificate.normal_residual = Some(ldexp(norm, norms.exponent + self.exponent));
        self.certificate.optimality = Some(if whole > 0.0 { norm / whole } else { norm });
        self.normal = Some(gradient);
    }

    /// How far x is from what the solve looks for: ‖r‖/‖b‖, or ‖Aᵀr‖/(‖A‖‖r‖) where that is less.
    pub(crate) fn distance(&self) -> f64 {
        let c = &self.certificate;
        c.optimality.map_or(c.relative, |o| o.min(c.relative))
    }
}

/// How good an x is, in the user's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Certificate {
    /// ‖b − A x‖₂.
    pub absolute: f64,
    /// ‖b − A x‖₂ / ‖b‖₂ (the absolute value where b = 0).
    pub relative: f64,
    /// ‖b − A x‖₂ / (‖A‖‖x‖₂ + ‖b‖₂) with ‖A‖ = √(‖A‖₁‖A‖∞), for an operator estimated from below by products.
    pub backward_error: f64,
    /// ‖Aᵀ(b − A x)‖₂, zero at a least-squares solution; computed where one is looked for.
    pub normal_residual: Option<f64>,
    /// ‖Aᵀr‖₂ / (‖A‖‖r‖₂) with that ‖A‖: what the outcome LeastSquares is certified by.
    pub optimality: Option<f64>,
    /// ‖b‖₂.
    pub rhs_norm: f64,
    /// ‖x‖₂.
    pub solution_norm: f64,
    /// Where and how it was computed.
    pub computed_on: &'static str,
}

/// b − A x and what follows from it.
pub(crate) fn certify(a: &impl Certifying, norms: &Norms, b: &[f64], x: &[f64]) -> Truth {
    let largest = |v: &[f64]| v.par_iter().with_min_len(SHARE).map(|x| x.abs()).reduce(|| 0.0, f64::max);
    let (ea, largest_x) = (norms.exponent, largest(x));
    let e = match largest(b) {
        0.0 => ea + exponent(largest_x),
        m => exponent(m),
    };
    let ex = e - ea;
    let scaled = |v: &[f64], by: i32| v.par_iter().with_min_len(SHARE).copied().map(power(by)).collect::<Vec<f64>>();
    let (scaled_x, scaled_b) = (scaled(x, -ex), scaled(b, -e));
    let (residual, computed_on) =
        if largest_x == 0.0 { (scaled_b.clone(), "x = 0: b itself") } else { a.residual(-ea, &scaled_b, &scaled_x) };
    let norm = norm2(&residual);
    let (rhs, solution) = (norm2(&scaled_b), norm2(&scaled_x));
    let whole = norms.scaled_norm * solution + rhs;
    let absolute = ldexp(norm, e);
    let certificate = Certificate {
        absolute,
        relative: if rhs > 0.0 { norm / rhs } else { absolute },
        backward_error: if whole > 0.0 { norm / whole } else { norm },
        normal_residual: None,
        optimality: None,
        rhs_norm: ldexp(rhs, e),
        solution_norm: ldexp(solution, ex),
        computed_on,
    };
    Truth { residual, norm, exponent: e, normal: None, certificate }
}

/// What an answer can be certified with.
pub(crate) trait Certifying {
    /// b − (A·2^ea) x, and where and how it was computed.
    fn residual(&self, ea: i32, b: &[f64], x: &[f64]) -> (Vec<f64>, &'static str);
}

impl Certifying for Csr {
    fn residual(&self, ea: i32, b: &[f64], x: &[f64]) -> (Vec<f64>, &'static str) {
        (by_rows(self, ea, b, x), "CPU, f64 with compensated row sums")
    }
}

impl Certifying for Matrix {
    fn residual(&self, ea: i32, b: &[f64], x: &[f64]) -> (Vec<f64>, &'static str) {
        match self {
            Self::Stored(a) => a.residual(ea, b, x),
            Self::Free(a) => {
                let product = operator::multiply(&**a, x);
                let rows = b.par_iter().zip(product).map(|(b, p)| b - ldexp(p, ea));
                (rows.collect(), "CPU, f64 by the operator's own product on the host")
            }
        }
    }
}

/// b − (A·2^ea) x with twofold sums.
fn by_rows(a: &Csr, ea: i32, b: &[f64], x: &[f64]) -> Vec<f64> {
    let scale = power(ea);
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        let rows = |i: usize| {
            // SAFETY: the processor has FMA, asked just above.
            unsafe { row_fma(a.row(i), scale, b[i], x) }
        };
        return (0..a.rows()).into_par_iter().with_min_len(512).map(rows).collect();
    }
    (0..a.rows()).into_par_iter().with_min_len(512).map(|i| row(a.row(i), scale, b[i], x)).collect()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma")]
fn row_fma(entries: (&[u32], &[f64]), scale: impl Fn(f64) -> f64, b: f64, x: &[f64]) -> f64 {
    row(entries, scale, b, x)
}

#[inline(always)]
fn row((columns, values): (&[u32], &[f64]), scale: impl Fn(f64) -> f64, b: f64, x: &[f64]) -> f64 {
    let (mut sum, mut error) = (b, 0.0);
    for (&c, &v) in columns.iter().zip(values) {
        let (v, x) = (-scale(v), x[c as usize]);
        let product = v * x;
        let product_error = v.mul_add(x, -product);
        let total = sum + product;
        let part = total - sum;
        error += (sum - (total - part)) + (product - part) + product_error;
        sum = total;
    }
    sum + error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Triplets;

    fn two_by_two(v: [f64; 4]) -> Csr {
        let mut t = Triplets::new(2, 2).unwrap();
        for (k, &v) in v.iter().enumerate() {
            t.push(k / 2, k % 2, v).unwrap();
        }
        t.to_csr().unwrap()
    }

    #[test]
    fn sees_what_plain_f64_loses() {
        // b − A x = 1 + 1e16 − 1e16 · 1: plain summation from the left gives 0 or 2.
        let a = two_by_two([1e16, -1e16, 0.0, 1.0]);
        let truth = certify(&a, &Norms::of(&a), &[1.0, 1.0], &[1.0, 1.0]);
        assert_eq!(truth.certificate.absolute, 1.0);
    }

    #[test]
    fn is_invariant_under_powers_of_two() {
        let a = two_by_two([4.0, 1.0, 1.0, 3.0]);
        let reference = certify(&a, &Norms::of(&a), &[1.0, 2.0], &[0.1, 0.6]).certificate;
        for (p, q) in [(900, -900), (-1000, 0), (400, 400)] {
            let scaled = two_by_two([4.0, 1.0, 1.0, 3.0].map(|v| ldexp(v, p)));
            let b = [ldexp(1.0, q), ldexp(2.0, q)];
            let x = [ldexp(0.1, q - p), ldexp(0.6, q - p)];
            if x.iter().all(|x| x.is_normal()) {
                let c = certify(&scaled, &Norms::of(&scaled), &b, &x).certificate;
                assert_eq!((c.relative, c.backward_error), (reference.relative, reference.backward_error));
            }
        }
    }

    #[test]
    fn a_nan_never_passes() {
        let a = two_by_two([1.0, 0.0, 0.0, 1.0]);
        let c = certify(&a, &Norms::of(&a), &[1.0, 1.0], &[f64::NAN, 1.0]).certificate;
        assert!(c.relative.is_nan());
    }
}
