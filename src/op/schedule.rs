//! From a straight list of operations to the fewest passes over memory.
//!
//! A *stage* is a prologue of scalar operations and a sweep: elementwise updates, dot products and products
//! with at most one matrix, all of one length, in which nothing needs the total of a reduction made in
//! the same sweep. The order is that of the dependences, not of the text: an update that nobody reads
//! sinks into the later sweep that already loads its operands (x += αd joins d = r + βd, so that CG
//! moves 10 vectors and not 11). A projection waits for one before it that reads the same columns.

use super::{Length, Op, Operator, Scalar, Space, Vector};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Which sweeps projections may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Projections {
    /// In one of their own.
    Alone,
    /// Two on the same columns, if both are sums or both updates; or w −= V c with what follows on w: the next
    /// projection onto the same columns, or ‖w‖².
    Paired,
    /// In any.
    Free,
}

/// What a backend can do in one sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fusion {
    /// Off: every vector operation is a sweep of its own.
    pub(crate) enabled: bool,
    /// Distinct vectors a sweep may touch; a matrix product costs two more places.
    pub(crate) max_vectors: usize,
    /// Company that projections onto a basis may have.
    pub(crate) projections: Projections,
    /// A matrix product may have company in its sweep.
    pub(crate) products: bool,
    /// Products with one matrix that may share a sweep, which then reads the matrix once.
    pub(crate) shared_products: usize,
}

impl Fusion {
    pub(crate) const NONE: Self = Self {
        enabled: false,
        max_vectors: usize::MAX,
        projections: Projections::Alone,
        products: false,
        shared_products: 1,
    };
}

/// Scalar operations, then one pass over vectors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Stage {
    pub(crate) scalars: Vec<Op>,
    pub(crate) body: Vec<Op>,
}

/// A segment ready to be carried out.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Unique in its [`Compiler`]; backends key their own caches by it.
    pub(crate) id: usize,
    pub(crate) stages: Vec<Stage>,
    /// Scalar operations after the last sweep; they end with the stops.
    pub(crate) epilogue: Vec<Op>,
    /// Bytes moved, by the model: every operand of a sweep once, matrices once a product.
    pub(crate) bytes: u64,
    /// The matrices applied, in order.
    pub(crate) products: Vec<Operator>,
    /// Numbers in each record published, in order.
    pub(crate) records: Vec<usize>,
}

impl Compiled {
    /// True where it publishes or may stop.
    pub(crate) fn ends(&self) -> bool {
        self.epilogue.iter().any(|op| matches!(op, Op::Publish(_) | Op::StopIf(..)))
    }

    /// Its operations, in an order that means the same as the one they were written in.
    pub(crate) fn ops(&self) -> impl Iterator<Item = &Op> {
        self.stages.iter().flat_map(|s| s.scalars.iter().chain(&s.body)).chain(&self.epilogue)
    }
}

/// Turns programs into stages, once a content.
pub(crate) struct Compiler {
    fusion: Fusion,
    cache: HashMap<Vec<Op>, Arc<Compiled>>,
}

impl Compiler {
    pub(crate) fn new(fusion: Fusion) -> Self {
        Self { fusion, cache: HashMap::new() }
    }

    pub(crate) fn compile(&mut self, ops: Vec<Op>, space: &Space) -> Arc<Compiled> {
        if let Some(done) = self.cache.get(&ops) {
            return Arc::clone(done);
        }
        let compiled = Arc::new(compile(&ops, space, self.fusion, self.cache.len()));
        self.cache.insert(ops, Arc::clone(&compiled));
        compiled
    }
}

