//! Compressed sparse rows in f64: the one form every backend starts from.

use super::array::{Array, Keeper};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;

/// Integers that other libraries index with.
pub trait Index: Copy + std::fmt::Display {
    /// As usize; `None` for one that is negative or too large.
    fn to_usize(self) -> Option<usize>;
}

macro_rules! indices {
    ($($kind:ty),+) => {
        $(impl Index for $kind {
            fn to_usize(self) -> Option<usize> {
                usize::try_from(self).ok()
            }
        })+
    };
}
indices!(usize, u64, u32, i64, i32);

fn index(i: impl Index, what: &str) -> Result<usize> {
    i.to_usize().ok_or_else(|| Error::input(format!("{what} holds the index {i}; indices are counted from 0")))
}

/// A sparse matrix in compressed-row form: row `i` holds `values[k]` at column `columns[k]` for
/// `k` in `row_ptr[i]..row_ptr[i + 1]`, columns ascending and unique, values finite.
///
/// The constructors check all of this, so kernels may rely on it.
///
/// A clone shares the three arrays; [`Csr::set_values`] gives one clone values of its own, on the shared pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    rows: usize,
    cols: usize,
    row_ptr: Array<usize>,
    columns: Array<u32>,
    values: Array<f64>,
}

impl Csr {
    fn assemble(rows: usize, cols: usize, row_ptr: Vec<usize>, columns: Vec<u32>, values: Vec<f64>) -> Self {
        Self { rows, cols, row_ptr: row_ptr.into(), columns: columns.into(), values: values.into() }
    }

    /// Builds a matrix from its three arrays. Rows whose columns are out of order are sorted and
    /// duplicates in a row are summed.
    ///
    /// # Errors
    /// `row_ptr` of the wrong length or decreasing, a column at or beyond `cols`, a value or a sum of duplicates that
    /// is not finite, more than 2³² − 1 rows or columns.
    pub fn new(rows: usize, cols: usize, row_ptr: Vec<usize>, columns: Vec<u32>, values: Vec<f64>) -> Result<Self> {
        Self::checked(rows, cols, row_ptr, columns.into(), values.into())
    }

    /// [`Csr::new`] without a copy of the `nnz` columns and values, as long as rows need no sorting.
    ///
    /// # Errors
    /// As [`Csr::new`].
    ///
    /// # Safety
    /// Both arrays hold `nnz` entries that stay valid and unchanged as long as `keeper` lives.
    pub unsafe fn lent(
        [rows, cols]: [usize; 2],
        row_ptr: Vec<usize>,
        columns: *const u32,
        values: *const f64,
        nnz: usize,
        keeper: Keeper,
    ) -> Result<Self> {
        // SAFETY: by the caller's word.
        let (columns, values) =
            unsafe { (Array::lent(columns, nnz, Arc::clone(&keeper)), Array::lent(values, nnz, keeper)) };
        Self::checked(rows, cols, row_ptr, columns, values)
    }

    fn checked(rows: usize, cols: usize, row_ptr: Vec<usize>, columns: Array<u32>, values: Array<f64>) -> Result<Self> {
        check_size(rows, cols)?;
        if row_ptr.len() != rows + 1 {
            return Err(Error::input(format!(
                "row_ptr has {} entries; a matrix of {rows} rows needs {}",
                row_ptr.len(),
                rows + 1
            )));
        }
        if row_ptr[0] != 0 {
            return Err(Error::input(format!("row_ptr starts at {}; it must start at 0", row_ptr[0])));
        }
        if let Some(i) = row_ptr.windows(2).position(|w| w[1] < w[0]) {
            return Err(Error::input(format!("row_ptr decreases at row {i}: {} to {}", row_ptr[i], row_ptr[i + 1])));
        }
        let nnz = row_ptr[rows];
        if columns.len() != nnz || values.len() != nnz {
            return Err(Error::input(format!(
                "row_ptr ends at {nnz}, but there are {} columns and {} values",
                columns.len(),
                values.len()
            )));
        }
        let row_of = |k: usize| row_ptr.partition_point(|&p| p <= k) - 1;
        if let Some(k) = first(&columns, |&c| c as usize >= cols) {
            return Err(Error::input(format!(
                "row {} names column {}; there are {cols} columns",
                row_of(k),
                columns[k]
            )));
        }
        if let Some(k) = first(&values, |v| !v.is_finite()) {
            return Err(Error::input(format!("entry ({}, {}) is {}", row_of(k), columns[k], values[k])));
        }
        let mut a = Self { rows, cols, row_ptr: row_ptr.into(), columns, values };
        if !a.rows_ascend() {
            a.sort_rows();
            if let Some(k) = first(&a.values, |v| !v.is_finite()) {
                let row = a.row_ptr.partition_point(|&p| p <= k) - 1;
                return Err(Error::input(format!(
                    "the duplicates of entry ({row}, {}), counted from 0, sum to {}",
                    a.columns[k], a.values[k]
                )));
            }
        }
        Ok(a)
    }

