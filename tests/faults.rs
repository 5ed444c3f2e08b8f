//! The program under limits, signals, full and closed outputs, and what it takes from pipes and files of options.
#![cfg(all(feature = "cli", unix))]

#[path = "common/program.rs"]
mod program;

use program::{Folder, PROGRAM, krylane, report, says, started};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Runs a line of the shell in which $K is the program.
fn shell(line: &str) -> Output {
    Command::new("sh").args(["-c", line]).env("K", PROGRAM).output().expect("a shell")
}

const SMALL: &str = "%%MatrixMarket matrix coordinate real symmetric\n3 3 5\n1 1 4\n2 1 -1\n2 2 4\n3 2 -1\n3 3 4\n";

#[test]
fn memory_is_asked_for_and_refused_with_numbers() {
    let f = Folder::new();
    let wide = f.file("wide.mtx", "%%MatrixMarket matrix coordinate real general\n100000000 100000000 0\n");
    // By the user's word: bad input, whoever takes the memory.
    for args in [
        &["solve", &wide, "-b", "cpu", "--memory-limit", "200M"][..],
        &["solve", "poisson3d:150", "-b", "cpu", "--memory-limit", "100M"],
        &["solve", "poisson2d:300", "-b", "cpu", "-p", "amg", "--memory-limit", "20M"],
        &["solve", "poisson2d:300", "-b", "cpu", "--rhs", "random:1", "--nrhs", "200", "--memory-limit", "60M"],
        &["eigs", "poisson2d:300", "-b", "cpu", "--memory-limit", "15M"],
        &["svds", "poisson2d:300", "-b", "cpu", "--memory-limit", "15M"],
        &["gen", "poisson3d", "200", "-o", "/dev/null", "--memory-limit", "100M"],
    ] {
        let start = Instant::now();
        says(&krylane(args), 2, &["memory"]);
        assert!(start.elapsed() < Duration::from_secs(20), "{args:?}: {:?}", start.elapsed());
    }
    // By the system's: the environment's fault, and no signal.
    for line in [
        format!("ulimit -v 1500000; $K solve {wide} -b cpu --threads 1"),
        "ulimit -v 1500000; $K gen poisson3d 400 -o /dev/null".into(),
        "ulimit -v 1500000; $K eigs poisson3d:170 -b cpu --threads 1".into(),
    ] {
        says(&shell(&line), 3, &["out of memory"]);
    }
}

/// Starts the program, interrupts it after `wait`, and gives its end and how long that took.
fn interrupted(args: &[&str], wait: f64) -> (Output, Duration) {
    let child = started(args);
    std::thread::sleep(Duration::from_secs_f64(wait));
    let start = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill").success());
    (child.wait_with_output().expect("an end"), start.elapsed())
}

#[test]
fn the_first_interrupt_ends_reading_generating_and_set_up() {
    let f = Folder::new();
    let pipe = f.name("pipe.mtx");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let json = f.name("r.json");
    for (args, stage) in [
        // Nobody ever writes to the pipe.
        (vec!["solve", &pipe], "reading"),
        (vec!["solve", "poisson3d:280"], "making"),
        (
            vec!["solve", "poisson3d:70", "-m", "gmres", "-p", "lu:drop=0,fill=5000", "--max-iterations", "1"],
            "setting up",
        ),
    ] {
        let (output, took) = interrupted(&[&args[..], &["-b", "cpu", "--json", &json]].concat(), 0.7);
        says(&output, 130, &["ancelled"]);
        assert!(took < Duration::from_millis(2500), "{args:?}: {took:?}");
        let r = report(&json);
        assert_eq!(r["reason"], "Cancelled", "{args:?}");
        let stages = format!("{} {}", r["reason_detail"], String::from_utf8_lossy(&output.stderr));
        assert!(
            stage == "setting up"
                || stages.contains(stage)
                || stages.contains("looking")
                || stages.contains("setting up"),
            "{stages}"
        );
    }
}

