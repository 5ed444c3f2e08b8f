//! A matrix of which this rank holds some rows, and the entries of x that these need of other ranks for a product: its
//! ghosts.
//!
//! The rank sees x as ghosts below its own entries, its own, ghosts above them, each in the order of the whole vector.
//! So a row's entries keep their order, and its sum its bits.

use super::{Csr, Matrix};
use crate::error::{Error, Result};
use crate::host::scale::{CHUNK, larger};
use crate::host::whole::Whole;
use crate::ranks::Ranks;
use crate::ranks::cuts::Cuts;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a matrix; columns are counted over the whole of it and ascend.
pub(crate) struct Rows<'a, C> {
    /// Where the rows begin among `columns` and `values`, counted from any number; one more than there are rows.
    starts: &'a [usize],
    columns: &'a [C],
    values: &'a [f64],
}

impl<'a, C> Rows<'a, C> {
    pub(crate) fn new(starts: &'a [usize], columns: &'a [C], values: &'a [f64]) -> Self {
        Self { starts, columns, values }
    }
}

impl<'a> Rows<'a, u32> {
    /// Rows `range` of `a`.
    pub(crate) fn of(a: &'a Csr, range: Range<usize>) -> Self {
        let starts = &a.row_ptr()[range.start..=range.end];
        let entries = starts[0]..starts[range.len()];
        Self { starts, columns: &a.columns()[entries.clone()], values: &a.values()[entries] }
    }
}

/// The rows of one rank.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// Its rows; columns are places among ghosts below, own entries and ghosts above.
    pub(crate) matrix: Arc<Csr>,
    /// How many ghosts come before the rank's own entries, and how many after.
    pub(crate) below: usize,
    pub(crate) above: usize,
    /// The ghosts, counted over the whole vector.
    pub(crate) ghosts: Vec<u64>,
    /// For each rank that is sent something: places among this rank's own entries.
    pub(crate) sends: Vec<(usize, Vec<u32>)>,
    /// For each rank that sends something: places as in the matrix's columns.
    pub(crate) receives: Vec<(usize, Range<usize>)>,
    /// Which chunks of rows need ghosts.
    pub(crate) waits: Vec<bool>,
}

impl Local {
    /// These rows, with x cut by `cuts`. All ranks call this together.
    pub(crate) fn new<C: Copy + Into<u64>>(rows: &Rows<'_, C>, cuts: &Cuts, ranks: &Ranks) -> Result<Self> {
        let own = cuts.rows_of(ranks.rank());
        let (first, end) = (own.start as u64, own.end as u64);
        let count = rows.starts.len() - 1;
        let at = |i: usize| rows.starts[i] - rows.starts[0];
        let columns_of = |rows_of: &Range<usize>| &rows.columns[at(rows_of.start)..at(rows_of.end)];
        // Columns ascend, so the ends of a row tell.
        let outside = |i: usize| {
            let columns = columns_of(&(i..i + 1));
            let ends = columns.first().zip(columns.last());
            ends.is_some_and(|(&low, &high)| low.into() < first || high.into() >= end)
        };
        let chunk = cuts.chunk();
        let chunks = || (0..count).step_by(chunk).map(|lo| lo..(lo + chunk).min(count));
        let waits: Vec<bool> = chunks().map(|mut rows| rows.any(outside)).collect();
        let waiting = chunks().zip(&waits).filter(|(_, wait)| **wait);
        let mut ghosts: Vec<u64> = waiting.flat_map(|(rows, _)| columns_of(&rows)).map(|&j| j.into()).collect();
        ghosts.retain(|j| !(first..end).contains(j));
        ghosts.sort_unstable();
        ghosts.dedup();
        let below = ghosts.partition_point(|&j| j < first);
        let width = ghosts.len() + own.len();
        if width > u32::MAX as usize {
            return Err(Error::input(format!("a rank's rows meet {width} columns; there may be 2^32 - 1")));
        }
        let place = |j: u64| {
            if (first..end).contains(&j) {
                return (below as u64 + j - first) as u32;
            }
            let k = ghosts.binary_search(&j).expect("a column outside is a ghost");
            (if k < below { k } else { k + own.len() }) as u32
        };
        let mut local: Vec<u32> = Vec::with_capacity(rows.columns.len());
        for (rows, &wait) in chunks().zip(&waits) {
            let columns = columns_of(&rows);
            match wait {
                true => local.extend(columns.iter().map(|&j| place(j.into()))),
                false => local.extend(columns.iter().map(|&j| (j.into() - first + below as u64) as u32)),
            }
        }
        let row_ptr: Vec<usize> = (0..=count).map(at).collect();
        let (sends, receives) = plan(&ghosts, below, cuts, ranks)?;
        let matrix = Arc::new(Csr::trusted(count, width, row_ptr, local, rows.values.to_vec()));
        Ok(Self { matrix, below, above: ghosts.len() - below, ghosts, sends, receives, waits })
    }

