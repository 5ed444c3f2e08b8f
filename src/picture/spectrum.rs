//! Eigenvalues in the plane or on a line, and how exact each is.

use super::svg::STYLE;
use crate::eigen::Eigenvalue;
use std::fmt::Write;

const WIDTH: f64 = 880.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 28.0;

/// The values as points with their residuals as titles; real ones lie on one line.
pub(super) fn spectrum(values: &[Eigenvalue], residuals: &[f64]) -> String {
    let real = values.iter().all(|v| v.im == 0.0);
    let height = if real { 120.0 } else { 440.0 };
    let (top, bottom) = (24.0, 52.0);
    let finite: Vec<(usize, &Eigenvalue)> =
        values.iter().enumerate().filter(|(_, v)| v.re.is_finite() && v.im.is_finite()).collect();
    let range = |f: fn(&Eigenvalue) -> f64| {
        let low = finite.iter().map(|(_, v)| f(v)).fold(f64::INFINITY, f64::min);
        let high = finite.iter().map(|(_, v)| f(v)).fold(f64::NEG_INFINITY, f64::max);
        let pad = if high > low { 0.06 * (high - low) } else { 0.5 * high.abs().max(1e-300) };
        if low <= high { (low - pad, high + pad) } else { (-1.0, 1.0) }
    };
    let ((left, right), (low, high)) = (range(|v| v.re), range(|v| v.im));
    let x = |re: f64| LEFT + (re - left) / (right - left) * (WIDTH - LEFT - RIGHT);
    let y = |im: f64| {
        if real {
            (top + height - bottom) / 2.0
        } else {
            height - bottom - (im - low) / (high - low) * (height - top - bottom)
        }
    };
    let mut s = String::new();
    let _ = write!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" class=\"figure ink\" font-size=\"13\" role=\"img\">{STYLE}\
         <rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{}\" class=\"frame\"/>",
        WIDTH - LEFT - RIGHT,
        height - top - bottom
    );
    let tick = |s: &mut String, at: f64, anchor: &str| {
        let _ = write!(
            s,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{at:.4e}</text>",
            x(at),
            height - bottom + 20.0
        );
    };
    let ends = |f: fn(&Eigenvalue) -> f64| {
        let low = finite.iter().map(|(_, v)| f(v)).fold(f64::INFINITY, f64::min);
        let high = finite.iter().map(|(_, v)| f(v)).fold(f64::NEG_INFINITY, f64::max);
        if low < high { vec![low, high] } else { vec![low] }
    };
    if !finite.is_empty() {
        for (k, at) in ends(|v| v.re).into_iter().enumerate() {
            tick(&mut s, at, if k == 0 { "start" } else { "end" });
        }
        if !real {
            for at in ends(|v| v.im) {
                let _ = write!(
                    s,
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{at:.2e}</text>",
                    LEFT - 8.0,
                    y(at) + 4.0
                );
            }
        }
    }
    for (k, v) in finite {
        let residual = residuals.get(k).map_or(String::new(), |r| format!(", residual {r:.2e}"));
        let _ = write!(
            s,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" class=\"truth\"><title>{}. {v}{residual}</title></circle>",
            x(v.re),
            y(v.im),
            k + 1
        );
    }
    let label = if real { "eigenvalue" } else { "real part; imaginary part upwards" };
    let _ = write!(
        s,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" class=\"pale\">{label}</text></svg>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        height - 8.0
    );
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_one_point_for_each_finite_value() {
        let value = |re, im| Eigenvalue { re, im };
        for (values, points) in [
            (vec![], 0),
            (vec![value(1.0, 0.0)], 1),
            (vec![value(1.0, 2.0), value(1.0, -2.0), value(f64::INFINITY, 0.0)], 2),
            (vec![value(0.0, 0.0), value(0.0, 0.0)], 2),
        ] {
            let text = spectrum(&values, &vec![1e-12; values.len()]);
            assert_eq!(text.matches("<circle").count(), points, "{values:?}");
            assert!(!text.contains("NaN") && !text.contains("\"inf"), "{values:?}: {text}");
        }
    }
}
