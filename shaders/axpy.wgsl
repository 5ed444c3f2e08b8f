// y += a x, the plain kernel; a is a scalar of the state.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> x: array<item>;
@group(0) @binding(3) var<storage, read_write> y: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    let a = item(state_in[P.slot]);
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        y[i] += a * x[i];
    }
}
