//! Bodies under a content coding: within the limit, and the same again once they were closed and opened.
//!
//! The first line is the `Content-Encoding`, behind it the body.

use data_plane::plugins::transform::encoding::{Coded, Coding, decode, encode, of};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

/// The most that an input may decode to.
const LIMIT: usize = 64 * 1024;

/// Opens a body as its head says, and closes it as well as any other.
pub fn run(input: &[u8]) {
    let end = input
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(input.len());
    let body = input.get(end + 1..).unwrap_or_default();
    let value = HeaderValue::from_bytes(&input[..end]).ok();
    let headers: HeaderMap = value
        .map(|value| (CONTENT_ENCODING, value))
        .into_iter()
        .collect();
    let Coded::By(coding) = of(&headers) else {
        return;
    };
    if let Ok((plain, found)) = decode(coding, body, LIMIT) {
        assert!(plain.len() <= LIMIT, "{} bytes", plain.len());
        comes_back(found, &plain);
    }
    comes_back(coding, body);
}

fn comes_back(coding: Coding, plain: &[u8]) {
    let again = decode(coding, &encode(coding, plain), plain.len());
    assert!(again.is_ok_and(|(again, found)| again == plain && found == coding));
}
