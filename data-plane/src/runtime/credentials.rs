//! What clients show, found by what names it. Made again only when a credential of the kind has changed.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use shared::entities::{BasicAuth, HmacAuth, KeyAuth};
use shared::model::{Model, Table};

use crate::plugins::Verifier;

/// The credentials of one revision.
#[derive(Default)]
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
        let before = |index: fn(&Credentials) -> &Index<_>| previous.map(|(_, old)| index(old));
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
                    let old = before(|c| &c.jwt).and_then(|jwt| jwt.get(key));
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