#[test]
fn the_time_limit_covers_set_ups() {
    let f = Folder::new();
    let json = f.name("r.json");
    for precond in ["lu:drop=0,fill=5000", "ilut:drop=1e-9,fill=400", "amg"] {
        let args = ["solve", "poisson3d:64", "-m", "gmres", "-p", precond, "-b", "cpu", "--time-limit", "0.3s"];
        let start = Instant::now();
        says(&krylane(&[&args[..], &["--json", &json]].concat()), 1, &["TimeLimit"]);
        assert!(start.elapsed() < Duration::from_secs(12), "{precond}: {:?}", start.elapsed());
        assert_eq!(report(&json)["reason"], "TimeLimit", "{precond}");
    }
    // Factors and dense algebra can't be interrupted: those that don't fit are not begun.
    for args in [
        &["eigs", "poisson3d:45", "--sigma", "3.1", "-p", "lu"][..],
        &["eigs", "poisson2d:45", "-m", "dense"],
        &["eigs", "poisson2d:400", "--sigma", "0.5"],
        &["svds", "convection_diffusion2d:300", "--which", "SM"],
    ] {
        let start = Instant::now();
        says(&krylane(&[args, &["-b", "cpu", "--time-limit", "0.3s", "--json", &json]].concat()), 1, &["TimeLimit"]);
        assert!(start.elapsed() < Duration::from_secs(8), "{args:?}: {:?}", start.elapsed());
        assert_eq!(report(&json)["reason"], "TimeLimit", "{args:?}");
    }
    // What no clock can count is no limit; units are read.
    for limit in ["1e19", "1e300", "5min", "2h", "500ms"] {
        says(&krylane(&["solve", "diag:5", "-b", "cpu", "--time-limit", limit]), 0, &["Converged"]);
        says(&krylane(&["eigs", "poisson1d:20", "-b", "cpu", "--time-limit", limit]), 0, &["Converged"]);
    }
    for limit in ["-1", "5x", "", "nan"] {
        says(&krylane(&["solve", "diag:5", "--time-limit", limit]), 2, &["--time-limit"]);
    }
}

