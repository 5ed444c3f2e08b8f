//! Runs of rows with the same pattern, as stencils on grids have them; with several unknowns per grid point, patterns
//! repeat with a period of several rows.

use crate::matrix::Csr;
use rayon::prelude::*;
use std::collections::HashMap;

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

/// A matrix whose rows come in runs.
#[derive(Debug)]
pub(crate) struct Runs {
    /// Period of the patterns: row i looks like row i − period. 1 if all rows of a run are alike.
    pub(crate) period: usize,
    /// First run of each chunk, and the number of runs.
    pub(crate) chunk_start: Vec<usize>,
    pub(crate) runs: Vec<Run>,
    /// Where each pattern starts in `offsets`, and where the last one ends.
    pub(crate) pattern_start: Vec<usize>,
    /// column − row, ascending: the union over the rows of a period.
    pub(crate) offsets: Vec<i64>,
    /// The values of each pattern, if the rows of a run share them; else empty. `period` values per offset, for the
    /// rows from the first of the run on; zero where a row has no such entry.
    pub(crate) values: Vec<f64>,
}

/// How many runs there are in chunks of `chunk` rows: by columns alone, and by columns and values.
pub(crate) fn count_runs(a: &Csr, chunk: usize, period: usize) -> (usize, usize) {
    let count = |c: usize| {
        let (lo, hi) = (c * chunk, ((c + 1) * chunk).min(a.rows()));
        let (mut columns, mut values) = (0, 0);
        // First rows of the current runs.
        let (mut by_columns, mut by_values) = (lo, lo);
        for i in lo..hi {
            let alike = i >= lo + period && same_offsets(a, i, period);
            if i == lo || i >= by_columns + period && !alike {
                (columns, by_columns) = (columns + 1, i);
            }
            if i == lo || i >= by_values + period && !(alike && same_values(a, i, period)) {
                (values, by_values) = (values + 1, i);
            }
        }
        (columns, values)
    };
    (0..a.rows().div_ceil(chunk)).into_par_iter().map(count).reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// Whether row i has the columns of row i − `period`, shifted by `period`.
fn same_offsets(a: &Csr, i: usize, period: usize) -> bool {
    let (before, now) = (a.row(i - period).0, a.row(i).0);
    before.len() == now.len() && before.iter().zip(now).all(|(&b, &n)| b + period as u32 == n)
}

fn same_values(a: &Csr, i: usize, period: usize) -> bool {
    a.row(i - period).1 == a.row(i).1
}

/// Offsets, then the values' bits, identify a pattern.
type Key = Vec<u64>;

/// The pattern that starts with the rows `first .. first + rows`, at most one period of them.
fn key(a: &Csr, first: usize, rows: usize, period: usize, constant: bool) -> Key {
    let of = |i: usize| a.row(i).0.iter().map(move |&c| i64::from(c) - i as i64);
    let mut offsets: Vec<i64> = (first..first + rows).flat_map(of).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let mut key: Key = offsets.iter().map(|&o| o as u64).collect();
    if constant {
        for o in offsets {
            key.extend((0..period).map(|r| {
                let i = first + r;
                let place = if r < rows { a.row(i).0.binary_search(&((i as i64 + o) as u32)).ok() } else { None };
                place.map_or(0, |k| a.row(i).1[k].to_bits())
            }));
        }
    }
    key
}

impl Runs {
    /// Finds the runs; `constant` requires equal values within each as well, and must be set for a period above 1.
    pub(crate) fn new(a: &Csr, chunk: usize, period: usize, constant: bool) -> Self {
        assert!(period == 1 || constant, "rows that take turns have gaps, which only shared values fill");
        // Chunks find their patterns independently; equal ones are then merged.
        let find = |c: usize| {
            let (lo, hi) = (c * chunk, ((c + 1) * chunk).min(a.rows()));
            let mut known: HashMap<Key, u32> = HashMap::new();
            let mut keys: Vec<Key> = vec![];
            let mut runs: Vec<Run> = vec![];
            let mut first = lo;
            for i in lo + 1..=hi {
                let goes_on = i < hi
                    && (i < first + period || same_offsets(a, i, period) && (!constant || same_values(a, i, period)));
                if goes_on {
                    continue;
                }
                let pattern =
                    *known.entry(key(a, first, (i - first).min(period), period, constant)).or_insert_with_key(|k| {
                        keys.push(k.clone());
                        keys.len() as u32 - 1
                    });
                runs.push(Run { first: (first - lo) as u32, rows: (i - first) as u32, pattern });
                first = i;
            }
            (runs, keys)
        };
        let found: Vec<(Vec<Run>, Vec<Key>)> = (0..a.rows().div_ceil(chunk)).into_par_iter().map(find).collect();

        let mut known: HashMap<Key, u32> = HashMap::new();
        let mut all = Self {
            period,
            chunk_start: vec![0],
            runs: vec![],
            pattern_start: vec![0],
            offsets: vec![],
            values: vec![],
        };
        for (runs, keys) in found {
            let mut numbers = Vec::with_capacity(keys.len());
            for k in keys {
                let next = known.len() as u32;
                numbers.push(*known.entry(k).or_insert_with_key(|k| {
                    let (offsets, values) = k.split_at(if constant { k.len() / (1 + period) } else { k.len() });
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

    /// Runs of chunk `c`.
    pub(crate) fn of_chunk(&self, c: usize) -> &[Run] {
        &self.runs[self.chunk_start[c]..self.chunk_start[c + 1]]
    }

    /// The range of offsets of a run's pattern.
    pub(crate) fn pattern(&self, run: &Run) -> std::ops::Range<usize> {
        self.pattern_start[run.pattern as usize]..self.pattern_start[run.pattern as usize + 1]
    }
}
