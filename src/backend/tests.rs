//! Every operation at every awkward size on every device, and the device half of methods on a recorder.

use super::*;
use crate::host::random::Random;
use crate::matrix::{Triplets, gallery};
use crate::op::schedule::{Compiler, Projections};
use crate::op::{Basis, Combination, Dtype, Expr, Item, Precisions, Program, Role, Space};
use crate::testing::{Device, Reference, build, on_devices};

const SIZES: [usize; 16] = [0, 1, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1023, 2049, 65535, 65536, 65537];
const COLUMNS: usize = 10;

/// Columns before and after a rotation.
const ROTATIONS: [(usize, usize); 5] = [(1, 1), (7, 5), (9, 2), (COLUMNS, 3), (COLUMNS, COLUMNS)];

/// What one size needs.
struct Set {
    n: usize,
    a: Operator,
    vectors: [Vector; 4],
    v: Basis,
    arrays: [Array; 2],
    s: Array,
}

/// Up to seven entries per row, some rows empty, one long.
fn matrix(random: &mut Random, n: usize) -> Csr {
    let mut t = Triplets::new(n, n).unwrap();
    for i in 0..n {
        for _ in 0..if i % 7 == 3 { 0 } else { i % 7 } {
            t.push(i, random.below(n), random.uniform(-1.0, 1.0)).unwrap();
        }
    }
    for j in (0..n).step_by(n / 300 + 1) {
        t.push(n / 2, j, 0.5).unwrap();
    }
    t.to_csr().unwrap()
}

fn close(device: &Device, what: &str, found: &[f64], expected: &[f64], scale: f64) {
    assert_eq!(found.len(), expected.len(), "{}: {what}", device.name);
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= 16.0 * device.epsilon() * scale,
            "{}: {what}[{i}] = {f:e}, expected {e:e}",
            device.name
        );
    }
}

/// Collects all records published so far, as the driver does before it reads.
fn records(engine: &mut dyn Engine) -> Vec<Vec<f64>> {
    engine.flush().unwrap();
    let mut out = vec![];
    while engine.in_flight() > 0 {
        out.extend(pollster::block_on(engine.collect()).unwrap().records);
    }
    out
}

