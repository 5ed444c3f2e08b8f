//! Hierarchies of matrices whose rows several ranks share.
//!
//! Aggregates don't cross from rank to rank, and an entry between ranks counts as weak when P is smoothed: so a rank's rows
//! of P reach its own coarse unknowns only ("uncoupled" aggregation; Tuminaro and Tong 2000, doi:10.1109/SC.2000.10008).
//! PᵀAP is of all entries: ranks send each other the rows of P that their ghosts have. Once a level is small, every rank
//! has all of it, and the rest is as in one process. The hierarchy depends on where rows are cut, so iterations may grow a
//! little with the number of ranks.

use super::hierarchy::{Candidates, Coarsest, Hierarchy, Level, MAX_LEVELS, Purpose, SUSPECT, Transfer, noise};
use super::smoother::Smoother;
use super::strength::Strength;
use super::{aggregate, galerkin, interpolate, strength};
use crate::error::{Error, Result};
use crate::host::scale::largest;
use crate::host::whole::Whole;
use crate::matrix::parted::Rows;
use crate::matrix::{CHUNK, Csr, Matrix, Parted};
use crate::precond::NearNull;
use crate::ranks::cuts::Cuts;
use std::sync::Arc;

/// A level of at most so many rows is given to all ranks: sending it takes less time than the messages of the levels
/// below it would.
const GATHERED: usize = 2000;

/// And one of at most so many where coarsening gets stuck, as where each rank has few rows.
const STUCK: usize = 50_000;

/// The levels of `a`. All ranks call this together.
pub(super) fn hierarchy(a: &Arc<Parted>, purpose: &Purpose) -> Result<Hierarchy> {
    let ranks = &a.ranks;
    let mut levels: Vec<Level> = vec![];
    let mut a = Arc::clone(a);
    let mut theta = purpose.settings.theta;
    let mut candidates = ranks.agree(Candidates::new(purpose, a.own()))?;
    loop {
        let smoother = ranks.agree(Smoother::new(&Matrix::Parted(Arc::clone(&a)), purpose, levels.is_empty()))?;
        // A small matrix is given to all as it is, under one step of smoothing.
        let small = a.cuts.len() <= GATHERED.max(purpose.settings.coarse);
        let step = match small || levels.len() + 2 >= MAX_LEVELS {
            true => None,
            false => coarsen(&a, theta, smoother.rho, &mut candidates, purpose)?,
        };
        let known = step.is_some();
        let (p, r, coarse) = step.unwrap_or_else(|| {
            let identity = || Csr::identity(a.own()).expect("a rank's rows are few enough");
            (identity(), identity(), Arc::clone(&a))
        });
        theta *= if known { 0.5 } else { 1.0 };
        let gathers = !known || coarse.cuts.len() <= GATHERED;
        if !gathers {
            let transfer = Some(Transfer { p: Arc::new(p), r: Arc::new(r), gather: None });
            levels.push(Level { a: Matrix::Parted(std::mem::replace(&mut a, coarse)), smoother, transfer });
            continue;
        }
        if coarse.cuts.len() > STUCK {
            levels.push(Level { a: Matrix::Parted(a), smoother, transfer: None });
            return Ok(Hierarchy { levels, coarsest: Coarsest::Smoother });
        }
        let (first, rows) = (coarse.first() as u32, coarse.cuts.len());
        // P with columns for all of the next level.
        let columns = p.columns().iter().map(|j| first + j).collect();
        let p = Csr::trusted(p.rows(), rows, p.row_ptr().to_vec(), columns, p.values().to_vec());
        let gather = Some(Arc::new(gathering(&coarse)?));
        let transfer = Some(Transfer { p: Arc::new(p), r: Arc::new(r), gather });
        levels.push(Level { a: Matrix::Parted(a), smoother, transfer });
        let near_null = match candidates.vectors.is_empty() {
            true => None,
            false => {
                let vectors = candidates.vectors.iter().map(|v| ranks.gather(v)).collect::<Result<_>>()?;
                Some(Arc::new(NearNull::new(candidates.block, vectors)?))
            }
        };
        let settings = purpose.settings.clone();
        let halt = purpose.halt.clone();
        let rest = Purpose { settings, near_null, halt, frugal: false, ..*purpose };
        let all = Arc::new(whole(&coarse)?);
        // The same on every rank.
        let below = Hierarchy::below(&all, &rest, theta)?;
        levels.extend(below.levels);
        return Ok(Hierarchy { levels, coarsest: below.coarsest });
    }
}

