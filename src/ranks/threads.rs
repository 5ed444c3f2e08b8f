//! Ranks that are threads of one process: queues of messages behind one lock. Not made for speed.

use super::Communicator;
use crate::error::{Error, Result};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Mail {
    /// Messages on their way, by sender and receiver.
    queues: HashMap<(usize, usize), VecDeque<Vec<u8>>>,
    /// Ranks that have left.
    gone: Vec<usize>,
}

#[derive(Default)]
struct Office {
    mail: Mutex<Mail>,
    arrived: Condvar,
}

impl Office {
    fn open(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One rank.
pub(super) struct Endpoint {
    rank: usize,
    size: usize,
    office: Arc<Office>,
}

pub(super) fn endpoints(size: usize) -> Vec<Endpoint> {
    let office = Arc::new(Office::default());
    (0..size).map(|rank| Endpoint { rank, size, office: Arc::clone(&office) }).collect()
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.office.open().gone.push(self.rank);
        self.office.arrived.notify_all();
    }
}

impl Endpoint {
    fn send(&self, to: usize, bytes: &[u8]) {
        self.office.open().queues.entry((self.rank, to)).or_default().push_back(bytes.to_vec());
        self.office.arrived.notify_all();
    }

    fn receive(&self, from: usize, into: &mut [u8]) -> Result<()> {
        let mut mail = self.office.open();
        loop {
            if let Some(bytes) = mail.queues.get_mut(&(from, self.rank)).and_then(VecDeque::pop_front) {
                if bytes.len() != into.len() {
                    let (got, wanted) = (bytes.len(), into.len());
                    return Err(Error::Ranks(format!("rank {from} is out of step: {got} bytes in place of {wanted}")));
                }
                into.copy_from_slice(&bytes);
                return Ok(());
            }
            if mail.gone.contains(&from) {
                return Err(Error::Ranks(format!("rank {from} has left")));
            }
            mail = self.office.arrived.wait(mail).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Communicator for Endpoint {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn is_one_process(&self) -> bool {
        true
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], out: &mut [u8]) -> Result<()> {
        (0..self.size).for_each(|to| self.send(to, mine));
        let mut rest = out;
        for (from, &count) in counts.iter().enumerate() {
            let (part, tail) = rest.split_at_mut(count);
            self.receive(from, part)?;
            rest = tail;
        }
        Ok(())
    }

    fn exchange(
        &self,
        sends: &[(usize, Vec<u8>)],
        receives: &mut [(usize, Vec<u8>)],
        meanwhile: &mut dyn FnMut(),
    ) -> Result<()> {
        sends.iter().for_each(|(to, bytes)| self.send(*to, bytes));
        meanwhile();
        receives.iter_mut().try_for_each(|(from, bytes)| self.receive(*from, bytes))
    }
}
