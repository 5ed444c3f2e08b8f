//! What unit tests share: methods on a space without a driver, an interpreter of operations, devices
//! that may be missing.

use crate::backend::Engine;
use crate::backend::cpu::Cpu;
use crate::matrix::Csr;
use crate::method::{self, Method, Needs, Normal, System, Tuning, Watch};
use crate::op::schedule::{Compiled, Compiler};
use crate::op::{Array, Basis, Dtype, Item, Op, Precisions, Program, Role, Space, Stop, Vector};
use crate::precond;
use crate::solve::refine::Renewal;
use std::collections::HashMap;
use std::sync::Arc;

/// A method as the solver builds it.
pub(crate) struct Built {
    pub(crate) space: Space,
    pub(crate) method: Box<dyn Method>,
    x: Vector,
    r: Vector,
    renewal: Option<Renewal>,
}

pub(crate) fn build(id: &str, preconditioner: &str, a: &Csr, plan: Precisions, restart: usize) -> Built {
    build_in(Space::new(plan), id, preconditioner, a, restart)
}

pub(crate) fn build_in(mut space: Space, id: &str, preconditioner: &str, a: &Csr, restart: usize) -> Built {
    let entry = method::by_name(id).unwrap();
    let n = a.rows();
    let a = Arc::new(a.clone());
    let matrix = space.operator("A", Arc::clone(&a), 0, Role::Working);
    let (x, r) = (space.vector("x", n), space.vector("r", n));
    let normal = (entry.needs == Needs::Any).then(|| Normal {
        transpose: space.operator("A^T", Arc::new(a.transpose()), 0, Role::Working),
        gradient: space.vector("gradient", n),
    });
    let transpose = entry.traits.two_sided.then(|| space.operator("A^T", Arc::new(a.transpose()), 0, Role::Working));
    let watch = Watch::new(&mut space);
    let symmetric = a.first_asymmetry(1e-12).is_none();
    let request = precond::Request {
        definite: entry.needs.symmetry(),
        symmetric,
        normal: normal.is_some(),
        ..precond::Request::default()
    };
    let mut m = preconditioner.parse::<crate::Precond>().unwrap().build(&(&a).into(), &request).unwrap();
    m.install(&mut space, 0);
    m.install_transposed(&mut space, 0);
    let system = System { a: matrix, r, x, n, order: n, normal, transpose, m, watch };
    let method = entry.build(&mut space, system, &Tuning { restart, ..Tuning::default() });
    let refines = space.plan.working != space.plan.accumulate;
    let renewal = (method.restarts() || refines).then(|| Renewal::new(&mut space, matrix, &(&a).into(), 0, n));
    Built { space, method, x, r, renewal }
}

