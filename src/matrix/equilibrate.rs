//! Equilibration: powers of two for the rows and columns that bring the largest entry of each near 1 (Ruiz 2001,
//! RAL-TR-2001-034), so that no row is lost in the rounding of another. Scaling by powers of two is exact.
//!
//! Works on exponents alone: halves the largest exponent of all rows and columns at once until none is beyond ±1.
//! A symmetric matrix gets the same power for row and column i. Cost: a pass over the exponents for every halving of
//! the spread, 11 at most. [`symmetric_scale`] does the same with logarithms in place of exponents, to a percent.

use super::Csr;
use crate::error::Result;
use crate::host::halt::Halt;
use crate::host::scale::{self, exponent, ldexp};
use rayon::prelude::*;

/// Exponents of D_r and D_c, such that D_r A D_c·2^−e has no largest entry of a row or column beyond 2^±2, with
/// 2^e ≤ max |a_ij| < 2^(e+1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scales {
    pub(crate) rows: Vec<i32>,
    pub(crate) columns: Vec<i32>,
}

/// Exponent of zeros, which are ignored.
const NONE: i32 = i32::MIN;

/// Largest logarithm of each row and each column of A under `scales`; `NONE` for those without entries.
fn largest(a: &Csr, logarithms: &[i32], scales: &Scales, halt: &Halt) -> Result<(Vec<i32>, Vec<i32>)> {
    let (mut rows, mut columns) = (vec![NONE; a.rows()], vec![NONE; a.cols()]);
    for i in 0..a.rows() {
        halt.check_at(i)?;
        for k in a.row_ptr()[i]..a.row_ptr()[i + 1] {
            if logarithms[k] != NONE {
                let j = a.columns()[k] as usize;
                let e = logarithms[k] + scales.rows[i] + scales.columns[j];
                rows[i] = rows[i].max(e);
                columns[j] = columns[j].max(e);
            }
        }
    }
    Ok((rows, columns))
}

fn exponents(a: &Csr, e: i32) -> Vec<i32> {
    a.values().iter().map(|&v| if v == 0.0 { NONE } else { exponent(v) - e }).collect()
}

/// The exponent of the largest entry of each column; `None` for a column of zeros.
pub(crate) fn column_exponents(a: &Csr) -> Vec<Option<i32>> {
    let mut exponents: Vec<Option<i32>> = vec![None; a.cols()];
    for (&c, &v) in a.columns().iter().zip(a.values()).filter(|e| *e.1 != 0.0) {
        let e = &mut exponents[c as usize];
        *e = (*e).max(Some(exponent(v)));
    }
    exponents
}

/// How far apart, in powers of two, the largest entries of two columns can be; ignores columns of zeros.
pub(crate) fn column_spread(a: &Csr) -> i32 {
    let exponents = column_exponents(a);
    let known = || exponents.iter().flatten();
    known().max().zip(known().min()).map_or(0, |(most, least)| most - least)
}

/// How far apart, in powers of two, the largest entries of two rows or of two columns can be; for a `symmetric`
/// matrix the rows suffice.
pub(crate) fn spread(a: &Csr, symmetric: bool) -> i32 {
    // Zeros are ignored: a row of zeros must not count as the smallest.
    let row = |i: usize| scale::largest(a.row(i).1);
    let widest = |p: (f64, f64), q: (f64, f64)| (p.0.min(q.0), p.1.max(q.1));
    let range = |(least, most): (f64, f64)| if most > 0.0 { exponent(most) - exponent(least) } else { 0 };
    let bounds = |m: f64| if m > 0.0 { (m, m) } else { (f64::INFINITY, 0.0) };
    let rows = (0..a.rows()).into_par_iter().with_min_len(1024).map(|i| bounds(row(i)));
    let rows = range(rows.reduce(|| (f64::INFINITY, 0.0), widest));
    if symmetric {
        return rows;
    }
    let mut columns = vec![0.0f64; a.cols()];
    for (&j, v) in a.columns().iter().zip(a.values()) {
        columns[j as usize] = columns[j as usize].max(v.abs());
    }
    rows.max(range(columns.into_iter().map(bounds).fold((f64::INFINITY, 0.0), widest)))
}

/// Scales for `a`, whose largest entry has the exponent `e`.
///
/// # Errors
/// Where `halt` calls.
pub(crate) fn scales(a: &Csr, e: i32, symmetric: bool, halt: &Halt) -> Result<Scales> {
    // Exponents of f64 span less than 2^11.
    balanced(a, &exponents(a, e), 11, 1, symmetric, halt)
}

/// Binary digits after the point of a logarithm.
const DIGITS: u32 = 16;

/// log₂ of an S: the largest entry of row and column i of S A S·2^−`e` lies within 2^±1/64 of ±1 for every i, where 2^e is
/// near the largest |a_ij|. 0 for an empty row whose column is empty.
///
/// # Errors
/// Where `halt` calls.
pub(crate) fn symmetric_scale(a: &Csr, e: i32, halt: &Halt) -> Result<Vec<f64>> {
    let one = f64::from(1 << DIGITS);
    let mantissa = |v: f64| ldexp(v.abs(), -exponent(v)).log2();
    let logarithm = |v: f64| ((exponent(v) - e) << DIGITS) + (mantissa(v) * one) as i32;
    let logarithms: Vec<i32> = a.values().par_iter().map(|&v| if v == 0.0 { NONE } else { logarithm(v) }).collect();
    let scales = balanced(a, &logarithms, 11 + 6, 1 << (DIGITS - 6), true, halt)?;
    Ok(scales.rows.into_iter().map(|s| f64::from(s) / one).collect())
}

