//! The finite eigenvalues of a small pencil whose B is singular, and no others.
//!
//! In bases of B's range and null space, B = diag(D, 0), the rows of the null space say A₂₁ x₁ + A₂₂ x₂ = 0. What A₂₂ can be
//! solved for is eliminated; what is left of these rows restricts x₁, and what is left of the columns is free: both are
//! divided out, and the rest is a smaller pencil without those infinite eigenvalues (the staircase of Van Dooren 1979,
//! doi:10.1016/0024-3795(79)90035-1). One that is left of a symmetric problem with semidefinite B is symmetric, with a
//! definite B. Without this, rounding turns infinite eigenvalues into large finite ones with small residuals.

use faer::traits::ComplexField;
use faer::{Mat, Side, c64};

/// Singular values below this part of the norm and of the order are zero.
const NOISE: f64 = 8.0 * f64::EPSILON;

/// Numbers of dense matrices.
pub(super) trait Number: ComplexField<Real = f64> + Copy + From<f64> + Into<c64> {}
impl Number for f64 {}
impl Number for c64 {}

/// A pencil without infinite eigenvalues, and the way back from its eigenvectors.
pub(super) struct Finite<T> {
    pub(super) a: Mat<T>,
    pub(super) b: Mat<T>,
    steps: Vec<Step<T>>,
}

/// One step of the way back: x = W (x₁, Q (z, w)) with x₁ = V y, z = Z x₁ and w = F⁺(λ D − S) x₁.
struct Step<T> {
    w: Mat<T>,
    q: Mat<T>,
    v: Mat<T>,
    z: Mat<T>,
    d: Vec<f64>,
    s: Mat<T>,
    f: Mat<T>,
}

/// U, s and W with M = U diag(s) Wᴴ, |s| descending; U = W and signed s where M is Hermitian.
fn split<T: Number>(m: &Mat<T>, hermitian: bool) -> Option<(Mat<T>, Vec<f64>, Mat<T>)> {
    let size = m.nrows().min(m.ncols());
    if size == 0 {
        return Some((Mat::identity(m.nrows(), m.nrows()), vec![], Mat::identity(m.ncols(), m.ncols())));
    }
    if !hermitian {
        let svd = m.svd().ok()?;
        let s = (0..size).map(|i| svd.S()[i].into().re).collect();
        return Some((svd.U().to_owned(), s, svd.V().to_owned()));
    }
    let e = m.self_adjoint_eigen(Side::Lower).ok()?;
    let value = |i: usize| -> f64 { e.S()[i].into().re };
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&i, &j| value(j).abs().total_cmp(&value(i).abs()));
    let u = Mat::from_fn(size, size, |i, j| e.U()[(i, order[j])]);
    Some((u.clone(), order.into_iter().map(value).collect(), u))
}

fn above(s: &[f64], noise: f64) -> usize {
    s.iter().take_while(|s| s.abs() > noise).count()
}

fn multiply<T: Number>(m: &Mat<T>, x: &[c64]) -> Vec<c64> {
    (0..m.nrows()).map(|i| x.iter().enumerate().map(|(j, x)| m[(i, j)].into() * x).sum()).collect()
}

impl<T: Number> Finite<T> {
    /// The pencil as it is.
    pub(super) fn whole(a: Mat<T>, b: Mat<T>) -> Self {
        Self { a, b, steps: vec![] }
    }

    /// The finite part of A x = λ B x; `hermitian`: A and B are, and B is semidefinite. `None` where every λ is an
    /// eigenvalue beyond common null vectors of A and B, or an algorithm does not converge.
    pub(super) fn of(a: Mat<T>, b: Mat<T>, hermitian: bool) -> Option<Self> {
        let mut part = Self::whole(a, b);
        while part.step(hermitian)? {}
        Some(part)
    }

    /// Leaves out the null space of B; false where there is none.
    fn step(&mut self, hermitian: bool) -> Option<bool> {
        let n = self.a.nrows();
        let (u, d, w) = split(&self.b, hermitian)?;
        let noise = NOISE * n as f64;
        let r = above(&d, noise * d.first().map_or(0.0, |d| d.abs()));
        if r == n {
            return Some(false);
        }
        let noise = noise * self.a.norm_l2();
        let t = u.adjoint() * &self.a * &w;
        let (p, e, q) = split(&t.submatrix(r, r, n - r, n - r).to_owned(), hermitian)?;
        let k = above(&e, noise);
        let (c, g) = (t.submatrix(0, r, r, n - r) * &q, p.adjoint() * t.submatrix(r, 0, n - r, r));
        let z = Mat::from_fn(k, r, |i, j| g[(i, j)] * T::from(-1.0 / e[i]));
        let s = t.submatrix(0, 0, r, r) + c.subcols(0, k) * &z;
        let (fu, fs, fv) = split(&c.subcols(k, n - r - k).to_owned(), false)?;
        let (_, gs, gv) = split(&g.subrows(k, n - r - k).to_owned(), false)?;
        let (rank, other) = (above(&fs, noise), above(&gs, noise));
        if rank != other {
            return None;
        }
        let left = fu.subcols(rank, r - rank).to_owned();
        let v = if hermitian { left.clone() } else { gv.subcols(rank, r - rank).to_owned() };
        let scaled = Mat::from_fn(fv.nrows(), rank, |i, j| fv[(i, j)] * T::from(1.0 / fs[j]));
        let f = scaled * fu.subcols(0, rank).adjoint();
        self.a = left.adjoint() * &s * &v;
        self.b = left.adjoint() * Mat::from_fn(r, v.ncols(), |i, j| v[(i, j)] * T::from(d[i]));
        self.steps.push(Step { w, q, v, z, d, s, f });
        Some(true)
    }

    /// The eigenvector of the whole pencil that belongs to y.
    pub(super) fn back(&self, y: Vec<c64>, lambda: c64) -> Vec<c64> {
        self.steps.iter().rev().fold(y, |y, step| {
            let mut x = multiply(&step.v, &y);
            let moved =
                multiply(&step.s, &x).into_iter().zip(x.iter().zip(&step.d)).map(|(s, (x, d))| lambda * d * x - s);
            let mut null = multiply(&step.z, &x);
            null.extend(multiply(&step.f, &moved.collect::<Vec<_>>()));
            x.extend(multiply(&step.q, &null));
            multiply(&step.w, &x)
        })
    }
}