fn compile(ops: &[Op], space: &Space, fusion: Fusion, id: usize) -> Compiled {
    let tail = ops.iter().position(|op| matches!(op, Op::Publish(_) | Op::StopIf(..))).unwrap_or(ops.len());
    assert!(ops[tail..].iter().all(Op::is_scalar), "records and stops belong at the end of a segment");
    let (head, tail) = ops.split_at(tail);

    let mut place = as_soon_as_possible(head, space, fusion);
    let sweeps = head.iter().zip(&place).filter(|(op, _)| !op.is_scalar()).map(|(_, &s)| s + 1).max().unwrap_or(0);
    if fusion.enabled && sweeps > 0 {
        sink(head, &mut place, sweeps, space, fusion);
    }

    let mut stages = vec![Stage::default(); sweeps];
    let mut epilogue = Vec::new();
    for (op, &s) in head.iter().zip(&place) {
        match stages.get_mut(s) {
            Some(stage) if op.is_scalar() => stage.scalars.push(op.clone()),
            Some(stage) => stage.body.push(op.clone()),
            None => epilogue.push(op.clone()),
        }
    }
    epilogue.extend_from_slice(tail);
    Compiled {
        id,
        bytes: stages.iter().map(|s| traffic(&s.body, space)).sum(),
        products: ops.iter().filter_map(|op| if let Op::Apply { a, .. } = op { Some(*a) } else { None }).collect(),
        records: tail.iter().filter_map(record_width).collect(),
        stages,
        epilogue,
    }
}

fn record_width(op: &Op) -> Option<usize> {
    let Op::Publish(items) = op else { return None };
    Some(items.iter().map(|i| if let super::Item::Array(_, k) = i { *k } else { 1 }).sum())
}

/// The earliest stage of each operation.
fn as_soon_as_possible(ops: &[Op], space: &Space, fusion: Fusion) -> Vec<usize> {
    let mut place: Vec<usize> = Vec::with_capacity(ops.len());
    let mut last_sweep: Option<usize> = None;
    for (b, op) in ops.iter().enumerate() {
        let mut s = (0..b).filter_map(|a| Some(place[a] + gap(&ops[a], op)?)).max().unwrap_or(0);
        if !op.is_scalar() {
            if fusion.enabled {
                while !fits(op, s, ops, &place, space, fusion) {
                    s += 1;
                }
                let beside = |&(a, &t): &(usize, &usize)| t > s && same_columns(&ops[a], op);
                let later = place.iter().enumerate().filter(beside).map(|(_, &t)| t).min();
                s = later.filter(|&t| fits(op, t, ops, &place, space, fusion)).unwrap_or(s);
            } else {
                s = s.max(last_sweep.map_or(0, |l| l + 1));
            }
            last_sweep = last_sweep.max(Some(s));
        }
        place.push(s);
    }
    // Scalar operations whose stage has no sweep fall to the epilogue; a hole can't arise, because a
    // sweep waits at most for the one before it or for room.
    place
}

/// Moves updates down to the stage where they cost the fewest extra passes.
fn sink(ops: &[Op], place: &mut [usize], sweeps: usize, space: &Space, fusion: Fusion) {
    for a in (0..ops.len()).rev() {
        if !matches!(ops[a], Op::Map { .. }) {
            continue;
        }
        let latest = (a + 1..ops.len()).filter_map(|b| Some(place[b] - gap(&ops[a], &ops[b])?)).min();
        let latest = latest.unwrap_or(sweeps).min(sweeps - 1);
        let home = place[a];
        place[a] = usize::MAX;
        let cost = |s: usize| {
            let body: Vec<Op> =
                (0..ops.len()).filter(|&o| place[o] == s && !ops[o].is_scalar()).map(|o| ops[o].clone()).collect();
            let mut with: Vec<(usize, &Op)> = (0..ops.len())
                .filter(|&o| (place[o] == s && !ops[o].is_scalar()) || o == a)
                .map(|o| (o, &ops[o]))
                .collect();
            with.sort_by_key(|e| e.0);
            let with: Vec<Op> = with.into_iter().map(|e| e.1.clone()).collect();
            // Joining an earlier write can save a read, so the difference may be negative.
            traffic(&with, space) as i64 - traffic(&body, space) as i64
        };
        let best = (home..=latest)
            .filter(|&s| s == home || fits(&ops[a], s, ops, place, space, fusion))
            .min_by_key(|&s| (cost(s), s))
            .unwrap_or(home);
        place[a] = best;
    }
}

