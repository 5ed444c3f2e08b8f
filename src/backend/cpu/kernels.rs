//! Loops over one chunk: sums of scaled vectors, dot products, sparse rows.

use super::memory::Real;

/// y = Σ_k a_k x_k.
#[inline(always)]
fn assign<T: Real, const K: usize>(y: &mut [T], a: [T; K], x: [&[T]; K]) {
    let n = y.len();
    let x = x.map(|v| &v[..n]);
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
fn update<T: Real, const K: usize>(y: &mut [T], c: T, a: [T; K], x: [&[T]; K]) {
    let n = y.len();
    let x = x.map(|v| &v[..n]);
    for i in 0..n {
        let mut sum = T::mul(c, y[i]);
        for k in 0..K {
            sum = T::mul_add(a[k], x[k][i], sum);
        }
        y[i] = sum;
    }
}

/// y = own·y + Σ a_k x_k, any number of terms; `own` is `None` where y is not read.
pub(super) fn combine<T: Real>(y: &mut [T], own: Option<T>, terms: &[(T, &[T])]) {
    let mut own = own;
    let mut rest = terms;
    loop {
        let now = rest.len().min(4);
        let (head, tail) = rest.split_at(now);
        let (a, x) = (|k: usize| head[k].0, |k: usize| head[k].1);
        match (own, now) {
            (None, 0) => y.fill(T::default()),
            (None, 1) => assign(y, [a(0)], [x(0)]),
            (None, 2) => assign(y, [a(0), a(1)], [x(0), x(1)]),
            (None, 3) => assign(y, [a(0), a(1), a(2)], [x(0), x(1), x(2)]),
            (None, _) => assign(y, [a(0), a(1), a(2), a(3)], [x(0), x(1), x(2), x(3)]),
            (Some(c), 0) => update(y, c, [], []),
            (Some(c), 1) => update(y, c, [a(0)], [x(0)]),
            (Some(c), 2) => update(y, c, [a(0), a(1)], [x(0), x(1)]),
            (Some(c), 3) => update(y, c, [a(0), a(1), a(2)], [x(0), x(1), x(2)]),
            (Some(c), _) => update(y, c, [a(0), a(1), a(2), a(3)], [x(0), x(1), x(2), x(3)]),
        }
        if tail.is_empty() {
            return;
        }
        own = Some(T::from_f64(1.0));
        rest = tail;
    }
}

/// y = x∘z.
pub(super) fn product<T: Real>(y: &mut [T], x: &[T], z: &[T]) {
    for ((y, &x), &z) in y.iter_mut().zip(x).zip(z) {
        *y = T::mul(x, z);
    }
}

/// y = own·y + c x∘z; `own` is `None` where y is not read.
pub(super) fn add_product<T: Real>(y: &mut [T], own: Option<T>, c: T, x: &[T], z: &[T]) {
    let terms = y.iter_mut().zip(x).zip(z);
    match own {
        None => terms.for_each(|((y, &x), &z)| *y = T::mul(c, T::mul(x, z))),
        Some(own) => terms.for_each(|((y, &x), &z)| *y = T::mul_add(c, T::mul(x, z), T::mul(own, *y))),
    }
}

/// ⟨x, y⟩ in f64, in eight lanes added in a fixed order.
pub(super) fn dot<T: Real, U: Real>(x: &[T], y: &[U]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0f64; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let tail: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a.to_f64() * b.to_f64()).sum();
    for (a, b) in xs.zip(ys) {
        for l in 0..LANES {
            lanes[l] += a[l].to_f64() * b[l].to_f64();
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h)) + tail
}

/// y_i = Σ_k v_k x[c_k] for the rows of one chunk; `offsets` counts from the start of `values`.
///
/// # Safety
/// Every column is below `x.len()`; offsets ascend and end within `values` and `columns`.
pub(super) unsafe fn sparse_rows<T: Real>(y: &mut [T], offsets: &[u32], columns: &[u32], values: &[T], x: &[T]) {
    let offsets = &offsets[..=y.len()];
    let mut start = offsets[0] as usize;
    for (y, &end) in y.iter_mut().zip(&offsets[1..]) {
        let end = end as usize;
        let mut sum = T::default();
        for k in start..end {
            // SAFETY: by the caller's word.
            unsafe {
                let c = *columns.get_unchecked(k) as usize;
                sum = T::mul_add(*values.get_unchecked(k), *x.get_unchecked(c), sum);
            }
        }
        *y = sum;
        start = end;
    }
}
