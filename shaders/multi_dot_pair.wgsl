// Partial sums of <v_j, u> and <v_j, w> for the columns of one basis panel, {{columns}} columns per pass: V is read once
// for both vectors. The sums with w stand P.slot rows behind those with u.

const GROUPS_MAX: u32 = {{groups_max}}u;

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> v: array<item>;
@group(0) @binding(3) var<storage, read> u: array<item>;
@group(0) @binding(4) var<storage, read> w: array<item>;
@group(0) @binding(5) var<storage, read_write> partials: array<real>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    let last = P.k - 1u;
    for (var j = 0u; j < P.k; j += {{columns}}u) {
        // Beyond the last column, the last one is read again and its sums discarded.
{{places_of_two}}        for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
            let ui = real(u[i]);
            let wi = real(w[i]);
{{products_of_two}}        }
{{leave_two}}    }
}
