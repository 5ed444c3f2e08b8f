//! Matrices of which each rank holds its rows: the bits of one process where the preconditioner is the same, certified
//! answers where it is of each rank's block, one error for all. The ranks are threads here.

mod common;

use common::random_vector;
use krylane::matrix::{CHUNK, Csr, Matrix, gallery};
use krylane::method::{METHODS, Needs};
use krylane::precond::{NearNull, PRECONDITIONERS};
use krylane::ranks::Ranks;
use krylane::{EigenOptions, Options, Reason, Report, Solver};
use std::ops::Range;
use std::sync::Arc;

/// Runs `body` on so many ranks; what each returns.
fn on<T: Send>(size: usize, body: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> = Ranks::threads(size).into_iter().map(|r| scope.spawn(move || body(r))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// Rows `range` of `a`.
fn rows(a: &Csr, range: &Range<usize>) -> Csr {
    let starts = &a.row_ptr()[range.start..=range.end];
    let entries = starts[0]..starts[range.len()];
    let row_ptr = starts.iter().map(|s| s - starts[0]).collect();
    Csr::new(range.len(), a.cols(), row_ptr, a.columns()[entries.clone()].to_vec(), a.values()[entries].to_vec())
        .unwrap()
}

/// Rank `p`'s rows of n: cuts at multiples of `step`, the second of several ranks without rows.
fn part(n: usize, p: usize, size: usize, step: usize) -> Range<usize> {
    let cut = |p: usize| if p == size { n } else { n * p.saturating_sub(usize::from(p > 1)) / size / step * step };
    cut(p)..cut(p + 1)
}

fn options(method: &str, precond: &str, precision: &str) -> Options {
    Options {
        method: method.parse().unwrap(),
        preconditioner: precond.parse().unwrap(),
        precision: precision.parse().unwrap(),
        threads: 1,
        ..Options::default()
    }
}

/// What each rank reports.
fn solved(
    a: &Csr,
    b: &[f64],
    size: usize,
    step: usize,
    options: impl Fn() -> Options + Sync,
) -> Vec<krylane::Result<Report>> {
    on(size, |ranks| {
        let own = part(a.rows(), ranks.rank(), size, step);
        let matrix = Matrix::from_local_rows(&ranks, &rows(a, &own))?;
        Solver::new(&matrix, options())?.solve(&b[own])
    })
}

fn all(what: &str, reports: Vec<krylane::Result<Report>>) -> Vec<Report> {
    let errors: Vec<String> = reports.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{what} on {}: {errors:#?}", reports.len());
    reports.into_iter().map(Result::unwrap).collect()
}

/// The parts of x as one.
fn whole(reports: &[Report]) -> Vec<f64> {
    reports.iter().flat_map(|r| r.x.iter().copied()).collect()
}

fn bits(v: &[f64]) -> Vec<u64> {
    v.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn methods_have_the_bits_of_one_process() {
    let definite = gallery::poisson2d(72);
    let general = gallery::convection_diffusion2d(72, [0.6, 0.2]);
    for method in METHODS.iter().filter(|m| m.needs != Needs::Any && !m.traits.whole_vectors) {
        if method.traits.two_sided {
            continue;
        }
        let a = if method.needs.symmetry() { &definite } else { &general };
        let b = random_vector(a.rows(), 5);
        for (precond, precision) in [("none", "f64"), ("jacobi", "f64"), ("jacobi", "mixed")] {
            let options = || Options { max_iterations: 40, ..options(method.id, precond, precision) };
            let alone = Solver::new(a, options()).unwrap().solve(&b).unwrap();
            for size in [1, 2, 4] {
                let reports = solved(a, &b, size, CHUNK, options);
                let reports = all(&format!("{} with {precond}", method.id), reports);
                let what = format!("{} with {precond} in {precision} on {size}", method.id);
                for report in &reports {
                    assert_eq!(bits(&report.history), bits(&alone.history), "{what}");
                    assert_eq!(report.certificate, alone.certificate, "{what}");
                    assert_eq!(report.reason, alone.reason, "{what}");
                }
                assert_eq!(bits(&whole(&reports)), bits(&alone.x), "{what}");
            }
        }
    }
}

#[test]
fn every_preconditioner_solves() {
    let (a, points) = gallery::elasticity2d([40, 40], 0.3, true);
    let b = random_vector(a.rows(), 6);
    let _ = points;
    let truth = |x: &[f64]| {
        let r: f64 = a.multiply(x).iter().zip(&b).map(|(p, b)| (b - p).powi(2)).sum();
        r.sqrt() / b.iter().map(|b| b * b).sum::<f64>().sqrt()
    };
    for p in PRECONDITIONERS.iter().filter(|p| !p.program_only) {
        let method = if p.symmetric { "cg" } else { "gmres" };
        for (size, step) in [(1, 1), (3, 1), (4, 2)] {
            let id = if p.id == "block_jacobi" { "block_jacobi:2" } else { p.id };
            let reports = solved(&a, &b, size, step, || options(method, id, "f64"));
            let reports = all(p.id, reports);
            let what = format!("{} on {size}: {}", p.id, reports[0].reason);
            assert!(reports.iter().all(|r| r.reason == reports[0].reason), "{what}");
            assert!(reports[0].reason.is_converged(), "{what}");
            let left = truth(&whole(&reports));
            assert!(left <= 1.01e-8 && (left / reports[0].certificate.relative - 1.0).abs() < 1e-3, "{what}: {left:e}");
        }
    }
}
