//! MATLAB's MAT-files of version 5, as `save -v6` and `-v7` write them (MathWorks, MAT-File Format): sparse and full
//! variables of numbers, alone or as fields of a struct.

use super::entries::{Compressed, Values, full, no_memory};
use super::formats::Input;
use super::{Field, Format, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::{Error, Result};
use flate2::read::ZlibDecoder;
use std::io::{Cursor, Read};

/// The first bytes of every such file.
pub(super) const MAGIC: &[u8] = b"MATLAB 5.0";

/// Types of data elements.
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
/// Deepest nesting of structs that is read.
const DEEPEST: usize = 4;

/// A variable of numbers.
struct Variable {
    name: String,
    rows: usize,
    cols: usize,
    /// Starts of columns, and row indices; `None` for a full matrix.
    pattern: Option<(Vec<usize>, Vec<u32>)>,
    values: Values,
}

/// Bytes in memory, read piece by piece.
struct Bytes<'a> {
    data: &'a [u8],
    big_endian: bool,
}

type Told<T> = std::result::Result<T, String>;

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Told<&'a [u8]> {
        let (head, rest) = self.data.split_at_checked(count).ok_or("an element goes beyond its end")?;
        self.data = rest;
        Ok(head)
    }

    fn word(&mut self) -> Told<u32> {
        let bytes = self.take(4)?.try_into().expect("four bytes");
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// The next element: its type and its bytes, padding skipped.
    fn element(&mut self) -> Told<(u32, &'a [u8])> {
        let tag = self.word()?;
        if tag >> 16 != 0 {
            // A short element has up to four bytes within its tag.
            let data = self.take(4)?;
            return Ok((tag & 0xffff, data.get(..(tag >> 16) as usize).ok_or("a short element is too long")?));
        }
        let count = self.word()? as usize;
        let data = self.take(count)?;
        let padding = if tag == COMPRESSED { 0 } else { count.next_multiple_of(8) - count };
        // The last element may lack its padding.
        self.data = self.data.get(padding..).unwrap_or_default();
        Ok((tag, data))
    }

    /// An element's numbers, whatever type they are stored in.
    fn numbers(&self, (kind, data): (u32, &[u8])) -> Told<Vec<f64>> {
        macro_rules! decode {
            ($t:ty) => {
                data.chunks_exact(size_of::<$t>())
                    .map(|b| {
                        let b = b.try_into().expect("a whole number of them");
                        (if self.big_endian { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) }) as f64
                    })
                    .collect()
            };
        }
        Ok(match kind {
            1 => decode!(i8),
            2 => decode!(u8),
            3 => decode!(i16),
            4 => decode!(u16),
            5 => decode!(i32),
            6 => decode!(u32),
            7 => decode!(f32),
            9 => decode!(f64),
            12 => decode!(i64),
            13 => decode!(u64),
            _ => return Err(format!("an element has type {kind}, which holds no numbers")),
        })
    }

    fn whole(&self, element: (u32, &[u8])) -> Told<Vec<i64>> {
        Ok(self.numbers(element)?.into_iter().map(|v| v as i64).collect())
    }

    fn within(&self, data: &'a [u8]) -> Self {
        Self { data, big_endian: self.big_endian }
    }
}

/// The numeric variables of a file, fields of structs included.
fn variables(mut input: Input, options: &ReadOptions) -> Result<Vec<Variable>> {
    let place = input.place();
    let limit = options.memory_limit;
    let header: [u8; 128] = input.exactly("its header")?;
    let big_endian = match &header[126..] {
        b"IM" => false,
        b"MI" => true,
        _ => return Err(input.error("the header of the MATLAB file has no byte order")),
    };
    if header[if big_endian { 124 } else { 125 }] != 1 {
        return Err(input.error("this is not version 5 of MATLAB's format; save it with -v7"));
    }
    let mut data = vec![];
    let read = input.reader.by_ref().take(limit.saturating_add(1)).read_to_end(&mut data);
    read.map_err(|source| Error::Io { file: input.path().to_path_buf(), source })?;
    if data.len() as u64 > limit {
        return Err(input.name(no_memory("the file", data.len() as u64, options)));
    }
    let mut found = vec![];
    let mut bytes = Bytes { data: &data, big_endian };
    while !bytes.data.is_empty() {
        options.halt.check()?;
        let whole = bytes.element().and_then(|(kind, data)| match kind {
            COMPRESSED => {
                let mut inner = vec![];
                let most = limit.saturating_sub(data.len() as u64);
                let read = ZlibDecoder::new(Cursor::new(data)).take(most.saturating_add(1)).read_to_end(&mut inner);
                read.map_err(|e| format!("a compressed variable can't be unpacked: {e}"))?;
                if inner.len() as u64 > most {
                    return Err(format!("a variable needs more than the memory limit of {limit} bytes"));
                }
                let (kind, content) = Bytes { data: &inner, big_endian }.element()?;
                if kind == MATRIX { array(&bytes.within(content), "", options, 0, &mut found) } else { Ok(()) }
            }
            MATRIX => array(&bytes.within(data), "", options, 0, &mut found),
            _ => Ok(()),
        });
        whole.map_err(|message| place.name(Error::Input(message)))?;
    }
    Ok(found)
}

