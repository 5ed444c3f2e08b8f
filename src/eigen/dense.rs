//! Small problems by dense algebra on the host, by the library faer: all eigenpairs at once, of any pencil.
//!
//! Symmetric problems by tridiagonal reduction, with the Cholesky factor of B or of A − σB; others by the QR algorithm
//! for (A − σB)⁻¹B; the infinite eigenvalues of a singular B are divided out first. The results are verified like all
//! others. Cost: some 25 n³ operations, a few matrices of order n.

use super::finite::{Finite, Number};
use super::pencil::{Mass, Pencil};
use crate::host::scale::ldexp;
use crate::matrix::Csr;
use crate::matrix::complex::parts;
use faer::linalg::solvers::Solve;
use faer::traits::math_utils::conj;
use faer::{Mat, Side, c64};

/// Vectors x + i y, as a method on a device finds them.
type Vectors = Vec<(Vec<f64>, Option<Vec<f64>>)>;

/// A·2^−e as a dense matrix.
pub(super) fn real(a: &Csr, e: i32) -> Mat<f64> {
    let mut m = Mat::zeros(a.rows(), a.cols());
    for i in 0..a.rows() {
        let (columns, values) = a.row(i);
        columns.iter().zip(values).for_each(|(&j, &v)| m[(i, j as usize)] = ldexp(v, -e));
    }
    m
}

fn complex(a: &Csr, e: i32) -> Option<Mat<c64>> {
    let (re, im) = parts(a).ok()?;
    let (re, im) = (real(&re, e), real(&im, e));
    Some(Mat::from_fn(re.nrows(), re.ncols(), |i, j| c64::new(re[(i, j)], im[(i, j)])))
}

/// The ways to a pencil's eigenvectors; each is accurate at its own end of a wide spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By A itself, or by the Cholesky factor of B: up to rounding of the largest eigenvalue.
    Whole,
    /// By the Cholesky factor of A − σB for a σ below the spectrum, in scaled units: the smallest relative to themselves.
    Below,
    /// By (A − σB)⁻¹B in scaled units: those near σ.
    Near,
}

impl Way {
    /// Those that a problem allows, in the order in which they are to be tried.
    pub(super) fn of(p: &Pencil) -> &'static [Self] {
        match (p.symmetric(), &p.b) {
            (true, _) => &[Self::Whole, Self::Below, Self::Near],
            (false, None) => &[Self::Whole],
            (false, Some(_)) => &[Self::Near],
        }
    }
}

/// An eigenvector with its value; the flag: it belongs to a pair of complex conjugates of a real problem.
type Eigen = (bool, Vec<c64>, c64);

fn column<T: Number>(u: faer::MatRef<'_, T>, j: usize) -> Vec<c64> {
    (0..u.nrows()).map(|i| u[(i, j)].into()).collect()
}

/// Eigenvectors of the Hermitian A x = λ B x with definite B; `None` if that fails.
fn hermitian<T: Number>(a: &Mat<T>, b: Option<&Mat<T>>) -> Option<Mat<T>> {
    if a.nrows() == 0 {
        return Some(a.clone());
    }
    let Some(b) = b else {
        return Some(a.self_adjoint_eigen(Side::Lower).ok()?.U().to_owned());
    };
    let llt = b.llt(Side::Lower).ok()?;
    let l = llt.L();
    // C = L⁻¹ A L⁻ᴴ = L⁻¹ (L⁻¹ A)ᴴ.
    let mut m = a.clone();
    l.solve_lower_triangular_in_place(&mut m);
    let mut c = Mat::from_fn(a.nrows(), a.ncols(), |i, j| conj(&m[(j, i)]));
    l.solve_lower_triangular_in_place(&mut c);
    let mut x = c.self_adjoint_eigen(Side::Lower).ok()?.U().to_owned();
    l.adjoint().solve_upper_triangular_in_place(&mut x);
    Some(x)
}

/// Eigenvectors and values of M; of a real M those with imaginary part 0 or more.
fn general<T: Number>(m: &Mat<T>) -> Option<Vec<Eigen>> {
    if m.nrows() == 0 {
        return Some(vec![]);
    }
    let e = m.eigen().ok()?;
    let wanted = (0..m.nrows()).filter(|&j| !T::IS_REAL || e.S()[j].im >= 0.0);
    Some(wanted.map(|j| (T::IS_REAL && e.S()[j].im != 0.0, column(e.U(), j), e.S()[j])).collect())
}

/// The vectors' Rayleigh quotients beside them.
fn with_values<T: Number>(u: &Mat<T>, a: &Mat<T>, b: &Mat<T>) -> Vec<Eigen> {
    let (au, bu) = (a * u, b * u);
    let dot = |x: &Mat<T>, j: usize| -> c64 {
        column(u.as_ref(), j).iter().zip(column(x.as_ref(), j)).map(|(u, x)| u.conj() * x).sum()
    };
    (0..u.ncols()).map(|j| (false, column(u.as_ref(), j), dot(&au, j) / dot(&bu, j))).collect()
}

