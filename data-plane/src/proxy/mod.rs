//! The request path, as a list one can read aloud.

pub mod body;
pub mod ctx;
pub(crate) mod detour;
pub mod error;
pub mod headers;
pub mod memory;
pub mod request_id;
pub mod response;
#[cfg(test)]
pub(crate) mod scene;
mod status_page;
pub mod timing;
pub mod upgrade;
pub mod upstream;

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use smallvec::SmallVec;

use crate::listen::{Connection, Gate};
use crate::plugins;
use crate::router::{self, BadTarget, Facts, Query};
use crate::runtime::Pinned;
use body::RequestBody;
use ctx::{ClientRequest, Ctx, Head, Outgoing};
use error::Halt;
use request_id::RequestId;
use response::ResponseBody;
pub(crate) use timing::Timing;

/// The longest request target, in bytes: one buffer of the reference.
const LONGEST_TARGET: usize = 8 * 1024;

/// Serves one request, from its head to the head of the answer. The body that is returned does the rest, the log
/// included.
pub async fn serve(
    gate: Rc<Gate>,
    conn: Rc<Connection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let request = request.map(RequestBody::new);
    let ctx = Ctx::new(gate.runtime(), conn, request); // this revision, to the end
    let mut live = response::Live::new(gate.clone(), ctx);
    let ctx = live.ctx();
    let answered = match forward(ctx, &gate).await {
        Ok(answered) => response::Source::upstream(ctx, answered),
        Err(halt) => response::Source::made_here(ctx, halt, &gate),
    };
    response::filter(live, answered).await
}

/// A plugin that answers and a failure both halt the request.
async fn forward(ctx: &mut Ctx, gate: &Gate) -> Result<upstream::Answered, Halt> {
    ctx.check()?;
    plugins::rewrite(ctx).await?;
    ctx.find_route()?;
    ctx.tell_upstream();
    plugins::access(ctx).await?;
    let runtime = ctx.runtime.clone();
    let plan = ctx
        .entry(&runtime)
        .and_then(|entry| entry.plan.as_ref())
        .ok_or(Halt::NoService)?;
    headers::finish_request(ctx);
    if let Some(detour) = ctx.upstream.detour.take() {
        let plan = detour.plan(ctx, &runtime, plan);
        return upstream::send(ctx, gate, &plan).await;
    }
    upstream::send(ctx, gate, plan).await
}

impl Ctx {
    /// Takes in a request as hyper hands it over, and the revision that will serve it.
    fn new(runtime: Pinned, conn: Rc<Connection>, mut request: Request<RequestBody>) -> Box<Self> {
        let started = Instant::now();
        let upgrade = request.extensions_mut().remove::<OnUpgrade>();
        let (mut parts, body) = request.into_parts();
        let host = parts.headers.remove(HOST).or_else(|| {
            parts
                .uri
                .authority()
                .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        });
        let target = match parts.uri.path_and_query() {
            Some(target) => target.as_str().to_owned(),
            None => parts.uri.to_string(), // CONNECT and `*`: refused by `check`
        };
        let path_len = router::split_target(&target).0.len();
        let (length, announced) = told_length(&parts, &target, host.as_ref());
        let had_length = announced.is_some();
        Box::new(Self {
            runtime,
            // Before the headers are changed in which a proxy in front tells it.
            client: conn.client_ip(&parts.headers),
            conn,
            started,
            id: RequestId::new(),
            request: ClientRequest {
                had_body: had_length || !body.is_empty(),
                expects: !body.is_empty() && parts.headers.contains_key(EXPECT),
                method: parts.method,
                path: String::new(),
                path_len,
                target,
                version: parts.version,
                host,
                headers: parts.headers,
                body,
                announced,
                head_length: length,
            },
            upstream: Outgoing::default(),
            route: None,
            captures: None,
            prefix: None,
            upgrade,
            websocket: false,
            consumer: None,
            credential: None,
            authenticated_groups: None,
            correlation_id: None,
            response: Head::default(),
            chosen: SmallVec::new(),
            timing: Timing::default(),
            turn: None,
            hash_cookie: None,
            accessed: false,
            promised: Vec::new(),
            buffering: false,
            buffered: None,
            upstream_head: None,
            sent: 0,
            lua: None,
        })
    }

