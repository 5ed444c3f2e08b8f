//! Projection onto a given subspace (Galerkin; Saad 2003, chapter 5, doi:10.1137/1.9780898718003): the x in
//! span(v₁ … v_k) whose residual is orthogonal to it, VᵀA V y = Vᵀr, x = V y.
//!
//! For any square A with VᵀA V regular; for A symmetric positive definite, x is the vector of the subspace nearest to
//! the solution in the A-norm. One iteration per vector: 1 product, 2k dots; then one small dense solve on the host,
//! and the method ends: it converges if the solution lies in the subspace, and otherwise reports Stagnated,
//! with the projection as x. Keeps x, r, w and 2k vectors. Every other projection method is this one with a
//! growing subspace; M is not used.

use super::{Method, Next, Outbox, Seen, System};
use crate::host::dense::elimination;
use crate::op::{Array, Basis, Expr, Item, Program, Scalar, Space, Stop, Vector};
use std::sync::Arc;

pub(super) struct Projection {
    s: System,
    /// An orthonormal basis of the subspace, as uploaded and as used.
    given: Vec<Vector>,
    v: Basis,
    /// A v_j.
    w: Vector,
    /// Vᵀ A v_j and Vᵀ r.
    h: Array,
    g: Array,
    y: Array,
    rr: Scalar,
    issued: usize,
    /// True once x is the projection.
    done: bool,
    /// Columns of VᵀA V and Vᵀr that have arrived.
    columns: Vec<Vec<f64>>,
    rhs: Vec<f64>,
}

impl Projection {
    /// Onto the span of `subspace`, orthonormal and not empty.
    pub(super) fn new(space: &mut Space, s: System, subspace: &[Arc<Vec<f64>>]) -> Self {
        let k = subspace.len();
        let given = subspace.iter().map(|v| space.constant("given", Arc::clone(v))).collect();
        let (v, w, rr) = (space.basis("v", s.n, k), space.vector("w", s.n), space.scalar("rr"));
        let [h, g, y] = ["h", "g", "y"].map(|name| space.array(name, k));
        Self { s, given, v, w, h, g, y, rr, issued: 0, done: false, columns: vec![], rhs: vec![] }
    }
}

impl Method for Projection {
    fn begin(&mut self, _correction: usize) {
        self.done = false;
    }

    fn start(&mut self, p: &mut Program) {
        self.issued = 0;
        self.columns.clear();
        p.dot(self.s.r, self.s.r, self.rr);
        if !self.done {
            self.given.iter().enumerate().for_each(|(j, &v)| p.copy(v, self.v.column(j)));
        }
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, ref given, v, w, h, g, rr, .. } = *self;
        if self.done {
            // r is what the subspace can't reach.
            s.watch.residual(p, rr.sqrt(), &[]);
            p.stop_if(Expr::from(0.0).le(0.0), Stop::Stagnated);
            // Alone in its kernel: each stop there adds a level of nesting, and a batch of them would be too deep.
            return Next::EndCycle;
        }
        p.apply(s.a, v.column(self.issued), w); //      w = A v_j
        p.multi_dot(v, given.len(), w, h); //           column j of V'A V
        p.multi_dot(v, given.len(), s.r, g);
        p.publish_items(vec![Item::Value(rr.sqrt()), Item::Array(h, given.len()), Item::Array(g, given.len())]);
        self.issued += 1;
        if self.issued == given.len() { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        if !self.done {
            let (h, g) = record[1..].split_at(self.given.len());
            self.columns.push(h.to_vec());
            self.rhs = g.to_vec();
        }
        Seen { residual: record[0], done: false }
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) {
        if !self.done && self.columns.len() == self.given.len() {
            host.send(self.y, &elimination::solve(&self.columns, &self.rhs));
            p.multi_add(self.v, self.given.len(), self.y, self.s.x); //     x += V y
            self.done = true;
        }
    }

    fn restarts(&self) -> bool {
        true
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
