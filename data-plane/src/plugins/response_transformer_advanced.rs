//! `response-transformer-advanced`: the steps of `response-transformer` by status, removal of single header values,
//! nested properties, whole bodies, allow lists (transformers.md 4).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use shared::plugins::{ResponseTransformerAdvanced, advanced};
use shared::types::{HeaderRemoval, Pair, Removal, StatusRange};

use super::transform::content_type::is_json_response;
use super::transform::headers::{self, Name};
use super::transform::json::{Document, Kind, Malformed, Path};
use super::transform::response::{
    header, header_renames, header_values, typed_values, warn_malformed,
};
use super::{BodyUse, Ctx, Filter, PhaseSet, Phases, Plugin};
use functions::Functions;
use removal::remove_values;

mod functions;
#[cfg(test)]
mod properties;
mod removal;

/// The handler.
pub struct Handler {
    remove: Gated<Removals>,
    rename: Gated<Vec<(Name, Name)>>,
    replace: Gated<Values>,
    add: Gated<Values>,
    append: Gated<Values>,
    replace_body: Option<Bytes>,
    functions: Gated<Functions>,
    /// Empty: everything may stay.
    allow: Vec<Path>,
    /// Names are paths, so a root array has something to be addressed in.
    nested: bool,
}

/// An operation and the statuses it applies to; without any it always does.
struct Gated<T> {
    statuses: Vec<StatusRange>,
    operation: T,
}

struct Removals {
    headers: Vec<(Name, Removal)>,
    json: Vec<Path>,
}

struct Values {
    headers: Vec<(Name, HeaderValue)>,
    json: Vec<(Path, Box<[u8]>)>,
    /// Entries that were configured, usable or not: they decide whether the body is opened.
    entries: usize,
}

impl<T> Gated<T> {
    fn new(statuses: &[StatusRange], operation: T) -> Self {
        Self {
            statuses: statuses.to_vec(),
            operation,
        }
    }

    /// The operation, if it applies to this status.
    fn at(&self, status: StatusCode) -> Option<&T> {
        let applies = self.statuses.is_empty()
            || self
                .statuses
                .iter()
                .any(|range| range.contains(status.as_u16()));
        applies.then_some(&self.operation)
    }
}

impl Plugin for Handler {
    type Config = ResponseTransformerAdvanced;

    fn new(config: &ResponseTransformerAdvanced) -> Self {
        let nested = !config.dots_in_keys;
        let path = |name: &str| {
            if nested {
                Path::parse(name)
            } else {
                Path::literal(name)
            }
        };
        let values = |set: &advanced::Set| {
            let values = Values::new(
                &set.headers,
                typed_paths(&set.json, &set.json_types, path),
                set.json.len(),
            );
            Gated::new(&set.if_status, values)
        };
        let (remove, replace) = (&config.remove, &config.replace);
        let replaced = typed_paths(&replace.json, &replace.json_types, path);
        Self {
            remove: Gated::new(
                &remove.if_status,
                Removals {
                    headers: remove.headers.iter().filter_map(removal).collect(),
                    json: remove.json.iter().map(|entry| path(&entry.name)).collect(),
                },
            ),
            rename: Gated::new(
                &config.rename.if_status,
                header_renames(&config.rename.headers),
            ),
            replace: Gated::new(
                &replace.if_status,
                Values::new(&replace.headers, replaced, replace.json.len()),
            ),
            add: values(&config.add),
            append: values(&config.append),
            replace_body: replace.body.clone().map(Bytes::from),
            functions: Gated::new(
                &config.transform.if_status,
                Functions::new(&config.transform, path),
            ),
            allow: config
                .allow
                .json
                .iter()
                .flatten()
                .map(|entry| path(&entry.name))
                .collect(),
            nested,
        }
    }
}

impl Values {
    fn new(headers: &[Pair], json: Vec<(Path, Box<[u8]>)>, entries: usize) -> Self {
        Self {
            headers: header_values(headers),
            json,
            entries,
        }
    }
}

fn typed_paths(
    entries: &[Pair],
    types: &[shared::types::JsonType],
    path: impl Fn(&str) -> Path,
) -> Vec<(Path, Box<[u8]>)> {
    let name = |name: &[u8]| path(std::str::from_utf8(name).expect("names are text"));
    let typed = typed_values(entries, types).into_iter();
    typed.map(|(key, value)| (name(&key), value)).collect()
}

fn removal(entry: &HeaderRemoval) -> Option<(Name, Removal)> {
    Some((header(&entry.name)?, entry.removal.clone()))
}

impl Phases for Handler {
    fn phases(&self) -> PhaseSet {
        PhaseSet {
            header_filter: true,
            ..PhaseSet::default()
        }
    }

    fn header_filter(&self, ctx: &mut Ctx) -> Filter {
        self.change_head(ctx.response.status, &mut ctx.response.headers)
            .into()
    }

