//! The table of methods: one entry each. It generates the enum [`Method`] with each method's own options, its textual
//! form, and [`METHODS`].

use super::choice::{Settings, methods};
use super::entry::{MethodEntry, Needs, OwnMethod, Traits};
// Every module of the folder: a new entry names its type as `module::Type` and needs no import.
use super::*;
use crate::error::{Error, Result};
use crate::host::pairs::{self, Pairs, Setting};
use crate::host::suggest;
use crate::precond::Side;
use std::fmt;
use std::str::FromStr;

methods! {
    /// Steepest descent, for teaching; A symmetric positive definite
    SteepestDescent = "steepest_descent", Traits::new(Needs::Definite),
        |space, system, _| Box::new(steepest_descent::SteepestDescent::new(space, system));
    /// Conjugate gradients; A symmetric positive definite
    Cg = "cg", Traits::new(Needs::Definite),
        |space, system, _| Box::new(cg::Cg::new(space, system));
    /// Minimal residual by Lanczos; A symmetric, may be indefinite or singular
    Minres = "minres", Traits::new(Needs::Symmetric).least_squares(),
        |space, system, _| Box::new(minres::Minres::new(space, system));
    /// Stabilised bi-conjugate gradients; any square A, short recurrence
    BiCgStab = "bicgstab", Traits::new(Needs::Square),
        |space, system, _| Box::new(bicgstab::BiCgStab::new(space, system));
    /// Generalised minimal residual with restarts; any square A
    Gmres {
        /// Columns of a cycle; 30 by default.
        restart: usize = 30, in 1.0..=10_000.0;
        /// The side of the preconditioner.
        side: Side = Side::Auto;
    } = "gmres", Traits::new(Needs::Square).sides(&[Side::Right, Side::Left]).cycles(),
        |space, system, tuning| Box::new(gmres::Gmres::new(space, system, tuning));
    /// Richardson's iteration x += omega M r; spectrum in the right half plane, omega estimated unless given
    Richardson {
        /// Bounds (a, b) of the spectrum of A M, 0 < a ≤ b; `None` lets the method estimate them.
        spectrum: Option<(f64, f64)> = None;
    } = "richardson", Traits::new(Needs::Square),
        |space, system, tuning| Box::new(richardson::Richardson::new(space, system, tuning.spectrum));
    /// Steps along M r that minimise the residual; A with positive definite symmetric part
    MinimalResidual = "minimal_residual", Traits::new(Needs::Square),
        |space, system, _| Box::new(minimal_residual::MinimalResidual::new(space, system));
    /// Galerkin projection onto a given subspace; any square A
    Projection {
        /// Vectors that span the subspace; dependent ones are left out.
        subspace: Vec<Vec<f64>> = Vec::<Vec<f64>>::new();
    } = "projection", Traits::new(Needs::Square).program_only().whole_vectors(),
        |space, system, tuning| Box::new(projection::Projection::new(space, system, &tuning.subspace));
    /// Chebyshev's iteration; A symmetric positive definite, spectrum estimated unless given
    Chebyshev {
        /// Bounds (a, b) of the spectrum of A M, 0 < a ≤ b; `None` lets the method estimate them.
        spectrum: Option<(f64, f64)> = None;
    } = "chebyshev", Traits::new(Needs::Definite),
        |space, system, tuning| Box::new(chebyshev::Chebyshev::new(space, system, tuning.spectrum));
    /// Flexible conjugate gradients, for an M that varies; A symmetric positive definite
    Fcg = "fcg", Traits::new(Needs::Definite),
        |space, system, _| Box::new(fcg::Fcg::new(space, system));
    /// Conjugate residuals; A symmetric, definite for safety
    Cr = "cr", Traits::new(Needs::Symmetric).carries_preconditioned(),
        |space, system, _| Box::new(cr::Cr::new(space, system));
    /// BiCGStab(2); any square A, also with strong convection or skew parts
    BiCgStabL = "bicgstabl", Traits::new(Needs::Square),
        |space, system, _| Box::new(bicgstabl::BiCgStabL::new(space, system));
    /// Conjugate gradients squared; any square A, fast but irregular
    Cgs = "cgs", Traits::new(Needs::Square),
        |space, system, _| Box::new(cgs::Cgs::new(space, system));
    /// Transpose-free quasi-minimal residual; any square A, smooth
    Tfqmr = "tfqmr", Traits::new(Needs::Square),
        |space, system, _| Box::new(tfqmr::Tfqmr::new(space, system));
    /// Induced dimension reduction IDR(4); any square A, few products, short recurrence
    Idrs = "idrs", Traits::new(Needs::Square).whole_vectors(),
        |space, system, _| Box::new(idrs::Idrs::new(space, system));
    /// Flexible GMRES, for an M that varies; any square A
    Fgmres {
        /// Columns of a cycle; 30 by default.
        restart: usize = 30, in 1.0..=10_000.0;
    } = "fgmres", Traits::new(Needs::Square).cycles(),
        |space, system, tuning| Box::new(fgmres::Fgmres::new(space, system, tuning.restart));
    /// GMRES augmented with corrections from earlier cycles; any square A
    Lgmres {
        /// Columns of a cycle; 30 by default.
        restart: usize = 30, in 1.0..=10_000.0;
    } = "lgmres", Traits::new(Needs::Square).cycles(),
        |space, system, tuning| Box::new(lgmres::Lgmres::new(space, system, tuning));
    /// GMRES that keeps directions across restarts, and with recycle across solves; any square A
    Gcrotmk {
        /// Columns of a cycle; 30 by default.
        restart: usize = 30, in 1.0..=10_000.0;
        /// The directions of a solve serve the next one, also after [`crate::Solver::update`]. Results then depend
        /// on earlier solves.
        recycle: bool = false;
    } = "gcrotmk", Traits::new(Needs::Square).cycles(),
        |space, system, tuning| Box::new(gcrotmk::Gcrotmk::new(space, system, tuning));
    /// Bi-conjugate gradients, using the transpose; any square A, short recurrence
    BiCg = "bicg", Traits::new(Needs::Square).two_sided(),
        |space, system, _| Box::new(bicg::BiCg::new(space, system));
    /// Quasi-minimal residual, using the transpose; any square A, smooth
    Qmr = "qmr", Traits::new(Needs::Square).two_sided(),
        |space, system, _| Box::new(qmr::Qmr::new(space, system));
    /// Least squares by Golub-Kahan bidiagonalisation; any A, rectangular or singular
    Lsqr {
        /// λ ≥ 0: minimises ‖b − A x‖² + λ²‖x‖², by the stacked system [A; λI] x ≈ [b; 0]. Residuals and certificate
        /// are those of that system.
        damp: f64 = 0.0, in 0.0..=f64::MAX;
    } = "lsqr", Traits::new(Needs::Any).least_squares(),
        |space, system, _| Box::new(lsqr::Lsqr::new(space, system));
    /// Like lsqr, but |A'r| decreases monotonically: safe to stop early; any A
    Lsmr {
        /// λ ≥ 0: minimises ‖b − A x‖² + λ²‖x‖², by the stacked system [A; λI] x ≈ [b; 0]. Residuals and certificate
        /// are those of that system.
        damp: f64 = 0.0, in 0.0..=f64::MAX;
    } = "lsmr", Traits::new(Needs::Any).least_squares(),
        |space, system, _| Box::new(lsmr::Lsmr::new(space, system));
}

