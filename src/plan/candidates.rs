//! The table of candidates: which methods with which preconditioners may solve a system, each with its reason and with what
//! it is expected to cost before it runs. Work is in bytes that iterations move. Set-ups are told in nanoseconds for an entry
//! of A, as they were measured once on one core of an AMD EPYC (`benches/regret/`, 63 matrices), and made bytes by the pace
//! of iterations there; that of complete factors is counted.

use super::race::Entrant;
use super::transform::{Change, Ordering};
use crate::matrix::order::minimum_degree::Cost;
use crate::method::MethodEntry;
use crate::method::registry::Method;
use crate::op::{Dtype, Precisions};
use crate::precond::FACTOR_PACE;

/// A method with a preconditioner under a change of variables.
pub(crate) struct Candidate {
    pub(crate) method: MethodEntry,
    pub(crate) preconditioner: String,
    pub(crate) precision: Precisions,
    pub(crate) restart: usize,
    /// Iterations without progress before a short recurrence is called stagnant.
    pub(crate) window: usize,
    /// How the user's system is changed for it.
    pub(crate) change: Change,
    /// What the race knows of it.
    pub(crate) entrant: Entrant,
    /// The candidate before it again, with the preconditioner in full precision, in case the narrow one was at fault.
    pub(crate) again: bool,
    /// Its set-up can be counted once its change of variables is made: how much is dropped.
    pub(crate) counted: Option<Dropped>,
}

/// Placeholder for the preconditioner that costs nothing to set up.
pub(super) const SIMPLE: &str = "";

/// Facts about a matrix that decide which candidates suit.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Symmetric, with a positive diagonal.
    pub(super) definite: bool,
    pub(super) symmetric: bool,
    /// Diagonal entries that are zero or missing.
    pub(super) zero: usize,
    /// All diagonal entries have one sign.
    pub(super) one_sign: bool,
    /// Rows can be permuted: all of the entries are here.
    pub(super) permutes: bool,
    /// There are entries, and the device solves with triangles.
    pub(super) triangles: bool,
    pub(super) stored: bool,
    /// Multigrid may pay.
    pub(super) elliptic: bool,
}

/// How much smaller factors are than complete ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dropped {
    /// Complete factors have F times the entries of A: what is left of them has F to this power.
    power: f64,
    /// Iterations with them, and applications of them in each.
    least: f64,
    applications: f64,
    /// Nanoseconds per multiplication of the set-up, and per entry of the factors.
    pace: (f64, f64),
}

/// All but entries of 10⁻⁶; of 10⁻⁴; of 10⁻².
const WHOLE: Dropped = Dropped { power: 0.95, least: 1.0, applications: 2.0, pace: (1.5, 20.0) };
const FINE: Dropped = Dropped { power: 0.8, least: 10.0, applications: 1.0, pace: BY_THRESHOLD };
const COARSE: Dropped = Dropped { power: 0.6, least: 50.0, applications: 1.0, pace: BY_THRESHOLD };
const BY_THRESHOLD: (f64, f64) = (FACTOR_PACE.0 as f64, FACTOR_PACE.1 as f64);

/// Which matrices.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Definite,
    Symmetric,
    General,
}
use Kind::{Definite, General, Symmetric};

/// A line of the table.
#[derive(Clone, Copy)]
pub(super) struct Row {
    of: Kind,
    pub(super) method: &'static str,
    pub(super) preconditioner: &'static str,
    /// Columns of a cycle; `usize::MAX`: as many as there is room for.
    pub(super) restart: Option<usize>,
    /// With large entries brought to the diagonal.
    pub(super) matched: bool,
    when: fn(&Seen) -> bool,
    /// Nanoseconds of the set-up for an entry of A, and for each of these and each entry of a mean row.
    setup: (f64, f64),
    /// Of an iteration: products with A, those that an application of M is worth included, and vectors moved.
    each: (f64, f64),
    /// The fewest iterations that 8 digits take.
    least: f64,
    /// And the part of the iterations of another line that it takes, once that runs.
    pub(super) part: Option<(&'static str, &'static str, f64)>,
    /// It enters once that line is out.
    pub(super) behind: Option<(&'static str, &'static str)>,
    pub(super) counted: Option<Dropped>,
    pub(super) why: &'static str,
}

impl Row {
    const fn new(of: Kind, method: &'static str, preconditioner: &'static str, why: &'static str) -> Self {
        Self {
            of,
            method,
            preconditioner,
            restart: None,
            matched: false,
            when: |_| true,
            setup: (0.0, 0.0),
            each: (1.0, 12.0),
            least: 30.0,
            part: None,
            behind: None,
            counted: None,
            why,
        }
    }

