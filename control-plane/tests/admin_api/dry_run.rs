//! `?dry_run=1`: what a write would bring about, without it.

use crate::client::Plane;
use serde_json::{Value, json};

#[tokio::test]
async fn a_dry_run_tells_what_would_be_created_and_writes_nothing() {
    let plane = Plane::start().await;
    let answer = plane
        .post(
            "/services?dry_run=1",
            json!({ "name": "s", "host": "h.test" }),
        )
        .await;
    assert!(answer.headers.get("headgate-revision").is_none());
    let told = answer.expect(200);
    assert_eq!(
        (
            &told["dry_run"],
            &told["valid"],
            &told["status"],
            &told["base_revision"]
        ),
        (&json!(true), &json!(true), &json!(201), &json!(0))
    );
    let created = &told["created"][0];
    assert_eq!(
        (&created["kind"], &created["name"]),
        (&json!("services"), &json!("s"))
    );
    assert_eq!(created["document"]["port"], 80);
    assert_eq!(
        (&told["changed"], &told["deleted"]),
        (&json!([]), &json!([]))
    );
    plane.get("/services/s").await.expect(404);
    assert_eq!(plane.service("s").await.len(), 36);
    let next = plane.delete("/services/s").await;
    assert_eq!(next.header("headgate-revision"), "2");
}

#[tokio::test]
async fn a_dry_run_tells_what_would_change() {
    let plane = Plane::start().await;
    let id = plane.service("s").await;
    let told = plane
        .patch(
            "/services/s?dry_run=true",
            json!({ "port": 81, "host": "h.test", "tags": ["a"] }),
        )
        .await
        .expect(200);
    let changed = json!([{
        "kind": "services", "id": id, "name": "s",
        "fields": {
            "port": { "before": 80, "after": 81 },
            "tags": { "before": null, "after": ["a"] },
        },
    }]);
    assert_eq!((&told["changed"], &told["status"]), (&changed, &json!(200)));
    assert_eq!(told["created"], json!([]));
    let nothing = plane
        .patch("/services/s?dry_run=1", json!({ "port": 80 }))
        .await;
    assert_eq!(nothing.expect(200)["changed"], json!([]));
    assert_eq!(plane.get("/services/s").await.expect(200)["port"], 80);
}

#[tokio::test]
async fn a_dry_run_tells_what_a_delete_takes_along() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let plugin = plane
        .post("/services/s/plugins", json!({ "name": "key-auth" }))
        .await
        .id();
    let told = plane.delete("/services/s?dry_run=1").await.expect(200);
    let deleted = json!([
        { "kind": "plugins", "id": plugin, "name": null, "cascade": true },
        { "kind": "services", "id": service, "name": "s", "cascade": false },
    ]);
    assert_eq!((&told["deleted"], &told["status"]), (&deleted, &json!(204)));
    plane.get(&format!("/plugins/{plugin}")).await.expect(200);
    let route = plane.route("r", Some(&service)).await;
    let refused = plane.delete("/services/s?dry_run=1").await.expect(400);
    assert_eq!(refused, plane.delete("/services/s").await.expect(400));
    assert_eq!(refused["fields"], json!({ "@referenced_by": "routes" }));
    plane.get(&format!("/routes/{route}")).await.expect(200);
}

#[tokio::test]
async fn a_dry_run_that_would_fail_fails_as_the_write_would() {
    let plane = Plane::start().await;
    plane.service("s").await;
    let missing = "00000000-0000-4000-8000-000000000009";
    let cases = [
        (
            "POST",
            "/services",
            json!({ "name": "s", "host": "h" }),
            409,
        ),
        (
            "POST",
            "/routes",
            json!({ "paths": ["/a"], "service": { "id": missing } }),
            400,
        ),
        ("PUT", "/services/s", json!({ "port": "x" }), 400),
        ("PATCH", "/services/none", json!({ "port": 1 }), 404),
        (
            "POST",
            "/services/none/routes",
            json!({ "paths": ["/a"] }),
            404,
        ),
        (
            "POST",
            "/headgate/batch",
            json!({ "operations": [
                { "method": "PUT", "path": "/services/t", "body": { "host": "h" } },
                { "method": "POST", "path": "/services", "body": { "name": "t", "host": "h" } },
            ] }),
            409,
        ),
    ];
    for (method, path, body, status) in cases {
        let tried = plane
            .json(method, &format!("{path}?dry_run=1"), body.clone())
            .await;
        let real = plane.json(method, path, body).await;
        assert_eq!(tried.expect(status), real.expect(status), "{method} {path}");
    }
}

