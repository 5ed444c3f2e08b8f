//! One cycle of GMRES over an Arnoldi process whose second projection is delayed by a step (DCGS2: Świrydowicz, Langou,
//! Ananthan, Yang and Thomas 2021, doi:10.1002/nla.2343; Bielich, Langou, Thomas, Świrydowicz, Yamazaki and Boman 2022,
//! doi:10.1016/j.parco.2022.102940).
//!
//! As orthogonal as CGS2, which reads the basis three times a step; here the second projection of one vector and the
//! first of the next share their sweeps, and it is read twice. Step j has v_0 … v_{j−1} and a candidate u, projected once:
//!
//! - w = A u; s = Vᵀu and c = Vᵀw read V once, τ = ⟨u, w⟩ and υ = ⟨u, u⟩ are known beside;
//! - α² = υ − sᵀs; v_j = (u − V s)/α and γ = ⟨v_j, w⟩/α = (τ − sᵀc)/α²;
//! - (w − V c)/α − γ v_j is the next candidate: what stands in w of A V s = V_{j+1} H s is projected away with the rest.
//!
//! Only coefficients notice that w was A u and not A v_j, and the host corrects them: column j of H begins as
//! (c − H s)/α and γ − s_{j−1}, and gets the next step's s added. Below it stands the candidate's length, in the next step
//! replaced by α. The difference is of second order in s, so the residual's norm is known in its own step. Where rounding
//! leaves nothing of a candidate, α is zero or next to it, and the space is invariant.
//!
//! Needs one linear operator for all steps. Step j: 4nj flops for each of both sweeps; V is read twice, u and w are
//! vectors beside it.

use crate::host::dense::givens::HessenbergLeastSquares;
use crate::host::scale::norm2;
use crate::op::{Array, Basis, Combination, Expr, Item, Program, Scalar, Seen, Space, Vector};

/// A remainder below this part of a column of H is rounding error.
const NOISE: f64 = 8.0 * f64::EPSILON;

/// A cycle with a fixed maximum number of columns.
pub(crate) struct DelayedCycle {
    /// v_0 … v_{m−1}.
    pub(crate) v: Basis,
    /// The candidate and its image, in turn.
    pair: [Vector; 2],
    s: Array,
    c: Array,
    /// ⟨r, r⟩ at the start of the cycle.
    rr: Scalar,
    /// ⟨z, z⟩ of the z that v_0 points along.
    zz: Scalar,
    /// υ.
    uu: Scalar,
    tau: Scalar,
    ss: Scalar,
    sc: Scalar,
    alpha: Scalar,
    gamma: Scalar,
    /// Columns issued in this cycle.
    pub(crate) issued: usize,
    /// Columns of H that have arrived, the last one once projected and without its last entry.
    h: Vec<Vec<f64>>,
    /// The least-squares problem over them.
    pub(crate) ls: HessenbergLeastSquares,
}

impl DelayedCycle {
    pub(crate) fn new(space: &mut Space, n: usize, m: usize) -> Self {
        let [rr, zz, uu, tau, ss, sc, alpha, gamma] =
            space.scalars(["rr", "zz", "uu", "tau", "ss", "sc", "alpha", "gamma"]);
        Self {
            v: space.basis("v", n, m),
            pair: ["u", "w"].map(|name| space.vector(name, n)),
            s: space.array("s", m),
            c: space.array("c", m),
            rr,
            zz,
            uu,
            tau,
            ss,
            sc,
            alpha,
            gamma,
            issued: 0,
            h: vec![],
            ls: HessenbergLeastSquares::new(m),
        }
    }

    /// The first candidate is z / |z|; no columns yet. |r| is taken as its length: the minimised norm is reported in units
    /// of |r|, and a combination of the basis must be multiplied by [`DelayedCycle::unit`].
    pub(crate) fn start(&mut self, p: &mut Program, r: Vector, z: Vector) {
        self.issued = 0;
        self.h.clear();
        self.ls.clear();
        p.dot(r, r, self.rr);
        p.dot(z, z, self.zz);
        p.scale(Expr::from(1.0) / self.zz.sqrt(), z, self.candidate());
        p.set(self.uu, 1.0);
    }

