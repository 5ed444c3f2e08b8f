//! SIGINT and SIGTERM: the first ends the solve and results are written, the second ends the program.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What was caught.
#[derive(Clone, Default)]
pub(super) struct Signals {
    code: Arc<AtomicUsize>,
}

impl Signals {
    /// Sets `cancel` at the first signal from now on.
    pub(super) fn catch(cancel: &Arc<AtomicBool>) -> io::Result<Self> {
        let signals = Self::default();
        let caught = Arc::new(AtomicBool::new(false));
        for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
            // Run in this order: the shutdown sees the flag of an earlier signal only.
            flag::register_conditional_shutdown(signal, code, Arc::clone(&caught))?;
            flag::register(signal, Arc::clone(&caught))?;
            flag::register_usize(signal, Arc::clone(&signals.code), code as usize)?;
            flag::register(signal, Arc::clone(cancel))?;
        }
        Ok(signals)
    }

    /// The exit code of the last signal, if there was one.
    pub(super) fn code(&self) -> Option<u8> {
        match self.code.load(Ordering::Relaxed) {
            0 => None,
            code => u8::try_from(code).ok(),
        }
    }
}
