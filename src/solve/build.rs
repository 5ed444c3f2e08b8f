//! From a candidate of the plan to a session that can run.

use super::derived::transpose;
use super::many::Block;
use super::solver::Solver;
use crate::backend::Engine;
use crate::backend::shared::Shared;
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::host::dense::orthonormal::orthonormal;
use crate::host::halt::Halt;
use crate::host::scale::ldexp;
use crate::method::{Method, MethodEntry, Needs, Normal, System, Tuning, Watch};
use crate::op::schedule::Compiler;
use crate::op::{Operator, Role, Space, Vector};
use crate::options::Criterion;
use crate::plan::Candidate;
use crate::plan::transform::Transform;
use crate::precond::registry::Precond;
use crate::precond::{self, Common, NearNull, Preconditioner};
use crate::ranks::Ranks;
use crate::solve::drive::{Growing, Session};
use crate::solve::refine::Renewal;
use std::sync::Arc;
use std::time::Duration;

/// A candidate but for its method: what all copies of the method have in common.
struct Prepared {
    space: Space,
    transform: Arc<Transform>,
    a: Operator,
    x: Vector,
    r: Vector,
    normal: Option<Normal>,
    transpose: Option<Operator>,
    watch: Watch,
    entry: MethodEntry,
    tuning: Tuning,
    /// The bound on ‖r‖ grows with ‖x‖.
    growing: bool,
}

/// A method with a space that has all it needs.
struct Built {
    space: Space,
    method: Box<dyn Method>,
    renewal: Option<Renewal>,
    growing: Option<Growing>,
}

impl Prepared {
    /// The method over an installed `m`.
    fn build(&self, m: Box<dyn Preconditioner>) -> Built {
        let mut space = self.space.clone();
        let Self { a, x, r, normal, transpose, watch, .. } = *self;
        let n = space.len(x);
        let order = self.transform.matrix.all_cols();
        let system = System { a, r, x, n, order, normal, transpose, m, watch };
        let method = self.entry.build(&mut space, system, &self.tuning);
        let refines = space.plan.working != space.plan.accumulate;
        let (matrix, exponent) = (&self.transform.matrix, self.transform.remaining);
        let renewal = (method.restarts() || refines).then(|| Renewal::new(&mut space, a, matrix, exponent, n));
        // A method that restarts keeps no x on its way.
        let grows = self.growing && renewal.is_none() && !refines;
        let growing = grows.then(|| Growing::new(&mut space));
        Built { space, method, renewal, growing }
    }

    fn session(&self, built: Built, engine: Box<dyn Engine>) -> Session {
        let Built { space, method, renewal, growing } = built;
        let Self { a, x, r, normal, transpose, watch, .. } = *self;
        let transform = Arc::clone(&self.transform);
        let compiler = Compiler::new(engine.fusion());
        let minimises = self.entry.traits.least_squares;
        Session {
            engine,
            compiler,
            space,
            method,
            watch,
            a,
            x,
            r,
            normal,
            transpose,
            minimises,
            renewal,
            growing,
            transform,
            batch: 2,
            paused: None,
        }
    }
}

