//! Test matrices by formula: discretised equations, random and graph matrices, textbook cases.
//!
//! Grids are the interior points of the unit cube, spacing h = 1/(k+1), Dirichlet boundaries
//! unless said otherwise, numbered with x fastest; operators are scaled by h². The functions
//! assemble rows directly and panic beyond 2³² − 1 rows; [`by_name`] checks first.

use crate::error::{Error, Result};
use crate::host::memory;
use crate::host::random::Random;
use crate::host::suggest::did_you_mean;
use crate::matrix::{Csr, complex::real_form};

/// Builds CSR arrays one row at a time, columns ascending.
struct Rows {
    row_ptr: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Rows {
    fn put(&mut self, j: usize, v: f64) {
        self.columns.push(j as u32);
        self.values.push(v);
    }
}

fn assemble(rows: usize, cols: usize, per_row: usize, mut fill: impl FnMut(&mut Rows, usize)) -> Csr {
    assert!(rows.max(cols) <= u32::MAX as usize, "{rows} x {cols} is beyond 2^32 - 1 rows or columns");
    let room = rows * per_row;
    let row_ptr = Vec::with_capacity(rows + 1);
    let mut a = Rows { row_ptr, columns: Vec::with_capacity(room), values: Vec::with_capacity(room) };
    a.row_ptr.push(0);
    for i in 0..rows {
        fill(&mut a, i);
        a.row_ptr.push(a.values.len());
    }
    Csr::new(rows, cols, a.row_ptr, a.columns, a.values).expect("finite entries within range, by construction")
}

fn points(k: usize, dimensions: u32) -> usize {
    k.checked_pow(dimensions).filter(|&n| n <= u32::MAX as usize).expect("a grid of at most 2^32 - 1 points")
}

/// Rows of a stencil on a k×k×k grid: `low[d]` couples to the point before in direction d,
/// `high[d]` to the one after.
fn stencil<const D: usize>(k: usize, diagonal: f64, low: [f64; D], high: [f64; D]) -> Csr {
    let n = points(k, D as u32);
    let mut at = [0usize; D];
    assemble(n, n, 2 * D + 1, |a, i| {
        let mut stride = k.pow(D as u32) / k;
        for d in (0..D).rev() {
            if at[d] > 0 && low[d] != 0.0 {
                a.put(i - stride, low[d]);
            }
            stride /= k;
        }
        a.put(i, diagonal);
        let mut stride = 1;
        for d in 0..D {
            if at[d] + 1 < k && high[d] != 0.0 {
                a.put(i + stride, high[d]);
            }
            stride *= k;
        }
        for c in &mut at {
            *c += 1;
            if *c < k {
                break;
            }
            *c = 0;
        }
    })
}

/// −u″ on n points: [−1, 2, −1]. SPD, n × n, eigenvalues 2 − 2 cos(jπ/(n+1)).
#[must_use]
pub fn poisson1d(n: usize) -> Csr {
    stencil(n, 2.0, [-1.0], [-1.0])
}

/// −Δu on a k×k grid, 5-point stencil, diagonal 4. SPD, k² × k².
#[must_use]
pub fn poisson2d(k: usize) -> Csr {
    stencil(k, 4.0, [-1.0; 2], [-1.0; 2])
}

/// −Δu on a k×k×k grid, 7-point stencil, diagonal 6. SPD, k³ × k³.
#[must_use]
pub fn poisson3d(k: usize) -> Csr {
    stencil(k, 6.0, [-1.0; 3], [-1.0; 3])
}

/// −ε u_xx − u_yy on a k×k grid, 5-point stencil, diagonal 2 + 2ε. SPD for ε > 0, k² × k².
#[must_use]
pub fn anisotropic2d(k: usize, epsilon: f64) -> Csr {
    stencil(k, 2.0 + 2.0 * epsilon, [-epsilon, -1.0], [-epsilon, -1.0])
}

/// −Δu + v·∇u on a k×k grid by central differences: diagonal 4, −1 − p_d before and −1 + p_d
/// after, with the cell Péclet number p_d = v_d h/2. Nonsymmetric for p ≠ 0, an M-matrix for
/// |p| ≤ 1, highly nonnormal beyond. k² × k².
#[must_use]
pub fn convection_diffusion2d(k: usize, peclet: [f64; 2]) -> Csr {
    stencil(k, 4.0, peclet.map(|p| -1.0 - p), peclet.map(|p| -1.0 + p))
}

/// −Δu + v·∇u on a k×k×k grid, diagonal 6; see [`convection_diffusion2d`]. k³ × k³.
#[must_use]
pub fn convection_diffusion3d(k: usize, peclet: [f64; 3]) -> Csr {
    stencil(k, 6.0, peclet.map(|p| -1.0 - p), peclet.map(|p| -1.0 + p))
}

/// The 27-point operator on a k×k×k grid: diagonal 26, −1 to every neighbour, corners included.
/// SPD, k³ × k³.
#[must_use]
pub fn poisson27(k: usize) -> Csr {
    let n = points(k, 3);
    assemble(n, n, 27, |a, i| {
        let (x, y, z) = (i % k, i / k % k, i / k / k);
        let near = |c: usize| c.saturating_sub(1)..(c + 2).min(k);
        for z in near(z) {
            for y in near(y) {
                for x in near(x) {
                    let j = x + k * (y + k * z);
                    a.put(j, if j == i { 26.0 } else { -1.0 });
                }
            }
        }
    })
}

/// −Δu on a k×k grid with Neumann boundaries: −1 to each neighbour, their number on the
/// diagonal. Symmetric positive semidefinite with the constants as null space, k² × k².
#[must_use]
pub fn neumann2d(k: usize) -> Csr {
    let n = points(k, 2);
    assemble(n, n, 5, |a, i| {
        let (x, y) = (i % k, i / k);
        let sides = [(y > 0, k, true), (x > 0, 1, true), (x + 1 < k, 1, false), (y + 1 < k, k, false)];
        let count = sides.iter().filter(|s| s.0).count();
        sides[..2].iter().filter(|s| s.0).for_each(|s| a.put(i - s.1, -1.0));
        a.put(i, count as f64);
        sides[2..].iter().filter(|s| s.0).for_each(|s| a.put(i + s.1, -1.0));
    })
}

/// Laplacian of the cycle of n ≥ 3 nodes: 2 on the diagonal, −1 to both neighbours. Singular,
/// n × n, eigenvalues 2 − 2 cos(2πj/n), all but one or two of them double.
#[must_use]
pub fn cycle_laplacian(n: usize) -> Csr {
    assemble(n, n, 3, |a, i| {
        // Duplicates are summed, which also gives the right matrix for n = 1 and n = 2.
        a.put((i + n - 1) % n, -1.0);
        a.put(i, 2.0);
        a.put((i + 1) % n, -1.0);
    })
}

/// `a` below the diagonal, `b` on it, `c` above. Nothing is stored for zeros. n × n.
#[must_use]
pub fn tridiagonal(n: usize, a: f64, b: f64, c: f64) -> Csr {
    assemble(n, n, 3, |rows, i| {
        for (present, j, v) in [(i > 0, i.wrapping_sub(1), a), (true, i, b), (i + 1 < n, i + 1, c)] {
            if present && v != 0.0 {
                rows.put(j, v);
            }
        }
    })
}

/// diag(d), n × n with n = `d.len()`; zeros are stored.
///
/// # Panics
/// An entry that is not finite.
#[must_use]
pub fn diagonal(d: &[f64]) -> Csr {
    assemble(d.len(), d.len(), 1, |a, i| a.put(i, d[i]))
}

/// The cyclic shift (A x)_i = x_{i+1 mod n}: orthogonal, eigenvalues the n-th roots of unity. With
/// b = e₁, GMRES stagnates for n − 1 steps and is exact at step n. n × n.
#[must_use]
pub fn cyclic_shift(n: usize) -> Csr {
    assemble(n, n, 1, |a, i| a.put((i + 1) % n, 1.0))
}

/// The Jordan block of λ: λ on the diagonal, 1 above; nilpotent, with an empty last row, for
/// λ = 0. n × n.
#[must_use]
pub fn jordan(n: usize, lambda: f64) -> Csr {
    tridiagonal(n, 0.0, lambda, 1.0)
}

/// Grcar's matrix: −1 below the diagonal, 1 on it and on k diagonals above. Nonnormal, with very
/// sensitive eigenvalues. n × n.
#[must_use]
pub fn grcar(n: usize, k: usize) -> Csr {
    assemble(n, n, k.min(n) + 2, |a, i| {
        if i > 0 {
            a.put(i - 1, -1.0);
        }
        (i..n.min(i.saturating_add(k).saturating_add(1))).for_each(|j| a.put(j, 1.0));
    })
}

/// Hilbert's matrix, a_ij = 1/(i + j + 1) from 0. SPD, cond ≈ e^{3.5 n}. Dense, n × n.
#[must_use]
pub fn hilbert(n: usize) -> Csr {
    assemble(n, n, n, |a, i| (0..n).for_each(|j| a.put(j, 1.0 / (i + j + 1) as f64)))
}

/// Frank's matrix, a_ij = n − max(i, j) from 0 for j ≥ i − 1, else 0. Upper Hessenberg, det 1,
/// ill-conditioned small eigenvalues. n × n.
#[must_use]
pub fn frank(n: usize) -> Csr {
    assemble(n, n, n / 2 + 2, |a, i| (i.saturating_sub(1)..n).for_each(|j| a.put(j, (n - i.max(j)) as f64)))
}

/// Wilkinson's W⁺: |i − (n−1)/2| on the diagonal, 1 beside it. Its largest eigenvalues come in
/// pairs, for n = 21 equal to 14 digits. n × n.
#[must_use]
pub fn wilkinson(n: usize) -> Csr {
    assemble(n, n, 3, |a, i| {
        let d = (2 * i).abs_diff(n - 1) as f64 / 2.0;
        for (present, j, v) in [(i > 0, i.wrapping_sub(1), 1.0), (d != 0.0, i, d), (i + 1 < n, i + 1, 1.0)] {
            if present {
                a.put(j, v);
            }
        }
    })
}

/// An arrow: n on the diagonal, −1 in the first row and column. SPD, one dense row. n × n.
#[must_use]
pub fn arrow(n: usize) -> Csr {
    assemble(n, n, 3, |a, i| {
        if i == 0 {
            a.put(0, n as f64);
            (1..n).for_each(|j| a.put(j, -1.0));
        } else {
            a.put(0, -1.0);
            a.put(i, n as f64);
        }
    })
}

/// A random SPD matrix: symmetric pattern, about `nnz_per_row` entries per row, off-diagonal ones
/// uniform in (−1, 1), a_ii = 1 + Σ|a_ij|, so eigenvalues are at least 1. n × n.
#[must_use]
pub fn random_spd(n: usize, nnz_per_row: usize, seed: u64) -> Csr {
    let mut random = Random::new(seed);
    let pairs = if n > 1 { n * nnz_per_row.saturating_sub(1) / 2 } else { 0 };
    let edges = (0..pairs).map(|_| (random.below(n), random.below(n), random.uniform(-1.0, 1.0))).collect();
    symmetric(n, edges, |_, sum| 1.0 + sum)
}

/// A random nonsymmetric matrix: about `nnz_per_row` entries per row, off-diagonal ones uniform
/// in (−1, 1), a_ii = 1 + Σ_j|a_ij|: nonsingular by dominance. n × n.
#[must_use]
pub fn random_general(n: usize, nnz_per_row: usize, seed: u64) -> Csr {
    let mut random = Random::new(seed);
    let mut places = Vec::new();
    assemble(n, n, nnz_per_row.max(1), |a, i| {
        places.clear();
        places.extend((1..nnz_per_row).map(|_| random.below(n)).filter(|&j| j != i));
        places.sort_unstable();
        places.dedup();
        let split = places.partition_point(|&j| j < i);
        let start = a.values.len();
        places[..split].iter().for_each(|&j| a.put(j, random.uniform(-1.0, 1.0)));
        a.put(i, 0.0);
        places[split..].iter().for_each(|&j| a.put(j, random.uniform(-1.0, 1.0)));
        a.values[start + split] = 1.0 + a.values[start..].iter().map(|v| v.abs()).sum::<f64>();
    })
}

/// Laplacian L = D − W of a connected random graph with mean degree about `degree` and hubs: node
/// i is connected to max(1, degree/2) earlier ones, with a bias to the first. Row lengths follow a power
/// law. Singular with the constants as null space; with `grounded`, l₀₀ += 1 makes it SPD.
/// n × n.
#[must_use]
pub fn graph_laplacian(n: usize, degree: usize, seed: u64, grounded: bool) -> Csr {
    let mut random = Random::new(seed);
    let mut edges = Vec::with_capacity(n * (degree / 2).max(1));
    for i in 1..n {
        for _ in 0..(degree / 2).max(1) {
            let u = random.uniform(0.0, 1.0);
            edges.push((i, ((i as f64) * u * u) as usize, -1.0));
        }
    }
    symmetric(n, edges, |i, sum| sum + if grounded && i == 0 { 1.0 } else { 0.0 })
}

/// The symmetric matrix with these off-diagonal entries (loops dropped, duplicates summed) and
/// `diagonal(i, Σ_j|a_ij|)` on the diagonal.
fn symmetric(n: usize, edges: Vec<(usize, usize, f64)>, diagonal: impl Fn(usize, f64) -> f64) -> Csr {
    let mut start = vec![0usize; n + 1];
    for &(i, j, _) in edges.iter().filter(|e| e.0 != e.1) {
        start[i + 1] += 1;
        start[j + 1] += 1;
    }
    for i in 0..n {
        start[i + 1] += start[i];
    }
    let mut next = start.clone();
    let mut entries = vec![(0u32, 0.0); start[n]];
    for (i, j, v) in edges.into_iter().filter(|e| e.0 != e.1) {
        entries[next[i]] = (j as u32, v);
        entries[next[j]] = (i as u32, v);
        next[i] += 1;
        next[j] += 1;
    }
    assemble(n, n, start[n].div_ceil(n.max(1)) + 1, |a, i| {
        let row = &mut entries[start[i]..start[i + 1]];
        // A stable sort: duplicates of (i, j) and of (j, i) are summed in the same order, to the same bits.
        row.sort_by_key(|e| e.0);
        let split = row.partition_point(|e| (e.0 as usize) < i);
        let begin = a.values.len();
        let merge = |a: &mut Rows, part: &[(u32, f64)]| {
            for same in part.chunk_by(|p, q| p.0 == q.0) {
                a.put(same[0].0 as usize, same.iter().map(|e| e.1).sum());
            }
        };
        merge(a, &row[..split]);
        let place = a.values.len();
        a.put(i, 0.0);
        merge(a, &row[split..]);
        a.values[place] = diagonal(i, a.values[begin..].iter().map(|v| v.abs()).sum());
    })
}

/// −Δu − (1 + iσ) w² u on a square with an absorbing layer around it: the frequency-domain wave equation, 5-point
/// stencil, `wave` = w·h radians per cell (2π over the cells per wavelength, usually 10 or more). σ grows
/// with the square of the depth in the outer `layer` cells, up to `absorption`, so that waves leave and little is
/// reflected. Complex symmetric; in its [real form](crate::matrix::complex), of order 2k².
#[must_use]
pub fn helmholtz2d(k: usize, wave: f64, layer: usize, absorption: f64) -> Csr {
    let depth = |i: usize| {
        let from_edge = i.min(k - 1 - i);
        if from_edge < layer { (layer - from_edge) as f64 / layer as f64 } else { 0.0 }
    };
    let shift = wave * wave;
    let re = map_diagonal(&poisson2d(k), |_, v| v - shift);
    let im = diagonal(
        &(0..k * k)
            .map(|i| {
                let (x, y) = (depth(i % k), depth(i / k));
                -shift * absorption * (x * x + y * y)
            })
            .collect::<Vec<_>>(),
    );
    real_form(&re, &im).expect("parts of one shape")
}

fn map_diagonal(a: &Csr, f: impl Fn(usize, f64) -> f64) -> Csr {
    assemble(a.rows(), a.cols(), 5, |rows, i| {
        let (columns, values) = a.row(i);
        columns.iter().zip(values).for_each(|(&j, &v)| rows.put(j as usize, if j as usize == i { f(i, v) } else { v }));
    })
}

/// Isotropic linear elasticity in the plane (plane strain) on a grid of bilinear square elements, Young's modulus 1 and
/// Poisson's ratio ν; two unknowns per node, node by node, x fastest; and the nodes' coordinates. `clamped` fixes the
/// left edge, whose nodes are left out; else the plate floats, with three rigid-body modes as its null space.
///
/// # Panics
/// ν outside (−1, 1/2).
#[must_use]
pub fn elasticity2d(elements: [usize; 2], nu: f64, clamped: bool) -> (Csr, Vec<[f64; 2]>) {
    elasticity(elements, nu, clamped)
}

/// Linear elasticity of a block of trilinear cubes, three unknowns per node; see [`elasticity2d`].
#[must_use]
pub fn elasticity3d(elements: [usize; 3], nu: f64, clamped: bool) -> (Csr, Vec<[f64; 3]>) {
    elasticity(elements, nu, clamped)
}

/// Stiffness ∫ λ (∇·u)(∇·v) + 2μ ε(u):ε(v) of unit cubes, by Gauss' rule with two points per direction.
fn elasticity<const D: usize>(elements: [usize; D], nu: f64, clamped: bool) -> (Csr, Vec<[f64; D]>) {
    assert!(nu > -1.0 && nu < 0.5, "Poisson's ratio {nu} is outside (-1, 1/2)");
    let corners = 1 << D;
    let (lambda, mu) = (nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), 0.5 / (1.0 + nu));
    let corner = |c: usize, d: usize| (c >> d & 1) as f64;
    let mut element = vec![0.0; (corners * D).pow(2)];
    for point in 0..corners {
        let at = |d: usize| 0.5 + (corner(point, d) - 0.5) / 3f64.sqrt();
        let gradient = |c: usize, d: usize| -> f64 {
            let shape = |e: usize| if corner(c, e) == 1.0 { at(e) } else { 1.0 - at(e) };
            (2.0 * corner(c, d) - 1.0) * (0..D).filter(|&e| e != d).map(shape).product::<f64>()
        };
        for a in 0..corners {
            for b in 0..corners {
                let inner: f64 = (0..D).map(|d| gradient(a, d) * gradient(b, d)).sum();
                for i in 0..D {
                    for j in 0..D {
                        let same = if i == j { mu * inner } else { 0.0 };
                        let value =
                            lambda * gradient(a, i) * gradient(b, j) + mu * gradient(a, j) * gradient(b, i) + same;
                        element[(a * D + i) * corners * D + b * D + j] += value / corners as f64;
                    }
                }
            }
        }
    }

