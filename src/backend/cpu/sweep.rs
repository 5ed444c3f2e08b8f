//! One sweep over all chunks: runs every operation of its body on a chunk before moving to the next chunk.

use super::form::Sparse;
use super::free::{Free, Prepared};
use super::kernels::{self, TERMS};
use super::memory::{Buffer, Real, Shared, by_type};
use super::{Cpu, Simd, Stored};
use crate::error::Result;
use crate::op::schedule::length;
use crate::op::{Array, Dtype, Op, Operator, Scalar, Term, Triangle, Vector};
use crate::ranks::sum::pairwise;
use rayon::prelude::*;

mod columns;
#[cfg(debug_assertions)]
mod overlap;

use columns::{Projection, Update};

/// Entries per chunk: a few vectors of it fit the first-level cache, thirty columns of a basis the second,
/// and a million rows make enough chunks to balance.
pub(super) const CHUNK: usize = crate::host::scale::CHUNK;

/// Below this many chunks a second thread costs more than it saves.
const PARALLEL_FROM: usize = 16;

/// Fewest chunks that one thread takes at once.
const GRAIN: usize = 8;

/// Entries widened at once when number types differ; two such blocks are on the stack.
const BLOCK: usize = 128;

/// An operation with its coefficients evaluated and its operands resolved.
enum Step<'a> {
    Apply {
        a: &'a Sparse,
        x: Shared,
        y: Shared,
    },
    /// With x in f64, if the vector itself is not.
    ApplyFree {
        a: &'a Free,
        x: Shared,
        prepared: Prepared,
        y: Shared,
        /// The row of y's first entry.
        first: usize,
    },
    Map(Map),
    Dot {
        x: Shared,
        y: Shared,
        out: usize,
    },
    MultiDot(Projection),
    MultiAxpy(Update),
    Rotate(Rotation),
}

/// y = own·y + Σ c u + Σ c u∘v.
struct Map {
    y: Shared,
    own: Option<f64>,
    terms: Vec<(f64, Shared)>,
    products: Vec<(f64, Shared, Shared)>,
    /// All of one number type, and no product reads y: computed in place.
    plain: bool,
}

/// Replaces the first columns by combinations of all.
struct Rotation {
    columns: Vec<Shared>,
    /// The coefficients of each new column.
    coefficients: Vec<Vec<f64>>,
}

/// Where a reduction's total goes.
enum Target {
    Scalar(Scalar),
    Array(Array, usize),
}

impl Cpu {
    /// The entries of `v` that this engine computes: this rank's.
    fn shared(&self, v: Vector) -> Shared {
        let extent = self.extent(self.space.length(v));
        self.view(v, extent.below, extent.own)
    }

    /// `v` as the columns of `a` see it: with ghosts where several ranks share it.
    fn seen(&self, v: Vector, a: Operator) -> Shared {
        let Some(local) = self.part.as_ref().and_then(|part| part.local(a)) else { return self.shared(v) };
        let extent = self.extent(self.space.length(v));
        self.view(v, extent.below - local.below, local.below + extent.own + local.above)
    }

    fn view(&self, v: Vector, at: usize, len: usize) -> Shared {
        match v {
            Vector::Own(i) => Shared::of(&self.vectors[i as usize], at, len),
            Vector::Column { basis, column } => {
                let at = column as usize * self.strides[basis as usize] + at;
                Shared::of(&self.bases[basis as usize], at, len)
            }
        }
    }

    /// y = T⁻¹ x. Where ranks share T, each solves with all of it and keeps its part.
    fn solve_triangle(&self, t: Triangle, x: Vector, y: Vector) -> Result<()> {
        let triangle = &self.triangles[t.0 as usize];
        let (own, length) = (self.shared(y), self.space.length(x));
        let gathered = match &self.part {
            Some(part) => part.gathered(self.shared(x), length)?.map(|whole| (whole, part.range(length))),
            None => None,
        };
        let Some((whole, range)) = gathered else {
            // SAFETY: the solve is alone in its sweep, so nothing else accesses x and y.
            unsafe { triangle.solve(&self.operators, self.shared(x), own) };
            return Ok(());
        };
        let all = Shared::of(&whole, 0, length.entries);
        // SAFETY: as above; `whole` is this function's.
        unsafe {
            triangle.solve(&self.operators, all, all);
            by_type!(own.dtype(), T => {
                own.chunk_mut::<T>(0, range.len()).copy_from_slice(all.chunk(range.start, range.end));
            });
        }
        Ok(())
    }

