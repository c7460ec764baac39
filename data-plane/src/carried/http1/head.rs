//! The head of a request as it is written, and of a response as it is read.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::BytesMut;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, StatusCode, Version};

use http_body::Body as _;
use smallvec::SmallVec;

use super::WireError;
use crate::carried::outgoing::UpstreamBody;

/// The longest head of a response, in bytes.
const LONGEST: usize = 256 * 1024;
/// Room for the headers that the gateway will add.
const ADDED: usize = 10;
/// The most headers of a response.
const MOST_HEADERS: usize = 128;

/// What a request says before its body.
pub struct RequestHead<'a> {
    /// As the client's, or as a plugin set it.
    pub method: &'a Method,
    /// The path, escaped, with `/` in front.
    pub path: &'a str,
    /// What follows `?`.
    pub query: Option<&'a str>,
    /// Goes in place of the one in `headers`.
    pub host: Option<&'a HeaderValue>,
    /// Everything else; what they say of framing and of the connection is not written.
    pub headers: &'a HeaderMap,
    /// Whether a WebSocket is asked for.
    pub websocket: bool,
    /// Whether the client sent a body, be it an empty one.
    pub had_body: bool,
}

/// How a request's body is framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Exactly so many bytes.
    Length(u64),
    /// In chunks, with those trailers after them that the head names.
    Chunked(Vec<HeaderName>),
}

/// A target that HTTP/1.1 has no words for.
#[derive(Debug, thiserror::Error)]
#[error("byte 0x{byte:02x} at {place} of the target '{target}' cannot be sent")]
pub struct Unsendable {
    byte: u8,
    place: usize,
    target: String,
}

impl RequestHead<'_> {
    /// Writes it, and answers how the body is to be written.
    ///
    /// # Errors
    /// See [`Unsendable`]; then `out` is as it was.
    pub fn write(&self, body: &UpstreamBody, out: &mut Vec<u8>) -> Result<Sent, Unsendable> {
        let before = out.len();
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        if let Err(unsendable) = self.write_target(out) {
            out.truncate(before);
            return Err(unsendable);
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if let Some(host) = self.host {
            line(out, HOST.as_str(), host.as_bytes());
        }
        for (name, value) in self.headers {
            // A plugin may have set these.
            let ours = match name.as_str() {
                "content-length" | "transfer-encoding" | "connection" => true,
                "host" => self.host.is_some(),
                "upgrade" => self.websocket,
                _ => false,
            };
            if !ours {
                line(out, name.as_str(), value.as_bytes());
            }
        }
        if self.websocket {
            line(out, CONNECTION.as_str(), b"keep-alive, Upgrade");
            line(out, UPGRADE.as_str(), b"websocket");
        }
        let framing = match body.size_hint().exact() {
            Some(0) if !self.had_body => Sent::Length(0),
            Some(length) => {
                line(out, CONTENT_LENGTH.as_str(), length.to_string().as_bytes());
                Sent::Length(length)
            }
            None => {
                line(out, TRANSFER_ENCODING.as_str(), b"chunked");
                Sent::Chunked(announced(self.headers))
            }
        };
        out.extend_from_slice(b"\r\n");
        Ok(framing)
    }

    fn write_target(&self, out: &mut Vec<u8>) -> Result<(), Unsendable> {
        let query = self.query.unwrap_or_default();
        let between = if self.query.is_some() { "?" } else { "" };
        for part in [self.path, between, query] {
            let start = out.len();
            out.extend_from_slice(part.as_bytes());
            // Rare, so looked for at once rather than byte by byte.
            let odd = |byte: &u8| *byte <= b' ' || *byte == b'#' || *byte == 0x7f;
            if !part.as_bytes().iter().any(odd) {
                continue;
            }
            out.truncate(start);
            for (place, byte) in part.bytes().enumerate() {
                match byte {
                    // A target has no fragment: it would be cut off, and what follows with it.
                    b'#' => out.extend_from_slice(b"%23"),
                    byte if odd(&byte) => {
                        return Err(Unsendable {
                            byte,
                            place,
                            target: part.escape_debug().collect(),
                        });
                    }
                    byte => out.push(byte),
                }
            }
        }
        Ok(())
    }
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The trailers that the head announces, but for those that no trailer may be (RFC 9110 6.5.1).
pub(super) fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    const NEVER: [&str; 12] = [
        "authorization",
        "cache-control",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "host",
        "max-forwards",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
    ];
    let lines = headers.get_all(TRAILER).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !NEVER.contains(&name.as_str()))
        .collect()
}

/// The head of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100–999.
    pub status: StatusCode,
    /// 1.0 or 1.1.
    pub version: Version,
    /// In their order.
    pub headers: HeaderMap,
}

/// Takes a head off what was read; `None` if it is not whole yet. `looked` is how much of it was looked at before.
///
/// # Errors
/// What is no HTTP, or too long.
pub fn read(read: &mut BytesMut, looked: &mut usize) -> Result<Option<ResponseHead>, WireError> {
    // An upstream that sends byte by byte is not parsed anew for each.
    let from = looked.saturating_sub(3);
    if *looked > 0 && !ends(&read[from..]) {
        *looked = read.len();
        return match read.len() < LONGEST {
            true => Ok(None),
            false => Err(WireError::Framing("the head is too long")),
        };
    }
    let mut parsed = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let status = config.parse_response_with_uninit_headers(&mut response, read, &mut parsed);
    let httparse::Status::Complete(length) = status.map_err(WireError::Head)? else {
        *looked = read.len();
        return match read.len() < LONGEST {
            true => Ok(None),
            false => Err(WireError::Framing("the head is too long")),
        };
    };
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code)
        .map_err(|_| WireError::Framing("the status is no number from 100 to 999"))?;
    let version = match response.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    let base = read.as_ptr() as usize;
    let mut lines = SmallVec::<[(HeaderName, Range<usize>); 16]>::new();
    for header in &*response.headers {
        // What httparse lets through and this does not is no header.
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| WireError::Head(httparse::Error::HeaderName))?;
        let start = header.value.as_ptr() as usize - base;
        lines.push((name, start..start + header.value.len()));
    }
    // The values stay where they were read.
    let text = read.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(lines.len() + ADDED);
    for (name, place) in lines {
        let value = match place.is_empty() {
            true => HeaderValue::from_static(""),
            false => HeaderValue::from_maybe_shared(text.slice(place))
                .map_err(|_| WireError::Head(httparse::Error::HeaderValue))?,
        };
        headers.append(name, value);
    }
    *looked = 0;
    Ok(Some(ResponseHead {
        status,
        version,
        headers,
    }))
}

/// Whether an empty line is in it.
fn ends(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes).any(|place| {
        let rest = &bytes[place + 1..];
        rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    })
}

/// Whether the connection may be used again, as far as `Connection` and the version say.
pub fn stays(version: Version, headers: &HeaderMap) -> bool {
    let says = |token: &str| {
        let lines = headers.get_all(CONNECTION).iter();
        let mut tokens = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        tokens.any(|said| said.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    };
    match version {
        Version::HTTP_11 => !says("close"),
        _ => says("keep-alive") && !says("close"),
    }
}
