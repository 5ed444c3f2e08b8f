//! Sums over chunks, added by halves over the chunks' numbers: the order is fixed and the error grows with log n.
//!
//! The tree belongs to the whole vector. A rank holds consecutive chunks, and these are the leaves of a few complete
//! subtrees; it sends the sums of those. What is above them every rank adds up alike: the bits of one process, for
//! any number of ranks.

use super::cuts::Cuts;
use std::ops::Range;

/// Numbers that are added one after the other at the bottom of the tree.
const LEAF: usize = 8;

/// The sum of a subtree over chunks `lo..hi`; `known` gives what need not be added up: all of a subtree, or a chunk.
fn tree(lo: usize, hi: usize, known: &mut impl FnMut(Range<usize>) -> Option<f64>) -> f64 {
    if let Some(sum) = known(lo..hi) {
        return sum;
    }
    if hi - lo <= LEAF {
        return (lo..hi).map(|c| known(c..c + 1).expect("a chunk's sum is known")).sum();
    }
    let mid = lo + (hi - lo) / 2;
    tree(lo, mid, known) + tree(mid, hi, known)
}

/// Σ_c f(c) over chunks `range`, a subtree.
pub(crate) fn pairwise(range: Range<usize>, f: &impl Fn(usize) -> f64) -> f64 {
    tree(range.start, range.end, &mut |r| (r.len() == 1).then(|| f(r.start)))
}

/// How the sums of ranks make the sum of all.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    cuts: Cuts,
    /// The largest subtrees within each rank's chunks, from left to right.
    tops: Vec<Vec<Range<usize>>>,
}

impl Shape {
    pub(crate) fn new(cuts: Cuts) -> Self {
        let mut tops = vec![vec![]; cuts.ranks()];
        if cuts.chunks() > 0 {
            tree(0, cuts.chunks(), &mut |r| {
                let owner = owner(&cuts, &r)?;
                tops[owner].push(r);
                Some(0.0)
            });
        }
        Self { cuts, tops }
    }

    pub(crate) fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// The chunks of the subtrees that rank `p` adds up.
    pub(crate) fn tops(&self, p: usize) -> &[Range<usize>] {
        &self.tops[p]
    }

    /// How many subtrees each rank adds up.
    pub(crate) fn counts(&self) -> impl Iterator<Item = usize> {
        self.tops.iter().map(Vec::len)
    }

    /// The sum of all; `next(p)` gives the sums of rank p's subtrees one after the other.
    pub(crate) fn total(&self, mut next: impl FnMut(usize) -> f64) -> f64 {
        let n = self.cuts.chunks();
        if n == 0 {
            return pairwise(0..0, &|_| 0.0);
        }
        tree(0, n, &mut |r| owner(&self.cuts, &r).map(&mut next))
    }
}

/// The rank that holds all of `chunks`.
fn owner(cuts: &Cuts, chunks: &Range<usize>) -> Option<usize> {
    let first = cuts.owner_of_chunk(chunks.start);
    (first == cuts.owner_of_chunk(chunks.end - 1)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;

    #[test]
    fn ranks_have_the_bits_of_one() {
        for chunks in [0, 1, 7, 8, 9, 16, 17, 100, 977] {
            let sums = Random::new(chunks as u64).vector(chunks);
            let alone = pairwise(0..chunks, &|c| sums[c]);
            for ranks in 1..9 {
                let weights: Vec<u64> = (0..chunks as u64).map(|c| 1 + (c * c) % 5).collect();
                let shape = Shape::new(Cuts::new(chunks * 4, 4, &weights, ranks));
                let sent: Vec<Vec<f64>> = (0..ranks)
                    .map(|p| shape.tops(p).iter().map(|r| pairwise(r.clone(), &|c| sums[c])).collect())
                    .collect();
                let mut at = vec![0; ranks];
                let total = shape.total(|p| {
                    at[p] += 1;
                    sent[p][at[p] - 1]
                });
                assert_eq!(total.to_bits(), alone.to_bits(), "{chunks} chunks on {ranks} ranks");
                assert!(at.iter().copied().eq(shape.counts()));
                let most = 2 * (chunks.max(1).ilog2() as usize + LEAF);
                assert!(shape.counts().all(|n| n <= most), "messages stay short");
            }
        }
    }
}
