//! The decisions that need no connection.

use super::*;
use crate::sync::plan::{Decision, Peer};
use crate::sync::rollout::{Event, Rollout};
use crate::sync::target::Target;
use bytes::Bytes;
use shared::sync::proto::Refusal;
use shared::sync::proto::nack::Code;
use shared::sync::{Digest, State};

/// A version of one document whose content is its revision.
fn target(revision: u64) -> Arc<Target> {
    target_in(Uuid::from_u128(5), revision, false)
}

fn target_in(epoch: Uuid, revision: u64, empty: bool) -> Arc<Target> {
    let mut state = State::new();
    if !empty {
        state.insert(
            &"services".into(),
            Uuid::from_u128(1),
            Bytes::from(format!("{{\"n\":{revision}}}")),
        );
    }
    let version = Version {
        epoch,
        revision,
        digest: state.digest(),
    };
    Arc::new(Target::new(version, Arc::new(state), false))
}

fn refusal(target: &Target) -> Refusal {
    Refusal {
        digest: target.version.digest.to_bytes().to_vec(),
        ..Refusal::default()
    }
}

#[test]
fn what_a_node_gets_follows_from_what_it_runs() {
    let (old, new) = (target(1), target(2));
    let later_epoch = target_in(Uuid::from_u128(9), 1, false);
    let empty = target_in(Uuid::from_u128(9), 0, true);
    let other_content = Version {
        digest: Digest::default(),
        ..new.version
    };
    let hold = |text: &str| Err(text.to_owned());
    let cases = [
        (
            "nothing published",
            Some(old.version),
            None,
            hold("nothing is published"),
        ),
        ("a new node", None, Some(&new), Ok(Some(None))),
        (
            "an older one",
            Some(old.version),
            Some(&new),
            Ok(Some(Some(old.version))),
        ),
        ("up to date", Some(new.version), Some(&new), Ok(None)),
        (
            "ahead",
            Some(new.version),
            Some(&old),
            hold("ahead of revision 1"),
        ),
        (
            "of a later epoch",
            Some(later_epoch.version),
            Some(&new),
            hold("ahead"),
        ),
        (
            "of an earlier epoch",
            Some(new.version),
            Some(&later_epoch),
            Ok(Some(Some(new.version))),
        ),
        (
            "other content",
            Some(other_content),
            Some(&new),
            hold("other content"),
        ),
        (
            "emptied by loss",
            Some(new.version),
            Some(&empty),
            hold("would be emptied"),
        ),
        ("nothing for nothing", None, Some(&empty), Ok(Some(None))),
    ];
    for (name, running, target, expected) in cases {
        let decision = Peer::new(running, &[]).decide(target.map(|target| &**target));
        match (decision, expected) {
            (Decision::UpToDate, Ok(None)) => {}
            (Decision::Send { base }, Ok(Some(expected))) => assert_eq!(base, expected, "{name}"),
            (Decision::Hold(reason), Err(expected)) => {
                assert!(reason.contains(&expected), "{name}: {reason}")
            }
            (other, expected) => panic!("{name}: {other:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn what_a_node_refuses_is_held_back_and_what_it_declines_too() {
    let (old, new) = (target(1), target(2));
    let running = Some(old.version);
    assert!(matches!(
        Peer::new(running, &[refusal(&new)]).decide(Some(&new)),
        Decision::Hold(_)
    ));
    for code in [
        Code::Invalid,
        Code::Build,
        Code::Limit,
        Code::Empty,
        Code::Stale,
        Code::Refused,
    ] {
        let mut peer = Peer::new(running, &[]);
        peer.rejected(new.version, code, Instant::now());
        assert!(
            matches!(peer.decide(Some(&new)), Decision::Hold(_)),
            "{code:?}"
        );
        assert!(
            matches!(peer.decide(Some(&target(3))), Decision::Send { .. }),
            "{code:?}"
        );
    }
}

#[test]
fn snapshots_for_damaged_nodes_are_limited() {
    let (old, new) = (target(1), target(2));
    let mut peer = Peer::new(Some(old.version), &[]);
    let start = Instant::now();
    peer.rejected(new.version, Code::Digest, start);
    let mut granted = Vec::new();
    for second in (0..3700).step_by(10) {
        let now = start + Duration::from_secs(second);
        if let Decision::Send { base } = peer.decide_at(Some(&new), now) {
            assert_eq!(base, None);
            granted.push(second);
            peer.rejected(new.version, Code::Digest, now);
        }
    }
    assert_eq!(granted, [0, 60, 120, 3600, 3660]);
}

/// A rollout with its clock.
struct Trial {
    rollout: Rollout,
    now: Instant,
}

impl Trial {
    fn new(released: &Arc<Target>, nodes: &[(u128, &str)]) -> Trial {
        let mut trial = Trial {
            rollout: Rollout::new(Some(released.clone()), None),
            now: Instant::now(),
        };
        for &(node, software) in nodes {
            trial.connect(node, software, Some(released.version), &[]);
        }
        trial
    }

    fn happens(&mut self, event: Event) {
        self.rollout.handle(event, self.now);
    }

    fn connect(
        &mut self,
        node: u128,
        software: &str,
        running: Option<Version>,
        refused: &[Digest],
    ) {
        let node = Uuid::from_u128(node);
        let software = software.to_owned();
        self.happens(Event::Connected {
            node,
            software,
            running,
            refused: refused.to_vec(),
        });
    }

    fn applied(&mut self, node: u128, target: &Target) {
        self.happens(Event::Applied {
            node: Uuid::from_u128(node),
            version: target.version,
        });
    }

    fn passes(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.happens(Event::Tick);
    }

    /// What each of the nodes 1 to 4 should run.
    fn targets(&self) -> [u64; 4] {
        [1, 2, 3, 4].map(|node| {
            let target = self.rollout.stage.target(&Uuid::from_u128(node));
            target.map_or(0, |target| target.version.revision)
        })
    }

    fn halted(&self) -> bool {
        self.rollout.halt.is_some()
    }
}

#[test]
fn each_software_version_has_its_probe_and_all_must_apply() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a"), (3, "b"), (4, "b")]);
    trial.happens(Event::Published(new.clone()));
    assert_eq!(trial.targets(), [2, 1, 2, 1]);
    trial.applied(1, &new);
    assert_eq!(trial.targets(), [2, 1, 2, 1]);
    trial.applied(3, &new);
    assert_eq!(trial.targets(), [2, 2, 2, 2]);
}

#[test]
fn without_nodes_a_version_is_released_at_once() {
    let mut trial = Trial::new(&target(1), &[]);
    trial.happens(Event::Published(target(2)));
    assert_eq!(trial.targets(), [2; 4]);
}

#[test]
fn the_newest_waits_for_the_one_being_tried() {
    let (old, new, newest) = (target(1), target(2), target(4));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a")]);
    for target in [&new, &target(3), &newest] {
        trial.happens(Event::Published((*target).clone()));
    }
    assert_eq!(trial.targets()[..2], [2, 1]);
    trial.applied(1, &new);
    assert_eq!(trial.targets()[..2], [4, 2]);
    trial.applied(1, &newest);
    assert_eq!(trial.targets()[..2], [4, 4]);
}

#[test]
fn a_refusal_halts_until_something_new_comes() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a")]);
    trial.happens(Event::Published(new.clone()));
    let (node, digest) = (Uuid::from_u128(1), new.version.digest);
    trial.happens(Event::Refused {
        node,
        digest,
        reason: "no".to_owned(),
    });
    assert!(trial.halted());
    assert_eq!(trial.targets()[..2], [1, 1]);
    trial.happens(Event::Published(target(3)));
    assert!(!trial.halted());
    assert_eq!(trial.targets()[..2], [3, 1]);
}

#[test]
fn a_probe_that_is_silent_gets_company_and_two_halt() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a"), (3, "a")]);
    trial.happens(Event::Published(new.clone()));
    trial.passes(4);
    assert_eq!(trial.targets()[..3], [2, 1, 1]);
    trial.passes(2);
    assert_eq!(trial.targets()[..3], [2, 2, 1]);
    trial.passes(6);
    assert!(trial.halted());
    assert_eq!(trial.targets()[..3], [1, 1, 1]);
}

