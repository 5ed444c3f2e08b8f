//! One cycle of GMRES over an Arnoldi process whose second projection is delayed by a step (DCGS2: Świrydowicz, Langou,
//! Ananthan, Yang and Thomas 2021, doi:10.1002/nla.2343; Bielich, Langou, Thomas, Świrydowicz, Yamazaki and Boman 2022,
//! doi:10.1016/j.parco.2022.102940).
//!
//! As orthogonal as CGS2, which reads the basis three times a step; here the second projection of one vector and the
//! first of the next share their sweeps, and it is read twice. Step j has v_0 … v_{j−1} and a candidate u, projected once:
//!
//! - w = A u; s = Vᵀu and c = Vᵀw read V once, τ = ⟨u, w⟩ and υ = ⟨u, u⟩ are known beside;
//! - α² = υ − sᵀs; v_j = (u − V s)/α and γ = ⟨v_j, w⟩/α = (τ − sᵀc)/α²;
//! - (w − V c)/α − γ v_j is the next candidate: what stands in w of A V s = V_{j+1} H s is projected away with the rest.
//!
//! Only coefficients notice that w was A u and not A v_j, and the host corrects them: column j of H begins as
//! (c − H s)/α and γ − s_{j−1}, and gets the next step's s added. Below it stands the candidate's length, in the next step
//! replaced by α. The difference is of second order in s, so the residual's norm is known in its own step. Where rounding
//! leaves nothing of a candidate, α is zero or next to it, and the space is invariant.
//!
//! Needs one linear operator for all steps. Step j: 4nj flops for each of both sweeps; V is read twice, u and w are
//! vectors beside it.

use crate::host::dense::givens::HessenbergLeastSquares;
use crate::host::scale::norm2;
use crate::op::{Array, Basis, Combination, Expr, Item, Program, Scalar, Seen, Space, Vector};

/// A remainder below this part of a column of H is rounding error.
const NOISE: f64 = 8.0 * f64::EPSILON;

/// A cycle with a fixed maximum number of columns.
pub(crate) struct DelayedCycle {
    /// v_0 … v_{m−1}.
    pub(crate) v: Basis,
    /// The candidate and its image, in turn.
    pair: [Vector; 2],
    s: Array,
    c: Array,
    /// ⟨r, r⟩ at the start of the cycle.
    rr: Scalar,
    /// ⟨z, z⟩ of the z that v_0 points along.
    zz: Scalar,
    /// υ.
    uu: Scalar,
    tau: Scalar,
    ss: Scalar,
    sc: Scalar,
    alpha: Scalar,
    gamma: Scalar,
    /// Columns issued in this cycle.
    pub(crate) issued: usize,
    /// Columns of H that have arrived, the last one once projected and without its last entry.
    h: Vec<Vec<f64>>,
    /// The least-squares problem over them.
    pub(crate) ls: HessenbergLeastSquares,
}

impl DelayedCycle {
    pub(crate) fn new(space: &mut Space, n: usize, m: usize) -> Self {
        let [rr, zz, uu, tau, ss, sc, alpha, gamma] =
            space.scalars(["rr", "zz", "uu", "tau", "ss", "sc", "alpha", "gamma"]);
        Self {
            v: space.basis("v", n, m),
            pair: ["u", "w"].map(|name| space.vector(name, n)),
            s: space.array("s", m),
            c: space.array("c", m),
            rr,
            zz,
            uu,
            tau,
            ss,
            sc,
            alpha,
            gamma,
            issued: 0,
            h: vec![],
            ls: HessenbergLeastSquares::new(m),
        }
    }

    /// The first candidate is z / |z|; no columns yet. |r| is taken as its length: the minimised norm is reported in units
    /// of |r|, and a combination of the basis must be multiplied by [`DelayedCycle::unit`].
    pub(crate) fn start(&mut self, p: &mut Program, r: Vector, z: Vector) {
        self.issued = 0;
        self.h.clear();
        self.ls.clear();
        p.dot(r, r, self.rr);
        p.dot(z, z, self.zz);
        p.scale(Expr::from(1.0) / self.zz.sqrt(), z, self.candidate());
        p.set(self.uu, 1.0);
    }

