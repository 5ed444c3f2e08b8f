//! (A − σB)⁻¹ and B⁻¹: complete factors if their counted work is less than that of iterations, else a linear solver.

use super::options::EigenOptions;
use super::pencil::{Mass, Pencil};
use crate::analyse::direct::{self, BACKWARD_ERROR, Direct, Refused};
use crate::error::Result;
use crate::host::halt::Halt;
use crate::host::memory;
use crate::host::scale::ldexp;
use crate::matrix::{Csr, LinearOperator, Matrix, Structure};
use crate::options::Options;
use crate::precond::registry::Precond;
use crate::solve::Solver;
use faer::c64;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Iterations that a linear solver is assumed to take for one system by default.
const ITERATIONS: f64 = 300.0;

/// Cost of a multiplication in dense blocks relative to one in a sparse product.
const DENSE: f64 = 0.25;

/// Cost of a multigrid cycle and a product, in products; and assumed number of lobpcg steps with multigrid.
const CYCLE: f64 = 12.0;
const STEPS: f64 = 25.0;

/// Multiplications below which factors are always made.
const CHEAP: f64 = 1e9;

/// Steps away from a σ at which A − σB is singular to working precision, in units of a typical eigenvalue.
const NUDGES: [f64; 4] = [0.0, 1e-14, 1e-11, 1e-8];

/// Steps below 0 at which A − σB is tried for definiteness, in the same units.
const BELOW: [f64; 5] = [0.0, 1e-8, 1e-5, 1e-2, 10.0];

/// What solves a system.
#[derive(Clone)]
pub(super) enum Solves {
    Direct(Arc<Direct>),
    /// The user's own inverse.
    Given(Matrix),
    Iterative(Matrix),
}

/// A shift, and what solves systems with A − σB.
#[derive(Clone)]
pub(super) struct Shift {
    pub(super) sigma: c64,
    pub(super) solves: Solves,
}

/// A solver of inner systems; solutions go to the device times 2^exponent.
pub(super) struct Inner {
    solver: InnerSolver,
    pub(super) exponent: i32,
}

enum InnerSolver {
    Direct(Arc<Direct>),
    Given(Matrix),
    Iterative(Box<Solver>),
}

/// A solution with the iterations it took, or why there is none.
pub(super) type Solution = std::result::Result<(Vec<f64>, usize), String>;

impl Inner {
    /// `halt` interrupts an iterative solve; complete factors take a second or two at most, and are not interrupted.
    pub(super) fn new(solves: &Solves, exponent: i32, options: &EigenOptions, halt: &Halt) -> Result<Self> {
        let solver = match solves {
            Solves::Direct(direct) => InnerSolver::Direct(Arc::clone(direct)),
            Solves::Given(m) => InnerSolver::Given(m.clone()),
            Solves::Iterative(c) => {
                let rtol = (options.bound() * 1e-2).clamp(1e-13, 1e-8);
                // The time limit is for set-ups, during which no callback is called.
                let options = Options { rtol, time_limit: halt.left(), ..options.device() };
                let halt = halt.clone();
                let heard =
                    move |_| if halt.called().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
                InnerSolver::Iterative(Box::new(Solver::new(c, options)?.on_iteration(heard)))
            }
        };
        Ok(Self { solver, exponent })
    }

    /// The plan of the inner solver.
    pub(super) fn plan(&self) -> &[String] {
        match &self.solver {
            InnerSolver::Iterative(solver) => solver.plan(),
            _ => &[],
        }
    }

    /// Solves C x = b. A solution is judged by its backward error: the better the shift, the worse the condition, and
    /// the less the relative residual tells.
    pub(super) async fn solve(&mut self, b: &[f64]) -> Result<Solution> {
        let solution = match &mut self.solver {
            InnerSolver::Direct(direct) => match direct.solve(b) {
                Some((x, error)) if error <= BACKWARD_ERROR => Ok((x, 1)),
                Some((_, error)) => Err(format!("its factors leave a backward error of {error:.1e}")),
                None => Err("its solution is beyond f64".to_string()),
            },
            InnerSolver::Given(m) => {
                let x = m.multiply(b);
                if x.iter().all(|x| x.is_finite()) {
                    Ok((x, 1))
                } else {
                    Err("the inverse you gave is not finite".into())
                }
            }
            InnerSolver::Iterative(solver) => {
                let report = solver.solve_polled(b).await?;
                let (relative, error) = (report.certificate.relative, report.certificate.backward_error);
                if report.reason.is_converged() || relative <= 1e-6 && error <= 1e-10 || error <= BACKWARD_ERROR {
                    Ok((report.x, report.iterations))
                } else {
                    Err(format!("{} with a backward error of {error:.1e}", report.reason))
                }
            }
        };
        Ok(solution.map(|(x, iterations)| (x.iter().map(|&x| ldexp(x, self.exponent)).collect(), iterations)))
    }
}

