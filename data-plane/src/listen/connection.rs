//! One client's connection: what every request on it has in common is worked out once, here.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};

use super::client_certificate::Shown;
use crate::runtime::ProxySettings;

/// Whether a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// No.
    Open,
    /// When its requests have ended.
    Soon,
    /// Whatever it does.
    Now,
}

/// What client and node agreed on in TLS, as OpenSSL names it.
#[derive(Clone, Copy, Debug)]
pub struct Secured {
    /// `TLSv1.3`
    pub protocol: &'static str,
    /// `TLS_AES_256_GCM_SHA384`, `ECDHE-RSA-AES128-GCM-SHA256`
    pub cipher: &'static str,
}

impl Secured {
    /// Of what a session tells; `None` before the handshake.
    pub(super) fn of(
        version: Option<ProtocolVersion>,
        suite: Option<SupportedCipherSuite>,
    ) -> Option<Self> {
        let protocol = match version? {
            ProtocolVersion::TLSv1_3 => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let cipher = match suite?.suite() {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
            CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
                "ECDHE-ECDSA-CHACHA20-POLY1305"
            }
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
                "ECDHE-RSA-CHACHA20-POLY1305"
            }
            other => other.as_str()?,
        };
        Some(Self { protocol, cipher })
    }
}

/// One client's connection.
pub struct Connection {
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// This end.
    pub local: SocketAddr,
    /// Whether it is TLS.
    pub tls: bool,
    /// The name the client asked for in TLS.
    pub sni: Option<String>,
    /// What was agreed on in TLS.
    pub secured: Option<Secured>,
    /// What the client showed of itself, where it was asked.
    pub client: Option<Shown>,
    /// The listening port after `port_maps`.
    pub port: u16,
    /// Whether the peer is in `trusted_ips`.
    pub trusted: bool,
    /// The peer's address as a header value.
    pub(crate) peer_text: HeaderValue,
    /// `port` as a header value.
    pub(crate) port_text: HeaderValue,
    /// Which of its worker's connections it is, counted from 1.
    pub serial: u64,
    /// Requests that are being served on it.
    in_flight: Cell<u32>,
    served: Cell<u64>,
    idle_since: Cell<Instant>,
    /// When the client was given a piece of a body, while there is more of it to come.
    handed: Cell<Option<Instant>>,
    ending: Cell<Ending>,
    driver: RefCell<Option<Waker>>,
    settings: Arc<ProxySettings>,
}

impl Connection {
    /// Describes an accepted connection.
    pub fn new(
        peer: SocketAddr,
        local: SocketAddr,
        tls: bool,
        sni: Option<String>,
        settings: Arc<ProxySettings>,
    ) -> Self {
        let port = settings.mapped_port(local.port());
        let ip = peer.ip().to_canonical();
        Self {
            peer: SocketAddr::new(ip, peer.port()),
            local,
            tls,
            sni,
            secured: None,
            client: None,
            port,
            trusted: settings.is_trusted(ip),
            peer_text: HeaderValue::from_str(&ip.to_string())
                .expect("an address is a header value"),
            port_text: HeaderValue::from(port),
            serial: next_serial(),
            in_flight: Cell::new(0),
            served: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            handed: Cell::new(None),
            ending: Cell::new(Ending::Open),
            driver: RefCell::new(None),
            settings,
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The client's address: the peer, or what `real_ip_header` says when the peer is trusted.
    pub fn client_ip(&self, headers: &HeaderMap) -> IpAddr {
        let peer = self.peer.ip();
        if self.trusted {
            self.settings.real_ip(headers).unwrap_or(peer)
        } else {
            peer
        }
    }

    /// A request begins.
    pub(crate) fn begin(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.served.set(self.served.get() + 1);
    }

    /// How many requests have begun on it.
    pub fn served(&self) -> u64 {
        self.served.get()
    }

    /// A request has ended.
    pub(crate) fn end(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
        self.handed.set(None);
    }

    /// A piece of a body went to the client, with more behind it that waits for the client to take this; or nothing
    /// waits for the client any more.
    pub(crate) fn hands(&self, waits: bool) {
        self.handed.set(waits.then(Instant::now));
    }

    /// Asked at each poll by what drives the connection, which is woken when the answer changes.
    pub(super) fn ending(&self, driver: &Waker) -> Ending {
        let mut kept = self.driver.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(driver)) {
            *kept = Some(driver.clone());
        }
        self.ending.get()
    }

    /// Tells the connection to end.
    pub(super) fn end_it(&self, ending: Ending) {
        self.ending.set(ending);
        if let Some(driver) = self.driver.borrow().as_ref() {
            driver.wake_by_ref();
        }
    }

    /// Ends once no request has run for `limit`, or once a client has not taken what it asked for in `patience`: what is
    /// kept for it is memory that others wait for. One timer per connection, not per request.
    pub(crate) async fn idle_for(&self, limit: Duration, patience: Duration) {
        loop {
            let left = match (self.in_flight.get(), self.handed.get()) {
                (0, _) => limit.saturating_sub(self.idle_since.get().elapsed()),
                (_, Some(handed)) => patience.saturating_sub(handed.elapsed()),
                (_, None) => limit,
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// Serials are per worker thread: no counter is shared.
fn next_serial() -> u64 {
    thread_local! {
        static LAST: Cell<u64> = const { Cell::new(0) };
    }
    LAST.set(LAST.get() + 1);
    LAST.get()
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::config::Config;

    fn connection() -> Connection {
        let address = "127.0.0.1:1".parse().expect("an address");
        let settings = Arc::new(ProxySettings::new(&Config::default()));
        Connection::new(address, address, false, None, settings)
    }

    #[tokio::test]
    async fn a_connection_ends_when_it_idles_or_its_client_takes_nothing() {
        let (short, long) = (Duration::from_millis(10), Duration::from_secs(60));
        let conn = connection();
        conn.idle_for(short, long).await;
        conn.begin();
        let busy = timeout(5 * short, conn.idle_for(short, short));
        assert!(busy.await.is_err(), "it waits for the upstream");
        conn.hands(true);
        let slow = timeout(5 * short, conn.idle_for(short, long));
        assert!(slow.await.is_err(), "it has more time to take a piece");
        conn.idle_for(long, short).await;
        conn.hands(false);
        let waits = timeout(5 * short, conn.idle_for(short, short));
        assert!(waits.await.is_err(), "it took the piece");
        conn.hands(true);
        conn.end();
        conn.begin();
        let next = timeout(5 * short, conn.idle_for(short, short));
        assert!(
            next.await.is_err(),
            "the next answer has nothing of the last"
        );
    }
}
