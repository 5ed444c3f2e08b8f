//! IDR(s) with s = 4, induced dimension reduction with biorthogonalised residuals (van Gijzen and Sonneveld
//! 2011, doi:10.1145/2049662.2049667), right-preconditioned, so that its residual is the true one.
//!
//! For any square A. Residuals are forced into shrinking subspaces, G_{j+1} = (I − ω A M)(G_j ∩ P⊥) with s fixed random
//! vectors P: at most n + n/s products in exact arithmetic, usually close to GMRES without its memory, and often
//! fewer products than BiCGStab. An iteration is one product, s + 1 of them make a cycle. Each: 1 product, s + 2 dots
//! (the last s + 3); keeps x, r, v, t and 3s vectors P, G, U. Scalar expressions solve the triangular systems.

use super::{Method, Next, System};
use crate::host::dense::orthonormal::orthonormal;
use crate::host::random::Random;
use crate::op::{Combination, Expr, Program, Scalar, Space, Stop, Vector};
use std::sync::Arc;

/// Shadow vectors.
const S: usize = 4;

/// |cos(t, r)| below this enlarges ω (Sleijpen and van der Vorst 1995, doi:10.1007/BF02141261).
const KAPPA: f64 = 0.7;

pub(super) struct Idrs {
    sys: System,
    /// Position in the cycle: g_k for k < s, then the step into the next subspace.
    phase: usize,
    shadow: Vec<Vector>,
    g: Vec<Vector>,
    u: Vec<Vector>,
    v: Vector,
    /// M v, or M r; v itself without M.
    z: Vector,
    t: Vector,
    /// m[i][j] = ⟨p_i, g_j⟩, lower triangular.
    m: Vec<Vec<Scalar>>,
    /// f_i = ⟨p_i, r⟩.
    f: Vec<Scalar>,
    c: Vec<Scalar>,
    beta: Scalar,
    omega: Scalar,
    cosine: Scalar,
    gg: Scalar,
    tr: Scalar,
    tt: Scalar,
    rr: Scalar,
}

impl Idrs {
    pub(super) fn new(space: &mut Space, sys: System) -> Self {
        let n = sys.n;
        let [beta, omega, cosine, gg, tr, tt, rr] = space.scalars(["beta", "omega", "cosine", "gg", "tr", "tt", "rr"]);
        let mut random = Random::new(0x1d25);
        let shadow = orthonormal((0..S.min(n.max(1))).map(|_| random.vector(n)));
        let s = shadow.len();
        let shadow =
            shadow.into_iter().enumerate().map(|(i, p)| space.constant(&format!("p{i}"), Arc::new(p))).collect();
        let mut vectors = |name: &str| (0..s).map(|i| space.vector(&format!("{name}{i}"), n)).collect();
        let (g, u) = (vectors("g"), vectors("u"));
        let mut scalars = |name: &str, k: usize| (0..k).map(|i| space.scalar(&format!("{name}{i}"))).collect();
        let m = (0..s).map(|i| scalars(&format!("m{i}"), i + 1)).collect();
        let (f, c) = (scalars("f", s), scalars("c", s));
        let (v, t) = (space.vector("v", n), space.vector("t", n));
        let z = sys.preconditioned(space, "z", v);
        Self { sys, phase: 0, shadow, g, u, v, z, t, m, f, c, beta, omega, cosine, gg, tr, tt, rr }
    }

    /// c_i for i in `range` from the triangular system with rows and columns `range` of m and right-hand side b.
    fn solve(&self, p: &mut Program, range: std::ops::Range<usize>, b: &[Scalar]) {
        for i in range.clone() {
            let rest = (range.start..i).fold(Expr::from(b[i]), |e, j| e - self.m[i][j] * self.c[j]);
            p.set(self.c[i], rest / self.m[i][i]);
        }
    }

