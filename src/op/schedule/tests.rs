//! Sweeps and bytes of each method, and random programs against the interpreter.

use super::*;
use crate::backend::Engine;
use crate::host::random::Random;
use crate::matrix::gallery;
use crate::op::{Array, Basis, Combination, Dtype, Expr, Precisions, Program, Role};
use crate::testing::{Built, Device, Reference, build, on_devices};

/// What the GPU backend asks for.
const GPU: Fusion =
    Fusion { enabled: true, max_vectors: 6, projections: Projections::Paired, products: true, shared_products: 2 };
const CPU: Fusion = Fusion {
    enabled: true,
    max_vectors: usize::MAX,
    projections: Projections::Free,
    products: true,
    shared_products: usize::MAX,
};

fn method(id: &str, preconditioner: &str) -> Built {
    build(id, preconditioner, &gallery::poisson2d(10), Precisions::uniform(Dtype::F64), 5)
}

/// Stages and bytes of the j-th step.
fn step(id: &str, preconditioner: &str, fusion: Fusion, j: usize) -> (usize, u64) {
    let (mut built, mut compiler) = (method(id, preconditioner), Compiler::new(fusion));
    built.compile(&mut compiler, |m, p| m.start(p));
    for _ in 0..j {
        built.compile(&mut compiler, |m, p| {
            m.step(p);
        });
    }
    let compiled = built.compile(&mut compiler, |m, p| {
        m.step(p);
    });
    (compiled.stages.len(), compiled.bytes)
}

fn matrix_bytes() -> u64 {
    let built = method("cg", "none");
    built.space.operator_bytes(Operator(0))
}

#[test]
fn cg_is_three_sweeps_of_ten_vectors() {
    let n = 100 * 8;
    for fusion in [GPU, CPU] {
        let (stages, bytes) = step("cg", "none", fusion, 1);
        assert_eq!(stages, 3);
        assert_eq!(bytes - matrix_bytes(), 10 * n, "vectors of {n} bytes");
        // With Jacobi z and the inverse diagonal come along: written, read twice; read once.
        let (stages, bytes) = step("cg", "jacobi", fusion, 1);
        assert_eq!(stages, 3);
        assert!(bytes - matrix_bytes() <= 13 * n, "{} vectors", (bytes - matrix_bytes()) as f64 / n as f64);
    }
    let (stages, bytes) = step("cg", "none", Fusion::NONE, 1);
    assert_eq!(stages, 6);
    assert!(bytes - matrix_bytes() > 10 * n);
}

#[test]
fn sweep_counts_of_the_other_methods() {
    for (id, fusion, most) in [
        ("steepest_descent", GPU, 2),
        ("steepest_descent", CPU, 2),
        ("minres", GPU, 4),
        ("minres", CPU, 3),
        ("bicgstab", GPU, 6),
        ("bicgstab", CPU, 5),
        ("gmres", CPU, 2),
        // A product, two projections, two updates, the scaling.
        ("gmres", GPU, 4),
        ("fgmres", CPU, 5),
        // A product, a projection, an update with the second one, an update with the norm, the scaling.
        ("fgmres", GPU, 5),
    ] {
        let (stages, _) = step(id, "none", fusion, 1);
        assert!(stages <= most, "{id}: {stages} sweeps, {most} expected");
    }
}

/// How often a step reads the basis: what one more column costs.
#[test]
fn the_basis_is_read_twice_where_the_second_projection_waits() {
    let n = 100 * 8;
    for (id, preconditioner, reads) in
        [("gmres", "none", 2), ("gmres", "jacobi", 2), ("gmres", "chebyshev", 2), ("fgmres", "jacobi", 3)]
    {
        for fusion in [GPU, CPU] {
            let [before, after] = [3, 4].map(|j| step(id, preconditioner, fusion, j).1);
            assert_eq!(after - before, reads * n, "{id} with {preconditioner}, {fusion:?}");
        }
    }
    // With j columns: w = A u, u and w updated, the new column written.
    assert_eq!(step("gmres", "none", CPU, 3).1 - matrix_bytes(), (2 * 3 + 7) * n);
}

/// Fourteen bindings in place of eight: sweeps of an iteration.
#[test]
fn more_bindings_save_sweeps() {
    let wide = Fusion { max_vectors: 12, ..GPU };
    for (preconditioner, few, many) in [("none", 3, 3), ("chebyshev", 9, 6)] {
        let counts = [GPU, wide].map(|fusion| step("cg", preconditioner, fusion, 2).0);
        assert_eq!(counts, [few, many], "cg with {preconditioner}");
    }
}

