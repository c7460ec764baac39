//! Asks the upstream: tries, time-outs and what their failures mean (proxy-and-routing.md 8).

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, StatusCode};

use super::body::{BodyError, RequestBody};
use super::ctx::Ctx;
use super::error::Halt;
use crate::balancer::turn::{NoPeer, Turn};
use crate::carried::connect::{self, ConnectError};
use crate::carried::deadline::{Elapsed, within};
use crate::carried::dns::DnsError;
use crate::carried::http1::head::{RequestHead, ResponseHead, Unsendable};
use crate::carried::http1::{AnswerBody, Connection, Exchange, WireError};
use crate::carried::outgoing::Progress;
use crate::carried::pool::{Key, TlsKey};
use crate::carried::trust::Profile;
use crate::listen::Gate;
use crate::lua::retry;
use crate::runtime::UpstreamPlan;

/// Why the upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name of the service does not exist, or has no address.
    #[error("name resolution failed for '{host}'{}", if *.retried { " on a retry" } else { "" })]
    NoSuchName {
        /// The name.
        host: String,
        /// Whether an earlier address had been tried.
        retried: bool,
    },
    /// The name could not be looked up.
    #[error("failed the initial dns/balancer resolve for '{host}' with: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
        /// Whether an earlier address had been tried.
        retried: bool,
    },
    /// The upstream has no target that may get the request.
    #[error("{NoPeer} for '{upstream}' (has it targets, with weight and healthy?)")]
    NoPeer {
        /// The name of the upstream.
        upstream: String,
        /// Whether an earlier address had been tried.
        retried: bool,
    },
    /// No connection.
    #[error(
        "cannot connect to target '{target}': {source} (is it listening, and reachable from this node?)"
    )]
    Connect {
        /// The address.
        target: SocketAddr,
        /// Why not.
        source: ConnectError,
    },
    /// The connection was not there in time.
    #[error("connecting to target '{target}' took longer than {} ms", limit.as_millis())]
    ConnectTimeout {
        /// The address.
        target: SocketAddr,
        /// `connect_timeout`.
        limit: Duration,
    },
    /// Nothing was read or written in time.
    #[error("target '{target}' did not {what} for {} ms", limit.as_millis())]
    Timeout {
        /// The address.
        target: SocketAddr,
        /// `answer` or `take the request`.
        what: &'static str,
        /// `read_timeout` or `write_timeout`.
        limit: Duration,
    },
    /// The answer was no HTTP, or the connection ended before it.
    #[error("target '{target}' sent no valid response: {source}")]
    Response {
        /// The address.
        target: SocketAddr,
        /// What was wrong.
        source: WireError,
    },
    /// The client's body broke off while it was being sent.
    #[error("the client's body broke off: {0}")]
    Client(hyper::Error),
    /// The request cannot be written as HTTP/1.1.
    #[error("the request cannot be sent upstream: {0}")]
    Unsendable(#[from] Unsendable),
}

impl UpstreamError {
    /// Status and message for the client (8.1).
    pub fn answer(&self) -> (StatusCode, String) {
        let status = match self {
            Self::NoSuchName { retried: false, .. } => {
                return (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "name resolution failed".to_owned(),
                );
            }
            Self::Resolve { retried: false, .. } => {
                return (StatusCode::INTERNAL_SERVER_ERROR, self.to_string());
            }
            Self::NoPeer { retried: false, .. } => {
                return (StatusCode::SERVICE_UNAVAILABLE, NoPeer.to_string());
            }
            Self::NoSuchName { .. } | Self::NoPeer { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Resolve { .. } | Self::Unsendable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Connect { .. } | Self::Response { .. } => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout { .. } | Self::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Client(_) => StatusCode::BAD_REQUEST,
        };
        (status, super::error::status_text(status))
    }

    /// Whether an address had been found, so that the answer counts as proxied (6.2).
    pub fn proxying_began(&self) -> bool {
        !matches!(
            self,
            Self::NoSuchName { retried: false, .. }
                | Self::Resolve { retried: false, .. }
                | Self::NoPeer { retried: false, .. }
        )
    }

    /// Whether another try could end otherwise: not when the client or the request is to blame, and never after a
    /// response that was no HTTP (8.1).
    fn may_pass(&self) -> bool {
        match self {
            Self::Client(_) | Self::Unsendable(_) => false,
            Self::Response { source, .. } => !source.is_malformed(),
            _ => true,
        }
    }

    /// Tells the balancer how a try ended, unless it was the client's fault.
    fn tell(&self, turn: &mut Turn, last: bool) {
        let late = matches!(self, Self::ConnectTimeout { .. } | Self::Timeout { .. });
        let broken = matches!(self, Self::Connect { .. } | Self::Response { .. });
        if late || broken {
            turn.failed(late, last.then(|| self.answer().0));
        }
    }

    /// A bounded word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchName { .. } | Self::Resolve { .. } => "dns",
            Self::NoPeer { .. } => "no_peer",
            Self::Connect { .. } => "connect",
            Self::ConnectTimeout { .. } => "connect_timeout",
            Self::Timeout { .. } => "timeout",
            Self::Response { .. } => "response",
            Self::Client(_) => "client",
            Self::Unsendable(_) => "request",
        }
    }
}

