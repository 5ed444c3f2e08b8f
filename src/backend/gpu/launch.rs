//! How many workgroups a kernel has, and what projections are told.

use super::memory::{Columns, Params};
use super::text::{GROUPS_MAX, WORKGROUP};
use super::{Context, Gpu};
use crate::backend::DeviceKind;

/// Most workgroups of a sweep on a device of this kind: as many as it holds at once, since each adds up all the partial
/// sums of the sweep before. A discrete GPU holds up to a thousand (132 multiprocessors of eight workgroups each), one that
/// shares the memory of the host some two hundred; wgpu tells no number.
fn groups_of_kind(kind: DeviceKind) -> usize {
    match kind {
        DeviceKind::Integrated => GROUPS_MAX / 4,
        DeviceKind::Software => GROUPS_MAX / 8,
        _ => GROUPS_MAX,
    }
}

impl Context {
    /// Workgroups for `n` entries, if each processes `width` at a time; a loop covers the rest.
    pub(super) fn groups_of(&self, n: usize, width: usize) -> usize {
        n.div_ceil(width).clamp(1, groups_of_kind(self.info.kind))
    }
}

impl Gpu {
    /// Workgroups for a sweep of `n` entries.
    pub(super) fn workgroups(&self, n: usize) -> usize {
        self.context.groups_of(n, WORKGROUP)
    }

    /// Parameters of a projection's kernel for a panel of columns of length `n`, with the offset of their coefficients.
    pub(super) fn panel_params(&self, panel: &Columns, n: usize, array_at: usize) -> Params {
        Params {
            n: n as u32,
            groups: self.workgroups(n) as u32,
            k: panel.columns as u32,
            stride: panel.stride as u32,
            first: panel.first as u32,
            array_at: array_at as u32,
            ..Params::default()
        }
    }
}
