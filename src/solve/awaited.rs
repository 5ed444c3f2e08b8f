//! A solve for callers that must not block, and what its future may hold.

use super::drive::Event;
use super::solver::Solver;
use crate::backend::Awaited;
use crate::error::Result;
use crate::report::Report;
use std::ops::ControlFlow;

/// What [`Solver::solve_async`] awaits between batches. In a browser it need not be `Send`.
pub type Turn = Awaited<'static, ()>;

/// `Send`, but in a browser: there every value stays on the one thread, and promises can't leave it.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + ?Sized> MaybeSend for T {}
/// `Send`, but in a browser: there every value stays on the one thread, and promises can't leave it.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSend for T {}

/// The caller's function that hears of each iteration.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Heard<'a> = &'a mut (dyn FnMut(Event) -> ControlFlow<()> + Send);
#[cfg(target_arch = "wasm32")]
pub(crate) type Heard<'a> = &'a mut dyn FnMut(Event) -> ControlFlow<()>;

/// Called after each batch; what it returns is waited for.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Pause<'a> = &'a mut (dyn FnMut() -> Option<Turn> + Send);
#[cfg(target_arch = "wasm32")]
pub(crate) type Pause<'a> = &'a mut dyn FnMut() -> Option<Turn>;

/// A callback of a call that runs its future to the end on its own thread: it need not be `Send`, though the future's type
/// wants it.
pub(super) struct Here<F>(F);

// SAFETY: `Solver::solve_watched` alone makes one, and drives the future that holds it by `block_on`, on the thread that it
// was called on. The driver calls it there; engines and their threads never see it.
unsafe impl<F> Send for Here<F> {}

impl<F: FnMut(Event) -> ControlFlow<()>> Here<F> {
    pub(super) fn new(f: F) -> Self {
        Self(f)
    }

    /// By a method, so that a closure captures the whole.
    pub(super) fn hear(&mut self, event: Event) -> ControlFlow<()> {
        (self.0)(event)
    }
}

impl Solver {
    /// [`Solver::solve_watched`] for callers that must not block, as in a browser: a device is awaited, and so is what
    /// `pause` returns. It is called after each batch of iterations, on the CPU after each one, so that others may have
    /// their turn: those, say, who set the [`Solver::cancel_flag`]. Set-ups and certificates go on without a pause.
    ///
    /// The future is `Send` but in a browser, so a runtime may move it between threads. A GPU is polled by the thread that
    /// awaits it, which waits up to half a second at a time: give the future a thread that may block.
    ///
    /// ```
    /// use krylane::{Options, Solver, matrix::gallery};
    /// use std::ops::ControlFlow;
    /// # fn run<T>(task: impl Future<Output = T>) -> T {
    /// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     match std::pin::pin!(task).poll(&mut context) {
    /// #         std::task::Poll::Ready(value) => value,
    /// #         std::task::Poll::Pending => panic!("the CPU waits for nobody"),
    /// #     }
    /// # }
    /// let task = async {
    ///     let a = gallery::poisson2d(20);
    ///     let mut solver = Solver::new_async(&a, Options::default()).await?;
    ///     let go_on = |_| ControlFlow::Continue(());
    ///     solver.solve_async(&vec![1.0; a.rows()], None, go_on, || None).await
    /// };
    /// assert!(run(task)?.reason.is_converged());
    /// # Ok::<(), krylane::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub async fn solve_async(
        &mut self,
        b: &(impl AsRef<[f64]> + ?Sized),
        x0: Option<&[f64]>,
        mut f: impl FnMut(Event) -> ControlFlow<()> + MaybeSend,
        mut pause: impl FnMut() -> Option<Turn> + MaybeSend,
    ) -> Result<Report> {
        self.solve_heard(b.as_ref(), x0, &mut f, Some(&mut pause)).await
    }
}

#[cfg(test)]
mod tests {
    use crate::matrix::gallery;
    use crate::{Options, Solver};
    use std::ops::ControlFlow;

    /// Made on one thread, run on another.
    fn elsewhere<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> T {
        std::thread::spawn(move || pollster::block_on(task)).join().unwrap()
    }

    #[test]
    fn its_future_goes_to_another_thread() {
        let report = elsewhere(async {
            let a = gallery::poisson2d(12);
            let mut solver = Solver::new_async(&a, Options::default()).await?;
            let mut heard = 0;
            let count = |_| {
                heard += 1;
                ControlFlow::Continue(())
            };
            let report = solver.solve_async(&vec![1.0; a.rows()], None, count, || None).await?;
            assert_eq!(heard, report.iterations);
            Ok::<_, crate::Error>(report)
        });
        assert!(report.unwrap().reason.is_converged());
    }
}