#[test]
fn a_lost_probe_that_comes_back_refusing_halts() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a")]);
    trial.happens(Event::Published(new.clone()));
    trial.happens(Event::Lost {
        node: Uuid::from_u128(1),
    });
    trial.passes(20);
    assert_eq!(trial.targets()[..2], [2, 1]);
    trial.connect(1, "a", Some(old.version), &[new.version.digest]);
    assert!(trial.halted());
    assert_eq!(trial.targets()[..2], [1, 1]);
}

#[test]
fn a_lost_probe_that_comes_back_willing_is_asked_again() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a")]);
    trial.happens(Event::Published(new.clone()));
    trial.happens(Event::Lost {
        node: Uuid::from_u128(1),
    });
    trial.passes(10);
    trial.connect(1, "a", Some(old.version), &[]);
    trial.applied(1, &new);
    assert_eq!(trial.targets()[..2], [2, 2]);
}

#[test]
fn a_lost_probe_that_comes_back_with_it_has_proven_it() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a")]);
    trial.happens(Event::Published(new.clone()));
    trial.happens(Event::Lost {
        node: Uuid::from_u128(1),
    });
    trial.connect(1, "a", Some(new.version), &[]);
    assert_eq!(trial.targets()[..2], [2, 2]);
}

#[test]
fn a_version_that_a_node_runs_already_is_proven() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a")]);
    trial.connect(2, "a", Some(new.version), &[]);
    trial.happens(Event::Published(new));
    assert_eq!(trial.targets()[..2], [2, 2]);
}

#[test]
fn a_probe_that_stays_away_is_replaced() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a")]);
    trial.happens(Event::Published(new.clone()));
    trial.happens(Event::Lost {
        node: Uuid::from_u128(1),
    });
    trial.passes(31);
    assert_eq!(trial.targets()[..2], [2, 2]);
    trial.applied(2, &new);
    assert!(!trial.halted());
    assert!(trial.rollout.stage.candidate.is_none());
}

#[test]
fn a_node_that_is_alone_gets_the_time_it_needs() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a")]);
    trial.happens(Event::Published(new.clone()));
    trial.passes(60);
    assert!(!trial.halted());
    trial.applied(1, &new);
    assert_eq!(trial.targets(), [2; 4]);
}

#[test]
fn a_candidate_in_trouble_does_not_hold_up_its_repair() {
    let (old, new) = (target(1), target(2));
    let mut trial = Trial::new(&old, &[(1, "a"), (2, "a")]);
    trial.happens(Event::Published(new));
    trial.happens(Event::Lost {
        node: Uuid::from_u128(1),
    });
    let repair = target(3);
    trial.happens(Event::Published(repair.clone()));
    assert_eq!(trial.targets()[1], 3);
    trial.applied(2, &repair);
    assert_eq!(trial.targets()[..2], [3, 3]);
}
