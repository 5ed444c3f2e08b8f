//! Writing matrices and vectors; the extension of the file name determines the format, see
//! [`written_as`](super::written_as).

use super::formats::{Content, written_as};
use super::{npy, npz, write_whole};
use crate::error::{Error, Result};
use crate::matrix::{Csr, complex};
use std::io::{self, Write};
use std::path::Path;

/// Writes A: `.npz` as SciPy's `load_npz` reads it, else as Matrix Market `coordinate real general`, with enough digits
/// to read back the same bits; see [`write_whole`] for how the file is replaced.
///
/// # Errors
/// An extension that is no matrix format; [`Error::Io`] if writing fails.
pub fn write_matrix(path: &Path, a: &Csr) -> Result<()> {
    if !is_text(path, Content::Matrix)? {
        return write_whole(path, |out| npz::write_matrix(out, a, None));
    }
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

/// Writes B + iC as [`write_matrix`] does, as `coordinate complex general`, with an entry wherever B or C has one.
///
/// # Errors
/// Parts of different shapes; otherwise as [`write_matrix`].
pub fn write_complex_matrix(path: &Path, re: &Csr, im: &Csr) -> Result<()> {
    let text = is_text(path, Content::Matrix)?;
    let rows = complex::merged_rows(re, im)?;
    if !text {
        return write_whole(path, |out| npz::write_matrix(out, re, Some(im)));
    }
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

/// Writes x: `.npy` as NumPy reads it, else as Matrix Market `array real general` with one column; digits and file as
/// in [`write_matrix`].
///
/// # Errors
/// An entry that is not finite or an extension that is no vector format, before anything is written;
/// [`Error::Io`] if writing fails.
pub fn write_vector(path: &Path, x: &[f64]) -> Result<()> {
    write_columns(path, x.len(), &[x])
}

/// Writes vectors of `rows` entries as the columns of an array; as [`write_vector`].
///
/// # Errors
/// As [`write_vector`].
pub fn write_columns(path: &Path, rows: usize, columns: &[impl AsRef<[f64]>]) -> Result<()> {
    write_vectors(path, rows, columns, false)
}

/// Writes x, whose real and imaginary parts alternate, as a complex vector; as [`write_vector`].
///
/// # Errors
/// As [`write_vector`].
pub fn write_complex_vector(path: &Path, x: &[f64]) -> Result<()> {
    write_complex_columns(path, x.len() / 2, &[x])
}

/// Writes vectors of `rows` complex entries as the columns of an array; as [`write_complex_vector`].
///
/// # Errors
/// As [`write_complex_vector`].
pub fn write_complex_columns(path: &Path, rows: usize, columns: &[impl AsRef<[f64]>]) -> Result<()> {
    write_vectors(path, rows, columns, true)
}

fn write_vectors(path: &Path, rows: usize, columns: &[impl AsRef<[f64]>], complex: bool) -> Result<()> {
    let text = is_text(path, Content::Vectors)?;
    let columns: Vec<&[f64]> = columns.iter().map(AsRef::as_ref).collect();
    columns.iter().try_for_each(|x| check_finite(path, x))?;
    if !text {
        return write_whole(path, |out| npy::write_columns(out, rows, &columns, complex));
    }
    let field = if complex { "complex" } else { "real" };
    write_whole(path, |out| {
        writeln!(out, "%%MatrixMarket matrix array {field} general\n{rows} {}", columns.len())?;
        columns.iter().try_for_each(|x| write_entries(out, x, complex))
    })
}

fn write_entries(out: &mut dyn Write, x: &[f64], complex: bool) -> io::Result<()> {
    match complex {
        true => x.chunks_exact(2).try_for_each(|z| writeln!(out, "{:?} {:?}", z[0], z[1])),
        false => x.iter().try_for_each(|v| writeln!(out, "{v:?}")),
    }
}

/// True for Matrix Market, false for NumPy's format of such content.
fn is_text(path: &Path, content: Content) -> Result<bool> {
    Ok(written_as(path, content)?.extensions.contains(&"mtx"))
}

fn check_finite(path: &Path, x: &[f64]) -> Result<()> {
    match x.iter().position(|v| !v.is_finite()) {
        Some(k) => Err(Error::input(format!("{}: entry {k} is {}; a file holds finite numbers", path.display(), x[k]))),
        None => Ok(()),
    }
}
