//! What a report says is true, on kinds of systems that users report faults about: judged by dense algebra of the test's
//! own, never by the library's certificate.

use krylane::matrix::{Csr, Triplets, gallery};
use krylane::random::Random;
use krylane::{Backend, Criterion, Options, Precision, Reason, Report, Solver, When};

fn options() -> Options {
    Options { backend: Backend::Cpu, ..Options::default() }
}

fn with(method: &str, preconditioner: &str) -> Options {
    Options { method: method.parse().unwrap(), preconditioner: preconditioner.parse().unwrap(), ..options() }
}

fn solve(a: &Csr, b: &[f64], options: Options) -> Report {
    Solver::new(a, options).unwrap().solve(b).unwrap()
}

fn matrix(rows: usize, cols: usize, entries: impl IntoIterator<Item = (usize, usize, f64)>) -> Csr {
    let mut t = Triplets::new(rows, cols).unwrap();
    entries.into_iter().for_each(|(i, j, v)| t.push(i, j, v).unwrap());
    t.to_csr().unwrap()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn residual(a: &Csr, b: &[f64], x: &[f64]) -> Vec<f64> {
    a.multiply(x).iter().zip(b).map(|(y, b)| b - y).collect()
}

/// b − A x with twofold sums (Ogita, Rump and Oishi 2005): the entries may cancel.
fn compensated_residual(a: &Csr, b: &[f64], x: &[f64]) -> Vec<f64> {
    (0..a.rows())
        .map(|i| {
            let (mut sum, mut error) = (b[i], 0.0);
            for (&j, &v) in a.row(i).0.iter().zip(a.row(i).1) {
                let product = -v * x[j as usize];
                error += (-v).mul_add(x[j as usize], -product);
                let total = sum + product;
                let part = total - sum;
                error += (sum - (total - part)) + (product - part);
                sum = total;
            }
            sum + error
        })
        .collect()
}

/// ‖b − A x‖ least over x, by Householder's QR with column pivoting on columns of norm 1.
fn least(a: &Csr, b: &[f64]) -> f64 {
    let t = a.transpose();
    let mut columns: Vec<Vec<f64>> = (0..a.cols())
        .map(|j| {
            let mut c = vec![0.0; a.rows()];
            t.row(j).0.iter().zip(t.row(j).1).for_each(|(&i, &v)| c[i as usize] = v);
            let size = norm(&c);
            c.iter().map(|v| if size > 0.0 { v / size } else { 0.0 }).collect()
        })
        .collect();
    let mut b = b.to_vec();
    let mut k = 0;
    while k < b.len() && !columns.is_empty() {
        let sizes: Vec<f64> = columns.iter().map(|c| norm(&c[k..])).collect();
        let best = (0..sizes.len()).max_by(|&i, &j| sizes[i].total_cmp(&sizes[j])).unwrap();
        if sizes[best] < 1e-13 {
            break;
        }
        let mut v = columns.swap_remove(best).split_off(k);
        v[0] += norm(&v).copysign(v[0]);
        let square: f64 = v.iter().map(|v| v * v).sum();
        for c in columns.iter_mut().chain([&mut b]) {
            let factor = 2.0 * v.iter().zip(&c[k..]).map(|(v, c)| v * c).sum::<f64>() / square;
            c[k..].iter_mut().zip(&v).for_each(|(c, v)| *c -= factor * v);
        }
        k += 1;
    }
    norm(&b[k..])
}

/// −Δ on a square of side² points with the boundary's rows kept: `boundary` on their diagonal, `inside` times the stencil
/// elsewhere; b is 1 on one side.
fn dirichlet(side: usize, boundary: f64, inside: f64) -> (Csr, Vec<f64>) {
    let mut entries = vec![];
    let mut b = vec![0.0; side * side];
    for i in 0..side {
        for j in 0..side {
            let row = i * side + j;
            if i == 0 || j == 0 || i == side - 1 || j == side - 1 {
                entries.push((row, row, boundary));
                b[row] = if i == 0 { boundary } else { 0.0 };
                continue;
            }
            entries.push((row, row, 4.0 * inside));
            entries.extend([row - 1, row + 1, row - side, row + side].map(|k| (row, k, -inside)));
        }
    }
    (matrix(side * side, side * side, entries), b)
}

#[test]
fn the_x_returned_is_the_x_that_passed() {
    // Entries over sixty powers of ten: the iteration goes by a scaled residual, and an x = 0 of smaller ‖r‖ lies by.
    let mut judged = 0;
    for seed in 0..200 {
        let mut r = Random::new(seed);
        let n = 2 + r.below(6);
        let mut entries = vec![];
        for i in 0..n {
            entries.push((i, i, r.uniform(1.0, 3.0) * [1e30, 1e-30, 1.0][r.below(3)]));
            if i + 1 < n {
                entries.push((i, i + 1, r.uniform(-1.0, 1.0) * [1e30, 1e-30][r.below(2)]));
            }
        }
        let a = matrix(n, n, entries);
        let b = vec![1.0; n];
        for method in ["gmres", "bicgstab", "auto"] {
            let report = solve(&a, &b, Options { criterion: Criterion::BackwardError, ..with(method, "auto") });
            assert!(report.x.iter().all(|v| v.is_finite()), "seed {seed}, {method}");
            if !report.reason.is_converged() {
                continue;
            }
            judged += 1;
            let (mut widest, mut tallest) = (0.0f64, 0.0f64);
            let sum = |m: &Csr, i: usize| m.row(i).1.iter().map(|v| v.abs()).sum::<f64>();
            let t = a.transpose();
            (0..n).for_each(|i| (widest, tallest) = (widest.max(sum(&a, i)), tallest.max(sum(&t, i))));
            let whole = (widest * tallest).sqrt() * norm(&report.x) + norm(&b);
            let left = norm(&residual(&a, &b, &report.x)) / whole;
            assert!(left <= 1.001e-8, "seed {seed}, {method}: {left:e}, told {:e}", report.certificate.backward_error);
        }
    }
    // Most are singular to working precision, and say so.
    assert!(judged > 20, "{judged} converged");
}

#[test]
fn x_is_finite_whatever_becomes_of_the_iteration() {
    let empty = matrix(3, 3, [(0, 0, 1e40), (2, 2, 3e38)]);
    let far = matrix(2, 2, [(0, 0, 1e25), (1, 1, 1e-35)]);
    for (a, b) in [(&empty, vec![1.0, 0.0, 2.0]), (&empty, vec![1.0, 1.0, 1.0]), (&far, vec![1.0, 0.0])] {
        for precision in [Precision::F32, Precision::Mixed, Precision::F64] {
            for (method, preconditioner) in
                [("auto", "auto"), ("richardson", "jacobi"), ("gmres", "ilu0"), ("bicgstab", "ilut"), ("cg", "jacobi")]
            {
                let options = Options { precision, equilibrate: When::Never, ..with(method, preconditioner) };
                let mut solver = Solver::new(a, options).unwrap();
                let ones = vec![1.0; b.len()];
                for report in [solver.solve(&b).unwrap(), solver.solve_from(&b, &ones).unwrap()] {
                    let context = format!("{method}, {preconditioner}, {precision:?}: {}", report.reason);
                    assert!(report.x.iter().all(|v| v.is_finite()), "{context}: {:?}", report.x);
                    assert!(!report.certificate.relative.is_nan() && !report.certificate.backward_error.is_nan());
                    if report.reason.is_converged() {
                        assert!(norm(&residual(a, &b, &report.x)) <= 1.001e-8 * norm(&b), "{context}");
                    }
                }
            }
        }
    }
}

#[test]
fn powers_of_two_change_no_bit_under_any_preconditioner() {
    let spd = gallery::random_spd(40, 5, 3);

    let mut uneven = spd.clone();
    uneven.set_values(spd.values().iter().map(|v| v * 0.7).collect()).unwrap();
    let mut holes: Vec<(usize, usize, f64)> = vec![];
    for i in 0..40 {
        // Rows 7 and 20 are empty, row 3 lacks its diagonal entry.
        let row = uneven.row(i);
        let kept = |j: usize| ![7, 20].contains(&i) && ![7, 20].contains(&j) && (i, j) != (3, 3);
        let entries = row.0.iter().zip(row.1).filter(|e| kept(*e.0 as usize));
        holes.extend(entries.map(|(&j, &v)| (i, j as usize, v)));
    }
    let holes = matrix(40, 40, holes);
    let mut b: Vec<f64> = (0..40).map(|i| (i as f64).sin()).collect();
    (b[7], b[20]) = (0.0, 0.0);
    let pairs = [
        ("cg", "fsai"),
        ("cg", "chebyshev"),
        ("cg", "neumann"),
        ("cg", "ic0"),
        ("cg", "ssor"),
        ("cg", "amg:coarse=5"),
        ("gmres", "jacobi"),
        ("gmres", "ilu0"),
        ("gmres", "ilut"),
        ("gmres", "isai"),
        ("minres", "scaling"),
        ("bicgstab", "gauss_seidel"),
        ("lsqr", "jacobi"),
    ];
    for (method, preconditioner) in pairs {
        for a in [&uneven, &holes] {
            let run = |p: i32, q: i32| {
                let mut scaled = a.clone();
                scaled.set_values(a.values().iter().map(|v| v * 2f64.powi(p)).collect()).unwrap();
                let b: Vec<f64> = b.iter().map(|v| v * 2f64.powi(q)).collect();
                solve(&scaled, &b, with(method, preconditioner))
            };
            let plain = run(0, 0);
            for (p, q) in [(1, 0), (3, -5), (-31, 2), (77, 78), (201, -200)] {
                let other = run(p, q);
                let same = plain.x.iter().zip(&other.x).all(|(x, y)| x * 2f64.powi(q - p) == *y);
                let told = format!("{method} {preconditioner}, 2^{p} A, 2^{q} b: {} {}", plain.reason, other.reason);
                assert!(same && plain.iterations == other.iterations, "{told}");
            }
        }
    }
}

#[test]
fn columns_of_very_different_size_are_scaled_by_least_squares_methods() {
    let mut r = Random::new(5);
    for (m, n, range) in [(60, 20, 8.0), (35, 12, 5.0), (80, 30, 10.0)] {
        let sizes: Vec<f64> = (0..n).map(|j| 10f64.powf(range * (2.0 * j as f64 / (n - 1) as f64 - 1.0))).collect();
        let entries: Vec<_> = (0..m * n).map(|k| (k / n, k % n, r.uniform(-1.0, 1.0) * sizes[k % n])).collect();
        let a = matrix(m, n, entries);
        let b = r.vector(m);
        let best = least(&a, &b) / norm(&b);
        for method in ["lsqr", "lsmr"] {
            let report = solve(&a, &b, with(method, "auto"));
            assert!(report.is_answer(), "{method}: {}", report.reason);
            assert!(
                (report.certificate.relative / best - 1.0).abs() < 1e-7,
                "{:e} {best:e}",
                report.certificate.relative
            );
            assert!(report.plan.iter().any(|line| line.contains("scaled")), "{:?}", report.plan);
        }
    }
}

/// U diag(σ) Vᵀ with orthogonal U and V of a few reflections each.
fn of_spectrum(n: usize, sigma: impl Fn(usize) -> f64, seed: u64) -> Csr {
    let mut r = Random::new(seed);
    let mut a: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| if i == j { sigma(i) } else { 0.0 }).collect()).collect();
    for _ in 0..3 {
        for side in 0..2 {
            let v = r.vector(n);
            let square: f64 = v.iter().map(|v| v * v).sum();
            for k in 0..n {
                let at = |a: &Vec<Vec<f64>>, i: usize| if side == 0 { a[i][k] } else { a[k][i] };
                let factor = 2.0 * (0..n).map(|i| v[i] * at(&a, i)).sum::<f64>() / square;
                for i in 0..n {
                    *(if side == 0 { &mut a[i][k] } else { &mut a[k][i] }) -= factor * v[i];
                }
            }
        }
    }
    matrix(n, n, (0..n * n).map(|k| (k / n, k % n, a[k / n][k % n])))
}

