//! An answer before the headers that every answer gets.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// Revision of the write that the answer is about.
pub const REVISION: HeaderName = HeaderName::from_static("headgate-revision");

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

impl Reply {
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("JSON values and string-keyed maps serialise");
        Reply::json_bytes(status, body.into())
    }

    /// A body that is JSON text already.
    pub fn json_bytes(status: StatusCode, body: Bytes) -> Self {
        Reply {
            status,
            headers: vec![(header::CONTENT_TYPE, JSON)],
            body,
        }
    }

    pub fn ok(body: &impl Serialize) -> Self {
        Reply::json(StatusCode::OK, body)
    }

    pub fn text(status: StatusCode, body: &'static str) -> Self {
        Reply {
            status,
            headers: vec![(header::CONTENT_TYPE, TEXT)],
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    pub fn empty(status: StatusCode) -> Self {
        Reply {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Names the revision that the write became.
    #[must_use]
    pub fn at(self, revision: u64) -> Self {
        self.with(REVISION, HeaderValue::from(revision))
    }
}
