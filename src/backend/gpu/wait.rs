//! Waiting for what the device brings back: it comes, it fails, or patience ends.

use super::Context;
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Duration;

/// What becomes of a buffer on its way to the host.
#[derive(Clone, Default)]
pub(super) struct Arrival(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// Whether it has come, once that is known.
    outcome: Option<bool>,
    waker: Option<Waker>,
}

impl Arrival {
    fn open(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, arrived: bool) {
        let mut waiting = self.open();
        waiting.outcome = Some(arrived);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    fn outcome(&self) -> Option<bool> {
        self.open().outcome
    }

    fn poll(&self, context: &mut task::Context<'_>) -> Poll<bool> {
        let mut waiting = self.open();
        waiting.waker = Some(context.waker().clone());
        waiting.outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The message of a panic, after a colon.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.map_or_else(String::new, |text| format!(": {text}"))
}

impl Context {
    /// Begins to bring the first `bytes` of `buffer` to the host.
    pub(super) fn fetch(&self, buffer: &wgpu::Buffer, bytes: u64) -> Arrival {
        let arrival = Arrival::default();
        let told = arrival.clone();
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |result| told.tell(result.is_ok()));
        arrival
    }

    /// Waits for what `submission` leaves in a buffer: in a browser without blocking, elsewhere by polling the device,
    /// with an error where the buffer can't be read or nothing comes in time.
    pub(super) async fn wait(&self, submission: wgpu::SubmissionIndex, arrival: &Arrival) -> Result<()> {
        let arrived = match cfg!(target_arch = "wasm32") {
            true => poll_fn(|context| arrival.poll(context)).await,
            false => self.poll_until(submission, arrival)?,
        };
        self.check()?;
        if arrived { Ok(()) } else { Err(Error::Device("a buffer could not be read back".into())) }
    }

    /// Polls the device until the buffer has come, or failed to.
    fn poll_until(&self, submission: wgpu::SubmissionIndex, arrival: &Arrival) -> Result<bool> {
        let start = Instant::now();
        loop {
            if let Some(arrived) = arrival.outcome() {
                return Ok(arrived);
            }
            // wgpu panics if a device is lost during a wait.
            let poll = catch_unwind(AssertUnwindSafe(|| {
                self.device.poll(wgpu::PollType::Wait {
                    submission_index: Some(submission.clone()),
                    timeout: Some(self.patience.min(Duration::from_millis(500))),
                })
            }));
            self.check()?;
            match poll {
                // The work is done, and its buffer as a rule here; if not, others may use the processor meanwhile.
                Ok(Ok(_)) if arrival.outcome().is_none() => std::thread::sleep(Duration::from_millis(1)),
                Ok(Ok(_) | Err(wgpu::PollError::Timeout)) => {}
                Ok(Err(e)) => return Err(Error::Device(e.to_string())),
                Err(panic) => {
                    return Err(Error::Device(format!("lost while it was waited for{}", panic_text(&*panic))));
                }
            }
            if start.elapsed() > self.patience && arrival.outcome().is_none() {
                return Err(Error::Device(format!("no answer for {} s", self.patience.as_secs_f64())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Settings;
    use crate::testing::on_devices;
    use wgpu::BufferUsages as Usage;

    /// A device with little patience, a buffer of it and a submission that ends at once.
    fn hasty() -> (Arc<Context>, wgpu::Buffer, wgpu::SubmissionIndex) {
        let settings = Settings { patience: Duration::from_millis(300), ..Settings::default() };
        let context = pollster::block_on(Context::any(&settings)).unwrap();
        let buffer = context.buffer("read-back", 16, Usage::COPY_DST | Usage::MAP_READ).unwrap();
        let submission = context.submit(context.device.create_command_encoder(&Default::default())).unwrap();
        (context, buffer, submission)
    }

    /// The message with which a wait ends, and how long it took.
    fn refusal(context: &Context, submission: wgpu::SubmissionIndex, arrival: &Arrival) -> (String, Duration) {
        let start = Instant::now();
        let ended = pollster::block_on(context.wait(submission, arrival));
        (ended.unwrap_err().to_string(), start.elapsed())
    }

    #[test]
    fn waits_end() {
        on_devices(|device| {
            if device.gpu().is_none() {
                return;
            }
            let (context, buffer, submission) = hasty();
            let arrival = context.fetch(&buffer, 16);
            pollster::block_on(context.wait(submission, &arrival)).unwrap();

            // A buffer that is taken back before it comes: no error is recorded, and the wait ends at once.
            let (context, buffer, submission) = hasty();
            let arrival = context.fetch(&buffer, 16);
            buffer.unmap();
            let (message, time) = refusal(&context, submission, &arrival);
            assert!(message.contains("could not be read back"), "{message}");
            assert!(time < context.patience, "{time:?}");

            // One that never comes.
            let (context, _, submission) = hasty();
            let (message, time) = refusal(&context, submission, &Arrival::default());
            assert!(message.contains("no answer for 0.3 s"), "{message}");
            assert!(time >= context.patience && time < 10 * context.patience, "{time:?}");

            // A device that is gone: the buffer may have come before.
            let (context, buffer, submission) = hasty();
            let arrival = context.fetch(&buffer, 16);
            context.device.destroy();
            let start = Instant::now();
            let _ = pollster::block_on(context.wait(submission, &arrival));
            assert!(start.elapsed() < 10 * context.patience);
        });
    }
}
