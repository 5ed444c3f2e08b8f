//! SciPy's `save_npz`: a zip archive of NumPy arrays that make a CSR, CSC, COO, DIA or BSR matrix.

use super::entries::{Compressed, Coordinates, Values};
use super::formats::Input;
use super::npy::{self, Budget, Fault, Header};
use super::zip::{Archive, Writer};
use super::{Field, Format, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::matrix::complex::merged_rows;
use std::io::{self, Read, Seek, Write};

/// The first bytes of a zip archive.
pub(super) const MAGIC: &[u8] = b"PK";

pub(super) fn read_matrix(input: Input, options: &ReadOptions) -> Result<Loaded> {
    let place = input.place();
    let loaded = match input.seekable(options)? {
        Some(source) => read(source, options),
        None => fail("not a zip archive, which .npz files are"),
    };
    loaded.map_err(|e| place.name(e))
}

fn read<R: Read + Seek>(source: R, options: &ReadOptions) -> Result<Loaded> {
    let archive = match Archive::new(source) {
        Ok(archive) => archive,
        Err(e) => return fail(format!("the zip archive is damaged: {e}")),
    };
    let mut arrays = Arrays { archive, budget: Budget::new(options) };
    let format = arrays.text("format")?;
    let known = [
        ("csr", Format::NpzCsr),
        ("csc", Format::NpzCsc),
        ("coo", Format::NpzCoo),
        ("dia", Format::NpzDia),
        ("bsr", Format::NpzBsr),
    ];
    let Some((_, layout)) = known.into_iter().find(|(id, _)| *id == format) else {
        return fail(format!("format `{}` is none of csr, csc, coo, dia, bsr", format.escape_debug()));
    };
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
    let mut notes = Notes::new(layout, Field::Real, Symmetry::General);
    let (shape, values) = arrays.values(&mut notes)?;
    let size = Size { rows: rows as usize, cols: cols as usize };
    match layout {
        Format::NpzCoo => coordinates(&mut arrays, size, values)?.load(notes, options),
        Format::NpzDia => diagonals(&mut arrays, size, &shape, &values)?.load(notes, options),
        Format::NpzBsr => blocks(&mut arrays, size, &shape, &values)?.load(notes, options),
        _ => compressed(&mut arrays, size, layout == Format::NpzCsr, values)?.load(notes, options),
    }
}

#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    cols: usize,
}

fn coordinates<R: Read + Seek>(
    arrays: &mut Arrays<'_, R>,
    Size { rows, cols }: Size,
    values: Values,
) -> Result<Coordinates> {
    let i = arrays.indices("row", rows as u64, "the number of rows", |n| n as u32)?;
    let j = arrays.indices("col", cols as u64, "the number of columns", |n| n as u32)?;
    if i.len() != values.len() || j.len() != values.len() {
        let (i, j, v) = (i.len(), j.len(), values.len());
        return fail(format!("arrays `row`, `col` and `data` have {i}, {j} and {v} entries"));
    }
    Ok(Coordinates { rows, cols, i, j, values })
}

fn compressed<R: Read + Seek>(
    arrays: &mut Arrays<'_, R>,
    Size { rows, cols }: Size,
    by_rows: bool,
    values: Values,
) -> Result<Compressed> {
    let (minor, what) = if by_rows { (cols, "the number of columns") } else { (rows, "the number of rows") };
    let indices = arrays.indices("indices", minor as u64, what, |n| n as u32)?;
    let starts = arrays.indices("indptr", indices.len() as u64 + 1, "the length of `indices`", |n| n as usize)?;
    if indices.len() != values.len() {
        return fail(format!("arrays `indices` and `data` have {} and {} entries", indices.len(), values.len()));
    }
    let made = Compressed { by_rows, rows, cols, starts, indices, values };
    made.check("array `indptr`", "array `indices`").map_err(Error::Input)?;
    Ok(made)
}

