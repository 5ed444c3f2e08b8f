// w {{sign}}= Σ_j c_j v_j and partial sums of <v_j, w> with the new w, for more columns than registers hold: 256 rows
// at a time, so that the second pass over their columns finds them in cache.

const GROUPS_MAX: u32 = {{groups_max}}u;

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> ledger: array<real>;
@group(0) @binding(3) var<storage, read> v: array<item>;
@group(0) @binding(4) var<storage, read_write> w: array<item>;
@group(0) @binding(5) var<storage, read_write> partials: array<real>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    let own = group.x * WORKGROUP;
    for (var start = own; start < P.n; start += P.groups * WORKGROUP) {
        // Beyond the last row, the last one is read again with weight zero.
        let i = min(start + t, P.n - 1u);
        var wi = real(0.0);
        if (start + t < P.n) {
            let value = w[i] {{sign}} item(combination(i));
            w[i] = value;
            wi = real(value);
        }
        for (var j = 0u; j < P.k; j += 8u) {
            for (var d = 0u; d < 8u; d += 1u) {
                tile[d * WORKGROUP + t] = real(v[min(j + d, P.k - 1u) * P.stride + i]) * wi;
            }
            block_sums(t, 8u);
            if (t < 8u && j + t < P.k) {
                // One invocation owns each sum and adds to it block of rows by block of rows.
                let at = (P.first + j + t) * GROUPS_MAX + group.x;
                var sum = tile[t * WORKGROUP];
                if (start != own) {
                    sum += partials[at];
                }
                partials[at] = sum;
            }
            workgroupBarrier();
        }
    }
}
