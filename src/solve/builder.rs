//! [`Options`] field by field, then a [`Solver`].

use super::solver::Solver;
use crate::error::Result;
use crate::matrix::ToMatrix;
use crate::method::registry::Method;
use crate::options::{Backend, Criterion, Knobs, Options, Precision, When};
use crate::precond::NearNull;
use crate::precond::registry::Precond;
use std::sync::Arc;
use std::time::Duration;

/// A [`Solver`] to be, made by [`Solver::builder`]. Each method sets the field of [`Options`] of its name.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before build()"]
pub struct Builder<'a, A: ?Sized> {
    a: &'a A,
    options: Options,
}

/// A setter for each field.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $kind:ty;)+) => {
        $(
            $(#[$doc])*
            pub fn $field(mut self, $field: $kind) -> Self {
                self.options.$field = $field;
                self
            }
        )+
    };
}

impl<'a, A: ToMatrix> Builder<'a, A> {
    pub(super) fn new(a: &'a A) -> Self {
        Self { a, options: Options::default() }
    }

    setters! {
        /// The method with its own options.
        method: Method;
        /// The preconditioner with its own parameters.
        preconditioner: Precond;
        /// Where to solve.
        backend: Backend;
        /// Number types.
        precision: Precision;
        /// Relative tolerance, 1e-8.
        rtol: f64;
        /// Absolute tolerance, 0.
        atol: f64;
        /// Which residual is tested.
        criterion: Criterion;
        /// Bound on iterations, 10 000.
        max_iterations: usize;
        /// Bound on products with A.
        max_matvecs: usize;
        /// Threads of the CPU backend; 0 is all.
        threads: usize;
        /// Rows in the order of reverse Cuthill–McKee.
        reorder: When;
        /// Rows and columns scaled by powers of two.
        equilibrate: When;
        /// For tests.
        #[doc(hidden)]
        knobs: Knobs;
    }

    /// For multigrid: near-null vectors beside the constants.
    pub fn near_null(mut self, vectors: impl Into<Arc<NearNull>>) -> Self {
        self.options.near_null = Some(vectors.into());
        self
    }

    /// Bound on the time of a solve.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.options.time_limit = Some(limit);
        self
    }

    /// Bytes that may be taken.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.memory_limit = Some(bytes);
        self
    }

    /// What was set so far.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Checks the options and the matrix, and plans.
    ///
    /// # Errors
    /// As [`Solver::new`].
    pub fn build(self) -> Result<Solver> {
        Solver::new(self.a, self.options)
    }
}
