//! SciPy's archives, damaged files, the collection.

use super::*;

/// An npz of 1-dimensional arrays of i64 (or f64 for `data`).
fn npz(format: &[u8], arrays: &[(&str, &[i64])]) -> Vec<u8> {
    let mut entries = vec![];
    let mut put = |name: &str, bytes: Vec<u8>| entries.push((format!("{name}.npy"), bytes));
    put("format", npy(&format!("|S{}", format.len()), "()", format));
    for (name, values) in arrays {
        let value = |v: &i64| if *v == i64::MAX { f64::NAN } else { *v as f64 };
        let (descr, bytes): (_, Vec<u8>) = match *name {
            "data" => ("<f8", values.iter().flat_map(|v| value(v).to_le_bytes()).collect()),
            _ => ("<i8", values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        put(name, npy(descr, &format!("({},)", values.len()), &bytes));
    }
    zip(&entries)
}

/// A NumPy array, version 1.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn npz_is_validated() {
    let folder = tempfile::tempdir().unwrap();
    let read = |bytes: Vec<u8>| read_matrix(&put(&folder, "a.npz", bytes), &options());
    let csr = |shape: &[i64], indptr: &[i64], indices: &[i64], data: &[i64]| {
        read(npz(b"csr", &[("shape", shape), ("indptr", indptr), ("indices", indices), ("data", data)]))
    };
    let coo = |shape: &[i64], row: &[i64], col: &[i64], data: &[i64]| {
        read(npz(b"coo", &[("shape", shape), ("row", row), ("col", col), ("data", data)]))
    };
    // Unsorted columns, a duplicate, and arrays longer than they need to be.
    let good = csr(&[2, 3], &[0, 3, 3], &[2, 0, 2, 0], &[5, 1, 6, 9]).unwrap();
    assert_eq!((dense(&good.matrix), good.notes.duplicates), (vec![vec![1.0, 0.0, 11.0], vec![0.0; 3]], 1));
    assert_eq!(csr(&[0, 0], &[0], &[], &[]).unwrap().matrix.nnz(), 0);
    let zip = npz(b"csr", &[("shape", &[1, 1])]);
    for (result, part) in [
        (csr(&[2, 3], &[0, 2, 1], &[0, 1], &[1, 2]), "`indptr` decreases after entry 1: 2 to 1"),
        (csr(&[2, 3], &[0, 2], &[0, 1], &[1, 2]), "`indptr` has 2 entries; the shape asks for 3"),
        (csr(&[2, 3], &[1, 2, 2], &[0, 1], &[1, 2]), "row_ptr starts at 1"),
        (csr(&[2, 3], &[0, 2, 7], &[0, 1], &[1, 2]), "`indptr` entry 2 is 7, beyond the length of `indices`"),
        (csr(&[2, 3], &[0, 1, 2], &[0, 3], &[1, 2]), "`indices` entry 1 is 3, beyond the number of columns"),
        (csr(&[2, 3], &[0, 1, 2], &[0, -1], &[1, 2]), "`indices` entry 1 is -1; it must not be negative"),
        (csr(&[2, 3], &[0, 1, 2], &[0, 4_294_967_297], &[1, 2]), "beyond the number of columns"),
        (csr(&[2, 3], &[0, 1, 2], &[0, 1], &[1]), "have 2 and 1 entries"),
        (csr(&[2, 3], &[0, 1, 2], &[0, 1], &[1, i64::MAX]), "`data` entry 1 is NaN, not finite"),
        (csr(&[2, 3, 4], &[0], &[], &[]), "`shape` has 3 entries"),
        (csr(&[-2, 3], &[0], &[], &[]), "negative"),
        (csr(&[1 << 40, 3], &[0], &[], &[]), "4294967295"),
        (csr(&[1 << 31, 3], &[0], &[], &[]), "memory limit"),
        (coo(&[2, 3], &[0, 2], &[0, 1], &[1, 2]), "`row` entry 1 is 2, beyond the number of rows"),
        (coo(&[2, 3], &[0, 1], &[0], &[1, 2]), "have 2, 1 and 2 entries"),
        (read(npz(b"csr", &[("shape", &[1, 1])])), "array `data` is missing (there are: format, shape)"),
        (read(npz(b"dok", &[("shape", &[1, 1])])), "format `dok`"),
        (read(npz(b"", &[])), "format"),
        (read(b"not a zip".to_vec()), "not a zip archive"),
        (read(Vec::new()), "not a zip archive"),
        (read(zip[..zip.len() / 2].to_vec()), "damaged"),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.contains("a.npz: ") && message.contains(part), "{message}, wanted {part}");
    }
}

