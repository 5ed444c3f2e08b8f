//! Storage of values; each form preserves every bit.

use crate::backend::gpu::text::{Shader, fill, shader};
use crate::matrix::format::Table;
use crate::op::Dtype;

pub(super) const VALUES_PLAIN: Shader = shader!("values_plain.wgsl");
pub(super) const VALUES_CODED: Shader = shader!("values_coded.wgsl");

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Values {
    F64,
    F32,
    /// Two f32 each, whose sum is the value.
    Pairs,
    /// One byte each, into a dictionary.
    Codes,
    /// Stored with the patterns.
    Shared,
}

impl Values {
    /// The type in which the buffer of values is read, under arithmetic in `dtype`.
    pub(super) fn stored(self, dtype: Dtype) -> Dtype {
        match self {
            Self::F64 => Dtype::F64,
            Self::F32 => Dtype::F32,
            Self::Pairs => Dtype::DoubleSingle,
            Self::Codes | Self::Shared => dtype,
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::F64 => ", f64 values",
            Self::Pairs => ", values as pairs of f32",
            Self::F32 => ", f32 values",
            Self::Codes => ", values by one byte each",
            Self::Shared => ", values shared by the rows of a pattern",
        }
    }

    /// The function that reads a value.
    pub(super) fn text(self, value: &str) -> String {
        let shader = if self == Self::Codes { &VALUES_CODED } else { &VALUES_PLAIN };
        fill(shader.text, &[("value", value)])
    }

    /// Words of the pattern and bytes of values for `places` stored values.
    pub(super) fn size(self, places: u64) -> (u64, u64) {
        match self {
            Self::F64 | Self::Pairs => (0, 8 * places),
            Self::F32 => (0, 4 * places),
            Self::Codes => (places.div_ceil(4), 0),
            Self::Shared => (0, 0),
        }
    }
}

/// The table with a zero for padding; `None` if it is full.
pub(super) fn with_zero(table: Table) -> Option<Table> {
    // Zero comes first, as its bits are the smallest.
    Table::new(std::iter::once(0.0).chain(table.values().iter().copied()))
}
