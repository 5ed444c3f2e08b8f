//! Lowers segments to kernels: which operations share one, what it binds, and what one segment leaves for the next.

use super::form::{Columns as Kept, Form, SPMV_PIECES};
use super::memory::{Matrix, Params, Slice};
use super::text::{self, AXPY, DOT, HEADER, ROTATE, ROTATED, Sweep};
use super::{Binding, Dispatch, Gpu};
use crate::error::Result;
use crate::op::schedule::{Compiled, length, traffic};
use crate::op::{Array, Basis, Dtype, Op, Operator, Space, Term, Vector, forming};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most temporary memory of a rotation of a basis.
const ROTATED_BYTES: u64 = 32 << 20;

/// Most workgroups of a dispatch, by the portable limit.
const DISPATCH_MAX: usize = 65535;

/// What one segment passes to the next within a batch: partial sums not yet added, scalars not yet evaluated.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Carry {
    pub(super) pending: Vec<u16>,
    pub(super) pending_groups: u32,
    pub(super) scalars: Vec<Op>,
    pub(super) deferred: Option<Deferred>,
}

/// The last sweep of a segment, deferred so that the next sweep can form what it gathers on the fly.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Deferred {
    /// The updates, with the program's own vectors.
    pub(super) maps: Vec<Op>,
    /// The vector formed.
    pub(super) d: Vector,
    /// Where d is: itself or its twin.
    pub(super) now: Vector,
    /// Scalar operations after the sweep.
    pub(super) after: Vec<Op>,
}

/// A sweep fused with the deferred one.
pub(super) struct Joined {
    pub(super) d: Vector,
    /// Where d is now.
    pub(super) at: Vector,
    pub(super) saved: u64,
}

impl Carry {
    fn scalars(&mut self) -> &mut Vec<Op> {
        match &mut self.deferred {
            Some(deferred) => &mut deferred.after,
            None => &mut self.scalars,
        }
    }
}

/// Kernels of a segment after a given carry, and the carry it leaves.
pub(super) struct Lowered {
    pub(super) dispatches: Vec<Dispatch>,
    /// Bytes saved, by the model, by fusing the first sweep with the deferred one.
    pub(super) saved: u64,
    pub(super) out: usize,
}

impl Gpu {
    /// The kernels of `segment` after `carry`.
    pub(super) fn lower(&mut self, carry: usize, segment: &Compiled) -> Result<Arc<Lowered>> {
        if let Some(done) = self.lowered.get(&(carry, segment.id)) {
            return Ok(Arc::clone(done));
        }
        let (mut dispatches, mut saved) = (vec![], 0);
        let mut now = self.carries[carry].clone();
        let formed = if self.fuse { forming::deferrable(segment, &self.space) } else { None };
        // Where the segment's vectors are: d may be in its twin.
        let mut place: Option<(Vector, Vector)> = None;
        for (k, stage) in segment.stages.iter().enumerate() {
            now.scalars().extend(stage.scalars.iter().cloned());
            match formed {
                Some(d) if k + 1 == segment.stages.len() && self.forms_well(&segment.stages[0].body) => {
                    let now_at = place.map_or(d, |p| p.1);
                    now.deferred = Some(Deferred { maps: stage.body.clone(), d, now: now_at, after: vec![] });
                    place = None;
                    continue;
                }
                _ => {}
            }
            let body: Vec<Op> = match place {
                Some((d, at)) => stage.body.iter().map(|op| op.renamed(d, at)).collect(),
                None => stage.body.clone(),
            };
            if let Some(deferred) = now.deferred.take()
                && let Some(joined) = self.lower_deferred(deferred, &body, &mut now, &mut dispatches)?
            {
                (place, saved) = (Some((joined.d, joined.at)), joined.saved);
                continue;
            }
            self.lower_stage(&body, &mut now, &mut dispatches)?;
        }
        if let Some((d, at)) = place.filter(|p| p.0 != p.1) {
            // Copies d back to where the host and other segments expect it.
            let copy = Op::Map { y: d, terms: vec![Term { coefficient: 1.0.into(), x: at, by: None }] };
            self.lower_sweep(&[copy], None, self.space.len(d), &mut now, &mut dispatches)?;
        }
        now.scalars().extend(segment.epilogue.iter().cloned());
        let done = Arc::new(Lowered { dispatches, saved, out: self.intern(now) });
        self.lowered.insert((carry, segment.id), Arc::clone(&done));
        Ok(done)
    }

    /// Whether the products of this sweep may gather several vectors in place of one: neighbouring rows gather nearby
    /// entries, so that a cache serves them.
    fn forms_well(&self, body: &[Op]) -> bool {
        if body.iter().filter(|op| matches!(op, Op::Apply { .. })).count() > 1 {
            return false;
        }
        let local = |op: &Op| match op {
            Op::Apply { a, .. } => {
                let matrix = &self.memory.operators[a.0 as usize];
                !matrix.alone() && matrix.form.columns != Kept::Wide
            }
            _ => true,
        };
        body.iter().all(local)
    }

