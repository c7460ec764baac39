//! Listening sockets: one per worker and address, so that the kernel spreads connections and workers share nothing.

use std::io;
use std::net::SocketAddr;

use shared::settings::Listen;
use socket2::{Domain, Protocol, Socket, Type};

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({setting}): {source}; free the port, or set another with {flag} (HEADGATE_{upper})", flag = flag(.setting), upper = .setting.to_uppercase())]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The setting it came from.
    pub setting: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

fn flag(setting: &str) -> String {
    format!("--{}", setting.replace('_', "-"))
}

/// An address that is bound, once per worker.
pub struct Bound {
    /// The listener as configured, with the port the system chose where it was 0.
    pub listen: Listen,
    /// One socket per worker.
    pub sockets: Vec<std::net::TcpListener>,
}

/// Binds `listen` once per worker. The first socket is bound without port sharing for a moment, so that a port that
/// another program holds is noticed.
///
/// # Errors
/// [`BindError`] names the address and the setting.
pub fn bind(listen: &Listen, workers: usize, setting: &'static str) -> Result<Bound, BindError> {
    let fail = |source| BindError {
        address: listen.address,
        setting,
        source,
    };
    drop(open(listen, listen.address, false).map_err(fail)?);
    let first = open(listen, listen.address, true).map_err(fail)?;
    let address = first.local_addr().map_err(fail)?;
    // Also the first one asks for the port that the system chose: else it would lose it when its door is closed.
    let sockets = (0..workers.max(1)).map(|_| open(listen, address, true).map_err(fail));
    let sockets = sockets.collect::<Result<_, _>>()?;
    Ok(Bound {
        listen: Listen {
            address,
            ..listen.clone()
        },
        sockets,
    })
}

fn open(listen: &Listen, address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(listen.ipv6only.unwrap_or(true))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog(listen))?;
    Ok(socket.into())
}

/// How many connections may wait to be accepted.
pub(super) fn backlog(listen: &Listen) -> i32 {
    listen.backlog.unwrap_or(4096).min(i32::MAX as u32) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> Listen {
        Listen {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: false,
            http2: false,
            backlog: None,
            ipv6only: None,
        }
    }

    #[test]
    fn every_worker_gets_a_socket_of_the_same_port() {
        let bound = bind(&any(), 3, "proxy_listen").expect("loopback can be bound");
        assert_eq!(bound.sockets.len(), 3);
        assert_ne!(bound.listen.address.port(), 0);
        for socket in &bound.sockets {
            assert_eq!(socket.local_addr().expect("bound"), bound.listen.address);
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_that_names_the_setting() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let listen = Listen {
            address: holder.local_addr().expect("bound"),
            ..any()
        };
        let error = bind(&listen, 1, "proxy_listen")
            .err()
            .expect("the port is taken")
            .to_string();
        assert!(
            error.contains("proxy_listen") && error.contains("--proxy-listen"),
            "{error}"
        );
    }

    #[test]
    fn a_port_that_another_node_shares_is_in_use_too() {
        let first = bind(&any(), 2, "proxy_listen").expect("loopback can be bound");
        let listen = Listen {
            address: first.listen.address,
            ..any()
        };
        assert!(bind(&listen, 2, "proxy_listen").is_err());
    }
}
