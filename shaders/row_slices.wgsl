// The row at place p of a sliced matrix (SELL-32) times x: slices of 32 rows, as wide as their longest row, stored
// column by column, so that neighbouring invocations read neighbouring entries. Entries in order; padding is zeros.

fn row_product(p: u32) -> {{value}} {
    let slice = p / 32u;
    let first = pattern[slice];
    let width = pattern[slice + 1u] - first;
    let base = base_of(slice);
    var e = first * 32u + p % 32u;
    var sum = {{value}}(0.0);
    var k = 0u;
    // Four at a time, so that their loads overlap.
    for (; k + 4u <= width; k += 4u) {
        let a0 = value(e) * gathered(column(e, base));
        let a1 = value(e + 32u) * gathered(column(e + 32u, base));
        let a2 = value(e + 64u) * gathered(column(e + 64u, base));
        let a3 = value(e + 96u) * gathered(column(e + 96u, base));
        sum = sum + a0 + a1 + a2 + a3;
        e += 128u;
    }
    for (; k < width; k += 1u) {
        sum += value(e) * gathered(column(e, base));
        e += 32u;
    }
    return sum;
}
