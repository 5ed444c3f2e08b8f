//! Golub–Kahan bidiagonalisation with thick restarts (Golub and Kahan 1965, doi:10.1137/0702016; Baglama and Reichel
//! 2005, doi:10.1137/04060593X), for singular triplets of a tall A.
//!
//! A V_k = U_k B_k and AᵀU_k = V_k B_kᵀ + β v_k eᵀ, both bases orthogonalised in full, twice; B is a full matrix, so
//! a restart is no special case. Passes from random vectors find every copy of a multiple singular value. Each
//! step: 1 product with A, 1 with Aᵀ, 4 passes over each basis; keeps 2 `subspace` + 3 vectors.

use super::passes::{Passes, Ranking, Verdict};
use super::{EigenMethod, Harvest, InnerSolve, Outlook, Pair, Wanted};
use crate::host::dense::eigen::{flat, singular};
use crate::host::random::Random;
use crate::krylov::arnoldi::Arnoldi;
use crate::method::{Next, Outbox};
use crate::op::{Array, Item, Operator, Program, Space};
use faer::{Mat, c64};

pub(super) struct Bidiagonal {
    a: Operator,
    at: Operator,
    shape: [usize; 2],
    m: usize,
    wanted: Wanted,
    /// U and V.
    left: Arnoldi,
    right: Arnoldi,
    /// Rotations of U and of V.
    rotations: [Array; 2],
    /// B.
    b: Mat<f64>,
    /// Columns issued, and arrived.
    issued: usize,
    known: usize,
    /// The length of the last Aᵀu outside V; 0 where the space is invariant.
    beta: f64,
    /// The largest norm of a column of B.
    size: f64,
    /// The projections of an A v that vanished outside U, while a random u takes its place.
    vanished: Option<Vec<f64>>,
    passes: Passes,
    /// Triplets kept by the last restart.
    kept: usize,
    random: Random,
}

impl Bidiagonal {
    pub(super) fn new(
        space: &mut Space,
        [a, at]: [Operator; 2],
        shape: [usize; 2],
        m: usize,
        wanted: Wanted,
        seed: u64,
    ) -> Self {
        Self {
            a,
            at,
            shape,
            m,
            wanted,
            left: Arnoldi::new(space, shape[0], m),
            right: Arnoldi::new(space, shape[1], m),
            rotations: ["p", "q"].map(|name| space.array(name, m * m)),
            b: Mat::zeros(m, m),
            issued: 0,
            known: 0,
            beta: 0.0,
            size: 0.0,
            vanished: None,
            passes: Passes::default(),
            kept: 0,
            random: Random::new(seed),
        }
    }
}

impl EigenMethod for Bidiagonal {
    fn start(&mut self, p: &mut Program, host: &mut Outbox, from: &[Vec<f64>]) {
        let mut start = vec![0.0; self.shape[1]];
        from.iter().for_each(|v| start.iter_mut().zip(v).for_each(|(s, v)| *s += v));
        if from.is_empty() {
            start = self.random.vector(self.shape[1]);
        }
        (self.issued, self.known, self.kept, self.size) = (0, 0, 0, 0.0);
        self.b.fill(0.0);
        (self.vanished, self.passes) = (None, Passes::default());
        host.send_vector(self.right.w, start);
        self.right.orthonormalise(p, 0);
    }

