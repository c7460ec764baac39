//! The verbs on one document: checklist 12, 13, 15 to 18, 24, 25, 45.

use crate::client::Plane;
use serde_json::{Value, json};

const ID: &str = "00000000-0000-4000-8000-000000000001";

#[tokio::test]
async fn a_name_is_given_once() {
    let plane = Plane::start().await;
    plane.service("foo").await;
    let again = plane
        .post("/services", json!({ "name": "foo", "host": "h.test" }))
        .await;
    let expected = json!({
        "code": 5,
        "name": "unique constraint violation",
        "message": "UNIQUE violation detected on '{name=\"foo\"}'",
        "fields": { "name": "foo" },
    });
    assert_eq!(again.expect(409), expected);
}

#[tokio::test]
async fn an_id_is_given_once() {
    let plane = Plane::start().await;
    let body = json!({ "id": ID, "host": "h.test" });
    assert_eq!(plane.post("/services", body.clone()).await.status, 201);
    let again = plane.post("/services", body).await.expect(400);
    assert_eq!(again["code"], 3);
    assert_eq!(
        again["message"],
        format!("primary key violation on key '{{id=\"{ID}\"}}'")
    );
    assert_eq!(again["fields"], json!({ "id": ID }));
}

#[tokio::test]
async fn put_creates_with_200_and_replaces_whole() {
    let plane = Plane::start().await;
    let path = format!("/services/{ID}");
    let body = json!({ "name": "a", "host": "h.test", "port": 81, "tags": ["t"], "id": "ignored" });
    let made = plane.put(&path, body).await.expect(200);
    assert_eq!([&made["id"], &made["port"]], [&json!(ID), &json!(81)]);
    let replaced = plane
        .put(&path, json!({ "host": "i.test" }))
        .await
        .expect(200);
    let expected = json!([ID, null, "i.test", 80, null]);
    let found = json!([
        replaced["id"],
        replaced["name"],
        replaced["host"],
        replaced["port"],
        replaced["tags"]
    ]);
    assert_eq!(found, expected);
    assert_eq!(plane.get(&path).await.expect(200), replaced);
}

#[tokio::test]
async fn put_by_name_keeps_the_name_of_the_address_and_the_id() {
    let plane = Plane::start().await;
    let made = plane
        .put(
            "/services/foo",
            json!({ "name": "bar", "host": "h.test", "id": ID }),
        )
        .await;
    let made = made.expect(200);
    assert_eq!([&made["name"], &made["id"]], [&json!("foo"), &json!(ID)]);
    let other = "00000000-0000-4000-8000-000000000002";
    let again = plane
        .put("/services/foo", json!({ "host": "i.test", "id": other }))
        .await;
    let again = again.expect(200);
    assert_eq!(
        [&again["host"], &again["id"]],
        [&json!("i.test"), &json!(ID)]
    );
    assert_eq!(plane.get("/services/bar").await.status, 404);
}

#[tokio::test]
async fn what_is_not_there_answers_by_verb() {
    let plane = Plane::start().await;
    let not_found = json!({ "message": "Not found" });
    let by_id = plane
        .patch(&format!("/services/{ID}"), json!({}))
        .await
        .expect(404);
    let expected = json!({
        "code": 6,
        "name": "not found",
        "message": format!("could not find the entity with primary key '{{id=\"{ID}\"}}'"),
        "fields": { "id": ID },
    });
    assert_eq!(by_id, expected);
    let by_name = plane.patch("/services/foo", json!({})).await.expect(404);
    assert_eq!(
        by_name["message"],
        "could not find the entity with '{name=\"foo\"}'"
    );
    assert_eq!(plane.get("/services/foo").await.expect(404), not_found);
    assert_eq!(plane.delete("/services/foo").await.status, 204);
    assert_eq!(plane.delete(&format!("/services/{ID}")).await.status, 204);
    plane.service("s").await;
    assert_eq!(
        plane.delete("/services/s/routes/none").await.expect(404),
        not_found
    );
    assert_eq!(
        plane.delete("/services/none/routes/none").await.expect(404),
        not_found
    );
}

#[tokio::test]
async fn a_service_goes_after_its_routes_and_takes_its_plugins() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    plane.route("r", Some(&service)).await;
    let plugin = plane
        .post("/services/s/plugins", json!({ "name": "key-auth" }))
        .await
        .id();
    let blocked = plane.delete("/services/s").await.expect(400);
    let expected = json!({
        "code": 4,
        "name": "foreign key violation",
        "message": "an existing 'routes' entity references this 'services' entity",
        "fields": { "@referenced_by": "routes" },
    });
    assert_eq!(blocked, expected);
    assert_eq!(plane.get(&format!("/plugins/{plugin}")).await.status, 200);
    assert_eq!(plane.delete("/routes/r").await.status, 204);
    assert_eq!(plane.delete("/services/s").await.status, 204);
    assert_eq!(plane.get(&format!("/plugins/{plugin}")).await.status, 404);
}

