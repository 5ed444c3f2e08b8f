//! Powers of two: exact scaling, norms that neither over- nor underflow.

use super::whole::{Alone, Whole};
use rayon::prelude::*;

/// Entries of a vector from which waking a thread pays off.
pub(crate) const SHARE: usize = 1 << 13;

/// Entries of a vector that are added up before their sums are, on the host and by the CPU backend; cuts between ranks at
/// multiples of it change no bit of a sum.
pub const CHUNK: usize = 1024;

/// v · 2^e, exact but for results outside f64's normal range.
#[must_use]
pub(crate) fn ldexp(v: f64, e: i32) -> f64 {
    // Two or three factors, because 2^e alone can leave the range where the result does not.
    let mut v = v;
    let mut e = e;
    while e != 0 {
        let step = e.clamp(-1000, 1000);
        v *= f64::from_bits(((1023 + i64::from(step)) as u64) << 52);
        e -= step;
    }
    v
}

/// [`ldexp`] by the same e again and again.
pub(crate) fn power(e: i32) -> impl Fn(f64) -> f64 + Copy + Sync + Send {
    let factor = (e.abs() <= 1000).then(|| ldexp(1.0, e));
    move |v| factor.map_or_else(|| ldexp(v, e), |f| v * f)
}

/// The e with 2^e ≤ |v| < 2^(e+1); 0 for 0 and for what is not finite.
#[must_use]
pub(crate) fn exponent(v: f64) -> i32 {
    if v == 0.0 || !v.is_finite() {
        return 0;
    }
    let bits = v.to_bits() >> 52 & 0x7ff;
    if bits == 0 { exponent(v * f64::from_bits((1023u64 + 100) << 52)) - 100 } else { bits as i32 - 1023 }
}

/// max|v_i|, and NaN if any v_i is NaN: `f64::max` would drop it.
#[must_use]
#[inline]
pub(crate) fn largest(v: &[f64]) -> f64 {
    // Matrices have many short rows.
    if v.len() < 8 { v.iter().fold(0.0, |m, x| larger(m, x.abs())) } else { largest_of_many(v) }
}

/// Eight maxima at once, each in one instruction that drops NaN; a sum of |v_i| does not.
fn largest_of_many(v: &[f64]) -> f64 {
    if v.len() >= 4 * SHARE {
        return v.par_chunks(SHARE).map(largest).reduce(|| 0.0, larger);
    }
    let (blocks, rest) = v.as_chunks::<8>();
    let (mut most, mut sum) = ([0.0; 8], [0.0; 8]);
    for block in blocks {
        for l in 0..8 {
            let x = block[l].abs();
            most[l] = if x > most[l] { x } else { most[l] };
            sum[l] += x;
        }
    }
    let all = sum.iter().sum::<f64>();
    if all.is_nan() { all } else { most.into_iter().fold(largest(rest), larger) }
}

/// The larger of two numbers; NaN where either is NaN.
#[must_use]
#[inline]
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

/// The smaller of two numbers; NaN where either is NaN.
#[must_use]
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    if a <= b || a.is_nan() { a } else { b }
}

/// ‖v‖₂; infinite only if the norm or an entry is, NaN if an entry is.
#[must_use]
pub(crate) fn norm2(v: &[f64]) -> f64 {
    norm2_of(v, &Alone)
}

/// ‖v‖₂ of a vector of which this process holds a part.
pub(crate) fn norm2_of(v: &[f64], whole: &dyn Whole) -> f64 {
    let (norm, e) = scaled_norm2(v, whole);
    ldexp(norm, e)
}

/// ‖v‖₂·2^−e and e, the exponent of the largest entry: squares are formed on scaled entries, so that the norm neither
/// overflows nor vanishes. Infinite or NaN only if an entry is.
#[must_use]
pub(crate) fn scaled_norm2(v: &[f64], whole: &dyn Whole) -> (f64, i32) {
    let largest = whole.widest(largest(v));
    if largest == 0.0 || !largest.is_finite() {
        return (largest, 0);
    }
    let e = exponent(largest);
    let small = power(-e);
    let square = |&x: &f64| small(x) * small(x);
    let part = |c: &[f64]| c.iter().map(square).sum::<f64>();
    // Partial sums are added in order, so the number of threads changes no bit.
    let parts: Vec<f64> = if v.len() < 1 << 16 {
        v.chunks(CHUNK).map(part).collect()
    } else {
        v.par_chunks(CHUNK).with_min_len(16).map(part).collect()
    };
    (whole.sum(&parts).sqrt(), e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldexp_reaches_both_ends_of_the_range() {
        assert_eq!(ldexp(1.0, 1023), f64::from_bits(2046 << 52));
        assert_eq!(ldexp(1.5, -1074 + 1), 1.5 * f64::MIN_POSITIVE * 2f64.powi(-51));
        assert_eq!(ldexp(2f64.powi(-900), 1800), 2f64.powi(900));
        assert_eq!(ldexp(3.0, 0), 3.0);
    }

    #[test]
    fn exponent_brackets_the_value() {
        for v in [1.0, 1.999, 2.0, 1e300, 1e-300, 5e-324, -3.0] {
            let e = exponent(v);
            let f = ldexp(v, -e).abs();
            assert!((1.0..2.0).contains(&f), "{v}: 2^{e} leaves {f}");
        }
    }

    #[test]
    fn norms_survive_extreme_entries() {
        assert!((norm2(&[3e200, 4e200]) / 5e200 - 1.0).abs() < 1e-15);
        assert!((norm2(&[3e-200, 4e-200]) / 5e-200 - 1.0).abs() < 1e-15);
        assert!(norm2(&[f64::NAN]).is_nan());
        assert_eq!(norm2(&[]), 0.0);
    }

    #[test]
    fn no_maximum_drops_a_nan() {
        let with = |v: f64, n: usize, at: usize| {
            let mut long = vec![-1.0; n];
            long[at] = v;
            long
        };
        for n in [1, 7, 4 * SHARE + 5] {
            for at in [0, n / 2, n - 1] {
                assert!(largest(&with(f64::NAN, n, at)).is_nan() && norm2(&with(-f64::NAN, n, at)).is_nan());
                assert_eq!(largest(&with(-3.0, n, at)), 3.0);
                assert_eq!(norm2(&with(f64::NEG_INFINITY, n, at)), f64::INFINITY);
            }
        }
        assert!(largest(&[f64::INFINITY, f64::NAN]).is_nan());
        assert_eq!((largest(&[]), largest(&[-0.0, 5e-324])), (0.0, 5e-324));
        assert!(larger(f64::NAN, 1.0).is_nan() && larger(1.0, f64::NAN).is_nan() && larger(2.0, 1.0) == 2.0);
        assert!(smaller(f64::NAN, 1.0).is_nan() && smaller(1.0, f64::NAN).is_nan() && smaller(2.0, 1.0) == 1.0);
    }
}
