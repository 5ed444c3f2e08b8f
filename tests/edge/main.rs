//! The edge systems, each with its outcome, on every backend. None may end Converged without being so.

#[path = "../common/mod.rs"]
mod common;
mod shapes;

use common::*;
use krylane::matrix::{Csr, Triplets, gallery};
use krylane::random::Random;
use krylane::{BrokenDown, Options, Passed, Reason, Report, Solver, When};

/// Collects what went wrong, so that one run tells all.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn check(&mut self, ok: bool, what: impl FnOnce() -> String) {
        if !ok {
            self.0.push(what());
        }
    }

    fn done(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }

    /// Solves and asserts the outcome's name, and that Converged is true.
    fn expect(
        &mut self,
        what: &str,
        target: &Target,
        a: &Csr,
        b: &[f64],
        options: Options,
        allowed: &[&str],
    ) -> Report {
        let what = format!("{what}, {} on {}", options.method, target.name);
        let rtol = options.rtol;
        let report = solve(a, b, options);
        let name = report.reason.name();
        self.check(allowed.contains(&name), || format!("{what}: {}, {allowed:?} expected", report.reason));
        if report.reason.is_converged() && b.iter().any(|&v| v != 0.0) {
            let truth = relative_residual(a, b, &report.x);
            self.check(truth <= rtol * 1.01, || format!("{what}: {} with {truth:e}", report.reason));
        }
        self.check(report.x.iter().all(|x| x.is_finite()), || format!("{what}: x is not finite"));
        report
    }
}

/// Methods for symmetric positive definite, symmetric and any systems.
const SPD: &[&str] = &["steepest_descent", "cg", "minres", "bicgstab", "gmres"];
const SYMMETRIC: &[&str] = &["minres", "bicgstab", "gmres"];
const ANY: &[&str] = &["bicgstab", "gmres"];

/// How a method ends where nothing solves a symmetric system: MINRES finds the least-squares solution.
fn inconsistent(method: &str) -> &'static str {
    if method == "minres" { "LeastSquares" } else { "InconsistentSystem" }
}

#[test]
fn tiny_systems() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    for target in &targets() {
        for &method in SPD {
            let o = || target.options(method);
            let empty = f.expect("0 x 0", target, &from_entries(0, &[]), &[], o(), &["Converged"]);
            f.check(empty.iterations == 0 && empty.x.is_empty(), || format!("0 x 0: {}", empty.iterations));
            for v in [3.0, 1e-5, 1e300] {
                let r = f.expect("1 x 1", target, &gallery::diagonal(&[v]), &[6.0], o(), &["Converged"]);
                f.check((r.x[0] * v / 6.0 - 1.0).abs() < 1e-8, || format!("{method}: [{v}] x = 6 gave {:?}", r.x));
                f.check(r.iterations <= 3, || format!("{method}, [{v}]: {} iterations", r.iterations));
            }
            let no_answer = &[inconsistent(method)];
            let _ = f.expect("[0]", target, &gallery::diagonal(&[0.0]), &[1.0], o(), no_answer);
            let _ = f.expect("zero matrix", target, &from_entries(5, &[]), &[1.0; 5], o(), no_answer);
            let r =
                f.expect("identity", target, &Csr::identity(40).unwrap(), &random_vector(40, 1), o(), &["Converged"]);
            // In f32 the right-hand side itself is rounded: a second look brings the digits.
            let most = if target.single { 2 } else { 1 };
            f.check(r.iterations <= most, || format!("identity, {method} on {}: {}", target.name, r.iterations));

            let a = gallery::poisson1d(10);
            let mut solver = Solver::new(&a, o()).unwrap();
            let r = solver.solve_from(&[0.0; 10], &[1.0; 10]).unwrap();
            f.check(r.reason == Reason::Converged(Passed::ZeroRhs) && r.x == [0.0; 10] && r.iterations == 0, || {
                format!("b = 0, {method} on {}: {}", target.name, r.reason)
            });
            let b = a.multiply(&[1.0; 10]);
            let r = solver.solve_from(&b, &[1.0; 10]).unwrap();
            f.check(r.reason == Reason::Converged(Passed::InitialGuess) && r.iterations == 0, || {
                format!("exact x0, {method} on {}: {}", target.name, r.reason)
            });
        }
    }
    f.done();
}