#[test]
fn odd_outputs() {
    let f = Folder::new();
    let a = f.file("A.mtx", SMALL);
    // A closed or full stderr is nobody's fault.
    says(&shell(&format!("$K solve {a} -b cpu 2>&-")), 0, &["Converged"]);
    says(&shell("$K solve nowhere.mtx 2>/dev/full"), 2, &[]);
    says(&shell("$K solve nowhere.mtx 2>&-"), 2, &[]);
    says(&shell(&format!("$K solve {a} -b cpu --monitor 1 2>/dev/full")), 0, &["Converged"]);
    // One file for two results, by whatever name; or for what is read.
    let out = f.name("x.mtx");
    std::os::unix::fs::symlink(f.path("x.mtx"), f.path("link.json")).unwrap();
    std::fs::hard_link(f.path("A.mtx"), f.path("same.mtx")).unwrap();
    let solve = |more: &[&str]| krylane(&[&["solve", &a, "-b", "cpu", "--quiet"], more].concat());
    says(&solve(&["-o", &out, "--json", &f.name("link.json")]), 2, &["two outputs"]);
    says(&solve(&["-o", &f.name("./x.mtx"), "--plot", &f.name("x.svg")]), 0, &[]);
    for own in [&a, &f.name("same.mtx"), &f.name("./A.mtx")] {
        says(&solve(&["-o", own]), 2, &["is an input"]);
    }
    let start = f.file("s.mtx", "1\n2\n3\n");
    std::os::unix::fs::symlink(&a, f.path("vectors.mtx")).unwrap();
    let beside = f.file("B.mtx", SMALL);
    for (command, more, output) in [
        ("eigs", vec![], &a),
        ("eigs", vec!["--mass", &beside], &beside),
        ("eigs", vec!["--start", &start], &start),
        ("svds", vec![], &f.name("vectors.mtx")),
        ("svds", vec!["--start", &start], &start),
    ] {
        for option in if command == "svds" { &["-o", "--left"][..] } else { &["-o"] } {
            let args = [&[command, &a, "-b", "cpu", "-k", "1", "--quiet", option, output][..], &more].concat();
            says(&krylane(&args), 2, &["is an input"]);
        }
    }
    for (command, text) in [("solve", "rtol = 1e-8\n"), ("eigs", "tol = 1e-8\n")] {
        let own = f.file("o.json", text);
        let args = [command, &a, "-b", "cpu", "--quiet", "--options", &own, "--json", &own];
        says(&krylane(&args), 2, &["is an input"]);
        assert_eq!(std::fs::read_to_string(&own).unwrap(), text);
    }
    assert_eq!(std::fs::read_to_string(&a).unwrap(), SMALL);
    // An ending that promises something else is refused before the work.
    for (flag, name) in [("-o", "x.png"), ("-o", "x.npz"), ("--plot", "h.pdf"), ("--json", "r.mtx"), ("-o", "y.svg")] {
        says(&solve(&[flag, &f.name(name)]), 2, &[name]);
        assert!(!f.path(name).exists());
    }
    says(&krylane(&["gen", "poisson2d", "3", "-o", &f.name("A.png")]), 2, &["A.png"]);
    // What is written is read.
    let x = f.name("x.npy");
    says(&solve(&["-o", &x]), 0, &[]);
    says(&solve(&["--x0", &x]), 0, &[]);
    says(&krylane(&["gen", "poisson2d", "9", "-o", &f.name("A.npz")]), 0, &["81 x 81"]);
    says(&krylane(&["solve", &f.name("A.npz"), "-b", "cpu"]), 0, &["npz csr"]);
    // Names that are no UTF-8.
    let odd = f.path(OsStr::from_bytes(b"m\xff.mtx"));
    std::fs::write(&odd, SMALL).unwrap();
    let into = f.path(OsStr::from_bytes(b"x\xfe.npy"));
    let words: [&OsStr; 8] = [
        "solve".as_ref(),
        odd.as_ref(),
        "--rhs".as_ref(),
        "ones".as_ref(),
        "-b".as_ref(),
        "cpu".as_ref(),
        "-o".as_ref(),
        into.as_ref(),
    ];
    says(&krylane(&words), 0, &["Converged"]);
    assert!(into.exists());
    // From a pipe, packed or not.
    says(&shell(&format!("cat {a} | $K solve - -b cpu")), 0, &["Converged"]);
    says(&shell(&format!("gzip -c {a} | $K solve - -b cpu")), 0, &["Converged"]);
    says(&shell(&format!("cat {} | $K solve - -b cpu", f.name("A.npz"))), 0, &["81 x 81"]);
}

#[test]
fn odd_numbers_of_threads_and_backends_for_tests() {
    let start = Instant::now();
    says(
        &krylane(&["solve", "poisson2d:30", "-b", "cpu", "--threads", "5000"]),
        0,
        &["Converged", "threads instead of"],
    );
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    says(&krylane(&["solve", "diag:4", "--backend", "lockstep"]), 3, &["lockstep"]);
    says(&krylane(&["solve", "diag:4", "-m", "projection"]), 2, &["projection"]);
    for sigma in ["-1e-3", "-.5", "-0.25"] {
        says(&krylane(&["eigs", "poisson2d:6", "-k", "2", "--sigma", sigma, "-b", "cpu"]), 0, &["Converged"]);
    }
    says(&krylane(&["solve", "diag:4", "-b", "cpu", "--rtol", "-1e-8"]), 2, &["rtol"]);
}

