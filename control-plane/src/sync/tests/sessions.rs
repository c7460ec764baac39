use super::*;
use shared::sync::proto::from_node::M as From;
use shared::sync::proto::welcome::Plan;
use shared::sync::proto::{ack, goodbye::Reason, nack};
use shared::sync::{Digest, State};

fn same(a: &State, b: &State) -> bool {
    a.digest() == b.digest() && a.iter().eq(b.iter())
}

#[tokio::test]
async fn a_node_gets_the_whole_state_once_and_then_what_changes() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, welcome) = node.connect(home.sync()).await;
    assert_eq!((welcome.plan(), welcome.head), (Plan::Snapshot, 1));
    assert!(!node.follow(&mut link).await.is_delta());
    for number in 2..6 {
        let revision = home.service(number, &format!("s{number}")).await;
        let received = node.follow(&mut link).await;
        assert!(received.is_delta());
        assert_eq!(
            (received.target.revision, received.changes.len()),
            (revision, 1)
        );
        assert!(same(&node.state, &home.store.state().0));
    }
    home.write(vec![Write::Delete {
        kind: "services",
        id: Uuid::from_u128(1),
    }])
    .await;
    node.follow(&mut link).await;
    assert!(same(&node.state, &home.store.state().0));
    eventually(|| home.status(&node).applied_revision == 6).await;
}

#[tokio::test]
async fn a_reconnected_node_gets_what_it_missed_and_no_more() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    node.follow(&mut link).await;
    drop(link);

    let (mut link, welcome) = node.connect(home.sync()).await;
    assert_eq!(welcome.plan(), Plan::UpToDate);
    assert!(link.is_silent(Duration::from_millis(200)).await);
    drop(link);

    eventually(|| !home.status(&node).connected).await;
    for number in 2..5 {
        home.service(number, &format!("s{number}")).await;
    }
    // Another process, so the base is no longer in memory: the log has it.
    let home = home.restarted().await;
    let (mut link, welcome) = node.connect(home.sync()).await;
    assert_eq!(welcome.plan(), Plan::Delta);
    let received = node.follow(&mut link).await;
    assert_eq!((received.is_delta(), received.changes.len()), (true, 3));
    assert!(same(&node.state, &home.store.state().0));
}

#[tokio::test]
async fn a_slow_node_skips_to_the_newest() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    let first = link.update().await;
    let mut newest = 0;
    for number in 2..20 {
        newest = home.service(number, &format!("s{number}")).await;
    }
    eventually(|| {
        home.hub.released_revision() == Some(newest) || home.hub.released_revision() == Some(1)
    })
    .await;
    // One update at a time: nothing comes before the answer.
    assert!(link.is_silent(Duration::from_millis(200)).await);
    node.take(&first);
    link.applied(&first).await;
    let mut received = node.follow(&mut link).await;
    if received.target.revision < newest {
        received = node.follow(&mut link).await;
    }
    assert_eq!(received.target.revision, newest);
    assert!(same(&node.state, &home.store.state().0));
}

#[tokio::test]
async fn a_large_snapshot_comes_in_parts() {
    let home = Home::new().await;
    let noise = |number: u128| {
        let seed = blake3::hash(&number.to_be_bytes());
        (0..40)
            .map(|part: u8| {
                blake3::keyed_hash(seed.as_bytes(), &[part])
                    .to_hex()
                    .to_string()
            })
            .collect::<String>()
    };
    let writes = (1..=200).map(|number| {
        let mut document = service(number, &format!("s{number}"));
        document.insert("tags".to_owned(), json!([noise(number)]));
        Write::Insert {
            kind: "services",
            document,
        }
    });
    let revision = home.write(writes.collect()).await;
    eventually(|| home.hub.released_revision() == Some(revision)).await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    let received = node.follow(&mut link).await;
    assert!(received.parts > 1, "{} part", received.parts);
    assert!(same(&node.state, &home.store.state().0));
}

#[tokio::test]
async fn an_empty_store_is_acknowledged_by_an_empty_node() {
    let home = Home::new().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    let received = node.follow(&mut link).await;
    assert_eq!(
        (received.target.revision, received.begin.explicit_empty),
        (0, false)
    );
    home.service(1, "first").await;
    node.follow(&mut link).await;
    home.write(vec![Write::Delete {
        kind: "services",
        id: Uuid::from_u128(1),
    }])
    .await;
    let received = node.follow(&mut link).await;
    assert!(received.begin.explicit_empty);
}

#[tokio::test]
async fn the_records_tell_what_a_node_runs_and_keeps() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    let received = node.follow(&mut link).await;
    link.acknowledge(&received, ack::Stage::Durable).await;
    eventually(|| home.status(&node).durable_revision == 1).await;
    let status = home.status(&node);
    assert_eq!(
        (status.applied_revision, status.connected, status.reason),
        (1, true, None)
    );
    assert_eq!(status.digest, received.target.digest.to_string());
    assert_eq!(status.ip.as_deref(), Some("127.0.0.1"));
    let home = home.restarted().await;
    let status = home.status(&node);
    assert_eq!((status.applied_revision, status.durable_revision), (1, 1));
    assert_eq!(
        (status.connected, status.reason.as_deref()),
        (false, Some("unreachable"))
    );
}

#[tokio::test]
async fn a_second_session_of_a_node_ends_the_first() {
    let home = Home::new().await;
    let node = home.joined().await;
    let (mut first, _) = node.connect(home.sync()).await;
    first.update().await;
    let (mut second, _) = node.connect(home.sync()).await;
    assert_eq!(first.goodbye().await.reason(), Reason::Superseded);
    second.update().await;
    assert!(home.status(&node).connected);
}

