//! Hierarchies of matrices whose rows several ranks share.
//!
//! Aggregates don't cross from rank to rank ("uncoupled" aggregation; Tuminaro and Tong 2000, doi:10.1109/SC.2000.10008); P
//! is smoothed with all entries and so does, as do its transpose and PᵀAP. Ranks send each other the rows of T and of P
//! that their ghosts have, and what they have of each other's rows of Pᵀ and PᵀAP. Once a level is small, every rank has
//! all of it, and the rest is as in one process. The hierarchy depends on where rows are cut, so iterations may grow a
//! little with the number of ranks.

use super::hierarchy::{
    Candidates, Coarsest, Hierarchy, Level, MAX_LEVELS, NOISE, Purpose, SUSPECT, Transfer, absolute, pays,
};
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
use std::ops::Range;
use std::sync::Arc;

/// A level of at most so many rows is given to all ranks: sending it takes less time than the messages of the levels
/// below it would.
const GATHERED: usize = 2000;

/// And one of at most so many where coarsening gets stuck, as where each rank has few rows.
const STUCK: usize = 50_000;

/// The levels of `a`. All ranks call this together.
pub(super) fn hierarchy(a: &Parted, purpose: &Purpose) -> Result<Hierarchy> {
    let ranks = &a.ranks;
    let mut levels: Vec<Level> = vec![];
    let mut a = a.clone();
    let mut theta = purpose.settings.theta;
    let mut candidates = ranks.agree(Candidates::new(purpose, a.own()))?;
    loop {
        let smoother = ranks.agree(Smoother::new(&Matrix::Parted(a.clone()), purpose, levels.is_empty()))?;
        let small = a.cuts.len() <= GATHERED.max(purpose.settings.coarse);
        let step = match small || levels.len() + 2 >= MAX_LEVELS {
            true => None,
            false => coarsen(&a, theta, smoother.rho, &mut candidates, purpose)?,
        };
        let found = step.as_ref().map(|step| (step.coarse.cuts.len(), step.coarse.entries as usize));
        theta *= if step.is_some() { 0.5 } else { 1.0 };
        let Step { p, r, coarse } = match step {
            Some(step) if step.coarse.cuts.len() > GATHERED => {
                let transfer = Some(Transfer { p: Matrix::Parted(step.p), r: step.r, gather: None });
                levels.push(Level { a: Matrix::Parted(std::mem::replace(&mut a, step.coarse)), smoother, transfer });
                worth_it(purpose, &levels, found)?;
                continue;
            }
            Some(step) => step,
            None if a.cuts.len() > STUCK => {
                levels.push(Level { a: Matrix::Parted(a), smoother, transfer: None });
                return Ok(Hierarchy { levels, coarsest: Coarsest::Smoother });
            }
            // It is given to all as it is, under one step of smoothing.
            None => Step::none(&a)?,
        };
        // P with columns for all of the next level.
        let columns = p.local.matrix.columns().iter().map(|&j| p.column(j) as u32).collect();
        let wide = (p.local.matrix.row_ptr().to_vec(), p.local.matrix.values().to_vec());
        let p = Csr::trusted(a.own(), coarse.cuts.len(), wide.0, columns, wide.1);
        let transfer = Some(Transfer { p: p.into(), r, gather: Some(gathering(&coarse)?) });
        levels.push(Level { a: Matrix::Parted(a), smoother, transfer });
        worth_it(purpose, &levels, found)?;
        let near_null = match candidates.vectors.is_empty() {
            true => None,
            false => {
                let vectors = candidates.vectors.iter().map(|v| ranks.gather(v)).collect::<Result<_>>()?;
                Some(Arc::new(NearNull::new(candidates.block, vectors)?))
            }
        };
        let (settings, halt) = (purpose.settings.clone(), purpose.halt.clone());
        let rest = Purpose { settings, near_null, halt, frugal: false, ..*purpose };
        // The same on every rank.
        let below = Hierarchy::below(&Arc::new(whole(&coarse)?), &rest, theta, false)?;
        levels.extend(below.levels);
        return Ok(Hierarchy { levels, coarsest: below.coarsest });
    }
}

