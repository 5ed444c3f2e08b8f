//! What a solve tells.

use crate::border::{free, text};
use std::ffi::{CString, c_char, c_int};

/// How a solve ended and what it cost. Free it with `krylane_report_free`.
pub struct Report {
    report: krylane::Report,
    reason: CString,
    advice: CString,
    json: CString,
}

impl Report {
    pub(crate) fn new(report: krylane::Report) -> Self {
        Self {
            reason: text(&report.reason.to_string()),
            advice: text(report.reason.advice()),
            json: text(&serde_json::to_string(&report).unwrap_or_default()),
            report,
        }
    }
}

/// What a report is asked for; NULL has no answer.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
unsafe fn ask<T>(report: *const Report, nothing: T, question: impl FnOnce(&Report) -> T) -> T {
    // SAFETY: by the caller's word.
    unsafe { report.as_ref() }.map_or(nothing, question)
}

/// 1 where x is what was asked for: the residual was recomputed in f64 and meets the tolerance, or x is the
/// least-squares solution that was asked for. 0 else.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_is_answer(report: *const Report) -> c_int {
    // SAFETY: by the caller's word.
    unsafe { ask(report, 0, |r| c_int::from(r.report.is_answer())) }
}

/// How it ended, as in "Converged (Rtol)". Valid as long as the report.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_reason(report: *const Report) -> *const c_char {
    // SAFETY: by the caller's word.
    unsafe { ask(report, c"".as_ptr(), |r| r.reason.as_ptr()) }
}

/// What to do about it, a sentence. Valid as long as the report.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_advice(report: *const Report) -> *const c_char {
    // SAFETY: by the caller's word.
    unsafe { ask(report, c"".as_ptr(), |r| r.advice.as_ptr()) }
}

/// Everything, as JSON. Valid as long as the report.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_json(report: *const Report) -> *const c_char {
    // SAFETY: by the caller's word.
    unsafe { ask(report, c"".as_ptr(), |r| r.json.as_ptr()) }
}

/// |b - A x|/|b|, recomputed in f64.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_relative_residual(report: *const Report) -> f64 {
    // SAFETY: by the caller's word.
    unsafe { ask(report, f64::NAN, |r| r.report.certificate.relative) }
}

/// |b - A x|/(|A||x| + |b|), recomputed in f64.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_backward_error(report: *const Report) -> f64 {
    // SAFETY: by the caller's word.
    unsafe { ask(report, f64::NAN, |r| r.report.certificate.backward_error) }
}

/// Iterations.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_iterations(report: *const Report) -> i64 {
    // SAFETY: by the caller's word.
    unsafe { ask(report, 0, |r| r.report.iterations as i64) }
}

/// Products with A.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_products(report: *const Report) -> i64 {
    // SAFETY: by the caller's word.
    unsafe { ask(report, 0, |r| r.report.matvecs as i64) }
}

/// Seconds of set-up, transfers, iterations and certificates.
///
/// # Safety
/// `report` is NULL, or comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_seconds(report: *const Report) -> f64 {
    // SAFETY: by the caller's word.
    unsafe {
        ask(report, 0.0, |r| {
            let t = &r.report.timings;
            t.setup_s + t.upload_s + t.solve_s + t.certify_s
        })
    }
}

/// Frees a report. NULL is nothing to free.
///
/// # Safety
/// `report` is NULL, or comes from this library and is freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_report_free(report: *mut Report) {
    // SAFETY: by the caller's word.
    unsafe { free(report) }
}
