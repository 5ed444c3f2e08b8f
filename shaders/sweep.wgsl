// One fused sweep: finish the dot products of the previous sweep, evaluate the scalars, then one pass over
// the vectors. Every workgroup finishes and evaluates for itself, in the same order and so to the same
// bits; workgroup 0 writes the scalars to the other state buffer, which is not read in this dispatch.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(2) var<storage, read_write> state_out: array<real>;
{{bindings}}
const SCALARS: u32 = {{scalars}}u;
const PARTIALS: u32 = {{partials}}u;
const GROUPS_MAX: u32 = {{groups_max}}u;

var<workgroup> s: array<real, SCALARS>;
var<workgroup> halted: u32;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    for (var i = t; i < SCALARS; i += WORKGROUP) {
        s[i] = state_in[i];
    }
{{before}}    workgroupBarrier();
    if (state_in[STOP] == real(0.0)) {
{{finish}}        if (t == 0u) {
{{scalar_code}}        }
    }
    if (t == 0u) {
        halted = select(0u, 1u, s[STOP] != real(0.0));
    }
    let stopped = workgroupUniformLoad(&halted);
    if (group.x == 0u) {
        for (var i = t; i < SCALARS; i += WORKGROUP) {
            state_out[i] = s[i];
        }
{{behind}}    }
{{sweep}}}