fn csr() -> impl Strategy<Value = Csr> {
    let value = prop_oneof![any::<f64>().prop_filter("finite", |v| v.is_finite()), Just(-0.0), Just(5e-324), -9.0..9.0];
    (1usize..12, 1usize..12).prop_flat_map(move |(rows, cols)| {
        proptest::collection::btree_map((0..rows, 0..cols), value.clone(), 0..40).prop_map(move |entries| {
            let mut list = Triplets::new(rows, cols).unwrap();
            entries.into_iter().for_each(|((i, j), v)| list.push(i, j, v).unwrap());
            list.to_csr().unwrap()
        })
    })
}

fn bits(v: &[f64]) -> Vec<u64> {
    v.iter().map(|v| v.to_bits()).collect()
}

/// Cuts, replaces, inserts or repeats a piece at `at`.
fn mutate(bytes: &mut Vec<u8>, (kind, at, piece): &(u8, usize, Vec<u8>)) {
    let at = at % (bytes.len() + 1);
    let end = (at + piece.len()).min(bytes.len());
    match kind {
        0 => bytes.truncate(at),
        1 => drop(bytes.splice(at..end, piece.iter().copied())),
        2 => drop(bytes.splice(at..at, piece.iter().copied())),
        3 => drop(bytes.drain(at..end)),
        _ => {
            let copy = bytes[at..].to_vec();
            bytes.extend(copy);
        }
    }
}

fn mutations() -> impl Strategy<Value = Vec<(u8, usize, Vec<u8>)>> {
    let token = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..8),
        proptest::sample::select(vec![
            "-1",
            "0",
            "1e400",
            "nan",
            "\n",
            " ",
            "%",
            "99999999999",
            "4294967295",
            "symmetric"
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
    ];
    proptest::collection::vec((0u8..5, any::<usize>(), token), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn round_trip_is_bitwise(a in csr()) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.mtx", "a.mtx.gz"] {
            let path = folder.path().join(name);
            write_matrix(&path, &a).unwrap();
            let b = read_matrix(&path, &options()).unwrap().matrix;
            prop_assert_eq!((a.rows(), a.cols(), a.row_ptr(), a.columns()), (b.rows(), b.cols(), b.row_ptr(), b.columns()));
            prop_assert_eq!(bits(a.values()), bits(b.values()));
            write_vector(&path, a.values()).unwrap();
            prop_assert_eq!(bits(&read_vector(&path, &options()).unwrap()), bits(a.values()));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), banner in any::<bool>()) {
        if banner {
            bytes.splice(0..0, GENERAL.bytes());
        }
        let _ = parse(&bytes);
        let _ = read_vector_from(&bytes[..], Path::new("a"), &options());
    }

    #[test]
    fn mutated_files_never_panic(which in 0usize..6, changes in mutations()) {
        let mut bytes = [
            format!("{GENERAL}3 4 3\n1 1 1.5\n3 4 -2e-3\n2 2 1\n"),
            format!("{SYMMETRIC}% c\n3 3 3\n1 1 1.5\n3 1 -2e-3\n2 2 1\n"),
            format!("{SKEW}3 3 2\n2 1 1.5\n3 1 -2e-3\n"),
            format!("{ARRAY}2 2\n1\n2\n3\n4\n"),
            format!("{ARRAY}3 1\n1\n2\n3\n"),
            "%%MatrixMarket matrix coordinate pattern general\n3 3 2\n1 1\n2 3\n".to_string(),
        ][which].clone().into_bytes();
        changes.iter().for_each(|c| mutate(&mut bytes, c));
        let options = ReadOptions { pattern_as_ones: true, ..options() };
        let _ = read_matrix_market_from(&bytes[..], Path::new("a"), &options);
        let _ = read_vector_from(&bytes[..], Path::new("a"), &options);
    }

    #[test]
    fn mutated_archives_never_panic(packed in any::<bool>(), changes in mutations()) {
        let folder = tempfile::tempdir().unwrap();
        let (name, mut bytes) = if packed {
            ("a.mtx.gz", gz(format!("{GENERAL}3 4 3\n1 1 1.5\n3 4 -2e-3\n2 2 1\n").as_bytes()))
        } else {
            ("a.npz", npz(b"csr", &[("shape", &[2, 3]), ("indptr", &[0, 1, 2]), ("indices", &[0, 1]), ("data", &[1, 2])]))
        };
        changes.iter().for_each(|c| mutate(&mut bytes, c));
        let _ = read_matrix(&put(&folder, name, bytes), &options());
    }

    #[test]
    fn agrees_with_sprs(entries in proptest::collection::vec((1usize..9, 1usize..7, -1000i32..1000), 1..60)) {
        // Quarters, so that sums of duplicates are exact in any order.
        let mut text = format!("{GENERAL}% comment\n8 6 {}\n", entries.len());
        for (i, j, v) in &entries {
            text += &format!("{i} {j} {}\n", f64::from(*v) / 4.0);
        }
        let theirs: sprs::TriMat<f64> = sprs::io::read_matrix_market_from_bufread(&mut text.as_bytes()).unwrap();
        let ours = parse(&text).unwrap();
        prop_assert_eq!(&*ToCsr::to_csr(&theirs).unwrap(), &ours.matrix);
        prop_assert_eq!(ours.notes.duplicates as usize, entries.len() - ours.matrix.nnz());
    }
}