    /// x with its ghosts.
    pub(crate) fn seen<T: bytemuck::Pod>(&self, x: &[T], ranks: &Ranks) -> Result<Vec<T>> {
        let pack = |(p, places): &(usize, Vec<u32>)| {
            let values: Vec<T> = places.iter().map(|&k| x[k as usize]).collect();
            (*p, bytemuck::cast_slice(&values).to_vec())
        };
        let sends: Vec<_> = self.sends.iter().map(pack).collect();
        let mut receives: Vec<_> =
            self.receives.iter().map(|(p, range)| (*p, vec![0u8; size_of::<T>() * range.len()])).collect();
        ranks.exchange(&sends, &mut receives, || ())?;
        let mut seen = vec![T::zeroed(); self.below + x.len() + self.above];
        seen[self.below..self.below + x.len()].copy_from_slice(x);
        for ((_, bytes), (_, range)) in receives.iter().zip(&self.receives) {
            bytemuck::cast_slice_mut(&mut seen[range.clone()]).copy_from_slice(bytes);
        }
        Ok(seen)
    }
}

type Sends = Vec<(usize, Vec<u32>)>;
type Receives = Vec<(usize, Range<usize>)>;

/// Who sends what: each rank tells the owners of its ghosts which entries it needs.
fn plan(ghosts: &[u64], below: usize, cuts: &Cuts, ranks: &Ranks) -> Result<(Sends, Receives)> {
    let own = cuts.rows_of(ranks.rank());
    let mut asks: Vec<(usize, Vec<u64>)> = vec![];
    let mut receives: Receives = vec![];
    for (k, &j) in ghosts.iter().enumerate() {
        let owner = cuts.owner(j as usize);
        let at = if k < below { k } else { k + own.len() };
        match (asks.last_mut(), receives.last_mut()) {
            (Some((p, wanted)), Some((_, range))) if *p == owner => {
                wanted.push(j);
                range.end = at + 1;
            }
            _ => {
                asks.push((owner, vec![j]));
                receives.push((owner, at..at + 1));
            }
        }
    }
    let places = |(p, wanted): (usize, Vec<u64>)| {
        // Products read these places without a check.
        match wanted.iter().all(|&j| own.contains(&(j as usize))) {
            true => Ok((p, wanted.iter().map(|&j| (j - own.start as u64) as u32).collect())),
            false => Err(Error::Ranks(format!("rank {p} is out of step: it asks for entries that are elsewhere"))),
        }
    };
    let asked = ranks.mail(asks)?;
    Ok((asked.into_iter().map(places).collect::<Result<_>>()?, receives))
}

/// A square matrix whose rows several ranks hold: what one of them has. See [`Matrix::from_local_rows`]. Cheap to clone.
#[derive(Clone)]
pub struct Parted(Arc<Share>, Ranks);

/// What a [`Parted`] refers to, beside the ranks: no value of that type exists in a browser, nor one of `Parted` therefore.
pub struct Share {
    pub(crate) ranks: Ranks,
    pub(crate) cuts: Cuts,
    pub(crate) local: Local,
    /// Entries of all ranks.
    pub(crate) entries: u64,
    /// Tells vectors that are cut like its rows from others.
    pub(crate) layout: u32,
}

