//! The guide's commands do what the guide says.
//!
//! In a `console` block a line `$ krylane …` is run, in one folder for each chapter. The lines below it must be found in
//! what it prints, in order; `…` stands for any text. `! exit 1` says how it ends; without it the exit code must be 0. A
//! block whose first line names a file, as "```toml solve.toml" does, is that file.

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

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let chapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
    let mut commands = 0;
    for chapter in fs::read_dir(chapters).unwrap().map(|entry| entry.unwrap().path()) {
        if chapter.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(&chapter).unwrap();
        for (name, content) in files(&text) {
            fs::write(folder.path().join(name), content).unwrap();
        }
        for step in steps(&text) {
            let run = Command::new(env!("CARGO_BIN_EXE_krylane"))
                .args(step.line.split_whitespace())
                .current_dir(&folder)
                .output()
                .unwrap();
            let printed = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
            let place = format!("{}: krylane {}", chapter.display(), step.line);
            assert_eq!(run.status.code(), Some(step.exit), "{place}\n{printed}");
            let mut rest = &*printed;
            for line in &step.expected {
                rest = after(line, rest).unwrap_or_else(|| panic!("{place}: no {line:?} in\n{printed}"));
            }
            commands += 1;
        }
    }
    assert!(commands >= 20, "{commands} commands");
}
