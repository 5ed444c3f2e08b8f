//! The gallery's matrices against their formulas, and the statistics against known cases.

use krylane::matrix::{Csr, Stats, gallery};
use std::f64::consts::PI;

fn dense(a: &Csr) -> Vec<Vec<f64>> {
    (0..a.rows()).map(|i| (0..a.cols()).map(|j| a.get(i, j)).collect()).collect()
}

/// Kronecker sum of 1-D operators, x fastest, as an independent way to the grids.
fn grid(k: usize, one: &[Vec<Vec<f64>>]) -> Vec<Vec<f64>> {
    let n = k.pow(one.len() as u32);
    let at = |i: usize, d: usize| i / k.pow(d as u32) % k;
    let entry = |i: usize, j: usize| {
        let others_equal = |d: usize| (0..one.len()).all(|e| e == d || at(i, e) == at(j, e));
        (0..one.len()).filter(|&d| others_equal(d)).map(|d| one[d][at(i, d)][at(j, d)]).sum()
    };
    (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
}

#[test]
fn grids_are_kronecker_sums() {
    for k in 1..5 {
        let tri = |a, b, c| dense(&gallery::tridiagonal(k, a, b, c));
        let p = tri(-1.0, 2.0, -1.0);
        assert_eq!(dense(&gallery::poisson1d(k)), p);
        assert_eq!(dense(&gallery::poisson2d(k)), grid(k, &[p.clone(), p.clone()]));
        assert_eq!(dense(&gallery::poisson3d(k)), grid(k, &[p.clone(), p.clone(), p.clone()]));
        let weak = tri(-0.25, 0.5, -0.25);
        assert_eq!(dense(&gallery::anisotropic2d(k, 0.25)), grid(k, &[weak, p.clone()]));
        let (u, v) = (tri(-1.25, 2.0, -0.75), tri(-0.5, 2.0, -1.5));
        assert_eq!(dense(&gallery::convection_diffusion2d(k, [0.25, -0.5])), grid(k, &[u.clone(), v.clone()]));
        assert_eq!(dense(&gallery::convection_diffusion3d(k, [0.25, -0.5, 0.0])), grid(k, &[u, v, p]));
    }
}

#[test]
fn row_sums_and_symmetry() {
    let a = gallery::poisson27(4);
    let s = Stats::of(&a);
    assert!(s.numerically_symmetric && s.row_max == 27 && s.row_min == 8 && s.dominant_rows == 64);
    assert_eq!(a.nnz(), (3 * 4 - 2usize).pow(3));
    for a in [gallery::neumann2d(5), gallery::cycle_laplacian(20), gallery::graph_laplacian(300, 6, 3, false)] {
        assert!(a.multiply(&vec![1.0; a.cols()]).iter().all(|s| *s == 0.0));
        assert!(Stats::of(&a).numerically_symmetric);
    }
    let a = gallery::graph_laplacian(5000, 8, 3, true);
    let s = Stats::of(&a);
    assert_eq!(a.multiply(&vec![1.0; 5000]).iter().sum::<f64>(), 1.0);
    assert!(s.row_max > 20 * s.row_mean as usize && (8.0..10.0).contains(&s.row_mean), "{s}");
    for n in [0, 1, 2, 500] {
        let s = Stats::of(&gallery::random_spd(n, 9, 5));
        assert!(s.numerically_symmetric && s.dominant_rows == n && s.diagonal_negative == 0, "{s}");
        assert_eq!(Stats::of(&gallery::random_general(n, 9, 5)).dominant_rows, n);
    }
    assert!((8.5..9.1).contains(&Stats::of(&gallery::random_spd(5000, 9, 5)).row_mean));
    assert_eq!(gallery::random_spd(50, 5, 1), gallery::random_spd(50, 5, 1));
    assert_ne!(gallery::random_spd(50, 5, 1), gallery::random_spd(50, 5, 2));
}

#[test]
fn textbook_matrices() {
    assert_eq!(
        dense(&gallery::grcar(4, 1)),
        [[1.0, 1.0, 0.0, 0.0], [-1.0, 1.0, 1.0, 0.0], [0.0, -1.0, 1.0, 1.0], [0.0, 0.0, -1.0, 1.0]]
    );
    assert_eq!(
        dense(&gallery::frank(4)),
        [[4.0, 3.0, 2.0, 1.0], [3.0, 3.0, 2.0, 1.0], [0.0, 2.0, 2.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    );
    assert_eq!(dense(&gallery::wilkinson(3)), [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]);
    assert_eq!(dense(&gallery::hilbert(2)), [[1.0, 0.5], [0.5, 1.0 / 3.0]]);
    assert_eq!(dense(&gallery::cyclic_shift(3)), [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    assert_eq!(dense(&gallery::arrow(3)), [[3.0, -1.0, -1.0], [-1.0, 3.0, 0.0], [-1.0, 0.0, 3.0]]);
    let nilpotent = gallery::jordan(3, 0.0);
    assert_eq!((nilpotent.nnz(), nilpotent.multiply(&[1.0, 2.0, 3.0])), (2, vec![2.0, 3.0, 0.0]));
    // An eigenvector of the cycle: A v = (2 − 2 cos θ) v.
    let (a, t) = (gallery::cycle_laplacian(20), 2.0 * PI / 20.0);
    let v: Vec<f64> = (0..20).map(|i| (t * i as f64).cos()).collect();
    let r = a.multiply(&v).iter().zip(&v).map(|(y, x)| (y - (2.0 - 2.0 * t.cos()) * x).abs()).fold(0.0, f64::max);
    assert!(r < 1e-14);
}

#[test]
fn every_name_makes_a_matrix() {
    for family in gallery::NAMES {
        for size in [0, 1, 2, 3, 7] {
            let a = gallery::by_name(family.name, size, &[]).unwrap_or_else(|e| panic!("{} {size}: {e}", family.name));
            let rows = size.pow(family.dimensions) * if family.is_complex() { 2 } else { 1 };
            assert_eq!((a.rows(), a.cols()), (rows, rows), "{}", family.name);
        }
        let message = gallery::by_name(family.name, usize::MAX, &[]).unwrap_err().to_string();
        assert!(message.contains("beyond the limit"), "{message}");
    }
    let one = |key: &str, value: f64| [(key.to_string(), value)];
    assert_eq!(gallery::by_name("grcar", 5, &one("k", 1.0)).unwrap(), gallery::grcar(5, 1));
    for (result, part) in [
        (gallery::by_name("poison2d", 3, &[]), "did you mean `poisson2d`?"),
        (gallery::by_name("grcar", 3, &one("kk", 1.0)), "did you mean `k`?"),
        (gallery::by_name("poisson2d", 3, &one("k", 1.0)), "it has none"),
        (gallery::by_name("grcar", 3, &one("k", 1.5)), "whole number"),
        (gallery::by_name("jordan", 3, &one("lambda", f64::NAN)), "finite"),
        (gallery::by_name("hilbert", 1_000_000, &[]), "entries are beyond the limit"),
        (gallery::by_name("random_spd", 1000, &one("seed", -1.0)), "whole number"),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn statistics() {
    let a = Csr::new(3, 4, vec![0, 3, 3, 5], vec![0, 1, 3, 1, 2], vec![-3.0, 1.0, 2.0, 0.1, 0.0]).unwrap();
    let s = Stats::of(&a);
    assert_eq!((s.rows, s.cols, s.nnz, s.row_min, s.row_max, s.empty_rows), (3, 4, 5, 0, 3, 1));
    assert_eq!((s.diagonal_missing, s.diagonal_zero, s.diagonal_negative, s.bandwidth), (1, 1, 1, 3));
    // The empty row dominates trivially: 0 >= 0.
    assert_eq!((s.dominant_rows, s.exact_in_f32, s.distinct_values), (2, 4, 5));
    assert_eq!((s.largest, s.smallest), (3.0, 0.1));
    assert!(!s.structurally_symmetric && !s.numerically_symmetric && !s.nearly_symmetric);
    assert!(s.to_string().contains("none, rectangular"));
    let json = serde_json::to_value(&s).unwrap();
    assert_eq!(json["diagonal_missing"], 1);
    let s = Stats::of(&gallery::convection_diffusion2d(4, [0.5; 2]));
    assert!(s.structurally_symmetric && !s.numerically_symmetric && !s.nearly_symmetric && s.distinct_values == 3);
    assert!(Stats::of(&gallery::hilbert(30)).numerically_symmetric);
    assert_eq!(Stats::of(&gallery::by_name("diag", 1000, &[]).unwrap()).distinct_values, 257);
    assert_eq!(Stats::of(&gallery::poisson1d(0)).nnz, 0);
}

#[test]
fn a_million_rows_are_quick() {
    // Far above what it takes, so that a busy machine doesn't fail; a quadratic slip would.
    let start = std::time::Instant::now();
    for a in [gallery::poisson2d(1000), gallery::poisson3d(100), gallery::graph_laplacian(1_000_000, 6, 1, true)] {
        assert_eq!(a.rows(), 1_000_000);
        eprintln!("{} entries, {:?} so far", a.nnz(), start.elapsed());
    }
    assert!(start.elapsed().as_secs() < 30);
}