    /// The next vector g_k, orthogonal to p_0 … p_{k−1}; afterwards ⟨p_k, r⟩ = 0.
    fn extend(&self, p: &mut Program, k: usize) {
        let Self { ref sys, ref shadow, ref g, ref u, v, z, ref m, ref f, ref c, beta, omega, gg, rr, .. } = *self;
        let s = g.len();
        let along = |y: Vector, sign: f64, range: std::ops::Range<usize>, of: &[Vector]| {
            range.fold(Combination::default().plus(1.0, y), |sum, i| sum.plus(Expr::from(c[i]) * sign, of[i]))
        };
        self.solve(p, k..s, f);
        p.assign(v, along(sys.r, -1.0, k..s, g)); //                    v = r - sum c_i g_i
        sys.precondition(p, v, z);
        let into = (k..s).fold(Combination::default().plus(omega, z), |sum, i| sum.plus(c[i], u[i]));
        p.assign(u[k], into); //                                        u_k = omega M v + sum c_i u_i
        p.apply(sys.a, u[k], g[k]); //                                  g_k = A u_k
        if k > 0 {
            let h = &c[..k];
            for i in 0..k {
                p.dot(shadow[i], g[k], h[i]);
            }
            self.solve(p, 0..k, c);
            p.assign(g[k], along(g[k], -1.0, 0..k, g));
            p.assign(u[k], along(u[k], -1.0, 0..k, u));
        }
        for i in k..s {
            p.dot(shadow[i], g[k], m[i][k]);
        }
        p.dot(g[k], g[k], gg);
        p.set(beta, f[k] / m[k][k]);
        p.axpy(beta, u[k], sys.x); //                                   x += beta u_k
        p.axpy(-beta, g[k], sys.r); //                                  r -= beta g_k
        for i in k + 1..s {
            p.set(f[i], f[i] - beta * m[i][k]);
        }
        p.dot(sys.r, sys.r, rr);
        sys.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(m[k][k].abs().le(gg.sqrt() * sys.watch.noise), Stop::BreakdownRho);
    }

    /// Moves r into the next subspace: r -= omega A M r.
    fn shrink(&self, p: &mut Program) {
        let Self { ref sys, ref shadow, z, t, ref f, omega, cosine, tr, tt, rr, .. } = *self;
        let z = if sys.m.is_identity() { sys.r } else { z };
        sys.precondition(p, sys.r, z);
        p.apply(sys.a, z, t); //                                        t = A M r
        p.dot(t, sys.r, tr);
        p.dot(t, t, tt);
        p.set(cosine, (tr / (tt.sqrt() * rr.sqrt())).abs());
        let enlarge = Expr::select(cosine.lt(KAPPA), Expr::from(KAPPA) / cosine, 1.0);
        p.set(omega, tr / tt * enlarge);
        p.axpy(omega, z, sys.x); //                                     x += omega M r
        p.axpy(-omega, t, sys.r); //                                    r -= omega t
        p.dot(sys.r, sys.r, rr);
        for (shadow, f) in shadow.iter().zip(f) {
            p.dot(*shadow, sys.r, *f);
        }
        sys.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(cosine.le(sys.watch.noise), Stop::BreakdownOmega);
    }
}

impl Method for Idrs {
    fn start(&mut self, p: &mut Program) {
        self.phase = 0;
        for v in self.g.iter().chain(&self.u) {
            p.zero(*v);
        }
        for (i, row) in self.m.iter().enumerate() {
            for (j, m) in row.iter().enumerate() {
                p.set(*m, if i == j { 1.0 } else { 0.0 });
            }
        }
        p.set(self.omega, 1.0);
        p.dot(self.sys.r, self.sys.r, self.rr);
        for (shadow, f) in self.shadow.iter().zip(&self.f) {
            p.dot(*shadow, self.sys.r, *f);
        }
    }

    fn step(&mut self, p: &mut Program) -> Next {
        if self.phase < self.g.len() {
            self.extend(p, self.phase);
            self.phase += 1;
        } else {
            self.shrink(p);
            self.phase = 0;
        }
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.sys
    }
}