#[test]
fn known_spectra() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    let d: Vec<f64> = (1..=30).map(f64::from).collect();
    let five: Vec<f64> = (0..60).map(|i| [1.0, 2.0, 5.0, 7.0, 11.0][i % 5]).collect();
    for target in &targets() {
        for &method in SPD {
            let r = f.expect(
                "diag(1..n)",
                target,
                &gallery::diagonal(&d),
                &[1.0; 30],
                target.options(method),
                &["Converged"],
            );
            if ["cg", "minres", "gmres"].contains(&method) {
                f.check(r.iterations <= if target.single { 60 } else { 31 }, || {
                    format!("diag(1..30): {}", r.iterations)
                });
            }
        }
        for method in ["cg", "minres", "gmres"] {
            let r = f.expect(
                "five eigenvalues",
                target,
                &gallery::diagonal(&five),
                &random_vector(60, 4),
                target.options(method),
                &["Converged"],
            );
            f.check(r.iterations <= if target.single { 10 } else { 5 }, || {
                format!("five eigenvalues, {method} on {}: {} iterations", target.name, r.iterations)
            });
        }
        // M = the exact inverse of a diagonal A.
        for &method in SPD {
            let options = Options { preconditioner: "jacobi".parse().unwrap(), ..target.options(method) };
            let r = f.expect("exact M", target, &gallery::diagonal(&d), &[1.0; 30], options, &["Converged"]);
            let most = if target.single { 6 } else { 3 };
            f.check(r.matvecs <= most, || format!("exact M, {method} on {}: {} products", target.name, r.matvecs));
        }
    }
    f.done();
}

#[test]
fn indefinite_and_nonsymmetric() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    let sign = gallery::diagonal(&[1.0, -1.0]);
    let negative = map(&gallery::poisson2d(6), |_, _, v| -v);
    let swap = from_entries(2, &[(0, 1, 1.0), (1, 0, 1.0)]);
    let turn = from_entries(2, &[(0, 1, 1.0), (1, 0, -1.0)]);
    let general = gallery::convection_diffusion2d(6, [0.4, 0.1]);
    for target in &targets() {
        for method in ["cg", "steepest_descent"] {
            let o = || target.options(method);
            let _ = f.expect("diag(1,-1)", target, &sign, &[1.0, 1.0], o(), &["IndefiniteOperator"]);
            let _ = f.expect("diag(1,-1), b = (1,2)", target, &sign, &[1.0, 2.0], o(), &["IndefiniteOperator"]);
            let _ = f.expect("-Poisson", target, &negative, &[1.0; 36], o(), &["IndefiniteOperator"]);
            let _ = f.expect("swap", target, &swap, &[1.0, 0.0], o(), &["IndefiniteOperator"]);
            let _ = f.expect("turn", target, &turn, &[1.0, 0.0], o(), &["NotSymmetric"]);
            let r = f.expect("nonsymmetric", target, &general, &[1.0; 36], o(), &["NotSymmetric"]);
            f.check(r.reason == Reason::NotSymmetric { i: 0, j: 1 } && r.iterations == 0, || format!("{}", r.reason));
        }
        let _ = f.expect("nonsymmetric", target, &general, &[1.0; 36], target.options("minres"), &["NotSymmetric"]);
        for &method in SYMMETRIC {
            let o = || target.options(method);
            let _ = f.expect("diag(1,-1), b = (1,2)", target, &sign, &[1.0, 2.0], o(), &["Converged"]);
            let _ = f.expect("-Poisson", target, &negative, &[1.0; 36], o(), &["Converged"]);
        }
        // <b, A b> = 0: the first step of minres and bicgstab goes nowhere.
        for (method, allowed) in
            [("minres", &["Converged"][..]), ("gmres", &["Converged"]), ("bicgstab", &["Breakdown"])]
        {
            let _ = f.expect("diag(1,-1)", target, &sign, &[1.0, 1.0], target.options(method), allowed);
            let _ = f.expect("swap", target, &swap, &[1.0, 0.0], target.options(method), allowed);
        }
        for (method, allowed) in [("gmres", &["Converged"][..]), ("bicgstab", &["Breakdown"])] {
            let _ = f.expect("turn", target, &turn, &[1.0, 0.0], target.options(method), allowed);
        }
        // Under "auto" the ladder finds a method.
        for (what, a) in [("diag(1,-1)", &sign), ("swap", &swap), ("turn", &turn)] {
            let _ = f.expect(what, target, a, &[1.0, 0.0], target.options("auto"), &["Converged"]);
        }
        // M = |diag| serves an indefinite A with minres; a negative diagonal is none.
        let options = Options { preconditioner: "jacobi".parse().unwrap(), ..target.options("minres") };
        let _ = f.expect("diag(1,-1) with Jacobi", target, &sign, &[1.0, 2.0], options, &["Converged"]);
    }
    f.done();
}