fn every_operation(device: &Device, fuse: bool) {
    let mut random = Random::new(3);
    let mut space = Space::new(device.plan());
    let [s, t] = space.scalars(["s", "t"]);
    let sets: Vec<Set> = SIZES
        .iter()
        .map(|&n| Set {
            n,
            a: space.operator("A", Arc::new(matrix(&mut random, n)), -1, Role::Working),
            vectors: ["x", "y", "z", "u"].map(|name| space.vector(&format!("{name}{n}"), n)),
            v: space.basis(&format!("v{n}"), n, COLUMNS),
            arrays: ["h", "g"].map(|name| space.array(name, COLUMNS)),
            s: space.array("s", COLUMNS * COLUMNS),
        })
        .collect();
    let mut engine = device.engine(&space, fuse);
    let mut reference = Reference::new(&space);
    let mut compiler = Compiler::new(engine.fusion());
    for Set { n, a, vectors: [x, y, z, u], v, arrays: [h, g], s: small } in sets {
        let fill = |engine: &mut dyn Engine, reference: &mut Reference, random: &mut Random, vector: Vector| {
            let values: Vec<f64> = random.vector(n).into_iter().map(|x| device.round(x)).collect();
            engine.write_vector(vector, &values).unwrap();
            reference.vectors.insert(vector, values);
        };
        (0..COLUMNS).for_each(|j| fill(&mut *engine, &mut reference, &mut random, v.column(j)));
        let coefficients: Vec<f64> = random.vector(COLUMNS).into_iter().map(|x| device.round(x)).collect();
        engine.write_array(g, &coefficients);
        reference.arrays[g.0 as usize] = coefficients;
        engine.write_scalar(s, 0.75);
        reference.scalars[s.0 as usize] = 0.75;

        type Write = Box<dyn Fn(&mut Program)>;
        let sum = Combination::default;
        let mut cases: Vec<(String, f64, Write)> = vec![
            ("apply".into(), 64.0, Box::new(move |p| p.apply(a, x, y))),
            ("apply to a column".into(), 64.0, Box::new(move |p| p.apply(a, v.column(2), v.column(5)))),
            ("zero".into(), 0.0, Box::new(move |p| p.zero(y))),
            ("copy".into(), 0.0, Box::new(move |p| p.copy(x, y))),
            ("scale".into(), 1.0, Box::new(move |p| p.scale(s * 0.5, x, v.column(9)))),
            ("axpy".into(), 2.0, Box::new(move |p| p.axpy(s, x, y))),
            ("axpy to a column".into(), 2.0, Box::new(move |p| p.axpy(-s, x, v.column(1)))),
            ("axpy to itself".into(), 2.0, Box::new(move |p| p.axpy(s, x, x))),
            ("xpby".into(), 2.0, Box::new(move |p| p.xpby(x, s, y))),
            ("multiply".into(), 1.0, Box::new(move |p| p.multiply(z, x, y))),
            ("multiply by itself".into(), 1.0, Box::new(move |p| p.multiply(x, x, x))),
            (
                "five terms".into(),
                5.0,
                Box::new(move |p| {
                    p.assign(u, sum().plus(0.5, x).plus(-1.0, u).plus(s, y).plus_product(s, z, u).plus(1.0, x))
                }),
            ),
        ];
        for k in [1, 7, 8, 9, COLUMNS] {
            cases.push((format!("multi_subtract {k}"), 11.0, Box::new(move |p| p.multi_subtract(v, k, g, y))));
            cases.push((format!("multi_add {k}"), 11.0, Box::new(move |p| p.multi_add(v, k, g, y))));
        }
        for (what, scale, write) in cases {
            for vector in [x, y, z, u] {
                fill(&mut *engine, &mut reference, &mut random, vector);
            }
            let mut p = Program::new(&space);
            write(&mut p);
            let compiled = compiler.compile(p.ops.clone(), &space);
            engine.enqueue(&compiled).unwrap();
            reference.run(&p.ops, &space);
            let written = p.ops[0].writes().unwrap();
            records(&mut *engine);
            let found = pollster::block_on(engine.read_vector(written)).unwrap();
            close(device, &format!("{what}, n = {n}, fused: {fuse}"), &found, &reference.vectors[&written], scale);
        }
        let mut sums: Vec<(String, usize, Write)> = vec![
            ("dot".into(), 1, Box::new(move |p| p.dot(x, y, t))),
            ("norm".into(), 1, Box::new(move |p| p.dot(x, x, t))),
            ("dot of a column".into(), 1, Box::new(move |p| p.dot(v.column(3), y, t))),
        ];
        for k in [1, 7, 8, 9, COLUMNS] {
            sums.push((format!("multi_dot {k}"), k, Box::new(move |p| p.multi_dot(v, k, y, h))));
        }
        for vector in [x, y] {
            fill(&mut *engine, &mut reference, &mut random, vector);
        }
        for (what, k, write) in sums {
            let mut p = Program::new(&space);
            write(&mut p);
            p.publish_items(if what.starts_with("multi") {
                vec![Item::Array(h, k)]
            } else {
                vec![Item::Value(t.into())]
            });
            let compiled = compiler.compile(p.ops.clone(), &space);
            engine.enqueue(&compiled).unwrap();
            reference.run(&p.ops, &space);
            let found = records(&mut *engine);
            assert_eq!(found.len(), 1, "{}: {what}, n = {n}", device.name);
            let expected = reference.records.pop().unwrap();
            // Products of random numbers have a mean size of 1/4; trees keep the error at a few units of their sum.
            let scale = 1.0 + n as f64 / 8.0;
            close(device, &format!("{what}, n = {n}, fused: {fuse}"), &found[0], &expected, scale);
        }
        for (k, l) in ROTATIONS {
            (0..COLUMNS).for_each(|j| fill(&mut *engine, &mut reference, &mut random, v.column(j)));
            let coefficients: Vec<f64> = random.vector(k * l).into_iter().map(|x| device.round(x)).collect();
            engine.write_array(small, &coefficients);
            reference.arrays[small.0 as usize][..k * l].copy_from_slice(&coefficients);
            let mut p = Program::new(&space);
            p.rotate(v, k, l, small);
            p.copy(v.column(0), y);
            let compiled = compiler.compile(p.ops.clone(), &space);
            engine.enqueue(&compiled).unwrap();
            reference.run(&p.ops, &space);
            records(&mut *engine);
            for vector in (0..COLUMNS).map(|j| v.column(j)).chain([y]) {
                let found = pollster::block_on(engine.read_vector(vector)).unwrap();
                let what = format!("{} after rotate {k} to {l}, fused: {fuse}", space.name(vector));
                close(device, &what, &found, &reference.vectors[&vector], 11.0);
            }
        }
    }
}

#[test]
fn every_operation_at_every_size() {
    on_devices(|device| {
        every_operation(device, true);
        every_operation(device, false);
    });
}

