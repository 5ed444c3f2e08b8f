//! The residual renewed where the iterations run: r = b − A x from the solution itself, in the precision of
//! [`Role::Accumulate`], without a transfer or a wait.
//!
//! Where the iterations run in a narrower type, x holds what they found since the last renewal and another vector
//! of the wider type carries the sum (iterative refinement; with a method that keeps its directions, a reliable
//! update: Clark et al. 2010, doi:10.1016/j.cpc.2010.05.002). One renewal costs a product in the wider type and
//! 5 passes over vectors.

use crate::matrix::Matrix;
use crate::op::{Combination, Operator, Program, Role, Scalar, Space, Vector};

/// What a renewal works with.
#[derive(Clone, Copy)]
pub(crate) struct Renewal {
    /// A in accumulate precision; the method's own A where the types are the same.
    pub(crate) a: Operator,
    /// The right-hand side of the correction.
    pub(crate) b: Vector,
    t: Vector,
    /// The solution, where x is only its newest part.
    carried: Option<Vector>,
    rr: Scalar,
}

impl Renewal {
    pub(crate) fn new(space: &mut Space, a: Operator, matrix: &Matrix, exponent: i32, n: usize) -> Self {
        let narrow = space.plan.working != space.plan.accumulate;
        Self {
            a: if narrow { space.operator("A", matrix.clone(), exponent, Role::Accumulate) } else { a },
            b: space.accumulator("b", n),
            t: space.accumulator("ax", n),
            carried: narrow.then(|| space.accumulator("x_sum", n)),
            rr: space.scalar("rr_true"),
        }
    }

    /// True where the iterations run in a narrower type than the residual.
    pub(crate) fn refines(&self) -> bool {
        self.carried.is_some()
    }

    /// Where the solution of the correction stands, given the method's x.
    pub(crate) fn solution(&self, x: Vector) -> Vector {
        self.carried.unwrap_or(x)
    }

    /// r = b, nothing carried.
    pub(crate) fn load(&self, p: &mut Program, r: Vector) {
        p.copy(self.b, r);
        if let Some(sum) = self.carried {
            p.zero(sum);
        }
    }

    /// Adds x to what is carried and clears it.
    pub(crate) fn collect(&self, p: &mut Program, x: Vector) {
        if let Some(sum) = self.carried {
            p.axpy(1.0, x, sum);
            p.zero(x);
        }
    }

    /// r = b − A x.
    pub(crate) fn renew(&self, p: &mut Program, x: Vector, r: Vector) {
        self.collect(p, x);
        p.apply(self.a, self.solution(x), self.t);
        p.assign(r, Combination::default().plus(1.0, self.b).plus(-1.0, self.t));
    }

    /// Publishes ‖r‖.
    pub(crate) fn measure(&self, p: &mut Program, r: Vector) {
        p.dot(r, r, self.rr);
        p.publish(&[self.rr.sqrt()]);
    }
}
