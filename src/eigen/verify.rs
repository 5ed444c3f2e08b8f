//! Verifies pairs with the user's matrices: values by Rayleigh quotients, residuals with compensated sums, on the host.

use super::pencil::{Mass, Pencil};
use super::report::Eigenvalue;
use crate::analyse::certify::{Norms, truth};
use crate::analyse::rows::Certifying;
use crate::host::scale::{larger, ldexp, norm2};
use crate::matrix::Matrix;
use crate::matrix::complex::{join, split};
use faer::c64;

/// A pair with its residual.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    pub(super) value: Eigenvalue,
    /// Of norm 1 together with its imaginary part y; for a complex problem a vector of the real form.
    pub(super) x: Vec<f64>,
    pub(super) y: Option<Vec<f64>>,
    /// ‖A v − λ B v‖ for ‖v‖₂ = 1.
    pub(super) residual: f64,
    /// What the residual is relative to: ‖A‖ + |λ| ‖B‖.
    pub(super) scale: f64,
    /// The largest residual of a row relative to what the row of A and that of B hold; 0 where they are unknown.
    pub(super) rows: f64,
    /// How many values it stands for: 2 for a complex pair.
    pub(super) count: usize,
}

impl Verified {
    /// The residual relative to its scale, or that of a row where it is larger: a large row hides no error of another.
    pub(super) fn relative(&self) -> f64 {
        if self.residual == 0.0 { 0.0 } else { larger(self.residual / self.scale, self.rows) }
    }

    /// What the residual may be, where its relative size may be `bound`.
    pub(super) fn bound(&self, bound: f64) -> f64 {
        let relative = self.relative();
        if relative > self.residual / self.scale { bound * self.residual / relative } else { bound * self.scale }
    }

    pub(super) fn number(&self) -> c64 {
        c64::new(self.value.re, self.value.im)
    }
}

pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// xᴴy of vectors of the real form.
pub(super) fn complex_dot(x: &[f64], y: &[f64]) -> c64 {
    let pairs = x.chunks_exact(2).zip(y.chunks_exact(2));
    pairs.map(|(x, y)| c64::new(x[0] * y[0] + x[1] * y[1], x[0] * y[1] - x[1] * y[0])).sum()
}

