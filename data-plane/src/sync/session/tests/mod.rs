use std::sync::Arc;

use shared::sync::{State, frame};
use uuid::Uuid;

use shared::sync::proto::goodbye;

use super::*;

mod time;

const LIMIT: u64 = 1 << 20;
const STEADY: f64 = 0.5; // the middle of every jitter

/// A version whose content is one document that names the revision, unless `like` says whose content it shares.
fn version(epoch: u128, revision: u64) -> Version {
    version_like(epoch, revision, revision)
}

fn version_like(epoch: u128, revision: u64, like: u64) -> Version {
    Version {
        epoch: Uuid::from_u128(epoch),
        revision,
        digest: state(like).digest(),
    }
}

fn state(like: u64) -> State {
    let mut state = State::new();
    let kind: Arc<str> = "routes".into();
    state.insert(&kind, Uuid::nil(), Bytes::from(like.to_string()));
    state
}

/// A session that stands, with its clock in seconds.
struct Table {
    session: Session,
    memory: Memory,
    start: Instant,
    now: Instant,
}

impl Table {
    fn hello(running: Option<Version>) -> Self {
        let start = Instant::now();
        Self {
            session: Session::new(LIMIT, start),
            memory: Memory::booted(running, None),
            start,
            now: start,
        }
    }

    fn welcomed(running: Option<Version>) -> Self {
        let mut table = Self::hello(running);
        let actions = table.message(to_node::M::Welcome(welcome()));
        assert_eq!(actions, [Action::Welcomed(welcome())]);
        table
    }

    fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = self.start + Duration::from_secs(seconds);
        self
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.session.on(&mut self.memory, event, self.now, STEADY)
    }

    fn message(&mut self, message: to_node::M) -> Vec<Action> {
        self.on(Event::Message(message))
    }

    fn update(&mut self, id: u64, begin: proto::Begin) -> Vec<Action> {
        let part = frame::updates(id, begin, &Bytes::from_static(b"data")).next();
        self.message(to_node::M::Update(part.unwrap()))
    }

    /// Receives an update whole and returns its order.
    fn order(&mut self, id: u64, begin: proto::Begin) -> Order {
        match self.update(id, begin).as_slice() {
            [Action::Build(order)] => order.clone(),
            other => panic!("not built: {other:?}"),
        }
    }

    fn built(&mut self, order: u64, result: Result<Version, Failure>) -> Vec<Action> {
        let result = result.map(|version| Built {
            version,
            took: Duration::from_millis(7),
            warnings: Vec::new(),
        });
        self.on(Event::Built(Outcome { order, result }))
    }
}

fn welcome() -> proto::Welcome {
    proto::Welcome {
        protocol: PROTOCOL,
        head: 9,
        heartbeat_ms: 10_000,
        plan: Plan::Delta.into(),
        ..proto::Welcome::default()
    }
}

fn begin(base: Option<Version>, target: Version) -> proto::Begin {
    proto::Begin {
        base: base.map(Into::into),
        target: Some(target.into()),
        raw_bytes: 100,
        state_bytes: 100,
        ..proto::Begin::default()
    }
}

/// What the actions say to the control plane, shortly.
fn said(actions: &[Action]) -> Vec<String> {
    let text = |action: &Action| match action {
        Action::Send(from_node::M::Ack(ack)) => format!(
            "{} {} of {}",
            ack.stage().as_str_name(),
            ack.version.as_ref().unwrap().revision,
            ack.update_id
        ),
        Action::Send(from_node::M::Nack(nack)) => {
            format!("NACK {} of {}", nack.code().as_str_name(), nack.update_id)
        }
        Action::Send(from_node::M::Heartbeat(_)) => "HEARTBEAT".to_owned(),
        Action::Send(other) => format!("{other:?}"),
        Action::Build(order) => format!("build {}", order.target.revision),
        Action::Abandon(_) => "abandon".to_owned(),
        Action::Attention(_) => "attention".to_owned(),
        Action::Welcomed(_) => "welcomed".to_owned(),
        Action::End(End::Goodbye(reason, floor, _)) => {
            format!("end {} {floor:?}", reason.as_str_name())
        }
        Action::End(End::Protocol(_)) => "end protocol".to_owned(),
        Action::End(End::Silent(_)) => "end silent".to_owned(),
    };
    actions.iter().map(text).collect()
}

