//! Options by name, as on the command line.

use crate::border::{Status, call, free, get_mut, string};
use std::ffi::c_char;

/// What a solve or an eigenproblem is asked for. Free it with `krylane_options_free`.
#[derive(Clone, Default)]
pub struct Options {
    pub(crate) linear: krylane::Options,
    pub(crate) eigen: krylane::EigenOptions,
}

/// The defaults. Free them with `krylane_options_free`.
#[unsafe(no_mangle)]
pub extern "C" fn krylane_options_new() -> *mut Options {
    Box::into_raw(Box::default())
}

/// Sets an option by its name: "method", "preconditioner", "rtol", "atol", "criterion", "max_iterations", "time_limit",
/// "threads", "backend", "precision", "restart" and the others of the command line, with `_` for `-`. Of an eigenproblem
/// also "k", "which", "sigma", "tol". Values are text, as in "gmres", "1e-10", "amg:theta=0.08". An unknown name or value
/// is KRYLANE_STATUS_BAD_INPUT, and the error names the nearest one.
///
/// # Safety
/// `options` comes from this library and is not freed; the texts end in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_options_set(
    options: *mut Options,
    name: *const c_char,
    value: *const c_char,
) -> Status {
    call(|| {
        // SAFETY: by the caller's word.
        let (options, name, value) =
            unsafe { (get_mut(options, "options")?, string(name, "name")?, string(value, "value")?) };
        // What one of the two kinds does not know may be the other's.
        let eigen = options.eigen.set(name, value);
        let linear = options.linear.set(name, value);
        match (linear, eigen) {
            (Err(linear), Err(eigen)) => {
                Err(if linear.to_string().starts_with("unknown option") { eigen } else { linear }.into())
            }
            _ => Ok(()),
        }
    })
}

/// Frees options. NULL is nothing to free.
///
/// # Safety
/// `options` is NULL, or comes from this library and is freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_options_free(options: *mut Options) {
    // SAFETY: by the caller's word.
    unsafe { free(options) }
}
