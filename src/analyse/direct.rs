//! Complete sparse factors on the host, by the library faer: Cholesky where the matrix is positive definite, else
//! LDLᵀ of a symmetric one where that is accurate, else LU with partial pivoting.
//!
//! The inner systems of shift-and-invert are many with one matrix, and as ill-conditioned as the shift is good. A
//! complete factorisation is backward stable whatever the condition, so its solution is accepted by its backward
//! error, which each solve computes. Rows and columns are scaled by powers of two first (Ruiz), so that the condition
//! estimate sees no difference of units. Complex matrices come in their real form and are factored in complex numbers.
//!
//! Cost: `Cost` says it before anything is factored. Deterministic: one thread, in a fixed order.

use crate::host::halt::Halt;
use crate::host::random::Random;
use crate::host::scale::{exponent, ldexp, norm2};
use crate::matrix::complex::parts;
use crate::matrix::equilibrate::{Scales, scales};
use crate::matrix::{Csr, complex};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::solvers::Solve;
use faer::perm::PermRef;
use faer::sparse::linalg::cholesky::{IntranodeLbltRef, LltRef, SymbolicCholesky, SymmetricOrdering};
use faer::sparse::linalg::solvers::Lu;
use faer::sparse::{SparseColMat, SymbolicSparseColMat};
use faer::traits::ComplexField;
use faer::{Conj, Mat, Par, Side, c64};
use std::sync::Arc;

/// The largest backward error of a solution that counts as one.
pub(crate) const BACKWARD_ERROR: f64 = 1e-12;

/// The backward error up to which solutions are refined. Factors whose pivots are not free must reach it at once: others
/// leave some right-hand sides unsolved.
const REFINED: f64 = 1e-14;

/// From this condition on a matrix is singular to working precision.
const SINGULAR: f64 = 2e15;

/// What complete factors take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Entries of L.
    pub(crate) entries: f64,
    /// Multiplications.
    pub(crate) operations: f64,
}

/// A matrix with its factors.
pub(crate) struct Direct {
    /// The scaled matrix.
    c: Csr,
    scales: Scales,
    exponent: i32,
    norm: f64,
    factors: Box<dyn Factors>,
    /// What the factors are.
    pub(crate) name: &'static str,
    /// ‖C‖ ‖C⁻¹‖ of the scaled matrix, from below.
    pub(crate) condition: f64,
}

/// Why there are no factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Singular to working precision.
    Singular,
    /// Positive definiteness was asked for, and there is none.
    Indefinite,
    /// No factorisation was accurate, or there is no memory for it.
    Failed,
}

/// Solves with factors, in place.
trait Factors: Send + Sync {
    fn solve(&self, b: &mut [f64]);
}

/// Numbers that factors are made of.
trait Number: ComplexField + Copy + Send + Sync + 'static {
    /// How many real numbers one is.
    const PARTS: usize;
    fn read(parts: &[f64]) -> Self;
    fn write(self, parts: &mut [f64]);
    fn is_real() -> bool {
        Self::PARTS == 1
    }
}
impl Number for f64 {
    const PARTS: usize = 1;
    fn read(parts: &[f64]) -> Self {
        parts[0]
    }
    fn write(self, parts: &mut [f64]) {
        parts[0] = self;
    }
}
impl Number for c64 {
    const PARTS: usize = 2;
    fn read(parts: &[f64]) -> Self {
        Self::new(parts[0], parts[1])
    }
    fn write(self, parts: &mut [f64]) {
        (parts[0], parts[1]) = (self.re, self.im);
    }
}

fn column<T: Number>(b: &[f64]) -> Mat<T> {
    Mat::from_fn(b.len() / T::PARTS, 1, |i, _| T::read(&b[i * T::PARTS..(i + 1) * T::PARTS]))
}

fn put<T: Number>(x: &Mat<T>, b: &mut [f64]) {
    b.chunks_exact_mut(T::PARTS).enumerate().for_each(|(i, b)| x[(i, 0)].write(b));
}

struct Cholesky<T> {
    symbolic: Arc<SymbolicCholesky<usize>>,
    values: Vec<T>,
    /// The second diagonal of B and the order within supernodes, of LBLᵀ.
    indefinite: Option<(Vec<T>, Vec<usize>, Vec<usize>)>,
}

