//! Levels: each has a matrix, a smoother and the transfer to the next level.

use super::settings::{AmgSettings, Smoothing};
use super::smoother::Smoother;
use super::{aggregate, galerkin, interpolate, shared, strength, strength::Strength};
use crate::error::{Error, Result};
use crate::host::dense::inverse::pseudo_inverse;
use crate::host::halt::Halt;
use crate::host::scale::{SHARE, largest, power};
use crate::host::whole::Alone;
use crate::matrix::{Csr, Matrix, Parted};
use crate::precond::NearNull;
use rayon::prelude::*;
use std::sync::Arc;

/// One level and the way down from it.
pub(super) struct Level {
    pub(super) a: Matrix,
    pub(super) smoother: Smoother,
    /// The way to the next level; none on the last one.
    pub(super) transfer: Option<Transfer>,
}

/// P and Pᵀ. Where ranks share the level, each has its rows of both.
pub(super) struct Transfer {
    pub(super) p: Matrix,
    pub(super) r: Matrix,
    /// Brings the next level's right-hand side to all ranks, where each has that level and those below it for itself: P
    /// has columns for all of it then.
    pub(super) gather: Option<Parted>,
}

/// The entries that a matrix of a hierarchy has; where ranks share it, on this rank.
fn entries(a: &Matrix) -> &Csr {
    a.stored_rows().expect("hierarchies have entries")
}

impl Level {
    /// Its rows; where ranks share it, this rank's.
    pub(super) fn stored(&self) -> &Csr {
        entries(&self.a)
    }

    /// Entries, of all ranks.
    pub(super) fn entries(&self) -> usize {
        self.a.parted().map_or_else(|| self.stored().nnz(), |a| a.entries as usize)
    }
}

/// What replaces A⁻¹ on the last level.
pub(super) enum Coarsest {
    /// The pseudo-inverse, a full matrix kept as rows.
    Inverse(Arc<Csr>),
    /// Nothing couples strongly any more, or too many rows are left: the smoother alone.
    Smoother,
}

pub(super) struct Hierarchy {
    pub(super) levels: Vec<Level>,
    pub(super) coarsest: Coarsest,
}

/// Maximum number of levels; each has at most 9/10 of the rows of the one above.
pub(super) const MAX_LEVELS: usize = 30;

/// What a hierarchy is made for.
pub(super) struct Purpose {
    pub(super) settings: AmgSettings,
    /// Near-null vectors to use in place of the constants.
    pub(super) near_null: Option<Arc<NearNull>>,
    pub(super) symmetric: bool,
    pub(super) definite: bool,
    /// What cancels the set-up.
    pub(super) halt: Halt,
    /// End the set-up once it is clear that the hierarchy won't pay.
    pub(super) frugal: bool,
}

impl Hierarchy {
    pub(super) fn new(a: &Matrix, purpose: &Purpose) -> Result<Self> {
        match a {
            Matrix::Stored(a) => Self::below(a, purpose, purpose.settings.theta, true),
            Matrix::Parted(a) => shared::hierarchy(a, purpose),
            Matrix::Free(_) => Err(Error::input("amg needs the entries of A; an operator has none")),
        }
    }

    /// All levels from `a` on; `finest` where that is the user's.
    pub(super) fn below(a: &Arc<Csr>, purpose: &Purpose, mut theta: f64, finest: bool) -> Result<Self> {
        let mut levels: Vec<Level> = vec![];
        let mut a = Arc::clone(a);
        let mut candidates = Candidates::new(purpose, a.rows())?;
        let coarsest = loop {
            let depth = levels.len();
            purpose.halt.check()?;
            let smoother = Smoother::new(&Matrix::from(&a), purpose, finest && depth == 0)?;
            let small = a.rows() <= purpose.settings.coarse;
            let next = if small || depth + 1 == MAX_LEVELS {
                None
            } else {
                coarsen(&a, theta, smoother.rho, &mut candidates, purpose)?
            };
            let Some((p, r, coarse)) = next else {
                let coarsest = if small { Coarsest::Inverse(Arc::new(inverse(&a)?)) } else { Coarsest::Smoother };
                levels.push(Level { a: a.into(), smoother, transfer: None });
                break coarsest;
            };
            let transfer = Some(Transfer { p: p.into(), r: r.into(), gather: None });
            levels.push(Level { a: a.into(), smoother, transfer });
            if purpose.frugal {
                pays(&levels, coarse.rows(), coarse.nnz())?;
            }
            a = coarse;
            theta *= 0.5;
        };
        Ok(Self { levels, coarsest })
    }

