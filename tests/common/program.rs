//! The program `krylane`, run from outside.
#![allow(dead_code, unreachable_pub)]

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_krylane");

pub fn krylane<S: AsRef<OsStr>>(args: &[S]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("the program starts")
}

/// The program with both outputs in pipes, under way.
pub fn started<S: AsRef<OsStr>>(args: &[S]) -> Child {
    let mut program = Command::new(PROGRAM);
    program.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// What it wrote to stdout and stderr; it ended with `code` and did not panic.
#[track_caller]
pub fn expect(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout: {out}\nstderr: {err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// It ended with `code`, with these words on stdout or stderr.
#[track_caller]
pub fn says(output: &Output, code: i32, words: &[&str]) {
    let (out, err) = expect(output, code);
    for word in words {
        assert!(out.contains(word) || err.contains(word), "{word:?} is missing in: {out}{err}");
    }
}

pub fn report(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a report")).expect("JSON")
}

/// A folder that goes with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn name(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").into()
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).expect("written");
        self.name(name)
    }

    /// Names of everything in the folder.
    pub fn list(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a folder");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}
