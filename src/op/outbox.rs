//! What passes between the device half of a method and its host half.

use super::{Array, Scalar, Vector};

/// Numbers on their way to the device, written before the operations of [`Method::end_cycle`](crate::method::Method::end_cycle) run.
#[derive(Default)]
pub struct Outbox {
    pub(crate) arrays: Vec<(Array, Vec<f64>)>,
    pub(crate) scalars: Vec<(Scalar, f64)>,
    pub(crate) vectors: Vec<(Vector, Vec<f64>)>,
}

impl Outbox {
    /// Puts `values` at the start of `array`.
    pub fn send(&mut self, array: Array, values: &[f64]) {
        self.arrays.push((array, values.to_vec()));
    }

    /// Replaces the entries of `vector`.
    pub fn send_vector(&mut self, vector: Vector, values: Vec<f64>) {
        self.vectors.push((vector, values));
    }

    /// Gives `scalar` a value.
    pub fn set(&mut self, scalar: Scalar, value: f64) {
        self.scalars.push((scalar, value));
    }
}

/// What a method does after an iteration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Another iteration, without waiting for the host.
    More,
    /// The host reads all records, then [`Method::end_cycle`](crate::method::Method::end_cycle) runs.
    EndCycle,
}

/// What a record told the host half.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    /// ‖r‖ after the iteration, as the method estimates it.
    pub residual: f64,
    /// True where the host half ends the cycle here; iterations issued beyond are not used.
    pub done: bool,
}
