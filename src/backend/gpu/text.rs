//! WGSL text: the frames of `shaders/` filled in, and the few generated lines of a sweep's body.

use crate::matrix::{Matrix, RowShader};
use crate::op::{Cond, Dtype, Expr, Item, Op, OperatorData, Space, Vector};
use std::fmt::Write;

/// Most workgroups of one dispatch: enough to fill the largest GPUs, few enough that every workgroup can
/// add all partial sums itself.
pub(super) const GROUPS_MAX: usize = 1024;

/// Invocations a workgroup.
pub(super) const WORKGROUP: usize = 256;

/// Slots before the first scalar: STOP and the ledger's cursor.
pub(super) const HEADER: usize = 2;

/// Where the ledger's cursor stands in the state.
pub(super) const CURSOR: usize = 1;

/// A shader text of `shaders/`.
pub(super) struct Shader {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

macro_rules! shaders {
    ($($id:ident: $file:literal),* $(,)?) => {
        $(pub(super) const $id: Shader = Shader {
            name: $file,
            text: include_str!(concat!("../../../shaders/", $file)),
        };)*
        /// Every file of `shaders/`.
        #[cfg(test)]
        pub(super) const SHADERS: &[&Shader] = &[$(&$id),*];
    };
}

shaders! {
    PRELUDE: "prelude.wgsl",
    DOUBLE_SINGLE: "double_single.wgsl",
    DOUBLE_SINGLE_TEST: "double_single_test.wgsl",
    ROW_CSR: "row_csr.wgsl",
    ROW_CSR_PAIR: "row_csr_pair.wgsl",
    ROWS_CSR: "rows_csr.wgsl",
    ROW_FREE: "row_free.wgsl",
    SWEEP: "sweep.wgsl",
    BLOCK_SUM: "block_sum.wgsl",
    SPMV_CSR: "spmv_csr.wgsl",
    AXPY: "axpy.wgsl",
    DOT: "dot.wgsl",
    NORM: "norm.wgsl",
    MULTI_DOT: "multi_dot.wgsl",
    FINISH: "finish.wgsl",
    MULTI_AXPY: "multi_axpy.wgsl",
}

/// The name of a number type in WGSL.
pub(super) fn type_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "f32",
        Dtype::F64 => "f64",
        Dtype::DoubleSingle => "vec2<f32>",
    }
}

/// Replaces each `{{key}}`.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_string();
    for (key, value) in values {
        text = text.replace(&format!("{{{{{key}}}}}"), value);
    }
    debug_assert!(!text.contains("{{"), "unfilled place in {text}");
    text
}

/// Types of a kernel: scalars, and vectors where the kernel knows only one kind.
#[derive(Clone, Copy)]
pub(super) struct Types {
    pub(super) real: Dtype,
    pub(super) item: Dtype,
}

impl Types {
    fn head(self) -> String {
        let pairs = if self.item == Dtype::DoubleSingle { DOUBLE_SINGLE.text } else { "" };
        let (real, item) = (type_name(self.real), type_name(self.item));
        format!("alias real = {real};\nalias item = {item};\n\n{}\n{pairs}\n", PRELUDE.text)
    }
}

/// The text that adds up to `rows` numbers over a workgroup; nothing for none.
fn block_sums(rows: usize) -> String {
    assert!(rows <= 16, "{rows} dot products in one sweep; the workgroup sums 16 at a time");
    match rows {
        0 => String::new(),
        _ => fill(BLOCK_SUM.text, &[("tile", &(rows * WORKGROUP).to_string())]),
    }
}

/// The kernel that tries double-single arithmetic out.
pub(super) fn double_single_test() -> String {
    Types { real: Dtype::F32, item: Dtype::DoubleSingle }.head() + DOUBLE_SINGLE_TEST.text
}

