//! Nearly complete LU factors: all but small entries, pivots never exchanged. For systems on which incomplete factors
//! fail: circuits, power grids, saddle points, chemical plants, waves.
//!
//! This is the static pivoting of Li and Demmel (1998, doi:10.1109/SC.1998.10030): a matching brings large entries to
//! the diagonal and scales rows and columns; an order of minimum degree keeps the fill of the factors low; a pivot that
//! is still small is raised, and the Krylov method makes up for it. The solver does the first two steps, as a change of
//! variables. This module does the rest: [ILUT](super::ilut) without a limit per row, because in such an order the fill
//! is in the last rows, where a limit would drop just what matters.
//!
//! *What is dropped*: entries below `drop` times the row's mean size. With 10⁻⁶ the factors agree with a direct
//! solver's to about six digits, and two or three iterations remain. In three dimensions that is too expensive; there
//! 10⁻⁴ and 10⁻² save one and two powers of ten, and some dozens of iterations remain.
//!
//! *Pivots* below δ = 10⁻⁶ of their row's largest entry are raised to it. Each is a change of rank one, which costs
//! GMRES about one iteration; no entry of M becomes larger than 1/δ, so that 10 of 16 digits are left, more than most
//! systems need.
//!
//! *Limits.* L and U may have `fill` times the entries of A, 50 by default, and take no more than half of the free
//! memory. The set-up may take 2·10⁹ multiplications and 2000 for every entry of A: seconds if A is small, and
//! otherwise about as long as the iterations of another candidate. Factors that need more are refused, with the row
//! where the limit was met. A check in advance avoids most of that work: dropping below 10⁻⁶ seldom saves more than 7
//! of 8 multiplications, so nothing is begun if complete factors would take 8 times as many as are allowed.
//!
//! One application: two triangular solves.

use super::Request;
use super::ilu::{Factors, Fault, Fill, Limits, Pivots};
use super::ilut;
use crate::error::{Error, Result};
use crate::matrix::Csr;

/// δ.
pub(super) const PIVOTS: Pivots = Pivots::Raised(1e-6);

/// Limit on multiplications: a constant, and as many for each entry of A.
const OPERATIONS: (u64, u64) = (2_000_000_000, 2000);

/// Bytes per entry over the whole set-up: in vectors that grow, in the triangles, on the device.
const ENTRY: u64 = 48;

/// Fraction of a row's mean size below which entries are dropped.
const DROP: f64 = 1e-6;

/// Multiplications of complete factors over those of factors with `DROP`.
const SAVED: f64 = 8.0;

/// Multiplications that a set-up may take for a matrix of `nnz` entries.
pub(crate) fn most_multiplications(nnz: usize) -> f64 {
    (OPERATIONS.0 + OPERATIONS.1 * nnz as u64) as f64
}

/// The factors of `a`, whose diagonal is stored.
pub(super) fn factors(a: &Csr, fill: Fill, request: &Request) -> Result<Factors> {
    if request.definite {
        return Err(Error::input("lu is not symmetric, and this method wants a symmetric M; use ic0, or gmres"));
    }
    let Fill { drop, growth } = fill;
    let room = request.room.map_or(usize::MAX, |bytes| (bytes / 2 / ENTRY) as usize);
    let entries = ((growth * a.nnz() as f64) as usize).min(room);
    let operations = most_multiplications(a.nnz()) as u64;
    let limits = Limits { entries, operations, halt: request.halt.clone() };
    let refused =
        |row, why: String| Err(Error::Preconditioner { row, message: format!("{why}; a larger drop needs less") });
    if let Some(complete) = request.operations
        && drop <= DROP
        && complete > SAVED * limits.operations as f64
    {
        let last = a.rows().saturating_sub(1);
        return refused(last, format!("complete factors take {complete:.1e} multiplications up to here"));
    }
    match ilut::factor(a, 0.0, Fill { drop, growth: f64::INFINITY }, PIVOTS, &limits) {
        Ok(factors) => Ok(Factors::of(factors, 0.0)),
        Err(Fault::Limit(row)) => refused(
            row,
            format!("the factors take more than {entries} entries or {operations} multiplications up to here"),
        ),
        Err(fault) => Err(fault.error(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::random::Random;
    use crate::matrix::{Triplets, gallery};
    use crate::precond::ilu::with_diagonal;

    const FINE: Fill = Fill { drop: DROP, growth: 50.0 };

    /// ‖x − M A x‖/‖x‖ of a random x.
    fn error(a: &Csr, f: &Factors) -> f64 {
        let x = Random::new(1).vector(a.rows());
        let y = f.upper.solve(&f.lower.solve(&a.multiply(&x)));
        crate::host::scale::norm2(&x.iter().zip(&y).map(|(x, y)| x - y).collect::<Vec<_>>())
            / crate::host::scale::norm2(&x)
    }

    #[test]
    fn almost_an_inverse() {
        for a in [gallery::convection_diffusion2d(20, [1.5, 0.3]), gallery::helmholtz2d(15, 0.6, 3, 1.0)] {
            let f = factors(&a, FINE, &Request::default()).unwrap();
            assert!(error(&a, &f) < 1e-3, "{:e}", error(&a, &f));
            let coarse = factors(&a, Fill { drop: 1e-2, ..FINE }, &Request::default()).unwrap();
            let entries = |f: &Factors| f.lower.strict().nnz() + f.upper.strict().nnz();
            assert!(entries(&coarse) < entries(&f) && error(&a, &coarse) > error(&a, &f));
        }
    }

    #[test]
    fn a_zero_pivot_is_raised() {
        // [0 1; 1 0] beside ones: L U differs from A in one place.
        let mut t = Triplets::new(4, 4).unwrap();
        [(0, 1), (1, 0), (2, 2), (3, 3)].iter().for_each(|&(i, j)| t.push(i, j, 1.0).unwrap());
        let a = with_diagonal(&t.to_csr().unwrap());
        let f = factors(&a, FINE, &Request::default()).unwrap();
        assert!(f.upper.inverse_diagonal().iter().all(|v| v.abs() <= 1e6), "{:?}", f.upper.inverse_diagonal());
        assert!((f.upper.inverse_diagonal()[0] - 1e6).abs() < 1.0);
    }

    #[test]
    fn what_needs_more_is_refused() {
        let a = gallery::poisson2d(40);
        let plain = Request::default();
        let message = |fill, request: Request| factors(&a, fill, &request).err().expect("refused").to_string();
        let row = |m: &str| m.split(|c: char| !c.is_ascii_digit()).find_map(|d| d.parse::<usize>().ok()).unwrap();
        // No room for more than 2·nnz entries, by the fill and by the memory.
        let little = message(Fill { growth: 2.0, ..FINE }, plain);
        assert!(little.contains("a larger drop") && (200..1500).contains(&row(&little)), "{little}");
        let room = Request { room: Some(2 * ENTRY * 2 * a.nnz() as u64), ..Request::default() };
        assert_eq!(message(FINE, room), little);
        // Known to be hopeless: nothing is begun.
        let long = message(FINE, Request { operations: Some(1e12), ..Request::default() });
        assert!(long.contains("1.0e12 multiplications"), "{long}");
        assert!(factors(&a, FINE, &Request { operations: Some(1e9), ..Request::default() }).is_ok());
    }
}
