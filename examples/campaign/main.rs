//! A campaign against the promises: random systems, least-squares, eigenvalue and singular-value problems of every
//! structure and scale, over every method, preconditioner and precision, for so many seconds:
//! `cargo run --release --example campaign -- SECONDS SEED`.
//!
//! Each answer is judged in arithmetic of the campaign's own. It counts false Converged, wrong least-squares solutions and
//! eigenvalues, numbers that are not finite, certificates that don't tell the truth of the x beside them, results that
//! depend on units, exceeded limits, panics and hangs; it prints the smallest case of each kind that it finds, and ends
//! with 1 if there was any. `-- case SEED` runs one case alone.

mod exact;
mod faults;
mod judge;
mod problems;

use judge::{Fault, verdict};
use krylane::Method;
use problems::Case;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A case of a few dozen unknowns that takes longer hangs.
const HANG: Duration = Duration::from_secs(60);

/// What all workers found.
#[derive(Default)]
struct Found {
    outcomes: BTreeMap<String, usize>,
    faults: BTreeMap<&'static str, (usize, Case, String)>,
}

fn main() -> ExitCode {
    let argument = |k: usize| std::env::args().nth(k).unwrap_or_default();
    judge::quiet();
    if argument(1) == "case" {
        let case = problems::case(argument(2).parse().unwrap_or(1));
        let found = verdict(&case);
        println!("{}{}", case.text(), found.outcome);
        if let Some(Fault { kind, text }) = &found.fault {
            println!("FAULT {kind}: {text}");
        }
        return ExitCode::from(u8::from(found.fault.is_some()));
    }
    let seconds = argument(1).parse().unwrap_or(10.0);
    let seed: u64 = argument(2).parse().unwrap_or(1);
    let deadline = Instant::now() + Duration::from_secs_f64(seconds);
    let found = Mutex::new(Found::default());
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let at_work: Vec<Mutex<Option<(u64, Instant)>>> = (0..workers).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|s| {
        s.spawn(|| watch(&at_work, &done));
        let each = at_work.iter().map(|place| {
            let (next, found) = (&next, &found);
            s.spawn(move || {
                while Instant::now() < deadline {
                    let number = seed.wrapping_mul(1 << 32) + next.fetch_add(1, Ordering::Relaxed);
                    *place.lock().unwrap() = Some((number, Instant::now()));
                    run(number, found);
                }
                *place.lock().unwrap() = None;
            })
        });
        each.collect::<Vec<_>>().into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    summary(&found.into_inner().unwrap())
}

/// One case, and the faults of a run that is disturbed.
fn run(number: u64, found: &Mutex<Found>) {
    let case = problems::case(number);
    let verdict = verdict(&case);
    let fault = verdict.fault.or_else(|| if number.is_multiple_of(5) { faults::disturbed(&case) } else { None });
    *found.lock().unwrap().outcomes.entry(verdict.outcome).or_default() += 1;
    let Some(Fault { kind, text }) = fault else { return };
    let known = found.lock().unwrap().faults.get(kind).map(|f| f.1.entries.len() + f.1.b.len());
    let small = if known.is_none_or(|size| case.entries.len() + case.b.len() < 2 * size) {
        smallest(case, kind)
    } else {
        (case, text)
    };
    let mut found = found.lock().unwrap();
    let entry = found.faults.entry(kind).or_insert_with(|| (0, small.0.clone(), small.1.clone()));
    entry.0 += 1;
    if small.0.entries.len() + small.0.b.len() < entry.1.entries.len() + entry.1.b.len() {
        (entry.1, entry.2) = small;
    }
}

/// The case made smaller as long as the fault stays: without a row and a column, without an entry.
fn smallest(mut case: Case, kind: &str) -> (Case, String) {
    let fault = |case: &Case| {
        let fault = verdict(case).fault.or_else(|| faults::disturbed(case));
        fault.filter(|f| f.kind == kind).map(|f| f.text)
    };
    let mut text = fault(&case).unwrap_or_default();
    let start = Instant::now();
    let mut k = 0;
    while k < case.rows.max(case.cols) + case.entries.len() && start.elapsed() < Duration::from_secs(5) {
        let mut less = case.clone();
        let order = case.rows.max(case.cols);
        if k < order {
            let lower = |i: usize| if i > k { i - 1 } else { i };
            less.entries.retain(|e| e.0 != k && e.1 != k);
            less.entries.iter_mut().for_each(|e| (e.0, e.1) = (lower(e.0), lower(e.1)));
            if k < less.rows {
                less.b.remove(k);
                less.rows -= 1;
            }
            if k < less.cols {
                if let Some(x) = &mut less.x0 {
                    x.remove(k);
                }
                less.cols -= 1;
            }
            if let problems::Task::Linear(o) = &mut less.task
                && let Method::Projection { subspace } = &mut o.method
            {
                for v in subspace.iter_mut().filter(|v| k < v.len()) {
                    v.remove(k);
                }
            }
        } else {
            less.entries.remove(k - order);
        }
        match fault(&less) {
            Some(still) => (case, text) = (less, still),
            None => k += 1,
        }
    }
    (case, text)
}

/// Ends the program where a case does not end.
fn watch(at_work: &[Mutex<Option<(u64, Instant)>>], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(200));
        for place in at_work {
            let running = *place.lock().unwrap();
            if let Some((number, _)) = running.filter(|(_, since)| since.elapsed() > HANG) {
                println!("HANG: seed {number} runs for more than {HANG:?}\n{}", problems::case(number).text());
                std::process::exit(1);
            }
        }
    }
}

fn summary(found: &Found) -> ExitCode {
    let all: usize = found.outcomes.values().sum();
    println!("{all} cases: {:?}", found.outcomes);
    for (kind, (count, case, text)) in &found.faults {
        println!("\n=== {kind}: {count} times; the smallest case found:\n{text}\n{}", case.text());
    }
    let faults: usize = found.faults.values().map(|f| f.0).sum();
    println!("{faults} faults");
    ExitCode::from(u8::from(faults > 0))
}
