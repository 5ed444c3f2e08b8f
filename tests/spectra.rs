//! Eigenvalues and singular values of complex matrices and of operators without entries; singular values that decay.

mod common;

use common::norm;
use common::pairs::*;
use faer::c64;
use krylane::matrix::complex::real_form;
use krylane::matrix::{Csr, LinearOperator, Matrix, RowFunction, Triplets, gallery};
use krylane::random::Random;
use krylane::{EigenOptions, EigenReport, Which, eigs, svds};
use std::f64::consts::PI;
use std::sync::Arc;

/// ‖A z − λ z‖ of each pair of a complex matrix with parts re and im, from the definition.
#[track_caller]
fn complex_residuals(what: &str, a: &Csr, b: Option<&Csr>, report: &EigenReport, bound: f64) {
    assert!(report.complex);
    for (j, v) in report.eigenvalues.iter().enumerate() {
        let z = &report.vectors[j];
        let (az, bz) = (a.multiply(z), b.map_or_else(|| z.clone(), |b| b.multiply(z)));
        let r = az
            .chunks(2)
            .zip(bz.chunks(2))
            .flat_map(|(a, z)| [a[0] - v.re * z[0] + v.im * z[1], a[1] - v.re * z[1] - v.im * z[0]]);
        let r = norm(&r.collect::<Vec<_>>()) / norm(z);
        assert!(r <= bound, "{what}: pair {j} misses by {r:e}");
        let (re, im) = report.vector(j);
        assert!(re.len() == z.len() / 2 && im.len() == re.len());
    }
}

#[test]
fn complex_hermitian_matrices() {
    // A ring with a magnetic flux: −2 cos((2πk + φ)/n).
    for n in [40, 280] {
        let phi = 0.7;
        let (c, s) = ((phi / f64::from(n)).cos(), (phi / f64::from(n)).sin());
        let m = n as usize;
        let next = |i: usize| (i + 1) % m;
        let re = of(m, (0..m).flat_map(|i| [(i, next(i), -c), (next(i), i, -c)]));
        let im = of(m, (0..m).flat_map(|i| [(i, next(i), -s), (next(i), i, s)]));
        let a = real_form(&re, &im).unwrap();
        let mut exact: Vec<f64> =
            (0..n).map(|k| -2.0 * ((2.0 * PI * f64::from(k) + phi) / f64::from(n)).cos()).collect();
        exact.sort_by(f64::total_cmp);
        let complex = |k, which| EigenOptions { complex: true, ..options(k, which) };
        let report = eigs(&a, complex(5, Which::SA)).unwrap();
        found(&format!("ring {n} SA"), &report, &exact[..5], 1e-9, 0.0);
        complex_residuals("ring", &a, None, &report, 1e-9);
        let report = eigs(&a, complex(4, Which::LA)).unwrap();
        found(&format!("ring {n} LA"), &report, &exact[m - 4..], 1e-9, 0.0);
        let report = eigs(&a, EigenOptions { sigma: Some(0.31), ..complex(3, Which::LM) }).unwrap();
        let mut near = exact.clone();
        near.sort_by(|a, b| (a - 0.31).abs().total_cmp(&(b - 0.31).abs()));
        found(&format!("ring {n} near 0.31"), &report, &near[..3], 1e-9, 0.0);
        // With a mass that is Hermitian and positive definite, judged by a dense method.
        let b = real_form(
            &of(m, (0..m).map(|i| (i, i, 2.0 + (i as f64 * 0.3).sin()))),
            &of(m, [(0, 1, 0.5), (1, 0, -0.5)]),
        )
        .unwrap();
        let all = first(dense_values(&a, Some(&b)), 8, |v| v.re);
        let report = eigs(&a, EigenOptions { mass: Some(Arc::new(b.clone())), ..complex(4, Which::SA) }).unwrap();
        let expected: Vec<f64> = all.iter().step_by(2).map(|v| v.re).collect();
        found(&format!("ring {n} with a mass"), &report, &expected, 1e-8, 0.0);
        complex_residuals("ring with a mass", &a, Some(&b), &report, 1e-8);
        for (i, v) in report.vectors.iter().enumerate() {
            for (j, w) in report.vectors.iter().enumerate() {
                let dual = b.multiply(w);
                let (re, im) = v.chunks(2).zip(dual.chunks(2)).fold((0.0, 0.0), |(re, im), (v, w)| {
                    (re + v[0] * w[0] + v[1] * w[1], im + v[0] * w[1] - v[1] * w[0])
                });
                assert!((re - f64::from(u8::from(i == j))).abs() + im.abs() < 1e-9, "<v{i}, v{j}> = {re} + {im}i");
            }
        }
    }
}

