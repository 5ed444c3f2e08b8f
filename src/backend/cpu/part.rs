//! This rank's part of vectors and matrices, where several ranks share a solve. An engine differs from that of one rank
//! where ghosts are brought before a product gathers, and where sums of chunks go to all ranks after a sweep.
//!
//! A space is of all rows on every rank, or of each rank's own: the first where ranks are given all of A, the second where
//! they hold rows of it. Of the first, triangular solves and products by functions gather all of a vector; in the second
//! they are the rank's own.

use super::memory::{Buffer, Real, Shared, by_type};
use super::sweep::CHUNK;
use crate::backend::Counters;
use crate::error::Result;
use crate::matrix::parted::{Local, Rows};
use crate::matrix::{Csr, Matrix, Parted};
use crate::op::{Dtype, Length, Operator, Space};
use crate::ranks::cuts::Cuts;
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

/// Vectors of one length and one layout.
struct Kind {
    length: Length,
    /// How sums over them are added up; none where each rank has some for itself.
    shape: Option<Shape>,
    extent: Extent,
}

/// This rank's rows of a matrix.
#[derive(Clone)]
enum Held {
    /// Cut out of all of it.
    Cut(Arc<Csr>, Arc<Local>),
    Given(Parted),
}

impl Held {
    fn local(&self) -> &Local {
        match self {
            Self::Cut(_, local) => local,
            Self::Given(a) => &a.local,
        }
    }
}

pub(super) struct Part {
    ranks: Ranks,
    /// Each rank's space is of its own rows.
    own: bool,
    kinds: Vec<Kind>,
    /// By operator; none for products that are functions, and for matrices that a rank has for itself.
    rows: Vec<Option<Held>>,
}

impl Part {
    pub(super) fn new(ranks: &Ranks, space: &Space) -> Result<Self> {
        let own = space.operators.iter().any(|o| o.matrix.parted().is_some());
        let of = |entries: usize| Length { entries, layout: 0 };
        let operators = space.operators.iter().filter(|_| !own);
        let operators = operators.flat_map(|o| [of(o.matrix.rows()), of(o.matrix.cols())]);
        let mut lengths: Vec<Length> = space.lengths().chain(operators).collect();
        lengths.sort_unstable();
        lengths.dedup();
        if !own {
            // Such vectors are gathered.
            let longest = lengths.iter().map(|l| l.entries).max().unwrap_or(0);
            ranks.check_size(8 * longest)?;
        }
        let kinds =
            lengths.into_iter().map(|length| if own { given(length, space) } else { cut(length, space, ranks) });
        let mut part = Self { ranks: ranks.counted(), own, kinds: kinds.collect(), rows: vec![] };
        for o in &space.operators {
            let held = part.held(&o.matrix)?;
            if let Some(held) = &held {
                let (local, length) = (held.local(), Length { entries: o.matrix.cols(), layout: o.matrix.layout() });
                // Vectors of a layout that a space has a matrix for, and none of.
                if let Some(place) = part.find(length) {
                    let extent = &mut part.kinds[place].extent;
                    extent.below = extent.below.max(local.below);
                    extent.above = extent.above.max(local.above);
                }
            }
            part.rows.push(held);
        }
        Ok(part)
    }

    fn find(&self, length: Length) -> Option<usize> {
        self.kinds.binary_search_by_key(&length, |k| k.length).ok()
    }

    fn kind(&self, length: Length) -> &Kind {
        &self.kinds[self.find(length).expect("every length of the space is known")]
    }

    fn cuts(&self, length: Length) -> &Cuts {
        self.kind(length).shape.as_ref().expect("ranks share it").cuts()
    }

    /// This rank's entries.
    pub(super) fn range(&self, length: Length) -> Range<usize> {
        if self.own { 0..length.entries } else { self.cuts(length).rows_of(self.ranks.rank()) }
    }

    /// This rank's rows of `matrix`, cut once.
    fn held(&self, matrix: &Matrix) -> Result<Option<Held>> {
        match matrix {
            Matrix::Parted(a) => Ok(Some(Held::Given(a.clone()))),
            Matrix::Stored(a) if !self.own => self.cut(a).map(Some),
            _ => Ok(None),
        }
    }

