//! Parsers of flag values, and their completions.

use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use krylane::eigen::EIGEN_METHODS;
use krylane::io::FORMATS;
use krylane::matrix::gallery::NAMES;
use krylane::method::METHODS;
use krylane::precond::PRECONDITIONERS;
use krylane::{Error, Method, Which};
use std::time::Duration;

/// A number of bytes, with K, M, G or T for powers of 1024.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let power = match unit.trim_end_matches("iB").trim_end_matches('B').to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(format!("{unit:?} is not a unit; the form is a whole number with K, M, G or T, as in 8G")),
    };
    let number: u64 =
        digits.parse().map_err(|_| "the form is a whole number with K, M, G or T, as in 8G".to_string())?;
    number.checked_mul(1 << power).ok_or_else(|| format!("{text} is beyond 2^64 bytes"))
}

/// A real or complex number: 1.5, -3i, 1e-3+2i.
pub(super) fn complex_number(text: &str) -> Result<(f64, f64), String> {
    let wrong = || format!("{text:?} is not a number; the form is 1.5, or 1.5+2i");
    let number = |t: &str| t.parse::<f64>().map_err(|_| wrong());
    let Some(body) = text.strip_suffix(['i', 'j']).filter(|body| !body.ends_with('n')) else {
        return Ok((number(text)?, 0.0));
    };
    // The sign between the parts is not that of an exponent.
    let sign = |(k, c): &(usize, char)| *k > 0 && "+-".contains(*c) && !body[..*k].ends_with(['e', 'E']);
    let at = body.char_indices().rfind(sign).map_or(0, |(k, _)| k);
    let (re, im) = body.split_at(at);
    let im = match im {
        "" | "+" => 1.0,
        "-" => -1.0,
        im => number(im)?,
    };
    Ok((if re.is_empty() { 0.0 } else { number(re)? }, im))
}

pub(super) const METHOD: &str = "The method, with its parameters after a colon, as in gmres:restart=50; auto chooses from \
                      properties of the matrix and falls back on others if one fails";

pub(super) fn method_names() -> Vec<(&'static str, &'static str)> {
    let known = METHODS.iter().filter(|m| !m.traits.program_only).map(|m| (m.id, m.about));
    std::iter::once(("auto", "chosen from the matrix, with fallbacks")).chain(known).collect()
}

/// A method by its text: one that a command line can give what it needs.
pub(super) fn method(text: &str) -> krylane::Result<Method> {
    let method: Method = text.parse()?;
    match method.entry() {
        Some(entry) if entry.traits.program_only => Err(Error::input(format!(
            "{} needs vectors that only a program can give it; `krylane solve --help` lists the methods",
            entry.id
        ))),
        _ => Ok(method),
    }
}

pub(super) fn method_lists() -> Vec<(&'static str, &'static str)> {
    listed(method_names(), "every method")
}

pub(super) fn preconditioner_lists() -> Vec<(&'static str, &'static str)> {
    listed(preconditioner_names(), "every preconditioner")
}

fn listed(mut names: Vec<(&'static str, &'static str)>, every: &'static str) -> Vec<(&'static str, &'static str)> {
    names.push(("all", every));
    names
}

pub(super) fn gallery_names() -> Vec<(&'static str, &'static str)> {
    NAMES.iter().map(|f| (f.name, f.about)).collect()
}

pub(super) fn ends() -> PossibleValuesParser {
    PossibleValuesParser::new(Which::ALL.map(|w| PossibleValue::new(w.id())))
}

pub(super) fn eigen_methods() -> PossibleValuesParser {
    let auto = PossibleValue::new("auto").help("chosen from the matrix");
    let known = EIGEN_METHODS.iter().map(|m| PossibleValue::new(m.id).help(m.about));
    PossibleValuesParser::new(std::iter::once(auto).chain(known))
}

/// Words that completion offers for what `parser` reads, with a sentence on each.
#[derive(Clone)]
pub(super) struct Offering<P> {
    parser: P,
    words: fn() -> Vec<(&'static str, &'static str)>,
}

impl<P: TypedValueParser> TypedValueParser for Offering<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<P::Value, clap::Error> {
        self.parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.words)().into_iter().map(|(name, about)| PossibleValue::new(name).help(about))))
    }
}

/// Any text: its user reports errors and suggests the nearest word.
pub(super) fn known(words: fn() -> Vec<(&'static str, &'static str)>) -> Offering<StringValueParser> {
    Offering { parser: StringValueParser::new(), words }
}

/// A file name, or something that begins with one of these words.
pub(super) fn file_or(words: fn() -> Vec<(&'static str, &'static str)>) -> Offering<OsStringValueParser> {
    Offering { parser: OsStringValueParser::new(), words }
}

pub(super) fn preconditioner_names() -> Vec<(&'static str, &'static str)> {
    let known = PRECONDITIONERS.iter().filter(|p| !p.program_only).map(|p| (p.id, p.about));
    std::iter::once(("auto", "chosen from the matrix, with fallbacks")).chain(known).collect()
}

pub(super) fn preconditioners() -> &'static str {
    "The preconditioner, with its parameters after a colon, as in ilut:drop=1e-4"
}

pub(super) fn matrix_help() -> String {
    let known: Vec<String> = FORMATS.iter().map(|f| format!(".{} ({})", f.extensions[0], f.name)).collect();
    format!(
        "A file, gzip-compressed or not: {}; `-` reads stdin, in any of these formats; or a gallery matrix NAME:SIZE if no such file exists, as in poisson2d:500",
        known.join(", ")
    )
}

/// A time: seconds, or a number with ms, s, min or h. A time too long for the clock means no limit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "" | "s" | "sec" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(format!("{unit:?} is not a unit of time; there are ms, s, min, h and d")),
    };
    let seconds = number.trim().parse::<f64>().ok().map(|n| n * factor).filter(|s| *s >= 0.0);
    let seconds = seconds
        .ok_or_else(|| "the form is a number of seconds, 0 or more, or one with a unit, as in 5min".to_string())?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}
