//! New values on the pattern that a solver was made for.

use super::derived::{damped, transpose};
use super::solver::Solver;
use crate::analyse::facts::Facts;
use crate::analyse::range::Range;
use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix, ToMatrix};
use crate::plan::transform::Transform;
use crate::solve::drive::Session;
use std::sync::Arc;

impl Solver {
    /// Puts the values of `a` in place of the old ones; `a` has the pattern that the solver was made for, given in
    /// any form and any order. Kernels and memory are kept, and so is the plan: the order of the rows, and whether they
    /// are equilibrated; the powers of two are found anew. Costs about as much as the parts of a set-up that read values.
    ///
    /// ```
    /// use krylane::{Method, Solver, matrix::gallery};
    /// let mut a = gallery::poisson2d(20);
    /// let b = vec![1.0; a.rows()];
    /// let mut solver = Solver::builder(&a).method(Method::Cg).build()?;
    /// let before = solver.solve(&b)?;
    /// a.set_values(a.values().iter().map(|v| 2.0 * v).collect())?;
    /// solver.update(&a)?;
    /// assert_eq!(solver.solve(&b)?.x[0], before.x[0] / 2.0);
    /// # Ok::<(), krylane::Error>(())
    /// ```
    ///
    /// # Errors
    /// Another pattern, a value that is not finite, facts that contradict the plan (symmetry lost). After an error the
    /// solver is what it was. A preconditioner that can't be set up for the new values, or a device that fails, is told
    /// by the next solve.
    pub fn update(&mut self, a: &impl ToMatrix) -> Result<()> {
        if self.a.parted().is_some() {
            return Err(Error::input("rows that ranks share have no update of values; make a new solver"));
        }
        // All that can fail comes first.
        let (Matrix::Stored(old), Matrix::Stored(given)) = (&self.a, a.to_matrix()?) else {
            return Err(Error::input("an operator has no values to update; make a new solver"));
        };
        let damp = self.options.method.settings().damp;
        let new = if damp > 0.0 { Arc::new(damped(&given, damp)?) } else { given };
        same_pattern(old, &new)?;
        let facts = Facts::of(&new);
        if let (true, Some((i, j))) = (self.facts.symmetric(), facts.asymmetry)
            && let Some(found) = self.candidates.iter().find(|c| c.method.needs.symmetry())
        {
            return Err(Error::input(format!(
                "the new values are not symmetric (entries ({i}, {j}) and ({j}, {i}) differ, rows counted from 0), and the \
                 plan rests on {}, which needs symmetry; make a new Solver",
                found.method.id
            )));
        }
        let transposed = self.transpose.as_ref().map(|_| transpose(&Matrix::from(&new))).transpose()?;
        let renewed = self.transforms.iter().map(|t| t.renewed(&new, &facts).map(Arc::new));
        let transforms = renewed.collect::<Result<Vec<_>>>()?;

        (self.a, self.facts, self.transpose, self.transforms) = (new.into(), facts, transposed, transforms);
        self.range = Arc::new(Range::new(damp));
        // Copies of a method are made anew; what they share would be set up once for each.
        self.block = None;
        // Bounds of a spectrum stand in the session in units of the old scale.
        let bounded = self.options.method.settings().spectrum.is_some();
        let transpose = self.transpose.as_ref().and_then(Matrix::entries);
        for slot in &mut self.sessions {
            // One that can't follow is made anew by the next solve, which tells what is wrong.
            let follows = |session: &mut Session| session.follow(&self.transforms, transpose).is_ok();
            if bounded || !slot.as_mut().is_none_or(follows) {
                *slot = None;
            }
        }
        Ok(())
    }
}

impl Session {
    /// Puts the new values of its transform, and of Aᵀ, on the device.
    fn follow(&mut self, transforms: &[Arc<Transform>], transpose: Option<&Arc<Csr>>) -> Result<()> {
        let same = |t: &&Arc<Transform>| t.change == self.transform.change;
        let transform = transforms.iter().find(same).expect("kept as long as its sessions");
        self.transform = Arc::clone(transform);
        let (matrix, exponent) = (transform.matrix.entries().expect("made of stored entries"), transform.remaining);
        self.engine.update_operator(self.a, matrix, exponent)?;
        if let Some(wide) = self.renewal.map(|n| n.a).filter(|&wide| wide != self.a) {
            self.engine.update_operator(wide, matrix, exponent)?;
        }
        let two_sided = self.transpose.map(|t| (t, Arc::new(matrix.transpose())));
        let normal = self.normal.zip(transpose).map(|(n, transpose)| (n.transpose, Arc::clone(transpose)));
        for (t, transpose) in [normal, two_sided].into_iter().flatten() {
            // A matrix that was its own transpose is kept once.
            if t == self.a && transpose != *matrix {
                return Err(Error::input("the matrix was its own transpose and is no more"));
            }
            self.engine.update_operator(t, &transpose, exponent)?;
        }
        self.method.values_changed();
        let updates = self.method.system().m.refresh(matrix, exponent)?;
        for (v, values) in updates.vectors {
            self.engine.write_vector(v, &values)?;
        }
        for (a, matrix, exponent) in updates.operators {
            self.engine.update_operator(a, &matrix, exponent)?;
        }
        for (t, matrix, exponent) in updates.triangles {
            self.engine.update_triangle(t, &matrix, exponent)?;
        }
        Ok(())
    }
}

/// Checks that both have entries at the same places.
fn same_pattern(old: &Csr, new: &Csr) -> Result<()> {
    if (old.rows(), old.cols()) != (new.rows(), new.cols()) {
        let [m, n, k, l] = [old.rows(), old.cols(), new.rows(), new.cols()];
        return Err(Error::input(format!("the matrix is {k} x {l}; the solver was made for one of {m} x {n}")));
    }
    // Clones share their pattern.
    let shared = std::ptr::eq(old.row_ptr(), new.row_ptr()) && std::ptr::eq(old.columns(), new.columns());
    if !shared && let Some(i) = (0..old.rows()).find(|&i| old.row(i).0 != new.row(i).0) {
        return Err(Error::input(format!(
            "row {i} (counted from 0) has entries in other columns than that of the matrix the solver was made for; \
             make a new Solver"
        )));
    }
    Ok(())
}
