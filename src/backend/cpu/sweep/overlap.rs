//! The conditions for the `unsafe` code of a sweep, checked before each sweep if debug assertions are on, as in tests:
//!
//! 1. The entries a step writes are not its operands, unless it reads all that it needs before it writes (a
//!    map that uses a block of its own, a rotation).
//! 2. A gathered vector is written by no step of the sweep, since other threads read it.
//!
//! Steps are sequential within a chunk, and chunks are disjoint; so no `&mut` of a sweep coexists with another view of
//! its entries.

use super::super::memory::Shared;
use super::{Map, Step, Update};

/// What a step writes, reads while it writes, and gathers.
fn views<'a>(step: &'a Step) -> (Vec<Shared>, Vec<Shared>, Option<Shared>) {
    let seconds = |list: &'a [(f64, Shared)]| list.iter().map(|t| t.1);
    match step {
        Step::Apply { x, y, .. } => (vec![*y], vec![*x], Some(*x)),
        Step::ApplyFree { x, y, .. } => (vec![*y], vec![*x], Some(*x)),
        Step::Map(Map { y, terms, products, plain: true, .. }) => {
            let products = products.iter().flat_map(|t| [t.1, t.2]);
            (vec![*y], seconds(terms).chain(products).collect(), None)
        }
        Step::Map(map) => (vec![map.y], vec![], None),
        Step::Dot { .. } | Step::MultiDot(_) => (vec![], vec![], None),
        Step::MultiAxpy(Update { columns, first, second }) => {
            (std::iter::once(*first).chain(second.iter().map(|s| s.0)).collect(), seconds(columns).collect(), None)
        }
        Step::Rotate(rotation) => (rotation.columns.clone(), vec![], None),
    }
}

/// Panics if a view that is written overlaps another one.
pub(super) fn check(steps: &[Step]) {
    let overlap = |a: &Shared, b: &Shared| a.bytes().start < b.bytes().end && b.bytes().start < a.bytes().end;
    let all: Vec<_> = steps.iter().map(views).collect();
    let gathered: Vec<Shared> = all.iter().filter_map(|v| v.2).collect();
    for (written, read, _) in &all {
        for (k, w) in written.iter().enumerate() {
            let beside = read.iter().chain(&written[..k]).chain(&gathered);
            assert!(!beside.into_iter().any(|b| overlap(w, b)), "a vector is written under another view of it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::memory::Buffer;
    use super::*;
    use crate::op::Dtype;

    fn caught(steps: Vec<Step>) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&steps))).is_err()
    }

    #[test]
    fn a_view_under_a_written_one_is_found() {
        let buffer = Buffer::zeros(100, Dtype::F64);
        let [low, high, middle] = [(0, 50), (50, 50), (40, 20)].map(|(at, len)| Shared::of(&buffer, at, len));
        let map = |y, x| Step::Map(Map { y, own: Some(1.0), terms: vec![(2.0, x)], products: vec![], plain: true });
        assert!(!caught(vec![map(low, high), map(high, low), Step::Dot { x: low, y: low, out: 0 }]));
        assert!(caught(vec![map(low, middle)]));
        let update = |columns, second| Step::MultiAxpy(Update { columns, first: low, second });
        assert!(!caught(vec![update(vec![(1.0, high)], None)]));
        assert!(caught(vec![update(vec![(1.0, high), (1.0, middle)], None)]));
        assert!(caught(vec![update(vec![(1.0, high)], Some((middle, vec![1.0])))]));
        assert!(caught(vec![Step::Rotate(super::super::Rotation {
            columns: vec![low, middle],
            coefficients: vec![]
        })]));
    }
}
