use serde_json::{Value, json};
use shared::entities::Sni;

use super::*;

const CERT: Uuid = Uuid::from_u128(100);

/// A certificate and its key in PEM.
fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
    let params = rcgen::CertificateParams::new(["a.test".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn document(id: Uuid, cert: &str, key: &str) -> Arc<Certificate> {
    let document = json!({ "id": id, "cert": cert, "key": key });
    // Through text, as documents arrive.
    Arc::new(serde_json::from_str(&document.to_string()).expect("a certificate"))
}

/// One certificate for each name.
fn model(names: &[&str]) -> Model {
    let (cert, key) = made(&rcgen::PKCS_ED25519);
    let certificates = (0..names.len()).map(|place| {
        let id = Uuid::from_u128(CERT.as_u128() + place as u128);
        (id, document(id, &cert, &key))
    });
    let snis = names.iter().enumerate().map(|(place, name)| {
        let certificate = Uuid::from_u128(CERT.as_u128() + place as u128);
        let id = Uuid::from_u128(place as u128);
        let sni: Value = json!({ "id": id, "name": name, "certificate": { "id": certificate } });
        let sni: Sni = serde_json::from_str(&sni.to_string()).expect("an SNI");
        (id, Arc::new(sni))
    });
    let mut model = Model::default();
    model.certificates = certificates.collect();
    model.snis = snis.collect();
    model
}

fn build(model: &Model, previous: Option<&Certificates>) -> Certificates {
    Certificates::build(model, previous, &Vaults::new(model, &|_| None), true)
}

#[test]
fn the_closest_name_decides() {
    let names = ["a.b.test", "*.b.test", "a.b.*", "*", "*.test", "C.test."];
    let cases = [
        ("a.b.test", 0),
        ("x.b.test", 1),
        ("a.b.org", 2),
        ("x.y.b.test", 3),
        ("y.test", 3), // one label would be left of `*.test`
        ("c.test", 5),
        ("localhost", 3),
        ("", 3),
    ];
    let model = model(&names);
    let certificates = build(&model, None);
    for (name, place) in cases {
        let expected = certificates.of(&Uuid::from_u128(CERT.as_u128() + place));
        let (found, expected) = (certificates.find(name), expected.expect("made"));
        let found = found.unwrap_or_else(|| panic!("'{name}' is shown nothing"));
        assert!(Arc::ptr_eq(&found.first, &expected.first), "{name}");
    }
    let without = self::model(&names[..2]);
    assert!(build(&without, None).find("x.org").is_none());
}

#[test]
fn a_certificate_that_did_not_change_is_kept() {
    let mut model = model(&["a.test", "b.test"]);
    let first = build(&model, None);
    let (cert, key) = made(&rcgen::PKCS_ED25519);
    let kept = model.certificates[&CERT].clone();
    let changed = Uuid::from_u128(CERT.as_u128() + 1);
    model.certificates = [(CERT, kept), (changed, document(changed, &cert, &key))]
        .into_iter()
        .collect();
    let second = build(&model, Some(&first));
    let same = |id: &Uuid| {
        let (old, new) = (first.of(id).expect("made"), second.of(id).expect("made"));
        Arc::ptr_eq(&old.first, &new.first)
    };
    assert!(same(&CERT));
    assert!(!same(&changed));
}

#[test]
fn a_certificate_comes_from_the_environment_or_not_at_all() {
    let (cert, key) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (_, other) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
    let mut model = model(&["a.test"]);
    model.certificates = [(CERT, document(CERT, &cert, "{vault://env/the-key}"))]
        .into_iter()
        .collect();
    let with = |value: Option<String>| {
        let variable = move |name: &str| value.clone().filter(|_| name == "THE_KEY");
        Certificates::build(&model, None, &Vaults::new(&model, &variable), true)
    };
    assert!(with(Some(key.clone())).find("a.test").is_some());
    assert!(with(None).find("a.test").is_none());
    assert!(with(Some("nonsense".to_owned())).find("a.test").is_none());
    assert!(with(Some(other)).find("a.test").is_none());
    // A vault that changes may lead to another key.
    let variable = |name: &str| (name == "THE_KEY").then(|| key.clone());
    let vaults = Vaults::new(&model, &variable);
    let first = Certificates::build(&model, None, &vaults, true);
    for sealed in [true, false] {
        let second = Certificates::build(&model, Some(&first), &vaults, sealed);
        let (old, new) = (first.of(&CERT), second.of(&CERT));
        let (old, new) = (old.expect("made"), new.expect("made"));
        assert_eq!(Arc::ptr_eq(&old.first, &new.first), sealed);
    }
}
