//! The user's CSR arrays, row after row.

use super::super::memory::Real;
use super::super::sweep::CHUNK;
use super::values::Entries;
use super::{Cost, Form, Look, chunk_entries, chunk_rows};
use crate::matrix::Csr;

/// Instructions per entry: two loads, a product, a sum, the loop.
const AN_ENTRY: f64 = 4.5;

/// Instructions per row: the processor rarely predicts the end of its loop.
const A_ROW: f64 = 24.0;

pub(super) struct Rows {
    /// For each chunk, rows + 1 offsets from its first entry: 32 bits suffice for any number of entries.
    offsets: Vec<u32>,
}

impl Form for Rows {
    const ID: &'static str = "rows";
    const LIGHT: bool = true;

    fn least(look: &Look) -> Cost {
        let (n, nnz) = (look.a.rows() as f64, look.a.nnz() as f64);
        Cost { values: look.a.nnz(), bytes: 4.0 * (nnz + n), instructions: AN_ENTRY * nnz + A_ROW * n }
    }

    fn new(look: &Look) -> Self {
        let a = look.a;
        let chunks = a.rows().div_ceil(CHUNK);
        let mut offsets = Vec::with_capacity(a.rows() + chunks);
        for c in 0..chunks {
            let rows = chunk_rows(a, c);
            let start = a.row_ptr()[rows.start];
            offsets.extend(a.row_ptr()[rows.start..=rows.end].iter().map(|&p| (p - start) as u32));
        }
        Self { offsets }
    }

    fn bytes(&self, a: &Csr) -> u64 {
        4 * (a.nnz() + self.offsets.len()) as u64
    }

    fn describe(&self, _: &Csr) -> String {
        "rows (CSR), 32-bit columns".into()
    }

    fn visit(&self, a: &Csr, c: usize, each: impl FnMut(usize)) {
        chunk_entries(a, c).for_each(each);
    }

    #[inline(always)]
    unsafe fn product<T: Real, V: Entries<T>>(&self, a: &Csr, c: usize, y: &mut [T], x: &[T], values: V) {
        let start = c * (CHUNK + 1);
        let offsets = &self.offsets[start..=start + y.len()];
        let columns = &a.columns()[chunk_entries(a, c)];
        let mut start = offsets[0] as usize;
        for (y, &end) in y.iter_mut().zip(&offsets[1..]) {
            let end = end as usize;
            let mut sum = T::default();
            for k in start..end {
                // SAFETY: offsets ascend and end with the entries of the chunk; the columns are those of the checked
                // matrix, and x is as long as it has columns.
                unsafe {
                    let j = *columns.get_unchecked(k) as usize;
                    sum = T::mul_add(values.get(k), *x.get_unchecked(j), sum);
                }
            }
            *y = sum;
            start = end;
        }
    }
}
