//! Methods that multiply by Aᵀ and Mᵀ, and directions that serve the next solve.

mod common;

use common::one_at_a_time;
use krylane::matrix::{Csr, LinearOperator, Matrix, VectorFunction, gallery};
use krylane::precond::Given;
use krylane::random::Random;
use krylane::{Backend, Method, Options, Precond, Report, Solver};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex};

fn options(method: &str) -> Options {
    Options {
        method: method.parse().unwrap(),
        preconditioner: Precond::None,
        backend: Backend::Cpu,
        ..Options::default()
    }
}

fn run(a: &Csr, options: Options) -> Report {
    Solver::new(a, options).unwrap().solve(&Random::new(5).vector(a.rows())).unwrap()
}

/// A product with its transpose, or without.
struct Both(Arc<Csr>, Option<Arc<Both>>);

impl LinearOperator for Both {
    fn rows(&self) -> usize {
        self.0.rows()
    }
    fn cols(&self) -> usize {
        self.0.cols()
    }
    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        y.copy_from_slice(&self.0.multiply(x)[rows]);
    }
    fn transpose(&self) -> Option<Arc<dyn LinearOperator>> {
        self.1.clone().map(|t| t as Arc<dyn LinearOperator>)
    }
}

#[test]
fn operators_and_preconditioners_with_transposes() {
    let _guard = one_at_a_time();
    let a = gallery::convection_diffusion2d(24, [0.6, 0.4]);
    // A nonsymmetric M: two terms of a Neumann series for A = 4 I − N.
    let m = {
        let (row_ptr, columns) = (a.row_ptr().to_vec(), a.columns().to_vec());
        let row = |k: usize| row_ptr.partition_point(|&p| p <= k) - 1;
        let value = |k: usize| if columns[k] as usize == row(k) { 0.25 } else { -a.values()[k] / 16.0 };
        let values = (0..a.nnz()).map(value).collect();
        Csr::new(a.rows(), a.cols(), row_ptr.clone(), columns.clone(), values).unwrap()
    };
    for method in ["bicg", "qmr"] {
        let plain = run(&a, options(method));
        let preconditioner = Precond::Given(Given::matrix(m.clone()));
        let with = run(&a, Options { preconditioner, ..options(method) });
        assert!(
            plain.reason.is_converged() && with.reason.is_converged(),
            "{method}: {}, {}",
            plain.reason,
            with.reason
        );
        assert!(10 * with.iterations < 8 * plain.iterations, "{method}: {} of {}", with.iterations, plain.iterations);
        assert_eq!(plain.matvecs, 2 * plain.iterations, "{method}");

        // The same numbers by products alone.
        let free = Matrix::free(Both(Arc::new(a.clone()), Some(Arc::new(Both(Arc::new(a.transpose()), None)))));
        let report = Solver::new(&free, options(method)).unwrap().solve(&Random::new(5).vector(a.rows())).unwrap();
        assert!(report.reason.is_converged() && report.iterations.abs_diff(plain.iterations) <= 2, "{method}");

        let one_way = Matrix::free(Both(Arc::new(a.clone()), None));
        let mut solver = Solver::new(&one_way, options(method)).unwrap();
        let e = solver.solve(&vec![1.0; a.rows()]).unwrap_err().to_string();
        assert!(e.contains("transpose"), "{e}");
        let n = a.rows();
        let function = Given::matrix(Matrix::free(VectorFunction::new(n, n, |r, z: &mut [f64]| z.copy_from_slice(r))));
        for preconditioner in [Precond::Given(function), "ilu0".parse().unwrap()] {
            let mut solver = Solver::new(&a, Options { preconditioner, ..options(method) }).unwrap();
            let e = solver.solve(&vec![1.0; n]).unwrap_err().to_string();
            assert!(e.contains("transpose of its preconditioner"), "{e}");
        }
    }
}

