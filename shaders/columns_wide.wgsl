// Columns of 32 bits each.

fn base_of(group: u32) -> u32 {
    return 0u;
}

fn column(e: u32, base: u32) -> u32 {
    return pattern[P.columns_at + e];
}
