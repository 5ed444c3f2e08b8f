//! Eigenvalues.

use crate::border::{Status, bad, call, free, get, give, text};
use crate::matrix::Matrix;
use crate::options::Options;
use std::ffi::{CString, c_char, c_int};

/// Eigenpairs. Free them with `krylane_pairs_free`.
pub struct Pairs {
    report: krylane::EigenReport,
    reason: CString,
}

/// Eigenpairs A x = lambda x, or A x = lambda B x where `mass` is not NULL. Both need stored entries. How many and which is
/// said by the options "k", "which" and "sigma"; NULL is the defaults. Pairs that were found are kept whatever the outcome.
/// Free them with `krylane_pairs_free`.
///
/// # Safety
/// The objects come from this library and are not freed; `out` is a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_eigs(
    matrix: *const Matrix,
    mass: *const Matrix,
    options: *const Options,
    out: *mut *mut Pairs,
) -> Status {
    call(|| {
        // SAFETY: by the caller's word.
        let Matrix(a) = unsafe { get(matrix, "matrix") }?;
        let stored = |a: &krylane::matrix::Matrix, name: &str| {
            a.entries().cloned().ok_or_else(|| bad(format!("{name} is an operator; eigenvalues need stored entries")))
        };
        // SAFETY: by the caller's word.
        let mut options = unsafe { options.as_ref() }.map_or_else(Default::default, |o| o.eigen.clone());
        // SAFETY: by the caller's word.
        if let Some(Matrix(b)) = unsafe { mass.as_ref() } {
            options.mass = Some(stored(b, "mass")?);
        }
        let report = krylane::eigs(&stored(a, "matrix")?, options)?;
        let reason = text(&report.outcome.reason.to_string());
        // SAFETY: by the caller's word.
        unsafe { give(out, Pairs { report, reason }) }
    })
}

/// 1 where every pair asked for was found and verified in f64, 0 else.
///
/// # Safety
/// `pairs` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_pairs_converged(pairs: *const Pairs) -> c_int {
    // SAFETY: by the caller's word.
    unsafe { pairs.as_ref() }.map_or(0, |p| c_int::from(p.report.outcome.reason.is_converged()))
}

/// How the search ended. Valid as long as the pairs.
///
/// # Safety
/// `pairs` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_pairs_reason(pairs: *const Pairs) -> *const c_char {
    // SAFETY: by the caller's word.
    unsafe { pairs.as_ref() }.map_or(c"".as_ptr(), |p| p.reason.as_ptr())
}

/// How many pairs there are.
///
/// # Safety
/// `pairs` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_pairs_count(pairs: *const Pairs) -> i64 {
    // SAFETY: by the caller's word.
    unsafe { pairs.as_ref() }.map_or(0, |p| p.report.eigenvalues.len() as i64)
}

/// Pair `k`, counted from 0: its value, and its vector of as many entries as A has rows. Of a pair of conjugate values the
/// first one's vector is the real part, the second one's the imaginary part. Places that are NULL are left out.
///
/// # Safety
/// `pairs` comes from this library and is not freed; `vector` has room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_pairs_get(
    pairs: *const Pairs,
    k: i64,
    re: *mut f64,
    im: *mut f64,
    vector: *mut f64,
) -> Status {
    call(|| {
        // SAFETY: by the caller's word.
        let Pairs { report, .. } = unsafe { get(pairs, "pairs") }?;
        let at = usize::try_from(k).ok().filter(|&k| k < report.eigenvalues.len());
        let at = at.ok_or_else(|| bad(format!("pair {k} of {}", report.eigenvalues.len())))?;
        for (place, value) in [(re, report.eigenvalues[at].re), (im, report.eigenvalues[at].im)] {
            if !place.is_null() {
                // SAFETY: by the caller's word.
                unsafe { place.write(value) };
            }
        }
        if let Some(v) = report.vectors.get(at).filter(|_| !vector.is_null()) {
            // SAFETY: by the caller's word.
            unsafe { std::ptr::copy_nonoverlapping(v.as_ptr(), vector, v.len()) };
        }
        Ok(())
    })
}

/// Frees pairs. NULL is nothing to free.
///
/// # Safety
/// `pairs` is NULL, or comes from this library and is freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_pairs_free(pairs: *mut Pairs) {
    // SAFETY: by the caller's word.
    unsafe { free(pairs) }
}
