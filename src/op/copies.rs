//! Copies of a space side by side: each right-hand side has vectors, bases and scalars of its own and shares matrices,
//! triangles and constants. Operations are data, so a copy of a program is the program with other handles.

use super::{Array, Basis, Cond, Expr, Item, Op, Scalar, Space, Term, Vector};

/// Where the handles of the one space are in one copy.
#[derive(Clone, Debug)]
pub(crate) struct HandleMap {
    vectors: Vec<u16>,
    bases: u16,
    scalars: u16,
    arrays: u16,
    /// The copy's own STOP code.
    pub(crate) stop: Scalar,
}

impl Space {
    /// `count` copies of this space in one.
    pub(crate) fn copies(&self, count: usize) -> (Self, Vec<HandleMap>) {
        let mut wide = self.clone();
        wide.systems = count;
        let mut copies: Vec<HandleMap> = vec![];
        for k in 0..count {
            let mut vectors = vec![];
            for (i, info) in self.vectors.iter().enumerate() {
                let shared = k == 0 || info.initial.is_some();
                if !shared {
                    wide.vectors.push(info.clone());
                }
                vectors.push(super::space::index(if shared { i } else { wide.vectors.len() - 1 }, "vectors"));
            }
            let start = |len: usize, what| super::space::index(k * len, what);
            let (bases, scalars, arrays) = (
                start(self.bases.len(), "bases"),
                start(self.scalars.len(), "scalars"),
                start(self.arrays.len(), "arrays"),
            );
            if k > 0 {
                wide.bases.extend_from_slice(&self.bases);
                wide.scalars.extend_from_slice(&self.scalars);
                wide.arrays.extend_from_slice(&self.arrays);
            }
            copies.push(HandleMap { vectors, bases, scalars, arrays, stop: Scalar(0) });
        }
        for copy in &mut copies {
            copy.stop = wide.scalar("stop");
        }
        (wide, copies)
    }
}

impl HandleMap {
    pub(crate) fn vector(&self, v: Vector) -> Vector {
        match v {
            Vector::Own(i) => Vector::Own(self.vectors[i as usize]),
            Vector::Column { basis, column } => Vector::Column { basis: self.bases + basis, column },
        }
    }

    pub(crate) fn scalar(&self, s: Scalar) -> Scalar {
        Scalar(self.scalars + s.0)
    }

    pub(crate) fn array(&self, a: Array) -> Array {
        Array(self.arrays + a.0)
    }

    fn basis(&self, b: Basis) -> Basis {
        Basis(self.bases + b.0)
    }

    /// The same operation on the copy.
    pub(crate) fn op(&self, op: &Op) -> Op {
        match op {
            Op::Apply { a, x, y } => Op::Apply { a: *a, x: self.vector(*x), y: self.vector(*y) },
            Op::TriangularSolve { t, x, y } => Op::TriangularSolve { t: *t, x: self.vector(*x), y: self.vector(*y) },
            Op::Map { y, terms } => {
                let term = |t: &Term| Term {
                    coefficient: self.expr(&t.coefficient),
                    x: self.vector(t.x),
                    by: t.by.map(|v| self.vector(v)),
                };
                Op::Map { y: self.vector(*y), terms: terms.iter().map(term).collect() }
            }
            Op::Dot { x, y, out } => Op::Dot { x: self.vector(*x), y: self.vector(*y), out: self.scalar(*out) },
            Op::MultiDot { v, k, w, out } => {
                Op::MultiDot { v: self.basis(*v), k: *k, w: self.vector(*w), out: self.array(*out) }
            }
            Op::MultiAxpy { v, k, coefficients, minus, w } => Op::MultiAxpy {
                v: self.basis(*v),
                k: *k,
                coefficients: self.array(*coefficients),
                minus: *minus,
                w: self.vector(*w),
            },
            Op::Rotate { v, k, l, s } => Op::Rotate { v: self.basis(*v), k: *k, l: *l, s: self.array(*s) },
            Op::ArrayDot { x, y, k, out } => {
                Op::ArrayDot { x: self.array(*x), y: self.array(*y), k: *k, out: self.scalar(*out) }
            }
            Op::Set { out, value } => Op::Set { out: self.scalar(*out), value: self.expr(value) },
            Op::Publish(items) => {
                let item = |i: &Item| match i {
                    Item::Value(e) => Item::Value(self.expr(e)),
                    Item::Array(a, k) => Item::Array(self.array(*a), *k),
                };
                Op::Publish(items.iter().map(item).collect())
            }
            Op::StopIf(condition, stop) => Op::StopIf(self.cond(condition), *stop),
        }
    }

    fn expr(&self, e: &Expr) -> Expr {
        let one = |a: &Expr| Box::new(self.expr(a));
        match e {
            Expr::Constant(_) => e.clone(),
            Expr::Scalar(s) => Expr::Scalar(self.scalar(*s)),
            Expr::Neg(a) => Expr::Neg(one(a)),
            Expr::Abs(a) => Expr::Abs(one(a)),
            Expr::Sqrt(a) => Expr::Sqrt(one(a)),
            Expr::Add(a, b) => Expr::Add(one(a), one(b)),
            Expr::Sub(a, b) => Expr::Sub(one(a), one(b)),
            Expr::Mul(a, b) => Expr::Mul(one(a), one(b)),
            Expr::Div(a, b) => Expr::Div(one(a), one(b)),
            Expr::Min(a, b) => Expr::Min(one(a), one(b)),
            Expr::Max(a, b) => Expr::Max(one(a), one(b)),
            Expr::Select(c, a, b) => Expr::Select(Box::new(self.cond(c)), one(a), one(b)),
        }
    }

    fn cond(&self, c: &Cond) -> Cond {
        match c {
            Cond::Le(a, b) => Cond::Le(self.expr(a), self.expr(b)),
            Cond::Lt(a, b) => Cond::Lt(self.expr(a), self.expr(b)),
            Cond::NotFinite(a) => Cond::NotFinite(self.expr(a)),
            Cond::And(a, b) => Cond::And(Box::new(self.cond(a)), Box::new(self.cond(b))),
        }
    }
}
