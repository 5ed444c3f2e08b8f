// One byte per entry: its index among at most 256 distinct values.

fn value(e: u32) -> {{value}} {
    return values[(pattern[P.codes_at + e / 4u] >> (8u * (e % 4u))) & 0xffu];
}
