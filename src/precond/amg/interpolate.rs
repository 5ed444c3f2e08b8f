//! Prolongations: near-null vectors restricted to the aggregates, orthonormalised there and smoothed once.

use super::aggregate::ALONE;
use super::galerkin;
use super::strength::Strength;
use crate::error::Result;
use crate::host::halt::Halt;
use crate::host::scale::larger;
use crate::host::whole::Whole;
use crate::matrix::Csr;
use rayon::prelude::*;

/// Constants on the aggregates: one entry 1 per row.
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

/// A near-null vector whose remainder is below this fraction of its norm on the aggregate depends on those before it.
const DEPENDENT: f64 = 1e-10;

/// T and the coarse vectors B_c with T B_c = B on all nodes that have an aggregate: Q and R of B on each aggregate
/// (Vaněk, Mandel and Brezina 1996). `of` is by node, with `block` rows per node; each aggregate is one coarse node
/// with a row for each vector. If a vector depends on others on a small aggregate, its column is left empty.
///
/// Cost: 4 k² multiplications per row for k vectors.
///
/// # Errors
/// Where `halt` calls.
pub(super) fn tentative(
    of: &[u32],
    count: usize,
    block: usize,
    vectors: &[Vec<f64>],
    halt: &Halt,
) -> Result<(Csr, Vec<Vec<f64>>)> {
    let k = vectors.len();
    let mut start = vec![0usize; count + 1];
    of.iter().filter(|g| **g != ALONE).for_each(|&g| start[g as usize + 1] += 1);
    (0..count).for_each(|g| start[g + 1] += start[g]);
    let mut next = start.clone();
    // The nodes by aggregate, and the position of each within its own.
    let (mut nodes, mut place) = (vec![0u32; start[count]], vec![0; of.len()]);
    for (i, &g) in of.iter().enumerate().filter(|e| *e.1 != ALONE) {
        nodes[next[g as usize]] = i as u32;
        place[i] = next[g as usize] - start[g as usize];
        next[g as usize] += 1;
    }
    let factored: Vec<(Vec<f64>, Vec<f64>)> = (0..count)
        .into_par_iter()
        .with_min_len(64)
        .map(|g| {
            let rows =
                nodes[start[g]..start[g + 1]].iter().flat_map(|&i| (0..block).map(move |c| i as usize * block + c));
            let local: Vec<f64> = vectors.iter().flat_map(|v| rows.clone().map(|i| v[i])).collect();
            orthonormalise(local, k)
        })
        .collect();
    let mut coarse = vec![vec![0.0; count * k]; k];
    for (g, (_, r)) in factored.iter().enumerate() {
        for j in 0..k {
            coarse[j][g * k..(g + 1) * k].copy_from_slice(&r[j * k..(j + 1) * k]);
        }
    }
    let t = galerkin::by_blocks(of.len() * block, count * k, |rows, (lengths, columns, values)| {
        for i in rows {
            halt.check_at(i)?;
            let before = columns.len();
            let (node, g) = (i / block, of[i / block] as usize);
            if of[node] != ALONE {
                let (q, m) = (&factored[g].0, (start[g + 1] - start[g]) * block);
                let own = (0..k).map(|j| q[j * m + place[node] * block + i % block]);
                for (j, v) in own.enumerate().filter(|e| e.1 != 0.0) {
                    columns.push((g * k + j) as u32);
                    values.push(v);
                }
            }
            lengths.push(columns.len() - before);
        }
        Ok(())
    })?;
    Ok((t, coarse))
}

/// Q, column by column, and R, column by column, of `k` columns by Gram–Schmidt done twice; a dependent column
/// is left at zero.
fn orthonormalise(mut q: Vec<f64>, k: usize) -> (Vec<f64>, Vec<f64>) {
    let m = q.len() / k;
    let mut r = vec![0.0; k * k];
    for j in 0..k {
        let (done, rest) = q.split_at_mut(j * m);
        let column = &mut rest[..m];
        let before = crate::host::scale::norm2(column);
        for _ in 0..2 {
            for (i, u) in done.chunks(m).enumerate() {
                let c: f64 = u.iter().zip(column.iter()).map(|(a, b)| a * b).sum();
                column.iter_mut().zip(u).for_each(|(v, u)| *v -= c * u);
                r[j * k + i] += c;
            }
        }
        let norm = crate::host::scale::norm2(column);
        if norm > DEPENDENT * before {
            column.iter_mut().for_each(|v| *v /= norm);
            r[j * k + j] = norm;
        } else {
            column.fill(0.0);
        }
    }
    (q, r)
}

