//! Power iteration (von Mises and Pollaczek-Geiringer 1929, doi:10.1002/zamm.19290090105): v ← A v / |A v|.
//!
//! Finds the one eigenpair of largest modulus; the error falls by |λ₂/λ₁| per iteration. Does not converge if λ₁ is one
//! of a complex or ± pair. Each iteration: 1 product, 3 dots; keeps 3 vectors. For teaching; lanczos and arnoldi find
//! the same pair, and more, in far fewer products. With an inverse in place of A it is inverse iteration.

use super::{Action, EigenMethod, EigenSystem, Harvest, InnerSolve, Outlook, Wanted};
use crate::host::random::Random;
use crate::method::{Next, Outbox};
use crate::op::{Combination, Expr, Operator, Program, Scalar, Space, Vector};

pub(super) struct Power {
    action: Action,
    mass: Option<(Operator, Vector)>,
    wanted: Wanted,
    n: usize,
    seed: u64,
    v: Vector,
    w: Vector,
    /// w − θ v.
    r: Vector,
    theta: Scalar,
    ww: Scalar,
    rr: Scalar,
    /// |r| over its bound, by the last record.
    excess: f64,
}

impl Power {
    pub(super) fn new(space: &mut Space, s: EigenSystem) -> Self {
        let [theta, ww, rr] = space.scalars(["theta", "ww", "rr"]);
        let [v, w, r] = ["v", "w", "r"].map(|name| space.vector(name, s.n));
        let mass = s.mass.map(|b| (b, space.vector("bw", s.n)));
        Self { action: s.action, mass, wanted: s.wanted, n: s.n, seed: s.seed, v, w, r, theta, ww, rr, excess: 0.0 }
    }

    /// θ = ⟨v, w⟩ and ⟨w, w⟩, in the inner product of B.
    fn normalise(&self, p: &mut Program) {
        let Self { w, v, theta, ww, .. } = *self;
        let bw = match self.mass {
            None => w,
            Some((b, bw)) => {
                p.apply(b, w, bw);
                bw
            }
        };
        p.dot(v, bw, theta);
        p.dot(w, bw, ww);
    }
}

impl EigenMethod for Power {
    fn start(&mut self, p: &mut Program, host: &mut Outbox, from: &[Vec<f64>]) {
        let start = from.first().cloned().unwrap_or_else(|| Random::new(self.seed).vector(self.n));
        host.send_vector(self.w, start);
        self.normalise(p);
        p.scale(Expr::from(1.0) / self.ww.sqrt(), self.w, self.v);
    }

    fn apply(&mut self, p: &mut Program) -> Option<InnerSolve> {
        self.action.emit(p, self.v, self.w) //                                  w = A v
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { v, w, r, theta, ww, rr, .. } = *self;
        self.normalise(p); //                                                   theta = <v, w>
        p.assign(r, Combination::default().plus(1.0, w).plus(-theta, v)); //    r = w - theta v
        p.dot(r, r, rr);
        p.scale(Expr::from(1.0) / ww.sqrt(), w, v); //                          v = w / |w|
        p.publish(&[theta.into(), rr.sqrt(), ww.sqrt()]);
        Next::More
    }

    fn observe(&mut self, record: &[f64]) -> bool {
        let bound = self.wanted.bound(record[0].abs(), record[0].abs());
        // A v = 0: v belongs to the eigenvalue 0.
        self.excess = if record[2] == 0.0 { 0.0 } else { record[1] / bound.max(f64::MIN_POSITIVE) };
        // Go on only if it is finite and above 1.
        self.excess <= 1.0 || !self.excess.is_finite()
    }

    fn end_cycle(&mut self, _p: &mut Program, _host: &mut Outbox) -> Outlook {
        match self.excess {
            e if e <= 1.0 => Outlook::Done,
            e if e.is_finite() => Outlook::Going(e),
            _ => Outlook::NonFinite,
        }
    }

    fn harvest(&self) -> Harvest {
        Harvest::plain(vec![self.v])
    }

    fn tighten(&mut self, factor: f64) {
        self.wanted.tolerance *= factor;
    }
}
