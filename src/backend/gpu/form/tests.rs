//! Products and sweeps in every form against the interpreter, and what is chosen for which matrix.

use super::runs::RUN_CHUNK;
use super::*;
use crate::backend::gpu::{Choose, Context, Gpu};
use crate::backend::{Engine, Settings};
use crate::host::random::Random;
use crate::matrix::format::Starts;
use crate::matrix::{Triplets, gallery};
use crate::op::schedule::{Compiler, Fusion, Projections};
use crate::op::{Operator, Precisions, Program, Role, Space};
use crate::testing::{Reference, build, on_devices};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Runs of row patterns, however many.
fn runs<const SHARED: bool>(a: &Csr, exponent: i32, dtype: Dtype) -> Choice<'_> {
    let runs = Found::new(a, &Starts::find(a, RUN_CHUNK, 1, SHARED, usize::MAX).unwrap());
    Choice::with(a, exponent, dtype, Runs::numbered(&runs), Some(runs), String::new())
}

/// Neither columns nor values narrowed.
fn wide<'a>(a: &'a Csr, exponent: i32, dtype: Dtype, layout: Layout) -> Choice<'a> {
    let choice = Choice::with(a, exponent, dtype, layout, None, String::new());
    let form = Form { columns: Columns::Wide, values: Form::plain(dtype).values, ..choice.form };
    Choice { form, dictionary: None, ..choice }
}

macro_rules! ways {
    ($($name:literal: $make:expr),* $(,)?) => {
        [$(($name, { const MAKE: Choose = |a, e, d| $make(a, e, d); MAKE })),*]
    };
}

/// All forms of a matrix.
fn ways() -> [(&'static str, Choose); 16] {
    fn with<const W: usize>(a: &Csr, e: i32, d: Dtype) -> Choice<'_> {
        let layout = [
            Slices { sorted: false }.into(),
            Slices { sorted: true }.into(),
            Blocks.into(),
            Csrs.into(),
            Lanes(4).into(),
            Lanes(32).into(),
        ];
        if W < 6 { Choice::with(a, e, d, layout[W], None, String::new()) } else { wide(a, e, d, layout[W - 6]) }
    }
    ways! {
        "chosen": choose, "plain": plain, "runs": runs::<false>, "runs with values": runs::<true>,
        "slices": with::<0>, "sorted": with::<1>, "blocks": with::<2>, "rows": with::<3>,
        "4 lanes": with::<4>, "32 lanes": with::<5>,
        "wide slices": with::<6>, "wide sorted": with::<7>, "wide blocks": with::<8>, "wide rows": with::<9>,
        "wide 4 lanes": with::<10>, "wide 32 lanes": with::<11>,
    }
}

/// Values of three kinds: any; many that f32 holds; few.
fn value(random: &mut Random, kind: usize) -> f64 {
    match kind {
        0 => random.uniform(-1.0, 1.0),
        1 => f64::from(random.uniform(-1.0, 1.0) as f32),
        _ => random.below(9) as f64 * 0.25 - 1.0,
    }
}

/// Rows of `length(i)` entries.
fn rows(random: &mut Random, n: usize, kind: usize, length: impl Fn(usize) -> usize) -> Csr {
    let mut t = Triplets::new(n, n).unwrap();
    for i in 0..n {
        let length = length(i).min(n);
        let first = random.below(n);
        for k in 0..length {
            t.push(i, (first + k * (n / length.max(1)).max(1)) % n, value(random, kind)).unwrap();
        }
    }
    t.to_csr().unwrap()
}

fn matrices() -> Vec<Csr> {
    let mut random = Random::new(5);
    let mut out = vec![];
    for (k, n) in [1, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1023].into_iter().enumerate() {
        // Up to six entries, some rows empty, one full.
        out.push(rows(&mut random, n, k % 3, |i| if i == n / 2 { n } else { [0, 1, 2, 5, 0, 4, 6][i % 7] }));
    }
    for kind in 0..3 {
        out.push(rows(&mut random, 700, kind, |i| i * 37 % 501));
        // One row long enough for three pieces.
        out.push(rows(&mut random, 2500, kind, |i| if i == 1700 { 2500 } else { i % 3 }));
        out.push(rows(&mut random, 300, kind, |_| 48));
        let mut stencil = gallery::poisson2d(17);
        stencil.set_values((0..stencil.nnz()).map(|_| value(&mut random, kind)).collect()).unwrap();
        out.push(stencil);
    }
    out.push(gallery::poisson3d(9));
    out.push(Csr::new(40, 40, vec![0; 41], vec![], vec![]).unwrap());
    out
}

