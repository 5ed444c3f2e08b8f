//! Compressed sparse rows in f64: the form that every backend starts from.

use super::array::{Array, Keeper};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;

/// A sparse matrix in compressed-row form: row `i` holds `values[k]` at column `columns[k]` for
/// `k` in `row_ptr[i]..row_ptr[i + 1]`, columns ascending and unique, values finite.
///
/// The constructors check all of this, so kernels may rely on it.
///
/// A clone shares the three arrays; [`Csr::set_values`] gives one clone its own values on the shared pattern.
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

    /// [`Csr::new`] without a copy of the `nnz` columns and values, unless rows need sorting.
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
        // SAFETY: by the caller's contract.
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

    /// True if there are as many rows as columns.
    #[must_use]
    pub fn is_square(&self) -> bool {
        self.rows == self.cols
    }

    /// Where each row starts; `rows + 1` entries.
    #[must_use]
    #[inline]
    pub fn row_ptr(&self) -> &[usize] {
        &self.row_ptr
    }

    /// Column of every entry, row by row.
    #[must_use]
    #[inline]
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// Value of every entry, row by row.
    #[must_use]
    #[inline]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The entries of row `i` as (columns, values).
    #[must_use]
    #[inline]
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

    /// Sets rows and columns to zero; the entries stay.
    ///
    /// # Errors
    /// As [`Csr::set_values`].
    pub(crate) fn silence(&mut self, row: impl Fn(usize) -> bool, column: impl Fn(usize) -> bool) -> Result<()> {
        let mut values = self.values().to_vec();
        for (i, w) in self.row_ptr().windows(2).enumerate() {
            for k in w[0]..w[1] {
                if row(i) || column(self.columns()[k] as usize) {
                    values[k] = 0.0;
                }
            }
        }
        self.set_values(values)
    }

    /// Puts new values on the same pattern, in the order of [`Csr::values`]: row by row, columns ascending, duplicates
    /// summed. That is the order of the arrays given to [`Csr::new`] only if their rows were already sorted.
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
        let mut values = self.values.take();
        values.iter_mut().zip(&*self.columns).for_each(|(v, &j)| *v *= factor(j as usize));
        self.values = values.into();
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

    /// Aᵀ, by counting sort. Cost: two passes over the entries, the second in each thread for its columns.
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
        // Ranges of columns with about equally many entries, so that each thread writes a contiguous part.
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
        let (mut columns, mut values) = (self.columns.take(), self.values.take());
        for i in 0..self.rows {
            let range = self.row_ptr[i]..self.row_ptr[i + 1];
            row.clear();
            row.extend(range.map(|k| (columns[k], values[k])));
            row.sort_by_key(|e| e.0);
            let start = kept;
            for &(c, v) in &row {
                // The write position never passes the read position, so writing in place is safe.
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
        (self.row_ptr, self.columns, self.values) = (row_ptr.into(), columns.into(), values.into());
    }
}

/// The position of each index in `order`.
pub(crate) fn inverse_order(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(k, &i)| place[i as usize] = k as u32);
    place
}

/// The index of the first bad element. Searches in blocks, as rayon's own search reads an atomic per element.
fn first<T: Sync>(all: &[T], bad: impl Fn(&T) -> bool + Sync) -> Option<usize> {
    const BLOCK: usize = 1 << 14;
    let block = all.par_chunks(BLOCK).position_first(|block| block.iter().fold(false, |found, x| found | bad(x)))?;
    all[block * BLOCK..].iter().position(bad).map(|k| block * BLOCK + k)
}

pub(super) fn check_size(rows: usize, cols: usize) -> Result<()> {
    let limit = u32::MAX as usize;
    if rows > limit || cols > limit {
        return Err(Error::input(format!("{rows} x {cols} is beyond the limit of {limit} rows and columns")));
    }
    Ok(())
}
