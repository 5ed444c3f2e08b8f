// One byte an entry: which of at most 256 values it has.

fn value(e: u32) -> {{value}} {
    return values[(pattern[P.codes_at + e / 4u] >> (8u * (e % 4u))) & 0xffu];
}
