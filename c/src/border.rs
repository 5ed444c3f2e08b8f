//! The border between C and Rust: statuses, the thread's last error, panics, pointers.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a call ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The call did what it says. Of a solve: there is a report; ask it whether x is an answer.
    Ok = 0,
    /// An argument can't be used as given.
    BadInput = 2,
    /// The machine can't do it: no adapter, no memory, a file that can't be read.
    Environment = 3,
    /// A bug of krylane's, or a callback that panicked. The object of the call should be freed.
    Panic = 4,
}

/// What a call fails with.
pub(crate) struct Failure(pub(crate) Status, pub(crate) String);

impl From<krylane::Error> for Failure {
    fn from(e: krylane::Error) -> Self {
        Self(if e.is_bad_input() { Status::BadInput } else { Status::Environment }, e.to_string())
    }
}

pub(crate) fn bad(message: impl Into<String>) -> Failure {
    Failure(Status::BadInput, message.into())
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Text for C: what stands before the first NUL.
pub(crate) fn text(s: &str) -> CString {
    CString::new(s.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// Runs `f`, and turns its failure or its panic into a status and the thread's last error.
pub(crate) fn call(f: impl FnOnce() -> Result<(), Failure>) -> Status {
    krylane::quiet_mesa();
    let Failure(status, message) = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Failure(Status::Panic, format!("panic: {}", said.unwrap_or("no message")))
        }
    };
    LAST.with(|last| *last.borrow_mut() = text(&message));
    status
}

/// What `p` points to.
///
/// # Safety
/// `p` is NULL or points to a live T that nobody writes while the reference lives.
pub(crate) unsafe fn get<'a, T>(p: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: by the caller's word.
    unsafe { p.as_ref() }.ok_or_else(|| bad(format!("{name} is NULL")))
}

/// What `p` points to, to be changed.
///
/// # Safety
/// `p` is NULL or points to a live T that nobody else uses while the reference lives.
pub(crate) unsafe fn get_mut<'a, T>(p: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: by the caller's word.
    unsafe { p.as_mut() }.ok_or_else(|| bad(format!("{name} is NULL")))
}

/// `len` entries from `p` on; NULL will do for none.
///
/// # Safety
/// `p` is NULL or points to `len` values that nobody writes while the slice lives.
pub(crate) unsafe fn slice<'a, T>(p: *const T, len: usize, name: &str) -> Result<&'a [T], Failure> {
    match (p.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(bad(format!("{name} is NULL"))),
        _ if !p.is_aligned() => Err(bad(format!("{name} is not aligned to {} bytes", align_of::<T>()))),
        _ if len > isize::MAX as usize / size_of::<T>().max(1) => Err(bad(format!("{name} is too long"))),
        // SAFETY: by the caller's word; not NULL, aligned, and no longer than an object can be.
        _ => Ok(unsafe { std::slice::from_raw_parts(p, len) }),
    }
}

/// Text from C.
///
/// # Safety
/// `p` is NULL or points to text that ends in NUL.
pub(crate) unsafe fn string<'a>(p: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if p.is_null() {
        return Err(bad(format!("{name} is NULL")));
    }
    // SAFETY: by the caller's word.
    unsafe { CStr::from_ptr(p) }.to_str().map_err(|_| bad(format!("{name} is not UTF-8")))
}

/// Hands `value` to the caller.
///
/// # Safety
/// `out` is NULL or points to a place for a pointer.
pub(crate) unsafe fn give<T>(out: *mut *mut T, value: T) -> Result<(), Failure> {
    // SAFETY: by the caller's word.
    let place = unsafe { get_mut(out, "out") }?;
    *place = Box::into_raw(Box::new(value));
    Ok(())
}

/// Takes back what [`give`] gave.
///
/// # Safety
/// `p` is NULL or comes from [`give`] and is freed once.
pub(crate) unsafe fn free<T>(p: *mut T) {
    if !p.is_null() {
        // A panic of a destructor stays on this side too.
        call(|| {
            // SAFETY: by the caller's word.
            drop(unsafe { Box::from_raw(p) });
            Ok(())
        });
    }
}

/// Version of the library, as in "0.1.0". Never NULL; never freed.
#[unsafe(no_mangle)]
pub extern "C" fn krylane_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

/// What was wrong with this thread's last call that did not return KRYLANE_STATUS_OK; empty before. Valid until the
/// thread's next call that fails.
#[unsafe(no_mangle)]
pub extern "C" fn krylane_last_error() -> *const c_char {
    LAST.with(|last| last.borrow().as_ptr())
}
