//! PETSc's binary files (MatView, VecView): big-endian, a class number, sizes, arrays; 32- or 64-bit indices.

use super::entries::{Compressed, Values, full};
use super::formats::Input;
use super::{Field, Format, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::Result;

/// MAT_FILE_CLASSID and VEC_FILE_CLASSID.
const MATRIX: u64 = 1_211_216;
const VECTOR: u64 = 1_211_214;

/// What a file holds, by its class number.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Matrix,
    Vector,
}

fn class(number: u64) -> Option<Class> {
    match number {
        MATRIX => Some(Class::Matrix),
        VECTOR => Some(Class::Vector),
        _ => None,
    }
}

/// The class at the start of a file, and whether indices have 64 bits.
fn start(head: &[u8]) -> Option<(Class, bool)> {
    let narrow = head.first_chunk::<4>().map(|b| u64::from(u32::from_be_bytes(*b)));
    let wide = head.first_chunk::<8>().map(|b| u64::from_be_bytes(*b));
    narrow.and_then(class).map(|c| (c, false)).or_else(|| wide.and_then(class).map(|c| (c, true)))
}

pub(super) fn is_one(head: &[u8]) -> bool {
    start(head).is_some()
}

/// The objects of a file, one after the other.
struct Objects<'o> {
    input: Input,
    options: &'o ReadOptions,
    wide: bool,
    /// Bytes read so far.
    at: u64,
}

impl<'o> Objects<'o> {
    fn new(mut input: Input, options: &'o ReadOptions) -> Result<(Self, Class)> {
        let head = input.exactly::<4>("its class number")?;
        if let Some(class) = class(u32::from_be_bytes(head).into()) {
            return Ok((Self { input, options, wide: false, at: 4 }, class));
        }
        let rest = input.exactly::<4>("its class number")?;
        match class(u64::from_be_bytes([head, rest].concat().try_into().expect("eight bytes"))) {
            Some(class) => Ok((Self { input, options, wide: true, at: 8 }, class)),
            None => Err(input.error("this is no PETSc binary file of a matrix or a vector")),
        }
    }

    fn index(&mut self, what: &str) -> Result<i64> {
        self.at += if self.wide { 8 } else { 4 };
        Ok(if self.wide {
            i64::from_be_bytes(self.input.exactly(what)?)
        } else {
            i32::from_be_bytes(self.input.exactly(what)?).into()
        })
    }

    /// Indices from 0, below `limit`.
    fn indices<T>(&mut self, count: u64, what: &str, limit: u64, convert: fn(u64) -> T) -> Result<Vec<T>> {
        let check = |n: i64| match u64::try_from(n) {
            Ok(n) if n < limit => Ok(convert(n)),
            _ => Err(format!("is {n}, not below {limit}")),
        };
        self.at += count.saturating_mul(if self.wide { 8 } else { 4 });
        if self.wide {
            self.input.numbers(count, what, self.options, |b| check(i64::from_be_bytes(b)))
        } else {
            self.input.numbers(count, what, self.options, |b| check(i32::from_be_bytes(b).into()))
        }
    }

    /// The values; complex if exactly 16 bytes per value are left in the file.
    fn values(&mut self, count: u64) -> Result<Values> {
        let left = self.input.bytes.filter(|_| !self.input.compressed).map(|b| b.saturating_sub(self.at));
        let complex = count > 0 && left.is_some_and(|left| left == count.saturating_mul(16));
        if complex && !self.options.complex {
            let word = "the values are complex and need the option `complex`, which solves the equivalent real form";
            return Err(self.input.error(word));
        }
        let finite = |v: f64| if v.is_finite() { Ok(v) } else { Err(format!("is {v}, not finite")) };
        if !complex {
            self.at += count.saturating_mul(8);
            let re = self.input.numbers(count, "the values", self.options, |b| finite(f64::from_be_bytes(b)))?;
            return Ok(Values { re, im: None });
        }
        let pairs = self.input.numbers(count, "the values", self.options, |b: [u8; 16]| {
            let part = |k: usize| finite(f64::from_be_bytes(b[k..k + 8].try_into().expect("eight bytes")));
            Ok((part(0)?, part(8)?))
        })?;
        let (re, im) = pairs.into_iter().unzip();
        Ok(Values { re, im: Some(im) })
    }

    fn size(&mut self, what: &str) -> Result<u64> {
        match u64::try_from(self.index(what)?) {
            Ok(n) if n <= u64::from(u32::MAX) => Ok(n),
            _ => Err(self.input.error(format!("{what} is beyond 0 to {}", u32::MAX))),
        }
    }

    fn vector(&mut self) -> Result<Values> {
        let n = self.size("the length of the vector")?;
        self.values(n)
    }

    fn matrix(&mut self) -> Result<Loaded> {
        let rows = self.size("the number of rows")?;
        let cols = self.size("the number of columns")?;
        let notes = Notes::new(Format::Petsc, Field::Real, Symmetry::General);
        let entries = self.index("the number of entries")?;
        let (height, width) = (rows as usize, cols as usize);
        if entries == -1 {
            // A dense matrix, row by row: read by columns it is the transpose.
            let values = self.values(rows.saturating_mul(cols))?;
            let loaded = full(width, height, values, notes, self.options);
            let mut loaded = loaded.map_err(|e| self.input.name(e))?;
            loaded.matrix = loaded.matrix.transpose();
            loaded.imaginary = loaded.imaginary.map(|a| a.transpose());
            return Ok(loaded);
        }
        let entries = u64::try_from(entries)
            .map_err(|_| self.input.error("the number of entries is negative: a special format"))?;
        let lengths = self.indices(rows, "the row lengths", cols + 1, |n| n as usize)?;
        let mut starts = Vec::new();
        let no_memory = |_| super::entries::no_memory("the matrix", 8 * (rows + 1), self.options);
        starts.try_reserve_exact(height + 1).map_err(no_memory)?;
        starts.push(0usize);
        lengths.iter().for_each(|n| starts.push(starts.last().expect("never empty") + n));
        if starts[height] as u64 != entries {
            let sum = starts[height];
            return Err(self
                .input
                .error(format!("the row lengths add up to {sum}, the header says {entries} entries")));
        }
        let indices = self.indices(entries, "the columns", cols, |n| n as u32)?;
        let values = self.values(entries)?;
        let made = Compressed { by_rows: true, rows: height, cols: width, starts, indices, values };
        made.load(notes, self.options).map_err(|e| self.input.name(e))
    }

    /// The class of the next object, `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Class>> {
        match self.index("the class of the next object") {
            Ok(number) => Ok(u64::try_from(number).ok().and_then(class)),
            Err(_) => Ok(None),
        }
    }
}

pub(super) fn read_matrix(input: Input, options: &ReadOptions) -> Result<Loaded> {
    let (mut objects, class) = Objects::new(input, options)?;
    if class == Class::Vector {
        return Err(objects.input.error("the file holds a vector, not a matrix"));
    }
    objects.matrix()
}

/// The first vector of a file; its matrix may come before it.
pub(super) fn read_columns(input: Input, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    let (mut objects, class) = Objects::new(input, options)?;
    if class == Class::Matrix {
        let matrix = objects.matrix()?;
        if objects.next()? != Some(Class::Vector) {
            return super::entries::dense_columns(&matrix, options).map_err(|e| objects.input.name(e));
        }
    }
    let values = objects.vector()?;
    let n = values.len();
    Ok(values.columns(n, 1, options.complex))
}
