// Row i of a CSR matrix times x: one invocation per row, entries in order.

fn row_product(i: u32) -> {{value}} {
    let base = base_of(i / 32u);
    let end = pattern[i + 1u];
    var sum = {{value}}(0.0);
    for (var e = pattern[i]; e < end; e += 1u) {
        sum += value(e) * gathered(column(e, base));
    }
    return sum;
}
