//! Bars: how long rows are, and where the time went.

use super::svg::{STYLE, escape};
use crate::matrix::Csr;
use std::fmt::Write;

const WIDTH: f64 = 400.0;

/// Bars of a histogram, at most.
const BINS: usize = 40;

/// How many rows have how many entries, as SVG.
pub(super) fn row_lengths(a: &Csr) -> String {
    let lengths = || (0..a.rows()).map(|i| a.row(i).0.len());
    let (least, most) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let span = most - least + 1;
    let bins = span.min(BINS);
    let mut counts = vec![0usize; bins];
    for length in lengths() {
        counts[(length - least) * bins / span] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let (height, step) = (150.0, WIDTH / bins as f64);
    let mut s = String::new();
    let _ = write!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-30 -8 {} {}\" class=\"ink\" font-size=\"12\" role=\"img\">{STYLE}",
        WIDTH + 60.0,
        height + 52.0
    );
    for (k, &count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        // Logarithmic: one row of a thousand entries is what a reader looks for.
        let tall = (1.0 + count as f64).ln() / (1.0 + highest).ln() * height;
        let (from, to) = (least + (k * span).div_ceil(bins), least + ((k + 1) * span).div_ceil(bins) - 1);
        let range = if from == to { format!("{from}") } else { format!("{from} to {to}") };
        let _ = write!(
            s,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" class=\"bar\"><title>{count} rows of {range} entries</title></rect>",
            k as f64 * step + 0.5,
            height - tall,
            (step - 1.0).clamp(1.0, 60.0)
        );
    }
    let _ = write!(
        s,
        "<text y=\"{0}\">{least}</text><text x=\"{WIDTH}\" y=\"{0}\" text-anchor=\"end\">{most}</text>\
         <text x=\"{1}\" y=\"{0}\" text-anchor=\"middle\" class=\"pale\">entries in a row (heights: logarithm of the count)</text></svg>",
        height + 20.0,
        WIDTH / 2.0
    );
    s
}

/// Parts of a whole, side by side, with a legend below.
pub(super) fn parts(parts: &[(&str, f64)], unit: impl Fn(f64) -> String) -> String {
    let total: f64 = parts.iter().map(|p| p.1).sum();
    let whole = if total > 0.0 { total } else { 1.0 };
    let (mut bar, mut legend, mut from) = (String::new(), String::new(), 0.0);
    for (k, (name, value)) in parts.iter().enumerate() {
        let share = value / whole;
        let (name, text) = (escape(name, 40), unit(*value));
        let _ = write!(
            bar,
            "<rect x=\"{:.2}\" width=\"{:.2}\" height=\"26\" class=\"part{}\"><title>{name} {text}</title></rect>",
            from * 100.0,
            share * 100.0,
            k % 4
        );
        let _ = write!(legend, "<li><i class=\"key{}\"></i>{name} <b>{text}</b></li>", k % 4);
        from += share;
    }
    format!(
        "<svg viewBox=\"0 0 100 26\" preserveAspectRatio=\"none\" class=\"stack\" role=\"img\">{STYLE}{bar}</svg><ul class=\"legend\">{legend}</ul>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    #[test]
    fn every_row_is_in_one_bar() {
        for a in [gallery::arrow(300), gallery::poisson2d(7), gallery::diagonal(&[1.0])] {
            let text = row_lengths(&a);
            let counted: usize =
                text.split("<title>").skip(1).map(|t| t.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
            assert_eq!(counted, a.rows());
        }
    }

    #[test]
    fn parts_of_nothing_are_no_nan() {
        assert!(!parts(&[("set-up", 0.0), ("solve", 0.0)], |v| format!("{v} s")).contains("NaN"));
    }
}
