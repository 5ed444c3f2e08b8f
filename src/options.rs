//! The options of a solve.

pub(crate) mod text;

use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::host::{memory, suggest};
use crate::method::registry::Method;
use crate::precond;
use crate::precond::registry::Precond;
use crate::ranks::Ranks;
use std::sync::Arc;
use std::time::Duration;

/// Where to solve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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

/// Whether to apply an optional step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

/// The options of a solve. `Default` suits most systems.
///
/// Write literals with `..Options::default()` at the end: fields are added over time. [`Solver::builder`] sets the same
/// fields by name.
///
/// [`Solver::builder`]: crate::Solver::builder
#[derive(Clone, Debug)]
pub struct Options {
    /// The method with its own options.
    pub method: Method,
    /// The preconditioner with its own parameters.
    pub preconditioner: Precond,
    /// For multigrid: near-null vectors beside the constants, as rigid-body modes for elasticity.
    pub near_null: Option<Arc<precond::NearNull>>,
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
    /// Bound on iterations, 10 000; the candidates of a race share it.
    pub max_iterations: usize,
    /// Bound on products with A.
    pub max_matvecs: usize,
    /// Bound on the time of a solve.
    pub time_limit: Option<Duration>,
    /// Threads of the CPU backend; 0 is all.
    pub threads: usize,
    /// Rows and columns in the order of reverse Cuthill–McKee, so that products gather from near by; x is in the
    /// user's order all the same.
    pub reorder: When,
    /// Rows and columns scaled by powers of two, so that none drowns in the rounding of another. The iteration
    /// then sees ‖D r‖ and not ‖r‖; the certificate is the user's.
    pub equilibrate: When,
    /// With the method "auto": where A is singular and b outside its range, go on to the least-squares solution of least
    /// norm, by lsqr.
    pub least_squares: bool,
    /// Bytes that a candidate may take for vectors, matrices and factors; `None` is what the system says is free. More is
    /// refused before it is taken.
    pub memory_limit: Option<u64>,
    /// The ranks that share the work; alone if `None`. Every rank makes the same calls with the same options.
    pub ranks: Option<Ranks>,
    /// For tests.
    #[doc(hidden)]
    pub knobs: Knobs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            preconditioner: Precond::Auto,
            near_null: None,
            backend: Backend::Auto,
            precision: Precision::Auto,
            rtol: 1e-8,
            atol: 0.0,
            criterion: Criterion::RhsNorm,
            max_iterations: 10_000,
            max_matvecs: usize::MAX,
            time_limit: None,
            threads: 0,
            reorder: When::Auto,
            equilibrate: When::Auto,
            least_squares: false,
            memory_limit: None,
            ranks: None,
            knobs: Knobs::default(),
        }
    }
}

/// Settings for tests: answers do not depend on them, or they make one machine behave like another.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// Several operations per sweep; off, each runs alone.
    pub fuse: bool,
    /// Batches in flight; results don't depend on it.
    pub lag: Option<usize>,
    /// Iterations per batch, at least 1; results don't depend on it.
    pub batch: Option<usize>,
    /// Adapter features to ignore, as if the device lacked them: "f64", "double-single"; "checks" are those of bounds,
    /// which released kernels lack.
    pub withhold: Vec<String>,
    /// Bytes that a single binding may have on the GPU; `None` is the adapter's own limit.
    pub binding_limit: Option<u64>,
    /// Storage buffers that a kernel on the GPU may bind, at least the 8 that WebGPU guarantees; `None` is what the engine
    /// has use for.
    pub storage_buffers: Option<u32>,
    /// Bytes that this process may take, in place of what the system says is free.
    pub memory_share: Option<u64>,
    /// When the time limit of a search ends, whose set-up counts too.
    pub deadline: Option<Instant>,
    /// `Backend::Auto` takes any adapter, a software one too, for any size.
    pub prefer_gpu: bool,
    /// The solver lists the kernels of a GPU.
    pub list_kernels: bool,
    /// The report tells what each kernel of a GPU took. Every kernel runs by itself then.
    pub kernel_times: bool,
    /// The GPU is lost at the submission after so many: a drill of what a driver's reset does.
    pub lose_device_after: Option<u64>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            fuse: true,
            lag: None,
            batch: None,
            withhold: vec![],
            binding_limit: None,
            storage_buffers: None,
            memory_share: None,
            deadline: None,
            prefer_gpu: false,
            list_kernels: false,
            kernel_times: false,
            lose_device_after: None,
        }
    }
}

