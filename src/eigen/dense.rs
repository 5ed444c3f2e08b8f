//! Small problems by dense algebra on the host, by the library faer: all eigenpairs at once, of any pencil.
//!
//! Symmetric problems by tridiagonal reduction, with the Cholesky factor of B or of A − σB; others by the QR algorithm
//! for (A − σB)⁻¹B. The results are verified like all others. Cost: some 25 n³ operations, a few matrices of order n.

use super::pencil::{Mass, Pencil};
use crate::host::scale::ldexp;
use crate::matrix::Csr;
use crate::matrix::complex::parts;
use faer::linalg::solvers::Solve;
use faer::traits::ComplexField;
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

/// Eigenvectors of the Hermitian A x = λ B x with definite B; `None` if that fails.
fn hermitian<T: ComplexField>(a: &Mat<T>, b: Option<&Mat<T>>) -> Option<Mat<T>> {
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

/// Vectors of all eigenvalues of M, or of those with imaginary part 0 or more where M is real.
macro_rules! standard {
    ($m:expr, $real:expr) => {{
        let e = $m.eigen().ok()?;
        let wanted = (0..$m.nrows()).filter(|&j| !$real || e.S()[j].im >= 0.0);
        let column = |j: usize| -> Vec<c64> { (0..$m.nrows()).map(|i| e.U()[(i, j)]).collect() };
        wanted.map(|j| (e.S()[j].im != 0.0, column(j))).collect::<Vec<_>>()
    }};
}

/// Eigenvectors of A x = λ B x, each with a flag for a complex value: as a Hermitian problem with definite B, or with
/// definite C = A − σB as B x = (λ − σ)⁻¹ C x; otherwise from C⁻¹B. `None` if an algorithm does not converge.
macro_rules! pencil {
    ($p:expr, $a:expr, $b:expr, $sigma:expr, $unit:expr, $real:expr) => {{
        let (a, p) = ($a, $p);
        let columns = |u: Mat<_>| -> Vec<(bool, Vec<c64>)> {
            u.col_iter().map(|c| (false, c.iter().map(|&z| c64::from(z)).collect())).collect()
        };
        let definite = p.symmetric() && p.mass != Mass::Semidefinite;
        match $b {
            None if definite => columns(hermitian(&a, None)?),
            None => standard!(a, $real),
            Some(b) => {
                let known = definite.then(|| hermitian(&a, Some(&b))).flatten();
                let shifted = |sigma| Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] - b[(i, j)] * sigma);
                let below = || BELOW.iter().find_map(|s| hermitian(&b, Some(&shifted((-s * $unit).into()))));
                match known.or_else(|| p.symmetric().then(below).flatten()) {
                    Some(u) => columns(u),
                    // σ is almost surely no eigenvalue, and close to the shift that was asked for, if any.
                    None => standard!(shifted($sigma).partial_piv_lu().solve(&b), $real),
                }
            }
        }
    }};
}

/// Steps below 0 at which A − σB is tried for definiteness, in units of a typical eigenvalue.
const BELOW: [f64; 4] = [0.0, 1e-6, 1e-2, 10.0];

/// Vectors of all pairs that the algorithm finds, most accurate near `sigma`; `None` if it does not converge.
pub(super) fn vectors(p: &Pencil, sigma: Option<c64>) -> Option<Vectors> {
    let a = p.a.entries()?;
    // A·2^−e and B·2^−f, whose squares stay in range, have the eigenvectors of A and B, and λ·2^(f−e).
    let (e, f) = (p.facts.norms.exponent, p.b_norms.as_ref().map_or(0, |norms| norms.exponent));
    let unit = ldexp(p.unit, f - e);
    let sigma = sigma.unwrap_or_default();
    let sigma = c64::new(ldexp(sigma.re, f - e) - 0.0137 * unit, ldexp(sigma.im, f - e));
    if p.complex {
        let b = match &p.b {
            Some(b) => Some(complex(b, f)?),
            None => None,
        };
        let found = pencil!(p, complex(a, e)?, b, sigma, unit, false);
        return Some(found.into_iter().map(|(_, v)| (v.iter().flat_map(|z| [z.re, z.im]).collect(), None)).collect());
    }
    let found = pencil!(p, real(a, e), p.b.as_ref().map(|b| real(b, f)), sigma.re, unit, true);
    let part = |v: &[c64], f: fn(&c64) -> f64| v.iter().map(f).collect::<Vec<f64>>();
    let pair = |(is_complex, v): (bool, Vec<c64>)| (part(&v, |z| z.re), is_complex.then(|| part(&v, |z| z.im)));
    Some(found.into_iter().map(pair).collect())
}
