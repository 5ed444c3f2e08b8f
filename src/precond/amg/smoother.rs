//! What smooths a level: set up on the host, then written as operations.

use super::settings::{AmgSettings, Smoothing};
use crate::error::{Error, Result};
use crate::matrix::{Csr, Triangular};
use crate::op::{Combination, Operator, Program, Role, Space, Vector};
use crate::precond::polynomial::Polynomial;
use crate::precond::triangles::Solve;
use crate::precond::{Updates, diagonal::Diagonal, spectrum};
use crate::scale::ldexp;
use std::sync::Arc;

/// Steps of Lanczos' process for λmax.
const LANCZOS: usize = 8;

/// Parts of the rows that a sweep of Gauss–Seidel takes side by side: fixed, so that threads change no bit.
const PARTS: usize = 16;

/// ω λmax(DA) at most.
const SAFE: f64 = 1.9;

/// Rows a part at least.
const PART_ROWS: usize = 1024;

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

/// A = M_L + (A − M_L) = M_U + (A − M_U), M_L lower and M_U upper triangular within each part.
struct Halves {
    lower: Arc<Triangular>,
    upper: Arc<Triangular>,
    beside_lower: Arc<Csr>,
    beside_upper: Arc<Csr>,
}

impl Smoother {
    /// `finest` says that a row of `a` is the user's, and worth naming.
    pub(super) fn new(a: &Csr, settings: &AmgSettings, symmetric: bool, definite: bool, finest: bool) -> Result<Self> {
        let diagonal = Diagonal::of(a);
        if let Some(row) = diagonal.first_skipped.filter(|_| finest) {
            return Err(Error::Preconditioner {
                row,
                message: "the diagonal entry is zero or missing; amg smooths with the diagonal".into(),
            });
        }
        if definite
            && finest
            && let Some(row) = diagonal.inverse.iter().position(|&d| d < 0.0)
        {
            return Err(Error::Preconditioner {
                row,
                message: "the diagonal entry is negative; this method wants a positive definite preconditioner".into(),
            });
        }
        let rho = spectrum::largest(a, &diagonal.inverse, symmetric, LANCZOS);
        if !rho.is_finite() {
            return Err(Error::Preconditioner { row: 0, message: "the matrix leaves f64's range when scaled".into() });
        }
        let kind = settings.smoother;
        let (mut inverse, mut triangles) = (diagonal.inverse, None);
        let sums =
            |f: fn(f64) -> f64| (0..a.rows()).map(|i| a.row(i).1.iter().map(|&v| f(v)).sum()).collect::<Vec<f64>>();
        match kind {
            Smoothing::Chebyshev => {}
            // The diagonal's sign; a row of zeros keeps its one.
            Smoothing::L1Jacobi => inverse.iter_mut().zip(sums(f64::abs)).filter(|e| e.1 > 0.0).for_each(|(d, s)| {
                *d = d.signum() / s;
            }),
            Smoothing::Spai0 => inverse.iter_mut().zip(sums(|v| v * v)).filter(|e| e.1 > 0.0).for_each(|(d, s)| {
                *d = 1.0 / (*d * s);
            }),
            Smoothing::GaussSeidel => triangles = Some(Halves::new(a, &inverse)),
        }
        let mut omega = 1.0;
        if kind == Smoothing::Spai0 {
            // Nothing in the definition bounds λmax(DA) by 2, where the step would amplify.
            omega = (SAFE / spectrum::largest(a, &inverse, symmetric, LANCZOS).max(f64::MIN_POSITIVE)).min(1.0);
        }
        Ok(Self { kind, inverse, rho: if rho > 0.0 { rho } else { 1.0 }, omega, triangles })
    }

    /// Bytes kept on the device beside A, numbers of `size` bytes.
    pub(super) fn bytes(&self, size: usize) -> usize {
        let bytes = |a: &Csr| (size + 4) * a.nnz() + 4 * (a.rows() + 1);
        let halves = self.triangles.as_ref().map(|h| {
            let triangles = [&h.lower, &h.upper].map(|t| bytes(t.strict()) + size * t.rows());
            triangles.into_iter().chain([&h.beside_lower, &h.beside_upper].map(|a| bytes(a))).sum()
        });
        halves.unwrap_or(size * self.inverse.len())
    }

    /// What a print-out says.
    pub(super) fn describe(&self, degree: usize) -> String {
        match self.kind {
            Smoothing::Chebyshev => format!("chebyshev {degree} on lambda_max {:.3}", self.rho),
            kind => kind.to_string(),
        }
    }
}

