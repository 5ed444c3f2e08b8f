//! Loops over one chunk of vectors: sums of scaled vectors, products of entries, dot products.
//!
//! Everything here is `inline(always)`, so that a sweep compiled for AVX2 gets its loops in AVX2. Products
//! and sums are rounded one by one (no fused multiply-add) and in a fixed order: the bits are the
//! same on every processor.

use super::memory::Real;

/// Most terms in one pass over y.
pub(super) const TERMS: usize = 8;

/// y = Σ_k a_k x_k.
#[inline(always)]
fn assign<T: Real, const K: usize>(y: &mut [T], terms: &[(T, &[T])]) {
    let n = y.len();
    let x: [&[T]; K] = std::array::from_fn(|k| &terms[k].1[..n]);
    let a: [T; K] = std::array::from_fn(|k| terms[k].0);
    for i in 0..n {
        let mut sum = T::mul(a[0], x[0][i]);
        for k in 1..K {
            sum = T::mul_add(a[k], x[k][i], sum);
        }
        y[i] = sum;
    }
}

/// y = c y + Σ_k a_k x_k.
#[inline(always)]
fn update<T: Real, const K: usize>(y: &mut [T], c: T, terms: &[(T, &[T])]) {
    let n = y.len();
    let x: [&[T]; K] = std::array::from_fn(|k| &terms[k].1[..n]);
    let a: [T; K] = std::array::from_fn(|k| terms[k].0);
    for i in 0..n {
        let mut sum = T::mul(c, y[i]);
        for k in 0..K {
            sum = T::mul_add(a[k], x[k][i], sum);
        }
        y[i] = sum;
    }
}

/// y = own·y + Σ a_k x_k, at most [`TERMS`] terms; `own` is `None` if y is not read.
#[inline(always)]
pub(super) fn combine<T: Real>(y: &mut [T], own: Option<T>, terms: &[(T, &[T])]) {
    match (own, terms.len()) {
        (None, 0) => y.fill(T::default()),
        (None, 1) => assign::<T, 1>(y, terms),
        (None, 2) => assign::<T, 2>(y, terms),
        (None, 3) => assign::<T, 3>(y, terms),
        (None, 4) => assign::<T, 4>(y, terms),
        (None, _) => {
            let (head, tail) = terms.split_at(4);
            assign::<T, 4>(y, head);
            combine_into(y, T::from_f64(1.0), tail);
        }
        (Some(c), _) => combine_into(y, c, terms),
    }
}

#[inline(always)]
fn combine_into<T: Real>(y: &mut [T], c: T, terms: &[(T, &[T])]) {
    match terms.len() {
        0 => update::<T, 0>(y, c, terms),
        1 => update::<T, 1>(y, c, terms),
        2 => update::<T, 2>(y, c, terms),
        3 => update::<T, 3>(y, c, terms),
        4 => update::<T, 4>(y, c, terms),
        5 => update::<T, 5>(y, c, terms),
        6 => update::<T, 6>(y, c, terms),
        7 => update::<T, 7>(y, c, terms),
        8 => update::<T, 8>(y, c, terms),
        n => unreachable!("{n} terms in one pass"),
    }
}

/// y_l += Σ_k a_lk x_k for two vectors, K terms: every x is loaded once. The sums are those of [`combine`].
#[inline(always)]
pub(super) fn update_pair<T: Real, const K: usize>(y: [&mut [T]; 2], a: [[T; K]; 2], x: [&[T]; K]) {
    let [y, z] = y;
    let n = y.len();
    let (z, x) = (&mut z[..n], x.map(|x| &x[..n]));
    for i in 0..n {
        let (mut sum, mut other) = (y[i], z[i]);
        for k in 0..K {
            sum = T::mul_add(a[0][k], x[k][i], sum);
            other = T::mul_add(a[1][k], x[k][i], other);
        }
        (y[i], z[i]) = (sum, other);
    }
}

/// y = c·x∘z, or y += c·x∘z with `add`.
#[inline(always)]
pub(super) fn product<T: Real>(y: &mut [T], add: bool, c: T, x: &[T], z: &[T]) {
    let n = y.len();
    let (x, z) = (&x[..n], &z[..n]);
    if add {
        for i in 0..n {
            y[i] = T::mul_add(c, T::mul(x[i], z[i]), y[i]);
        }
    } else {
        for i in 0..n {
            y[i] = T::mul(c, T::mul(x[i], z[i]));
        }
    }
}

/// Partial sums of a dot product.
const LANES: usize = 8;

/// ⟨x_k, y⟩ for K vectors at once, in f64: eight lanes each, added in a fixed order.
#[inline(always)]
pub(super) fn dots<T: Real, U: Real, const K: usize>(x: [&[T]; K], y: &[U]) -> [f64; K] {
    let n = y.len();
    let (blocks, rest) = y.as_chunks::<LANES>();
    let x = x.map(|v| v[..n].as_chunks::<LANES>());
    let mut lanes = [[0.0f64; LANES]; K];
    for (i, y) in blocks.iter().enumerate() {
        // Widened once for all vectors, in blocks of constant length: else the conversions are not vectorised.
        let y = y.map(U::to_f64);
        for k in 0..K {
            let x = x[k].0[i].map(T::to_f64);
            for l in 0..LANES {
                lanes[k][l] += x[l] * y[l];
            }
        }
    }
    // Hides the order of the last sums, for which the compiler would pair lanes and shuffle them at every step.
    let lanes = std::hint::black_box(lanes);
    std::array::from_fn(|k| {
        let tail: f64 = x[k].1.iter().zip(rest).map(|(x, y)| x.to_f64() * y.to_f64()).sum();
        added(lanes[k]) + tail
    })
}

/// ⟨x_k, y_l⟩ for K vectors x and two vectors y, each x loaded once; the bits are those of [`dots`].
#[inline(always)]
pub(super) fn dots_pair<T: Real, const K: usize>(x: [&[T]; K], y: [&[T]; 2]) -> [[f64; K]; 2] {
    let n = y[0].len();
    let x = x.map(|v| v[..n].as_chunks::<LANES>());
    let y = y.map(|v| v[..n].as_chunks::<LANES>());
    let mut lanes = [[[0.0f64; LANES]; K]; 2];
    for (i, (a, b)) in y[0].0.iter().zip(y[1].0).enumerate() {
        let (a, b) = (a.map(T::to_f64), b.map(T::to_f64));
        for k in 0..K {
            let x = x[k].0[i].map(T::to_f64);
            for l in 0..LANES {
                lanes[0][k][l] += x[l] * a[l];
                lanes[1][k][l] += x[l] * b[l];
            }
        }
    }
    let lanes = std::hint::black_box(lanes);
    std::array::from_fn(|p| {
        std::array::from_fn(|k| {
            let tail: f64 = x[k].1.iter().zip(y[p].1).map(|(x, y)| x.to_f64() * y.to_f64()).sum();
            added(lanes[p][k]) + tail
        })
    })
}

#[inline(always)]
fn added([a, b, c, d, e, f, g, h]: [f64; LANES]) -> f64 {
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
