//! The guide's commands do what the guide says.
//!
//! In a `console` block a line `$ krylane …` is run, in one folder for each chapter. The lines below it must be found in
//! what it prints, in order; `…` stands for any text. `! exit 1` says how it ends; without it the exit code must be 0. A
//! block whose first line names a file, as "```toml solve.toml" does, is that file.
//!
//! Commands inside a line or a table are run too: `krylane …` as it stands, options with their values after
//! `krylane solve A.mtx`. An option alone is a name, which the help of a command must have.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A command with what is expected of it.
struct Step {
    line: String,
    expected: Vec<String>,
    exit: i32,
}

/// The files of a chapter: names and contents.
fn files(text: &str) -> Vec<(String, String)> {
    let blocks = text.split("\n```toml ").skip(1).filter_map(|block| block.split_once('\n'));
    blocks.map(|(name, rest)| (name.into(), rest.split("```").next().unwrap_or("").into())).collect()
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![];
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (line.strip_prefix("$ krylane "), line.strip_prefix("! exit "), steps.last_mut()) {
                (Some(arguments), ..) => steps.push(Step { line: arguments.into(), expected: vec![], exit: 0 }),
                (_, Some(code), Some(step)) => step.exit = code.parse().expect("a number after `! exit`"),
                (_, _, Some(step)) => step.expected.push(line.into()),
                _ => panic!("output before any command: {line}"),
            },
        }
    }
    steps
}

/// Finds the parts of `pattern` between `…` in `text`, in order; what comes after them.
fn after<'a>(pattern: &str, text: &'a str) -> Option<&'a str> {
    pattern.split('…').try_fold(text, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]))
}

/// Code inside lines and tables.
fn inline(text: &str) -> Vec<String> {
    let mut block = false;
    let mut found = vec![];
    for line in text.lines() {
        if line.starts_with("```") {
            block = !block;
        } else if !block {
            found.extend(line.split('`').skip(1).step_by(2).map(String::from));
        }
    }
    found
}

fn krylane(folder: &Path, arguments: &str) -> (Option<i32>, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_krylane"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    (run.status.code(), printed.into_owned())
}

/// A folder with the files that commands inside lines name.
fn supplied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (a, nodes) = krylane::matrix::gallery::elasticity2d([12, 12], 0.3, true);
    krylane::io::write_matrix(&at("A.mtx"), &a).unwrap();
    krylane::io::write_columns(
        &at("nodes.mtx"),
        nodes.len(),
        &[0, 1].map(|d| nodes.iter().map(|x| x[d]).collect::<Vec<_>>()),
    )
    .unwrap();
    let modes = [[1.0, 0.0], [0.0, 1.0]].map(|e| e.repeat(a.rows() / 2));
    krylane::io::write_columns(&at("vectors.mtx"), a.rows(), &modes).unwrap();
    krylane::io::write_vector(&at("x.mtx"), &vec![0.0; a.rows()]).unwrap();
    krylane::io::write_matrix(&at("K.mtx"), &krylane::matrix::gallery::poisson2d(9)).unwrap();
    krylane::io::write_matrix(&at("M.mtx"), &krylane::matrix::Csr::identity(81).unwrap()).unwrap();
    fs::write(at("opts.toml"), "tol = 1e-9\nprecond = \"ic0\"\n").unwrap();
    folder
}

#[test]
fn commands_inside_lines_and_tables_can_be_run() {
    let folder = supplied();
    let helps: Vec<String> =
        ["solve", "eigs", "svds", "compare"].map(|sub| krylane(folder.path(), &format!("{sub} --help")).1).into();
    let (mut commands, mut names) = (0, 0);
    for (chapter, text) in chapters() {
        for code in inline(&text) {
            let place = format!("{}: {code}", chapter.display());
            let line = match code.strip_prefix("krylane ") {
                Some(line) => line.to_string(),
                None if code.starts_with("--") && code.contains(' ') => format!("solve A.mtx {code}"),
                None if code.starts_with("--") => {
                    let has = |help: &String| help.split(|c: char| c.is_whitespace() || c == ',').any(|w| w == code);
                    assert!(helps.iter().any(has), "{place} is no option");
                    names += 1;
                    continue;
                }
                None => continue,
            };
            let (end, printed) = krylane(folder.path(), &line);
            assert_eq!(end, Some(0), "{place}\n{printed}");
            commands += 1;
        }
    }
    assert!(commands >= 20 && names >= 5, "{commands} commands, {names} names");
}

/// Every chapter with its text.
fn chapters() -> Vec<(std::path::PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = paths.filter(|path| path.extension().is_some_and(|e| e == "md"));
    texts.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let mut commands = 0;
    for (chapter, text) in chapters() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files(&text) {
            fs::write(folder.path().join(name), content).unwrap();
        }
        for step in steps(&text) {
            let (end, printed) = krylane(folder.path(), &step.line);
            let place = format!("{}: krylane {}", chapter.display(), step.line);
            assert_eq!(end, Some(step.exit), "{place}\n{printed}");
            let mut rest = &*printed;
            for line in &step.expected {
                rest = after(line, rest).unwrap_or_else(|| panic!("{place}: no {line:?} in\n{printed}"));
            }
            commands += 1;
        }
    }
    assert!(commands >= 20, "{commands} commands");
}
