// Columns of 16 bits, two to a word, relative to the smallest column in their group of 32 rows.

fn base_of(group: u32) -> u32 {
    return pattern[P.base_at + group];
}

fn column(e: u32, base: u32) -> u32 {
    return base + ((pattern[P.columns_at + e / 2u] >> (16u * (e % 2u))) & 0xffffu);
}