impl Solver {
    /// Transform, space and preconditioner of candidate `k`, and how long they took.
    fn prepare(&mut self, k: usize, halt: &Halt) -> Result<(Prepared, Box<dyn Preconditioner>, Duration)> {
        let start = Instant::now();
        halt.check()?;
        let transform = self.transform(self.candidates[k].change, halt)?;
        let candidate = &self.candidates[k];
        let (rows, n) = (self.a.rows(), self.a.cols());
        let (matrix, exponent) = (&transform.matrix, transform.remaining);
        let mut space = self.device.space(candidate.precision);
        space.halt = halt.clone();
        space.enter(matrix.layout());
        let a = space.operator("A", matrix.clone(), exponent, Role::Working);
        let x = space.vector("x", n);
        let r = space.vector("r", rows);
        let normal = (candidate.method.needs == Needs::Any).then(|| Normal {
            transpose: space.operator(
                "A^T",
                self.transpose.clone().expect("made for such methods"),
                exponent,
                Role::Working,
            ),
            gradient: space.vector("gradient", n),
        });
        let transpose = match candidate.method.traits.two_sided {
            true => Some(space.operator("A^T", transpose(matrix)?, exponent, Role::Working)),
            false => None,
        };
        let watch = Watch::new(&mut space);
        let near_null = self.options.near_null.as_ref();
        NearNull::check_parts(near_null.map(|v| &**v), &self.a)?;
        let request = precond::Request {
            definite: candidate.method.needs.symmetry(),
            symmetric: self.facts.symmetric() && !candidate.change.matched,
            normal: normal.is_some(),
            near_null: near_null.map(|v| Arc::new(v.changed(|v| transform.direction(v)))),
            frugal: self.candidates.len() > 1 && self.options.preconditioner == Precond::Auto,
            room: self.options.available_memory(),
            operations: transform.cost.map(|c| c.multiplications),
            halt: halt.clone(),
        };
        let chosen = match &self.options.preconditioner {
            Precond::Auto => candidate.preconditioner.parse()?,
            asked => asked.clone(),
        };
        let mut m = chosen.build(matrix, &request)?;
        let setup = start.elapsed();
        m.install(&mut space, exponent);
        if transpose.is_some() && !m.install_transposed(&mut space, exponent) {
            let (id, preconditioner) = (candidate.method.id, chosen.id());
            return Err(Error::input(format!(
                "{id} needs the transpose of its preconditioner, and {preconditioner} has none; use none, jacobi, scaling \
                 or a given matrix"
            )));
        }
        // A preconditioner's own scale is the inverse of A's, so that A M is as the user sees it.
        let scale = if m.is_identity() { exponent } else { 0 };
        let settings = self.options.method.settings();
        let spectrum = settings.spectrum.map(|(a, b)| (ldexp(a, scale), ldexp(b, scale)));
        let given = settings.subspace.iter().chain(&self.directions);
        let subspace: Vec<_> = given.map(|v| transform.direction(v)).collect();
        let subspace = orthonormal(subspace).into_iter().map(Arc::new).collect();
        let tuning =
            Tuning { restart: candidate.restart, side: settings.side, spectrum, subspace, recycle: settings.recycle };
        let growing = self.options.criterion == Criterion::BackwardError;
        let entry = candidate.method.clone();
        Ok((Prepared { space, transform, a, x, r, normal, transpose, watch, entry, tuning, growing }, m, setup))
    }

    /// `outcome`, unless it is an error on another rank.
    pub(super) fn agreed<T>(&self, outcome: Result<T>) -> Result<T> {
        Ranks::agreed(self.options.ranks.as_ref(), outcome)
    }

    /// An engine over `space` for candidate `k`, where there is memory for it.
    fn engine(&self, k: usize, space: &Space) -> Result<Box<dyn Engine>> {
        let candidate = &self.candidates[k];
        let ranks = self.options.ranks.as_ref();
        let (needed, parts) = space.needed(ranks.filter(|_| self.a.parted().is_none()).map_or(1, Ranks::size));
        // Alike on all ranks, whatever each holds.
        let needed = if self.a.parted().is_some() { self.a.whole().widest(needed as f64) as u64 } else { needed };
        let what = || format!("{} with {}: {parts}", candidate.method.id, candidate.preconditioner);
        self.agreed(self.options.check_memory(what, needed))?;
        if let Some(ranks) = ranks {
            let Candidate { method, preconditioner, restart, precision, .. } = candidate;
            let parts = if self.a.parted().is_some() { "" } else { &parts };
            let decided = format!("{} with {preconditioner}, restart {restart}, {precision:?}: {parts}", method.id);
            ranks.agree_on(&decided)?;
        }
        self.device.engine(space.clone())
    }

    /// Builds candidate `k`: space, preconditioner, method, engine; and says how long its transform and preconditioner took.
    pub(super) fn session(&mut self, k: usize, halt: &Halt) -> Result<(Session, Duration)> {
        let prepared = self.prepare(k, halt);
        let (prepared, m, setup) = self.agreed(prepared)?;
        halt.check()?;
        let built = prepared.build(m);
        let engine = self.engine(k, &built.space)?;
        Ok((prepared.session(built, engine), setup))
    }

    /// Builds candidate `k` for `count` right-hand sides at once.
    pub(super) fn block_of(&mut self, k: usize, count: usize, halt: &Halt) -> Result<(Block, Duration)> {
        let prepared = self.prepare(k, halt);
        let (prepared, m, setup) = self.agreed(prepared)?;
        let m = Common::new(m);
        let built: Vec<Built> = (0..count).map(|_| prepared.build(Box::new(m.clone()))).collect();
        let (space, copies) = built[0].space.copies(count);
        let together = built[0].method.restarts();
        let shared = Shared::new(self.engine(k, &space)?, space, copies, together);
        let sessions = built.into_iter().enumerate().map(|(j, b)| prepared.session(b, Box::new(shared.client(j))));
        Ok((Block { candidate: k, sessions: sessions.collect(), shared }, setup))
    }
}
