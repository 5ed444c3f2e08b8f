//! Preconditioners of operators: those that need no entries.

use super::{Chebyshev, Identity, Jacobi, Preconditioner, PreconditionerEntry, Request};
use crate::error::{Error, Result};
use crate::matrix::{LinearOperator, Matrix};
use std::sync::Arc;

/// The ids that work for an operator, for messages.
const KNOWN: &str = "none, jacobi (with a diagonal), chebyshev and neumann (for a symmetric operator)";

/// Sets the preconditioner of `entry` up for any matrix.
///
/// # Errors
/// What the set-up says; for an operator, a preconditioner that needs entries.
pub fn build(entry: &PreconditionerEntry, a: &Matrix, request: &Request) -> Result<Box<dyn Preconditioner>> {
    match a {
        Matrix::Stored(a) => (entry.build)(a, request),
        Matrix::Free(a) => for_operator(entry.id, a, request),
    }
}

fn for_operator(id: &str, a: &Arc<dyn LinearOperator>, request: &Request) -> Result<Box<dyn Preconditioner>> {
    match id {
        "none" => Ok(Box::new(Identity)),
        "jacobi" => {
            let diagonal =
                a.diagonal().ok_or_else(|| Error::input("jacobi needs the operator's diagonal; it gives none"))?;
            Ok(Box::new(Jacobi::of_diagonal(&diagonal, request.definite)?))
        }
        "chebyshev" | "neumann" => Ok(Box::new(Chebyshev::new(Arc::clone(a), id == "neumann", request)?)),
        _ => Err(Error::input(format!("{id} needs the entries of A; an operator has none. These work: {KNOWN}"))),
    }
}
