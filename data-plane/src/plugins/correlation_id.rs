//! `correlation-id`: gives each request an id that the upstream, and on demand the client, can see.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use shared::plugins::{CorrelationId, Generator};
use tracing::warn;
use uuid::Uuid;

use super::transform::headers;
use super::{BodyUse, Ctx, Filter, Flow, PhaseSet, Phases, Plugin};

const DEFAULT_HEADER: HeaderName = HeaderName::from_static("kong-request-id");

/// The handler.
pub struct Handler {
    header: Option<HeaderName>,
    generator: Generator,
    echo: bool,
}

impl Plugin for Handler {
    type Config = CorrelationId;

    fn new(config: &CorrelationId) -> Self {
        let header = match &config.header_name {
            Some(name) => HeaderName::from_bytes(name.as_bytes()).ok(),
            None => Some(DEFAULT_HEADER),
        };
        if header.is_none() {
            warn!(
                header_name = config.header_name,
                "correlation-id: not a legal field name, nothing is done"
            );
        }
        Self {
            header,
            generator: config.generator,
            echo: config.echo_downstream,
        }
    }
}

impl Phases for Handler {
    fn phases(&self) -> PhaseSet {
        PhaseSet {
            access: self.header.is_some(),
            header_filter: self.header.is_some() && self.echo,
            ..PhaseSet::default()
        }
    }

    fn access(&self, ctx: &mut Ctx) -> Flow {
        if let Some(name) = &self.header {
            let id = self.of_client(ctx, name).unwrap_or_else(|| {
                let id = self.generate(ctx);
                let _ = ctx.request.headers.try_insert(name, id.clone());
                id
            });
            if self.echo {
                ctx.correlation_id = Some(id);
            }
        }
        Flow::Continue
    }

    fn header_filter(&self, ctx: &mut Ctx) -> Filter {
        if let Some(name) = &self.header {
            // Where access never ran there is no id yet.
            let id = ctx.correlation_id.clone();
            let id = id
                .or_else(|| self.of_client(ctx, name))
                .unwrap_or_else(|| self.generate(ctx));
            let _ = ctx.response.headers.try_insert(name, id);
        }
        Filter::Body(BodyUse::Stream)
    }
}

impl Handler {
    /// What the client sent; an empty value counts as none.
    fn of_client(&self, ctx: &Ctx, name: &HeaderName) -> Option<HeaderValue> {
        ctx.request
            .headers
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    fn generate(&self, ctx: &Ctx) -> HeaderValue {
        let text = match self.generator {
            Generator::Uuid => Uuid::new_v4().to_string(),
            Generator::Counter => WORKER.with(Worker::next),
            Generator::Tracker => {
                let conn = &ctx.conn;
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                tracker(
                    conn.local,
                    std::process::id(),
                    conn.serial,
                    conn.served(),
                    now.as_secs_f64(),
                )
            }
        };
        headers::value(text.as_bytes())
    }
}

/// Server address and port, process, connection, request on that connection, seconds.
fn tracker(
    server: std::net::SocketAddr,
    process: u32,
    connection: u64,
    request: u64,
    seconds: f64,
) -> String {
    format!(
        "{}-{}-{process}-{connection}-{request}-{seconds:.3}",
        server.ip(),
        server.port()
    )
}

thread_local! {
    static WORKER: Worker = Worker::default();
}

/// Ids of one worker thread, so that no two threads share a counter.
struct Worker {
    id: Uuid,
    count: Cell<u64>,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            id: Uuid::new_v4(),
            count: Cell::new(0),
        }
    }
}

impl Worker {
    fn next(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("{}#{}", self.id, self.count.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_counts_from_one() {
        let worker = Worker::default();
        let ids = [worker.next(), worker.next()];
        assert_eq!(
            ids,
            [format!("{}#1", worker.id), format!("{}#2", worker.id)]
        );
        assert_ne!(worker.id, Worker::default().id);
    }

    #[test]
    fn a_tracker_names_server_process_connection_and_request() {
        let server = "127.0.0.1:8000".parse().expect("an address");
        assert_eq!(
            tracker(server, 42, 7, 3, 1.5),
            "127.0.0.1-8000-42-7-3-1.500"
        );
    }
}
