//! Pictures and pages for people: residual histories, sparsity patterns, spectra, and a report as one HTML file.
//!
//! Everything is SVG and HTML written by hand: a curve with two axes, a grid of cells and a few bars need no chart library,
//! and a page must stand alone, without a network. Colours follow the reader's preference for light or dark.

mod bars;
mod history;
mod page;
mod reports;
mod spectrum;
mod spy;
mod svg;
mod terminal;

pub use history::{Band, Curve, History};
pub use reports::{About, bench_page, eigen_page, solve_page, svd_page};
pub use terminal::Ink;