/// DIA: row k of `data` holds diagonal `offsets[k]`, each entry at the index of its column.
fn diagonals<R: Read + Seek>(
    arrays: &mut Arrays<'_, R>,
    Size { rows, cols }: Size,
    shape: &[u64],
    values: &Values,
) -> Result<Coordinates> {
    let offsets = arrays.integers("offsets")?;
    let &[count, width] = shape else {
        return fail(format!("array `data` has {} dimensions, not the 2 of diagonals", shape.len()));
    };
    if count != offsets.len() as u64 {
        return fail(format!("arrays `offsets` and `data` have {} and {count} diagonals", offsets.len()));
    }
    let mut picked = Picked::default();
    for (k, &offset) in offsets.iter().enumerate() {
        for j in 0..cols.min(width as usize) {
            let i = j as i128 - offset;
            if (0..rows as i128).contains(&i) {
                picked.push(i as u32, j as u32, values, k * width as usize + j);
            }
        }
    }
    Ok(picked.coordinates(rows, cols, values))
}

/// BSR: compressed rows of full blocks, each block row by row.
fn blocks<R: Read + Seek>(
    arrays: &mut Arrays<'_, R>,
    Size { rows, cols }: Size,
    shape: &[u64],
    values: &Values,
) -> Result<Coordinates> {
    let &[count, height, width] = shape else {
        return fail(format!("array `data` has {} dimensions, not the 3 of blocks", shape.len()));
    };
    let (height, width) = (height as usize, width as usize);
    if height == 0 || width == 0 || !rows.is_multiple_of(height) || !cols.is_multiple_of(width) {
        return fail(format!("blocks of {height} x {width} do not fill {rows} x {cols}"));
    }
    let whole = Size { rows: rows / height, cols: cols / width };
    let unit = Values { re: vec![1.0; count as usize], im: None };
    let grid = compressed(arrays, whole, true, unit)?;
    let mut picked = Picked::default();
    for i in 0..whole.rows {
        for k in grid.starts[i]..grid.starts[i + 1] {
            for place in 0..height * width {
                let (di, dj) = (place / width, place % width);
                let (row, column) = (i * height + di, grid.indices[k] as usize * width + dj);
                picked.push(row as u32, column as u32, values, k * height * width + place);
            }
        }
    }
    Ok(picked.coordinates(rows, cols, values))
}

/// Entries picked from an array padded with zeros; the zeros are left out.
#[derive(Default)]
struct Picked {
    i: Vec<u32>,
    j: Vec<u32>,
    from: Vec<usize>,
}

impl Picked {
    fn push(&mut self, i: u32, j: u32, values: &Values, k: usize) {
        if values.re[k] != 0.0 || values.im.as_ref().is_some_and(|im| im[k] != 0.0) {
            self.i.push(i);
            self.j.push(j);
            self.from.push(k);
        }
    }

    fn coordinates(self, rows: usize, cols: usize, values: &Values) -> Coordinates {
        let pick = |v: &Vec<f64>| self.from.iter().map(|&k| v[k]).collect();
        let values = Values { re: pick(&values.re), im: values.im.as_ref().map(pick) };
        Coordinates { rows, cols, i: self.i, j: self.j, values }
    }
}

struct Arrays<'o, R: Read + Seek> {
    archive: Archive<R>,
    budget: Budget<'o>,
}

