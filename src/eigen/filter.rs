//! A Chebyshev polynomial of A in place of A: small on the interval of unwanted eigenvalues, growing fast beyond it
//! (Saad 1984, doi:10.1090/S0025-5718-1984-0736453-8).
//!
//! Eigenvectors stay the same and the wanted values spread out, so that a basis of few columns converges in about
//! 1/degree as many steps. Products are cheap against the orthogonalisation of a step, so it pays for large A.

use crate::host::scale::ldexp;
use crate::matrix::Csr;
use crate::op::{Combination, Expr, Operator, Program, Scalar, Space, Vector};

/// T_degree((A − center)/width); keeps 2 vectors.
#[derive(Clone, Copy)]
pub(crate) struct Filter {
    a: Operator,
    t: [Vector; 2],
    pub(super) center: Scalar,
    pub(super) width: Scalar,
}

/// The degree: products per application.
const DEGREE: usize = 20;

impl Filter {
    pub(super) fn new(space: &mut Space, a: Operator, n: usize) -> Self {
        let [center, width] = space.scalars(["center", "width"]);
        Self { a, t: ["t0", "t1"].map(|name| space.vector(name, n)), center, width }
    }

    /// w = T_degree v by the three-term recurrence.
    pub(super) fn emit(self, p: &mut Program, v: Vector, w: Vector) {
        let Self { a, t, center, width } = self;
        let (mut older, mut old) = (None, v);
        for degree in 1..=DEGREE {
            // y_j = 2 (A − c)/e y_{j−1} − y_{j−2}, y_1 = (A − c)/e y_0; the last one in w, the others in turn.
            let new = if degree == DEGREE { w } else { t[degree % 2] };
            let factor = Expr::from(if degree == 1 { 1.0 } else { 2.0 }) / width;
            p.apply(a, old, w);
            let mut sum = Combination::default().plus(factor.clone(), w).plus(-(factor * center), old);
            if let Some(older) = older {
                sum = sum.plus(-1.0, older);
            }
            p.assign(new, sum);
            (older, old) = (Some(old), new);
        }
    }
}

/// An interval that holds all eigenvalues of the symmetric A·2^e, by Gershgorin's circles.
pub(super) fn interval(a: &Csr, e: i32) -> [f64; 2] {
    let circles = (0..a.rows()).map(|i| {
        let (columns, values) = a.row(i);
        let entries = columns.iter().zip(values).map(|(&j, &v)| (j as usize == i, ldexp(v, e)));
        entries.fold((0.0, 0.0), |(d, r), (own, v)| if own { (d + v, r) } else { (d, r + v.abs()) })
    });
    circles.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], (d, r)| [low.min(d - r), high.max(d + r)])
}
