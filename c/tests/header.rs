//! The header in `include/` is the one that the sources give. `KRYLANE_WRITE_HEADER=1 cargo test` writes it.

use std::fs;
use std::path::Path;

#[test]
fn the_header_is_that_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut text = vec![];
    cbindgen::Builder::new().with_crate(root).with_config(config).generate().unwrap().write(&mut text);
    let (text, path) = (String::from_utf8(text).unwrap(), root.join("include/krylane.h"));
    if std::env::var_os("KRYLANE_WRITE_HEADER").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).is_ok_and(|committed| committed == text), "include/krylane.h is out of date");
}