impl<R: Read + Seek> Arrays<'_, R> {
    /// The one string of a 0-dimensional array.
    fn text(&mut self, name: &str) -> Result<String> {
        self.with(name, |_, header, data| {
            if !header.shape.is_empty() || !matches!(header.kind, b'S' | b'U') || header.size > 64 {
                let dimensions = header.shape.len();
                return Err(format!("is {} of {dimensions} dimensions, not a short string", header.descr).into());
            }
            let mut bytes = vec![0; header.size];
            data.read_exact(&mut bytes).map_err(|e| e.to_string())?;
            Ok(bytes.iter().filter(|b| **b != 0).map(|b| char::from(*b)).collect())
        })
    }

    /// Integers in 0..`limit`; `what` names the limit.
    fn indices<T>(&mut self, name: &str, limit: u64, what: &str, convert: fn(u64) -> T) -> Result<Vec<T>> {
        self.with(name, |budget, header, data| {
            header.flat()?;
            header.indices(budget, data, (limit, what), convert)
        })
    }

    fn integers(&mut self, name: &str) -> Result<Vec<i128>> {
        self.with(name, |budget, header, data| {
            header.flat()?;
            header.integers(budget, data)
        })
    }

    /// The shape of `data` and its entries in row-major order.
    fn values(&mut self, notes: &mut Notes) -> Result<(Vec<u64>, Values)> {
        self.with("data", |budget, header, data| {
            if header.fortran && header.shape.len() > 1 {
                return Err("runs by columns (fortran_order); save a C-ordered copy".to_string().into());
            }
            Ok((header.shape.clone(), header.values(budget, data, notes)?))
        })
    }

    /// Opens an array and passes its header and data to `body`, along with the memory budget.
    fn with<T>(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Budget<'_>, &Header, &mut dyn Read) -> Result<T, Fault>,
    ) -> Result<T> {
        let arrays: Vec<&str> = self.archive.names().filter_map(|n| n.strip_suffix(".npy")).collect();
        if !arrays.contains(&name) {
            let mut names: Vec<_> = arrays.iter().take(8).map(|n| n.escape_debug().to_string()).collect();
            names.sort();
            return fail(format!("array `{name}` is missing (there are: {}); not a save_npz file?", names.join(", ")));
        }
        let budget = &mut self.budget;
        let result = match self.archive.open(&format!("{name}.npy")) {
            Ok(mut entry) => Header::read(&mut entry).map_err(Fault::from).and_then(|header| {
                let value = body(budget, &header, &mut entry)?;
                // Reading to the end verifies the checksum and detects surplus bytes.
                match entry.read(&mut [0]) {
                    Ok(0) => Ok(value),
                    Ok(_) => Err("has more bytes than its shape asks for".to_string().into()),
                    Err(e) => Err(e.to_string().into()),
                }
            }),
            Err(e) => Err(e.to_string().into()),
        };
        result.map_err(|fault| fault.about(&format!("array `{name}`")))
    }
}

/// Writes A, complex if `im` is given, as CSR for `scipy.sparse.load_npz`.
pub(super) fn write_matrix(out: &mut dyn Write, re: &Csr, im: Option<&Csr>) -> io::Result<()> {
    let merged = im.map(|im| merged_rows(re, im)).transpose().map_err(|e| io::Error::other(e.to_string()))?;
    let starts: Vec<usize> = match &merged {
        None => re.row_ptr().to_vec(),
        Some(rows) => std::iter::once(0)
            .chain(rows.iter().scan(0, |sum, row| {
                *sum += row.len();
                Some(*sum)
            }))
            .collect(),
    };
    let entries = starts.last().copied().unwrap_or(0);
    // As SciPy does: 32 bits where they suffice.
    let wide = entries.max(re.rows()).max(re.cols()) > i32::MAX as usize;
    let (descr, size) = if wide { ("<i8", 8) } else { ("<i4", 4) };
    let index = |out: &mut dyn Write, n: usize| out.write_all(&(n as u64).to_le_bytes()[..size]);
    let mut zip = Writer::new(out);
    let mut put = |name: &str, descr: &str, shape: String, data: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
        zip.entry(&format!("{name}.npy"), |out| npy::write(out, descr, false, &shape, |out| data(out)))
    };
    put("indices", descr, format!("({entries},)"), &|out| match &merged {
        None => re.columns().iter().try_for_each(|&j| index(out, j as usize)),
        Some(rows) => rows.iter().flatten().try_for_each(|&(j, ..)| index(out, j as usize)),
    })?;
    put("indptr", descr, format!("({},)", starts.len()), &|out| starts.iter().try_for_each(|&s| index(out, s)))?;
    put("format", "|S3", "()".into(), &|out| out.write_all(b"csr"))?;
    put("shape", "<i8", "(2,)".into(), &|out| {
        [re.rows(), re.cols()].iter().try_for_each(|&n| out.write_all(&(n as u64).to_le_bytes()))
    })?;
    put("data", if im.is_some() { "<c16" } else { "<f8" }, format!("({entries},)"), &|out| match &merged {
        None => re.values().iter().try_for_each(|v| out.write_all(&v.to_le_bytes())),
        Some(rows) => rows.iter().flatten().try_for_each(|(_, b, c)| {
            out.write_all(&b.to_le_bytes())?;
            out.write_all(&c.to_le_bytes())
        }),
    })?;
    zip.finish()
}

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::input(message))
}
