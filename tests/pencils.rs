//! Hard eigenproblems, judged by closed forms and by dense algebra: stiff and singular pencils, masses with zero rows, shifts
//! at eigenvalues, null spaces, matrices far from normal.

mod common;

use common::pairs::*;
use common::*;
use faer::c64;
use krylane::matrix::{Csr, gallery};
use krylane::{EigenOptions, EigenSolver, Knobs, Which, eigs};
use std::f64::consts::PI;
use std::sync::Arc;

/// Linear elements on (0, 1) with n nodes, free ends.
fn neumann(n: usize) -> (Csr, Csr) {
    let h = 1.0 / (n as f64 - 1.0);
    let end = |i: usize| i == 0 || i + 1 == n;
    let band = |d: f64, e: f64| {
        let diagonal = (0..n).map(move |i| (i, i, if end(i) { 0.5 * d } else { d }));
        diagonal.chain((0..n - 1).flat_map(move |i| [(i, i + 1, e), (i + 1, i, e)]))
    };
    (of(n, band(2.0 / h, -1.0 / h)), of(n, band(4.0 * h / 6.0, h / 6.0)))
}

/// Eigenvalues of [`neumann`], ascending.
fn neumann_values(n: usize) -> Vec<f64> {
    let h = 1.0 / (n as f64 - 1.0);
    let each = |j: usize| {
        let (s, c) = ((0.5 * j as f64 * PI * h).sin(), (j as f64 * PI * h).cos());
        12.0 * s * s / (h * h * (2.0 + c))
    };
    (0..n).map(each).collect()
}

/// [`neumann`] with fixed ends whose rows of B hold `mass`, as finite-element packages write.
fn dirichlet(n: usize, mass: f64) -> (Csr, Csr) {
    let (k, m) = neumann(n);
    let fixed = |i: usize| i == 0 || i + 1 == n;
    let with = |a: &Csr, d: f64| {
        let mut entries = vec![];
        for i in 0..n {
            let (columns, values) = a.row(i);
            for (&j, &v) in columns.iter().zip(values) {
                let j = j as usize;
                if i == j && fixed(i) {
                    entries.push((i, i, d));
                } else if !fixed(i) && !fixed(j) {
                    entries.push((i, j, v));
                }
            }
        }
        of(n, entries)
    };
    (with(&k, 1.0), with(&m, mass))
}

/// Hermite elements of a beam of length 1, unit stiffness and mass, clamped at 0, free at 1 or, without the clamp, at both.
fn beam(elements: usize, clamped: bool) -> (Csr, Csr) {
    let h = 1.0 / elements as f64;
    let stiff = [[12.0, 6.0, -12.0, 6.0], [6.0, 4.0, -6.0, 2.0], [-12.0, -6.0, 12.0, -6.0], [6.0, 2.0, -6.0, 4.0]];
    let mass =
        [[156.0, 22.0, 54.0, -13.0], [22.0, 4.0, 13.0, -3.0], [54.0, 13.0, 156.0, -22.0], [-13.0, -3.0, -22.0, 4.0]];
    let skip = if clamped { 2 } else { 0 };
    let n = 2 * elements + 2 - skip;
    let power = |i: usize| if i % 2 == 1 { h } else { 1.0 };
    let assembled = |m: [[f64; 4]; 4], factor: f64| {
        let each = (0..elements).flat_map(|e| (0..16).map(move |k| (e, k / 4, k % 4)));
        let entries = each.filter(|&(e, i, j)| 2 * e + i >= skip && 2 * e + j >= skip);
        of(n, entries.map(|(e, i, j)| (2 * e + i - skip, 2 * e + j - skip, factor * m[i][j] * power(i) * power(j))))
    };
    (assembled(stiff, 1.0 / (h * h * h)), assembled(mass, h / 420.0))
}

/// The square of the second difference.
fn plate(n: usize) -> Csr {
    let t = gallery::poisson1d(n);
    let mut entries = vec![];
    for i in 0..n {
        let (columns, values) = t.row(i);
        for (&k, &v) in columns.iter().zip(values) {
            let (inner, w) = t.row(k as usize);
            entries.extend(inner.iter().zip(w).map(|(&j, w)| (i, j as usize, v * w)));
        }
    }
    of(n, entries)
}

