//! Sparse matrices of other libraries, taken under a feature each. `tests/run.sh features` builds with both.
#![cfg(any(feature = "faer-sparse", feature = "nalgebra-sparse"))]

use krylane::matrix::{Csr, ToCsr, ToMatrix, gallery};
use krylane::{Backend, Method, Solver};

/// No symmetry, so that rows and columns can't be taken for each other.
fn matrix() -> Csr {
    gallery::convection_diffusion2d(5, [0.5, 0.25])
}

fn entries(a: &Csr) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
    (0..a.rows()).flat_map(|i| a.row(i).0.iter().zip(a.row(i).1).map(move |(&j, &v)| (i, j as usize, v)))
}

fn solves(other: &(impl ToMatrix + ToCsr)) {
    let a = matrix();
    assert_eq!(*other.to_csr().unwrap(), a);
    let b = vec![1.0; a.rows()];
    let solve = |solver: krylane::Result<Solver>| solver.unwrap().solve(&b).unwrap();
    let gmres = Method::Gmres { restart: 30, side: krylane::precond::Side::Auto };
    let expected = solve(Solver::builder(&a).method(gmres.clone()).backend(Backend::Cpu).build());
    let found = solve(Solver::builder(other).method(gmres).backend(Backend::Cpu).build());
    assert!(found.reason.is_converged() && found.x == expected.x, "{}", found.reason);
}

#[cfg(feature = "faer-sparse")]
#[test]
fn faer() {
    use faer::sparse::{SparseColMat, SparseRowMat, Triplet};
    let a = matrix();
    let n = a.rows();
    // In any order, and each entry in two parts.
    let mut triplets: Vec<_> = entries(&a).map(|(i, j, v)| Triplet::new(i, j, 0.25 * v)).collect();
    triplets.extend(entries(&a).map(|(i, j, v)| Triplet::new(i, j, 0.75 * v)).collect::<Vec<_>>().into_iter().rev());
    solves(&SparseColMat::<usize, f64>::try_new_from_triplets(n, n, &triplets).unwrap());
    solves(&SparseRowMat::<usize, f64>::try_new_from_triplets(n, n, &triplets).unwrap());
    let narrow: Vec<_> = entries(&a).map(|(i, j, v)| Triplet::new(i as u32, j as u32, v as f32)).collect();
    solves(&SparseColMat::<u32, f32>::try_new_from_triplets(n, n, &narrow).unwrap());
    // Three rows, two columns: the sides are not mixed up.
    let tall = SparseColMat::<usize, f64>::try_new_from_triplets(3, 2, &[Triplet::new(2, 1, 5.0)]).unwrap();
    assert_eq!(tall.to_csr().unwrap().get(2, 1), 5.0);
}

#[cfg(feature = "nalgebra-sparse")]
#[test]
fn nalgebra() {
    use nalgebra_sparse::{CooMatrix, CscMatrix, CsrMatrix};
    let a = matrix();
    let mut coo = CooMatrix::new(a.rows(), a.cols());
    entries(&a).for_each(|(i, j, v)| coo.push(i, j, 0.25 * v));
    entries(&a).for_each(|(i, j, v)| coo.push(i, j, 0.75 * v));
    solves(&coo);
    solves(&CsrMatrix::from(&coo));
    solves(&CscMatrix::from(&coo));
    let mut tall = CooMatrix::new(3, 2);
    tall.push(2, 1, 5.0);
    assert_eq!(CscMatrix::from(&tall).to_csr().unwrap().get(2, 1), 5.0);
}
