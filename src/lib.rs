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
//! # What do I have, what do I call?
//!
//! | I have | I call |
//! |---|---|
//! | a square A and b | [`solve`]`(&a, &b)`: everything else is chosen, and the report says why |
//! | the same A, many b | [`Solver::builder`], then [`Solver::solve`] again and again, or [`Solver::solve_many`] at once |
//! | an A whose values change, its pattern not | [`Solver::update`] keeps what the pattern decides |
//! | a guess of x | [`Solver::solve_from`] |
//! | a rectangular or inconsistent system | [`Method::Lsqr`] or [`Method::Lsmr`]: least squares |
//! | eigenvalues of A x = λ x or A x = λ B x | [`eigs`], with a shift where they lie inside |
//! | singular values | [`svds`] |
//! | a product y = A x and no entries | [`matrix::RowFunction`], [`matrix::Stencil`], [`matrix::Matrix::free`] |
//! | a complex system | [`matrix::complex`]: its equivalent real form |
//! | elasticity, null vectors of my own | [`precond::NearNull`] with [`Precond::Amg`] |
//! | a preconditioner of my own | [`precond::Given`] |
//! | entries to be added up | [`matrix::Triplets`], or CSR arrays by [`matrix::Csr`] |
//! | a file | [`io::read_matrix`] |
//! | several processes | [`Matrix::from_local_rows`](matrix::Matrix::from_local_rows), or [`ranks::Ranks`] in [`Options::ranks`] |
//!
//! The [`guide`] has a chapter on each: how to choose, finite elements, sequences of systems, GPUs, reading a report,
//! and what the things that you know from SciPy, PETSc or AMGCL are called here.
//!
//! # What happens
//!
//! ```text
//!  A, b ──> plan ──────────> race ───────────> device ─────────> certificate ──> Report
//!           what A is,       methods with      CPU threads, or   b − A x again,   x, how it ended,
//!           what may serve   preconditioners   a GPU by wgpu     in f64, from     why, what to do
//!                                                                your own arrays
//! ```
//!
//! A [`Report`] is called [`Reason::Converged`] only if ‖b − A x‖ was recomputed on the host in f64 with compensated sums
//! and meets the tolerance. What can't be solved ends with its reason and with advice. [`Report::into_result`] makes an
//! error of it, and [`Report::to_html`] a page with pictures for a ticket.
//!
//! How it is built, and what no part of it may do, stands in ARCHITECTURE.md.

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
pub mod ranks;
mod report;
mod solve;
#[cfg(test)]
mod testing;

pub use analyse::certify::Certificate;
#[doc(hidden)]
pub use backend::cpu::{Allowed, Harness};
#[cfg(feature = "gpu")]
pub use backend::gpu::{AdapterDetails, adapters};
pub use backend::{AdapterInfo, Counters, DeviceKind, KernelTime};
#[doc(hidden)]
pub use backend::{Kernel, KernelBinding};
pub use eigen::{EigenOptions, EigenReport, EigenSolver, Eigenvalue, SvdReport, Which, eigs, svds};
pub use error::{Called, Error, Result};
pub use host::halt::Halt;
pub use host::machine::{Run, quiet_mesa};
pub use host::random;
pub use matrix::{ToCsr, ToMatrix};
pub use method::registry::Method;
#[doc(hidden)]
pub use options::Knobs;
pub use options::{Backend, Criterion, Options, Precision, When};
pub use precond::registry::Precond;
pub use report::{BrokenDown, NotConverged, Passed, Reason, Report, Rung, Timings, TrueResidual};
pub use solve::{Builder, Event, MaybeSend, Solver, StoredForm, Turn, solve};

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
