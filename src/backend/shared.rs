//! One engine for several solves at once: the segments of all *clients* run side by side in one program, so that
//! products with one matrix share a sweep and the matrix is read once for all of them.
//!
//! Each client is an [`Engine`] to its own driver, unaware of the others. What a driver enqueues waits
//! until every client waits for the device; then [`Shared::advance`] takes one segment of each, compiles them
//! together, and hands out the results. A client's stop halts the device at the end of the iteration, where the state
//! of all clients is consistent: the client leaves, the others continue with what they had issued. So each client does
//! exactly what it would do alone, and on the CPU to the same bits.

use super::{Awaited, Counters, Engine, Progress};
use crate::error::Result;
use crate::matrix::{Csr, Triangular};
use crate::op::schedule::{Compiled, Compiler, Fusion};
use crate::op::{Array, Expr, HandleMap, Item, Op, Operator, Scalar, Space, Stop, Triangle, Vector};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// A client's request to the engine; requests are served in order.
enum Letter {
    Segment(Arc<Compiled>),
    Vector(Vector, Vec<f64>),
    Scalar(Scalar, f64),
    Array(Array, Vec<f64>),
    ClearStop,
    /// The end of a batch.
    Send,
}

/// A client's batch: its results, and how many of its segments have not run.
#[derive(Default)]
struct Batch {
    outstanding: usize,
    progress: Progress,
}

/// Messages between a client and the engine.
#[derive(Default)]
struct Mailbox {
    letters: VecDeque<Letter>,
    /// Segments enqueued and not submitted; they belong to the next batch.
    recording: usize,
    /// Submitted batches, oldest first.
    batches: VecDeque<Batch>,
    /// The client's own sticky stop code.
    stop: Option<Stop>,
    wanted: Option<Vector>,
    read: Option<Vec<f64>>,
    /// The client's share of the bytes moved.
    bytes: u64,
    /// No solve runs on this client.
    closed: bool,
}

impl Mailbox {
    /// The oldest batch with a segment that has not run: the batch of the next segment, as segments run in order.
    fn current(&mut self) -> &mut Batch {
        let at = self.batches.iter().position(|b| b.outstanding > 0).expect("a segment belongs to a batch sent off");
        &mut self.batches[at]
    }

    /// Discards a segment after a stop: it counts as run and does nothing.
    fn discard(&mut self) {
        let stop = self.stop;
        let batch = self.current();
        batch.outstanding -= 1;
        batch.progress.stop = stop;
    }

    /// True if the client has nothing queued or running.
    fn is_idle(&self) -> bool {
        self.letters.is_empty() && self.batches.iter().all(|b| b.outstanding == 0)
    }
}

type Mail = Arc<Mutex<Mailbox>>;

fn open(mail: &Mail) -> MutexGuard<'_, Mailbox> {
    mail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One client: the engine as its driver sees it.
pub(crate) struct Client {
    mail: Mail,
    fusion: Fusion,
    batch_limit: usize,
}

