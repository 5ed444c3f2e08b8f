//! Types that a matrix can be made from.
//!
//! | given | copied |
//! |---|---|
//! | [`Csr`], `Arc<Csr>`, [`Matrix`] | nothing: arrays are shared |
//! | `sprs` CSR and CSC matrices and triplets, owned or views, any integers, f64 or f32 | once, into CSR in f64 |
//! | `faer` sparse matrices, with the feature `faer-sparse` | once |
//! | `nalgebra_sparse` CSR, CSC and COO matrices, with the feature `nalgebra-sparse` | once |
//!
//! Arrays of any other library go through [`Csr::from_csr`], [`Csr::from_csc`] and [`Csr::from_triplets`]. Besides
//! these arrays, a solver stores the matrix in its device's form, in each number type that it iterates in.

use super::{Csr, Matrix};
use crate::error::Result;
use sprs::SpIndex;
use std::ops::Deref;
use std::sync::Arc;

/// Types that a matrix can be made from: stored entries.
pub trait ToCsr {
    /// The checked matrix.
    ///
    /// # Errors
    /// Those of [`Csr::new`].
    fn to_csr(&self) -> Result<Arc<Csr>>;
}

/// Types that a solver accepts: all that implement [`ToCsr`], and operators wrapped by [`Matrix::free`].
pub trait ToMatrix {
    /// The checked matrix.
    ///
    /// # Errors
    /// Those of [`Csr::new`]; an operator whose shapes contradict each other.
    fn to_matrix(&self) -> Result<Matrix>;
}

impl ToMatrix for Matrix {
    fn to_matrix(&self) -> Result<Matrix> {
        self.check()?;
        Ok(self.clone())
    }
}

/// Implements both traits for a type, by an expression for its CSR form.
macro_rules! made_of {
    ($([$($generics:tt)*] $kind:ty, |$a:ident| $csr:expr;)+) => {
        $(
            impl<$($generics)*> ToCsr for $kind {
                fn to_csr(&self) -> Result<Arc<Csr>> {
                    let $a = self;
                    $csr
                }
            }
            impl<$($generics)*> ToMatrix for $kind {
                fn to_matrix(&self) -> Result<Matrix> {
                    ToCsr::to_csr(self).map(Matrix::Stored)
                }
            }
        )+
    };
}

made_of! {
    [] Csr, |a| Ok(Arc::new(a.clone()));
    [] Arc<Csr>, |a| Ok(Self::clone(a));
    [
        V: Copy + Into<f64>, I: SpIndex, P: SpIndex,
        Starts: Deref<Target = [P]>, Indices: Deref<Target = [I]>, Values: Deref<Target = [V]>
    ] sprs::CsMatBase<V, I, Starts, Indices, Values, P>, |a| {
        let starts: Vec<usize> = a.indptr().raw_storage().iter().map(|p| p.index()).collect();
        // The row starts of a view of a larger matrix need not begin at 0.
        let first = starts.first().copied().unwrap_or(0);
        let starts: Vec<usize> = starts.iter().map(|p| p - first).collect();
        let indices: Vec<usize> = a.indices().iter().map(|i| i.index()).collect();
        let make = if a.is_csr() { Csr::from_csr } else { Csr::from_csc };
        make(a.rows(), a.cols(), &starts, &indices, a.data()).map(Arc::new)
    };
    [
        V: Copy + Into<f64>, I: SpIndex, Indices: Deref<Target = [I]>, Values: Deref<Target = [V]>
    ] sprs::TriMatBase<Indices, Values>, |a| {
        let places = a.row_inds().iter().zip(a.col_inds());
        let entries = places.zip(a.data()).map(|((i, j), &v)| (i.index(), j.index(), v));
        Csr::from_triplets(a.rows(), a.cols(), entries).map(Arc::new)
    };
}

#[cfg(feature = "faer-sparse")]
made_of! {
    [I: faer::Index, V: Copy + Into<f64>] faer::sparse::SparseColMat<I, V>, |a| {
        let (rows, cols) = (a.nrows(), a.ncols());
        let s = a.symbolic();
        let entries = (0..cols).flat_map(|j| s.col_range(j).map(move |k| (s.row_idx()[k].zx(), j, a.val()[k])));
        Csr::from_triplets(rows, cols, entries).map(Arc::new)
    };
    [I: faer::Index, V: Copy + Into<f64>] faer::sparse::SparseRowMat<I, V>, |a| {
        let (rows, cols) = (a.nrows(), a.ncols());
        let s = a.symbolic();
        let entries = (0..rows).flat_map(|i| s.row_range(i).map(move |k| (i, s.col_idx()[k].zx(), a.val()[k])));
        Csr::from_triplets(rows, cols, entries).map(Arc::new)
    };
}

