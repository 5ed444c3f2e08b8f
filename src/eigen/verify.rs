//! Pairs as the user's matrix sees them: values by Rayleigh quotients, residuals with compensated sums, on the host.

use super::report::Eigenvalue;
use crate::analyse::certify::{Norms, truth};
use crate::host::scale::{ldexp, norm2};
use crate::matrix::Csr;

/// A pair with its residual.
pub(super) struct Verified {
    pub(super) value: Eigenvalue,
    /// Of norm 1 with its imaginary part.
    pub(super) x: Vec<f64>,
    pub(super) y: Option<Vec<f64>>,
    /// ‖A v − λ B v‖ for ‖v‖₂ = 1.
    pub(super) residual: f64,
    /// How many values it stands for: 2 for a complex pair.
    pub(super) count: usize,
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// a x + b y.
fn combine(a: f64, x: &[f64], b: f64, y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| a * x + b * y).collect()
}

/// ‖A‖ = √(‖A‖₁‖A‖∞).
pub(super) fn norm_of(norms: &Norms) -> f64 {
    ldexp(norms.scaled_norm, norms.exponent)
}

/// ‖A x − b‖.
pub(super) fn distance(a: &Csr, norms: &Norms, x: &[f64], b: &[f64]) -> f64 {
    truth(a, norms, b, x).certificate.absolute
}

/// The pair that v = x + i y belongs to; `None` where v is zero or not finite.
pub(super) fn verify(a: &Csr, norms: &Norms, mass: Option<&Csr>, x: Vec<f64>, y: Option<Vec<f64>>) -> Option<Verified> {
    let size = norm2(&x).hypot(y.as_ref().map_or(0.0, |y| norm2(y)));
    if !(size > 0.0 && size.is_finite()) {
        return None;
    }
    let unit = |v: Vec<f64>| v.into_iter().map(|v| v / size).collect::<Vec<f64>>();
    let (x, y) = (unit(x), y.map(unit));
    let dual = |v: &[f64]| mass.map_or_else(|| v.to_vec(), |b| b.multiply(v));
    let (ax, bx) = (a.multiply(&x), dual(&x));
    let Some(y) = y else {
        let lambda = dot(&x, &ax) / dot(&x, &bx);
        let scaled: Vec<f64> = bx.iter().map(|v| lambda * v).collect();
        let residual = distance(a, norms, &x, &scaled);
        return lambda.is_finite().then_some(Verified {
            value: Eigenvalue { re: lambda, im: 0.0 },
            x,
            y: None,
            residual,
            count: 1,
        });
    };
    let (ay, by) = (a.multiply(&y), dual(&y));
    // v*Bv is real for symmetric B.
    let whole = dot(&x, &bx) + dot(&y, &by);
    let (re, im) = ((dot(&x, &ax) + dot(&y, &ay)) / whole, (dot(&x, &ay) - dot(&y, &ax)) / whole);
    let real = distance(a, norms, &x, &combine(re, &bx, -im, &by));
    let imaginary = distance(a, norms, &y, &combine(im, &bx, re, &by));
    (re.is_finite() && im.is_finite()).then_some(Verified {
        value: Eigenvalue { re, im },
        x,
        y: Some(y),
        residual: real.hypot(imaginary),
        count: 2,
    })
}
