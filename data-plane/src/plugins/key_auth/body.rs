//! Keys inside a body: found and taken out, for the three kinds of body that have names in them.

use std::borrow::Cow;

use http::HeaderMap;

use super::search::Found;
use crate::plugins::transform::args;
use crate::plugins::transform::content_type::{self, RequestBody};
use crate::plugins::transform::json::{Document, Kind};
use crate::plugins::transform::multipart::{self, Form};

/// What stands under a name.
pub(super) fn find<'a>(headers: &HeaderMap, body: &'a [u8], name: &[u8]) -> Found<'a> {
    match content_type::of_request(headers) {
        None => Found::Nothing,
        Some(RequestBody::Form) => Found::of(args::values(body, name).map(Found::argument)),
        Some(RequestBody::Json) => {
            Document::parse(body).map_or(Found::Nothing, |json| in_json(&json, name))
        }
        Some(RequestBody::Multipart) => {
            let Some(boundary) = multipart::boundary(headers) else {
                return Found::Nothing;
            };
            let form = Form::parse(body, &boundary);
            Found::of(
                form.values(name)
                    .map(|value| Found::Text(Cow::Owned(value.to_vec()))),
            )
        }
    }
}

fn in_json<'a>(document: &Document<'a>, name: &[u8]) -> Found<'a> {
    match document.property(name) {
        None | Some(Kind::False) => Found::Nothing,
        Some(Kind::Object | Kind::Array) => Found::Several,
        Some(Kind::Null | Kind::Scalar) => document.string(name).map_or(Found::Other, Found::Text),
    }
}

/// The body without what stands under a name; `None` if nothing does.
pub(super) fn without(headers: &HeaderMap, body: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    match content_type::of_request(headers)? {
        RequestBody::Form => {
            args::without(std::str::from_utf8(body).ok()?, name).map(String::into_bytes)
        }
        RequestBody::Json => {
            let mut document = Document::parse(body).ok()?;
            document.remove(name).then(|| document.write())
        }
        RequestBody::Multipart => {
            let boundary = multipart::boundary(headers)?;
            let mut form = Form::parse(body, &boundary);
            form.remove(name).then(|| form.write())
        }
    }
}
