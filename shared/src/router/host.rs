//! The `Host` header taken apart.

/// Splits a `Host` value into the host and the destination port, which is the port of the header if it has one and
/// `listening` (the listener's port after `port_maps`) if not.
///
/// The split is at the first `:` if a number follows; what is not a port stays part of the host, which then matches
/// no route. Bracketed IPv6 addresses keep their brackets: `[::1]:80` is `[::1]` and 80.
#[inline]
pub fn split_host(host: &str, listening: u16) -> (&str, u16) {
    split_port(host).unwrap_or((host, listening))
}

/// The host and the port, if there is one.
pub(super) fn split_port(host: &str) -> Option<(&str, u16)> {
    let colon = match host.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(inner) => inner + 2,
        None => host.find(':')?,
    };
    let digits = host.get(colon..)?.strip_prefix(':')?;
    // `parse` would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((&host[..colon], digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::split_host;

    #[test]
    fn the_host_is_split_from_a_numeric_port() {
        for (header, host, port) in [
            ("a.test", "a.test", 8000),
            ("a.test:81", "a.test", 81),
            ("a.test:", "a.test:", 8000),
            ("a.test:http", "a.test:http", 8000),
            ("a.test:+81", "a.test:+81", 8000),
            ("a.test:99999", "a.test:99999", 8000),
            ("a:b:1", "a:b:1", 8000),
            ("127.0.0.1:9", "127.0.0.1", 9),
            ("[::1]", "[::1]", 8000),
            ("[::1]:80", "[::1]", 80),
            ("[::1]:", "[::1]:", 8000),
            ("[::1", "[::1", 8000),
            ("::1", "::1", 8000),
            ("", "", 8000),
            (":80", "", 80),
        ] {
            assert_eq!(split_host(header, 8000), (host, port), "{header}");
        }
    }
}
