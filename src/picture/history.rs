//! Residual histories as SVG.

use super::svg::{STYLE, escape, flow, label, ticks, width};
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
    /// Named ranges of iterations, drawn behind the curves.
    pub bands: Vec<Band>,
    /// A dashed line.
    pub tolerance: Option<f64>,
}

/// The history of a system.
pub struct Curve<'a> {
    /// Relative residuals by the method's estimate, from iteration 1.
    pub history: &'a [f64],
    /// Relative residuals recomputed in f64.
    pub checks: &'a [TrueResidual],
}

/// The iterations of one method among several.
pub struct Band {
    /// Its number, from 1: shown above the band and before its label below the picture.
    pub number: usize,
    /// What ran.
    pub label: String,
    /// Number of iterations before it.
    pub from: usize,
    /// Number of iterations at its end.
    pub to: usize,
}

impl Band {
    /// A band for each method that a solve tried; none if there was only one.
    #[must_use]
    pub fn of(report: &Report) -> Vec<Self> {
        if report.rungs.iter().filter(|rung| rung.iterations > 0).count() < 2 {
            return vec![];
        }
        let turns = report.rungs.iter().enumerate().flat_map(|(k, rung)| {
            let label = rung.name();
            rung.turns.iter().map(move |&(from, to)| Self { number: k + 1, label: label.clone(), from, to })
        });
        let mut bands: Vec<Self> = turns.filter(|band| band.to > band.from).collect();
        bands.sort_by_key(|band| band.from);
        bands
    }
}

/// Layout of the page, and how iterations and log10 of residuals map to it.
struct Sheet {
    width: f64,
    height: f64,
    top: f64,
    bottom: f64,
    last: f64,
    low: i32,
    high: i32,
}

const LEFT: f64 = 78.0;
const RIGHT: f64 = 22.0;
/// Font size.
const SIZE: f64 = 14.0;
/// Distance between rows of a legend.
const ROW: f64 = 20.0;

impl Sheet {
    fn x(&self, iteration: f64) -> f64 {
        LEFT + iteration / self.last * (self.right() - LEFT)
    }
    fn y(&self, decade: f64) -> f64 {
        // A line along the highest decade does not lie on the frame.
        let share = (decade - f64::from(self.low)) / (f64::from(self.high - self.low) + 0.3);
        self.bottom - share * (self.bottom - self.top)
    }
    fn right(&self) -> f64 {
        self.width - RIGHT
    }
}

/// An entry of a legend: a text with a mark before it.
type Entry = (String, String);