/// How a try ended without a response.
struct Failed {
    error: UpstreamError,
    /// The request had started to be sent.
    sent: bool,
    /// It failed on a connection that had waited, which the upstream may have closed at that moment.
    stale: bool,
}

/// An upstream's answer, and what gives its connection back.
pub struct Answered {
    /// What it says before its body.
    pub head: ResponseHead,
    /// Its body, which streams.
    pub body: AnswerBody,
    /// Gives the connection back to the pool once the body has ended.
    pub lease: Lease,
    /// How long the body may pause.
    pub read_timeout: Duration,
}

/// A connection in use.
pub struct Lease {
    key: Key,
    exchange: Rc<Exchange>,
}

impl Lease {
    /// The response has ended: the connection may serve another request, unless it still sends this one.
    pub fn release(self, gate: &Gate) {
        if let Some(connection) = self.exchange.give_back() {
            gate.pool.put(self.key, connection);
        }
    }

    /// The connection, which speaks another protocol from now on.
    pub fn upgraded(self) -> Option<Connection> {
        self.exchange.upgraded()
    }
}

/// Asks the upstream of the matched route, trying again as far as its `retries` and the request allow.
///
/// # Errors
/// [`Halt::Upstream`] with the failure of the last try.
pub async fn send(ctx: &mut Ctx, gate: &Gate, plan: &UpstreamPlan) -> Result<Answered, Halt> {
    if plan.buffer_request {
        ctx.request
            .body
            .begin()
            .await
            .map_err(|error| match error {
                BodyError::Client(source) => Halt::Upstream(UpstreamError::Client(source)),
                other => Halt::Body(other),
            })?;
    }
    let idempotent = !matches!(*ctx.upstream_method(), Method::POST | Method::PATCH)
        && ctx.upstream_method() != "LOCK";
    let mut tries_left = plan.retries;
    let (mut before, mut stale) = (None, None);
    loop {
        let began = Instant::now();
        let target = match stale.take() {
            Some(target) => target,
            None => address(ctx, gate, plan, before)
                .await
                .map_err(Halt::Upstream)?,
        };
        ctx.timing.balanced(target, began);
        let failed = match attempt(ctx, gate, plan, target, before == Some(target)).await {
            Ok(answered) => {
                // No other try follows, so what it would send need not be kept beside the answer, unless a plugin may look
                // at it there.
                if !ctx.has_phase(|phases| phases.response) {
                    ctx.request.body = RequestBody::Sent;
                }
                return Ok(answered);
            }
            Err(failed) => failed,
        };
        before = Some(target);
        ctx.timing.failed(failed.error.answer().0);
        let repeatable = ctx.request.body.replayable() && (plan.buffer_request || !failed.sent);
        let again = repeatable && (!failed.sent || idempotent) && failed.error.may_pass();
        if failed.stale && again {
            stale = before; // A connection that had gone stale is no try of the target.
            continue;
        }
        let last = !again || tries_left == 0;
        if let Some(turn) = &mut ctx.turn {
            failed.error.tell(turn, last);
        }
        if last {
            return Err(Halt::Upstream(failed.error));
        }
        tracing::debug!(request_id = %ctx.id, reason = failed.error.reason(), "trying again: {}", failed.error);
        tries_left -= 1;
    }
}

/// The address of the service whose turn it is, or another one than what was tried before.
async fn address(
    ctx: &mut Ctx,
    gate: &Gate,
    plan: &UpstreamPlan,
    before: Option<SocketAddr>,
) -> Result<SocketAddr, UpstreamError> {
    let retried = before.is_some();
    if retried && let Some((host, port)) = retry::target(ctx) {
        return resolved(gate, &host, port, before).await;
    }
    if let Some(address) = plan.literal {
        return Ok(address);
    }
    if let Some(balancer) = &plan.balancer {
        let next = Turn::next(ctx, &gate.dns, balancer).await;
        return next.map_err(|NoPeer| UpstreamError::NoPeer {
            upstream: plan.host.to_string(),
            retried,
        });
    }
    resolved(gate, &plan.host, plan.port, before).await
}

/// An address of a name, or another one than what was tried before.
async fn resolved(
    gate: &Gate,
    host: &str,
    port: u16,
    before: Option<SocketAddr>,
) -> Result<SocketAddr, UpstreamError> {
    let retried = before.is_some();
    match gate.dns.resolve(host, port).await {
        Ok(addresses) => {
            Ok(before.map_or_else(|| addresses.first(), |failed| addresses.after(failed)))
        }
        Err(DnsError::NotFound) => Err(UpstreamError::NoSuchName {
            host: host.to_owned(),
            retried,
        }),
        Err(DnsError::Failed { name, reason }) => Err(UpstreamError::Resolve {
            host: name,
            reason,
            retried,
        }),
    }
}

