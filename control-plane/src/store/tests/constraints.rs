use super::*;

/// One service, two routes on it, two consumers with credentials, plugins on all of them.
async fn furnished() -> Home {
    let home = Home::new();
    let documents = [
        ("services", service(1, "orders")),
        ("services", service(2, "unused")),
        ("routes", route(10, "first", Some(1))),
        ("routes", route(11, "second", Some(1))),
        ("routes", route(12, "alone", None)),
        ("consumers", consumer(20, "ann")),
        ("consumers", consumer(21, "bob")),
        ("keyauth_credentials", key(30, "secret", 20)),
        ("acls", acl(40, "admins", 20)),
        ("plugins", plugin(50, "key-auth", [Some(1), None, None])),
        ("plugins", plugin(51, "key-auth", [None, None, None])),
        ("plugins", plugin(52, "acl", [Some(2), None, None])),
        (
            "plugins",
            plugin(53, "request-termination", [None, Some(12), None]),
        ),
        (
            "plugins",
            plugin(54, "request-termination", [None, None, Some(20)]),
        ),
    ];
    let writes = documents
        .into_iter()
        .map(|(kind, document)| insert(kind, document))
        .collect();
    home.store.write(writes, "tests").await.unwrap();
    home
}

fn unique(kind: &'static str, fields: Value) -> Rejection {
    Rejection::Unique {
        kind,
        fields: object(fields),
    }
}

fn missing(kind: &'static str, field: &str, to_kind: &str, number: u128) -> Rejection {
    Rejection::ForeignMissing {
        kind,
        field: field.to_owned(),
        to_kind: to_kind.to_owned(),
        to_id: id(number),
    }
}

#[tokio::test]
async fn each_constraint_is_reported_and_leaves_nothing() {
    let cases = [
        (
            insert("services", service(1, "other")),
            Rejection::PrimaryKey {
                kind: "services",
                id: id(1),
            },
        ),
        (
            insert("services", service(9, "orders")),
            unique("services", json!({ "name": "orders" })),
        ),
        (
            upsert("services", service(2, "orders")),
            unique("services", json!({ "name": "orders" })),
        ),
        (
            update("services", service(2, "orders"), None),
            unique("services", json!({ "name": "orders" })),
        ),
        (
            update("services", service(9, "new"), None),
            Rejection::NotFound {
                kind: "services",
                id: id(9),
            },
        ),
        (
            update("services", service(1, "new"), Some(7)),
            Rejection::Changed {
                kind: "services",
                id: id(1),
            },
        ),
        (
            insert("routes", route(19, "first", Some(9))),
            unique("routes", json!({ "name": "first" })),
        ),
        (
            insert("routes", route(19, "new", Some(9))),
            missing("routes", "service", "services", 9),
        ),
        (
            upsert("routes", route(10, "first", Some(9))),
            missing("routes", "service", "services", 9),
        ),
        (
            insert("keyauth_credentials", key(39, "secret", 21)),
            unique("keyauth_credentials", json!({ "key": "secret" })),
        ),
        (
            insert("keyauth_credentials", key(39, "new", 29)),
            missing("keyauth_credentials", "consumer", "consumers", 29),
        ),
        (
            insert("acls", acl(49, "admins", 20)),
            unique(
                "acls",
                json!({ "consumer": { "id": id(20) }, "group": "admins" }),
            ),
        ),
        (
            insert("plugins", plugin(59, "key-auth", [Some(1), None, None])),
            unique(
                "plugins",
                json!({ "name": "key-auth", "service": { "id": id(1) }, "route": null, "consumer": null }),
            ),
        ),
        (
            insert("plugins", plugin(59, "key-auth", [None, None, None])),
            unique(
                "plugins",
                json!({ "name": "key-auth", "service": null, "route": null, "consumer": null }),
            ),
        ),
        (
            delete("services", 1),
            Rejection::Referenced {
                kind: "services",
                id: id(1),
                by: "routes".to_owned(),
            },
        ),
    ];
    let home = furnished().await;
    let (before, version) = home.store.state();
    for (write, expected) in cases {
        let said = format!("{write:?}");
        assert_eq!(rejection(home.try_write(write).await), expected, "{said}");
        assert_eq!(home.store.version(), version, "{said}");
    }
    let (after, _) = home.store.state();
    assert!(before.iter().eq(after.iter()));
}

#[tokio::test]
async fn what_differs_in_one_part_of_a_key_is_not_taken() {
    let home = furnished().await;
    for write in [
        insert("acls", acl(49, "admins", 21)),
        insert("acls", acl(48, "users", 20)),
        insert("plugins", plugin(59, "key-auth", [Some(2), None, None])),
        insert("plugins", plugin(58, "key-auth", [Some(1), Some(10), None])),
        update("services", service(1, "orders"), None),
    ] {
        let said = format!("{write:?}");
        assert!(home.try_write(write).await.is_ok(), "{said}");
    }
}

