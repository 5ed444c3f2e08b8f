//! The command line as meant: every name looked up, every value checked, before any work is done.

use super::args::{Args, BenchArgs, Command, SolverArgs};
use super::eigs::{Eigs, Svds};
use super::exit::Exit;
use super::generate::Generate;
use super::inspect::Inspect;
use super::solve::Solve;
use super::{bench, generate, info};
use clap::CommandFactory;
use krylane::{Error, Knobs, Options};
use std::time::Duration;

/// One thing to do.
pub(crate) enum Job {
    Solve(Box<Solve>),
    Eigs(Box<Eigs>),
    Svds(Box<Svds>),
    Generate(Generate),
    ListGallery,
    Inspect(Box<Inspect>),
    Info { json: bool },
    Bench(BenchArgs),
    Completions(clap_complete::Shell),
}

impl Job {
    pub(crate) fn new(args: Args) -> anyhow::Result<Self> {
        Ok(match args.command {
            Command::Solve(a) => Self::Solve(Box::new(Solve::new(*a)?)),
            Command::Eigs(a) => Self::Eigs(Box::new(Eigs::new(*a)?)),
            Command::Svds(a) => Self::Svds(Box::new(Svds::new(*a)?)),
            Command::Gen(a) if a.list => Self::ListGallery,
            Command::Gen(a) => Self::Generate(Generate::new(a)?),
            Command::Inspect(a) => Self::Inspect(Box::new(Inspect::new(*a)?)),
            Command::Info { json } => Self::Info { json },
            Command::Bench(a) => Self::Bench(a),
            Command::Completions { shell } => Self::Completions(shell),
        })
    }

    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Solve(job) => job.run(),
            Self::Eigs(job) => job.run(),
            Self::Svds(job) => job.run(),
            Self::Generate(job) => job.run(),
            Self::ListGallery => generate::list(),
            Self::Inspect(job) => job.run(),
            Self::Info { json } => info::run(json),
            Self::Bench(args) => bench::run(args),
            Self::Completions(shell) => {
                let mut script = vec![];
                clap_complete::generate(shell, &mut Args::command(), "krylane", &mut script);
                super::output::print(&script)
            }
        }
    }
}

/// The library's options; the thread pool is set up on the way.
pub(super) fn options(args: SolverArgs) -> anyhow::Result<Options> {
    let time_limit = time_limit(args.time_limit)?;
    // What belongs to a method stands behind its name: gmres:restart=50.
    let own = [
        args.restart.map(|m| format!("restart={m}")),
        args.side.map(|side| format!("side={side}")),
        args.damp.map(|lambda| format!("damp={lambda}")),
    ];
    let method = own.into_iter().flatten().fold(args.method, |text, pair| {
        let separator = if text.contains(':') { ',' } else { ':' };
        format!("{text}{separator}{pair}")
    });
    let knobs =
        Knobs { fuse: !args.no_fuse, lag: args.lag, batch: args.batch, withhold: args.withhold, ..Knobs::default() };
    let options = Options {
        method: method.parse()?,
        preconditioner: args.precond.parse()?,
        least_squares: args.least_squares,
        backend: args.backend.parse().unwrap_or_else(|never| match never {}),
        precision: args.precision.parse()?,
        rtol: args.rtol,
        atol: args.atol,
        criterion: args.criterion.into(),
        max_iterations: args.max_iterations,
        max_matvecs: args.max_matvecs.unwrap_or(usize::MAX),
        time_limit,
        threads: args.threads,
        knobs,
        reorder: args.reorder.parse()?,
        equilibrate: args.equilibrate.parse()?,
        memory_limit: args.memory_limit,
        ..Options::default()
    };
    options.check()?;
    set_threads(options.threads);
    Ok(options)
}

pub(super) fn time_limit(seconds: Option<f64>) -> krylane::Result<Option<Duration>> {
    let limit = seconds.map(Duration::try_from_secs_f64).transpose();
    limit.map_err(|_| Error::input("--time-limit takes seconds, 0 or more"))
}

/// Statistics and certificates run in the global pool. It exists already only where a test made it.
pub(super) fn set_threads(threads: usize) {
    if threads > 0 {
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
}
