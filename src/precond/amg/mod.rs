//! Algebraic multigrid by smoothed aggregation (Vaněk, Mandel and Brezina 1996, doi:10.1007/BF02238511).
//!
//! M = one V-cycle: x = S b; x += P M_c Pᵀ (b − A x); x = S(x) again, with S by default a Chebyshev polynomial of the
//! fourth kind in D⁻¹A and M_c the same for PᵀAP, the pseudo-inverse on the last level. Symmetric for symmetric A,
//! positive definite if D⁻¹A is. On a level a cycle costs 2·`degree` products with A, one each with P and Pᵀ, and
//! keeps 3 vectors (6 from degree 2 on); all levels together about 1.3 to 1.5 times the finest. Set-up: the
//! cost of 100 to 300 products.
//!
//! For symmetric A from elliptic problems, graph Laplacians and diffusion, singular ones (Neumann) included; elasticity
//! with its rigid-body modes ([`super::NearNull`]). If the plan keeps preconditioners in f32, so are all
//! vectors and matrices of the cycle, if its numbers fit; the method's residual is rounded and the result widened
//! in sweeps that load them anyway.

mod aggregate;
mod cycle;
mod galerkin;
mod hierarchy;
mod interpolate;
mod settings;
mod shared;
mod smoother;
mod strength;

pub use settings::{AmgSettings, Smoothing};

use super::{Preconditioner, Request, Updates};
use crate::error::Result;
use crate::host::halt::Halt;
use crate::matrix::{Csr, Matrix};
use crate::op::{Dtype, Program, Role, Space, Vector};
use cycle::Cycle;
use hierarchy::{Coarsest, Hierarchy, Purpose};
use std::fmt;
use std::sync::Arc;

/// Below this many rows, plain iterations finish before a hierarchy is set up.
const PAYS_FROM: usize = 30_000;

/// Why multigrid is worth its set-up for a matrix with a positive diagonal and these facts, if it is.
///
/// A matrix without positive off-diagonal entries that is hardly dominant comes from an elliptic equation or a graph:
/// iterations with multigrid then don't grow with n, symmetric or not. Given near-null vectors imply such a problem.
pub(crate) fn multigrid_pays(n: usize, m_matrix: bool, dominance: f64, near_null: bool) -> Option<String> {
    if near_null {
        return Some("near-null vectors are given".into());
    }
    (m_matrix && dominance > 0.7 && n >= PAYS_FROM)
        .then(|| format!("no off-diagonal entry is positive and n >= {PAYS_FROM}"))
}

/// A line of the plan about one level: written for people, and parsed again where levels are drawn.
pub(crate) struct LevelLine {
    pub(crate) number: usize,
    pub(crate) rows: usize,
    pub(crate) entries: usize,
    /// What smooths or solves there.
    pub(crate) solve: String,
}

impl fmt::Display for LevelLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "amg level {}: {} rows, {} entries, {}", self.number, self.rows, self.entries, self.solve)
    }
}

impl LevelLine {
    /// Parses a line, if it describes a level.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (number, rest) = line.strip_prefix("amg level ")?.split_once(": ")?;
        let (rows, rest) = rest.split_once(" rows, ")?;
        let (entries, solve) = rest.split_once(" entries, ")?;
        let solve = solve.to_string();
        Some(Self { number: number.parse().ok()?, rows: rows.parse().ok()?, entries: entries.parse().ok()?, solve })
    }
}

/// A hierarchy of ever smaller matrices, applied as one V-cycle.
pub struct Amg {
    purpose: Purpose,
    hierarchy: Hierarchy,
    cycle: Option<Cycle>,
    /// Bytes per number on the device, and whether the finest level is a copy in another type.
    stored: (usize, bool),
}

impl Amg {
    /// Sets up the hierarchy of `a`.
    ///
    /// # Errors
    /// Settings out of range, near-null vectors of another length; [`crate::Error::Preconditioner`] for a zero or
    /// missing diagonal entry in a row that is not empty, for a negative one if M must be definite, and for coarse
    /// matrices beyond f64.
    pub fn new(a: impl Into<Matrix>, settings: &AmgSettings, request: &Request) -> Result<Self> {
        let a = a.into();
        settings.check()?;
        let purpose = Purpose {
            settings: settings.clone(),
            near_null: request.near_null.clone(),
            symmetric: request.symmetric,
            definite: request.definite,
            halt: request.halt.clone(),
            frugal: request.frugal,
        };
        // One step into the pool of threads for the whole set-up instead of one for each of its many loops.
        // But no thread of the pool may wait for another rank.
        let hierarchy = match a.parted() {
            Some(_) => Hierarchy::new(&a, &purpose)?,
            None => rayon::scope(|_| Hierarchy::new(&a, &purpose))?,
        };
        // An update of values can't be cancelled.
        let purpose = Purpose { halt: Halt::default(), ..purpose };
        Ok(Self { hierarchy, purpose, cycle: None, stored: (8, false) })
    }

    fn degree(&self) -> usize {
        self.purpose.settings.degree(self.purpose.symmetric)
    }
}

impl Preconditioner for Amg {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        let plan = space.plan;
        let narrow = plan.dtype(Role::Preconditioner) == Dtype::F32;
        // With one level, M is one small product: f32 gains nothing.
        let keep = self.purpose.settings.full_precision
            || self.hierarchy.levels.len() == 1
            || narrow && !self.hierarchy.fits_f32(exponent);
        let role = if keep { Role::Working } else { Role::Preconditioner };
        self.stored = (plan.dtype(role).size(), plan.dtype(role) != plan.working);
        self.cycle = Some(Cycle::new(space, &self.hierarchy, self.degree(), exponent, role));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        self.cycle.as_ref().expect("installed before use").emit(p, r, z);
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        self.hierarchy.refresh(a, &self.purpose)?;
        Ok(self.cycle.as_mut().map(|c| c.rewrite(&self.hierarchy, exponent)).unwrap_or_default())
    }

    fn describe(&self) -> Vec<String> {
        let h = &self.hierarchy;
        let rows: usize = h.levels.iter().map(|l| l.a.all_rows()).sum();
        let (all, fine) = (h.levels[0].a.all_rows(), h.levels[0].stored());
        let bytes = h.bytes(self.stored.0, self.stored.1);
        let mut out = vec![format!(
            "amg: {} level{} in {}, operator complexity {:.2}, grid complexity {:.2}, {:.1} MB beside the matrix ({:.2} of it)",
            h.levels.len(),
            if h.levels.len() == 1 { "" } else { "s" },
            if self.stored.0 == 4 { "f32" } else { "f64" },
            h.operator_complexity(),
            rows as f64 / all.max(1) as f64,
            bytes as f64 / 1e6,
            bytes as f64 / (12 * fine.nnz() + 4 * (fine.rows() + 1)) as f64
        )];
        for (l, level) in h.levels.iter().enumerate() {
            let solve = match &h.coarsest {
                _ if level.transfer.is_some() => level.smoother.describe(self.degree()),
                Coarsest::Inverse(_) => "dense inverse".into(),
                Coarsest::Smoother => "smoothing only".into(),
            };
            let line = LevelLine { number: l, rows: level.a.all_rows(), entries: level.entries(), solve };
            out.push(line.to_string());
        }
        out
    }
}
