//! Certificates and the server names they are for: 30, 31.

use crate::client::Plane;
use serde_json::{Value, json};

/// A certificate with its key, as it is sent.
fn pair() -> Value {
    let made =
        rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).expect("a certificate");
    json!({ "cert": made.cert.pem(), "key": made.signing_key.serialize_pem() })
}

fn with_snis(snis: Value) -> Value {
    let mut body = pair();
    body["snis"] = snis;
    body
}

#[tokio::test]
async fn checklist_30_snis_are_sorted_replaced_by_put_and_kept_by_patch() {
    let plane = Plane::start().await;
    let made = plane
        .post("/certificates", with_snis(json!(["b.test", "a.test"])))
        .await;
    let path = format!("/certificates/{}", made.id());
    assert_eq!(made.expect(201)["snis"], json!(["a.test", "b.test"]));
    let kept = plane.patch(&path, json!({ "tags": ["t"] })).await;
    assert_eq!(kept.expect(200)["snis"], json!(["a.test", "b.test"]));
    let taken = plane
        .post("/certificates", with_snis(json!(["a.test"])))
        .await
        .expect(400);
    assert_eq!(taken["code"], 2);
    let text = format!(
        "a.test already associated with existing certificate '{}'",
        made.id()
    );
    assert_eq!(taken["fields"], json!({ "snis": text }));
    let cleared = plane.put(&path, pair()).await.expect(200);
    assert_eq!(cleared["snis"], json!([]));
    assert_eq!(plane.get("/snis").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn checklist_31_a_certificate_is_found_by_a_server_name() {
    let plane = Plane::start().await;
    let made = plane
        .post("/certificates", with_snis(json!(["a.test"])))
        .await;
    let found = plane.get("/certificates/a.test").await.expect(200);
    assert_eq!(found["id"], json!(made.id()));
    let nobody = plane.get("/certificates/b.test").await.expect(404);
    assert_eq!(nobody, json!({ "message": "SNI not found" }));
}
