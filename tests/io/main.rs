//! Files good and bad: what is read, what is refused, and with which words.

#[path = "../common/mod.rs"]
mod common;
mod packed;

use common::{collection, fields, zip};
use flate2::{Compression, write::GzEncoder};
use krylane::Error;
use krylane::io::{
    Field, Format, ReadOptions, Symmetry, read_columns, read_matrix, read_matrix_market_from, read_vector,
    read_vector_from, write_columns, write_complex_columns, write_complex_matrix, write_complex_vector, write_matrix,
    write_vector,
};
use krylane::matrix::{Csr, ToCsr, Triplets, gallery};
use proptest::prelude::*;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const GENERAL: &str = "%%MatrixMarket matrix coordinate real general\n";
const SYMMETRIC: &str = "%%MatrixMarket matrix coordinate real symmetric\n";
const SKEW: &str = "%%MatrixMarket matrix coordinate real skew-symmetric\n";
const ARRAY: &str = "%%MatrixMarket matrix array real general\n";

fn options() -> ReadOptions {
    ReadOptions { memory_limit: 64 << 20, ..ReadOptions::default() }
}

fn parse(text: impl AsRef<[u8]>) -> krylane::Result<krylane::io::Loaded> {
    read_matrix_market_from(text.as_ref(), Path::new("a.mtx"), &options())
}

