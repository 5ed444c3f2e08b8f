//! Runs whose rows share their values too: neither columns nor values are stored. Patterns may be periodic: with two or
//! three unknowns per grid point, row i looks like row i − 2 or i − 3.

use super::super::memory::Real;
use super::super::sweep::CHUNK;
use super::runs::{A_RUN, AN_ENTRY, table_bytes, text};
use super::values::Entries;
use super::{Cost, Form, LANES, Look, MOST_TURNS};
use crate::matrix::Csr;
use crate::matrix::format::{Runs, Starts};

pub(super) struct ConstantRuns {
    runs: Runs,
    /// [`width`] values per offset.
    values: Vec<f64>,
}

/// Values stored per offset for this `period`: a multiple of the period and of the vector length.
const fn width(period: usize) -> usize {
    match period {
        1 => 1,
        2 => LANES,
        _ => 3 * LANES,
    }
}

/// Instructions per entry of rows computed one by one: the first and last rows of periodic runs.
const A_LONE_ENTRY: f64 = 4.0;

/// The smallest period that gives long runs, and these; `None` if there is none.
fn turns<'a>(look: &'a Look) -> Option<(usize, &'a Starts)> {
    (1..=MOST_TURNS).find_map(|period| Some((period, look.runs(period, true)?)))
}

impl Form for ConstantRuns {
    const ID: &'static str = "constant runs";
    const LIGHT: bool = true;

    fn least(look: &Look) -> Cost {
        Cost { values: 0, bytes: 0.0, instructions: AN_ENTRY * look.a.nnz() as f64 }
    }

    fn cost(look: &Look) -> Option<Cost> {
        let (period, runs) = turns(look).map(|(period, starts)| (period, starts.count()))?;
        // In periodic runs, zeros fill offsets that only some of the rows have.
        let places = look.a.nnz() as f64 * (1.0 + 0.5 * (period - 1) as f64);
        let lone = look.a.nnz() as f64 / look.a.rows() as f64 * (runs * (period - 1)) as f64;
        let instructions = AN_ENTRY * places + A_RUN * runs as f64 + A_LONE_ENTRY * lone;
        Some(Cost { values: 0, bytes: 12.0 * runs as f64, instructions })
    }

    fn new(look: &Look) -> Self {
        let (period, starts) = turns(look).expect("cost was asked for");
        let mut runs = Runs::new(look.a, starts);
        let mut values = std::mem::take(&mut runs.values);
        if period > 1 {
            let repeated = |turn: &[f64]| turn.iter().copied().cycle().take(width(period)).collect::<Vec<_>>();
            values = values.chunks(period).flat_map(repeated).collect();
        }
        Self { runs, values }
    }

    fn bytes(&self, _: &Csr) -> u64 {
        table_bytes(&self.runs)
    }

    fn describe(&self, a: &Csr) -> String {
        let text = text(&self.runs, a.rows());
        if self.runs.period == 1 { text } else { format!("{text}, {} rows taking turns", self.runs.period) }
    }

    fn shared(&self) -> Option<&[f64]> {
        Some(&self.values)
    }

    fn visit(&self, _: &Csr, _: usize, _: impl FnMut(usize)) {
        unreachable!("no entry has a value of its own")
    }

    unsafe fn product<T: Real, V: Entries<T>>(&self, _: &Csr, _: usize, _: &mut [T], _: &[T], _: V) {
        unreachable!("no entry has a value of its own")
    }

    #[inline(always)]
    unsafe fn shared_product<T: Real>(&self, c: usize, y: &mut [T], x: &[T], values: &[T]) {
        for run in self.runs.of_chunk(c) {
            let pattern = self.runs.pattern(run);
            let offsets = &self.runs.offsets[pattern.clone()];
            let first = run.first as usize;
            let y = &mut y[first..first + run.rows as usize];
            let row = (c * CHUNK + first) as i64;
            let width = width(self.runs.period);
            let values = &values[pattern.start * width..pattern.end * width];
            // SAFETY: row + offset is a column of the matrix for every row of the run that has the entry.
            unsafe {
                match self.runs.period {
                    1 => alike(y, row, offsets, values, x),
                    2 => in_turns::<T, 2, LANES, { 2 * LANES }, LANES>(y, row, offsets, values, x),
                    _ => in_turns::<T, 3, { 3 * LANES }, { 3 * LANES }, { 3 * LANES / 2 }>(y, row, offsets, values, x),
                }
            }
        }
    }
}

