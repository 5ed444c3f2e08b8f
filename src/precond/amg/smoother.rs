//! The smoother of a level: set up on the host, then written as operations.

use super::hierarchy::Purpose;
use super::settings::Smoothing;
use crate::error::{Error, Result};
use crate::host::scale::ldexp;
use crate::matrix::order::colouring;
use crate::matrix::{Csr, Matrix, Triangular, halves, split};
use crate::op::{Combination, Operator, Program, Role, Space, Vector};
use crate::precond::polynomial::Polynomial;
use crate::precond::triangles::Solve;
use crate::precond::{Updates, diagonal::Diagonal, spectrum};
use std::sync::Arc;

/// Steps of Lanczos' process for λmax.
const LANCZOS: usize = 8;

/// Rows of a block, which a Gauss–Seidel sweep relaxes one by one, with blocks of one colour in parallel: enough rows
/// to be worth a thread, and for the order of the blocks to matter little.
const BLOCK: u32 = 1024;

/// Upper bound on ω λmax(DA).
const SAFE: f64 = 1.9;

/// A smoother of one level in f64.
pub(super) struct Smoother {
    pub(super) kind: Smoothing,
    /// D ≈ A⁻¹.
    pub(super) inverse: Vec<f64>,
    /// λmax(diag(A)⁻¹A), which interpolation needs as well.
    pub(super) rho: f64,
    /// ω of a damped step with D.
    omega: f64,
    triangles: Option<Halves>,
}

/// L + D and D + U of A = L + D + U, triangles under an order of blocks.
struct Halves {
    lower: Arc<Triangular>,
    upper: Arc<Triangular>,
}

impl Smoother {
    /// `finest`: the rows of `a` are the user's, so that an error can name one. Where ranks share `a`, all call this together.
    pub(super) fn new(a: &Matrix, purpose: &Purpose, finest: bool) -> Result<Self> {
        let Purpose { settings, symmetric, definite, halt, .. } = purpose;
        let (symmetric, definite) = (*symmetric, *definite);
        let rows = a.stored_rows().expect("levels have entries");
        let diagonal = Diagonal::of_any(a);
        if let Some(row) = a.agreed(diagonal.first_skipped.filter(|_| finest)) {
            return Err(Error::Preconditioner {
                row,
                message: "the diagonal entry is zero or missing; amg smooths with the diagonal".into(),
            });
        }
        if let Some(row) = a.agreed(diagonal.first_negative().filter(|_| definite && finest)) {
            return Err(Error::Preconditioner {
                row,
                message: "the diagonal entry is negative; this method wants a positive definite preconditioner".into(),
            });
        }
        let rho = spectrum::largest(a, &diagonal.inverse, symmetric, LANCZOS, halt)?;
        if !rho.is_finite() {
            return Err(Error::Preconditioner { row: 0, message: "the matrix leaves f64's range when scaled".into() });
        }
        let kind = settings.smoother;
        let (mut inverse, mut triangles) = (diagonal.inverse, None);
        let sums = |f: fn(f64) -> f64| {
            (0..rows.rows()).map(|i| rows.row(i).1.iter().map(|&v| f(v)).sum()).collect::<Vec<f64>>()
        };
        match kind {
            Smoothing::Chebyshev => {}
            // With the diagonal's sign; a row of zeros keeps its entry of D.
            Smoothing::L1Jacobi => inverse.iter_mut().zip(sums(f64::abs)).filter(|e| e.1 > 0.0).for_each(|(d, s)| {
                *d = d.signum() / s;
            }),
            Smoothing::Spai0 => inverse.iter_mut().zip(sums(|v| v * v)).filter(|e| e.1 > 0.0).for_each(|(d, s)| {
                *d = 1.0 / (*d * s);
            }),
            Smoothing::GaussSeidel if a.parted().is_some() => {
                return Err(Error::input(
                    "amg's gauss_seidel relaxes rows that depend on each other's; ranks take chebyshev",
                ));
            }
            Smoothing::GaussSeidel => triangles = Some(Halves::new(rows, &inverse)),
        }
        let mut omega = 1.0;
        if kind == Smoothing::Spai0 {
            // The definition does not bound λmax(DA) by 2, beyond which the step would amplify errors.
            let largest = spectrum::largest(a, &inverse, symmetric, LANCZOS, halt)?;
            omega = (SAFE / largest.max(f64::MIN_POSITIVE)).min(1.0);
        }
        Ok(Self { kind, inverse, rho: if rho > 0.0 { rho } else { 1.0 }, omega, triangles })
    }

