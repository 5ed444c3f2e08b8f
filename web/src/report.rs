//! What a solve hands back.

use krylane::Report;
use krylane::picture::{About, solve_page};
use wasm_bindgen::prelude::*;

/// How a solve ended, and x.
#[wasm_bindgen]
pub struct Solution {
    report: Report,
    html: Option<String>,
}

impl Solution {
    /// With the report as a page where `about` is given.
    pub(crate) fn new(report: Report, about: Option<&About>) -> Self {
        let html = about.map(|about| solve_page(std::slice::from_ref(&report), about));
        Self { report, html }
    }
}

#[wasm_bindgen]
impl Solution {
    /// The solution, or the best x found.
    #[wasm_bindgen(getter)]
    pub fn x(&self) -> Vec<f64> {
        self.report.x.clone()
    }

    /// Whether x is what was asked for: certified in f64.
    #[wasm_bindgen(getter)]
    pub fn answer(&self) -> bool {
        self.report.is_answer()
    }

    /// How it ended, as in "Converged (Rtol)".
    #[wasm_bindgen(getter)]
    pub fn reason(&self) -> String {
        self.report.reason.to_string()
    }

    /// What to do about it.
    #[wasm_bindgen(getter)]
    pub fn advice(&self) -> String {
        self.report.advice()
    }

    /// Everything but x, as JSON.
    #[wasm_bindgen(getter)]
    pub fn json(&self) -> Result<String, JsError> {
        serde_json::to_string(&self.report).map_err(crate::failure)
    }

    /// The report as a page, where it was asked for.
    #[wasm_bindgen(getter)]
    pub fn html(&self) -> Option<String> {
        self.html.clone()
    }
}
