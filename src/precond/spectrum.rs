//! Bounds on the spectrum of D⁻¹A, for polynomials and for smoothing.

use crate::error::Result;
use crate::host::halt::Halt;
use crate::host::random::Random;
use crate::host::scale::{exponent, larger, largest as largest_of, ldexp, power, smaller};
use crate::host::whole::Whole;
use crate::matrix::{Csr, Matrix};
use rayon::prelude::*;

/// Rows per partial sum: fixed, so that the bits don't depend on the number of threads.
const BLOCK: usize = 4096;

/// The sum of `f` over the blocks of w and x.
fn sum(w: &mut [f64], x: &[f64], whole: &dyn Whole, f: impl Fn(&mut [f64], &[f64]) -> f64 + Sync) -> f64 {
    let blocks = w.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    whole.sum(&blocks.map(|(w, x)| f(w, x)).collect::<Vec<f64>>())
}

/// max_i Σ_j |d_i a_ij| ≥ ρ(DA) (Gershgorin); `inverse` is D.
pub(super) fn gershgorin(a: &Csr, inverse: &[f64]) -> f64 {
    let sums: Vec<f64> = (0..a.rows())
        .into_par_iter()
        .with_min_len(1024)
        .map(|i| inverse[i].abs() * a.row(i).1.iter().map(|v| v.abs()).sum::<f64>())
        .collect();
    sums.into_iter().fold(0.0, larger)
}

/// The tridiagonal matrix of `steps` of Lanczos' process on D^½AD^½ from a fixed random vector; it ends early if
/// the space is invariant to 10⁻¹² of `bound`, a bound on the spectrum, or of the size seen so far, and if the matrix
/// is `enough`. Cost: `steps` products.
fn lanczos(
    a: &Matrix,
    inverse: &[f64],
    bound: f64,
    steps: usize,
    enough: impl Fn(&[f64], &[f64]) -> bool,
    halt: &Halt,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, whole) = (inverse.len(), a.whole());
    // Roots of D in units of its own, 2^e, so that scaling A by a power of two changes no bit.
    let e = exponent(whole.widest(largest_of(inverse)));
    let small = power(-e);
    let root: Vec<f64> = inverse.par_iter().with_min_len(BLOCK).map(|&d| small(d).sqrt()).collect();
    // The next v, not yet normalised.
    let mut w = Random::new(0x5eed).after(whole.first()).vector(n);
    let mut norm = sum(&mut w, &root, whole, |w, _| w.iter().map(|w| w * w).sum()).sqrt();
    let (mut v, mut before, mut scaled) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let (mut alpha, mut beta): (Vec<f64>, Vec<f64>) = (vec![], vec![]);
    for _ in 0..steps.min(whole.count(n)) {
        halt.check()?;
        std::mem::swap(&mut before, &mut v);
        let next = v.par_chunks_mut(BLOCK).zip(scaled.par_chunks_mut(BLOCK));
        next.zip(w.par_chunks(BLOCK).zip(root.par_chunks(BLOCK))).for_each(|((v, scaled), (w, root))| {
            v.iter_mut().zip(w).for_each(|(v, w)| *v = w / norm);
            scaled.iter_mut().zip(v).zip(root).for_each(|((s, v), r)| *s = *v * r);
        });
        w = a.multiply(&scaled);
        let last = beta.last().map_or(0.0, |&b| ldexp(b, -e));
        let rows = w.par_iter_mut().with_min_len(BLOCK).zip(&root).zip(&before);
        rows.for_each(|((w, r), b)| *w = *w * r - last * b);
        let c = sum(&mut w, &v, whole, |w, v| w.iter().zip(v).map(|(w, v)| w * v).sum());
        norm = sum(&mut w, &v, whole, |w, v| {
            w.iter_mut().zip(v).for_each(|(w, v)| *w -= c * v);
            w.iter().map(|w| w * w).sum()
        });
        norm = norm.sqrt();
        alpha.push(ldexp(c, e));
        let next = ldexp(norm, e);
        if next.is_nan() || next <= 1e-12 * smaller(bound, larger(alpha[0].abs(), next)) || enough(&alpha, &beta) {
            break;
        }
        beta.push(next);
    }
    Ok((alpha, beta))
}

/// An estimate of λmax(DA), never above Gershgorin's bound: `steps` of Lanczos' process, plus 5 %. For A not
/// symmetric, or D not positive, the bound itself; that is infinite for an operator.
///
/// # Errors
/// Where `halt` calls.
pub(super) fn largest(a: &Matrix, inverse: &[f64], symmetric: bool, steps: usize, halt: &Halt) -> Result<f64> {
    let bound = a.stored_rows().map_or(f64::INFINITY, |rows| a.whole().widest(gershgorin(rows, inverse)));
    let known = a.stored_rows().is_some();
    if known && (!symmetric || a.all_rows() < 2 || !bound.is_finite()) {
        return Ok(bound);
    }
    estimate(a, inverse, bound, steps, halt)
}

/// For symmetric A; `bound` where D is not positive.
fn estimate(a: &Matrix, inverse: &[f64], bound: f64, steps: usize, halt: &Halt) -> Result<f64> {
    if a.all_rows() == 0 || a.whole().any(inverse.iter().any(|&d| d <= 0.0)) {
        return Ok(bound);
    }
    let safe = |alpha: &[f64], beta: &[f64]| 1.05 * largest_of_tridiagonal(alpha, beta);
    let (alpha, beta) = lanczos(a, inverse, bound, steps, |alpha, beta| safe(alpha, beta) >= bound, halt)?;
    let found = safe(&alpha, &beta);
    Ok(if found > 0.0 && found.is_finite() { smaller(found, bound) } else { bound })
}

/// The largest eigenvalue of the symmetric tridiagonal matrix, by bisection on Sturm's count.
fn largest_of_tridiagonal(alpha: &[f64], beta: &[f64]) -> f64 {
    let k = alpha.len();
    let off = |i: usize| beta.get(i).copied().filter(|_| i + 1 < k).unwrap_or(0.0).abs();
    let radius = |i: usize| off(i) + if i > 0 { off(i - 1) } else { 0.0 };
    let mut high = (0..k).map(|i| alpha[i] + radius(i)).fold(f64::MIN, f64::max);
    let mut low = (0..k).map(|i| alpha[i] - radius(i)).fold(f64::MAX, f64::min);
    for _ in 0..60 {
        let mid = 0.5 * (low + high);
        // Every pivot of T − mid I negative: no eigenvalue at or above mid.
        let mut pivot = alpha[0] - mid;
        let mut below = pivot < 0.0;
        for i in 1..k {
            pivot = alpha[i] - mid - off(i - 1).powi(2) / pivot;
            below &= pivot < 0.0;
        }
        if below { high = mid } else { low = mid }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn close_to_the_truth_and_below_the_bound() {
        for a in [gallery::poisson2d(30), gallery::poisson3d(9), gallery::random_spd(500, 9, 1)] {
            let inverse: Vec<f64> = a.diagonal().iter().map(|d| 1.0 / d).collect();
            let estimate = largest(&a.clone().into(), &inverse, true, 10, &Halt::default()).unwrap();
            // The truth, by many steps.
            let truth = largest(&a.clone().into(), &inverse, true, 300, &Halt::default()).unwrap() / 1.05;
            assert!(estimate <= gershgorin(&a, &inverse) && estimate > 0.95 * truth, "{estimate} {truth}");
        }
        assert_eq!(largest(&gallery::diagonal(&[2.0]).into(), &[0.5], true, 5, &Halt::default()).unwrap(), 1.0);
    }
}
