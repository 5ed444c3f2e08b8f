//! The race of candidates behind "auto": the same choices and bits whatever the run, what wins where, what is remembered.

mod common;

use common::{assert_solved, random_vector};
use krylane::matrix::{Csr, gallery};
use krylane::{Backend, Knobs, Options, Precision, Report, Solver, When};
use std::time::{Duration, Instant};

fn options() -> Options {
    Options { backend: Backend::Cpu, threads: 1, ..Options::default() }
}

fn solve(a: &Csr, b: &[f64], options: Options) -> Report {
    Solver::new(a, options).unwrap().solve(b).unwrap()
}

/// A candidate: method, preconditioner, iterations, how it ended.
type Ran = (String, String, usize, String);

/// Candidates with their iterations, and the bits of x.
fn essence(r: &Report) -> (Vec<Ran>, Vec<u64>) {
    let rungs = r.rungs.iter().map(|r| (r.method.clone(), r.preconditioner.clone(), r.iterations, r.reason.clone()));
    (rungs.collect(), r.x.iter().map(|v| v.to_bits()).collect())
}

#[test]
fn choices_and_bits_are_those_of_any_run() {
    // Slow at first, so that several candidates have a turn: symmetric, indefinite and general.
    for (name, a) in [
        ("anisotropic", gallery::anisotropic2d(60, 1e-4)),
        ("indefinite", gallery::tridiagonal(3000, -1.0, 1.2, -1.0)),
        ("waves", gallery::helmholtz2d(40, 0.35, 12, 0.0)),
        ("general", gallery::random_general(2000, 6, 3)),
    ] {
        let b = random_vector(a.rows(), 2);
        let first = solve(&a, &b, options());
        assert_solved(name, &a, &b, &first, 1e-8);
        assert_eq!(first.rungs.iter().map(|r| r.iterations).sum::<usize>(), first.iterations, "{name}");
        for (threads, lag, batch) in [(1, None, None), (2, None, None), (2, Some(0), Some(1)), (1, Some(3), Some(7))] {
            let knobs = Knobs { lag, batch, ..Knobs::default() };
            let again = solve(&a, &b, Options { threads, knobs, ..options() });
            assert_eq!(essence(&again), essence(&first), "{name}: {threads} threads, lag {lag:?}, batch {batch:?}");
        }
    }
}

#[test]
fn factors_win_where_they_fill_little_and_multigrid_on_grids() {
    // A chain takes as many iterations as it has links, and its factors have no fill.
    let chain = gallery::poisson1d(20_000);
    let b = random_vector(chain.rows(), 2);
    let r = solve(&chain, &b, options());
    assert_solved("chain", &chain, &b, &r, 1e-8);
    assert!(r.preconditioner.starts_with("lu") && r.iterations < 500, "{:?}", r.rungs);
    // Nothing comes before multigrid on a large grid, and nothing after it.
    for (name, a) in [("cube", gallery::poisson3d(32)), ("jumps", gallery::chessboard2d(180, 6, 1e6))] {
        let b = random_vector(a.rows(), 2);
        let r = solve(&a, &b, options());
        assert_solved(name, &a, &b, &r, 1e-8);
        assert!(r.rungs.len() == 1 && r.preconditioner == "amg", "{name}: {:?}", r.rungs);
    }
    // What converges at once needs no other.
    let easy = gallery::tridiagonal(5000, -1.0, 8.0, -1.0);
    let b = random_vector(easy.rows(), 2);
    let r = solve(&easy, &b, options());
    assert!(r.rungs.len() == 1 && r.reason.is_converged(), "{:?}", r.rungs);
}

#[test]
fn the_winner_starts_next_time() {
    let a = gallery::poisson1d(20_000);
    let systems: Vec<Vec<f64>> = (1..4).map(|seed| random_vector(a.rows(), seed)).collect();
    let mut solver = Solver::new(&a, options()).unwrap();
    let first = solver.solve(&systems[0]).unwrap();
    let second = solver.solve(&systems[1]).unwrap();
    assert!(first.rungs.len() > 1, "{:?}", first.rungs);
    assert_eq!(second.rungs.len(), 1, "{:?}", second.rungs);
    assert_eq!(second.preconditioner, first.preconditioner);
    // Stronger couplings on the same places.
    let mut stronger = a.clone();
    stronger.set_values(a.values().iter().map(|v| 3.0 * v).collect()).unwrap();
    solver.update(&stronger).unwrap();
    let third = solver.solve(&systems[2]).unwrap();
    assert!(third.reason.is_converged() && third.rungs.len() == 1, "{:?}", third.rungs);
    // Several at once race once.
    let many = Solver::new(&a, options()).unwrap().solve_many(&systems).unwrap();
    assert!(many.iter().all(|r| r.reason.is_converged()));
    assert!(many[0].rungs.len() > 1 && many[1..].iter().all(|r| r.rungs.len() == 1));
}

#[test]
fn what_was_asked_for_has_no_budget() {
    let a = gallery::random_general(3000, 8, 5);
    let r = solve(&a, &random_vector(a.rows(), 1), Options { preconditioner: "ilut".parse().unwrap(), ..options() });
    assert!(r.reason.is_converged() && r.rungs.iter().all(|r| r.preconditioner.starts_with("ilut")), "{r}");
    assert!(r.rungs.iter().all(|r| !r.reason.contains("stopped")), "{r}");
}

/// A table of the race in which two lines read alike tells nobody who won.
#[test]
fn no_two_candidates_have_one_name() {
    let shifted = gallery::tridiagonal(500, 1.0, -0.1, 1.0);
    let zeros = gallery::tridiagonal(500, 1.0, 0.0, 1.0);
    let mesh = gallery::poisson2d(180);
    for a in
        [shifted, zeros, mesh, gallery::convection_diffusion2d(180, [0.7, 0.2]), gallery::random_general(300, 5, 1)]
    {
        for precision in [Precision::Auto, Precision::Mixed] {
            let options = Options { precision, backend: Backend::Cpu, ..Options::default() };
            let mut names = Solver::new(&a, options).unwrap().candidates();
            let count = names.len();
            names.sort();
            let all = names.clone();
            names.dedup();
            assert!(count > 2 && names.len() == count, "{all:#?}");
        }
    }
}

/// A set-up ends soon after its time is over, whatever it is at work on.
#[test]
fn set_ups_look_at_the_clock() {
    let a = gallery::poisson2d(600);
    let b = vec![1.0; a.rows()];
    for preconditioner in
        ["auto", "amg", "amg:smoother=gauss_seidel", "lu", "ic0", "ilut", "fsai", "chebyshev", "scaling"]
    {
        for (reorder, equilibrate) in [(When::Auto, When::Auto), (When::Always, When::Always)] {
            let limit = Duration::from_millis(150);
            let options = Options {
                method: if preconditioner == "auto" { "auto" } else { "gmres" }.parse().unwrap(),
                preconditioner: preconditioner.parse().unwrap(),
                time_limit: Some(limit),
                backend: Backend::Cpu,
                reorder,
                equilibrate,
                ..Options::default()
            };
            let mut solver = Solver::new(&a, options).unwrap();
            let begun = Instant::now();
            let report = solver.solve(&b).unwrap();
            let late = begun.elapsed().saturating_sub(limit);
            // A set-up of `lu` alone takes ten times that.
            assert!(
                late < Duration::from_millis(900),
                "{preconditioner}, {reorder:?}: {late:?} late, {}",
                report.reason
            );
        }
    }
}