    /// Arrays that are valid by construction: what [`Csr::new`] checks is checked in debug builds only.
    pub(crate) fn trusted(rows: usize, cols: usize, row_ptr: Vec<usize>, columns: Vec<u32>, values: Vec<f64>) -> Self {
        debug_assert!(row_ptr.len() == rows + 1 && row_ptr[rows] == columns.len() && columns.len() == values.len());
        debug_assert!(columns.iter().all(|&c| (c as usize) < cols));
        let a = Self::assemble(rows, cols, row_ptr, columns, values);
        debug_assert!(a.rows_ascend());
        a
    }

    /// The same matrix as a `sprs` CSR matrix.
    #[must_use]
    pub fn to_sprs(&self) -> sprs::CsMat<f64> {
        let columns = self.columns.iter().map(|&c| c as usize).collect();
        sprs::CsMat::new((self.rows, self.cols), self.row_ptr.to_vec(), columns, self.values.to_vec())
    }

    /// A CSR matrix from arrays of any integers and of f64 or f32. Copies them.
    ///
    /// ```
    /// use krylane::matrix::Csr;
    /// let a = Csr::from_csr(2, 2, &[0i32, 1, 3], &[0u32, 1, 0], &[4.0f32, 3.0, 1.0])?;
    /// assert_eq!(a.get(1, 0), 1.0);
    /// # Ok::<(), krylane::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Csr::new`]; a negative index.
    pub fn from_csr<P: Index, J: Index, V: Copy + Into<f64>>(
        rows: usize,
        cols: usize,
        row_ptr: &[P],
        columns: &[J],
        values: &[V],
    ) -> Result<Self> {
        check_size(rows, cols)?;
        let row_ptr = row_ptr.iter().map(|&p| index(p, "row_ptr")).collect::<Result<_>>()?;
        // A column that is no u32 is beyond every matrix: named as such below.
        let narrow = |&j: &J| index(j, "columns").map(|j| u32::try_from(j).unwrap_or(u32::MAX));
        let columns = columns.iter().map(narrow).collect::<Result<_>>()?;
        Self::new(rows, cols, row_ptr, columns, values.iter().map(|&v| v.into()).collect())
    }

    /// A CSC matrix: column j holds rows `row_indices[k]` for k in `col_ptr[j]..col_ptr[j + 1]`. Copies the arrays.
    ///
    /// # Errors
    /// As [`Csr::from_csr`].
    pub fn from_csc<P: Index, J: Index, V: Copy + Into<f64>>(
        rows: usize,
        cols: usize,
        col_ptr: &[P],
        row_indices: &[J],
        values: &[V],
    ) -> Result<Self> {
        // Faults are told in words of rows; the transpose of a CSR matrix has them as columns.
        let fault = |e: Error| Error::input(format!("as CSC, with columns for rows: {e}"));
        Ok(Self::from_csr(cols, rows, col_ptr, row_indices, values).map_err(fault)?.transpose())
    }

