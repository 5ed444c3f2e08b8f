//! What a solve can be asked for.

use crate::error::{Error, Result};
use crate::host::suggest;
use crate::method::{self, Needs};
use crate::precond::{self, Side};
use std::sync::Arc;
use std::time::Duration;

/// Where to solve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// A hardware GPU where there is one and the system is large enough for it, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first GPU; a software adapter where there is no other.
    Gpu,
    /// The adapter whose name contains this text, or with this number in `krylane info`.
    Adapter(String),
    /// Two backends op by op: panics at the first operation where they differ. For tests.
    #[doc(hidden)]
    Lockstep,
}

impl std::str::FromStr for Backend {
    type Err = std::convert::Infallible;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(match s {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            "lockstep" => Self::Lockstep,
            name => Self::Adapter(name.into()),
        })
    }
}

/// Number types of the iteration. The answer is certified in f64 whatever is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Mixed where an iteration streams more than caches hold, else f64; mixed on devices without f64.
    #[default]
    Auto,
    /// f32 iterations; corrections in f64 as long as they help.
    F32,
    /// f64 throughout; an error on devices without it.
    F64,
    /// f32 iterations, residual and solution in f64, renewed as the residual falls (reliable updates); f64
    /// iterations where that gains too little.
    Mixed,
}

impl std::str::FromStr for Precision {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "f64" => Ok(Self::F64),
            "mixed" => Ok(Self::Mixed),
            _ => Err(Error::input(suggest::unknown("precision", s, &["auto", "f32", "f64", "mixed"]))),
        }
    }
}

/// Whether to do what may pay or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Where the matrix suggests it.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

impl std::str::FromStr for When {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(Error::input(suggest::unknown("choice", s, &["auto", "always", "never"]))),
        }
    }
}

/// Everything a solve can be asked for. `Default` is what most systems want.
#[derive(Clone, Debug)]
pub struct Options {
    /// A method's id, or "auto".
    pub method: String,
    /// "auto", or a preconditioner's id with what it wants behind a colon: "jacobi", "chebyshev:4".
    pub preconditioner: String,
    /// Where M stands; a method without that side is refused.
    pub side: Side,
    /// λ ≥ 0: lsqr and lsmr minimise ‖b − A x‖² + λ²‖x‖². They solve the stacked system [A; λI] x ≈ [b; 0], and
    /// residuals and certificate are those of that system.
    pub damp: f64,
    /// For `amg`: near-null vectors beside the constants, as rigid-body modes for elasticity.
    pub near_null: Option<Arc<precond::NearNull>>,
    /// For `given`: the user's own preconditioner.
    pub given: Option<precond::Given>,
    /// Where to solve.
    pub backend: Backend,
    /// Number types.
    pub precision: Precision,
    /// Relative tolerance, 1e-8.
    pub rtol: f64,
    /// Absolute tolerance, 0.
    pub atol: f64,
    /// Which residual is tested.
    pub criterion: Criterion,
    /// Columns of a GMRES cycle; `None` is 30, and what the plan finds better under "auto".
    pub restart: Option<usize>,
    /// Bounds (a, b) of the spectrum of A M for richardson and chebyshev; `None` lets them estimate.
    pub spectrum: Option<(f64, f64)>,
    /// Vectors that span the subspace of the method projection; dependent ones are left out.
    pub subspace: Vec<Vec<f64>>,
    /// Bound on iterations, 10 000; rungs of a fall-back ladder share it.
    pub max_iterations: usize,
    /// Bound on products with A.
    pub max_matvecs: usize,
    /// Bound on the time of a solve.
    pub time_limit: Option<Duration>,
    /// Threads of the CPU backend; 0 is all.
    pub threads: usize,
    /// Several operations a sweep; off, each runs alone.
    pub fuse: bool,
    /// Batches in flight; results don't depend on it.
    pub lag: Option<usize>,
    /// Iterations a batch; results don't depend on it.
    pub batch: Option<usize>,
    /// Adapter features the program shall not use, as if the device lacked them: "f64", "double-single".
    pub withhold: Vec<String>,
    /// Rows and columns in the order of reverse Cuthill–McKee, so that products gather from near by; x is in the
    /// user's order all the same.
    pub reorder: When,
    /// Rows and columns scaled by powers of two, so that none drowns in the rounding of another. The iteration
    /// then sees ‖D r‖ and not ‖r‖; the certificate is the user's.
    pub equilibrate: When,
    /// Bytes that a rung may take for vectors, matrices and factors; `None` is what the system says is free. More is
    /// refused before it is taken.
    pub memory_limit: Option<u64>,
    /// Bytes a single binding may have on the GPU; `None` is the adapter's own limit.
    pub binding_limit: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: "auto".into(),
            preconditioner: "auto".into(),
            side: Side::Auto,
            damp: 0.0,
            near_null: None,
            given: None,
            backend: Backend::Auto,
            precision: Precision::Auto,
            rtol: 1e-8,
            atol: 0.0,
            criterion: Criterion::RhsNorm,
            restart: None,
            spectrum: None,
            subspace: vec![],
            max_iterations: 10_000,
            max_matvecs: usize::MAX,
            time_limit: None,
            threads: 0,
            fuse: true,
            lag: None,
            batch: None,
            withhold: vec![],
            reorder: When::Auto,
            equilibrate: When::Auto,
            memory_limit: None,
            binding_limit: None,
        }
    }
}

