//! What to try after a solve: by how it ended, by what was run, and by what is left. Options stand in backticks, by the
//! names of [`Options`](crate::Options)' fields; the command line puts its flags in their place.

use crate::method::{Needs, by_name};
use crate::op::Dtype;
use crate::precond::registry::entry_of;
use crate::report::{BrokenDown, Reason, Report};

impl Report {
    /// One or two sentences on what to try.
    #[must_use]
    pub fn advice(&self) -> String {
        let tried = Tried::of(self);
        match &self.reason {
            Reason::MaxIterations => format!("Raise {}, or {}.", tried.limit(), tried.preconditioner()),
            Reason::TimeLimit => format!("Raise `time_limit`, or {}.", tried.preconditioner()),
            Reason::Stagnated | Reason::Diverged { .. } | Reason::Breakdown(_) => tried.another_method(&self.reason),
            Reason::FalseConvergence { .. } | Reason::NonFinite { .. } => tried.better_arithmetic(),
            Reason::IndefiniteOperator if tried.ladder => tried.another_method(&self.reason),
            Reason::IndefinitePreconditioner if tried.symmetric => {
                format!("The preconditioner is not positive definite: use {}, or gmres.", tried.definite())
            }
            Reason::PreconditionerFailed { .. } => "Use another preconditioner, or none.".into(),
            Reason::Cancelled | Reason::StoppedByCallback if self.certificate.solution_norm == 0.0 => {
                "x is zero: no x so far had a smaller residual.".into()
            }
            Reason::LeastSquares if self.rungs.len() > 1 && tried.least_squares => {
                "A is singular and b lies outside its range; x is the minimum-norm least-squares solution, certified by the \
                 residual of the normal equations."
                    .into()
            }
            reason => reason.advice().into(),
        }
    }
}

/// What was run.
struct Tried<'a> {
    report: &'a Report,
    method: &'a str,
    preconditioner: &'a str,
    /// Iterations in f64.
    double: bool,
    symmetric: bool,
    least_squares: bool,
    /// The method works in cycles.
    cycles: bool,
    /// Several methods were tried.
    ladder: bool,
}

impl<'a> Tried<'a> {
    fn of(r: &'a Report) -> Self {
        let traits = by_name(&r.method).map(|m| m.traits);
        let needs = traits.as_ref().map(|t| t.needs);
        let first = r.rungs.first().map(|rung| &rung.method);
        Self {
            report: r,
            method: &r.method,
            preconditioner: &r.preconditioner,
            double: r.precision.working == Dtype::F64,
            symmetric: needs.as_ref().is_ok_and(|n| n.symmetry()),
            least_squares: needs.is_ok_and(|n| n == Needs::Any),
            cycles: traits.as_ref().is_ok_and(|t| t.cycles),
            ladder: r.rungs.iter().any(|rung| Some(&rung.method) != first),
        }
    }

    /// A preconditioner of this name has had its turn, with whatever parameters.
    fn had(&self, id: &str) -> bool {
        let is = |text: &str| text.split(':').next() == Some(id);
        is(self.preconditioner) || self.report.rungs.iter().any(|rung| is(&rung.preconditioner))
    }

    /// What to do about the preconditioner: nothing that was tried is named.
    fn preconditioner(&self) -> String {
        if self.least_squares {
            return match self.preconditioner {
                "none" => "scale the columns with the preconditioner jacobi, or use `damp`".into(),
                _ => "use `damp`".into(),
            };
        }
        let fits = self.report.fits;
        if self.preconditioner == "none" && self.report.rungs.len() < 2 && fits.stored {
            return "use a preconditioner".into();
        }
        let left: Vec<&str> = [
            ("amg", "amg for elliptic problems", fits.multigrid),
            ("ic0", "ic0", fits.positive && self.symmetric),
            ("ilut", "ilut", fits.stored),
            ("lu", "lu", fits.stored && fits.triangles),
        ]
        .into_iter()
        .filter(|&(id, _, works)| works && !self.had(id) && self.bears(id))
        .map(|(_, words, _)| words)
        .collect();
        match left[..] {
            [] if self.symmetric && fits.stored && fits.triangles && !self.had("lu") => {
                "use gmres with ilut or lu, which need no symmetry".into()
            }
            [] => {
                let vectors = if fits.multigrid { "near-null vectors for amg, " } else { "" };
                let blocks = if fits.stored { "blocks, " } else { "" };
                format!("use what is known about the problem: {vectors}{blocks}a preconditioner of your own")
            }
            [ref others @ .., last] => {
                let before = if others.is_empty() { String::new() } else { format!("{} or ", others.join(", ")) };
                format!("use a stronger preconditioner: {before}{last}")
            }
        }
    }