    fn body_filter(&self, ctx: &mut Ctx, body: &Bytes) -> Option<Bytes> {
        self.change_body(ctx.response.status, body)
    }
}

impl Handler {
    fn change_head(&self, status: StatusCode, headers: &mut HeaderMap) -> BodyUse {
        self.change_headers(status, headers);
        if self.whole_body(status).is_some() {
            return BodyUse::Replace;
        }
        if self.changes_json(status) && is_json_response(headers) {
            return BodyUse::Whole;
        }
        BodyUse::Stream
    }

    fn change_headers(&self, status: StatusCode, headers: &mut HeaderMap) {
        for (name, removal) in self
            .remove
            .at(status)
            .map_or(&[][..], |remove| &remove.headers)
        {
            remove_values(headers, name, removal);
        }
        for (from, to) in self.rename.at(status).into_iter().flatten() {
            headers::rename(headers, from, to);
        }
        for (name, value) in self
            .replace
            .at(status)
            .map_or(&[][..], |values| &values.headers)
        {
            headers::replace(headers, name, value);
        }
        for (name, value) in self
            .add
            .at(status)
            .map_or(&[][..], |values| &values.headers)
        {
            headers::add(headers, name, value);
        }
        for (name, value) in self
            .append
            .at(status)
            .map_or(&[][..], |values| &values.headers)
        {
            headers::append(headers, name, value);
        }
    }

    /// The body that replaces any other.
    fn whole_body(&self, status: StatusCode) -> Option<&Bytes> {
        self.replace.at(status).and(self.replace_body.as_ref())
    }

    /// Whether some step on JSON applies.
    fn changes_json(&self, status: StatusCode) -> bool {
        let values = [&self.replace, &self.add, &self.append];
        !self.allow.is_empty()
            || self.functions_at(status).is_some()
            || self
                .remove
                .at(status)
                .is_some_and(|remove| !remove.json.is_empty())
            || values
                .iter()
                .any(|gated| gated.at(status).is_some_and(|values| values.entries > 0))
    }

    /// The functions, if there are any that apply.
    fn functions_at(&self, status: StatusCode) -> Option<&Functions> {
        let functions = self.functions.at(status)?;
        (!functions.is_empty()).then_some(functions)
    }

    /// Where the steps that apply go in a body.
    fn paths(&self, status: StatusCode) -> Vec<&Path> {
        let removed = self.remove.at(status).into_iter().flat_map(|r| &r.json);
        let set = [&self.replace, &self.add, &self.append]
            .into_iter()
            .filter_map(|gated| gated.at(status))
            .flat_map(|values| values.json.iter().map(|(path, _)| path));
        let functions = self.functions_at(status).into_iter();
        removed
            .chain(set)
            .chain(functions.flat_map(Functions::paths))
            .chain(&self.allow)
            .collect()
    }

    fn change_body(&self, status: StatusCode, body: &[u8]) -> Option<Bytes> {
        if let Some(whole) = self.whole_body(status) {
            return Some(whole.clone());
        }
        self.change_json(status, body)
            .unwrap_or_else(|error| {
                warn_malformed(error);
                None
            })
            .map(Bytes::from)
    }

    /// The changed body; `None` for a root that is neither object nor array.
    fn change_json(&self, status: StatusCode, body: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let mut document = Document::parse_along(body, &self.paths(status))?;
        if !matches!(document.kind(), Kind::Object | Kind::Array) {
            return Ok(None);
        }
        for path in self
            .remove
            .at(status)
            .map_or(&[][..], |remove| &remove.json)
        {
            document.remove_at(path);
        }
        for (path, value) in self
            .replace
            .at(status)
            .map_or(&[][..], |values| &values.json)
        {
            document.replace_at(path, value);
        }
        for (path, value) in self.add.at(status).map_or(&[][..], |values| &values.json) {
            document.add_at(path, value);
        }
        for (path, value) in self
            .append
            .at(status)
            .map_or(&[][..], |values| &values.json)
        {
            document.append_at(path, value);
        }
        match self.functions_at(status) {
            Some(functions) if functions.take_members() => functions.change_members(&mut document),
            Some(functions) => {
                let changed = functions.change(document.write());
                return self.filtered(changed).map(Some);
            }
            None => {}
        }
        self.filter(&mut document);
        Ok(Some(document.write()))
    }

    /// Leaves only what may stay. Literal names address nothing in an array, which is then not filtered either.
    fn filter(&self, document: &mut Document<'_>) {
        if !self.allow.is_empty() && (self.nested || document.kind() == Kind::Object) {
            document.keep_only(&self.allow);
        }
    }

    /// The same for what functions have made of a body: it is another text now.
    fn filtered(&self, body: Vec<u8>) -> Result<Vec<u8>, Malformed> {
        if self.allow.is_empty() {
            return Ok(body);
        }
        let paths: Vec<&Path> = self.allow.iter().collect();
        let mut document = Document::parse_along(&body, &paths)?;
        self.filter(&mut document);
        Ok(document.write())
    }
}
