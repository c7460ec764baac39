//! Methods and paths of requests, as Kong's `kong.service.request` takes them.

use http::Method;

use super::args::push_escape;

/// What `kong.service.request.set_method` takes.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "PUT",
    "POST",
    "DELETE",
    "OPTIONS",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
];

/// A method that a request may get; `None` for any other.
pub fn method(text: &str) -> Option<Method> {
    let known = METHODS.contains(&text);
    Method::from_bytes(text.as_bytes()).ok().filter(|_| known)
}

/// Percent-encodes what can not stand in a request target; `%` and `?` stay. So would `#` in the reference, but no target
/// holds one: what came behind it, the client's query included, would be lost.
pub fn escape_path(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path {
        if byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,/:;=?@[]%".contains(byte) {
            out.push(char::from(*byte));
        } else {
            push_escape(*byte, &mut out);
        }
    }
    out
}
