//! Random problems: a structure, a scale, what is asked for. The same seed gives the same problem.

use krylane::matrix::{Csr, Triplets};
use krylane::method::METHODS;
use krylane::precond::PRECONDITIONERS;
use krylane::random::Random;
use krylane::{Backend, Criterion, EigenOptions, Method, Options, Precision, When, Which};
use std::fmt::Write;

/// What is asked of a matrix.
#[derive(Clone)]
pub(crate) enum Task {
    Linear(Box<Options>),
    Eigen(Box<EigenOptions>),
    Singular(Box<EigenOptions>),
}

/// A matrix by its entries, the rest of the data, and what is asked.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) entries: Vec<(usize, usize, f64)>,
    pub(crate) b: Vec<f64>,
    pub(crate) x0: Option<Vec<f64>>,
    pub(crate) task: Task,
    /// Where it came from.
    pub(crate) seed: u64,
}

impl Case {
    /// The matrix; duplicates are summed by the library.
    pub(crate) fn matrix(&self) -> krylane::Result<Csr> {
        let mut t = Triplets::new(self.rows, self.cols)?;
        for &(i, j, v) in &self.entries {
            t.push(i, j, v)?;
        }
        t.to_csr()
    }

    /// Everything that is needed to try it again.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("%%MatrixMarket matrix coordinate real general\n{} {} ", self.rows, self.cols);
        let _ = writeln!(out, "{}", self.entries.len());
        for (i, j, v) in &self.entries {
            let _ = writeln!(out, "{} {} {v:e}", i + 1, j + 1);
        }
        let _ = writeln!(out, "b = {:?}\nx0 = {:?}", self.b, self.x0);
        let _ = match &self.task {
            Task::Linear(o) => writeln!(out, "solve: {o:?}"),
            Task::Eigen(o) => writeln!(out, "eigs: {o:?}"),
            Task::Singular(o) => writeln!(out, "svds: {o:?}"),
        };
        let _ = writeln!(out, "seed {}", self.seed);
        out
    }
}

fn pick<'a, T>(r: &mut Random, from: &'a [T]) -> &'a T {
    &from[r.below(from.len())]
}

fn chance(r: &mut Random, of: usize) -> bool {
    r.below(of) == 0
}

/// The problem of this seed.
pub(crate) fn case(seed: u64) -> Case {
    let r = &mut Random::new(seed);
    let kind = r.below(10);
    let n = match r.below(8) {
        0 => r.below(4),
        1..=5 => 2 + r.below(20),
        _ => 10 + r.below(51),
    };
    let cols = if kind == 8 || chance(r, 20) { r.below(n + 6) } else { n };
    let symmetric = kind == 7 && n == cols && !chance(r, 3);
    let mut entries = structure(r, n, cols);
    if symmetric {
        // The lower triangle, twice.
        entries.retain(|e| e.0 >= e.1);
        let mirrored: Vec<_> = entries.iter().filter(|e| e.0 != e.1).map(|&(i, j, v)| (j, i, v)).collect();
        entries.extend(mirrored);
    }
    damage(r, &mut entries, n, cols, symmetric);
    let (b, x0) = vectors(r, &entries, n, cols);
    let task = match kind {
        7 => Task::Eigen(Box::new(eigen(r, n, true))),
        8 => Task::Singular(Box::new(eigen(r, n.min(cols), false))),
        _ => Task::Linear(Box::new(linear(r, n, cols))),
    };
    Case { rows: n, cols, entries, b, x0, task, seed }
}

type Entries = Vec<(usize, usize, f64)>;

