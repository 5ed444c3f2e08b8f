//! Patterns, sizes and lengths of rows at the edges of kernels; breakdowns by name.

use super::*;

#[test]
fn odd_patterns() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    // Row lengths 0 .. 300 mixed with a full diagonal; a dense row, a dense column; hubs.
    let mixed = {
        let n = 400;
        let mut entries: Vec<(usize, usize, f64)> = (0..n).map(|i| (i, i, 4.0)).collect();
        for i in 0..n {
            let length = (i * i * 37) % 300;
            (0..length).for_each(|k| entries.push((i, (i * 7 + k) % n, 2.0 / (300 + k) as f64)));
        }
        from_entries(n, &entries)
    };
    let row = {
        let mut entries: Vec<(usize, usize, f64)> = (0..1000).map(|i| (i, i, 3.0)).collect();
        (0..1000).for_each(|j| entries.push((500, j, 0.01)));
        from_entries(1000, &entries)
    };
    for target in &targets() {
        for (what, a) in [("mixed rows", &mixed), ("dense row", &row), ("dense column", &row.transpose())] {
            for &method in ANY {
                let _ = f.expect(what, target, a, &random_vector(a.rows(), 3), target.options(method), &["Converged"]);
            }
        }
        let _ = f.expect("arrow", target, &gallery::arrow(300), &[1.0; 300], target.options("cg"), &["Converged"]);
        let hubs = gallery::graph_laplacian(500, 4, 1, true);
        let options = Options { preconditioner: "jacobi".parse().unwrap(), ..target.options("cg") };
        let _ = f.expect("hubs", target, &hubs, &random_vector(500, 1), options, &["Converged"]);
        // Duplicates are summed, zeros are entries like others, columns may come in any order.
        let a = from_entries(
            3,
            &[(0, 2, -1.0), (0, 0, 2.0), (0, 0, 2.0), (1, 1, 3.0), (1, 0, 0.0), (2, 2, 5.0), (2, 0, -1.0), (0, 1, 0.0)],
        );
        let r = f.expect("duplicates", target, &a, &[3.0, 3.0, 4.0], target.options("cg"), &["Converged"]);
        f.check(r.x.iter().all(|x| (x - 1.0).abs() < 1e-7), || format!("{:?}", r.x));
        // Rows without an entry at the start, in the middle and at the end.
        let empty = from_entries(5, &[(1, 1, 2.0), (3, 3, 4.0)]);
        for &method in SPD {
            let _ = f.expect(
                "empty rows, b in range",
                target,
                &empty,
                &[0.0, 2.0, 0.0, 4.0, 0.0],
                target.options(method),
                &["Converged"],
            );
            let _ = f.expect(
                "empty rows, b outside",
                target,
                &empty,
                &[1.0; 5],
                target.options(method),
                &[inconsistent(method)],
            );
        }
    }
    f.done();
}

/// A million rows, one of them full, or one column: half the entries of the matrix in one place.
#[test]
fn one_dense_row_in_a_million() {
    let n = 1_000_000;
    let dense_at = n / 2;
    let mut row_ptr = vec![0];
    let (mut columns, mut values) = (vec![], vec![]);
    for i in 0..n {
        for j in if i == dense_at { 0..n } else { i..i + 1 } {
            columns.push(j as u32);
            values.push(if i == j { 4.0 } else { 1e-6 });
        }
        row_ptr.push(columns.len());
    }
    let row = Csr::new(n, n, row_ptr, columns, values).unwrap();
    let b = random_vector(n, 3);
    let mut f = Findings::default();
    for a in [&row, &row.transpose()] {
        for target in targets().iter().filter(|t| !t.gpu) {
            for &method in ANY {
                let r = f.expect("dense row or column", target, a, &b, target.options(method), &["Converged"]);
                f.check(r.iterations <= if target.single { 8 } else { 4 }, || {
                    format!("{method} on {}: {} iterations", target.name, r.iterations)
                });
            }
        }
    }
    f.done();
}

/// Rows of 0 to 5000 entries beside each other: a least-squares system, because rows may be empty.
#[test]
fn row_lengths_from_0_to_5000() {
    let _guard = one_at_a_time();
    let (rows, cols) = (1500, 5000);
    let mut t = Triplets::new(rows, cols).unwrap();
    let mut random = Random::new(11);
    for i in 0..rows {
        // Most rows are short, every 50th is anything up to full.
        let length = if i % 50 == 0 { i * cols / (rows - 50) } else { i % 7 };
        for k in 0..length.min(cols) {
            let v = if k == 0 { 4.0 } else { random.uniform(-1.0, 1.0) / (length as f64).sqrt() };
            t.push(i, (3 * i + k) % cols, v).unwrap();
        }
    }
    let a = t.to_csr().unwrap();
    assert_eq!((0..rows).map(|i| a.row(i).0.len()).fold((9, 0), |(l, h), k| (l.min(k), h.max(k))), (0, 5000));
    let inside = a.multiply(&random_vector(cols, 5));
    let mut f = Findings::default();
    for target in &targets() {
        for method in ["lsqr", "lsmr"] {
            let _ = f.expect("rows 0..5000", target, &a, &inside, target.options(method), &["Converged"]);
            let outside = random_vector(rows, 6);
            let _ =
                f.expect("rows 0..5000, b outside", target, &a, &outside, target.options(method), &["LeastSquares"]);
        }
    }
    f.done();
}

#[test]
fn sizes_around_workgroups_and_chunks() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    for target in &targets() {
        let sizes: &[usize] = if target.gpu {
            &[1, 2, 33, 256, 257, 4095, 65535, 65536, 65537]
        } else {
            &[
                1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 2047, 2048, 2049, 4095, 65535, 65536,
                65537,
            ]
        };
        for &n in sizes {
            for &method in if target.gpu { &["cg", "gmres"][..] } else { SPD } {
                // Diagonally dominant, so that every size takes the same few iterations.
                let a = match method {
                    "gmres" | "bicgstab" => gallery::tridiagonal(n, -1.0, 4.0, -0.5),
                    _ => gallery::tridiagonal(n, -1.0, 4.0, -1.0),
                };
                let x: Vec<f64> = random_vector(n, n as u64);
                let b = a.multiply(&x);
                let r = f.expect(&format!("n = {n}"), target, &a, &b, target.options(method), &["Converged"]);
                let d: Vec<f64> = r.x.iter().zip(&x).map(|(x, y)| x - y).collect();
                f.check(norm(&d) <= 1e-7 * norm(&x), || format!("n = {n}, {method} on {}: wrong x", target.name));
                f.check(r.iterations <= 60, || format!("n = {n}, {method}: {} iterations", r.iterations));
            }
        }
    }
    f.done();
}

/// SciPy's breakdown cases for BiCGStab: r̂ orthogonal to A r at the first step, and a singular product.
#[test]
fn breakdowns_are_named() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    let turn = from_entries(2, &[(0, 1, 1.0), (1, 0, -1.0)]);
    for target in &targets() {
        let r = solve(&turn, &[1.0, 0.0], target.options("bicgstab"));
        f.check(matches!(r.reason, Reason::Breakdown(BrokenDown::Rho | BrokenDown::Omega)), || {
            format!("turn on {}: {}", target.name, r.reason)
        });
        f.check(!r.reason.advice().is_empty(), || "no advice".into());
    }
    f.done();
}
