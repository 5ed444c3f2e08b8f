// w {{sign}}= Σ_j c_j v_j and partial sums of <v_j, w> with the new w, for at most {{columns}} columns: a row of V
// stays in registers between the two, so that V is read once and no invocation waits for another before the end.

const GROUPS_MAX: u32 = {{groups_max}}u;

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> ledger: array<real>;
@group(0) @binding(3) var<storage, read> v: array<item>;
@group(0) @binding(4) var<storage, read_write> w: array<item>;
@group(0) @binding(5) var<storage, read_write> partials: array<real>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    let c = P.array_at + P.first;
    let last = P.k - 1u;
    let j = 0u;
    // Beyond the last column, the last one is read again with weight zero and its sum discarded.
{{places}}    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {
{{loads}}        var sum = real(0.0);
{{combination}}        let new_w = w[i] {{sign}} item(sum);
        w[i] = new_w;
        let wi = real(new_w);
{{products}}    }
{{leave}}}
