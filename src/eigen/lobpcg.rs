//! LOBPCG (Knyazev 2001, doi:10.1137/S1064827500366124), for symmetric A, or A x = λ B x in the inner product of B.
//!
//! A block X of approximations, preconditioned residuals W = M (A X − B X Θ) and the last directions P: Rayleigh–Ritz
//! on [X, P, W] each iteration. The basis is kept orthonormal, P through its small coefficient matrix (Duersch et al.
//! 2018, doi:10.1137/17M1129830), so that the small problem is a standard symmetric one. Converged columns stay in X
//! but bring no residual (soft locking). Each iteration: 1 product, 1 application of M and 4 passes over the basis per
//! column that is not converged; keeps 7 blocks of vectors. Use it for the smallest eigenvalues where a good
//! preconditioner is known, for instance amg.

use super::{EigenMethod, EigenSystem, Harvest, InnerSolve, Outlook, plan::block};
use crate::host::dense::eigen::{flat, orthonormal_columns, symmetric};
use crate::host::random::Random;
use crate::krylov::arnoldi::Arnoldi;
use crate::method::{Next, Outbox};
use crate::op::{Array, Basis, Combination, Dtype, Expr, Item, Program, Scalar, Space, Vector};
use faer::{Mat, c64};

pub(super) struct Lobpcg {
    s: EigenSystem,
    /// [X, P, W].
    basis: Arnoldi,
    /// A [X, P, W].
    images: Basis,
    /// Residuals of X, and their squared norms.
    r: Vec<Vector>,
    rr: Vec<Scalar>,
    theta: Vec<Scalar>,
    bx: Vector,
    /// |M r| before it was orthogonalised, and after.
    lengths: Vec<[Scalar; 2]>,
    /// [X, P, W]ᵀ A w for each column of W.
    gram: Vec<Array>,
    rotation: Array,
    /// Columns of [X, P]; 0 at the start.
    kept: usize,
    /// The projected matrix of [X, P].
    t: Mat<f64>,
    /// Columns of X whose residuals go into W.
    active: Vec<usize>,
    record: Vec<f64>,
    /// A column of W whose part outside [X, P] is below this fraction of its length is noise.
    noise: f64,
}

impl Lobpcg {
    pub(super) fn new(space: &mut Space, s: EigenSystem) -> Self {
        let nb = block(s.wanted.k);
        let mut basis = Arnoldi::new(space, s.n, 3 * nb);
        if let Some(b) = s.mass {
            basis = basis.with_mass(space, b);
        }
        let vectors = |space: &mut Space, name: &str| (0..nb).map(|_| space.vector(name, s.n)).collect();
        let scalars = |space: &mut Space, name: &str| (0..nb).map(|_| space.scalar(name)).collect();
        Self {
            basis,
            images: space.basis("av", s.n, 3 * nb),
            r: vectors(space, "r"),
            rr: scalars(space, "rr"),
            theta: scalars(space, "theta"),
            bx: space.vector("bx", s.n),
            lengths: (0..nb).map(|_| space.scalars(["before", "after"])).collect(),
            gram: (0..nb).map(|_| space.array("gram", 3 * nb)).collect(),
            rotation: space.array("rotation", 9 * nb * nb),
            kept: 0,
            t: Mat::zeros(0, 0),
            active: (0..nb).collect(),
            record: vec![],
            noise: if space.plan.working == Dtype::F32 { 1e-5 } else { 1e-12 },
            s,
        }
    }

    fn block(&self) -> usize {
        self.r.len()
    }

    /// r_j = A x_j − θ_j B x_j.
    fn residual(&self, p: &mut Program, j: usize) {
        let (x, ax, r) = (self.basis.v.column(j), self.images.column(j), self.r[j]);
        let bx = match self.s.mass {
            None => x,
            Some(b) => {
                p.apply(b, x, self.bx);
                self.bx
            }
        };
        p.assign(r, Combination::default().plus(1.0, ax).plus(-self.theta[j], bx));
        p.dot(r, r, self.rr[j]);
    }

    /// The projected matrix of [X, P, W], and which of its columns are more than noise.
    fn projected(&self) -> (Mat<f64>, Vec<usize>) {
        let (l, w) = (self.kept, self.active.len());
        let lengths = &self.record[self.block()..self.block() + 2 * w];
        let columns = &self.record[self.block() + 2 * w..];
        let g = Mat::from_fn(l + w, l + w, |i, j| {
            if j < l { if i < l { self.t[(i, j)] } else { 0.0 } } else { columns[(j - l) * (l + w) + i] }
        });
        let sound = |i: &usize| *i < l || lengths[2 * (i - l) + 1] > self.noise * lengths[2 * (i - l)];
        (g, (0..l + w).filter(sound).collect())
    }