    fn cut(&self, a: &Arc<Csr>) -> Result<Held> {
        let known = |held: &&Held| matches!(held, Held::Cut(known, _) if Arc::ptr_eq(known, a));
        if let Some(known) = self.rows.iter().flatten().find(known) {
            return Ok(known.clone());
        }
        let of = |entries: usize| Length { entries, layout: 0 };
        let rows = Rows::of(a, self.range(of(a.rows())));
        let local = Local::new(&rows, self.cuts(of(a.cols())), &self.ranks)?;
        Ok(Held::Cut(Arc::clone(a), Arc::new(local)))
    }

    /// New values for operator `a`.
    pub(super) fn update(&mut self, a: Operator, matrix: &Arc<Csr>) -> Result<()> {
        self.rows[a.0 as usize] = self.held(&matrix.into())?;
        Ok(())
    }

    /// This rank's rows of operator `a`, where ranks share it.
    pub(super) fn local(&self, a: Operator) -> Option<&Local> {
        self.rows[a.0 as usize].as_ref().map(Held::local)
    }

    pub(super) fn extent(&self, length: Length) -> Extent {
        self.kind(length).extent
    }

    /// This rank's part of `values`.
    pub(super) fn of<'a>(&self, values: &'a [f64], length: Length) -> &'a [f64] {
        &values[self.range(length)]
    }

    /// What a driver sees of a vector of which this rank has `mine`: all of it, or its own part.
    pub(super) fn whole<T: Real>(&self, mine: Vec<T>, length: Length) -> Result<Vec<T>> {
        if self.own {
            return Ok(mine);
        }
        self.ranks.gather_counted(&mine, &self.cuts(length).counts())
    }

    /// All of a vector; `x` is this rank's part. `None` where it is all that the rank needs.
    pub(super) fn gathered(&self, x: Shared, length: Length) -> Result<Option<Buffer>> {
        if self.own {
            return Ok(None);
        }
        let own = self.extent(length).own;
        // SAFETY: between sweeps nothing writes x.
        let all = by_type!(x.dtype(), T => T::buffer(self.whole::<T>(unsafe { x.chunk(0, own) }.to_vec(), length)?));
        Ok(Some(all))
    }

    /// What this rank sent since this was made.
    pub(super) fn counters(&self) -> Counters {
        let Traffic { messages, bytes, reductions, waited_ns } = self.ranks.traffic();
        Counters { messages, reductions, bytes_sent: bytes, waited_us: waited_ns / 1000, ..Counters::default() }
    }

    /// The sum of a number over all ranks, for what they share.
    pub(super) fn sum(&self, a: Operator, number: u64) -> Result<u64> {
        if self.own || self.local(a).is_none() {
            return Ok(number);
        }
        Ok(self.ranks.gather_counted(&[number], &vec![1; self.ranks.size()])?.into_iter().sum())
    }

    /// The totals of `sums` reductions over vectors; `partials` holds those of each of this rank's chunks.
    pub(super) fn totals(&self, length: Length, partials: &[f64], sums: usize) -> Result<Vec<f64>> {
        let Some(shape) = &self.kind(length).shape else {
            let chunks = partials.len() / sums;
            return Ok((0..sums).map(|t| pairwise(0..chunks, &|c| partials[c * sums + t])).collect());
        };
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

/// Vectors of this length as the ranks of a space of all rows hold them, balanced by what an iteration reads of a row: its
/// entries, and some vectors.
fn cut(length: Length, space: &Space, ranks: &Ranks) -> Kind {
    let len = length.entries;
    let matrix = space.operators.iter().filter_map(|o| o.matrix.entries()).find(|a| a.rows() == len);
    let weight = |c: usize| {
        let (lo, hi) = (c * CHUNK, ((c + 1) * CHUNK).min(len));
        let entries = matrix.map_or(0, |a| a.row_ptr()[hi] - a.row_ptr()[lo]);
        (entries + 4 * (hi - lo)) as u64
    };
    let weights: Vec<u64> = (0..len.div_ceil(CHUNK)).map(weight).collect();
    let cuts = Cuts::new(len, CHUNK, &weights, ranks.size());
    let own = cuts.rows_of(ranks.rank()).len();
    Kind { length, shape: Some(Shape::new(cuts)), extent: Extent { own, ..Extent::default() } }
}

/// Vectors of this length in a space of each rank's own rows: cut like the rows of a matrix of their layout.
fn given(length: Length, space: &Space) -> Kind {
    let alike = |a: &&Parted| a.layout == length.layout;
    let matrix = space.operators.iter().filter_map(|o| o.matrix.parted()).find(alike);
    let shape = matrix.map(|a| Shape::new(a.cuts.clone()));
    Kind { length, shape, extent: Extent { own: length.entries, ..Extent::default() } }
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