    /// New values on the pattern of the finest matrix: P is kept, the coarse operators are recomputed.
    pub(super) fn refresh(&mut self, a: &Arc<Csr>, purpose: &Purpose) -> Result<()> {
        let mut a = Arc::clone(a);
        for (depth, level) in self.levels.iter_mut().enumerate() {
            level.a = Matrix::from(&a);
            level.smoother = Smoother::new(&level.a, purpose, depth == 0)?;
            if let Some(t) = &level.transfer {
                let (p, r) = (t.p.entries().expect("of one process"), t.r.entries().expect("of one process"));
                a = Arc::new(coarse(r, &a, p, &purpose.halt)?);
            }
        }
        if let Coarsest::Inverse(_) = self.coarsest {
            self.coarsest = Coarsest::Inverse(Arc::new(inverse(&a)?));
        }
        Ok(())
    }

    /// True if every number of the hierarchy, with matrices scaled by 2^`exponent`, lies well within f32's range.
    pub(super) fn fits_f32(&self, exponent: i32) -> bool {
        let all = |values: &[f64], e: i32, fits: fn(f64) -> bool| {
            let scale = power(e);
            values.par_iter().with_min_len(SHARE).all(|&v| fits(scale(v).abs()))
        };
        // A small entry may underflow; a large one must not overflow, a diagonal one neither.
        let small = |a: &Csr, e: i32| all(a.values(), e, |v| v < 1e30);
        let levels = self.levels.iter().all(|l| {
            let transfer = l.transfer.as_ref().is_none_or(|t| small(entries(&t.p), 0));
            let diagonal = || all(&l.smoother.inverse, -exponent, |v| v == 0.0 || (1e-30..1e30).contains(&v));
            transfer && small(l.stored(), exponent) && diagonal()
        });
        let broken = self.levels[0].a.whole().any(!levels);
        !broken && if let Coarsest::Inverse(m) = &self.coarsest { small(m, -exponent) } else { true }
    }

    /// Entries of all level matrices over those of the first.
    pub(super) fn operator_complexity(&self) -> f64 {
        let all: usize = self.levels.iter().map(Level::entries).sum();
        all as f64 / self.levels[0].entries().max(1) as f64
    }

    /// Bytes kept besides the user's matrix, with numbers of `size` bytes; `own_finest` counts a copy of the finest
    /// level in the hierarchy's number type.
    pub(super) fn bytes(&self, size: usize, own_finest: bool) -> usize {
        let bytes = |m: &Csr| (size + 4) * m.nnz() + 4 * (m.rows() + 1);
        let levels = self.levels.iter().enumerate().map(|(k, l)| {
            let transfer = l.transfer.as_ref().map_or(0, |t| bytes(entries(&t.p)) + bytes(entries(&t.r)));
            let direct = l.transfer.is_none() && matches!(self.coarsest, Coarsest::Inverse(_));
            // Gauss–Seidel keeps A as two triangles only.
            let matrix = if direct || k == 0 && !own_finest || l.smoother.kind == Smoothing::GaussSeidel {
                0
            } else {
                bytes(l.stored())
            };
            matrix + transfer + if direct { 0 } else { l.smoother.bytes(size) }
        });
        levels.sum::<usize>() + if let Coarsest::Inverse(m) = &self.coarsest { bytes(m) } else { 0 }
    }
}

