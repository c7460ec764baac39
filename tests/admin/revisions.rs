//! Every write is a revision, and says which.

use serde_json::json;
use tests::admin::revision_of;
use tests::{Gateway, Setup};

#[tokio::test]
async fn every_write_answers_with_the_next_revision() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let admin = gateway.admin();
    let mut last = 0;
    let mut next = |reply: tests::wire::Reply| {
        let revision =
            revision_of(&reply).unwrap_or_else(|| panic!("no Headgate-Revision: {reply}"));
        assert_eq!(revision, last + 1, "{reply}");
        last = revision;
    };
    next(
        admin
            .post("/services", json!({ "name": "a", "host": "a" }))
            .await,
    );
    next(
        admin
            .post("/services/a/routes", json!({ "name": "r", "paths": ["/"] }))
            .await,
    );
    next(admin.patch("/services/a", json!({ "port": 81 })).await);
    next(admin.put("/consumers/ann", json!({})).await);
    next(admin.form("/routes/r/plugins", "name=key-auth").await);
    admin
        .post("/services", json!({ "name": "a", "host": "a" }))
        .await
        .expect_status(409);
    next(admin.delete("/routes/r").await);
    next(admin.delete("/services/a").await);
    let nodes = admin
        .get("/headgate/data-planes")
        .await
        .expect_status(200)
        .json();
    assert_eq!(nodes["head_revision"], last);
}

#[tokio::test]
async fn deleting_a_consumer_takes_its_credentials_with_it_in_one_revision() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let admin = gateway.admin();
    admin
        .create("/consumers", json!({ "username": "ann" }))
        .await;
    for key in ["one", "two"] {
        admin
            .create("/consumers/ann/key-auth", json!({ "key": key }))
            .await;
    }
    admin
        .create("/consumers/ann/acls", json!({ "group": "g" }))
        .await;
    admin
        .plugin("/consumers/ann", "request-transformer", json!({}))
        .await;
    let before = admin.revision();
    let reply = admin.delete("/consumers/ann").await.expect_status(204);
    assert_eq!(revision_of(&reply), Some(before + 1));
    for collection in ["consumers", "key-auths", "acls", "plugins"] {
        assert_eq!(admin.list(collection).await.len(), 0, "{collection}");
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let mut gateway = Gateway::with(Setup::nodes(0)).await;
    let service = gateway
        .admin()
        .create(
            "/services",
            json!({ "name": "a", "host": "a", "retries": 7 }),
        )
        .await;
    gateway.control_plane.restart().await;
    let read = gateway
        .admin()
        .get("/services/a")
        .await
        .expect_status(200)
        .json();
    assert_eq!(read, service);
}

#[tokio::test]
async fn concurrent_patches_of_one_document_lose_nothing() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let admin = gateway.admin();
    admin
        .create("/services", json!({ "name": "a", "host": "a" }))
        .await;
    let fields = [
        "connect_timeout",
        "read_timeout",
        "write_timeout",
        "retries",
    ];
    let patches = fields.map(|field| {
        let admin = admin.clone();
        tokio::spawn(async move {
            for value in 1..=25 {
                admin
                    .patch("/services/a", json!({ field: value }))
                    .await
                    .expect_status(200);
            }
        })
    });
    for patch in patches {
        patch.await.expect("every patch is taken");
    }
    let service = admin.get("/services/a").await.json();
    for field in fields {
        assert_eq!(service[field], 25, "{field}: {service}");
    }
}
