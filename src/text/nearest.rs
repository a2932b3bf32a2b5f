//! "Did you mean": the nearest of several names.

/// The candidate that is at most two typing errors away from `name`.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = candidates
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known));
    distances
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, known)| known)
}
