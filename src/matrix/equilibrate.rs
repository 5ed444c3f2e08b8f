//! Equilibration: powers of two for the rows and columns that bring the largest entry of each near 1 (Ruiz 2001,
//! RAL-TR-2001-034), so that no row drowns in the rounding of another. Powers of two change no digit.
//!
//! Works on exponents alone: halves the largest exponent of every row and column at once until none is beyond ±1.
//! A symmetric matrix gets the same power for row and column i. Cost: a pass over the exponents for every halving of
//! the spread, 11 at most.

use super::Csr;
use crate::scale::exponent;
use rayon::prelude::*;

/// Exponents of D_r and D_c, such that D_r A D_c·2^−e has no largest entry of a row or column beyond 2^±2, with
/// 2^e ≤ max |a_ij| < 2^(e+1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scales {
    pub(crate) rows: Vec<i32>,
    pub(crate) columns: Vec<i32>,
}

/// Exponents of zeros: they count for nothing.
const NONE: i32 = i32::MIN;

/// Largest exponent of each row and each column of A·2^−`e` under `scales`; `NONE` for those without entries.
fn largest(a: &Csr, exponents: &[i32], scales: &Scales) -> (Vec<i32>, Vec<i32>) {
    let (mut rows, mut columns) = (vec![NONE; a.rows()], vec![NONE; a.cols()]);
    for i in 0..a.rows() {
        for k in a.row_ptr()[i]..a.row_ptr()[i + 1] {
            if exponents[k] != NONE {
                let j = a.columns()[k] as usize;
                let e = exponents[k] + scales.rows[i] + scales.columns[j];
                rows[i] = rows[i].max(e);
                columns[j] = columns[j].max(e);
            }
        }
    }
    (rows, columns)
}

fn exponents(a: &Csr, e: i32) -> Vec<i32> {
    a.values().iter().map(|&v| if v == 0.0 { NONE } else { exponent(v) - e }).collect()
}

/// How far apart, in powers of two, the largest entries of two rows or of two columns are; the same of a symmetric
/// matrix.
pub(crate) fn spread(a: &Csr, symmetric: bool) -> i32 {
    // Zeros count for nothing, so a row of them is 0 here, not the smallest of all.
    let row = |i: usize| a.row(i).1.iter().fold(0.0f64, |m, v| m.max(v.abs()));
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
pub(crate) fn scales(a: &Csr, e: i32, symmetric: bool) -> Scales {
    let exponents = exponents(a, e);
    let mut scales = Scales { rows: vec![0; a.rows()], columns: vec![0; a.cols()] };
    // Exponents of f64 span less than 2^11.
    for _ in 0..11 {
        let (rows, columns) = largest(a, &exponents, &scales);
        let far = |m: &i32| *m != NONE && m.abs() > 1;
        if !rows.iter().any(far) && !columns.iter().any(far) {
            break;
        }
        let halve = |scales: &mut [i32], largest: &[i32]| {
            scales.iter_mut().zip(largest).filter(|(_, m)| **m != NONE).for_each(|(s, m)| *s -= m / 2);
        };
        halve(&mut scales.rows, &rows);
        halve(&mut scales.columns, if symmetric { &rows } else { &columns });
    }
    scales
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Csr, gallery};
    use crate::scale::ldexp;

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
            let norms = crate::certify::Norms::of(&a);
            let s = scales(&a, norms.exponent, symmetric);
            assert_eq!(s.rows == s.columns, symmetric);
            let b = scaled(&a, |i| s.rows[i], |j| s.columns[j] - norms.exponent);
            assert!(spread(&b, false) <= 3, "{}", spread(&b, false));
            // The same for A·2^200.
            assert_eq!(scales(&scaled(&a, |_| 200, |_| 0), norms.exponent + 200, symmetric), s);
        }
    }

    #[test]
    fn subnormal_huge_and_empty() {
        let mut t = crate::matrix::Triplets::new(3, 3).unwrap();
        t.push(0, 0, 1e-310).unwrap();
        t.push(1, 1, 1e300).unwrap();
        let a = t.to_csr().unwrap();
        let s = scales(&a, crate::certify::Norms::of(&a).exponent, true);
        let e = crate::certify::Norms::of(&a).exponent;
        let b = scaled(&a, |i| s.rows[i], |j| s.columns[j] - e);
        assert!(b.values().iter().all(|v| (0.25..8.0).contains(v)), "{:?}", b.values());
        assert_eq!(s.rows[2], 0);
    }
}