fn dense(a: &Csr) -> Vec<Vec<f64>> {
    (0..a.rows()).map(|i| (0..a.cols()).map(|j| a.get(i, j)).collect()).collect()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn put(folder: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// (text, how the message must start after the file's name, a part of it).
fn malformed() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let general = |rest: &str| format!("{GENERAL}{rest}").into_bytes();
    let with = |head: &str, rest: &str| format!("{head}{rest}").into_bytes();
    let utf16: Vec<u8> = GENERAL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        (b"".to_vec(), ":1:", "empty"),
        (b"\n\n".to_vec(), ":1:", "%%MatrixMarket"),
        (b"1 1 1\n1 1 2\n".to_vec(), ":1:1:", "not `1`"),
        (b"%%MatrixMarker matrix coordinate real general\n1 1 0\n".to_vec(), ":1:1:", "`%%MatrixMarker`"),
        ([b"\xff\xfe".to_vec(), utf16.clone()].concat(), ":1:", "UTF-16"),
        (utf16, ":1:", "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0".to_vec(), ":1:", "PNG"),
        (b"<!DOCTYPE html><html>".to_vec(), ":1:", "HTML"),
        (gz(GENERAL.as_bytes()), ":1:", ".gz"),
        (b"PK\x03\x04abc".to_vec(), ":1:", "zip"),
        (b"%%MatrixMarket\0\0\0".to_vec(), ":1:", "binary data (byte 15 is zero)"),
        (b"%%MatrixMarket matrix coordinate".to_vec(), ":1:33:", "before its field"),
        (b"%%MatrixMarket".to_vec(), ":1:15:", "before its object"),
        (b"%%MatrixMarket matrix coordinate real".to_vec(), ":1:38:", "before its symmetry"),
        (b"%%MatrixMarket vector coordinate real general\n".to_vec(), ":1:16:", "`vector` is not supported"),
        (b"%%MatrixMarket metrix coordinate real general\n".to_vec(), ":1:16:", "did you mean `matrix`?"),
        (b"%%MatrixMarket matrix coordinates real general\n".to_vec(), ":1:23:", "did you mean `coordinate`?"),
        (b"%%MatrixMarket matrix coordinate float general\n".to_vec(), ":1:34:", "`float` is none of real"),
        (b"%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 0\n".to_vec(), ":1:34:", "complex"),
        (b"%%MatrixMarket matrix coordinate real symetric\n".to_vec(), ":1:39:", "did you mean `symmetric`?"),
        (b"%%MatrixMarket matrix coordinate real general 7\n".to_vec(), ":1:47:", "unexpected `7`"),
        (b"%%MatrixMarket matrix array pattern general\n".to_vec(), ":1:29:", "no legal combination"),
        (b"%%MatrixMarket matrix coordinate pattern general\n1 1 1\n1 1\n".to_vec(), ":1:34:", "`pattern_as_ones`"),
        (general(""), ":1:", "before the size line"),
        (general("% only comments\n\n"), ":3:", "before the size line"),
        (general("3 3\n"), ":2:4:", "number of entries is missing"),
        (general("3 3 1 1\n"), ":2:7:", "unexpected `1`"),
        (general("-3 3 1\n"), ":2:1:", "`-3`"),
        (general("3 3.0 1\n"), ":2:3:", "`3.0`"),
        (general("3 x 1\n"), ":2:3:", "`x`"),
        (general("4294967296 3 1\n"), ":2:1:", "limit of 4294967295"),
        (general("3 3 9223372036854775808\n"), ":2:5:", "limit of 9223372036854775807"),
        (general("3 3 99999999999999999999999\n"), ":2:5:", "limit of"),
        (general("3 3 1000000000000\n1 1 1\n"), ":2:", "memory limit of 67108864"),
        (general("4000000000 3 1\n1 1 1\n"), ":2:", "memory limit of 67108864"),
        (general("3 3 1\n1 1 1\n2 2 2\n"), ":4:", "more entries than the 1 that line 2 promises"),
        (general("3 3 2\n1 1 1\n"), ":3:", "after 1 of the 2 entries"),
        (general("3 3 0\n1 1 1\n"), ":3:", "more entries"),
        (general("3 3 1\n1 1\n"), ":3:4:", "value is missing"),
        (general("3 3 1\n1\n"), ":3:2:", "column index is missing"),
        (general("3 3 1\n1 1 1 1\n"), ":3:7:", "unexpected `1`"),
        (general("3 3 1\n1 1 1 % why\n"), ":3:7:", "unexpected `%`"),
        (general("3 3 1\n0 1 1\n"), ":3:1:", "row index `0` is below 1"),
        (general("3 3 1\n1 -1 1\n"), ":3:3:", "column index `-1` is below 1"),
        (general("3 3 1\n4 1 1\n"), ":3:1:", "row index `4` is beyond the 3 rows"),
        (general("3 3 1\n1 4294967297 1\n"), ":3:3:", "`4294967297` is beyond the 3 columns"),
        (general("3 3 1\n18446744073709551617 1 1\n"), ":3:1:", "beyond the 3 rows"),
        (general("3 3 1\n1.0 1 1\n"), ":3:1:", "row index `1.0` is not a whole number"),
        (general("3 3 1\n1 - 1\n"), ":3:3:", "column index `-` is not a whole number"),
        (general("3 3 1\n1 1 abc\n"), ":3:5:", "value `abc` is not a number"),
        (general("3 3 1\n1 1 1,5\n"), ":3:5:", "not a comma"),
        (general("3 3 1\n1 1 nan\n"), ":3:5:", "`nan` is not finite"),
        (general("3 3 1\n1 1 -Inf\n"), ":3:5:", "`-Inf` is not finite"),
        (general("3 3 1\n1 1 infinity\n"), ":3:5:", "not finite"),
        (general("3 3 1\n1 1 1e400\n"), ":3:5:", "beyond the range of f64"),
        (general("3 3 1\n1 1 1e\n"), ":3:5:", "`1e` is not a number"),
        (general("3 3 1\n1 1 .\n"), ":3:5:", "`.` is not a number"),
        (general("3 3 1\n1 1 1.0\0\n"), ":", "zero"),
        (general("2 2 2\n1 1 1e308\n1 1 1e308\n"), ": the duplicates", "entry (0, 0), counted from 0, sum to inf"),
        (
            with("%%MatrixMarket matrix coordinate integer general\n", "1 1 1\n1 1 1.5\n"),
            ":3:5:",
            "banner says integer",
        ),
        (with(SYMMETRIC, "3 2 1\n1 1 1\n"), ":2:", "can't be symmetric"),
        (with(SYMMETRIC, "3 3 2\n2 1 1\n1 2 1\n"), ":4:", "(1, 2) is on the other side of the diagonal than line 3"),
        (with(SYMMETRIC, "3 3 3\n1 2 1\n1 1 1\n3 2 1\n"), ":5:", "stores one triangle"),
        (with(SKEW, "3 3 1\n2 2 1\n"), ":3:", "(2, 2), not zero, is on the diagonal of a skew-symmetric"),
        (with(ARRAY, "2 1 2\n1\n2\n"), ":2:5:", "unexpected `2`"),
        (with(ARRAY, "2 1\n1\n"), ":3:", "after 1 of the 2"),
        (with(ARRAY, "2 1\n1\n2\n3\n"), ":5:", "more entries than the 2"),
        (with(ARRAY, "2 2\n1 2\n3 4\n"), ":3:3:", "one value per line"),
        (with(ARRAY, "4000000000 4000000000\n1\n"), ":2:", "memory limit"),
        (with(GENERAL, &format!("1 1 1\n1 1 {}1\n", " ".repeat(2 << 20))), ":3:", "longer than 1048576 bytes"),
        (with(GENERAL, &format!("1 1 1\n1 1 {}x\n", "1".repeat(100))), ":3:5:", "...` (101 bytes)"),
    ]
}

