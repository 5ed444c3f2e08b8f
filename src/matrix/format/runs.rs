//! Runs of rows with the same pattern, as stencils on grids have them; with several unknowns per grid point, patterns
//! repeat with a period of several rows.

use crate::matrix::Csr;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Where the runs of a matrix begin.
pub(crate) struct Starts {
    chunk: usize,
    period: usize,
    constant: bool,
    /// First rows of the runs of each chunk, counted from its start.
    first: Vec<Vec<u32>>,
}

impl Starts {
    /// Finds runs in chunks of `chunk` rows; `constant` requires equal values within each as well, and must be set for a
    /// period above 1. `None` if there are more than `most`: the search ends there, so that a matrix without runs is
    /// read only in part.
    pub(crate) fn find(a: &Csr, chunk: usize, period: usize, constant: bool, most: usize) -> Option<Self> {
        assert!(period == 1 || constant, "rows that take turns have gaps, which only shared values fill");
        let found = AtomicUsize::new(0);
        let starts = |c: usize| {
            let (lo, hi) = (c * chunk, ((c + 1) * chunk).min(a.rows()));
            let (mut starts, mut first) = (vec![0], lo);
            for i in lo + period..hi {
                if i >= first + period && !alike(a, i, period, constant) {
                    starts.push((i - lo) as u32);
                    first = i;
                }
            }
            (found.fetch_add(starts.len(), Ordering::Relaxed) + starts.len() <= most).then_some(starts)
        };
        let first = (0..a.rows().div_ceil(chunk)).into_par_iter().map(starts).collect::<Option<_>>()?;
        Some(Self { chunk, period, constant, first })
    }

    /// How many runs there are.
    pub(crate) fn count(&self) -> usize {
        self.first.iter().map(Vec::len).sum()
    }
}

/// Whether row i has the columns of row i − `period`, shifted by `period`, and if `constant` its values.
#[inline]
fn alike(a: &Csr, i: usize, period: usize, constant: bool) -> bool {
    same_offsets(a, i, period) && (!constant || same_values(a, i, period))
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
    if period == 1 {
        let values = a.row(first).1;
        let mut key = Vec::with_capacity(2 * values.len());
        key.extend(of(first).map(|o| o as u64));
        key.extend(values.iter().filter(|_| constant).map(|v| v.to_bits()));
        return key;
    }
    let mut offsets: Vec<i64> = (first..first + rows).flat_map(of).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let mut key: Key = offsets.iter().map(|&o| o as u64).collect();
    for o in offsets {
        key.extend((0..period).map(|r| {
            let i = first + r;
            let place = if r < rows { a.row(i).0.binary_search(&((i as i64 + o) as u32)).ok() } else { None };
            place.map_or(0, |k| a.row(i).1[k].to_bits())
        }));
    }
    key
}

impl Runs {
    /// The runs that begin there, with their patterns.
    pub(crate) fn new(a: &Csr, starts: &Starts) -> Self {
        let &Starts { chunk, period, constant, .. } = starts;
        // Chunks find their patterns independently; equal ones are then merged.
        let find = |(c, starts): (usize, &Vec<u32>)| {
            let (lo, hi) = (c * chunk, ((c + 1) * chunk).min(a.rows()));
            let mut known: HashMap<Key, u32> = HashMap::new();
            let mut keys: Vec<Key> = vec![];
            let ends = starts[1..].iter().copied().chain([(hi - lo) as u32]);
            let run = |(&first, end): (&u32, u32)| {
                let rows = end - first;
                let key = key(a, lo + first as usize, period.min(rows as usize), period, constant);
                let pattern = *known.entry(key).or_insert_with_key(|k| {
                    keys.push(k.clone());
                    keys.len() as u32 - 1
                });
                Run { first, rows, pattern }
            };
            let runs: Vec<Run> = starts.iter().zip(ends).map(run).collect();
            (runs, keys)
        };
        let found: Vec<(Vec<Run>, Vec<Key>)> = starts.first.par_iter().enumerate().map(find).collect();

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
