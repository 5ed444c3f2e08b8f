// One number an entry, perhaps narrower than the arithmetic where that loses nothing.

fn value(e: u32) -> {{value}} {
    return {{value}}(values[e]);
}
