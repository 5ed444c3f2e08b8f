//! Preconditioners: set up on the host, applied as operations, so that each runs on every backend and
//! fuses with the method around it.

mod amg;
mod block_jacobi;
mod chebyshev;
mod common;
mod diagonal;
mod given;
mod ilu;
mod ilut;
mod inverse_factors;
mod jacobi;
mod lu;
mod matrix_free;
mod near_null;
mod polynomial;
pub(crate) mod registry;
mod scaling;
mod shared;
mod spectrum;
mod ssor;
mod triangles;

pub(crate) use amg::LevelLine;
pub(crate) use amg::multigrid_pays;
pub use amg::{Amg, AmgSettings, Smoothing};
pub use block_jacobi::BlockJacobi;
pub use chebyshev::Chebyshev;
pub use common::Common;
pub use given::Given;
pub use ilu::{Fill, Ilu};
pub(crate) use ilut::PACE as FACTOR_PACE;
pub use inverse_factors::{InverseFactors, Kind};
pub use jacobi::Jacobi;
pub(crate) use lu::most_multiplications;
pub use near_null::NearNull;
pub use registry::{PRECONDITIONERS, PreconditionerEntry, Request};
pub use scaling::Scaling;
pub use ssor::{Relaxation, Ssor};

use crate::matrix::{Csr, Triangular};
use crate::op::{Operator, Program, Space, Triangle, Vector};
use std::sync::Arc;

/// The side of the preconditioner M.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The method's default: the first of its sides.
    #[default]
    Auto,
    /// M A x = M b: the method sees M r. The answer is still certified by r.
    Left,
    /// A M y = b, x = M y: the method sees r.
    Right,
    /// Lᵀ A L y = Lᵀ b, x = L y with M = L Lᵀ, which no method needs to form: the usual preconditioned CG.
    Split,
}

impl Side {
    /// The name users type.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Left => "left",
            Self::Right => "right",
            Self::Split => "split",
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.id())
    }
}

impl crate::host::pairs::Setting for Side {
    const FORM: &'static str = "auto, left, right or split";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

impl std::str::FromStr for Side {
    type Err = crate::Error;
    fn from_str(s: &str) -> crate::Result<Self> {
        let all = [Self::Auto, Self::Left, Self::Right, Self::Split];
        all.into_iter()
            .find(|side| side.id() == s)
            .ok_or_else(|| crate::Error::input(crate::host::suggest::unknown("side", s, &all.map(Self::id))))
    }
}

/// M ≈ A⁻¹.
pub trait Preconditioner: Send {
    /// Puts what M needs into the space; A is used as A·2^`exponent` there.
    fn install(&mut self, space: &mut Space, exponent: i32);

    /// Appends z = M r; z must not be r.
    fn emit(&self, p: &mut Program, r: Vector, z: Vector);

    /// Puts what Mᵀ needs into the space, after [`Preconditioner::install`]; false if Mᵀ is not available.
    fn install_transposed(&mut self, _space: &mut Space, _exponent: i32) -> bool {
        self.is_identity()
    }

    /// Appends z = Mᵀ r, if [`Preconditioner::install_transposed`] returned true; by default M = Mᵀ.
    fn emit_transposed(&self, p: &mut Program, r: Vector, z: Vector) {
        self.emit(p, r, z);
    }

    /// True for M = I, which emits nothing.
    fn is_identity(&self) -> bool {
        false
    }

    /// Recomputes M for new values on the same pattern; returns what to rewrite in the space.
    ///
    /// # Errors
    /// Those of the set-up.
    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> crate::Result<Updates>;

    /// What was set up, line by line: sizes, complexities, bytes.
    fn describe(&self) -> Vec<String> {
        vec![]
    }
}

/// What a refresh changed in the space.
#[derive(Default)]
pub struct Updates {
    /// Vectors and their new entries, in the units of the device.
    pub vectors: Vec<(Vector, Vec<f64>)>,
    /// Operators, new values on the pattern they had, and the exponent of their scale.
    pub operators: Vec<(Operator, Arc<Csr>, i32)>,
    /// Triangles likewise.
    pub triangles: Vec<(Triangle, Arc<Triangular>, i32)>,
}

/// M = I.
pub struct Identity;

impl Preconditioner for Identity {
    fn install(&mut self, _space: &mut Space, _exponent: i32) {}
    fn emit(&self, _p: &mut Program, _r: Vector, _z: Vector) {}
    fn is_identity(&self) -> bool {
        true
    }
    fn refresh(&mut self, _a: &Arc<Csr>, _exponent: i32) -> crate::Result<Updates> {
        Ok(Updates::default())
    }
}

#[cfg(test)]
mod tests {
    use super::registry::Precond;
    use super::*;
    use crate::backend::{Engine, cpu::Cpu};
    use crate::host::random::Random;
    use crate::matrix::gallery;
    use crate::op::schedule::Compiler;
    use crate::op::{Dtype, Precisions, Role};

