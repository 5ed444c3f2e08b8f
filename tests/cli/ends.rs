//! Switches that change nothing, pipes, signals, eigenpairs.

use super::*;

#[test]
fn hidden_switches_change_no_bit() {
    let dir = Folder::new();
    let x = |more: &[&str]| {
        expect(&solve(&[&["poisson2d:25", "-o", &dir.name("x")], more].concat()), 0);
        fs::read(dir.path("x")).unwrap()
    };
    let plain = x(&[]);
    for more in [&["--threads", "1"][..], &["--lag", "7", "--batch", "3"], &["--lag", "0"]] {
        assert_eq!(x(more), plain, "{more:?}");
    }
}

/// A reader that goes away, as in `krylane … | head`, is no error.
#[test]
fn closed_pipes_are_no_error() {
    for args in
        [&["gen", "poisson2d", "200", "-o", "-"][..], &["gen", "--list"], &["solve", "diag:3", "--backend", "cpu"]]
    {
        let mut child = started(args);
        drop(child.stdout.take());
        let (_, err) = expect(&child.wait_with_output().expect("an end"), 0);
        assert_eq!(err, "");
    }
}

/// Started by a launcher, a program without MPI would solve the same system on each rank; one rank says so.
#[cfg(not(feature = "mpi"))]
#[test]
fn several_processes_without_mpi_are_refused() {
    let rank = |k: &str| {
        let mut program = Command::new(PROGRAM);
        program.args(["solve", "poisson2d:5"]).env("OMPI_COMM_WORLD_SIZE", "3").env("OMPI_COMM_WORLD_RANK", k);
        program.output().expect("the program starts")
    };
    refuses(&rank("0"), 2, &["started 3 processes", "--features mpi"]);
    assert_eq!(expect(&rank("1"), 2), (String::new(), String::new()));
}

#[cfg(unix)]
#[test]
fn signals_end_the_solve_and_results_are_written() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let dir = Folder::new();
        let (json, x) = (dir.name("r.json"), dir.name("x.mtx"));
        // rtol 0 on a system that needs thousands of iterations: it would run for minutes.
        let mut child = Command::new(PROGRAM)
            .args(["solve", "poisson2d:700", "--backend", "cpu", "--rtol", "1e-13", "-m", "steepest_descent"])
            .args(["--max-iterations", "100000000", "--quiet", "--json", &json, "--output", &x, "--monitor"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // The first iteration is told, however slow the machine is.
        let mut told = std::io::BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("steepest_descent with") {
            line.clear();
            assert!(std::io::BufRead::read_line(&mut told, &mut line).expect("a line") > 0, "no iteration was told");
        }
        let sent = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        expect(&child.wait_with_output().expect("an end"), code);
        assert_eq!(report(dir.path("r.json"))["reason"], "Cancelled");
        assert!(report(dir.path("r.json"))["iterations"].as_u64() > Some(0));
        assert_eq!(read_vector(Path::new(&x), &ReadOptions::default()).unwrap().len(), 490_000);
    }
}

