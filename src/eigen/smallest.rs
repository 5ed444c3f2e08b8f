//! The smallest singular triplets of a square A as the largest of A⁻¹: A v = σ u is A⁻¹ u = v/σ. A basis for A itself finds
//! its large values first, and the small ones only after many products where they lie close beside ‖A‖.
//!
//! A⁻¹ and A⁻ᵀ are applied by complete factors, where these are less counted work than iterations.

use super::options::EigenOptions;
use super::shift::affordable;
use super::verify::unit;
use crate::analyse::direct::Direct;
use crate::matrix::{Matrix, VectorFunction};
use std::sync::Arc;

/// A⁻¹ of a square A.
pub(super) struct Inverse {
    factors: Arc<Direct>,
    transposed: Arc<Direct>,
}

impl Inverse {
    /// `None` where A has no entries, is not square or singular to working precision, or factors cost more than they save
    /// in `solves` systems.
    pub(super) fn of(a: &Matrix, at: &Matrix, solves: usize, options: &EigenOptions) -> Option<Self> {
        let (a, at) = (a.entries()?, at.entries()?);
        if a.rows() != a.cols() {
            return None;
        }
        let symmetric = a.first_asymmetry(0.0).is_none();
        affordable(a, solves, symmetric, options)?;
        let factors = Arc::new(Direct::new(a, symmetric, false, options.complex).ok()?);
        let transposed = match symmetric {
            true => Arc::clone(&factors),
            false => Arc::new(Direct::new(at, false, false, options.complex).ok()?),
        };
        Some(Self { factors, transposed })
    }

    /// What A is factored into.
    pub(super) fn name(&self) -> &'static str {
        self.factors.name
    }

    /// A⁻¹ as an operator.
    pub(super) fn operator(&self, n: usize) -> Matrix {
        // What has no solution in f64 ends a search as not finite.
        let by = |factors: &Arc<Direct>| {
            let factors = Arc::clone(factors);
            move |b: &[f64], y: &mut [f64]| match factors.solve(b) {
                Some((x, _)) => y.copy_from_slice(&x),
                None => y.fill(f64::NAN),
            }
        };
        Matrix::free(VectorFunction::new(n, n, by(&self.factors)).with_transpose(by(&self.transposed)))
    }

    /// u and v of A from a singular triplet's left vector of A⁻¹, purified by a step of inverse iteration: what they hold
    /// of large singular values of A, which residuals are made of, all but vanishes.
    pub(super) fn purified(&self, v: &[f64]) -> Option<[Vec<f64>; 2]> {
        let u = unit(self.transposed.solve(v)?.0)?;
        let v = unit(self.factors.solve(&u)?.0)?;
        Some([u, v])
    }
}
