//! Writes `include/krylane.h` from the sources in `c/src`; with `--check` compares the two instead.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of the interface");
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut text = vec![];
    let made = cbindgen::Builder::new().with_crate(root).with_config(config).generate();
    made.expect("the sources have a header").write(&mut text);
    let path = root.join("include/krylane.h");
    if !std::env::args().any(|argument| argument == "--check") {
        fs::write(&path, &text).expect("the header can be written");
        return ExitCode::SUCCESS;
    }
    if fs::read(&path).is_ok_and(|committed| committed == text) {
        return ExitCode::SUCCESS;
    }
    eprintln!("include/krylane.h is not what the sources say: cargo run --manifest-path c/header/Cargo.toml");
    ExitCode::FAILURE
}