    pub(super) fn run_sweep(&mut self, body: &[Op]) -> Result<()> {
        let Some(first) = body.first() else { return Ok(()) };
        if let Op::TriangularSolve { t, x, y } = first {
            return self.solve_triangle(*t, *x, *y);
        }
        let length = length(first, &self.space);
        let n = self.extent(length).own;
        // Operands of functions, which need all of x.
        let mut wholes: Vec<Buffer> = vec![];
        if let Some(part) = &self.part {
            for op in body {
                if let Op::Apply { a, x, .. } = op
                    && let Stored::Free(_) = &self.operators[a.0 as usize]
                {
                    wholes.extend(part.gathered(self.shared(*x), self.space.length(*x))?);
                }
            }
        }
        let mut whole = wholes.iter();
        let operators = std::mem::take(&mut self.operators);
        let mut partials = std::mem::take(&mut self.partials);
        let mut targets = Vec::new();
        let mut halos = Vec::new();
        let mut steps: Vec<Step> = Vec::with_capacity(body.len());
        for op in body {
            let step = match op {
                Op::Apply { a, x, y } => match &operators[a.0 as usize] {
                    Stored::Sparse(sparse) => {
                        let seen = self.seen(*x, *a);
                        halos.extend(self.part.as_ref().and_then(|part| part.local(*a)).map(|local| (local, seen)));
                        Step::Apply { a: sparse, x: seen, y: self.shared(*y) }
                    }
                    Stored::Free(a) => {
                        let all = whole.next().map(|buffer| Shared::of(buffer, 0, self.space.len(*x)));
                        let x = all.unwrap_or_else(|| self.shared(*x));
                        let first = self.part.as_ref().map_or(0, |part| part.range(length).start);
                        Step::ApplyFree { a, x, prepared: a.prepare(x), y: self.shared(*y), first }
                    }
                },
                Op::Map { y, terms } => Step::Map(self.map(*y, terms)),
                Op::Dot { x, y, out } => {
                    targets.push(Target::Scalar(*out));
                    Step::Dot { x: self.shared(*x), y: self.shared(*y), out: targets.len() - 1 }
                }
                Op::MultiDot { v, k, w, out } => {
                    let w = (self.shared(*w), targets.len());
                    targets.extend((0..*k).map(|j| Target::Array(*out, j)));
                    let columns: Vec<Shared> = (0..*k).map(|j| self.shared(v.column(j))).collect();
                    match steps.last_mut() {
                        Some(Step::MultiDot(p)) if p.second.is_none() && p.columns == columns => {
                            p.second = Some(w);
                            continue;
                        }
                        _ => Step::MultiDot(Projection { columns, first: w, second: None }),
                    }
                }
                Op::MultiAxpy { v, k, coefficients, minus, w } => {
                    let sign = if *minus { -1.0 } else { 1.0 };
                    let coefficients = self.arrays[coefficients.0 as usize][..*k].iter().map(|c| sign * c);
                    let (columns, w) = ((0..*k).map(|j| self.shared(v.column(j))), self.shared(*w));
                    match steps.last_mut() {
                        Some(Step::MultiAxpy(u)) if u.joins(w, columns.clone()) => {
                            u.second = Some((w, coefficients.collect()));
                            continue;
                        }
                        _ => Step::MultiAxpy(Update {
                            columns: coefficients.zip(columns).collect(),
                            first: w,
                            second: None,
                        }),
                    }
                }
                Op::Rotate { v, k, l, s } => Step::Rotate(Rotation {
                    columns: (0..*k).map(|j| self.shared(v.column(j))).collect(),
                    coefficients: self.arrays[s.0 as usize].chunks(*k).take(*l).map(<[f64]>::to_vec).collect(),
                }),
                _ => unreachable!("a scalar operation in a sweep"),
            };
            steps.push(step);
        }

        #[cfg(debug_assertions)]
        overlap::check(&steps);
        let sums = targets.len();
        let chunks = n.div_ceil(CHUNK);
        partials.clear();
        partials.resize(chunks * sums, 0.0);
        let simd = self.simd;
        let mut pass = |wanted: &(dyn Fn(usize) -> bool + Sync)| {
            let work = |c: usize, partials: &mut [f64]| {
                if wanted(c) {
                    // SAFETY: chunk c is this thread's alone, and the schedule keeps a vector that is gathered
                    // from being written in the same sweep.
                    unsafe { run(simd, &steps, c, n, partials) };
                }
            };
            if chunks < PARALLEL_FROM {
                for c in 0..chunks {
                    work(c, &mut partials[c * sums..(c + 1) * sums]);
                }
            } else if sums == 0 {
                (0..chunks).into_par_iter().with_min_len(GRAIN).for_each(|c| work(c, &mut []));
            } else {
                partials.par_chunks_mut(sums).with_min_len(GRAIN).enumerate().for_each(|(c, p)| work(c, p));
            }
        };
        let brought = match &self.part {
            Some(part) if !halos.is_empty() => {
                let waits = |c: usize| halos.iter().any(|(local, _)| local.waits[c]);
                // SAFETY: no step writes a gathered vector, and chunks that need ghosts come after.
                let brought = unsafe { part.exchange(&halos, || pass(&|c| !waits(c))) };
                pass(&waits);
                brought
            }
            _ => {
                pass(&|_| true);
                Ok(())
            }
        };
        drop(steps);
        self.operators = operators;
        brought?;
        let totals = match &self.part {
            Some(part) if sums > 0 => part.totals(length, &partials, sums)?,
            _ => (0..sums).map(|t| pairwise(0..chunks, &|c| partials[c * sums + t])).collect(),
        };
        for (target, total) in targets.iter().zip(totals) {
            match target {
                Target::Scalar(s) => self.scalars[s.0 as usize] = total,
                Target::Array(a, j) => self.arrays[a.0 as usize][*j] = total,
            }
        }
        self.partials = partials;
        Ok(())
    }

