//! Tests whether an adapter's compiler preserves double-single arithmetic: WGSL allows it to reassociate, and then the
//! errors of sums and products vanish. Run on the device before anything depends on it.

use super::{Context, text};
use crate::backend::gpu::memory::Params;
use crate::error::Result;
use crate::host::random::Random;
use wgpu::BufferUsages as Usage;

/// Number of pairs tested.
const PAIRS: usize = 128;

impl Context {
    /// True if sums and products have their exact rounding errors; tested once per device.
    pub(crate) fn double_single(&self) -> bool {
        *self.double_single.get_or_init(|| pollster::block_on(self.passes_double_single()).unwrap_or(false))
    }

    /// The test itself.
    pub(super) async fn passes_double_single(&self) -> Result<bool> {
        Ok(!self.double_single_withheld && self.exact_sums_and_products().await?)
    }

    async fn exact_sums_and_products(&self) -> Result<bool> {
        // Random significands, and exponents close enough for f32 to hold the errors.
        let mut random = Random::new(7);
        let numbers: Vec<f32> = random.vector(2 * PAIRS).iter().map(|&v| v as f32).collect();
        let pairs: Vec<[f32; 2]> =
            numbers.chunks(2).enumerate().map(|(i, p)| [p[0] * 2f32.powi((i % 41) as i32 - 20), p[1]]).collect();
        let found = self.sums_and_products(&pairs).await?;
        let exact = pairs.iter().zip(&found).all(|(&[a, b], &[sum, sum_error, product, product_error])| {
            let (a, b) = (f64::from(a), f64::from(b));
            f64::from(sum) + f64::from(sum_error) == a + b && f64::from(product) + f64::from(product_error) == a * b
        });
        Ok(exact)
    }

    async fn sums_and_products(&self, pairs: &[[f32; 2]]) -> Result<Vec<[f32; 4]>> {
        let bytes = (pairs.len() * size_of::<[f32; 4]>()) as u64;
        let params = self.buffer("parameters", 256, Usage::UNIFORM | Usage::COPY_DST)?;
        let input = self.buffer("pairs", bytes / 2, Usage::STORAGE | Usage::COPY_DST)?;
        let output = self.buffer("results", bytes, Usage::STORAGE | Usage::COPY_SRC)?;
        let staging = self.buffer("read-back", bytes, Usage::COPY_DST | Usage::MAP_READ)?;
        let told = Params { n: pairs.len() as u32, ..Params::default() };
        self.queue.write_buffer(&params, 0, bytemuck::bytes_of(&told));
        self.queue.write_buffer(&input, 0, bytemuck::cast_slice(pairs));
        let source = text::double_single_test();
        let (pipeline, group) = self.scoped("double-single test", 0, || {
            let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some("double-single test"),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            let entries: Vec<_> = [&params, &input, &output]
                .iter()
                .enumerate()
                .map(|(k, b)| wgpu::BindGroupEntry { binding: k as u32, resource: b.as_entire_binding() })
                .collect();
            let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            (pipeline, group)
        })?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        encoder.copy_buffer_to_buffer(&output, 0, &staging, 0, bytes);
        let submission = self.submit(encoder)?;
        let arrival = self.fetch(&staging, bytes);
        self.wait(submission, &arrival).await?;
        let view = staging.slice(0..bytes).get_mapped_range().map_err(|e| crate::Error::Device(e.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::Settings;
    use crate::backend::gpu::Context;

    #[test]
    fn the_masked_form_is_exact_here() {
        let Ok(context) = pollster::block_on(Context::any(&Settings::default())) else {
            assert!(
                std::env::var_os("KRYLANE_REQUIRE_GPU").is_none(),
                "KRYLANE_REQUIRE_GPU is set and no adapter answers"
            );
            return;
        };
        assert!(context.double_single(), "{} changes double-single arithmetic", context.info().name);
        let withhold = vec!["double-single".to_string()];
        let without = pollster::block_on(Context::any(&Settings { withhold, ..Settings::default() })).unwrap();
        assert!(!without.double_single());
    }
}