impl fmt::Debug for Parted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows {:?} of {} of a matrix", self.range(), self.cuts.len())
    }
}

impl std::ops::Deref for Parted {
    type Target = Share;
    fn deref(&self) -> &Share {
        &self.0
    }
}

impl Parted {
    pub(crate) fn new<C: Copy + Into<u64>>(ranks: &Ranks, rows: &Rows<'_, C>, cuts: Cuts, layout: u32) -> Result<Self> {
        let local = Local::new(rows, &cuts, ranks)?;
        let entries = ranks.gather(&[rows.values.len() as u64])?.into_iter().sum();
        let share = Share { ranks: ranks.clone(), cuts, local, entries, layout };
        Ok(Self(Arc::new(share), ranks.clone()))
    }

    /// True if both are the same object.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Sets rows and columns to zero; `rows` has a flag for each of this rank's rows.
    ///
    /// # Errors
    /// A rank that is gone.
    pub(crate) fn silenced(&self, rows: &[bool]) -> Result<Self> {
        let columns = self.local.seen(&rows.iter().map(|&r| u8::from(r)).collect::<Vec<u8>>(), &self.ranks)?;
        let mut matrix = (*self.local.matrix).clone();
        matrix.silence(|i| rows[i], |j| columns[j] == 1)?;
        let Share { ranks, cuts, local, entries, layout } = &**self;
        let local = Local { matrix: Arc::new(matrix), ..local.clone() };
        let share = Share { ranks: ranks.clone(), cuts: cuts.clone(), local, entries: *entries, layout: *layout };
        Ok(Self(Arc::new(share), self.1.clone()))
    }
}

impl Share {
    /// This rank's rows, counted over all.
    pub(crate) fn range(&self) -> Range<usize> {
        self.cuts.rows_of(self.ranks.rank())
    }

    /// How many entries of x this rank has.
    pub(crate) fn own(&self) -> usize {
        self.range().len()
    }

    /// Its places among the columns of its rows.
    pub(crate) fn inside(&self) -> Range<usize> {
        self.local.below..self.local.below + self.own()
    }

    /// x with the entries of other ranks that this one's rows meet; no numbers where a rank is gone, which the next message
    /// finds out.
    pub(crate) fn seen(&self, x: &[f64]) -> Vec<f64> {
        self.local.seen(x, &self.ranks).unwrap_or_else(|_| vec![f64::NAN; self.local.matrix.cols()])
    }

    /// The entries of this rank's rows in its own columns.
    pub(crate) fn block(&self) -> Csr {
        let inside = self.inside();
        let a = &self.local.matrix;
        let own = |i: usize| {
            let (columns, values) = a.row(i);
            let range = columns.partition_point(|&j| (j as usize) < inside.start)
                ..columns.partition_point(|&j| (j as usize) < inside.end);
            columns[range.clone()].iter().map(|j| j - inside.start as u32).zip(values[range].iter().copied())
        };
        let (mut row_ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
        for i in 0..a.rows() {
            own(i).for_each(|(j, v)| {
                columns.push(j);
                values.push(v);
            });
            row_ptr.push(columns.len());
        }
        Csr::trusted(a.rows(), a.rows(), row_ptr, columns, values)
    }

    /// a_ii of this rank's rows; 0 where there is no entry.
    pub(crate) fn diagonal(&self) -> Vec<f64> {
        let (a, below) = (&self.local.matrix, self.local.below);
        (0..a.rows()).map(|i| a.get(i, below + i)).collect()
    }

    /// Ghost at place `k`, counted over the whole vector.
    pub(crate) fn ghost(&self, k: usize) -> u64 {
        let below = self.local.below;
        self.local.ghosts[if k < below { k } else { k - self.own() }]
    }

    /// The column at place `k`, counted over the whole matrix.
    pub(crate) fn column(&self, k: u32) -> u64 {
        let (k, inside) = (k as usize, self.inside());
        if inside.contains(&k) { (self.range().start + k - inside.start) as u64 } else { self.ghost(k) }
    }

    /// The numbers of all ranks put together by `both`; no number where a rank is gone.
    pub(crate) fn folded<T: bytemuck::Pod>(&self, own: T, gone: T, both: impl Fn(T, T) -> T) -> T {
        let all = self.ranks.gather_counted(&[own], &vec![1; self.ranks.size()]);
        all.map_or(gone, |all| all.into_iter().reduce(both).unwrap_or(own))
    }
}

impl Share {
    /// The least of the rows that ranks have found.
    pub(crate) fn least(&self, row: Option<usize>) -> Option<usize> {
        let none = u64::MAX;
        let own = row.map_or(none, |i| i as u64);
        Some(self.folded(own, own, u64::min)).filter(|i| *i != none).map(|i| i as usize)
    }
}

impl Whole for Parted {
    fn widest(&self, own: f64) -> f64 {
        self.folded(own, f64::NAN, larger)
    }