    /// What can be told from the head alone (proxy-and-routing.md 1).
    fn check(&mut self) -> Result<(), Halt> {
        let refuse = |status| Err(Halt::Protocol(status));
        if self.request.method == Method::TRACE || self.request.method == Method::CONNECT {
            return refuse(StatusCode::METHOD_NOT_ALLOWED);
        }
        if self.request.target.len() > LONGEST_TARGET {
            return refuse(StatusCode::URI_TOO_LONG);
        }
        if !self.request.target.starts_with('/') {
            return refuse(StatusCode::BAD_REQUEST);
        }
        let host_is_there = self
            .request
            .host
            .as_ref()
            .is_some_and(|host| plausible_host(host.as_bytes()));
        let host_is_needed =
            self.request.version != Version::HTTP_10 || self.request.host.is_some();
        if host_is_needed && !host_is_there {
            return refuse(StatusCode::BAD_REQUEST);
        }
        match router::normalise(self.request.raw_path()) {
            Ok(Cow::Owned(path)) => self.request.path = path,
            Ok(Cow::Borrowed(path)) => self.request.path = path.to_owned(),
            Err(BadTarget::Malformed) => return refuse(StatusCode::BAD_REQUEST),
            Err(BadTarget::NotUtf8) => return Err(Halt::NoRoute),
        }
        Ok(())
    }

    /// The first route that matches, if its protocols take the request.
    fn find_route(&mut self) -> Result<(), Halt> {
        let host = self
            .request
            .host
            .as_ref()
            .and_then(|host| host.to_str().ok());
        let split = host.map(|host| router::split_host(host, self.conn.port));
        let found = self.runtime.router.find(&Query {
            method: self.request.method.as_str(),
            host: split.map(|(name, _)| name),
            port: split.map_or(self.conn.port, |(_, port)| port),
            path: &self.request.path,
            headers: &self.request.headers,
            sni: self.conn.sni.as_deref(),
            https: self.conn.tls,
        });
        let found = found.ok_or(Halt::NoRoute)?;
        self.route = Some(found.index);
        self.captures = found.captures;
        self.prefix = found.prefix;
        let runtime = self.runtime.clone();
        let entry = self.entry(&runtime).ok_or(Halt::NoRoute)?;
        let facts = Facts {
            forwarded_proto: self.forwarded_proto(),
            content_type: self
                .request
                .headers
                .get(CONTENT_TYPE)
                .map(HeaderValue::as_bytes),
            http2: self.request.version == Version::HTTP_2,
        };
        router::after_match(entry.protocols, entry.redirect_status, &facts).map_err(|refusal| {
            self.route = None; // Access never starts: only global filters run.
            Halt::Refused(refusal)
        })
    }

    /// What a trusted peer says of the scheme, else the connection's.
    fn forwarded_proto(&self) -> &str {
        let told = self
            .request
            .headers
            .get("x-forwarded-proto")
            .filter(|_| self.conn.trusted);
        told.and_then(|proto| proto.to_str().ok())
            .unwrap_or_else(|| self.conn.scheme())
    }

    /// The path and the headers for the upstream, before plugins change them.
    fn tell_upstream(&mut self) {
        let runtime = self.runtime.clone();
        let Some(entry) = self.entry(&runtime) else {
            return;
        };
        let path = std::mem::take(&mut self.request.path);
        let strip = entry.route.strip_path;
        let service_path = entry.plan.as_ref().and_then(|plan| plan.path.as_deref());
        self.upstream.path = router::upstream_path(service_path, &path, self.prefix, strip);
        let stripped = router::stripped_prefix(&path, self.prefix, strip);
        self.websocket = headers::strip_request(&mut self.request.headers);
        headers::forwarded(self, stripped);
        self.request.path = path;
    }
}

/// How long the head was, as HTTP/1.1 writes it, and the body that it announces.
fn told_length(parts: &Parts, target: &str, host: Option<&HeaderValue>) -> (u64, Option<u64>) {
    let line = |name: usize, value: &HeaderValue| name + value.len() + ": \r\n".len();
    let headers = parts.headers.iter();
    let headers: usize = headers
        .map(|(name, value)| line(name.as_str().len(), value))
        .sum();
    let host = host.map_or(0, |host| line("host".len(), host));
    let first = parts.method.as_str().len() + target.len() + "  HTTP/1.1\r\n".len();
    let announced = parts.headers.get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    ((first + headers + host + "\r\n".len()) as u64, announced)
}

/// Whether a Host could be one: a space or a control byte cannot.
fn plausible_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host
            .iter()
            .all(|b| b.is_ascii_graphic() && !b"/\\?#@<>\"".contains(b))
}
