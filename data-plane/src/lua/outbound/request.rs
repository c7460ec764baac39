//! What is sent: a plugin's words made into a request that can only be one request.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body_util::Full;

use super::Destination;

/// Who asks, where a plugin names nobody (custom-plugins.md 5.1).
const AGENT: &str = concat!("headgate-lua/", env!("CARGO_PKG_VERSION"));

/// Header lines of one request.
const MOST_HEADERS: usize = 4096;

/// A header's name and value.
pub type Field = (Vec<u8>, Vec<u8>);

/// What a plugin wants to send.
#[derive(Clone, Debug)]
pub struct Draft {
    /// As it is sent.
    pub method: Vec<u8>,
    /// Begins with `/`; empty is `/`. What cannot stand in a request line is escaped.
    pub path: Vec<u8>,
    /// With or without `?` in front.
    pub query: Vec<u8>,
    /// HTTP/1.0 instead of 1.1.
    pub old: bool,
    /// In the plugin's order; a name may come several times, in any case.
    pub headers: Vec<Field>,
    /// `None`: no body.
    pub body: Option<Bytes>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            method: b"GET".to_vec(),
            path: Vec::new(),
            query: Vec::new(),
            old: false,
            headers: Vec::new(),
            body: None,
        }
    }
}

impl Draft {
    /// The request, with the headers that it needs.
    ///
    /// # Errors
    /// `invalid method: …`, `bad uri: …`, `invalid header name: …`, `invalid header value for "…"`
    pub(super) fn finish(&self, to: &Destination) -> Result<Request<Full<Bytes>>, String> {
        let method = Method::from_bytes(&self.method)
            .map_err(|_| format!("invalid method: {}", shown(&self.method)))?;
        let headers = self.headers(to, &method)?;
        let mut request = Request::new(Full::new(self.body.clone().unwrap_or_default()));
        *request.uri_mut() = self.target(to)?;
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        if self.old {
            *request.version_mut() = Version::HTTP_10;
        }
        Ok(request)
    }

    fn headers(&self, to: &Destination, method: &Method) -> Result<HeaderMap, String> {
        // A map of headers has an end, beyond which it panics.
        if self.headers.len() > MOST_HEADERS {
            return Err("too many headers".to_owned());
        }
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 3);
        // First on the wire, as servers expect it.
        headers.insert(HOST, host(to)?);
        let mut own_host = false;
        for (name, value) in &self.headers {
            let (name, value) = header(name, value)?;
            if name == HOST && !own_host {
                own_host = true;
                headers.insert(HOST, value);
            } else {
                headers.append(name, value);
            }
        }
        if let Some(authorization) = plain_proxy(to).and_then(|proxy| proxy.authorization.as_ref())
            && !headers.contains_key(PROXY_AUTHORIZATION)
        {
            let (name, value) = header(PROXY_AUTHORIZATION.as_str().as_bytes(), authorization)?;
            headers.insert(name, value);
        }
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        }
        // The body is whole: how long it is needs nobody's word, and two words about it are how requests are smuggled.
        headers.remove(TRANSFER_ENCODING);
        headers.remove(CONTENT_LENGTH);
        let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
        if self.body.is_some() || expects_body {
            let length = self.body.as_ref().map_or(0, Bytes::len);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(headers)
    }

    /// Path and query; the whole URI for a proxy.
    fn target(&self, to: &Destination) -> Result<Uri, String> {
        let query = self.query.strip_prefix(b"?").unwrap_or(&self.query);
        let mut target = String::with_capacity(self.path.len() + query.len() + 2);
        if plain_proxy(to).is_some() {
            target.push_str("http://");
            target.push_str(&authority(to));
        }
        if self.path.is_empty() {
            target.push('/');
        }
        escape(&self.path, &mut target);
        if !query.is_empty() {
            target.push('?');
            escape(query, &mut target);
        }
        let bad = || format!("bad uri: {}", shown(&self.path));
        if !self.path.is_empty() && self.path[0] != b'/' && self.path != b"*" {
            return Err(bad());
        }
        target.parse().map_err(|_| bad())
    }
}

fn plain_proxy(to: &Destination) -> Option<&super::Proxy> {
    to.proxy.as_ref().filter(|_| to.tls.is_none())
}

/// The host, and the port unless it is the usual one.
fn authority(to: &Destination) -> String {
    let usual = if to.tls.is_some() { 443 } else { 80 };
    if to.port == usual {
        return to.host.clone();
    }
    format!("{}:{}", to.host, to.port)
}

fn host(to: &Destination) -> Result<HeaderValue, String> {
    HeaderValue::try_from(authority(to)).map_err(|_| format!("bad uri: {}", to.host))
}

fn header(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), String> {
    let name = HeaderName::from_bytes(name)
        .map_err(|_| format!("invalid header name: {}", shown(name)))?;
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| format!("invalid header value for \"{name}\""))?;
    Ok((name, value))
}

/// Adds a piece of a request line. A fragment is not sent.
fn escape(piece: &[u8], out: &mut String) {
    let piece = piece.split(|b| *b == b'#').next().unwrap_or_default();
    for &byte in piece {
        match byte {
            b'!' | b'$'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'|' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]);
    text.replace(|c: char| c.is_control(), "?")
}

#[cfg(test)]
mod tests {
    use super::super::{Proxy, TlsTerms};
    use super::*;

