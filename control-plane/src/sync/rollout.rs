//! Probe first: one node of each software version gets a new version before the others do (sync-protocol.md 7).
//!
//! Decisions only: events and the time come in, the stage that sessions follow comes out.

use super::target::Target;
use shared::sync::{Digest, Version};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A probe that has not applied by then gets company.
const ANSWER: Duration = Duration::from_secs(5);
/// A probe whose session is lost has that long to come back.
const RETURN: Duration = Duration::from_secs(30);

/// What the sessions follow.
#[derive(Clone, Default)]
pub(super) struct Stage {
    /// For everybody.
    pub(super) released: Option<Arc<Target>>,
    /// For the probes alone.
    pub(super) candidate: Option<(Arc<Target>, HashSet<Uuid>)>,
}

impl Stage {
    /// What that node should run.
    pub(super) fn target(&self, node: &Uuid) -> Option<&Arc<Target>> {
        match &self.candidate {
            Some((target, probes)) if probes.contains(node) => Some(target),
            _ => self.released.as_ref(),
        }
    }

    /// Whether a session that follows one follows the other.
    pub(super) fn is(&self, other: &Stage) -> bool {
        let same = |a: &Option<Arc<Target>>, b: &Option<Arc<Target>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let candidate = |stage: &Stage| {
            stage
                .candidate
                .as_ref()
                .map(|(target, probes)| (Arc::as_ptr(target), probes.clone()))
        };
        same(&self.released, &other.released) && candidate(self) == candidate(other)
    }
}

/// Why a version stays with its probes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Halt {
    pub(super) version: Version,
    pub(super) reason: String,
}

/// What happened.
pub(super) enum Event {
    Published(Arc<Target>),
    Connected {
        node: Uuid,
        software: String,
        running: Option<Version>,
        refused: Vec<Digest>,
    },
    Applied {
        node: Uuid,
        version: Version,
    },
    /// Final for that digest.
    Refused {
        node: Uuid,
        digest: Digest,
        reason: String,
    },
    Lost {
        node: Uuid,
    },
    /// Only time has passed.
    Tick,
}

/// The state of the rollout.
#[derive(Default)]
pub(super) struct Rollout {
    pub(super) stage: Stage,
    pub(super) halt: Option<Halt>,
    nodes: BTreeMap<Uuid, Connected>,
    /// Per software version; empty unless there is a candidate.
    probes: BTreeMap<String, Probe>,
    /// What comes after the candidate; only the newest waits.
    next: Option<Arc<Target>>,
}

struct Connected {
    software: String,
    running: Option<Version>,
    refused: Vec<Digest>,
}

/// The nodes of one software version that try the candidate.
#[derive(Default)]
struct Probe {
    nodes: BTreeSet<Uuid>,
    proven: bool,
    /// When the newest of them must have answered, or be back.
    until: Option<Instant>,
    /// Two have been asked.
    last: bool,
}

impl Connected {
    fn revision(&self) -> u64 {
        self.running.map_or(0, |version| version.revision)
    }
}

impl Rollout {
    /// Begins with what was released before this process started.
    pub(super) fn new(released: Option<Arc<Target>>, halt: Option<Halt>) -> Rollout {
        Rollout {
            stage: Stage {
                released,
                candidate: None,
            },
            halt,
            ..Rollout::default()
        }
    }

