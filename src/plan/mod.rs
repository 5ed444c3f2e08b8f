//! Choices made before solving, each with its reason in words: device, number types, order of the rows, and the candidates
//! that race for the answer.

mod candidates;
mod device;
mod order;
mod precision;
pub(crate) mod race;
pub(crate) mod transform;

pub(crate) use candidates::{Candidate, LAUNCH, Sizes};
pub(crate) use device::{DeviceChoice, choose_backend, choose_device, cpu};
pub(crate) use order::choose_order;

use crate::analyse::facts::Facts;
use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix, Structure, equilibrate};
use crate::method::registry::Method;
use crate::method::{self, Needs};
use crate::op::{Dtype, Precisions, Role};
use crate::options::{Options, Precision, When};
use crate::precond;
use crate::precond::registry::{Precond, entry_of};
use candidates::{LONG, Row, SIMPLE, Seen, rows};
use order::equilibrates;
use race::{Move, Race};
use transform::{Change, Ordering};

/// Bytes of a basis that a long cycle may fill: it solves what short ones don't.
const LONG_BASIS: usize = 64 << 20;

/// Powers of two by which columns may differ in size before least-squares methods scale them: κ(A) is at least that.
const COLUMNS: i32 = 10;

/// What is to be tried, and how.
pub(crate) struct Chosen {
    pub(crate) candidates: Vec<Candidate>,
    /// The one that starts.
    pub(crate) first: usize,
    pub(crate) sizes: Sizes,
    pub(crate) warnings: Vec<String>,
}

fn is_multigrid(preconditioner: &str) -> bool {
    entry_of(preconditioner).is_some_and(|p| p.multigrid)
}

/// Nearly complete factors want the matrix in an order of their own, scaled alike.
fn nearly_complete(preconditioner: &str) -> bool {
    entry_of(preconditioner).is_some_and(|p| p.nearly_complete)
}

