//! The whole link against a control plane over loopback: join, stream, cache, restart.

mod plane;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use shared::model::Issue;
use shared::sync::peer::Peer;
use shared::sync::proto::ack::Stage;
use shared::sync::proto::nack::Code;
use shared::sync::proto::welcome::Plan;
use shared::sync::proto::{Goodbye, from_node, goodbye, to_node};
use shared::sync::{State, Version, frame};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::plane::{Authority, NODE_ID, PATIENCE, Plane, Terms};
use super::*;

/// A version of so many documents; `word` is the payload of the last.
fn version(revision: u64, documents: u128, word: &str) -> (Version, State) {
    let mut state = State::new();
    let kind: Arc<str> = "routes".into();
    for id in 1..documents {
        let noise = blake3::hash(&id.to_be_bytes()).to_hex();
        state.insert(&kind, Uuid::from_u128(id), Bytes::from(noise.repeat(8)));
    }
    state.insert(&kind, Uuid::nil(), Bytes::from(word.to_owned()));
    let version = Version {
        epoch: Uuid::from_u128(1),
        revision,
        digest: state.digest(),
    };
    (version, state)
}

/// A node whose runtime is a number.
struct Machine {
    folder: TempDir,
    serves: Arc<Mutex<Option<u64>>>,
}

struct Running {
    link: Link,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), SyncError>>,
}

impl Running {
    async fn stop(self) -> Result<(), SyncError> {
        self.shutdown.cancel();
        self.ended().await
    }

    async fn ended(self) -> Result<(), SyncError> {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("it ends in time").unwrap()
    }

    /// Waits until the link is in such a state.
    async fn until(&self, what: &str, reached: impl FnMut(&LinkStatus) -> bool) {
        let mut status = self.link.subscribe();
        let waited = tokio::time::timeout(PATIENCE, status.wait_for(reached)).await;
        assert!(
            waited.is_ok(),
            "not reached: {what}; {:?}",
            self.link.status()
        );
    }
}

impl Machine {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            serves: Arc::default(),
        }
    }

    fn settings(&self, plane: Option<&Plane>, join: Option<String>) -> Settings {
        Settings {
            data_dir: self.folder.path().to_owned(),
            control_plane: plane.map(Plane::endpoint).into_iter().collect(),
            join,
            snapshot: None,
            max_state_bytes: 64 << 20,
            software: "headgate/test".to_owned(),
            hostname: "machine".to_owned(),
            plugins: vec!["key-auth".to_owned()],
            features: Vec::new(),
        }
    }

    fn boot(&self, settings: Settings) -> Result<Client, SyncError> {
        *self.serves.lock().unwrap() = None;
        let serves = self.serves.clone();
        Client::boot(settings, move |state, version| {
            match state
                .get("routes", &Uuid::nil())
                .map(|payload| &payload[..])
            {
                Some(b"bad") => {
                    let mut issue = Issue::general("is bad");
                    (issue.kind, issue.field) = ("routes".to_owned(), "paths".to_owned());
                    return Err(Rejected::Invalid(issue.into()));
                }
                Some(b"panic") => panic!("a bug"),
                _ => {}
            }
            let serves = serves.clone();
            Ok(Applied::new(move || {
                *serves.lock().unwrap() = Some(version.revision)
            }))
        })
    }

    fn run(&self, settings: Settings) -> Running {
        let client = self.boot(settings).unwrap();
        let (link, shutdown) = (client.link(), CancellationToken::new());
        let task = tokio::spawn(client.run(shutdown.clone()));
        Running {
            link,
            shutdown,
            task,
        }
    }

    fn join(&self, plane: &Plane) -> Running {
        self.run(self.settings(Some(plane), Some(plane.token())))
    }

    fn serves(&self) -> Option<u64> {
        *self.serves.lock().unwrap()
    }
}

