//! The command line as typed.

use super::examples::{BENCH, COMPARE, COMPLETIONS, EIGS, EXIT_CODES, FIRST, GEN, INFO, INSPECT, MAN, SOLVE, SVDS};
use super::values::{
    METHOD, bytes, complex_number, duration, eigen_methods, ends, file_or, gallery_names, known, matrix_help,
    method_lists, method_names, preconditioner_lists, preconditioner_names, preconditioners,
};
use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use krylane::Criterion;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Solves sparse linear systems by Krylov-subspace methods on any GPU or the CPU, and certifies every
/// answer in f64.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, args_override_self = true, after_help = format!("{FIRST}\n\n{EXIT_CODES}"))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Solve A x = b.
    #[command(after_help = format!("{SOLVE}\n\n{EXIT_CODES}"))]
    Solve(Box<SolveArgs>),
    /// Find eigenpairs of A x = lambda x or A x = lambda B x.
    #[command(after_help = format!("{EIGS}\n\n{EXIT_CODES}"))]
    Eigs(Box<EigsArgs>),
    /// Find singular triplets.
    #[command(after_help = format!("{SVDS}\n\n{EXIT_CODES}"))]
    Svds(Box<SvdsArgs>),
    /// Try methods with preconditioners on a matrix: a table, the fastest first, every answer certified.
    #[command(after_help = COMPARE)]
    Compare(Box<CompareArgs>),
    /// Write a gallery matrix to a file.
    #[command(after_help = GEN)]
    Gen(GenArgs),
    /// Show what a matrix looks like and how it would be solved.
    #[command(after_help = INSPECT)]
    Inspect(Box<InspectArgs>),
    /// Show the devices and which would be chosen.
    #[command(after_help = INFO)]
    Info {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure products, sweeps and whole iterations against the machine's own bandwidth.
    #[command(after_help = BENCH)]
    Bench(BenchArgs),
    /// Print a completion script.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell it is for.
        shell: clap_complete::Shell,
    },
    /// Write man pages, and completion scripts of all shells, into a folder.
    #[command(after_help = MAN)]
    Man {
        /// The folder; created if it does not exist.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) matrix: MatrixArgs,
    /// The right-hand side: a file, `ones`, or `random:SEED`.
    #[arg(long, value_name = "FILE|ones|random:SEED", default_value = "ones", value_hint = ValueHint::FilePath)]
    pub(crate) rhs: OsString,
    /// Methods, separated by commas, or `all`; by default those that suit the matrix.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = known(method_lists))]
    pub(crate) methods: Vec<String>,
    /// Preconditioners, separated by commas, or `all`; by default those that suit the matrix.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = known(preconditioner_lists))]
    pub(crate) preconds: Vec<String>,
    /// Runs of each pair that count; by default as many as fit a second, one of a slow pair. Where a run is cheap, one more
    /// warms up before them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: Option<u32>,
    /// Relative tolerance.
    #[arg(long, visible_alias = "tol", value_name = "X", default_value = "1e-8", allow_hyphen_values = true)]
    pub(crate) rtol: f64,
    /// Maximum number of iterations of each solve.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_iterations: usize,
    /// Time limit for each solve; without one, a solve is stopped once it takes 20 times as long as the fastest.
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) time_limit: Option<Duration>,
    /// auto, cpu, gpu, part of an adapter's name, or its number in `krylane info`.
    #[arg(long, short, value_name = "auto|cpu|gpu|NAME", default_value = "auto")]
    pub(crate) backend: String,
    /// Precision of the iteration.
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "f64", "mixed"])]
    pub(crate) precision: String,
    /// Number of CPU threads; 0 uses RAYON_NUM_THREADS, or all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Memory limit, as in 500M or 8G; by default the memory that is free.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory_limit: Option<u64>,
    /// File with options in TOML, as in `rtol = 1e-10`; options on the command line take precedence.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) options: Option<PathBuf>,
    /// Print a line on stderr for each pair, even if it is not a terminal.
    #[arg(long)]
    pub(crate) monitor: bool,
    /// Write the table: `.md`, `.csv` or `.json`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) export: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Devices to measure: `all`, `cpu`, `gpu`, or an adapter's name or number.
    #[arg(long, default_value = "all")]
    pub(crate) backend: String,
    /// Gallery matrices, `name:size`; by default 2D and 3D Poisson, sized to suit the device.
    #[arg(long, value_name = "NAME:SIZE", value_delimiter = ',')]
    pub(crate) problems: Vec<String>,
    /// Operations to time beside the triad, such as spmv, cg or gmres(30); by default all.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) operations: Vec<String>,
    /// Number of timings; the median is reported.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,
    /// Number of threads of the CPU backend; 0 uses RAYON_NUM_THREADS, or all.
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// Write the results as JSON; `-` is stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) json: Option<PathBuf>,
    /// Write the results as one HTML page, with bar charts.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SolveArgs {
    #[command(flatten)]
    pub(crate) matrix: MatrixArgs,
    /// The right-hand side: a file, `ones`, or `random:SEED` (uniform in (-1, 1)). Several columns in a file are
    /// several right-hand sides, solved together.
    #[arg(long, value_name = "FILE|ones|random:SEED", default_value = "ones", value_hint = ValueHint::FilePath)]
    pub(crate) rhs: OsString,
    /// Number of right-hand sides, generated with seeds SEED, SEED + 1, ...; use with `--rhs random:SEED`.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) nrhs: Option<u32>,
    /// The initial guess, one column per right-hand side; zero by default; `-` is stdin.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) x0: Option<PathBuf>,
    /// For amg on elasticity problems: node coordinates, one row per node (a Matrix Market array); the unknowns must be
    /// numbered node by node. `gallery` takes those of the gallery matrix.
    #[arg(long, value_name = "FILE|gallery", value_hint = ValueHint::FilePath)]
    pub(crate) coordinates: Option<PathBuf>,
    /// For amg: a file with the near-null-space vectors as columns.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "coordinates")]
    pub(crate) near_null: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) solver: SolverArgs,
    /// File with options in TOML, as in `rtol = 1e-10`; options on the command line take precedence.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) options: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print a line on stderr every N iterations, even if it is not a terminal.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "100", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Output")]
    pub(crate) monitor: Option<u64>,
    /// Print the whole plan: every candidate with its reason, every multigrid level.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Write the report as JSON, whatever the outcome; several right-hand sides give a list, `systems`; `-` is stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) json: Option<PathBuf>,
    /// Write x, one column per right-hand side, whatever the outcome: `.mtx`, `.mtx.gz` or `.npy`; `-` is stdout.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Plot the residual history: `.svg`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) plot: Option<PathBuf>,
    /// Write the report as one HTML page, with pictures, whatever the outcome.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EigsArgs {
    #[command(flatten)]
    pub(crate) spectrum: SpectrumArgs,
    /// Which end of the spectrum: the largest (L) or smallest (S) modulus (M), algebraic value (A), real part (R) or
    /// imaginary part (I), or both ends (BE). With --sigma that of 1/(lambda - sigma): LM finds those nearest to sigma.
    #[arg(long, default_value = "LM", ignore_case = true, value_parser = ends())]
    pub(crate) which: String,
    /// Shift: find the eigenpairs nearest to it, by solving with A - sigma B. A complex shift is written 1.5+2i or -3i.
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = complex_number)]
    pub(crate) sigma: Option<(f64, f64)>,
    /// Skip the zero eigenvalue of a positive semidefinite A and find the smallest others; use with --which SM or SA.
    #[arg(long)]
    pub(crate) skip_null: bool,
    /// The matrix B of the generalised problem A x = lambda B x; `-` is stdin.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mass: Option<PathBuf>,
    /// The method; auto chooses from properties of the matrix.
    #[arg(long, short, default_value = "auto", value_parser = eigen_methods())]
    pub(crate) method: String,
    #[arg(long, short, value_name = "NAME", default_value = "auto", help = preconditioners(), value_parser = known(preconditioner_names))]
    pub(crate) precond: String,
    /// Write the eigenvectors as columns, `.mtx`, `.mtx.gz` or `.npy`, whatever the outcome: for a complex pair of a
    /// real matrix the real part, then the imaginary part; for a complex matrix complex numbers. `-` is stdout.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SvdsArgs {
    #[command(flatten)]
    pub(crate) spectrum: SpectrumArgs,
    /// Largest (LM) or smallest (SM).
    #[arg(long, default_value = "LM", ignore_case = true, value_parser = ["LM", "SM"])]
    pub(crate) which: String,
    /// Write the right singular vectors as columns, `.mtx`, `.mtx.gz` or `.npy`; `-` is stdout.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Write the left singular vectors.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) left: Option<PathBuf>,
}