#[test]
fn a_small_gradient_alone_is_no_least_squares_solution() {
    // Nonsingular, so the least residual is 0: nothing may be called a least-squares solution beside it.
    for (seed, digits) in [(1, 8.0), (2, 10.0), (3, 12.0), (4, 14.0)] {
        let n = 40;
        let a = of_spectrum(n, |i| 10f64.powf(-digits * i as f64 / (n - 1) as f64), seed);
        let b = Random::new(seed + 10).vector(n);
        for method in ["lsqr", "lsmr"] {
            let report = solve(&a, &b, Options { max_iterations: 3000, ..with(method, "none") });
            assert_ne!(report.reason, Reason::LeastSquares, "{method}, kappa 1e{digits}: {:?}", report.certificate);
        }
    }
    // Damped, the objective is the least one: by the normal equations of [A; λI], whose condition is small.
    for damp in [0.1, 1e-3] {
        let n = 30;
        let a = of_spectrum(n, |i| 10f64.powf(3.0 - 8.0 * i as f64 / (n - 1) as f64), 9);
        let b = Random::new(3).vector(n);
        let below = (0..n).map(|j| (n + j, j, damp));
        let above = (0..n).flat_map(|i| {
            let (columns, values) = a.row(i);
            columns.iter().zip(values).map(move |(&j, &v)| (i, j as usize, v)).collect::<Vec<_>>()
        });
        let stacked = matrix(2 * n, n, above.chain(below));
        let right: Vec<f64> = b.iter().copied().chain(vec![0.0; n]).collect();
        let best = least(&stacked, &right);
        for method in ["lsqr", "lsmr"] {
            let report = solve(&a, &b, with(&format!("{method}:damp={damp}"), "none"));
            assert!(report.is_answer(), "{method}, damp {damp}: {}", report.reason);
            let objective = norm(&residual(&stacked, &right, &report.x));
            assert!(objective <= best * (1.0 + 1e-7), "{method}, damp {damp}: {objective:e} {best:e}");
        }
    }
}

