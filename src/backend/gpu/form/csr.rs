//! CSR, an invocation a row: the plain form, which no matrix is given unasked.

use super::panel::Panel;
use super::{Cell, Choice, Columns, Form, Look, Rows, SLICE, Suits, as_they_stand, ends_of_rows};
use crate::backend::gpu::text::{Shader, fill, shader, type_name};
use crate::op::Dtype;

const ROW_CSR: Shader = shader!("row_csr.wgsl");
const ROW_CSR_PAIR: Shader = shader!("row_csr_pair.wgsl");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend::gpu) struct Csrs;

impl Csrs {
    pub(super) fn suits(_: &Look) -> Option<Suits> {
        None
    }
}

impl Rows for Csrs {
    fn describe(&self) -> String {
        "rows (CSR)".into()
    }

    fn text(&self, form: Form, _: usize) -> String {
        match form.dtype {
            Dtype::DoubleSingle => ROW_CSR_PAIR.text.into(),
            dtype => fill(ROW_CSR.text, &[("value", type_name(dtype))]),
        }
    }

    #[cfg(test)]
    fn shaders(&self) -> Vec<&'static Shader> {
        vec![&ROW_CSR, &ROW_CSR_PAIR]
    }

    fn unit(&self, columns: Columns) -> usize {
        if columns == Columns::Short { SLICE } else { 1 }
    }

    fn size(&self, of: &Choice, first: usize, end: usize) -> (usize, u64) {
        (of.a.row_ptr()[end] - of.a.row_ptr()[first], (end - first) as u64)
    }

    fn pack(&self, of: &Choice, panel: &mut Panel) -> Vec<Cell> {
        as_they_stand(of.a, panel)
    }

    fn ends(&self, panel: &Panel, _: usize) -> Vec<usize> {
        ends_of_rows(panel)
    }
}
