//! Matrices: from arrays, from a file, from a function.

use crate::border::{Failure, Status, bad, call, free, get, get_mut, give, slice, string};
use krylane::io::ReadOptions;
use krylane::matrix::{Csr, Matrix as Any, VectorFunction};
use std::ffi::{c_char, c_int, c_void};
use std::path::Path;

/// A matrix, or an operator that stands for one. Free it with `krylane_matrix_free`; solvers made of it live on.
#[derive(Clone)]
pub struct Matrix(pub(crate) Any);

/// What is known of an operator by its maker's word.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Nothing.
    General = 0,
    /// A equals its transpose.
    Symmetric = 1,
    /// Symmetric, and x'Ax > 0 for x other than 0.
    Definite = 2,
}

/// y = A x for whole vectors. Returns 0, or another number where it fails; the solve ends with KRYLANE_STATUS_PANIC then.
/// Called by one thread at a time for one solver, though not always by the same one; solvers of one matrix that work at the
/// same time call it at the same time.
pub type Product = Option<extern "C" fn(x: *const f64, y: *mut f64, user: *mut c_void) -> c_int>;

/// A matrix of `rows` x `cols` in compressed sparse rows. `row_ptr` has rows + 1 entries. Indices count from `base`, 0 (C)
/// or 1 (Fortran). Columns may come in any order; entries at one place are added up. The arrays are copied.
/// Free the matrix with `krylane_matrix_free`.
///
/// # Safety
/// The arrays have the lengths said; `out` is a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_matrix_from_csr(
    rows: i64,
    cols: i64,
    row_ptr: *const i64,
    columns: *const i64,
    values: *const f64,
    base: c_int,
    out: *mut *mut Matrix,
) -> Status {
    call(|| {
        let rows = usize::try_from(rows).map_err(|_| bad(format!("rows is {rows}")))?;
        let cols = usize::try_from(cols).map_err(|_| bad(format!("cols is {cols}")))?;
        if !(0..=1).contains(&base) {
            return Err(bad(format!("base is {base}; indices count from 0 or from 1")));
        }
        let base = i64::from(base);
        let length = rows.checked_add(1).ok_or_else(|| bad("rows is too large"))?;
        // SAFETY: by the caller's word.
        let starts = unsafe { slice(row_ptr, length, "row_ptr") }?;
        let start = |&p: &i64| match p.checked_sub(base).map(usize::try_from) {
            Some(Ok(start)) => Ok(start),
            _ => Err(bad(format!("row_ptr holds {p}"))),
        };
        let starts = starts.iter().map(start).collect::<Result<Vec<_>, _>>()?;
        if starts[0] != 0 || starts.windows(2).any(|w| w[0] > w[1]) {
            return Err(bad("row_ptr must begin with the base and never fall"));
        }
        let nnz = starts[rows];
        // SAFETY: by the caller's word.
        let (columns, values) = unsafe { (slice(columns, nnz, "columns")?, slice(values, nnz, "values")?) };
        let column = |&c: &i64| match c.checked_sub(base).map(u32::try_from) {
            Some(Ok(j)) if (j as usize) < cols => Ok(j),
            _ => Err(bad(format!("columns holds {c}; the matrix has {cols} columns, counted from {base}"))),
        };
        let columns = columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let a = Csr::new(rows, cols, starts, columns, values.to_vec())?;
        // SAFETY: by the caller's word.
        unsafe { give(out, Matrix(a.into())) }
    })
}

/// A matrix from a file: Matrix Market, SciPy's .npz, and the other formats that the command line reads.
/// Free it with `krylane_matrix_free`.
///
/// # Safety
/// `path` is text that ends in NUL; `out` is a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_matrix_from_file(path: *const c_char, out: *mut *mut Matrix) -> Status {
    call(|| {
        // SAFETY: by the caller's word.
        let path = unsafe { string(path, "path") }?;
        let a = krylane::io::read_matrix(Path::new(path), &ReadOptions::default())?.matrix;
        // SAFETY: by the caller's word.
        unsafe { give(out, Matrix(a.into())) }
    })
}

/// A function of the caller's with its data.
#[derive(Clone, Copy)]
struct Function(extern "C" fn(*const f64, *mut f64, *mut c_void) -> c_int, *mut c_void);

// SAFETY: the header says that the functions are called by several threads, for one solver one at a time.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Function {
    fn call(&self, x: &[f64], y: &mut [f64]) {
        let code = (self.0)(x.as_ptr(), y.as_mut_ptr(), self.1);
        if code != 0 {
            // Unwinds to the border without a word on stderr.
            std::panic::resume_unwind(Box::new(format!("the operator's function returned {code}")));
        }
    }
}

/// An operator of `rows` x `cols` by a function for y = A x. `transpose` is that of A', needed by lsqr and lsmr; NULL
/// without. `user` is handed to both; it must live as long as the matrix and all solvers made of it. What `structure` says is
/// compared with a few products. Free the matrix with `krylane_matrix_free`.
///
/// # Safety
/// The functions may be called with vectors of the lengths said; `out` is a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_matrix_from_function(
    rows: i64,
    cols: i64,
    apply: Product,
    transpose: Product,
    user: *mut c_void,
    structure: c_int,
    out: *mut *mut Matrix,
) -> Status {
    call(|| {
        let (Ok(rows), Ok(cols)) = (usize::try_from(rows), usize::try_from(cols)) else {
            return Err(bad(format!("a matrix of {rows} x {cols}")));
        };
        let apply = Function(apply.ok_or_else(|| bad("apply is NULL"))?, user);
        let operator = VectorFunction::new(rows, cols, move |x, y| apply.call(x, y));
        let operator = match structure {
            0 => operator,
            1 => operator.symmetric(),
            2 => operator.definite(),
            other => return Err(bad(format!("structure is {other}; see krylane_structure"))),
        };
        let operator = match transpose.map(|f| Function(f, user)) {
            Some(transpose) => operator.with_transpose(move |x, y| transpose.call(x, y)),
            None => operator,
        };
        // SAFETY: by the caller's word.
        unsafe { give(out, Matrix(Any::free(operator))) }
    })
}

/// The shape of a matrix. Either place may be NULL.
///
/// # Safety
/// `matrix` comes from this library and is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_matrix_shape(matrix: *const Matrix, rows: *mut i64, cols: *mut i64) -> Status {
    call(|| {
        // SAFETY: by the caller's word.
        let Matrix(a) = unsafe { get(matrix, "matrix") }?;
        for (place, value) in [(rows, a.rows()), (cols, a.cols())] {
            if !place.is_null() {
                // SAFETY: by the caller's word.
                *unsafe { get_mut(place, "rows or cols") }? = value as i64;
            }
        }
        Ok::<(), Failure>(())
    })
}

/// Frees a matrix. NULL is nothing to free.
///
/// # Safety
/// `matrix` is NULL, or comes from this library and is freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn krylane_matrix_free(matrix: *mut Matrix) {
    // SAFETY: by the caller's word.
    unsafe { free(matrix) }
}
