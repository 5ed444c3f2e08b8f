//! Storage of columns.

use super::SLICE;
use super::panel::{Panel, pack};
use super::{Cell, Rows};
use crate::backend::gpu::text::{Shader, shader};
use crate::matrix::Csr;
use rayon::prelude::*;

pub(super) const COLUMNS_WIDE: Shader = shader!("columns_wide.wgsl");
pub(super) const COLUMNS_SHORT: Shader = shader!("columns_short.wgsl");

/// How columns are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Columns {
    Wide,
    Short,
    /// Not stored: the patterns give them.
    Absent,
}

impl Columns {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Wide => ", 32-bit columns",
            Self::Short => ", 16-bit columns",
            Self::Absent => ", no columns",
        }
    }

    /// Functions that read a column.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Wide => COLUMNS_WIDE.text,
            Self::Short => COLUMNS_SHORT.text,
            Self::Absent => "",
        }
    }

    /// Words of the pattern for the columns of `places` in `groups` groups.
    pub(super) fn words(self, places: u64, groups: u64) -> u64 {
        match self {
            Self::Wide => places,
            Self::Short => places.div_ceil(2) + groups,
            Self::Absent => 0,
        }
    }

    /// Puts the columns of all positions into the pattern.
    pub(super) fn pack(self, rows: &dyn Rows, panel: &mut Panel, cells: &[Cell]) {
        match self {
            Self::Wide => panel.at.columns = panel.add(cells.iter().map(|c| c.column)),
            Self::Short => {
                let ends = rows.ends(panel, cells.len());
                let mut groups = Vec::with_capacity(ends.len());
                let mut rest = cells;
                let mut start = 0;
                for end in ends {
                    let (group, others) = rest.split_at(end - start);
                    groups.push(group);
                    (rest, start) = (others, end);
                }
                let counts = rows.group().is_some();
                let least = |cells: &&[Cell]| cells.iter().filter(|_| counts).map(|c| c.column).min().unwrap_or(0);
                let bases: Vec<u32> = groups.par_iter().map(least).collect();
                let narrow =
                    |(cells, base): (&&[Cell], &u32)| cells.iter().map(|c| c.column - base).collect::<Vec<_>>();
                let narrow: Vec<u32> = groups.par_iter().zip(&bases).flat_map_iter(narrow).collect();
                panel.at.base = panel.add(bases.into_iter());
                panel.at.columns = panel.add(pack(&narrow, 16));
            }
            Self::Absent => {}
        }
    }
}

/// Whether every `group` of rows spans fewer than 2¹⁶ columns; without groups, whether the matrix has no more.
pub(super) fn short(a: &Csr, group: Option<usize>) -> bool {
    const SPAN: usize = 1 << 16;
    let Some(group) = group else { return a.cols() <= SPAN };
    debug_assert!(group.is_multiple_of(SLICE));
    (0..a.rows().div_ceil(group)).into_par_iter().all(|g| {
        let rows = (g * group..((g + 1) * group).min(a.rows())).map(|i| a.row(i).0).filter(|c| !c.is_empty());
        let ends = rows.fold((u32::MAX, 0), |(low, high), c| (low.min(c[0]), high.max(c[c.len() - 1])));
        ends.0 == u32::MAX || ((ends.1 - ends.0) as usize) < SPAN
    })
}
