//! The table of preconditioners: one line each.

use super::{
    Amg, BlockJacobi, Chebyshev, Given, Identity, Ilu, InverseFactors, Jacobi, Kind, NearNull, Preconditioner, Scaling,
    Ssor, matrix_free,
};
use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix};
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
    /// What multigrid's coarse levels must hold, beside the constants.
    pub near_null: Option<Arc<NearNull>>,
    /// The user's own preconditioner.
    pub given: Option<Given>,
    /// Bytes that there are for all that is set up; `None` where nothing is known.
    pub room: Option<u64>,
    /// Multiplications of complete LU factors of A in its order, where they were counted.
    pub operations: Option<f64>,
}

impl Request {
    /// The argument as pairs `key=number` of these keys and ranges; `None` for what is not said.
    ///
    /// # Errors
    /// An unknown key, or a number out of its range.
    pub(crate) fn numbers<const K: usize>(&self, who: &str, known: [(&str, f64, f64); K]) -> Result<[Option<f64>; K]> {
        Ok(self.numbers_and_words(who, known, [])?.0)
    }

    /// The same beside pairs `key=word`; a word is told by its place among those known.
    ///
    /// # Errors
    /// As [`Request::numbers`], or an unknown word.
    #[allow(clippy::type_complexity)]
    pub(crate) fn numbers_and_words<const K: usize, const L: usize>(
        &self,
        who: &str,
        numbers: [(&str, f64, f64); K],
        words: [(&str, &[&str]); L],
    ) -> Result<([Option<f64>; K], [Option<usize>; L])> {
        let mut out = ([None; K], [None; L]);
        for pair in self.argument.iter().flat_map(|a| a.split(',')).filter(|p| !p.is_empty()) {
            let (key, text) = pair.split_once('=').unwrap_or((pair, ""));
            if let Some(k) = words.iter().position(|e| e.0 == key) {
                let known = words[k].1;
                let place = known.iter().position(|w| *w == text);
                let fault = || Error::input(crate::host::suggest::unknown(&format!("{key} of {who}"), text, known));
                out.1[k] = Some(place.ok_or_else(fault)?);
                continue;
            }
            let Some(k) = numbers.iter().position(|e| e.0 == key) else {
                let names: Vec<&str> = numbers.iter().map(|e| e.0).chain(words.iter().map(|e| e.0)).collect();
                return Err(Error::input(crate::host::suggest::unknown(&format!("parameter of {who}"), key, &names)));
            };
            let (_, low, high) = numbers[k];
            let number = text.parse().ok().filter(|v| (low..=high).contains(v));
            out.0[k] = Some(number.ok_or_else(|| {
                Error::input(format!("{who}: {key}={text:?}; {key} is a number from {low} to {high}"))
            })?);
        }
        Ok(out)
    }
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
        id: "scaling",
        about: "symmetric diagonal scaling: S A S has largest entries near 1; positive definite whatever A is",
        build: |a, _| Ok(Box::new(Scaling::new(a))),
    },
    PreconditionerEntry {
        id: "amg",
        about: "algebraic multigrid by smoothed aggregation; amg:theta=0.08,smoother=chebyshev,degree=1,coarse=300; smoothers: chebyshev, l1_jacobi, spai0, gauss_seidel",
        build: |a, request| Ok(Box::new(Amg::new(a, request)?)),
    },
    PreconditionerEntry {
        id: "ilu0",
        about: "incomplete LU factors on the pattern of A; on a GPU solved by Jacobi sweeps, ilu0:sweeps=4",
        build: |a, request| Ok(Box::new(Ilu::build(a, request)?)),
    },
    PreconditionerEntry {
        id: "ic0",
        about: "incomplete Cholesky factors on the pattern of A, positive definite; on a GPU solved by Jacobi sweeps",
        build: |a, request| Ok(Box::new(Ilu::build(a, &Request { definite: true, ..request.clone() })?)),
    },
    PreconditionerEntry {
        id: "ilut",
        about: "incomplete LU factors by threshold; ilut:drop=0.001,fill=2; on a GPU solved by Jacobi sweeps",
        build: |a, request| Ok(Box::new(Ilu::build_with_fill(a, request)?)),
    },
    PreconditionerEntry {
        id: "lu",
        about: "LU factors but for small entries, of A in an order that fills little; lu:drop=1e-6,fill=50; on a GPU solved by Jacobi sweeps",
        build: |a, request| Ok(Box::new(Ilu::build_nearly_whole(a, request)?)),
    },
    PreconditionerEntry {
        id: "ssor",
        about: "symmetric successive over-relaxation; ssor:omega=1,order=natural or colours; on a GPU solved by Jacobi sweeps",
        build: |a, request| Ok(Box::new(Ssor::build(a, false, request)?)),
    },
    PreconditionerEntry {
        id: "gauss_seidel",
        about: "one sweep of Gauss-Seidel, for methods that take any M; gauss_seidel:order=colours; on a GPU solved by Jacobi sweeps",
        build: |a, request| Ok(Box::new(Ssor::build(a, true, request)?)),
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
        about: "inverses of diagonal blocks, of rows with one pattern or of a fixed size; block_jacobi:3",
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
    PreconditionerEntry {
        id: "given",
        about: "the library user's own, a matrix or operations",
        build: |a, request| {
            let given = request.given.as_ref();
            given.ok_or_else(|| Error::input("the preconditioner given needs one: Options::given"))?.build(a)
        },
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
        Error::input(crate::host::suggest::unknown("preconditioner", id, &names))
    })?;
    Ok((entry, argument))
}

/// Those that know a form for AᵀA.
const NORMAL: [&str; 2] = ["none", "jacobi"];

/// Sets up what `spec` names for A; what stands behind its colon goes into the request.
///
/// # Errors
/// An unknown name, one that a least-squares method can't use, what the set-up says.
pub fn build(spec: &str, a: &Matrix, request: Request) -> Result<Box<dyn Preconditioner>> {
    let (entry, argument) = by_name(spec)?;
    if request.normal && !NORMAL.contains(&entry.id) {
        return Err(Error::input(format!(
            "{} is no preconditioner of A'A, which least-squares methods need; they take {}",
            entry.id,
            NORMAL.join(" or ")
        )));
    }
    let request = Request { argument, ..request };
    match a {
        Matrix::Stored(a) => (entry.build)(a, &request),
        Matrix::Free(a) => matrix_free::build(entry.id, a, &request),
    }
}