#[tokio::test]
async fn two_machines_with_one_identity_are_noticed_and_slowed() {
    let home = Home::new().await;
    let node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let (next, _) = node.connect(home.sync()).await;
        let mut old = std::mem::replace(&mut link, next);
        loop {
            if let Some(shared::sync::proto::to_node::M::Goodbye(goodbye)) = old.hear().await {
                waits.push(goodbye.retry_after_ms);
                break;
            }
        }
    }
    assert_eq!(waits, [0, 0, 10_000]);
    assert!(
        home.status(&node)
            .reason
            .unwrap()
            .contains("duplicate_node_id")
    );
}

#[tokio::test]
async fn a_stream_that_does_not_follow_the_protocol_ends() {
    let home = Home::new().await;
    let node = home.joined().await;
    let wrong_protocol = shared::sync::proto::Hello {
        protocol: 99,
        ..node.hello()
    };
    let damaged = shared::sync::proto::Version {
        epoch: vec![1],
        revision: 1,
        digest: vec![],
    };
    let cases = [
        ("no Hello", From::Heartbeat(Default::default())),
        ("another protocol", From::Hello(wrong_protocol)),
        (
            "a damaged version",
            From::Hello(shared::sync::proto::Hello {
                running: Some(damaged),
                ..node.hello()
            }),
        ),
    ];
    for (name, message) in cases {
        let mut link = node.open(home.sync()).await;
        link.say(message).await;
        assert_eq!(link.goodbye().await.reason(), Reason::Protocol, "{name}");
    }
    let (mut link, _) = node.connect(home.sync()).await;
    let mut received = link.update().await;
    received.id += 1;
    link.applied(&received).await;
    assert_eq!(link.goodbye().await.reason(), Reason::Protocol);
}

#[tokio::test]
async fn updates_that_do_not_add_up_are_replaced_by_one_snapshot_then_held() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    node.follow(&mut link).await;
    home.service(2, "second").await;
    let delta = link.update().await;
    assert!(delta.is_delta());
    link.reject(&delta, nack::Code::Digest).await;
    let snapshot = link.update().await;
    assert!(!snapshot.is_delta());
    link.reject(&snapshot, nack::Code::Digest).await;
    assert!(link.is_silent(Duration::from_millis(300)).await);
    assert!(
        home.status(&node)
            .reason
            .unwrap()
            .contains("needs_attention")
    );
    assert_eq!(home.status(&node).last_nack.unwrap().code, "DIGEST");
}

#[tokio::test]
async fn a_node_that_knows_more_than_the_store_opens_a_new_epoch() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    node.follow(&mut link).await;
    drop(link);
    let epoch = home.store.version().epoch;
    // As if a backup from before revision 5 had been put back.
    let running = node.running.as_mut().unwrap();
    running.revision = 5;
    let (mut link, _) = node.connect(home.sync()).await;
    let received = node.follow(&mut link).await;
    assert!(received.target.epoch > epoch);
    assert_eq!((received.is_delta(), received.changes.len()), (true, 0));

    // At most one an hour: a second contradiction changes nothing.
    let epoch = home.store.version().epoch;
    drop(link);
    node.running.as_mut().unwrap().digest = Digest::default();
    let (mut link, welcome) = node.connect(home.sync()).await;
    assert_eq!(welcome.plan(), Plan::Held);
    assert!(link.is_silent(Duration::from_millis(200)).await);
    assert_eq!(home.store.version().epoch, epoch);
}

#[tokio::test]
async fn waiting_for_nodes_ends_when_they_run_it_or_time_is_up() {
    let home = Home::new().await;
    let second = Duration::from_secs(1);
    let nobody = home
        .hub
        .wait_applied(home.service(1, "first").await, Quorum::All, second)
        .await;
    assert_eq!(
        nobody,
        Applied {
            applied: 0,
            connected: 0,
            reached: true
        }
    );

    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    node.follow(&mut link).await;
    let revision = home.service(2, "second").await;
    let late = home
        .hub
        .wait_applied(revision, Quorum::All, Duration::from_millis(50))
        .await;
    assert_eq!(
        late,
        Applied {
            applied: 0,
            connected: 1,
            reached: false
        }
    );
    let (applied, _) = tokio::join!(
        home.hub
            .wait_applied(revision, Quorum::Percent(95.0), 30 * second),
        node.follow(&mut link)
    );
    assert_eq!(
        applied,
        Applied {
            applied: 1,
            connected: 1,
            reached: true
        }
    );
}

#[tokio::test]
async fn a_stop_says_goodbye_and_ends() {
    let home = Home::new().await;
    let mut node = home.joined().await;
    let (mut link, _) = node.connect(home.sync()).await;
    node.follow(&mut link).await;
    home.shutdown.cancel();
    assert_eq!(link.goodbye().await.reason(), Reason::Shutdown);
    drop(link);
    tokio::time::timeout(Duration::from_secs(5), home.hub.stopped())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_node_waits_for_its_turn_with_a_snapshot_and_gets_it() {
    let home = Home::new().await;
    home.first().await;
    let mut node = home.joined().await;
    let turns = home.hub.shared.snapshots.clone();
    let taken = turns
        .acquire_many_owned(server::SNAPSHOTS as u32)
        .await
        .unwrap();
    let (mut link, welcome) = node.connect(home.sync()).await;
    assert_eq!(welcome.plan(), Plan::Wait);
    assert!(link.is_silent(Duration::from_millis(400)).await);
    drop(taken);
    assert!(!node.follow(&mut link).await.is_delta());
}
