//! Proof that no x solves A x = b, where a solve has failed: a left null vector of A, and the part of b along it.
//!
//! For every w and x, |wᵀb| ≤ ‖w‖‖b − A x‖ + ‖Aᵀw‖‖x‖. So a w with Aᵀw ≈ 0 bounds the residual of all x from below by
//! |wᵀb|/‖w‖, whatever method looks for it. It is found by inverse iteration from b with complete factors of C + δI, where
//! C is A with rows and columns scaled alike and δ a few units of rounding of ‖C‖: a matrix that is nonsingular to working
//! precision has no w with ‖Cᵀw‖ as small as that.
//!
//! Cost: a complete factorisation, counted first and done only where it takes a second at most.

use crate::analyse::certify::Norms;
use crate::analyse::direct::{self, Direct};
use crate::host::halt::Halt;
use crate::host::scale::{exponent, largest, ldexp, norm2};
use crate::matrix::equilibrate::scales;
use crate::matrix::{Csr, Triplets};

/// Multiplications that a factorisation may take.
const EFFORT: f64 = 1e9;

/// δ/‖C‖, and the largest ‖Cᵀw‖/(‖C‖‖w‖) of a null vector.
const SHIFT: f64 = 16.0 * f64::EPSILON;
const NULL: f64 = 4.0 * SHIFT;

/// Steps of inverse iteration: each leaves a part of δ/σ of what belongs to another singular value σ.
const STEPS: usize = 3;

/// The largest |wᵀb|/(‖w‖‖b‖) that was found: no x has a smaller ‖b − A x‖/‖b‖, but for rounding. `size` is ‖x‖ of an x that
/// is no better than those that are of interest. `None` where nothing is proved, or to prove it would take too long.
pub(super) fn unreachable(a: &Csr, b: &[f64], size: f64) -> Option<f64> {
    let n = a.rows();
    let (biggest, whole) = (largest(a.values()), largest(b));
    if a.cols() != n || biggest == 0.0 || whole == 0.0 || !whole.is_finite() {
        return None;
    }
    let (e, eb) = (exponent(biggest), exponent(whole));
    let scales = scales(a, e, a.first_asymmetry(0.0).is_none(), &Halt::default()).ok()?;
    let scaled = |i: usize, j: usize, v: f64| ldexp(v, scales.rows[i] + scales.columns[j] - e);
    // Cᵀ + δI, and C for the test.
    let delta = SHIFT * {
        let all: Vec<u32> = (0..n as u32).collect();
        let norms = Norms::of(&a.rebuilt(&all, &all, scaled));
        ldexp(norms.scaled_norm, norms.exponent)
    };
    let mut t = Triplets::new(n, n).ok()?;
    for i in 0..n {
        let (columns, values) = a.row(i);
        for (&j, &v) in columns.iter().zip(values) {
            t.push(j as usize, i, scaled(i, j as usize, v)).ok()?;
        }
        t.push(i, i, delta).ok()?;
    }
    let lifted = t.to_csr().ok()?;
    if direct::cost(&lifted).operations > EFFORT {
        return None;
    }
    let symmetric = lifted.first_asymmetry(0.0).is_none();
    let factors = Direct::new(&lifted, symmetric, false, false).ok()?;
    // D_r b, of which w keeps what lies along left null vectors.
    let small: Vec<f64> = b.iter().map(|&v| ldexp(v, -eb)).collect();
    let mut w: Vec<f64> = small.iter().zip(&scales.rows).map(|(&v, &s)| ldexp(v, s)).collect();
    for _ in 0..STEPS {
        let norm = norm2(&w);
        if norm == 0.0 || !norm.is_finite() {
            return None;
        }
        w.iter_mut().for_each(|w| *w /= norm);
        w = factors.solve(&w)?.0;
    }
    let norm = norm2(&w);
    // (Cᵀ + δI) w, less δ w.
    let product = lifted.multiply(&w);
    let left: Vec<f64> = product.iter().zip(&w).map(|(p, w)| p - delta * w).collect();
    if norm2(&left) > NULL / SHIFT * delta * norm {
        return None;
    }
    // A's own null vector is D_r w.
    let own: Vec<f64> = w.iter().zip(&scales.rows).map(|(&w, &s)| ldexp(w, s)).collect();
    let gradient: Vec<f64> = left.iter().zip(&scales.columns).map(|(&g, &s)| ldexp(g, -s)).collect();
    let (own_norm, b_norm) = (norm2(&own), norm2(&small));
    let along: f64 = own.iter().zip(&small).map(|(w, b)| w * b).sum::<f64>().abs();
    // What ‖Aᵀw‖‖x‖ may take of it, in the units of `small`.
    let es = exponent(size);
    let slack = ldexp(norm2(&gradient) * ldexp(size, -es), e - eb + es);
    let part = along / own_norm / b_norm;
    (2.0 * slack <= along && part.is_finite()).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;
    use crate::matrix::gallery;

    fn of(n: usize, entries: impl IntoIterator<Item = (usize, usize, f64)>) -> Csr {
        let mut t = Triplets::new(n, n).unwrap();
        entries.into_iter().for_each(|(i, j, v)| t.push(i, j, v).unwrap());
        t.to_csr().unwrap()
    }

    #[test]
    fn the_part_of_b_along_a_left_null_vector_is_found_in_any_units() {
        // I − P of a walk on a path that steps right with 0.7; Aᵀw = 0 for w_i = (7/3)^i.
        let n = 12;
        let (right, left) = (0.7, 0.3);
        let walk = of(
            n,
            (0..n).flat_map(|i| {
                let (up, down) = (if i + 1 < n { right } else { 0.0 }, if i > 0 { left } else { 0.0 });
                [(i, i, up + down), (i, (i + 1).min(n - 1), -up), (i, i.saturating_sub(1), -down)]
            }),
        );
        let w: Vec<f64> = (0..n).map(|i| (right / left).powi(i as i32)).collect();
        assert!(norm2(&walk.transpose().multiply(&w)) < 1e-12 * norm2(&w));
        let b = Random::new(4).vector(n);
        let exact = w.iter().zip(&b).map(|(w, b)| w * b).sum::<f64>().abs() / norm2(&w) / norm2(&b);
        for scale in [1.0, 1e200, 1e-200] {
            let mut a = walk.clone();
            a.set_values(walk.values().iter().map(|v| v * scale).collect()).unwrap();
            for unit in [1.0, 1e-150, 1e150] {
                let b: Vec<f64> = b.iter().map(|b| b * unit).collect();
                let part = unreachable(&a, &b, 0.0).unwrap();
                assert!((part / exact - 1.0).abs() < 1e-10, "{scale:e} {unit:e}: {part} {exact}");
            }
        }
        // An x so large that rounding of A could reach b with it proves nothing.
        assert_eq!(unreachable(&walk, &b, 1e16), None);
    }

    #[test]
    fn nothing_is_proved_of_nonsingular_matrices() {
        let graded = of(40, (0..40).flat_map(|i| [(i, i, 10f64.powi(-(i as i32) / 3)), (i, (i + 1) % 40, 1e-3)]));
        for a in [gallery::poisson2d(12), gallery::convection_diffusion2d(12, [3.0, 0.2]), graded] {
            assert_eq!(unreachable(&a, &Random::new(1).vector(a.rows()), 1.0), None);
        }
    }
}
