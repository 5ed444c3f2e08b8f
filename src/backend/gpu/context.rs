//! A GPU device, opened without a window: adapters, features, limits, and errors that never panic.

use super::pipelines::Compiled;
use crate::backend::{AdapterInfo, DeviceKind, Settings};
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::op::Dtype;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Duration;

/// Storage buffers that the widest kernel binds: more than WebGPU's guaranteed 8, but within every driver's limit.
const STORAGE_WANTED: u32 = 10;

#[cfg(not(target_arch = "wasm32"))]
const NO_ADAPTER: &str = "no GPU adapter answers; on Debian `apt-get install mesa-vulkan-drivers libvulkan1` brings a software one, or use the backend cpu";
#[cfg(target_arch = "wasm32")]
const NO_ADAPTER: &str = "this browser gives no WebGPU adapter; use the backend cpu";

/// An open device.
pub(crate) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    info: AdapterInfo,
    has_f64: bool,
    /// Engines put several operations in one sweep.
    pub(super) fuse: bool,
    pub(super) double_single_withheld: bool,
    /// Whether double-single arithmetic passed its test; see `self_test.rs`.
    pub(super) double_single: OnceLock<bool>,
    /// Most bytes in one storage binding.
    pub(super) max_binding: u64,
    /// Bytes one buffer may have.
    pub(super) max_buffer: u64,
    /// Most storage buffers that one kernel may bind.
    pub(super) max_storage: usize,
    /// Whether our own kernels are compiled with bounds checks.
    pub(super) checked: bool,
    /// What has been compiled on this device, for every engine on it.
    pub(super) compiled: Mutex<Compiled>,
    /// The first error or loss that no error scope caught.
    failure: Arc<Mutex<Option<String>>>,
    /// Submissions so far; below: how many succeed before a simulated loss.
    submissions: AtomicU64,
    lose_after: u64,
}

/// What `krylane info` shows of an adapter.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct AdapterDetails {
    /// Number by which it can be selected.
    pub index: usize,
    /// Name, interface, driver.
    pub info: AdapterInfo,
    /// Whether shaders support f64.
    pub f64: bool,
    /// Whether subgroup operations are supported.
    pub subgroups: bool,
    /// Most bytes in one binding.
    pub max_binding: u64,
    /// Bytes one buffer may have.
    pub max_buffer: u64,
    /// Why it can't be used, if so.
    pub why_not: Option<String>,
}

fn instance() -> wgpu::Instance {
    crate::host::machine::quiet_mesa();
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // Release builds validate nothing: the flags' default would insert a dispatch before each indirect one.
    let flags = if cfg!(debug_assertions) { wgpu::InstanceFlags::VALIDATION } else { wgpu::InstanceFlags::empty() };
    descriptor.flags = flags.with_env();
    descriptor.backends = wgpu::Backends::PRIMARY.with_env();
    wgpu::Instance::new(descriptor)
}

fn details(adapter: &wgpu::Adapter) -> AdapterInfo {
    let i = adapter.get_info();
    let kind = match i.device_type {
        wgpu::DeviceType::Cpu => DeviceKind::Software,
        wgpu::DeviceType::IntegratedGpu => DeviceKind::Integrated,
        wgpu::DeviceType::DiscreteGpu => DeviceKind::Discrete,
        wgpu::DeviceType::VirtualGpu => DeviceKind::Virtual,
        wgpu::DeviceType::Other => DeviceKind::Other,
    };
    AdapterInfo {
        // Browsers tell no names.
        name: if i.name.is_empty() { format!("{} adapter", i.backend.to_str()) } else { i.name },
        backend: i.backend.to_str().into(),
        driver: format!("{} {}", i.driver, i.driver_info).trim().into(),
        kind,
    }
}

async fn all() -> Vec<wgpu::Adapter> {
    let mut list = instance().enumerate_adapters(wgpu::Backends::all()).await;
    list.retain(|a| a.get_info().backend != wgpu::Backend::Noop);
    // Discrete first, then integrated, then the rest; software last. A stable sort, so drivers keep their order.
    list.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    list
}

/// Every adapter there is, hardware first.
#[must_use]
pub fn adapters() -> Vec<AdapterDetails> {
    pollster::block_on(all())
        .iter()
        .enumerate()
        .map(|(index, a)| {
            let limits = a.limits();
            let short = limits.max_storage_buffers_per_shader_stage < 8;
            AdapterDetails {
                index,
                info: details(a),
                f64: a.features().contains(wgpu::Features::SHADER_F64),
                subgroups: a.features().contains(wgpu::Features::SUBGROUP),
                max_binding: limits.max_storage_buffer_binding_size,
                max_buffer: limits.max_buffer_size,
                why_not: short.then(|| "fewer than 8 storage buffers a shader".into()),
            }
        })
        .collect()
}

