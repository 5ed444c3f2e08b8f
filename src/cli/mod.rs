//! The command line: what was typed ([`args`]), what it means ([`job`]), what is done, and how it ends
//! ([`exit`]).

mod args;
mod bench;
mod document;
mod eigs;
mod exit;
mod generate;
mod info;
mod inspect;
mod job;
mod json;
mod output;
mod progress;
mod signals;
mod solve;
mod source;
mod summary;

pub(crate) use args::Args;
pub(crate) use exit::exit_code;
pub(crate) use job::Job;
