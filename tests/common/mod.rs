//! What the integration tests share: the backends that are there, and a residual of our own.
#![allow(dead_code, unreachable_pub)]

pub mod pairs;

use krylane::matrix::{Csr, Triplets};
use krylane::random::Random;
use krylane::{Backend, Knobs, Method, Options, Precision, Report, Solver};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// One way to solve.
#[derive(Clone)]
pub struct Target {
    pub name: &'static str,
    pub backend: Backend,
    pub precision: Precision,
    pub withhold: Vec<String>,
    /// The iteration runs in f32.
    pub single: bool,
    pub gpu: bool,
}

impl Target {
    /// What makes this target of the machine's devices.
    pub fn knobs(&self) -> Knobs {
        Knobs { withhold: self.withhold.clone(), ..Knobs::default() }
    }

    pub fn options(&self, method: &str) -> Options {
        Options {
            method: method.parse().unwrap(),
            preconditioner: "none".parse().unwrap(),
            backend: self.backend.clone(),
            precision: self.precision,
            knobs: self.knobs(),
            ..Options::default()
        }
    }
}

/// A zip archive of stored entries, byte by byte.
pub fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (vec![], vec![]);
    for (name, bytes) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let size = (bytes.len() as u32).to_le_bytes();
        let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 33, 0][..], &crc.sum().to_le_bytes(), &size, &size].concat();
        let common = [&common[..], &(name.len() as u16).to_le_bytes(), &[0; 2]].concat();
        directory.extend(
            [b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &(out.len() as u32).to_le_bytes(), name.as_bytes()].concat(),
        );
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let place = [(directory.len() as u32).to_le_bytes(), (out.len() as u32).to_le_bytes()].concat();
    out.extend(directory);
    out.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &place, &[0; 2]].concat());
    out
}

/// Keeps GPU work to one test at a time: software drivers dislike company.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True where an adapter answers. Where none does: a panic if `KRYLANE_REQUIRE_GPU` is set, else a loud
/// word.
pub fn gpu_present() -> bool {
    static SAID: Once = Once::new();
    #[cfg(feature = "gpu")]
    if krylane::adapters().iter().any(|a| a.why_not.is_none()) {
        return true;
    }
    assert!(
        std::env::var_os("KRYLANE_REQUIRE_GPU").is_none_or(|v| v.is_empty() || v == "0"),
        "KRYLANE_REQUIRE_GPU is set and no GPU adapter answers"
    );
    SAID.call_once(|| {
        // Straight to the terminal: the harness hides what passing tests print.
        use std::io::Write;
        let _ =
            writeln!(std::io::stderr(), "\n!!! NO GPU ADAPTER: the GPU half of every test in this file is SKIPPED\n");
    });
    false
}

/// CPU f64, CPU f32, then the GPU in f64 where it has it and in f32.
pub fn targets() -> Vec<Target> {
    let cpu = |name, precision, single| Target {
        name,
        backend: Backend::Cpu,
        precision,
        withhold: vec![],
        single,
        gpu: false,
    };
    let mut out = vec![cpu("cpu f64", Precision::F64, false), cpu("cpu f32", Precision::F32, true)];
    if gpu_present() {
        out.extend(gpus());
    }
    out
}

/// The GPU's share of `targets`.
pub fn gpus() -> Vec<Target> {
    let gpu = |name, withhold: &[&str], single| Target {
        name,
        backend: Backend::Gpu,
        precision: Precision::Auto,
        withhold: withhold.iter().map(|s| (*s).to_string()).collect(),
        single,
        gpu: true,
    };
    let mut out = vec![];
    if !gpu_present() {
        return out;
    }
    #[cfg(feature = "gpu")]
    if krylane::adapters()[0].f64 {
        out.push(gpu("gpu f64", &[], false));
    }
    out.push(gpu("gpu f32", &["f64"], true));
    out
}

pub fn cpu() -> Target {
    targets().remove(0)
}

/// Methods that need thousands of iterations where others need a hundred.
pub const SLOW: [&str; 4] = ["steepest_descent", "richardson", "minimal_residual", "chebyshev"];

pub const METHODS: [&str; 5] = ["steepest_descent", "cg", "minres", "bicgstab", "gmres"];

pub fn solve(a: &Csr, b: &[f64], options: Options) -> Report {
    Solver::new(a, options).unwrap().solve(b).unwrap()
}

