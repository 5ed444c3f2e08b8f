//! The V-cycle as operations.

use super::hierarchy::{Coarsest, Hierarchy};
use super::smoother::Installed;
use crate::matrix::Matrix;
use crate::op::{Operator, PRIVATE, Program, Role, Space, Vector};
use crate::precond::Updates;
use std::sync::Arc;

/// Handles of one level.
struct Station {
    smoother: Installed,
    /// P, Pᵀ, the iterate, and the next level's right-hand side and result.
    down: Option<Down>,
}

struct Down {
    p: Operator,
    r: Operator,
    x: Vector,
    rhs: Vector,
    result: Vector,
    /// This rank's part of the next level's right-hand side, and what brings it to all ranks.
    gather: Option<(Operator, Vector)>,
}

/// A hierarchy in a space.
pub(super) struct Cycle {
    stations: Vec<Station>,
    coarsest: Option<Operator>,
    /// The right-hand side in the hierarchy's number type, if that is not the method's.
    input: Option<Vector>,
}

/// Degree of the polynomial that replaces the inverse of the last level if there is none.
const LAST_DEGREE: usize = 4;

impl Cycle {
    pub(super) fn new(space: &mut Space, h: &Hierarchy, degree: usize, exponent: i32, role: Role) -> Self {
        let last = h.levels.len() - 1;
        let mut stations = Vec::with_capacity(h.levels.len());
        let mut coarsest = None;
        let mixed = space.plan.dtype(role) != space.plan.working;
        let n = h.levels[0].a.rows();
        let input = mixed.then(|| space.vector_in(role, "input", n));
        let outside = space.enter(h.levels[0].a.layout());
        // Levels that each rank has for itself, below those that they share.
        let layout = |l: usize| match (h.levels[0].a.layout(), h.levels[l].a.layout()) {
            (0, own) => own,
            (_, 0) => PRIVATE,
            (_, own) => own,
        };
        for (l, level) in h.levels.iter().enumerate() {
            if l == last
                && let Coarsest::Inverse(inverse) = &h.coarsest
            {
                coarsest = Some(space.operator("coarse_inverse", Arc::clone(inverse), -exponent, role));
                break;
            }
            let degree = if l == last { LAST_DEGREE } else { degree };
            space.enter(layout(l));
            let smoother = Installed::new(space, &level.a, &level.smoother, degree, exponent, role);
            let down = level.transfer.as_ref().map(|t| {
                let p = space.operator(&format!("P{l}"), t.p.clone(), 0, role);
                let r = space.operator(&format!("R{l}"), t.r.clone(), 0, role);
                let x = space.vector_in(role, "iterate", level.a.rows());
                let gather = t.gather.as_ref().map(|g| {
                    space.enter(g.layout);
                    let own = space.vector_in(role, "own_coarse_rhs", t.r.rows());
                    (space.operator(&format!("G{l}"), Matrix::Parted(g.clone()), 0, role), own)
                });
                space.enter(layout(l + 1));
                let rhs = space.vector_in(role, "coarse_rhs", t.p.cols());
                let result = space.vector_in(role, "coarse_result", t.p.cols());
                Down { p, r, x, rhs, result, gather }
            });
            stations.push(Station { smoother, down });
        }
        space.enter(outside);
        Self { stations, coarsest, input }
    }

    /// z = V(b): smooth, restrict, recurse, prolong, smooth. If the number type is not that of b and z, the first
    /// sweep rounds b and the last one widens z.
    pub(super) fn emit(&self, p: &mut Program, b: Vector, z: Vector) {
        let input = self.input.unwrap_or(b);
        p.copy(b, input);
        self.level(p, 0, input, z);
    }

