//! The form a matrix takes on the device, chosen by its rows and values alone, so that the same matrix always
//! takes the same form.
//!
//! - *runs*: rows that follow few patterns of offsets column − row, as those of stencils on grids do. A byte or two a
//!   row say which pattern; no columns are stored, and no values where the rows of a pattern share them.
//! - *slices* (SELL-32, Kreutzer et al. 2014, doi:10.1137/130930352): 32 rows side by side, padded to the longest;
//!   sorted by length within 256 rows where that saves padding.
//! - *lanes*: CSR, several invocations a row, for long rows of which there are few.
//! - *blocks*: CSR in blocks of at most 1024 entries, whole rows or a piece of one (Greathouse and Daga 2014,
//!   doi:10.1109/SC.2014.68), for rows of any lengths. A sweep of its own.
//! - *rows*: CSR, an invocation a row: the plain form.
//!
//! Columns take 16 bits where each group of rows spans few enough, values a byte where at most 256 are distinct, four
//! bytes where that loses nothing. All parts but the values stand in one buffer, `pattern`, so that a product binds
//! two whatever its form.

use super::memory::from_f64 as bytes;
use super::text::WORKGROUP;
use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::matrix::format::{Coding, Runs, Table, count_runs, scaled};
use crate::op::Dtype;
use rayon::prelude::*;
use std::fmt::Write;

/// Rows of a slice, and rows that share what their short columns count from.
const SLICE: usize = 32;

/// Why no choice is [`Layout::Free`].
const NO_ENTRIES: &str = "an operator has no entries to lay out";

/// Entries of a block.
const BLOCK: usize = 1024;

/// Rows a run must have on average, so that neighbours take the same way through the kernel.
const RUN_ROWS: usize = 8;

/// Rows within which runs are looked for at once.
const RUN_CHUNK: usize = 4096;

/// Padding that slices may have, as a share of the entries.
const PADDING: f64 = 0.25;

/// Fewer rows than this leave a device idle at one invocation a row.
const FEW_ROWS: usize = 1 << 16;

/// Mean length from which several lanes share a row.
const LONG_ROW: f64 = 32.0;

/// How rows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layout {
    Rows,
    Slices {
        /// Rows are sorted by length within each 256.
        sorted: bool,
    },
    Runs {
        /// Bits of a pattern's number: 8 or 16.
        bits: u32,
    },
    Lanes(u32),
    Blocks,
    /// None: an operator's own text gives a row of the product.
    Free,
}

/// How columns are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Columns {
    Wide,
    Short,
    /// By pattern.
    Absent,
}

/// How values are kept; each form gives back every bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Values {
    F64,
    F32,
    /// Two f32 each, whose sum is the value.
    Pairs,
    /// One byte each, into a dictionary.
    Codes,
    /// With the patterns.
    Shared,
}

/// All that a kernel's text depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) layout: Layout,
    pub(crate) columns: Columns,
    pub(crate) values: Values,
    /// The arithmetic's type.
    pub(crate) dtype: Dtype,
}

impl Form {
    /// CSR as it stands: what unfused programs run.
    pub(super) fn plain(dtype: Dtype) -> Self {
        let values = match dtype {
            Dtype::F64 => Values::F64,
            Dtype::F32 => Values::F32,
            Dtype::DoubleSingle => Values::Pairs,
        };
        Self { layout: Layout::Rows, columns: Columns::Wide, values, dtype }
    }

    /// An operator, whose values are what its text reads.
    pub(super) fn free(dtype: Dtype) -> Self {
        Self { layout: Layout::Free, ..Self::plain(dtype) }
    }

    /// The type in which the buffer of values is read.
    pub(super) fn stored(self) -> Dtype {
        match self.values {
            Values::F64 => Dtype::F64,
            Values::F32 => Dtype::F32,
            Values::Pairs => Dtype::DoubleSingle,
            Values::Codes | Values::Shared => self.dtype,
        }
    }
}

/// Where parts of a panel's pattern start, in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) columns: u32,
    /// What short columns count from; numbers of patterns.
    pub(super) base: u32,
    pub(super) codes: u32,
    /// Order of the rows; where each pattern's offsets start; blocks.
    pub(super) order: u32,
    /// Long rows of the blocks.
    pub(super) long: u32,
}

