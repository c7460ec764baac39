//! What a client sends: `hmac username="…", algorithm="…", headers="date @request-target", signature="…"`.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderValue, Version};
use shared::plugins::HmacAlgorithm;

use crate::plugins::{base64, identity};
use crate::proxy::ctx::ClientRequest;

/// The four parts of the header, as they stand there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature<'h> {
    username: &'h [u8],
    algorithm: &'h [u8],
    headers: &'h [u8],
    signature: &'h [u8],
}

impl<'h> Signature<'h> {
    /// As Kong's pattern reads it: the parts in this order, each as long as it can be.
    pub(super) fn read(header: &'h HeaderValue) -> Option<Self> {
        let begun = identity::after_scheme(header.as_bytes(), "Hmac");
        begun
            .filter_map(|rest| rest.trim_ascii_start().strip_prefix(b"username=\""))
            .find_map(Self::read_parts)
    }

    /// From behind, since what is longest ends last.
    fn read_parts(text: &'h [u8]) -> Option<Self> {
        let end = text.iter().rposition(|byte| *byte == b'"')?;
        let (rest, signature) = split(&text[..end], b"signature=\"")?;
        let (rest, headers) = split(rest, b"headers=\"")?;
        let (username, algorithm) = split(rest, b"algorithm=\"")?;
        Some(Self {
            username,
            algorithm,
            headers,
            signature,
        })
    }

    /// `None`: it is no UTF-8, hence nobody's.
    pub(super) fn username(&self) -> Option<&str> {
        std::str::from_utf8(self.username).ok()
    }

    /// `None`: there is no such algorithm.
    pub(super) fn algorithm(&self) -> Option<HmacAlgorithm> {
        std::str::from_utf8(self.algorithm).ok()?.parse().ok()
    }

    /// What was signed, in order.
    pub(super) fn headers(&self) -> impl Iterator<Item = &'h [u8]> {
        self.headers.split(|byte| *byte == b' ')
    }

    /// Whether the request was signed with this secret.
    pub(super) fn is_of(
        &self,
        request: &ClientRequest,
        algorithm: HmacAlgorithm,
        secret: &[u8],
    ) -> bool {
        let Some(given) = base64::decode(self.signature) else {
            return false;
        };
        let mut computed = hmac::Context::with_key(&hmac::Key::new(digest(algorithm), secret));
        for (at, name) in self.headers().enumerate() {
            if at > 0 {
                computed.update(b"\n");
            }
            sign_line(name, request, |bytes| computed.update(bytes));
        }
        verify_slices_are_equal(computed.sign().as_ref(), &given).is_ok()
    }
}

/// What stands before and behind `",` and a name, both not empty, where that comes last.
fn split<'h>(text: &'h [u8], name: &[u8]) -> Option<(&'h [u8], &'h [u8])> {
    let places = (0..text.len())
        .rev()
        .filter(|at| text[*at..].starts_with(name));
    places
        .filter_map(|at| {
            let before = text[..at].trim_ascii_end().strip_suffix(b"\",")?;
            let behind = &text[at + name.len()..];
            (!before.is_empty() && !behind.is_empty()).then_some((before, behind))
        })
        .next()
}

/// One line of what is signed. A header of that name comes before the two names that mean something else.
fn sign_line(name: &[u8], request: &ClientRequest, mut update: impl FnMut(&[u8])) {
    let mut line = |parts: &[&[u8]]| parts.iter().for_each(|part| update(part));
    let (method, target) = (request.method.as_str(), request.target.as_bytes());
    match (value(name, request), name) {
        (Some(value), _) => line(&[name, b": ", value.as_bytes()]),
        (None, b"@request-target") => {
            let method = method.to_ascii_lowercase();
            line(&[name, b": ", method.as_bytes(), b" ", target]);
        }
        (None, b"request-line") => {
            let version = version(request.version);
            line(&[method.as_bytes(), b" ", target, b" HTTP/", version]);
        }
        (None, _) => line(&[name, b":"]),
    }
}

/// The first line of a header; `_` in its name also finds `-`.
fn value<'r>(name: &[u8], request: &'r ClientRequest) -> Option<&'r HeaderValue> {
    let headers: &HeaderMap = &request.headers;
    let name = std::str::from_utf8(name).ok()?;
    if name.eq_ignore_ascii_case("host") {
        return request.host.as_ref();
    }
    match headers.get(name) {
        None if name.contains('_') => headers.get(name.replace('_', "-")),
        found => found,
    }
}

/// As Kong prints it: a number.
fn version(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_10 => b"1",
        Version::HTTP_2 => b"2",
        Version::HTTP_3 => b"3",
        _ => b"1.1",
    }
}

fn digest(algorithm: HmacAlgorithm) -> hmac::Algorithm {
    match algorithm {
        HmacAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        HmacAlgorithm::Sha256 => hmac::HMAC_SHA256,
        HmacAlgorithm::Sha384 => hmac::HMAC_SHA384,
        HmacAlgorithm::Sha512 => hmac::HMAC_SHA512,
    }
}