    // Nodes of the grid; the clamped ones, x = 0, have no rows.
    let mut nodes = elements.map(|k| k + 1);
    let first = usize::from(clamped);
    nodes[0] -= first;
    let count = nodes.iter().try_fold(1usize, |n, &k| n.checked_mul(k)).expect("a grid of at most 2^32 - 1 rows");
    let place = |node: usize| -> [usize; D] {
        let mut rest = node;
        std::array::from_fn(|d| {
            let at = rest % nodes[d];
            rest /= nodes[d];
            at + if d == 0 { first } else { 0 }
        })
    };
    let points = (0..count).map(|node| place(node).map(|x| x as f64)).collect();
    let mut row: Vec<(usize, f64)> = vec![];
    let a = assemble(count * D, count * D, 3usize.pow(D as u32) * D, |rows, i| {
        let (here, component) = (place(i / D), i % D);
        row.clear();
        // Elements around the node; `own` is the node's corner in them.
        'element: for own in 0..corners {
            for d in 0..D {
                let before = own >> d & 1 == 1;
                if if before { here[d] == 0 } else { here[d] == elements[d] } {
                    continue 'element;
                }
            }
            for other in 0..corners {
                let there: [usize; D] = std::array::from_fn(|d| here[d] + (other >> d & 1) - (own >> d & 1));
                if there[0] < first {
                    continue;
                }
                let node = (0..D).rev().fold(0, |n, d| n * nodes[d] + there[d] - if d == 0 { first } else { 0 });
                for j in 0..D {
                    row.push((node * D + j, element[(own * D + component) * corners * D + other * D + j]));
                }
            }
        }
        row.sort_by_key(|e| e.0);
        for same in row.chunk_by(|p, q| p.0 == q.0) {
            let sum: f64 = same.iter().map(|e| e.1).sum();
            // Couplings that cancel between elements leave only rounding.
            if sum.abs() > 1e-14 {
                rows.put(same[0].0, sum);
            }
        }
    });
    (a, points)
}