/// What eigs and svds have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct SpectrumArgs {
    #[command(flatten)]
    pub(crate) matrix: MatrixArgs,
    /// Number of eigenpairs or singular triplets.
    #[arg(short, value_name = "K", default_value_t = 6)]
    pub(crate) k: usize,
    /// Residual tolerance, relative to the norm of the matrix.
    #[arg(long, visible_alias = "rtol", value_name = "X", default_value = "1e-10", allow_hyphen_values = true)]
    pub(crate) tol: f64,
    /// auto, cpu, gpu, part of an adapter's name, or its number in `krylane info`.
    #[arg(long, short, value_name = "auto|cpu|gpu|NAME", default_value = "auto")]
    pub(crate) backend: String,
    /// Precision of the basis; pairs are verified in f64 whatever is chosen.
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "f64", "mixed"])]
    pub(crate) precision: String,
    /// Dimension of the search space: columns of the basis.
    #[arg(long, value_name = "M")]
    pub(crate) subspace: Option<usize>,
    /// The start vector; random by default; `-` is stdin.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) start: Option<PathBuf>,
    /// Seed of the random vectors.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Maximum number of iterations.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) max_iterations: usize,
    /// Time limit, as in 30, 30s, 5min, 2h.
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) time_limit: Option<Duration>,
    /// Number of CPU threads; 0 uses RAYON_NUM_THREADS, or all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Do not fuse operations: run each one separately.
    #[arg(long)]
    pub(crate) no_fuse: bool,
    /// Memory limit, as in 500M or 8G; by default the memory that is free.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory_limit: Option<u64>,
    /// Adapter features not to use, as if the device lacked them: f64.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) withhold: Vec<String>,
    /// File with options in TOML, as in `tol = 1e-8`; options on the command line take precedence.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) options: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print a line on stderr every N cycles, even if it is not a terminal.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Output")]
    pub(crate) monitor: Option<u64>,
    /// Write the report as JSON, whatever the outcome; `-` is stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as one HTML page, with pictures, whatever the outcome.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
}

