//! What runs inside a request: the phases a plugin may have, the list of plugins, and the chain of one request.
//!
//! A plugin has two halves under one name: what it may be told (`shared::plugins`) and what it does (here).

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use shared::plugins::{Config, PluginConfig, PostFunction, PreFunction};

use crate::proxy::body::BodyError;
pub use crate::proxy::ctx::Ctx;
pub use chain::{Instance, Plugins, access, certificate, choose_global, response, rewrite};
pub use jwt::Verifier;
pub use shared::chain::{Chain, Chosen};

mod acl;
mod base64;
mod basic_auth;
mod chain;
mod correlation_id;
mod functions;
mod hmac_auth;
mod identity;
mod jwt;
mod key_auth;
mod request_termination;
mod request_transformer;
mod response_transformer;
mod response_transformer_advanced;
pub mod transform;

/// What a plugin wants after its access phase.
pub enum Flow {
    /// The next plugin's turn.
    Continue,
    /// This plugin has to wait: its [`Phases::access_wait`] runs now.
    Wait,
    /// The request ends here with this answer; later plugins' access is skipped, their filters still run.
    Respond(Box<Answer>),
    /// Something failed that is not the client's fault: 500, and this text in the error log.
    Fail(String),
    /// The request's body could not be had whole, and the plugin cannot do without.
    Unread(BodyError),
}

/// An answer made by a plugin.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers beside those every answer has.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
}

/// How the body of an [`Answer`] comes to be (proxy-and-routing.md 7).
#[derive(Debug)]
pub enum AnswerBody {
    /// The error helper renders the message by `Accept`, with the request id (7 A).
    Message(String),
    /// What the status says by itself: an error page (7 B), a plain page, or nothing.
    Status,
    /// These bytes (7 C); the content type is in the headers.
    Exact(Bytes),
    /// The same with a content type that is sent to the letter: no charset is added.
    Typed(Bytes),
}

impl Answer {
    /// An error whose body the error helper renders by `Accept`.
    pub fn message(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: AnswerBody::Message(message.into()),
        }
    }

    /// Exact bytes with a content type.
    pub fn exact(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, content_type);
        Self {
            status,
            headers,
            body: AnswerBody::Exact(body.into()),
        }
    }

    /// The same with one more header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

impl From<Answer> for Flow {
    fn from(answer: Answer) -> Self {
        Flow::Respond(Box::new(answer))
    }
}

/// What a header filter says.
#[derive(Debug)]
pub enum Filter {
    /// Whether it wants the body.
    Body(BodyUse),
    /// This answer takes the place of status and body; its headers come over those that are there.
    Respond(Box<Answer>),
    /// Something failed: 500, and this text in the error log.
    Fail(String),
}

impl From<BodyUse> for Filter {
    fn from(body: BodyUse) -> Self {
        Filter::Body(body)
    }
}

/// Whether a header filter wants the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyUse {
    /// No: the body streams (as far as this plugin is concerned).
    Stream,
    /// Piece by piece through [`Phases::chunk`]. Said by [`PhaseSet::chunks`], not by the filter.
    Chunks,
    /// The whole body, decoded, up to `transform_max_body_size`, goes through [`Phases::body_filter`] before the head
    /// leaves. Not for answers that have no body (HEAD, 204, 304) or an unknown coding: then no `body_filter` runs.
    Whole,
    /// As [`BodyUse::Whole`], but what the upstream sends is of no interest: [`Phases::body_filter`] gets nothing.
    Replace,
}

/// Which phases a configuration uses, so that an empty phase costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseSet {
    /// Runs in TLS handshakes, if it is global.
    pub certificate: bool,
    /// Runs before a route is looked for, if it is global.
    pub rewrite: bool,
    /// Runs in access.
    pub access: bool,
    /// Runs when the upstream's answer is here whole, which is collected for it.
    pub response: bool,
    /// Runs in the header filter (and the body filter, if that asks for it).
    pub header_filter: bool,
    /// Gets the body piece by piece as it streams.
    pub chunks: bool,
    /// Looks at the upstream's head as it came, after others may have changed it, and at what the client was sent.
    pub looks_back: bool,
    /// Runs when the response has ended.
    pub log: bool,
}

/// A client that has begun a TLS handshake.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// This end.
    pub local: SocketAddr,
    /// The name that the client asks for.
    pub sni: Option<String>,
    /// What plugins want of the rest of the handshake.
    pub wants: Cell<Wants>,
}

/// What plugins want of a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// That the client is asked for a certificate, which it need not show.
    pub certificate: bool,
    /// That the client cannot come back to this session, so that plugins are asked each time.
    pub fresh: bool,
}