/// −∇·(c ∇u) on a k×k grid, 5-point stencil with harmonic means: c is `contrast` on the black squares of an m×m
/// chessboard and 1 elsewhere. SPD, k² × k².
#[must_use]
pub fn chessboard2d(k: usize, m: usize, contrast: f64) -> Csr {
    let n = points(k, 2);
    let c = |x: usize, y: usize| if (x * m / k + y * m / k) % 2 == 1 { contrast } else { 1.0 };
    let face = |a: f64, b: f64| 2.0 * a * b / (a + b);
    assemble(n, n, 5, |rows, i| {
        let (x, y) = (i % k, i / k);
        let own = c(x, y);
        let west = if x > 0 { face(own, c(x - 1, y)) } else { own };
        let east = if x + 1 < k { face(own, c(x + 1, y)) } else { own };
        let south = if y > 0 { face(own, c(x, y - 1)) } else { own };
        let north = if y + 1 < k { face(own, c(x, y + 1)) } else { own };
        if y > 0 {
            rows.put(i - k, -south);
        }
        if x > 0 {
            rows.put(i - 1, -west);
        }
        rows.put(i, west + east + south + north);
        if x + 1 < k {
            rows.put(i + 1, -east);
        }
        if y + 1 < k {
            rows.put(i + k, -north);
        }
    })
}

