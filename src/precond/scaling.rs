//! Symmetric diagonal scaling: M = S², S diagonal and positive, with the largest entry of row and column i of S A S
//! near ±1 for every i (Ruiz 2001, RAL-TR-2001-034). CG and MINRES with it are CG and MINRES on S A S y = S b, x = S y.
//!
//! For matrices where Jacobi has no diagonal to invert: M is positive definite for every A, zeros on the diagonal or
//! not, so MINRES can use it for saddle-point and other indefinite systems in mixed units. For a positive definite A no
//! entry is larger than its diagonal allows, and M is Jacobi's to a few percent. One entrywise product, n values;
//! set-up: a pass over the entries for every halving of the spread.

use super::{Preconditioner, Updates};
use crate::error::Result;
use crate::host::halt::Halt;
use crate::host::scale::{exponent, largest, ldexp};
use crate::matrix::{Csr, equilibrate};
use crate::op::{Program, Space, Vector};
use std::sync::Arc;

/// S², as a vector.
pub struct Scaling {
    /// S² of A·2^−`exponent`.
    squares: Vec<f64>,
    exponent: i32,
    vector: Option<Vector>,
}

/// S² is kept within 2^±1000: positive and finite whatever A holds.
const RANGE: f64 = 1000.0;

impl Scaling {
    /// Finds S for `a`, square.
    ///
    /// # Errors
    /// Where `halt` calls.
    pub fn new(a: &Csr, halt: &Halt) -> Result<Self> {
        let exponent = exponent(largest(a.values()));
        let powers = equilibrate::symmetric_scale(a, exponent, halt)?;
        let squares = powers.into_iter().map(|s| (2.0 * s).clamp(-RANGE, RANGE).exp2()).collect();
        Ok(Self { squares, exponent, vector: None })
    }

    fn scaled(&self, exponent: i32) -> Vec<f64> {
        self.squares.iter().map(|&v| ldexp(v, -self.exponent - exponent)).collect()
    }
}

impl Preconditioner for Scaling {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.vector = Some(space.constant("squared_scale", Arc::new(self.scaled(exponent))));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        p.multiply(self.vector.expect("installed before use"), r, z);
    }

    fn install_transposed(&mut self, _space: &mut Space, _exponent: i32) -> bool {
        true
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        *self = Self { vector: self.vector, ..Self::new(a, &Halt::default())? };
        let vectors = self.vector.map(|v| (v, self.scaled(exponent))).into_iter().collect();
        Ok(Updates { vectors, ..Updates::default() })
    }

    fn describe(&self) -> Vec<String> {
        let range = self.squares.iter().fold((f64::INFINITY, 0.0f64), |(l, m), &s| (l.min(s), m.max(s)));
        let spread = if range.1 > 0.0 { (range.1 / range.0).sqrt() } else { 1.0 };
        vec![format!("scaling: the factors of rows and columns differ by up to {spread:.1e}")]
    }
}
