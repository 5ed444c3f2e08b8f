//! The processes that build Krylov bases, shared by linear and eigenvalue methods.

pub(crate) mod arnoldi;
pub(crate) mod cycle;
pub(crate) mod decomposition;
pub(crate) mod delayed;
pub(crate) mod ritz;