#[test]
fn options_come_from_a_file_and_stand_in_the_report() {
    let f = Folder::new();
    let (a, json) = (f.file("A.mtx", SMALL), f.name("r.json"));
    let options =
        f.file("o.toml", "method = \"minres\"\nrtol = 1e-10\nmax_iterations = 77\nquiet = true\nbackend = 'cpu'\n");
    let solve = |more: &[&str]| krylane(&[&["solve", &a, "--json", &json], more].concat());
    let output = solve(&["--options", &options]);
    says(&output, 0, &[]);
    assert!(output.stdout.is_empty());
    let r = report(&json);
    assert_eq!(r["method"], "minres");
    assert_eq!(r["options_file"]["options"]["max_iterations"], 77);
    // Options on the command line take precedence.
    says(&solve(&["--options", &options, "-m", "cg"]), 0, &[]);
    assert_eq!(report(&json)["method"], "cg");
    for (text, part) in [
        ("# why\nmetod = 'cg'", "o.toml:2: metod is not an option of solve (did you mean `method`?)"),
        ("rtol = 1e-9\ntol = 1e-8", "o.toml:2: tol is rtol, given above"),
        ("rtol = 1e-9\nrtol = 1e-8", "o.toml:2: rtol is given twice"),
        ("method = ", "o.toml:1"),
        ("rtol = 'x'", "--rtol"),
        ("rtol = { a = 1 }", "o.toml:1"),
    ] {
        says(&solve(&["--options", &f.file("o.toml", text)]), 2, &[part]);
    }
    says(&solve(&["--options", "nowhere.toml"]), 2, &["nowhere.toml"]);
}

#[test]
fn monitor_writes_a_line_every_so_many_iterations() {
    let f = Folder::new();
    let x = f.name("x.npy");
    let args = ["solve", "poisson2d:30", "-m", "cg", "-p", "none", "-b", "cpu", "--monitor", "10", "-o", &x];
    let output = krylane(&args);
    says(&output, 0, &["Converged"]);
    let err = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Vec<&str>> = err.lines().map(|l| l.split_whitespace().collect()).collect();
    // What happens before and after the iterations, with the time.
    let words = |line: &Vec<&str>| line.get(2..).map(|words| words.join(" ")).unwrap_or_default();
    let told: Vec<String> = lines.iter().map(words).collect();
    assert!(told[0].starts_with("making poisson2d:30") && told[1] == "looking at the matrix", "{err}");
    assert!(told[2] == "setting up" && told.last().unwrap().starts_with("writing"), "{err}");
    assert_eq!(lines[3], ["time", "iteration", "residual", "by"], "{err}");
    // Each line names who is at work; the last iteration is told, whatever its number.
    let rows = &lines[4..lines.len() - 1];
    let iterations: Vec<usize> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
    assert!(rows.iter().all(|row| row[4..] == ["cg", "with", "none"]), "{err}");
    assert!(iterations.starts_with(&[1, 10, 20]) && !iterations.last().unwrap().is_multiple_of(10), "{err}");
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(summary.contains(&format!("{} iterations", iterations.last().unwrap())), "{summary}{err}");

    let output =
        krylane(&["compare", "poisson2d:20", "-b", "cpu", "--methods", "cg,minres", "--preconds", "none", "--monitor"]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("1 of 2: cg with none\n") && err.contains("2 of 2: minres with none: "), "{err}");
    // Of several systems each one's last iteration.
    let args = ["solve", "poisson2d:20", "-m", "cg", "-p", "none", "-b", "cpu", "--rhs", "random:1", "--nrhs", "3"];
    let json = f.name("r.json");
    let output = krylane(&[&args[..], &["--monitor", "1000", "--json", &json]].concat());
    let err = String::from_utf8(output.stderr).unwrap();
    for (k, system) in report(&json)["systems"].as_array().unwrap().iter().enumerate() {
        let words = [k.to_string(), system["iterations"].to_string()];
        let told = |l: &str| l.split_whitespace().skip(2).take(2).eq(words.iter().map(String::as_str));
        assert!(err.lines().any(told), "{words:?}: {err}");
    }
    let output = krylane(&["eigs", "poisson2d:40", "-k", "2", "-b", "cpu", "--monitor"]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("making poisson2d:40") && err.contains("time  iteration  largest residual"), "{err}");
}

