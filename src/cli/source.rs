//! Matrices and vectors by the names users give them.

use super::args::MatrixArgs;
use super::progress::Voice;
use super::{progress, ranks, signals};
use krylane::io::{Notes, ReadOptions, read_columns, read_matrix, read_vector};
use krylane::matrix::{Csr, complex, gallery};
use krylane::random::Random;
use krylane::{Error, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

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
    /// The real form where the matrix is complex.
    pub(super) csr: Arc<Csr>,
    pub(super) complex: bool,
    /// Notes of the reader.
    pub(super) notes: Option<Notes>,
    /// Seconds that reading or generating took.
    pub(super) seconds: f64,
}

impl Matrix {
    /// Whether a_ij = a_ji up to rounding.
    pub(super) fn is_symmetric(&self) -> bool {
        self.csr.is_square() && self.csr.first_asymmetry(1e-12).is_none()
    }
}

impl Source {
    pub(super) fn new(args: MatrixArgs) -> Result<Self> {
        let in_gallery = |name: &str| -> Result<()> {
            let known = gallery::NAMES.iter().find(|f| f.name == name);
            if args.complex && known.is_some_and(|f| !f.is_complex()) {
                return Err(Error::input(format!(
                    "--complex needs a file or a complex gallery matrix; {name} is real"
                )));
            }
            Ok(())
        };
        let params = args.set.iter().map(|s| parameter(s)).collect::<Result<Vec<_>>>()?;
        if let Some(spec) = &args.gallery {
            let (name, size) = name_and_size(spec)
                .ok_or_else(|| Error::input(format!("--gen {spec}: the form is NAME:SIZE, as in poisson2d:500")))?;
            in_gallery(&name)?;
            return Ok(Self::Gallery(Generated { name, size, params }));
        }
        let typed = args.matrix.unwrap_or_default();
        let (path, text) = (file(&typed), typed.to_string_lossy());
        match name_and_size(&text) {
            Some((name, size)) if !path.exists() => {
                in_gallery(&name)?;
                Ok(Self::Gallery(Generated { name, size, params }))
            }
            _ if gallery::NAMES.iter().any(|f| f.name == text) && !path.exists() => {
                Err(Error::input(format!("{text}: no such file; for the gallery matrix add a size, as in {text}:100")))
            }
            _ if !params.is_empty() => Err(Error::input("--set applies only to gallery matrices")),
            _ => Ok(Self::File {
                path,
                options: ReadOptions {
                    pattern_as_ones: args.pattern_as_ones,
                    complex: args.complex,
                    halt: signals::halt(),
                    ..ReadOptions::default()
                },
            }),
        }
    }

    pub(super) fn load(&self, voice: Voice) -> Result<Matrix> {
        let start = Instant::now();
        match self {
            Self::File { path, options } => {
                let name = shown(path);
                let _spinner = progress::spinner(&format!("reading {name}"), voice);
                let loaded = read_matrix(path, &self.read_options())?;
                let csr = real_form(loaded.matrix, loaded.imaginary, options.complex)?;
                let seconds = start.elapsed().as_secs_f64();
                Ok(Matrix { name, csr: Arc::new(csr), complex: options.complex, notes: Some(loaded.notes), seconds })
            }
            Self::Gallery(g) => {
                let _spinner = progress::spinner(&format!("making {}:{}", g.name, g.size), voice);
                let params: String = g.params.iter().map(|(key, value)| format!(" {key}={value}")).collect();
                let name = format!("{}:{}{params}", g.name, g.size);
                let csr = Arc::new(g.make()?);
                let seconds = start.elapsed().as_secs_f64();
                Ok(Matrix { name, csr, complex: g.is_complex(), notes: None, seconds })
            }
        }
    }

    /// The file.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Gallery(_) => None,
        }
    }

    /// The options for reading vectors that go with this matrix.
    pub(super) fn read_options(&self) -> ReadOptions {
        match self {
            Self::File { options, .. } => ReadOptions { memory_limit: super::allocator::bound(), ..options.clone() },
            Self::Gallery(g) => {
                ReadOptions { complex: g.is_complex(), halt: signals::halt(), ..ReadOptions::default() }
            }
        }
    }

    /// Another matrix from a file, in its real form where this one is complex.
    pub(super) fn another(&self, path: &Path) -> Result<Csr> {
        let options = self.read_options();
        let loaded = read_matrix(path, &options)?;
        real_form(loaded.matrix, loaded.imaginary, options.complex)
    }

    /// A small matrix from a file, in the form as read.
    pub(super) fn beside(&self, path: &Path) -> Result<Csr> {
        Ok(read_matrix(path, &self.read_options())?.matrix)
    }

    /// Coordinates of the nodes, from a file or from the gallery.
    pub(super) fn coordinates(&self, path: &Path) -> Result<Csr> {
        match self {
            Self::Gallery(g) if path == Path::new("gallery") => gallery::coordinates(&g.name, g.size)
                .ok_or_else(|| Error::input(format!("--coordinates gallery: {} has no coordinates", g.name))),
            _ => self.beside(path),
        }
    }

    /// A vector from a file; its `n` entries must match the matrix's `side` (rows or columns).
    pub(super) fn vector(&self, what: &str, path: &Path, n: usize, side: &str) -> Result<Vec<f64>> {
        let v = read_vector(path, &self.read_options())?;
        self.check_length(what, path, &v, n, side)?;
        Ok(v)
    }

    /// Vectors from a file, its columns; as [`Source::vector`], and at least one.
    pub(super) fn columns(&self, what: &str, path: &Path, n: usize, side: &str) -> Result<Vec<Vec<f64>>> {
        let mut columns = read_columns(path, &self.read_options())?;
        let parts = if self.read_options().complex { 2 } else { 1 };
        // A single row of n numbers is meant as the vector.
        if n > parts && columns.len() == n / parts && columns.iter().all(|x| x.len() == parts) {
            columns = vec![columns.concat()];
        }
        let Some(first) = columns.first() else {
            return Err(Error::input(format!("{}: {what} has no columns", path.display())));
        };
        self.check_length(what, path, first, n, side)?;
        Ok(columns)
    }

    fn check_length(&self, what: &str, path: &Path, v: &[f64], n: usize, side: &str) -> Result<()> {
        let parts = if self.read_options().complex { 2 } else { 1 };
        if v.len() == n {
            return Ok(());
        }
        let (found, wanted) = (v.len() / parts, n / parts);
        let message = format!("{}: {what} has {found} entries, the matrix has {wanted} {side}", path.display());
        Err(Error::input(message))
    }
}

