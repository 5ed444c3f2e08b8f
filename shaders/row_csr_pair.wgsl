// Row i of a CSR matrix times {{x}} in double-single: for residuals on adapters without f64.
@group(0) @binding({{b}}) var<storage, read> pattern: array<u32>;
@group(0) @binding({{b1}}) var<storage, read> values: array<vec2<f32>>;
fn row_product(i: u32) -> vec2<f32> {
    var sum = vec2<f32>(0.0, 0.0);
    let end = pattern[i + 1u];
    for (var k = pattern[i]; k < end; k += 1u) {
        sum = pair_add(sum, pair_multiply(values[k], {{x}}[pattern[P.columns_at + k]]));
    }
    return sum;
}
