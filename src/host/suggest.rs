//! "Did you mean": the known name nearest to an unknown one.

/// Number of edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The candidate nearest to `word`, ignoring case, if at most a third of the letters differ.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long words are not typing errors, and the cost of the distance is the product of the lengths.
    let word: String = word.chars().take(64).flat_map(char::to_lowercase).collect();
    let limit = (word.chars().count() / 3).max(1);
    let near = candidates.into_iter().map(|c| (distance(&word, c), c)).min_by_key(|&(d, _)| d)?;
    (near.0 <= limit).then_some(near.1)
}

/// ` (did you mean ...?)` for the end of an error message, or nothing.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, candidates).map(|c| format!(" (did you mean `{c}`?)")).unwrap_or_default()
}

/// "unknown {what} ...: the nearest name, and all of them".
pub(crate) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let hint = did_you_mean(word, known.iter().copied());
    format!("unknown {what} {word:?}{hint}; there are: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, d) in
            [("", "", 0), ("", "ab", 2), ("gmres", "gmres", 0), ("gmers", "gmres", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }

    #[test]
    fn nearest() {
        assert_eq!(closest("GMERS", ["cg", "gmres"]), Some("gmres"));
        assert_eq!(closest("poison2d", ["poisson2d", "grcar"]), Some("poisson2d"));
        assert_eq!(closest("zzzz", ["cg", "gmres"]), None);
    }
}
