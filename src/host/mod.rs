//! Utilities of the host: number types, exact powers of two, random numbers, memory, cancellation, suggestions,
//! facts about the machine, small dense problems.

pub(crate) mod clock;
pub(crate) mod dense;
pub(crate) mod digits;
pub(crate) mod dtype;
pub(crate) mod halt;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod pairs;
pub mod random;
pub(crate) mod scale;
pub(crate) mod suggest;
pub(crate) mod whole;
