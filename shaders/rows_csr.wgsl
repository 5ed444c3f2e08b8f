// Row i of a CSR matrix times {{count}} vectors: every entry is read once.

@group(0) @binding({{b}}) var<storage, read> pattern: array<u32>;
@group(0) @binding({{b1}}) var<storage, read> values: array<{{value}}>;

fn row_products(i: u32) -> array<{{value}}, {{count}}> {
    var sums = array<{{value}}, {{count}}>();
    let end = pattern[i + 1u];
    for (var k = pattern[i]; k < end; k += 1u) {
        let value = values[k];
        let column = pattern[P.columns_at + k];
{{add}}    }
    return sums;
}