    /// |z| / |r| at the start.
    pub(crate) fn unit(&self) -> Expr {
        self.zz.sqrt() / self.rr.sqrt()
    }

    /// The newest candidate u.
    pub(crate) fn candidate(&self) -> Vector {
        self.pair[self.issued % 2]
    }

    /// w: put A u here, then call `extend`.
    pub(crate) fn image(&self) -> Vector {
        self.pair[(self.issued + 1) % 2]
    }

    /// A vector to be used between cycles.
    pub(crate) fn spare(&self) -> Vector {
        self.pair[1]
    }

    /// Finishes v_j, makes the next candidate of w, publishes what the host needs for columns j − 1 and j of H.
    pub(crate) fn extend(&mut self, p: &mut Program) {
        let Self { v, s, c, uu, tau, ss, sc, alpha, gamma, issued: j, .. } = *self;
        let (u, w) = (self.candidate(), self.image());
        p.dot(u, w, tau);
        let (mut square, mut along) = (Expr::from(uu), Expr::from(tau));
        if j > 0 {
            p.multi_dot(v, j, w, c);
            p.multi_dot(v, j, u, s);
            p.array_dot(s, s, j, ss);
            p.array_dot(s, c, j, sc);
            p.multi_subtract(v, j, s, u);
            p.multi_subtract(v, j, c, w);
            (square, along) = (square - ss, along - sc);
        }
        p.set(alpha, square.sqrt());
        p.set(gamma, along / alpha / alpha);
        p.scale(Expr::from(1.0) / alpha, u, v.column(j));
        let next = Combination::default().plus(Expr::from(1.0) / alpha, w).plus(-(gamma / alpha), u);
        p.assign(w, next);
        p.dot(w, w, uu);
        let mut record = vec![Item::Value(self.rr.sqrt()), Item::Value(alpha.into()), Item::Value(gamma.into())];
        if j > 0 {
            record.extend([Item::Array(s, j), Item::Array(c, j)]);
        }
        record.push(Item::Value(uu.sqrt()));
        p.publish_items(record);
        self.issued += 1;
    }

    /// Reads a record of `extend`: ‖r‖ after the step, and whether the space is exhausted.
    pub(crate) fn observe(&mut self, record: &[f64]) -> Seen {
        let j = (record.len() - 4) / 2;
        let (alpha, gamma, below) = (record[1], record[2], record[2 * j + 3]);
        let (s, c) = record[3..2 * j + 3].split_at(j);
        let Some(last) = self.h.last_mut() else {
            self.ls.start(record[0] * alpha);
            return self.push(vec![gamma], below);
        };
        last.iter_mut().zip(s).for_each(|(h, s)| *h += s);
        let residual = self.ls.replace(last, alpha);
        let done = alpha <= NOISE * norm2(last).hypot(alpha);
        last.push(alpha);
        if done {
            return Seen { residual, done };
        }
        // H s; its last entry is α s_{j−1}.
        let mut column: Vec<f64> = c.iter().copied().chain([gamma * alpha]).collect();
        for (h, s) in self.h.iter().zip(s) {
            column.iter_mut().zip(h).for_each(|(c, h)| *c -= h * s);
        }
        column.iter_mut().for_each(|c| *c /= alpha);
        self.push(column, below)
    }

    /// Takes column j as far as it is known.
    fn push(&mut self, column: Vec<f64>, below: f64) -> Seen {
        let done = below <= NOISE * norm2(&column).hypot(below);
        let residual = self.ls.push(&column, below);
        self.h.push(column);
        Seen { residual, done }
    }
}

#[cfg(test)]
mod tests {
    //! Orthogonality, the Hessenberg relation and ends of the space, beside those of CGS2.

    use super::*;
    use crate::host::random::Random;
    use crate::krylov::cycle::Cycle;
    use crate::matrix::{Csr, gallery};
    use crate::op::Role;
    use crate::op::schedule::Compiler;
    use crate::testing::{Device, on_devices};
    use std::sync::Arc;

    /// A process after some steps: v_0 … v_k, the columns of H that are final, the residuals, whether it said that it is done.
    struct Outcome {
        v: Vec<Vec<f64>>,
        h: Vec<Vec<f64>>,
        residuals: Vec<f64>,
        done: bool,
    }

