//! The certificate: ‖b − A x‖ recomputed on the host from the user's own numbers, and the one type that ties it to x.
//!
//! Row sums run in twofold arithmetic (Ogita, Rump and Oishi 2005, doi:10.1137/030601818): products and
//! sums carry their rounding errors along, so the result is as good as one computed in twice the
//! precision and then rounded. Where that is not enough to see b beside the products, they are exact.
//! Power-of-two scaling keeps 1e±300 in range and changes no bit otherwise.
//!
//! No certificate holds a NaN: where a residual is none (an operator that returns NaN), it is infinite, and passes nothing.

use super::rows::{Certifying, Rows, product, scaled};
use crate::host::scale::{exponent, larger, largest, ldexp, norm2_of, power, scaled_norm2};
use crate::matrix::{Csr, Matrix};
use rayon::prelude::*;
use serde::Serialize;

/// Norms of a matrix, computed once per set-up.
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
        let tallest = largest(&columns);
        Self { exponent, scaled_norm: (widest * tallest).sqrt() }
    }

    /// The same of a symmetric matrix, whose columns are its rows.
    pub(crate) fn of_symmetric(a: &Csr) -> Self {
        let (exponent, scaled_norm) = Self::widest(a);
        Self { exponent, scaled_norm }
    }

    /// The exponent, and ‖A‖∞·2^−exponent.
    fn widest(a: &Csr) -> (i32, f64) {
        let e = exponent(largest(a.values()));
        let small = power(-e);
        let sum = |i: usize| a.row(i).1.iter().map(|&v| small(v).abs()).sum::<f64>();
        (e, (0..a.rows()).into_par_iter().with_min_len(1024).map(sum).reduce(|| 0.0, larger))
    }
}

/// An x with the certificate of this x. [`certify`] alone makes one, x can't be changed in it, and a report takes its x
/// and its certificate from nowhere else: the x returned is the x certified.
#[derive(Clone, Debug)]
pub(crate) struct Certified {
    x: Vec<f64>,
    truth: Truth,
}

impl Certified {
    pub(crate) fn x(&self) -> &[f64] {
        &self.x
    }

    pub(crate) fn truth(&self) -> &Truth {
        &self.truth
    }

    /// Adds Aᵀr, once; `transpose` is Aᵀ.
    pub(crate) fn add_normal(&mut self, transpose: &Matrix, norms: &Norms) {
        if self.truth.normal.is_none() {
            self.truth.add_normal(transpose, norms);
        }
    }

    /// x and its certificate, for a report.
    pub(crate) fn into_answer(self) -> (Vec<f64>, Certificate) {
        (self.x, self.truth.certificate)
    }
}

/// Certifies `x`; `None` where an entry of it is no number.
pub(crate) fn certify(a: &impl Certifying, norms: &Norms, b: &[f64], x: Vec<f64>) -> Option<Certified> {
    let broken = a.norms().any(!largest(&x).is_finite());
    (!broken).then(|| Certified { truth: truth(a, norms, b, &x), x })
}

/// The true residual of one x.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    /// (b − A x)·2^−exponent.
    pub(crate) residual: Vec<f64>,
    /// Its norm; infinite where an entry is no number.
    pub(crate) norm: f64,
    /// ‖b‖·2^−exponent.
    pub(crate) rhs: f64,
    /// The common scale.
    pub(crate) exponent: i32,
    /// Aᵀr in the scales of A and r, where a least-squares solution is looked for.
    pub(crate) normal: Option<Vec<f64>>,
    pub(crate) certificate: Certificate,
}

impl Truth {
    fn add_normal(&mut self, transpose: &Matrix, norms: &Norms) {
        let gradient = product(transpose, norms.exponent, &self.residual);
        let norm = number(norm2_of(&gradient, transpose.whole()));
        let whole = norms.scaled_norm * self.norm;
        self.certificate.normal_residual = Some(ldexp(norm, norms.exponent + self.exponent));
        self.certificate.optimality = Some(ratio(norm, whole));
        self.normal = Some(gradient);
    }

    /// The distance of x from a solution: ‖r‖/‖b‖, or ‖Aᵀr‖/(‖A‖‖r‖) where that is less.
    pub(crate) fn distance(&self) -> f64 {
        let c = &self.certificate;
        c.optimality.map_or(c.relative, |o| o.min(c.relative))
    }
}

