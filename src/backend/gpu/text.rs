//! WGSL text: the frames of `shaders/` filled in, and the few generated lines of a sweep's body.

use super::format::{Columns, Form, Layout, Values};
use crate::matrix::Matrix;
use crate::op::{Cond, Dtype, Expr, Item, Op, OperatorData, Space, Term, Vector, forming};
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
    MATRIX: "matrix.wgsl",
    COLUMNS_WIDE: "columns_wide.wgsl",
    COLUMNS_SHORT: "columns_short.wgsl",
    VALUES_PLAIN: "values_plain.wgsl",
    VALUES_CODED: "values_coded.wgsl",
    ROW_CSR: "row_csr.wgsl",
    ROW_CSR_PAIR: "row_csr_pair.wgsl",
    ROW_SLICES: "row_slices.wgsl",
    ROW_ORDER: "row_order.wgsl",
    ROW_RUNS: "row_runs.wgsl",
    ROW_LANES: "row_lanes.wgsl",
    ROW_FREE: "row_free.wgsl",
    SWEEP: "sweep.wgsl",
    BLOCK_SUM: "block_sum.wgsl",
    PARTIAL_SUM: "partial_sum.wgsl",
    SPMV: "spmv.wgsl",
    SPMV_BLOCKS: "spmv_blocks.wgsl",
    SPMV_PIECES: "spmv_pieces.wgsl",
    AXPY: "axpy.wgsl",
    DOT: "dot.wgsl",
    MULTI_DOT: "multi_dot.wgsl",
    FINISH: "finish.wgsl",
    COMBINATION: "combination.wgsl",
    MULTI_AXPY: "multi_axpy.wgsl",
    ROTATE: "rotate.wgsl",
    ROTATED: "rotated.wgsl",
    MULTI_AXPY_DOT: "multi_axpy_dot.wgsl",
    MULTI_AXPY_NORM: "multi_axpy_norm.wgsl",
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

/// What a sweep does once the STOP code is set.
const STOPPED: &str = "    if (stopped != 0u) {\n        return;\n    }\n";

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

/// A kernel that stands in `shaders/` as it runs.
pub(super) fn plain(shader: &Shader, types: Types, minus: bool) -> String {
    let is = |list: &[Shader]| list.iter().any(|s| s.name == shader.name);
    let rows = if is(&[MULTI_DOT, MULTI_AXPY_DOT]) {
        8
    } else {
        usize::from(is(&[DOT, FINISH, SPMV_PIECES, MULTI_AXPY_NORM]))
    };
    let combination = if is(&[MULTI_AXPY, MULTI_AXPY_DOT, MULTI_AXPY_NORM]) { COMBINATION.text } else { "" };
    let partial_sum = if is(&[DOT, MULTI_AXPY_NORM]) { PARTIAL_SUM.text } else { "" };
    let groups = GROUPS_MAX.to_string();
    types.head()
        + &block_sums(rows)
        + partial_sum
        + combination
        + &fill(shader.text, &[("groups_max", &groups), ("sign", if minus { "-" } else { "+" })])
}

/// The kernel of y = A x alone, for a panel of a matrix in this form. `shared`: x and y are columns of one basis, and
/// a buffer that is written can't be bound as read-only.
pub(super) fn product(form: Form, types: Types, shared: bool) -> String {
    let access = ("access", if shared { "read_write" } else { "read" });
    let text = types.head() + &matrix(form, "x[j]", 2);
    if form.layout == Layout::Blocks {
        return text + &block_sums(1) + &fill(SPMV_BLOCKS.text, &[access]);
    }
    let (prepare, row, product) = row_code(form);
    text + &fill(SPMV.text, &[access, ("prepare", prepare), ("row", row), ("product", product)])
}

/// What a loop over places p = start + t needs of a matrix in this form: a statement for all 256 at once, the row at
/// place p, its product with x.
fn row_code(form: Form) -> (&'static str, &'static str, &'static str) {
    match form.layout {
        Layout::Lanes(_) => ("        row_products(start, t);\n", "p", "products[t]"),
        Layout::Slices { sorted: true } => ("", "row_at(p)", "row_product(p)"),
        Layout::Free => ("", "p", "scaled_product(p)"),
        _ => ("", "p", "row_product(p)"),
    }
}

