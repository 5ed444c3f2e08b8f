//! SciPy's `save_npz`: a zip archive of NumPy arrays that make a CSR, CSC or COO matrix.

use super::matrix_market::{List, finished, no_memory};
use super::{Field, Format, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::{Error, Result};
use crate::matrix::Csr;
use npyz::npz::NpzArchive;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// Longest header of an array that is read; NumPy's own take about 128 bytes.
const MAX_HEADER: usize = 1 << 16;

pub(super) fn read_matrix(file: File, name: &Path, options: &ReadOptions) -> Result<Loaded> {
    let regular = file.metadata().is_ok_and(|m| m.is_file());
    let loaded = if regular { read(BufReader::new(file), options) } else { fail("an .npz must be a regular file") };
    loaded.map_err(|e| match e {
        Error::Input(message) => Error::Input(format!("{}: {message}", name.display())),
        other => other,
    })
}

fn read<R: Read + Seek>(mut source: R, options: &ReadOptions) -> Result<Loaded> {
    let mut magic = Vec::new();
    let read = source.by_ref().take(2).read_to_end(&mut magic).and_then(|_| source.rewind());
    if read.is_err() || magic != b"PK" {
        return fail("not a zip archive, which .npz files are");
    }
    let archive = match NpzArchive::new(source) {
        Ok(archive) => archive,
        Err(e) => return fail(format!("the zip archive is damaged: {e}")),
    };
    let mut arrays = Arrays { archive, options, used: 0 };
    let format = arrays.text("format")?;
    if !matches!(&format[..], "csr" | "csc" | "coo") {
        return fail(format!("format `{}` is none of csr, csc, coo; convert with .tocsr()", format.escape_debug()));
    }
    let limit = u64::from(u32::MAX);
    let shape = arrays.indices("shape", limit + 1, "the limit of 4294967295 rows and columns", |n| n)?;
    let &[rows, cols] = &shape[..] else { return fail(format!("array `shape` has {} entries, not 2", shape.len())) };
    let needed = (rows + cols).saturating_mul(16);
    if needed > options.memory_limit {
        return fail(format!(
            "{rows} x {cols} needs {needed} bytes, beyond the memory limit of {}",
            options.memory_limit
        ));
    }
    let mut notes = Notes::new(Format::NpzCoo, Field::Real, Symmetry::General);
    let (data, imaginary) = arrays.data(&mut notes)?;
    let (rows, cols) = (rows as usize, cols as usize);
    if format == "coo" {
        let i = arrays.indices("row", rows as u64, "the number of rows", |n| n as u32)?;
        let j = arrays.indices("col", cols as u64, "the number of columns", |n| n as u32)?;
        if i.len() != data.len() || j.len() != data.len() {
            let (i, j, v) = (i.len(), j.len(), data.len());
            return fail(format!("arrays `row`, `col` and `data` have {i}, {j} and {v} entries"));
        }
        notes.count(&data, imaginary.as_deref());
        let build = |values| List::new(i.clone(), j.clone(), values).into_csr(rows, cols, options);
        let imaginary = imaginary.map(build).transpose()?;
        let matrix = build(data)?;
        notes.duplicates = notes.entries - matrix.nnz() as u64;
        return Ok(Loaded { matrix, imaginary, notes });
    }
    let (by_rows, major, minor) = if format == "csr" { (true, rows, cols) } else { (false, cols, rows) };
    notes.format = if by_rows { Format::NpzCsr } else { Format::NpzCsc };
    let what = if by_rows { "the number of columns" } else { "the number of rows" };
    let mut indices = arrays.indices("indices", minor as u64, what, |n| n as u32)?;
    let starts = arrays.indices("indptr", indices.len() as u64 + 1, "the length of `indices`", |n| n as usize)?;
    if indices.len() != data.len() {
        return fail(format!("arrays `indices` and `data` have {} and {} entries", indices.len(), data.len()));
    }
    if starts.len() != major + 1 {
        return fail(format!("array `indptr` has {} entries; the shape asks for {}", starts.len(), major + 1));
    }
    if let Some(k) = starts.windows(2).position(|w| w[1] < w[0]) {
        return fail(format!("array `indptr` decreases after entry {k}: {} to {}", starts[k], starts[k + 1]));
    }
    // SciPy's arrays may be longer than what `indptr` uses.
    let (mut data, mut imaginary) = (data, imaginary);
    indices.truncate(starts[major]);
    data.truncate(starts[major]);
    if let Some(imaginary) = &mut imaginary {
        imaginary.truncate(starts[major]);
    }
    notes.count(&data, imaginary.as_deref());
    let build = |values| {
        let stored = finished(Csr::new(major, minor, starts.clone(), indices.clone(), values)?)?;
        Ok::<_, Error>(if by_rows { stored } else { stored.transpose() })
    };
    let imaginary = imaginary.map(build).transpose()?;
    let matrix = build(data)?;
    notes.duplicates = notes.entries - matrix.nnz() as u64;
    Ok(Loaded { matrix, imaginary, notes })
}

impl Notes {
    fn count(&mut self, data: &[f64], imaginary: Option<&[f64]>) {
        self.entries = data.len() as u64;
        let imaginary = imaginary.unwrap_or_default();
        let zero = |(k, v): &(usize, &f64)| **v == 0.0 && imaginary.get(*k).is_none_or(|im| *im == 0.0);
        self.explicit_zeros = data.iter().enumerate().filter(zero).count() as u64;
        self.subnormals = data.iter().chain(imaginary).filter(|v| v.is_subnormal()).count() as u64;
    }
}

struct Arrays<'o, R: Read + Seek> {
    archive: NpzArchive<R>,
    options: &'o ReadOptions,
    /// Bytes taken so far by all arrays.
    used: u64,
}

