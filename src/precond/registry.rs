//! The table of preconditioners: one entry each. It generates the enum [`Precond`] with each one's own parameters, its
//! textual form, and [`PRECONDITIONERS`].

// Every module of the folder: a new entry names its type as `module::Type` and needs no import.
use super::*;
use crate::error::{Error, Result};
use crate::host::halt::Halt;
use crate::host::pairs::{self, Pairs, Setting};
use crate::host::suggest;
use crate::matrix::{Csr, Matrix};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What a set-up is told in addition to A.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method needs M symmetric positive definite.
    pub definite: bool,
    /// A is symmetric.
    pub symmetric: bool,
    /// M must approximate (AᵀA)⁻¹: for least-squares methods.
    pub normal: bool,
    /// What multigrid's coarse levels must hold, in place of the constants.
    pub near_null: Option<Arc<NearNull>>,
    /// End the set-up once it is clear that it won't pay: there are other candidates.
    pub frugal: bool,
    /// Bytes of memory available for the set-up; `None` if unknown.
    pub room: Option<u64>,
    /// Multiplications of complete LU factors of A in its order, if they were counted.
    pub operations: Option<f64>,
    /// What cancels a set-up.
    pub halt: Halt,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PreconditionerEntry {
    /// The name users type.
    pub id: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    /// M = Mᵀ if A = Aᵀ; also set for a given one, whose symmetry is up to the user.
    pub symmetric: bool,
    /// It has a form for AᵀA, which least-squares methods need.
    pub normal: bool,
    /// Only a program can supply it: it has no textual form.
    pub program_only: bool,
    /// It relies on the diagonal: zeros there weaken it.
    pub(crate) diagonal: bool,
    /// A multigrid cycle: it moves most of the bytes of an iteration.
    pub(crate) multigrid: bool,
    /// Nearly complete factors: they need the matrix in an order of their own.
    pub(crate) nearly_complete: bool,
}

impl PreconditionerEntry {
    const fn new(id: &'static str, about: &'static str) -> Self {
        Self {
            id,
            about,
            symmetric: true,
            normal: false,
            program_only: false,
            diagonal: false,
            multigrid: false,
            nearly_complete: false,
        }
    }

    const fn program_only(self) -> Self {
        Self { program_only: true, ..self }
    }

    const fn diagonal(self) -> Self {
        Self { diagonal: true, ..self }
    }

    const fn multigrid(self) -> Self {
        Self { multigrid: true, ..self }
    }

    const fn nearly_complete(self) -> Self {
        Self { nearly_complete: true, ..self }
    }

    const fn normal(self) -> Self {
        Self { normal: true, ..self }
    }

    const fn nonsymmetric(self) -> Self {
        Self { symmetric: false, ..self }
    }
}

/// A variant from text: plain, with parameters, or with settings that parse themselves.
macro_rules! read {
    ($id:literal, $text:ident, $argument:ident, $name:ident) => {{
        Pairs::new($id, $argument, &[])?;
        Self::$name
    }};
    ($id:literal, $text:ident, $argument:ident, $name:ident { $($field:ident = $default:expr),+ }) => {{
        let given = Pairs::new($id, $argument, &[$(stringify!($field)),+])?;
        Self::$name { $($field: given.read(stringify!($field), $default)?),+ }
    }};
    ($id:literal, $text:ident, $argument:ident, $name:ident ($inner:ty)) => {
        Self::$name($text.parse::<$inner>()?)
    };
}

/// A variant as text.
macro_rules! write_out {
    ($id:literal) => {
        $id.to_string()
    };
    ($id:literal { $($field:ident = $default:expr),+ }) => {
        pairs::text($id, &[$((stringify!($field), $field.write(), *$field != $default)),+]
            .into_iter().filter(|pair| pair.2).map(|(key, value, _)| (key, value)).collect::<Vec<_>>())
    };
    ($id:literal ($inner:ident)) => {
        $inner.to_string()
    };
}

