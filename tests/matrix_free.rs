//! Operators in place of matrices: the same answers as with the entries stored, and clear refusals.

mod common;

use common::*;
use krylane::matrix::{Csr, LinearOperator, Matrix, RowFunction, RowShader, Stencil, Structure};
use krylane::random::Random;
use krylane::{Backend, Error, Knobs, Options, Report, Solver};
use std::ops::Range;
use std::sync::Arc;

/// Positive numbers that jump by up to four decades.
fn layers(n: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..n).map(|_| 10f64.powf(random.uniform(-2.0, 2.0))).collect()
}

fn run(a: &Matrix, b: &[f64], options: Options) -> Report {
    Solver::new(a, options).unwrap().solve(b).unwrap()
}

fn refused<T>(result: Result<T, Error>) -> String {
    match result {
        Err(e) => {
            assert!(e.is_bad_input(), "{e}");
            e.to_string()
        }
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_stencil_is_its_assembled_matrix() {
    for (stencil, constant) in [
        (Stencil::new2d(9, layers(81, 1)).unwrap(), Stencil::new2d(9, vec![1.0; 81]).unwrap()),
        (Stencil::new3d(5, layers(125, 2)).unwrap(), Stencil::new3d(5, vec![1.0; 125]).unwrap()),
    ] {
        let a = stencil.to_csr().unwrap();
        assert_eq!(a.first_asymmetry(0.0), None);
        assert_eq!(a.diagonal(), stencil.diagonal().unwrap());
        let x = random_vector(a.rows(), 3);
        let (by_entries, by_rows) = (a.multiply(&x), Matrix::free(stencil).multiply(&x));
        for (e, r) in by_entries.iter().zip(&by_rows) {
            assert!((e - r).abs() <= 1e-12 * 400.0, "{e} {r}");
        }
        let gallery = if a.rows() == 81 {
            krylane::matrix::gallery::poisson2d(9)
        } else {
            krylane::matrix::gallery::poisson3d(5)
        };
        assert_eq!(constant.to_csr().unwrap(), gallery);
    }
    assert!(refused(Stencil::new2d(3, vec![1.0; 8])).contains("9 grid points"));
    assert!(refused(Stencil::new2d(2, vec![1.0, 0.0, 1.0, 1.0])).contains("coefficient 1"));
}

#[test]
fn solves_as_the_stored_matrix_does_on_every_device() {
    let _guard = one_at_a_time();
    let stencil = Stencil::new2d(13, layers(169, 5)).unwrap();
    let stored = stencil.to_csr().unwrap();
    let free = Matrix::free(stencil);
    let b = random_vector(169, 6);
    for target in targets() {
        for (method, preconditioner) in
            [("cg", "jacobi"), ("minres", "none"), ("gmres", "jacobi"), ("cg", "chebyshev:3")]
        {
            let options = || Options { preconditioner: preconditioner.parse().unwrap(), ..target.options(method) };
            let name = format!("{method} + {preconditioner} on {}", target.name);
            let report = run(&free, &b, options());
            assert_solved(&name, &stored, &b, &report, 1e-8);
            let other = solve(&stored, &b, options());
            let allowed = 2 + other.iterations / 5;
            assert!(
                report.iterations.abs_diff(other.iterations) <= allowed,
                "{name}: {} iterations, {} with entries",
                report.iterations,
                other.iterations
            );
        }
    }
}

#[test]
fn fusion_survives_and_the_count_of_bytes_is_small() {
    let _guard = one_at_a_time();
    let n = 400;
    let free = Matrix::free(Stencil::new2d(20, layers(n, 5)).unwrap());
    let b = random_vector(n, 6);
    for target in targets() {
        let counted = |max_iterations, fuse| {
            let options = Options {
                max_iterations,
                rtol: 0.0,
                knobs: Knobs { lag: Some(0), batch: Some(64), fuse, ..target.knobs() },
                ..target.options("cg")
            };
            run(&free, &b, options)
        };
        let each = |fuse, f: fn(&Report) -> u64| (f(&counted(14, fuse)) - f(&counted(4, fuse))) as f64 / 10.0;
        // In f32 renewals of the residual have kernels and bytes of their own.
        let most = if target.single { 5.0 } else { 3.0 };
        assert!(each(true, |r| r.counters.dispatches) <= most, "{}", target.name);
        assert!(each(false, |r| r.counters.dispatches) > 5.0, "{}", target.name);
        if !target.single {
            // c and ten vectors.
            assert_eq!(each(true, |r| r.bytes_moved), (n * (8 + 80)) as f64, "{}", target.name);
        }
    }
}

#[test]
fn lag_batch_and_threads_change_no_bit() {
    let _guard = one_at_a_time();
    let small = Matrix::free(Stencil::new2d(12, layers(144, 8)).unwrap());
    let b = random_vector(144, 9);
    for target in targets() {
        let cut = |lag, batch| {
            let report = run(
                &small,
                &b,
                Options {
                    knobs: Knobs { lag: Some(lag), batch: Some(batch), ..target.knobs() },
                    ..target.options("cg")
                },
            );
            (bits(&report.x), report.iterations)
        };
        assert!(cut(0, 1) == cut(2, 7), "{}", target.name);
    }
    let large = Matrix::free(Stencil::new2d(150, layers(22500, 8)).unwrap());
    let b = random_vector(22500, 9);
    for precision in [krylane::Precision::F64, krylane::Precision::F32] {
        let threads = |threads| {
            let options = Options { threads, precision, max_iterations: 20, rtol: 1e-13, ..cpu().options("cg") };
            bits(&run(&large, &b, options).x)
        };
        assert!(threads(1) == threads(2));
    }
}

#[test]
fn scales_far_from_one_are_no_obstacle() {
    let b = vec![1.0; 64];
    let unit = Stencil::new2d(8, vec![1.0; 64]).unwrap();
    let reference = run(&Matrix::free(unit), &b, cpu().options("cg"));
    for e in [-600, -40, 40, 600] {
        let c = power(1.0, e);
        let report = run(&Matrix::free(Stencil::new2d(8, vec![c; 64]).unwrap()), &b, cpu().options("cg"));
        assert_eq!((report.reason.name(), report.iterations), ("Converged", reference.iterations), "2^{e}");
        let back: Vec<f64> = report.x.iter().map(|x| x * c).collect();
        assert_eq!(bits(&back), bits(&reference.x), "2^{e}");
    }
}

/// y_i = 3 x_i + x_{i+1} − x_{i−1}/2 around a ring.
fn ring(n: usize) -> impl Fn(usize, &[f64]) -> f64 + Send + Sync {
    move |i, x| 3.0 * x[i] + x[(i + 1) % n] - 0.5 * x[(i + n - 1) % n]
}

#[test]
fn a_closure_is_enough_on_the_cpu() {
    let n = 57;
    let b = random_vector(n, 1);
    let report = run(&Matrix::free(RowFunction::new(n, n, ring(n))), &b, Options::default());
    assert_eq!(
        (report.reason.name(), report.method.as_str(), report.preconditioner.as_str()),
        ("Converged", "bicgstab", "none")
    );
    let said = report.plan.join("\n");
    for part in ["not declared symmetric", "no diagonal", "no WGSL", "at least"] {
        assert!(said.contains(part), "{said}");
    }
    let r: Vec<f64> = (0..n).map(|i| b[i] - ring(n)(i, &report.x)).collect();
    assert!(norm(&r) <= 1e-8 * norm(&b));
    assert!(report.certificate.computed_on.contains("operator"), "{}", report.certificate.computed_on);
    assert!(
        Solver::new(&Matrix::free(RowFunction::new(n, n, ring(n))), Options::default())
            .unwrap()
            .update(&krylane::matrix::gallery::poisson2d(3))
            .is_err()
    );
}

#[test]
fn what_an_operator_can_not_have_is_refused_by_name() {
    let n = 30;
    let free = || Matrix::free(RowFunction::new(n, n, ring(n)));
    let with = |options: Options| Solver::new(&free(), options);
    let cpu = |method: &str, preconditioner: &str| Options {
        method: method.parse().unwrap(),
        preconditioner: preconditioner.parse().unwrap(),
        backend: Backend::Cpu,
        ..Options::default()
    };
    assert!(refused(with(cpu("cg", "none"))).contains("cg needs a symmetric matrix"));
    assert!(refused(with(Options { backend: Backend::Gpu, ..Options::default() })).contains("WGSL"));
    for id in ["ilu0", "ic0", "fsai", "isai", "amg", "block_jacobi:2", "scaling"] {
        let error = refused(with(cpu("gmres", id)).unwrap().solve(&vec![1.0; n]));
        assert!(error.contains(id.split(':').next().unwrap()) && error.contains("entries"), "{error}");
    }
    assert!(refused(with(cpu("gmres", "jacobi")).unwrap().solve(&vec![1.0; n])).contains("diagonal"));
    assert!(refused(with(cpu("gmres", "chebyshev")).unwrap().solve(&vec![1.0; n])).contains("symmetry"));
    let short = RowFunction::new(n, n, ring(n)).with_diagonal(vec![3.0; 4]);
    assert!(refused(Solver::new(&Matrix::free(short), Options::default())).contains("diagonal"));
    let lying = RowFunction::new(n, n, ring(n)).symmetric();
    assert!(refused(Solver::new(&Matrix::free(lying), Options::default())).contains("declared symmetric"));
}

#[test]
fn a_symmetric_operator_without_a_word_may_be_solved_by_cg_with_a_warning() {
    let n = 40;
    let chain = move |i: usize, x: &[f64]| {
        2.5 * x[i] - if i > 0 { x[i - 1] } else { 0.0 } - if i + 1 < n { x[i + 1] } else { 0.0 }
    };
    let report = run(&Matrix::free(RowFunction::new(n, n, chain)), &vec![1.0; n], cpu().options("cg"));
    assert!(report.reason.is_converged());
    assert!(report.warnings.iter().any(|w| w.contains("not declared symmetric")), "{:?}", report.warnings);
}

#[test]
fn a_singular_operator_is_seen_through() {
    let n = 50;
    let ring = move |i: usize, x: &[f64]| 2.0 * x[i] - x[(i + 1) % n] - x[(i + n - 1) % n];
    let free = || Matrix::free(RowFunction::new(n, n, ring).symmetric());
    assert_eq!(run(&free(), &vec![1.0; n], Options::default()).reason.name(), "InconsistentSystem");
    let b: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    assert!(run(&free(), &b, Options::default()).reason.is_converged());
}

/// A ring with a twin that is right, wrong, or no WGSL at all.
struct Twin(&'static str);

impl LinearOperator for Twin {
    fn rows(&self) -> usize {
        40
    }
    fn cols(&self) -> usize {
        40
    }
    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        y.iter_mut().zip(rows).for_each(|(y, i)| *y = ring(40)(i, x));
    }
    fn structure(&self) -> Structure {
        Structure::General
    }
    fn shader(&self) -> Option<RowShader> {
        Some(RowShader { text: self.0.into(), data: vec![] })
    }
}

#[test]
fn the_host_certifies_whatever_the_device_computes() {
    let _guard = one_at_a_time();
    let b = random_vector(40, 2);
    for target in gpus() {
        let right = "fn row_product(i: u32) -> number {
            return number(3.0) * x_at(i) + x_at((i + 1u) % 40u) - number(0.5) * x_at((i + 39u) % 40u);
        }";
        let report = run(&Matrix::free(Twin(right)), &b, target.options("gmres"));
        assert!(report.reason.is_converged(), "{}: {}", target.name, report.reason);
        // Out of bounds too: the checks keep it from reading what it should not.
        let wrong = "fn row_product(i: u32) -> number { return number(2.0) * x_at(i) + x_at(i + 1000u); }";
        let report = run(&Matrix::free(Twin(wrong)), &b, target.options("gmres"));
        assert!(!report.reason.is_converged(), "{}: {}", target.name, report.reason);
        let mut broken = Solver::new(
            &Matrix::free(Twin("fn row_product(i: u32) -> number { return nonsense; }")),
            target.options("gmres"),
        )
        .unwrap();
        let error = refused(broken.solve(&b));
        assert!(error.contains("operator's WGSL") && error.contains("nonsense"), "{error}");
    }
}

#[test]
fn a_transpose_must_be_one() {
    struct Pair(Arc<Csr>, Arc<Csr>);
    impl LinearOperator for Pair {
        fn rows(&self) -> usize {
            self.0.rows()
        }
        fn cols(&self) -> usize {
            self.0.cols()
        }
        fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
            let all = self.0.multiply(x);
            y.copy_from_slice(&all[rows]);
        }
        fn transpose(&self) -> Option<Arc<dyn LinearOperator>> {
            Some(Arc::new(Pair(Arc::clone(&self.1), Arc::clone(&self.0))))
        }
    }
    let a = krylane::matrix::gallery::convection_diffusion2d(6, [0.5, -0.2]);
    let t = Arc::new(a.transpose());
    let a = Arc::new(a);
    let b = random_vector(36, 4);
    let good = Matrix::free(Pair(Arc::clone(&a), Arc::clone(&t)));
    assert_solved("with its transpose", &a, &b, &run(&good, &b, Options::default()), 1e-8);
    let bad = Matrix::free(Pair(Arc::clone(&a), Arc::clone(&a)));
    assert!(refused(Solver::new(&bad, Options::default())).contains("transpose"));
}
