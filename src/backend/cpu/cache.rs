//! Sizes of the processor's caches.

use std::sync::OnceLock;

/// Bytes of the largest cache, if the system reports no size.
const USUAL: usize = 32 << 20;

/// Bytes of the largest cache of the first processor, queried once. It decides how a matrix is stored, and changes no
/// bit of a result.
pub(super) fn largest() -> usize {
    static LARGEST: OnceLock<usize> = OnceLock::new();
    *LARGEST.get_or_init(|| {
        let sizes = (0..8).filter_map(|k| {
            let file = format!("/sys/devices/system/cpu/cpu0/cache/index{k}/size");
            bytes(std::fs::read_to_string(file).ok()?.trim())
        });
        sizes.max().unwrap_or(USUAL)
    })
}

/// Bytes of a size as Linux writes it: `32768K`.
fn bytes(text: &str) -> Option<usize> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: usize = text[..text.len() - unit.len()].parse().ok()?;
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_read_as_linux_writes_them() {
        assert_eq!(super::bytes("32768K"), Some(32 << 20));
        assert_eq!(super::bytes("260M"), Some(260 << 20));
        assert_eq!(super::bytes("512"), Some(512));
        assert_eq!(super::bytes("many"), None);
        assert!(super::largest() >= 1 << 15);
    }
}
