//! A race of candidates for one answer, in a unit of work. It knows nothing of matrices: a candidate costs a set-up and then
//! the same for each iteration, and shows how many digits it has. What to do next follows from these numbers alone.
//!
//! *Expected work.* Of one that runs: (digits to go) / (digits a unit of work), the better of its rate over all and of its
//! rate over the later half. No less than a third of what it has spent and no more than ten times that: a run of w tells
//! little beyond 10 w, and one that has cost w without an answer is not believed to be about to give it. Of one that
//! waits: its set-up and the fewest iterations that it may need.
//!
//! *Rule.* The least expected work goes on. A pause costs something, so the one that runs is left only for 4/5 of its own.
//! One that waits enters where its expected work e is less than that of the best that runs, E, and where its set-up is no
//! more than E/e times what has been spent so far: the clearer the case, the sooner. Where nothing runs, the least e enters.
//!
//! *Bound.* Let W be what the best candidate takes alone, and let no e be more than its candidate takes. Whoever spends w
//! on iterations, while the best waits or has not ended, had w/3 ≤ E ≤ 5/4 · max(W, 10 W) when its last slice began, and a
//! slice adds three tenths: w ≤ 49 W. A set-up is at most 10 times what was spent, or e ≤ W. So all takes at most c K W with K
//! candidates and c = 60; the constants are those of a malicious world. Where rates are steady the expected work is exact
//! after one slice, and all takes little more than W, the slices of those that looked better, and their set-ups.

/// Iterations before the first look.
const FIRST: usize = 20;

/// A slice makes this of the iterations so far.
const GROWTH: f64 = 1.3;

/// Expected work in units of what was spent: at the least and at the most.
const TRUST: (f64, f64) = (1.0 / 3.0, 10.0);

/// One that takes more than this part of another's iterations is like it: where that one gets nowhere, it hardly will.
const ALIKE: f64 = 0.5;

/// Of such a one, expected iterations in units of those that the other has made, at the most.
const FAR: f64 = 100.0;

/// Another must be expected to take less than this part before one that runs is left.
const MARGIN: f64 = 0.8;

/// A candidate before it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entrant {
    /// Work until it can iterate.
    pub(crate) setup: f64,
    /// Work an iteration.
    pub(crate) each: f64,
    /// The fewest iterations that all digits may take.
    pub(crate) least: f64,
    /// Its numbers are certain enough to enter without waiting for others to have spent as much.
    pub(crate) sure: bool,
    /// The fewest iterations are this part of those that another one is expected to take, once that one runs.
    pub(crate) part: Option<(usize, f64)>,
    /// It enters once this one is out.
    pub(crate) behind: Option<usize>,
}

/// How a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not set up yet.
    Waits,
    /// Set up: it runs, or it is paused.
    Runs,
    /// Failed, or dropped.
    Out,
}

#[derive(Clone, Debug)]
struct Runner {
    entrant: Entrant,
    standing: Standing,
    /// Work of its iterations, and how many they were.
    spent: f64,
    iterations: usize,
    /// Work and digits, look by look; the first is where it started.
    looks: Vec<(f64, f64)>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Move {
    /// Set this candidate up: it enters.
    SetUp(usize),
    /// So many iterations more of this one.
    Run(usize, usize),
    /// No candidate is left.
    Over,
}

/// The race. Digits are −log₁₀ of the relative residual; `goal` of them are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Race {
    runners: Vec<Runner>,
    goal: f64,
    /// Digits of the best x so far, and of the x at the start.
    best: f64,
    start: f64,
    /// Total work, set-ups included.
    total: f64,
}

impl Race {
    /// A race to `goal` digits of candidates that all start with `digits`.
    pub(crate) fn new(entrants: impl IntoIterator<Item = Entrant>, digits: f64, goal: f64) -> Self {
        let runner = |entrant| Runner { entrant, standing: Standing::Waits, spent: 0.0, iterations: 0, looks: vec![] };
        let runners = entrants.into_iter().map(runner).collect();
        Self { runners, goal, best: digits, start: digits, total: 0.0 }
    }

    /// Work until the answer, as far as can be told.
    pub(crate) fn expected(&self, k: usize) -> f64 {
        let Runner { entrant, spent, looks, .. } = &self.runners[k];
        if looks.is_empty() {
            let togo = (self.goal - self.best) / (self.goal - self.start).max(f64::MIN_POSITIVE);
            let least = (entrant.least * togo.clamp(0.0, 1.0)).max(1.0);
            let part = entrant.part.map_or(0.0, |(other, part)| part * self.iterations_to_go(other, part > ALIKE));
            return entrant.setup + entrant.each * least.max(part);
        }
        if *spent == 0.0 {
            return entrant.each * entrant.least.max(1.0);
        }
        self.by_rate(k).clamp(TRUST.0 * spent, TRUST.1 * spent)
    }