/// The real form of a complex matrix, or the matrix itself.
fn real_form(re: Csr, im: Option<Csr>, is_complex: bool) -> Result<Csr> {
    match im {
        _ if !is_complex => Ok(re),
        Some(im) => complex::real_form(&re, &im),
        None => complex::real_form(&re, &Csr::new(re.rows(), re.cols(), vec![0; re.rows() + 1], vec![], vec![])?),
    }
}

impl Generated {
    pub(super) fn is_complex(&self) -> bool {
        gallery::NAMES.iter().any(|f| f.name == self.name && f.is_complex())
    }

    pub(super) fn make(&self) -> Result<Csr> {
        gallery::by_name(&self.name, self.size, &self.params)
    }
}

/// The right-hand sides.
#[derive(Clone, Debug)]
pub(super) enum Rhs {
    Ones,
    /// With this seed and the following ones.
    Random {
        seed: u64,
        count: u32,
    },
    /// The columns of a file.
    File(PathBuf),
}

impl Rhs {
    /// `count` is the value of --nrhs, if given.
    pub(super) fn new(typed: &OsStr, count: Option<u32>) -> Result<Self> {
        let (path, text) = (file(typed), typed.to_string_lossy());
        let text = &*text;
        let refused = |why: &str| Err(Error::input(format!("--rhs {text}: {why}")));
        Ok(match text.split_once(':') {
            _ if text == "ones" && count.is_some_and(|k| k > 1) => {
                return refused("with --nrhs all right-hand sides would be equal; random:SEED makes different ones");
            }
            _ if text == "ones" => Self::Ones,
            Some(("random", seed)) => {
                let count = count.unwrap_or(1);
                let Ok(seed) = seed.parse::<u64>() else {
                    return refused(&format!("the seed is a whole number from 0 to {}", u64::MAX));
                };
                if seed.checked_add(u64::from(count) - 1).is_none() {
                    return refused(&format!("the last seed of {count} is beyond {}", u64::MAX));
                }
                Self::Random { seed, count }
            }
            _ if !path.exists() => {
                let hint =
                    if text == "random" { "random:SEED, as in random:1" } else { "a file, ones, or random:SEED" };
                return refused(&format!("no such file; --rhs takes {hint}"));
            }
            _ if count.is_some() => {
                return refused("--nrhs goes with random:SEED; a file has a right-hand side in each column");
            }
            _ => Self::File(path),
        })
    }

    /// The file.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }

    /// For a complex matrix `rows` are those of the real form, and `ones` have zero imaginary parts.
    pub(super) fn make(&self, rows: usize, source: &Source, is_complex: bool) -> Result<Vec<Vec<f64>>> {
        match self {
            Self::Ones if is_complex => Ok(vec![complex::join(&vec![1.0; rows / 2], &vec![0.0; rows / 2])]),
            Self::Ones => Ok(vec![vec![1.0; rows]]),
            Self::Random { seed, count } => {
                let needed = (8 * rows as u64).saturating_mul(u64::from(*count));
                let available = source.read_options().memory_limit;
                if needed > available {
                    let what = format!("--nrhs {count}");
                    return Err(Error::OutOfMemory { what, needed, available, budget: true });
                }
                Ok((0..u64::from(*count)).map(|k| Random::new(seed + k).vector(rows)).collect())
            }
            Self::File(path) => source.columns("b", path, rows, "rows"),
        }
    }
}

const STDIN: &str = "/dev/stdin";

/// A file as typed; `-` is stdin.
pub(super) fn file(typed: &OsStr) -> PathBuf {
    if typed == "-" { STDIN.into() } else { typed.into() }
}

/// [`file`] of an option that may be missing.
pub(super) fn optional(typed: Option<PathBuf>) -> Option<PathBuf> {
    typed.map(|typed| file(typed.as_os_str()))
}

/// A file's name for people.
pub(super) fn shown(path: &Path) -> String {
    if path == Path::new(STDIN) { "stdin".into() } else { path.display().to_string() }
}

/// Refuses inputs that can't all be read from stdin.
pub(super) fn one_pipe(inputs: &[&Path]) -> Result<()> {
    let piped = inputs.iter().filter(|path| **path == Path::new(STDIN)).count();
    match piped {
        0 => Ok(()),
        1 if ranks::current().is_none() => Ok(()),
        1 => Err(Error::input("several ranks can't read one pipe; give them a file")),
        _ => Err(Error::input("two inputs are `-`: only one can be read from stdin")),
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