impl Engine for Client {
    fn fusion(&self) -> Fusion {
        self.fusion
    }
    fn enqueue(&mut self, segment: &Arc<Compiled>) -> Result<u64> {
        let mut mail = open(&self.mail);
        mail.letters.push_back(Letter::Segment(Arc::clone(segment)));
        mail.recording += 1;
        // Its bytes alone; the client's share of the actual traffic is reported at the end.
        Ok(segment.bytes)
    }
    fn flush(&mut self) -> Result<()> {
        let mut mail = open(&self.mail);
        let outstanding = std::mem::take(&mut mail.recording);
        if outstanding > 0 {
            mail.letters.push_back(Letter::Send);
            mail.batches.push_back(Batch { outstanding, progress: Progress::default() });
        }
        Ok(())
    }
    fn in_flight(&self) -> usize {
        open(&self.mail).batches.len()
    }
    fn collect(&mut self) -> Awaited<'_, Result<Progress>> {
        Box::pin(poll_fn(|_| {
            let mut mail = open(&self.mail);
            match mail.batches.front() {
                None => Poll::Ready(Ok(Progress::default())),
                Some(batch) if batch.outstanding > 0 => Poll::Pending,
                Some(_) => Poll::Ready(Ok(mail.batches.pop_front().unwrap_or_default().progress)),
            }
        }))
    }
    fn clear_stop(&mut self) {
        open(&self.mail).letters.push_back(Letter::ClearStop);
    }
    fn write_vector(&mut self, v: Vector, values: &[f64]) -> Result<()> {
        open(&self.mail).letters.push_back(Letter::Vector(v, values.to_vec()));
        Ok(())
    }
    fn read_vector(&mut self, v: Vector) -> Awaited<'_, Result<Vec<f64>>> {
        if let Err(e) = self.flush() {
            return Box::pin(async { Err(e) });
        }
        open(&self.mail).wanted = Some(v);
        Box::pin(poll_fn(|_| match open(&self.mail).read.take() {
            Some(values) => Poll::Ready(Ok(values)),
            None => Poll::Pending,
        }))
    }
    fn write_scalar(&mut self, s: Scalar, value: f64) {
        open(&self.mail).letters.push_back(Letter::Scalar(s, value));
    }
    fn write_array(&mut self, a: Array, values: &[f64]) {
        open(&self.mail).letters.push_back(Letter::Array(a, values.to_vec()));
    }
    fn update_operator(&mut self, _: Operator, _: &Arc<Csr>, _: i32) -> Result<()> {
        unreachable!("clients are made anew for new values")
    }
    fn update_triangle(&mut self, _: Triangle, _: &Arc<Triangular>, _: i32) -> Result<()> {
        unreachable!("clients are made anew for new values")
    }
    /// Zeros: the shared engine does the counting.
    fn counters(&self) -> Counters {
        Counters::default()
    }
    fn batch_limit(&self) -> usize {
        self.batch_limit
    }
}

/// One client's segment: the client's index and the segment.
type Part = (usize, Arc<Compiled>);

/// Segments of several clients, merged into one.
struct Issued {
    parts: Vec<Part>,
    /// Bytes moved for all of them.
    bytes: u64,
}

/// The engine behind the clients.
pub(crate) struct Shared {
    engine: Box<dyn Engine>,
    compiler: Compiler,
    space: Space,
    mail: Vec<Mail>,
    /// The handles of each client in the shared space.
    copies: Vec<HandleMap>,
    /// Clients begin corrections together, so that their records, which grow from step to step, keep equal lengths.
    together: bool,
    merged: HashMap<Vec<(usize, usize)>, Arc<Compiled>>,
    /// Enqueued and not yet submitted; below: submitted.
    recording: Vec<Issued>,
    flights: VecDeque<Vec<Issued>>,
}

impl Shared {
    /// `space` holds the `copies`, one per client; drivers use the handles of the space that was copied.
    pub(crate) fn new(engine: Box<dyn Engine>, space: Space, copies: Vec<HandleMap>, together: bool) -> Self {
        Self {
            compiler: Compiler::new(engine.fusion()),
            engine,
            space,
            mail: copies.iter().map(|_| Mail::default()).collect(),
            copies,
            together,
            merged: HashMap::new(),
            recording: vec![],
            flights: VecDeque::new(),
        }
    }

    /// Client `k`, for its driver.
    pub(crate) fn client(&self, k: usize) -> Client {
        let (fusion, batch_limit) = (self.engine.fusion(), self.engine.batch_limit());
        Client { mail: Arc::clone(&self.mail[k]), fusion, batch_limit }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.engine.counters()
    }

