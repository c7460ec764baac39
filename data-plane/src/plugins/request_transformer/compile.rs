//! A configuration, ready to be applied: names checked, constant values made, templates apart from the rest.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Method, header};
use shared::plugins::RequestTransformer;
use shared::types::{
    HeaderEntry, HeaderPair, HeaderRename, Rename, Template, TemplateEntry, TemplatePair,
};
use tracing::warn;

use crate::plugins::transform::headers::{self, Name};
use crate::plugins::transform::json;
use crate::plugins::transform::target;
use crate::plugins::transform::template::{Compiled, Scope, render};

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

/// Templates whose results [`Source::Rendered`] refers to by place; some are rendered for their failure alone.
#[derive(Debug, Default)]
pub(super) struct Templates(Vec<Compiled>);

/// What the templates were for one request.
pub(super) type Rendered = Vec<Vec<u8>>;

impl Templates {
    fn source<T>(&mut self, template: &Template, make: impl FnOnce(&[u8]) -> T) -> Source<T> {
        if template.is_constant() {
            return Source::Constant(make(template.source.as_bytes()));
        }
        Source::Rendered(self.place(template))
    }

    /// A template that no entry uses ends the request all the same if it fails (transformers.md 2.3).
    fn unused(&mut self, template: &Template) {
        if !template.is_constant() {
            self.place(template);
        }
    }

    fn place(&mut self, template: &Template) -> usize {
        self.0.push(Compiled::new(template));
        self.0.len() - 1
    }

    /// Whether any of them needs Lua.
    pub(super) fn run_lua(&self) -> bool {
        self.0.iter().any(Compiled::runs_lua)
    }

    /// Renders all of them, before anything is changed and whether or not their entries will apply.
    pub(super) fn render(&self, scope: &Scope<'_>) -> Result<Rendered, String> {
        render(&self.0, scope)
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
    /// Whether headers are all that changes, each in a way that is known before any request.
    pub(super) fn is_constant_headers(&self) -> bool {
        self.uri.is_none()
            && self.method.is_none()
            && self.query.is_empty()
            && self.body.is_empty()
            && self.head_templates.0.is_empty()
    }

    /// Nothing to do for any request.
    pub(super) fn is_empty(&self) -> bool {
        self.uri.is_none()
            && self.method.is_none()
            && self.headers.is_empty()
            && self.query.is_empty()
            && self.body.is_empty()
    }

    pub(super) fn new(config: &RequestTransformer) -> Self {
        for doubt in config.doubts() {
            warn!("request-transformer: every request will fail: {doubt}");
        }
        let (mut head, mut body) = (Templates::default(), Templates::default());
        Self {
            uri: config
                .replace
                .uri
                .as_ref()
                .map(|uri| head.source(uri, Text::new)),
            method: config.http_method.as_deref().map(method),
            headers: HeaderSteps {
                remove: header_removals(&config.remove.headers, &mut head),
                rename: config
                    .rename
                    .headers
                    .iter()
                    .filter_map(header_rename)
                    .collect(),
                replace: header_values(&config.replace.headers, settable, &mut head),
                add: header_values(&config.add.headers, other_header, &mut head),
                append: header_values(&config.append.headers, other_header, &mut head),
            },
            query: Steps {
                remove: removals(&config.remove.querystring, &mut head),
                rename: renames(&config.rename.querystring, &mut head),
                replace: values(&config.replace.querystring, &mut head),
                add: values(&config.add.querystring, &mut head),
                append: values(&config.append.querystring, &mut head),
            },
            body: Steps {
                remove: removals(&config.remove.body, &mut body),
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

fn method(text: &str) -> Result<Method, String> {
    target::method(text).ok_or_else(|| {
        warn!(
            method = text,
            "request-transformer: every request will fail, the method is none that can be sent"
        );
        format!("invalid method: {text}")
    })
}

/// A header that is there to be changed, or to be added: any but Host, which is always there and goes its own way.
fn other_header(name: &str) -> Option<Name> {
    if name.eq_ignore_ascii_case("host") {
        warn!("request-transformer: Host can only be replaced; the entry is ignored");
        return None;
    }
    settable(name)
}

/// What is about one connection, or frames the body: the proxy sets these after the plugin (transformers.md 2.4).
const OF_THE_PROXY: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A header that may be changed.
fn settable(name: &str) -> Option<Name> {
    let name = Name::lenient(name)?;
    if OF_THE_PROXY.iter().any(|own| name.may_be(own)) {
        warn!(header = %name.name(), "request-transformer: the entry is ignored, the proxy sets this header");
        return None;
    }
    Some(name)
}

fn header_rename(entry: &HeaderRename) -> Option<(Name, Name)> {
    Some((other_header(&entry.from)?, settable(&entry.to)?))
}

fn header_values(
    entries: &[HeaderPair],
    name: impl Fn(&str) -> Option<Name>,
    templates: &mut Templates,
) -> Vec<(Name, Source<HeaderValue>)> {
    let applies = entries.iter().filter(|entry| !entry.value.is_empty());
    let compiled = |entry: &HeaderPair| {
        let Some(name) = name(&entry.name) else {
            templates.unused(&entry.value);
            return None;
        };
        Some((name, templates.source(&entry.value, headers::value)))
    };
    applies.filter_map(compiled).collect()
}

fn header_removals(entries: &[HeaderEntry], templates: &mut Templates) -> Vec<Name> {
    entries
        .iter()
        .filter_map(|entry| {
            templates.unused(&entry.unused);
            other_header(&entry.name)
        })
        .collect()
}

fn removals(entries: &[TemplateEntry], templates: &mut Templates) -> Vec<Box<[u8]>> {
    entries
        .iter()
        .map(|entry| {
            templates.unused(&entry.unused);
            entry.name.as_bytes().into()
        })
        .collect()
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