#[test]
fn free_and_clamped_structures_without_a_shift() {
    let (k, m) = neumann(300);
    let exact = neumann_values(300);
    let mass = Some(Arc::new(m));
    let report = eigs(&k, EigenOptions { mass: mass.clone(), ..options(4, Which::SA) }).unwrap();
    found("free ends SA", &report, &exact[..4], 1e-8, 1e-7);
    let report = eigs(&k, EigenOptions { mass: mass.clone(), ..options(4, Which::SM) }).unwrap();
    found("free ends SM", &report, &exact[..4], 1e-8, 1e-7);
    let report = eigs(&k, EigenOptions { mass, ..options(3, Which::LA) }).unwrap();
    found("free ends LA", &report, &exact[297..], 1e-8, 0.0);
    // βL of a cantilever; Hermite elements are as good as exact for the first ones.
    let (k, m) = beam(240, true);
    let exact = [1.875104068711961, 4.694091132974175, 7.854757438237613, 10.995540734875467].map(|b: f64| b.powi(4));
    let report = eigs(&k, EigenOptions { mass: Some(Arc::new(m)), ..options(4, Which::SA) }).unwrap();
    found("cantilever", &report, &exact, 1e-6, 0.0);
    // A free beam has two rigid motions.
    let (k, m) = beam(150, false);
    let exact = [0.0, 0.0, 4.730040744862704f64.powi(4), 7.853204624095838f64.powi(4)];
    let report = eigs(&k, EigenOptions { mass: Some(Arc::new(m)), ..options(4, Which::SA) }).unwrap();
    found("free beam", &report, &exact, 1e-4, 1e-2);
}

#[test]
fn masses_that_vanish_on_fixed_nodes() {
    let _guard = one_at_a_time();
    for target in targets() {
        let (small, large) = if target.gpu { (5, 40) } else { (5, 400) };
        for mass in [0.0, 1e-20, 2.2e-308] {
            for n in [small, large] {
                let (k, m) = dirichlet(n, mass);
                let count = (n - 2).min(3) - usize::from(n == 5);
                let exact: Vec<f64> = neumann_values(n)[1..=count].to_vec();
                let asked = EigenOptions {
                    mass: Some(Arc::new(m)),
                    sigma: Some(0.0),
                    backend: target.backend.clone(),
                    precision: target.precision,
                    knobs: Knobs { withhold: target.withhold.clone(), ..Knobs::default() },
                    ..options(count, Which::LM)
                };
                let report = eigs(&k, asked).unwrap();
                let what = format!("mass {mass:e}, {n} nodes on {}", target.name);
                found(&what, &report, &exact, 1e-9, 0.0);
                assert!(report.warnings.iter().any(|w| w.contains("B has 2 rows")), "{what}: {:?}", report.warnings);
            }
        }
    }
    let (k, m) = dirichlet(40, 0.0);
    let asked = |k: usize| EigenOptions { mass: Some(Arc::new(m.clone())), sigma: Some(0.0), ..options(k, Which::LM) };
    let refused = EigenSolver::new(&k, asked(39)).err().expect("39 of 38").to_string();
    assert!(refused.contains("38 finite"), "{refused}");
    let report = eigs(&k, asked(38)).unwrap();
    found("all finite ones", &report, &neumann_values(40)[1..39], 1e-8, 0.0);
    // The largest are infinite where a Krylov method would need B⁻¹; dense algebra leaves them out.
    let (k, m) = dirichlet(400, 0.0);
    let report = eigs(&k, EigenOptions { mass: Some(Arc::new(m)), ..options(3, Which::LM) }).unwrap();
    found("largest finite ones", &report, &neumann_values(400)[396..399], 1e-8, 0.0);
    let (k, m) = dirichlet(1400, 0.0);
    let refused = EigenSolver::new(&k, EigenOptions { mass: Some(Arc::new(m)), ..options(3, Which::LM) });
    assert!(refused.err().expect("infinite").to_string().contains("infinite"));
}

