//! Which rows each rank holds. Where cuts are at multiples of a chunk, the sums of chunks don't depend on the number of
//! ranks.

use std::ops::Range;

/// Vectors cut between ranks, and each rank's part into chunks.
#[derive(Clone, Debug)]
pub(crate) struct Cuts {
    chunk: usize,
    /// Rank p holds entries `rows[p]..rows[p + 1]`.
    rows: Vec<usize>,
    /// They are chunks `starts[p]..starts[p + 1]`, counted over all ranks.
    starts: Vec<usize>,
}

impl Cuts {
    /// Cuts of `len` entries at multiples of `chunk` after which each rank has about the same part of all `weights`, one
    /// of each chunk.
    pub(crate) fn new(len: usize, chunk: usize, weights: &[u64], ranks: usize) -> Self {
        debug_assert_eq!(weights.len(), len.div_ceil(chunk));
        let total: u128 = weights.iter().map(|&w| u128::from(w)).sum();
        let mut counts = vec![];
        let (mut c, mut sum, mut start) = (0, 0u128, 0);
        for p in 1..=ranks as u128 {
            // A chunk goes to the side on which most of it lies.
            while c < weights.len()
                && (p == ranks as u128 || (2 * sum + u128::from(weights[c])) * ranks as u128 <= 2 * p * total)
            {
                sum += u128::from(weights[c]);
                c += 1;
            }
            let end = (c * chunk).min(len);
            counts.push(end - start);
            start = end;
        }
        Self::of(&counts, chunk)
    }

    /// The cuts after which the ranks have these numbers of entries.
    pub(crate) fn of(counts: &[usize], chunk: usize) -> Self {
        let sums = |each: &dyn Fn(usize) -> usize| {
            let ends = counts.iter().scan(0, |end, &n| {
                *end += each(n);
                Some(*end)
            });
            std::iter::once(0).chain(ends).collect()
        };
        Self { chunk, rows: sums(&|n| n), starts: sums(&|n| n.div_ceil(chunk)) }
    }

    /// How many chunks all ranks hold.
    pub(crate) fn chunks(&self) -> usize {
        self.starts[self.ranks()]
    }

    pub(crate) fn len(&self) -> usize {
        self.rows[self.ranks()]
    }

    pub(crate) fn ranks(&self) -> usize {
        self.starts.len() - 1
    }

    /// Entries of a chunk; the last one of a rank may have fewer.
    pub(crate) fn chunk(&self) -> usize {
        self.chunk
    }

    /// The chunks of rank `p`.
    pub(crate) fn chunks_of(&self, p: usize) -> Range<usize> {
        self.starts[p]..self.starts[p + 1]
    }

    /// The entries of rank `p`.
    pub(crate) fn rows_of(&self, p: usize) -> Range<usize> {
        self.rows[p]..self.rows[p + 1]
    }

    /// How many entries each rank holds.
    pub(crate) fn counts(&self) -> Vec<usize> {
        (0..self.ranks()).map(|p| self.rows_of(p).len()).collect()
    }

    /// The rank that holds chunk `c`.
    pub(crate) fn owner_of_chunk(&self, c: usize) -> usize {
        self.starts.partition_point(|&s| s <= c) - 1
    }

    /// The rank that holds entry `i`.
    pub(crate) fn owner(&self, i: usize) -> usize {
        self.rows.partition_point(|&s| s <= i) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_rank_and_weights_are_balanced() {
        for (len, ranks) in [(0, 3), (5, 1), (5, 4), (100, 3), (1000, 7), (64, 64), (30, 64)] {
            let weights: Vec<u64> = (0..len as u64).step_by(10).map(|i| 1 + i % 7).collect();
            let cuts = Cuts::new(len, 10, &weights, ranks);
            assert_eq!(cuts.counts().iter().sum::<usize>(), len);
            let mut next = 0;
            for p in 0..ranks {
                let rows = cuts.rows_of(p);
                assert_eq!(rows.start, next);
                next = rows.end;
                assert!(rows.clone().all(|i| cuts.owner(i) == p), "{len} {ranks} {p}");
                let own: u64 = weights[cuts.chunks_of(p)].iter().sum();
                let all: u64 = weights.iter().sum();
                assert!(own as f64 <= all as f64 / ranks as f64 + 7.0, "{len} {ranks} {p}: {own} of {all}");
            }
        }
    }
}
