//! The Golub–Kahan bidiagonalisation: A V_k = U_{k+1} B_k with UᵀU = I = VᵀV and B lower bidiagonal, α on its
//! diagonal and β below (Golub and Kahan 1965, doi:10.1137/0702016; started from r as in Paige and Saunders 1982,
//! doi:10.1145/355984.355989). It is Lanczos on AᵀA that never forms AᵀA.
//!
//! With M ≈ (AᵀA)⁻¹ symmetric positive definite, V is orthonormal in the inner product of M⁻¹ and no factor of
//! M is needed (Arridge, Betcke and Harhanen 2014, doi:10.1088/0266-5611/30/6/065008). A step: 1 product with A, 1
//! with Aᵀ, 2 dots (3 with M); keeps u and A v of one length, p, Aᵀu (and v with M) of the other.

use super::System;
use crate::op::{Combination, Expr, Operator, Program, Scalar, Space, Vector};

/// An estimate of the condition number of A (Fong and Saunders 2011, section 5.2): the ratio of the extremes on the
/// diagonal of R̄, where R is the upper bidiagonal factor of B and R̄ that of Rᵀ. A lower bound, usually a close one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    /// The cosine of the last rotation, and the last diagonal entry of R̄.
    c: f64,
    last: Option<f64>,
    largest: f64,
    smallest: f64,
    /// The estimate; `None` before the first step.
    pub(crate) estimate: Option<f64>,
}

impl Default for Condition {
    fn default() -> Self {
        Self { c: 1.0, last: None, largest: 0.0, smallest: f64::INFINITY, estimate: None }
    }
}

impl Condition {
    /// Updates it after a step that gave R the diagonal entry ρ, and θ beside it.
    pub(crate) fn step(&mut self, rho: f64, theta: f64) {
        if let Some(last) = self.last {
            self.largest = self.largest.max(last);
            self.smallest = self.smallest.min(last);
        }
        let open = self.c * rho;
        self.estimate = Some(self.largest.max(open) / self.smallest.min(open));
        let closed = open.hypot(theta);
        (self.c, self.last) = (open / closed, Some(closed));
    }
}

/// The newest vectors, each times its coefficient, and the coefficients; the next combination does the division.
pub(crate) struct GolubKahan {
    a: Operator,
    transpose: Operator,
    /// β u_k.
    pub(crate) u: Vector,
    /// α M⁻¹ v_k; v without M.
    p: Vector,
    /// α v_k.
    pub(crate) v: Vector,
    /// A v and Aᵀ u.
    av: Vector,
    atu: Vector,
    /// ⟨u, u⟩ and ⟨p, v⟩.
    uu: Scalar,
    pv: Scalar,
    /// ⟨p, p⟩, with M; without M it is ⟨p, v⟩.
    pp: Option<Scalar>,
    pub(crate) alpha: Scalar,
    pub(crate) beta: Scalar,
}

impl GolubKahan {
    /// For the system's A and Aᵀ. r becomes u, Aᵀr becomes p.
    pub(crate) fn new(space: &mut Space, s: &System) -> Self {
        let normal = s.normal.expect("the solver gives a least-squares method Aᵀ");
        let [uu, pv, alpha, beta] = space.scalars(["uu", "pv", "alpha", "beta"]);
        let v = s.preconditioned(space, "v", normal.gradient);
        let rows = space.len(s.r);
        Self {
            a: s.a,
            transpose: normal.transpose,
            u: s.r,
            p: normal.gradient,
            v,
            av: space.vector("av", rows),
            atu: space.vector("atu", s.n),
            uu,
            pv,
            pp: (!s.m.is_identity()).then(|| space.scalar("pp")),
            alpha,
            beta,
        }
    }

    /// β u = r and α v = M Aᵀu, from Aᵀr as given.
    pub(crate) fn start(&self, s: &System, p: &mut Program) {
        p.dot(self.u, self.u, self.uu);
        p.set(self.beta, self.uu.sqrt());
        p.scale(Expr::from(1.0) / self.beta, self.p, self.p);
        self.right(s, p);
    }

    /// β u ← A v − α u, then α v ← M (Aᵀu − β M⁻¹v); u and v on the right are the last unit vectors.
    pub(crate) fn step(&self, s: &System, p: &mut Program) {
        let Self { a, transpose, u, v, av, atu, uu, alpha, beta, .. } = *self;
        let over = |c: Scalar| Expr::from(1.0) / c;
        p.apply(a, v, av);
        p.assign(u, Combination::default().plus(over(alpha), av).plus(-(alpha / beta), u));
        p.dot(u, u, uu);
        p.set(beta, uu.sqrt());
        p.apply(transpose, u, atu);
        p.assign(self.p, Combination::default().plus(over(beta), atu).plus(-(beta / alpha), self.p));
        self.right(s, p);
    }

    fn right(&self, s: &System, p: &mut Program) {
        s.precondition(p, self.p, self.v);
        p.dot(self.p, self.v, self.pv);
        if let Some(pp) = self.pp {
            p.dot(self.p, self.p, pp);
        }
        p.set(self.alpha, self.pv.sqrt());
    }

    /// ‖Aᵀr‖ for Aᵀr = `size` · M⁻¹v.
    pub(crate) fn normal_norm(&self, size: Expr) -> Expr {
        match self.pp {
            Some(pp) => size * (pp.sqrt() / self.alpha),
            None => size,
        }
    }
}
