// The row at place p: rows are sorted by length within each group of 256, with one byte per place.

fn row_at(p: u32) -> u32 {
    return (p & 0xffffff00u) | ((pattern[P.order_at + p / 4u] >> (8u * (p % 4u))) & 0xffu);
}
