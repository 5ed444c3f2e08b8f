//! This rank's part of vectors and matrices, where several ranks share a solve. An engine differs from that of one rank
//! where ghosts are brought before a product gathers, and where sums of chunks go to all ranks after a sweep; and in
//! triangular solves and products by functions, which need all of a vector.

use super::memory::{Buffer, Real, Shared, by_type};
use super::sweep::CHUNK;
use crate::backend::Counters;
use crate::error::Result;
use crate::matrix::Csr;
use crate::op::{Dtype, Operator, Space};
use crate::ranks::cuts::Cuts;
use crate::ranks::halo::Local;
use crate::ranks::sum::{Shape, pairwise};
use crate::ranks::{Ranks, Traffic};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Where a vector's own entries are among the ghosts of all matrices that gather it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) below: usize,
    pub(super) own: usize,
    pub(super) above: usize,
}

impl Extent {
    pub(super) fn all(self) -> usize {
        self.below + self.own + self.above
    }
}

/// Vectors of one length.
struct Length {
    shape: Shape,
    extent: Extent,
}

/// This rank's rows of a matrix, with the matrix.
type Rows = (Arc<Csr>, Arc<Local>);

pub(super) struct Part {
    ranks: Ranks,
    lengths: Vec<Length>,
    /// By operator; none for products that are functions.
    rows: Vec<Option<Rows>>,
}

impl Part {
    pub(super) fn new(ranks: &Ranks, space: &Space) -> Result<Self> {
        let operators = space.operators.iter().flat_map(|o| [o.matrix.rows(), o.matrix.cols()]);
        let mut lens: Vec<usize> = space.lengths().chain(operators).collect();
        lens.sort_unstable();
        lens.dedup();
        ranks.check_size(8 * lens.last().copied().unwrap_or(0))?;
        let length = |len: usize| {
            let matrix = space.operators.iter().filter_map(|o| o.matrix.entries()).find(|a| a.rows() == len);
            // What an iteration reads of a row: its entries, and some vectors.
            let weight = |c: usize| {
                let (lo, hi) = (c * CHUNK, ((c + 1) * CHUNK).min(len));
                let entries = matrix.map_or(0, |a| a.row_ptr()[hi] - a.row_ptr()[lo]);
                (entries + 4 * (hi - lo)) as u64
            };
            let weights: Vec<u64> = (0..len.div_ceil(CHUNK)).map(weight).collect();
            let cuts = Cuts::new(len, CHUNK, &weights, ranks.size());
            let own = cuts.rows_of(ranks.rank()).len();
            Length { shape: Shape::new(cuts), extent: Extent { own, ..Extent::default() } }
        };
        let lengths = lens.into_iter().map(length).collect();
        let mut part = Self { ranks: ranks.counted(), lengths, rows: vec![] };
        for o in &space.operators {
            let rows = o.matrix.entries().map(|a| part.cut(a)).transpose()?;
            if let Some((a, local)) = &rows {
                let place = part.place(a.cols());
                let extent = &mut part.lengths[place].extent;
                extent.below = extent.below.max(local.below);
                extent.above = extent.above.max(local.above);
            }
            part.rows.push(rows);
        }
        Ok(part)
    }

    fn place(&self, len: usize) -> usize {
        self.lengths.binary_search_by_key(&len, |l| l.shape.cuts().len()).expect("every length of the space is known")
    }

    fn length(&self, len: usize) -> &Length {
        &self.lengths[self.place(len)]
    }

    fn cuts(&self, len: usize) -> &Cuts {
        self.length(len).shape.cuts()
    }