/// The candidates for a system; reasons go to `notes`.
pub(crate) fn choose(
    a: &Matrix,
    facts: &Facts,
    options: &Options,
    device: &DeviceChoice,
    reorder: bool,
    notes: &mut Vec<String>,
) -> Result<Chosen> {
    let mut warnings = vec![];
    let n = a.all_rows();
    let auto = options.method == Method::Auto;
    let named = options.preconditioner.to_string();
    let asked = Some(named.as_str()).filter(|_| options.preconditioner != Precond::Auto);
    let least_squares = options.method.is_least_squares();
    let precisions = precision::precisions(a, options, device, least_squares, notes)?;
    if precisions.iter().any(|p| equilibrates(facts, options, p.working)) {
        let why = if options.equilibrate == When::Always { "as asked; " } else { "" };
        notes.push(format!(
            "equilibration by powers of two: {why}the largest entries of rows or columns differ by up to 2^{}",
            facts.spread,
        ));
    }
    let (positive, negative, zero) = facts.diagonal;
    // What costs nothing to set up and runs everywhere.
    let (simple, why_simple) = match zero {
        0 if facts.constant_diagonal => ("none", "the diagonal is constant, Jacobi would change nothing".to_string()),
        0 => ("jacobi", "the diagonal has no zeros".to_string()),
        _ if a.diagonal().is_none() => ("none", "the operator gives no diagonal".to_string()),
        _ => ("none", format!("{zero} diagonal entries are zero or missing")),
    };
    if asked.and_then(entry_of).is_some_and(|p| p.diagonal) && zero > 0 && facts.word.is_none() {
        warnings
            .push(format!("{zero} diagonal entries are zero or missing; their rows are scaled by their largest entry"));
    }
    let entries = a.entries();
    let stored = !matches!(a, Matrix::Free(_));
    let multigrid = precond::multigrid_pays(n, facts.m_matrix, facts.dominance, options.near_null.is_some());
    let elliptic = multigrid.is_some() && negative == 0 && zero == 0 && stored;
    let seen = Seen {
        definite: facts.may_be_definite(),
        symmetric: facts.symmetric(),
        zero,
        one_sign: positive == n || negative == n,
        triangles: device.is_host() && entries.is_some(),
        stored,
        permutes: entries.is_some(),
        elliptic,
    };
    let (_, components) = facts.null_components;
    if components > 0 {
        notes.push(format!(
            "null space: the constants on {components} component{}; b must have no component in it",
            if components == 1 { "" } else { "s" }
        ));
    }
    let one_sided = facts.symmetric() && options.preconditioner.entry().is_some_and(|p| !p.symmetric);
    let fits = if one_sided { Seen { definite: false, symmetric: false, ..seen } } else { seen };
    let mut table = if auto { rows(&fits, asked.is_some()) } else { vec![Row::asked(options.method.id())] };
    if auto && one_sided {
        let id = options.preconditioner.id();
        notes.push(format!("methods for nonsymmetric A: {id} is not symmetric even if A is"));
    }
    if options.least_squares && entries.is_some() {
        notes.push("least squares: lsqr comes last, if no other method solves the system".into());
        table.push(Row::least_squares());
    }
    if options.least_squares && a.parted().is_some() {
        warnings.push("least squares: no method for them works on rows that ranks share".into());
    }
    let columns = entries.filter(|_| least_squares && asked.is_none()).map_or(0, |a| equilibrate::column_spread(a));
    let scaled_columns = columns > COLUMNS && a.rows() >= a.cols();
    let what = |row: &Row| -> String {
        match row.preconditioner {
            SIMPLE if least_squares && asked.is_none() => if scaled_columns { "jacobi" } else { "none" }.into(),
            SIMPLE => asked.unwrap_or(simple).into(),
            other => other.into(),
        }
    };
    let why = match (least_squares, columns > COLUMNS) {
        (true, true) if scaled_columns => format!(
            "the columns of A differ by up to 2^{columns} in size and are scaled; of several solutions this gives \
             the one of minimum norm in the scaled variables"
        ),
        (true, wide) => {
            let differ = if wide { format!(", which differ by up to 2^{columns} in size") } else { String::new() };
            format!("gives the least-squares solution of minimum norm; jacobi would scale the columns{differ}")
        }
        _ => why_simple,
    };
    say(&table, &what, facts, options, &seen, [multigrid.as_deref(), asked, Some(&why)], notes);

    // Columns of a basis that leave half of the memory to all else, on the rank that holds most of each.
    let held = a.whole().widest(a.rows() as f64) as u64;
    let room = options.available_memory().map_or(usize::MAX, |m| (m / 16 / held.max(1)) as usize);
    let long = (LONG_BASIS / 8 / n.max(1)).clamp(50, 300);
    if auto && table.iter().any(|r| r.restart.map(|m| m.min(long)) > Some(room)) {
        notes.push(format!("restart at most {room}: a longer basis would take half of the free memory"));
    }
    let multigrid_row = |row: &Row| is_multigrid(&what(row));
    if table.iter().any(multigrid_row) {
        let full = matches!(&options.preconditioner, Precond::Amg(settings) if settings.full_precision);
        match options.precision {
            Precision::Auto if precisions.len() > 1 => {
                notes.push("precision under amg: f64 iterations around an f32 cycle".into());
            }
            Precision::F64 if !full => {
                notes.push("a cycle of amg is f32 all the same, unless amg:precision=full asks for f64".into());
            }
            _ => {}
        }
    }
    let sizes = Sizes {
        product: a.plain_bytes(8) as f64,
        vector: 8.0 * n as f64,
        entries: a.work() as f64,
        rows: n as f64,
        cached: precision::streamed(a) < precision::CACHED,
        symmetric: seen.symmetric,
    };
    // On what looks like a mesh multigrid starts without waiting for others.
    let sure = seen.symmetric
        && elliptic
        && (options.near_null.is_some() || {
            // Ranks don't look for hubs.
            let mesh = a.parted().is_some() && 4 * facts.weak >= n;
            mesh || entries.is_some_and(|a| is_mesh(a, facts))
        });
    let mut candidates: Vec<Candidate> = vec![];
    // Where each line's candidates stand.
    let mut places: Vec<(usize, usize)> = vec![];
    for row in &table {
        let preconditioner = what(row);
        let own_precision = is_multigrid(&preconditioner) || nearly_complete(&preconditioner);
        // A cycle of multigrid moves most of the bytes and is f32 anyway; what f32 iterations save beside it,
        // their renewals cost. Nearly complete factors are set up once, and few iterations follow.
        let minimises = !least_squares && method::by_name(row.method).is_ok_and(|m| m.needs == Needs::Any);
        let own = options.precision == Precision::Auto && own_precision || minimises;
        let wide = precisions.last().filter(|p| own && p.working == Dtype::F64);
        let first = candidates.len();
        // A narrow cycle under GMRES, or over rows of very different size, can be too coarse: then once more in full.
        let narrow = |p: &Precisions| is_multigrid(&preconditioner) && p.dtype(Role::Preconditioner) != p.working;
        let plans = wide.map_or(&precisions[..], std::slice::from_ref).iter().flat_map(|&p| {
            let full = narrow(&p).then(|| (p.with_preconditioner(p.working), true));
            [Some((p, false)), full].into_iter().flatten()
        });
        for (precision, again) in plans {
            let line = |(method, preconditioner): (&str, &str)| {
                table.iter().position(|r| r.method == method && r.preconditioner == preconditioner)
            };
            let mut entrant = sizes.entrant(row, precision);
            entrant.part = row.part.and_then(|(m, p, part)| Some((places.get(line((m, p))?)?.0, part)));
            entrant.behind = match candidates.len() > first {
                true => Some(candidates.len() - 1),
                false => row.behind.and_then(line).and_then(|l| places.get(l)).map(|place| place.1),
            };
            if sure {
                // Iterations without multigrid grow as on a grid in the plane.
                let part = row.part.map_or(1.0, |p| p.2);
                match is_multigrid(&preconditioner) {
                    true => entrant.sure = true,
                    false if row.counted.is_none() => entrant.least = 3.0 * part * (n as f64).sqrt(),
                    // Beyond two dimensions factors fill in: even finding the order that counts them is not worth its time.
                    false if entries.is_some_and(|a| a.nnz() > 6 * n) => {
                        let multigrid = table.iter().position(|r| is_multigrid(r.preconditioner));
                        let place = multigrid.and_then(|l| places.get(l)).map(|place| place.1);
                        entrant.behind = entrant.behind.or(place);
                    }
                    false => {}
                }
            }
            let columns = match row.restart {
                Some(LONG) => long,
                columns => columns.unwrap_or(30),
            };
            let restart = if auto { columns.min(room.max(1)) } else { options.method.settings().restart }.min(n.max(1));
            let kind = Kind { rows: n, precision, reorder, definite: seen.definite, again };
            candidates.push(candidate(row, preconditioner.clone(), restart, kind, facts, options, entrant)?);
        }
        places.push((first, candidates.len() - 1));
    }
    word(facts, &candidates, &mut warnings, notes)?;
    debug_assert!(candidates.iter().all(|c| !auto || facts.symmetric() || !c.method.needs.symmetry()));
    let first = match Race::new(candidates.iter().map(|c| c.entrant), 0.0, 8.0).next(None) {
        Move::SetUp(k) => k,
        _ => 0,
    };
    if candidates.len() > 1 {
        // Who runs first is open until that is counted.
        let begins = if candidates[first].needs_order() { "the work of {} is counted first" } else { "{} first" };
        let begins = begins.replace("{}", &candidates[first].name());
        notes.push(format!("race: {begins}; {} candidates", candidates.len()));
    }
    Ok(Chosen { candidates, first, sizes, warnings })
}

