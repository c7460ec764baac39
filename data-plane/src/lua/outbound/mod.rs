//! How Lua plugins call other services: `resty.http`'s other half (custom-plugins.md 5.1).
//!
//! Read in this order: [`Outbound`] is what a worker has, [`Connection`] one connection to a service, [`OutRequest`] what
//! is asked of it, [`socket`] connections that speak something else, [`Egress`] where plugins may go at all. Nothing is
//! shared between workers, so nothing is locked.
//! What fails is a text in the words of OpenResty, for plugins compare them.

pub mod bind;
mod connection;
mod egress;
mod flights;
mod pool;
mod request;
pub mod socket;
#[cfg(test)]
pub(in crate::lua) mod tests;
mod tls;
mod watched;
mod words;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;

use crate::carried::dns::Dns;
use crate::carried::trust::Trust;
use crate::listen::Node;

pub use connection::{Connection, Failed, Head, Kept, LONGEST_BODY};
pub use egress::{Allowed, Egress};
pub use flights::Slot;
pub use pool::Keep;
pub use request::Draft;

use flights::Flights;
use pool::{Key, Pool, Ready};
use tls::Tls;

/// How plugins call out, from the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `custom_plugins_egress` and `custom_plugins_egress_allow`.
    pub egress: Egress,
    /// `custom_plugins_requests`: how many requests and connections one plugin may have under way on one worker.
    pub requests: usize,
}

/// Who calls out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// Whether it came from the node's own folder, not with the configuration.
    pub trusted: bool,
}

/// Where a connection goes, and how.
#[derive(Clone, Debug, Default)]
pub struct Destination {
    /// Name or address; an IPv6 address with its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How TLS is spoken; `None` for none.
    pub tls: Option<TlsTerms>,
    /// A name that sets connections apart which would be alike otherwise.
    pub pool: Option<String>,
    /// Through whom.
    pub proxy: Option<Proxy>,
}

/// How TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsTerms {
    /// The name sent and verified.
    pub server_name: String,
    /// Whether the certificate is verified.
    pub verify: bool,
}

/// A proxy that speaks plain HTTP. It is asked for a tunnel where TLS follows, else for the request itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `Proxy-Authorization`.
    pub authorization: Option<Vec<u8>>,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// Between two writes.
    pub send: Duration,
    /// Between two reads.
    pub read: Duration,
}

impl Default for Timeouts {
    /// 60 s each, as OpenResty's `lua_socket_*_timeout`.
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            connect: minute,
            send: minute,
            read: minute,
        }
    }
}

/// A whole request.
#[derive(Clone, Debug)]
pub struct OutRequest {
    /// Where it goes.
    pub to: Destination,
    /// What is sent.
    pub draft: Draft,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// How the connection is kept; `None`: it is closed.
    pub keep: Option<Keep>,
}

/// A whole answer.
#[derive(Debug)]
pub struct OutResponse {
    /// Status, version, headers.
    pub head: Parts,
    /// Whether such an answer to such a request has a body, be it an empty one.
    pub has_body: bool,
    /// The body.
    pub body: Bytes,
}

/// A worker's way to call out for its plugins.
pub struct Outbound {
    dns: Dns,
    tls: Tls,
    settings: Settings,
    pool: Rc<Pool<Key, Ready>>,
    sockets: Rc<socket::Waiting>,
    flights: Rc<Flights>,
}

thread_local! {
    // Opened once for each worker; on other threads plugins call nobody.
    static OPEN: RefCell<Option<Rc<Outbound>>> = const { RefCell::new(None) };
}

/// Lets the plugins of this thread call out, as the node's settings say.
pub fn open(node: &Node) {
    let (trust, settings) = (&node.settings.trust, node.settings.outbound.clone());
    let outbound = Outbound::new(node.dns.clone(), trust, settings);
    OPEN.with_borrow_mut(|open| *open = Some(Rc::new(outbound)));
}

