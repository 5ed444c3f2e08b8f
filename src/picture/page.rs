//! A self-contained page: one HTML file that needs no network, light and dark, for wide and narrow screens.

use super::svg::{STYLE, escape, prose};
use std::fmt::Write;

/// A page that grows from top to bottom.
pub(super) struct Page {
    title: String,
    banner: String,
    figures: String,
    sections: String,
}

impl Page {
    /// A page with the outcome on top; `good` chooses its colour, `None` for neither good nor bad.
    pub(super) fn new(name: &str, good: Option<bool>, outcome: &str, advice: &str) -> Self {
        let title = if name.is_empty() { "krylane".to_string() } else { format!("{} · krylane", escape(name, 80)) };
        let class = match good {
            Some(true) => "good",
            Some(false) => "bad",
            None => "plain",
        };
        let banner = format!(
            "<header class=\"{class}\"><p class=\"name\">{}</p><h1>{}</h1><p>{}</p></header>",
            escape(name, 120),
            escape(outcome, 160),
            prose(advice, 600)
        );
        Self { title, banner, figures: String::new(), sections: String::new() }
    }

    /// A number that a reader looks for first.
    pub(super) fn figure(&mut self, label: &str, value: &str) {
        let _ = write!(self.figures, "<div><b>{}</b><span>{}</span></div>", escape(value, 40), escape(label, 60));
    }

    pub(super) fn section(&mut self, heading: &str, html: &str) {
        let _ = write!(self.sections, "<section><h2>{}</h2>{html}</section>", escape(heading, 80));
    }

    pub(super) fn list(&mut self, heading: &str, lines: &[String]) {
        if !lines.is_empty() {
            let items: String = lines.iter().map(|l| format!("<li>{}</li>", prose(l, 1000))).collect();
            self.section(heading, &format!("<ul>{items}</ul>"));
        }
    }

    pub(super) fn end(self) -> String {
        let Self { title, banner, figures, sections } = self;
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title><style>{PAGE}{STYLE}</style></head><body><main>{banner}<div class=\"figures\">{figures}</div>{sections}</main></body></html>\n"
        )
    }
}

/// A table; on a narrow screen a row becomes a block of lines with the heads before the values.
pub(super) fn table<const N: usize>(head: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut html = String::from("<table><thead><tr>");
    for cell in head {
        let _ = write!(html, "<th>{}</th>", escape(cell, 60));
    }
    html += "</tr></thead><tbody>";
    for row in rows {
        html += "<tr>";
        for (name, cell) in head.iter().zip(row) {
            let _ = write!(html, "<td data-head=\"{}\">{}</td>", escape(name, 60), escape(&cell, 400));
        }
        html += "</tr>";
    }
    html + "</tbody></table>"
}

/// Labels and values.
pub(super) fn facts(rows: &[(String, String)]) -> String {
    let row = |(label, value): &(String, String)| {
        format!("<tr><th>{}</th><td>{}</td></tr>", escape(label, 80), escape(value, 300))
    };
    format!("<table class=\"facts\"><tbody>{}</tbody></table>", rows.iter().map(row).collect::<String>())
}

/// One drawing for a wide screen and one for a narrow one.
pub(super) fn at_two_widths(wide: &str, narrow: &str) -> String {
    format!("<div class=\"wide\">{wide}</div><div class=\"narrow\">{narrow}</div>")
}

/// A drawing with words below it.
pub(super) fn captioned(drawing: &str, caption: &str) -> String {
    format!("<figure>{drawing}<figcaption>{}</figcaption></figure>", escape(caption, 300))
}

pub(super) fn seconds(s: f64) -> String {
    match s {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

/// 10⁹ bytes a second.
pub(super) fn rate(gb: f64) -> String {
    if gb >= 10.0 { format!("{gb:.1} GB/s") } else { format!("{gb:.2} GB/s") }
}

/// Bytes, in the unit that leaves few digits.
pub(super) fn bytes(b: f64) -> String {
    match b {
        b if b >= 1e12 => format!("{:.2} TB", b / 1e12),
        b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} kB", b / 1e3),
    }
}

const PAGE: &str = ":root{color-scheme:light dark;--ink:#1f2328;--pale:#59636e;--paper:#fff;--card:#f6f8fa;--line:#d1d9e0;--good:#1a7f37;--bad:#cf222e}\
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--pale:#9198a1;--paper:#0d1117;--card:#151b23;--line:#3d444d;--good:#3fb950;--bad:#f85149}}\
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,Helvetica,Arial,sans-serif}\
main{max-width:960px;margin:0 auto;padding:24px 20px 60px}header{border-left:6px solid var(--line);padding:4px 18px;margin-bottom:24px}\
header.good{border-color:var(--good)}header.bad{border-color:var(--bad)}header.good h1{color:var(--good)}header.bad h1{color:var(--bad)}\
h1{font-size:1.7rem;line-height:1.25;margin:4px 0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:36px 0 12px;border-bottom:1px solid var(--line);padding-bottom:5px}\
.name{color:var(--pale);margin:0;overflow-wrap:anywhere}header p{margin:2px 0}\
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}\
.figures div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}\
.figures b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}.figures span{color:var(--pale);font-size:.88rem}\
svg.figure{width:100%;height:auto;display:block}.narrow{display:none}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}\
th{color:var(--pale);font-weight:600;font-size:.88rem}.facts th{font-weight:400;width:45%;font-size:.94rem}.facts td{font-size:.94rem}\
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:24px;align-items:start;margin-bottom:20px}\
figure{margin:0}figure svg{display:block;width:100%;height:auto;max-height:420px}figcaption{color:var(--pale);font-size:.88rem;text-align:center;margin-top:6px}\
svg.levels{max-width:640px;margin:0 auto;display:block;width:100%;height:auto}\
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}\
.stack{width:100%;height:26px;display:block;border-radius:5px}.legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 22px;padding:0;margin:10px 0}\
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:7px}\
.rows{display:grid;grid-template-columns:max-content 1fr max-content;grid-auto-flow:dense;gap:8px 12px;align-items:center;margin:14px 0}.rows span{grid-column:1}.rows .track{grid-column:2}.rows b{grid-column:3;font-weight:600;font-variant-numeric:tabular-nums}\
.track{background:var(--card);border-radius:4px}.track i{display:block;height:18px;border-radius:4px}\
.key0{background:#0969da}.key1{background:#8250df}.key2{background:#1a7f37}.key3{background:#bf8700}.key4{background:#57606a}\
@media (prefers-color-scheme:dark){.key0{background:#1f6feb}.key1{background:#a371f7}.key2{background:#238636}.key3{background:#d29922}.key4{background:#9198a1}}\
li{margin:3px 0;overflow-wrap:anywhere}.note{color:var(--pale);font-size:.92rem;margin:8px 0}\
@media (max-width:640px){.wide{display:none}.narrow{display:block}main{padding:16px 14px 40px}\
table:not(.facts) thead{display:none}table:not(.facts) tr{display:block;border-bottom:1px solid var(--line);padding:8px 0}\
table:not(.facts) td{display:flex;gap:10px;border:0;padding:2px 0}table:not(.facts) td::before{content:attr(data-head);color:var(--pale);flex:0 0 42%;font-size:.9rem}\
.rows{grid-template-columns:1fr max-content;grid-auto-flow:row;gap:2px 12px}.rows b{grid-column:2}.rows .track{grid-column:1/-1;margin-bottom:8px}}\
@media print{section{break-inside:avoid}}";
