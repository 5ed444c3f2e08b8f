//! Every kernel and every form of a matrix against a plain loop; the same bits for any instructions and
//! any number of threads.

use super::form::{Allowed, Sparse};
use super::{Cpu, Simd};
use crate::backend::Engine;
use crate::host::random::Random;
use crate::matrix::{Csr, gallery};
use crate::op::schedule::Compiler;
use crate::op::{Combination, Dtype, Precisions, Program, Role, Space, Vector};
use std::sync::Arc;

const SIZES: [usize; 17] = [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025];
const LARGE: [usize; 3] = [65_535, 65_536, 65_537];

fn sizes() -> impl Iterator<Item = usize> {
    SIZES.into_iter().chain(LARGE)
}

fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..n).map(|_| random.uniform(-1.0, 1.0)).collect()
}

fn run(cpu: &mut Cpu, write: impl FnOnce(&mut Program)) {
    let space = cpu.space.clone();
    let mut p = Program::new(&space);
    write(&mut p);
    let compiled = Compiler::new(cpu.fusion()).compile(p.ops, &space);
    cpu.enqueue(&compiled).unwrap();
}

fn read(cpu: &mut Cpu, v: Vector) -> Vec<f64> {
    pollster::block_on(cpu.read_vector(v)).unwrap()
}

fn bits(v: &[f64]) -> Vec<u64> {
    v.iter().map(|x| x.to_bits()).collect()
}

/// A x with each row summed from the left in `dtype`.
fn multiply(a: &Csr, exponent: i32, dtype: Dtype, x: &[f64]) -> Vec<f64> {
    (0..a.rows())
        .map(|i| {
            let (columns, values) = a.row(i);
            let entries =
                columns.iter().zip(values).map(|(&c, &v)| (crate::host::scale::ldexp(v, exponent), x[c as usize]));
            match dtype {
                Dtype::F64 | Dtype::DoubleSingle => entries.fold(0.0, |sum, (v, x)| v * x + sum),
                Dtype::F32 => f64::from(entries.fold(0.0f32, |sum, (v, x)| v as f32 * x as f32 + sum)),
            }
        })
        .collect()
}

