//! What the summary says is so: who solved it, what is not in use, numbers that tell two apart, what completion offers.

use super::*;

#[test]
fn the_summary_names_who_solved_it() {
    let f = Folder::new();
    let (json, page) = (f.name("r.json"), f.name("p.html"));
    let (out, _) = expect(&solve(&["poisson2d:200", "--json", &json, "--report", &page]), 0);
    let r = report(f.path("r.json"));
    let by = format!("{} with {}", r["method"].as_str().unwrap(), r["preconditioner"].as_str().unwrap());
    assert!(out.contains(&format!("solved by    {by}")), "{by}: {out}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("solved by") && page.contains(&by), "{by}");
    // Whose work is only counted at first does not count as one that runs.
    let told = out.lines().find(|l| l.contains("race: ")).expect("a race");
    assert!(told.contains("is counted first") || told.contains(&format!("race: {by} first")), "{told}");
    let (out, _) = expect(&solve(&["poisson2d:40", "-m", "cg", "-p", "none", "--max-iterations", "3"]), 1);
    assert!(out.contains("ended by     cg with none"), "{out}");
    assert!(out.contains("Raise --max-iterations, or"), "no limit on products was set: {out}");
}

#[test]
fn texts_are_about_what_is_there() {
    let f = Folder::new();
    // A cycle of multigrid is not in use.
    let args = ["hilbert:30", "--precision", "f64", "-m", "gmres", "-p", "none"];
    let output = solve(&args);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.contains("precision f64: as asked") && !out.contains("multigrid") && !out.contains("amg"), "{out}");
    let (out, _) = expect(&solve(&["poisson2d:20", "-m", "cg", "-p", "amg", "--precision", "f64"]), 0);
    assert!(out.contains("a cycle of amg is f32"), "{out}");
    // A parameter without its method.
    refuses(&solve(&["poisson2d:30", "--damp", "0.1"]), 2, &["name one, as lsqr or lsmr"]);
    refuses(&solve(&["poisson2d:30", "--restart", "50"]), 2, &["name one, as gmres, fgmres, lgmres or gcrotmk"]);
    // What B is, once; and nothing of a B where there is none.
    let b = f.file("b.mtx", "%%MatrixMarket matrix coordinate real general\n3 3 3\n1 1 1\n2 2 -1\n3 3 2\n");
    let a = f.file("a.mtx", "%%MatrixMarket matrix coordinate real general\n3 3 3\n1 1 1\n2 2 5\n3 3 4\n");
    let (out, _) = expect(&krylane(&["eigs", &a, "--mass", &b, "-k", "1", "-b", "cpu"]), 0);
    assert_eq!(out.matches("B is indefinite").count(), 1, "{out}");
    let (out, _) = expect(&krylane(&["eigs", "neumann2d:30", "--which", "SM", "-k", "3", "-b", "cpu"]), 0);
    assert!(out.contains("A - sigma I") && !out.contains("sigma B"), "{out}");
    // Advice names what can work: A has no positive diagonal, and minres takes no lu.
    let shifted = f.name("s.mtx");
    expect(&krylane(&["gen", "tridiagonal", "400", "-o", &shifted, "--set", "a=1", "b=-0.1", "c=1"]), 0);
    let (out, _) = expect(&solve(&[&shifted, "-m", "minres", "-p", "jacobi", "--max-iterations", "5"]), 1);
    assert!(!out.contains("amg") && out.contains("use gmres with ilut or lu"), "{out}");
    let (out, _) = expect(&solve(&[&shifted, "-m", "gmres", "-p", "jacobi", "--max-iterations", "5"]), 1);
    assert!(!out.contains("amg") && out.contains("use a stronger preconditioner: ilut or lu"), "{out}");
}

#[test]
fn several_right_hand_sides_are_told_as_they_are_solved() {
    let (out, _) = expect(&solve(&["poisson2d:30", "--rhs", "random:1", "--nrhs", "4"]), 0);
    assert!(out.contains("4 right-hand sides: the first by itself, for the race, the others side by side\n"), "{out}");
    let time = out.lines().find(|l| l.starts_with("time")).unwrap();
    assert!(time.contains("read ") && time.contains("certify ") && time.contains(" in all"), "{time}");
    let (out, _) = expect(&solve(&["poisson2d:30", "-m", "cg", "--rhs", "random:1", "--nrhs", "20"]), 0);
    assert_eq!(out.matches("20 right-hand sides side by side, 8 at a time").count(), 1, "{out}");
    assert_eq!(out.matches("side by side").count(), 1, "{out}");
}

#[test]
fn stdin_serves_every_input_once() {
    let f = Folder::new();
    let x = f.name("x.mtx");
    expect(&solve(&["poisson2d:9", "-o", &x]), 0);
    let piped = |args: &[&str], file: &str| {
        let input = fs::File::open(file).unwrap();
        Command::new(PROGRAM).args(args).stdin(input).output().unwrap()
    };
    let args = ["solve", "poisson2d:9", "-b", "cpu", "--x0", "-"];
    let (out, _) = expect(&piped(&args, &x), 0);
    assert!(out.contains("Converged (InitialGuess)"), "{out}");
    let mass = f.name("m.mtx");
    expect(&krylane(&["gen", "identity", "81", "-o", &mass]), 0);
    let args = ["eigs", "poisson2d:9", "-b", "cpu", "-k", "2", "--mass", "-"];
    let (out, _) = expect(&piped(&args, &mass), 0);
    assert!(out.contains("Converged"), "{out}");
    let options = f.file("o.toml", "tol = 1e-3\nmethod = \"cg\"\n");
    let (out, _) = expect(&piped(&["solve", "poisson2d:9", "-b", "cpu", "--options", "-"], &options), 0);
    assert!(out.contains("asked for rtol 1e-3") && out.contains("solved by    cg"), "{out}");
    refuses(&piped(&["solve", "-", "--x0", "-"], &x), 2, &["only one can be read from stdin"]);
    refuses(&piped(&["eigs", "-", "--mass", "-"], &x), 2, &["only one can be read from stdin"]);
}