    fn apply(&mut self, p: &mut Program) -> Option<InnerSolve> {
        if self.vanished.is_none() {
            p.apply(self.a, self.right.v.column(self.issued), self.left.w); //    A v
        }
        None
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref left, ref right, issued: j, .. } = *self;
        left.orthonormalise(p, j); //                                            u = A v − U h
        p.apply(self.at, left.v.column(j), right.w); //                          Aᵀu
        right.orthonormalise(p, j + 1);
        let mut record = vec![Item::Value(left.length()), Item::Value(right.length())];
        record.extend(left.projections(j));
        p.publish_items(record);
        self.issued += 1;
        if self.issued == self.m { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> bool {
        let (j, alpha, beta) = (self.known, record[0], record[1]);
        let (first, second) = record[2..].split_at(j);
        let replaced = self.vanished.take();
        let projections = || first.iter().zip(second).map(|(a, b)| a + b).collect::<Vec<f64>>();
        let (h, alpha) = replaced.map_or_else(|| (projections(), Some(alpha)), |h| (h, None));
        self.size = self.size.max(crate::host::scale::norm2(&h).hypot(alpha.unwrap_or(0.0))).max(beta);
        if alpha.is_some_and(|alpha| alpha <= self.left.noise * self.size) {
            self.vanished = Some(h);
            return true;
        }
        let alpha = alpha.unwrap_or(0.0);
        h.iter().enumerate().for_each(|(i, &v)| self.b[(i, j)] = v);
        self.b[(j, j)] = alpha;
        self.known += 1;
        let invariant = beta <= self.left.noise * self.size || self.known == self.shape[1];
        self.beta = if invariant { 0.0 } else { beta };
        invariant
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) -> Outlook {
        if self.vanished.is_some() {
            // Any u orthogonal to the others will do: B has a zero there.
            self.issued = self.known;
            host.send_vector(self.left.w, self.random.vector(self.shape[0]));
            return Outlook::Going(1.0);
        }
        let size = self.known;
        let b = Mat::from_fn(size, size, |i, j| self.b[(i, j)]);
        let Some((u, sigma, v)) = singular(&b) else { return Outlook::NonFinite };
        let key = |i: &usize| self.wanted.which.key(c64::new(sigma[*i], 0.0));
        let mut places: Vec<usize> = (0..size).collect();
        places.sort_by(|i, j| key(i).total_cmp(&key(j)));
        let k = self.wanted.k.min(size);
        let ranking = Ranking {
            keys: places.iter().map(key).collect(),
            residuals: places.iter().map(|&i| self.beta * u[(size - 1, i)].abs()).collect(),
            bounds: places.iter().map(|&i| self.wanted.bound(sigma[i], sigma[0])).collect(),
            k,
            enough: size >= self.wanted.k,
            ends: 1,
        };
        let Verdict { worst, done, lock } = self.passes.judge(&ranking, size == self.shape[1], true);
        let keep = match () {
            () if done || lock => k,
            () if self.beta == 0.0 && size < self.wanted.k => size,
            () => (k + (size - k) * 2 / 5).min(size - 1),
        };
        for (array, basis, rotation) in [(self.rotations[0], self.left.v, &u), (self.rotations[1], self.right.v, &v)] {
            let s = Mat::from_fn(size, keep, |i, j| rotation[(i, places[j])]);
            host.send(array, &flat(&s));
            p.rotate(basis, size, keep, array);
        }
        self.b.fill(0.0);
        (0..keep).for_each(|i| self.b[(i, i)] = sigma[places[i]]);
        if keep < self.shape[1] {
            if lock || self.beta == 0.0 {
                host.send_vector(self.right.w, self.random.vector(self.shape[1]));
                self.right.orthonormalise(p, keep);
            } else {
                p.copy(self.right.v.column(size), self.right.v.column(keep));
            }
        }
        (self.issued, self.known, self.kept) = (keep, keep, k.min(keep));
        if done { Outlook::Done } else { Outlook::Going(worst) }
    }

    fn harvest(&self) -> Harvest {
        let k = self.kept;
        let columns = (0..k).map(|j| self.right.v.column(j)).chain((0..k).map(|j| self.left.v.column(j))).collect();
        let unit = |at: usize| (0..2 * k).map(|i| f64::from(u8::from(i == at))).collect();
        let pairs = (0..k).map(|j| Pair { x: unit(j), y: Some(unit(k + j)) }).collect();
        Harvest { columns, pairs }
    }

    fn tighten(&mut self, factor: f64) {
        self.wanted.tolerance *= factor;
    }
}
