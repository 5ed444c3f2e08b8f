//! What the solver knows of a method before it is built: what it needs of A, and what it can do.

use super::{Method, System, Tuning};
use crate::op::Space;
use crate::precond::Side;
use std::fmt;
use std::sync::Arc;

/// What a method needs of A.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Needs {
    /// Any A, rectangular or singular: a least-squares solution.
    Any,
    /// Any square A.
    Square,
    /// A = Aᵀ.
    Symmetric,
    /// A = Aᵀ, xᵀAx > 0. A negative definite A ends as [`IndefiniteOperator`](crate::Reason::IndefiniteOperator).
    Definite,
}

impl Needs {
    /// True if A must equal Aᵀ.
    #[must_use]
    pub fn symmetry(self) -> bool {
        matches!(self, Self::Symmetric | Self::Definite)
    }
}

/// What a method needs and can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Traits {
    /// What it needs of A.
    pub needs: Needs,
    /// On which sides M can be, the usual one first.
    pub sides: &'static [Side],
    /// It can end at a least-squares solution, certified by ‖Aᵀr‖.
    pub least_squares: bool,
    /// M r is updated by a recurrence, so M must not be less precise than the vectors.
    pub carries_preconditioned: bool,
    /// It multiplies by Aᵀ and Mᵀ as well, for square A.
    pub two_sided: bool,
    /// It works in cycles; longer cycles converge faster and cost more.
    pub cycles: bool,
    /// Only a program can supply what it needs: it has no textual form.
    pub program_only: bool,
    /// It is made of vectors of all rows: not for ranks that hold some of them each.
    pub whole_vectors: bool,
}

impl Traits {
    /// The traits of most methods with these needs: one side, [`Side::Split`] for symmetric A and [`Side::Right`]
    /// otherwise; everything else is off.
    #[must_use]
    pub const fn new(needs: Needs) -> Self {
        let sides: &'static [Side] = match needs {
            Needs::Symmetric | Needs::Definite => &[Side::Split],
            Needs::Square | Needs::Any => &[Side::Right],
        };
        Self {
            needs,
            sides,
            least_squares: false,
            carries_preconditioned: false,
            two_sided: false,
            cycles: false,
            program_only: false,
            whole_vectors: false,
        }
    }

    /// M can be on these sides.
    #[must_use]
    pub const fn sides(self, sides: &'static [Side]) -> Self {
        Self { sides, ..self }
    }

    /// It can end at a least-squares solution.
    #[must_use]
    pub const fn least_squares(self) -> Self {
        Self { least_squares: true, ..self }
    }

    /// It multiplies by Aᵀ and Mᵀ.
    #[must_use]
    pub const fn two_sided(self) -> Self {
        Self { two_sided: true, ..self }
    }

    /// It is made of vectors of all rows.
    #[must_use]
    pub const fn whole_vectors(self) -> Self {
        Self { whole_vectors: true, ..self }
    }

    /// It works in cycles.
    #[must_use]
    pub const fn cycles(self) -> Self {
        Self { cycles: true, ..self }
    }

    /// Only a program can supply what it needs.
    #[must_use]
    pub const fn program_only(self) -> Self {
        Self { program_only: true, ..self }
    }

    /// It updates M r by a recurrence.
    #[must_use]
    pub const fn carries_preconditioned(self) -> Self {
        Self { carries_preconditioned: true, ..self }
    }
}

/// Builds a method of the table in a space.
pub(super) type Build = fn(&mut Space, System, &Tuning) -> Box<dyn Method>;

/// Builds a user-defined method.
type OwnBuild = dyn Fn(&mut Space, System, &Tuning) -> Box<dyn Method> + Send + Sync;

#[derive(Clone)]
enum Maker {
    Table(Build),
    Own(Arc<OwnBuild>),
}

/// An entry of the table of methods, or a user-defined method.
#[derive(Clone)]
pub struct MethodEntry {
    /// The name users type.
    pub id: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    /// What it needs of A.
    pub needs: Needs,
    /// What else it needs and can do.
    pub traits: Traits,
    maker: Maker,
}

impl MethodEntry {
    pub(super) const fn new(id: &'static str, about: &'static str, traits: Traits, build: Build) -> Self {
        Self { id, about, needs: traits.needs, traits, maker: Maker::Table(build) }
    }

    /// Builds the method in `space`.
    pub(crate) fn build(&self, space: &mut Space, system: System, tuning: &Tuning) -> Box<dyn Method> {
        match &self.maker {
            Maker::Table(build) => build(space, system, tuning),
            Maker::Own(build) => build(space, system, tuning),
        }
    }
}

impl fmt::Debug for MethodEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodEntry").field("id", &self.id).field("traits", &self.traits).finish_non_exhaustive()
    }
}

/// A user-defined method, for [`Method::Own`](crate::Method::Own); see the example `own_method`.
///
/// `build` is called once for each candidate, and once for each of several right-hand sides solved side by side.
#[derive(Clone, Debug)]
pub struct OwnMethod(Arc<MethodEntry>);

impl OwnMethod {
    /// A method of this name with these traits.
    #[must_use]
    pub fn new(
        id: &'static str,
        traits: Traits,
        build: impl Fn(&mut Space, System, &Tuning) -> Box<dyn Method> + Send + Sync + 'static,
    ) -> Self {
        let maker = Maker::Own(Arc::new(build));
        Self(Arc::new(MethodEntry { id, about: "a method of the user's own", needs: traits.needs, traits, maker }))
    }

    pub(super) fn entry(&self) -> &MethodEntry {
        &self.0
    }
}

/// Equal if they are the same object.
impl PartialEq for OwnMethod {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