#[test]
fn an_update_is_judged_by_its_first_part_in_the_order_of_the_protocol() {
    let running = version(1, 5);
    let refused = version(1, 7).digest;
    let small = |begin: proto::Begin| begin;
    let huge = |begin: proto::Begin| proto::Begin {
        state_bytes: LIMIT + 1,
        ..begin
    };
    let raw = |begin: proto::Begin| proto::Begin {
        raw_bytes: 2 * LIMIT + 1,
        ..begin
    };
    let retry = |begin: proto::Begin| proto::Begin {
        retry: true,
        ..begin
    };
    type Change = fn(proto::Begin) -> proto::Begin;
    let cases: [(&str, Option<Version>, Version, Change, &str); 14] = [
        (
            "the next delta",
            Some(running),
            version(1, 6),
            small,
            "build 6",
        ),
        ("a snapshot", None, version(1, 6), small, "build 6"),
        (
            "a delta into a new epoch",
            Some(running),
            version(2, 0),
            small,
            "build 0",
        ),
        (
            "a revert",
            Some(running),
            version_like(1, 8, 5),
            small,
            "build 8",
        ),
        (
            "a lower revision",
            Some(running),
            version(1, 4),
            small,
            "NACK STALE of 3",
        ),
        (
            "a lower epoch",
            None,
            version(0, 99),
            small,
            "NACK STALE of 3",
        ),
        ("the same version", None, running, small, "APPLIED 5 of 3"),
        (
            "the same number, other content",
            None,
            version_like(1, 5, 6),
            small,
            "NACK DIGEST of 3",
        ),
        (
            "refused content",
            None,
            version(1, 7),
            small,
            "NACK REFUSED of 3",
        ),
        (
            "refused content under a new number",
            None,
            version_like(1, 9, 7),
            small,
            "NACK REFUSED of 3",
        ),
        (
            "refused content on an operator's word",
            None,
            version(1, 7),
            retry,
            "build 7",
        ),
        (
            "too large a state",
            None,
            version(1, 6),
            huge,
            "NACK LIMIT of 3",
        ),
        (
            "too large an update",
            None,
            version(1, 6),
            raw,
            "NACK LIMIT of 3",
        ),
        (
            "a foreign base",
            Some(version(1, 4)),
            version(1, 6),
            small,
            "NACK BASE of 3",
        ),
    ];
    for (name, base, target, change, expected) in cases {
        let mut table = Table::welcomed(Some(running));
        let reason = "bad".to_owned();
        table.memory.refuse(Refusal {
            digest: refused,
            reason,
            crashed: false,
        });
        let actions = table.update(3, change(begin(base, target)));
        assert_eq!(said(&actions), [expected], "{name}");
    }
}

#[test]
fn a_new_number_for_what_runs_is_taken_even_if_that_once_crashed() {
    let mut table = Table::welcomed(Some(version(1, 5)));
    let digest = version(1, 5).digest;
    table.memory.refuse(Refusal {
        digest,
        reason: String::new(),
        crashed: true,
    });
    assert_eq!(
        said(&table.update(1, begin(None, version_like(1, 6, 5)))),
        ["build 6"]
    );
}

#[test]
fn stale_comes_before_refused_before_limit_before_base() {
    let running = version(1, 5);
    let worst = |target| proto::Begin {
        state_bytes: LIMIT + 1,
        ..begin(Some(version(1, 1)), target)
    };
    for (target, expected) in [
        (version_like(1, 4, 7), "NACK STALE of 1"),
        (version(1, 7), "NACK REFUSED of 1"),
        (version(1, 6), "NACK LIMIT of 1"),
    ] {
        let mut table = Table::welcomed(Some(running));
        let digest = version(1, 7).digest;
        table.memory.refuse(Refusal {
            digest,
            reason: String::new(),
            crashed: true,
        });
        assert_eq!(said(&table.update(1, worst(target))), [expected]);
    }
}