    /// The method can do with this preconditioner.
    fn bears(&self, id: &str) -> bool {
        !self.symmetric || entry_of(id).is_some_and(|p| p.symmetric)
    }

    /// Which limit was met, so that raising it helps.
    fn limit(&self) -> &'static str {
        let of = |name: &str| self.report.options.iter().find(|(n, _)| *n == name);
        let most = of("max_matvecs").and_then(|(_, n)| n.parse().ok());
        let products = most.is_some_and(|most: usize| self.report.matvecs + 2 >= most);
        let iterations = of("max_iterations").and_then(|(_, n)| n.parse().ok());
        let iterations = iterations.is_none_or(|most: usize| self.report.iterations >= most);
        match (iterations, products) {
            (false, true) => "`max_matvecs`",
            (true, true) => "`max_iterations` and `max_matvecs`",
            _ => "`max_iterations`",
        }
    }

    fn definite(&self) -> &'static str {
        if self.preconditioner == "scaling" { "none" } else { "none or scaling" }
    }

    fn another_method(&self, reason: &Reason) -> String {
        let singular =
            matches!(reason, Reason::Breakdown(BrokenDown::Singular | BrokenDown::Hessenberg | BrokenDown::Lanczos));
        if singular && !self.least_squares {
            return "The matrix looks singular: check that b lies in its range, or use lsqr for a least-squares solution.".into();
        }
        if self.ladder {
            return format!(
                "Several methods failed (the report says how each ended): {}, or scale the system.",
                self.preconditioner()
            );
        }
        if self.least_squares {
            return format!(
                "The method gains no more on this A: {}; if A is square, try gmres.",
                self.preconditioner()
            );
        }
        match (self.method, reason) {
            (_, Reason::Stagnated) if self.cycles => {
                format!("Try a larger `restart`, bicgstab or idrs, or {}.", self.preconditioner())
            }
            _ if self.cycles => format!("Check the matrix, or {}.", self.preconditioner()),
            (_, Reason::Diverged { .. }) => {
                format!("Try gmres, whose residual never grows, or {}.", self.preconditioner())
            }
            (_, Reason::Breakdown(_)) => "Try gmres, which does not break down.".into(),
            _ if self.symmetric && self.method != "minres" => {
                format!("Try minres or gmres, or {}.", self.preconditioner())
            }
            _ => format!("Try gmres, or {}.", self.preconditioner()),
        }
    }

    fn better_arithmetic(&self) -> String {
        match (self.double, self.preconditioner) {
            (true, _) if self.least_squares => {
                format!("The method's residual and the true one have parted: {}.", self.preconditioner())
            }
            (false, _) => "Use `precision` f64 if the device supports it, or scale the system.".into(),
            (true, "none") => {
                "The method's residual and the true one have parted by rounding: try another method, set `equilibrate` to \
                 always, or use a larger `rtol`; the criterion backward_error shows what the data allow."
                    .into()
            }
            (true, _) if self.method == "gmres" => {
                "The preconditioner varies or is too coarse: use fgmres with it, or another one, or none.".into()
            }
            (true, _) => "The preconditioner limits the accuracy: use another one or none, or fgmres with it.".into(),
        }
    }
}