#[test]
fn new_values_reach_the_transpose() {
    let _guard = one_at_a_time();
    let a = gallery::convection_diffusion2d(16, [0.6, 0.4]);
    let b = Random::new(6).vector(a.rows());
    for method in ["bicg", "qmr"] {
        let mut solver = Solver::new(&a, options(method)).unwrap();
        let _ = solver.solve(&b).unwrap();
        // Upwind in place of central differences, say: another matrix on the same pattern.
        let values: Vec<f64> = a.values().iter().map(|v| if *v > 0.0 { v + 1.0 } else { 1.3 * v }).collect();
        let mut changed = a.clone();
        changed.set_values(values).unwrap();
        solver.update(&changed).unwrap();
        let (kept, fresh) =
            (solver.solve(&b).unwrap(), Solver::new(&changed, options(method)).unwrap().solve(&b).unwrap());
        assert!(kept.reason.is_converged(), "{method}: {}", kept.reason);
        assert_eq!(kept.iterations, fresh.iterations, "{method}");
    }
    // A matrix that was its own transpose, which a device keeps once, and is no more.
    let symmetric = gallery::poisson2d(16);
    let skewed = (0..symmetric.rows()).flat_map(|i| {
        let (columns, values) = symmetric.row(i);
        columns.iter().zip(values).map(move |(&j, v)| if (j as usize) < i { 1.4 * v } else { *v }).collect::<Vec<_>>()
    });
    let mut changed = symmetric.clone();
    changed.set_values(skewed.collect()).unwrap();
    for method in ["bicg", "qmr", "lsqr"] {
        let mut solver = Solver::new(&symmetric, options(method)).unwrap();
        let _ = solver.solve(&b).unwrap();
        solver.update(&changed).unwrap();
        let report = solver.solve(&b).unwrap();
        let ax = changed.multiply(&report.x);
        let worst = b.iter().zip(ax).map(|(b, ax)| (b - ax).abs()).fold(0.0, f64::max);
        assert!(report.reason.is_converged() && worst < 1e-6, "{method}: {}, {worst:e}", report.reason);
    }
}

#[test]
fn directions_serve_the_next_solve() {
    let _guard = one_at_a_time();
    let a = gallery::convection_diffusion2d(30, [0.3, 0.2]);
    let mut random = Random::new(7);
    let b = random.vector(a.rows());
    let near: Vec<f64> = b.iter().zip(random.vector(a.rows())).map(|(b, d)| b + 0.01 * d).collect();
    let method = Method::Gcrotmk { restart: 15, recycle: true };
    let alone = Solver::new(&a, options("gcrotmk:restart=15")).unwrap().solve(&near).unwrap();
    let mut solver = Solver::new(&a, Options { method, ..options("gcrotmk") }).unwrap();
    let first = solver.solve(&b).unwrap();
    let second = solver.solve(&near).unwrap();
    assert!(first.reason.is_converged() && second.reason.is_converged() && alone.reason.is_converged());
    assert!(10 * second.iterations < 8 * alone.iterations, "{} of {}", second.iterations, alone.iterations);

    // A has new values: C = A U is made anew.
    let values: Vec<f64> = a.values().iter().map(|v| if *v > 0.0 { 1.01 * v } else { *v }).collect();
    let mut changed = a.clone();
    changed.set_values(values).unwrap();
    solver.update(&changed).unwrap();
    let third = solver.solve(&near).unwrap();
    assert!(third.reason.is_converged() && 10 * third.iterations < 8 * alone.iterations, "{}", third.iterations);
    // Without the word each solve is as if it were the first.
    let mut forgets = Solver::new(&a, options("gcrotmk:restart=15")).unwrap();
    let _ = forgets.solve(&b).unwrap();
    assert_eq!(forgets.solve(&near).unwrap().history, alone.history);
}

