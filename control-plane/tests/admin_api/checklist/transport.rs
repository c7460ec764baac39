//! Methods, body types, CORS: 1, 2, 3, 44, 45.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn checklist_01_options_lists_the_methods() {
    let plane = Plane::start().await;
    let found = plane.raw("OPTIONS", "/routes/x", &[], "").await;
    assert_eq!((found.status, found.body.len()), (204, 0));
    assert_eq!(
        found.header("allow"),
        "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"
    );
}

#[tokio::test]
async fn checklist_02_a_body_needs_a_type_that_is_taken() {
    let plane = Plane::start().await;
    for headers in [&[("content-type", "text/plain")][..], &[]] {
        let found = plane.raw("POST", "/services", headers, "host=h").await;
        assert_eq!((found.status, found.body.len()), (415, 0), "{headers:?}");
    }
    let nothing = plane.raw("POST", "/services", &[], "").await.expect(400);
    assert_eq!(nothing["name"], "schema violation");
}

#[tokio::test]
async fn checklist_03_malformed_json_is_said_to_be_that() {
    let plane = Plane::start().await;
    let headers = [("content-type", "application/json")];
    let found = plane.raw("POST", "/services", &headers, "{\"host\":").await;
    assert_eq!(found.status, 400);
    assert_eq!(&found.body[..], br#"{"message":"Cannot parse JSON body"}"#);
}

#[tokio::test]
async fn checklist_44_origins_are_echoed_or_come_from_the_list() {
    let open = Plane::start().await;
    let listed = Plane::start_with(&[(
        "admin_gui_origin",
        "https://first.test, https://second.test",
    )])
    .await;
    let cases = [
        (&open, Some("https://ui.test"), "https://ui.test"),
        (&open, None, "*"),
        (&listed, Some("https://second.test"), "https://second.test"),
        (&listed, Some("https://other.test"), "https://first.test"),
        (&listed, None, "https://first.test"),
    ];
    for (plane, origin, allowed) in cases {
        let headers: Vec<_> = origin
            .into_iter()
            .map(|origin| ("origin", origin))
            .collect();
        let found = plane.raw("GET", "/services", &headers, "").await;
        assert_eq!(
            found.header("access-control-allow-origin"),
            allowed,
            "{origin:?}"
        );
        assert_eq!(found.header("access-control-allow-credentials"), "true");
    }
}

#[tokio::test]
async fn checklist_45_no_error_shows_the_strategy() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    plane.route("r", Some(&service)).await;
    let dangling =
        json!({ "paths": ["/"], "service": { "id": "ffffffff-ffff-4fff-8fff-ffffffffffff" } });
    let failures = [
        plane.post("/services", json!({})).await,
        plane
            .post("/services", json!({ "name": "s", "host": "h.test" }))
            .await,
        plane
            .post("/services", json!({ "id": service, "host": "h.test" }))
            .await,
        plane.post("/routes", dangling).await,
        plane.delete("/services/s").await,
        plane.patch("/services/none", json!({})).await,
        plane.get("/services?size=0").await,
        plane.get("/services?offset=x").await,
        plane.get("/services?tags=").await,
        plane.get("/services/a%20b").await,
        plane.get("/acls/none").await,
    ];
    for failure in failures {
        let body = failure.json();
        assert!(
            body["code"].is_u64() && failure.status >= 400,
            "{failure:?}"
        );
        assert!(body.get("strategy").is_none(), "{body}");
    }
}
