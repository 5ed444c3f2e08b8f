//! A change of variables between the user's system and the device's: A' = P_r D_r A D_c P_cᵀ·2^e, with D_r and D_c
//! powers of two and P_r, P_c permutations. A residual r goes to the device as P_r D_r r; a correction d comes back as
//! D_c P_cᵀ d·2^e. Certificates, x and the history stay in the user's order and units.
//!
//! Reasons for one: rows or columns whose sizes lie further apart than the arithmetic has digits are equilibrated; rows
//! are reordered so that products gather from near by, or so that factors fill little; rows are matched with columns so
//! that incomplete factors find large pivots. Without any of these the device works on the user's own arrays.

use crate::analyse::facts::Facts;
use crate::error::Result;
use crate::host::halt::Halt;
use crate::host::scale::{self, SHARE, exponent, ldexp};
use crate::matrix::equilibrate::{self, Scales};
use crate::matrix::order::minimum_degree::{self, Cost};
use crate::matrix::order::{matching, rcm};
use crate::matrix::{Csr, Matrix};
use crate::op::Dtype;
use rayon::prelude::*;
use std::sync::Arc;

/// In which order rows and columns come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ordering {
    /// As given.
    #[default]
    Given,
    /// That of [`rcm`].
    Narrow,
    /// That of [`minimum_degree`].
    LittleFill,
}

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Rows and columns are scaled by powers of two.
    pub(crate) equilibrate: bool,
    /// Rows and columns in another order.
    pub(crate) order: Ordering,
    /// Large entries are brought to the diagonal: another order for rows than for columns, and scales.
    pub(crate) matched: bool,
}

/// The user's row and column that come to each place.
#[derive(Clone, Debug)]
struct Order {
    rows: Vec<u32>,
    columns: Vec<u32>,
}

/// A change of variables, and the matrix as it is after it.
#[derive(Clone, Debug)]
pub(crate) struct Transform {
    /// What it was made for.
    pub(crate) change: Change,
    order: Option<Order>,
    /// A matching was asked for and there is none.
    unmatched: bool,
    /// By the user's rows and columns.
    scales: Option<Scales>,
    /// e.
    exponent: i32,
    /// A' is this matrix times 2^`remaining`.
    pub(crate) matrix: Matrix,
    /// The part of e that the values don't hold yet.
    pub(crate) remaining: i32,
    /// What complete LU factors of A' take, where its order is one for them.
    pub(crate) cost: Option<Cost>,
}

impl Transform {
    /// The change `change` for `a`; parts of it that `a` does not allow are left out: no matching exists for a
    /// structurally singular matrix.
    ///
    /// `order` is that of [`rcm`] for `a`, where it is known.
    ///
    /// # Errors
    /// Where `halt` calls.
    pub(crate) fn new(a: &Arc<Csr>, facts: &Facts, change: Change, order: Option<&[u32]>, halt: &Halt) -> Result<Self> {
        let known = order;
        let mut cost = None;
        let identity = || (0..a.rows() as u32).collect::<Vec<u32>>();
        let mut order = None;
        let mut matched = None;
        if change.matched
            && let Some(m) = matching::matching(a, facts.norms.exponent, halt)?
        {
            order = Some(Order { rows: m.rows, columns: identity() });
            matched = Some(m.scales);
        }
        if change.order != Ordering::Given {
            let changed = order.as_ref().map(|o: &Order| a.permuted(&o.rows, &o.columns));
            let place = match (change.order, &changed, known) {
                (Ordering::LittleFill, ..) => {
                    let (place, count) = minimum_degree::order(changed.as_ref().unwrap_or(a), halt)?;
                    cost = Some(count);
                    place
                }
                (_, None, Some(known)) => known.to_vec(),
                _ => rcm::order(changed.as_ref().unwrap_or(a), halt)?,
            };
            // Row `place[k]` of what the matching left comes to place k.
            let rows = order.map_or_else(|| place.clone(), |o| place.iter().map(|&i| o.rows[i as usize]).collect());
            order = Some(Order { rows, columns: place });
        }
        let unmatched = change.matched && matched.is_none();
        halt.check()?;
        Ok(Self { unmatched, cost, ..Self::with(a, facts, change, order, matched, halt)? })
    }