#[test]
fn eigenpairs() {
    let f = Folder::new();
    let (json, vectors) = (f.name("r.json"), f.name("v.mtx"));
    let common = ["--backend", "cpu", "--json", &json];
    let args = [&["eigs", "poisson2d:20", "-k", "3", "--which", "SA", "--output", &vectors], &common[..]].concat();
    let (out, _) = expect(&krylane(&args), 0);
    assert!(out.contains("Converged") && out.contains("plan"), "{out}");
    let r = report(Path::new(&json));
    let values: Vec<f64> = r["eigenvalues"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let s = |j: f64| 4.0 * (j * std::f64::consts::PI / 42.0).sin().powi(2);
    for (found, expected) in values.iter().zip([2.0 * s(1.0), s(1.0) + s(2.0), s(1.0) + s(2.0)]) {
        assert!((found - expected).abs() < 1e-9, "{values:?}");
    }
    assert_eq!((values.len(), r["reason"].as_str()), (3, Some("Converged")));
    let bound = 1e-10 * r["matrix_norm"].as_f64().unwrap();
    assert!(r["residuals"].as_array().unwrap().iter().all(|v| v.as_f64().unwrap() <= bound));
    assert!(fs::read_to_string(&vectors).unwrap().starts_with("%%MatrixMarket matrix array real general\n400 3\n"));

    // A complex pair; the generalised problem; a shift.
    let rotation = f.file("j.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 2 -1\n2 1 1\n");
    expect(&krylane(&[&["eigs", &rotation, "-k", "2"], &common[..]].concat()), 0);
    let r = report(Path::new(&json));
    assert!((r["eigenvalues"][0]["im"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{}", r["eigenvalues"]);
    let mass = f.file("m.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 2\n2 2 4\n");
    let diagonal = f.file("d.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 6\n2 2 4\n");
    expect(&krylane(&[&["eigs", &diagonal, "-k", "1", "--mass", &mass, "--which", "la"], &common[..]].concat()), 0);
    assert!((report(Path::new(&json))["eigenvalues"][0].as_f64().unwrap() - 3.0).abs() < 1e-12);
    expect(&krylane(&[&["eigs", "poisson1d:300", "-k", "1", "--sigma", "2.0"], &common[..]].concat()), 0);
    assert!((report(Path::new(&json))["eigenvalues"][0].as_f64().unwrap() - 2.0).abs() < 0.011);

    // Numbers that begin with a sign, complex ones too.
    for sigma in ["-1e-3", "-.5", "-2", "-0.5+1e-1i", "-i", "1-2e-3j"] {
        expect(&krylane(&[&["eigs", "poisson2d:6", "-k", "2", "--sigma", sigma], &common[..]].concat()), 0);
    }
    refuses(&krylane(&["eigs", "poisson2d:6", "--sigma", "-x"]), 2, &["-x", "1.5+2i"]);
    refuses(&krylane(&["solve", "poisson2d:6", "--rtol", "-1e-3"]), 2, &["rtol"]);
    // A Hermitian matrix: real values, complex vectors; what is wrong with B is in its own file.
    let pauli = f.file("p.mtx", "%%MatrixMarket matrix coordinate complex hermitian\n2 2 1\n2 1 0 3\n");
    expect(&krylane(&[&["eigs", &pauli, "--complex", "-k", "2", "-o", &vectors], &common[..]].concat()), 0);
    let values: Vec<f64> =
        report(Path::new(&json))["eigenvalues"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert!((values[0].abs() - 3.0).abs() < 1e-12 && (values[0] + values[1]).abs() < 1e-12, "{values:?}");
    assert!(fs::read_to_string(&vectors).unwrap().starts_with("%%MatrixMarket matrix array complex general\n2 2\n"));
    expect(&krylane(&[&["svds", &pauli, "--complex", "-k", "1"], &common[..]].concat()), 0);
    assert!((report(Path::new(&json))["singular_values"][0].as_f64().unwrap() - 3.0).abs() < 1e-12);
    let mass = f.file("n.mtx", "%%MatrixMarket matrix coordinate real general\n3 3 1\n1 1 2\n");
    refuses(&krylane(&["eigs", "poisson1d:5", "-k", "1", "--mass", &mass]), 2, &["n.mtx", "B is 3 x 3"]);

    expect(&krylane(&[&["eigs", "poisson2d:60", "-k", "3", "--max-iterations", "40"], &common[..]].concat()), 1);
    assert_eq!(report(Path::new(&json))["reason"], "MaxIterations");
    refuses(&krylane(&["eigs", "poisson1d:5", "-k", "6"]), 2, &["k is 6", "order 5"]);
    refuses(&krylane(&["eigs", "poisson1d:5", "-k", "0"]), 2, &["k is 0"]);
    refuses(&krylane(&["eigs", "poisson1d:5", "--which", "XX"]), 2, &["XX"]);
    refuses(&krylane(&["eigs", "poisson1d:5", "-k", "1", "--mass", "nowhere.mtx"]), 2, &["nowhere.mtx"]);

    let args = [&["svds", &diagonal, "-k", "2", "--output", &vectors], &common[..]].concat();
    expect(&krylane(&args), 0);
    let r = report(Path::new(&json));
    assert!((r["singular_values"][0].as_f64().unwrap() - 6.0).abs() < 1e-12, "{}", r["singular_values"]);
}
