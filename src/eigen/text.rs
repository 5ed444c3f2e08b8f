//! Options of eigenproblems by name.

use super::EigenOptions;
use crate::error::{Error, Result};
use crate::host::suggest;
use crate::options::text::{seconds, value};

const NAMES: [&str; 14] = [
    "k",
    "which",
    "sigma",
    "method",
    "preconditioner",
    "tol",
    "subspace",
    "seed",
    "max_iterations",
    "time_limit",
    "backend",
    "precision",
    "threads",
    "skip_null",
];

impl EigenOptions {
    /// Sets the option `name` to what `text` stands for, as [`crate::Options::set`] does.
    ///
    /// # Errors
    /// An unknown name, with the nearest one; a text that is no value of the option.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let name = &*name.replace('-', "_");
        let (number, count) = ("a number", "a whole number, 0 or more");
        match name {
            "k" => self.k = value(name, text, count)?,
            "which" => self.which = text.parse()?,
            "sigma" => self.sigma = Some(value(name, text, number)?),
            "method" => {
                if text != "auto" {
                    super::by_name(text)?;
                }
                self.method = text.into();
            }
            "preconditioner" | "precond" => self.preconditioner = text.parse()?,
            "tol" => self.tol = value(name, text, number)?,
            "subspace" => self.subspace = Some(value(name, text, count)?),
            "seed" => self.seed = value(name, text, count)?,
            "max_iterations" => self.max_iterations = value(name, text, count)?,
            "time_limit" => self.time_limit = Some(seconds(name, text)?),
            "backend" => self.backend = text.parse().unwrap_or_else(|never| match never {}),
            "precision" => self.precision = text.parse()?,
            "threads" => self.threads = value(name, text, count)?,
            "skip_null" => self.skip_null = value(name, text, "true or false")?,
            _ => return Err(Error::input(suggest::unknown("option", name, &NAMES))),
        }
        Ok(())
    }
}