    /// A method asked for by name, alone.
    pub(super) const fn asked(method: &'static str) -> Self {
        Self::new(General, method, SIMPLE, "as asked")
    }

    /// The candidate for a singular A with b outside its range.
    pub(super) const fn least_squares() -> Self {
        Self::new(General, "lsqr", "none", "if no other method solves the system")
    }

    const fn when(self, when: fn(&Seen) -> bool) -> Self {
        Self { when, ..self }
    }

    const fn costs(self, setup: f64, products: f64, vectors: f64) -> Self {
        Self { setup: (setup, 0.0), each: (products, vectors), ..self }
    }

    const fn grows(self, by_row: f64) -> Self {
        Self { setup: (self.setup.0, by_row), ..self }
    }

    const fn least(self, iterations: f64) -> Self {
        Self { least: iterations, ..self }
    }

    const fn part_of(self, method: &'static str, preconditioner: &'static str, part: f64) -> Self {
        Self { part: Some((method, preconditioner, part)), ..self }
    }

    const fn behind(self, method: &'static str, preconditioner: &'static str) -> Self {
        Self { behind: Some((method, preconditioner)), ..self }
    }

    const fn restart(self, columns: usize) -> Self {
        Self { restart: Some(columns), ..self }
    }

    const fn matched(self) -> Self {
        Self { matched: true, ..self }
    }

    const fn counted(self, dropped: Dropped) -> Self {
        Self { counted: Some(dropped), least: dropped.least, ..self }
    }
}

/// As many columns as there is room for.
pub(super) const LONG: usize = usize::MAX;

const CHEAP: &str = "nothing to set up";
const FACTORS: &str = "nearly complete factors; their cost is counted before they are computed";
const FEWER: &str = "if complete factors cost too much";

fn factors(s: &Seen) -> bool {
    s.triangles
}

fn elliptic(s: &Seen) -> bool {
    s.elliptic
}

