//! Where to solve: the CPU, or a device that answers and is worth its overhead.

use crate::backend::{AdapterInfo, BACKENDS, Device, Engine, KernelTime, Opened, Settings, Wanted};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::op::{Dtype, Precisions, Space};
use crate::options::{Backend, Options};
use crate::precond::registry::Precond;
use crate::ranks::Ranks;
use std::sync::Arc;

/// The device chosen.
pub(crate) struct DeviceChoice {
    pub(crate) adapter: AdapterInfo,
    /// The widest type that residuals can be computed in there.
    pub(crate) widest: Dtype,
    device: Arc<dyn Device>,
    /// Those that were lost before this one, by their keys.
    lost: Vec<String>,
}

impl DeviceChoice {
    fn new(device: Arc<dyn Device>) -> Self {
        Self { adapter: device.info().clone(), widest: device.widest(), device, lost: vec![] }
    }

    /// True for the CPU backend, which calls functions of the host and solves with triangles row by row.
    pub(crate) fn is_host(&self) -> bool {
        self.device.is_host()
    }

    /// How people call the place.
    pub(crate) fn place(&self) -> &str {
        if self.is_host() { "the CPU" } else { &self.adapter.name }
    }

    /// Devices that are out of the question where this one is lost, too.
    pub(crate) fn lost(&self) -> Vec<String> {
        let own = Some(self.device.key()).filter(|key| !key.is_empty());
        self.lost.iter().cloned().chain(own.map(String::from)).collect()
    }

    /// What kernels took since the last call, where that is measured.
    pub(crate) fn take_kernel_times(&self) -> Vec<KernelTime> {
        self.device.take_kernel_times()
    }

    /// An empty space for this device.
    pub(crate) fn space(&self, plan: Precisions) -> Space {
        self.device.space(plan)
    }

    /// An engine on this device over `space`.
    pub(crate) fn engine(&self, space: Space) -> Result<Box<dyn Engine>> {
        Arc::clone(&self.device).engine(space)
    }
}

fn settings(options: &Options, lost: &[String]) -> Settings {
    let knobs = options.knobs.clone();
    Settings {
        threads: options.threads,
        fuse: knobs.fuse,
        withhold: knobs.withhold,
        binding_limit: knobs.binding_limit,
        storage_buffers: knobs.storage_buffers,
        kernel_times: knobs.kernel_times,
        prefer_gpu: knobs.prefer_gpu,
        ranks: options.ranks.clone(),
        list_kernels: knobs.list_kernels,
        lost: lost.to_vec(),
        lose_device_after: knobs.lose_device_after,
        ..Settings::default()
    }
}

/// The first device of backend `id`.
async fn first_of(id: &str, options: &Options) -> Result<DeviceChoice> {
    let absent = || Error::NoAdapter(format!("this krylane was built without the feature `{id}`; use the backend cpu"));
    let entry = BACKENDS.iter().find(|b| b.id == id).ok_or_else(absent)?;
    match (entry.open)(Wanted::Any, &settings(options, &[])).await? {
        Opened::Device { device, .. } => Ok(DeviceChoice::new(device)),
        Opened::Unsuitable(why) => Err(Error::NoAdapter(why)),
    }
}

/// The device called `name`, of whatever backend; the backend itself where that is its name.
async fn named(name: &str, options: &Options) -> Result<DeviceChoice> {
    if BACKENDS.iter().any(|b| b.id == name) {
        return first_of(name, options).await;
    }
    let mut refused = None;
    for entry in BACKENDS {
        match (entry.open)(Wanted::Named(name), &settings(options, &[])).await {
            Ok(Opened::Device { device, .. }) => return Ok(DeviceChoice::new(device)),
            Ok(Opened::Unsuitable(_)) => {}
            Err(e) => refused = refused.or(Some(e)),
        }
    }
    match refused {
        Some(e) => Err(e),
        None => first_of("gpu", options).await,
    }
}

/// The CPU as the device.
pub(crate) fn cpu(options: &Options) -> DeviceChoice {
    pollster::block_on(first_of("cpu", options)).expect("the CPU needs no feature, no driver and no waiting")
}