/// A segment's name and its operations.
pub(crate) type Segment = (&'static str, Vec<Op>);

impl Built {
    pub(crate) fn compile(
        &mut self,
        compiler: &mut Compiler,
        write: impl FnOnce(&mut dyn Method, &mut Program),
    ) -> Arc<Compiled> {
        let mut p = Program::new(&self.space);
        write(&mut *self.method, &mut p);
        compiler.compile(p.ops, &self.space)
    }

    /// The segments of a solve in the order the driver issues them, with a cycle's end and a renewal.
    pub(crate) fn segments(&mut self) -> Vec<Segment> {
        let mut out = vec![];
        let mut add = |name, method: &mut dyn Method, write: &mut dyn FnMut(&mut dyn Method, &mut Program)| {
            let mut p = Program::new(&self.space);
            write(method, &mut p);
            out.push((name, p.ops));
        };
        let m = &mut *self.method;
        let renewal = self.renewal;
        let (x, r) = (self.x, self.r);
        add("load", m, &mut |_, p| {
            p.zero(x);
            if let Some(renewal) = renewal {
                renewal.load(p, r);
            }
        });
        add("start", m, &mut |m, p| m.start(p));
        for _ in 0..3 {
            add("step", m, &mut |m, p| {
                m.step(p);
            });
        }
        if m.restarts() {
            add("end_cycle", m, &mut |m, p| m.end_cycle(p, &mut method::Outbox::default()));
        }
        if let Some(renewal) = renewal {
            add("renewal", m, &mut |_, p| {
                renewal.renew(p, x, r);
                if renewal.refines() {
                    renewal.measure(p, r);
                }
            });
        }
        if m.restarts() {
            add("start", m, &mut |m, p| m.start(p));
        } else {
            add("resume", m, &mut |m, p| m.resume(p));
        }
        add("step", m, &mut |m, p| {
            m.step(p);
        });
        out
    }
}

/// Operations one by one in f64: what every backend is measured against.
pub(crate) struct Reference {
    pub(crate) vectors: HashMap<Vector, Vec<f64>>,
    pub(crate) scalars: Vec<f64>,
    pub(crate) arrays: Vec<Vec<f64>>,
    pub(crate) records: Vec<Vec<f64>>,
    pub(crate) stop: Option<Stop>,
}

impl Reference {
    pub(crate) fn new(space: &Space) -> Self {
        let mut vectors = HashMap::new();
        for (i, v) in space.vectors.iter().enumerate() {
            vectors.insert(Vector::Own(i as u16), v.initial.as_ref().map_or_else(|| vec![0.0; v.len], |x| x.to_vec()));
        }
        for (i, b) in space.bases.iter().enumerate() {
            (0..b.columns).for_each(|j| {
                vectors.insert(Basis(i as u16).column(j), vec![0.0; b.len]);
            });
        }
        Self {
            vectors,
            scalars: vec![0.0; space.scalars.len()],
            arrays: space.arrays.iter().map(|a| vec![0.0; a.1]).collect(),
            records: vec![],
            stop: None,
        }
    }

    /// With the rounding errors of the sums carried along: no order of summation is favoured.
    fn dot(&self, x: Vector, y: Vector) -> f64 {
        let (mut sum, mut low) = (0.0, 0.0);
        for (a, b) in self.vectors[&x].iter().zip(&self.vectors[&y]) {
            let next: f64 = sum + a * b;
            let part = next - sum;
            low += (sum - (next - part)) + (a * b - part);
            sum = next;
        }
        sum + low
    }

    pub(crate) fn run(&mut self, ops: &[Op], space: &Space) {
        for op in ops {
            if self.stop.is_some() {
                return;
            }
            let get = |s: crate::op::Scalar| self.scalars[s.0 as usize];
            match op {
                Op::Apply { a, x, y } => {
                    let data = &space.operators[a.0 as usize];
                    let product = data.matrix.multiply(&self.vectors[x]);
                    let product = product.iter().map(|&v| crate::host::scale::ldexp(v, data.exponent)).collect();
                    self.vectors.insert(*y, product);
                }
                Op::TriangularSolve { .. } => unreachable!("no test program solves triangles"),
                Op::Map { y, terms } => {
                    let mut sum = vec![0.0; space.len(*y)];
                    for t in terms {
                        let c = t.coefficient.eval(&get);
                        for (i, s) in sum.iter_mut().enumerate() {
                            *s += c * self.vectors[&t.x][i] * t.by.map_or(1.0, |v| self.vectors[&v][i]);
                        }
                    }
                    self.vectors.insert(*y, sum);
                }
                Op::Dot { x, y, out } => self.scalars[out.0 as usize] = self.dot(*x, *y),
                Op::MultiDot { v, k, w, out } => {
                    for j in 0..*k {
                        self.arrays[out.0 as usize][j] = self.dot(v.column(j), *w);
                    }
                }
                Op::MultiAxpy { v, k, coefficients, minus, w } => {
                    let mut sum = self.vectors[w].clone();
                    for j in 0..*k {
                        let c = self.arrays[coefficients.0 as usize][j] * if *minus { -1.0 } else { 1.0 };
                        sum.iter_mut().zip(&self.vectors[&v.column(j)]).for_each(|(s, x)| *s += c * x);
                    }
                    self.vectors.insert(*w, sum);
                }
                Op::Rotate { v, k, l, s } => {
                    let old: Vec<Vec<f64>> = (0..*k).map(|i| self.vectors[&v.column(i)].clone()).collect();
                    for (j, s) in self.arrays[s.0 as usize].chunks(*k).take(*l).enumerate() {
                        let rows = 0..space.len(v.column(0));
                        let new = rows.map(|r| s.iter().zip(&old).map(|(s, v)| s * v[r]).sum()).collect();
                        self.vectors.insert(v.column(j), new);
                    }
                }
                Op::ArrayDot { x, y, k, out } => {
                    let [x, y] = [x, y].map(|a| &self.arrays[a.0 as usize][..*k]);
                    self.scalars[out.0 as usize] = x.iter().zip(y).map(|(a, b)| a * b).sum();
                }
                Op::Set { out, value } => self.scalars[out.0 as usize] = value.eval(&get),
                Op::Publish(items) => {
                    let mut record = vec![];
                    for item in items {
                        match item {
                            Item::Value(e) => record.push(e.eval(&get)),
                            Item::Array(Array(a), k) => record.extend(&self.arrays[*a as usize][..*k]),
                        }
                    }
                    self.records.push(record);
                }
                Op::StopIf(c, code) => {
                    if c.eval(&get) {
                        self.stop = Some(*code);
                    }
                }
            }
        }
    }
}

/// A device to test, with the number type it shall work in.
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    #[cfg(feature = "gpu")]
    context: Option<Arc<crate::backend::gpu::Context>>,
}

