//! Available memory, checked before allocation: what the system says is free, and what the user allows.

use crate::error::{Error, Result};

/// A line of /proc/meminfo in bytes; `None` where there is no such file. In a browser, what 32 bits can address.
fn meminfo(name: &str) -> Option<u64> {
    if cfg!(target_arch = "wasm32") {
        return Some(1 << 32);
    }
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// All of the system's memory.
pub(crate) fn total() -> Option<u64> {
    meminfo("MemTotal:")
}

/// What a solve may take: the user's `limit`, and no more than is free on the host, or than the `share` that several
/// processes have agreed on.
pub(crate) fn available(limit: Option<u64>, share: Option<u64>) -> Option<u64> {
    [limit, share.or_else(|| meminfo("MemAvailable:"))].into_iter().flatten().min()
}

/// Returns an error if fewer than `needed` bytes for `what` are [`available`]. If that is unknown, nothing is refused.
pub(crate) fn check(what: impl FnOnce() -> String, needed: u64, limit: Option<u64>, share: Option<u64>) -> Result<()> {
    match available(limit, share) {
        Some(available) if needed > available => {
            Err(Error::OutOfMemory { what: what(), needed, available, budget: limit.is_some_and(|l| needed > l) })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Dtype, Precisions, Space};

    #[test]
    fn names_what_is_needed_and_what_there_is() {
        let mut space = Space::new(Precisions::uniform(Dtype::F64));
        space.vector("x", 1000);
        space.basis("v", 1 << 31, 1 << 15);
        let (bytes, text) = space.needed(1);
        assert_eq!(bytes, 8000 + (1 << 49), "no 32-bit number on the way");
        assert!(text.contains("32769 vectors"), "{text}");
        let refused = check(|| text, bytes, Some(1 << 20), None).unwrap_err();
        assert!(refused.is_bad_input(), "a budget");
        let refused = refused.to_string();
        assert!(refused.contains("562949953429312 bytes, 1048576 are allowed"), "{refused}");
        assert!(check(String::new, 5, Some(5), None).is_ok() && check(String::new, 5, None, None).is_ok());
        assert!(check(String::new, 5, None, Some(4)).is_err() && check(String::new, 4, Some(9), Some(4)).is_ok());
        // A request beyond any machine is not reported as bad input.
        let beyond = check(String::new, u64::MAX - 1, Some(u64::MAX), None);
        assert!(beyond.is_ok() || beyond.is_err_and(|e| !e.is_bad_input()));
        assert_eq!(available(Some(0), None), Some(0));
    }
}