/// An entry: help text, variant with its parameters, id, constructor.
macro_rules! preconditioners {
    ($(#[doc = $about:literal] $(#[doc = $more:literal])* $name:ident $({ $(
        $(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:expr $(, in $range:expr)?;
    )+ })? $(($inner:ident: $settings:ty))? = $id:literal $([$($is:ident),+])?, |$a:pat_param, $request:pat_param| $build:expr;)+) => {
        /// Which preconditioner, with its own parameters. As text: the id, then after a colon the parameters that
        /// differ from the defaults.
        ///
        /// ```
        /// use krylane::Precond;
        /// use krylane::precond::AmgSettings;
        /// let m = Precond::Amg(AmgSettings { theta: 0.1, ..AmgSettings::default() });
        /// assert_eq!(m.to_string(), "amg:theta=0.1");
        /// assert_eq!("amg:theta=0.1".parse::<Precond>()?, m);
        /// assert_eq!("block_jacobi:3".parse::<Precond>()?, Precond::BlockJacobi { size: Some(3) });
        /// # Ok::<(), krylane::Error>(())
        /// ```
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub enum Precond {
            /// Chosen from properties of the matrix.
            #[default]
            Auto,
            $(
                #[doc = $about]
                $(#[doc = $more])*
                $name $({ $( $(#[doc = $doc])+ $field: $kind, )+ })? $(($settings))?,
            )+
        }

        /// Every preconditioner.
        pub const PRECONDITIONERS: &[PreconditionerEntry] =
            &[$(PreconditionerEntry::new($id, $about.trim_ascii())$($(.$is())+)?,)+];

        impl Precond {
            /// The name users type.
            #[must_use]
            pub fn id(&self) -> &'static str {
                match self {
                    Self::Auto => "auto",
                    $(Self::$name { .. } => $id,)+
                }
            }

            /// Checks that all parameters are in range.
            ///
            /// # Errors
            /// The first parameter that is not.
            pub fn check(&self) -> Result<()> {
                match self {
                    Self::Auto => {}
                    $(Self::$name $({ $($field),+ })? $(($inner))? => {
                        $($( let _ = $field; $( pairs::within($id, stringify!($field), $field, &($range))?; )? )+)?
                        $( $inner.check()?; )?
                    })+
                }
                Ok(())
            }

            /// Sets it up for a stored matrix.
            #[allow(clippy::clone_on_copy)]
            fn build_stored(&self, a: &Arc<Csr>, request: &Request) -> Result<Box<dyn Preconditioner>> {
                match self {
                    Self::Auto => Err(Error::input("auto is a choice of the plan, no preconditioner to set up")),
                    $(Self::$name $({ $($field),+ })? $(($inner))? => {
                        $($( let $field = $field.clone(); )+)?
                        let ($a, $request) = (a, request);
                        Ok($build)
                    })+
                }
            }
        }

        impl FromStr for Precond {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let (id, argument) = text.split_once(':').map_or((text, None), |(id, a)| (id, Some(a)));
                let precond = match id {
                    "auto" => {
                        Pairs::new("auto", argument, &[])?;
                        Self::Auto
                    }
                    $($id => read!($id, text, argument, $name $({ $($field = $default),+ })? $(($settings))?),)+
                    _ => return Err(unknown(id)),
                };
                precond.check()?;
                Ok(precond)
            }
        }

        impl fmt::Display for Precond {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = match self {
                    Self::Auto => "auto".to_string(),
                    $(Self::$name $({ $($field),+ })? $(($inner))? =>
                        write_out!($id $({ $($field = $default),+ })? $(($inner))?),)+
                };
                f.pad(&text)
            }
        }
    };
}

preconditioners! {
    /// No preconditioner: M = I
    None = "none" [normal], |_, _| Box::new(Identity);
    /// The inverse of the diagonal
    Jacobi = "jacobi" [normal, diagonal], |a, request| match request.normal {
        true => Box::new(Jacobi::normal(a)),
        false => Box::new(Jacobi::new(a, request.definite)),
    };
    /// Symmetric diagonal scaling: S A S has largest entries near 1; positive definite whatever A is
    Scaling = "scaling", |a, request| Box::new(Scaling::new(a, &request.halt)?);
    /// Algebraic multigrid by smoothed aggregation; amg:theta=0.08,smoother=chebyshev,degree=1,coarse=300; smoothers: chebyshev, l1_jacobi, spai0, gauss_seidel
    Amg(settings: AmgSettings) = "amg" [multigrid], |a, request| Box::new(Amg::new(a, settings, request)?);
    /// Incomplete LU factors on the pattern of A; on a GPU solved by Jacobi sweeps, ilu0:sweeps=4
    Ilu0 {
        /// Jacobi sweeps in place of each triangular solve; `None` takes 4, and only on a device without such solves.
        sweeps: Option<usize> = Option::None, in 1.0..=100.0;
    } = "ilu0", |a, request| Box::new(Ilu::own(a, request.definite, sweeps, &request.halt)?);
    /// Incomplete Cholesky factors on the pattern of A, positive definite; on a GPU solved by Jacobi sweeps
    Ic0 {
        /// As for [`Precond::Ilu0`].
        sweeps: Option<usize> = Option::None, in 1.0..=100.0;
    } = "ic0", |a, request| Box::new(Ilu::own(a, true, sweeps, &request.halt)?);
    /// Incomplete LU factors, small entries dropped; ilut:drop=0.001,fill=2; on a GPU solved by Jacobi sweeps
    Ilut {
        /// Entries below this fraction of the row's mean size are dropped.
        drop: f64 = 1e-3, in 0.0..=1.0;
        /// Number of entries that a row of L and of U keeps, relative to A.
        fill: f64 = 2.0, in 0.0..=1000.0;
        /// As for [`Precond::Ilu0`].
        sweeps: Option<usize> = Option::None, in 1.0..=100.0;
    } = "ilut" [nonsymmetric], |a, request| Box::new(Ilu::threshold(a, Fill { drop, growth: fill }, sweeps, request)?);
    /// Nearly complete LU factors in a fill-reducing order, small entries dropped; lu:drop=1e-6,fill=50; on a GPU solved by Jacobi sweeps
    Lu {
        /// Entries below this fraction of the row's mean size are dropped.
        drop: f64 = 1e-6, in 0.0..=1.0;
        /// Maximum number of entries of L and U per entry of A.
        fill: f64 = 50.0, in 1.0..=1e6;
    } = "lu" [nonsymmetric, nearly_complete], |a, request| Box::new(Ilu::nearly_whole(a, Fill { drop, growth: fill }, request)?);
    /// Symmetric successive over-relaxation; ssor:omega=1,order=natural or colours; on a GPU solved by Jacobi sweeps
    Ssor {
        /// ω.
        omega: f64 = 1.0, in 1e-3..=1.999;
        /// The order in which rows are relaxed.
        order: Relaxation = Relaxation::Natural;
        /// As for [`Precond::Ilu0`].
        sweeps: Option<usize> = Option::None, in 1.0..=100.0;
    } = "ssor", |a, request| Box::new(Ssor::build(a, omega, order, sweeps, request)?);
    /// One sweep of Gauss-Seidel, for methods that accept a nonsymmetric M; gauss_seidel:order=colours; on a GPU solved by Jacobi sweeps
    GaussSeidel {
        /// The order in which rows are relaxed.
        order: Relaxation = Relaxation::Natural;
        /// As for [`Precond::Ilu0`].
        sweeps: Option<usize> = Option::None, in 1.0..=100.0;
    } = "gauss_seidel" [nonsymmetric], |a, request| Box::new(Ssor::build_forward(a, order, sweeps, request)?);
    /// Factorised sparse approximate inverse; A symmetric positive definite
    Fsai = "fsai", |a, request| Box::new(InverseFactors::build(a, Kind::Fsai, request)?);
    /// Sparse approximate inverses of the factors of ilu0, applied as products
    Isai = "isai", |a, request| Box::new(InverseFactors::build(a, Kind::Isai, request)?);
    /// Inverses of diagonal blocks, found from rows with one pattern or of a fixed size; block_jacobi:3
    BlockJacobi {
        /// Rows of a block; `None` finds blocks of rows with one pattern.
        size: Option<usize> = Option::None, in 1.0..=128.0;
    } = "block_jacobi", |a, request| match size {
        Some(size) => Box::new(BlockJacobi::new(a, size, request.definite)?),
        Option::None => Box::new(BlockJacobi::found(a, request.definite)?),
    };
    /// A Chebyshev polynomial in the scaled matrix; chebyshev:4
    Chebyshev {
        /// Degree of the polynomial.
        degree: usize = 4, in 1.0..=64.0;
    } = "chebyshev", |a, request| Box::new(Chebyshev::new(a, degree, false, request)?);
    /// A Neumann series in the scaled matrix; neumann:4
    Neumann {
        /// Degree of the polynomial.
        degree: usize = 4, in 1.0..=64.0;
    } = "neumann", |a, request| Box::new(Chebyshev::new(a, degree, true, request)?);
    /// The user's own, a matrix or operations
    Given(given: Given) = "given" [normal, program_only], |a, request| given.build(&a.into(), request)?;
}

fn unknown(id: &str) -> Error {
    // A given preconditioner has no textual form.
    let names: Vec<&str> = PRECONDITIONERS.iter().map(|p| p.id).filter(|id| *id != "given").collect();
    Error::input(suggest::unknown("preconditioner", id, &names))
}

/// The line of the preconditioner that `spec` names, as in `amg:theta=0.1`.
pub(crate) fn entry_of(spec: &str) -> Option<&'static PreconditionerEntry> {
    let id = spec.split(':').next().unwrap_or(spec);
    PRECONDITIONERS.iter().find(|p| p.id == id)
}