/// −Δu + v·∇u on a k×k×k grid with upwind differences, v ≥ 0: diagonal 6 + Σ p_d, −1 − p_d before and −1 after, p_d = v_d h.
/// Nonsymmetric, an M-matrix. k³ × k³.
#[must_use]
pub fn upwind3d(k: usize, p: [f64; 3]) -> Csr {
    stencil(k, 6.0 + p.iter().sum::<f64>(), p.map(|p| -1.0 - p), [-1.0; 3])
}

/// Laplacian of a random geometric graph plus 10⁻² I: n points in the unit cube in random order, linked to those within
/// the radius that gives about `degree` neighbours, weights log-uniform in [0.1, 10]. SPD, n × n.
#[must_use]
pub fn geometric_graph(n: usize, degree: usize, seed: u64) -> Csr {
    let mut random = Random::new(seed);
    let at: Vec<[f64; 3]> = (0..n).map(|_| std::array::from_fn(|_| random.uniform(0.0, 1.0))).collect();
    let radius = (degree as f64 / (n.max(1) as f64 * 4.0 / 3.0 * std::f64::consts::PI)).cbrt();
    // Cells no smaller than the radius: all neighbours are within 27 cells.
    let side = ((1.0 / radius) as usize).clamp(1, 1 << 9);
    let cell = |p: &[f64; 3]| p.map(|x| ((x * side as f64) as usize).min(side - 1));
    let mut members = vec![vec![]; side.pow(3)];
    for (i, p) in at.iter().enumerate() {
        let [x, y, z] = cell(p);
        members[x + side * (y + side * z)].push(i);
    }
    let mut edges = vec![];
    for (i, p) in at.iter().enumerate() {
        let [x, y, z] = cell(p).map(|c| c.saturating_sub(1)..(c + 2).min(side));
        for z in z {
            for y in y.clone() {
                for x in x.clone() {
                    for &j in members[x + side * (y + side * z)].iter().filter(|&&j| j < i) {
                        let distance: f64 = (0..3).map(|d| (p[d] - at[j][d]).powi(2)).sum();
                        if distance <= radius * radius {
                            edges.push((i, j, -10f64.powf(random.uniform(-1.0, 1.0))));
                        }
                    }
                }
            }
        }
    }
    symmetric(n, edges, |_, sum| sum + 1e-2)
}

