// y = A x for a panel of rows in blocks of at most 1024 entries: whole rows, or a piece of a longer row. A workgroup
// first multiplies all entries of its block, balanced whatever the row lengths, then adds them up row by row. The
// sum of a piece goes to spmv_pieces.wgsl, which adds the pieces of each row in order.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(4) var<storage, {{access}}> x: array<item>;
@group(0) @binding(5) var<storage, read_write> y: array<item>;
@group(0) @binding(6) var<storage, read_write> carries: array<real>;

var<workgroup> products: array<item, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    // A block: first row, number of whole rows (0 for a piece), first entry, and lanes per row or a piece's place.
    for (var block = group.x; block < P.k; block += P.groups) {
        let at = P.order_at + 4u * block;
        let row = pattern[at];
        let rows = pattern[at + 1u];
        let first = pattern[at + 2u];
        let end = pattern[at + 6u];
        for (var e = first + t; e < end; e += WORKGROUP) {
            products[e - first] = value(e) * gathered(column(e, 0u));
        }
        workgroupBarrier();
        if (rows == 0u) {
            var sum = real(0.0);
            for (var e = t; e < end - first; e += WORKGROUP) {
                sum += real(products[e]);
            }
            tile[t] = sum;
            block_sums(t, 1u);
            if (t == 0u) {
                carries[pattern[at + 3u]] = tile[0];
            }
        } else {
            let lanes = pattern[at + 3u];
            // There is more than one pass only if each row has a single lane.
            for (var pass_rows = 0u; pass_rows < rows; pass_rows += WORKGROUP / lanes) {
                let r = pass_rows + t / lanes;
                var sum = real(0.0);
                if (r < rows) {
                    let stop = pattern[row + r + 1u] - first;
                    for (var e = pattern[row + r] - first + t % lanes; e < stop; e += lanes) {
                        sum += real(products[e]);
                    }
                }
                tile[t] = sum;
                workgroupBarrier();
                if (r < rows && t % lanes == 0u) {
                    for (var m = 1u; m < lanes; m += 1u) {
                        sum += tile[t + m];
                    }
                    y[P.first + row + r] = item(sum);
                }
                workgroupBarrier();
            }
        }
        workgroupBarrier();
    }
}
