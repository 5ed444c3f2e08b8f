//! Preconditioners of operators: those that need no entries.

use super::registry::Precond;
use super::{Chebyshev, Identity, Jacobi, Preconditioner, Request};
use crate::error::{Error, Result};
use crate::matrix::{LinearOperator, Matrix};
use std::sync::Arc;

/// The ids that work for an operator, for messages.
const KNOWN: &str = "none, given, jacobi (with a diagonal), chebyshev and neumann (for a symmetric operator)";

/// Sets up the preconditioner `chosen` for an operator.
///
/// # Errors
/// Those of the set-up; a preconditioner that needs entries.
pub(super) fn build(
    chosen: &Precond,
    a: &Arc<dyn LinearOperator>,
    request: &Request,
) -> Result<Box<dyn Preconditioner>> {
    match *chosen {
        Precond::None => Ok(Box::new(Identity)),
        Precond::Jacobi if request.normal => Err(Error::input(
            "jacobi of least squares needs the norms of A's columns, and an operator has no entries; use none",
        )),
        Precond::Jacobi => {
            let diagonal =
                a.diagonal().ok_or_else(|| Error::input("jacobi needs the operator's diagonal; it gives none"))?;
            Ok(Box::new(Jacobi::of_diagonal(&diagonal, request.definite)?))
        }
        Precond::Chebyshev { degree } => Ok(Box::new(Chebyshev::new(Arc::clone(a), degree, false, request)?)),
        Precond::Neumann { degree } => Ok(Box::new(Chebyshev::new(Arc::clone(a), degree, true, request)?)),
        Precond::Given(ref given) => given.build(&Matrix::Free(Arc::clone(a)), request),
        _ => Err(Error::input(format!(
            "{} needs the entries of A; an operator has none. These work: {KNOWN}",
            chosen.id()
        ))),
    }
}
