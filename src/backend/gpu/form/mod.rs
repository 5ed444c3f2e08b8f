//! The form of a matrix on the device, chosen by its rows and values alone, so that the same matrix always
//! has the same form.
//!
//! A layout of rows is one file of this folder, with its text in `shaders/`, and one line of the table below. Columns
//! take 16 bits if each group of rows spans few enough; values take one byte if at most 256 are distinct, four bytes
//! if that loses nothing. All parts except the values are in one buffer, `pattern`, so that a product binds two buffers
//! whatever the form.

mod columns;
mod panel;
mod values;

pub(super) use blocks::SPMV_PIECES;
pub(super) use columns::Columns;
pub(super) use panel::{Panel, Sections};
pub(super) use values::Values;

#[cfg(test)]
use super::text::Shader;
use super::text::{MATRIX, WORKGROUP, fill, type_name};
use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::matrix::format::{Coding, Runs as Found, Table};
use crate::op::Dtype;
use rayon::prelude::*;
use std::cell::OnceCell;
use std::fmt::Write;

/// Rows of a slice, and rows that share a base for their short columns.
const SLICE: usize = 32;

/// How rows are laid out in the two buffers: as in CSR, unless a layout overrides it.
pub(super) trait Rows {
    /// Description of the layout.
    fn describe(&self) -> String;

    /// Functions that a kernel in this form calls; `width` rows are processed at a time.
    fn text(&self, form: Form, width: usize) -> String;

    /// The shaders of `shaders/` that only this layout uses.
    #[cfg(test)]
    fn shaders(&self) -> Vec<&'static Shader>;

    /// How a loop over rows gets a row's product.
    fn step(&self) -> Step {
        Step { prepare: "", row: "p", product: "row_product(p)" }
    }

    /// Rows that a workgroup processes at a time, in a sweep with dot products or in one without.
    fn width(&self, _dots: bool) -> usize {
        WORKGROUP
    }

    /// A kernel of its own, if a sweep can't contain the product; x is bound with `access`.
    fn kernel(&self, _access: &str) -> Option<String> {
        None
    }

    /// Whether a product by itself runs in `spmv.wgsl` or a kernel of its own instead of a sweep.
    fn multiplies_alone(&self) -> bool {
        true
    }

    /// Most products with one matrix in one sweep.
    fn shared_products(&self) -> usize {
        usize::MAX
    }

    /// Whether rows are padded with zeros.
    fn padded(&self) -> bool {
        false
    }

    /// Whether no columns are stored.
    fn without_columns(&self) -> bool {
        false
    }

    /// Rows that share a base for their short columns; `None` for all rows of a panel.
    fn group(&self) -> Option<usize> {
        Some(SLICE)
    }

    /// Panels are cut at multiples of this many rows.
    fn unit(&self, columns: Columns) -> usize {
        if columns == Columns::Short { SLICE } else { 1 }
    }

    /// Stored positions of the rows `first .. end`, padding included, and words of the pattern besides columns and
    /// codes.
    fn size(&self, of: &Choice, first: usize, end: usize) -> (usize, u64) {
        (of.a.row_ptr()[end] - of.a.row_ptr()[first], (end - first) as u64)
    }

    /// Puts the row starts into the pattern of an empty panel; returns the content of each position.
    fn pack(&self, of: &Choice, panel: &mut Panel) -> Vec<Cell> {
        as_they_stand(of.a, panel)
    }

    /// Where the positions of each group of rows with a common base end.
    fn ends(&self, panel: &Panel, _cells: usize) -> Vec<usize> {
        let groups = (0..panel.rows).step_by(SLICE);
        groups.map(|g| panel.pattern[(g + SLICE).min(panel.rows)] as usize).collect()
    }

    /// Appends to the pattern what comes after the columns.
    fn finish(&self, _of: &Choice, _panel: &mut Panel) {}
}

/// How a loop over p = start + t gets a product.
pub(super) struct Step {
    /// A statement for the whole workgroup at once.
    pub(super) prepare: &'static str,
    /// The row for p.
    pub(super) row: &'static str,
    /// Its product with x.
    pub(super) product: &'static str,
}

