//! Preconditioners of a matrix whose rows several ranks share. Those of the diagonal and polynomials are those of one
//! process, and multigrid has levels that ranks share. All others are made of each rank's own rows and columns: block
//! Jacobi between ranks.

use super::diagonal::Diagonal;
use super::registry::Precond;
use super::{Amg, Chebyshev, Identity, Jacobi, Preconditioner, Request, Updates};
use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix, Parted};
use crate::op::{PRIVATE, Program, Space, Vector};
use std::sync::Arc;

/// Sets up the preconditioner `chosen`. All ranks call this together.
///
/// # Errors
/// Those of the set-up.
pub(super) fn build(chosen: &Precond, a: &Parted, request: &Request) -> Result<Box<dyn Preconditioner>> {
    let matrix = Matrix::Parted(a.clone());
    match chosen {
        Precond::None => Ok(Box::new(Identity)),
        Precond::Jacobi => Ok(Box::new(Jacobi::of(Diagonal::of_any(&matrix), request.definite))),
        Precond::Chebyshev { degree } => Ok(Box::new(Chebyshev::new(matrix, *degree, false, request)?)),
        Precond::Neumann { degree } => Ok(Box::new(Chebyshev::new(matrix, *degree, true, request)?)),
        Precond::Amg(settings) => Ok(Box::new(Amg::new(matrix, settings, request)?)),
        Precond::Given(_) => Err(Error::input("a preconditioner of the user's own is for matrices of one process")),
        _ => {
            let inner = told_by_all(a, chosen.build(&Matrix::from(a.block()), request))?;
            Ok(Box::new(OwnBlock { inner: a.ranks.agree(inner)?, rows: a.own(), vectors: None }))
        }
    }
}

/// `made`, unless a rank's block has a row that its preconditioner can't do with: all get that error then, another
/// candidate may do.
fn told_by_all<T>(a: &Parted, made: Result<T>) -> Result<Result<T>> {
    let first = a.range().start;
    let (own, text) = match &made {
        Err(Error::Preconditioner { row, message }) => (Some(first + row), message.as_str()),
        _ => (None, ""),
    };
    let row = a.least(own);
    let Some(row) = row else { return Ok(made) };
    let text = a.ranks.gather(if own == Some(row) { text.as_bytes() } else { &[] })?;
    Err(Error::Preconditioner { row, message: String::from_utf8_lossy(&text).into_owned() })
}

/// M of this rank's rows and columns.
struct OwnBlock {
    inner: Box<dyn Preconditioner>,
    rows: usize,
    /// r and M r as the inner one sees them. What it does with them on the way is this rank's business: other ranks may
    /// have other sweeps.
    vectors: Option<[Vector; 2]>,
}

impl Preconditioner for OwnBlock {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        let outside = space.enter(PRIVATE);
        self.vectors = Some(["own_r", "own_z"].map(|name| space.vector(name, self.rows)));
        self.inner.install(space, exponent);
        space.enter(outside);
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        let [own_r, own_z] = self.vectors.expect("installed before use");
        p.copy(r, own_r);
        self.inner.emit(p, own_r, own_z);
        p.copy(own_z, z);
    }

    fn refresh(&mut self, _a: &Arc<Csr>, _exponent: i32) -> Result<Updates> {
        Err(Error::input("rows that ranks share have no update of values"))
    }

    fn describe(&self) -> Vec<String> {
        let mut out = vec!["of each rank's own rows and columns: block Jacobi between ranks".to_string()];
        out.extend(self.inner.describe());
        out
    }
}