/// What all candidates of a line have in common.
struct Kind {
    rows: usize,
    precision: Precisions,
    reorder: bool,
    definite: bool,
    again: bool,
}

fn candidate(
    row: &Row,
    preconditioner: String,
    restart: usize,
    kind: Kind,
    facts: &Facts,
    options: &Options,
    entrant: race::Entrant,
) -> Result<Candidate> {
    let method = match options.method.entry() {
        Some(asked) => asked.clone(),
        None => method::by_name(row.method)?.clone(),
    };
    let Kind { rows, precision, reorder, definite, again } = kind;
    let minimises = method.needs == Needs::Any;
    // Corrections of least squares come from the CPU.
    let narrow = minimises && precision.working == Dtype::F32;
    let precision = if narrow { Precisions::uniform(Dtype::F32) } else { precision };
    let inside = if method.traits.carries_preconditioned { precision.working } else { precision.preconditioner };
    let own = method.needs == Needs::Square && nearly_complete(&preconditioner);
    let order = match reorder {
        _ if own => Ordering::LittleFill,
        _ if minimises => Ordering::Given,
        true => Ordering::Narrow,
        false => Ordering::Given,
    };
    // Least squares weigh rows as they are.
    let scaled = own && options.equilibrate != When::Never;
    let equilibrate = !minimises && (scaled || equilibrates(facts, options, precision.working));
    // The diagonal of a definite matrix has the largest product already.
    let matched = row.matched || own && !definite;

    Ok(Candidate {
        method,
        preconditioner,
        precision: precision.with_preconditioner(inside),
        restart,
        // Residuals of short recurrences may stagnate for long on hard systems before they fall.
        window: rows.clamp(1000, 5000),
        change: Change { equilibrate, order, matched },
        entrant,
        counted: row.counted,
        again,
    })
}

