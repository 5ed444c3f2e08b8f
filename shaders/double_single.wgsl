// Double-single numbers: hi + lo, two f32 of some 49 bits (Dekker 1971, doi:10.1007/BF01397083). Prepended to kernels
// with such vectors. Every intermediate passes through `keep`, whose bit operation no compiler can see through: it
// could otherwise simplify (a + b) - a, or contract operations.
fn keep(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ P.zero);
}

// a + b and its rounding error.
fn two_sum(a: f32, b: f32) -> vec2<f32> {
    let s = keep(a + b);
    let part = keep(s - a);
    return vec2<f32>(s, keep(keep(a - keep(s - part)) + keep(b - part)));
}

// The same for |a| >= |b|.
fn quick_two_sum(a: f32, b: f32) -> vec2<f32> {
    let s = keep(a + b);
    return vec2<f32>(s, keep(b - keep(s - a)));
}

// The upper 12 bits of the significand: products of two such halves are exact.
fn upper(a: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
}

// a b and its rounding error.
fn two_product(a: f32, b: f32) -> vec2<f32> {
    let p = keep(a * b);
    let a1 = upper(a);
    let b1 = upper(b);
    let a2 = keep(a - a1);
    let b2 = keep(b - b1);
    let e = keep(keep(keep(keep(a1 * b1) - p) + keep(a1 * b2)) + keep(a2 * b1));
    return vec2<f32>(p, keep(e + keep(a2 * b2)));
}

fn pair_add(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    let s = two_sum(a.x, b.x);
    let t = two_sum(a.y, b.y);
    let u = quick_two_sum(s.x, keep(s.y + t.x));
    return quick_two_sum(u.x, keep(u.y + t.y));
}

fn pair_multiply(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    let p = two_product(a.x, b.x);
    return quick_two_sum(p.x, keep(p.y + keep(keep(a.x * b.y) + keep(a.y * b.x))));
}
