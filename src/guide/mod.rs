//! The guide: what to call for what you have, and how to read what comes back.
//!
//! Each chapter is short and stands alone. Every command and every snippet in it is run by the tests.
//!
//! | you want to know | chapter |
//! |---|---|
//! | which method and preconditioner suit the matrix you have | [`choosing`] |
//! | how boundary conditions, null spaces and saddle points are treated | [`finite_elements`] |
//! | how to solve many systems that resemble each other | [`sequences`] |
//! | when a GPU pays, and how f64 answers come from f32 hardware | [`gpus`] |
//! | what the report says, and what to do about it | [`reports`] |
//! | what the things you know from SciPy, PETSc or AMGCL are called here | [`moving`] |

#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[doc = include_str!("finite_elements.md")]
pub mod finite_elements {}

#[doc = include_str!("sequences.md")]
pub mod sequences {}

#[doc = include_str!("gpus.md")]
pub mod gpus {}

#[doc = include_str!("reports.md")]
pub mod reports {}

#[doc = include_str!("moving.md")]
pub mod moving {}