    fn map(&self, y: Vector, terms: &[Term]) -> Map {
        let mut map = Map { y: self.shared(y), own: None, terms: vec![], products: vec![], plain: true };
        for t in terms {
            let c = self.eval(&t.coefficient);
            match t.by {
                None if t.x == y => map.own = Some(map.own.unwrap_or(0.0) + c),
                None => map.terms.push((c, self.shared(t.x))),
                Some(by) => {
                    map.plain &= t.x != y && by != y;
                    map.products.push((c, self.shared(t.x), self.shared(by)));
                }
            }
        }
        let dtype = map.y.dtype();
        map.plain &= map.terms.iter().all(|t| t.1.dtype() == dtype)
            && map.products.iter().all(|t| t.1.dtype() == dtype && t.2.dtype() == dtype);
        map
    }
}

/// True if a sweep over `n` entries is worth several threads.
pub(super) fn is_parallel(n: usize) -> bool {
    n.div_ceil(CHUNK) >= PARALLEL_FROM
}

/// Runs all steps on chunk `c` of vectors of `n` entries, with the instruction set `simd`.
///
/// # Safety
/// No other thread works on this chunk, and gathered vectors are not written in this sweep.
unsafe fn run(simd: Simd, steps: &[Step], c: usize, n: usize, partials: &mut [f64]) {
    // SAFETY: the caller's contract covers the chunk; `Simd` the processor.
    unsafe {
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => run_avx2(steps, c, n, partials),
            Simd::Portable => run_steps(steps, c, n, partials),
        }
    }
}

/// [`run_steps`] with every loop inlined and compiled for AVX2.
///
/// # Safety
/// As [`run`], and the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn run_avx2(steps: &[Step], c: usize, n: usize, partials: &mut [f64]) {
    // SAFETY: by the caller's word.
    unsafe { run_steps(steps, c, n, partials) }
}

/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn run_steps(steps: &[Step], c: usize, n: usize, partials: &mut [f64]) {
    let (lo, hi) = (c * CHUNK, ((c + 1) * CHUNK).min(n));
    for step in steps {
        // SAFETY: by the caller's word.
        unsafe { step.run(c, lo, hi, partials) };
    }
}

impl Step<'_> {
    /// Runs the step on entries `lo..hi` of chunk `c`.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn run(&self, c: usize, lo: usize, hi: usize, partials: &mut [f64]) {
        // SAFETY: by the caller's word chunks are disjoint between threads; within one step a mutable view never
        // coexists with another view of the same vector, and Apply gets the chunk's rows and all of x.
        unsafe {
            match self {
                Self::Apply { a, x, y } => by_type!(y.dtype(), T => {
                    a.rows_of_chunk::<T>(c, y.chunk_mut(lo, hi), x.chunk(0, a.columns()));
                }),
                Self::ApplyFree { a, x, prepared, y, first } => a.rows(*first, lo, hi, *y, *x, prepared),
                Self::Map(map) if map.plain => by_type!(map.y.dtype(), T => map.in_place::<T>(lo, hi)),
                Self::Map(map) => {
                    for at in (lo..hi).step_by(BLOCK) {
                        map.widened(at, hi.min(at + BLOCK));
                    }
                }
                Self::Dot { x, y, out } => {
                    [partials[*out]] = by_type!(x.dtype(), T => by_type!(y.dtype(), U => {
                        kernels::dots::<T, U, 1>([x.chunk(lo, hi)], y.chunk(lo, hi))
                    }));
                }
                Self::MultiDot(p) => by_type!(p.first.0.dtype(), T => p.run::<T>(lo, hi, partials)),
                Self::MultiAxpy(u) => by_type!(u.first.dtype(), T => u.run::<T>(lo, hi)),
                Self::Rotate(rotation) => by_type!(rotation.columns[0].dtype(), T => {
                    let mut old = vec![T::default(); rotation.columns.len() * BLOCK];
                    for at in (lo..hi).step_by(BLOCK) {
                        rotation.block::<T>(&mut old, at, hi.min(at + BLOCK));
                    }
                }),
            }
        }
    }
}