/// Row i of a stored matrix times each of `x`; its two bindings start at `next`.
fn row_products(x: &[String], next: usize, dtype: Dtype) -> String {
    let (b, b1) = (next.to_string(), (next + 1).to_string());
    let places = [("b", b.as_str()), ("b1", &b1)];
    match x {
        [x] if dtype == Dtype::DoubleSingle => fill(ROW_CSR_PAIR.text, &[&places[..], &[("x", x)]].concat()),
        [x] => fill(ROW_CSR.text, &[&places[..], &[("x", x), ("value", type_name(dtype))]].concat()),
        _ => {
            let line = |(k, x): (usize, &String)| format!("        sums[{k}] += value * {x}[column];\n");
            let (add, count): (String, _) = (x.iter().enumerate().map(line).collect(), x.len().to_string());
            let more = [("value", type_name(dtype)), ("count", &count), ("add", &add)];
            fill(ROWS_CSR.text, &[&places[..], &more].concat())
        }
    }
}

/// Row i of an operator times each of `x`; its data, if any, are bound at `next`.
fn free_products(x: &[String], next: usize, data: &OperatorData, shader: &RowShader, dtype: Dtype) -> String {
    let value = type_name(dtype);
    let bound = if shader.data.is_empty() {
        String::new()
    } else {
        format!(
            "@group(0) @binding({next}) var<storage, read> user_data: array<{value}>;\n\nfn data_at(k: u32) -> number {{\n    return user_data[k];\n}}\n\n"
        )
    };
    let mut cases = String::new();
    for (k, x) in x.iter().enumerate().skip(1) {
        let _ = writeln!(cases, "        case {k}u: {{\n            return {x}[j];\n        }}");
    }
    let _ = writeln!(cases, "        default: {{\n            return {}[j];\n        }}", x[0]);
    let mut text = fill(ROW_FREE.text, &[("value", value), ("data", &bound), ("cases", &cases)]);
    // Places to fill are marked by double braces: the user's are no such places.
    text += &shader.text.replace("{{", "{ {").replace("}}", "} }");
    let scale = literal(dtype, crate::scale::ldexp(1.0, data.exponent));
    let _ = writeln!(text, "\nfn scaled_product(i: u32) -> number {{\n    return {scale} * row_product(i);\n}}");
    if x.len() > 1 {
        let count = x.len();
        let _ = writeln!(text, "\nfn row_products(i: u32) -> array<number, {count}> {{");
        let _ = writeln!(text, "    var products = array<number, {count}>();");
        for k in 0..count {
            let _ = writeln!(text, "    x_number = {k}u;\n    products[{k}] = scaled_product(i);");
        }
        let _ = writeln!(text, "    return products;\n}}");
    }
    text
}

/// A kernel that stands in `shaders/` as it runs.
pub(super) fn plain(shader: &Shader, types: Types, minus: bool) -> String {
    let mut text = types.head();
    text += &block_sums(match shader.name {
        name if [DOT.name, NORM.name, FINISH.name].contains(&name) => 1,
        name if name == MULTI_DOT.name => 8,
        _ => 0,
    });
    if shader.name == SPMV_CSR.name {
        text += &row_products(&["x".into()], 2, types.item);
    }
    let groups = GROUPS_MAX.to_string();
    text += &fill(shader.text, &[("groups_max", &groups), ("sign", if minus { "-" } else { "+" })]);
    text
}

/// What a sweep kernel does, in the order it does it.
pub(super) struct Sweep<'a> {
    pub(super) space: &'a Space,
    pub(super) real: Dtype,
    /// Scalars whose partial sums the sweep before left, in slot order.
    pub(super) pending: &'a [u16],
    pub(super) scalars: &'a [Op],
    pub(super) body: &'a [Op],
    /// Scalars of the space and of the engine.
    pub(super) scalar_count: usize,
    /// Where each array starts in the ledger.
    pub(super) array_at: &'a [usize],
}

/// What a generated kernel binds behind the two state buffers, in order.
pub(super) struct Generated {
    pub(super) text: String,
    pub(super) ledger: bool,
    pub(super) matrix: bool,
    /// The text holds a user's: it is compiled with checks.
    pub(super) foreign: bool,
    /// Vectors, and whether they are written.
    pub(super) vectors: Vec<(Vector, bool)>,
    /// Scalars whose partial sums this sweep leaves, in slot order.
    pub(super) leaves: Vec<u16>,
}