#[tokio::test]
async fn nulls_do_not_collide_in_a_single_field() {
    let home = Home::new();
    for number in 1..3 {
        let unnamed = json!({ "id": id(number), "name": null, "service": null, "tags": null });
        home.insert("routes", unnamed).await;
    }
    assert_eq!(home.store.head(), 2);
}

#[tokio::test]
async fn a_deletion_takes_along_what_cascades_as_one_revision() {
    let cases: [(Write, &[(&str, u128)]); 4] = [
        (delete("services", 2), &[("plugins", 52), ("services", 2)]),
        (delete("routes", 12), &[("plugins", 53), ("routes", 12)]),
        (
            delete("consumers", 20),
            &[
                ("acls", 40),
                ("consumers", 20),
                ("keyauth_credentials", 30),
                ("plugins", 54),
            ],
        ),
        (delete("plugins", 51), &[("plugins", 51)]),
    ];
    for (write, expected) in cases {
        let home = furnished().await;
        let said = format!("{write:?}");
        let committed = home.try_write(write).await.unwrap();
        assert_eq!(committed.revision, 2, "{said}");
        let rows = home.store.log_of(2).await.unwrap();
        let mut gone: Vec<(&str, Uuid)> =
            rows.iter().map(|row| (row.kind.as_str(), row.id)).collect();
        gone.sort_unstable();
        let expected: Vec<(&str, Uuid)> = expected
            .iter()
            .map(|&(kind, number)| (kind, id(number)))
            .collect();
        assert_eq!(gone, expected, "{said}");
        assert!(
            rows.iter()
                .all(|row| row.before.is_some() && row.after.is_none()),
            "{said}"
        );
        for (kind, id) in expected {
            assert!(home.store.get(kind, id).await.unwrap().is_none(), "{said}");
        }
    }
}

#[tokio::test]
async fn keys_of_deleted_and_renamed_documents_are_free_again() {
    let home = furnished().await;
    home.try_write(delete("consumers", 20)).await.unwrap();
    home.insert("keyauth_credentials", key(39, "secret", 21))
        .await;
    home.try_write(update("services", service(2, "renamed"), None))
        .await
        .unwrap();
    home.insert("services", service(3, "unused")).await;
    assert!(
        home.store
            .find("services", "name", "unused")
            .await
            .unwrap()
            .is_some_and(|found| found.id == id(3))
    );
}

#[tokio::test]
async fn a_moved_reference_no_longer_blocks() {
    let home = furnished().await;
    for number in [10, 11] {
        home.try_write(upsert(
            "routes",
            route(number, &format!("r{number}"), Some(2)),
        ))
        .await
        .unwrap();
    }
    home.try_write(delete("services", 1)).await.unwrap();
    assert!(home.store.get("plugins", id(50)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_batch_may_name_what_it_creates_later_and_remove_what_it_empties_later() {
    let home = furnished().await;
    let forward = vec![
        insert("routes", route(13, "third", Some(3))),
        insert("services", service(3, "late")),
    ];
    home.store.write(forward, "tests").await.unwrap();
    let backward = vec![
        delete("services", 1),
        delete("routes", 10),
        delete("routes", 11),
    ];
    home.store.write(backward, "tests").await.unwrap();
    assert_eq!(home.store.head(), 3);
}

#[tokio::test]
async fn a_batch_fails_whole_and_names_the_write_that_failed() {
    let home = furnished().await;
    let batch = vec![
        insert("consumers", consumer(22, "cid")),
        insert("consumers", consumer(23, "ann")),
    ];
    match home.store.write(batch, "tests").await {
        Err(WriteError::Rejected { index: 1, reason }) => {
            assert_eq!(reason, unique("consumers", json!({ "username": "ann" })));
        }
        other => panic!("{other:?}"),
    }
    assert!(home.store.get("consumers", id(22)).await.unwrap().is_none());
    assert_eq!(home.store.head(), 1);
}

#[tokio::test]
async fn documents_of_one_batch_may_exchange_their_names() {
    let home = furnished().await;
    let exchanged = vec![
        upsert("services", service(1, "unused")),
        upsert("services", service(2, "orders")),
    ];
    home.store.write(exchanged, "tests").await.unwrap();
    for (name, number) in [("unused", 1), ("orders", 2)] {
        let found = home.store.find("services", "name", name).await.unwrap();
        assert_eq!(found.map(|stored| stored.id), Some(id(number)), "{name}");
    }
    let twice = vec![
        upsert("services", service(1, "orders")),
        upsert("services", service(2, "orders")),
    ];
    let refused = rejection(home.store.write(twice, "tests").await);
    assert_eq!(refused, unique("services", json!({ "name": "orders" })));
    let found = home.store.find("services", "name", "orders").await.unwrap();
    assert_eq!(
        found.map(|stored| stored.id),
        Some(id(2)),
        "nothing changed"
    );
}