impl Halves {
    fn new(a: &Csr, inverse: &[f64]) -> Self {
        let n = a.rows();
        let rows = n.div_ceil(PARTS).max(PART_ROWS);
        // What other parts hold of a row goes to the diagonal, half of it: enough for M + Mᵀ − A to be positive definite
        // where A is, so that the sweep converges however many parts there are.
        let diagonal: Vec<f64> = (0..n)
            .map(|i| {
                let (columns, values) = a.row(i);
                let outside = columns.iter().zip(values).filter(|e| *e.0 as usize / rows != i / rows);
                let d = 1.0 / inverse[i];
                d + 0.5 * d.signum() * outside.map(|e| e.1.abs()).sum::<f64>()
            })
            .collect();
        let half = |upper: bool| {
            let inside = |i: usize, j: usize| i / rows == j / rows && if upper { j > i } else { j < i };
            let mut strict = (vec![0], vec![], vec![]);
            let mut beside = (vec![0], vec![], vec![]);
            for i in 0..n {
                let (columns, values) = a.row(i);
                // A diagonal that stays as it is cancels.
                let whole = columns.iter().all(|&j| j as usize / rows == i / rows);
                for (&j, &v) in columns.iter().zip(values) {
                    let (part, value) = match j as usize {
                        j if inside(i, j) => (&mut strict, v),
                        j if j == i && whole => continue,
                        j if j == i => (&mut beside, v - diagonal[i]),
                        _ => (&mut beside, v),
                    };
                    part.1.push(j);
                    part.2.push(value);
                }
                strict.0.push(strict.1.len());
                beside.0.push(beside.1.len());
            }
            let inverse = diagonal.iter().map(|d| 1.0 / d).collect();
            let strict = Csr::trusted(n, n, strict.0, strict.1, strict.2);
            let triangle = Triangular::new(strict, inverse, upper);
            (Arc::new(triangle), Arc::new(Csr::trusted(n, n, beside.0, beside.1, beside.2)))
        };
        let ((lower, beside_lower), (upper, beside_upper)) = (half(false), half(true));
        Self { lower, upper, beside_lower, beside_upper }
    }
}

/// The smoother in a space.
pub(super) enum Installed {
    /// With A and D.
    Products { a: Operator, inverse: Vector, polynomial: Polynomial },
    /// With what stands beside the triangles.
    Triangles { lower: Solve, upper: Solve, beside_lower: Operator, beside_upper: Operator, t: Vector },
}

impl Installed {
    pub(super) fn new(space: &mut Space, a: &Arc<Csr>, s: &Smoother, degree: usize, exponent: i32, role: Role) -> Self {
        if let Some(h) = &s.triangles {
            let t = space.vector_in(role, "t", a.rows());
            return Self::Triangles {
                lower: Solve::new(space, "L", &h.lower, exponent, role, None),
                upper: Solve::new(space, "U", &h.upper, exponent, role, None),
                beside_lower: space.operator("A-L", Arc::clone(&h.beside_lower), exponent, role),
                beside_upper: space.operator("A-U", Arc::clone(&h.beside_upper), exponent, role),
                t,
            };
        }
        let a = space.operator("A", Arc::clone(a), exponent, role);
        let scaled = s.inverse.iter().map(|&v| ldexp(v, -exponent)).collect();
        let inverse = space.constant_in(role, "inverse_diagonal", Arc::new(scaled));
        let polynomial = match s.kind {
            Smoothing::Chebyshev => Polynomial::new(space, role, a, inverse, s.rho, degree),
            _ => Polynomial::damped(space, role, a, inverse, s.omega),
        };
        Self::Products { a, inverse, polynomial }
    }

    /// Room of the level's size, free between sweeps.
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

    /// t = b − A x behind [`Installed::start`].
    pub(super) fn residual(&self, p: &mut Program, b: Vector, x: Vector, t: Vector) {
        match self {
            Self::Products { a, .. } => {
                p.apply(*a, x, t);
                p.assign(t, Combination::default().plus(1.0, b).plus(-1.0, t));
            }
            // M_L x = b, so that b − A x = −(A − M_L) x.
            Self::Triangles { beside_lower, .. } => {
                p.apply(*beside_lower, x, t);
                p.scale(-1.0, t, t);
            }
        }
    }

    /// z = x improved: the adjoint of `start`, so that the cycle is symmetric. z may be of another number type.
    pub(super) fn improve(&self, p: &mut Program, b: Vector, x: Vector, z: Vector) {
        match self {
            Self::Products { polynomial, .. } => polynomial.improve(p, b, x, z),
            // x + M_U⁻¹ (b − A x) = M_U⁻¹ (b − (A − M_U) x).
            Self::Triangles { upper, beside_upper, t, .. } => {
                p.apply(*beside_upper, x, *t);
                p.assign(*t, Combination::default().plus(1.0, b).plus(-1.0, *t));
                upper.emit(p, *t, x);
                p.copy(x, z);
            }
        }
    }

    /// A matrix of the same pattern takes the place of the one before.
    pub(super) fn refresh(&mut self, matrix: &Arc<Csr>, s: &Smoother, exponent: i32, updates: &mut Updates) {
        match self {
            Self::Products { a, inverse, polynomial } => {
                match s.kind {
                    Smoothing::Chebyshev => polynomial.set_rho(s.rho),
                    _ => polynomial.set_damping(s.omega),
                }
                updates.vectors.push((*inverse, s.inverse.iter().map(|&v| ldexp(v, -exponent)).collect()));
                updates.operators.push((*a, Arc::clone(matrix), exponent));
            }
            Self::Triangles { lower, upper, beside_lower, beside_upper, .. } => {
                let h = s.triangles.as_ref().expect("the kind of a smoother stays");
                lower.refresh(&h.lower, exponent, updates);
                upper.refresh(&h.upper, exponent, updates);
                updates.operators.push((*beside_lower, Arc::clone(&h.beside_lower), exponent));
                updates.operators.push((*beside_upper, Arc::clone(&h.beside_upper), exponent));
            }
        }
    }
}
