// Partial sums of <v_j, w> for the columns of one basis panel, eight columns per pass over w.

const GROUPS_MAX: u32 = {{groups_max}}u;

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> v: array<item>;
@group(0) @binding(3) var<storage, read> w: array<item>;
@group(0) @binding(4) var<storage, read_write> partials: array<real>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    for (var j = 0u; j < P.k; j += 8u) {
        // Beyond the last column, the last one is read again and its sum discarded.
        let last = P.k - 1u;
        let c0 = j * P.stride;
        let c1 = min(j + 1u, last) * P.stride;
        let c2 = min(j + 2u, last) * P.stride;
        let c3 = min(j + 3u, last) * P.stride;
        let c4 = min(j + 4u, last) * P.stride;
        let c5 = min(j + 5u, last) * P.stride;
        let c6 = min(j + 6u, last) * P.stride;
        let c7 = min(j + 7u, last) * P.stride;
        var s0 = real(0.0);
        var s1 = real(0.0);
        var s2 = real(0.0);
        var s3 = real(0.0);
        var s4 = real(0.0);
        var s5 = real(0.0);
        var s6 = real(0.0);
        var s7 = real(0.0);
        for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
            let wi = real(w[i]);
            s0 += real(v[c0 + i]) * wi;
            s1 += real(v[c1 + i]) * wi;
            s2 += real(v[c2 + i]) * wi;
            s3 += real(v[c3 + i]) * wi;
            s4 += real(v[c4 + i]) * wi;
            s5 += real(v[c5 + i]) * wi;
            s6 += real(v[c6 + i]) * wi;
            s7 += real(v[c7 + i]) * wi;
        }
        // Four sums at a time: with workgroup memory for eight, fewer workgroups run at once.
        tile[t] = s0;
        tile[t + 256u] = s1;
        tile[t + 512u] = s2;
        tile[t + 768u] = s3;
        block_sums(t, 4u);
        if (t < 4u && j + t < P.k) {
            partials[(P.first + j + t) * GROUPS_MAX + group.x] = tile[t * 256u];
        }
        workgroupBarrier();
        tile[t] = s4;
        tile[t + 256u] = s5;
        tile[t + 512u] = s6;
        tile[t + 768u] = s7;
        block_sums(t, 4u);
        if (t < 4u && j + 4u + t < P.k) {
            partials[(P.first + j + 4u + t) * GROUPS_MAX + group.x] = tile[t * 256u];
        }
        workgroupBarrier();
    }
}
