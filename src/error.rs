//! What can go wrong before or beside a solve: bad input, the environment, I/O.
//!
//! Not converging is no error: it is an outcome, told in a [`Report`](crate::Report).

use std::path::PathBuf;

/// Everything the library returns as `Err`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A matrix, vector or option that can't be used as given.
    #[error("{0}")]
    Input(String),
    /// A file that isn't what its format says; names the place.
    #[error("{}:{line}{}: {message}", file.display(), column.map(|c| format!(":{c}")).unwrap_or_default())]
    Parse {
        /// The file as the caller named it.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// Column in bytes, counted from 1, where one can be named.
        column: Option<u64>,
        /// What is wrong, with the offending token and the limit it breaks.
        message: String,
    },
    /// A file that can't be opened, read or written.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file as the caller named it.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A preconditioner can't be set up for this matrix. A solve reports it as an outcome.
    #[error("row {row}: {message}")]
    Preconditioner {
        /// The row at fault, counted from 0.
        row: usize,
        /// What is wrong with it.
        message: String,
    },
    /// No adapter fits the request; lists those there are.
    #[error("{0}")]
    NoAdapter(String),
    /// The device went away or refused work.
    #[error("GPU device: {0}")]
    Device(String),
    /// Ranks that share a solve lost one of them, or went different ways.
    #[error("{0}")]
    Ranks(String),
    /// A solve that did not end in what was asked for, for callers that use `?` on
    /// [`Report::into_result`](crate::Report::into_result). The message has the advice; inside is a
    /// [`NotConverged`](crate::NotConverged) with the whole report, to be had by `downcast`.
    #[error(transparent)]
    NotConverged(Box<dyn std::error::Error + Send + Sync>),
    /// The system needs more memory than there is.
    #[error("out of memory: {what} needs {needed} bytes, {available} are {}", if *budget { "allowed" } else { "available" })]
    OutOfMemory {
        /// What was to be stored.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available, by the device's, the system's or the user's word.
        available: u64,
        /// It is the user's word: a budget, not what the machine has.
        budget: bool,
    },
    /// Work cancelled before it was done: reading, generating, setting up. A solve reports it as an outcome.
    #[error("{0}")]
    Halted(Called),
}

/// Who ended work early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Called {
    /// The flag of a [`Halt`](crate::Halt) or of a solver.
    Cancelled,
    /// The clock.
    TimeLimit,
}

impl std::fmt::Display for Called {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::TimeLimit => "time limit reached",
        })
    }
}

impl Error {
    /// Shorthand for [`Error::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// True for bad input and budgets (exit code 2), false for the environment (exit code 3).
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Input(_) | Self::Parse { .. } | Self::Preconditioner { .. } => true,
            Self::Io { .. } => true,
            Self::OutOfMemory { budget, .. } => *budget,
            Self::NoAdapter(_) | Self::Device(_) | Self::Ranks(_) | Self::Halted(_) | Self::NotConverged(_) => false,
        }
    }
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
