//! What a matrix is, found once before solving: symmetry, signs, null vectors. Plans are made of these.

use crate::analyse::certify::Norms;
use crate::analyse::probe::probe;
use crate::analyse::shared;
use crate::error::Result;
use crate::host::scale::larger;
use crate::host::whole::Whole;
use crate::matrix::{Csr, Matrix, Structure, equilibrate};
use rayon::prelude::*;

/// Off-diagonal pairs may differ by this much of √|a_ii a_jj| and still count as symmetric.
pub(crate) const SYMMETRY_TOLERANCE: f64 = 1e-12;

/// Off-diagonal sum over the diagonal below which a row is clearly dominant: iterations without multigrid end soon where
/// most rows are.
const WEAK: f64 = 0.98;

/// Findings about a square matrix.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) norms: Norms,
    /// What the maker of an operator says of it; `None` for stored entries, which speak for themselves.
    pub(crate) word: Option<Structure>,
    /// The first pair of entries that differ.
    pub(crate) asymmetry: Option<(usize, usize)>,
    /// ⟨A x, y⟩ = ⟨x, A y⟩ for two vectors, or for all.
    pub(crate) looks_symmetric: bool,
    /// Signs of the diagonal: how many positive, negative, zero, missing or unknown.
    pub(crate) diagonal: (usize, usize, usize),
    /// True where all diagonal entries are equal.
    pub(crate) constant_diagonal: bool,
    /// True where no off-diagonal entry is positive.
    pub(crate) m_matrix: bool,
    /// The largest Σ_j≠i |a_ij| / |a_ii|: below 1 for strictly dominant rows.
    pub(crate) dominance: f64,
    /// How many rows are not clearly dominant; 0 for an operator, whose rows are unknown.
    pub(crate) weak: usize,
    /// How far apart, in powers of two, the largest entries of two rows or of two columns are.
    pub(crate) spread: i32,
    /// Connected components on which A·1 = 0 = Aᵀ·1: each row's component, or `u32::MAX`; and their number.
    pub(crate) null_components: (Vec<u32>, usize),
}

impl Facts {
    /// Findings about stored entries, or what products tell about an operator.
    ///
    /// # Errors
    /// An operator that contradicts its maker's word or itself.
    pub(crate) fn find(a: &Matrix) -> Result<Self> {
        match a {
            // One step into the pool of threads for all loops.
            Matrix::Stored(a) => Ok(rayon::scope(|_| Self::of(a))),
            Matrix::Free(a) => probe(&**a),
            Matrix::Parted(a) => shared::find(a),
        }
    }

    pub(crate) fn of(a: &Csr) -> Self {
        let asymmetry = a.first_asymmetry(SYMMETRY_TOLERANCE);
        let d = a.diagonal();
        let count = |f: fn(f64) -> bool| d.iter().filter(|v| f(**v)).count();
        let Seen { m_matrix, dominance, weak } = Seen::of(a, 0, &d);
        Self {
            m_matrix,
            dominance,
            weak,
            norms: if asymmetry.is_none() { Norms::of_symmetric(a) } else { Norms::of(a) },
            word: None,
            diagonal: (count(|v| v > 0.0), count(|v| v < 0.0), count(|v| v == 0.0)),
            constant_diagonal: d.windows(2).all(|w| w[0] == w[1]),
            spread: equilibrate::spread(a, asymmetry.is_none()),
            null_components: if asymmetry.is_none() { null_components(a) } else { (vec![], 0) },
            looks_symmetric: asymmetry.is_none(),
            asymmetry,
        }
    }

    pub(crate) fn symmetric(&self) -> bool {
        self.asymmetry.is_none() && self.word != Some(Structure::General)
    }

    /// Symmetric with signs that suggest, or a maker that says: definite.
    pub(crate) fn may_be_definite(&self) -> bool {
        let (positive, negative, zero) = self.diagonal;
        let signs = match self.word {
            Some(word) => word == Structure::Definite,
            None => negative == 0 && zero == 0 && positive > 0,
        };
        self.symmetric() && signs
    }

    /// ‖part of v in the constants of the null components‖, and v without it.
    pub(crate) fn split_null(&self, v: &[f64], whole: &dyn Whole) -> (f64, Vec<f64>) {
        let (component, count) = &self.null_components;
        let mut sums = vec![(0.0, 0usize); *count];
        for (&c, &x) in component.iter().zip(v) {
            if let Some(s) = sums.get_mut(c as usize) {
                s.0 += x;
                s.1 += 1;
            }
        }
        sums.iter_mut().for_each(|s| *s = (whole.sum(&[s.0]), whole.count(s.1)));
        let means: Vec<f64> = sums.iter().map(|&(s, k)| s / k as f64).collect();
        let norm = crate::host::scale::norm2(
            &sums.iter().zip(&means).map(|(s, m)| m * (s.1 as f64).sqrt()).collect::<Vec<_>>(),
        );
        let rest = component.iter().zip(v).map(|(&c, &x)| x - means.get(c as usize).copied().unwrap_or(0.0)).collect();
        (norm, rest)
    }
}