/// y = all of x, on every rank.
fn gathering(a: &Parted) -> Result<Parted> {
    let n = a.cuts.len();
    let (starts, columns): (Vec<usize>, Vec<u64>) = ((0..=n).collect(), (0..n as u64).collect());
    let ones = vec![1.0; n];
    let rows = Rows::new(&starts, &columns, &ones);
    Parted::new(&a.ranks, &rows, a.cuts.clone(), a.layout)
}

/// All rows.
fn whole(a: &Parted) -> Result<Csr> {
    let rows = &a.local.matrix;
    let columns: Vec<u32> = rows.columns().iter().map(|&j| a.column(j) as u32).collect();
    let n = a.cuts.len();
    a.ranks.gather_rows(&Csr::trusted(rows.rows(), n, rows.row_ptr().to_vec(), columns, rows.values().to_vec()))
}

/// P, Pᵀ and PᵀAP; `None` where nothing is left to aggregate.
fn coarsen(
    a: &Parted,
    theta: f64,
    rho: f64,
    candidates: &mut Candidates,
    purpose: &Purpose,
) -> Result<Option<(Csr, Csr, Arc<Parted>)>> {
    let (halt, ranks) = (&purpose.halt, &a.ranks);
    let block = a.block();
    let grouped = || {
        let nodes = strength::by_node(&block, candidates.block, halt)?;
        let graph = nodes.as_ref().unwrap_or(&block);
        let strength = Strength::new(graph, theta);
        let (of, count) = aggregate::aggregate(graph, &strength, halt)?;
        Ok((strength, of, count))
    };
    let (strength, of, count) = ranks.agree(grouped())?;
    let columns = a.count(count * candidates.vectors.len().max(1));
    if columns == 0 || 10 * columns > 9 * a.cuts.len() {
        return Ok(None);
    }
    let mut interpolated = || {
        if candidates.vectors.is_empty() {
            let t = interpolate::constants(&of, count);
            return interpolate::smooth(&lumped(a, &block), Some(&strength), &t, rho, halt);
        }
        let (t, coarse) = interpolate::tentative(&of, count, candidates.block, &candidates.vectors, halt)?;
        *candidates = Candidates { block: coarse.len(), vectors: coarse };
        interpolate::smooth(&inner_rows(a, &block), None, &t, rho, halt)
    };
    let p = ranks.agree(interpolated())?;
    let r = p.transpose();
    let coarse = product(a, &p, &r, purpose)?;
    Ok(Some((p, r, Arc::new(coarse))))
}

/// The block with entries between ranks added to the diagonal, as weak ones are, so that its rows have the sums that all
/// of theirs have.
fn lumped(a: &Parted, block: &Csr) -> Csr {
    let inside = a.inside();
    let mut values = block.values().to_vec();
    for i in 0..block.rows() {
        let (columns, entries) = a.local.matrix.row(i);
        let outside = columns.iter().zip(entries).filter(|(j, _)| !inside.contains(&(**j as usize)));
        let sum: f64 = outside.map(|(_, v)| v).sum();
        if let Ok(k) = block.row(i).0.binary_search(&(i as u32)) {
            values[block.row_ptr()[i] + k] += sum;
        }
    }
    Csr::trusted(block.rows(), block.cols(), block.row_ptr().to_vec(), block.columns().to_vec(), values)
}

