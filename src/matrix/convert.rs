//! What a matrix can be made of.

use super::{Csr, Matrix};
use crate::error::Result;
use std::sync::Arc;

/// Things a matrix can be made of.
pub trait ToCsr {
    /// The checked matrix.
    ///
    /// # Errors
    /// What [`Csr::new`] says.
    fn to_csr(&self) -> Result<Arc<Csr>>;
}
impl ToCsr for Csr {
    fn to_csr(&self) -> Result<Arc<Csr>> {
        Ok(Arc::new(self.clone()))
    }
}
impl ToCsr for Arc<Csr> {
    fn to_csr(&self) -> Result<Arc<Csr>> {
        Ok(Self::clone(self))
    }
}
impl ToCsr for sprs::CsMat<f64> {
    fn to_csr(&self) -> Result<Arc<Csr>> {
        Csr::from_sprs(self).map(Arc::new)
    }
}

/// Things that can be solved with: all that [`ToCsr`] takes, and operators as [`Matrix::free`] wraps them.
pub trait ToMatrix {
    /// The checked matrix.
    ///
    /// # Errors
    /// What [`Csr::new`] says; an operator whose shapes contradict each other.
    fn to_matrix(&self) -> Result<Matrix>;
}
impl ToMatrix for Csr {
    fn to_matrix(&self) -> Result<Matrix> {
        self.to_csr().map(Matrix::Stored)
    }
}
impl ToMatrix for Arc<Csr> {
    fn to_matrix(&self) -> Result<Matrix> {
        self.to_csr().map(Matrix::Stored)
    }
}
impl ToMatrix for sprs::CsMat<f64> {
    fn to_matrix(&self) -> Result<Matrix> {
        ToCsr::to_csr(self).map(Matrix::Stored)
    }
}
impl ToMatrix for Matrix {
    fn to_matrix(&self) -> Result<Matrix> {
        self.check()?;
        Ok(self.clone())
    }
}
