//! Matrices given by their product instead of their entries (matrix-free), and the type that stands for either.
//!
//! An operator computes rows of A x in f64 on the host, or all of A x if it can't be split; this certifies an answer,
//! and the CPU iterates with it. With an equivalent WGSL function for one row it runs on a GPU as well, inside the
//! same fused sweeps as a stored matrix.

use super::{Csr, Parted};
use crate::error::{Error, Result};
use crate::host::whole::{Alone, Whole};
use rayon::prelude::*;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Fewest rows that one thread computes at once.
const GRAIN: usize = 1024;

/// What the user states about an operator. It is checked by a few products with fixed vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Structure {
    /// Nothing.
    #[default]
    General,
    /// A = Aᵀ.
    Symmetric,
    /// A = Aᵀ and xᵀAx > 0 for x ≠ 0.
    Definite,
}

/// A row of A x in WGSL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowShader {
    /// Declares `fn row_product(i: u32) -> number`, and what it calls. `number` is f32 or f64 as the solver
    /// chooses; `x_at(j: u32)` is x_j, `data_at(k: u32)` is `data[k]`. Always compiled with bounds checks.
    pub text: String,
    /// Coefficients that the text reads through `data_at`.
    pub data: Vec<f64>,
}

/// A linear map y = A x.
pub trait LinearOperator: Send + Sync {
    /// Length of y.
    fn rows(&self) -> usize;

    /// Length of x.
    fn cols(&self) -> usize;

    /// y = (A x)_`rows`: x is complete, y has one entry for each of `rows`. Called from several threads. The same
    /// row must give the same bits each time, whatever rows it is requested with.
    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]);

    /// Aᵀ, for methods that multiply by it.
    fn transpose(&self) -> Option<Arc<dyn LinearOperator>> {
        None
    }

    /// a_ii for all i, for preconditioners and for the plan.
    fn diagonal(&self) -> Option<Vec<f64>> {
        None
    }

    /// What is known about A.
    fn structure(&self) -> Structure {
        Structure::General
    }

    /// The product on a GPU.
    fn shader(&self) -> Option<RowShader> {
        None
    }

    /// Bytes that one product reads besides x, for the memory-traffic model.
    fn bytes(&self) -> u64 {
        0
    }

    /// True if the product can't be split into rows, such as a call into another language: [`LinearOperator::product`]
    /// is then called for all rows, by one thread.
    fn is_whole(&self) -> bool {
        false
    }

    /// False if products are too expensive to probe A. Then the stated structure is trusted without
    /// a test, and ‖A‖ stays unknown: backward errors are computed as if it were 0.
    fn may_be_probed(&self) -> bool {
        true
    }
}

/// Builder methods for what the user states about an operator, for [`RowFunction`] and [`VectorFunction`].
macro_rules! stated_properties {
    () => {
        /// States that A = Aᵀ.
        #[must_use]
        pub fn symmetric(self) -> Self {
            Self { structure: Structure::Symmetric, ..self }
        }

        /// States that A is symmetric positive definite.
        #[must_use]
        pub fn definite(self) -> Self {
            Self { structure: Structure::Definite, ..self }
        }

        /// Supplies the diagonal.
        #[must_use]
        pub fn with_diagonal(self, diagonal: Vec<f64>) -> Self {
            Self { diagonal: Some(diagonal), ..self }
        }
    };
}

/// An operator defined by a function for one entry of A x.
///
/// ```
/// use krylane::matrix::{Matrix, RowFunction};
/// let n = 100;
/// let at = |x: &[f64], i: usize| x.get(i).copied().unwrap_or(0.0);
/// let a = RowFunction::new(n, n, move |i, x| 2.0 * x[i] - at(x, i + 1) - at(x, i.wrapping_sub(1))).definite();
/// let report = krylane::solve(&Matrix::free(a), &vec![1.0; n])?;
/// assert!(report.reason.is_converged());
/// # Ok::<(), krylane::Error>(())
/// ```
pub struct RowFunction<F> {
    rows: usize,
    cols: usize,
    f: F,
    structure: Structure,
    diagonal: Option<Vec<f64>>,
    shader: Option<RowShader>,
}

