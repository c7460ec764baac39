//! The steps that need no waiting: path, method, headers, query.

use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method};
use tracing::warn;

use super::compile::{Plan, Rendered, Steps};
use crate::plugins::transform::args::Args;
use crate::plugins::transform::content_type::{self, RequestBody};
use crate::plugins::transform::headers::{self, Name, Sieve};
use crate::plugins::transform::target;
use crate::plugins::transform::template::{Captured, Scope};

/// The parts of a request that the plugin reads and changes.
pub(super) struct Parts<'a> {
    /// What the client sent, without Host.
    pub(super) headers: &'a mut HeaderMap,
    /// The client's Host.
    pub(super) client_host: Option<&'a HeaderValue>,
    /// The query as the client sent it, without `?`.
    pub(super) client_query: Option<&'a str>,
    /// Captures of the route's regular expression.
    pub(super) captures: &'a [Captured<'a>],
    /// Whether templates are rendered.
    pub(super) templates: bool,
    /// What goes up instead of what the client sent; `None` is no change.
    pub(super) method: &'a mut Option<Method>,
    /// The path that goes up.
    pub(super) path: &'a mut String,
    /// As `Outgoing::query`.
    pub(super) query: &'a mut Option<Option<String>>,
    /// A Host that overrides all others.
    pub(super) host: &'a mut Option<HeaderValue>,
}

/// What the templates of one request say, rendered before anything was changed.
pub(super) struct Texts {
    head: Rendered,
    /// Only a failure if the body step runs.
    pub(super) body: Result<Rendered, String>,
}

/// Arguments beyond which a query is left alone.
const MAX_ARGUMENTS: usize = 1000;

impl Parts<'_> {
    /// The query as it is now.
    fn query(&self) -> Option<&str> {
        match &*self.query {
            Some(changed) => changed.as_deref(),
            None => self.client_query,
        }
    }

    /// An empty query keeps its `?` only if the client's URL ended in one.
    /// What templates see of it.
    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            headers: self.headers,
            host: self.client_host,
            query: self.query().unwrap_or_default(),
            captures: self.captures,
            allowed: self.templates,
        }
    }

    fn set_query(&mut self, query: String) {
        let ended = |client: &str| client.is_empty() || client.ends_with('?');
        let bare = query.is_empty() && !self.client_query.is_some_and(ended);
        *self.query = Some(if bare { None } else { Some(query) });
    }
}

impl Plan {
    /// Renders every template.
    pub(super) fn render(&self, scope: &Scope<'_>) -> Result<Texts, String> {
        Ok(Texts {
            head: self.head_templates.render(scope)?,
            body: self.body_templates.render(scope),
        })
    }

    /// Whether that takes Lua, if templates are rendered at all.
    pub(super) fn runs_lua(&self) -> bool {
        self.head_templates.run_lua() || self.body_templates.run_lua()
    }

    /// Whether the method step copies a form into the query.
    pub(super) fn copies_form(&self, headers: &HeaderMap) -> bool {
        matches!(
            self.method,
            Some(Ok(Method::GET | Method::HEAD | Method::TRACE))
        ) && content_type::is_form(headers)
    }

    /// How the body is to be changed, by the content type as it is now; `None` if not at all.
    pub(super) fn body_kind(&self, headers: &HeaderMap) -> Option<RequestBody> {
        if self.body.is_empty() {
            return None;
        }
        content_type::of_request(headers)
    }

    /// Whether the body may have to be read, judged by the headers that the client sent.
    pub(super) fn may_read_body(&self, headers: &HeaderMap) -> bool {
        self.copies_form(headers)
            || (!self.body.is_empty() && self.headers.touch(&CONTENT_TYPE))
            || self.body_kind(headers).is_some()
    }