/// Entries without regard to scale.
fn structure(r: &mut Random, n: usize, cols: usize) -> Entries {
    let inside = |e: &(usize, usize, f64)| e.0 < n && e.1 < cols;
    let mut e: Entries = vec![];
    let diagonal =
        |e: &mut Entries, f: &mut dyn FnMut(usize) -> f64| (0..n.min(cols)).for_each(|i| e.push((i, i, f(i))));
    match r.below(15) {
        0 => (0..n * cols.min(4)).for_each(|_| e.push((r.below(n), r.below(cols.max(1)), r.uniform(-1.0, 1.0)))),
        // Dominant and symmetric.
        1 => {
            for _ in 0..2 * n {
                let (i, j, v) = (r.below(n), r.below(n), r.uniform(-1.0, 1.0));
                e.extend([(i, j, v), (j, i, v)]);
            }
            diagonal(&mut e, &mut |_| 8.0);
        }
        // Laplacians of graphs with a few components, singular.
        2 => {
            for _ in 0..3 * n / 2 {
                let (i, j) = (r.below(n), r.below(n));
                if i != j && i * 3 / n == j * 3 / n {
                    e.extend([(i, j, -1.0), (j, i, -1.0), (i, i, 1.0), (j, j, 1.0)]);
                }
            }
        }
        3 => (1..n).for_each(|i| e.extend([(i, i - 1, 1.0), (i - 1, i, -1.0)])),
        4 => (1..n).for_each(|i| e.push((i - 1, i, 1.0))),
        5 => (0..n).for_each(|i| e.push((i, (i + 1) % n, 1.0))),
        // An arrow.
        6 => {
            diagonal(&mut e, &mut |i| 1.0 + i as f64);
            (1..n).for_each(|i| e.extend([(0, i, 1.0), (i, 0, r.uniform(0.0, 1.0))]));
        }
        7 => {
            let step = *pick(r, &[0.1, 0.5, 1.0]);
            diagonal(&mut e, &mut |i| 10f64.powf(-step * i as f64));
        }
        // Indefinite, some zeros on the diagonal.
        8 => {
            for i in 0..n {
                let v = r.uniform(-1.0, 1.0);
                e.push((i, i, if i % 3 == 0 { 0.0 } else { v }));
                let (j, v) = (r.below(n), r.uniform(-1.0, 1.0));
                e.extend([(i, j, v), (j, i, v)]);
            }
        }
        // Of low rank.
        9 => {
            let rank = 1 + r.below(3);
            for _ in 0..rank {
                let (u, v) = (r.vector(n), r.vector(cols));
                (0..n).for_each(|i| (0..cols).for_each(|j| e.push((i, j, u[i] * v[j]))));
            }
        }
        10 => (0..n).for_each(|i| (0..cols).for_each(|j| e.push((i, j, 1.0 / (1 + i + j) as f64)))),
        // Convection.
        11 => {
            let c = r.uniform(-1.5, 1.5);
            diagonal(&mut e, &mut |_| 2.0);
            (1..n).for_each(|i| e.extend([(i, i - 1, -1.0 - c), (i - 1, i, -1.0 + c)]));
        }
        12 => {
            diagonal(&mut e, &mut |_| 1.0);
            (1..n).for_each(|i| e.push((i - 1, i, 10.0)));
        }
        // Nothing, or next to nothing.
        13 => (0..r.below(3)).for_each(|_| e.push((r.below(n), r.below(cols.max(1)), r.uniform(-1.0, 1.0)))),
        // A beam: the square of a second difference.
        _ => {
            for i in 0..n {
                for (d, v) in [(0, 6.0), (1, -4.0), (2, 1.0)] {
                    e.extend([(i, i + d, v), (i + d, i, if d == 0 { 0.0 } else { v })]);
                }
            }
        }
    }
    e.retain(inside);
    e
}

/// Scales of all kinds, empty rows and columns, entries far from the others. Symmetry is kept where it is wanted.
fn damage(r: &mut Random, e: &mut Entries, n: usize, cols: usize, symmetric: bool) {
    let order = n.max(cols).max(1);
    if chance(r, 4) {
        let range = *pick(r, &[3.0, 8.0, 20.0, 60.0, 140.0]);
        let mut powers = |len: usize| (0..len).map(|_| r.uniform(-range, range).exp2()).collect::<Vec<f64>>();
        let (rows, mut columns) = (powers(order), powers(order));
        let mode = r.below(3);
        if mode == 0 || symmetric {
            columns.clone_from(&rows);
        }
        e.iter_mut().for_each(|e| e.2 *= if mode == 1 && !symmetric { 1.0 } else { columns[e.1] } * rows[e.0]);
    }
    for _ in 0..r.below(4) {
        let i = r.below(order);
        match r.below(8) {
            0 => e.retain(|e| e.0 != i && !(symmetric && e.1 == i)),
            1 => e.retain(|e| e.1 != i && !(symmetric && e.0 == i)),
            2 if !e.is_empty() => {
                let k = r.below(e.len());
                let far = *pick(r, &[1e8, 1e20, 1e-20, 1e40, 1e-40]);
                let (p, q, _) = e[k];
                let here = |e: &&mut (usize, usize, f64)| (e.0, e.1) == (p, q) || symmetric && (e.0, e.1) == (q, p);
                e.iter_mut().filter(here).for_each(|e| e.2 *= far);
            }
            _ => {}
        }
    }
    let whole = *pick(r, &[0, 0, 0, 1, -1, 3, 31, -77, 400, -400, 130, -130]);
    e.iter_mut().for_each(|e| e.2 = super::exact::shift(e.2, whole));
    e.retain(|e| e.2.is_finite());
}