/// The block without the rows that have entries between ranks: P is not smoothed there, since what such rows map to zero
/// with all their entries, they don't without these.
fn inner_rows(a: &Parted, block: &Csr) -> Csr {
    let (mut row_ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
    for i in 0..block.rows() {
        let (c, v) = block.row(i);
        if c.len() == a.local.matrix.row(i).0.len() {
            columns.extend_from_slice(c);
            values.extend_from_slice(v);
        }
        row_ptr.push(columns.len());
    }
    Csr::trusted(block.rows(), block.cols(), row_ptr, columns, values)
}

/// PᵀAP, with the rows of P that other ranks have.
fn product(a: &Parted, p: &Csr, r: &Csr, purpose: &Purpose) -> Result<Parted> {
    let ranks = &a.ranks;
    let counts: Vec<usize> = ranks.gather(&[p.cols() as u64])?.into_iter().map(|n| n as usize).collect();
    let cuts = Cuts::of(&counts, CHUNK);
    let first = cuts.rows_of(ranks.rank()).start as u64;
    let row = |i: usize| p.row(i).0.iter().zip(p.row(i).1).map(|(&j, &v)| (first + u64::from(j), v));
    let letter = |(to, places): &(usize, Vec<u32>)| {
        let told = |&i: &u32| {
            let entries = row(i as usize).flat_map(|(j, v)| [j, v.to_bits()]);
            std::iter::once(p.row(i as usize).0.len() as u64).chain(entries).collect::<Vec<u64>>()
        };
        (*to, places.iter().flat_map(told).collect())
    };
    let letters = ranks.mail(a.local.sends.iter().map(letter).collect())?;
    // Rows of P by place: ghosts, own rows, ghosts.
    let mut rows: Vec<Vec<(u64, f64)>> = vec![vec![]; a.local.matrix.cols()];
    a.inside().enumerate().for_each(|(i, k)| rows[k] = row(i).collect());
    for (from, range) in &a.local.receives {
        let Some((_, told)) = letters.iter().find(|l| l.0 == *from) else { continue };
        let mut rest = &told[..];
        for k in range.clone() {
            let (count, tail) = rest.split_first().ok_or_else(|| out_of_step(*from))?;
            let (entries, tail) = tail.split_at_checked(2 * *count as usize).ok_or_else(|| out_of_step(*from))?;
            rows[k] = entries.chunks(2).map(|e| (e[0], f64::from_bits(e[1]))).collect();
            rest = tail;
        }
    }
    let mut known: Vec<u64> = rows.iter().flatten().map(|e| e.0).collect();
    known.sort_unstable();
    known.dedup();
    let place = |j: u64| known.binary_search(&j).expect("among the columns") as u32;
    let row_ptr: Vec<usize> = std::iter::once(0)
        .chain(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }))
        .collect();
    let (columns, values) = rows.iter().flatten().map(|&(j, v)| (place(j), v)).unzip();
    let seen = Csr::trusted(rows.len(), known.len(), row_ptr, columns, values);
    let coarse = ranks.agree(galerkin::triple(r, &a.local.matrix, &seen, &purpose.halt))?;
    let sizes: Vec<f64> = (0..coarse.rows()).map(|i| largest(coarse.row(i).1)).collect();
    if a.any(!largest(&sizes).is_finite()) {
        return Err(Error::Preconditioner { row: 0, message: "a coarse matrix leaves f64's range".into() });
    }
    let bound = SUSPECT * a.widest(largest(a.local.matrix.values()));
    let suspect = a.any(sizes.iter().any(|&s| s <= bound && s != 0.0));
    let columns: Vec<u64> = coarse.columns().iter().map(|&j| known[j as usize]).collect();
    let rows = Rows::new(coarse.row_ptr(), &columns, coarse.values());
    let mut made = Parted::new(ranks, &rows, cuts, a.layout + 1)?;
    if suspect {
        let noise = noise(&sizes, r, &a.local.matrix, &seen);
        made.silence(&noise)?;
    }
    Ok(made)
}

fn out_of_step(rank: usize) -> Error {
    Error::Ranks(format!("rank {rank} is out of step: it sent too few rows of P"))
}