    /// This change for new values on the same pattern: the order is kept, powers of two are found anew, but for
    /// those that came with a matching.
    pub(crate) fn renewed(&self, a: &Arc<Csr>, facts: &Facts) -> Result<Self> {
        let kept = self.scales.clone().filter(|_| self.change.matched);
        let made = Self::with(a, facts, self.change, self.order.clone(), kept, &Halt::default())?;
        Ok(Self { cost: self.cost, ..made })
    }

    fn with(
        a: &Arc<Csr>,
        facts: &Facts,
        change: Change,
        order: Option<Order>,
        scales: Option<Scales>,
        halt: &Halt,
    ) -> Result<Self> {
        let e = facts.norms.exponent;
        let scales = match scales {
            None if change.equilibrate => Some(equilibrate::scales(a, e, facts.symmetric(), halt)?),
            known => known,
        };
        let (matrix, remaining) = match (&order, &scales) {
            (None, None) => (Arc::clone(a), -e),
            (Some(o), None) => (Arc::new(a.permuted(&o.rows, &o.columns)), -e),
            (order, Some(s)) => {
                let all;
                let (rows, columns) = match order {
                    Some(o) => (&o.rows, &o.columns),
                    None => {
                        all = (0..a.rows() as u32).collect();
                        (&all, &all)
                    }
                };
                let scaled = |i: usize, j: usize, v| ldexp(v, s.rows[i] + s.columns[j] - e);
                (Arc::new(a.rebuilt(rows, columns, scaled)), 0)
            }
        };
        let (unmatched, cost) = (false, None);
        Ok(Self { change, unmatched, order, scales, exponent: -e, matrix: matrix.into(), remaining, cost })
    }

    /// No change but of the scale: all that an operator allows.
    pub(crate) fn scaled(a: Matrix, facts: &Facts) -> Self {
        let e = -facts.norms.exponent;
        Self {
            change: Change::default(),
            unmatched: false,
            order: None,
            scales: None,
            exponent: e,
            matrix: a,
            remaining: e,
            cost: None,
        }
    }

    /// What was found on the way, for people.
    pub(crate) fn describe(&self) -> Option<String> {
        self.unmatched.then(|| "matching: none exists (A is structurally singular), or the search took too long".into())
    }

    /// True where D_r or D_c is not the identity, so that norms on the device differ from the user's.
    pub(crate) fn scales(&self) -> bool {
        self.scales.is_some()
    }

    /// An e with ‖D_r r‖·2^−e of the order of 1, for r of norm `norm`.
    pub(crate) fn residual_exponent(&self, r: &[f64], norm: f64) -> i32 {
        let Some(s) = &self.scales else { return exponent(norm) };
        let sizes = r.iter().zip(&s.rows).filter(|(r, _)| **r != 0.0);
        sizes.map(|(&r, s)| exponent(r) + s).max().unwrap_or(0)
    }

    /// P_r D_r r·2^−e.
    pub(crate) fn residual(&self, r: &[f64], e: i32) -> Vec<f64> {
        let entry = |i: usize| ldexp(r[i], self.scales.as_ref().map_or(0, |s| s.rows[i]) - e);
        match &self.order {
            Some(o) => o.rows.par_iter().with_min_len(SHARE).map(|&i| entry(i as usize)).collect(),
            None => (0..r.len()).into_par_iter().with_min_len(SHARE).map(entry).collect(),
        }
    }

    /// The user's column that stands at place k.
    fn column(&self, k: usize) -> usize {
        self.order.as_ref().map_or(k, |o| o.columns[k] as usize)
    }

    /// The exponent of the largest entry of D_c P_cᵀ d·2^(e + `exponent`); `None` where that is zero or not finite.
    pub(crate) fn size(&self, d: &[f64], exponent: i32) -> Option<i32> {
        let largest = self.matrix.whole().widest(scale::largest(d));
        if !(largest > 0.0 && largest.is_finite()) {
            return None;
        }
        let exponent = self.exponent + exponent;
        let Some(s) = &self.scales else { return Some(scale::exponent(largest) + exponent) };
        let sizes = d.iter().enumerate().filter(|(_, d)| **d != 0.0);
        sizes.map(|(k, &d)| scale::exponent(d) + exponent + s.columns[self.column(k)]).max()
    }