/// One try. `fresh`: do not use a connection that has waited, the last one of this target was stale.
async fn attempt(
    ctx: &mut Ctx,
    gate: &Gate,
    plan: &UpstreamPlan,
    target: SocketAddr,
    fresh: bool,
) -> Result<Answered, Failed> {
    let host = host_header(ctx, plan);
    let tls = plan.tls.as_ref().map(|profile| TlsKey {
        server_name: server_name(host.as_ref(), plan),
        profile: profile.id(),
    });
    let key = Key {
        address: target,
        tls,
    };
    let waiting = if fresh { None } else { gate.pool.take(&key) };
    let reused = waiting.is_some();
    let early = |error| Failed {
        error,
        sent: false,
        stale: false,
    };
    let connection = match waiting {
        Some(connection) => connection,
        None => connect(&key, plan.tls.as_deref(), plan.connect_timeout)
            .await
            .map_err(early)?,
    };
    let exchange = begin(ctx, host.as_ref(), connection)
        .map_err(|unsendable| early(UpstreamError::Unsendable(unsendable)))?;
    let answering = std::future::poll_fn(|cx| exchange.poll_head(cx));
    match patiently(answering, &exchange.progress, plan).await {
        Ok(Ok(head)) => {
            ctx.timing.answered(head.status);
            if let Some(turn) = &ctx.turn {
                turn.answered(head.status);
            }
            exchange.send_on(plan.write_timeout);
            Ok(Answered {
                head,
                body: AnswerBody::new(exchange.clone()),
                lease: Lease { key, exchange },
                read_timeout: plan.read_timeout,
            })
        }
        Ok(Err(source)) => {
            let sent = exchange.has_begun();
            if !sent {
                ctx.request.body.restore(exchange.take_body());
            }
            let stale = reused && (!sent || source.is_closed());
            let error = match exchange.progress.client_error.take() {
                Some(client) => UpstreamError::Client(client),
                None => UpstreamError::Response { target, source },
            };
            Err(Failed { error, sent, stale })
        }
        Err(what) => {
            let limit = if what == WRITE {
                plan.write_timeout
            } else {
                plan.read_timeout
            };
            Err(Failed {
                error: UpstreamError::Timeout {
                    target,
                    what,
                    limit,
                },
                sent: true,
                stale: false,
            })
        }
    }
}

/// The request as plugins left it, on its connection.
fn begin(
    ctx: &mut Ctx,
    host: Option<&HeaderValue>,
    connection: Connection,
) -> Result<Rc<Exchange>, Unsendable> {
    let body = ctx.request.body.send();
    let head = RequestHead {
        method: ctx.upstream_method(),
        path: &ctx.upstream.path,
        query: ctx.upstream_query(),
        host,
        headers: &ctx.request.headers,
        websocket: ctx.websocket,
        had_body: ctx.request.had_body,
    };
    Exchange::begin(connection, &head, body).map_err(|(unsendable, body)| {
        ctx.request.body.restore(body);
        unsendable
    })
}

async fn connect(
    key: &Key,
    profile: Option<&Profile>,
    limit: Duration,
) -> Result<Connection, UpstreamError> {
    let target = key.address;
    match within(limit, connect::connect(key, profile)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(source)) => Err(UpstreamError::Connect { target, source }),
        Err(Elapsed) => Err(UpstreamError::ConnectTimeout { target, limit }),
    }
}

const READ: &str = "answer";
const WRITE: &str = "take the request";

/// Waits for the head of the response: `read_timeout` after the request has gone out, `write_timeout` between writes.
/// A client that is slow with its body does not use up the upstream's time.
async fn patiently<F: Future>(
    work: F,
    progress: &Progress,
    plan: &UpstreamPlan,
) -> Result<F::Output, &'static str> {
    let mut work = std::pin::pin!(work);
    loop {
        let (limit, what) = if progress.ended.get() {
            (plan.read_timeout, READ)
        } else {
            (plan.write_timeout, WRITE)
        };
        let since = progress.last.get();
        let left = limit
            .saturating_sub(since.elapsed())
            .max(Duration::from_millis(1));
        if let Ok(done) = within(left, work.as_mut()).await {
            return Ok(done);
        }
        let moved = progress.last.get() > since || progress.ended.get() != (what == READ);
        if !moved && !progress.waits_for_client.get() {
            return Err(what);
        }
        if progress.waits_for_client.get() {
            progress.last.set(Instant::now());
        }
    }
}

/// The Host to send: a plugin's, the client's with `preserve_host`, the target's, else the service's.
fn host_header(ctx: &Ctx, plan: &UpstreamPlan) -> Option<HeaderValue> {
    ctx.upstream
        .host
        .clone()
        .or_else(|| {
            if plan.preserve_host {
                ctx.request.host.clone()
            } else {
                None
            }
        })
        .or_else(|| match &ctx.turn {
            Some(turn) => Some(turn.host(plan.tls.is_some()).clone()),
            None => Some(plan.host_header.clone()),
        })
}

/// The name for TLS: the Host being sent, without its port.
fn server_name(host: Option<&HeaderValue>, plan: &UpstreamPlan) -> Rc<str> {
    let text = host.and_then(|h| h.to_str().ok()).unwrap_or(&plan.host);
    Rc::from(crate::router::split_host(text, plan.port).0)
}
