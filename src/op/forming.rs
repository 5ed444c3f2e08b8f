//! A product whose operand is formed while it is gathered: one pass less where a step ends with d = z + β d and the
//! next begins with q = A d.
//!
//! The last sweep of a step is put off and joined to the first of the next one: {x += αd, d' = z + βd, q = A d',
//! ⟨d', q⟩}, in which A gathers z and d and forms d' from them. Nobody may write what others still gather, so d' is
//! stored in a twin of d, and the next step goes the other way. CG is two sweeps then, and 9 vectors in place of 10.

use super::schedule::{Compiled, length};
use super::{Op, Scalar, Space, Term, Vector};

/// The vector that the last sweep of a segment writes for the first product of the next such segment, where that
/// sweep can be put off: nothing but updates, none of a basis.
pub(crate) fn deferrable(segment: &Compiled, space: &Space) -> Option<Vector> {
    let (first, last) = (segment.stages.first()?, segment.stages.last()?);
    let d = first.body.iter().find_map(Op::gathers)?;
    let formed = last.body.iter().filter(|op| op.writes() == Some(d)).count() == 1;
    let plain = last.body.iter().all(|op| matches!((op, op.writes()), (Op::Map { .. }, Some(Vector::Own(_)))));
    let together = first.body.iter().chain(&last.body).all(|op| length(op, space) == space.length(d));
    (segment.stages.len() > 1 && formed && plain && together).then_some(d)
}

/// The sum that `maps` leave in `d`.
pub(crate) fn formula(maps: &[Op], d: Vector) -> Option<&[Term]> {
    maps.iter().find_map(|op| match op {
        Op::Map { y, terms } if *y == d => Some(&terms[..]),
        _ => None,
    })
}

/// The updates put off, with d read from `now` and left in `next`.
pub(crate) fn redirected(maps: &[Op], d: Vector, now: Vector, next: Vector) -> Vec<Op> {
    let mut name = now;
    let redirect = |op: &Op| {
        let Op::Map { y, terms } = op else { unreachable!("only updates are put off") };
        let terms: Vec<Term> = terms.iter().map(|t| t.renamed(d, name)).collect();
        if *y == d {
            name = next;
        }
        Op::Map { y: if *y == d { next } else { *y }, terms }
    };
    maps.iter().map(redirect).collect()
}

/// `maps`, which form `next`, and the sweep `body` that gathers it, in one sweep; `None` where an entry would be
/// written while others need what it was. Where d is read from is among the vectors that must stay.
pub(crate) fn joined(maps: Vec<Op>, body: &[Op], d: Vector, next: Vector) -> Option<Vec<Op>> {
    let mut all = maps;
    let terms = formula(&all, next)?;
    let gathered: Vec<Vector> = terms.iter().flat_map(|t| std::iter::once(t.x).chain(t.by)).collect();
    let body: Vec<Op> = body.iter().map(|op| op.renamed(d, next)).collect();
    let stays = |v: &Vector| all.iter().chain(&body).all(|op| op.writes() != Some(*v));
    let once = body.iter().all(|op| op.writes() != Some(next));
    if !gathered.iter().all(stays) || !once {
        return None;
    }
    all.extend(body);
    Some(all)
}

impl Term {
    fn renamed(&self, from: Vector, to: Vector) -> Self {
        let rename = |v: Vector| if v == from { to } else { v };
        Self { coefficient: self.coefficient.clone(), x: rename(self.x), by: self.by.map(rename) }
    }
}

impl Op {
    /// The scalars that its coefficients read.
    pub(crate) fn coefficients(&self, visit: &mut impl FnMut(Scalar)) {
        if let Self::Map { terms, .. } = self {
            terms.iter().for_each(|t| t.coefficient.scalars(visit));
        }
    }

    /// The operation on `to` in place of `from`.
    pub(crate) fn renamed(&self, from: Vector, to: Vector) -> Self {
        let rename = |v: &mut Vector| {
            if *v == from {
                *v = to;
            }
        };
        let mut op = self.clone();
        match &mut op {
            Self::Apply { x, y, .. } | Self::TriangularSolve { x, y, .. } | Self::Dot { x, y, .. } => {
                rename(x);
                rename(y);
            }
            Self::Map { y, terms } => {
                rename(y);
                terms.iter_mut().for_each(|t| *t = t.renamed(from, to));
            }
            Self::MultiDot { w, .. } | Self::MultiAxpy { w, .. } => rename(w),
            Self::Rotate { .. } | Self::ArrayDot { .. } | Self::Set { .. } | Self::Publish(_) | Self::StopIf(..) => {}
        }
        op
    }
}