/// Vectors about as long as 65535 workgroups of 256, the limit of one dimension of a dispatch.
#[test]
fn vectors_beyond_one_dimension_of_workgroups() {
    on_devices(|device| {
        for n in [16_776_959, 16_776_960, 16_776_961] {
            let mut space = Space::new(device.plan());
            let (x, y) = (space.vector("x", n), space.vector("y", n));
            let [xy, yy] = space.scalars(["xy", "yy"]);
            let mut engine = device.engine(&space, true);
            // Small integers: every product and, in f64, every sum is exact.
            let entry = |i: usize| (i % 5) as f64 - 2.0;
            engine.write_vector(x, &(0..n).map(entry).collect::<Vec<_>>()).unwrap();
            engine.write_vector(y, &vec![1.0; n]).unwrap();
            let mut p = Program::new(&space);
            p.axpy(2.0, x, y);
            p.dot(x, y, xy);
            p.dot(y, y, yy);
            p.publish(&[xy.into(), yy.into()]);
            let mut compiler = Compiler::new(engine.fusion());
            let compiled = compiler.compile(p.ops, &space);
            engine.enqueue(&compiled).unwrap();
            let sums = records(&mut *engine).remove(0);
            let expected = (0..n).fold([0.0, 0.0], |[xy, yy], i| {
                let (x, y) = (entry(i), 1.0 + 2.0 * entry(i));
                [xy + x * y, yy + y * y]
            });
            for (found, expected) in sums.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e3 * device.epsilon() * expected, "{}: n = {n}", device.name);
            }
            let y = pollster::block_on(engine.read_vector(y)).unwrap();
            let wrong = y.iter().enumerate().find(|(i, y)| **y != 1.0 + 2.0 * entry(*i));
            assert!(wrong.is_none(), "{}: n = {n}: {wrong:?}", device.name);
        }
    });
}

#[test]
fn expressions_are_total_on_every_device() {
    on_devices(|device| {
        let mut space = Space::new(device.plan());
        let [a, b, c, nan, infinite] = space.scalars(["a", "b", "c", "nan", "infinite"]);
        let x = space.vector("x", 3);
        let e = |s| Expr::from(s);
        let items = vec![
            a / b,
            a / c,
            e(c).sqrt(),
            (-e(a)).sqrt(),
            -a,
            (-e(a)).abs(),
            e(a).min(b),
            e(a).max(b),
            Expr::select(e(a).lt(b), 1.0, 2.0),
            Expr::select(e(a).le(a), 1.0, 2.0),
            Expr::select(e(a).le(b).and(e(b).le(a)), 1.0, 2.0),
            Expr::select(e(a).not_finite(), 1.0, 2.0),
            Expr::select(e(infinite).not_finite(), 1.0, 2.0),
            Expr::select((-infinite).not_finite(), 1.0, 2.0),
            Expr::select(e(nan).not_finite(), 1.0, 2.0),
            // Comparisons with NaN are false.
            Expr::select(e(nan).le(1.0), 1.0, 2.0),
            Expr::select(e(a).lt(nan), 1.0, 2.0),
            Expr::from(0.1) + 0.2,
        ];
        let mut engine = device.engine(&space, true);
        let mut compiler = Compiler::new(engine.fusion());
        let mut p = Program::new(&space);
        p.zero(x);
        p.set(c, a - a);
        p.publish(&items);
        engine.write_scalar(a, 3.0);
        engine.write_scalar(b, -7.0);
        engine.write_scalar(nan, f64::NAN);
        engine.write_scalar(infinite, f64::INFINITY);
        let compiled = compiler.compile(p.ops, &space);
        engine.enqueue(&compiled).unwrap();
        engine.flush().unwrap();
        let found = pollster::block_on(engine.collect()).unwrap().records.remove(0);
        let expected =
            [-3.0 / 7.0, 0.0, 0.0, 0.0, -3.0, 3.0, -7.0, 3.0, 2.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 2.0, 2.0, 0.1 + 0.2];
        assert_eq!(found.len(), expected.len());
        for (k, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!(
                (f - e).abs() <= 2.0 * device.epsilon() * e.abs(),
                "{}: item {k} is {f}, expected {e}",
                device.name
            );
        }
    });
}

