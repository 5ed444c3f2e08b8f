//! Real matrices that may lie beside the repository: what a reference solves, `auto` solves; nothing is ever
//! called converged that is not.

mod common;

use common::{Target, collection, fields, gpu_present, gpus, one_at_a_time, relative_residual};
use krylane::io::{ReadOptions, read_matrix, read_vector};
use krylane::matrix::Csr;
use krylane::{Backend, Options, Precision, Solver};

struct Entry {
    name: String,
    a: Csr,
    b: Vec<f64>,
    /// SciPy's CG, GMRES(50), BiCGStab or MINRES, plain or with Jacobi, reaches 1e-8 within 10 000 iterations.
    solvable: bool,
}

fn entries(largest: usize) -> Vec<Entry> {
    let Some(folder) = collection() else {
        eprintln!("\n!!! NO COLLECTION OF MATRICES beside the repository: this file tests nothing here\n");
        return vec![];
    };
    let index = std::fs::read_to_string(folder.join("INDEX.csv")).unwrap();
    let mut lines = index.lines().map(fields);
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|h| h == name).unwrap();
    let tried =
        ["cg_none", "gmres50_none", "bicgstab_none", "minres_none", "cg_jacobi", "gmres50_jacobi", "bicgstab_jacobi"];
    let mut out = vec![];
    for line in lines {
        let (rows, cols): (usize, usize) =
            (line[column("rows")].parse().unwrap(), line[column("cols")].parse().unwrap());
        if rows != cols || rows > largest {
            continue;
        }
        let a = read_matrix(&folder.join(&line[column("file")]), &ReadOptions::default()).unwrap().matrix;
        let b = match line[column("rhs_file")].as_str() {
            "" => a.multiply(&(1..=rows).map(|i| (i as f64).sin()).collect::<Vec<_>>()),
            file => read_vector(&folder.join(file), &ReadOptions::default()).unwrap(),
        };
        let solvable = tried.iter().any(|t| {
            line[column(t)].strip_prefix("yes ").is_some_and(|n| n.trim().parse::<usize>().is_ok_and(|n| n <= 10_000))
        });
        out.push(Entry { name: line[column("name")].clone(), a, b, solvable });
    }
    out
}

/// Solves all; asserts that no answer is falsely called converged and that nine of ten solvable ones converge. Returns
/// those that don't.
fn check(target: &Target, entries: &[Entry]) -> Vec<String> {
    let (mut solvable, mut missed, mut open) = (0, vec![], vec![]);
    for e in entries {
        let options = Options {
            method: "auto".parse().unwrap(),
            preconditioner: "auto".parse().unwrap(),
            ..target.options("auto")
        };
        let report = Solver::new(&e.a, options).unwrap().solve(&e.b).unwrap();
        if report.reason.is_converged() {
            let residual = relative_residual(&e.a, &e.b, &report.x);
            assert!(residual <= 1e-8 * (1.0 + 1e-12), "{} on {}: false Converged, {residual:e}", e.name, target.name);
        } else {
            assert!(report.x.iter().all(|x| x.is_finite()), "{} on {}: x is not finite", e.name, target.name);
            open.push(format!("{}: {}", e.name, report.reason));
        }
        solvable += usize::from(e.solvable);
        if e.solvable && !report.reason.is_converged() {
            missed.push(format!("{}: {}", e.name, report.reason));
        }
    }
    assert!(10 * missed.len() <= solvable, "{} of {solvable} missed on {}: {missed:?}", missed.len(), target.name);
    open
}

#[test]
fn the_cpu_solves_what_a_reference_solves() {
    let target = Target {
        name: "cpu",
        backend: Backend::Cpu,
        precision: Precision::F64,
        withhold: vec![],
        single: false,
        gpu: false,
    };
    // Incomplete factors, on matched rows where the diagonal is weak, solve more than the plain references do, and
    // nearly complete ones the rest: none is open.
    let open = check(&target, &entries(15_000));
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_gpu_solves_the_small_ones() {
    let _guard = one_at_a_time();
    if gpu_present() {
        let small = entries(700);
        // The first is f64 where the adapter has it.
        let _ = check(&gpus()[0], &small);
    }
}
