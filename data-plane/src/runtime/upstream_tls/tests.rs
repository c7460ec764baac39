use serde_json::{Value, json};
use shared::entities::Certificate;

use super::*;
use crate::runtime::vaults::Vaults;

const CLIENT: Uuid = Uuid::from_u128(1);
const AUTHORITY: Uuid = Uuid::from_u128(2);

fn read<T: serde::de::DeserializeOwned>(document: Value) -> T {
    // Through text, as documents arrive.
    serde_json::from_str(&document.to_string()).expect("a sound document")
}

fn service(said: Value) -> Service {
    let mut document = json!({
        "id": Uuid::nil(), "protocol": "https", "host": "h.test", "port": 443, "enabled": true,
    });
    let members = said.as_object().cloned().expect("an object");
    document.as_object_mut().expect("an object").extend(members);
    read(document)
}

fn pem() -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).expect("a name");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn authority() -> Arc<CaCertificate> {
    Arc::new(read(json!({ "id": AUTHORITY, "cert": pem().0 })))
}

fn client() -> Arc<Certificate> {
    let (cert, key) = pem();
    Arc::new(read(json!({ "id": CLIENT, "cert": cert, "key": key })))
}

fn model() -> Model {
    let mut model = Model::default();
    model.certificates = [(CLIENT, client())].into_iter().collect();
    model.ca_certificates = [(AUTHORITY, authority())].into_iter().collect();
    model
}

/// What one revision made: its certificates, its profiles, and the ids of those for each service.
struct Built {
    certificates: Certificates,
    profiles: Profiles,
    ids: Vec<u64>,
}

fn build(trust: &Trust, model: &Model, services: &[Value], before: Option<&Built>) -> Built {
    let vaults = Vaults::new(model, &|_| None);
    let certificates = Certificates::build(model, before.map(|b| &b.certificates), &vaults, true);
    let mut maker = Maker::new(trust, model, &certificates, before.map(|b| &b.profiles));
    let ids = services
        .iter()
        .map(|said| maker.profile(&service(said.clone()), None).id())
        .collect();
    let profiles = maker.finish();
    Built {
        profiles,
        certificates,
        ids,
    }
}

#[test]
fn services_share_a_profile_only_if_they_say_the_same() {
    let trust = Trust::nobody();
    let model = model();
    let said = [
        json!({}),
        json!({ "tls_verify": true }),
        json!({ "tls_verify": true, "tls_verify_depth": 1 }),
        json!({ "tls_verify": true, "ca_certificates": [AUTHORITY] }),
        json!({ "client_certificate": { "id": CLIENT } }),
        json!({ "tls_verify": true, "client_certificate": { "id": CLIENT } }),
    ];
    let ids = build(&trust, &model, &said, None).ids;
    for (place, id) in ids.iter().enumerate() {
        assert!(!ids[..place].contains(id), "{}", said[place]);
    }
    let same = [
        json!({ "tls_verify": false, "tls_verify_depth": 3, "ca_certificates": [AUTHORITY] }),
        said[3].clone(),
        said[3].clone(),
    ];
    let ids = build(&trust, &model, &same, None).ids;
    assert_eq!(
        ids[0],
        trust.unverified.id(),
        "what is not verified has no depth and no authorities"
    );
    assert_eq!(ids[1], ids[2]);
}

#[test]
fn a_profile_outlives_a_swap_unless_what_it_is_made_of_changed() {
    let trust = Trust::nobody();
    let mut model = model();
    let said = [
        json!({ "tls_verify": true, "ca_certificates": [AUTHORITY] }),
        json!({ "client_certificate": { "id": CLIENT } }),
    ];
    let first = build(&trust, &model, &said, None);
    let second = build(&trust, &model, &said, Some(&first));
    assert_eq!(first.ids, second.ids);
    model.certificates = [(CLIENT, client())].into_iter().collect();
    let third = build(&trust, &model, &said, Some(&second));
    assert_eq!(third.ids[0], second.ids[0]);
    assert_ne!(third.ids[1], second.ids[1]);
    model.ca_certificates = [(AUTHORITY, authority())].into_iter().collect();
    let fourth = build(&trust, &model, &said, Some(&third));
    assert_ne!(fourth.ids[0], third.ids[0]);
    assert_eq!(fourth.ids[1], third.ids[1]);
}
