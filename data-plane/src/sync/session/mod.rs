//! What is decided in one session: (state, event) → actions. No socket, no clock, no thread, so that every rule can be
//! tried as a table.
//!
//! The rules are those of the sync protocol, sections 4, 5 and 8. The caller carries out the actions in order, and calls
//! again with whatever comes of them.

mod event;
mod pulse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::model::Issue;
use shared::sync::frame::Assembly;
use shared::sync::proto::ack::Stage;
use shared::sync::proto::nack::Code;
use shared::sync::proto::welcome::Plan;
use shared::sync::proto::{self, from_node, to_node};
use shared::sync::{PROTOCOL, Version, backoff};

use super::memory::{Memory, Refusal};
use pulse::Pulse;

pub(super) use event::{Action, Built, End, Event, Failure, Order, Outcome};

/// How long Hello may wait for Welcome.
pub(super) const WELCOME_WITHIN: Duration = Duration::from_secs(5);
/// A peer silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// A build that takes longer is given up.
pub(super) const BUILD_WITHIN: Duration = Duration::from_secs(60);
/// A session that lasted so long has earned a fresh start of the back-off.
const EARNED_AFTER: Duration = Duration::from_secs(60);

/// One session, from Hello to its end.
pub(super) struct Session {
    max_state_bytes: u64,
    started: Instant,
    welcome: Option<proto::Welcome>,
    receiving: Receiving,
    building: Option<Building>,
    /// A Nack that asks for a snapshot before it may.
    held: Option<(Instant, proto::Nack)>,
    /// The newest update that was applied, to say later that it is durable.
    applied: Option<(u64, Version)>,
    pulse: Pulse,
    earned: bool,
    synced: bool,
}

enum Receiving {
    Nothing,
    Parts(Box<Incoming>),
    /// Already answered; what is left of it is of no interest.
    Rest(u64),
}

struct Incoming {
    assembly: Assembly,
    target: Version,
    base: Option<Version>,
}

struct Building {
    order: u64,
    update: u64,
    target: Version,
    since: Instant,
}

impl Session {
    pub(super) fn new(max_state_bytes: u64, now: Instant) -> Self {
        Self {
            max_state_bytes,
            started: now,
            welcome: None,
            receiving: Receiving::Nothing,
            building: None,
            held: None,
            applied: None,
            pulse: Pulse::new(now),
            earned: false,
            synced: false,
        }
    }

    /// Decides. `random` is from [0, 1).
    pub(super) fn on(
        &mut self,
        memory: &mut Memory,
        event: Event,
        now: Instant,
        random: f64,
    ) -> Vec<Action> {
        match event {
            Event::Message(message) => {
                self.pulse.heard = now;
                self.message(memory, message, now, random)
            }
            Event::Built(outcome) => self.built(memory, outcome, now),
            Event::Persisted(version) => self.persisted(memory, version),
            Event::Tick => self.tick(memory, now, random),
        }
    }

    /// When [`Event::Tick`] is due next.
    pub(super) fn deadline(&self) -> Instant {
        let silence = self.pulse.heard.min(self.pulse.echoed) + self.silence();
        let mut deadline = self.pulse.next.min(silence);
        if let Some((at, _)) = &self.held {
            deadline = deadline.min(*at);
        }
        if let Some(building) = &self.building {
            deadline = deadline.min(building.since + BUILD_WITHIN);
        }
        deadline
    }

    /// The newest revision that the control plane told.
    pub(super) fn head(&self) -> u64 {
        self.pulse.head
    }

    /// Whether this node was at its target at least once in this session.
    pub(super) fn synced(&self) -> bool {
        self.synced
    }

    /// Whether Hello was answered with Welcome.
    pub(super) fn stands(&self) -> bool {
        self.welcome.is_some()
    }

    /// Whether the build of this order is no longer waited for.
    pub(super) fn finished(&self, order: u64) -> bool {
        self.building
            .as_ref()
            .is_none_or(|building| building.order != order)
    }

    /// Whether the back-off may begin anew: not because TCP worked, but because the session did.
    pub(super) fn earned(&self, now: Instant) -> bool {
        self.earned
            || (self.welcome.is_some()
                && now.saturating_duration_since(self.started) >= EARNED_AFTER)
    }

