//! Operators that compute all of A x at once, and functions on the host as preconditioners.

mod common;

use common::*;
use krylane::matrix::{Csr, Matrix, VectorFunction, gallery};
use krylane::method::METHODS;
use krylane::precond::Given;
use krylane::{Backend, Method, Options, Precision, Precond, Report, Solver};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// y = A x by scatter: column by column, as element loops do.
fn scatter(a: &Csr) -> impl Fn(&[f64], &mut [f64]) + Send + Sync + 'static {
    let t = a.transpose();
    move |x, y| {
        y.fill(0.0);
        for (j, x) in x.iter().enumerate() {
            let (rows, values) = t.row(j);
            rows.iter().zip(values).for_each(|(&i, v)| y[i as usize] += v * x);
        }
    }
}

fn whole(a: &Csr) -> VectorFunction<impl Fn(&[f64], &mut [f64]) + Send + Sync + 'static> {
    VectorFunction::new(a.rows(), a.cols(), scatter(a))
        .with_transpose(scatter(&a.transpose()))
        .with_diagonal(a.diagonal())
}

fn cpus() -> Vec<Target> {
    targets().into_iter().filter(|t| !t.gpu).collect()
}

fn run(a: &Matrix, b: &[f64], options: Options) -> Report {
    Solver::new(a, options).unwrap().solve(b).unwrap()
}

#[test]
fn every_method_takes_a_whole_product_and_a_preconditioner_of_the_hosts() {
    let spd = gallery::poisson2d(14);
    let general = gallery::convection_diffusion2d(14, [0.6, 0.2]);
    for target in cpus() {
        for method in METHODS.iter().filter(|m| !SLOW.contains(&m.id) && !m.traits.program_only) {
            let stored = if method.needs.symmetry() { &spd } else { &general };
            let n = stored.rows();
            let product = if method.needs.symmetry() { whole(stored).definite() } else { whole(stored) };
            let free = Matrix::free(product);
            let b = random_vector(n, 3);
            // For least squares M is near (A'A)^-1.
            let norms: Vec<f64> = if target.options(method.id).method.id().starts_with("ls") {
                (0..n).map(|j| stored.transpose().row(j).1.iter().map(|v| v * v).sum()).collect()
            } else {
                stored.diagonal()
            };
            let m = Given::function(n, move |r, z| {
                z.iter_mut().zip(r).zip(&norms).for_each(|((z, r), d)| *z = r / d);
            });
            for preconditioner in [Precond::None, Precond::Given(m)] {
                // These multiply by the transpose of M, which a function does not give.
                if ["bicg", "qmr"].contains(&method.id) && matches!(preconditioner, Precond::Given(_)) {
                    continue;
                }
                let what = format!("{} with {preconditioner} on {}", method.id, target.name);
                let options = || Options { preconditioner: preconditioner.clone(), ..target.options(method.id) };
                let report = run(&free, &b, options());
                assert!(report.is_answer(), "{what}: {}", report.reason);
                let truth = relative_residual(stored, &b, &report.x);
                assert!(truth <= 1e-6, "{what}: {truth:e}");
                // The same numbers as with entries, but for rounding.
                let rows = run(&stored.clone().into(), &b, options());
                let (few, many) = (report.iterations.min(rows.iterations), report.iterations.max(rows.iterations));
                assert!(many <= few + 3 + few / 4, "{what}: {few} and {many} iterations");
            }
        }
    }
}

#[test]
fn one_call_for_each_product() {
    let stored = gallery::poisson2d(50);
    let calls = Arc::new(AtomicUsize::new(0));
    let (counted, f) = (Arc::clone(&calls), scatter(&stored));
    let a = VectorFunction::new(2500, 2500, move |x, y| {
        counted.fetch_add(1, Ordering::Relaxed);
        f(x, y);
    });
    let options = Options { rtol: 0.0, max_iterations: 50, ..cpu().options("cg") };
    let mut solver = Solver::new(&Matrix::free(a.definite()), options).unwrap();
    let before = calls.load(Ordering::Relaxed);
    let report = solver.solve(&vec![1.0; 2500]).unwrap();
    // One for each iteration, and those of certificates.
    let calls = calls.load(Ordering::Relaxed) - before;
    assert!(report.iterations == 50 && (50..=56).contains(&calls), "{calls}");
}

#[test]
fn several_right_hand_sides_and_new_values() {
    let a = gallery::poisson2d(20);
    let diagonal = a.diagonal();
    let jacobi =
        Given::function(400, move |r, z| z.iter_mut().zip(r).zip(&diagonal).for_each(|((z, r), d)| *z = r / d));
    let options = Options { preconditioner: Precond::Given(jacobi), ..cpu().options("cg") };
    let mut solver = Solver::new(&a, options).unwrap();
    let b = [random_vector(400, 1), random_vector(400, 2)];
    let one = solver.solve(&b[0]).unwrap();
    let both = solver.solve_many(&b).unwrap();
    assert_eq!(bits(&one.x), bits(&both[0].x));
    // In other units the function stays what it was, and so do the iterations.
    solver.update(&map(&a, |_, _, v| 1e6 * v)).unwrap();
    let again = solver.solve(&b[0]).unwrap();
    assert!(again.reason.is_converged() && again.iterations == one.iterations, "{}", again.iterations);
}

#[test]
fn a_function_runs_on_the_cpu() {
    let a = gallery::poisson2d(5);
    let m = || Precond::Given(Given::function(25, |r, z| z.copy_from_slice(r)));
    let refused = Solver::builder(&a).preconditioner(m()).backend(Backend::Gpu).build().err().unwrap();
    assert!(refused.to_string().contains("cpu"), "{refused}");
    let solver = Solver::builder(&a).method(Method::Cg).preconditioner(m()).build().unwrap();
    assert_eq!(solver.adapter().kind, krylane::DeviceKind::Cpu);
    let wrong = Precond::Given(Given::function(24, |r, z| z.copy_from_slice(r)));
    let mut solver = Solver::builder(&a).precision(Precision::F64).preconditioner(wrong).build().unwrap();
    assert!(solver.solve(&[1.0; 25]).unwrap_err().to_string().contains("25 x 25"));
}
