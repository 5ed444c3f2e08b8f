//! Nonsymmetric matrices, singular values, and what holds for every method.

use super::*;

/// The vectors of equal eigenvalues are orthonormal from a method that knows of no symmetry, too.
#[test]
fn arnoldi_on_a_symmetric_matrix() {
    let a = gallery::poisson2d(16);
    for which in [Which::LA, Which::LM] {
        let report = eigs(&a, EigenOptions { method: "arnoldi".into(), ..options(&cpu(), 7, which) }).unwrap();
        same(&format!("arnoldi {which}"), &a, None, &report, &first(grid(16, 2), 7, |v| -v));
        for (i, v) in report.vectors.iter().enumerate() {
            for (j, w) in report.vectors.iter().enumerate() {
                let unit = if i == j { 1.0 } else { 0.0 };
                assert!((dot(v, w) - unit).abs() <= 1e-10, "{which}: <v{i}, v{j}> = {}", dot(v, w));
            }
        }
    }
}

/// Complex pairs, defective matrices, a Markov chain.
#[test]
fn nonsymmetric_spectra_on_every_backend() {
    let _guard = one_at_a_time();
    // Rotations by 0.1, 0.2, … of radius 1, 1.02, …: eigenvalues r e^{±iφ}.
    let blocks = 60;
    let mut t = Triplets::new(2 * blocks, 2 * blocks).unwrap();
    let polar = |b: usize| (1.0 + 0.02 * b as f64, 0.05 * (b + 1) as f64);
    for b in 0..blocks {
        let (r, phi) = polar(b);
        for (i, j, v) in [(0, 0, phi.cos()), (0, 1, -phi.sin()), (1, 0, phi.sin()), (1, 1, phi.cos())] {
            t.push(2 * b + i, 2 * b + j, r * v).unwrap();
        }
    }
    let rotations = t.to_csr().unwrap();
    let single = from_entries(2, &[(0, 1, -1.0), (1, 0, 1.0)]);
    // A walk on a ring with a drift: stochastic, λ₁ = 1.
    let n = 300;
    let mut t = Triplets::new(n, n).unwrap();
    for i in 0..n {
        for (j, v) in [((i + 1) % n, 0.5), (i, 0.2), ((i + n - 1) % n, 0.2), ((i + 7) % n, 0.1)] {
            t.push(i, j, v).unwrap();
        }
    }
    let markov = t.to_csr().unwrap();
    for target in targets() {
        let what = |name: &str| format!("{name} on {}", target.name);
        let report = eigs(&rotations, options(&target, 6, Which::LM)).unwrap();
        check(&what("rotations"), &rotations, None, TOL, &report);
        assert_eq!(report.eigenvalues.len(), 6, "{}", what("rotations"));
        for (b, pair) in (0..blocks).rev().zip(report.eigenvalues.chunks(2)) {
            let (r, phi) = polar(b);
            let expected = (r * phi.cos(), (r * phi.sin()).abs());
            assert!(
                (pair[0].re - expected.0).abs() < 1e-8 && (pair[0].im - expected.1).abs() < 1e-8,
                "{}: {pair:?}, expected {expected:?}",
                what("rotations")
            );
        }
        let report = eigs(&single, options(&target, 1, Which::LI)).unwrap();
        check(&what("one rotation"), &single, None, TOL, &report);
        assert_eq!(report.eigenvalues.len(), 2, "a pair is not cut");
        assert!((report.eigenvalues[0].im - 1.0).abs() < 1e-12);

        let report = eigs(&markov, options(&target, 3, Which::LM)).unwrap();
        check(&what("markov"), &markov, None, TOL, &report);
        assert!((report.eigenvalues[0].re - 1.0).abs() < 1e-9 && report.eigenvalues[0].im == 0.0);

        let grcar = gallery::grcar(100, 3);
        for which in [Which::LM, Which::LR, Which::LI] {
            let report = eigs(&grcar, options(&target, 6, which)).unwrap();
            check(&what(&format!("grcar {which}")), &grcar, None, TOL, &report);
        }
        let jordan = gallery::jordan(60, 1.0);
        let report = eigs(&jordan, options(&target, 3, Which::LM)).unwrap();
        check(&what("jordan"), &jordan, None, TOL, &report);
    }
    let big = gallery::convection_diffusion2d(30, [0.4, 0.2]);
    for which in [Which::LM, Which::LR, Which::SM] {
        let report = eigs(&big, options(&cpu(), 6, which)).unwrap();
        check(&format!("convection {which}"), &big, None, TOL, &report);
    }
    let grcar = gallery::grcar(400, 3);
    let wanted = EigenOptions { tol: 1e-8, subspace: Some(80), ..options(&cpu(), 4, Which::LR) };
    let report = eigs(&grcar, wanted).unwrap();
    check("grcar 400", &grcar, None, 1e-8, &report);
}

