//! Tests whether an adapter's compiler preserves double-single arithmetic: WGSL allows it to reassociate, and then the
//! errors of sums and products vanish. Run on the device before anything depends on it, in kernels compiled as all others
//! are: sums and products by themselves, and residuals as renewals compute them, since a compiler may see through the one
//! and not through the other.

use super::memory::{Params, from_f64, to_f64};
use super::{Context, Gpu, text};
use crate::backend::{Counters, Engine};
use crate::error::Result;
use crate::host::random::Random;
use crate::matrix::Csr;
use crate::op::schedule::Compiler;
use crate::op::{Combination, Dtype, Precisions, Program, Role, Space};
use std::sync::Arc;
use wgpu::BufferUsages as Usage;

/// Number of pairs tested.
const PAIRS: usize = 128;

/// Rows of the matrix whose residual is tested, and entries of each.
const ROWS: usize = 96;
const ENTRIES: usize = 7;

impl Context {
    /// True if double-single arithmetic has its digits; tested once per device.
    pub(crate) fn double_single(self: &Arc<Self>) -> bool {
        *self.double_single.get_or_init(|| pollster::block_on(self.passes_double_single()).unwrap_or(false))
    }

    /// The test itself.
    pub(super) async fn passes_double_single(self: &Arc<Self>) -> Result<bool> {
        Ok(!self.double_single_withheld
            && self.exact_sums_and_products().await?
            && self.exact_residuals(Precisions::mixed(Dtype::DoubleSingle)).await?)
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
        let (name, writes) = ("double-single test", [false, true]);
        let (pipeline, layout) =
            self.pipeline(name, text::double_single_test(), &writes, false, &mut Counters::default())?;
        let group = self.scoped(name, 0, || {
            let entries: Vec<_> = [&params, &input, &output]
                .iter()
                .enumerate()
                .map(|(k, b)| wgpu::BindGroupEntry { binding: k as u32, resource: b.as_entire_binding() })
                .collect();
            self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &layout,
                entries: &entries,
            })
        })?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[0]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        encoder.copy_buffer_to_buffer(&output, 0, &staging, 0, bytes);
        let submission = self.submit(encoder)?;
        let arrival = self.fetch(&staging, bytes);
        self.wait(submission, &arrival).await?;
        let view = staging.slice(0..bytes).get_mapped_range().map_err(|e| crate::Error::Device(e.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    /// r = b − A x by the kernels that renewals run, where b is A x to the nearest f32: the answer lies far below the
    /// digits of f32.
    async fn exact_residuals(self: &Arc<Self>, plan: Precisions) -> Result<bool> {
        let kept = |v: Vec<f64>| to_f64(&from_f64(&v, Dtype::DoubleSingle), Dtype::DoubleSingle);
        let mut random = Random::new(11);
        let column = |i: usize, k: usize| ((i + 13 * k) % ROWS) as u32;
        let columns: Vec<u32> = (0..ROWS)
            .flat_map(|i| {
                let mut row: Vec<u32> = (0..ENTRIES).map(|k| column(i, k)).collect();
                row.sort_unstable();
                row
            })
            .collect();
        let values = kept(random.vector(columns.len()));
        let x = kept(random.vector(ROWS));
        let a = Csr::new(ROWS, ROWS, (0..=ROWS).map(|i| i * ENTRIES).collect(), columns, values)?;
        // Pairs have 49 bits, so that sums in f64 err by far less than is allowed below.
        let product = a.multiply(&x);
        let b: Vec<f64> = product.iter().map(|&v| f64::from(v as f32)).collect();

        let mut space = Space::new(plan);
        let operator = space.operator("A", Arc::new(a), 0, Role::Accumulate);
        let [right, solution, image] = ["b", "x", "ax"].map(|name| space.accumulator(name, ROWS));
        let r = space.vector("r", ROWS);
        let mut p = Program::new(&space);
        p.apply(operator, solution, image);
        p.assign(r, Combination::default().plus(1.0, right).plus(-1.0, image));
        let ops = p.ops;
        let mut engine = Gpu::on_trial(Arc::clone(self), space.clone())?;
        engine.write_vector(right, &b)?;
        engine.write_vector(solution, &x)?;
        engine.enqueue(&Compiler::new(engine.fusion()).compile(ops, &space))?;
        engine.flush()?;
        engine.collect().await?;
        let found = engine.read_vector(r).await?;
        // Terms are below 1.
        let allowed = |r: f64| f64::from(f32::EPSILON) * r.abs() + ENTRIES as f64 * 2f64.powi(-42);
        Ok((0..ROWS).all(|i| (found[i] - (b[i] - product[i])).abs() <= allowed(b[i] - product[i])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Settings;

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
        // What f32 alone gives is no such residual.
        let tested = |plan| pollster::block_on(context.exact_residuals(plan)).unwrap();
        assert!(tested(Precisions::mixed(Dtype::DoubleSingle)) && !tested(Precisions::uniform(Dtype::F32)));
        let without = pollster::block_on(Context::any(&Settings { withhold, ..Settings::default() })).unwrap();
        assert!(!without.double_single());
    }
}
