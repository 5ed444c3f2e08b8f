//! Lines and tokens of a text file, in bounded memory; the position of every token is known.

use crate::error::{Error, Result};
use crate::host::halt::Halt;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Longest line of data; a longer one is no Matrix Market file, or an attack.
const MAX_LINE: usize = 1 << 20;
/// Most bytes of comments and blank lines in one file: bounds what a compressed file can make us skim.
const MAX_IGNORED: u64 = 1 << 28;
/// A comment longer than this is skipped without being held.
const LONG_COMMENT: usize = 1 << 16;

/// Reads lines from `source` through one buffer that never exceeds [`MAX_LINE`] by much.
pub(super) struct Lines<R> {
    source: R,
    file: PathBuf,
    compressed: bool,
    /// Checked before each piece of the file is read.
    halt: Halt,
    /// Bytes that start a comment line.
    comment: &'static [u8],
    buffer: Vec<u8>,
    /// The current line in `buffer`, without its end.
    text: Range<usize>,
    /// First byte not yet returned, and end of the bytes read.
    next: usize,
    filled: usize,
    ended: bool,
    number: u64,
    ignored: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R, file: &Path, compressed: bool, halt: Halt) -> Self {
        let buffer = vec![0; 1 << 18];
        let file = file.to_path_buf();
        Self {
            source,
            file,
            compressed,
            halt,
            comment: b"%",
            buffer,
            text: 0..0,
            next: 0,
            filled: 0,
            ended: false,
            number: 0,
            ignored: 0,
        }
    }

    /// Treats lines that start with `#` as comments too, as in plain lists of numbers.
    pub(super) fn plain_text(&mut self) {
        self.comment = b"%#";
    }

    /// The first bytes of the file, byte-order mark skipped; call it before the first line.
    pub(super) fn head(&mut self) -> Result<&[u8]> {
        while !self.ended && self.filled < 512 {
            self.refill()?;
        }
        if self.buffer[..self.filled].starts_with(b"\xef\xbb\xbf") {
            self.next = 3;
        }
        Ok(&self.buffer[self.next..self.filled])
    }

    /// Goes to the next line that is neither blank nor a comment; false at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool> {
        while self.advance_any()? {
            let text = &self.buffer[self.text.clone()];
            match text.iter().find(|b| !is_blank(**b)) {
                Some(b) if !self.comment.contains(b) => return Ok(true),
                _ => self.ignore(text.len() + 1)?,
            }
        }
        Ok(false)
    }

    /// Goes to the next line of any kind except a long comment; false at the end of the file.
    pub(super) fn advance_any(&mut self) -> Result<bool> {
        loop {
            let rest = &self.buffer[self.next..self.filled];
            let (length, skip) = match find_newline(rest) {
                Some(k) => (k, 1),
                None if self.ended && rest.is_empty() => return Ok(false),
                None if self.ended => (rest.len(), 0),
                None => {
                    let comment = rest.iter().find(|b| !is_blank(**b)).is_some_and(|b| self.comment.contains(b));
                    // The first line is the banner and starts like a comment.
                    if comment && self.number > 0 && rest.len() > LONG_COMMENT {
                        self.skip_comment()?;
                    } else if rest.len() > MAX_LINE {
                        self.number += 1;
                        return Err(self.error_here(format!("the line is longer than {MAX_LINE} bytes")));
                    } else {
                        self.refill()?;
                    }
                    continue;
                }
            };
            self.text = self.next..self.next + length;
            self.next += length + skip;
            self.number += 1;
            return Ok(true);
        }
    }

    /// The current line.
    pub(super) fn text(&self) -> &[u8] {
        &self.buffer[self.text.clone()]
    }

    /// The tokens of the current line.
    pub(super) fn tokens(&self) -> Tokens<'_> {
        Tokens { text: &self.buffer[self.text.clone()], at: 0, from: 0, file: &self.file, line: self.number }
    }

    /// Number of the current line, from 1; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// An error about the current line as a whole.
    pub(super) fn error_here(&self, message: impl Into<String>) -> Error {
        Error::Parse { file: self.file.clone(), line: self.number.max(1), column: None, message: message.into() }
    }

    fn skip_comment(&mut self) -> Result<()> {
        loop {
            let rest = self.filled - self.next;
            if let Some(k) = find_newline(&self.buffer[self.next..self.filled]) {
                self.next += k + 1;
                self.number += 1;
                return self.ignore(k + 1);
            }
            self.next = self.filled;
            self.ignore(rest)?;
            if self.ended {
                self.number += 1;
                return Ok(());
            }
            self.refill()?;
        }
    }

    fn ignore(&mut self, bytes: usize) -> Result<()> {
        self.ignored += bytes as u64;
        if self.ignored > MAX_IGNORED {
            return Err(self.error_here(format!("more than {MAX_IGNORED} bytes of comments and blank lines")));
        }
        Ok(())
    }

    fn refill(&mut self) -> Result<()> {
        self.halt.check()?;
        self.buffer.copy_within(self.next..self.filled, 0);
        self.filled -= self.next;
        self.next = 0;
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled * 2, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Ok(n) => {
                    self.filled += n;
                    self.ended = n == 0;
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if self.compressed && e.kind() == ErrorKind::UnexpectedEof => {
                    return Err(self.error_here("the gzip data end early after this line: the file is truncated"));
                }
                Err(e) if self.compressed && matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
                    return Err(self.error_here(format!("the gzip data are corrupt after this line: {e}")));
                }
                Err(source) => return Err(Error::Io { file: self.file.clone(), source }),
            }
        }
    }
}

