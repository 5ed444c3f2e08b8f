//! Shared by all drawings: colours for light and dark, text escaped for XML, axes.

/// Colours by meaning. A reader who prefers dark gets dark, in a page and in a separate file.
pub(super) const STYLE: &str = "\
.ink{fill:#24292f}.pale{fill:#57606a}.paper{fill:#ffffff}.grid{stroke:#d8dee4;stroke-width:1}.frame{fill:none;stroke:#8c959f}\
.line{fill:none;stroke:#0969da;stroke-width:1.6;stroke-linejoin:round}.dot{fill:#0969da}\
.truth{fill:#1a7f37;stroke:#ffffff;stroke-width:1.5}.open{fill:none;stroke:#0969da;stroke-width:1.6}\
.missed{fill:#cf222e;stroke:#ffffff;stroke-width:1.5}.goal{stroke:#bc4c00;stroke-width:1.5;stroke-dasharray:7 5}\
.even{fill:#ddf4ff;opacity:.45}.odd{fill:#fff8c5;opacity:.55}.bar{fill:#54aeff}.roof{fill:#afb8c1}\
.hover{fill:transparent;pointer-events:all}.hover:hover{fill:#0969da;opacity:.15}\
.part0{fill:#0969da}.part1{fill:#8250df}.part2{fill:#1a7f37}.part3{fill:#bf8700}.part4{fill:#57606a}\
@media (prefers-color-scheme:dark){.ink{fill:#e6edf3}.pale{fill:#9198a1}.paper{fill:#0d1117}.grid{stroke:#262c36}.frame{stroke:#656c76}\
.line,.open{stroke:#4493f8}.dot{fill:#4493f8}.truth{fill:#3fb950;stroke:#0d1117}.missed{fill:#f85149;stroke:#0d1117}.goal{stroke:#f0883e}\
.even{fill:#121d2f;opacity:1}.odd{fill:#272115;opacity:1}.bar{fill:#1f6feb}.roof{fill:#3d444d}\
.part0{fill:#1f6feb}.part1{fill:#a371f7}.part2{fill:#238636}.part3{fill:#d29922}.part4{fill:#9198a1}}";

/// Text for XML, cut where it would run off the page.
pub(super) fn escape(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (k, c) in text.chars().enumerate() {
        match c {
            _ if k == limit => {
                out.push('…');
                break;
            }
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // XML 1.0 cannot represent control characters.
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// Prose for a page; text in backticks becomes code.
pub(super) fn prose(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (k, part) in escape(text, limit).split('`').enumerate() {
        out += &if k % 2 == 1 { format!("<code>{part}</code>") } else { part.to_string() };
    }
    out
}

/// Upper bound on the width of `text` in pixels: the font is unknown, so a wide one is assumed.
pub(super) fn width(text: &str, size: f64) -> f64 {
    0.62 * size * text.chars().count() as f64
}

/// Places for pieces of these widths in rows as wide as `most`: (x, row) of each.
pub(super) fn flow(widths: impl Iterator<Item = f64>, most: f64) -> Vec<(f64, usize)> {
    let (mut x, mut row) = (0.0, 0);
    widths
        .map(|width| {
            if x > 0.0 && x + width > most {
                (x, row) = (0.0, row + 1);
            }
            let place = (x, row);
            x += width;
            place
        })
        .collect()
}

/// About `most` ticks in [low, high], spaced by 1, 2 or 5 times a power of ten, and their distance.
pub(super) fn ticks(low: f64, high: f64, most: f64) -> (Vec<f64>, f64) {
    let raw = (high - low) / most;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|f| f * power).into_iter().find(|s| *s >= raw).unwrap_or(10.0 * power);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    if !(step.is_normal() && first.is_finite() && last - first < 1e4) {
        return (vec![], 1.0);
    }
    let mut at = vec![];
    let mut k = first;
    while k <= last {
        at.push(k * step);
        k += 1.0;
    }
    (at, step)
}

/// A tick's label, with enough digits to distinguish it from its neighbours.
pub(super) fn label(value: f64, step: f64) -> String {
    let (decade, fine) = (value.abs().max(step).log10().floor(), step.log10().floor());
    if (-4.0..6.0).contains(&decade) {
        return format!("{value:.*}", (-fine).max(0.0) as usize);
    }
    let digits = (decade - fine).max(0.0) as usize;
    if value == 0.0 { "0".into() } else { format!("{value:.digits$e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_lie_inside_and_differ() {
        for (low, high) in [(0.0, 1.0), (-3.2, 7.9), (1e-12, 1.1e-12), (1e20, 3e20), (1.0, 1.0 + 1e-6), (0.0, 1e-300)] {
            let (at, step) = ticks(low, high, 6.0);
            assert!(at.iter().all(|&v| low <= v && v <= high), "{low} {high}: {at:?}");
            let mut labels: Vec<String> = at.iter().map(|&v| label(v, step)).collect();
            assert!((2..=8).contains(&labels.len()), "{low} {high}: {at:?}");
            labels.dedup();
            assert_eq!(labels.len(), at.len(), "{labels:?}");
        }
        assert!(ticks(1.0, 1.0, 6.0).0.is_empty());
    }

    #[test]
    fn a_row_ends_before_it_is_too_wide() {
        assert_eq!(flow([40.0, 50.0, 20.0, 200.0].into_iter(), 100.0), [(0.0, 0), (40.0, 0), (0.0, 1), (0.0, 2)]);
    }
}