/// Rows `first .. first + rows`, small enough for one binding.
#[derive(Debug, PartialEq)]
pub(super) struct Panel {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) pattern: Vec<u32>,
    pub(super) values: Vec<u8>,
    pub(super) at: Sections,
    /// How many blocks, long rows, and pieces of long rows.
    pub(super) blocks: usize,
    pub(super) long_rows: usize,
    pub(super) pieces: usize,
}

/// A matrix with the form chosen for it.
pub(crate) struct Choice<'a> {
    a: &'a Csr,
    exponent: i32,
    pub(crate) form: Form,
    reason: String,
    runs: Option<Runs>,
    dictionary: Option<Table>,
}

/// The form for `a`·2^`exponent` in arithmetic of `dtype`.
pub(crate) fn choose(a: &Csr, exponent: i32, dtype: Dtype) -> Choice<'_> {
    if dtype == Dtype::DoubleSingle {
        // Now and then a residual: the arithmetic costs more than the bytes.
        return Choice { reason: "only residuals are in double-single".into(), ..plain(a, exponent, dtype) };
    }
    let (n, nnz) = (a.rows(), a.nnz());
    let mean = nnz as f64 / n.max(1) as f64;
    let (by_columns, by_values) = count_runs(a, RUN_CHUNK);
    let long = |runs: usize| nnz > 0 && runs * RUN_ROWS <= n;
    if long(by_columns) {
        let shared = long(by_values);
        let runs = Runs::new(a, RUN_CHUNK, shared);
        // Patterns are tables in a cache: small beside the rows, numbered by 16 bits.
        let small = |runs: &Runs| runs.patterns() <= 1 << 16 && runs.offsets.len() * RUN_ROWS <= nnz.max(1 << 13);
        if small(&runs) && (shared || padding(a, false) <= PADDING) {
            let reason = format!(
                "its rows follow {} patterns in runs of {:.0} on average",
                runs.patterns(),
                n as f64 / runs.runs.len() as f64
            );
            let bits = if runs.patterns() <= 1 << 8 { 8 } else { 16 };
            return Choice::with(a, exponent, dtype, Layout::Runs { bits }, Some(runs), reason);
        }
    }
    let natural = padding(a, false);
    let sorted = if natural > PADDING { padding(a, true) } else { natural };
    let (layout, reason) = if sorted > PADDING {
        let reason = format!("slices of {SLICE} rows would be padded by {:.0} % even when sorted", 100.0 * sorted);
        (Layout::Blocks, reason)
    } else if mean >= LONG_ROW && n < FEW_ROWS {
        let lanes = (mean as usize).next_power_of_two() / 2;
        let reason = format!("its {n} rows are too few and, with {mean:.0} entries on average, long");
        (Layout::Lanes(lanes.clamp(4, 32) as u32), reason)
    } else {
        let which = if natural > PADDING { ", sorted by length within 256," } else { "" };
        let reason = format!("slices of {SLICE} rows{which} are padded by only {:.1} %", 100.0 * sorted);
        (Layout::Slices { sorted: natural > PADDING }, reason)
    };
    Choice::with(a, exponent, dtype, layout, None, reason)
}

/// CSR as it stands.
pub(super) fn plain(a: &Csr, exponent: i32, dtype: Dtype) -> Choice<'_> {
    Choice { a, exponent, form: Form::plain(dtype), reason: "asked for".into(), runs: None, dictionary: None }
}

impl<'a> Choice<'a> {
    /// This layout, with columns and values as narrow as they go.
    pub(super) fn with(
        a: &'a Csr,
        exponent: i32,
        dtype: Dtype,
        layout: Layout,
        runs: Option<Runs>,
        reason: String,
    ) -> Self {
        let columns = match layout {
            Layout::Runs { .. } => Columns::Absent,
            _ if short(a, layout) => Columns::Short,
            _ => Columns::Wide,
        };
        let padded = matches!(layout, Layout::Slices { .. } | Layout::Runs { .. });
        let coding = match Coding::of(a.values(), exponent, dtype, true, 0) {
            Coding::Dictionary(table) if padded => with_zero(table)
                .map_or_else(|| Coding::of(a.values(), exponent, dtype, true, usize::MAX), Coding::Dictionary),
            coding => coding,
        };
        let (values, dictionary) = match coding {
            _ if runs.as_ref().is_some_and(|r| !r.values.is_empty()) => (Values::Shared, None),
            Coding::Dictionary(table) => (Values::Codes, Some(table)),
            Coding::F32 => (Values::F32, None),
            Coding::F64 => (Values::F64, None),
        };
        let form = Form { layout, columns, values, dtype };
        Self { a, exponent, form, reason, runs, dictionary }
    }

