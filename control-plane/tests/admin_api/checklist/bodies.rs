//! How bodies are read: 4 to 11.

use crate::client::{Answer, Plane};
use serde_json::{Value, json};

/// A plugin made by a form.
async fn plugin(plane: &Plane, config: &str) -> Answer {
    let body = format!("name=request-transformer&{config}");
    plane.form("POST", "/plugins", &body).await
}

#[tokio::test]
async fn checklist_04_a_service_needs_a_host() {
    let plane = Plane::start().await;
    let found = plane.post("/services", json!({})).await.expect(400);
    assert_eq!(found["code"], 2);
    assert_eq!(found["fields"], json!({ "host": "required field missing" }));
}

#[tokio::test]
async fn checklist_05_a_url_sets_four_fields() {
    let plane = Plane::start().await;
    let made = plane.form("POST", "/services", "url=http://h:81/p").await;
    let made = made.expect(201);
    let expected = [
        ("protocol", json!("http")),
        ("host", json!("h")),
        ("port", json!(81)),
        ("path", json!("/p")),
    ];
    for (field, value) in expected {
        assert_eq!(made[field], value, "{field}");
    }
    assert!(made.get("url").is_none(), "{made}");
    for field in [
        "name",
        "tags",
        "client_certificate",
        "tls_verify",
        "tls_verify_depth",
        "ca_certificates",
    ] {
        assert_eq!(made.get(field), Some(&Value::Null), "{field}");
    }
}

#[tokio::test]
async fn checklist_06_only_true_and_false_are_booleans() {
    let plane = Plane::start().await;
    let refused = plane.form("POST", "/services", "host=h&enabled=1").await;
    let fields = refused.expect(400)["fields"].take();
    assert_eq!(fields, json!({ "enabled": "expected a boolean" }));
    let made = plane
        .form("POST", "/services", "host=h&enabled=false")
        .await;
    assert_eq!(made.expect(201)["enabled"], json!(false));
}

#[tokio::test]
async fn checklist_07_only_forms_hold_numbers_as_text() {
    let plane = Plane::start().await;
    let made = plane.form("POST", "/services", "host=h&port=80").await;
    assert_eq!(made.expect(201)["port"], json!(80));
    let body = json!({ "host": "h", "port": "80" });
    let refused = plane.post("/services", body).await.expect(400);
    assert_eq!(refused["fields"], json!({ "port": "expected an integer" }));
}

#[tokio::test]
async fn checklist_08_an_empty_text_in_a_form_is_null() {
    let plane = Plane::start().await;
    let made = plane.form("POST", "/services", "host=h&path=").await;
    assert_eq!(made.expect(201)["path"], Value::Null);
}

#[tokio::test]
async fn checklist_09_brackets_number_the_elements_of_a_list() {
    let plane = Plane::start().await;
    let body = "config.add.headers[1]=h1:v1&config.add.headers[2]=h2:v1";
    let made = plugin(&plane, body).await.expect(201);
    assert_eq!(made["config"]["add"]["headers"], json!(["h1:v1", "h2:v1"]));
}

#[tokio::test]
async fn checklist_10_commas_part_elements_unless_that_is_off() {
    let plane = Plane::start().await;
    let two = plugin(&plane, "config.remove.headers=x-a, x-b").await;
    assert_eq!(
        two.expect(201)["config"]["remove"]["headers"],
        json!(["x-a", "x-b"])
    );
    plane.delete(&format!("/plugins/{}", two.id())).await;
    let one = plugin(&plane, "config.add.headers=h1:v1,v2").await;
    assert_eq!(
        one.expect(201)["config"]["add"]["headers"],
        json!(["h1:v1,v2"])
    );
    let off = Plane::start_with(&[("admin_form_csv_lists", "off")]).await;
    let body = "config.add.headers=h1:v1,h2:v2&config.remove.querystring=a,b";
    let whole = plugin(&off, body).await.expect(201);
    assert_eq!(whole["config"]["add"]["headers"], json!(["h1:v1,h2:v2"]));
    assert_eq!(whole["config"]["remove"]["querystring"], json!(["a,b"]));
}

#[tokio::test]
async fn checklist_11_old_names_of_references_are_taken_unless_that_is_off() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let body = format!("name=key-auth&service_id={service}");
    let made = plane.form("POST", "/plugins", &body).await.expect(201);
    assert_eq!(made["service"], json!({ "id": service }));
    let off = Plane::start_with(&[("admin_legacy_aliases", "off")]).await;
    let refused = off.form("POST", "/plugins", &body).await.expect(400);
    assert_eq!(refused["fields"], json!({ "service_id": "unknown field" }));
}