fn write(p: &mut Program, a: Operator, x: crate::op::Vector, y: crate::op::Vector, s: crate::op::Scalar) {
    p.apply(a, x, y);
    p.axpy(0.5, x, y);
    p.dot(y, x, s);
    p.publish(&[s.into()]);
}

/// y = A x + x/2 and ⟨y, x⟩ for each matrix: returns the y and the sums.
fn products(engine: &mut Gpu, space: &Space, given: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut compiler = Compiler::new(engine.fusion());
    let (mut ys, mut sums) = (vec![], vec![]);
    for (k, x) in given.iter().enumerate() {
        let [u, y] = [2 * k, 2 * k + 1].map(|i| crate::op::Vector::Own(i as u16));
        engine.write_vector(u, x).unwrap();
        let mut p = Program::new(space);
        write(&mut p, Operator(k as u16), u, y, crate::op::Scalar(0));
        engine.enqueue(&compiler.compile(p.ops, space)).unwrap();
        ys.push(pollster::block_on(engine.read_vector(y)).unwrap());
        while engine.in_flight() > 0 {
            sums.extend(pollster::block_on(engine.collect()).unwrap().records.into_iter().map(|r| r[0]));
        }
    }
    (ys, sums)
}

/// A space with these matrices, and x and y for each.
fn space_of(matrices: &[Csr], plan: Precisions) -> Space {
    let mut space = Space::new(plan);
    space.scalar("s");
    for a in matrices {
        space.operator("A", Arc::new(a.clone()), 1, Role::Working);
        space.vector("x", a.cols());
        space.vector("y", a.rows());
    }
    space
}

fn check(what: &str, space: &Space, given: &[Vec<f64>], found: &(Vec<Vec<f64>>, Vec<f64>), epsilon: f64) {
    let mut reference = Reference::new(space);
    for (k, x) in given.iter().enumerate() {
        let [u, y] = [2 * k, 2 * k + 1].map(|i| crate::op::Vector::Own(i as u16));
        reference.vectors.insert(u, x.clone());
        let mut p = Program::new(space);
        write(&mut p, Operator(k as u16), u, y, crate::op::Scalar(0));
        reference.run(&p.ops, space);
        let matrix = &space.operators[k].matrix;
        // Rounding is relative to the sum of magnitudes; all magnitudes are at most 2.
        let mut whole = 1.0;
        for (i, (f, e)) in found.0[k].iter().zip(&reference.vectors[&y]).enumerate() {
            let size = 4.0 + 2.0 * matrix.entries().unwrap().row(i).0.len() as f64;
            assert!((f - e).abs() <= 4.0 * epsilon * size, "{what}, matrix {k}: y[{i}] = {f:e}, expected {e:e}");
            whole += size;
        }
        let expected = reference.records[k][0];
        assert!((found.1[k] - expected).abs() <= 8.0 * epsilon * whole, "{what}, matrix {k}: {}", found.1[k]);
    }
}

fn inputs(matrices: &[Csr], round: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    let mut random = Random::new(9);
    matrices.iter().map(|a| random.vector(a.cols()).into_iter().map(&round).collect()).collect()
}

#[test]
fn every_form_multiplies() {
    let matrices = matrices();
    on_devices(|device| {
        let Some(context) = device.gpu() else { return };
        let space = space_of(&matrices, device.plan());
        let given = inputs(&matrices, |x| device.round(x));
        for (way, choose) in ways() {
            let what = format!("{way} on {}", device.name);
            let make = || Gpu::with_forms(Arc::clone(&context), space.clone(), true, choose);
            let mut engine = make().unwrap();
            let found = products(&mut engine, &space, &given);
            check(&what, &space, &given, &found, device.epsilon());
            assert!(products(&mut engine, &space, &given) == found, "{what}: other bits the second time");
        }
    });
}

