//! Every method on a row of systems, on every backend, at every lag: status, iterations, and the true residual
//! recomputed here. The table is printed with `--nocapture`.
//!
//! Figures to compare with, asserted in `FIGURES` (b from seed 42, rtol 1e-8, M = I; iterations, products where
//! marked p). SciPy is 1.17.1, called as `cg(A, b, rtol=1e-8)`, `gmres(A, b, rtol=1e-8, restart=30)`,
//! `lsqr(A, b, atol=0, btol=1e-8, conlim=0)` and so on; of minres the first iteration at which the true residual
//! passes.
//!
//! | method | source | poisson2d 32² | convection 32², (0.3, 0.2) | convection 32², (2, 1) |
//! |---|---|---|---|---|
//! | cg | SciPy | 102 | | |
//! | cr | written down from Saad 2003, algorithm 6.20, in NumPy | 100 | | |
//! | minres | SciPy | 100 | | |
//! | bicgstab | SciPy | 70 | 55 | 80 |
//! | cgs | SciPy | 71 | 58 | 55, with ‖r‖ up to 6·10⁵‖b‖ on the way |
//! | tfqmr | SciPy (half steps) | 149 p | 117 p | 110 p |
//! | gmres(30), fgmres(30) | SciPy | 176 | 148 | 169 |
//! | lgmres(30, 3) | SciPy | 156 p | 154 p | 183 p |
//! | gcrotmk(20, 20), for lgmres | SciPy | 139 p | 154 p | 154 p |
//! | gcrotmk(30, 20), b of NumPy's | SciPy | 127 p | 141 p | 149 p |
//! | bicg, qmr, b of NumPy's | SciPy | 99, 98 | 104, 100 | 92, 92 |
//! | bicgstabl | Sleijpen and Fokkema's algorithm in NumPy | 39 | 28 | 28 |
//! | idrs | idrs.m in NumPy, three random P | 112–119 p | 98–105 p | 93 p |
//! | lsqr | SciPy | 556 | 640 | 229 |
//! | lsmr | SciPy | 556 | 651 | 230 |

mod common;

use common::{Target, one_at_a_time, targets};
use krylane::matrix::{Csr, gallery};
use krylane::random::Random;
use krylane::{Backend, Knobs, Method, Options, Reason, Report, Solver};

fn rhs(n: usize) -> Vec<f64> {
    Random::new(42).vector(n)
}

/// Solves, and holds the report's residual against one computed here.
fn checked(a: &Csr, options: &Options) -> Report {
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
        method: method.parse().unwrap(),
        preconditioner: preconditioner.parse().unwrap(),
        backend: Backend::Cpu,
        max_iterations: 20_000,
        ..Options::default()
    }
}

/// What is expected of a cell.
#[derive(Clone, Copy)]
enum Expect {
    /// Converged, at about so many iterations.
    About(usize),
    /// This reason.
    Is(&'static str),
}
use Expect::{About, Is};

const NOT_SYMMETRIC: Expect = Is("NotSymmetric");

/// Method; iterations on poisson2d(32), convection–diffusion (mild), (strong), random_spd with Jacobi; how many times as many
/// in f32, where renewals of the residual cost the directions of some.
const TABLE: &[(&str, [Expect; 4], f64)] = &[
    ("steepest_descent", [About(3398), NOT_SYMMETRIC, NOT_SYMMETRIC, About(30)], 1.0),
    ("richardson", [About(4178), About(723), About(207), About(34)], 1.1),
    ("minimal_residual", [About(3327), About(571), About(188), About(29)], 1.1),
    ("chebyshev", [About(249), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)], 1.0),
    ("cg", [About(102), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)], 1.0),
    ("fcg", [About(102), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)], 1.0),
    ("cr", [About(100), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)], 1.1),
    ("minres", [About(100), NOT_SYMMETRIC, NOT_SYMMETRIC, About(17)], 1.1),
    ("gmres", [About(176), About(148), About(169), About(17)], 1.0),
    ("fgmres", [About(176), About(148), About(169), About(17)], 1.0),
    ("lgmres", [About(158), About(154), About(185), About(17)], 1.0),
    ("bicgstab", [About(78), About(56), About(81), About(11)], 1.2),
    ("bicgstabl", [About(39), About(28), About(28), About(5)], 1.1),
    ("idrs", [About(116), About(97), About(93), About(19)], 1.6),
    ("cgs", [About(71), About(58), About(55), About(9)], 2.1),
    ("tfqmr", [About(72), About(57), About(55), About(9)], 2.3),
    ("gcrotmk", [About(127), About(141), About(149), About(17)], 1.0),
    ("bicg", [About(102), About(104), About(92), About(17)], 2.2),
    ("qmr", [About(100), About(100), About(92), About(17)], 2.5),
    ("lsqr", [About(556), About(640), About(229), About(38)], 1.9),
    ("lsmr", [About(556), About(651), About(230), About(38)], 1.9),
];

