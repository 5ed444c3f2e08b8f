//! Scalar expressions: a tiny, total language evaluated where the scalars live.
//!
//! Total: x/0 = 0, √ of a negative number = 0. Comparisons with NaN are false.

use super::Scalar;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// An f64 constant, compared and hashed by its bits.
#[derive(Clone, Copy, Debug)]
pub struct Constant(pub f64);

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Constant {}
impl std::hash::Hash for Constant {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A scalar expression.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Expr {
    /// A number known when the program is written.
    Constant(Constant),
    /// The value of a scalar.
    Scalar(Scalar),
    /// −a.
    Neg(Box<Expr>),
    /// |a|.
    Abs(Box<Expr>),
    /// √max(a, 0).
    Sqrt(Box<Expr>),
    /// a + b.
    Add(Box<Expr>, Box<Expr>),
    /// a − b.
    Sub(Box<Expr>, Box<Expr>),
    /// a · b.
    Mul(Box<Expr>, Box<Expr>),
    /// a / b, 0 where b = 0.
    Div(Box<Expr>, Box<Expr>),
    /// The smaller one.
    Min(Box<Expr>, Box<Expr>),
    /// The larger one.
    Max(Box<Expr>, Box<Expr>),
    /// a where the condition holds, else b.
    Select(Box<Cond>, Box<Expr>, Box<Expr>),
}

/// A condition on scalar expressions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Cond {
    /// a ≤ b.
    Le(Expr, Expr),
    /// a < b.
    Lt(Expr, Expr),
    /// a is NaN or infinite.
    NotFinite(Expr),
    /// Both.
    And(Box<Cond>, Box<Cond>),
}

impl Cond {
    /// Holds where both do.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    pub(crate) fn eval(&self, get: &impl Fn(Scalar) -> f64) -> bool {
        match self {
            Self::Le(a, b) => a.eval(get) <= b.eval(get),
            Self::Lt(a, b) => a.eval(get) < b.eval(get),
            Self::NotFinite(a) => !a.eval(get).is_finite(),
            Self::And(a, b) => a.eval(get) && b.eval(get),
        }
    }

    pub(crate) fn scalars(&self, visit: &mut impl FnMut(Scalar)) {
        match self {
            Self::Le(a, b) | Self::Lt(a, b) => {
                a.scalars(visit);
                b.scalars(visit);
            }
            Self::NotFinite(a) => a.scalars(visit),
            Self::And(a, b) => {
                a.scalars(visit);
                b.scalars(visit);
            }
        }
    }
}

impl Expr {
    /// √max(self, 0).
    #[must_use]
    pub fn sqrt(self) -> Self {
        Self::Sqrt(Box::new(self))
    }
    /// |self|.
    #[must_use]
    pub fn abs(self) -> Self {
        Self::Abs(Box::new(self))
    }
    /// The smaller of the two.
    #[must_use]
    pub fn min(self, other: impl Into<Self>) -> Self {
        Self::Min(Box::new(self), Box::new(other.into()))
    }
    /// The larger of the two.
    #[must_use]
    pub fn max(self, other: impl Into<Self>) -> Self {
        Self::Max(Box::new(self), Box::new(other.into()))
    }
    /// self ≤ other.
    #[must_use]
    pub fn le(self, other: impl Into<Self>) -> Cond {
        Cond::Le(self, other.into())
    }
    /// self < other.
    #[must_use]
    pub fn lt(self, other: impl Into<Self>) -> Cond {
        Cond::Lt(self, other.into())
    }
    /// self is NaN or infinite.
    #[must_use]
    pub fn not_finite(self) -> Cond {
        Cond::NotFinite(self)
    }
    /// `yes` where the condition holds, else `no`.
    #[must_use]
    pub fn select(condition: Cond, yes: impl Into<Self>, no: impl Into<Self>) -> Self {
        Self::Select(Box::new(condition), Box::new(yes.into()), Box::new(no.into()))
    }