/// What becomes of a buffer on its way to the host.
#[derive(Clone, Default)]
pub(super) struct Arrival(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// Whether it has come, once that is known.
    outcome: Option<bool>,
    waker: Option<Waker>,
}

impl Arrival {
    fn open(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, arrived: bool) {
        let mut waiting = self.open();
        waiting.outcome = Some(arrived);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    fn has_arrived(&self) -> bool {
        self.open().outcome == Some(true)
    }

    fn poll(&self, context: &mut task::Context<'_>) -> Poll<bool> {
        let mut waiting = self.open();
        waiting.waker = Some(context.waker().clone());
        waiting.outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The message of a panic, after a colon.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.map_or_else(String::new, |text| format!(": {text}"))
}

/// The size of a buffer of `bytes`, rounded up for copies.
pub(super) fn buffer_size(bytes: u64) -> u64 {
    bytes.max(16).next_multiple_of(16)
}

impl Context {
    /// The first hardware GPU, or `None`.
    pub(crate) async fn hardware(settings: &Settings) -> Result<Option<Arc<Self>>> {
        match all().await.into_iter().find(|a| a.get_info().device_type != wgpu::DeviceType::Cpu) {
            Some(adapter) => Self::open(&adapter, settings).await.map(Some),
            None => Ok(None),
        }
    }

    /// The first adapter; `WGPU_ADAPTER_NAME` narrows the choice.
    pub(crate) async fn any(settings: &Settings) -> Result<Arc<Self>> {
        match std::env::var("WGPU_ADAPTER_NAME") {
            Ok(name) if !name.is_empty() => Self::named(&name, settings).await,
            _ => match all().await.first() {
                Some(adapter) => Self::open(adapter, settings).await,
                None => Err(Error::NoAdapter(NO_ADAPTER.into())),
            },
        }
    }

    /// The adapter with this number, or whose name or driver contains this text.
    pub(crate) async fn named(name: &str, settings: &Settings) -> Result<Arc<Self>> {
        let list = all().await;
        let matches = |a: &wgpu::Adapter| {
            let info = details(a);
            let text = format!("{} {}", info.name, info.driver).to_lowercase();
            text.contains(&name.to_lowercase())
        };
        let found = match name.parse::<usize>() {
            Ok(index) => list.get(index),
            Err(_) => list.iter().find(|a| matches(a)),
        };
        match found {
            Some(adapter) => Self::open(adapter, settings).await,
            None => {
                let names: Vec<String> =
                    list.iter().enumerate().map(|(i, a)| format!("{i}: {}", details(a).name)).collect();
                let there =
                    if names.is_empty() { "there is none".into() } else { format!("there are {}", names.join("; ")) };
                Err(Error::NoAdapter(format!("no GPU adapter matches {name:?}; {there}")))
            }
        }
    }

    async fn open(adapter: &wgpu::Adapter, settings: &Settings) -> Result<Arc<Self>> {
        let info = details(adapter);
        let has = adapter.limits();
        // The largest buffers that the adapter supports, and bindings for a product whose operand is formed on the
        // fly; everything else at the portable defaults, so that what runs here runs elsewhere.
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
            max_buffer_size: has.max_buffer_size,
            max_storage_buffers_per_shader_stage: has.max_storage_buffers_per_shader_stage.clamp(8, STORAGE_WANTED),
            ..wgpu::Limits::defaults()
        };
        let withheld = |name: &str| settings.withhold.iter().any(|w| w == name);
        let has_f64 = adapter.features().contains(wgpu::Features::SHADER_F64) && !withheld("f64");
        let features = if has_f64 { wgpu::Features::SHADER_F64 } else { wgpu::Features::empty() };
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("krylane"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        });
        let (device, queue) =
            request.await.map_err(|e| Error::NoAdapter(format!("{}: no device could be opened: {e}", info.name)))?;
        let failure = Arc::new(Mutex::new(None));
        let note = |failure: &Arc<Mutex<Option<String>>>, text: String| {
            let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(text);
        };
        let seen = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(&seen, e.to_string())));
        let seen = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, text| {
            // Dropping the device is reported as a loss, too.
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(&seen, format!("lost: {text}"));
            }
        });
        let max_binding = settings.binding_limit.unwrap_or(u64::MAX).min(limits.max_storage_buffer_binding_size);
        let context = Self {
            device,
            queue,
            info,
            has_f64,
            fuse: settings.fuse,
            double_single_withheld: withheld("double-single"),
            double_single: OnceLock::new(),
            max_binding,
            max_buffer: limits.max_buffer_size,
            max_storage: limits.max_storage_buffers_per_shader_stage as usize,
            // Debug builds detect indices out of bounds; one test runs unchecked kernels as release builds do.
            checked: cfg!(debug_assertions) && !withheld("checks"),
            compiled: Mutex::default(),
            failure,
            submissions: AtomicU64::new(0),
            lose_after: settings.lose_device_after.unwrap_or(u64::MAX),
        };
        if !has_f64 {
            // The plan asks for the answer, and may not be able to wait for it.
            let _ = context.double_single.set(context.passes_double_single().await);
        }
        Ok(Arc::new(context))
    }

    pub(crate) fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// The widest type that residuals can be computed in.
    pub(crate) fn widest(&self) -> Dtype {
        match self.has_f64 {
            true => Dtype::F64,
            false if self.double_single() => Dtype::DoubleSingle,
            false => Dtype::F32,
        }
    }

    /// Sends work to the device.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> Result<wgpu::SubmissionIndex> {
        if self.submissions.fetch_add(1, Ordering::Relaxed) == self.lose_after {
            self.device.destroy();
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert("lost: a drill".into());
        }
        let submission = self.queue.submit([encoder.finish()]);
        self.check()?;
        Ok(submission)
    }

    /// An error if this device does not support `dtype`.
    pub(super) fn check_type(&self, dtype: Dtype) -> Result<()> {
        let missing = match dtype {
            Dtype::F32 => false,
            Dtype::F64 => !self.has_f64,
            Dtype::DoubleSingle => !self.double_single(),
        };
        if missing {
            return Err(Error::Device(format!("{} can't compute in {dtype}", self.info.name)));
        }
        Ok(())
    }

    /// The first error outside error scopes so far.
    pub(super) fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(text) => Err(Error::Device(text.clone())),
            None => Ok(()),
        }
    }

    /// Runs `make` inside error scopes for validation and memory.
    pub(super) fn scoped<T>(&self, what: &str, bytes: u64, make: impl FnOnce() -> T) -> Result<T> {
        if cfg!(target_arch = "wasm32") {
            // Nothing can be waited for here; errors are found by a check once the browser has told them.
            let made = make();
            return self.check().map(|()| made);
        }
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let refused = pollster::block_on(validation.pop());
        let full = pollster::block_on(memory.pop());
        // Drivers that fail to create a pipeline also report out of memory.
        if let (Some(e), 0) = (&full, bytes) {
            return Err(Error::Device(format!("{what}: the driver could not make it: {e}")));
        }
        if full.is_some() {
            return Err(Error::OutOfMemory {
                what: what.into(),
                needed: bytes,
                available: self.max_buffer,
                budget: false,
            });
        }
        if let Some(e) = refused {
            return Err(Error::Device(format!("{what}: {e}")));
        }
        self.check()?;
        Ok(made)
    }

    /// A buffer of `bytes`, rounded up to what copies need.
    pub(super) fn buffer(&self, what: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let size = buffer_size(bytes);
        if size > self.max_buffer {
            return Err(Error::OutOfMemory {
                what: what.into(),
                needed: size,
                available: self.max_buffer,
                budget: false,
            });
        }
        self.scoped(what, size, || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(what),
                size,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// Begins to bring the first `bytes` of `buffer` to the host.
    pub(super) fn fetch(&self, buffer: &wgpu::Buffer, bytes: u64) -> Arrival {
        let arrival = Arrival::default();
        let told = arrival.clone();
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |result| told.tell(result.is_ok()));
        arrival
    }

    /// Waits for what `submission` leaves in a buffer: in a browser without blocking, elsewhere by polling the device,
    /// with an error after two minutes.
    pub(super) async fn wait(&self, submission: wgpu::SubmissionIndex, arrival: &Arrival) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(120);
        if cfg!(target_arch = "wasm32") {
            let arrived = poll_fn(|context| arrival.poll(context)).await;
            self.check()?;
            return if arrived { Ok(()) } else { Err(Error::Device("a buffer could not be read back".into())) };
        }
        let start = Instant::now();
        // A failure is found by the check.
        while !arrival.has_arrived() {
            // wgpu panics if a device is lost during a wait.
            let poll = catch_unwind(AssertUnwindSafe(|| {
                self.device.poll(wgpu::PollType::Wait {
                    submission_index: Some(submission.clone()),
                    timeout: Some(Duration::from_millis(500)),
                })
            }));
            self.check()?;
            match poll {
                Ok(Ok(_) | Err(wgpu::PollError::Timeout)) => {}
                Ok(Err(e)) => return Err(Error::Device(e.to_string())),
                Err(panic) => {
                    return Err(Error::Device(format!("lost while it was waited for{}", panic_text(&*panic))));
                }
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::Device(format!("no answer for {} s", PATIENCE.as_secs())));
            }
        }
        self.check()
    }
}