    /// Cuts the rows into panels whose buffers take at most `limit` bytes each.
    pub(super) fn panels(&self, limit: u64) -> Result<Vec<Panel>> {
        let unit = match self.form.layout {
            // A single long row may fill a binding.
            Layout::Blocks => 1,
            Layout::Rows | Layout::Lanes(_) if self.form.columns != Columns::Short => 1,
            Layout::Slices { sorted: true } => WORKGROUP,
            _ => SLICE,
        };
        let (table_words, table_bytes) = self.table_size();
        let (mut panels, mut first, mut end) = (vec![], 0, 0);
        let (mut words, mut bytes) = (table_words, table_bytes);
        while end < self.a.rows() {
            let next = (end + unit).min(self.a.rows());
            let (more_words, more_bytes) = self.size(end, next);
            if 4 * (words + more_words) > limit || bytes + more_bytes > limit {
                if first == end {
                    let what = format!("rows {first} to {} of the matrix in one binding", next - 1);
                    let needed = (4 * (words + more_words)).max(bytes + more_bytes);
                    return Err(Error::OutOfMemory { what, needed, available: limit, budget: false });
                }
                panels.push((first, end));
                (first, words, bytes) = (end, table_words, table_bytes);
            } else {
                (end, words, bytes) = (next, words + more_words, bytes + more_bytes);
            }
        }
        if first < end || panels.is_empty() {
            panels.push((first, end));
        }
        Ok(panels.into_iter().map(|(first, end)| self.panel(first, end)).collect())
    }

    /// Words of the pattern and bytes of values that every panel has, whatever its rows.
    fn table_size(&self) -> (u64, u64) {
        let runs = self.runs.as_ref().map_or((0, 0), |r| {
            let shared = r.values.len() * self.form.dtype.size();
            (r.pattern_start.len() + r.offsets.len(), shared)
        });
        let words = runs.0 + 16;
        let table = self.dictionary.as_ref().map_or(0, |t| t.values().len() * self.form.dtype.size());
        (words as u64, (runs.1 + table) as u64)
    }

    /// Words and bytes that the rows `first .. end` add, at most.
    fn size(&self, first: usize, end: usize) -> (u64, u64) {
        let Form { layout, columns, values, .. } = self.form;
        let rows = (end - first) as u64;
        let slots = match layout {
            Layout::Slices { sorted } => slots(self.a, first, end, sorted),
            Layout::Runs { .. } if values == Values::Shared => 0,
            Layout::Runs { .. } => slots(self.a, first, end, false),
            _ => self.a.row_ptr()[end] - self.a.row_ptr()[first],
        } as u64;
        let groups = rows.div_ceil(SLICE as u64);
        let mut words = match layout {
            Layout::Slices { sorted: false } => groups,
            Layout::Slices { sorted: true } => groups + rows.div_ceil(4),
            Layout::Runs { bits } => {
                let starts = if values == Values::Shared { 0 } else { groups };
                starts + rows.div_ceil(32 / u64::from(bits))
            }
            Layout::Rows | Layout::Lanes(_) => rows,
            Layout::Free => unreachable!("{NO_ENTRIES}"),
            // Two neighbouring blocks have more than 1024 entries, or rows, together.
            Layout::Blocks => rows + slots.div_ceil(64) + rows.div_ceil(64),
        };
        words += match columns {
            Columns::Wide => slots,
            Columns::Short => slots.div_ceil(2) + groups,
            Columns::Absent => 0,
        };
        let bytes = match values {
            Values::F64 | Values::Pairs => 8 * slots,
            Values::F32 => 4 * slots,
            Values::Codes => {
                words += slots.div_ceil(4);
                0
            }
            Values::Shared => 0,
        };
        (words, bytes)
    }

