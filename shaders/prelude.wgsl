// Prepended to every kernel, after `alias real` (the type of scalars) and `alias item` (of vector entries).

const WORKGROUP: u32 = 256u;

// The state buffer: the sticky STOP code, the cursor into the ledger, the scalars, then partial sums.
const STOP: u32 = 0u;
const CURSOR: u32 = 1u;

struct Params {
    n: u32,          // entries of the sweep
    groups: u32,     // workgroups of this dispatch
    pending: u32,    // workgroups whose partial sums are still to be added
    k: u32,          // basis columns in this panel
    stride: u32,     // entries from one basis column to the next
    first: u32,      // first row, or first basis column, of this panel
    array_at: u32,   // where the array starts in the ledger
    slot: u32,       // the scalar this kernel works with, or where what it does for a second vector starts
    columns_at: u32, // where the columns, or the offsets, start in a matrix's pattern
    base_at: u32,    // where the bases of 16-bit columns, or the rows' pattern ids, start
    codes_at: u32,   // where the codes of values start
    order_at: u32,   // where the row order, the starts of the patterns, or the blocks start
    zero: u32,       // 0, unknown to the compiler
    row: u32,        // first row of this block
    tall: u32,       // rows of the small matrix S in the ledger
    kept: u32,       // columns of S
}

@group(0) @binding(0) var<uniform> P: Params;

// a/b, and 0 for b = 0.
fn safe_div(a: real, b: real) -> real {
    if (b == real(0.0)) {
        return real(0.0);
    }
    return a / b;
}

// The square root, and 0 for a negative number.
fn safe_sqrt(a: real) -> real {
    if (a <= real(0.0)) {
        return real(0.0);
    }
    return sqrt(a);
}

// Tests the exponent's bits, because a compiler may assume that no number is NaN.
fn not_finite(a: real) -> bool {
    return (bitcast<u32>(f32(a)) & 0x7f800000u) == 0x7f800000u;
}
