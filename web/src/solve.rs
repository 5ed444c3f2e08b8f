//! A solve that tells how far it is and can be stopped.

use crate::failure;
use crate::matrix::Matrix;
use crate::report::Solution;
use js_sys::{Date, Float64Array, Function, Promise};
use krylane::random::Random;
use krylane::{Options, Solver};
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// How long a solve works before others have their turn, in milliseconds.
const TURN: f64 = 30.0;

/// Options from names and values, as [`Options::set`] takes them.
pub(crate) fn options(names: &[String], values: &[String]) -> Result<Options, JsError> {
    let mut options = Options::default();
    // What belongs to a method is set on the method chosen so far.
    let pairs = || names.iter().zip(values);
    let method = pairs().filter(|(name, _)| *name == "method");
    for (name, value) in method.chain(pairs().filter(|(name, _)| *name != "method")) {
        options.set(name, value).map_err(failure)?;
    }
    Ok(options)
}

/// A right-hand side by name: "ones", or "random" with a seed.
#[wasm_bindgen(js_name = rightHandSide)]
pub fn right_hand_side(name: &str, rows: usize) -> Result<Vec<f64>, JsError> {
    let seed = match name.split_once(':').unwrap_or((name, "1")) {
        ("ones", _) => return Ok(vec![1.0; rows]),
        ("random", seed) => seed.parse::<u64>().ok(),
        _ => None,
    };
    let seed =
        seed.ok_or_else(|| failure(format!("unknown right-hand side `{name}`: there are ones and random:SEED")))?;
    Ok(Random::new(seed).vector(rows))
}

/// Solves A x = b, or the least-squares problem where A is not square. `tell` is called now and then with the residuals of
/// the iterations since the last call; what it returns is awaited, and true ends the solve with the best x so far.
#[wasm_bindgen]
pub async fn solve(
    matrix: &Matrix,
    b: Vec<f64>,
    names: Vec<String>,
    values: Vec<String>,
    tell: Function,
) -> Result<Solution, JsError> {
    let options = options(&names, &values)?;
    let tolerance = options.rtol;
    let start = Date::now();
    let mut solver = Solver::new_async(&matrix.csr, options).await.map_err(failure)?;
    let cancel = solver.cancel_flag();
    let fresh = Rc::new(RefCell::new(vec![]));
    let report = {
        let heard = Rc::clone(&fresh);
        let last = Cell::new(f64::NEG_INFINITY);
        let pause = || {
            let now = Date::now();
            if now - last.get() < TURN {
                return None;
            }
            last.set(now);
            let residuals = Float64Array::from(&*std::mem::take(&mut *fresh.borrow_mut()));
            let answer: Promise = tell.call1(&JsValue::NULL, &residuals).ok()?.dyn_into().ok()?;
            let cancel = cancel.clone();
            Some(Box::pin(async move {
                if JsFuture::from(answer).await.is_ok_and(|stop| stop.is_truthy()) {
                    cancel.store(true, Ordering::Relaxed);
                }
            }) as Pin<Box<dyn Future<Output = ()>>>)
        };
        let on_iteration = |event: krylane::Event| {
            heard.borrow_mut().push(event.residual);
            ControlFlow::Continue(())
        };
        solver.solve_async(&b, None, on_iteration, pause).await.map_err(failure)?
    };
    Ok(Solution { report, tolerance, total_s: (Date::now() - start) / 1e3 })
}
