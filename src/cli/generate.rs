//! `krylane gen`: matrices of the gallery, to files.

use super::args::GenArgs;
use super::exit::Exit;
use super::output::{Holds, Target, print};
use super::progress::Voice;
use super::source::{Generated, parameter};
use super::{progress, signals};
use krylane::matrix::complex::parts;
use krylane::matrix::gallery::NAMES;
use std::fmt::Write;

pub(crate) struct Generate {
    matrix: Generated,
    target: Target,
    quiet: bool,
}

impl Generate {
    pub(super) fn new(args: GenArgs) -> anyhow::Result<Self> {
        let params = args.set.iter().map(|s| parameter(s)).collect::<Result<Vec<_>, _>>()?;
        let (name, size) = (args.name.unwrap_or_default(), args.size.unwrap_or_default());
        super::allocator::limit(args.memory_limit);
        let target = Target::holding(Holds::Matrix, args.output.unwrap_or_else(|| "-".into()))?;
        Ok(Self { matrix: Generated { name, size, params }, target, quiet: args.quiet })
    }

    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let voice = Voice::new(self.quiet, false);
        let spinner = progress::spinner(&format!("making {}:{}", self.matrix.name, self.matrix.size), voice);
        let a = self.matrix.make()?;
        drop(spinner);
        signals::halt().check()?;
        let spinner = progress::spinner(&format!("writing {}", self.target.path().display()), voice);
        let path = self.target.path();
        self.target.wrote(if self.matrix.is_complex() {
            parts(&a).and_then(|(re, im)| krylane::io::write_complex_matrix(path, &re, &im))
        } else {
            krylane::io::write_matrix(path, &a)
        })?;
        drop(spinner);
        if self.quiet || self.target.is_stdout() {
            return Ok(Exit::Success);
        }
        let path = self.target.path().display();
        print(format!("{path}: {} x {}, {} entries\n", a.rows(), a.cols(), a.nnz()).as_bytes())
    }
}

/// Prints the names with their parameters.
pub(super) fn list() -> anyhow::Result<Exit> {
    let width = NAMES.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for family in NAMES {
        write!(text, "{:<width$}  {}", family.name, family.about)?;
        if !family.params.is_empty() {
            let params: Vec<String> = family.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
            write!(text, " [--set {}]", params.join(" "))?;
        }
        text.push('\n');
    }
    print(text.as_bytes())
}
