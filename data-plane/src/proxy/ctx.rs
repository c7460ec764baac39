//! One request: what the client sent, what goes to the upstream, and what has been decided so far.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use shared::entities::Consumer;
use smallvec::SmallVec;
use uuid::Uuid;

use super::body::{BodyError, RequestBody};
use super::detour::Detour;
use super::request_id::RequestId;
use crate::balancer::turn::Turn;
use crate::listen::Connection;
use crate::plugins::{Chain, Chosen, PhaseSet};
use crate::router::Captures;
use crate::runtime::{Pinned, RouteEntry, Runtime};

/// Everything one request knows. It holds one runtime from start to end, so it never sees two revisions.
pub struct Ctx {
    /// The revision that serves this request.
    pub runtime: Pinned,
    /// The client's connection: addresses, TLS, SNI.
    pub conn: Rc<Connection>,
    /// See [`Ctx::client_ip`].
    pub(super) client: IpAddr,
    /// When the head had arrived.
    pub started: Instant,
    /// 32 hexadecimal digits, made here, never taken from the client.
    pub id: RequestId,
    /// What the client sent; plugins change the headers and the body in place.
    pub request: ClientRequest,
    /// What the upstream will be asked, as far as it differs from the client's request.
    pub upstream: Outgoing,
    /// The place of the route that matched; see [`Ctx::entry`].
    pub(crate) route: Option<u32>,
    /// Captures of the route's regular expression, if it had groups.
    pub captures: Option<Captures>,
    /// How many bytes of the path the route matched.
    pub(crate) prefix: Option<usize>,
    /// The client's connection, should it become a tunnel.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// Whether the client asked for a WebSocket.
    pub(crate) websocket: bool,
    /// Who the client is, once an auth plugin knows.
    pub consumer: Option<Arc<Consumer>>,
    /// What the client proved it with.
    pub credential: Option<Credential>,
    /// Groups that came from the credential rather than from the consumer's acls.
    pub authenticated_groups: Option<Vec<String>>,
    /// The id that correlation-id shows to the client as well.
    pub(crate) correlation_id: Option<HeaderValue>,
    /// The head of the answer; meaningful from the header filter on.
    pub response: Head,
    /// Plugin configurations chosen for this request so far, in order; later phases run exactly these.
    pub(crate) chosen: SmallVec<[Chosen; 8]>,
    pub(crate) timing: super::Timing,
    /// Its way through the targets of an upstream, once it has begun.
    pub(crate) turn: Option<Box<Turn>>,
    /// The cookie that consistent hashing wants the client to bring from now on.
    pub(crate) hash_cookie: Option<HeaderValue>,
    /// Whether the access phase has begun; if it has not, the global configurations filter the answer.
    pub(crate) accessed: bool,
    /// What plugins want of the head of the answer before there is any, in this order.
    pub promised: Vec<Promise>,
    /// Whether a plugin wants the upstream's answer to be here whole before anything goes to the client.
    pub buffering: bool,
    /// The upstream's body, once it is here whole: in the coding that its head names.
    pub buffered: Option<Bytes>,
    /// The upstream's status and headers as they came, kept if a plugin may look at them.
    pub upstream_head: Option<Box<(StatusCode, HeaderMap)>>,
    /// Bytes of the body that the client was sent, once the answer has ended.
    pub sent: u64,
    /// What Lua keeps of this request.
    pub(crate) lua: Option<Box<crate::lua::Kept>>,
}

/// A change to the head of an answer that is still to come.
#[derive(Clone, Debug)]
pub enum Promise {
    /// These values instead of all of the name.
    Set(HeaderName, Vec<HeaderValue>),
    /// One more value.
    Add(HeaderName, HeaderValue),
    /// None of this name.
    Clear(HeaderName),
}

impl Promise {
    /// Makes the change.
    pub fn keep(self, head: &mut Head) {
        match self {
            Self::Set(name, values) => {
                head.headers.remove(&name);
                for value in values {
                    add(&mut head.headers, &name, value);
                }
            }
            Self::Add(name, value) => {
                add(&mut head.headers, &name, value);
            }
            Self::Clear(name) => {
                head.headers.remove(name);
            }
        }
    }
}