    /// Builds the panel of these rows.
    fn panel(&self, first: usize, end: usize) -> Panel {
        let Form { layout, columns, values, dtype } = self.form;
        let (starts, cells, blocks) = match layout {
            Layout::Slices { sorted } => {
                let (starts, cells) = sliced(self.a, first, end, sorted);
                (starts, cells, vec![])
            }
            Layout::Runs { .. } if values == Values::Shared => (vec![], vec![], vec![]),
            Layout::Runs { .. } => {
                let (starts, cells) = sliced(self.a, first, end, false);
                (starts, cells, vec![])
            }
            Layout::Rows | Layout::Lanes(_) | Layout::Blocks => {
                let ptr = self.a.row_ptr();
                let starts = ptr[first..=end].iter().map(|p| (p - ptr[first]) as u32).collect();
                let cells = (ptr[first]..ptr[end])
                    .map(|k| Cell { column: self.a.columns()[k], value: self.a.values()[k] })
                    .collect();
                let blocks = if layout == Layout::Blocks { blocks(self.a, first, end) } else { vec![] };
                (starts, cells, blocks)
            }
            Layout::Free => unreachable!("{NO_ENTRIES}"),
        };
        let mut panel = Panel {
            first,
            rows: end - first,
            pattern: starts,
            values: vec![],
            at: Sections::default(),
            blocks: blocks.len(),
            long_rows: 0,
            pieces: 0,
        };
        match columns {
            Columns::Wide => {
                panel.at.columns = panel.add(cells.iter().map(|c| c.column));
            }
            Columns::Short => {
                let bases = self.bases(&panel, &cells);
                let group = |e: usize| match layout {
                    Layout::Slices { .. } => panel.pattern.partition_point(|&s| s as usize * SLICE <= e) - 1,
                    Layout::Blocks => 0,
                    _ => (panel.pattern.partition_point(|&s| s as usize <= e) - 1) / SLICE,
                };
                let narrow: Vec<u32> = cells.par_iter().enumerate().map(|(e, c)| c.column - bases[group(e)]).collect();
                panel.at.base = panel.add(bases.into_iter());
                panel.at.columns = panel.add(pack(&narrow, 16));
            }
            Columns::Absent => self.add_patterns(&mut panel),
        }
        if layout == (Layout::Slices { sorted: true }) {
            let places: Vec<u32> = (first..end).step_by(WORKGROUP).flat_map(|w| order(self.a, w, end)).collect();
            panel.at.order = panel.add(pack(&places, 8));
        }
        let value = scaled(self.exponent, dtype);
        match values {
            Values::F64 | Values::F32 | Values::Pairs => {
                let numbers: Vec<f64> = cells.par_iter().map(|c| value(c.value)).collect();
                panel.values = bytes(&numbers, self.form.stored());
            }
            Values::Codes => {
                let table = self.dictionary.as_ref().expect("codes have a dictionary");
                let codes: Vec<u32> = cells.par_iter().map(|c| u32::from(table.place(value(c.value)))).collect();
                panel.at.codes = panel.add(pack(&codes, 8));
                panel.values = bytes(table.values(), dtype);
            }
            Values::Shared => {
                let runs = self.runs.as_ref().map_or(&[][..], |r| &r.values[..]);
                panel.values = bytes(&runs.iter().map(|&v| value(v)).collect::<Vec<_>>(), dtype);
            }
        }
        panel.add_blocks(blocks);
        panel
    }

    /// What the short columns of each group of rows count from.
    fn bases(&self, panel: &Panel, cells: &[Cell]) -> Vec<u32> {
        let least = |cells: &[Cell]| cells.iter().map(|c| c.column).min().unwrap_or(0);
        match self.form.layout {
            Layout::Slices { .. } => {
                let bounds = panel.pattern.windows(2);
                bounds.map(|w| least(&cells[w[0] as usize * SLICE..w[1] as usize * SLICE])).collect()
            }
            Layout::Blocks => vec![0],
            _ => {
                let group = |g: usize| {
                    let end = (g + SLICE).min(panel.rows);
                    least(&cells[panel.pattern[g] as usize..panel.pattern[end] as usize])
                };
                (0..panel.rows).step_by(SLICE).map(group).collect()
            }
        }
    }

    fn add_patterns(&self, panel: &mut Panel) {
        let (Some(runs), Layout::Runs { bits }) = (&self.runs, self.form.layout) else { return };
        let end = panel.first + panel.rows;
        let mut ids = Vec::with_capacity(panel.rows);
        for c in panel.first / RUN_CHUNK..end.div_ceil(RUN_CHUNK) {
            for run in &runs.runs[runs.chunk_start[c]..runs.chunk_start[c + 1]] {
                let from = c * RUN_CHUNK + run.first as usize;
                let rows = from.max(panel.first)..(from + run.rows as usize).min(end);
                ids.extend(rows.map(|_| run.pattern));
            }
        }
        panel.at.base = panel.add(pack(&ids, bits));
        panel.at.order = panel.add(runs.pattern_start.iter().map(|&s| s as u32));
        panel.at.columns = panel.add(runs.offsets.iter().map(|&o| o as u32));
    }

