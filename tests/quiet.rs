//! A program that begins with `quiet_mesa` hears nothing of Mesa's layers. Without the test harness, which has threads before
//! any test begins.

use std::process::{Command, ExitCode};

/// Marks the run that calls the library.
const INNER: &str = "KRYLANE_TEST_OF_QUIET_LAYERS";

fn main() -> ExitCode {
    if std::env::var_os(INNER).is_some() {
        assert!(krylane::quiet_mesa(), "this process has one thread");
        let a = krylane::matrix::gallery::poisson2d(10);
        let b = vec![1.0; a.rows()];
        let mut solver = krylane::Solver::builder(&a).build().expect("a solver");
        assert!(solver.solve(&b).expect("a report").reason.is_converged());
        #[cfg(feature = "gpu")]
        println!("{} adapters", krylane::adapters().len());
        return ExitCode::SUCCESS;
    }
    let program = std::env::current_exe().expect("this program");
    let run =
        Command::new(program).env(INNER, "1").env_remove("XDG_RUNTIME_DIR").env_remove("NODEVICE_SELECT").output();
    let run = run.expect("a run");
    let heard = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && !heard.contains("error"), "{heard}");
    println!("quiet: {}", String::from_utf8_lossy(&run.stdout).trim());
    ExitCode::SUCCESS
}
