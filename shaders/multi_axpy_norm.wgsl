// w {{sign}}= Σ_j c_j v_j and partial sums of ‖w‖², one per workgroup; the next kernel adds them.

@group(0) @binding(3) var<storage, read> ledger: array<real>;
@group(0) @binding(4) var<storage, read> v: array<item>;
@group(0) @binding(5) var<storage, read_write> w: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    carry_scalars(t, group.x);
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    var sum = real(0.0);
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        let wi = w[i] {{sign}} item(combination(i));
        w[i] = wi;
        sum += real(wi) * real(wi);
    }
    leave_sum(t, group.x, sum);
}