#[test]
fn an_applied_version_is_acknowledged_and_then_again_when_it_is_on_disk() {
    let (old, new) = (version(1, 5), version(1, 6));
    let mut table = Table::welcomed(Some(old));
    assert!(!table.session.synced());
    let order = table.order(4, begin(Some(old), new));
    assert_eq!(
        (order.base, order.target, &order.data[..]),
        (Some(old), new, &b"data"[..])
    );
    assert_eq!(said(&table.built(order.order, Ok(new))), ["APPLIED 6 of 4"]);
    assert_eq!(table.memory.running, Some(new));
    assert!(table.session.synced() && table.session.earned(table.now));
    assert_eq!(said(&table.on(Event::Persisted(new))), ["DURABLE 6 of 4"]);
    // Asked again, both are known.
    assert_eq!(
        said(&table.update(5, begin(None, new))),
        ["APPLIED 6 of 5", "DURABLE 6 of 5"]
    );
}

#[test]
fn a_write_that_skipped_versions_or_sessions_is_told_without_an_update() {
    let mut table = Table::welcomed(Some(version(1, 5)));
    assert_eq!(
        said(&table.on(Event::Persisted(version(1, 5)))),
        ["DURABLE 5 of 0"]
    );
    let mut table = Table::hello(Some(version(1, 5)));
    assert_eq!(said(&table.on(Event::Persisted(version(1, 5)))), [""; 0]);
    assert_eq!(table.memory.durable, Some(version(1, 5)));
}

#[test]
fn invalid_build_and_limit_are_final_for_the_content_and_others_are_not() {
    let codes = [
        (Code::Invalid, true),
        (Code::Build, true),
        (Code::Limit, true),
        (Code::Decode, false),
        (Code::Base, false),
        (Code::Digest, false),
        (Code::Empty, false),
    ];
    for (code, is_final) in codes {
        let mut table = Table::welcomed(None);
        let order = table.order(1, begin(None, version(1, 6)));
        let actions = table.built(order.order, Err(Failure::new(code, "why")));
        assert_eq!(
            said(&actions),
            [format!("NACK {} of 1", code.as_str_name())]
        );
        assert_eq!(
            table.memory.refusal(&version(1, 6).digest).is_some(),
            is_final,
            "{code:?}"
        );
        assert_eq!(table.memory.running, None);
        let again = table.update(2, begin(None, version_like(1, 8, 6)));
        let expected = if is_final {
            "NACK REFUSED of 2"
        } else {
            "build 8"
        };
        assert_eq!(said(&again), [expected], "{code:?}");
    }
}

#[test]
fn a_nack_names_its_issues_and_counts_the_rest() {
    let issue = |n: u128| Issue {
        kind: "routes".to_owned(),
        id: Uuid::from_u128(n),
        name: "orders".to_owned(),
        field: "paths".to_owned(),
        message: "is wrong".to_owned(),
    };
    let mut table = Table::welcomed(None);
    let order = table.order(1, begin(None, version(1, 6)));
    let issues = (0..130).map(issue).collect();
    let actions = table.built(
        order.order,
        Err(Failure {
            code: Code::Invalid,
            issues,
        }),
    );
    let [Action::Send(from_node::M::Nack(nack))] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!((nack.issues.len(), nack.more), (100, 30));
    assert_eq!(Issue::from(&nack.issues[99]), issue(99));
}

#[test]
fn a_second_mismatch_within_a_minute_waits_and_the_fourth_in_an_hour_is_an_operators() {
    let mut table = Table::welcomed(None);
    let mismatch = |table: &mut Table, id: u64| {
        let order = table.order(id, begin(None, version(1, 6)));
        let actions = table.built(order.order, Err(Failure::new(Code::Digest, "why")));
        said(&actions)
    };
    assert_eq!(mismatch(&mut table, 1), ["NACK DIGEST of 1"]);
    table.at(20);
    assert_eq!(mismatch(&mut table, 2), [""; 0]);
    // While one is held, the next update has not been asked for.
    assert_eq!(
        said(&table.update(3, begin(None, version(1, 6)))),
        ["end protocol"]
    );
    assert!(table.session.deadline() <= table.start + Duration::from_secs(60));
    keep_alive(&mut table, 59);
    assert!(!said(&table.on(Event::Tick)).contains(&"NACK DIGEST of 2".to_owned()));
    keep_alive(&mut table, 60);
    assert!(said(&table.on(Event::Tick)).contains(&"NACK DIGEST of 2".to_owned()));
    keep_alive(&mut table, 200);
    assert_eq!(mismatch(&mut table, 4), ["NACK DIGEST of 4"]);
    keep_alive(&mut table, 400);
    assert_eq!(mismatch(&mut table, 5), ["attention"]);
}

