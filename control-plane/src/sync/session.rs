//! One node, one task: Hello, then at most one update at a time until the node runs what it should.

use super::accept::Caller;
use super::nodes::{Ending, Greeting, LastNack};
use super::plan::{Decision, Peer};
use super::rollout::{Event, Stage};
use super::target::Way;
use super::{Shared, record};
use shared::sync::frame;
use shared::sync::proto::{self, Ack, FromNode, Goodbye, Hello, Nack, ToNode, Update, Welcome};
use shared::sync::proto::{
    ack::Stage as AckStage, from_node::M as From, goodbye::Reason as End, nack::Code,
    to_node::M as To,
};
use shared::sync::{PROTOCOL, Version, backoff};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tonic::{Status, Streaming};
use uuid::Uuid;

/// sync-protocol.md 5, timers.
const HELLO: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
const PROGRESS: Duration = Duration::from_secs(60);
const PROGRESS_BYTES: usize = 16 * 1024 * 60;
/// How long a node that waits for its turn with a snapshot waits before it asks again.
const TURN: Duration = Duration::from_millis(250);
/// The end of a session is not held up by a node that does not read.
const FAREWELL: Duration = Duration::from_secs(1);
/// Texts of a Nack that are kept.
const ISSUES: usize = 20;

pub(super) type Outbound = mpsc::Sender<Result<ToNode, Status>>;

/// Why a session is over.
enum Over {
    /// The node is told.
    Told(End, String, Duration),
    /// It went, or the connection did.
    Gone,
}

impl Over {
    fn protocol(text: impl Into<String>) -> Over {
        Over::Told(End::Protocol, text.into(), Duration::ZERO)
    }
}

/// Serves one stream to its end.
pub(super) async fn serve(
    shared: Arc<Shared>,
    caller: Caller,
    mut inbound: Streaming<FromNode>,
    outbound: Outbound,
) {
    let over = match greet(&shared, &caller, &mut inbound).await {
        Ok(hello) => Session::begin(shared, caller, hello, inbound, outbound.clone()).await,
        Err(over) => over,
    };
    if let Over::Told(reason, message, retry_after) = over {
        let retry_after_ms = retry_after.as_millis() as u32;
        let goodbye = Goodbye {
            reason: reason.into(),
            retry_after_ms,
            message,
        };
        let told = outbound.send(Ok(ToNode {
            m: Some(To::Goodbye(goodbye)),
        }));
        let _ = tokio::time::timeout(FAREWELL, told).await; // a node that does not read needs no farewell
    }
}

/// What Hello said, checked.
struct Hailed {
    node: Uuid,
    hello: Hello,
    running: Option<Version>,
    durable: Option<Version>,
}

/// Takes Hello and checks that it is who its certificate says.
async fn greet(
    shared: &Shared,
    caller: &Caller,
    inbound: &mut Streaming<FromNode>,
) -> Result<Hailed, Over> {
    let first = tokio::time::timeout(HELLO, inbound.message()).await;
    let first = first.map_err(|_| Over::protocol("no Hello within 5 s"))?;
    let hello = match first {
        Ok(Some(FromNode {
            m: Some(From::Hello(hello)),
        })) => hello,
        Ok(Some(_)) => return Err(Over::protocol("the first message must be Hello")),
        Ok(None) | Err(_) => return Err(Over::Gone),
    };
    if hello.protocol != PROTOCOL {
        return Err(Over::protocol(format!(
            "protocol {} is not spoken here, {PROTOCOL} is",
            hello.protocol
        )));
    }
    let certified = caller.peer.as_ref().map(|peer| peer.name.as_str());
    let node = Uuid::parse_str(&hello.node_id).ok();
    let Some(node) = node.filter(|node| certified == Some(node.to_string().as_str())) else {
        tracing::warn!(address = %caller.address, claimed = %hello.node_id, ?certified, "node claims another's id");
        return Err(Over::protocol("node_id is not the one of the certificate"));
    };
    if let Err(revoked) = shared.nodes.admit(node) {
        return Err(Over::Told(
            End::Revoked,
            revoked.to_string(),
            Duration::from_secs(60),
        ));
    }
    let running = version(hello.running.as_ref())?;
    let durable = version(hello.durable.as_ref())?;
    Ok(Hailed {
        node,
        hello,
        running,
        durable,
    })
}

