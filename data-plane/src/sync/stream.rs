//! One session on the wire: carries events to the decisions of `session` and carries out what they say.

use std::time::{Duration, Instant};

use shared::sync::proto::ack::Stage;
use shared::sync::proto::sync_client::SyncClient;
use shared::sync::proto::{self, FromNode, from_node, goodbye};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, channel};
use tokio::time::{sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::builder::{Builder, Note, Permit};
use super::connect::whole;
use super::link::Link;
use super::memory::Memory;
use super::random;
use super::session::{Action, End, Event, Session, WELCOME_WITHIN};
use crate::lua::health::Reports;

/// Messages that wait for the control plane to read; a node says little.
const OUTBOX: usize = 64;
/// How long a Goodbye may take to get out.
const FAREWELL: Duration = Duration::from_secs(1);

/// The build that is under way.
pub(super) struct Outstanding {
    pub(super) order: u64,
    pub(super) permit: Permit,
    pub(super) since: Instant,
}

/// What a session needs of the node.
pub(super) struct Node<'a> {
    pub(super) link: &'a Link,
    pub(super) builder: &'a Builder,
    pub(super) memory: &'a mut Memory,
    pub(super) notes: &'a mut UnboundedReceiver<Note>,
    pub(super) outstanding: &'a mut Option<Outstanding>,
    pub(super) max_state_bytes: u64,
}

/// How a session ended.
pub(super) struct Closed {
    pub(super) reason: Reason,
    /// Whether the control plane let this node in.
    pub(super) welcomed: bool,
    /// Whether the back-off may begin anew.
    pub(super) earned: bool,
    /// The longest back-off that the control plane advised.
    pub(super) cap: Option<Duration>,
}

impl Closed {
    pub(super) const NEVER_STOOD: Self = Self {
        reason: Reason::Broken(String::new()),
        welcomed: false,
        earned: false,
        cap: None,
    };
}

pub(super) enum Reason {
    End(End),
    /// The stream broke, or was closed without a word.
    Broken(String),
    /// This process stops.
    Shutdown,
}

/// Holds one session from Hello to its end.
pub(super) async fn converse(
    channel: Channel,
    hello: proto::Hello,
    mut node: Node<'_>,
    shutdown: &CancellationToken,
) -> Closed {
    let mut session = Session::new(node.max_state_bytes, Instant::now());
    let (outbox, messages) = channel_with(from_node::M::Hello(hello));
    let mut cap = None;
    let reason = match open(channel, messages).await {
        Ok(inbox) => talk(&mut session, inbox, outbox, &mut node, &mut cap, shutdown).await,
        Err(reason) => Reason::Broken(reason),
    };
    Closed {
        reason,
        welcomed: session.stands(),
        earned: session.earned(Instant::now()),
        cap,
    }
}

fn channel_with(first: from_node::M) -> (Sender<FromNode>, ReceiverStream<FromNode>) {
    let (outbox, messages) = channel(OUTBOX);
    outbox
        .try_send(FromNode { m: Some(first) })
        .expect("the box is empty");
    (outbox, ReceiverStream::new(messages))
}

async fn open(
    channel: Channel,
    messages: ReceiverStream<FromNode>,
) -> Result<Streaming<proto::ToNode>, String> {
    let mut client = SyncClient::new(channel);
    match timeout(WELCOME_WITHIN, client.connect(messages)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(describe(&status)),
        Err(_) => Err("no answer to Hello within 5 s".to_owned()),
    }
}

