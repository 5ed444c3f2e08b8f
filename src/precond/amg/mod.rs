//! Algebraic multigrid by smoothed aggregation (Vaněk, Mandel and Brezina 1996, doi:10.1007/BF02238511).
//!
//! M = one V-cycle: x = S b; x += P M_c Pᵀ (b − A x); x = S(x) again, with S a Chebyshev polynomial of the fourth kind
//! in D⁻¹A and M_c the same for PᵀAP, the pseudo-inverse at the end. Symmetric for symmetric A, positive
//! definite where D⁻¹A is. On a level a cycle costs 2·`degree` products with A, one each with P and Pᵀ, and
//! keeps 3 vectors (6 from degree 2 on); all levels together about 1.3 to 1.5 times the finest. Set-up: some 25 products' time.
//!
//! For symmetric A from elliptic problems, graph Laplacians and diffusion, singular ones (Neumann) included. Near-null
//! vectors are the constants: elasticity wants rigid-body modes, which have their seam in `interpolate`.

mod aggregate;
mod cycle;
mod galerkin;
mod hierarchy;
mod interpolate;
mod strength;

use super::{Preconditioner, Request, Updates};
use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::op::{Program, Space, Vector};
use cycle::Cycle;
use hierarchy::{Coarsest, Hierarchy};
use std::sync::Arc;

/// Numbers of a hierarchy; `amg:theta=0.1,degree=2,coarse=500` sets them.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    /// Threshold of strength on the finest level, halved on each one below.
    pub(crate) theta: f64,
    /// Degree of the smoothing polynomial.
    pub(crate) degree: usize,
    /// Rows solved directly.
    pub(crate) coarse: usize,
    pub(crate) symmetric: bool,
    pub(crate) definite: bool,
}

impl Tuning {
    fn new(request: &Request) -> Result<Self> {
        let mut out =
            Self { theta: 0.08, degree: 1, coarse: 300, symmetric: request.symmetric, definite: request.definite };
        for pair in request.argument.iter().flat_map(|a| a.split(',')).filter(|p| !p.is_empty()) {
            let (key, text) = pair.split_once('=').unwrap_or((pair, ""));
            let number = |low: f64, high: f64| {
                text.parse::<f64>()
                    .ok()
                    .filter(|v| (low..=high).contains(v))
                    .ok_or_else(|| Error::input(format!("amg: {key}={text:?}; {key} is a number from {low} to {high}")))
            };
            match key {
                "theta" => out.theta = number(0.0, 1.0)?,
                "degree" => out.degree = number(1.0, 16.0)? as usize,
                "coarse" => out.coarse = number(1.0, 2000.0)? as usize,
                _ => {
                    let known = ["theta", "degree", "coarse"];
                    return Err(Error::input(crate::suggest::unknown("amg parameter", key, &known)));
                }
            }
        }
        Ok(out)
    }
}

/// A hierarchy of ever smaller matrices, applied as one V-cycle.
pub struct Amg {
    tuning: Tuning,
    hierarchy: Hierarchy,
    cycle: Option<Cycle>,
}

impl Amg {
    /// Sets the hierarchy of `a` up.
    ///
    /// # Errors
    /// An unknown parameter; [`Error::Preconditioner`] for a zero or missing diagonal entry in a row that is not empty,
    /// for a negative one where M must be definite, and for coarse matrices beyond f64.
    pub fn new(a: &Arc<Csr>, request: &Request) -> Result<Self> {
        let tuning = Tuning::new(request)?;
        Ok(Self { hierarchy: Hierarchy::new(a, &tuning)?, tuning, cycle: None })
    }
}

impl Preconditioner for Amg {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.cycle = Some(Cycle::new(space, &self.hierarchy, self.tuning.degree, exponent));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        self.cycle.as_ref().expect("installed before use").emit(p, r, z);
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        self.hierarchy.refresh(a, &self.tuning)?;
        let rewritten = self.cycle.as_mut().map(|c| c.rewrite(&self.hierarchy, exponent)).unwrap_or_default();
        Ok(Updates { vectors: rewritten.vectors, operators: rewritten.operators, ..Updates::default() })
    }

    fn describe(&self) -> Vec<String> {
        let h = &self.hierarchy;
        let rows: usize = h.levels.iter().map(|l| l.a.rows()).sum();
        let fine = &h.levels[0].a;
        let mut out = vec![format!(
            "amg: {} level{}, operator complexity {:.2}, grid complexity {:.2}, {:.1} MB beside the matrix ({:.2} of it)",
            h.levels.len(),
            if h.levels.len() == 1 { "" } else { "s" },
            h.operator_complexity(),
            rows as f64 / fine.rows().max(1) as f64,
            h.bytes() as f64 / 1e6,
            h.bytes() as f64 / (12 * fine.nnz() + 4 * (fine.rows() + 1)) as f64
        )];
        for (l, level) in h.levels.iter().enumerate() {
            let solve = match &h.coarsest {
                _ if level.transfer.is_some() => {
                    format!("chebyshev {} on lambda_max {:.3}", self.tuning.degree, level.smoother.rho)
                }
                Coarsest::Inverse(_) => "dense inverse".into(),
                Coarsest::Smoother => "smoothing only".into(),
            };
            out.push(format!("amg level {l}: {} rows, {} entries, {solve}", level.a.rows(), level.a.nnz()));
        }
        out
    }
}