    /// A matrix from triplets (i, j, a_ij); those of one place are summed.
    ///
    /// ```
    /// use krylane::matrix::Csr;
    /// let a = Csr::from_triplets(2, 2, [(0, 0, 2.0), (1, 1, 3.0), (1, 1, 1.0)])?;
    /// assert_eq!(a.get(1, 1), 4.0);
    /// # Ok::<(), krylane::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Triplets::push`]; a negative index.
    pub fn from_triplets<I: Index, J: Index, V: Into<f64>>(
        rows: usize,
        cols: usize,
        entries: impl IntoIterator<Item = (I, J, V)>,
    ) -> Result<Self> {
        let mut t = Triplets::new(rows, cols)?;
        for (i, j, v) in entries {
            t.push(index(i, "a triplet's row")?, index(j, "a triplet's column")?, v.into())?;
        }
        t.to_csr()
    }

    /// The identity of order `n`.
    ///
    /// # Errors
    /// `n` beyond 2³² − 1.
    pub fn identity(n: usize) -> Result<Self> {
        check_size(n, n)?;
        Ok(Self::assemble(n, n, (0..=n).collect(), (0..n as u32).collect(), vec![1.0; n]))
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of stored entries, explicit zeros included.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// True when rows and columns are equally many.
    #[must_use]
    pub fn is_square(&self) -> bool {
        self.rows == self.cols
    }

    /// Where each row starts; `rows + 1` entries.
    #[must_use]
    pub fn row_ptr(&self) -> &[usize] {
        &self.row_ptr
    }

    /// Column of every entry, row by row.
    #[must_use]
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// Value of every entry, row by row.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The entries of row `i` as (columns, values).
    #[must_use]
    pub fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let range = self.row_ptr[i]..self.row_ptr[i + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// a_ij, zero where nothing is stored.
    #[must_use]
    pub fn get(&self, i: usize, j: usize) -> f64 {
        let (columns, values) = self.row(i);
        columns.binary_search(&(j as u32)).map_or(0.0, |k| values[k])
    }

    /// The main diagonal, zeros where nothing is stored.
    #[must_use]
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.rows.min(self.cols)).into_par_iter().with_min_len(1024).map(|i| self.get(i, i)).collect()
    }

