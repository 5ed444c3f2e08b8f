//! What makes a matrix compressible without loss: few distinct values, values that fit f32, runs of consecutive rows
//! with one pattern, and small dense blocks. The forms of every backend start from here.

use crate::host::dtype::Dtype;
use crate::host::scale::power;
use crate::matrix::Csr;
use rayon::prelude::*;

mod blocks;
mod runs;
mod table;

pub(crate) use blocks::{block_columns, count_blocks};
pub(crate) use runs::{Runs, Starts};
pub(crate) use table::Table;

/// How values are stored; each form preserves every bit of the value in the arithmetic's type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Coding {
    /// Eight bytes.
    F64,
    /// Four bytes: f32 arithmetic, or every value is exact in f32.
    F32,
    /// One byte: the index in this table of the distinct values.
    Dictionary(Table),
}

impl Coding {
    /// The narrowest form of `values`·2^`exponent` for arithmetic in `dtype`; a dictionary only from
    /// `dictionary_from` values on.
    pub(crate) fn of(values: &[f64], exponent: i32, dtype: Dtype, compress: bool, dictionary_from: usize) -> Self {
        if compress
            && values.len() >= dictionary_from
            && let Some(table) = Table::of(values, exponent, dtype)
        {
            return Self::Dictionary(table);
        }
        let scale = power(exponent);
        let fits = |&v: &f64| {
            let v = scale(v);
            f64::from(v as f32).to_bits() == v.to_bits()
        };
        if dtype == Dtype::F32 || compress && values.par_iter().with_min_len(1 << 14).all(fits) {
            Self::F32
        } else {
            Self::F64
        }
    }

    /// Bytes that `n` values take.
    pub(crate) fn bytes(&self, n: usize, dtype: Dtype) -> u64 {
        match self {
            Self::F64 => 8 * n as u64,
            Self::F32 => 4 * n as u64,
            Self::Dictionary(table) => (n + table.values().len() * dtype.size()) as u64,
        }
    }
}

/// v ↦ v·2^e as the arithmetic sees it.
pub(crate) fn scaled(exponent: i32, dtype: Dtype) -> impl Fn(f64) -> f64 + Copy + Sync + Send {
    let scale = power(exponent);
    move |v| match dtype {
        Dtype::F64 | Dtype::DoubleSingle => scale(v),
        Dtype::F32 => f64::from(scale(v) as f32),
    }
}

/// True if most entries are more than a few cache lines away from the entry of the same index in the row
/// before. Samples every 16th row.
pub(crate) fn scatters(a: &Csr) -> bool {
    const NEAR: u32 = 64;
    let far = |i: usize| {
        let (before, now) = (a.row(i - 1).0, a.row(i).0);
        let far = before.iter().zip(now).filter(|(b, n)| b.abs_diff(**n) > NEAR).count();
        (far, before.len().min(now.len()))
    };
    let sum = |p: (usize, usize), q: (usize, usize)| (p.0 + q.0, p.1 + q.1);
    let (far, all) = (1..a.rows()).into_par_iter().step_by(16).map(far).reduce(|| (0, 0), sum);
    2 * far > all
}
