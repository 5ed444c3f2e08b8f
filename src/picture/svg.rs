//! What all drawings share: colours for light and dark, and text that XML can hold.

/// Colours by what they stand for. A reader who prefers dark gets dark, in a page and alone.
pub(super) const STYLE: &str = "<style>\
.ink{fill:#24292f}.pale{fill:#57606a}.paper{fill:#ffffff}.grid{stroke:#d8dee4;stroke-width:1}.frame{fill:none;stroke:#8c959f}\
.line{fill:none;stroke:#0969da;stroke-width:1.6;stroke-linejoin:round}.dot{fill:#0969da}\
.truth{fill:#1a7f37;stroke:#ffffff;stroke-width:1.5}.goal{stroke:#bc4c00;stroke-width:1.5;stroke-dasharray:7 5}\
.even{fill:#ddf4ff;opacity:.45}.odd{fill:#fff8c5;opacity:.55}.bar{fill:#54aeff}\
.part0{fill:#0969da}.part1{fill:#8250df}.part2{fill:#1a7f37}.part3{fill:#bf8700}\
@media (prefers-color-scheme:dark){.ink{fill:#e6edf3}.pale{fill:#9198a1}.paper{fill:#0d1117}.grid{stroke:#262c36}.frame{stroke:#656c76}\
.line{stroke:#4493f8}.dot{fill:#4493f8}.truth{fill:#3fb950;stroke:#0d1117}.goal{stroke:#f0883e}\
.even{fill:#121d2f;opacity:1}.odd{fill:#272115;opacity:1}.bar{fill:#1f6feb}}\
</style>";

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
            // XML 1.0 has no way to say a control character.
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
