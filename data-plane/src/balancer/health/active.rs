//! Asks peers how they are, in between requests (proxy-and-routing.md 9.5).
//!
//! One task per upstream that asks at all, on the background runtime; it follows the revision that is served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::header::{CONNECTION, HOST};
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use shared::entities::ActiveChecks;
use shared::types::{Probe, Wildcard};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use super::Report;
use crate::balancer::Balancer;
use crate::balancer::peers::Peer;
use crate::balancer::revision::Balancers;
use crate::carried::dns::Dns;
use crate::carried::trust::Trust;

/// The limit of a check whose `timeout` is 0: that of a socket without one of its own, as in the reference.
const LONGEST: Duration = Duration::from_secs(60);
/// The shortest pause between two rounds, whatever the interval says.
const SHORTEST: Duration = Duration::from_millis(10);

/// The checks of a node.
pub struct Checks {
    dns: Dns,
    trust: Trust,
    background: Handle,
    following: Mutex<Following>,
}

/// The revision that is followed, and the tasks for it.
#[derive(Default)]
struct Following {
    balancers: Balancers,
    running: HashMap<Uuid, Running>,
}

/// The task that asks the peers of one balancer.
struct Running {
    balancer: Arc<Balancer>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    /// No checks yet. They run on `background` and end with this value.
    pub fn new(dns: Dns, trust: Trust, background: Handle) -> Self {
        Self {
            dns,
            trust,
            background,
            following: Mutex::default(),
        }
    }

    /// Follows a revision: what it does not have ends, what it has new begins, what stayed goes on undisturbed.
    pub fn follow(&self, balancers: &Balancers) {
        let mut following = self
            .following
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if following.balancers.is_same(balancers) {
            return;
        }
        let mut before = std::mem::take(&mut following.running);
        for (id, balancer) in balancers.iter().filter(|(_, balancer)| asks(balancer)) {
            let known = before.remove(id);
            let kept = known.filter(|known| Arc::ptr_eq(&known.balancer, balancer));
            let running = kept.unwrap_or_else(|| self.start(balancer));
            following.running.insert(*id, running);
        }
        following.balancers = balancers.clone();
    }

    fn start(&self, balancer: &Arc<Balancer>) -> Running {
        let asking = Asking {
            balancer: balancer.clone(),
            dns: self.dns.clone(),
            trust: self.trust.clone(),
        };
        Running {
            balancer: balancer.clone(),
            task: self.background.spawn(asking.run()).abort_handle(),
        }
    }
}

fn asks(balancer: &Balancer) -> bool {
    let active = &balancer.upstream.healthchecks.active;
    active.healthy.interval > 0.0 || active.unhealthy.interval > 0.0
}

/// What a task that asks works with.
struct Asking {
    balancer: Arc<Balancer>,
    dns: Dns,
    trust: Trust,
}

impl Asking {
    async fn run(self) {
        let active = self.checks();
        tokio::join!(
            self.every(active.healthy.interval, true),
            self.every(active.unhealthy.interval, false),
        );
    }

    fn checks(&self) -> &ActiveChecks {
        &self.balancer.upstream.healthchecks.active
    }

