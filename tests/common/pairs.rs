//! Eigenpairs against what is known of them: closed forms and dense algebra.

use faer::{Mat, c64};
use krylane::matrix::{Csr, Triplets};
use krylane::random::Random;
use krylane::{Backend, EigenOptions, EigenReport, Which};

pub fn options(k: usize, which: Which) -> EigenOptions {
    EigenOptions { k, which, backend: Backend::Cpu, ..EigenOptions::default() }
}

pub fn of(n: usize, entries: impl IntoIterator<Item = (usize, usize, f64)>) -> Csr {
    let mut t = Triplets::new(n, n).unwrap();
    entries.into_iter().for_each(|(i, j, v)| t.push(i, j, v).unwrap());
    t.to_csr().unwrap()
}

/// The real parts in ascending order.
pub fn values(report: &EigenReport) -> Vec<f64> {
    let mut values: Vec<f64> = report.eigenvalues.iter().map(|v| v.re).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Converged to these values, each within `relative` of itself or `zero`.
#[track_caller]
pub fn found(what: &str, report: &EigenReport, expected: &[f64], relative: f64, zero: f64) {
    assert!(report.reason.is_converged(), "{what}: {} {:?} {:?}", report.reason, report.plan, report.warnings);
    let (values, mut expected) = (values(report), expected.to_vec());
    expected.sort_by(f64::total_cmp);
    assert_eq!(values.len(), expected.len(), "{what}: {values:?}");
    for (v, e) in values.iter().zip(&expected) {
        assert!(
            (v - e).abs() <= relative * e.abs() + zero,
            "{what}: {values:?}, expected {expected:?} {:?}",
            report.plan
        );
    }
    assert!(report.residuals.iter().zip(&report.bounds).all(|(r, b)| r <= b), "{what}: {:?}", report.residuals);
}

/// Converged to these complex values, in any order.
#[track_caller]
pub fn found_complex(what: &str, report: &EigenReport, expected: &[c64], tolerance: f64) {
    assert!(report.reason.is_converged(), "{what}: {} {:?}", report.reason, report.plan);
    let mut left: Vec<c64> = report.eigenvalues.iter().map(|v| c64::new(v.re, v.im)).collect();
    assert_eq!(left.len(), expected.len(), "{what}: {left:?}");
    for e in expected {
        let near = (0..left.len()).min_by(|&i, &j| (left[i] - e).norm().total_cmp(&(left[j] - e).norm())).unwrap();
        let gap = (left[near] - e).norm();
        assert!(gap <= tolerance, "{what}: {e} is missing by {gap:e}; {left:?} {:?}", report.plan);
        left.swap_remove(near);
    }
}

pub fn dense(a: &Csr) -> Mat<f64> {
    Mat::from_fn(a.rows(), a.cols(), |i, j| a.get(i, j))
}

/// Eigenvalues of B⁻¹A by a dense method.
pub fn dense_values(a: &Csr, b: Option<&Csr>) -> Vec<c64> {
    use faer::linalg::solvers::Solve;
    let a = dense(a);
    let m = b.map_or_else(|| a.clone(), |b| dense(b).partial_piv_lu().solve(&a));
    m.eigenvalues().unwrap()
}

/// The k first by `key`.
pub fn first(mut values: Vec<c64>, k: usize, key: impl Fn(c64) -> f64) -> Vec<c64> {
    values.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
    values.truncate(k);
    values
}

/// Q diag(d) Qᵀ, Q a product of reflections.
pub fn with_spectrum(d: &[f64], seed: u64) -> Csr {
    let n = d.len();
    let mut a = Mat::from_fn(n, n, |i, j| if i == j { d[i] } else { 0.0 });
    for k in 0..3 {
        let u = Random::new(seed + k).vector(n);
        let f = 2.0 / u.iter().map(|u| u * u).sum::<f64>();
        let h = Mat::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - f * u[i] * u[j]);
        a = &h * &a * &h;
    }
    of(n, (0..n * n).map(|k| (k / n, k % n, 0.5 * (a[(k / n, k % n)] + a[(k % n, k / n)]))))
}

/// A product of three reflections.
pub fn reflections(n: usize, seed: u64) -> Mat<f64> {
    let mut q = Mat::<f64>::identity(n, n);
    for k in 0..3 {
        let u = Random::new(seed + k).vector(n);
        let f = 2.0 / u.iter().map(|u| u * u).sum::<f64>();
        q = Mat::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - f * u[i] * u[j]) * q;
    }
    q
}
