//! The text of a fused sweep: `shaders/sweep.wgsl` with a few generated lines.

use super::arithmetic::{Arithmetic, literal, type_name};
use super::scalars::needs_ledger;
use super::{GROUPS_MAX, HEADER, SWEEP, Types, WORKGROUP, block_sums, fill, partials_at, within};
use crate::backend::gpu::form::{Form, Step};
use crate::matrix::Matrix;
use crate::op::{Dtype, Op, OperatorData, Space, Term, Vector, forming};
use std::fmt::Write;

/// Skips the rest of a sweep once the STOP code is set.
const STOPPED: &str = "    if (stopped != 0u) {\n        return;\n    }\n";

/// The work of a sweep kernel, in order of execution.
pub(in crate::backend::gpu) struct Sweep<'a> {
    pub(in crate::backend::gpu) space: &'a Space,
    pub(in crate::backend::gpu) real: Dtype,
    /// Scalars whose partial sums the previous sweep left, in slot order.
    pub(in crate::backend::gpu) pending: &'a [u16],
    pub(in crate::backend::gpu) scalars: &'a [Op],
    pub(in crate::backend::gpu) body: &'a [Op],
    /// How many operations of the body the previous sweep deferred: updates that form what the product gathers.
    pub(in crate::backend::gpu) deferred: usize,
    /// Where the vector they form has been until now.
    pub(in crate::backend::gpu) twin: Option<Vector>,
    /// Form of each matrix of the space.
    pub(in crate::backend::gpu) forms: &'a [Form],
    /// Scalars of the space and of the engine.
    pub(in crate::backend::gpu) scalar_count: usize,
    /// Where each array starts in the ledger.
    pub(in crate::backend::gpu) array_at: &'a [usize],
}

/// A generated kernel, and what it binds after the two state buffers, in order.
pub(in crate::backend::gpu) struct Generated {
    pub(in crate::backend::gpu) text: String,
    pub(in crate::backend::gpu) ledger: bool,
    pub(in crate::backend::gpu) matrix: bool,
    /// The text contains code of the user: it is compiled with checks.
    pub(in crate::backend::gpu) foreign: bool,
    /// Vectors, and whether they are written.
    pub(in crate::backend::gpu) vectors: Vec<(Vector, bool)>,
    /// Scalars whose partial sums this sweep leaves, in slot order.
    pub(in crate::backend::gpu) leaves: Vec<u16>,
    /// Entries that a workgroup processes at a time.
    pub(in crate::backend::gpu) width: usize,
}

/// The user's text for a row of the operator, and a function that scales the row by a power of two.
fn foreign_row(data: &OperatorData, dtype: Dtype) -> Option<String> {
    let Matrix::Free(operator) = &data.matrix else { return None };
    let shader = operator.shader().expect("asked for when the plan was made");
    // Double braces mark placeholders: those of the user are not placeholders.
    let text = shader.text.replace("{{", "{ {").replace("}}", "} }");
    let scale = literal(dtype, crate::host::scale::ldexp(1.0, data.exponent));
    Some(format!("{text}\n\nfn scaled_product(i: u32) -> number {{\n    return {scale} * row_product(i);\n}}\n\n"))
}

/// x_j of the current product, if a sweep has several: after the first, the row's entries come from the cache.
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

impl Sweep<'_> {
    pub(in crate::backend::gpu) fn generate(&self) -> Generated {
        let ledger = self.scalars.iter().any(needs_ledger);
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
        // At a stop the vector formed is written to both its places.
        vectors.iter_mut().filter(|e| Some(e.0) == self.twin).for_each(|e| e.1 = true);
        // Columns of one basis share a buffer, which a kernel binds either as read-only or as writable.
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
            bindings += &form.text(&gathered, next, self.width());
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
        let [copies, before, behind] = self.copy_code();
        bindings += &copies;
        bindings += &block_sums(self.finished().max(leaves.len()));
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
                    ("before", &before),
                    ("scalar_code", &self.scalar_code()),
                    ("behind", &behind),
                    ("sweep", &sweep),
                ],
            );
        Generated { text, ledger, matrix: product.is_some(), foreign, vectors, leaves, width: self.width() }
    }

    /// Entries that a workgroup processes at a time: fewer than its invocations if several share a row. Not with dot
    /// products, whose partial sums must cover the same entries whatever the form.
    fn width(&self) -> usize {
        let dots = self.body.iter().any(|op| matches!(op, Op::Dot { .. }));
        self.product().map_or(WORKGROUP, |(form, _)| form.layout.rows().width(dots))
    }

    /// The vectors the matrix is applied to, product by product.
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

    /// The expression for x_j in a product, and the variables that hold its coefficients.
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
                    // A literal of the final type: compilers refuse to narrow f64 constants.
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
        // Vectors that are read before they are written.
        let mut first_read = vec![];
        let mut coefficients = 0;
        let plain = Step { prepare: "", row: "p", product: "" };
        let Step { prepare, row, product } = self.product().map_or(plain, |(form, _)| form.layout.rows().step());
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
                    *body += &entry_read(k);
                    loaded[k] = true;
                    first_read.push(k);
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
        let (width, within) = (self.width(), within(self.width()));
        let is_begun = self.product().is_none();
        let each = |prepare: &str, row: &str, body: &str| {
            format!(
                "    for ({}; start < P.n; start += P.groups * {width}u) {{\n{prepare}        let p = start + t;\n        if ({within}) {{\n            let i = {row};\n{body}        }}\n    }}\n",
                if is_begun { String::new() } else { format!("var start = group.x * {width}u") }
            )
        };
        let mut code = String::new();
        match (self.product(), self.twin) {
            (Some((_, x)), Some(twin)) => {
                // The same coefficients as in the updates.
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
        if is_begun {
            code += &unrolled(&first_read, &body);
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
}

/// The line that reads entry i of a vector.
fn entry_read(k: usize) -> String {
    format!("            var e{k} = v{k}[i];\n")
}

/// A loop over several entries of an invocation at a time, as long as all of them exist: `body` with all its reads first,
/// so that more bytes are on their way at once. Its sums are those of one entry after the other. Defines `start` for the
/// loop over the rest.
fn unrolled(first_read: &[usize], body: &str) -> String {
    let mut code = format!("    var start = group.x * {WORKGROUP}u;\n");
    // Four numbers of four vectors: 32 registers in f64.
    let each = if first_read.len() > 4 { 2 } else { 4 };
    let _ = writeln!(
        code,
        "    let step = P.groups * {WORKGROUP}u;\n    for (; start + {}u * step + {}u < P.n; start += {each}u * step) {{",
        each - 1,
        WORKGROUP - 1
    );
    for u in 0..each {
        let _ = writeln!(code, "        let i{u} = start + t + {u}u * step;");
    }
    for u in 0..each {
        for k in first_read {
            let _ = writeln!(code, "        let read{k}_{u} = v{k}[i{u}];");
        }
    }
    for u in 0..each {
        let mut one = body.to_string();
        for &k in first_read {
            one = one.replace(&entry_read(k), &format!("            var e{k} = read{k}_{u};\n"));
        }
        let _ = write!(code, "        {{\n            let i = i{u};\n{one}        }}\n");
    }
    code + "    }\n"
}

/// The basis that `v` is a column of.
pub(in crate::backend::gpu) fn basis(v: Vector) -> Option<u16> {
    if let Vector::Column { basis, .. } = v { Some(basis) } else { None }
}

fn position(vectors: &[(Vector, bool)], v: Vector) -> usize {
    vectors.iter().position(|e| e.0 == v).expect("every vector of the sweep is listed")
}