#[test]
fn complex_general_matrices() {
    // Triangular: the diagonal holds the eigenvalues.
    for n in [50usize, 230] {
        let value = |i: usize| {
            let t = i as f64;
            c64::new((1.7 * t).sin() * (1.0 + 0.01 * t), (0.9 * t).cos() * (0.5 + 0.02 * t))
        };
        let coupling = (0..n - 3).flat_map(|i| [(i, i + 1, 0.02), (i, i + 3, -0.03)]).collect::<Vec<_>>();
        let re = of(n, (0..n).map(|i| (i, i, value(i).re)).chain(coupling.clone()));
        let im = of(n, (0..n).map(|i| (i, i, value(i).im)).chain(coupling));
        let a = real_form(&re, &im).unwrap();
        let all: Vec<c64> = (0..n).map(value).collect();
        let complex = |k, which| EigenOptions { complex: true, ..options(k, which) };
        for (which, key) in [
            (Which::LM, (|v: c64| -v.norm()) as fn(c64) -> f64),
            (Which::LR, |v| -v.re),
            (Which::SR, |v| v.re),
            (Which::LI, |v| -v.im),
            (Which::SI, |v| v.im),
        ] {
            let report = eigs(&a, complex(3, which)).unwrap();
            found_complex(&format!("triangular {n} {which}"), &report, &first(all.clone(), 3, key), 1e-6);
            complex_residuals("triangular", &a, None, &report, 1e-8);
        }
        let sigma = c64::new(0.3, -0.8);
        let near = first(all.clone(), 4, |v| (v - sigma).norm());
        let report = eigs(&a, EigenOptions { sigma: Some(0.3), sigma_im: -0.8, ..complex(4, Which::LM) }).unwrap();
        found_complex(&format!("triangular {n} near {sigma}"), &report, &near, 1e-7);
        // A complex shift of a real matrix, with a mass.
        let real = gallery::convection_diffusion2d(if n == 50 { 5 } else { 16 }, [1.4, -1.2]);
        let m = of(real.rows(), (0..real.rows()).map(|i| (i, i, 1.0 + (i % 3) as f64)));
        let sigma = c64::new(1.5, 0.4);
        let near = first(dense_values(&real, Some(&m)), 3, |v| (v - sigma).norm());
        let asked = EigenOptions { sigma: Some(1.5), sigma_im: 0.4, mass: Some(Arc::new(m)), ..options(3, Which::LM) };
        found_complex(&format!("real {n} near {sigma}"), &eigs(&real, asked).unwrap(), &near, 1e-6);
    }
}

#[test]
fn operators_without_entries() {
    let n = 400;
    let at = |x: &[f64], i: usize| x.get(i).copied().unwrap_or(0.0);
    let line = || RowFunction::new(n, n, move |i, x| 2.0 * x[i] - at(x, i.wrapping_sub(1)) - at(x, i + 1)).symmetric();
    let exact: Vec<f64> = (1..=n).map(|j| 4.0 * (j as f64 * PI / 802.0).sin().powi(2)).collect();
    let a = Matrix::free(line());
    found("operator LA", &eigs(&a, options(3, Which::LA)).unwrap(), &exact[n - 3..], 1e-9, 0.0);
    let report = eigs(&a, EigenOptions { sigma: Some(0.5), ..options(3, Which::LM) }).unwrap();
    let mut near = exact.clone();
    near.sort_by(|a, b| (a - 0.5).abs().total_cmp(&(b - 0.5).abs()));
    found("operator near 0.5", &report, &near[..3], 1e-9, 0.0);
    // The user's own inverse: that of the second difference by two sums.
    let inverse = RowFunction::new(n, n, move |i, b| {
        let green = |i: usize, j: usize| ((i.min(j) + 1) * (n - i.max(j))) as f64 / (n + 1) as f64;
        b.iter().enumerate().map(|(j, b)| green(i, j) * b).sum()
    });
    let asked = EigenOptions { sigma: Some(0.0), inverse: Some(Matrix::free(inverse)), ..options(3, Which::LM) };
    found("operator with its inverse", &eigs(&a, asked).unwrap(), &exact[..3], 1e-9, 0.0);
    struct Wide;
    impl LinearOperator for Wide {
        fn rows(&self) -> usize {
            250
        }
        fn cols(&self) -> usize {
            400
        }
        fn product(&self, rows: std::ops::Range<usize>, x: &[f64], y: &mut [f64]) {
            y.iter_mut().zip(rows).for_each(|(y, i)| *y = (i + 1) as f64 * x[i]);
        }
        fn transpose(&self) -> Option<Arc<dyn LinearOperator>> {
            Some(Arc::new(RowFunction::new(400, 250, |i, x: &[f64]| x.get(i).map_or(0.0, |x| (i + 1) as f64 * x))))
        }
    }
    let report = svds(&Matrix::free(Wide), options(3, Which::LM)).unwrap();
    assert!(report.reason.is_converged(), "{}", report.reason);
    report.singular_values.iter().zip([250.0, 249.0, 248.0]).for_each(|(s, e)| assert!((s - e).abs() < 1e-8, "{s}"));
}