/// Halves the largest logarithm of every row and column, at most `passes` times, until none is beyond ±`near`; with
/// `symmetric` row and column i have one scale.
fn balanced(a: &Csr, logarithms: &[i32], passes: usize, near: i32, symmetric: bool, halt: &Halt) -> Result<Scales> {
    let mut scales = Scales { rows: vec![0; a.rows()], columns: vec![0; a.cols()] };
    for _ in 0..passes {
        let (mut rows, mut columns) = largest(a, logarithms, &scales, halt)?;
        if symmetric {
            rows.iter_mut().zip(&columns).for_each(|(r, c)| *r = (*r).max(*c));
            columns.clone_from(&rows);
        }
        let far = |m: &i32| *m != NONE && m.abs() > near;
        if !rows.iter().any(far) && !columns.iter().any(far) {
            break;
        }
        let halve = |scales: &mut [i32], largest: &[i32]| {
            scales.iter_mut().zip(largest).filter(|(_, m)| **m != NONE).for_each(|(s, m)| *s -= m / 2);
        };
        halve(&mut scales.rows, &rows);
        halve(&mut scales.columns, &columns);
    }
    Ok(scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Csr, gallery};

    fn scaled(a: &Csr, rows: impl Fn(usize) -> i32 + Sync, columns: impl Fn(usize) -> i32 + Sync) -> Csr {
        let all: Vec<u32> = (0..a.rows() as u32).collect();
        a.rebuilt(&all, &all, |i, j, v| ldexp(v, rows(i) + columns(j)))
    }

    #[test]
    fn undoes_what_rows_and_columns_were_scaled_by() {
        let plain = gallery::random_spd(200, 7, 1);
        let wild = |i: usize| (i * 37 % 200) as i32 - 100;
        for (columns, symmetric) in [(true, true), (false, false)] {
            let a = scaled(&plain, wild, |j| if columns { wild(j) } else { 0 });
            assert!(spread(&a, false) >= 190);
            let norms = crate::analyse::certify::Norms::of(&a);
            let s = scales(&a, norms.exponent, symmetric, &Halt::default()).unwrap();
            assert_eq!(s.rows == s.columns, symmetric);
            let b = scaled(&a, |i| s.rows[i], |j| s.columns[j] - norms.exponent);
            assert!(spread(&b, false) <= 3, "{}", spread(&b, false));
            // The scales are the same for A·2^200.
            let times = scaled(&a, |_| 200, |_| 0);
            assert_eq!(scales(&times, norms.exponent + 200, symmetric, &Halt::default()).unwrap(), s);
        }
    }

    #[test]
    fn one_scale_for_row_and_column() {
        let wild = |i: usize| (i * 37 % 200) as i32 - 100;
        for (plain, e) in [(gallery::random_spd(200, 7, 1), 0), (gallery::random_general(200, 5, 3), 7)] {
            let a = scaled(&plain, wild, wild);
            let s = symmetric_scale(&a, e, &Halt::default()).unwrap();
            let (mut rows, mut columns) = (vec![0.0f64; 200], vec![0.0f64; 200]);
            for i in 0..200 {
                for (&j, v) in a.row(i).0.iter().zip(a.row(i).1) {
                    let v = v.abs() * (s[i] + s[j as usize] - f64::from(e)).exp2();
                    rows[i] = rows[i].max(v);
                    columns[j as usize] = columns[j as usize].max(v);
                }
            }
            assert!((0..200).all(|i| (rows[i].max(columns[i]).log2()).abs() < 1.0 / 63.0), "{rows:?} {columns:?}");
        }
        // Positive definite: the square roots of the diagonal, as in Jacobi.
        let d = symmetric_scale(&gallery::diagonal(&[4.0, 1e-200, 1e200]), 0, &Halt::default()).unwrap();
        for (s, d) in d.into_iter().zip([4.0f64, 1e-200, 1e200]) {
            assert!((2.0 * s + d.log2()).abs() < 1.0 / 32.0, "{s}");
        }
    }

    #[test]
    fn subnormal_huge_and_empty() {
        let mut t = crate::matrix::Triplets::new(3, 3).unwrap();
        t.push(0, 0, 1e-310).unwrap();
        t.push(1, 1, 1e300).unwrap();
        let a = t.to_csr().unwrap();
        let s = scales(&a, crate::analyse::certify::Norms::of(&a).exponent, true, &Halt::default()).unwrap();
        let e = crate::analyse::certify::Norms::of(&a).exponent;
        let b = scaled(&a, |i| s.rows[i], |j| s.columns[j] - e);
        assert!(b.values().iter().all(|v| (0.25..8.0).contains(v)), "{:?}", b.values());
        assert_eq!(s.rows[2], 0);
    }
}
