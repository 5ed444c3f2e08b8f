//! Choices made before solving, each with its reason in words: backend, method, preconditioner, precision.

use crate::backend::{Engine, cpu::Cpu};
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::matrix::format::scatters;
use crate::matrix::{Csr, rcm};
use crate::method::{self, MethodEntry, Needs};
use crate::op::{Dtype, Plan, Space};
use crate::report::AdapterInfo;
use crate::solver::{Backend, Options, Precision, When};
use crate::transform::{self, Change};
#[cfg(feature = "gpu")]
use std::sync::Arc;

/// The device chosen.
pub(crate) struct DeviceChoice {
    pub(crate) adapter: AdapterInfo,
    /// The widest type that residuals can be computed in there.
    pub(crate) widest: Dtype,
    #[cfg(feature = "gpu")]
    pub(crate) gpu: Option<Arc<crate::backend::gpu::Context>>,
}

impl DeviceChoice {
    /// An engine on this device over `space`.
    pub(crate) fn engine(&self, space: Space, options: &Options) -> Result<Box<dyn Engine>> {
        let cpu = |space| Cpu::new(space, options.threads, options.fuse).map(Box::new);
        #[cfg(feature = "gpu")]
        if let Some(context) = &self.gpu {
            use crate::backend::{gpu::Gpu, lockstep::Lockstep};
            let gpu = Box::new(Gpu::new(Arc::clone(context), space.clone(), options)?);
            return Ok(match options.backend {
                Backend::Lockstep => Box::new(Lockstep::new(space.clone(), cpu(space)?, gpu)),
                _ => gpu,
            });
        }
        Ok(cpu(space)?)
    }
}

/// One method of the ladder.
pub(crate) struct RungPlan {
    pub(crate) method: &'static MethodEntry,
    pub(crate) preconditioner: String,
    pub(crate) precision: Plan,
    pub(crate) restart: usize,
    pub(crate) window: usize,
    /// How the user's system is changed for it.
    pub(crate) change: Change,
}

/// Below this many rows plain iterations are over before multigrid is set up.
const MULTIGRID_FROM: usize = 30_000;

/// Below this many entries a kernel launch costs more than the work.
#[cfg(feature = "gpu")]
const GPU_FROM_NNZ: usize = 300_000;

fn cpu_info(threads: usize) -> AdapterInfo {
    let threads = if threads == 0 { rayon::current_num_threads() } else { threads };
    AdapterInfo {
        name: format!("CPU, {threads} thread{}", if threads == 1 { "" } else { "s" }),
        backend: "cpu".into(),
        driver: format!("krylane {}", env!("CARGO_PKG_VERSION")),
        kind: "cpu".into(),
    }
}

pub(crate) fn choose_backend(nnz: usize, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    let cpu = |notes: &mut Vec<String>, why: &str| {
        notes.push(format!("backend cpu: {why}"));
        DeviceChoice {
            adapter: cpu_info(options.threads),
            widest: Dtype::F64,
            #[cfg(feature = "gpu")]
            gpu: None,
        }
    };
    if options.backend == Backend::Cpu {
        return Ok(cpu(notes, "as asked"));
    }
    #[cfg(feature = "gpu")]
    {
        use crate::backend::gpu::Context;
        let wanted = match &options.backend {
            Backend::Auto if nnz < GPU_FROM_NNZ => {
                return Ok(cpu(notes, &format!("{nnz} entries are too few for a GPU to pay")));
            }
            Backend::Auto => match Context::hardware(options)? {
                Some(context) => Ok(context),
                None => return Ok(cpu(notes, "no hardware GPU answers (software adapters are used on request only)")),
            },
            Backend::Adapter(name) => Context::named(name, options),
            _ => Context::any(options),
        };
        let context = wanted?;
        notes.push(format!("backend {}: {}", context.info().backend, context.info().name));
        Ok(DeviceChoice { adapter: context.info().clone(), widest: context.widest(), gpu: Some(context) })
    }
    #[cfg(not(feature = "gpu"))]
    {
        let _ = nnz;
        if options.backend == Backend::Auto {
            return Ok(cpu(notes, "built without the feature `gpu`"));
        }
        Err(Error::NoAdapter("this krylane was built without the feature `gpu`; use the backend cpu".into()))
    }
}

