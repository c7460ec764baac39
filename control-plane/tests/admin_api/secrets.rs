//! Secrets are stored and answered, and told nowhere else: not in errors, not in logs, not in the audit. The walk goes
//! over every secret field of every entity and plugin, whatever is declared tomorrow.

use crate::client::{Answer, Plane};
use control_plane::telemetry;
use serde_json::{Value, json};
use shared::entities::{self, Entity};
use shared::plugins::Catalog;
use shared::schema::{Kind, Schema};
use shared::settings::LogLevel;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What no log, error or audit row may hold.
const MARKER: &str = "Marker0f5ecretsThatNobodyTells";

/// Everything that this process logs.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nothing panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logs {
    fn start() -> Logs {
        let logs = Logs::default();
        let writer = logs.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        tracing_subscriber::registry()
            .with(telemetry::filter(LogLevel::Debug))
            .with(lines)
            .init();
        logs
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nothing panics")).into_owned()
    }
}

/// The dotted paths of the secrets below a schema.
fn secrets(schema: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    for field in &schema.fields {
        match &field.kind {
            _ if field.secret => found.push(field.name.to_string()),
            Kind::Record(inner) => {
                let inner = secrets(inner).into_iter();
                found.extend(inner.map(|path| format!("{}.{path}", field.name)));
            }
            _ => {}
        }
    }
    found
}

/// A document with that value at that path.
fn with(path: &str, value: Value) -> Value {
    let members = path.rsplit('.');
    members.fold(value, |inner, name| json!({ name: inner }))
}

/// Fails if an error tells the secret.
#[track_caller]
fn discreet(answer: &Answer) -> u16 {
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status != 500, "{text}");
    assert!(
        answer.status < 400 || !text.contains(MARKER),
        "{}: {text}",
        answer.status
    );
    answer.status
}

/// Documents with the secret where it must not be, in every shape that a client may send.
async fn provoke(plane: &Plane, kind: &str, path: &str, document: impl Fn(Value) -> Value) {
    let long = format!("{MARKER} with a space\u{0}\n");
    for value in [
        json!(MARKER),
        json!(long),
        json!([MARKER]),
        json!([[MARKER]]),
        json!({ "a": MARKER }),
        json!({ MARKER: { "b": [MARKER] } }),
    ] {
        let body = document(value);
        for method in ["POST", "PUT", "PATCH"] {
            discreet(&plane.json(method, path, body.clone()).await);
        }
        let broken = format!("{}}}", body);
        let headers = [("content-type", "application/json")];
        discreet(&plane.raw("POST", path, &headers, &broken).await);
        let declarative = json!({ "_format_version": "3.0", kind: [body] });
        discreet(
            &plane
                .post("/config?flatten_errors=1", declarative.clone())
                .await,
        );
        discreet(
            &plane
                .post("/config", json!({ "config": declarative.to_string() }))
                .await,
        );
    }
}

/// A document that is taken, with the secret in that field.
fn valid(entity: &Entity, field: &str, consumer: &str) -> Option<Value> {
    // Another value than the walk sends, which may be stored by then.
    let good = format!("{MARKER}-good");
    let owner = json!({ "id": consumer });
    match (entity.kind, field) {
        ("keyauth_credentials", "key") => Some(json!({ "key": good, "consumer": owner })),
        ("basicauth_credentials", "password") => {
            Some(json!({ "username": "ann", "password": good, "consumer": owner }))
        }
        ("hmacauth_credentials", "secret") => {
            Some(json!({ "username": "ann", "secret": good, "consumer": owner }))
        }
        ("jwt_secrets", "secret") => {
            Some(json!({ "key": "ann", "secret": good, "consumer": owner }))
        }
        // Their secrets must parse: the walk sends wrong ones only.
        ("certificates", "key" | "key_alt") | ("keys", "jwk" | "pem.private_key") => None,
        (kind, field) => panic!("say how a good document of '{kind}' with a '{field}' looks"),
    }
}