    /// True for the literal 1, so that kernels may leave the factor out.
    pub(crate) fn is_one(&self) -> bool {
        matches!(self, Self::Constant(c) if c.0 == 1.0)
    }

    /// Its value, where no scalar stands in it.
    pub(crate) fn constant(&self) -> Option<f64> {
        let mut known = true;
        self.scalars(&mut |_| known = false);
        known.then(|| self.eval(&|_| 0.0))
    }

    pub(crate) fn eval(&self, get: &impl Fn(Scalar) -> f64) -> f64 {
        match self {
            Self::Constant(c) => c.0,
            Self::Scalar(s) => get(*s),
            Self::Neg(a) => -a.eval(get),
            Self::Abs(a) => a.eval(get).abs(),
            Self::Sqrt(a) => {
                let a = a.eval(get);
                if a <= 0.0 { 0.0 } else { a.sqrt() }
            }
            Self::Add(a, b) => a.eval(get) + b.eval(get),
            Self::Sub(a, b) => a.eval(get) - b.eval(get),
            Self::Mul(a, b) => a.eval(get) * b.eval(get),
            Self::Div(a, b) => {
                let b = b.eval(get);
                if b == 0.0 { 0.0 } else { a.eval(get) / b }
            }
            Self::Min(a, b) => a.eval(get).min(b.eval(get)),
            Self::Max(a, b) => a.eval(get).max(b.eval(get)),
            Self::Select(c, a, b) => {
                if c.eval(get) {
                    a.eval(get)
                } else {
                    b.eval(get)
                }
            }
        }
    }

    pub(crate) fn scalars(&self, visit: &mut impl FnMut(Scalar)) {
        match self {
            Self::Constant(_) => {}
            Self::Scalar(s) => visit(*s),
            Self::Neg(a) | Self::Abs(a) | Self::Sqrt(a) => a.scalars(visit),
            Self::Add(a, b)
            | Self::Sub(a, b)
            | Self::Mul(a, b)
            | Self::Div(a, b)
            | Self::Min(a, b)
            | Self::Max(a, b) => {
                a.scalars(visit);
                b.scalars(visit);
            }
            Self::Select(c, a, b) => {
                c.scalars(visit);
                a.scalars(visit);
                b.scalars(visit);
            }
        }
    }
}

impl From<f64> for Expr {
    fn from(v: f64) -> Self {
        Self::Constant(Constant(v))
    }
}
impl From<Scalar> for Expr {
    fn from(s: Scalar) -> Self {
        Self::Scalar(s)
    }
}

impl Scalar {
    /// √max(self, 0).
    #[must_use]
    pub fn sqrt(self) -> Expr {
        Expr::from(self).sqrt()
    }
    /// |self|.
    #[must_use]
    pub fn abs(self) -> Expr {
        Expr::from(self).abs()
    }
    /// self ≤ other.
    #[must_use]
    pub fn le(self, other: impl Into<Expr>) -> Cond {
        Expr::from(self).le(other)
    }
    /// self < other.
    #[must_use]
    pub fn lt(self, other: impl Into<Expr>) -> Cond {
        Expr::from(self).lt(other)
    }
}

macro_rules! binary {
    ($($trait:ident $method:ident),*) => {$(
        impl<R: Into<Expr>> $trait<R> for Expr {
            type Output = Expr;
            fn $method(self, right: R) -> Expr {
                Expr::$trait(Box::new(self), Box::new(right.into()))
            }
        }
        impl<R: Into<Expr>> $trait<R> for Scalar {
            type Output = Expr;
            fn $method(self, right: R) -> Expr {
                Expr::$trait(Box::new(self.into()), Box::new(right.into()))
            }
        }
    )*};
}
binary!(Add add, Sub sub, Mul mul, Div div);

impl Neg for Expr {
    type Output = Self;
    fn neg(self) -> Self {
        Self::Neg(Box::new(self))
    }
}
impl Neg for Scalar {
    type Output = Expr;
    fn neg(self) -> Expr {
        -Expr::from(self)
    }
}