/// Release builds run kernels without bounds checks; here they are compared with the checked ones.
#[test]
fn unchecked_kernels_give_the_same_bits() {
    let matrices = matrices();
    on_devices(|device| {
        let Some(checked) = device.gpu() else { return };
        let withhold =
            if device.dtype == Dtype::F32 { vec!["checks".into(), "f64".into()] } else { vec!["checks".into()] };
        let unchecked = pollster::block_on(Context::any(&Settings { withhold, ..Settings::default() })).unwrap();
        assert!(checked.checked && !unchecked.checked, "tests are built with debug assertions");
        let space = space_of(&matrices, device.plan());
        let given = inputs(&matrices, |x| device.round(x));
        for (way, choose) in ways().into_iter().take(10) {
            let [expected, found] = [&checked, &unchecked].map(|context| {
                let mut engine = Gpu::with_forms(Arc::clone(context), space.clone(), true, choose).unwrap();
                products(&mut engine, &space, &given)
            });
            assert!(found == expected, "{way} on {}", device.name);
        }
    });
}

/// New values that require another form of the values, there and back.
#[test]
fn every_form_takes_new_values() {
    let before = matrices();
    on_devices(|device| {
        let Some(context) = device.gpu() else { return };
        let given = inputs(&before, |x| device.round(x));
        let mut random = Random::new(77);
        for (way, choose) in ways().into_iter().take(7) {
            let mut space = space_of(&before, device.plan());
            let mut engine = Gpu::with_forms(Arc::clone(&context), space.clone(), true, choose).unwrap();
            let first = products(&mut engine, &space, &given);
            for kind in [0, 2, 3] {
                for (k, a) in before.iter().enumerate() {
                    let mut a = a.clone();
                    if kind < 3 {
                        a.set_values((0..a.nnz()).map(|_| value(&mut random, kind)).collect()).unwrap();
                    }
                    let a = Arc::new(a);
                    space.operators[k].matrix = (&a).into();
                    engine.update_operator(Operator(k as u16), &a, 1).unwrap();
                }
                let what = format!("{way} on {}, values of kind {kind}", device.name);
                let found = products(&mut engine, &space, &given);
                check(&what, &space, &given, &found, device.epsilon());
                assert!(kind < 3 || found == first, "{what}: other bits than at first");
            }
        }
    });
}

#[test]
fn panels_of_every_form_multiply() {
    let mut random = Random::new(8);
    let limit = 1 << 20;
    let matrices = [
        rows(&mut random, 40_000, 0, |i| 20 + i % 3),
        rows(&mut random, 3000, 0, |i| if i % 1000 == 7 { 3000 } else { 90 + i * 7 % 100 }),
        // More rows than one pass over all workgroups covers.
        gallery::tridiagonal(1024 * WORKGROUP + 77, 1.0, 2.0, 3.0),
    ];
    on_devices(|device| {
        if device.gpu().is_none() {
            return;
        }
        // A vector must fit into a binding; that of the third matrix takes twice as much.
        for (set, limit) in [(&matrices[..2], limit), (&matrices[2..], 4 * limit)] {
            let withhold = if device.dtype == Dtype::F32 { vec!["f64".into()] } else { vec![] };
            let context = pollster::block_on(Context::any(&Settings {
                binding_limit: Some(limit),
                withhold,
                ..Settings::default()
            }))
            .unwrap();
            let space = space_of(set, device.plan());
            let given = inputs(set, |x| device.round(x));
            for (way, choose) in ways().into_iter().take(10) {
                let runs = way.starts_with("runs");
                if runs && set.len() == 2 {
                    // Every row is a pattern of its own, so that the patterns alone fill a binding.
                    continue;
                }
                let mut engine = Gpu::with_forms(Arc::clone(&context), space.clone(), true, choose).unwrap();
                let what = format!("{way} on {}: {:?}", device.name, engine.memory.operators[0].form);
                let panels: Vec<usize> = engine.memory.operators.iter().map(|m| m.panels.len()).collect();
                assert!(set.len() == 1 || panels.iter().all(|&p| p > 1), "{what}: {panels:?}");
                let found = products(&mut engine, &space, &given);
                check(&what, &space, &given, &found, device.epsilon());
            }
        }
    });
}

