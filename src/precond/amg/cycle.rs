//! The V-cycle as operations.

use super::hierarchy::{Coarsest, Hierarchy};
use crate::op::{Combination, Operator, Program, Role, Space, Vector};
use crate::precond::polynomial::Polynomial;
use crate::scale::ldexp;
use std::sync::Arc;

/// Handles of one level.
struct Station {
    a: Operator,
    inverse: Vector,
    smoother: Polynomial,
    /// P, Pᵀ, the iterate, and the next level's right-hand side and result.
    down: Option<Down>,
}

struct Down {
    p: Operator,
    r: Operator,
    x: Vector,
    rhs: Vector,
    result: Vector,
}

/// A hierarchy in a space.
pub(super) struct Cycle {
    stations: Vec<Station>,
    coarsest: Option<Operator>,
}

/// What a refresh writes anew.
#[derive(Default)]
pub(super) struct Rewritten {
    pub(super) vectors: Vec<(Vector, Vec<f64>)>,
    pub(super) operators: Vec<(Operator, Arc<crate::matrix::Csr>, i32)>,
}

/// Degree of the polynomial that stands for the last level where it has no inverse.
const LAST_DEGREE: usize = 4;

impl Cycle {
    pub(super) fn new(space: &mut Space, h: &Hierarchy, degree: usize, exponent: i32) -> Self {
        let last = h.levels.len() - 1;
        let mut stations = Vec::with_capacity(h.levels.len());
        let mut coarsest = None;
        for (l, level) in h.levels.iter().enumerate() {
            if l == last
                && let Coarsest::Inverse(inverse) = &h.coarsest
            {
                coarsest = Some(space.operator("coarse_inverse", Arc::clone(inverse), -exponent, Role::Working));
                break;
            }
            let a = space.operator(&format!("A{l}"), Arc::clone(&level.a), exponent, Role::Working);
            let scaled = level.smoother.inverse.iter().map(|&v| ldexp(v, -exponent)).collect();
            let inverse = space.constant("inverse_diagonal", Arc::new(scaled));
            let degree = if l == last { LAST_DEGREE } else { degree };
            let smoother = Polynomial::new(space, a, inverse, level.smoother.rho, degree);
            let down = level.transfer.as_ref().map(|(p, r)| Down {
                p: space.operator(&format!("P{l}"), Arc::clone(p), 0, Role::Working),
                r: space.operator(&format!("R{l}"), Arc::clone(r), 0, Role::Working),
                x: space.vector("iterate", level.a.rows()),
                rhs: space.vector("coarse_rhs", p.cols()),
                result: space.vector("coarse_result", p.cols()),
            });
            stations.push(Station { a, inverse, smoother, down });
        }
        Self { stations, coarsest }
    }

    /// z = V(b): smooth, restrict, recurse, prolong, smooth.
    pub(super) fn emit(&self, p: &mut Program, b: Vector, z: Vector) {
        self.level(p, 0, b, z);
    }

    fn level(&self, p: &mut Program, l: usize, b: Vector, z: Vector) {
        let Some(station) = self.stations.get(l) else {
            p.apply(self.coarsest.expect("the last level has an inverse or a smoother"), b, z);
            return;
        };
        let Some(down) = &station.down else {
            station.smoother.start(p, b, z);
            return;
        };
        let t = station.smoother.t;
        station.smoother.start(p, b, down.x);
        p.apply(station.a, down.x, t); //                   t = b - A x
        p.assign(t, Combination::default().plus(1.0, b).plus(-1.0, t));
        p.apply(down.r, t, down.rhs); //                    coarse rhs = P' t
        self.level(p, l + 1, down.rhs, down.result);
        p.apply(down.p, down.result, t); //                 x += P (coarse result)
        p.axpy(1.0, t, down.x);
        station.smoother.improve(p, b, down.x, z);
    }

    /// After [`Hierarchy::refresh`]: what stands in the space is out of date.
    pub(super) fn rewrite(&mut self, h: &Hierarchy, exponent: i32) -> Rewritten {
        let mut out = Rewritten::default();
        for (l, (station, level)) in self.stations.iter_mut().zip(&h.levels).enumerate() {
            station.smoother.set_rho(level.smoother.rho);
            let scaled = level.smoother.inverse.iter().map(|&v| ldexp(v, -exponent)).collect();
            out.vectors.push((station.inverse, scaled));
            // The finest is the system's own matrix, rewritten by its owner.
            if l > 0 {
                out.operators.push((station.a, Arc::clone(&level.a), exponent));
            }
        }
        if let (Some(operator), Coarsest::Inverse(inverse)) = (self.coarsest, &h.coarsest) {
            out.operators.push((operator, Arc::clone(inverse), -exponent));
        }
        out
    }
}
