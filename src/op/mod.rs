//! Linear algebra as data: the operations a method writes down and a backend carries out.
//!
//! Vectors, bases, scalars and arrays are `Copy` handles into a [`Space`]; the values live where the
//! backend keeps them. `rho / sigma` is an [`Expr`] evaluated there, not host arithmetic, so nothing
//! in an iteration waits for the host.

mod copies;
mod expr;
pub(crate) mod forming;
mod outbox;
mod program;
pub(crate) mod schedule;
mod space;

pub use crate::host::dtype::Dtype;
pub(crate) use copies::HandleMap;
pub use expr::{Cond, Expr};
pub use outbox::{Next, Outbox, Seen};
pub use program::{Combination, Program};
#[cfg(feature = "gpu")]
pub(crate) use space::OperatorData;
pub(crate) use space::{Length, PRIVATE, TriangleData, VectorInfo};
pub use space::{Precisions, Role, Space};

use std::fmt;

/// An operation with the names of its space.
pub(crate) fn named<'a>(space: &'a Space, op: &'a Op) -> impl fmt::Display + 'a {
    program::Named(space, op)
}

/// A vector: one of its own, or a column of a [`Basis`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Vector {
    /// Allocated alone.
    Own(u16),
    /// Column `column` of basis `basis`.
    Column {
        /// Index of the basis in its space.
        basis: u16,
        /// Column, counted from 0.
        column: u16,
    },
}

/// An n × m array of column vectors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Basis(pub(crate) u16);

impl Basis {
    /// Column `j` as a vector.
    #[must_use]
    pub fn column(self, j: usize) -> Vector {
        Vector::Column { basis: self.0, column: u16::try_from(j).expect("a basis has fewer than 65536 columns") }
    }
}

/// A number on the device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Scalar(pub(crate) u16);

/// A short array of numbers on the device: projections onto a basis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Array(pub(crate) u16);

/// A matrix on the device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Operator(pub(crate) u16);

/// A triangular matrix on the device, to solve with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Triangle(pub(crate) u16);

/// One term c·u or c·u∘v (entry by entry) of a [`Op::Map`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Term {
    /// The coefficient, one number for the whole vector.
    pub coefficient: Expr,
    /// u.
    pub x: Vector,
    /// v, where the term is a product of entries.
    pub by: Option<Vector>,
}

/// What a [`Op::Publish`] sends to the host.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Item {
    /// One number.
    Value(Expr),
    /// The first `usize` numbers of an array.
    Array(Array, usize),
}

/// One operation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// y = A x.
    Apply {
        /// A.
        a: Operator,
        /// x.
        x: Vector,
        /// y, another vector than x.
        y: Vector,
    },
    /// y = T⁻¹ x. A sweep of its own; the CPU backend only.
    TriangularSolve {
        /// T.
        t: Triangle,
        /// x.
        x: Vector,
        /// y; may be x.
        y: Vector,
    },
    /// y_i = Σ c_t u_t,i (v_t,i): every elementwise update; an empty sum is zero.
    Map {
        /// y; may stand on the right as well.
        y: Vector,
        /// The sum.
        terms: Vec<Term>,
    },
    /// out = ⟨x, y⟩.
    Dot {
        /// x.
        x: Vector,
        /// y.
        y: Vector,
        /// Where the sum goes.
        out: Scalar,
    },
    /// out_j = ⟨v_j, w⟩ for j < k.
    MultiDot {
        /// V.
        v: Basis,
        /// How many columns.
        k: usize,
        /// w, no column of V below k.
        w: Vector,
        /// Where the sums go.
        out: Array,
    },
    /// w += sign · Σ_{j<k} c_j v_j.
    MultiAxpy {
        /// V.
        v: Basis,
        /// How many columns.
        k: usize,
        /// c.
        coefficients: Array,
        /// True for w −= Σ.
        minus: bool,
        /// w, no column of V below k.
        w: Vector,
    },
    /// V[:, ..l] = V[:, ..k] S, in place: the change of basis of a thick restart. A sweep of its own.
    Rotate {
        /// V.
        v: Basis,
        /// How many columns stand on the right.
        k: usize,
        /// How many are made of them, k at most.
        l: usize,
        /// S, k × l, one column after the other.
        s: Array,
    },
    /// out = Σ_{i<k} x_i y_i.
    ArrayDot {
        /// x.
        x: Array,
        /// y; may be x.
        y: Array,
        /// How many numbers.
        k: usize,
        /// Where the sum goes.
        out: Scalar,
    },
    /// out = value.
    Set {
        /// Where the value goes.
        out: Scalar,
        /// The value.
        value: Expr,
    },
    /// Sends a record to the host; the host reads it later, in order.
    Publish(Vec<Item>),
    /// Sets the sticky STOP code if the condition holds and none is set. Only at the end of a segment.
    StopIf(Cond, Stop),
}

