//! What clients show, found by what names it. Made again only when a credential of the kind has changed.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use shared::entities::{BasicAuth, HmacAuth, KeyAuth};
use shared::model::{Model, Table};

use crate::plugins::Verifier;

/// The credentials of one revision.
pub(super) struct Credentials {
    pub(super) keys: Index<Arc<KeyAuth>>,
    pub(super) basic: Index<Arc<BasicAuth>>,
    pub(super) hmac: Index<Arc<HmacAuth>>,
    pub(super) jwt: Index<Arc<Verifier>>,
}

/// Credentials of one kind by key or user name.
pub(super) type Index<T> = Arc<HashMap<Box<str>, T, RandomState>>;

impl Credentials {
    /// `previous`: the revision before and its credentials, which are kept as far as nothing changed.
    pub(super) fn build(model: &Model, previous: Option<(&Model, &Credentials)>) -> Self {
        Self {
            keys: index(
                model,
                previous,
                |m| &m.key_auths,
                |c| &c.keys,
                |key| Some((key.key.as_ref()?.expose(), key.clone())),
            ),
            basic: index(
                model,
                previous,
                |m| &m.basic_auths,
                |c| &c.basic,
                |basic| Some((&basic.username, basic.clone())),
            ),
            hmac: index(
                model,
                previous,
                |m| &m.hmac_auths,
                |c| &c.hmac,
                |hmac| Some((&hmac.username, hmac.clone())),
            ),
            jwt: index(
                model,
                previous,
                |m| &m.jwt_secrets,
                |c| &c.jwt,
                |secret| {
                    let key = secret.key.as_deref()?;
                    let old = previous.and_then(|(_, old)| old.jwt.get(key));
                    // Reading a public key costs more than all the rest of a credential.
                    let kept = old.filter(|old| old.is_of(secret)).cloned();
                    Some((
                        key,
                        kept.unwrap_or_else(|| Arc::new(Verifier::new(secret.clone()))),
                    ))
                },
            ),
        }
    }
}

fn index<T, U>(
    model: &Model,
    previous: Option<(&Model, &Credentials)>,
    table: fn(&Model) -> &Table<T>,
    index: fn(&Credentials) -> &Index<U>,
    entry: impl for<'a> Fn(&'a Arc<T>) -> Option<(&'a str, U)>,
) -> Index<U> {
    match previous {
        Some((old, credentials)) if table(old).is(table(model)) => index(credentials).clone(),
        _ => {
            let entries = table(model).values().filter_map(entry);
            Arc::new(entries.map(|(key, found)| (key.into(), found)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::plugins::Catalog;
    use shared::sync::{State, canonical};
    use uuid::Uuid;

    use super::*;

    fn set(state: &mut State, kind: &str, number: u128, mut document: Value) {
        let id = Uuid::from_u128(number);
        document["id"] = json!(id);
        document["consumer"] = json!({ "id": Uuid::from_u128(1) });
        let payload = canonical(document.as_object().expect("an object"));
        state.insert(&kind.into(), id, payload);
    }

    fn model(state: &State, previous: Option<(&State, &Model)>) -> Model {
        Model::build(state, previous, Catalog::builtin()).expect("good documents")
    }

    #[test]
    fn only_what_changed_is_indexed_again() {
        let mut state = State::new();
        let consumer = json!({ "id": Uuid::from_u128(1), "username": "ann" });
        let payload = canonical(consumer.as_object().expect("an object"));
        state.insert(&"consumers".into(), Uuid::from_u128(1), payload);
        let basic = json!({ "username": "ann", "password": "0" });
        set(&mut state, "basicauth_credentials", 2, basic);
        let hmac = json!({ "username": "ann", "secret": "s" });
        set(&mut state, "hmacauth_credentials", 3, hmac);
        set(
            &mut state,
            "jwt_secrets",
            4,
            json!({ "key": "ann", "secret": "s" }),
        );
        set(
            &mut state,
            "jwt_secrets",
            5,
            json!({ "key": null, "secret": "s" }),
        );
        set(&mut state, "keyauth_credentials", 6, json!({ "key": "k" }));
        let old_model = model(&state, None);
        let old = Credentials::build(&old_model, None);
        assert_eq!((old.keys.len(), old.basic.len()), (1, 1));
        assert_eq!(
            (old.hmac.len(), old.jwt.len()),
            (1, 1),
            "a key that is null names nobody"
        );

        let mut later = state.clone();
        set(
            &mut later,
            "jwt_secrets",
            7,
            json!({ "key": "bob", "secret": "s" }),
        );
        let model = model(&later, Some((&state, &old_model)));
        let new = Credentials::build(&model, Some((&old_model, &old)));
        assert!(Arc::ptr_eq(&new.basic, &old.basic) && Arc::ptr_eq(&new.keys, &old.keys));
        assert!(Arc::ptr_eq(&new.hmac, &old.hmac) && !Arc::ptr_eq(&new.jwt, &old.jwt));
        assert!(
            Arc::ptr_eq(&new.jwt["ann"], &old.jwt["ann"]),
            "what is made of it stays"
        );
        assert!(new.jwt.contains_key("bob"));
    }
}