#[test]
fn shifts_at_and_beside_eigenvalues() {
    // (a, b) and (b, a) with a + b = 21: 4 is twenty-fold.
    let a = gallery::poisson2d(20);
    let report = eigs(&a, EigenOptions { sigma: Some(4.0), ..options(5, Which::LM) }).unwrap();
    found("at a multiple value", &report, &[4.0; 5], 1e-12, 0.0);
    let single = 8.0 * (PI / 42.0).sin().powi(2);
    for sigma in [single, single * (1.0 + 4e-16), single + 1e-13] {
        let report = eigs(&a, EigenOptions { sigma: Some(sigma), ..options(3, Which::LM) }).unwrap();
        let path = |j: f64| 4.0 * (j * PI / 42.0).sin().powi(2);
        found("at the smallest", &report, &[single, path(1.0) + path(2.0), path(1.0) + path(2.0)], 1e-10, 0.0);
    }
    // A diagonal of zeros, or nearly, at a value that is many-fold or almost one.
    for (a, sides, n) in [
        (gallery::poisson2d(31), 2, 31usize),
        (gallery::poisson2d(60), 2, 60),
        (gallery::poisson3d(8), 3, 8),
        (gallery::poisson3d(11), 3, 11),
        (gallery::poisson3d(14), 3, 14),
    ] {
        let side: Vec<f64> = (1..=n).map(|j| 4.0 * (0.5 * PI * j as f64 / (n + 1) as f64).sin().powi(2)).collect();
        let sums = |all: Vec<f64>| all.iter().flat_map(|v| side.iter().map(move |w| v + w)).collect::<Vec<f64>>();
        let all = (1..sides).fold(side.clone(), |all, _| sums(all));
        for away in [0.0, 1e-10, -1e-9, 1e-7] {
            let sigma = f64::from(2 * sides) + away;
            let mut near: Vec<f64> = all.iter().map(|v| (v - sigma).abs()).collect();
            near.sort_by(f64::total_cmp);
            let report = eigs(&a, EigenOptions { sigma: Some(sigma), ..options(3, Which::LM) }).unwrap();
            let what = format!("{sides} sides of {n}, {sigma}");
            assert!(report.reason.is_converged(), "{what}: {} {:?} {:?}", report.reason, report.plan, report.warnings);
            for (v, d) in report.eigenvalues.iter().zip(&near) {
                assert!(((v.re - sigma).abs() - d).abs() < 1e-9, "{what}: {:?}, {:?}", report.eigenvalues, &near[..3]);
            }
        }
    }
    for n in [10, 300] {
        let d: Vec<f64> = (0..n).map(|i| [1e-12, 1.0, 1.0][i.min(2)] + i.saturating_sub(2) as f64).collect();
        let report = eigs(&with_spectrum(&d, 4), EigenOptions { sigma: Some(0.0), ..options(3, Which::LM) }).unwrap();
        found(&format!("one value near the shift, order {n}"), &report, &[1e-12, 1.0, 1.0], 1e-10, 5e-13);
    }
    let exact: Vec<f64> = (1..=4).map(|k| (2.0 - 2.0 * (f64::from(k) * PI / 1501.0).cos()).powi(2)).collect();
    for asked in
        [options(4, Which::SM), EigenOptions { sigma: Some(0.0), ..options(4, Which::LM) }, options(4, Which::SA)]
    {
        let what = format!("condition 8e11, {} {:?}", asked.which, asked.sigma);
        found(&what, &eigs(&plate(1500), asked).unwrap(), &exact, 1e-5, 0.0);
    }
}

