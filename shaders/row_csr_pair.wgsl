// Row i of a CSR matrix times x in double-single: for residuals on adapters without f64.

fn row_product(i: u32) -> vec2<f32> {
    var sum = vec2<f32>(0.0, 0.0);
    let end = pattern[i + 1u];
    for (var e = pattern[i]; e < end; e += 1u) {
        sum = pair_add(sum, pair_multiply(value(e), gathered(column(e, 0u))));
    }
    return sum;
}
