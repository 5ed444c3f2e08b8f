//! What of a residual lies in the range of A: whether an x is a least-squares solution, proved rather than hoped.
//!
//! r = b − A x splits into P r in the range of A, which another x would take away, and the rest, which none can: ‖r‖² =
//! ‖P r‖² + ‖r*‖² with r* the least residual. ‖Aᵀr‖ bounds P r by 1/σ_min(A) only: where A is ill-conditioned it is small
//! although P r is most of r. So ‖P r‖/‖r‖ itself is looked for:
//!
//! 1. with damping λ, σ_min([A; λI]) ≥ λ and ‖P r‖ ≤ ‖Aᵀr‖/λ;
//! 2. where A is small enough, ‖P r‖ = ‖Qᵀr‖ with Q from a QR factorisation of A with column pivoting (Businger and Golub
//!    1965, doi:10.1007/BF01436084), its columns scaled to norm 1 and those below rounding left out.
//!
//! Elsewhere P r is not known. There x counts as a least-squares solution where it is one of a matrix that differs from A in
//! its last digits: by the backward error of Waldén, Karlsson and Sun (1995, doi:10.1002/nla.1680020308), which tells a small
//! gradient along large singular values, which is rounding of x, from one along small ones, which is a solution not found.

use super::certify::{Norms, Truth};
use super::rows::product;
use crate::host::scale::{exponent, largest, ldexp, norm2, norm2_of};
use crate::matrix::{Csr, Matrix};
use faer::{Col, Mat};
use std::sync::OnceLock;

/// Multiplications a factorisation may take, about a tenth of a second.
const WORK: u64 = 200_000_000;

/// What rounding of a matrix amounts to, beside its norm.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Most iterations for a backward error: K is well conditioned where r is not small beside ‖A‖‖x‖.
const STEPS: usize = 500;

/// The range of one A; its basis is found when it is first asked for.
pub(crate) struct Range {
    damp: f64,
    basis: OnceLock<Option<Mat<f64>>>,
}

impl Range {
    /// Of A with λI = `damp` below it.
    pub(crate) fn new(damp: f64) -> Self {
        Self { damp, basis: OnceLock::new() }
    }

    /// A bound on ‖P r‖/‖r‖, for a `truth` with Aᵀr; `None` where none is known.
    pub(crate) fn part(&self, a: &Matrix, norms: &Norms, truth: &Truth) -> Option<f64> {
        if truth.norm == 0.0 {
            return Some(0.0);
        }
        let by_damping = truth
            .normal
            .as_ref()
            .filter(|_| self.damp > 0.0)
            .map(|gradient| norm2(gradient) / truth.norm / ldexp(self.damp, -norms.exponent));
        let basis = || self.basis.get_or_init(|| a.entries().and_then(|a| basis(a))).as_ref();
        let by_basis = || basis().map(|q| projected(q, &truth.residual) / truth.norm);
        by_damping.or_else(by_basis).filter(|part| part.is_finite())
    }
}

/// The backward error of x as a least-squares solution, in units of [`ROUNDING`]·‖A‖: at most 1 where x minimises ‖b − (A + E) x‖
/// for an E of rounding's size.
///
/// It is ‖P_K (r; 0)‖/‖x‖ with P_K the projector onto the range of K = (A; ηI), η = ‖r‖/‖x‖. LSQR on K (Paige and Saunders 1982,
/// doi:10.1145/355984.355989) finds it from below, and since σ_min(K) ≥ η, from above as well (Grcar, Saunders and Su 2007).
/// One product with A and one with Aᵀ an iteration; it ends as soon as either bound decides.
pub(crate) fn backward_error(a: &Matrix, transpose: &Matrix, norms: &Norms, truth: &Truth) -> f64 {
    let allowed = ROUNDING * norms.scaled_norm;
    let size = ldexp(truth.certificate.solution_norm, norms.exponent - truth.exponent);
    if size == 0.0 {
        return truth.certificate.optimality.unwrap_or(f64::INFINITY) / ROUNDING;
    }
    let damp = truth.norm / size;
    let step = |m: &Matrix, from: &[f64], minus: f64, old: Vec<f64>| {
        let mut new = product(m, norms.exponent, from);
        new.iter_mut().zip(old).for_each(|(n, o)| *n -= minus * o);
        let norm = norm2_of(&new, m.whole());
        if norm > 0.0 {
            new.iter_mut().for_each(|n| *n /= norm);
        }
        (new, norm)
    };
    let mut u: Vec<f64> = truth.residual.iter().map(|r| r / truth.norm).collect();
    let (mut v, mut alpha) = step(transpose, &u, 0.0, vec![0.0; a.cols()]);
    let (mut phi_bar, mut rho_bar, mut sum) = (truth.norm, alpha, 0.0);
    let mut found = f64::INFINITY;
    for _ in 0..STEPS {
        let beta;
        (u, beta) = step(a, &v, alpha, u);
        (v, alpha) = step(transpose, &u, beta, v);
        // The row of ηI, then the one of the bidiagonal matrix.
        let whole = rho_bar.hypot(damp);
        phi_bar *= rho_bar / whole;
        let rho = whole.hypot(beta);
        let (c, s) = (whole / rho, beta / rho);
        let phi = c * phi_bar;
        sum += phi * phi;
        (phi_bar, rho_bar) = (s * phi_bar, -c * alpha);
        // ‖Kᵀ r_k‖, by the paper's estimate.
        let rest = phi_bar * alpha * c.abs() / damp;
        found = (sum + rest * rest).sqrt() / size / allowed;
        if found <= 1.0 || sum.sqrt() > allowed * size {
            break;
        }
    }
    if found <= 1.0 { found } else { found.min(sum.sqrt() / size / allowed).max(2.0) }
}

