//! Numbers that belong to all of a vector, of which this process may hold a part only.

/// How maxima, sums and counts over this process's part become those over the whole. Where several ranks share a vector,
/// all of them call the same functions in the same order, and all get the same answer.
pub(crate) trait Whole: Send + Sync {
    /// The largest of all ranks' numbers, and NaN if one of them is.
    fn widest(&self, own: f64) -> f64 {
        own
    }

    /// Whether it holds on any rank.
    fn any(&self, own: bool) -> bool {
        own
    }

    /// The sum of all ranks' numbers, in their order.
    fn sum(&self, own: &[f64]) -> f64 {
        own.iter().sum()
    }

    /// The sum of a number of each rank.
    fn count(&self, own: usize) -> usize {
        own
    }

    /// How many entries of the vector come before this process's.
    fn first(&self) -> usize {
        0
    }
}

/// The part is the whole.
pub(crate) struct Alone;

impl Whole for Alone {}