/// This thread's way out, if it has one.
pub fn current() -> Option<Rc<Outbound>> {
    OPEN.with_borrow(Clone::clone)
}

impl Outbound {
    /// For one worker: it belongs to the thread that it is first used on.
    pub fn new(dns: Dns, trust: &Trust, settings: Settings) -> Self {
        Self {
            dns,
            tls: Tls::new(trust),
            flights: Rc::new(Flights::new(settings.requests)),
            settings,
            pool: Rc::default(),
            sockets: Rc::default(),
        }
    }

    /// Sends a request and reads the whole answer, over a connection that waits for one if there is any.
    ///
    /// # Errors
    /// Texts: `connection refused`, `timeout`, `closed`, `<host> could not be resolved (3: Host not found)`,
    /// `18: self-signed certificate` and the like, `response too large`, `too many connections`, a refusal that names
    /// `custom_plugins_egress`.
    pub async fn send(&self, caller: &Caller, request: OutRequest) -> Result<OutResponse, String> {
        let slot = self.flights.enter(&caller.plugin)?;
        let mut connection = self
            .connect_in(slot, caller, &request.to, &request.timeouts)
            .await?;
        let head = match connection.request(&request.draft, &request.timeouts).await {
            Ok(head) => head,
            // The service may close a connection that waits at the very moment when it is used again.
            Err(failed) if failed.may_try_anew => {
                let slot = connection.leave();
                let fresh = self.open(slot, caller, &request.to, &request.timeouts);
                connection = fresh.await?;
                let answer = connection.request(&request.draft, &request.timeouts);
                answer.await.map_err(|failed| failed.words)?
            }
            Err(failed) => return Err(failed.words),
        };
        let body = connection.whole_body(&request.timeouts).await?;
        if let Some(keep) = request.keep {
            self.keep(connection, keep);
        }
        Ok(OutResponse {
            has_body: head.has_body,
            head: head.parts,
            body,
        })
    }

    /// A connection: one that waits for its next request if there is any.
    ///
    /// # Errors
    /// As [`Outbound::send`].
    pub async fn connect(
        &self,
        caller: &Caller,
        to: &Destination,
        timeouts: &Timeouts,
    ) -> Result<Connection, String> {
        let slot = self.flights.enter(&caller.plugin)?;
        self.connect_in(slot, caller, to, timeouts).await
    }

    /// TLS on a connection that has none and has carried nothing yet.
    ///
    /// # Errors
    /// As [`Outbound::send`]; the connection is closed.
    pub async fn secure(
        &self,
        connection: &mut Connection,
        terms: TlsTerms,
        timeouts: &Timeouts,
    ) -> Result<(), String> {
        let secured = connection.secure(&self.tls, &self.pool, terms, timeouts);
        secured.await
    }

    /// Keeps a connection for the next request to the same place, if it can carry one.
    pub fn keep(&self, connection: Connection, keep: Keep) -> Kept {
        match connection.idle() {
            Ok((key, ready)) => {
                self.pool.put(key, ready, keep);
                Kept::Yes
            }
            Err(why) => why,
        }
    }

    /// How many connections wait.
    pub fn idle(&self) -> usize {
        self.pool.len()
    }

    async fn connect_in(
        &self,
        slot: Slot,
        caller: &Caller,
        to: &Destination,
        timeouts: &Timeouts,
    ) -> Result<Connection, String> {
        match self.pool.take(&Key::of(to, caller.trusted)) {
            Some(idle) => Ok(Connection::again(slot, caller, to, idle)),
            None => self.open(slot, caller, to, timeouts).await,
        }
    }

    async fn open(
        &self,
        slot: Slot,
        caller: &Caller,
        to: &Destination,
        timeouts: &Timeouts,
    ) -> Result<Connection, String> {
        Connection::open(slot, self.way(), caller, to, timeouts).await
    }

    fn way(&self) -> connection::Way<'_> {
        connection::Way {
            dns: &self.dns,
            tls: &self.tls,
            egress: &self.settings.egress,
        }
    }
}