/// Whether `op` may join the sweep of stage `s` as placed so far (operations without a place count not).
fn fits(op: &Op, s: usize, ops: &[Op], place: &[usize], space: &Space, fusion: Fusion) -> bool {
    let company: Vec<&Op> = ops.iter().zip(place).filter(|(o, p)| **p == s && !o.is_scalar()).map(|(o, _)| o).collect();
    if company.is_empty() {
        return true;
    }
    let alone = |o: &Op| matches!(o, Op::TriangularSolve { .. } | Op::Rotate { .. });
    if alone(op) || company.iter().any(|o| alone(o)) {
        return false;
    }
    let is_projection = |o: &Op| matches!(o, Op::MultiDot { .. } | Op::MultiAxpy { .. });
    let is_product = |o: &Op| matches!(o, Op::Apply { .. });
    if company.iter().any(|o| length(o, space) != length(op, space)) {
        return false;
    }
    if fusion.projections != Projections::Free && (is_projection(op) || company.iter().any(|o| is_projection(o))) {
        return fusion.projections == Projections::Paired && matches!(company[..], [first] if is_pair(first, op));
    }
    let all = || company.iter().copied().chain([op]);
    let is_alone =
        |o: &Op| matches!(o, Op::Apply { a, .. } if space.operators[a.0 as usize].alone.load(Ordering::Relaxed));
    if !fusion.products && all().any(is_product) || all().any(is_alone) {
        return false;
    }
    let operators: Vec<Operator> =
        all().filter_map(|o| if let Op::Apply { a, .. } = o { Some(*a) } else { None }).collect();
    if operators.len() > fusion.shared_products.max(1) || operators.windows(2).any(|w| w[0] != w[1]) {
        return false;
    }
    let vectors: BTreeSet<Vector> =
        all().flat_map(|o| o.reads().into_iter().chain(o.writes()).chain(o.gathers())).collect();
    vectors.len() + if all().any(is_product) { 2 } else { 0 } <= fusion.max_vectors
}

/// Two projections onto the same columns or two updates by them; or w −= V c and the projection of w onto the same
/// columns, or ‖w‖².
fn is_pair(first: &Op, second: &Op) -> bool {
    match (first, second) {
        (Op::MultiAxpy { v, k, w, .. }, Op::MultiDot { v: v2, k: k2, w: w2, .. }) => (v, k, w) == (v2, k2, w2),
        (Op::MultiAxpy { w, .. }, Op::Dot { x, y, .. }) => w == x && w == y,
        (Op::MultiDot { out, .. }, Op::MultiDot { out: out2, .. }) => same_columns(first, second) && out != out2,
        (Op::MultiAxpy { v, k, minus, w, .. }, Op::MultiAxpy { v: v2, k: k2, minus: minus2, w: w2, .. }) => {
            (v, k, minus) == (v2, k2, minus2) && w != w2
        }
        _ => false,
    }
}

/// Two projections onto the same columns.
fn same_columns(first: &Op, second: &Op) -> bool {
    match (first, second) {
        (Op::MultiDot { v, k, .. }, Op::MultiDot { v: v2, k: k2, .. }) => (v, k) == (v2, k2),
        _ => false,
    }
}

/// What a sweep of `op` runs over.
pub(crate) fn length(op: &Op, space: &Space) -> Length {
    match op {
        Op::Apply { y, .. } | Op::TriangularSolve { y, .. } | Op::Map { y, .. } => space.length(*y),
        Op::Dot { x, .. } => space.length(*x),
        Op::MultiDot { w, .. } | Op::MultiAxpy { w, .. } => space.length(*w),
        Op::Rotate { v, .. } => space.length(v.column(0)),
        _ => Length { entries: 0, layout: 0 },
    }
}

