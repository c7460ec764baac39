//! The body step (transformers.md 2.7): JSON, forms and multipart.

use std::borrow::Cow;

use http::HeaderMap;

use super::compile::{Plan, Rendered, Steps};
use super::steps::{Texts, change_args};
use crate::plugins::transform::args::Args;
use crate::plugins::transform::content_type::RequestBody;
use crate::plugins::transform::json::{Document, Kind};
use crate::plugins::transform::multipart::{self, Form, HoldsBoundary};

impl Plan {
    /// The changed body; `None` if it stays as it came.
    pub(super) fn change_body(
        &self,
        kind: RequestBody,
        headers: &HeaderMap,
        body: &[u8],
        texts: &Texts,
    ) -> Result<Option<Vec<u8>>, String> {
        let steps = &self.body;
        let texts = texts.body.as_ref().map_err(String::clone)?;
        if body.is_empty() && steps.add.is_empty() && steps.append.is_empty() {
            return Ok(None);
        }
        match kind {
            RequestBody::Json => Ok(change_json(steps, body, texts)),
            RequestBody::Form => Ok(change_form(steps, body, texts)),
            RequestBody::Multipart => match multipart::boundary(headers) {
                Some(boundary) => change_multipart(steps, body, &boundary, texts)
                    .map_err(|error| error.to_string()),
                None => Ok(None),
            },
        }
    }
}

fn change_json(steps: &Steps, body: &[u8], texts: &Rendered) -> Option<Vec<u8>> {
    let texts = &*readable(texts);
    let mut document = if body.is_empty() {
        Document::empty()
    } else {
        Document::parse(body).ok()?
    };
    if document.kind() != Kind::Object {
        return None;
    }
    // `false` counts as absent in every step but remove and append.
    let present = |document: &Document<'_>, name: &[u8]| {
        document
            .property(name)
            .is_some_and(|kind| kind != Kind::False)
    };
    let mut changed = !(steps.remove.is_empty() && steps.append.is_empty());
    for name in &steps.remove {
        document.remove(name);
    }
    for (from, to) in &steps.rename {
        changed |= present(&document, from) && document.rename(from, to.plain(texts));
    }
    for (name, value) in &steps.replace {
        changed |= present(&document, name) && document.set(name, value.json(texts));
    }
    for (name, value) in &steps.add {
        changed |= !present(&document, name) && document.set(name, value.json(texts));
    }
    for (name, value) in &steps.append {
        document.append(name, value.json(texts));
    }
    changed.then(|| document.write())
}

/// What templates made of a client's bytes, as JSON can hold it: a string of JSON is UTF-8.
fn readable(texts: &Rendered) -> Cow<'_, Rendered> {
    let is_text = |text: &Vec<u8>| std::str::from_utf8(text).is_ok();
    if texts.iter().all(is_text) {
        return Cow::Borrowed(texts);
    }
    let lossy = |text: &Vec<u8>| String::from_utf8_lossy(text).into_owned().into_bytes();
    Cow::Owned(texts.iter().map(lossy).collect())
}

fn change_form(steps: &Steps, body: &[u8], texts: &Rendered) -> Option<Vec<u8>> {
    let mut args = Args::parse(body);
    let changed = change_args(steps, &mut args, texts);
    let changed = changed || !(steps.remove.is_empty() && steps.append.is_empty());
    changed.then(|| args.form().into_bytes())
}

fn change_multipart(
    steps: &Steps,
    body: &[u8],
    boundary: &[u8],
    texts: &Rendered,
) -> Result<Option<Vec<u8>>, HoldsBoundary> {
    let mut form = Form::parse(body, boundary);
    let mut changed = !steps.remove.is_empty();
    for (from, to) in &steps.rename {
        changed |= form.rename(from, to.plain(texts));
    }
    for name in &steps.remove {
        form.remove(name);
    }
    for (name, value) in &steps.replace {
        changed |= form.replace(name, value.plain(texts))?;
    }
    for (name, value) in &steps.add {
        changed |= form.add(name, value.plain(texts))?;
    }
    Ok(changed.then(|| form.write()))
}
