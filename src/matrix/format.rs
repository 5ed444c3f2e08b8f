//! What makes a matrix compressible without loss: few different values, values that fit f32, and runs of consecutive rows that
//! look alike. Any backend's format builder can start from here.

use crate::host::scale::power;
use crate::matrix::Csr;
use crate::op::Dtype;
use rayon::prelude::*;
use std::collections::HashMap;

mod table;

pub(crate) use table::Table;

/// How values are kept; each form gives back every bit of the value in the arithmetic's type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Coding {
    /// Eight bytes.
    F64,
    /// Four bytes: f32 arithmetic, or every value is one of f32's.
    F32,
    /// One byte, the place in this table of the different values.
    Dictionary(Table),
}

impl Coding {
    /// The narrowest form of `values`·2^`exponent` for arithmetic in `dtype`; a dictionary only for
    /// `dictionary_from` values and more.
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

/// True where most entries lie more than a few cache lines from the entry of the same place in the row
/// before. Every 16th row is looked at.
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

/// Consecutive rows of one chunk with one pattern: row i has its entries at the columns i + offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// First row, counted from the start of its chunk.
    pub(crate) first: u32,
    /// How many rows.
    pub(crate) rows: u32,
    /// Which pattern.
    pub(crate) pattern: u32,
}

/// A matrix whose rows come in runs, as those of stencils on grids do.
#[derive(Debug)]
pub(crate) struct Runs {
    /// First run of each chunk, and the number of runs.
    pub(crate) chunk_start: Vec<usize>,
    pub(crate) runs: Vec<Run>,
    /// Where each pattern starts in `offsets`, and where the last ends.
    pub(crate) pattern_start: Vec<usize>,
    /// column − row.
    pub(crate) offsets: Vec<i64>,
    /// The values of each pattern, where all rows of a run share them; else empty.
    pub(crate) values: Vec<f64>,
}

/// How many runs chunks of `chunk` rows fall into: by columns alone, and by columns and values.
pub(crate) fn count_runs(a: &Csr, chunk: usize) -> (usize, usize) {
    let count = |c: usize| {
        let (mut columns, mut values) = (0, 0);
        for i in c * chunk..((c + 1) * chunk).min(a.rows()) {
            let alike = i > c * chunk && same_offsets(a, i);
            columns += usize::from(!alike);
            values += usize::from(!alike || a.row(i - 1).1 != a.row(i).1);
        }
        (columns, values)
    };
    (0..a.rows().div_ceil(chunk)).into_par_iter().map(count).reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// Row i lies as row i − 1 does, one column further.
fn same_offsets(a: &Csr, i: usize) -> bool {
    let (before, now) = (a.row(i - 1).0, a.row(i).0);
    before.len() == now.len() && before.iter().zip(now).all(|(&b, &n)| b + 1 == n)
}

impl Runs {
    /// Finds the runs; `constant` asks for equal values within each as well.
    pub(crate) fn new(a: &Csr, chunk: usize, constant: bool) -> Self {
        // Offsets, then the values' bits, identify a pattern. Chunks find theirs apart, then agree.
        type Key = Vec<u64>;
        let key = |i: usize| -> Key {
            let (columns, values) = a.row(i);
            let offsets = columns.iter().map(|&c| (i64::from(c) - i as i64) as u64);
            let values = values.iter().filter(|_| constant).map(|v| v.to_bits());
            offsets.chain(values).collect()
        };
        let find = |c: usize| {
            let (lo, hi) = (c * chunk, ((c + 1) * chunk).min(a.rows()));
            let mut known: HashMap<Key, u32> = HashMap::new();
            let mut keys: Vec<Key> = vec![];
            let mut runs: Vec<Run> = vec![];
            for i in lo..hi {
                let alike = i > lo && same_offsets(a, i) && (!constant || a.row(i - 1).1 == a.row(i).1);
                match runs.last_mut() {
                    Some(run) if alike => run.rows += 1,
                    _ => {
                        let pattern = *known.entry(key(i)).or_insert_with_key(|k| {
                            keys.push(k.clone());
                            keys.len() as u32 - 1
                        });
                        runs.push(Run { first: (i - lo) as u32, rows: 1, pattern });
                    }
                }
            }
            (runs, keys)
        };
        let found: Vec<(Vec<Run>, Vec<Key>)> = (0..a.rows().div_ceil(chunk)).into_par_iter().map(find).collect();

        let mut known: HashMap<Key, u32> = HashMap::new();
        let mut all =
            Self { chunk_start: vec![0], runs: vec![], pattern_start: vec![0], offsets: vec![], values: vec![] };
        for (runs, keys) in found {
            let mut numbers = Vec::with_capacity(keys.len());
            for k in keys {
                let next = known.len() as u32;
                numbers.push(*known.entry(k).or_insert_with_key(|k| {
                    let (offsets, values) = k.split_at(if constant { k.len() / 2 } else { k.len() });
                    all.offsets.extend(offsets.iter().map(|&o| o as i64));
                    all.values.extend(values.iter().map(|&v| f64::from_bits(v)));
                    all.pattern_start.push(all.offsets.len());
                    next
                }));
            }
            all.runs.extend(runs.iter().map(|r| Run { pattern: numbers[r.pattern as usize], ..*r }));
            all.chunk_start.push(all.runs.len());
        }
        all
    }

    /// Distinct patterns.
    pub(crate) fn patterns(&self) -> usize {
        self.pattern_start.len() - 1
    }
}