/// Recorded iterations of others on the first three systems, and how far ours may be from them.
const FIGURES: &[(&str, [Option<usize>; 3], f64)] = &[
    ("cg", [Some(102), None, None], 0.1),
    ("cr", [Some(100), None, None], 0.1),
    ("minres", [Some(100), None, None], 0.1),
    ("gmres", [Some(176), Some(148), Some(169)], 0.1),
    ("fgmres", [Some(176), Some(148), Some(169)], 0.1),
    ("lgmres", [Some(156), Some(154), Some(183)], 0.1),
    ("lsqr", [Some(556), Some(640), Some(229)], 0.1),
    ("lsmr", [Some(556), Some(651), Some(230)], 0.1),
    ("bicgstab", [Some(70), Some(55), Some(80)], 0.3),
    ("bicgstabl", [Some(39), Some(28), Some(28)], 0.3),
    ("cgs", [Some(71), Some(58), Some(55)], 0.3),
    // SciPy counts half steps.
    ("tfqmr", [Some(75), Some(59), Some(55)], 0.3),
    ("idrs", [Some(115), Some(100), Some(93)], 0.3),
    ("gcrotmk", [Some(127), Some(141), Some(149)], 0.3),
    ("bicg", [Some(99), Some(104), Some(92)], 0.3),
    ("qmr", [Some(98), Some(100), Some(92)], 0.3),
];

