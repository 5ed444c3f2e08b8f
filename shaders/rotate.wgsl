// The contribution of one basis panel to V S, for one block of rows, four new columns per pass.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> ledger: array<real>;
@group(0) @binding(3) var<storage, read> v: array<item>;
@group(0) @binding(4) var<storage, read_write> rotated: array<real>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    let last = P.kept - 1u;
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        for (var j = 0u; j < P.kept; j += 4u) {
            // Beyond the last column, the last one is computed again.
            let c0 = P.array_at + j * P.tall + P.first;
            let c1 = P.array_at + min(j + 1u, last) * P.tall + P.first;
            let c2 = P.array_at + min(j + 2u, last) * P.tall + P.first;
            let c3 = P.array_at + min(j + 3u, last) * P.tall + P.first;
            var s = vec4<real>(real(0.0));
            if (P.first > 0u) {
                s = vec4<real>(
                    rotated[j * P.n + i],
                    rotated[min(j + 1u, last) * P.n + i],
                    rotated[min(j + 2u, last) * P.n + i],
                    rotated[min(j + 3u, last) * P.n + i],
                );
            }
            for (var c = 0u; c < P.k; c += 1u) {
                let x = real(v[c * P.stride + P.row + i]);
                s += x * vec4<real>(ledger[c0 + c], ledger[c1 + c], ledger[c2 + c], ledger[c3 + c]);
            }
            rotated[j * P.n + i] = s.x;
            if (j + 1u <= last) {
                rotated[(j + 1u) * P.n + i] = s.y;
            }
            if (j + 2u <= last) {
                rotated[(j + 2u) * P.n + i] = s.z;
            }
            if (j + 3u <= last) {
                rotated[(j + 3u) * P.n + i] = s.w;
            }
        }
    }
}
