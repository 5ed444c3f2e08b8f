//! The program `krylane`: words to a job, a job to an outcome, an outcome to an exit code.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let typed = cli::Args::parse();
    let outcome = cli::Job::new(typed).and_then(cli::Job::run);
    cli::exit_code(outcome)
}
