//! b − A x row by row in twofold arithmetic, on the host, from the user's own numbers, in a scale in which nothing that
//! counts is lost: neither a b that is nothing beside ‖A‖‖x‖ nor a row that is nothing beside the others.

use crate::host::scale::{SHARE, exponent, larger, largest, ldexp, power};
use crate::host::whole::{Alone, Whole};
use crate::matrix::{Csr, Matrix, operator};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// b − A x, and the largest part of a row that is left.
pub(crate) struct Rows {
    /// (b − A x)·2^−e, for the e that came with it.
    pub(super) residual: Vec<f64>,
    pub(super) componentwise: Option<f64>,
    pub(super) rowwise: Option<f64>,
    pub(super) computed_on: &'static str,
}

/// What an answer can be certified with.
pub(crate) trait Certifying {
    /// b − A x in powers of two of its own, x ≠ 0; max|a_ij| is about 2^ea.
    fn rows_of(&self, ea: i32, b: &[f64], x: &[f64]) -> (Rows, i32);

    /// How norms of b and x are found.
    fn norms(&self) -> &dyn Whole {
        &Alone
    }
}

/// Powers of two by which ‖A‖‖x‖ may exceed b, or A x, before rows get scales of their own: half of what f64 has.
const FAR: i32 = 500;

/// v·2^by.
pub(super) fn scaled(v: &[f64], by: i32) -> Vec<f64> {
    v.par_iter().with_min_len(SHARE).copied().map(power(by)).collect()
}

impl Certifying for Csr {
    fn rows_of(&self, ea: i32, b: &[f64], x: &[f64]) -> (Rows, i32) {
        residual(self, &Alone, ea, b, x)
    }
}

/// b − A x for rows `a`, of all or of this rank: then x has the entries that they meet.
fn residual(a: &Csr, whole: &dyn Whole, ea: i32, b: &[f64], x: &[f64]) -> (Rows, i32) {
    let sizes = Sizes { b: whole.widest(largest(b)), x: whole.widest(largest(x)) };
    let product = ea + exponent(sizes.x);
    let e = if sizes.b == 0.0 { product } else { exponent(sizes.b) };
    if product - e <= FAR {
        let lost = AtomicBool::new(false);
        let there = |i: usize| {
            let (columns, values) = a.row(i);
            b[i] != 0.0 || columns.iter().zip(values).any(|(&j, &v)| v != 0.0 && x[j as usize] != 0.0)
        };
        let small = |i: usize| lost.store(lost.load(Ordering::Relaxed) || there(i), Ordering::Relaxed);
        let scales = Sizes { b: ldexp(sizes.b, -e), x: ldexp(sizes.x, ea - e) };
        let mut rows = together(a, ea, &scaled(b, -e), &scaled(x, ea - e), &scales, small);
        let seen = sizes.b > 0.0 || whole.widest(largest(&rows.residual)) >= ldexp(1.0, -FAR);
        if !whole.any(lost.into_inner()) && seen {
            rows.meet(whole);
            return (rows, e);
        }
    }
    apart(a, whole, b, x, &sizes)
}

/// The largest entries of all of b and x.
struct Sizes {
    b: f64,
    x: f64,
}

impl Rows {
    /// The worst of all ranks' rows.
    fn meet(&mut self, whole: &dyn Whole) {
        for worst in [&mut self.componentwise, &mut self.rowwise].into_iter().flatten() {
            *worst = whole.widest(*worst);
        }
    }
}

impl Certifying for Matrix {
    fn rows_of(&self, ea: i32, b: &[f64], x: &[f64]) -> (Rows, i32) {
        let a = match self {
            Self::Stored(a) => return a.rows_of(ea, b, x),
            Self::Parted(a) => return residual(&a.local.matrix, a, ea, b, &a.seen(x)),
            Self::Free(a) => a,
        };
        let (largest_b, product) = (largest(b), ea + exponent(largest(x)));
        let eb = exponent(largest_b);
        let e = if largest_b == 0.0 { product } else { eb.max(product - FAR) };
        // Below that b is nothing, and so is what the operator's own product says of it.
        let lost = largest_b > 0.0 && e - eb > FAR;
        // Both x and A x near half of A's exponent, where neither leaves the range.
        let by = exponent(largest(x)) + ea / 2;
        let ax = operator::multiply(&**a, &scaled(x, -by));
        let left = |(b, p): (f64, f64)| if lost { f64::INFINITY } else { b - ldexp(p, by - e) };
        let residual = scaled(b, -e).into_par_iter().zip(ax).map(left).collect();
        let computed_on = "CPU, f64 by the operator's own product on the host";
        (Rows { residual, componentwise: None, rowwise: None, computed_on }, e)
    }

