//! Every format that is read, from files made here byte by byte, and what is written read again.

mod common;

use common::zip;
use krylane::io::{
    Content, FORMATS, Format, Loaded, ReadOptions, read_columns, read_matrix, read_vector, write_columns,
    write_complex_columns, write_complex_matrix, write_matrix, write_vector, written_as,
};
use krylane::matrix::{Csr, gallery};
use krylane::{Called, Error, Halt};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn options() -> ReadOptions {
    ReadOptions { memory_limit: 64 << 20, ..ReadOptions::default() }
}

fn complex() -> ReadOptions {
    ReadOptions { complex: true, ..options() }
}

fn dense(a: &Csr) -> Vec<Vec<f64>> {
    (0..a.rows()).map(|i| (0..a.cols()).map(|j| a.get(i, j)).collect()).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
    fn matrix(&self, name: &str, bytes: impl AsRef<[u8]>) -> krylane::Result<Loaded> {
        read_matrix(&self.put(name, bytes), &options())
    }
    fn columns(&self, name: &str, bytes: impl AsRef<[u8]>) -> krylane::Result<Vec<Vec<f64>>> {
        read_columns(&self.put(name, bytes), &options())
    }
}

fn le<const N: usize>(values: &[f64], to: fn(f64) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&v| to(v)).collect()
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<_> = arrays.iter().map(|(name, bytes)| (format!("{name}.npy"), bytes.clone())).collect();
    zip(&entries)
}

