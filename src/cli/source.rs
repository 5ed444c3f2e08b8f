//! Matrices and vectors by the names users give them.

use super::args::MatrixArgs;
use super::progress;
use krylane::io::{Notes, ReadOptions, read_matrix, read_vector};
use krylane::matrix::{Csr, gallery};
use krylane::random::Random;
use krylane::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a matrix comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File { path: PathBuf, options: ReadOptions },
    Gallery(Generated),
}

/// A matrix of the gallery.
#[derive(Clone, Debug)]
pub(super) struct Generated {
    pub(super) name: String,
    pub(super) size: usize,
    pub(super) params: Vec<(String, f64)>,
}

/// A matrix with its name.
pub(super) struct Matrix {
    pub(super) name: String,
    pub(super) csr: Arc<Csr>,
    /// What the file had to say.
    pub(super) notes: Option<Notes>,
}

impl Source {
    pub(super) fn new(args: MatrixArgs) -> Result<Self> {
        let params = args.set.iter().map(|s| parameter(s)).collect::<Result<Vec<_>>>()?;
        if let Some(spec) = &args.gallery {
            let (name, size) = name_and_size(spec)
                .ok_or_else(|| Error::input(format!("--gen {spec}: the form is NAME:SIZE, as in poisson2d:500")))?;
            return Ok(Self::Gallery(Generated { name, size, params }));
        }
        let text = args.matrix.unwrap_or_default();
        let path = PathBuf::from(&text);
        match name_and_size(&text) {
            Some((name, size)) if !path.exists() => Ok(Self::Gallery(Generated { name, size, params })),
            _ if gallery::NAMES.iter().any(|f| f.name == text) && !path.exists() => Err(Error::input(format!(
                "{text}: no such file; for the gallery's matrix add a size, as in {text}:100"
            ))),
            _ if !params.is_empty() => Err(Error::input("--set goes with a matrix of the gallery")),
            _ => Ok(Self::File {
                path,
                options: ReadOptions { pattern_as_ones: args.pattern_as_ones, ..ReadOptions::default() },
            }),
        }
    }

    pub(super) fn load(&self, quiet: bool) -> Result<Matrix> {
        match self {
            Self::File { path, options } => {
                let _spinner = progress::spinner(format!("reading {}", path.display()), quiet);
                let loaded = read_matrix(path, options)?;
                Ok(Matrix { name: path.display().to_string(), csr: Arc::new(loaded.matrix), notes: Some(loaded.notes) })
            }
            Self::Gallery(g) => {
                let _spinner = progress::spinner(format!("making {}:{}", g.name, g.size), quiet);
                Ok(Matrix { name: format!("{}:{}", g.name, g.size), csr: Arc::new(g.make()?), notes: None })
            }
        }
    }

    /// The options that vectors beside this matrix are read with.
    pub(super) fn read_options(&self) -> ReadOptions {
        match self {
            Self::File { options, .. } => options.clone(),
            Self::Gallery(_) => ReadOptions::default(),
        }
    }

    /// A vector of `rows` entries from a file.
    pub(super) fn vector(&self, what: &str, path: &Path, rows: usize) -> Result<Vec<f64>> {
        let v = read_vector(path, &self.read_options())?;
        if v.len() != rows {
            return Err(Error::input(format!(
                "{}: {what} has {} entries, the matrix has {rows} rows",
                path.display(),
                v.len()
            )));
        }
        Ok(v)
    }
}

impl Generated {
    pub(super) fn make(&self) -> Result<Csr> {
        gallery::by_name(&self.name, self.size, &self.params)
    }
}

/// A right-hand side.
#[derive(Clone, Debug)]
pub(super) enum Rhs {
    Ones,
    Random(u64),
    File(PathBuf),
}

impl Rhs {
    pub(super) fn new(text: &str) -> Result<Self> {
        Ok(match text.split_once(':') {
            _ if text == "ones" => Self::Ones,
            Some(("random", seed)) => Self::Random(seed.parse().map_err(|_| {
                Error::input(format!("--rhs {text}: the seed is a whole number from 0 to {}", u64::MAX))
            })?),
            _ if !Path::new(text).exists() => {
                let hint =
                    if text == "random" { "random:SEED, as in random:1" } else { "a file, ones, or random:SEED" };
                return Err(Error::input(format!("--rhs {text}: no such file; --rhs takes {hint}")));
            }
            _ => Self::File(text.into()),
        })
    }

    pub(super) fn make(&self, rows: usize, source: &Source) -> Result<Vec<f64>> {
        match self {
            Self::Ones => Ok(vec![1.0; rows]),
            Self::Random(seed) => Ok(Random::new(*seed).vector(rows)),
            Self::File(path) => source.vector("b", path, rows),
        }
    }
}

/// `KEY=VALUE`.
pub(super) fn parameter(text: &str) -> Result<(String, f64)> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Error::input(format!("--set {text}: the form is KEY=VALUE, as in epsilon=0.1")))?;
    let number = value.parse().map_err(|_| Error::input(format!("--set {text}: {value:?} is not a number")))?;
    Ok((key.into(), number))
}

pub(super) fn name_and_size(text: &str) -> Option<(String, usize)> {
    let (name, size) = text.split_once(':')?;
    Some((name.into(), size.parse().ok()?))
}