impl History<'_> {
    /// The drawing as a complete document.
    #[must_use]
    pub fn svg(&self) -> String {
        self.drawing(880.0, 370.0, true)
    }

    /// The drawing `width` wide around a frame `height` high, and its headings if it is to stand alone.
    pub(super) fn drawing(&self, width: f64, height: f64, alone: bool) -> String {
        let point = |(k, &v): (usize, &f64)| Some(((k + 1) as f64, log10(v)?));
        let lines: Vec<Vec<(f64, f64)>> =
            self.curves.iter().map(|c| c.history.iter().enumerate().filter_map(point).collect()).collect();
        let checks = self.curves.iter().flat_map(|c| c.checks);
        let checks: Vec<(f64, f64)> = checks.filter_map(|c| Some((c.iteration as f64, log10(c.relative)?))).collect();
        let tolerance = self.tolerance.and_then(log10);
        let (above, below) = (self.legend(&lines, &checks, tolerance), self.names());
        let room = width - LEFT - RIGHT;
        let places = |entries: &[Entry]| flow(entries.iter().map(|e| entry_width(&e.1)), room);
        let (above_at, below_at) = (places(&above), places(&below));
        let rows = |at: &[(f64, usize)]| at.last().map_or(0.0, |p| (p.1 + 1) as f64 * ROW);
        let numbers = if self.bands.is_empty() { 8.0 } else { 22.0 };
        let head = if alone { 62.0 } else { 4.0 };
        let top = head + rows(&above_at) + numbers;
        let (low, high, last) = range(&lines, &checks, tolerance);
        let bottom = top + height;
        let sheet = Sheet { width, height: bottom + 56.0 + rows(&below_at), top, bottom, last, low, high };
        let mut s = String::new();
        let style = if alone { format!("<style>{STYLE}</style>") } else { String::new() };
        let _ = write!(
            s,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {0}\" width=\"{width}\" height=\"{0}\" \
             class=\"figure ink\" role=\"img\" font-family=\"system-ui, Helvetica, Arial, sans-serif\" font-size=\"{SIZE}\">{style}",
            sheet.height
        );
        if alone {
            let (title, subtitle) = (escape(&self.title, 84), escape(&self.subtitle, 110));
            let _ = writeln!(
                s,
                "<rect width=\"{width}\" height=\"{}\" class=\"paper\"/>\
                 <text x=\"{LEFT}\" y=\"28\" font-size=\"18\" font-weight=\"600\">{title}</text>\
                 <text x=\"{LEFT}\" y=\"51\" class=\"pale\">{subtitle}</text>",
                sheet.height
            );
        }
        write_entries(&mut s, &above, &above_at, head);
        write_entries(&mut s, &below, &below_at, bottom + 52.0);
        self.draw_bands(&mut s, &sheet);
        draw_axes(&mut s, &sheet);
        if let Some(t) = tolerance {
            let (y, right) = (sheet.y(t), sheet.right());
            let _ = writeln!(s, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" class=\"goal\"/>");
        }
        for (k, points) in lines.iter().enumerate() {
            // Viewers show the name of the curve under the pointer.
            let title = if lines.len() > 1 { format!("<title>system {k}</title>") } else { String::new() };
            let _ = draw_line(&mut s, &sheet, points, &title);
        }
        if let [points] = &lines[..] {
            draw_hover(&mut s, &sheet, points);
        }
        for &(k, v) in &checks {
            let (x, y, value) = (sheet.x(k), sheet.y(v), 10f64.powf(v));
            let _ = writeln!(
                s,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" class=\"truth\"><title>iteration {k}: {value:.2e}, recomputed in f64</title></circle>"
            );
        }
        s + "</svg>\n"
    }

    fn draw_bands(&self, s: &mut String, sheet: &Sheet) {
        // Numbers don't overlap: a narrow band's moves aside.
        let mut free = LEFT - 8.0;
        for (k, band) in self.bands.iter().enumerate() {
            let (from, to) = (sheet.x(band.from as f64), sheet.x(band.to as f64));
            let (wide, high, shade) = (to - from, sheet.bottom - sheet.top, ["even", "odd"][k % 2]);
            let title =
                escape(&format!("{} {}: iterations {} to {}", band.number, band.label, band.from + 1, band.to), 90);
            let _ = writeln!(
                s,
                "<rect x=\"{from:.1}\" y=\"{}\" width=\"{wide:.1}\" height=\"{high}\" class=\"{shade}\"><title>{title}</title></rect>",
                sheet.top
            );
            let number = band.number.to_string();
            let half = width(&number, SIZE) / 2.0;
            let at = (0.5 * (from + to)).max(free + half);
            if at - 0.5 * (from + to) < 40.0 {
                free = at + half + 3.0;
                let y = sheet.top - 6.0;
                let _ =
                    writeln!(s, "<text x=\"{at:.1}\" y=\"{y}\" text-anchor=\"middle\" class=\"pale\">{number}</text>");
            }
        }
    }

    /// What lines and points mean.
    fn legend(&self, lines: &[Vec<(f64, f64)>], checks: &[(f64, f64)], tolerance: Option<f64>) -> Vec<Entry> {
        let line = |class: &str| format!("<line x1=\"0\" y1=\"-5\" x2=\"24\" y2=\"-5\" class=\"{class}\"/>");
        let mut entries = vec![];
        if lines.iter().any(|points| !points.is_empty()) {
            entries.push((line("line"), "the method's estimate".to_string()));
        }
        if !checks.is_empty() {
            entries
                .push(("<circle cx=\"12\" cy=\"-5\" r=\"4.5\" class=\"truth\"/>".into(), "recomputed in f64".into()));
        }
        if let (Some(t), Some(_)) = (self.tolerance, tolerance) {
            let (short, rounded) = (format!("{t:e}"), format!("{t:.2e}"));
            let t = if short.len() < rounded.len() { short } else { rounded };
            entries.push((line("goal"), format!("tolerance {t}")));
        }
        entries
    }

    /// What the numbers of the bands stand for.
    fn names(&self) -> Vec<Entry> {
        let mut named: Vec<&Band> = self.bands.iter().collect();
        named.sort_by_key(|band| band.number);
        named.dedup_by_key(|band| band.number);
        let mark = |n: usize| format!("<text x=\"22\" text-anchor=\"end\" class=\"pale\">{n}</text>");
        named.into_iter().map(|band| (mark(band.number), band.label.clone())).collect()
    }
}