impl<F: Fn(usize, &[f64]) -> f64 + Send + Sync> RowFunction<F> {
    /// `f(i, x)` is row i of A x.
    pub fn new(rows: usize, cols: usize, f: F) -> Self {
        Self { rows, cols, f, structure: Structure::General, diagonal: None, shader: None }
    }

    stated_properties!();

    /// Supplies the equivalent function for GPUs.
    #[must_use]
    pub fn with_shader(self, shader: RowShader) -> Self {
        Self { shader: Some(shader), ..self }
    }
}

impl<F: Fn(usize, &[f64]) -> f64 + Send + Sync> LinearOperator for RowFunction<F> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn cols(&self) -> usize {
        self.cols
    }
    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        y.iter_mut().zip(rows).for_each(|(y, i)| *y = (self.f)(i, x));
    }
    fn diagonal(&self) -> Option<Vec<f64>> {
        self.diagonal.clone()
    }
    fn structure(&self) -> Structure {
        self.structure
    }
    fn shader(&self) -> Option<RowShader> {
        self.shader.clone()
    }
}

/// An operator defined by a function for all of y = A x, such as a loop over elements or a transform. Runs on
/// the CPU.
///
/// ```
/// use krylane::matrix::{Matrix, VectorFunction};
/// // Springs between neighbours, element by element.
/// let n = 100;
/// let a = VectorFunction::new(n, n, move |x, y| {
///     y.fill(0.0);
///     (0..=n).for_each(|e| {
///         let (left, right) = (e.checked_sub(1), (e < n).then_some(e));
///         let force = right.map_or(0.0, |i| x[i]) - left.map_or(0.0, |i| x[i]);
///         left.into_iter().for_each(|i| y[i] -= force);
///         right.into_iter().for_each(|i| y[i] += force);
///     });
/// });
/// let report = krylane::solve(&Matrix::free(a.definite()), &vec![1.0; n])?;
/// assert!(report.reason.is_converged());
/// # Ok::<(), krylane::Error>(())
/// ```
pub struct VectorFunction<F> {
    rows: usize,
    cols: usize,
    f: F,
    transpose: Option<Arc<dyn LinearOperator>>,
    structure: Structure,
    diagonal: Option<Vec<f64>>,
}

impl<F: Fn(&[f64], &mut [f64]) + Send + Sync> VectorFunction<F> {
    /// `f(x, y)` writes all of y = A x. The same x must give the same bits each time.
    pub fn new(rows: usize, cols: usize, f: F) -> Self {
        Self { rows, cols, f, transpose: None, structure: Structure::General, diagonal: None }
    }

    stated_properties!();

    /// Supplies the transpose, y = Aᵀ x, for least-squares methods.
    #[must_use]
    pub fn with_transpose(self, f: impl Fn(&[f64], &mut [f64]) + Send + Sync + 'static) -> Self {
        let transpose: Arc<dyn LinearOperator> = Arc::new(VectorFunction::new(self.cols, self.rows, f));
        Self { transpose: Some(transpose), ..self }
    }
}

impl<F: Fn(&[f64], &mut [f64]) + Send + Sync> LinearOperator for VectorFunction<F> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn cols(&self) -> usize {
        self.cols
    }
    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        if rows == (0..self.rows) {
            return (self.f)(x, y);
        }
        let mut all = vec![0.0; self.rows];
        (self.f)(x, &mut all);
        y.copy_from_slice(&all[rows]);
    }
    fn is_whole(&self) -> bool {
        true
    }
    fn transpose(&self) -> Option<Arc<dyn LinearOperator>> {
        self.transpose.clone()
    }
    fn diagonal(&self) -> Option<Vec<f64>> {
        self.diagonal.clone()
    }
    fn structure(&self) -> Structure {
        self.structure
    }
}

/// A matrix as solvers accept it: stored entries, or an operator. Cheap to clone.
#[derive(Clone)]
pub enum Matrix {
    /// Stored entries.
    Stored(Arc<Csr>),
    /// An operator.
    Free(Arc<dyn LinearOperator>),
    /// Rows of a matrix that several ranks share.
    Parted(Parted),
}

