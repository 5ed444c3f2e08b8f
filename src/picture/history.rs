//! Residual histories as SVG.

use super::svg::{STYLE, escape};
use crate::report::{Report, TrueResidual};
use std::fmt::Write;

/// A drawing of how residuals fell.
pub struct History<'a> {
    /// The first line.
    pub title: String,
    /// The second line.
    pub subtitle: String,
    /// One for each system.
    pub curves: Vec<Curve<'a>>,
    /// Stretches of iterations with a name, drawn behind the curves.
    pub bands: Vec<Band>,
    /// A dashed line.
    pub tolerance: Option<f64>,
}

/// The history of a system.
pub struct Curve<'a> {
    /// Relative residuals by the method's estimate, from iteration 1.
    pub history: &'a [f64],
    /// Relative residuals recomputed.
    pub checks: &'a [TrueResidual],
}

/// The iterations of one method among several.
pub struct Band {
    /// What ran.
    pub label: String,
    /// Iterations before it.
    pub from: usize,
    /// Iterations at its end.
    pub to: usize,
}

impl Band {
    /// The methods that a solve tried, one band each; none where there was one method only.
    #[must_use]
    pub fn of(report: &Report) -> Vec<Self> {
        let mut to = 0;
        let ran = report.rungs.iter().filter(|rung| rung.iterations > 0);
        let bands: Vec<Self> = ran
            .map(|rung| {
                let from = to;
                to += rung.iterations;
                Self { label: format!("{} + {}", rung.method, rung.preconditioner), from, to }
            })
            .collect();
        if bands.len() > 1 { bands } else { vec![] }
    }
}

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 62.0;

/// Maps iterations and log10 of residuals to the page.
struct Axes {
    last: f64,
    low: i32,
    high: i32,
}