    fn norms(&self) -> &dyn Whole {
        self.whole()
    }
}

/// A·x with the same sums, for the scaled A; max|a_ij| is about 2^ea.
pub(super) fn product(a: &Matrix, ea: i32, x: &[f64]) -> Vec<f64> {
    match a {
        Matrix::Stored(a) => {
            let sizes = Sizes { b: 0.0, x: largest(x) };
            let mut product = together(a, ea, &vec![0.0; a.rows()], x, &sizes, |_| {}).residual;
            product.par_iter_mut().for_each(|v| *v = -*v);
            product
        }
        a => a.multiply(x).into_iter().map(|v| ldexp(v, -ea)).collect(),
    }
}

/// b − (A·2^−ea) x; `small` is called with the rows that are empty or all but lost in this scale.
fn together(a: &Csr, ea: i32, b: &[f64], x: &[f64], sizes: &Sizes, small: impl Fn(usize) + Sync) -> Rows {
    let tiny = ldexp(1.0, -FAR);
    let (scale, widest, seen) = (power(-ea), sizes.x, seen(sizes.b));
    let mut residual = vec![0.0; a.rows()];
    let one = |i: usize, r: &mut f64| {
        let (columns, values) = a.row(i);
        let factors = |k: usize| (-scale(values[k]), x[columns[k] as usize]);
        let sums = sums(b[i], values.len(), factors, seen);
        *r = sums.residual;
        if sums.products + b[i].abs() < tiny {
            small(i);
        }
        [sums.left(sums.products + b[i].abs()), sums.left(sums.first * widest + b[i].abs())]
    };
    let worst = each_row(&mut residual, one);
    finished(residual, worst)
}

/// b − A x where the common scale would lose some of it: every row in its own.
fn apart(a: &Csr, whole: &dyn Whole, b: &[f64], x: &[f64], sizes: &Sizes) -> (Rows, i32) {
    /// Powers of two that a row's sum spans: where b lies further below the products, what is left can't be told from b.
    const SPAN: i32 = 900;
    let (widest, largest_b) = (sizes.x, sizes.b);
    let (ew, eb, seen) = (exponent(widest), exponent(largest_b), seen(largest_b));
    let mut residual = vec![(0.0, 0); a.rows()];
    let one = |i: usize, r: &mut (f64, i32)| {
        let (columns, values) = a.row(i);
        let at = |k: usize| (values[k], x[columns[k] as usize]);
        let sizes = (0..values.len()).map(at).filter(|(v, x)| *v != 0.0 && *x != 0.0);
        let products = sizes.map(|(v, x)| exponent(v) + exponent(x)).max();
        let Some(top) = products.into_iter().chain((b[i] != 0.0).then(|| exponent(b[i]))).max() else {
            return [0.0; 2];
        };
        let factors = |k: usize| {
            let (v, x) = at(k);
            if v == 0.0 { (0.0, 0.0) } else { (-ldexp(v, -exponent(v)), ldexp(x, exponent(v) - top)) }
        };
        let own = ldexp(b[i], -top);
        let sums = sums(own, values.len(), factors, ldexp(seen, -top));
        *r = (sums.residual, top);
        if largest_b > 0.0 && top - eb > SPAN && sums.residual.abs() < ldexp(1.0, -SPAN) {
            *r = (ldexp(largest_b, -eb), eb);
        }
        let ev = exponent(largest(values));
        let entries = values.iter().map(|&v| ldexp(v, -ev).abs()).sum::<f64>() * ldexp(widest, -ew);
        [sums.left(sums.products + own.abs()), sums.left(ldexp(entries, ev + ew - top) + own.abs())]
    };
    let worst = each_row(&mut residual, one);
    let own = residual.iter().filter(|r| r.0 != 0.0).map(|r| r.1 + exponent(r.0)).max();
    let e = whole.widest(own.map_or(f64::NEG_INFINITY, f64::from));
    let e = if e.is_finite() { e as i32 } else { eb };
    let mut rows = finished(residual.into_iter().map(|r| ldexp(r.0, r.1 - e)).collect(), worst);
    rows.meet(whole);
    (rows, e)
}

