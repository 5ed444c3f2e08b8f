//! The macro that generates the enum of methods from their table, and a struct with the options of all methods.

use crate::precond::Side;

/// The options of all methods in one struct; a method reads its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) restart: usize,
    pub(crate) side: Side,
    pub(crate) spectrum: Option<(f64, f64)>,
    pub(crate) subspace: Vec<Vec<f64>>,
    pub(crate) damp: f64,
    pub(crate) recycle: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { restart: 30, side: Side::Auto, spectrum: None, subspace: vec![], damp: 0.0, recycle: false }
    }
}

/// An entry: help text, variant with its options, id, traits, constructor.
macro_rules! methods {
    ($(#[doc = $about:literal] $(#[doc = $more:literal])* $name:ident $({ $(
        $(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:expr $(, in $range:expr)?;
    )+ })? = $id:literal, $traits:expr, $build:expr;)+) => {
        /// Which method, with its own options. As text: the id, then after a colon options that differ from defaults.
        ///
        /// ```
        /// use krylane::{Method, precond::Side};
        /// let method = Method::Gmres { restart: 50, side: Side::Left };
        /// assert_eq!(method.to_string(), "gmres:restart=50,side=left");
        /// assert_eq!("gmres:restart=50,side=left".parse::<Method>()?, method);
        /// # Ok::<(), krylane::Error>(())
        /// ```
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub enum Method {
            /// Chosen from properties of the matrix, with methods to fall back on.
            #[default]
            Auto,
            $(#[doc = $about] $(#[doc = $more])* $name $({ $( $(#[doc = $doc])+ $field: $kind, )+ })?,)+
            /// A user-defined method.
            Own(OwnMethod),
        }

        /// Every method.
        pub const METHODS: &[MethodEntry] = &[$(MethodEntry::new($id, $about.trim_ascii(), $traits, $build),)+];

        impl Method {
            /// The name users type.
            #[must_use]
            pub fn id(&self) -> &'static str {
                match self {
                    Self::Auto => "auto",
                    Self::Own(own) => own.entry().id,
                    $(Self::$name { .. } => $id,)+
                }
            }

            /// Its options; defaults for those it does not have.
            #[allow(clippy::clone_on_copy, clippy::needless_update)]
            pub(crate) fn settings(&self) -> Settings {
                match self {
                    Self::Auto | Self::Own(_) => Settings::default(),
                    $(Self::$name $({ $($field),+ })? => Settings {
                        $($($field: $field.clone(),)+)? ..Settings::default()
                    },)+
                }
            }

            /// Takes over those of these settings that it has.
            #[allow(clippy::clone_on_copy)]
            fn with(self, _settings: &Settings) -> Self {
                match self {
                    Self::Auto | Self::Own(_) => self,
                    $(Self::$name { .. } => Self::$name $({ $($field: _settings.$field.clone()),+ })?,)+
                }
            }

            /// The options that differ from their defaults, as text.
            fn pairs(&self) -> Vec<(&'static str, String)> {
                let all: Vec<(&'static str, String, bool)> = match self {
                    Self::Auto | Self::Own(_) => vec![],
                    $(Self::$name $({ $($field),+ })? => vec![
                        $($((stringify!($field), $field.write(), *$field != $default),)+)?
                    ],)+
                };
                all.into_iter().filter(|pair| pair.2).map(|(key, value, _)| (key, value)).collect()
            }

            fn check_ranges(&self) -> Result<()> {
                match self {
                    $(Self::$name $({ $($field),+ })? => {
                        $($( let _ = $field; $( pairs::within($id, stringify!($field), $field, &($range))?; )? )+)?
                    })+
                    _ => {}
                }
                Ok(())
            }
        }

        impl FromStr for Method {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let (id, argument) = text.split_once(':').map_or((text, None), |(id, a)| (id, Some(a)));
                let method = match id {
                    "auto" => match argument {
                        None => Self::Auto,
                        Some(own) => {
                            let name = own.split('=').next().unwrap_or(own);
                            let takers: &[(&str, &[&str])] = &[$(($id, &[$($(stringify!($field)),+)?])),+];
                            return Err(method_wanted(own, name, takers));
                        }
                    },
                    $($id => {
                        let _given = Pairs::new($id, argument, &[$($(stringify!($field)),+)?])?;
                        Self::$name $({ $($field: _given.read(stringify!($field), $default)?),+ })?
                    })+
                    _ => return Err(unknown(id)),
                };
                method.check()?;
                Ok(method)
            }
        }
    };
}

pub(super) use methods;
