//! krylane for JavaScript. `js/worker.js` calls these functions in a worker; `js/krylane.js` is what programs import.
//!
//! Everything runs on one thread. A solve hands over what it has every few hundredths of a second and waits for a turn of the
//! worker's events, so that it hears of a stop; a set-up does not.

mod learn;
mod matrix;
mod report;
mod solve;

use wasm_bindgen::prelude::*;

/// A failed call, as JavaScript sees it: an `Error` with the library's message.
fn failure(e: impl std::fmt::Display) -> JsError {
    JsError::new(&e.to_string())
}

/// A panic can't be caught here: it becomes an exception with its message, and the module must not be called again.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&format!("a bug of krylane's: {panic}"))));
}
