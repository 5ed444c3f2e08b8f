//! Krylov methods: one file, one page each. A method writes one iteration as operations and reads what
//! they publish; the driver handles the loop over iterations, limits, clocks and devices.
//!
//! A method solves A x = r from x = 0, with A and r scaled by the driver; the driver adds the correction
//! to the user's x, recomputes the true residual, and calls again if needed.

mod bicg;
mod bicgstab;
mod bicgstabl;
mod cg;
mod cgs;
mod chebyshev;
mod choice;
mod cr;
mod entry;
mod fcg;
mod fgmres;
mod gcrotmk;
mod gmres;
mod golub_kahan;
mod idrs;
mod lgmres;
mod lsmr;
mod lsqr;
mod minimal_residual;
mod minres;
mod projection;
mod qmr;
pub(crate) mod registry;
mod richardson;
mod steepest_descent;
mod tfqmr;
mod watch;

pub use crate::op::{Next, Outbox, Seen};
pub use entry::{MethodEntry, Needs, OwnMethod, Traits};
pub use registry::{METHODS, by_name};
pub use watch::Watch;

use crate::op::{Op, Operator, Program, Space, Vector};
use crate::precond::{Preconditioner, Side};
use std::sync::Arc;

/// What a method is given: A, r = b − A x₀, where the correction goes, M, and the shared watch.
pub struct System {
    /// A; square except for methods with [`Needs::Any`].
    pub a: Operator,
    /// The right-hand side at the start, then the method's residual.
    pub r: Vector,
    /// The correction, zero at the start.
    pub x: Vector,
    /// Entries of x: columns of A, or where ranks share A, those of this rank.
    pub n: usize,
    /// Columns of A, of all ranks.
    pub order: usize,
    /// For methods with [`Needs::Any`].
    pub normal: Option<Normal>,
    /// Aᵀ, for methods that are [`Traits::two_sided`].
    pub transpose: Option<Operator>,
    /// M ≈ A⁻¹, or (AᵀA)⁻¹ for methods with [`Needs::Any`].
    pub m: Box<dyn Preconditioner>,
    /// Stops common to all methods.
    pub watch: Watch,
}

/// What a least-squares method is given in addition to A and r.
#[derive(Clone, Copy, Debug)]
pub struct Normal {
    /// Aᵀ.
    pub transpose: Operator,
    /// Aᵀr at the start. Computed by the driver from r in f64: once r is nearly orthogonal to the range of A, a
    /// product with the rounded r would be noise.
    pub gradient: Vector,
}

impl System {
    /// Appends z = M r; nothing if M is the identity, where z is r itself.
    pub fn precondition(&self, p: &mut Program, r: Vector, z: Vector) {
        if self.m.is_identity() {
            debug_assert!(r == z, "M = I, so z is r");
        } else {
            p.preconditioned += 1;
            let before = p.ops.len();
            self.m.emit(p, r, z);
            let with_a = |op: &&Op| matches!(op, Op::Apply { a, .. } if *a == self.a);
            p.inner_products += p.ops[before..].iter().filter(with_a).count();
        }
    }

    /// Appends z = Mᵀ r, for methods that are [`Traits::two_sided`].
    pub fn precondition_transposed(&self, p: &mut Program, r: Vector, z: Vector) {
        if self.m.is_identity() {
            debug_assert!(r == z, "M = I, so z is r");
        } else {
            p.preconditioned += 1;
            self.m.emit_transposed(p, r, z);
        }
    }

    /// Aᵀ.
    pub fn transposed(&self) -> Operator {
        self.transpose.expect("the solver gives a two-sided method its transpose")
    }

    /// A vector for M v: v itself if M is the identity.
    pub fn preconditioned(&self, space: &mut Space, name: &str, v: Vector) -> Vector {
        if self.m.is_identity() { v } else { space.vector(name, self.n) }
    }
}

/// The [`Method::reduction`] of a method whose `resume` keeps its directions: r may be renewed often, and convergence
/// is closer to f64's (CG on 2D Poisson 1000² to 1e-8: 1.13 times the iterations of f64; with 1e-2, 1.36 times).
const RELIABLE: f64 = 0.1;

/// The same for the BiCG family: each renewal disturbs the two-sided recurrences a little, so r is renewed less often.
const SELDOM: f64 = 1e-2;

/// Parameters of a method.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Columns of a GMRES cycle.
    pub restart: usize,
    /// The side of the preconditioner, for methods that have a choice.
    pub side: Side,
    /// Bounds of the spectrum of A M on the device, if the user gives them.
    pub spectrum: Option<(f64, f64)>,
    /// Orthonormal vectors: a basis of the subspace of a projection, or directions to start with.
    pub subspace: Vec<Arc<Vec<f64>>>,
    /// Directions of one solve are reused for the next right-hand side.
    pub recycle: bool,
}

/// A Krylov method: a device half that appends operations and a host half that reads records.
pub trait Method: Send {
    /// Called before each correction; number 0 starts a new solve and drops what was learnt in earlier ones, so
    /// that a solve has the same bits whatever came before it.
    fn begin(&mut self, _correction: usize) {}

    /// Called after A got new values on its pattern: what is kept from earlier solves must be recomputed.
    fn values_changed(&mut self) {}

    /// Operations before the first iteration; r holds the right-hand side, x is zero.
    fn start(&mut self, p: &mut Program);

    /// Operations of one iteration. They publish one record, last.
    fn step(&mut self, p: &mut Program) -> Next;

    /// Reads the record of an iteration; by default its first number is ‖r‖.
    fn observe(&mut self, record: &[f64]) -> Seen {
        Seen { residual: record[0], done: false }
    }

    /// The condition number of A M^½, if the method estimates it.
    fn condition(&self) -> Option<f64> {
        None
    }

    /// Directions of x that the method keeps for later systems, if any.
    fn directions(&self) -> Vec<Vector> {
        vec![]
    }

    /// Operations that bring x up to date after [`Next::EndCycle`] or [`Seen::done`]; the driver renews r
    /// and starts again. Methods that keep x up to date in each iteration have none.
    fn end_cycle(&mut self, _p: &mut Program, _host: &mut Outbox) {}

    /// Operations after a refresh replaced r by the true residual and zeroed x: keeps the part of the old
    /// state that is still useful. By default a fresh start.
    fn resume(&mut self, p: &mut Program) {
        self.start(p);
    }

    /// How far ‖r‖ may fall in f32 before it is renewed from the true residual: by default as far as f32 goes,
    /// since a fresh start loses what was learnt.
    fn reduction(&self) -> f64 {
        1e-5
    }

    /// The factor by which ‖r‖ may exceed max(‖b‖, ‖r₀‖) before the solve counts as diverged.
    fn growth(&self) -> f64 {
        1e5
    }

    /// The system that it was built with.
    fn system(&mut self) -> &mut System;

    /// Products with A that the next [`Method::end_cycle`] needs; the driver reserves them in its limit on products.
    fn closing_products(&self) -> usize {
        0
    }

    /// True if the method works in cycles, so that r must be renewed on the device.
    fn restarts(&self) -> bool {
        false
    }
}