    fn silence(&self) -> Duration {
        SILENCE.max(self.pulse.interval * 3)
    }

    fn message(
        &mut self,
        memory: &mut Memory,
        message: to_node::M,
        now: Instant,
        random: f64,
    ) -> Vec<Action> {
        match (message, self.welcome.is_some()) {
            (to_node::M::Goodbye(goodbye), _) => {
                let floor = Duration::from_millis(goodbye.retry_after_ms.into());
                vec![Action::End(End::Goodbye(
                    goodbye.reason(),
                    floor,
                    goodbye.message,
                ))]
            }
            (to_node::M::Welcome(welcome), false) => self.welcomed(welcome, now, random),
            (to_node::M::Update(update), true) => self.part(memory, update, now),
            (to_node::M::Heartbeat(heartbeat), true) => {
                self.pulse.hear(&heartbeat, now);
                Vec::new()
            }
            (to_node::M::Welcome(_), true) => protocol("a second Welcome"),
            (_, false) => protocol("something else than Welcome after Hello"),
        }
    }

    fn welcomed(&mut self, welcome: proto::Welcome, now: Instant, random: f64) -> Vec<Action> {
        if welcome.protocol != PROTOCOL {
            return protocol(&format!(
                "protocol {} where this node speaks {PROTOCOL}",
                welcome.protocol
            ));
        }
        if welcome.heartbeat_ms > 0 {
            self.pulse.interval = Duration::from_millis(welcome.heartbeat_ms.into());
        }
        self.pulse.next = now + backoff::around(self.pulse.interval, random);
        (self.pulse.heard, self.pulse.echoed) = (now, now);
        self.pulse.head = welcome.head;
        self.synced = welcome.plan() == Plan::UpToDate;
        self.welcome = Some(welcome.clone());
        vec![Action::Welcomed(welcome)]
    }

    /// One part of an update. The first says what is coming and may be answered before the rest is here.
    fn part(&mut self, memory: &mut Memory, mut part: proto::Update, now: Instant) -> Vec<Action> {
        if let Some(begin) = part.begin.take() {
            let busy = self.building.is_some() || self.held.is_some();
            if busy || matches!(self.receiving, Receiving::Parts(..)) {
                return protocol("an update while another is outstanding");
            }
            let answer = self.begin(memory, part.id, begin, now);
            if !answer.is_empty() {
                self.receiving = if part.last {
                    Receiving::Nothing
                } else {
                    Receiving::Rest(part.id)
                };
                return answer;
            }
        }
        // Data that keeps coming proves both directions, since TCP needs an answer to each piece; and whoever has much to
        // send over a thin link has no room for heartbeats.
        self.pulse.echoed = now;
        match &mut self.receiving {
            Receiving::Rest(id) if *id == part.id => {
                if part.last {
                    self.receiving = Receiving::Nothing;
                }
                Vec::new()
            }
            Receiving::Parts(incoming) => match incoming.assembly.push(&part) {
                Ok(None) => Vec::new(),
                Ok(Some(data)) => self.whole(memory, data, now),
                Err(error) => protocol(&error.to_string()),
            },
            _ => protocol("part of an update that has not begun"),
        }
    }

    /// Judges an update by its first part, in the order of the protocol: version order, refusals, sizes, base. Nothing
    /// to say: its parts are welcome.
    fn begin(
        &mut self,
        memory: &mut Memory,
        update: u64,
        begin: proto::Begin,
        now: Instant,
    ) -> Vec<Action> {
        let version = |wire: &proto::Version| Version::try_from(wire);
        let base = begin.base.as_ref().map(version).transpose();
        let target = begin.target.as_ref().map(version).transpose();
        let (base, target) = match (base, target) {
            (Ok(base), Ok(Some(target))) => (base, target),
            (Err(error), _) | (_, Err(error)) => return protocol(&error.to_string()),
            (_, Ok(None)) => return protocol("an update without a target"),
        };
        match self.judge(memory, &begin, base, target) {
            Verdict::Welcome => {
                let assembly = Assembly::new(update, begin);
                self.receiving = Receiving::Parts(Box::new(Incoming {
                    assembly,
                    target,
                    base,
                }));
                Vec::new()
            }
            Verdict::Equal => self.acknowledge(memory, update, target, Duration::ZERO, &[]),
            Verdict::Refused(failure) => self.refuse(memory, update, target, failure, now),
        }
    }