/// Coordinates of the nodes of a matrix of [`by_name`], one row per node; `None` if it has none.
#[must_use]
pub fn coordinates(name: &str, size: usize) -> Option<Csr> {
    let less = size.saturating_sub(1);
    let rows: Vec<Vec<f64>> = match name {
        "elasticity2d" => grid_points([size + 1, less + 1]).into_iter().map(Vec::from).collect(),
        "elasticity3d" => grid_points([size + 1, less + 1, less + 1]).into_iter().map(Vec::from).collect(),
        _ => return None,
    };
    let kept: Vec<_> = rows.into_iter().filter(|p| p[0] > 0.0).collect();
    let cols = kept.first().map_or(0, Vec::len);
    Some(assemble(kept.len(), cols, cols, |a, i| kept[i].iter().enumerate().for_each(|(j, &v)| a.put(j, v))))
}

/// Points of a grid with this many points per direction, x fastest.
fn grid_points<const D: usize>(points: [usize; D]) -> Vec<[f64; D]> {
    let count = points.iter().product();
    let place = |node: usize| -> [f64; D] {
        let mut rest = node;
        points.map(|k| {
            let at = rest % k;
            rest /= k;
            at as f64
        })
    };
    (0..count).map(place).collect()
}

/// One kind of matrix that [`by_name`] makes.
#[derive(Debug)]
pub struct Family {
    /// The name.
    pub name: &'static str,
    /// One line for a list.
    pub about: &'static str,
    /// Parameters with their defaults.
    pub params: &'static [(&'static str, f64)],
    /// The order is size to this power, times the unknowns per point.
    pub dimensions: u32,
    /// Unknowns per point.
    pub unknowns: usize,
    /// Upper bound on the entries for this order and these parameters.
    entries: fn(f64, &[f64]) -> f64,
    make: fn(usize, &[f64]) -> Csr,
}