#[test]
fn singular_matrices_and_null_spaces() {
    // A path whose edges have signs: D L D with D of ±1 has the eigenvalues of L and the null vector ±1.
    let n = 300;
    let sign = |i: usize| if i * i % 7 < 3 { 1.0 } else { -1.0 };
    let path = (0..n).map(|i| (i, i, if i == 0 || i + 1 == n { 1.0 } else { 2.0 }));
    let edges = (0..n - 1).flat_map(|i| [(i, i + 1), (i + 1, i)]).map(|(i, j)| (i, j, -sign(i) * sign(j)));
    let signed = of(n, path.chain(edges));
    let exact: Vec<f64> = (0..5).map(|k| 4.0 * (f64::from(k) * PI / 600.0).sin().powi(2)).collect();
    for which in [Which::SA, Which::SM] {
        found(&format!("signed {which}"), &eigs(&signed, options(4, which)).unwrap(), &exact[..4], 1e-8, 1e-12);
    }
    let report = eigs(&signed, EigenOptions { skip_null: true, ..options(4, Which::SM) }).unwrap();
    found("signed, beyond the null vector", &report, &exact[1..], 1e-8, 0.0);
    // Beyond the null space by any distance; and on both sides of it.
    for n in [40, 300] {
        let low = [0.0, 0.0, 1e-11, 1e-9, 1e-6, 1e-3];
        let spread = gallery::diagonal(
            &(0..n).map(|i| low.get(i).copied().unwrap_or(1.0 + 99.0 * i as f64 / n as f64)).collect::<Vec<_>>(),
        );
        for which in [Which::SA, Which::SM] {
            let report = eigs(&spread, EigenOptions { skip_null: true, ..options(2, which) }).unwrap();
            found(&format!("spread {n} {which}"), &report, &[1e-6, 1e-3], 1e-6, 0.0);
        }
        let both = (0..n).map(|i| if i < 3 { 0.0 } else { (i as f64 - 5.5) / 3.0 }).collect::<Vec<_>>();
        let both = with_spectrum(&both, 5);
        let report = eigs(&both, EigenOptions { skip_null: true, ..options(3, Which::SA) }).unwrap();
        found(&format!("both sides {n} SA"), &report, &[-2.5 / 3.0, -0.5, -0.5 / 3.0], 1e-9, 0.0);
        let report = eigs(&both, EigenOptions { skip_null: true, ..options(4, Which::SM) }).unwrap();
        found(&format!("both sides {n} SM"), &report, &[-0.5, -0.5 / 3.0, 0.5 / 3.0, 0.5], 1e-9, 0.0);
    }
    // CᵀC with C from the edges of a grid to its faces: as many zeros as there are gradients.
    for m in [6, 14] {
        let (across, edge) = (|x: usize, y: usize| y * (m - 1) + x, m * (m - 1));
        let up = |x: usize, y: usize| edge + y * m + x;
        let mut entries = vec![];
        for y in 0..m - 1 {
            for x in 0..m - 1 {
                let face = [(across(x, y), 1.0), (up(x + 1, y), 1.0), (across(x, y + 1), -1.0), (up(x, y), -1.0)];
                entries.extend(face.iter().flat_map(|&(i, v)| face.iter().map(move |&(j, w)| (i, j, v * w))));
            }
        }
        let curl = of(2 * edge, entries);
        // The others are those of C Cᵀ, a grid of faces with Dirichlet boundaries.
        let side = |j: usize| 4.0 * (j as f64 * PI / (2.0 * m as f64)).sin().powi(2);
        let mut faces: Vec<f64> = (1..m).flat_map(|i| (1..m).map(move |j| side(i) + side(j))).collect();
        faces.sort_by(f64::total_cmp);
        found(&format!("curl-curl {m}"), &eigs(&curl, options(3, Which::SM)).unwrap(), &[0.0; 3], 0.0, 1e-9);
        let report = eigs(&curl, EigenOptions { skip_null: true, ..options(4, Which::SM) }).unwrap();
        found(&format!("curl-curl {m} beyond gradients"), &report, &faces[..4], 1e-8, 0.0);
    }
}

#[test]
fn masses_that_are_no_inner_product() {
    for n in [60, 260] {
        let k = gallery::tridiagonal(n, -1.0, 2.3, -1.0);
        let indefinite = of(n, (0..n).map(|i| (i, i, if i % 3 == 0 { -1.0 } else { 1.0 + 0.01 * i as f64 })));
        let hidden = of(n, (0..n).flat_map(|i| [(i, i, 1.0), (i, (i + 1) % n, 0.8), ((i + 1) % n, i, 0.8)]));
        let lopsided = gallery::tridiagonal(n, 0.1, 1.0, 0.4);
        for (what, b) in [("diagonal", &indefinite), ("hidden", &hidden), ("lopsided", &lopsided)] {
            let all = dense_values(&k, Some(b));
            let near = first(all, 4, |v| (v - 0.9).norm());
            let cut = (near[3] - 0.9).norm();
            let asked = EigenOptions { mass: Some(Arc::new(b.clone())), sigma: Some(0.9), ..options(4, Which::LM) };
            let report = eigs(&k, asked).unwrap();
            assert!(report.reason.is_converged(), "{what} {n}: {} {:?}", report.reason, report.plan);
            let word = if what == "lopsided" { "B is not symmetric" } else { "B is indefinite" };
            assert!(report.warnings.iter().any(|w| w.contains(word)), "{what}: {:?}", report.warnings);
            for v in report.eigenvalues.iter().take(4) {
                let v = c64::new(v.re, v.im);
                assert!((v - 0.9).norm() <= cut + 1e-7, "{what} {n}: {v}, {near:?}");
                assert!(
                    near.iter().any(|e| (e - v).norm() < 1e-7 || (e.conj() - v).norm() < 1e-7),
                    "{what} {n}: {v}, {near:?}"
                );
            }
            let asked =
                EigenOptions { mass: Some(Arc::new(b.clone())), method: "lanczos".into(), ..options(2, Which::LM) };
            let refused = EigenSolver::new(&k, asked).err().expect("no inner product").to_string();
            assert!(refused.contains("positive definite B"), "{refused}");
        }
    }
}