/// Reads one array: adds the variable, or the fields of the struct, to `found`. `parent` names the enclosing struct.
fn array(
    content: &Bytes<'_>,
    parent: &str,
    options: &ReadOptions,
    depth: usize,
    found: &mut Vec<Variable>,
) -> Told<()> {
    let mut bytes = content.within(content.data);
    if bytes.data.is_empty() {
        return Ok(());
    }
    let (_, flags) = bytes.element()?;
    let flags = bytes.within(flags).word()?;
    let (class, is_complex) = (flags & 0xff, flags & 0x800 != 0);
    let shape = bytes.element()?;
    let shape = bytes.whole(shape)?;
    let (_, name) = bytes.element()?;
    let name = String::from_utf8_lossy(name).into_owned();
    let name = if name.is_empty() { parent.to_string() } else { name };
    let sides: Vec<usize> = shape.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    let numeric = class == 5 || (6..=15).contains(&class);
    let &[rows, cols] = &sides[..] else { return Ok(()) };
    if class == 2 && rows == 1 && cols == 1 && depth < DEEPEST {
        let width = bytes.element()?;
        let width = *bytes.whole(width)?.first().ok_or("a struct has no width of names")? as usize;
        let (_, names) = bytes.element()?;
        if width == 0 {
            return Err("a struct has names of no width".into());
        }
        for field in names.chunks(width) {
            let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
            let (_, data) = bytes.element()?;
            array(&bytes.within(data), &String::from_utf8_lossy(&field[..end]), options, depth + 1, found)?;
        }
        return Ok(());
    }
    if !numeric || rows.max(cols) > u32::MAX as usize {
        return Ok(());
    }
    if is_complex && !options.complex {
        return Err(format!("{name} is complex and needs the option `complex`, which solves the equivalent real form"));
    }
    let pattern = if class == 5 {
        let (indices, starts) = (bytes.element()?, bytes.element()?);
        let (indices, starts) = (bytes.whole(indices)?, bytes.whole(starts)?);
        let entries = starts.last().map_or(0, |&n| n.max(0) as usize);
        if entries > indices.len() || starts.iter().any(|&s| s < 0) {
            return Err(format!("{name} has fewer row indices than its columns use"));
        }
        if indices[..entries].iter().any(|&i| i < 0 || i as usize >= rows) {
            return Err(format!("{name} has a row index beyond its {rows} rows"));
        }
        let indices = indices[..entries].iter().map(|&i| i as u32).collect();
        Some((starts.into_iter().map(|s| s as usize).collect(), indices))
    } else {
        None
    };
    let wanted = pattern.as_ref().map_or(rows.saturating_mul(cols), |(_, i): &(Vec<usize>, Vec<u32>)| i.len());
    let mut part = || -> Told<Vec<f64>> {
        let element = bytes.element()?;
        let mut values = bytes.numbers(element)?;
        if values.len() < wanted {
            return Err(format!("{name} has {} values for {wanted} entries", values.len()));
        }
        values.truncate(wanted);
        match values.iter().position(|v| !v.is_finite()) {
            Some(k) => Err(format!("entry {k} of {name} is {}, not finite", values[k])),
            None => Ok(values),
        }
    };
    let re = part()?;
    let im = if is_complex { Some(part()?) } else { None };
    found.push(Variable { rows, cols, pattern, values: Values { re, im }, name });
    Ok(())
}

/// The only variable that `fits`; of several, the one with the earliest of these names.
fn choose(found: Vec<Variable>, what: &str, names: &[&str], fits: impl Fn(&Variable) -> bool) -> Result<Variable> {
    let seen: Vec<String> = found.iter().map(|v| format!("{} ({} x {})", v.name, v.rows, v.cols)).collect();
    let mut fitting: Vec<Variable> = found.into_iter().filter(fits).collect();
    if fitting.len() == 1 {
        return Ok(fitting.remove(0));
    }
    let named = names.iter().find_map(|name| fitting.iter().position(|v| v.name.eq_ignore_ascii_case(name)));
    named.map(|k| fitting.remove(k)).ok_or_else(|| {
        let has = if seen.is_empty() { "no numbers".to_string() } else { seen.join(", ") };
        Error::Input(format!("which variable is the {what}? Name it {} in the file, which has {has}", names[0]))
    })
}

pub(super) fn read_matrix(input: Input, options: &ReadOptions) -> Result<Loaded> {
    let place = input.place();
    let found = variables(input, options)?;
    let sparse = found.iter().any(|v| v.pattern.is_some());
    let fits = |v: &Variable| v.pattern.is_some() || !sparse && v.rows > 1 && v.cols > 1;
    let matrix = choose(found, "matrix", &["A", "K", "M"], fits);
    matrix.and_then(|v| loaded(v, options)).map_err(|e| place.name(e))
}

fn loaded(v: Variable, options: &ReadOptions) -> Result<Loaded> {
    let Variable { rows, cols, pattern, values, .. } = v;
    let notes = Notes::new(Format::Matlab, Field::Real, Symmetry::General);
    let Some((starts, indices)) = pattern else { return full(rows, cols, values, notes, options) };
    let made = Compressed { by_rows: false, rows, cols, starts, indices, values };
    made.check("jc", "ir").map_err(Error::Input)?;
    made.load(notes, options)
}

/// Columns of a full variable, or of a sparse one if none is full.
pub(super) fn read_columns(input: Input, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    let place = input.place();
    let found = variables(input, options)?;
    let any_full = found.iter().any(|v| v.pattern.is_none() && v.rows * v.cols > 1);
    let fits = |v: &Variable| v.pattern.is_none() == any_full && (!any_full || v.rows * v.cols > 1);
    let chosen = choose(found, "right-hand side", &["b", "rhs", "x0", "x", "B"], fits);
    let columns = chosen.and_then(|v| match v.pattern {
        None => Ok(v.values.columns(v.rows, v.cols, options.complex)),
        Some(_) => super::entries::dense_columns(&loaded(v, options)?, options),
    });
    columns.map_err(|e| place.name(e))
}
