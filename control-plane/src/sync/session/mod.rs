//! One node, one task: Hello, then at most one update at a time until the node runs what it should.

mod answers;
mod greeting;
mod outstanding;

use super::Shared;
use super::accept::Caller;
use super::nodes::{Ending, Greeting};
use super::plan::{Decision, Peer};
use super::rollout::{Event, Stage};
use greeting::{Hailed, greet};
use outstanding::Outstanding;
use shared::sync::proto::goodbye::Reason as End;
use shared::sync::proto::to_node::M as To;
use shared::sync::proto::welcome::Plan;
use shared::sync::proto::{FromNode, Goodbye, Heartbeat, ToNode, Welcome};
use shared::sync::{PROTOCOL, backoff};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};
use uuid::Uuid;

/// sync-protocol.md 5, timers.
const HEARTBEAT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// How long a node that waits for its turn with a snapshot waits before it asks again.
const TURN: Duration = Duration::from_millis(250);
/// The end of a session is not held up by a node that does not read.
const FAREWELL: Duration = Duration::from_secs(1);

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
        let target = stage.target(&self.node).map(|target| &**target);
        let (plan, wait) = match self.peer.decide(target).plan() {
            Plan::Snapshot if self.shared.snapshots.available_permits() == 0 => (Plan::Wait, TURN),
            plan => (plan, Duration::ZERO),
        };
        let version = self.shared.store.version();
        let welcome = Welcome {
            protocol: PROTOCOL,
            session_id: Uuid::new_v4().as_bytes().to_vec(),
            cp: self.shared.name.clone(),
            epoch: version.epoch.as_bytes().to_vec(),
            head: version.revision,
            plan: plan.into(),
            wait_ms: wait.as_millis() as u32,
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
                .is_some_and(Outstanding::is_sending);
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
        if let Some(part) = update.next_part() {
            permit.send(Ok(ToNode {
                m: Some(To::Update(part)),
            }));
        }
    }

    /// Speaks, and looks whether the other side still does.
    fn beat(&mut self) -> Result<(), Over> {
        if self.last_heard.elapsed() > SILENCE {
            return Err(Over::Gone);
        }
        if let Some(update) = &mut self.outstanding {
            if update.is_too_slow() {
                let message = "the snapshot makes no progress".to_owned();
                return Err(Over::Told(End::Slow, message, SILENCE));
            }
            let patience = SILENCE.max(10 * self.last_build);
            if !update.is_sending() && update.began.elapsed() > patience {
                let reason = format!(
                    "stalled: no answer to revision {} yet",
                    update.target.revision
                );
                self.shared
                    .nodes
                    .explain(self.node, self.number, Some(reason));
            }
        }
        let heartbeat = Heartbeat {
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
}