/// A − σB of an operator.
struct Shifted {
    a: Arc<dyn LinearOperator>,
    b: Option<Arc<Csr>>,
    sigma: f64,
    symmetric: bool,
}

impl LinearOperator for Shifted {
    fn rows(&self) -> usize {
        self.a.rows()
    }
    fn cols(&self) -> usize {
        self.a.cols()
    }
    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        self.a.product(rows.clone(), x, y);
        for (y, i) in y.iter_mut().zip(rows) {
            let dual = self.b.as_ref().map_or(x[i], |b| {
                let (columns, values) = b.row(i);
                columns.iter().zip(values).map(|(&j, v)| v * x[j as usize]).sum()
            });
            *y -= self.sigma * dual;
        }
    }
    fn is_whole(&self) -> bool {
        self.a.is_whole()
    }
    fn may_be_probed(&self) -> bool {
        self.a.may_be_probed()
    }
    fn structure(&self) -> Structure {
        if self.symmetric { Structure::Symmetric } else { Structure::General }
    }
}

/// The cost of factoring C, if that takes less counted work than iterations for `solves` systems and fits in memory.
pub(super) fn affordable(c: &Csr, solves: usize, symmetric: bool, options: &EigenOptions) -> Option<direct::Cost> {
    if !matches!(options.preconditioner, Precond::Auto | Precond::Lu { .. }) {
        return None;
    }
    if !options.time_to_count(c) {
        return None;
    }
    let cost = direct::cost(c);
    if !options.time_to_factor(cost, symmetric) {
        return None;
    }
    let (n, nnz, solves) = (c.rows() as f64, c.nnz() as f64, solves as f64);
    let bytes = 24.0 * cost.entries * if symmetric { 1.0 } else { 2.0 };
    if memory::available(None, options.knobs.memory_share).is_some_and(|free| bytes > 0.5 * free as f64) {
        return None;
    }
    let iterations = solves * ITERATIONS.min(n) * (nnz + 5.0 * n);
    let cheap = cost.operations <= CHEAP || work(cost, solves, symmetric) <= iterations;
    (matches!(options.preconditioner, Precond::Lu { .. }) || cheap).then_some(cost)
}

/// Cost of factors and of `solves` systems, in multiplications of a sparse product.
fn work(cost: direct::Cost, solves: f64, symmetric: bool) -> f64 {
    DENSE * cost.operations * if symmetric { 0.5 } else { 2.0 } + 2.0 * solves * cost.entries
}

/// True if blocks of `block` vectors with multigrid are less counted work than factors of A for `solves` systems.
pub(super) fn multigrid_pays(p: &Pencil, block: usize, solves: usize, options: &EigenOptions) -> bool {
    let Some(a) = p.a.entries() else { return false };
    let Some(cost) = affordable(a, solves, true, options) else { return true };
    let (n, nnz, block) = (a.rows() as f64, a.nnz() as f64, block as f64);
    // A cycle is some ten products; a step orthogonalises a block to three in four passes.
    let step = block * (CYCLE * nnz + 12.0 * block * n);
    STEPS * step < work(cost, solves as f64, true)
}

