// One number per entry, in a narrower type than the arithmetic if that is exact.

fn value(e: u32) -> {{value}} {
    return {{value}}(values[e]);
}
