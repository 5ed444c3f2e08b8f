//! The table of preconditioners: one line each.

use super::{Identity, Jacobi, Preconditioner};
use crate::error::{Error, Result};
use crate::matrix::Csr;

/// What a set-up is told beside A.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method needs M symmetric positive definite.
    pub definite: bool,
    /// What stands behind the colon of `id:argument`.
    pub argument: Option<String>,
}

/// Sets a preconditioner up.
type Build = fn(&Csr, &Request) -> Result<Box<dyn Preconditioner>>;

/// A line of the table.
pub struct PreconditionerEntry {
    /// The name users type.
    pub id: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    pub(crate) build: Build,
}

/// Every preconditioner.
pub const PRECONDITIONERS: &[PreconditionerEntry] = &[
    PreconditionerEntry { id: "none", about: "M = I", build: |_, _| Ok(Box::new(Identity)) },
    PreconditionerEntry {
        id: "jacobi",
        about: "the inverse of the diagonal",
        build: |a, request| Ok(Box::new(Jacobi::new(a, request.definite))),
    },
];

/// The line of `id` or `id:argument`, and the argument.
///
/// # Errors
/// An unknown name; the message offers the nearest one.
pub fn by_name(spec: &str) -> Result<(&'static PreconditionerEntry, Option<String>)> {
    let (id, argument) = spec.split_once(':').map_or((spec, None), |(id, a)| (id, Some(a.to_string())));
    let entry = PRECONDITIONERS.iter().find(|p| p.id == id).ok_or_else(|| {
        let names: Vec<&str> = PRECONDITIONERS.iter().map(|p| p.id).collect();
        Error::input(crate::suggest::unknown("preconditioner", id, &names))
    })?;
    Ok((entry, argument))
}
