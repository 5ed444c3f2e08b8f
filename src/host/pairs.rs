//! Choices as text: `id`, or `id:key=value,key=value`, as used by the command line, Python and reports.

use super::suggest;
use crate::error::{Error, Result};
use std::ops::RangeInclusive;

/// A type that a key's value can have.
pub(crate) trait Setting: Sized {
    /// The expected form of the text, for error messages.
    const FORM: &'static str;
    /// The value that `text` stands for.
    fn read(text: &str) -> Option<Self>;
    /// A text that `read` accepts.
    fn write(&self) -> String;
    /// The number that must lie in the key's range; `None` if there is none.
    fn number(&self) -> Option<f64> {
        None
    }
}

impl Setting for f64 {
    const FORM: &'static str = "a number";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
    fn number(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Setting for bool {
    const FORM: &'static str = "true or false";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

impl Setting for usize {
    const FORM: &'static str = "a whole number";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
    fn number(&self) -> Option<f64> {
        Some(*self as f64)
    }
}

impl Setting for Option<usize> {
    const FORM: &'static str = usize::FORM;
    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Some)
    }
    fn write(&self) -> String {
        self.map_or(String::new(), |v| v.to_string())
    }
    fn number(&self) -> Option<f64> {
        self.map(|v| v as f64)
    }
}

/// An interval.
impl Setting for Option<(f64, f64)> {
    const FORM: &'static str = "two numbers, as in 0.1..8";
    fn read(text: &str) -> Option<Self> {
        let (low, high) = text.split_once("..")?;
        Some(Some((low.parse().ok()?, high.parse().ok()?)))
    }
    fn write(&self) -> String {
        self.map_or(String::new(), |(low, high)| format!("{low}..{high}"))
    }
}

/// Vectors have no text form; only code can pass them.
impl Setting for Vec<Vec<f64>> {
    const FORM: &'static str = "a list of vectors, which only a program can give";
    fn read(_text: &str) -> Option<Self> {
        None
    }
    fn write(&self) -> String {
        format!("{} vectors", self.len())
    }
}

/// The pairs after the colon of a choice.
pub(crate) struct Pairs<'a> {
    who: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Pairs<'a> {
    /// The pairs of `who`, whose keys are `known`; a value without a key belongs to the first.
    ///
    /// # Errors
    /// An unknown key.
    pub(crate) fn new(who: &'a str, argument: Option<&'a str>, known: &[&'static str]) -> Result<Self> {
        let mut pairs = vec![];
        for text in argument.iter().flat_map(|a| a.split(',')).filter(|p| !p.is_empty()) {
            let (key, value) = match (text.split_once('='), known.first()) {
                (_, None) => return Err(Error::input(format!("{who} has no parameter; {text:?} is one"))),
                (Some(pair), _) => pair,
                (None, Some(first)) => (*first, text),
            };
            if !known.contains(&key) {
                return Err(Error::input(suggest::unknown(&format!("parameter of {who}"), key, known)));
            }
            pairs.push((key, value));
        }
        Ok(Self { who, pairs })
    }

    /// The value of `key`; `default` where none is given.
    ///
    /// # Errors
    /// A text that is not a valid value.
    pub(crate) fn read<T: Setting>(&self, key: &str, default: T) -> Result<T> {
        let Some((_, text)) = self.pairs.iter().rev().find(|p| p.0 == key) else { return Ok(default) };
        T::read(text).ok_or_else(|| Error::input(format!("{}: {key}={text:?}; {key} is {}", self.who, T::FORM)))
    }
}

/// Checks that a value lies in its range.
///
/// # Errors
/// A value outside its range, or NaN.
pub(crate) fn within(who: &str, key: &str, value: &impl Setting, range: &RangeInclusive<f64>) -> Result<()> {
    match value.number() {
        Some(v) if !range.contains(&v) => {
            let bounds = match (*range.start(), *range.end()) {
                (low, f64::MAX) => format!("a finite number, {low} or more"),
                (low, high) => format!("a number from {low} to {high}"),
            };
            Err(Error::input(format!("{who}: {key} is {v}; it must be {bounds}")))
        }
        _ => Ok(()),
    }
}

/// `id`, and the pairs after a colon.
pub(crate) fn text(id: &str, pairs: &[(&str, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { id.into() } else { format!("{id}:{}", pairs.join(",")) }
}
