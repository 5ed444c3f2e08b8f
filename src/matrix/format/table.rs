//! At most 256 distinct values and the index of each: a hash table with open addressing, because every entry of a large
//! matrix is looked up in it.

use super::scaled;
use crate::host::dtype::Dtype;
use rayon::prelude::*;

/// As many values as a byte can number.
const MOST: usize = 1 << u8::BITS;

/// A quarter full at most.
const SLOTS: usize = 4 * MOST;

const FREE: u16 = u16::MAX;

/// Distinct values, compared by their bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    values: Vec<f64>,
    /// The index of the value with this hash, or of one displaced from the slots before.
    slots: Box<[u16; SLOTS]>,
}

impl Table {
    fn empty() -> Self {
        Self { values: vec![], slots: Box::new([FREE; SLOTS]) }
    }

    /// A table of the values given, without duplicates; `None` if there are too many.
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut table = Self::empty();
        table.extend(values).then_some(table)
    }

    /// The distinct values·2^`exponent` as arithmetic in `dtype` sees them, in the order of their bits; `None` if
    /// there are more than a byte can number.
    pub(crate) fn of(values: &[f64], exponent: i32, dtype: Dtype) -> Option<Self> {
        // Most matrices have too many values: the first block shows this.
        let (first, rest) = values.split_at(values.len().min(1 << 14));
        let mut all = Self::new(first.iter().copied())?;
        let blocks = rest.par_chunks(1 << 16).map(|block| Self::new(block.iter().copied()));
        for block in blocks.collect::<Vec<_>>() {
            if !all.extend(block?.values) {
                return None;
            }
        }
        let mut seen: Vec<f64> = all.values.into_iter().map(scaled(exponent, dtype)).collect();
        seen.sort_unstable_by_key(|v| v.to_bits());
        Self::new(seen)
    }

    /// The values in the order of their indices.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The index of a value of the table.
    #[inline]
    pub(crate) fn place(&self, v: f64) -> u8 {
        self.slots[self.slot(v)] as u8
    }

    /// The slot where v is or would be.
    #[inline]
    fn slot(&self, v: f64) -> usize {
        // Fibonacci hashing; the table is never full.
        let mut slot = (v.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize % SLOTS;
        while self.values.get(self.slots[slot] as usize).is_some_and(|known| known.to_bits() != v.to_bits()) {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }

    /// Adds values; false if there are too many.
    fn extend(&mut self, values: impl IntoIterator<Item = f64>) -> bool {
        values.into_iter().all(|v| {
            let slot = self.slot(v);
            if self.slots[slot] == FREE {
                self.slots[slot] = self.values.len() as u16;
                self.values.push(v);
            }
            self.values.len() <= MOST
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_bounds() {
        let values: Vec<f64> = (0..256).map(|k| f64::from(k) / 3.0 - 40.0).chain([0.0, -0.0]).collect();
        let twice: Vec<f64> = (0..100_000).map(|k| values[k % 256]).collect();
        let table = Table::of(&twice, 1, Dtype::F64).unwrap();
        assert_eq!(table.values().len(), 256);
        assert!(table.values().windows(2).all(|w| w[0].to_bits() < w[1].to_bits()));
        assert!(twice.iter().all(|v| table.values()[table.place(2.0 * v) as usize].to_bits() == (2.0 * v).to_bits()));
        // One value too many, near the end.
        let many: Vec<f64> = twice.iter().copied().chain([0.5]).collect();
        assert!(Table::of(&many, 0, Dtype::F64).is_none());
        // Zeros of both signs are two values; what f32 can't tell apart is one.
        assert_eq!(Table::of(&values[256..], 0, Dtype::F64).unwrap().values().len(), 2);
        assert_eq!(Table::of(&[1.0, 1.0 + 1e-12], 0, Dtype::F32).unwrap().values(), [1.0]);
    }
}