    /// Puts new values on the same pattern, in the order of [`Csr::values`]: row by row, columns ascending, duplicates
    /// summed. That is the order of the arrays given to [`Csr::new`] only where their rows were so already.
    ///
    /// # Errors
    /// A wrong count or a value that is not finite.
    pub fn set_values(&mut self, values: Vec<f64>) -> Result<()> {
        if values.len() != self.nnz() {
            return Err(Error::input(format!("{} values for a pattern of {} entries", values.len(), self.nnz())));
        }
        if let Some(k) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::input(format!("value {k} is {}", values[k])));
        }
        self.values = values.into();
        Ok(())
    }

    /// Multiplies column j by `factor(j)`.
    pub(crate) fn scale_columns(&mut self, factor: impl Fn(usize) -> f64) {
        self.values.to_mut().iter_mut().zip(&*self.columns).for_each(|(v, &j)| *v *= factor(j as usize));
    }

    /// y = A x in f64, row sums in the order of the columns.
    #[must_use]
    pub fn multiply(&self, x: &[f64]) -> Vec<f64> {
        assert_eq!(x.len(), self.cols, "A x: x has {} entries, A has {} columns", x.len(), self.cols);
        (0..self.rows)
            .into_par_iter()
            .with_min_len(1024)
            .map(|i| {
                let (columns, values) = self.row(i);
                columns.iter().zip(values).map(|(&c, &v)| v * x[c as usize]).sum()
            })
            .collect()
    }

    /// Aᵀ, by counting. Cost: two passes over the entries, the second by every thread for its share of the columns.
    #[must_use]
    pub fn transpose(&self) -> Self {
        let mut row_ptr = vec![0usize; self.cols + 1];
        for &c in &*self.columns {
            row_ptr[c as usize + 1] += 1;
        }
        for j in 0..self.cols {
            row_ptr[j + 1] += row_ptr[j];
        }
        let mut columns = vec![0u32; self.nnz()];
        let mut values = vec![0.0; self.nnz()];
        // Ranges of columns with about equally many entries: what one thread writes lies together.
        let shares = if self.nnz() < 1 << 16 { 1 } else { rayon::current_num_threads().min(16) };
        let bound = |p: usize| row_ptr.partition_point(|&k| k < p * self.nnz() / shares).min(self.cols);
        let (mut rest_columns, mut rest_values) = (&mut columns[..], &mut values[..]);
        let mut parts = Vec::with_capacity(shares);
        for p in 0..shares {
            let (first, end) =
                (if p == 0 { 0 } else { bound(p) }, if p + 1 == shares { self.cols } else { bound(p + 1) });
            let count = row_ptr[end] - row_ptr[first];
            let (own_columns, later_columns) = rest_columns.split_at_mut(count);
            let (own_values, later_values) = rest_values.split_at_mut(count);
            (rest_columns, rest_values) = (later_columns, later_values);
            parts.push((first as u32, end as u32, own_columns, own_values));
        }
        parts.into_par_iter().for_each(|(first, end, columns, values)| {
            let start = row_ptr[first as usize];
            let mut next: Vec<usize> = row_ptr[first as usize..end as usize].iter().map(|k| k - start).collect();
            for i in 0..self.rows {
                let (cs, vs) = self.row(i);
                let from = cs.partition_point(|&c| c < first);
                for (&c, &v) in cs[from..].iter().zip(&vs[from..]).take_while(|e| *e.0 < end) {
                    let k = next[(c - first) as usize];
                    next[(c - first) as usize] += 1;
                    columns[k] = i as u32;
                    values[k] = v;
                }
            }
        });
        Self::assemble(self.cols, self.rows, row_ptr, columns, values)
    }

    /// The matrix whose row i is row `rows[i]` and whose column j is column `columns[j]` of this one.
    pub(crate) fn permuted(&self, rows: &[u32], columns: &[u32]) -> Self {
        self.rebuilt(rows, columns, |_, _, v| v)
    }

    /// [`Csr::permuted`] with the values `f(i, j, a_ij)`, i and j those of this matrix.
    pub(crate) fn rebuilt(&self, rows: &[u32], columns: &[u32], f: impl Fn(usize, usize, f64) -> f64 + Sync) -> Self {
        assert!(rows.len() == self.rows && columns.len() == self.cols, "an order of all rows and columns");
        let place = inverse_order(columns);
        let mut row_ptr = Vec::with_capacity(self.rows + 1);
        row_ptr.push(0);
        for &i in rows {
            row_ptr.push(row_ptr[row_ptr.len() - 1] + self.row(i as usize).0.len());
        }
        let (mut new_columns, mut values) = (vec![0u32; self.nnz()], vec![0.0; self.nnz()]);
        let (mut rest_columns, mut rest_values) = (&mut new_columns[..], &mut values[..]);
        let mut blocks = vec![];
        for own in rows.chunks(1024) {
            let count = own.iter().map(|&i| self.row(i as usize).0.len()).sum();
            let (own_columns, later_columns) = rest_columns.split_at_mut(count);
            let (own_values, later_values) = rest_values.split_at_mut(count);
            (rest_columns, rest_values) = (later_columns, later_values);
            blocks.push((own, own_columns, own_values));
        }
        blocks.into_par_iter().for_each_init(Vec::new, |row: &mut Vec<(u32, f64)>, (own, columns, values)| {
            let mut k = 0;
            for &i in own {
                let (cs, vs) = self.row(i as usize);
                row.clear();
                row.extend(cs.iter().zip(vs).map(|(&c, &v)| (place[c as usize], f(i as usize, c as usize, v))));
                row.sort_unstable_by_key(|e| e.0);
                for &(c, v) in &*row {
                    (columns[k], values[k]) = (c, v);
                    k += 1;
                }
            }
        });
        Self::trusted(self.rows, self.cols, row_ptr, new_columns, values)
    }

    /// The first entry (i, j) with |a_ij − a_ji| > `tolerance`·√|a_ii a_jj| (or > `tolerance`·max|a_ij|
    /// where a diagonal entry is zero), or `None` for a symmetric matrix.
    #[must_use]
    pub fn first_asymmetry(&self, tolerance: f64) -> Option<(usize, usize)> {
        if !self.is_square() {
            return Some((0, 0));
        }
        let diagonal = self.diagonal();
        let largest = crate::host::scale::largest(&self.values);
        let differs = |i: usize, j: u32, d: f64| {
            // √|a_ii|·√|a_jj| and not √|a_ii a_jj|: the product can leave f64's range.
            let scale = diagonal[i].abs().sqrt() * diagonal[j as usize].abs().sqrt();
            d.abs() > tolerance * if scale > 0.0 { scale } else { largest }
        };
        if self.mirrored(differs) {
            return None;
        }
        let t = self.transpose();
        (0..self.rows).into_par_iter().find_map_first(|i| {
            let ((ca, va), (ct, vt)) = (self.row(i), t.row(i));
            let (mut p, mut q) = (0, 0);
            while p < ca.len() || q < ct.len() {
                let cp = ca.get(p).copied().unwrap_or(u32::MAX);
                let cq = ct.get(q).copied().unwrap_or(u32::MAX);
                let j = cp.min(cq);
                let mut d = 0.0;
                if cp == j {
                    d += va[p];
                    p += 1;
                }
                if cq == j {
                    d -= vt[q];
                    q += 1;
                }
                if differs(i, j, d) {
                    return Some((i, j as usize));
                }
            }
            None
        })
    }

    /// True where every entry has a partner across the diagonal that does not differ. Cost: a search of row j for each
    /// entry (i, j) above the diagonal, no memory.
    pub(super) fn mirrored(&self, differs: impl Fn(usize, u32, f64) -> bool + Sync) -> bool {
        const BLOCK: usize = 1 << 12;
        // How many entries a block has above and below the diagonal; all below have partners if as many above do.
        let count = |block: usize| {
            let (mut above, mut below) = (0, 0);
            for i in block * BLOCK..self.rows.min((block + 1) * BLOCK) {
                let (columns, values) = self.row(i);
                for (&j, v) in columns.iter().zip(values) {
                    if (j as usize) < i {
                        below += 1;
                    } else if j as usize > i {
                        above += 1;
                        let (across, partners) = self.row(j as usize);
                        let d = v - partners[across.binary_search(&(i as u32)).ok()?];
                        if d != 0.0 && differs(i, j, d) {
                            return None;
                        }
                    }
                }
            }
            Some((above, below))
        };
        let add = |a: (usize, usize), b: (usize, usize)| Some((a.0 + b.0, a.1 + b.1));
        let counts = (0..self.rows.div_ceil(BLOCK)).into_par_iter().map(count).try_reduce(|| (0, 0), add);
        counts.is_some_and(|(above, below)| above == below)
    }

    fn rows_ascend(&self) -> bool {
        const BLOCK: usize = 1 << 12;
        (0..self.rows.div_ceil(BLOCK)).into_par_iter().all(|block| {
            let rows = block * BLOCK..self.rows.min((block + 1) * BLOCK);
            rows.into_iter().all(|i| self.row(i).0.windows(2).all(|w| w[0] < w[1]))
        })
    }

    fn sort_rows(&mut self) {
        let mut row_ptr = vec![0usize; self.rows + 1];
        let mut kept = 0;
        let mut row: Vec<(u32, f64)> = Vec::new();
        let (columns, values) = (self.columns.to_mut(), self.values.to_mut());
        for i in 0..self.rows {
            let range = self.row_ptr[i]..self.row_ptr[i + 1];
            row.clear();
            row.extend(range.map(|k| (columns[k], values[k])));
            row.sort_by_key(|e| e.0);
            let start = kept;
            for &(c, v) in &row {
                // Never ahead of the reading side, so writing in place is safe.
                if kept > start && columns[kept - 1] == c {
                    values[kept - 1] += v;
                } else {
                    columns[kept] = c;
                    values[kept] = v;
                    kept += 1;
                }
            }
            row_ptr[i + 1] = kept;
        }
        columns.truncate(kept);
        values.truncate(kept);
        self.row_ptr = row_ptr.into();
    }
}

