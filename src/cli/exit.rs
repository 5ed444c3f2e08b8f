//! How a run ends: the exit code, and the message of an error.

use std::fmt;
use std::io::Write;

/// The end of a run that did what it was asked for, or was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success,
    NotConverged,
    /// 128 + the signal's number.
    Signal(u8),
    /// Help was printed, or words were not understood.
    Usage(u8),
}

/// An output that can't be written: an error of the environment, not of the input.
#[derive(Debug)]
pub(super) struct NotWritable(pub(super) String);

impl fmt::Display for NotWritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't write {}", self.0)
    }
}
impl std::error::Error for NotWritable {}

/// Prints a line on stderr; if that is closed or full the line is lost without an error. Of several ranks the first
/// one speaks.
pub(crate) fn say(line: &str) {
    if super::ranks::silent() {
        return;
    }
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The exit code of a run.
pub(super) fn code(outcome: &anyhow::Result<Exit>) -> u8 {
    match outcome {
        Ok(Exit::Success) => 0,
        Ok(Exit::NotConverged) => 1,
        Ok(Exit::Signal(code) | Exit::Usage(code)) => *code,
        Err(e) => {
            let environment = e.chain().any(|cause| {
                cause.is::<NotWritable>() || cause.downcast_ref::<krylane::Error>().is_some_and(|e| !e.is_bad_input())
            });
            if environment { 3 } else { 2 }
        }
    }
}

/// Options that the library's texts name in backticks.
const OPTIONS: [&str; 13] = [
    "complex",
    "damp",
    "equilibrate",
    "max_iterations",
    "max_matvecs",
    "memory_limit",
    "pattern_as_ones",
    "precision",
    "restart",
    "rtol",
    "subspace",
    "time_limit",
    "tol",
];

/// A text of the library, with option names in backticks turned into flags.
pub(super) fn flags(text: &str) -> String {
    let flag = |name: &str| format!("--{}", name.replace('_', "-"));
    OPTIONS.iter().fold(text.to_string(), |text, name| text.replace(&format!("`{name}`"), &flag(name)))
}

/// The chain of causes in one line, without repeating what an outer message already says.
pub(super) fn message(e: &anyhow::Error) -> String {
    let text = e.chain().map(ToString::to_string).fold(String::new(), |said, next| match said.as_str() {
        "" => next,
        s if s.contains(&next) => said,
        s => format!("{s}: {next}"),
    });
    flags(&text)
}