/// The phases, called in this order. Synchronous ones are plain calls; only a plugin that waits returns a future.
pub trait Phases: Send + Sync + 'static {
    /// Which of the phases below do anything with this configuration.
    fn phases(&self) -> PhaseSet;

    /// While a client's TLS handshake waits for the certificate. What fails or answers ends the handshake.
    fn certificate<'a>(&'a self, _hello: &'a Rc<Hello>) -> LocalBoxFuture<'a, Flow> {
        Box::pin(std::future::ready(Flow::Continue))
    }

    /// Before a route is looked for.
    fn rewrite<'a>(&'a self, _ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(std::future::ready(Flow::Continue))
    }

    /// Before the upstream is asked.
    fn access(&self, _ctx: &mut Ctx) -> Flow {
        Flow::Continue
    }

    /// The rest of access for a plugin that answered [`Flow::Wait`]. Must not answer `Wait` again.
    fn access_wait<'a>(&'a self, _ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(std::future::ready(Flow::Continue))
    }

    /// When the upstream's answer is here: `ctx.response` holds its head, `ctx.buffered` its body as it came.
    fn response<'a>(&'a self, _ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(std::future::ready(Flow::Continue))
    }

    /// When the head of the answer is known: `ctx.response` holds status and headers and may be changed.
    fn header_filter(&self, _ctx: &mut Ctx) -> Filter {
        Filter::Body(BodyUse::Stream)
    }

    /// The whole body, if the header filter asked for it, without its coding; what is returned takes its place, is coded
    /// as the head says, and sent with its `Content-Length`. `None` leaves it as it is, to the byte.
    fn body_filter(&self, _ctx: &mut Ctx, _body: &Bytes) -> Option<Bytes> {
        None
    }

    /// A piece of the body on its way to the client; `last` comes with the last one, which may be empty. What is returned
    /// takes its place.
    ///
    /// # Errors
    /// What failed, for the error log: this piece and all after it pass unchanged.
    fn chunk(&self, _ctx: &mut Ctx, data: Bytes, _last: bool) -> Result<Bytes, String> {
        Ok(data)
    }

    /// After the last byte of the answer.
    fn log(&self, _ctx: &mut Ctx) {}
}

/// A plugin that is built in: its declaration and how its handler is made, once per configuration and snapshot.
pub trait Plugin: Phases + Sized {
    /// The declaration in `shared::plugins`.
    type Config: PluginConfig;

    /// Compiles a configuration. Everything that can be wrong with it was refused by the model.
    fn new(config: &Self::Config) -> Self;
}

/// One entry of the list of plugins.
pub struct Registration {
    /// Plugin name.
    pub name: &'static str,
    /// Makes the handler of one configuration.
    pub build: fn(&Config) -> Option<Arc<dyn Phases>>,
}

const fn register<P: Plugin>() -> Registration {
    Registration {
        name: <P::Config as PluginConfig>::NAME,
        build: |config| Some(Arc::new(P::new(&*config.downcast::<P::Config>()?))),
    }
}

/// Every plugin that is built in; `every_declared_plugin_has_a_handler` keeps it equal to the declarations.
pub static BUILTIN: &[Registration] = &[
    register::<acl::Handler>(),
    register::<basic_auth::Handler>(),
    register::<correlation_id::Handler>(),
    register::<hmac_auth::Handler>(),
    register::<jwt::Handler>(),
    register::<key_auth::Handler>(),
    register::<functions::Handler<PostFunction>>(),
    register::<functions::Handler<PreFunction>>(),
    register::<request_termination::Handler>(),
    register::<request_transformer::Handler>(),
    register::<response_transformer::Handler>(),
    register::<response_transformer_advanced::Handler>(),
];

/// The handler of `config` for the plugin `name`; `None` when this node has no such plugin.
pub fn build(name: &str, config: &Config) -> Option<Arc<dyn Phases>> {
    let registration = BUILTIN.iter().find(|r| r.name == name)?;
    (registration.build)(config)
}

#[cfg(test)]
mod tests {
    use shared::plugins::Catalog;

    use super::*;

    #[test]
    fn every_declared_plugin_has_a_handler() {
        let declared: Vec<&str> = Catalog::builtin()
            .iter()
            .map(|plugin| &*plugin.name)
            .collect();
        let handled: Vec<&str> = BUILTIN.iter().map(|plugin| plugin.name).collect();
        assert_eq!(handled, declared);
        for plugin in Catalog::builtin()
            .iter()
            .filter(|plugin| !["acl", "pre-function", "post-function"].contains(&&*plugin.name))
        {
            let config = plugin.parse(b"{}").expect("defaults are enough");
            assert!(build(&plugin.name, &config).is_some(), "{}", plugin.name);
        }
    }
}
