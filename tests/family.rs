//! Every method on a row of systems: status, iterations, and the true residual recomputed here.
//!
//! Figures to compare with (b from seed 42, rtol 1e-8, M = I; iterations, products where marked p):
//!
//! | method | source | poisson2d 32² | convection 32², (0.3, 0.2) | convection 32², (2, 1) |
//! |---|---|---|---|---|
//! | cg | SciPy 1.17.1 | 102 | | |
//! | cr | written down from Saad 2003, algorithm 6.20, in NumPy | 100 | | |
//! | cgs | SciPy | 71 | 58 | 55, with ‖r‖ up to 6·10⁵‖b‖ on the way |
//! | tfqmr | SciPy (half steps) | 149 p | 117 p | 110 p |
//! | gmres(30), fgmres(30) | SciPy | 176 | 148 | 169 |
//! | lgmres(30, 3) | SciPy | 156 p | 154 p | 183 p |
//! | gcrotmk(20, 20), for lgmres | SciPy | 139 p | 154 p | 154 p |
//! | bicgstabl | Sleijpen and Fokkema's algorithm in NumPy | 39 | 28 | 28 |
//! | idrs | idrs.m in NumPy, three random P | 112–119 p | 98–105 p | 93 p |

use krylane::matrix::{Csr, gallery};
use krylane::random::Random;
use krylane::{Backend, Options, Reason, Report, Solver};

fn rhs(n: usize) -> Vec<f64> {
    Random::new(42).vector(n)
}

fn solve(a: &Csr, options: &Options) -> Report {
    let r = Solver::new(a, options.clone()).unwrap().solve(&rhs(a.rows())).unwrap();
    let (b, ax) = (rhs(a.rows()), a.multiply(&r.x));
    let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let truth = norm(&b.iter().zip(&ax).map(|(b, ax)| b - ax).collect::<Vec<_>>()) / norm(&b);
    if r.reason.is_converged() {
        assert!(truth <= 1e-8, "{}: true residual {truth:e}", options.method);
    }
    assert!((truth - r.certificate.relative).abs() <= 1e-12, "{}: {truth:e}", options.method);
    r
}

fn options(method: &str, preconditioner: &str) -> Options {
    Options {
        method: method.into(),
        preconditioner: preconditioner.into(),
        backend: Backend::Cpu,
        max_iterations: 20_000,
        ..Options::default()
    }
}

/// What is expected of a cell.
enum Expect {
    /// Converged, at about so many iterations.
    About(usize),
    /// This reason.
    Is(&'static str),
}
use Expect::{About, Is};

const NOT_SYMMETRIC: Expect = Is("NotSymmetric");

/// Method; iterations on poisson2d(32), convection–diffusion (mild), (strong), random_spd with Jacobi.
const TABLE: &[(&str, [Expect; 4])] = &[
    ("steepest_descent", [About(3398), NOT_SYMMETRIC, NOT_SYMMETRIC, About(30)]),
    ("richardson", [About(4178), About(723), About(207), About(34)]),
    ("minimal_residual", [About(3327), About(571), About(188), About(29)]),
    ("chebyshev", [About(249), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)]),
    ("cg", [About(102), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)]),
    ("fcg", [About(102), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)]),
    ("cr", [About(100), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)]),
    ("minres", [About(100), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)]),
    ("gmres", [About(176), About(148), About(169), About(17)]),
    ("fgmres", [About(176), About(148), About(169), About(17)]),
    ("lgmres", [About(158), About(154), About(185), About(17)]),
    ("bicgstab", [About(78), About(56), About(81), About(11)]),
    ("bicgstabl", [About(39), About(28), About(28), About(5)]),
    ("idrs", [About(116), About(97), About(93), About(19)]),
    // Peaks of 6·10⁵ on the third system: beyond the divergence tolerance of 10⁵.
    ("cgs", [About(71), About(58), Is("Diverged"), About(9)]),
    ("tfqmr", [About(72), About(57), About(55), About(9)]),
];