#[test]
fn hard_shapes() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    let shift = gallery::cyclic_shift(64);
    for target in &targets() {
        // Full GMRES stands still for 63 steps, then is exact; a short cycle never moves.
        let full = Options { method: restarted("gmres", 64), ..target.options("gmres") };
        let r = f.expect("cyclic shift", target, &shift, &unit(64, 0), full, &["Converged"]);
        f.check(r.iterations == 64, || format!("cyclic shift on {}: {} iterations", target.name, r.iterations));
        f.check(r.history[..63].iter().all(|&h| (h - 1.0).abs() < 1e-5), || "the shift moved early".into());
        let short = Options { method: restarted("gmres", 10), ..target.options("gmres") };
        let r = f.expect("cyclic shift, restart 10", target, &shift, &unit(64, 0), short, &["Stagnated"]);
        f.check(r.iterations <= 30, || format!("shift, restart 10: {} iterations", r.iterations));
        let _ = f.expect("cyclic shift", target, &shift, &unit(64, 0), target.options("bicgstab"), &["Breakdown"]);

        // Nilpotent: singular, e1 is in the range (x = e2), e_n is not.
        let nilpotent = gallery::jordan(12, 0.0);
        for &method in ANY {
            for (place, ends) in [(0, &["Breakdown"]), (11, &["InconsistentSystem"])] {
                let what = format!("nilpotent, b = e{}", place + 1);
                let r = f.expect(&what, target, &nilpotent, &unit(12, place), target.options(method), ends);
                f.check(norm(&r.x) <= 1e6, || format!("{what}: |x| = {:e}", norm(&r.x)));
            }
        }
        let jordan = gallery::jordan(20, 1.0);
        let _ = f.expect("jordan 1", target, &jordan, &[1.0; 20], target.options("gmres"), &["Converged"]);
        let grcar = gallery::grcar(50, 3);
        let options = Options { method: restarted("gmres", 50), ..target.options("gmres") };
        let _ = f.expect("grcar", target, &grcar, &[1.0; 50], options.clone(), &["Converged"]);
        let _ = f.expect("frank", target, &gallery::frank(10), &[1.0; 10], options.clone(), &["Converged"]);
        // What bicgstab does on strongly nonnormal matrices: the frank matrix has a condition beyond f32.
        let frank = gallery::frank(12);
        let lost: &[&str] = if target.single { &["Breakdown", "Diverged"] } else { &["Converged"] };
        for (what, a, ends) in
            [("grcar", &grcar, &["Breakdown"][..]), ("frank", &frank, lost), ("jordan 1", &jordan, &["Breakdown"])]
        {
            let options = Options { max_iterations: 400, ..target.options("bicgstab") };
            let _ = f.expect(what, target, a, &vec![1.0; a.rows()], options, ends);
        }
        // b = the sum of three eigenvectors: a lucky breakdown at 3.
        let a = gallery::diagonal(&(1..=20).map(f64::from).collect::<Vec<_>>());
        let b: Vec<f64> = (0..20).map(|i| if i % 8 == 1 { 1.0 } else { 0.0 }).collect();
        for method in ["cg", "minres", "gmres"] {
            let r = f.expect("three eigenvectors", target, &a, &b, target.options(method), &["Converged"]);
            f.check(r.iterations <= if target.single { 6 } else { 3 }, || {
                format!("three eigenvectors, {method}: {}", r.iterations)
            });
        }
    }
    f.done();
}

