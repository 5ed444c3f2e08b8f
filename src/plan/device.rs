//! Where to solve: the CPU, or a GPU that answers and is worth its launches.

use crate::backend::{Engine, cpu::Cpu};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::op::{Dtype, Plan, Space};
use crate::options::{Backend, Options};
use crate::precond::registry::Precond;
use crate::report::AdapterInfo;
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
    /// True for the CPU.
    pub(crate) fn is_cpu(&self) -> bool {
        #[cfg(feature = "gpu")]
        return self.gpu.is_none();
        #[cfg(not(feature = "gpu"))]
        true
    }

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
        let cpu = |space| Cpu::new(space, options.threads, options.knobs.fuse).map(Box::new);
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

/// The CPU as the device.
pub(crate) fn cpu(options: &Options) -> DeviceChoice {
    DeviceChoice {
        adapter: cpu_info(options.threads),
        widest: Dtype::F64,
        #[cfg(feature = "gpu")]
        gpu: None,
    }
}

/// The device for a stored matrix of `nnz` entries.
pub(crate) fn choose_backend(nnz: usize, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    choose_for(nnz, "entries", options, notes)
}

/// The device for products with `a`.
pub(crate) fn choose_device(a: &Matrix, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    if let Matrix::Free(operator) = a
        && options.backend != Backend::Cpu
        && operator.shader().is_none()
    {
        if options.backend != Backend::Auto {
            return Err(Error::input(
                "the operator has no WGSL for its product, which a GPU needs; give it a shader, or use the backend cpu",
            ));
        }
        notes.push("backend cpu: the operator has no WGSL for its product".into());
        return Ok(cpu(options));
    }
    if let Precond::Given(given) = &options.preconditioner
        && given.on_host()
        && options.backend != Backend::Cpu
    {
        if options.backend != Backend::Auto {
            return Err(Error::input("the preconditioner is a function on the host; use the backend cpu"));
        }
        notes.push("backend cpu: the preconditioner is a function on the host".into());
        return Ok(cpu(options));
    }
    let what = if a.entries().is_some() { "entries" } else { "numbers a product" };
    let choice = choose_for(a.work(), what, options, notes)?;
    // An operator's text knows no double-single arithmetic.
    let narrow = a.entries().is_none() && choice.widest == Dtype::DoubleSingle;
    Ok(DeviceChoice { widest: if narrow { Dtype::F32 } else { choice.widest }, ..choice })
}

fn choose_for(work: usize, what: &str, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    let cpu = |notes: &mut Vec<String>, why: &str| {
        notes.push(format!("backend cpu: {why}"));
        cpu(options)
    };
    if options.backend == Backend::Cpu {
        return Ok(cpu(notes, "as asked"));
    }
    #[cfg(feature = "gpu")]
    {
        use crate::backend::gpu::Context;
        let wanted = match &options.backend {
            Backend::Auto if options.knobs.prefer_gpu => Context::any(options),
            Backend::Auto if work < GPU_FROM_NNZ => {
                return Ok(cpu(notes, &format!("{work} {what} are too few for a GPU to pay")));
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
        let _ = (work, what);
        if options.backend == Backend::Auto {
            return Ok(cpu(notes, "built without the feature `gpu`"));
        }
        Err(Error::NoAdapter("this krylane was built without the feature `gpu`; use the backend cpu".into()))
    }
}