pub fn norm(v: &[f64]) -> f64 {
    let m = v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if m == 0.0 || !m.is_finite() { m } else { m * v.iter().map(|x| (x / m) * (x / m)).sum::<f64>().sqrt() }
}

/// ‖b − A x‖/‖b‖ from the definition, its sums kept in twice the digits of f64: where x is large, plain
/// sums see their own rounding and not the residual.
pub fn relative_residual(a: &Csr, b: &[f64], x: &[f64]) -> f64 {
    // A power of two that brings products into range.
    let largest = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let scale = if largest > 1e200 {
        2f64.powi(-600)
    } else if largest < 1e-200 {
        2f64.powi(600)
    } else {
        1.0
    };
    let r: Vec<f64> = (0..a.rows())
        .map(|i| {
            let (columns, values) = a.row(i);
            let mut terms = vec![b[i] * scale];
            for (&j, v) in columns.iter().zip(values) {
                // The larger factor takes the scale.
                let (v, x) = if v.abs() > x[j as usize].abs() {
                    (v * scale, x[j as usize])
                } else {
                    (*v, x[j as usize] * scale)
                };
                let product = v * x;
                terms.extend([-product, -v.mul_add(x, -product)]);
            }
            let (mut sum, mut low) = (0.0, 0.0);
            for t in terms {
                let next: f64 = sum + t;
                let part = next - sum;
                low += (sum - (next - part)) + (t - part);
                sum = next;
            }
            sum + low
        })
        .collect();
    norm(&r) / (norm(b) * scale)
}

/// The report says Converged, and it is true.
pub fn assert_solved(what: &str, a: &Csr, b: &[f64], report: &Report, rtol: f64) {
    assert!(report.reason.is_converged(), "{what}: {}", report.reason);
    let truth = relative_residual(a, b, &report.x);
    assert!(truth <= rtol * 1.001, "{what}: {} with a true residual of {truth:e}", report.reason);
    assert_eq!(report.history.len(), report.iterations, "{what}");
}

pub fn from_entries(n: usize, entries: &[(usize, usize, f64)]) -> Csr {
    let mut t = Triplets::new(n, n).unwrap();
    entries.iter().for_each(|&(i, j, v)| t.push(i, j, v).unwrap());
    t.to_csr().unwrap()
}

pub fn map(a: &Csr, f: impl Fn(usize, usize, f64) -> f64) -> Csr {
    let mut t = Triplets::new(a.rows(), a.cols()).unwrap();
    for i in 0..a.rows() {
        let (columns, values) = a.row(i);
        columns.iter().zip(values).for_each(|(&j, &v)| t.push(i, j as usize, f(i, j as usize, v)).unwrap());
    }
    t.to_csr().unwrap()
}

/// These values, in the order of its own, on the pattern of `a`.
pub fn with_values(a: &Csr, values: Vec<f64>) -> Csr {
    let mut out = a.clone();
    out.set_values(values).unwrap();
    out
}

/// A − σ I, where A has a full diagonal.
pub fn shifted(a: &Csr, sigma: f64) -> Csr {
    map(a, |i, j, v| if i == j { v - sigma } else { v })
}

pub fn random_vector(n: usize, seed: u64) -> Vec<f64> {
    Random::new(seed).vector(n)
}

pub fn unit(n: usize, i: usize) -> Vec<f64> {
    (0..n).map(|k| if k == i { 1.0 } else { 0.0 }).collect()
}

/// v · 2^e.
pub fn power(v: f64, e: i32) -> f64 {
    v * 2f64.powi(e / 2) * 2f64.powi(e - e / 2)
}

pub fn bits(v: &[f64]) -> Vec<u64> {
    v.iter().map(|x| x.to_bits()).collect()
}

/// Matrices that may lie beside the repository; `KRYLANE_MATRICES` names another folder.
pub fn collection() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/matrices");
    let folder = std::env::var_os("KRYLANE_MATRICES").map_or(beside, PathBuf::from);
    folder.join("INDEX.csv").is_file().then_some(folder)
}

/// Fields of one CSV line, quotes honoured.
pub fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

/// The method of this name, with cycles of `columns` where it has cycles.
pub fn restarted(method: &str, columns: usize) -> Method {
    method.parse::<Method>().unwrap().with_restart(columns)
}
