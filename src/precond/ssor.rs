//! Symmetric successive over-relaxation and Gauss–Seidel: triangles of A itself, nothing to factor.
//!
//! `ssor:omega=1.2`: M⁻¹ = (D/ω + L) D⁻¹ (D/ω + U) ω/(2 − ω), symmetric for symmetric A, definite for 0 < ω < 2 and a positive
//! diagonal (Young 1971). `gauss_seidel`: M⁻¹ = D + L, for methods that take any M. No set-up but a copy of A. One
//! application: two triangular solves or one; on a device without them Jacobi sweeps (see `triangles`).

use super::triangles::{Pair, Solve};
use super::{Preconditioner, Request, Updates};
use crate::error::{Error, Result};
use crate::matrix::{Csr, Triangular};
use crate::op::{Program, Role, Space, Vector};
use std::sync::Arc;

/// SSOR, or one sweep of Gauss–Seidel.
pub struct Ssor {
    omega: f64,
    /// One forward sweep and no backward one.
    forward: bool,
    definite: bool,
    sweeps: Option<usize>,
    lower: Arc<Triangular>,
    upper: Arc<Triangular>,
    installed: Option<Installed>,
}

enum Installed {
    Both(Pair),
    Forward(Solve),
}

impl Ssor {
    /// SSOR of `a` with relaxation `omega`.
    ///
    /// # Errors
    /// ω outside (0, 2); [`Error::Preconditioner`] for a zero or missing diagonal entry, and where `definite` for a negative
    /// one.
    pub fn new(a: &Csr, omega: f64, definite: bool) -> Result<Self> {
        if !(omega > 0.0 && omega < 2.0) {
            return Err(Error::input(format!("ssor: omega is {omega}; it lies between 0 and 2")));
        }
        Self::with(a, omega, definite, false, None)
    }

    /// One sweep of Gauss–Seidel.
    ///
    /// # Errors
    /// [`Error::Preconditioner`] for a zero or missing diagonal entry.
    pub fn gauss_seidel(a: &Csr) -> Result<Self> {
        Self::with(a, 1.0, false, true, None)
    }

    fn with(a: &Csr, omega: f64, definite: bool, forward: bool, sweeps: Option<usize>) -> Result<Self> {
        let (lower, upper) = triangles(a, omega, definite, forward)?;
        Ok(Self { omega, forward, definite, sweeps, lower, upper, installed: None })
    }

    pub(super) fn build(a: &Csr, request: &Request) -> Result<Self> {
        let [omega, sweeps] = request.numbers("ssor", [("omega", 1e-3, 1.999), ("sweeps", 1.0, 100.0)])?;
        Self::with(a, omega.unwrap_or(1.0), request.definite, false, sweeps.map(|k| k as usize))
    }

    pub(super) fn build_forward(a: &Csr, request: &Request) -> Result<Self> {
        if request.definite {
            return Err(Error::input("gauss_seidel is not symmetric, and this method wants a symmetric M; use ssor"));
        }
        let [sweeps] = request.numbers("gauss_seidel", [("sweeps", 1.0, 100.0)])?;
        Self::with(a, 1.0, false, true, sweeps.map(|k| k as usize))
    }
}

/// I + ωLD⁻¹ and (D/ω + U)/(2 − ω), the middle D and all factors taken in; or D + L alone.
fn triangles(a: &Csr, omega: f64, definite: bool, forward: bool) -> Result<(Arc<Triangular>, Arc<Triangular>)> {
    let n = a.rows();
    let d = a.diagonal();
    for (row, &v) in d.iter().enumerate() {
        let empty = a.row(row).1.iter().all(|v| *v == 0.0);
        if !(1.0 / v).is_finite() && !empty || definite && v < 0.0 {
            let message = if v < 0.0 {
                "the diagonal entry is negative; this method wants a positive definite preconditioner".into()
            } else {
                "the diagonal entry is zero or missing; it is divided by".into()
            };
            return Err(Error::Preconditioner { row, message });
        }
    }
    // An empty row is left as it is.
    let d: Vec<f64> = d.into_iter().map(|v| if v == 0.0 { 1.0 } else { v }).collect();
    let strict = |upper: bool, scale: &dyn Fn(usize) -> f64| {
        let (mut row_ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
        for i in 0..n {
            let (cs, vs) = a.row(i);
            for (&j, v) in cs.iter().zip(vs).filter(|e| if upper { *e.0 as usize > i } else { (*e.0 as usize) < i }) {
                columns.push(j);
                values.push(v * scale(j as usize));
            }
            row_ptr.push(columns.len());
        }
        Csr::trusted(n, n, row_ptr, columns, values)
    };
    let (lower, upper) = if forward {
        let inverse = d.iter().map(|d| 1.0 / d).collect();
        (Triangular::new(strict(false, &|_| 1.0), inverse, false), Triangular::new(empty(n), vec![1.0; n], true))
    } else {
        let inverse = d.iter().map(|d| omega * (2.0 - omega) / d).collect();
        let lower = Triangular::new(strict(false, &|j| omega / d[j]), vec![1.0; n], false);
        (lower, Triangular::new(strict(true, &|_| 1.0 / (2.0 - omega)), inverse, true))
    };
    if let Some(k) = lower.strict().values().iter().position(|v| !v.is_finite()) {
        let row = lower.strict().row_ptr().partition_point(|&p| p <= k) - 1;
        return Err(Error::Preconditioner { row, message: "the row leaves f64's range when scaled".into() });
    }
    Ok((Arc::new(lower), Arc::new(upper)))
}

/// No entries.
fn empty(n: usize) -> Csr {
    Csr::trusted(n, n, vec![0; n + 1], vec![], vec![])
}

impl Preconditioner for Ssor {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        let Self { lower, upper, sweeps, .. } = &*self;
        self.installed = Some(if self.forward {
            Installed::Forward(Solve::new(space, "D+L", lower, exponent, Role::Working, *sweeps))
        } else {
            Installed::Both(Pair::new(space, lower, upper, exponent, *sweeps))
        });
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        match self.installed.as_ref().expect("installed before use") {
            Installed::Both(pair) => pair.emit(p, r, z),
            Installed::Forward(solve) => solve.emit(p, r, z),
        }
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        (self.lower, self.upper) = triangles(a, self.omega, self.definite, self.forward)?;
        let mut updates = Updates::default();
        match &self.installed {
            Some(Installed::Both(pair)) => updates = pair.refresh(&self.lower, &self.upper, exponent),
            Some(Installed::Forward(solve)) => solve.refresh(&self.lower, exponent, &mut updates),
            None => {}
        }
        Ok(updates)
    }

    fn describe(&self) -> Vec<String> {
        let applied = match &self.installed {
            Some(Installed::Both(pair)) => pair.describe(),
            Some(Installed::Forward(solve)) => solve.describe(),
            None => return vec![],
        };
        let kind = if self.forward { "gauss_seidel".into() } else { format!("ssor with omega {}", self.omega) };
        vec![format!("{kind}: {applied}")]
    }
}
