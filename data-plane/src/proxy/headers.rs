//! Headers that the gateway itself takes away or sets, both ways (proxy-and-routing.md 6).

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, Version};

use super::ctx::Ctx;

/// What this gateway calls itself in `Via` and `Server`.
pub const SERVER_TOKEN: &str = concat!("headgate/", env!("CARGO_PKG_VERSION"));

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY: HeaderName = HeaderName::from_static("proxy");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// The request id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-kong-request-id");
const UPSTREAM_LATENCY: HeaderName = HeaderName::from_static("x-kong-upstream-latency");
const PROXY_LATENCY: HeaderName = HeaderName::from_static("x-kong-proxy-latency");
const RESPONSE_LATENCY: HeaderName = HeaderName::from_static("x-kong-response-latency");
const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-kong-upstream-status");

/// About how many headers the upstream is told.
const ADDED: usize = 10;

/// Removes what belongs to the client's connection alone. Walks nothing when the usual headers are absent.
///
/// Answers whether the client asked for a WebSocket.
pub fn strip_request(headers: &mut HeaderMap) -> bool {
    let hop = |name: &HeaderName| {
        matches!(
            name.as_str(),
            "connection"
                | "te"
                | "upgrade"
                | "keep-alive"
                | "proxy"
                | "proxy-connection"
                | "expect"
                | "transfer-encoding"
                | "content-length"
        )
    };
    if !headers.keys().any(hop) {
        return false;
    }
    if headers.contains_key(CONNECTION) {
        remove_listed(headers);
        headers.remove(CONNECTION);
    }
    let websocket = headers
        .get(UPGRADE)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if let Some(te) = headers.remove(TE)
        && lists(&te, "trailers")
    {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    for name in [
        UPGRADE,
        KEEP_ALIVE,
        PROXY,
        PROXY_CONNECTION,
        EXPECT,
        TRANSFER_ENCODING,
        CONTENT_LENGTH,
    ] {
        headers.remove(name);
    }
    websocket
}

/// Removes every header that `Connection` names, unless it is exactly `keep-alive`, `close` or `upgrade`.
fn remove_listed(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|name| {
            !["keep-alive", "close", "upgrade"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
        })
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        // These decide the request's meaning and cannot be listed away.
        .filter(|name| ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TE].contains(name))
        .collect();
    for name in listed {
        headers.remove(name);
    }
}

fn lists(value: &HeaderValue, token: &str) -> bool {
    value.to_str().is_ok_and(|text| {
        text.split(',').any(|part| {
            part.split(';')
                .next()
                .unwrap_or("")
                .trim()
                .eq_ignore_ascii_case(token)
        })
    })
}

/// Sets what the upstream is told about the client (6.1). Runs before plugins, which may change any of it.
pub fn forwarded(ctx: &mut Ctx, stripped_prefix: Option<&str>) {
    let client_ip = ctx.client_ip();
    let conn = ctx.conn.clone();
    let trusted = conn.trusted;
    let ip_text = if trusted {
        HeaderValue::from_str(&client_ip.to_string()).expect("an address is a header value")
    } else {
        conn.peer_text.clone()
    };
    let host = forwarded_host(ctx.request.host.as_ref());
    let path = HeaderValue::from_str(ctx.request.raw_path()).ok();
    let headers = &mut ctx.request.headers;
    headers.reserve(ADDED); // The map grows once, not again and again.
    let chain = appended(headers, &FORWARDED_FOR, &conn.peer_text, &ip_text);
    headers.insert(FORWARDED_FOR, chain);
    headers.insert(REAL_IP, ip_text);
    set(
        headers,
        trusted,
        FORWARDED_PROTO,
        Some(HeaderValue::from_static(conn.scheme())),
    );
    set(headers, trusted, FORWARDED_HOST, host);
    set(
        headers,
        trusted,
        FORWARDED_PORT,
        Some(conn.port_text.clone()),
    );
    set(headers, trusted, FORWARDED_PATH, path);
    let prefix = stripped_prefix.and_then(|prefix| HeaderValue::from_str(prefix).ok());
    set(headers, trusted, FORWARDED_PREFIX, prefix);
}

/// A trusted peer's value stays; else ours replaces it, or removes it when there is none.
fn set(headers: &mut HeaderMap, trusted: bool, name: HeaderName, value: Option<HeaderValue>) {
    if trusted && headers.contains_key(&name) {
        return;
    }
    match value {
        Some(value) if !value.is_empty() => {
            headers.insert(name, value);
        }
        _ => {
            headers.remove(name);
        }
    }
}

