// Exact sums and products of pairs of f32. The host compares them with f64 to see whether this adapter's compiler
// preserves double-single arithmetic.
@group(0) @binding(1) var<storage, read> pairs: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> results: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32) {
    for (var i = t; i < P.n; i += WORKGROUP) {
        let a = pairs[i].x;
        let b = pairs[i].y;
        results[i] = vec4<f32>(two_sum(a, b), two_product(a, b));
    }
}