impl Device {
    pub(crate) fn engine(&self, space: &Space, fuse: bool) -> Box<dyn Engine> {
        #[cfg(feature = "gpu")]
        if let Some(context) = &self.context {
            return Box::new(crate::backend::gpu::Gpu::new(Arc::clone(context), space.clone(), fuse).unwrap());
        }
        Box::new(Cpu::new(space.clone(), 0, fuse).unwrap())
    }

    pub(crate) fn plan(&self) -> Precisions {
        Precisions::uniform(self.dtype)
    }

    pub(crate) fn is_cpu(&self) -> bool {
        #[cfg(feature = "gpu")]
        return self.context.is_none();
        #[cfg(not(feature = "gpu"))]
        return true;
    }

    /// The GPU it is, if it is one.
    #[cfg(feature = "gpu")]
    pub(crate) fn gpu(&self) -> Option<Arc<crate::backend::gpu::Context>> {
        self.context.clone()
    }

    /// The number as this device stores it.
    pub(crate) fn round(&self, v: f64) -> f64 {
        if self.dtype == Dtype::F32 { f64::from(v as f32) } else { v }
    }

    pub(crate) fn epsilon(&self) -> f64 {
        if self.dtype == Dtype::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON }
    }
}

/// Runs `f` on every device there is, one at a time: software drivers dislike company.
pub(crate) fn on_devices(f: impl Fn(&Device)) {
    let device = |name: &str, dtype| Device {
        name: name.into(),
        dtype,
        #[cfg(feature = "gpu")]
        context: None,
    };
    f(&device("cpu f64", Dtype::F64));
    f(&device("cpu f32", Dtype::F32));
    #[cfg(feature = "gpu")]
    {
        use crate::backend::gpu::Context;
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let open = |withhold: &[&str]| {
            let withhold = withhold.iter().map(|s| (*s).to_string()).collect();
            pollster::block_on(Context::any(&crate::backend::Settings { withhold, ..Default::default() }))
        };
        let full = match open(&[]) {
            Ok(context) => context,
            Err(e) => {
                assert!(std::env::var_os("KRYLANE_REQUIRE_GPU").is_none(), "KRYLANE_REQUIRE_GPU is set, but {e}");
                eprintln!("\n!!! SKIPPED the GPU half of this test: {e}\n");
                return;
            }
        };
        let name = full.info().name.clone();
        if full.widest() == Dtype::F64 {
            f(&Device { context: Some(full), ..device(&format!("{name} f64"), Dtype::F64) });
        }
        f(&Device { context: Some(open(&["f64"]).unwrap()), ..device(&format!("{name} f32"), Dtype::F32) });
    }
}
