//! How bodies are read: checklist 4 to 11.

use crate::client::Plane;
use serde_json::{Value, json};

#[tokio::test]
async fn an_empty_service_lacks_its_host() {
    let plane = Plane::start().await;
    let found = plane.post("/services", json!({})).await.expect(400);
    let expected = json!({
        "code": 2,
        "name": "schema violation",
        "message": "schema violation (host: required field missing)",
        "fields": { "host": "required field missing" },
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_url_shorthand_sets_four_fields_and_is_not_shown() {
    let plane = Plane::start().await;
    let made = plane
        .form("POST", "/services", "url=http://h:81/p")
        .await
        .expect(201);
    assert_eq!(
        [
            &made["protocol"],
            &made["host"],
            &made["port"],
            &made["path"]
        ],
        [&json!("http"), &json!("h"), &json!(81), &json!("/p")]
    );
    let members = made.as_object().expect("an object");
    assert!(!members.contains_key("url"));
    for field in [
        "name",
        "client_certificate",
        "tls_verify",
        "tls_verify_depth",
        "ca_certificates",
        "tags",
    ] {
        assert_eq!(members.get(field), Some(&Value::Null), "{field}");
    }
}

#[tokio::test]
async fn form_texts_take_the_types_of_their_fields() {
    let plane = Plane::start().await;
    let refused = plane
        .form("POST", "/services", "host=h&enabled=1")
        .await
        .expect(400);
    assert_eq!(
        refused["fields"],
        json!({ "enabled": "expected a boolean" })
    );
    let made = plane
        .form("POST", "/services", "host=h&enabled=false&port=8080&path=")
        .await
        .expect(201);
    assert_eq!(
        [&made["enabled"], &made["port"], &made["path"]],
        [&json!(false), &json!(8080), &Value::Null]
    );
    let refused = plane
        .post("/services", json!({ "host": "h", "port": "80" }))
        .await
        .expect(400);
    assert_eq!(refused["fields"], json!({ "port": "expected an integer" }));
}

#[tokio::test]
async fn indexed_keys_make_lists() {
    let plane = Plane::start().await;
    let body = "name=request-transformer&config.add.headers[1]=h1:v1&config.add.headers[2]=h2:v1";
    let made = plane.form("POST", "/plugins", body).await.expect(201);
    assert_eq!(made["config"]["add"]["headers"], json!(["h1:v1", "h2:v1"]));
}

#[tokio::test]
async fn comma_lists_are_split_where_every_piece_is_valid() {
    let body =
        "name=request-transformer&config.remove.headers=x-a, x-b&config.add.headers=h1:v1,v2";
    let on = Plane::start().await;
    let config = on.form("POST", "/plugins", body).await.expect(201)["config"].take();
    assert_eq!(config["remove"]["headers"], json!(["x-a", "x-b"]));
    assert_eq!(config["add"]["headers"], json!(["h1:v1,v2"]));
    let off = Plane::start_with(&[("admin_form_csv_lists", "off")]).await;
    let made = off.form("POST", "/plugins", body).await;
    if made.status == 201 {
        let config = made.json()["config"].take();
        assert_eq!(config["remove"]["headers"], json!(["x-a, x-b"]));
        assert_eq!(config["add"]["headers"], json!(["h1:v1,v2"]));
    } else {
        // One element as it stands, which the field's own rules may refuse.
        let fields = made.expect(400)["fields"].take();
        assert_eq!(
            fields["config"]["remove"]["headers"]
                .as_array()
                .map(Vec::len),
            Some(1),
            "{fields}"
        );
    }
}

#[tokio::test]
async fn old_names_of_scopes_stand_for_references() {
    let plane = Plane::start().await;
    let service = plane.service("orders").await;
    let reference = json!({ "id": service });
    let by_id = plane
        .form(
            "POST",
            "/plugins",
            &format!("name=key-auth&service_id={service}"),
        )
        .await;
    assert_eq!(by_id.expect(201)["service"], reference);
    let by_name = plane
        .form("POST", "/plugins", "name=acl&config.allow=g&api_id=orders")
        .await;
    assert_eq!(by_name.expect(201)["service"], reference);
    let other = plane.service("other").await;
    let body =
        json!({ "name": "correlation-id", "service_id": service, "service": { "id": other } });
    let conflict = plane.post("/plugins", body).await.expect(400);
    assert_eq!(
        conflict["fields"],
        json!({ "service_id": "conflicts with 'service'" })
    );
    let nobody = plane
        .form("POST", "/plugins", "name=key-auth&service_id=nope")
        .await;
    assert_eq!(nobody.expect(400)["code"], 13);
}

#[tokio::test]
async fn old_names_are_unknown_when_switched_off() {
    let plane = Plane::start_with(&[("admin_legacy_aliases", "off")]).await;
    let service = plane.service("orders").await;
    let found = plane
        .form(
            "POST",
            "/plugins",
            &format!("name=key-auth&service_id={service}"),
        )
        .await;
    assert_eq!(
        found.expect(400)["fields"],
        json!({ "service_id": "unknown field" })
    );
    assert_eq!(plane.get("/apis/orders/plugins").await.status, 404);
}

#[tokio::test]
async fn apis_are_services_for_their_plugins() {
    let plane = Plane::start().await;
    let service = plane.service("orders").await;
    let made = plane
        .form("POST", "/apis/orders/plugins", "name=key-auth")
        .await;
    let id = made.id();
    assert_eq!(made.expect(201)["service"], json!({ "id": service }));
    let read = plane.get(&format!("/apis/orders/plugins/{id}")).await;
    assert_eq!(read.expect(200)["id"], json!(id));
    let listed = plane.get("/endpoints").await.expect(200);
    let paths = listed["data"].as_array().expect("a list");
    assert!(paths.contains(&json!("/services/{services}/plugins/{plugins}")));
    assert!(
        paths
            .iter()
            .all(|path| !path.as_str().unwrap_or("").starts_with("/apis"))
    );
}

#[tokio::test]
async fn a_form_patch_is_read_with_the_stored_plugins_schema() {
    let plane = Plane::start().await;
    let id = plane
        .post("/plugins", json!({ "name": "key-auth" }))
        .await
        .id();
    let body = "config.key_names=k1&config.hide_credentials=true";
    let changed = plane
        .form("PATCH", &format!("/plugins/{id}"), body)
        .await
        .expect(200);
    assert_eq!(changed["config"]["key_names"], json!(["k1"]));
    assert_eq!(changed["config"]["hide_credentials"], json!(true));
}

#[tokio::test]
async fn query_values_set_nothing() {
    let plane = Plane::start().await;
    let made = plane
        .post("/services?name=x", json!({ "host": "h.test" }))
        .await;
    assert_eq!(made.expect(201)["name"], Value::Null);
}

#[tokio::test]
async fn numbers_are_answered_as_they_were_written() {
    let plane = Plane::start().await;
    let headers = [("content-type", "application/json")];
    let body = r#"{"paths":["/a"],"regex_priority":12345678901}"#;
    let made = plane.raw("POST", "/routes", &headers, body).await;
    let text = String::from_utf8_lossy(&made.body).into_owned();
    assert!(text.contains(r#""regex_priority":12345678901"#), "{text}");
}
