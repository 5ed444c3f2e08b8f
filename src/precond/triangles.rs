//! Triangular solves as operations: row by row if the device solves triangles, otherwise by a fixed number of Jacobi
//! sweeps, which are products.
//!
//! y₀ = D⁻¹x, y_{s+1} = D⁻¹(x − N y_s) for T = D + N (Anzt, Chow and Dongarra 2015,
//! doi:10.1007/978-3-662-48096-0_50): rows of level s are exact from y_s on, so one sweep fewer than T has levels
//! is exact, and no solve takes more. A few sweeps come close if N is small against D. The polynomial in N is the same
//! for a triangle and its transpose, so a symmetric M stays symmetric. One sweep: a product with N.

use super::Updates;
use crate::host::scale::ldexp;
use crate::matrix::Triangular;
use crate::op::{Combination, Operator, Program, Role, Space, Triangle, Vector};
use std::sync::Arc;

/// Sweeps by default.
pub(super) const SWEEPS: usize = 4;

/// T⁻¹ in a space.
pub(super) enum Solve {
    /// As one operation.
    Whole(Triangle),
    /// By Jacobi sweeps.
    Sweeps { strict: Operator, inverse: Vector, t: Vector, other: Vector, sweeps: usize, exact: bool },
}

impl Solve {
    /// T·2^`exponent` in the precision of `role`; `sweeps` asks for Jacobi sweeps on every device.
    pub(super) fn new(
        space: &mut Space,
        name: &str,
        matrix: &Arc<Triangular>,
        exponent: i32,
        role: Role,
        sweeps: Option<usize>,
    ) -> Self {
        if sweeps.is_none() && space.solves_triangles() {
            return Self::Whole(space.triangle(name, Arc::clone(matrix), exponent, role));
        }
        let n = matrix.rows();
        let scaled = Arc::new(scaled(matrix, exponent));
        let enough = matrix.levels().1.len().saturating_sub(2);
        let sweeps = sweeps.unwrap_or(SWEEPS);
        Self::Sweeps {
            strict: space.operator(name, matrix.strict_shared(), exponent, role),
            inverse: space.constant_in(role, "inverse_pivots", scaled),
            t: space.vector_in(role, "t", n),
            other: space.vector_in(role, "other", n),
            sweeps: sweeps.min(enough),
            exact: sweeps >= enough,
        }
    }

    /// y ≈ T⁻¹ x; y must not be x.
    pub(super) fn emit(&self, p: &mut Program, x: Vector, y: Vector) {
        match *self {
            Self::Whole(t) => p.solve(t, x, y),
            Self::Sweeps { strict, inverse, t, other, sweeps, .. } => {
                // Two vectors alternate so that the last sweep writes y.
                let mut turn = if sweeps.is_multiple_of(2) { [y, other] } else { [other, y] };
                p.multiply(inverse, x, turn[0]);
                for _ in 0..sweeps {
                    p.apply(strict, turn[0], t);
                    let sum = Combination::default().plus_product(1.0, inverse, x).plus_product(-1.0, inverse, t);
                    p.assign(turn[1], sum);
                    turn.swap(0, 1);
                }
            }
        }
    }

    /// New values on the same pattern.
    pub(super) fn refresh(&self, matrix: &Arc<Triangular>, exponent: i32, updates: &mut Updates) {
        match *self {
            Self::Whole(t) => updates.triangles.push((t, Arc::clone(matrix), exponent)),
            Self::Sweeps { strict, inverse, .. } => {
                updates.operators.push((strict, matrix.strict_shared(), exponent));
                updates.vectors.push((inverse, scaled(matrix, exponent)));
            }
        }
    }
}

impl Solve {
    /// True if y is T⁻¹ x up to rounding.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Sweeps { exact: true, .. })
    }

    /// How it is applied, in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Whole(_) => "solved row by row".into(),
            Self::Sweeps { sweeps, exact, .. } => {
                let (s, exactly) = (if *sweeps == 1 { "" } else { "s" }, if *exact { " exactly" } else { "" });
                format!("solved{exactly} by {sweeps} Jacobi sweep{s} a triangle")
            }
        }
    }
}

fn scaled(matrix: &Triangular, exponent: i32) -> Vec<f64> {
    matrix.inverse_diagonal().iter().map(|&v| ldexp(v, -exponent)).collect()
}

/// z = U⁻¹ L⁻¹ r.
pub(super) struct Pair {
    lower: Solve,
    upper: Solve,
    between: Vector,
}

impl Pair {
    /// L as it is, U·2^`exponent`.
    pub(super) fn new(
        space: &mut Space,
        lower: &Arc<Triangular>,
        upper: &Arc<Triangular>,
        exponent: i32,
        sweeps: Option<usize>,
    ) -> Self {
        Self {
            lower: Solve::new(space, "L", lower, 0, Role::Working, sweeps),
            upper: Solve::new(space, "U", upper, exponent, Role::Working, sweeps),
            between: space.vector("between", lower.rows()),
        }
    }

    pub(super) fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        self.lower.emit(p, r, self.between);
        self.upper.emit(p, self.between, z);
    }

    pub(super) fn refresh(&self, lower: &Arc<Triangular>, upper: &Arc<Triangular>, exponent: i32) -> Updates {
        let mut updates = Updates::default();
        self.lower.refresh(lower, 0, &mut updates);
        self.upper.refresh(upper, exponent, &mut updates);
        updates
    }

    /// How it is applied, in words.
    pub(super) fn describe(&self) -> String {
        self.lower.describe()
    }
}
