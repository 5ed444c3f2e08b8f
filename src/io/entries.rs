//! Builds a matrix from the entries read, by counting sort; every large allocation is fallible and checked first.

use super::{Field, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::{Error, Result};
use crate::matrix::Csr;

/// Bytes per entry while a matrix is built: a triplet and its place in the rows.
pub(super) const ENTRY_BYTES: u64 = 16 + 12;
/// Bytes per row: its start, and the next free place in it.
pub(super) const ROW_BYTES: u64 = 16;

/// Entries in the order of the file.
#[derive(Default)]
pub(super) struct List {
    rows: Vec<u32>,
    columns: Vec<u32>,
    pub(super) values: Vec<f64>,
    pub(super) diagonal: usize,
    unsorted: bool,
}

impl List {
    pub(super) fn new(rows: Vec<u32>, columns: Vec<u32>, values: Vec<f64>) -> Self {
        let unsorted = rows.windows(2).any(|w| w[1] < w[0]);
        Self { rows, columns, values, diagonal: 0, unsorted }
    }

    pub(super) fn reserve(&mut self, more: usize, options: &ReadOptions) -> Result<()> {
        let result = self.rows.try_reserve(more).and_then(|()| self.columns.try_reserve(more));
        result
            .and_then(|()| self.values.try_reserve(more))
            .map_err(|_| no_memory("the entries", (self.values.len() + more) as u64 * ENTRY_BYTES, options))
    }

    pub(super) fn push(&mut self, i: u32, j: u32, v: f64) {
        self.unsorted |= self.rows.last().is_some_and(|&last| i < last);
        self.diagonal += usize::from(i == j);
        self.rows.push(i);
        self.columns.push(j);
        self.values.push(v);
    }

    /// Sorts into rows by counting; the entries of one row keep the order of the file.
    pub(super) fn into_csr(self, rows: usize, cols: usize, options: &ReadOptions) -> Result<Csr> {
        options.halt.check()?;
        let mut row_ptr = zeros(rows + 1, options)?;
        for &i in &self.rows {
            row_ptr[i as usize + 1] += 1;
        }
        for i in 0..rows {
            row_ptr[i + 1] += row_ptr[i];
        }
        let (columns, values) = if self.unsorted {
            let mut next: Vec<usize> = zeros(rows, options)?;
            next.copy_from_slice(&row_ptr[..rows]);
            let mut columns = zeros(self.values.len(), options)?;
            let mut values = zeros(self.values.len(), options)?;
            for ((&i, &j), &v) in self.rows.iter().zip(&self.columns).zip(&self.values) {
                let k = next[i as usize];
                next[i as usize] += 1;
                columns[k] = j;
                values[k] = v;
            }
            (columns, values)
        } else {
            (self.columns, self.values)
        };
        drop(self.rows);
        options.halt.check()?;
        Csr::new(rows, cols, row_ptr, columns, values)
    }
}

pub(super) fn zeros<T: Default + Clone>(n: usize, options: &ReadOptions) -> Result<Vec<T>> {
    let mut v = Vec::new();
    v.try_reserve_exact(n).map_err(|_| no_memory("the matrix", (n * size_of::<T>()) as u64, options))?;
    v.resize(n, T::default());
    Ok(v)
}

pub(super) fn no_memory(what: &str, needed: u64, options: &ReadOptions) -> Error {
    let (what, available) = (what.to_string(), options.memory_limit);
    Error::OutOfMemory { what, needed, available, budget: needed > available }
}

pub(super) fn over_limit(needed: u64, options: &ReadOptions) -> String {
    format!("needs {needed} bytes, beyond the memory limit of {}", options.memory_limit)
}

/// Values, with imaginary parts where they are complex.
pub(super) struct Values {
    pub(super) re: Vec<f64>,
    pub(super) im: Option<Vec<f64>>,
}

impl Values {
    pub(super) fn len(&self) -> usize {
        self.re.len()
    }

    pub(super) fn truncate(&mut self, n: usize) {
        self.re.truncate(n);
        if let Some(im) = &mut self.im {
            im.truncate(n);
        }
    }

    /// Columns of `rows` entries each; with `complex`, real and imaginary parts alternate.
    pub(super) fn columns(self, rows: usize, cols: usize, complex: bool) -> Vec<Vec<f64>> {
        let column = |j: usize| {
            let range = j * rows..(j + 1) * rows;
            match &self.im {
                Some(im) => crate::matrix::complex::join(&self.re[range.clone()], &im[range]),
                None if complex => self.re[range].iter().flat_map(|&v| [v, 0.0]).collect(),
                None => self.re[range].to_vec(),
            }
        };
        (0..cols).map(column).collect()
    }
}

/// A matrix as coordinate files store it.
pub(super) struct Coordinates {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) i: Vec<u32>,
    pub(super) j: Vec<u32>,
    pub(super) values: Values,
}