impl Options {
    /// Finds what is wrong without a matrix: values out of range, unknown names.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<()> {
        for (name, v) in [("rtol", self.rtol), ("atol", self.atol), ("damp", self.damp)] {
            if !(v >= 0.0 && v.is_finite()) {
                return Err(Error::input(format!("{name} is {v}; it must be a finite number, 0 or more")));
            }
        }
        if self.restart == Some(0) {
            return Err(Error::input("restart is 0; a GMRES cycle needs at least one column"));
        }
        if self.restart.is_some_and(|m| m > 10_000) {
            return Err(Error::input("restart is beyond the limit of 10000 columns"));
        }
        if let Some((a, b)) = self.spectrum
            && !(0.0 < a && a <= b && b.is_finite())
        {
            return Err(Error::input(format!("the spectrum is [{a}, {b}]; its bounds must be finite, 0 < a <= b")));
        }
        if self.spectrum.is_some() && self.equilibrate == When::Always {
            return Err(Error::input("a spectrum is that of A as given; it does not go with equilibrate always"));
        }
        if self.near_null.is_some() && self.reorder == When::Always {
            return Err(Error::input("near-null vectors come node by node; they do not go with reorder always"));
        }
        if self.given.is_some() && (self.reorder == When::Always || self.equilibrate == When::Always) {
            let fault =
                "a preconditioner of your own is one of A as given; it does not go with reorder or equilibrate always";
            return Err(Error::input(fault));
        }
        if self.method != "auto" {
            let method = method::by_name(&self.method)?;
            if self.side != Side::Auto && !method.sides().contains(&self.side) {
                let known: Vec<&str> = method.sides().iter().map(|s| s.id()).collect();
                return Err(Error::input(format!(
                    "{} has no preconditioning on the side {}; it has {}",
                    method.id,
                    self.side.id(),
                    known.join(", ")
                )));
            }
        } else if self.side != Side::Auto {
            return Err(Error::input("a side goes with a method: name one, as gmres"));
        }
        if method::by_name(&self.method).is_ok_and(|m| m.needs == Needs::Any)
            && (self.equilibrate == When::Always || self.reorder == When::Always)
        {
            return Err(Error::input("least squares weigh rows as they are: neither reorder nor equilibrate always"));
        }
        if self.damp > 0.0 && method::by_name(&self.method).map_or(true, |m| m.needs != Needs::Any) {
            return Err(Error::input("damp is of least-squares problems: name the method lsqr or lsmr"));
        }
        if self.preconditioner != "auto" {
            precond::by_name(&self.preconditioner)?;
        }
        let known = ["f64", "double-single"];
        if let Some(w) = self.withhold.iter().find(|w| !known.contains(&w.as_str())) {
            return Err(Error::input(suggest::unknown("feature to withhold", w, &known)));
        }
        Ok(())
    }
}

/// Which residual is small enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum Criterion {
    /// ‖r‖ ≤ max(rtol·‖b‖, atol).
    #[default]
    RhsNorm,
    /// ‖r‖ ≤ max(rtol·‖r₀‖, atol).
    InitialResidual,
    /// ‖r‖ ≤ atol.
    Absolute,
    /// ‖r‖ ≤ rtol·(‖A‖‖x‖ + ‖b‖).
    BackwardError,
}