macro_rules! layouts {
    ($($module:ident: $layout:ident),* $(,)?) => {
        $(mod $module; pub(super) use $module::$layout;)*

        /// One of the layouts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Layout {
            $($layout($layout)),*
        }

        $(impl From<$layout> for Layout {
            fn from(layout: $layout) -> Self {
                Self::$layout(layout)
            }
        })*

        impl Layout {
            pub(super) fn rows(&self) -> &dyn Rows {
                match self { $(Self::$layout(layout) => layout),* }
            }

            /// The first layout of the table that suits the matrix.
            fn choose<'a>(look: &Look<'a>) -> Suits {
                $(if let Some(found) = $layout::suits(look) {
                    return found;
                })*
                unreachable!("slices take every matrix")
            }
        }
    };
}

layouts! {
    runs: Runs,
    blocks: Blocks,
    lanes: Lanes,
    slices: Slices,
    csr: Csrs,
    free: Free,
}

/// A layout that suits, why, and the runs that were found.
struct Suits {
    layout: Layout,
    reason: String,
    runs: Option<Found>,
}

/// A matrix and facts that layouts need about it.
struct Look<'a> {
    a: &'a Csr,
    natural: OnceCell<f64>,
    sorted: OnceCell<f64>,
}

impl Look<'_> {
    /// Padding of slices as a share of the entries, and whether they are sorted.
    fn padding(&self) -> (f64, bool) {
        let natural = *self.natural.get_or_init(|| slices::padding(self.a, false));
        if natural <= slices::PADDING {
            return (natural, false);
        }
        (*self.sorted.get_or_init(|| slices::padding(self.a, true)), true)
    }

    /// Mean entries per row.
    fn mean(&self) -> f64 {
        self.a.nnz() as f64 / self.a.rows().max(1) as f64
    }
}

/// Everything that a kernel's text depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) layout: Layout,
    pub(crate) columns: Columns,
    pub(crate) values: Values,
    /// The arithmetic's type.
    pub(crate) dtype: Dtype,
}

impl Form {
    /// CSR unchanged: used by unfused programs.
    pub(super) fn plain(dtype: Dtype) -> Self {
        let values = match dtype {
            Dtype::F64 => Values::F64,
            Dtype::F32 => Values::F32,
            Dtype::DoubleSingle => Values::Pairs,
        };
        Self { layout: Csrs.into(), columns: Columns::Wide, values, dtype }
    }

    /// A matrix-free operator, whose values are the data that its text reads.
    pub(super) fn free(dtype: Dtype) -> Self {
        Self { layout: Free.into(), ..Self::plain(dtype) }
    }

    /// The type in which the buffer of values is read.
    pub(super) fn stored(self) -> Dtype {
        self.values.stored(self.dtype)
    }

    /// Whether a product is a sweep of its own, however few panels the matrix has.
    pub(super) fn alone(self) -> bool {
        self.layout.rows().kernel("read").is_some()
    }

    /// Bindings and functions of a matrix in this form; `gathered` is x_j, and `width` rows are processed at a time.
    pub(super) fn text(self, gathered: &str, binding: usize, width: usize) -> String {
        let value = type_name(self.dtype);
        let (b, b1) = (binding.to_string(), (binding + 1).to_string());
        let places =
            [("b", &*b), ("b1", &*b1), ("stored", type_name(self.stored())), ("value", value), ("gathered", gathered)];
        let mut text = fill(MATRIX.text, &places);
        if !matches!(self.layout, Layout::Free(_)) {
            text += self.columns.text();
            text += &self.values.text(value);
        }
        text + &self.layout.rows().text(self, width)
    }
}

/// A matrix with the form chosen for it.
pub(crate) struct Choice<'a> {
    a: &'a Csr,
    exponent: i32,
    pub(crate) form: Form,
    reason: String,
    runs: Option<Found>,
    dictionary: Option<Table>,
}

/// The form for `a`·2^`exponent` in arithmetic of `dtype`.
pub(crate) fn choose(a: &Csr, exponent: i32, dtype: Dtype) -> Choice<'_> {
    if dtype == Dtype::DoubleSingle {
        // Only for an occasional residual: the arithmetic costs more than the bytes.
        return Choice { reason: "only residuals are in double-single".into(), ..plain(a, exponent, dtype) };
    }
    let look = Look { a, natural: OnceCell::new(), sorted: OnceCell::new() };
    let Suits { layout, reason, runs } = Layout::choose(&look);
    Choice::with(a, exponent, dtype, layout, runs, reason)
}