    /// M on the CPU, ready to be applied.
    struct Applied {
        m: Box<dyn Preconditioner>,
        space: Space,
        engine: Cpu,
        compiler: Compiler,
        a: Operator,
        r: Vector,
        z: Vector,
    }

    impl Applied {
        fn new(a: &Arc<Csr>, spec: &str, exponent: i32) -> Self {
            Self::within(Space::new(Precisions::uniform(Dtype::F64)), a, spec, exponent)
        }

        fn within(mut space: Space, a: &Arc<Csr>, spec: &str, exponent: i32) -> Self {
            let chosen: Precond = spec.parse().unwrap();
            let symmetric = chosen.id() != "gauss_seidel";
            let request = Request { definite: symmetric, symmetric, ..Request::default() };
            let mut m = chosen.build(&a.into(), &request).unwrap();
            let handle = space.operator("A", Arc::clone(a), exponent, Role::Working);
            let (r, z) = (space.vector("r", a.rows()), space.vector("z", a.rows()));
            m.install(&mut space, exponent);
            let engine = Cpu::new(space.clone(), 0, true).unwrap();
            let compiler = Compiler::new(engine.fusion());
            Self { m, space, engine, compiler, a: handle, r, z }
        }

        fn apply(&mut self, x: &[f64]) -> Vec<f64> {
            self.engine.write_vector(self.r, x).unwrap();
            let mut p = Program::new(&self.space);
            self.m.emit(&mut p, self.r, self.z);
            let compiled = self.compiler.compile(p.ops, &self.space);
            self.engine.enqueue(&compiled).unwrap();
            pollster::block_on(self.engine.read_vector(self.z)).unwrap()
        }

        fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) {
            self.engine.update_operator(self.a, a, exponent).unwrap();
            let updates = self.m.refresh(a, exponent).unwrap();
            for (v, values) in updates.vectors {
                self.engine.write_vector(v, &values).unwrap();
            }
            for (a, matrix, e) in updates.operators {
                self.engine.update_operator(a, &matrix, e).unwrap();
            }
            for (t, matrix, e) in updates.triangles {
                self.engine.update_triangle(t, &matrix, e).unwrap();
            }
        }
    }

    const ALL: [&str; 23] = [
        "jacobi",
        "scaling",
        "amg",
        "amg:degree=2,coarse=20",
        "amg:degree=3,coarse=20",
        "amg:coarse=10",
        "ilu0",
        "ic0",
        "fsai",
        "isai",
        "block_jacobi:4",
        "chebyshev:4",
        "neumann:2",
        "neumann:3",
        "amg:smoother=l1_jacobi,coarse=20",
        "amg:smoother=spai0,coarse=20",
        "amg:smoother=gauss_seidel,coarse=20",
        "amg:block=1,precision=full,coarse=50",
        "ssor",
        "ssor:omega=1.3,sweeps=3",
        "ssor:omega=1.2,order=colours",
        "ssor:sweeps=1,order=colours",
        "ic0:sweeps=2",
    ];

