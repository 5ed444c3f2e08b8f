//! Complex systems by their equivalent real form: with A = B + iC and z = x + iy, A z = f + ig is
//! [B −C; C B][x; y] = [f; g].
//!
//! Stored interleaved, (x₁, y₁, x₂, y₂, …), so that each entry of A is a block of 2 × 2: the two rows of an unknown
//! stay neighbours, which keeps the bandwidth and the locality of A, gives incomplete factors the same couplings
//! as complex ones, and makes `block_jacobi:2` the complex Jacobi. In two halves B and C would lie n apart.
//!
//! Norms are those of the complex vectors, so the certificate is the complex system's. The real form is symmetric
//! exactly if A is Hermitian, and positive definite if A is: use cg or minres. Any other A, even a complex
//! symmetric one, gives a nonsymmetric real form whose eigenvalues are those of A and their conjugates: use
//! gmres, bicgstabl or idrs. They take more iterations than complex arithmetic would if the spectrum lies to one side
//! of the real axis (Day and Heroux 2001, doi:10.1137/S1064827500372262).

use crate::error::{Error, Result};
use crate::matrix::Csr;

/// The real form of B + iC; zero parts are not stored.
///
/// # Errors
/// Parts of different shapes, more than 2³¹ − 1 rows or columns.
pub fn real_form(re: &Csr, im: &Csr) -> Result<Csr> {
    let limit = (u32::MAX / 2) as usize;
    if re.rows().max(re.cols()) > limit {
        let (rows, cols) = (re.rows(), re.cols());
        return Err(Error::input(format!("complex {rows} x {cols} is beyond the limit of {limit} rows and columns")));
    }
    let room = 2 * (re.nnz() + im.nnz());
    let (mut columns, mut values) = (Vec::with_capacity(room), Vec::with_capacity(room));
    let mut row_ptr = Vec::with_capacity(2 * re.rows() + 1);
    row_ptr.push(0);
    for entries in merged_rows(re, im)? {
        for lower in [false, true] {
            for &(j, b, c) in &entries {
                for (column, v) in if lower { [(2 * j, c), (2 * j + 1, b)] } else { [(2 * j, b), (2 * j + 1, -c)] } {
                    if v != 0.0 {
                        columns.push(column);
                        values.push(v);
                    }
                }
            }
            row_ptr.push(columns.len());
        }
    }
    Csr::new(2 * re.rows(), 2 * re.cols(), row_ptr, columns, values)
}

/// The rows of B + iC.
pub(crate) fn merged_rows(re: &Csr, im: &Csr) -> Result<Vec<Vec<(u32, f64, f64)>>> {
    let (rows, cols) = (re.rows(), re.cols());
    if (rows, cols) != (im.rows(), im.cols()) {
        let (r, c) = (im.rows(), im.cols());
        return Err(Error::input(format!("the real part is {rows} x {cols}, the imaginary part {r} x {c}")));
    }
    Ok((0..rows).map(|i| merged(re.row(i), im.row(i))).collect())
}

/// (column, b, c) for every column in either row.
fn merged((bc, bv): (&[u32], &[f64]), (cc, cv): (&[u32], &[f64])) -> Vec<(u32, f64, f64)> {
    let (mut p, mut q) = (0, 0);
    let mut out = Vec::with_capacity(bc.len().max(cc.len()));
    while p < bc.len() || q < cc.len() {
        let (left, right) = (bc.get(p).copied().unwrap_or(u32::MAX), cc.get(q).copied().unwrap_or(u32::MAX));
        let j = left.min(right);
        let b = if left == j { bv[p] } else { 0.0 };
        let c = if right == j { cv[q] } else { 0.0 };
        p += usize::from(left == j);
        q += usize::from(right == j);
        out.push((j, b, c));
    }
    out
}

/// B and C of a real form, read from its even rows.
///
/// # Errors
/// An odd number of rows or columns.
pub fn parts(a: &Csr) -> Result<(Csr, Csr)> {
    if !a.rows().is_multiple_of(2) || !a.cols().is_multiple_of(2) {
        return Err(Error::input(format!("{} x {} is no real form: its sides are even", a.rows(), a.cols())));
    }
    let part = |odd: u32, sign: f64| {
        let (mut row_ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
        for i in (0..a.rows()).step_by(2) {
            let (c, v) = a.row(i);
            for (&c, &v) in c.iter().zip(v).filter(|(c, _)| *c % 2 == odd) {
                columns.push(c / 2);
                values.push(sign * v);
            }
            row_ptr.push(columns.len());
        }
        Csr::new(a.rows() / 2, a.cols() / 2, row_ptr, columns, values)
    };
    Ok((part(0, 1.0)?, part(1, -1.0)?))
}

/// The vector of the real form of x + iy.
#[must_use]
pub fn join(re: &[f64], im: &[f64]) -> Vec<f64> {
    assert_eq!(re.len(), im.len(), "a complex vector has as many real as imaginary parts");
    re.iter().zip(im).flat_map(|(&x, &y)| [x, y]).collect()
}

/// Real and imaginary parts of a vector of the real form.
#[must_use]
pub fn split(v: &[f64]) -> (Vec<f64>, Vec<f64>) {
    assert!(v.len().is_multiple_of(2), "a vector of a real form has an even number of entries, not {}", v.len());
    v.chunks_exact(2).map(|z| (z[0], z[1])).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;
    use crate::matrix::gallery;

    #[test]
    fn multiplies_as_complex_numbers_do() {
        let (b, c) = (gallery::random_general(20, 4, 1), gallery::random_general(20, 6, 2));
        let a = real_form(&b, &c).unwrap();
        let mut random = Random::new(3);
        let (x, y) = (random.vector(20), random.vector(20));
        let (re, im) = split(&a.multiply(&join(&x, &y)));
        let (bx, cy, by, cx) = (b.multiply(&x), c.multiply(&y), b.multiply(&y), c.multiply(&x));
        for i in 0..20 {
            assert!((re[i] - (bx[i] - cy[i])).abs() < 1e-13 && (im[i] - (by[i] + cx[i])).abs() < 1e-13);
        }
        assert_eq!(parts(&a).unwrap(), (b, c));
    }

    #[test]
    fn shapes_are_checked() {
        let (b, c) = (gallery::poisson1d(3), gallery::poisson1d(4));
        assert!(real_form(&b, &c).unwrap_err().to_string().contains("3 x 3"));
        assert!(parts(&b).unwrap_err().to_string().contains("even"));
    }
}
