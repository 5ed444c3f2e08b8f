//! Scalars of a sweep: totals of partial sums, expressions, records, stops.

use super::arithmetic::literal;
use super::{HEADER, Sweep, WORKGROUP};
use crate::op::{Cond, Expr, Item, Op};
use std::fmt::Write;

/// Most rows of numbers that a workgroup adds up at once.
const ROWS: usize = 16;

/// The length of the arrays that `scalars` publish, or else multiply; all that are published together have the same.
pub(in crate::backend::gpu) fn array_length(scalars: &[Op]) -> usize {
    let mut lengths = scalars.iter().flat_map(|op| match op {
        Op::Publish(items) => {
            items.iter().filter_map(|i| if let Item::Array(_, k) = i { Some(*k) } else { None }).collect()
        }
        _ => vec![],
    });
    let multiplied = || scalars.iter().find_map(|op| if let Op::ArrayDot { k, .. } = op { Some(*k) } else { None });
    let first = lengths.next().or_else(multiplied).unwrap_or(0);
    assert!(lengths.all(|k| k == first), "arrays published together have one length");
    first
}

/// Whether `op` reads arrays or writes records.
pub(in crate::backend::gpu) fn needs_ledger(op: &Op) -> bool {
    matches!(op, Op::Publish(_) | Op::ArrayDot { .. })
}

impl Sweep<'_> {
    /// How many of the scalars are sums over arrays that nothing stands before: the whole workgroup adds them up.
    fn leading(&self) -> usize {
        let sums = self.scalars.iter().take_while(|op| matches!(op, Op::ArrayDot { .. })).count();
        sums.min(ROWS - self.pending.len())
    }

    /// Rows of numbers that [`Sweep::finish_code`] adds up.
    pub(super) fn finished(&self) -> usize {
        self.pending.len() + self.leading()
    }

    /// One product of arrays at `i`.
    fn products(&self, op: &Op) -> (String, String, usize) {
        let Op::ArrayDot { x, y, k, out } = op else { unreachable!("a sum over arrays") };
        let [x, y] = [x, y].map(|a| self.array_at[a.0 as usize]);
        // P.k, so that one kernel serves every column of a cycle.
        let bound = if *k == array_length(self.scalars) { "P.k".into() } else { format!("{k}u") };
        (format!("ledger[{x}u + i] * ledger[{y}u + i]"), bound, HEADER + out.0 as usize)
    }

    pub(super) fn finish_code(&self) -> String {
        let mut code = String::new();
        let (pending, rows) = (self.pending.len(), self.finished());
        if rows == 0 {
            return code;
        }
        let mut places: Vec<usize> = self.pending.iter().map(|s| HEADER + *s as usize).collect();
        for d in 0..pending {
            let _ = writeln!(
                code,
                "        {{\n            var sum = real(0.0);\n            for (var g = t; g < P.pending; g += WORKGROUP) {{\n                sum += state_in[PARTIALS + {d}u * GROUPS_MAX + g];\n            }}\n            tile[t + {}u] = sum;\n        }}",
                d * WORKGROUP
            );
        }
        for (d, op) in self.scalars[..rows - pending].iter().enumerate() {
            let (product, bound, out) = self.products(op);
            let _ = writeln!(
                code,
                "        {{\n            var sum = real(0.0);\n            for (var i = t; i < {bound}; i += WORKGROUP) {{\n                sum += {product};\n            }}\n            tile[t + {}u] = sum;\n        }}",
                (pending + d) * WORKGROUP
            );
            places.push(out);
        }
        let _ = writeln!(code, "        block_sums(t, {rows}u);");
        for (d, place) in places.iter().enumerate() {
            let _ = writeln!(
                code,
                "        if (t == 0u) {{\n            s[{place}] = tile[{}];\n        }}",
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
        for op in &self.scalars[self.leading()..] {
            match op {
                Op::ArrayDot { .. } => {
                    let (product, bound, out) = self.products(op);
                    let _ = writeln!(
                        code,
                        "            {{\n                var sum = real(0.0);\n                for (var i = 0u; i < {bound}; i += 1u) {{\n                    sum += {product};\n                }}\n                s[{out}] = sum;\n            }}"
                    );
                }
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