#[test]
fn real_matrices() {
    let Some(folder) = collection() else { return eprintln!("no collection of matrices here: skipped") };
    let index = std::fs::read_to_string(folder.join("INDEX.csv")).unwrap();
    let head = fields(index.lines().next().unwrap());
    let column = |name: &str| head.iter().position(|h| h == name).unwrap();
    let [name, rows, cols, nnz, rhs, file] = ["name", "rows", "cols", "nnz", "rhs_file", "file"].map(column);
    let options = ReadOptions::default();
    let mut count = 0;
    for line in index.lines().skip(1) {
        let f = fields(line);
        let loaded = read_matrix(&folder.join(&f[file]), &options).unwrap_or_else(|e| panic!("{e}"));
        let a = &loaded.matrix;
        assert_eq!((a.rows().to_string(), a.cols().to_string()), (f[rows].clone(), f[cols].clone()), "{}", f[name]);
        // The index leaves out explicit zeros.
        let nonzero = a.values().iter().filter(|v| **v != 0.0).count().to_string();
        assert!(
            f[nnz] == nonzero || f[nnz] == a.nnz().to_string(),
            "{}: {} or {nonzero}, not {}",
            f[name],
            a.nnz(),
            f[nnz]
        );
        if !f[rhs].is_empty() {
            let b = read_vector(&folder.join(&f[rhs]), &options).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(b.len(), a.rows(), "{}", f[rhs]);
        }
        count += 1;
    }
    eprintln!("{count} matrices read");
    assert!(count > 0);
}

#[test]
#[ignore = "a measurement: run with --ignored --nocapture"]
fn reading_speed() {
    let folder = tempfile::tempdir().unwrap();
    let mut a = gallery::poisson2d(700);
    let values = krylane::random::Random::new(1).vector(a.nnz());
    a.set_values(values).unwrap();
    let path = folder.path().join("a.mtx");
    let start = Instant::now();
    write_matrix(&path, &a).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    println!("write {bytes:.1} MB: {:.0} MB/s", bytes / start.elapsed().as_secs_f64());
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(read_matrix(&path, &ReadOptions::default()).unwrap().matrix, a);
        println!("read {bytes:.1} MB: {:.0} MB/s", bytes / start.elapsed().as_secs_f64());
    }
}