#[test]
fn compare_sorts_by_time_and_exports() {
    let f = Folder::new();
    let table = f.name("t.csv");
    let args = ["compare", "poisson2d:20", "-b", "cpu", "--methods", "cg,minres", "--preconds", "none,jacobi,ic0"];
    let output = krylane(&[&args[..], &["--export", &table]].concat());
    says(&output, 0, &["cg", "minres", "ic0", "Converged", "times best"]);
    let text = std::fs::read_to_string(&table).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 6, "{text}");
    let times: Vec<f64> = rows.iter().map(|r| r[2].parse().unwrap()).collect();
    assert!(times.is_sorted() && rows.iter().all(|r| r[8].parse::<f64>().unwrap() <= 1e-8), "{text}");
    // The median lies between the fastest and the slowest run.
    let number = |r: &[&str], k: usize| r[k].parse::<f64>().unwrap();
    assert!(rows.iter().all(|r| number(r, 3) <= number(r, 2) && number(r, 2) <= number(r, 4)), "{text}");
    assert!(rows.iter().all(|r| number(r, 5) >= 1.0), "{text}");
    let json = f.name("runs.json");
    let args = ["compare", "poisson2d:20", "-b", "cpu", "--methods", "cg", "--preconds", "none,ic0", "--runs", "3"];
    says(&krylane(&[&args[..], &["--export", &json]].concat()), 0, &["median", "min", "max", "runs"]);
    assert!(report(&json)["rows"].as_array().unwrap().iter().all(|r| r["runs"] == 3), "{}", report(&json));
    // Options in a file; what is hopeless is stopped long before it ends.
    let options = f.file("o.toml", "methods = [\"cg\", \"steepest_descent\"]\npreconds = \"none\"\ntol = 1e-9\n");
    let args = ["compare", "poisson2d:120", "-b", "cpu", "--max-iterations", "10000000", "--options", &options];
    says(&krylane(&[&args[..], &["--export", &json]].concat()), 0, &["stopped: over 20 times the fastest"]);
    let rows = report(&json)["rows"].as_array().unwrap().clone();
    let seconds = |k: usize| rows[k]["seconds"].as_f64().unwrap();
    assert!(rows[1]["stopped"] == true && seconds(1) < 40.0 * seconds(0).max(0.05), "{rows:?}");
    assert!(rows[0]["relative"].as_f64().unwrap() <= 1e-9, "{rows:?}");
    // Without names: what suits the matrix, auto among it; one that is refused does not stop the others.
    let json = f.name("t.json");
    says(&krylane(&["compare", "poisson2d:12", "-b", "cpu", "--export", &json]), 0, &["auto", "amg"]);
    assert!(report(&json)["rows"].as_array().unwrap().len() > 10);
    let general = ["compare", "convection_diffusion2d:10", "-b", "cpu", "--methods", "gmres,cg", "--preconds", "ilu0"];
    says(&krylane(&general), 0, &["gmres", "NotSymmetric"]);
    says(&krylane(&["compare", "poisson2d:5", "--methods", "gmrse"]), 2, &["gmres"]);
    says(&krylane(&["compare", "poisson2d:5", "--export", &f.name("t.pdf")]), 2, &["t.pdf"]);
}

#[test]
fn man_pages_and_completions_go_into_a_folder() {
    let f = Folder::new();
    says(&krylane(&["man", &f.name("docs")]), 0, &["man1", "completions"]);
    let page = std::fs::read_to_string(f.path("docs/man1/krylane-solve.1")).unwrap();
    assert!(page.contains("--rtol") || page.contains("\\-\\-rtol"), "{page}");
    assert!(Path::new(&f.name("docs/completions/_krylane")).exists());
    for command in ["solve", "eigs", "svds", "gen", "inspect", "compare", "info", "bench", "completions", "man"] {
        let output = krylane(&[command, "--help"]);
        says(&output, 0, &["Examples:", "krylane"]);
    }
}