impl Family {
    /// True if the matrix is the [real form](crate::matrix::complex) of a complex one, of twice the order.
    #[must_use]
    pub fn is_complex(&self) -> bool {
        self.name == "helmholtz2d"
    }
}

macro_rules! family {
    ($name:literal, $about:literal, $dimensions:literal, $unknowns:literal, [$($param:literal: $default:expr),*],
        $entries:expr, $make:expr) => {
        Family {
            name: $name,
            about: $about,
            params: &[$(($param, $default)),*],
            dimensions: $dimensions,
            unknowns: $unknowns,
            entries: $entries,
            make: $make,
        }
    };
    ($name:literal, $about:literal, $dimensions:literal, $params:tt, $entries:expr, $make:expr) => {
        family!($name, $about, $dimensions, 1, $params, $entries, $make)
    };
}

/// All names that [`by_name`] knows.
#[rustfmt::skip]
pub static NAMES: &[Family] = &[
    family!("poisson1d", "-u'', 3-point stencil, order size", 1, [], |n, _| 3.0 * n, |k, _| poisson1d(k)),
    family!("poisson2d", "-Laplace u, 5-point stencil, order size^2", 2, [], |n, _| 5.0 * n, |k, _| poisson2d(k)),
    family!("poisson3d", "-Laplace u, 7-point stencil, order size^3", 3, [], |n, _| 7.0 * n, |k, _| poisson3d(k)),
    family!("poisson27", "27-point operator, diagonal 26, order size^3", 3, [], |n, _| 27.0 * n, |k, _| poisson27(k)),
    family!("anisotropic2d", "-epsilon u_xx - u_yy, 5-point stencil, order size^2", 2, ["epsilon": 0.01],
        |n, _| 5.0 * n, |k, p| anisotropic2d(k, p[0])),
    family!("convection_diffusion2d", "-Laplace u + v.grad u, central, cell Peclet number, order size^2", 2, ["peclet": 0.5],
        |n, _| 5.0 * n, |k, p| convection_diffusion2d(k, [p[0]; 2])),
    family!("convection_diffusion3d", "-Laplace u + v.grad u, central, cell Peclet number, order size^3", 3, ["peclet": 0.5],
        |n, _| 7.0 * n, |k, p| convection_diffusion3d(k, [p[0]; 3])),
    family!("helmholtz2d", "-Laplace u - w^2 u with an absorbing layer, complex; wave = w h; order 2 size^2", 2, 2,
        ["wave": 0.6, "layer": 10.0, "absorption": 1.0], |n, _| 12.0 * n,
        |k, p| helmholtz2d(k, p[0], p[1] as usize, p[2])),
    family!("upwind3d", "-Laplace u + v.grad u, upwind, cell Peclet number, order size^3", 3, ["peclet": 1.0],
        |n, _| 7.0 * n, |k, p| upwind3d(k, [p[0], p[0] / 2.0, p[0] / 4.0])),
    family!("chessboard2d", "-div(c grad u), c jumps on a chessboard of squares^2 fields, order size^2", 2,
        ["squares": 10.0, "contrast": 1e6], |n, _| 5.0 * n, |k, p| chessboard2d(k, p[0] as usize, p[1])),
    family!("elasticity2d", "plane strain, bilinear elements, one edge clamped, order 2 size^2", 2, 2, ["nu": 0.3],
        |n, _| 18.0 * n, |k, p| elasticity2d([k, k.saturating_sub(1)], p[0], true).0),
    family!("elasticity3d", "elasticity of a cube, trilinear elements, one face clamped, order 3 size^3", 3, 3, ["nu": 0.3],
        |n, _| 81.0 * n, |k, p| elasticity3d([k, k.saturating_sub(1), k.saturating_sub(1)], p[0], true).0),
    family!("geometric_graph", "Laplacian of a random geometric graph in the cube, points in random order", 1,
        ["degree": 14.0, "seed": 7.0], |n, p| n * (2.0 * p[0] + 10.0), |n, p| geometric_graph(n, p[0] as usize, p[1] as u64)),
    family!("neumann2d", "-Laplace u with Neumann boundaries, singular, order size^2", 2, [], |n, _| 5.0 * n, |k, _| neumann2d(k)),
    family!("cycle_laplacian", "Laplacian of a cycle, singular, double eigenvalues", 1, [], |n, _| 3.0 * n, |n, _| cycle_laplacian(n)),
    family!("graph_laplacian", "Laplacian of a random graph with hubs; grounded = 1 makes it SPD", 1,
        ["degree": 8.0, "seed": 1.0, "grounded": 1.0], |n, p| n * (p[0] + 3.0),
        |n, p| graph_laplacian(n, p[0] as usize, p[1] as u64, p[2] != 0.0)),
    family!("random_spd", "random symmetric pattern, diagonally dominant, SPD", 1, ["nnz_per_row": 10.0, "seed": 1.0],
        |n, p| n * (p[0] + 1.0), |n, p| random_spd(n, p[0] as usize, p[1] as u64)),
    family!("random_general", "random nonsymmetric, diagonally dominant", 1, ["nnz_per_row": 10.0, "seed": 1.0],
        |n, p| n * (p[0] + 1.0), |n, p| random_general(n, p[0] as usize, p[1] as u64)),
    family!("identity", "identity", 1, [], |n, _| n, |n, _| diagonal(&vec![1.0; n])),
    family!("diag", "diag(1, 2, ..., size)", 1, [], |n, _| n, |n, _| diagonal(&(1..=n).map(|i| i as f64).collect::<Vec<_>>())),
    family!("tridiagonal", "a below, b on, c above the diagonal", 1, ["a": -1.0, "b": 2.0, "c": -1.0],
        |n, _| 3.0 * n, |n, p| tridiagonal(n, p[0], p[1], p[2])),
    family!("cyclic_shift", "orthogonal; unrestarted GMRES needs all size steps", 1, [], |n, _| n, |n, _| cyclic_shift(n)),
    family!("jordan", "Jordan block of lambda", 1, ["lambda": 1.0], |n, _| 2.0 * n, |n, p| jordan(n, p[0])),
    family!("grcar", "Grcar: nonnormal, k diagonals above", 1, ["k": 3.0], |n, p| n * (p[0].min(n) + 2.0), |n, p| grcar(n, p[0] as usize)),
    family!("hilbert", "1/(i+j+1), dense, extremely ill-conditioned SPD", 1, [], |n, _| n * n, |n, _| hilbert(n)),
    family!("frank", "Frank: Hessenberg, ill-conditioned eigenvalues", 1, [], |n, _| n * (n / 2.0 + 2.0), |n, _| frank(n)),
    family!("wilkinson", "Wilkinson W+: nearly double eigenvalues", 1, [], |n, _| 3.0 * n, |n, _| wilkinson(n)),
    family!("arrow", "one dense row and column, SPD", 1, [], |n, _| 3.0 * n, |n, _| arrow(n)),
];

