//! Content codings of bodies that are changed: what a head names, out of it and back into it (transformers.md 3.5, 4.4).
//!
//! Whole bodies, in one call each: what is decoded lives only while plugins look at it, so a worker has one such body at a
//! time, however many are on their way. Decoding while frames arrive would have one for every one of them.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

pub use decode::{DecodeError, decode};
pub use encode::encode;

/// A coding that can be taken off a body and put on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, `x-gzip`.
    Gzip,
    /// `deflate`, which is the zlib format.
    Deflate,
    /// `deflate` without the frame of zlib: against RFC 9110 8.4.1.2, but sent by some, and browsers read it.
    RawDeflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

/// What a head says of its body's coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coded {
    /// None, or `identity`.
    Plain,
    /// One that is known.
    By(Coding),
    /// One that is not known, or several on top of each other.
    Unknown,
}

/// Reads `Content-Encoding`, every line of it.
pub fn of(headers: &HeaderMap) -> Coded {
    let mut found = Coded::Plain;
    for line in headers.get_all(CONTENT_ENCODING) {
        for name in line.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii();
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            found = match (found, Coding::named(name)) {
                (Coded::Plain, Some(coding)) => Coded::By(coding),
                _ => return Coded::Unknown,
            };
        }
    }
    found
}

impl Coding {
    fn named(name: &[u8]) -> Option<Self> {
        let known: [(&[u8], Self); 5] = [
            (b"gzip", Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"deflate", Self::Deflate),
            (b"br", Self::Brotli),
            (b"zstd", Self::Zstd),
        ];
        known
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, coding)| coding)
    }
}
