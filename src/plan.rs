//! Choices made before solving, each with its reason in words: backend, method, preconditioner, precision.

use crate::backend::{Engine, cpu::Cpu};
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::matrix::Csr;
use crate::method::{self, MethodEntry, Needs};
use crate::op::{Dtype, Plan, Space};
use crate::report::AdapterInfo;
use crate::solver::{Backend, Options, Precision};
#[cfg(feature = "gpu")]
use std::sync::Arc;

/// The device chosen.
pub(crate) struct DeviceChoice {
    pub(crate) adapter: AdapterInfo,
    /// Native f64.
    pub(crate) has_f64: bool,
    #[cfg(feature = "gpu")]
    pub(crate) gpu: Option<Arc<crate::backend::gpu::Context>>,
}

impl DeviceChoice {
    /// An empty space for this device.
    pub(crate) fn space(&self, plan: Plan) -> Space {
        #[cfg(feature = "gpu")]
        if self.gpu.is_some() {
            return Space::new(plan).without_triangles();
        }
        Space::new(plan)
    }

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
            has_f64: true,
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
        Ok(DeviceChoice { adapter: context.info().clone(), has_f64: context.has_f64(), gpu: Some(context) })
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

/// Number types for a device, the first choice and what to fall back on; reasons go to `notes`.
fn precisions(options: &Options, device: &DeviceChoice, notes: &mut Vec<String>) -> Result<Vec<Plan>> {
    let (single, double) = (Plan::uniform(Dtype::F32), Plan::uniform(Dtype::F64).with_preconditioner(Dtype::F32));
    let mixed = "f32 iterations, residual and x in f64 on the CPU";
    let (plans, why) = match options.precision {
        Precision::F64 if !device.has_f64 => {
            return Err(Error::input(format!(
                "{} has no f64 in shaders; use --precision auto, f32 or mixed (answers are certified in f64 all the same)",
                device.adapter.name
            )));
        }
        Precision::F64 => (vec![double], "f64: as asked".to_string()),
        Precision::F32 => (vec![single], format!("f32: as asked; {mixed}")),
        Precision::Mixed if device.has_f64 => {
            (vec![single, double], format!("mixed: {mixed}; f64 where that gains too little"))
        }
        Precision::Mixed => (vec![single], format!("mixed: {mixed}")),
        Precision::Auto if device.has_f64 => (vec![double], "f64: the device has it".to_string()),
        Precision::Auto => (vec![single], format!("mixed: the device has no f64: {mixed}")),
    };
    notes.push(format!("precision {why}"));
    Ok(plans)
}

pub(crate) fn ladder(
    a: &Csr,
    facts: &Facts,
    options: &Options,
    device: &DeviceChoice,
    notes: &mut Vec<String>,
) -> Result<(Vec<RungPlan>, Vec<String>)> {
    let mut warnings = vec![];
    let precisions = precisions(options, device, notes)?;
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
            })
        })
        .collect::<Result<Vec<_>>>()?;
    debug_assert!(
        rungs.iter().all(|r| options.method != "auto" || facts.symmetric() || r.method.needs == Needs::Square)
    );
    Ok((rungs, warnings))
}
