// u {{sign}}= Σ_j c_j v_j and w {{sign}}= Σ_j d_j v_j over the columns of one basis panel, which is read once for both;
// the d_j stand at P.slot.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> ledger: array<real>;
@group(0) @binding(3) var<storage, read> v: array<item>;
@group(0) @binding(4) var<storage, read_write> u: array<item>;
@group(0) @binding(5) var<storage, read_write> w: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    let c = P.array_at + P.first;
    let d = P.slot + P.first;
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        var first = real(0.0);
        var second = real(0.0);
        var j = 0u;
        // Four at a time, so that their loads overlap.
        for (; j + 4u <= P.k; j += 4u) {
            let v0 = real(v[j * P.stride + i]);
            let v1 = real(v[(j + 1u) * P.stride + i]);
            let v2 = real(v[(j + 2u) * P.stride + i]);
            let v3 = real(v[(j + 3u) * P.stride + i]);
            first += ledger[c + j] * v0 + ledger[c + j + 1u] * v1 + ledger[c + j + 2u] * v2 + ledger[c + j + 3u] * v3;
            second += ledger[d + j] * v0 + ledger[d + j + 1u] * v1 + ledger[d + j + 2u] * v2 + ledger[d + j + 3u] * v3;
        }
        for (; j < P.k; j += 1u) {
            let vj = real(v[j * P.stride + i]);
            first += ledger[c + j] * vj;
            second += ledger[d + j] * vj;
        }
        u[i] {{sign}}= item(first);
        w[i] {{sign}}= item(second);
    }
}
