//! The verbs a method writes with, and the checks that catch a slip where it is written.

use super::{Array, Basis, Cond, Dtype, Expr, Item, Op, Operator, Scalar, Space, Stop, Term, Triangle, Vector};
use std::fmt;

/// A straight list of operations: one start, one iteration, one end of a cycle.
///
/// The verbs check shapes and aliasing at once and panic with the vectors' names: a slip in a method
/// is a bug of the method, not of its input.
pub struct Program<'a> {
    space: &'a Space,
    pub(crate) ops: Vec<Op>,
    /// How many times a preconditioner was applied.
    pub(crate) preconditioned: usize,
    /// Products with the system's matrix made inside preconditioners.
    pub(crate) inner_products: usize,
}

/// A sum of scaled vectors on its way to [`Program::assign`].
#[derive(Default)]
pub struct Combination(Vec<Term>);

impl Combination {
    /// … + c x.
    #[must_use]
    pub fn plus(mut self, c: impl Into<Expr>, x: Vector) -> Self {
        self.0.push(Term { coefficient: c.into(), x, by: None });
        self
    }

    /// … + c x∘y, entry by entry.
    #[must_use]
    pub fn plus_product(mut self, c: impl Into<Expr>, x: Vector, y: Vector) -> Self {
        self.0.push(Term { coefficient: c.into(), x, by: Some(y) });
        self
    }
}

impl<'a> Program<'a> {
    /// An empty program over the handles of `space`.
    #[must_use]
    pub fn new(space: &'a Space) -> Self {
        Self { space, ops: Vec::with_capacity(24), preconditioned: 0, inner_products: 0 }
    }

    fn same_length(&self, what: &str, vectors: &[Vector]) {
        for pair in vectors.windows(2) {
            let (m, n) = (self.space.len(pair[0]), self.space.len(pair[1]));
            assert!(
                m == n,
                "{what}: {} has {m} entries, {} has {n}",
                self.space.name(pair[0]),
                self.space.name(pair[1])
            );
        }
    }

    /// y = A x.
    pub fn apply(&mut self, a: Operator, x: Vector, y: Vector) {
        let data = &self.space.operators[a.0 as usize];
        let (rows, cols) = (data.matrix.rows(), data.matrix.cols());
        assert!(x != y, "apply: {} can't be both x and y of y = A x", self.space.name(x));
        assert!(
            self.space.len(x) == cols && self.space.len(y) == rows,
            "apply: {} is {rows} x {cols}, {} has {} entries, {} has {}",
            data.name,
            self.space.name(x),
            self.space.len(x),
            self.space.name(y),
            self.space.len(y)
        );
        let dtype = self.space.plan.dtype(data.role);
        self.same_type("apply", &data.name, dtype, [x, y]);
        self.ops.push(Op::Apply { a, x, y });
    }

    /// A product or a solve runs in one number type; sums of vectors may mix them.
    fn same_type(&self, what: &str, matrix: &str, dtype: Dtype, vectors: [Vector; 2]) {
        for v in vectors {
            let found = self.space.dtype(v);
            assert!(found == dtype, "{what}: {matrix} is {dtype:?}, {} is {found:?}", self.space.name(v));
        }
    }

    /// y = T⁻¹ x; both may be one vector.
    pub fn solve(&mut self, t: Triangle, x: Vector, y: Vector) {
        let data = &self.space.triangles[t.0 as usize];
        let n = data.matrix.rows();
        self.same_length("solve", &[x, y]);
        assert!(self.space.len(x) == n, "solve: {} has {n} rows, {} has another length", data.name, self.space.name(x));
        self.same_type("solve", &data.name, self.space.plan.dtype(data.role), [x, y]);
        self.ops.push(Op::TriangularSolve { t, x, y });
    }

    /// y = a sum of scaled vectors.
    pub fn assign(&mut self, y: Vector, sum: Combination) {
        let terms = sum.0;
        for t in &terms {
            self.same_length("assign", &[y, t.x]);
            self.same_length("assign", &[y, t.by.unwrap_or(y)]);
        }
        self.ops.push(Op::Map { y, terms });
    }

    /// y += a x.
    pub fn axpy(&mut self, a: impl Into<Expr>, x: Vector, y: Vector) {
        self.assign(y, Combination::default().plus(1.0, y).plus(a, x));
    }

    /// y = x + b y.
    pub fn xpby(&mut self, x: Vector, b: impl Into<Expr>, y: Vector) {
        self.assign(y, Combination::default().plus(1.0, x).plus(b, y));
    }

