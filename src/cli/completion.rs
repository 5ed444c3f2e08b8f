//! Completion scripts. clap's know flags and fixed words; a matrix is a file or a name of the gallery, and both are offered.

use super::args::Args;
use super::values::gallery_names;
use clap::CommandFactory;
use clap_complete::Shell;
use std::fmt::Write;

/// The script for `shell`.
pub(super) fn script(shell: Shell) -> String {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Args::command(), "krylane", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Zsh => zsh(&script),
        Shell::Fish => fish(script),
        // Bash's offers files where no word fits; the others complete no values.
        _ => script,
    }
}

/// What clap writes before the words of a matrix, and after them.
const WORDS: (&str, &str) = (":((", "))'");

/// Calls a function in place of the words of a matrix, which would hide files.
fn zsh(script: &str) -> String {
    let mut out = String::new();
    let mut rest = script;
    while let Some(at) = rest.find("matrix -- ") {
        let (before, line) = rest.split_at(at);
        let words = line.find(WORDS.0).and_then(|from| Some((from, from + line[from..].find(WORDS.1)?)));
        let Some((from, to)) = words else { break };
        let _ = write!(out, "{before}{}:_krylane_matrices'", &line[..from]);
        rest = &line[to + WORDS.1.len()..];
    }
    out += rest;
    let names: Vec<&str> = gallery_names().into_iter().map(|(name, _)| name).collect();
    let function =
        format!("_krylane_matrices() {{\n    compadd -S : -- {}\n    _files\n}}\n\n_krylane() {{\n", names.join(" "));
    out.replacen("_krylane() {\n", &function, 1)
}

/// Adds the names of the gallery to the commands that take a matrix; files are offered anyway.
fn fish(mut script: String) -> String {
    let command = Args::command();
    for sub in command.get_subcommands().filter(|sub| sub.get_arguments().any(|a| a.get_id() == "matrix")) {
        for (name, about) in gallery_names() {
            let (sub, about) = (sub.get_name(), about.replace('\'', ""));
            let _ = writeln!(
                script,
                "complete -c krylane -n \"__fish_krylane_using_subcommand {sub}\" -a '{name}:' -d '{about}'"
            );
        }
    }
    script
}
