//! What an upstream answers: read the same however it is cut into pieces, and never more than was sent.
//!
//! The first line is the method of the request, behind it what the upstream sends before it closes.

use bytes::BytesMut;
use data_plane::carried::http1::WireError;
use data_plane::carried::http1::framing::{Framing, Part};
use data_plane::carried::http1::head::{self, ResponseHead};
use http::{HeaderMap, Method};

/// Reads an answer in pieces of several sizes.
pub fn run(input: &[u8]) {
    let end = input
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(input.len());
    let Ok(method) = Method::from_bytes(&input[..end]) else {
        return;
    };
    let sent = input.get(end + 1..).unwrap_or_default();
    let whole = read(&method, sent, sent.len().max(1)).ok();
    if let Some(whole) = &whole {
        assert!(whole.body.len() <= sent.len());
    }
    for size in [1, 2, 5, 64] {
        // What is said of one that is wrong depends on how much of it is here.
        assert_eq!(read(&method, sent, size).ok(), whole, "in pieces of {size}");
    }
}

/// An answer that was read to its end.
#[derive(Debug, PartialEq)]
struct Read {
    head: ResponseHead,
    body: Vec<u8>,
    trailers: HeaderMap,
}

fn read(method: &Method, sent: &[u8], size: usize) -> Result<Read, String> {
    let (mut buffer, mut looked) = (BytesMut::new(), 0);
    let mut pieces = sent.chunks(size);
    let (head, mut left) = loop {
        if !buffer.is_empty()
            && let Some(mut head) = head::read(&mut buffer, &mut looked).map_err(said)?
        {
            let (left, _) =
                Framing::of(method, head.status, head.version, &mut head.headers).map_err(said)?;
            break (head, left);
        }
        match pieces.next() {
            Some(piece) => buffer.extend_from_slice(piece),
            None => return Err(said(WireError::Closed)),
        }
    };
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    loop {
        match left.take(&mut buffer).map_err(said)? {
            Part::Data(data) => {
                assert!(!data.is_empty(), "a piece has bytes");
                body.extend_from_slice(&data);
            }
            Part::Trailers(found) => trailers = found,
            Part::End => {
                return Ok(Read {
                    head,
                    body,
                    trailers,
                });
            }
            Part::More => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => left.closed().map_err(said)?,
            },
        }
    }
}

fn said(error: WireError) -> String {
    error.to_string()
}
