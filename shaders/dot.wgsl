// Partial sums of <x, y>, one per workgroup; the next kernel adds them. The plain kernel; ‖x‖² binds x twice.

@group(0) @binding(3) var<storage, read> x: array<item>;
@group(0) @binding(4) var<storage, read> y: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    carry_scalars(t, group.x);
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    var sum = real(0.0);
    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
        sum += real(x[i]) * real(y[i]);
    }
    leave_sum(t, group.x, sum);
}
