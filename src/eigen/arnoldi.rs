//! Arnoldi's process restarted by Krylov–Schur (Stewart 2001, doi:10.1137/S0895479800371529), for any square A.
//!
//! A restart keeps the Schur vectors of the wanted eigenvalues, complex pairs together, so that the basis stays real
//! and orthonormal whatever the eigenvectors are like; eigenvectors are formed only for what is reported. Each step: 1
//! product (or 1 inner solve) and 4 passes over the basis; keeps `subspace` + 2 vectors. For symmetric A use lanczos.

use super::thick_restart::{Ordered, ThickRestart};
use super::{EigenSystem, Wanted};
use crate::host::dense::schur::Schur;
use crate::op::Space;
use faer::Mat;

/// The method on a space.
pub(super) fn arnoldi(space: &mut Space, s: EigenSystem) -> ThickRestart {
    // For a symmetric action the projected matrix is symmetric up to rounding, and its eigenvectors are orthonormal.
    let order = if s.symmetric { super::lanczos::order } else { order };
    ThickRestart::new(space, &s, order)
}

/// The Schur form of H, the wanted eigenvalues first.
fn order(h: &Mat<f64>, wanted: &Wanted) -> Option<Ordered> {
    let mut schur = Schur::of(h)?;
    schur.order(|value| wanted.which.key(value));
    let (values, t) = (schur.values(), &schur.t);
    // For symmetric A, T is diagonal up to rounding: unit vectors are its eigenvectors, also for equal values.
    let rounding = values.len() as f64 * f64::EPSILON * t.norm_max();
    let diagonal = (0..values.len()).all(|j| (0..values.len()).all(|i| i == j || t[(i, j)].abs() <= rounding));
    let vectors = (!diagonal).then(|| (0..values.len()).map(|i| schur.eigenvector(i)).collect());
    Some(Ordered { vectors, values, s: schur.q, t: schur.t })
}