fn unknown(id: &str) -> Error {
    // What only a program can use has no text to be corrected.
    let names: Vec<&str> = METHODS.iter().filter(|m| !m.traits.program_only).map(|m| m.id).collect();
    Error::input(suggest::unknown("method", id, &names))
}

/// The error about the parameter `own` where no method is named; `takers` are the methods with their parameters.
fn method_wanted(own: &str, name: &str, takers: &[(&str, &[&str])]) -> Error {
    let ids: Vec<&str> = takers.iter().filter(|(_, names)| names.contains(&name)).map(|(id, _)| *id).collect();
    let as_one = match ids[..] {
        [] => String::new(),
        [one] => format!(", as {one}"),
        [ref others @ .., last] => format!(", as {} or {last}", others.join(", ")),
    };
    Error::input(format!("{own} goes with a method: name one{as_one}"))
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&pairs::text(self.id(), &self.pairs()))
    }
}

impl Method {
    /// What the solver knows of it; `None` for [`Method::Auto`].
    #[must_use]
    pub fn entry(&self) -> Option<&MethodEntry> {
        match self {
            Self::Auto => None,
            Self::Own(own) => Some(own.entry()),
            _ => METHODS.iter().find(|m| m.id == self.id()),
        }
    }

    /// With cycles of `restart` columns, for a method that works in cycles; others stay as they are.
    #[must_use]
    pub fn with_restart(self, restart: usize) -> Self {
        let settings = Settings { restart, ..self.settings() };
        self.with(&settings)
    }

