// w {{sign}}= Σ_j c_j v_j and partial sums of ‖w‖², one a workgroup; the next kernel adds them.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read_write> state_out: array<real>;
@group(0) @binding(3) var<storage, read> ledger: array<real>;
@group(0) @binding(4) var<storage, read> v: array<item>;
@group(0) @binding(5) var<storage, read_write> w: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    // P.slot is where the partial sums start: all before it is scalars, to be carried over.
    if (group.x == 0u) {
        for (var i = t; i < P.slot; i += WORKGROUP) {
            state_out[i] = state_in[i];
        }
    }
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    var sum = real(0.0);
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        let wi = w[i] {{sign}} item(combination(i));
        w[i] = wi;
        sum += real(wi) * real(wi);
    }
    tile[t] = sum;
    block_sums(t, 1u);
    if (t == 0u) {
        state_out[P.slot + group.x] = tile[0];
    }
}