/// Eigenvectors of A x = λ B x by `way`, with values where B is singular; `None` if an algorithm fails.
fn pairs<T: Number>(
    p: &Pencil,
    a: Mat<T>,
    b: Option<Mat<T>>,
    sigma: T,
    unit: f64,
    way: Way,
) -> Option<(Vec<Vec<c64>>, Vec<bool>)> {
    let symmetric = p.symmetric();
    // No page has a B, and what a pencil takes would be a tenth of what it may load.
    if cfg!(target_arch = "wasm32") && b.is_some() {
        return None;
    }
    let part = match b {
        None => {
            let found = match symmetric {
                true => with_values(&hermitian(&a, None)?, &a, &Mat::identity(a.nrows(), a.nrows())),
                false => general(&a)?,
            };
            return Some(found.into_iter().map(|(pair, v, _)| (v, pair)).unzip());
        }
        Some(b) if !matches!(p.mass, Mass::Identity | Mass::Definite) => Finite::of(a, b, symmetric)?,
        Some(b) => Finite::whole(a, b),
    };
    let (a, b) = (&part.a, &part.b);
    let shifted = |s: T| Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] - b[(i, j)] * s);
    let found = match way {
        Way::Whole => with_values(&hermitian(a, Some(b))?, a, b),
        Way::Below => {
            let below = BELOW.iter().find_map(|s| hermitian(b, Some(&shifted((-s * unit).into()))));
            with_values(&below?, a, b)
        }
        Way::Near if a.nrows() == 0 => vec![],
        Way::Near => {
            let of_inverse = general(&shifted(sigma).partial_piv_lu().solve(b))?;
            of_inverse.into_iter().map(|(pair, v, mu)| (pair, v, sigma.into() + mu.inv())).collect()
        }
    };
    Some(found.into_iter().map(|(pair, v, lambda)| (part.back(v, lambda), pair)).unzip())
}

/// Steps below 0 at which A − σB is tried for definiteness, in units of a typical eigenvalue.
const BELOW: [f64; 4] = [0.0, 1e-6, 1e-2, 10.0];

/// Vectors of all finite pairs that the algorithm finds; `None` if it fails.
pub(super) fn vectors(p: &Pencil, sigma: Option<c64>, way: Way) -> Option<Vectors> {
    let a = p.a.entries()?;
    // A·2^−e and B·2^−f, whose squares stay in range, have the eigenvectors of A and B, and λ·2^(f−e).
    let (e, f) = (p.facts.norms.exponent, p.b_norms.as_ref().map_or(0, |norms| norms.exponent));
    let unit = ldexp(p.unit, f - e);
    let sigma = sigma.unwrap_or_default();
    // Almost surely no eigenvalue, and close to the shift that was asked for, if any.
    let sigma = c64::new(ldexp(sigma.re, f - e) - 0.0137 * unit, ldexp(sigma.im, f - e));
    let plain = p.b.is_none() && way == Way::Whole;
    let rows: Vec<u32> = (0..a.rows() as u32).collect();
    let scaled = |m: &Csr| match &p.scales {
        Some(s) if !plain => m.rebuilt(&rows, &rows, |i, j, v| ldexp(v, s.rows[i] + s.columns[j])),
        _ => m.clone(),
    };
    let identity = if plain { None } else { Some(Csr::identity(a.rows()).ok()?) };
    let b = p.b.as_deref().or(identity.as_ref()).map(scaled);
    let a = scaled(a);
    let back = |i: usize, v: f64| p.scales.as_ref().filter(|_| !plain).map_or(v, |s| ldexp(v, s.columns[i]));
    if p.complex {
        let b = match &b {
            Some(b) => Some(complex(b, f)?),
            None => None,
        };
        let (found, _) = pairs(p, complex(&a, e)?, b, sigma, unit, way)?;
        let real_form =
            |v: Vec<c64>| v.iter().flat_map(|z| [z.re, z.im]).enumerate().map(|(i, v)| back(i, v)).collect();
        return Some(found.into_iter().map(|v| (real_form(v), None)).collect());
    }
    let (found, paired) = pairs(p, real(&a, e), b.as_ref().map(|b| real(b, f)), sigma.re, unit, way)?;
    let part =
        |v: &[c64], f: fn(&c64) -> f64| v.iter().map(f).enumerate().map(|(i, v)| back(i, v)).collect::<Vec<f64>>();
    let pair = |(v, paired): (Vec<c64>, bool)| (part(&v, |z| z.re), paired.then(|| part(&v, |z| z.im)));
    Some(found.into_iter().zip(paired).map(pair).collect())
}