    /// Asks those whose health is `healthy`, again and again.
    async fn every(&self, seconds: f64, healthy: bool) {
        if seconds <= 0.0 {
            return;
        }
        let period = Duration::from_secs_f64(seconds).max(SHORTEST);
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let peers = self.balancer.peers(&self.dns).await;
            let is_due =
                |peer: &&Peer| peer.found.weight > 0 && peer.state.health.is_healthy() == healthy;
            let due = stream::iter(peers.list.iter().filter(is_due));
            let at_once = usize::try_from(self.checks().concurrency).unwrap_or(usize::MAX);
            due.for_each_concurrent(at_once, |peer| self.ask(peer))
                .await;
        }
    }

    async fn ask(&self, peer: &Peer) {
        let active = self.checks();
        let limit = match active.timeout {
            seconds if seconds > 0.0 => Duration::from_secs_f64(seconds),
            _ => LONGEST,
        };
        let answer = timeout(limit, self.probe(peer)).await;
        let bad = &active.unhealthy;
        let (report, limit) = match &answer {
            Ok(Ok(None)) => (Report::Success, active.healthy.successes),
            Ok(Ok(Some(status))) => match verdict(active, *status) {
                Some(verdict) => verdict,
                None => return,
            },
            Ok(Err(error)) => {
                tracing::debug!(upstream = &*self.balancer.upstream.name, address = %peer.found.place.address, %error, "check failed");
                (Report::Tcp, bad.tcp_failures)
            }
            Err(_) => (Report::Timeout, bad.timeouts),
        };
        self.balancer.report(peer, report, limit);
    }

    /// The status that a peer answers with; `None` where a connection is answer enough.
    async fn probe(&self, peer: &Peer) -> Result<Option<StatusCode>, ProbeError> {
        let stream = TcpStream::connect(peer.found.place.address).await?;
        match self.checks().probe {
            Probe::Tcp | Probe::Grpc => Ok(None),
            Probe::Http => self.get(stream, peer).await.map(Some),
            Probe::Grpcs => self.secure(stream, peer).await.map(|_| None),
            Probe::Https => {
                let stream = self.secure(stream, peer).await?;
                self.get(stream, peer).await.map(Some)
            }
        }
    }

    async fn secure(
        &self,
        stream: TcpStream,
        peer: &Peer,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ProbeError> {
        let active = self.checks();
        let name = match &active.https_sni {
            Some(sni) => match &sni.0 {
                Wildcard::Exact(name) => name,
                Wildcard::Suffix(_) | Wildcard::Prefix(_) => return Err(ProbeError::Name),
            },
            None => shared::router::split_host(self.host(peer), 0).0,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| ProbeError::Name)?;
        let profile = match active.https_verify_certificate {
            true => &self.trust.verified,
            false => &self.trust.unverified,
        };
        let connector = TlsConnector::from(profile.config().clone());
        Ok(connector.connect(name, stream).await?)
    }

    async fn get<S>(&self, stream: S, peer: &Peer) -> Result<StatusCode, ProbeError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let request = self.request(peer)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = Driver(tokio::spawn(connection).abort_handle());
        let response = sender.send_request(request).await?;
        drop(driver); // The body is of no interest.
        Ok(response.status())
    }

    fn request(&self, peer: &Peer) -> Result<Request<Empty<Bytes>>, ProbeError> {
        let active = self.checks();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::try_from(&*active.http_path).map_err(http::Error::from)?;
        let headers = request.headers_mut();
        headers.insert(HOST, value(self.host(peer))?);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        for (name, values) in active.headers.iter().flatten() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(http::Error::from)?;
            headers.remove(&name);
            for text in values {
                headers.append(&name, value(text)?);
            }
        }
        Ok(request)
    }

    /// The host that a check names.
    fn host<'a>(&'a self, peer: &'a Peer) -> &'a str {
        self.balancer
            .upstream
            .host_header
            .as_deref()
            .unwrap_or(&peer.found.name)
    }
}

/// What a status says, success first; `None` if nothing.
fn verdict(active: &ActiveChecks, status: StatusCode) -> Option<(Report, u8)> {
    let status = status.as_u16();
    if active.healthy.http_statuses.contains(&status) {
        return Some((Report::Success, active.healthy.successes));
    }
    let bad = &active.unhealthy;
    let listed = bad.http_statuses.contains(&status);
    listed.then_some((Report::Http, bad.http_failures))
}

fn value(text: &str) -> Result<HeaderValue, http::Error> {
    Ok(HeaderValue::from_str(text)?)
}

/// Stops the task that drives a connection.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a check got no answer.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    /// TCP or TLS.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// No HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The path or a header of the check cannot be sent.
    #[error("the check cannot be sent: {0}")]
    Request(#[from] http::Error),
    /// The name is none that TLS could check.
    #[error("the host is not a name for TLS")]
    Name,
}