    /// Path, method and headers; `form` is the body if [`Plan::copies_form`] asked for it.
    pub(super) fn head(
        &self,
        parts: &mut Parts<'_>,
        texts: &Texts,
        form: Option<&[u8]>,
    ) -> Result<(), String> {
        if let Some(uri) = &self.uri {
            let path = uri.plain(&texts.head);
            if path.first() != Some(&b'/') {
                return Err("path must start with /".to_owned());
            }
            *parts.path = target::escape_path(path);
        }
        if let Some(method) = &self.method {
            *parts.method = Some(method.clone()?);
        }
        if let Some(form) = form
            && let Some(query) = merged(parts.query().unwrap_or_default(), form)
        {
            parts.set_query(query);
        }
        self.change_headers(parts.headers, parts.host, &texts.head);
        Ok(())
    }

    /// The steps on headers; `host` is the Host that overrides all others.
    pub(super) fn change_headers(
        &self,
        headers: &mut HeaderMap,
        host: &mut Option<HeaderValue>,
        texts: &Rendered,
    ) {
        let steps = &self.headers;
        let look_ups = steps.remove.len() + steps.rename.len() + steps.replace.len();
        let mut there = Sieve::of(headers, look_ups);
        for name in steps.remove.iter().filter(|name| there.may_hold(name)) {
            headers::remove(headers, name);
        }
        for (from, to) in &steps.rename {
            if !there.may_hold(from) {
                continue;
            }
            if is_host(to) {
                rename_to_host(headers, host, from);
            } else {
                headers::rename(headers, from, to);
                there.take_in(to);
            }
        }
        for (name, source) in &steps.replace {
            if is_host(name) {
                *host = Some(source.value(texts).into_owned());
            } else if there.may_hold(name) {
                headers::replace(headers, name, &source.value(texts));
            }
        }
        for (name, source) in &steps.add {
            headers::add(headers, name, &source.value(texts));
        }
        for (name, source) in &steps.append {
            headers::append(headers, name, &source.value(texts));
        }
    }

    /// The query; untouched, byte for byte, without any entry.
    pub(super) fn change_query(&self, parts: &mut Parts<'_>, texts: &Texts) {
        if self.query.is_empty() {
            return;
        }
        let raw = parts.query().unwrap_or_default();
        if too_many(&[raw.as_bytes()]) {
            return;
        }
        let mut args = Args::parse(raw.as_bytes());
        change_args(&self.query, &mut args, &texts.head);
        let query = args.query();
        parts.set_query(query);
    }
}

/// The steps on arguments; true if rename, replace or add changed something.
pub(super) fn change_args<'a>(steps: &'a Steps, args: &mut Args<'a>, texts: &'a Rendered) -> bool {
    let mut changed = false;
    for name in &steps.remove {
        args.remove(name);
    }
    for (from, to) in &steps.rename {
        changed |= args.rename(from, to.plain(texts).into());
    }
    for (name, value) in &steps.replace {
        if args.contains(name) {
            args.set(name, value.plain(texts).into());
            changed = true;
        }
    }
    for (name, value) in &steps.add {
        if !args.contains(name) {
            args.set(name, value.plain(texts).into());
            changed = true;
        }
    }
    for (name, value) in &steps.append {
        args.append(name, value.plain(texts).into());
    }
    changed
}

/// The query with the form's fields; `None` if it is to be left alone.
fn merged(query: &str, form: &[u8]) -> Option<String> {
    if too_many(&[query.as_bytes(), form]) {
        return None;
    }
    let mut args = Args::parse(query.as_bytes());
    args.merge(form);
    Some(args.query())
}

/// Whether there are more arguments than are taken apart; says so in the log.
fn too_many(texts: &[&[u8]]) -> bool {
    let segments = |text: &&[u8]| {
        text.split(|byte| *byte == b'&')
            .take(MAX_ARGUMENTS + 1)
            .count()
    };
    let many = texts.iter().map(segments).sum::<usize>() > MAX_ARGUMENTS;
    if many {
        warn!("request-transformer: query left alone, it has more than {MAX_ARGUMENTS} arguments");
    }
    many
}

fn is_host(name: &Name) -> bool {
    *name.name() == HOST
}

fn rename_to_host(headers: &mut HeaderMap, host: &mut Option<HeaderValue>, from: &Name) {
    if let Some(value) = headers::take(headers, from).into_iter().next() {
        *host = Some(value);
    }
}
