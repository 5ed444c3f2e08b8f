//! Bar charts: row lengths, time by part, memory bandwidth, sizes of multigrid levels.

use super::svg::{escape, ticks, width};
use crate::matrix::Csr;
use std::fmt::Write;

/// Most bars in a histogram.
const BINS: usize = 40;

/// Histogram of the entries per row, as SVG.
pub(super) fn row_lengths(a: &Csr) -> String {
    let lengths = || (0..a.rows()).map(|i| a.row(i).0.len());
    let (least, most) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let span = most - least + 1;
    let bins = span.min(BINS);
    let mut counts = vec![0usize; bins];
    for length in lengths() {
        counts[(length - least) * bins / span] += 1;
    }
    // Logarithmic, so that even a single long row is visible: that is what a reader looks for.
    let decades = (counts.iter().copied().max().unwrap_or(0).max(1) as f64).log10();
    let (left, top, wide, height, size) = (66.0, 12.0, 330.0, 200.0, 13.0);
    let (bottom, step) = (top + height, wide / bins as f64);
    let tall = |count: f64| (0.12 + 0.88 * count.log10() / decades.max(1e-9)) * height;
    let mut s = String::new();
    let _ = write!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 410 {}\" class=\"ink\" font-size=\"{size}\" role=\"img\"><g class=\"grid\">",
        bottom + 48.0
    );
    let marks: Vec<(f64, f64)> =
        (0..=decades.floor() as i32).map(|d| (10f64.powi(d), bottom - tall(10f64.powi(d)))).collect();
    for (_, y) in &marks {
        let _ = write!(s, "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>", left + wide);
    }
    let _ = write!(s, "</g><g text-anchor=\"end\">");
    for (count, y) in &marks {
        let _ = write!(s, "<text x=\"{}\" y=\"{:.1}\">{count}</text>", left - 7.0, y + 4.5);
    }
    let _ = write!(s, "</g>");
    // A few bars must not fill the page.
    let bar = (step - 1.0).clamp(1.0, 40.0);
    for (k, &count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        let (from, to) = (least + (k * span).div_ceil(bins), least + ((k + 1) * span).div_ceil(bins) - 1);
        let range = if from == to { format!("{from}") } else { format!("{from} to {to}") };
        let high = tall(count as f64);
        let _ = write!(
            s,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{high:.1}\" class=\"bar\"><title>{count} rows of {range} entries</title></rect>",
            left + (k as f64 + 0.5) * step - bar / 2.0,
            bottom - high,
        );
    }
    let _ = write!(
        s,
        "<line x1=\"{left}\" y1=\"{bottom}\" x2=\"{}\" y2=\"{bottom}\" class=\"frame\"/><g text-anchor=\"middle\">",
        left + wide
    );
    let (lengths, _) = ticks(least as f64, most as f64, 5f64.min((span - 1) as f64));
    for at in if span == 1 { vec![least as f64] } else { lengths }.into_iter().filter(|v| v.fract() == 0.0) {
        let x = left + (at - least as f64 + 0.5) / span as f64 * wide;
        let _ = write!(s, "<text x=\"{x:.1}\" y=\"{}\">{at}</text>", bottom + 18.0);
    }
    let _ = write!(
        s,
        "<text x=\"{}\" y=\"{}\" class=\"pale\">entries in a row</text>\
         <text transform=\"translate(14 {}) rotate(-90)\" class=\"pale\">rows (log scale)</text></g></svg>",
        left + wide / 2.0,
        bottom + 38.0,
        top + height / 2.0
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
            k % 5
        );
        let _ = write!(legend, "<li><i class=\"key{}\"></i>{name} <b>{text}</b></li>", k % 5);
        from += share;
    }
    format!(
        "<svg viewBox=\"0 0 100 26\" preserveAspectRatio=\"none\" class=\"stack\" role=\"img\">{bar}</svg><ul class=\"legend\">{legend}</ul>"
    )
}

/// Named bars one below the other on one scale; the last value of each is its label.
pub(super) fn rows(rows: &[(String, f64, String)], class: impl Fn(usize) -> &'static str) -> String {
    let most = rows.iter().map(|r| r.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut html = String::from("<div class=\"rows\">");
    for (k, (name, value, text)) in rows.iter().enumerate() {
        let share = (100.0 * value / most).max(0.3);
        let _ = write!(
            html,
            "<span>{}</span><b>{}</b><span class=\"track\"><i class=\"{}\" style=\"width:{share:.1}%\"></i></span>",
            escape(name, 60),
            escape(text, 60),
            class(k)
        );
    }
    html + "</div>"
}

/// Multigrid levels, finest first, as a narrowing stack: (rows, entries, what happens there).
pub(super) fn levels(levels: &[(usize, usize, String)]) -> String {
    let (size, row, middle, most) = (13.0, 58.0, 300.0, 540.0);
    let finest = levels.iter().map(|l| l.0).max().unwrap_or(1).max(2) as f64;
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 {}\" class=\"ink levels\" font-size=\"{size}\" role=\"img\" text-anchor=\"middle\">",
        row * levels.len() as f64
    );
    for (k, (rows, entries, what)) in levels.iter().enumerate() {
        // Logarithmic: each level has a few per cent of the rows of the one above it.
        let wide = most * (0.05 + 0.95 * (*rows as f64).max(1.0).ln() / finest.ln());
        let (y, x) = (row * k as f64, middle - wide / 2.0);
        let words = format!("level {k}: {rows} rows, {entries} entries");
        let inside = width(&words, size) < wide;
        let _ = write!(
            s,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"24\" rx=\"4\" class=\"{}\"/>\
             <text x=\"{middle}\" y=\"{:.1}\">{words}</text><text x=\"{middle}\" y=\"{:.1}\" class=\"pale\">{}</text>",
            y + 2.0,
            if inside { "bar" } else { "roof" },
            y + 19.0,
            y + 43.0,
            escape(what, 90)
        );
    }
    s + "</svg>"
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
            assert!(!text.contains("NaN") && !text.contains("inf"));
        }
    }

    #[test]
    fn parts_of_nothing_are_no_nan() {
        assert!(!parts(&[("set-up", 0.0), ("solve", 0.0)], |v| format!("{v} s")).contains("NaN"));
        assert!(!rows(&[("a".into(), 0.0, "0".into())], |_| "bar").contains("NaN"));
        assert!(!levels(&[(1, 1, String::new())]).contains("NaN"));
    }
}