#[test]
fn every_method_on_every_system() {
    let systems = [
        (gallery::poisson2d(32), "none"),
        (gallery::convection_diffusion2d(32, [0.3, 0.2]), "none"),
        (gallery::convection_diffusion2d(32, [2.0, 1.0]), "none"),
        (gallery::random_spd(1000, 7, 1), "jacobi"),
    ];
    let mut wrong = vec![];
    for (method, row) in TABLE {
        for (k, ((a, m), expect)) in systems.iter().zip(row).enumerate() {
            let r = solve(a, &options(method, m));
            let right = match expect {
                About(n) => {
                    let slack = (n / 10).max(2);
                    r.reason.is_converged() && (n - slack..=n + slack).contains(&r.iterations)
                }
                Is(name) => r.reason.name() == *name,
            };
            if !right {
                wrong.push(format!("{method} on system {k}: {} iterations, {}", r.iterations, r.reason));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_every_method() {
    for m in krylane::method::METHODS.iter().filter(|m| m.id != "projection") {
        assert!(TABLE.iter().any(|row| row.0 == m.id), "{} has no row", m.id);
    }
}

#[test]
fn a_known_spectrum_is_used() {
    // Eigenvalues 4 − 2 cos(iπ/33) − 2 cos(jπ/33).
    let c = (std::f64::consts::PI / 33.0).cos();
    let spectrum = Some((4.0 - 4.0 * c, 4.0 + 4.0 * c));
    let a = gallery::poisson2d(32);
    let r = solve(&a, &Options { spectrum, ..options("chebyshev", "none") });
    // ln(2·10⁸)/acosh((b + a)/(b − a)) = 201: the bound for the worst b.
    assert!(r.reason.is_converged() && (160..=210).contains(&r.iterations), "{} {}", r.iterations, r.reason);
    let r = solve(&a, &Options { spectrum, ..options("richardson", "none") });
    // ln(10⁸)/ln((κ + 1)/(κ − 1)) = 4063.
    assert!(r.reason.is_converged() && r.iterations <= 4100, "{} {}", r.iterations, r.reason);
    assert!(Solver::new(&a, Options { spectrum: Some((2.0, 1.0)), ..options("richardson", "none") }).is_err());
}

#[test]
fn solves_do_not_remember_each_other() {
    for method in ["lgmres", "chebyshev", "idrs"] {
        let a = gallery::poisson2d(20);
        let mut solver = Solver::new(&a, options(method, "none")).unwrap();
        let first = solver.solve(&rhs(400)).unwrap();
        let _between = solver.solve(&vec![1.0; 400]).unwrap();
        let again = solver.solve(&rhs(400)).unwrap();
        assert_eq!((first.iterations, first.x), (again.iterations, again.x), "{method}");
    }
}

#[test]
fn projection_finds_what_its_subspace_holds() {
    let a = gallery::convection_diffusion2d(12, [0.5, 0.1]);
    let mut random = Random::new(5);
    let mut subspace: Vec<Vec<f64>> = (0..6).map(|_| random.vector(144)).collect();
    // One solution vector among the others, and one twice.
    let solution = subspace[2].clone();
    subspace.push(solution.clone());
    let b = a.multiply(&solution);
    let mut solver = Solver::new(&a, Options { subspace: subspace.clone(), ..options("projection", "none") }).unwrap();
    let r = solver.solve(&b).unwrap();
    assert!(r.reason.is_converged(), "{}", r.reason);
    // Elsewhere the residual is orthogonal to the subspace.
    let r = solver.solve(&rhs(144)).unwrap();
    assert!(matches!(r.reason, Reason::Stagnated), "{}", r.reason);
    let ax = a.multiply(&r.x);
    for v in &subspace {
        let dot: f64 = (0..144).map(|i| v[i] * (rhs(144)[i] - ax[i])).sum();
        assert!(dot.abs() < 1e-12, "{dot:e}");
    }
    assert!(Solver::new(&a, options("projection", "none")).is_err());
}

#[cfg(feature = "gpu")]
#[test]
fn the_same_on_a_gpu() {
    use krylane::Precision;
    let wanted = |method: &str, precision| Options { backend: Backend::Gpu, precision, ..options(method, "jacobi") };
    let a = gallery::random_spd(300, 7, 1);
    if Solver::new(&a, wanted("cg", Precision::F32)).is_err() {
        return; // no adapter
    }
    for (method, _) in TABLE {
        let cpu = solve(&a, &options(method, "jacobi"));
        let single = solve(&a, &wanted(method, Precision::F32));
        assert!(single.reason.is_converged(), "{method} in f32: {}", single.reason);
        if Solver::new(&a, wanted(method, Precision::F64)).is_ok() {
            let double = solve(&a, &wanted(method, Precision::F64));
            assert!(double.reason.is_converged(), "{method} in f64: {}", double.reason);
            let (few, many) = (cpu.iterations.min(double.iterations), cpu.iterations.max(double.iterations));
            assert!(many - few <= 1 + cpu.iterations / 3, "{method}: {} and {}", cpu.iterations, double.iterations);
        }
    }
}