    /// Bytes kept on the device besides A, with numbers of `size` bytes.
    pub(super) fn bytes(&self, size: usize) -> usize {
        let bytes = |a: &Csr| (size + 4) * a.nnz() + 4 * (a.rows() + 1);
        let halves = self.triangles.as_ref().map(|h| bytes(h.lower.strict()) + bytes(h.upper.strict()));
        let diagonals = if halves.is_some() { 2 } else { 1 };
        halves.unwrap_or(0) + diagonals * size * self.inverse.len()
    }

    /// D of the triangles, in the units of the device.
    fn diagonal(&self, exponent: i32) -> Vec<f64> {
        self.inverse.iter().map(|&v| ldexp(1.0 / v, exponent)).collect()
    }

    /// A description for the plan.
    pub(super) fn describe(&self, degree: usize) -> String {
        match self.kind {
            Smoothing::Chebyshev => format!("chebyshev {degree} on lambda_max {:.3}", self.rho),
            kind => kind.to_string(),
        }
    }
}

impl Halves {
    fn new(a: &Csr, inverse: &[f64]) -> Self {
        let blocks = colouring::blocks(a, BLOCK);
        let strict = split(a, Some(&blocks));
        let [lower, upper] = halves(strict, [inverse.to_vec(), inverse.to_vec()], Some(blocks));
        Self { lower, upper }
    }
}

/// The smoother in a space.
pub(super) enum Installed {
    /// With A and D.
    Products { a: Operator, inverse: Vector, polynomial: Polynomial },
    /// With the triangles L + D and D + U; L and U serve the products as well.
    Triangles { lower: Solve, upper: Solve, strict: [Operator; 2], t: Vector, inexact: Option<Inexact> },
}

/// The extra vectors needed if Jacobi sweeps replace the solves.
pub(super) struct Inexact {
    diagonal: Vector,
    s: Vector,
}

impl Installed {
    pub(super) fn new(space: &mut Space, a: &Matrix, s: &Smoother, degree: usize, exponent: i32, role: Role) -> Self {
        if let Some(h) = &s.triangles {
            let lower = Solve::new(space, "L+D", &h.lower, exponent, role, None);
            let upper = Solve::new(space, "D+U", &h.upper, exponent, role, None);
            let mut strict = |name, t: &Triangular| space.operator(name, t.strict_shared(), exponent, role);
            let strict = [strict("L", &h.lower), strict("U", &h.upper)];
            let inexact = !(lower.is_exact() && upper.is_exact());
            let inexact = inexact.then(|| Inexact {
                diagonal: space.constant_in(role, "diagonal", Arc::new(s.diagonal(exponent))),
                s: space.vector_in(role, "s", a.rows()),
            });
            return Self::Triangles { lower, upper, strict, t: space.vector_in(role, "t", a.rows()), inexact };
        }
        let a = space.operator("A", a.clone(), exponent, role);
        let scaled = s.inverse.iter().map(|&v| ldexp(v, -exponent)).collect();
        let inverse = space.constant_in(role, "inverse_diagonal", Arc::new(scaled));
        let polynomial = match s.kind {
            Smoothing::Chebyshev => Polynomial::new(space, role, a, inverse, s.rho, degree),
            _ => Polynomial::damped(space, role, a, inverse, s.omega),
        };
        Self::Products { a, inverse, polynomial }
    }