/// P = (I − ω D⁻¹A) T with ω = (4/3)/λ: one step of damped Jacobi on A, or, given `strength`, on the filtered matrix
/// A_f, where entries weak for their row are dropped and added to the diagonal, so that A_f 1 = A 1: right for
/// constants, but not for other near-null vectors. `rho` ≥ λmax(D⁻¹A) for the unfiltered A.
///
/// Where ranks share A, these are a rank's rows, the diagonal of the first one in column `first`, and `tentative` has a row for
/// each of their columns.
///
/// Vaněk, Mandel and Brezina 1996, doi:10.1007/BF02238511. Cost: two passes over A.
///
/// # Errors
/// Where `halt` calls.
pub(super) fn smooth(
    a: &Csr,
    (first, whole): (usize, &dyn Whole),
    strength: Option<&Strength>,
    tentative: &Csr,
    rho: f64,
    halt: &Halt,
) -> Result<Csr> {
    let n = a.rows();
    // The entries of row i and whether they are kept as off-diagonal ones.
    let entries = |i: usize| {
        let (columns, values) = a.row(i);
        let flags = strength.map(|s| s.flags(a, i));
        columns.iter().zip(values).enumerate().map(move |(k, (&j, &v))| {
            let j = j as usize;
            (j, v, j != first + i && flags.is_none_or(|f| f[k].row))
        })
    };
    // 1/d of the filtered matrix, its scaled Gershgorin sum, and |a_ii / d|.
    let filtered: Vec<(f64, f64, f64)> = (0..n)
        .into_par_iter()
        .with_min_len(1024)
        .map(|i| {
            let (mut d, mut own, mut sum) = (0.0, 0.0, 0.0);
            for (j, v, strong) in entries(i) {
                if strong {
                    sum += v.abs();
                } else {
                    d += v;
                    own = if j == first + i { v } else { own };
                }
            }
            // Lumping may cancel the diagonal if entries have mixed signs: keep a_ii then.
            if d.abs() < 0.1 * own.abs() || d * own < 0.0 {
                d = own;
            }
            if d == 0.0 { (0.0, 0.0, 0.0) } else { (1.0 / d, 1.0 + sum / d.abs(), (own / d).abs()) }
        })
        .collect();
    let bound = whole.widest(filtered.iter().fold(0.0, |m, f| larger(m, f.1)));
    let stretch = whole.widest(filtered.iter().fold(1.0, |m, f| larger(m, f.2)));
    let omega = 4.0 / 3.0 / bound.min(rho * stretch).max(f64::MIN_POSITIVE);

    // Row i of I − ω D_f⁻¹ A_f, whose diagonal is 1 − ω; a row without aggregate interpolates nothing.
    let terms = |i: usize| {
        let scale = omega * filtered[i].0;
        let own = (first + i, if scale == 0.0 { 1.0 } else { 1.0 - omega });
        let neighbours = entries(i).filter(|e| e.2).map(move |(j, v, _)| (j, -scale * v));
        let alone = tentative.row(first + i).0.is_empty();
        std::iter::once(own).chain(neighbours).take(if alone { 0 } else { usize::MAX })
    };
    galerkin::combine(n, terms, tentative, halt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;

    #[test]
    fn tentative_reproduces_the_vectors_and_is_orthonormal() {
        // Nodes of two unknowns; aggregates of 3, 1 and 2 nodes, one node alone. Three vectors: the single node can't
        // tell the third from the others.
        let of = [0, 1, 0, ALONE, 2, 0, 2];
        let vectors: Vec<Vec<f64>> = (0..3).map(|s| Random::new(s).vector(14)).collect();
        let (t, coarse) = tentative(&of, 3, 2, &vectors, &Halt::default()).unwrap();
        assert_eq!((t.rows(), t.cols()), (14, 9));
        for (v, c) in vectors.iter().zip(&coarse) {
            let back = t.multiply(c);
            for i in 0..14 {
                let expected = if of[i / 2] == ALONE { 0.0 } else { v[i] };
                assert!((back[i] - expected).abs() < 1e-13, "row {i}");
            }
        }
        let columns = t.transpose();
        for i in 0..9 {
            for j in 0..9 {
                let dot: f64 = (0..14).map(|k| columns.get(i, k) * columns.get(j, k)).sum();
                let expected = f64::from(u8::from(i == j && i != 5));
                assert!((dot - expected).abs() < 1e-13, "({i}, {j}): {dot}");
            }
        }
    }
}