    fn judge(
        &self,
        memory: &mut Memory,
        begin: &proto::Begin,
        base: Option<Version>,
        target: Version,
    ) -> Verdict {
        if let Some(running) = memory.running {
            match target.order(&running) {
                Ordering::Less => {
                    return Verdict::failed(
                        Code::Stale,
                        format!("{target} is below {running}, which runs"),
                    );
                }
                Ordering::Equal if target.digest == running.digest => return Verdict::Equal,
                Ordering::Equal => {
                    return Verdict::failed(
                        Code::Digest,
                        format!("{target} has another digest than here"),
                    );
                }
                Ordering::Greater => {}
            }
        }
        if begin.retry {
            memory.forgive(&target.digest);
        }
        // What runs here is no risk under another number, even if it once ended the process.
        let runs = memory
            .running
            .is_some_and(|running| running.digest == target.digest);
        if let Some(refusal) = memory.refusal(&target.digest).filter(|_| !runs) {
            return Verdict::failed(Code::Refused, format!("refused before: {}", refusal.reason));
        }
        let limit = self.max_state_bytes;
        // An update's operations may weigh twice a state: all that goes and all that comes.
        if begin.state_bytes > limit || begin.raw_bytes > limit.saturating_mul(2) {
            let bytes = begin.state_bytes.max(begin.raw_bytes);
            let message = format!(
                "{bytes} bytes of configuration are more than max_state_bytes allows ({limit})"
            );
            return Verdict::failed(Code::Limit, message);
        }
        if base.is_some() && base != memory.running {
            return Verdict::failed(
                Code::Base,
                "the update builds on a version that does not run here",
            );
        }
        Verdict::Welcome
    }

    fn whole(&mut self, memory: &mut Memory, data: Bytes, now: Instant) -> Vec<Action> {
        let Receiving::Parts(incoming) = std::mem::replace(&mut self.receiving, Receiving::Nothing)
        else {
            return protocol("part of an update that has not begun");
        };
        let Incoming {
            assembly,
            target,
            base,
        } = *incoming;
        let order = memory.order();
        self.building = Some(Building {
            order,
            update: assembly.id,
            target,
            since: now,
        });
        vec![Action::Build(Order {
            order,
            base,
            target,
            raw_bytes: assembly.begin.raw_bytes,
            explicit_empty: assembly.begin.explicit_empty,
            data,
        })]
    }

    fn built(&mut self, memory: &mut Memory, outcome: Outcome, now: Instant) -> Vec<Action> {
        memory.built(&outcome);
        let Some(building) = self
            .building
            .take_if(|building| building.order == outcome.order)
        else {
            return Vec::new(); // of an earlier session, or given up
        };
        match outcome.result {
            Ok(built) => self.acknowledge(
                memory,
                building.update,
                built.version,
                built.took,
                &built.warnings,
            ),
            Err(failure) => self.refuse(memory, building.update, building.target, failure, now),
        }
    }

    fn acknowledge(
        &mut self,
        memory: &Memory,
        update: u64,
        version: Version,
        took: Duration,
        warnings: &[Issue],
    ) -> Vec<Action> {
        self.applied = Some((update, version));
        (self.earned, self.synced) = (true, true);
        let applied = proto::Ack {
            update_id: update,
            version: Some(version.into()),
            stage: Stage::Applied.into(),
            build_ms: took.as_millis().try_into().unwrap_or(u32::MAX),
            warnings: warnings
                .iter()
                .take(shared::sync::MAX_ISSUES)
                .map(Into::into)
                .collect(),
        };
        let mut actions = vec![Action::Send(from_node::M::Ack(applied))];
        if memory.durable == Some(version) {
            actions.push(self.durable(version));
        }
        actions
    }