    /// The twin of d, created on first use.
    fn twin(&mut self, d: Vector) -> Result<Vector> {
        if let Some(known) = self.twins.get(&d) {
            return Ok(*known);
        }
        let Vector::Own(of) = d else { unreachable!("columns of a basis have no twins") };
        let (len, dtype) = (self.space.len(d), self.space.dtype(d));
        self.memory.add_vector(&self.context, &self.space.name(d), len, dtype, &mut self.counters)?;
        let mut info = self.space.vectors[of as usize].clone();
        info.initial = None;
        self.space.vectors.push(info);
        let twin = Vector::Own((self.space.vectors.len() - 1) as u16);
        self.twins.insert(d, twin);
        Ok(twin)
    }

    /// Lowers the deferred sweep: fused with `body`, if that gathers d, and then returns where d is; else by itself,
    /// leaving d in its own place.
    fn lower_deferred(
        &mut self,
        deferred: Deferred,
        body: &[Op],
        now: &mut Carry,
        out: &mut Vec<Dispatch>,
    ) -> Result<Option<Joined>> {
        let Deferred { maps, d, now: at, after } = deferred;
        let n = self.space.length(d);
        let mut coefficients = vec![];
        maps.iter().for_each(|op| op.coefficients(&mut |s| coefficients.push(s)));
        let kept = after.iter().filter_map(Op::sets).all(|out| !coefficients.contains(&out));
        let gathers = body.iter().any(|op| op.gathers() == Some(d)) && self.forms_well(body);
        if gathers && kept && body.iter().all(|op| length(op, &self.space) == n) {
            let next = if at == d { self.twin(d)? } else { d };
            let count = maps.len();
            let joined = forming::joined(forming::redirected(&maps, d, at, next), body, d, next);
            if let Some(joined) = joined.filter(|all| self.storage(all) <= self.context.max_storage) {
                now.scalars.extend(after);
                self.lower_sweep(&joined, Some((count, at)), n.entries, now, out)?;
                let apart = traffic(&maps, &self.space) + traffic(body, &self.space);
                return Ok(Some(Joined { d, at: next, saved: apart - traffic(&joined, &self.space) }));
            }
        }
        self.lower_sweep(&forming::redirected(&maps, d, at, d), None, n.entries, now, out)?;
        now.scalars.extend(after);
        Ok(None)
    }

    /// Storage bindings of a sweep with records.
    fn storage(&self, body: &[Op]) -> usize {
        let vectors = body.iter().flat_map(|op| op.reads().into_iter().chain(op.writes()).chain(op.gathers()));
        let matrix = body.iter().any(|op| matches!(op, Op::Apply { .. }));
        3 + vectors.collect::<BTreeSet<_>>().len() + 2 * usize::from(matrix)
    }

    /// Kernels for everything left in `carry`, at the end of a batch. Cached like those of a segment, so that they are
    /// made once.
    pub(super) fn lower_tail(&mut self, carry: usize) -> Result<Option<Arc<Lowered>>> {
        let mut now = self.carries[carry].clone();
        if now == Carry::default() {
            return Ok(None);
        }
        let key = (carry, usize::MAX);
        if !self.lowered.contains_key(&key) {
            let mut dispatches = vec![];
            if let Some(deferred) = now.deferred.take() {
                self.lower_deferred(deferred, &[], &mut now, &mut dispatches)?;
            }
            self.lower_scalars(&mut now, &mut dispatches)?;
            self.lowered.insert(key, Arc::new(Lowered { dispatches, saved: 0, out: 0 }));
        }
        Ok(self.lowered.get(&key).cloned())
    }

    /// Makes all kernels for repetitions of the segment, wherever d is and however the batch ends, so that no later
    /// iteration makes any.
    pub(super) fn lower_ahead(&mut self, mut carry: usize, segment: &Compiled) -> Result<()> {
        while !self.lowered.contains_key(&(carry, segment.id)) {
            self.lower_tail(carry)?;
            carry = self.lower(carry, segment)?.out;
        }
        Ok(())
    }

    fn intern(&mut self, carry: Carry) -> usize {
        self.carries.iter().position(|c| *c == carry).unwrap_or_else(|| {
            self.carries.push(carry);
            self.carries.len() - 1
        })
    }