    /// Runs one future per client to completion. Clients without a future, or done, are closed. Returns the results and
    /// each client's share of the bytes moved.
    pub(crate) async fn run<T>(&mut self, mut clients: Vec<Awaited<'_, Result<T>>>) -> Result<Vec<(T, u64)>> {
        for (k, mail) in self.mail.iter().enumerate() {
            *open(mail) = Mailbox { closed: k >= clients.len(), ..Mailbox::default() };
        }
        let mut done: Vec<Option<T>> = clients.iter().map(|_| None).collect();
        loop {
            // Clients wait only for the engine, which advances only here: polling each once is enough.
            poll_fn(|context| {
                for (k, client) in clients.iter_mut().enumerate() {
                    if done[k].is_some() {
                        continue;
                    }
                    match client.as_mut().poll(context) {
                        Poll::Ready(Ok(value)) => {
                            done[k] = Some(value);
                            open(&self.mail[k]).closed = true;
                        }
                        Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                        Poll::Pending => {}
                    }
                }
                Poll::Ready(Ok(()))
            })
            .await?;
            if done.iter().all(Option::is_some) {
                let bytes = self.mail.iter().map(|mail| open(mail).bytes);
                return Ok(done.into_iter().flatten().zip(bytes).collect());
            }
            self.advance().await?;
        }
    }

    /// One step for all waiting clients: serves reads, issues segments, collects the oldest batch.
    async fn advance(&mut self) -> Result<()> {
        while let Some(parts) = self.next_parts()? {
            self.issue(parts)?;
        }
        self.send()?;
        self.bring_back().await?;
        for k in 0..self.mail.len() {
            let wanted = {
                let mut mail = open(&self.mail[k]);
                if mail.is_idle() { mail.wanted.take() } else { None }
            };
            if let Some(v) = wanted {
                let values = self.engine.read_vector(self.copies[k].vector(v)).await?;
                open(&self.mail[k]).read = Some(values);
            }
        }
        Ok(())
    }

    /// The next segment of each client that has one, as far as they can be merged: segments without records first, so
    /// that iterations align; then those with records of equal lengths.
    fn next_parts(&mut self) -> Result<Option<Vec<Part>>> {
        let parked = |mail: &Mailbox| matches!(mail.letters.front(), Some(Letter::ClearStop));
        let all_parked = self.mail.iter().all(|mail| {
            let mail = open(mail);
            mail.closed || parked(&mail)
        });
        let mut heads: Vec<Part> = vec![];
        for k in 0..self.mail.len() {
            let mail = Arc::clone(&self.mail[k]);
            let mut mail = open(&mail);
            if self.together && parked(&mail) && !all_parked {
                continue;
            }
            while let Some(letter) = mail.letters.pop_front() {
                match letter {
                    Letter::Segment(_) if mail.stop.is_some() => mail.discard(),
                    Letter::Segment(segment) => {
                        heads.push((k, Arc::clone(&segment)));
                        mail.letters.push_front(Letter::Segment(segment));
                        break;
                    }
                    Letter::Vector(v, values) => {
                        self.send()?;
                        self.engine.write_vector(self.copies[k].vector(v), &values)?;
                    }
                    Letter::Scalar(s, value) => {
                        self.send()?;
                        self.engine.write_scalar(self.copies[k].scalar(s), value);
                    }
                    Letter::Array(a, values) => {
                        self.send()?;
                        self.engine.write_array(self.copies[k].array(a), &values);
                    }
                    Letter::ClearStop => mail.stop = None,
                    Letter::Send => self.send()?,
                }
            }
        }
        let Some(records) = heads.iter().map(|(_, s)| &s.records).min_by_key(|r| r.len()) else { return Ok(None) };
        let records = records.clone();
        let parts: Vec<Part> = heads.into_iter().filter(|(_, s)| s.records == records).collect();
        for (k, _) in &parts {
            open(&self.mail[*k]).letters.pop_front();
        }
        Ok(Some(parts))
    }

    fn issue(&mut self, parts: Vec<Part>) -> Result<()> {
        let key: Vec<(usize, usize)> = parts.iter().map(|(k, s)| (*k, s.id)).collect();
        let merged = match self.merged.get(&key) {
            Some(done) => Arc::clone(done),
            None => {
                let done = self.compiler.compile(self.merge(&parts), &self.space);
                self.merged.insert(key, Arc::clone(&done));
                done
            }
        };
        let before = self.engine.in_flight();
        let bytes = self.engine.enqueue(&merged)?;
        if self.engine.in_flight() > before {
            // The engine had no room for more records and submitted what it had.
            self.flights.push_back(std::mem::take(&mut self.recording));
        }
        self.recording.push(Issued { parts, bytes });
        Ok(())
    }

