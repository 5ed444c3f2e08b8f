// Row i times x, for a matrix whose rows follow few patterns: a row stores the id of its pattern, and the pattern the
// offsets column - row, so no columns are read. Values are stored with the pattern, or in slices of 32 rows.

fn row_product(i: u32) -> {{value}} {
    let id = (pattern[P.base_at + i / {{ids}}u] >> ({{bits}}u * (i % {{ids}}u))) & {{mask}}u;
    let first = pattern[P.order_at + id];
    let width = pattern[P.order_at + id + 1u] - first;
    let row = P.first + i;
    let offsets = P.columns_at + first;
    var e = {{slot}};
    var sum = {{value}}(0.0);
    var k = 0u;
    // Four at a time, so that their loads overlap. Offsets are added modulo 2^32.
    for (; k + 4u <= width; k += 4u) {
        let a0 = value(e) * gathered(row + pattern[offsets + k]);
        let a1 = value(e + {{step}}u) * gathered(row + pattern[offsets + k + 1u]);
        let a2 = value(e + 2u * {{step}}u) * gathered(row + pattern[offsets + k + 2u]);
        let a3 = value(e + 3u * {{step}}u) * gathered(row + pattern[offsets + k + 3u]);
        sum = sum + a0 + a1 + a2 + a3;
        e += 4u * {{step}}u;
    }
    for (; k < width; k += 1u) {
        sum += value(e) * gathered(row + pattern[offsets + k]);
        e += {{step}}u;
    }
    return sum;
}
