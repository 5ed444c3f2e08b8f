//! Sparse approximate inverses in two factors: applied as two products, on every backend.
//!
//! FSAI (Kolotilina and Yeremin 1993, doi:10.1137/0614004): M = GᵀG with G lower triangular on the pattern of A's lower
//! triangle, (G A)_ij = 0 on it off the diagonal and (G A Gᵀ)_ii = 1; minimises ‖I − G L‖_F over that pattern, L the
//! Cholesky factor, without knowing L. Positive definite by construction. Row i costs a dense Cholesky factorisation of
//! its pattern's size.
//!
//! ISAI (Anzt, Huckle, Bräckle and Dongarra 2018, doi:10.1016/j.parco.2017.10.003): M = M_U M_L with (M_L L)_ij = δ_ij
//! on the pattern of L and (M_U U)_ij = δ_ij on that of U, for the factors of ILU(0). For A whose ILU(0) exists.
//!
//! One application: two products with matrices of A's size together.

use super::ilu::Factors;
use super::{Preconditioner, Request, Updates};
use crate::error::{Error, Result};
use crate::host::halt::Halt;
use crate::host::scale::{self, largest, power};
use crate::matrix::{Csr, Triangular};
use crate::op::{Operator, Program, Role, Space, Vector};
use rayon::prelude::*;
use std::sync::Arc;

/// Maximum number of entries used of a row; longer rows keep the largest.
const WIDEST: usize = 200;

/// Which factors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// GᵀG ≈ A⁻¹, A symmetric positive definite.
    Fsai,
    /// Inverses of ILU(0)'s factors.
    Isai,
}

/// M = second · first.
pub struct InverseFactors {
    kind: Kind,
    definite: bool,
    /// Exponent of the largest entry of A: FSAI's factors are those of A·2^−`size`, so that they contain no rounded
    /// root of an odd power of two.
    size: i32,
    first: Arc<Csr>,
    second: Arc<Csr>,
    handles: Option<(Operator, Operator, Vector)>,
}

impl InverseFactors {
    /// Sets up for `a`.
    ///
    /// # Errors
    /// [`Error::Preconditioner`] with the row that is not positive definite (FSAI) or has no pivot (ISAI).
    pub fn new(a: &Csr, kind: Kind, definite: bool) -> Result<Self> {
        Self::within(a, kind, definite, &Halt::default())
    }

    fn within(a: &Csr, kind: Kind, definite: bool, halt: &Halt) -> Result<Self> {
        let (first, second) = factors(a, kind, definite, halt)?;
        Ok(Self { kind, definite, size: scale::exponent(largest(a.values())), first, second, handles: None })
    }

    pub(super) fn build(a: &Csr, kind: Kind, request: &Request) -> Result<Self> {
        if kind == Kind::Fsai && !request.symmetric {
            return Err(Error::input("fsai needs a symmetric matrix; use isai or ilu0"));
        }
        Self::within(a, kind, request.definite, &request.halt)
    }

    /// Exponents of two by which the factors scale if A is scaled by 2^e: G as 2^(−e/2), so e is halved.
    fn exponents(&self, exponent: i32) -> (i32, i32) {
        let whole = exponent + self.size;
        match self.kind {
            Kind::Fsai => (-whole.div_euclid(2), -(whole - whole.div_euclid(2))),
            Kind::Isai => (0, -exponent),
        }
    }
}

fn factors(a: &Csr, kind: Kind, definite: bool, halt: &Halt) -> Result<(Arc<Csr>, Arc<Csr>)> {
    match kind {
        Kind::Fsai => {
            let g = fsai(a, halt)?;
            let transposed = g.transpose();
            Ok((Arc::new(g), Arc::new(transposed)))
        }
        Kind::Isai => {
            let f = Factors::new(a, definite, halt)?;
            let (lower, upper) = (inverse(&f.lower, halt)?, inverse(&f.upper, halt)?);
            if definite {
                // M_L and M_Lᵀ with the pivots between them: symmetric, where M_U M_L would not be.
                let mut second = lower.transpose();
                let d = f.upper.inverse_diagonal();
                let scaled = second.columns().iter().zip(second.values()).map(|(&j, v)| v * d[j as usize]).collect();
                second.set_values(scaled)?;
                return Ok((Arc::new(lower), Arc::new(second)));
            }
            Ok((Arc::new(lower), Arc::new(upper)))
        }
    }
}

