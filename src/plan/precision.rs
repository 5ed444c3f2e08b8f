//! Number types for a device: the first choice, and what to fall back on.

use super::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::op::{Dtype, Precisions};
use crate::options::{Options, Precision};

/// Bytes that caches may hold: an iteration over less is not bound by memory, and f64 costs it little.
pub(super) const CACHED: usize = 32 << 20;

/// Bytes of the matrix and of the ten vectors of a CG iteration.
pub(super) fn streamed(a: &Matrix) -> usize {
    a.plain_bytes(8) as usize + 80 * a.all_rows()
}

/// Number types for a device, the first choice and what to fall back on; reasons go to `notes`.
pub(super) fn precisions(
    a: &Matrix,
    options: &Options,
    device: &DeviceChoice,
    least_squares: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<Precisions>> {
    let double = Precisions::uniform(Dtype::F64).with_preconditioner(Dtype::F32);
    let has_f64 = device.widest == Dtype::F64;
    // A correction of least squares starts with Aᵀr, which the CPU computes.
    let single = if least_squares { Precisions::uniform(Dtype::F32) } else { Precisions::mixed(device.widest) };
    let mixed = match single.accumulate {
        // The device has no wider type: the CPU corrects.
        Dtype::F32 => "f32 iterations, residual and x in f64 on the CPU".to_string(),
        wide => format!("f32 iterations, residual and x in {wide}, renewed as they converge"),
    };
    let streamed = streamed(a);
    let (plans, why) = match options.precision {
        Precision::F64 if !has_f64 => {
            return Err(Error::input(format!(
                "{} has no f64 in shaders; use the precision auto, f32 or mixed (answers are certified in f64 all the same)",
                device.adapter.name
            )));
        }
        Precision::F64 => (vec![double], "f64: as asked".into()),
        Precision::F32 => (vec![single], format!("f32: as asked; {mixed}")),
        Precision::Mixed if has_f64 => (vec![single, double], format!("mixed: {mixed}; f64 if that gains too little")),
        Precision::Mixed => (vec![single], format!("mixed: {mixed}")),
        Precision::Auto if !has_f64 => (vec![single], format!("mixed: the device has no f64: {mixed}")),
        Precision::Auto if streamed < CACHED => {
            (vec![double], format!("f64: an iteration's {} MB fit in cache", streamed.div_ceil(1 << 20)))
        }
        Precision::Auto => (
            vec![single, double],
            format!(
                "mixed: an iteration streams {} MB of memory, half in f32; {mixed}; f64 if that gains too little",
                streamed >> 20
            ),
        ),
    };
    notes.push(format!("precision {why}"));
    Ok(plans)
}