impl<T: Number> Factors for Cholesky<T> {
    fn solve(&self, b: &mut [f64]) {
        let mut x = column::<T>(b);
        let mut memory = MemBuffer::new(self.symbolic.solve_in_place_scratch::<T>(1, Par::Seq));
        let stack = MemStack::new(&mut memory);
        match &self.indefinite {
            None => LltRef::<'_, usize, T>::new(&self.symbolic, &self.values).solve_in_place_with_conj(
                Conj::No,
                x.as_mut(),
                Par::Seq,
                stack,
            ),
            Some((below, order, place)) => {
                let order = PermRef::new_checked(order, place, order.len());
                IntranodeLbltRef::<'_, usize, T>::new(&self.symbolic, &self.values, below, order)
                    .solve_in_place_with_conj(Conj::No, x.as_mut(), Par::Seq, stack);
            }
        }
        put(&x, b);
    }
}

struct Pivoted<T>(Lu<usize, T>);

impl<T: Number> Factors for Pivoted<T> {
    fn solve(&self, b: &mut [f64]) {
        let mut x = column::<T>(b);
        self.0.solve_in_place(x.as_mut());
        put(&x, b);
    }
}

/// The columns of C, real or of its real form.
fn columns<T: Number>(c: &Csr) -> Option<SparseColMat<usize, T>> {
    // The rows of Cᵀ are the columns of C.
    let (n, entries, values): (usize, Csr, Vec<T>) = if T::is_real() {
        let t = c.transpose();
        let values = t.values().iter().map(|v| T::read(&[*v])).collect();
        (c.rows(), t, values)
    } else {
        let (re, im) = parts(c).ok()?;
        let rows = complex::merged_rows(&re.transpose(), &im.transpose()).ok()?;
        let mut row_ptr = vec![0];
        let (mut indices, mut values) = (vec![], vec![]);
        for row in rows {
            for (j, re, im) in row {
                indices.push(j);
                values.push(T::read(&[re, im]));
            }
            row_ptr.push(indices.len());
        }
        let n = re.rows();
        let ones = vec![1.0; indices.len()];
        (n, Csr::new(n, n, row_ptr, indices, ones).ok()?, values)
    };
    let rows = entries.columns().iter().map(|&j| j as usize).collect();
    let pattern = SymbolicSparseColMat::new_checked(n, n, entries.row_ptr().to_vec(), None, rows);
    Some(SparseColMat::new(pattern, values))
}

fn symbolic<T: Number>(c: &SparseColMat<usize, T>) -> Option<SymbolicCholesky<usize>> {
    faer::sparse::linalg::cholesky::factorize_symbolic_cholesky(
        c.symbolic(),
        Side::Upper,
        SymmetricOrdering::Amd,
        Default::default(),
    )
    .ok()
}

fn reserve<T: Number>(n: usize) -> Option<Vec<T>> {
    let mut values = vec![];
    values.try_reserve_exact(n).ok()?;
    values.resize(n, T::read(&[0.0, 0.0]));
    Some(values)
}

/// L Lᵀ; `None` where C is not positive definite.
fn cholesky<T: Number>(c: &SparseColMat<usize, T>, symbolic: Arc<SymbolicCholesky<usize>>) -> Option<Cholesky<T>> {
    let mut values = reserve::<T>(symbolic.len_val())?;
    let need = symbolic.factorize_numeric_llt_scratch::<T>(Par::Seq, Default::default());
    let mut memory = MemBuffer::try_new(need).ok()?;
    symbolic
        .factorize_numeric_llt::<T>(
            &mut values,
            c.as_ref(),
            Side::Upper,
            Default::default(),
            Par::Seq,
            MemStack::new(&mut memory),
            Default::default(),
        )
        .ok()?;
    Some(Cholesky { symbolic, values, indefinite: None })
}