    fn level(&self, p: &mut Program, l: usize, b: Vector, z: Vector) {
        let Some(Station { smoother, down }) = self.stations.get(l) else {
            p.apply(self.coarsest.expect("the last level has an inverse or a smoother"), b, z);
            return;
        };
        let Some(down) = down else {
            smoother.start(p, b, z);
            return;
        };
        let t = smoother.room();
        smoother.start(p, b, down.x);
        smoother.residual(p, b, down.x, t); //              t = b - A x
        match down.gather {
            None => p.apply(down.r, t, down.rhs), //        coarse rhs = P' t
            Some((gather, own)) => {
                p.apply(down.r, t, own);
                p.apply(gather, own, down.rhs);
            }
        }
        self.level(p, l + 1, down.rhs, down.result);
        p.apply(down.p, down.result, t); //                 x += P (coarse result)
        p.axpy(1.0, t, down.x);
        smoother.improve(p, b, down.x, z);
    }

    /// What to rewrite in the space after [`Hierarchy::refresh`].
    pub(super) fn rewrite(&mut self, h: &Hierarchy, exponent: i32) -> Updates {
        let mut updates = Updates::default();
        for (station, level) in self.stations.iter_mut().zip(&h.levels) {
            station.smoother.refresh(&level.a, &level.smoother, exponent, &mut updates);
        }
        if let (Some(operator), Coarsest::Inverse(inverse)) = (self.coarsest, &h.coarsest) {
            updates.operators.push((operator, Arc::clone(inverse), -exponent));
        }
        updates
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Amg, AmgSettings};
    use crate::matrix::gallery;
    use crate::op::schedule::{Compiler, Fusion, Projections};
    use crate::op::{Dtype, Operator, Precisions, Program, Role, Space};
    use crate::precond::{Preconditioner, Request};
    use std::sync::Arc;

    #[test]
    fn sweeps_and_bytes_by_the_model() {
        let a = Arc::new(gallery::poisson2d(30));
        let settings = AmgSettings { coarse: 20, ..AmgSettings::default() };
        let request = Request { definite: true, symmetric: true, ..Request::default() };
        let mut amg = Amg::new(&a, &settings, &request).unwrap();
        let rows: Vec<u64> = amg.hierarchy.levels.iter().map(|l| l.a.rows() as u64).collect();
        let levels = rows.len() - 1;
        assert!(levels >= 2, "{rows:?}");
        let mut space = Space::new(Precisions::uniform(Dtype::F64).with_preconditioner(Dtype::F32));
        space.operator("A", Arc::clone(&a), 0, Role::Working);
        let (r, z) = (space.vector("r", a.rows()), space.vector("z", a.rows()));
        amg.install(&mut space, 0);
        let mut p = Program::new(&space);
        amg.emit(&mut p, r, z);
        let matrices: Vec<Operator> = p
            .ops
            .iter()
            .filter_map(|op| if let crate::op::Op::Apply { a, .. } = op { Some(*a) } else { None })
            .collect();
        assert!(!matrices.contains(&Operator(0)), "the finest level is a copy in f32");
        let matrix_bytes: u64 = matrices.iter().map(|&a| space.operator_bytes(a)).sum();
        // The start with the restriction before it, residual, prolongation, improvement; the coarse inverse.
        let cpu = Fusion {
            enabled: true,
            max_vectors: usize::MAX,
            projections: Projections::Free,
            products: true,
            shared_products: 1,
        };
        let compiled = Compiler::new(cpu).compile(p.ops.clone(), &space);
        assert_eq!(compiled.stages.len(), 4 * levels + 2);
        // f32 but for b and z: b, its copy, D, x; A's product 3; restriction 1; prolongation 3; improvement 4 and z.
        let (finest, coarser, coarsest) = (72 * rows[0], 64 * rows[1..levels].iter().sum::<u64>(), 16 * rows[levels]);
        assert_eq!(compiled.bytes - matrix_bytes, finest + coarser + coarsest);
        // With eight bindings the last sweep of a level has one vector too many to fuse with its product.
        let gpu = |max_vectors| Fusion { max_vectors, projections: Projections::Paired, ..cpu };
        let sweeps = |max_vectors| Compiler::new(gpu(max_vectors)).compile(p.ops.clone(), &space).stages.len();
        assert_eq!([sweeps(6), sweeps(7), sweeps(12)], [5 * levels + 2, 4 * levels + 2, 4 * levels + 2]);
    }
}
