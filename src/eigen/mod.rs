//! Eigenpairs A x = λ x, A x = λ B x and singular triplets of large sparse matrices.
//!
//! Methods are built like those for linear systems: a device half writes operations, a host half reads the records and
//! decides at the end of each cycle, here with small dense eigenproblems; `drive` holds the loop. Every reported pair
//! was checked on the host in f64 with the user's own matrix.

mod arnoldi;
mod bidiagonal;
mod dense;
mod drive;
mod effort;
mod filter;
mod finite;
mod inverse;
mod lanczos;
mod lobpcg;
mod options;
mod passes;
mod pencil;
mod plan;
mod polish;
mod power;
mod registry;
mod report;
mod shift;
mod smallest;
mod solver;
mod stages;
mod svds;
mod text;
mod thick_restart;
mod verify;
mod whole;

pub use options::{EigenOptions, Which};
pub use registry::{EIGEN_METHODS, EigenMethodEntry, by_name};
pub use report::{EigenReport, Eigenvalue, NotFound, Outcome, SvdReport};
pub use solver::{EigenSolver, eigs};
pub use svds::{svds, svds_until};

use crate::method::{Next, Outbox};
use crate::op::{Operator, Program, Vector};
use crate::precond::Preconditioner;

/// The operator that a method iterates with.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// w = A v.
    Product(Operator),
    /// w = T⁻¹ v or T⁻¹ C v by a linear solver on the host's side: T = A − σB and C = B for a shift, T = B and C = A
    /// for a generalised problem without one. C comes with a vector for its product.
    Solve(Option<(Operator, Vector)>),
    /// w = p(A) v.
    Filter(filter::Filter),
}

impl Action {
    /// Appends w = action v, or the operations before a solve, which is returned.
    pub(crate) fn emit(self, p: &mut Program, v: Vector, w: Vector) -> Option<InnerSolve> {
        match self {
            Self::Product(a) => {
                p.apply(a, v, w);
                None
            }
            Self::Filter(filter) => {
                filter.emit(p, v, w);
                None
            }
            Self::Solve(None) => Some(InnerSolve { rhs: v, solution: w }),
            Self::Solve(Some((c, cv))) => {
                p.apply(c, v, cv);
                Some(InnerSolve { rhs: cv, solution: w })
            }
        }
    }
}

/// A system that the driver is asked to solve.
#[derive(Clone, Copy)]
pub(crate) struct InnerSolve {
    pub(crate) rhs: Vector,
    pub(crate) solution: Vector,
}

/// Which eigenvalues of the action are wanted, and when they are good enough.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) k: usize,
    pub(crate) which: Which,
    /// Bound on ‖A v − θ v‖ relative to `norm`.
    pub(crate) tolerance: f64,
    pub(crate) norm: Size,
    /// What rounding in A − σB does to its eigenvalues, for an inverse of it: θ is known up to this times θ².
    pub(crate) noise: f64,
}

/// What the estimated residual of a pair (θ, v) is relative to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Size {
    /// ‖A‖ on the device.
    Known(f64),
    /// |θ| itself, for inverses and filters; relaxed for values so small that the rounding errors of the largest one
    /// exceed the bound.
    Own,
    /// The largest |θ| seen, for B⁻¹A, whose norm is not known.
    Largest,
}

impl Wanted {
    /// The bound on the estimated residual of a pair with this |θ|, where the largest is `largest`.
    pub(crate) fn bound(&self, modulus: f64, largest: f64) -> f64 {
        match self.norm {
            Size::Known(norm) => self.tolerance * norm,
            Size::Own => {
                let rounding = (8.0 * f64::EPSILON * largest).max(self.noise * modulus * modulus);
                (self.tolerance * modulus).max(rounding)
            }
            Size::Largest => self.tolerance * largest,
        }
    }
}

/// What an eigenvalue method is given.
pub(crate) struct EigenSystem {
    pub(crate) a: Operator,
    /// B.
    pub(crate) mass: Option<Operator>,
    pub(crate) n: usize,
    /// Upper bound on the number of finite eigenvalues: the rank of B.
    pub(crate) rank: usize,
    /// The action is symmetric in the inner product of the space.
    pub(crate) symmetric: bool,
    pub(crate) action: Action,
    /// M ≈ A⁻¹, for methods that take one.
    pub(crate) m: Box<dyn Preconditioner>,
    pub(crate) wanted: Wanted,
    /// A filter, and an interval that holds the spectrum, if filtered cycles are to follow the first one.
    pub(crate) filter: Option<(filter::Filter, [f64; 2])>,
    /// Columns of the basis.
    pub(crate) subspace: usize,
    pub(crate) seed: u64,
}

/// What the end of a cycle found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outlook {
    /// Go on; the largest estimated residual of a wanted pair over its bound.
    Going(f64),
    /// The wanted pairs can be read.
    Done,
    /// A number is not finite.
    NonFinite,
}

/// A wanted vector as combinations of columns on the device.
pub(crate) struct Pair {
    /// The vector, or its real part, or the right singular vector.
    pub(crate) x: Vec<f64>,
    /// The imaginary part, or the left singular vector.
    pub(crate) y: Option<Vec<f64>>,
}

/// What a method has found: columns to be read, and the pairs as combinations of them.
pub(crate) struct Harvest {
    pub(crate) columns: Vec<Vector>,
    pub(crate) pairs: Vec<Pair>,
}

impl Harvest {
    /// Pairs that are columns themselves.
    pub(crate) fn plain(columns: Vec<Vector>) -> Self {
        let unit = |k: usize| (0..columns.len()).map(|i| f64::from(u8::from(i == k))).collect();
        let pairs = (0..columns.len()).map(|k| Pair { x: unit(k), y: None }).collect();
        Self { columns, pairs }
    }
}

/// An eigenvalue method: a device half that appends operations and a host half that reads records.
pub(crate) trait EigenMethod: Send {
    /// Operations before the first iteration, from the span of `from`; from a random vector if that is empty.
    fn start(&mut self, p: &mut Program, host: &mut Outbox, from: &[Vec<f64>]);

    /// The first half of an iteration, up to a system that the driver has to solve, if there is one.
    fn apply(&mut self, p: &mut Program) -> Option<InnerSolve>;

    /// The second half. Publishes one record, last.
    fn step(&mut self, p: &mut Program) -> Next;

    /// Reads the record of an iteration; true if the host half ends the cycle here.
    fn observe(&mut self, record: &[f64]) -> bool;

    /// Called after [`Next::EndCycle`], a cycle that the host ended, or a limit: does the small dense work, and appends
    /// operations that order the wanted vectors and prepare the next iteration.
    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) -> Outlook;

    /// θ and ‖A x − θ B x‖ of each wanted pair before the end of a cycle, if the method's pairs improve step by step.
    fn estimates(&self) -> Vec<[f64; 2]> {
        vec![]
    }

    /// What the last cycle left on the device.
    fn harvest(&self) -> Harvest;

    /// The vector that start vectors and random ones are sent to.
    fn fresh(&self) -> Option<Vector> {
        None
    }

    /// Asks for residuals this much smaller than before.
    fn tighten(&mut self, factor: f64);
}
