//! Polynomials in D⁻¹A: products and updates only, no dot product, symmetric for symmetric A.
//!
//! `chebyshev:K`: the optimised Chebyshev polynomial of the fourth kind of degree K (see `polynomial`), K − 1
//! products per application. `neumann:K`: z = Σ_{k≤K} (I − ωDA)^k ωD r with ω = 3/(2 λmax), K products
//! (Dubois, Greenbaum and Rodrigue 1979, doi:10.1007/BF02243566). λmax by ten steps of Lanczos' process.
//!
//! They cut iterations about K-fold at K products each: they pay where dot products are expensive (many devices, small
//! systems), or as smoothers.

use super::diagonal::Diagonal;
use super::polynomial::Polynomial;
use super::{Preconditioner, Request, Updates, spectrum};
use crate::error::{Error, Result};
use crate::host::scale::ldexp;
use crate::matrix::{Csr, Matrix};
use crate::op::{Program, Role, Space, Vector};
use std::sync::Arc;

/// Steps of Lanczos' process.
const LANCZOS: usize = 10;

/// A polynomial in D⁻¹A times D⁻¹.
pub struct Chebyshev {
    a: Matrix,
    neumann: bool,
    degree: usize,
    symmetric: bool,
    definite: bool,
    inverse: Vec<f64>,
    rho: f64,
    installed: Option<(Polynomial, Vector, Vector)>,
}

impl Chebyshev {
    /// Finds D and λmax(D⁻¹A).
    ///
    /// # Errors
    /// A degree outside 1 to 64; an operator without symmetry; [`Error::Preconditioner`] for a zero or missing
    /// diagonal entry, and for a negative one if M must be definite.
    pub fn new(a: impl Into<Matrix>, degree: usize, neumann: bool, request: &Request) -> Result<Self> {
        let a = a.into();
        if !(1..=64).contains(&degree) {
            return Err(Error::input(format!("the degree is {degree}; it must be a number from 1 to 64")));
        }
        let diagonal = Diagonal::of_any(&a);
        if let Some(row) = a.agreed(diagonal.first_skipped) {
            let message = "the diagonal entry is zero or missing; a polynomial in D⁻¹A needs it".into();
            return Err(Error::Preconditioner { row, message });
        }
        if let Some(row) = a.agreed(diagonal.first_negative().filter(|_| request.definite)) {
            let message = "the diagonal entry is negative; this method wants a positive definite preconditioner".into();
            return Err(Error::Preconditioner { row, message });
        }
        if matches!(a, Matrix::Free(_)) && !request.symmetric {
            let message = "a bound of the spectrum needs the entries of A or its symmetry; the operator has neither";
            return Err(Error::input(message));
        }
        let rho = spectrum::largest(&a, &diagonal.inverse, request.symmetric, LANCZOS, &request.halt)?;
        if !(rho.is_finite() && rho > 0.0) {
            return Err(Error::Preconditioner { row: 0, message: format!("the spectrum's bound is {rho}") });
        }
        let (symmetric, definite) = (request.symmetric, request.definite);
        Ok(Self { a, neumann, degree, symmetric, definite, inverse: diagonal.inverse, rho, installed: None })
    }

    fn scaled(&self, exponent: i32) -> Vec<f64> {
        self.inverse.iter().map(|&v| ldexp(v, -exponent)).collect()
    }
}

impl Preconditioner for Chebyshev {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        let a = space.operator("A", self.a.clone(), exponent, Role::Working);
        let inverse = space.constant("inverse_diagonal", Arc::new(self.scaled(exponent)));
        let degree = if self.neumann { 1 } else { self.degree };
        let polynomial = Polynomial::new(space, Role::Working, a, inverse, self.rho, degree);
        let spare = space.vector("spare", self.a.rows());
        self.installed = Some((polynomial, inverse, spare));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        let (polynomial, _, spare) = self.installed.as_ref().expect("installed before use");
        if !self.neumann {
            polynomial.start(p, r, z);
            return;
        }
        // Two vectors alternate so that the last step writes z.
        let mut turn = if self.degree.is_multiple_of(2) { [z, *spare] } else { [*spare, z] };
        polynomial.start(p, r, turn[0]);
        for _ in 0..self.degree {
            polynomial.improve(p, r, turn[0], turn[1]);
            turn.swap(0, 1);
        }
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        let request = Request { definite: self.definite, symmetric: self.symmetric, ..Request::default() };
        let installed = self.installed.take();
        *self = Self { installed, ..Self::new(a, self.degree, self.neumann, &request)? };
        let values = self.scaled(exponent);
        let mut updates = Updates::default();
        if let Some((polynomial, inverse, _)) = &mut self.installed {
            polynomial.set_rho(self.rho);
            updates.vectors.push((*inverse, values));
        }
        Ok(updates)
    }

    fn describe(&self) -> Vec<String> {
        let kind = if self.neumann { "neumann" } else { "chebyshev" };
        vec![format!("{kind} {}: lambda_max {:.4}", self.degree, self.rho)]
    }
}
