//! The user's own preconditioner: a matrix M ≈ A⁻¹, applied as a product on every backend, or anything that
//! writes operations.

use super::{Preconditioner, Updates};
use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::op::{Operator, Program, Role, Space, Vector};
use std::fmt;
use std::sync::Arc;

/// Sets a preconditioner up for a matrix.
type Make = dyn Fn(&Arc<Csr>) -> Result<Box<dyn Preconditioner>> + Send + Sync;

/// What [`Precond::Given`](crate::Precond::Given) holds.
///
/// ```
/// use krylane::{Method, Precond, Solver, matrix::gallery, precond::Given};
/// let a = gallery::tridiagonal(50, -1.0, 4.0, -1.0);
/// let m = gallery::tridiagonal(50, 0.07, 0.28, 0.07);
/// let mut solver = Solver::builder(&a).method(Method::Cg).preconditioner(Precond::Given(Given::matrix(m))).build()?;
/// let report = solver.solve(&vec![1.0; 50])?;
/// assert!(report.reason.is_converged());
/// # Ok::<(), krylane::Error>(())
/// ```
#[derive(Clone)]
pub struct Given(Arc<Make>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("given")
    }
}

/// No text holds a preconditioner.
impl std::str::FromStr for Given {
    type Err = Error;
    fn from_str(_text: &str) -> Result<Self> {
        Err(Error::input("given stands for a preconditioner that a program hands over: Precond::Given"))
    }
}

/// The same object.
impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Given {
    /// z = M r, a product. Methods that need a definite M take it as such on the user's word; a breakdown names it.
    #[must_use]
    pub fn matrix(m: Csr) -> Self {
        let m = Arc::new(m);
        Self::new(move |a| {
            if (m.rows(), m.cols()) != (a.rows(), a.cols()) {
                let (rows, n) = (m.rows(), a.rows());
                return Err(Error::input(format!("M is {rows} x {}; A has {n} rows", m.cols())));
            }
            Ok(Box::new(Product { m: Arc::clone(&m), handle: None }))
        })
    }

    /// Anything that writes operations. `make` is called once for each rung of the ladder that is tried.
    #[must_use]
    pub fn new(make: impl Fn(&Arc<Csr>) -> Result<Box<dyn Preconditioner>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(super) fn check(&self) -> Result<()> {
        Ok(())
    }

    pub(super) fn build(&self, a: &Arc<Csr>) -> Result<Box<dyn Preconditioner>> {
        (self.0)(a)
    }
}

/// z = M r.
struct Product {
    m: Arc<Csr>,
    handle: Option<Operator>,
}

impl Preconditioner for Product {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.handle = Some(space.operator("M", Arc::clone(&self.m), -exponent, Role::Working));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        p.apply(self.handle.expect("installed before use"), r, z);
    }

    /// M stays as it was given; only its scale follows A's.
    fn refresh(&mut self, _a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        let operators = self.handle.map(|h| (h, Arc::clone(&self.m), -exponent)).into_iter().collect();
        Ok(Updates { operators, ..Updates::default() })
    }

    fn describe(&self) -> Vec<String> {
        vec![format!("given: a matrix of {} entries", self.m.nnz())]
    }
}
