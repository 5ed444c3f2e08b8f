//! Which method, with what: each choice with its reason.

use super::options::{EigenOptions, Which};
use super::pencil::{Mass, Pencil};
use super::registry::{EigenMethodEntry, by_name};
use super::shift::{self, Shift, Solves};
use crate::error::{Error, Result};
use crate::host::memory;
use crate::precond::AmgSettings;
use crate::precond::registry::Precond;
use faer::c64;

/// Up to this order a basis of all n columns, or a dense method, is cheap enough.
const COMPLETE: usize = 200;

/// Up to this order a dense method replaces a requested method whose block does not fit.
const DENSE: usize = 2_500;

/// Up to this order a dense method takes what no Krylov method can.
const WHOLE: usize = 1_000;

/// From this order on multigrid pays for the smallest eigenvalues.
const MULTIGRID_FROM: usize = 2_000;

/// From this order on a step's orthogonalisation costs more than the products of a polynomial.
const FILTER_FROM: usize = 5_000;

/// An automatically chosen shift is moved if the condition number of A − σB exceeds this.
const NEAR: f64 = 1e13;

/// The operator that a method iterates with.
#[derive(Clone)]
pub(super) enum Acts {
    /// A.
    Product,
    /// −iA of a complex problem.
    Turned,
    /// (A − σB)⁻¹ B.
    Shift(Shift),
    /// B⁻¹A.
    Mass(Solves),
}

/// What was chosen.
pub(super) struct Choice {
    pub(super) method: &'static EigenMethodEntry,
    /// Which of the action's eigenvalues.
    pub(super) which: Which,
    pub(super) acts: Acts,
    /// Real vectors that the method looks for.
    pub(super) k: usize,
    pub(super) preconditioner: Precond,
    pub(super) subspace: usize,
    /// Cycles after the first use a Chebyshev polynomial of A.
    pub(super) filter: bool,
    /// The plan set the shift, not the user.
    pub(super) own_shift: bool,
}

impl Choice {
    pub(super) fn shift(&self) -> Option<&Shift> {
        if let Acts::Shift(shift) = &self.acts { Some(shift) } else { None }
    }
}

/// The end that is meant: SA and LA of a nonsymmetric problem are SR and LR.
pub(super) fn meant(p: &Pencil, options: &EigenOptions, warnings: &mut Vec<String>) -> Result<Which> {
    let which = options.which;
    if p.symmetric() {
        return Ok(which);
    }
    let taken = match which {
        Which::LA => Which::LR,
        Which::SA => Which::SR,
        Which::BE => return Err(Error::input("BE is for symmetric problems; this one is not symmetric")),
        other => return Ok(other),
    };
    warnings.push(format!("{which} is for symmetric problems; {taken} was taken: this one is not symmetric"));
    Ok(taken)
}

/// True if a dense method is to be used at once.
pub(super) fn small(p: &Pencil, options: &EigenOptions, on_host: bool) -> bool {
    let beyond_plain = p.b.is_some() || p.complex || options.sigma.is_some() || options.skip_null;
    let stored = p.a.entries().is_some() && options.inverse.is_none();
    let Ok(method) = by_name(&options.method) else {
        // Auto.
        return stored && p.n() <= COMPLETE && options.subspace.is_none() && (p.complex || beyond_plain && on_host);
    };
    let fills = || method.preconditioned && 3 * block(options.k * p.parts()) > p.n();
    method.build.is_none() || stored && p.n() <= DENSE && fills()
}

/// What a dense method needs: entries, and memory for matrices of order n.
pub(super) fn check_dense(p: &Pencil) -> Result<()> {
    if p.a.entries().is_none() {
        return Err(Error::input("the method dense needs the entries of A; an operator has none"));
    }
    let n = p.n() as u64;
    memory::check(|| format!("the method dense for order {n}"), 64 * n * n, None, None)
}

