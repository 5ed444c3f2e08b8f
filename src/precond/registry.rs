//! The table of preconditioners: one line each.

use super::{Amg, BlockJacobi, Chebyshev, Identity, Ilu, InverseFactors, Jacobi, Kind, Preconditioner};
use crate::error::{Error, Result};
use crate::matrix::Csr;
use std::sync::Arc;

/// What a set-up is told beside A.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method needs M symmetric positive definite.
    pub definite: bool,
    /// A is symmetric.
    pub symmetric: bool,
    /// M is to be near (AᵀA)⁻¹: for least-squares methods.
    pub normal: bool,
    /// What stands behind the colon of `id:argument`.
    pub argument: Option<String>,
}

/// Sets a preconditioner up.
type Build = fn(&Arc<Csr>, &Request) -> Result<Box<dyn Preconditioner>>;

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
        build: |a, request| {
            Ok(Box::new(if request.normal { Jacobi::normal(a) } else { Jacobi::new(a, request.definite) }))
        },
    },
    PreconditionerEntry {
        id: "amg",
        about: "algebraic multigrid by smoothed aggregation; amg:theta=0.08,degree=1,coarse=300",
        build: |a, request| Ok(Box::new(Amg::new(a, request)?)),
    },
    PreconditionerEntry {
        id: "ilu0",
        about: "incomplete LU factors on the pattern of A; the CPU only",
        build: |a, request| Ok(Box::new(Ilu::build(a, request)?)),
    },
    PreconditionerEntry {
        id: "ic0",
        about: "incomplete Cholesky factors on the pattern of A, positive definite; the CPU only",
        build: |a, request| Ok(Box::new(Ilu::build(a, &Request { definite: true, ..request.clone() })?)),
    },
    PreconditionerEntry {
        id: "fsai",
        about: "factorised sparse approximate inverse; A symmetric positive definite",
        build: |a, request| Ok(Box::new(InverseFactors::build(a, Kind::Fsai, request)?)),
    },
    PreconditionerEntry {
        id: "isai",
        about: "sparse approximate inverses of ilu0's factors: ilu0 as products",
        build: |a, request| Ok(Box::new(InverseFactors::build(a, Kind::Isai, request)?)),
    },
    PreconditionerEntry {
        id: "block_jacobi",
        about: "inverses of diagonal blocks of a fixed size; block_jacobi:3",
        build: |a, request| Ok(Box::new(BlockJacobi::build(a, request)?)),
    },
    PreconditionerEntry {
        id: "chebyshev",
        about: "a Chebyshev polynomial in the scaled matrix; chebyshev:4",
        build: |a, request| Ok(Box::new(Chebyshev::new(a, false, request)?)),
    },
    PreconditionerEntry {
        id: "neumann",
        about: "a Neumann series in the scaled matrix; neumann:4",
        build: |a, request| Ok(Box::new(Chebyshev::new(a, true, request)?)),
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

/// Those that know a form for AᵀA.
const NORMAL: [&str; 2] = ["none", "jacobi"];

/// Sets up what `spec` names for A; what stands behind its colon goes into the request.
///
/// # Errors
/// An unknown name, one that a least-squares method can't use, what the set-up says.
pub fn build(spec: &str, a: &Arc<Csr>, request: Request) -> Result<Box<dyn Preconditioner>> {
    let (entry, argument) = by_name(spec)?;
    if request.normal && !NORMAL.contains(&entry.id) {
        return Err(Error::input(format!(
            "{} is no preconditioner of A'A, which least-squares methods need; they take {}",
            entry.id,
            NORMAL.join(" or ")
        )));
    }
    (entry.build)(a, &Request { argument, ..request })
}
