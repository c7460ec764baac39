//! Every field that holds a key, a password or a private key is declared secret, in every entity and every plugin.

use shared::entities;
use shared::plugins::Catalog;
use shared::schema::{Field, Kind, Schema};

/// What the name of a secret holds or ends with.
const TELLING: &[&str] = &[
    "secret",
    "password",
    "private",
    "token",
    "passphrase",
    "jwk",
];
const ENDINGS: &[&str] = &["key", "key_alt"];

/// Names that sound like secrets and are none.
const KNOWN: &[(&str, &str)] = &[
    (
        "jwt_secrets.key",
        "the claim that names the secret, told in every token",
    ),
    ("jwt_secrets.rsa_public_key", "a public key"),
    ("keys.pem.public_key", "a public key"),
];

/// Every text below a schema, with its path.
fn texts<'a>(path: &str, schema: &'a Schema, found: &mut Vec<(String, &'a Field)>) {
    for field in &schema.fields {
        text(&format!("{path}.{}", field.name), field, found);
    }
    for shorthand in &schema.shorthands {
        text(
            &format!("{path}.{}", shorthand.field.name),
            &shorthand.field,
            found,
        );
    }
}

fn text<'a>(path: &str, field: &'a Field, found: &mut Vec<(String, &'a Field)>) {
    match &field.kind {
        Kind::String | Kind::Any => found.push((path.to_owned(), field)),
        Kind::Array(element) | Kind::Set(element) => text(path, element, found),
        Kind::Map { values, .. } => text(path, values, found),
        Kind::Record(schema) => texts(path, schema, found),
        _ => {}
    }
}

fn everything() -> Vec<(String, &'static Field)> {
    let mut found = Vec::new();
    for entity in entities::all() {
        texts(entity.kind, &entity.schema, &mut found);
    }
    for plugin in Catalog::builtin().iter() {
        texts(&plugin.name, &plugin.config, &mut found);
    }
    found
}

fn sounds_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    let words = || name.split('_');
    TELLING.iter().any(|word| words().any(|one| one == *word))
        || ENDINGS
            .iter()
            .any(|end| name == *end || name.ends_with(&format!("_{end}")))
}

#[test]
fn what_sounds_like_a_secret_is_declared_one() {
    let all = everything();
    assert!(all.len() > 50, "the walk finds little: {}", all.len());
    let open: Vec<&str> = all
        .iter()
        .filter(|(path, field)| sounds_secret(path) && !field.secret)
        .map(|(path, _)| path.as_str())
        .filter(|path| KNOWN.iter().all(|(known, _)| known != path))
        .collect();
    assert!(
        open.is_empty(),
        "declare these #[schema(secret)] or of type Secret, or say in KNOWN why not: {open:?}"
    );
}

#[test]
fn the_secrets_we_know_of_are_found_by_the_walk() {
    let all = everything();
    for path in [
        "keyauth_credentials.key",
        "basicauth_credentials.password",
        "hmacauth_credentials.secret",
        "jwt_secrets.secret",
        "certificates.key",
        "certificates.key_alt",
        "keys.jwk",
        "keys.pem.private_key",
    ] {
        let field = all.iter().find(|(found, _)| found == path);
        let (_, field) = field.unwrap_or_else(|| panic!("no '{path}'"));
        assert!(sounds_secret(path) && field.secret, "{path}");
    }
}

#[test]
fn no_default_is_a_secret() {
    for (path, field) in everything().iter().filter(|(_, field)| field.secret) {
        assert_eq!(field.default, None, "{path}");
    }
}
