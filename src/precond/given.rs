//! The user's own preconditioner: a matrix M ≈ A⁻¹, applied as a product on every backend, a function on the host, or
//! anything that writes operations.

use super::{Preconditioner, Request, Updates};
use crate::error::{Error, Result};
use crate::host::scale::ldexp;
use crate::matrix::{Csr, Matrix, VectorFunction};
use crate::op::{Operator, Program, Role, Space, Vector};
use std::fmt;
use std::sync::Arc;

/// Sets up a preconditioner for a matrix.
type Make = dyn Fn(&Arc<Csr>) -> Result<Box<dyn Preconditioner>> + Send + Sync;

/// The user's own preconditioner, for [`Precond::Given`](crate::Precond::Given).
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
pub struct Given(Kind);

#[derive(Clone)]
enum Kind {
    Product(Matrix),
    Made(Arc<Make>),
}

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

/// Always an error: a given preconditioner has no textual form.
impl std::str::FromStr for Given {
    type Err = Error;
    fn from_str(_text: &str) -> Result<Self> {
        Err(Error::input("given stands for a preconditioner that a program hands over: Precond::Given"))
    }
}

/// Equal if they are the same object.
impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Product(a), Kind::Product(b)) => a.is(b),
            (Kind::Made(a), Kind::Made(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Given {
    /// z = M r, a product with a matrix or with an operator. Methods that need a definite M trust the
    /// user that it is; a breakdown reports it if not.
    #[must_use]
    pub fn matrix(m: impl Into<Matrix>) -> Self {
        Self(Kind::Product(m.into()))
    }

    /// `f(r, z)` writes z = M r, in f64 on the host: whatever the program has, such as its own factorisation or a
    /// multigrid cycle. Works with every method, on the CPU.
    ///
    /// r comes scaled by a power of two, so f should be linear, or nearly: an M that changes from call to call needs
    /// `fcg` or `fgmres`. f is called from one thread at a time for each right-hand side.
    ///
    /// ```
    /// use krylane::{Method, Precond, Solver, matrix::gallery, precond::Given};
    /// let a = gallery::tridiagonal(50, -1.0, 4.0, -1.0);
    /// let jacobi = Given::function(50, |r, z| z.iter_mut().zip(r).for_each(|(z, r)| *z = r / 4.0));
    /// let mut solver = Solver::builder(&a).method(Method::Cg).preconditioner(Precond::Given(jacobi)).build()?;
    /// assert!(solver.solve(&vec![1.0; 50])?.reason.is_converged());
    /// # Ok::<(), krylane::Error>(())
    /// ```
    #[must_use]
    pub fn function(n: usize, f: impl Fn(&[f64], &mut [f64]) + Send + Sync + 'static) -> Self {
        Self::matrix(Matrix::free(VectorFunction::new(n, n, f)))
    }

    /// Anything that writes operations. `make` is called once for each candidate that is set up, with the
    /// stored matrix that it works on.
    #[must_use]
    pub fn new(make: impl Fn(&Arc<Csr>) -> Result<Box<dyn Preconditioner>> + Send + Sync + 'static) -> Self {
        Self(Kind::Made(Arc::new(make)))
    }

    /// True where M is a function that a GPU can't call.
    pub(crate) fn on_host(&self) -> bool {
        matches!(&self.0, Kind::Product(Matrix::Free(m)) if m.shader().is_none())
    }

    pub(super) fn check(&self) -> Result<()> {
        Ok(())
    }

    pub(super) fn build(&self, a: &Matrix, request: &Request) -> Result<Box<dyn Preconditioner>> {
        if let Kind::Product(m) = &self.0 {
            m.of_one_process("a preconditioner of the user's own")?;
        }
        match (&self.0, a) {
            // For least squares M approximates (AᵀA)⁻¹.
            (Kind::Product(m), _) if (m.rows(), m.cols()) != (a.cols(), a.cols()) => {
                let (rows, n) = (m.rows(), a.cols());
                Err(Error::input(format!("M is {rows} x {}; it must be {n} x {n}", m.cols())))
            }
            (Kind::Product(m), _) => {
                let power = if request.normal { 2 } else { 1 };
                Ok(Box::new(Product { m: m.clone(), transpose: None, power, installed: vec![] }))
            }
            (Kind::Made(_), _) if request.normal => Err(Error::input(
                "least-squares methods take a given matrix or function, M = (A'A)^-1 nearly, but no given operations",
            )),
            (Kind::Made(make), Matrix::Stored(a)) => make(a),
            (Kind::Made(_), _) => {
                Err(Error::input("this preconditioner is made of the entries of A; an operator has none"))
            }
        }
    }
}

/// z = M r.
struct Product {
    m: Matrix,
    /// Mᵀ, if a method asked for it.
    transpose: Option<Matrix>,
    /// M scales with A to the power of minus this: 2 for least squares.
    power: i32,
    /// M, then Mᵀ.
    installed: Vec<Installed>,
}

struct Installed {
    handle: Operator,
    /// The engine holds M·2^`exponent`.
    exponent: i32,
    /// The exponent missing from that since A was rescaled.
    missing: i32,
}

impl Installed {
    fn new(space: &mut Space, name: &str, m: &Matrix, exponent: i32) -> Self {
        Self { handle: space.operator(name, m.clone(), exponent, Role::Working), exponent, missing: 0 }
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        p.apply(self.handle, r, z);
        if self.missing != 0 {
            p.scale(ldexp(1.0, self.missing), z, z);
        }
    }
}

impl Preconditioner for Product {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.installed = vec![Installed::new(space, "M", &self.m, -self.power * exponent)];
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        self.installed[0].emit(p, r, z);
    }

    fn install_transposed(&mut self, space: &mut Space, exponent: i32) -> bool {
        self.transpose = self.m.transposed();
        let installed = self.transpose.iter().map(|t| Installed::new(space, "M^T", t, -self.power * exponent));
        self.installed.extend(installed);
        self.transpose.is_some()
    }

    fn emit_transposed(&self, p: &mut Program, r: Vector, z: Vector) {
        self.installed[1].emit(p, r, z);
    }

    /// M stays as it was given; only its scale follows A's.
    fn refresh(&mut self, _a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        let mut updates = Updates::default();
        let exponent = -self.power * exponent;
        for (installed, m) in self.installed.iter_mut().zip(std::iter::once(&self.m).chain(&self.transpose)) {
            match m {
                Matrix::Stored(m) => updates.operators.push((installed.handle, Arc::clone(m), exponent)),
                _ => installed.missing = exponent - installed.exponent,
            }
        }
        Ok(updates)
    }

    fn describe(&self) -> Vec<String> {
        vec![match &self.m {
            Matrix::Stored(m) => format!("given: a matrix of {} entries", m.nnz()),
            _ => "given: an operator".into(),
        }]
    }
}
