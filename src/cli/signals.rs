//! SIGINT and SIGTERM: the first calls the work off and results are written, the second ends the program.
//!
//! Until iterations begin there is nothing to lose. Work that does not end by itself within a second then (reading
//! from a pipe that nobody writes to, an order of minimum degree) is left as it is: the report is written and the
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

/// How long work may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(700);

/// Signals are the process's, and so is what is known of them.
static STATE: LazyLock<State> = LazyLock::new(State::default);

#[derive(Default)]
struct State {
    code: Arc<AtomicUsize>,
    cancel: Arc<AtomicBool>,
    stage: Mutex<Stage>,
}

/// What is under way.
#[derive(Default)]
struct Stage {
    /// In words; `None` once there is something to lose.
    early: Option<String>,
    json: Option<Target>,
    begun: Option<Instant>,
}

fn stage() -> MutexGuard<'static, Stage> {
    STATE.stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Catches signals from now on; `json` is where the report of a run goes that ends before it has one.
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
    // Where no thread can be had, work ends by itself only.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(watch);
    Ok(())
}

/// Ends the program where cancelled work does not end.
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

/// Ends the process without the end of other threads' work: drivers that are in use can't be taken down.
fn leave(code: u8) -> ! {
    #[cfg(unix)]
    // SAFETY: ends the process at once; nothing runs after it.
    unsafe {
        libc::_exit(code.into())
    }
    #[cfg(not(unix))]
    std::process::exit(code.into())
}

/// Says what is done now, before iterations begin.
pub(super) fn early(words: &str) {
    stage().early = Some(words.into());
}

/// From here on an answer is on its way.
pub(super) fn under_way() {
    stage().early = None;
}

/// What calls reading and set-ups off.
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

/// Writes the report of a run that ends without an answer, where one is wanted, and says so.
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

/// What an error means for the run: called off, or an error with a report that says so.
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
            // A report that can't be written is what went wrong.
            if !e.chain().any(|cause| cause.is::<NotWritable>()) {
                unfinished(&stage(), "Error", &super::exit::message(&e));
            }
            Err(e)
        }
    }
}

/// A solver's flag, set by signals too.
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