fn systems() -> [(Csr, &'static str); 4] {
    [
        (gallery::poisson2d(32), "none"),
        (gallery::convection_diffusion2d(32, [0.3, 0.2]), "none"),
        (gallery::convection_diffusion2d(32, [2.0, 1.0]), "none"),
        (gallery::random_spd(1000, 7, 1), "jacobi"),
    ]
}

/// Differences in iterations that other orders of summation may bring.
fn slack(method: &str, n: usize) -> usize {
    let rough = ["bicg", "bicgstab", "bicgstabl", "cgs", "gcrotmk", "idrs", "qmr", "tfqmr"].contains(&method);
    (if rough { 3 * n / 10 } else { n / 10 }).max(2)
}

#[test]
fn every_method_on_every_system_on_every_backend_at_every_lag() {
    let _guard = one_at_a_time();
    let systems = systems();
    let mut wrong = vec![];
    // f32 on the CPU is for tests of kernels.
    let targets: Vec<Target> = targets().into_iter().filter(|t| t.name != "cpu f32").collect();
    println!("{:<18} {:<8} {:>24} {:>24} {:>24} {:>24}", "method", "on", "poisson", "mild", "strong", "spd");
    for (method, row, in_single) in TABLE {
        for target in &targets {
            let mut line = format!("{method:<18} {:<8}", target.name);
            for (k, ((a, m), expect)) in systems.iter().zip(row).enumerate() {
                let run = |lag| {
                    let options = Options {
                        preconditioner: (*m).parse().unwrap(),
                        max_iterations: 20_000,
                        knobs: Knobs { lag: Some(lag), ..target.knobs() },
                        ..target.options(method)
                    };
                    checked(a, &options)
                };
                let r = run(0);
                let what = format!("{method} on system {k}, {}: {} after {}", target.name, r.reason, r.iterations);
                line += &format!(" {:>24}", format!("{} {}", r.reason.name(), r.iterations));
                let later = run(3);
                if (later.iterations, &later.x) != (r.iterations, &r.x) {
                    wrong.push(format!("{what}; at lag 3 {} after {}", later.reason, later.iterations));
                }
                let right = match *expect {
                    About(n) if target.single => {
                        r.reason.is_converged() && r.iterations <= (in_single * n as f64) as usize + slack(method, n)
                    }
                    About(n) => r.reason.is_converged() && r.iterations.abs_diff(n) <= slack(method, n),
                    Is(name) => r.reason.name() == name,
                };
                if !right {
                    wrong.push(what.clone());
                }
                let figure = FIGURES.iter().find(|f| f.0 == *method).and_then(|f| Some((f.1.get(k).copied()??, f.2)));
                if let (Some((n, part)), false) = (figure, target.single)
                    && r.iterations.abs_diff(n) as f64 > part * n as f64
                {
                    wrong.push(format!("{what}; recorded elsewhere: {n}"));
                }
            }
            println!("{line}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_every_method() {
    for m in krylane::method::METHODS.iter().filter(|m| !m.traits.program_only) {
        assert!(TABLE.iter().any(|row| row.0 == m.id), "{} has no row", m.id);
    }
}

#[test]
fn a_known_spectrum_is_used() {
    // Eigenvalues 4 − 2 cos(iπ/33) − 2 cos(jπ/33).
    let c = (std::f64::consts::PI / 33.0).cos();
    let spectrum = Some((4.0 - 4.0 * c, 4.0 + 4.0 * c));
    let a = gallery::poisson2d(32);
    let r = checked(&a, &Options { method: Method::Chebyshev { spectrum }, ..options("chebyshev", "none") });
    // ln(2·10⁸)/acosh((b + a)/(b − a)) = 201: the bound for the worst b.
    assert!(r.reason.is_converged() && (160..=210).contains(&r.iterations), "{} {}", r.iterations, r.reason);
    let r = checked(&a, &Options { method: Method::Richardson { spectrum }, ..options("richardson", "none") });
    // ln(10⁸)/ln((κ + 1)/(κ − 1)) = 4063.
    assert!(r.reason.is_converged() && r.iterations <= 4100, "{} {}", r.iterations, r.reason);
    assert!(
        Solver::new(
            &a,
            Options { method: Method::Richardson { spectrum: Some((2.0, 1.0)) }, ..options("richardson", "none") }
        )
        .is_err()
    );
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
    let mut solver = Solver::new(
        &a,
        Options { method: Method::Projection { subspace: subspace.clone() }, ..options("projection", "none") },
    )
    .unwrap();
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

#[test]
fn projection_onto_many_vectors_on_every_backend() {
    let _guard = one_at_a_time();
    let a = gallery::poisson2d(9);
    for target in &targets() {
        for k in [8, 9, 31] {
            let mut random = Random::new(k as u64);
            let subspace: Vec<Vec<f64>> = (0..k).map(|_| random.vector(81)).collect();
            let b = a.multiply(&subspace[k / 2]);
            let options = Options { method: Method::Projection { subspace }, ..target.options("projection") };
            let r = Solver::new(&a, options).unwrap().solve(&b).unwrap();
            // In f32 the basis itself is rounded, and there is no second look.
            let exact = r.reason.is_converged() || target.single && r.certificate.relative < 1e-5;
            assert!(exact, "{k} vectors on {}: {} {:e}", target.name, r.reason, r.certificate.relative);
        }
    }
}