#[cfg(feature = "nalgebra-sparse")]
made_of! {
    [V: Copy + Into<f64>] nalgebra_sparse::CsrMatrix<V>, |a| {
        Csr::from_csr(a.nrows(), a.ncols(), a.row_offsets(), a.col_indices(), a.values()).map(Arc::new)
    };
    [V: Copy + Into<f64>] nalgebra_sparse::CscMatrix<V>, |a| {
        Csr::from_csc(a.nrows(), a.ncols(), a.col_offsets(), a.row_indices(), a.values()).map(Arc::new)
    };
    [V: Copy + Into<f64>] nalgebra_sparse::CooMatrix<V>, |a| {
        Csr::from_triplets(a.nrows(), a.ncols(), a.triplet_iter().map(|(i, j, &v)| (i, j, v))).map(Arc::new)
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn all_kinds_are_one_matrix() {
        let a = gallery::convection_diffusion2d(5, [0.5, 0.25]);
        let same = |other: &dyn ToCsr| assert_eq!(*other.to_csr().unwrap(), a);
        let csr = a.to_sprs();
        let csc = csr.to_csc();
        same(&a);
        same(&csr);
        same(&csc);
        same(&csc.view());
        // Narrow integers and f32 values; all values are exact in f32.
        let narrow: sprs::CsMatI<f64, u32> = csc.to_other_types();
        same(&narrow.map(|&v| v as f32));
        let part = csr.slice_outer(5..15);
        let expected = Csr::from_triplets(10, 25, part.iter().map(|(&v, (i, j))| (i, j, v))).unwrap();
        assert_eq!(*ToCsr::to_csr(&part).unwrap(), expected);
        let mut t = sprs::TriMat::new((25, 25));
        csr.iter().for_each(|(&v, (i, j))| {
            t.add_triplet(i, j, 0.25 * v);
            t.add_triplet(i, j, 0.75 * v);
        });
        same(&t);
        let columns: Vec<i32> = a.columns().iter().map(|&j| j as i32).collect();
        let starts: Vec<i64> = a.row_ptr().iter().map(|&p| p as i64).collect();
        same(&Csr::from_csr(25, 25, &starts, &columns, a.values()).unwrap());
        #[cfg(feature = "faer-sparse")]
        {
            let entries: Vec<_> = csr.iter().map(|(&v, (i, j))| faer::sparse::Triplet::new(i, j, v)).collect();
            same(&faer::sparse::SparseColMat::<usize, f64>::try_new_from_triplets(25, 25, &entries).unwrap());
            same(&faer::sparse::SparseRowMat::<usize, f64>::try_new_from_triplets(25, 25, &entries).unwrap());
        }
        #[cfg(feature = "nalgebra-sparse")]
        {
            let mut coo = nalgebra_sparse::CooMatrix::new(25, 25);
            csr.iter().for_each(|(&v, (i, j))| coo.push(i, j, v));
            same(&coo);
            same(&nalgebra_sparse::CsrMatrix::from(&coo));
            same(&nalgebra_sparse::CscMatrix::from(&coo));
        }
    }

    #[test]
    fn faults_are_named() {
        let fault = |a: Result<Csr>| a.unwrap_err().to_string();
        assert!(fault(Csr::from_csr(1, 1, &[0, 1], &[-1i32], &[1.0])).contains("index -1"));
        assert!(fault(Csr::from_csr(1, 1, &[0, 1], &[u64::MAX], &[1.0])).contains("there are 1 columns"));
        assert!(fault(Csr::from_csc(1, 1, &[0, 1], &[5u32], &[1.0])).contains("CSC"));
        assert!(fault(Csr::from_triplets(1, 1, [(0, 1, 1.0)])).contains("(0, 1)"));
        assert!(fault(Csr::from_triplets(1, 1, [(0, 0, 1e308), (0, 0, 1e308)])).contains("duplicates of entry (0, 0)"));
        assert!(
            fault(Csr::new(1, 1, vec![0, 2], vec![0, 0], vec![1e308, 1e308])).contains("duplicates of entry (0, 0)")
        );
    }

    #[test]
    fn a_solver_shares_the_arrays() {
        let a = gallery::poisson2d(5);
        let Matrix::Stored(shared) = a.to_matrix().unwrap() else { unreachable!("a stored matrix") };
        assert!(std::ptr::eq(a.values(), shared.values()) && std::ptr::eq(a.columns(), shared.columns()));
    }
}
