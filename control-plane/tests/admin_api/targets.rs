//! Upstreams and their targets: section 8.8 of the page, checklist 19, 32 and 33.

use crate::client::Plane;
use serde_json::{Value, json};

async fn plane_with_upstream() -> (Plane, String) {
    let plane = Plane::start().await;
    let made = plane.post("/upstreams", json!({ "name": "u.test" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.id();
    (plane, id)
}

async fn target(plane: &Plane, text: &str) -> Value {
    let body = json!({ "target": text });
    plane
        .post("/upstreams/u.test/targets", body)
        .await
        .expect(201)
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["data"].as_array().expect("a list");
    items
        .iter()
        .filter_map(|item| item["target"].as_str())
        .collect()
}

/// Checklist 19.
#[tokio::test]
async fn targets_have_no_address_at_the_top_level() {
    let (plane, _) = plane_with_upstream().await;
    let id = target(&plane, "h.test").await["id"].clone();
    let id = id.as_str().expect("an id");
    let missing = json!({ "message": "Not found" });
    for path in [
        "/targets".to_owned(),
        format!("/targets/{id}"),
        format!("/targets/{id}/upstream"),
    ] {
        assert_eq!(plane.get(&path).await.expect(404), missing, "{path}");
    }
    let body = json!({ "target": "x.test", "upstream": { "name": "u.test" } });
    assert_eq!(plane.post("/targets", body).await.expect(404), missing);
    let listed = plane.get("/endpoints").await.expect(200).to_string();
    assert!(!listed.contains("\"/targets"), "{listed}");
    assert!(
        listed.contains("\"/upstreams/{upstreams}/targets/{targets}\""),
        "{listed}"
    );
}

/// Checklist 32.
#[tokio::test]
async fn targets_are_normalised_and_listed_newest_first() {
    let (plane, upstream) = plane_with_upstream().await;
    for (text, stored) in [
        ("one.test", "one.test:8000"),
        ("10.0.0.1:81", "10.0.0.1:81"),
        ("[::1]:82", "[0000:0000:0000:0000:0000:0000:0000:0001]:82"),
    ] {
        let made = target(&plane, text).await;
        assert_eq!(
            (&made["target"], &made["weight"]),
            (&json!(stored), &json!(100))
        );
        assert_eq!(made["upstream"], json!({ "id": upstream }));
        // The next one is of a later millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let expected = [
        "[0000:0000:0000:0000:0000:0000:0000:0001]:82",
        "10.0.0.1:81",
        "one.test:8000",
    ];
    let listed = plane.get("/upstreams/u.test/targets").await.expect(200);
    assert_eq!(names(&listed), expected);
    assert_eq!(listed["next"], Value::Null);
    assert!(listed.get("offset").is_none());

    let first = plane
        .get("/upstreams/u.test/targets?size=2")
        .await
        .expect(200);
    assert_eq!(names(&first), expected[..2]);
    assert_eq!(first["offset"], "2");
    assert_eq!(first["next"], "/upstreams/u.test/targets?offset=2");
    let last = plane
        .get("/upstreams/u.test/targets?size=2&offset=2")
        .await
        .expect(200);
    assert_eq!(
        (names(&last), &last["next"]),
        (vec![expected[2]], &Value::Null)
    );
    let past = plane
        .get("/upstreams/u.test/targets?offset=99999999999999999999")
        .await;
    assert_eq!(past.expect(400)["code"], 7);
    let bad = plane
        .get("/upstreams/u.test/targets?offset=x")
        .await
        .expect(400);
    assert_eq!(
        bad["message"],
        "'x' is not a valid offset: expected a whole number"
    );
    let bad = plane
        .get("/upstreams/u.test/targets?size=0")
        .await
        .expect(400);
    assert_eq!(bad["message"], "size must be an integer between 1 and 1000");
    for path in [
        "/upstreams/none/targets",
        "/upstreams/none/targets/all",
        "/upstreams/none/health",
    ] {
        assert_eq!(
            plane.get(path).await.expect(404),
            json!({ "message": "Not found" }),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_raw_list_of_targets_is_in_the_order_of_ids() {
    let (plane, upstream) = plane_with_upstream().await;
    for text in ["a.test", "b.test", "c.test"] {
        target(&plane, text).await;
    }
    let path = format!("/upstreams/{upstream}/targets/all");
    let all = plane.get(&path).await.expect(200);
    let ids: Vec<&str> = all["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|item| item["id"].as_str())
        .collect();
    assert!(ids.len() == 3 && ids.is_sorted(), "{ids:?}");
    let first = plane.get(&format!("{path}?size=2")).await.expect(200);
    let next = first["next"].as_str().expect("more");
    assert!(next.starts_with(&format!("{path}?offset=Wy")), "{next}");
    let rest = plane.get(next).await.expect(200);
    assert_eq!(
        (rest["data"][0]["id"].as_str(), &rest["next"]),
        (Some(ids[2]), &Value::Null)
    );
}

/// Checklist 32.
#[tokio::test]
async fn a_target_is_there_once_under_any_spelling() {
    let (plane, upstream) = plane_with_upstream().await;
    let made = target(&plane, "one.test").await;
    for spelling in ["one.test", "one.test:8000"] {
        let again = plane
            .post("/upstreams/u.test/targets", json!({ "target": spelling }))
            .await
            .expect(409);
        assert_eq!(
            (&again["code"], &again["name"]),
            (&json!(5), &json!("unique constraint violation"))
        );
        let text = format!(
            r#"UNIQUE violation detected on '{{target="one.test:8000",upstream={{id="{upstream}"}}}}'"#
        );
        assert_eq!(again["message"], json!(text));
        assert_eq!(
            again["fields"],
            json!({ "target": "one.test:8000", "upstream": { "id": upstream } })
        );
        let path = format!("/upstreams/u.test/targets/{spelling}");
        assert_eq!(plane.get(&path).await.expect(200), made);
    }
    plane
        .post("/upstreams", json!({ "name": "other.test" }))
        .await
        .expect(201);
    let elsewhere = plane
        .post(
            "/upstreams/other.test/targets",
            json!({ "target": "one.test" }),
        )
        .await;
    assert_eq!(elsewhere.status, 201);
    let foreign = format!("/upstreams/u.test/targets/{}", elsewhere.id());
    assert_eq!(
        plane.get(&foreign).await.status,
        404,
        "it is another upstream's"
    );
    let bad = plane
        .post("/upstreams/u.test/targets", json!({ "target": "x y" }))
        .await
        .expect(400);
    assert_eq!(
        bad["fields"],
        json!({ "target": "Invalid target ('x y'); not a valid hostname or ip address" })
    );
}

/// Checklist 32.
#[tokio::test]
async fn put_changes_a_target_but_never_makes_one() {
    let (plane, _) = plane_with_upstream().await;
    let made = target(&plane, "one.test").await;
    let unknown = "0b2c1a54-7f4e-4d5b-8f9f-0123456789ab";
    for method in ["PUT", "PATCH", "DELETE"] {
        for path in [
            format!("/upstreams/u.test/targets/{unknown}"),
            "/upstreams/u.test/targets/none.test:80".to_owned(),
            "/upstreams/none/targets/one.test:8000".to_owned(),
        ] {
            let reply = plane
                .json(method, &path, json!({ "target": "new.test" }))
                .await;
            assert_eq!(
                reply.expect(404),
                json!({ "message": "Not found" }),
                "{method} {path}"
            );
        }
    }
    let changed = plane
        .put(
            "/upstreams/u.test/targets/one.test:8000",
            json!({ "weight": 5 }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&changed["id"], &changed["weight"], &changed["target"]),
        (&made["id"], &json!(5), &made["target"])
    );
    assert_eq!(
        changed["created_at"], made["created_at"],
        "it is an update, not a replacement"
    );
    let path = format!(
        "/upstreams/u.test/targets/{}",
        made["id"].as_str().expect("an id")
    );
    let changed = plane.patch(&path, json!({ "weight": 0 })).await.expect(200);
    assert_eq!(changed["weight"], 0);
    assert_eq!(
        names(&plane.get("/upstreams/u.test/targets").await.expect(200)),
        ["one.test:8000"],
        "weight 0 is listed"
    );
    assert_eq!(plane.delete(&path).await.status, 204);
    assert_eq!(plane.delete(&path).await.status, 404);
}

#[tokio::test]
async fn deck_puts_by_id_and_posts_what_is_not_there() {
    let (plane, upstream) = plane_with_upstream().await;
    let id = "0b2c1a54-7f4e-4d5b-8f9f-0123456789ab";
    let body =
        json!({ "id": id, "target": "one.test:80", "weight": 7, "upstream": { "id": upstream } });
    let path = format!("/upstreams/{upstream}/targets/{id}");
    assert_eq!(plane.put(&path, body.clone()).await.status, 404);
    let made = plane
        .post(&format!("/upstreams/{upstream}/targets"), body)
        .await
        .expect(201);
    assert_eq!((&made["id"], &made["weight"]), (&json!(id), &json!(7)));
    let changed = plane
        .put(
            &path,
            json!({ "id": id, "target": "two.test:80", "weight": 8 }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&changed["target"], &changed["weight"]),
        (&json!("two.test:80"), &json!(8))
    );
}

/// Checklist 33.
#[tokio::test]
async fn hash_on_and_algorithm_flip_each_other() {
    let (plane, _) = plane_with_upstream().await;
    let made = plane
        .form("POST", "/upstreams", "name=a.test&hash_on=ip")
        .await
        .expect(201);
    assert_eq!(
        (&made["algorithm"], &made["hash_on"]),
        (&json!("consistent-hashing"), &json!("ip"))
    );
    let body = json!({ "name": "b.test", "algorithm": "consistent-hashing", "hash_on": "none" });
    let made = plane.post("/upstreams", body).await.expect(201);
    assert_eq!(
        (&made["algorithm"], &made["hash_on"]),
        (&json!("round-robin"), &json!("none"))
    );
    let changed = plane
        .patch(
            "/upstreams/a.test",
            json!({ "algorithm": "least-connections" }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&changed["algorithm"], &changed["hash_on"]),
        (&json!("least-connections"), &json!("none"))
    );
}

#[tokio::test]
async fn an_upstream_takes_its_targets_along() {
    let (plane, _) = plane_with_upstream().await;
    target(&plane, "one.test").await;
    assert_eq!(plane.delete("/upstreams/u.test").await.status, 204);
    assert_eq!(plane.get("/upstreams/u.test").await.status, 404);
    plane
        .post("/upstreams", json!({ "name": "u.test" }))
        .await
        .expect(201);
    let listed = plane.get("/upstreams/u.test/targets").await.expect(200);
    assert_eq!(listed, json!({ "data": [], "next": null }));
}

#[tokio::test]
async fn health_is_off_where_nobody_looks_and_not_claimed_where_nodes_do() {
    let (plane, upstream) = plane_with_upstream().await;
    for text in ["one.test", "two.test"] {
        target(&plane, text).await;
    }
    let health = plane
        .get("/upstreams/u.test/health?size=1")
        .await
        .expect(200);
    assert_eq!(
        (&health["data"][0]["health"], &health["data"][0]["weight"]),
        (&json!("HEALTHCHECKS_OFF"), &json!(100))
    );
    assert_eq!(
        (&health["next"], &health["offset"]),
        (&json!("/upstreams/u.test/health?offset=1"), &json!("1"))
    );
    assert_eq!(
        health["node_id"],
        plane.get("/").await.expect(200)["node_id"]
    );
    let whole = plane
        .get("/upstreams/u.test/health?balancer_health=1")
        .await
        .expect(200);
    assert_eq!(
        whole["data"],
        json!({ "id": upstream, "health": "HEALTHCHECKS_OFF" })
    );

    let checks = json!({ "healthchecks": { "passive": { "unhealthy": { "tcp_failures": 1 } } } });
    plane.patch("/upstreams/u.test", checks).await.expect(200);
    let health = plane.get("/upstreams/u.test/health").await.expect(200);
    assert_eq!(health["data"].as_array().map(Vec::len), Some(2));
    assert!(
        health["data"][0].get("health").is_none(),
        "a control plane has no opinion: {health}"
    );
}

#[tokio::test]
async fn a_control_plane_has_no_address_to_mark_targets() {
    let (plane, _) = plane_with_upstream().await;
    target(&plane, "one.test").await;
    for mark in [
        "healthy",
        "unhealthy",
        "10.0.0.1:80/healthy",
        "10.0.0.1:80/unhealthy",
    ] {
        let path = format!("/upstreams/u.test/targets/one.test:8000/{mark}");
        assert_eq!(
            plane.put(&path, json!({})).await.expect(404),
            json!({ "message": "Not found" }),
            "{path}"
        );
    }
}
