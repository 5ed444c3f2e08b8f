//! Systems of a folder: which files there are, the right-hand side of each, and a residual of its own.

use krylane::matrix::Csr;
use krylane::{Result, io};
use std::path::{Path, PathBuf};

/// The matrices of a folder by name; NAME_b is a right-hand side.
pub(crate) fn matrices(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<std::io::Result<_>>()?;
    let named = paths.into_iter().filter_map(|p| Some((stem(&p)?, p)));
    let mut files: Vec<_> = named.filter(|(name, _)| !name.ends_with("_b")).collect();
    files.sort();
    Ok(files)
}

/// The right-hand side that lies beside the matrix.
pub(crate) fn right_hand_side(folder: &Path, name: &str) -> Result<Option<Vec<f64>>> {
    let beside = ["mtx", "mtx.gz"].map(|e| folder.join(format!("{name}_b.{e}"))).into_iter().find(|p| p.exists());
    beside.map(|path| io::read_vector(&path, &io::ReadOptions::default())).transpose()
}

/// ‖b − A x‖/‖b‖, sums kept in twice the digits of f64: plain ones would show their own rounding where x is large.
pub(crate) fn relative_residual(a: &Csr, b: &[f64], x: &[f64]) -> f64 {
    let row = |i: usize| {
        let (mut sum, mut rest) = (b[i], 0.0);
        for (&j, v) in a.row(i).0.iter().zip(a.row(i).1) {
            let product = -v * x[j as usize];
            rest += -v.mul_add(x[j as usize], product);
            let next: f64 = sum + product;
            let part = next - sum;
            rest += (sum - (next - part)) + (product - part);
            sum = next;
        }
        sum + rest
    };
    let norm = |v: &mut dyn Iterator<Item = f64>| v.fold(0.0f64, |s, v| s.hypot(v));
    norm(&mut (0..b.len()).map(row)) / norm(&mut b.iter().copied())
}

/// The name before .mtx or .mtx.gz.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".mtx").or_else(|| name.strip_suffix(".mtx.gz")).map(Into::into)
}