impl Coordinates {
    /// Builds the matrix and records findings in `notes`. If the symmetry says so, one triangle is expanded to both.
    pub(super) fn load(self, mut notes: Notes, options: &ReadOptions) -> Result<Loaded> {
        let Self { rows, cols, i, j, values } = self;
        notes.count(&values);
        let build = |v: Vec<f64>, conjugate: bool| {
            if notes.symmetry == Symmetry::General {
                return List::new(i.clone(), j.clone(), v).into_csr(rows, cols, options);
            }
            let mut list = List::default();
            list.reserve(2 * v.len(), options)?;
            for ((&i, &j), &v) in i.iter().zip(&j).zip(&v) {
                list.push(i, j, v);
                if i != j {
                    let negative = match notes.symmetry {
                        Symmetry::SkewSymmetric => true,
                        Symmetry::Hermitian => conjugate,
                        _ => false,
                    };
                    list.push(j, i, if negative { -v } else { v });
                }
            }
            list.into_csr(rows, cols, options)
        };
        let twice = if notes.symmetry == Symmetry::General { 1 } else { 2 };
        let needed = (values.len() as u64 * twice).saturating_mul(ENTRY_BYTES).saturating_add(rows as u64 * ROW_BYTES);
        if needed > options.memory_limit {
            return Err(no_memory("the matrix", needed, options));
        }
        let imaginary = values.im.map(|im| build(im, true)).transpose()?;
        let matrix = build(values.re, false)?;
        if notes.symmetry == Symmetry::General {
            notes.duplicates = notes.entries - matrix.nnz() as u64;
        }
        Ok(Loaded { matrix, imaginary, notes })
    }
}

/// A matrix as files of compressed rows (`by_rows`) or columns store it.
pub(super) struct Compressed {
    pub(super) by_rows: bool,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) starts: Vec<usize>,
    pub(super) indices: Vec<u32>,
    pub(super) values: Values,
}

impl Compressed {
    /// Checks that the arrays form a valid matrix; `starts` and `indices` are their names in the file.
    pub(super) fn check(&self, starts: &str, indices: &str) -> Result<(), String> {
        let major = if self.by_rows { self.rows } else { self.cols };
        let (s, entries) = (&self.starts, self.indices.len());
        if self.values.len() < entries {
            return Err(format!("{indices} and the values have {entries} and {} entries", self.values.len()));
        }
        if s.len() != major + 1 {
            return Err(format!("{starts} has {} entries; the shape asks for {}", s.len(), major + 1));
        }
        if let Some(k) = s.windows(2).position(|w| w[1] < w[0]) {
            return Err(format!("{starts} decreases after entry {k}: {} to {}", s[k], s[k + 1]));
        }
        if s[major] > entries {
            return Err(format!("{starts} ends at {}, beyond the {entries} entries", s[major]));
        }
        Ok(())
    }