/// The tokens of one line, left to right.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Start of the token last looked at.
    from: usize,
    file: &'a Path,
    line: u64,
}

/// A value and what is noteworthy about it.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) value: f64,
    /// Below the normal range of f64, down to zero.
    pub(super) tiny: bool,
    /// A whole number that f64 had to round.
    pub(super) rounded: bool,
}

impl<'a> Tokens<'a> {
    /// The next token, `None` at the end of the line.
    pub(super) fn token(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let rest = &self.text[self.from..];
        let length = rest.iter().position(|&b| is_blank(b)).unwrap_or(rest.len());
        self.at = self.from + length;
        (length > 0).then(|| &rest[..length])
    }

    /// An error at the token last looked at.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        let column = Some(self.from as u64 + 1);
        Error::Parse { file: self.file.to_path_buf(), line: self.line, column, message: message.into() }
    }

    /// Refuses anything more on this line; `shape` says what the line should hold.
    pub(super) fn finish(&mut self, shape: &str) -> Result<()> {
        match self.token() {
            None => Ok(()),
            Some(extra) => Err(self.error(format!("unexpected {} after {shape}", quote(extra)))),
        }
    }

    /// A 1-based index up to `limit`, as a 0-based one; `what` is "row" or "column".
    pub(super) fn index(&mut self, what: &str, limit: usize) -> Result<u32> {
        self.skip_blanks();
        let mut value = 0u64;
        let mut at = self.from;
        while let Some(d) = self.text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|&d| d <= 9) {
            // Saturates, so that 2³² + 1 and 2⁶⁴ + 1 stay out of range instead of wrapping to 1.
            value = value.saturating_mul(10).saturating_add(u64::from(d));
            at += 1;
        }
        let whole = at > self.from && self.text.get(at).is_none_or(|&b| is_blank(b));
        if whole && value >= 1 && value <= limit as u64 {
            self.at = at;
            return Ok((value - 1) as u32);
        }
        Err(self.index_error(what, limit))
    }

    #[cold]
    fn index_error(&mut self, what: &str, limit: usize) -> Error {
        let Some(token) = self.token() else { return self.error(format!("the {what} index is missing")) };
        let text = quote(token);
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        self.error(if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            format!("{what} index {text} is not a whole number")
        } else if digits.len() < token.len() || digits.iter().all(|&b| b == b'0') {
            format!("{what} index {text} is below 1; indices count from 1")
        } else {
            format!("{what} index {text} is beyond the {limit} {what}s of the size line")
        })
    }

    /// A count on the size line.
    pub(super) fn count(&mut self, what: &str, limit: u64) -> Result<u64> {
        let Some(token) = self.token() else { return Err(self.error(format!("the number of {what} is missing"))) };
        let digits = token.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(token).ok()).flatten();
        match digits {
            Some(d) => match d.parse::<u64>() {
                Ok(n) if n <= limit => Ok(n),
                _ => Err(self.error(format!("{} {what} are beyond the limit of {limit}", quote(token)))),
            },
            None => Err(self.error(format!("the number of {what}, {}, is not a whole number from 0", quote(token)))),
        }
    }

    /// A finite real number; with `integer`, a whole one. `what` names it in errors.
    pub(super) fn value(&mut self, what: &str, integer: bool) -> Result<Value> {
        self.skip_blanks();
        let rest = &self.text[self.from..];
        let (token, parsed) = match scan_real(rest, integer) {
            Some((length, exact)) => {
                self.at = self.from + length;
                if let Some(value) = exact {
                    return Ok(Value { value, tiny: false, rounded: false });
                }
                (&rest[..length], parse_real(&rest[..length]))
            }
            None => match self.token() {
                Some(token) => (token, None),
                None => return Err(self.error(format!("the {what} is missing"))),
            },
        };
        match parsed {
            Some(value) if value.is_finite() => Ok(Value {
                value,
                tiny: value.abs() < f64::MIN_POSITIVE && (value != 0.0 || has_digits(token)),
                rounded: integer && value.abs() > 9e15 && is_rounded(token, value),
            }),
            other => Err(self.value_error(what, token, integer, other)),
        }
    }

    #[cold]
    fn value_error(&self, what: &str, token: &[u8], integer: bool, parsed: Option<f64>) -> Error {
        let text = quote(token);
        let word = String::from_utf8_lossy(token).trim_start_matches(['+', '-']).to_ascii_lowercase();
        self.error(if parsed.is_some() {
            format!("{what} {text} is beyond the range of f64, about 1.8e308")
        } else if matches!(&word[..], "nan" | "inf" | "infinity") {
            format!("{what} {text} is not finite")
        } else if integer && scan_real(token, false).is_some() {
            format!("{what} {text} is not a whole number, but the banner says integer")
        } else if token.contains(&b',') {
            format!("{what} {text} is not a number; decimals take a point, not a comma")
        } else {
            format!("{what} {text} is not a number")
        })
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.from = self.at + rest.iter().position(|&b| !is_blank(b)).unwrap_or(rest.len());
    }
}

