//! Scalars of a sweep: totals of partial sums, expressions, records, stops.

use super::arithmetic::literal;
use super::{HEADER, Sweep, WORKGROUP};
use crate::op::{Cond, Expr, Item, Op};
use std::fmt::Write;

/// The length of the arrays that `scalars` publish; all have the same.
pub(in crate::backend::gpu) fn array_length(scalars: &[Op]) -> usize {
    let mut lengths = scalars.iter().flat_map(|op| match op {
        Op::Publish(items) => {
            items.iter().filter_map(|i| if let Item::Array(_, k) = i { Some(*k) } else { None }).collect()
        }
        _ => vec![],
    });
    let first = lengths.next().unwrap_or(0);
    assert!(lengths.all(|k| k == first), "arrays published together have one length");
    first
}

impl Sweep<'_> {
    pub(super) fn finish_code(&self) -> String {
        let mut code = String::new();
        if self.pending.is_empty() {
            return code;
        }
        for d in 0..self.pending.len() {
            let _ = writeln!(
                code,
                "        {{\n            var sum = real(0.0);\n            for (var g = t; g < P.pending; g += WORKGROUP) {{\n                sum += state_in[PARTIALS + {d}u * GROUPS_MAX + g];\n            }}\n            tile[t + {}u] = sum;\n        }}",
                d * WORKGROUP
            );
        }
        let _ = writeln!(code, "        block_sums(t, {}u);", self.pending.len());
        for (d, scalar) in self.pending.iter().enumerate() {
            let _ = writeln!(
                code,
                "        if (t == 0u) {{\n            s[{}] = tile[{}];\n        }}",
                HEADER + *scalar as usize,
                d * WORKGROUP
            );
        }
        code
    }

    /// Arrays that the scalars publish, one after the other.
    fn published(&self) -> Vec<usize> {
        let items = self.scalars.iter().flat_map(|op| if let Op::Publish(items) = op { &items[..] } else { &[] });
        items.filter_map(|i| if let Item::Array(a, _) = i { Some(self.array_at[a.0 as usize]) } else { None }).collect()
    }

    /// For arrays to publish: a declaration, the code before the scalars, and the copies after them, which all
    /// invocations of the first workgroup share.
    pub(super) fn copy_code(&self) -> [String; 3] {
        let from = self.published();
        if from.is_empty() {
            return Default::default();
        }
        let (mut before, mut behind) = (String::new(), String::new());
        let _ = writeln!(before, "    if (t == 0u) {{");
        for (k, from) in from.iter().enumerate() {
            // An index beyond the ledger: not published, because of a stop.
            let _ = writeln!(before, "        copy_to[{k}] = 0xffffffffu;");
            let _ = writeln!(
                behind,
                "        if (copy_to[{k}] != 0xffffffffu) {{\n            for (var i = t; i < P.k; i += WORKGROUP) {{\n                ledger[copy_to[{k}] + i] = ledger[{from}u + i];\n            }}\n        }}"
            );
        }
        let _ = writeln!(before, "    }}");
        [format!("var<workgroup> copy_to: array<u32, {}>;\n", from.len()), before, behind]
    }

    pub(super) fn scalar_code(&self) -> String {
        let mut code = String::new();
        let (mut depth, mut copied) = (0, 0);
        for op in self.scalars {
            match op {
                Op::Set { out, value } => {
                    let _ = writeln!(code, "            s[{}] = {};", HEADER + out.0 as usize, self.expr(value));
                }
                Op::Publish(items) => {
                    // The length of arrays is P.k, so that one kernel serves every column of a cycle. Their place is
                    // found here; all invocations copy them.
                    let _ =
                        writeln!(code, "            if (group.x == 0u) {{\n                var c = u32(s[CURSOR]);");
                    let (mut values, mut arrays) = (0, 0);
                    for item in items {
                        match item {
                            Item::Value(e) => {
                                let _ = writeln!(
                                    code,
                                    "                ledger[c] = {};\n                c += 1u;",
                                    self.expr(e)
                                );
                                values += 1;
                            }
                            Item::Array(..) => {
                                let _ =
                                    writeln!(code, "                copy_to[{copied}] = c;\n                c += P.k;");
                                arrays += 1;
                                copied += 1;
                            }
                        }
                    }
                    let _ =
                        writeln!(code, "            }}\n            s[CURSOR] += real({values}u + {arrays}u * P.k);");
                }
                Op::StopIf(condition, stop) => {
                    let _ = writeln!(
                        code,
                        "            if ({}) {{\n                s[STOP] = real({}.0);\n            }} else {{",
                        self.cond(condition),
                        stop.code()
                    );
                    depth += 1;
                }
                _ => unreachable!("a vector operation among scalar ones"),
            }
        }
        for _ in 0..depth {
            code += "            }\n";
        }
        code
    }

    pub(super) fn expr(&self, e: &Expr) -> String {
        let two = |f: &str, a: &Expr, b: &Expr| format!("{f}({}, {})", self.expr(a), self.expr(b));
        match e {
            Expr::Constant(c) => literal(self.real, c.0),
            Expr::Scalar(scalar) => format!("s[{}]", HEADER + scalar.0 as usize),
            Expr::Neg(a) => format!("(-{})", self.expr(a)),
            Expr::Abs(a) => format!("abs({})", self.expr(a)),
            Expr::Sqrt(a) => format!("safe_sqrt({})", self.expr(a)),
            Expr::Add(a, b) => format!("({} + {})", self.expr(a), self.expr(b)),
            Expr::Sub(a, b) => format!("({} - {})", self.expr(a), self.expr(b)),
            Expr::Mul(a, b) => format!("({} * {})", self.expr(a), self.expr(b)),
            Expr::Div(a, b) => two("safe_div", a, b),
            Expr::Min(a, b) => two("min", a, b),
            Expr::Max(a, b) => two("max", a, b),
            Expr::Select(c, a, b) => format!("select({}, {}, {})", self.expr(b), self.expr(a), self.cond(c)),
        }
    }

    fn cond(&self, c: &Cond) -> String {
        match c {
            Cond::Le(a, b) => format!("({} <= {})", self.expr(a), self.expr(b)),
            Cond::Lt(a, b) => format!("({} < {})", self.expr(a), self.expr(b)),
            Cond::NotFinite(a) => format!("not_finite({})", self.expr(a)),
            Cond::And(a, b) => format!("({} && {})", self.cond(a), self.cond(b)),
        }
    }
}
