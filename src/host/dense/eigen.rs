//! Eigenpairs of small symmetric matrices and singular values of small matrices, by the library faer.

use faer::{Mat, Side};

/// Eigenvalues in ascending order and orthonormal eigenvectors of the symmetric matrix whose upper triangle is in
/// `h`; `None` if an entry is not finite or the iteration does not converge.
pub(crate) fn symmetric(h: &Mat<f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let n = h.nrows();
    let s = Mat::from_fn(n, n, |i, j| h[(i.min(j), i.max(j))]);
    if !finite(&s) {
        return None;
    }
    if n == 0 {
        return Some((vec![], s));
    }
    let e = s.self_adjoint_eigen(Side::Lower).ok()?;
    let values = (0..n).map(|i| e.S()[i]).collect();
    Some((values, e.U().to_owned()))
}

/// U, σ in descending order and V with B = U diag(σ) Vᵀ; `None` as in [`symmetric`].
pub(crate) fn singular(b: &Mat<f64>) -> Option<(Mat<f64>, Vec<f64>, Mat<f64>)> {
    if !finite(b) {
        return None;
    }
    let svd = b.thin_svd().ok()?;
    let values = (0..b.nrows().min(b.ncols())).map(|i| svd.S()[i]).collect();
    Some((svd.U().to_owned(), values, svd.V().to_owned()))
}

/// An orthonormal basis of the columns of `a` in their order; columns that depend on earlier ones are left out.
pub(crate) fn orthonormal_columns(a: &Mat<f64>) -> Mat<f64> {
    let columns = (0..a.ncols()).map(|j| (0..a.nrows()).map(|i| a[(i, j)]).collect::<Vec<f64>>());
    let basis = super::orthonormal::orthonormal(columns);
    Mat::from_fn(a.nrows(), basis.len(), |i, j| basis[j][i])
}

pub(crate) fn finite(a: &Mat<f64>) -> bool {
    (0..a.ncols()).all(|j| (0..a.nrows()).all(|i| a[(i, j)].is_finite()))
}

/// The columns one after the other: the layout of arrays on a device.
pub(crate) fn flat(a: &Mat<f64>) -> Vec<f64> {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;

    #[test]
    fn decompositions_multiply_back() {
        let mut random = Random::new(5);
        for n in [1, 2, 7, 40] {
            let h = Mat::from_fn(n, n, |_, _| random.uniform(-1.0, 1.0));
            let s = Mat::from_fn(n, n, |i, j| h[(i.min(j), i.max(j))]);
            let (values, u) = symmetric(&h).unwrap();
            assert!(values.windows(2).all(|w| w[0] <= w[1]));
            let scaled = Mat::from_fn(n, n, |i, j| u[(i, j)] * values[j]);
            assert!((&scaled * u.transpose() - &s).norm_max() < 1e-13);
            let (u, sigma, v) = singular(&h).unwrap();
            assert!(sigma.windows(2).all(|w| w[0] >= w[1]));
            let scaled = Mat::from_fn(n, n, |i, j| u[(i, j)] * sigma[j]);
            assert!((&scaled * v.transpose() - &h).norm_max() < 1e-13);
        }
        assert!(symmetric(&Mat::from_fn(2, 2, |_, _| f64::NAN)).is_none());
    }
}
