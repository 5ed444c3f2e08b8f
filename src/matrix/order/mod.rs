//! Orders of rows and columns: for gathers from near by, for little fill, for large pivots, for colours.

pub(crate) mod colouring;
pub(crate) mod matching;
pub(crate) mod minimum_degree;
pub(crate) mod rcm;