async fn talk(
    session: &mut Session,
    mut inbox: Streaming<proto::ToNode>,
    outbox: Sender<FromNode>,
    node: &mut Node<'_>,
    cap: &mut Option<Duration>,
    shutdown: &CancellationToken,
) -> Reason {
    let mut reports = Reports::default();
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                farewell(outbox, inbox, goodbye::Reason::Shutdown, String::new()).await;
                return Reason::Shutdown;
            }
            // Before anything that was said: a flood must not put off the heartbeat.
            () = sleep_until(session.deadline().into()) => Event::Tick,
            Some(note) = node.notes.recv() => match note {
                Note::Built(outcome) => {
                    // Also if there is nobody left to tell: no other note of it will come.
                    node.outstanding.take_if(|build| build.order == outcome.order);
                    Event::Built(outcome)
                }
                Note::Persisted(version) => Event::Persisted(version),
                Note::Proven(digest) => {
                    node.memory.forgive(&digest);
                    continue;
                }
            },
            message = inbox.message() => match message {
                Ok(Some(proto::ToNode { m: Some(message) })) => Event::Message(message),
                Ok(Some(proto::ToNode { m: None })) => continue, // a message of a later version
                Ok(None) => return Reason::Broken("the control plane closed the session".to_owned()),
                Err(status) => return Reason::Broken(describe(&status)),
            },
        };
        if matches!(event, Event::Tick)
            && session.stands()
            && let Some(status) = reports.due(Instant::now())
        {
            // Nothing waits for it: what does not fit now is told the next time.
            let m = Some(from_node::M::Status(status));
            let _ = outbox.try_send(FromNode { m });
        }
        for action in session.on(node.memory, event, Instant::now(), random()) {
            match action {
                Action::Send(message) => {
                    node.note(&message);
                    if outbox.try_send(FromNode { m: Some(message) }).is_err() {
                        return Reason::Broken("the control plane does not read".to_owned());
                    }
                }
                Action::Build(order) => {
                    let outstanding = Outstanding {
                        order: order.order,
                        permit: Permit::default(),
                        since: Instant::now(),
                    };
                    node.builder.build(order, outstanding.permit.clone());
                    *node.outstanding = Some(outstanding);
                }
                Action::Abandon(order) => node.abandon(order),
                Action::Welcomed(welcome) => {
                    let advised = Duration::from_millis(welcome.reconnect_cap_ms.into());
                    *cap = (!advised.is_zero()).then_some(advised);
                    node.welcomed(welcome);
                }
                Action::Attention(reason) => {
                    tracing::error!(%reason, "the configuration needs attention");
                    node.link
                        .update(|status| status.needs_attention = Some(reason));
                }
                Action::End(end) => {
                    if let End::Protocol(reason) = &end {
                        farewell(outbox, inbox, goodbye::Reason::Protocol, reason.clone()).await;
                    }
                    return Reason::End(end);
                }
            }
        }
        if let Some(outstanding) = node.outstanding.as_ref()
            && session.finished(outstanding.order)
        {
            *node.outstanding = None;
        }
        let (head, synced) = (session.head(), session.synced());
        node.link.update(|status| {
            status.head = head;
            status.synced |= synced;
        });
    }
}

impl Node<'_> {
    fn abandon(&self, order: u64) {
        if let Some(outstanding) = self
            .outstanding
            .as_ref()
            .filter(|build| build.order == order)
        {
            outstanding.permit.withdraw();
        }
    }

    fn welcomed(&self, welcome: proto::Welcome) {
        let plan = welcome.plan().as_str_name();
        tracing::info!(control_plane = %welcome.cp, head = welcome.head, plan, "connected to the control plane");
        self.link.connected(true);
        self.link.update(|status| {
            status.control_plane = Some(welcome.cp);
            status.last_error = None;
        });
    }

    /// Tells the operator what the control plane is told.
    fn note(&self, message: &from_node::M) {
        match message {
            from_node::M::Nack(nack) => {
                let revision = nack.target.as_ref().map_or(0, |target| target.revision);
                let code = nack.code().as_str_name();
                let issue = nack.issues.first().map(shared::model::Issue::from);
                let issue = issue.map_or_else(String::new, |issue| issue.to_string());
                tracing::warn!(revision, code, %issue, issues = nack.issues.len(), "update rejected");
                let error = format!("revision {revision} rejected ({code}): {issue}");
                self.link.update(|status| status.last_error = Some(error));
            }
            from_node::M::Ack(ack) if ack.stage() == Stage::Applied => {
                let revision = ack.version.as_ref().map_or(0, |version| version.revision);
                tracing::info!(revision, build_ms = ack.build_ms, "configuration applied");
                self.link.update(|status| {
                    status.last_error = None;
                    status.needs_attention = None;
                });
            }
            _ => {}
        }
    }
}

/// Says why, and waits a moment for the other side to hang up, so that the words get out.
async fn farewell(
    outbox: Sender<FromNode>,
    mut inbox: Streaming<proto::ToNode>,
    reason: goodbye::Reason,
    message: String,
) {
    let goodbye = proto::Goodbye {
        reason: reason.into(),
        retry_after_ms: 0,
        message,
    };
    let m = Some(from_node::M::Goodbye(goodbye));
    if outbox.try_send(FromNode { m }).is_err() {
        return;
    }
    drop(outbox);
    let _ = timeout(FAREWELL, async {
        while let Ok(Some(_)) = inbox.message().await {}
    })
    .await;
}

fn describe(status: &Status) -> String {
    match status.message() {
        "" => whole(status),
        message => match std::error::Error::source(status) {
            Some(source) => format!("{message}: {}", whole(source)),
            None => message.to_owned(),
        },
    }
}
