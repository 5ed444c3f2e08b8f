//! What fraction of the memory's bandwidth the CPU backend reaches: triad, SpMV, whole CG iterations and
//! GMRES projections in one run, interleaved, medians.
//!
//! Bytes are those of plain CSR in f64 whatever format is used: 12 nnz + 4(n+1) + 16n for y = Ax, the
//! matrix + 80n for a CG iteration, so a compressed format can pass 100 % of triad.
//!
//! `cargo bench --bench cpu_bandwidth -- [rounds] [all] [poisson3d …] [matrix.mtx …]`: `all` measures every
//! form a matrix can be stored in and not only plain CSR, plain slices and the one chosen.

use krylane::matrix::{Csr, gallery};
use krylane::op::{Dtype, Operator, Precisions, Role, Scalar, Space, Vector};
use krylane::{Allowed, Backend, Harness, Options, Precision, Solver};
use rayon::prelude::*;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Instant;

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The first decile: what a machine shared with others gives when it is left alone.
fn quiet(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 10]
}

fn time(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// a = b + s c on arrays far larger than any cache; 3 × 8 × n bytes.
struct Triad {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

impl Triad {
    fn new(n: usize) -> Self {
        Self { a: vec![1.0; n], b: vec![2.0; n], c: vec![3.0; n] }
    }
    fn bytes(&self) -> f64 {
        24.0 * self.a.len() as f64
    }
    fn run(&mut self) {
        let s = black_box(0.5);
        let chunk = 1 << 14;
        self.a.par_chunks_mut(chunk).zip(self.b.par_chunks(chunk)).zip(self.c.par_chunks(chunk)).for_each(
            |((a, b), c)| {
                for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                    *a = b + s * c;
                }
            },
        );
    }
}

/// y = A x and CG iterations on the engine itself.
struct Case {
    harness: Harness,
    a: Operator,
    vectors: [Vector; 4],
    scalars: [Scalar; 6],
}

impl Case {
    fn new(matrix: &Arc<Csr>, dtype: Dtype, allowed: Allowed) -> Self {
        let n = matrix.rows();
        let mut space = Space::new(Precisions::uniform(dtype));
        let a = space.operator("A", Arc::clone(matrix), 0, Role::Working);
        let vectors = ["x", "r", "d", "q"].map(|name| space.vector(name, n));
        let scalars = space.scalars(["rho", "rho_new", "sigma", "alpha", "beta", "rr"]);
        let mut harness = Harness::new(space, 0, allowed).unwrap();
        let b: Vec<f64> = (0..n).map(|i| 1.0 + (i % 17) as f64 / 17.0).collect();
        harness.write(vectors[1], &b).unwrap();
        harness.write(vectors[2], &b).unwrap();
        harness.run(|p| p.dot(vectors[1], vectors[1], scalars[0])).unwrap();
        Self { harness, a, vectors, scalars }
    }

    fn product(&mut self) {
        let ([_, _, d, q], a) = (self.vectors, self.a);
        self.harness.run(|p| p.apply(a, d, q)).unwrap();
    }

    /// As `method::cg` writes it.
    fn iterate(&mut self) {
        let ([x, r, d, q], [rho, rho_new, sigma, alpha, beta, _], a) = (self.vectors, self.scalars, self.a);
        self.harness
            .run(|p| {
                p.apply(a, d, q);
                p.dot(d, q, sigma);
                p.set(alpha, rho / sigma);
                p.axpy(alpha, d, x);
                p.axpy(-alpha, q, r);
                p.dot(r, r, rho_new);
                p.set(beta, rho_new / rho);
                p.set(rho, rho_new);
                p.xpby(r, beta, d);
            })
            .unwrap();
    }
}

fn product_bytes(a: &Csr) -> f64 {
    (12 * a.nnz() + 4 * (a.rows() + 1) + 16 * a.rows()) as f64
}

fn iteration_bytes(a: &Csr) -> f64 {
    (12 * a.nnz() + 4 * (a.rows() + 1) + 80 * a.rows()) as f64
}

fn main() {
    // `cargo bench` passes --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let rounds: usize = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(7);
    let files: Vec<&String> = arguments.iter().filter(|a| a.contains(".mtx")).collect();
    let only = arguments.iter().filter(|a| a.parse::<usize>().is_err() && *a != "all" && !a.contains(".mtx"));
    let only: Vec<&String> = only.collect();
    bandwidth(rounds, arguments.iter().any(|a| a == "all"), &files, &only);
    if files.is_empty() && only.is_empty() {
        projections(rounds);
        overhead();
    }
}

/// The forms to compare.
fn forms(all: bool) -> Vec<(&'static str, Allowed)> {
    let chosen = Allowed::default();
    let only = |only| Allowed { only, ..chosen };
    let slices = only(&["slices"]);
    let mut forms =
        vec![("plain", Allowed::PLAIN), ("slices", Allowed { compression: false, ..slices }), ("chosen", chosen)];
    if all {
        forms.push(("slices short", Allowed { streams_from: usize::MAX, ..slices }));
        forms.push(("slices coded", Allowed { streams_from: 0, ..slices }));
        forms.push(("runs", Allowed { compression: false, ..only(&["runs", "rows"]) }));
        forms.push(("runs short", only(&["runs", "rows"])));
        forms.push(("blocks", Allowed { streams_from: usize::MAX, ..only(&["blocks", "rows"]) }));
        forms.push(("blocks coded", Allowed { streams_from: 0, ..only(&["blocks", "rows"]) }));
    }
    forms
}

fn bandwidth(rounds: usize, all: bool, files: &[&String], only: &[&String]) {
    let mut matrices: Vec<(String, Arc<Csr>)> = vec![];
    for file in files {
        let a = krylane::io::read_matrix(file.as_ref(), &Default::default()).unwrap().matrix;
        matrices.push((file.rsplit('/').next().unwrap().into(), Arc::new(a)));
    }
    if files.is_empty() {
        matrices.push(("poisson2d 1000²".into(), Arc::new(gallery::poisson2d(1000))));
        matrices.push(("poisson3d 100³".into(), Arc::new(gallery::poisson3d(100))));
        matrices.push(("poisson27 80³".into(), Arc::new(gallery::poisson27(80))));
        matrices.push(("elasticity2d 400²".into(), Arc::new(gallery::elasticity2d([400, 399], 0.3, true).0)));
        matrices.push(("elasticity3d 36³".into(), Arc::new(gallery::elasticity3d([36, 35, 35], 0.3, true).0)));
        matrices.push(("graph 10⁶".into(), Arc::new(gallery::graph_laplacian(1_000_000, 6, 1, true))));
    }
    matrices.retain(|m| only.is_empty() || only.iter().any(|o| m.0.starts_with(o.as_str())));
    let mut triad = Triad::new(1 << 24);
    let mut cases: Vec<(String, &Csr, Case)> = Vec::new();
    for (name, a) in &matrices {
        for (form, allowed) in forms(all) {
            for (number, dtype) in [("f64", Dtype::F64), ("f32", Dtype::F32)] {
                let start = Instant::now();
                let case = Case::new(a, dtype, allowed);
                if form == "chosen" {
                    let seconds = start.elapsed().as_secs_f64();
                    println!("{name} {number}: {} ({:.0} ms)", case.harness.describe(case.a), 1e3 * seconds);
                }
                cases.push((format!("{name} {number} {form}"), a, case));
            }
        }
    }
    let mut triads = vec![];
    let mut products = vec![vec![]; cases.len()];
    let mut iterations = vec![vec![]; cases.len()];
    for _ in 0..rounds {
        for (k, (_, _, case)) in cases.iter_mut().enumerate() {
            triads.push(time(|| triad.run()));
            case.product();
            products[k].extend((0..5).map(|_| time(|| case.product())));
            case.iterate();
            iterations[k].extend((0..5).map(|_| time(|| case.iterate())));
        }
    }
    println!("{} threads. SpMV and CG iteration, median (first decile)", rayon::current_num_threads());
    let bytes = triad.bytes();
    let triad = [median(&mut triads), quiet(&mut triads)].map(|t| bytes / t / 1e9);
    println!("{:34} {:.1} GB/s ({:.1}), 24 B an entry", "triad", triad[0], triad[1]);
    for (k, (name, a, _)) in cases.iter().enumerate() {
        print!("{name:34}");
        for (times, bytes) in [(&mut products[k], product_bytes(a)), (&mut iterations[k], iteration_bytes(a))] {
            let times = [median(times), quiet(times)];
            let percent: Vec<f64> = times.iter().zip(triad).map(|(t, peak)| bytes / t / 1e7 / peak).collect();
            print!(" {:8.0} µs {:4.0}% ({:6.0} µs {:4.0}%)", times[0] * 1e6, percent[0], times[1] * 1e6, percent[1]);
        }
        println!();
    }
}

/// The second projection of a GMRES step, w −= V h and h' = Vᵀw in one sweep: (k + 2) 8n bytes.
fn projections(rounds: usize) {
    let (n, k) = (1_000_000, 30);
    let mut space = Space::new(Precisions::uniform(Dtype::F64));
    let (v, w, h) = (space.basis("v", n, k), space.vector("w", n), space.array("h", k));
    let (h2, ww) = (space.array("h2", k), space.scalar("ww"));
    let mut harness = Harness::new(space, 0, Allowed::default()).unwrap();
    let values: Vec<f64> = (0..n).map(|i| (i % 13) as f64 / 13.0).collect();
    (0..k).for_each(|j| harness.write(v.column(j), &values).unwrap());
    harness.write(w, &values).unwrap();
    let mut triad = Triad::new(1 << 24);
    let (mut triads, mut dots, mut both, mut last) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        triads.push(time(|| triad.run()));
        dots.push(time(|| drop(harness.run(|p| p.multi_dot(v, k, w, h2)))));
        both.push(time(|| {
            drop(harness.run(|p| {
                p.multi_subtract(v, k, h, w);
                p.multi_dot(v, k, w, h2);
            }));
        }));
        last.push(time(|| {
            drop(harness.run(|p| {
                p.multi_subtract(v, k, h, w);
                p.dot(w, w, ww);
            }));
        }));
    }
    let peak = triad.bytes() / median(&mut triads) / 1e9;
    for (name, times, vectors) in
        [("Vᵀw", &mut dots, k + 1), ("w −= Vh, Vᵀw", &mut both, k + 2), ("w −= Vh, ⟨w,w⟩", &mut last, k + 2)]
    {
        let t = median(times);
        let rate = (8 * n * vectors) as f64 / t / 1e9;
        println!(
            "{name:24} {:9.0} µs {rate:6.1} GB/s {:5.0}% of triad, {k} columns of 10⁶",
            t * 1e6,
            100.0 * rate / peak
        );
    }
}

/// Time of one CG iteration through the whole library where n is small.
fn overhead() {
    for k in [32, 100, 316] {
        let a = Arc::new(gallery::poisson2d(k));
        let stamps = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&stamps);
        let options = Options {
            method: "cg".parse().unwrap(),
            preconditioner: "none".parse().unwrap(),
            backend: Backend::Cpu,
            precision: Precision::F64,
            rtol: 1e-14,
            max_iterations: 400,
            ..Options::default()
        };
        let mut solver = Solver::new(&a, options).unwrap().on_iteration(move |_| {
            heard.lock().unwrap().push(Instant::now());
            ControlFlow::Continue(())
        });
        let b: Vec<f64> = (0..a.rows()).map(|i| 1.0 + (i % 17) as f64 / 17.0).collect();
        let mut gaps = Vec::new();
        for _ in 0..5 {
            let _ = solver.solve(&b).unwrap();
            let stamps = std::mem::take(&mut *stamps.lock().unwrap());
            gaps.extend(stamps.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()));
        }
        println!("CG through the solver, n = {:7}: {:8.2} µs an iteration", a.rows(), 1e6 * median(&mut gaps));
    }
}
