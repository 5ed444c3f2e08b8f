//! Passes that find what the space of one start vector lacks.
//!
//! A Krylov space contains one vector of each eigenspace. So when the wanted pairs have converged they are locked, a
//! random vector continues, and its space finds the next copy of each multiple eigenvalue; passes go on until one
//! brings nothing better than what is locked.

/// Ritz values in the order of their keys, with residuals.
pub(super) struct Ranking {
    pub(super) keys: Vec<f64>,
    pub(super) residuals: Vec<f64>,
    pub(super) bounds: Vec<f64>,
    /// The number of wanted values among those there are.
    pub(super) k: usize,
    /// There are as many as are wanted.
    pub(super) enough: bool,
    /// Number of ends of the spectrum from which the values come in turn.
    pub(super) ends: usize,
}

/// What follows from a ranking.
pub(super) struct Verdict {
    /// The largest residual of a wanted value over its bound.
    pub(super) worst: f64,
    pub(super) done: bool,
    /// The wanted ones are to be locked and a pass from a random vector begins.
    pub(super) lock: bool,
}

/// Passes over the spectrum, each of which sees only one copy of an eigenvalue that is not locked.
#[derive(Default)]
pub(super) struct Passes {
    /// The keys of the values locked and their bounds, once there are locked ones.
    locked: Option<Vec<(f64, f64)>>,
}

impl Passes {
    /// `copies`: another pass is to look for copies of multiple eigenvalues.
    pub(super) fn judge(&mut self, ranking: &Ranking, complete: bool, copies: bool) -> Verdict {
        let Ranking { keys, residuals, bounds, k, enough, ends } = ranking;
        let (k, count) = (*k, keys.len());
        let excess = (0..k).map(|i| residuals[i] / bounds[i].max(f64::MIN_POSITIVE));
        let worst = if *enough { excess.fold(0.0, f64::max) } else { f64::INFINITY };
        if complete || worst.is_nan() || worst > 1.0 {
            return Verdict { worst, done: complete, lock: false };
        }
        if !copies {
            return Verdict { worst, done: true, lock: false };
        }
        // A value is as uncertain as its bound, and a value so much nearer to a shift that it is far more uncertain is new.
        let better = |before: &Vec<(f64, f64)>| {
            (0..k).any(|i| before.get(i).is_none_or(|(key, bound)| keys[i] < key - 10.0 * bound))
        };
        if self.locked.as_ref().is_none_or(better) {
            // The first pass, or one that brought something better.
            self.locked = Some(keys[..k].iter().copied().zip(bounds[..k].iter().copied()).collect());
            return Verdict { worst, done: false, lock: true };
        }
        // The next values must be accurate enough to be told apart from a copy that is still converging.
        let gap = |i: usize| if i >= *ends { (keys[i] - keys[i - ends]).abs() } else { 0.0 };
        let known = (k..k + ends).all(|i| i < count && residuals[i] <= bounds[i].max(1e-3 * gap(i)));
        Verdict { worst, done: known, lock: false }
    }
}
