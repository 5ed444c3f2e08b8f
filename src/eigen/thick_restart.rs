//! What Lanczos and Arnoldi share: a Krylov decomposition restarted with its wanted Schur vectors, and passes that
//! look for what one start vector can't see.
//!
//! A Krylov space contains one vector of each eigenspace. So when the wanted pairs have converged they are locked, a
//! random vector continues, and its space finds the next copy of each multiple eigenvalue; passes go on until one
//! brings nothing better than what is locked.

use super::{Action, EigenMethod, EigenSystem, Harvest, InnerSolve, Outlook, Pair, Wanted};
use crate::krylov::decomposition::Decomposition;
use crate::method::{Next, Outbox};
use crate::op::Program;
use faer::{Mat, c64};

/// The projected matrix in Schur form, the wanted values first.
pub(super) struct Ordered {
    /// Orthonormal, as many columns as H.
    pub(super) s: Mat<f64>,
    /// SᵀHS, diagonal for symmetric H.
    pub(super) t: Mat<f64>,
    /// Eigenvalues; complex pairs stand together.
    pub(super) values: Vec<c64>,
    /// Unit eigenvectors of T, where they are not its axes.
    pub(super) vectors: Option<Vec<Vec<c64>>>,
}

impl Ordered {
    /// |bᵀy| of each eigenvector y: the residuals of the Ritz pairs.
    fn residuals(&self, coupling: &[f64]) -> Vec<f64> {
        let n = self.values.len();
        let c: Vec<f64> = (0..n).map(|j| (0..n).map(|i| self.s[(i, j)] * coupling[i]).sum()).collect();
        match &self.vectors {
            None => c.into_iter().map(f64::abs).collect(),
            Some(vectors) => {
                vectors.iter().map(|y| y.iter().zip(&c).map(|(y, c)| *y * *c).sum::<c64>().norm()).collect()
            }
        }
    }

    /// The least count from `k` on that cuts no complex pair.
    fn whole(&self, k: usize) -> usize {
        let k = k.min(self.values.len());
        // The second of a pair has the negative imaginary part.
        if k < self.values.len() && self.values[k].im < 0.0 { k + 1 } else { k }
    }
}

/// Ritz values in the order of their keys, with residuals.
pub(super) struct Ranking {
    pub(super) keys: Vec<f64>,
    pub(super) residuals: Vec<f64>,
    pub(super) bounds: Vec<f64>,
    /// How many are wanted of those there are.
    pub(super) k: usize,
    /// There are as many as are wanted.
    pub(super) enough: bool,
}

/// What follows from a ranking.
pub(super) struct Verdict {
    /// The largest residual of a wanted value over its bound.
    pub(super) worst: f64,
    pub(super) done: bool,
    /// The wanted ones are to be locked and a pass from a random vector begins.
    pub(super) lock: bool,
}

/// Passes over the spectrum, each blind to all but one copy of an eigenvalue that is not locked.
#[derive(Default)]
pub(super) struct Passes {
    /// The keys of the values locked, once there are locked ones.
    locked: Option<Vec<f64>>,
}

impl Passes {
    pub(super) fn judge(&mut self, ranking: &Ranking, complete: bool) -> Verdict {
        let Ranking { keys, residuals, bounds, k, enough } = ranking;
        let (k, count) = (*k, keys.len());
        let excess = (0..k).map(|i| residuals[i] / bounds[i].max(f64::MIN_POSITIVE));
        let worst = if *enough { excess.fold(0.0, f64::max) } else { f64::INFINITY };
        if complete || worst.is_nan() || worst > 1.0 {
            return Verdict { worst, done: complete, lock: false };
        }
        let better = |before: &Vec<f64>| (0..k).any(|i| before.get(i).is_none_or(|b| keys[i] < b - 10.0 * bounds[i]));
        if self.locked.as_ref().is_none_or(better) {
            // The first pass, or one that brought something better.
            self.locked = Some(keys[..k].to_vec());
            return Verdict { worst, done: false, lock: true };
        }
        // What comes next must be known well enough to be told apart from a copy that is still on its way.
        let known = k < count && residuals[k] <= bounds[k].max(1e-3 * (keys[k] - keys[k - 1]));
        Verdict { worst, done: known, lock: false }
    }
}