#[test]
fn malformed_files_are_refused_by_name_and_place() {
    for (bytes, place, part) in malformed() {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        let error = parse(&bytes).expect_err(&shown);
        let message = error.to_string();
        assert!(message.starts_with(&format!("a.mtx{place}")), "{shown:?}: {message}, wanted {place}");
        assert!(message.contains(part), "{shown:?}: {message}, wanted {part}");
        assert!(error.is_bad_input(), "{message}");
    }
}

#[test]
fn entries_are_checked_against_the_size_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder, "a.mtx", format!("{GENERAL}1000 1000 1000\n1 1 1\n"));
    let message = read_matrix(&path, &options()).unwrap_err().to_string();
    assert!(message.contains(":2:") && message.contains("a file of this size holds 16 at most"), "{message}");
    let path = put(&folder, "a.mtx.gz", gz(format!("{GENERAL}1000 1000 1000000\n1 1 1\n").as_bytes()));
    let message = read_matrix(&path, &options()).unwrap_err().to_string();
    assert!(message.contains(":2:") && message.contains("a file of this size"), "{message}");
}

#[test]
fn accepted_variants() {
    let a = [[2.0, 0.0], [-1.0, 0.5]];
    for text in [
        format!("{GENERAL}2 2 3\n1 1 2\n2 1 -1\n2 2 .5\n"),
        format!("\u{feff}{GENERAL}2 2 3\n1 1 2\n2 1 -1\n2 2 .5"),
        "%%matrixmarket MATRIX Coordinate real GENERAL\n2 2 3\n1 1 2\n2 1 -1\n2 2 .5\n".to_string(),
        format!("{GENERAL}2 2 3\n1 1 2\n2 1 -1\n2 2 .5\n").replace('\n', "\r\n"),
        format!("{GENERAL}\n% c\n \t\n\t2\t2\t3 \n\n%\n1\t1 \t2.0D+00\n  % deep\n2 1 -1.d0\n002 2 +5E-1\n\n% end"),
        format!("{GENERAL}2 2 5\n2 2 .25\n1 1 3\n2 1 -1\n1 1 -1\n2 2 .25\n"),
        format!("{ARRAY}2 2\n2\n-1\n0\n0.5\n"),
        format!("{GENERAL}%{}\n2 2 3\n1 1 2\n2 1 -1\n2 2 .5\n", "long ".repeat(1 << 19)),
    ] {
        let loaded = parse(&text).unwrap_or_else(|e| panic!("{e}: {:?}", &text[..text.len().min(200)]));
        assert_eq!(dense(&loaded.matrix), a, "{:?}", &text[..text.len().min(200)]);
    }
    let latin1 = [GENERAL.as_bytes(), b"% M\xfcller, \xe9t\xe9\n1 1 1\n1 1 3\n"].concat();
    assert_eq!(dense(&parse(latin1).unwrap().matrix), [[3.0]]);
    assert_eq!(dense(&parse(format!("{GENERAL}0 0 0\n")).unwrap().matrix), Vec::<Vec<f64>>::new());
}

