// The sum of one number an invocation, by a tree in workgroup memory: always in the same order.

var<workgroup> tile: array<real, 256>;

fn block_sum(t: u32, mine: real) -> real {
    tile[t] = mine;
    workgroupBarrier();
    for (var w = WORKGROUP / 2u; w > 0u; w /= 2u) {
        if (t < w) {
            tile[t] += tile[t + w];
        }
        workgroupBarrier();
    }
    return tile[0];
}