/// The most headers that plugins may add up to: a map that is full would take none of the gateway's own.
const MOST_HEADERS: usize = 4096;

/// One more header, unless there are far too many.
pub(crate) fn add(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    if headers.len() < MOST_HEADERS {
        headers.append(name, value);
    }
}

/// The client's request. `headers` lacks Host, which has its own field.
pub struct ClientRequest {
    /// The method as it came.
    pub method: Method,
    /// The request target as it came, query included.
    pub target: String,
    /// Length of the path part of `target`.
    pub(crate) path_len: usize,
    /// The normalised path, as matched (proxy-and-routing.md 2).
    pub path: String,
    /// HTTP version of the client.
    pub version: Version,
    /// The Host header (or `:authority`), as it came.
    pub host: Option<HeaderValue>,
    /// Every other header. Plugins change them here; the upstream gets them.
    pub headers: HeaderMap,
    /// The body: not read unless a plugin asks.
    pub body: RequestBody,
    /// Whether the client sent one, be it empty.
    pub(crate) had_body: bool,
    /// The length that the client announced for it.
    pub(crate) announced: Option<u64>,
    /// The length of the head, as HTTP/1.1 writes it.
    pub(crate) head_length: u64,
    /// Whether the client waits to be asked for it (`Expect: 100-continue`).
    pub(crate) expects: bool,
}

impl ClientRequest {
    /// Replaces the body; an empty one is still sent with its length.
    pub fn set_body(&mut self, body: Bytes) {
        self.body = RequestBody::Full(body);
        self.had_body = true;
    }

    /// How many bytes the client sent or is about to send: the head, and the body as far as its length was told.
    pub fn length(&self) -> u64 {
        self.head_length + self.announced.unwrap_or(0)
    }

    /// The raw path: the target up to the first `?`.
    pub fn raw_path(&self) -> &str {
        &self.target[..self.path_len]
    }

    /// The raw query string without its `?`; `None` when the target has no `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.get(self.path_len + 1..)
    }
}

/// What differs from the client's request on the way up. `None` means: as the client sent it.
#[derive(Default)]
pub struct Outgoing {
    /// Another method.
    pub method: Option<Method>,
    /// The escaped path: set once the route is known, changed by plugins.
    pub path: String,
    /// The query without `?`. Outer `None`: the client's; `Some(None)`: none at all.
    pub query: Option<Option<String>>,
    /// A Host that overrides `preserve_host` and the service's host, also across retries.
    pub host: Option<HeaderValue>,
    /// Where else it goes than its service says, and how; `None`: nowhere.
    pub(crate) detour: Option<Box<Detour>>,
}

impl Outgoing {
    /// The detour, begun if there is none.
    pub(crate) fn detour(&mut self) -> &mut Detour {
        self.detour.get_or_insert_default()
    }

    /// Another query than the client's; an empty one leaves no `?`.
    pub fn set_query(&mut self, query: String) {
        self.query = Some(Some(query).filter(|query| !query.is_empty()));
    }
}

/// A credential that was accepted.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The credential entity's id.
    pub id: Uuid,
    /// What `X-Credential-Identifier` says: key-auth: the id; others: the user name or key.
    pub identifier: String,
}

/// Who made an answer: `kong.response.get_source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The upstream: `service`.
    Upstream,
    /// A plugin: `exit`.
    Plugin,
    /// The gateway itself, of an error: `error`.
    Gateway,
}

/// The head of a response.
pub struct Head {
    /// Status.
    pub status: StatusCode,
    /// Headers. Framing headers among them never decide the framing.
    pub headers: HeaderMap,
    /// Whether an upstream was asked (proxy-and-routing.md 6.2: a 502 counts).
    pub proxied: bool,
    /// Who made it.
    pub maker: Maker,
    /// Whether its `Content-Type` goes out exactly as it is, without a charset that it does not name.
    pub(crate) is_typed: bool,
    /// Whether the upstream named its `Server`, so that a plugin may take it away.
    pub(crate) server_named: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            proxied: false,
            maker: Maker::Gateway,
            is_typed: false,
            server_named: false,
        }
    }
}

