//! An open GPU device: features, limits, and errors that never panic.

use super::adapters::{details, key, why_not};
use super::cache::{self, DiskCache};
use super::pipelines::Compiled;
use super::times::Times;
use crate::backend::{AdapterInfo, Settings};
use crate::error::{Error, Result};
use crate::op::Dtype;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Storage buffers that a kernel may bind: more than WebGPU's guaranteed 8, but within every desktop driver's limit. More
/// than these twelve vectors beside the state save no dispatch of any method.
pub(super) const STORAGE_WANTED: u32 = 14;

/// An open device.
pub(crate) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: AdapterInfo,
    /// Tells this adapter from the others of the machine.
    pub(super) key: String,
    has_f64: bool,
    /// Engines put several operations in one sweep.
    pub(super) fuse: bool,
    /// Engines list their kernels.
    pub(super) list_kernels: bool,
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
    /// The same on disk, as far as the driver gives it.
    pub(super) on_disk: Option<DiskCache>,
    /// The first error or loss that no error scope caught.
    failure: Arc<Mutex<Option<String>>>,
    /// Submissions so far; below: how many succeed before a simulated loss.
    submissions: AtomicU64,
    lose_after: u64,
    /// What kernels took, where that is wanted.
    pub(super) times: Times,
    /// How long a wait may last; browsers know no limit.
    pub(super) patience: Duration,
}

/// The size of a buffer of `bytes`, rounded up for copies.
pub(super) fn buffer_size(bytes: u64) -> u64 {
    bytes.max(16).next_multiple_of(16)
}

impl Context {
    pub(super) async fn open(adapter: &wgpu::Adapter, settings: &Settings) -> Result<Arc<Self>> {
        let info = details(adapter);
        if let Some(why) = why_not(adapter) {
            return Err(Error::NoAdapter(format!("{}: {why}", info.name)));
        }
        let has = adapter.limits();
        let wanted = settings.storage_buffers.unwrap_or(STORAGE_WANTED).clamp(8, STORAGE_WANTED);
        // The largest buffers that the adapter supports, and bindings for a product whose operand is formed on the
        // fly; everything else at the portable defaults, so that what runs here runs elsewhere.
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
            max_buffer_size: has.max_buffer_size,
            max_storage_buffers_per_shader_stage: has.max_storage_buffers_per_shader_stage.clamp(8, wanted),
            ..wgpu::Limits::defaults()
        };
        let withheld = |name: &str| settings.withhold.iter().any(|w| w == name);
        let has_f64 = adapter.features().contains(wgpu::Features::SHADER_F64) && !withheld("f64");
        let mut features = adapter.features() & wgpu::Features::PIPELINE_CACHE;
        features.set(wgpu::Features::SHADER_F64, has_f64);
        if settings.kernel_times {
            features |= adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        }
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
        let folder = settings.cache.clone().or_else(cache::folder);
        let on_disk = folder.and_then(|folder| DiskCache::open(&device, &adapter.get_info(), &folder));
        let max_binding = settings.binding_limit.unwrap_or(u64::MAX).min(limits.max_storage_buffer_binding_size);
        let context = Arc::new(Self {
            device,
            queue,
            info,
            key: key(adapter),
            has_f64,
            fuse: settings.fuse,
            list_kernels: settings.list_kernels,
            double_single_withheld: withheld("double-single"),
            double_single: OnceLock::new(),
            max_binding,
            max_buffer: limits.max_buffer_size,
            max_storage: limits.max_storage_buffers_per_shader_stage as usize,
            // Debug builds detect indices out of bounds; one test runs unchecked kernels as release builds do.
            checked: cfg!(debug_assertions) && !withheld("checks"),
            compiled: Mutex::default(),
            on_disk,
            failure,
            submissions: AtomicU64::new(0),
            lose_after: settings.lose_device_after.unwrap_or(u64::MAX),
            times: Times::default(),
            patience: settings.patience,
        });
        if !has_f64 {
            // The plan asks for the answer, and may not be able to wait for it.
            let tested = context.passes_double_single().await;
            let passed = tested.map_err(|e| Error::NoAdapter(format!("{}: {e}", context.info.name)))?;
            let _ = context.double_single.set(passed);
            // The test's kernels are no part of a solve.
            context.times.take();
        }
        Ok(context)
    }

    pub(crate) fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// The widest type that residuals can be computed in.
    pub(crate) fn widest(&self) -> Dtype {
        match self.has_f64 {
            true => Dtype::F64,
            // Tested when the device was opened.
            false if self.double_single.get() == Some(&true) => Dtype::DoubleSingle,
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
    pub(super) fn check_type(self: &Arc<Self>, dtype: Dtype) -> Result<()> {
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
}