#[test]
fn symmetries_are_expanded() {
    for text in ["3 3 3\n1 1 4\n2 1 -1\n3 2 7\n", "3 3 3\n1 2 -1\n1 1 4\n2 3 7\n"] {
        let loaded = parse(format!("{SYMMETRIC}{text}")).unwrap();
        assert_eq!(dense(&loaded.matrix), [[4.0, -1.0, 0.0], [-1.0, 0.0, 7.0], [0.0, 7.0, 0.0]]);
        assert_eq!((loaded.notes.symmetry, loaded.notes.entries), (Symmetry::Symmetric, 3));
    }
    let hermitian = parse("%%MatrixMarket matrix coordinate real hermitian\n2 2 1\n2 1 3\n").unwrap();
    assert_eq!(dense(&hermitian.matrix), [[0.0, 3.0], [3.0, 0.0]]);
    let skew = parse(format!("{SKEW}3 3 2\n2 1 -1\n3 2 7\n")).unwrap();
    assert_eq!(dense(&skew.matrix), [[0.0, 1.0, 0.0], [-1.0, 0.0, -7.0], [0.0, 7.0, 0.0]]);
    let symmetric = parse("%%MatrixMarket matrix array real symmetric\n3 3\n1\n2\n3\n4\n5\n6\n").unwrap();
    assert_eq!(dense(&symmetric.matrix), [[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]);
    let skew = parse("%%MatrixMarket matrix array integer skew-symmetric\n3 3\n1\n2\n3\n").unwrap();
    assert_eq!(dense(&skew.matrix), [[0.0, -1.0, -2.0], [1.0, 0.0, -3.0], [2.0, 3.0, 0.0]]);
}

#[test]
fn patterns_need_the_option() {
    let text = "%%MatrixMarket matrix coordinate pattern symmetric\n2 2 2\n1 1\n2 1\n";
    let ones = ReadOptions { pattern_as_ones: true, ..options() };
    let loaded = read_matrix_market_from(text.as_bytes(), Path::new("a"), &ones).unwrap();
    assert_eq!(dense(&loaded.matrix), [[1.0, 1.0], [1.0, 0.0]]);
    assert_eq!(loaded.notes.field, Field::Pattern);
    for text in ["symmetric\n2 2 1\n1 1 5\n", "skew-symmetric\n2 2 1\n2 1\n", "hermitian\n2 2 1\n2 1\n"] {
        let text = format!("%%MatrixMarket matrix coordinate pattern {text}");
        read_matrix_market_from(text.as_bytes(), Path::new("a"), &ones).unwrap_err();
    }
}

#[test]
fn notes_count() {
    let text = format!("{GENERAL}2 2 7\n1 1 1e-310\n1 1 1\n1 1 1\n2 2 0\n2 1 -0.0\n1 2 1e-400\n2 2 5e-324\n");
    let notes = parse(text).unwrap().notes;
    assert_eq!((notes.entries, notes.duplicates, notes.explicit_zeros, notes.subnormals), (7, 3, 3, 3));
    assert_eq!((notes.format, notes.field), (Format::Coordinate, Field::Real));
    assert!(notes.to_string().contains("3 duplicates summed"), "{notes}");
    let notes = parse(format!("{SYMMETRIC}2 2 5\n1 1 1\n1 1 1\n2 1 1\n2 1 1\n2 1 1\n")).unwrap().notes;
    assert_eq!(notes.duplicates, 3);
    let text = "%%MatrixMarket matrix coordinate integer general\n1 2 2\n1 1 9007199254740993\n1 2 9007199254740992\n";
    assert_eq!(parse(text).unwrap().notes.rounded_integers, 1);
}

#[test]
fn vectors() {
    let read = |text: &str| read_vector_from(text.as_bytes(), Path::new("b.txt"), &options());
    assert_eq!(read(&format!("{ARRAY}3 1\n1\n0\n-2\n")).unwrap(), [1.0, 0.0, -2.0]);
    assert_eq!(read(&format!("{GENERAL}3 1 2\n3 1 -2\n1 1 1\n")).unwrap(), [1.0, 0.0, -2.0]);
    assert_eq!(read("# head\n1\n\n 0.0 \r\n% c\n-2D0").unwrap(), [1.0, 0.0, -2.0]);
    assert_eq!(read(&format!("{ARRAY}0 1\n")).unwrap(), [0.0; 0]);
    for (text, part) in [
        ("", "no numbers"),
        ("# nothing\n", "no numbers"),
        ("1\nnan\n", "b.txt:2:1: value `nan`"),
        ("1\n2 3\n", "b.txt:2:3: unexpected `3`"),
        ("1\n-inf\n", "b.txt:2:1"),
        ("<html>", "HTML"),
        ("%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n", "1 column; this is 2 x 2"),
        ("%%MatrixMarket matrix array real general\n4000000000 1\n1\n", "memory limit"),
        ("%%MatrixMarket matrix coordinate real general\n4000000000 1 0\n", "memory limit"),
        ("%%MatrixMarket matrix coordinate real general\n1 1 2\n1 1 1e308\n1 1 1e308\n", ":4: the sum"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(part), "{text:?}: {message}");
    }
    let tight = ReadOptions { memory_limit: 16, ..options() };
    assert_eq!(read_vector_from(&b"1\n2\n"[..], Path::new("b"), &tight).unwrap(), [1.0, 2.0]);
    assert!(matches!(read_vector_from(&b"1\n2\n3\n"[..], Path::new("b"), &tight), Err(Error::OutOfMemory { .. })));
}

#[test]
fn columns() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str, options: &ReadOptions| read_columns(&put(&folder, "b.mtx", text), options);
    let ok = |text: &str| read(text, &options()).unwrap();
    assert_eq!(ok(&format!("{ARRAY}2 3\n1\n2\n3\n4\n5\n6\n")), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(ok(&format!("{GENERAL}2 3 3\n2 3 1\n1 1 2\n2 3 4\n")), [[2.0, 0.0], [0.0, 0.0], [0.0, 5.0]]);
    assert_eq!(ok("1\n2\n"), [[1.0, 2.0]]);
    assert_eq!(ok(&format!("{ARRAY}2 0\n")), [[0.0; 2]; 0]);
    assert_eq!(ok(&format!("{ARRAY}0 2\n")), [[0.0; 0]; 2]);
    for (text, part) in [
        (format!("{ARRAY}2 2\n1\n2\n3\n"), "after 3 of the 4 entries"),
        (format!("{ARRAY}2 2\n1\n2\n3\nnan\n"), "b.mtx:6:1"),
        (format!("{GENERAL}1 2 2\n1 2 1e308\n1 2 1e308\n"), ":4: the sum"),
        // What columns without entries take counts too.
        (format!("{ARRAY}0 4000000000\n"), "memory limit"),
        (format!("{GENERAL}4000000000 4000000000 0\n"), "memory limit"),
        ("1 2\n".into(), "one number per line"),
    ] {
        let message = read(&text, &options()).unwrap_err().to_string();
        assert!(message.contains(part), "{text:?}: {message}");
    }
    let path = folder.path().join("x.mtx.gz");
    let x = [[1.0, -0.5, 1e-310], [0.1, f64::MAX, -0.0]];
    write_columns(&path, 3, &x).unwrap();
    assert_eq!(read_columns(&path, &options()).unwrap(), x);
    let message = read_vector(&path, &options()).unwrap_err().to_string();
    assert!(message.contains("1 column; this is 3 x 2"), "{message}");
    let (z, complex) = ([[1.0, -2.0, 0.1, 1e300], [0.0, 0.0, 3.0, 4.0]], ReadOptions { complex: true, ..options() });
    write_complex_columns(&path, 2, &z).unwrap();
    assert_eq!(read_columns(&path, &complex).unwrap(), z);
    write_complex_columns(&path, 2, &[z[0], [0.0, 0.0, f64::NAN, 0.0]]).unwrap_err();
    assert_eq!(
        read("%%MatrixMarket matrix array real general\n1 2\n3\n4\n", &complex).unwrap(),
        [[3.0, 0.0], [4.0, 0.0]]
    );
}

#[test]
fn gzip() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{GENERAL}2 2 2\n1 1 1\n2 2 2\n");
    let packed = gz(text.as_bytes());
    let read = |name: &str, bytes: &[u8]| read_matrix(&put(&folder, name, bytes), &options());
    assert_eq!(dense(&read("a.mtx.gz", &packed).unwrap().matrix), [[1.0, 0.0], [0.0, 2.0]]);
    // Several members, as `cat a.gz b.gz` makes them.
    let members = [gz(&text.as_bytes()[..60]), gz(&text.as_bytes()[60..])].concat();
    assert_eq!(read("b.mtx.GZ", &members).unwrap().matrix.nnz(), 2);
    for (name, bytes, part) in [
        ("d.mtx.gz", text.clone().into_bytes(), "not gzip data"),
        ("e.mtx.gz", packed[..packed.len() - 12].to_vec(), "truncated"),
        ("f.mtx.gz", packed[..packed.len() - 3].to_vec(), "truncated"),
        ("g.mtx.gz", packed[..5].to_vec(), "truncated"),
        ("h.mtx.gz", b"".to_vec(), "truncated"),
        ("i.tar.gz", gz(&tar(text.as_bytes())), "tar archive"),
    ] {
        let message = read(name, &bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{name}: {message}");
    }
    for k in [packed.len() / 2, packed.len() - 6, packed.len() - 2] {
        let mut bad = packed.clone();
        bad[k] ^= 0x55;
        read("bad.mtx.gz", &bad).unwrap_err();
    }
}

/// The start of a tar archive, as far as readers look.
fn tar(content: &[u8]) -> Vec<u8> {
    let mut head = vec![b'a'; 512];
    head[257..262].copy_from_slice(b"ustar");
    [head, content.to_vec()].concat()
}

/// A stream without end; what reads it to the end never comes back.
struct Endless(&'static [u8]);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = buffer.len() / self.0.len() * self.0.len();
        buffer[..n].chunks_mut(self.0.len()).for_each(|c| c.copy_from_slice(&self.0[..c.len()]));
        Ok(n)
    }
}

