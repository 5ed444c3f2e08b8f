//! The adapters of a machine: what each is, whether it can be used, which is opened.

use super::Context;
use crate::backend::{AdapterInfo, DeviceKind, Settings};
use crate::error::{Error, Result};
use std::sync::Arc;

#[cfg(not(target_arch = "wasm32"))]
const NO_ADAPTER: &str = "no GPU adapter answers; on Debian `apt-get install mesa-vulkan-drivers libvulkan1` brings a software one, or use the backend cpu";
#[cfg(target_arch = "wasm32")]
const NO_ADAPTER: &str = "this browser gives no WebGPU adapter; use the backend cpu";

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

pub(super) fn details(adapter: &wgpu::Adapter) -> AdapterInfo {
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

/// Tells an adapter from the others of the machine, two of a kind among them.
pub(super) fn key(adapter: &wgpu::Adapter) -> String {
    let i = adapter.get_info();
    format!("{} {} {} {}:{} {}", i.backend, i.name, i.driver_info, i.vendor, i.device, i.device_pci_bus_id)
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
            AdapterDetails {
                index,
                info: details(a),
                f64: a.features().contains(wgpu::Features::SHADER_F64),
                subgroups: a.features().contains(wgpu::Features::SUBGROUP),
                max_binding: limits.max_storage_buffer_binding_size,
                max_buffer: limits.max_buffer_size,
                why_not: why_not(a).map(Into::into),
            }
        })
        .collect()
}

/// Why an adapter can't be used, if so.
pub(super) fn why_not(adapter: &wgpu::Adapter) -> Option<&'static str> {
    fault(adapter.get_info().backend, adapter.features(), &adapter.limits())
}

/// wgpu has DXC or FXC compile what DX12 runs, whichever it finds. FXC ends at shader model 5.1: no f64 in our sense, no
/// subgroups, minutes for a kernel. It is told by the lack of subgroups, which all later models have.
fn fault(backend: wgpu::Backend, features: wgpu::Features, limits: &wgpu::Limits) -> Option<&'static str> {
    if limits.max_storage_buffers_per_shader_stage < 8 {
        return Some("fewer than 8 storage buffers a shader");
    }
    let old = backend == wgpu::Backend::Dx12 && !features.contains(wgpu::Features::SUBGROUP);
    old.then_some(
        "DX12 would compile shaders with FXC, which krylane refuses; put dxcompiler.dll (DXC) on the PATH, or use Vulkan",
    )
}

fn is_hardware(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type != wgpu::DeviceType::Cpu
}

/// True if this is its number, or its name or driver contains this text.
fn is_called(name: &str, index: usize, adapter: &wgpu::Adapter) -> bool {
    let info = details(adapter);
    let text = format!("{} {}", info.name, info.driver).to_lowercase();
    name.parse().map_or_else(|_| text.contains(&name.to_lowercase()), |number: usize| number == index)
}

/// The name to which `WGPU_ADAPTER_NAME` narrows the choice.
fn wanted() -> Option<String> {
    std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty())
}

impl Context {
    /// The first hardware GPU that can be opened, if any, and what those before it said; any adapter where tests ask for
    /// it. Those that were lost before are left out.
    pub(super) async fn suitable(settings: &Settings) -> (Option<Arc<Self>>, Vec<String>) {
        let mut failed = vec![];
        for (index, adapter) in all().await.iter().enumerate() {
            let suits = match settings.prefer_gpu {
                true => wanted().is_none_or(|name| is_called(&name, index, adapter)),
                false => is_hardware(adapter),
            };
            if suits && !settings.lost.contains(&key(adapter)) {
                match Self::open(adapter, settings).await {
                    Ok(context) => return (Some(context), failed),
                    Err(e) => failed.push(e.to_string()),
                }
            }
        }
        (None, failed)
    }

    /// The first adapter, or the one to which `WGPU_ADAPTER_NAME` narrows the choice.
    pub(crate) async fn any(settings: &Settings) -> Result<Arc<Self>> {
        if let Some(name) = wanted() {
            return Self::named(&name, settings).await;
        }
        let list = all().await;
        // One that can't be used says why.
        match list.iter().find(|a| why_not(a).is_none()).or(list.first()) {
            Some(adapter) => Self::open(adapter, settings).await,
            None => Err(Error::NoAdapter(NO_ADAPTER.into())),
        }
    }

    /// The adapter of this name.
    pub(crate) async fn named(name: &str, settings: &Settings) -> Result<Arc<Self>> {
        let list = all().await;
        if let Some((_, adapter)) = list.iter().enumerate().find(|(index, a)| is_called(name, *index, a)) {
            return Self::open(adapter, settings).await;
        }
        let names: Vec<String> = list.iter().enumerate().map(|(i, a)| format!("{i}: {}", details(a).name)).collect();
        let there = if names.is_empty() { "there is none".into() } else { format!("there are {}", names.join("; ")) };
        Err(Error::NoAdapter(format!("no GPU adapter matches {name:?}; {there}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{Backend, Features, Limits};

    #[test]
    fn fxc_and_few_bindings_are_refused_by_name() {
        let limits = Limits::defaults();
        let with = Features::SUBGROUP | Features::SHADER_F64;
        assert!(fault(Backend::Dx12, Features::SHADER_F64, &limits).is_some_and(|why| why.contains("FXC")));
        assert_eq!(fault(Backend::Dx12, with, &limits), None);
        for backend in [Backend::Vulkan, Backend::Metal, Backend::BrowserWebGpu] {
            assert_eq!(fault(backend, Features::empty(), &limits), None, "{backend:?}");
        }
        let few = Limits { max_storage_buffers_per_shader_stage: 7, ..limits };
        assert!(fault(Backend::Vulkan, with, &few).is_some_and(|why| why.contains("8 storage buffers")));
    }
}