    /// y = a x.
    pub fn scale(&mut self, a: impl Into<Expr>, x: Vector, y: Vector) {
        self.assign(y, Combination::default().plus(a, x));
    }

    /// y = x; nothing where both are one vector.
    pub fn copy(&mut self, x: Vector, y: Vector) {
        if x != y {
            self.scale(1.0, x, y);
        }
    }

    /// y = 0.
    pub fn zero(&mut self, y: Vector) {
        self.assign(y, Combination::default());
    }

    /// y = d∘x, entry by entry.
    pub fn multiply(&mut self, d: Vector, x: Vector, y: Vector) {
        self.assign(y, Combination::default().plus_product(1.0, d, x));
    }

    /// out = ⟨x, y⟩. A dot product already asked for since its vectors last changed is not asked for again.
    pub fn dot(&mut self, x: Vector, y: Vector, out: Scalar) {
        self.same_length("dot", &[x, y]);
        for op in self.ops.iter().rev() {
            match op {
                Op::Dot { x: u, y: v, out: same } if (*u, *v) == (x, y) || (*u, *v) == (y, x) => {
                    let value = Expr::from(*same);
                    self.ops.push(Op::Set { out, value });
                    return;
                }
                // Past a change of a vector or of any scalar an older result may not be the same any more.
                op if op.writes().is_some_and(|w| w == x || w == y) || op.is_scalar() => break,
                Op::Rotate { .. } => break,
                _ => {}
            }
        }
        self.ops.push(Op::Dot { x, y, out });
    }

    fn basis_shape(&self, what: &str, v: Basis, k: usize, w: Vector, h: Array) {
        let info = &self.space.bases[v.0 as usize];
        assert!(k <= info.columns, "{what}: {} has {} columns, {k} asked for", info.name, info.columns);
        let (name, len) = &self.space.arrays[h.0 as usize];
        assert!(k <= *len, "{what}: array {name} holds {len}, {k} asked for");
        self.same_length(what, &[v.column(0), w]);
        let inside = matches!(w, Vector::Column { basis, column } if basis == v.0 && (column as usize) < k);
        assert!(!inside, "{what}: {} is one of the columns projected on", self.space.name(w));
    }

    /// h_j = ⟨v_j, w⟩ for j < k.
    pub fn multi_dot(&mut self, v: Basis, k: usize, w: Vector, h: Array) {
        self.basis_shape("multi_dot", v, k, w, h);
        self.ops.push(Op::MultiDot { v, k, w, out: h });
    }

    /// w −= Σ_{j<k} h_j v_j.
    pub fn multi_subtract(&mut self, v: Basis, k: usize, h: Array, w: Vector) {
        self.basis_shape("multi_subtract", v, k, w, h);
        self.ops.push(Op::MultiAxpy { v, k, coefficients: h, minus: true, w });
    }

    /// w += Σ_{j<k} y_j v_j.
    pub fn multi_add(&mut self, v: Basis, k: usize, y: Array, w: Vector) {
        self.basis_shape("multi_add", v, k, w, y);
        self.ops.push(Op::MultiAxpy { v, k, coefficients: y, minus: false, w });
    }

    /// V[:, ..l] = V[:, ..k] S with S, k × l, one column after the other in `s`.
    pub fn rotate(&mut self, v: Basis, k: usize, l: usize, s: Array) {
        let info = &self.space.bases[v.0 as usize];
        assert!(l <= k && k <= info.columns, "rotate: {k} columns to {l}, {} has {}", info.name, info.columns);
        let (name, len) = &self.space.arrays[s.0 as usize];
        assert!(k * l <= *len, "rotate: array {name} holds {len}, {k} x {l} asked for");
        if l > 0 {
            self.ops.push(Op::Rotate { v, k, l, s });
        }
    }

    /// out = Σ_{i<k} x_i y_i, of arrays.
    pub fn array_dot(&mut self, x: Array, y: Array, k: usize, out: Scalar) {
        for a in [x, y] {
            let (name, len) = &self.space.arrays[a.0 as usize];
            assert!(k <= *len, "array_dot: array {name} holds {len}, {k} asked for");
        }
        self.ops.push(Op::ArrayDot { x, y, k, out });
    }

    /// out = value.
    pub fn set(&mut self, out: Scalar, value: impl Into<Expr>) {
        self.ops.push(Op::Set { out, value: value.into() });
    }

    /// Sends these numbers to the host as one record.
    pub fn publish(&mut self, values: &[Expr]) {
        self.publish_items(values.iter().cloned().map(Item::Value).collect());
    }

    /// Sends numbers and arrays to the host as one record.
    pub fn publish_items(&mut self, items: Vec<Item>) {
        self.ops.push(Op::Publish(items));
    }