/// Near-null vectors of the current level; no vectors stand for the constants.
pub(super) struct Candidates {
    pub(super) block: usize,
    pub(super) vectors: Vec<Vec<f64>>,
}

impl Candidates {
    pub(super) fn new(purpose: &Purpose, n: usize) -> Result<Self> {
        if let Some(given) = &purpose.near_null {
            if given.rows() != n {
                let message = format!("near-null vectors have {} entries; the matrix has {n} rows", given.rows());
                return Err(Error::input(message));
            }
            return Ok(Self { block: given.block(), vectors: given.vectors().to_vec() });
        }
        let block = purpose.settings.block;
        if !n.is_multiple_of(block) {
            return Err(Error::input(format!("amg: block={block} does not divide the {n} rows")));
        }
        // A constant for each unknown of a node.
        let unit = |c: usize| (0..n).map(|i| f64::from(u8::from(i % block == c))).collect();
        Ok(Self { block, vectors: if block == 1 { vec![] } else { (0..block).map(unit).collect() } })
    }
}

/// Limits on the entries of all levels over those of the first, the rows of a level over those of the one above, and
/// the multiplications per entry of a level's matrix: beyond them a cycle or its set-up costs more than it saves.
const COMPLEXITY: f64 = 2.5;
const SHRINKS: f64 = 0.6;
const MULTIPLICATIONS: f64 = 400.0;

fn stopped(message: String) -> Result<()> {
    Err(Error::Preconditioner { row: 0, message: format!("multigrid stopped: {message}") })
}

/// Ends the set-up of a hierarchy that hardly shrinks or that fills in.
pub(super) fn pays(levels: &[Level], rows: usize, entries: usize) -> Result<()> {
    let first = levels[0].entries().max(1) as f64;
    let all = (levels.iter().map(Level::entries).sum::<usize>() + entries) as f64 / first;
    let above = levels.last().map_or(1, |l| l.a.all_rows().max(1)) as f64;
    let depth = levels.len();
    match rows as f64 / above {
        _ if all > COMPLEXITY => stopped(format!("level {depth} fills: {all:.1} times the entries of A in all")),
        part if depth == 1 && part > SHRINKS => stopped(format!("level 1 hardly shrinks: {part:.2} of the rows")),
        _ => Ok(()),
    }
}

/// Multiplications that PᵀAP takes, counted from the patterns.
fn multiplications(a: &Csr, p: &Csr) -> f64 {
    let own = |i: usize| p.row(i).0.len() as f64;
    (0..a.rows()).map(|i| own(i) * a.row(i).0.iter().map(|&j| own(j as usize)).sum::<f64>()).sum()
}

/// P, Pᵀ and PᵀAP; `None` where nothing is left to aggregate.
#[allow(clippy::type_complexity)]
fn coarsen(
    a: &Arc<Csr>,
    theta: f64,
    rho: f64,
    candidates: &mut Candidates,
    purpose: &Purpose,
) -> Result<Option<(Arc<Csr>, Arc<Csr>, Arc<Csr>)>> {
    let halt = &purpose.halt;
    let nodes = strength::by_node(a, candidates.block, halt)?;
    let graph = nodes.as_ref().unwrap_or(a);
    let strength = Strength::new(graph, theta);
    let (of, count) = aggregate::aggregate(graph, &strength, halt)?;
    halt.check()?;
    let columns = count * candidates.vectors.len().max(1);
    if count == 0 || 10 * columns > 9 * a.rows() {
        return Ok(None);
    }
    let p = if candidates.vectors.is_empty() {
        interpolate::smooth(a, (0, &Alone), Some(&strength), &interpolate::constants(&of, count), rho, halt)?
    } else {
        let (t, coarse) = interpolate::tentative(&of, count, candidates.block, &candidates.vectors, halt)?;
        *candidates = Candidates { block: coarse.len(), vectors: coarse };
        interpolate::smooth(a, (0, &Alone), None, &t, rho, halt)?
    };
    halt.check()?;
    if purpose.frugal {
        let each = multiplications(a, &p) / a.nnz().max(1) as f64;
        if each > MULTIPLICATIONS {
            stopped(format!("the coarse matrix takes {each:.0} multiplications an entry"))?;
        }
    }
    let r = p.transpose();
    let coarse = coarse(&r, a, &p, halt)?;
    Ok(Some((Arc::new(p), Arc::new(r), Arc::new(coarse))))
}