#[test]
fn any_number_of_pairs_of_small_matrices() {
    let a = gallery::poisson1d(12);
    let all: Vec<f64> = (1..=12).map(|j| 4.0 * (f64::from(j) * PI / 26.0).sin().powi(2)).collect();
    for method in ["auto", "lanczos", "lobpcg", "dense", "arnoldi"] {
        for k in [1, 5, 11, 12] {
            let report = eigs(&a, EigenOptions { method: method.into(), ..options(k, Which::SA) }).unwrap();
            found(&format!("{k} by {method}"), &report, &all[..k], 1e-11, 0.0);
        }
    }
    let one = of(1, [(0, 0, 3.0)]);
    found("order 1", &eigs(&one, options(1, Which::LM)).unwrap(), &[3.0], 1e-14, 0.0);
    for which in [Which::BE, Which::LA] {
        for n in [30, 250] {
            let exact: Vec<f64> =
                (1..=n).map(|j| 4.0 * (f64::from(j) * PI / (2.0 * f64::from(n + 1))).sin().powi(2)).collect();
            let n = exact.len();
            let ends =
                if which == Which::BE { [&exact[..2], &exact[n - 3..]].concat() } else { exact[n - 5..].to_vec() };
            found(&format!("{which} {n}"), &eigs(&gallery::poisson1d(n), options(5, which)).unwrap(), &ends, 1e-9, 0.0);
        }
    }
    // What rounding allows.
    let report = eigs(&gallery::poisson1d(260), EigenOptions { tol: 0.0, ..options(3, Which::LA) }).unwrap();
    assert!(report.reason.is_converged() && report.tolerance < 1e-13, "{} {}", report.reason, report.tolerance);
}

#[test]
fn nonsymmetric_matrices_far_from_normal() {
    let a = gallery::convection_diffusion2d(30, [0.5, 0.5]);
    for which in [Which::SR, Which::SA] {
        let report = eigs(&a, options(6, which)).unwrap();
        assert!(report.reason.is_converged(), "{which}: {} {:?}", report.reason, report.plan);
        assert!(report.matvecs < 3000, "{which}: {} products", report.matvecs);
        let told = report.warnings.iter().any(|w| w.contains("SR was taken"));
        assert_eq!(told, which == Which::SA, "{:?}", report.warnings);
    }
    assert!(EigenSolver::new(&a, options(2, Which::BE)).is_err());
    // Rotations: with a shift the positive imaginary part comes first, too.
    let n = 240;
    let blocks = (0..n / 2).flat_map(|b| {
        let (re, im) = (0.1 * b as f64, 1.0 + 0.05 * b as f64);
        [(2 * b, 2 * b, re), (2 * b, 2 * b + 1, -im), (2 * b + 1, 2 * b, im), (2 * b + 1, 2 * b + 1, re)]
    });
    let rotations = of(n, blocks);
    let report = eigs(&rotations, EigenOptions { sigma: Some(3.0), ..options(4, Which::LM) }).unwrap();
    assert!(report.reason.is_converged(), "{} {:?}", report.reason, report.plan);
    for pair in report.eigenvalues.chunks(2) {
        assert!(pair[0].im > 0.0 && pair[1].im == -pair[0].im, "{:?}", report.eigenvalues);
    }
}

#[test]
fn arnoldi_gives_orthonormal_vectors_of_symmetric_matrices() {
    let d: Vec<f64> = (0..230).map(|i| f64::from(i / 4) + 1.0).collect();
    for (sigma, which) in [(None, Which::LM), (Some(17.3), Which::LM), (Some(1.0), Which::LM)] {
        let report =
            eigs(&with_spectrum(&d, 9), EigenOptions { method: "arnoldi".into(), sigma, ..options(7, which) }).unwrap();
        assert!(report.reason.is_converged(), "{sigma:?}: {} {:?}", report.reason, report.plan);
        for (i, v) in report.vectors.iter().enumerate() {
            for (j, w) in report.vectors.iter().enumerate() {
                let product: f64 = v.iter().zip(w).map(|(v, w)| v * w).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-9, "{sigma:?}: <v{i}, v{j}> = {product}");
            }
        }
    }
}
