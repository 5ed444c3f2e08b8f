//! Options by name, as bindings to other languages, options files and the C interface set them.

use super::{Backend, Criterion, Options};
use crate::error::{Error, Result};
use crate::host::suggest;
use std::str::FromStr;
use std::time::Duration;

/// Names of the options that [`Options::set`] knows; `restart`, `side`, `damp` and `spectrum` are the method's own.
const NAMES: [&str; 21] = [
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
    "least_squares",
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
            "least_squares" => self.least_squares = value(name, text, "true or false")?,
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

    /// Every option that text can hold and its value, as [`Options::set`] takes them; limits that are not set apart.
    #[must_use]
    pub fn list(&self) -> Vec<(&'static str, String)> {
        let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        let backend = match &self.backend {
            Backend::Adapter(name) => name.clone(),
            other => word(other),
        };
        let criterion = Criterion::IDS.iter().find(|(_, c)| *c == self.criterion).map_or("", |(id, _)| id);
        let mut list = vec![
            ("method", self.method.to_string()),
            ("preconditioner", self.preconditioner.to_string()),
            ("backend", backend),
            ("precision", word(&self.precision)),
            ("rtol", self.rtol.to_string()),
            ("atol", self.atol.to_string()),
            ("criterion", criterion.to_string()),
            ("max_iterations", self.max_iterations.to_string()),
            ("threads", self.threads.to_string()),
            ("reorder", word(&self.reorder)),
            ("equilibrate", word(&self.equilibrate)),
            ("least_squares", self.least_squares.to_string()),
        ];
        if self.max_matvecs != usize::MAX {
            list.push(("max_matvecs", self.max_matvecs.to_string()));
        }
        list.extend(self.time_limit.map(|t| ("time_limit", t.as_secs_f64().to_string())));
        list.extend(self.memory_limit.map(|bytes| ("memory_limit", bytes.to_string())));
        list
    }
}

impl Criterion {
    /// The names users type, in the order of the variants.
    const IDS: [(&'static str, Self); 5] = [
        ("rhs-norm", Self::RhsNorm),
        ("initial-residual", Self::InitialResidual),
        ("absolute", Self::Absolute),
        ("backward-error", Self::BackwardError),
        ("componentwise", Self::Componentwise),
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
    fn what_is_listed_can_be_set() {
        let own = Options {
            method: "gmres:restart=7,side=left".parse().unwrap(),
            preconditioner: "amg:theta=0.1".parse().unwrap(),
            backend: Backend::Adapter("llvmpipe".into()),
            precision: crate::Precision::Mixed,
            rtol: 1e-13,
            criterion: Criterion::Componentwise,
            max_matvecs: 77,
            time_limit: Some(Duration::from_millis(250)),
            reorder: crate::When::Never,
            memory_limit: Some(1 << 40),
            ..Options::default()
        };
        for options in [Options::default(), own] {
            let mut again = Options::default();
            options.list().iter().for_each(|(name, text)| again.set(name, text).unwrap());
            assert_eq!(again.list(), options.list());
        }
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