impl Knobs {
    /// Finds values out of range.
    ///
    /// # Errors
    /// The first one.
    pub(crate) fn check(&self) -> Result<()> {
        if self.batch == Some(0) {
            return Err(Error::input("batch is 0; a batch holds at least one iteration"));
        }
        let known = ["f64", "double-single"];
        if let Some(w) = self.withhold.iter().find(|w| *w != "checks" && !known.contains(&w.as_str())) {
            return Err(Error::input(suggest::unknown("feature to withhold", w, &known)));
        }
        Ok(())
    }
}

impl Options {
    /// Checks what needs no matrix: values out of range, options that exclude each other.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<()> {
        for (name, v) in [("rtol", self.rtol), ("atol", self.atol)] {
            if !(v >= 0.0 && v.is_finite()) {
                return Err(Error::input(format!("{name} is {v}; it must be a finite number, 0 or more")));
            }
        }
        self.method.check()?;
        self.preconditioner.check()?;
        self.knobs.check()?;
        if self.method.settings().spectrum.is_some() && self.equilibrate == When::Always {
            return Err(Error::input("a spectrum is that of A as given; it does not go with equilibrate always"));
        }
        if self.near_null.is_some() && self.reorder == When::Always {
            return Err(Error::input("near-null vectors come node by node; they do not go with reorder always"));
        }
        if self.gives_preconditioner() && (self.reorder == When::Always || self.equilibrate == When::Always) {
            let fault =
                "a preconditioner of your own is one of A as given; it does not go with reorder or equilibrate always";
            return Err(Error::input(fault));
        }
        if self.criterion == Criterion::Absolute && self.atol == 0.0 {
            return Err(Error::input("the criterion is absolute and atol is 0, which nothing meets; set atol"));
        }
        if self.least_squares && self.method != Method::Auto {
            return Err(Error::input("least_squares goes with the method auto; lsqr and lsmr do nothing else"));
        }
        if self.method.is_least_squares() && (self.equilibrate == When::Always || self.reorder == When::Always) {
            return Err(Error::input("least squares weigh rows as they are: neither reorder nor equilibrate always"));
        }
        Ok(())
    }

    /// Options that have no effect beside the others, or ask for what can't be had: a sentence each, for the report.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let mut found = vec![];
        if self.near_null.is_some() && !matches!(self.preconditioner, Precond::Auto | Precond::Amg(_)) {
            found.push(format!("near-null vectors are for multigrid; {} does not use them", self.preconditioner.id()));
        }
        if self.atol > 0.0 && matches!(self.criterion, Criterion::BackwardError | Criterion::Componentwise) {
            found.push(format!("atol is {:e}, and the criterion does not use it", self.atol));
        }
        if self.criterion == Criterion::Absolute && self.rtol != Self::default().rtol {
            found.push(format!("rtol is {:e}, and the criterion absolute does not use it", self.rtol));
        }
        if self.criterion != Criterion::Absolute && self.atol == 0.0 && self.rtol < 0.5 * f64::EPSILON {
            found.push(format!("rtol is {:e}: rounding in f64 hardly allows such a residual", self.rtol));
        }
        found
    }

    /// Bytes that a solve may take.
    pub(crate) fn available_memory(&self) -> Option<u64> {
        memory::available(self.memory_limit, self.knobs.memory_share)
    }

    /// Returns an error if `needed` bytes for `what` are not available.
    pub(crate) fn check_memory(&self, what: impl FnOnce() -> String, needed: u64) -> Result<()> {
        memory::check(what, needed, self.memory_limit, self.knobs.memory_share)
    }

    /// True where the preconditioner is the user's own.
    pub(crate) fn gives_preconditioner(&self) -> bool {
        matches!(self.preconditioner, Precond::Given(_))
    }
}

/// Which residual is small enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
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
    /// |r|_i ≤ rtol·(|A||x| + |b|)_i for every row i (Oettli and Prager 1964, doi:10.1007/BF01386090): for rows of very
    /// different size. Rows and columns are equilibrated unless that is ruled out; A must have stored entries.
    Componentwise,
}