#[tokio::test]
async fn a_dry_run_of_a_batch_tells_the_whole() {
    let plane = Plane::start().await;
    let id = plane.service("s").await;
    let body = json!({ "operations": [
        { "method": "PATCH", "path": "/services/s", "body": { "port": 81 } },
        { "method": "PATCH", "path": "/services/s", "body": { "port": 82 } },
        { "method": "POST", "path": "/services/s/routes", "body": { "name": "r", "paths": ["/r"] } },
        { "method": "POST", "path": "/consumers", "body": { "username": "ann" } },
        { "method": "DELETE", "path": "/consumers/ann" },
    ] });
    let told = plane
        .post("/headgate/batch?dry_run=1", body)
        .await
        .expect(200);
    let ports = json!({ "port": { "before": 80, "after": 82 } });
    assert_eq!(
        told["changed"],
        json!([{ "kind": "services", "id": id, "name": "s", "fields": ports }])
    );
    assert_eq!(told["created"].as_array().map(Vec::len), Some(1));
    assert_eq!(told["created"][0]["name"], "r");
    assert_eq!(told["deleted"], json!([]));
    let gained = &told["impact"]["routes"]["newly_matched"][0];
    assert_eq!(gained["route"]["name"], "r");
    plane.get("/routes/r").await.expect(404);
}

#[tokio::test]
async fn secrets_are_masked_in_a_dry_run() {
    let plane = Plane::start().await;
    plane.consumer("ann").await;
    let path = "/consumers/ann/key-auth";
    let tried = plane
        .post(
            &format!("{path}?dry_run=1"),
            json!({ "key": "open-sesame" }),
        )
        .await;
    assert_eq!(tried.expect(200)["created"][0]["document"]["key"], "******");
    let key = plane.post(path, json!({ "key": "open-sesame" })).await.id();
    let tried = plane
        .patch(
            &format!("{path}/{key}?dry_run=1"),
            json!({ "key": "other-sesame" }),
        )
        .await;
    let fields = tried.expect(200)["changed"][0]["fields"].clone();
    assert_eq!(
        fields,
        json!({ "key": { "before": "******", "after": "******" } })
    );
    let tried = plane.delete(&format!("{path}/{key}?dry_run=1")).await;
    assert!(!String::from_utf8_lossy(&tried.body).contains("sesame"));
}

#[tokio::test]
async fn only_writes_of_documents_can_be_tried() {
    let plane = Plane::start().await;
    let refused = |why: &str| {
        json!({
            "code": 11, "name": "invalid options", "message": format!("invalid option (dry_run: {why})"),
            "options": { "dry_run": why },
        })
    };
    let found = plane
        .post("/headgate/tokens?dry_run=1", json!({}))
        .await
        .expect(400);
    assert_eq!(
        found,
        refused("this address cannot be tried without doing it")
    );
    let found = plane
        .post("/services?dry_run=yes", json!({}))
        .await
        .expect(400);
    assert_eq!(found, refused("expected 1 or 0"));
    let made = plane
        .post("/services?dry_run=0", json!({ "host": "h" }))
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(plane.get("/services?dry_run=1").await.status, 200);
}

#[tokio::test]
async fn a_dry_run_names_the_routes_that_lose_and_win() {
    let plane = Plane::start().await;
    let body = json!({ "name": "wide", "paths": ["/a"] });
    let wide = plane.post("/routes", body).await.id();
    let body = json!({ "name": "narrow", "paths": ["/a"], "hosts": ["h.test"] });
    let told = plane.post("/routes?dry_run=1", body).await.expect(200);
    let routes = &told["impact"]["routes"];
    let shadow = &routes["shadowed"][0];
    assert_eq!(shadow["route"], json!({ "id": wide, "name": "wide" }));
    assert_eq!(shadow["by"][0]["name"], "narrow");
    // It keeps what comes to other hosts.
    assert_eq!(
        (&shadow["won_before"], &shadow["won_after"]),
        (&json!(1), &json!(0))
    );
    let moved = &routes["moved"][0];
    assert_eq!(
        (&moved["host"], &moved["path"]),
        (&json!("h.test"), &json!("/a"))
    );
    assert_eq!(
        (&moved["before"]["name"], &moved["after"]["name"]),
        (&json!("wide"), &json!("narrow"))
    );
    assert_eq!(routes["newly_matched"][0]["route"]["name"], "narrow");

    let told = plane
        .delete(&format!("/routes/{wide}?dry_run=1"))
        .await
        .expect(200);
    let routes = &told["impact"]["routes"];
    assert_eq!(routes["shadowed"], json!([]));
    assert_eq!(routes["unmatched"][0]["before"]["name"], "wide");
    assert_eq!(routes["unmatched"][0]["after"], Value::Null);

    let body = json!({ "name": "late", "paths": ["/a"] });
    let told = plane.post("/routes?dry_run=1", body).await.expect(200);
    let shadow = &told["impact"]["routes"]["shadowed"];
    let lists: Vec<&Value> = shadow.as_array().expect("a list").iter().collect();
    // Equal routes: one of them never gets a request.
    assert_eq!(lists.len(), 1, "{shadow}");
    assert_eq!(lists[0]["won_after"], 0);
}