/// What is chosen for a method on a device; `None` where only a dense method finds what is wanted.
pub(super) fn choose(
    p: &Pencil,
    options: &EigenOptions,
    which: Which,
    notes: &mut Vec<String>,
) -> Result<Option<Choice>> {
    let (n, facts) = (p.n(), &p.facts);
    let k = (options.k * p.parts()).min(p.finite);
    let symmetric = p.symmetric();
    let (positive, negative, zero) = facts.diagonal;
    let positive = positive > 0 && negative == 0 && zero == 0;
    // By Gershgorin's circles no eigenvalue is negative; and none is zero if rows are strictly dominant, or if each
    // component of a matrix without positive off-diagonal entries has such a row.
    let semidefinite = symmetric && positive && facts.dominance <= 1.0 + 1e-12;
    let definite = semidefinite && (facts.dominance < 1.0 - 1e-12 || facts.m_matrix && facts.null_components.1 == 0);
    let complete = options.subspace.is_none() && n <= COMPLETE;
    let auto = options.method == "auto";
    let mut which_of_action = which;
    // Estimated number of systems to be solved.
    let solves = 3 * k + 20;

    // No off-diagonal entry is positive: what multigrid is made for.
    let smallest = matches!(which, Which::SA | Which::SR) || which == Which::SM && semidefinite;
    let multigrid = smallest
        && facts.m_matrix
        && positive
        && symmetric
        && !p.complex
        && p.mass != Mass::Semidefinite
        && !options.skip_null
        && options.sigma.is_none()
        && n >= MULTIGRID_FROM
        && 5 * block(k) <= n
        && (!auto || shift::multigrid_pays(p, block(k), solves, options));
    let id = if !auto {
        notes.push(format!("method {}: as asked", options.method));
        options.method.as_str()
    } else if !symmetric || options.sigma_im != 0.0 {
        notes.push(match facts.asymmetry {
            Some((i, j)) => format!("method arnoldi: A is not symmetric (entry ({i}, {j}))"),
            None => "method arnoldi: the problem is not symmetric".into(),
        });
        "arnoldi"
    } else if multigrid {
        notes.push("method lobpcg: smallest eigenvalues, where multigrid is less work than factors".into());
        if which == Which::SM {
            notes.push("SA for SM: A is semidefinite by its diagonal".into());
        }
        "lobpcg"
    } else {
        notes.push("method lanczos: the problem is symmetric".into());
        "lanczos"
    };
    let method = by_name(id)?;
    if method.symmetric && facts.symmetric() && p.mass == Mass::General {
        return Err(Error::input(format!("{id} needs a symmetric positive definite B; use arnoldi")));
    }
    let mut sigma = options.sigma.map(|re| c64::new(re, options.sigma_im));
    if method.inverse && sigma.is_none() {
        sigma = Some(c64::new(0.0, 0.0));
    }
    if method.single && options.k > 1 {
        return Err(Error::input(format!("{id} finds one pair; use lanczos or arnoldi for {}", options.k)));
    }
    if method.dominant && (which != Which::LM || sigma.is_some()) {
        return Err(Error::input(
            "power finds the eigenvalue of largest modulus; use inverse with a shift, or lanczos",
        ));
    }
    let mut acts = Acts::Product;
    let mut own_shift = false;
    if method.preconditioned {
        if which == Which::SM && semidefinite {
            which_of_action = Which::SA;
        } else if !matches!(which, Which::SA | Which::LA | Which::SR | Which::LR) || sigma.is_some() {
            return Err(Error::input(
                "lobpcg finds the largest or smallest eigenvalues: which is LA or SA, without a shift",
            ));
        }
        if p.mass == Mass::Semidefinite {
            return Err(Error::input("lobpcg needs a positive definite B; this one is singular"));
        }
        if 3 * block(k) > n {
            return Err(Error::input(format!(
                "lobpcg keeps {} vectors for {k} pairs; a matrix of order {n} is for lanczos",
                3 * block(k)
            )));
        }
    } else if let Some(sigma) = sigma {
        acts = Acts::Shift(Shift::at(p, sigma, solves, options, notes)?);
    } else if options.skip_null {
        let Some(shift) = beyond_null(p, symmetric, solves, options, notes)? else {
            return whole(p, options, notes, "A is indefinite, so eigenvalues lie on both sides of its null space");
        };
        (acts, which_of_action, own_shift) = (Acts::Shift(shift), Which::LA, true);
    } else if auto
        && (!complete || p.b.is_some())
        && let Some(shift) = near_zero(p, which, [semidefinite, definite], solves, options, notes)?
    {
        (acts, which_of_action, own_shift) = (Acts::Shift(shift), Which::LM, true);
    }
    if matches!(acts, Acts::Product) && !method.preconditioned {
        if p.singular {
            return whole(p, options, notes, "B is singular, so the largest eigenvalues are infinite");
        } else if p.b.is_some() {
            acts = Acts::Mass(Shift::mass(p, solves, options, notes)?);
        } else if p.complex && matches!(which, Which::LI | Which::SI) && p.a.entries().is_some() {
            acts = Acts::Turned;
            which_of_action = if which == Which::LI { Which::LR } else { Which::SR };
        }
    }
    let preconditioner = match &options.preconditioner {
        Precond::Auto if method.preconditioned => {
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
    // Near a shift that was moved, other eigenvalues may lie closer than those nearest to the one asked for.
    let moved = matches!((&acts, sigma), (Acts::Shift(shift), Some(asked)) if shift.sigma != asked);
    let k = if moved { (k + 2 * p.parts()).min(p.finite) } else { k };
    let subspace = match options.subspace {
        Some(m) => m.max(k + 3).min(n),
        None if complete => n,
        None if matches!(acts, Acts::Shift(_)) && symmetric => (2 * k + 10).max(20).min(n),
        None if matches!(acts, Acts::Shift(_)) => (3 * k + 20).max(40).min(n),
        // For matrices far from normal convergence is slower: more columns.
        None if !symmetric => (2 * k + 30).max(60).min(n),
        None => (2 * k + 20).max(40).min(n),
    };
    let subspace = subspace.min(p.finite);
    if method.basis {
        let all = if subspace == n { ", as many as A has rows" } else { "" };
        notes.push(format!("basis of {subspace} columns{all}"));
    }
    // The largest modulus of a semidefinite A is the largest value.
    let end = if which == Which::LM && semidefinite { Which::LA } else { which };
    let ends = matches!(end, Which::LA | Which::LR | Which::SA | Which::SR);
    let plain = matches!(acts, Acts::Product) && p.b.is_none() && p.a.entries().is_some();
    let filter = auto && method.basis && method.symmetric && ends && plain && n >= FILTER_FROM;
    if filter {
        which_of_action = end;
        notes.push(format!("after the first cycle a Chebyshev polynomial of A: n >= {FILTER_FROM}"));
    }
    Ok(Some(Choice { method, which: which_of_action, acts, k, preconditioner, subspace, filter, own_shift }))
}

/// True if a dense method may take the place of a Krylov method that was not asked for.
pub(super) fn whole_fits(p: &Pencil, options: &EigenOptions) -> bool {
    p.n() <= WHOLE && options.method == "auto" && p.a.entries().is_some() && options.subspace.is_none()
}

/// A dense method in place of a Krylov method that can't find what is wanted, where the order allows it.
fn whole(p: &Pencil, options: &EigenOptions, notes: &mut Vec<String>, why: &str) -> Result<Option<Choice>> {
    if !whole_fits(p, options) {
        return Err(Error::input(format!("{why}; give a shift near the ones you want")));
    }
    notes.push(format!("a dense method: {why}"));
    Ok(None)
}

/// A shift at or near 0, if that finds what is wanted.
fn near_zero(
    p: &Pencil,
    which: Which,
    [semidefinite, definite]: [bool; 2],
    solves: usize,
    options: &EigenOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Shift>> {
    let zero = c64::new(0.0, 0.0);
    match which {
        Which::SA | Which::SR if p.symmetric() => {
            if let Some(shift) = Shift::below(p, solves, options, notes)? {
                // Nearly singular: move the shift further down, where the matrix is definite too.
                let near = matches!(&shift.solves, Solves::Direct(direct) if direct.condition > NEAR);
                if !near {
                    return Ok(Some(shift));
                }
                return Shift::at(p, c64::new(shift.sigma.re - 1e-8 * p.unit, 0.0), solves, options, notes).map(Some);
            }
            if !definite || p.a.entries().is_none() {
                return Ok(None);
            }
            notes.push("shift 0: A is positive definite by its rows, so the smallest are the nearest to 0".into());
        }
        Which::SM => {
            if semidefinite && p.facts.null_components.1 > 0 {
                if let Some(shift) = Shift::below(p, solves, options, notes)? {
                    return Ok(Some(shift));
                }
                notes.push("no shift to 0: A is singular".into());
                return Ok(None);
            }
            notes.push("shift 0: the smallest moduli are the nearest to it".into());
        }
        _ => return Ok(None),
    }
    let shift = Shift::at(p, zero, solves, options, notes)?;
    match &shift.solves {
        Solves::Direct(direct) if direct.condition > NEAR => {
            notes.push("A is nearly singular: shifted away from 0".into());
            Shift::at(p, c64::new(-1e-8 * p.unit, 0.0), solves, options, notes).map(Some)
        }
        _ => Ok(Some(shift)),
    }
}

/// A shift above the null space and below the eigenvalues that follow, which have the largest 1/(λ − σ); `None` where A
/// is indefinite.
fn beyond_null(
    p: &Pencil,
    symmetric: bool,
    solves: usize,
    options: &EigenOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Shift>> {
    if !symmetric {
        return Err(Error::input("skip_null is for symmetric problems with a positive semidefinite A"));
    }
    let null = p.null_bound(options.bound());
    match shift::definite(p, -null, solves, options)? {
        Some(false) => return Ok(None),
        // Complete factors solve as well beside the null space, so that none beyond it is left out.
        Some(true) => {
            let at = Shift::at(p, c64::new(null, 0.0), solves, options, &mut vec![])?;
            if let Shift { sigma, solves: Solves::Direct(_) } = &at {
                notes.push(format!("shift {}: just beyond the null space, which is left out", shift::show(*sigma)));
                return Ok(Some(at));
            }
        }
        None => {}
    }
    let sigma = c64::new(1e-6 * p.unit, 0.0);
    notes.push(format!("shift {}: beyond the null space, which is left out", shift::show(sigma)));
    Shift::at(p, sigma, solves, options, notes).map(Some)
}

/// Columns of a block for k pairs: a few more than k, because the last of a block converge slowly.
pub(super) fn block(k: usize) -> usize {
    k + (k / 4).clamp(2, 8)
}
