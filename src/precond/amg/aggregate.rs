//! Aggregates: disjoint groups of strongly coupled rows, each one row of the next level.

use super::strength::Strength;
use crate::error::Result;
use crate::host::halt::Halt;
use crate::matrix::Csr;

/// No aggregate: the row is left to the smoother.
pub(super) const ALONE: u32 = u32::MAX;

/// Each row's aggregate or [`ALONE`], and how many there are.
///
/// Three passes in the order of the rows (Vaněk, Mandel and Brezina 1996, doi:10.1007/BF02238511): a row whose
/// strong neighbours are all free founds an aggregate with them; a remaining row joins the neighbouring
/// aggregate to which it is coupled most; the rows still left form aggregates among themselves. Rows
/// without strong neighbours stay alone. Deterministic. Cost: three passes over the strong entries.
///
/// # Errors
/// Where `halt` calls.
pub(super) fn aggregate(a: &Csr, strength: &Strength, halt: &Halt) -> Result<(Vec<u32>, usize)> {
    let n = a.rows();
    let mut of = vec![ALONE; n];
    let mut count = 0u32;
    for i in 0..n {
        halt.check_at(i)?;
        if of[i] != ALONE {
            continue;
        }
        let neighbours = strength.row(a, i);
        let mut any = false;
        if neighbours.clone().all(|j| {
            any = true;
            of[j] == ALONE
        }) && any
        {
            of[i] = count;
            neighbours.for_each(|j| of[j] = count);
            count += 1;
        }
    }
    // Rows join aggregates of the first pass only, or chains would form.
    let founded = of.clone();
    for i in 0..n {
        halt.check_at(i)?;
        if founded[i] != ALONE {
            continue;
        }
        let (columns, values) = a.row(i);
        let mut best = (0.0, ALONE);
        for ((&j, v), &strong) in columns.iter().zip(values).zip(strength.flags(a, i)) {
            let there = founded[j as usize];
            if strong.both && there != ALONE && v.abs() > best.0 {
                best = (v.abs(), there);
            }
        }
        of[i] = best.1;
    }
    for i in 0..n {
        halt.check_at(i)?;
        if of[i] != ALONE {
            continue;
        }
        let mut any = false;
        for j in strength.row(a, i) {
            any = true;
            if of[j] == ALONE {
                of[j] = count;
            }
        }
        if any {
            of[i] = count;
            count += 1;
        }
    }
    Ok((of, count as usize))
}
