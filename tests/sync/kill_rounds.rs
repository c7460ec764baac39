//! R1: `kill -9` of the control plane in the middle of writes. `HEADGATE_KILL_ROUNDS` says how often (20).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tests::admin::{Admin, revision_of};
use tests::{Gateway, Setup};
use tokio::task::JoinSet;

const WRITERS: usize = 4;

/// What one writer knows, outside the system under test: its service was created, then its tag was counted up.
#[derive(Debug)]
struct Entry {
    name: String,
    /// The last acknowledged count; none if the creation was not acknowledged.
    acknowledged: Option<u64>,
    /// The revisions of the acknowledged writes.
    revisions: Vec<u64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_and_no_revision_is_skipped() {
    let rounds = std::env::var("HEADGATE_KILL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20);
    let mut gateway = Gateway::with(Setup::nodes(1)).await;
    let mut ledger = Vec::new();
    for round in 0..rounds {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(
                gateway.admin().clone(),
                format!("r{round}-w{writer}"),
            ));
        }
        // A different moment each time, without randomness: rounds can be repeated.
        tokio::time::sleep(Duration::from_millis(15 + (round * 37) % 90)).await;
        gateway.control_plane.kill();
        while let Some(entry) = writers.join_next().await {
            ledger.push(entry.expect("a writer does not panic"));
        }
        gateway.control_plane.restart().await;
        verify(gateway.admin(), &ledger).await;
    }
    let writes: usize = ledger.iter().map(|entry| entry.revisions.len()).sum();
    assert!(
        writes > rounds as usize,
        "the writers hardly wrote: {writes}"
    );
    gateway.settled().await;
    println!("{rounds} rounds of kill -9, {writes} acknowledged writes: none lost, no gap");
}

/// Writes until the control plane is gone.
async fn write(admin: Admin, name: String) -> Entry {
    let mut entry = Entry {
        name: name.clone(),
        acknowledged: None,
        revisions: Vec::new(),
    };
    let service = json!({ "name": name, "host": "upstream.test", "tags": ["n0"] });
    let mut reply = admin.post("/services", service).await;
    for count in 0.. {
        match (reply.status, revision_of(&reply)) {
            (200 | 201, Some(revision)) => entry.revisions.push(revision),
            (0, _) => break,
            _ => panic!("write {count} of {name}: {reply}"),
        }
        entry.acknowledged = Some(count);
        let tag = format!("n{}", count + 1);
        reply = admin
            .patch(&format!("/services/{name}"), json!({ "tags": [tag] }))
            .await;
    }
    entry
}

/// Compares the store with the ledger.
async fn verify(admin: &Admin, ledger: &[Entry]) {
    let stored: BTreeMap<String, u64> = admin.list("services").await.iter().map(counted).collect();
    for entry in ledger {
        let count = stored.get(&entry.name).copied();
        match entry.acknowledged {
            // The write under way at the kill is wholly there or wholly not.
            None => assert!(count.is_none_or(|count| count == 0), "{entry:?}: {count:?}"),
            Some(last) => assert!(
                count == Some(last) || count == Some(last + 1),
                "lost: {entry:?}, stored {count:?}"
            ),
        }
    }
    let nodes = admin
        .get("/headgate/data-planes")
        .await
        .expect_status(200)
        .json();
    let head = nodes["head_revision"]
        .as_u64()
        .expect("the head is a number");
    // Each service took one revision to create and one per count: every number up to the head is used.
    let writes: u64 = stored.values().map(|count| count + 1).sum();
    assert_eq!(head, writes, "as many revisions as committed writes");
    let mut revisions: Vec<u64> = ledger
        .iter()
        .flat_map(|entry| entry.revisions.iter().copied())
        .collect();
    let answered = revisions.len();
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), answered, "no revision was answered twice");
    assert!(
        revisions.last() <= Some(&head),
        "no answer is ahead of the store"
    );
}

fn counted(service: &Value) -> (String, u64) {
    let name = service["name"]
        .as_str()
        .expect("a service has a name")
        .to_owned();
    let tag = service["tags"][0]
        .as_str()
        .and_then(|tag| tag.strip_prefix('n'));
    (
        name,
        tag.and_then(|digits| digits.parse().ok())
            .expect("the tag counts"),
    )
}