/// Bytes that caches may hold: an iteration over less is not bound by memory, and f64 costs it little.
const CACHED: usize = 32 << 20;

/// Number types for a device, the first choice and what to fall back on; reasons go to `notes`.
fn precisions(a: &Csr, options: &Options, device: &DeviceChoice, notes: &mut Vec<String>) -> Result<Vec<Plan>> {
    let double = Plan::uniform(Dtype::F64);
    let has_f64 = device.widest == Dtype::F64;
    let single = Plan::mixed(device.widest);
    let mixed = match device.widest {
        // The correction of a correction: the device has nothing wider.
        Dtype::F32 => "f32 iterations, residual and x in f64 on the CPU".to_string(),
        wide => format!("f32 iterations, residual and x in {wide}, renewed as they converge"),
    };
    // The matrix and the ten vectors of a CG iteration.
    let streamed = 12 * a.nnz() + 80 * a.rows();
    let (plans, why) = match options.precision {
        Precision::F64 if !has_f64 => {
            return Err(Error::input(format!(
                "{} has no f64 in shaders; use --precision auto, f32 or mixed (answers are certified in f64 all the same)",
                device.adapter.name
            )));
        }
        Precision::F64 => (vec![double], "f64: as asked".to_string()),
        Precision::F32 => (vec![single], format!("f32: as asked; {mixed}")),
        Precision::Mixed if has_f64 => {
            (vec![single, double], format!("mixed: {mixed}; f64 where that gains too little"))
        }
        Precision::Mixed => (vec![single], format!("mixed: {mixed}")),
        Precision::Auto if !has_f64 => (vec![single], format!("mixed: the device has no f64: {mixed}")),
        Precision::Auto if streamed < CACHED => {
            (vec![double], format!("f64: an iteration's {} MB fit caches", streamed.div_ceil(1 << 20)))
        }
        Precision::Auto => (
            vec![single, double],
            format!(
                "mixed: an iteration streams {} MB of memory, half in f32; {mixed}; f64 where that gains too little",
                streamed >> 20
            ),
        ),
    };
    notes.push(format!("precision {why}"));
    Ok(plans)
}

/// Below this many rows the vector that products gather from stays in a core's cache in any order.
const REORDER_FROM: usize = 1 << 17;

/// The rows in the order of reverse Cuthill–McKee, where that is asked for or pays.
pub(crate) fn choose_order(a: &Csr, options: &Options, notes: &mut Vec<String>) -> Option<Vec<u32>> {
    let auto = options.reorder == When::Auto;
    if options.reorder == When::Never || auto && (a.rows() < REORDER_FROM || !scatters(a)) {
        return None;
    }
    let before = rcm::mean_distance(a, None);
    // Set-up costs as much as some dozens of products, so the present order must be a bad one.
    if auto && before < REORDER_FROM as f64 / 8.0 {
        return None;
    }
    let order = rcm::order(a);
    let after = rcm::mean_distance(a, Some(&order));
    if auto && after > before / 4.0 {
        notes.push(format!(
            "order as given: gathers scatter, but Cuthill-McKee brings the mean |i - j| only from {before:.0} to {after:.0}"
        ));
        return None;
    }
    let why = if auto { "gathers scatter beyond the cache" } else { "as asked" };
    notes.push(format!("order reverse Cuthill-McKee: {why}; mean |i - j| from {before:.0} to {after:.0}"));
    Some(order)
}

/// Whether rows and columns are equilibrated for arithmetic in `dtype`.
fn equilibrates(facts: &Facts, options: &Options, dtype: Dtype) -> bool {
    match options.equilibrate {
        When::Always => true,
        When::Never => false,
        // Bounds of a spectrum are those of A as given.
        When::Auto => facts.spread > transform::digits(dtype) && options.spectrum.is_none(),
    }
}