    pub(super) fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Published(target) => self.published(target, now),
            Event::Connected {
                node,
                software,
                running,
                refused,
            } => {
                self.nodes.insert(
                    node,
                    Connected {
                        software,
                        running,
                        refused,
                    },
                );
                self.came_back(node, now);
            }
            Event::Applied { node, version } => {
                if let Some(connected) = self.nodes.get_mut(&node) {
                    connected.running = Some(version);
                }
                self.applied(node, version);
            }
            Event::Refused {
                node,
                digest,
                reason,
            } => {
                if let Some(connected) = self.nodes.get_mut(&node) {
                    connected.refused.push(digest);
                }
                self.refused(node, digest, reason);
            }
            Event::Lost { node } => self.lost(node, now),
            Event::Tick => {}
        }
        self.check_time(now);
        self.go_on(now);
    }

    fn published(&mut self, target: Arc<Target>, now: Instant) {
        self.next = Some(target);
        // A candidate in trouble does not hold up what may be its repair.
        let late = |probe: &Probe| probe.last || probe.until.is_none() || self.absent(probe);
        let troubled = self
            .probes
            .values()
            .any(|probe| !probe.proven && late(probe));
        if troubled {
            self.withdraw();
        }
        self.go_on(now);
    }

    /// Begins with the next version if nothing is being tried.
    fn go_on(&mut self, now: Instant) {
        if self.stage.candidate.is_some() {
            return;
        }
        let Some(target) = self.next.take() else {
            return;
        };
        self.halt = None;
        let softwares: BTreeSet<&String> = self.nodes.values().map(|node| &node.software).collect();
        if softwares.is_empty() {
            self.stage.released = Some(target);
            return;
        }
        self.probes = softwares
            .into_iter()
            .map(|software| (software.clone(), Probe::default()))
            .collect();
        self.stage.candidate = Some((target, HashSet::new()));
        let softwares: Vec<String> = self.probes.keys().cloned().collect();
        for software in &softwares {
            self.ask_one(software, now);
        }
        self.release_if_proven();
    }

    /// Asks the least lagging node of that software which has not been asked. False: there is none.
    fn ask_one(&mut self, software: &str, now: Instant) -> bool {
        let Some((target, all)) = &mut self.stage.candidate else {
            return false;
        };
        let probe = self.probes.entry(software.to_owned()).or_default();
        let free = self
            .nodes
            .iter()
            .filter(|(id, node)| node.software == software && !probe.nodes.contains(id));
        let Some((id, node)) =
            free.max_by_key(|(id, node)| (node.revision(), std::cmp::Reverse(**id)))
        else {
            return false;
        };
        probe.nodes.insert(*id);
        probe.until = Some(now + ANSWER);
        // Its Ack may have been lost with a session or a control plane.
        probe.proven |= node.running == Some(target.version);
        all.insert(*id);
        if node.refused.contains(&target.version.digest) {
            let reason = format!("node {id} refuses this content");
            self.halt(reason);
        }
        true
    }

    fn applied(&mut self, node: Uuid, version: Version) {
        let Some((target, _)) = &self.stage.candidate else {
            return;
        };
        if version != target.version {
            return;
        }
        for probe in self
            .probes
            .values_mut()
            .filter(|probe| probe.nodes.contains(&node))
        {
            probe.proven = true;
        }
        self.release_if_proven();
    }

    fn release_if_proven(&mut self) {
        if self.probes.values().all(|probe| probe.proven)
            && let Some((target, _)) = self.stage.candidate.take()
        {
            self.stage.released = Some(target);
            self.probes.clear();
        }
    }

    fn refused(&mut self, node: Uuid, digest: Digest, reason: String) {
        let Some((target, probes)) = &self.stage.candidate else {
            return;
        };
        if target.version.digest == digest && probes.contains(&node) {
            self.halt(format!("node {node}: {reason}"));
        }
    }

    /// The released version stays; a later one starts anew.
    fn halt(&mut self, reason: String) {
        if let Some((target, _)) = self.stage.candidate.take() {
            self.halt = Some(Halt {
                version: target.version,
                reason,
            });
        }
        self.probes.clear();
    }

    fn withdraw(&mut self) {
        self.stage.candidate = None;
        self.probes.clear();
    }

    fn lost(&mut self, node: Uuid, now: Instant) {
        self.nodes.remove(&node);
        for probe in self
            .probes
            .values_mut()
            .filter(|probe| !probe.proven && probe.nodes.contains(&node))
        {
            probe.until = Some(now + RETURN);
        }
    }

    /// A probe that returns either lists the version as refused, or is asked again.
    fn came_back(&mut self, node: Uuid, now: Instant) {
        let Some((target, _)) = &self.stage.candidate else {
            return;
        };
        let asked = self
            .probes
            .values_mut()
            .find(|probe| probe.nodes.contains(&node));
        let (Some(probe), Some(connected)) = (asked, self.nodes.get(&node)) else {
            return;
        };
        if connected.refused.contains(&target.version.digest) {
            self.halt(format!("node {node} came back refusing this content"));
        } else if connected.running == Some(target.version) {
            let version = target.version;
            self.applied(node, version);
        } else if !probe.proven {
            probe.until = Some(now + ANSWER);
        }
    }

    /// None of the probe's nodes is connected.
    fn absent(&self, probe: &Probe) -> bool {
        !probe.nodes.iter().any(|node| self.nodes.contains_key(node))
    }

    fn check_time(&mut self, now: Instant) {
        let late: Vec<String> = self
            .probes
            .iter()
            .filter(|(_, probe)| !probe.proven && probe.until.is_some_and(|until| until <= now))
            .map(|(software, _)| software.clone())
            .collect();
        for software in late {
            self.late(&software, now);
        }
    }

    /// One second probe; if that does not answer either: halt. A node that is alone of its kind protects nobody by
    /// being slow, so it gets the time it needs.
    fn late(&mut self, software: &str, now: Instant) {
        let Some(probe) = self.probes.get(software) else {
            return;
        };
        if probe.last {
            return self.halt(format!("two nodes of {software} did not apply it in time"));
        }
        if self.ask_one(software, now) {
            if let Some(probe) = self.probes.get_mut(software) {
                probe.last = true;
            }
            return self.release_if_proven();
        }
        let Some(probe) = self.probes.get(software) else {
            return;
        };
        if self.absent(probe) {
            self.probes.remove(software); // nobody is left to ask, or to protect
            self.release_if_proven();
        } else if let Some(probe) = self.probes.get_mut(software) {
            probe.until = None;
        }
    }
}
