//! The list of kernels for people; see [`Kernel`].

use super::memory::{Params, Slice};
use super::{Binding, Gpu};
use crate::backend::{Kernel, KernelBinding};
use crate::op::{self, Op};

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
        let (name, text, computes) = (name.to_string(), text.to_string(), self.making.clone());
        self.kernels.push(Kernel { name, computes, bindings: bound, workgroups, uses: 1, text });
    }

    /// Says what the kernels to come are for.
    pub(super) fn make<'a>(&mut self, ops: impl Iterator<Item = &'a Op>) {
        if self.context.list_kernels {
            self.making = ops.map(|op| op::named(&self.space, op).to_string()).collect();
        }
    }
}