/// L B Lᵀ with pivots from within supernodes.
fn indefinite<T: Number>(c: &SparseColMat<usize, T>, symbolic: Arc<SymbolicCholesky<usize>>) -> Option<Cholesky<T>> {
    let n = c.nrows();
    let mut values = reserve::<T>(symbolic.len_val())?;
    let mut below = reserve::<T>(n)?;
    let (mut order, mut place): (Vec<usize>, Vec<usize>) = ((0..n).collect(), (0..n).collect());
    let need = symbolic.factorize_numeric_intranode_lblt_scratch::<T>(Par::Seq, Default::default());
    let mut memory = MemBuffer::try_new(need).ok()?;
    symbolic.factorize_numeric_intranode_lblt::<T>(
        &mut values,
        &mut below,
        &mut order,
        &mut place,
        c.as_ref(),
        Side::Upper,
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    );
    Some(Cholesky { symbolic, values, indefinite: Some((below, order, place)) })
}

/// What complete factors of a matrix with this pattern take, by an order of minimum degree.
pub(crate) fn cost(c: &Csr) -> Cost {
    let counted = crate::matrix::order::minimum_degree::order(c, &Halt::default()).expect("nothing halts it").1;
    Cost { entries: counted.entries.max(c.nnz() as f64), operations: counted.multiplications }
}

impl Direct {
    /// The factors of C, `complex` where it is a real form. `symmetric`: C = Cᵀ; `definite`: by Cholesky or not at all.
    pub(crate) fn new(c: &Csr, symmetric: bool, definite: bool, complex: bool) -> Result<Self, Refused> {
        let largest = c.values().iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            return Err(Refused::Singular);
        }
        let e = exponent(largest);
        let scales = scales(c, e, symmetric, &Halt::default()).expect("nothing halts it");
        let rows: Vec<u32> = (0..c.rows() as u32).collect();
        let scaled = c.rebuilt(&rows, &rows, |i, j, v| ldexp(v, scales.rows[i] + scales.columns[j] - e));
        if complex {
            Self::factor::<c64>(scaled, scales, e, symmetric, definite)
        } else {
            Self::factor::<f64>(scaled, scales, e, symmetric, definite)
        }
    }

    fn factor<T: Number>(
        c: Csr,
        scales: Scales,
        exponent: i32,
        symmetric: bool,
        definite: bool,
    ) -> Result<Self, Refused> {
        let columns = columns::<T>(&c).ok_or(Refused::Failed)?;
        let norm = crate::analyse::certify::Norms::of(&c);
        let mut direct = Self {
            norm: ldexp(norm.scaled_norm, norm.exponent),
            c,
            scales,
            exponent,
            factors: Box::new(Nothing),
            name: "",
            condition: 0.0,
        };
        if symmetric {
            let symbolic = Arc::new(symbolic(&columns).ok_or(Refused::Failed)?);
            let positive = direct.c.diagonal().iter().all(|&d| d > 0.0);
            if let Some(factors) = positive.then(|| cholesky(&columns, Arc::clone(&symbolic))).flatten() {
                direct.take(Box::new(factors), "Cholesky", BACKWARD_ERROR)?;
                return Ok(direct);
            }
            if definite {
                return Err(Refused::Indefinite);
            }
            if T::is_real()
                && let Some(factors) = indefinite(&columns, symbolic)
            {
                // Pivots from within supernodes can be too small however well conditioned C is: then LU tells.
                if direct.take(Box::new(factors), "LDL'", REFINED).is_ok() {
                    return Ok(direct);
                }
            }
        }
        let factors = columns.sp_lu().map_err(|_| Refused::Singular)?;
        direct.take(Box::new(Pivoted(factors)), "LU", BACKWARD_ERROR)?;
        Ok(direct)
    }

    /// Keeps factors that solve up to `most`, and estimates the condition by two steps of inverse iteration.
    fn take(&mut self, factors: Box<dyn Factors>, name: &'static str, most: f64) -> Result<(), Refused> {
        (self.factors, self.name) = (factors, name);
        let mut v = Random::new(0xd1).vector(self.c.rows());
        self.condition = 0.0;
        for _ in 0..3 {
            let size = norm2(&v);
            v.iter_mut().for_each(|v| *v /= size);
            let (x, error) = self.solve_scaled(&v).ok_or(Refused::Singular)?;
            self.condition = self.condition.max(self.norm * norm2(&x));
            if error.is_nan() || error > most {
                return Err(if self.condition < SINGULAR { Refused::Failed } else { Refused::Singular });
            }
            v = x;
        }
        if self.condition < SINGULAR { Ok(()) } else { Err(Refused::Singular) }
    }

    /// x with C x = b in scaled units and its backward error, after steps of refinement where they help; `None` where x
    /// is not finite.
    fn solve_scaled(&self, b: &[f64]) -> Option<(Vec<f64>, f64)> {
        let mut x = b.to_vec();
        self.factors.solve(&mut x);
        let whole = norm2(b);
        let mut error = f64::INFINITY;
        for _ in 0..3 {
            if !x.iter().all(|x| x.is_finite()) {
                return None;
            }
            let mut r: Vec<f64> = self.c.multiply(&x).iter().zip(b).map(|(p, b)| b - p).collect();
            let now = norm2(&r) / (self.norm * norm2(&x) + whole);
            if now <= REFINED || now.is_nan() || now >= 0.5 * error {
                return Some((x, now.min(error)));
            }
            error = now;
            self.factors.solve(&mut r);
            x.iter_mut().zip(r).for_each(|(x, r)| *x += r);
        }
        Some((x, error))
    }

    /// x with C x = b and its backward error; `None` where x is not finite.
    pub(crate) fn solve(&self, b: &[f64]) -> Option<(Vec<f64>, f64)> {
        if b.iter().all(|&b| b == 0.0) {
            return Some((vec![0.0; b.len()], 0.0));
        }
        let b: Vec<f64> = b.iter().zip(&self.scales.rows).map(|(b, e)| ldexp(*b, *e)).collect();
        let (mut x, error) = self.solve_scaled(&b)?;
        x.iter_mut().zip(&self.scales.columns).for_each(|(x, e)| *x = ldexp(*x, e - self.exponent));
        x.iter().all(|x| x.is_finite()).then_some((x, error))
    }
}

