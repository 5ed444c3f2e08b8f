// Adds the pieces of the long rows that spmv_blocks.wgsl left, one workgroup per row.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> pattern: array<u32>;
@group(0) @binding(3) var<storage, read> carries: array<real>;
@group(0) @binding(4) var<storage, read_write> y: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    // A long row: its index, and where its sums start; they end where those of the next row start.
    for (var k = group.x; k < P.k; k += P.groups) {
        let at = P.order_at + 2u * k;
        let end = pattern[at + 3u];
        var sum = real(0.0);
        for (var c = pattern[at + 1u] + t; c < end; c += WORKGROUP) {
            sum += carries[c];
        }
        tile[t] = sum;
        block_sums(t, 1u);
        if (t == 0u) {
            y[P.first + pattern[at]] = item(tile[0]);
        }
        workgroupBarrier();
    }
}