    /// Work until the answer of one that has run, by its rates alone.
    fn by_rate(&self, k: usize) -> f64 {
        let Runner { spent, looks, .. } = &self.runners[k];
        let (first, last) = (looks[0].1, looks[looks.len() - 1].1);
        let half = looks.iter().rev().find(|l| 2.0 * l.0 <= *spent).unwrap_or(&looks[0]);
        let rate = ((last - first) / spent).max((last - half.1) / (spent - half.0).max(f64::MIN_POSITIVE));
        let togo = (self.goal - last).max(0.0);
        if rate > 0.0 { togo / rate } else { f64::INFINITY }
    }

    /// Iterations that one that runs is expected to need; for one like it, as many as its rates tell.
    fn iterations_to_go(&self, k: usize, alike: bool) -> f64 {
        let Runner { entrant, standing, spent, .. } = &self.runners[k];
        if *standing != Standing::Runs || *spent == 0.0 {
            return 0.0;
        }
        (if alike { self.by_rate(k).clamp(TRUST.0 * spent, FAR * spent) } else { self.expected(k) }) / entrant.each
    }

    /// Better numbers for one that waits.
    pub(crate) fn revise(&mut self, k: usize, entrant: Entrant, spent: f64) {
        self.runners[k].entrant = entrant;
        self.total += spent;
    }

    pub(crate) fn entrant(&self, k: usize) -> Entrant {
        self.runners[k].entrant
    }

    pub(crate) fn standing(&self, k: usize) -> Standing {
        self.runners[k].standing
    }

    /// Whether others than `k` may still enter or go on.
    pub(crate) fn contested(&self, k: usize) -> bool {
        (0..self.runners.len()).any(|j| j != k && self.runners[j].standing != Standing::Out)
    }

    /// Whether another than `k` runs, or may enter now.
    pub(crate) fn has_rival(&self, k: usize) -> bool {
        let rival = |j: usize| self.runners[j].standing == Standing::Runs || self.may_enter(j);
        (0..self.runners.len()).any(|j| j != k && rival(j))
    }

    /// Candidate `k` is set up, at the work expected.
    pub(crate) fn ready(&mut self, k: usize) {
        self.total += self.runners[k].entrant.setup;
        self.runners[k].standing = Standing::Runs;
    }

    /// Candidate `k` starts, or goes on, from an x with `digits`.
    pub(crate) fn starts(&mut self, k: usize, digits: f64) {
        let runner = &mut self.runners[k];
        let gained = digits - runner.looks.last().map_or(digits, |l| l.1);
        if gained > 0.0 {
            // Digits gained by others do not count as its own.
            runner.looks.iter_mut().for_each(|l| l.1 += gained);
        }
        if runner.looks.is_empty() {
            runner.looks.push((0.0, digits));
        }
    }

    /// Candidate `k` has made `iterations` in all, of this much work each, and holds `digits`.
    pub(crate) fn look(&mut self, k: usize, iterations: usize, each: f64, digits: f64) {
        let runner = &mut self.runners[k];
        let more = iterations.saturating_sub(runner.iterations) as f64 * each;
        runner.entrant.each = each;
        runner.iterations = iterations;
        runner.spent += more;
        self.total += more;
        let held = runner.looks.last().map_or(digits, |l| l.1.max(digits));
        runner.looks.push((runner.spent, held));
        self.best = self.best.max(digits);
    }

    /// Candidate `k` is out.
    pub(crate) fn out(&mut self, k: usize) {
        self.runners[k].standing = Standing::Out;
    }

    /// The next move; `current` runs now.
    pub(crate) fn next(&self, current: Option<usize>) -> Move {
        let least = |list: &mut dyn Iterator<Item = usize>| {
            list.map(|k| (k, self.expected(k))).min_by(|a, b| a.1.total_cmp(&b.1))
        };
        let all = || 0..self.runners.len();
        let mut running = least(&mut all().filter(|&k| self.runners[k].standing == Standing::Runs));
        if let Some(k) = current.filter(|&k| self.runners[k].standing == Standing::Runs)
            && running.is_some_and(|r| r.1 >= MARGIN * self.expected(k))
        {
            running = Some((k, self.expected(k)));
        }
        let enters = |&j: &usize| {
            let Some((_, expected)) = running else { return true };
            let entrant = &self.runners[j].entrant;
            let own = self.expected(j);
            own < MARGIN * expected && (entrant.sure || entrant.setup * own <= self.total * expected)
        };
        let entering = least(&mut all().filter(|&k| self.may_enter(k)).filter(enters));
        match (entering, running) {
            (Some((j, _)), _) => Move::SetUp(j),
            (None, Some((k, _))) => Move::Run(k, self.slice(k)),
            (None, None) => Move::Over,
        }
    }