    /// Builds the matrix and records findings in `notes`.
    pub(super) fn load(mut self, mut notes: Notes, options: &ReadOptions) -> Result<Loaded> {
        let (major, minor) = if self.by_rows { (self.rows, self.cols) } else { (self.cols, self.rows) };
        // Arrays may be longer than what the starts use.
        let entries = self.starts[major];
        self.indices.truncate(entries);
        self.values.truncate(entries);
        if notes.symmetry != Symmetry::General {
            let mut of = zeros(entries, options)?;
            for k in 0..major {
                of[self.starts[k]..self.starts[k + 1]].fill(k as u32);
            }
            let (i, j) = if self.by_rows { (of, self.indices) } else { (self.indices, of) };
            return Coordinates { rows: self.rows, cols: self.cols, i, j, values: self.values }.load(notes, options);
        }
        notes.count(&self.values);
        let Self { by_rows, starts, indices, values, .. } = self;
        let build = |starts, indices, values| {
            options.halt.check()?;
            let stored = Csr::new(major, minor, starts, indices, values)?;
            Ok::<_, Error>(if by_rows { stored } else { stored.transpose() })
        };
        let imaginary = values.im.map(|im| build(starts.clone(), indices.clone(), im)).transpose()?;
        let matrix = build(starts, indices, values.re)?;
        notes.duplicates = notes.entries - matrix.nnz() as u64;
        Ok(Loaded { matrix, imaginary, notes })
    }
}

/// A matrix from all its values, column by column; zeros are not stored.
pub(super) fn full(rows: usize, cols: usize, values: Values, notes: Notes, options: &ReadOptions) -> Result<Loaded> {
    let is_zero = |k: usize| values.re[k] == 0.0 && values.im.as_ref().is_none_or(|im| im[k] == 0.0);
    let kept: Vec<usize> = (0..values.len()).filter(|&k| !is_zero(k)).collect();
    let pick = |v: &Vec<f64>| kept.iter().map(|&k| v[k]).collect();
    let picked = Values { re: pick(&values.re), im: values.im.as_ref().map(pick) };
    let (i, j) = kept.iter().map(|&k| ((k % rows.max(1)) as u32, (k / rows.max(1)) as u32)).unzip();
    Coordinates { rows, cols, i, j, values: picked }.load(notes, options)
}

impl Notes {
    fn count(&mut self, values: &Values) {
        self.entries = values.len() as u64;
        let imaginary = values.im.as_deref().unwrap_or_default();
        let zero = |(k, v): &(usize, &f64)| **v == 0.0 && imaginary.get(*k).is_none_or(|im| *im == 0.0);
        self.explicit_zeros = values.re.iter().enumerate().filter(zero).count() as u64;
        self.subnormals = values.re.iter().chain(imaginary).filter(|v| v.is_subnormal()).count() as u64;
        if values.im.is_some() {
            self.field = Field::Complex;
        }
    }
}

/// The columns of a sparse matrix as full vectors, for right-hand sides that are stored as matrices.
pub(super) fn dense_columns(loaded: &Loaded, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    let (rows, cols) = (loaded.matrix.rows(), loaded.matrix.cols());
    let parts = if options.complex { 2 } else { 1 };
    let needed = 8 * (rows * parts) as u128 * cols as u128;
    if needed > u128::from(options.memory_limit) {
        return Err(no_memory("its columns as full vectors", u64::try_from(needed).unwrap_or(u64::MAX), options));
    }
    let mut columns = zeros(cols, options)?;
    for x in &mut columns {
        *x = zeros(rows * parts, options)?;
    }
    for (part, a) in [Some(&loaded.matrix), loaded.imaginary.as_ref()].into_iter().enumerate() {
        for i in 0..rows {
            let (at, values) = a.map_or((&[][..], &[][..]), |a| a.row(i));
            at.iter().zip(values).for_each(|(&j, &v)| columns[j as usize][i * parts + part] = v);
        }
    }
    Ok(columns)
}
