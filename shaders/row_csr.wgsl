// Row i of a CSR matrix times {{x}}: one invocation a row, entries in order.

@group(0) @binding({{b}}) var<storage, read> pattern: array<u32>;
@group(0) @binding({{b1}}) var<storage, read> values: array<{{value}}>;

fn row_product(i: u32) -> {{value}} {
    var sum = {{value}}(0.0);
    let end = pattern[i + 1u];
    for (var k = pattern[i]; k < end; k += 1u) {
        sum += values[k] * {{x}}[pattern[P.columns_at + k]];
    }
    return sum;
}