/// A run whose rows are all alike.
///
/// # Safety
/// row + i + offset lies within x for every row i of y and offset.
#[inline(always)]
unsafe fn alike<T: Real>(y: &mut [T], row: i64, offsets: &[i64], values: &[T], x: &[T]) {
    // SAFETY: by the caller's word.
    unsafe {
        let mut i = 0;
        while i + 2 * LANES <= y.len() {
            block::<T, 1, { 2 * LANES }>(&mut y[i..], row + i as i64, offsets, values, x);
            i += 2 * LANES;
        }
        if y.len() >= LANES {
            // Some of the last rows may be computed twice, to the same bits.
            while i < y.len() {
                i = i.min(y.len() - LANES);
                block::<T, 1, LANES>(&mut y[i..], row + i as i64, offsets, values, x);
                i += LANES;
            }
        }
        while i < y.len() {
            block::<T, 1, 1>(&mut y[i..], row + i as i64, offsets, values, x);
            i += 1;
        }
    }
}

/// A run with period P, with W values per offset, in blocks of B rows, then of S, then of P.
///
/// # Safety
/// row + i + offset lies within x for every row i of y and offset at which the row has an entry.
#[inline(always)]
unsafe fn in_turns<T: Real, const P: usize, const W: usize, const B: usize, const S: usize>(
    y: &mut [T],
    row: i64,
    offsets: &[i64],
    values: &[T],
    x: &[T],
) {
    let (Some(least), Some(most)) = (offsets.first(), offsets.last()) else { return y.fill(T::default()) };
    // Rows for which even the offsets without an entry are within x.
    let low = (-(row + least)).max(0) as usize;
    let low = low.next_multiple_of(P).min(y.len());
    let high = (x.len() as i64 - row - most).clamp(low as i64, y.len() as i64) as usize;
    // SAFETY: by the caller's word, and by the bounds above.
    unsafe {
        let mut i = low;
        while i + B <= high {
            block::<T, W, B>(&mut y[i..], row + i as i64, offsets, values, x);
            i += B;
        }
        if low + S <= high {
            // Some of the last rows may be computed twice, to the same bits.
            let end = low + (high - low) / P * P;
            while i < end {
                i = i.min(end - S);
                block::<T, W, S>(&mut y[i..], row + i as i64, offsets, values, x);
                i += S;
            }
        }
        while i + P <= high {
            block::<T, W, P>(&mut y[i..], row + i as i64, offsets, values, x);
            i += P;
        }
        for i in (0..low).chain(i..y.len()) {
            let mut sum = T::default();
            for (k, &offset) in offsets.iter().enumerate() {
                let value = values[k * W + i % P];
                if value.to_f64() != 0.0 {
                    sum = T::mul_add(value, *x.get_unchecked((row + i as i64 + offset) as usize), sum);
                }
            }
            y[i] = sum;
        }
    }
}

/// B rows of a run at once, with W values per offset.
///
/// # Safety
/// row + l + offset lies within x for every l < B and offset.
#[inline(always)]
unsafe fn block<T: Real, const W: usize, const B: usize>(
    y: &mut [T],
    row: i64,
    offsets: &[i64],
    values: &[T],
    x: &[T],
) {
    let mut sums = [T::default(); B];
    for (&offset, turn) in offsets.iter().zip(values.as_chunks::<W>().0) {
        // SAFETY: by the caller's word.
        unsafe {
            let x = x.as_ptr().offset((row + offset) as isize);
            for l in 0..B {
                sums[l] = T::mul_add(turn[l % W], *x.add(l), sums[l]);
            }
        }
    }
    y[..B].copy_from_slice(&sums);
}