    /// All parts as one program. Records come in the order of clients, then one of all stop codes; the device stops
    /// when any client does.
    fn merge(&self, parts: &[Part]) -> Vec<Op> {
        let (mut head, mut tail, mut codes) = (vec![], vec![], vec![]);
        for (k, segment) in parts {
            let copy = &self.copies[*k];
            let code = copy.stop;
            let mut ended = false;
            let mut stops = vec![];
            for op in segment.ops().map(|op| copy.op(op)) {
                ended |= matches!(op, Op::Publish(_) | Op::StopIf(..));
                match op {
                    Op::StopIf(condition, stop) => {
                        let fresh = Expr::from(code).le(0.0).and(condition);
                        let value = Expr::select(fresh, f64::from(stop.code()), code);
                        stops.push(Op::Set { out: code, value });
                    }
                    op if ended => tail.push(op),
                    op => head.push(op),
                }
            }
            head.push(Op::Set { out: code, value: Expr::from(0.0) });
            tail.extend(stops);
            codes.push(Expr::from(code));
        }
        if parts.iter().any(|(_, s)| s.ends()) {
            let any = codes.iter().cloned().reduce(|a, b| a + b).expect("at least one part");
            tail.push(Op::Publish(codes.into_iter().map(Item::Value).collect()));
            tail.push(Op::StopIf(Expr::from(0.0).lt(any), Stop::Estimate));
        }
        head.extend(tail);
        head
    }

    /// Submits what was enqueued.
    fn send(&mut self) -> Result<()> {
        if !self.recording.is_empty() {
            self.engine.flush()?;
            self.flights.push_back(std::mem::take(&mut self.recording));
        }
        Ok(())
    }

    /// Waits for the oldest batch and delivers its results to the mailboxes. After a stop everything else is
    /// collected as well, and what did not run is issued again for the clients that did not stop.
    async fn bring_back(&mut self) -> Result<()> {
        let Some(flight) = self.flights.pop_front() else { return Ok(()) };
        let progress = self.engine.collect().await?;
        let mut records = progress.records.into_iter();
        let mut halted: Vec<Issued> = vec![];
        let mut stopped = false;
        for issued in flight {
            if stopped {
                halted.push(issued);
            } else {
                stopped = self.deliver(&issued, &mut records, progress.elapsed);
            }
        }
        if !stopped {
            return Ok(());
        }
        while let Some(flight) = self.flights.pop_front() {
            self.engine.collect().await?;
            halted.extend(flight);
        }
        self.engine.clear_stop();
        for (k, segment) in halted.into_iter().rev().flat_map(|i| i.parts) {
            open(&self.mail[k]).letters.push_front(Letter::Segment(segment));
        }
        Ok(())
    }

    /// Hands out the records of a segment that ran; true if a client stopped in it.
    fn deliver(
        &self,
        issued: &Issued,
        records: &mut impl Iterator<Item = Vec<f64>>,
        elapsed: std::time::Duration,
    ) -> bool {
        let mut brought: Vec<Vec<Vec<f64>>> = vec![];
        for (_, segment) in &issued.parts {
            brought.push(records.by_ref().take(segment.records.len()).collect());
        }
        let codes = if issued.parts.iter().any(|(_, s)| s.ends()) {
            records.next().expect("codes follow the records of all clients")
        } else {
            vec![]
        };
        let alone: u64 = issued.parts.iter().map(|(_, s)| s.bytes).sum();
        let mut stopped = false;
        for (p, ((k, segment), brought)) in issued.parts.iter().zip(brought).enumerate() {
            let mut mail = open(&self.mail[*k]);
            let share = u128::from(issued.bytes) * u128::from(segment.bytes) / u128::from(alone.max(1));
            mail.bytes += share as u64;
            let stop = codes.get(p).and_then(|&code| Stop::from_code(code as u8));
            mail.stop = mail.stop.or(stop);
            stopped |= stop.is_some();
            let batch = mail.current();
            batch.outstanding -= 1;
            batch.progress.elapsed = elapsed;
            batch.progress.stop = stop;
            batch.progress.records.extend(brought);
        }
        stopped
    }
}
