//! Progress on stderr, for people: nothing if stderr is not a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use krylane::Event;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Quick work shows nothing.
const PATIENCE: Duration = Duration::from_millis(300);
const FRAME: Duration = Duration::from_millis(60);
const STEPS: u64 = 1000;

/// How a run speaks while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Silent,
    /// Spinners and bars, where stderr is a terminal.
    Bars,
    /// Lines, wherever stderr goes.
    Lines,
}

impl Voice {
    pub(super) fn new(quiet: bool, monitor: bool) -> Self {
        match (monitor, quiet) {
            (true, _) => Self::Lines,
            (_, true) => Self::Silent,
            _ => Self::Bars,
        }
    }

    fn target(self) -> ProgressDrawTarget {
        if self == Self::Bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }
}

/// The beginning of the run, as lines tell it.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Words after the time since the first ones.
fn timed(words: &str) -> String {
    format!("{:>9.2} s  {words}", BEGUN.elapsed().as_secs_f64())
}

/// [`timed`] words as a line on stderr.
pub(super) fn tell(words: &str) {
    super::exit::say(&timed(words));
}

/// A progress bar that is cleared when dropped.
pub(super) struct Spinner(ProgressBar);

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Spins until dropped; a signal's message uses `words`, too.
pub(super) fn spinner(words: &str, voice: Voice) -> Spinner {
    super::signals::early(words);
    working(words, voice)
}

/// Spins until dropped, while a result is at stake: a signal waits for it.
pub(super) fn working(words: &str, voice: Voice) -> Spinner {
    if voice == Voice::Lines {
        tell(words);
    }
    let bar = ProgressBar::with_draw_target(None, voice.target()).with_message(words.to_string());
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("a legal template");
    bar.set_style(style);
    // Failing to start the spinner's thread would end the program: without a terminal none is started.
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    Spinner(bar)
}

/// Lines about iterations, every so many: a heading before the first, and the last one whatever its number.
struct Monitor {
    every: u64,
    /// Words above the columns.
    heading: String,
    headed: bool,
    /// The last line of each system where it was not due.
    held: BTreeMap<usize, String>,
}

impl Monitor {
    fn new(every: u64, heading: &str) -> Self {
        Self { every, heading: heading.into(), headed: false, held: BTreeMap::new() }
    }

    /// The line of iteration `number` of a system, from 1.
    fn line(&mut self, system: usize, number: u64, line: &str) {
        if !std::mem::replace(&mut self.headed, true) {
            super::exit::say(&format!("{:>11}  {}", "time", self.heading));
        }
        if number == 1 {
            // Who worked before has ended.
            self.flush();
        }
        if number == 1 || number.is_multiple_of(self.every) {
            self.held.remove(&system);
            tell(line);
        } else {
            self.held.insert(system, timed(line));
        }
    }

    /// What is still to be said before something else comes.
    fn flush(&mut self) {
        std::mem::take(&mut self.held).values().for_each(|line| super::exit::say(line));
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Progress of the residual from 1 to the goal, on a log scale; of several systems, that of the slowest.
pub(super) struct Convergence {
    bar: ProgressBar,
    start: Instant,
    drawn: Option<Instant>,
    /// log10 of each system's goal.
    goals: Vec<f64>,
    /// Who may be at work.
    candidates: Vec<String>,
    /// Who was last heard of.
    current: Option<usize>,
    /// The last event of each running system.
    heard: Vec<Option<Event>>,
    /// Number of systems that have begun.
    begun: usize,
    furthest: u64,
    /// Spins until the first iteration.
    setting_up: Option<Spinner>,
    monitor: Option<Monitor>,
}

impl Convergence {
    /// `monitor` is the number of iterations between lines on stderr.
    pub(super) fn new(
        goals: impl Iterator<Item = f64>,
        candidates: Vec<String>,
        voice: Voice,
        monitor: Option<u64>,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(Some(STEPS), voice.target());
        let style = ProgressStyle::with_template("{spinner} {bar:32} {msg}  {elapsed}").expect("a legal template");
        bar.set_style(style.progress_chars("=> "));
        let goals: Vec<f64> = goals.map(|goal| goal.clamp(1e-16, 0.1).log10()).collect();
        let system = if goals.len() > 1 { "system  " } else { "" };
        Self {
            bar,
            start: Instant::now(),
            drawn: None,
            heard: vec![None; goals.len()],
            goals,
            candidates,
            current: None,
            begun: 0,
            furthest: 0,
            setting_up: Some(spinner("setting up", voice)),
            monitor: monitor.map(|every| Monitor::new(every, &format!("{system}iteration   residual  by"))),
        }
    }

    pub(super) fn show(&mut self, event: Event) {
        if self.setting_up.take().is_some() {
            super::signals::under_way();
        }
        let by = self.candidates.get(event.candidate).map_or("", String::as_str);
        if let Some(monitor) = &mut self.monitor {
            let changed = self.current.replace(event.candidate) != Some(event.candidate);
            let system = if self.goals.len() > 1 { format!("{:>6}  ", event.system) } else { String::new() };
            let line = format!("{system}{:>9}  {:>9.3e}  {by}", event.iteration, event.residual);
            // The first line of one that takes over is said, too.
            monitor.line(event.system, if changed { 1 } else { event.iteration as u64 }, &line);
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
        let mut message = format!("{by}: iteration {:>6}  residual {:.2e}", slowest.iteration, slowest.residual);
        if self.goals.len() > 1 {
            message += &format!("  slowest: system {}", slowest.system);
        }
        self.bar.set_message(message);
    }
}

/// Progress of the largest residual of a wanted pair towards its bound.
pub(super) struct Cycles {
    spinner: Spinner,
    monitor: Option<Monitor>,
    /// Cycles so far.
    heard: u64,
}

impl Cycles {
    /// `monitor` is the number of cycles between lines on stderr.
    pub(super) fn new(voice: Voice, monitor: Option<u64>) -> Self {
        let monitor = monitor.map(|every| Monitor::new(every, "iteration  largest residual over its bound"));
        Self { spinner: spinner("setting up", voice), monitor, heard: 0 }
    }

    pub(super) fn show(&mut self, event: Event) {
        let Event { iteration, residual, .. } = event;
        if self.heard == 0 {
            super::signals::under_way();
        }
        self.heard += 1;
        // Before the first look at the pairs there is no residual.
        let residual = if residual.is_finite() { format!("{residual:.1e}") } else { "?".into() };
        match &mut self.monitor {
            Some(monitor) => monitor.line(0, self.heard, &format!("{iteration:>9}  {residual}")),
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
