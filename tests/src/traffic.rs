//! Steady traffic beside a test: connections that never stop asking and count every answer that is not right.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::wire::{Conn, Reply, Request};

/// Says what is wrong with an answer, if anything.
pub type Check = dyn Fn(&Reply) -> Result<(), String> + Send + Sync;

/// How many failures are described in full.
const DESCRIBED: usize = 20;

/// Running traffic; ends when dropped.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    address: SocketAddr,
    request: Request,
    check: Box<Check>,
    stop: AtomicBool,
    requests: AtomicUsize,
    failures: AtomicUsize,
    described: Mutex<Vec<String>>,
}

/// What the traffic saw.
#[derive(Debug)]
pub struct Outcome {
    pub requests: usize,
    pub failures: usize,
    /// The first failures in words.
    pub described: Vec<String>,
}

impl Outcome {
    /// Panics if a request failed or none was made.
    #[track_caller]
    pub fn assert_flawless(&self) {
        assert!(self.requests > 0, "there was no traffic");
        assert_eq!(
            self.failures, 0,
            "of {} requests: {:#?}",
            self.requests, self.described
        );
    }
}

impl Load {
    /// GET `path` over `connections` kept connections; only a 200 is right.
    pub fn start(address: SocketAddr, path: &str, connections: usize) -> Load {
        Load::checked(
            address,
            Request::get(path),
            connections,
            |reply| match reply.status {
                200 if reply.note.is_empty() => Ok(()),
                _ => Err(reply.to_string()),
            },
        )
    }

    /// As [`Load::start`], with any request and any idea of what is right.
    pub fn checked(
        address: SocketAddr,
        request: Request,
        connections: usize,
        check: impl Fn(&Reply) -> Result<(), String> + Send + Sync + 'static,
    ) -> Load {
        let shared = Arc::new(Shared {
            address,
            request,
            check: Box::new(check),
            stop: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            described: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(shared.clone().run());
        }
        Load { shared, tasks }
    }

    /// How many answers came so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Waits until `more` further answers came.
    pub async fn further(&self, more: usize) {
        let wanted = self.requests() + more;
        while self.requests() < wanted {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Lets the requests under way end and says what was seen.
    pub async fn stop(mut self) -> Outcome {
        self.shared.stop.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        Outcome {
            requests: self.requests(),
            failures: self.shared.failures.load(Ordering::SeqCst),
            described: std::mem::take(
                &mut *self.shared.described.lock().expect("checks do not panic"),
            ),
        }
    }
}

impl Shared {
    async fn run(self: Arc<Shared>) {
        let bytes = self.request.bytes("gateway.test");
        let mut conn = None;
        while !self.stop.load(Ordering::SeqCst) {
            let reply = self.one(&mut conn, &bytes).await;
            if let Err(failure) = (self.check)(&reply) {
                self.failed(failure);
                // A broken connection must not turn into a busy loop.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            self.requests.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn one(&self, kept: &mut Option<Conn>, bytes: &[u8]) -> Reply {
        let mut conn = match kept.take() {
            Some(conn) => conn,
            None => match Conn::plain(self.address).await {
                Ok(conn) => conn,
                Err(_) => {
                    return Reply {
                        note: "cannot connect",
                        ..Reply::default()
                    };
                }
            },
        };
        if conn.send(bytes).await.is_err() {
            return Reply {
                note: "cannot send",
                ..Reply::default()
            };
        }
        let reply = conn.reply(&self.request.method).await;
        let closing = reply
            .header("connection")
            .is_some_and(|v| v.eq_ignore_ascii_case("close"));
        if reply.status != 0 && reply.note.is_empty() && !closing {
            *kept = Some(conn);
        }
        reply
    }

    fn failed(&self, failure: String) {
        self.failures.fetch_add(1, Ordering::SeqCst);
        let mut described = self.described.lock().expect("checks do not panic");
        if described.len() < DESCRIBED {
            described.push(failure);
        }
    }
}