/// Bindings and functions of a matrix in this form; `gathered` is x_j.
fn matrix(form: Form, gathered: &str, binding: usize) -> String {
    let value = type_name(form.dtype);
    let (b, b1) = (binding.to_string(), (binding + 1).to_string());
    let mut text = fill(
        MATRIX.text,
        &[("b", &b), ("b1", &b1), ("stored", type_name(form.stored())), ("value", value), ("gathered", gathered)],
    );
    if form.layout == Layout::Free {
        return text + &fill(ROW_FREE.text, &[("value", value)]);
    }
    match form.columns {
        Columns::Wide => text += COLUMNS_WIDE.text,
        Columns::Short => text += COLUMNS_SHORT.text,
        Columns::Absent => {}
    }
    let values = if form.values == Values::Codes { &VALUES_CODED } else { &VALUES_PLAIN };
    text += &fill(values.text, &[("value", value)]);
    match form.layout {
        Layout::Rows if form.dtype == Dtype::DoubleSingle => text += ROW_CSR_PAIR.text,
        Layout::Rows => text += &fill(ROW_CSR.text, &[("value", value)]),
        Layout::Slices { sorted } => {
            text += &fill(ROW_SLICES.text, &[("value", value)]);
            if sorted {
                text += ROW_ORDER.text;
            }
        }
        Layout::Runs { bits } => {
            let (slot, step) = match form.values {
                Values::Shared => ("first", "1"),
                _ => ("pattern[i / 32u] * 32u + i % 32u", "32"),
            };
            let [ids, bits, mask] = [32 / bits, bits, (1 << bits) - 1].map(|v| v.to_string());
            let places = [("ids", &*ids), ("bits", &*bits), ("mask", &*mask), ("slot", slot), ("step", step)];
            text += &fill(ROW_RUNS.text, &[&places[..], &[("value", value)]].concat());
        }
        Layout::Lanes(lanes) => {
            text += &fill(ROW_LANES.text, &[("value", value), ("lanes", &lanes.to_string())]);
        }
        Layout::Blocks | Layout::Free => {}
    }
    text
}

/// The user's text for a row of the operator, and that row times its power of two.
fn foreign_row(data: &OperatorData, dtype: Dtype) -> Option<String> {
    let Matrix::Free(operator) = &data.matrix else { return None };
    let shader = operator.shader().expect("asked for when the plan was made");
    // Places to fill are marked by double braces: the user's are no such places.
    let text = shader.text.replace("{{", "{ {").replace("}}", "} }");
    let scale = literal(dtype, crate::host::scale::ldexp(1.0, data.exponent));
    Some(format!("{text}\n\nfn scaled_product(i: u32) -> number {{\n    return {scale} * row_product(i);\n}}\n\n"))
}

/// x_j of the product at hand, where a sweep has several: the row's entries come from the cache after the first.
fn gathered_in_turn(x: impl Iterator<Item = usize>, dtype: Dtype) -> (String, String) {
    let mut text = String::from("var<private> x_number: u32;\n\n");
    let _ = writeln!(text, "fn gathered_in_turn(j: u32) -> {} {{\n    switch (x_number) {{", type_name(dtype));
    for (number, k) in x.enumerate() {
        let case = if number == 0 { "default".into() } else { format!("case {number}u") };
        let _ = writeln!(text, "        {case}: {{\n            return v{k}[j];\n        }}");
    }
    text += "    }\n}\n\n";
    ("gathered_in_turn(j)".into(), text)
}