/// How H is brought to Schur form; `None` where it is not finite.
pub(super) type Order = fn(&Mat<f64>, &Wanted) -> Option<Ordered>;

pub(super) struct ThickRestart {
    decomposition: Decomposition,
    action: Action,
    wanted: Wanted,
    order: Order,
    passes: Passes,
    /// The wanted pairs after the last exchange, over the columns of the basis.
    found: Vec<Pair>,
}

impl ThickRestart {
    pub(super) fn new(space: &mut crate::op::Space, s: &EigenSystem, order: Order) -> Self {
        let decomposition = Decomposition::new(space, s.n, s.subspace, s.mass, s.seed);
        Self { decomposition, action: s.action, wanted: s.wanted, order, passes: Passes::default(), found: vec![] }
    }
}

impl EigenMethod for ThickRestart {
    fn start(&mut self, p: &mut Program, host: &mut Outbox, from: &[Vec<f64>]) {
        // Vectors of one length each: their sum has a part along all of them.
        let sum = |v: &Vec<f64>, w: &Vec<f64>| v.iter().zip(w).map(|(v, w)| v + w).collect();
        let start = from.split_first().map(|(v, rest)| rest.iter().fold(v.clone(), |s, w| sum(&s, w)));
        self.passes = Passes::default();
        self.found.clear();
        self.decomposition.begin(p, host, start);
    }

    fn apply(&mut self, p: &mut Program) -> Option<InnerSolve> {
        self.action.emit(p, self.decomposition.newest(), self.decomposition.arnoldi.w)
    }

    fn step(&mut self, p: &mut Program) -> Next {
        if self.decomposition.extend(p) { Next::Exchange } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> bool {
        self.decomposition.observe(record)
    }

    fn exchange(&mut self, p: &mut Program, host: &mut Outbox) -> Outlook {
        let d = &mut self.decomposition;
        let Some(form) = (self.order)(&d.projected(), &self.wanted) else { return Outlook::NonFinite };
        let size = form.values.len();
        let k = form.whole(self.wanted.k);
        let residuals = form.residuals(d.coupling());
        let keys = form.values.iter().map(|&v| self.wanted.which.key(v)).collect();
        let bounds = form.values.iter().map(|v| self.wanted.bound(v.norm())).collect();
        let ranking = Ranking { keys, residuals, bounds, k, enough: size >= self.wanted.k };
        let Verdict { worst, done, lock } = self.passes.judge(&ranking, d.is_complete());
        let keep = match () {
            () if done || lock => k,
            // Too few yet.
            () if d.is_invariant() && size < self.wanted.k => size,
            () => form.whole((k + (size - k) * 2 / 5).min(size - 1)).min(size),
        };
        // One more column must fit.
        let keep =
            if keep + 1 > d.capacity() && !done { form.whole(d.capacity() - 2).min(d.capacity() - 1) } else { keep };
        let s = form.s.subcols(0, keep).to_owned();
        let t = form.t.submatrix(0, 0, keep, keep).to_owned();
        self.found = (0..k.min(keep)).filter(|&i| form.values[i].im >= 0.0).map(|i| form.pair(i, keep)).collect();
        d.restart(p, host, &s, &t, lock);
        if done { Outlook::Done } else { Outlook::Going(worst) }
    }

    fn harvest(&self) -> Harvest {
        let pairs = self.found.iter().map(|f| Pair { x: f.x.clone(), y: f.y.clone() }).collect();
        Harvest { columns: self.decomposition.columns(), pairs }
    }

    fn tighten(&mut self, factor: f64) {
        self.wanted.tolerance *= factor;
    }
}

impl Ordered {
    /// Eigenvector `i` over the first `keep` Schur vectors; of a complex pair the one with positive imaginary part.
    fn pair(&self, i: usize, keep: usize) -> Pair {
        match &self.vectors {
            None => Pair { x: (0..keep).map(|j| f64::from(u8::from(i == j))).collect(), y: None },
            Some(vectors) => {
                let part = |f: fn(&c64) -> f64| vectors[i][..keep].iter().map(f).collect::<Vec<f64>>();
                Pair { x: part(|v| v.re), y: (self.values[i].im > 0.0).then(|| part(|v| v.im)) }
            }
        }
    }
}