/// The matrix of rows (columns, values) that `row` computes, in parallel.
fn rows(n: usize, halt: &Halt, row: impl Fn(usize) -> Result<(Vec<u32>, Vec<f64>)> + Sync + Send) -> Result<Csr> {
    let row = |i| halt.check_at(i).and_then(|()| row(i));
    let all: Vec<(Vec<u32>, Vec<f64>)> = (0..n).into_par_iter().with_min_len(256).map(row).collect::<Result<_>>()?;
    let mut row_ptr = vec![0];
    let (mut columns, mut values) = (vec![], vec![]);
    for (i, (cs, vs)) in all.into_iter().enumerate() {
        if !vs.iter().all(|v| v.is_finite()) {
            return Err(Error::Preconditioner { row: i, message: "the approximate inverse leaves f64's range".into() });
        }
        columns.extend(cs);
        values.extend(vs);
        row_ptr.push(columns.len());
    }
    Ok(Csr::trusted(n, n, row_ptr, columns, values))
}

/// The columns of row i that are kept, ascending: all of `columns`, or the largest entries of a long row.
fn kept(columns: &[u32], values: &[f64]) -> Vec<u32> {
    if columns.len() <= WIDEST {
        return columns.to_vec();
    }
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    let mut out: Vec<u32> = order[..WIDEST].iter().map(|&k| columns[k]).collect();
    out.sort_unstable();
    out
}

/// The block A(s, s), row by row.
fn block(a: &Csr, s: &[u32], entry: impl Fn(usize, &mut [f64])) -> Vec<f64> {
    let m = s.len();
    let mut out = vec![0.0; m * m];
    for (p, &i) in s.iter().enumerate() {
        let (cs, vs) = a.row(i as usize);
        let (mut x, mut y) = (0, 0);
        while x < cs.len() && y < m {
            match cs[x].cmp(&s[y]) {
                std::cmp::Ordering::Less => x += 1,
                std::cmp::Ordering::Greater => y += 1,
                std::cmp::Ordering::Equal => {
                    out[p * m + y] = vs[x];
                    (x, y) = (x + 1, y + 1);
                }
            }
        }
        entry(p, &mut out[p * m..(p + 1) * m]);
    }
    out
}

/// G of A·2^−e, e that of the largest entry.
fn fsai(a: &Csr, halt: &Halt) -> Result<Csr> {
    let scale = power(-scale::exponent(largest(a.values())));
    rows(a.rows(), halt, |i| {
        let (cs, vs) = a.row(i);
        let below = cs.partition_point(|&j| (j as usize) < i);
        let mut s = kept(&cs[..below], &vs[..below]);
        s.push(i as u32);
        let m = s.len();
        let mut c = block(a, &s, |_, row| row.iter_mut().for_each(|v| *v = scale(*v)));
        if vs.iter().all(|v| *v == 0.0) {
            return Ok((vec![i as u32], vec![1.0]));
        }
        // Cholesky in place, then g = A(s,s)⁻¹ e_last: Lᵀ g = e_last / l_mm, scaled so that gᵀA g = 1.
        for k in 0..m {
            let d = c[k * m + k] - (0..k).map(|t| c[k * m + t].powi(2)).sum::<f64>();
            if d.is_nan() || d <= 0.0 {
                let message = format!("not positive definite with the rows before it (pivot {d:.1e}); fsai needs that");
                return Err(Error::Preconditioner { row: i, message });
            }
            let d = d.sqrt();
            c[k * m + k] = d;
            for r in k + 1..m {
                let sum: f64 = (0..k).map(|t| c[r * m + t] * c[k * m + t]).sum();
                c[r * m + k] = (c[r * m + k] - sum) / d;
            }
        }
        let mut g = vec![0.0; m];
        g[m - 1] = 1.0 / c[m * m - 1];
        for k in (0..m - 1).rev() {
            let sum: f64 = (k + 1..m).map(|t| c[t * m + k] * g[t]).sum();
            g[k] = -sum / c[k * m + k];
        }
        Ok((s, g))
    })
}

