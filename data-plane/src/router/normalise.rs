//! The request target as it is matched, and as it is sent.
//!
//! Two texts of one path: the *normalised* path, in which `%65` and `e` are the same, is what routes are matched
//! against; [`escape`] makes from it what an upstream may be sent.

use std::borrow::Cow;
use thiserror::Error;

/// Why a request target cannot be matched.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadTarget {
    /// Answered with 400: a `%` without two hexadecimal digits, `%00`, or `..` above the root.
    #[error("the request path is malformed")]
    Malformed,
    /// Matches no route, so 404.
    #[error("the request path is not UTF-8")]
    NotUtf8,
}

/// Splits a request target at its first `?`, looked for from the second byte, into the raw path and the query. An
/// empty query (a bare trailing `?`) is not the same as none: both are forwarded as they came.
pub fn split_target(target: &str) -> (&str, Option<&str>) {
    match target.bytes().skip(1).position(|byte| byte == b'?') {
        Some(mark) => (&target[..mark + 1], Some(&target[mark + 2..])),
        None => (target, None),
    }
}

/// The path that routes are matched against. Nothing is copied when nothing changes.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, BadTarget> {
    let _ = path;
    todo!()
}

/// Encodes a normalised path for the upstream: bytes that a request line may not hold become `%XX`. Existing `%` are
/// left alone, so nothing is encoded twice.
pub fn escape(path: &str) -> Cow<'_, str> {
    let _ = path;
    todo!()
}