#[cfg(feature = "gpu")]
async fn lockstep(options: &Options) -> Result<DeviceChoice> {
    let (reference, tested) = (first_of("cpu", options).await?.device, first_of("gpu", options).await?.device);
    Ok(DeviceChoice::new(Arc::new(crate::backend::lockstep::Pair { reference, tested })))
}

#[cfg(not(feature = "gpu"))]
async fn lockstep(options: &Options) -> Result<DeviceChoice> {
    first_of("gpu", options).await
}

/// The device for a stored matrix of `nnz` entries; where the choice is ours, none of those that were `lost`.
pub(crate) async fn choose_backend(
    nnz: usize,
    options: &Options,
    lost: &[String],
    notes: &mut Vec<String>,
) -> Result<DeviceChoice> {
    choose_for(nnz, "entries", options, lost, notes).await
}

/// The device for products with `a`; where the choice is ours, none of those that were `lost`.
pub(crate) async fn choose_device(
    a: &Matrix,
    options: &Options,
    lost: &[String],
    notes: &mut Vec<String>,
) -> Result<DeviceChoice> {
    if let (Matrix::Parted(_), Some(ranks)) = (a, &options.ranks) {
        return shared(ranks, options, notes);
    }
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
    let what = if matches!(a, Matrix::Free(_)) { "numbers a product" } else { "entries" };
    let choice = choose_for(a.work(), what, options, lost, notes).await?;
    // An operator's text knows no double-single arithmetic.
    let narrow = a.entries().is_none() && choice.widest == Dtype::DoubleSingle;
    Ok(DeviceChoice { widest: if narrow { Dtype::F32 } else { choice.widest }, ..choice })
}

async fn choose_for(
    work: usize,
    what: &str,
    options: &Options,
    lost: &[String],
    notes: &mut Vec<String>,
) -> Result<DeviceChoice> {
    if let Some(ranks) = options.ranks.as_ref().filter(|r| r.size() > 1) {
        return shared(ranks, options, notes);
    }
    let choice = match &options.backend {
        Backend::Auto => return suitable(work, what, options, lost, notes).await,
        Backend::Cpu => {
            notes.push("backend cpu: as asked".into());
            return Ok(cpu(options));
        }
        Backend::Gpu => first_of("gpu", options).await?,
        Backend::Adapter(name) => named(name, options).await?,
        Backend::Lockstep => lockstep(options).await?,
    };
    notes.push(format!("backend {}: {}", choice.adapter.backend, choice.adapter.name));
    Ok(choice)
}

/// The device of several ranks: the CPU of each.
fn shared(ranks: &Ranks, options: &Options, notes: &mut Vec<String>) -> Result<DeviceChoice> {
    if !matches!(options.backend, Backend::Auto | Backend::Cpu) {
        return Err(Error::input("several ranks share the work on CPUs only; use the backend cpu"));
    }
    notes.push(format!("backend cpu: {} ranks, each with its rows of vectors and matrices", ranks.size()));
    Ok(cpu(options))
}

/// The first device in the order of the table that is worth its overhead and can be opened; the CPU is the last one.
async fn suitable(
    work: usize,
    what: &str,
    options: &Options,
    lost: &[String],
    notes: &mut Vec<String>,
) -> Result<DeviceChoice> {
    let mut reasons = vec![];
    for entry in BACKENDS {
        match (entry.open)(Wanted::Suitable { work, what }, &settings(options, lost)).await {
            Ok(Opened::Unsuitable(why)) => reasons.push(why),
            Err(e) => reasons.push(e.to_string()),
            Ok(Opened::Device { device, failed }) => {
                let choice = DeviceChoice { lost: lost.to_vec(), ..DeviceChoice::new(device) };
                let why = match reasons.is_empty() {
                    _ if !choice.is_host() => choice.adapter.name.clone(),
                    true => "built without the feature `gpu`".into(),
                    false => reasons.join("; "),
                };
                notes.extend(failed.into_iter().map(|why| format!("not taken: {why}")));
                notes.push(format!("backend {}: {why}", choice.adapter.backend));
                return Ok(choice);
            }
        }
    }
    Err(Error::NoAdapter(reasons.join("; ")))
}
