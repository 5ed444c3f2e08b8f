//! Options by name, as bindings to other languages, options files and the C interface set them.

use super::{Backend, Criterion, Options};
use crate::error::{Error, Result};
use crate::host::suggest;
use std::str::FromStr;
use std::time::Duration;

/// Names of the options that [`Options::set`] knows; `restart`, `side`, `damp` and `spectrum` are the method's own.
const NAMES: [&str; 20] = [
    "method",
    "preconditioner",
    "backend",
    "precision",
    "rtol",
    "atol",
    "criterion",
    "max_iterations",
    "max_matvecs",
    "time_limit",
    "threads",
    "reorder",
    "equilibrate",
    "memory_limit",
    "restart",
    "side",
    "damp",
    "spectrum",
    "precond",
    "tol",
];

/// The value of option `name`, with the name in the message where it is none.
pub(crate) fn value<T: FromStr>(name: &str, text: &str, form: &str) -> Result<T> {
    text.trim().parse().map_err(|_| Error::input(format!("{name} is `{text}`; it must be {form}")))
}

/// Seconds as a duration.
pub(crate) fn seconds(name: &str, text: &str) -> Result<Duration> {
    let seconds = value(name, text, "a number of seconds")?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::input(format!("{name} is `{text}`; it must be a number of seconds, 0 or more")))
}

impl Options {
    /// Sets the option `name` (with `_` or `-` between words) to what `text` stands for. What belongs to a method
    /// (`restart`, `side`, `damp`, `spectrum`) is set on the method chosen so far.
    ///
    /// ```
    /// use krylane::Options;
    /// let mut options = Options::default();
    /// options.set("method", "gmres")?;
    /// options.set("restart", "50")?;
    /// options.set("rtol", "1e-10")?;
    /// assert_eq!((options.method.to_string(), options.rtol), ("gmres:restart=50".into(), 1e-10));
    /// assert!(options.set("metod", "cg").unwrap_err().to_string().contains("method"));
    /// # Ok::<(), krylane::Error>(())
    /// ```
    ///
    /// # Errors
    /// An unknown name, with the nearest one; a text that is no value of the option. Values out of range are found by
    /// [`Options::check`], which every solver calls.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let name = &*name.replace('-', "_");
        let (number, count) = ("a number", "a whole number, 0 or more");
        match name {
            "method" => self.method = text.parse()?,
            "preconditioner" | "precond" => self.preconditioner = text.parse()?,
            "backend" => self.backend = Backend::from_str(text).unwrap_or_else(|never| match never {}),
            "precision" => self.precision = text.parse()?,
            "rtol" | "tol" => self.rtol = value(name, text, number)?,
            "atol" => self.atol = value(name, text, number)?,
            "criterion" => self.criterion = text.parse()?,
            "max_iterations" => self.max_iterations = value(name, text, count)?,
            "max_matvecs" => self.max_matvecs = value(name, text, count)?,
            "time_limit" => self.time_limit = Some(seconds(name, text)?),
            "threads" => self.threads = value(name, text, count)?,
            "reorder" => self.reorder = text.parse()?,
            "equilibrate" => self.equilibrate = text.parse()?,
            "memory_limit" => self.memory_limit = Some(value(name, text, "a number of bytes")?),
            "restart" | "side" | "damp" | "spectrum" => {
                let chosen = self.method.to_string();
                let (id, pairs) = chosen.split_once(':').unwrap_or((&chosen, ""));
                let others = pairs.split(',').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name));
                let own = format!("{name}={text}");
                let pairs: Vec<&str> = others.chain([&*own]).collect();
                self.method = format!("{id}:{}", pairs.join(",")).parse()?;
            }
            _ => return Err(Error::input(suggest::unknown("option", name, &NAMES))),
        }
        Ok(())
    }
}

impl Criterion {
    /// The names users type, in the order of the variants.
    const IDS: [(&'static str, Self); 4] = [
        ("rhs-norm", Self::RhsNorm),
        ("initial-residual", Self::InitialResidual),
        ("absolute", Self::Absolute),
        ("backward-error", Self::BackwardError),
    ];
}

impl FromStr for Criterion {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::IDS.iter().find(|(id, _)| *id == text.replace('_', "-"));
        found.map(|(_, criterion)| *criterion).ok_or_else(|| {
            let ids = Self::IDS.map(|(id, _)| id);
            Error::input(suggest::unknown("criterion", text, &ids))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_a_stranger_is_not() {
        for name in NAMES {
            let mut options = Options { method: "lsqr".parse().unwrap(), ..Options::default() };
            let refused = options.set(name, "no such value");
            let told = refused.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert!(name == "backend" || refused.is_err(), "{name}");
            assert!(!told.contains("unknown option"), "{name}: {told}");
        }
        assert!(Options::default().set("colour", "blue").is_err());
    }

    #[test]
    fn a_methods_own_options_follow_it() {
        let mut options = Options::default();
        assert!(options.set("restart", "50").is_err(), "auto has none");
        options.set("method", "gmres").unwrap();
        for text in ["50", "60"] {
            options.set("restart", text).unwrap();
        }
        options.set("side", "left").unwrap();
        assert_eq!(options.method.to_string(), "gmres:restart=60,side=left");
        options.set("time-limit", "0.5").unwrap();
        assert_eq!(options.time_limit, Some(Duration::from_millis(500)));
        assert!(options.set("time_limit", "-1").is_err() && options.set("rtol", "small").is_err());
    }
}
