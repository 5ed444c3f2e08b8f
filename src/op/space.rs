//! What a program's handles stand for: names, shapes, number types, initial data.

use super::{Array, Basis, Dtype, Operator, Scalar, Triangle, Vector};
use crate::host::halt::Halt;
use crate::matrix::{Matrix, Triangular};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a vector is for; the [`Precisions`] say which number type that means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Directions, residuals, bases: what an iteration streams.
    Working,
    /// The solution and the true residual: what the answer's accuracy hangs on.
    Accumulate,
    /// Inside a preconditioner: M need only be near A⁻¹, so fewer digits do.
    Preconditioner,
}

/// The number type of each role.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
pub struct Precisions {
    /// For [`Role::Working`].
    pub working: Dtype,
    /// For [`Role::Accumulate`].
    pub accumulate: Dtype,
    /// For [`Role::Preconditioner`].
    pub preconditioner: Dtype,
}

impl Precisions {
    /// One type for everything.
    #[must_use]
    pub fn uniform(dtype: Dtype) -> Self {
        Self { working: dtype, accumulate: dtype, preconditioner: dtype }
    }

    /// This plan with another type inside preconditioners.
    #[must_use]
    pub fn with_preconditioner(self, dtype: Dtype) -> Self {
        Self { preconditioner: dtype, ..self }
    }

    /// Iterations in f32, residual and solution in `wide`.
    #[must_use]
    pub fn mixed(wide: Dtype) -> Self {
        Self { working: Dtype::F32, accumulate: wide, preconditioner: Dtype::F32 }
    }

