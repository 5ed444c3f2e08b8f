//! Numbers in WGSL: types, constants, and sums of products in the widest type at hand.

use crate::op::Dtype;

/// The name of a number type in WGSL.
pub(in super::super) fn type_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "f32",
        Dtype::F64 => "f64",
        Dtype::DoubleSingle => "vec2<f32>",
    }
}

/// The literal for a number.
pub(super) fn literal(dtype: Dtype, v: f64) -> String {
    match dtype {
        // All digits: the fewest that name the largest f32 lie beyond it, and a browser's compiler refuses them.
        Dtype::F32 | Dtype::DoubleSingle => format!("f32({:e})", f64::from((v as f32).clamp(f32::MIN, f32::MAX))),
        Dtype::F64 => format!("({:e}lf)", v.clamp(f64::MIN, f64::MAX)),
    }
}

/// How the sums of one elementwise update are computed: in the widest type that occurs in it.
#[derive(Clone, Copy)]
pub(super) enum Arithmetic {
    /// By WGSL's own operators.
    Plain(Dtype),
    /// By the functions of `double_single.wgsl`.
    Pairs,
}

impl Arithmetic {
    pub(super) fn among(types: &[Dtype]) -> Self {
        if types.contains(&Dtype::DoubleSingle) {
            return Self::Pairs;
        }
        Self::Plain(if types.contains(&Dtype::F64) { Dtype::F64 } else { Dtype::F32 })
    }

    pub(super) fn type_name(self) -> &'static str {
        type_name(match self {
            Self::Plain(wide) => wide,
            Self::Pairs => Dtype::DoubleSingle,
        })
    }

    pub(super) fn constant(self, v: f64) -> String {
        match self {
            Self::Plain(wide) => literal(wide, v),
            Self::Pairs => format!("vec2<f32>({}, 0.0)", literal(Dtype::F32, v)),
        }
    }

    pub(super) fn widen(self, value: &str, from: Dtype) -> String {
        match self {
            Self::Plain(wide) => format!("{}({value})", type_name(wide)),
            Self::Pairs if from == Dtype::DoubleSingle => value.into(),
            Self::Pairs => format!("vec2<f32>({value}, 0.0)"),
        }
    }

    pub(super) fn multiply(self, a: &str, b: &str) -> String {
        match self {
            Self::Plain(_) => format!("{a} * {b}"),
            Self::Pairs => format!("pair_multiply({a}, {b})"),
        }
    }

    pub(super) fn add(self, a: &str, b: &str) -> String {
        match self {
            Self::Plain(_) => format!("{a} + {b}"),
            Self::Pairs => format!("pair_add({a}, {b})"),
        }
    }

    /// The sum (zero if there is none) in the type in which it is stored.
    pub(super) fn narrow(self, sum: Option<&str>, to: Dtype) -> String {
        match (self, sum) {
            (Self::Pairs, None) => format!("{}(0.0)", type_name(to)),
            (Self::Pairs, Some(sum)) if to == Dtype::DoubleSingle => sum.into(),
            // hi is hi + lo rounded to f32.
            (Self::Pairs, Some(sum)) => format!("{sum}.x"),
            (Self::Plain(_), sum) => format!("{}({})", type_name(to), sum.unwrap_or("0.0")),
        }
    }
}