/// z x of a vector of the real form.
pub(super) fn times(z: c64, x: &[f64]) -> Vec<f64> {
    x.chunks_exact(2).flat_map(|x| [z.re * x[0] - z.im * x[1], z.re * x[1] + z.im * x[0]]).collect()
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
pub(super) fn distance(a: &impl Certifying, norms: &Norms, x: &[f64], b: &[f64]) -> f64 {
    truth(a, norms, b, x).certificate.absolute
}

/// A residual, and its rows in a power of two of their own.
struct Rest {
    norm: f64,
    rows: Vec<f64>,
    exponent: i32,
}

/// v / size.
fn divided(v: Vec<f64>, size: f64) -> Vec<f64> {
    v.into_iter().map(|v| v / size).collect()
}

/// v/‖v‖; `None` where that is zero or not finite.
pub(super) fn unit(v: Vec<f64>) -> Option<Vec<f64>> {
    let size = norm2(&v);
    (size > 0.0 && size.is_finite()).then(|| divided(v, size))
}

impl Pencil {
    /// A x with compensated row sums.
    fn product(&self, x: &[f64]) -> Vec<f64> {
        let truth = truth(&self.a, &self.facts.norms, &vec![0.0; x.len()], x);
        truth.residual.into_iter().map(|r| -ldexp(r, truth.exponent)).collect()
    }

    /// B x with compensated row sums.
    fn compensated_dual(&self, x: &[f64]) -> Vec<f64> {
        let Some((b, norms)) = self.b.as_ref().zip(self.b_norms.as_ref()) else { return x.to_vec() };
        let truth = truth(&Matrix::from(b), norms, &vec![0.0; x.len()], x);
        truth.residual.into_iter().map(|r| -ldexp(r, truth.exponent)).collect()
    }

    /// A x − b.
    fn rest(&self, x: &[f64], b: &[f64]) -> Rest {
        let truth = truth(&self.a, &self.facts.norms, b, x);
        Rest { norm: truth.certificate.absolute, rows: truth.residual, exponent: truth.exponent }
    }

    /// The largest |r_i| / (Σ_j (|a_ij| + μ |b_ij|) c_j ‖v/c‖), c the scales of columns, for the residual r of a pair with
    /// this value and the parts of v; μ is |λ|, or a typical one where that is larger: values far below it are as good as 0.
    fn row_part(&self, value: c64, rests: &[&Rest], v: &[&[f64]]) -> f64 {
        let Some([of_a, of_b]) = &self.sizes else { return 0.0 };
        let scale = |j: usize| self.scales.as_ref().map_or(0, |s| s.columns[j]);
        let part = |v: &&[f64]| norm2(&v.iter().enumerate().map(|(j, v)| ldexp(*v, -scale(j))).collect::<Vec<_>>());
        let length = v.iter().map(part).fold(0.0, f64::hypot);
        let mu = value.norm().max(self.unit);
        let part = |i: usize| {
            let r = rests.iter().map(|rest| ldexp(rest.rows[i], rest.exponent)).fold(0.0, f64::hypot);
            if r == 0.0 { 0.0 } else { r / ((of_a[i] + mu * of_b[i]) * length) }
        };
        (0..of_a.len()).map(part).fold(0.0, larger)
    }

    /// The pairs that v = x + i y belongs to: none where v is zero, not finite, or of an infinite eigenvalue; up to two
    /// of a complex problem, whose eigenvectors are found by the projectors (I ∓ iJ)/2 on v, J the multiplication by i.
    pub(super) fn verify(&self, x: Vec<f64>, y: Option<Vec<f64>>) -> Vec<Verified> {
        let size = norm2(&x).hypot(y.as_ref().map_or(0.0, |y| norm2(y)));
        if !(size > 0.0 && size.is_finite()) {
            return vec![];
        }
        let (x, y) = (divided(x, size), y.map(|y| divided(y, size)));
        if !self.complex {
            return self.real_pair(x, y).into_iter().collect();
        }
        let Some(y) = y else { return self.complex_pair(x).into_iter().collect() };
        // v = (p, q) over the parts: p + iq belongs to λ, the conjugate of p − iq to the conjugate of λ.
        let ((xp, xq), (yp, yq)) = (split(&x), split(&y));
        let first = join(&combine(1.0, &xp, -1.0, &yq), &combine(1.0, &yp, 1.0, &xq));
        let second = join(&combine(1.0, &xp, 1.0, &yq), &combine(-1.0, &yp, 1.0, &xq));
        let sizes = [norm2(&first), norm2(&second)];
        let pairs = [first, second].into_iter().zip(sizes).filter(|(_, size)| *size > 1e-3);
        let pairs: Vec<Verified> = pairs.filter_map(|(z, size)| self.complex_pair(divided(z, size))).collect();
        // If v belongs to only one of them, the other is rounding noise.
        let better = pairs.iter().map(Verified::relative).fold(f64::INFINITY, f64::min);
        pairs.into_iter().filter(|p| p.relative() <= 1e4 * better.max(f64::EPSILON)).collect()
    }

    /// True if the vectors belong to an infinite eigenvalue.
    fn infinite(&self, dual: f64) -> bool {
        self.norms().1.is_some_and(|b| dual.is_nan() || dual <= f64::EPSILON * b)
    }

    /// The pair of a real problem that x + i y belongs to.
    fn real_pair(&self, x: Vec<f64>, y: Option<Vec<f64>>) -> Option<Verified> {
        let (ax, bx) = (self.product(&x), self.compensated_dual(&x));
        let Some(y) = y else {
            if self.infinite(norm2(&bx)) {
                return None;
            }
            // The quotient that minimises the residual, if B is no inner product.
            let (above, below) = match self.mass {
                Mass::General => (dot(&bx, &ax), dot(&bx, &bx)),
                _ => (dot(&x, &ax), dot(&x, &bx)),
            };
            let lambda = above / below;
            let rest = self.rest(&x, &bx.iter().map(|v| lambda * v).collect::<Vec<_>>());
            return self.judged(c64::new(lambda, 0.0), x, None, &[&rest]);
        };
        let (ay, by) = (self.product(&y), self.compensated_dual(&y));
        if self.infinite(norm2(&bx).hypot(norm2(&by))) {
            return None;
        }
        let (wx, wy) = if self.mass == Mass::General { (&bx, &by) } else { (&x, &y) };
        // wᴴBv is real for symmetric B, and for w = Bv.
        let whole = dot(wx, &bx) + dot(wy, &by);
        let (re, mut im) = ((dot(wx, &ax) + dot(wy, &ay)) / whole, (dot(wx, &ay) - dot(wy, &ax)) / whole);
        let real = self.rest(&x, &combine(re, &bx, -im, &by));
        let imaginary = self.rest(&y, &combine(im, &bx, re, &by));
        let mut y = y;
        if im < 0.0 {
            // The conjugate pair: positive imaginary part first.
            im = -im;
            y.iter_mut().for_each(|y| *y = -*y);
        }
        self.judged(c64::new(re, im), x, Some(y), &[&real, &imaginary])
    }

    /// A pair with the residuals of its parts; `None` where the value is not finite.
    fn judged(&self, value: c64, x: Vec<f64>, y: Option<Vec<f64>>, rests: &[&Rest]) -> Option<Verified> {
        if !(value.re.is_finite() && value.im.is_finite()) {
            return None;
        }
        let parts: Vec<&[f64]> = std::iter::once(&x[..]).chain(y.as_deref()).collect();
        let rows = self.row_part(value, rests, &parts);
        Some(Verified {
            value: Eigenvalue { re: value.re, im: value.im },
            residual: rests.iter().map(|rest| rest.norm).fold(0.0, f64::hypot),
            scale: self.scale(value),
            rows,
            count: if y.is_some() { 2 } else { 1 },
            x,
            y,
        })
    }

    /// The pair of a complex problem that a vector of the real form belongs to.
    fn complex_pair(&self, x: Vec<f64>) -> Option<Verified> {
        let (ax, bx) = (self.product(&x), self.compensated_dual(&x));
        if self.infinite(norm2(&bx)) {
            return None;
        }
        let w = if self.symmetric() { &x } else { &bx };
        let mut lambda = complex_dot(w, &ax) / complex_dot(w, &bx);
        if self.symmetric() {
            lambda = c64::new(lambda.re, 0.0);
        }
        let rest = self.rest(&x, &times(lambda, &bx));
        self.judged(lambda, x, None, &[&rest])
    }

    /// Pairs in their order without those that are copies of earlier ones; orthonormal vectors (in the inner product of
    /// B) where the problem is symmetric.
    pub(super) fn distinct(&self, pairs: Vec<Verified>) -> Vec<Verified> {
        let symmetric = self.symmetric();
        if !symmetric && !self.complex {
            return pairs;
        }
        let dual = |x: &[f64]| if symmetric { self.dual(x) } else { x.to_vec() };
        let size = |x: &[f64]| dot(x, &dual(x)).max(0.0).sqrt();
        // Each pair with its part orthogonal to those before it, of length 1, and the dual of that.
        let mut kept: Vec<(Verified, Vec<f64>, Vec<f64>)> = vec![];
        for pair in pairs {
            let near = |v: &Verified| (v.number() - pair.number()).norm() <= 1e-6 * (pair.number().norm() + self.unit);
            let (mut x, before, mut moved) = (pair.x.clone(), size(&pair.x), false);
            for _ in 0..2 {
                // Only copies of the same value, unless symmetry makes the vectors of others orthogonal too.
                for (_, q, dq) in kept.iter().filter(|(v, ..)| symmetric || near(v)) {
                    let h = if self.complex { complex_dot(dq, &x) } else { c64::new(dot(dq, &x), 0.0) };
                    moved |= h.norm() > 1e-13 * before;
                    let part = if self.complex { times(h, q) } else { q.iter().map(|q| h.re * q).collect() };
                    x.iter_mut().zip(part).for_each(|(x, p)| *x -= p);
                }
            }
            let after = size(&x);
            if after.is_nan() || after <= 1e-5 * before {
                continue;
            }
            let x = divided(x, after);
            let renewed = if symmetric && moved { self.verify(x.clone(), None).pop() } else { Some(pair) };
            let Some(pair) = renewed else { continue };
            let dx = dual(&x);
            kept.push((pair, x, dx));
        }
        kept.into_iter().map(|k| k.0).collect()
    }
}
