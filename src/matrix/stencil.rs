//! −∇·(c ∇u) on a grid without a stored matrix: the shipped example of an operator.
//!
//! Interior points of the unit square or cube, k per side, x fastest, Dirichlet boundaries, scaled by h²; the
//! coefficient is given at the points, and its harmonic mean couples two neighbours (as for the flux through two
//! layers in series). With c = 1 this is the 5- or 7-point Laplacian. A product reads c once: 8 bytes per row,
//! where the stored matrix takes 60 to 84.

use super::operator::{LinearOperator, RowShader, Structure};
use super::{Csr, Triplets};
use crate::error::{Error, Result};
use std::ops::Range;

/// [`LinearOperator::product`] in WGSL, for GPUs.
const ROW: &str = r"
fn between(a: number, b: number) -> number {
    let small = min(a, b);
    return number(2.0) * small / (number(1.0) + small / max(a, b));
}

fn row_product(i: u32) -> number {
    let own = data_at(i);
    var diagonal = number(0.0);
    var sum = number(0.0);
    var stride = 1u;
    var rest = i;
    for (var d = 0u; d < DIMENSIONS; d += 1u) {
        let at = rest % SIDE;
        rest /= SIDE;
        var low = own;
        if (at > 0u) {
            low = between(own, data_at(i - stride));
            sum += low * x_at(i - stride);
        }
        var high = own;
        if (at + 1u < SIDE) {
            high = between(own, data_at(i + stride));
            sum += high * x_at(i + stride);
        }
        diagonal += low + high;
        stride *= SIDE;
    }
    return diagonal * x_at(i) - sum;
}
";

/// A finite-volume operator on a grid, symmetric positive definite.
#[derive(Clone, Debug)]
pub struct Stencil {
    k: usize,
    dimensions: usize,
    coefficient: Vec<f64>,
}

impl Stencil {
    /// On a k × k grid; `coefficient` holds k² positive numbers.
    ///
    /// # Errors
    /// Another count, a number that is not positive and finite, more than 2³² − 1 points.
    pub fn new2d(k: usize, coefficient: Vec<f64>) -> Result<Self> {
        Self::new(k, 2, coefficient)
    }

    /// On a k × k × k grid; `coefficient` holds k³ positive numbers.
    ///
    /// # Errors
    /// As [`Stencil::new2d`].
    pub fn new3d(k: usize, coefficient: Vec<f64>) -> Result<Self> {
        Self::new(k, 3, coefficient)
    }

    fn new(k: usize, dimensions: usize, coefficient: Vec<f64>) -> Result<Self> {
        let points = k.checked_pow(dimensions as u32).filter(|&n| u32::try_from(n).is_ok());
        let Some(points) = points else {
            return Err(Error::input(format!("{k} points a side in {dimensions} dimensions are beyond 2^32 - 1")));
        };
        if coefficient.len() != points {
            return Err(Error::input(format!("{points} grid points, {} coefficients", coefficient.len())));
        }
        if let Some(i) = coefficient.iter().position(|c| !(*c > 0.0 && c.is_finite())) {
            return Err(Error::input(format!("coefficient {i} is {}; it must be positive", coefficient[i])));
        }
        Ok(Self { k, dimensions, coefficient })
    }

    /// Calls `visit` with each neighbour of point `i` and the weight between them; returns a_ii.
    #[inline(always)]
    fn row(&self, i: usize, mut visit: impl FnMut(usize, f64)) -> f64 {
        let own = self.coefficient[i];
        let (mut diagonal, mut stride, mut rest) = (0.0, 1, i);
        for _ in 0..self.dimensions {
            let at = rest % self.k;
            rest /= self.k;
            // The coefficient is continued unchanged beyond the boundary.
            let mut side = |inside: bool, j: usize| {
                let weight = if inside { harmonic(own, self.coefficient[j]) } else { own };
                if inside {
                    visit(j, weight);
                }
                diagonal += weight;
            };
            side(at > 0, i.wrapping_sub(stride));
            side(at + 1 < self.k, i + stride);
            stride *= self.k;
        }
        diagonal
    }

    /// The same matrix with its entries stored.
    ///
    /// # Errors
    /// None beyond those that [`Stencil::new2d`] reports.
    pub fn to_csr(&self) -> Result<Csr> {
        let n = self.coefficient.len();
        let mut t = Triplets::new(n, n)?;
        for i in 0..n {
            let mut neighbours = vec![];
            let diagonal = self.row(i, |j, w| neighbours.push((j, w)));
            t.push(i, i, diagonal)?;
            neighbours.into_iter().try_for_each(|(j, w)| t.push(i, j, -w))?;
        }
        t.to_csr()
    }
}

#[inline(always)]
fn harmonic(a: f64, b: f64) -> f64 {
    // The same bits for (a, b) and (b, a), no overflow, and a itself for a = b.
    let (small, large) = (a.min(b), a.max(b));
    2.0 * small / (1.0 + small / large)
}

impl LinearOperator for Stencil {
    fn rows(&self) -> usize {
        self.coefficient.len()
    }

    fn cols(&self) -> usize {
        self.coefficient.len()
    }

    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        for (y, i) in y.iter_mut().zip(rows) {
            let mut sum = 0.0;
            let diagonal = self.row(i, |j, w| sum += w * x[j]);
            *y = diagonal * x[i] - sum;
        }
    }

    fn diagonal(&self) -> Option<Vec<f64>> {
        Some((0..self.coefficient.len()).map(|i| self.row(i, |_, _| ())).collect())
    }

    fn structure(&self) -> Structure {
        Structure::Definite
    }

    fn shader(&self) -> Option<RowShader> {
        let text = format!("const SIDE: u32 = {}u;\nconst DIMENSIONS: u32 = {}u;\n{ROW}", self.k, self.dimensions);
        Some(RowShader { text, data: self.coefficient.clone() })
    }

    fn bytes(&self) -> u64 {
        size_of_val(&self.coefficient[..]) as u64
    }
}