/// How good an x is, in the user's units. No number in it is NaN; a residual that can't be computed is infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Certificate {
    /// ‖b − A x‖₂.
    pub absolute: f64,
    /// ‖b − A x‖₂ / ‖b‖₂ (the absolute value where b = 0).
    pub relative: f64,
    /// ‖b − A x‖₂ / (‖A‖‖x‖₂ + ‖b‖₂) with ‖A‖ = √(‖A‖₁‖A‖∞), for an operator estimated from below by products.
    pub backward_error: f64,
    /// max_i |b − A x|_i / (|A||x| + |b|)_i: the least ε with which x solves exactly a system whose every entry, of A
    /// and of b, was changed by no more than ε times itself (Oettli and Prager 1964, doi:10.1007/BF01386090). Unlike
    /// the norms above it sees small rows. `None` for an operator, whose |A| is unknown.
    pub componentwise: Option<f64>,
    /// max_i |b − A x|_i / (‖a_i‖₁‖x‖∞ + |b_i|) for rows a_i: the same for changes in the size of each row, so that a
    /// small x_j beside a large one does not count (Arioli, Demmel and Duff 1989, doi:10.1137/0610013).
    pub rowwise: Option<f64>,
    /// ‖Aᵀ(b − A x)‖₂, zero at a least-squares solution; computed where one is looked for.
    pub normal_residual: Option<f64>,
    /// ‖Aᵀr‖₂ / (‖A‖‖r‖₂) with that ‖A‖.
    pub optimality: Option<f64>,
    /// ‖b‖₂.
    pub rhs_norm: f64,
    /// ‖x‖₂.
    pub solution_norm: f64,
    /// Where and how it was computed.
    pub computed_on: &'static str,
}

/// Infinity in place of NaN.
fn number(v: f64) -> f64 {
    if v.is_nan() { f64::INFINITY } else { v }
}

/// part / whole, and never a NaN: `part` itself where the whole is zero.
fn ratio(part: f64, whole: f64) -> f64 {
    number(if whole > 0.0 { part / whole } else { part })
}

