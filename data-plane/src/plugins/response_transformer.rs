//! `response-transformer`: changes headers and JSON bodies of what goes down (transformers.md 3).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use shared::plugins::ResponseTransformer;
use shared::types::{Entry, Pair};

use super::transform::content_type::is_json_response;
use super::transform::headers::{self, Name, Sieve};
use super::transform::json::{Document, Kind, Malformed};
use super::transform::response::{
    Texts, header, header_renames, header_values, typed_values, warn_malformed,
};
use super::{BodyUse, Ctx, Filter, PhaseSet, Phases, Plugin};

#[cfg(test)]
mod properties;

/// The handler.
pub struct Handler {
    headers: HeaderSteps,
    /// `None` without an entry in any `json` list.
    json: Option<JsonSteps>,
}

#[derive(Default)]
struct HeaderSteps {
    remove: Vec<Name>,
    rename: Vec<(Name, Name)>,
    replace: Vec<(Name, HeaderValue)>,
    add: Vec<(Name, HeaderValue)>,
    append: Vec<(Name, HeaderValue)>,
}

struct JsonSteps {
    remove: Vec<Box<[u8]>>,
    rename: Texts,
    /// Values are JSON text from here on.
    replace: Texts,
    add: Texts,
    append: Texts,
}

impl Plugin for Handler {
    type Config = ResponseTransformer;

    fn new(config: &ResponseTransformer) -> Self {
        let headers = HeaderSteps {
            remove: config
                .remove
                .headers
                .iter()
                .filter_map(|entry| header(&entry.name))
                .collect(),
            rename: header_renames(&config.rename.headers),
            replace: header_values(&config.replace.headers),
            add: header_values(&config.add.headers),
            append: header_values(&config.append.headers),
        };
        Self {
            headers,
            json: JsonSteps::new(config),
        }
    }
}

impl Phases for Handler {
    fn phases(&self) -> PhaseSet {
        PhaseSet {
            header_filter: true,
            ..PhaseSet::default()
        }
    }

    fn header_filter(&self, ctx: &mut Ctx) -> Filter {
        self.change_head(&mut ctx.response.headers).into()
    }

    fn body_filter(&self, _ctx: &mut Ctx, body: &Bytes) -> Option<Bytes> {
        self.change_body(body)
    }
}

impl Handler {
    fn change_head(&self, headers: &mut HeaderMap) -> BodyUse {
        self.headers.run(headers);
        match &self.json {
            Some(_) if is_json_response(headers) => BodyUse::Whole,
            _ => BodyUse::Stream,
        }
    }

    fn change_body(&self, body: &[u8]) -> Option<Bytes> {
        let changed = self.json.as_ref()?.run(body);
        changed
            .unwrap_or_else(|error| {
                warn_malformed(error);
                None
            })
            .map(Bytes::from)
    }
}

impl HeaderSteps {
    fn run(&self, headers: &mut HeaderMap) {
        let look_ups = self.remove.len() + self.rename.len() + self.replace.len();
        let mut there = Sieve::of(headers, look_ups);
        for name in self.remove.iter().filter(|name| there.may_hold(name)) {
            headers::remove(headers, name);
        }
        for (from, to) in &self.rename {
            if there.may_hold(from) {
                headers::rename(headers, from, to);
                there.take_in(to);
            }
        }
        for (name, value) in &self.replace {
            if there.may_hold(name) {
                headers::replace(headers, name, value);
            }
        }
        for (name, value) in &self.add {
            headers::add(headers, name, value);
        }
        for (name, value) in &self.append {
            headers::append(headers, name, value);
        }
    }
}

impl JsonSteps {
    fn new(config: &ResponseTransformer) -> Option<Self> {
        let (remove, rename) = (&config.remove.json, &config.rename.json);
        let (replace, add, append) = (&config.replace, &config.add, &config.append);
        let entries = [
            remove.len(),
            rename.len(),
            replace.json.len(),
            add.json.len(),
            append.json.len(),
        ];
        if entries.iter().all(|count| *count == 0) {
            return None;
        }
        let name = |entry: &Entry| entry.name.as_bytes().into();
        let names = |entry: &Pair| (entry.name.as_bytes().into(), entry.value.as_bytes().into());
        Some(Self {
            remove: remove.iter().map(name).collect(),
            rename: rename
                .iter()
                .filter(|entry| !entry.value.is_empty())
                .map(names)
                .collect(),
            replace: typed_values(&replace.json, &replace.json_types),
            add: typed_values(&add.json, &add.json_types),
            append: typed_values(&append.json, &append.json_types),
        })
    }

    /// The changed body, written anew even if nothing matched; `None` for a root that is neither object nor array.
    fn run(&self, body: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let mut document = Document::parse(body)?;
        if !matches!(document.kind(), Kind::Object | Kind::Array) {
            return Ok(None);
        }
        // `false` counts as absent for replace and add.
        let present = |document: &Document<'_>, name: &[u8]| {
            document
                .property(name)
                .is_some_and(|kind| kind != Kind::False)
        };
        for name in &self.remove {
            document.remove(name);
        }
        for (from, to) in &self.rename {
            document.rename(from, to);
        }
        for (name, value) in &self.replace {
            if present(&document, name) {
                document.set(name, (&**value).into());
            }
        }
        for (name, value) in &self.add {
            if !present(&document, name) {
                document.set(name, (&**value).into());
            }
        }
        for (name, value) in &self.append {
            document.append(name, (&**value).into());
        }
        Ok(Some(document.write()))
    }
}