/// A row has at most so many times the entries of a mean one on a mesh.
const HUB: usize = 30;

/// Whether no row is a hub and at least a quarter of them are not clearly dominant.
fn is_mesh(a: &Csr, facts: &Facts) -> bool {
    let n = a.rows().max(1);
    let longest = a.row_ptr().windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
    longest <= HUB * a.nnz().div_ceil(n) && 4 * facts.weak >= n
}

/// The plan in words.
fn say(
    table: &[Row],
    what: &dyn Fn(&Row) -> String,
    facts: &Facts,
    options: &Options,
    seen: &Seen,
    [multigrid, asked, simple]: [Option<&str>; 3],
    notes: &mut Vec<String>,
) {
    let (positive, negative, _) = facts.diagonal;
    if options.method != Method::Auto {
        notes.push(format!("method {}: as asked", options.method));
        let why = match asked {
            Some(_) => "as asked",
            None => simple.unwrap_or_default(),
        };
        notes.push(format!("preconditioner {}: {why}", what(&table[0])));
        return;
    }
    let why = match (seen.definite, seen.symmetric) {
        (true, _) if !seen.stored => "declared positive definite".into(),
        (true, _) if facts.dominance <= 1.0 => "symmetric with a positive diagonal, diagonally dominant".into(),
        (true, _) => "symmetric with a positive diagonal".into(),
        (_, true) if !seen.stored => "declared symmetric, but not definite".into(),
        (_, true) if negative > 0 && positive == 0 => "symmetric, no diagonal entry is positive".into(),
        (_, true) => "symmetric, some diagonal entries are not positive".into(),
        _ => match facts.asymmetry {
            Some((i, j)) => format!("not symmetric (entry ({i}, {j}))"),
            None => "not declared symmetric".into(),
        },
    };
    notes.push(format!("A is {why}"));
    if table.iter().any(|r| r.matched) {
        notes.push(
            "matching: for candidates that need it, rows are permuted to maximise the product of the diagonal".into(),
        );
    }
    if let Some(asked) = asked {
        notes.push(format!("preconditioner {asked}: as asked"));
    }
    for row in table {
        let why = match row.preconditioner {
            spec if is_multigrid(spec) => multigrid.unwrap_or(row.why),
            SIMPLE if asked.is_none() && row.behind.is_none() => simple.unwrap_or(row.why),
            _ => row.why,
        };
        notes.push(format!(
            "candidate {} with {}{}: {why}",
            row.method,
            what(row),
            if row.matched && row.counted.is_none() { ", matched" } else { "" }
        ));
    }
}

/// Checks what an operator says of itself against what the candidates need.
fn word(facts: &Facts, candidates: &[Candidate], warnings: &mut Vec<String>, notes: &mut Vec<String>) -> Result<()> {
    if facts.word == Some(Structure::General)
        && let Some(candidate) = candidates.iter().find(|c| c.method.needs.symmetry())
    {
        let id = candidate.method.id;
        if !facts.looks_symmetric {
            return Err(Error::input(format!(
                "{id} needs a symmetric matrix, and <Ax, y> = <x, Ay> does not hold for the operator; use gmres or bicgstab"
            )));
        }
        warnings.push(format!(
            "{id} needs a symmetric matrix; the operator is not declared symmetric, but two products agree with it"
        ));
    }
    if facts.word.is_some() {
        notes.push(format!(
            "operator: what needs entries is unknown; |A| is at least {:.3e}, estimated by products",
            crate::host::scale::ldexp(facts.norms.scaled_norm, facts.norms.exponent)
        ));
    }
    Ok(())
}
