// Copies one block of rows of the rotated columns back into one basis panel.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> rotated: array<real>;
@group(0) @binding(3) var<storage, read_write> v: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        for (var c = 0u; c < P.k; c += 1u) {
            v[c * P.stride + P.row + i] = item(rotated[(P.first + c) * P.n + i]);
        }
    }
}
