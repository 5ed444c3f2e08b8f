//! Lanes: CSR with several invocations per row, for few long rows.

use super::{Form, Look, Rows, Step, Suits};
use crate::backend::gpu::text::{Shader, WORKGROUP, fill, shader, type_name};

const ROW_LANES: Shader = shader!("row_lanes.wgsl");

/// Fewer rows than this leave a device idle at one invocation per row.
const FEW_ROWS: usize = 1 << 16;

/// Mean row length from which several lanes share a row.
const LONG_ROW: f64 = 32.0;

/// The number of lanes per row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend::gpu) struct Lanes(pub(in crate::backend::gpu) u32);

impl Lanes {
    pub(super) fn suits(look: &Look) -> Option<Suits> {
        let (n, mean) = (look.a.rows(), look.mean());
        if mean < LONG_ROW || n >= FEW_ROWS {
            return None;
        }
        let lanes = (mean as usize).next_power_of_two() / 2;
        let reason = format!("its {n} rows are too few and, with {mean:.0} entries on average, long");
        Some(Suits { layout: Self(lanes.clamp(4, 32) as u32).into(), reason, runs: None })
    }
}

impl Rows for Lanes {
    fn describe(&self) -> String {
        format!("rows (CSR), {} lanes a row", self.0)
    }

    fn text(&self, form: Form, width: usize) -> String {
        let (lanes, width) = (self.0.to_string(), width.to_string());
        fill(ROW_LANES.text, &[("value", type_name(form.dtype)), ("lanes", &lanes), ("width", &width)])
    }

    #[cfg(test)]
    fn shaders(&self) -> Vec<&'static Shader> {
        vec![&ROW_LANES]
    }

    fn step(&self) -> Step {
        Step { prepare: "        row_products(start, t);\n", row: "p", product: "products[t]" }
    }

    /// As many rows as 256 invocations have lanes for, so that few rows are spread over as many workgroups as possible.
    /// Partial sums of dot products cover 256 entries each.
    fn width(&self, dots: bool) -> usize {
        if dots { WORKGROUP } else { WORKGROUP / self.0 as usize }
    }

    /// The lanes compute the product before the sweep's loop, for one vector.
    fn shared_products(&self) -> usize {
        1
    }
}
