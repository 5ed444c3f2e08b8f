//! The order of the rows, and whether rows and columns are equilibrated.

use super::transform;
use crate::analyse::facts::Facts;
use crate::error::{Error, Result};
use crate::host::halt::Halt;
use crate::matrix::format::scatters;
use crate::matrix::order::rcm;
use crate::matrix::{Csr, Matrix};
use crate::op::Dtype;
use crate::options::{Criterion, Options, When};

/// Below this many rows the vector that products gather from stays in a core's cache in any order.
const REORDER_FROM: usize = 1 << 17;

/// Powers of two by which rows or columns of a nonsymmetric matrix may differ before they are equilibrated.
const WIDE: i32 = 20;

/// The rows in the order of reverse Cuthill–McKee, where that is asked for or pays; an operator has no order but its own.
pub(crate) fn choose_order(a: &Matrix, options: &Options, notes: &mut Vec<String>) -> Result<Option<Vec<u32>>> {
    if let Some(a) = a.entries() {
        return order_of(a, options, notes);
    }
    for (name, when) in [("reorder", options.reorder), ("equilibrate", options.equilibrate)] {
        if when == When::Always {
            return Err(Error::input(format!("{name} needs the entries of A; an operator has none")));
        }
    }
    Ok(None)
}

fn order_of(a: &Csr, options: &Options, notes: &mut Vec<String>) -> Result<Option<Vec<u32>>> {
    let auto = options.reorder == When::Auto;
    // Near-null vectors come node by node, in the order as given; so does a preconditioner of the user's own.
    if options.reorder == When::Never
        || options.near_null.is_some()
        || options.gives_preconditioner()
        || auto && (a.rows() < REORDER_FROM || !scatters(a))
    {
        return Ok(None);
    }
    let before = rcm::mean_distance(a, None);
    // Set-up costs as much as some dozens of products, so the present order must be a bad one.
    if auto && before < REORDER_FROM as f64 / 8.0 {
        return Ok(None);
    }
    let order = match rcm::order(a, &Halt::default().within(options.time_limit.filter(|_| options.ranks.is_none()))) {
        // The solve that follows tells of the limit.
        Err(Error::Halted(_)) => {
            notes.push("order as given: the time limit ended the search for another".into());
            return Ok(None);
        }
        order => order?,
    };
    let after = rcm::mean_distance(a, Some(&order));
    if auto && after > before / 4.0 {
        notes.push(format!(
            "order as given: gathers scatter, but Cuthill-McKee brings the mean |i - j| only from {before:.0} to {after:.0}"
        ));
        return Ok(None);
    }
    let why = if auto { "gathers scatter beyond the cache" } else { "as asked" };
    notes.push(format!("order reverse Cuthill-McKee: {why}; mean |i - j| from {before:.0} to {after:.0}"));
    Ok(Some(order))
}

/// Whether rows and columns are equilibrated for arithmetic in `dtype`.
pub(super) fn equilibrates(facts: &Facts, options: &Options, dtype: Dtype) -> bool {
    match options.equilibrate {
        When::Always => true,
        When::Never => false,
        // Bounds of a spectrum are those of A as given.
        // A preconditioner of the user's own is one of A as given, too.
        When::Auto => {
            let asked = options.method.settings().spectrum.is_some() || options.gives_preconditioner();
            // By component small rows count as much as large ones.
            let bound = if options.criterion == Criterion::Componentwise { 0 } else { transform::digits(dtype) };
            // Of a nonsymmetric A no method asks that rows and columns be scaled alike: those that minimise ‖r‖, or
            // watch it, should see its small rows. Least squares weigh rows as they are.
            let free = !facts.symmetric() && !options.method.is_least_squares();
            let bound = if free { bound.min(WIDE) } else { bound };
            facts.spread > bound && !asked
        }
    }
}