/// Where each index stands in `order`.
pub(crate) fn inverse_order(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(k, &i)| place[i as usize] = k as u32);
    place
}

/// Where the first bad element is. In blocks, as rayon's own search asks an atomic per element.
fn first<T: Sync>(all: &[T], bad: impl Fn(&T) -> bool + Sync) -> Option<usize> {
    const BLOCK: usize = 1 << 14;
    let block = all.par_chunks(BLOCK).position_first(|block| block.iter().fold(false, |found, x| found | bad(x)))?;
    all[block * BLOCK..].iter().position(bad).map(|k| block * BLOCK + k)
}

fn check_size(rows: usize, cols: usize) -> Result<()> {
    let limit = u32::MAX as usize;
    if rows > limit || cols > limit {
        return Err(Error::input(format!("{rows} x {cols} is beyond the limit of {limit} rows and columns")));
    }
    Ok(())
}

/// Coordinates (i, j, a_ij) on their way to a [`Csr`]: any order, duplicates are summed.
#[derive(Clone, Debug, Default)]
pub struct Triplets {
    rows: usize,
    cols: usize,
    entries: Vec<(u32, u32, f64)>,
}

impl Triplets {
    /// An empty list for a `rows` × `cols` matrix.
    ///
    /// # Errors
    /// More than 2³² − 1 rows or columns.
    pub fn new(rows: usize, cols: usize) -> Result<Self> {
        check_size(rows, cols)?;
        Ok(Self { rows, cols, entries: Vec::new() })
    }

