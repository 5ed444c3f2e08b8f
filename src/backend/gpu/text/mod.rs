//! WGSL text: the files of `shaders/` with placeholders filled in, and the few generated lines of a sweep's body.

mod arithmetic;
mod columns;
mod scalars;
mod sweep;

pub(super) use arithmetic::type_name;
pub(super) use columns::HELD;
pub(super) use scalars::{array_length, needs_ledger};
pub(super) use sweep::{Sweep, basis};

use super::form::{Form, Step};
use crate::op::Dtype;

/// Most workgroups of one sweep on any device: enough to fill the largest GPUs, few enough that every workgroup can
/// add all partial sums itself. Partial sums of one dot product are this far from those of the next.
pub(super) const GROUPS_MAX: usize = 1024;

/// Invocations per workgroup.
pub(super) const WORKGROUP: usize = 256;

/// Slots before the first scalar: STOP and the ledger's cursor.
pub(super) const HEADER: usize = 2;

/// Index of the ledger's cursor in the state.
pub(super) const CURSOR: usize = 1;

/// A shader text of `shaders/`.
pub(super) struct Shader {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    /// Rows of 256 numbers that it sums at once; 0 if it sums none.
    pub(super) sums: usize,
    /// The shaders it calls.
    pub(super) parts: &'static [&'static Shader],
}

/// One file of `shaders/`, as a single [`Shader`].
macro_rules! shader {
    ($file:literal $(sums $sums:literal)? $(calls $($part:ident),+)?) => {
        $crate::backend::gpu::text::Shader {
            name: $file,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file)),
            sums: 0 $(+ $sums)?,
            parts: &[$($(&$part),+)?],
        }
    };
}
pub(super) use shader;

macro_rules! shaders {
    ($($id:ident: $file:literal $(sums $sums:literal)? $(calls $($part:ident),+)?;)*) => {
        $(pub(super) const $id: Shader = shader!($file $(sums $sums)? $(calls $($part),+)?);)*
        /// The files of `shaders/` that belong to no form of a matrix.
        #[cfg(test)]
        pub(super) const SHADERS: &[&Shader] = &[$(&$id),*];
    };
}

shaders! {
    PRELUDE: "prelude.wgsl";
    DOUBLE_SINGLE: "double_single.wgsl";
    DOUBLE_SINGLE_TEST: "double_single_test.wgsl";
    MATRIX: "matrix.wgsl";
    SWEEP: "sweep.wgsl";
    BLOCK_SUM: "block_sum.wgsl";
    PARTIAL_SUM: "partial_sum.wgsl";
    COMBINATION: "combination.wgsl";
    SPMV: "spmv.wgsl";
    AXPY: "axpy.wgsl";
    DOT: "dot.wgsl" sums 1 calls PARTIAL_SUM;
    MULTI_DOT: "multi_dot.wgsl" sums 4;
    MULTI_DOT_PAIR: "multi_dot_pair.wgsl" sums 4;
    FINISH: "finish.wgsl" sums 1;
    MULTI_AXPY: "multi_axpy.wgsl" calls COMBINATION;
    MULTI_AXPY_PAIR: "multi_axpy_pair.wgsl";
    ROTATE: "rotate.wgsl";
    ROTATED: "rotated.wgsl";
    MULTI_AXPY_DOT: "multi_axpy_dot.wgsl" sums 4;
    MULTI_AXPY_DOT_MANY: "multi_axpy_dot_many.wgsl" sums 8 calls COMBINATION;
    MULTI_AXPY_NORM: "multi_axpy_norm.wgsl" sums 1 calls PARTIAL_SUM, COMBINATION;
}

/// Replaces each `{{key}}`.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
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

/// The text that sums up to `rows` numbers over a workgroup; empty for none.
pub(super) fn block_sums(rows: usize) -> String {
    assert!(rows <= 16, "{rows} dot products in one sweep; the workgroup sums 16 at a time");
    match rows {
        0 => String::new(),
        _ => fill(BLOCK_SUM.text, &[("tile", &(rows * WORKGROUP).to_string())]),
    }
}

/// The kernel that tests double-single arithmetic.
pub(super) fn double_single_test() -> String {
    Types { real: Dtype::F32, item: Dtype::DoubleSingle }.head() + DOUBLE_SINGLE_TEST.text
}

/// A kernel that `shaders/` contains; `columns` of a basis, where it works on some.
pub(super) fn plain(shader: &Shader, types: Types, minus: bool, columns: usize) -> String {
    let parts: String = shader.parts.iter().map(|p| p.text).collect();
    let (groups, columns) = (GROUPS_MAX.to_string(), columns::places(shader.text, columns));
    let mut places = vec![("groups_max", &*groups), ("sign", if minus { "-" } else { "+" })];
    places.extend(columns.iter().map(|(place, lines)| (*place, &**lines)));
    types.head() + &block_sums(shader.sums) + &parts + &fill(shader.text, &places)
}

/// The kernel of y = A x alone, for a panel of a matrix in this form. `shared` says that x and y are columns of one
/// basis: a buffer that is written can't also be bound as read-only.
pub(super) fn product(form: Form, types: Types, shared: bool) -> String {
    let access = if shared { "read_write" } else { "read" };
    let rows = form.layout.rows();
    let width = rows.width(false);
    let text = types.head() + &form.text("x[j]", 2, width);
    if let Some(kernel) = rows.kernel(access) {
        return text + &kernel;
    }
    let Step { prepare, row, product } = rows.step();
    let (width, within) = (width.to_string(), within(width));
    let places = [
        ("access", access),
        ("prepare", prepare),
        ("width", &*width),
        ("within", &*within),
        ("row", row),
        ("product", product),
    ];
    text + &fill(SPMV.text, &places)
}

/// The condition under which invocation t has an entry p = start + t, if a workgroup processes `width` at a time.
fn within(width: usize) -> String {
    if width == WORKGROUP { "p < P.n".into() } else { format!("t < {width}u && p < P.n") }
}

/// Where partial sums start in the state buffer.
pub(super) fn partials_at(scalar_count: usize) -> usize {
    (HEADER + scalar_count).next_multiple_of(64)
}
