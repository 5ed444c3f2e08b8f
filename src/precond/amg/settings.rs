//! Settings of a hierarchy: the typed form of `amg:theta=0.1,smoother=spai0`.

use crate::error::{Error, Result};
use crate::host::pairs::{self, Pairs, Setting};
use std::fmt;
use std::str::FromStr;

/// The smoother of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Smoothing {
    /// A Chebyshev polynomial of the fourth kind in D⁻¹A. Runs everywhere.
    #[default]
    Chebyshev,
    /// x += D(b − A x), 1/d_i = Σ_j |a_ij| (Baker, Falgout, Kolev and Yang 2011, doi:10.1137/100798806): converges for
    /// every positive definite A, with no estimate of a spectrum.
    L1Jacobi,
    /// x += D(b − A x) with the D that minimises ‖I − D A‖_F: d_i = a_ii / Σ_j a_ij² (Bröker and Grote 2002,
    /// doi:10.1016/S0168-9274(01)00110-6).
    Spai0,
    /// A Gauss–Seidel sweep on the way down and a reverse one on the way up, over blocks of 1024 rows colour by colour.
    /// For the CPU; on a GPU Jacobi sweeps replace the triangular solves.
    GaussSeidel,
}

const SMOOTHINGS: [(&str, Smoothing); 4] = [
    ("chebyshev", Smoothing::Chebyshev),
    ("l1_jacobi", Smoothing::L1Jacobi),
    ("spai0", Smoothing::Spai0),
    ("gauss_seidel", Smoothing::GaussSeidel),
];

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SMOOTHINGS.iter().find(|s| s.1 == *self).map_or("", |s| s.0);
        f.pad(name)
    }
}

impl Setting for Smoothing {
    const FORM: &'static str = "chebyshev, l1_jacobi, spai0 or gauss_seidel";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

impl FromStr for Smoothing {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        SMOOTHINGS.iter().find(|k| k.0 == s).map(|k| k.1).ok_or_else(|| {
            let names = SMOOTHINGS.map(|k| k.0);
            Error::input(crate::host::suggest::unknown("smoother", s, &names))
        })
    }
}

/// Settings of a hierarchy. As text:
///
/// ```
/// use krylane::precond::{AmgSettings, Smoothing};
/// let settings = AmgSettings { smoother: Smoothing::Spai0, theta: 0.1, ..AmgSettings::default() };
/// assert_eq!(settings.to_string(), "amg:theta=0.1,smoother=spai0");
/// assert_eq!("amg:theta=0.1,smoother=spai0".parse::<AmgSettings>()?, settings);
/// # Ok::<(), krylane::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AmgSettings {
    /// Strength threshold on the finest level, halved on each coarser one; 0.08.
    pub theta: f64,
    /// The smoother.
    pub smoother: Smoothing,
    /// Degree of the smoothing polynomial, for Chebyshev; `None` is 1 for a symmetric A and 2 otherwise, where products
    /// are cheap against the rest of the method's work.
    pub degree: Option<usize>,
    /// Maximum number of rows solved directly; 300.
    pub coarse: usize,
    /// Unknowns per node, numbered node by node; 1. Near-null vectors have their own number.
    pub block: usize,
    /// Keep the hierarchy in the method's number type even if the plan would use f32.
    pub full_precision: bool,
}

impl Default for AmgSettings {
    fn default() -> Self {
        Self { theta: 0.08, smoother: Smoothing::default(), degree: None, coarse: 300, block: 1, full_precision: false }
    }
}

impl FromStr for AmgSettings {
    type Err = Error;

    /// `amg`, or `amg:` followed by key=value pairs.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("amg", argument)) => Self::from_argument(Some(argument)),
            None if text == "amg" => Ok(Self::default()),
            _ => Err(Error::input(format!("{text:?} does not start with `amg`"))),
        }
    }
}

impl AmgSettings {
    /// The smoothing polynomial's degree.
    pub(super) fn degree(&self, symmetric: bool) -> usize {
        self.degree.unwrap_or(if symmetric { 1 } else { 2 })
    }

    /// Checks that all values are in range.
    ///
    /// # Errors
    /// The first value that is not.
    pub fn check(&self) -> Result<()> {
        let degree = self.degree.map_or(1.0, |k| k as f64);
        pairs::within("amg", "theta", &self.theta, &(0.0..=1.0))?;
        pairs::within("amg", "degree", &degree, &(1.0..=16.0))?;
        pairs::within("amg", "coarse", &self.coarse, &(1.0..=2000.0))?;
        pairs::within("amg", "block", &self.block, &(1.0..=12.0))?;
        if self.degree.is_some() && self.smoother != Smoothing::Chebyshev {
            return Err(Error::input(format!("amg: a degree is Chebyshev's; {} has none", self.smoother)));
        }
        Ok(())
    }

    /// From the text after `amg:`.
    fn from_argument(argument: Option<&str>) -> Result<Self> {
        let plain = Self::default();
        let given = Pairs::new("amg", argument, &["theta", "smoother", "degree", "coarse", "block", "precision"])?;
        let out = Self {
            theta: given.read("theta", plain.theta)?,
            smoother: given.read("smoother", plain.smoother)?,
            degree: given.read("degree", plain.degree)?,
            coarse: given.read("coarse", plain.coarse)?,
            block: given.read("block", plain.block)?,
            full_precision: given.read("precision", Full(plain.full_precision))?.0,
        };
        out.check()?;
        Ok(out)
    }
}

/// `precision=full`.
struct Full(bool);

impl Setting for Full {
    const FORM: &'static str = "`full`, which keeps the hierarchy in the method's number type";
    fn read(text: &str) -> Option<Self> {
        (text == "full").then_some(Self(true))
    }
    fn write(&self) -> String {
        "full".into()
    }
}

impl fmt::Display for AmgSettings {
    /// The settings that differ from their defaults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = Self::default();
        let mut pairs = vec![];
        if self.theta != plain.theta {
            pairs.push(format!("theta={}", self.theta));
        }
        if self.smoother != plain.smoother {
            pairs.push(format!("smoother={}", self.smoother));
        }
        for (name, own, plain) in [
            ("degree", self.degree, plain.degree),
            ("coarse", Some(self.coarse), Some(plain.coarse)),
            ("block", Some(self.block), Some(plain.block)),
        ] {
            pairs.extend(own.filter(|_| own != plain).map(|own| format!("{name}={own}")));
        }
        if self.full_precision {
            pairs.push("precision=full".into());
        }
        f.write_str("amg")?;
        if pairs.is_empty() { Ok(()) } else { write!(f, ":{}", pairs.join(",")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for (_, smoother) in SMOOTHINGS {
            let degree = (smoother == Smoothing::Chebyshev).then_some(3);
            let all = AmgSettings { theta: 0.25, smoother, degree, coarse: 40, block: 3, full_precision: true };
            assert_eq!(all.to_string().parse::<AmgSettings>().unwrap(), all);
        }
        assert_eq!("amg".parse::<AmgSettings>().unwrap(), AmgSettings::default());
        for bad in ["jacobi", "amg:theta=2", "amg:smoother=spai", "amg:smoother=spai0,degree=2", "amg:precision=f16"] {
            assert!(bad.parse::<AmgSettings>().is_err(), "{bad}");
        }
    }
}
