//! Matrices from entries in any order, and from the arrays of other libraries.

use super::csr::{Csr, check_size};
use crate::error::{Error, Result};

/// Integers that other libraries use as indices.
pub trait Index: Copy + std::fmt::Display {
    /// As usize; `None` if negative or too large.
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

impl Csr {
    /// The same matrix as a `sprs` CSR matrix.
    #[must_use]
    pub fn to_sprs(&self) -> sprs::CsMat<f64> {
        let columns = self.columns().iter().map(|&c| c as usize).collect();
        sprs::CsMat::new((self.rows(), self.cols()), self.row_ptr().to_vec(), columns, self.values().to_vec())
    }

    /// A CSR matrix from arrays of any integer type and of f64 or f32. Copies them.
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
        // A column beyond u32 is out of range for any matrix: reported below.
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
        // Error messages speak of rows; here those are columns.
        let fault = |e: Error| Error::input(format!("as CSC, with columns for rows: {e}"));
        Ok(Self::from_csr(cols, rows, col_ptr, row_indices, values).map_err(fault)?.transpose())
    }

    /// A matrix from triplets (i, j, a_ij); duplicates are summed.
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
}

/// Coordinates (i, j, a_ij) from which a [`Csr`] is built: in any order, duplicates are summed.
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

    /// Sorts into rows by counting; duplicates are summed in the order of the pushes.
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