/// In place of factors that are still to come.
struct Nothing;

impl Factors for Nothing {
    fn solve(&self, _b: &mut [f64]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::complex::real_form;
    use crate::matrix::gallery;

    #[test]
    fn every_kind_solves() {
        let poisson = gallery::poisson2d(15);
        let shifted = poisson.rebuilt(&(0..225).collect::<Vec<_>>(), &(0..225).collect::<Vec<_>>(), |i, j, v| {
            if i == j { v - 2.3 } else { v }
        });
        let general = gallery::convection_diffusion2d(12, [1.5, 0.3]);
        let complex = real_form(&general, &gallery::random_general(144, 4, 3)).unwrap();
        for (a, symmetric, complex, name) in [
            (&poisson, true, false, "Cholesky"),
            (&shifted, true, false, "LDL'"),
            (&shifted, false, false, "LU"),
            (&general, false, false, "LU"),
            (&complex, false, true, "LU"),
        ] {
            let direct = Direct::new(a, symmetric, false, complex).map_err(|e| format!("{name}: {e:?}")).unwrap();
            assert_eq!(direct.name, name);
            let x = Random::new(7).vector(a.rows());
            let (y, error) = direct.solve(&a.multiply(&x)).unwrap();
            let worst = x.iter().zip(&y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-9 && error < 1e-14, "{name}: {worst:e} {error:e}");
        }
        assert_eq!(Direct::new(&shifted, true, true, false).err(), Some(Refused::Indefinite));
    }

    #[test]
    fn singular_matrices_are_told() {
        let neumann = gallery::cycle_laplacian(50);
        assert_eq!(Direct::new(&neumann, true, false, false).err(), Some(Refused::Singular));
        assert_eq!(Direct::new(&neumann, false, false, false).err(), Some(Refused::Singular));
        // A row of zeros, and units that differ by 1e300.
        let empty = Csr::new(3, 3, vec![0, 1, 1, 2], vec![0, 2], vec![1.0, 2.0]).unwrap();
        assert!(Direct::new(&empty, false, false, false).is_err());
        let units = gallery::diagonal(&[1e-150, 1.0, 1e150]);
        assert!(Direct::new(&units, true, true, false).is_ok_and(|d| d.condition < 10.0));
    }
}