    fn to(host: &str, port: u16, tls: bool, proxy: bool) -> Destination {
        Destination {
            host: host.to_owned(),
            port,
            tls: tls.then(|| TlsTerms {
                server_name: host.to_owned(),
                verify: true,
            }),
            pool: None,
            proxy: proxy.then(|| Proxy {
                host: "proxy.test".to_owned(),
                port: 3128,
                authorization: Some(b"Basic eDp5".to_vec()),
            }),
        }
    }

    fn finished(draft: &Draft, to: &Destination) -> Request<Full<Bytes>> {
        draft.finish(to).expect("it can be sent")
    }

    #[test]
    fn the_host_has_a_port_where_it_is_not_the_usual_one() {
        for (to, host) in [
            (to("h.test", 80, false, false), "h.test"),
            (to("h.test", 443, true, false), "h.test"),
            (to("h.test", 443, false, false), "h.test:443"),
            (to("h.test", 80, true, false), "h.test:80"),
            (to("h.test", 8080, false, false), "h.test:8080"),
            (to("[::1]", 80, false, false), "[::1]"),
            (to("[::1]", 81, false, false), "[::1]:81"),
        ] {
            assert_eq!(finished(&Draft::default(), &to).headers()[HOST], host);
        }
    }

    #[test]
    fn what_a_plugin_says_goes_before_what_is_usual() {
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let draft = Draft {
            headers: vec![
                pair("hOST", "other.test"),
                pair("user-AGENT", "mine"),
                pair("X-A", "1"),
                pair("x-a", "2"),
                pair("Content-Length", "99"),
                pair("Transfer-Encoding", "chunked"),
            ],
            body: Some(Bytes::from_static(b"four")),
            ..Draft::default()
        };
        let request = finished(&draft, &to("h.test", 80, false, false));
        let headers = request.headers();
        let all = |name: &str| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(all("host"), ["other.test"]);
        assert_eq!(all("user-agent"), ["mine"]);
        assert_eq!(all("x-a"), ["1", "2"]);
        assert_eq!(all("content-length"), ["4"]);
        assert!(all("transfer-encoding").is_empty());
        assert!(!headers.contains_key("accept-encoding"));
    }

    #[test]
    fn a_length_is_told_where_there_is_a_body_or_one_is_expected() {
        for (method, body, length) in [
            ("GET", None, None),
            ("DELETE", None, None),
            ("POST", None, Some("0")),
            ("PUT", None, Some("0")),
            ("PATCH", None, Some("0")),
            ("GET", Some("ab"), Some("2")),
            ("GET", Some(""), Some("0")),
            ("POST", Some("abc"), Some("3")),
        ] {
            let draft = Draft {
                method: method.into(),
                body: body.map(Bytes::from),
                ..Draft::default()
            };
            let request = finished(&draft, &to("h", 80, false, false));
            let got = request.headers().get(CONTENT_LENGTH);
            let got = got.map(|value| value.to_str().expect("digits").to_owned());
            assert_eq!(got.as_deref(), length, "{method} {body:?}");
        }
    }

    #[test]
    fn a_target_is_one_line_whatever_a_plugin_writes() {
        for (path, query, target) in [
            ("", "", "/"),
            ("/", "", "/"),
            ("*", "", "*"),
            ("/a b", "", "/a%20b"),
            ("/a\r\nX: y", "", "/a%0D%0AX:%20y"),
            ("/ä", "", "/%C3%A4"),
            ("/a%2fb", "", "/a%2fb"),
            ("/a", "x=1&y[]=2", "/a?x=1&y[]=2"),
            ("/a", "?x=1", "/a?x=1"),
            ("/a#part", "x#y", "/a?x"),
            ("/a<>\"^`{}\\", "", "/a%3C%3E%22%5E%60%7B%7D%5C"),
            ("//double", "", "//double"),
        ] {
            let draft = Draft {
                path: path.into(),
                query: query.into(),
                ..Draft::default()
            };
            let request = finished(&draft, &to("h", 80, false, false));
            assert_eq!(request.uri().to_string(), target, "{path} {query}");
        }
    }

    #[test]
    fn a_proxy_without_tls_gets_the_whole_uri_and_its_password() {
        let draft = Draft {
            path: "/p".into(),
            query: "q=1".into(),
            ..Draft::default()
        };
        let request = finished(&draft, &to("h.test", 8080, false, true));
        assert_eq!(request.uri().to_string(), "http://h.test:8080/p?q=1");
        assert_eq!(request.headers()[PROXY_AUTHORIZATION], "Basic eDp5");
        let tunnelled = finished(&draft, &to("h.test", 443, true, true));
        assert_eq!(tunnelled.uri().to_string(), "/p?q=1");
        assert!(!tunnelled.headers().contains_key(PROXY_AUTHORIZATION));
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let with = |change: fn(&mut Draft)| {
            let mut draft = Draft::default();
            change(&mut draft);
            let refused = draft.finish(&to("h", 80, false, false));
            refused.expect_err("refused")
        };
        assert_eq!(with(|d| d.method = b"G T".to_vec()), "invalid method: G T");
        assert_eq!(with(|d| d.method = Vec::new()), "invalid method: ");
        assert_eq!(with(|d| d.path = b"p".to_vec()), "bad uri: p");
        assert_eq!(
            with(|d| d.headers.push((b"a b".to_vec(), b"v".to_vec()))),
            "invalid header name: a b"
        );
        assert_eq!(
            with(|d| d.headers.push((b"X-A".to_vec(), b"1\r\nX-B: 2".to_vec()))),
            "invalid header value for \"x-a\""
        );
    }
}
