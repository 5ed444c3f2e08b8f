//! The interface of devices: a backend opens devices, a device creates engines.

use super::{Awaited, Engine, KernelTime};
use crate::error::Result;
use crate::op::{Dtype, Precisions, Space};
use crate::ranks::Ranks;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What kind of device it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeviceKind {
    /// The CPU backend.
    #[default]
    Cpu,
    /// A graphics driver that computes on the CPU.
    Software,
    /// A GPU that shares the memory of the host.
    Integrated,
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU shared by virtual machines.
    Virtual,
    /// Something else.
    Other,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cpu => "cpu",
            Self::Software => "software",
            Self::Integrated => "integrated",
            Self::Discrete => "discrete",
            Self::Virtual => "virtual",
            Self::Other => "other",
        })
    }
}

/// The device a solve ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct AdapterInfo {
    /// The device's name.
    pub name: String,
    /// "cpu", or the graphics interface: "vulkan", "metal", "dx12".
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// What kind of device it is.
    pub kind: DeviceKind,
}

/// Settings with which a device is opened.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Threads of the CPU; 0 is all.
    pub(crate) threads: usize,
    /// Fuse several operations into one sweep.
    pub(crate) fuse: bool,
    /// Features to ignore, as if the device lacked them.
    pub(crate) withhold: Vec<String>,
    /// Most bytes in one binding of a GPU.
    pub(crate) binding_limit: Option<u64>,
    /// Most storage buffers that a kernel of a GPU binds, at least 8.
    pub(crate) storage_buffers: Option<u32>,
    /// Any device is suitable, even a software one, for any size.
    pub(crate) prefer_gpu: bool,
    /// The ranks that share the work.
    pub(crate) ranks: Option<Ranks>,
    /// Engines list their kernels.
    pub(crate) list_kernels: bool,
    /// Devices that are out of the question, by their keys: they were lost before.
    pub(crate) lost: Vec<String>,
    /// For tests: the device is lost after this many submissions.
    pub(crate) lose_device_after: Option<u64>,
    /// Where GPUs keep what their drivers compile; the user's folder of caches if `None`.
    pub(crate) cache: Option<PathBuf>,
    /// GPUs tell what each kernel takes.
    pub(crate) kernel_times: bool,
    /// How long the host waits for an answer of the device.
    pub(crate) patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: 0,
            fuse: true,
            withhold: vec![],
            binding_limit: None,
            storage_buffers: None,
            prefer_gpu: false,
            ranks: None,
            list_kernels: false,
            lost: vec![],
            lose_device_after: None,
            cache: None,
            kernel_times: false,
            patience: Duration::from_secs(120),
        }
    }
}

/// Which device of a backend is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    /// One that is worth its overhead if a product takes `work` multiplications; `what` names them in messages.
    Suitable { work: usize, what: &'a str },
    /// The first.
    Any,
    /// The one whose name contains this text, or that has this number.
    Named(&'a str),
}

/// Outcome of opening a device.
pub(crate) enum Opened {
    Device {
        device: Arc<dyn Device>,
        /// What those said that would have been better and could not be opened.
        failed: Vec<String>,
    },
    /// No suitable device, and why.
    Unsuitable(String),
}

/// A device that makes engines.
pub(crate) trait Device: Send + Sync {
    /// The device's description, for people.
    fn info(&self) -> &AdapterInfo;
    /// Tells the device from others that can be lost; empty for one that can't.
    fn key(&self) -> &str {
        ""
    }
    /// The widest type in which the device can compute residuals.
    fn widest(&self) -> Dtype;
    /// What kernels took since the last call, the longest first; nothing where that is not measured.
    fn take_kernel_times(&self) -> Vec<KernelTime> {
        vec![]
    }
    /// True if engines can call functions of the host and solve triangular systems row by row.
    fn is_host(&self) -> bool {
        false
    }
    /// An empty space for programs on this device.
    fn space(&self, plan: Precisions) -> Space {
        if self.is_host() { Space::new(plan) } else { Space::new(plan).without_triangles() }
    }
    /// An engine with memory for what `space` lists.
    fn engine(self: Arc<Self>, space: Space) -> Result<Box<dyn Engine>>;
}

/// An entry of the table of backends.
pub(crate) struct BackendEntry {
    /// The name users type.
    pub(crate) id: &'static str,
    /// A device may have to be waited for.
    pub(crate) open: for<'a> fn(Wanted<'a>, &'a Settings) -> Awaited<'a, Result<Opened>>,
}