#[test]
fn no_sweep_is_wider_than_asked() {
    for (id, preconditioner) in crate::method::METHODS.iter().flat_map(|m| [(m.id, "none"), (m.id, "jacobi")]) {
        let mut built = method(id, preconditioner);
        let segments = built.segments();
        for (name, ops) in segments {
            for stage in &compile(&ops, &built.space, GPU, 0).stages {
                let mut vectors = BTreeSet::new();
                let mut matrix = 0;
                for op in &stage.body {
                    vectors.extend(op.reads().into_iter().chain(op.writes()).chain(op.gathers()));
                    matrix += 2 * usize::from(matches!(op, Op::Apply { .. }));
                }
                assert!(
                    vectors.len() + matrix <= 6,
                    "{id} {preconditioner} {name}: {} bindings",
                    vectors.len() + matrix
                );
                assert!(!stage.body.is_empty(), "{id} {preconditioner} {name}: a stage without a sweep");
            }
        }
    }
}

/// Every operation of the source stands in the schedule exactly once.
#[test]
fn schedules_lose_and_double_nothing() {
    let mut random = Random::new(11);
    for _ in 0..300 {
        let (space, ops) = program(&mut random, Dtype::F64, 18, 9);
        for fusion in [GPU, CPU, Fusion::NONE] {
            let compiled = compile(&ops, &space, fusion, 0);
            let mut found: Vec<String> = compiled
                .stages
                .iter()
                .flat_map(|s| s.scalars.iter().chain(&s.body))
                .chain(&compiled.epilogue)
                .map(|op| format!("{op:?}"))
                .collect();
            let mut given: Vec<String> = ops.iter().map(|op| format!("{op:?}")).collect();
            found.sort();
            given.sort();
            assert_eq!(found, given);
        }
    }
}

/// A random program over two lengths, two matrices, a basis and its arrays. Coefficients are bounded, so
/// that a difference is a hazard missed and not a rounding grown large.
fn program(random: &mut Random, dtype: Dtype, length: usize, n: usize) -> (Space, Vec<Op>) {
    let mut space = Space::new(Precisions::uniform(dtype));
    let a = space.operator("a", Arc::new(gallery::tridiagonal(n, 0.5, -0.25, 0.25)), 0, Role::Working);
    let c = space.operator("c", Arc::new(gallery::cyclic_shift(n)), 0, Role::Working);
    let mut vectors: Vec<Vector> = ["x", "y", "z", "u"].map(|name| space.vector(name, n)).to_vec();
    let v = space.basis("v", n, 4);
    vectors.extend([v.column(0), v.column(3)]);
    let short: Vec<Vector> = ["s", "t"].map(|name| space.vector(name, n / 2 + 1)).to_vec();
    let scalars = space.scalars(["alpha", "beta", "gamma"]);
    let arrays: [Array; 2] = ["h", "g"].map(|name| space.array(name, 4));
    let pick = |random: &mut Random, of: &[Vector]| of[random.below(of.len())];
    let bounded = |random: &mut Random, e: Expr| (e * random.uniform(-1.0, 1.0)).max(-0.5).min(0.5);
    let mut p = Program::new(&space);
    for _ in 0..length {
        let family = if random.below(5) == 0 { &short } else { &vectors };
        match random.below(14) {
            0..=1 => {
                let (x, y) = (pick(random, &vectors), pick(random, &vectors));
                if x != y {
                    p.apply(if random.below(2) == 0 { a } else { c }, x, y);
                }
            }
            2..=5 => {
                let mut sum = Combination::default();
                for _ in 0..random.below(4) {
                    let s = scalars[random.below(3)];
                    let c = match random.below(3) {
                        0 => Expr::from(random.uniform(-0.5, 0.5)),
                        1 => Expr::from(1.0),
                        _ => bounded(random, s.into()),
                    };
                    sum = sum.plus(c, pick(random, family));
                }
                p.assign(pick(random, family), sum);
            }
            6 => p.assign(
                pick(random, family),
                Combination::default().plus_product(0.25, pick(random, family), pick(random, family)),
            ),
            7..=8 => {
                let out = scalars[random.below(3)];
                p.dot(pick(random, family), pick(random, family), out);
                p.set(out, (Expr::from(out) / n as f64).max(-1.0).min(1.0));
            }
            9..=10 => {
                let (s, t) = (scalars[random.below(3)], scalars[random.below(3)]);
                let e = bounded(random, s - t);
                p.set(scalars[random.below(3)], e);
            }
            11 => {
                let w = pick(random, &vectors[..4]);
                let k = 1 + random.below(4);
                p.multi_dot(v, k, w, arrays[random.below(2)]);
            }
            12 => {
                // Two vectors at once.
                let (k, w) = (1 + random.below(4), random.below(4));
                let pair = [vectors[w], vectors[(w + 1 + random.below(3)) % 4]];
                (0..2).for_each(|i| p.multi_dot(v, k, pair[i], arrays[i]));
                let out = scalars[random.below(3)];
                p.array_dot(arrays[0], arrays[random.below(2)], k, out);
                p.set(out, (Expr::from(out) / (n * n) as f64).max(-1.0).min(1.0));
                (0..2).for_each(|i| p.multi_subtract(v, k, arrays[i], pair[i]));
                pair.iter().for_each(|&w| p.scale(1.0 / n as f64, w, w));
            }
            _ => {
                // Projections are sums of n numbers: brought down before they scale vectors.
                let w = pick(random, &vectors[..4]);
                p.multi_subtract(v, 1 + random.below(4), arrays[random.below(2)], w);
                p.scale(1.0 / n as f64, w, w);
            }
        }
    }
    p.publish(&scalars.map(Expr::from));
    (space.clone(), p.ops)
}

