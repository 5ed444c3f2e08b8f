//! A solve from the front door to the certificate: the solver, its sessions, the one loop over iterations.

mod awaited;
mod build;
mod builder;
mod derived;
pub(crate) mod drive;
mod failover;
mod forms;
mod iterate;
mod many;
pub(crate) mod problem;
mod race;
pub(crate) mod refine;
mod singular;
mod solver;
mod system;
mod update;

pub use awaited::{MaybeSend, Turn};
pub use builder::Builder;
pub use drive::Event;
pub use forms::StoredForm;
pub(crate) use solver::open_engine;
pub use solver::{Solver, solve};
