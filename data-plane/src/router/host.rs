//! The `Host` header taken apart.

/// Splits a `Host` value into the host and the destination port, which is the port of the header if it has one and
/// `listening` (the listener's port after `port_maps`) if not.
///
/// The split is at the first `:` if a number follows; what is not a port stays part of the host, which then matches
/// no route. Bracketed IPv6 addresses keep their brackets: `[::1]:80` is `[::1]` and 80.
pub fn split_host(host: &str, listening: u16) -> (&str, u16) {
    let colon = match host.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(inner) => inner + 2,
        None => match host.find(':') {
            Some(colon) => colon,
            None => return (host, listening),
        },
    };
    match host
        .get(colon..)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(port)
    {
        Some(port) => (&host[..colon], port),
        None => (host, listening),
    }
}

/// A port number in digits alone; `u16::from_str` would take a sign.
pub(super) fn port(text: &str) -> Option<u16> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
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
