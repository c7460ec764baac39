//! "Did you mean": the nearest of some names, if one is near.

/// The candidate most like `text`, when it is like enough to be worth saying.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &'a str| (strsim::jaro_winkler(text, name), name);
    let best = candidates
        .into_iter()
        .map(near)
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.8).then_some(best.1)
}

/// `did you mean 'x'?`, or nothing.
pub(super) fn among(text: &str, candidates: &[&str]) -> String {
    match nearest(text, candidates.iter().copied()) {
        Some(name) => format!("did you mean '{name}'?"),
        None => String::new(),
    }
}