/// Header of a `.npy` array.
struct Header {
    /// NumPy's kind: f, i, u, b, S, U, ...
    kind: u8,
    /// Bytes per element.
    size: usize,
    big_endian: bool,
    shape: Vec<u64>,
    descr: String,
}

impl<R: Read + Seek> Arrays<'_, R> {
    /// The one string of a 0-dimensional array.
    fn text(&mut self, name: &str) -> Result<String> {
        self.with(name, |_, header, data| {
            if !header.shape.is_empty() || !matches!(header.kind, b'S' | b'U') || header.size > 64 {
                return Err(format!("is {} of {} dimensions, not a short string", header.descr, header.shape.len()));
            }
            let mut bytes = vec![0; header.size];
            data.read_exact(&mut bytes).map_err(|e| e.to_string())?;
            Ok(bytes.iter().filter(|b| **b != 0).map(|b| char::from(*b)).collect())
        })
    }

    /// Whole numbers from 0, below `limit`, which `what` names.
    fn indices<T>(&mut self, name: &str, limit: u64, what: &str, convert: fn(u64) -> T) -> Result<Vec<T>> {
        self.with(name, |budget, header, data| {
            let decode: fn(&[u8]) -> i128 = match (header.kind, header.size) {
                (b'i', 4) => |b| i32::from_le_bytes(le(b)).into(),
                (b'i', 8) => |b| i64::from_le_bytes(le(b)).into(),
                (b'u', 4) => |b| u32::from_le_bytes(le(b)).into(),
                (b'u', 8) => |b| u64::from_le_bytes(le(b)).into(),
                _ => return Err(format!("has type {}; indices are int32 or int64", header.descr)),
            };
            header.each(budget, data, size_of::<T>(), |k, bytes| {
                let n = decode(bytes);
                match u64::try_from(n) {
                    Ok(n) if n < limit => Ok(convert(n)),
                    Ok(_) => Err(format!("entry {k} is {n}, beyond {what}")),
                    Err(_) => Err(format!("entry {k} is {n}; it must not be negative")),
                }
            })
        })
    }

    /// The values, as f64, and their imaginary parts where they are complex.
    fn data(&mut self, notes: &mut Notes) -> Result<(Vec<f64>, Option<Vec<f64>>)> {
        let complex = self.options.complex;
        self.with("data", |budget, header, data| {
            let exact = |n: i128| (n as f64, n as f64 as i128 != n);
            let decode: fn(&[u8]) -> f64 = match (header.kind, header.size) {
                (b'f', 8) => |b| f64::from_le_bytes(le(b)),
                (b'f', 4) => |b| f32::from_le_bytes(le(b)).into(),
                (b'i', 1) => |b| (b[0] as i8).into(),
                (b'i', 2) => |b| i16::from_le_bytes(le(b)).into(),
                (b'i', 4) => |b| i32::from_le_bytes(le(b)).into(),
                (b'u' | b'b', 1) => |b| b[0].into(),
                (b'u', 2) => |b| u16::from_le_bytes(le(b)).into(),
                (b'u', 4) => |b| u32::from_le_bytes(le(b)).into(),
                (b'i' | b'u', 8) => |_| 0.0,
                (b'c', 8 | 16) if complex => {
                    notes.field = Field::Complex;
                    // Reversed bytes of a big-endian pair: its imaginary part comes first.
                    let (re, im) = if header.big_endian { (1, 0) } else { (0, 1) };
                    let half = header.size / 2;
                    let part = |bytes: &[u8], k: usize| {
                        let bytes = &bytes[k * half..(k + 1) * half];
                        if half == 4 { f32::from_le_bytes(le(bytes)).into() } else { f64::from_le_bytes(le(bytes)) }
                    };
                    let pairs = header.each(budget, data, 16, |k, bytes| match (part(bytes, re), part(bytes, im)) {
                        (x, y) if x.is_finite() && y.is_finite() => Ok((x, y)),
                        (x, y) => Err(format!("entry {k} is {x} + {y}i, not finite")),
                    })?;
                    let (re, im) = pairs.into_iter().unzip();
                    return Ok((re, Some(im)));
                }
                (b'c', _) => {
                    let word = "complex data need --complex, which solves the equivalent real form";
                    return Err(format!("has type {}; {word}", header.descr));
                }
                _ => return Err(format!("has type {}; float32, float64, integers and bool are read", header.descr)),
            };
            let wide = header.kind != b'f' && header.size == 8;
            if header.kind != b'f' {
                notes.field = Field::Integer;
            }
            let values = header.each(budget, data, 8, |k, bytes| {
                let value = if wide {
                    let raw = u64::from_le_bytes(le(bytes));
                    let (v, rounded) = exact(if header.kind == b'i' { (raw as i64).into() } else { raw.into() });
                    notes.rounded_integers += u64::from(rounded);
                    v
                } else {
                    decode(bytes)
                };
                if value.is_finite() { Ok(value) } else { Err(format!("entry {k} is {value}, not finite")) }
            })?;
            Ok((values, None))
        })
    }

    /// Opens an array and gives its header and data to `body`; `used` bytes and the limit go along.
    fn with<T>(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut (u64, u64), &Header, &mut dyn Read) -> Result<T, String>,
    ) -> Result<T> {
        if !self.archive.array_names().any(|n| n == name) {
            let mut names: Vec<_> = self.archive.array_names().take(8).map(|n| n.escape_debug().to_string()).collect();
            names.sort();
            return fail(format!("array `{name}` is missing (there are: {}); not a save_npz file?", names.join(", ")));
        }
        let mut budget = (self.used, self.options.memory_limit);
        let result = match self.archive.zip_archive().by_name(&format!("{name}.npy")) {
            Ok(mut entry) => Header::read(&mut entry).and_then(|header| {
                let value = body(&mut budget, &header, &mut entry)?;
                // Reading to the end checks the sum, and finds bytes too many.
                match entry.read(&mut [0]) {
                    Ok(0) => Ok(value),
                    Ok(_) => Err("has more bytes than its shape asks for".to_string()),
                    Err(e) => Err(e.to_string()),
                }
            }),
            Err(e) => Err(e.to_string()),
        };
        self.used = budget.0;
        match result {
            Ok(value) => Ok(value),
            Err(message) if message.is_empty() => Err(no_memory("the matrix", self.used, self.options)),
            Err(message) => fail(format!("array `{name}` {message}")),
        }
    }
}

