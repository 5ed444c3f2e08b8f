//! Small dense problems, on the host in f64.

pub(crate) mod eigen;
pub(crate) mod elimination;
pub(crate) mod givens;
pub(crate) mod inverse;
pub(crate) mod orthonormal;
pub(crate) mod schur;
