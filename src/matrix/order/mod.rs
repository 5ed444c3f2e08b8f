//! Orders of rows and columns: for locality of gathers, for low fill, for large pivots, for colouring.

pub(crate) mod colouring;
pub(crate) mod matching;
pub(crate) mod minimum_degree;
pub(crate) mod rcm;
