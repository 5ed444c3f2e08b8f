//! Which rows each rank holds: whole chunks, so that the sums of chunks don't depend on the number of ranks.

use std::ops::Range;

/// Vectors of `len` entries in chunks of `chunk`, cut between ranks.
#[derive(Clone, Debug)]
pub(crate) struct Cuts {
    len: usize,
    chunk: usize,
    /// Rank p holds chunks `starts[p]..starts[p + 1]`.
    starts: Vec<usize>,
}

impl Cuts {
    /// Cuts after which each rank has about the same part of all `weights`, one of each chunk.
    pub(crate) fn new(len: usize, chunk: usize, weights: &[u64], ranks: usize) -> Self {
        debug_assert_eq!(weights.len(), len.div_ceil(chunk));
        let total: u128 = weights.iter().map(|&w| u128::from(w)).sum();
        let mut starts = vec![0];
        let (mut c, mut sum) = (0, 0u128);
        for p in 1..ranks as u128 {
            // A chunk goes to the side on which most of it lies.
            while c < weights.len() && (2 * sum + u128::from(weights[c])) * ranks as u128 <= 2 * p * total {
                sum += u128::from(weights[c]);
                c += 1;
            }
            starts.push(c);
        }
        starts.push(weights.len());
        Self { len, chunk, starts }
    }

    /// How many chunks all ranks hold.
    pub(crate) fn chunks(&self) -> usize {
        self.len.div_ceil(self.chunk)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn ranks(&self) -> usize {
        self.starts.len() - 1
    }

    /// The chunks of rank `p`.
    pub(crate) fn chunks_of(&self, p: usize) -> Range<usize> {
        self.starts[p]..self.starts[p + 1]
    }

    /// The entries of rank `p`.
    pub(crate) fn rows_of(&self, p: usize) -> Range<usize> {
        let Range { start, end } = self.chunks_of(p);
        (start * self.chunk).min(self.len)..(end * self.chunk).min(self.len)
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
        self.owner_of_chunk(i / self.chunk)
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
