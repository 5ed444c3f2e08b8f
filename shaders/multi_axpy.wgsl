// w {{sign}}= Σ_j c_j v_j over the columns of one basis panel.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> ledger: array<real>;
@group(0) @binding(3) var<storage, read> v: array<item>;
@group(0) @binding(4) var<storage, read_write> w: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        w[i] {{sign}}= item(combination(i));
    }
}
