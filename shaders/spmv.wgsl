// y = A x for a panel of rows in any storage form: the plain kernel, and the one for matrices in panels.

@group(0) @binding(1) var<storage, read> state_in: array<real>;
@group(0) @binding(4) var<storage, {{access}}> x: array<item>;
@group(0) @binding(5) var<storage, read_write> y: array<item>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (state_in[STOP] != real(0.0)) {
        return;
    }
    for (var start = group.x * {{width}}u; start < P.n; start += P.groups * {{width}}u) {
{{prepare}}        let p = start + t;
        if ({{within}}) {
            y[P.first + {{row}}] = item({{product}});
        }
    }
}
