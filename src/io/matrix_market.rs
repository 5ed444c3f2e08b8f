//! Matrix Market text (Boisvert, Pozo, Remington 1996), and plain lists of numbers.

use super::entries::{ENTRY_BYTES, List, ROW_BYTES, no_memory, over_limit, zeros};
use super::formats::Input;
use super::lines::{Lines, Tokens, foreign, quote};
use super::{Field, Format, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::{Error, Result};
use crate::host::suggest::did_you_mean;
use std::io::Read;
use std::path::Path;

/// True for text that starts as the banner does.
pub(super) fn is_one(head: &[u8]) -> bool {
    [BANNER, &BANNER[1..]].iter().any(|b| head.get(..b.len()).is_some_and(|h| h.eq_ignore_ascii_case(b)))
}

pub(super) fn matrix(input: Input, options: &ReadOptions) -> Result<Loaded> {
    let path = input.path().to_path_buf();
    read_matrix(input.reader, &path, options, input.bytes, input.compressed)
}

pub(super) fn columns(input: Input, options: &ReadOptions) -> Result<Vec<Vec<f64>>> {
    let path = input.path().to_path_buf();
    read_columns(input.reader, &path, options, input.bytes, input.compressed)
}

/// `bytes` is an upper bound on the text's length, if known.
pub(super) fn read_matrix(
    reader: impl Read,
    name: &Path,
    options: &ReadOptions,
    bytes: Option<u64>,
    compressed: bool,
) -> Result<Loaded> {
    let mut lines = Lines::new(reader, name, compressed, options.halt.clone());
    if let Some(what) = foreign(lines.head()?) {
        return Err(lines.error_here(format!("{what}, not Matrix Market text")));
    }
    let head = Header::read(&mut lines, options, bytes)?;
    let mut notes = Notes::new(head.format, head.field, head.symmetry);
    let twice = |yes: bool| if yes { 2 } else { 1 };
    let stored = match head.format {
        Format::Array => 0,
        _ => head.count.saturating_mul(twice(head.symmetry != Symmetry::General)),
    };
    // Imaginary parts make a matrix of their own.
    let stored = stored.saturating_mul(twice(head.field == Field::Complex));
    head.check_memory(&lines, stored, options)?;
    let (mut list, mut imaginary) = (List::default(), List::default());
    // An uncompressed file of that size does hold so many; the bound for gzip may be a thousand times too high.
    list.reserve(if bytes.is_some() && !compressed { stored as usize } else { 0 }, options)?;
    let sparse = head.format != Format::Array;
    head.entries(&mut lines, &mut notes, |lines, i, j, (re, im)| {
        // Zeros of a dense file are not stored.
        if !sparse && (re, im) == (0.0, 0.0) {
            return Ok(());
        }
        let stored = list.values.len() + imaginary.values.len();
        for (list, v) in [(&mut list, Some(re)), (&mut imaginary, Some(im).filter(|im| *im != 0.0))] {
            let Some(v) = v else { continue };
            if list.values.len() + 2 > list.values.capacity() {
                head.check_memory(lines, stored as u64 + 2, options)?;
                list.reserve(2, options)?;
            }
            list.push(i, j, v);
        }
        if head.symmetry == Symmetry::Hermitian && i == j && im != 0.0 {
            let message = format!("entry ({0}, {0}) of a hermitian matrix must be real", u64::from(i) + 1);
            return Err(lines.error_here(message));
        }
        if let Some((re, im)) = head.symmetry.mirrored(i, j, (re, im)) {
            list.push(j, i, re);
            if im != 0.0 {
                imaginary.push(j, i, im);
            }
        }
        Ok(())
    })?;
    let (stored, diagonal) = (list.values.len(), list.diagonal);
    let build = |list: List| {
        list.into_csr(head.rows, head.cols, options).map_err(|e| match e {
            Error::Input(message) => Error::Input(format!("{}: {message}", name.display())),
            other => other,
        })
    };
    let matrix = build(list)?;
    let imaginary = if head.field == Field::Complex { Some(build(imaginary)?) } else { None };
    let lost = (stored - matrix.nnz()) as u64;
    notes.duplicates = match head.symmetry {
        Symmetry::General => lost,
        // Off the diagonal each entry of the file was stored twice.
        _ if lost == 0 => 0,
        _ => {
            let kept = (0..matrix.rows()).filter(|&i| matrix.row(i).0.binary_search(&(i as u32)).is_ok()).count();
            let on_diagonal = (diagonal - kept) as u64;
            on_diagonal + (lost - on_diagonal) / 2
        }
    };
    Ok(Loaded { matrix, imaginary, notes })
}

/// Columns of a matrix as full vectors; a plain list of numbers is one column.
pub(super) fn read_columns(
    reader: impl Read,
    name: &Path,
    options: &ReadOptions,
    bytes: Option<u64>,
    compressed: bool,
) -> Result<Vec<Vec<f64>>> {
    let mut lines = Lines::new(reader, name, compressed, options.halt.clone());
    let head = lines.head()?;
    if let Some(what) = foreign(head) {
        return Err(lines.error_here(format!("{what}, not a vector as text")));
    }
    if !is_one(head) {
        return Ok(vec![read_plain(lines, options)?]);
    }
    let head = Header::read(&mut lines, options, bytes)?;
    let parts = if options.complex { 2 } else { 1 };
    let n = head.rows * parts;
    let bytes = (8 * n + size_of::<Vec<f64>>()) as u128 * head.cols as u128;
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    if bytes > options.memory_limit {
        return Err(lines.error_here(over_limit(bytes, options)));
    }
    let mut notes = Notes::new(head.format, head.field, head.symmetry);
    let mut columns: Vec<Vec<f64>> = zeros(head.cols, options)?;
    if head.format == Format::Array && head.symmetry == Symmetry::General {
        head.entries(&mut lines, &mut notes, |_, _, j, v| push_number(&mut columns[j as usize], v, n as u64, options))?;
        return Ok(columns);
    }
    for x in &mut columns {
        *x = zeros(n, options)?;
    }
    head.entries(&mut lines, &mut notes, |lines, i, j, value| {
        let mirrored = head.symmetry.mirrored(i, j, value).map(|value| (j, i, value));
        for (i, j, (re, im)) in std::iter::once((i, j, value)).chain(mirrored) {
            let place = i as usize * parts;
            for (x, v) in columns[j as usize][place..place + parts].iter_mut().zip([re, im]) {
                *x += v;
                if !x.is_finite() {
                    let row = u64::from(i) + 1;
                    return Err(lines.error_here(format!("the sum of duplicate entries at row {row} overflows f64")));
                }
            }
        }
        Ok(())
    })?;
    Ok(columns)
}

fn read_plain<R: Read>(mut lines: Lines<R>, options: &ReadOptions) -> Result<Vec<f64>> {
    lines.plain_text();
    let mut x = Vec::new();
    while lines.advance()? {
        let mut tokens = lines.tokens();
        let value = tokens.value("value", false)?.value;
        tokens.finish("the value; a plain vector has one number per line")?;
        push_number(&mut x, (value, 0.0), options.memory_limit / 8, options)?;
    }
    if x.is_empty() {
        return Err(lines.error_here("the file holds no numbers"));
    }
    Ok(x)
}

/// Appends a number to a vector of at most `most`; with its imaginary part if complex values are read.
fn push_number(x: &mut Vec<f64>, (re, im): (f64, f64), most: u64, options: &ReadOptions) -> Result<()> {
    push(x, re, most, options)?;
    if options.complex { push(x, im, most, options) } else { Ok(()) }
}

fn push(x: &mut Vec<f64>, v: f64, most: u64, options: &ReadOptions) -> Result<()> {
    if x.len() == x.capacity() {
        let needed = 8 * (x.len() as u64 + 1);
        let room = most.saturating_sub(x.len() as u64);
        let more = room.min(x.len().max(1024) as u64) as usize;
        if more == 0 || x.try_reserve_exact(more).is_err() {
            return Err(no_memory("a vector", needed, options));
        }
    }
    x.push(v);
    Ok(())
}

const BANNER: &[u8] = b"%%MatrixMarket";

/// Banner and size line.
struct Header {
    format: Format,
    field: Field,
    symmetry: Symmetry,
    rows: usize,
    cols: usize,
    /// Lines of entries that follow.
    count: u64,
    /// Number of the size line.
    line: u64,
}

impl Header {
    fn read<R: Read>(lines: &mut Lines<R>, options: &ReadOptions, bytes: Option<u64>) -> Result<Self> {
        if !lines.advance_any()? {
            return Err(lines.error_here("the file is empty"));
        }
        let mut tokens = lines.tokens();
        let banner = tokens.token().unwrap_or_default();
        // Some programs write only one per cent sign.
        if ![BANNER, &BANNER[1..]].iter().any(|b| banner.eq_ignore_ascii_case(b)) {
            return Err(tokens.error(format!("the first line must start with %%MatrixMarket, not {}", quote(banner))));
        }
        word(&mut tokens, "object", &["matrix"], &["vector", "graph"])?;
        let format = match word(&mut tokens, "format", &["coordinate", "array"], &[])? {
            "array" => Format::Array,
            _ => Format::Coordinate,
        };
        let field =
            match word(&mut tokens, "field", &["real", "integer", "unsigned-integer", "pattern", "complex"], &[])? {
                "integer" | "unsigned-integer" => Field::Integer,
                "pattern" if format == Format::Array => {
                    return Err(tokens.error("`array` with `pattern` is no legal combination: no values would be left"));
                }
                "pattern" if !options.pattern_as_ones => {
                    return Err(
                        tokens.error("a `pattern` file has no values; the option `pattern_as_ones` reads it with ones")
                    );
                }
                "pattern" => Field::Pattern,
                "complex" if !options.complex => {
                    return Err(tokens
                        .error("a `complex` file needs the option `complex`, which solves the equivalent real form"));
                }
                "complex" => Field::Complex,
                _ => Field::Real,
            };
        let known = ["general", "symmetric", "skew-symmetric", "hermitian"];
        let symmetry = match word(&mut tokens, "symmetry", &known, &[])? {
            "general" => Symmetry::General,
            "skew-symmetric" if field == Field::Pattern => {
                return Err(tokens.error("`pattern` with `skew-symmetric` is no legal combination: signs need values"));
            }
            "skew-symmetric" => Symmetry::SkewSymmetric,
            "hermitian" if field == Field::Pattern => {
                return Err(tokens.error("`pattern` with `hermitian` is no legal combination"));
            }
            "hermitian" if field == Field::Complex => Symmetry::Hermitian,
            _ => Symmetry::Symmetric,
        };
        tokens.finish("the banner's five words")?;

        let shape = if format == Format::Array { "`rows columns`" } else { "`rows columns entries`" };
        if !lines.advance()? {
            return Err(lines.error_here(format!("the file ends before the size line {shape}")));
        }
        let mut tokens = lines.tokens();
        let limit = u64::from(u32::MAX);
        let rows = tokens.count("rows", limit)?;
        let cols = tokens.count("columns", limit)?;
        let (count, least) = match (format, symmetry) {
            (Format::Array, Symmetry::General) => (u128::from(rows) * u128::from(cols), 2),
            (Format::Array, Symmetry::Symmetric | Symmetry::Hermitian) => {
                (u128::from(rows) * (u128::from(rows) + 1) / 2, 2)
            }
            (Format::Array, Symmetry::SkewSymmetric) => (u128::from(rows) * u128::from(rows.saturating_sub(1)) / 2, 2),
            _ => (u128::from(tokens.count("entries", u64::MAX >> 1)?), 4),
        };
        tokens.finish(&format!("the size line {shape}"))?;
        if symmetry != Symmetry::General && rows != cols {
            return Err(lines.error_here(format!("a {rows} x {cols} matrix can't be symmetric or skew-symmetric")));
        }
        // The shortest entry is `1 1` or `0`, with its line end.
        if let Some(most) = bytes.map(|b| b / least).filter(|&most| count > u128::from(most)) {
            return Err(lines.error_here(format!(
                "{count} entries can't be: a file of this size holds {most} at most (is it truncated?)"
            )));
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        Ok(Self { format, field, symmetry, rows: rows as usize, cols: cols as usize, count, line: lines.number() })
    }

    /// Checks before allocation that `stored` entries fit the memory limit.
    fn check_memory<R: Read>(&self, lines: &Lines<R>, stored: u64, options: &ReadOptions) -> Result<()> {
        let needed = stored.saturating_mul(ENTRY_BYTES).saturating_add(self.rows as u64 * ROW_BYTES);
        if needed <= options.memory_limit {
            return Ok(());
        }
        let message =
            format!("{} x {} with {stored} entries stored {}", self.rows, self.cols, over_limit(needed, options));
        Err(Error::Parse { file: lines.file().to_path_buf(), line: self.line, column: None, message })
    }

    /// Hands every entry of the file to `sink`, 0-based and checked: row, column, real and imaginary part.
    fn entries<R: Read>(
        &self,
        lines: &mut Lines<R>,
        notes: &mut Notes,
        mut sink: impl FnMut(&Lines<R>, u32, u32, (f64, f64)) -> Result<()>,
    ) -> Result<()> {
        let integer = self.field == Field::Integer;
        let shape = match (self.format, self.field) {
            (Format::Array, Field::Complex) => "the value; an array has one value per line, its two parts",
            (Format::Array, _) => "the value; an array has one value per line",
            (_, Field::Pattern) => "`row column`",
            (_, Field::Complex) => "`row column real imaginary`",
            _ => "`row column value`",
        };
        // First line with an entry below the diagonal, and above it.
        let mut triangle = [0u64; 2];
        let strict = u32::from(self.symmetry == Symmetry::SkewSymmetric);
        let (mut i, mut j) = (strict, 0);
        while lines.advance()? {
            if notes.entries == self.count {
                let text = format!("there are more entries than the {} that line {} promises", self.count, self.line);
                return Err(lines.error_here(text));
            }
            let mut tokens = lines.tokens();
            if self.format == Format::Coordinate {
                i = tokens.index("row", self.rows)?;
                j = tokens.index("column", self.cols)?;
            }
            let mut value = (1.0, 0.0);
            if self.field != Field::Pattern {
                let v = tokens.value("value", integer)?;
                value.0 = v.value;
                notes.subnormals += u64::from(v.tiny);
                notes.rounded_integers += u64::from(v.rounded);
            }
            if self.field == Field::Complex {
                let v = tokens.value("imaginary part", false)?;
                value.1 = v.value;
                notes.subnormals += u64::from(v.tiny);
            }
            tokens.finish(shape)?;
            notes.entries += 1;
            if self.format == Format::Coordinate {
                notes.explicit_zeros += u64::from(value == (0.0, 0.0));
                if self.symmetry != Symmetry::General {
                    self.check_triangle(lines, &mut triangle, (i, j), value)?;
                }
            }
            sink(lines, i, j, value)?;
            if self.format == Format::Array {
                // Column by column; of a symmetric matrix only the lower triangle.
                i += 1;
                if i as usize == self.rows {
                    j += 1;
                    i = if self.symmetry == Symmetry::General { 0 } else { j + strict };
                }
            }
        }
        if notes.entries < self.count {
            let text = format!(
                "the file ends after {} of the {} entries that line {} promises",
                notes.entries, self.count, self.line
            );
            return Err(lines.error_here(text));
        }
        Ok(())
    }

    fn check_triangle<R: Read>(
        &self,
        lines: &Lines<R>,
        triangle: &mut [u64; 2],
        (i, j): (u32, u32),
        value: (f64, f64),
    ) -> Result<()> {
        let kind = self.symmetry.word();
        let place = format_args!("({}, {})", u64::from(i) + 1, u64::from(j) + 1);
        if i == j {
            if self.symmetry == Symmetry::SkewSymmetric && value != (0.0, 0.0) {
                return Err(
                    lines.error_here(format!("entry {place}, not zero, is on the diagonal of a skew-symmetric matrix"))
                );
            }
            return Ok(());
        }
        let side = usize::from(i < j);
        if triangle[side] == 0 {
            triangle[side] = lines.number();
        }
        match triangle[1 - side] {
            0 => Ok(()),
            line => Err(lines.error_here(format!(
                "entry {place} is on the other side of the diagonal than line {line}; a {kind} file stores one triangle"
            ))),
        }
    }
}

/// The next word of the banner: one of `known`, else an error that names it; those of `other` are called unsupported.
fn word<'k>(tokens: &mut Tokens<'_>, what: &str, known: &[&'k str], other: &[&str]) -> Result<&'k str> {
    let Some(token) = tokens.token() else {
        return Err(tokens.error(format!("the banner ends before its {what} ({})", known.join(", "))));
    };
    let is = |k: &&&str| token.eq_ignore_ascii_case(k.as_bytes());
    if let Some(k) = known.iter().find(is) {
        return Ok(k);
    }
    if let Some(k) = other.iter().find(is) {
        return Err(tokens.error(format!("{what} `{k}` is not supported yet ({} is)", known.join(", "))));
    }
    let near = did_you_mean(&String::from_utf8_lossy(token), known.iter().copied());
    Err(tokens.error(format!("{what} {} is none of {}{near}", quote(token), known.join(", "))))
}