/// A token for an error message: printable, and cut where it is long.
pub(super) fn quote(token: &[u8]) -> String {
    let shown: String = token.iter().take(40).flat_map(|&b| std::ascii::escape_default(b)).map(char::from).collect();
    if token.len() > 40 { format!("`{shown}...` ({} bytes)", token.len()) } else { format!("`{shown}`") }
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// Searches eight bytes at a time: a zero byte in x ^ 0x0a0a… marks a newline (its lowest mark is exact).
fn find_newline(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, tail) = text.as_chunks::<8>();
    for (k, word) in words.iter().enumerate() {
        let x = u64::from_le_bytes(*word) ^ (ONES * b'\n' as u64);
        let marks = x.wrapping_sub(ONES) & !x & (ONES << 7);
        if marks != 0 {
            return Some(8 * k + marks.trailing_zeros() as usize / 8);
        }
    }
    tail.iter().position(|&b| b == b'\n').map(|k| 8 * words.len() + k)
}

/// Length of the decimal number at the start of `text`, `None` if there is none. Also its
/// value, if both its digits and its power of ten are exact in f64, so that one operation
/// rounds correctly (Clinger 1990); this holds for most values of most files. Fortran's `D`
/// exponent is accepted; NaN and infinity are not.
fn scan_real(text: &[u8], integer: bool) -> Option<(usize, Option<f64>)> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    let digit = |at: usize| text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|&d| d <= 9);
    let signed = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let (mut at, mut mantissa, mut exponent) = (signed, 0u64, 0i32);
    while let Some(d) = digit(at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(d));
        at += 1;
    }
    let mut digits = at - signed;
    if !integer && text.get(at) == Some(&b'.') {
        let point = at + 1;
        at = point;
        while let Some(d) = digit(at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(d));
            at += 1;
        }
        digits += at - point;
        exponent = -((at - point).min(99) as i32);
    }
    if digits == 0 {
        return None;
    }
    if !integer && matches!(text.get(at), Some(b'e' | b'E' | b'd' | b'D')) {
        let negative = text.get(at + 1) == Some(&b'-');
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'-' | b'+')));
        let (start, mut power) = (at, 0i32);
        while let Some(d) = digit(at) {
            power = power.saturating_mul(10).saturating_add(d.into());
            at += 1;
        }
        if at == start {
            return None;
        }
        exponent = exponent.saturating_add(if negative { -power } else { power });
    }
    if text.get(at).is_some_and(|&b| !is_blank(b)) {
        return None;
    }
    // Up to 15 digits are below 2⁵³; the sums above wrap only beyond 19.
    let exact = POWERS.get(exponent.unsigned_abs() as usize).filter(|_| digits <= 15).map(|power| {
        let size = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
        if text[0] == b'-' { -size } else { size }
    });
    Some((at, exact))
}