/// Calls `one` for every row, and the largest of each of what it answers.
fn each_row<R: Send>(residual: &mut [R], one: impl Fn(usize, &mut R) -> [f64; 2] + Sync) -> [f64; 2] {
    /// Rows a task: the maxima of the tasks are put together in no order, and a maximum asks for none.
    const EACH: usize = 512;
    let both = |p: [f64; 2], q: [f64; 2]| [larger(p[0], q[0]), larger(p[1], q[1])];
    let part = |(k, part): (usize, &mut [R])| {
        part.iter_mut().enumerate().map(|(i, r)| one(k * EACH + i, r)).fold([0.0; 2], both)
    };
    residual.par_chunks_mut(EACH).enumerate().map(part).reduce(|| [0.0; 2], both)
}

fn finished(residual: Vec<f64>, [componentwise, rowwise]: [f64; 2]) -> Rows {
    let computed_on = "CPU, f64 with compensated row sums";
    Rows { residual, componentwise: Some(componentwise), rowwise: Some(rowwise), computed_on }
}

/// What a twofold sum may be off by: a rounding of the largest b, or anything where b = 0 and nothing is compared with it.
fn seen(largest_b: f64) -> f64 {
    if largest_b == 0.0 { f64::INFINITY } else { f64::EPSILON * largest_b }
}

/// Sums over one row.
struct Sums {
    /// (b − A x)_i.
    residual: f64,
    /// (|A||x|)_i, and Σ_k |f_k| over the first factors.
    products: f64,
    first: f64,
}

impl Sums {
    /// The residual as a part of `whole`.
    fn left(&self, whole: f64) -> f64 {
        if self.residual == 0.0 { 0.0 } else { self.residual.abs() / whole }
    }
}

/// b + Σ_k f_k g_k over `count` pairs of factors: in twofold arithmetic, or exactly where that may be off by more than
/// `seen`.
fn sums(b: f64, count: usize, factors: impl Fn(usize) -> (f64, f64) + Copy, seen: f64) -> Sums {
    /// What a twofold sum may be off by, as a part of its products times the square of their number.
    const OPEN: f64 = 1.0 / (1u128 << 104) as f64;
    let sums = twofold(b, count, factors);
    let open = OPEN * (count as f64 + 1.0).powi(2);
    // Not a number compares as nothing, and stays.
    if sums.products * open > seen { Sums { residual: exact(b, count, factors), ..sums } } else { sums }
}

fn twofold(b: f64, count: usize, factors: impl Fn(usize) -> (f64, f64)) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has FMA, asked just above.
        return unsafe { twofold_fma(b, count, factors) };
    }
    twofold_plain(b, count, factors)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma")]
fn twofold_fma(b: f64, count: usize, factors: impl Fn(usize) -> (f64, f64)) -> Sums {
    twofold_plain(b, count, factors)
}

#[inline(always)]
fn twofold_plain(b: f64, count: usize, factors: impl Fn(usize) -> (f64, f64)) -> Sums {
    let (mut sum, mut error, mut products, mut first) = (b, 0.0, 0.0, 0.0);
    for (f, g) in (0..count).map(factors) {
        let product = f * g;
        let product_error = f.mul_add(g, -product);
        let total = sum + product;
        let part = total - sum;
        error += (sum - (total - part)) + (product - part) + product_error;
        sum = total;
        products += product.abs();
        first += f.abs();
    }
    Sums { residual: sum + error, products, first }
}

/// The same without rounding but for the last one, by a growing expansion (Shewchuk 1997, doi:10.1007/PL00009321).
fn exact(b: f64, count: usize, factors: impl Fn(usize) -> (f64, f64)) -> f64 {
    let mut parts = vec![];
    let mut add = |mut sum: f64| {
        let mut kept = 0;
        for k in 0..parts.len() {
            let other: f64 = parts[k];
            let total = sum + other;
            let part = total - sum;
            let error = (sum - (total - part)) + (other - part);
            sum = total;
            if error != 0.0 {
                parts[kept] = error;
                kept += 1;
            }
        }
        parts.truncate(kept);
        parts.push(sum);
    };
    add(b);
    for (f, g) in (0..count).map(factors) {
        let product = f * g;
        add(product);
        add(f.mul_add(g, -product));
    }
    parts.iter().sum()
}
