//! A configuration, ready to be applied: names checked, constant values made, templates apart from the rest.

use std::borrow::Cow;

use http::{HeaderValue, Method};
use shared::plugins::RequestTransformer;
use shared::types::{HeaderPair, HeaderRename, Rename, Template, TemplatePair};
use tracing::warn;

use crate::plugins::transform::headers::{self, Name};
use crate::plugins::transform::json;
use crate::plugins::transform::template::{Scope, render};

/// Everything one configuration does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) uri: Option<Source<Text>>,
    /// An `Err` is a method that no request can have.
    pub(super) method: Option<Result<Method, String>>,
    pub(super) headers: HeaderSteps,
    pub(super) query: Steps,
    pub(super) body: Steps,
    /// Templates of everything but the body.
    pub(super) head_templates: Templates,
    pub(super) body_templates: Templates,
}

#[derive(Debug, Default)]
pub(super) struct HeaderSteps {
    pub(super) remove: Vec<Name>,
    pub(super) rename: Vec<(Name, Name)>,
    pub(super) replace: Vec<(Name, Source<HeaderValue>)>,
    pub(super) add: Vec<(Name, Source<HeaderValue>)>,
    pub(super) append: Vec<(Name, Source<HeaderValue>)>,
}

/// The steps on a query or a body.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) remove: Vec<Box<[u8]>>,
    pub(super) rename: Vec<Entry>,
    pub(super) replace: Vec<Entry>,
    pub(super) add: Vec<Entry>,
    pub(super) append: Vec<Entry>,
}

/// A name and its new name or value.
pub(super) type Entry = (Box<[u8]>, Source<Text>);

/// A value that is known, or the place of one that is rendered per request.
#[derive(Debug)]
pub(super) enum Source<T> {
    Constant(T),
    Rendered(usize),
}

/// A text, and the same as a JSON string.
#[derive(Debug)]
pub(super) struct Text {
    plain: Box<[u8]>,
    json: Box<[u8]>,
}

/// Templates whose results [`Source::Rendered`] refers to by place.
#[derive(Debug, Default)]
pub(super) struct Templates(Vec<Template>);

/// What the templates were for one request.
pub(super) type Rendered = Vec<Vec<u8>>;

impl Templates {
    fn source<T>(&mut self, template: &Template, make: impl FnOnce(&[u8]) -> T) -> Source<T> {
        if template.is_constant() {
            return Source::Constant(make(template.source.as_bytes()));
        }
        self.0.push(template.clone());
        Source::Rendered(self.0.len() - 1)
    }

    /// Renders all of them, before anything is changed and whether or not their entries will apply.
    pub(super) fn render(&self, scope: &Scope<'_>) -> Result<Rendered, String> {
        self.0
            .iter()
            .map(|template| render(template, scope))
            .collect()
    }
}

impl Text {
    fn new(plain: &[u8]) -> Self {
        Self {
            plain: plain.into(),
            json: json::string(plain).into(),
        }
    }
}

impl Source<Text> {
    /// The text itself.
    pub(super) fn plain<'a>(&'a self, rendered: &'a Rendered) -> &'a [u8] {
        match self {
            Source::Constant(text) => &text.plain,
            Source::Rendered(at) => &rendered[*at],
        }
    }

    /// The text as a JSON string.
    pub(super) fn json(&self, rendered: &Rendered) -> Cow<'_, [u8]> {
        match self {
            Source::Constant(text) => Cow::Borrowed(&text.json),
            Source::Rendered(at) => Cow::Owned(json::string(&rendered[*at])),
        }
    }
}

impl Source<HeaderValue> {
    pub(super) fn value(&self, rendered: &Rendered) -> Cow<'_, HeaderValue> {
        match self {
            Source::Constant(value) => Cow::Borrowed(value),
            Source::Rendered(at) => Cow::Owned(headers::value(&rendered[*at])),
        }
    }
}

impl Steps {
    /// No entry in any list.
    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty()
            && self.rename.is_empty()
            && self.replace.is_empty()
            && self.add.is_empty()
            && self.append.is_empty()
    }
}

impl HeaderSteps {
    fn is_empty(&self) -> bool {
        self.remove.is_empty()
            && self.rename.is_empty()
            && self.replace.is_empty()
            && self.add.is_empty()
            && self.append.is_empty()
    }

