//! Lowers projections onto a basis and updates by one: kernels that read a panel of it once for as much as they can.

use super::Gpu;
use super::lower::Carry;
use super::memory::{Params, Slice};
use super::text::{
    self, FINISH, HELD, MULTI_AXPY, MULTI_AXPY_DOT, MULTI_AXPY_DOT_MANY, MULTI_AXPY_NORM, MULTI_AXPY_PAIR, MULTI_DOT,
    MULTI_DOT_PAIR,
};
use super::{Binding, Dispatch};
use crate::error::Result;
use crate::op::{Array, Op};

impl Gpu {
    /// ⟨v_j, w⟩ for the first `k` columns; with a second such operation for another w in the same kernels.
    pub(super) fn lower_projection(
        &mut self,
        body: &[Op],
        n: usize,
        now: &mut Carry,
        out: &mut Vec<Dispatch>,
    ) -> Result<()> {
        // Sums that wait to be added up may go on waiting. What is to be evaluated may read the arrays, or stop.
        if !now.scalars.is_empty() || now.deferred.is_some() {
            self.lower_scalars(now, out)?;
        }
        let projection = |op: &Op| match op {
            Op::MultiDot { v, k, w, out } => Some((*v, *k, *w, *out)),
            _ => None,
        };
        let (v, k, w, array) = projection(&body[0]).expect("a projection");
        let (item, groups) = (self.space.dtype(w), self.workgroups(n));
        let second = body.get(1).and_then(projection).map(|p| (p.2, p.3));
        for panel in self.memory.bases[v.0 as usize].panels(k) {
            let params = Params { slot: k as u32, ..self.panel_params(&panel, n, 0) };
            let mut bindings: Vec<Binding> = vec![(panel.slice, false), (self.memory.vector(w), false)];
            bindings.extend(second.map(|(u, _)| (self.memory.vector(u), false)));
            bindings.push((Slice::whole(&self.memory.projections), true));
            let shader = if second.is_some() { &MULTI_DOT_PAIR } else { &MULTI_DOT };
            out.push(self.plain(shader, item, false, false, &bindings, params, groups)?);
        }
        self.lower_finish(array, second.map(|s| s.1), k, n, out)
    }

    /// w ±= V c, with what goes along with it: the same for another w, the projection of w onto the same columns, ‖w‖².
    pub(super) fn lower_update(
        &mut self,
        body: &[Op],
        n: usize,
        now: &mut Carry,
        out: &mut Vec<Dispatch>,
    ) -> Result<()> {
        let update = |op: &Op| match op {
            Op::MultiAxpy { v, k, coefficients, minus, w } => Some((*v, *k, *coefficients, *minus, *w)),
            _ => None,
        };
        let (v, k, coefficients, minus, w) = update(&body[0]).expect("an update");
        let second = body.get(1).and_then(update).map(|u| (u.2, u.4));
        // As above; arrays stay as they are.
        let waits = |op: &Op| op.sets().is_some();
        if second.is_none() || now.deferred.is_some() || !now.scalars.iter().all(waits) {
            self.lower_scalars(now, out)?;
        }
        let array_at = self.memory.array_at[coefficients.0 as usize];
        let (item, groups) = (self.space.dtype(w), self.workgroups(n));
        let ledger = (Slice::whole(&self.memory.ledger), false);
        let mut panels = self.memory.bases[v.0 as usize].panels(k);
        if let Some((other, u)) = second {
            let slot = self.memory.array_at[other.0 as usize] as u32;
            for panel in panels {
                let params = Params { slot, ..self.panel_params(&panel, n, array_at) };
                let [w, u] = [w, u].map(|w| (self.memory.vector(w), true));
                let bindings = [ledger.clone(), (panel.slice, false), w, u];
                out.push(self.plain(&MULTI_AXPY_PAIR, item, minus, false, &bindings, params, groups)?);
            }
            return Ok(());
        }
        // Only the last panel leaves w ready for the next operation; a projection needs all columns.
        let last = match body.get(1) {
            Some(Op::Dot { .. }) => panels.pop(),
            Some(Op::MultiDot { .. }) if panels.len() == 1 => panels.pop(),
            _ => None,
        };
        let w = (self.memory.vector(w), true);
        for panel in panels {
            let params = self.panel_params(&panel, n, array_at);
            let bindings = [ledger.clone(), (panel.slice, false), w.clone()];
            out.push(self.plain(&MULTI_AXPY, item, minus, false, &bindings, params, groups)?);
        }
        match (last, body.get(1)) {
            (Some(panel), Some(Op::MultiDot { out: array, .. })) => {
                let params = self.panel_params(&panel, n, array_at);
                let partials = (Slice::whole(&self.memory.projections), true);
                let bindings = [ledger, (panel.slice, false), w, partials];
                let shader = if panel.columns <= HELD { &MULTI_AXPY_DOT } else { &MULTI_AXPY_DOT_MANY };
                out.push(self.plain(shader, item, minus, false, &bindings, params, groups)?);
                self.lower_finish(*array, None, k, n, out)
            }
            (Some(panel), Some(Op::Dot { out: scalar, .. })) => {
                let slot = text::partials_at(self.scalar_count) as u32;
                let params = Params { slot, ..self.panel_params(&panel, n, array_at) };
                let bindings = [ledger, (panel.slice, false), w];
                out.push(self.plain(&MULTI_AXPY_NORM, item, minus, true, &bindings, params, groups)?);
                (now.pending, now.pending_groups) = (vec![scalar.0], groups as u32);
                Ok(())
            }
            _ => self.lower_stage(&body[1..], now, out),
        }
    }

    /// Adds the partial sums of projections onto k columns, and of another vector's.
    fn lower_finish(
        &mut self,
        array: Array,
        second: Option<Array>,
        k: usize,
        n: usize,
        out: &mut Vec<Dispatch>,
    ) -> Result<()> {
        let at = |a: Array| self.memory.array_at[a.0 as usize] as u32;
        let params = Params {
            pending: self.workgroups(n) as u32,
            k: k as u32,
            array_at: at(array),
            slot: second.map_or(0, at),
            ..Params::default()
        };
        let count = if second.is_some() { 2 * k } else { k };
        let bindings = [(Slice::whole(&self.memory.projections), false), (Slice::whole(&self.memory.ledger), true)];
        let item = self.space.plan.working;
        out.push(self.plain(&FINISH, item, false, false, &bindings, params, count)?);
        Ok(())
    }
}