fn int(values: &[i32]) -> Vec<u8> {
    npy("<i4", false, &format!("({},)", values.len()), &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
}

fn format_of(name: &[u8; 3]) -> Vec<u8> {
    npy("|S3", false, "()", name)
}

#[test]
fn matrix_market_as_other_programs_write_it() {
    let folder = Folder::new();
    let read = |text: &str| folder.matrix("a.mtx", text).unwrap();
    let unsigned = read("%%MatrixMarket matrix coordinate unsigned-integer general\n2 2 2\n1 1 3\n2 2 4\n");
    assert_eq!(dense(&unsigned.matrix), [[3.0, 0.0], [0.0, 4.0]]);
    let one = read("%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 4\n2 1 -1\n");
    assert_eq!(dense(&one.matrix), [[4.0, -1.0], [-1.0, 0.0]]);
    let skew = read("%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 3\n1 1 0\n2 2 -0.0\n2 1 5\n");
    assert_eq!(dense(&skew.matrix), [[0.0, -5.0], [5.0, 0.0]]);
    // Right-hand sides stored as matrices of some symmetry.
    let b = |text: &str| folder.columns("b.mtx", text).unwrap();
    let array = "%%MatrixMarket matrix array";
    assert_eq!(b(&format!("{array} real symmetric\n2 2\n1\n2\n3\n")), [[1.0, 2.0], [2.0, 3.0]]);
    assert_eq!(b(&format!("{array} real symmetric\n1 1\n7\n")), [[7.0]]);
    assert_eq!(b(&format!("{array} unsigned-integer general\n3 1\n1\n2\n3\n")), [[1.0, 2.0, 3.0]]);
    assert_eq!(b("%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 1\n2 2 1\n"), [[1.0, 0.0], [0.0, 1.0]]);
    assert_eq!(b(&format!("{array} real skew-symmetric\n2 2\n4\n")), [[0.0, 4.0], [-4.0, 0.0]]);
    let row = folder.put("row.mtx", format!("{array} real general\n1 3\n1\n2\n3\n"));
    assert_eq!(read_vector(&row, &options()).unwrap(), [1.0, 2.0, 3.0]);
    // Hermitian columns are conjugated across the diagonal.
    let path = folder.put("h.mtx", format!("{array} complex hermitian\n2 2\n1 0\n2 3\n4 0\n"));
    assert_eq!(read_columns(&path, &complex()).unwrap(), [[1.0, 0.0, 2.0, 3.0], [2.0, -3.0, 4.0, 0.0]]);
}

#[test]
fn numpy_arrays() {
    let folder = Folder::new();
    let v = [1.5, -2.0, 0.0, 4.0, 0.25, 6.0];
    let bytes = le(&v, f64::to_le_bytes);
    assert_eq!(folder.columns("b.npy", npy("<f8", false, "(6,)", &bytes)).unwrap(), [v.to_vec()]);
    let rows = folder.columns("b.npy", npy("<f8", false, "(3, 2)", &bytes)).unwrap();
    assert_eq!(rows, [[1.5, 0.0, 0.25], [-2.0, 4.0, 6.0]]);
    let columns = folder.columns("b.npy", npy("<f8", true, "(3, 2)", &bytes)).unwrap();
    assert_eq!(columns, [[1.5, -2.0, 0.0], [4.0, 0.25, 6.0]]);
    let single = le(&v, |v| (v as f32).to_be_bytes());
    assert_eq!(folder.columns("b.npy", npy(">f4", false, "(6, 1)", &single)).unwrap(), [v.to_vec()]);
    let matrix = folder.matrix("a.npy", npy("<f8", false, "(2, 3)", &bytes)).unwrap();
    assert_eq!((dense(&matrix.matrix), matrix.matrix.nnz()), (vec![vec![1.5, -2.0, 0.0], vec![4.0, 0.25, 6.0]], 5));
    assert_eq!(matrix.notes.format, Format::Npy);
    let z = folder.put("z.npy", npy("<c16", false, "(3,)", &bytes));
    assert_eq!(read_vector(&z, &complex()).unwrap(), v);
    // The content counts, not the name; gzip is unpacked whatever it is called.
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    packed.write_all(&npy("<f8", false, "(6,)", &bytes)).unwrap();
    assert_eq!(folder.columns("b.dat", packed.finish().unwrap()).unwrap(), [v.to_vec()]);
    for (bytes, part) in [
        (npy("<f8", false, "(7,)", &bytes), "ends after"),
        (npy("<f8", false, "(1, 2, 3)", &bytes), "3 dimensions"),
        (npy("<f8", false, "(9000000000,)", &bytes), "memory limit"),
        (npy("<c16", false, "(3,)", &bytes), "`complex`"),
        (npy("|O", false, "(6,)", &bytes), "header"),
        (npy("<f8", false, "(6,)", &le(&[f64::NAN; 6], f64::to_le_bytes)), "entry 0 is NaN"),
        (b"\x93NUMPY\x01".to_vec(), "ends within its header"),
    ] {
        let message = folder.columns("b.npy", bytes).unwrap_err().to_string();
        assert!(message.contains("b.npy: ") && message.contains(part), "{message}, wanted {part}");
    }
}

#[test]
fn scipy_diagonals_and_blocks() {
    let folder = Folder::new();
    let shape = |m: i32, n: i32| ("shape", int(&[m, n]));
    // SciPy's rule: data[k, j] stands at (j − offsets[k], j).
    let data = le(&[9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], f64::to_le_bytes);
    let dia = |offsets: &[i32]| {
        let data = ("data", npy("<f8", false, "(2, 4)", &data));
        npz(&[("format", format_of(b"dia")), shape(3, 4), ("offsets", int(offsets)), data])
    };
    let a = folder.matrix("a.npz", dia(&[1, -2])).unwrap();
    assert_eq!(dense(&a.matrix), [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0], [4.0, 0.0, 0.0, 3.0]]);
    assert_eq!(a.notes.format, Format::NpzDia);
    let far = folder.matrix("a.npz", dia(&[100, -100])).unwrap();
    assert_eq!(far.matrix.nnz(), 0);
    let message = folder.matrix("a.npz", dia(&[0])).unwrap_err().to_string();
    assert!(message.contains("`offsets` and `data` have 1 and 2 diagonals"), "{message}");
    let data = le(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.0], f64::to_le_bytes);
    let bsr = |indptr: &[i32], indices: &[i32], blocks: &str, rows: i32| {
        let data = ("data", npy("<f8", false, blocks, &data));
        let pattern = [("indptr", int(indptr)), ("indices", int(indices))];
        npz(&[&[("format", format_of(b"bsr")), shape(rows, 4), data][..], &pattern].concat())
    };
    let a = folder.matrix("a.npz", bsr(&[0, 1, 2], &[1, 0], "(2, 2, 2)", 4)).unwrap();
    assert_eq!(
        dense(&a.matrix),
        [[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 3.0, 4.0], [5.0, 6.0, 0.0, 0.0], [7.0, 0.0, 0.0, 0.0]]
    );
    let a = folder.matrix("a.npz", bsr(&[0, 2], &[0, 3], "(2, 4, 1)", 4)).unwrap();
    assert_eq!((a.matrix.get(3, 0), a.matrix.get(0, 3), a.matrix.nnz()), (4.0, 5.0, 7));
    for (bytes, part) in [
        (bsr(&[0, 1, 2], &[1, 0], "(2, 2, 2)", 5), "do not fill 5 x 4"),
        (bsr(&[0, 1], &[1], "(2, 2, 2)", 2), "have 1 and 2"),
        (bsr(&[0, 1, 2], &[1, 2], "(2, 2, 2)", 4), "beyond the number of columns"),
        (bsr(&[0, 1, 2], &[1, 0], "(8,)", 4), "1 dimensions, not the 3 of blocks"),
    ] {
        let message = folder.matrix("a.npz", bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{message}, wanted {part}");
    }
}

