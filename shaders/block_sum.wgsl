// Sums over a workgroup, always in the same order: `count` (at most 16) rows of 256 numbers in `tile`. The sum of
// row d is left in tile[d * 256]. Sixteen invocations per row add sixteen numbers each, then one adds their sums:
// two steps where a binary tree has eight, and the loads of a step are independent of one another.

var<workgroup> tile: array<real, {{tile}}>;

fn block_sums(t: u32, count: u32) {
    workgroupBarrier();
    if (t < 16u * count) {
        let at = (t / 16u) * WORKGROUP + t % 16u;
        var sum = tile[at];
        for (var m = 16u; m < WORKGROUP; m += 16u) {
            sum += tile[at + m];
        }
        tile[at] = sum;
    }
    workgroupBarrier();
    if (t < count) {
        let at = t * WORKGROUP;
        var sum = tile[at];
        for (var m = 1u; m < 16u; m += 1u) {
            sum += tile[at + m];
        }
        tile[at] = sum;
    }
    workgroupBarrier();
}