fn version(wire: Option<&proto::Version>) -> Result<Option<Version>, Over> {
    wire.map(Version::try_from)
        .transpose()
        .map_err(|error| Over::protocol(error.to_string()))
}

struct Session {
    shared: Arc<Shared>,
    number: u64,
    node: Uuid,
    /// What the node is known to have and to refuse.
    peer: Peer,
    stage: watch::Receiver<Stage>,
    outbound: Outbound,
    outstanding: Option<Outstanding>,
    last_update: u64,
    last_build: Duration,
    last_heard: Instant,
    /// The newest clock value of the node, to be echoed.
    node_clock: u64,
}

/// The update that the node has not answered yet.
struct Outstanding {
    id: u64,
    target: Version,
    began: Instant,
    /// What is left to send.
    parts: Option<Box<dyn Iterator<Item = Update> + Send>>,
    /// Data sent since `window` began.
    sent: usize,
    window: Instant,
    /// Held by a snapshot until it is answered.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    async fn begin(
        shared: Arc<Shared>,
        caller: Caller,
        hailed: Hailed,
        inbound: Streaming<FromNode>,
        outbound: Outbound,
    ) -> Over {
        let Hailed {
            node,
            hello,
            running,
            durable,
        } = hailed;
        let number = shared.next_session();
        let peer = Peer::new(running, &hello.refused);
        let (end, ending) = mpsc::channel(1);
        let software = hello.software.clone();
        shared.suspect_lost_history(node, running).await;
        let greeting = Greeting {
            instance: hello.instance_id,
            address: caller.address,
            hostname: hello.hostname,
            software: hello.software,
            booted_from: hello.booted_from,
            cache_error: hello.cache_error,
            running,
            durable,
        };
        shared.nodes.connected(node, number, greeting, end);
        let refused = peer.refused().collect();
        shared.tell(Event::Connected {
            node,
            software,
            running,
            refused,
        });
        tracing::info!(%node, address = %caller.address, revision = running.map(|version| version.revision), "node connected");
        let mut session = Session {
            number,
            node,
            peer,
            stage: shared.stage.subscribe(),
            outbound,
            outstanding: None,
            last_update: 0,
            last_build: Duration::ZERO,
            last_heard: Instant::now(),
            node_clock: 0,
            shared: shared.clone(),
        };
        let over = match session.welcome().await {
            Ok(()) => session.run(inbound, ending).await,
            Err(over) => over,
        };
        if shared.nodes.disconnected(node, number) {
            shared.tell(Event::Lost { node });
        }
        tracing::info!(%node, "node disconnected");
        over
    }

    async fn welcome(&mut self) -> Result<(), Over> {
        let stage = self.stage.borrow_and_update().clone();
        let plan = self
            .peer
            .decide(stage.target(&self.node).map(|target| &**target))
            .plan();
        let version = self.shared.store.version();
        let welcome = Welcome {
            protocol: PROTOCOL,
            session_id: Uuid::new_v4().as_bytes().to_vec(),
            cp: self.shared.name.clone(),
            epoch: version.epoch.as_bytes().to_vec(),
            head: version.revision,
            plan: plan.into(),
            wait_ms: 0,
            heartbeat_ms: HEARTBEAT.as_millis() as u32,
            reconnect_cap_ms: backoff::advised_cap(self.shared.nodes.count()).as_millis() as u32,
        };
        self.outbound
            .send(Ok(ToNode {
                m: Some(To::Welcome(welcome)),
            }))
            .await
            .map_err(|_| Over::Gone)
    }

    async fn run(
        &mut self,
        mut inbound: Streaming<FromNode>,
        mut ending: mpsc::Receiver<Ending>,
    ) -> Over {
        let mut heartbeat = tokio::time::interval(backoff::around(HEARTBEAT, self.shared.random()));
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut turn = tokio::time::interval(TURN);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut waiting = false;
        loop {
            if self.outstanding.is_none() {
                waiting = self.push().await;
            }
            let sending = self
                .outstanding
                .as_ref()
                .is_some_and(|update| update.parts.is_some());
            let outbound = self.outbound.clone();
            let over = tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => {
                    Err(Over::Told(End::Shutdown, "the control plane is stopping".to_owned(), Duration::ZERO))
                }
                Some(ending) = ending.recv() => {
                    Err(Over::Told(ending.reason, String::new(), ending.retry_after))
                }
                message = inbound.message() => match message {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) | Err(_) => Err(Over::Gone),
                },
                permit = outbound.reserve(), if sending => match permit {
                    Ok(permit) => {
                        self.send_part(permit);
                        Ok(())
                    }
                    Err(_) => Err(Over::Gone),
                },
                changed = self.stage.changed() => changed.map_err(|_| Over::Gone),
                _ = heartbeat.tick() => self.beat(),
                _ = turn.tick(), if waiting => Ok(()),
            };
            if let Err(over) = over {
                return over;
            }
        }
    }

    /// Begins the next update, if the node needs one; true: it must wait for its turn.
    async fn push(&mut self) -> bool {
        let stage = self.stage.borrow_and_update().clone();
        let target = stage.target(&self.node).cloned();
        let decision = self.peer.decide(target.as_deref());
        self.shared
            .nodes
            .explain(self.node, self.number, decision.reason());
        let (Some(target), Decision::Send { base }) = (target, decision) else {
            return false;
        };
        let way = target.way_from(base, &self.shared.history).await;
        let permit = match way.base {
            Some(_) => None,
            None => match self.shared.snapshots.clone().try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => return true,
            },
        };
        self.last_update += 1;
        self.outstanding = Some(Outstanding::new(self.last_update, &target, way, permit));
        false
    }

    fn send_part(&mut self, permit: mpsc::Permit<'_, Result<ToNode, Status>>) {
        let Some(update) = &mut self.outstanding else {
            return;
        };
        match update.parts.as_mut().and_then(Iterator::next) {
            Some(part) => {
                update.sent += part.data.len();
                if part.last {
                    update.parts = None;
                }
                permit.send(Ok(ToNode {
                    m: Some(To::Update(part)),
                }));
            }
            None => update.parts = None,
        }
    }

    /// Speaks, and looks whether the other side still does.
    fn beat(&mut self) -> Result<(), Over> {
        if self.last_heard.elapsed() > SILENCE {
            return Err(Over::Gone);
        }
        if let Some(update) = &mut self.outstanding {
            if update.parts.is_some() && update.window.elapsed() > PROGRESS {
                if update.sent < PROGRESS_BYTES {
                    return Err(Over::Told(
                        End::Slow,
                        "the snapshot makes no progress".to_owned(),
                        SILENCE,
                    ));
                }
                (update.sent, update.window) = (0, Instant::now());
            }
            let patience = SILENCE.max(10 * self.last_build);
            if update.parts.is_none() && update.began.elapsed() > patience {
                let reason = format!(
                    "stalled: no answer to revision {} yet",
                    update.target.revision
                );
                self.shared
                    .nodes
                    .explain(self.node, self.number, Some(reason));
            }
        }
        let heartbeat = proto::Heartbeat {
            sent_ms: self.shared.clock(),
            echo_ms: self.node_clock,
            head: self.shared.store.head(),
        };
        // A full channel is sending something else, which serves as well.
        match self.outbound.try_send(Ok(ToNode {
            m: Some(To::Heartbeat(heartbeat)),
        })) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Over::Gone),
        }
    }

    fn take(&mut self, message: FromNode) -> Result<(), Over> {
        self.last_heard = Instant::now();
        match message.m {
            Some(From::Ack(ack)) => self.acknowledged(ack),
            Some(From::Nack(nack)) => self.rejected(nack),
            Some(From::Heartbeat(heartbeat)) => {
                self.node_clock = heartbeat.sent_ms;
                self.shared.nodes.heard(self.node, self.number);
                Ok(())
            }
            Some(From::Status(_)) => {
                self.shared.nodes.heard(self.node, self.number);
                Ok(())
            }
            Some(From::Goodbye(_)) => Err(Over::Gone),
            Some(From::Hello(_)) => Err(Over::protocol("a second Hello")),
            None => Ok(()), // something newer than we are
        }
    }

    fn acknowledged(&mut self, ack: Ack) -> Result<(), Over> {
        let Some(version) = version(ack.version.as_ref())? else {
            return Err(Over::protocol("an Ack without a version"));
        };
        match ack.stage() {
            AckStage::Durable => self.shared.nodes.durable(self.node, self.number, version),
            AckStage::Applied => {
                let asked = self
                    .outstanding
                    .take_if(|update| update.id == ack.update_id && update.target == version);
                let Some(update) = asked else {
                    return Err(Over::protocol("an Ack of something that was not sent"));
                };
                self.last_build = Duration::from_millis(ack.build_ms.into());
                self.peer.applied(version);
                self.shared.nodes.applied(self.node, self.number, version);
                self.shared.tell(Event::Applied {
                    node: self.node,
                    version,
                });
                let (node, revision, took) = (self.node, version.revision, update.began.elapsed());
                tracing::debug!(%node, revision, ?took, build_ms = ack.build_ms, "update applied");
            }
            AckStage::Unspecified => return Err(Over::protocol("an Ack of an unknown stage")),
        }
        Ok(())
    }

    fn rejected(&mut self, nack: Nack) -> Result<(), Over> {
        let Some(update) = self
            .outstanding
            .take_if(|update| update.id == nack.update_id)
        else {
            return Err(Over::protocol("a Nack of something that was not sent"));
        };
        let code = nack.code();
        let issues: Vec<String> = nack.issues.iter().take(ISSUES).map(describe).collect();
        tracing::warn!(node = %self.node, revision = update.target.revision, code = code.as_str_name(), ?issues, "update rejected");
        let last = LastNack {
            revision: update.target.revision,
            code: code.as_str_name().to_owned(),
            at: record::now(),
            issues: issues.clone(),
        };
        self.shared.nodes.refused(self.node, self.number, last);
        self.peer.rejected(update.target, code, Instant::now());
        if matches!(code, Code::Invalid | Code::Build | Code::Limit) {
            let reason = format!("{}: {}", code.as_str_name(), issues.join("; "));
            self.shared.tell(Event::Refused {
                node: self.node,
                digest: update.target.digest,
                reason,
            });
        }
        Ok(())
    }
}

impl Outstanding {
    fn new(
        id: u64,
        target: &super::target::Target,
        way: Way,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Outstanding {
        let begin = proto::Begin {
            base: way.base.map(Into::into),
            target: Some(target.version.into()),
            raw_bytes: way.frame.raw_bytes,
            state_bytes: target.state.bytes(),
            explicit_empty: target.explicit_empty,
            retry: false,
        };
        let now = Instant::now();
        Outstanding {
            id,
            target: target.version,
            began: now,
            parts: Some(Box::new(frame::updates(id, begin, &way.frame.data))),
            sent: 0,
            window: now,
            _permit: permit,
        }
    }
}

fn describe(issue: &proto::Issue) -> String {
    let id = Uuid::from_slice(&issue.id).map_or_else(|_| String::new(), |id| id.to_string());
    let place = [
        issue.kind.as_str(),
        issue.name.as_str(),
        id.as_str(),
        issue.field.as_str(),
    ];
    let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
    if place.is_empty() {
        issue.message.clone()
    } else {
        format!("{}: {}", place.join(" "), issue.message)
    }
}