#[tokio::test]
async fn a_node_joins_applies_keeps_and_restarts_without_its_control_plane() {
    let mut plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let mut session = plane.session().await;
    assert_eq!(
        (
            session.hello.node_id.as_str(),
            session.hello.running.clone()
        ),
        (NODE_ID, None)
    );
    assert_eq!(session.hello.booted_from, "empty");
    session.welcome(Plan::Snapshot);
    let (first, state) = version(7, 2_000, "one"); // about 1 MB: several parts
    session.snapshot(first, &state);
    assert_eq!(session.ack().await, (Stage::Applied, 7));
    assert_eq!(machine.serves(), Some(7));
    assert_eq!(session.ack().await, (Stage::Durable, 7));
    running
        .until("synced", |status| {
            status.connected && status.synced && status.durable == Some(first)
        })
        .await;
    running.stop().await.unwrap();
    assert!(
        matches!(session.hear().await, Some(from_node::M::Goodbye(_))),
        "an orderly stop says so"
    );
    drop(plane);

    // Neither a token nor an address is needed any more, nor anybody to answer.
    let running = machine.run(machine.settings(None, None));
    assert_eq!(machine.serves(), Some(7), "it serves before it connects");
    let status = running.link.status();
    assert_eq!(
        (status.booted_from, status.running, status.durable),
        (BootedFrom::Cache, Some(first), Some(first))
    );
    running
        .until("the refused connection", |status| {
            status.last_error.is_some()
        })
        .await;
    assert!(!running.link.status().connected && running.link.status().stale());
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_comes_back_to_a_restarted_control_plane_and_takes_a_delta() {
    let mut plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let mut session = plane.session().await;
    session.welcome(Plan::Snapshot);
    let (first, before) = version(7, 50, "one");
    session.snapshot(first, &before);
    session.ack().await;
    session.ack().await;
    let (authority, address) = (plane.authority.clone(), plane.address());
    drop((session, plane));
    running
        .until("the lost link", |status| !status.connected)
        .await;
    assert_eq!(machine.serves(), Some(7));

    let mut plane = Plane::start_at(authority, Terms::default(), &address).await;
    let mut session = plane.session().await;
    assert_eq!(session.hello.running, Some(first.into()));
    assert_eq!(session.hello.durable, Some(first.into()));
    session.welcome(Plan::Delta);
    let (second, after) = version(8, 50, "two");
    session.delta((first, &before), (second, &after));
    assert_eq!(session.ack().await, (Stage::Applied, 8));
    assert_eq!(session.ack().await, (Stage::Durable, 8));
    assert_eq!(machine.serves(), Some(8));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_bad_or_damaged_update_is_refused_by_name_and_leaves_what_serves() {
    let mut plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let mut session = plane.session().await;
    session.welcome(Plan::Snapshot);
    let (first, before) = version(1, 50, "one");
    session.snapshot(first, &before);
    session.ack().await;
    session.ack().await;

    let (bad, state) = version(2, 50, "bad");
    session.snapshot(bad, &state);
    let nack = session.nack().await;
    assert_eq!(
        (
            nack.code(),
            nack.issues[0].kind.as_str(),
            nack.issues[0].field.as_str()
        ),
        (Code::Invalid, "routes", "paths")
    );
    session.snapshot(bad, &state);
    assert_eq!(session.nack().await.code(), Code::Refused);

    let (crash, state) = version(3, 50, "panic");
    session.snapshot(crash, &state);
    let nack = session.nack().await;
    assert_eq!(nack.code(), Code::Build);
    assert!(nack.issues[0].message.contains("a bug"), "{nack:?}");

    let (_, other) = version(4, 49, "other");
    let (emptied, empty) = (
        Version {
            revision: 4,
            digest: State::new().digest(),
            ..first
        },
        State::new(),
    );
    session.snapshot(emptied, &empty);
    assert_eq!(session.nack().await.code(), Code::Empty);

    let (next, state) = version(5, 50, "two");
    session.snapshot(next, &other); // not what the digest says
    assert_eq!(session.nack().await.code(), Code::Digest);
    assert_eq!(machine.serves(), Some(1));

    // The remedy of a mismatch, and the next session's Hello.
    session.snapshot(next, &state);
    assert_eq!(session.ack().await, (Stage::Applied, 5));
    drop(session);
    let session = plane.session().await;
    let refused: Vec<_> = session
        .hello
        .refused
        .iter()
        .map(|refusal| refusal.digest.clone())
        .collect();
    assert_eq!(
        refused,
        [
            bad.digest.to_bytes().to_vec(),
            crash.digest.to_bytes().to_vec()
        ]
    );
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_configuration_that_is_empty_on_purpose_stays_so_over_a_restart() {
    let mut plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let mut session = plane.session().await;
    session.welcome(Plan::Snapshot);
    let (empty, state) = (State::new(), version(1, 1, "one"));
    session.snapshot(state.0, &state.1);
    while session.ack().await.0 != Stage::Durable {}
    let target = Version {
        revision: 2,
        digest: empty.digest(),
        ..state.0
    };
    session.explicit_empty(target);
    while session.ack().await.0 != Stage::Durable {}
    assert!(running.link.status().explicit_empty);
    running.stop().await.unwrap();
    let running = machine.run(machine.settings(Some(&plane), None));
    let status = running.link.status();
    assert_eq!(
        (status.running, status.explicit_empty),
        (Some(target), true)
    );
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_truncated_frame_is_a_decode_error() {
    let mut plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let mut session = plane.session().await;
    session.welcome(Plan::Snapshot);
    let (first, state) = version(1, 500, "one");
    let mut frame = frame::encode_state(&state);
    frame.data.truncate(frame.data.len() / 2);
    session.send(None, first, frame, state.bytes());
    assert_eq!(session.nack().await.code(), Code::Decode);
    assert_eq!(machine.serves(), None);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_orderly_stop_writes_the_newest_version() {
    let mut plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let mut session = plane.session().await;
    session.welcome(Plan::Snapshot);
    let mut base: Option<(Version, State)> = None;
    for revision in 1..=5 {
        let (version, state) = version(revision, 3, &revision.to_string());
        match &base {
            None => session.snapshot(version, &state),
            Some((before, old)) => session.delta((*before, old), (version, &state)),
        }
        while session.ack().await != (Stage::Applied, revision) {}
        base = Some((version, state));
    }
    running.stop().await.unwrap();
    let running = machine.run(machine.settings(Some(&plane), None));
    assert_eq!(machine.serves(), Some(5));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_posing_as_a_control_plane_gets_no_hello() {
    let poses_as = Peer::data_plane(NODE_ID);
    let mut plane = Plane::start(Terms {
        poses_as,
        ..Terms::default()
    })
    .await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    running
        .until("the refusal", |status| {
            status
                .last_error
                .as_ref()
                .is_some_and(|error| error.contains("does not name a control plane"))
        })
        .await;
    assert!(plane.nobody_within(Duration::from_millis(100)).await);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_control_plane_of_another_trust_domain_or_ca_is_refused() {
    let other = Peer {
        trust_domain: "other".to_owned(),
        ..Peer::control_plane("test")
    };
    let plane = Plane::start(Terms {
        poses_as: other,
        ..Terms::default()
    })
    .await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    running
        .until("the refusal", |status| {
            status.node_id.is_some() && status.last_error.is_some()
        })
        .await;
    running.stop().await.unwrap();

    let mut stranger = Plane::start_at(Authority::new(), Terms::default(), "127.0.0.1:0").await;
    let running = machine.run(machine.settings(Some(&stranger), None));
    running
        .until("the refusal", |status| status.last_error.is_some())
        .await;
    assert!(stranger.nobody_within(Duration::from_millis(100)).await);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_of_another_cluster_is_not_sent() {
    let plane = Plane::start(Terms {
        refuse: Some("was asked"),
        ..Terms::default()
    })
    .await;
    let machine = Machine::new();
    let running = machine.run(machine.settings(Some(&plane), Some(plane.token_for([1; 32]))));
    running
        .until("the mismatch", |status| {
            status
                .last_error
                .as_ref()
                .is_some_and(|error| error.contains("CA key that the join token names"))
        })
        .await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_refused_join_ends_a_node_that_serves_nothing() {
    let plane = Plane::start(Terms {
        refuse: Some("the token is used up"),
        ..Terms::default()
    })
    .await;
    let machine = Machine::new();
    let error = machine.join(&plane).ended().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the control plane refuses the join token: the token is used up"
    );
}

#[tokio::test]
async fn what_is_missing_at_the_first_start_is_named() {
    let plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let cases = [
        (machine.settings(Some(&plane), None), "has not joined"),
        (
            machine.settings(None, Some(plane.token())),
            "set `control_plane`",
        ),
        (
            machine.settings(Some(&plane), Some("nonsense".to_owned())),
            "not a join token",
        ),
    ];
    for (settings, expected) in cases {
        let error = machine
            .boot(settings)
            .err()
            .expect("it does not start")
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_and_the_new_one_used() {
    // The first third of its life is over: day 11 of 30.
    let terms = Terms {
        first: (-11, 19),
        ..Terms::default()
    };
    let mut plane = Plane::start(terms).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let session = plane.session().await;
    session.welcome(Plan::Snapshot);
    let soon = std::time::SystemTime::now() + Duration::from_secs(25 * 24 * 3600);
    running
        .until("the renewal", |status| {
            status.certificate_expires.is_some_and(|at| at > soon)
        })
        .await;
    assert_eq!(*plane.renewals.lock().unwrap(), 1);
    drop(session);
    let session = plane.session().await;
    assert_eq!(session.hello.node_id, NODE_ID);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_expired_identity_is_replaced_with_a_new_token() {
    let expired = Terms {
        first: (-30, -1),
        ..Terms::default()
    };
    let plane = Plane::start(expired).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    running
        .until("the expired certificate", |status| {
            status.node_id.is_some() && status.last_error.is_some()
        })
        .await;
    running.stop().await.unwrap();

    let mut plane = Plane::start_at(plane.authority.clone(), Terms::default(), "127.0.0.1:0").await;
    let running = machine.join(&plane);
    plane.session().await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_goodbye_is_reported_with_its_reason() {
    let mut plane = Plane::start(Terms::default()).await;
    let machine = Machine::new();
    let running = machine.join(&plane);
    let session = plane.session().await;
    session.welcome(Plan::UpToDate);
    running
        .until("the session", |status| status.connected && status.synced)
        .await;
    session.say(to_node::M::Goodbye(Goodbye {
        reason: goodbye::Reason::Revoked.into(),
        retry_after_ms: 0,
        message: "this node was withdrawn".to_owned(),
    }));
    running
        .until("the reason", |status| {
            let error = status.last_error.as_deref().unwrap_or_default();
            !status.connected && error.contains("REVOKED") && error.contains("withdrawn")
        })
        .await;
    running.stop().await.unwrap();
}

#[test]
fn the_link_may_run_on_any_runtime() {
    fn is_send<T: Send>(_: &T) {}
    let machine = Machine::new();
    let settings = Settings {
        join: None,
        ..machine.settings(None, None)
    };
    fn check(client: Client) {
        is_send(&client.run(CancellationToken::new()));
    }
    let _ = (check as fn(Client), settings);
}