/// Writes random vectors, runs `ops` twice as two segments, and compares everything with the interpreter.
fn compare(device: &Device, random: &mut Random, space: &Space, ops: &[Op], fuse: bool) {
    let mut engine: Box<dyn Engine> = device.engine(space, fuse);
    let mut reference = Reference::new(space);
    let mut handles: Vec<Vector> = (0..space.vectors.len()).map(|i| Vector::Own(i as u16)).collect();
    handles.extend(
        (0..space.bases.len()).flat_map(|b| (0..space.bases[b].columns).map(move |j| Basis(b as u16).column(j))),
    );
    for &v in &handles {
        let values: Vec<f64> = random.vector(space.len(v)).into_iter().map(|x| device.round(x)).collect();
        engine.write_vector(v, &values).unwrap();
        reference.vectors.insert(v, values);
    }
    let mut compiler = Compiler::new(engine.fusion());
    let compiled = compiler.compile(ops.to_vec(), space);
    for _ in 0..2 {
        engine.enqueue(&compiled).unwrap();
        reference.run(ops, space);
    }
    engine.flush().unwrap();
    let mut records = vec![];
    while engine.in_flight() > 0 {
        records.extend(pollster::block_on(engine.collect()).unwrap().records);
    }
    let source = || -> String { ops.iter().map(|op| format!("{}\n", crate::op::named(space, op))).collect() };
    let tolerance = 1e5 * device.epsilon();
    let near = |a: &[f64], b: &[f64]| {
        let size = b.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * size)
    };
    for (a, b) in records.iter().zip(&reference.records) {
        assert!(near(a, b), "{} (fused: {fuse}): scalars {a:?}, expected {b:?}\n{}", device.name, source());
    }
    assert_eq!(records.len(), reference.records.len());
    for v in handles {
        let found = pollster::block_on(engine.read_vector(v)).unwrap();
        let expected = &reference.vectors[&v];
        assert!(
            near(&found, expected),
            "{} (fused: {fuse}): {} = {found:?}, expected {expected:?}\n{}",
            device.name,
            space.name(v),
            source()
        );
    }
}

#[test]
fn random_programs_mean_what_they_say() {
    on_devices(|device| {
        let mut random = Random::new(5);
        // Each program is half a dozen kernels to build on a GPU; sizes around a workgroup and a chunk.
        let (count, sizes): (usize, &[usize]) =
            if device.is_cpu() { (400, &[5, 40, 2100, 5000]) } else { (5, &[40, 600]) };
        for k in 0..count {
            let n = if k < 390 { sizes[k % 2] } else { sizes[sizes.len() - 1 - k % 2] };
            let (space, ops) = program(&mut random, device.dtype, if device.is_cpu() { 20 } else { 14 }, n);
            compare(device, &mut random, &space, &ops, true);
            compare(device, &mut random, &space, &ops, false);
        }
    });
}

#[test]
fn steps_settle_on_a_few_programs() {
    // Backends cache by program: CG has one, MINRES two that alternate, GMRES one a column of the cycle.
    for (id, programs) in [("steepest_descent", 1), ("cg", 1), ("minres", 2), ("bicgstab", 1), ("gmres", 5)] {
        let (mut built, mut compiler) = (method(id, "jacobi"), Compiler::new(CPU));
        let mut ids = BTreeSet::new();
        for _ in 0..4 {
            built.compile(&mut compiler, |m, p| m.start(p));
            for _ in 0..5 {
                let compiled = built.compile(&mut compiler, |m, p| {
                    m.step(p);
                });
                assert_eq!(compiled.records.len(), 1, "{id}: one record a step");
                ids.insert(compiled.id);
            }
        }
        assert_eq!(ids.len(), programs, "{id}");
    }
}