/// y = own·y + Σ c u, any number of terms.
///
/// # Safety
/// As [`run`], and no term is y.
#[inline(always)]
unsafe fn sum_up<T: Real>(y: &mut [T], own: Option<f64>, terms: &[(f64, Shared)], lo: usize, hi: usize) {
    let mut own = own.map(T::from_f64);
    let mut rest = terms;
    loop {
        let (head, tail) = rest.split_at(rest.len().min(TERMS));
        let mut operands: [(T, &[T]); TERMS] = [(T::default(), &[]); TERMS];
        for (slot, (c, x)) in operands.iter_mut().zip(head) {
            // SAFETY: read-only, and by the caller's word another vector than y.
            *slot = (T::from_f64(*c), unsafe { x.chunk(lo, hi) });
        }
        kernels::combine(y, own, &operands[..head.len()]);
        if tail.is_empty() {
            return;
        }
        own = Some(T::from_f64(1.0));
        rest = tail;
    }
}

impl Map {
    /// # Safety
    /// As [`run`], and the map is plain.
    #[inline(always)]
    unsafe fn in_place<T: Real>(&self, lo: usize, hi: usize) {
        // SAFETY: in a plain map y is an operand only through `own`.
        unsafe {
            let y = self.y.chunk_mut::<T>(lo, hi);
            let mut started = false;
            if self.own.is_some() || !self.terms.is_empty() || self.products.is_empty() {
                sum_up(y, self.own, &self.terms, lo, hi);
                started = true;
            }
            for (c, x, z) in &self.products {
                kernels::product(y, started, T::from_f64(*c), x.chunk::<T>(lo, hi), z.chunk(lo, hi));
                started = true;
            }
        }
    }

    /// The map on at most [`BLOCK`] entries, computed in f64 and rounded once.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn widened(&self, lo: usize, hi: usize) {
        let n = hi - lo;
        let mut sum = [0.0f64; BLOCK];
        let (mut u, mut v) = ([0.0f64; BLOCK], [0.0f64; BLOCK]);
        // SAFETY: read-only views first, then the one mutable view of y.
        unsafe {
            if let Some(c) = self.own {
                widen(&mut sum, self.y, lo, hi);
                kernels::combine(&mut sum[..n], Some(c), &[]);
            }
            for (c, x) in &self.terms {
                widen(&mut u, *x, lo, hi);
                kernels::combine(&mut sum[..n], Some(1.0), &[(*c, &u[..n])]);
            }
            for (c, x, z) in &self.products {
                widen(&mut u, *x, lo, hi);
                widen(&mut v, *z, lo, hi);
                kernels::product(&mut sum[..n], true, *c, &u[..n], &v[..n]);
            }
            by_type!(self.y.dtype(), T => {
                self.y.chunk_mut::<T>(lo, hi).iter_mut().zip(&sum).for_each(|(y, &s)| *y = T::from_f64(s));
            });
        }
    }
}

impl Rotation {
    /// The rotation on at most [`BLOCK`] rows, whose old entries are copied to `old`.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn block<T: Real>(&self, old: &mut [T], lo: usize, hi: usize) {
        let n = hi - lo;
        for (copy, v) in old.chunks_mut(BLOCK).zip(&self.columns) {
            // SAFETY: a read-only view, gone before the columns are written.
            copy[..n].copy_from_slice(unsafe { v.chunk(lo, hi) });
        }
        for (s, v) in self.coefficients.iter().zip(&self.columns) {
            // SAFETY: the one view of these entries.
            let y = unsafe { v.chunk_mut::<T>(lo, hi) };
            for (g, (s, old)) in s.chunks(TERMS).zip(old.chunks(TERMS * BLOCK)).enumerate() {
                let mut operands: [(T, &[T]); TERMS] = [(T::default(), &[]); TERMS];
                for (slot, (s, x)) in operands.iter_mut().zip(s.iter().zip(old.chunks(BLOCK))) {
                    *slot = (T::from_f64(*s), &x[..n]);
                }
                kernels::combine(y, (g > 0).then_some(T::from_f64(1.0)), &operands[..s.len()]);
            }
        }
    }
}

/// Entries `lo..hi` of `x` in f64.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn widen(out: &mut [f64; BLOCK], x: Shared, lo: usize, hi: usize) {
    // SAFETY: a read-only view of this thread's own entries.
    by_type!(x.dtype(), T => unsafe {
        out.iter_mut().zip(x.chunk::<T>(lo, hi)).for_each(|(o, x)| *o = x.to_f64());
    });
}