    fn dot(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn every_symmetric_preconditioner_is_in_the_list() {
        let symmetric = PRECONDITIONERS.iter().filter(|p| p.symmetric && !p.program_only && p.id != "none");
        for entry in symmetric {
            assert!(ALL.iter().any(|spec| registry::entry_of(spec).unwrap().id == entry.id), "{} is missing", entry.id);
        }
    }

    #[test]
    fn symmetric_positive_definite_and_deterministic() {
        let matrices = [
            gallery::poisson2d(17),
            gallery::anisotropic2d(15, 1e-3),
            gallery::random_spd(300, 9, 2),
            gallery::poisson27(6),
        ];
        for a in matrices.map(Arc::new) {
            let mut random = Random::new(1);
            let (x, y) = (random.vector(a.rows()), random.vector(a.rows()));
            for spec in ALL {
                let mut m = Applied::new(&a, spec, 0);
                assert_symmetric_and_definite(&mut m, spec, &x, &y);
                assert_eq!(m.apply(&x), m.apply(&x), "{spec}: applied twice");
                assert_eq!(m.apply(&x), Applied::new(&a, spec, 0).apply(&x), "{spec}: set up twice");
                // By Jacobi sweeps in place of triangular solves.
                let space = Space::new(Precisions::uniform(Dtype::F64)).without_triangles();
                assert_symmetric_and_definite(&mut Applied::within(space, &a, spec, 0), spec, &x, &y);
            }
        }
    }

    fn assert_symmetric_and_definite(m: &mut Applied, spec: &str, x: &[f64], y: &[f64]) {
        let (mx, my) = (m.apply(x), m.apply(y));
        let (one, two) = (dot(&mx, y), dot(x, &my));
        let size = (dot(&mx, &mx) * dot(y, y)).sqrt();
        assert!((one - two).abs() < 1e-13 * size, "{spec}: {one} {two}");
        assert!(dot(&mx, x) > 0.0 && dot(&my, y) > 0.0, "{spec}");
    }

    #[test]
    fn scales_with_a() {
        let a = Arc::new(gallery::poisson2d(13));
        let x = Random::new(4).vector(a.rows());
        for spec in ALL {
            let plain = Applied::new(&a, spec, 0).apply(&x);
            for e in [-3, 6] {
                let scaled = Applied::new(&a, spec, e).apply(&x);
                for (p, s) in plain.iter().zip(&scaled) {
                    assert!((s * 2f64.powi(e) - p).abs() < 1e-12 * p.abs().max(1.0), "{spec}, 2^{e}");
                }
            }
        }
    }

    #[test]
    fn refreshed_is_as_set_up_anew() {
        let a = gallery::poisson2d(14);
        // The same operator in other units: with the kept P, M equals a new set-up.
        let mut double = a.clone();
        double.set_values(a.values().iter().map(|v| 4.0 * v).collect()).unwrap();
        let (a, double) = (Arc::new(a), Arc::new(double));
        let x = Random::new(4).vector(a.rows());
        for spec in ALL {
            let mut m = Applied::new(&a, spec, 0);
            m.refresh(&double, -2);
            let expected = Applied::new(&double, spec, -2).apply(&x);
            for (p, s) in expected.iter().zip(m.apply(&x)) {
                assert!((s - p).abs() < 1e-12 * p.abs().max(1.0), "{spec}");
            }
        }
    }

    /// z = M r by relaxing one row after the other from z = 0, forwards and, for SSOR, backwards again.
    fn relaxed(a: &Csr, rows: &[u32], omega: f64, back: bool, r: &[f64]) -> Vec<f64> {
        let mut z = vec![0.0; r.len()];
        let mut relax = |i: u32| {
            let i = i as usize;
            let sum: f64 = a.row(i).0.iter().zip(a.row(i).1).map(|(&j, v)| v * z[j as usize]).sum();
            z[i] += omega * (r[i] - sum) / a.get(i, i);
        };
        rows.iter().for_each(|&i| relax(i));
        if back {
            rows.iter().rev().for_each(|&i| relax(i));
        }
        z
    }

    #[test]
    fn relaxation_colour_by_colour() {
        for (a, levels) in [
            (gallery::poisson2d(9), 2),
            (gallery::poisson3d(5), 2),
            (gallery::poisson27(5), 8),
            (gallery::convection_diffusion2d(8, [0.6, 0.2]), 2),
            (gallery::diagonal(&[2.0, 4.0, 8.0]), 1),
        ] {
            let a = Arc::new(a);
            let r = Random::new(4).vector(a.rows());
            for order in ["natural", "colours"] {
                let coloured = order == "colours";
                let n = a.rows() as u32;
                let blocks = crate::matrix::order::colouring::blocks(&a, if coloured { 1 } else { n });
                let rows: Vec<u32> = blocks.into_iter().flatten().collect();
                for (id, omega, back) in [("gauss_seidel:", 1.0, false), ("ssor:omega=1.3,", 1.3, true)] {
                    let expected = relaxed(&a, &rows, omega, back, &r);
                    let near = |z: &[f64]| z.iter().zip(&expected).all(|(z, e)| (z - e).abs() < 1e-14 * 4.0);
                    let spec = format!("{id}order={order}");
                    assert!(near(&Applied::new(&a, &spec, 0).apply(&r)), "{spec}");
                    if !coloured {
                        continue;
                    }
                    // One Jacobi sweep fewer than there are levels is exact; more are not made.
                    let sweeps = |more: &str| {
                        let space = Space::new(Precisions::uniform(Dtype::F64)).without_triangles();
                        let mut m = Applied::within(space, &a, &format!("{spec}{more}"), 0);
                        (near(&m.apply(&r)), m.m.describe().concat())
                    };
                    let (exact, text) = sweeps(",sweeps=100");
                    assert!(exact && text.contains(&format!("exactly by {} Jacobi", levels - 1)), "{spec}: {text}");
                    let (exact, text) = sweeps("");
                    assert!(exact == (levels <= 5) && exact == text.contains("exactly"), "{spec}: {text}");
                }
            }
        }
    }
}
