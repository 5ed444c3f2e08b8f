//! NumPy's `.npy` arrays: vectors, full matrices, and the members of an `.npz`.

use super::entries::{Values, full, no_memory};
use super::formats::Input;
use super::{Field, Format, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::{Error, Result};
use std::io::{self, Read, Write};

/// The first bytes of every array.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest array header that is read; NumPy's own take about 128 bytes.
const MAX_HEADER: usize = 1 << 16;

/// What is wrong with an array: a message to follow its name, or a complete error.
pub(super) enum Fault {
    Text(String),
    Whole(Error),
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        Self::Whole(e)
    }
}

impl Fault {
    /// The error for the array that `what` names.
    pub(super) fn about(self, what: &str) -> Error {
        match self {
            Self::Text(message) => Error::input(format!("{what} {message}")),
            Self::Whole(e) => e,
        }
    }
}

/// Bytes taken so far by all arrays of a file, and their limit.
pub(super) struct Budget<'o> {
    pub(super) used: u64,
    pub(super) options: &'o ReadOptions,
}

impl<'o> Budget<'o> {
    pub(super) fn new(options: &'o ReadOptions) -> Self {
        Self { used: 0, options }
    }

    /// Counts `bytes`; the error holds the limit if it is exceeded.
    fn take(&mut self, bytes: u64) -> Result<(), u64> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.options.memory_limit { Err(self.options.memory_limit) } else { Ok(()) }
    }

    fn exhausted(&self) -> Fault {
        no_memory("the matrix", self.used, self.options).into()
    }
}

/// Header of a `.npy` array.
pub(super) struct Header {
    /// NumPy's kind: f, i, u, b, S, U, ...
    pub(super) kind: u8,
    /// Bytes per element.
    pub(super) size: usize,
    pub(super) big_endian: bool,
    /// Column-major order.
    pub(super) fortran: bool,
    pub(super) shape: Vec<u64>,
    pub(super) descr: String,
}

impl Header {
    pub(super) fn read(source: &mut impl Read) -> Result<Self, String> {
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
        let fortran = after("fortran_order")?.starts_with("True");
        let (kind, descr) = (kind.as_bytes()[0], descr.to_string());
        Some(Self { kind, size, big_endian: order == ">", fortran, shape, descr })
    }

    /// Decodes an array element by element in the order of the file, `cost` bytes each in memory.
    pub(super) fn each<T>(
        &self,
        budget: &mut Budget<'_>,
        source: &mut dyn Read,
        cost: usize,
        mut decode: impl FnMut(u64, &[u8]) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let n = self.shape.iter().fold(1u64, |n, &side| n.saturating_mul(side));
        budget
            .take(n.saturating_mul(cost as u64))
            .map_err(|most| Fault::Text(format!("of {n} entries goes beyond the memory limit of {most} bytes")))?;
        let mut values = Vec::new();
        let mut chunk = vec![0; self.size << 12];
        while (values.len() as u64) < n {
            // Memory grows with the data read, not with what the header promises.
            let count = (n - values.len() as u64).min(1 << 12) as usize;
            let bytes = &mut chunk[..count * self.size];
            let done = values.len() as u64;
            source.read_exact(bytes).map_err(|e| format!("ends after {done} or so of its {n} entries: {e}"))?;
            values.try_reserve(count).map_err(|_| budget.exhausted())?;
            budget.options.halt.check()?;
            for (k, element) in bytes.chunks_exact_mut(self.size).enumerate() {
                if self.big_endian {
                    element.reverse();
                }
                values.push(decode(done + k as u64, element)?);
            }
        }
        Ok(values)
    }

    /// Checks that the array has one dimension.
    pub(super) fn flat(&self) -> Result<(), Fault> {
        match self.shape.len() {
            1 => Ok(()),
            n => Err(format!("has {n} dimensions, not 1").into()),
        }
    }