    /// Adds a_ij += v.
    ///
    /// # Errors
    /// An index out of range or a value that is not finite.
    pub fn push(&mut self, i: usize, j: usize, v: f64) -> Result<()> {
        if i >= self.rows || j >= self.cols {
            return Err(Error::input(format!("entry ({i}, {j}) is outside a {} x {} matrix", self.rows, self.cols)));
        }
        if !v.is_finite() {
            return Err(Error::input(format!("entry ({i}, {j}) is {v}")));
        }
        self.entries.push((i as u32, j as u32, v));
        Ok(())
    }

    /// Number of entries pushed so far, duplicates counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True before the first push.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sorts into rows by counting; duplicates of one place are summed in the order of the pushes.
    ///
    /// # Errors
    /// A sum of duplicates beyond f64.
    pub fn to_csr(&self) -> Result<Csr> {
        let mut row_ptr = vec![0usize; self.rows + 1];
        for e in &self.entries {
            row_ptr[e.0 as usize + 1] += 1;
        }
        for i in 0..self.rows {
            row_ptr[i + 1] += row_ptr[i];
        }
        let mut next = row_ptr.clone();
        let mut columns = vec![0u32; self.entries.len()];
        let mut values = vec![0.0; self.entries.len()];
        for &(i, j, v) in &self.entries {
            let k = next[i as usize];
            next[i as usize] += 1;
            columns[k] = j;
            values[k] = v;
        }
        Csr::new(self.rows, self.cols, row_ptr, columns, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_asymmetry_is_named_on_either_side_of_the_diagonal() {
        let of = |entries: &[(usize, usize, f64)]| {
            let mut t = Triplets::new(4, 4).unwrap();
            entries.iter().for_each(|&(i, j, v)| t.push(i, j, v).unwrap());
            t.to_csr().unwrap().first_asymmetry(1e-12)
        };
        let pair = [(0, 0, 1.0), (1, 3, 2.0), (3, 1, 2.0), (2, 2, 1.0)];
        assert_eq!(of(&pair), None);
        // Above alone, below alone, and a pair that differs: by much, and within the tolerance.
        assert_eq!(of(&[&pair[..], &[(0, 2, 1.0)]].concat()), Some((0, 2)));
        assert_eq!(of(&[&pair[..], &[(2, 0, 1.0)]].concat()), Some((0, 2)));
        assert_eq!(of(&[&pair[..], &[(1, 2, 5.0), (2, 1, 4.0)]].concat()), Some((1, 2)));
        assert_eq!(of(&[&pair[..], &[(0, 2, 1.0), (2, 0, 1.0 + 1e-13)]].concat()), None);
        // A stored zero has no need of a partner.
        assert_eq!(of(&[&pair[..], &[(2, 0, 0.0)]].concat()), None);
        let wide = Csr::new(2, 3, vec![0, 1, 2], vec![0, 1], vec![1.0; 2]).unwrap();
        assert_eq!(wide.first_asymmetry(0.0), Some((0, 0)));
    }
}
