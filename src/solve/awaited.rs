//! A solve for callers that must not block.

use super::drive::Event;
use super::solver::Solver;
use crate::error::Result;
use crate::report::Report;
use std::ops::ControlFlow;
use std::pin::Pin;

impl Solver {
    /// [`Solver::solve_watched`] for callers that must not block, as in a browser: a device is awaited, and so is what
    /// `pause` returns. It is called after each batch of iterations, on the CPU after each one, so that others may have
    /// their turn: those, say, who set the [`Solver::cancel_flag`]. Set-ups and certificates go on without a pause.
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
        mut f: impl FnMut(Event) -> ControlFlow<()>,
        pause: impl Fn() -> Option<Pin<Box<dyn Future<Output = ()>>>>,
    ) -> Result<Report> {
        self.solve_heard(b.as_ref(), x0, &mut f, Some(&pause)).await
    }
}