    /// What both processes have in common.
    trait Process {
        fn begin(&mut self, p: &mut Program, r: Vector);
        fn step(&mut self, p: &mut Program, a: crate::op::Operator);
        fn seen(&mut self, record: &[f64]) -> Seen;
        fn basis(&self) -> Basis;
    }

    impl Process for DelayedCycle {
        fn begin(&mut self, p: &mut Program, r: Vector) {
            self.start(p, r, r);
        }
        fn step(&mut self, p: &mut Program, a: crate::op::Operator) {
            p.apply(a, self.candidate(), self.image());
            self.extend(p);
        }
        fn seen(&mut self, record: &[f64]) -> Seen {
            self.observe(record)
        }
        fn basis(&self) -> Basis {
            self.v
        }
    }

    impl Process for Cycle {
        fn begin(&mut self, p: &mut Program, r: Vector) {
            self.start(p, r);
        }
        fn step(&mut self, p: &mut Program, a: crate::op::Operator) {
            p.apply(a, self.newest(), self.arnoldi.w);
            self.extend(p);
        }
        fn seen(&mut self, record: &[f64]) -> Seen {
            self.observe(record)
        }
        fn basis(&self) -> Basis {
            self.arnoldi.v
        }
    }

    /// At most m steps of a process from b.
    fn run<T: Process>(
        device: &Device,
        a: &Csr,
        b: &[f64],
        m: usize,
        make: impl Fn(&mut Space) -> T,
        columns: impl Fn(&T) -> Vec<Vec<f64>>,
    ) -> Outcome {
        let mut space = Space::new(device.plan());
        let matrix = space.operator("A", Arc::new(a.clone()), 0, Role::Working);
        let r = space.vector("r", b.len());
        let mut process = make(&mut space);
        let mut engine = device.engine(&space, true);
        let mut compiler = Compiler::new(engine.fusion());
        engine.write_vector(r, b).unwrap();
        let mut p = Program::new(&space);
        process.begin(&mut p, r);
        engine.enqueue(&compiler.compile(p.ops, &space)).unwrap();
        let (mut residuals, mut done) = (vec![], false);
        for _ in 0..m {
            let mut p = Program::new(&space);
            process.step(&mut p, matrix);
            engine.enqueue(&compiler.compile(p.ops, &space)).unwrap();
            engine.flush().unwrap();
            while engine.in_flight() > 0 {
                for record in pollster::block_on(engine.collect()).unwrap().records {
                    let seen = process.seen(&record);
                    residuals.push(seen.residual);
                    done |= seen.done;
                }
            }
            if done {
                break;
            }
        }
        let v = process.basis();
        let read = |j| pollster::block_on(engine.read_vector(v.column(j))).unwrap();
        let v = (0..residuals.len()).map(read).collect();
        Outcome { v, h: columns(&process), residuals, done }
    }

    fn delayed(device: &Device, a: &Csr, b: &[f64], m: usize) -> Outcome {
        run(
            device,
            a,
            b,
            m,
            |space| DelayedCycle::new(space, b.len(), m),
            |process| process.h[..process.h.len().saturating_sub(1)].to_vec(),
        )
    }

