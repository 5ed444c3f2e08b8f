//! Lines of kernels that hold a number for each column of a basis in registers.

use super::WORKGROUP;
use std::fmt::Write;

/// Most columns held at once: in f64 a row of V and the sums take 128 registers of the some 250 that there are.
pub(in crate::backend::gpu) const HELD: usize = 32;

/// Sums that a workgroup adds up at a time: with workgroup memory for more, fewer workgroups run at once.
const SUMMED: usize = 4;

/// Columns that a kernel for `k` holds: few kernels serve every column of a cycle.
fn held(k: usize) -> usize {
    if k > HELD / 2 { HELD } else { k.next_power_of_two().max(8) }
}

/// The lines that there is one of for each of `k` columns, by their place in a text.
pub(super) fn places(text: &str, k: usize) -> Vec<(&'static str, String)> {
    if !text.contains("{{columns}}") {
        return vec![];
    }
    let columns = held(k);
    let each = |line: &dyn Fn(usize) -> String| (0..columns).map(line).collect::<String>();
    let starts = |d| format!("        let c{d} = min(j + {d}u, last) * P.stride;\n        var s{d} = real(0.0);\n");
    let weighted = |d| format!("select(real(0.0), ledger[c + min({d}u, last)], {d}u <= last) * v{d}");
    let some = |first| (first..first + SUMMED).map(weighted).collect::<Vec<_>>().join(" + ");
    // A row that is held is not read again.
    let is_held = text.contains("{{loads}}");
    let product = |d| {
        if is_held {
            format!("        s{d} += v{d} * wi;\n")
        } else {
            format!("            s{d} += real(v[c{d} + i]) * wi;\n")
        }
    };
    let product_of_two = |d| {
        format!(
            "            let v{d} = real(v[c{d} + i]);\n            s{d} += v{d} * ui;\n            r{d} += v{d} * wi;\n"
        )
    };
    let leave = |sum: char, row: &str| {
        let mut text = String::new();
        for first in (0..columns).step_by(SUMMED) {
            for d in 0..SUMMED {
                let _ = writeln!(text, "        tile[t + {}u] = {sum}{};", d * WORKGROUP, first + d);
            }
            let _ = writeln!(
                text,
                "        block_sums(t, {SUMMED}u);\n        if (t < {SUMMED}u && j + {first}u + t < P.k) {{\n            partials[({row} + j + {first}u + t) * GROUPS_MAX + group.x] = tile[t * WORKGROUP];\n        }}\n        workgroupBarrier();"
            );
        }
        text
    };
    vec![
        ("columns", columns.to_string()),
        ("places", each(&starts)),
        ("loads", each(&|d| format!("        let v{d} = real(v[c{d} + i]);\n"))),
        ("combination", (0..columns).step_by(SUMMED).map(|d| format!("        sum += {};\n", some(d))).collect()),
        ("products", each(&product)),
        ("leave", leave('s', "P.first")),
        ("places_of_two", each(&|d| starts(d) + &format!("        var r{d} = real(0.0);\n"))),
        ("products_of_two", each(&product_of_two)),
        ("leave_two", leave('s', "P.first") + &leave('r', "P.slot + P.first")),
    ]
}