#[test]
fn bombs_end_early() {
    let start = Instant::now();
    for (head, tail, part) in [
        ("", &b"\0"[..], "binary"),
        ("", b"a", "longer than"),
        ("%%MatrixMarket ", b"a", "longer than"),
        (GENERAL, b"\n", "comments and blank lines"),
        (GENERAL, b"%", "comments and blank lines"),
        (GENERAL, b" ", "longer than"),
        ("%%MatrixMarket matrix coordinate real general\n1 1 1\n", b"1", "longer than"),
        ("%%MatrixMarket matrix coordinate real general\n9 9 5\n", b"1 1 1\n", "more entries than the 5"),
        ("%%MatrixMarket matrix coordinate real general\n9 9 9000000\n", b"1 1 1\n", "memory limit"),
    ] {
        let source = head.as_bytes().chain(Endless(tail));
        let message = read_matrix_market_from(source, Path::new("a"), &options()).unwrap_err().to_string();
        assert!(message.contains(part), "{head:?} {message}");
    }
    let numbers = read_vector_from(Endless(b"12345678\n"), Path::new("a"), &options()).unwrap_err();
    assert!(matches!(numbers, Error::OutOfMemory { .. }), "{numbers}");
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn devices_and_folders() {
    for path in ["/dev/zero", "/dev/null", "/", "/nonexistent/a.mtx", "/dev/full"] {
        let error = read_matrix(Path::new(path), &options()).unwrap_err();
        assert!(error.to_string().starts_with(path), "{error}");
        read_vector(Path::new(path), &options()).unwrap_err();
    }
    let error = write_vector(Path::new("/dev/full"), &[1.0; 10]).unwrap_err();
    assert!(error.to_string().contains("/dev/full: No space left"), "{error}");
    write_vector(Path::new("/dev/null"), &[1.0]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("no/such/x.mtx")] {
        assert!(matches!(write_vector(&path, &[1.0]), Err(Error::Io { .. })));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn nothing_is_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder, "x.mtx", "old");
    write_vector(&path, &[1.0, f64::NAN]).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    let failed = krylane::io::write_whole(&path, |out| {
        out.write_all(&[b'x'; 1 << 20])?;
        Err(std::io::ErrorKind::Other.into())
    });
    assert!(failed.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    write_vector(&path, &[1.0, -0.0, 1e-310]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{ARRAY}3 1\n1.0\n-0.0\n1e-310\n"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files left");
}

#[cfg(unix)]
#[test]
fn links_and_modes_survive_writing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder, "x.mtx", "old");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link.mtx");
    std::os::unix::fs::symlink("x.mtx", &link).unwrap();
    write_vector(&link, &[2.0]).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read_vector(&path, &options()).unwrap(), [2.0]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn scipy_files() {
    let read =
        |name: &str| read_matrix(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name), &options());
    let m = [[4.0, 0.0, -1.5, 0.0], [0.0, 2.25, 0.0, 0.0], [-1.5, 0.0, 1e-3, 7.0]];
    let csr = read("scipy_csr.npz").unwrap();
    assert_eq!(
        (dense(&csr.matrix), csr.notes.format, csr.notes.field),
        (m.map(Vec::from).to_vec(), Format::NpzCsr, Field::Real)
    );
    assert_eq!(dense(&read("scipy_coo_array.npz").unwrap().matrix), m);
    let csc = read("scipy_csc_f32_i64.npz").unwrap();
    assert_eq!(dense(&csc.matrix), m.map(|r| r.map(|v| f64::from(v as f32))));
    let coo = read("scipy_coo_int.npz").unwrap();
    assert_eq!(dense(&coo.matrix), [[0.0, 1.0, 0.0, 4.0], [0.0; 4], [5.0, 0.0, 0.0, 0.0]]);
    assert_eq!((coo.notes.duplicates, coo.notes.field), (1, Field::Integer));
    let message = read("scipy_complex.npz").unwrap_err().to_string();
    assert!(message.contains("scipy_complex.npz") && message.contains("complex"), "{message}");
    assert_eq!(read("scipy_bsr.npz").unwrap().notes.format, Format::NpzBsr);
}