impl Precond {
    /// Its line of the table; `None` for [`Precond::Auto`].
    #[must_use]
    pub fn entry(&self) -> Option<&'static PreconditionerEntry> {
        entry_of(self.id())
    }

    /// Sets it up for A.
    ///
    /// # Errors
    /// A preconditioner that a least-squares method can't use; those of the set-up.
    pub fn build(&self, a: &Matrix, request: &Request) -> Result<Box<dyn Preconditioner>> {
        self.check()?;
        request.halt.check()?;
        if request.normal && !self.entry().is_some_and(|e| e.normal) {
            let normal: Vec<&str> = PRECONDITIONERS.iter().filter(|p| p.normal).map(|p| p.id).collect();
            return Err(Error::input(format!(
                "{} is not a preconditioner for A'A, which least-squares methods need; they take {}",
                self.id(),
                normal.join(", ")
            )));
        }
        match a {
            Matrix::Stored(a) => self.build_stored(a, request),
            Matrix::Free(a) => matrix_free::build(self, a, request),
            Matrix::Parted(a) => shared::build(self, a, request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let typed = [
            Precond::Auto,
            Precond::None,
            Precond::Amg(AmgSettings { theta: 0.1, ..AmgSettings::default() }),
            Precond::Ilut { drop: 1e-4, fill: 3.5, sweeps: Some(2) },
            Precond::Ssor { omega: 1.3, order: Relaxation::Colours, sweeps: Option::None },
            Precond::GaussSeidel { order: Relaxation::Colours, sweeps: Some(100) },
            Precond::BlockJacobi { size: Some(3) },
            Precond::Chebyshev { degree: 64 },
        ];
        for m in typed {
            assert_eq!(m.to_string().parse::<Precond>().unwrap(), m, "{m}");
        }
        for entry in PRECONDITIONERS.iter().filter(|p| !p.program_only) {
            let m: Precond = entry.id.parse().unwrap();
            assert_eq!((m.id(), m.to_string().as_str()), (entry.id, entry.id));
        }
        assert_eq!("lu:drop=1e-4".parse::<Precond>().unwrap(), Precond::Lu { drop: 1e-4, fill: 50.0 });
        for (bad, word) in [
            ("jakobi", "did you mean `jacobi`"),
            ("jacobi:3", "jacobi has no parameter"),
            ("ilu0:sweeps=0", "1 to 100"),
            ("block_jacobi:0", "1 to 128"),
            ("ssor:order=colors", "natural or colours"),
            ("ilut:drob=1", "did you mean `drop`"),
            ("amg:theta=7", "0 to 1"),
            ("given", "Precond::Given"),
        ] {
            let e = bad.parse::<Precond>().unwrap_err().to_string();
            assert!(e.contains(word), "{bad}: {e}");
        }
    }
}