    fn may_enter(&self, k: usize) -> bool {
        let in_play = |r: &Runner| r.standing != Standing::Out;
        let Runner { entrant, standing, .. } = &self.runners[k];
        *standing == Standing::Waits && entrant.behind.is_none_or(|before| !in_play(&self.runners[before]))
    }

    /// Iterations until the next look: not many more than the answer is expected to take.
    fn slice(&self, k: usize) -> usize {
        let so_far = self.runners[k].iterations;
        ((so_far as f64 * (GROWTH - 1.0)) as usize).max(FIRST)
    }

    /// Iterations of candidate `k`, and digits that it gained itself.
    pub(crate) fn gained(&self, k: usize) -> (usize, f64) {
        let Runner { iterations, looks, .. } = &self.runners[k];
        let ends = looks.first().zip(looks.last());
        (*iterations, ends.map_or(0.0, |(first, last)| last.1 - first.1))
    }

    /// All work so far.
    #[cfg(test)]
    fn total(&self) -> f64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;

    /// A candidate with a known curve: digits after each iteration.
    struct Fake {
        entrant: Entrant,
        digits: fn(f64, f64) -> f64,
        takes: f64,
    }

    const GOAL: f64 = 8.0;

    fn entrant(setup: f64, each: f64, least: f64) -> Entrant {
        Entrant { setup, each, least, sure: false, part: None, behind: None }
    }

    fn steady(i: f64, takes: f64) -> f64 {
        GOAL * i / takes
    }

    /// Nothing for half of the way.
    fn late(i: f64, takes: f64) -> f64 {
        (GOAL * (2.0 * i / takes - 1.0)).max(0.0)
    }

    /// Half of the digits at once, and no more.
    fn stalls(i: f64, _: f64) -> f64 {
        (i * 0.5).min(4.0)
    }

    impl Fake {
        fn alone(&self) -> f64 {
            self.entrant.setup + self.entrant.each * self.takes.ceil()
        }
    }

    /// The work until one has all digits; the digits of one do not help another.
    fn run(fakes: &[Fake]) -> f64 {
        let mut race = Race::new(fakes.iter().map(|f| f.entrant), 0.0, GOAL);
        let mut current = None;
        loop {
            match race.next(current) {
                Move::SetUp(k) => {
                    race.ready(k);
                    race.starts(k, 0.0);
                    current = Some(k);
                }
                Move::Run(k, more) => {
                    current = Some(k);
                    let so_far = race.gained(k).0;
                    let f = &fakes[k];
                    let end = (so_far + more).min(if (f.digits)(1e9, f.takes) < GOAL {
                        usize::MAX
                    } else {
                        f.takes.ceil() as usize
                    });
                    let digits = (f.digits)(end as f64, f.takes);
                    race.look(k, end, f.entrant.each, digits);
                    if digits >= GOAL {
                        return race.total();
                    }
                    assert!(race.total() < 1e12, "no end");
                }
                Move::Over => panic!("nobody was dropped"),
            }
        }
    }