    fn twice(device: &Device, a: &Csr, b: &[f64], m: usize) -> Outcome {
        run(device, a, b, m, |space| Cycle::new(space, b.len(), m), |_| vec![])
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// ‖I − VᵀV‖ in the Frobenius norm.
    fn disorder(v: &[Vec<f64>]) -> f64 {
        let entry = |i: usize, j: usize| dot(&v[i], &v[j]) - f64::from(u8::from(i == j));
        let all: Vec<f64> = (0..v.len()).flat_map(|i| (0..v.len()).map(move |j| entry(i, j))).collect();
        norm2(&all)
    }

    /// The largest ‖A v_j − V h_j‖ beside the largest ‖h_j‖.
    fn mismatch(a: &Csr, Outcome { v, h, .. }: &Outcome) -> f64 {
        let column = |(j, h): (usize, &Vec<f64>)| {
            let mut w = a.multiply(&v[j]);
            for (v, h) in v.iter().zip(h) {
                w.iter_mut().zip(v).for_each(|(w, v)| *w -= h * v);
            }
            norm2(&w)
        };
        let size = h.iter().map(|h| norm2(h)).fold(0.0, f64::max);
        h.iter().enumerate().map(column).fold(0.0, f64::max) / size
    }

    fn graded(n: usize, decades: f64) -> Csr {
        gallery::diagonal(&(0..n).map(|i| 10f64.powf(-decades * i as f64 / n as f64)).collect::<Vec<_>>())
    }

    #[test]
    fn as_orthogonal_as_two_passes_and_a_true_factorisation() {
        let systems = [
            ("poisson2d", gallery::poisson2d(18), 40),
            ("convection", gallery::convection_diffusion2d(18, [0.3, 0.2]), 40),
            ("dominated by convection", gallery::convection_diffusion2d(18, [20.0, 5.0]), 40),
            ("jordan", gallery::jordan(300, 1.0), 40),
            ("grcar", gallery::grcar(300, 3), 40),
            ("frank", gallery::frank(100), 40),
            // Each vector is nearly the one before: h_{j+1,j} falls far below ‖A v_j‖.
            (
                "near the identity",
                gallery::diagonal(&(0..300).map(|i| 1.0 + 1e-4 * f64::from(i) / 300.0).collect::<Vec<_>>()),
                4,
            ),
            ("graded", graded(300, 12.0), 30),
            ("hilbert", gallery::hilbert(60), 12),
        ];
        on_devices(|device| {
            for (name, a, m) in &systems {
                let start = Random::new(3).vector(a.rows());
                let (ours, theirs) = (delayed(device, a, &start, *m), twice(device, a, &start, *m));
                let steps = ours.v.len().min(theirs.v.len());
                let [lost, known] = [&ours, &theirs].map(|o| disorder(&o.v[..steps]) / device.epsilon());
                let wrong = mismatch(a, &ours) / device.epsilon();
                println!(
                    "{} {name}: {steps} steps, lost {lost:.1} eps, CGS2 {known:.1}, relation {wrong:.1}",
                    device.name
                );
                let far = 8.0 * (steps as f64).sqrt();
                assert!(lost <= far.max(2.0 * known), "{} {name}: {lost} eps, CGS2 {known}", device.name);
                assert!(wrong <= far, "{} {name}: A V = V H but for {wrong} eps", device.name);
                for (j, (a, b)) in ours.residuals.iter().zip(&theirs.residuals).enumerate() {
                    let near = 100.0 * device.epsilon() * norm2(&start) + 0.1 * b;
                    assert!((a - b).abs() <= near, "{} {name}: residual {j} is {a:e}, with CGS2 {b:e}", device.name);
                }
            }
        });
    }

    #[test]
    fn invariant_spaces_end_the_process() {
        on_devices(|device| {
            let n = 300u32;
            let a = gallery::diagonal(&(0..n).map(|i| 1.0 + f64::from(i)).collect::<Vec<_>>());
            for dimension in [1, 2, 3, 5] {
                // A combination of so many eigenvectors.
                let b: Vec<f64> = (0..n).map(|i| if i % 60 == 7 && i < 60 * dimension { 1.0 } else { 0.0 }).collect();
                let outcome = delayed(device, &a, &b, 20);
                let Outcome { residuals, done, v, .. } = &outcome;
                let (first, steps) = (norm2(&b), dimension as usize);
                let end = residuals[steps - 1..].iter().copied().fold(f64::MAX, f64::min);
                println!("{} {dimension}: {residuals:?}, done: {done}", device.name);
                assert!(end <= 100.0 * device.epsilon() * first, "{}: {end:e} after {steps} steps", device.name);
                assert!(disorder(&v[..steps]) <= 16.0 * device.epsilon() * (steps as f64).sqrt(), "{}", device.name);
                if device.epsilon() < 1e-10 {
                    assert!(
                        *done && residuals.len() <= steps + 1,
                        "{}: {} steps, done: {done}",
                        device.name,
                        residuals.len()
                    );
                }
            }
            let zero = delayed(device, &a, &vec![0.0; n as usize], 3);
            assert!(zero.done && zero.residuals == [0.0]);
        });
    }
}
