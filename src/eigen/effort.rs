//! How long work that can't be interrupted would take, by what its counted operations take on this machine: complete factors,
//! their order, dense eigenvalues. Asked only where there is a time limit; measured once, in some hundredths of a second.

use super::options::EigenOptions;
use crate::analyse::direct::{self, Cost};
use crate::host::clock::Instant;
use crate::host::random::Random;
use crate::matrix::{Csr, gallery};
use faer::{Mat, Side};
use std::sync::OnceLock;

/// Order of the matrices that are measured with.
const ORDER: usize = 128;

/// Time per operation of sparse factors over that of a dense Cholesky factor; of LU with its pivots, and of all else.
const SPARSE: (f64, f64) = (12.0, 2.0);

/// Seconds.
struct Rates {
    /// A multiplication of a dense factor.
    multiplication: f64,
    /// An entry, to find an order of minimum degree and to count.
    ordered: f64,
    /// n³ = 1 of a dense eigenproblem: of a symmetric matrix, of any other.
    eigen: [f64; 2],
}

/// The least time of two runs.
fn seconds(mut f: impl FnMut()) -> f64 {
    let mut once = || {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64()
    };
    once().min(once())
}

fn rates() -> &'static Rates {
    static RATES: OnceLock<Rates> = OnceLock::new();
    RATES.get_or_init(|| {
        let n = ORDER as f64;
        let mut random = Random::new(0xef);
        let general = Mat::from_fn(ORDER, ORDER, |i, j| random.uniform(-1.0, 1.0) + if i == j { n } else { 0.0 });
        let symmetric = &general + general.transpose();
        let grid = gallery::poisson2d(40);
        Rates {
            multiplication: seconds(|| drop(symmetric.llt(Side::Lower))) / (n * n * n / 6.0),
            ordered: seconds(|| {
                let _ = direct::cost(&grid);
            }) / grid.nnz() as f64,
            eigen: [
                seconds(|| drop(symmetric.self_adjoint_eigen(Side::Lower))) / n.powi(3),
                seconds(|| drop(general.eigen())) / n.powi(3),
            ],
        }
    })
}

impl EigenOptions {
    /// True if work of about so many seconds ends before the time limit does.
    fn in_time(&self, seconds: impl FnOnce(&Rates) -> f64) -> bool {
        let Some(deadline) = self.knobs.deadline else { return true };
        deadline.saturating_duration_since(Instant::now()).as_secs_f64() >= seconds(rates())
    }

    /// True if there is time to count what factors of C would take.
    pub(super) fn time_to_count(&self, c: &Csr) -> bool {
        self.in_time(|rates| rates.ordered * c.nnz() as f64)
    }

    /// True if there is time for factors.
    pub(super) fn time_to_factor(&self, cost: Cost, symmetric: bool) -> bool {
        let part = if symmetric { 0.5 * SPARSE.1 } else { SPARSE.0 };
        self.in_time(|rates| part * rates.multiplication * cost.operations)
    }

    /// True if there is time for all eigenvalues of a dense matrix of order n.
    pub(super) fn time_for_dense(&self, n: usize, symmetric: bool) -> bool {
        self.in_time(|rates| rates.eigen[usize::from(!symmetric)] * (n as f64).powi(3))
    }
}