impl Shift {
    /// Factors of A − σB, or a solver for it, at `sigma`, or near it if A − σB is singular there.
    pub(super) fn at(
        p: &Pencil,
        sigma: c64,
        solves: usize,
        options: &EigenOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        if let Some(inverse) = &options.inverse {
            notes.push("inner systems by the inverse that was given".into());
            return Ok(Self { sigma, solves: Solves::Given(inverse.clone()) });
        }
        if let Matrix::Free(a) = &p.a {
            let (a, b, symmetric) = (Arc::clone(a), p.b.clone(), p.symmetric());
            let c = Matrix::free(Shifted { a, b, sigma: sigma.re, symmetric });
            return Ok(Self { sigma, solves: Solves::Iterative(c) });
        }
        let symmetric = p.symmetric() && sigma.im == 0.0;
        let c = p.shifted(sigma)?;
        let Some(cost) = affordable(&c, solves, symmetric, options) else {
            return Ok(Self { sigma, solves: Solves::Iterative(c.into()) });
        };
        for nudge in NUDGES {
            if nudge > 0.0 && !options.time_to_factor(cost, symmetric) {
                break;
            }
            let moved = c64::new(sigma.re - nudge * p.unit.max(sigma.norm()), sigma.im);
            let at = if nudge == 0.0 { c.clone() } else { p.shifted(moved)? };
            match Direct::new(&at, symmetric, false, p.complex) {
                Ok(direct) => {
                    if nudge > 0.0 {
                        notes.push(format!(
                            "shift moved from {} to {}: {} is singular to working precision there",
                            show(sigma),
                            show(moved),
                            p.shifted_name()
                        ));
                    }
                    notes.push(described(&direct, cost));
                    return Ok(Self { sigma: moved, solves: Solves::Direct(Arc::new(direct)) });
                }
                Err(Refused::Singular) => {}
                Err(_) => break,
            }
        }
        let name = p.shifted_name();
        notes.push(format!("inner systems by iterations: complete factors of {name} were not accurate"));
        Ok(Self { sigma, solves: Solves::Iterative(c.into()) })
    }

    /// A shift below all eigenvalues of a symmetric problem, which the Cholesky factors of A − σB prove; `None` where
    /// none is found near 0 or factors cost too much.
    pub(super) fn below(
        p: &Pencil,
        solves: usize,
        options: &EigenOptions,
        notes: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        if p.a.entries().is_none() || !p.symmetric() {
            return Ok(None);
        }
        let Some(cost) = affordable(&p.shifted(c64::new(0.0, 0.0))?, solves, true, options) else { return Ok(None) };
        let steps = if p.b.is_some() { 5 } else { 4 };
        for step in &BELOW[..steps] {
            if !options.time_to_factor(cost, true) {
                break;
            }
            let sigma = c64::new(-step * p.unit, 0.0);
            if let Ok(direct) = Direct::new(&p.shifted(sigma)?, true, true, p.complex) {
                notes.push(format!(
                    "shift {}: below all eigenvalues, as the Cholesky factors of {} prove",
                    show(sigma),
                    p.shifted_name()
                ));
                notes.push(described(&direct, cost));
                return Ok(Some(Self { sigma, solves: Solves::Direct(Arc::new(direct)) }));
            }
        }
        Ok(None)
    }

    /// B⁻¹.
    pub(super) fn mass(p: &Pencil, solves: usize, options: &EigenOptions, notes: &mut Vec<String>) -> Result<Solves> {
        let b = p.b.as_ref().expect("asked of a problem with B");
        let symmetric = p.mass == Mass::Definite;
        if let Some(cost) = affordable(b, solves, symmetric, options)
            && let Ok(direct) = Direct::new(b, symmetric, false, p.complex)
        {
            notes.push(format!("B: {}", described(&direct, cost)));
            return Ok(Solves::Direct(Arc::new(direct)));
        }
        Ok(Solves::Iterative(b.into()))
    }
}

/// Whether the symmetric A − σB is positive definite; `None` where factors cost too much to tell.
pub(super) fn definite(p: &Pencil, sigma: f64, solves: usize, options: &EigenOptions) -> Result<Option<bool>> {
    if p.a.entries().is_none() {
        return Ok(None);
    }
    let c = p.shifted(c64::new(sigma, 0.0))?;
    Ok(affordable(&c, solves, true, options).and_then(|_| match Direct::new(&c, true, true, p.complex) {
        Ok(_) => Some(true),
        Err(Refused::Indefinite) => Some(false),
        Err(_) => None,
    }))
}

fn described(direct: &Direct, cost: direct::Cost) -> String {
    format!(
        "inner systems by {} factors: {:.1e} multiplications, condition {:.1e}",
        direct.name, cost.operations, direct.condition
    )
}

/// A shift as text.
pub(super) fn show(sigma: c64) -> String {
    super::Eigenvalue { re: sigma.re + 0.0, im: sigma.im + 0.0 }.within(1e-6 * sigma.norm())
}
