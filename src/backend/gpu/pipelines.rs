//! Kernels compiled once per device and shared by all its engines: those of one solver, of the rungs of a race, of
//! systems solved side by side.

use super::Context;
use super::cache::DiskCache;
use crate::backend::Counters;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::PoisonError;

/// Pipelines by their text and the bindings they write, and the layouts of those bindings.
#[derive(Default)]
pub(super) struct Compiled {
    layouts: HashMap<Vec<bool>, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
    pipelines: HashMap<(String, Vec<bool>), wgpu::ComputePipeline>,
}

impl Compiled {
    fn layout(&mut self, device: &wgpu::Device, writes: &[bool]) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
        if let Some(done) = self.layouts.get(writes) {
            return done.clone();
        }
        let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let storage = |(k, &written): (usize, &bool)| {
            entry(k + 1, wgpu::BufferBindingType::Storage { read_only: !written }, false)
        };
        let entries: Vec<_> = std::iter::once(entry(0, wgpu::BufferBindingType::Uniform, true))
            .chain(writes.iter().enumerate().map(storage))
            .collect();
        let group =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        });
        self.layouts.insert(writes.to_vec(), (group.clone(), pipeline.clone()));
        (group, pipeline)
    }
}

impl Context {
    /// Finds or creates the pipeline for a text, and the layout of its bindings; `writes` tells which bindings after
    /// the parameters are written. A `foreign` text contains code of the user.
    pub(super) fn pipeline(
        &self,
        name: &str,
        text: String,
        writes: &[bool],
        foreign: bool,
        counters: &mut Counters,
    ) -> Result<(wgpu::ComputePipeline, wgpu::BindGroupLayout)> {
        let known = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let (group, layout) = known().layout(&self.device, writes);
        let key = (text, writes.to_vec());
        if let Some(done) = known().pipelines.get(&key) {
            return Ok((done.clone(), group));
        }
        // Nobody waits for the compiler who needs other kernels; two who need the same one may both compile it.
        let made = self.scoped(if foreign { "the operator's WGSL" } else { name }, 0, || {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: wgpu::ShaderSource::Wgsl(key.0.as_str().into()),
            };
            let module = if self.checked || foreign {
                self.device.create_shader_module(descriptor)
            } else {
                // SAFETY: our own kernels. Every index is below the length of its binding: sweeps stop at P.n,
                // columns were checked when the matrix was made, and every loop has a fixed end.
                unsafe { self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
            };
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every kernel writes its workgroup memory before reading it.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: self.on_disk.as_ref().map(|cache| &cache.compiled),
            })
        });
        let made = match made {
            Err(Error::Device(message)) if foreign => return Err(Error::input(message)),
            made => made?,
        };
        counters.pipelines += 1;
        self.on_disk.iter().for_each(DiskCache::note);
        Ok((known().pipelines.entry(key).or_insert(made).clone(), group))
    }
}