/// Title, counts, type, formats, then pieces of lines.
fn boeing(counts: &str, kind: &str, formats: &str, rest: &str) -> String {
    format!(
        "A title                                                                 KEY\n{counts}\n{kind}\n{formats}\n{rest}"
    )
}

#[test]
fn harwell_and_rutherford_boeing() {
    let folder = Folder::new();
    // [4 . 7; -1 2.5 .; . . 1e-101], by columns; the numbers of the last line abut.
    let pattern = "    1    3    4    6\n    1    2    2    1    3\n";
    let formats = "(16I5)          (16I5)          (3E12.4)            ";
    let counts = "             4             1             1             2             0";
    let kind = "RUA                        3             3             5             0";
    let values = "  4.0000E+00 -1.0000E+00  2.5000D+00\n  7.0000E+00  1.0000-101\n";
    let text = boeing(counts, kind, formats, &format!("{pattern}{values}"));
    let a = folder.matrix("a.rua", &text).unwrap();
    assert_eq!(dense(&a.matrix), [[4.0, 0.0, 7.0], [-1.0, 2.5, 0.0], [0.0, 0.0, 1e-101]]);
    assert_eq!(a.notes.format, Format::HarwellBoeing);
    // Whatever it is called.
    assert_eq!(folder.matrix("a.mtx", &text).unwrap().matrix, a.matrix);
    let symmetric = boeing(
        "             3             1             1             1",
        "rsa                        2             2             2             0",
        "(4I3)           (4I3)           (2F6.1)             ",
        "  1  3  3\n  1  2\n   4.0  -1.0\n",
    );
    assert_eq!(dense(&folder.matrix("a.rb", &symmetric).unwrap().matrix), [[4.0, -1.0], [-1.0, 0.0]]);
    let skew = boeing(
        "             3             1             1             1",
        "rza                        2             2             1             0",
        "(4I3)           (4I3)           (2F6.1)             ",
        "  1  2  2\n  2\n   4.0\n",
    );
    assert_eq!(dense(&folder.matrix("a.rza", &skew).unwrap().matrix), [[0.0, -4.0], [4.0, 0.0]]);
    let places = symmetric.replace("rsa", "psa").replace("             1\nps", "             0\nps");
    let message = folder.matrix("a.psa", &places).unwrap_err().to_string();
    assert!(message.contains("`pattern_as_ones`"), "{message}");
    let ones = ReadOptions { pattern_as_ones: true, ..options() };
    let loaded = read_matrix(&folder.put("a.psa", &places), &ones).unwrap();
    assert_eq!(dense(&loaded.matrix), [[1.0, 1.0], [1.0, 0.0]]);
    for (wrong, right, part) in [
        ("RUA", "RUE", "not assembled"),
        ("    3    4    6", "    3    2    6", "decreases after entry 1"),
        ("    1    2    2    1    3", "    1    2    2    1    4", "is not from 1 to 3"),
        ("  2.5000D+00", "         NaN", "is not finite"),
        ("  7.0000E+00  1.0000-101\n", "", "the file ends after 3 of 5 values"),
        ("(16I5)          (16I5)", "(16A5)          (16I5)", "no Fortran formats"),
    ] {
        assert!(text.contains(wrong), "{wrong}");
        let message = folder.matrix("a.rua", text.replace(wrong, right)).unwrap_err().to_string();
        assert!(message.contains("a.rua") && message.contains(part), "{message}, wanted {part}");
    }
}