#[test]
fn forms_follow_the_rows() {
    let mut random = Random::new(3);
    let form = |a: &Csr, dtype| {
        let choice = choose(a, 0, dtype);
        let found = (choice.form.layout, choice.form.columns, choice.form.values);
        // The model's bytes are those of the buffers.
        let panels = choice.panels(u64::MAX).unwrap();
        let real: u64 = panels.iter().map(|p| (4 * p.pattern.len() + p.values.len()) as u64).sum();
        let (least, most) = (real as f64 - 64.0, 1.06 * real as f64 + 256.0);
        assert!(
            (least..most).contains(&(choice.bytes() as f64)),
            "{}: the buffers have {real} bytes",
            choice.describe()
        );
        found
    };
    let (f64, f32) = (Dtype::F64, Dtype::F32);
    let slices = |sorted| Layout::from(Slices { sorted });
    let runs = |bits| Layout::from(Runs { bits });
    assert_eq!(form(&gallery::poisson3d(32), f64), (runs(8), Columns::Absent, Values::Shared));
    let mut varied = gallery::poisson3d(32);
    varied.set_values((0..varied.nnz()).map(|_| random.uniform(0.0, 1.0)).collect()).unwrap();
    assert_eq!(form(&varied, f64), (runs(8), Columns::Absent, Values::F64));
    assert_eq!(form(&varied, f32), (runs(8), Columns::Absent, Values::F32));
    let mut few = varied.clone();
    few.set_values((0..few.nnz()).map(|_| value(&mut random, 2)).collect()).unwrap();
    assert_eq!(form(&few, f64), (runs(8), Columns::Absent, Values::Codes));
    let scattered = |random: &mut Random, kind| rows(random, 3000, kind, |i| 5 + i % 2);
    assert_eq!(form(&scattered(&mut random, 0), f64), (slices(false), Columns::Short, Values::F64));
    assert_eq!(form(&scattered(&mut random, 1), f64), (slices(false), Columns::Short, Values::F32));
    assert_eq!(form(&scattered(&mut random, 2), f64), (slices(false), Columns::Short, Values::Codes));
    let far = rows(&mut random, 90_000, 0, |_| 3);
    assert_eq!(form(&far, f64), (slices(false), Columns::Wide, Values::F64));
    let uneven = rows(&mut random, 3000, 0, |i| if i % 8 == 0 { 16 } else { 3 });
    assert_eq!(form(&uneven, f64), (slices(true), Columns::Short, Values::F64));
    assert_eq!(form(&rows(&mut random, 900, 0, |_| 100), f64), (Lanes(32).into(), Columns::Short, Values::F64));
    assert_eq!(form(&gallery::arrow(3000), f64).0, Blocks.into());
    assert_eq!(form(&rows(&mut random, 3000, 0, |i| i * 37 % 501 / (1 + i % 40)), f64).0, Blocks.into());
    let text = choose(&gallery::arrow(3000), 0, f64).describe();
    assert!(text.contains("blocks of 1024 entries") && text.contains("because slices"), "{text}");
}

/// Bytes per row of one CG iteration on the seven-point Poisson matrix.
#[test]
fn bytes_of_an_iteration() {
    let a = gallery::poisson3d(32);
    let step = |way: &str, dtype: Dtype| {
        let mut built = build("cg", "none", &a, Precisions::uniform(dtype), 5);
        let choose = ways().into_iter().find(|w| w.0 == way).unwrap().1;
        built.space.operators[0].stored_bytes.store(choose(&a, 0, dtype).bytes(), Ordering::Relaxed);
        let fusion = Fusion {
            enabled: true,
            max_vectors: 6,
            projections: Projections::Paired,
            products: true,
            shared_products: 2,
        };
        let mut compiler = Compiler::new(fusion);
        built.compile(&mut compiler, |m, p| m.start(p));
        let step = built.compile(&mut compiler, |m, p| {
            m.step(p);
        });
        step.bytes as f64 / a.rows() as f64
    };
    for (way, dtype, most) in [
        ("chosen", Dtype::F64, 82.0),
        ("chosen", Dtype::F32, 42.0),
        ("slices", Dtype::F64, 105.0),
        ("slices", Dtype::F32, 65.0),
        ("wide slices", Dtype::F64, 166.0),
        ("wide slices", Dtype::F32, 98.0),
    ] {
        let bytes = step(way, dtype);
        assert!(bytes <= most && bytes > 0.9 * most, "{way} in {dtype:?}: {bytes:.1} bytes a row");
    }
}