impl Matrix {
    /// An operator as a matrix.
    pub fn free(a: impl LinearOperator + 'static) -> Self {
        Self::Free(Arc::new(a))
    }

    /// How many rows; of those that ranks share, this rank's.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Stored(a) => a.rows(),
            Self::Free(a) => a.rows(),
            Self::Parted(a) => a.local.matrix.rows(),
        }
    }

    /// How many columns; of those that ranks share, this rank's: as many as it has rows.
    #[must_use]
    pub fn cols(&self) -> usize {
        match self {
            Self::Stored(a) => a.cols(),
            Self::Free(a) => a.cols(),
            Self::Parted(a) => a.own(),
        }
    }

    /// How many rows all ranks have.
    pub(crate) fn all_rows(&self) -> usize {
        self.parted().map_or_else(|| self.rows(), |a| a.cuts.len())
    }

    /// How many columns the whole of it has.
    pub(crate) fn all_cols(&self) -> usize {
        self.parted().map_or_else(|| self.cols(), |a| a.cuts.len())
    }

    /// What ranks hold of it, where they share it.
    pub(crate) fn parted(&self) -> Option<&Parted> {
        if let Self::Parted(a) = self { Some(a) } else { None }
    }

    /// The least of the rows that ranks have found, the same on all of them.
    pub(crate) fn agreed(&self, row: Option<usize>) -> Option<usize> {
        self.parted().map_or(row, |a| a.least(row))
    }

    /// Refuses rows that ranks share, for what needs all of them.
    pub(crate) fn of_one_process(&self, what: &str) -> Result<()> {
        if self.parted().is_some() { Err(all_rows_needed(what)) } else { Ok(()) }
    }

    /// How norms of its rows' vectors are found.
    pub(crate) fn whole(&self) -> &dyn Whole {
        match self {
            Self::Parted(a) => a,
            _ => &Alone,
        }
    }

    /// Tells vectors cut between ranks like its rows from others of their length; 0 where none are cut.
    pub(crate) fn layout(&self) -> u32 {
        self.parted().map_or(0, |a| a.layout)
    }

    /// True if there are as many rows as columns.
    #[must_use]
    pub fn is_square(&self) -> bool {
        self.rows() == self.cols()
    }

    /// The stored entries, if there are any.
    #[must_use]
    pub fn entries(&self) -> Option<&Arc<Csr>> {
        match self {
            Self::Stored(a) => Some(a),
            _ => None,
        }
    }

    /// The stored rows: all of them, or this rank's, whose columns are places among those that it meets.
    pub(crate) fn stored_rows(&self) -> Option<&Arc<Csr>> {
        match self {
            Self::Stored(a) => Some(a),
            Self::Parted(a) => Some(&a.local.matrix),
            Self::Free(_) => None,
        }
    }

    /// The diagonal, if known; 0 where a stored matrix has no entry.
    #[must_use]
    pub fn diagonal(&self) -> Option<Vec<f64>> {
        match self {
            Self::Stored(a) => Some(a.diagonal()),
            Self::Free(a) => a.diagonal(),
            Self::Parted(a) => Some(a.diagonal()),
        }
    }

    /// y = A x in f64.
    #[must_use]
    pub fn multiply(&self, x: &[f64]) -> Vec<f64> {
        match self {
            Self::Stored(a) => a.multiply(x),
            Self::Free(a) => multiply(&**a, x),
            Self::Parted(a) => a.local.matrix.multiply(&a.seen(x)),
        }
    }

    /// Aᵀ: A itself if both are equal, so that a device stores it once; `None` for an operator without a transpose.
    pub(crate) fn transposed(&self) -> Option<Self> {
        match self {
            Self::Stored(a) => {
                let t = a.transpose();
                Some(if t == **a { self.clone() } else { t.into() })
            }
            Self::Free(a) => a.transpose().map(Self::Free),
            Self::Parted(_) => None,
        }
    }

    /// True if both are the same object.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stored(a), Self::Stored(b)) => Arc::ptr_eq(a, b),
            (Self::Free(a), Self::Free(b)) => Arc::ptr_eq(a, b),
            (Self::Parted(a), Self::Parted(b)) => a.is(b),
            _ => false,
        }
    }

    /// Bytes of entries and row starts in plain CSR with values of `value` bytes, of all ranks; for an operator, its own
    /// `bytes`.
    pub(crate) fn plain_bytes(&self, value: usize) -> u64 {
        let plain = |entries: u64, rows: usize| (value as u64 + 4) * entries + 4 * (rows as u64 + 1);
        match self {
            Self::Stored(a) => plain(a.nnz() as u64, a.rows()),
            Self::Free(a) => a.bytes(),
            Self::Parted(a) => plain(a.entries, a.cuts.len()),
        }
    }

    /// Those of what is held here: all of it, or this rank's rows.
    pub(crate) fn held_bytes(&self, value: usize) -> u64 {
        match self {
            Self::Parted(a) => Self::Stored(Arc::clone(&a.local.matrix)).plain_bytes(value),
            _ => self.plain_bytes(value),
        }
    }

    /// Numbers that one product processes: the size by which a device is chosen.
    pub(crate) fn work(&self) -> usize {
        match self {
            Self::Stored(a) => a.nnz(),
            Self::Free(a) => a.rows().max(a.bytes() as usize / size_of::<f64>()),
            Self::Parted(a) => a.entries as usize,
        }
    }

    /// Checks that the shapes of an operator, its transpose and its diagonal agree.
    pub(crate) fn check(&self) -> Result<()> {
        let Self::Free(a) = self else { return Ok(()) };
        if a.rows().max(a.cols()) > u32::MAX as usize {
            return Err(Error::input(format!("{} x {} is beyond 2^32 - 1 rows or columns", a.rows(), a.cols())));
        }
        if let Some(d) = a.diagonal()
            && d.len() != a.rows().min(a.cols())
        {
            return Err(Error::input(format!(
                "the operator is {} x {}, its diagonal has {} entries",
                a.rows(),
                a.cols(),
                d.len()
            )));
        }
        if let Some(t) = a.transpose()
            && (t.rows(), t.cols()) != (a.cols(), a.rows())
        {
            return Err(Error::input(format!(
                "the operator is {} x {}, its transpose {} x {}",
                a.rows(),
                a.cols(),
                t.rows(),
                t.cols()
            )));
        }
        Ok(())
    }
}

