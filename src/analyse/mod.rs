//! What is found out from a matrix before a solve, and what is proved about an answer after it.

pub(crate) mod certify;
pub(crate) mod direct;
pub(crate) mod facts;
pub(crate) mod probe;
pub(crate) mod range;
pub(crate) mod rows;
mod shared;
