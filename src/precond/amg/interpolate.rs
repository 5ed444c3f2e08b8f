//! Prolongations: constants on the aggregates, smoothed once.

use super::aggregate::ALONE;
use super::strength::Strength;
use crate::matrix::Csr;
use rayon::prelude::*;

/// What interpolation reproduces on an aggregate, besides which row belongs where. This is the seam for more
/// near-null vectors (rigid-body modes): a tentative prolongation with k columns an aggregate.
pub(super) fn constants(of: &[u32], count: usize) -> Csr {
    let mut row_ptr = Vec::with_capacity(of.len() + 1);
    row_ptr.push(0);
    let mut stored = 0;
    row_ptr.extend(of.iter().map(|&g| {
        stored += usize::from(g != ALONE);
        stored
    }));
    let columns: Vec<u32> = of.iter().copied().filter(|&g| g != ALONE).collect();
    let values = vec![1.0; columns.len()];
    Csr::trusted(of.len(), count, row_ptr, columns, values)
}

/// P = (I − ω D_f⁻¹ A_f) T with ω = (4/3)/λ: one step of damped Jacobi on the filtered matrix A_f, whose weak
/// entries are dropped and added to the diagonal, so that A_f 1 = A 1. `rho` ≥ λmax(D⁻¹A) for the unfiltered A.
///
/// Vaněk, Mandel and Brezina 1996, doi:10.1007/BF02238511. Cost: two passes over A.
pub(super) fn smooth(a: &Csr, strength: &Strength, tentative: &Csr, rho: f64) -> Csr {
    let n = a.rows();
    // 1/d of the filtered matrix, and its Gershgorin sum.
    let filtered: Vec<(f64, f64, f64)> = (0..n)
        .into_par_iter()
        .with_min_len(1024)
        .map(|i| {
            let (columns, values) = a.row(i);
            let (mut d, mut whole, mut sum) = (0.0, 0.0, 0.0);
            for ((&j, &v), &strong) in columns.iter().zip(values).zip(strength.flags(a, i)) {
                if j as usize == i {
                    d += v;
                    whole = v;
                } else if strong {
                    sum += v.abs();
                } else {
                    d += v;
                }
            }
            // Lumping may wipe the diagonal out where entries have mixed signs: keep the whole one then.
            if d.abs() < 0.1 * whole.abs() || d * whole < 0.0 {
                d = whole;
            }
            if d == 0.0 { (0.0, 0.0, 0.0) } else { (1.0 / d, 1.0 + sum / d.abs(), (whole / d).abs()) }
        })
        .collect();
    let bound = filtered.iter().fold(0.0f64, |m, f| m.max(f.1));
    let stretch = filtered.iter().fold(1.0f64, |m, f| m.max(f.2));
    let omega = 4.0 / 3.0 / bound.min(rho * stretch).max(f64::MIN_POSITIVE);

    let blocks: Vec<(Vec<usize>, Vec<u32>, Vec<f64>)> = (0..n.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let rows = block * BLOCK..((block + 1) * BLOCK).min(n);
            let (mut lengths, mut columns, mut values) = (Vec::with_capacity(BLOCK), vec![], vec![]);
            let mut row: Vec<(u32, f64)> = vec![];
            for i in rows {
                row.clear();
                let mut add = |j: usize, c: f64| {
                    let (gs, vs) = tentative.row(j);
                    for (&g, &v) in gs.iter().zip(vs) {
                        match row.iter_mut().find(|e| e.0 == g) {
                            Some(e) => e.1 += c * v,
                            None => row.push((g, c * v)),
                        }
                    }
                };
                // The diagonal of I − ω D_f⁻¹ A_f is 1 − ω; a row that is alone interpolates nothing.
                if tentative.row(i).0.is_empty() {
                    lengths.push(0);
                    continue;
                }
                let scale = omega * filtered[i].0;
                add(i, if scale == 0.0 { 1.0 } else { 1.0 - omega });
                let (cs, vs) = a.row(i);
                for ((&j, &v), &strong) in cs.iter().zip(vs).zip(strength.flags(a, i)) {
                    if strong {
                        add(j as usize, -scale * v);
                    }
                }
                row.sort_unstable_by_key(|e| e.0);
                lengths.push(row.len());
                columns.extend(row.iter().map(|e| e.0));
                values.extend(row.iter().map(|e| e.1));
            }
            (lengths, columns, values)
        })
        .collect();
    super::galerkin::join(n, tentative.cols(), blocks)
}

const BLOCK: usize = 4096;
