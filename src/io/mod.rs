//! Reading and writing matrices and vectors; [`FORMATS`] lists the formats. Any file may be gzip-compressed.
//!
//! Readers are strict about errors, which they locate, and lenient about mere style.
//! They stream: memory grows with the entries found, never with what a header promises.

mod entries;
mod formats;
mod harwell_boeing;
mod lines;
mod matlab;
mod matrix_market;
mod npy;
mod npz;
mod output;
mod petsc;
mod write;
mod zip;

pub use formats::{Content, FORMATS, FileFormat, written_as};
pub use output::{abandon, write_whole};
pub use write::{
    write_columns, write_complex_columns, write_complex_matrix, write_complex_vector, write_matrix, write_vector,
};

use crate::error::{Error, Result};
use crate::host::halt::Halt;
use crate::matrix::Csr;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// How to read a file.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Reads the `pattern` field, which stores positions without values, with 1 at every position.
    pub pattern_as_ones: bool,
    /// Accepts complex values: a matrix has its imaginary parts in [`Loaded::imaginary`]; in a vector, real and
    /// imaginary parts alternate. Real files are then read as complex ones.
    pub complex: bool,
    /// Most bytes of memory that reading may take.
    pub memory_limit: u64,
    /// Cancels reading.
    pub halt: Halt,
}

impl Default for ReadOptions {
    /// No patterns, nothing complex; three quarters of the system's memory, or 16 GiB where that isn't known.
    fn default() -> Self {
        let memory_limit = crate::host::memory::total().map_or(16 << 30, |m| m / 4 * 3);
        Self { pattern_as_ones: false, complex: false, memory_limit, halt: Halt::default() }
    }
}

/// A matrix with notes on its file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The matrix, symmetric storage expanded, duplicates summed.
    pub matrix: Csr,
    /// Imaginary parts if the file is complex; `matrix` then has the real parts.
    /// [`real_form`](crate::matrix::complex::real_form) combines both into one real matrix.
    pub imaginary: Option<Csr>,
    /// What the reader noticed.
    pub notes: Notes,
}

/// What a reader noticed in a file: legal but worth knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Notes {
    /// How the entries are laid out.
    pub format: Format,
    /// Type of the values.
    pub field: Field,
    /// Symmetry as stored.
    pub symmetry: Symmetry,
    /// Entries in the file, before expansion and summing.
    pub entries: u64,
    /// Entries added to an earlier one at the same position.
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
    /// SciPy, diagonals.
    NpzDia,
    /// SciPy, compressed rows of blocks.
    NpzBsr,
    /// NumPy, a full array.
    Npy,
    /// MATLAB, version 5.
    Matlab,
    /// PETSc, binary.
    Petsc,
    /// Harwell–Boeing or Rutherford–Boeing.
    HarwellBoeing,
}

/// Field of the values in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Field {
    /// Floating-point numbers.
    Real,
    /// Whole numbers.
    Integer,
    /// Positions only.
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
    /// The word in a Matrix Market banner.
    fn word(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Symmetric => "symmetric",
            Self::SkewSymmetric => "skew-symmetric",
            Self::Hermitian => "hermitian",
        }
    }

    /// The entry at (j, i) implied by an entry at (i, j) of the file; `None` on the diagonal and for `General`.
    fn mirrored(self, i: u32, j: u32, (re, im): (f64, f64)) -> Option<(f64, f64)> {
        match self {
            _ if i == j => None,
            Self::General => None,
            Self::Symmetric => Some((re, im)),
            Self::SkewSymmetric => Some((-re, -im)),
            Self::Hermitian => Some((re, -im)),
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
            Format::NpzDia => "npz dia",
            Format::NpzBsr => "npz bsr",
            Format::Npy => "npy",
            Format::Matlab => "matlab",
            Format::Petsc => "petsc",
            Format::HarwellBoeing => "harwell-boeing",
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

/// Reads a sparse matrix from a file of any of the [`FORMATS`].
///
/// # Errors
/// [`Error::Parse`] with line and column for text, [`Error::Input`] naming the piece for binary files,
/// [`Error::Io`] where the file can't be read. Complex data are an error unless asked for.
pub fn read_matrix(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    formats::read_matrix(path, options)
}

/// Reads a vector: a file of one column, or one row, of any of the [`FORMATS`]; or one number per line with `%` and
/// `#` comments.
///
/// # Errors
/// As [`read_matrix`]; also a file with several rows and several columns. NaN and infinities are refused.
pub fn read_vector(path: &Path, options: &ReadOptions) -> Result<Vec<f64>> {
    one_vector(path, formats::read_columns(path, options)?, options)
}

/// Reads vectors: the columns of a file, none to many; a plain list is one vector. As [`read_vector`].
///
/// # Errors
/// As [`read_vector`], but for the number of columns.
pub fn read_columns(path: &Path, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    formats::read_columns(path, options)
}

/// [`read_matrix`] for a file whose content is in memory; errors give `name` as the file.
///
/// # Errors
/// As [`read_matrix`].
pub fn read_matrix_from(content: Vec<u8>, name: &Path, options: &ReadOptions) -> Result<Loaded> {
    formats::read_matrix_from(content, name, options)
}

/// [`read_matrix`] for Matrix Market text from any reader; errors give `name` as the file.
///
/// # Errors
/// As [`read_matrix`].
pub fn read_matrix_market_from(reader: impl Read, name: &Path, options: &ReadOptions) -> Result<Loaded> {
    matrix_market::read_matrix(reader, name, options, None, false)
}

/// [`read_vector`] for text from any reader; errors give `name` as the file.
///
/// # Errors
/// As [`read_vector`].
pub fn read_vector_from(reader: impl Read, name: &Path, options: &ReadOptions) -> Result<Vec<f64>> {
    one_vector(name, matrix_market::read_columns(reader, name, options, None, false)?, options)
}

/// The only column; a matrix of one row is a vector too.
fn one_vector(name: &Path, mut columns: Vec<Vec<f64>>, options: &ReadOptions) -> Result<Vec<f64>> {
    let parts = if options.complex { 2 } else { 1 };
    let rows = columns.first().map_or(0, |x| x.len() / parts);
    match columns.len() {
        1 => Ok(columns.swap_remove(0)),
        n if n > 1 && rows == 1 => Ok(columns.concat()),
        n => Err(Error::input(format!("{}: a vector has 1 column; this is {rows} x {n}", name.display()))),
    }
}

/// Bytes of memory that are free according to the system; `None` if unknown.
#[doc(hidden)]
#[must_use]
pub fn available_memory() -> Option<u64> {
    crate::host::memory::available(None, None)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}
