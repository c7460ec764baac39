//! Who may do what on the Admin API: listeners that others reach need a token, and a token has a role.
//!
//! [`Arrival`] is what a listener says of a connection, [`Caller`] what [`Admin::admit`] makes of it and of the headers;
//! `roles` is the table of what each address asks for, `tokens` how tokens are stored and compared, `endpoints` their
//! addresses, `audit` what callers have written.

mod audit;
mod endpoints;
mod roles;
mod tokens;

pub use audit::{about as about_audit, list as audit};
pub use endpoints::{
    about_collection as about_tokens, about_item as about_token, collection as tokens,
    item as token,
};
pub use roles::{Role, needed};
pub use tokens::{
    CreateError, NewAdminToken, TokenStatus, create, list, local_word, revoke, welcome_commands,
};

use super::Admin;
use super::endpoints::Action;
use super::error::Failure;
use crate::store::Author;
use http::{HeaderMap, HeaderName, Method, header};
use std::net::{IpAddr, SocketAddr};

/// Kong's header for a token.
const TOKEN: HeaderName = HeaderName::from_static("kong-admin-token");

const NO_TOKEN: &str = "this listener needs a token: send it as 'Authorization: Bearer <token>' or \
    'Kong-Admin-Token: <token>' (`headgate-cp admin-token create` makes one)";

/// What a listener knows of a connection; every request carries it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub peer: SocketAddr,
    pub door: Door,
}

/// How far a listener trusts those who come without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Only this machine reaches it: whoever comes may do anything.
    Loopback,
    /// Others reach it, and `admin_unprotected` says that this is meant.
    Unprotected,
    /// Nobody without a token.
    Guarded,
}

impl Door {
    /// The door of a listener on that address.
    pub fn of(address: IpAddr, unprotected: bool) -> Door {
        match address.is_loopback() {
            true => Door::Loopback,
            false if unprotected => Door::Unprotected,
            false => Door::Guarded,
        }
    }
}

/// Who sent a request, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `token:ci`, `local` (a command on this machine), `loopback`, or `anonymous`.
    pub name: String,
    pub role: Role,
    pub from: Option<IpAddr>,
}

impl Caller {
    /// What the change log and the audit keep.
    pub fn author(&self, action: String) -> Author {
        Author::new(self.name.clone()).at(self.from).doing(action)
    }

    /// Whether the role is enough.
    ///
    /// # Errors
    /// 403 if it is not.
    pub fn permit(&self, needed: Role) -> Result<(), Failure> {
        if self.role >= needed {
            return Ok(());
        }
        let (name, role) = (&self.name, self.role);
        let from = self.from.map(tracing::field::display);
        tracing::warn!(who = %name, from, %role, %needed, "refused by the Admin API");
        Err(Failure::forbidden(format!(
            "'{name}' has the role '{role}', and this needs '{needed}'"
        )))
    }

    fn without_token(name: &str, from: Option<IpAddr>) -> Caller {
        Caller {
            name: name.to_owned(),
            role: Role::Admin,
            from,
        }
    }
}

impl Admin {
    /// Who sends these headers. A token that is sent counts on every listener; a wrong one is refused on every one.
    ///
    /// # Errors
    /// 401 without a good token where one is needed.
    pub(super) async fn identify(
        &self,
        arrival: Option<&Arrival>,
        headers: &HeaderMap,
    ) -> Result<Caller, Failure> {
        let from = arrival.map(|arrival| arrival.peer.ip().to_canonical());
        let door = arrival.map(|arrival| arrival.door);
        let caller = self.caller(from, door, headers).await;
        if let Err(Failure::Unauthorized(why)) = &caller {
            let from = from.map(tracing::field::display);
            tracing::warn!(from, why, "refused by the Admin API");
        }
        caller
    }

    async fn caller(
        &self,
        from: Option<IpAddr>,
        door: Option<Door>,
        headers: &HeaderMap,
    ) -> Result<Caller, Failure> {
        if let Some(word) = sent(headers)? {
            let token = tokens::verify(&self.store, word).await?;
            return Ok(Caller {
                name: token.caller(),
                role: token.role,
                from,
            });
        }
        match door {
            Some(Door::Loopback) => Ok(Caller::without_token("loopback", from)),
            Some(Door::Unprotected) => Ok(Caller::without_token("anonymous", from)),
            // A request that no listener brought is trusted no more than one from outside.
            Some(Door::Guarded) | None => Err(Failure::unauthorized(NO_TOKEN)),
        }
    }

    /// As [`Admin::identify`], for a request of that method to an address.
    ///
    /// # Errors
    /// 403 where the token's role is not enough.
    pub(super) async fn admit(
        &self,
        arrival: Option<&Arrival>,
        headers: &HeaderMap,
        action: &Action,
        method: &Method,
    ) -> Result<Caller, Failure> {
        let caller = self.identify(arrival, headers).await?;
        caller.permit(needed(action, method))?;
        Ok(caller)
    }
}

/// The token that the headers hold, if any. Another scheme than Bearer is not about us.
fn sent(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let wrong = || Failure::unauthorized("the token is not valid (it is one word of ASCII)");
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let text = value.to_str().ok()?;
        let (scheme, word) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(word.trim())
    });
    let own = match headers.get(TOKEN) {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_| wrong())?.trim()),
    };
    match (bearer, own) {
        (Some(one), Some(other)) if one != other => Err(Failure::unauthorized(
            "'Authorization' and 'Kong-Admin-Token' hold different tokens",
        )),
        (bearer, own) => Ok(bearer.or(own)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    #[test]
    fn a_token_comes_as_bearer_or_in_kongs_header() {
        type Pairs = [(&'static str, &'static str)];
        let cases: &[(&Pairs, Option<&str>)] = &[
            (&[], None),
            (&[("authorization", "Bearer abc")], Some("abc")),
            (&[("authorization", "bearer  abc ")], Some("abc")),
            (&[("authorization", "Basic YTpi")], None),
            (&[("kong-admin-token", "abc")], Some("abc")),
            (
                &[("authorization", "Basic YTpi"), ("kong-admin-token", "abc")],
                Some("abc"),
            ),
            (
                &[("authorization", "Bearer abc"), ("kong-admin-token", "abc")],
                Some("abc"),
            ),
        ];
        for (pairs, expected) in cases {
            let headers = headers(pairs);
            assert_eq!(sent(&headers).expect("one token at most"), *expected);
        }
        let both = [("authorization", "Bearer abc"), ("kong-admin-token", "abd")];
        assert!(sent(&headers(&both)).is_err());
    }

    #[test]
    fn only_loopback_and_what_is_meant_lets_in_without_a_token() {
        for (address, unprotected, door) in [
            ("127.0.0.1", false, Door::Loopback),
            ("::1", true, Door::Loopback),
            ("0.0.0.0", false, Door::Guarded),
            ("10.0.0.1", false, Door::Guarded),
            ("10.0.0.1", true, Door::Unprotected),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(Door::of(address, unprotected), door, "{address}");
        }
    }
}