/// Every candidate.
const TABLE: &[Row] = &[
    Row::new(Definite, "cg", SIMPLE, CHEAP).least(15.0),
    Row::new(Definite, "cg", "amg", "no off-diagonal entry is positive")
        .when(elliptic)
        .costs(110.0, 6.0, 14.0)
        .least(12.0),
    Row::new(Definite, "cg", "ic0", "about a quarter of the iterations")
        .when(factors)
        .costs(25.0, 4.0, 14.0)
        .least(8.0)
        .part_of("cg", SIMPLE, 0.24),
    Row::new(Definite, "bicgstab", "lu", FACTORS).when(factors).counted(WHOLE),
    Row::new(Definite, "gmres", "lu:drop=1e-4", FEWER).when(factors).counted(FINE),
    Row::new(Definite, "gmres", "lu:drop=1e-2", FEWER).when(factors).counted(COARSE),
    Row::new(Definite, "minres", SIMPLE, "if A turns out to be indefinite").behind("cg", SIMPLE),
    Row::new(Definite, "gmres", "ilut", "if A turns out to be indefinite")
        .matched()
        .restart(50)
        .when(factors)
        .costs(180.0, 6.0, 80.0)
        .grows(10.0)
        .least(15.0)
        .part_of("minres", SIMPLE, 0.05)
        .behind("cg", SIMPLE),
    Row::new(Definite, "gmres", SIMPLE, "long cycles, if nothing else works")
        .restart(LONG)
        .costs(0.0, 1.0, 200.0)
        .least(60.0)
        .behind("minres", SIMPLE),
    Row::new(Symmetric, "minres", SIMPLE, CHEAP).least(15.0),
    Row::new(Symmetric, "minres", "jacobi", "rows with a zero diagonal are scaled by their largest entry")
        .when(|s| s.zero > 0 && s.stored)
        .costs(2.0, 1.0, 14.0)
        .part_of("minres", SIMPLE, 0.7),
    Row::new(Symmetric, "bicgstab", "lu", FACTORS).matched().when(factors).counted(WHOLE),
    Row::new(Symmetric, "gmres", "ilut", "a twentieth of the iterations at best")
        .restart(50)
        .when(|s| s.triangles && !s.one_sign)
        .costs(100.0, 6.0, 80.0)
        .grows(10.0)
        .least(15.0)
        .part_of("minres", SIMPLE, 0.05),
    Row::new(Symmetric, "gmres", "ilut", "the same with large entries permuted to the diagonal")
        .matched()
        .restart(50)
        .when(|s| s.triangles && !s.one_sign)
        .costs(300.0, 6.0, 80.0)
        .grows(10.0)
        .least(15.0)
        .part_of("minres", SIMPLE, 0.05),
    Row::new(Symmetric, "gmres", "ilu0", "an eighth of the iterations at best")
        .matched()
        .restart(50)
        .when(|s| s.triangles && !s.one_sign)
        .costs(180.0, 4.0, 80.0)
        .least(20.0)
        .part_of("minres", SIMPLE, 0.15),
    Row::new(Symmetric, "bicgstab", "ilut", "if gmres fails")
        .matched()
        .when(factors)
        .costs(20.0, 12.0, 24.0)
        .behind("gmres", "ilut"),
    Row::new(Symmetric, "bicgstab", "ilu0", "if gmres fails")
        .matched()
        .when(factors)
        .costs(20.0, 8.0, 24.0)
        .behind("gmres", "ilu0"),
    Row::new(Symmetric, "gmres", "lu:drop=1e-4", FEWER).matched().when(factors).counted(FINE),
    Row::new(Symmetric, "gmres", "lu:drop=1e-2", FEWER).matched().when(factors).counted(COARSE),
    Row::new(Symmetric, "gmres", SIMPLE, "long cycles, if nothing else works")
        .restart(LONG)
        .costs(0.0, 1.0, 200.0)
        .least(60.0)
        .behind("minres", SIMPLE),
    Row::new(General, "bicgstab", SIMPLE, CHEAP).costs(0.0, 2.0, 22.0).least(8.0),
    Row::new(General, "bicgstab", "ilu0", "an eighth of the iterations at best")
        .when(|s| s.triangles && s.zero == 0)
        .costs(30.0, 8.0, 24.0)
        .least(5.0)
        .part_of("bicgstab", SIMPLE, 0.12),
    Row::new(General, "gmres", "amg", "no off-diagonal entry is positive")
        .restart(50)
        .when(elliptic)
        .costs(110.0, 6.0, 60.0)
        .least(12.0),
    Row::new(General, "bicgstab", "lu", FACTORS).matched().when(factors).counted(WHOLE),
    Row::new(General, "gmres", "ilut", "a twentieth of the iterations at best")
        .restart(50)
        .when(|s| s.triangles && s.zero == 0)
        .costs(100.0, 6.0, 80.0)
        .grows(10.0)
        .least(12.0)
        .part_of("bicgstab", SIMPLE, 0.05),
    Row::new(General, "gmres", "ilut", "the same with large entries permuted to the diagonal")
        .matched()
        .restart(50)
        .when(factors)
        .costs(180.0, 6.0, 80.0)
        .grows(10.0)
        .least(12.0)
        .part_of("bicgstab", SIMPLE, 0.05),
    Row::new(General, "gmres", SIMPLE, "if bicgstab fails")
        .restart(50)
        .costs(0.0, 1.0, 80.0)
        .behind("bicgstab", SIMPLE),
    Row::new(General, "gmres", "ilu0", "if bicgstab fails")
        .restart(50)
        .when(|s| s.triangles && s.zero == 0)
        .costs(20.0, 4.0, 80.0)
        .behind("bicgstab", "ilu0"),
    Row::new(General, "bicgstab", "amg", "if gmres fails")
        .when(elliptic)
        .costs(110.0, 12.0, 24.0)
        .behind("gmres", "amg"),
    Row::new(General, "gmres", "jacobi", "the diagonal has zeros")
        .matched()
        .restart(50)
        .when(|s| s.zero > 0 && s.permutes)
        .costs(120.0, 1.0, 80.0)
        .behind("bicgstab", SIMPLE),
    Row::new(General, "bicgstab", "ilut", "if gmres fails")
        .matched()
        .when(factors)
        .costs(20.0, 12.0, 24.0)
        .behind("gmres", "ilut"),
    Row::new(General, "gmres", "lu:drop=1e-4", FEWER).matched().when(factors).counted(FINE),
    Row::new(General, "gmres", "lu:drop=1e-2", FEWER).matched().when(factors).counted(COARSE),
    Row::new(General, "gmres", SIMPLE, "long cycles, if nothing else works")
        .restart(LONG)
        .costs(0.0, 1.0, 200.0)
        .least(60.0)
        .behind("gmres", SIMPLE),
];

/// The lines for a matrix; with a preconditioner asked for, those whose own is the simple one.
pub(super) fn rows(seen: &Seen, asked: bool) -> Vec<Row> {
    let kind = match (seen.definite, seen.symmetric) {
        (true, _) => Definite,
        (_, true) => Symmetric,
        _ => General,
    };
    let of_kind = TABLE.iter().filter(|r| r.of == kind);
    of_kind.filter(|r| if asked { r.preconditioner == SIMPLE } else { (r.when)(seen) }).copied().collect()
}

