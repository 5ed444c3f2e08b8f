//! What the JSON report holds in addition to the library's report.

use super::source::Matrix;
use krylane::Report;
use serde::Serialize;
use std::time::Instant;

/// A report with facts that only the program knows.
#[derive(Serialize)]
pub(super) struct Document<'a, R: Serialize> {
    version: &'static str,
    pub(super) command: Vec<String>,
    /// What `--options` read.
    #[serde(skip_serializing_if = "Option::is_none")]
    options_file: Option<&'static serde_json::Value>,
    pub(super) matrix: MatrixFacts<'a>,
    #[serde(flatten)]
    pub(super) report: R,
    /// The part of [`Self::total_s`] spent on reading or generating the matrix.
    pub(super) read_s: f64,
    /// Wall time of everything: reading, set-up, solve.
    pub(super) total_s: f64,
}

#[derive(Serialize)]
pub(super) struct MatrixFacts<'a> {
    pub(super) name: &'a str,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) nnz: usize,
    /// If true, rows, columns and entries are those of the real form.
    pub(super) complex: bool,
    pub(super) symmetry: &'static str,
    pub(super) file: Option<&'a krylane::io::Notes>,
}

/// The reports of a solve: a single one as it is, several as a list.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Reports<'a> {
    One(&'a Report),
    Several { systems: &'a [Report] },
}

impl<'a, R: Serialize> Document<'a, R> {
    pub(super) fn new(matrix: &'a Matrix, is_symmetric: bool, report: R, begun: Instant) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            command: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
            options_file: super::options_file::ECHO.get(),
            matrix: MatrixFacts {
                name: &matrix.name,
                rows: matrix.csr.rows(),
                cols: matrix.csr.cols(),
                nnz: matrix.csr.nnz(),
                complex: matrix.complex,
                symmetry: if is_symmetric { "symmetric" } else { "general" },
                file: matrix.notes.as_ref(),
            },
            report,
            read_s: matrix.seconds,
            total_s: begun.elapsed().as_secs_f64(),
        }
    }
}

impl<R: Serialize> Document<'_, R> {
    /// The command line that repeats this run.
    pub(super) fn command_line(&self) -> String {
        command_line(&self.command)
    }
}

/// Words quoted for a shell; the program by its file name, without its folder.
pub(super) fn command_line(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+%@~".contains(c);
    let quoted = words.iter().enumerate().map(|(k, word)| match word {
        _ if k == 0 => env!("CARGO_PKG_NAME").to_string(),
        word if !word.is_empty() && word.chars().all(plain) => word.clone(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

impl<'a> Reports<'a> {
    pub(super) fn new(reports: &'a [Report]) -> Self {
        match reports {
            [report] => Self::One(report),
            systems => Self::Several { systems },
        }
    }

    pub(super) fn all(&self) -> &'a [Report] {
        match self {
            Self::One(report) => std::slice::from_ref(*report),
            Self::Several { systems } => systems,
        }
    }
}