/// What is said where a rank has its rows only.
pub(crate) fn all_rows_needed(what: &str) -> Error {
    Error::input(format!("{what} must have all of the matrix on each rank; gather it by `Ranks::gather_rows`"))
}

/// y = A x, blocks of rows in parallel if the product can be split.
pub(crate) fn multiply(a: &dyn LinearOperator, x: &[f64]) -> Vec<f64> {
    assert_eq!(x.len(), a.cols(), "A x: x has {} entries, A has {} columns", x.len(), a.cols());
    let mut y = vec![0.0; a.rows()];
    if a.is_whole() {
        a.product(0..a.rows(), x, &mut y);
        return y;
    }
    y.par_chunks_mut(GRAIN).enumerate().for_each(|(c, y)| a.product(c * GRAIN..c * GRAIN + y.len(), x, y));
    y
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(a) => f.debug_tuple("Stored").field(a).finish(),
            Self::Free(a) => write!(f, "Free({} x {})", a.rows(), a.cols()),
            Self::Parted(a) => f.debug_tuple("Parted").field(a).finish(),
        }
    }
}

impl From<Arc<Csr>> for Matrix {
    fn from(a: Arc<Csr>) -> Self {
        Self::Stored(a)
    }
}

impl From<&Arc<Csr>> for Matrix {
    fn from(a: &Arc<Csr>) -> Self {
        Self::Stored(Arc::clone(a))
    }
}

impl From<Csr> for Matrix {
    fn from(a: Csr) -> Self {
        Self::Stored(Arc::new(a))
    }
}

impl From<Arc<dyn LinearOperator>> for Matrix {
    fn from(a: Arc<dyn LinearOperator>) -> Self {
        Self::Free(a)
    }
}