    /// Form, reason and bytes a product, for people.
    pub(crate) fn describe(&self) -> String {
        let Form { layout, columns, values, .. } = self.form;
        let mut text = match layout {
            Layout::Rows => "rows (CSR)".to_string(),
            Layout::Slices { sorted: false } => format!("slices of {SLICE} rows"),
            Layout::Slices { sorted: true } => format!("slices of {SLICE} rows sorted by length"),
            Layout::Runs { .. } => "runs of rows with equal offsets".into(),
            Layout::Lanes(lanes) => format!("rows (CSR), {lanes} lanes a row"),
            Layout::Blocks => format!("rows (CSR) in blocks of {BLOCK} entries"),
            Layout::Free => unreachable!("{NO_ENTRIES}"),
        };
        text += match columns {
            Columns::Wide => ", 32-bit columns",
            Columns::Short => ", 16-bit columns",
            Columns::Absent => ", no columns",
        };
        text += match values {
            Values::F64 => ", f64 values",
            Values::Pairs => ", values as pairs of f32",
            Values::F32 => ", f32 values",
            Values::Codes => ", values by one byte each",
            Values::Shared => ", values shared by the rows of a pattern",
        };
        let (bytes, entries) = (self.bytes(), self.a.nnz().max(1));
        let _ = write!(
            text,
            ", because {}; {bytes} bytes a product, {:.2} an entry",
            self.reason,
            bytes as f64 / entries as f64
        );
        text
    }

    /// Bytes that a product reads of the matrix, in one panel.
    pub(crate) fn bytes(&self) -> u64 {
        let n = self.a.rows();
        let unit = if self.form.layout == Layout::Blocks { n.max(1) } else { WORKGROUP };
        let size = |first: usize| self.size(first, (first + unit).min(n));
        let sum = |p: (u64, u64), q: (u64, u64)| (p.0 + q.0, p.1 + q.1);
        let rows = (0..n.div_ceil(unit)).into_par_iter().map(|u| size(u * unit)).reduce(|| (0, 0), sum);
        let table = self.table_size();
        4 * (rows.0 + table.0) + rows.1 + table.1
    }
}

impl Panel {
    /// Appends words to the pattern; where they start.
    fn add(&mut self, words: impl Iterator<Item = u32>) -> u32 {
        let at = self.pattern.len() as u32;
        self.pattern.extend(words);
        at
    }

    fn add_blocks(&mut self, blocks: Vec<Block>) {
        if blocks.is_empty() {
            return;
        }
        let mut words = vec![];
        let mut long: Vec<[u32; 2]> = vec![];
        for b in &blocks {
            let last = if b.rows > 0 {
                lanes(b.rows)
            } else {
                if long.last().is_none_or(|l| l[0] != b.row) {
                    long.push([b.row, self.pieces as u32]);
                }
                self.pieces += 1;
                self.pieces as u32 - 1
            };
            words.extend([b.row, b.rows, b.first, last]);
        }
        let entries = blocks.last().map_or(0, |b| b.end);
        words.extend([0, 0, entries, 0]);
        self.long_rows = long.len();
        long.push([0, self.pieces as u32]);
        self.at.order = self.add(words.into_iter());
        self.at.long = self.add(long.into_iter().flatten());
    }
}

/// The table with the zero of padding; `None` where it is full.
fn with_zero(table: Table) -> Option<Table> {
    // Its bits are the least ones.
    Table::new(std::iter::once(0.0).chain(table.values().iter().copied()))
}

/// Lanes of each of `rows` rows of a block.
fn lanes(rows: u32) -> u32 {
    let most = (WORKGROUP as u32 / rows).max(1);
    // The greatest power of two; beyond 32 their sums would be added one by one for longer than it saves.
    (1 << most.ilog2()).min(32)
}

/// An entry, or padding.
#[derive(Clone, Copy, Default)]
struct Cell {
    column: u32,
    value: f64,
}

/// Rows of the window at `first` by length, the longest first, counted from `first`.
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

