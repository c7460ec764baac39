//! The path that the upstream is asked for: `strip_path` and the `v0` path handling.

use super::normalise::push_escaped;

/// The part of the normalised path that `strip_path` takes away: `prefix` as `find` reported it. `None` if nothing
/// but `/` would go, in which case there is no `X-Forwarded-Prefix` either.
#[inline]
pub fn stripped_prefix(path: &str, prefix: Option<usize>, strip_path: bool) -> Option<&str> {
    let prefix = prefix
        .filter(|_| strip_path)
        .and_then(|length| path.get(..length))?;
    (prefix != "/").then_some(prefix)
}

/// Joins the service's path (`None` is `/`) and the normalised path by the table of `v0`, the only handling in this
/// flavour, and escapes the result for the request line. `prefix` is what `find` reported.
pub fn upstream_path(
    service: Option<&str>,
    path: &str,
    prefix: Option<usize>,
    strip_path: bool,
) -> String {
    let service = service.unwrap_or("/");
    let (head, slash, tail) = if strip_path {
        stripped(service, path, prefix)
    } else {
        kept(service, path)
    };
    let mut joined = String::with_capacity(head.len() + tail.len() + 16);
    push_escaped(&mut joined, head);
    joined.push_str(slash);
    push_escaped(&mut joined, tail);
    joined
}

/// The three pieces of the result when the matched prefix goes.
fn stripped<'a>(
    service: &'a str,
    path: &'a str,
    prefix: Option<usize>,
) -> (&'a str, &'static str, &'a str) {
    let prefix = prefix.unwrap_or_else(|| path.len().min(1));
    let rest = without_dots(path.get(prefix..).unwrap_or(""));
    match service.strip_suffix('/') {
        Some("") if rest.is_empty() => ("/", "", ""),
        Some(_) if rest.is_empty() && path.ends_with('/') => (service, "", ""),
        Some(trimmed) if rest.is_empty() || rest.starts_with('/') => (trimmed, "", rest),
        Some(_) => (service, "", rest),
        None if rest.is_empty() && path.len() > 1 && path.ends_with('/') => (service, "/", ""),
        None if rest.is_empty() || rest.starts_with('/') => (service, "", rest),
        None => (service, "/", rest),
    }
}

/// The three pieces of the result when the path stays whole.
fn kept<'a>(service: &'a str, path: &'a str) -> (&'a str, &'static str, &'a str) {
    match (service.ends_with('/'), path) {
        (true, _) => (service, "", path.strip_prefix('/').unwrap_or(path)),
        (false, "/") => (service, "", ""),
        (false, _) => (service, "", path),
    }
}

/// What is left of the prefix's last segment must not become a dot segment of the upstream's path.
fn without_dots(rest: &str) -> &str {
    match rest {
        "." | ".." => "",
        _ => rest
            .strip_prefix("./")
            .or_else(|| rest.strip_prefix("../"))
            .unwrap_or(rest),
    }
}

#[cfg(test)]
#[path = "upstream_path_tests.rs"]
mod tests;
