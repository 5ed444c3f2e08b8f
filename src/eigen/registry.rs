//! The table of eigenvalue methods: one line each.

use super::{EigenMethod, EigenSystem, arnoldi, inverse, lanczos, lobpcg, power};
use crate::error::{Error, Result};
use crate::op::Space;

/// Builds a method's state in a space.
type Build = fn(&mut Space, EigenSystem) -> Box<dyn EigenMethod>;

/// A line of the table.
pub struct EigenMethodEntry {
    /// The name users type.
    pub id: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    /// It needs A = Aᵀ.
    pub symmetric: bool,
    /// It works with (A − σB)⁻¹, with σ = 0 if no shift is given.
    pub inverse: bool,
    /// It finds one pair only.
    pub single: bool,
    /// It finds nothing but the value of largest modulus, and takes no shift.
    pub(crate) dominant: bool,
    /// It keeps a basis that restarts.
    pub(crate) basis: bool,
    /// It uses a preconditioner and takes no shift: it finds the largest or the smallest values.
    pub(crate) preconditioned: bool,
    /// `None`: by dense algebra on the host, without a space.
    pub(crate) build: Option<Build>,
}

/// Dense algebra, by its name.
pub(super) const DENSE: &str = "dense";

/// Every method.
pub const EIGEN_METHODS: &[EigenMethodEntry] = &[
    EigenMethodEntry {
        id: "power",
        about: "power iteration; the one pair of largest modulus",
        symmetric: false,
        inverse: false,
        single: true,
        dominant: true,
        basis: false,
        preconditioned: false,
        build: Some(|space, system| Box::new(power::Power::new(space, system))),
    },
    EigenMethodEntry {
        id: "inverse",
        about: "inverse iteration; the one pair nearest to sigma (0 unless given)",
        symmetric: false,
        inverse: true,
        single: true,
        dominant: false,
        basis: false,
        preconditioned: false,
        build: Some(|space, system| Box::new(inverse::inverse(space, system))),
    },
    EigenMethodEntry {
        id: "lanczos",
        about: "Lanczos with thick restarts; A symmetric, also with a shift or a mass matrix",
        symmetric: true,
        inverse: false,
        single: false,
        dominant: false,
        basis: true,
        preconditioned: false,
        build: Some(|space, system| Box::new(lanczos::lanczos(space, system))),
    },
    EigenMethodEntry {
        id: "arnoldi",
        about: "Arnoldi restarted by Krylov-Schur; any square A",
        symmetric: false,
        inverse: false,
        single: false,
        dominant: false,
        basis: true,
        preconditioned: false,
        build: Some(|space, system| Box::new(arnoldi::arnoldi(space, system))),
    },
    EigenMethodEntry {
        id: "lobpcg",
        about: "blocks of preconditioned residuals; A symmetric, LA or SA",
        symmetric: true,
        inverse: false,
        single: false,
        dominant: false,
        basis: false,
        preconditioned: true,
        build: Some(|space, system| Box::new(lobpcg::Lobpcg::new(space, system))),
    },
    EigenMethodEntry {
        id: DENSE,
        about: "all pairs by dense algebra on the host; any pencil of small order",
        symmetric: false,
        inverse: false,
        single: false,
        dominant: false,
        basis: false,
        preconditioned: false,
        build: None,
    },
];

/// The line of method `id`.
///
/// # Errors
/// An unknown name; the message suggests the nearest one.
pub fn by_name(id: &str) -> Result<&'static EigenMethodEntry> {
    EIGEN_METHODS.iter().find(|m| m.id == id).ok_or_else(|| {
        let names: Vec<&str> = EIGEN_METHODS.iter().map(|m| m.id).collect();
        Error::input(crate::host::suggest::unknown("eigenvalue method", id, &names))
    })
}
