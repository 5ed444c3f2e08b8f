//! A rank's rows of a matrix, and the entries of x that it needs of other ranks for a product: its ghosts.
//!
//! The rank sees x as ghosts below its own entries, its own, ghosts above them, each in the order of the whole vector.
//! So a row's entries keep their order, and its sum its bits.

use super::Ranks;
use super::cuts::Cuts;
use crate::error::{Error, Result};
use crate::matrix::Csr;
use std::ops::Range;
use std::sync::Arc;

/// The rows of one rank.
#[derive(Debug)]
pub(crate) struct Local {
    /// Its rows; columns are places among ghosts below, own entries and ghosts above.
    pub(crate) matrix: Arc<Csr>,
    /// How many ghosts come before the rank's own entries, and how many after.
    pub(crate) below: usize,
    pub(crate) above: usize,
    /// For each rank that is sent something: places among this rank's own entries.
    pub(crate) sends: Vec<(usize, Vec<u32>)>,
    /// For each rank that sends something: places as in the matrix's columns.
    pub(crate) receives: Vec<(usize, Range<usize>)>,
    /// Which chunks of rows need ghosts.
    pub(crate) waits: Vec<bool>,
}

impl Local {
    /// The rows of `a` that are this rank's by `rows`, with x cut by `columns`. All ranks call this together.
    pub(crate) fn new(a: &Csr, rows: &Cuts, columns: &Cuts, chunk: usize, ranks: &Ranks) -> Result<Self> {
        let (me, size) = (ranks.rank(), ranks.size());
        let (range, own) = (rows.rows_of(me), columns.rows_of(me));
        let starts = &a.row_ptr()[range.start..=range.end];
        let entries = starts[0]..starts[range.len()];
        // Columns ascend, so the ends of a row tell.
        let outside = |i: &usize| {
            let (columns, _) = a.row(*i);
            let ends = columns.first().zip(columns.last());
            ends.is_some_and(|(&first, &last)| (first as usize) < own.start || last as usize >= own.end)
        };
        let chunks = || range.clone().step_by(chunk).map(|lo| lo..(lo + chunk).min(range.end));
        let waits: Vec<bool> = chunks().map(|mut rows| rows.any(|i| outside(&i))).collect();
        let columns_of = |rows: &Range<usize>| &a.columns()[a.row_ptr()[rows.start]..a.row_ptr()[rows.end]];
        let waiting = chunks().zip(&waits).filter(|(_, wait)| **wait);
        let mut ghosts: Vec<u32> = waiting.flat_map(|(rows, _)| columns_of(&rows)).copied().collect();
        ghosts.retain(|&j| !own.contains(&(j as usize)));
        ghosts.sort_unstable();
        ghosts.dedup();
        let below = ghosts.partition_point(|&j| (j as usize) < own.start);
        let place = |j: u32| {
            if own.contains(&(j as usize)) {
                return (below + j as usize - own.start) as u32;
            }
            let k = ghosts.binary_search(&j).expect("a column outside is a ghost");
            (if k < below { k } else { k + own.len() }) as u32
        };
        let mut local: Vec<u32> = Vec::with_capacity(entries.len());
        for (rows, &wait) in chunks().zip(&waits) {
            let columns = columns_of(&rows);
            match wait {
                true => local.extend(columns.iter().map(|&j| place(j))),
                false => local.extend(columns.iter().map(|&j| j - own.start as u32 + below as u32)),
            }
        }
        let row_ptr: Vec<usize> = starts.iter().map(|p| p - entries.start).collect();
        let (sends, receives) = plan(&ghosts, below, &own, columns, ranks)?;
        let values = a.values()[entries].to_vec();
        let width = ghosts.len() + own.len();
        let matrix = Arc::new(Csr::trusted(range.len(), width, row_ptr, local, values));
        debug_assert_eq!(size, columns.ranks());
        Ok(Self { matrix, below, above: ghosts.len() - below, sends, receives, waits })
    }
}

type Sends = Vec<(usize, Vec<u32>)>;
type Receives = Vec<(usize, Range<usize>)>;

/// Who sends what: each rank tells the owners of its ghosts which entries it needs.
fn plan(ghosts: &[u32], below: usize, own: &Range<usize>, columns: &Cuts, ranks: &Ranks) -> Result<(Sends, Receives)> {
    let (me, size) = (ranks.rank(), ranks.size());
    let mut counts = vec![0u64; size];
    ghosts.iter().for_each(|&j| counts[columns.owner(j as usize)] += 1);
    let all: Vec<u64> = ranks.gather_counted(&counts, &vec![size; size])?;
    let mut receives = vec![];
    let mut asks = vec![];
    let mut at = 0;
    for (p, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let range = at..at + count as usize;
        at = range.end;
        asks.push((p, bytemuck::cast_slice(&ghosts[range.clone()]).to_vec()));
        let shift = if range.start < below { 0 } else { own.len() };
        receives.push((p, range.start + shift..range.end + shift));
    }
    let asked = (0..size).map(|p| (p, all[p * size + me] as usize)).filter(|(_, count)| *count > 0);
    let mut asked: Vec<(usize, Vec<u8>)> = asked.map(|(p, count)| (p, vec![0; 4 * count])).collect();
    ranks.exchange(&asks, &mut asked, || ())?;
    let places = |(p, bytes): &(usize, Vec<u8>)| {
        let wanted: Vec<u32> = bytes.as_chunks().0.iter().map(|&c| u32::from_ne_bytes(c)).collect();
        // Products read these places without a check.
        match wanted.iter().all(|&j| own.contains(&(j as usize))) {
            true => Ok((*p, wanted.iter().map(|&j| j - own.start as u32).collect())),
            false => Err(Error::Ranks(format!("rank {p} is out of step: it asks for entries that are elsewhere"))),
        }
    };
    Ok((asked.iter().map(places).collect::<Result<_>>()?, receives))
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
                let local = Local::new(&a, &cuts, &cuts, chunk, &ranks).unwrap();
                let mut seen = vec![f64::NAN; local.matrix.cols()];
                seen[local.below..local.below + own.len()].copy_from_slice(&x[own.clone()]);
                let pack = |places: &[u32]| {
                    let values: Vec<f64> = places.iter().map(|&k| x[own.start + k as usize]).collect();
                    bytemuck::cast_slice(&values).to_vec()
                };
                let sends: Vec<_> = local.sends.iter().map(|(p, places)| (*p, pack(places))).collect();
                let mut receives: Vec<_> = local.receives.iter().map(|(p, r)| (*p, vec![0u8; 8 * r.len()])).collect();
                ranks.exchange(&sends, &mut receives, || ()).unwrap();
                for ((_, bytes), (_, range)) in receives.iter().zip(&local.receives) {
                    let values: Vec<f64> = bytes.as_chunks().0.iter().map(|&c| f64::from_ne_bytes(c)).collect();
                    seen[range.clone()].copy_from_slice(&values);
                }
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
