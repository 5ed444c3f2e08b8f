//! Runs that `mpirun` started several times: one of them talks, all solve together.

use super::args::{Command, SpectrumArgs};
use super::exit::{self, Exit};
use super::job::Job;
use krylane::ranks::Ranks;
use krylane::{Called, Error};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The ranks of this process, as the launcher started them.
static RANKS: Mutex<Option<Ranks>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<Ranks>> {
    RANKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ranks that share the work of this run; `None` where it is alone.
pub(super) fn current() -> Option<Ranks> {
    held().clone()
}

/// True for a rank that leaves words and files to the first one.
pub(super) fn silent() -> bool {
    held().as_ref().is_some_and(|ranks| ranks.rank() > 0)
}

/// Joins the other processes of the job, if there are any.
///
/// # Errors
/// A program that can't, which would solve the same system once on each rank.
pub(super) fn begin() -> krylane::Result<()> {
    let Some(size) = Ranks::launched().filter(|n| *n > 1) else { return Ok(()) };
    let ranks = join(size)?;
    *held() = Some(ranks);
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        // Others would wait for this rank.
        if let Some(ranks) = current() {
            ranks.abort(101);
        }
    }));
    Ok(())
}

#[cfg(feature = "mpi")]
fn join(_size: usize) -> krylane::Result<Ranks> {
    Ranks::mpi()
}

#[cfg(not(feature = "mpi"))]
fn join(size: usize) -> krylane::Result<Ranks> {
    if Ranks::launched_as().is_some_and(|rank| rank > 0) {
        std::process::exit(2);
    }
    Err(Error::input(format!(
        "a launcher started {size} processes, and this krylane was built without MPI: each would solve all of it. Build it \
         with `cargo install --path . --features mpi`, or start it without the launcher"
    )))
}

/// What `outcome` is on all ranks: where it is an error on some alone, all get that.
pub(super) fn together<T, E: Into<anyhow::Error>>(outcome: Result<T, E>) -> anyhow::Result<T> {
    let outcome = outcome.map_err(Into::into);
    let Some(ranks) = current() else { return outcome };
    let halted = outcome.as_ref().err().and_then(|e| match e.downcast_ref::<Error>() {
        Some(Error::Halted(called)) => Some(*called),
        _ => None,
    });
    // A signal to one rank is one to all.
    let code = halted.map_or(0.0, |called| if called == Called::Cancelled { 2.0 } else { 1.0 });
    let codes = ranks.gather_vector(&[code])?;
    let called = [(2.0, Called::Cancelled), (1.0, Called::TimeLimit)].into_iter().find(|c| codes.contains(&c.0));
    if let Some((_, called)) = called {
        return Err(Error::Halted(called).into());
    }
    let told = outcome.as_ref().map(|_| ()).map_err(|e| Error::Ranks(exit::message(e)));
    match (ranks.agree(told), outcome) {
        (Err(e), Ok(_)) => Err(e.into()),
        (_, outcome) => outcome,
    }
}

/// Takes from a command what only the first rank does: words and files.
pub(super) fn hush(command: &mut Command) {
    let quiet = |s: &mut SpectrumArgs| (s.quiet, s.monitor, s.json, s.report) = (true, None, None, None);
    match command {
        Command::Solve(a) => {
            (a.quiet, a.monitor) = (true, None);
            (a.json, a.output, a.plot, a.report) = (None, None, None, None);
        }
        Command::Eigs(a) => {
            quiet(&mut a.spectrum);
            a.output = None;
        }
        Command::Svds(a) => {
            quiet(&mut a.spectrum);
            (a.output, a.left) = (None, None);
        }
        _ => {}
    }
}

/// Whether this rank has a part in `job`.
pub(super) fn takes_part(job: &Job) -> bool {
    !silent() || matches!(job, Job::Solve(_) | Job::Eigs(_) | Job::Svds(_))
}

/// Ends the run on all ranks with one exit code.
pub(super) fn end(outcome: anyhow::Result<Exit>) -> u8 {
    let code = exit::code(&outcome);
    let text = outcome.err().map(|e| exit::message(&e));
    match (current(), text) {
        (None, None) => code,
        (None, Some(text)) => {
            exit::say(&format!("error: {text}"));
            code
        }
        (Some(ranks), None) => {
            let codes = ranks.gather_vector(&[code.into()]);
            // The last handle ends MPI.
            *held() = None;
            codes.map_or(3, |codes| codes.into_iter().fold(0.0, f64::max) as u8)
        }
        (Some(ranks), Some(text)) => {
            // The others may be waiting for this rank. Where all have failed alike, the first one says so and ends all.
            if ranks.rank() > 0 {
                std::thread::sleep(Duration::from_secs(1));
                let _ = writeln!(std::io::stderr(), "error: rank {}: {text}", ranks.rank());
            } else {
                exit::say(&format!("error: {text}"));
            }
            ranks.abort(code.into());
            code
        }
    }
}
