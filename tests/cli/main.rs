//! The program from outside: exit codes, reports, files, signals.
#![cfg(feature = "cli")]

#[path = "../common/program.rs"]
mod program;

mod ends;
mod kernels;
mod words;

use krylane::io::{ReadOptions, read_columns, read_matrix, read_vector, write_columns};
use program::{Folder, PROGRAM, expect, krylane, report, started};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `solve … --backend cpu`, where no GPU can make a difference.
fn solve(args: &[&str]) -> Output {
    krylane(&[&["solve", "--backend", "cpu"], args].concat())
}

#[track_caller]
fn refuses(output: &Output, code: i32, words: &[&str]) {
    let (_, err) = expect(output, code);
    for word in words {
        assert!(err.contains(word), "{word:?} is missing in: {err}");
    }
}

#[test]
fn converges_with_a_whole_report() {
    let dir = Folder::new();
    let (out, err) = expect(&solve(&["poisson2d:30", "--json", &dir.name("r.json")]), 0);
    assert!(err.is_empty(), "{err}");
    for word in
        ["poisson2d:30: 900 x 900", "symmetric", "plan", "Converged", "certificate", "iterations", "GB/s", "CPU"]
    {
        assert!(out.contains(word), "{word} is missing in: {out}");
    }
    assert!(!out.contains('\x1b'), "colours in a pipe");
    let r = report(dir.path("r.json"));
    assert_eq!(r["reason"], "Converged");
    assert_eq!(r["adapter"]["backend"], "cpu");
    assert_eq!(r["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(r["matrix"]["rows"], 900);
    assert_eq!(r["matrix"]["symmetry"], "symmetric");
    assert!(r["adapter"]["name"].is_string());
    assert!(r["certificate"]["relative"].as_f64().unwrap() <= 1e-8);
    for key in [
        "/iterations",
        "/matvecs",
        "/certificate/backward_error",
        "/timings/setup_s",
        "/timings/solve_s",
        "/gpu/submits",
        "/gpu/dispatches",
        "/gpu/syncs",
        "/bytes_moved",
        "/total_s",
    ] {
        assert!(r.pointer(key).is_some_and(Value::is_number), "{key}");
    }
    assert_eq!(r["history"].as_array().unwrap().len() as u64, r["iterations"].as_u64().unwrap());
    assert_eq!(dir.list(), ["r.json"], "nothing else is left");
}

#[test]
fn report_on_stdout_is_nothing_but_json() {
    let (out, err) = expect(&solve(&["--gen", "diag:5", "--json", "-"]), 0);
    let r: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(r["reason"], "Converged");
    assert!(err.contains("Converged"), "the summary moves to stderr: {err}");
    let (_, err) = expect(&solve(&["--gen", "diag:5", "--json", "-", "--quiet"]), 0);
    assert!(err.is_empty());
}

#[test]
fn solution_round_trip() {
    let dir = Folder::new();
    let (a, x, b) = (dir.name("A.mtx.gz"), dir.name("x.mtx"), dir.name("b.mtx"));
    expect(&krylane(&["gen", "convection_diffusion2d", "20", "-o", &a, "--set", "peclet=0.8"]), 0);
    let values: Vec<f64> = (0..400).map(|k| (k as f64 * 0.7).sin()).collect();
    krylane::io::write_vector(Path::new(&b), &values).unwrap();
    for precond in ["none", "jacobi"] {
        expect(&solve(&[&a, "--rhs", &b, "--output", &x, "-p", precond, "--rtol", "1e-10"]), 0);
        let matrix = read_matrix(Path::new(&a), &ReadOptions::default()).unwrap().matrix;
        let x = read_vector(Path::new(&x), &ReadOptions::default()).unwrap();
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let r: Vec<f64> = values.iter().zip(matrix.multiply(&x)).map(|(b, ax)| b - ax).collect();
        assert!(norm(&r) <= 1.001e-10 * norm(&values), "{:e}", norm(&r) / norm(&values));
    }
    // The answer as initial guess leaves nothing to do.
    let json = dir.name("r.json");
    expect(&solve(&[&a, "--rhs", &b, "--x0", &x, "--rtol", "1e-9", "--json", &json]), 0);
    let r = report(dir.path("r.json"));
    assert_eq!((&r["iterations"], &r["reason_detail"]), (&0.into(), &"InitialGuess".into()));
}

#[test]
fn complex_systems() {
    let dir = Folder::new();
    let (a, x, json) = (dir.name("A.mtx"), dir.name("x.mtx"), dir.name("r.json"));
    expect(&krylane(&["gen", "helmholtz2d", "24", "-o", &a, "--quiet"]), 0);
    refuses(&solve(&[&a]), 2, &["--complex", "A.mtx:1"]);
    expect(&solve(&[&a, "--complex", "--rhs", "random:1", "--output", &x, "--json", &json]), 0);
    let r = report(dir.path("r.json"));
    assert_eq!((&r["matrix"]["complex"], &r["matrix"]["rows"]), (&true.into(), &1152.into()));
    // In complex numbers, from the files.
    let complex = ReadOptions { complex: true, ..ReadOptions::default() };
    let (loaded, z) = (read_matrix(Path::new(&a), &complex).unwrap(), read_vector(Path::new(&x), &complex).unwrap());
    let (re, im) = krylane::matrix::complex::split(&z);
    let c = loaded.imaginary.unwrap();
    let b = krylane::random::Random::new(1).vector(1152);
    let mut norms = [0.0, 0.0];
    for i in 0..576 {
        let sum = |m: &krylane::matrix::Csr, v: &[f64]| -> f64 {
            m.row(i).0.iter().zip(m.row(i).1).map(|(&j, a)| a * v[j as usize]).sum()
        };
        let (f, g) = (sum(&loaded.matrix, &re) - sum(&c, &im), sum(&loaded.matrix, &im) + sum(&c, &re));
        norms[0] += (b[2 * i] - f).powi(2) + (b[2 * i + 1] - g).powi(2);
        norms[1] += b[2 * i].powi(2) + b[2 * i + 1].powi(2);
    }
    assert!(norms[0].sqrt() <= 1.001e-8 * norms[1].sqrt(), "{norms:?}");
    // A real right-hand side will do, one of the wrong length won't.
    let real = dir.file("b.txt", "1\n".repeat(576));
    expect(&solve(&[&a, "--complex", "--rhs", &real, "--quiet"]), 0);
    let short = dir.file("c.txt", "1\n".repeat(575));
    refuses(&solve(&[&a, "--complex", "--rhs", &short]), 2, &["575 entries", "576 rows"]);
    // From the gallery no flag is needed; a real matrix of it can't be complex, a real file can.
    expect(&solve(&["helmholtz2d:12", "--quiet"]), 0);
    refuses(&solve(&["poisson2d:5", "--complex"]), 2, &["poisson2d is real"]);
    let real = dir.file("real.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 2\n2 2 4\n");
    let rhs = dir.file("rhs.mtx", "%%MatrixMarket matrix array complex general\n2 1\n2 4\n0 8\n");
    expect(&solve(&[&real, "--complex", "--rhs", &rhs, "--output", &x, "--quiet"]), 0);
    let z = read_vector(Path::new(&x), &complex).unwrap();
    assert!(z.iter().zip([1.0, 2.0, 0.0, 2.0]).all(|(z, w)| (z - w).abs() < 1e-7), "{z:?}");
}

#[test]
fn least_squares_exit_0_where_asked_for() {
    let dir = Folder::new();
    let tall = "%%MatrixMarket matrix coordinate real general\n3 2 4\n1 1 1\n2 2 2\n3 1 1\n3 2 1\n";
    let a = dir.file("A.mtx", tall);
    let json = dir.name("r.json");
    for method in ["lsqr", "lsmr"] {
        let (out, _) = expect(&solve(&[&a, "-m", method, "--json", &json]), 0);
        assert!(out.contains("LeastSquares") && out.contains("|A'r|"), "{out}");
        let r = report(dir.path("r.json"));
        assert_eq!(r["reason"], "LeastSquares");
        assert!(r["certificate"]["optimality"].as_f64().unwrap() <= 1e-8);
        assert!(r["certificate"]["normal_residual"].as_f64().unwrap() <= 1e-7);
    }
    for method in ["cg", "gmres"] {
        refuses(&solve(&[&a, "-m", method]), 2, &["3 x 2", "lsqr"]);
    }
    // A rectangular system has no other meaning.
    let (out, _) = expect(&solve(&[&a, "--json", &json]), 0);
    assert!(out.contains("LeastSquares") && out.contains("3 x 2"), "{out}");
    let wide = dir.file("wide.mtx", "%%MatrixMarket matrix coordinate real general\n1 2 2\n1 1 3\n1 2 4\n");
    let x = dir.name("x.mtx");
    expect(&solve(&[&wide, "--rhs", "ones", "-o", &x]), 0);
    let shortest = read_vector(Path::new(&x), &Default::default()).unwrap();
    assert!((shortest[0] - 0.12).abs() < 1e-8 && (shortest[1] - 0.16).abs() < 1e-8, "{shortest:?}");
    // MINRES finds one too, but was asked for a solution.
    let singular = dir.file("S.mtx", "%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 1\n2 2 -2\n");
    expect(&solve(&[&singular, "-m", "minres", "--json", &json]), 1);
    assert_eq!(report(dir.path("r.json"))["reason"], "LeastSquares");
}

#[test]
fn random_right_hand_sides_depend_on_the_seed_only() {
    let dir = Folder::new();
    let x = |seed: &str, name: &str| {
        expect(&solve(&["diag:9", "--rhs", seed, "-o", &dir.name(name)]), 0);
        fs::read(dir.path(name)).unwrap()
    };
    assert_eq!(x("random:7", "x"), x("random:7", "y"));
    assert_ne!(x("random:7", "x"), x("random:8", "y"));
}

#[test]
fn several_right_hand_sides() {
    let dir = Folder::new();
    let (json, x, svg) = (dir.name("r.json"), dir.name("x.mtx"), dir.name("h.svg"));
    let columns = |name: &str| read_columns(&dir.path(name), &ReadOptions::default()).unwrap();
    let files = ["--json", &json, "--output", &x, "--plot", &svg];
    let (out, _) = expect(&solve(&[&["poisson2d:20", "--rhs", "random:5", "--nrhs", "3"], &files[..]].concat()), 0);
    // The first one decides the race for all.
    for word in [
        "3 of 3 systems solved",
        "worst first; asked for rtol 1e-8",
        "3 right-hand sides: the first by itself, for the race, the others side by side",
    ] {
        assert!(out.contains(word), "{word} is missing in: {out}");
    }
    let r = report(dir.path("r.json"));
    assert!(r["reason"].is_null() && r["matrix"]["rows"] == 400 && r["total_s"].is_number());
    let systems = r["systems"].as_array().unwrap();
    assert_eq!(systems.len(), 3);
    // Each to the bits of its own solve.
    let found = columns("x.mtx");
    for (k, system) in systems.iter().enumerate() {
        assert!(system["certificate"]["relative"].as_f64().unwrap() <= 1e-8);
        let (seed, own) = (format!("random:{}", 5 + k), dir.name("own"));
        expect(&solve(&["poisson2d:20", "--rhs", &seed, "--json", &own, "-o", &dir.name("y.mtx"), "--quiet"]), 0);
        let own = report(dir.path("own"));
        for key in ["reason", "iterations", "history", "checks", "certificate"] {
            assert_eq!(system[key], own[key], "{key} of {k}");
        }
        assert_eq!(found[k], read_vector(&dir.path("y.mtx"), &ReadOptions::default()).unwrap());
    }
    let svg = fs::read_to_string(&svg).unwrap();
    assert_eq!(svg.matches("<polyline").count(), 3);
    assert!(svg.contains("<title>system 2</title>") && svg.contains("3 of 3 systems solved"), "{svg}");

    // Columns of files; the answers as initial guesses leave nothing to do.
    let b: Vec<Vec<f64>> = (5..8).map(|seed| krylane::random::Random::new(seed).vector(400)).collect();
    let rhs = dir.name("b.mtx");
    write_columns(Path::new(&rhs), 400, &b).unwrap();
    let args = ["poisson2d:20", "--rhs", &rhs, "--x0", &x, "--rtol", "1e-7", "--json", &json];
    expect(&solve(&args), 0);
    for system in report(dir.path("r.json"))["systems"].as_array().unwrap() {
        assert_eq!((&system["iterations"], &system["reason_detail"]), (&0.into(), &"InitialGuess".into()));
    }
    let [one, two] = [dir.name("one.mtx"), dir.name("two.mtx")];
    write_columns(Path::new(&one), 400, &b[..1]).unwrap();
    expect(&solve(&["poisson2d:20", "--rhs", &one, "--json", &json]), 0);
    assert_eq!(report(dir.path("r.json"))["reason"], "Converged", "one column is one system");

    // The worst decides, and comes first.
    write_columns(Path::new(&two), 400, &[vec![0.0; 400], b[0].clone()]).unwrap();
    let args = ["poisson2d:20", "-m", "cg", "--max-iterations", "3", "--rhs", &two, "--output", &x, "--plot", "-"];
    let (_, err) = expect(&solve(&args), 1);
    assert!(err.contains("1 of 2 systems solved") && err.contains("Raise --max-iterations"), "{err}");
    let row = err.lines().skip_while(|l| !l.contains("worst first")).nth(1).unwrap();
    assert!(row.trim().starts_with('1') && row.ends_with("MaxIterations"), "{err}");
    assert_eq!(columns("x.mtx")[0], vec![0.0; 400]);
    let (out, _) = expect(&solve(&["diag:9", "--rhs", "random:1", "--nrhs", "14"]), 0);
    assert!(out.contains("14 of 14 systems solved") && out.contains("and 2 more"), "{out}");
    expect(&solve(&["helmholtz2d:9", "--rhs", "random:1", "--nrhs", "2", "--output", &x, "--quiet"]), 0);
    assert!(fs::read_to_string(&x).unwrap().starts_with("%%MatrixMarket matrix array complex general\n81 2\n"));

    let file = |size: &str| dir.file("c.mtx", format!("%%MatrixMarket matrix array real general\n{size}\n"));
    refuses(&solve(&["diag:9", "--nrhs", "2"]), 2, &["--rhs ones", "--nrhs", "equal", "random:SEED"]);
    refuses(&solve(&["diag:9", "--rhs", &rhs, "--nrhs", "3"]), 2, &["b.mtx", "--nrhs goes with random:SEED"]);
    refuses(&solve(&["diag:9", "--rhs", "random:1", "--nrhs", "0"]), 2, &["--nrhs"]);
    refuses(&solve(&["diag:9", "--rhs", &format!("random:{}", u64::MAX), "--nrhs", "2"]), 2, &["last seed of 2"]);
    refuses(&solve(&["poisson2d:200", "--rhs", "random:1", "--nrhs", "4294967295"]), 2, &["out of memory", "--nrhs"]);
    refuses(&solve(&["diag:9", "--rhs", &rhs]), 2, &["b.mtx", "400 entries", "9 rows"]);
    refuses(&solve(&["diag:9", "--rhs", &file("9 0")]), 2, &["c.mtx: b has no columns"]);
    refuses(&solve(&["poisson2d:20", "--rhs", &rhs, "--x0", &one]), 2, &["one.mtx", "1 column for 3 right-hand sides"]);
}

#[test]
fn quiet_is_silent_whatever_the_outcome() {
    for (args, code) in [(&["poisson2d:9", "--quiet"][..], 0), (&["poisson2d:20", "-q", "--max-iterations", "2"], 1)] {
        let (out, err) = expect(&solve(args), code);
        assert_eq!((out.as_str(), err.as_str()), ("", ""));
    }
}

#[test]
fn limits_exit_1_with_everything_written() {
    let dir = Folder::new();
    let names = [dir.name("r.json"), dir.name("x.mtx"), dir.name("h.svg")];
    let files = ["--json", &names[0], "--output", &names[1], "--plot", &names[2]];
    for (limit, value, reason) in [
        ("--max-iterations", "1", "MaxIterations"),
        ("--max-matvecs", "3", "MaxIterations"),
        ("--time-limit", "0", "TimeLimit"),
    ] {
        let (out, _) = expect(&solve(&[&["poisson2d:40", "-m", "cg", limit, value], &files[..]].concat()), 1);
        assert!(out.contains(reason));
        assert_eq!(report(dir.path("r.json"))["reason"], reason);
        assert_eq!(read_vector(&dir.path("x.mtx"), &ReadOptions::default()).unwrap().len(), 1600);
        assert!(fs::read_to_string(dir.path("h.svg")).unwrap().contains("</svg>"));
        dir.list().iter().for_each(|name| fs::remove_file(dir.path(name)).unwrap());
    }
}

#[test]
fn wrong_method_for_the_matrix_is_an_outcome() {
    let dir = Folder::new();
    let json = dir.name("r.json");
    let (out, _) = expect(&solve(&["grcar:20", "-m", "cg", "--json", &json]), 1);
    assert!(out.contains("gmres"), "advice: {out}");
    assert_eq!(report(dir.path("r.json"))["reason"], "NotSymmetric");
}

#[test]
fn bad_usage_exits_2_and_helps() {
    refuses(&solve(&["poisson2d:9", "--method", "gmers"]), 2, &["gmers", "gmres"]);
    refuses(&solve(&["poisson2d:9", "--precond", "jacoby"]), 2, &["did you mean `jacobi`"]);
    refuses(&solve(&["poison2d:9"]), 2, &["did you mean `poisson2d`"]);
    refuses(&solve(&["poisson2d"]), 2, &["poisson2d:100"]);
    refuses(&solve(&["poisson2d:9", "--set", "peclet=1"]), 2, &["peclet"]);
    refuses(&solve(&["poisson2d:9", "--set", "peclet"]), 2, &["KEY=VALUE"]);
    refuses(&solve(&["--gen", "poisson2d"]), 2, &["NAME:SIZE"]);
    refuses(&solve(&[]), 2, &["MATRIX"]);
    refuses(&solve(&["poisson2d:9", "--rhs", "random"]), 2, &["random:SEED"]);
    refuses(&solve(&["poisson2d:9", "--rhs", "random:x"]), 2, &["seed"]);
    refuses(&solve(&["poisson2d:9", "--rtol", "-1"]), 2, &["rtol is -1"]);
    refuses(&solve(&["poisson2d:9", "--atol", "nan"]), 2, &["atol is NaN"]);
    refuses(&solve(&["poisson2d:9", "--method", "gmres", "--restart", "0"]), 2, &["restart is 0"]);
    refuses(&solve(&["poisson2d:9", "--time-limit", "-3"]), 2, &["time-limit"]);
    refuses(&solve(&["poisson2d:9", "--precision", "f16"]), 2, &["f16", "f32"]);
    refuses(&solve(&["poisson2d:9", "--withhold", "f65"]), 2, &["f64"]);
    refuses(&solve(&["poisson2d:70000"]), 2, &["beyond the limit"]);
    refuses(&krylane(&["sovle"]), 2, &["solve"]);
    refuses(&krylane(&["gen", "poisson2d", "5"]), 2, &["--output"]);
}

#[test]
fn bad_input_exits_2_and_names_the_place() {
    let dir = Folder::new();
    let banner = "%%MatrixMarket matrix coordinate real general\n";
    let good = dir.file("A.mtx", format!("{banner}2 2 2\n1 1 1\n2 2 1\n"));
    expect(&solve(&[&good]), 0);
    refuses(&solve(&[&dir.name("none.mtx")]), 2, &["none.mtx: No such file"]);
    refuses(&solve(&[&dir.name("")]), 2, &[]);
    refuses(&solve(&[&dir.file("p.mtx", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")]), 2, &["p.mtx:1"]);
    refuses(&solve(&[&dir.file("t.mtx", format!("{banner}2 2 2\n1 1 1\n"))]), 2, &["t.mtx:", "2"]);
    refuses(&solve(&[&dir.file("i.mtx", format!("{banner}2 2 1\n3 1 1\n"))]), 2, &["i.mtx:3:1", "`3`"]);
    refuses(
        &solve(&[&dir.file("r.mtx", format!("{banner}2 3 1\n1 1 1\n")), "-m", "cg"]),
        2,
        &["r.mtx", "2 x 3", "lsqr"],
    );
    refuses(&solve(&[&dir.file("e.mtx", "")]), 2, &["e.mtx"]);
    let b = dir.file("b.txt", "1\n2\n3\n");
    refuses(&solve(&[&good, "--rhs", &b]), 2, &["b.txt", "3 entries", "2 rows"]);
    refuses(&solve(&[&good, "--x0", &b]), 2, &["b.txt", "3 entries", "2 columns"]);
    refuses(&solve(&[&good, "--rhs", &dir.name("c.txt")]), 2, &["c.txt: no such file"]);
    refuses(&solve(&[&good, "--rhs", &dir.file("n.txt", "1\nnan\n")]), 2, &["n.txt:2"]);
    let pattern = dir.file("q.mtx", "%%MatrixMarket matrix coordinate pattern general\n1 1 1\n1 1\n");
    refuses(&solve(&[&pattern]), 2, &["pattern"]);
    expect(&solve(&[&pattern, "--pattern-as-ones"]), 0);
}

#[test]
fn outputs_that_cannot_be_written_exit_3() {
    let dir = Folder::new();
    let nowhere = dir.name("no/such/folder/x");
    for flag in ["--json", "--output", "--plot"] {
        // Found before the solve: this one would never end.
        refuses(&solve(&["poisson2d:900", "--rtol", "0", flag, &nowhere]), 3, &["can't write", "no/such/folder"]);
        refuses(&solve(&["diag:3", flag, dir.path("").to_str().unwrap()]), 3, &["can't write"]);
    }
    refuses(&krylane(&["gen", "diag", "3", "-o", &nowhere]), 3, &["can't write"]);
    let same = dir.name("same");
    refuses(&solve(&["diag:3", "--json", &same, "--output", &same]), 2, &["two outputs"]);
    if Path::new("/dev/full").exists() {
        refuses(&solve(&["diag:3", "--output", "/dev/full"]), 3, &["/dev/full"]);
        refuses(&krylane(&["gen", "diag", "3", "-o", "/dev/full"]), 3, &["/dev/full"]);
        // The others are written all the same.
        let json = dir.name("r.json");
        refuses(&solve(&["diag:3", "--output", "/dev/full", "--json", &json]), 3, &["/dev/full"]);
        assert_eq!(report(dir.path("r.json"))["reason"], "Converged");
    }
}

#[test]
fn an_output_that_was_there_survives_bad_input() {
    let dir = Folder::new();
    let x = dir.file("x.mtx", "precious");
    expect(&solve(&["diag:3", "--rhs", &dir.file("b", "1\n"), "-o", &x]), 2);
    assert_eq!(fs::read_to_string(&x).unwrap(), "precious");
}

#[test]
fn missing_adapter_exits_3() {
    refuses(&krylane(&["solve", "diag:3", "--backend", "no such adapter"]), 3, &[]);
}

#[test]
fn plot_is_self_contained() {
    let dir = Folder::new();
    expect(&solve(&["poisson2d:20", "--plot", &dir.name("h.svg"), "--quiet"]), 0);
    let svg = fs::read_to_string(dir.path("h.svg")).unwrap();
    for word in ["poisson2d:20", "polyline", "stroke-dasharray", "tolerance 1e-8", "iteration"] {
        assert!(svg.contains(word), "{word}");
    }
    assert!(!svg.contains("href"));
}

#[test]
fn inspect_info_list_and_completions() {
    let (out, _) = expect(&krylane(&["inspect", "grcar:30", "--backend", "cpu"]), 0);
    assert!(out.contains("30 x 30") && out.contains("gmres"), "{out}");
    let (out, _) = expect(&krylane(&["inspect", "poisson2d:5", "--backend", "cpu", "--json"]), 0);
    let r: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(r["stats"]["nnz"], 105);
    assert!(r["plan"].as_array().unwrap().iter().any(|l| l.as_str().unwrap().contains("cg")));
    let form = &r["forms"][0];
    assert!(
        form["form"].as_str().unwrap().contains("slices of 8 rows") && form["bytes_a_product"].as_u64() > Some(0),
        "{r}"
    );
    let (out, _) = expect(
        &krylane(&["inspect", "poisson2d:9", "--backend", "cpu", "--reorder", "always", "--equilibrate", "always"]),
        0,
    );
    for line in [
        "order reverse Cuthill-McKee: as asked",
        "equilibration by powers of two: as asked",
        "stored",
        "bytes a product",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let limited = |limit| krylane(&["solve", "poisson2d:40", "--backend", "cpu", "--memory-limit", limit]);
    let (_, err) = expect(&limited("1K"), 2);
    assert!(err.contains("out of memory") && err.contains("1024 are allowed"), "{err}");
    let (_, err) = expect(&limited("5 parsecs"), 2);
    assert!(err.contains("K, M, G or T"), "{err}");
    expect(&limited("1GiB"), 0);
    let (out, _) = expect(&krylane(&["info"]), 0);
    assert!(out.contains("cpu") && out.contains("auto"));
    let (out, _) = expect(&krylane(&["info", "--json"]), 0);
    assert!(serde_json::from_str::<Value>(&out).expect("JSON")["cpu"]["threads"].as_u64() > Some(0));
    let (out, _) = expect(&krylane(&["gen", "--list"]), 0);
    assert!(out.contains("poisson3d") && out.contains("epsilon=0.01"));
    let (out, _) = expect(&krylane(&["gen", "diag", "2", "-o", "-"]), 0);
    assert_eq!(out, "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1.0\n2 2 2.0\n");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (out, _) = expect(&krylane(&["completions", shell]), 0);
        // PowerShell and elvish complete no values.
        let values = matches!(shell, "bash" | "zsh" | "fish");
        assert!(out.contains("max-iterations") && (!values || out.contains("bicgstab")), "{shell}");
    }
    let (out, _) = expect(&krylane(&["solve", "--help"]), 0);
    assert!(out.contains("Exit codes") && !out.contains("--lag"));
}
