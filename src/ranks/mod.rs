//! Ranks: several processes that share one solve, each with the rows of its own. Everything is SPMD: all ranks make the
//! same calls in the same order, and every number that steers an iteration is the same on all of them.
//!
//! A [`Communicator`] moves bytes between ranks. There are two: threads of one process ([`Ranks::threads`]), for tests and
//! for trying things out, and MPI (`Ranks::mpi`, with the feature `mpi`). One rank needs none.
//!
//! Ranks share a matrix of which each has some rows ([`Matrix::from_local_rows`](crate::matrix::Matrix::from_local_rows)): then
//! nothing on a rank has the length of the whole. Or each is given all of A and b
//! ([`Options::ranks`](crate::Options::ranks)): then vectors, bases and the matrices of products are divided by rows, set-ups
//! and certificates are repeated, and everything has the bits of one process.

pub(crate) mod cuts;
#[cfg(feature = "mpi")]
mod mpi;
pub(crate) mod pace;
pub(crate) mod sum;
mod threads;

use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::host::memory;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Moves bytes between ranks. All ranks call the same functions in the same order with lengths that fit together.
pub trait Communicator: Send + Sync {
    /// This rank, from 0.
    fn rank(&self) -> usize;
    /// How many ranks there are.
    fn size(&self) -> usize;
    /// The bytes of all ranks, one rank after the other, into `out`; rank p gives `counts[p]` bytes.
    ///
    /// # Errors
    /// A rank that is gone or out of step.
    fn all_gather(&self, mine: &[u8], counts: &[usize], out: &mut [u8]) -> Result<()>;
    /// Sends to some ranks and receives from some, at most once each; `meanwhile` is called once while messages are
    /// under way.
    ///
    /// # Errors
    /// As [`Communicator::all_gather`].
    fn exchange(
        &self,
        sends: &[(usize, Vec<u8>)],
        receives: &mut [(usize, Vec<u8>)],
        meanwhile: &mut dyn FnMut(),
    ) -> Result<()>;
    /// Ranks on this machine: they share its cores.
    fn neighbours(&self) -> usize {
        self.size()
    }
    /// Whether all ranks are threads of one process: then each needs a pool of threads of its own.
    fn is_one_process(&self) -> bool {
        false
    }
    /// Bytes that a message may have.
    fn longest_message(&self) -> usize {
        usize::MAX
    }
    /// Ends all ranks at once, with this exit code, where the communicator can.
    fn abort(&self, _code: i32) {}
}

/// What went between ranks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) reductions: u64,
    pub(crate) waited_ns: u64,
}

/// A handle of the ranks that share a solve; clones are the same rank.
#[derive(Clone)]
pub struct Ranks(Arc<Inner>, Others);

/// A page in a browser has no other ranks: no value of this type exists there, and the compiler leaves out all that
/// would need one.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone)]
struct Others;
#[cfg(target_arch = "wasm32")]
type Others = std::convert::Infallible;

#[cfg(not(target_arch = "wasm32"))]
fn others() -> Others {
    Others
}
#[cfg(target_arch = "wasm32")]
fn others() -> Others {
    panic!("a page in a browser has no other ranks")
}

struct Inner {
    communicator: Arc<dyn Communicator>,
    messages: AtomicU64,
    bytes: AtomicU64,
    reductions: AtomicU64,
    waited_ns: AtomicU64,
}

/// A number that the launcher left in the environment: Open MPI's, or that of MPICH and its kin.
fn told(names: [&str; 2]) -> Option<usize> {
    names.iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}

impl Ranks {
    /// Ranks over a communicator of your own.
    pub fn new(communicator: impl Communicator + 'static) -> Self {
        Self::over(Arc::new(communicator))
    }

    fn over(communicator: Arc<dyn Communicator>) -> Self {
        let inner = Inner {
            communicator,
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            reductions: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
        };
        Self(Arc::new(inner), others())
    }