    /// x + D_c P_cᵀ d·2^(e + `exponent`).
    pub(crate) fn corrected(&self, x: &[f64], d: &[f64], exponent: i32) -> Vec<f64> {
        let exponent = self.exponent + exponent;
        let Some(s) = &self.scales else {
            let Some(o) = &self.order else {
                return x.par_iter().with_min_len(SHARE).zip(d).map(|(&x, &d)| x + ldexp(d, exponent)).collect();
            };
            let mut sum = x.to_vec();
            o.columns.iter().zip(d).for_each(|(&j, &d)| sum[j as usize] += ldexp(d, exponent));
            return sum;
        };
        let mut sum = x.to_vec();
        for (k, &d) in d.iter().enumerate() {
            let j = self.column(k);
            sum[j] += ldexp(d, exponent + s.columns[j]);
        }
        sum
    }

    /// The d that comes back as `x`, up to a power of two.
    pub(crate) fn direction(&self, x: &[f64]) -> Vec<f64> {
        let shift = |j: usize| self.scales.as_ref().map_or(0, |s| s.columns[j]);
        let sizes = x.iter().enumerate().filter(|(_, x)| **x != 0.0).map(|(j, &x)| exponent(x) - shift(j));
        let own = sizes.max().map_or(f64::NEG_INFINITY, f64::from);
        let e = self.matrix.whole().widest(own);
        let e = if e.is_finite() { e as i32 } else { 0 };
        let entry = |j: usize| ldexp(x[j], -shift(j) - e);
        match &self.order {
            Some(o) => o.columns.iter().map(|&j| entry(j as usize)).collect(),
            None => (0..x.len()).map(entry).collect(),
        }
    }
}

/// Exponent gap beyond which one row of a matrix is lost in the rounding of another, in `dtype`.
pub(crate) fn digits(dtype: Dtype) -> i32 {
    match dtype {
        Dtype::F32 => 24,
        Dtype::DoubleSingle => 49,
        Dtype::F64 => 53,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;
    use crate::host::scale::norm2;
    use crate::matrix::gallery;

    #[test]
    fn the_answer_of_the_changed_system_is_the_users() {
        let plain = gallery::random_general(60, 5, 3);
        let all: Vec<u32> = (0..60).collect();
        let a = Arc::new(plain.rebuilt(&all, &all, |i, j, v| ldexp(v, (i % 9) as i32 * 20 - (j % 7) as i32 * 10)));
        let facts = Facts::of(&a);
        let x: Vec<f64> =
            Random::new(1).vector(60).iter().enumerate().map(|(j, v)| ldexp(*v, j as i32 % 7 * 10)).collect();
        let b = a.multiply(&x);
        for bits in 0..12 {
            let order = [Ordering::Given, Ordering::Narrow, Ordering::LittleFill][bits / 4];
            let change = Change { equilibrate: bits & 1 > 0, order, matched: bits & 2 > 0 };
            let t = Transform::new(&a, &facts, change, None, &Halt::default()).unwrap();
            let e = t.residual_exponent(&b, norm2(&b));
            let r = t.residual(&b, e);
            assert!((0.01..100.0).contains(&norm2(&r)), "{change:?}: {}", norm2(&r));
            // `corrected` undoes `direction`, up to its power of two.
            let back = t.corrected(&[0.0; 60], &t.direction(&x), 0);
            let factor = exponent(back[0]) - exponent(x[0]);
            assert!(back.iter().zip(&x).all(|(p, q)| *p == ldexp(*q, factor)), "{change:?}");
            // A' d is the residual seen from the device, up to another.
            let product = t.matrix.multiply(&t.direction(&x));
            let scale = norm2(&product) / norm2(&r);
            let far = product.iter().zip(&r).map(|(p, r)| (p - r * scale).abs()).fold(0.0, f64::max);
            assert!(far <= 1e-10 * norm2(&product), "{change:?}: {far:e}");
        }
    }

    #[test]
    fn without_a_change_the_users_matrix_is_used() {
        let a = Arc::new(gallery::poisson2d(5));
        let t = Transform::new(&a, &Facts::of(&a), Change::default(), None, &Halt::default()).unwrap();
        assert!(t.matrix.is(&a.into()) && !t.scales());
    }
}