    /// Stops the program with `code` if the condition holds. Belongs at the end: the state is whole then.
    pub fn stop_if(&mut self, condition: Cond, code: Stop) {
        self.ops.push(Op::StopIf(condition, code));
    }
}

impl fmt::Display for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ops.iter().try_for_each(|op| writeln!(f, "{}", Named(self.space, op)))
    }
}

/// An operation with the names of its space.
pub(crate) struct Named<'a>(pub(crate) &'a Space, pub(crate) &'a Op);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(space, op) = self;
        let vector = |v: &Vector| space.name(*v);
        let scalar = |s: &Scalar| space.scalars[s.0 as usize].clone();
        let array = |a: &Array| space.arrays[a.0 as usize].0.clone();
        let basis = |b: &Basis| space.bases[b.0 as usize].name.clone();
        match op {
            Op::Apply { a, x, y } => {
                write!(f, "{} = {} {}", vector(y), space.operators[a.0 as usize].name, vector(x))
            }
            Op::TriangularSolve { t, x, y } => {
                write!(f, "{} = {}^-1 {}", vector(y), space.triangles[t.0 as usize].name, vector(x))
            }
            Op::Map { y, terms } => {
                write!(f, "{} =", vector(y))?;
                if terms.is_empty() {
                    write!(f, " 0")?;
                }
                for (t, term) in terms.iter().enumerate() {
                    let plus = if t > 0 { " +" } else { "" };
                    let by = term.by.map(|v| format!("*{}", space.name(v))).unwrap_or_default();
                    write!(f, "{plus} ({})*{}{by}", expression(&term.coefficient, space), vector(&term.x))?;
                }
                Ok(())
            }
            Op::Dot { x, y, out } => write!(f, "{} = <{}, {}>", scalar(out), vector(x), vector(y)),
            Op::MultiDot { v, k, w, out } => {
                write!(f, "{}[..{k}] = <{}[..{k}], {}>", array(out), basis(v), vector(w))
            }
            Op::MultiAxpy { v, k, coefficients, minus, w } => {
                let sign = if *minus { '-' } else { '+' };
                write!(f, "{} {sign}= {}[..{k}] {}[..{k}]", vector(w), basis(v), array(coefficients))
            }
            Op::Rotate { v, k, l, s } => write!(f, "{0}[..{l}] = {0}[..{k}] {1}", basis(v), array(s)),
            Op::ArrayDot { x, y, k, out } => write!(f, "{} = <{}[..{k}], {}[..{k}]>", scalar(out), array(x), array(y)),
            Op::Set { out, value } => write!(f, "{} = {}", scalar(out), expression(value, space)),
            Op::Publish(items) => {
                write!(f, "publish")?;
                items.iter().try_for_each(|item| match item {
                    Item::Value(e) => write!(f, " {}", expression(e, space)),
                    Item::Array(a, k) => write!(f, " {}[..{k}]", array(a)),
                })
            }
            Op::StopIf(condition, code) => write!(f, "stop {code} if {}", condition_text(condition, space)),
        }
    }
}

fn expression(e: &Expr, space: &Space) -> String {
    let two = |a: &Expr, sign: &str, b: &Expr| format!("({} {sign} {})", expression(a, space), expression(b, space));
    match e {
        Expr::Constant(c) => format!("{}", c.0),
        Expr::Scalar(s) => space.scalars[s.0 as usize].clone(),
        Expr::Neg(a) => format!("-{}", expression(a, space)),
        Expr::Abs(a) => format!("|{}|", expression(a, space)),
        Expr::Sqrt(a) => format!("sqrt({})", expression(a, space)),
        Expr::Add(a, b) => two(a, "+", b),
        Expr::Sub(a, b) => two(a, "-", b),
        Expr::Mul(a, b) => two(a, "*", b),
        Expr::Div(a, b) => two(a, "/", b),
        Expr::Min(a, b) => two(a, "min", b),
        Expr::Max(a, b) => two(a, "max", b),
        Expr::Select(c, a, b) => {
            format!("({} ? {} : {})", condition_text(c, space), expression(a, space), expression(b, space))
        }
    }
}

fn condition_text(c: &Cond, space: &Space) -> String {
    match c {
        Cond::Le(a, b) => format!("{} <= {}", expression(a, space), expression(b, space)),
        Cond::Lt(a, b) => format!("{} < {}", expression(a, space), expression(b, space)),
        Cond::NotFinite(a) => format!("{} is not finite", expression(a, space)),
        Cond::And(a, b) => format!("{} and {}", condition_text(a, space), condition_text(b, space)),
    }
}