    pub(super) fn lower_stage(&mut self, body: &[Op], now: &mut Carry, out: &mut Vec<Dispatch>) -> Result<()> {
        let Some(first) = body.first() else { return Ok(()) };
        let n = length(first, &self.space).entries;
        self.make(body.iter());
        match first {
            Op::MultiDot { .. } => self.lower_projection(body, n, now, out),
            Op::MultiAxpy { .. } => self.lower_update(body, n, now, out),
            Op::Rotate { v, k, l, s } => {
                self.lower_scalars(now, out)?;
                self.lower_rotation(*v, [*k, *l], *s, out)
            }
            Op::Apply { a, x, y }
                if body.len() == 1
                    && self.memory.operators[a.0 as usize].form.layout.rows().multiplies_alone()
                    && (!self.fuse || self.memory.operators[a.0 as usize].alone()) =>
            {
                self.lower_scalars(now, out)?;
                self.lower_product(*a, *x, *y, out)
            }
            Op::Dot { x, y, out: scalar } if !self.fuse && self.space.dtype(*x) == self.space.dtype(*y) => {
                self.lower_scalars(now, out)?;
                let at = text::partials_at(self.scalar_count);
                let params =
                    Params { n: n as u32, groups: self.workgroups(n) as u32, slot: at as u32, ..Params::default() };
                let bindings = [(self.memory.vector(*x), false), (self.memory.vector(*y), false)];
                out.push(self.plain(&DOT, self.space.dtype(*x), false, true, &bindings, params, self.workgroups(n))?);
                now.pending = vec![scalar.0];
                now.pending_groups = self.workgroups(n) as u32;
                Ok(())
            }
            Op::Map { y, terms } if !self.fuse && is_axpy(*y, terms, &self.space) => {
                let Term { coefficient, x, .. } = &terms[1];
                let out_scalar = self.coefficient();
                now.scalars.push(Op::Set { out: out_scalar, value: coefficient.clone() });
                self.lower_scalars(now, out)?;
                let slot = (HEADER + out_scalar.0 as usize) as u32;
                let params = Params { n: n as u32, groups: self.workgroups(n) as u32, slot, ..Params::default() };
                let bindings = [(self.memory.vector(*x), false), (self.memory.vector(*y), true)];
                out.push(self.plain(
                    &AXPY,
                    self.space.dtype(*y),
                    false,
                    false,
                    &bindings,
                    params,
                    self.workgroups(n),
                )?);
                Ok(())
            }
            _ => self.lower_sweep(body, None, n, now, out),
        }
    }

    /// By blocks of rows: the new columns are formed in temporary memory, panel by panel, and copied back.
    fn lower_rotation(&mut self, v: Basis, [k, l]: [usize; 2], s: Array, out: &mut Vec<Dispatch>) -> Result<()> {
        let (n, item) = (self.space.len(v.column(0)), self.space.plan.working);
        let limit = self.context.max_binding.min(ROTATED_BYTES) / self.real_size();
        let rows = (limit as usize / l).clamp(1, n.max(1));
        let rotated = self.memory.rotated(&self.context, rows * l, self.real, &mut self.counters)?;
        for row in (0..n).step_by(rows) {
            let rows = rows.min(n - row);
            let groups = self.workgroups(rows);
            let params = |first: usize, columns: usize, stride: usize, array_at: usize| Params {
                n: rows as u32,
                groups: groups as u32,
                k: columns as u32,
                stride: stride as u32,
                first: first as u32,
                array_at: array_at as u32,
                row: row as u32,
                tall: k as u32,
                kept: l as u32,
                ..Params::default()
            };
            let array_at = self.memory.array_at[s.0 as usize];
            for panel in self.memory.bases[v.0 as usize].panels(k) {
                let params = params(panel.first, panel.columns, panel.stride, array_at);
                let bindings =
                    [(Slice::whole(&self.memory.ledger), false), (panel.slice, false), (rotated.clone(), true)];
                out.push(self.plain(&ROTATE, item, false, false, &bindings, params, groups)?);
            }
            for panel in self.memory.bases[v.0 as usize].panels(l) {
                let params = params(panel.first, panel.columns, panel.stride, 0);
                let bindings = [(rotated.clone(), false), (panel.slice, true)];
                out.push(self.plain(&ROTATED, item, false, false, &bindings, params, groups)?);
            }
        }
        Ok(())
    }