    fn persisted(&mut self, memory: &mut Memory, version: Version) -> Vec<Action> {
        memory.durable = Some(version);
        match self.welcome {
            Some(_) => vec![self.durable(version)],
            None => Vec::new(),
        }
    }

    fn durable(&self, version: Version) -> Action {
        // Writes skip versions, and one may be finished in a later session than it was begun: then no update is meant.
        let update = self.applied.filter(|(_, applied)| *applied == version);
        Action::Send(from_node::M::Ack(proto::Ack {
            update_id: update.map_or(0, |(update, _)| update),
            version: Some(version.into()),
            stage: Stage::Durable.into(),
            build_ms: 0,
            warnings: Vec::new(),
        }))
    }

    fn refuse(
        &mut self,
        memory: &mut Memory,
        update: u64,
        target: Version,
        failure: Failure,
        now: Instant,
    ) -> Vec<Action> {
        if matches!(failure.code, Code::Invalid | Code::Build | Code::Limit) {
            memory.refuse(Refusal {
                digest: target.digest,
                reason: failure.issues.to_string(),
                crashed: false,
            });
        }
        let nack = proto::Nack {
            update_id: update,
            target: Some(target.into()),
            code: failure.code.into(),
            issues: failure.issues.iter().map(Into::into).collect(),
            more: failure.issues.more(),
        };
        if !matches!(failure.code, Code::Decode | Code::Base | Code::Digest) {
            return vec![Action::Send(from_node::M::Nack(nack))];
        }
        self.request(memory, nack, now)
    }

    /// These Nacks are answered with a snapshot, which costs: too many of them wait, and the control plane with them.
    fn request(&mut self, memory: &mut Memory, nack: proto::Nack, now: Instant) -> Vec<Action> {
        let at = memory.may_request(now);
        if at <= now {
            memory.requested(now);
            return vec![Action::Send(from_node::M::Nack(nack))];
        }
        self.held = Some((at, nack));
        match memory.exhausted() {
            true => vec![Action::Attention(
                "updates and what runs here do not match, after three snapshots within an hour"
                    .to_owned(),
            )],
            false => Vec::new(),
        }
    }

    fn tick(&mut self, memory: &mut Memory, now: Instant, random: f64) -> Vec<Action> {
        if self.welcome.is_none() {
            return match now >= self.started + WELCOME_WITHIN {
                true => vec![Action::End(End::Silent("no Welcome within 5 s"))],
                false => Vec::new(),
            };
        }
        if now >= self.pulse.heard + self.silence() {
            return vec![Action::End(End::Silent("nothing heard for 30 s"))];
        }
        if now >= self.pulse.echoed + self.silence() {
            return vec![Action::End(End::Silent("no heartbeat came back for 30 s"))];
        }
        let mut actions = self.overdue(memory, now);
        if let Some((_, nack)) = self.held.take_if(|(at, _)| *at <= now) {
            memory.requested(now);
            actions.push(Action::Send(from_node::M::Nack(nack)));
        }
        if now >= self.pulse.next {
            actions.push(self.pulse.beat(self.started, now, random));
        }
        actions
    }

    fn overdue(&mut self, memory: &mut Memory, now: Instant) -> Vec<Action> {
        let Some(building) = self
            .building
            .take_if(|building| now >= building.since + BUILD_WITHIN)
        else {
            return Vec::new();
        };
        let failure = Failure::new(Code::Build, "the build did not end within 60 s");
        let mut actions = vec![Action::Abandon(building.order)];
        actions.extend(self.refuse(memory, building.update, building.target, failure, now));
        actions
    }
}

enum Verdict {
    Welcome,
    Equal,
    Refused(Failure),
}

impl Verdict {
    fn failed(code: Code, message: impl Into<String>) -> Self {
        Self::Refused(Failure::new(code, message))
    }
}

impl Memory {
    /// What a build changes, whether its session still stands or not.
    pub(super) fn built(&mut self, outcome: &Outcome) {
        if let Ok(built) = &outcome.result {
            self.running = Some(built.version);
        }
    }
}

fn protocol(reason: &str) -> Vec<Action> {
    vec![Action::End(End::Protocol(reason.to_owned()))]
}