/// Places that slices of the rows `first .. end` have, padding among them.
fn slots(a: &Csr, first: usize, end: usize, sorted: bool) -> usize {
    let ptr = a.row_ptr();
    let width = |rows: &[usize]| rows.iter().map(|&i| ptr[i + 1] - ptr[i]).max().unwrap_or(0);
    let windows = (first..end).step_by(WORKGROUP);
    windows.map(|w| window(a, w, end, sorted).chunks(SLICE).map(width).sum::<usize>() * SLICE).sum()
}

/// Padding of slices as a share of the entries.
fn padding(a: &Csr, sorted: bool) -> f64 {
    let n = a.rows();
    let slots: usize = (0..n.div_ceil(WORKGROUP))
        .into_par_iter()
        .map(|w| slots(a, w * WORKGROUP, ((w + 1) * WORKGROUP).min(n), sorted))
        .sum();
    // The last slice's missing rows are no fault of the rows.
    let (missing, mean) = (n.next_multiple_of(SLICE) - n, a.nnz() / n.max(1));
    slots.saturating_sub(missing * mean).saturating_sub(a.nnz()) as f64 / a.nnz().max(1) as f64
}

/// First column of each slice, in columns of 32 places, and the places' contents.
fn sliced(a: &Csr, first: usize, end: usize, sorted: bool) -> (Vec<u32>, Vec<Cell>) {
    let build = |w: usize| {
        let rows = window(a, w, end, sorted);
        let (mut widths, mut cells) = (vec![], vec![]);
        for slice in rows.chunks(SLICE) {
            let lines: Vec<(&[u32], &[f64])> = slice.iter().map(|&i| a.row(i)).collect();
            let width = lines.iter().map(|l| l.0.len()).max().unwrap_or(0);
            // Padding reads an entry of x that the row, or at least the slice, reads anyway.
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
    let (mut starts, mut cells) = (vec![0], Vec::with_capacity(built.iter().map(|b| b.1.len()).sum()));
    for (widths, part) in built {
        for w in widths {
            starts.push(starts[starts.len() - 1] + w);
        }
        cells.extend(part);
    }
    (starts, cells)
}

/// Whether every group of rows spans fewer than 2¹⁶ columns. Blocks count from the matrix's first one.
fn short(a: &Csr, layout: Layout) -> bool {
    const SPAN: usize = 1 << 16;
    if layout == Layout::Blocks {
        return a.cols() <= SPAN;
    }
    // Sorting stirs the rows of a window.
    let group = if layout == (Layout::Slices { sorted: true }) { WORKGROUP } else { SLICE };
    (0..a.rows().div_ceil(group)).into_par_iter().all(|g| {
        let rows = (g * group..((g + 1) * group).min(a.rows())).map(|i| a.row(i).0).filter(|c| !c.is_empty());
        let ends = rows.fold((u32::MAX, 0), |(low, high), c| (low.min(c[0]), high.max(c[c.len() - 1])));
        ends.0 == u32::MAX || ((ends.1 - ends.0) as usize) < SPAN
    })
}

/// Whole rows, or a piece of one.
struct Block {
    /// Counted from the panel's first.
    row: u32,
    /// 0 for a piece.
    rows: u32,
    first: u32,
    end: u32,
}

/// Blocks of the rows `first .. end`: as many whole rows as fit; longer rows in pieces.
fn blocks(a: &Csr, first: usize, end: usize) -> Vec<Block> {
    let ptr = a.row_ptr();
    let at = |i: usize| (ptr[i] - ptr[first]) as u32;
    let mut out = vec![];
    let mut row = first;
    while row < end {
        let mut last = row;
        while last < end && ptr[last + 1] - ptr[row] <= BLOCK && last - row < BLOCK {
            last += 1;
        }
        let here = (row - first) as u32;
        if last > row {
            out.push(Block { row: here, rows: (last - row) as u32, first: at(row), end: at(last) });
            row = last;
        } else {
            let pieces = (at(row)..at(row + 1)).step_by(BLOCK);
            out.extend(pieces.map(|e| Block { row: here, rows: 0, first: e, end: at(row + 1).min(e + BLOCK as u32) }));
            row += 1;
        }
    }
    out
}

/// Numbers of `bits` bits, the first lowest, in words.
fn pack(numbers: &[u32], bits: u32) -> impl Iterator<Item = u32> + '_ {
    numbers
        .chunks(32 / bits as usize)
        .map(move |part| part.iter().enumerate().fold(0, |word, (k, v)| word | v << (bits * k as u32)))
}

#[cfg(test)]
mod tests;
