//! Ports that nobody else is given while a test goes on.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A loopback port that is bound and not listened at. Whoever connects is refused, and the system gives the port to nobody
/// else, neither to a listener nor to a client; but a process that is told to may listen there, go, and come back.
pub struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub fn hold() -> Port {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        // Without it the process that is told of the port could not bind it.
        socket
            .set_reuseaddr(true)
            .expect("a new socket takes options");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(any).expect("a loopback port is free");
        let address = socket.local_addr().expect("a bound socket has an address");
        Port { socket, address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// Listens there from now on.
    pub fn listen(self) -> TcpListener {
        self.socket.listen(64).expect("the port is held")
    }
}
