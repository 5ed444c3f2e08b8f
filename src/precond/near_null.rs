//! Near-null vectors: A almost maps them to zero and a smoother hardly reduces them, so coarse levels must hold them.
//!
//! The constants for a scalar elliptic equation; translations and rotations, the rigid-body modes, for elasticity.

use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix};

/// Vectors that coarse levels must represent, and the number of unknowns per node.
#[derive(Clone, Debug, PartialEq)]
pub struct NearNull {
    block: usize,
    vectors: Vec<Vec<f64>>,
}

/// Maximum number of near-null vectors: a coarse level has as many unknowns per node.
const MOST: usize = 12;

impl NearNull {
    /// These vectors, for a matrix whose rows are ordered node by node, `block` of them per node.
    ///
    /// # Errors
    /// No vector or more than 12, lengths that differ or that `block` does not divide, numbers that are not finite, a
    /// vector of zeros.
    pub fn new(block: usize, vectors: Vec<Vec<f64>>) -> Result<Self> {
        if vectors.is_empty() || vectors.len() > MOST {
            return Err(Error::input(format!("{} near-null vectors; 1 to {MOST} are possible", vectors.len())));
        }
        let n = vectors[0].len();
        if block == 0 || !n.is_multiple_of(block) {
            return Err(Error::input(format!(
                "near-null vectors of {n} entries are not a multiple of {block} unknowns per node"
            )));
        }
        for (k, v) in vectors.iter().enumerate() {
            if v.len() != n {
                return Err(Error::input(format!("near-null vector {k} has {} entries, the first {n}", v.len())));
            }
            if !v.iter().all(|x| x.is_finite()) || n > 0 && v.iter().all(|&x| x == 0.0) {
                return Err(Error::input(format!("near-null vector {k} is zero or not finite")));
            }
        }
        Ok(Self { block, vectors })
    }

    /// Translations and rotations of points in D dimensions, D unknowns per node: 1, 3 and 6 vectors for D = 1, 2, 3.
    ///
    /// # Errors
    /// Coordinates that are not finite, more than three dimensions, no points.
    pub fn rigid_body_modes<const D: usize>(points: &[[f64; D]]) -> Result<Self> {
        if !(1..=3).contains(&D) {
            return Err(Error::input(format!("coordinates have {D} dimensions; 1 to 3 are possible")));
        }
        if !points.iter().flatten().all(|x| x.is_finite()) {
            return Err(Error::input("a coordinate is not finite"));
        }
        // About the centre and in units of the extent: rotations get the size of translations, and differ from them.
        let mut middle = [0.0; D];
        points.iter().for_each(|p| (0..D).for_each(|d| middle[d] += p[d] / points.len() as f64));
        let extent = points.iter().flat_map(|p| (0..D).map(|d| (p[d] - middle[d]).abs())).fold(0.0, f64::max);
        let unit = if extent > 0.0 { extent } else { 1.0 };
        let mut vectors = vec![];
        for d in 0..D {
            vectors.push((0..points.len() * D).map(|i| f64::from(u8::from(i % D == d))).collect());
        }
        // Rotation in the plane (d, e): u_d = −x_e, u_e = x_d. A single point has none.
        for (d, e) in [(0, 1), (1, 2), (0, 2)].into_iter().filter(|p| p.1 < D && extent > 0.0) {
            let mut v = vec![0.0; points.len() * D];
            for (i, p) in points.iter().enumerate() {
                v[i * D + d] = -(p[e] - middle[e]) / unit;
                v[i * D + e] = (p[d] - middle[d]) / unit;
            }
            if v.iter().any(|&x| x != 0.0) {
                vectors.push(v);
            }
        }
        Self::new(D, vectors)
    }

    /// Finds that ranks that share `a` have parts of other vectors. All of them call this together.
    pub(crate) fn check_parts(modes: Option<&Self>, a: &Matrix) -> Result<()> {
        let Some(a) = a.parted() else { return Ok(()) };
        let own = modes.map_or([0, 0], |m| [m.vectors.len() as u64, m.block as u64]);
        let told: Vec<u64> = a.ranks.gather(&own)?;
        match told.chunks(2).position(|t| t != &told[..2]) {
            None => Ok(()),
            Some(p) => Err(Error::input(format!(
                "rank 0 has {} near-null vectors in blocks of {}, rank {p} {} in blocks of {}; they must be parts of the same \
                 vectors",
                told[0],
                told[1],
                told[2 * p],
                told[2 * p + 1]
            ))),
        }
    }

    /// The same space after a change of variables that keeps the order of the rows.
    pub(crate) fn changed(&self, change: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        Self { block: self.block, vectors: self.vectors.iter().map(|v| change(v)).collect() }
    }

    /// [`NearNull::rigid_body_modes`] of points that are the rows of a matrix, as files hold them.
    ///
    /// # Errors
    /// As [`NearNull::rigid_body_modes`].
    pub fn from_coordinates(points: &Csr) -> Result<Self> {
        fn rows<const D: usize>(points: &Csr) -> Vec<[f64; D]> {
            (0..points.rows()).map(|i| std::array::from_fn(|d| points.get(i, d))).collect()
        }
        match points.cols() {
            1 => Self::rigid_body_modes(&rows::<1>(points)),
            2 => Self::rigid_body_modes(&rows::<2>(points)),
            3 => Self::rigid_body_modes(&rows::<3>(points)),
            d => Err(Error::input(format!("coordinates have {d} columns; 1 to 3 are possible, a row a node"))),
        }
    }

    /// Vectors that are the columns of a matrix, as files hold them.
    ///
    /// # Errors
    /// As [`NearNull::new`].
    pub fn from_columns(block: usize, columns: &Csr) -> Result<Self> {
        let column = |j: usize| (0..columns.rows()).map(|i| columns.get(i, j)).collect();
        Self::new(block, (0..columns.cols().min(MOST + 1)).map(column).collect())
    }

    /// Unknowns per node.
    #[must_use]
    pub fn block(&self) -> usize {
        self.block
    }

    /// The vectors.
    #[must_use]
    pub fn vectors(&self) -> &[Vec<f64>] {
        &self.vectors
    }

    /// Entries of each.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.vectors[0].len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn elasticity_without_supports_maps_them_to_zero() {
        let (a, points) = gallery::elasticity2d([6, 5], 0.3, false);
        let modes = NearNull::rigid_body_modes(&points).unwrap();
        assert_eq!((modes.vectors().len(), modes.block()), (3, 2));
        let (solid, places) = gallery::elasticity3d([4, 3, 5], 0.3, false);
        let rigid = NearNull::rigid_body_modes(&places).unwrap();
        assert_eq!((rigid.vectors().len(), rigid.block()), (6, 3));
        for (a, modes) in [(a, modes), (solid, rigid)] {
            for v in modes.vectors() {
                assert!(a.multiply(v).iter().all(|x| x.abs() < 1e-13), "{:?}", a.multiply(v));
            }
        }
    }

    #[test]
    fn faults_are_named() {
        assert!(NearNull::new(2, vec![vec![1.0; 3]]).is_err());
        assert!(NearNull::new(1, vec![]).is_err());
        assert!(NearNull::new(1, vec![vec![0.0; 3]]).is_err());
        assert!(NearNull::new(1, vec![vec![1.0; 3], vec![1.0; 2]]).is_err());
        assert!(NearNull::rigid_body_modes(&[[f64::NAN, 0.0]]).is_err());
        assert_eq!(NearNull::rigid_body_modes(&[[1.0, 2.0]]).unwrap().vectors().len(), 2);
    }
}
