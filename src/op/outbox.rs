//! What the host half of a method sends to the device.

use super::{Array, Scalar, Vector};

/// Numbers on their way to the device, written before an exchange's operations run.
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
