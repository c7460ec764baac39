//! The sockets of workers, as somebody else may close and open them: a worker that is held accepts nothing, and what comes
//! in would wait for it behind its door, since the kernel deals connections out to all sockets of an address that listen.

use std::net::{Shutdown, TcpListener};

use shared::settings::Listen;
use socket2::SockRef;

use super::sockets::backlog;

/// The doors of all workers.
#[derive(Default)]
pub struct Doors(Vec<Door>);

struct Door {
    worker: String,
    sockets: Vec<(TcpListener, i32)>,
    closed: bool,
}

impl Doors {
    /// Those of one more worker, with the name of its thread.
    ///
    /// # Errors
    /// When the system gives no second handle of a socket.
    pub fn add<'s>(
        &mut self,
        worker: String,
        sockets: impl Iterator<Item = (&'s Listen, &'s TcpListener)>,
    ) -> std::io::Result<()> {
        let second =
            |(listen, socket): (&Listen, &TcpListener)| Ok((socket.try_clone()?, backlog(listen)));
        self.0.push(Door {
            worker,
            sockets: sockets.map(second).collect::<std::io::Result<_>>()?,
            closed: false,
        });
        Ok(())
    }

    /// Closes the doors of these workers, and opens all others. If nobody else is left they stay as they are: waiting is
    /// better than a refusal.
    pub fn close_only(&mut self, held: &[String]) {
        let is_held = |door: &Door| held.contains(&door.worker);
        let all = self.0.iter().all(is_held);
        for door in &mut self.0 {
            let close = is_held(door) && !all;
            if close == door.closed {
                continue;
            }
            for (socket, backlog) in &door.sockets {
                let socket = SockRef::from(socket);
                // On Linux a listening socket that is shut down is like one that is bound and does not listen.
                let done = match close {
                    true => socket.shutdown(Shutdown::Read),
                    false => socket.listen(*backlog),
                };
                if let Err(error) = done {
                    tracing::warn!(worker = door.worker, %error, close, "a listener cannot be closed or opened");
                }
            }
            door.closed = close;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;
    use crate::listen::bind;

    /// How many of so many connections each of the sockets gets.
    fn dealt(sockets: &[TcpListener], count: usize) -> Vec<usize> {
        let address = sockets[0].local_addr().expect("bound");
        let _clients: Vec<_> = (0..count)
            .map(|_| TcpStream::connect(address).expect("somebody listens"))
            .collect();
        let accepted = |socket: &TcpListener| {
            let all = std::iter::from_fn(|| socket.accept().ok());
            all.count()
        };
        sockets.iter().map(accepted).collect()
    }

    #[test]
    fn others_get_what_a_worker_with_a_closed_door_would_have_got() {
        let listen = Listen {
            address: ([127, 0, 0, 1], 0).into(),
            tls: false,
            http2: false,
            backlog: None,
            ipv6only: None,
        };
        let bound = bind(&listen, 2, "proxy_listen").expect("loopback can be bound");
        let mut doors = Doors::default();
        for (place, socket) in bound.sockets.iter().enumerate() {
            let name = format!("worker-{place}");
            let socket = std::iter::once((&bound.listen, socket));
            doors.add(name, socket).expect("a second handle");
        }
        let both = |dealt: Vec<usize>| dealt[0] > 0 && dealt[1] > 0 && dealt[0] + dealt[1] == 64;
        assert!(both(dealt(&bound.sockets, 64)));
        for held in [0, 1] {
            doors.close_only(&[format!("worker-{held}")]);
            let all = dealt(&bound.sockets, 64);
            assert_eq!((all[held], all[1 - held]), (0, 64));
            let refused = bound.sockets[held]
                .accept()
                .expect_err("it does not listen");
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
            doors.close_only(&[]);
            assert!(both(dealt(&bound.sockets, 64)), "worker-{held} is back");
        }
        // Nobody is left: they may wait.
        doors.close_only(&["worker-0".to_owned(), "worker-1".to_owned()]);
        assert!(both(dealt(&bound.sockets, 64)));
    }
}
