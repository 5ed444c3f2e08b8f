//! Preconditioners: set up on the host, applied as operations, so that each runs on every backend and
//! fuses with the method around it.

mod jacobi;
mod registry;

pub use jacobi::Jacobi;
pub use registry::{PRECONDITIONERS, PreconditionerEntry, Request, by_name};

use crate::matrix::Csr;
use crate::op::{Program, Space, Vector};

/// M ≈ A⁻¹.
pub trait Preconditioner: Send {
    /// Puts what M needs into the space; A is used as A·2^`exponent` there.
    fn install(&mut self, space: &mut Space, exponent: i32);

    /// Appends z = M r, z another vector than r.
    fn emit(&self, p: &mut Program, r: Vector, z: Vector);

    /// True for M = I, which emits nothing.
    fn is_identity(&self) -> bool {
        false
    }

    /// Recomputes M for new values on the same pattern; returns the vectors to be rewritten.
    ///
    /// # Errors
    /// What the set-up would say.
    fn refresh(&mut self, a: &Csr, exponent: i32) -> crate::Result<Vec<(Vector, Vec<f64>)>>;
}

/// M = I.
pub struct Identity;

impl Preconditioner for Identity {
    fn install(&mut self, _space: &mut Space, _exponent: i32) {}
    fn emit(&self, _p: &mut Program, _r: Vector, _z: Vector) {}
    fn is_identity(&self) -> bool {
        true
    }
    fn refresh(&mut self, _a: &Csr, _exponent: i32) -> crate::Result<Vec<(Vector, Vec<f64>)>> {
        Ok(vec![])
    }
}
