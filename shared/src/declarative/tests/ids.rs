use super::*;

fn id_of(text: &str, kind: &str) -> String {
    documents(text, kind)[0]["id"]
        .as_str()
        .expect("a document has an id")
        .to_owned()
}

/// The vectors of admin-api.md 12.4.
#[test]
fn ids_follow_from_names_as_they_do_in_kong() {
    let service = |name: &str| json!({ "services": [{ "name": name, "host": "h" }] });
    let route = json!([{ "name": "foo", "paths": ["/"], "plugins": [{ "name": "key-auth" }] }]);
    let cases = [
        (
            service("foo"),
            "services",
            "2933fbcc-9d7c-54a7-a984-fe2bde836cea",
        ),
        (
            service("some.service.name"),
            "services",
            "d9bee1f8-db6e-5a37-9281-fd4aca16dc00",
        ),
        (
            json!({ "routes": route }),
            "routes",
            "fb94a9b8-3f5e-525c-b38d-61aa1cbaa69c",
        ),
        (
            json!({ "routes": route }),
            "plugins",
            "94c03ff4-bf99-599f-a351-c7123559bc5a",
        ),
        (
            json!({ "consumers": [{ "username": "bobo" }] }),
            "consumers",
            "a331738c-d6d9-595e-a2cf-9cad8a78d622",
        ),
        (
            json!({ "upstreams": [{ "name": "u1" }] }),
            "upstreams",
            "0e7a237a-6645-50cc-8e6d-514947af04b9",
        ),
        (
            json!({ "plugins": [{ "name": "key-auth" }] }),
            "plugins",
            "6b4f38d1-e026-540b-a5ea-8634739dd2a7",
        ),
    ];
    for (members, kind, id) in cases {
        assert_eq!(id_of(&file(members.clone()), kind), id, "{members}");
    }
}

#[test]
fn the_same_plugin_has_another_id_nested_than_at_the_top() {
    let nested = file(json!({ "routes": [
        { "name": "foo", "paths": ["/"], "plugins": [{ "name": "key-auth" }] },
    ] }));
    let flat = file(json!({
        "routes": [{ "name": "foo", "paths": ["/"] }],
        "plugins": [{ "name": "key-auth", "route": "foo" }],
    }));
    let spelled = file(json!({
        "routes": [{ "name": "foo", "paths": ["/"] }],
        "plugins": [{ "name": "key-auth", "route": "fb94a9b8-3f5e-525c-b38d-61aa1cbaa69c" }],
    }));
    assert_ne!(id_of(&nested, "plugins"), id_of(&flat, "plugins"));
    assert_eq!(id_of(&nested, "plugins"), id_of(&spelled, "plugins"));
    assert_eq!(
        documents(&nested, "plugins")[0]["route"],
        documents(&flat, "plugins")[0]["route"]
    );
}

#[test]
fn what_has_no_name_and_what_is_made_of_that_is_random() {
    let text = file(json!({ "routes": [{ "paths": ["/"], "plugins": [{ "name": "key-auth" }] }] }));
    for kind in ["routes", "plugins"] {
        assert_ne!(id_of(&text, kind), id_of(&text, kind), "{kind}");
    }
    let keys = file(json!({ "consumers": [
        { "username": "bobo", "keyauth_credentials": [{ "key": "k" }], "acls": [{ "group": "g" }] },
    ] }));
    assert_ne!(
        id_of(&keys, "keyauth_credentials"),
        id_of(&keys, "keyauth_credentials")
    );
    assert_eq!(id_of(&keys, "acls"), id_of(&keys, "acls"));
}

#[test]
fn a_given_id_stays_in_one_spelling() {
    let text = file(json!({ "services": [
        { "id": "00000000-0000-4000-8000-00000000000A", "name": "foo", "host": "h" },
    ] }));
    assert_eq!(
        id_of(&text, "services"),
        "00000000-0000-4000-8000-00000000000a"
    );
}

/// Kong makes these of the kind and the field, not of the field alone: another space of names.
#[test]
fn credentials_have_ids_of_their_name_and_their_kind() {
    let credentials = json!({
        "basicauth_credentials": [{ "username": "u", "password": "p" }],
        "hmacauth_credentials": [{ "username": "u" }],
        "jwt_secrets": [{ "key": "u" }],
    });
    let mut consumer = json!({ "username": "bobo" });
    consumer
        .as_object_mut()
        .expect("an object")
        .extend(credentials.as_object().expect("an object").clone());
    let text = file(json!({ "consumers": [consumer] }));
    let expected = |kind: &str| {
        let root = uuid::uuid!("fd02801f-0957-4a15-a55a-c8d9606f30b5");
        let space = Uuid::new_v5(&root, kind.as_bytes());
        Uuid::new_v5(&space, format!("{kind}:*:u").as_bytes()).to_string()
    };
    for kind in ["basicauth_credentials", "hmacauth_credentials"] {
        assert_eq!(id_of(&text, kind), expected(kind));
    }
    assert_ne!(
        id_of(&text, "jwt_secrets"),
        id_of(&text, "jwt_secrets"),
        "a key may be made up"
    );
}

#[test]
fn values_are_computed_unless_the_file_holds_them() {
    let consumer = |transform: bool| {
        json!({
            "_format_version": "3.0", "_transform": transform,
            "consumers": [{
                "username": "bobo", "basicauth_credentials": [{ "username": "u", "password": "p" }],
            }],
        })
    };
    let password = |transform| {
        documents(&consumer(transform).to_string(), "basicauth_credentials")[0]["password"].clone()
    };
    assert_eq!(password(false), "p");
    assert_eq!(
        password(true).as_str().map(str::len),
        Some(40),
        "a SHA-1 in hexadecimal"
    );
}

#[test]
fn a_target_has_an_id_of_its_upstream_and_of_what_was_written() {
    let text =
        file(json!({ "upstreams": [{ "name": "u1", "targets": [{ "target": "h.test" }] }] }));
    let space = Uuid::new_v5(
        &uuid::uuid!("fd02801f-0957-4a15-a55a-c8d9606f30b5"),
        b"targets",
    );
    let key = b"targets:*:0e7a237a-6645-50cc-8e6d-514947af04b9:h.test";
    assert_eq!(
        id_of(&text, "targets"),
        Uuid::new_v5(&space, key).to_string()
    );
    assert_eq!(documents(&text, "targets")[0]["target"], "h.test:8000");
}

#[test]
fn vaults_and_keys_have_ids_of_their_kind_too() {
    let key = json!({ "kid": "k", "jwk": "{vault://env/jwk}" });
    let text = file(json!({
        "vaults": [{ "prefix": "mine", "name": "env" }],
        "key_sets": [{ "name": "set", "keys": [key] }],
        "keys": [key],
    }));
    let expected = |kind: &str, key: &str| {
        let root = uuid::uuid!("fd02801f-0957-4a15-a55a-c8d9606f30b5");
        let space = Uuid::new_v5(&root, kind.as_bytes());
        Uuid::new_v5(&space, key.as_bytes()).to_string()
    };
    let set = expected("key_sets", "set");
    assert_eq!(id_of(&text, "vaults"), expected("vaults", "vaults:*:mine"));
    assert_eq!(id_of(&text, "key_sets"), set);
    let keys = documents(&text, "keys");
    let ids: Vec<&str> = keys.iter().filter_map(|key| key["id"].as_str()).collect();
    let nested = expected("keys", &format!("keys:*:k:{set}"));
    assert_eq!(ids.len(), 2);
    assert!(
        ids.contains(&nested.as_str()) && ids.contains(&expected("keys", "keys:*:k:").as_str())
    );
}
