//! What a solve tells.

use crate::border::{free, text};
use std::ffi::{CStr, CString, c_char, c_int};

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

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident -> $type:ty, $nothing:expr, $question:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// `report` is NULL, or comes from this library and is not freed.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(report: *const Report) -> $type {
            // SAFETY: by the caller's word.
            unsafe { ask(report, $nothing, $question) }
        }
    )*};
}

const NONE: &CStr = c"";

questions! {
    /// 1 where x is what was asked for: the residual was recomputed in f64 and meets the tolerance, or x is the
    /// least-squares solution that was asked for. 0 else.
    krylane_report_is_answer -> c_int, 0, |r| c_int::from(r.report.is_answer());
    /// How it ended, as in "Converged (Rtol)". Valid as long as the report.
    krylane_report_reason -> *const c_char, NONE.as_ptr(), |r| r.reason.as_ptr();
    /// What to do about it, a sentence. Valid as long as the report.
    krylane_report_advice -> *const c_char, NONE.as_ptr(), |r| r.advice.as_ptr();
    /// Everything, as JSON. Valid as long as the report.
    krylane_report_json -> *const c_char, NONE.as_ptr(), |r| r.json.as_ptr();
    /// |b - A x|/|b|, recomputed in f64.
    krylane_report_relative_residual -> f64, f64::NAN, |r| r.report.certificate.relative;
    /// |b - A x|/(|A||x| + |b|), recomputed in f64.
    krylane_report_backward_error -> f64, f64::NAN, |r| r.report.certificate.backward_error;
    /// Iterations.
    krylane_report_iterations -> i64, 0, |r| r.report.iterations as i64;
    /// Products with A.
    krylane_report_products -> i64, 0, |r| r.report.matvecs as i64;
    /// Seconds of set-up, transfers, iterations and certificates.
    krylane_report_seconds -> f64, 0.0, |r| {
        let t = &r.report.timings;
        t.setup_s + t.upload_s + t.solve_s + t.certify_s
    };
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
