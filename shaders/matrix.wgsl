// What a matrix kernel binds, and how it reads x. The row_*.wgsl beside it say how rows lie in the two buffers.

@group(0) @binding({{b}}) var<storage, read> pattern: array<u32>;
@group(0) @binding({{b1}}) var<storage, read> values: array<{{stored}}>;

fn gathered(j: u32) -> {{value}} {
    return {{gathered}};
}
