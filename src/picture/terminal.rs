//! Residual histories in a terminal: braille dots, four to the height of a character and two to its width.

use super::history::{History, log10, range};

/// What a piece of a plot stands for; determines its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The method's estimate.
    Line,
    /// A residual recomputed in f64.
    Truth,
    /// The tolerance.
    Goal,
    /// Axes and their labels.
    Pale,
}

const LABEL: usize = 7;

impl History<'_> {
    /// The plot as lines of text, `columns` wide and `rows` high beside its axes; `paint` colours each piece.
    #[must_use]
    pub fn text(&self, columns: usize, rows: usize, paint: impl Fn(Ink, &str) -> String) -> String {
        let points = |history: &[f64]| -> Vec<(f64, f64)> {
            history.iter().enumerate().filter_map(|(k, &v)| Some(((k + 1) as f64, log10(v)?))).collect()
        };
        let lines: Vec<_> = self.curves.iter().map(|c| points(c.history)).collect();
        let checks = self.curves.iter().flat_map(|c| c.checks);
        let checks: Vec<(f64, f64)> = checks.filter_map(|c| Some((c.iteration as f64, log10(c.relative)?))).collect();
        let tolerance = self.tolerance.and_then(log10);
        let (low, high, last) = range(&lines, &checks, tolerance);
        let (low, high) = (f64::from(low), f64::from(high));
        let across = |k: f64, cells: usize| ((k / last * cells as f64) as usize).min(cells - 1);
        let down = |v: f64, cells: usize| (((high - v) / (high - low) * cells as f64) as usize).min(cells - 1);
        let mut dots = vec![vec![false; 2 * columns]; 4 * rows];
        for line in &lines {
            let mut before: Option<(usize, usize)> = None;
            for &(k, v) in line {
                let (x, y) = (across(k, 2 * columns), down(v, 4 * rows));
                // Points are connected, so that a steep fall is a line.
                let (x0, y0) = before.unwrap_or((x, y));
                let steps = x.abs_diff(x0).max(y.abs_diff(y0)).max(1);
                for s in 0..=steps {
                    let part =
                        |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * s as f64 / steps as f64).round();
                    dots[part(y0, y) as usize][part(x0, x) as usize] = true;
                }
                before = Some((x, y));
            }
        }
        let truths: Vec<(usize, usize)> = checks.iter().map(|&(k, v)| (across(k, columns), down(v, rows))).collect();
        let goal = tolerance.map(|t| down(t, rows));
        let every = (((high - low) / rows as f64).ceil() as usize).max(1) * 2;
        let mut labels = vec![String::new(); rows];
        for decade in (low as i32..=high as i32).filter(|d| d.rem_euclid(every as i32) == 0) {
            labels[down(f64::from(decade), rows)] = format!("1e{decade}");
        }
        let mut out = String::new();
        for (row, name) in labels.iter().enumerate() {
            let tick = if name.is_empty() { '│' } else { '┤' };
            out += &paint(Ink::Pale, &format!("{name:>LABEL$} {tick}"));
            let cell = |column: usize| -> (Ink, char) {
                let braille = braille(&dots, row, column);
                match goal {
                    _ if truths.contains(&(column, row)) => (Ink::Truth, '●'),
                    Some(at) if at == row && braille == EMPTY => (Ink::Goal, '┄'),
                    _ => (Ink::Line, braille),
                }
            };
            let cells: Vec<(Ink, char)> = (0..columns).map(cell).collect();
            for run in cells.chunk_by(|a, b| a.0 == b.0) {
                out += &paint(run[0].0, &run.iter().map(|c| c.1).collect::<String>());
            }
            out.truncate(out.trim_end_matches(EMPTY).len());
            out.push('\n');
        }
        let mut axis = vec!['─'; columns];
        for band in &self.bands {
            for (k, digit) in band.number.to_string().chars().enumerate() {
                if let Some(at) = axis.get_mut(across(band.from as f64, columns) + k) {
                    *at = digit;
                }
            }
        }
        let axis: String = axis.into_iter().collect();
        out += &paint(Ink::Pale, &format!("{:LABEL$} └{axis}", ""));
        out.push('\n');
        let end = format!("{last} iterations");
        out + &paint(Ink::Pale, &format!("{:LABEL$}  0{end:>1$}", "", columns - 1)) + "\n"
    }
}

const EMPTY: char = '\u{2800}';

/// The character of eight dots.
fn braille(dots: &[Vec<bool>], row: usize, column: usize) -> char {
    // By column from above: 1, 2, 3, 7 and 4, 5, 6, 8.
    const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let bit = |y: usize, x: usize| if dots[4 * row + y][2 * column + x] { BITS[y][x] } else { 0 };
    let bits: u32 = (0..4).map(|y| bit(y, 0) | bit(y, 1)).sum();
    char::from_u32(u32::from(EMPTY) + bits).unwrap_or(EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Band, Curve};
    use crate::report::TrueResidual;

    fn plot(history: &[f64], checks: &[TrueResidual], bands: Vec<Band>) -> String {
        let (title, subtitle) = (String::new(), String::new());
        History { title, subtitle, curves: vec![Curve { history, checks }], bands, tolerance: Some(1e-8) }.text(
            40,
            8,
            |_, text| text.into(),
        )
    }

    #[test]
    fn a_line_falls_to_its_certified_end() {
        let history: Vec<f64> = (1..=80).map(|k| 10f64.powf(-0.1 * f64::from(k))).collect();
        let text = plot(&history, &[TrueResidual { iteration: 80, relative: 1e-8 }], vec![]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(lines[0].starts_with("    1e0 ┤") && text.contains('┄') && text.contains("80 iterations"), "{text}");
        assert_eq!(text.matches('●').count(), 1);
        assert!(lines.iter().all(|line| line.chars().count() <= LABEL + 2 + 40), "{text}");
    }

    #[test]
    fn turns_are_numbered_on_the_axis() {
        let band = |number, from, to| Band { number, label: "cg".into(), from, to };
        let text = plot(&[1.0; 100], &[], vec![band(1, 0, 50), band(2, 50, 90), band(1, 90, 100)]);
        let axis = text.lines().nth(8).unwrap();
        assert_eq!(axis.chars().filter(char::is_ascii_digit).collect::<String>(), "121", "{text}");
    }

    #[test]
    fn nothing_and_nonsense_are_drawn() {
        for history in [&[][..], &[f64::NAN, f64::INFINITY, 0.0], &[1e300, 1e-300], &[1.0]] {
            assert_eq!(plot(history, &[], vec![]).lines().count(), 10);
        }
    }
}
