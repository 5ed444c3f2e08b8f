//! Krylov-subspace solvers for sparse linear systems on any GPU (through wgpu compute shaders) or the CPU, with
//! answers certified in f64.
//!
//! ```
//! use krylane::{Method, Solver, matrix::gallery};
//!
//! let a = gallery::poisson2d(30);
//! let report = krylane::solve(&a, &vec![1.0; a.rows()])?;
//! assert!(report.reason.is_converged() && report.certificate.relative <= 1e-8);
//!
//! // A solver keeps its plan, kernels and memory for the next right-hand side.
//! let mut solver = Solver::builder(&a).method(Method::Cg).rtol(1e-10).build()?;
//! let report = solver.solve(&vec![2.0; a.rows()])?.into_result()?;
//! assert_eq!(report.x.len(), a.rows());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where things are
//!
//! [`Solver`] plans (facts about the matrix, then candidates, each choice with its reason), lets them race, and drives.
//! Methods ([`method`]) and preconditioners ([`precond`]) write operations ([`op`]); a scheduler makes the fewest
//! sweeps over memory of them; a backend carries those out. ARCHITECTURE.md tells the whole story.
//!
//! # Invariants, as absences
//!
//! 1. No file under `method/`, `krylov/`, `precond/`, no eigenvalue method names wgpu, a backend or a clock, or loops over iterations.
//! 2. The device half of a method never reads a value.
//! 3. No result depends on how far the host lags, on batch sizes, or on the number of CPU threads.
//! 4. No wgpu object is made outside `backend/gpu`; no WGSL file stands outside the table of shaders.
//! 5. No `Converged` without a residual recomputed in f64 from the user's data; no NaN leaves as success.
//! 6. No buffer, pipeline or bind group is made after two iterations (CG) or one cycle (GMRES).
//! 7. No reduction without a fixed order; no float atomics.

// STOP codes as numbers and names of operations are the GPU's and the lockstep's.
#![cfg_attr(not(feature = "gpu"), allow(dead_code))]

// The command line calls the library as its users do.
#[cfg(feature = "cli")]
extern crate self as krylane;

mod advice;
mod analyse;
mod backend;
pub mod bench;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod compare;
pub mod eigen;
mod error;
#[cfg(any(doc, doctest))]
pub mod guide;
mod host;
pub mod io;
mod krylov;
pub mod matrix;
pub mod method;
pub mod op;
mod options;
pub mod picture;
mod plan;
pub mod precond;
mod report;
mod solve;
#[cfg(test)]
mod testing;

pub use analyse::certify::Certificate;
#[doc(hidden)]
pub use backend::cpu::{Allowed, Harness};
#[cfg(feature = "gpu")]
pub use backend::gpu::{AdapterDetails, adapters};
pub use backend::{AdapterInfo, Counters, DeviceKind};
pub use eigen::{EigenOptions, EigenReport, EigenSolver, Eigenvalue, SvdReport, Which, eigs, svds};
pub use error::{Called, Error, Result};
pub use host::halt::Halt;
pub use host::machine::Run;
pub use host::random;
pub use matrix::{ToCsr, ToMatrix};
pub use method::registry::Method;
#[doc(hidden)]
pub use options::Knobs;
pub use options::{Backend, Criterion, Options, Precision, When};
pub use precond::registry::Precond;
pub use report::{BrokenDown, NotConverged, Passed, Reason, Report, Rung, Timings, TrueResidual};
pub use solve::{Builder, Event, Solver, StoredForm, solve};

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
