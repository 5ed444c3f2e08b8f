//! Harwell–Boeing and Rutherford–Boeing files: compressed columns as Fortran writes them, in fields of fixed width
//! (Duff, Grimes and Lewis 1989, doi:10.1145/62038.62043; 1997, RAL-TR-97-031). Right-hand sides in them are not read.

use super::entries::{Compressed, Values};
use super::formats::Input;
use super::lines::Lines;
use super::{Field, Format, Loaded, Notes, ReadOptions, Symmetry};
use crate::error::{Error, Result};
use std::io::Read;

/// What the third line says: field, symmetry, assembled or not.
fn kind(line: &[u8]) -> Option<[u8; 3]> {
    let word: [u8; 3] = line.get(..3)?.to_ascii_uppercase().try_into().ok()?;
    let known = b"RCPIQ".contains(&word[0]) && b"SUHZR".contains(&word[1]) && b"AE".contains(&word[2]);
    known.then_some(word)
}

/// True if the second line holds line counts and the third a matrix type.
pub(super) fn is_one(head: &[u8]) -> bool {
    let mut lines = head.split(|&b| b == b'\n').skip(1);
    let (counts, third) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let number = |w: &[u8]| w.iter().all(u8::is_ascii_digit);
    let mut words = counts.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
    words.clone().count() >= 4 && words.all(number) && kind(third).is_some()
}

/// Fields of one line: how many, and how wide each is.
#[derive(Clone, Copy)]
struct Layout {
    fields: usize,
    width: usize,
}

impl Layout {
    /// A Fortran format, as in (16I5), (1P,5E16.8), (3(1X,E24.16)).
    fn parse(text: &str) -> Option<Self> {
        let text: String = text.to_ascii_uppercase().chars().filter(|c| !c.is_whitespace()).collect();
        let letter = text.find(['I', 'E', 'D', 'F', 'G'])?;
        let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().ok();
        let width = digits(&text[letter + 1..])?;
        // The count precedes the letter, or the group around it; a scale factor (1P) is not a count.
        let before = &text[..letter];
        let blanks = before.rfind('X').map_or(0, |x| {
            let number: String = before[..x].chars().rev().take_while(char::is_ascii_digit).collect();
            number.chars().rev().collect::<String>().parse().unwrap_or(1)
        });
        let count = |s: &str| {
            let number: String = s.chars().rev().take_while(char::is_ascii_digit).collect();
            number.chars().rev().collect::<String>().parse::<usize>().ok()
        };
        let inner = count(before);
        let group = before.rfind('(').filter(|&k| k > 0).and_then(|k| count(&before[..k]));
        let fields = inner.unwrap_or(1) * group.unwrap_or(1);
        (fields > 0 && width > 0 && fields * (width + blanks) < 10_000)
            .then_some(Self { fields, width: width + blanks })
    }
}

pub(super) fn read_matrix(input: Input, options: &ReadOptions) -> Result<Loaded> {
    let (place, path) = (input.place(), input.path().to_path_buf());
    let mut lines = Lines::new(input.reader, &path, input.compressed, options.halt.clone());
    read(&mut lines, options, input.bytes).map_err(|e| place.name(e))
}

/// The header.
struct Header {
    kind: [u8; 3],
    rows: u64,
    cols: u64,
    entries: u64,
    pointers: Layout,
    indices: Layout,
    values: Option<Layout>,
}

impl Header {
    fn read<R: Read>(lines: &mut Lines<R>) -> Result<Self> {
        let mut next = |what: &str| -> Result<Vec<u8>> {
            if lines.advance_any()? {
                Ok(lines.text().to_vec())
            } else {
                Err(lines.error_here(format!("{what} is missing")))
            }
        };
        next("the title")?;
        let counts = next("the line of counts")?;
        let shape = next("the line of the type")?;
        let formats = next("the line of formats")?;
        let numbers = |line: &[u8]| -> Option<Vec<u64>> {
            let text = std::str::from_utf8(line).ok()?;
            text.split_whitespace().map(|w| w.parse().ok()).collect()
        };
        let counts = numbers(&counts).filter(|c| c.len() >= 4);
        let counts = counts.ok_or_else(|| lines.error_here("the second line does not count lines"))?;
        if counts.get(4).is_some_and(|&rhs| rhs > 0) {
            lines.advance_any()?;
        }
        let Some(kind) = kind(&shape) else {
            return Err(lines.error_here("the third line does not start with a type as RSA"));
        };
        if kind[2] == b'E' {
            return Err(
                lines.error_here("the matrix is not assembled (a sum of element matrices), which is not supported")
            );
        }
        let sizes = numbers(&shape[3..]).filter(|s| s.len() >= 3);
        let sizes = sizes.ok_or_else(|| lines.error_here("the third line has no rows, columns and entries"))?;
        if sizes[0].max(sizes[1]) > u64::from(u32::MAX) {
            return Err(lines.error_here(format!("{} x {} is beyond the limit of {}", sizes[0], sizes[1], u32::MAX)));
        }
        let text = String::from_utf8_lossy(&formats).into_owned();
        let layout = |k: usize| {
            let mut depth = 0;
            let groups = text.split_inclusive(|c: char| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                c == ')' && depth == 0
            });
            groups.into_iter().nth(k).and_then(Layout::parse)
        };
        let wanted =
            |k: usize| layout(k).ok_or_else(|| lines.error_here("the fourth line has no Fortran formats as (16I5)"));
        let values = if counts[3] > 0 && !b"PQ".contains(&kind[0]) { Some(wanted(2)?) } else { None };
        let (rows, cols, entries) = (sizes[0], sizes[1], sizes[2]);
        Ok(Self { kind, rows, cols, entries, pointers: wanted(0)?, indices: wanted(1)?, values })
    }
}

