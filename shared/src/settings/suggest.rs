//! "Did you mean": the nearest of some names, if one is near.

/// Longer texts are no misspelt name.
const LONGEST: usize = 64;

/// The candidate most like `text` whatever its case, when it is like enough to be worth saying.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_lowercase();
    let near = |name: &'a str| (strsim::jaro_winkler(&text, &name.to_lowercase()), name);
    let best = candidates
        .into_iter()
        .map(near)
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.8).then_some(best.1)
}

/// The words that offer a name.
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean '{name}'?")
}

/// `did you mean 'x'?`, or nothing.
pub(super) fn among(text: &str, candidates: &[&str]) -> String {
    nearest(text, candidates.iter().copied()).map_or_else(String::new, did_you_mean)
}