    /// |z| / |r| at the start.
    pub(crate) fn unit(&self) -> Expr {
        self.zz.sqrt() / self.rr.sqrt()
    }

    /// The newest candidate u.
    pub(crate) fn candidate(&self) -> Vector {
        self.pair[self.issued % 2]
    }

    /// w: put A u here, then call `extend`.
    pub(crate) fn image(&self) -> Vector {
        self.pair[(self.issued + 1) % 2]
    }

    /// A vector to be used between cycles.
    pub(crate) fn spare(&self) -> Vector {
        self.pair[1]
    }

    /// Finishes v_j, makes the next candidate of w, publishes what the host needs for columns j − 1 and j of H.
    pub(crate) fn extend(&mut self, p: &mut Program) {
        let Self { v, s, c, uu, tau, ss, sc, alpha, gamma, issued: j, .. } = *self;
        let (u, w) = (self.candidate(), self.image());
        p.dot(u, w, tau);
        let (mut square, mut along) = (Expr::from(uu), Expr::from(tau));
        if j > 0 {
            p.multi_dot(v, j, u, s);
            p.multi_dot(v, j, w, c);
            p.array_dot(s, s, j, ss);
            p.array_dot(s, c, j, sc);
            p.multi_subtract(v, j, s, u);
            p.multi_subtract(v, j, c, w);
            (square, along) = (square - ss, along - sc);
        }
        p.set(alpha, square.sqrt());
        p.set(gamma, along / alpha / alpha);
        p.scale(Expr::from(1.0) / alpha, u, v.column(j));
        let next = Combination::default().plus(Expr::from(1.0) / alpha, w).plus(-(gamma / alpha), u);
        p.assign(w, next);
        p.dot(w, w, uu);
        let mut record = vec![Item::Value(self.rr.sqrt()), Item::Value(alpha.into()), Item::Value(gamma.into())];
        if j > 0 {
            record.extend([Item::Array(s, j), Item::Array(c, j)]);
        }
        record.push(Item::Value(uu.sqrt()));
        p.publish_items(record);
        self.issued += 1;
    }

    /// Reads a record of `extend`: ‖r‖ after the step, and whether the space is exhausted.
    pub(crate) fn observe(&mut self, record: &[f64]) -> Seen {
        let j = (record.len() - 4) / 2;
        let (alpha, gamma, below) = (record[1], record[2], record[2 * j + 3]);
        let (s, c) = record[3..2 * j + 3].split_at(j);
        let Some(last) = self.h.last_mut() else {
            self.ls.start(record[0] * alpha);
            return self.push(vec![gamma], below);
        };
        last.iter_mut().zip(s).for_each(|(h, s)| *h += s);
        let residual = self.ls.replace(last, alpha);
        let done = alpha <= NOISE * norm2(last).hypot(alpha);
        last.push(alpha);
        if done {
            return Seen { residual, done };
        }
        // H s; its last entry is α s_{j−1}.
        let mut column: Vec<f64> = c.iter().copied().chain([gamma * alpha]).collect();
        for (h, s) in self.h.iter().zip(s) {
            column.iter_mut().zip(h).for_each(|(c, h)| *c -= h * s);
        }
        column.iter_mut().for_each(|c| *c /= alpha);
        self.push(column, below)
    }

    /// Takes column j as far as it is known.
    fn push(&mut self, column: Vec<f64>, below: f64) -> Seen {
        let done = below <= NOISE * norm2(&column).hypot(below);
        let residual = self.ls.push(&column, below);
        self.h.push(column);
        Seen { residual, done }
    }
}

#[cfg(test)]
mod tests;
