//! MPI as a communicator, over the MPI standard's C functions.

use super::{Communicator, Ranks};
use crate::error::{Error, Result};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::ffi;
use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All processes of a job, in a communicator of their own: messages don't mix with the program's others.
pub(super) struct World {
    communicator: ffi::MPI_Comm,
    rank: usize,
    size: usize,
    neighbours: usize,
    /// What ends MPI, where this began it.
    universe: Option<Universe>,
}

/// Held by every call: MPI was initialised for calls from any thread, one at a time.
static CALL: Mutex<()> = Mutex::new(());

fn one_call() -> MutexGuard<'static, ()> {
    CALL.lock().unwrap_or_else(PoisonError::into_inner)
}

// SAFETY: MPI takes calls from any thread, and `CALL` makes them one at a time.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

/// A length as MPI counts it.
fn count(n: usize) -> Result<c_int> {
    c_int::try_from(n)
        .map_err(|_| Error::Ranks(format!("{n} bytes in one message between ranks; MPI counts to 2^31 - 1")))
}

impl World {
    pub(super) fn new() -> Result<Self> {
        let begun = mpi::initialize_with_threading(Threading::Serialized);
        let level = begun.as_ref().map_or_else(mpi::environment::threading_support, |(_, level)| *level);
        if level < Threading::Serialized {
            return Err(Error::Ranks(format!(
                "this MPI library gives {level:?}; krylane calls it from several threads in turn"
            )));
        }
        let universe = begun.map(|(universe, _)| universe);
        // SAFETY: MPI is initialised; the pointers are to locals of the types that the standard wants.
        let (communicator, [rank, size, neighbours]) = unsafe {
            let mut own = ffi::RSMPI_COMM_NULL;
            ffi::MPI_Comm_dup(ffi::RSMPI_COMM_WORLD, &mut own);
            let (mut rank, mut size, mut near) = (0, 0, 0);
            ffi::MPI_Comm_rank(own, &mut rank);
            ffi::MPI_Comm_size(own, &mut size);
            let mut node = ffi::RSMPI_COMM_NULL;
            ffi::MPI_Comm_split_type(own, ffi::RSMPI_COMM_TYPE_SHARED, rank, ffi::RSMPI_INFO_NULL, &mut node);
            ffi::MPI_Comm_size(node, &mut near);
            ffi::MPI_Comm_free(&mut node);
            (own, [rank, size, near].map(|n| n as usize))
        };
        let world = Self { communicator, rank, size, neighbours, universe };
        match Ranks::launched() {
            Some(started) if started != size => Err(Error::Ranks(format!(
                "the launcher started {started} processes and MPI knows {size}: the launcher belongs to another MPI library \
                 than krylane was built with"
            ))),
            _ => Ok(world),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Others wait for this rank, and the end of MPI would wait for them.
            self.abort(101);
        }
        if self.universe.is_some() {
            // SAFETY: MPI is initialised until the universe is dropped, after this.
            unsafe { ffi::MPI_Comm_free(&mut self.communicator) };
        }
    }
}

impl Communicator for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn neighbours(&self) -> usize {
        self.neighbours
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], out: &mut [u8]) -> Result<()> {
        count(out.len())?;
        let _call = one_call();
        let counts: Vec<c_int> = counts.iter().map(|&n| count(n)).collect::<Result<_>>()?;
        let starts: Vec<c_int> = counts.iter().scan(0, |end, n| Some(std::mem::replace(end, *end + n))).collect();
        assert_eq!(counts.iter().map(|&n| n as usize).sum::<usize>(), out.len());
        // SAFETY: `out` has room for what `counts` and `starts` say, by the line above.
        unsafe {
            ffi::MPI_Allgatherv(
                mine.as_ptr().cast(),
                count(mine.len())?,
                ffi::RSMPI_UINT8_T,
                out.as_mut_ptr().cast(),
                counts.as_ptr(),
                starts.as_ptr(),
                ffi::RSMPI_UINT8_T,
                self.communicator,
            );
        }
        Ok(())
    }

    fn exchange(
        &self,
        sends: &[(usize, Vec<u8>)],
        receives: &mut [(usize, Vec<u8>)],
        meanwhile: &mut dyn FnMut(),
    ) -> Result<()> {
        const TAG: c_int = 1;
        let lengths = sends.iter().map(|s| s.1.len()).chain(receives.iter().map(|r| r.1.len()));
        lengths.map(count).collect::<Result<Vec<_>>>()?;
        let _call = one_call();
        let mut requests = Vec::with_capacity(sends.len() + receives.len());
        // SAFETY: the buffers live and are not touched until the wait below, which nothing skips.
        unsafe {
            for (from, bytes) in receives.iter_mut() {
                let mut request = ffi::RSMPI_REQUEST_NULL;
                let (to, n) = (bytes.as_mut_ptr().cast(), bytes.len() as c_int);
                ffi::MPI_Irecv(to, n, ffi::RSMPI_UINT8_T, *from as c_int, TAG, self.communicator, &mut request);
                requests.push(request);
            }
            for (to, bytes) in sends {
                let mut request = ffi::RSMPI_REQUEST_NULL;
                let (from, n) = (bytes.as_ptr().cast(), bytes.len() as c_int);
                ffi::MPI_Isend(from, n, ffi::RSMPI_UINT8_T, *to as c_int, TAG, self.communicator, &mut request);
                requests.push(request);
            }
        }
        let wait = Wait(requests);
        meanwhile();
        drop(wait);
        Ok(())
    }

    fn longest_message(&self) -> usize {
        c_int::MAX as usize
    }

    fn abort(&self, code: i32) {
        // SAFETY: MPI is initialised.
        unsafe { ffi::MPI_Abort(self.communicator, code) };
    }
}

/// Waits for its requests when it is dropped, also where a panic passes by: their buffers must not end before.
struct Wait(Vec<ffi::MPI_Request>);

impl Drop for Wait {
    fn drop(&mut self) {
        // SAFETY: requests that were made and not yet waited for.
        unsafe { ffi::MPI_Waitall(self.0.len() as c_int, self.0.as_mut_ptr(), null_statuses()) };
    }
}

fn null_statuses() -> *mut ffi::MPI_Status {
    // SAFETY: a constant of the library.
    unsafe { ffi::RSMPI_STATUSES_IGNORE }
}