/// The incoming lines joined with the peer, or just the client's address [HG: all lines, the reference keeps the first].
fn appended(
    headers: &HeaderMap,
    name: &HeaderName,
    peer: &HeaderValue,
    client: &HeaderValue,
) -> HeaderValue {
    let mut lines = headers
        .get_all(name)
        .iter()
        .filter(|line| !line.is_empty())
        .peekable();
    if lines.peek().is_none() {
        return client.clone();
    }
    let mut joined: Vec<u8> = Vec::with_capacity(64);
    for line in lines {
        joined.extend_from_slice(line.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(peer.as_bytes());
    HeaderValue::from_bytes(&joined).unwrap_or_else(|_| client.clone())
}

/// The host lower-cased and without its port.
fn forwarded_host(host: Option<&HeaderValue>) -> Option<HeaderValue> {
    let value = host?;
    let text = value.to_str().ok()?;
    let name = crate::router::split_host(text, 0).0;
    if name.len() == text.len() && !text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(value.clone());
    }
    HeaderValue::from_str(&name.to_ascii_lowercase()).ok()
}

/// The last headers of the request to the upstream: after plugins, which cannot change the framing or these.
pub fn finish_request(ctx: &mut Ctx) {
    let upstream_id = ctx.runtime.settings().upstream_request_id;
    let via = match ctx.request.version {
        Version::HTTP_2 => {
            const { HeaderValue::from_static(concat!("2 headgate/", env!("CARGO_PKG_VERSION"))) }
        }
        Version::HTTP_10 => {
            const { HeaderValue::from_static(concat!("1.0 headgate/", env!("CARGO_PKG_VERSION"))) }
        }
        _ => {
            const { HeaderValue::from_static(concat!("1.1 headgate/", env!("CARGO_PKG_VERSION"))) }
        }
    };
    let headers = &mut ctx.request.headers;
    let via = appended(headers, &VIA, &via, &via);
    headers.insert(VIA, via);
    if upstream_id {
        headers.insert(REQUEST_ID, ctx.id.header());
    }
}

/// Removes what belongs to the upstream's connection alone (6.2).
pub fn strip_response(headers: &mut HeaderMap, te_sent: bool) {
    let hop = |name: &HeaderName| match name.as_str() {
        "connection" | "keep-alive" | "upgrade" | "transfer-encoding" | "trailer" | "x-pad" => true,
        name => name.starts_with("x-accel-"),
    };
    if !headers.keys().any(hop) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        remove_listed(headers);
        headers.remove(CONNECTION);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(UPGRADE);
    headers.remove(TRANSFER_ENCODING);
    if !te_sent {
        headers.remove(TRAILER);
    }
    if headers
        .keys()
        .any(|name| name.as_str().starts_with("x-accel-") || name == "x-pad")
    {
        let gone: Vec<HeaderName> = headers
            .keys()
            .filter(|n| n.as_str().starts_with("x-accel-") || *n == "x-pad")
            .cloned()
            .collect();
        for name in gone {
            headers.remove(name);
        }
    }
}

/// What every answer carries beside its own headers, by the `headers` setting (6.2).
pub fn finish_response(ctx: &mut Ctx) {
    let on = ctx.runtime.settings().headers;
    let timing = &ctx.timing;
    let id = ctx.id;
    let started = ctx.started;
    let proxied = ctx.response.proxied;
    let debug = ctx.debug_headers();
    let names_charset = !ctx.response.is_typed;
    let server_named = ctx.response.server_named;
    let headers = &mut ctx.response.headers;
    if proxied {
        if on.upstream_latency {
            headers.insert(UPSTREAM_LATENCY, number(timing.upstream_ms()));
        }
        if on.proxy_latency {
            headers.insert(PROXY_LATENCY, number(timing.proxy_ms(started)));
        }
        if on.upstream_status
            && let Some(status) = timing.upstream_status
        {
            headers.insert(UPSTREAM_STATUS, HeaderValue::from(status));
        }
        if on.via {
            let ours = const {
                HeaderValue::from_static(concat!("1.1 headgate/", env!("CARGO_PKG_VERSION")))
            };
            let via = appended(headers, &VIA, &ours, &ours);
            headers.insert(VIA, via);
        }
    } else if on.response_latency {
        let latency = started.elapsed().as_millis() as u64;
        headers.insert(RESPONSE_LATENCY, number(latency));
    }
    if names_charset {
        name_charset(headers);
    }
    // Not in place of one that a plugin took away.
    if on.server && !server_named && !headers.contains_key(http::header::SERVER) {
        headers.insert(
            http::header::SERVER,
            const { HeaderValue::from_static(SERVER_TOKEN) },
        );
    }
    if on.request_id {
        headers.insert(REQUEST_ID, id.header());
    }
    if let Some(debug) = debug {
        headers.extend(debug);
    }
}

/// Names UTF-8 as the charset of a text that names none, as Kong's web server does for these types (recorded answers).
fn name_charset(headers: &mut HeaderMap) {
    /// With the charset named.
    const TEXTS: [&str; 6] = [
        "text/html; charset=UTF-8",
        "text/plain; charset=UTF-8",
        "text/xml; charset=UTF-8",
        "text/vnd.wap.wml; charset=UTF-8",
        "application/javascript; charset=UTF-8",
        "application/rss+xml; charset=UTF-8",
    ];
    const NAMED: &str = "; charset=UTF-8";
    let Some(value) = headers.get_mut(CONTENT_TYPE) else {
        return;
    };
    let Ok(text) = value.to_str() else {
        return;
    };
    let essence = text.split(';').next().unwrap_or("").trim_end();
    let known = |named: &&&str| {
        let plain = named.len() - NAMED.len();
        essence.len() == plain && essence.eq_ignore_ascii_case(&named[..plain])
    };
    let Some(named) = TEXTS.iter().find(known) else {
        return;
    };
    let named = if named.starts_with(text) {
        Ok(HeaderValue::from_static(named))
    } else if text.to_ascii_lowercase().contains("charset=") {
        return;
    } else {
        HeaderValue::from_str(&format!("{text}{NAMED}"))
    };
    if let Ok(named) = named {
        *value = named;
    }
}

/// A number as a header's value.
fn number(number: u64) -> HeaderValue {
    const DIGITS: &str = "0123456789";
    match usize::try_from(number) {
        // Most times are a few milliseconds: these need no memory.
        Ok(digit @ 0..=9) => HeaderValue::from_static(&DIGITS[digit..=digit]),
        _ => HeaderValue::from(number),
    }
}

/// The time now as a `Date` (RFC 9110 5.6.7), written once a second per worker.
pub fn date() -> HeaderValue {
    thread_local!(static LAST: RefCell<(u64, HeaderValue)> =
        const { RefCell::new((0, HeaderValue::from_static(""))) });
    let now = SystemTime::now();
    let second = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(of, text)| {
        if *of != second || text.is_empty() {
            let written = httpdate::fmt_http_date(now);
            *text = HeaderValue::from_str(&written).expect("a date is a header value");
            *of = second;
        }
        text.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn only_what_belongs_to_the_connection_is_removed_from_a_request() {
        let mut headers = map(&[
            ("connection", "close, X-Hop, keep-alive"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers, deflate"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("proxy-authorization", "Basic x"),
            ("trailer", "X-T"),
            ("close", "kept"),
        ]);
        assert!(!strip_request(&mut headers));
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["close", "proxy-authorization", "te", "trailer"]);
        assert_eq!(headers["te"], "trailers");
    }

    #[test]
    fn framing_headers_cannot_be_listed_away() {
        let mut headers = map(&[
            ("connection", "host, te"),
            ("te", "trailers"),
            ("host", "a"),
        ]);
        remove_listed(&mut headers);
        assert!(headers.contains_key("host") && headers.contains_key("te"));
    }

    #[test]
    fn every_line_of_a_forwarded_chain_is_kept_and_the_peer_appended() {
        let peer = HeaderValue::from_static("9.9.9.9");
        let client = HeaderValue::from_static("1.1.1.1");
        let mut headers = HeaderMap::new();
        assert_eq!(
            appended(&headers, &FORWARDED_FOR, &peer, &client),
            "1.1.1.1"
        );
        headers.append(FORWARDED_FOR, HeaderValue::from_static("2.2.2.2"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("3.3.3.3"));
        assert_eq!(
            appended(&headers, &FORWARDED_FOR, &peer, &client),
            "2.2.2.2, 3.3.3.3, 9.9.9.9"
        );
    }

    #[test]
    fn a_text_without_a_charset_is_named_utf_8() {
        for (before, after) in [
            ("text/plain", "text/plain; charset=UTF-8"),
            ("Text/HTML", "Text/HTML; charset=UTF-8"),
            ("text/plain; charset=latin1", "text/plain; charset=latin1"),
            ("application/json", "application/json"),
            ("text/plain;", "text/plain; charset=UTF-8"),
            ("text/plain; a=b", "text/plain; a=b; charset=UTF-8"),
            ("text/plainer", "text/plainer"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(before));
            name_charset(&mut headers);
            assert_eq!(headers[CONTENT_TYPE], after);
        }
    }

    #[test]
    fn a_number_is_written_in_digits() {
        for number in [0, 1, 9, 10, 99, u64::MAX] {
            assert_eq!(super::number(number), number.to_string().as_str());
        }
    }

    #[test]
    fn a_response_loses_its_hop_by_hop_headers() {
        let mut headers = map(&[
            ("connection", "x-a"),
            ("x-a", "1"),
            ("x-accel-redirect", "/"),
            ("trailer", "t"),
            ("x-b", "2"),
        ]);
        strip_response(&mut headers, false);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-b"]
        );
    }
}
