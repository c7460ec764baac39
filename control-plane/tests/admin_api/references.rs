//! References and route rules: checklist 26 to 29.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn protocols_are_a_closed_list() {
    let plane = Plane::start().await;
    let found = plane
        .post(
            "/routes",
            json!({ "protocols": ["foo", "http"], "paths": ["/"] }),
        )
        .await
        .expect(400);
    let text = "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp";
    assert_eq!(
        found["message"],
        format!("schema violation (protocols.1: {text})")
    );
    assert_eq!(found["fields"], json!({ "protocols": [text] }));
}

#[tokio::test]
async fn a_route_needs_something_to_match_by() {
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
        let found = plane
            .post("/routes", json!({ "protocols": [protocol] }))
            .await
            .expect(400);
        assert_eq!(found["fields"], json!({ "@entity": [text] }), "{protocol}");
    }
}

#[tokio::test]
async fn grpc_routes_do_not_strip_paths() {
    let plane = Plane::start().await;
    let made = plane
        .post("/routes", json!({ "protocols": ["grpc"], "paths": ["/"] }))
        .await;
    assert_eq!(made.expect(201)["strip_path"], json!(false));
    let body = json!({ "protocols": ["grpc"], "paths": ["/"], "strip_path": true });
    let refused = plane.post("/routes", body).await.expect(400);
    let text = "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'";
    assert_eq!(refused["fields"], json!({ "strip_path": text }));
}

#[tokio::test]
async fn references_by_name_become_ids_or_say_what_was_looked_for() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let made = plane
        .post(
            "/routes",
            json!({ "paths": ["/a"], "service": { "name": "s" } }),
        )
        .await;
    assert_eq!(made.expect(201)["service"], json!({ "id": service }));
    let by_form = plane
        .form("POST", "/routes", "paths=/b&service.name=s")
        .await;
    assert_eq!(by_form.expect(201)["service"], json!({ "id": service }));
    let nobody = plane
        .post(
            "/routes",
            json!({ "paths": ["/a"], "service": { "name": "nope" } }),
        )
        .await;
    let text = "the foreign key cannot be resolved with '{name=\"nope\"}' for an existing 'services' entity";
    let expected = json!({
        "code": 13,
        "name": "foreign keys unresolved",
        "message": format!("foreign key unresolved (service.name: {text})"),
        "fields": { "service": { "name": text } },
    });
    assert_eq!(nobody.expect(400), expected);
    for service in [json!({}), json!("s")] {
        let found = plane
            .post("/routes", json!({ "paths": ["/a"], "service": service }))
            .await
            .expect(400);
        assert_eq!(
            found["message"],
            "schema violation (service.id: missing primary key)"
        );
    }
}

#[tokio::test]
async fn a_dangling_reference_is_refused_and_nothing_is_stored() {
    let plane = Plane::start().await;
    let id = "ffffffff-ffff-4fff-8fff-ffffffffffff";
    let found = plane
        .post(
            "/routes",
            json!({ "paths": ["/a"], "service": { "id": id } }),
        )
        .await;
    let expected = json!({
        "code": 4,
        "name": "foreign key violation",
        "message": format!("the foreign key '{{id=\"{id}\"}}' does not reference an existing 'services' entity."),
        "fields": { "service": { "id": id } },
    });
    assert_eq!(found.expect(400), expected);
    assert_eq!(plane.get("/routes").await.expect(200)["data"], json!([]));
}