#[test]
fn nothing_is_offered_that_a_command_line_cannot_give() {
    refuses(&solve(&["diag:4", "-m", "projection"]), 2, &["only a program can give it"]);
    refuses(&krylane(&["compare", "diag:4", "--methods", "projection"]), 2, &["only a program can give it"]);
    let (_, err) = expect(&solve(&["diag:4", "-m", "projectio"]), 2);
    assert!(!err.contains("projection`") && !err.contains("projection,"), "{err}");
    for sub in ["solve", "compare"] {
        let (out, _) = expect(&krylane(&[sub, "--help"]), 0);
        assert!(!out.contains("projection") && out.contains("bicgstab"), "{sub}");
    }
}

#[test]
fn completion_offers_matrices_methods_and_preconditioners() {
    let f = Folder::new();
    let (script, _) = expect(&krylane(&["completions", "bash"]), 0);
    let script = f.file("krylane.bash", script);
    let offered = |words: &str| {
        let at = words.split_whitespace().count();
        let run = format!(
            ". {script}; COMP_WORDS=(krylane {words}); COMP_CWORD={at}; _krylane krylane \"${{COMP_WORDS[$COMP_CWORD]}}\" \
             \"${{COMP_WORDS[$COMP_CWORD-1]}}\"; echo ${{COMPREPLY[@]}}"
        );
        String::from_utf8(Command::new("bash").args(["-c", &run]).output().expect("bash").stdout).unwrap()
    };
    assert_eq!(offered("solve poisson2d").trim(), "poisson2d");
    assert_eq!(offered("inspect helm").trim(), "helmholtz2d");
    assert_eq!(offered("solve --gen poisson2d").trim(), "poisson2d");
    assert_eq!(offered("compare --methods bicgstabl").trim(), "bicgstabl");
    assert_eq!(offered("compare --preconds block").trim(), "block_jacobi");
    let (zsh, _) = expect(&krylane(&["completions", "zsh"]), 0);
    assert_eq!(zsh.matches(":_krylane_matrices'").count(), 5, "solve, eigs, svds, compare, inspect");
    assert_eq!(zsh.matches("_krylane_matrices() {").count(), 1);
    assert!(zsh.contains("compadd -S : -- poisson1d poisson2d"), "{zsh}");
    let (fish, _) = expect(&krylane(&["completions", "fish"]), 0);
    for sub in ["solve", "eigs", "svds", "compare", "inspect"] {
        assert!(fish.contains(&format!("__fish_krylane_using_subcommand {sub}\" -a 'poisson2d:'")), "{sub}");
    }
}

/// Sends SIGINT once `told` has appeared on the child's stderr.
#[cfg(unix)]
fn interrupted(args: &[&str], told: &str, after: std::time::Duration) -> Output {
    let mut child = started(args);
    let mut err = std::io::BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !told.is_empty() && !line.contains(told) {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut err, &mut line).expect("a line") > 0, "no {told}");
    }
    std::thread::sleep(after);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let mut rest = vec![];
    std::io::Read::read_to_end(&mut err, &mut rest).expect("the rest");
    Output { stderr: rest, ..child.wait_with_output().expect("an end") }
}

#[cfg(unix)]
#[test]
fn a_signal_to_compare_keeps_what_is_finished() {
    let f = Folder::new();
    let table = f.name("t.csv");
    let pairs = ["--methods", "cg,steepest_descent", "--preconds", "none", "--time-limit", "10min", "--rtol", "1e-10"];
    let args =
        ["compare", "poisson2d:250", "-b", "cpu", "--max-iterations", "100000000", "--monitor", "--export", &table];
    let output = interrupted(&[&args[..], &pairs].concat(), "2 of 2: steepest_descent", std::time::Duration::ZERO);
    let (out, _) = expect(&output, 130);
    assert!(out.contains("cut short: 1 of 2 pairs were tried") && out.contains("Converged"), "{out}");
    assert_eq!(fs::read_to_string(&table).unwrap().lines().count(), 2, "the heading and a row");
}

#[cfg(unix)]
#[test]
fn a_signal_to_gen_leaves_no_temporary_file() {
    let f = Folder::new();
    let mut seen = false;
    // Whether it is being made, written or already there: what is left is the whole file or none.
    for wait in [300, 900, 1500] {
        let args = ["gen", "poisson2d", "1000", "-o", &f.name("A.mtx.gz")];
        let output = interrupted(&args, "", std::time::Duration::from_millis(wait));
        let left = f.list();
        assert!(left.iter().all(|name| name == "A.mtx.gz"), "{left:?}");
        seen |= output.status.code() == Some(130);
    }
    assert!(seen, "one of them was interrupted");
}