/// A tall matrix with these singular values: Q₁ diag(σ) Q₂ with reflections for Q.
fn with_singular_values(sigma: &[f64], rows: usize) -> Csr {
    let n = sigma.len();
    let (u, v) = (random_vector(rows, 11), random_vector(n, 12));
    let (fu, fv) = (2.0 / dot(&u, &u), 2.0 / dot(&v, &v));
    let mut t = Triplets::new(rows, n).unwrap();
    // (I − f u u') D (I − g v v') entry by entry.
    let udv: f64 = (0..n).map(|k| u[k] * sigma[k] * v[k]).sum();
    for i in 0..rows {
        for j in 0..n {
            let d = if i == j { sigma[j] } else { 0.0 };
            let left = fu * u[i] * u[j] * sigma[j];
            let right = if i < n { fv * sigma[i] * v[i] * v[j] } else { 0.0 };
            t.push(i, j, d - left - right + fu * fv * u[i] * udv * v[j]).unwrap();
        }
    }
    t.to_csr().unwrap()
}

#[test]
fn singular_triplets() {
    let _guard = one_at_a_time();
    let spread: Vec<f64> = (0..140).map(|i| 10.0 / (1.0 + f64::from(i / 2))).collect();
    let deficient: Vec<f64> = (0..60).map(|i| if i < 3 { 5.0 - f64::from(i) } else { 0.0 }).collect();
    for target in targets() {
        for (name, a, k, which, expected) in [
            ("pairs", with_singular_values(&spread, 200), 6, Which::LM, first(spread.clone(), 6, |v| -v)),
            ("wide", with_singular_values(&spread, 200).transpose(), 5, Which::LM, first(spread.clone(), 5, |v| -v)),
            ("rank 3", with_singular_values(&deficient, 80), 5, Which::LM, vec![5.0, 4.0, 3.0, 0.0, 0.0]),
            ("smallest", with_singular_values(&spread[..40], 50), 3, Which::SM, first(spread[..40].to_vec(), 3, |v| v)),
            ("identity", Csr::identity(300).unwrap(), 3, Which::LM, vec![1.0; 3]),
            ("zero", map(&gallery::poisson1d(30), |_, _, _| 0.0), 2, Which::LM, vec![0.0; 2]),
        ] {
            let what = format!("{name} on {}", target.name);
            let report = svds(&a, options(&target, k, which)).unwrap();
            assert!(report.reason.is_converged(), "{what}: {} {:?}", report.reason, report.residuals);
            assert_eq!(report.singular_values.len(), k, "{what}");
            let at = a.transpose();
            for (i, sigma) in report.singular_values.iter().enumerate() {
                assert!(
                    (sigma - expected[i]).abs() <= 1e-8 * (1.0 + expected[i]),
                    "{what}: {:?}",
                    report.singular_values
                );
                let (u, v) = (&report.left[i], &report.right[i]);
                let r: Vec<f64> = a.multiply(v).iter().zip(u).map(|(a, u)| a - sigma * u).collect();
                let s: Vec<f64> = at.multiply(u).iter().zip(v).map(|(a, v)| a - sigma * v).collect();
                let residual = norm(&[norm(&r), norm(&s)]);
                assert!(residual <= TOL * 1.01 * size(&a) + 1e-14, "{what}: triplet {i} has residual {residual:e}");
                for j in 0..=i {
                    let unit = if i == j { 1.0 } else { 0.0 };
                    for vectors in [&report.left, &report.right] {
                        assert!((dot(&vectors[i], &vectors[j]) - unit).abs() <= 1e-10, "{what}: not orthonormal");
                    }
                }
            }
        }
    }
    let a = gallery::poisson1d(10);
    for (what, wanted, word) in [
        ("k", EigenOptions { k: 11, ..EigenOptions::default() }, "10 singular values"),
        ("which", EigenOptions { which: Which::LA, ..EigenOptions::default() }, "LM or SM"),
        ("sigma", EigenOptions { sigma: Some(1.0), ..EigenOptions::default() }, "no shift"),
    ] {
        let error = svds(&a, wanted).unwrap_err();
        assert!(error.is_bad_input() && error.to_string().contains(word), "{what}: {error}");
    }
}