async fn provoke_entity(plane: &Plane, entity: &'static Entity, field: &str, consumer: &str) {
    let collection = format!("/{}", entity.path);
    let nested = entity.nested_path.unwrap_or(entity.path);
    provoke(plane, entity.kind, &collection, |value| with(field, value)).await;
    let under = format!("/consumers/{consumer}/{nested}");
    provoke(plane, entity.kind, &under, |value| with(field, value)).await;
    provoke(
        plane,
        entity.kind,
        &format!("{collection}/{}", uuid::Uuid::new_v4()),
        |value| with(field, value),
    )
    .await;
    provoke(
        plane,
        entity.kind,
        &format!("/schemas/{}/validate", entity.kind),
        |value| with(field, value),
    )
    .await;
    let form = format!("{}={MARKER}&x={MARKER}", field.replace('.', "["));
    discreet(&plane.form("POST", &collection, &form).await);
    if let Some(good) = valid(entity, field, consumer) {
        let made = plane.post(&collection, good.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("{collection}/{}", made.id());
        for answer in [
            plane.post(&collection, good.clone()).await,
            plane.post(&under, good.clone()).await,
        ] {
            let status = discreet(&answer);
            assert!(matches!(status, 201 | 409), "{answer:?}");
        }
        let changed = with(field, json!(format!("{MARKER}-2")));
        assert_eq!(discreet(&plane.patch(&path, changed).await), 200);
        assert_eq!(discreet(&plane.put(&path, good).await), 200);
        discreet(&plane.patch(&path, json!({ "tags": [MARKER, 1] })).await);
    }
    // Where the secret is what a document is looked up by, an address holds it.
    if entity.lookup == Some(field) {
        for name in [MARKER.to_owned(), format!("{MARKER}-none")] {
            let path = format!("{collection}/{name}");
            discreet(&plane.patch(&path, json!({ "x": 1 })).await);
            discreet(&plane.get(&path).await);
            discreet(&plane.get(&format!("{path}/consumer")).await);
            discreet(&plane.get(&format!("{under}/{name}")).await);
            discreet(
                &plane
                    .put(&path, json!({ "consumer": { "id": consumer } }))
                    .await,
            );
            discreet(&plane.delete(&format!("{under}/{name}")).await);
            discreet(&plane.delete(&path).await);
        }
    }
}

/// A certificate that is taken, and a key that does not fit; a line of the key.
async fn provoke_certificate(plane: &Plane) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["walk.test".to_owned()]).expect("made");
    let other = rcgen::KeyPair::generate().expect("a key");
    let key = other.serialize_pem();
    let line = key.lines().nth(1).expect("a line of the key").to_owned();
    let good = json!({ "cert": made.cert.pem(), "key": made.signing_key.serialize_pem() });
    let stored = plane.post("/certificates", good).await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let path = format!("/certificates/{}", stored.id());
    let wrong = json!({ "cert": made.cert.pem(), "key": key });
    let alternative = json!({ "cert_alt": made.cert.pem(), "key_alt": key });
    let cut = json!({ "key": &key[..key.len() / 2] });
    for answer in [
        plane.post("/certificates", wrong.clone()).await,
        plane.patch(&path, json!({ "key": key })).await,
        plane.patch(&path, alternative).await,
        plane.patch(&path, cut).await,
        plane.put(&path, wrong).await,
    ] {
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 400, "{text}");
        assert!(!text.contains(&line[..line.len() / 2]), "{text}");
    }
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_told_in_no_error_no_log_and_no_audit_row() {
    let logs = Logs::start();
    let plane = Plane::start_with(&[("log_level", "debug")]).await;
    let consumer = plane.consumer("walker").await;
    let mut walked = 0;
    for entity in entities::all() {
        for field in secrets(&entity.schema) {
            provoke_entity(&plane, entity, &field, &consumer).await;
            walked += 1;
        }
    }
    for plugin in Catalog::builtin().iter() {
        for field in secrets(&plugin.config) {
            let document = |value| json!({ "name": plugin.name, "config": with(&field, value) });
            provoke(&plane, "plugins", "/plugins", document).await;
            provoke(&plane, "plugins", "/schemas/plugins/validate", document).await;
            walked += 1;
        }
    }
    assert!(walked >= 4, "the walk finds little: {walked}");
    let private = provoke_certificate(&plane).await;
    // A token is no document of the configuration, and as secret.
    let body = json!({ "name": "walker", "role": "admin" });
    let made = plane.post("/headgate/admin-tokens", body.clone()).await;
    let word = made.expect(201)["token"]
        .as_str()
        .expect("a word")
        .to_owned();
    discreet(&plane.post("/headgate/admin-tokens", body).await);
    let joining = plane.post("/headgate/tokens", json!({})).await.expect(201);
    let joining = joining["token"].as_str().expect("a word").to_owned();
    for header in [word.clone(), format!("{word}x"), MARKER.to_owned()] {
        discreet(
            &plane
                .raw("GET", "/services", &[("kong-admin-token", &header)], "")
                .await,
        );
        let bearer = format!("Bearer {header}");
        discreet(
            &plane
                .raw("GET", "/none", &[("authorization", &bearer)], "")
                .await,
        );
    }
    let mut told = String::new();
    let mut next = Some("/headgate/audit?size=1000".to_owned());
    while let Some(path) = next.take() {
        let page = plane.get(&path).await;
        told.push_str(&String::from_utf8_lossy(&page.body));
        next = page.json()["next"].as_str().map(str::to_owned);
    }
    told.push_str(&String::from_utf8_lossy(
        &plane.get("/headgate/data-planes").await.body,
    ));
    told.push_str(&String::from_utf8_lossy(&plane.get("/").await.body));
    let logs = logs.text();
    assert!(
        told.contains("POST /consumers/") && told.contains("POST /key-auths"),
        "{told}"
    );
    assert!(
        logs.contains("/key-auths/******"),
        "the log holds the requests: {logs}"
    );
    for secret in [MARKER, &word[10..], &joining[10..], &private] {
        assert!(!told.contains(secret), "the audit tells {secret}");
        let line = logs.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "the log tells {secret}");
    }
}
