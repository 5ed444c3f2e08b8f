//! Inverse iteration (Wielandt 1944; Ipsen 1997, doi:10.1137/S0036144596300773): v ← (A − σB)⁻¹ B v, normalised.
//!
//! Finds the eigenpair nearest to σ; the error falls by |λ₁ − σ|/|λ₂ − σ| per iteration: [`power`](super::power) with
//! an inverse. Each iteration: 1 inner solve by any linear method, 3 dots; keeps 3 vectors. Use it if a good shift is
//! known; lanczos and arnoldi with the same shift find the same pair, and more, in fewer solves.

use super::power::Power;
use super::{Action, EigenSystem};
use crate::op::Space;

/// The method on a space.
pub(super) fn inverse(space: &mut Space, s: EigenSystem) -> Power {
    debug_assert!(matches!(s.action, Action::Solve(_)));
    Power::new(space, s)
}