    /// Integers in 0..`limit`; `what` names the limit.
    pub(super) fn indices<T>(
        &self,
        budget: &mut Budget<'_>,
        source: &mut dyn Read,
        (limit, what): (u64, &str),
        convert: fn(u64) -> T,
    ) -> Result<Vec<T>, Fault> {
        let decode = self.whole()?;
        self.each(budget, source, size_of::<T>(), |k, bytes| {
            let n = decode(bytes);
            match u64::try_from(n) {
                Ok(n) if n < limit => Ok(convert(n)),
                Ok(_) => Err(format!("entry {k} is {n}, beyond {what}").into()),
                Err(_) => Err(format!("entry {k} is {n}; it must not be negative").into()),
            }
        })
    }

    /// Integers of any sign.
    pub(super) fn integers(&self, budget: &mut Budget<'_>, source: &mut dyn Read) -> Result<Vec<i128>, Fault> {
        let decode = self.whole()?;
        self.each(budget, source, 16, |_, bytes| Ok(decode(bytes)))
    }

    /// The function that decodes an integer.
    fn whole(&self) -> Result<fn(&[u8]) -> i128, Fault> {
        let decode: fn(&[u8]) -> i128 = match (self.kind, self.size) {
            (b'i', 4) => |b| i32::from_le_bytes(le(b)).into(),
            (b'i', 8) => |b| i64::from_le_bytes(le(b)).into(),
            (b'u', 4) => |b| u32::from_le_bytes(le(b)).into(),
            (b'u', 8) => |b| u64::from_le_bytes(le(b)).into(),
            _ => return Err(format!("has type {}; indices are int32 or int64", self.descr).into()),
        };
        Ok(decode)
    }

    /// The values as f64, with imaginary parts where they are complex.
    pub(super) fn values(
        &self,
        budget: &mut Budget<'_>,
        source: &mut dyn Read,
        notes: &mut Notes,
    ) -> Result<Values, Fault> {
        let exact = |n: i128| (n as f64, n as f64 as i128 != n);
        let decode: fn(&[u8]) -> f64 = match (self.kind, self.size) {
            (b'f', 8) => |b| f64::from_le_bytes(le(b)),
            (b'f', 4) => |b| f32::from_le_bytes(le(b)).into(),
            (b'i', 1) => |b| (b[0] as i8).into(),
            (b'i', 2) => |b| i16::from_le_bytes(le(b)).into(),
            (b'i', 4) => |b| i32::from_le_bytes(le(b)).into(),
            (b'u' | b'b', 1) => |b| b[0].into(),
            (b'u', 2) => |b| u16::from_le_bytes(le(b)).into(),
            (b'u', 4) => |b| u32::from_le_bytes(le(b)).into(),
            (b'i' | b'u', 8) => |_| 0.0,
            (b'c', 8 | 16) if budget.options.complex => {
                notes.field = Field::Complex;
                // The bytes of a big-endian pair are reversed as a whole: its imaginary part comes first.
                let (re, im) = if self.big_endian { (1, 0) } else { (0, 1) };
                let half = self.size / 2;
                let part = |bytes: &[u8], k: usize| {
                    let bytes = &bytes[k * half..(k + 1) * half];
                    if half == 4 { f32::from_le_bytes(le(bytes)).into() } else { f64::from_le_bytes(le(bytes)) }
                };
                let pairs = self.each(budget, source, 16, |k, bytes| match (part(bytes, re), part(bytes, im)) {
                    (x, y) if f64::is_finite(x) && f64::is_finite(y) => Ok((x, y)),
                    (x, y) => Err(format!("entry {k} is {x} + {y}i, not finite").into()),
                })?;
                let (re, im) = pairs.into_iter().unzip();
                return Ok(Values { re, im: Some(im) });
            }
            (b'c', _) => {
                let word = "complex data need the option `complex`, which solves the equivalent real form";
                return Err(format!("has type {}; {word}", self.descr).into());
            }
            _ => return Err(format!("has type {}; float32, float64, integers and bool are read", self.descr).into()),
        };
        let wide = self.kind != b'f' && self.size == 8;
        if self.kind != b'f' {
            notes.field = Field::Integer;
        }
        let re = self.each(budget, source, 8, |k, bytes| {
            let value = if wide {
                let raw = u64::from_le_bytes(le(bytes));
                let (v, rounded) = exact(if self.kind == b'i' { (raw as i64).into() } else { raw.into() });
                notes.rounded_integers += u64::from(rounded);
                v
            } else {
                decode(bytes)
            };
            if value.is_finite() { Ok(value) } else { Err(format!("entry {k} is {value}, not finite").into()) }
        })?;
        Ok(Values { re, im: None })
    }
}

