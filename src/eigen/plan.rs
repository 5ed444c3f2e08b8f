//! Which method, with what: each choice with its reason.

use super::options::{EigenOptions, Which};
use super::registry::{EigenMethodEntry, by_name};
use crate::analyse::facts::Facts;
use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::precond::AmgSettings;
use crate::precond::registry::Precond;

/// Up to this order a basis of all n columns costs nothing worth saving: the answer is that of a dense method.
const COMPLETE: usize = 200;

/// From this order on multigrid pays for the smallest eigenvalues.
const MULTIGRID_FROM: usize = 2_000;

/// From this order on a step's orthogonalisation costs more than the products of a polynomial.
const FILTER_FROM: usize = 5_000;

/// What was chosen.
pub(super) struct Choice {
    pub(super) method: &'static EigenMethodEntry,
    /// Of the action's eigenvalues.
    pub(super) which: Which,
    /// The shift, where the action is an inverse.
    pub(super) sigma: Option<f64>,
    pub(super) preconditioner: Precond,
    pub(super) subspace: usize,
    /// Cycles after the first are of a Chebyshev polynomial.
    pub(super) filter: bool,
}

pub(super) fn choose(a: &Csr, facts: &Facts, options: &EigenOptions, notes: &mut Vec<String>) -> Result<Choice> {
    let (n, k, which) = (a.rows(), options.k, options.which);
    let (positive, negative, zero) = facts.diagonal;
    let positive = positive > 0 && negative == 0 && zero == 0;
    // By Gershgorin's circles no eigenvalue is negative; none is zero where some row is not a null component's.
    let semidefinite = facts.symmetric() && positive && facts.dominance <= 1.0 + 1e-12;
    let definite = semidefinite && facts.null_components.1 == 0;
    let complete = options.subspace.is_none() && n <= COMPLETE;
    let auto = options.method == "auto";
    let mut sigma = options.sigma;
    let mut which_of_action = which;

    // No off-diagonal entry is positive: what multigrid is made for.
    let smallest = matches!(which, Which::SA | Which::SR) || which == Which::SM && semidefinite;
    let multigrid =
        smallest && facts.m_matrix && positive && sigma.is_none() && n >= MULTIGRID_FROM && 5 * block(k) <= n;
    let id = if !auto {
        notes.push(format!("method {}: as asked", options.method));
        options.method.as_str()
    } else if !facts.symmetric() {
        let (i, j) = facts.asymmetry.unwrap_or_default();
        notes.push(format!("method arnoldi: A is not symmetric (entry ({i}, {j}))"));
        "arnoldi"
    } else if multigrid {
        notes.push(format!("method lobpcg: smallest eigenvalues where multigrid serves (n >= {MULTIGRID_FROM})"));
        if which == Which::SM {
            notes.push("SA for SM: A is semidefinite by its diagonal".into());
        }
        "lobpcg"
    } else {
        notes.push("method lanczos: A is symmetric".into());
        "lanczos"
    };
    let method = by_name(id)?;
    if method.inverse && sigma.is_none() {
        sigma = Some(0.0);
    }
    if method.single && k > 1 {
        return Err(Error::input(format!("{id} finds one pair; use lanczos or arnoldi for {k}")));
    }
    if id == "power" && (which != Which::LM || sigma.is_some()) {
        return Err(Error::input(
            "power finds the eigenvalue of largest modulus; use inverse with a shift, or lanczos",
        ));
    }
    if id == "lobpcg" {
        if which == Which::SM && semidefinite {
            which_of_action = Which::SA;
        } else if !matches!(which, Which::SA | Which::LA | Which::SR | Which::LR) || sigma.is_some() {
            return Err(Error::input(
                "lobpcg finds the largest or smallest eigenvalues: which is LA or SA, without a shift",
            ));
        }
        if 3 * block(k) > n {
            return Err(Error::input(format!(
                "lobpcg keeps {} vectors for {k} pairs; a matrix of order {n} is for lanczos",
                3 * block(k)
            )));
        }
    } else if sigma.is_none() && auto && !complete {
        let nearest_zero = which == Which::SM || matches!(which, Which::SA | Which::SR) && definite;
        if nearest_zero && facts.null_components.1 > 0 {
            notes.push("no shift to 0: A is singular".into());
        } else if nearest_zero {
            notes.push(match which {
                Which::SM => "shift 0: the smallest moduli are the nearest to it".into(),
                _ => {
                    "shift 0: A is positive definite by its diagonal, so the smallest are the nearest to 0".to_string()
                }
            });
            (sigma, which_of_action) = (Some(0.0), Which::LM);
        }
    }
    let preconditioner = match &options.preconditioner {
        Precond::Auto if id == "lobpcg" => {
            let (chosen, why) = if smallest && positive && facts.m_matrix && n >= MULTIGRID_FROM {
                (Precond::Amg(AmgSettings::default()), "no off-diagonal entry is positive")
            } else if smallest && positive && !facts.constant_diagonal {
                (Precond::Jacobi, "the diagonal is positive")
            } else {
                (Precond::None, "M approximates the inverse, which helps the smallest eigenvalues")
            };
            notes.push(format!("preconditioner {chosen}: {why}"));
            chosen
        }
        asked => asked.clone(),
    };
    let subspace = match options.subspace {
        Some(m) => m.min(n),
        None if complete => n,
        None if sigma.is_some() => (2 * k + 10).max(20).min(n),
        // Eigenvalues of matrices far from normal move slowly: more columns.
        None if !facts.symmetric() => (2 * k + 30).max(60).min(n),
        None => (2 * k + 20).max(40).min(n),
    };
    if id == "lanczos" || id == "arnoldi" {
        let all = if subspace == n { ", as many as A has rows" } else { "" };
        notes.push(format!("basis of {subspace} columns{all}"));
    }
    // The largest modulus of a semidefinite A is the largest value.
    let end = if which == Which::LM && semidefinite { Which::LA } else { which };
    let ends = matches!(end, Which::LA | Which::LR | Which::SA | Which::SR);
    let filter = auto && id == "lanczos" && ends && sigma.is_none() && options.mass.is_none() && n >= FILTER_FROM;
    if filter {
        which_of_action = end;
        notes.push(format!("after the first cycle a Chebyshev polynomial of A: n >= {FILTER_FROM}"));
    }
    Ok(Choice { method, which: which_of_action, sigma, preconditioner, subspace, filter })
}

/// Columns of a block for k pairs: some more, because the last of a block converge slowly.
pub(super) fn block(k: usize) -> usize {
    k + (k / 4).clamp(2, 8)
}
