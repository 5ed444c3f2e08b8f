//! Levels: a matrix each, what smooths it, and how it talks to the next one.

use super::{Tuning, aggregate, galerkin, interpolate, strength::Strength};
use crate::dense::inverse::pseudo_inverse;
use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::precond::{diagonal::Diagonal, spectrum};
use std::sync::Arc;

/// One level and the way down from it.
pub(super) struct Level {
    pub(super) a: Arc<Csr>,
    pub(super) smoother: Smoother,
    /// P and Pᵀ; none on the last level.
    pub(super) transfer: Option<(Arc<Csr>, Arc<Csr>)>,
}

/// A diagonal D ≈ A⁻¹ and λmax(DA).
pub(super) struct Smoother {
    pub(super) inverse: Vec<f64>,
    pub(super) rho: f64,
}

/// What stands for A⁻¹ on the last level.
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

/// Levels at most; each has at most 9/10 of the rows of the one above.
const MAX_LEVELS: usize = 30;

/// Steps of Lanczos' process for λmax.
const LANCZOS: usize = 8;

impl Hierarchy {
    pub(super) fn new(a: &Arc<Csr>, tuning: &Tuning) -> Result<Self> {
        let mut levels: Vec<Level> = vec![];
        let mut a = Arc::clone(a);
        let mut theta = tuning.theta;
        let coarsest = loop {
            let depth = levels.len();
            let smoother = Smoother::new(&a, tuning, depth == 0)?;
            let small = a.rows() <= tuning.coarse;
            let next = if small || depth + 1 == MAX_LEVELS { None } else { coarsen(&a, theta, smoother.rho)? };
            let Some((p, r, coarse)) = next else {
                let coarsest = if small { Coarsest::Inverse(Arc::new(inverse(&a)?)) } else { Coarsest::Smoother };
                levels.push(Level { a, smoother, transfer: None });
                break coarsest;
            };
            levels.push(Level { a, smoother, transfer: Some((p, r)) });
            a = coarse;
            theta *= 0.5;
        };
        Ok(Self { levels, coarsest })
    }

    /// New values on the pattern of the finest matrix: P stays, the coarse operators are formed anew.
    pub(super) fn refresh(&mut self, a: &Arc<Csr>, tuning: &Tuning) -> Result<()> {
        let mut a = Arc::clone(a);
        for (depth, level) in self.levels.iter_mut().enumerate() {
            level.smoother = Smoother::new(&a, tuning, depth == 0)?;
            level.a = Arc::clone(&a);
            if let Some((p, r)) = &level.transfer {
                a = Arc::new(finite(galerkin::triple(r, &a, p))?);
            }
        }
        if let Coarsest::Inverse(_) = self.coarsest {
            self.coarsest = Coarsest::Inverse(Arc::new(inverse(&a)?));
        }
        Ok(())
    }

    /// Entries of all level matrices over those of the first.
    pub(super) fn operator_complexity(&self) -> f64 {
        let all: usize = self.levels.iter().map(|l| l.a.nnz()).sum();
        all as f64 / self.levels[0].a.nnz().max(1) as f64
    }

    /// Bytes kept beside the finest matrix, with 8-byte values.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |m: &Csr| 12 * m.nnz() + 4 * (m.rows() + 1);
        let levels = self.levels.iter().map(|l| {
            let transfer = l.transfer.as_ref().map_or(0, |(p, r)| bytes(p) + bytes(r));
            bytes(&l.a) + transfer + 8 * l.smoother.inverse.len()
        });
        levels.sum::<usize>() - bytes(&self.levels[0].a)
            + if let Coarsest::Inverse(m) = &self.coarsest { bytes(m) } else { 0 }
    }
}

impl Smoother {
    fn new(a: &Csr, tuning: &Tuning, finest: bool) -> Result<Self> {
        let diagonal = Diagonal::of(a);
        if let Some(row) = diagonal.first_skipped.filter(|_| finest) {
            return Err(Error::Preconditioner {
                row,
                message: "the diagonal entry is zero or missing; amg smooths with the diagonal".into(),
            });
        }
        if tuning.definite
            && finest
            && let Some(row) = diagonal.inverse.iter().position(|&d| d < 0.0)
        {
            return Err(Error::Preconditioner {
                row,
                message: "the diagonal entry is negative; this method wants a positive definite preconditioner".into(),
            });
        }
        let inverse = diagonal.inverse;
        let rho = spectrum::largest(a, &inverse, tuning.symmetric, LANCZOS);
        if !rho.is_finite() {
            return Err(Error::Preconditioner { row: 0, message: "the matrix leaves f64's range when scaled".into() });
        }
        Ok(Self { inverse, rho: if rho > 0.0 { rho } else { 1.0 } })
    }
}

/// P, Pᵀ and PᵀAP; `None` where nothing is left to aggregate.
#[allow(clippy::type_complexity)]
fn coarsen(a: &Arc<Csr>, theta: f64, rho: f64) -> Result<Option<(Arc<Csr>, Arc<Csr>, Arc<Csr>)>> {
    let strength = Strength::new(a, theta);
    let (of, count) = aggregate::aggregate(a, &strength);
    if count == 0 || 10 * count > 9 * a.rows() {
        return Ok(None);
    }
    let p = interpolate::smooth(a, &strength, &interpolate::constants(&of, count), rho);
    let r = p.transpose();
    let coarse = finite(galerkin::triple(&r, a, &p))?;
    Ok(Some((Arc::new(p), Arc::new(r), Arc::new(coarse))))
}

fn finite(a: Csr) -> Result<Csr> {
    match a.values().iter().position(|v| !v.is_finite()) {
        None => Ok(a),
        Some(_) => Err(Error::Preconditioner { row: 0, message: "a coarse matrix leaves f64's range".into() }),
    }
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
    // Rounding makes the inverse of a symmetric matrix a little unsymmetric; CG wants it symmetric.
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