    /// `size` ranks in this process, a handle for each; each is used by a thread of its own.
    ///
    /// ```
    /// use krylane::{Method, Options, Solver, matrix::gallery, ranks::Ranks};
    ///
    /// let a = gallery::poisson2d(60);
    /// let solve = |ranks: Option<Ranks>| {
    ///     let options = Options { method: Method::Cg, threads: 1, ranks, ..Options::default() };
    ///     Ok::<_, krylane::Error>(Solver::new(&a, options)?.solve(&vec![1.0; 3600])?.x)
    /// };
    /// let alone = solve(None)?;
    /// std::thread::scope(|scope| {
    ///     let solve = &solve;
    ///     let threads: Vec<_> = Ranks::threads(3).into_iter().map(|r| scope.spawn(move || solve(Some(r)))).collect();
    ///     for thread in threads {
    ///         assert_eq!(thread.join().unwrap().unwrap(), alone, "the same bits");
    ///     }
    /// });
    /// # Ok::<(), krylane::Error>(())
    /// ```
    #[must_use]
    pub fn threads(size: usize) -> Vec<Self> {
        threads::endpoints(size).into_iter().map(Self::new).collect()
    }

    /// All processes that `mpirun` started. MPI is initialised if it is not yet; the last clone of this handle ends it
    /// if so, unless a panic is under way: then all ranks are ended, since they would wait for this one.
    ///
    /// # Errors
    /// An MPI library whose threads may not call it; another number of processes than the launcher says it started,
    /// as where `mpirun` belongs to another MPI library.
    #[cfg(feature = "mpi")]
    pub fn mpi() -> Result<Self> {
        mpi::World::new().map(Self::new)
    }

    /// How many processes a launcher says it started; `None` where this one was started by itself.
    #[must_use]
    pub fn launched() -> Option<usize> {
        told(["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
    }

    /// This rank by the launcher's word, which needs no MPI.
    #[must_use]
    pub fn launched_as() -> Option<usize> {
        told(["OMPI_COMM_WORLD_RANK", "PMI_RANK"])
    }

    /// This rank, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.0.communicator.rank()
    }

    /// How many ranks there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.communicator.size()
    }

    /// Ranks on this machine.
    #[must_use]
    pub fn neighbours(&self) -> usize {
        self.0.communicator.neighbours()
    }

    pub(crate) fn is_one_process(&self) -> bool {
        self.0.communicator.is_one_process()
    }

    /// Ends all ranks at once, where the communicator can.
    pub fn abort(&self, code: i32) {
        self.0.communicator.abort(code);
    }

