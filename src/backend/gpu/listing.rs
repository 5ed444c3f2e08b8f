//! The list of kernels for people; see [`Kernel`].

use super::memory::{Memory, Params, RowPanel, Slice};
use super::{Binding, Gpu, times};
use crate::backend::{Kernel, KernelBinding};
use crate::op::{self, Op, Space};

impl Gpu {
    /// Adds a kernel to the list, or a use of it.
    pub(super) fn list(&mut self, name: &str, text: &str, flips: bool, bindings: &[Binding], workgroups: usize) {
        if let Some(known) = self.kernels.iter_mut().find(|k| k.text == text) {
            known.uses += 1;
            return;
        }
        let binding = |holds: String, written, bytes| KernelBinding { holds, written, bytes };
        let state = self.memory.state[0].size();
        let mut bound = vec![binding("parameters".into(), false, size_of::<Params>() as u64)];
        bound.push(binding("state, as the kernel before left it".into(), false, state));
        if flips {
            bound.push(binding("state, for the kernel after".into(), true, state));
        }
        let holds = |slice: &Slice| self.memory.holds(&self.space, slice);
        bound.extend(bindings.iter().map(|(slice, written)| binding(holds(slice), *written, slice.bytes())));
        let label = times::label(name, text).to_string();
        let (name, text, computes) = (name.to_string(), text.to_string(), self.making.clone());
        self.kernels.push(Kernel { name, label, computes, bindings: bound, workgroups, uses: 1, text });
    }

    /// Says what the kernels to come are for.
    pub(super) fn make<'a>(&mut self, ops: impl Iterator<Item = &'a Op>) {
        if self.context.list_kernels && !cfg!(target_arch = "wasm32") {
            self.making = ops.map(|op| op::named(&self.space, op).to_string()).collect();
        }
    }
}

impl Memory {
    /// What a slice holds, for people.
    fn holds(&self, space: &Space, slice: &Slice) -> String {
        let buffer = &slice.buffer;
        if let Some(i) = self.vectors.iter().position(|b| b == buffer) {
            return format!("vector {}", space.vectors[i].name);
        }
        for (basis, info) in self.bases.iter().zip(&space.bases) {
            if let Some(p) = basis.buffers.iter().position(|b| b == buffer) {
                if slice.size.is_none() {
                    return format!("basis {}", info.name);
                }
                let column = p * basis.columns_each + (slice.offset / basis.item) as usize / basis.stride;
                return format!("column {column} of basis {}", info.name);
            }
        }
        for (matrix, data) in self.operators.iter().zip(&space.operators) {
            let holds = |p: &RowPanel| match buffer {
                b if *b == p.pattern => Some("pattern"),
                b if *b == p.values => Some("values"),
                b if p.carries.as_ref() == Some(b) => Some("sums of long rows"),
                _ => None,
            };
            if let Some(part) = matrix.panels.iter().find_map(holds) {
                return format!("{part} of {}", data.name);
            }
        }
        let others = [("records and projections", &self.ledger), ("partial sums of projections", &self.projections)];
        others.iter().find(|o| o.1 == buffer).map_or("rotated rows", |o| o.0).into()
    }
}
