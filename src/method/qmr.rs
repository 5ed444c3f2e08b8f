//! QMR, quasi-minimal residuals (Freund and Nachtigal 1994, doi:10.1137/0915022), by coupled two-term recurrences
//! without look-ahead, right-preconditioned, so that its residual is the true one.
//!
//! For any square A whose transpose is available. Uses the spaces of BiCG, from the same two-sided Lanczos process,
//! but x minimises the residual's coordinates in the Lanczos basis: ‖r‖ falls smoothly. Each iteration: 1 product with
//! A, 1 with Aᵀ, 7 dots (and M, Mᵀ); keeps x, r, v, w, p, q, u, t, d, s (and y, z with M). ⟨z, v⟩ ≈ 0 or ⟨q, A p⟩ ≈ 0
//! is a breakdown. Use it in place of BiCG for smooth convergence; TFQMR needs no transpose.

use super::{Method, Next, System};
use crate::op::{Combination, Expr, Program, Scalar, Space, Stop, Vector};

pub(super) struct Qmr {
    sys: System,
    /// Lanczos vectors of A and Aᵀ, not normalised: ρ = ‖v‖, ξ = ‖Mᵀw‖.
    v: Vector,
    w: Vector,
    /// M v and Mᵀ w.
    y: Vector,
    z: Vector,
    p: Vector,
    q: Vector,
    /// A p and Aᵀ q.
    u: Vector,
    t: Vector,
    /// The last step of x and of r.
    d: Vector,
    s: Vector,
    rho: Scalar,
    rho_old: Scalar,
    xi: Scalar,
    zv: Scalar,
    delta: Scalar,
    epsilon: Scalar,
    beta: Scalar,
    theta: Scalar,
    theta_old: Scalar,
    gamma: Scalar,
    gamma_new: Scalar,
    eta: Scalar,
    /// The fraction of the last step that the next one carries over.
    share: Scalar,
    vv: Scalar,
    zz: Scalar,
    qq: Scalar,
    uu: Scalar,
    rr: Scalar,
}

impl Qmr {
    pub(super) fn new(space: &mut Space, sys: System) -> Self {
        let n = sys.n;
        let [rho, rho_old, xi, zv, delta, epsilon, beta, theta, theta_old] =
            space.scalars(["rho", "rho_old", "xi", "zv", "delta", "epsilon", "beta", "theta", "theta_old"]);
        let [gamma, gamma_new, eta, share, vv, zz, qq, uu, rr] =
            space.scalars(["gamma", "gamma_new", "eta", "share", "vv", "zz", "qq", "uu", "rr"]);
        let [v, w, p, q, u, t, d, s] = ["v", "w", "p", "q", "u", "t", "d", "s"].map(|name| space.vector(name, n));
        let (y, z) = (sys.preconditioned(space, "y", v), sys.preconditioned(space, "z", w));
        #[rustfmt::skip]
        let method = Self {
            sys, v, w, y, z, p, q, u, t, d, s, rho, rho_old, xi, zv, delta, epsilon, beta, theta, theta_old, gamma,
            gamma_new, eta, share, vv, zz, qq, uu, rr,
        };
        method
    }

    /// Lengths of v and of Mᵀ w, and their inner product.
    fn lengths(&self, p: &mut Program) {
        p.dot(self.v, self.v, self.vv);
        p.set(self.rho, self.vv.sqrt());
        self.sys.precondition_transposed(p, self.w, self.z);
        p.dot(self.z, self.z, self.zz);
        p.set(self.xi, self.zz.sqrt());
        p.dot(self.z, self.v, self.zv);
    }
}

impl Method for Qmr {
    fn start(&mut self, p: &mut Program) {
        p.copy(self.sys.r, self.v);
        p.copy(self.sys.r, self.w);
        self.lengths(p);
        for zeroed in [self.p, self.q, self.d, self.s] {
            p.zero(zeroed);
        }
        for (scalar, value) in [(self.gamma, 1.0), (self.eta, -1.0), (self.theta, 0.0), (self.epsilon, 1.0)] {
            p.set(scalar, value);
        }
    }

    fn step(&mut self, prog: &mut Program) -> Next {
        let Self { ref sys, v, w, y, z, p, q, u, t, d, s, rho, rho_old, xi, zv, delta, epsilon, beta, .. } = *self;
        let Self { theta, theta_old, gamma, gamma_new, eta, share, qq, uu, rr, .. } = *self;
        let sum = Combination::default;
        let over = |c: Scalar| Expr::from(1.0) / c;
        prog.set(delta, zv / (xi * rho));
        sys.precondition(prog, v, y);
        prog.assign(p, sum().plus(over(rho), y).plus(-(xi * delta / epsilon), p)); //  p = M v - (xi delta/eps) p
        prog.assign(q, sum().plus(over(xi), z).plus(-(rho * delta / epsilon), q)); //  q = M'w - (rho delta/eps) q
        prog.apply(sys.a, p, u); //                                                    u = A p
        prog.apply(sys.transposed(), q, t); //                                         t = A' q
        prog.dot(q, u, epsilon);
        prog.dot(q, q, qq);
        prog.dot(u, u, uu);
        prog.set(beta, epsilon / delta);
        prog.assign(v, sum().plus(1.0, u).plus(-(beta / rho), v)); //                  v = A p - beta v
        prog.assign(w, sum().plus(1.0, t).plus(-(beta / xi), w)); //                   w = A'q - beta w
        prog.set(rho_old, rho);
        self.lengths(prog);
        // The rotation that eliminates rho from the column.
        prog.set(theta_old, theta);
        prog.set(theta, rho / (gamma * beta.abs()));
        prog.set(gamma_new, Expr::from(1.0) / (theta * theta + 1.0).sqrt());
        prog.set(eta, -(eta * rho_old * gamma_new * gamma_new / (beta * gamma * gamma)));
        prog.set(share, theta_old * theta_old * gamma_new * gamma_new);
        prog.set(gamma, gamma_new);
        prog.assign(d, sum().plus(eta, p).plus(share, d)); //                          d = eta p + share d
        prog.assign(s, sum().plus(eta, u).plus(share, s));
        prog.axpy(1.0, d, sys.x);
        prog.axpy(-1.0, s, sys.r);
        prog.dot(sys.r, sys.r, rr);
        sys.watch.residual(prog, rr.sqrt(), &[]);
        prog.stop_if(zv.abs().le(rho * xi * sys.watch.noise), Stop::BreakdownRho);
        prog.stop_if(epsilon.abs().le(qq.sqrt() * uu.sqrt() * sys.watch.noise), Stop::BreakdownRho);
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.sys
    }
}
