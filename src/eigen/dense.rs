//! Small problems by dense algebra on the host, by the library faer: all eigenpairs at once, of any pencil.
//!
//! Symmetric problems by tridiagonal reduction, with B by its Cholesky factor; else by the QR or QZ algorithm. What
//! comes out is verified as everything else is. Cost: some 25 n³ operations and a few matrices of order n.

use super::pencil::{Mass, Pencil};
use crate::matrix::Csr;
use crate::matrix::complex::parts;
use faer::traits::ComplexField;
use faer::traits::math_utils::conj;
use faer::{Mat, Side, c64};

/// Vectors x + i y, as a method on a device finds them.
type Vectors = Vec<(Vec<f64>, Option<Vec<f64>>)>;

/// A with all its zeros.
pub(super) fn real(a: &Csr) -> Mat<f64> {
    let mut m = Mat::zeros(a.rows(), a.cols());
    for i in 0..a.rows() {
        let (columns, values) = a.row(i);
        columns.iter().zip(values).for_each(|(&j, &v)| m[(i, j as usize)] = v);
    }
    m
}

fn complex(a: &Csr) -> Option<Mat<c64>> {
    let (re, im) = parts(a).ok()?;
    let (re, im) = (real(&re), real(&im));
    Some(Mat::from_fn(re.nrows(), re.ncols(), |i, j| c64::new(re[(i, j)], im[(i, j)])))
}

/// Eigenvectors of the Hermitian A x = λ B x with definite B; `None` where that fails.
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

/// Values and eigenvectors of A x = λ B x by the QR or QZ algorithm; of complex numbers, or of real ones.
macro_rules! general {
    ($a:expr, $b:expr) => {{
        let n = $a.nrows();
        match $b {
            None => {
                let e = $a.eigen().ok()?;
                ((0..n).map(|i| e.S()[i]).collect::<Vec<c64>>(), e.U().to_owned())
            }
            Some(b) => {
                let e = $a.generalized_eigen(b).ok()?;
                ((0..n).map(|i| e.S_a()[i] / e.S_b()[i]).collect::<Vec<c64>>(), e.U().to_owned())
            }
        }
    }};
}

/// Vectors of all pairs that the algorithm finds, or `None` where it does not end.
pub(super) fn vectors(p: &Pencil) -> Option<Vectors> {
    let a = p.a.entries()?;
    let definite = p.symmetric() && p.mass != Mass::Semidefinite;
    if p.complex {
        let a = complex(a)?;
        let b = match &p.b {
            Some(b) => Some(complex(b)?),
            None => None,
        };
        let u = match definite.then(|| hermitian(&a, b.as_ref())).flatten() {
            Some(u) => u,
            None => general!(a, b.as_ref()).1,
        };
        return Some(u.col_iter().map(|c| (c.iter().flat_map(|z| [z.re, z.im]).collect(), None)).collect());
    }
    let (a, b) = (real(a), p.b.as_ref().map(|b| real(b)));
    if let Some(u) = definite.then(|| hermitian(&a, b.as_ref())).flatten() {
        return Some(u.col_iter().map(|c| (c.iter().copied().collect(), None)).collect());
    }
    let (values, u) = general!(a, b.as_ref());
    let n = values.len();
    // Of a pair the one with the positive imaginary part; of an infinite value it is not a number.
    let wanted = (0..n).filter(|&j| values[j].im >= 0.0 || values[j].im.is_nan());
    let pair = |j: usize| {
        let x: Vec<f64> = (0..n).map(|i| u[(i, j)].re).collect();
        let y: Vec<f64> = (0..n).map(|i| u[(i, j)].im).collect();
        (x, (values[j].im > 0.0).then_some(y))
    };
    Some(wanted.map(pair).collect())
}
