//! The command line: arguments as typed (`args`), as interpreted (`job`), the commands, and the exit codes
//! (`exit`).

mod allocator;
mod args;
mod bench;
mod compare;
mod completion;
mod document;
mod eigs;
mod examples;
mod exit;
mod generate;
mod info;
mod inspect;
mod job;
mod json;
mod kernels;
mod manual;
mod options_file;
mod output;
mod progress;
mod ranks;
mod signals;
mod solve;
mod source;
mod summary;
mod values;

pub use allocator::{Counting, speak_at_the_end};

use clap::{CommandFactory, Parser};
use std::ffi::OsString;

/// Runs the program `krylane` with these words, the first of which is its name; returns the exit code. Prints.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    krylane::quiet_mesa();
    let words = options_file::expand(words.into_iter().collect(), &args::Args::command());
    let words = ranks::begin().and(words).map_err(anyhow::Error::from);
    let outcome = words.and_then(|words| {
        let typed = match args::Args::try_parse_from(words) {
            Ok(typed) => typed,
            // Of several ranks one prints.
            Err(e) if ranks::silent() => return Ok(exit::Exit::Usage(e.exit_code() as u8)),
            Err(e) => {
                let _ = e.print();
                return Ok(exit::Exit::Usage(e.exit_code() as u8));
            }
        };
        job::Job::new(typed).and_then(job::Job::run)
    });
    ranks::end(outcome)
}
