use super::*;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_get_revisions_without_gaps() {
    let home = Home::new();
    let writers: Vec<_> = (0..16u128)
        .map(|writer| {
            let store = home.store.clone();
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                for turn in 0..20u128 {
                    let number = writer * 100 + turn + 1;
                    let good = insert("consumers", consumer(number, &format!("c{number}")));
                    revisions.push(store.write(vec![good], "tests").await.unwrap().revision);
                    // A failed write takes no revision.
                    let taken = insert("consumers", consumer(number, "again"));
                    assert!(store.write(vec![taken], "tests").await.is_err());
                }
                revisions
            })
        })
        .collect();
    let mut revisions = BTreeSet::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted());
        revisions.extend(own);
    }
    assert!(revisions.into_iter().eq(1..=320));
    assert_eq!(home.store.head(), 320);
    for revision in 1..=320 {
        assert_eq!(
            home.store.log_of(revision).await.unwrap().len(),
            1,
            "{revision}"
        );
    }
}

#[tokio::test]
async fn a_write_is_visible_to_the_next_read() {
    let home = Home::new();
    for turn in 1..50 {
        home.insert("consumers", consumer(turn, &format!("c{turn}")))
            .await;
        assert!(
            home.store
                .get("consumers", id(turn))
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(home.store.state().0.len(), turn as usize);
    }
}

#[tokio::test]
async fn the_change_log_tells_what_was_and_what_is() {
    let home = Home::new();
    home.store
        .write(vec![insert("consumers", consumer(1, "ann"))], "alice")
        .await
        .unwrap();
    home.store
        .write(
            vec![update("consumers", consumer(1, "bea"), Some(1))],
            "bob",
        )
        .await
        .unwrap();
    home.store
        .write(vec![delete("consumers", 1)], "cid")
        .await
        .unwrap();
    let bytes = |username| Some(shared::sync::canonical(&object(consumer(1, username))));
    let expected = [
        ("alice", None, bytes("ann")),
        ("bob", bytes("ann"), bytes("bea")),
        ("cid", bytes("bea"), None),
    ];
    for (revision, (actor, before, after)) in (1..).zip(expected) {
        let rows = home.store.log_of(revision).await.unwrap();
        let [row] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!(
            (row.revision, row.seq, row.kind.as_str(), row.id),
            (revision, 0, "consumers", id(1))
        );
        assert_eq!(
            (row.actor.as_str(), &row.before, &row.after),
            (actor, &before, &after)
        );
        assert!((now_ms() - row.at).abs() < 60_000);
        assert_eq!(
            home.store.digest_at(revision).await.unwrap(),
            Some(row.digest)
        );
    }
    assert_eq!(home.store.version().digest, Digest::default());
}

#[tokio::test]
async fn deleting_what_is_absent_changes_nothing() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    assert_eq!(
        home.try_write(delete("consumers", 2)).await.unwrap(),
        Committed { revision: 1 }
    );
    assert_eq!(home.store.head(), 1);
}

#[tokio::test]
async fn writing_the_same_again_is_a_revision_of_its_own() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    let digest = home.store.version().digest;
    let again = home
        .try_write(upsert("consumers", consumer(1, "ann")))
        .await
        .unwrap();
    assert_eq!(again.revision, 2);
    assert_eq!(home.store.version().digest, digest);
}

#[tokio::test]
async fn a_compare_and_set_loses_to_the_write_before_it() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    let read = home.store.get("consumers", id(1)).await.unwrap().unwrap();
    let writes = ["bea", "cid"]
        .map(|name| home.try_write(update("consumers", consumer(1, name), Some(read.revision))));
    let [first, second] = writes;
    assert_eq!(first.await.unwrap().revision, 2);
    assert_eq!(
        rejection(second.await),
        Rejection::Changed {
            kind: "consumers",
            id: id(1)
        }
    );
}

#[tokio::test]
async fn private_kinds_take_no_revision_and_stay_out_of_the_state() {
    let home = Home::new();
    let record = |count: u64| json!({ "id": id(1), "count": count });
    assert_eq!(home.insert("cp/records", record(0)).await.revision, 0);
    home.try_write(update("cp/records", record(1), Some(1)))
        .await
        .unwrap();
    let lost = home
        .try_write(update("cp/records", record(2), Some(1)))
        .await;
    assert_eq!(
        rejection(lost),
        Rejection::Changed {
            kind: "cp/records",
            id: id(1)
        }
    );
    let mixed = vec![
        update("cp/records", record(2), Some(2)),
        insert("consumers", consumer(1, "ann")),
    ];
    assert_eq!(home.store.write(mixed, "tests").await.unwrap().revision, 1);
    assert_eq!(home.store.log_of(1).await.unwrap().len(), 1);
    let home = home.reopened();
    assert_eq!(home.store.state().0.len(), 1);
    let record = home.store.get("cp/records", id(1)).await.unwrap().unwrap();
    assert_eq!(
        (record.document["count"].as_u64(), record.revision),
        (Some(2), 3)
    );
}

#[tokio::test]
async fn what_has_expired_is_deleted_in_one_revision_and_nothing_else_is() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    let now = now_ms() / 1000;
    let ends = [
        json!(now - 10),
        json!(now - 1),
        json!(now + 1000),
        json!(0),
        Value::Null,
    ];
    for (number, end) in (10..).zip(ends) {
        let mut document = key(number, &format!("k{number}"), 1);
        document["ttl"] = end;
        home.insert("keyauth_credentials", document).await;
    }
    let before = home.store.head();
    assert_eq!(home.store.purge_expired().await.unwrap(), 2);
    let rows = home.store.log_of(before + 1).await.unwrap();
    assert_eq!(
        rows.iter()
            .map(|row| (row.id, row.actor.as_str()))
            .collect::<Vec<_>>(),
        [(id(10), "expiry"), (id(11), "expiry")]
    );
    assert_eq!(home.store.purge_expired().await.unwrap(), 0);
    assert_eq!(
        (home.store.head(), home.store.state().0.len()),
        (before + 1, 4)
    );
}

#[tokio::test]
async fn a_longer_life_saves_from_expiry() {
    let home = Home::new();
    home.insert("consumers", consumer(1, "ann")).await;
    let mut document = key(10, "k", 1);
    document["ttl"] = json!(1);
    home.insert("keyauth_credentials", document.clone()).await;
    document["ttl"] = json!(now_ms() / 1000 + 1000);
    home.try_write(update("keyauth_credentials", document, None))
        .await
        .unwrap();
    assert_eq!(home.store.purge_expired().await.unwrap(), 0);
    let late = Operation::Delete {
        kind: "keyauth_credentials",
        id: id(10),
        expected: Some(2),
    };
    assert_eq!(
        home.store
            .submit_operations(vec![late], "expiry".into())
            .await
            .unwrap()
            .revision,
        3
    );
    assert!(
        home.store
            .get("keyauth_credentials", id(10))
            .await
            .unwrap()
            .is_some()
    );
}
