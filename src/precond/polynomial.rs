//! Chebyshev polynomials of the fourth kind in D A, written as operations.
//!
//! Started from z₀ with r₀ = b − A z₀ and d₀ = 4/(3λ) D r₀, λ ≥ λmax(DA):
//! z_i = z_{i−1} + β_i d_{i−1}, r_i = r_{i−1} − A d_{i−1},
//! d_i = (2i−1)/(2i+3) d_{i−1} + (8i+4)/((2i+3) λ) D r_i
//! (Lottes 2023, doi:10.1002/nla.2518; β from Phillips and Fischer 2022, arXiv:2210.03179). Needs no lower bound on
//! the spectrum. Degree 1 is Jacobi's step with 3/(2λ).

use crate::op::{Combination, Operator, Program, Role, Space, Vector};

/// β of the optimised polynomials, degree 1 to 4.
const BETA: [&[f64]; 4] = [
    &[1.125],
    &[1.023_872_875_703_13, 1.264_089_053_710_85],
    &[1.008_425_447_820_28, 1.088_678_392_087_30, 1.337_531_259_096_18],
    &[1.003_913_104_272_85, 1.040_358_111_885_93, 1.148_634_985_462_54, 1.382_688_692_410_00],
];

/// The polynomial for one matrix, with the vectors it works in.
pub(super) struct Polynomial {
    a: Operator,
    inverse: Vector,
    rho: f64,
    degree: usize,
    /// A times a vector.
    pub(super) t: Vector,
    /// r, d and the next d; degree 1 needs none.
    work: Option<(Vector, [Vector; 2])>,
}

impl Polynomial {
    /// `inverse` holds D, `rho` is λmax(DA) in the units of the device: both scales cancel.
    pub(super) fn new(space: &mut Space, role: Role, a: Operator, inverse: Vector, rho: f64, degree: usize) -> Self {
        let n = space.len(inverse);
        let mut vector = |name: &str| space.vector_in(role, name, n);
        let t = vector("t");
        let work = (degree > 1).then(|| (vector("residual"), [vector("step"), vector("next_step")]));
        Self { a, inverse, rho, degree, t, work }
    }

    /// The damped step z = x + ω D (b − A x).
    pub(super) fn damped(space: &mut Space, role: Role, a: Operator, inverse: Vector, omega: f64) -> Self {
        Self::new(space, role, a, inverse, 1.5 / omega, 1)
    }

    /// New ω of a damped step.
    pub(super) fn set_damping(&mut self, omega: f64) {
        self.rho = 1.5 / omega;
    }

    pub(super) fn set_rho(&mut self, rho: f64) {
        self.rho = rho;
    }

    fn beta(&self, i: usize) -> f64 {
        BETA.get(self.degree - 1).map_or(1.0, |b| b[i])
    }

    /// z ≈ A⁻¹ b from zero: `degree` − 1 products.
    pub(super) fn start(&self, p: &mut Program, b: Vector, z: Vector) {
        let first = 4.0 / (3.0 * self.rho);
        match self.work {
            None => p.assign(z, Combination::default().plus_product(first * self.beta(0), self.inverse, b)),
            Some((_, [d, _])) => {
                p.assign(d, Combination::default().plus_product(first, self.inverse, b));
                p.scale(self.beta(0), d, z);
                self.steps(p, b, z);
            }
        }
    }

    /// z = x improved towards A⁻¹ b: `degree` products. z must not be x.
    pub(super) fn improve(&self, p: &mut Program, b: Vector, x: Vector, z: Vector) {
        let first = 4.0 / (3.0 * self.rho);
        p.apply(self.a, x, self.t);
        match self.work {
            None => {
                let w = first * self.beta(0);
                let sum = Combination::default().plus(1.0, x).plus_product(w, self.inverse, b);
                p.assign(z, sum.plus_product(-w, self.inverse, self.t));
            }
            Some((r, [d, _])) => {
                p.assign(r, Combination::default().plus(1.0, b).plus(-1.0, self.t));
                p.assign(d, Combination::default().plus_product(first, self.inverse, r));
                p.assign(z, Combination::default().plus(1.0, x).plus(self.beta(0), d));
                self.steps(p, r, z);
            }
        }
    }

    /// Steps 1 … degree − 1; the residual before them is `first`, which is overwritten only if it is r.
    fn steps(&self, p: &mut Program, first: Vector, z: Vector) {
        let Some((r, mut d)) = self.work else { return };
        let mut before = first;
        for i in 1..self.degree {
            let k = i as f64;
            p.apply(self.a, d[0], self.t);
            p.assign(r, Combination::default().plus(1.0, before).plus(-1.0, self.t));
            before = r;
            let (keep, add) = ((2.0 * k - 1.0) / (2.0 * k + 3.0), (8.0 * k + 4.0) / ((2.0 * k + 3.0) * self.rho));
            p.assign(d[1], Combination::default().plus(keep, d[0]).plus_product(add, self.inverse, r));
            p.axpy(self.beta(i), d[1], z);
            d.swap(0, 1);
        }
    }
}