fn vectors(r: &mut Random, e: &Entries, n: usize, cols: usize) -> (Vec<f64>, Option<Vec<f64>>) {
    let product = |x: &[f64]| {
        let mut y = vec![0.0; n];
        e.iter().for_each(|&(i, j, v)| y[i] += v * x[j]);
        y
    };
    let mut b = match r.below(7) {
        0 => vec![1.0; n],
        1 => r.vector(n),
        2 => (0..n).map(|i| f64::from(u8::from(i == n / 2))).collect(),
        3 if chance(r, 4) => vec![0.0; n],
        4 => (0..n).map(|_| r.uniform(-40.0, 40.0).exp2()).collect(),
        _ => product(&r.vector(cols)),
    };
    let whole = *pick(r, &[0, 0, 0, 0, 1, 50, -150, 400, -400]);
    b.iter_mut().for_each(|v| *v = super::exact::shift(*v, whole));
    if !b.iter().all(|v| v.is_finite()) {
        b = vec![1.0; n];
    }
    let x0 = match r.below(12) {
        0 => Some(r.vector(cols)),
        1 => Some(r.vector(cols).iter().map(|v| v * 1e30).collect()),
        2 => Some(vec![1.0; cols]),
        3 => Some(r.vector(cols).iter().map(|v| super::exact::shift(*v, whole)).collect()),
        _ => None,
    };
    (b, x0)
}

fn linear(r: &mut Random, n: usize, cols: usize) -> Options {
    let mut o = Options { backend: Backend::Cpu, threads: 1, ..Options::default() };
    let methods: Vec<&str> = METHODS.iter().map(|m| m.id).chain(["auto", "auto", "lsqr", "lsmr"]).collect();
    let mut method = *pick(r, &methods);
    if n != cols && !chance(r, 10) {
        method = *pick(r, &["lsqr", "lsmr"]);
    }
    let least_squares = ["lsqr", "lsmr"].contains(&method);
    let text = match method {
        "lsqr" | "lsmr" => format!("{method}:damp={}", pick(r, &[0.0, 0.0, 0.0, 0.1, 1.0, 1e-6])),
        "gmres" | "fgmres" | "lgmres" => format!("{method}:restart={}", pick(r, &[1, 5, 30, 30, 50])),
        _ => method.into(),
    };
    o.method = text.parse().unwrap_or_default();
    if method == "projection" {
        o.method = Method::Projection { subspace: (0..1 + r.below(4)).map(|_| r.vector(n)).collect() };
    }
    let preconditioners: Vec<&str> = PRECONDITIONERS.iter().filter(|p| !p.program_only).map(|p| p.id).collect();
    let preconditioner = match r.below(3) {
        _ if least_squares => *pick(r, &["none", "jacobi", "auto"]),
        0 => "none",
        1 => "auto",
        _ => *pick(r, &preconditioners),
    };
    o.preconditioner = preconditioner.parse().unwrap_or_default();
    o.precision = *pick(r, &[Precision::F64, Precision::F64, Precision::F32, Precision::Mixed, Precision::Auto]);
    o.criterion = match r.below(9) {
        0 => Criterion::InitialResidual,
        1 => Criterion::BackwardError,
        2 => Criterion::Absolute,
        3 => Criterion::Componentwise,
        _ => Criterion::RhsNorm,
    };
    o.rtol = *pick(r, &[1e-8, 1e-8, 1e-4, 1e-6, 1e-10, 1e-13, 0.0]);
    o.atol = if o.criterion == Criterion::Absolute { 1e-6 } else { *pick(r, &[0.0, 0.0, 0.0, 1e-9]) };
    let whens = [When::Auto, When::Auto, When::Auto, When::Always, When::Never];
    if !least_squares {
        (o.equilibrate, o.reorder) = (*pick(r, &whens), *pick(r, &whens));
    }
    o.least_squares = method == "auto" && chance(r, 3);
    o.max_iterations = *pick(r, &[2000, 2000, 300, 10_000]);
    o
}

fn eigen(r: &mut Random, n: usize, square: bool) -> EigenOptions {
    let mut o = EigenOptions { backend: Backend::Cpu, threads: 1, ..EigenOptions::default() };
    o.k = 1 + r.below(n.clamp(1, 6));
    o.seed = r.bits();
    o.max_iterations = 3000;
    o.which = if square { *pick(r, &Which::ALL) } else { *pick(r, &[Which::LM, Which::SM]) };
    if square {
        o.method = (*pick(r, &["auto", "auto", "auto", "lanczos", "arnoldi", "lobpcg", "power"])).into();
        o.sigma = (*pick(r, &[None, None, None, Some(0.0), Some(0.5), Some(-1.0)])).filter(|_| o.method == "auto");
        o.which = if o.sigma.is_some() { Which::LM } else { o.which };
    }
    o.tol = *pick(r, &[1e-10, 1e-10, 1e-6]);
    o
}
