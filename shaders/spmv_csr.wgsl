// y = A x for a panel of rows of a CSR matrix: the plain kernel, and the one for matrices in panels.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(4) var<storage, read> x: array<item>;
@group(0) @binding(5) var<storage, read_write> y: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        y[P.first + i] = row_product(i);
    }
}
