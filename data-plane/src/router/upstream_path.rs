//! The path that the upstream is asked for: `strip_path` and the `v0` path handling.

/// The part of the normalised path that `strip_path` takes away: `prefix` as `find` reported it. `None` if nothing
/// but `/` would go, in which case there is no `X-Forwarded-Prefix` either.
pub fn stripped_prefix(path: &str, prefix: Option<usize>, strip_path: bool) -> Option<&str> {
    let prefix = prefix
        .filter(|_| strip_path)
        .and_then(|length| path.get(..length))?;
    (prefix != "/").then_some(prefix)
}

/// Joins the service's path (`None` is `/`) and the normalised path by the table of `v0`, the only handling in this
/// flavour, and escapes the result for the request line.
pub fn upstream_path(
    service: Option<&str>,
    path: &str,
    prefix: Option<usize>,
    strip_path: bool,
) -> String {
    let _ = (service, path, prefix, strip_path);
    todo!()
}
