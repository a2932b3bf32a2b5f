//! "Did you mean …?"

/// The candidate with the smallest edit distance to `name`.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut by_distance: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(candidate, name), candidate))
        .collect();
    by_distance.sort_unstable();
    by_distance.first().map(|(_, candidate)| *candidate)
}

/// The number of letters to change, add, remove or swap to turn one into the other.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    strsim::damerau_levenshtein(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_candidate_is_found() {
        let table: [(&str, &[&str], Option<&str>); 4] = [
            ("relya", &["room", "relay", "reply"], Some("relay")),
            ("x", &["b", "a"], Some("a")),
            ("room", &["room"], Some("room")),
            ("room", &[], None),
        ];
        for (name, candidates, expected) in table {
            assert_eq!(nearest(name, candidates.iter().copied()), expected, "{name}");
        }
    }
}