/// R A P, with zeros for rows that are rounding noise.
fn coarse(r: &Csr, a: &Csr, p: &Csr, halt: &Halt) -> Result<Csr> {
    let coarse = galerkin::triple(r, a, p, halt)?;
    let size = |i: usize| largest(coarse.row(i).1);
    let sizes: Vec<f64> = (0..coarse.rows()).into_par_iter().with_min_len(1024).map(size).collect();
    if !largest(&sizes).is_finite() {
        return Err(Error::Preconditioner { row: 0, message: "a coarse matrix leaves f64's range".into() });
    }
    silenced(coarse, &sizes, r, a, p)
}

/// Rows of R A P below this fraction of |R||A||P|1 are the rounding errors of sums that cancel.
pub(super) const NOISE: f64 = 1e-13;

/// Rows with an entry above this fraction of the largest entry of A are not checked.
pub(super) const SUSPECT: f64 = 1e-8;

/// A component whose rows sum to zero, as in a graph Laplacian, may shrink to a single coarse row: zero up to rounding.
/// Its inverse would be noise of any size and sign, so the row and its column are set to zero, which the smoothers and
/// the pseudo-inverse leave alone. `sizes` are the largest entries of the rows.
fn silenced(mut coarse: Csr, sizes: &[f64], r: &Csr, a: &Csr, p: &Csr) -> Result<Csr> {
    let bound = SUSPECT * largest(a.values());
    if sizes.iter().all(|&s| s > bound || s == 0.0) {
        return Ok(coarse);
    }
    let summed = absolute(r, &absolute(a, &absolute(p, &vec![1.0; p.cols()])));
    let noise: Vec<bool> = sizes.iter().zip(&summed).map(|(size, sum)| *size <= NOISE * sum).collect();
    coarse.silence(|i| noise[i], |j| noise[j])?;
    Ok(coarse)
}

/// |M| x.
pub(super) fn absolute(m: &Csr, x: &[f64]) -> Vec<f64> {
    let row = |i: usize| m.row(i).0.iter().zip(m.row(i).1).map(|(&j, v)| v.abs() * x[j as usize]).sum();
    (0..m.rows()).map(row).collect()
}

/// The pseudo-inverse of a small matrix, as full rows.
fn inverse(a: &Csr) -> Result<Csr> {
    let n = a.rows();
    let mut dense = vec![0.0; n * n];
    for i in 0..n {
        let (columns, values) = a.row(i);
        columns.iter().zip(values).for_each(|(&j, v)| dense[i * n + j as usize] += v);
    }
    let mut inverse = pseudo_inverse(dense, n).ok_or_else(|| Error::Preconditioner {
        row: 0,
        message: format!("the coarsest matrix of {n} rows can't be inverted within f64's range"),
    })?;
    // Rounding makes the inverse of a symmetric matrix slightly nonsymmetric; CG needs it symmetric.
    if a.first_asymmetry(1e-10).is_none() {
        for i in 0..n {
            for j in 0..i {
                let mean = 0.5 * (inverse[i * n + j] + inverse[j * n + i]);
                inverse[i * n + j] = mean;
                inverse[j * n + i] = mean;
            }
        }
    }
    let columns = (0..n * n).map(|k| (k % n) as u32).collect();
    Ok(Csr::trusted(n, n, (0..=n).map(|i| i * n).collect(), columns, inverse))
}
