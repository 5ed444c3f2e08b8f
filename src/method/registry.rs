//! The table of methods: one line each.

use super::{
    Method, System, Tuning, bicgstab, bicgstabl, cg, cgs, chebyshev, cr, fcg, fgmres, gmres, idrs, lgmres, lsmr, lsqr,
    minimal_residual, minres, projection, richardson, steepest_descent, tfqmr,
};
use crate::error::{Error, Result};
use crate::op::Space;
use crate::precond::Side;

/// What a method asks of A.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Any A, rectangular or singular: a least-squares solution.
    Any,
    /// Any square A.
    Square,
    /// A = Aᵀ.
    Symmetric,
    /// A = Aᵀ, xᵀAx > 0 (or < 0 throughout: the driver turns the sign).
    Definite,
}

impl Needs {
    /// True where A must equal Aᵀ.
    #[must_use]
    pub fn symmetry(self) -> bool {
        matches!(self, Self::Symmetric | Self::Definite)
    }
}

/// Builds a method's state in a space.
type Build = fn(&mut Space, System, &Tuning) -> Box<dyn Method>;

/// A line of the table.
pub struct MethodEntry {
    /// The name users type.
    pub id: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    /// What it asks of A.
    pub needs: Needs,
    pub(crate) build: Build,
}

/// Methods that can end at a least-squares solution, certified by ‖Aᵀr‖.
const LEAST_SQUARES: [&str; 3] = ["lsqr", "lsmr", "minres"];

impl MethodEntry {
    /// Where M can stand, the usual place first.
    #[must_use]
    pub fn sides(&self) -> &'static [Side] {
        match self.needs {
            Needs::Symmetric | Needs::Definite => &[Side::Split],
            Needs::Square if self.id == "gmres" => &[Side::Right, Side::Left],
            Needs::Square | Needs::Any => &[Side::Right],
        }
    }

    /// True where the method can end at a least-squares solution.
    #[must_use]
    pub fn least_squares(&self) -> bool {
        LEAST_SQUARES.contains(&self.id)
    }

    /// True where M r is carried along by a recurrence: an M that rounds more than the vectors do would part the two.
    #[must_use]
    pub fn carries_preconditioned(&self) -> bool {
        self.id == "cr"
    }
}

/// Every method.
pub const METHODS: &[MethodEntry] = &[
    MethodEntry {
        id: "steepest_descent",
        about: "steps along the gradient; A symmetric positive definite",
        needs: Needs::Definite,
        build: |space, system, _| Box::new(steepest_descent::SteepestDescent::new(space, system)),
    },
    MethodEntry {
        id: "cg",
        about: "conjugate gradients; A symmetric positive definite",
        needs: Needs::Definite,
        build: |space, system, _| Box::new(cg::Cg::new(space, system)),
    },
    MethodEntry {
        id: "minres",
        about: "minimal residual by Lanczos; A symmetric, may be indefinite or singular",
        needs: Needs::Symmetric,
        build: |space, system, _| Box::new(minres::Minres::new(space, system)),
    },
    MethodEntry {
        id: "bicgstab",
        about: "stabilised bi-conjugate gradients; any square A, short recurrence",
        needs: Needs::Square,
        build: |space, system, _| Box::new(bicgstab::BiCgStab::new(space, system)),
    },
    MethodEntry {
        id: "gmres",
        about: "generalised minimal residual with restarts; any square A",
        needs: Needs::Square,
        build: |space, system, tuning| Box::new(gmres::Gmres::new(space, system, tuning)),
    },
    MethodEntry {
        id: "richardson",
        about: "x += omega M r; spectrum in the right half plane, omega estimated unless given",
        needs: Needs::Square,
        build: |space, system, tuning| Box::new(richardson::Richardson::new(space, system, tuning.spectrum)),
    },
    MethodEntry {
        id: "minimal_residual",
        about: "steps that minimise the residual along M r; positive definite symmetric part",
        needs: Needs::Square,
        build: |space, system, _| Box::new(minimal_residual::MinimalResidual::new(space, system)),
    },
    MethodEntry {
        id: "projection",
        about: "Galerkin projection onto a given subspace; any square A",
        needs: Needs::Square,
        build: |space, system, tuning| Box::new(projection::Projection::new(space, system, &tuning.subspace)),
    },
    MethodEntry {
        id: "chebyshev",
        about: "Chebyshev's iteration; A symmetric positive definite, spectrum estimated unless given",
        needs: Needs::Definite,
        build: |space, system, tuning| Box::new(chebyshev::Chebyshev::new(space, system, tuning.spectrum)),
    },
    MethodEntry {
        id: "fcg",
        about: "flexible conjugate gradients, for an M that varies; A symmetric positive definite",
        needs: Needs::Definite,
        build: |space, system, _| Box::new(fcg::Fcg::new(space, system)),
    },
    MethodEntry {
        id: "cr",
        about: "conjugate residuals; A symmetric, definite for safety",
        needs: Needs::Symmetric,
        build: |space, system, _| Box::new(cr::Cr::new(space, system)),
    },
    MethodEntry {
        id: "bicgstabl",
        about: "BiCGStab(2); any square A, also with strong convection or skew parts",
        needs: Needs::Square,
        build: |space, system, _| Box::new(bicgstabl::BiCgStabL::new(space, system)),
    },
    MethodEntry {
        id: "cgs",
        about: "conjugate gradients squared; any square A, fast and rough",
        needs: Needs::Square,
        build: |space, system, _| Box::new(cgs::Cgs::new(space, system)),
    },
    MethodEntry {
        id: "tfqmr",
        about: "transpose-free quasi-minimal residual; any square A, smooth",
        needs: Needs::Square,
        build: |space, system, _| Box::new(tfqmr::Tfqmr::new(space, system)),
    },
    MethodEntry {
        id: "idrs",
        about: "induced dimension reduction IDR(4); any square A, few products, short recurrence",
        needs: Needs::Square,
        build: |space, system, _| Box::new(idrs::Idrs::new(space, system)),
    },
    MethodEntry {
        id: "fgmres",
        about: "flexible GMRES, for an M that varies; any square A",
        needs: Needs::Square,
        build: |space, system, tuning| Box::new(fgmres::Fgmres::new(space, system, tuning.restart)),
    },
    MethodEntry {
        id: "lgmres",
        about: "GMRES enlarged by corrections of earlier cycles; any square A",
        needs: Needs::Square,
        build: |space, system, tuning| Box::new(lgmres::Lgmres::new(space, system, tuning.restart)),
    },
    MethodEntry {
        id: "lsqr",
        about: "least squares by Golub-Kahan bidiagonalisation; any A, rectangular or singular",
        needs: Needs::Any,
        build: |space, system, _| Box::new(lsqr::Lsqr::new(space, system)),
    },
    MethodEntry {
        id: "lsmr",
        about: "as lsqr, but A'r falls monotonely: safe to stop early; any A",
        needs: Needs::Any,
        build: |space, system, _| Box::new(lsmr::Lsmr::new(space, system)),
    },
];

/// The line of method `id`.
///
/// # Errors
/// An unknown name; the message offers the nearest one.
pub fn by_name(id: &str) -> Result<&'static MethodEntry> {
    METHODS.iter().find(|m| m.id == id).ok_or_else(|| {
        let names: Vec<&str> = METHODS.iter().map(|m| m.id).collect();
        Error::input(crate::host::suggest::unknown("method", id, &names))
    })
}