/// CSR unchanged.
pub(super) fn plain(a: &Csr, exponent: i32, dtype: Dtype) -> Choice<'_> {
    Choice { a, exponent, form: Form::plain(dtype), reason: "asked for".into(), runs: None, dictionary: None }
}

/// The content of a stored position: an entry, or padding.
#[derive(Clone, Copy, Default)]
pub(super) struct Cell {
    column: u32,
    value: f64,
}

impl<'a> Choice<'a> {
    /// This layout, with columns and values as narrow as they go.
    pub(super) fn with(
        a: &'a Csr,
        exponent: i32,
        dtype: Dtype,
        layout: Layout,
        runs: Option<Found>,
        reason: String,
    ) -> Self {
        let rows = layout.rows();
        let columns = match rows {
            rows if rows.without_columns() => Columns::Absent,
            rows if columns::short(a, rows.group()) => Columns::Short,
            _ => Columns::Wide,
        };
        let coding = match Coding::of(a.values(), exponent, dtype, true, 0) {
            Coding::Dictionary(table) if rows.padded() => values::with_zero(table)
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
        let unit = self.form.layout.rows().unit(self.form.columns);
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
        Ok(panels.into_iter().map(|(first, end)| Panel::of(self, first, end)).collect())
    }

    /// Words of the pattern and bytes of values in every panel, whatever its rows.
    fn table_size(&self) -> (u64, u64) {
        let runs = self.runs.as_ref().map_or((0, 0), |r| {
            let shared = r.values.len() * self.form.dtype.size();
            (r.pattern_start.len() + r.offsets.len(), shared)
        });
        let words = runs.0 + 16;
        let table = self.dictionary.as_ref().map_or(0, |t| t.values().len() * self.form.dtype.size());
        (words as u64, (runs.1 + table) as u64)
    }

    /// Upper bound on the words and bytes that the rows `first .. end` add.
    fn size(&self, first: usize, end: usize) -> (u64, u64) {
        let (places, words) = self.form.layout.rows().size(self, first, end);
        let groups = ((end - first) as u64).div_ceil(SLICE as u64);
        let (codes, bytes) = self.form.values.size(places as u64);
        (words + self.form.columns.words(places as u64, groups) + codes, bytes)
    }

    /// Form, reason and bytes per product, for people.
    pub(crate) fn describe(&self) -> String {
        let Form { layout, columns, values, .. } = self.form;
        let mut text = format!("{}{}{}", layout.rows().describe(), columns.describe(), values.describe());
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
        // A block may contain rows of several windows.
        let unit = if self.form.alone() { n.max(1) } else { WORKGROUP };
        let size = |first: usize| self.size(first, (first + unit).min(n));
        let sum = |p: (u64, u64), q: (u64, u64)| (p.0 + q.0, p.1 + q.1);
        let rows = (0..n.div_ceil(unit)).into_par_iter().map(|u| size(u * unit)).reduce(|| (0, 0), sum);
        let table = self.table_size();
        4 * (rows.0 + table.0) + rows.1 + table.1
    }
}

/// Shaders that several layouts use.
#[cfg(test)]
pub(super) const SHADERS: &[&Shader] =
    &[&columns::COLUMNS_WIDE, &columns::COLUMNS_SHORT, &values::VALUES_PLAIN, &values::VALUES_CODED];

/// Appends the row starts of the CSR rows of the panel, relative to its first, and returns the entries.
fn as_they_stand(a: &Csr, panel: &mut Panel) -> Vec<Cell> {
    let (ptr, first, end) = (a.row_ptr(), panel.first, panel.first + panel.rows);
    panel.pattern.extend(ptr[first..=end].iter().map(|p| (p - ptr[first]) as u32));
    let entries = (ptr[first]..ptr[end]).into_par_iter();
    entries.map(|k| Cell { column: a.columns()[k], value: a.values()[k] }).collect()
}

#[cfg(test)]
mod tests;