#[test]
fn singular_symmetric_systems() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    let neumann = gallery::neumann2d(12);
    let inside = neumann.multiply(&random_vector(144, 3));
    let mut outside = inside.clone();
    outside.iter_mut().for_each(|v| *v += 0.1);
    let two = {
        // Two components: b must have mean zero on each.
        let (c, n) = (gallery::cycle_laplacian(8), 8);
        let mut entries = vec![];
        for i in 0..n {
            let (columns, values) = c.row(i);
            for (&j, &v) in columns.iter().zip(values) {
                entries.extend([(i, j as usize, v), (n + i, n + j as usize, v)]);
            }
        }
        from_entries(2 * n, &entries)
    };
    let across: Vec<f64> = (0..16).map(|i| if i < 8 { 1.0 } else { -1.0 }).collect();
    for target in &targets() {
        for method in ["cg", "minres", "gmres", "bicgstab"] {
            let o = || target.options(method);
            let _ = f.expect("Neumann, consistent", target, &neumann, &inside, o(), &["Converged"]);
            let no_answer = &[inconsistent(method)];
            let r = f.expect("Neumann, inconsistent", target, &neumann, &outside, o(), no_answer);
            if let Reason::InconsistentSystem { null_component } = r.reason {
                let expected = 0.1 * 12.0 / norm(&outside);
                f.check((null_component / expected - 1.0).abs() < 1e-10, || {
                    format!("null part {null_component:e}, {expected:e}")
                });
            }
            f.check(r.iterations == 0 || method == "minres", || "an inconsistent system was iterated on".into());
            f.check(norm(&r.x) <= 1e3, || format!("Neumann, inconsistent, {method}: |x| = {:e}", norm(&r.x)));
            let _ = f.expect("two cycles", target, &two, &across, o(), no_answer);
            let mut b = across.clone();
            b.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 2 == 0 { 1.0 } else { -1.0 });
            let _ = f.expect("two cycles, consistent", target, &two, &b, o(), &["Converged"]);
        }
    }
    f.done();
}

#[test]
fn ill_conditioned_systems() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    let spread = |n: usize, decades: f64| -> Vec<f64> {
        (0..n).map(|i| 10f64.powf(-decades * i as f64 / (n - 1) as f64)).collect()
    };
    // An orthogonal similarity, so that Jacobi can't undo the spectrum: one Householder reflection.
    let dense = |d: &[f64]| -> Csr {
        let n = d.len();
        let v = random_vector(n, 8);
        let vv: f64 = v.iter().map(|x| x * x).sum();
        let q = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / vv;
        let mut entries = vec![];
        for i in 0..n {
            for j in 0..=i {
                let s: f64 = (0..n).map(|k| q(i, k) * d[k] * q(j, k)).sum();
                entries.push((i, j, s));
                if i != j {
                    entries.push((j, i, s));
                }
            }
        }
        from_entries(n, &entries)
    };
    let honest = [
        "Converged",
        "Stagnated",
        "FalseConvergence",
        "AttainableAccuracy",
        "MaxIterations",
        "IndefiniteOperator",
        "Breakdown",
        "Diverged",
        // To working precision it is.
        "Singular",
    ];
    for target in &targets() {
        for method in ["cg", "minres", "gmres"] {
            let options = || Options { max_iterations: 600, method: restarted(method, 40), ..target.options(method) };
            let hilbert = gallery::hilbert(12);
            let allowed: &[&str] = if target.single { &honest } else { &honest[..5] };
            let _ = f.expect("Hilbert 12", target, &hilbert, &[1.0; 12], options(), allowed);
            for decades in [10.0, 15.0] {
                let a = dense(&spread(24, decades));
                let r = f.expect("SPD", target, &a, &random_vector(24, 6), options(), &honest);
                f.check(r.certificate.relative <= 1.0, || {
                    format!("cond 1e{decades}, {method}: {:e}", r.certificate.relative)
                });
            }
            // Asked for more than f64 has.
            let a = gallery::poisson2d(12);
            let options = Options { rtol: 0.0, max_iterations: 300, ..target.options(method) };
            let r = f.expect(
                "rtol 0",
                target,
                &a,
                &random_vector(144, 2),
                options,
                match method {
                    "gmres" => &["MaxIterations", "Stagnated"],
                    // Renewals see that the residual falls no further; where that is depends on the adapter.
                    _ if target.single => &["MaxIterations", "AttainableAccuracy"],
                    _ => &["MaxIterations"],
                },
            );
            f.check(r.certificate.backward_error <= 1e-14 || r.reason == Reason::MaxIterations, || {
                format!("rtol 0, {method} on {}: {} at {:e}", target.name, r.reason, r.certificate.backward_error)
            });
        }
    }
    f.done();
}