/// Ends a set-up that won't pay, where there are other candidates; `next` are the rows and entries of the next level.
fn worth_it(purpose: &Purpose, levels: &[Level], next: Option<(usize, usize)>) -> Result<()> {
    next.filter(|_| purpose.frugal).map_or(Ok(()), |(rows, entries)| pays(levels, rows, entries))
}

/// A way to the next level.
struct Step {
    p: Parted,
    r: Matrix,
    coarse: Parted,
}

impl Step {
    /// The next level is this one.
    fn none(a: &Parted) -> Result<Self> {
        let identity = Csr::identity(a.own())?;
        let starts = identity.row_ptr();
        let columns: Vec<u64> = a.range().map(|i| i as u64).collect();
        let p = Parted::new(&a.ranks, &Rows::new(starts, &columns, identity.values()), a.cuts.clone(), a.layout)?;
        Ok(Self { p, r: identity.into(), coarse: a.clone() })
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
fn coarsen(a: &Parted, theta: f64, rho: f64, candidates: &mut Candidates, purpose: &Purpose) -> Result<Option<Step>> {
    let (halt, ranks) = (&purpose.halt, &a.ranks);
    let grouped = || {
        let block = a.block();
        let nodes = strength::by_node(&block, candidates.block, halt)?;
        let graph = nodes.as_ref().unwrap_or(&block);
        aggregate::aggregate(graph, &Strength::new(graph, theta), halt)
    };
    let (of, count) = ranks.agree(grouped())?;
    let columns = a.count(count * candidates.vectors.len().max(1));
    if columns == 0 || 10 * columns > 9 * a.cuts.len() {
        return Ok(None);
    }
    let scalar = candidates.vectors.is_empty();
    let tentative = if scalar {
        interpolate::constants(&of, count)
    } else {
        let made = interpolate::tentative(&of, count, candidates.block, &candidates.vectors, halt);
        let (t, coarse) = ranks.agree(made)?;
        *candidates = Candidates { block: coarse.len(), vectors: coarse };
        t
    };
    let counts: Vec<usize> = ranks.gather(&[tentative.cols() as u64])?.into_iter().map(|n| n as usize).collect();
    let cuts = Cuts::of(&counts, CHUNK);
    let own = cuts.rows_of(ranks.rank());
    let names: Vec<u64> = own.clone().map(|j| j as u64).collect();
    let (seen, known) = with_ghosts(a, &tentative, &names, &own)?;
    let (rows, at) = (&a.local.matrix, a.local.below);
    let strength = scalar.then(|| Strength::of_rows(rows, at, theta));
    let smoothed = interpolate::smooth(rows, (at, a), strength.as_ref(), &seen, rho, halt);
    let p = ranks.agree(smoothed)?;
    let columns: Vec<u64> = p.columns().iter().map(|&j| known[j as usize]).collect();
    let layout = a.layout + 1;
    let parted = Parted::new(ranks, &Rows::new(p.row_ptr(), &columns, p.values()), cuts.clone(), layout)?;
    let fine: Vec<u64> = a.range().map(|i| i as u64).collect();
    let t = p.transpose();
    let r = added_up(a, &t, &known, &fine, &cuts)?.shared(a, a.cuts.clone(), a.layout)?;
    let (seen, reached) = with_ghosts(a, &p, &known, &own)?;
    let part = ranks.agree(galerkin::triple(&t, rows, &seen, halt))?;
    let coarse = added_up(a, &part, &known, &reached, &cuts)?;
    let coarse = finished(a, coarse, &r, &seen, cuts)?;
    Ok(Some(Step { p: parted, r: Matrix::Parted(r), coarse }))
}

/// A row of a matrix, with columns counted over all of it.
type Row = Vec<(u64, f64)>;

/// Row i of `m`, whose column j is named `names[j]`, as it goes to another rank: the number of its entries, and these.
fn told<'a>(m: &'a Csr, i: usize, names: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    let (columns, values) = m.row(i);
    let entries = columns.iter().zip(values).flat_map(|(&j, v)| [names[j as usize], v.to_bits()]);
    std::iter::once(columns.len() as u64).chain(entries)
}

/// The next row of a letter from rank `from`.
fn next_row(letter: &mut &[u64], from: usize) -> Result<Row> {
    let short = || Error::Ranks(format!("rank {from} is out of step: it sent too few entries"));
    let (count, rest) = letter.split_first().ok_or_else(short)?;
    let (entries, rest) = rest.split_at_checked(2 * *count as usize).ok_or_else(short)?;
    *letter = rest;
    Ok(entries.chunks(2).map(|e| (e[0], f64::from_bits(e[1]))).collect())
}

/// The rows of `m`, one for each of this rank's rows of A, between those that A's ghosts have, and the names of the
/// columns. Those of `m` are named by `names`, which ascend; `own` are those that this rank has rows for.
fn with_ghosts(a: &Parted, m: &Csr, names: &[u64], own: &Range<usize>) -> Result<(Csr, Vec<u64>)> {
    let letter = |(to, places): &(usize, Vec<u32>)| {
        (*to, places.iter().flat_map(|&i| told(m, i as usize, names)).collect::<Vec<u64>>())
    };
    let letters = a.ranks.mail(a.local.sends.iter().map(letter).collect())?;
    let mut ghosts: Vec<Row> = Vec::with_capacity(a.local.ghosts.len());
    for (from, range) in &a.local.receives {
        let told = letters.iter().find(|l| l.0 == *from);
        let mut rest = told.map_or(&[][..], |l| &l.1);
        for _ in range.clone() {
            ghosts.push(next_row(&mut rest, *from)?);
        }
    }
    let own = own.start as u64..own.end as u64;
    let met = ghosts.iter().flatten().map(|e| e.0).chain(names.iter().copied());
    let mut others: Vec<u64> = met.filter(|j| !own.contains(j)).collect();
    others.sort_unstable();
    others.dedup();
    let below = others.partition_point(|&j| j < own.start);
    let known: Vec<u64> =
        others[..below].iter().copied().chain(own.clone()).chain(others[below..].iter().copied()).collect();
    let place = |j: u64| match own.contains(&j) {
        true => (below as u64 + j - own.start) as u32,
        false => known.binary_search(&j).expect("among the columns") as u32,
    };
    let places: Vec<u32> = names.iter().map(|&j| place(j)).collect();
    let entries = m.nnz() + ghosts.iter().map(Vec::len).sum::<usize>();
    let (mut row_ptr, mut columns, mut values) = (vec![0], Vec::with_capacity(entries), Vec::with_capacity(entries));
    let (before, after) = ghosts.split_at(a.local.below);
    for row in before {
        columns.extend(row.iter().map(|e| place(e.0)));
        values.extend(row.iter().map(|e| e.1));
        row_ptr.push(columns.len());
    }
    row_ptr.extend(m.row_ptr()[1..].iter().map(|end| columns.len() + end));
    columns.extend(m.columns().iter().map(|&j| places[j as usize]));
    values.extend_from_slice(m.values());
    for row in after {
        columns.extend(row.iter().map(|e| place(e.0)));
        values.extend(row.iter().map(|e| e.1));
        row_ptr.push(columns.len());
    }
    Ok((Csr::trusted(row_ptr.len() - 1, known.len(), row_ptr, columns, values), known))
}

/// This rank's rows of a matrix, with columns counted over all of it.
struct Owned {
    row_ptr: Vec<usize>,
    columns: Vec<u64>,
    values: Vec<f64>,
}

impl Owned {
    /// As ranks share it, x cut by `cuts`.
    fn shared(&self, a: &Parted, cuts: Cuts, layout: u32) -> Result<Parted> {
        Parted::new(&a.ranks, &Rows::new(&self.row_ptr, &self.columns, &self.values), cuts, layout)
    }
}

/// The sum of what ranks have of each row. Row k of `m` is part of row `rows[k]`, cut by `cuts`, and its column j is named
/// `names[j]`; both ascend. Parts are added in the order of ranks, the owner's first.
fn added_up(a: &Parted, m: &Csr, rows: &[u64], names: &[u64], cuts: &Cuts) -> Result<Owned> {
    let me = a.ranks.rank();
    let own = cuts.rows_of(me);
    let mut letters: Vec<(usize, Vec<u64>)> = vec![];
    for (k, &i) in rows.iter().enumerate() {
        let owner = cuts.owner(i as usize);
        if owner == me {
            continue;
        }
        if letters.last().is_none_or(|l| l.0 != owner) {
            letters.push((owner, vec![]));
        }
        let letter = &mut letters.last_mut().expect("just made").1;
        letter.push(i);
        letter.extend(told(m, k, names));
    }
    let mut parts: Vec<(usize, Row)> = vec![];
    for (from, letter) in &a.ranks.mail(letters)? {
        let mut rest = &letter[..];
        while let Some((i, tail)) = rest.split_first() {
            rest = tail;
            parts.push((*i as usize - own.start, next_row(&mut rest, *from)?));
        }
    }
    // Stable: parts of a row stay in the order of ranks.
    parts.sort_by_key(|p| p.0);
    let mut parts = parts.into_iter().peekable();
    let mut out = Owned { row_ptr: vec![0], columns: vec![], values: vec![] };
    let mut k = rows.partition_point(|&i| i < own.start as u64);
    for i in 0..own.len() {
        if rows.get(k) == Some(&((own.start + i) as u64)) {
            out.columns.extend(m.row(k).0.iter().map(|&j| names[j as usize]));
            out.values.extend_from_slice(m.row(k).1);
            k += 1;
        }
        if parts.peek().is_some_and(|p| p.0 == i) {
            let start = out.row_ptr[i];
            let mut row: Row = out.columns.drain(start..).zip(out.values.drain(start..)).collect();
            while let Some((_, part)) = parts.next_if(|p| p.0 == i) {
                row.extend(part);
            }
            row.sort_by_key(|e| e.0);
            row.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                kept.1 += if same { next.1 } else { 0.0 };
                same
            });
            out.columns.extend(row.iter().map(|e| e.0));
            out.values.extend(row.iter().map(|e| e.1));
        }
        out.row_ptr.push(out.columns.len());
    }
    Ok(out)
}

/// PᵀAP as ranks share it, with zeros for rows that are rounding noise; `seen` is P with the rows of A's ghosts.
fn finished(a: &Parted, coarse: Owned, r: &Parted, seen: &Csr, cuts: Cuts) -> Result<Parted> {
    let rows = &a.local.matrix;
    let sizes: Vec<f64> = coarse.row_ptr.windows(2).map(|w| largest(&coarse.values[w[0]..w[1]])).collect();
    if a.any(!largest(&sizes).is_finite()) {
        return Err(Error::Preconditioner { row: 0, message: "a coarse matrix leaves f64's range".into() });
    }
    let bound = SUSPECT * a.widest(largest(rows.values()));
    let suspect = a.any(sizes.iter().any(|&s| s <= bound && s != 0.0));
    let made = coarse.shared(a, cuts, a.layout + 1)?;
    if suspect {
        let summed = absolute(&r.local.matrix, &r.seen(&absolute(rows, &absolute(seen, &vec![1.0; seen.cols()]))));
        let noise: Vec<bool> = sizes.iter().zip(&summed).map(|(size, sum)| *size <= NOISE * sum).collect();
        return made.silenced(&noise);
    }
    Ok(made)
}