    fn any(&self, own: bool) -> bool {
        self.folded(u8::from(own), u8::from(own), |a, b| a | b) != 0
    }

    fn sum(&self, own: &[f64]) -> f64 {
        self.ranks.gather(own).map_or(f64::NAN, |all| all.iter().sum())
    }

    fn count(&self, own: usize) -> usize {
        self.folded(own as u64, own as u64, |a, b| a + b) as usize
    }

    fn first(&self) -> usize {
        self.range().start
    }
}

impl Ranks {
    /// The matrix whose rows the ranks have assembled, with columns counted over the whole matrix: rank p's rows come
    /// after those of the ranks before it. Every rank gets all of it.
    ///
    /// # Errors
    /// Ranks with different numbers of columns; more than 2³² − 1 rows.
    pub fn gather_rows(&self, local: &Csr) -> Result<Csr> {
        let lengths: Vec<u64> = local.row_ptr().windows(2).map(|w| (w[1] - w[0]) as u64).collect();
        let columns = self.gather(&[local.cols() as u64])?;
        if columns.iter().any(|c| *c != columns[0]) {
            return Err(Error::input(format!("the ranks' parts of the matrix have {columns:?} columns")));
        }
        let lengths: Vec<u64> = self.gather(&lengths)?;
        let row_ptr = std::iter::once(0).chain(lengths.iter().scan(0, |end, &n| {
            *end += n as usize;
            Some(*end)
        }));
        let row_ptr: Vec<usize> = row_ptr.collect();
        Csr::new(lengths.len(), local.cols(), row_ptr, self.gather(local.columns())?, self.gather(local.values())?)
    }
}

impl Matrix {
    /// A square matrix of which each rank keeps the rows it has assembled: rank p's come after those of the ranks before
    /// it, and columns are counted over the whole matrix. What a solve takes of memory on a rank is a multiple of that
    /// rank's rows. b, x₀, x and near-null vectors are the parts of these rows, too; rigid-body modes have to be made of the
    /// points of all ranks. Rows and columns are not scaled: bring sizes that differ by many powers of ten together first.
    ///
    /// A rank may have no rows. Where cuts are at multiples of [`CHUNK`], sums have the bits of one process.
    ///
    /// # Errors
    /// A number of columns that is not the number of all rows; the same error on all ranks.
    pub fn from_local_rows(ranks: &Ranks, local: &Csr) -> Result<Self> {
        let rows = Rows::of(local, 0..local.rows());
        Self::cut(ranks, &rows, local.cols() as u64)
    }

