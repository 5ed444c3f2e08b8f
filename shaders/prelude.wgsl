// Put before every kernel, behind `alias real` (the type of scalars) and `alias item` (of vectors).

const WORKGROUP: u32 = 256u;

// The state buffer: the sticky STOP code, the cursor into the ledger, the scalars, then partial sums.
const STOP: u32 = 0u;
const CURSOR: u32 = 1u;

struct Params {
    n: u32,          // entries of the sweep
    groups: u32,     // workgroups of this dispatch
    pending: u32,    // workgroups whose partial sums wait to be added
    k: u32,          // basis columns in this panel
    stride: u32,     // entries from one basis column to the next
    first: u32,      // first row, or first basis column, of this panel
    array_at: u32,   // where the array starts in the ledger
    slot: u32,       // the scalar this kernel works with
    columns_at: u32, // where columns, or offsets, start in a matrix's pattern
    base_at: u32,    // and what 16-bit columns count from, or the rows' patterns
    codes_at: u32,   // and the codes of values
    order_at: u32,   // and the order of the rows, the patterns' offsets, or the blocks
    zero: u32,       // 0, which no compiler knows
    row: u32,        // first row of this block
    tall: u32,       // rows of a small matrix in the ledger
    kept: u32,       // columns it makes
}

@group(0) @binding(0) var<uniform> P: Params;

// Total: x/0 = 0.
fn safe_div(a: real, b: real) -> real {
    if (b == real(0.0)) {
        return real(0.0);
    }
    return a / b;
}

// Total: the root of a negative number is 0.
fn safe_sqrt(a: real) -> real {
    if (a <= real(0.0)) {
        return real(0.0);
    }
    return sqrt(a);
}

// By the exponent's bits, because a compiler may assume that no number is NaN.
fn not_finite(a: real) -> bool {
    return (bitcast<u32>(f32(a)) & 0x7f800000u) == 0x7f800000u;
}
