//! Progress on stderr, for people: nothing if stderr is not a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use krylane::Event;
use std::time::{Duration, Instant};

/// Quick work shows nothing.
const PATIENCE: Duration = Duration::from_millis(300);
const FRAME: Duration = Duration::from_millis(60);
const STEPS: u64 = 1000;

/// A progress bar that is cleared when dropped.
pub(super) struct Spinner(ProgressBar);

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Spins until dropped; a signal's message uses `words`, too.
pub(super) fn spinner(words: &str, quiet: bool) -> Spinner {
    super::signals::early(words);
    let bar = ProgressBar::with_draw_target(None, target(quiet)).with_message(words.to_string());
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("a legal template");
    bar.set_style(style);
    // Failing to start the spinner's thread would end the program: without a terminal none is started.
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    Spinner(bar)
}

/// Progress of the residual from 1 to the goal, on a log scale; of several systems, that of the slowest.
pub(super) struct Convergence {
    bar: ProgressBar,
    start: Instant,
    drawn: Option<Instant>,
    /// log10 of each system's goal.
    goals: Vec<f64>,
    /// The last event of each running system.
    heard: Vec<Option<Event>>,
    /// Number of systems that have begun.
    begun: usize,
    furthest: u64,
    /// Spins until the first iteration.
    setting_up: Option<Spinner>,
    /// Iterations between lines on stderr.
    monitor: Option<u64>,
}

impl Convergence {
    pub(super) fn new(goals: impl Iterator<Item = f64>, quiet: bool, monitor: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(STEPS), target(quiet));
        let style = ProgressStyle::with_template("{spinner} {bar:32} {msg}  {elapsed}").expect("a legal template");
        bar.set_style(style.progress_chars("=> "));
        let goals: Vec<f64> = goals.map(|goal| goal.clamp(1e-16, 0.1).log10()).collect();
        let heard = vec![None; goals.len()];
        let setting_up = Some(spinner("setting up", quiet || monitor.is_some()));
        Self { bar, start: Instant::now(), drawn: None, goals, heard, begun: 0, furthest: 0, setting_up, monitor }
    }

    pub(super) fn show(&mut self, event: Event) {
        if self.setting_up.take().is_some() {
            super::signals::under_way();
        }
        if let Some(every) = self.monitor {
            if (event.iteration as u64).is_multiple_of(every) || event.iteration == 1 {
                let system = if self.goals.len() > 1 { format!("system {:>4}  ", event.system) } else { String::new() };
                let (iteration, seconds) = (event.iteration, self.start.elapsed().as_secs_f64());
                super::exit::say(&format!("{system}{iteration:>8}  {:.3e}  {seconds:.2} s", event.residual));
            }
            return;
        }
        if self.bar.is_hidden() {
            return;
        }
        if event.system >= self.begun {
            // Systems that begin later start a new bar; those running alongside will report again.
            self.heard.fill(None);
            (self.begun, self.furthest) = (event.system + 1, 0);
        }
        self.heard[event.system] = Some(event);
        let now = Instant::now();
        if now - self.start < PATIENCE || self.drawn.is_some_and(|t| now - t < FRAME) {
            return;
        }
        if self.drawn.replace(now).is_none() {
            // Another candidate's set-up may come in between: a moving spinner shows that the program is alive.
            self.bar.enable_steady_tick(Duration::from_millis(100));
        }
        let done = |e: &Event| (e.residual.log10() / self.goals[e.system]).clamp(0.0, 1.0);
        let slowest = self.heard.iter().flatten().min_by(|e, f| done(e).total_cmp(&done(f))).unwrap_or(&event);
        // The number shows a residual that grows again; a bar that moves backwards confuses.
        self.furthest = self.furthest.max((done(slowest) * STEPS as f64) as u64);
        self.bar.set_position(self.furthest);
        let mut message = format!("iteration {:>6}  residual {:.2e}", slowest.iteration, slowest.residual);
        if self.goals.len() > 1 {
            message += &format!("  slowest: system {}", slowest.system);
        }
        self.bar.set_message(message);
    }
}

/// Progress of the largest residual of a wanted pair towards its bound.
pub(super) struct Cycles {
    start: Instant,
    spinner: Spinner,
    monitor: Option<u64>,
    /// Cycles so far.
    heard: u64,
}

impl Cycles {
    pub(super) fn new(quiet: bool, monitor: Option<u64>) -> Self {
        let spinner = spinner("setting up", quiet || monitor.is_some());
        Self { start: Instant::now(), spinner, monitor, heard: 0 }
    }

    pub(super) fn show(&mut self, event: Event) {
        let Event { iteration, residual, .. } = event;
        if self.heard == 0 {
            super::signals::under_way();
        }
        self.heard += 1;
        // Before the first look at the pairs there is no residual.
        let residual = if residual.is_finite() { format!("{residual:.1e}") } else { "?".into() };
        match self.monitor {
            Some(every) if self.heard % every == 1 % every => {
                let seconds = self.start.elapsed().as_secs_f64();
                super::exit::say(&format!("{iteration:>8}  {residual} times the bound  {seconds:.2} s"));
            }
            Some(_) => {}
            None => {
                let bar = &self.spinner.0;
                bar.set_message(format!("iteration {iteration:>6}  largest residual {residual} times its bound"));
            }
        }
    }
}

impl Drop for Convergence {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}