#[test]
fn singular_values_that_decay() {
    for (rows, cols) in [(21, 22), (40, 25), (260, 240)] {
        let (u, v) = (reflections(rows, 3), reflections(cols, 7));
        let d = |k: usize| if k < 20 { 10f64.powi(-(k as i32)) } else { 0.0 };
        let mut t = Triplets::new(rows, cols).unwrap();
        for i in 0..rows {
            for j in 0..cols {
                t.push(i, j, (0..rows.min(cols)).map(|k| u[(i, k)] * d(k) * v[(j, k)]).sum()).unwrap();
            }
        }
        let a = t.to_csr().unwrap();
        for seed in 0..40 {
            if rows > 100 && seed > 4 {
                break;
            }
            let asked = EigenOptions { seed, subspace: (seed % 2 == 1).then_some(20), ..options(5, Which::LM) };
            let report = svds(&a, asked).unwrap();
            assert!(report.reason.is_converged(), "seed {seed}: {} {:?}", report.reason, report.singular_values);
            for (k, s) in report.singular_values.iter().enumerate() {
                assert!((s - d(k)).abs() < 1e-9, "{rows} x {cols}, seed {seed}: {:?}", report.singular_values);
            }
        }
    }
}

#[test]
fn complex_singular_values() {
    for (m, n) in [(30, 20), (20, 30), (260, 220), (230, 230)] {
        let mut random = Random::new(m as u64);
        let mut part = || {
            let mut t = Triplets::new(m, n).unwrap();
            for i in 0..m {
                (0..4).for_each(|_| t.push(i, random.below(n), random.uniform(-1.0, 1.0)).unwrap());
            }
            t.to_csr().unwrap()
        };
        let a = real_form(&part(), &part()).unwrap();
        let exact = dense(&a).singular_values().unwrap();
        for (which, offset) in [(Which::LM, 0), (Which::SM, 1)] {
            // Of a tall matrix there is no inverse.
            if which == Which::SM && m > 230 {
                continue;
            }
            let report = svds(&a, EigenOptions { complex: true, ..options(4, which) }).unwrap();
            assert!(report.reason.is_converged(), "{m} x {n} {which}: {}", report.reason);
            for (k, s) in report.singular_values.iter().enumerate() {
                // Each twice in the real form.
                let e = if offset == 0 { exact[2 * k] } else { exact[exact.len() - 1 - 2 * k] };
                assert!((s - e).abs() < 1e-8, "{m} x {n} {which}: {:?}, {exact:?}", report.singular_values);
                let (u, v) = (&report.left[k], &report.right[k]);
                let miss: Vec<f64> = a.multiply(v).iter().zip(u).map(|(a, u)| a - s * u).collect();
                assert!(norm(&miss) < 1e-8, "{m} x {n}: triplet {k}");
            }
        }
    }
}

