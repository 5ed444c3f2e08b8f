//! When and where something ran.

use super::clock::SystemTime;
use std::sync::OnceLock;

/// When and where a solve ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Run {
    /// The name of the machine; "unknown" where the system gives none.
    pub host: String,
    /// UTC at the end of the solve, as in 2026-11-29T23:59:59Z.
    pub date: String,
    /// Number of host threads.
    pub threads: usize,
    /// Version of this library.
    pub version: String,
}

impl Run {
    /// The present moment on this machine.
    pub(crate) fn now(threads: usize) -> Self {
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let threads = if threads == 0 { rayon::current_num_threads() } else { threads };
        Self { host: host(), date: date(seconds), threads, version: env!("CARGO_PKG_VERSION").into() }
    }
}

fn host() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let set = || ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    told.or_else(set).map_or_else(|| "unknown".into(), |name| name.trim().to_string())
}

/// Seconds since 1970 as a date (the proleptic Gregorian calendar; Hinnant, "chrono-compatible low-level date
/// algorithms").
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Tells a layer of Mesa's to be quiet, which writes `error: XDG_RUNTIME_DIR is invalid` to stderr on servers, where it has
/// nothing to select for a program without a window. Programs call it first in `main`; solvers do, too, for those that have
/// started no thread before. Whether it could be done.
///
/// The layer listens to the environment only. Another thread could read that while it changes, so it is changed where the
/// process is found to have one thread: then nobody else reads, and nobody else can start a thread. A program that has several
/// by then must be started with NODEVICE_SELECT=1.
pub fn quiet_mesa() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        if !cfg!(all(feature = "gpu", target_os = "linux")) || std::env::var_os("XDG_RUNTIME_DIR").is_some() {
            return true;
        }
        let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
        if alone {
            // SAFETY: this thread is the only one of the process, as the system says, and starts none here.
            unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
        }
        alone
    })
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }
}
