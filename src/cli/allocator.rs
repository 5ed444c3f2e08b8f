//! The program's memory: counted, so that a limit binds every allocation, and with an error message when it runs out.
//!
//! Rust ends a program that runs out of memory by SIGABRT. Here a signal handler first prints an error message with the
//! actual numbers, and the exit code is that of a budget (2) or of the environment (3). A refused `try_reserve` returns
//! an error and does not end the program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Smaller allocations aren't counted: they are many, and take little memory altogether.
const COUNTED: usize = 4096;

static USED: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
/// True if the user set the limit.
static BUDGET: AtomicBool = AtomicBool::new(false);
/// The last request that was refused.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// The system allocator with a count and a limit.
pub struct Counting;

/// Reserves `bytes` within the limit; false if they don't fit.
fn take(bytes: usize) -> bool {
    let bytes = bytes as u64;
    if bytes < COUNTED as u64 {
        return true;
    }
    let before = USED.fetch_add(bytes, Ordering::Relaxed);
    if before.saturating_add(bytes) > LIMIT.load(Ordering::Relaxed) {
        give(bytes as usize);
        REFUSED.store(bytes, Ordering::Relaxed);
        return false;
    }
    true
}

fn give(bytes: usize) {
    if bytes >= COUNTED {
        USED.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

fn told(p: *mut u8, bytes: usize) -> *mut u8 {
    if p.is_null() {
        give(bytes);
        REFUSED.store(bytes as u64, Ordering::Relaxed);
    }
    p
}

// SAFETY: the system's allocator, asked for the same layouts; null where a limit refuses, as the trait allows.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the trait's contract.
        told(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the trait's contract.
        told(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        give(layout.size());
        // SAFETY: the caller keeps the trait's contract.
        unsafe { System.dealloc(p, layout) }
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !take(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the trait's contract.
        let moved = told(unsafe { System.realloc(p, layout, size) }, size);
        if !moved.is_null() {
            give(layout.size());
        }
        moved
    }
}

/// Limits the program's memory: to `bytes`, or without them to what the system says is free.
pub(super) fn limit(bytes: Option<u64>) {
    let free = krylane::io::available_memory().unwrap_or(u64::MAX).saturating_add(USED.load(Ordering::Relaxed));
    let bound = bytes.unwrap_or(u64::MAX).min(free);
    BUDGET.store(bytes.is_some_and(|b| b <= bound), Ordering::Relaxed);
    LIMIT.store(bound, Ordering::Relaxed);
}

/// The most memory that the program may take.
pub(super) fn bound() -> u64 {
    LIMIT.load(Ordering::Relaxed)
}

/// Prints a message and exits when memory runs out, where SIGABRT would end the program silently.
#[cfg(unix)]
pub fn speak_at_the_end() {
    // SAFETY: the handler calls write and _exit and reads atomics, all of which a signal handler may do.
    let _ = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGABRT, last_words) };
}

/// Does nothing on this system.
#[cfg(not(unix))]
pub fn speak_at_the_end() {}

#[cfg(unix)]
fn last_words() {
    let refused = REFUSED.load(Ordering::Relaxed);
    if refused == 0 {
        return;
    }
    let budget = BUDGET.load(Ordering::Relaxed)
        && USED.load(Ordering::Relaxed).saturating_add(refused) > LIMIT.load(Ordering::Relaxed);
    let limit = if budget { " are allowed\n" } else { " are free\n" };
    put("error: out of memory: ");
    number(refused);
    put(" bytes more are needed, ");
    number(USED.load(Ordering::Relaxed));
    put(" are in use, ");
    number(LIMIT.load(Ordering::Relaxed));
    put(limit);
    // SAFETY: ends the process at once, as intended.
    unsafe { libc::_exit(if budget { 2 } else { 3 }) }
}

#[cfg(unix)]
fn put(text: &str) {
    // SAFETY: a valid buffer of that length; what can't be written is lost.
    let _ = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

#[cfg(unix)]
fn number(mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    if let Ok(text) = std::str::from_utf8(&digits[at..]) {
        put(text);
    }
}