    /// True for a method that minimises ‖b − A x‖ for any A, square or not.
    pub(crate) fn is_least_squares(&self) -> bool {
        self.entry().is_some_and(|m| m.needs == Needs::Any)
    }

    /// Checks that all options are in range.
    ///
    /// # Errors
    /// The first option that is not.
    pub fn check(&self) -> Result<()> {
        self.check_ranges()?;
        let (id, settings) = (self.id(), self.settings());
        if let Some((a, b)) = settings.spectrum
            && !(0.0 < a && a <= b && b.is_finite())
        {
            return Err(Error::input(format!("{id}: spectrum is [{a}, {b}]; its bounds must be finite, 0 < a <= b")));
        }
        let sides = self.entry().map_or(&[][..], |m| m.traits.sides);
        if settings.side != Side::Auto && !sides.contains(&settings.side) {
            let known: Vec<&str> = sides.iter().map(|s| s.id()).collect();
            let known = known.join(", ");
            return Err(Error::input(format!(
                "{id}: no preconditioning on the side {}; there is {known}",
                settings.side
            )));
        }
        Ok(())
    }
}

/// The entry of method `id`.
///
/// # Errors
/// An unknown name; the message suggests the nearest one.
pub fn by_name(id: &str) -> Result<&'static MethodEntry> {
    METHODS.iter().find(|m| m.id == id).ok_or_else(|| unknown(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let typed = [
            Method::Auto,
            Method::Cg,
            Method::Gmres { restart: 30, side: Side::Auto },
            Method::Gmres { restart: 7, side: Side::Left },
            Method::Lgmres { restart: 10_000 },
            Method::Chebyshev { spectrum: Some((0.1 + 0.2, 1e3)) },
            Method::Lsmr { damp: 1e-300 },
            Method::Gcrotmk { restart: 20, recycle: true },
        ];
        for method in typed {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method, "{method}");
        }
        for entry in METHODS {
            let method: Method = entry.id.parse().unwrap();
            assert_eq!((method.id(), method.to_string().as_str()), (entry.id, entry.id));
            assert_eq!(method.entry().unwrap().id, entry.id);
        }
        assert_eq!("gmres:50".parse::<Method>().unwrap(), Method::Gmres { restart: 50, side: Side::Auto });
        for (bad, word) in [
            ("gmrse", "did you mean `gmres`"),
            ("gmres:restart=0", "1 to 10000"),
            ("gmres:restart=x", "a whole number"),
            ("gmres:side=split", "right, left"),
            ("cg:restart=5", "cg has no parameter"),
            ("auto:restart=5", "restart=5 goes with a method"),
            ("lsqr:damp=-1", "0 or more"),
            ("lsqr:damp=nan", "0 or more"),
            ("chebyshev:spectrum=2..1", "0 < a <= b"),
            ("projection:subspace=3", "only a program"),
        ] {
            let e = bad.parse::<Method>().unwrap_err().to_string();
            assert!(e.contains(word), "{bad}: {e}");
        }
    }
}