    /// y = A x by itself, panel by panel.
    fn lower_product(&mut self, a: Operator, x: Vector, y: Vector, out: &mut Vec<Dispatch>) -> Result<()> {
        let Matrix { form, panels, .. } = &self.memory.operators[a.0 as usize];
        let (form, panels) = (*form, panels.clone());
        let item = self.space.dtype(y);
        for panel in panels {
            let (count, groups) = if form.alone() {
                (panel.blocks, panel.blocks.clamp(1, DISPATCH_MAX))
            } else {
                (0, self.context.groups_of(panel.rows, form.layout.rows().width(false)))
            };
            let params = Params { n: panel.rows as u32, k: count as u32, groups: groups as u32, ..panel.params() };
            let pattern = (Slice::whole(&panel.pattern), false);
            let mut bindings = vec![
                pattern.clone(),
                (Slice::whole(&panel.values), false),
                (self.memory.vector(x), one_buffer(x, y)),
                (self.memory.vector(y), true),
            ];
            if form.alone() {
                // A panel without pieces binds a buffer that it never writes.
                let carries = panel.carries.as_ref().unwrap_or(&self.memory.projections);
                bindings.push((Slice::whole(carries), true));
            }
            let text = text::product(form, self.types(item), one_buffer(x, y));
            out.push(self.dispatch("product", text, false, false, &bindings, params, groups)?);
            if let Some(carries) = &panel.carries {
                let groups = panel.long_rows.min(DISPATCH_MAX);
                let (k, order_at) = (panel.long_rows as u32, panel.at.long);
                let params = Params { k, groups: groups as u32, order_at, ..panel.params() };
                let bindings = [pattern, (Slice::whole(carries), false), (self.memory.vector(y), true)];
                out.push(self.plain(&SPMV_PIECES, item, false, false, &bindings, params, groups)?);
            }
        }
        Ok(())
    }

    /// A kernel that only finishes partial sums and evaluates scalars, if there are any.
    pub(super) fn lower_scalars(&mut self, now: &mut Carry, out: &mut Vec<Dispatch>) -> Result<()> {
        if *now == Carry::default() {
            return Ok(());
        }
        let making = std::mem::take(&mut self.making);
        self.lower_sweep(&[], None, 0, now, out)?;
        self.making = making;
        Ok(())
    }

    /// One kernel for `body`; `formed`: how many deferred updates it begins with, and where their vector has been.
    fn lower_sweep(
        &mut self,
        body: &[Op],
        formed: Option<(usize, Vector)>,
        n: usize,
        now: &mut Carry,
        out: &mut Vec<Dispatch>,
    ) -> Result<()> {
        // Records and arrays need a binding for the ledger; if the sweep has none left, they get a kernel of their own first.
        if now.scalars.iter().any(text::needs_ledger) && self.storage(body) > self.context.max_storage {
            self.lower_sweep(&[], None, 0, now, out)?;
        }
        self.make(now.scalars.iter().chain(body));
        let forms: Vec<Form> = self.memory.operators.iter().map(|m| m.form).collect();
        let generated = Sweep {
            forms: &forms,
            deferred: formed.map_or(0, |f| f.0),
            twin: formed.map(|f| f.1),
            space: &self.space,
            real: self.real,
            pending: &now.pending,
            scalars: &now.scalars,
            body,
            scalar_count: self.scalar_count,
            array_at: &self.memory.array_at,
        }
        .generate();
        let mut bindings: Vec<Binding> = vec![];
        if generated.ledger {
            bindings.push((Slice::whole(&self.memory.ledger), true));
        }
        let k = text::array_length(&now.scalars) as u32;
        let mut params = Params { n: n as u32, pending: now.pending_groups, k, ..Params::default() };
        if generated.matrix {
            let a = body.iter().find_map(|op| if let Op::Apply { a, .. } = op { Some(*a) } else { None });
            let panel = &self.memory.operators[a.expect("a product in the sweep").0 as usize].panels[0];
            bindings.push((Slice::whole(&panel.pattern), false));
            bindings.push((Slice::whole(&panel.values), false));
            params = Params { n: params.n, pending: params.pending, k, ..panel.params() };
        }
        bindings.extend(generated.vectors.iter().map(|&(v, written)| (self.memory.vector(v), written)));
        let groups = if body.is_empty() { 1 } else { self.context.groups_of(n, generated.width) };
        params.groups = groups as u32;
        out.push(self.dispatch("sweep", generated.text, generated.foreign, true, &bindings, params, groups)?);
        *now = Carry {
            pending_groups: if generated.leaves.is_empty() { 0 } else { groups as u32 },
            pending: generated.leaves,
            ..Carry::default()
        };
        Ok(())
    }
}

fn is_axpy(y: Vector, terms: &[Term], space: &Space) -> bool {
    let [own, other] = terms else { return false };
    own.x == y
        && !one_buffer(other.x, y)
        && own.by.is_none()
        && own.coefficient.is_one()
        && other.by.is_none()
        && other.x != y
        && space.dtype(y) == space.dtype(other.x)
        && space.dtype(y) != Dtype::DoubleSingle
}

/// True for columns of one basis: the plain kernels bind their inputs as read-only, which is impossible for a
/// buffer that is also written.
fn one_buffer(x: Vector, y: Vector) -> bool {
    text::basis(x).is_some() && text::basis(x) == text::basis(y)
}
