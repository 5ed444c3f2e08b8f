//! Sums with columns of a basis and updates by them, for one vector or two: of two, every column is loaded once.

use super::super::kernels;
use super::super::memory::{Real, Shared};
use super::sum_up;

/// ⟨v_j, w⟩ for all columns.
pub(super) struct Projection {
    pub(super) columns: Vec<Shared>,
    /// w, and where its sums go.
    pub(super) first: (Shared, usize),
    /// Another one.
    pub(super) second: Option<(Shared, usize)>,
}

/// w += Σ c_j v_j.
pub(super) struct Update {
    pub(super) columns: Vec<(f64, Shared)>,
    pub(super) first: Shared,
    /// Another w and its coefficients.
    pub(super) second: Option<(Shared, Vec<f64>)>,
}

impl Projection {
    /// # Safety
    /// As [`run`](super::run).
    #[inline(always)]
    pub(super) unsafe fn run<T: Real>(&self, lo: usize, hi: usize, partials: &mut [f64]) {
        // SAFETY: read-only views of this thread's own entries.
        unsafe {
            let (w, at): (&[T], usize) = (self.first.0.chunk(lo, hi), self.first.1);
            if let Some((u, other)) = self.second {
                let u: &[T] = u.chunk(lo, hi);
                let pairs = self.columns.chunks_exact(2);
                if let [v] = pairs.remainder() {
                    let k = self.columns.len() - 1;
                    let [a, b] = kernels::dots_pair::<T, 1>([v.chunk(lo, hi)], [w, u]);
                    [partials[at + k], partials[other + k]] = [a[0], b[0]];
                }
                for (k, v) in pairs.enumerate() {
                    let [a, b] = kernels::dots_pair::<T, 2>([v[0].chunk(lo, hi), v[1].chunk(lo, hi)], [w, u]);
                    partials[at + 2 * k..][..2].copy_from_slice(&a);
                    partials[other + 2 * k..][..2].copy_from_slice(&b);
                }
                return;
            }
            let quads = self.columns.chunks_exact(4);
            let (rest, left) = (quads.remainder(), at + self.columns.len() / 4 * 4);
            for (k, v) in quads.enumerate() {
                let v: [&[T]; 4] = std::array::from_fn(|k| v[k].chunk(lo, hi));
                partials[at + 4 * k..][..4].copy_from_slice(&kernels::dots::<T, T, 4>(v, w));
            }
            for (k, v) in rest.iter().enumerate() {
                [partials[left + k]] = kernels::dots::<T, T, 1>([v.chunk(lo, hi)], w);
            }
        }
    }
}

impl Update {
    /// Whether the same update of `w` may be its second.
    pub(super) fn joins(&self, w: Shared, columns: impl Iterator<Item = Shared>) -> bool {
        self.second.is_none() && self.first != w && columns.eq(self.columns.iter().map(|c| c.1))
    }

    /// # Safety
    /// As [`run`](super::run).
    #[inline(always)]
    pub(super) unsafe fn run<T: Real>(&self, lo: usize, hi: usize) {
        // SAFETY: the columns are not among the vectors written, and these are two vectors.
        unsafe {
            let w: &mut [T] = self.first.chunk_mut(lo, hi);
            let Some((u, coefficients)) = &self.second else {
                return sum_up(w, Some(1.0), &self.columns, lo, hi);
            };
            let u: &mut [T] = u.chunk_mut(lo, hi);
            for (v, c) in self.columns.chunks(4).zip(coefficients.chunks(4)) {
                if let ([v0, v1, v2, v3], [c0, c1, c2, c3]) = (v, c) {
                    let a = [v0.0, v1.0, v2.0, v3.0].map(T::from_f64);
                    let b = [*c0, *c1, *c2, *c3].map(T::from_f64);
                    let x = [v0.1, v1.1, v2.1, v3.1].map(|v| v.chunk(lo, hi));
                    kernels::update_pair([&mut *w, &mut *u], [a, b], x);
                } else {
                    for ((a, v), b) in v.iter().zip(c) {
                        let factors = [[T::from_f64(*a)], [T::from_f64(*b)]];
                        kernels::update_pair([&mut *w, &mut *u], factors, [v.chunk(lo, hi)]);
                    }
                }
            }
        }
    }
}