/// As if heartbeats had come and gone until then.
fn keep_alive(table: &mut Table, seconds: u64) {
    table.at(seconds);
    (table.session.pulse.heard, table.session.pulse.echoed) = (table.now, table.now);
}

#[test]
fn after_an_answer_the_rest_of_the_update_is_read_and_dropped() {
    let mut table = Table::welcomed(Some(version(1, 5)));
    let long = Bytes::from(vec![0; 3 * frame::PART_BYTES]);
    let mut parts = frame::updates(1, begin(None, version(1, 4)), &long).map(to_node::M::Update);
    let first = parts.next().unwrap();
    assert_eq!(said(&table.message(first)), ["NACK STALE of 1"]);
    for part in parts {
        assert_eq!(said(&table.message(part)), [""; 0]);
    }
    assert_eq!(
        said(&table.update(2, begin(None, version(1, 6)))),
        ["build 6"]
    );
}

#[test]
fn an_update_in_parts_is_built_when_the_last_is_here() {
    let mut table = Table::welcomed(None);
    let data = Bytes::from(vec![7; 2 * frame::PART_BYTES + 1]);
    let large = proto::Begin {
        raw_bytes: LIMIT,
        ..begin(None, version(1, 6))
    };
    let parts: Vec<_> = frame::updates(1, large, &data).collect();
    assert_eq!(parts.len(), 3);
    let said: Vec<_> = parts
        .into_iter()
        .flat_map(|part| table.message(to_node::M::Update(part)))
        .collect();
    let [Action::Build(order)] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(order.data, data);
}

#[test]
fn what_breaks_the_protocol_ends_the_session() {
    let update = |id, begin, data: usize| {
        to_node::M::Update(proto::Update {
            id,
            begin,
            data: vec![0; data].into(),
            last: false,
        })
    };
    let some = |target: Version| Some(begin(None, target));
    let broken = proto::Version {
        epoch: vec![1],
        ..proto::Version::default()
    };
    let cases: [(&str, Vec<to_node::M>); 8] = [
        ("a second Welcome", vec![to_node::M::Welcome(welcome())]),
        ("a part without a beginning", vec![update(1, None, 1)]),
        (
            "a beginning within an update",
            vec![
                update(1, some(version(1, 6)), 1),
                update(2, some(version(1, 7)), 1),
            ],
        ),
        (
            "a part of another update",
            vec![update(1, some(version(1, 6)), 1), update(2, None, 1)],
        ),
        (
            "more data than declared",
            vec![update(1, some(version(1, 6)), 10_000)],
        ),
        (
            "no target",
            vec![update(1, Some(proto::Begin::default()), 1)],
        ),
        (
            "a malformed target",
            vec![update(
                1,
                Some(proto::Begin {
                    target: Some(broken.clone()),
                    ..proto::Begin::default()
                }),
                1,
            )],
        ),
        (
            "a malformed base",
            vec![update(
                1,
                Some(proto::Begin {
                    base: Some(broken),
                    ..begin(None, version(1, 6))
                }),
                1,
            )],
        ),
    ];
    for (name, messages) in cases {
        let mut table = Table::welcomed(None);
        let last = messages
            .into_iter()
            .map(|message| table.message(message))
            .last();
        assert_eq!(said(&last.unwrap()), ["end protocol"], "{name}");
    }
    let mut early = Table::hello(None);
    assert_eq!(
        said(&early.message(update(1, some(version(1, 6)), 1))),
        ["end protocol"]
    );
    let mut other = Table::hello(None);
    let newer = proto::Welcome {
        protocol: 2,
        ..welcome()
    };
    assert_eq!(
        said(&other.message(to_node::M::Welcome(newer))),
        ["end protocol"]
    );
}