#[test]
fn complex_files_need_the_option() {
    let complex = ReadOptions { complex: true, ..options() };
    let parts = |text: &str| {
        let loaded = read_matrix_market_from(text.as_bytes(), Path::new("a"), &complex).unwrap();
        (dense(&loaded.matrix), dense(&loaded.imaginary.unwrap()), loaded.notes)
    };
    let banner = |symmetry: &str| format!("%%MatrixMarket matrix coordinate complex {symmetry}\n");
    let (re, im, notes) = parts(&(banner("general") + "2 2 3\n1 1 1 2\n2 1 3 0\n1 1 0.5 -1\n"));
    assert_eq!((re, im), (vec![vec![1.5, 0.0], vec![3.0, 0.0]], vec![vec![1.0, 0.0], vec![0.0, 0.0]]));
    assert_eq!((notes.field, notes.duplicates, notes.entries), (Field::Complex, 1, 3));
    for (symmetry, re, im) in [
        ("symmetric", [[2.0, 3.0], [3.0, 0.0]], [[0.0, -4.0], [-4.0, 0.0]]),
        ("hermitian", [[2.0, 3.0], [3.0, 0.0]], [[0.0, 4.0], [-4.0, 0.0]]),
    ] {
        let (b, c, notes) = parts(&(banner(symmetry) + "2 2 2\n1 1 2 0\n2 1 3 -4\n"));
        assert_eq!((b, c), (re.map(Vec::from).to_vec(), im.map(Vec::from).to_vec()), "{symmetry}");
        assert!(notes.to_string().contains(symmetry), "{notes}");
    }
    let (b, c, _) = parts(&(banner("skew-symmetric") + "2 2 1\n2 1 3 -4\n"));
    assert_eq!((b, c), (vec![vec![0.0, -3.0], vec![3.0, 0.0]], vec![vec![0.0, 4.0], vec![-4.0, 0.0]]));
    let (b, c, _) = parts("%%MatrixMarket matrix array complex hermitian\n2 2\n1 0\n2 3\n4 0\n");
    assert_eq!((b, c), (vec![vec![1.0, 2.0], vec![2.0, 4.0]], vec![vec![0.0, -3.0], vec![3.0, 0.0]]));
    for (text, part) in [
        (banner("hermitian") + "1 1 1\n1 1 2 1\n", "must be real"),
        (banner("general") + "1 1 1\n1 1 2\n", "imaginary part is missing"),
        (banner("general") + "1 1 1\n1 1 2 nan\n", "not finite"),
        (banner("general") + "1 1 1\n1 1 2 3 4\n", "real imaginary"),
    ] {
        let e = read_matrix_market_from(text.as_bytes(), Path::new("a"), &complex).unwrap_err();
        assert!(e.to_string().contains(part), "{e}");
        assert!(parse(&text).unwrap_err().to_string().contains("`complex`"), "{text}");
    }
    // Vectors: parts in turn; real ones are complex ones without imaginary parts.
    let vector = |text: &str| read_vector_from(text.as_bytes(), Path::new("b"), &complex).unwrap();
    assert_eq!(vector("%%MatrixMarket matrix array complex general\n2 1\n1 2\n3 -4\n"), [1.0, 2.0, 3.0, -4.0]);
    assert_eq!(vector("%%MatrixMarket matrix coordinate complex general\n2 1 1\n2 1 3 -4\n"), [0.0, 0.0, 3.0, -4.0]);
    assert_eq!(vector("%%MatrixMarket matrix array real general\n2 1\n1\n3\n"), [1.0, 0.0, 3.0, 0.0]);
    assert_eq!(vector("5\n6\n"), [5.0, 0.0, 6.0, 0.0]);
    // SciPy's files, in both precisions.
    let re = [[4.0, 0.0, -1.5, 0.0], [0.0; 4], [-1.5, 0.0, 1e-3, 7.0]];
    let im = [[0.0, 0.0, 2.0, 0.0], [0.0, 2.25, 0.0, 0.0], [-2.0, 0.0, 0.0, -1.0]];
    for name in ["scipy_complex.npz", "scipy_csc_c64.npz"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let loaded = read_matrix(&path, &complex).unwrap();
        for (a, b) in dense(&loaded.matrix).iter().flatten().zip(re.iter().flatten()) {
            assert!((a - b).abs() < 1e-9, "{name}");
        }
        assert_eq!(
            (dense(&loaded.imaginary.unwrap()), loaded.notes.field),
            (im.map(Vec::from).to_vec(), Field::Complex)
        );
    }
}

#[test]
fn complex_files_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mtx");
    let (re, im) = (gallery::tridiagonal(4, 1.0, 0.0, 2.0), gallery::diagonal(&[0.5, 1.0, -2.0, 1e-300]));
    write_complex_matrix(&path, &re, &im).unwrap();
    let complex = ReadOptions { complex: true, ..options() };
    let loaded = read_matrix(&path, &complex).unwrap();
    assert_eq!((dense(&loaded.matrix), dense(&loaded.imaginary.unwrap())), (dense(&re), dense(&im)));
    write_complex_vector(&path, &[1.0, -2.0, 0.1, 1e300]).unwrap();
    assert_eq!(read_vector(&path, &complex).unwrap(), [1.0, -2.0, 0.1, 1e300]);
    assert!(read_vector(&path, &options()).unwrap_err().to_string().contains("`complex`"));
}
