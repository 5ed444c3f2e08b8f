//! Krylov-subspace solvers for sparse linear systems on any GPU or the CPU, certified in f64.

mod backend;
pub mod bench;
mod certify;
mod dense;
mod drive;
mod error;
mod facts;
pub mod io;
mod krylov;
pub mod matrix;
pub mod method;
pub mod op;
mod plan;
pub mod precond;
pub mod random;
mod report;
mod scale;
mod solver;
mod suggest;
#[cfg(test)]
mod testing;

pub use backend::Counters;
#[doc(hidden)]
pub use backend::cpu::{Allowed, Harness};
#[cfg(feature = "gpu")]
pub use backend::gpu::{AdapterDetails, adapters};
pub use certify::Certificate;
pub use drive::{Criterion, Event};
pub use error::{Error, Result};
pub use report::{AdapterInfo, BrokenDown, NotConverged, Passed, Reason, Report, Rung, Timings, TrueResidual};
pub use solver::{Backend, Options, Precision, Solver, ToCsr, solve};
