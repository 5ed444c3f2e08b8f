//! Reading and writing matrices and vectors: Matrix Market (`.mtx`, `.mtx.gz`), SciPy's
//! `save_npz` files, plain lists of numbers.
//!
//! Readers are strict about what is wrong and name the place, lenient about what is only style.
//! They stream: memory grows with the entries found, never with what a header promises.

mod lines;
mod matrix_market;
mod npz;
mod output;

pub use matrix_market::{read_matrix_market_from, read_vector_from};
pub use output::write_whole;

use crate::error::{Error, Result};
use crate::matrix::{Csr, complex};
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;

/// How to read a file.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Reads the `pattern` field, which stores places and no values, with 1 at every place.
    pub pattern_as_ones: bool,
    /// Accepts complex values: of a matrix their imaginary parts stand in [`Loaded::imaginary`], of a vector real
    /// and imaginary parts alternate. Real files are read as complex ones then.
    pub complex: bool,
    /// Bytes that reading may take at most.
    pub memory_limit: u64,
}

impl Default for ReadOptions {
    /// No patterns, nothing complex; three quarters of the system's memory, or 16 GiB where that isn't known.
    fn default() -> Self {
        let memory_limit = crate::host::memory::total().map_or(16 << 30, |m| m / 4 * 3);
        Self { pattern_as_ones: false, complex: false, memory_limit }
    }
}

/// A matrix with what its file had to say.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The matrix, symmetric storage expanded, duplicates summed.
    pub matrix: Csr,
    /// Imaginary parts where the file is complex; `matrix` has the real ones then. They make one real system by
    /// [`real_form`](crate::matrix::complex::real_form).
    pub imaginary: Option<Csr>,
    /// What was met on the way.
    pub notes: Notes,
}

/// What a reader met in a file that is legal but worth knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Notes {
    /// How the entries are laid out.
    pub format: Format,
    /// What the entries are.
    pub field: Field,
    /// Which entries stand for two.
    pub symmetry: Symmetry,
    /// Entries in the file, before expansion and summing.
    pub entries: u64,
    /// Entries added to an earlier one at the same place.
    pub duplicates: u64,
    /// Zeros stored as entries. (Zeros of the array format are not stored and not counted.)
    pub explicit_zeros: u64,
    /// Values below the normal range of f64, those that round to zero included.
    pub subnormals: u64,
    /// Whole numbers beyond 2⁵³ that f64 had to round.
    pub rounded_integers: u64,
}

/// Layout of a matrix file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Format {
    /// Matrix Market, one line per entry.
    Coordinate,
    /// Matrix Market, all values column by column.
    Array,
    /// SciPy, compressed rows.
    NpzCsr,
    /// SciPy, compressed columns.
    NpzCsc,
    /// SciPy, coordinates.
    NpzCoo,
}

/// Field of the values in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Field {
    /// Floating-point numbers.
    Real,
    /// Whole numbers.
    Integer,
    /// Places only.
    Pattern,
    /// Pairs of floating-point numbers.
    Complex,
}

/// Symmetry as stored: all but `General` keep one triangle in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Symmetry {
    /// Every entry is stored.
    General,
    /// a_ji = a_ij (a real `hermitian` file too).
    Symmetric,
    /// a_ji = −a_ij, no diagonal.
    SkewSymmetric,
    /// a_ji is the complex conjugate of a_ij.
    Hermitian,
}

impl Symmetry {
    /// As in a banner.
    fn word(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Symmetric => "symmetric",
            Self::SkewSymmetric => "skew-symmetric",
            Self::Hermitian => "hermitian",
        }
    }
}

impl Notes {
    fn new(format: Format, field: Field, symmetry: Symmetry) -> Self {
        let (entries, duplicates, explicit_zeros, subnormals, rounded_integers) = (0, 0, 0, 0, 0);
        Self { format, field, symmetry, entries, duplicates, explicit_zeros, subnormals, rounded_integers }
    }
}

impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            Format::Coordinate => "coordinate",
            Format::Array => "array",
            Format::NpzCsr => "npz csr",
            Format::NpzCsc => "npz csc",
            Format::NpzCoo => "npz coo",
        };
        let field = match self.field {
            Field::Real => "real",
            Field::Integer => "integer",
            Field::Pattern => "pattern",
            Field::Complex => "complex",
        };
        let symmetry = self.symmetry.word();
        write!(f, "{format} {field} {symmetry}, {} entries", self.entries)?;
        for (count, what) in [
            (self.duplicates, "duplicates summed"),
            (self.explicit_zeros, "explicit zeros"),
            (self.subnormals, "subnormal or underflown values"),
            (self.rounded_integers, "integers rounded to f64"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Reads a sparse matrix: Matrix Market, plain or gzip (`.gz` in the name), or a SciPy `.npz`.
///
/// Matrix Market: coordinate and array; real, integer and, if allowed, pattern and complex; general,
/// symmetric, skew-symmetric, hermitian. SciPy: CSR, CSC and COO with real, whole, boolean or, if allowed, complex
/// data and int32 or int64 indices.
///
/// # Errors
/// [`Error::Parse`] with line and column for text, [`Error::Input`] naming the array for `.npz`,
/// [`Error::Io`] where the file can't be read. Complex data are refused by name unless asked for.
pub fn read_matrix(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    let (mut file, bytes) = open(path)?;
    if has_extension(path, "npz") {
        return npz::read_matrix(file, path, options);
    }
    if has_extension(path, "gz") {
        check_gzip(&mut file, path, bytes)?;
        return matrix_market::read_matrix(MultiGzDecoder::new(file), path, options, unpacked(bytes), true);
    }
    matrix_market::read_matrix(file, path, options, bytes, false)
}

/// Reads a vector: Matrix Market of one column (array or coordinate), or one number per line
/// with `%` and `#` comments; plain or gzip (`.gz` in the name).
///
/// # Errors
/// As [`read_matrix`]; also more than one column. NaN and infinities are refused.
pub fn read_vector(path: &Path, options: &ReadOptions) -> Result<Vec<f64>> {
    Ok(read_dense(path, options, true)?.swap_remove(0))
}

/// Reads vectors: the columns of a general Matrix Market file (array or coordinate), none to many; a plain list is
/// one vector. As [`read_vector`].
///
/// # Errors
/// As [`read_vector`], but for the number of columns.
pub fn read_columns(path: &Path, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    read_dense(path, options, false)
}

fn read_dense(path: &Path, options: &ReadOptions, single: bool) -> Result<Vec<Vec<f64>>> {
    let (mut file, bytes) = open(path)?;
    if has_extension(path, "gz") {
        check_gzip(&mut file, path, bytes)?;
        let text = MultiGzDecoder::new(file);
        return matrix_market::read_columns(text, path, options, unpacked(bytes), true, single);
    }
    matrix_market::read_columns(file, path, options, bytes, false, single)
}

/// Writes A as `coordinate real general`, digits such that reading gives the same bits; see
/// [`write_whole`] for how the file comes to be.
///
/// # Errors
/// [`Error::Io`] where the system refuses.
pub fn write_matrix(path: &Path, a: &Csr) -> Result<()> {
    write_whole(path, |out| {
        writeln!(out, "%%MatrixMarket matrix coordinate real general\n{} {} {}", a.rows(), a.cols(), a.nnz())?;
        for i in 0..a.rows() {
            let (columns, values) = a.row(i);
            for (j, v) in columns.iter().zip(values) {
                writeln!(out, "{} {} {v:?}", i + 1, u64::from(*j) + 1)?;
            }
        }
        Ok(())
    })
}

/// Writes x as `array real general` with one column; digits and file as in [`write_matrix`].
///
/// # Errors
/// An entry that is not finite, before anything is written; [`Error::Io`].
pub fn write_vector(path: &Path, x: &[f64]) -> Result<()> {
    write_columns(path, x.len(), &[x])
}

/// Writes vectors of `rows` entries as the columns of an `array real general`; as [`write_vector`].
///
/// # Errors
/// As [`write_vector`].
pub fn write_columns(path: &Path, rows: usize, columns: &[impl AsRef<[f64]>]) -> Result<()> {
    for x in columns.iter().map(AsRef::as_ref) {
        check_finite(path, x)?;
    }
    write_whole(path, |out| {
        writeln!(out, "%%MatrixMarket matrix array real general\n{rows} {}", columns.len())?;
        columns.iter().flat_map(AsRef::as_ref).try_for_each(|v| writeln!(out, "{v:?}"))
    })
}

/// Writes B + iC as `coordinate complex general`, an entry for each place of either; digits and file as in
/// [`write_matrix`].
///
/// # Errors
/// Parts of different shape; [`Error::Io`] where the system refuses.
pub fn write_complex_matrix(path: &Path, re: &Csr, im: &Csr) -> Result<()> {
    let rows = complex::merged_rows(re, im)?;
    let entries: usize = rows.iter().map(Vec::len).sum();
    write_whole(path, |out| {
        writeln!(out, "%%MatrixMarket matrix coordinate complex general\n{} {} {entries}", re.rows(), re.cols())?;
        for (i, row) in rows.iter().enumerate() {
            for (j, b, c) in row {
                writeln!(out, "{} {} {b:?} {c:?}", i + 1, u64::from(*j) + 1)?;
            }
        }
        Ok(())
    })
}

/// Writes x, real and imaginary parts in turn, as `array complex general` with one column; digits and file as in
/// [`write_matrix`].
///
/// # Errors
/// An entry that is not finite, before anything is written; [`Error::Io`].
pub fn write_complex_vector(path: &Path, x: &[f64]) -> Result<()> {
    write_complex_columns(path, x.len() / 2, &[x])
}

/// Writes vectors of `rows` complex entries as the columns of an `array complex general`; as
/// [`write_complex_vector`].
///
/// # Errors
/// As [`write_complex_vector`].
pub fn write_complex_columns(path: &Path, rows: usize, columns: &[impl AsRef<[f64]>]) -> Result<()> {
    for x in columns.iter().map(AsRef::as_ref) {
        check_finite(path, x)?;
    }
    let parts: Vec<_> = columns.iter().map(|x| complex::split(x.as_ref())).collect();
    write_whole(path, |out| {
        writeln!(out, "%%MatrixMarket matrix array complex general\n{rows} {}", parts.len())?;
        parts.iter().flat_map(|(re, im)| re.iter().zip(im)).try_for_each(|(x, y)| writeln!(out, "{x:?} {y:?}"))
    })
}

fn check_finite(path: &Path, x: &[f64]) -> Result<()> {
    match x.iter().position(|v| !v.is_finite()) {
        Some(k) => Err(Error::input(format!("{}: entry {k} is {}; a file holds finite numbers", path.display(), x[k]))),
        None => Ok(()),
    }
}

/// The file, and its size where that is the size of what can be read.
fn open(path: &Path) -> Result<(File, Option<u64>)> {
    let io = |source| Error::Io { file: path.to_path_buf(), source };
    let meta = std::fs::metadata(path).map_err(io)?;
    if meta.is_dir() {
        return Err(io(ErrorKind::IsADirectory.into()));
    }
    // Files of /proc are regular and say 0.
    let bytes = (meta.is_file() && meta.len() > 0).then_some(meta.len());
    Ok((File::open(path).map_err(io)?, bytes))
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

fn check_gzip(file: &mut File, path: &Path, bytes: Option<u64>) -> Result<()> {
    // A pipe can't be read twice; there the decoder finds out.
    if bytes.is_none() {
        return Ok(());
    }
    let mut head = Vec::new();
    file.take(2)
        .read_to_end(&mut head)
        .and_then(|_| file.rewind())
        .map_err(|source| Error::Io { file: path.to_path_buf(), source })?;
    if head == [0x1f, 0x8b] {
        return Ok(());
    }
    let message = "named .gz, but the content is not gzip data".to_string();
    Err(Error::Parse { file: path.to_path_buf(), line: 1, column: None, message })
}

/// The most text that so many bytes of gzip can hold: deflate packs 1032 to 1 at best.
fn unpacked(bytes: Option<u64>) -> Option<u64> {
    bytes.map(|b| b.saturating_mul(1032))
}
