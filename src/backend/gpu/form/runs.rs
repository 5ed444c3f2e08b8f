//! Runs: rows that follow few patterns of offsets column − row, as for stencils on grids. A byte or two per row select
//! the pattern; no columns are stored, and no values if the rows of a pattern share them.

use super::panel::{Panel, pack};
use super::{Cell, Choice, Columns, Form, Layout, Look, Rows, SLICE, Suits, Values, slices};
use crate::backend::gpu::text::{Shader, fill, shader, type_name};
use crate::matrix::format::{Runs as Found, Starts};

const ROW_RUNS: Shader = shader!("row_runs.wgsl");

/// Least mean rows per run, so that neighbouring invocations take the same path through the kernel.
const RUN_ROWS: usize = 8;

/// Largest period of the patterns.
const MOST_TURNS: usize = 3;

/// Rows per chunk in which runs are searched.
pub(super) const RUN_CHUNK: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend::gpu) struct Runs {
    /// Bits of a pattern's number: 8 or 16.
    pub(in crate::backend::gpu) bits: u32,
}

impl Runs {
    pub(super) fn suits(look: &Look) -> Option<Suits> {
        let (n, nnz) = (look.a.rows(), look.a.nnz());
        let starts = |turns, constant, most| Starts::find(look.a, RUN_CHUNK, turns, constant, most);
        let long = |turns: usize, constant: bool| nnz > 0 && starts(turns, constant, n / (turns * RUN_ROWS)).is_some();
        // With several unknowns per grid point patterns are periodic. Every row has its pattern number, so neighbours
        // may differ; columns come from the patterns only if values do too.
        let by_columns = long(1, false);
        let shared = by_columns && long(1, true) || !by_columns && (2..=MOST_TURNS).any(|turns| long(turns, true));
        if !shared && !by_columns {
            return None;
        }
        let runs = Found::new(look.a, &starts(1, shared, usize::MAX)?);
        // Patterns are tables in a cache: they must be small compared with the rows, and numbered by 16 bits.
        let small = runs.patterns() <= 1 << 16 && runs.offsets.len() * RUN_ROWS <= nnz.max(1 << 13);
        if !small || !shared && slices::padding(look.a, false) > slices::PADDING {
            return None;
        }
        let (patterns, mean) = (runs.patterns(), n as f64 / runs.runs.len() as f64);
        let reason = match by_columns {
            true => format!("its rows follow {patterns} patterns in runs of {mean:.0} on average"),
            false => format!("its rows follow {patterns} patterns in turns"),
        };
        Some(Suits { layout: Self::numbered(&runs), reason, runs: Some(runs) })
    }

    /// The layout with as many bits as the patterns need.
    pub(super) fn numbered(runs: &Found) -> Layout {
        Self { bits: if runs.patterns() <= 1 << 8 { 8 } else { 16 } }.into()
    }
}

impl Rows for Runs {
    fn describe(&self) -> String {
        "runs of rows with equal offsets".into()
    }

    fn text(&self, form: Form, _: usize) -> String {
        let (slot, step) = match form.values {
            Values::Shared => ("first", "1"),
            _ => ("pattern[i / 32u] * 32u + i % 32u", "32"),
        };
        let [ids, bits, mask] = [32 / self.bits, self.bits, (1 << self.bits) - 1].map(|v: u32| v.to_string());
        let places = [
            ("ids", &*ids),
            ("bits", &*bits),
            ("mask", &*mask),
            ("slot", slot),
            ("step", step),
            ("value", type_name(form.dtype)),
        ];
        fill(ROW_RUNS.text, &places)
    }

    #[cfg(test)]
    fn shaders(&self) -> Vec<&'static Shader> {
        vec![&ROW_RUNS]
    }

    fn padded(&self) -> bool {
        true
    }

    fn without_columns(&self) -> bool {
        true
    }

    fn unit(&self, _: Columns) -> usize {
        SLICE
    }

    fn size(&self, of: &Choice, first: usize, end: usize) -> (usize, u64) {
        let rows = (end - first) as u64;
        let ids = rows.div_ceil(32 / u64::from(self.bits));
        match of.form.values {
            Values::Shared => (0, ids),
            _ => (slices::slots(of.a, first, end, false), rows.div_ceil(SLICE as u64) + ids),
        }
    }

    fn pack(&self, of: &Choice, panel: &mut Panel) -> Vec<Cell> {
        let cells = match of.form.values {
            Values::Shared => vec![],
            _ => slices::pack(of.a, panel, false),
        };
        let Some(runs) = &of.runs else { return cells };
        let end = panel.first + panel.rows;
        let mut ids = Vec::with_capacity(panel.rows);
        for c in panel.first / RUN_CHUNK..end.div_ceil(RUN_CHUNK) {
            for run in runs.of_chunk(c) {
                let from = c * RUN_CHUNK + run.first as usize;
                let rows = from.max(panel.first)..(from + run.rows as usize).min(end);
                ids.extend(rows.map(|_| run.pattern));
            }
        }
        panel.at.base = panel.add(pack(&ids, self.bits));
        panel.at.order = panel.add(runs.pattern_start.iter().map(|&s| s as u32));
        panel.at.columns = panel.add(runs.offsets.iter().map(|&o| o as u32));
        cells
    }

    fn ends(&self, _: &Panel, _: usize) -> Vec<usize> {
        unreachable!("no columns are kept")
    }
}