/// The inverse of T on T's own pattern: row i of it solves m T(s, s) = e_i.
fn inverse(t: &Triangular, halt: &Halt) -> Result<Csr> {
    let diagonal = t.inverse_diagonal();
    rows(t.rows(), halt, |i| {
        let (cs, vs) = t.strict().row(i);
        let mut s = kept(cs, vs);
        if t.is_upper() {
            s.insert(0, i as u32)
        } else {
            s.push(i as u32)
        }
        let m = s.len();
        let c = block(t.strict(), &s, |_, _| ());
        let mut g = vec![0.0; m];
        let own = if t.is_upper() { 0 } else { m - 1 };
        g[own] = diagonal[i];
        // Column k of m T = e_i: g_k t_kk = −Σ g_p t_pk over the rows p between k and i.
        let mut solve = |k: usize, between: std::ops::Range<usize>| {
            let sum: f64 = between.map(|p| g[p] * c[p * m + k]).sum();
            g[k] = -sum * diagonal[s[k] as usize];
        };
        if t.is_upper() {
            (1..m).for_each(|k| solve(k, 0..k));
        } else {
            (0..m - 1).rev().for_each(|k| solve(k, k + 1..m));
        }
        Ok((s, g))
    })
}

impl Preconditioner for InverseFactors {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        let (first, second) = self.exponents(exponent);
        let n = self.first.rows();
        self.handles = Some((
            space.operator("M1", Arc::clone(&self.first), first, Role::Working),
            space.operator("M2", Arc::clone(&self.second), second, Role::Working),
            space.vector("half_way", n),
        ));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        let (first, second, t) = self.handles.expect("installed before use");
        p.apply(first, r, t);
        p.apply(second, t, z);
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        (self.first, self.second) = factors(a, self.kind, self.definite, &Halt::default())?;
        self.size = scale::exponent(largest(a.values()));
        let mut updates = Updates::default();
        if let Some((first, second, _)) = self.handles {
            let (e, f) = self.exponents(exponent);
            updates.operators.push((first, Arc::clone(&self.first), e));
            updates.operators.push((second, Arc::clone(&self.second), f));
        }
        Ok(updates)
    }

    fn describe(&self) -> Vec<String> {
        let kind = if self.kind == Kind::Fsai { "fsai" } else { "isai" };
        vec![format!("{kind}: {} and {} entries", self.first.nnz(), self.second.nnz())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn equations_on_the_pattern() {
        let a = gallery::random_spd(60, 7, 1);
        let g = fsai(&a, &Halt::default()).unwrap();
        // G is that of A·2^−e.
        let scale = power(-scale::exponent(largest(a.values())));
        let entry = |x: &Csr, y: &Csr, i: usize, j: usize| (0..60).map(|k| x.get(i, k) * y.get(k, j)).sum::<f64>();
        for i in 0..60 {
            for &j in g.row(i).0.iter().filter(|&&j| (j as usize) < i) {
                assert!(scale(entry(&g, &a, i, j as usize)).abs() < 1e-14);
            }
            let unit: f64 = (0..60).map(|j| entry(&g, &a, i, j) * g.get(i, j)).sum();
            assert!((scale(unit) - 1.0).abs() < 1e-14);
        }
        let f = Factors::new(&gallery::random_general(60, 7, 1), false, &Halt::default()).unwrap();
        for t in [&f.lower, &f.upper] {
            let m = inverse(t, &Halt::default()).unwrap();
            let whole = |i: usize, j: usize| if i == j { 1.0 / t.inverse_diagonal()[i] } else { t.strict().get(i, j) };
            for i in 0..60 {
                for &j in m.row(i).0 {
                    let v: f64 = (0..60).map(|k| m.get(i, k) * whole(k, j as usize)).sum();
                    assert!((v - f64::from(u8::from(i == j as usize))).abs() < 1e-13);
                }
            }
        }
    }
}
