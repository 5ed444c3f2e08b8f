//! Matrix-free: an operator's own text computes a row of the product.

use super::panel::Panel;
use super::{Cell, Choice, Columns, Form, Look, Rows, Step, Suits};
use crate::backend::gpu::text::{Shader, fill, shader, type_name};

const ROW_FREE: Shader = shader!("row_free.wgsl");

/// Why no choice is [`Free`].
const NO_ENTRIES: &str = "an operator has no entries to lay out";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend::gpu) struct Free;

impl Free {
    pub(super) fn suits(_: &Look) -> Option<Suits> {
        None
    }
}

impl Rows for Free {
    fn describe(&self) -> String {
        "an operator: its own text gives each row, no entries are stored".into()
    }

    fn text(&self, form: Form, _: usize) -> String {
        fill(ROW_FREE.text, &[("value", type_name(form.dtype))])
    }

    #[cfg(test)]
    fn shaders(&self) -> Vec<&'static Shader> {
        vec![&ROW_FREE]
    }

    fn step(&self) -> Step {
        Step { prepare: "", row: "p", product: "scaled_product(p)" }
    }

    fn multiplies_alone(&self) -> bool {
        false
    }

    fn unit(&self, _: Columns) -> usize {
        unreachable!("{NO_ENTRIES}")
    }

    fn size(&self, _: &Choice, _: usize, _: usize) -> (usize, u64) {
        unreachable!("{NO_ENTRIES}")
    }

    fn pack(&self, _: &Choice, _: &mut Panel) -> Vec<Cell> {
        unreachable!("{NO_ENTRIES}")
    }

    fn ends(&self, _: &Panel, _: usize) -> Vec<usize> {
        unreachable!("{NO_ENTRIES}")
    }
}