/// After a stop nothing changes, whatever is issued, until the stop is cleared; the first condition wins.
#[test]
fn stops_are_sticky() {
    on_devices(|device| {
        for fuse in [true, false] {
            let mut space = Space::new(device.plan());
            let [s, d] = space.scalars(["s", "d"]);
            let a = space.operator("A", Arc::new(gallery::poisson1d(300)), 0, Role::Working);
            let [x, y] = ["x", "y"].map(|name| space.vector(name, 300));
            let v = space.basis("v", 300, 3);
            let h = space.array("h", 3);
            let mut engine = device.engine(&space, fuse);
            let mut compiler = Compiler::new(engine.fusion());
            let mut p = Program::new(&space);
            p.apply(a, x, y);
            p.multi_dot(v, 3, y, h);
            p.multi_add(v, 3, h, y);
            p.dot(y, y, d);
            p.axpy(1.0, y, x);
            p.set(s, s + 1.0);
            p.publish(&[s.into()]);
            p.stop_if(Expr::from(2.5).lt(s), Stop::Stagnated);
            p.stop_if(Expr::from(1.5).lt(s), Stop::Diverged);
            let step = compiler.compile(p.ops, &space);
            engine.write_vector(x, &[1e-3; 300]).unwrap();
            for round in 1..=2 {
                for _ in 0..4 {
                    engine.enqueue(&step).unwrap();
                }
                engine.flush().unwrap();
                let progress = pollster::block_on(engine.collect()).unwrap();
                let seen: Vec<f64> = progress.records.iter().map(|r| r[0]).collect();
                let (expected, code) =
                    if round == 1 { (vec![1.0, 2.0], Stop::Diverged) } else { (vec![3.0], Stop::Stagnated) };
                assert_eq!((seen, progress.stop), (expected, Some(code)), "{} fused: {fuse}", device.name);
                let before = pollster::block_on(engine.read_vector(x)).unwrap();
                engine.enqueue(&step).unwrap();
                assert_eq!(pollster::block_on(engine.read_vector(x)).unwrap(), before, "{}", device.name);
                while engine.in_flight() > 0 {
                    assert!(pollster::block_on(engine.collect()).unwrap().records.is_empty(), "{}", device.name);
                }
                engine.clear_stop();
            }
        }
    });
}

/// An engine that accepts segments and returns no records.
#[derive(Default)]
struct Recorder {
    segments: Vec<Arc<Compiled>>,
}

impl Engine for Recorder {
    fn fusion(&self) -> Fusion {
        Fusion { enabled: true, max_vectors: 6, projections: Projections::Paired, products: true, shared_products: 2 }
    }
    fn enqueue(&mut self, segment: &Arc<Compiled>) -> Result<u64> {
        self.segments.push(Arc::clone(segment));
        Ok(segment.bytes)
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn in_flight(&self) -> usize {
        0
    }
    fn collect(&mut self) -> Awaited<'_, Result<Progress>> {
        panic!("a read within an iteration")
    }
    fn clear_stop(&mut self) {}
    fn write_vector(&mut self, _: Vector, _: &[f64]) -> Result<()> {
        panic!("a write within an iteration")
    }
    fn read_vector(&mut self, _: Vector) -> Awaited<'_, Result<Vec<f64>>> {
        panic!("a read within an iteration")
    }
    fn write_scalar(&mut self, _: Scalar, _: f64) {
        panic!("a write within an iteration")
    }
    fn write_array(&mut self, _: Array, _: &[f64]) {
        panic!("a write within an iteration")
    }
    fn update_operator(&mut self, _: Operator, _: &Arc<Csr>, _: i32) -> Result<()> {
        panic!("a write within an iteration")
    }
    fn update_triangle(&mut self, _: crate::op::Triangle, _: &Arc<crate::matrix::Triangular>, _: i32) -> Result<()> {
        panic!("a write within an iteration")
    }
    fn counters(&self) -> Counters {
        Counters::default()
    }
    fn batch_limit(&self) -> usize {
        usize::MAX
    }
}

#[test]
fn iterations_are_issued_without_a_read() {
    for entry in crate::method::METHODS {
        for preconditioner in ["none", "jacobi"] {
            let mut built =
                build(entry.id, preconditioner, &gallery::poisson2d(8), Precisions::uniform(Dtype::F64), 20);
            let mut engine = Recorder::default();
            let mut compiler = Compiler::new(engine.fusion());
            let start = built.compile(&mut compiler, |m, p| m.start(p));
            engine.enqueue(&start).unwrap();
            for _ in 0..20 {
                let step = built.compile(&mut compiler, |m, p| {
                    m.step(p);
                });
                engine.enqueue(&step).unwrap();
            }
            assert_eq!(engine.segments.len(), 21);
            let records: usize = engine.segments.iter().map(|s| s.records.len()).sum();
            assert_eq!(records, 20, "{}: one record an iteration", entry.id);
            assert!(engine.segments[0].records.is_empty(), "{}: a record at the start", entry.id);
        }
    }
}
