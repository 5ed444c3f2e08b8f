//! The Arnoldi process: A V_k = V_k H_k + h w eᵀ with VᵀV = I (Arnoldi 1951, doi:10.1090/qam/42792).
//!
//! Orthogonalises by classical Gram–Schmidt applied twice (CGS2): orthogonal to a few units in the last
//! place, as with Householder reflections, and the projections Vᵀw take one sweep over the basis where
//! modified Gram–Schmidt needs j.

use crate::op::{Array, Basis, Dtype, Expr, Item, Operator, Program, Scalar, Space, Vector};

/// The basis and the coefficients of a growing factorisation.
pub(crate) struct Arnoldi {
    /// v_0 … v_m.
    pub(crate) v: Basis,
    /// The vector being orthogonalised: put A z here, then call `extend`.
    pub(crate) w: Vector,
    /// Projections of the first and second pass.
    h1: Array,
    h2: Array,
    ww: Scalar,
    /// A remainder below this fraction of the largest column is rounding error.
    pub(crate) noise: f64,
    /// B and a vector for B w, if the basis is orthonormal in ⟨x, y⟩ = xᵀBy.
    mass: Option<(Operator, Vector)>,
}

/// One column of H as the host reads it.
pub(crate) struct Column {
    /// ‖r‖ at the start of the process.
    pub(crate) beta: f64,
    /// h_0j … h_jj.
    pub(crate) h: Vec<f64>,
    /// h_{j+1,j}.
    pub(crate) below: f64,
    /// True if w is negligible against A v_j: the space is invariant.
    pub(crate) breakdown: bool,
}

impl Arnoldi {
    pub(crate) fn new(space: &mut Space, n: usize, m: usize) -> Self {
        Self {
            v: space.basis("v", n, m + 1),
            w: space.vector("w", n),
            h1: space.array("h1", m),
            h2: space.array("h2", m),
            ww: space.scalar("ww"),
            noise: if space.plan.working == Dtype::F64 { 16.0 * f64::EPSILON } else { 16.0 * f64::from(f32::EPSILON) },
            mass: None,
        }
    }

    /// Makes the basis orthonormal in ⟨x, y⟩ = xᵀBy, B symmetric positive definite.
    pub(crate) fn with_mass(self, space: &mut Space, b: Operator) -> Self {
        let len = space.len(self.w);
        Self { mass: Some((b, space.vector("bw", len))), ..self }
    }

    /// B w, or w itself.
    fn dual(&self, p: &mut Program) -> Vector {
        let Some((b, bw)) = self.mass else { return self.w };
        p.apply(b, self.w, bw);
        bw
    }

    /// v_0 = r / β.
    pub(crate) fn start(&self, p: &mut Program, r: Vector, beta: Expr) {
        p.scale(Expr::from(1.0) / beta, r, self.v.column(0));
    }

    /// Orthogonalises w against v_0 … v_{k−1} twice and normalises it to v_k.
    pub(crate) fn orthonormalise(&self, p: &mut Program, k: usize) {
        let Self { v, w, h1, h2, ww, .. } = *self;
        if k > 0 {
            let bw = self.dual(p);
            p.multi_dot(v, k, bw, h1);
            p.multi_subtract(v, k, h1, w);
            let bw = self.dual(p);
            p.multi_dot(v, k, bw, h2);
            p.multi_subtract(v, k, h2, w);
        }
        let bw = self.dual(p);
        p.dot(w, bw, ww);
        p.scale(Expr::from(1.0) / ww.sqrt(), w, v.column(k));
    }

    /// ‖w‖ as [`Arnoldi::orthonormalise`] found it before normalising.
    pub(crate) fn length(&self) -> Expr {
        self.ww.sqrt()
    }

    /// The projections on v_0 … v_{k−1} in the two passes, to be added up; none for k = 0.
    pub(crate) fn projections(&self, k: usize) -> Vec<Item> {
        if k == 0 { vec![] } else { vec![Item::Array(self.h1, k), Item::Array(self.h2, k)] }
    }

    /// Orthogonalises w against v_0 … v_j twice, normalises it to v_{j+1}, publishes β and the column.
    pub(crate) fn extend(&self, p: &mut Program, j: usize, beta: Expr) {
        let k = j + 1;
        self.orthonormalise(p, k);
        let mut record = vec![Item::Value(beta)];
        record.extend(self.projections(k));
        record.push(Item::Value(self.length()));
        p.publish_items(record);
    }

    /// Decodes a record of `extend`.
    pub(crate) fn column(&self, record: &[f64]) -> Column {
        let k = (record.len() - 2) / 2;
        let (h1, h2) = record[1..=2 * k].split_at(k);
        let h: Vec<f64> = h1.iter().zip(h2).map(|(a, b)| a + b).collect();
        let below = record[2 * k + 1];
        // After two passes w is the part of A v_j outside the span, or its rounding error: about 2⁻⁵⁰ of A v_j in
        // f64; in f32 the tolerance ends the solve long before.
        let whole = crate::host::scale::norm2(&h).hypot(below);
        Column { beta: record[0], h, below, breakdown: below <= 8.0 * f64::EPSILON * whole }
    }
}