impl Op {
    /// True for operations on scalars only.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::ArrayDot { .. } | Self::Set { .. } | Self::Publish(_) | Self::StopIf(..))
    }

    /// The scalar that it sets without a sweep.
    #[must_use]
    pub fn sets(&self) -> Option<Scalar> {
        if let Self::ArrayDot { out, .. } | Self::Set { out, .. } = self { Some(*out) } else { None }
    }

    /// The vector it writes; the columns of a [`Op::Rotate`] apart.
    #[must_use]
    pub fn writes(&self) -> Option<Vector> {
        match self {
            Self::Apply { y, .. } | Self::TriangularSolve { y, .. } | Self::Map { y, .. } => Some(*y),
            Self::MultiAxpy { w, .. } => Some(*w),
            _ => None,
        }
    }

    /// The vectors it reads entry by entry, bases and gathered vectors apart.
    #[must_use]
    pub fn reads(&self) -> Vec<Vector> {
        match self {
            Self::Map { terms, .. } => terms.iter().flat_map(|t| std::iter::once(t.x).chain(t.by)).collect(),
            Self::Dot { x, y, .. } => vec![*x, *y],
            Self::MultiDot { w, .. } | Self::MultiAxpy { w, .. } => vec![*w],
            _ => vec![],
        }
    }

    /// The vector it reads at scattered places.
    #[must_use]
    pub fn gathers(&self) -> Option<Vector> {
        match self {
            Self::Apply { x, .. } | Self::TriangularSolve { x, .. } => Some(*x),
            _ => None,
        }
    }
}

/// Why a program stopped itself; decided on the device, at the end of an iteration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Stop {
    /// The method's own estimate of ‖r‖ met the tolerance: time to look at the truth.
    Estimate = 1,
    /// A direction of non-positive curvature: dᵀAd ≤ 0.
    Indefinite,
    /// rᵀMr ≤ 0 for r ≠ 0.
    IndefinitePreconditioner,
    /// ⟨r̂, r⟩ vanished against ‖r̂‖‖r‖.
    BreakdownRho,
    /// ⟨t, s⟩ or ⟨t, t⟩ vanished.
    BreakdownOmega,
    /// A Lanczos step gave nothing new before the residual was small.
    BreakdownLanczos,
    /// ‖Aᵀr‖ vanished against ‖A‖‖r‖: a least-squares solution, by estimate.
    LeastSquares,
    /// ‖r‖ grew beyond the divergence tolerance.
    Diverged,
    /// ‖r‖ is NaN or infinite.
    NonFinite,
    /// No progress over the window.
    Stagnated,
}

impl Stop {
    const ALL: [Self; 10] = [
        Self::Estimate,
        Self::Indefinite,
        Self::IndefinitePreconditioner,
        Self::BreakdownRho,
        Self::BreakdownOmega,
        Self::BreakdownLanczos,
        Self::LeastSquares,
        Self::Diverged,
        Self::NonFinite,
        Self::Stagnated,
    ];

    /// The code as kept on the device; 0 there means: go on.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.code() == code)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
