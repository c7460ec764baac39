//! What a session does as time passes: late builds, silence, heartbeats, ends and the way back.

use super::*;

#[test]
fn a_build_beyond_its_time_is_given_up_and_its_late_outcome_ignored() {
    let mut table = Table::welcomed(None);
    let order = table.order(1, begin(None, version(1, 6)));
    keep_alive(&mut table, 59);
    assert!(!said(&table.on(Event::Tick)).contains(&"abandon".to_owned()));
    keep_alive(&mut table, 60);
    let actions = said(&table.on(Event::Tick));
    assert_eq!(actions[..2], ["abandon", "NACK BUILD of 1"]);
    assert!(table.memory.refusal(&version(1, 6).digest).is_some());
    let late = table.built(order.order, Err(Failure::new(Code::Build, "late")));
    assert_eq!(said(&late), [""; 0]);
}

#[test]
fn an_outcome_of_an_earlier_session_counts_but_is_not_answered() {
    let mut memory = Memory::default();
    let stale_order = memory.order();
    let mut table = Table::welcomed(None);
    table.memory = memory;
    assert_eq!(said(&table.built(stale_order, Ok(version(1, 6)))), [""; 0]);
    assert_eq!(table.memory.running, Some(version(1, 6)));
}

#[test]
fn a_silent_peer_is_given_up() {
    let mut table = Table::hello(None);
    assert_eq!(said(&table.at(4).on(Event::Tick)), [""; 0]);
    assert_eq!(said(&table.at(5).on(Event::Tick)), ["end silent"]);

    // Heard, but nothing we say comes back: half of the link is down.
    let mut table = Table::welcomed(None);
    for second in [10, 20] {
        assert_eq!(said(&table.at(second).on(Event::Tick)), ["HEARTBEAT"]);
        table.message(to_node::M::Heartbeat(proto::Heartbeat {
            sent_ms: second,
            echo_ms: 0,
            head: 9,
        }));
    }
    assert_eq!(said(&table.at(30).on(Event::Tick)), ["end silent"]);
}

#[test]
fn heartbeats_echo_what_was_heard_and_keep_the_session() {
    let mut table = Table::welcomed(None);
    let mut echo = 0;
    for second in (10..=120).step_by(10) {
        let actions = table.at(second).on(Event::Tick);
        let [Action::Send(from_node::M::Heartbeat(beat))] = actions.as_slice() else {
            panic!("at {second}: {actions:?}");
        };
        assert_eq!(beat.echo_ms, echo);
        echo = second * 1000 + 3;
        let answer = proto::Heartbeat {
            sent_ms: echo,
            echo_ms: beat.sent_ms,
            head: 9 + second,
        };
        assert_eq!(said(&table.message(to_node::M::Heartbeat(answer))), [""; 0]);
    }
    assert_eq!(table.session.head(), 129);
}

#[test]
fn data_that_keeps_coming_keeps_a_session_that_has_no_room_for_heartbeats() {
    let mut table = Table::welcomed(None);
    let data = Bytes::from(vec![7; 5 * frame::PART_BYTES]);
    let large = proto::Begin {
        raw_bytes: LIMIT,
        ..begin(None, version(1, 6))
    };
    let parts = frame::updates(1, large, &data);
    let ends: Vec<_> = parts
        .zip(1..)
        .map(|(part, number)| {
            table.at(25 * number).message(to_node::M::Update(part));
            said(&table.on(Event::Tick)).contains(&"end silent".to_owned())
        })
        .collect();
    assert_eq!(ends, [false; 5]);
}

#[test]
fn an_echo_of_something_never_said_proves_nothing() {
    let mut table = Table::welcomed(None);
    for second in [5, 10, 20, 29] {
        table.at(second).on(Event::Tick);
        let forged = proto::Heartbeat {
            sent_ms: second,
            echo_ms: u64::MAX,
            head: 0,
        };
        table.message(to_node::M::Heartbeat(forged));
    }
    assert_eq!(said(&table.at(30).on(Event::Tick)), ["end silent"]);
}

#[test]
fn goodbye_ends_the_session_with_its_reason_and_wait() {
    let goodbye = proto::Goodbye {
        reason: goodbye::Reason::Overload.into(),
        retry_after_ms: 1500,
        message: String::new(),
    };
    let mut table = Table::hello(None);
    assert_eq!(
        said(&table.message(to_node::M::Goodbye(goodbye))),
        ["end OVERLOAD 1.5s"]
    );
}

#[test]
fn the_back_off_begins_anew_after_a_minute_or_an_acknowledged_update() {
    let table = Table::hello(None);
    assert!(
        !table.session.earned(table.start + Duration::from_secs(100)),
        "TCP alone earns nothing"
    );
    let table = Table::welcomed(None);
    assert!(!table.session.earned(table.start + Duration::from_secs(59)));
    assert!(table.session.earned(table.start + Duration::from_secs(60)));
}

#[test]
fn up_to_date_counts_as_synchronised() {
    let mut table = Table::hello(Some(version(1, 5)));
    let welcome = proto::Welcome {
        plan: Plan::UpToDate.into(),
        ..welcome()
    };
    table.message(to_node::M::Welcome(welcome));
    assert!(table.session.synced());
}