impl Header {
    fn read(source: &mut impl Read) -> Result<Self, String> {
        let short = |_| "ends within its header".to_string();
        let mut start = [0; 8];
        source.read_exact(&mut start).map_err(short)?;
        if !start.starts_with(b"\x93NUMPY") || !(1..=3).contains(&start[6]) {
            return Err("is no NumPy array of version 1 to 3".to_string());
        }
        let mut length = [0; 4];
        source.read_exact(&mut length[..if start[6] == 1 { 2 } else { 4 }]).map_err(short)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            return Err(format!("has a header of {length} bytes, beyond the limit of {MAX_HEADER}"));
        }
        let mut text = vec![0; length];
        source.read_exact(&mut text).map_err(short)?;
        let text = String::from_utf8_lossy(&text);
        Self::parse(&text).ok_or_else(|| {
            let shown: String = text.trim().chars().take(80).collect();
            format!("has a header that can't be read: {}", shown.escape_debug())
        })
    }

    /// The Python dictionary `{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }`.
    fn parse(text: &str) -> Option<Self> {
        let after =
            |key: &str| Some(text.split_once(&format!("'{key}'"))?.1.trim_start().strip_prefix(':')?.trim_start());
        let descr = after("descr")?.strip_prefix('\'')?.split_once('\'')?.0;
        let (order, rest) = descr.split_at_checked(1)?;
        let (kind, size) = rest.split_at_checked(1)?;
        let units = if kind == "U" { 4 } else { 1 };
        let size = size.parse::<usize>().ok().filter(|s| (1..=1024).contains(s))? * units;
        let shape = after("shape")?.strip_prefix('(')?.split_once(')')?.0.split(',').map(str::trim);
        let shape =
            shape.filter(|s| !s.is_empty()).map(|s| s.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
        if !matches!(order, "<" | ">" | "|" | "=") {
            return None;
        }
        Some(Self { kind: kind.as_bytes()[0], size, big_endian: order == ">", shape, descr: descr.to_string() })
    }

    /// Decodes a 1-dimensional array element by element, `cost` bytes each in memory. An empty
    /// message stands for the system being out of memory.
    fn each<T>(
        &self,
        budget: &mut (u64, u64),
        source: &mut dyn Read,
        cost: usize,
        mut decode: impl FnMut(u64, &[u8]) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let &[n] = &self.shape[..] else { return Err(format!("has {} dimensions, not 1", self.shape.len())) };
        budget.0 = budget.0.saturating_add(n.saturating_mul(cost as u64));
        if budget.0 > budget.1 {
            return Err(format!("of {n} entries goes beyond the memory limit of {} bytes", budget.1));
        }
        let mut values = Vec::new();
        let mut chunk = vec![0; self.size << 12];
        while (values.len() as u64) < n {
            // Grown by what was read, not by what the header promises.
            let count = (n - values.len() as u64).min(1 << 12) as usize;
            let bytes = &mut chunk[..count * self.size];
            let done = values.len() as u64;
            source.read_exact(bytes).map_err(|e| format!("ends after {done} or so of its {n} entries: {e}"))?;
            values.try_reserve(count).map_err(|_| String::new())?;
            for (k, element) in bytes.chunks_exact_mut(self.size).enumerate() {
                if self.big_endian {
                    element.reverse();
                }
                values.push(decode(done + k as u64, element)?);
            }
        }
        Ok(values)
    }
}

fn le<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::input(message))
}