    /// Whether some step may change the header.
    pub(super) fn touch(&self, header: &http::HeaderName) -> bool {
        let is = |name: &Name| name.may_be(header);
        self.remove.iter().any(is)
            || self.rename.iter().any(|(from, to)| is(from) || is(to))
            || [&self.replace, &self.add, &self.append]
                .iter()
                .any(|entries| entries.iter().any(|(name, _)| is(name)))
    }
}

impl Plan {
    /// Nothing to do for any request.
    pub(super) fn is_empty(&self) -> bool {
        self.uri.is_none()
            && self.method.is_none()
            && self.headers.is_empty()
            && self.query.is_empty()
            && self.body.is_empty()
    }

    pub(super) fn new(config: &RequestTransformer) -> Self {
        let (mut head, mut body) = (Templates::default(), Templates::default());
        Self {
            uri: config
                .replace
                .uri
                .as_ref()
                .map(|uri| head.source(uri, Text::new)),
            method: config.http_method.as_deref().map(method),
            headers: HeaderSteps {
                remove: config
                    .remove
                    .headers
                    .iter()
                    .filter_map(|entry| other_header(&entry.name))
                    .collect(),
                rename: config
                    .rename
                    .headers
                    .iter()
                    .filter_map(header_rename)
                    .collect(),
                replace: header_values(&config.replace.headers, header, &mut head),
                add: header_values(&config.add.headers, other_header, &mut head),
                append: header_values(&config.append.headers, other_header, &mut head),
            },
            query: Steps {
                remove: names(config.remove.querystring.iter().map(|entry| &entry.name)),
                rename: renames(&config.rename.querystring, &mut head),
                replace: values(&config.replace.querystring, &mut head),
                add: values(&config.add.querystring, &mut head),
                append: values(&config.append.querystring, &mut head),
            },
            body: Steps {
                remove: names(config.remove.body.iter().map(|entry| &entry.name)),
                rename: renames(&config.rename.body, &mut body),
                replace: values(&config.replace.body, &mut body),
                add: values(&config.add.body, &mut body),
                append: values(&config.append.body, &mut body),
            },
            head_templates: head,
            body_templates: body,
        }
    }
}

/// What `kong.service.request.set_method` takes.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "PUT",
    "POST",
    "DELETE",
    "OPTIONS",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
];

fn method(text: &str) -> Result<Method, String> {
    let known = METHODS.contains(&text);
    let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| known);
    method.ok_or_else(|| format!("invalid method: {text}"))
}

/// A header that is there to be changed, or to be added: any but Host, which is always there and goes its own way.
fn other_header(name: &str) -> Option<Name> {
    if name.eq_ignore_ascii_case("host") {
        warn!("request-transformer: Host can only be replaced; the entry is ignored");
        return None;
    }
    header(name)
}

/// A header that may be set; framing is the proxy's business alone.
fn header(name: &str) -> Option<Name> {
    let name = Name::lenient(name)?;
    if name.is_framing() {
        warn!(header = %name.name(), "request-transformer: entries for framing headers are ignored");
        return None;
    }
    Some(name)
}

fn header_rename(entry: &HeaderRename) -> Option<(Name, Name)> {
    Some((other_header(&entry.from)?, header(&entry.to)?))
}

fn header_values(
    entries: &[HeaderPair],
    name: impl Fn(&str) -> Option<Name>,
    templates: &mut Templates,
) -> Vec<(Name, Source<HeaderValue>)> {
    let applies = entries.iter().filter(|entry| !entry.value.is_empty());
    let compiled = |entry: &HeaderPair| {
        let name = name(&entry.name)?;
        Some((name, templates.source(&entry.value, headers::value)))
    };
    applies.filter_map(compiled).collect()
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Box<[u8]>> {
    names.map(|name| name.as_bytes().into()).collect()
}

fn renames(entries: &[Rename], templates: &mut Templates) -> Vec<Entry> {
    let entry = |entry: &Rename| {
        (
            entry.from.as_bytes().into(),
            templates.source(&entry.to, Text::new),
        )
    };
    entries.iter().map(entry).collect()
}

fn values(entries: &[TemplatePair], templates: &mut Templates) -> Vec<Entry> {
    let entry = |entry: &TemplatePair| {
        (
            entry.name.as_bytes().into(),
            templates.source(&entry.value, Text::new),
        )
    };
    entries.iter().map(entry).collect()
}