/// Most entries that [`by_name`] generates: 2³¹, 24 GiB.
const MAX_ENTRIES: f64 = (1u64 << 31) as f64;

/// The matrix of this name from [`NAMES`]: `size` is the order, or the points per side of a grid.
///
/// # Errors
/// An unknown name or parameter (with the nearest known one), a parameter that is out of range,
/// a size beyond 2³² − 1 rows or 2³¹ entries.
pub fn by_name(name: &str, size: usize, params: &[(String, f64)]) -> Result<Csr> {
    let names = || NAMES.iter().map(|f| f.name);
    let Some(family) = NAMES.iter().find(|f| f.name == name) else {
        let near = did_you_mean(name, names());
        return Err(Error::input(format!(
            "unknown matrix `{name}`{near}; known: {}",
            names().collect::<Vec<_>>().join(", ")
        )));
    };
    let mut values: Vec<f64> = family.params.iter().map(|p| p.1).collect();
    for (key, value) in params {
        let Some(k) = family.params.iter().position(|p| p.0 == key) else {
            let known: Vec<_> = family.params.iter().map(|p| p.0).collect();
            let list =
                if known.is_empty() { "it has none".to_string() } else { format!("it has {}", known.join(", ")) };
            let near = did_you_mean(key, known.iter().copied());
            return Err(Error::input(format!("{name} has no parameter `{key}`{near}; {list}")));
        };
        let whole = matches!(key.as_str(), "seed" | "layer" | "degree" | "nnz_per_row" | "k" | "grounded" | "squares");
        let limit = if key == "seed" { 2f64.powi(53) } else { f64::from(u32::MAX) };
        if !value.is_finite() || (whole && (value.fract() != 0.0 || !(0.0..=limit).contains(value))) {
            let wanted = if whole { format!("a whole number from 0 to {limit}") } else { "finite".to_string() };
            return Err(Error::input(format!("{name}: {key} = {value} must be {wanted}")));
        }
        values[k] = *value;
    }
    let points = size.checked_pow(family.dimensions);
    let rows = points.and_then(|p| p.checked_mul(family.unknowns)).filter(|&n| n <= u32::MAX as usize);
    let Some(rows) = rows else {
        let power = family.dimensions;
        return Err(Error::input(format!("{name}: {size}^{power} points are beyond the limit of {} rows", u32::MAX)));
    };
    if let Some((_, nu)) = params.iter().find(|p| p.0 == "nu")
        && !(*nu > -1.0 && *nu < 0.5)
    {
        return Err(Error::input(format!("{name}: nu = {nu} must lie between -1 and 1/2")));
    }
    let entries = (family.entries)(rows as f64, &values);
    if entries > MAX_ENTRIES {
        return Err(Error::input(format!("{name}: {entries:.3e} entries are beyond the limit of {MAX_ENTRIES:.3e}")));
    }
    // Twice the size of the arrays: a real form is built while its source is still in memory.
    let needed = 2.0 * 12.0 * entries + 16.0 * rows as f64;
    memory::check(|| format!("{name}:{size}"), needed as u64, None, None)?;
    Ok((family.make)(size, &values))
}