impl Axes {
    fn x(&self, iteration: f64) -> f64 {
        LEFT + iteration / self.last * (WIDTH - LEFT - RIGHT)
    }
    fn y(&self, decade: f64) -> f64 {
        let share = (decade - f64::from(self.low)) / f64::from(self.high - self.low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

impl History<'_> {
    /// The drawing, a document of its own.
    #[must_use]
    pub fn svg(&self) -> String {
        let point = |(k, &v): (usize, &f64)| Some(((k + 1) as f64, log10(v)?));
        let lines: Vec<Vec<(f64, f64)>> =
            self.curves.iter().map(|c| c.history.iter().enumerate().filter_map(point).collect()).collect();
        let checks = self.curves.iter().flat_map(|c| c.checks);
        let checks: Vec<(f64, f64)> = checks.filter_map(|c| Some((c.iteration as f64, log10(c.relative)?))).collect();
        let tolerance = self.tolerance.and_then(log10);
        let axes = axes(&lines.concat(), &checks, tolerance);
        let mut s = String::new();
        let _ = self.draw(&mut s, &axes, &lines, &checks, tolerance);
        s
    }

    fn draw(
        &self,
        s: &mut String,
        axes: &Axes,
        lines: &[Vec<(f64, f64)>],
        checks: &[(f64, f64)],
        tolerance: Option<f64>,
    ) -> std::fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        writeln!(
            s,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             class=\"figure ink\" font-family=\"system-ui, Helvetica, Arial, sans-serif\" font-size=\"14\">{STYLE}"
        )?;
        writeln!(s, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" class=\"paper\"/>")?;
        writeln!(
            s,
            "<text x=\"{LEFT}\" y=\"30\" font-size=\"18\" font-weight=\"600\">{}</text>",
            escape(&self.title, 84)
        )?;
        writeln!(s, "<text x=\"{LEFT}\" y=\"54\" class=\"pale\">{}</text>", escape(&self.subtitle, 110))?;

        for (k, band) in self.bands.iter().enumerate() {
            let (from, to) = (axes.x(band.from as f64), axes.x(band.to as f64));
            let (width, height, shade) = (to - from, bottom - TOP, ["even", "odd"][k % 2]);
            let title = escape(&band.label, 60);
            writeln!(
                s,
                "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\" class=\"{shade}\"><title>{title}</title></rect>"
            )?;
            // A narrow band is named by its title alone.
            let fits = (width / 7.5) as usize;
            if fits >= 8 {
                let (x, y, label) = (from + 6.0, TOP + 18.0, escape(&band.label, fits));
                writeln!(s, "<text x=\"{x:.1}\" y=\"{y}\" class=\"pale\" font-size=\"12\">{label}</text>")?;
            }
        }
        writeln!(s, "<g class=\"grid\">")?;
        let decades = decade_ticks(axes);
        let steps = iteration_ticks(axes.last);
        for &d in &decades {
            let y = axes.y(f64::from(d));
            writeln!(s, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>")?;
        }
        for &k in &steps {
            let x = axes.x(k);
            writeln!(s, "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>")?;
        }
        writeln!(s, "</g>")?;
        writeln!(s, "<g text-anchor=\"end\">")?;
        for &d in &decades {
            let y = axes.y(f64::from(d)) + 5.0;
            writeln!(s, "<text x=\"{}\" y=\"{y:.1}\">1e{d}</text>", LEFT - 10.0)?;
        }
        writeln!(s, "</g>\n<g text-anchor=\"middle\">")?;
        for &k in &steps {
            writeln!(s, "<text x=\"{:.1}\" y=\"{}\">{k}</text>", axes.x(k), bottom + 22.0)?;
        }
        let (middle, centre) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        writeln!(s, "<text x=\"{middle}\" y=\"{}\">iteration</text>", HEIGHT - 14.0)?;
        writeln!(s, "<text transform=\"translate(22 {centre}) rotate(-90)\">relative residual</text>\n</g>")?;
        let (w, h) = (right - LEFT, bottom - TOP);
        writeln!(s, "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{w}\" height=\"{h}\" class=\"frame\"/>")?;

        if let Some(t) = tolerance {
            let y = axes.y(t);
            writeln!(s, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" class=\"goal\"/>")?;
        }
        for (k, points) in lines.iter().enumerate() {
            // A viewer tells which one the pointer is on.
            let title = if lines.len() > 1 { format!("<title>system {k}</title>") } else { String::new() };
            draw_line(s, axes, points, &title)?;
        }
        for &(k, v) in checks {
            let (x, y) = (axes.x(k), axes.y(v));
            writeln!(s, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" class=\"truth\"/>")?;
        }
        self.legend(s, lines.iter().any(|points| !points.is_empty()), !checks.is_empty(), tolerance.is_some())?;
        writeln!(s, "</svg>")
    }

    /// One row above the frame, where no line can be under it.
    fn legend(&self, s: &mut String, history: bool, checks: bool, tolerance: bool) -> std::fmt::Result {
        let line = |class: &str| format!("<line x1=\"0\" y1=\"-5\" x2=\"28\" y2=\"-5\" class=\"{class}\"/>");
        let mut entries = vec![];
        if history {
            entries.push((line("line"), "the method's estimate".to_string()));
        }
        if checks {
            let dot = "<circle cx=\"14\" cy=\"-5\" r=\"5\" class=\"truth\"/>".into();
            entries.push((dot, "recomputed in f64".into()));
        }
        if let Some(t) = self.tolerance.filter(|_| tolerance) {
            let (short, rounded) = (format!("{t:e}"), format!("{t:.2e}"));
            let t = if short.len() < rounded.len() { short } else { rounded };
            entries.push((line("goal"), format!("tolerance {t}")));
        }
        for (k, (mark, text)) in entries.iter().enumerate() {
            let x = LEFT + 212.0 * k as f64;
            writeln!(s, "<g transform=\"translate({x} {})\">{mark}<text x=\"38\">{text}</text></g>", TOP - 14.0)?;
        }
        Ok(())
    }
}

fn draw_line(s: &mut String, axes: &Axes, points: &[(f64, f64)], title: &str) -> std::fmt::Result {
    if let [(k, v)] = points {
        let (x, y) = (axes.x(*k), axes.y(*v));
        writeln!(s, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" class=\"dot\">{title}</circle>")?;
    } else if !points.is_empty() {
        write!(s, "<polyline class=\"line\" points=\"")?;
        for (k, v) in thinned(points, axes) {
            write!(s, "{:.1},{:.1} ", axes.x(k), axes.y(v))?;
        }
        writeln!(s, "\">{title}</polyline>")?;
    }
    Ok(())
}

/// NaN, infinity and zero have no place on the axis.
fn log10(v: f64) -> Option<f64> {
    (v > 0.0 && v.is_finite()).then(|| v.log10())
}

fn axes(points: &[(f64, f64)], checks: &[(f64, f64)], tolerance: Option<f64>) -> Axes {
    let all = || points.iter().chain(checks);
    let values = || all().map(|p| p.1).chain(tolerance);
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low <= high { (low.floor() as i32, high.ceil() as i32) } else { (-1, 0) };
    // The tolerance should not lie on the frame.
    let low = if values().any(|v| v - f64::from(low) < 0.1) { low - 1 } else { low };
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    Axes { last, low, high: high.max(low + 1) }
}

/// Whole decades, ten labels or so.
fn decade_ticks(axes: &Axes) -> Vec<i32> {
    let step = (axes.high - axes.low + 11) / 12;
    (axes.low..=axes.high).filter(|d| d.rem_euclid(step) == 0).collect()
}

/// 1, 2 or 5 times a power of ten apart, and whole.
fn iteration_ticks(last: f64) -> Vec<f64> {
    let power = 10f64.powf((last / 8.0).log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|f| f * power).into_iter().find(|s| last / s <= 8.0).unwrap_or(power * 10.0).max(1.0);
    (0..).map(|k| f64::from(k) * step).take_while(|&k| k <= last).collect()
}

/// First, least, greatest and last of each pixel column: what a finer line would show, in fewer points.
fn thinned(points: &[(f64, f64)], axes: &Axes) -> Vec<(f64, f64)> {
    let column = |p: &(f64, f64)| axes.x(p.0).floor();
    let mut out = vec![];
    for group in points.chunk_by(|p, q| column(p) == column(q)) {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let mut picked = vec![group[0], group[group.len() - 1]];
        picked.extend(group.iter().min_by(by));
        picked.extend(group.iter().max_by(by));
        picked.sort_by(|a, b| a.0.total_cmp(&b.0));
        picked.dedup();
        out.extend(picked);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(history: &[f64]) -> String {
        let checks = [TrueResidual { iteration: history.len(), relative: 1e-9 }];
        let (title, subtitle) = ("a<b>&\u{1}".into(), "cg".into());
        History {
            title,
            subtitle,
            curves: vec![Curve { history, checks: &checks }],
            bands: vec![],
            tolerance: Some(1e-8),
        }
        .svg()
    }

    fn points(svg: &str) -> usize {
        svg.split("points=\"").nth(1).map_or(0, |s| s.split('"').next().unwrap_or("").split_whitespace().count())
    }

    #[test]
    fn draws_any_number_of_points() {
        for n in [0, 1, 2, 3, 100, 10_000, 100_000] {
            let history: Vec<f64> = (1..=n).map(|k| (1.0 + (k as f64).sin() * 0.5) / k as f64).collect();
            let svg = figure(&history);
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{n}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{n}");
            assert!(points(&svg) <= 4 * WIDTH as usize, "{n}: {} points", points(&svg));
        }
    }

    #[test]
    fn leaves_out_what_has_no_logarithm() {
        let svg = figure(&[1.0, f64::NAN, 0.0, f64::INFINITY, 1e-300, 1e300]);
        assert_eq!(points(&svg), 3);
        assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.contains("a&lt;b&gt;&amp;?"));
    }

    #[test]
    fn thinning_keeps_the_spikes() {
        let mut history = vec![1e-3f64; 50_000];
        history[31_234] = 1e4;
        history[31_235] = 1e-7;
        let points: Vec<(f64, f64)> = history.iter().enumerate().map(|(k, v)| (k as f64, v.log10())).collect();
        let kept = thinned(&points, &Axes { last: 50_000.0, low: -8, high: 5 });
        assert!(kept.contains(&points[31_234]) && kept.contains(&points[31_235]) && kept.len() < 3000);
    }

    #[test]
    fn ticks_are_few_and_round() {
        for last in [1.0, 2.0, 7.0, 10.0, 99.0, 410.0, 10_000.0, 123_456.0] {
            let ticks = iteration_ticks(last);
            assert!((2..=9).contains(&ticks.len()), "{last}: {ticks:?}");
        }
        assert!(decade_ticks(&Axes { last: 1.0, low: -300, high: 300 }).len() <= 13);
    }
}
