//! Whether a matrix equals its transpose.

use super::csr::Csr;
use rayon::prelude::*;

impl Csr {
    /// The first entry (i, j) with |a_ij − a_ji| > `tolerance`·√|a_ii a_jj| (or > `tolerance`·max|a_ij|
    /// where a diagonal entry is zero), or `None` for a symmetric matrix.
    #[must_use]
    pub fn first_asymmetry(&self, tolerance: f64) -> Option<(usize, usize)> {
        if !self.is_square() {
            return Some((0, 0));
        }
        let diagonal = self.diagonal();
        let largest = crate::host::scale::largest(self.values());
        let differs = |i: usize, j: u32, d: f64| {
            // √|a_ii|·√|a_jj| and not √|a_ii a_jj|: the product can leave f64's range.
            let scale = diagonal[i].abs().sqrt() * diagonal[j as usize].abs().sqrt();
            d.abs() > tolerance * if scale > 0.0 { scale } else { largest }
        };
        if self.mirrored(differs) {
            return None;
        }
        let t = self.transpose();
        (0..self.rows()).into_par_iter().find_map_first(|i| {
            let ((ca, va), (ct, vt)) = (self.row(i), t.row(i));
            let (mut p, mut q) = (0, 0);
            while p < ca.len() || q < ct.len() {
                let cp = ca.get(p).copied().unwrap_or(u32::MAX);
                let cq = ct.get(q).copied().unwrap_or(u32::MAX);
                let j = cp.min(cq);
                let mut d = 0.0;
                if cp == j {
                    d += va[p];
                    p += 1;
                }
                if cq == j {
                    d -= vt[q];
                    q += 1;
                }
                if differs(i, j, d) {
                    return Some((i, j as usize));
                }
            }
            None
        })
    }

    /// True if every entry has a mirror entry that does not differ from it. Cost: a search of row j for each
    /// entry (i, j) above the diagonal, no memory.
    pub(super) fn mirrored(&self, differs: impl Fn(usize, u32, f64) -> bool + Sync) -> bool {
        const BLOCK: usize = 1 << 12;
        // Counts a block's entries above and below the diagonal: if the totals agree, only those above need a check.
        let count = |block: usize| {
            let (mut above, mut below) = (0, 0);
            for i in block * BLOCK..self.rows().min((block + 1) * BLOCK) {
                let (columns, values) = self.row(i);
                for (&j, v) in columns.iter().zip(values) {
                    if (j as usize) < i {
                        below += 1;
                    } else if j as usize > i {
                        above += 1;
                        let (across, partners) = self.row(j as usize);
                        let d = v - partners[across.binary_search(&(i as u32)).ok()?];
                        if d != 0.0 && differs(i, j, d) {
                            return None;
                        }
                    }
                }
            }
            Some((above, below))
        };
        let add = |a: (usize, usize), b: (usize, usize)| Some((a.0 + b.0, a.1 + b.1));
        let counts = (0..self.rows().div_ceil(BLOCK)).into_par_iter().map(count).try_reduce(|| (0, 0), add);
        counts.is_some_and(|(above, below)| above == below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Triplets;

    #[test]
    fn the_first_asymmetry_is_named_on_either_side_of_the_diagonal() {
        let of = |entries: &[(usize, usize, f64)]| {
            let mut t = Triplets::new(4, 4).unwrap();
            entries.iter().for_each(|&(i, j, v)| t.push(i, j, v).unwrap());
            t.to_csr().unwrap().first_asymmetry(1e-12)
        };
        let pair = [(0, 0, 1.0), (1, 3, 2.0), (3, 1, 2.0), (2, 2, 1.0)];
        assert_eq!(of(&pair), None);
        // Above alone, below alone, and a pair that differs: by much, and within the tolerance.
        assert_eq!(of(&[&pair[..], &[(0, 2, 1.0)]].concat()), Some((0, 2)));
        assert_eq!(of(&[&pair[..], &[(2, 0, 1.0)]].concat()), Some((0, 2)));
        assert_eq!(of(&[&pair[..], &[(1, 2, 5.0), (2, 1, 4.0)]].concat()), Some((1, 2)));
        assert_eq!(of(&[&pair[..], &[(0, 2, 1.0), (2, 0, 1.0 + 1e-13)]].concat()), None);
        // A stored zero needs no mirror entry.
        assert_eq!(of(&[&pair[..], &[(2, 0, 0.0)]].concat()), None);
        let wide = Csr::new(2, 3, vec![0, 1, 2], vec![0, 1], vec![1.0; 2]).unwrap();
        assert_eq!(wide.first_asymmetry(0.0), Some((0, 0)));
    }
}
