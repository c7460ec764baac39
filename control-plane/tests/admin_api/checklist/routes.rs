//! What a route must and must not say: 26 to 29.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn checklist_26_a_wrong_protocol_is_named_by_its_place() {
    let plane = Plane::start().await;
    let body = json!({ "protocols": ["foo", "http"], "paths": ["/"] });
    let found = plane.post("/routes", body).await.expect(400);
    assert_eq!(
        found["message"],
        "schema violation (protocols.1: expected one of: grpc, grpcs, http, https, tcp, tls, \
         tls_passthrough, udp)"
    );
}

#[tokio::test]
async fn checklist_27_each_protocol_asks_for_its_own_criteria() {
    let plane = Plane::start().await;
    let cases = [
        (
            "https",
            "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'",
        ),
        (
            "http",
            "must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'",
        ),
        (
            "tcp",
            "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'",
        ),
        (
            "grpc",
            "must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'",
        ),
    ];
    for (protocol, text) in cases {
        let body = json!({ "protocols": [protocol] });
        let found = plane.post("/routes", body).await.expect(400);
        assert_eq!(found["fields"], json!({ "@entity": [text] }), "{protocol}");
    }
}

#[tokio::test]
async fn checklist_28_grpc_routes_strip_nothing() {
    let plane = Plane::start().await;
    let body = json!({ "protocols": ["grpc"], "paths": ["/"] });
    let made = plane.post("/routes", body.clone()).await.expect(201);
    assert_eq!(made["strip_path"], json!(false));
    let mut body = body;
    body["strip_path"] = json!(true);
    let refused = plane.post("/routes", body).await.expect(400);
    let text = "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'";
    assert_eq!(refused["fields"], json!({ "strip_path": text }));
}

#[tokio::test]
async fn checklist_29_references_resolve_or_say_why_not() {
    let plane = Plane::start().await;
    let body = json!({ "paths": ["/"], "service": { "name": "nope" } });
    let found = plane.post("/routes", body).await.expect(400);
    assert_eq!(found["code"], 13);
    let body = json!({ "paths": ["/"], "service": {} });
    let found = plane.post("/routes", body).await.expect(400);
    assert_eq!(
        found["fields"],
        json!({ "service": { "id": "missing primary key" } })
    );
}
