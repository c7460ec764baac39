//! Sockets that send datagrams: `ngx.socket.udp`.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use tokio::net::UdpSocket;

use super::{Busy, Closes, Place};
use crate::carried::deadline::within;
use crate::lua::outbound::words::{self, CLOSED, TIMEOUT};
use crate::lua::outbound::{Caller, Outbound, Slot, Timeouts};

/// One of them.
pub struct Datagrams {
    outbound: Rc<Outbound>,
    caller: Caller,
    // Whoever waits on it keeps it.
    open: RefCell<Option<Rc<(UdpSocket, Slot)>>>,
    reading: Cell<bool>,
    timeouts: Cell<Timeouts>,
}

impl Closes for Datagrams {
    fn end_now(&self) {
        self.open.take();
    }
}

impl Datagrams {
    /// One that has no other side.
    pub fn new(outbound: Rc<Outbound>, caller: Caller) -> Self {
        Self {
            outbound,
            caller,
            open: RefCell::default(),
            reading: Cell::default(),
            timeouts: Cell::default(),
        }
    }

    /// How long each step may take from now on.
    pub fn set_timeouts(&self, timeouts: Timeouts) {
        self.timeouts.set(timeouts);
    }

    /// Says who the other side is.
    ///
    /// # Errors
    /// As [`super::Socket::connect`].
    pub async fn set_peer(&self, place: Place) -> Result<(), String> {
        let Place::Host(host, port) = place else {
            return Err("datagrams go to hosts only".to_owned());
        };
        self.open.take();
        let slot = self.outbound.flights.enter(&self.caller.plugin)?;
        let connecting = async {
            let resolved = self.outbound.dns.resolve(&host, port).await;
            let addresses = resolved.map_err(|error| words::of_dns(&host, &error))?;
            let address = addresses.first();
            let egress = &self.outbound.settings.egress;
            egress.check(self.caller.trusted, &host, address.ip())?;
            let own: SocketAddr = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let said = |error| words::of_io(&error);
            let socket = UdpSocket::bind(own).await.map_err(said)?;
            socket.connect(address).await.map_err(said)?;
            Ok(socket)
        };
        let connected = within(self.timeouts.get().connect, connecting).await;
        let socket = connected.unwrap_or_else(|_| Err(TIMEOUT.to_owned()))?;
        self.open.replace(Some(Rc::new((socket, slot))));
        Ok(())
    }

    /// Sends one.
    ///
    /// # Errors
    /// `closed`, `connection refused` (of one sent before), `message too long` and the like.
    pub async fn send(&self, text: &[u8]) -> Result<(), String> {
        let open = self.there()?;
        let sent = within(self.timeouts.get().send, open.0.send(text)).await;
        match sent {
            Ok(sent) => sent.map(drop).map_err(|error| words::of_io(&error)),
            Err(_) => Err(TIMEOUT.to_owned()),
        }
    }

    /// Receives one, as much of it as is wanted.
    ///
    /// # Errors
    /// `closed`, `timeout`, `connection refused` and the like.
    pub async fn receive(&self, most: usize) -> Result<Vec<u8>, String> {
        let _reading = Busy::begin(&self.reading, "socket busy")?;
        let open = self.there()?;
        let mut datagram = vec![0; most];
        let received = within(self.timeouts.get().read, open.0.recv(&mut datagram)).await;
        let count = received
            .map_err(|_| TIMEOUT.to_owned())?
            .map_err(|error| words::of_io(&error))?;
        datagram.truncate(count);
        Ok(datagram)
    }

    /// Closes it. False: it was.
    pub fn close(&self) -> bool {
        self.open.take().is_some()
    }

    fn there(&self) -> Result<Rc<(UdpSocket, Slot)>, String> {
        self.open.borrow().clone().ok_or_else(|| CLOSED.to_owned())
    }
}