#[test]
fn extreme_numbers() {
    let _guard = one_at_a_time();
    let mut f = Findings::default();
    let a = gallery::poisson2d(8);
    let b = random_vector(64, 2);
    let times = |a: &Csr, c: f64| map(a, |_, _, v| v * c);
    let scaled = |c: f64| -> Vec<f64> { b.iter().map(|v| v * c).collect() };
    for target in &targets() {
        for &method in SPD {
            let o = || target.options(method);
            for c in [1e300, 1e-300] {
                let r = f.expect("(A, b) c", target, &times(&a, c), &scaled(c), o(), &["Converged"]);
                let plain = solve(&a, &b, o());
                let d: Vec<f64> = r.x.iter().zip(&plain.x).map(|(x, y)| x - y).collect();
                f.check(norm(&d) <= 1e-5 * norm(&plain.x), || format!("(A, b)·{c:e}, {method} on {}", target.name));
            }
            let _ = f.expect("b 1e-300", target, &a, &scaled(1e-300), o(), &["Converged"]);
            let _ = f.expect("b 1e300", target, &a, &scaled(1e300), o(), &["Converged"]);
            // The solution is near 1e-600: no number of f64.
            let r = f.expect("A 1e300, b 1e-300", target, &times(&a, 1e300), &scaled(1e-300), o(), &["OutOfRange"]);
            f.check(!r.reason.is_converged(), || "converged out of range".into());
            // And near 1e600.
            let r = f.expect("A 1e-300, b 1e300", target, &times(&a, 1e-300), &scaled(1e300), o(), &["OutOfRange"]);
            f.check(!r.reason.is_converged(), || "converged out of range".into());
            // The same where rows and columns are scaled, whatever ended the iteration.
            let o = || Options { equilibrate: When::Always, ..o() };
            let _ = f.expect("A 1e-300, scaled", target, &times(&a, 1e-300), &scaled(1e300), o(), &["OutOfRange"]);
        }
        // One entry of 1e20; entries near the bottom of the range beside ones of size 1.
        let large = map(&a, |i, j, v| if (i, j) == (5, 5) { 1e20 } else { v });
        let tiny = {
            let mut d = vec![1.0; 20];
            d[3] = 1e-310;
            gallery::diagonal(&d)
        };
        for &method in ANY {
            let _ = f.expect(
                "one 1e20, b away from it",
                target,
                &large,
                &unit(64, 60),
                target.options(method),
                &["Converged"],
            );
            let options = Options { max_iterations: 100, ..target.options(method) };
            // x_3 would be 1e310.
            let r = f.expect("one 1e-310", target, &tiny, &[1.0; 20], options, &["OutOfRange"]);
            f.check(r.certificate.relative <= 1.0, || "worse than x = 0".into());
        }
        // Rows scaled by 1e±30 in turn; Jacobi undoes it in f64.
        let rows = map(&a, |i, _, v| if i % 2 == 0 { v * 1e30 } else { v * 1e-30 });
        let wild: Vec<f64> = a
            .multiply(&[1.0; 64])
            .iter()
            .enumerate()
            .map(|(i, v)| if i % 2 == 0 { v * 1e30 } else { v * 1e-30 })
            .collect();
        let options =
            Options { preconditioner: "jacobi".parse().unwrap(), max_iterations: 300, ..target.options("gmres") };
        let _ = f.expect("rows 1e±30", target, &rows, &wild, options, &["Converged"]);
    }
    f.done();
}
