//! A solve shared by the processes of an MPI job: each assembles its rows of a 3D problem, and all solve with multigrid.
//!
//! `cargo build --release --features mpi --example ranks`, then `mpirun -n 4 target/release/examples/ranks 60`

use krylane::matrix::{Csr, Matrix};
use krylane::ranks::Ranks;
use krylane::{Method, Options, Precond, Solver};

/// Heat conduction on a k x k x k grid, u = 0 outside; the upper half conducts ten times better. Rows of planes
/// `planes`, columns of all.
fn assemble(k: usize, planes: std::ops::Range<usize>) -> krylane::Result<Csr> {
    let conductivity = |z: usize| if 2 * z < k { 1.0 } else { 10.0 };
    // Between two points, the harmonic mean.
    let between = |z: usize, w: usize| {
        let (a, b) = (conductivity(z), conductivity(w));
        2.0 * a * b / (a + b)
    };
    let (mut row_ptr, mut columns, mut values) = (vec![0], vec![], vec![]);
    for z in planes {
        for y in 0..k {
            for x in 0..k {
                let here = (z * k + y) * k + x;
                let own = conductivity(z);
                let (below, above) = (between(z, z.saturating_sub(1)), between(z, (z + 1).min(k - 1)));
                let neighbours = [
                    (z > 0, here.wrapping_sub(k * k), below),
                    (y > 0, here.wrapping_sub(k), own),
                    (x > 0, here.wrapping_sub(1), own),
                    (x + 1 < k, here + 1, own),
                    (y + 1 < k, here + k, own),
                    (z + 1 < k, here + k * k, above),
                ];
                let row = neighbours.iter().filter(|n| n.0).map(|&(_, j, c)| (j, -c));
                let row: Vec<_> = row.chain([(here, 4.0 * own + below + above)]).collect();
                columns.extend(row.iter().map(|e| e.0 as u32));
                values.extend(row.iter().map(|e| e.1));
                row_ptr.push(columns.len());
            }
        }
    }
    // Sorts each row's columns.
    Csr::new(row_ptr.len() - 1, k * k * k, row_ptr, columns, values)
}

/// The most memory that this process has had, in megabytes; 0 where the system does not tell.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).map_or(0.0, |kb: f64| kb / 1e3)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let k: usize = std::env::args().nth(1).map_or(Ok(40), |text| text.parse())?;
    let ranks = Ranks::mpi()?;
    let (rank, size) = (ranks.rank(), ranks.size());
    let planes = rank * k / size..(rank + 1) * k / size;
    // No rank has more than its own planes, of A and of every vector.
    let local = assemble(k, planes.clone())?;
    let a = Matrix::from_local_rows(&ranks, &local)?;
    drop(local);
    let b = vec![1.0; planes.len() * k * k];
    let options = Options {
        method: Method::Cg,
        preconditioner: Precond::Amg(Default::default()),
        threads: 1,
        ..Options::default()
    };
    let mut solver = Solver::new(&a, options)?;
    let report = solver.solve(&b)?;
    let peaks = ranks.gather_vector(&[peak()])?;
    if rank == 0 {
        let (c, t) = (&report.counters, &report.timings);
        println!("{} unknowns on {}", k * k * k, report.adapter.name);
        println!(
            "{} after {} iterations: set-up {:.2} s, solve {:.2} s",
            report.reason, report.iterations, t.setup_s, t.solve_s
        );
        println!("|b - A x|/|b| = {:.1e}", report.certificate.relative);
        println!("rank 0 sent {} bytes: {} messages, {} exchanges with all", c.bytes_sent, c.messages, c.reductions);
        println!("memory of a rank: {:.0} MB at most", peaks.into_iter().fold(0.0, f64::max));
    }
    Ok(())
}