/// What a sweep kernel does, in the order it does it.
pub(super) struct Sweep<'a> {
    pub(super) space: &'a Space,
    pub(super) real: Dtype,
    /// Scalars whose partial sums the sweep before left, in slot order.
    pub(super) pending: &'a [u16],
    pub(super) scalars: &'a [Op],
    pub(super) body: &'a [Op],
    /// How many operations of the body the sweep before put off: updates that form what the product gathers.
    pub(super) deferred: usize,
    /// Where the vector they form was until now.
    pub(super) twin: Option<Vector>,
    /// Form of each matrix of the space.
    pub(super) forms: &'a [Form],
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
        let product = self.product();
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
        // At a stop the vector formed is left in both its places.
        vectors.iter_mut().filter(|e| Some(e.0) == self.twin).for_each(|e| e.1 = true);
        // Columns of one basis are one buffer, which a kernel either only reads or may write.
        let written: Vec<u16> = vectors.iter().filter(|e| e.1).filter_map(|e| basis(e.0)).collect();
        vectors.iter_mut().filter(|e| basis(e.0).is_some_and(|b| written.contains(&b))).for_each(|e| e.1 = true);
        let mut bindings = String::new();
        let mut next = 3;
        if ledger {
            let _ = writeln!(bindings, "@group(0) @binding({next}) var<storage, read_write> ledger: array<real>;");
            next += 1;
        }
        let mut foreign = false;
        if let Some((form, x)) = product {
            let (gathered, private) = match &self.applied()[..] {
                [_] => self.gathered(x, &vectors),
                several => gathered_in_turn(several.iter().map(|x| position(&vectors, *x)), form.dtype),
            };
            bindings += &private;
            bindings += &matrix(form, &gathered, next);
            let operator = self.body.iter().find_map(|op| match op {
                Op::Apply { a, .. } => Some(&self.space.operators[a.0 as usize]),
                _ => None,
            });
            if let Some(text) = operator.and_then(|data| foreign_row(data, form.dtype)) {
                bindings += &text;
                foreign = true;
            }
            next += 2;
        }
        for (k, (v, written)) in vectors.iter().enumerate() {
            let access = if *written { "read_write" } else { "read" };
            let item = type_name(self.space.dtype(*v));
            let _ = writeln!(bindings, "@group(0) @binding({}) var<storage, {access}> v{k}: array<{item}>;", next + k);
        }

        let (sweep, leaves) = self.sweep_code(&vectors);
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
        Generated { text, ledger, matrix: product.is_some(), foreign, vectors, leaves }
    }

    /// What the matrix is applied to, product by product.
    fn applied(&self) -> Vec<Vector> {
        self.body.iter().filter_map(Op::gathers).collect()
    }

    /// Form of the matrix applied, and the vector it is applied to.
    fn product(&self) -> Option<(Form, Vector)> {
        self.body.iter().find_map(|op| match op {
            Op::Apply { a, x, .. } => Some((self.forms[a.0 as usize], *x)),
            _ => None,
        })
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

    /// x_j as a product gathers it, and the variables in which it finds the coefficients.
    fn gathered(&self, x: Vector, vectors: &[(Vector, bool)]) -> (String, String) {
        let Some(terms) = forming::formula(&self.body[..self.deferred], x) else {
            return (format!("v{}[j]", position(vectors, x)), String::new());
        };
        let mut private = String::new();
        let sum = self.sum(x, terms, |v| format!("v{}[j]", position(vectors, v)), &mut |_, kind| {
            let name = format!("g{}", private.lines().count());
            let _ = writeln!(private, "var<private> {name}: {kind};");
            name
        });
        (sum, private)
    }

    /// Σ c u (v) as y stores it: `entry` reads a vector, `coefficient` names a factor that has this text and type.
    fn sum(
        &self,
        y: Vector,
        terms: &[Term],
        mut entry: impl FnMut(Vector) -> String,
        coefficient: &mut impl FnMut(String, &str) -> String,
    ) -> String {
        let vectors = terms.iter().flat_map(|t| std::iter::once(t.x).chain(t.by)).chain([y]);
        let types: Vec<Dtype> = vectors.map(|v| self.space.dtype(v)).collect();
        let arithmetic = Arithmetic::among(&types);
        let term = |t: &Term| {
            let mut factors = vec![];
            if !t.coefficient.is_one() {
                let c = match t.coefficient.constant() {
                    // Of the right type from the start: compilers refuse to narrow f64 constants.
                    Some(c) => arithmetic.constant(c),
                    None => arithmetic.widen(&self.expr(&t.coefficient), self.real),
                };
                factors.push(coefficient(c, arithmetic.type_name()));
            }
            for v in std::iter::once(t.x).chain(t.by) {
                factors.push(arithmetic.widen(&entry(v), self.space.dtype(v)));
            }
            factors.into_iter().reduce(|a, b| arithmetic.multiply(&a, &b)).expect("a term has a vector")
        };
        let sum = terms.iter().map(term).reduce(|a, b| arithmetic.add(&a, &b));
        arithmetic.narrow(sum.as_deref(), self.space.dtype(y))
    }

    fn sweep_code(&self, vectors: &[(Vector, bool)]) -> (String, Vec<u16>) {
        if self.body.is_empty() {
            return (STOPPED.into(), vec![]);
        }
        let (mut head, mut body, mut lines) = (String::new(), String::new(), vec![]);
        let mut leaves = vec![];
        let mut loaded = vec![false; vectors.len()];
        let mut coefficients = 0;
        let (prepare, row, product) = self.product().map_or(("", "p", ""), |(form, _)| row_code(form));
        let store = |v: Vector, value: &str, body: &mut String, loaded: &mut Vec<bool>| {
            let k = position(vectors, v);
            let declare = if loaded[k] { "" } else { "var " };
            let _ = writeln!(body, "            {declare}e{k} = {value};\n            v{k}[i] = e{k};");
            loaded[k] = true;
        };
        let several = self.applied().len() > 1;
        let mut products = 0;
        for op in self.body {
            lines.push(body.len());
            let mut load = |v: Vector, body: &mut String| {
                let k = position(vectors, v);
                if !loaded[k] {
                    let _ = writeln!(body, "            var e{k} = v{k}[i];");
                    loaded[k] = true;
                }
                format!("e{k}")
            };
            match op {
                Op::Apply { y, .. } => {
                    let item = type_name(self.space.dtype(*y));
                    if several {
                        let _ = writeln!(body, "            x_number = {products}u;");
                        products += 1;
                    }
                    store(*y, &format!("{item}({product})"), &mut body, &mut loaded);
                }
                Op::Map { y, terms } => {
                    let sum = self.sum(*y, terms, |v| load(v, &mut body), &mut |value, _| {
                        let name = format!("c{coefficients}");
                        let _ = writeln!(head, "    let {name} = {value};");
                        coefficients += 1;
                        name
                    });
                    store(*y, &sum, &mut body, &mut loaded);
                }
                Op::Dot { x, y, out } => {
                    let (a, b) = (load(*x, &mut body), load(*y, &mut body));
                    let d = leaves.len();
                    let _ = writeln!(head, "    var sum{d} = real(0.0);");
                    let _ = writeln!(body, "            sum{d} += real({a}) * real({b});");
                    leaves.push(out.0);
                }
                _ => unreachable!("an operation that no sweep holds"),
            }
        }
        let each = |prepare: &str, row: &str, body: &str| {
            format!(
                "    for (var start = group.x * WORKGROUP; start < P.n; start += P.groups * WORKGROUP) {{\n{prepare}        let p = start + t;\n        if (p < P.n) {{\n            let i = {row};\n{body}        }}\n    }}\n"
            )
        };
        let mut code = String::new();
        match (self.product(), self.twin) {
            (Some((_, x)), Some(twin)) => {
                // The coefficients as in the updates themselves.
                let terms = forming::formula(&self.body[..self.deferred], x).expect("a vector formed");
                let mut factors = 0;
                let _ = self.sum(x, terms, |_| String::new(), &mut |value, _| {
                    let _ = writeln!(head, "    g{factors} = {value};");
                    factors += 1;
                    String::new()
                });
                let (new, old) = (position(vectors, x), position(vectors, twin));
                let mut updates = body[..lines[self.deferred]].to_string();
                let _ = writeln!(updates, "            v{old}[i] = e{new};");
                code += &head;
                let _ = writeln!(
                    code,
                    "    if (stopped != 0u) {{\n        // Stopped just now, with the updates of the iteration before still to do.\n        if (state_in[STOP] == real(0.0)) {{\n{}        }}\n        return;\n    }}",
                    each("", "p", &updates)
                );
            }
            _ => {
                code += STOPPED;
                code += &head;
            }
        }
        code += &each(prepare, row, &body);
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

    fn type_name(self) -> &'static str {
        type_name(match self {
            Self::Plain(wide) => wide,
            Self::Pairs => Dtype::DoubleSingle,
        })
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
