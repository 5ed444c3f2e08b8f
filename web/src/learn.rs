//! The steps of the article on the page: what a method knows after each of its steps.

use crate::failure;
use crate::matrix::Matrix;
use krylane::{Backend, EigenOptions, Method, Precond, Solver, Which, eigs};
use wasm_bindgen::prelude::*;

/// Ritz values after a number of steps: the number, then pairs of real and imaginary part.
fn after(matrix: &Matrix, method: &str, steps: usize) -> Result<Vec<f64>, krylane::Error> {
    let n = matrix.csr.rows();
    let single = method == "power";
    let options = EigenOptions {
        // Three columns are the least beyond the wanted pairs.
        k: if single || steps < 5 { 1 } else { steps.min(n) - 3 },
        // Both ends of a symmetric matrix's spectrum; what is left out lies inside.
        which: if method == "lanczos" { Which::BE } else { Which::LM },
        method: method.into(),
        subspace: (!single).then_some(steps.min(n)),
        max_iterations: steps,
        tol: 0.0,
        backend: Backend::Cpu,
        ..EigenOptions::default()
    };
    let report = eigs(&matrix.csr, options)?;
    Ok(report.eigenvalues.iter().flat_map(|v| [v.re, v.im]).collect())
}

/// Ritz values of "power", "lanczos" or "arnoldi" after `steps` steps from a random vector, real and imaginary parts in turn.
#[wasm_bindgen(js_name = ritzValues)]
pub fn ritz_values(matrix: &Matrix, method: &str, steps: usize) -> Result<Vec<f64>, JsError> {
    after(matrix, method, steps).map_err(failure)
}

/// All eigenvalues by dense algebra, real and imaginary parts in turn. For small matrices.
#[wasm_bindgen]
pub fn eigenvalues(matrix: &Matrix) -> Result<Vec<f64>, JsError> {
    let options =
        EigenOptions { k: matrix.csr.rows(), method: "dense".into(), backend: Backend::Cpu, ..EigenOptions::default() };
    let report = eigs(&matrix.csr, options).map_err(failure)?;
    Ok(report.eigenvalues.iter().flat_map(|v| [v.re, v.im]).collect())
}

/// ‖b − A x‖/‖b‖ of the projections onto span(b, A b, …) of dimension 1 to `most`.
#[wasm_bindgen]
pub fn projections(matrix: &Matrix, b: Vec<f64>, most: usize) -> Result<Vec<f64>, JsError> {
    let mut subspace = vec![b.clone()];
    let mut residuals = vec![];
    while subspace.len() <= most {
        let method = Method::Projection { subspace: subspace.clone() };
        let solver = Solver::builder(&matrix.csr).method(method).preconditioner(Precond::None).backend(Backend::Cpu);
        let report = solver.build().and_then(|mut solver| solver.solve(&b)).map_err(failure)?;
        residuals.push(report.certificate.relative);
        let v = subspace.last().map_or_else(Vec::new, |v| matrix.csr.multiply(v));
        // Entries of the powers would leave f64's range.
        let size = v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        subspace.push(v.into_iter().map(|x| x / size).collect());
    }
    Ok(residuals)
}