/// b − A x and what follows from it; everything is infinite where x is not finite.
pub(crate) fn truth(a: &impl Certifying, norms: &Norms, b: &[f64], x: &[f64]) -> Truth {
    let whole = a.norms();
    let ((solution, ex), (rhs, eb)) = (scaled_norm2(x, whole), scaled_norm2(b, whole));
    let (rows, e) = if solution == 0.0 {
        let all = Some(if rhs == 0.0 { 0.0 } else { 1.0 });
        let residual = scaled(b, -eb);
        (Rows { residual, componentwise: all, rowwise: all, computed_on: "x = 0: b itself" }, eb)
    } else {
        a.rows_of(norms.exponent, b, x)
    };
    let norm = number(norm2_of(&rows.residual, whole));
    let absolute = ldexp(norm, e);
    let beside = ldexp(rhs, eb - e);
    // ‖A‖‖x‖ + ‖b‖ times 2^−shift, where neither overflows.
    let size = norms.exponent + ex - e;
    let shift = size.max(0);
    let all = norms.scaled_norm * ldexp(solution, size - shift) + ldexp(beside, -shift);
    let certificate = Certificate {
        absolute,
        relative: if rhs > 0.0 { number(ldexp(norm / rhs, e - eb)) } else { absolute },
        backward_error: number(ldexp(ratio(norm, all), if all > 0.0 { -shift } else { 0 })),
        componentwise: rows.componentwise.map(number),
        rowwise: rows.rowwise.map(number),
        normal_residual: None,
        optimality: None,
        rhs_norm: ldexp(rhs, eb),
        solution_norm: number(ldexp(solution, ex)),
        computed_on: rows.computed_on,
    };
    Truth { residual: rows.residual, norm, rhs: beside, exponent: e, normal: None, certificate }
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
        let truth = truth(&a, &Norms::of(&a), &[1.0, 1.0], &[1.0, 1.0]);
        assert_eq!(truth.certificate.absolute, 1.0);
    }

    #[test]
    fn is_invariant_under_powers_of_two() {
        let a = two_by_two([4.0, 1.0, 1.0, 3.0]);
        let reference = truth(&a, &Norms::of(&a), &[1.0, 2.0], &[0.1, 0.6]).certificate;
        for (p, q) in [(900, -900), (-1000, 0), (400, 400)] {
            let scaled = two_by_two([4.0, 1.0, 1.0, 3.0].map(|v| ldexp(v, p)));
            let b = [ldexp(1.0, q), ldexp(2.0, q)];
            let x = [ldexp(0.1, q - p), ldexp(0.6, q - p)];
            if x.iter().all(|x| x.is_normal()) {
                let c = truth(&scaled, &Norms::of(&scaled), &b, &x).certificate;
                assert_eq!((c.relative, c.backward_error), (reference.relative, reference.backward_error));
                assert_eq!((c.componentwise, c.rowwise), (reference.componentwise, reference.rowwise));
            }
        }
    }

    #[test]
    fn a_nan_never_passes_and_is_never_told() {
        let a = two_by_two([1.0, 0.0, 0.0, 1.0]);
        let norms = Norms::of(&a);
        for x in [f64::NAN, f64::INFINITY] {
            assert!(certify(&a, &norms, &[1.0, 1.0], vec![x, 1.0]).is_none());
            let c = truth(&a, &norms, &[1.0, 1.0], &[x, 1.0]).certificate;
            assert_eq!((c.absolute, c.relative, c.backward_error), (f64::INFINITY, f64::INFINITY, f64::INFINITY));
        }
        // A column without entries: no residual depends on x_1.
        let empty = two_by_two([1.0, 0.0, 0.0, 0.0]);
        assert!(certify(&empty, &Norms::of(&empty), &[1.0, 0.0], vec![1.0, f64::NAN]).is_none());
    }

    #[test]
    fn sizes_far_apart_leave_every_number_finite_or_honest() {
        let a = two_by_two([1.0, 0.0, 0.0, 1e-300]);
        for (b, x) in [([1e-300, 1e-300], [1e300, 0.0]), ([1e-320, 0.0], [1.0, 1e300]), ([1e300, 1.0], [1e-300, 1.0])] {
            let c = truth(&a, &Norms::of(&a), &b, &x).certificate;
            let all = [c.absolute, c.relative, c.backward_error, c.componentwise.unwrap(), c.rowwise.unwrap()];
            assert!(all.iter().all(|v| !v.is_nan() && *v > 0.0) && c.backward_error <= 1.0, "{b:?} {x:?}: {c:?}");
            assert!(c.relative >= 0.5, "{b:?} {x:?}: {c:?}");
        }
    }

    #[test]
    fn a_large_x_hides_no_residual() {
        // x_2 meets no entry, one that underflows, or products that cancel: what is left of b is all of it.
        let empty = two_by_two([1.0, 0.0, 0.0, 0.0]);
        let tiny = two_by_two([1.0, 1e-300, 0.0, 0.0]);
        let cancels = two_by_two([3.0, -3.0, 0.0, 0.0]);
        let far = 1e300 / 3.0;
        for (a, b, x) in [
            (&empty, [1.0, 0.0], [0.5, 1e300]),
            (&empty, [1e-320, 0.0], [0.0, 1e308]),
            (&empty, [1.0, 0.0], [0.5, 1e190]),
            (&tiny, [1.0, 0.0], [0.0, 1e290]),
            (&cancels, [1.0, 0.0], [far, far]),
            (&cancels, [1e-300, 0.0], [far, far]),
            (&cancels, [1.0, 0.0], [1.1e40, 1.1e40]),
        ] {
            let c = truth(a, &Norms::of(a), &b, &x).certificate;
            assert!((0.4..2.0).contains(&c.relative) && c.backward_error >= 0.0, "{b:?} {x:?}: {c:?}");
        }
        // And what is solved is seen as solved.
        let a = two_by_two([1e20, -1e20, 0.0, 1.0]);
        assert_eq!(truth(&a, &Norms::of(&a), &[0.0, 1.0], &[1.0, 1.0]).certificate.absolute, 0.0);
        let a = two_by_two([1e100, -1e100, 1e-100, 1e-100]);
        let c = truth(&a, &Norms::of(&a), &[0.0, 1.0], &[5e99, 5e99]).certificate;
        assert!(c.relative < 1e-15 && c.componentwise.unwrap() < 1e-15, "{c:?}");
        let c = truth(&empty, &Norms::of(&empty), &[1.0, 0.0], &[1.0, 1e300]).certificate;
        assert_eq!((c.relative, c.componentwise, c.solution_norm), (0.0, Some(0.0), 1e300));
    }

    #[test]
    fn a_row_far_below_the_others_is_seen_by_component() {
        let identity = two_by_two([1.0, 0.0, 0.0, 1.0]);
        let graded = two_by_two([1e150, 0.0, 0.0, 1e-170]);
        for (a, b, x, error) in [
            (&identity, [1e300, 1e-30], [1e300, 1e-25], 1.0),
            (&identity, [1e300, 1e-30], [1e300, 0.0], 1.0),
            (&graded, [1e150, 1e-170], [1.0, 1.0 + 1e-4], 5e-5),
        ] {
            let c = truth(a, &Norms::of(a), &b, &x).certificate;
            assert!((c.componentwise.unwrap() / error - 1.0).abs() < 1e-3 && c.relative < 1e-300, "{b:?} {x:?}: {c:?}");
        }
    }

    #[test]
    fn small_rows_are_seen_by_component() {
        // The second row is 1e-12 of the first; x_1 is completely wrong.
        let a = two_by_two([1.0, 0.0, 0.0, 1e-12]);
        let c = truth(&a, &Norms::of(&a), &[1.0, 1e-12], &[1.0, 2.0]).certificate;
        assert!(c.relative < 1e-11 && (c.componentwise.unwrap() - 1.0 / 3.0).abs() < 1e-15, "{c:?}");
        assert!((c.rowwise.unwrap() - 1.0 / 3.0).abs() < 1e-15, "{c:?}");
        // A small x_j beside a large one: by component it is far off, by row it is nothing.
        let a = two_by_two([1.0, 0.0, 0.0, 1.0]);
        let c = truth(&a, &Norms::of(&a), &[1.0, 0.0], &[1.0, 1e-9]).certificate;
        assert_eq!((c.componentwise, c.rowwise), (Some(1.0), Some(1e-9)));
    }
}