    /// A work vector of the level's size, free between sweeps.
    pub(super) fn room(&self) -> Vector {
        match self {
            Self::Products { polynomial, .. } => polynomial.t,
            Self::Triangles { t, .. } => *t,
        }
    }

    /// x ≈ A⁻¹ b from zero.
    pub(super) fn start(&self, p: &mut Program, b: Vector, x: Vector) {
        match self {
            Self::Products { polynomial, .. } => polynomial.start(p, b, x),
            Self::Triangles { lower, .. } => lower.emit(p, b, x),
        }
    }

    /// t = b − A x after [`Installed::start`].
    pub(super) fn residual(&self, p: &mut Program, b: Vector, x: Vector, t: Vector) {
        match self {
            Self::Products { a, .. } => {
                p.apply(*a, x, t);
                p.assign(t, Combination::default().plus(1.0, b).plus(-1.0, t));
            }
            // (L + D) x = b, so that b − A x = −U x.
            Self::Triangles { strict: [_, u], inexact: None, .. } => {
                p.apply(*u, x, t);
                p.scale(-1.0, t, t);
            }
            Self::Triangles { strict, inexact: Some(inexact), .. } => inexact.residual(p, *strict, b, x, t),
        }
    }

    /// z = x improved: the adjoint of `start`, so that the cycle is symmetric. z may have another number type.
    pub(super) fn improve(&self, p: &mut Program, b: Vector, x: Vector, z: Vector) {
        match self {
            Self::Products { polynomial, .. } => polynomial.improve(p, b, x, z),
            // x + (D + U)⁻¹ (b − A x) = (D + U)⁻¹ (b − L x).
            Self::Triangles { upper, strict: [l, _], t, inexact: None, .. } => {
                p.apply(*l, x, *t);
                p.assign(*t, Combination::default().plus(1.0, b).plus(-1.0, *t));
                upper.emit(p, *t, x);
                p.copy(x, z);
            }
            Self::Triangles { upper, strict, t, inexact: Some(inexact), .. } => {
                inexact.residual(p, *strict, b, x, *t);
                upper.emit(p, *t, inexact.s);
                p.assign(z, Combination::default().plus(1.0, x).plus(1.0, inexact.s));
            }
        }
    }

    /// Replaces the matrix by one of the same pattern.
    pub(super) fn refresh(&mut self, matrix: &Matrix, s: &Smoother, exponent: i32, updates: &mut Updates) {
        match self {
            Self::Products { a, inverse, polynomial } => {
                match s.kind {
                    Smoothing::Chebyshev => polynomial.set_rho(s.rho),
                    _ => polynomial.set_damping(s.omega),
                }
                updates.vectors.push((*inverse, s.inverse.iter().map(|&v| ldexp(v, -exponent)).collect()));
                updates.operators.push((*a, Arc::clone(matrix.entries().expect("of one process")), exponent));
            }
            Self::Triangles { lower, upper, strict, inexact, .. } => {
                let h = s.triangles.as_ref().expect("the kind of a smoother stays");
                lower.refresh(&h.lower, exponent, updates);
                upper.refresh(&h.upper, exponent, updates);
                let anew = [&h.lower, &h.upper].map(|t| t.strict_shared());
                updates.operators.extend(strict.iter().zip(anew).map(|(&o, a)| (o, a, exponent)));
                updates.vectors.extend(inexact.as_ref().map(|i| (i.diagonal, s.diagonal(exponent))));
            }
        }
    }
}

impl Inexact {
    /// t = b − L x − U x − D x.
    fn residual(&self, p: &mut Program, [l, u]: [Operator; 2], b: Vector, x: Vector, t: Vector) {
        p.apply(l, x, t);
        p.apply(u, x, self.s);
        let sum = Combination::default().plus(1.0, b).plus(-1.0, t).plus(-1.0, self.s);
        p.assign(t, sum.plus_product(-1.0, self.diagonal, x));
    }
}