#[test]
fn rows_that_the_norm_does_not_see_are_told_and_can_be_asked_for() {
    for inside in [8.85e-12, 1e-10, 1e-13] {
        let (a, b) = dirichlet(20, 1.0, inside);
        let (same, right) = dirichlet(20, 1.0, 1.0);
        let exact = solve(&same, &right, Options { rtol: 1e-12, ..options() });
        let error = |x: &[f64]| norm(&exact.x.iter().zip(x).map(|(p, q)| p - q).collect::<Vec<_>>()) / norm(&exact.x);
        let plain = solve(&a, &b, options());
        if plain.reason.is_converged() && error(&plain.x) > 1e-3 {
            assert!(plain.certificate.rowwise.unwrap() > 1e-5, "{inside:e}: {:?}", plain.certificate);
            assert!(plain.warnings.iter().any(|w| w.contains("component")), "{inside:e}: {:?}", plain.warnings);
        }
        let by_component = solve(&a, &b, Options { criterion: Criterion::Componentwise, ..options() });
        assert!(by_component.reason.is_converged(), "{inside:e}: {}", by_component.reason);
        assert!(by_component.certificate.componentwise.unwrap() <= 1e-8);
        assert!(error(&by_component.x) < 1e-5, "{inside:e}: {:e}", error(&by_component.x));
    }
    // Rows of one size: nothing to warn of, not even where most of b is zero.
    let a = gallery::poisson2d(30);
    let mut b = vec![0.0; 900];
    b[17] = 1.0;
    assert_eq!(solve(&a, &b, options()).warnings, Vec::<String>::new());
}