/// Sizes of a system, which turn the numbers of the table into work.
pub(crate) struct Sizes {
    /// Bytes of a product, and of a vector.
    pub(super) product: f64,
    pub(super) vector: f64,
    /// Numbers that a product handles, and rows.
    pub(super) entries: f64,
    pub(super) rows: f64,
    /// An iteration's bytes fit caches.
    pub(super) cached: bool,
    pub(super) symmetric: bool,
}

/// Overhead of the launches of an iteration and of a session, as bytes.
pub(crate) const LAUNCH: f64 = 4e4;
const SESSION: f64 = 2e6;

/// Bytes of iterations in a nanosecond: from caches and from memory.
const PACE: (f64, f64) = (30.0, 10.0);

/// Nanoseconds for an entry of A: a session with its copy of A, an order for counting, a matching before it.
const UPLOAD: f64 = 12.0;
const ORDER: f64 = 50.0;
const MATCHING: f64 = 80.0;
/// Rows without a diagonal, as of saddle points, make long paths.
const MATCHING_SYMMETRIC: f64 = 150.0;

/// Bytes that stand for an entry of a triangle in a solve: it is read at a third of a product's pace.
const TRIANGLE: f64 = 36.0;

/// What is counted goes for this part of it beside hopes: nearly complete factors end in a few iterations, while what is
/// expected of others is the least that they may take.
const CERTAIN: f64 = 0.7;

impl Sizes {
    /// Work of so many nanoseconds.
    pub(crate) fn work(&self, ns: f64) -> f64 {
        ns * if self.cached { PACE.0 } else { PACE.1 }
    }

    /// Nanoseconds of so much work.
    pub(crate) fn ns(&self, work: f64) -> f64 {
        work / self.work(1.0)
    }

    fn opened(&self, ns: f64) -> f64 {
        self.work((ns + UPLOAD) * self.entries) + SESSION
    }

    pub(super) fn entrant(&self, row: &Row, precision: Precisions) -> Entrant {
        let narrow = if precision.working == Dtype::F32 { 0.6 } else { 1.0 };
        let (products, vectors) = if row.counted.is_some() { (6.0, 12.0) } else { row.each };
        let setup = match row.counted {
            Some(_) => self.order(row.matched) + self.opened(0.0),
            None => self.opened(row.setup.0 + row.setup.1 * self.entries / self.rows.max(1.0)),
        };
        Entrant {
            setup,
            each: narrow * (products * self.product + vectors * self.vector) + LAUNCH,
            least: row.least,
            part: None,
            sure: false,
            behind: None,
        }
    }

    /// What the count tells of one whose order is known; `most` multiplications are allowed.
    pub(crate) fn counted(&self, before: &Entrant, dropped: Dropped, cost: Cost, most: f64) -> Entrant {
        let fill = (cost.entries / self.entries.max(1.0)).max(1.0);
        let left = fill.powf(dropped.power - 1.0);
        let entries = left * cost.entries;
        // Rows of L meet rows of U: multiplications fall as the square.
        let multiplications = (left * left * cost.multiplications).min(most);
        Entrant {
            setup: CERTAIN * self.work(multiplications * dropped.pace.0 + entries * dropped.pace.1) + self.opened(0.0),
            each: dropped.applications * (entries * TRIANGLE + self.product + 10.0 * self.vector) + LAUNCH,
            least: dropped.least,
            ..*before
        }
    }

    /// Work of finding the order.
    pub(crate) fn order(&self, matched: bool) -> f64 {
        let matching = if self.symmetric { MATCHING_SYMMETRIC } else { MATCHING };
        self.work((ORDER + if matched { matching } else { 0.0 }) * self.entries)
    }
}

impl Candidate {
    /// As it is called in reports.
    pub(crate) fn name(&self) -> String {
        format!("{} with {}{}", self.method.id, self.preconditioner, self.variant())
    }

    /// What tells it from others with the same method and preconditioner.
    pub(crate) fn variant(&self) -> String {
        let precision = if self.precision.working == Dtype::F32 { " in f32" } else { "" };
        let matched = if self.change.matched && self.counted.is_none() { ", matched" } else { "" };
        let longer = self.method.traits.cycles && self.restart > Method::Auto.settings().restart;
        let cycles = if longer { format!(", restart {}", self.restart) } else { String::new() };
        let full = if self.again { ", M in f64" } else { "" };
        format!("{precision}{matched}{cycles}{full}")
    }

    /// Whether its set-up can be counted and its order is not known yet.
    pub(crate) fn needs_order(&self) -> bool {
        self.counted.is_some() && self.change.order == Ordering::LittleFill
    }
}
