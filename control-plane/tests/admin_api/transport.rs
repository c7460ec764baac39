//! Methods, body types, headers: checklist 1, 2, 3, 44, and section 1 of the page.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn options_lists_the_methods_of_a_path() {
    let plane = Plane::start().await;
    let cases = [
        ("/routes/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/routes", "GET, HEAD, OPTIONS, POST"),
        ("/services/x/routes/", "GET, HEAD, OPTIONS, POST"),
        ("/", "GET, HEAD, OPTIONS"),
    ];
    for (path, allow) in cases {
        let found = plane.raw("OPTIONS", path, &[], "").await;
        assert_eq!(found.status, 204, "{path}");
        assert_eq!(found.header("allow"), allow);
        assert_eq!(found.header("access-control-allow-methods"), allow);
        assert_eq!(found.header("access-control-allow-headers"), "Content-Type");
    }
    assert_eq!(plane.raw("OPTIONS", "/none", &[], "").await.status, 404);
}

#[tokio::test]
async fn body_types_that_nobody_knows_are_refused() {
    let plane = Plane::start().await;
    let text = plane
        .raw("POST", "/services", &[("content-type", "text/plain")], "x")
        .await;
    assert_eq!((text.status, text.body.len()), (415, 0));
    let untyped = plane.raw("POST", "/services", &[], r#"{"host":"h"}"#).await;
    assert_eq!((untyped.status, untyped.body.len()), (415, 0));
    let nothing = plane.raw("POST", "/services", &[], "").await;
    assert_eq!(nothing.expect(400)["code"], 2);
    let unsuitable = plane
        .raw("PATCH", "/services", &[("content-type", "text/plain")], "x")
        .await;
    assert_eq!(
        unsuitable.status, 415,
        "the type is looked at before the method"
    );
}

#[tokio::test]
async fn malformed_json_gets_kongs_answer() {
    let plane = Plane::start().await;
    for body in [r#"{"host":"#, "", "[]", "\"x\""] {
        let headers = [("content-type", "application/json")];
        let found = plane.raw("POST", "/services", &headers, body).await;
        assert_eq!(found.status, 400);
        assert_eq!(found.body, r#"{"message":"Cannot parse JSON body"}"#);
    }
}

#[tokio::test]
async fn any_origin_may_ask_and_is_echoed() {
    let plane = Plane::start().await;
    let asked = plane
        .raw("GET", "/services", &[("origin", "https://ui.test")], "")
        .await;
    assert_eq!(
        asked.header("access-control-allow-origin"),
        "https://ui.test"
    );
    assert_eq!(asked.header("access-control-allow-credentials"), "true");
    assert!(!asked.headers.contains_key("access-control-allow-methods"));
    let plain = plane.get("/none").await;
    assert_eq!(plain.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn every_answer_says_who_made_it_and_how_long_it_took() {
    let plane = Plane::start().await;
    for path in ["/services", "/none"] {
        let found = plane.get(path).await;
        assert!(found.header("server").starts_with("headgate/"));
        found
            .header("x-kong-admin-latency")
            .parse::<u64>()
            .expect("milliseconds");
        assert_eq!(
            found.header("content-type"),
            "application/json; charset=utf-8"
        );
        assert!(!found.headers.contains_key("via"));
    }
    let quiet = Plane::start_with(&[("headers", "off")]).await;
    let found = quiet.get("/services").await;
    assert!(!found.headers.contains_key("server"));
    assert!(!found.headers.contains_key("x-kong-admin-latency"));
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let plane = Plane::start().await;
    plane.service("s").await;
    for (path, status) in [
        ("/services", 200),
        ("/services/s", 200),
        ("/services/none", 404),
        ("/", 200),
    ] {
        let found = plane.raw("HEAD", path, &[], "").await;
        assert_eq!((found.status, found.body.len()), (status, 0), "{path}");
        assert_eq!(
            found.header("content-type"),
            "application/json; charset=utf-8"
        );
    }
}

#[tokio::test]
async fn a_trailing_slash_changes_nothing() {
    let plane = Plane::start().await;
    plane.service("s").await;
    for path in [
        "/services/",
        "/services/s/",
        "/services/s/routes/",
        "/schemas/services/",
    ] {
        assert_eq!(plane.get(path).await.status, 200, "{path}");
    }
    for path in ["//services", "/services//", "/schemas", "/schemas/"] {
        assert_eq!(
            plane.get(path).await.expect(404),
            json!({ "message": "Not found" }),
            "{path}"
        );
    }
}

#[tokio::test]
async fn unknown_methods_and_paths_have_their_messages() {
    let plane = Plane::start().await;
    for (method, path) in [
        ("PURGE", "/services"),
        ("PATCH", "/services"),
        ("POST", "/services/x"),
        ("POST", "/"),
    ] {
        let found = plane.raw(method, path, &[], "").await;
        assert_eq!(
            found.expect(405),
            json!({ "message": "Method not allowed" }),
            "{method} {path}"
        );
    }
    for path in [
        "/targets",
        "/snis/x/certificate",
        "/licenses",
        "/timers",
        "/consumer_group_consumers",
    ] {
        assert_eq!(
            plane.get(path).await.expect(404),
            json!({ "message": "Not found" }),
            "{path}"
        );
    }
    let robots = plane.get("/robots.txt").await;
    assert_eq!(
        (robots.status, &robots.body[..]),
        (200, &b"User-agent: *\nDisallow: /"[..])
    );
}

#[tokio::test]
async fn absent_webassembly_is_said_in_kongs_words() {
    let plane = Plane::start().await;
    for path in [
        "/filter-chains",
        "/services/s/filter-chains",
        "/routes/r/filter-chains/f",
    ] {
        let expected = json!({ "message": "this endpoint is only available when wasm is enabled" });
        assert_eq!(plane.get(path).await.expect(400), expected, "{path}");
    }
}

#[tokio::test]
async fn bodies_of_reads_and_deletes_are_ignored() {
    let plane = Plane::start().await;
    let headers = [("content-type", "application/json")];
    assert_eq!(
        plane.raw("GET", "/services", &headers, "{").await.status,
        200
    );
    assert_eq!(
        plane
            .raw("DELETE", "/services/none", &headers, "{")
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_setting_named() {
    let plane = Plane::start_with(&[("admin_max_body_size", "1k")]).await;
    let body = json!({ "host": "h.test", "name": "n".repeat(2000) });
    let found = plane.post("/services", body).await;
    let message = found.expect(413)["message"].to_string();
    assert!(message.contains("admin_max_body_size"), "{message}");
    assert_eq!(plane.get("/services").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn more_than_a_thousand_arguments_are_refused() {
    let plane = Plane::start().await;
    let expected = json!({ "message": "Too many arguments" });
    let many = vec!["a=1"; 1001].join("&");
    assert_eq!(
        plane.form("POST", "/services", &many).await.expect(400),
        expected
    );
    assert_eq!(
        plane.get(&format!("/services?{many}")).await.expect(400),
        expected
    );
}

#[tokio::test]
async fn every_write_names_its_revision() {
    let plane = Plane::start().await;
    let revision = |answer: &crate::client::Answer| -> u64 {
        answer
            .header("headgate-revision")
            .parse()
            .expect("a number")
    };
    let made = plane
        .post("/services", json!({ "name": "s", "host": "h.test" }))
        .await;
    assert_eq!(revision(&made), 1);
    assert_eq!(
        revision(&plane.patch("/services/s", json!({ "port": 81 })).await),
        2
    );
    assert_eq!(
        revision(&plane.put("/services/s", json!({ "host": "i.test" })).await),
        3
    );
    assert_eq!(revision(&plane.delete("/services/s").await), 4);
    let refused = plane.post("/services", json!({})).await;
    assert!(!refused.headers.contains_key("headgate-revision"));
    let listed = plane.get("/headgate/data-planes").await.expect(200);
    assert_eq!(
        (&listed["head_revision"], &listed["data"]),
        (&json!(4), &json!([]))
    );
}

#[tokio::test]
async fn a_write_can_wait_for_nodes_and_need_not_without_any() {
    let plane = Plane::start().await;
    let made = plane
        .post(
            "/services?wait=applied&timeout=1s",
            json!({ "host": "h.test" }),
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("headgate-applied"), "0/0");
    let refused = plane
        .post("/services?wait=soon", json!({ "host": "h.test" }))
        .await;
    assert_eq!(refused.expect(400)["code"], 11);
}