fn be(words: &[i32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

#[test]
fn petsc_binary() {
    let folder = Folder::new();
    // [0 5; 0 0; -1 2].
    let head = be(&[1_211_216, 3, 2, 3, 1, 0, 2, 1, 0, 1]);
    let values = le(&[5.0, -1.0, 2.0], f64::to_be_bytes);
    let vector = [be(&[1_211_214, 3]), le(&[1.0, 2.0, 3.0], f64::to_be_bytes)].concat();
    let matrix = [&head[..], &values].concat();
    let a = folder.matrix("a.dat", &matrix).unwrap();
    assert_eq!(
        (dense(&a.matrix), a.notes.format),
        (vec![vec![0.0, 5.0], vec![0.0; 2], vec![-1.0, 2.0]], Format::Petsc)
    );
    assert_eq!(folder.columns("b", &vector).unwrap(), [[1.0, 2.0, 3.0]]);
    // A vector behind its matrix, as MatView and VecView leave them in one file.
    assert_eq!(folder.columns("ab", [&matrix[..], &vector].concat()).unwrap(), [[1.0, 2.0, 3.0]]);
    let wide: Vec<u8> =
        head.chunks(4).flat_map(|w| i64::from(i32::from_be_bytes(w.try_into().unwrap())).to_be_bytes()).collect();
    assert_eq!(folder.matrix("wide", [&wide[..], &values].concat()).unwrap().matrix, a.matrix);
    let full = [be(&[1_211_216, 2, 2, -1]), le(&[1.0, 2.0, 3.0, 4.0], f64::to_be_bytes)].concat();
    assert_eq!(dense(&folder.matrix("full", full).unwrap().matrix), [[1.0, 2.0], [3.0, 4.0]]);
    let path = folder.put("z", [&head[..], &le(&[5.0, 1.0, -1.0, 0.0, 2.0, 3.0], f64::to_be_bytes)].concat());
    assert!(read_matrix(&path, &options()).unwrap_err().to_string().contains("`complex`"));
    let z = read_matrix(&path, &complex()).unwrap();
    assert_eq!((z.matrix, z.imaginary.unwrap().get(2, 1)), (a.matrix, 3.0));
    for (bytes, part) in [
        (matrix[..matrix.len() - 1].to_vec(), "end after"),
        (vector.clone(), "holds a vector"),
        (be(&[1_211_216, 3, 2, 4, 1, 0, 2, 1, 0, 1, 1]), "add up to 3"),
        (be(&[1_211_216, 3, 2, 3, 1, 0, 2, 1, 0, 2]), "is 2, not below 2"),
        (be(&[1_211_216, -1, 2, 3]), "beyond 0 to"),
        (be(&[1_211_216, 2_000_000_000, 2, 3]), "out of memory"),
        (be(&[1_211_216, 3]), "ends within"),
    ] {
        let message = folder.matrix("bad", bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{message}, wanted {part}");
    }
}

/// A data element of a MAT-file.
fn element(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut out = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
    out.extend(data);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn words(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// An array: class, shape, name, then its own elements.
fn array(class: i32, shape: [i32; 2], name: &str, rest: &[Vec<u8>]) -> Vec<u8> {
    let head = [element(6, &words(&[class, 0])), element(5, &words(&shape)), element(1, name.as_bytes())];
    element(14, &[&head[..], rest].concat().concat())
}

fn mat(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"MATLAB 5.0 MAT-file, made by a test".to_vec();
    out.resize(124, b' ');
    out.extend([0, 1, b'I', b'M']);
    out.extend(elements.concat());
    out
}

#[test]
fn matlab_files() {
    let folder = Folder::new();
    // [0 5; -1 2] in columns; small whole numbers stand as bytes, as MATLAB stores them.
    let sparse = |name: &str| {
        let values = element(2, &[1, 5, 2]);
        array(5, [2, 2], name, &[element(5, &words(&[1, 0, 1])), element(5, &words(&[0, 1, 3])), values])
    };
    let vector = array(6, [2, 1], "b", &[element(9, &le(&[0.5, -2.0], f64::to_le_bytes))]);
    let text = array(4, [1, 3], "note", &[element(4, &[97, 0, 98, 0, 99, 0])]);
    let expected = [[0.0, 5.0], [1.0, 2.0]];
    let plain = mat(&[text.clone(), sparse("K"), vector.clone()]);
    let a = folder.matrix("a.mat", &plain).unwrap();
    assert_eq!((dense(&a.matrix), a.notes.format), (expected.map(Vec::from).to_vec(), Format::Matlab));
    assert_eq!(folder.columns("a.mat", &plain).unwrap(), [[0.5, -2.0]]);
    // Compressed, each variable by itself.
    let packed = |data: &[u8]| {
        let mut out = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
        out.write_all(data).unwrap();
        let data = out.finish().unwrap();
        [&15u32.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), &data].concat()
    };
    let compressed = mat(&[packed(&sparse("K")), packed(&vector)]);
    assert_eq!(folder.matrix("a.mat", &compressed).unwrap().matrix, a.matrix);
    assert_eq!(folder.columns("a.mat", &compressed).unwrap(), [[0.5, -2.0]]);
    // In a struct, as the SuiteSparse collection has them: fields have no names of their own.
    let names: Vec<u8> = ["title", "A", "b"].iter().flat_map(|n| format!("{n:\0<8}").into_bytes()).collect();
    let width = [&(5u32 | 4 << 16).to_le_bytes()[..], &8i32.to_le_bytes()].concat();
    let unnamed = array(6, [2, 1], "", &[element(9, &le(&[0.5, -2.0], f64::to_le_bytes))]);
    let title = array(4, [1, 1], "", &[element(4, &[97, 0])]);
    let problem = array(2, [1, 1], "Problem", &[width, element(1, &names), title, sparse(""), unnamed]);
    assert_eq!(folder.matrix("p.mat", mat(std::slice::from_ref(&problem))).unwrap().matrix, a.matrix);
    assert_eq!(folder.columns("p.mat", mat(&[problem])).unwrap(), [[0.5, -2.0]]);
    // Of several the one called A; else the names are told.
    assert_eq!(folder.matrix("a.mat", mat(&[sparse("X"), sparse("A")])).unwrap().matrix, a.matrix);
    let message = folder.matrix("a.mat", mat(&[sparse("X"), sparse("Y")])).unwrap_err().to_string();
    assert!(message.contains("X (2 x 2), Y (2 x 2)"), "{message}");
    for cut in [130, 140, 200, plain.len() - 9] {
        folder.matrix("cut.mat", &plain[..cut]).unwrap_err();
    }
    let beyond = array(5, [2, 2], "A", &[element(5, &words(&[7])), element(5, &words(&[0, 1, 1])), element(2, &[1])]);
    let message = folder.matrix("a.mat", mat(&[beyond])).unwrap_err().to_string();
    assert!(message.contains("row index beyond its 2 rows"), "{message}");
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut a = gallery::convection_diffusion2d(7, [0.3, 0.9]);
    let values: Vec<f64> = (0..a.nnz()).map(|k| ((k * k) as f64).sin() * 10f64.powi(k as i32 % 37 - 18)).collect();
    a.set_values(values).unwrap();
    let im = gallery::tridiagonal(a.rows(), 0.5, 0.0, 1e-300);
    let x = [[1.0, -0.5, 1e-310], [0.1, f64::MAX, -0.0]];
    for name in ["a.mtx", "a.mtx.gz", "a.npz", "A.NPZ", "a"] {
        write_matrix(&path(name), &a).unwrap();
        assert_eq!(read_matrix(&path(name), &options()).unwrap().matrix, a, "{name}");
        write_complex_matrix(&path(name), &a, &im).unwrap();
        let back = read_matrix(&path(name), &complex()).unwrap();
        // Places of either part are entries of both.
        for (part, back) in [(&a, &back.matrix), (&im, back.imaginary.as_ref().unwrap())] {
            assert_eq!(dense(part), dense(back), "{name}");
        }
    }
    for name in ["x.mtx", "x.mtx.gz", "x.npy", "x.npy.gz", "x"] {
        write_columns(&path(name), 3, &x).unwrap();
        assert_eq!(read_columns(&path(name), &options()).unwrap(), x, "{name}");
        write_vector(&path(name), &x[1]).unwrap();
        assert_eq!(read_vector(&path(name), &options()).unwrap(), x[1], "{name}");
        let z = [[1.0, -2.0, 0.1, 1e300], [0.0, 0.0, 3.0, 4.0]];
        write_complex_columns(&path(name), 2, &z).unwrap();
        assert_eq!(read_columns(&path(name), &complex()).unwrap(), z, "{name}");
    }
    for (name, content) in [
        ("x.png", Content::Vectors),
        ("x.npz", Content::Vectors),
        ("a.npy", Content::Matrix),
        ("a.mat", Content::Matrix),
    ] {
        let message = written_as(Path::new(name), content).err().unwrap().to_string();
        assert!(message.contains(name) && message.contains(".mtx"), "{message}");
    }
    write_matrix(&path("a.pdf"), &a).unwrap_err();
    assert!(!path("a.pdf").exists());
    // Each ending belongs to one format.
    let mut endings: Vec<&str> = FORMATS.iter().flat_map(|f| f.extensions).copied().collect();
    endings.sort_unstable();
    assert!(endings.windows(2).all(|w| w[0] != w[1]), "{endings:?}");
}

#[test]
fn a_leftover_of_a_dead_process_goes_and_a_pipe_without_a_reader_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mtx");
    // No process has this number: Linux ends at 2²².
    let dead = folder.path().join(".x.mtx.krylane-99999999-0.tmp");
    let other = folder.path().join(".y.mtx.krylane-99999999-0.tmp");
    let alive = folder.path().join(format!(".x.mtx.krylane-{}-77.tmp", std::process::id()));
    for file in [&dead, &other, &alive] {
        std::fs::write(file, "half").unwrap();
    }
    write_vector(&path, &[1.0]).unwrap();
    if Path::new("/proc/self").exists() {
        assert!(!dead.exists());
    }
    assert!(other.exists() && alive.exists() && path.exists());
}

#[cfg(unix)]
#[test]
fn a_pipe_is_written_as_fast_as_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("p");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let x: Vec<f64> = (0..100_000).map(f64::from).collect();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            // Later than the writer, and slowly at first.
            std::thread::sleep(std::time::Duration::from_millis(50));
            read_vector(&pipe, &options()).unwrap()
        }
    });
    write_vector(&pipe, &x).unwrap();
    assert_eq!(reader.join().unwrap(), x);
}

#[test]
fn reading_can_be_called_off() {
    let folder = Folder::new();
    let flag = Arc::new(AtomicBool::new(true));
    let path = folder.put("a.mtx", "%%MatrixMarket matrix coordinate real general\n1 1 1\n1 1 2\n");
    let off = ReadOptions { halt: Halt::new(flag), ..options() };
    let error = read_matrix(&path, &off).unwrap_err();
    assert!(matches!(error, Error::Halted(Called::Cancelled)), "{error}");
    let late = ReadOptions { halt: Halt::default().within(Some(std::time::Duration::ZERO)), ..options() };
    assert!(matches!(read_matrix(&path, &late), Err(Error::Halted(Called::TimeLimit))));
}
