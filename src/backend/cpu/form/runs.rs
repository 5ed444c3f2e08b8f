//! Runs: consecutive rows with the same pattern of offsets column − row, as stencils on grids have them. No columns are
//! stored.

use super::super::memory::Real;
use super::super::sweep::CHUNK;
use super::values::Entries;
use super::{Cost, Form, LANES, Look};
use crate::matrix::Csr;
use crate::matrix::format::Runs;

/// Mean rows per run from which runs are worth their loop.
pub(super) const RUN_ROWS: usize = 8;

/// Instructions per entry: a vector product and sum of four or eight entries, and the loads.
pub(super) const AN_ENTRY: f64 = 1.0;

/// Instructions per run.
pub(super) const A_RUN: f64 = 40.0;

/// Bytes that the patterns and the list of runs take.
pub(super) fn table_bytes(runs: &Runs) -> u64 {
    let tables = runs.chunk_start.len() + runs.offsets.len() + runs.pattern_start.len();
    (size_of_val(&runs.runs[..]) + 8 * tables) as u64
}

/// Description of the runs.
pub(super) fn text(runs: &Runs, rows: usize) -> String {
    format!(
        "runs of rows with equal offsets ({} runs of {:.0} rows on average, {} patterns), no columns",
        runs.runs.len(),
        rows as f64 / runs.runs.len().max(1) as f64,
        runs.patterns()
    )
}

/// Runs with one stored value per entry.
pub(super) struct VaryingRuns(Runs);

impl Form for VaryingRuns {
    const ID: &'static str = "runs";
    const LIGHT: bool = true;

    fn least(look: &Look) -> Cost {
        let nnz = look.a.nnz();
        Cost { values: nnz, bytes: 0.0, instructions: AN_ENTRY * nnz as f64 }
    }

    fn cost(look: &Look) -> Option<Cost> {
        let (runs, least) = (look.runs(1, false)?.count() as f64, Self::least(look));
        Some(Cost { bytes: 12.0 * runs, instructions: least.instructions + A_RUN * runs, ..least })
    }

    fn new(look: &Look) -> Self {
        Self(Runs::new(look.a, look.runs(1, false).expect("cost was asked for")))
    }

    fn bytes(&self, _: &Csr) -> u64 {
        table_bytes(&self.0)
    }

    fn describe(&self, a: &Csr) -> String {
        text(&self.0, a.rows())
    }

    /// Eight rows at a time, offset by offset; the rest of a run row by row.
    #[inline(always)]
    fn visit(&self, a: &Csr, c: usize, mut each: impl FnMut(usize)) {
        let ptr = a.row_ptr();
        for run in self.0.of_chunk(c) {
            let first = c * CHUNK + run.first as usize;
            let whole = run.rows as usize / LANES * LANES;
            let width = ptr[first + 1] - ptr[first];
            for block in (first..first + whole).step_by(LANES) {
                for k in 0..width {
                    ptr[block..block + LANES].iter().for_each(|start| each(start + k));
                }
            }
            (ptr[first + whole]..ptr[first + run.rows as usize]).for_each(&mut each);
        }
    }

    #[inline(always)]
    unsafe fn product<T: Real, V: Entries<T>>(&self, _: &Csr, c: usize, y: &mut [T], x: &[T], values: V) {
        let mut values = values;
        for run in self.0.of_chunk(c) {
            let offsets = &self.0.offsets[self.0.pattern(run)];
            let first = run.first as usize;
            let y = &mut y[first..first + run.rows as usize];
            let row = (c * CHUNK + first) as i64;
            let mine;
            (mine, values) = values.split(offsets.len() * y.len());
            // SAFETY: row + offset is a column of the matrix for every row of the run, and `mine` holds its
            // entries as `visit` lists them.
            unsafe {
                let mut k = 0;
                let mut i = 0;
                while i + LANES <= y.len() {
                    let mut sums = [T::default(); LANES];
                    for &offset in offsets {
                        let at = x.as_ptr().offset((row + i as i64 + offset) as isize);
                        for l in 0..LANES {
                            sums[l] = T::mul_add(mine.get(k + l), *at.add(l), sums[l]);
                        }
                        k += LANES;
                    }
                    y[i..i + LANES].copy_from_slice(&sums);
                    i += LANES;
                }
                while i < y.len() {
                    let mut sum = T::default();
                    for &offset in offsets {
                        let at = x.as_ptr().offset((row + i as i64 + offset) as isize);
                        sum = T::mul_add(mine.get(k), *at, sum);
                        k += 1;
                    }
                    y[i] = sum;
                    i += 1;
                }
            }
        }
    }
}
