//! What Lanczos and Arnoldi share: a Krylov decomposition restarted with its wanted Schur vectors, in as many passes
//! as the spectrum's multiplicities need.

use super::filter::Filter;
use super::passes::{Passes, Ranking, Verdict};
use super::{Action, EigenMethod, EigenSystem, Harvest, InnerSolve, Outlook, Pair, Size, Wanted, Which};
use crate::krylov::decomposition::Decomposition;
use crate::method::{Next, Outbox};
use crate::op::{Program, Vector};
use faer::{Mat, c64};

/// The projected matrix in Schur form, the wanted values first.
pub(super) struct Ordered {
    /// Orthonormal, as many columns as H.
    pub(super) s: Mat<f64>,
    /// SᵀHS, diagonal for symmetric H.
    pub(super) t: Mat<f64>,
    /// Eigenvalues; complex pairs stand together.
    pub(super) values: Vec<c64>,
    /// Eigenvectors of T, of length 1; `None` if they are the unit vectors.
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

    /// Sort keys of the values, and the number of ends of the spectrum from which they come in turn.
    fn keys(&self, which: Which) -> (Vec<f64>, usize) {
        let ends = if which == Which::BE { 2 } else { 1 };
        // The lower end counts from below.
        let sign = |i: usize| if ends == 2 && i % 2 == 1 { -1.0 } else { 1.0 };
        (self.values.iter().enumerate().map(|(i, &v)| sign(i) * which.key(v)).collect(), ends)
    }

    /// True if T is nearly block diagonal in its first `k` columns.
    fn is_normal(&self, k: usize) -> bool {
        let part = |j: usize| (0..j.saturating_sub(1)).map(|i| self.t[(i, j)].abs()).fold(0.0, f64::max);
        self.vectors.is_none() || (0..k).map(part).fold(0.0, f64::max) <= 1e-3 * self.t.norm_max()
    }

    /// The smallest count from `k` on that splits no complex pair.
    fn whole(&self, k: usize) -> usize {
        let k = k.min(self.values.len());
        // The second of a pair has the negative imaginary part.
        if k < self.values.len() && self.values[k].im < 0.0 { k + 1 } else { k }
    }
}

/// How H is brought to Schur form; `None` if it is not finite.
pub(super) type Order = fn(&Mat<f64>, &Wanted) -> Option<Ordered>;

pub(super) struct ThickRestart {
    decomposition: Decomposition,
    action: Action,
    wanted: Wanted,
    order: Order,
    passes: Passes,
    /// What the action becomes after the first cycle.
    filter: Option<(Filter, [f64; 2])>,
    /// The wanted pairs after the last cycle, over the columns of the basis.
    found: Vec<Pair>,
}

impl ThickRestart {
    pub(super) fn new(space: &mut crate::op::Space, s: &EigenSystem, order: Order) -> Self {
        let decomposition = Decomposition::new(space, [s.n, s.rank], s.subspace, s.mass, s.seed);
        Self {
            decomposition,
            action: s.action,
            wanted: s.wanted,
            order,
            passes: Passes::default(),
            filter: s.filter,
            found: vec![],
        }
    }
}

/// Sets the filter to damp all but the values beyond an unwanted Ritz value, which does not overshoot its eigenvalue.
fn engage(filter: Filter, [low, high]: [f64; 2], form: &Ordered, wanted: &mut Wanted, host: &mut Outbox) {
    let edge = form.values[(wanted.k + wanted.k / 2 + 3).min(form.values.len() - 1)].re;
    let largest = matches!(wanted.which, Which::LA | Which::LR);
    let (low, high) = if largest { (low, edge) } else { (edge, high) };
    host.set(filter.center, 0.5 * (low + high));
    host.set(filter.width, 0.5 * (high - low));
    *wanted = Wanted { which: Which::LM, norm: Size::Own, ..*wanted };
}

impl EigenMethod for ThickRestart {
    fn start(&mut self, p: &mut Program, host: &mut Outbox, from: &[Vec<f64>]) {
        // The vectors have equal lengths, so their sum has a part along all of them.
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
        if self.decomposition.extend(p) { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> bool {
        self.decomposition.observe(record)
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) -> Outlook {
        let d = &mut self.decomposition;
        let Some(form) = (self.order)(&d.projected(), &self.wanted) else { return Outlook::NonFinite };
        let size = form.values.len();
        let k = form.whole(self.wanted.k);
        let residuals = form.residuals(d.coupling());
        let largest = form.values.iter().map(|v| v.norm()).fold(0.0, f64::max);
        let bounds = form.values.iter().map(|v| self.wanted.bound(v.norm(), largest)).collect();
        let (keys, ends) = form.keys(self.wanted.which);
        let ranking = Ranking { keys, residuals, bounds, k, enough: size >= self.wanted.k, ends };
        // Far from normality, rounding errors of a locked vector move its copy by more than copies differ.
        let Verdict { worst, done, lock } = self.passes.judge(&ranking, d.is_complete(), form.is_normal(k));
        if worst > 1.0
            && !d.is_invariant()
            && let Some((filter, spectrum)) = self.filter.take()
        {
            self.found.clear();
            self.action = Action::Filter(filter);
            engage(filter, spectrum, &form, &mut self.wanted, host);
            d.begin_within(p, host, &Mat::from_fn(size, 1, |i, _| (0..k).map(|j| form.s[(i, j)]).sum()));
            return Outlook::Going(worst);
        }
        let keep = match () {
            () if done || lock => k,
            // There are too few yet.
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

    fn fresh(&self) -> Option<Vector> {
        Some(self.decomposition.arnoldi.w)
    }

    fn tighten(&mut self, factor: f64) {
        self.wanted.tolerance *= factor;
        self.wanted.noise *= factor;
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