fn read<R: Read>(lines: &mut Lines<R>, options: &ReadOptions, bytes: Option<u64>) -> Result<Loaded> {
    let head = Header::read(lines)?;
    let field = match (head.kind[0], head.values) {
        (b'C', _) if !options.complex => {
            return Err(
                lines.error_here("complex values need the option `complex`, which solves the equivalent real form")
            );
        }
        (b'C', Some(_)) => Field::Complex,
        (b'I', Some(_)) => Field::Integer,
        (_, Some(_)) => Field::Real,
        (_, None) if options.pattern_as_ones => Field::Pattern,
        (_, None) => {
            return Err(
                lines.error_here("the file has places and no values; the option `pattern_as_ones` reads it with ones")
            );
        }
    };
    let symmetry = match head.kind[1] {
        b'S' => Symmetry::Symmetric,
        b'H' if field == Field::Complex => Symmetry::Hermitian,
        b'H' => Symmetry::Symmetric,
        b'Z' => Symmetry::SkewSymmetric,
        _ => Symmetry::General,
    };
    if symmetry != Symmetry::General && head.rows != head.cols {
        return Err(lines.error_here(format!("a {} x {} matrix can't be symmetric", head.rows, head.cols)));
    }
    // An entry takes two bytes at least.
    if bytes.is_some_and(|b| head.entries > b) {
        return Err(lines.error_here(format!("{} entries can't be in a file of this size", head.entries)));
    }
    let mut notes = Notes::new(Format::HarwellBoeing, field, symmetry);
    let limit = head.entries + 1;
    let pointers = numbers(lines, head.pointers, head.cols + 1, "column starts", options, |f| whole(f, limit))?;
    let indices = numbers(lines, head.indices, head.entries, "row indices", options, |f| whole(f, head.rows))?;
    let count = head.entries.saturating_mul(if field == Field::Complex { 2 } else { 1 });
    let flat = match head.values {
        Some(layout) => numbers(lines, layout, count, "values", options, real)?,
        None => vec![1.0; indices.len()],
    };
    let values = match field {
        Field::Complex => {
            let (re, im) = crate::matrix::complex::split(&flat);
            Values { re, im: Some(im) }
        }
        _ => Values { re: flat, im: None },
    };
    notes.field = field;
    let (rows, cols) = (head.rows as usize, head.cols as usize);
    let starts = pointers.into_iter().map(|p| p as usize).collect();
    let indices = indices.into_iter().map(|i| i as u32).collect();
    let made = Compressed { by_rows: false, rows, cols, starts, indices, values };
    made.check("the column starts", "row indices").map_err(Error::Input)?;
    made.load(notes, options)
}

/// Converts an integer in 1..=`limit` to a 0-based one.
fn whole(field: &str, limit: u64) -> Result<u64, String> {
    match field.parse::<u64>() {
        Ok(n) if (1..=limit).contains(&n) => Ok(n - 1),
        _ => Err(format!("is not from 1 to {limit}")),
    }
}

/// A finite number. Fortran's D may mark the exponent, or just its sign if three digits left no room for a letter.
fn real(field: &str) -> Result<f64, String> {
    let plain = field.replace(['d', 'D'], "e");
    let mended = || {
        let sign = plain.char_indices().skip(1).find(|&(_, c)| c == '-' || c == '+')?.0;
        format!("{}e{}", &plain[..sign], &plain[sign..]).parse::<f64>().ok()
    };
    match plain.parse::<f64>().ok().or_else(mended) {
        Some(v) if v.is_finite() => Ok(v),
        Some(_) => Err("is not finite".into()),
        None => Err("is not a number".into()),
    }
}

/// Reads `count` fields from the lines that follow.
fn numbers<R: Read, T>(
    lines: &mut Lines<R>,
    layout: Layout,
    count: u64,
    what: &str,
    options: &ReadOptions,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>> {
    let needed = count.saturating_mul(size_of::<T>() as u64);
    if needed > options.memory_limit {
        return Err(super::entries::no_memory(what, needed, options));
    }
    let mut out = Vec::new();
    while (out.len() as u64) < count {
        if !lines.advance_any()? {
            return Err(lines.error_here(format!("the file ends after {} of {count} {what}", out.len())));
        }
        out.try_reserve(layout.fields).map_err(|_| super::entries::no_memory(what, needed, options))?;
        let text = lines.text();
        for k in 0..layout.fields {
            let end = text.len().min((k + 1) * layout.width);
            let Some(field) = text.get(k * layout.width..end).filter(|_| (out.len() as u64) < count) else { break };
            let field = String::from_utf8_lossy(field);
            let field = field.trim();
            if field.is_empty() {
                continue;
            }
            let value = parse(field);
            out.push(value.map_err(|why| lines.error_here(format!("`{field}`, of the {what}, {why}")))?);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fortran_formats_and_numbers() {
        for (text, fields, width) in [
            ("(16I5)", 16, 5),
            (" (10i8) ", 10, 8),
            ("(1P,5D16.8)", 5, 16),
            ("(1P5E16.8)", 5, 16),
            ("(3E26.18)", 3, 26),
            ("(I12)", 1, 12),
            ("(3(1X,E24.16))", 3, 25),
            ("(5F10.4)", 5, 10),
        ] {
            let layout = Layout::parse(text).unwrap();
            assert_eq!((layout.fields, layout.width), (fields, width), "{text}");
        }
        for text in ["", "(16A5)", "(0I5)", "(I)"] {
            assert!(Layout::parse(text).is_none(), "{text}");
        }
        assert_eq!(real("1.5D+02"), Ok(150.0));
        assert_eq!(real("-1.5-101"), Ok(-1.5e-101));
        assert!(real("NaN").is_err() && real("x").is_err());
    }
}