    /// The largest residual of a wanted pair over its bound.
    fn worst(&self) -> f64 {
        let excess = |j: usize| {
            self.record[j] / self.s.wanted.bound(self.t[(j, j)].abs(), self.t.norm_max()).max(f64::MIN_POSITIVE)
        };
        let worst = (0..self.s.wanted.k).map(excess);
        if self.kept == 0 { f64::INFINITY } else { worst.fold(0.0, f64::max) }
    }
}

impl EigenMethod for Lobpcg {
    fn start(&mut self, p: &mut Program, host: &mut Outbox, from: &[Vec<f64>]) {
        let mut random = Random::new(self.s.seed);
        for (j, &r) in self.r.iter().enumerate() {
            host.send_vector(r, from.get(j).cloned().unwrap_or_else(|| random.vector(self.s.n)));
        }
        p.zero(self.bx);
        self.kept = 0;
        self.active = (0..self.block()).collect();
    }

    fn apply(&mut self, _p: &mut Program) -> Option<InnerSolve> {
        None
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let (w, v) = (self.basis.w, self.basis.v);
        let started = self.kept > 0;
        if started {
            (0..self.block()).for_each(|j| self.residual(p, j));
        }
        for (i, &j) in self.active.iter().enumerate() {
            let [before, after] = self.lengths[i];
            if !started || self.s.m.is_identity() {
                p.copy(self.r[j], w);
            } else {
                self.s.m.emit(p, self.r[j], w); //                      w = M r
            }
            p.dot(w, w, before);
            self.basis.orthonormalise(p, self.kept + i);
            p.set(after, self.basis.length());
            p.apply(self.s.a, v.column(self.kept + i), self.images.column(self.kept + i));
        }
        let k = self.kept + self.active.len();
        for (i, &gram) in self.gram[..self.active.len()].iter().enumerate() {
            p.multi_dot(v, k, self.images.column(self.kept + i), gram);
        }
        let mut items: Vec<Item> = self.rr.iter().map(|rr| Item::Value(rr.sqrt())).collect();
        for &[before, after] in &self.lengths[..self.active.len()] {
            items.extend([Item::Value(before.sqrt()), Item::Value(Expr::from(after))]);
        }
        items.extend(self.gram[..self.active.len()].iter().map(|&g| Item::Array(g, k)));
        p.publish_items(items);
        Next::EndCycle
    }

    fn observe(&mut self, record: &[f64]) -> bool {
        self.record = record.to_vec();
        true
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) -> Outlook {
        let worst = self.worst();
        if worst <= 1.0 {
            return Outlook::Done;
        }
        let nb = self.block();
        let (g, sound) = self.projected();
        let k = g.nrows();
        let part = Mat::from_fn(sound.len(), sound.len(), |i, j| g[(sound[i], sound[j])]);
        let Some((values, u)) = symmetric(&part) else { return Outlook::NonFinite };
        if sound.len() < nb {
            return Outlook::NonFinite;
        }
        let mut places: Vec<usize> = (0..values.len()).collect();
        let key = |i: usize| self.s.wanted.which.key(c64::new(values[i], 0.0));
        places.sort_by(|&i, &j| key(i).total_cmp(&key(j)));
        let row: Vec<Option<usize>> = (0..k).map(|i| sound.iter().position(|&s| s == i)).collect();
        // A residual well below its bound brings nothing any more.
        let started = self.kept > 0;
        let bound = |j: usize| self.s.wanted.bound(values[places[j]].abs(), values[places[0]].abs());
        let still = |j: usize| started && self.record[j] <= 0.2 * bound(j);
        self.active = (0..nb).filter(|&j| !still(j)).collect();
        // X, then for each active column its part outside the old X, orthonormalised against the new one.
        let directions = if started { self.active.clone() } else { vec![] };
        let c = Mat::from_fn(k, nb + directions.len(), |i, j| {
            let column = places[if j < nb { j } else { directions[j - nb] }];
            let outside = j < nb || i >= nb;
            row[i].filter(|_| outside).map_or(0.0, |r| u[(r, column)])
        });
        let c = orthonormal_columns(&c);
        let full = Mat::from_fn(k, k, |i, j| g[(i.min(j), i.max(j))]);
        self.t = c.transpose() * &full * &c;
        self.kept = c.ncols();
        host.send(self.rotation, &flat(&c));
        p.rotate(self.basis.v, k, self.kept, self.rotation);
        p.rotate(self.images, k, self.kept, self.rotation);
        (0..nb).for_each(|j| host.set(self.theta[j], self.t[(j, j)]));
        Outlook::Going(worst)
    }

    fn estimates(&self) -> Vec<[f64; 2]> {
        (0..self.s.wanted.k.min(self.kept)).map(|j| [self.t[(j, j)], self.record[j]]).collect()
    }

    fn harvest(&self) -> Harvest {
        Harvest::plain((0..self.s.wanted.k.min(self.kept)).map(|j| self.basis.v.column(j)).collect())
    }

    fn tighten(&mut self, factor: f64) {
        self.s.wanted.tolerance *= factor;
    }
}