    /// The vector whose parts the ranks have, one after the other.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn gather_vector(&self, local: &[f64]) -> Result<Vec<f64>> {
        self.gather(local)
    }

    /// The same ranks, with counts of their own.
    pub(crate) fn counted(&self) -> Self {
        Self::over(Arc::clone(&self.0.communicator))
    }

    /// Bytes of memory that each rank may take: the least that is free for one anywhere, its neighbours' shares apart.
    pub(crate) fn memory_share(&self) -> Result<u64> {
        let own = memory::available(None, None).map_or(u64::MAX, |free| free / self.neighbours() as u64);
        Ok(self.gather_counted(&[own], &vec![1; self.size()])?.into_iter().min().unwrap_or(own))
    }

    /// Finds that vectors of `bytes` bytes are too long for a message.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        let most = self.0.communicator.longest_message();
        if bytes <= most {
            return Ok(());
        }
        Err(Error::Ranks(format!("a vector of {bytes} bytes; a message between ranks has {most} at most")))
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let i = &self.0;
        let (messages, bytes) = (of(&i.messages), of(&i.bytes));
        Traffic { messages, bytes, reductions: of(&i.reductions), waited_ns: of(&i.waited_ns) }
    }

    /// The numbers of all ranks, one rank after the other; each may give another count.
    pub(crate) fn gather<T: bytemuck::Pod>(&self, mine: &[T]) -> Result<Vec<T>> {
        let counts: Vec<u64> = self.gather_counted(&[mine.len() as u64], &vec![1; self.size()])?;
        self.gather_counted(mine, &counts.iter().map(|&n| n as usize).collect::<Vec<_>>())
    }

    /// As [`Ranks::gather`], where every rank knows how many numbers the others give.
    pub(crate) fn gather_counted<T: bytemuck::Pod>(&self, mine: &[T], counts: &[usize]) -> Result<Vec<T>> {
        let mut out = vec![T::zeroed(); counts.iter().sum()];
        let bytes: Vec<usize> = counts.iter().map(|n| n * size_of::<T>()).collect();
        self.0.reductions.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(size_of_val(mine) as u64, Ordering::Relaxed);
        let start = Instant::now();
        self.0.communicator.all_gather(bytemuck::cast_slice(mine), &bytes, bytemuck::cast_slice_mut(&mut out))?;
        self.waited(start.elapsed());
        Ok(out)
    }

    pub(crate) fn exchange(
        &self,
        sends: &[(usize, Vec<u8>)],
        receives: &mut [(usize, Vec<u8>)],
        mut meanwhile: impl FnMut(),
    ) -> Result<()> {
        self.0.messages.fetch_add(sends.len() as u64, Ordering::Relaxed);
        self.0.bytes.fetch_add(sends.iter().map(|s| s.1.len() as u64).sum(), Ordering::Relaxed);
        let start = Instant::now();
        let mut worked = Duration::ZERO;
        let mut work = || {
            let start = Instant::now();
            meanwhile();
            worked = start.elapsed();
        };
        self.0.communicator.exchange(sends, receives, &mut work)?;
        self.waited(start.elapsed().saturating_sub(worked));
        Ok(())
    }

    /// Sends numbers to some ranks, and receives what others send to this one, by their numbers. All ranks call this
    /// together; none but the receiver knows how much comes.
    pub(crate) fn mail<T: bytemuck::Pod>(&self, letters: Vec<(usize, Vec<T>)>) -> Result<Vec<(usize, Vec<T>)>> {
        let me = self.rank() as u64;
        let told: Vec<u64> = letters.iter().flat_map(|(p, v)| [me, *p as u64, v.len() as u64]).collect();
        let told = self.gather(&told)?;
        let mine = told.chunks(3).filter(|t| t[1] == me);
        let mut receives: Vec<(usize, Vec<u8>)> =
            mine.map(|t| (t[0] as usize, vec![0; size_of::<T>() * t[2] as usize])).collect();
        let sends: Vec<_> = letters.iter().map(|(p, v)| (*p, bytemuck::cast_slice(v).to_vec())).collect();
        self.exchange(&sends, &mut receives, || ())?;
        let numbers = |bytes: &[u8]| {
            let mut numbers = vec![T::zeroed(); bytes.len() / size_of::<T>()];
            bytemuck::cast_slice_mut(&mut numbers).copy_from_slice(bytes);
            numbers
        };
        Ok(receives.iter().map(|(p, bytes)| (*p, numbers(bytes))).collect())
    }

    fn waited(&self, time: Duration) {
        self.0.waited_ns.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// [`Ranks::agree`] where there are several.
    pub(crate) fn agreed<T>(ranks: Option<&Self>, outcome: Result<T>) -> Result<T> {
        match ranks {
            Some(ranks) => ranks.agree(outcome),
            None => outcome,
        }
    }

    /// What `outcome` is on every rank. Where it failed on some ranks alone, all get that error: none goes on to wait for
    /// a rank that has left. Where it failed on all, each gets its own.
    ///
    /// # Errors
    /// `outcome`'s, or [`Error::Ranks`] with the message of the first rank that failed.
    pub fn agree<T>(&self, outcome: Result<T>) -> Result<T> {
        let failed: Vec<u8> = self.gather_counted(&[u8::from(outcome.is_err())], &vec![1; self.size()])?;
        let Some(first) = failed.iter().position(|f| *f == 1) else { return outcome };
        if failed.iter().all(|f| *f == 1) {
            return outcome;
        }
        let own = outcome.err().filter(|_| self.rank() == first);
        let text = self.gather(own.map(|e| e.to_string()).unwrap_or_default().as_bytes())?;
        Err(Error::Ranks(format!("rank {first}: {}", String::from_utf8_lossy(&text))))
    }

    /// Finds that ranks decided differently, which they may where free memory differs between them.
    pub(crate) fn agree_on(&self, decision: &str) -> Result<()> {
        if self.gather(decision.as_bytes())? == decision.repeat(self.size()).as_bytes() {
            return Ok(());
        }
        Err(Error::Ranks(format!(
            "ranks decided differently on what to set up: rank {} on {decision}. Free memory may differ between them; set \
             `memory_limit`, the same on all",
            self.rank()
        )))
    }
}
