//! One preconditioner for several copies of a method: set up and installed once, with handles shared by all copies.

use super::{Preconditioner, Updates};
use crate::error::Result;
use crate::matrix::Csr;
use crate::op::{Program, Space, Vector};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// M, installed before it is shared.
#[derive(Clone)]
pub struct Common(Arc<Mutex<Box<dyn Preconditioner>>>);

impl Common {
    /// Shares `m`.
    #[must_use]
    pub fn new(m: Box<dyn Preconditioner>) -> Self {
        Self(Arc::new(Mutex::new(m)))
    }

    fn m(&self) -> MutexGuard<'_, Box<dyn Preconditioner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Preconditioner for Common {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.m().install(space, exponent);
    }
    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        self.m().emit(p, r, z);
    }
    fn install_transposed(&mut self, space: &mut Space, exponent: i32) -> bool {
        self.m().install_transposed(space, exponent)
    }
    fn emit_transposed(&self, p: &mut Program, r: Vector, z: Vector) {
        self.m().emit_transposed(p, r, z);
    }
    fn is_identity(&self) -> bool {
        self.m().is_identity()
    }
    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        self.m().refresh(a, exponent)
    }
    fn describe(&self) -> Vec<String> {
        self.m().describe()
    }
}
