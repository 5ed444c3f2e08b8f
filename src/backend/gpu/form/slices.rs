//! Slices (SELL-32, Kreutzer et al. 2014, doi:10.1137/130930352): 32 interleaved rows, padded to the longest; sorted by
//! length within 256 rows if that saves padding.

use super::panel::{Panel, pack as bits};
use super::{Cell, Choice, Columns, Form, Look, Rows, SLICE, Step, Suits};
use crate::backend::gpu::text::{Shader, WORKGROUP, fill, shader, type_name};
use crate::matrix::Csr;
use rayon::prelude::*;

const ROW_SLICES: Shader = shader!("row_slices.wgsl");
const ROW_ORDER: Shader = shader!("row_order.wgsl");

/// Most padding that slices may have, as a share of the entries.
pub(super) const PADDING: f64 = 0.25;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend::gpu) struct Slices {
    /// Rows are sorted by length within each 256.
    pub(in crate::backend::gpu) sorted: bool,
}

impl Slices {
    pub(super) fn suits(look: &Look) -> Option<Suits> {
        let (padding, sorted) = look.padding();
        let which = if sorted { ", sorted by length within 256," } else { "" };
        let reason = format!("slices of {SLICE} rows{which} are padded by only {:.1} %", 100.0 * padding);
        Some(Suits { layout: Self { sorted }.into(), reason, runs: None })
    }
}

impl Rows for Slices {
    fn describe(&self) -> String {
        let sorted = if self.sorted { " sorted by length" } else { "" };
        format!("slices of {SLICE} rows{sorted}")
    }

    fn text(&self, form: Form, _: usize) -> String {
        let order = if self.sorted { ROW_ORDER.text } else { "" };
        fill(ROW_SLICES.text, &[("value", type_name(form.dtype))]) + order
    }

    #[cfg(test)]
    fn shaders(&self) -> Vec<&'static Shader> {
        vec![&ROW_SLICES, &ROW_ORDER]
    }

    fn step(&self) -> Step {
        Step { prepare: "", row: if self.sorted { "row_at(p)" } else { "p" }, product: "row_product(p)" }
    }

    fn padded(&self) -> bool {
        true
    }

    fn group(&self) -> Option<usize> {
        // Sorting permutes the rows of a window.
        Some(if self.sorted { WORKGROUP } else { SLICE })
    }

    fn unit(&self, _: Columns) -> usize {
        if self.sorted { WORKGROUP } else { SLICE }
    }

    fn size(&self, of: &Choice, first: usize, end: usize) -> (usize, u64) {
        let rows = (end - first) as u64;
        let order = if self.sorted { rows.div_ceil(4) } else { 0 };
        (slots(of.a, first, end, self.sorted), rows.div_ceil(SLICE as u64) + order)
    }

    fn pack(&self, of: &Choice, panel: &mut Panel) -> Vec<Cell> {
        pack(of.a, panel, self.sorted)
    }

    fn ends(&self, panel: &Panel, _: usize) -> Vec<usize> {
        panel.pattern[1..].iter().map(|&s| s as usize * SLICE).collect()
    }

    fn finish(&self, of: &Choice, panel: &mut Panel) {
        if self.sorted {
            let end = panel.first + panel.rows;
            let places = (panel.first..end).step_by(WORKGROUP).flat_map(|w| order(of.a, w, end)).collect::<Vec<u32>>();
            panel.at.order = panel.add(bits(&places, 8));
        }
    }
}

/// Rows of the window at `first` by descending length, relative to `first`.
fn order(a: &Csr, first: usize, end: usize) -> Vec<u32> {
    let ptr = a.row_ptr();
    let mut rows: Vec<u32> = (0..(end - first).min(WORKGROUP) as u32).collect();
    rows.sort_by_key(|&i| {
        let i = first + i as usize;
        std::cmp::Reverse(ptr[i + 1] - ptr[i])
    });
    rows
}

/// Rows of each slice of the window at `first`.
fn window(a: &Csr, first: usize, end: usize, sorted: bool) -> Vec<usize> {
    if sorted {
        order(a, first, end).into_iter().map(|i| first + i as usize).collect()
    } else {
        (first..(first + WORKGROUP).min(end)).collect()
    }
}

/// Stored positions in slices of the rows `first .. end`, padding included.
pub(super) fn slots(a: &Csr, first: usize, end: usize, sorted: bool) -> usize {
    let ptr = a.row_ptr();
    let width = |rows: &[usize]| rows.iter().map(|&i| ptr[i + 1] - ptr[i]).max().unwrap_or(0);
    let windows = (first..end).step_by(WORKGROUP);
    windows.map(|w| window(a, w, end, sorted).chunks(SLICE).map(width).sum::<usize>() * SLICE).sum()
}

/// Padding of slices as a share of the entries.
pub(super) fn padding(a: &Csr, sorted: bool) -> f64 {
    let n = a.rows();
    let slots: usize = (0..n.div_ceil(WORKGROUP))
        .into_par_iter()
        .map(|w| slots(a, w * WORKGROUP, ((w + 1) * WORKGROUP).min(n), sorted))
        .sum();
    // The missing rows of the last slice don't count as padding.
    let (missing, mean) = (n.next_multiple_of(SLICE) - n, a.nnz() / n.max(1));
    slots.saturating_sub(missing * mean).saturating_sub(a.nnz()) as f64 / a.nnz().max(1) as f64
}

/// Packs the start of each slice, in columns of 32 positions, and returns the contents of the positions.
pub(super) fn pack(a: &Csr, panel: &mut Panel, sorted: bool) -> Vec<Cell> {
    let (first, end) = (panel.first, panel.first + panel.rows);
    let build = |w: usize| {
        let rows = window(a, w, end, sorted);
        let (mut widths, mut cells) = (vec![], vec![]);
        for slice in rows.chunks(SLICE) {
            let lines: Vec<(&[u32], &[f64])> = slice.iter().map(|&i| a.row(i)).collect();
            let width = lines.iter().map(|l| l.0.len()).max().unwrap_or(0);
            // Padding reads an entry of x that the row, or at least its slice, reads anyway.
            let some = lines.iter().find_map(|l| l.0.first()).copied().unwrap_or(0);
            for k in 0..width {
                cells.extend((0..SLICE).map(|l| {
                    let (columns, values) = lines.get(l).copied().unwrap_or_default();
                    let column = columns.get(k).or(columns.last()).copied().unwrap_or(some);
                    Cell { column, value: values.get(k).copied().unwrap_or(0.0) }
                }));
            }
            widths.push(width as u32);
        }
        (widths, cells)
    };
    let windows: Vec<usize> = (first..end).step_by(WORKGROUP).collect();
    let built: Vec<(Vec<u32>, Vec<Cell>)> = windows.into_par_iter().map(build).collect();
    panel.pattern = vec![0];
    let mut cells = Vec::with_capacity(built.iter().map(|b| b.1.len()).sum());
    let mut start = 0;
    for (widths, part) in built {
        for w in widths {
            start += w;
            panel.pattern.push(start);
        }
        cells.extend(part);
    }
    cells
}