/// What rows show, the diagonal left out.
pub(super) struct Seen {
    /// No entry is positive.
    pub(super) m_matrix: bool,
    /// The largest sum of a row beside its diagonal entry.
    pub(super) dominance: f64,
    /// Rows that are not clearly dominant.
    pub(super) weak: usize,
}

impl Seen {
    /// Of rows whose diagonal `d` starts in column `first`.
    pub(super) fn of(a: &Csr, first: usize, d: &[f64]) -> Self {
        // Whether no entry off the diagonal is positive, and their sum beside it, in one reading of the row.
        let row = |i: usize| {
            let (columns, values) = a.row(i);
            let (mut positive, mut sum) = (false, 0.0);
            for (_, v) in columns.iter().zip(values).filter(|e| *e.0 as usize != first + i) {
                positive |= *v > 0.0;
                sum += v.abs();
            }
            // A row without a diagonal entry is dominant in no sense, an empty one included.
            let dominance = if d[i] == 0.0 { f64::INFINITY } else { sum / d[i].abs() };
            (!positive, dominance, usize::from(sum >= WEAK * d[i].abs()))
        };
        let rows = (0..d.len()).into_par_iter().with_min_len(1024).map(row);
        let both = |a: (bool, f64, usize), b: (bool, f64, usize)| (a.0 && b.0, larger(a.1, b.1), a.2 + b.2);
        let (m_matrix, dominance, weak) = rows.reduce(|| (true, 0.0, 0), both);
        Self { m_matrix, dominance, weak }
    }
}

/// Whether a row sums to zero within rounding.
pub(super) fn sums_to_zero(values: &[f64]) -> bool {
    let size: f64 = values.iter().map(|v| v.abs()).sum();
    values.iter().sum::<f64>().abs() <= 8.0 * f64::EPSILON * size
}

/// True where it is soon found that every row hangs together with one whose sum is not zero: the usual case.
fn all_open(a: &Csr, zero_sum: &[bool]) -> bool {
    let mut open: Vec<bool> = zero_sum.iter().map(|z| !z).collect();
    if !open.contains(&true) {
        return false;
    }
    let reached = |open: &[bool], i: usize| {
        let (columns, values) = a.row(i);
        open[i] || columns.iter().zip(values).any(|(&j, &v)| v != 0.0 && open[j as usize])
    };
    // A sweep down and one up, twice, reach everything on most grids.
    for _ in 0..2 {
        for i in 0..open.len() {
            open[i] = reached(&open, i);
        }
        for i in (0..open.len()).rev() {
            open[i] = reached(&open, i);
        }
        if open.iter().all(|&o| o) {
            return true;
        }
    }
    false
}

/// Components of the graph of a symmetric A whose rows all sum to zero within rounding: a pure Neumann
/// problem or a graph Laplacian has one each, an empty row is one of its own.
fn null_components(a: &Csr) -> (Vec<u32>, usize) {
    let zero_sum: Vec<bool> =
        (0..a.rows()).into_par_iter().with_min_len(1024).map(|i| sums_to_zero(a.row(i).1)).collect();
    if !zero_sum.iter().any(|&z| z) || all_open(a, &zero_sum) {
        return (vec![], 0);
    }
    // Union–find over the entries; the root is the least row of its component.
    let mut parent: Vec<u32> = (0..a.rows() as u32).collect();
    fn root(parent: &mut [u32], mut i: u32) -> u32 {
        while parent[i as usize] != i {
            parent[i as usize] = parent[parent[i as usize] as usize];
            i = parent[i as usize];
        }
        i
    }
    for i in 0..a.rows() {
        let (columns, values) = a.row(i);
        for (&j, &v) in columns.iter().zip(values) {
            if v != 0.0 {
                let (p, q) = (root(&mut parent, i as u32), root(&mut parent, j));
                parent[p.max(q) as usize] = p.min(q);
            }
        }
    }
    let mut closed = vec![true; a.rows()];
    for i in 0..a.rows() {
        let r = root(&mut parent, i as u32) as usize;
        closed[r] &= zero_sum[i];
    }
    let mut number = vec![u32::MAX; a.rows()];
    let mut count = 0;
    let mut component = vec![u32::MAX; a.rows()];
    for i in 0..a.rows() {
        let r = root(&mut parent, i as u32) as usize;
        if closed[r] {
            if number[r] == u32::MAX {
                number[r] = count;
                count += 1;
            }
            component[i] = number[r];
        }
    }
    (component, count as usize)
}