fn entry_width(words: &str) -> f64 {
    52.0 + width(words, SIZE)
}

fn write_entries(s: &mut String, entries: &[Entry], at: &[(f64, usize)], top: f64) {
    for ((mark, words), (x, row)) in entries.iter().zip(at) {
        let (x, y) = (LEFT + x, top + (*row as f64 + 0.75) * ROW);
        let words = escape(words, 60);
        let _ = writeln!(s, "<g transform=\"translate({x:.1} {y:.1})\">{mark}<text x=\"32\">{words}</text></g>");
    }
}

fn draw_axes(s: &mut String, sheet: &Sheet) {
    let (right, bottom, top) = (sheet.right(), sheet.bottom, sheet.top);
    let decades = decade_ticks(sheet);
    let (iterations, step) = ticks(0.0, sheet.last, ((right - LEFT) / 90.0).min(sheet.last));
    let _ = writeln!(s, "<g class=\"grid\">");
    for &d in &decades {
        let y = sheet.y(f64::from(d));
        let _ = writeln!(s, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>");
    }
    for &k in &iterations {
        let x = sheet.x(k);
        let _ = writeln!(s, "<line x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>");
    }
    let _ = writeln!(s, "</g>\n<g text-anchor=\"end\">");
    for &d in &decades {
        let y = sheet.y(f64::from(d)) + 5.0;
        let _ = writeln!(s, "<text x=\"{}\" y=\"{y:.1}\">1e{d}</text>", LEFT - 8.0);
    }
    let _ = writeln!(s, "</g>\n<g text-anchor=\"middle\">");
    for &k in &iterations {
        let _ = writeln!(s, "<text x=\"{:.1}\" y=\"{}\">{}</text>", sheet.x(k), bottom + 20.0, label(k, step));
    }
    let (middle, centre) = ((LEFT + right) / 2.0, (top + bottom) / 2.0);
    let _ = writeln!(s, "<text x=\"{middle}\" y=\"{}\" class=\"pale\">iteration</text>", bottom + 41.0);
    let _ = writeln!(
        s,
        "<text transform=\"translate(16 {centre}) rotate(-90)\" class=\"pale\">relative residual</text>\n</g>"
    );
    let (w, h) = (right - LEFT, bottom - top);
    let _ = writeln!(s, "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" class=\"frame\"/>");
}

/// Strips that show the values under the pointer.
fn draw_hover(s: &mut String, sheet: &Sheet, points: &[(f64, f64)]) {
    let every = (points.len() / 200).max(1);
    let half = 0.5 * every as f64;
    for &(k, v) in points.iter().step_by(every) {
        let (from, to) = (sheet.x((k - half).max(0.0)), sheet.x((k + half).min(sheet.last)));
        let (wide, high, value) = (to - from, sheet.bottom - sheet.top, 10f64.powf(v));
        let _ = write!(
            s,
            "<rect x=\"{from:.1}\" y=\"{}\" width=\"{wide:.1}\" height=\"{high}\" class=\"hover\"><title>iteration {k}: {value:.2e}</title></rect>",
            sheet.top
        );
    }
}

fn draw_line(s: &mut String, sheet: &Sheet, points: &[(f64, f64)], title: &str) -> std::fmt::Result {
    if let [(k, v)] = points {
        let (x, y) = (sheet.x(*k), sheet.y(*v));
        writeln!(s, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" class=\"dot\">{title}</circle>")?;
    } else if !points.is_empty() {
        write!(s, "<polyline class=\"line\" points=\"")?;
        for (k, v) in thinned(points, sheet) {
            write!(s, "{:.1},{:.1} ", sheet.x(k), sheet.y(v))?;
        }
        writeln!(s, "\">{title}</polyline>")?;
    }
    Ok(())
}

/// NaN, infinity and zero have no place on the axis.
pub(super) fn log10(v: f64) -> Option<f64> {
    (v > 0.0 && v.is_finite()).then(|| v.log10())
}

/// The decades that everything lies in, and the last iteration.
pub(super) fn range(lines: &[Vec<(f64, f64)>], checks: &[(f64, f64)], tolerance: Option<f64>) -> (i32, i32, f64) {
    let all = || lines.iter().flatten().chain(checks);
    let values = || all().map(|p| p.1).chain(tolerance);
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low <= high { (low.floor() as i32, high.ceil() as i32) } else { (-1, 0) };
    // The tolerance should not lie on the frame.
    let low = if values().any(|v| v - f64::from(low) < 0.1) { low - 1 } else { low };
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    (low, high.max(low + 1), last)
}

/// Whole decades, about ten labels.
fn decade_ticks(sheet: &Sheet) -> Vec<i32> {
    let step = (sheet.high - sheet.low + 11) / 12;
    (sheet.low..=sheet.high).filter(|d| d.rem_euclid(step) == 0).collect()
}

/// First, least, greatest and last point of each pixel column: looks the same as all points.
fn thinned(points: &[(f64, f64)], sheet: &Sheet) -> Vec<(f64, f64)> {
    let column = |p: &(f64, f64)| sheet.x(p.0).floor();
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

    fn sheet(last: f64, low: i32, high: i32) -> Sheet {
        Sheet { width: 880.0, height: 500.0, top: 90.0, bottom: 440.0, last, low, high }
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
            assert!(points(&svg) <= 4 * 880, "{n}: {} points", points(&svg));
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
        let kept = thinned(&points, &sheet(50_000.0, -8, 5));
        assert!(kept.contains(&points[31_234]) && kept.contains(&points[31_235]) && kept.len() < 3000);
    }

    #[test]
    fn decades_are_few() {
        assert!(decade_ticks(&sheet(1.0, -300, 300)).len() <= 13);
    }

    #[test]
    fn bands_are_numbered_and_named_however_narrow() {
        let band = |number, from, to| Band { number, label: format!("method {number}"), from, to };
        let drawn = History {
            title: String::new(),
            subtitle: String::new(),
            curves: vec![Curve { history: &[1.0; 100], checks: &[] }],
            bands: vec![band(1, 0, 97), band(2, 97, 98), band(1, 98, 99), band(3, 99, 100)],
            tolerance: None,
        };
        for wide in [880.0, 400.0] {
            let text = drawn.drawing(wide, 300.0, false);
            for number in 1..=3 {
                assert_eq!(text.matches(&format!(">method {number}</text>")).count(), 1);
            }
            assert_eq!(text.matches("class=\"pale\">1</text>").count(), 3, "twice above, once below");
        }
    }
}
