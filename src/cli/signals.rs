//! SIGINT and SIGTERM: the first cancels the work and results are written, the second ends the program.
//!
//! Until iterations begin there is nothing to lose. Work that then does not end by itself within a second (reading
//! from a pipe that nobody writes to, a minimum-degree ordering) is abandoned: the report is written and the
//! program ends.

use super::exit::{NotWritable, say};
use super::json;
use super::output::Target;
use krylane::{Called, Error, Halt};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long cancelled work may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(700);

/// Signals are per process, and so is this state.
static STATE: LazyLock<State> = LazyLock::new(State::default);

#[derive(Default)]
struct State {
    code: Arc<AtomicUsize>,
    cancel: Arc<AtomicBool>,
    stage: Mutex<Stage>,
}

/// The current stage of the run.
#[derive(Default)]
struct Stage {
    /// A description; `None` once iterations have begun.
    early: Option<String>,
    json: Option<Target>,
    begun: Option<Instant>,
}

fn stage() -> MutexGuard<'static, Stage> {
    STATE.stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Catches signals from now on; `json` receives the report of a run that ends before it has a result.
pub(super) fn install(json: Option<Target>) -> io::Result<()> {
    let caught = Arc::new(AtomicBool::new(false));
    for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        // Run in this order: the shutdown sees the flag of an earlier signal only.
        flag::register_conditional_shutdown(signal, code, Arc::clone(&caught))?;
        flag::register(signal, Arc::clone(&caught))?;
        flag::register_usize(signal, Arc::clone(&STATE.code), code as usize)?;
        flag::register(signal, Arc::clone(&STATE.cancel))?;
    }
    *stage() = Stage { early: Some("starting".into()), json, begun: Some(Instant::now()) };
    // Without a thread, cancelled work must end by itself.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(watch);
    Ok(())
}

/// Ends the program if cancelled work does not end.
fn watch() {
    let mut since = None;
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let Some(code) = code() else { continue };
        let since = *since.get_or_insert_with(Instant::now);
        let held = stage();
        if held.early.is_some() && since.elapsed() >= PATIENCE {
            unfinished(&held, "Cancelled", "");
            leave(code);
        }
    }
}

/// Ends the process without waiting for other threads: drivers in use can't be shut down.
fn leave(code: u8) -> ! {
    krylane::io::abandon();
    #[cfg(unix)]
    // SAFETY: ends the process at once; nothing runs after it.
    unsafe {
        libc::_exit(code.into())
    }
    #[cfg(not(unix))]
    std::process::exit(code.into())
}

/// Records what is being done before iterations begin.
pub(super) fn early(words: &str) {
    stage().early = Some(words.into());
}

/// Records that iterations have begun: from here on there is a result to write.
pub(super) fn under_way() {
    stage().early = None;
}

/// Cancels reading and set-up.
pub(super) fn halt() -> Halt {
    Halt::new(Arc::clone(&STATE.cancel))
}

/// The exit code of the last signal, if there was one.
pub(super) fn code() -> Option<u8> {
    match STATE.code.load(Ordering::Relaxed) {
        0 => None,
        code => u8::try_from(code).ok(),
    }
}

/// Writes the report of a run that ends without an answer, if one is wanted, and prints why it ended.
fn unfinished(stage: &Stage, reason: &str, detail: &str) {
    let what = stage.early.as_deref().unwrap_or("solving");
    if detail.is_empty() {
        say(&format!("{} while {what}", reason.to_lowercase()));
    }
    let Some(target) = &stage.json else { return };
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "command": std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        "reason": reason,
        "reason_detail": if detail.is_empty() { format!("while {what}") } else { detail.into() },
        "total_s": stage.begun.map_or(0.0, |t| t.elapsed().as_secs_f64()),
    });
    if let Err(e) = json::text(&report).and_then(|text| target.write(&text)) {
        say(&format!("error: {e}"));
    }
}

/// Handles the error of a run: either the run was cancelled, or a report about the error is written.
pub(super) fn settle(outcome: anyhow::Result<super::exit::Exit>) -> anyhow::Result<super::exit::Exit> {
    use super::exit::Exit;
    let e = match outcome {
        Err(e) => e,
        done => return done,
    };
    let called = e.chain().find_map(|cause| match cause.downcast_ref::<Error>() {
        Some(Error::Halted(called)) => Some(*called),
        _ => None,
    });
    match called {
        Some(Called::Cancelled) => {
            unfinished(&stage(), "Cancelled", "");
            Ok(Exit::Signal(code().unwrap_or(130)))
        }
        Some(Called::TimeLimit) => {
            unfinished(&stage(), "TimeLimit", "");
            Ok(Exit::NotConverged)
        }
        None => {
            // No report if the error is that a file can't be written.
            if !e.chain().any(|cause| cause.is::<NotWritable>()) {
                unfinished(&stage(), "Error", &super::exit::message(&e));
            }
            Err(e)
        }
    }
}

/// Signals that also set a solver's cancel flag.
#[derive(Clone)]
pub(super) struct Signals;

impl Signals {
    /// Sets `cancel` at signals from now on.
    pub(super) fn catch(cancel: &Arc<AtomicBool>) -> io::Result<Self> {
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(cancel))?;
        }
        Ok(Self)
    }

    /// As [`code`].
    pub(super) fn code(&self) -> Option<u8> {
        code()
    }
}