/// The entries of an array of one or two dimensions, column by column.
fn read(input: &mut Input, options: &ReadOptions, notes: &mut Notes) -> Result<(usize, usize, Values)> {
    let (header, values) = Header::read(&mut input.reader)
        .map_err(Fault::from)
        .and_then(|header| {
            let values = header.values(&mut Budget::new(options), &mut input.reader, notes)?;
            Ok((header, values))
        })
        .map_err(|fault| input.name(fault.about("the array")))?;
    let sides: Vec<usize> = header.shape.iter().map(|&n| n as usize).collect();
    let (rows, cols) = match sides[..] {
        [] => (1, 1),
        [n] => (n, 1),
        [rows, cols] => (rows, cols),
        _ => return Err(input.error(format!("the array has {} dimensions, not 1 or 2", sides.len()))),
    };
    if rows.max(cols) > u32::MAX as usize {
        return Err(input.error(format!("{rows} x {cols} is beyond the limit of {} rows and columns", u32::MAX)));
    }
    if header.fortran || rows <= 1 || cols <= 1 {
        return Ok((rows, cols, values));
    }
    let by_columns = |v: &Vec<f64>| (0..rows * cols).map(|k| v[k % rows * cols + k / rows]).collect();
    let values = Values { re: by_columns(&values.re), im: values.im.as_ref().map(by_columns) };
    Ok((rows, cols, values))
}

pub(super) fn read_matrix(mut input: Input, options: &ReadOptions) -> Result<Loaded> {
    let mut notes = Notes::new(Format::Npy, Field::Real, Symmetry::General);
    let (rows, cols, values) = read(&mut input, options, &mut notes)?;
    full(rows, cols, values, notes, options)
}

pub(super) fn read_columns(mut input: Input, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    let mut notes = Notes::new(Format::Npy, Field::Real, Symmetry::General);
    let (rows, cols, values) = read(&mut input, options, &mut notes)?;
    Ok(values.columns(rows, cols, options.complex))
}

/// Writes an array of version 1: its header, then what `data` writes. `shape` is a Python tuple, as in `(3,)`.
pub(super) fn write(
    out: &mut dyn Write,
    descr: &str,
    fortran: bool,
    shape: &str,
    data: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let fortran = if fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    // Data start at a multiple of 64 bytes.
    let length = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
    text += &" ".repeat(length - text.len() - 1);
    text.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(length as u16).to_le_bytes())?;
    out.write_all(text.as_bytes())?;
    data(out)
}

/// Vectors as the columns of an array; one vector has one dimension.
pub(super) fn write_columns(out: &mut dyn Write, rows: usize, columns: &[&[f64]], complex: bool) -> io::Result<()> {
    let shape = if columns.len() == 1 { format!("({rows},)") } else { format!("({rows}, {})", columns.len()) };
    write(out, if complex { "<c16" } else { "<f8" }, columns.len() != 1, &shape, |out| {
        columns.iter().copied().flatten().try_for_each(|v| out.write_all(&v.to_le_bytes()))
    })
}

/// The N bytes of one number as an array.
pub(super) fn le<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}