#[tokio::test]
async fn a_dry_run_names_the_chains_that_change() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let route = plane.route("r", Some(&service)).await;
    let ann = plane.consumer("ann").await;
    let all = plane
        .post("/plugins", json!({ "name": "correlation-id" }))
        .await
        .id();
    let body = json!({ "name": "correlation-id", "service": { "id": service } });
    let told = plane.post("/plugins?dry_run=1", body).await.expect(200);
    let made = told["created"][0]["id"].clone();
    let turn = |id: &Value| json!([{ "id": id, "name": "correlation-id", "changed": false }]);
    let expected = json!({
        "chains": [{
            "consumer": null,
            "routes": [{ "id": route, "name": "r" }], "routes_total": 1,
            "without_route": false,
            "before": turn(&json!(all)),
            "after": turn(&made),
        }],
        "chains_total": 1,
        "complete": true,
    });
    assert_eq!(told["impact"]["plugins"], expected);

    let body = json!({ "name": "correlation-id", "consumer": { "id": ann } });
    let told = plane.post("/plugins?dry_run=1", body).await.expect(200);
    let chains = &told["impact"]["plugins"]["chains"];
    assert_eq!(chains.as_array().map(Vec::len), Some(1), "{chains}");
    assert_eq!(
        chains[0]["consumer"],
        json!({ "id": ann, "username": "ann" })
    );
    assert_eq!(
        (&chains[0]["without_route"], &chains[0]["routes_total"]),
        (&json!(true), &json!(1))
    );

    let told = plane
        .patch(
            &format!("/plugins/{all}?dry_run=1"),
            json!({ "config": { "header_name": "X-Other" } }),
        )
        .await
        .expect(200);
    let chains = &told["impact"]["plugins"]["chains"];
    assert_eq!(
        chains[0]["after"],
        json!([{ "id": all, "name": "correlation-id", "changed": true }])
    );
    let told = plane
        .patch(
            &format!("/plugins/{all}?dry_run=1"),
            json!({ "tags": ["a"] }),
        )
        .await
        .expect(200);
    assert_eq!(told["impact"]["plugins"]["chains"], json!([]));
}

#[tokio::test]
async fn a_whole_configuration_can_be_tried() {
    let plane = Plane::start().await;
    plane.service("old").await;
    let text = "_format_version: '3.0'\nservices:\n- name: new\n  host: h.test\n  routes:\n  - name: r\n    paths: [/r]\n";
    let body = json!({ "config": text });
    let told = plane
        .post("/config?dry_run=1", body.clone())
        .await
        .expect(200);
    let names = |list: &Value| -> Vec<String> {
        let entries = list.as_array().expect("a list").iter();
        entries
            .map(|entry| entry["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(names(&told["created"]), ["r", "new"]);
    assert_eq!(names(&told["deleted"]), ["old"]);
    assert_eq!(
        told["impact"]["routes"]["newly_matched"][0]["route"]["name"],
        "r"
    );
    plane.get("/services/old").await.expect(200);
    // It is not taken for loaded.
    let loaded = plane.post("/config?check_hash=1", body.clone()).await;
    assert_eq!(loaded.status, 201, "{loaded:?}");
    let again = plane.post("/config?dry_run=1", body).await.expect(200);
    let lists = [&again["created"], &again["changed"], &again["deleted"]];
    assert_eq!(lists, [&json!([]); 3]);
    let bad = json!({ "config": "_format_version: '3.0'\nservices:\n- name: new\n" });
    let tried = plane
        .post("/config?dry_run=1", bad.clone())
        .await
        .expect(400);
    assert_eq!(tried, plane.post("/config", bad).await.expect(400));
}
