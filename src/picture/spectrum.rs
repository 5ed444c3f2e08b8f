//! Eigenvalues: real ones along a line with their residuals as heights, complex ones in the plane.

use super::svg::{label, ticks};
use crate::eigen::Eigenvalue;
use std::fmt::Write;

const LEFT: f64 = 84.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 12.0;
const BELOW: f64 = 54.0;

/// A value to be drawn.
pub(super) struct Point {
    pub(super) value: Eigenvalue,
    /// How it is written.
    pub(super) text: String,
    /// Its residual relative to the norm of the matrix.
    pub(super) residual: f64,
    /// It is verified; an estimate is drawn as a ring.
    pub(super) verified: bool,
}

/// A linear or logarithmic axis.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// An axis for these numbers, with a margin. Logarithmic if they are positive and far apart.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let finite = values.filter(|v| v.is_finite());
        let low = finite.clone().fold(f64::INFINITY, f64::min);
        let high = finite.fold(f64::NEG_INFINITY, f64::max);
        if low > high {
            return Self { low: -1.0, high: 1.0, log: false };
        }
        let log = low > 0.0 && high / low > 300.0;
        let (low, high) = if log { (low.log10(), high.log10()) } else { (low, high) };
        // Values that agree to four digits are drawn as one point; else their tiny differences would fill the page.
        let least = if log { 0.2 } else { (1e-4 * low.abs().max(high.abs())).max(1e-290) };
        let pad = (0.06 * (high - low)).max(least);
        Self { low: low - pad, high: high + pad, log }
    }

    /// From 0 to 1.
    fn place(&self, v: f64) -> f64 {
        let v = if self.log { v.log10() } else { v };
        (v - self.low) / (self.high - self.low)
    }

    /// Positions and texts of the labels.
    fn labels(&self, most: f64) -> Vec<(f64, String)> {
        if self.log {
            let (low, high) = (self.low.ceil() as i32, self.high.floor() as i32);
            let step = ((f64::from(high - low) / most).ceil() as i32).max(1);
            let decades: Vec<i32> = (low..=high).filter(|d| d.rem_euclid(step) == 0).collect();
            return decades.into_iter().map(|d| (self.place(10f64.powi(d)), format!("1e{d}"))).collect();
        }
        let (at, step) = ticks(self.low, self.high, most);
        at.into_iter().map(|v| (self.place(v), label(v, step))).collect()
    }
}

/// The points as SVG; `goal` is the residual that was asked for.
pub(super) fn spectrum(points: &[Point], goal: Option<f64>, what: &str, wide: f64) -> String {
    let real = points.iter().all(|p| p.value.im == 0.0);
    let high = if real { 190.0 } else { 340.0 };
    let finite = || points.iter().filter(|p| p.value.re.is_finite() && p.value.im.is_finite());
    let re = Axis::of(finite().map(|p| p.value.re));
    // A residual of 0 has no logarithm.
    let exact = |residual: f64| residual.clamp(1e-18, 1e3);
    let up = if real {
        let residuals = finite().map(|p| exact(p.residual)).chain(goal);
        let (low, high) = residuals.fold((f64::INFINITY, 0.0f64), |(l, h), r| (l.min(r), h.max(r)));
        let (low, high) = if low <= high { (low.log10().floor(), high.log10().ceil()) } else { (-1.0, 0.0) };
        Axis { low: low - 0.3, high: high.max(low + 1.0) + 0.3, log: true }
    } else {
        Axis::of(finite().map(|p| p.value.im))
    };
    let (right, bottom) = (wide - RIGHT, TOP + high);
    let x = |share: f64| LEFT + share * (right - LEFT);
    let y = |share: f64| bottom - share * high;
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {}\" class=\"figure ink\" font-size=\"14\" role=\"img\"><g class=\"grid\">",
        bottom + BELOW
    );
    let (across, upwards) = (re.labels((right - LEFT) / 110.0), up.labels(6.0));
    for (at, _) in &across {
        let _ = write!(s, "<line x1=\"{0:.1}\" y1=\"{TOP}\" x2=\"{0:.1}\" y2=\"{bottom}\"/>", x(*at));
    }
    for (at, _) in &upwards {
        let _ = write!(s, "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{right}\" y2=\"{0:.1}\"/>", y(*at));
    }
    let _ = write!(s, "</g><g text-anchor=\"middle\">");
    for (at, text) in &across {
        let _ = write!(s, "<text x=\"{:.1}\" y=\"{:.1}\">{text}</text>", x(*at), bottom + 20.0);
    }
    let _ = write!(s, "</g><g text-anchor=\"end\">");
    for (at, text) in &upwards {
        let _ = write!(s, "<text x=\"{}\" y=\"{:.1}\">{text}</text>", LEFT - 8.0, y(*at) + 5.0);
    }
    let _ =
        write!(s, "</g><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{high}\" class=\"frame\"/>", right - LEFT);
    if let (true, Some(goal)) = (real, goal) {
        let _ = write!(
            s,
            "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{right}\" y2=\"{0:.1}\" class=\"goal\"><title>asked for: {goal:.1e}</title></line>",
            y(up.place(goal))
        );
    }
    for (k, p) in points.iter().enumerate().filter(|(_, p)| p.value.re.is_finite() && p.value.im.is_finite()) {
        let share = if real { up.place(exact(p.residual)) } else { up.place(p.value.im) };
        let class = if p.verified { "truth" } else { "open" };
        let _ = write!(
            s,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" class=\"{class}\"><title>{}. {}, residual {:.2e} of |A|</title></circle>",
            x(re.place(p.value.re)),
            y(share),
            k + 1,
            p.text,
            p.residual
        );
    }
    let (across, upwards) = if real { (what, "residual / |A|") } else { ("real part", "imaginary part") };
    let scale = if re.log { " (log scale)" } else { "" };
    let _ = write!(
        s,
        "<g text-anchor=\"middle\" class=\"pale\"><text x=\"{}\" y=\"{}\">{across}{scale}</text>\
         <text transform=\"translate(16 {}) rotate(-90)\">{upwards}</text></g></svg>",
        (LEFT + right) / 2.0,
        bottom + 42.0,
        TOP + high / 2.0
    );
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_one_point_for_each_finite_value() {
        let value = |re, im| Eigenvalue { re, im };
        for (values, count) in [
            (vec![], 0),
            (vec![value(1.0, 0.0)], 1),
            (vec![value(1.0, 2.0), value(1.0, -2.0), value(f64::INFINITY, 0.0)], 2),
            (vec![value(0.0, 0.0), value(0.0, 0.0)], 2),
            (vec![value(1e-300, 0.0), value(1e300, 0.0)], 2),
            (vec![value(1.0, 0.0), value(1.0 + 1e-15, 0.0)], 2),
        ] {
            let points: Vec<Point> = values
                .iter()
                .map(|&value| Point { value, text: value.to_string(), residual: 0.0, verified: true })
                .collect();
            for goal in [None, Some(1e-10)] {
                let text = spectrum(&points, goal, "eigenvalue", 880.0);
                assert_eq!(text.matches("<circle").count(), count, "{values:?}");
                assert!(!text.contains("NaN") && !text.contains("\"inf"), "{values:?}: {text}");
            }
        }
    }
}
