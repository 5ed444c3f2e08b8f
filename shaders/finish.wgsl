// Adds the partial sums of one projection coefficient, one workgroup per coefficient. Those beyond P.k, of a second
// vector, go to an array of their own.

const GROUPS_MAX: u32 = {{groups_max}}u;

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read> partials: array<real>;
@group(0) @binding(3) var<storage, read_write> ledger: array<real>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    var sum = real(0.0);
    for (var g = t; g < P.pending; g += WORKGROUP) {
        sum += partials[group.x * GROUPS_MAX + g];
    }
    tile[t] = sum;
    block_sums(t, 1u);
    if (t == 0u) {
        let at = select(P.array_at + group.x, P.slot + group.x - P.k, group.x >= P.k);
        ledger[at] = tile[0];
    }
}
