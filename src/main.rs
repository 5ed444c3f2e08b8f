//! The program `krylane`: words to a job, a job to an outcome, an outcome to an exit code.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_mesa();
    let typed = cli::Args::parse();
    let outcome = cli::Job::new(typed).and_then(cli::Job::run);
    cli::exit_code(outcome)
}

/// Mesa's device-select layer writes `error:` to stderr where there is no XDG_RUNTIME_DIR, as on servers. It has
/// nothing to select for a program without a window.
fn quiet_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the first statement of the program, before any other thread exists.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
