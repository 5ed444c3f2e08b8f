//! Ritz values from the coefficients of conjugate gradients: CG is equivalent to Lanczos, with
//! T = tridiag(√β_{j−1}/α_{j−1}, 1/α_j + β_{j−1}/α_{j−1}, √β_j/α_j) (Saad 2003, section 6.7.3).

/// The smallest and the largest Ritz value of A M after CG steps with these (α, β); `None` if the first
/// ones are not those of a definite A.
pub(crate) fn extremes(coefficients: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (mut diagonal, mut below): (Vec<f64>, Vec<f64>) = (vec![], vec![]);
    let mut carried = 0.0;
    for &(alpha, beta) in coefficients {
        if !(alpha > 0.0 && beta >= 0.0 && alpha.is_finite() && beta.is_finite()) {
            break;
        }
        diagonal.push(1.0 / alpha + carried);
        below.push(beta.sqrt() / alpha);
        carried = beta / alpha;
        if beta == 0.0 {
            break;
        }
    }
    let k = diagonal.len();
    if k == 0 {
        return None;
    }
    below[k - 1] = 0.0;
    let radius = |i: usize| below[i] + if i > 0 { below[i - 1] } else { 0.0 };
    let bound = (0..k).map(|i| diagonal[i] + radius(i)).fold(0.0, f64::max);
    Some((eigenvalue(&diagonal, &below, bound, 1), eigenvalue(&diagonal, &below, bound, k)))
}

/// The `index`-th eigenvalue (from 1, ascending) of a positive definite tridiagonal matrix, by bisection of
/// [0, bound] with Sturm counts: the signs of the pivots of T − λ I.
fn eigenvalue(diagonal: &[f64], below: &[f64], bound: f64, index: usize) -> f64 {
    let below_lambda = |lambda: f64| {
        let (mut pivot, mut count) = (1.0, 0);
        for i in 0..diagonal.len() {
            let off = if i > 0 { below[i - 1] } else { 0.0 };
            pivot = diagonal[i] - lambda - off * off / pivot;
            if pivot == 0.0 {
                pivot = f64::EPSILON * bound;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    };
    let (mut low, mut high) = (0.0, bound);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below_lambda(middle) >= index { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::extremes;

    #[test]
    fn of_a_diagonal_matrix() {
        // CG on diag(1, …, 5) with b = 1 takes 5 steps, after which its Ritz values are the eigenvalues.
        let d = [1.0, 2.0, 3.0, 4.0, 5.0];
        let (mut r, mut p, mut rho) = ([1.0; 5], [1.0; 5], 5.0);
        let mut coefficients = vec![];
        for _ in 0..5 {
            let sigma: f64 = (0..5).map(|i| d[i] * p[i] * p[i]).sum();
            let alpha = rho / sigma;
            (0..5).for_each(|i| r[i] -= alpha * d[i] * p[i]);
            let rho_new: f64 = r.iter().map(|r| r * r).sum();
            coefficients.push((alpha, rho_new / rho));
            (0..5).for_each(|i| p[i] = r[i] + rho_new / rho * p[i]);
            rho = rho_new;
        }
        let (low, high) = extremes(&coefficients).unwrap();
        assert!((low - 1.0).abs() < 1e-10 && (high - 5.0).abs() < 1e-10, "{low} {high}");
        assert_eq!(extremes(&[(-1.0, 0.5)]), None);
    }
}