/// Rows of lengths 0 to 12, one dense row, values and columns at random.
fn irregular(n: usize, whole_numbers: bool) -> Csr {
    let mut random = Random::new(n as u64 + 3);
    let (mut ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
    for i in 0..n {
        let mut row: Vec<u32> = match i {
            _ if i == n / 2 => (0..n as u32).collect(),
            _ => (0..(i * 7 + i / 5) % 13).map(|_| (random.uniform(0.0, 1.0) * n as f64) as u32).collect(),
        };
        row.sort_unstable();
        row.dedup();
        values.extend(row.iter().map(|_| {
            let v = random.uniform(-9.0, 9.0);
            if whole_numbers { v.round() } else { v }
        }));
        columns.extend(row);
        ptr.push(columns.len());
    }
    Csr::new(n, n, ptr, columns, values).unwrap()
}

/// The pattern of a stencil with values that vary from row to row.
fn variable_stencil(n: usize) -> Csr {
    let mut a = gallery::tridiagonal(n, 1.0, 2.0, 3.0);
    let values = numbers(a.nnz(), 5);
    a.set_values(values).unwrap();
    a
}

/// All forms, and each form alone; a matrix that does not suit a form is then stored as plain rows.
fn forms() -> Vec<Allowed> {
    let all = Allowed::default();
    let only = |only| Allowed { only, ..all };
    let slices = only(&["slices"]);
    vec![
        all,
        only(&["constant runs", "rows"]),
        only(&["runs", "rows"]),
        Allowed { compression: false, ..only(&["runs", "rows"]) },
        Allowed { streams_from: 0, ..only(&["runs", "rows"]) },
        slices,
        Allowed { streams_from: 0, ..slices },
        Allowed { compression: false, ..slices },
        only(&["blocks", "rows"]),
        Allowed { streams_from: 0, ..only(&["blocks", "rows"]) },
        Allowed { compression: false, ..only(&["blocks", "rows"]) },
        Allowed { light: true, compression: false, ..all },
        Allowed::PLAIN,
    ]
}

fn check_products(a: Csr, exponent: i32) {
    let a = Arc::new(a);
    let x = numbers(a.cols(), 1);
    for dtype in [Dtype::F64, Dtype::F32] {
        let expected = bits(&multiply(&a, exponent, dtype, &x));
        for allowed in forms() {
            let mut space = Space::new(Precisions::uniform(dtype));
            let m = space.operator("A", Arc::clone(&a), exponent, Role::Working);
            let (u, y) = (space.vector("u", a.cols()), space.vector("y", a.rows()));
            let mut cpu = Cpu::with_formats(space, 0, true, allowed).unwrap();
            cpu.write_vector(u, &x).unwrap();
            for simd in [Simd::Portable, Simd::best()] {
                cpu.simd = simd;
                cpu.write_vector(y, &vec![f64::NAN; a.rows()]).unwrap();
                run(&mut cpu, |p| p.apply(m, u, y));
                let form = cpu.operators[0].describe();
                assert!(bits(&read(&mut cpu, y)) == expected, "{} rows, {dtype:?}, {simd:?}, {form}", a.rows());
                let nonzero = a.nnz() > 0;
                assert!(cpu.operators[0].bytes() > 0 || !nonzero, "{form}");
                assert_eq!(cpu.space.operator_bytes(m), cpu.operators[0].bytes().max(if nonzero { 0 } else { 4 }));
            }
        }
    }
}

#[test]
fn products_of_irregular_matrices() {
    for n in sizes() {
        check_products(irregular(n, false), 3);
        check_products(irregular(n, true), 0);
    }
}

#[test]
fn products_of_stencils() {
    for n in sizes().filter(|&n| n > 0) {
        check_products(gallery::tridiagonal(n, -1.0, 2.5, 1.0 / 3.0), -1);
        check_products(variable_stencil(n), 0);
    }
    check_products(gallery::poisson3d(17), 0);
    check_products(gallery::poisson27(12), 0);
    check_products(gallery::arrow(3000), 0);
}

#[test]
fn products_of_rectangular_matrices() {
    for (rows, cols) in [(3000, 40), (40, 3000), (2048, 70_000)] {
        let columns = (0..2 * rows).map(|k| ((k / 2 * 17) % (cols - 1) + k % 2) as u32).collect();
        let ptr = (0..=rows).map(|i| 2 * i).collect();
        check_products(Csr::new(rows, cols, ptr, columns, numbers(2 * rows, 9)).unwrap(), 0);
    }
}

/// Blocks of `size` on a random pattern, some of them with a zero left out, and dense rows of blocks here and there.
fn block_matrix(points: usize, size: usize, few_values: bool) -> Csr {
    let mut random = Random::new(points as u64);
    let (mut ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
    for p in 0..points {
        let most = if p % 97 == 5 { 40 } else { 1 + p % 9 };
        let mut list: Vec<usize> = (0..most).map(|_| random.below(points)).chain([p]).collect();
        list.sort_unstable();
        list.dedup();
        for r in 0..size {
            for &q in &list {
                // At most one entry of a block is missing, and few blocks miss one.
                let gap = (p + 3 * q) % 7 == 0 && p != q;
                columns.extend((0..size).filter(|c| !(gap && r == 0 && *c == 1)).map(|c| (q * size + c) as u32));
            }
            values.resize_with(columns.len(), || {
                let v = random.uniform(-4.0, 4.0);
                if few_values { v.round() + 0.5 } else { v }
            });
            ptr.push(columns.len());
        }
    }
    Csr::new(points * size, points * size, ptr, columns, values).unwrap()
}

#[test]
fn products_of_block_matrices() {
    for size in [2, 3] {
        for points in [1, 5, 8, 9, 170, 341, 342, 343, 512, 513, 1100] {
            check_products(block_matrix(points, size, false), 2);
            check_products(block_matrix(points, size, true), 0);
        }
    }
    // Rows with a periodic pattern, without the couplings that cancel.
    for (x, y) in [(1, 1), (3, 2), (20, 11), (37, 36), (90, 30)] {
        check_products(gallery::elasticity2d([x, y], 0.3, true).0, 1);
        check_products(gallery::elasticity2d([x, y], 0.2, false).0, 0);
    }
    for k in [1, 2, 5, 9] {
        check_products(gallery::elasticity3d([k + 4, k, k + 1], 0.3, true).0, 0);
    }
}

fn kept(a: Csr, dtype: Dtype, allowed: Allowed) -> String {
    Sparse::new(&Arc::new(a), 0, dtype, allowed, None).describe()
}

fn chosen(a: Csr, dtype: Dtype) -> String {
    kept(a, dtype, Allowed::default())
}

/// Vector problems get blocks or periodic runs; other matrices do not.
#[test]
fn vector_problems_take_blocks_or_turns() {
    for (a, turns) in [
        (gallery::elasticity2d([80, 60], 0.3, true).0, "2 rows taking turns"),
        (gallery::elasticity3d([14, 9, 9], 0.3, true).0, "3 rows taking turns"),
    ] {
        let text = chosen(a, Dtype::F64);
        assert!(text.contains("runs") && text.contains("shared") && text.contains(turns), "{text}");
    }
    for size in [2, 3] {
        let text = chosen(block_matrix(2000, size, false), Dtype::F64);
        assert!(text.contains(&format!("block rows of {size} x {size}")) && text.contains("16-bit"), "{text}");
        let wide = chosen(block_matrix(80_000, size, false), Dtype::F32);
        assert!(wide.contains("BSR") && wide.contains("32-bit"), "{wide}");
    }
    // Neither dense blocks nor periodic runs.
    let text = chosen(gallery::random_spd(3000, 7, 2), Dtype::F64);
    assert!(text.contains("slices"), "{text}");
}

#[test]
fn forms_follow_the_matrix() {
    let constant = chosen(gallery::poisson2d(50), Dtype::F64);
    assert!(constant.contains("runs") && constant.contains("shared"), "{constant}");
    let variable = chosen(variable_stencil(5000), Dtype::F64);
    assert!(variable.contains("runs") && variable.contains("f64 values"), "{variable}");
    let short = chosen(irregular(5000, true), Dtype::F64);
    assert!(short.contains("sorted") && short.contains("f32 values") && short.contains("16-bit"), "{short}");
    let wide = chosen(gallery::graph_laplacian(70_000, 6, 1, true), Dtype::F64);
    assert!(wide.contains("32-bit columns, fetched ahead"), "{wide}");
    // Enough entries for a table, in f32 arithmetic too; one value too many for a byte.
    let n = 120_000;
    let few = |different: usize| {
        let (mut ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
        for i in 0..n {
            // Five columns at no fixed distance.
            columns.extend((0..5).map(|k| ((i * 37 + k * (200 + i % 11)) % 60_000) as u32));
            columns[5 * i..].sort_unstable();
            values.extend((0..5).map(|k| 1.0 / (1 + (5 * i + k) % different) as f64));
            ptr.push(columns.len());
        }
        Csr::new(n, n, ptr, columns, values).unwrap()
    };
    // As if no cache could hold it; in a cache, a table costs more than it saves.
    let chosen = |a, dtype| kept(a, dtype, Allowed { streams_from: 1 << 19, ..Allowed::default() });
    let cached = kept(few(200), Dtype::F64, Allowed { streams_from: 1 << 20, ..Allowed::default() });
    assert!(cached.contains("f64 values") && cached.contains("16-bit"), "{cached}");
    for dtype in [Dtype::F64, Dtype::F32] {
        let table = chosen(few(256), dtype);
        assert!(table.contains("8-bit values out of 256") && table.contains("16-bit"), "{table}");
        let many = chosen(few(257), dtype);
        assert!(many.contains(if dtype == Dtype::F64 { "f64 values" } else { "f32 values" }), "{many}");
    }
    check_products(few(200), 3);
}

#[test]
fn a_stencil_takes_little_memory() {
    let a = Arc::new(gallery::poisson3d(100));
    let sparse = Sparse::new(&a, 0, Dtype::F64, Allowed::default(), None);
    assert!(sparse.bytes() < a.rows() as u64, "{} bytes", sparse.bytes());
}

/// x, y, z, d in working precision, s in accumulate precision.
fn vectors(n: usize, plan: Precisions, threads: usize) -> (Cpu, [Vector; 5]) {
    let mut space = Space::new(plan);
    let [x, y, z, d] = ["x", "y", "z", "d"].map(|name| space.vector(name, n));
    let s = space.accumulator("s", n);
    let mut cpu = Cpu::new(space, threads, true).unwrap();
    for (k, v) in [x, y, z, d, s].into_iter().enumerate() {
        cpu.write_vector(v, &numbers(n, k as u64)).unwrap();
    }
    (cpu, [x, y, z, d, s])
}

fn plans() -> [Precisions; 3] {
    let mixed = Precisions { accumulate: Dtype::F64, ..Precisions::uniform(Dtype::F32) };
    [Precisions::uniform(Dtype::F64), Precisions::uniform(Dtype::F32), mixed]
}

fn assert_near(got: &[f64], expected: impl Fn(usize) -> f64, plan: Precisions, what: &str) {
    let tolerance = if plan.working == Dtype::F64 { 1e-14 } else { 2e-6 };
    for (i, &g) in got.iter().enumerate() {
        let e = expected(i);
        assert!(
            (g - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what} of {} in {plan:?}: entry {i} is {g}, not {e}",
            got.len()
        );
    }
}

#[test]
fn maps_of_any_number_of_terms() {
    for plan in plans() {
        for n in sizes() {
            for (terms, own) in [(0, false), (1, false), (3, true), (6, false), (9, true), (17, false)] {
                let (mut cpu, v) = vectors(n, plan, 0);
                let old = v.map(|v| read(&mut cpu, v));
                run(&mut cpu, |p| {
                    let start = if own { Combination::default().plus(0.5, v[1]) } else { Combination::default() };
                    let sum = (0..terms).fold(start, |sum, t| sum.plus(0.25 * t as f64, v[[0, 2, 3][t % 3]]));
                    p.assign(v[1], sum);
                });
                let expected = |i: usize| {
                    (0..terms).map(|t| 0.25 * t as f64 * old[[0, 2, 3][t % 3]][i]).sum::<f64>()
                        + if own { 0.5 * old[1][i] } else { 0.0 }
                };
                assert_near(&read(&mut cpu, v[1]), expected, plan, "a sum");
            }
        }
    }
}

#[test]
fn products_of_entries_and_mixed_types() {
    for plan in plans() {
        for n in sizes() {
            let (mut cpu, [x, y, z, d, s]) = vectors(n, plan, 0);
            let [x0, y0, z0, d0, s0] = [x, y, z, d, s].map(|v| read(&mut cpu, v));
            run(&mut cpu, |p| {
                p.multiply(d, x, z); //                                                    z = d∘x
                p.assign(y, Combination::default().plus(2.0, y).plus_product(3.0, d, x)); // y = 2y + 3d∘x
                p.multiply(d, x, x); //                                                    x = d∘x
                p.assign(s, Combination::default().plus(1.0, s).plus(0.5, d).plus_product(1.0, s, d));
            });
            assert_near(&read(&mut cpu, z), |i| d0[i] * x0[i], plan, "z");
            assert_near(&read(&mut cpu, y), |i| 2.0 * y0[i] + 3.0 * d0[i] * x0[i], plan, "y");
            assert_near(&read(&mut cpu, x), |i| d0[i] * x0[i], plan, "x");
            assert_near(&read(&mut cpu, s), |i| s0[i] + 0.5 * d0[i] + s0[i] * d0[i], plan, "s");
            assert_eq!(z0.len(), n);
        }
    }
}

#[test]
fn dots_sum_in_f64() {
    for plan in plans() {
        for n in sizes() {
            let (mut cpu, [x, y, .., s]) = vectors(n, plan, 0);
            let [a, b] = cpu_scalars(&mut cpu);
            run(&mut cpu, |p| {
                p.dot(x, y, a);
                p.dot(x, s, b);
            });
            let [x0, y0, s0] = [x, y, s].map(|v| read(&mut cpu, v));
            for (got, other) in [(cpu.scalars[0], y0), (cpu.scalars[1], s0)] {
                let expected: f64 = x0.iter().zip(&other).map(|(a, b)| a * b).sum();
                assert!((got - expected).abs() <= 1e-14 * (1.0 + n as f64), "{n} in {plan:?}: {got}, not {expected}");
            }
        }
    }
}

fn cpu_scalars(cpu: &mut Cpu) -> [crate::op::Scalar; 2] {
    cpu.scalars = vec![0.0; 2];
    cpu.space.scalars(["a", "b"])
}

#[test]
fn projections_of_any_width() {
    for dtype in [Dtype::F64, Dtype::F32] {
        for n in sizes() {
            for k in [0, 1, 3, 4, 5, 8, 13] {
                let mut space = Space::new(Precisions::uniform(dtype));
                let (v, w) = (space.basis("v", n, k.max(1)), space.vector("w", n));
                let (h, g) = (space.array("h", k.max(1)), space.array("g", k.max(1)));
                let plan = space.plan;
                let mut cpu = Cpu::new(space, 0, true).unwrap();
                (0..k).for_each(|j| cpu.write_vector(v.column(j), &numbers(n, j as u64)).unwrap());
                cpu.write_vector(w, &numbers(n, 77)).unwrap();
                let columns: Vec<Vec<f64>> = (0..k).map(|j| read(&mut cpu, v.column(j))).collect();
                let (w0, c) = (read(&mut cpu, w), numbers(k, 5));
                cpu.write_array(h, &c);
                run(&mut cpu, |p| {
                    p.multi_subtract(v, k, h, w);
                    p.multi_dot(v, k, w, g);
                });
                let w1 = read(&mut cpu, w);
                assert_near(&w1, |i| w0[i] - (0..k).map(|j| c[j] * columns[j][i]).sum::<f64>(), plan, "w");
                for j in 0..k {
                    let expected: f64 = columns[j].iter().zip(&w1).map(|(a, b)| a * b).sum();
                    let got = cpu.arrays[1][j];
                    assert!(
                        (got - expected).abs() <= 1e-14 * (1.0 + n as f64),
                        "{n}, column {j}: {got}, not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn two_vectors_at_once_get_the_bits_of_each() {
    for dtype in [Dtype::F64, Dtype::F32] {
        for n in sizes() {
            for k in [1, 2, 3, 4, 5, 8, 13] {
                let outcome = |together: bool| {
                    let mut space = Space::new(Precisions::uniform(dtype));
                    let v = space.basis("v", n, k);
                    let w = ["u", "w"].map(|name| space.vector(name, n));
                    let (h, c) = (["s", "c"].map(|name| space.array(name, k)), space.array("d", k));
                    let mut cpu = Cpu::new(space, 0, true).unwrap();
                    (0..k).for_each(|j| cpu.write_vector(v.column(j), &numbers(n, j as u64)).unwrap());
                    (0..2).for_each(|i| cpu.write_vector(w[i], &numbers(n, 77 + i as u64)).unwrap());
                    cpu.write_array(c, &numbers(k, 5));
                    let mut at_once = |write: &dyn Fn(&mut Program, usize)| match together {
                        true => run(&mut cpu, |p| (0..2).for_each(|i| write(p, i))),
                        false => (0..2).for_each(|i| run(&mut cpu, |p| write(p, i))),
                    };
                    at_once(&|p, i| p.multi_dot(v, k, w[i], h[i]));
                    at_once(&|p, i| p.multi_subtract(v, k, [c, h[0]][i], w[i]));
                    (w.map(|w| bits(&read(&mut cpu, w))), [0, 1].map(|i| bits(&cpu.arrays[i])))
                };
                assert!(outcome(true) == outcome(false), "{dtype:?}, {n} entries, {k} columns");
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads_or_instructions() {
    for plan in plans() {
        let n = 70_001;
        let outcome = |threads: usize, simd: Simd| {
            let mut space = Space::new(plan);
            let a = space.operator("A", Arc::new(irregular(n, false)), 0, Role::Working);
            let [x, y] = ["x", "y"].map(|name| space.vector(name, n));
            let (s, v, h) = (space.accumulator("s", n), space.basis("v", n, 6), space.array("h", 6));
            let rho = space.scalar("rho");
            let mut cpu = Cpu::new(space, threads, true).unwrap();
            cpu.simd = simd;
            cpu.write_vector(x, &numbers(n, 1)).unwrap();
            (0..6).for_each(|j| cpu.write_vector(v.column(j), &numbers(n, j as u64)).unwrap());
            run(&mut cpu, |p| {
                p.apply(a, x, y);
                p.dot(x, y, rho);
                p.axpy(rho, x, s);
                p.multi_dot(v, 6, y, h);
                p.multi_subtract(v, 6, h, y);
            });
            (bits(&read(&mut cpu, y)), bits(&read(&mut cpu, s)), cpu.scalars[0].to_bits(), bits(&cpu.arrays[0]))
        };
        let expected = outcome(1, Simd::Portable);
        assert!(expected == outcome(1, Simd::best()), "{plan:?}: instructions");
        assert!(expected == outcome(2, Simd::best()) && expected == outcome(3, Simd::best()), "{plan:?}: threads");
    }
}

#[test]
fn new_values_take_a_form_of_their_own() {
    let a = Arc::new(gallery::poisson2d(40));
    let mut space = Space::new(Precisions::uniform(Dtype::F64));
    let m = space.operator("A", Arc::clone(&a), 0, Role::Working);
    let (x, y) = (space.vector("x", a.rows()), space.vector("y", a.rows()));
    let seen_by_the_driver = space.clone();
    let mut cpu = Cpu::new(space, 0, true).unwrap();
    let before = seen_by_the_driver.operator_bytes(m);
    let mut b = (*a).clone();
    b.set_values(numbers(a.nnz(), 4)).unwrap();
    let b = Arc::new(b);
    cpu.update_operator(m, &b, 0).unwrap();
    assert!(seen_by_the_driver.operator_bytes(m) > before);
    let values = numbers(a.rows(), 2);
    cpu.write_vector(x, &values).unwrap();
    run(&mut cpu, |p| p.apply(m, x, y));
    assert_eq!(bits(&read(&mut cpu, y)), bits(&multiply(&b, 0, Dtype::F64, &values)));
}