#[test]
fn a_cycle_in_f32_that_fails_is_followed_by_one_in_full() {
    for (boundary, inside) in [(1.0, 1e7), (1.0, 3e6), (1e-3, 2e4)] {
        let (a, b) = dirichlet(30, boundary, inside);
        for method in ["gmres", "fgmres", "bicgstab"] {
            let report = solve(&a, &b, with(method, "amg"));
            assert!(report.reason.is_converged(), "{method}: {:?}", report.rungs);
            assert!(norm(&compensated_residual(&a, &b, &report.x)) <= 1.001e-8 * norm(&b));
        }
    }
}

/// The Laplacian of a graph given by its edges.
fn laplacian(n: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Csr {
    let entry = |(i, j): (usize, usize)| [(i, j, -1.0), (j, i, -1.0), (i, i, 1.0), (j, j, 1.0)];
    matrix(n, n, edges.into_iter().flat_map(entry))
}

#[test]
fn graphs_that_coarsen_to_one_row_are_solved_by_multigrid() {
    let star = laplacian(301, (1..301).map(|i| (0, i)));
    let complete = laplacian(320, (0..320).flat_map(|i| (0..i).map(move |j| (i, j))));
    let two = laplacian(800, (1..400).map(|i| (0, i)).chain((401..800).map(|i| (400, i))));
    let mut r = Random::new(8);
    // Preferential attachment: a few rows hold most of the edges.
    let mut ends = vec![0usize, 1];
    for i in 2..600 {
        let j = ends[r.below(ends.len())];
        ends.extend([i, j]);
    }
    let scale_free = laplacian(600, ends.chunks(2).map(|e| (e[0], e[1])));
    for (name, a, most) in
        [("star", star, 5), ("complete", complete, 5), ("two stars", two, 6), ("tree", scale_free, 60)]
    {
        let b = a.multiply(&Random::new(1).vector(a.rows()));
        for scale in [1.0, 0.3, 1e6] {
            let mut scaled = a.clone();
            scaled.set_values(a.values().iter().map(|v| v * scale).collect()).unwrap();
            let report = solve(&scaled, &b, with("cg", "amg"));
            assert!(report.reason.is_converged(), "{name} * {scale}: {:?}", report.rungs);
            assert!(report.iterations <= most, "{name} * {scale}: {} iterations", report.iterations);
        }
    }
}

/// I − P of a stochastic P.
fn markov(n: usize, seed: u64) -> Csr {
    let mut r = Random::new(seed);
    let mut entries: Vec<(usize, usize, f64)> = (0..n).map(|i| (i, i, 1.0)).collect();
    for i in 0..n {
        let to: Vec<usize> = (0..8).map(|_| r.below(n)).chain([(i + 1) % n]).collect();
        let weights: Vec<f64> = to.iter().map(|_| r.uniform(0.1, 1.0)).collect();
        let sum: f64 = weights.iter().sum();
        entries.extend(to.iter().zip(&weights).map(|(&j, w)| (i, j, -w / sum)));
    }
    matrix(n, n, entries)
}

#[test]
fn singular_and_inconsistent_is_said_and_least_squares_follow_where_asked() {
    let skew = |n: usize| {
        let entry = |i: usize, j: usize| (1 + i + 2 * j) as f64;
        matrix(n, n, (0..n).flat_map(|i| (0..i).flat_map(move |j| [(i, j, entry(i, j)), (j, i, -entry(i, j))])))
    };
    // Edges with signs: balanced, so that a vector of ±1 is a null vector.
    let signs: Vec<f64> = (0..60).map(|i| if i * 7 % 5 < 2 { -1.0 } else { 1.0 }).collect();
    let signed = matrix(
        60,
        60,
        (0..59).flat_map(|i| {
            let v = -signs[i] * signs[i + 1];
            [(i, i + 1, v), (i + 1, i, v), (i, i, 1.0), (i + 1, i + 1, 1.0)]
        }),
    );
    let cases = [
        ("skew 3", skew(3)),
        ("skew 7", skew(7)),
        ("markov", markov(60, 3)),
        ("markov", markov(200, 4)),
        ("signed", signed),
    ];
    for (name, a) in cases {
        let b = Random::new(2).vector(a.rows()).iter().map(|v| v + 1.0).collect::<Vec<_>>();
        let best = least(&a, &b) / norm(&b);
        assert!(best > 1e-3, "{name}: {best:e}");
        let report = solve(&a, &b, options());
        let (text, advice) = (report.reason.to_string(), report.advice());
        assert!(
            matches!(report.reason, Reason::Singular { .. } | Reason::InconsistentSystem { .. }),
            "{name}: {text}, {:?}",
            report.rungs
        );
        assert!(advice.contains("lsqr"), "{name}: {advice}");
        if let Reason::Singular { null_residual } = report.reason {
            let told = norm(&a.multiply(&report.x)) / norm(&report.x);
            assert!(null_residual < 1e-12 && told < 1e-9, "{name}: {null_residual:e} {told:e}");
        }
        if let Reason::InconsistentSystem { null_component } = report.reason {
            assert!((null_component / best - 1.0).abs() < 1e-6, "{name}: {null_component:e} {best:e}");
        }
        let report = solve(&a, &b, Options { least_squares: true, ..options() });
        assert!(report.is_answer(), "{name}: {:?}", report.rungs);
        assert!(
            (report.certificate.relative / best - 1.0).abs() < 1e-7,
            "{name}: {:e} {best:e}",
            report.certificate.relative
        );
    }
}

#[test]
fn the_criterion_of_backward_error_saves_work() {
    let a = gallery::poisson2d(60);
    let b = vec![1.0; 3600];
    for (method, preconditioner) in [("cg", "none"), ("minres", "none"), ("bicgstab", "none")] {
        let run = |criterion| solve(&a, &b, Options { criterion, rtol: 1e-6, ..with(method, preconditioner) });
        let (plain, backward) = (run(Criterion::RhsNorm), run(Criterion::BackwardError));
        assert!(backward.reason.is_converged() && backward.certificate.backward_error <= 1e-6);
        assert!(
            10 * backward.iterations < 9 * plain.iterations,
            "{method}: {} iterations, {} by the right-hand side",
            backward.iterations,
            plain.iterations
        );
    }
}

#[test]
fn advice_names_what_is_left_to_try() {
    let hard = gallery::convection_diffusion2d(20, [2.0, 0.5]);
    let b = vec![1.0; 400];
    let few = |method: &str, preconditioner: &str| {
        let options = Options { max_iterations: 3, ..with(method, preconditioner) };
        solve(&hard, &b, options).advice()
    };
    assert_eq!(few("gmres", "none"), "Raise `max_iterations`, or use a preconditioner.");
    let products = solve(&hard, &b, Options { max_matvecs: 5, ..with("gmres", "none") });
    assert_eq!(products.advice(), "Raise `max_matvecs`, or use a preconditioner.");
    assert!(few("gmres", "ilu0").contains("stronger preconditioner"));
    assert!(few("lsqr", "none").contains("jacobi") && !few("lsqr", "none").contains("restart"));
    assert!(few("lsqr", "jacobi").contains("`damp`"));
    // The cyclic shift: GMRES of short cycles stands still.
    let shift = matrix(64, 64, (0..64).map(|i| (i, (i + 1) % 64, 1.0)));
    let mut one = vec![0.0; 64];
    one[0] = 1.0;
    let stagnant = solve(&shift, &one, with("gmres:restart=10", "none"));
    assert_eq!(stagnant.reason, Reason::Stagnated);
    assert!(stagnant.advice().contains("`restart`"), "{}", stagnant.advice());
    assert!(!stagnant.advice().contains("f64") && !stagnant.advice().contains("--"), "{}", stagnant.advice());
}

#[test]
fn a_null_vector_far_beyond_b_is_no_answer() {
    // A x0 is rounding beside ‖A‖‖x0‖ and 10³⁶⁰ beside b.
    let a = matrix(2, 2, [(0, 0, 1.0), (0, 1, -1.0), (1, 0, -1.0), (1, 1, 1.0)]);
    let x0 = [1e200 * (1.0 + 2f64.powi(-50)), 1e200];
    for method in ["cg", "minres", "gmres", "lsqr"] {
        let options = Options { criterion: Criterion::BackwardError, ..with(method, "none") };
        let r = Solver::new(&a, options).unwrap().solve_from(&[1e-180, -1e-180], &x0).unwrap();
        let solved = (r.x[0] - r.x[1] - 1e-180).abs() <= 1e-8 * 1e-180;
        assert!(!r.reason.is_converged() || solved, "{method}: {} at {:?}", r.reason, r.x);
    }
}