/// The length of the arrays that `scalars` publish; one for all of them.
pub(super) fn array_length(scalars: &[Op]) -> usize {
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

/// Where partial sums start in the state buffer.
pub(super) fn partials_at(scalar_count: usize) -> usize {
    (HEADER + scalar_count).next_multiple_of(64)
}

impl Sweep<'_> {
    pub(super) fn generate(&self) -> Generated {
        let ledger = self.scalars.iter().any(|op| matches!(op, Op::Publish(_)));
        let matrix = self.body.iter().any(|op| matches!(op, Op::Apply { .. }));
        let mut vectors: Vec<(Vector, bool)> = vec![];
        for op in self.body {
            for v in op.gathers().into_iter().chain(op.reads()).chain(op.writes()) {
                if !vectors.iter().any(|e| e.0 == v) {
                    vectors.push((v, false));
                }
            }
            if let Some(w) = op.writes() {
                vectors.iter_mut().filter(|e| e.0 == w).for_each(|e| e.1 = true);
            }
        }
        // Columns of one basis are one buffer, which a kernel either only reads or may write.
        let written: Vec<u16> = vectors.iter().filter(|e| e.1).filter_map(|e| basis(e.0)).collect();
        vectors.iter_mut().filter(|e| basis(e.0).is_some_and(|b| written.contains(&b))).for_each(|e| e.1 = true);
        let mut bindings = String::new();
        let mut next = 3;
        if ledger {
            let _ = writeln!(bindings, "@group(0) @binding({next}) var<storage, read_write> ledger: array<real>;");
            next += 1;
        }
        let applied = self.applied();
        let mut foreign = false;
        if let Some((a, _)) = applied.first() {
            let data = &self.space.operators[*a];
            let x: Vec<String> = applied.iter().map(|(_, x)| format!("v{}", position(&vectors, *x))).collect();
            let (text, bound) = match &data.matrix {
                Matrix::Stored(_) => (row_products(&x, next, self.space.plan.dtype(data.role)), 2),
                Matrix::Free(operator) => {
                    let shader = operator.shader().expect("checked when the plan was made");
                    foreign = true;
                    (
                        free_products(&x, next, data, &shader, self.space.plan.dtype(data.role)),
                        usize::from(!shader.data.is_empty()),
                    )
                }
            };
            bindings += &text;
            next += bound;
        }
        for (k, (v, written)) in vectors.iter().enumerate() {
            let access = if *written { "read_write" } else { "read" };
            let item = type_name(self.space.dtype(*v));
            let _ = writeln!(bindings, "@group(0) @binding({}) var<storage, {access}> v{k}: array<{item}>;", next + k);
        }

        let (sweep, leaves) = self.sweep_code(&vectors, foreign);
        bindings += &block_sums(self.pending.len().max(leaves.len()));
        let pairs = vectors.iter().any(|e| self.space.dtype(e.0) == Dtype::DoubleSingle);
        let item = if pairs { Dtype::DoubleSingle } else { self.real };
        let text = Types { real: self.real, item }.head()
            + &fill(
                SWEEP.text,
                &[
                    ("bindings", &bindings),
                    ("scalars", &(HEADER + self.scalar_count).to_string()),
                    ("partials", &partials_at(self.scalar_count).to_string()),
                    ("groups_max", &GROUPS_MAX.to_string()),
                    ("finish", &self.finish_code()),
                    ("scalar_code", &self.scalar_code()),
                    ("sweep", &sweep),
                ],
            );
        Generated { text, ledger, matrix, foreign, vectors, leaves }
    }

    /// Operator and x of each product; a sweep multiplies by one operator only.
    fn applied(&self) -> Vec<(usize, Vector)> {
        let apply = |op: &Op| if let Op::Apply { a, x, .. } = op { Some((a.0 as usize, *x)) } else { None };
        self.body.iter().filter_map(apply).collect()
    }

    fn finish_code(&self) -> String {
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

    fn scalar_code(&self) -> String {
        let mut code = String::new();
        let mut depth = 0;
        for op in self.scalars {
            match op {
                Op::Set { out, value } => {
                    let _ = writeln!(code, "            s[{}] = {};", HEADER + out.0 as usize, self.expr(value));
                }
                Op::Publish(items) => {
                    // Arrays are as long as P.k says, so that one kernel serves every column of a cycle.
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
                            Item::Array(a, _) => {
                                let from = self.array_at[a.0 as usize];
                                let _ = writeln!(
                                    code,
                                    "                for (var i = 0u; i < P.k; i += 1u) {{\n                    ledger[c + i] = ledger[{from}u + i];\n                }}\n                c += P.k;"
                                );
                                arrays += 1;
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

    fn sweep_code(&self, vectors: &[(Vector, bool)], foreign: bool) -> (String, Vec<u16>) {
        let (mut head, mut body) = (String::new(), String::new());
        let mut leaves = vec![];
        let mut loaded = vec![false; vectors.len()];
        let mut coefficients = 0;
        let load = |v: Vector, body: &mut String, loaded: &mut Vec<bool>| {
            let k = position(vectors, v);
            if !loaded[k] {
                let _ = writeln!(body, "        var e{k} = v{k}[i];");
                loaded[k] = true;
            }
            k
        };
        let store = |v: Vector, value: &str, body: &mut String, loaded: &mut Vec<bool>| {
            let k = position(vectors, v);
            let declare = if loaded[k] { "" } else { "var " };
            let _ = writeln!(body, "        {declare}e{k} = {value};\n        v{k}[i] = e{k};");
            loaded[k] = true;
        };
        // No vector that is multiplied is written here, so all products can stand at the start.
        let count = self.applied().len();
        if count > 1 {
            body += "        let products = row_products(i);\n";
        }
        let mut products = 0;
        for op in self.body {
            match op {
                Op::Apply { y, .. } => {
                    let value = self.space.dtype(*y);
                    let product = match (count, foreign) {
                        (1, false) => "row_product(i)".into(),
                        (1, true) => "scaled_product(i)".into(),
                        _ => format!("products[{products}]"),
                    };
                    products += 1;
                    store(*y, &format!("{}({product})", type_name(value)), &mut body, &mut loaded);
                }
                Op::Map { y, terms } => {
                    let wide = terms.iter().flat_map(|t| std::iter::once(t.x).chain(t.by)).chain([*y]);
                    let types: Vec<Dtype> = wide.map(|v| self.space.dtype(v)).collect();
                    let arithmetic = Arithmetic::among(&types);
                    let mut sum: Option<String> = None;
                    for t in terms {
                        let mut factors = vec![];
                        if !t.coefficient.is_one() {
                            let c = match t.coefficient.constant() {
                                // Of the right type from the start: compilers refuse to narrow f64 constants.
                                Some(c) => arithmetic.constant(c),
                                None => arithmetic.widen(&self.expr(&t.coefficient), self.real),
                            };
                            let _ = writeln!(head, "    let c{coefficients} = {c};");
                            factors.push(format!("c{coefficients}"));
                            coefficients += 1;
                        }
                        for v in std::iter::once(t.x).chain(t.by) {
                            let k = load(v, &mut body, &mut loaded);
                            factors.push(arithmetic.widen(&format!("e{k}"), self.space.dtype(v)));
                        }
                        let product = factors.into_iter().reduce(|a, b| arithmetic.multiply(&a, &b));
                        let product = product.expect("a term has a vector");
                        sum = Some(sum.map_or_else(|| product.clone(), |s| arithmetic.add(&s, &product)));
                    }
                    let value = arithmetic.narrow(sum.as_deref(), self.space.dtype(*y));
                    store(*y, &value, &mut body, &mut loaded);
                }
                Op::Dot { x, y, out } => {
                    let (a, b) = (load(*x, &mut body, &mut loaded), load(*y, &mut body, &mut loaded));
                    let d = leaves.len();
                    let _ = writeln!(head, "    var sum{d} = real(0.0);");
                    let _ = writeln!(body, "        sum{d} += real(e{a}) * real(e{b});");
                    leaves.push(out.0);
                }
                _ => unreachable!("an operation that no sweep holds"),
            }
        }
        if self.body.is_empty() {
            return (String::new(), leaves);
        }
        let mut code = head;
        let _ = writeln!(
            code,
            "    for (var i = group.x * WORKGROUP + t; i < P.n; i += P.groups * WORKGROUP) {{\n{body}    }}"
        );
        if !leaves.is_empty() {
            for d in 0..leaves.len() {
                let _ = writeln!(code, "    tile[t + {}u] = sum{d};", d * WORKGROUP);
            }
            let _ = writeln!(code, "    block_sums(t, {}u);", leaves.len());
            let _ = writeln!(code, "    if (t == 0u) {{");
            for d in 0..leaves.len() {
                let _ = writeln!(
                    code,
                    "        state_out[PARTIALS + {d}u * GROUPS_MAX + group.x] = tile[{}];",
                    d * WORKGROUP
                );
            }
            let _ = writeln!(code, "    }}");
        }
        (code, leaves)
    }

    fn expr(&self, e: &Expr) -> String {
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

/// A number in the text.
fn literal(dtype: Dtype, v: f64) -> String {
    match dtype {
        Dtype::F32 | Dtype::DoubleSingle => format!("f32({:e})", (v as f32).clamp(f32::MIN, f32::MAX)),
        Dtype::F64 => format!("({:e}lf)", v.clamp(f64::MIN, f64::MAX)),
    }
}

/// How the sums of one elementwise update are formed: in the widest type that occurs in it.
#[derive(Clone, Copy)]
enum Arithmetic {
    /// By WGSL's own operators.
    Plain(Dtype),
    /// By the functions of `double_single.wgsl`.
    Pairs,
}

impl Arithmetic {
    fn among(types: &[Dtype]) -> Self {
        if types.contains(&Dtype::DoubleSingle) {
            return Self::Pairs;
        }
        Self::Plain(if types.contains(&Dtype::F64) { Dtype::F64 } else { Dtype::F32 })
    }

    fn constant(self, v: f64) -> String {
        match self {
            Self::Plain(wide) => literal(wide, v),
            Self::Pairs => format!("vec2<f32>({}, 0.0)", literal(Dtype::F32, v)),
        }
    }

    fn widen(self, value: &str, from: Dtype) -> String {
        match self {
            Self::Plain(wide) => format!("{}({value})", type_name(wide)),
            Self::Pairs if from == Dtype::DoubleSingle => value.into(),
            Self::Pairs => format!("vec2<f32>({value}, 0.0)"),
        }
    }

    fn multiply(self, a: &str, b: &str) -> String {
        match self {
            Self::Plain(_) => format!("{a} * {b}"),
            Self::Pairs => format!("pair_multiply({a}, {b})"),
        }
    }

    fn add(self, a: &str, b: &str) -> String {
        match self {
            Self::Plain(_) => format!("{a} + {b}"),
            Self::Pairs => format!("pair_add({a}, {b})"),
        }
    }

    /// The sum (zero where there is none) as it is stored.
    fn narrow(self, sum: Option<&str>, to: Dtype) -> String {
        match (self, sum) {
            (Self::Pairs, None) => format!("{}(0.0)", type_name(to)),
            (Self::Pairs, Some(sum)) if to == Dtype::DoubleSingle => sum.into(),
            // hi is hi + lo rounded to f32.
            (Self::Pairs, Some(sum)) => format!("{sum}.x"),
            (Self::Plain(_), sum) => format!("{}({})", type_name(to), sum.unwrap_or("0.0")),
        }
    }
}

/// The basis that `v` is a column of.
pub(super) fn basis(v: Vector) -> Option<u16> {
    if let Vector::Column { basis, .. } = v { Some(basis) } else { None }
}

fn position(vectors: &[(Vector, bool)], v: Vector) -> usize {
    vectors.iter().position(|e| e.0 == v).expect("every vector of the sweep is listed")
}