#[tokio::test]
async fn patch_merges_and_null_clears() {
    let plane = Plane::start().await;
    let made = plane
        .post(
            "/services",
            json!({ "name": "s", "host": "h.test", "tags": ["a"] }),
        )
        .await
        .json();
    let changed = plane
        .patch("/services/s", json!({ "tags": null, "port": 81 }))
        .await
        .expect(200);
    assert_eq!(
        [&changed["tags"], &changed["port"], &changed["host"]],
        [&Value::Null, &json!(81), &json!("h.test")]
    );
    assert_eq!(changed["created_at"], made["created_at"]);
    let refused = plane
        .patch("/services/s", json!({ "port": null }))
        .await
        .expect(400);
    assert_eq!(
        refused["fields"],
        json!({ "port": "required field missing" })
    );
    let renamed = plane
        .patch("/services/s", json!({ "name": "t" }))
        .await
        .expect(200);
    assert_eq!(renamed["id"], made["id"]);
    assert_eq!(plane.get("/services/s").await.status, 404);
    let other = plane
        .patch("/services/t", json!({ "id": ID }))
        .await
        .expect(200);
    assert_eq!(other["id"], made["id"], "an id never changes");
}

#[tokio::test]
async fn patches_at_the_same_time_are_all_kept() {
    let plane = Plane::start().await;
    plane.service("s").await;
    let fields = [
        "connect_timeout",
        "write_timeout",
        "read_timeout",
        "retries",
        "port",
    ];
    let changes = fields.map(|field| plane.patch("/services/s", json!({ field: 7 })));
    for changed in futures_util::future::join_all(changes).await {
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    let found = plane.get("/services/s").await.json();
    for field in fields {
        assert_eq!(found[field], 7, "{field}");
    }
}

#[tokio::test]
async fn puts_of_one_new_name_at_the_same_time_make_one_document() {
    let plane = Plane::start().await;
    let hosts = ["a.test", "b.test", "c.test", "d.test"];
    let puts = hosts.map(|host| plane.put("/services/s", json!({ "host": host })));
    for put in futures_util::future::join_all(puts).await {
        assert_eq!(put.status, 200, "{put:?}");
    }
    let listed = plane.get("/services").await.expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn names_resolve_as_utf8_and_percent_encoded() {
    let plane = Plane::start().await;
    plane.service("Žofie~1").await;
    plane.consumer("a/b c").await;
    for path in [
        "/services/%C5%BDofie~1",
        "/services/Žofie~1",
        "/consumers/a%2Fb%20c",
    ] {
        assert_eq!(plane.get(path).await.status, 200, "{path}");
    }
    let spaced = plane.get("/services/a%20b").await.expect(400);
    let expected = json!({
        "code": 10,
        "name": "invalid unique name",
        "message": "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
    });
    assert_eq!(spaced, expected);
    assert_eq!(plane.get("/services/%FF").await.expect(400)["code"], 10);
}

#[tokio::test]
async fn without_a_name_only_ids_are_looked_up() {
    let plane = Plane::start().await;
    let found = plane.get("/acls/foo").await.expect(400);
    let expected = json!({
        "code": 1,
        "name": "invalid primary key",
        "message": "invalid primary key: '{id=\"expected a valid UUID\"}'",
        "fields": { "id": "expected a valid UUID" },
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn ids_match_in_any_case_and_are_never_names() {
    let plane = Plane::start().await;
    let id = "00000000-0000-4000-8000-00000000000a";
    plane
        .put(&format!("/consumers/{id}"), json!({ "username": "x" }))
        .await
        .expect(200);
    let upper = id.to_uppercase();
    assert_eq!(
        plane.get(&format!("/consumers/{upper}")).await.expect(200)["id"],
        id
    );
    let shaped = "00000000-0000-4000-8000-00000000000b";
    plane
        .post("/consumers", json!({ "username": shaped }))
        .await
        .expect(201);
    assert_eq!(plane.get(&format!("/consumers/{shaped}")).await.status, 404);
}

#[tokio::test]
async fn the_strategy_is_never_told() {
    let plane = Plane::start().await;
    plane.service("s").await;
    let refused = [
        plane.post("/services", json!({})).await,
        plane
            .post("/services", json!({ "name": "s", "host": "h.test" }))
            .await,
        plane.get("/services?size=0").await,
        plane.get("/services?offset=x").await,
        plane.patch("/services/none", json!({})).await,
        plane.get("/acls/x").await,
    ];
    for answer in refused {
        assert!(answer.status >= 400);
        assert!(answer.json().get("strategy").is_none(), "{answer:?}");
    }
}
