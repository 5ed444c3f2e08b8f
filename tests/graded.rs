//! Pencils whose rows differ by many powers of ten, and those with infinite eigenvalues, judged by closed forms and by dense
//! algebra on what is left once the infinite ones are eliminated by hand.

mod common;

use common::pairs::*;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side, c64};
use krylane::matrix::Csr;
use krylane::random::Random;
use krylane::{EigenOptions, EigenSolver, Which, eigs};
use std::f64::consts::PI;
use std::sync::Arc;

/// Linear elements on (0, 1) with n nodes: stiffness with `penalty` added at both ends, and mass.
fn elements(n: usize, penalty: f64) -> (Csr, Csr) {
    let h = 1.0 / (n as f64 - 1.0);
    let end = |i: usize| i == 0 || i + 1 == n;
    let band = |d: f64, e: f64, more: f64| {
        let diagonal = (0..n).map(move |i| (i, i, if end(i) { 0.5 * d + more } else { d }));
        of(n, diagonal.chain((0..n - 1).flat_map(move |i| [(i, i + 1, e), (i + 1, i, e)])))
    };
    (band(2.0 / h, -1.0 / h, penalty), band(4.0 * h / 6.0, h / 6.0, 0.0))
}

/// Eigenvalue j of free elements, which is that of elements with fixed ends for j from 1 to n − 2.
fn closed(n: usize, j: usize) -> f64 {
    let h = 1.0 / (n as f64 - 1.0);
    let (s, c) = ((0.5 * j as f64 * PI * h).sin(), (j as f64 * PI * h).cos());
    12.0 * s * s / (h * h * (2.0 + c))
}

fn with(mass: Csr, options: EigenOptions) -> EigenOptions {
    EigenOptions { mass: Some(Arc::new(mass)), ..options }
}

/// The finite eigenvalues where B has zero rows and columns at `null` and A is not singular there: of the Schur complement.
fn finite(a: &Csr, b: &Csr, null: &[bool]) -> Vec<c64> {
    let rows = |zero: bool| (0..null.len()).filter(|&i| null[i] == zero).collect::<Vec<_>>();
    let (own, out) = (rows(false), rows(true));
    let part = |m: &Csr, r: &[usize], c: &[usize]| Mat::from_fn(r.len(), c.len(), |i, j| m.get(r[i], c[j]));
    let eliminated = part(a, &out, &out).partial_piv_lu().solve(&part(a, &out, &own));
    let schur = part(a, &own, &own) - part(a, &own, &out) * eliminated;
    part(b, &own, &own).partial_piv_lu().solve(&schur).eigenvalues().unwrap()
}

#[test]
fn fixed_ends_by_large_penalties() {
    for n in [61, 401] {
        for (penalty, relative) in [(1e12, 1e-8), (1e15, 1e-9), (1e20, 1e-9), (1e30, 1e-9)] {
            let exact: Vec<f64> = (1..4).map(|j| closed(n, j)).collect();
            for (sigma, which) in [(Some(0.0), Which::LM), (None, Which::SA), (None, Which::SM)] {
                let (k, m) = elements(n, penalty);
                let report = eigs(&k, with(m, EigenOptions { sigma, ..options(3, which) })).unwrap();
                found(&format!("{n} nodes, {penalty:e}, {which} {sigma:?}"), &report, &exact, relative, 0.0);
                assert!(report.texts().iter().all(|t| !t.contains('±')), "{:?}", report.texts());
            }
        }
    }
    // Without a mass, whose rows are equal.
    for n in [60, 300] {
        let a = of(
            n,
            (0..n).flat_map(|i| {
                let more = if i == 0 { 1e20 } else { 2.0 };
                [(i, i, more)]
                    .into_iter()
                    .chain((i + 1 < n).then_some([(i, i + 1, -1.0), (i + 1, i, -1.0)]).into_iter().flatten())
            }),
        );
        let exact: Vec<f64> = (1..4).map(|j| 4.0 * (0.5 * PI * f64::from(j) / n as f64).sin().powi(2)).collect();
        for asked in [EigenOptions { sigma: Some(0.0), ..options(3, Which::LM) }, options(3, Which::SA)] {
            found(&format!("{n} rows, {:?}", asked.sigma), &eigs(&a, asked.clone()).unwrap(), &exact, 1e-9, 0.0);
        }
    }
}

