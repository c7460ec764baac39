//! Certificates, their SNIs and the authorities: checklist 25, 30, 31, and every text of admin-api.md 8.6, 8.7, 8.9.

use crate::client::Plane;
use crate::pem::{Pair, authority, pair, pair_of};
use serde_json::{Value, json};

const NOBODY: &str = "ffffffff-ffff-4fff-8fff-ffffffffffff";

/// A certificate with these SNIs; its id.
async fn certificate(plane: &Plane, snis: Value) -> String {
    let made = plane.post("/certificates", body(&pair(), snis)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.id()
}

fn body(pair: &Pair, snis: Value) -> Value {
    json!({ "cert": pair.cert, "key": pair.key, "snis": snis })
}

async fn names(plane: &Plane) -> Vec<String> {
    let listed = plane.get("/snis").await.expect(200);
    let rows = listed["data"].as_array().cloned().expect("a list");
    let mut names: Vec<String> = rows
        .iter()
        .map(|row| row["name"].as_str().expect("a name").to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_snis_of_a_certificate_are_shown_sorted_everywhere() {
    let plane = Plane::start().await;
    let made = plane
        .post("/certificates", body(&pair(), json!(["b.test", "a.test"])))
        .await;
    let made = made.expect(201);
    assert_eq!(made["snis"], json!(["a.test", "b.test"]));
    let id = made["id"].as_str().expect("an id");
    let shown = plane.get(&format!("/certificates/{id}")).await.expect(200);
    assert_eq!(shown, made);
    let none = certificate(&plane, Value::Null).await;
    let listed = plane.get("/certificates").await.expect(200);
    let of = |id: &str| {
        let rows = listed["data"].as_array().expect("a list");
        let row = rows.iter().find(|row| row["id"] == id);
        row.expect("a row")["snis"].clone()
    };
    assert_eq!(of(id), json!(["a.test", "b.test"]));
    assert_eq!(of(&none), json!([]));
    let under = plane
        .get(&format!("/certificates/{id}/snis"))
        .await
        .expect(200);
    assert_eq!(under["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(under["data"][0]["certificate"], json!({ "id": id }));
}

#[tokio::test]
async fn a_put_without_snis_clears_them_and_a_patch_keeps_them() {
    let plane = Plane::start().await;
    let pair = pair();
    let made = plane
        .post("/certificates", body(&pair, json!(["a.test", "b.test"])))
        .await;
    let path = format!("/certificates/{}", made.id());
    let patched = plane
        .patch(&path, json!({ "tags": ["x"] }))
        .await
        .expect(200);
    assert_eq!(patched["snis"], json!(["a.test", "b.test"]));
    let exact = plane
        .patch(&path, json!({ "snis": ["c.test", "b.test"] }))
        .await
        .expect(200);
    assert_eq!(exact["snis"], json!(["b.test", "c.test"]));
    assert_eq!(exact["tags"], json!(["x"]));
    assert_eq!(names(&plane).await, ["b.test", "c.test"]);
    let put = json!({ "cert": pair.cert, "key": pair.key });
    let replaced = plane.put(&path, put).await.expect(200);
    assert_eq!(replaced["snis"], json!([]));
    assert!(names(&plane).await.is_empty());
    let put = plane
        .put(&path, body(&pair, json!(["d.test"])))
        .await
        .expect(200);
    assert_eq!(put["snis"], json!(["d.test"]));
    let cleared = plane
        .patch(&path, json!({ "snis": null }))
        .await
        .expect(200);
    assert_eq!(cleared["snis"], json!([]));
}

#[tokio::test]
async fn a_sni_of_another_certificate_or_twice_the_same_is_refused_and_nothing_is_stored() {
    let plane = Plane::start().await;
    let holder = certificate(&plane, json!(["a.test"])).await;
    let other = certificate(&plane, json!([])).await;
    let path = format!("/certificates/{other}");
    let twice = plane
        .patch(&path, json!({ "snis": ["x.test", "b.test", "x.test"] }))
        .await;
    let expected = json!({
        "code": 2,
        "name": "schema violation",
        "message": "schema violation (snis: x.test is duplicated)",
        "fields": { "snis": "x.test is duplicated" },
    });
    assert_eq!(twice.expect(400), expected);
    let text = format!("a.test already associated with existing certificate '{holder}'");
    let taken = json!({ "snis": ["z.test", "a.test"] });
    for answer in [
        plane.patch(&path, taken.clone()).await,
        plane
            .post("/certificates", body(&pair(), taken["snis"].clone()))
            .await,
        plane
            .put(
                &format!("/certificates/{NOBODY}"),
                body(&pair(), taken["snis"].clone()),
            )
            .await,
    ] {
        let found = answer.expect(400);
        assert_eq!(found["fields"], json!({ "snis": text }));
        assert_eq!(found["message"], format!("schema violation (snis: {text})"));
    }
    assert_eq!(names(&plane).await, ["a.test"]);
    let bad = plane
        .patch(&path, json!({ "snis": ["10.0.0.1"] }))
        .await
        .expect(400);
    assert_eq!(bad["fields"], json!({ "snis": ["must not be an IP"] }));
    let bad = plane
        .patch(&path, json!({ "snis": "a.test" }))
        .await
        .expect(400);
    assert_eq!(bad["fields"], json!({ "snis": "expected an array" }));
}

#[tokio::test]
async fn of_writers_that_want_the_same_sni_one_gets_it() {
    let plane = Plane::start().await;
    let tries = (0..8).map(|_| plane.post("/certificates", body(&pair(), json!(["a.test"]))));
    let answers = futures_util::future::join_all(tries).await;
    let made: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .collect();
    assert_eq!(made.len(), 1);
    let text = format!(
        "a.test already associated with existing certificate '{}'",
        made[0].id()
    );
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.expect(400)["fields"], json!({ "snis": text }));
    }
    let listed = plane.get("/certificates").await.expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_certificate_is_found_by_any_of_its_snis() {
    let plane = Plane::start().await;
    let id = certificate(&plane, json!(["a.test", "*.b.test"])).await;
    for name in ["a.test", "*.b.test", "%2A.b.test"] {
        let found = plane
            .get(&format!("/certificates/{name}"))
            .await
            .expect(200);
        assert_eq!(found["id"], json!(id), "{name}");
        let under = plane
            .get(&format!("/certificates/{name}/snis"))
            .await
            .expect(200);
        assert_eq!(under["data"].as_array().map(Vec::len), Some(2));
    }
    let unknown = json!({ "message": "SNI not found" });
    for answer in [
        plane.get("/certificates/none.test").await,
        plane.patch("/certificates/none.test", json!({})).await,
        plane.delete("/certificates/none.test").await,
        plane.get("/certificates/none.test/snis").await,
    ] {
        assert_eq!(answer.expect(404), unknown);
    }
    let bad = plane.get("/certificates/a_b:1").await.expect(400);
    assert_eq!(bad["name"], "invalid unique name");
    assert_eq!(plane.delete("/certificates/a.test").await.status, 204);
    assert!(names(&plane).await.is_empty());
}

#[tokio::test]
async fn a_put_by_an_unknown_sni_makes_a_certificate_that_has_it() {
    let plane = Plane::start().await;
    let pair = pair();
    let made = plane
        .put("/certificates/new.test", body(&pair, json!(["a.test"])))
        .await;
    let made = made.expect(200);
    assert_eq!(made["snis"], json!(["a.test", "new.test"]));
    let again = plane
        .put("/certificates/new.test", body(&pair, json!(["new.test"])))
        .await;
    let again = again.expect(200);
    assert_eq!(again["id"], made["id"]);
    assert_eq!(again["snis"], json!(["new.test"]));
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("cert", &pair.cert)
        .append_pair("key", &pair.key)
        .append_pair("snis", "f.test, g.test")
        .finish();
    let by_form = plane.form("PUT", "/certificates/form.test", &form).await;
    assert_eq!(
        by_form.expect(200)["snis"],
        json!(["f.test", "form.test", "g.test"])
    );
}

#[tokio::test]
async fn a_missing_certificate_is_told_by_its_id() {
    let plane = Plane::start().await;
    let expected = json!({
        "code": 6,
        "name": "not found",
        "message": format!("could not find the entity with primary key '{{id=\"{NOBODY}\"}}'"),
        "fields": { "id": NOBODY },
    });
    let path = format!("/certificates/{NOBODY}");
    assert_eq!(plane.get(&path).await.expect(404), expected);
    assert_eq!(plane.patch(&path, json!({})).await.expect(404), expected);
    assert_eq!(plane.delete(&path).await.status, 204);
}

#[tokio::test]
async fn certificates_and_keys_must_be_valid_and_belong_together() {
    let plane = Plane::start().await;
    let (one, other, rsa) = (pair(), pair(), pair_of(&rcgen::PKCS_RSA_SHA256));
    let mismatch = "certificate does not match key";
    let alternative = "alternative certificate does not match key";
    let same_kind = "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), \
                     the provided certificates were both of the same type";
    let both = "all or none of these fields must be set: 'cert_alt', 'key_alt'";
    let cases = [
        (json!({ "cert": one.cert, "key": other.key }), mismatch),
        (
            json!({ "cert": one.cert, "key": one.key, "cert_alt": rsa.cert, "key_alt": other.key }),
            alternative,
        ),
        (
            json!({ "cert": one.cert, "key": one.key, "cert_alt": other.cert, "key_alt": other.key }),
            same_kind,
        ),
        (
            json!({ "cert": one.cert, "key": one.key, "cert_alt": rsa.cert }),
            both,
        ),
    ];
    for (body, text) in cases {
        let found = plane.post("/certificates", body).await.expect(400);
        assert_eq!(found["fields"], json!({ "@entity": [text] }));
        assert_eq!(found["message"], format!("schema violation ({text})"));
    }
    let good =
        json!({ "cert": one.cert, "key": one.key, "cert_alt": rsa.cert, "key_alt": rsa.key });
    let made = plane.post("/certificates", good).await.expect(201);
    assert_eq!(made["cert_alt"], json!(rsa.cert));
    let none = plane.post("/certificates", json!({})).await.expect(400);
    let required = json!({ "cert": "required field missing", "key": "required field missing" });
    assert_eq!(none["fields"], required);
}

#[tokio::test]
async fn a_bad_key_is_refused_without_being_repeated() {
    let plane = Plane::start().await;
    let pair = pair();
    let cut = pair.key.replacen('M', "%", 1);
    let found = plane
        .post("/certificates", json!({ "cert": "x", "key": cut }))
        .await;
    let text = String::from_utf8_lossy(&found.body).into_owned();
    let fields = found.expect(400)["fields"].clone();
    let starts = |field: &str, with: &str| {
        fields[field]
            .as_str()
            .is_some_and(|text| text.starts_with(with))
    };
    assert!(starts("cert", "invalid certificate: x509.new: "), "{text}");
    assert!(starts("key", "invalid key: pkey.new: "), "{text}");
    for line in cut.lines().filter(|line| !line.starts_with('-')) {
        assert!(!text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_in_use_stays_with_its_snis() {
    let plane = Plane::start().await;
    let id = certificate(&plane, json!(["a.test"])).await;
    let service = json!({ "name": "s", "host": "h.test", "protocol": "https", "client_certificate": { "id": id } });
    let service = plane.post("/services", service).await;
    assert_eq!(service.status, 201, "{service:?}");
    let refused = plane
        .delete(&format!("/certificates/{id}"))
        .await
        .expect(400);
    let expected = json!({
        "code": 4,
        "name": "foreign key violation",
        "message": "an existing 'services' entity references this 'certificates' entity",
        "fields": { "@referenced_by": "services" },
    });
    assert_eq!(refused, expected);
    assert_eq!(names(&plane).await, ["a.test"]);
    let used = plane
        .get(&format!("/certificates/{id}/services"))
        .await
        .expect(200);
    assert_eq!(used["data"][0]["id"], json!(service.id()));
    let shown = plane
        .get("/services/s/client_certificate")
        .await
        .expect(200);
    assert_eq!(shown["snis"], json!(["a.test"]));
    assert_eq!(plane.delete("/services/s").await.status, 204);
    assert_eq!(plane.delete("/certificates/a.test").await.status, 204);
    assert!(names(&plane).await.is_empty());
}

#[tokio::test]
async fn a_service_gets_a_client_certificate_by_put() {
    let plane = Plane::start().await;
    let service = json!({ "name": "s", "host": "h.test", "protocol": "https" });
    let service = plane.post("/services", service).await;
    assert_eq!(
        plane.get("/services/s/client_certificate").await.status,
        404
    );
    let path = "/services/s/client_certificate";
    let made = plane
        .put(path, body(&pair(), json!(["c.test"])))
        .await
        .expect(200);
    assert_eq!(made["snis"], json!(["c.test"]));
    let linked = plane
        .get(&format!("/services/{}", service.id()))
        .await
        .expect(200);
    assert_eq!(linked["client_certificate"], json!({ "id": made["id"] }));
}

#[tokio::test]
async fn snis_have_no_certificate_under_them_and_need_one() {
    let plane = Plane::start().await;
    let id = certificate(&plane, json!(["a.test"])).await;
    let nothing = json!({ "message": "Not found" });
    assert_eq!(
        plane.get("/snis/a.test/certificate").await.expect(404),
        nothing
    );
    let listed = plane.get("/endpoints").await.expect(200);
    let listed = listed["data"].as_array().cloned().expect("a list");
    assert!(!listed.contains(&json!("/snis/{snis}/certificate")));
    assert!(listed.contains(&json!("/certificates/{certificates}/snis/{snis}")));
    let none = plane.post("/snis", json!({})).await.expect(400);
    let text =
        "2 schema violations (certificate: required field missing; name: required field missing)";
    assert_eq!(none["message"], text);
    let moved = certificate(&plane, json!([])).await;
    let path = format!("/certificates/{id}/snis/a.test");
    assert_eq!(plane.get(&path).await.status, 200);
    let patched = plane
        .patch("/snis/a.test", json!({ "certificate": { "id": moved } }))
        .await;
    assert_eq!(patched.status, 200);
    assert_eq!(plane.get(&path).await.status, 404);
    let shown = plane
        .get(&format!("/certificates/{moved}"))
        .await
        .expect(200);
    assert_eq!(shown["snis"], json!(["a.test"]));
}

#[tokio::test]
async fn an_authority_is_one_valid_certificate_with_its_digest() {
    let plane = Plane::start().await;
    let (one, other) = (authority(2040), authority(2041));
    let made = plane
        .post("/ca_certificates", json!({ "cert": one }))
        .await
        .expect(201);
    assert_eq!(made["cert_digest"].as_str().map(str::len), Some(64));
    let again = plane
        .post("/ca_certificates", json!({ "cert": one }))
        .await
        .expect(409);
    assert_eq!(
        again["fields"],
        json!({ "cert_digest": made["cert_digest"] })
    );
    let path = format!("/ca_certificates/{}", made["id"].as_str().expect("an id"));
    let patched = plane
        .patch(&path, json!({ "cert": other }))
        .await
        .expect(200);
    assert_ne!(patched["cert_digest"], made["cert_digest"]);
    let cases = [
        (
            format!("{one}{other}"),
            "please submit only one certificate at a time",
        ),
        (
            authority(2002),
            "certificate expired, \"Not After\" time is in the past",
        ),
        (
            pair().cert,
            "certificate does not appear to be a CA because it is missing the \"CA\" basic constraint",
        ),
    ];
    for (cert, text) in cases {
        let found = plane
            .post("/ca_certificates", json!({ "cert": cert }))
            .await
            .expect(400);
        assert_eq!(found["fields"], json!({ "@entity": [text] }));
    }
}

#[tokio::test]
async fn an_authority_is_named_by_its_id_alone() {
    let plane = Plane::start().await;
    let found = plane.get("/ca_certificates/foo").await.expect(400);
    let expected = json!({
        "code": 1,
        "name": "invalid primary key",
        "message": "invalid primary key: '{id=\"expected a valid UUID\"}'",
        "fields": { "id": "expected a valid UUID" },
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_authority_that_a_service_trusts_stays() {
    let plane = Plane::start().await;
    let made = plane
        .post("/ca_certificates", json!({ "cert": authority(2040) }))
        .await;
    let id = made.id();
    let service = json!({ "name": "s", "host": "h.test", "protocol": "https", "ca_certificates": [NOBODY, id] });
    let service = plane.post("/services", service).await;
    assert_eq!(
        service.status, 201,
        "an id that names nothing is taken: {service:?}"
    );
    let path = format!("/ca_certificates/{id}");
    let refused = plane.delete(&path).await.expect(400);
    let expected = json!({
        "code": 19,
        "name": "referenced by others",
        "message": format!("ca certificate {id} is still referenced by services (id = {})", service.id()),
    });
    assert_eq!(refused, expected);
    assert_eq!(plane.get(&path).await.status, 200);
    let freed = plane
        .patch("/services/s", json!({ "ca_certificates": [NOBODY] }))
        .await;
    assert_eq!(freed.status, 200);
    assert_eq!(plane.delete(&path).await.status, 204);
}