    fn best(fakes: &[Fake]) -> f64 {
        let ends = |f: &&Fake| (f.digits)(1e9, f.takes) >= GOAL;
        fakes.iter().filter(ends).map(Fake::alone).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn steady_rates_are_close_to_the_best() {
        let mut random = Random::new(3);
        let (mut sum, mut worst, rounds) = (0.0, 1.0f64, 500);
        for _ in 0..rounds {
            let mut number = |low: f64, high: f64| low * (high / low).powf(0.5 * (random.vector(1)[0] + 1.0));
            let fakes: Vec<Fake> = (0..6)
                .map(|k| {
                    let takes = number(30.0, 3000.0);
                    let setup = if k == 0 { 0.0 } else { number(10.0, 3000.0) };
                    Fake { entrant: entrant(setup, number(1.0, 5.0), 20.0), digits: steady, takes }
                })
                .collect();
            let regret = run(&fakes) / best(&fakes);
            worst = worst.max(regret);
            sum += regret.ln();
        }
        let mean = (sum / f64::from(rounds)).exp();
        assert!(mean < 2.0 && worst < 5.0, "mean {mean}, worst {worst}");
    }

    #[test]
    fn within_the_bound_whatever_the_curves() {
        let mut random = Random::new(4);
        for round in 0..500 {
            let mut number = |low: f64, high: f64| low * (high / low).powf(0.5 * (random.vector(1)[0] + 1.0));
            let fakes: Vec<Fake> = (0..6)
                .map(|k| {
                    let digits = [steady, late, stalls][(k + round) % 3];
                    Fake { entrant: entrant(number(1.0, 1e5), number(1.0, 10.0), 1.0), digits, takes: number(1.0, 1e5) }
                })
                .collect();
            let regret = run(&fakes) / best(&fakes);
            assert!(regret <= 60.0 * 6.0, "round {round}: {regret}");
        }
    }

    #[test]
    fn a_sure_candidate_enters_at_once_and_a_dear_one_waits() {
        let cheap = entrant(0.0, 1.0, 30.0);
        let dear = entrant(200.0, 1.0, 10.0);
        let race = Race::new([cheap, dear], 0.0, GOAL);
        assert_eq!(race.next(None), Move::SetUp(0));
        // Least expected work first.
        let slow = Entrant { least: 1000.0, ..cheap };
        assert_eq!(Race::new([slow, dear], 0.0, GOAL).next(None), Move::SetUp(1));
        // After a slice that gave 1/10 of the digits, 180 are expected to go: not enough for the dear one's 210.
        let mut race = Race::new([cheap, dear], 0.0, GOAL);
        race.ready(0);
        race.starts(0, 0.0);
        race.look(0, 20, 1.0, 0.8);
        assert!((race.expected(0) - 180.0).abs() < 1e-9);
        assert_eq!(race.next(Some(0)), Move::Run(0, 20));
        // Hardly any digit: ten times what was spent is expected, and enough must have been.
        let mut race = Race::new([cheap, dear], 0.0, GOAL);
        race.ready(0);
        race.starts(0, 0.0);
        race.look(0, 20, 1.0, 0.01);
        assert_eq!(race.next(Some(0)), Move::Run(0, 20));
        race.look(0, 40, 1.0, 0.02);
        assert_eq!(race.next(Some(0)), Move::Run(0, 20));
        race.look(0, 80, 1.0, 0.04);
        assert_eq!(race.next(Some(0)), Move::SetUp(1));
        let sure = Entrant { sure: true, setup: 100.0, ..dear };
        let mut race = Race::new([cheap, sure], 0.0, GOAL);
        race.ready(0);
        race.starts(0, 0.0);
        race.look(0, 20, 1.0, 0.01);
        assert_eq!(race.next(Some(0)), Move::SetUp(1));
    }

    #[test]
    fn fall_backs_wait_for_the_end_of_others() {
        let first = entrant(0.0, 1.0, 30.0);
        let narrow = entrant(0.0, 0.5, 40.0);
        let wide = Entrant { behind: Some(1), ..entrant(0.0, 0.1, 1.0) };
        let mut race = Race::new([first, narrow, wide], 0.0, GOAL);
        assert_eq!(race.next(None), Move::SetUp(1));
        race.out(1);
        assert_eq!(race.next(None), Move::SetUp(2));
        race.out(2);
        assert_eq!(race.next(None), Move::SetUp(0));
        race.out(0);
        assert_eq!(race.next(None), Move::Over);
    }

    #[test]
    fn a_part_of_what_another_takes() {
        let third = Entrant { part: Some((0, 0.3)), ..entrant(40.0, 2.0, 5.0) };
        let mut race = Race::new([entrant(0.0, 1.0, 30.0), third], 0.0, GOAL);
        assert_eq!(race.expected(1), 50.0);
        race.ready(0);
        race.starts(0, 0.0);
        race.look(0, 40, 1.0, 1.0);
        // 280 to go: 84 iterations of the other.
        assert!((race.expected(1) - 208.0).abs() < 1e-9);
        // One that is like the other has no better hopes than that one's rate: 4000 iterations, not 400.
        let alike = Entrant { part: Some((0, 0.7)), ..entrant(0.0, 1.0, 5.0) };
        let mut race = Race::new([entrant(0.0, 1.0, 30.0), third, alike], 0.0, GOAL);
        race.ready(0);
        race.starts(0, 0.0);
        race.look(0, 40, 1.0, 0.08);
        assert!((race.expected(0) - 400.0).abs() < 1e-9 && (race.expected(1) - 280.0).abs() < 1e-9);
        assert!((race.expected(2) - 0.7 * 3960.0).abs() < 1e-9, "{}", race.expected(2));
    }

    #[test]
    fn digits_of_another_are_not_its_own() {
        let mut race = Race::new([entrant(0.0, 1.0, 10.0), entrant(5.0, 1.0, 10.0)], 0.0, GOAL);
        race.ready(0);
        race.starts(0, 0.0);
        race.look(0, 40, 1.0, 1.0);
        race.starts(0, 5.0);
        assert_eq!(race.gained(0).1, 1.0);
        assert_eq!(race.expected(0), 3.0 * 40.0);
        // One that waits has fewer digits to go, too.
        race.best = 4.0;
        assert_eq!(race.expected(1), 5.0 + 5.0);
    }
}