impl Ctx {
    /// The client's address, after `real_ip_header` when the peer is trusted.
    pub fn client_ip(&self) -> IpAddr {
        self.client
    }

    /// How many bytes the client was sent: the head as HTTP/1.1 writes it, and the body.
    pub fn bytes_sent(&self) -> u64 {
        let headers = self.response.headers.iter();
        let lines = headers.map(|(name, value)| name.as_str().len() + value.len() + 4);
        let reason = self.response.status.canonical_reason().unwrap_or("");
        let head = "HTTP/1.1 200 \r\n\r\n".len() + reason.len() + lines.sum::<usize>();
        head as u64 + self.sent
    }

    /// The route that matched, with its service.
    pub fn entry<'r>(&self, runtime: &'r Runtime) -> Option<&'r RouteEntry> {
        runtime.routes.get(self.route? as usize)
    }

    /// The ids of the matched route and its service.
    pub(crate) fn scope(&self, runtime: &Runtime) -> (Option<Uuid>, Option<Uuid>) {
        let entry = self.entry(runtime);
        let service = entry.and_then(|e| e.service.as_ref());
        (
            entry.map(|e| e.route.id.uuid()),
            service.map(|s| s.id.uuid()),
        )
    }

    /// The plugins that may run on this request.
    pub(crate) fn chain<'r>(&self, runtime: &'r Runtime) -> &'r Chain {
        self.entry(runtime)
            .map_or(&runtime.global, |entry| &entry.chain)
    }

    /// Whether a configuration that was chosen has a phase.
    pub(crate) fn has_phase(&self, has: impl Fn(&PhaseSet) -> bool) -> bool {
        let instances = &self.runtime.plugins.instances;
        self.chosen
            .iter()
            .any(|chosen| has(&instances[*chosen as usize].phases))
    }

    /// Does what plugins promised of the head of the answer.
    pub(crate) fn keep_promises(&mut self) {
        for promise in std::mem::take(&mut self.promised) {
            promise.keep(&mut self.response);
        }
    }

    /// What `Kong-Debug` asks for, with `allow_debug_header` (proxy-and-routing.md 3.5).
    pub(crate) fn debug_headers(&self) -> Option<HeaderMap> {
        if !self.runtime.settings().allow_debug_header
            || !self.request.headers.contains_key("kong-debug")
        {
            return None;
        }
        let entry = self.entry(&self.runtime)?;
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: Option<String>| {
            if let Some(value) = value.and_then(|v| HeaderValue::from_str(&v).ok()) {
                headers.insert(name, value);
            }
        };
        put("kong-route-id", Some(entry.route.id.uuid().to_string()));
        put(
            "kong-route-name",
            entry.route.name.as_ref().map(|name| name.to_string()),
        );
        let service = entry.service.as_ref();
        put("kong-service-id", service.map(|s| s.id.uuid().to_string()));
        put(
            "kong-service-name",
            service
                .and_then(|s| s.name.as_ref())
                .map(|name| name.to_string()),
        );
        Some(headers)
    }

    /// The method the upstream will see.
    pub fn upstream_method(&self) -> &Method {
        self.upstream
            .method
            .as_ref()
            .unwrap_or(&self.request.method)
    }

    /// The query the upstream will see, without `?`.
    pub fn upstream_query(&self) -> Option<&str> {
        match &self.upstream.query {
            Some(changed) => changed.as_deref(),
            None => self.request.query(),
        }
    }

    /// Reads the whole request body and keeps it, so that it can be read again and sent.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past `limit` bytes (what was read is kept and still precedes the rest); the others of
    /// [`BodyError`] end the request.
    pub async fn read_body(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        self.request.body.read(limit).await
    }

    /// Replaces the request body; the framing follows.
    pub fn set_body(&mut self, body: Bytes) {
        self.request.set_body(body);
    }

    /// `transform_max_body_size`, in bytes.
    pub fn transform_limit(&self) -> usize {
        self.runtime.settings().transform_max_body_size
    }

    /// Whether `untrusted_lua` lets templates be rendered.
    pub fn renders_templates(&self) -> bool {
        self.runtime.settings().templates
    }
}