#[test]
fn no_large_row_hides_an_error() {
    // Beside 1e20 the third largest is lost in a basis: either it is right or nothing is said to have converged.
    for n in [61, 401] {
        let (k, m) = elements(n, 1e20);
        let report = eigs(&k, with(m, options(4, Which::LM))).unwrap();
        if report.reason.is_converged() {
            let mut values = values(&report);
            values.truncate(2);
            let exact = [closed(n, n - 3), closed(n, n - 2)];
            assert!(values.iter().zip(exact).all(|(v, e)| (v - e).abs() < 1e-6 * e), "{values:?} {exact:?}");
        }
    }
}

#[test]
fn infinite_eigenvalues_are_left_out() {
    // Every second node without mass: those are eliminated by hand.
    for n in [61, 401] {
        let (k, _) = elements(n, 0.0);
        let lumped = of(n, (0..n).filter(|i| i % 2 == 1).map(|i| (i, i, 2.0 / n as f64)));
        let null: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
        let all = finite(&k, &lumped, &null);
        for which in [Which::LM, Which::LA, Which::SA, Which::SM] {
            let sign = if matches!(which, Which::LM | Which::LA) { -1.0 } else { 1.0 };
            let exact: Vec<f64> = first(all.clone(), 3, |v| sign * v.re).iter().map(|v| v.re).collect();
            let report = eigs(&k, with(lumped.clone(), options(3, which))).unwrap();
            found(&format!("{n} nodes {which}"), &report, &exact, 1e-7, 1e-7);
            assert!(report.warnings.iter().any(|w| w.contains("infinite")), "{:?}", report.warnings);
        }
        // Rows of fixed ends alone are replaced: neither matrix is symmetric.
        let (k, m) = elements(n, 0.0);
        let fixed = |i: usize| i == 0 || i + 1 == n;
        let replaced = |a: &Csr, d: f64| {
            let entries = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
            let entry = |(i, j)| (i, j, if fixed(i) { if i == j { d } else { 0.0 } } else { a.get(i, j) });
            of(n, entries.map(entry).filter(|e| e.2 != 0.0))
        };
        let (k, m) = (replaced(&k, 1.0), replaced(&m, 0.0));
        for which in [Which::LM, Which::SR, Which::LR] {
            let exact: Vec<f64> = if which == Which::SR { vec![1, 2, 3] } else { vec![n - 2, n - 3, n - 4] }
                .into_iter()
                .map(|j| closed(n, j))
                .collect();
            found(
                &format!("rows replaced, {n} {which}"),
                &eigs(&k, with(m.clone(), options(3, which))).unwrap(),
                &exact,
                1e-7,
                0.0,
            );
        }
    }
}

#[test]
fn random_pencils_with_singular_masses() {
    for (seed, n) in [6, 15, 40, 90, 210].into_iter().enumerate() {
        for symmetric in [true, false] {
            let mut random = Random::new(77 + seed as u64);
            let mut sparse = |more: f64| {
                let mut entries: Vec<_> = (0..n).map(|i| (i, i, random.uniform(1.0, 2.0) + more)).collect();
                for i in 0..n {
                    for _ in 0..3 {
                        let (j, v) = (random.below(n), random.uniform(-1.0, 1.0));
                        entries.push((i, j, v));
                        if symmetric {
                            entries.push((j, i, v));
                        }
                    }
                }
                of(n, entries)
            };
            let (a, whole) = (sparse(0.5), sparse(8.0));
            let null: Vec<bool> = (0..n).map(|i| i % 5 == 1 || i % 5 == 4).collect();
            let rows = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|&(i, j)| !null[i] && !null[j]);
            let b = of(n, rows.map(|(i, j)| (i, j, whole.get(i, j))).filter(|e| e.2 != 0.0));
            let all = finite(&a, &b, &null);
            for which in [Which::LM, Which::SM, Which::LR, Which::SR] {
                let key = |v: c64| match which {
                    Which::LM => -v.norm(),
                    Which::SM => v.norm(),
                    Which::LR => -v.re,
                    _ => v.re,
                };
                let report = eigs(&a, with(b.clone(), options(2, which))).unwrap();
                let what = format!("order {n}, {which}, symmetric {symmetric}");
                assert!(report.reason.is_converged(), "{what}: {} {:?}", report.reason, report.warnings);
                let wanted = first(all.clone(), report.eigenvalues.len(), key);
                for (v, e) in report.eigenvalues.iter().zip(&wanted) {
                    let (v, e) = (key(c64::new(v.re, v.im)), key(*e));
                    assert!((v - e).abs() <= 1e-6 * (1.0 + e.abs()), "{what}: {:?} {wanted:?}", report.eigenvalues);
                }
            }
        }
    }
    // More than there are: said so, not made up.
    let (k, _) = elements(40, 0.0);
    let rank_two = of(40, [(3, 3, 1.0), (3, 30, 1.0), (30, 3, 1.0), (30, 30, 1.0), (9, 9, 1.0)]);
    let refused = eigs(&k, with(rank_two, options(3, Which::SA))).expect_err("two").to_string();
    assert!(refused.contains("2 finite"), "{refused}");
}