    /// [`Matrix::from_local_rows`] for matrices beyond 2³² columns: row i has `values[k]` at column `columns[k]` for k in
    /// `row_ptr[i]..row_ptr[i + 1]`.
    ///
    /// # Errors
    /// As [`Matrix::from_local_rows`]; arrays that don't fit together, columns of a row that don't ascend, values that are
    /// not finite.
    pub fn from_local_entries(ranks: &Ranks, row_ptr: &[usize], columns: &[u64], values: &[f64]) -> Result<Self> {
        let cut = row_ptr.len().saturating_sub(1);
        let cols = ranks.gather(&[cut as u64])?.into_iter().sum();
        let rows = ranks.agree(checked(row_ptr, columns, values, cols))?;
        Self::cut(ranks, &rows, cols)
    }

    fn cut<C: Copy + Into<u64>>(ranks: &Ranks, rows: &Rows<'_, C>, cols: u64) -> Result<Self> {
        let ranks = ranks.counted();
        let told: Vec<u64> = ranks.gather(&[rows.starts.len() as u64 - 1, cols])?;
        let counts: Vec<usize> = told.chunks(2).map(|t| t[0] as usize).collect();
        let all: u64 = told.chunks(2).map(|t| t[0]).sum();
        if let Some(p) = told.chunks(2).position(|t| t[1] != all) {
            let cols = told[2 * p + 1];
            let text =
                format!("the ranks have {all} rows in all, and rank {p} counts {cols} columns; A must be square");
            return Err(Error::input(text));
        }
        let made = Parted::new(&ranks, rows, Cuts::of(&counts, CHUNK), 1);
        Ok(Self::Parted(ranks.agree(made)?))
    }
}

/// The rows in these arrays, if they are some.
fn checked<'a>(row_ptr: &'a [usize], columns: &'a [u64], values: &'a [f64], cols: u64) -> Result<Rows<'a, u64>> {
    let ends = row_ptr.first().zip(row_ptr.last());
    let fits = ends == Some((&0, &columns.len())) && columns.len() == values.len() && row_ptr.is_sorted();
    if !fits {
        return Err(Error::input(format!(
            "row_ptr must ascend from 0 to the number of entries; there are {} columns and {} values",
            columns.len(),
            values.len()
        )));
    }
    for (i, w) in row_ptr.windows(2).enumerate() {
        let row = &columns[w[0]..w[1]];
        if !row.is_sorted_by(|a, b| a < b) || row.last().is_some_and(|&j| j >= cols) {
            return Err(Error::input(format!("the columns of row {i} must ascend and be less than {cols}")));
        }
        if let Some(v) = values[w[0]..w[1]].iter().find(|v| !v.is_finite()) {
            return Err(Error::input(format!("row {i} has an entry {v}")));
        }
    }
    Ok(Rows { starts: row_ptr, columns, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;
    use crate::matrix::gallery;

    #[test]
    fn a_product_by_parts_is_the_product() {
        let chunk = 8;
        for (a, ranks) in
            [(gallery::poisson2d(9), 3), (gallery::random_general(60, 5, 1), 7), (gallery::poisson2d(2), 4)]
        {
            let n = a.rows();
            let x = Random::new(3).vector(n);
            let expected = a.multiply(&x);
            let cuts = Cuts::new(n, chunk, &vec![1; n.div_ceil(chunk)], ranks);
            let part = |ranks: Ranks| {
                let own = cuts.rows_of(ranks.rank());
                let local = Local::new(&Rows::of(&a, own.clone()), &cuts, &ranks).unwrap();
                let seen = local.seen(&x[own.clone()], &ranks).unwrap();
                for (c, wait) in local.waits.iter().enumerate() {
                    let rows = c * chunk..((c + 1) * chunk).min(own.len());
                    let inside = local.below..local.below + own.len();
                    let ghosts =
                        rows.flat_map(|i| local.matrix.row(i).0.to_vec()).any(|j| !inside.contains(&(j as usize)));
                    assert_eq!(*wait, ghosts);
                }
                assert_eq!(local.matrix.multiply(&seen), expected[own]);
            };
            std::thread::scope(|scope| {
                let part = &part;
                Ranks::threads(ranks).into_iter().for_each(|r| drop(scope.spawn(move || part(r))));
            });
        }
    }
}