    /// The type that `role` stands for.
    #[must_use]
    pub fn dtype(self, role: Role) -> Dtype {
        match role {
            Role::Working => self.working,
            Role::Accumulate => self.accumulate,
            Role::Preconditioner => self.preconditioner,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct VectorInfo {
    pub(crate) name: String,
    pub(crate) len: usize,
    pub(crate) layout: u32,
    pub(crate) role: Role,
    pub(crate) initial: Option<Arc<Vec<f64>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct BasisInfo {
    pub(crate) name: String,
    pub(crate) len: usize,
    pub(crate) layout: u32,
    pub(crate) columns: usize,
}

/// How many entries a vector has here, and how it is cut between ranks: two of one length on this rank may have others on
/// another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Length {
    pub(crate) entries: usize,
    pub(crate) layout: u32,
}

/// The layout of what a rank has for itself, whatever others have.
pub(crate) const PRIVATE: u32 = u32::MAX;

/// A matrix, its power-of-two scale, and the role its product is computed in.
#[derive(Clone, Debug)]
pub(crate) struct OperatorData {
    pub(crate) name: String,
    pub(crate) matrix: Matrix,
    /// Values are multiplied by 2^exponent on their way to the device.
    pub(crate) exponent: i32,
    pub(crate) role: Role,
    /// Bytes that a product reads of the form the backend stores, noted by the backend; 0 before. Copies of
    /// a space share it.
    pub(crate) stored_bytes: Arc<AtomicU64>,
    /// A product with it must be a sweep of its own, in the form the backend stores; noted by the backend as well.
    pub(crate) alone: Arc<AtomicBool>,
}

/// A triangle, its power-of-two scale, and the role it is solved with in.
#[derive(Clone, Debug)]
pub(crate) struct TriangleData {
    pub(crate) name: String,
    pub(crate) matrix: Arc<Triangular>,
    /// The triangle is used as T·2^exponent.
    pub(crate) exponent: i32,
    pub(crate) role: Role,
}

/// Every handle of one solve. Methods ask it for vectors; a backend allocates what it lists.
#[derive(Clone, Debug)]
pub struct Space {
    pub(crate) plan: Precisions,
    pub(crate) vectors: Vec<VectorInfo>,
    pub(crate) bases: Vec<BasisInfo>,
    pub(crate) scalars: Vec<String>,
    pub(crate) arrays: Vec<(String, usize)>,
    pub(crate) operators: Vec<OperatorData>,
    pub(crate) triangles: Vec<TriangleData>,
    solves_triangles: bool,
    /// That of the next vectors.
    layout: u32,
    /// Systems side by side in it.
    pub(crate) systems: usize,
    /// What ends the making of an engine for it.
    pub(crate) halt: Halt,
}

pub(super) fn index(len: usize, what: &str) -> u16 {
    u16::try_from(len).unwrap_or_else(|_| panic!("more than 65535 {what}"))
}

impl Space {
    /// An empty space under a precision plan.
    #[must_use]
    pub fn new(plan: Precisions) -> Self {
        Self {
            plan,
            vectors: vec![],
            bases: vec![],
            scalars: vec![],
            arrays: vec![],
            operators: vec![],
            triangles: vec![],
            solves_triangles: true,
            layout: 0,
            systems: 1,
            halt: Halt::default(),
        }
    }

    /// For a device that has no triangular solves.
    #[must_use]
    pub fn without_triangles(self) -> Self {
        Self { solves_triangles: false, ..self }
    }

    /// True where [`crate::op::Op::TriangularSolve`] may be written.
    #[must_use]
    pub fn solves_triangles(&self) -> bool {
        self.solves_triangles
    }

    /// From now on vectors are cut like the rows of matrices with this layout; the one before.
    pub(crate) fn enter(&mut self, layout: u32) -> u32 {
        std::mem::replace(&mut self.layout, layout)
    }

    /// A zeroed vector in working precision.
    pub fn vector(&mut self, name: &str, len: usize) -> Vector {
        self.add_vector(name, len, Role::Working, None)
    }

    /// A zeroed vector in accumulate precision.
    pub fn accumulator(&mut self, name: &str, len: usize) -> Vector {
        self.add_vector(name, len, Role::Accumulate, None)
    }

    /// A vector in working precision that starts with these values.
    pub fn constant(&mut self, name: &str, values: Arc<Vec<f64>>) -> Vector {
        self.add_vector(name, values.len(), Role::Working, Some(values))
    }

    /// A zeroed vector in the precision of `role`.
    pub fn vector_in(&mut self, role: Role, name: &str, len: usize) -> Vector {
        self.add_vector(name, len, role, None)
    }

    /// A vector in the precision of `role` that starts with these values.
    pub fn constant_in(&mut self, role: Role, name: &str, values: Arc<Vec<f64>>) -> Vector {
        self.add_vector(name, values.len(), role, Some(values))
    }

    fn add_vector(&mut self, name: &str, len: usize, role: Role, initial: Option<Arc<Vec<f64>>>) -> Vector {
        self.vectors.push(VectorInfo { name: name.into(), len, layout: self.layout, role, initial });
        Vector::Own(index(self.vectors.len() - 1, "vectors"))
    }

    /// A zeroed n × m basis in working precision.
    pub fn basis(&mut self, name: &str, len: usize, columns: usize) -> Basis {
        self.bases.push(BasisInfo { name: name.into(), len, layout: self.layout, columns });
        Basis(index(self.bases.len() - 1, "bases"))
    }

    /// A scalar, zero at first.
    pub fn scalar(&mut self, name: &str) -> Scalar {
        self.scalars.push(name.into());
        Scalar(index(self.scalars.len() - 1, "scalars"))
    }

    /// Several scalars at once.
    pub fn scalars<const K: usize>(&mut self, names: [&str; K]) -> [Scalar; K] {
        names.map(|name| self.scalar(name))
    }

    /// An array of numbers, zero at first.
    pub fn array(&mut self, name: &str, len: usize) -> Array {
        self.arrays.push((name.into(), len));
        Array(index(self.arrays.len() - 1, "arrays"))
    }

    /// A matrix, its values times 2^`exponent`. The same matrix under the same scale and number type is kept once.
    pub fn operator(&mut self, name: &str, matrix: impl Into<Matrix>, exponent: i32, role: Role) -> Operator {
        let matrix = matrix.into();
        let dtype = self.plan.dtype(role);
        let same =
            |o: &OperatorData| o.matrix.is(&matrix) && o.exponent == exponent && self.plan.dtype(o.role) == dtype;
        if let Some(known) = self.operators.iter().position(same) {
            return Operator(index(known, "operators"));
        }
        self.operators.push(OperatorData {
            name: name.into(),
            matrix,
            exponent,
            role,
            stored_bytes: Arc::default(),
            alone: Arc::default(),
        });
        Operator(index(self.operators.len() - 1, "operators"))
    }

    /// A triangle to solve with, all of it times 2^`exponent`.
    pub fn triangle(&mut self, name: &str, matrix: Arc<Triangular>, exponent: i32, role: Role) -> Triangle {
        self.triangles.push(TriangleData { name: name.into(), matrix, exponent, role });
        Triangle(index(self.triangles.len() - 1, "triangles"))
    }

    /// The operator that is the strict part of `t` in the same number type and scale, if products with it are taken too.
    pub(crate) fn strict_part(&self, t: &TriangleData) -> Option<Operator> {
        let strict = Matrix::from(t.matrix.strict_shared());
        let same = |o: &OperatorData| {
            o.matrix.is(&strict) && o.exponent == t.exponent && self.plan.dtype(o.role) == self.plan.dtype(t.role)
        };
        self.operators.iter().position(same).map(|k| Operator(k as u16))
    }

    /// Length of a vector.
    #[must_use]
    pub fn len(&self, v: Vector) -> usize {
        self.length(v).entries
    }

    /// Number type of a vector.
    #[must_use]
    pub fn dtype(&self, v: Vector) -> Dtype {
        match v {
            Vector::Own(i) => self.plan.dtype(self.vectors[i as usize].role),
            Vector::Column { .. } => self.plan.working,
        }
    }

    /// A vector's name, for messages and print-outs.
    #[must_use]
    pub fn name(&self, v: Vector) -> String {
        match v {
            Vector::Own(i) => self.vectors[i as usize].name.clone(),
            Vector::Column { basis, column } => format!("{}[{column}]", self.bases[basis as usize].name),
        }
    }

    /// [`Space::len`], with how the vector is cut between ranks.
    pub(crate) fn length(&self, v: Vector) -> Length {
        let (entries, layout) = match v {
            Vector::Own(i) => (self.vectors[i as usize].len, self.vectors[i as usize].layout),
            Vector::Column { basis, .. } => (self.bases[basis as usize].len, self.bases[basis as usize].layout),
        };
        Length { entries, layout }
    }

    /// Lengths of vectors and bases, each as often as it occurs.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = Length> {
        let vectors = self.vectors.iter().map(|v| Length { entries: v.len, layout: v.layout });
        vectors.chain(self.base_lengths())
    }

    /// Those of bases.
    pub(crate) fn base_lengths(&self) -> impl Iterator<Item = Length> {
        self.bases.iter().map(|b| Length { entries: b.len, layout: b.layout })
    }

    /// How many vectors of length n a solve keeps: own vectors and basis columns.
    #[must_use]
    pub fn vector_count(&self) -> usize {
        self.vectors.len() + self.bases.iter().map(|b| b.columns).sum::<usize>()
    }

    /// Bytes of all vectors and bases.
    #[must_use]
    pub fn vector_bytes(&self) -> u64 {
        let own = self.vectors.iter().map(|v| v.len as u64 * self.plan.dtype(v.role).size() as u64);
        let bases = self.bases.iter().map(|b| b.len as u64 * b.columns as u64 * self.plan.working.size() as u64);
        own.sum::<u64>() + bases.sum::<u64>()
    }

    /// Bytes that one solve with `t` reads of it: values, columns, row starts, the diagonal.
    #[must_use]
    pub fn triangle_bytes(&self, t: Triangle) -> u64 {
        let TriangleData { matrix, role, .. } = &self.triangles[t.0 as usize];
        let value = self.plan.dtype(*role).size() as u64;
        (value + 4) * matrix.strict().nnz() as u64 + (value + 4) * matrix.rows() as u64
    }

    /// Bytes that one product with `a` reads of the matrix: as the backend stores it, or, before a backend
    /// has, plain values, columns and row starts.
    #[must_use]
    pub fn operator_bytes(&self, a: Operator) -> u64 {
        let data = &self.operators[a.0 as usize];
        match data.stored_bytes.load(Ordering::Relaxed) {
            0 => data.matrix.held_bytes(self.plan.dtype(data.role).size()),
            stored => stored,
        }
    }

    /// Bytes that a device takes for all of it, and what they are for. Matrices count as plain rows: no form takes more.
    pub(crate) fn needed(&self, ranks: usize) -> (u64, String) {
        let part = |bytes: u64| bytes.div_ceil(ranks as u64);
        let vectors = part(self.vector_bytes());
        let matrices: u64 = (0..self.operators.len()).map(|k| part(self.operator_bytes(Operator(k as u16)))).sum();
        let triangles: u64 = (0..self.triangles.len()).map(|k| self.triangle_bytes(Triangle(k as u16))).sum();
        let text = format!(
            "{} vectors ({vectors} bytes), {} matrices ({matrices}), {} triangles ({triangles})",
            self.vector_count(),
            self.operators.len(),
            self.triangles.len()
        );
        (vectors.saturating_add(matrices).saturating_add(triangles), text)
    }
}
