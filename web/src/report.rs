//! What a solve hands back.

use crate::matrix::Matrix;
use krylane::Report;
use krylane::picture::{About, solve_page};
use wasm_bindgen::prelude::*;

/// How a solve ended, and x.
#[wasm_bindgen]
pub struct Solution {
    pub(crate) report: Report,
    /// ‖r‖/‖b‖ that was asked for.
    pub(crate) tolerance: f64,
    /// Seconds from the matrix to the answer.
    pub(crate) total_s: f64,
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

    /// The report as a self-contained page, with pictures of the matrix; `command`, if it is not empty, is what reproduces the
    /// solve. Takes a second where the spectrum is estimated.
    pub fn page(&self, matrix: &Matrix, command: &str) -> String {
        let about = About {
            name: &matrix.name,
            matrix: Some(&matrix.csr),
            tolerance: Some(self.tolerance),
            total_s: Some(self.total_s),
            command: (!command.is_empty()).then_some(command),
            ..About::default()
        };
        solve_page(std::slice::from_ref(&self.report), &about)
    }
}
