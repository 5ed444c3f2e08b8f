//! Number types.

/// A number type of device storage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
    /// Two IEEE singles whose sum is the number: 49 bits, on adapters without f64. The CPU keeps an f64 instead.
    #[serde(rename = "double-single")]
    DoubleSingle,
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::DoubleSingle => "double-single",
        })
    }
}

impl Dtype {
    /// Bytes per number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 | Self::DoubleSingle => 8,
        }
    }

    /// The distance from 1 to the next number.
    #[must_use]
    pub fn epsilon(self) -> f64 {
        match self {
            Self::F32 => f64::from(f32::EPSILON),
            Self::F64 => f64::EPSILON,
            Self::DoubleSingle => 2f64.powi(-48),
        }
    }
}