#[test]
fn directions_can_be_taken_to_another_solver() {
    let _guard = one_at_a_time();
    let a = gallery::convection_diffusion2d(30, [0.3, 0.2]);
    let mut random = Random::new(7);
    let b = random.vector(a.rows());
    let near: Vec<f64> = b.iter().zip(random.vector(a.rows())).map(|(b, d)| b + 0.01 * d).collect();
    for (method, most) in [("gcrotmk:restart=15", 15), ("lgmres:restart=15", 3)] {
        let made = || Solver::new(&a, options(method)).unwrap();
        let mut first = made();
        assert!(first.directions().unwrap().is_empty());
        let _ = first.solve(&b).unwrap();
        let kept = first.directions().unwrap();
        assert!(!kept.is_empty() && kept.len() <= most && kept.iter().all(|v| v.len() == a.cols()), "{method}");
        let alone = made().solve(&near).unwrap();
        let mut second = made().start_with(kept).unwrap();
        let after = second.solve(&near).unwrap();
        assert!(after.reason.is_converged() && after.history != alone.history, "{method}");
        // lgmres takes them in, but they stand for what its own cycles lost; gcrotmk's span what was solved.
        let fewer = after.iterations < alone.iterations;
        assert!(fewer || method.starts_with("lgmres"), "{method}: {} of {}", after.iterations, alone.iterations);
        // Each solve starts with them afresh.
        assert_eq!(second.solve(&near).unwrap().history, after.history);
    }
    for (method, given) in [("cg", vec![]), ("gcrotmk", vec![vec![1.0; 3]]), ("lgmres", vec![vec![f64::NAN; 900]])] {
        assert!(Solver::new(&a, options(method)).unwrap().start_with(given).is_err(), "{method}");
    }
}

#[test]
fn least_squares_methods_see_the_condition_number() {
    let diagonal: Vec<f64> = (0..200).map(|i| 10f64.powf(-4.0 * f64::from(i) / 199.0)).collect();
    let a = gallery::diagonal(&diagonal);
    let b = Random::new(3).vector(200);
    for method in ["lsqr", "lsmr"] {
        let seen = Arc::new(Mutex::new(vec![]));
        let heard = Arc::clone(&seen);
        let mut solver = Solver::new(&a, options(method)).unwrap().on_iteration(move |event| {
            let condition = event.condition.unwrap();
            heard.lock().unwrap().push(condition);
            if condition > 1e3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let report = solver.solve(&b).unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(report.reason.name(), "StoppedByCallback", "{method}");
        assert!((1e3..1.1e4).contains(seen.last().unwrap()) && seen[0] < 10.0, "{method}: {:?}", seen.last());
    }
}

#[test]
fn lent_arrays_are_read_and_never_written() {
    let a = gallery::poisson2d(10);
    let (columns, values) = (Arc::new(a.columns().to_vec()), Arc::new(a.values().to_vec()));
    let lend = |row_ptr: Vec<usize>, columns: &Arc<Vec<u32>>, values: &Arc<Vec<f64>>| {
        let keeper = Arc::new((Arc::clone(columns), Arc::clone(values)));
        // SAFETY: the keeper holds both arrays, and nobody can write into an `Arc`.
        unsafe { Csr::lent([100, 100], row_ptr, columns.as_ptr(), values.as_ptr(), columns.len(), keeper) }
    };
    let lent = lend(a.row_ptr().to_vec(), &columns, &values).unwrap();
    assert!(lent == a && lent.values().as_ptr() == values.as_ptr() && lent.columns().as_ptr() == columns.as_ptr());
    assert_eq!((Arc::strong_count(&columns), run(&lent, options("cg")).x), (2, run(&a, options("cg")).x));
    drop(lent);
    assert_eq!(Arc::strong_count(&columns), 1);

    // Rows out of order are sorted in a copy.
    let swapped: Vec<u32> = {
        let mut c = columns.to_vec();
        c.swap(0, 1);
        c
    };
    let sorted = lend(a.row_ptr().to_vec(), &Arc::new(swapped.clone()), &values).unwrap();
    assert!(sorted.columns()[..2] == columns[..2] && swapped[0] > swapped[1] && sorted.get(0, 0) == values[1]);
    assert!(lend(vec![0; 101], &columns, &values).is_err());
}

/// Bindings run a solver without their interpreter, in whatever thread calls.
#[test]
fn a_solver_may_go_to_another_thread() {
    let a = gallery::poisson2d(10);
    let mut solver = Solver::new(&a, options("cg")).unwrap();
    let report = std::thread::spawn(move || solver.solve(&[1.0; 100]).unwrap()).join().unwrap();
    assert!(report.reason.is_converged());
}