/// Parses what [`scan_real`] accepted with the standard library, which does not know `D`.
fn parse_real(token: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(token).ok()?;
    text.parse().or_else(|_| text.replace(['d', 'D'], "e").parse()).ok()
}

/// True when the mantissa is not zero.
fn has_digits(token: &[u8]) -> bool {
    token.iter().take_while(|b| !b.is_ascii_alphabetic()).any(|b| (b'1'..=b'9').contains(b))
}

fn is_rounded(token: &[u8], value: f64) -> bool {
    let exact = std::str::from_utf8(token).ok().and_then(|t| t.parse::<i128>().ok());
    exact.is_none_or(|n| value as i128 != n)
}

/// Names the kind of file, if its first bytes show that it is not text for this reader.
pub(super) fn foreign(head: &[u8]) -> Option<String> {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"\x1f\x8b", "this is gzip data; its name must end in .gz"),
        (b"PK\x03\x04", "this is a zip archive (a SciPy matrix must be named .npz)"),
        (b"\x93NUMPY", "this is a NumPy array"),
        (b"\x89PNG", "this is a PNG image"),
        (b"GIF8", "this is a GIF image"),
        (b"\xff\xd8\xff", "this is a JPEG image"),
        (b"%PDF", "this is a PDF document"),
        (b"BZh", "this is bzip2 data, which are not supported"),
        (b"\xfd7zXZ", "this is xz data, which are not supported"),
        (b"\x28\xb5\x2f\xfd", "this is zstd data, which are not supported"),
        (b"\x89HDF", "this is an HDF5 file"),
        (b"MATLAB 5.0", "this is a MATLAB file"),
        (b"\xff\xfe", "this is UTF-16 text; save it as UTF-8"),
        (b"\xfe\xff", "this is UTF-16 text; save it as UTF-8"),
        (b"<", "this is HTML or XML (a failed download?)"),
    ];
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some((*what).to_string());
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("this is a tar archive; unpack it first".to_string());
    }
    let zero = head.iter().position(|&b| b == 0)?;
    let wide = head.len() > 8 && head.iter().skip(1 - zero % 2).step_by(2).take(4).all(|&b| b != 0) && zero < 2;
    Some(match wide {
        true => "this is UTF-16 text; save it as UTF-8".to_string(),
        false => format!("this is binary data (byte {} is zero)", zero + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn short_numbers_are_read_as_std_reads_them(text in "[-+]?[0-9]{0,17}[.]?[0-9]{0,8}([eE][-+]?[0-9]{0,3})?", end in "[ x]?") {
            let std = text.parse::<f64>().ok().filter(|_| end != "x");
            let ours = scan_real(format!("{text}{end}").as_bytes(), false);
            prop_assert_eq!(ours.map(|(length, _)| length), std.map(|_| text.len()));
            if let Some((_, Some(value))) = ours {
                prop_assert_eq!(value.to_bits(), std.unwrap().to_bits());
            }
        }

        #[test]
        fn newlines_are_found(text in proptest::collection::vec(proptest::sample::select(&b"\x0a\x0b\x8a\x00a"[..]), 0..40)) {
            prop_assert_eq!(find_newline(&text), text.iter().position(|&b| b == b'\n'));
        }
    }
}
