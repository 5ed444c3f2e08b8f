//! Numbers in as many digits as a reader needs.

/// `value` in scientific notation, with `least` digits after the point, or with as many as tell it from `other`.
pub(crate) fn apart(value: f64, other: f64, least: usize) -> String {
    let shown = (least..=16).map(|digits| (format!("{value:.digits$e}"), format!("{other:.digits$e}")));
    // Equal ones look equal.
    let found = if value == other { None } else { shown.into_iter().find(|(v, o)| v != o) };
    found.map_or_else(|| format!("{value:.least$e}"), |texts| texts.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_digits_as_tell_two_numbers_apart() {
        assert_eq!(apart(3.21e-5, 1e-8, 2), "3.21e-5");
        assert_eq!(apart(1.0004e-8, 1e-8, 2), "1.0004e-8");
        assert_eq!(apart(9.999_96e-9, 1e-8, 2), "9.99996e-9");
        assert_eq!(apart(1e-8, 1e-8, 2), "1.00e-8");
        assert_eq!(apart(f64::from_bits(1e-8f64.to_bits() + 1), 1e-8, 2), "1.0000000000000002e-8");
        assert_eq!((apart(0.0, 0.0, 1), apart(f64::NAN, 1.0, 2)), ("0.0e0".into(), "NaN".into()));
    }
}
