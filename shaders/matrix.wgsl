// The bindings of a matrix kernel, and how it reads x. The files row_*.wgsl define how rows are stored in the buffers.

@group(0) @binding({{b}}) var<storage, read> pattern: array<u32>;
@group(0) @binding({{b1}}) var<storage, read> values: array<{{stored}}>;

fn gathered(j: u32) -> {{value}} {
    return {{gathered}};
}