/// Where a matrix comes from.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct MatrixArgs {
    #[arg(value_name = "MATRIX", value_hint = ValueHint::FilePath, required_unless_present = "gallery", help = matrix_help(), value_parser = file_or(gallery_names), hide_possible_values = true)]
    pub(crate) matrix: Option<OsString>,
    /// A gallery matrix, as in poisson2d:500; `krylane gen --list` shows the names.
    #[arg(long = "gen", id = "gallery", value_name = "NAME:SIZE", conflicts_with = "matrix", value_parser = known(gallery_names), hide_possible_values = true)]
    pub(crate) gallery: Option<String>,
    /// A parameter of the gallery matrix, as in epsilon=0.1.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Read a pattern file, which stores positions without values, with 1 at every position.
    #[arg(long)]
    pub(crate) pattern_as_ones: bool,
    /// Read complex values and work in the equivalent real form; vectors are written as complex numbers. Real files
    /// are accepted, too.
    #[arg(long)]
    pub(crate) complex: bool,
}

/// How to solve.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Solver")]
pub(crate) struct SolverArgs {
    #[arg(long, short, default_value = "auto", value_name = "NAME", help = METHOD, value_parser = known(method_names))]
    pub(crate) method: String,
    #[arg(long, short, value_name = "NAME", default_value = "auto", help = preconditioners(), value_parser = known(preconditioner_names))]
    pub(crate) precond: String,
    /// Preconditioning side; an error if the method does not support it.
    #[arg(long, value_parser = ["auto", "left", "right", "split"])]
    pub(crate) side: Option<String>,
    /// With method auto: if no x solves the system, go on to a least-squares solution.
    #[arg(long)]
    pub(crate) least_squares: bool,
    /// lsqr and lsmr: minimise |b - A x|^2 + X^2 |x|^2.
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub(crate) damp: Option<f64>,
    /// auto, cpu, gpu, part of an adapter's name, or its number in `krylane info`.
    #[arg(long, short, value_name = "auto|cpu|gpu|NAME", default_value = "auto")]
    pub(crate) backend: String,
    /// Precision of the iteration; answers are certified in f64 whatever is chosen.
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "f64", "mixed"])]
    pub(crate) precision: String,
    /// Relative tolerance.
    #[arg(long, value_name = "X", visible_alias = "tol", default_value = "1e-8", allow_hyphen_values = true)]
    pub(crate) rtol: f64,
    /// Absolute tolerance.
    #[arg(long, value_name = "X", default_value = "0", allow_hyphen_values = true)]
    pub(crate) atol: f64,
    /// Convergence criterion.
    #[arg(long, value_enum, default_value_t = CriterionArg::RhsNorm)]
    pub(crate) criterion: CriterionArg,
    /// Maximum number of iterations.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_iterations: usize,
    /// Maximum number of products with A.
    #[arg(long, value_name = "N")]
    pub(crate) max_matvecs: Option<usize>,
    /// Time limit for set-up and solve, as in 30, 30s, 5min, 2h.
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) time_limit: Option<Duration>,
    /// Restart length: columns of a GMRES cycle.
    #[arg(long, value_name = "M")]
    pub(crate) restart: Option<usize>,
    /// Number of CPU threads; 0 uses RAYON_NUM_THREADS, or all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Do not fuse operations: run each one separately.
    #[arg(long)]
    pub(crate) no_fuse: bool,
    /// Reorder the rows for better memory locality of products.
    #[arg(long, default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub(crate) reorder: String,
    /// Scale rows and columns by powers of two.
    #[arg(long, default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub(crate) equilibrate: String,
    /// Memory limit, as in 500M or 8G; by default the memory that is free.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory_limit: Option<u64>,
    /// Adapter features not to use, as if the device lacked them: f64, double-single.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) withhold: Vec<String>,
    /// Batches in flight; results don't depend on it.
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) lag: Option<usize>,
    /// What each kernel of a GPU takes, in the JSON report; every kernel runs by itself then.
    #[arg(long, hide = true)]
    pub(crate) kernel_times: bool,
    /// Iterations per batch; results don't depend on it.
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) batch: Option<usize>,
}

