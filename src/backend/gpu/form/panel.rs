//! Rows of a matrix in its form, few enough for one binding.

use super::{Choice, Values};
use crate::backend::gpu::memory::from_f64 as bytes;
use crate::matrix::format::scaled;
use rayon::prelude::*;

/// Where parts of a panel's pattern start, in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::backend::gpu) struct Sections {
    pub(in crate::backend::gpu) columns: u32,
    /// Bases of short columns; pattern numbers.
    pub(in crate::backend::gpu) base: u32,
    pub(in crate::backend::gpu) codes: u32,
    /// Order of the rows; where each pattern's offsets start; blocks.
    pub(in crate::backend::gpu) order: u32,
    /// Long rows of the blocks.
    pub(in crate::backend::gpu) long: u32,
}

/// Rows `first .. first + rows`, small enough for one binding.
#[derive(Debug, Default, PartialEq)]
pub(in crate::backend::gpu) struct Panel {
    pub(in crate::backend::gpu) first: usize,
    pub(in crate::backend::gpu) rows: usize,
    pub(in crate::backend::gpu) pattern: Vec<u32>,
    pub(in crate::backend::gpu) values: Vec<u8>,
    pub(in crate::backend::gpu) at: Sections,
    /// Number of blocks; below: of long rows, and of pieces of long rows.
    pub(in crate::backend::gpu) blocks: usize,
    pub(in crate::backend::gpu) long_rows: usize,
    pub(in crate::backend::gpu) pieces: usize,
}

impl Panel {
    /// The rows `first .. end` in the form chosen.
    pub(super) fn of(choice: &Choice, first: usize, end: usize) -> Self {
        let form = choice.form;
        let rows = form.layout.rows();
        let mut panel = Self { first, rows: end - first, ..Self::default() };
        let cells = rows.pack(choice, &mut panel);
        form.columns.pack(rows, &mut panel, &cells);
        let value = scaled(choice.exponent, form.dtype);
        match form.values {
            Values::F64 | Values::F32 | Values::Pairs => {
                let numbers: Vec<f64> = cells.par_iter().map(|c| value(c.value)).collect();
                panel.values = bytes(&numbers, form.stored());
            }
            Values::Codes => {
                let table = choice.dictionary.as_ref().expect("codes have a dictionary");
                let codes: Vec<u32> = cells.par_iter().map(|c| u32::from(table.place(value(c.value)))).collect();
                panel.at.codes = panel.add(pack(&codes, 8));
                panel.values = bytes(table.values(), form.dtype);
            }
            Values::Shared => {
                let runs = choice.runs.as_ref().map_or(&[][..], |r| &r.values[..]);
                panel.values = bytes(&runs.iter().map(|&v| value(v)).collect::<Vec<_>>(), form.dtype);
            }
        }
        rows.finish(choice, &mut panel);
        panel
    }

    /// Appends words to the pattern; returns where they start.
    pub(super) fn add(&mut self, words: impl Iterator<Item = u32>) -> u32 {
        let at = self.pattern.len() as u32;
        self.pattern.extend(words);
        at
    }
}

/// Packs numbers of `bits` bits into words, the first into the lowest bits.
pub(super) fn pack(numbers: &[u32], bits: u32) -> impl Iterator<Item = u32> + '_ {
    numbers
        .chunks(32 / bits as usize)
        .map(move |part| part.iter().enumerate().fold(0, |word, (k, v)| word | v << (bits * k as u32)))
}
