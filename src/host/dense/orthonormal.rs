//! Orthonormalisation of a few long vectors on the host, by Gram–Schmidt done twice.

use crate::host::scale::{exponent, ldexp, norm2};

/// An orthonormal basis of the span of `vectors`; those that depend on earlier ones are left out.
pub(crate) fn orthonormal(vectors: impl IntoIterator<Item = Vec<f64>>) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = vec![];
    for mut w in vectors {
        let e = exponent(norm2(&w));
        w.iter_mut().for_each(|w| *w = ldexp(*w, -e));
        let before = norm2(&w);
        for _ in 0..2 {
            for v in &basis {
                let h: f64 = v.iter().zip(&w).map(|(a, b)| a * b).sum();
                w.iter_mut().zip(v).for_each(|(w, v)| *w -= h * v);
            }
        }
        let after = norm2(&w);
        if after > before * 1e-12 {
            w.iter_mut().for_each(|w| *w /= after);
            basis.push(w);
        }
    }
    basis
}

#[cfg(test)]
mod tests {
    use super::orthonormal;

    #[test]
    fn leaves_out_what_depends() {
        let basis = orthonormal([vec![1e300, 0.0, 0.0], vec![3.0, 0.0, 0.0], vec![1.0, 2.0, 0.0], vec![0.0; 3]]);
        assert_eq!(basis, [vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0]]);
    }
}
