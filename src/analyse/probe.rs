//! What products tell about an operator: its size, and whether they agree with its maker's word. Fixed
//! vectors, so that the findings are the same each time.

use crate::analyse::certify::Norms;
use crate::analyse::facts::{Facts, SYMMETRY_TOLERANCE};
use crate::error::{Error, Result};
use crate::host::random::Random;
use crate::host::scale::{exponent, larger, ldexp, norm2};
use crate::matrix::operator::multiply;
use crate::matrix::{LinearOperator, Structure};
use rayon::prelude::*;

/// Steps of the power iteration for ‖A‖.
const STEPS: usize = 8;

/// v·2^e.
fn scaled(v: &[f64], e: i32) -> Vec<f64> {
    v.par_iter().map(|&v| ldexp(v, e)).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn product(a: &dyn LinearOperator, x: &[f64]) -> Result<Vec<f64>> {
    let y = multiply(a, x);
    match y.iter().position(|v| !v.is_finite()) {
        None => Ok(y),
        Some(i) => Err(Error::input(format!("row {i} of the operator's product is {} for a finite x", y[i]))),
    }
}

/// The largest ‖A v‖/‖v‖ of a power iteration with A, or with AᵀA where there is a transpose: ‖A‖₂ from below.
fn norm(a: &dyn LinearOperator) -> Result<f64> {
    let transpose = a.transpose();
    let mut v = Random::new(0xa).vector(a.cols());
    let mut largest = 0.0f64;
    for _ in 0..STEPS {
        let size = norm2(&v);
        if size == 0.0 {
            break;
        }
        let y = product(a, &scaled(&v, -exponent(size)))?;
        let grown = norm2(&y);
        largest = larger(largest, grown / ldexp(size, -exponent(size)));
        let y = scaled(&y, -exponent(grown));
        v = match &transpose {
            Some(t) => product(&**t, &y)?,
            None if a.rows() == a.cols() => y,
            None => break,
        };
    }
    Ok(largest)
}

/// ‖A‖₂ from below, by products.
pub(crate) fn norms(a: &dyn LinearOperator) -> Result<Norms> {
    let norm = norm(a)?;
    let e = exponent(norm);
    Ok(Norms { exponent: e, scaled_norm: ldexp(norm, -e) })
}

/// Findings about an operator. Facts that need entries (dominance, signs beside the diagonal) stay unknown.
pub(crate) fn probe(a: &dyn LinearOperator) -> Result<Facts> {
    let (m, n) = (a.rows(), a.cols());
    let word = a.structure();
    let diagonal = a.diagonal();
    let count = |f: fn(f64) -> bool| diagonal.iter().flatten().filter(|v| f(**v)).count();
    let unknown = if diagonal.is_none() { m.min(n) } else { 0 };
    let unprobed = Facts {
        norms: Norms { exponent: 0, scaled_norm: 0.0 },
        word: Some(word),
        asymmetry: None,
        looks_symmetric: word != Structure::General,
        diagonal: (count(|v| v > 0.0), count(|v| v < 0.0), count(|v| v == 0.0) + unknown),
        constant_diagonal: diagonal.as_ref().is_some_and(|d| d.windows(2).all(|w| w[0] == w[1])),
        m_matrix: false,
        dominance: f64::INFINITY,
        weak: 0,
        spread: 0,
        null_components: (vec![], 0),
    };
    if !a.may_be_probed() {
        return Ok(unprobed);
    }
    let norm = norm(a)?;
    let e = exponent(norm);
    let mut random = Random::new(0xb);
    let (x, y) = (random.vector(n), random.vector(m));
    let image = scaled(&product(a, &x)?, -e);
    // ⟨A x, y⟩ = ⟨x, A' y⟩ up to rounding, where A' is what should be the transpose.
    let agree = |back: &[f64]| {
        let back = scaled(back, -e);
        let difference = dot(&image, &y) - dot(&x, &back);
        difference.abs() <= SYMMETRY_TOLERANCE * (norm2(&image) * norm2(&y) + norm2(&x) * norm2(&back))
    };
    if let Some(t) = a.transpose()
        && !agree(&product(&*t, &y)?)
    {
        return Err(Error::input("the operator's transpose is not its transpose: <Ax, y> and <x, A'y> differ"));
    }
    let looks_symmetric = m == n && agree(&product(a, &y)?);
    if word != Structure::General && !looks_symmetric {
        return Err(Error::input("the operator is declared symmetric, but <Ax, y> and <x, Ay> differ"));
    }
    if word == Structure::Definite && n > 0 && dot(&image, &x) <= 0.0 {
        return Err(Error::input("the operator is declared positive definite, but <Ax, x> is not positive"));
    }
    // A symmetric A whose rows all sum to zero within rounding: one component, whose null vector is 1.
    let sums = product(a, &vec![1.0; n])?;
    let closed = word != Structure::General && n > 0 && sums.iter().all(|s| s.abs() <= 16.0 * f64::EPSILON * norm);
    Ok(Facts {
        norms: Norms { exponent: e, scaled_norm: ldexp(norm, -e) },
        looks_symmetric,
        null_components: if closed { (vec![0; n], 1) } else { (vec![], 0) },
        ..unprobed
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{RowFunction, gallery};

    #[test]
    fn estimates_the_norm_from_below() {
        let a = gallery::poisson2d(12);
        let operator = RowFunction::new(144, 144, move |i, x| {
            let (columns, values) = a.row(i);
            columns.iter().zip(values).map(|(&j, v)| v * x[j as usize]).sum()
        });
        let facts = probe(&operator).unwrap();
        let found = ldexp(facts.norms.scaled_norm, facts.norms.exponent);
        let truth = 4.0 * (1.0 + (std::f64::consts::PI / 13.0).cos());
        assert!(found <= truth && found > 0.8 * truth, "{found} of {truth}");
        assert!(facts.looks_symmetric && !facts.symmetric());
    }

    #[test]
    fn a_word_is_checked() {
        let shift = |i: usize, x: &[f64]| x[(i + 1) % 9];
        let message = |e: Result<Facts>| e.unwrap_err().to_string();
        assert!(message(probe(&RowFunction::new(9, 9, shift).symmetric())).contains("symmetric"));
        let negative = |i: usize, x: &[f64]| -x[i];
        assert!(message(probe(&RowFunction::new(9, 9, negative).definite())).contains("positive definite"));
        let broken = |i: usize, x: &[f64]| if i == 4 { f64::NAN } else { x[i] };
        assert!(message(probe(&RowFunction::new(9, 9, broken))).contains("row 4"));
    }

    #[test]
    fn constants_in_the_null_space_are_found() {
        let ring = |i: usize, x: &[f64]| 2.0 * x[i] - x[(i + 1) % 30] - x[(i + 29) % 30];
        assert_eq!(probe(&RowFunction::new(30, 30, ring).symmetric()).unwrap().null_components.1, 1);
        let shifted = |i: usize, x: &[f64]| 2.01 * x[i] - x[(i + 1) % 30] - x[(i + 29) % 30];
        assert_eq!(probe(&RowFunction::new(30, 30, shifted).symmetric()).unwrap().null_components.1, 0);
    }
}