pub(crate) fn ladder(
    a: &Csr,
    facts: &Facts,
    options: &Options,
    device: &DeviceChoice,
    reorder: bool,
    notes: &mut Vec<String>,
) -> Result<(Vec<RungPlan>, Vec<String>)> {
    let mut warnings = vec![];
    let precisions = precisions(a, options, device, notes)?;
    if let Some(plan) = precisions.iter().find(|p| equilibrates(facts, options, p.working)) {
        let why = if options.equilibrate == When::Always { "as asked; " } else { "" };
        notes.push(format!(
            "equilibration by powers of two: {why}the largest entries of rows or columns differ by up to 2^{}, {} has {} binary digits",
            facts.spread,
            plan.working,
            transform::digits(plan.working)
        ));
    }
    let (positive, negative, zero) = facts.diagonal;
    let definite_candidate = facts.symmetric() && negative == 0 && zero == 0 && positive > 0;
    // What costs nothing to set up and runs everywhere.
    let (simple, why) = match zero {
        0 if facts.constant_diagonal => ("none", "the diagonal is constant, Jacobi would change nothing".to_string()),
        0 => ("jacobi", "the diagonal has no zeros".to_string()),
        _ => ("none", format!("{zero} diagonal entries are zero or missing")),
    };
    let cpu = device.adapter.kind == "cpu";
    let (chosen, mut because) = match options.preconditioner.as_str() {
        "auto" => (None, why),
        asked => (Some(asked), "as asked".to_string()),
    };
    if chosen == Some("jacobi") && zero > 0 {
        warnings
            .push(format!("{zero} diagonal entries are zero or missing; their rows are scaled by their largest entry"));
    }
    let multigrid = definite_candidate && facts.m_matrix && facts.dominance > 0.7 && a.rows() >= MULTIGRID_FROM;
    let methods: Vec<(&str, Option<usize>, &str)> = if options.method != "auto" {
        notes.push(format!("method {}: as asked", options.method));
        vec![(options.method.as_str(), None, simple)]
    } else if definite_candidate {
        notes.push(
            "method cg: A is symmetric with a positive diagonal; minres, then gmres if it proves indefinite".into(),
        );
        let mut list = vec![("cg", None, simple), ("minres", None, simple), ("gmres", Some(50), simple)];
        if multigrid && chosen.is_none() {
            because = format!("no off-diagonal entry is positive and n >= {MULTIGRID_FROM}; {simple} if it fails");
            list.insert(0, ("cg", None, "amg"));
        }
        list
    } else if facts.symmetric() {
        notes.push("method minres: A is symmetric, its diagonal is not positive throughout; then gmres".into());
        vec![("minres", None, simple), ("gmres", Some(50), if cpu { "ilu0" } else { simple })]
    } else {
        let (i, j) = facts.asymmetry.unwrap_or_default();
        notes.push(format!("method gmres: A is not symmetric (entry ({i}, {j})); then bicgstab"));
        let mut list = vec![("gmres", Some(50), simple), ("bicgstab", None, simple), ("gmres", Some(200), simple)];
        if cpu && chosen.is_none() {
            because = format!("A is not symmetric and the CPU solves with triangles; {simple} if it fails");
            list.splice(0..0, [("gmres", Some(50), "ilu0"), ("bicgstab", None, "ilu0")]);
        }
        list
    };
    notes.push(format!("preconditioner {}: {because}", chosen.unwrap_or(methods[0].2)));
    let n = a.rows();
    let rungs = methods
        .into_iter()
        .flat_map(|(id, restart, m)| precisions.iter().map(move |&precision| (id, restart, m, precision)))
        .map(|(id, restart, m, precision)| {
            let method = method::by_name(id)?;
            Ok(RungPlan {
                method,
                preconditioner: chosen.unwrap_or(m).into(),
                precision,
                restart: options.restart.or(restart).unwrap_or(30).min(n.max(1)),
                // Short recurrences may rest for long on hard systems before they fall.
                window: n.clamp(1000, 5000),
                change: Change { equilibrate: equilibrates(facts, options, precision.working), reorder, matched: false },
            })
        })
        .collect::<Result<Vec<_>>>()?;
    debug_assert!(
        rungs.iter().all(|r| options.method != "auto" || facts.symmetric() || r.method.needs == Needs::Square)
    );
    Ok((rungs, warnings))
}
