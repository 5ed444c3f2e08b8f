//! CSR, one invocation per row: the plain form, which is used only on request.

use super::{Form, Look, Rows, Suits};
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
}