#[test]
fn corners() {
    let a = gallery::poisson1d(30);
    let all = eigs(&a, options(&cpu(), 30, Which::SA)).unwrap();
    same("k = n", &a, None, &all, &first(path(30), 30, |v| v));
    let one = gallery::diagonal(&[-4.0]);
    same("n = 1", &one, None, &eigs(&one, options(&cpu(), 1, Which::LM)).unwrap(), &[-4.0]);
    let zero = map(&gallery::poisson1d(40), |_, _, _| 0.0);
    same("zero matrix", &zero, None, &eigs(&zero, options(&cpu(), 3, Which::LM)).unwrap(), &[0.0; 3]);

    // A start in one eigenvector hides nothing.
    let v: Vec<f64> = (1..=30).map(|i| (f64::from(i) * PI / 31.0).sin()).collect();
    for method in ["lanczos", "arnoldi"] {
        let wanted = EigenOptions { start: vec![v.clone()], method: method.into(), ..options(&cpu(), 3, Which::LA) };
        let report = eigs(&a, wanted).unwrap();
        same(&format!("{method} from an eigenvector"), &a, None, &report, &first(path(30), 3, |v| -v));
    }
    // A block of them is where lobpcg starts, and nothing is left to do; its steps are told.
    let block: Vec<Vec<f64>> =
        (1..=3).map(|k| (1..=60).map(|i| (f64::from(i * k) * PI / 61.0).sin()).collect()).collect();
    let wanted = EigenOptions { method: "lobpcg".into(), ..options(&cpu(), 3, Which::SA) };
    let long = gallery::poisson1d(60);
    let far = eigs(&long, wanted.clone()).unwrap();
    let near = eigs(&long, EigenOptions { start: block, ..wanted }).unwrap();
    same("lobpcg from a block", &long, None, &near, &first(path(60), 3, |v| v));
    assert!(near.iterations < far.iterations, "{} of {}", near.iterations, far.iterations);
    let last = far.estimates.last().unwrap();
    assert!(far.estimates.len() + 1 >= far.iterations && last.len() == 3);
    for ([value, residual], pair) in last.iter().zip(&far.eigenvalues) {
        assert!((value - pair.re).abs() < 1e-9 && *residual < 1e-8, "{value}, {residual}");
    }

    for (what, wanted, word) in [
        ("k = 0", EigenOptions { k: 0, ..EigenOptions::default() }, "k is 0"),
        ("k > n", EigenOptions { k: 31, ..EigenOptions::default() }, "order 30"),
        ("zero start", EigenOptions { start: vec![vec![0.0; 30]], ..EigenOptions::default() }, "zero"),
        ("NaN start", EigenOptions { start: vec![vec![f64::NAN; 30]], ..EigenOptions::default() }, "NaN"),
        ("short start", EigenOptions { start: vec![vec![1.0; 3]], ..EigenOptions::default() }, "3 entries"),
        ("tol", EigenOptions { tol: f64::NAN, ..EigenOptions::default() }, "tol"),
        ("sigma", EigenOptions { sigma: Some(f64::INFINITY), ..EigenOptions::default() }, "sigma"),
        ("method", EigenOptions { method: "lanczoss".into(), ..EigenOptions::default() }, "lanczos"),
        ("B", EigenOptions { mass: Some(Arc::new(gallery::poisson1d(4))), ..EigenOptions::default() }, "4 x 4"),
        ("power", EigenOptions { k: 2, method: "power".into(), ..EigenOptions::default() }, "one pair"),
        ("lobpcg", EigenOptions { which: Which::LM, method: "lobpcg".into(), ..EigenOptions::default() }, "LA or SA"),
    ] {
        let error = EigenSolver::new(&a, wanted).err().unwrap_or_else(|| panic!("{what} is accepted"));
        assert!(error.is_bad_input() && error.to_string().contains(word), "{what}: {error}");
    }
    let empty = Csr::new(0, 0, vec![0], vec![], vec![]).unwrap();
    assert!(eigs(&empty, EigenOptions::default()).unwrap_err().to_string().contains("order 0"));
    let wide = Csr::new(1, 2, vec![0, 1], vec![0], vec![1.0]).unwrap();
    assert!(eigs(&wide, EigenOptions::default()).unwrap_err().to_string().contains("svds"));

    // Outcomes, not errors.
    let grcar = gallery::grcar(50, 3);
    let report = eigs(&grcar, EigenOptions { method: "lanczos".into(), ..options(&cpu(), 2, Which::LM) }).unwrap();
    assert_eq!(report.reason.name(), "NotSymmetric");
    let a = gallery::poisson2d(30);
    let report = eigs(&a, EigenOptions { max_iterations: 50, ..options(&cpu(), 6, Which::LA) }).unwrap();
    assert_eq!((report.reason.name(), report.iterations), ("MaxIterations", 50));
    assert_eq!(report.eigenvalues.len(), 6, "what was found is reported");
    // σ is an eigenvalue: an honest reason, or the right pairs.
    let d: Vec<f64> = (1..=250).map(f64::from).collect();
    let report =
        eigs(&gallery::diagonal(&d), EigenOptions { sigma: Some(7.0), ..options(&cpu(), 3, Which::LM) }).unwrap();
    assert!(report.eigenvalues.iter().all(|v| v.re.is_finite()), "{:?}", report.eigenvalues);
}

#[test]
fn scale_does_not_matter() {
    let a = gallery::poisson2d(12);
    let plain = eigs(&a, options(&cpu(), 4, Which::LA)).unwrap();
    for e in [-300, 300] {
        let scaled = map(&a, |_, _, v| power(v, e));
        let report = eigs(&scaled, options(&cpu(), 4, Which::LA)).unwrap();
        assert!(report.reason.is_converged(), "2^{e}: {}", report.reason);
        assert_eq!(report.iterations, plain.iterations);
        for (v, w) in report.eigenvalues.iter().zip(&plain.eigenvalues) {
            assert!((v.re / power(1.0, e) / w.re - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn the_same_bits_every_time() {
    let a = gallery::poisson2d(40);
    let run = |threads| {
        let report = eigs(&a, EigenOptions { threads, ..options(&cpu(), 4, Which::LA) }).unwrap();
        report.vectors.concat()
    };
    let reference = bits(&run(1));
    assert_eq!(bits(&run(2)), reference);
    assert_eq!(bits(&run(2)), reference);
}
