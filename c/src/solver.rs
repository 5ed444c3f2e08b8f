//! Solvers.

use crate::border::{Status, call, free, get, get_mut, give, slice};
use crate::matrix::Matrix;
use crate::options::Options;
use crate::report::Report;
use std::ffi::c_int;

/// A matrix with a plan for it. It serves any number of right-hand sides, one call at a time.
/// Free it with `krylane_solver_free`.
pub struct Solver {
    solver: krylane::Solver,
    shape: (usize, usize),
}

/// A solver of `matrix`. `options` may be NULL for the defaults. Both may be freed afterwards.
/// Free the solver with `krylane_solver_free`.
///
/// # Safety
/// `matrix` and `options` come from this library and are not freed; `out` is a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_solver_new(
    matrix: *const Matrix,
    options: *const Options,
    out: *mut *mut Solver,
) -> Status {
    call(|| {
        // SAFETY: by the caller's word.
        let Matrix(a) = unsafe { get(matrix, "matrix") }?;
        // SAFETY: by the caller's word.
        let options = unsafe { options.as_ref() }.map_or_else(Default::default, |o| o.linear.clone());
        let solver = krylane::Solver::new(a, options)?;
        // SAFETY: by the caller's word.
        unsafe { give(out, Solver { solver, shape: (a.rows(), a.cols()) }) }
    })
}

/// Solves A x = b. `b` has as many entries as A has rows, `x` as many as A has columns. Where `from_x` is not 0, x holds the
/// initial guess, else the solve starts from 0. x holds the best solution found afterwards, whatever the outcome; the
/// report says whether it is an answer. `report` may be NULL; free it with `krylane_report_free`.
///
/// # Safety
/// `solver` comes from this library, is not freed and serves no other call; the arrays have the lengths said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_solve(
    solver: *mut Solver,
    b: *const f64,
    x: *mut f64,
    from_x: c_int,
    report: *mut *mut Report,
) -> Status {
    call(|| {
        // SAFETY: by the caller's word.
        let Solver { solver, shape } = unsafe { get_mut(solver, "solver") }?;
        // SAFETY: by the caller's word.
        let b = unsafe { slice(b, shape.0, "b") }?;
        // SAFETY: by the caller's word; this reading of x ends before x is written.
        let x0 = unsafe { slice(x.cast_const(), shape.1, "x") }?;
        let found = if from_x != 0 { solver.solve_from(b, x0) } else { solver.solve(b) }?;
        // SAFETY: by the caller's word x has room for as many as it was read.
        unsafe { std::ptr::copy_nonoverlapping(found.x.as_ptr(), x, shape.1) };
        if report.is_null() {
            return Ok(());
        }
        // SAFETY: by the caller's word.
        unsafe { give(report, Report::new(found)) }
    })
}

/// Frees a solver. NULL is nothing to free.
///
/// # Safety
/// `solver` is NULL, or comes from this library and is freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_solver_free(solver: *mut Solver) {
    // SAFETY: by the caller's word.
    unsafe { free(solver) }
}
