//! MINRES (Paige and Saunders 1975, doi:10.1137/0712047): minimal residual for symmetric A, by Lanczos and
//! a QR factorisation of the tridiagonal matrix that grows by one Givens rotation an iteration.
//!
//! For A symmetric, definite or not, even singular: if the system has no solution, x minimises ‖b − A x‖, recognised
//! by ‖A r‖ (of the operator with M) at the level of rounding. M symmetric positive definite (the M-norm of the
//! residual is minimised then). Each iteration: 1 product, 3 dots; keeps x, r, y, y_old, w, d, d_old (and z
//! with M). The residual itself is updated, r_k = s² r_{k−1} − φ̄ c v_{k+1} (Choi, Paige and Saunders 2011,
//! doi:10.1137/100787921), so that the test is on ‖r‖₂ with and without M.

use super::{Method, Next, System};
use crate::op::{Combination, Expr, Program, Scalar, Space, Stop, Vector};

pub(super) struct Minres {
    s: System,
    /// β v of this Lanczos step and of the one before; they are swapped every iteration.
    y: Vector,
    y_old: Vector,
    /// A z.
    w: Vector,
    /// M y, if M is not the identity.
    z: Option<Vector>,
    /// γ times the direction of x, now and one step back; swapped too.
    d: Vector,
    d_old: Vector,
    /// Entries of the tridiagonal matrix.
    zaz: Scalar,
    alpha: Scalar,
    beta: Scalar,
    beta_old: Scalar,
    beta_new: Scalar,
    yz: Scalar,
    /// The last rotation, and what it leaves of the next column.
    c: Scalar,
    sn: Scalar,
    delta: Scalar,
    delta_bar: Scalar,
    epsilon: Scalar,
    gamma_bar: Scalar,
    gamma: Scalar,
    gamma_old: Scalar,
    gamma_older: Scalar,
    /// φ̄, the rest of the right-hand side: the M-norm of r.
    phi_bar: Scalar,
    phi: Scalar,
    rr: Scalar,
    /// ‖A r‖/‖r‖ before this step, and the size of the tridiagonal matrix to compare it with.
    slope: Scalar,
    size: Scalar,
}

impl Minres {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let n = s.n;
        let [zaz, alpha, beta, beta_old, beta_new, yz] =
            space.scalars(["zaz", "alpha", "beta", "beta_old", "beta_new", "yz"]);
        let [c, sn, delta, delta_bar, epsilon, gamma_bar] =
            space.scalars(["c", "sn", "delta", "delta_bar", "epsilon", "gamma_bar"]);
        let [gamma, gamma_old, gamma_older, phi_bar, phi, rr] =
            space.scalars(["gamma", "gamma_old", "gamma_older", "phi_bar", "phi", "rr"]);
        let [slope, size] = space.scalars(["slope", "size"]);
        let [y, y_old, w, d, d_old] = ["y", "y_old", "w", "d", "d_old"].map(|name| space.vector(name, n));
        let z = (!s.m.is_identity()).then(|| space.vector("z", n));
        Self {
            s,
            y,
            y_old,
            w,
            z,
            d,
            d_old,
            zaz,
            alpha,
            beta,
            beta_old,
            beta_new,
            yz,
            c,
            sn,
            delta,
            delta_bar,
            epsilon,
            gamma_bar,
            gamma,
            gamma_old,
            gamma_older,
            phi_bar,
            phi,
            rr,
            slope,
            size,
        }
    }

    /// z = M y, and β² = ⟨y, z⟩.
    fn precondition(&self, p: &mut Program) {
        let z = self.z.unwrap_or(self.y);
        self.s.precondition(p, self.y, z);
        p.dot(self.y, z, self.yz);
    }
}

impl Method for Minres {
    fn start(&mut self, p: &mut Program) {
        p.copy(self.s.r, self.y);
        self.precondition(p);
        p.set(self.beta, self.yz.sqrt());
        p.set(self.phi_bar, self.beta);
        p.set(self.c, -1.0);
        for s in [self.sn, self.beta_old, self.delta_bar, self.epsilon, self.gamma_old, self.gamma_older, self.size] {
            p.set(s, 0.0);
        }
        for v in [self.y_old, self.d, self.d_old] {
            p.zero(v);
        }
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { zaz, alpha, beta, beta_old, beta_new, yz, c, sn, delta, delta_bar, epsilon, .. } = *self;
        let Self { gamma_bar, gamma, gamma_old, gamma_older, phi_bar, phi, rr, slope, size, .. } = *self;
        let (x, r, w, z) = (self.s.x, self.s.r, self.w, self.z.unwrap_or(self.y));
        let one = || Expr::from(1.0);

        // Lanczos with v = z / beta: alpha = <v, A v>.
        p.apply(self.s.a, z, w);
        p.dot(z, w, zaz);
        p.set(alpha, (zaz / beta) / beta);
        // The new column under the last rotation.
        p.set(delta, c * delta_bar + sn * alpha);
        p.set(gamma_bar, sn * delta_bar - c * alpha);
        // d = v - epsilon d_old - delta d; directions are stored times their gamma.
        let direction = Combination::default().plus(one() / beta, z);
        let direction = direction.plus(-(epsilon / gamma_older), self.d_old).plus(-(delta / gamma_old), self.d);
        p.assign(self.d_old, direction);
        std::mem::swap(&mut self.d, &mut self.d_old);
        // y = A v - alpha v - beta v_old.
        let lanczos = Combination::default().plus(one() / beta, w).plus(-(alpha / beta), self.y);
        p.assign(self.y_old, lanczos.plus(-(beta / beta_old), self.y_old));
        std::mem::swap(&mut self.y, &mut self.y_old);
        self.precondition(p);
        p.set(beta_new, yz.sqrt());

        // The rotation that eliminates beta_new from the column; c = 0, no step, if A r vanishes: x is a
        // least-squares solution then, and a further step would lead into the null space.
        p.set(epsilon, sn * beta_new);
        p.set(delta_bar, -(c * beta_new));
        p.set(slope, (gamma_bar * gamma_bar + delta_bar * delta_bar).sqrt());
        p.set(size, Expr::from(size).max(alpha.abs() + beta_old + beta_new));
        let exhausted = || slope.le((size * self.s.watch.epsilon * 4.0).max(self.s.watch.optimality));
        p.set(gamma, (gamma_bar * gamma_bar + beta_new * beta_new).sqrt());
        p.set(c, Expr::select(exhausted(), 0.0, gamma_bar / gamma));
        p.set(sn, Expr::select(exhausted(), 1.0, beta_new / gamma));
        p.set(phi, c * phi_bar);
        p.set(phi_bar, sn * phi_bar);

        p.axpy(phi / gamma, self.d, x);
        p.assign(r, Combination::default().plus(sn * sn, r).plus(-((phi_bar * c) / beta_new), self.y));
        p.dot(r, r, rr);

        p.set(gamma_older, gamma_old);
        p.set(gamma_old, gamma);
        p.set(beta_old, beta);
        p.set(beta, beta_new);
        self.s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(yz.lt(0.0), Stop::IndefinitePreconditioner);
        p.stop_if(exhausted(), Stop::LeastSquares);
        // The Krylov space is exhausted with a residual left: A is singular and r has a part in its null space.
        p.stop_if(beta.le(size * self.s.watch.epsilon), Stop::BreakdownLanczos);
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
