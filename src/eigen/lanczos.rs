//! Lanczos' process with thick restarts (Wu and Simon 2000, doi:10.1137/S0895479898334605), for symmetric A, or for
//! A x = λ B x in the inner product of B.
//!
//! The basis is orthogonalised in full, twice, so there are no spurious copies; locked passes from random vectors find
//! every copy of a multiple eigenvalue. Each step: 1 product (2 more with B, or 1 inner solve), and 4 passes over the
//! basis; keeps `subspace` + 3 vectors. Use it for the ends of the spectrum, and with a shift for what lies near one.

use super::thick_restart::{Ordered, ThickRestart};
use super::{EigenSystem, Wanted};
use crate::host::dense::eigen::symmetric;
use crate::op::Space;
use faer::{Mat, c64};

/// The method on a space.
pub(super) fn lanczos(space: &mut Space, s: EigenSystem) -> ThickRestart {
    ThickRestart::new(space, &s, order)
}

/// Eigenvectors of the symmetric H, the wanted ones first.
pub(super) fn order(h: &Mat<f64>, wanted: &Wanted) -> Option<Ordered> {
    let (values, u) = symmetric(h)?;
    let n = values.len();
    let places = wanted.which.order(&values.iter().map(|&v| c64::new(v, 0.0)).collect::<Vec<_>>());
    Some(Ordered {
        s: Mat::from_fn(n, n, |i, j| u[(i, places[j])]),
        t: Mat::from_fn(n, n, |i, j| if i == j { values[places[i]] } else { 0.0 }),
        values: places.iter().map(|&i| c64::new(values[i], 0.0)).collect(),
        vectors: None,
    })
}