/// ‖Qᵀr‖.
fn projected(q: &Mat<f64>, r: &[f64]) -> f64 {
    let product = q.transpose() * Col::from_fn(r.len(), |i| r[i]);
    norm2(&(0..product.nrows()).map(|j| product[j]).collect::<Vec<_>>())
}

/// An orthonormal basis of the range of A; `None` where it would take too long.
fn basis(a: &Csr) -> Option<Mat<f64>> {
    let (m, n) = (a.rows(), a.cols());
    let less = m.min(n);
    if m as u64 * n as u64 * less as u64 > WORK {
        return None;
    }
    let mut columns = vec![vec![0.0; m]; n];
    for i in 0..m {
        a.row(i).0.iter().zip(a.row(i).1).for_each(|(&j, &v)| columns[j as usize][i] += v);
    }
    columns.retain(|c| largest(c) > 0.0);
    if columns.is_empty() {
        return Some(Mat::zeros(m, 0));
    }
    for c in &mut columns {
        let e = exponent(largest(c));
        c.iter_mut().for_each(|v| *v = ldexp(*v, -e));
        let norm = norm2(c);
        c.iter_mut().for_each(|v| *v /= norm);
    }
    let qr = Mat::from_fn(m, columns.len(), |i, j| columns[j][i]).col_piv_qr();
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R());
    let floor = m.max(n) as f64 * f64::EPSILON * r[(0, 0)].abs();
    let rank = (0..r.nrows().min(r.ncols())).take_while(|&k| r[(k, k)].abs() > floor).count();
    Some(q.subcols(0, rank).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::certify::truth;
    use crate::matrix::{Triplets, gallery};

    fn part(a: Csr, b: &[f64], x: &[f64]) -> f64 {
        let norms = Norms::of(&a);
        let truth = truth(&a, &norms, b, x);
        Range::new(0.0).part(&a.into(), &norms, &truth).unwrap()
    }

    #[test]
    fn tells_what_another_x_would_take_away() {
        // Two of three rows: r = (0.6, 0, 0.8) lies in the range by 0.6.
        let mut t = Triplets::new(3, 2).unwrap();
        t.push(0, 0, 1e-9).unwrap();
        t.push(1, 1, 1e9).unwrap();
        let a = t.to_csr().unwrap();
        assert!((part(a.clone(), &[0.6, 0.0, 0.8], &[0.0, 0.0]) - 0.6).abs() < 1e-15);
        assert!(part(a, &[0.6, 0.0, 0.8], &[0.6e9, 0.0]) < 1e-15);
    }

    #[test]
    fn columns_that_depend_on_others_add_nothing() {
        // The Laplacian of a path: the constants are left over.
        let mut a = gallery::tridiagonal(30, -1.0, 2.0, -1.0);
        let mut values = a.values().to_vec();
        (values[0], *values.last_mut().unwrap()) = (1.0, 1.0);
        a.set_values(values).unwrap();
        assert!(part(a.clone(), &[1.0; 30], &[0.0; 30]) < 1e-12);
        let mut one = vec![0.0; 30];
        one[3] = 1.0;
        assert!((part(a, &one, &[0.0; 30]) - (29.0f64 / 30.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn too_large_is_unknown() {
        let a = gallery::poisson2d(40);
        let norms = Norms::of(&a);
        let truth = truth(&a, &norms, &vec![1.0; 1600], &vec![0.0; 1600]);
        assert_eq!(Range::new(0.0).part(&a.into(), &norms, &truth), None);
    }
}