    /// This rank's entries.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        self.cuts(len).rows_of(self.ranks.rank())
    }

    /// This rank's rows of `a`, cut once.
    fn cut(&self, a: &Arc<Csr>) -> Result<Rows> {
        if let Some(known) = self.rows.iter().flatten().find(|r| Arc::ptr_eq(&r.0, a)) {
            return Ok(known.clone());
        }
        let local = Local::new(a, self.cuts(a.rows()), self.cuts(a.cols()), CHUNK, &self.ranks)?;
        Ok((Arc::clone(a), Arc::new(local)))
    }

    /// New values for operator `a`.
    pub(super) fn update(&mut self, a: Operator, matrix: &Arc<Csr>) -> Result<()> {
        self.rows[a.0 as usize] = Some(self.cut(matrix)?);
        Ok(())
    }

    /// This rank's rows of operator `a`.
    pub(super) fn local(&self, a: Operator) -> &Arc<Local> {
        &self.rows[a.0 as usize].as_ref().expect("a stored matrix").1
    }

    pub(super) fn extent(&self, len: usize) -> Extent {
        self.length(len).extent
    }

    /// This rank's part of `values`.
    pub(super) fn of<'a>(&self, values: &'a [f64]) -> &'a [f64] {
        &values[self.range(values.len())]
    }

    /// A vector of `len` entries of which this rank has `mine`.
    pub(super) fn whole<T: Real>(&self, mine: &[T], len: usize) -> Result<Vec<T>> {
        self.ranks.gather_counted(mine, &self.cuts(len).counts())
    }

    /// All of a vector of `len` entries; `x` is this rank's part.
    pub(super) fn gathered(&self, x: Shared, len: usize) -> Result<Buffer> {
        let own = self.extent(len).own;
        // SAFETY: between sweeps nothing writes x.
        Ok(by_type!(x.dtype(), T => T::buffer(self.whole::<T>(unsafe { x.chunk(0, own) }, len)?)))
    }

    /// What this rank sent since this was made.
    pub(super) fn counters(&self) -> Counters {
        let Traffic { messages, bytes, reductions, waited_ns } = self.ranks.traffic();
        Counters { messages, reductions, bytes_sent: bytes, waited_us: waited_ns / 1000, ..Counters::default() }
    }

    /// The sum of a number over all ranks.
    pub(super) fn sum(&self, number: u64) -> Result<u64> {
        Ok(self.ranks.gather_counted(&[number], &vec![1; self.ranks.size()])?.into_iter().sum())
    }

    /// The totals of `sums` reductions over vectors of `len` entries; `partials` holds those of each of this rank's chunks.
    pub(super) fn totals(&self, len: usize, partials: &[f64], sums: usize) -> Result<Vec<f64>> {
        let shape = &self.length(len).shape;
        let me = self.ranks.rank();
        let first = shape.cuts().chunks_of(me).start;
        let mut mine = Vec::with_capacity(sums * shape.tops(me).len());
        for t in 0..sums {
            mine.extend(shape.tops(me).iter().map(|top| pairwise(top.clone(), &|c| partials[(c - first) * sums + t])));
        }
        let counts: Vec<usize> = shape.counts().collect();
        let all = self.ranks.gather_counted(&mine, &counts.iter().map(|n| n * sums).collect::<Vec<_>>())?;
        let starts: Vec<usize> =
            counts.iter().scan(0, |end, n| Some(std::mem::replace(end, *end + n * sums))).collect();
        let total = |t: usize| {
            let mut at: Vec<usize> = starts.iter().zip(&counts).map(|(start, n)| start + t * n).collect();
            shape.total(|p| {
                at[p] += 1;
                all[at[p] - 1]
            })
        };
        Ok((0..sums).map(total).collect())
    }

    /// Brings the ghosts of each x, seen as its matrix sees it; `meanwhile` may work on chunks that need none.
    ///
    /// # Safety
    /// Nothing writes the vectors meanwhile, and `meanwhile` reads no ghosts.
    pub(super) unsafe fn exchange(&self, products: &[(&Local, Shared)], meanwhile: impl FnMut()) -> Result<()> {
        let mut sends = BTreeMap::<usize, Vec<u8>>::new();
        let mut counts = BTreeMap::<usize, usize>::new();
        for (local, x) in products {
            let size = x.dtype().size();
            for (p, places) in &local.sends {
                let bytes = sends.entry(*p).or_default();
                // SAFETY: by the caller's word.
                by_type!(x.dtype(), T => unsafe { pack::<T>(*x, local.below, places, bytes) });
            }
            for (p, range) in &local.receives {
                *counts.entry(*p).or_default() += size * range.len();
            }
        }
        let sends: Vec<_> = sends.into_iter().collect();
        let mut receives: Vec<_> = counts.into_iter().map(|(p, bytes)| (p, vec![0u8; bytes])).collect();
        self.ranks.exchange(&sends, &mut receives, meanwhile)?;
        for (p, bytes) in &receives {
            let mut rest = &bytes[..];
            for (local, x) in products {
                for (_, range) in local.receives.iter().filter(|(from, _)| from == p) {
                    let (part, tail) = rest.split_at(x.dtype().size() * range.len());
                    // SAFETY: no product reads x yet, or no longer.
                    by_type!(x.dtype(), T => unsafe {
                        bytemuck::cast_slice_mut(x.chunk_mut::<T>(range.start, range.end)).copy_from_slice(part);
                    });
                    rest = tail;
                }
            }
        }
        Ok(())
    }
}

/// Adds entries `places` of x, counted from `below`, to `bytes`.
///
/// # Safety
/// Nothing writes x.
unsafe fn pack<T: Real>(x: Shared, below: usize, places: &[u32], bytes: &mut Vec<u8>) {
    let Some(last) = places.iter().max() else { return };
    // SAFETY: by the caller's word.
    let own: &[T] = unsafe { x.chunk(below, below + *last as usize + 1) };
    places.iter().for_each(|&k| bytes.extend_from_slice(bytemuck::bytes_of(&own[k as usize])));
}