#[test]
fn sizes_whose_squares_leave_the_range_lose_no_value() {
    // Singular values 4, 2e-7 and 0 in units of 1e190; the eigenvalues of the symmetric one alike.
    for unit in [1.0, 1e190, 1e-190] {
        let mut t = Triplets::new(12, 12).unwrap();
        t.push(4, 4, -4.0 * unit).unwrap();
        t.push(7, 9, 2e-7 * unit).unwrap();
        let a = t.to_csr().unwrap();
        let mut t = Triplets::new(12, 12).unwrap();
        t.push(4, 4, -4.0 * unit).unwrap();
        t.push(7, 7, 2e-7 * unit).unwrap();
        let symmetric = t.to_csr().unwrap();
        for seed in 1..=40 {
            let asked = EigenOptions { seed, ..options(2, Which::LM) };
            let found = svds(&a, asked.clone()).unwrap();
            let values: Vec<f64> = found.singular_values.iter().map(|v| v / unit).collect();
            assert!((values[0] - 4.0).abs() < 1e-12 && (values[1] - 2e-7).abs() < 1e-12, "{unit:e} {seed}: {values:?}");
            let found = eigs(&symmetric, EigenOptions { method: "dense".into(), ..asked }).unwrap();
            let values: Vec<f64> = found.eigenvalues.iter().map(|v| v.re / unit).collect();
            assert!((values[0] + 4.0).abs() < 1e-12 && (values[1] - 2e-7).abs() < 1e-12, "{unit:e} {seed}: {values:?}");
        }
    }
}

#[test]
fn smallest_singular_values_of_square_matrices_come_from_the_inverse() {
    // A product of a graded diagonal and a shift: its singular values are the diagonal's entries.
    let n = 300;
    let value = |i: usize| 10f64.powf(-(i as f64) / 30.0);
    let mut t = Triplets::new(n, n).unwrap();
    (0..n).for_each(|i| t.push(i, (7 * i + 3) % n, value(i)).unwrap());
    let graded = t.to_csr().unwrap();
    // Four eigenvalues twice among the smallest eight of a symmetric matrix.
    let grid = gallery::poisson2d(22);
    let mut all: Vec<f64> = (1..=22 * 22)
        .map(|k| {
            let part = |i: usize| 4.0 * (std::f64::consts::PI * i as f64 / 46.0).sin().powi(2);
            part((k - 1) / 22 + 1) + part((k - 1) % 22 + 1)
        })
        .collect();
    all.sort_by(f64::total_cmp);
    let ends: Vec<f64> = (n - 4..n).rev().map(value).collect();
    for (a, exact) in [(&graded, &ends[..]), (&grid, &all[..8])] {
        let options = EigenOptions { k: exact.len(), which: Which::SM, ..EigenOptions::default() };
        let report = svds(a, options).unwrap();
        assert!(report.reason.is_converged(), "{}", report.reason);
        assert!(report.matvecs == 0 && report.inner_solves < 400, "{}", report.inner_solves);
        for (j, (s, exact)) in report.singular_values.iter().zip(exact).enumerate() {
            assert!((s - exact).abs() <= 1e-14, "{j}: {s} {exact}");
            let (u, v) = (&report.left[j], &report.right[j]);
            let left = a.multiply(v).iter().zip(u).map(|(p, u)| (p - s * u).powi(2)).sum::<f64>().sqrt();
            let right = a.transpose().multiply(u).iter().zip(v).map(|(p, v)| (p - s * v).powi(2)).sum::<f64>().sqrt();
            assert!(left.max(right) <= 1e-13, "{j}: {left:e} {right:e}");
        }
    }
}

#[test]
fn singular_values_that_are_zero() {
    // A diagonal above empty rows with columns of zeros, and a path whose sum of every row is zero.
    let mut t = Triplets::new(300, 230).unwrap();
    (0..226).for_each(|i| t.push(i, i, 1.0 + (225 - i) as f64 / 225.0).unwrap());
    let wide = t.to_csr().unwrap();
    let n = 260;
    let diagonal = (0..n).map(|i| (i, i, if i == 0 || i + 1 == n { 1.0 } else { 2.0 }));
    let path = of(n, diagonal.chain((0..n - 1).flat_map(|i| [(i, i + 1, -1.0), (i + 1, i, -1.0)])));
    let steps: Vec<f64> =
        (0..4).map(|k| 4.0 * (0.5 * std::f64::consts::PI * f64::from(k) / n as f64).sin().powi(2)).collect();
    for (a, exact) in
        [(&wide, &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0 + 1.0 / 225.0][..]), (&wide.transpose(), &[0.0; 3]), (&path, &steps)]
    {
        let report = svds(a, EigenOptions { k: exact.len(), which: Which::SM, ..EigenOptions::default() }).unwrap();
        assert!(report.reason.is_converged(), "{} {:?}", report.reason, report.plan);
        for (s, e) in report.singular_values.iter().zip(exact) {
            assert!((s - e).abs() <= 1e-10, "{:?} {exact:?}", report.singular_values);
        }
    }
}