/// How many stages `b` must come after `a` (which stands earlier): `None` where they don't touch,
/// 0 where they may share one, 1 where `b` needs what `a`'s sweep leaves behind.
fn gap(a: &Op, b: &Op) -> Option<usize> {
    // A rotation writes many columns: nothing passes it.
    let rotates = |op: &Op| matches!(op, Op::Rotate { .. });
    if (rotates(a) && !b.is_scalar()) || (rotates(b) && !a.is_scalar()) {
        return Some(1);
    }
    let mut gap: Option<usize> = None;
    let mut need = |g: usize| gap = gap.max(Some(g));

    let overlaps = |v: Vector, basis: super::Basis, k: usize| matches!(v, Vector::Column { basis: c, column } if c == basis.0 && (column as usize) < k);
    if let Some(w) = a.writes() {
        if b.gathers() == Some(w) {
            need(1);
        }
        if b.reads().contains(&w) || b.writes() == Some(w) {
            need(0);
        }
        if let Op::MultiDot { v, k, .. } | Op::MultiAxpy { v, k, .. } = b
            && overlaps(w, *v, *k)
        {
            need(0);
        }
    }
    if let Some(w) = b.writes() {
        if a.gathers() == Some(w) {
            need(1);
        }
        if a.reads().contains(&w) {
            need(0);
        }
        if let Op::MultiDot { v, k, .. } | Op::MultiAxpy { v, k, .. } = a
            && overlaps(w, *v, *k)
        {
            need(0);
        }
    }

    // A reduction's result exists after its sweep; a scalar operation runs before the sweep of its stage.
    let result = |op: &Op| match op {
        Op::Dot { out, .. } => Some(Slot::Scalar(*out)),
        Op::MultiDot { out, .. } => Some(Slot::Array(*out)),
        _ => None,
    };
    let set = |op: &Op| op.sets().map(Slot::Scalar);
    if let Some(s) = result(a)
        && (scalar_reads(b).contains(&s) || result(b) == Some(s) || set(b) == Some(s))
    {
        need(1);
    }
    if let Some(s) = set(a)
        && (scalar_reads(b).contains(&s) || result(b) == Some(s) || set(b) == Some(s))
    {
        need(0);
    }
    let a_reads = scalar_reads(a);
    if let Some(s) = set(b)
        && a_reads.contains(&s)
    {
        need(usize::from(!a.is_scalar()));
    }
    if let Some(s) = result(b)
        && a_reads.contains(&s)
    {
        need(0);
    }
    gap
}

#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Scalar(Scalar),
    Array(super::Array),
}

fn scalar_reads(op: &Op) -> Vec<Slot> {
    let mut out = Vec::new();
    let mut visit = |s| out.push(Slot::Scalar(s));
    match op {
        Op::Map { terms, .. } => terms.iter().for_each(|t| t.coefficient.scalars(&mut visit)),
        Op::Set { value, .. } => value.scalars(&mut visit),
        Op::MultiAxpy { coefficients, .. } => out.push(Slot::Array(*coefficients)),
        Op::ArrayDot { x, y, .. } => out.extend([Slot::Array(*x), Slot::Array(*y)]),
        _ => {}
    }
    out
}

/// Bytes that one sweep moves: operands read before they are written, results, matrices, bases.
pub(crate) fn traffic(body: &[Op], space: &Space) -> u64 {
    let mut loaded = BTreeSet::new();
    let mut written = BTreeSet::new();
    let mut bases: HashMap<u16, usize> = HashMap::new();
    let mut matrices = BTreeSet::new();
    let mut bytes = 0;
    for op in body {
        for v in op.reads().into_iter().chain(op.gathers()) {
            if !written.contains(&v) {
                loaded.insert(v);
            }
        }
        if let Op::MultiDot { v, k, .. } | Op::MultiAxpy { v, k, .. } = op {
            let most = bases.entry(v.0).or_default();
            *most = (*most).max(*k);
        }
        if let Op::Rotate { v, k, l, .. } = op {
            bases.insert(v.0, k + l);
        }
        if let Op::Apply { a, .. } = op
            && matrices.insert(*a)
        {
            bytes += space.operator_bytes(*a);
        }
        if let Op::TriangularSolve { t, .. } = op {
            bytes += space.triangle_bytes(*t);
        }
        written.extend(op.writes());
    }
    let size = |v: &Vector| (space.len(*v) * space.dtype(*v).size()) as u64;
    bytes += loaded.iter().chain(&written).map(size).sum::<u64>();
    for (basis, k) in bases {
        bytes += k as u64 * (space.bases[basis as usize].len * space.plan.working.size()) as u64;
    }
    bytes
}

#[cfg(test)]
mod tests;