/// Stokes flow on an m × m grid: two Laplacians, a divergence, and a mass of the velocities alone.
fn stokes(m: usize) -> (Csr, Csr, Mat<f64>, Mat<f64>) {
    let q = m * m;
    let side = |i: usize, j: usize| {
        if i == j {
            2.0
        } else if i.abs_diff(j) == 1 {
            -1.0
        } else {
            0.0
        }
    };
    let down = |i: usize, j: usize| f64::from(u8::from(i + 1 == j)) - f64::from(u8::from(i == j));
    let same = |i: usize, j: usize| f64::from(u8::from(i == j));
    let at = |i: usize| (i / m, i % m);
    let laplacian = move |i: usize, j: usize| {
        let ((p, r), (s, t)) = (at(i), at(j));
        side(p, s) * same(r, t) + same(p, s) * side(r, t)
    };
    let divergence = move |i: usize, j: usize| {
        let ((p, r), (s, t)) = (at(i % q), at(j));
        if i < q { down(p, s) * same(r, t) } else { same(p, s) * down(r, t) }
    };
    let k = Mat::from_fn(2 * q, 2 * q, |i, j| if i / q == j / q { laplacian(i % q, j % q) } else { 0.0 });
    let d = Mat::from_fn(2 * q, q, divergence);
    let mut entries = vec![];
    for i in 0..2 * q {
        entries.extend((0..2 * q).map(|j| (i, j, k[(i, j)])).filter(|e| e.2 != 0.0));
        for j in (0..q).filter(|&j| d[(i, j)] != 0.0) {
            entries.extend([(i, 2 * q + j, d[(i, j)]), (2 * q + j, i, d[(i, j)])]);
        }
    }
    (of(3 * q, entries), of(3 * q, (0..2 * q).map(|i| (i, i, 1.0))), k, d)
}

#[test]
fn constrained_flow_and_nodes_without_entries() {
    for m in [5, 9] {
        let (a, b, k, d) = stokes(m);
        // Flows without divergence: the Laplacian on the null space of Dᵀ.
        let svd = d.svd().unwrap();
        let rank = (0..m * m).filter(|&i| svd.S()[i] > 1e-10).count();
        let free = svd.U().subcols(rank, 2 * m * m - rank).to_owned();
        let exact = (free.transpose() * k * &free).self_adjoint_eigenvalues(Side::Lower).unwrap();
        for which in [Which::SA, Which::SM, Which::LA] {
            let wanted = if which == Which::LA { &exact[exact.len() - 3..] } else { &exact[..3] };
            found(
                &format!("Stokes {m} {which}"),
                &eigs(&a, with(b.clone(), options(3, which))).unwrap(),
                wanted,
                1e-8,
                0.0,
            );
        }
    }
    // A node without entries in either matrix belongs to every eigenvalue.
    for n in [51, 301] {
        let path = |d: f64, e: f64| {
            let diagonal = (0..n).map(move |i| (i, i, d));
            let entries = diagonal.chain((0..n - 1).flat_map(move |i| [(i, i + 1, e), (i + 1, i, e)]));
            of(n, entries.filter(|&(i, j, v)| v != 0.0 && i != n / 2 && j != n / 2))
        };
        let single = |j: f64| 4.0 * (0.5 * PI * j / (n / 2 + 1) as f64).sin().powi(2);
        let exact = [single(1.0), single(1.0), single(2.0)];
        let report = eigs(&path(2.0, -1.0), with(path(1.0, 0.0), options(3, Which::SA))).unwrap();
        found(&format!("a loose node of {n}"), &report, &exact, 1e-8, 0.0);
    }
    // Beyond what dense algebra can do the message asks for what helps.
    let n = 1500;
    let a = of(n, (0..n).map(|i| (i, i, if i % 3 == 0 { -1.0 } else { 1.0 + i as f64 })));
    let b = of(n, (0..n).filter(|i| i % 2 == 1).map(|i| (i, i, 1.0)));
    let refused = EigenSolver::new(&a, with(b, options(3, Which::SA))).err().expect("infinite").to_string();
    assert!(refused.contains("infinite") && refused.contains("shift") && !refused.contains("SA"), "{refused}");
}