/// [`Criterion`] in the command line's spelling.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CriterionArg {
    /// |r| <= max(rtol |b|, atol)
    RhsNorm,
    /// |r| <= max(rtol |r0|, atol)
    InitialResidual,
    /// |r| <= atol
    Absolute,
    /// |r| <= rtol (|A| |x| + |b|)
    BackwardError,
    /// the same row by row, for rows of very different magnitude
    Componentwise,
}

impl From<CriterionArg> for Criterion {
    fn from(c: CriterionArg) -> Self {
        match c {
            CriterionArg::RhsNorm => Self::RhsNorm,
            CriterionArg::InitialResidual => Self::InitialResidual,
            CriterionArg::Absolute => Self::Absolute,
            CriterionArg::BackwardError => Self::BackwardError,
            CriterionArg::Componentwise => Self::Componentwise,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct GenArgs {
    /// Name of the matrix family; --list shows all names.
    #[arg(required_unless_present = "list", value_parser = known(gallery_names))]
    pub(crate) name: Option<String>,
    /// Order of the matrix, or points per side of the grid.
    #[arg(required_unless_present = "list")]
    pub(crate) size: Option<usize>,
    /// Output file: `.mtx`, `.mtx.gz` or `.npz`; `-` is stdout.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "list")]
    pub(crate) output: Option<PathBuf>,
    /// A parameter, as in epsilon=0.1; --list shows them with their defaults.
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,
    /// Memory limit, as in 500M or 8G; by default the memory that is free.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory_limit: Option<u64>,
    /// Print the names.
    #[arg(long, exclusive = true)]
    pub(crate) list: bool,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) matrix: MatrixArgs,
    #[command(flatten)]
    pub(crate) solver: SolverArgs,
    /// Write the WGSL of every kernel that the plan runs on the GPU into this new folder, with what each computes and
    /// binds; `kernels.json` lists them. Solves a little to find them.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) kernels: Option<PathBuf>,
    /// File with options in TOML, as in `rtol = 1e-10`; options on the command line take precedence.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) options: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
