//! The command line interpreted: every name is looked up and every value checked before any work is done.

use super::args::{Args, BenchArgs, Command, SolverArgs};
use super::compare::Compare;
use super::eigs::{Eigs, Svds};
use super::exit::Exit;
use super::generate::Generate;
use super::inspect::Inspect;
use super::solve::Solve;
use super::{allocator, bench, completion, generate, info, manual, ranks, signals, values};
use anyhow::Context;
use krylane::{Backend, Knobs, Options};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// One command to run.
pub(crate) enum Job {
    Solve(Box<Solve>),
    Eigs(Box<Eigs>),
    Svds(Box<Svds>),
    Compare(Box<Compare>),
    Generate(Generate),
    ListGallery,
    Inspect(Box<Inspect>),
    Info { json: bool },
    Bench(BenchArgs),
    Completions(clap_complete::Shell),
    Manual(PathBuf),
}

impl Job {
    pub(crate) fn new(mut args: Args) -> anyhow::Result<Self> {
        if ranks::silent() {
            ranks::hush(&mut args.command);
        }
        Ok(match args.command {
            Command::Solve(a) => Self::Solve(Box::new(Solve::new(*a)?)),
            Command::Eigs(a) => Self::Eigs(Box::new(Eigs::new(*a)?)),
            Command::Svds(a) => Self::Svds(Box::new(Svds::new(*a)?)),
            Command::Compare(a) => Self::Compare(Box::new(Compare::new(*a)?)),
            Command::Gen(a) if a.list => Self::ListGallery,
            Command::Gen(a) => Self::Generate(Generate::new(a)?),
            Command::Inspect(a) => Self::Inspect(Box::new(Inspect::new(*a)?)),
            Command::Info { json } => Self::Info { json },
            Command::Bench(a) => Self::Bench(a),
            Command::Completions { shell } => Self::Completions(shell),
            Command::Man { folder } => Self::Manual(folder),
        })
    }

    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let json = match &self {
            Self::Solve(job) => job.json(),
            Self::Eigs(job) => job.json(),
            Self::Svds(job) => job.json(),
            _ => None,
        };
        if !ranks::takes_part(&self) {
            return Ok(Exit::Success);
        }
        if !matches!(self, Self::Bench(_)) {
            signals::install(json).context("can't watch for signals")?;
        }
        signals::settle(self.work())
    }

    fn work(self) -> anyhow::Result<Exit> {
        match self {
            Self::Solve(job) => job.run(),
            Self::Eigs(job) => job.run(),
            Self::Svds(job) => job.run(),
            Self::Compare(job) => job.run(),
            Self::Generate(job) => job.run(),
            Self::ListGallery => generate::list(),
            Self::Inspect(job) => job.run(),
            Self::Info { json } => info::run(json),
            Self::Bench(args) => bench::run(args),
            Self::Completions(shell) => super::output::print(completion::script(shell).as_bytes()),
            Self::Manual(folder) => manual::write(&folder),
        }
    }
}

/// The library's options; also sets up the thread pool.
pub(super) fn options(args: SolverArgs) -> anyhow::Result<Options> {
    allocator::limit(args.memory_limit);
    let knobs = Knobs {
        fuse: !args.no_fuse,
        lag: args.lag,
        batch: args.batch,
        withhold: args.withhold,
        kernel_times: args.kernel_times,
        ..Knobs::default()
    };
    let mut options = Options {
        method: values::method(&args.method)?,
        preconditioner: args.precond.parse()?,
        least_squares: args.least_squares,
        backend: backend(&args.backend),
        precision: args.precision.parse()?,
        rtol: args.rtol,
        atol: args.atol,
        criterion: args.criterion.into(),
        max_iterations: args.max_iterations,
        max_matvecs: args.max_matvecs.unwrap_or(usize::MAX),
        time_limit: args.time_limit,
        threads: args.threads,
        knobs,
        reorder: args.reorder.parse()?,
        equilibrate: args.equilibrate.parse()?,
        memory_limit: args.memory_limit,
        ..Options::default()
    };
    let own = [
        ("restart", args.restart.map(|m| m.to_string())),
        ("side", args.side.map(|side| side.to_string())),
        ("damp", args.damp.map(|lambda| lambda.to_string())),
    ];
    for (name, text) in own.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        options.set(name, text)?;
    }
    options.check()?;
    // The global pool has this many threads: no engine needs its own pool.
    set_threads(options.threads);
    Ok(Options { threads: 0, ..options })
}

/// The backend of this name. `Lockstep`, which compares two backends op by op, is for tests and has no name here.
pub(super) fn backend(name: &str) -> Backend {
    match name.parse().unwrap_or_else(|never| match never {}) {
        Backend::Lockstep => Backend::Adapter(name.into()),
        backend => backend,
    }
}

/// Makes the global pool, in which all work of the CPU is done; 0 stands for the number in RAYON_NUM_THREADS, which
/// every pool of rayon obeys, or that of the cores. More than a few threads per core only wait for each other. If the
/// system grants fewer threads, the pool has fewer; at worst this thread alone.
pub(super) fn set_threads(threads: usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let environment = || std::env::var("RAYON_NUM_THREADS").ok()?.parse().ok().filter(|n| *n > 0);
    // Ranks share the cores of a machine, where the launcher has not bound each to its own.
    let neighbours = ranks::current().map_or(1, |ranks| ranks.neighbours());
    let threads = if threads == 0 { environment().unwrap_or(cores.div_ceil(neighbours)) } else { threads };
    let count = threads.min(4 * cores);
    if threads > count {
        super::exit::say(&format!("warning: using {count} threads instead of {threads}: there are only {cores} cores"));
    }
    let pool = rayon::ThreadPoolBuilder::new();
    // The pool is built only once, so the number of available threads is found first.
    let pool = match spawnable(count) {
        0 => pool.num_threads(1).use_current_thread(),
        n => pool.num_threads(n),
    };
    let _ = pool.build_global();
}

/// How many of `count` threads the system grants.
fn spawnable(count: usize) -> usize {
    let (hold, wait) = std::sync::mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let threads: Vec<_> = (0..count)
        .map_while(|_| {
            let wait = Arc::clone(&wait);
            // Each waits until `hold` is dropped.
            let body = move || drop(wait.lock().map(|wait| wait.recv()));
            std::thread::Builder::new().spawn(body).ok()
        })
        .collect();
    drop(hold);
    let found = threads.len();
    threads.into_iter().for_each(|t| drop(t.join()));
    found
}
